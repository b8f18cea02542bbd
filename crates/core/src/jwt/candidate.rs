//! Verification in two halves, for hosts that check signatures elsewhere.

use super::facts::Facts;
use super::verify::Parts;
use super::{Claim, VerificationPolicy, VerifiedClaims, VerifyError, VerifyingKey};
use crate::codec::base64url;
use crate::time::UnixSeconds;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A token that has passed every check before its signature, with the key that must have signed it.
///
/// Made by [`begin`](super::begin), and used up by [`check`](Self::check) or [`checked_by_host`](Self::checked_by_host).
/// None of its claims can be read: nobody has vouched for them yet.
#[must_use = "a candidate is not a verified token"]
#[derive(Clone)]
pub struct Candidate<'a> {
    pub(super) key: Cow<'a, VerifyingKey>,
    pub(super) policy: Cow<'a, VerificationPolicy>,
    /// Header and payload as in the token, with the dot between them.
    pub(super) signed: Cow<'a, str>,
    pub(super) signature: Vec<u8>,
}

/// What a host says of a signature that it has checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureVerdict {
    /// The candidate's key made the candidate's signature over the candidate's signing input, by the algorithm of the
    /// key and no other.
    Valid,
    /// It did not, or the host could not tell.
    Invalid,
}

impl<'a> Candidate<'a> {
    /// The key that must have made the signature. A host imports its [`public_jwk`](VerifyingKey::public_jwk) for its
    /// [`algorithm`](VerifyingKey::algorithm), whatever the token's header says.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// What must have been signed (RFC 7515 §5.2): ASCII.
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The signature, decoded; of any length. ECDSA's is r ‖ s (RFC 7518 §3.4), as WebCrypto takes it.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The same candidate with nothing borrowed, to be kept while a host is busy.
    pub fn into_owned(self) -> Candidate<'static> {
        Candidate {
            key: Cow::Owned(self.key.into_owned()),
            policy: Cow::Owned(self.policy.into_owned()),
            signed: Cow::Owned(self.signed.into_owned()),
            signature: self.signature,
        }
    }

    /// Checks the signature here.
    ///
    /// # Errors
    ///
    /// [`VerifyError::AlgorithmNeedsAsync`] if this build leaves the key's algorithm to its host;
    /// [`VerifyError::SignatureInvalid`].
    pub fn check(self) -> Result<AuthenticToken<'a>, VerifyError> {
        check_signature(&self.key, &self.signed, &self.signature, None)?;
        Ok(self.known_as_good())
    }

    /// Takes a host's word for the signature.
    ///
    /// **Whom this trusts.** For an algorithm that this build leaves to its host, the host's word is all there is: a
    /// host that answers [`Valid`](SignatureVerdict::Valid) without having verified exactly
    /// [`signature`](Self::signature) over [`signing_input`](Self::signing_input) under [`key`](Self::key) lets
    /// anybody in. For an algorithm that is built in, the word can only refuse: the signature is checked here as well.
    ///
    /// # Errors
    ///
    /// [`VerifyError::SignatureInvalid`].
    pub fn checked_by_host(self, verdict: SignatureVerdict) -> Result<AuthenticToken<'a>, VerifyError> {
        check_signature(&self.key, &self.signed, &self.signature, Some(verdict))?;
        Ok(self.known_as_good())
    }

    /// The token, whose signature has been found good.
    pub(super) fn known_as_good(self) -> AuthenticToken<'a> {
        AuthenticToken { policy: self.policy, signed: self.signed }
    }
}

/// Checks a signature, here or by a host's word where there is one; see [`Candidate::checked_by_host`].
pub(super) fn check_signature(
    key: &VerifyingKey,
    signed: &str,
    signature: &[u8],
    host: Option<SignatureVerdict>,
) -> Result<(), VerifyError> {
    match host {
        Some(SignatureVerdict::Invalid) => return Err(VerifyError::SignatureInvalid),
        Some(SignatureVerdict::Valid) if !key.algorithm().is_built_in() => return Ok(()),
        _ => {}
    }
    match key.check(signed.as_bytes(), signature) {
        Err(_) => Err(VerifyError::AlgorithmNeedsAsync),
        Ok(false) => Err(VerifyError::SignatureInvalid),
        Ok(true) => Ok(()),
    }
}

