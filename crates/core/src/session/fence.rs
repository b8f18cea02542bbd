//! Changes made elsewhere that end sessions or outdate tokens here: the fence that follows every change of a
//! password, factor, address, role or grant in the database.

use super::notice::{CredentialChange, Notice, SessionAudit};
use super::record::{RevokeReason, SessionRecord};
use super::revoke::{each_revoked, end_all};
use crate::account::{AccountRecord, AccountStatus, ObjectClock};
use crate::id::SessionId;
use crate::permission::AuthorizationSnapshot;
use crate::time::UnixMillis;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A change that the database has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceRequest {
    /// The version of the account's credentials after the change.
    pub version: u32,
    /// What the account was given and may do, as it was read for this.
    pub authorization: AuthorizationSnapshot,
    /// Which sessions end, if the change ends any.
    pub revoke: Option<FenceRevocation>,
    /// What its owner is to be told of, if anything.
    pub change: Option<CredentialChange>,
}

/// Which sessions a change ends: those opened with credentials from before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FenceRevocation {
    /// Why.
    pub reason: RevokeReason,
    /// The session that made the change and goes on.
    pub keep: Option<SessionId>,
}

/// What a fence came to.
#[must_use]
#[derive(Clone, Debug)]
pub enum FenceOutcome {
    /// Applied: proofs from before the change open no session, every access token is stale. Store all of this
    /// in one transaction.
    Applied {
        /// The account with its new versions, snapshot and clock.
        account: AccountRecord,
        /// The records to store.
        revoked: Vec<SessionRecord>,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// It was applied before; nothing to store.
    AlreadyApplied,
    /// The account is purged; nothing to store.
    Purged,
}

/// Applies a fence. Fences may be repeated and may overtake each other: each ends the sessions that it has to
/// end, and the newest snapshot stays.
pub fn fence(
    account: &AccountRecord,
    sessions: &[SessionRecord],
    request: FenceRequest,
    now: UnixMillis,
) -> FenceOutcome {
    if account.status == AccountStatus::Purged {
        return FenceOutcome::Purged;
    }
    let at = account.clock.read(now);
    let revoked = request.revoke.map_or_else(Vec::new, |revoke| {
        end_all(sessions, revoke.reason, at, |session| {
            session.credential_version < request.version && Some(session.id) != revoke.keep
        })
    });
    let newer_snapshot = request.authorization.version > account.authorization.version;
    // Not the version of the credential: whoever logs in before the fence comes raises that one too.
    let newer_change = request.version > account.fenced_version;
    if !newer_snapshot && !newer_change && revoked.is_empty() {
        return FenceOutcome::AlreadyApplied;
    }

    let mut account = account.clone().with_next_version();
    account.clock = ObjectClock::new(at);
    account.credential_version = account.credential_version.max(request.version);
    account.fenced_version = account.fenced_version.max(request.version);
    if newer_snapshot {
        account.authorization = Box::new(request.authorization);
    }
    let mut notices = request.revoke.map_or_else(Vec::new, |revoke| {
        let mut notices = each_revoked(&revoked, revoke.reason, at);
        notices.push(Notice::Audit { event: SessionAudit::SessionsRevoked, session: None, at });
        notices
    });
    // A repeated fence may still end sessions, but what it tells of has been told.
    if let Some(change) = request.change.filter(|_| newer_change) {
        notices.push(Notice::CredentialChanged { change, at });
    }
    FenceOutcome::Applied { account, revoked, notices }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::record::tests::{account, session};
    use std::vec;

    const NOW: UnixMillis = UnixMillis::new(2_000_000);

    fn opened_with(id: u8, credential_version: u32) -> SessionRecord {
        SessionRecord { id: SessionId::from_bytes([id; 16]), credential_version, ..session() }
    }

    fn request(version: u32, keep: Option<u8>) -> FenceRequest {
        let keep = keep.map(|id| SessionId::from_bytes([id; 16]));
        FenceRequest {
            version,
            authorization: AuthorizationSnapshot {
                roles: vec!["new".into()],
                version,
                ..*account().authorization
            },
            revoke: Some(FenceRevocation { reason: RevokeReason::PasswordChange, keep }),
            change: Some(CredentialChange::PasswordChanged),
        }
    }

    fn applied(outcome: FenceOutcome) -> (AccountRecord, Vec<u8>) {
        match outcome {
            FenceOutcome::Applied { account, revoked, .. } => {
                (account, revoked.iter().map(|session| session.id.as_bytes()[0]).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_password_change_ends_the_sessions_of_the_old_password_but_one() {
        let sessions = [opened_with(1, 1), opened_with(2, 1), opened_with(3, 2)];
        let (fenced, revoked) = applied(fence(&account(), &sessions, request(2, Some(1)), NOW));
        assert_eq!(revoked, [2], "3 was opened with the new password already");
        assert_eq!((fenced.credential_version, fenced.account_version), (2, account().account_version + 1));
        assert_eq!(fenced.authorization.roles, ["new"]);
        assert_eq!(fenced.authorization.version, 2);
    }

    #[test]
    fn a_role_change_ends_no_session_but_makes_tokens_stale() {
        let request = FenceRequest { revoke: None, ..request(2, None) };
        let (fenced, revoked) = applied(fence(&account(), &[opened_with(1, 1)], request, NOW));
        assert!(revoked.is_empty());
        assert_eq!(fenced.account_version, account().account_version + 1);
    }

    #[test]
    fn a_fence_can_be_repeated_and_overtaken() {
        let sessions = [opened_with(1, 1), opened_with(2, 2)];
        let newer = FenceRequest { revoke: None, ..request(3, None) };
        let (fenced, _) = applied(fence(&account(), &sessions, newer.clone(), NOW));
        assert!(matches!(fence(&fenced, &sessions, newer, NOW), FenceOutcome::AlreadyApplied));

        let mut older = request(2, None);
        older.authorization.roles = vec!["old".into()];
        let (late, revoked) = applied(fence(&fenced, &sessions, older.clone(), NOW));
        assert_eq!(revoked, [1], "an overtaken fence still ends what it has to end");
        assert_eq!((late.credential_version, &late.authorization), (3, &fenced.authorization));

        let ended = [opened_with(1, 1).revoked(NOW, RevokeReason::PasswordChange), opened_with(2, 2)];
        assert!(matches!(fence(&late, &ended, older, NOW), FenceOutcome::AlreadyApplied));
    }

    #[test]
    fn a_change_is_told_once() {
        let told = |outcome: FenceOutcome| match outcome {
            FenceOutcome::Applied { account, notices, .. } => {
                let change = CredentialChange::PasswordChanged;
                (account, notices.contains(&Notice::CredentialChanged { change, at: NOW }))
            }
            other => panic!("{other:?}"),
        };
        let (fenced, first) = told(fence(&account(), &[opened_with(1, 1)], request(2, Some(1)), NOW));
        assert!(first);
        let (_, again) = told(fence(&fenced, &[opened_with(1, 1)], request(2, None), NOW));
        assert!(!again);
    }

    #[test]
    fn a_login_before_the_fence_keeps_no_change_from_its_owner() {
        let mut early = account();
        // What a login with the new password, and the roles that it read, leave behind.
        early.credential_version = 2;
        early.authorization.version = 2;
        let first = fence(&early, &[opened_with(1, 2)], request(2, None), NOW);
        let FenceOutcome::Applied { account: fenced, revoked, notices } = first else { panic!("{first:?}") };
        let change = CredentialChange::PasswordChanged;
        let told = notices.iter().filter(|notice| **notice == Notice::CredentialChanged { change, at: NOW });
        assert_eq!((told.count(), revoked.len(), fenced.fenced_version), (1, 0, 2));
        let again = fence(&fenced, &[opened_with(1, 2)], request(2, None), NOW);
        assert!(matches!(again, FenceOutcome::AlreadyApplied), "told once");
    }

    #[test]
    fn a_tombstone_is_not_fenced() {
        let gone = AccountRecord { status: AccountStatus::Purged, ..account() };
        assert!(matches!(fence(&gone, &[], request(9, None), NOW), FenceOutcome::Purged));
        // What can be restored must come back with the versions that it has missed.
        let deleted = AccountRecord { status: AccountStatus::Deleted, ..account() };
        assert_eq!(applied(fence(&deleted, &[], request(9, None), NOW)).0.credential_version, 9);
    }
}
