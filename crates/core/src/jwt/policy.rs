//! What a verifier demands of a token beyond its signature.

use super::claim::ClaimSet;
use super::facts::Facts;
use super::header::short_type;
use super::{Claim, VerifyError};
use crate::id::TenantId;
use crate::json::Text;
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
    /// Tokens without a tenant: nobody has said which ones are welcome.
    Absent,
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
    /// Not 1 second to [`VerificationPolicy::LONGEST_MAX_AGE`].
    MaxAgeOutOfRange,
    /// More than [`VerificationPolicy::LONGEST_MAX_FUTURE`].
    MaxFutureTooLarge,
    /// The subject is to be read from a registered claim other than `sub`, or from one without a name.
    SubjectClaimRegistered,
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
            Self::MaxAgeOutOfRange => "policy_max_age_out_of_range",
            Self::MaxFutureTooLarge => "policy_max_future_too_large",
            Self::SubjectClaimRegistered => "policy_subject_claim_registered",
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
            Self::MaxAgeOutOfRange => "the greatest age is not 1 second to 1 year",
            Self::MaxFutureTooLarge => {
                "a time of issue more than 24 hours ahead would be accepted as a slow clock"
            }
            Self::SubjectClaimRegistered => "the subject cannot be read from that claim",
        })
    }
}

impl core::error::Error for PolicyError {}

/// The demands on a token: issuer, audiences, tenant, type, times, required claims and which claim is the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationPolicy {
    issuer: String,
    audiences: Vec<String>,
    tenant: TenantRule,
    token_type: String,
    leeway: Seconds,
    max_age: Option<Seconds>,
    max_future: Seconds,
    required: ClaimSet,
    /// The custom claim that stands in for `sub`.
    subject_claim: Option<String>,
}

impl VerificationPolicy {
    /// The leeway unless configured otherwise: 30 seconds.
    pub const DEFAULT_LEEWAY: Seconds = Seconds::new(30);

    /// The largest leeway: 120 seconds.
    pub const MAX_LEEWAY: Seconds = Seconds::new(120);

    /// The greatest age that can be configured: 1 year.
    pub const LONGEST_MAX_AGE: Seconds = Seconds::new(31_536_000);

    /// How far ahead a time of issue still looks like a slow clock, unless configured otherwise: 10 minutes.
    pub const DEFAULT_MAX_FUTURE: Seconds = Seconds::new(600);

    /// The most of that: 24 hours.
    pub const LONGEST_MAX_FUTURE: Seconds = Seconds::new(86_400);

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
            max_age: None,
            max_future: Self::DEFAULT_MAX_FUTURE,
            required: ClaimSet::none(),
            subject_claim: None,
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

    /// The same policy, refusing tokens that were issued longer ago than this, however late they expire: 1 second to
    /// 1 year. The leeway comes on top. A token without `iat` has no age and is refused.
    ///
    /// # Errors
    ///
    /// [`PolicyError::MaxAgeOutOfRange`].
    pub fn with_max_age(mut self, max_age: Seconds) -> Result<Self, PolicyError> {
        if max_age == Seconds::ZERO || max_age > Self::LONGEST_MAX_AGE {
            return Err(PolicyError::MaxAgeOutOfRange);
        }
        self.max_age = Some(max_age);
        self.required.insert(Claim::IssuedAt);
        Ok(self)
    }

    /// The same policy with another border, 0 seconds to 24 hours, between a clock that is wrong
    /// ([`VerifyError::TokenClockSkew`]) and a token that is ([`VerifyError::TokenIssuedInFuture`]). Both are refused;
    /// what is accepted is decided by the leeway alone.
    ///
    /// # Errors
    ///
    /// [`PolicyError::MaxFutureTooLarge`].
    pub fn with_max_future(mut self, max_future: Seconds) -> Result<Self, PolicyError> {
        if max_future > Self::LONGEST_MAX_FUTURE {
            return Err(PolicyError::MaxFutureTooLarge);
        }
        self.max_future = max_future;
        Ok(self)
    }

    /// The same policy for an issuer that names its users in this claim, such as `uid`, and not in `sub`. The claim
    /// has to be there, and a text, whenever [`Claim::Subject`] is required; `sub` is then not looked at.
    ///
    /// # Errors
    ///
    /// [`PolicyError::SubjectClaimRegistered`] for an empty name and for a registered claim: its meaning is another.
    pub fn with_subject_claim(mut self, name: &str) -> Result<Self, PolicyError> {
        self.subject_claim = match Claim::from_name(name) {
            Some(Claim::Subject) => None,
            None if !name.is_empty() => Some(name.into()),
            _ => return Err(PolicyError::SubjectClaimRegistered),
        };
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
        if self.max_age.is_some() {
            self.required.insert(Claim::IssuedAt);
        }
        self
    }

