//! Signatures that need not be checked again.

use super::candidate::AuthenticToken;
use super::{Candidate, VerifyError};
use alloc::vec::Vec;
use core::fmt;
use sha2::{Digest as _, Sha256};

/// Which Ed25519 signatures were found good, for a host that is shown the same tokens again and again.
///
/// Remembered is that a key has signed a text, by a SHA-256 of the key, the signature and the text: nothing about the claims
/// in it. Those are read and judged anew each time, and so is which key must have signed, so that neither an expired
/// token nor one of a withdrawn key gains anything. Signatures of other algorithms are always checked.
///
/// The memory has a fixed size. Of signatures that fall into the same place the latest stays.
#[derive(Default)]
pub struct RememberedSignatures {
    /// Empty before the first signature.
    places: Vec<Option<[u8; 32]>>,
}

impl RememberedSignatures {
    /// How many signatures are remembered at most: 33 KiB of them.
    pub const CAPACITY: usize = 1024;

    /// Nothing remembered yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: Vec::new() }
    }

    /// What [`Candidate::check`] says, without checking a signature again that it has found good.
    ///
    /// # Errors
    ///
    /// As [`Candidate::check`].
    pub fn check<'a>(&mut self, candidate: Candidate<'a>) -> Result<AuthenticToken<'a>, VerifyError> {
        let Some(digest) = digest(&candidate) else { return candidate.check() };
        if self.places.is_empty() {
            self.places.resize(Self::CAPACITY, None);
        }
        let [low, high, ..] = digest;
        let place = usize::from(u16::from_le_bytes([low, high])) % Self::CAPACITY;
        let Some(place) = self.places.get_mut(place) else { return candidate.check() };
        if *place == Some(digest) {
            return Ok(candidate.known_as_good());
        }
        let token = candidate.check()?;
        *place = Some(digest);
        Ok(token)
    }
}

impl fmt::Debug for RememberedSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RememberedSignatures")
    }
}

/// Of the key, the signature and the text; `None` if the key is not for Ed25519 or the signature not as long as one.
fn digest(candidate: &Candidate<'_>) -> Option<[u8; 32]> {
    let key = candidate.key.ed25519_encoding()?;
    let signature: &[u8; 64] = candidate.signature().try_into().ok()?;
    // The text is the only part of no fixed length, and the last: no other three parts make the same bytes.
    let parts = Sha256::new().chain_update(key).chain_update(signature);
    Some(parts.chain_update(candidate.signing_input()).finalize().into())
}

