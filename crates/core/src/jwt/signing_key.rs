//! Keys that sign. Each knows its own algorithm and the key that checks what it signs.

use super::{Algorithm, AlgorithmName, KeyError, SignError, VerifyingKey};
use crate::id::KeyId;
use crate::secret::Secret;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use ed25519_dalek::Signer as _;

/// A key that signs, with the verifying key that belongs to it.
///
/// Zeroized on drop. `Debug` shows the id and the algorithm alone.
#[derive(Clone)]
pub struct SigningKey {
    verifying: VerifyingKey,
    name: AlgorithmName,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    #[cfg(feature = "ecdsa")]
    EcdsaP256(Box<p256::ecdsa::SigningKey>),
    /// The secret is in the verifying key.
    Hmac,
}

impl SigningKey {
    /// An Ed25519 key from its seed (the private key of RFC 8032 §5.1.5), named by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the public half were unusable, which no seed is known to bring about.
    pub fn ed25519(seed: &Secret<32>) -> Result<Self, KeyError> {
        let key = Box::new(ed25519_dalek::SigningKey::from_bytes(seed.expose()));
        let verifying = VerifyingKey::ed25519(None, key.verifying_key().as_bytes())?;
        Ok(Self { verifying, name: AlgorithmName::EdDsa, material: Material::Ed25519(key) })
    }

    /// A P-256 key from its private number, big-endian, for ES256 (RFC 7518 §3.4). Signatures are deterministic (RFC
    /// 6979), so they need no randomness. Without an id, the key is named by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotOnCurve`] for zero and for numbers not below the order of the curve.
    #[cfg(feature = "ecdsa")]
    pub fn ecdsa_p256(id: Option<KeyId>, secret: &Secret<32>) -> Result<Self, KeyError> {
        let key = p256::ecdsa::SigningKey::from_slice(secret.expose()).map_err(|_| KeyError::NotOnCurve)?;
        let point = key.verifying_key().to_sec1_point(false);
        let (x, y) = point.x().zip(point.y()).ok_or(KeyError::NotOnCurve)?;
        let verifying = VerifyingKey::ecdsa(id, Algorithm::EcdsaP256, x, y)?;
        let name = verifying.algorithm_name();
        Ok(Self { verifying, name, material: Material::EcdsaP256(Box::new(key)) })
    }

    /// A shared secret for HMAC-SHA-256, at least 32 bytes. Every verifier that has it can also sign.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] for less than 32 bytes.
    pub fn hmac_sha256(id: KeyId, secret: &[u8]) -> Result<Self, KeyError> {
        Self::hmac(id, Algorithm::HmacSha256, secret)
    }

    /// A shared secret for HMAC with SHA-256, SHA-384 or SHA-512: at least 32, 48 or 64 bytes (RFC 7518 §3.2).
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`]; [`KeyError::AlgorithmMismatch`] for an algorithm that is not symmetric.
    pub fn hmac(id: KeyId, algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let verifying = VerifyingKey::hmac(id, algorithm, secret)?;
        Ok(Self { verifying, name: algorithm.default_name(), material: Material::Hmac })
    }

    /// The same key, signing and published under another name of its algorithm: `Ed25519` instead of `EdDSA`.
    ///
    /// # Errors
    ///
    /// [`KeyError::AlgorithmMismatch`] for a name of another algorithm.
    pub fn with_algorithm_name(self, name: AlgorithmName) -> Result<Self, KeyError> {
        let verifying = self.verifying.with_algorithm_name(name)?;
        Ok(Self { verifying, name, material: self.material })
    }

    /// The same key under another name: that of a key that was made elsewhere.
    #[must_use]
    pub fn with_key_id(self, id: KeyId) -> Self {
        Self { verifying: self.verifying.with_key_id(id), ..self }
    }

    /// The name of the key: the `kid` of its tokens.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        self.verifying.id()
    }

    /// The one algorithm the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.name.algorithm()
    }

    /// The key that checks what this one signs.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The public half as a JWK; `None` for a symmetric key. See [`VerifyingKey::public_jwk`].
    #[must_use]
    pub fn public_jwk(&self) -> Option<String> {
        self.verifying.public_jwk()
    }

    /// Signs these bytes. Not public: to sign is to grant.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.material {
            Material::Ed25519(key) => Ok(key.sign(message).to_bytes().to_vec()),
            #[cfg(feature = "ecdsa")]
            Material::EcdsaP256(key) => {
                let signature: p256::ecdsa::Signature =
                    key.try_sign(message).map_err(|_| SignError::Unencodable)?;
                Ok(signature.to_bytes().to_vec())
            }
            Material::Hmac => {
                self.verifying.as_hmac().map(|key| key.sign(message)).ok_or(SignError::Unencodable)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {:?})", self.key_id(), self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::base64url;
    use std::format;

    fn ed25519() -> SigningKey {
        SigningKey::ed25519(&Secret::new([7; 32])).unwrap()
    }

    fn hmac() -> SigningKey {
        SigningKey::hmac_sha256("shared".parse().unwrap(), &[9; 32]).unwrap()
    }

    #[test]
    fn rfc_8037_appendix_a_4() {
        let seed = base64url::decode_array(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::ed25519(&Secret::new(seed)).unwrap();
        assert_eq!(key.key_id().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let signature = key.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc").unwrap();
        assert_eq!(
            base64url::encode(&signature),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    #[cfg(feature = "ecdsa")]
    fn rfc_6979_appendix_a_2_5() {
        let secret = |hex: &str| {
            let bytes = data_encoding::HEXUPPER.decode(hex.as_bytes()).unwrap();
            Secret::<32>::new(bytes.try_into().unwrap())
        };
        let x = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
        let key = SigningKey::ecdsa_p256(None, &secret(x)).unwrap();
        let signature = key.sign(b"sample").unwrap();
        assert_eq!(
            data_encoding::HEXUPPER.encode(&signature),
            concat!(
                "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
                "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
            )
        );
        assert_eq!(key.verifying_key().check(b"sample", &signature), Ok(true));
        let order = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
        for refused in [order, &"F".repeat(64), &"0".repeat(64)] {
            assert_eq!(SigningKey::ecdsa_p256(None, &secret(refused)).err(), Some(KeyError::NotOnCurve));
        }
    }

    #[test]
    fn a_key_signs_only_under_names_of_its_algorithm() {
        let mismatch = Some(KeyError::AlgorithmMismatch);
        assert_eq!(ed25519().with_algorithm_name(AlgorithmName::Hs256).err(), mismatch);
        assert_eq!(hmac().with_algorithm_name(AlgorithmName::EdDsa).err(), mismatch);
        let short = SigningKey::hmac_sha256("k".parse().unwrap(), &[1; 31]);
        assert_eq!(short.err(), Some(KeyError::TooShort));
    }

    #[test]
    fn debug_shows_no_material() {
        assert_eq!(format!("{:?}", hmac()), "SigningKey(shared, HmacSha256)");
        assert!(format!("{:?}", ed25519()).ends_with(", Ed25519)"));
    }

    #[test]
    fn a_secret_is_not_published() {
        assert_eq!(hmac().public_jwk(), None);
        assert_eq!(ed25519().public_jwk(), ed25519().verifying_key().public_jwk());
    }
}
