//! From a text to claims that can be relied on.

use super::header::Header;
use super::{Candidate, KeySet, VerificationPolicy, VerifiedClaims, VerifyError, VerifyingKey};
use crate::codec::base64url;
use crate::time::UnixSeconds;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// How many bytes a token may have: 8 KiB, about as much as servers take in one header.
pub const MAX_TOKEN_BYTES: usize = 8192;

/// Accepts a token or names the first reason against it.
///
/// The order: size, three parts, header, type, key, algorithm, signature; only then the payload, the types of its
/// claims, required claims, issuer, audience, expiry, not-before, time of issue, age, tenant.
///
/// # Errors
///
/// [`VerifyError`], whose variants stand in check order.
pub fn verify(
    token: &str,
    keys: &KeySet,
    policy: &VerificationPolicy,
    now: UnixSeconds,
) -> Result<VerifiedClaims, VerifyError> {
    begin(token, keys, policy)?.check()?.finish(now)
}

/// The first half of [`verify`]: all that can be said before the signature is checked.
///
/// For hosts that check signatures elsewhere, as browsers do with WebCrypto; such a host says its verdict to
/// [`Candidate::checked_by_host`].
///
/// # Errors
///
/// [`VerifyError`], up to [`AlgorithmNotAllowed`](VerifyError::AlgorithmNotAllowed).
pub fn begin<'a>(
    token: &'a str,
    keys: &'a KeySet,
    policy: &'a VerificationPolicy,
) -> Result<Candidate<'a>, VerifyError> {
    let (parts, signature, key) = choose_key(token, keys, policy)?;
    Ok(Candidate {
        key: Cow::Borrowed(key),
        policy: Cow::Borrowed(policy),
        signed: Cow::Borrowed(parts.signed),
        signature,
    })
}

/// Takes a token apart, decodes its signature and finds the key that must have made it.
pub(super) fn choose_key<'t, 'k>(
    token: &'t str,
    keys: &'k KeySet,
    policy: &VerificationPolicy,
) -> Result<(Parts<'t>, Vec<u8>, &'k VerifyingKey), VerifyError> {
    let parts = Parts::of(token)?;
    let header = Header::read(parts.header)?;
    let signature = parts.decode_signature()?;
    let (_, key) = header.choose_key(keys, policy)?;
    Ok((parts, signature, key))
}

/// The compact serialization (RFC 7515 §7.1), taken apart but not decoded.
pub(super) struct Parts<'a> {
    pub(super) header: &'a str,
    pub(super) payload: &'a str,
    pub(super) signature: &'a str,
    /// Header and payload with the dot between them.
    pub(super) signed: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::TokenTooLarge);
        }
        Self::split(token).ok_or(VerifyError::TokenMalformed)
    }

    /// Three parts, none of them empty.
    fn split(token: &'a str) -> Option<Self> {
        let is_dot = |byte: &u8| *byte == b'.';
        let bytes = token.as_bytes();
        let (first, last) = (bytes.iter().position(is_dot)?, bytes.iter().rposition(is_dot)?);
        // Counting goes through many bytes at once, unlike looking for a third dot.
        let dots = bytes.iter().map(|byte| usize::from(is_dot(byte))).sum::<usize>();
        let (header, payload) = (token.get(..first)?, token.get(first.checked_add(1)?..last)?);
        let signature = token.get(last.checked_add(1)?..)?;
        let is_whole = dots == 2 && !header.is_empty() && !payload.is_empty() && !signature.is_empty();
        is_whole.then_some(Self { header, payload, signature, signed: token.get(..last)? })
    }

    pub(super) fn decode_signature(&self) -> Result<Vec<u8>, VerifyError> {
        base64url::decode(self.signature.as_bytes()).map_err(|_| VerifyError::TokenMalformed)
    }
}
