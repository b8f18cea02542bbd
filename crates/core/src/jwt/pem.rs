//! Keys as files: PEM (RFC 7468) around SPKI, PKCS#8, PKCS#1 and SEC1.

use super::key::Material;
use super::{Algorithm, KeyError, VerifyingKey};
use crate::id::KeyId;
use crate::secret::Secret;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use pkcs1::der::asn1::{AnyRef, BitStringRef, OctetStringRef, UintRef};
use pkcs1::der::pem::LineEnding;
use pkcs1::der::{Decode as _, Encode as _, EncodePem as _, SecretDocument};
use pkcs1::{RsaPrivateKey, RsaPublicKey};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

/// RFC 8410 §3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// RFC 3279 §2.3.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5480 §2.1.1, and the curves of §2.1.1.1.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// Why a text is not a key. None of them quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemError {
    /// Not one PEM block, or not the DER that its label promises.
    Malformed,
    /// The label is not one that is read here: a certificate, a private key where a public one belongs, or the reverse.
    WrongLabel,
    /// The private key is encrypted.
    Encrypted,
    /// A key for something else: another curve, X25519, DSA, or RSA restricted to PSS.
    UnsupportedKey,
    /// An EC private key without its public half, which cannot be computed without the feature `ecdsa`.
    PublicKeyMissing,
    /// The public half in the file is not that of the private key.
    PublicKeyMismatch,
    /// The numbers are no key, or not one for the algorithm asked for.
    Key(KeyError),
}

impl PemError {
    /// The stable name of the reason, for logs and programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "pem_malformed",
            Self::WrongLabel => "pem_wrong_label",
            Self::Encrypted => "pem_encrypted",
            Self::UnsupportedKey => "key_unsupported",
            Self::PublicKeyMissing => "public_key_missing",
            Self::PublicKeyMismatch => "public_key_mismatch",
            Self::Key(_) => "key_unusable",
        }
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "is not a well-formed PEM file",
            Self::WrongLabel => "is a PEM file of something else",
            Self::Encrypted => "is encrypted",
            Self::UnsupportedKey => "is a key that no algorithm here uses",
            Self::PublicKeyMissing => "lacks its public half",
            Self::PublicKeyMismatch => "has the public half of another key",
            Self::Key(key) => return key.fmt(f),
        })
    }
}

impl core::error::Error for PemError {}

impl From<KeyError> for PemError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl VerifyingKey {
    /// The key as `PUBLIC KEY` (RFC 5280 §4.1.2.7, RFC 7468 §13), lines ending in `\n`; `None` for a symmetric key.
    #[must_use]
    pub fn to_pem(&self) -> Option<String> {
        let (oid, parameters, bits) = match self.material() {
            Material::Hmac(_) => return None,
            Material::Ed25519(point) => (ED25519, None, point.to_bytes().to_vec()),
            Material::Ecdsa(key) => {
                let curve = if self.algorithm() == Algorithm::EcdsaP384 { &P384 } else { &P256 };
                (EC, Some(AnyRef::from(curve)), key.to_sec1())
            }
            Material::Rsa(key) => {
                let number = |bytes| UintRef::new(bytes).ok();
                let modulus = number(key.modulus())?;
                let key = RsaPublicKey { modulus, public_exponent: number(key.exponent())? };
                (RSA, Some(AnyRef::NULL), key.to_der().ok()?)
            }
        };
        let subject_public_key = BitStringRef::from_bytes(&bits).ok()?;
        let algorithm = AlgorithmIdentifierRef { oid, parameters };
        SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_pem(LineEnding::LF).ok()
    }

    /// Reads a `PUBLIC KEY` (SPKI) or an `RSA PUBLIC KEY` (PKCS#1). An RSA key is for `RS256` unless an algorithm is
    /// given. Without an id, the key is named by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`PemError`]; [`KeyError::AlgorithmMismatch`] within it if the key is not for the algorithm given.
    pub fn from_pem(id: Option<KeyId>, algorithm: Option<Algorithm>, pem: &str) -> Result<Self, PemError> {
        let (label, document) = read(pem)?;
        match label {
            "PUBLIC KEY" => {
                let info: SubjectPublicKeyInfoRef<'_> = document.decode_msg().map_err(malformed)?;
                let bits = info.subject_public_key.as_bytes().ok_or(PemError::Malformed)?;
                let kind = kind_of(&info.algorithm)?;
                public_key(id, chosen(kind, algorithm)?, bits)
            }
            "RSA PUBLIC KEY" => {
                public_key(id, chosen(Algorithm::RsaPkcs1Sha256, algorithm)?, document.as_bytes())
            }
            _ => Err(PemError::WrongLabel),
        }
    }
}

