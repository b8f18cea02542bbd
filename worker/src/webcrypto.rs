//! Keys that the host computes with: RSA and P-256, by WebCrypto (`crypto.subtle`).
//!
//! A key is for the one algorithm that it was imported for. A private key is imported so that it cannot be exported
//! again.

use postern_core::jwt::{Algorithm, HostKey, SignatureVerdict, VerifyingKey};
use std::fmt;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::{Array, Function, JSON, Object, Promise, Reflect, Uint8Array, global};
use zeroize::Zeroizing;

/// Why the host did not do what it was asked. What it says never quotes a key.
#[derive(Debug)]
pub(crate) struct HostError(String);

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<JsValue> for HostError {
    fn from(thrown: JsValue) -> Self {
        Self(format!("WebCrypto: {}", String::from(Object::from(thrown).to_string())))
    }
}

/// A key inside the host, private or public.
pub(crate) struct WebKey {
    key: JsValue,
    parameters: JsValue,
}

impl WebKey {
    /// A private key, to sign with.
    pub(crate) async fn to_sign(private: &HostKey) -> Result<Self, HostError> {
        let parameters = parameters(private.verifying_key().algorithm())?;
        let data = Uint8Array::from(private.expose_pkcs8());
        let arguments =
            ["pkcs8".into(), data.clone().into(), parameters.clone(), false.into(), usage("sign")];
        let key = call("importKey", &arguments).await;
        data.fill(0, 0, data.length());
        Ok(Self { key: key?, parameters })
    }

    /// A public key, to check signatures with.
    pub(crate) async fn to_verify(public: &VerifyingKey) -> Result<Self, HostError> {
        let parameters = parameters(public.algorithm())?;
        let jwk = public.public_jwk().ok_or_else(|| HostError("the key is not public".into()))?;
        let arguments = ["jwk".into(), JSON::parse(&jwk)?, parameters.clone(), false.into(), usage("verify")];
        Ok(Self { key: call("importKey", &arguments).await?, parameters })
    }

    /// The signature of a message, as JWS writes it (RFC 7518 §3.3, §3.4).
    pub(crate) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, HostError> {
        let message = Uint8Array::from(message);
        let signature = call("sign", &[self.parameters.clone(), self.key.clone(), message.into()]).await?;
        Ok(Uint8Array::new(&signature).to_vec())
    }

    /// Whether the key made the signature.
    pub(crate) async fn verifies(&self, message: &[u8], signature: &[u8]) -> Result<bool, HostError> {
        let (message, signature) = (Uint8Array::from(message), Uint8Array::from(signature));
        let arguments = [self.parameters.clone(), self.key.clone(), signature.into(), message.into()];
        Ok(call("verify", &arguments).await?.is_truthy())
    }
}

/// What the host says of a signature. What it cannot check is not valid.
pub(crate) async fn verdict(public: &VerifyingKey, message: &[u8], signature: &[u8]) -> SignatureVerdict {
    let asked = async { WebKey::to_verify(public).await?.verifies(message, signature).await };
    match asked.await {
        Ok(true) => SignatureVerdict::Valid,
        Ok(false) => SignatureVerdict::Invalid,
        Err(error) => {
            worker::console_error!("signature: {error}");
            SignatureVerdict::Invalid
        }
    }
}

/// A new private key, as PKCS#8 in DER.
pub(crate) async fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, HostError> {
    const MODULUS_BITS: u32 = 2048;
    const EXPONENT: [u8; 3] = [1, 0, 1];
    let parameters = parameters(algorithm)?;
    if algorithm.is_rsa() {
        Reflect::set(&parameters, &"modulusLength".into(), &MODULUS_BITS.into())?;
        Reflect::set(&parameters, &"publicExponent".into(), &Uint8Array::from(&EXPONENT[..]))?;
    }
    let usages = Array::of2(&"sign".into(), &"verify".into());
    let pair = call("generateKey", &[parameters, true.into(), usages.into()]).await?;
    let private = Reflect::get(&pair, &"privateKey".into())?;
    let exported = Uint8Array::new(&call("exportKey", &["pkcs8".into(), private]).await?);
    let pkcs8 = Zeroizing::new(exported.to_vec());
    exported.fill(0, 0, exported.length());
    Ok(pkcs8)
}

/// What WebCrypto wants to know of an algorithm, for every operation: each ignores what is not for it.
fn parameters(algorithm: Algorithm) -> Result<JsValue, HostError> {
    let text = match algorithm {
        Algorithm::EcdsaP256 => r#"{"name":"ECDSA","namedCurve":"P-256","hash":"SHA-256"}"#,
        Algorithm::EcdsaP384 => r#"{"name":"ECDSA","namedCurve":"P-384","hash":"SHA-384"}"#,
        Algorithm::RsaPkcs1Sha256 => r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-256"}"#,
        Algorithm::RsaPkcs1Sha384 => r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-384"}"#,
        Algorithm::RsaPkcs1Sha512 => r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-512"}"#,
        Algorithm::RsaPssSha256 => r#"{"name":"RSA-PSS","hash":"SHA-256","saltLength":32}"#,
        Algorithm::Ed25519 | Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512 => {
            return Err(HostError("the algorithm is not the host's".into()));
        }
    };
    Ok(JSON::parse(text)?)
}

fn usage(name: &str) -> JsValue {
    Array::of1(&name.into()).into()
}

async fn call(method: &str, arguments: &[JsValue]) -> Result<JsValue, HostError> {
    let crypto = Reflect::get(&global(), &"crypto".into())?;
    let subtle = Reflect::get(&crypto, &"subtle".into())?;
    let function: Function = Reflect::get(&subtle, &method.into())?.dyn_into()?;
    let promise: Promise = function.apply(&subtle, &arguments.iter().collect::<Array>())?.dyn_into()?;
    Ok(JsFuture::from(promise).await?)
}
