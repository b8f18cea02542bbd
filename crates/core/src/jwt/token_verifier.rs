//! Many tokens of one issuer, one after the other, for a host that reads their payloads itself.

use super::candidate::check_signature;
use super::header::Header;
use super::verify::{Parts, choose_key};
use super::{KeySet, MAX_TOKEN_BYTES, SignatureVerdict, VerificationPolicy, VerifyError, VerifyingKey};
use crate::codec::base64url;
use crate::time::UnixSeconds;
use alloc::boxed::Box;

/// How many bytes the payload of a token can have.
pub const MAX_PAYLOAD_BYTES: usize = MAX_TOKEN_BYTES / 4 * 3;

/// A policy and keys, and what makes the next token cheaper.
///
/// The verdicts are those of [`verify`](super::verify), from the same rules in the same order. What is left out is
/// building claims: nothing is copied, and for a token whose header has been seen before next to nothing is allocated.
#[derive(Debug)]
pub struct TokenVerifier {
    policy: VerificationPolicy,
    keys: Option<KeySet>,
    familiar: Option<Familiar>,
}

/// The header of a token that was authentic. The tokens of an issuer begin alike, and under the same keys and the same
/// policy the same header leads to the same key, so that only its bytes need to be compared.
#[derive(Debug)]
struct Familiar {
    /// As in the token, not decoded.
    header: Box<str>,
    /// The place of the key.
    key: usize,
}

impl TokenVerifier {
    /// A verifier without keys, which accepts nothing.
    #[must_use]
    pub const fn new(policy: VerificationPolicy) -> Self {
        Self { policy, keys: None, familiar: None }
    }

    /// The keys in use, if there are any.
    #[must_use]
    pub const fn keys(&self) -> Option<&KeySet> {
        self.keys.as_ref()
    }

    /// Puts these keys into the place of those in use; what was computed for keys that stay is taken over.
    #[cfg_attr(not(feature = "comb"), expect(unused_mut, reason = "changed by `comb` alone"))]
    pub fn replace_keys(&mut self, mut keys: KeySet) {
        #[cfg(feature = "comb")]
        if let Some(replaced) = &self.keys {
            keys.inherit_tables(replaced);
        }
        self.keys = Some(keys);
        // It names a place among the keys of before.
        self.familiar = None;
    }

    /// The key that must have signed a token, after all that can be checked before its signature.
    ///
    /// # Errors
    ///
    /// As [`begin`](super::begin); [`VerifyError::KeyNotFound`] without keys.
    pub fn key_of(&self, token: &str) -> Result<&VerifyingKey, VerifyError> {
        let keys = self.keys.as_ref().ok_or(VerifyError::KeyNotFound)?;
        choose_key(token, keys, &self.policy).map(|(_, _, key)| key)
    }

    /// Accepts a token or names the first reason against it. The payload of an accepted one, the text of a JSON object
    /// whose member names differ, comes to lie in `room`; of a refused one, whatever.
    ///
    /// # Errors
    ///
    /// As [`verify`](super::verify); [`VerifyError::KeyNotFound`] without keys.
    pub fn verify<'a>(
        &mut self,
        token: &str,
        now: UnixSeconds,
        room: &'a mut [u8; MAX_PAYLOAD_BYTES],
    ) -> Result<&'a str, VerifyError> {
        self.judge(token, None, now, room)
    }

    /// The same with a host's word for the signature: who trusts it, is said at
    /// [`Candidate::checked_by_host`](super::Candidate::checked_by_host).
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_with_host<'a>(
        &mut self,
        token: &str,
        verdict: SignatureVerdict,
        now: UnixSeconds,
        room: &'a mut [u8; MAX_PAYLOAD_BYTES],
    ) -> Result<&'a str, VerifyError> {
        self.judge(token, Some(verdict), now, room)
    }

    fn judge<'a>(
        &mut self,
        token: &str,
        host: Option<SignatureVerdict>,
        now: UnixSeconds,
        room: &'a mut [u8; MAX_PAYLOAD_BYTES],
    ) -> Result<&'a str, VerifyError> {
        let keys = self.keys.as_ref().ok_or(VerifyError::KeyNotFound)?;
        let parts = Parts::of(token)?;
        let known = self.familiar.as_ref().filter(|familiar| *familiar.header == *parts.header);
        let header = match known.and_then(|familiar| keys.at(familiar.key)) {
            Some(key) => Ok(key),
            None => Err(Header::read(parts.header)?),
        };
        let mut short = [0; SHORT_SIGNATURE_BYTES];
        let long;
        let signature = match base64url::decode_into(parts.signature.as_bytes(), &mut short) {
            Ok(bytes) => &*bytes,
            Err(_) => {
                long = parts.decode_signature()?;
                &long
            }
        };
        let (key, place) = match &header {
            Ok(key) => (*key, None),
            Err(header) => header.choose_key(keys, &self.policy).map(|(place, key)| (key, Some(place)))?,
        };
        check_signature(key, parts.signed, signature, host)?;
        if let Some(key) = place {
            self.familiar = Some(Familiar { header: parts.header.into(), key });
        }
        let payload = base64url::decode_into(parts.payload.as_bytes(), room);
        let payload = payload.map_err(|_| VerifyError::PayloadMalformed)?;
        let payload = core::str::from_utf8(payload).map_err(|_| VerifyError::PayloadMalformed)?;
        self.policy.admit(payload, now)?;
        Ok(payload)
    }
}

