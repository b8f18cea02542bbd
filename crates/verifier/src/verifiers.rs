//! The verifiers of one module instance, and the buffer through which JavaScript talks to them.

use crate::fields::Fields;
use crate::policy::{self, OptionError};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(feature = "comb")]
use postern_core::ed25519::Workshop;
use postern_core::id::KeyId;
use postern_core::jwt::{
    AlgorithmName, KeySet, MAX_PAYLOAD_BYTES, SignatureVerdict, TokenVerifier, VerifyError, VerifyingKey,
};
use postern_core::time::UnixSeconds;
#[cfg(not(feature = "blake3"))]
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

/// Bytes in the buffer, 64 KiB: the largest key set, and far more than the largest token.
pub const BUFFER_BYTES: usize = KeySet::MAX_JWKS_BYTES;

/// Where payloads lie in the buffer: at its end, where no token reaches that could be accepted.
pub const PAYLOAD_AT: usize = BUFFER_BYTES - MAX_PAYLOAD_BYTES;

/// The refusal of a handle that is not open.
const CLOSED: &str = "the verifier is closed";

/// What [`Verifiers::finish`] returns when the verifier has got other keys. No answer is as long.
pub const KEYS_CHANGED: i32 = i32::MAX;

/// Which verifier a call means.
pub type Handle = u32;

/// The verifiers of one module instance.
///
/// With the feature `comb`, a key that has accepted enough tokens gets tables, made in slices: every further token that
/// is accepted pays for one slice, less than for its own check, until they are complete. No timer is needed, which a
/// Worker would not have between requests, and no token pays for more than one slice.
///
/// Arguments lie at the start of the buffer, answers as well, but for payloads, which lie at [`PAYLOAD_AT`]. Every method
/// returns the length of a text there: of the answer if positive, of the reason for a refusal if negative.
pub struct Verifiers {
    buffer: Box<[u8]>,
    open: Vec<Option<Verifier>>,
    /// How many key sets there have been.
    key_sets: u32,
    #[cfg(feature = "comb")]
    workshop: Workshop,
}

#[derive(Debug)]
struct Verifier {
    tokens: TokenVerifier,
    /// The shared secret, to be joined to every key set that is set later.
    secret: Option<VerifyingKey>,
    /// The number of the key set among all that this instance has seen.
    key_set: u32,
}

