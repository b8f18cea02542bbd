//! The strict check of an access token's session, by the account's owner. It deletes and changes nothing.

use super::record::{RevokeReason, SessionRecord, SessionState};
use crate::account::{AccountRecord, AccountStatus};
use crate::id::TenantId;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Whether an access token is still good, in the order of the checks.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionVerdict {
    /// The account was never opened, or is another tenant's.
    AccountUnknown,
    /// The account may not be used.
    AccountNotActive(AccountStatus),
    /// The account has no such session.
    SessionUnknown,
    /// The session was revoked.
    SessionRevoked(RevokeReason),
    /// The session was not used for too long, or has lasted too long.
    SessionExpired,
    /// The token is older than the account's version: its client refreshes and goes on.
    TokenStale,
    /// The token is newer than the account's version: the account's storage was set back. Also answered as
    /// stale, since only a refresh can show what became of the session.
    TokenAhead,
    /// All is well.
    Live,
}

impl SessionVerdict {
    /// The stable public code; `None` when all is well.
    #[must_use]
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::AccountUnknown | Self::SessionUnknown => Some("session_not_found"),
            Self::AccountNotActive(status) => Some(status.code()),
            Self::SessionRevoked(_) => Some("session_revoked"),
            Self::SessionExpired => Some("session_expired"),
            Self::TokenStale | Self::TokenAhead => Some("token_stale"),
            Self::Live => None,
        }
    }
}

/// Checks a verified access token against what the account's owner has stored: `session` under the token's
/// `sid`, `tenant` from its `tid` and `token_account_version` from its `av`.
pub fn check(
    account: Option<&AccountRecord>,
    session: Option<&SessionRecord>,
    tenant: &TenantId,
    token_account_version: u32,
    now: UnixMillis,
) -> SessionVerdict {
    let Some(account) = account.filter(|account| account.tenant == *tenant) else {
        return SessionVerdict::AccountUnknown;
    };
    let time = account.clock.read(now);
    let status = account.status_at(time);
    if !status.is_active() {
        return SessionVerdict::AccountNotActive(status);
    }
    let Some(session) = session.filter(|session| session.tenant == *tenant) else {
        return SessionVerdict::SessionUnknown;
    };
    match session.state(time) {
        SessionState::Revoked(reason) => SessionVerdict::SessionRevoked(reason),
        SessionState::Expired => SessionVerdict::SessionExpired,
        SessionState::Live if token_account_version < account.account_version => SessionVerdict::TokenStale,
        SessionState::Live if token_account_version > account.account_version => SessionVerdict::TokenAhead,
        SessionState::Live => SessionVerdict::Live,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::ObjectClock;
    use crate::session::record::tests::{account, session};

    const NOW: UnixMillis = UnixMillis::new(2_000_000);

    fn verdict(account: &AccountRecord, session: &SessionRecord, version: u32) -> SessionVerdict {
        check(Some(account), Some(session), &"acme".parse().unwrap(), version, NOW)
    }

    #[test]
    fn each_reason_has_its_verdict_and_code() {
        let other: TenantId = "other".parse().unwrap();
        let at_home = "acme".parse().unwrap();
        let version = account().account_version;
        let cases = [
            (verdict(&account(), &session(), version), SessionVerdict::Live, None),
            (
                check(None, Some(&session()), &at_home, version, NOW),
                SessionVerdict::AccountUnknown,
                Some("session_not_found"),
            ),
            (
                check(Some(&account()), Some(&session()), &other, version, NOW),
                SessionVerdict::AccountUnknown,
                Some("session_not_found"),
            ),
            (
                verdict(&AccountRecord { status: AccountStatus::Banned, ..account() }, &session(), version),
                SessionVerdict::AccountNotActive(AccountStatus::Banned),
                Some("account_banned"),
            ),
            (
                check(Some(&account()), None, &at_home, version, NOW),
                SessionVerdict::SessionUnknown,
                Some("session_not_found"),
            ),
            (
                verdict(&account(), &SessionRecord { tenant: other, ..session() }, version),
                SessionVerdict::SessionUnknown,
                Some("session_not_found"),
            ),
            (
                verdict(&account(), &session().revoked(NOW, RevokeReason::Evicted), version),
                SessionVerdict::SessionRevoked(RevokeReason::Evicted),
                Some("session_revoked"),
            ),
            (
                verdict(&account(), &SessionRecord { idle_expires_at: NOW, ..session() }, version),
                SessionVerdict::SessionExpired,
                Some("session_expired"),
            ),
            (verdict(&account(), &session(), version - 1), SessionVerdict::TokenStale, Some("token_stale")),
            (verdict(&account(), &session(), version + 1), SessionVerdict::TokenAhead, Some("token_stale")),
        ];
        for (given, expected, code) in cases {
            assert_eq!((given, given.code()), (expected, code));
        }
    }

    #[test]
    fn the_order_is_account_then_session_then_token() {
        let banned = AccountRecord { status: AccountStatus::Banned, ..account() };
        let revoked = session().revoked(NOW, RevokeReason::Banned);
        assert_eq!(verdict(&banned, &revoked, 0), SessionVerdict::AccountNotActive(AccountStatus::Banned));
        assert_eq!(verdict(&account(), &revoked, 0), SessionVerdict::SessionRevoked(RevokeReason::Banned));
    }

    #[test]
    fn an_expired_session_does_not_come_back_with_a_slow_clock() {
        let late = AccountRecord { clock: ObjectClock::new(UnixMillis::new(4_600_000)), ..account() };
        assert_eq!(verdict(&late, &session(), late.account_version), SessionVerdict::SessionExpired);
    }
}