/// A private key from a file.
pub enum PrivateKey {
    /// The seed of an Ed25519 key, for [`SigningKey::ed25519`](super::SigningKey::ed25519).
    Ed25519(Secret<32>),
    /// A key that a host signs with.
    Host(HostKey),
}

/// A private key in the form that hosts import, with the public key that checks what they sign.
///
/// Zeroized on drop. `Debug` shows the public half alone.
#[derive(Clone)]
pub struct HostKey {
    public: VerifyingKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl HostKey {
    /// The key that checks its signatures.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// The private key as PKCS#8 in DER (RFC 5958), which is what WebCrypto imports.
    #[must_use]
    pub fn expose_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostKey({:?})", self.public)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519(_) => f.write_str("Ed25519([redacted])"),
            Self::Host(key) => key.fmt(f),
        }
    }
}

impl PrivateKey {
    /// Reads a `PRIVATE KEY` (PKCS#8), an `RSA PRIVATE KEY` (PKCS#1) or an `EC PRIVATE KEY` (SEC1). An RSA key is for
    /// `RS256` unless an algorithm is given. Without an id, the key is named by its thumbprint.
    ///
    /// Whether the two halves of an RSA key belong together is for the host to say: it refuses to import another.
    ///
    /// # Errors
    ///
    /// [`PemError`]; [`KeyError::AlgorithmMismatch`] within it if the key is not for the algorithm given.
    pub fn from_pem(id: Option<KeyId>, algorithm: Option<Algorithm>, pem: &str) -> Result<Self, PemError> {
        let (label, document) = read(pem)?;
        match label {
            "PRIVATE KEY" => {
                let info: PrivateKeyInfoRef<'_> = document.decode_msg().map_err(malformed)?;
                let kind = kind_of(&info.algorithm)?;
                let algorithm = chosen(kind, algorithm)?;
                let key = info.private_key.as_bytes();
                if kind == Algorithm::Ed25519 {
                    return ed25519(key, info.public_key.and_then(|bits| bits.as_bytes()));
                }
                let public = public_half(id, algorithm, key)?;
                Ok(Self::Host(HostKey { public, pkcs8: document.to_bytes() }))
            }
            "RSA PRIVATE KEY" => {
                let parameters = Some(AnyRef::NULL);
                let algorithm = chosen(Algorithm::RsaPkcs1Sha256, algorithm)?;
                host_key(id, algorithm, AlgorithmIdentifierRef { oid: RSA, parameters }, document.as_bytes())
            }
            "EC PRIVATE KEY" => {
                let key: EcPrivateKey<'_> = document.decode_msg().map_err(malformed)?;
                let Some(EcParameters::NamedCurve(curve)) = key.parameters else {
                    return Err(PemError::UnsupportedKey);
                };
                let identifier = AlgorithmIdentifierRef { oid: EC, parameters: Some(AnyRef::from(&curve)) };
                let algorithm = chosen(kind_of(&identifier)?, algorithm)?;
                host_key(id, algorithm, identifier, document.as_bytes())
            }
            "ENCRYPTED PRIVATE KEY" => Err(PemError::Encrypted),
            _ => Err(PemError::WrongLabel),
        }
    }
}

/// The one block of a file. Explanatory text may stand before it (RFC 7468 §2), nothing after it; a header inside it
/// tells of a key that OpenSSL has encrypted in its old way.
fn read(pem: &str) -> Result<(&str, SecretDocument), PemError> {
    if pem.contains("Proc-Type:") {
        return Err(PemError::Encrypted);
    }
    SecretDocument::from_pem(pem.trim()).map_err(malformed)
}

fn malformed(_: impl fmt::Debug) -> PemError {
    PemError::Malformed
}

/// What a key of this kind is for unless told otherwise.
fn kind_of(identifier: &AlgorithmIdentifierRef<'_>) -> Result<Algorithm, PemError> {
    match identifier.oids().map_err(malformed)? {
        (ED25519, None) => Ok(Algorithm::Ed25519),
        (EC, Some(P256)) => Ok(Algorithm::EcdsaP256),
        (EC, Some(P384)) => Ok(Algorithm::EcdsaP384),
        (RSA, None) => Ok(Algorithm::RsaPkcs1Sha256),
        _ => Err(PemError::UnsupportedKey),
    }
}

