//! Validation of an access token: what a verified token still has to pass, by mode.

use crate::id::{AccountId, IdError, SessionId, TenantId};
use crate::jwt::VerifiedClaims;
use crate::revocation::{Judgement, RevocationShard, judge};
use crate::time::{Seconds, UnixMillis};

/// How much is asked before a token counts as good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Signature and claims only: no I/O, and a revoked token lives out its life.
    JwtOnly,
    /// The revocation shard at the edge too, and the account's owner when the shard is too old.
    Hybrid,
    /// The account's owner, always. If it does not answer, the token is refused.
    Strict,
}

impl Mode {
    /// The name of the mode: `jwt_only`, `hybrid` or `strict`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JwtOnly => "jwt_only",
            Self::Hybrid => "hybrid",
            Self::Strict => "strict",
        }
    }

    /// The mode of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::JwtOnly, Self::Hybrid, Self::Strict].into_iter().find(|mode| mode.name() == name)
    }
}

/// The mode that one route, or one caller, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteMode {
    /// The deployment's.
    Inherit,
    /// This one, whatever the deployment's is.
    Exactly(Mode),
}

impl RouteMode {
    /// The mode of this name: `inherit`, or that of a [`Mode`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "inherit" => Some(Self::Inherit),
            _ => Mode::from_name(name).map(Self::Exactly),
        }
    }

    /// The mode that applies in a deployment of this one.
    #[must_use]
    pub const fn within(self, deployment: Mode) -> Mode {
        match self {
            Self::Inherit => deployment,
            Self::Exactly(mode) => mode,
        }
    }
}

/// Whom a token of ours is about. A token that verifies but lacks one of these was not issued by Postern for a
/// session, and no session stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSubject {
    /// `sub`.
    pub account: AccountId,
    /// `sid`.
    pub session: SessionId,
    /// `tid`.
    pub tenant: TenantId,
    /// `av`.
    pub account_version: u32,
}

impl TokenSubject {
    /// Reads the claims that name a session.
    ///
    /// # Errors
    ///
    /// [`IdError`] if one is missing or is not of the form that Postern issues.
    pub fn of(claims: &VerifiedClaims) -> Result<Self, IdError> {
        let version = claims.account_version().and_then(|version| u32::try_from(version).ok());
        Ok(Self {
            account: claims.subject().ok_or(IdError::NotCanonical)?.parse()?,
            session: claims.session_id().ok_or(IdError::NotCanonical)?.parse()?,
            tenant: claims.tenant().cloned().ok_or(IdError::BadLength)?,
            account_version: version.ok_or(IdError::NotCanonical)?,
        })
    }
}

/// What is left to do for a token whose signature and claims are good.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: accept it.
    Accept,
    /// Refuse it with this public code.
    Refuse(&'static str),
    /// Ask the account's owner; its word is final.
    AskAccount,
}

/// Decides by the revocation shard, read at `now`; `None` if there is none. For [`Mode::Hybrid`].
pub fn by_shard(
    subject: &TokenSubject,
    shard: Option<&RevocationShard>,
    now: UnixMillis,
    staleness: Seconds,
) -> Next {
    match judge(shard, &subject.account, &subject.session, subject.account_version, now, staleness) {
        Judgement::Clear => Next::Accept,
        Judgement::TokenStale => Next::Refuse("token_stale"),
        Judgement::SessionRevoked => Next::Refuse("session_revoked"),
        Judgement::AskAccount => Next::AskAccount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::{RevocationMark, Revoked};
    use std::vec;

    #[test]
    fn every_judgement_has_its_consequence() {
        let now = UnixMillis::new(1_000_000);
        let subject = TokenSubject {
            account: AccountId::from_bytes([1; 16]),
            session: SessionId::from_bytes([2; 16]),
            tenant: "default".parse().unwrap(),
            account_version: 3,
        };
        let next = |shard: Option<&RevocationShard>| by_shard(&subject, shard, now, Seconds::new(60));
        let shard = |revoked| RevocationShard {
            written_at: now,
            marks: vec![RevocationMark { account: subject.account, revoked, until: now }],
        };
        assert_eq!(next(None), Next::AskAccount);
        assert_eq!(next(Some(&shard(Revoked::OlderThan(3)))), Next::Accept);
        assert_eq!(next(Some(&shard(Revoked::OlderThan(4)))), Next::Refuse("token_stale"));
        assert_eq!(next(Some(&shard(Revoked::Session(subject.session)))), Next::Refuse("session_revoked"));
    }

    #[test]
    fn mode_names_are_exact() {
        assert_eq!(Mode::from_name("jwt_only"), Some(Mode::JwtOnly));
        assert_eq!(Mode::from_name("hybrid"), Some(Mode::Hybrid));
        assert_eq!(Mode::from_name("strict"), Some(Mode::Strict));
        assert!(
            ["", "Strict", "none", "jwt-only", "inherit"].iter().all(|name| Mode::from_name(name).is_none())
        );
        assert!(["", "Inherit", "default"].iter().all(|name| RouteMode::from_name(name).is_none()));
    }

    #[test]
    fn every_mode_can_be_inherited_and_overridden() {
        for deployment in [Mode::JwtOnly, Mode::Hybrid, Mode::Strict] {
            let inherited = RouteMode::from_name("inherit").unwrap();
            assert_eq!(inherited.within(deployment), deployment);
            for wanted in [Mode::JwtOnly, Mode::Hybrid, Mode::Strict] {
                let route = RouteMode::from_name(wanted.name()).unwrap();
                assert_eq!(route.within(deployment), wanted);
            }
        }
    }
}
