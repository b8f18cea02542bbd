//! Ending sessions: one, all, and by logout. Each is idempotent: what has ended stays as it is.

use super::notice::{Notice, SessionAudit};
use super::record::{RevokeReason, SessionRecord};
use super::rotation::{Presentation, recognise};
use crate::account::{AccountRecord, ObjectClock};
use crate::id::SessionId;
use crate::time::UnixMillis;
use alloc::vec;
use alloc::vec::Vec;

/// What revoking one session came to.
#[must_use]
#[allow(clippy::large_enum_variant, reason = "an outcome lives for one commit; a box would only allocate")]
#[derive(Clone, Debug)]
pub enum RevokeOneOutcome {
    /// It is revoked now. Store all of this in one transaction.
    Revoked {
        /// The record to store.
        session: SessionRecord,
        /// The account's clock to store.
        clock: ObjectClock,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// It was revoked before; nothing to store.
    AlreadyRevoked,
    /// The account has no such session; nothing to store.
    NotFound,
}

/// Revokes one session of this account, `session` being what the owner has stored under the id asked for.
///
/// An account's owner holds no other account's sessions, which is how ownership is enforced.
pub fn revoke_one(
    account: &AccountRecord,
    session: Option<&SessionRecord>,
    reason: RevokeReason,
    now: UnixMillis,
) -> RevokeOneOutcome {
    let Some(session) = session.filter(|session| session.tenant == account.tenant) else {
        return RevokeOneOutcome::NotFound;
    };
    if session.revoked.is_some() {
        return RevokeOneOutcome::AlreadyRevoked;
    }
    let at = account.clock.read(now);
    RevokeOneOutcome::Revoked {
        session: session.clone().revoked(at, reason),
        clock: ObjectClock::new(at),
        notices: revoked_notices(Some(session.id), reason, at),
    }
}

/// All sessions of an account, ended. Store all of this in one transaction.
#[must_use]
#[derive(Clone, Debug)]
pub struct RevokeAllOutcome {
    /// The account with its next version, which makes every access token stale, and its clock.
    pub account: AccountRecord,
    /// The records to store: every session that was not revoked before, but the kept one.
    pub revoked: Vec<SessionRecord>,
    /// What the outbox must carry.
    pub notices: Vec<Notice>,
}

/// Revokes every session of the account but `keep`, and raises the account version.
///
/// The version rises even when no session is left: access tokens of sessions that ended before may still be
/// about. The kept session's access token is stale too; its client refreshes it.
pub fn revoke_all(
    account: &AccountRecord,
    sessions: &[SessionRecord],
    reason: RevokeReason,
    keep: Option<SessionId>,
    now: UnixMillis,
) -> RevokeAllOutcome {
    let at = account.clock.read(now);
    let revoked = end_all(sessions, reason, at, |session| Some(session.id) != keep);
    // With one session kept, the copies of the others must be named one by one.
    let mut notices = match keep {
        None => vec![Notice::Revoked { session: None, reason, at }],
        Some(_) => each_revoked(&revoked, reason, at),
    };
    notices.push(Notice::Audit { event: SessionAudit::SessionsRevoked, session: None, at });
    let account = AccountRecord { clock: ObjectClock::new(at), ..account.clone() }.with_next_version();
    RevokeAllOutcome { account, revoked, notices }
}

/// What a logout came to. Both are answered alike, `200`: a logout has nothing to tell a guesser.
#[must_use]
#[allow(clippy::large_enum_variant, reason = "an outcome lives for one commit; a box would only allocate")]
#[derive(Clone, Debug)]
pub enum LogoutOutcome {
    /// The token was authentic and its session is revoked now. Store all of this in one transaction.
    Revoked {
        /// The record to store.
        session: SessionRecord,
        /// The account's clock to store.
        clock: ObjectClock,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// The token was not authentic, or its session was revoked before; nothing to store.
    Nothing,
}

/// Row 14 of the rotation rule: revokes the session of an authentic token, of whatever generation.
pub fn logout(
    presentation: &Presentation<'_>,
    account: Option<&AccountRecord>,
    session: Option<&SessionRecord>,
    now: UnixMillis,
) -> LogoutOutcome {
    let Ok((account, session)) = recognise(presentation, account, session) else {
        return LogoutOutcome::Nothing;
    };
    match revoke_one(account, Some(session), RevokeReason::Logout, now) {
        RevokeOneOutcome::Revoked { session, clock, notices } => {
            LogoutOutcome::Revoked { session, clock, notices }
        }
        RevokeOneOutcome::AlreadyRevoked | RevokeOneOutcome::NotFound => LogoutOutcome::Nothing,
    }
}

/// What to store of the sessions that are not revoked yet and that `which` selects.
pub(crate) fn end_all(
    sessions: &[SessionRecord],
    reason: RevokeReason,
    at: UnixMillis,
    which: impl Fn(&SessionRecord) -> bool,
) -> Vec<SessionRecord> {
    sessions
        .iter()
        .filter(|session| session.revoked.is_none() && which(session))
        .map(|session| session.clone().revoked(at, reason))
        .collect()
}

pub(super) fn each_revoked(revoked: &[SessionRecord], reason: RevokeReason, at: UnixMillis) -> Vec<Notice> {
    revoked.iter().map(|session| Notice::Revoked { session: Some(session.id), reason, at }).collect()
}

fn revoked_notices(session: Option<SessionId>, reason: RevokeReason, at: UnixMillis) -> Vec<Notice> {
    vec![
        Notice::Revoked { session, reason, at },
        Notice::Audit { event: SessionAudit::SessionRevoked, session, at },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AccountId, ClientId, TenantId};
    use crate::secret::Secret;
    use crate::session::record::tests::{account, session};
    use crate::session::{
        DeviceFingerprint, DeviceHint, Generation, PresentedRefreshToken, RefreshTokenClaim, TokenParts,
    };

    const NOW: UnixMillis = UnixMillis::new(2_000_000);

    fn sessions() -> [SessionRecord; 3] {
        [1, 2, 3].map(|id| SessionRecord { id: SessionId::from_bytes([id; 16]), ..session() })
    }

    #[test]
    fn one_session_ends_once() {
        let outcome = revoke_one(&account(), Some(&session()), RevokeReason::UserRevoke, NOW);
        let RevokeOneOutcome::Revoked { session: ended, clock, notices } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(ended.revoked.map(|revocation| revocation.reason), Some(RevokeReason::UserRevoke));
        assert_eq!((clock.high_water(), notices.len()), (NOW, 2));
        let again = revoke_one(&account(), Some(&ended), RevokeReason::AdminRevoke, NOW);
        assert!(matches!(again, RevokeOneOutcome::AlreadyRevoked));
    }

    #[test]
    fn what_is_not_the_accounts_is_not_found() {
        let other = SessionRecord { tenant: "other".parse().unwrap(), ..session() };
        for stored in [None, Some(&other)] {
            let outcome = revoke_one(&account(), stored, RevokeReason::AdminRevoke, NOW);
            assert!(matches!(outcome, RevokeOneOutcome::NotFound));
        }
    }

    #[test]
    fn all_end_but_the_kept_one_and_every_access_token_is_stale() {
        let reason = RevokeReason::UserRevokeAll;
        let ids = |outcome: &RevokeAllOutcome| {
            outcome.revoked.iter().map(|session| session.id.as_bytes()[0]).collect::<Vec<_>>()
        };
        let all = revoke_all(&account(), &sessions(), reason, None, NOW);
        assert_eq!(ids(&all), [1, 2, 3]);
        assert_eq!(all.notices.first(), Some(&Notice::Revoked { session: None, reason, at: NOW }));
        assert_eq!(all.account.account_version, account().account_version + 1);

        let kept = revoke_all(&account(), &sessions(), reason, Some(SessionId::from_bytes([2; 16])), NOW);
        assert_eq!(ids(&kept), [1, 3]);
        assert!(!kept.notices.contains(&Notice::Revoked { session: None, reason, at: NOW }));
        assert_eq!(kept.notices.len(), 3);

        let again = revoke_all(&all.account, &all.revoked, RevokeReason::Banned, None, NOW);
        assert!(again.revoked.is_empty(), "the first reason stands");
        assert_eq!(again.account.account_version, account().account_version + 2);
    }

    #[test]
    fn logout_ends_the_session_of_any_authentic_token_and_of_no_other() {
        let record = SessionRecord { generation: Generation::new(5), ..session() };
        let tenant: TenantId = "acme".parse().unwrap();
        let client: ClientId = "web".parse().unwrap();
        let try_logout = |generation, key, client_id: &ClientId, stored: Option<&SessionRecord>| {
            let parts = TokenParts::new(
                AccountId::from_bytes([1; 16]),
                record.id,
                Generation::new(generation),
                7,
                &Secret::new(key),
            );
            let message = serde_json::to_string(&parts).unwrap();
            let claim: RefreshTokenClaim = serde_json::from_str(&message).unwrap();
            let presentation = Presentation {
                token: &PresentedRefreshToken::assertion(claim),
                tenant: &tenant,
                client_id,
                key_proof: None,
                device: &DeviceHint::default(),
                fingerprint: &DeviceFingerprint::default(),
            };
            logout(&presentation, Some(&account()), stored, NOW)
        };
        for generation in [0, 4, 5, 6] {
            let outcome = try_logout(generation, [5; 32], &client, Some(&record));
            let LogoutOutcome::Revoked { session, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(session.revoked.map(|revocation| revocation.reason), Some(RevokeReason::Logout));
        }
        let ended = record.clone().revoked(NOW, RevokeReason::Banned);
        let other: ClientId = "app".parse().unwrap();
        for outcome in [
            try_logout(5, [6; 32], &client, Some(&record)),
            try_logout(5, [5; 32], &other, Some(&record)),
            try_logout(5, [5; 32], &client, Some(&ended)),
            try_logout(5, [5; 32], &client, None),
        ] {
            assert!(matches!(outcome, LogoutOutcome::Nothing), "{outcome:?}");
        }
    }
}
