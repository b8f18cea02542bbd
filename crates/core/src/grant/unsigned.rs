//! Access tokens that a host signs.

use super::{IssuedToken, expires_in};
use crate::jwt::{AccessTokenClaims, MAX_TOKEN_BYTES, SignError, VerifyingKey, join, signing_input};
use alloc::string::String;
use core::fmt;

/// An access token without its signature, made for one key. It comes from a [`Grant`](super::Grant) alone, which it has
/// used up.
///
/// The host signs [`signing_input`](Self::signing_input) with the private half of [`key`](Self::key) by the algorithm
/// of that key, and hands the signature to [`with_signature`](Self::with_signature).
#[must_use = "a token that nobody signs is none"]
pub struct UnsignedAccessToken {
    key: VerifyingKey,
    input: String,
    expires_in: u32,
}

impl UnsignedAccessToken {
    pub(super) fn new(key: &VerifyingKey, claims: &AccessTokenClaims) -> Result<Self, SignError> {
        let input = signing_input(key, claims)?;
        // Base64url takes four characters for three bytes; the dot is one more.
        let signature = key.signature_bytes().saturating_mul(4).div_ceil(3);
        if input.len().saturating_add(signature) >= MAX_TOKEN_BYTES {
            return Err(SignError::TokenTooLarge);
        }
        Ok(Self { key: key.clone(), input, expires_in: expires_in(claims) })
    }

    /// The key whose private half must sign.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// What must be signed (RFC 7515 §5.1): ASCII.
    #[must_use]
    pub const fn signing_input(&self) -> &[u8] {
        self.input.as_bytes()
    }

    /// The token with this signature: for ECDSA r ‖ s, as WebCrypto gives it.
    ///
    /// Where the key's algorithm is built in, the signature is checked, so that a token signed with another key, or by
    /// a faulty computation, never leaves; otherwise its length is.
    ///
    /// # Errors
    ///
    /// [`SignError::SignatureRefused`].
    pub fn with_signature(self, signature: &[u8]) -> Result<IssuedToken, SignError> {
        if signature.len() != self.key.signature_bytes()
            || self.key.check(self.input.as_bytes(), signature) == Ok(false)
        {
            return Err(SignError::SignatureRefused);
        }
        Ok(IssuedToken { access_token: join(self.input, signature)?, expires_in: self.expires_in })
    }
}

impl fmt::Debug for UnsignedAccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnsignedAccessToken({:?})", self.key)
    }
}

#[cfg(feature = "ecdsa")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{Admission, Grant, TokenProfile};
    use crate::id::{AccountId, SessionId, TokenId};
    use crate::jwt::{Algorithm, KeySet, TenantRule, VerificationPolicy, verify};
    use crate::time::{Seconds, UnixSeconds};
    use p256::ecdsa::signature::Signer as _;
    use p256::ecdsa::{DerSignature, Signature, SigningKey};
    use std::string::ToString as _;
    use std::vec;

    const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);

    fn public(key: &SigningKey) -> VerifyingKey {
        let point = key.verifying_key().to_sec1_point(false);
        VerifyingKey::ecdsa(None, Algorithm::EcdsaP256, point.x().unwrap(), point.y().unwrap()).unwrap()
    }

    fn prepare(key: &VerifyingKey, issuer: &str) -> Result<UnsignedAccessToken, SignError> {
        let admission = Admission {
            account: AccountId::from_bytes([1; 16]),
            tenant: "acme".parse().unwrap(),
            session: SessionId::from_bytes([2; 16]),
            client_id: "web".parse().unwrap(),
            account_version: 1,
            roles: vec![],
            permission_mask: "AAAAAAAAAAE".to_string(),
            registry_version: 1,
            amr: vec!["pwd".to_string()],
            auth_time: 1_700_000_000,
            key_thumbprint: None,
            entitlements: vec![],
            remembered: false,
        };
        let profile = TokenProfile {
            issuer: issuer.to_string(),
            audience: vec!["https://api.example".to_string()],
            access_ttl: Seconds::new(300),
            root_ttl: Seconds::new(120),
        };
        Grant::assertion(admission).prepare(key, &profile, TokenId::from_bytes([3; 16]), NOW)
    }

    #[test]
    fn a_host_signs_what_verifiers_accept() {
        let host = SigningKey::from_slice(&[7; 32]).unwrap();
        let key = public(&host);
        let unsigned = prepare(&key, "https://auth.example").unwrap();
        let signature: Signature = host.sign(unsigned.signing_input());
        let issued = unsigned.with_signature(&signature.to_bytes()).unwrap();
        assert_eq!(issued.expires_in, 300);
        let tenant = TenantRule::Exactly("acme".parse().unwrap());
        let policy =
            VerificationPolicy::new("https://auth.example", ["https://api.example"], tenant).unwrap();
        verify(&issued.access_token, &KeySet::from_keys([key]).unwrap(), &policy, NOW).unwrap();
    }

    #[test]
    fn a_signature_that_is_not_the_keys_never_leaves() {
        let (host, other) =
            (SigningKey::from_slice(&[7; 32]).unwrap(), SigningKey::from_slice(&[8; 32]).unwrap());
        let refusal = |make: &dyn Fn(&[u8]) -> alloc::vec::Vec<u8>| {
            let unsigned = prepare(&public(&host), "https://auth.example").unwrap();
            let signature = make(unsigned.signing_input());
            unsigned.with_signature(&signature).map(|_| ()).err()
        };
        let sign = |key: &SigningKey, message: &[u8]| {
            let signature: Signature = key.sign(message);
            signature.to_bytes().to_vec()
        };
        let refused = Some(SignError::SignatureRefused);
        assert_eq!(refusal(&|message| sign(&host, message)), None);
        assert_eq!(refusal(&|message| sign(&other, message)), refused);
        assert_eq!(refusal(&|_| sign(&host, b"another message")), refused);
        assert_eq!(refusal(&|message| sign(&host, message)[..63].to_vec()), refused);
        assert_eq!(refusal(&|_| vec![]), refused);
        let der = |message: &[u8]| {
            let signature: DerSignature = host.sign(message);
            signature.as_bytes().to_vec()
        };
        assert_eq!(refusal(&der), refused);
    }

    #[test]
    fn what_would_be_too_large_is_not_sent_to_the_host() {
        let key = public(&SigningKey::from_slice(&[7; 32]).unwrap());
        let largest = (5_000..6_000).rev().find_map(|length| {
            let issuer = std::format!("https://auth.example/{}", "x".repeat(length));
            prepare(&key, &issuer).ok()
        });
        let signed = largest.unwrap().input.len() + 1 + 86;
        assert!((MAX_TOKEN_BYTES - 2..=MAX_TOKEN_BYTES).contains(&signed), "{signed}");
        assert_eq!(prepare(&key, &"x".repeat(6_000)).err(), Some(SignError::TokenTooLarge));
    }
}
