//! The policy of a verifier, read from the fields that JavaScript sends.

use crate::fields::Fields;
use alloc::vec::Vec;
use postern_core::id::TenantId;
use postern_core::jwt::{Claim, PolicyError, TenantRule, VerificationPolicy};
use postern_core::time::Seconds;

/// Why a policy is refused: the option of `createVerifier` at fault and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OptionError {
    pub(crate) option: &'static str,
    pub(crate) reason: &'static str,
}

/// Reads the fields: issuer; tenant rule (`any`, `none`, or `only ` and a tenant); leeway in seconds; token type;
/// required claims with a space between them; greatest age and greatest future in seconds; the claim that is the
/// subject; then the audiences. An empty field other than issuer and tenant rule stands for core's default.
pub(crate) fn read(mut fields: Fields<'_>) -> Result<VerificationPolicy, OptionError> {
    let issuer = fields.next_text();
    let tenant = fields.next_text();
    let leeway = fields.next_text();
    let token_type = fields.next_text();
    let required = fields.next_text();
    let max_age = fields.next_text();
    let max_future = fields.next_text();
    let subject_claim = fields.next_text();
    let audiences: Result<Vec<_>, _> = fields.map(core::str::from_utf8).collect();
    let audiences = audiences.map_err(|_| refused("audience", "is not text"))?;

    let rule = match tenant.strip_prefix("only ") {
        Some(id) => TenantRule::Exactly(
            id.parse::<TenantId>().map_err(|_| refused("tenant", "must be 1 to 64 of a-z A-Z 0-9 . _ -"))?,
        ),
        None if tenant == "none" => TenantRule::Absent,
        None => TenantRule::Any,
    };
    let mut policy = VerificationPolicy::new(issuer, audiences, rule).map_err(of_core)?;
    if let Some(leeway) = seconds("leewaySeconds", leeway)? {
        policy = policy.with_leeway(leeway).map_err(of_core)?;
    }
    if let Some(max_age) = seconds("maxTokenAgeSeconds", max_age)? {
        policy = policy.with_max_age(max_age).map_err(of_core)?;
    }
    if let Some(max_future) = seconds("maxFutureIssueSeconds", max_future)? {
        policy = policy.with_max_future(max_future).map_err(of_core)?;
    }
    if !subject_claim.is_empty() {
        policy = policy.with_subject_claim(subject_claim).map_err(of_core)?;
    }
    if !token_type.is_empty() {
        policy = policy.with_token_type(token_type).map_err(of_core)?;
    }
    if !required.is_empty() {
        let claims: Option<Vec<_>> = required.split(' ').map(Claim::from_name).collect();
        let claims = claims.ok_or(refused("requiredClaims", "has a name that is not a registered claim"))?;
        policy = policy.with_required_claims(&claims);
    }
    Ok(policy)
}

/// A span that may be left to core's default.
fn seconds(option: &'static str, text: &str) -> Result<Option<Seconds>, OptionError> {
    if text.is_empty() {
        return Ok(None);
    }
    let span = text.parse().map_err(|_| refused(option, "must be a whole number"))?;
    Ok(Some(Seconds::new(span)))
}

const fn refused(option: &'static str, reason: &'static str) -> OptionError {
    OptionError { option, reason }
}

const fn of_core(error: PolicyError) -> OptionError {
    match error {
        PolicyError::NoIssuer => refused("issuer", "is empty"),
        PolicyError::NoAudience => refused("audience", "is empty"),
        PolicyError::LeewayTooLarge => refused("leewaySeconds", "is more than 120"),
        PolicyError::NoTokenType => refused("tokenType", "is empty"),
        PolicyError::MaxAgeOutOfRange => refused("maxTokenAgeSeconds", "is not 1 to 31536000"),
        PolicyError::MaxFutureTooLarge => refused("maxFutureIssueSeconds", "is more than 86400"),
        PolicyError::SubjectClaimRegistered => {
            refused("subjectClaim", "is a registered claim other than sub")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(fields: &[&str]) -> Result<VerificationPolicy, OptionError> {
        let mut bytes = Vec::new();
        for field in fields {
            bytes.extend(u32::try_from(field.len()).unwrap().to_le_bytes());
            bytes.extend(field.as_bytes());
        }
        read(Fields::of(&bytes))
    }

    #[test]
    fn empty_fields_stand_for_the_defaults() {
        let policy = read_all(&["https://auth.example", "any", "", "", "", "", "", "", "a", "b"]).unwrap();
        let core = VerificationPolicy::new("https://auth.example", ["a", "b"], TenantRule::Any).unwrap();
        assert_eq!(policy, core);
        let policy = read_all(&["i", "none", "", "", "", "", "", "", "a"]).unwrap();
        assert_eq!(policy, VerificationPolicy::new("i", ["a"], TenantRule::Absent).unwrap());
    }

    #[test]
    fn every_field_reaches_the_policy() {
        let policy = read_all(&["i", "only acme", "5", "jwt", "sub sid", "60", "7", "uid", "a"]).unwrap();
        let core = VerificationPolicy::new("i", ["a"], TenantRule::Exactly("acme".parse().unwrap()))
            .and_then(|policy| policy.with_leeway(Seconds::new(5)))
            .and_then(|policy| policy.with_token_type("jwt"))
            .and_then(|policy| policy.with_max_age(Seconds::new(60)))
            .and_then(|policy| policy.with_max_future(Seconds::new(7)))
            .and_then(|policy| policy.with_subject_claim("uid"))
            .unwrap()
            .with_required_claims(&[Claim::Subject, Claim::SessionId]);
        assert_eq!(policy, core);
    }

    #[test]
    fn a_refusal_names_the_option() {
        for (fields, option) in [
            (&["", "any", "", "", "", "", "", "", "a"][..], "issuer"),
            (&[], "issuer"),
            (&["i", "any", "", "", "", "", "", ""], "audience"),
            (&["i", "any", "", "", "", "", "", "", ""], "audience"),
            (&["i", "only ", "", "", "", "", "", "", "a"], "tenant"),
            (&["i", "only a/b", "", "", "", "", "", "", "a"], "tenant"),
            (&["i", "any", "121", "", "", "", "", "", "a"], "leewaySeconds"),
            (&["i", "any", "-1", "", "", "", "", "", "a"], "leewaySeconds"),
            (&["i", "any", "", "application/", "", "", "", "", "a"], "tokenType"),
            (&["i", "any", "", "", "sub email", "", "", "", "a"], "requiredClaims"),
            (&["i", "any", "", "", "sub  sid", "", "", "", "a"], "requiredClaims"),
            (&["i", "any", "", "", "", "0", "", "", "a"], "maxTokenAgeSeconds"),
            (&["i", "any", "", "", "", "1.5", "", "", "a"], "maxTokenAgeSeconds"),
            (&["i", "any", "", "", "", "", "86401", "", "a"], "maxFutureIssueSeconds"),
            (&["i", "any", "", "", "", "", "", "jti", "a"], "subjectClaim"),
        ] {
            assert_eq!(read_all(fields).unwrap_err().option, option, "{fields:?}");
        }
    }
}
