//! Keys that check signatures. Each knows its own algorithm.

use super::{Algorithm, AlgorithmName, Thumbprint};
use crate::codec::base64url;
use crate::id::KeyId;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Why bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not the canonical encoding of a point on the curve (RFC 8032 §5.1.3).
    NotOnCurve,
    /// A point of small order: signatures under it can be made without a private key.
    SmallOrder,
    /// A symmetric key below 32 bytes (RFC 7518 §3.2).
    TooShort,
    /// The name stands for an algorithm that is not the key's.
    AlgorithmMismatch,
    /// The key id is empty, too long, or has characters that a key id may not have.
    BadKeyId,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOnCurve => "is not the canonical encoding of a point on the curve",
            Self::SmallOrder => "is a point of small order",
            Self::TooShort => "is shorter than 32 bytes",
            Self::AlgorithmMismatch => "belongs to another algorithm",
            Self::BadKeyId => "has an unusable key id",
        })
    }
}

impl core::error::Error for KeyError {}

/// A key that checks signatures: an Ed25519 public key, decoded once, or a shared HMAC secret.
///
/// A secret is zeroized on drop. `Debug` shows the id and the algorithm alone.
#[derive(Clone)]
pub struct VerifyingKey {
    id: KeyId,
    name: AlgorithmName,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    Hmac(HmacSecret),
}

impl VerifyingKey {
    /// An Ed25519 public key (RFC 8032 §5.1.5). Without an id, the key is named by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotOnCurve`] and [`KeyError::SmallOrder`] for bytes under which a signature would prove nothing.
    pub fn ed25519(id: Option<KeyId>, public: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_canonical(public) {
            return Err(KeyError::NotOnCurve);
        }
        let point = ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| KeyError::NotOnCurve)?;
        if point.is_weak() {
            return Err(KeyError::SmallOrder);
        }
        let id = match id {
            Some(id) => id,
            None => Thumbprint::of_ed25519(public).to_key_id().map_err(|_| KeyError::BadKeyId)?,
        };
        Ok(Self { id, name: AlgorithmName::EdDsa, material: Material::Ed25519(Box::new(point)) })
    }

    /// A shared secret for HMAC-SHA-256, at least 32 bytes. Whoever can verify with it can also sign.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] for less than 32 bytes.
    pub fn hmac_sha256(id: KeyId, secret: &[u8]) -> Result<Self, KeyError> {
        let material = Material::Hmac(HmacSecret::new(secret)?);
        Ok(Self { id, name: AlgorithmName::Hs256, material })
    }

    /// The same key, published under another name of its algorithm: `Ed25519` instead of `EdDSA`. Tokens under
    /// either name stay accepted.
    ///
    /// # Errors
    ///
    /// [`KeyError::AlgorithmMismatch`] for a name of another algorithm.
    pub fn with_algorithm_name(mut self, name: AlgorithmName) -> Result<Self, KeyError> {
        if name.algorithm() != self.algorithm() {
            return Err(KeyError::AlgorithmMismatch);
        }
        self.name = name;
        Ok(self)
    }

    /// The name of the key: the `kid` of its tokens.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The one algorithm the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.name.algorithm()
    }

    /// The key as a JWK for publication (RFC 7517, RFC 8037), members in the order `kty crv x kid alg use`;
    /// `None` for a symmetric key, which is never published.
    #[must_use]
    pub fn public_jwk(&self) -> Option<String> {
        match &self.material {
            Material::Hmac(_) => None,
            // A key id has no character that JSON would escape.
            Material::Ed25519(point) => Some(format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"{}","kid":"{}","alg":"{}","use":"sig"}}"#,
                base64url::encode(point.as_bytes()),
                self.id,
                self.name.as_str(),
            )),
        }
    }

    /// Whether this key made the signature over the message.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Ed25519(point) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| point.verify_strict(message, &signature).is_ok()),
            Material::Hmac(secret) => secret.verifies(message, signature),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {:?})", self.id, self.algorithm())
    }
}

/// A secret for HMAC-SHA-256, at least 32 bytes, zeroized on drop.
#[derive(Clone)]
pub(super) struct HmacSecret(Zeroizing<Vec<u8>>);

impl HmacSecret {
    pub(super) fn new(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < 32 { Err(KeyError::TooShort) } else { Ok(Self(Zeroizing::new(secret.to_vec()))) }
    }

