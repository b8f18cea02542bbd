//! What a verifier demands of a token beyond its signature.

use super::claim::ClaimSet;
use super::header::short_type;
use super::{Claim, VerifiedClaims, VerifyError};
use crate::id::TenantId;
use crate::time::{Seconds, UnixSeconds};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Which tenant's tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantRule {
    /// Tokens whose `tid` is this tenant.
    Exactly(TenantId),
    /// Tokens of all tenants and tokens without one; the caller separates tenants itself.
    Any,
}

/// Why a policy cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// The issuer is empty.
    NoIssuer,
    /// There is no audience, or one is empty: tokens for anybody would be accepted (RFC 8725 §3.9).
    NoAudience,
    /// More than [`VerificationPolicy::MAX_LEEWAY`].
    LeewayTooLarge,
    /// The token type is empty.
    NoTokenType,
}

impl PolicyError {
    /// The stable name of the reason, for logs and programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoIssuer => "policy_without_issuer",
            Self::NoAudience => "policy_without_audience",
            Self::LeewayTooLarge => "policy_leeway_too_large",
            Self::NoTokenType => "policy_without_token_type",
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoIssuer => "the issuer is empty",
            Self::NoAudience => "there is no audience, or an empty one",
            Self::LeewayTooLarge => "the leeway is above 120 seconds",
            Self::NoTokenType => "the token type is empty",
        })
    }
}

impl core::error::Error for PolicyError {}

/// The demands on a token: issuer, audiences, tenant, type, leeway and required claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationPolicy {
    issuer: String,
    audiences: Vec<String>,
    tenant: TenantRule,
    token_type: String,
    leeway: Seconds,
    required: ClaimSet,
}

impl VerificationPolicy {
    /// The leeway unless configured otherwise: 30 seconds.
    pub const DEFAULT_LEEWAY: Seconds = Seconds::new(30);

    /// The largest leeway: 120 seconds.
    pub const MAX_LEEWAY: Seconds = Seconds::new(120);

    /// The token type unless configured otherwise (RFC 9068 §2.1).
    pub const DEFAULT_TOKEN_TYPE: &str = "at+jwt";

    /// The claims that RFC 9068 §2.2 requires beyond `iss`, `aud` and `exp`, which no policy can waive.
    pub const DEFAULT_REQUIRED_CLAIMS: &[Claim] =
        &[Claim::Subject, Claim::IssuedAt, Claim::TokenId, Claim::ClientId];

    /// A policy for tokens of one issuer (compared exactly) for any of these audiences, otherwise with the defaults.
    ///
    /// # Errors
    ///
    /// [`PolicyError::NoIssuer`] and [`PolicyError::NoAudience`].
    pub fn new<A: Into<String>>(
        issuer: impl Into<String>,
        audiences: impl IntoIterator<Item = A>,
        tenant: TenantRule,
    ) -> Result<Self, PolicyError> {
        let issuer = issuer.into();
        let audiences: Vec<String> = audiences.into_iter().map(Into::into).collect();
        if issuer.is_empty() {
            return Err(PolicyError::NoIssuer);
        }
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(PolicyError::NoAudience);
        }
        let policy = Self {
            issuer,
            audiences,
            tenant,
            token_type: Self::DEFAULT_TOKEN_TYPE.into(),
            leeway: Self::DEFAULT_LEEWAY,
            required: ClaimSet::none(),
        };
        Ok(policy.with_required_claims(Self::DEFAULT_REQUIRED_CLAIMS))
    }

    /// The same policy with this leeway between the issuer's clock and ours, 0 to 120 seconds.
    ///
    /// # Errors
    ///
    /// [`PolicyError::LeewayTooLarge`].
    pub fn with_leeway(mut self, leeway: Seconds) -> Result<Self, PolicyError> {
        if leeway > Self::MAX_LEEWAY {
            return Err(PolicyError::LeewayTooLarge);
        }
        self.leeway = leeway;
        Ok(self)
    }

    /// The same policy for tokens whose `typ` is this media type, with or without `application/`.
    ///
    /// # Errors
    ///
    /// [`PolicyError::NoTokenType`].
    pub fn with_token_type(mut self, token_type: &str) -> Result<Self, PolicyError> {
        let short = short_type(token_type);
        if short.is_empty() {
            return Err(PolicyError::NoTokenType);
        }
        self.token_type = short.into();
        Ok(self)
    }

    /// The same policy, requiring these claims instead of the default ones; `iss`, `aud` and `exp` in any case.
    #[must_use]
    pub fn with_required_claims(mut self, claims: &[Claim]) -> Self {
        self.required = ClaimSet::none();
        for claim in [Claim::Issuer, Claim::Audience, Claim::ExpiresAt].iter().chain(claims) {
            self.required.insert(*claim);
        }
        self
    }

    pub(super) fn token_type(&self) -> &str {
        &self.token_type
    }

    /// Checks authentic claims, in the order of [`VerifyError`].
    pub(super) fn check(&self, claims: &VerifiedClaims, now: UnixSeconds) -> Result<(), VerifyError> {
        if let Some(missing) = self.required.first_not_in(claims.present()) {
            return Err(VerifyError::ClaimMissing(missing));
        }
        if claims.issuer() != self.issuer {
            return Err(VerifyError::IssuerMismatch);
        }
        if !claims.audiences().iter().any(|audience| self.audiences.contains(audience)) {
            return Err(VerifyError::AudienceMismatch);
        }
        if now >= claims.expires_at().plus(self.leeway) {
            return Err(VerifyError::TokenExpired);
        }
        let soon = now.plus(self.leeway);
        if claims.not_before().is_some_and(|not_before| not_before > soon) {
            return Err(VerifyError::TokenNotYetValid);
        }
        if claims.issued_at().is_some_and(|issued_at| issued_at > soon) {
            return Err(VerifyError::TokenIssuedInFuture);
        }
        match &self.tenant {
            TenantRule::Exactly(tenant) if claims.tenant() != Some(tenant) => {
                Err(VerifyError::TenantMismatch)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> VerificationPolicy {
        VerificationPolicy::new("https://auth.example", ["a"], TenantRule::Any).unwrap()
    }

    #[test]
    fn a_policy_that_would_accept_too_much_cannot_be_made() {
        let new = |issuer: &str, audiences: &[&str]| {
            VerificationPolicy::new(issuer, audiences.iter().copied(), TenantRule::Any).err()
        };
        assert_eq!(new("", &["a"]), Some(PolicyError::NoIssuer));
        assert_eq!(new("i", &[]), Some(PolicyError::NoAudience));
        assert_eq!(new("i", &["a", ""]), Some(PolicyError::NoAudience));
        assert_eq!(new("i", &["a"]), None);
        assert!(policy().with_leeway(Seconds::new(120)).is_ok());
        assert_eq!(policy().with_leeway(Seconds::new(121)).err(), Some(PolicyError::LeewayTooLarge));
        assert_eq!(policy().with_token_type("").err(), Some(PolicyError::NoTokenType));
        assert_eq!(policy().with_token_type("application/").err(), Some(PolicyError::NoTokenType));
    }

    #[test]
    fn issuer_audience_and_expiry_cannot_be_waived() {
        let lax = policy().with_required_claims(&[]);
        for claim in [Claim::Issuer, Claim::Audience, Claim::ExpiresAt] {
            assert!(lax.required.contains(claim));
        }
        assert!(!lax.required.contains(Claim::Subject));
        assert!(policy().required.contains(Claim::Subject));
    }
}
