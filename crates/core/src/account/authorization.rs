//! A new snapshot of what an account was given, and what that does to its tokens.

use super::{AccountRecord, AccountStatus, ObjectClock};
use crate::permission::AuthorizationSnapshot;
use crate::time::UnixMillis;
use alloc::boxed::Box;
use core::cmp::Ordering;

impl AccountRecord {
    /// The record with this snapshot, unless it has a newer one. If it is newer and tokens say something else with it,
    /// every access token of before is stale.
    ///
    /// Both snapshots have to be resolved by the same configuration.
    #[must_use]
    pub fn with_authorization(self, snapshot: AuthorizationSnapshot) -> Self {
        match snapshot.version.cmp(&self.authorization.version) {
            Ordering::Less => self,
            Ordering::Equal => Self { authorization: Box::new(snapshot), ..self },
            Ordering::Greater => {
                let same = self.authorization.reads_as(&snapshot);
                let account = Self { authorization: Box::new(snapshot), ..self };
                if same { account } else { account.with_next_version() }
            }
        }
    }
}

/// What a new snapshot comes to.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationOutcome {
    /// Store this account. If tokens say something else now, every one of before is stale.
    Applied(AccountRecord),
    /// The account has this snapshot, or a newer one; nothing to store.
    AlreadyApplied,
    /// The account is gone for good; nothing to store.
    Purged,
}

/// Gives an account what the database says that it was given: the authorization of `seed`, resolved by the same
/// configuration as that of `account`. Snapshots may be repeated and may overtake each other: the newest stays.
///
/// An account that was never opened is stored all the same, as the seed has it, since a login that read the database
/// before may be on its way.
pub fn change_authorization(
    account: Option<&AccountRecord>,
    seed: AccountRecord,
    now: UnixMillis,
) -> AuthorizationOutcome {
    let Some(account) = account else { return AuthorizationOutcome::Applied(seed) };
    if account.status == AccountStatus::Purged {
        return AuthorizationOutcome::Purged;
    }
    if seed.authorization.version <= account.authorization.version {
        return AuthorizationOutcome::AlreadyApplied;
    }
    let clock = ObjectClock::new(account.clock.read(now));
    let account = account.clone().with_authorization(*seed.authorization);
    AuthorizationOutcome::Applied(AccountRecord { clock, ..account })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::test_account as account;
    use alloc::vec;

    const NOW: UnixMillis = UnixMillis::new(2_000_000);

    fn snapshot(version: u32, role: &str, mask: &str) -> AuthorizationSnapshot {
        AuthorizationSnapshot {
            roles: vec![role.into()],
            permission_mask: mask.into(),
            registry_version: 1,
            version,
            ..AuthorizationSnapshot::default()
        }
    }

    fn of(snapshot: AuthorizationSnapshot) -> AccountRecord {
        AccountRecord { authorization: Box::new(snapshot), ..account() }
    }

    fn given(account: &AccountRecord, snapshot: AuthorizationSnapshot) -> AuthorizationOutcome {
        change_authorization(Some(account), of(snapshot), NOW)
    }

    fn applied(outcome: AuthorizationOutcome) -> AccountRecord {
        match outcome {
            AuthorizationOutcome::Applied(account) => account,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tokens_are_stale_when_they_would_say_something_else() {
        let before = of(snapshot(1, "reader", "AQ"));
        let changes = [
            (snapshot(2, "editor", "AQ"), 1),
            (snapshot(2, "reader", "Aw"), 1),
            (AuthorizationSnapshot { registry_version: 2, ..snapshot(2, "reader", "AQ") }, 1),
            (AuthorizationSnapshot { memberships: 1, ..snapshot(2, "reader", "AQ") }, 1),
            (
                AuthorizationSnapshot {
                    permissions: vec!["docs:read".into()],
                    ..snapshot(2, "reader", "AQ")
                },
                0,
            ),
        ];
        for (change, raised) in changes {
            let after = applied(given(&before, change.clone()));
            assert_eq!(after.account_version, before.account_version + raised, "{change:?}");
            assert_eq!(*after.authorization, change);
            assert_eq!(after.credential_version, before.credential_version, "no proof is out of date");
            assert_eq!(after.clock.high_water(), NOW);
        }
    }

    #[test]
    fn snapshots_may_be_repeated_and_overtaken() {
        let after = of(snapshot(3, "reader", "AQ"));
        for version in [0, 1, 2, 3] {
            let late = given(&after, snapshot(version, "admin", "_w"));
            assert_eq!(late, AuthorizationOutcome::AlreadyApplied, "{version}");
        }
    }

    #[test]
    fn an_account_that_was_never_opened_begins_with_it() {
        let seed = of(snapshot(2, "editor", "Aw"));
        assert_eq!(applied(change_authorization(None, seed.clone(), NOW)), seed);
    }

    #[test]
    fn a_purged_account_gets_nothing() {
        let purged = AccountRecord { status: AccountStatus::Purged, ..of(snapshot(1, "reader", "AQ")) };
        let outcome = given(&purged, snapshot(2, "admin", "_w"));
        assert_eq!(outcome, AuthorizationOutcome::Purged);
    }

    #[test]
    fn a_login_that_read_the_database_earlier_takes_nothing_back() {
        let after = of(snapshot(3, "reader", "AQ"));
        assert_eq!(after.clone().with_authorization(snapshot(2, "admin", "_w")), after);
        let same = after.clone().with_authorization(snapshot(3, "reader", "Aw"));
        assert_eq!(same.authorization.permission_mask, "Aw", "what another deployment makes of the same");
        assert_eq!(same.account_version, after.account_version);
        let newer = after.clone().with_authorization(snapshot(4, "admin", "_w"));
        assert_eq!(newer.account_version, after.account_version + 1, "tokens of before say what is not true");
    }
}