/// The algorithm asked for, if a key of this kind can have it.
fn chosen(kind: Algorithm, wanted: Option<Algorithm>) -> Result<Algorithm, PemError> {
    match wanted {
        None => Ok(kind),
        Some(wanted) if wanted == kind || (wanted.is_rsa() && kind.is_rsa()) => Ok(wanted),
        Some(_) => Err(KeyError::AlgorithmMismatch.into()),
    }
}

/// A public key as in the bits of an SPKI.
fn public_key(id: Option<KeyId>, algorithm: Algorithm, bits: &[u8]) -> Result<VerifyingKey, PemError> {
    let not_on_curve = PemError::Key(KeyError::NotOnCurve);
    let key = match algorithm {
        Algorithm::Ed25519 => VerifyingKey::ed25519(id, bits.try_into().map_err(|_| not_on_curve)?),
        Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => {
            let coordinates = bits.strip_prefix(&[4]).ok_or(not_on_curve)?;
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            VerifyingKey::ecdsa(id, algorithm, x, y)
        }
        _ => {
            let key = RsaPublicKey::<UintRef<'_>>::from_der(bits).map_err(malformed)?;
            VerifyingKey::rsa(id, algorithm, key.modulus.as_bytes(), key.public_exponent.as_bytes())
        }
    };
    key.map_err(PemError::Key)
}

/// The public key of a private one, PKCS#1 or SEC1.
fn public_half(id: Option<KeyId>, algorithm: Algorithm, key: &[u8]) -> Result<VerifyingKey, PemError> {
    if algorithm.is_rsa() {
        let key = RsaPrivateKey::<UintRef<'_>>::from_der(key).map_err(malformed)?;
        let (n, e) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
        return VerifyingKey::rsa(id, algorithm, n, e).map_err(PemError::Key);
    }
    let key = EcPrivateKey::from_der(key).map_err(malformed)?;
    let computed = compute_point(algorithm, key.private_key)?;
    let point = match (computed, key.public_key) {
        (Some(computed), Some(stated)) if computed != stated => return Err(PemError::PublicKeyMismatch),
        (Some(computed), _) => computed,
        (None, stated) => stated.ok_or(PemError::PublicKeyMissing)?.to_vec(),
    };
    public_key(id, algorithm, &point)
}

/// The point of an EC private key, if this build can compute it.
#[cfg(feature = "ecdsa")]
fn compute_point(algorithm: Algorithm, secret: &[u8]) -> Result<Option<Vec<u8>>, PemError> {
    let point = match algorithm {
        Algorithm::EcdsaP384 => p384::ecdsa::SigningKey::from_slice(secret)
            .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
        _ => p256::ecdsa::SigningKey::from_slice(secret)
            .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
    };
    point.map(Some).map_err(|_| PemError::Malformed)
}

#[cfg(not(feature = "ecdsa"))]
#[expect(clippy::unnecessary_wraps, reason = "the other build can fail")]
const fn compute_point(_: Algorithm, _: &[u8]) -> Result<Option<Vec<u8>>, PemError> {
    Ok(None)
}

/// A seed: an octet string in an octet string (RFC 8410 §7).
fn ed25519(key: &[u8], stated: Option<&[u8]>) -> Result<PrivateKey, PemError> {
    let seed = <&OctetStringRef>::from_der(key).map_err(malformed)?;
    let seed = Secret::new(seed.as_bytes().try_into().map_err(malformed)?);
    let computed = ed25519_dalek::SigningKey::from_bytes(seed.expose()).verifying_key();
    if stated.is_some_and(|stated| stated != computed.as_bytes()) {
        return Err(PemError::PublicKeyMismatch);
    }
    Ok(PrivateKey::Ed25519(seed))
}

