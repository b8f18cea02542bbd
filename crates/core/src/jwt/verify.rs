//! From a text to claims that can be relied on.

use super::header::Header;
use super::{AlgorithmName, Candidate, KeySet, VerificationPolicy, VerifiedClaims, VerifyError};
use crate::codec::base64url;
use crate::time::UnixSeconds;
use alloc::borrow::Cow;

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
    let parts = Parts::of(token)?;
    let header = Header::read(parts.header)?;
    let signature = base64url::decode(parts.signature.as_bytes()).map_err(|_| VerifyError::TokenMalformed)?;
    if !header.has_type(policy.token_type()) {
        return Err(VerifyError::TokenTypeMismatch);
    }
    let key = keys.select(header.key_id.as_deref()).ok_or(VerifyError::KeyNotFound)?;
    let named = AlgorithmName::from_text(&header.algorithm).map(AlgorithmName::algorithm);
    if named != Some(key.algorithm()) {
        return Err(VerifyError::AlgorithmNotAllowed);
    }
    Ok(Candidate {
        key: Cow::Borrowed(key),
        policy: Cow::Borrowed(policy),
        signed: Cow::Borrowed(parts.signed),
        signature,
    })
}

/// The compact serialization (RFC 7515 §7.1), taken apart but not decoded.
pub(super) struct Parts<'a> {
    header: &'a str,
    pub(super) payload: &'a str,
    signature: &'a str,
    /// Header and payload with the dot between them.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::TokenTooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::TokenMalformed)?;
        let (header, payload) = signed.split_once('.').ok_or(VerifyError::TokenMalformed)?;
        if header.is_empty() || payload.is_empty() || signature.is_empty() || payload.contains('.') {
            return Err(VerifyError::TokenMalformed);
        }
        Ok(Self { header, payload, signature, signed })
    }
}