impl Verifier {
    fn replace_keys(&mut self, keys: KeySet, key_set: u32) {
        self.key_set = key_set;
        self.tokens.replace_keys(keys);
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
            key_sets: 0,
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
        let policy = match policy::read(Fields::of(argument(&self.buffer, length))) {
            Ok(policy) => policy,
            Err(error) => return self.refuse(&[error.option, ": ", error.reason]),
        };
        let verifier = Some(Verifier { tokens: TokenVerifier::new(policy), secret: None, key_set: 0 });
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
                self.key_sets = self.key_sets.wrapping_add(1);
                verifier.replace_keys(keys, self.key_sets);
                0
            }
            Err(error) => self.refuse(&[error.code()]),
        }
    }

    /// Gives a verifier a shared secret in place of all its keys; a key set that is set later joins it. The buffer
    /// holds the key id, the name of the algorithm and the secret, and is wiped. Returns 0.
    ///
    /// Refusal: the option at fault, a colon, a space and what is wrong with it.
    pub fn set_secret(&mut self, handle: Handle, length: usize) -> i32 {
        let key = read_secret(Fields::of(argument(&self.buffer, length)));
        self.buffer.zeroize();
        let key = match key {
            Ok(key) => key,
            Err(error) => return self.refuse(&[error.option, ": ", error.reason]),
        };
        match (get_mut(&mut self.open, handle), KeySet::from_keys([key.clone()])) {
            (Some(verifier), Ok(keys)) => {
                self.key_sets = self.key_sets.wrapping_add(1);
                verifier.secret = Some(key);
                verifier.replace_keys(keys, self.key_sets);
                0
            }
            _ => self.refuse(&["hmacSecret: ", CLOSED]),
        }
    }

    /// Verifies the token in the buffer and puts its payload at [`PAYLOAD_AT`]. Returns the length of the payload.
    ///
    /// Refusal: the code of the [`VerifyError`]; if it leaves a claim open, a space and the name of the claim.
    pub fn verify(&mut self, handle: Handle, length: usize, now: UnixSeconds) -> i32 {
        let judged =
            self.judge(handle, length, |verifier, token, room| verifier.tokens.verify(token, now, room));
        if judged >= 0 {
            self.prepare(handle);
        }
        judged
    }

    /// The number of a verifier's key set; 0 before there is one.
    #[must_use]
    pub fn key_set(&self, handle: Handle) -> u32 {
        self.verifier(handle).map_or(0, |verifier| verifier.key_set)
    }

    /// Checks of the token in the buffer what comes before its signature. Puts the id of the key there that must have
    /// signed.
    ///
    /// Refusal: as [`verify`](Self::verify).
    pub fn begin(&mut self, handle: Handle, length: usize) -> i32 {
        let candidate = self.verifier(handle).and_then(|verifier| {
            let key = verifier.tokens.key_of(text(argument(&self.buffer, length))?)?;
            Ok(key.id().as_str().into())
        });
        self.answer_or_refuse(candidate)
    }

    /// Puts the public key whose id is in the buffer there as a JWK. Returns its length.
    ///
    /// Refusal: the code of [`VerifyError::KeyNotFound`], also for a shared secret.
    pub fn public_jwk(&mut self, handle: Handle, length: usize) -> i32 {
        let jwk = self.verifier(handle).and_then(|verifier| {
            let id = argument(&self.buffer, length);
            let mut keys = verifier.tokens.keys().into_iter().flat_map(KeySet::iter);
            let key = keys.find(|key| key.id().as_str().as_bytes() == id);
            key.and_then(VerifyingKey::public_jwk).ok_or(VerifyError::KeyNotFound)
        });
        self.answer_or_refuse(jwk)
    }

    /// Verifies the token in the buffer with the host's word for its signature, and puts its payload at
    /// [`PAYLOAD_AT`]. Returns the length of the payload, or [`KEYS_CHANGED`] if `key_set` is not the verifier's key
    /// set any more: then the host has checked with a key that may have been withdrawn.
    ///
    /// Refusal: as [`verify`](Self::verify).
    pub fn finish(
        &mut self,
        handle: Handle,
        length: usize,
        now: UnixSeconds,
        key_set: u32,
        verdict: SignatureVerdict,
    ) -> i32 {
        if self.verifier(handle).is_ok_and(|verifier| verifier.key_set != key_set) {
            return KEYS_CHANGED;
        }
        self.judge(handle, length, |verifier, token, room| {
            verifier.tokens.verify_with_host(token, verdict, now, room)
        })
    }

    /// Replaces the text in the buffer by its digest, 32 bytes. Returns their number. By the digest tokens are remembered:
    /// it leads nobody back to the text, and no other text has it.
    pub fn digest(&mut self, length: usize) -> i32 {
        let digest = digest_of(argument(&self.buffer, length));
        for (slot, byte) in self.buffer.iter_mut().zip(digest) {
            *slot = byte;
        }
        32
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
        if let Some(keys) = get_mut(&mut self.open, handle).and_then(|verifier| verifier.tokens.keys()) {
            // Whether there is more to do shows at the next token.
            let _ = keys.prepare(&mut self.workshop);
        }
    }

    #[cfg(not(feature = "comb"))]
    #[expect(clippy::unused_self, reason = "without tables there is nothing to prepare")]
    const fn prepare(&self, _: Handle) {}

    /// Has a verdict passed on the token in the buffer.
    fn judge(
        &mut self,
        handle: Handle,
        length: usize,
        verdict: impl for<'a> FnOnce(
            &mut Verifier,
            &str,
            &'a mut [u8; MAX_PAYLOAD_BYTES],
        ) -> Result<&'a str, VerifyError>,
    ) -> i32 {
        let judged = match (get_mut(&mut self.open, handle), self.buffer.split_last_chunk_mut()) {
            (Some(verifier), Some((arguments, room))) => {
                text(argument(arguments, length)).and_then(|token| verdict(verifier, token, room))
            }
            _ => Err(VerifyError::KeyNotFound),
        };
        match judged.map(str::len) {
            Ok(length) => i32::try_from(length).unwrap_or_default(),
            Err(error) => self.refuse_token(error),
        }
    }

    /// A verifier that is open.
    fn verifier(&self, handle: Handle) -> Result<&Verifier, VerifyError> {
        let verifier = usize::try_from(handle).ok().and_then(|at| self.open.get(at)?.as_ref());
        verifier.ok_or(VerifyError::KeyNotFound)
    }

    fn answer_or_refuse(&mut self, result: Result<String, VerifyError>) -> i32 {
        match result {
            Ok(text) => answer(&mut self.buffer, &[&text]),
            Err(error) => self.refuse_token(error),
        }
    }

    fn refuse_token(&mut self, error: VerifyError) -> i32 {
        match error.claim() {
            Some(claim) => self.refuse(&[error.code(), " ", claim.name()]),
            None => self.refuse(&[error.code()]),
        }
    }

    fn refuse(&mut self, texts: &[&str]) -> i32 {
        answer(&mut self.buffer, texts).saturating_neg()
    }
}