/// A key of an older format, put into PKCS#8.
fn host_key(
    id: Option<KeyId>,
    algorithm: Algorithm,
    identifier: AlgorithmIdentifierRef<'_>,
    key: &[u8],
) -> Result<PrivateKey, PemError> {
    let public = public_half(id, algorithm, key)?;
    let key = OctetStringRef::new(key).map_err(malformed)?;
    let pkcs8 = PrivateKeyInfoRef::new(identifier, key).to_der().map_err(malformed)?;
    Ok(PrivateKey::Host(HostKey { public, pkcs8: Zeroizing::new(pkcs8) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::{AlgorithmName, Thumbprint};
    use serde_json::{Value, json};
    use std::format;

    fn vectors() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jwt/pem.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn verdict(key: Result<VerifyingKey, PemError>) -> Value {
        match key {
            Ok(key) => {
                json!({"accepted": {"thumbprint": key.id().as_str(), "algorithm": key.algorithm_name().as_str()}})
            }
            Err(error) => json!(error.code()),
        }
    }

    fn read_private(algorithm: Option<Algorithm>, pem: &str) -> Result<VerifyingKey, PemError> {
        match PrivateKey::from_pem(None, algorithm, pem)? {
            PrivateKey::Host(key) => {
                // What the host is given is the same key.
                let again = pkcs1::der::pem::encode_string("PRIVATE KEY", LineEnding::LF, key.expose_pkcs8());
                let again = PrivateKey::from_pem(None, algorithm, &again.unwrap()).unwrap();
                assert_eq!(format!("{again:?}"), format!("{key:?}"));
                Ok(key.verifying_key().clone())
            }
            PrivateKey::Ed25519(seed) => {
                let public = ed25519_dalek::SigningKey::from_bytes(seed.expose()).verifying_key();
                assert_eq!(format!("{:?}", PrivateKey::Ed25519(seed)), "Ed25519([redacted])");
                Ok(VerifyingKey::ed25519(None, public.as_bytes())?)
            }
        }
    }

    #[test]
    fn every_file_gets_its_verdict() {
        let file = vectors();
        let cases = file["cases"].as_array().unwrap();
        let mut accepted = 0;
        for case in cases {
            let pem = case["pem"].as_str().unwrap();
            let algorithm =
                case["algorithm"].as_str().map(|name| AlgorithmName::from_text(name).unwrap().algorithm());
            let actual = match case["reads"].as_str().unwrap() {
                "public" => verdict(VerifyingKey::from_pem(None, algorithm, pem)),
                _ => verdict(read_private(algorithm, pem)),
            };
            let expected = if cfg!(feature = "ecdsa") { None } else { case.get("without_ecdsa") };
            assert_eq!(&actual, expected.unwrap_or(&case["verdict"]), "{}", case["name"]);
            accepted += usize::from(case["verdict"].is_object());
        }
        assert!(accepted >= 15 && cases.len() > 2 * accepted, "{accepted} of {}", cases.len());
    }

    #[test]
    fn what_is_written_is_what_openssl_writes() {
        let file = vectors();
        let mut written = 0;
        for name in ["Ed25519, SPKI", "RSA, SPKI", "P-256, SPKI", "P-384, SPKI"] {
            let case = file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
            let pem = case["pem"].as_str().unwrap();
            assert_eq!(VerifyingKey::from_pem(None, None, pem).unwrap().to_pem().unwrap(), pem, "{name}");
            written += 1;
        }
        assert_eq!(written, 4);
        let secret = VerifyingKey::hmac_sha256("k".parse().unwrap(), &[1; 32]).unwrap();
        assert_eq!(secret.to_pem(), None);
    }

    #[test]
    fn rfc_8410_section_10() {
        let public = concat!(
            "-----BEGIN PUBLIC KEY-----\n",
            "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n",
            "-----END PUBLIC KEY-----\n",
        );
        let private = concat!(
            "-----BEGIN PRIVATE KEY-----\n",
            "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n",
            "-----END PRIVATE KEY-----\n",
        );
        let key = VerifyingKey::from_pem(None, None, public).unwrap();
        assert_eq!(key.id(), read_private(None, private).unwrap().id());
        assert_eq!(key.id().as_str().len(), Thumbprint::of_ed25519(&[0; 32]).as_str().len());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes: std::vec::Vec<u8>, private: bool) {
            let label = if private { "PRIVATE KEY" } else { "PUBLIC KEY" };
            let pem = pkcs1::der::pem::encode_string(label, LineEnding::LF, &bytes).unwrap();
            proptest::prop_assert!(VerifyingKey::from_pem(None, None, &pem).is_err());
            proptest::prop_assert!(PrivateKey::from_pem(None, None, &pem).is_err());
        }
    }
}