#[cfg(feature = "issue")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::base64url;
    use crate::jwt::{KeySet, SigningKey, TenantRule, VerificationPolicy, VerifyingKey, begin};
    use crate::secret::Secret;
    use crate::time::UnixSeconds;
    use std::format;
    use std::string::String;

    const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);

    fn signing_key(seed: u8) -> SigningKey {
        SigningKey::ed25519(&Secret::new([seed; 32])).unwrap()
    }

    /// The same key under a name that says nothing about it.
    fn named(key: &SigningKey) -> VerifyingKey {
        key.verifying_key().clone().with_key_id("k".parse().unwrap())
    }

    fn policy() -> VerificationPolicy {
        VerificationPolicy::new("i", ["a"], TenantRule::Any).unwrap()
    }

    fn token(algorithm: &str, key: &SigningKey, id: u64) -> String {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"k","typ":"at+jwt"}}"#);
        let header = base64url::encode(header.as_bytes());
        let claims = format!(
            r#"{{"iss":"i","aud":"a","exp":1700000300,"iat":1700000000,"sub":"s","jti":"{id}","client_id":"c"}}"#
        );
        let signed = format!("{header}.{}", base64url::encode(claims.as_bytes()));
        let signature = base64url::encode(&key.sign(signed.as_bytes()).unwrap());
        format!("{signed}.{signature}")
    }

    fn verdict(
        memory: &mut RememberedSignatures,
        keys: &KeySet,
        token: &str,
        now: UnixSeconds,
    ) -> Result<(), VerifyError> {
        memory.check(begin(token, keys, &policy())?)?.finish(now).map(drop)
    }

    fn remembered(memory: &RememberedSignatures) -> usize {
        memory.places.iter().flatten().count()
    }

    #[test]
    fn a_good_signature_is_checked_once_and_its_claims_each_time() {
        let (key, mut memory) = (signing_key(1), RememberedSignatures::new());
        let keys = KeySet::from_keys([named(&key)]).unwrap();
        let token = token("EdDSA", &key, 1);
        assert_eq!(verdict(&mut memory, &keys, &token, NOW), Ok(()));
        assert_eq!(remembered(&memory), 1);
        assert_eq!(verdict(&mut memory, &keys, &token, NOW), Ok(()));
        let later = UnixSeconds::new(1_700_000_400);
        assert_eq!(verdict(&mut memory, &keys, &token, later), Err(VerifyError::TokenExpired));
        assert_eq!(remembered(&memory), 1);
    }

    #[test]
    fn what_is_remembered_is_not_checked() {
        let (key, policy) = (signing_key(1), policy());
        let keys = KeySet::from_keys([named(&key)]).unwrap();
        let forged = token("EdDSA", &signing_key(2), 1);
        let mut memory = RememberedSignatures::new();
        assert_eq!(verdict(&mut memory, &keys, &forged, NOW), Err(VerifyError::SignatureInvalid));
        // As if it had been good.
        memory.places.fill(digest(&begin(&forged, &keys, &policy).unwrap()));
        assert_eq!(verdict(&mut memory, &keys, &forged, NOW), Ok(()));
    }

    #[test]
    fn nothing_but_the_same_key_text_and_signature_is_known() {
        let (key, other) = (signing_key(1), signing_key(2));
        let mut memory = RememberedSignatures::new();
        let keys = KeySet::from_keys([named(&key)]).unwrap();
        let good = token("EdDSA", &key, 1);
        assert_eq!(verdict(&mut memory, &keys, &good, NOW), Ok(()));
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let another = token("EdDSA", &key, 2);
        let (another_signed, another_signature) = another.rsplit_once('.').unwrap();
        for forged in [
            format!("{another_signed}.{signature}"),
            format!("{signed}.{another_signature}"),
            format!("{signed}.{}", signature.replace(|letter: char| letter.is_ascii_digit(), "A")),
            token("EdDSA", &other, 1),
        ] {
            for _ in 0..2 {
                assert_eq!(verdict(&mut memory, &keys, &forged, NOW), Err(VerifyError::SignatureInvalid));
            }
        }
        assert_eq!(remembered(&memory), 1);
        // Another key takes the place and the name of the one that signed.
        let replaced = KeySet::from_keys([named(&other)]).unwrap();
        assert_eq!(verdict(&mut memory, &replaced, &good, NOW), Err(VerifyError::SignatureInvalid));
        let withdrawn = KeySet::from_keys([other.verifying_key().clone()]).unwrap();
        assert_eq!(verdict(&mut memory, &withdrawn, &good, NOW), Err(VerifyError::KeyNotFound));
        assert_eq!(verdict(&mut memory, &keys, &good, NOW), Ok(()));
    }

    #[test]
    fn a_memory_stays_as_large_as_it_is() {
        let (key, mut memory) = (signing_key(1), RememberedSignatures::new());
        let keys = KeySet::from_keys([named(&key)]).unwrap();
        for id in 0..1_500 {
            let token = token("EdDSA", &key, id);
            assert_eq!(verdict(&mut memory, &keys, &token, NOW), Ok(()));
            assert_eq!(verdict(&mut memory, &keys, &token, NOW), Ok(()));
        }
        assert_eq!(memory.places.len(), RememberedSignatures::CAPACITY);
        // By the birthday bound about three quarters of the places are taken.
        assert!((700..900).contains(&remembered(&memory)), "{}", remembered(&memory));
    }

    #[test]
    fn signatures_of_shared_secrets_are_not_remembered() {
        let secret = SigningKey::hmac_sha256("k".parse().unwrap(), &[7; 32]).unwrap();
        let keys = KeySet::from_keys([secret.verifying_key().clone()]).unwrap();
        let mut memory = RememberedSignatures::new();
        let token = token("HS256", &secret, 1);
        assert_eq!(verdict(&mut memory, &keys, &token, NOW), Ok(()));
        assert_eq!(remembered(&memory), 0);
        assert_eq!(format!("{memory:?}"), "RememberedSignatures");
    }
}
