//! Why a token is refused.

use super::Claim;
use core::fmt;

/// The one reason why a token is refused, in check order: a token with several faults names the first.
///
/// None of them quotes the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// `token_too_large`: more than [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES).
    TokenTooLarge,
    /// `token_malformed`: not three non-empty parts between two dots, or a header or signature that is not
    /// canonical base64url (RFC 7515 §7.1).
    TokenMalformed,
    /// `header_malformed`: the header is not a JSON object, names a member twice, lacks `alg`, or has an `alg`,
    /// `kid` or `typ` that is not text.
    HeaderMalformed,
    /// `critical_header_unsupported`: the header has `crit` (RFC 7515 §4.1.11). No extension is supported, so
    /// whatever it lists, and even an ill-formed list, is refused.
    CriticalHeaderUnsupported,
    /// `token_type_mismatch`: `typ` is missing or not the type that the policy wants (RFC 8725 §3.11).
    TokenTypeMismatch,
    /// `key_not_found`: no key has this `kid`, or there is no `kid` and not exactly one key.
    KeyNotFound,
    /// `algorithm_not_allowed`: `alg` is not a name of the key's own algorithm. `none` never is.
    AlgorithmNotAllowed,
    /// `algorithm_needs_async`: the key's algorithm is not in this build, so that its host has to check the signature
    /// ([`begin`](super::begin), in JavaScript `verifyAsync`). Nothing is said about the token.
    AlgorithmNeedsAsync,
    /// `signature_invalid`: the key did not make this signature over this header and payload.
    SignatureInvalid,
    /// `payload_malformed`: authentic, but the payload is not canonical base64url of a JSON object whose member
    /// names differ.
    PayloadMalformed,
    /// `claim_malformed`: a registered claim has a wrong JSON type, is an empty text, or is out of range.
    ClaimMalformed(Claim),
    /// `claim_missing`: a claim that the policy requires is missing.
    ClaimMissing(Claim),
    /// `issuer_mismatch`: `iss` is not exactly the policy's issuer.
    IssuerMismatch,
    /// `audience_mismatch`: `aud` has none of the policy's audiences.
    AudienceMismatch,
    /// `token_expired`: `exp` plus the leeway has come.
    TokenExpired,
    /// `token_not_yet_valid`: `nbf` is in the future by more than the leeway.
    TokenNotYetValid,
    /// `token_issued_in_future`: `iat` is so far in the future that no clock explains it: by more than the policy's
    /// `max_future`, 10 minutes unless configured otherwise.
    TokenIssuedInFuture,
    /// `token_clock_skew`: `iat` is in the future by more than the leeway, but not by more than that. The clock of the
    /// issuer or of the verifier is wrong; a repetition somewhat later may succeed.
    TokenClockSkew,
    /// `token_too_old`: the token was issued longer ago than the policy's `max_age` plus the leeway.
    TokenTooOld,
    /// `tenant_mismatch`: `tid` is missing or not the policy's tenant.
    TenantMismatch,
}

impl VerifyError {
    /// The stable name of the reason, for logs, metrics and programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TokenTooLarge => "token_too_large",
            Self::TokenMalformed => "token_malformed",
            Self::HeaderMalformed => "header_malformed",
            Self::CriticalHeaderUnsupported => "critical_header_unsupported",
            Self::TokenTypeMismatch => "token_type_mismatch",
            Self::KeyNotFound => "key_not_found",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::AlgorithmNeedsAsync => "algorithm_needs_async",
            Self::SignatureInvalid => "signature_invalid",
            Self::PayloadMalformed => "payload_malformed",
            Self::ClaimMalformed(_) => "claim_malformed",
            Self::ClaimMissing(_) => "claim_missing",
            Self::IssuerMismatch => "issuer_mismatch",
            Self::AudienceMismatch => "audience_mismatch",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::TokenIssuedInFuture => "token_issued_in_future",
            Self::TokenClockSkew => "token_clock_skew",
            Self::TokenTooOld => "token_too_old",
            Self::TenantMismatch => "tenant_mismatch",
        }
    }

    /// The claim that is at fault, when the reason leaves it open.
    #[must_use]
    pub const fn claim(self) -> Option<Claim> {
        match self {
            Self::ClaimMalformed(claim) | Self::ClaimMissing(claim) => Some(claim),
            _ => None,
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        match self.claim() {
            Some(claim) => write!(f, " ({})", claim.name()),
            None => Ok(()),
        }
    }
}

impl core::error::Error for VerifyError {}
