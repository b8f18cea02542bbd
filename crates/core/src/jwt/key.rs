//! Keys that check signatures. Each knows its own algorithm.

use super::ecdsa_key::EcdsaKey;
use super::hmac_key::HmacKey;
use super::rsa_key::RsaKey;
use super::{Algorithm, AlgorithmName, Thumbprint};
use crate::codec::base64url;
use crate::ed25519::{PublicKey, PublicKeyError};
use crate::id::KeyId;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// Why bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not the canonical encoding of a point on the curve (RFC 8032 §5.1.3, RFC 7518 §6.2.1).
    NotOnCurve,
    /// A point of small order: signatures under it can be made without a private key.
    SmallOrder,
    /// A symmetric key with fewer bytes than its hash gives (RFC 7518 §3.2): 32, 48 or 64.
    TooShort,
    /// An RSA modulus that does not have 2048 to 8192 bits, is even, or begins with a zero byte.
    BadModulus,
    /// An RSA exponent that is not an odd number from 3 to 2³²−1, or begins with a zero byte.
    BadExponent,
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
            Self::TooShort => "is shorter than what its hash gives",
            Self::BadModulus => "has a modulus that is not an odd number of 2048 to 8192 bits",
            Self::BadExponent => "has an exponent that is not an odd number from 3 to 2^32-1",
            Self::AlgorithmMismatch => "belongs to another algorithm",
            Self::BadKeyId => "has an unusable key id",
        })
    }
}

impl core::error::Error for KeyError {}

impl From<PublicKeyError> for KeyError {
    fn from(error: PublicKeyError) -> Self {
        match error {
            PublicKeyError::NotOnCurve => Self::NotOnCurve,
            PublicKeyError::SmallOrder => Self::SmallOrder,
        }
    }
}

/// A key that checks signatures: a public key, decoded once, or a shared secret. It has one algorithm and no other
/// (RFC 8725 §3.1). Clones share what was computed for the key.
///
/// A secret is zeroized on drop. `Debug` shows the id and the algorithm alone.
#[derive(Clone)]
pub struct VerifyingKey {
    id: KeyId,
    name: AlgorithmName,
    material: Material,
}

#[derive(Clone)]
pub(super) enum Material {
    Ed25519(Arc<PublicKey>),
    Hmac(HmacKey),
    Ecdsa(EcdsaKey),
    Rsa(RsaKey),
}

impl VerifyingKey {
    /// An Ed25519 public key (RFC 8032 §5.1.5). Without an id, the key is named by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotOnCurve`] and [`KeyError::SmallOrder`] for bytes under which a signature would prove nothing.
    pub fn ed25519(id: Option<KeyId>, public: &[u8; 32]) -> Result<Self, KeyError> {
        let point = PublicKey::from_bytes(public)?;
        let id = id.map_or_else(|| named_by(&Thumbprint::of_ed25519(public)), Ok)?;
        Ok(Self { id, name: AlgorithmName::EdDsa, material: Material::Ed25519(Arc::new(point)) })
    }