/// Reads the fields of a shared secret: key id, name of the algorithm, secret.
fn read_secret(mut fields: Fields<'_>) -> Result<VerifyingKey, OptionError> {
    let refused = |option, reason| OptionError { option, reason };
    let id = fields
        .next_text()
        .parse::<KeyId>()
        .map_err(|_| refused("hmacKeyId", "must be 1 to 128 printable ASCII characters"))?;
    let name = AlgorithmName::from_text(fields.next_text())
        .filter(|name| name.algorithm().is_symmetric())
        .ok_or(refused("hmacAlgorithm", "must be HS256, HS384 or HS512"))?;
    VerifyingKey::hmac(id, name.algorithm(), fields.next().unwrap_or_default())
        .map_err(|_| refused("hmacSecret", "is too short for its algorithm"))
}

fn get_mut(open: &mut [Option<Verifier>], handle: Handle) -> Option<&mut Verifier> {
    open.get_mut(usize::try_from(handle).ok()?)?.as_mut()
}

/// A token as text; its characters are for core to judge.
fn text(token: &[u8]) -> Result<&str, VerifyError> {
    str::from_utf8(token).map_err(|_| VerifyError::TokenMalformed)
}

/// The first `length` bytes of the buffer; nothing if it is shorter.
fn argument(buffer: &[u8], length: usize) -> &[u8] {
    buffer.get(..length).unwrap_or_default()
}

#[cfg(feature = "blake3")]
fn digest_of(text: &[u8]) -> [u8; 32] {
    blake3::hash(text).into()
}

