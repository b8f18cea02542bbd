//! The strict check of an access token's session, by the account's owner. It deletes and changes nothing.

use super::binding::DeviceBinding;
use super::fingerprint::DeviceFingerprint;
use super::notice::Notice;
use super::record::{RevokeReason, SessionRecord, SessionState};
use crate::account::{AccountRecord, AccountStatus};
use crate::dpop::ReplayRefusal;
use crate::id::TenantId;
use crate::time::UnixMillis;
use alloc::vec::Vec;
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
    /// It is used on another device than the policy allows, or nobody said on which. The session goes on.
    DeviceRejected,
    /// The proof that came with it may not be used. Answered by whoever remembers proofs, after [`check`].
    ProofRefused(ReplayRefusal),
    /// All is well.
    Live,
}

/// What an access token and whoever presents it say.
#[derive(Clone, Copy, Debug)]
pub struct SessionCheck<'a> {
    /// The token's `tid`.
    pub tenant: &'a TenantId,
    /// The token's `av`.
    pub account_version: u32,
    /// What the device is recognised by that the token is used on; `None` if whoever asks did not say.
    pub device: Option<&'a DeviceFingerprint>,
    /// What is asked of that device: [`DeviceBinding::default`] where nothing is.
    pub binding: DeviceBinding,
}

/// A verdict, and what the outbox must carry.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whether the token is good.
    pub verdict: SessionVerdict,
    /// What was noticed of the device.
    pub notices: Vec<Notice>,
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
            Self::DeviceRejected => Some("device_binding_rejected"),
            Self::ProofRefused(refusal) => Some(refusal.code()),
            Self::Live => None,
        }
    }
}

/// Checks a verified access token against what the account's owner has stored: `session` is what is there under the
/// token's `sid`.
///
/// The device comes last: only a token that is good in every other way has one to compare, and a session is never ended
/// here. Whoever has copied a token must not be able to sign its owner out.
pub fn check(
    account: Option<&AccountRecord>,
    session: Option<&SessionRecord>,
    asked: &SessionCheck<'_>,
    now: UnixMillis,
) -> Checked {
    let refused = |verdict| Checked { verdict, notices: Vec::new() };
    let Some(account) = account.filter(|account| account.tenant == *asked.tenant) else {
        return refused(SessionVerdict::AccountUnknown);
    };
    let time = account.clock.read(now);
    let status = account.status_at(time);
    if !status.is_active() {
        return refused(SessionVerdict::AccountNotActive(status));
    }
    let Some(session) = session.filter(|session| session.tenant == *asked.tenant) else {
        return refused(SessionVerdict::SessionUnknown);
    };
    match session.state(time) {
        SessionState::Revoked(reason) => return refused(SessionVerdict::SessionRevoked(reason)),
        SessionState::Expired => return refused(SessionVerdict::SessionExpired),
        SessionState::Live => {}
    }
    if asked.account_version < account.account_version {
        return refused(SessionVerdict::TokenStale);
    }
    if asked.account_version > account.account_version {
        return refused(SessionVerdict::TokenAhead);
    }
    let device = asked.binding.judge(&session.fingerprint, asked.device);
    Checked {
        verdict: if device.is_rejected() { SessionVerdict::DeviceRejected } else { SessionVerdict::Live },
        notices: device.notices(session.id, time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::ObjectClock;
    use crate::session::binding::{BindingRule, DeviceTrait};
    use crate::session::record::tests::{account, session};
    use std::vec;

    const NOW: UnixMillis = UnixMillis::new(2_000_000);

    fn verdict(account: &AccountRecord, session: &SessionRecord, version: u32) -> SessionVerdict {
        ask(Some(account), Some(session), "acme", version)
    }

    fn ask(
        account: Option<&AccountRecord>,
        session: Option<&SessionRecord>,
        tenant: &str,
        account_version: u32,
    ) -> SessionVerdict {
        let tenant = tenant.parse().unwrap();
        let binding = DeviceBinding::default();
        let asked = SessionCheck { tenant: &tenant, account_version, device: None, binding };
        let Checked { verdict, notices } = check(account, session, &asked, NOW);
        assert!(notices.is_empty(), "nothing is asked of the device");
        verdict
    }

    #[test]
    fn each_reason_has_its_verdict_and_code() {
        let other: TenantId = "other".parse().unwrap();
        let version = account().account_version;
        let cases = [
            (verdict(&account(), &session(), version), SessionVerdict::Live, None),
            (
                ask(None, Some(&session()), "acme", version),
                SessionVerdict::AccountUnknown,
                Some("session_not_found"),
            ),
            (
                ask(Some(&account()), Some(&session()), "other", version),
                SessionVerdict::AccountUnknown,
                Some("session_not_found"),
            ),
            (
                verdict(&AccountRecord { status: AccountStatus::Banned, ..account() }, &session(), version),
                SessionVerdict::AccountNotActive(AccountStatus::Banned),
                Some("account_banned"),
            ),
            (
                ask(Some(&account()), None, "acme", version),
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
    #[test]
    fn the_device_comes_last_and_ends_nothing() {
        let tenant = "acme".parse().unwrap();
        let rule = |enforce| BindingRule { enforce, detect: true };
        let ask = |session: &SessionRecord, version, device: Option<&DeviceFingerprint>, enforce| {
            let binding = DeviceBinding { network: rule(enforce), user_agent: BindingRule::default() };
            let asked = SessionCheck { tenant: &tenant, account_version: version, device, binding };
            let Checked { verdict, notices } = check(Some(&account()), Some(session), &asked, NOW);
            (verdict, notices)
        };
        let (here, version) = (session(), account().account_version);
        let home = DeviceFingerprint::of_bytes(Some(1), None);
        let elsewhere = DeviceFingerprint::of_bytes(Some(9), Some(2));
        let nowhere = DeviceFingerprint::of_bytes(None, Some(2));
        let (session, at, differs) = (here.id, NOW, DeviceTrait::Network);
        let rejected =
            (SessionVerdict::DeviceRejected, vec![Notice::DeviceRejected { session, differs, at }]);
        assert_eq!(rejected.0.code(), Some("device_binding_rejected"));
        assert_eq!(ask(&here, version, Some(&home), true), (SessionVerdict::Live, vec![]));
        for device in [Some(&elsewhere), Some(&nowhere), None] {
            assert_eq!(ask(&here, version, device, true), rejected);
        }
        let old = SessionRecord { fingerprint: DeviceFingerprint::default(), ..here.clone() };
        assert_eq!(ask(&old, version, Some(&home), true), rejected, "it recorded nothing");
        assert_eq!(ask(&old, version, Some(&home), false), (SessionVerdict::Live, vec![]));

        let noticed = (SessionVerdict::Live, vec![Notice::DeviceAnomaly { session, differs, at }]);
        assert_eq!(ask(&here, version, Some(&elsewhere), false), noticed);
        assert_eq!(ask(&here, version, None, false), (SessionVerdict::Live, vec![]));

        let stale = (SessionVerdict::TokenStale, vec![]);
        assert_eq!(ask(&here, version - 1, Some(&elsewhere), true), stale);
        let revoked = here.revoked(NOW, RevokeReason::Logout);
        let ended = (SessionVerdict::SessionRevoked(RevokeReason::Logout), vec![]);
        assert_eq!(ask(&revoked, version, Some(&elsewhere), true), ended);
    }
}
