//! The verifiers of one module instance, and the buffer through which JavaScript talks to them.

use crate::fields::Fields;
use crate::policy::Policy;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(feature = "comb")]
use postern_core::ed25519::Workshop;
use postern_core::id::KeyId;
use postern_core::jwt::{KeySet, VerifyError, VerifyingKey, verify};
use postern_core::time::UnixSeconds;
use zeroize::Zeroize;

/// Bytes in the buffer, 64 KiB: the largest key set, and far more than the largest token.
pub const BUFFER_BYTES: usize = KeySet::MAX_JWKS_BYTES;

/// The refusal of a handle that is not open.
const CLOSED: &str = "the verifier is closed";

/// Which verifier a call means.
pub type Handle = u32;

/// The verifiers of one module instance.
///
/// With the feature `comb`, a key that has accepted enough tokens gets tables, made in slices: every further token that
/// is accepted pays for one slice, less than for its own check, until they are complete. No timer is needed, which a
/// Worker would not have between requests, and no token pays for more than one slice.
///
/// Arguments lie at the start of the buffer, answers as well. Every method returns the length of a text there: of the
/// answer if positive, of the reason for a refusal if negative.
pub struct Verifiers {
    buffer: Box<[u8]>,
    open: Vec<Option<Verifier>>,
    #[cfg(feature = "comb")]
    workshop: Workshop,
}

#[derive(Debug)]
struct Verifier {
    policy: Policy,
    /// The HS256 key, to be joined to every key set that is set later.
    secret: Option<VerifyingKey>,
    keys: Option<KeySet>,
}

impl Verifier {
    #[cfg_attr(not(feature = "comb"), expect(unused_mut, reason = "changed by `comb` alone"))]
    fn replace_keys(&mut self, mut keys: KeySet) {
        #[cfg(feature = "comb")]
        if let Some(replaced) = &self.keys {
            keys.inherit_tables(replaced);
        }
        self.keys = Some(keys);
    }
}