#[cfg(not(feature = "blake3"))]
fn digest_of(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Writes the texts to the buffer, one after the other, and returns their length.
fn answer(buffer: &mut [u8], texts: &[&str]) -> i32 {
    let size = buffer.len();
    let mut rest = buffer;
    for text in texts {
        // Every text fits; one that did not would be left out.
        if let Some((slot, after)) = core::mem::take(&mut rest).split_at_mut_checked(text.len()) {
            for (slot, byte) in slot.iter_mut().zip(text.bytes()) {
                *slot = byte;
            }
            rest = after;
        }
    }
    i32::try_from(size.saturating_sub(rest.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned as _;
    use postern_core::codec::base64url;

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

    fn payload(verifiers: &Verifiers, status: i32) -> &str {
        let length = usize::try_from(status).unwrap();
        str::from_utf8(&verifiers.buffer()[PAYLOAD_AT..][..length]).unwrap()
    }

    fn open(verifiers: &mut Verifiers) -> i32 {
        let defaults = [&b""[..]; 6];
        let length = write_fields(
            verifiers,
            &[&[&b"https://auth.example"[..], b"any"][..], &defaults[..], &[&b"a"[..]][..]].concat(),
        );
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
        let length = write_fields(
            &mut verifiers,
            &[&[&b"https://auth.example"[..], b"any"][..], &[&b""[..]; 6][..]].concat(),
        );
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

    /// The public key of RFC 7515 A.3.1 beside the one of [`JWKS`].
    const MIXED_JWKS: &str = concat!(
        r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"e","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#,
        r#""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},"#,
        r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );

    const CLAIMS: &str = concat!(
        r#"{"iss":"https://auth.example","aud":"a","exp":1700000300,"iat":1700000000,"#,
        r#""sub":"s","jti":"j","client_id":"c"}"#,
    );

    /// A token that nobody has signed.
    fn token(alg: &str, kid: &str) -> String {
        let header = format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt"}}"#);
        let [header, claims] = [&header, CLAIMS].map(|text| base64url::encode(text.as_bytes()));
        format!("{header}.{claims}.{}", base64url::encode(&[0; 64]))
    }

    fn finish(verifiers: &mut Verifiers, token: &str, key_set: u32, verdict: SignatureVerdict) -> String {
        let length = write(verifiers, token.as_bytes());
        match verifiers.finish(0, length, NOW, key_set, verdict) {
            KEYS_CHANGED => "keys changed".into(),
            accepted @ 0.. => payload(verifiers, accepted).into(),
            status => reason(verifiers, status).into(),
        }
    }

    fn begin(verifiers: &mut Verifiers, token: &str) -> String {
        let length = write(verifiers, token.as_bytes());
        let status = verifiers.begin(0, length);
        reason(verifiers, status).into()
    }

    #[test]
    fn a_host_is_believed_for_the_keys_that_are_left_to_it() {
        let mut verifiers = Verifiers::new();
        assert_eq!(open(&mut verifiers), 0);
        assert_eq!(set_jwks(&mut verifiers, 0, MIXED_JWKS), 0);
        let token = token("ES256", "e");
        assert_eq!(verify_text(&mut verifiers, 0, token.as_bytes()), "algorithm_needs_async");
        assert_eq!((verifiers.key_set(0), &*begin(&mut verifiers, &token)), (1, "e"));
        assert_eq!(finish(&mut verifiers, &token, 1, SignatureVerdict::Valid), CLAIMS);
        assert_eq!(finish(&mut verifiers, &token, 1, SignatureVerdict::Invalid), "signature_invalid");
    }

    #[test]
    fn a_host_is_not_believed_for_other_keys_and_other_key_sets() {
        let mut verifiers = Verifiers::new();
        assert_eq!(open(&mut verifiers), 0);
        assert_eq!(set_jwks(&mut verifiers, 0, MIXED_JWKS), 0);
        let own = token("EdDSA", "a");
        assert_eq!(finish(&mut verifiers, &own, 1, SignatureVerdict::Valid), "signature_invalid");
        let confused = token("EdDSA", "e");
        for wrong in [&confused, "x", "x.y.z", ""] {
            let refusal = begin(&mut verifiers, wrong);
            assert_eq!(finish(&mut verifiers, wrong, 1, SignatureVerdict::Valid), refusal);
            assert!(refusal.starts_with("token_") || refusal == "algorithm_not_allowed", "{refusal}");
        }
        let theirs = token("ES256", "e");
        for other in [0, 2, u32::MAX] {
            assert_eq!(finish(&mut verifiers, &theirs, other, SignatureVerdict::Valid), "keys changed");
        }
        assert_eq!(set_jwks(&mut verifiers, 0, MIXED_JWKS), 0);
        assert_eq!(finish(&mut verifiers, &theirs, 1, SignatureVerdict::Valid), "keys changed");
        assert_eq!((verifiers.key_set(0), &*begin(&mut verifiers, &theirs)), (2, "e"));
        verifiers.close(0);
        assert_eq!(begin(&mut verifiers, &theirs), "key_not_found");
        assert_eq!(finish(&mut verifiers, &theirs, 2, SignatureVerdict::Valid), "key_not_found");
    }

    #[test]
    fn a_public_key_is_given_to_the_host_and_a_secret_is_not() {
        let mut verifiers = Verifiers::new();
        assert_eq!(open(&mut verifiers), 0);
        let length = write_fields(&mut verifiers, &[b"h", b"HS256", &[7; 32]]);
        assert_eq!(verifiers.set_secret(0, length), 0);
        assert_eq!(set_jwks(&mut verifiers, 0, MIXED_JWKS), 0);
        let mut jwk = |id: &str| {
            let length = write(&mut verifiers, id.as_bytes());
            let status = verifiers.public_jwk(0, length);
            reason(&verifiers, status).to_owned()
        };
        assert!(jwk("e").starts_with(r#"{"kty":"EC","crv":"P-256","x":"f83O"#));
        assert!(jwk("a").starts_with(r#"{"kty":"OKP""#));
        for id in ["h", "x", ""] {
            assert_eq!(jwk(id), "key_not_found");
        }
    }

    #[test]
    fn a_digest_is_that_of_the_standard() {
        let mut verifiers = Verifiers::new();
        let length = write(&mut verifiers, b"abc");
        assert_eq!(verifiers.digest(length), 32);
        let digest = base64url::encode(&verifiers.buffer()[..32]);
        let [blake3, sha_256] =
            ["ZDezrDhGUTP_tjt1JzqNtUjFWEZdedsD_TWcbNW9nYU", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"];
        assert_eq!(digest, if cfg!(feature = "blake3") { blake3 } else { sha_256 });
    }

    #[test]
    fn a_secret_does_not_stay_in_the_buffer() {
        let mut verifiers = Verifiers::new();
        assert_eq!(open(&mut verifiers), 0);
        for (id, algorithm, secret, expected) in [
            (&b"h"[..], &b"HS256"[..], &[7; 32][..], ""),
            (b"h", b"HS512", &[7; 64], ""),
            (b"h", b"HS256", &[7; 31], "hmacSecret: is too short for its algorithm"),
            (b"h", b"HS384", &[7; 47], "hmacSecret: is too short for its algorithm"),
            (b"h", b"EdDSA", &[7; 64], "hmacAlgorithm: must be HS256, HS384 or HS512"),
            (b"", b"HS256", &[7; 32], "hmacKeyId: must be 1 to 128 printable ASCII characters"),
        ] {
            let length = write_fields(&mut verifiers, &[id, algorithm, secret]);
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