    #[cfg(feature = "issue")]
    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Compares in constant time.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return false };
        mac.chain_update(message).verify_slice(signature).is_ok()
    }
}

/// Whether the y coordinate is below the field's prime 2²⁵⁵−19 (RFC 8032 §5.1.3). The one other freedom of the
/// encoding, a sign bit for x = 0, exists only for points of small order.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    *low < 0xED || *high & 0x7F != 0x7F || middle.iter().any(|byte| *byte != 0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    const PUBLIC: &[u8; 43] = b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn public() -> [u8; 32] {
        base64url::decode_array(PUBLIC).unwrap()
    }

    #[test]
    fn rfc_8037_appendix_a_4_and_a_5() {
        let key = VerifyingKey::ed25519(None, &public()).unwrap();
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = base64url::decode(
            b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        )
        .unwrap();
        assert!(key.verifies(message, &signature));
        assert!(!key.verifies(b"another message", &signature));
        assert!(!key.verifies(message, &signature[..63]));
        assert!(!key.verifies(message, &[signature.as_slice(), &[0]].concat()));
        assert!(!key.verifies(message, b""));
    }

    #[test]
    fn rfc_7515_appendix_a_1() {
        let secret = base64url::decode(
            b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        )
        .unwrap();
        let key = VerifyingKey::hmac_sha256("a1".parse().unwrap(), &secret).unwrap();
        let message = concat!(
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.",
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        );
        let signature = base64url::decode(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert!(key.verifies(message.as_bytes(), &signature));
        assert!(!key.verifies(message.as_bytes(), &signature[..31]));
        assert!(!key.verifies(message.as_bytes(), b""));
        assert!(!key.verifies(b"another message", &signature));
    }

    #[test]
    fn rfc_8032_section_7_1() {
        let cases = [
            (
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ];
        for (public, message, signature) in cases {
            let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
            let key = VerifyingKey::ed25519(None, &hex(public).try_into().unwrap()).unwrap();
            assert!(key.verifies(&hex(message), &hex(signature)), "{public}");
            assert!(!key.verifies(b"x", &hex(signature)), "{public}");
        }
    }

    #[test]
    fn keys_that_prove_nothing_are_refused() {
        // The eight points of small order (canonical), then encodings with y ≥ p.
        let small = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ];
        let non_canonical = [
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            // y = 2 is no coordinate of a point.
            "0200000000000000000000000000000000000000000000000000000000000000",
        ];
        let load = |hex: &str| {
            let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            VerifyingKey::ed25519(None, &bytes.try_into().unwrap()).map(|_| ())
        };
        for hex in small {
            let refusal = load(hex).unwrap_err();
            assert!(matches!(refusal, KeyError::SmallOrder | KeyError::NotOnCurve), "{hex}: {refusal}");
        }
        for hex in non_canonical {
            assert_eq!(load(hex), Err(KeyError::NotOnCurve), "{hex}");
        }
        let short = VerifyingKey::hmac_sha256("k".parse().unwrap(), &[1; 31]);
        assert_eq!(short.map(|_| ()), Err(KeyError::TooShort));
    }

    #[test]
    fn the_published_form_is_fixed() {
        let key = VerifyingKey::ed25519(Some("2026-1".parse().unwrap()), &public()).unwrap();
        let jwk = |alg| {
            format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"2026-1","alg":"{alg}","use":"sig"}}"#
            )
        };
        assert_eq!(key.public_jwk(), Some(jwk("EdDSA")));
        let renamed = key.clone().with_algorithm_name(AlgorithmName::Ed25519).unwrap();
        assert_eq!(renamed.public_jwk(), Some(jwk("Ed25519")));
        let mismatch = key.with_algorithm_name(AlgorithmName::Hs256);
        assert_eq!(mismatch.map(|_| ()), Err(KeyError::AlgorithmMismatch));
        let secret = VerifyingKey::hmac_sha256("k".parse().unwrap(), &[1; 32]).unwrap();
        assert_eq!(secret.public_jwk(), None);
    }

    #[test]
    fn debug_shows_no_material() {
        let secret =
            VerifyingKey::hmac_sha256("k".parse().unwrap(), b"0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(format!("{secret:?}"), "VerifyingKey(k, HmacSha256)");
    }
}
