//! JWK thumbprints (RFC 7638): names that keys have by themselves.
//!
//! Texts are joined, not formatted: the formatting of `core` would be a tenth of a small verifier.

use crate::codec::base64url;
use crate::id::{IdError, KeyId};
use alloc::format;
use alloc::string::String;
use core::fmt;
use sha2::{Digest as _, Sha256};

/// The SHA-256 thumbprint of a key: 43 characters of base64url.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Thumbprint(String);

impl Thumbprint {
    /// Of an Ed25519 public key (RFC 8037 §2 and A.3).
    #[must_use]
    pub fn of_ed25519(public: &[u8; 32]) -> Self {
        let x = base64url::encode(public);
        Self::of_canonical(&[r#"{"crv":"Ed25519","kty":"OKP","x":""#, &x, r#""}"#])
    }

    /// Of a public key on the curve of that name (RFC 7638 §3.2), both coordinates in full length.
    pub(super) fn of_ec(curve: &str, x: &[u8], y: &[u8]) -> Self {
        let (x, y) = (base64url::encode(x), base64url::encode(y));
        Self::of_canonical(&[r#"{"crv":""#, curve, r#"","kty":"EC","x":""#, &x, r#"","y":""#, &y, r#""}"#])
    }

    /// Of an RSA public key (RFC 7638 §3.1), both numbers big-endian and without leading zeros.
    pub(super) fn of_rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        let (n, e) = (base64url::encode(modulus), base64url::encode(exponent));
        Self::of_canonical(&[r#"{"e":""#, &e, r#"","kty":"RSA","n":""#, &n, r#""}"#])
    }

    /// Of a symmetric key. Publishing it lets others test guesses of the key (RFC 7638 §7), which is harmless only
    /// for a random one.
    #[must_use]
    pub fn of_symmetric(secret: &[u8]) -> Self {
        let canonical =
            zeroize::Zeroizing::new(format!(r#"{{"k":"{}","kty":"oct"}}"#, &*encode_secret(secret)));
        Self::of_canonical(&[&canonical])
    }

    /// Of the required members, sorted by name, without white space; the parts of their text.
    fn of_canonical(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self(base64url::encode(&hash.finalize()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The thumbprint as a key id.
    ///
    /// # Errors
    ///
    /// None in practice: base64url is within what a key id may have.
    pub fn to_key_id(&self) -> Result<KeyId, IdError> {
        self.0.parse()
    }
}

fn encode_secret(secret: &[u8]) -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(base64url::encode(secret))
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8037_appendix_a_3() {
        let public = base64url::decode_array(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let thumbprint = Thumbprint::of_ed25519(&public);
        assert_eq!(thumbprint.as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(thumbprint.to_key_id().unwrap().as_str(), thumbprint.as_str());
    }

    #[test]
    fn rfc_7638_section_3_1() {
        let canonical = concat!(
            r#"{"e":"AQAB","kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aP"#,
            "FFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_F",
            "DW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lF",
            r#"d2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}"#,
        );
        assert_eq!(
            Thumbprint::of_canonical(&[canonical]).as_str(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn a_symmetric_key_is_its_required_members_in_order() {
        let expected = Thumbprint::of_canonical(&[r#"{"k":"AQID","kty":"oct"}"#]);
        assert_eq!(Thumbprint::of_symmetric(&[1, 2, 3]), expected);
    }
}