    /// A shared secret for HMAC-SHA-256, at least 32 bytes. Whoever can verify with it can also sign.
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
        let material = Material::Hmac(HmacKey::new(algorithm, secret)?);
        Ok(Self { id, name: algorithm.default_name(), material })
    }

    /// A public key on P-256 or P-384, by the big-endian coordinates of its point, 32 or 48 bytes each (RFC 7518
    /// §6.2.1). Without an id, the key is named by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotOnCurve`]; [`KeyError::AlgorithmMismatch`] for an algorithm that is not ECDSA.
    pub fn ecdsa(id: Option<KeyId>, algorithm: Algorithm, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let key = EcdsaKey::new(algorithm, x, y)?;
        let id = id.map_or_else(|| named_by(&key.thumbprint()), Ok)?;
        Ok(Self { id, name: algorithm.default_name(), material: Material::Ecdsa(key) })
    }

    /// An RSA public key, by its modulus of 2048 to 8192 bits and its odd exponent from 3 to 2³²−1, both big-endian
    /// without leading zeros (RFC 7518 §6.3.1). Without an id, the key is named by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadModulus`], [`KeyError::BadExponent`]; [`KeyError::AlgorithmMismatch`] for an algorithm that is
    /// not RSA.
    pub fn rsa(
        id: Option<KeyId>,
        algorithm: Algorithm,
        modulus: &[u8],
        exponent: &[u8],
    ) -> Result<Self, KeyError> {
        let key = RsaKey::new(algorithm, modulus, exponent)?;
        let id = id.map_or_else(|| named_by(&key.thumbprint()), Ok)?;
        Ok(Self { id, name: algorithm.default_name(), material: Material::Rsa(key) })
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

    /// The same key under another name.
    #[must_use]
    pub fn with_key_id(mut self, id: KeyId) -> Self {
        self.id = id;
        self
    }

    /// The name of the key: the `kid` of its tokens.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The name of its algorithm in its JWK.
    #[must_use]
    pub const fn algorithm_name(&self) -> AlgorithmName {
        self.name
    }

    /// The one algorithm the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.name.algorithm()
    }

    /// The key as a JWK for publication or for a host (RFC 7517, RFC 7518 §6, RFC 8037 §2): first the members of its
    /// kind, then `kid`, `alg` and `use`. `None` for a symmetric key, which is never published.
    #[must_use]
    pub fn public_jwk(&self) -> Option<String> {
        let members = match &self.material {
            Material::Hmac(_) => return None,
            Material::Ed25519(point) => {
                let x = base64url::encode(&point.to_bytes());
                String::from_iter([r#""kty":"OKP","crv":"Ed25519","x":""#, &x, r#"""#])
            }
            Material::Ecdsa(key) => key.jwk_members(),
            Material::Rsa(key) => key.jwk_members(),
        };
        // A key id has no character that JSON would escape.
        let (id, name) = (self.id.as_str(), self.name.as_str());
        let parts = ["{", &members, r#","kid":""#, id, r#"","alg":""#, name, r#"","use":"sig"}"#];
        Some(String::from_iter(parts))
    }

    /// The key itself.
    #[cfg(feature = "pem")]
    pub(super) const fn material(&self) -> &Material {
        &self.material
    }

    /// How many bytes a signature of this key has.
    #[must_use]
    pub const fn signature_bytes(&self) -> usize {
        match &self.material {
            Material::Ed25519(_) => 64,
            Material::Hmac(HmacKey::Sha256(_)) => 32,
            Material::Hmac(HmacKey::Sha384(_)) => 48,
            Material::Hmac(HmacKey::Sha512(_)) => 64,
            Material::Ecdsa(key) => key.signature_bytes(),
            Material::Rsa(key) => key.signature_bytes(),
        }
    }

    /// The public key as bytes (RFC 8032 §5.1.2), of a key for Ed25519.
    pub(super) fn ed25519_encoding(&self) -> Option<[u8; 32]> {
        match &self.material {
            Material::Ed25519(point) => Some(point.to_bytes()),
            _ => None,
        }
    }

    /// The public key, of a key for Ed25519.
    #[cfg(feature = "comb")]
    pub(crate) const fn public_key(&self) -> Option<&Arc<PublicKey>> {
        match &self.material {
            Material::Ed25519(point) => Some(point),
            _ => None,
        }
    }

    /// Takes over the tables of another key, if it is the same point.
    #[cfg(feature = "comb")]
    pub(super) fn share_tables_of(&mut self, other: &Self) {
        if let (Material::Ed25519(point), Some(known)) = (&mut self.material, other.public_key())
            && point.to_bytes() == known.to_bytes()
        {
            *point = known.clone();
        }
    }

    /// Whether this key made the signature over the message.
    ///
    /// # Errors
    ///
    /// [`NotBuiltIn`] if this build cannot tell.
    pub(crate) fn check(&self, message: &[u8], signature: &[u8]) -> Result<bool, NotBuiltIn> {
        match &self.material {
            Material::Ed25519(point) => {
                Ok(signature.try_into().is_ok_and(|signature| point.verifies_vartime(message, signature)))
            }
            Material::Hmac(key) => Ok(key.verifies(message, signature)),
            #[cfg(feature = "ecdsa")]
            Material::Ecdsa(key) => Ok(key.verifies(message, signature)),
            #[cfg(not(feature = "ecdsa"))]
            Material::Ecdsa(_) => Err(NotBuiltIn),
            #[cfg(feature = "rsa")]
            Material::Rsa(key) => Ok(key.verifies(message, signature)),
            #[cfg(not(feature = "rsa"))]
            Material::Rsa(_) => Err(NotBuiltIn),
        }
    }

    /// The state of a shared secret, to sign with.
    #[cfg(feature = "issue")]
    pub(super) const fn as_hmac(&self) -> Option<&HmacKey> {
        match &self.material {
            Material::Hmac(key) => Some(key),
            _ => None,
        }
    }
}

/// This build leaves the algorithm of the key to its host ([`Algorithm::is_built_in`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotBuiltIn;

fn named_by(thumbprint: &Thumbprint) -> Result<KeyId, KeyError> {
    thumbprint.to_key_id().map_err(|_| KeyError::BadKeyId)
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {:?})", self.id, self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    const PUBLIC: &[u8; 43] = b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn verifies(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
        key.check(message, signature).unwrap()
    }

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
        assert!(verifies(&key, message, &signature));
        assert!(!verifies(&key, b"another message", &signature));
        assert!(!verifies(&key, message, &signature[..63]));
        assert!(!verifies(&key, message, &[signature.as_slice(), &[0]].concat()));
        assert!(!verifies(&key, message, b""));
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
        assert!(verifies(&key, message.as_bytes(), &signature));
        assert!(!verifies(&key, message.as_bytes(), &signature[..31]));
        assert!(!verifies(&key, message.as_bytes(), b""));
        assert!(!verifies(&key, b"another message", &signature));
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
            assert!(verifies(&key, &hex(message), &hex(signature)), "{public}");
            assert!(!verifies(&key, b"x", &hex(signature)), "{public}");
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
        for (algorithm, shortest) in
            [(Algorithm::HmacSha256, 32), (Algorithm::HmacSha384, 48), (Algorithm::HmacSha512, 64)]
        {
            let load = |bytes| {
                VerifyingKey::hmac("k".parse().unwrap(), algorithm, &[1; 64][..bytes])
                    .map(|key| key.algorithm())
            };
            assert_eq!(load(shortest - 1), Err(KeyError::TooShort));
            assert_eq!(load(shortest), Ok(algorithm));
        }
    }

    #[test]
    fn a_kind_of_key_takes_only_its_own_algorithms() {
        let id = || "k".parse::<KeyId>().unwrap();
        let all = [
            Algorithm::Ed25519,
            Algorithm::HmacSha256,
            Algorithm::HmacSha384,
            Algorithm::HmacSha512,
            Algorithm::EcdsaP256,
            Algorithm::EcdsaP384,
            Algorithm::RsaPkcs1Sha256,
            Algorithm::RsaPkcs1Sha384,
            Algorithm::RsaPkcs1Sha512,
            Algorithm::RsaPssSha256,
        ];
        let mismatch = KeyError::AlgorithmMismatch;
        for algorithm in all {
            let hmac = VerifyingKey::hmac(id(), algorithm, &[1; 64]);
            assert_eq!(hmac.is_ok(), algorithm.is_symmetric(), "{algorithm:?}");
            assert!(hmac.err().is_none_or(|error| error == mismatch));
            let ecdsa = VerifyingKey::ecdsa(Some(id()), algorithm, &[], &[]).err();
            let is_ecdsa = matches!(algorithm, Algorithm::EcdsaP256 | Algorithm::EcdsaP384);
            assert_eq!(ecdsa, Some(if is_ecdsa { KeyError::NotOnCurve } else { mismatch }), "{algorithm:?}");
            let rsa = VerifyingKey::rsa(Some(id()), algorithm, &[], &[]).err();
            assert_eq!(
                rsa,
                Some(if algorithm.is_rsa() { KeyError::BadModulus } else { mismatch }),
                "{algorithm:?}"
            );
        }
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