/// Signatures of as many bytes need no memory of their own: all but those of RSA.
const SHORT_SIGNATURE_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::KeyId;
    use crate::jwt::{TenantRule, verify};
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);
    const CLAIMS: &str = concat!(
        r#"{"iss":"i","aud":"a","exp":1700000300,"iat":1700000000,"#,
        r#""sub":"s","jti":"j","client_id":"c"}"#,
    );

    fn key(id: &str, byte: u8) -> VerifyingKey {
        VerifyingKey::hmac_sha256(id.parse::<KeyId>().unwrap(), &[byte; 32]).unwrap()
    }

    fn token(header: &str, claims: &str, byte: u8) -> String {
        use hmac::{KeyInit as _, Mac as _};
        let [header, claims] = [header, claims].map(|text| base64url::encode(text.as_bytes()));
        let signed = format!("{header}.{claims}");
        let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&[byte; 32]).unwrap();
        format!("{signed}.{}", base64url::encode(&mac.chain_update(&signed).finalize().into_bytes()))
    }

    fn policy(tenant: TenantRule) -> VerificationPolicy {
        VerificationPolicy::new("i", ["a"], tenant).unwrap()
    }

    fn of(keys: &[(&str, u8)]) -> TokenVerifier {
        let mut verifier = TokenVerifier::new(policy(TenantRule::Any));
        verifier.replace_keys(KeySet::from_keys(keys.iter().map(|(id, byte)| key(id, *byte))).unwrap());
        verifier
    }

    fn judge(verifier: &mut TokenVerifier, token: &str) -> Result<String, VerifyError> {
        verifier.verify(token, NOW, &mut [0; MAX_PAYLOAD_BYTES]).map(Into::into)
    }

    const HEADER: &str = r#"{"alg":"HS256","kid":"k","typ":"at+jwt"}"#;

    #[test]
    fn the_verdict_is_that_of_verify_whatever_came_before() {
        let mut verifier = of(&[("k", 1), ("l", 2)]);
        let good = token(HEADER, CLAIMS, 1);
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let with = |header: &str| token(header, CLAIMS, 1);
        let tokens = [
            good.clone(),
            with(r#"{"alg":"HS256","kid":"l","typ":"at+jwt"}"#),
            with(r#"{"alg":"HS256","kid":"m","typ":"at+jwt"}"#),
            with(r#"{"alg":"HS512","kid":"k","typ":"at+jwt"}"#),
            with(r#"{"alg":"none","kid":"k","typ":"at+jwt"}"#),
            with(r#"{"alg":"HS256","kid":"k","typ":"JWT"}"#),
            with(r#"{"alg":"HS256","kid":"k","typ":"at+jwt","crit":[]}"#),
            with(r#"{"alg":"HS256","kid":"k","typ":"at+jwt","x":1}"#),
            token(HEADER, CLAIMS, 2),
            token(r#"{"alg":"HS256","kid":"l","typ":"at+jwt"}"#, CLAIMS, 2),
            token(HEADER, "{}", 1),
            token(HEADER, "[]", 1),
            token(HEADER, &CLAIMS.replace("1700000300", "1700000000"), 1),
            token(HEADER, &CLAIMS.replace("{", r#"{"iss":"i","#), 1),
            format!("{signed}."),
            format!("{signed}.AA"),
            format!("{signed}.{signature}="),
            format!("{signed}.{signature}{signature}{signature}{signature}"),
            format!("{signed}.{}", "A".repeat(400)),
            format!("{signed}.{}.", "A".repeat(400)),
            format!("{signed}.{}", "A".repeat(9000)),
            format!("{signed}.{}", "A".repeat(401)),
            String::new(),
        ];
        let keys = verifier.keys().unwrap().clone();
        for token in tokens.iter().flat_map(|token| [token, &good, token]).chain(tokens.iter().rev()) {
            let expected =
                verify(token, &keys, &policy(TenantRule::Any), NOW).map(|claims| claims.payload().into());
            assert_eq!(judge(&mut verifier, token), expected, "{token:.400}");
        }
        assert_eq!(judge(&mut verifier, &good).as_deref(), Ok(CLAIMS));
    }

    #[test]
    fn a_familiar_header_is_forgotten_with_its_key() {
        let mut verifier = of(&[("k", 1), ("l", 2)]);
        let good = token(HEADER, CLAIMS, 1);
        assert!(judge(&mut verifier, &good).is_ok());
        verifier.replace_keys(KeySet::from_keys([key("l", 1)]).unwrap());
        assert_eq!(judge(&mut verifier, &good), Err(VerifyError::KeyNotFound));
        verifier.replace_keys(KeySet::from_keys([key("l", 1), key("k", 2)]).unwrap());
        assert_eq!(judge(&mut verifier, &good), Err(VerifyError::SignatureInvalid));
        verifier.replace_keys(KeySet::from_keys([key("l", 2), key("k", 1)]).unwrap());
        assert!(judge(&mut verifier, &good).is_ok());
    }

    #[test]
    fn a_header_becomes_familiar_by_a_good_signature_alone() {
        let mut verifier = of(&[("k", 1)]);
        assert!(judge(&mut verifier, &token(HEADER, CLAIMS, 2)).is_err());
        assert!(verifier.familiar.is_none());
        assert!(judge(&mut verifier, &token(HEADER, CLAIMS, 1)).is_ok());
        assert!(verifier.familiar.is_some());
    }

    #[test]
    fn without_keys_nothing_is_accepted() {
        let mut verifier = TokenVerifier::new(policy(TenantRule::Any));
        for text in [&*token(HEADER, CLAIMS, 1), "x", ""] {
            assert_eq!(judge(&mut verifier, text), Err(VerifyError::KeyNotFound));
            assert_eq!(verifier.key_of(text).err(), Some(VerifyError::KeyNotFound));
        }
        let mut verifier = of(&[("k", 1), ("l", 1)]);
        assert_eq!(verifier.key_of(&token(HEADER, "[]", 9)).unwrap().id().as_str(), "k");
        let host = |verdict: SignatureVerdict, verifier: &mut TokenVerifier| {
            let token = token(HEADER, CLAIMS, 9);
            verifier.verify_with_host(&token, verdict, NOW, &mut [0; MAX_PAYLOAD_BYTES]).err()
        };
        // A host's word is not enough for what is checked here.
        for verdict in [SignatureVerdict::Valid, SignatureVerdict::Invalid] {
            assert_eq!(host(verdict, &mut verifier), Some(VerifyError::SignatureInvalid));
        }
    }

    #[test]
    fn an_absent_tenant_is_one_that_the_token_does_not_name() {
        let mut verifier = TokenVerifier::new(policy(TenantRule::Absent));
        verifier.replace_keys(KeySet::from_keys([key("k", 1)]).unwrap());
        assert!(judge(&mut verifier, &token(HEADER, CLAIMS, 1)).is_ok());
        let named = token(HEADER, &CLAIMS.replace('{', r#"{"tid":"t","#), 1);
        assert_eq!(judge(&mut verifier, &named), Err(VerifyError::TenantMismatch));
    }

    #[test]
    fn the_largest_payload_has_room() {
        let mut verifier = of(&[("k", 1)]);
        let pads: Vec<_> = (5900..6100)
            .map(|pad| CLAIMS.replace('{', &format!(r#"{{"x":"{}","#, "x".repeat(pad))))
            .collect();
        let verdicts: Vec<_> =
            pads.iter().map(|claims| judge(&mut verifier, &token(HEADER, claims, 1))).collect();
        for (claims, verdict) in pads.iter().zip(verdicts) {
            match verdict {
                Ok(payload) => assert_eq!(payload, *claims),
                Err(refusal) => assert_eq!(refusal, VerifyError::TokenTooLarge),
            }
        }
    }
}