impl Default for Verifiers {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifiers {
    /// No verifiers yet, and an empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffer: alloc::vec![0; BUFFER_BYTES].into_boxed_slice(),
            open: Vec::new(),
            #[cfg(feature = "comb")]
            workshop: Workshop::new(),
        }
    }

    /// The buffer. It never moves.
    #[must_use]
    pub const fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// The buffer, to write an argument to.
    #[must_use]
    pub const fn buffer_mut(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Opens a verifier with the policy in the buffer, without keys. Returns its [`Handle`].
    ///
    /// Refusal: the option at fault, a colon, a space and what is wrong with it.
    pub fn open(&mut self, length: usize) -> i32 {
        let policy = match Policy::read(Fields::of(argument(&self.buffer, length))) {
            Ok(policy) => policy,
            Err(error) => return self.refuse(&[error.option, ": ", error.reason]),
        };
        let verifier = Some(Verifier { policy, secret: None, keys: None });
        let free = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        match self.open.get_mut(free) {
            Some(slot) => *slot = verifier,
            None => self.open.push(verifier),
        }
        i32::try_from(free).unwrap_or(i32::MAX)
    }

    /// Replaces the public keys of a verifier by those of the JWK Set in the buffer. Returns 0.
    ///
    /// Refusal: the code of the [`KeySetError`](postern_core::jwt::KeySetError). The verifier keeps the keys it had.
    pub fn set_jwks(&mut self, handle: Handle, length: usize) -> i32 {
        let published = KeySet::from_jwks(argument(&self.buffer, length));
        let Some(verifier) = get_mut(&mut self.open, handle) else {
            return self.refuse(&[CLOSED]);
        };
        let joined = |published: KeySet| match &verifier.secret {
            Some(secret) => KeySet::from_keys(published.iter().chain([secret]).cloned()),
            None => Ok(published),
        };
        match published.and_then(joined) {
            Ok(keys) => {
                verifier.replace_keys(keys);
                0
            }
            Err(error) => self.refuse(&[error.code()]),
        }
    }

    /// Gives a verifier an HS256 secret in place of all its keys; a key set that is set later joins it. The buffer
    /// holds the key id and the secret, and is wiped. Returns 0.
    ///
    /// Refusal: the option at fault, a colon, a space and what is wrong with it.
    pub fn set_secret(&mut self, handle: Handle, length: usize) -> i32 {
        let mut fields = Fields::of(argument(&self.buffer, length));
        let id = fields.next_text().parse::<KeyId>();
        let key = id.map(|id| VerifyingKey::hmac_sha256(id, fields.next().unwrap_or_default()));
        self.buffer.zeroize();
        let key = match key {
            Err(_) => return self.refuse(&["hmacKeyId: must be 1 to 128 printable ASCII characters"]),
            Ok(Err(_)) => return self.refuse(&["hmacSecret: must have at least 32 bytes"]),
            Ok(Ok(key)) => key,
        };
        match (get_mut(&mut self.open, handle), KeySet::from_keys([key.clone()])) {
            (Some(verifier), Ok(keys)) => {
                verifier.secret = Some(key);
                verifier.keys = Some(keys);
                0
            }
            _ => self.refuse(&["hmacSecret: ", CLOSED]),
        }
    }

    /// Verifies the token in the buffer and puts its payload there. Returns the length of the payload.
    ///
    /// Refusal: the code of the [`VerifyError`]; if it leaves a claim open, a space and the name of the claim.
    pub fn verify(&mut self, handle: Handle, length: usize, now: UnixSeconds) -> i32 {
        match self.decide(handle, length, now) {
            Ok(payload) => {
                self.prepare(handle);
                answer(&mut self.buffer, &[&payload])
            }
            Err(error) => match error.claim() {
                Some(claim) => self.refuse(&[error.code(), " ", claim.name()]),
                None => self.refuse(&[error.code()]),
            },
        }
    }

    /// Forgets a verifier and wipes its secret. Returns 0, also when there is no such verifier.
    pub fn close(&mut self, handle: Handle) -> i32 {
        let slot = usize::try_from(handle).ok().and_then(|at| self.open.get_mut(at));
        slot.map(Option::take);
        0
    }

    /// Makes one slice of a table, if one is due.
    #[cfg(feature = "comb")]
    fn prepare(&mut self, handle: Handle) {
        if let Some(Verifier { keys: Some(keys), .. }) = get_mut(&mut self.open, handle) {
            // Whether there is more to do shows at the next token.
            let _ = keys.prepare(&mut self.workshop);
        }
    }

    #[cfg(not(feature = "comb"))]
    #[expect(clippy::unused_self, reason = "without tables there is nothing to prepare")]
    const fn prepare(&self, _: Handle) {}

    fn decide(&self, handle: Handle, length: usize, now: UnixSeconds) -> Result<String, VerifyError> {
        let verifier = usize::try_from(handle).ok().and_then(|at| self.open.get(at)?.as_ref());
        let Some(Verifier { policy, keys: Some(keys), .. }) = verifier else {
            return Err(VerifyError::KeyNotFound);
        };
        let token =
            str::from_utf8(argument(&self.buffer, length)).map_err(|_| VerifyError::TokenMalformed)?;
        let claims = policy.admit(verify(token, keys, policy.core(), now)?)?;
        Ok(claims.into_payload())
    }

    fn refuse(&mut self, texts: &[&str]) -> i32 {
        answer(&mut self.buffer, texts).saturating_neg()
    }
}

fn get_mut(open: &mut [Option<Verifier>], handle: Handle) -> Option<&mut Verifier> {
    open.get_mut(usize::try_from(handle).ok()?)?.as_mut()
}

/// The first `length` bytes of the buffer; nothing if it is shorter.
fn argument(buffer: &[u8], length: usize) -> &[u8] {
    buffer.get(..length).unwrap_or_default()
}