impl fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A token whose signature is good, its claims still unread.
///
/// ```compile_fail
/// let forged = postern_core::jwt::AuthenticToken { policy: todo!(), signed: "e30.e30".into() };
/// ```
#[must_use = "an authentic token may still be expired or for somebody else"]
pub struct AuthenticToken<'a> {
    policy: Cow<'a, VerificationPolicy>,
    signed: Cow<'a, str>,
}

impl AuthenticToken<'_> {
    /// Reads the claims and holds them against the policy that the token was begun with.
    ///
    /// # Errors
    ///
    /// [`VerifyError`], from [`PayloadMalformed`](VerifyError::PayloadMalformed) on.
    pub fn finish(self, now: UnixSeconds) -> Result<VerifiedClaims, VerifyError> {
        let (_, payload) = self.signed.split_once('.').ok_or(VerifyError::TokenMalformed)?;
        let payload = decode_payload(payload)?;
        let claims = VerifiedClaims::of(&self.policy.admit(&payload, now)?);
        Ok(claims.with_payload(payload))
    }
}

impl fmt::Debug for AuthenticToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticToken")
    }
}

/// The `iss` that a token claims, believed by nobody.
///
/// For one purpose: to choose among several issuers whose keys and policy [`begin`](super::begin) shall take. That
/// policy then demands the same issuer of the signed claims, so a lie chooses keys under which the token fails.
/// `None` if the token is too large, not a token, or has no issuer.
#[must_use]
pub fn unverified_issuer(token: &str) -> Option<String> {
    let payload = decode_payload(Parts::of(token).ok()?.payload).ok()?;
    let issuer = Facts::read(&payload, None).ok()?.text(Claim::Issuer)?;
    Some(issuer.to_cow().into_owned())
}

fn decode_payload(part: &str) -> Result<String, VerifyError> {
    let bytes = base64url::decode(part.as_bytes()).map_err(|_| VerifyError::PayloadMalformed)?;
    String::from_utf8(bytes).map_err(|_| VerifyError::PayloadMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::{KeySet, MAX_TOKEN_BYTES, TenantRule, begin};
    use std::format;

    #[test]
    fn a_candidate_gives_a_host_what_it_needs_and_shows_only_its_key() {
        let key = VerifyingKey::hmac_sha256("k".parse().unwrap(), &[7; 32]).unwrap();
        let keys = KeySet::from_keys([key]).unwrap();
        let policy = VerificationPolicy::new("i", ["a"], TenantRule::Any).unwrap();
        let header = base64url::encode(br#"{"alg":"HS256","typ":"at+jwt"}"#);
        let token = format!("{header}.e30.AQID");
        let candidate = begin(&token, &keys, &policy).unwrap();
        assert_eq!(candidate.signing_input(), format!("{header}.e30").as_bytes());
        assert_eq!(candidate.signature(), [1, 2, 3]);
        assert_eq!(format!("{candidate:?}"), "Candidate { key: VerifyingKey(k, HmacSha256), .. }");
        // This build can check the signature itself, so a host's word is not enough.
        let vouched = candidate.checked_by_host(SignatureVerdict::Valid);
        assert_eq!(vouched.err(), Some(VerifyError::SignatureInvalid));
    }

    #[test]
    fn a_payload_has_one_text() {
        for bad in ["e30=", "e31", "e 30", "e3", "_w"] {
            assert_eq!(decode_payload(bad).err(), Some(VerifyError::PayloadMalformed), "{bad}");
        }
    }

    #[test]
    fn the_unverified_issuer_is_that_of_the_payload_or_none() {
        let of =
            |payload: &str| unverified_issuer(&format!("e30.{}.AA", base64url::encode(payload.as_bytes())));
        assert_eq!(of(r#"{"iss":"https://a.example"}"#).as_deref(), Some("https://a.example"));
        for without in ["{}", r#"{"iss":""}"#, r#"{"iss":7}"#, r#"{"iss":"a","iss":"b"}"#, "[]", ""] {
            assert_eq!(of(without), None, "{without}");
        }
        let long = format!(r#"{{"iss":"a","x":"{}"}}"#, "x".repeat(MAX_TOKEN_BYTES));
        assert_eq!(of(&long), None);
        for no_token in ["", "a.b", "e30.e30", "e30.eyJpc3MiOiJhIn0.AA.AA", "e30.eyJpc3MiOiJhIn0="] {
            assert_eq!(unverified_issuer(no_token), None, "{no_token}");
        }
    }
}