    pub(super) fn token_type(&self) -> &str {
        &self.token_type
    }

    /// Reads an authentic payload and holds it against the policy, or names the first reason against it in the order
    /// of [`VerifyError`].
    pub(super) fn admit<'a>(&self, payload: &'a str, now: UnixSeconds) -> Result<Facts<'a>, VerifyError> {
        let facts = Facts::read(payload, self.subject_claim.as_deref())?;
        if let Some(missing) = self.required.first_not_in(facts.present()) {
            return Err(VerifyError::ClaimMissing(missing));
        }
        if facts.text(Claim::Issuer).is_none_or(|issuer| issuer != *self.issuer) {
            return Err(VerifyError::IssuerMismatch);
        }
        let is_ours = |audience: Text<'_>| self.audiences.iter().any(|ours| audience == **ours);
        if !facts.audiences().any(is_ours) {
            return Err(VerifyError::AudienceMismatch);
        }
        self.check_times(&facts, now)?;
        let is_welcome = match (&self.tenant, facts.text(Claim::Tenant)) {
            (TenantRule::Any, _) | (TenantRule::Absent, None) => true,
            (TenantRule::Exactly(tenant), Some(actual)) => actual == *tenant.as_str(),
            (TenantRule::Absent, Some(_)) | (TenantRule::Exactly(_), None) => false,
        };
        if is_welcome { Ok(facts) } else { Err(VerifyError::TenantMismatch) }
    }

    fn check_times(&self, facts: &Facts<'_>, now: UnixSeconds) -> Result<(), VerifyError> {
        if facts.date(Claim::ExpiresAt).is_none_or(|expires_at| now >= expires_at.plus(self.leeway)) {
            return Err(VerifyError::TokenExpired);
        }
        let soon = now.plus(self.leeway);
        if facts.date(Claim::NotBefore).is_some_and(|not_before| not_before > soon) {
            return Err(VerifyError::TokenNotYetValid);
        }
        let Some(issued_at) = facts.date(Claim::IssuedAt) else { return Ok(()) };
        if issued_at > now.plus(self.leeway.max(self.max_future)) {
            return Err(VerifyError::TokenIssuedInFuture);
        }
        if issued_at > soon {
            return Err(VerifyError::TokenClockSkew);
        }
        match self.max_age {
            Some(max_age) if now >= issued_at.plus(max_age).plus(self.leeway) => {
                Err(VerifyError::TokenTooOld)
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
    fn a_refusal_has_a_stable_code_and_says_what_is_wrong() {
        let no_issuer = PolicyError::NoIssuer;
        assert_eq!(no_issuer.code(), "policy_without_issuer");
        assert_eq!(std::format!("{no_issuer}"), "the issuer is empty");
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
        for (seconds, error) in [
            (0, Some(PolicyError::MaxAgeOutOfRange)),
            (1, None),
            (31_536_000, None),
            (31_536_001, Some(PolicyError::MaxAgeOutOfRange)),
        ] {
            assert_eq!(policy().with_max_age(Seconds::new(seconds)).err(), error, "{seconds}");
        }
        assert!(policy().with_max_future(Seconds::new(86_400)).is_ok());
        let too_far = policy().with_max_future(Seconds::new(86_401));
        assert_eq!(too_far.err(), Some(PolicyError::MaxFutureTooLarge));
    }

    #[test]
    fn the_subject_is_no_other_registered_claim() {
        for claim in Claim::ALL.iter().filter(|claim| **claim != Claim::Subject) {
            let refused = policy().with_subject_claim(claim.name());
            assert_eq!(refused.err(), Some(PolicyError::SubjectClaimRegistered), "{claim:?}");
        }
        assert_eq!(policy().with_subject_claim("").err(), Some(PolicyError::SubjectClaimRegistered));
        assert_eq!(policy().with_subject_claim("sub"), Ok(policy()));
        assert!(policy().with_subject_claim("uid").is_ok());
    }

    #[test]
    fn an_age_needs_a_time_of_issue_in_either_order() {
        let age = Seconds::new(60);
        let before = policy().with_max_age(age).unwrap().with_required_claims(&[]);
        let after = policy().with_required_claims(&[]).with_max_age(age).unwrap();
        assert_eq!(before, after);
        assert!(before.required.contains(Claim::IssuedAt));
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