/// Writes the texts to the buffer, one after the other, and returns their length.
fn answer(buffer: &mut [u8], texts: &[&str]) -> i32 {
    let size = buffer.len();
    let mut rest = buffer;
    for text in texts {
        // Every text fits; one that did not would be left out.
        if let Some((slot, after)) = core::mem::take(&mut rest).split_at_mut_checked(text.len()) {
            slot.copy_from_slice(text.as_bytes());
            rest = after;
        }
    }
    i32::try_from(size.saturating_sub(rest.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);
    const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn write(verifiers: &mut Verifiers, bytes: &[u8]) -> usize {
        verifiers.buffer_mut()[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    fn write_fields(verifiers: &mut Verifiers, fields: &[&[u8]]) -> usize {
        let mut bytes = Vec::new();
        for field in fields {
            bytes.extend(u32::try_from(field.len()).unwrap().to_le_bytes());
            bytes.extend(*field);
        }
        write(verifiers, &bytes)
    }

    fn reason(verifiers: &Verifiers, status: i32) -> &str {
        str::from_utf8(&verifiers.buffer()[..usize::try_from(status.unsigned_abs()).unwrap()]).unwrap()
    }

    fn open(verifiers: &mut Verifiers) -> i32 {
        let length = write_fields(verifiers, &[b"https://auth.example", b"any", b"", b"", b"", b"a"]);
        verifiers.open(length)
    }

    fn set_jwks(verifiers: &mut Verifiers, handle: Handle, jwks: &str) -> i32 {
        let length = write(verifiers, jwks.as_bytes());
        verifiers.set_jwks(handle, length)
    }

    fn verify_text(verifiers: &mut Verifiers, handle: Handle, token: &[u8]) -> String {
        let length = write(verifiers, token);
        let status = verifiers.verify(handle, length, NOW);
        reason(verifiers, status).to_owned()
    }

    #[test]
    fn a_refusal_is_told_in_the_buffer() {
        let mut verifiers = Verifiers::new();
        let length = write_fields(&mut verifiers, &[b"https://auth.example", b"any", b"", b"", b""]);
        let status = verifiers.open(length);
        assert_eq!(reason(&verifiers, status), "audience: is empty");
        assert_eq!(open(&mut verifiers), 0);
        let status = set_jwks(&mut verifiers, 0, r#"{"keys":[]}"#);
        assert_eq!(reason(&verifiers, status), "key_set_empty");
        assert_eq!(set_jwks(&mut verifiers, 0, JWKS), 0);
        assert_eq!(verify_text(&mut verifiers, 0, b"x"), "token_malformed");
        assert_eq!(verify_text(&mut verifiers, 0, b"\xff"), "token_malformed");
        assert_eq!(verify_text(&mut verifiers, 0, &[b'x'; 8193]), "token_too_large");
        assert_eq!(verify_text(&mut verifiers, 0, b"e30.e30.AA"), "header_malformed");
    }

    #[test]
    fn without_keys_or_behind_a_wrong_handle_nothing_is_accepted() {
        let mut verifiers = Verifiers::new();
        assert_eq!(open(&mut verifiers), 0);
        for handle in [0, 1, u32::MAX] {
            assert_eq!(verify_text(&mut verifiers, handle, b"x.y.z"), "key_not_found");
        }
        for handle in [1, u32::MAX] {
            let status = set_jwks(&mut verifiers, handle, JWKS);
            assert_eq!(reason(&verifiers, status), CLOSED);
        }
    }

    #[test]
    fn a_length_beyond_the_buffer_is_an_empty_argument() {
        let mut verifiers = Verifiers::new();
        assert_eq!(open(&mut verifiers), 0);
        assert_eq!(set_jwks(&mut verifiers, 0, JWKS), 0);
        for length in [BUFFER_BYTES + 1, usize::MAX] {
            let status = verifiers.verify(0, length, NOW);
            assert_eq!(reason(&verifiers, status), "token_malformed");
            assert!(verifiers.open(length) < 0);
            assert!(verifiers.set_jwks(0, length) < 0);
            assert!(verifiers.set_secret(0, length) < 0);
        }
    }

    #[test]
    fn a_closed_place_is_used_again_and_has_no_keys() {
        let mut verifiers = Verifiers::new();
        assert_eq!([open(&mut verifiers), open(&mut verifiers)], [0, 1]);
        assert_eq!(set_jwks(&mut verifiers, 0, JWKS), 0);
        assert_eq!([verifiers.close(0), verifiers.close(0), verifiers.close(9)], [0; 3]);
        assert_eq!(verify_text(&mut verifiers, 0, b"x"), "key_not_found");
        assert_eq!([open(&mut verifiers), open(&mut verifiers)], [0, 2]);
        assert_eq!(verify_text(&mut verifiers, 0, b"x"), "key_not_found");
    }

    #[test]
    fn a_secret_does_not_stay_in_the_buffer() {
        let mut verifiers = Verifiers::new();
        assert_eq!(open(&mut verifiers), 0);
        for (id, secret, expected) in [
            (&b"h"[..], &[7; 32][..], ""),
            (b"h", &[7; 31], "hmacSecret: must have at least 32 bytes"),
            (b"", &[7; 32], "hmacKeyId: must be 1 to 128 printable ASCII characters"),
        ] {
            let length = write_fields(&mut verifiers, &[id, secret]);
            let status = verifiers.set_secret(0, length);
            assert_eq!(reason(&verifiers, status), expected);
            assert!(!verifiers.buffer().contains(&7));
        }
        assert_eq!(set_jwks(&mut verifiers, 0, JWKS), 0);
        let named_like_the_secret = JWKS.replace("\"a\"", "\"h\"");
        let status = set_jwks(&mut verifiers, 0, &named_like_the_secret);
        assert!(status < 0);
    }
}
