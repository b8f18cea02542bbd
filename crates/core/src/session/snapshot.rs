//! What a reader at the edge may know of a live session, and for how long.
//!
//! A snapshot is a copy that its account's owner makes. It opens nothing: whoever presents a session has a signed token of
//! it, and whether that is still good the revocation shard says. What a reader takes from a snapshot it would otherwise ask
//! the owner for, so a snapshot that is not exactly about the token, or is not from lately, is as good as none.

use super::record::{SessionRecord, SessionState};
use super::stored;
use crate::account::AccountRecord;
use crate::flow::validate::TokenSubject;
use crate::id::{AccountId, SessionId, TenantId};
use crate::revocation::CLOCK_SKEW;
use crate::time::{Seconds, UnixMillis};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a reader at the edge may know of a live session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    /// The tenant it was opened in.
    pub tenant: TenantId,
    /// Whose it is.
    pub account: AccountId,
    /// Which of theirs.
    pub session: SessionId,
    /// The version that the account had.
    pub account_version: u32,
    /// Whether the account asked for a second factor.
    pub is_second_factor_enabled: bool,
    /// When it was opened.
    #[serde(with = "stored::millis")]
    pub created_at: UnixMillis,
    /// From this point on it is expired, however much it is used.
    #[serde(with = "stored::millis")]
    pub expires_at: UnixMillis,
    /// When all this was true, by the clock of the account's owner.
    #[serde(with = "stored::millis")]
    pub written_at: UnixMillis,
}

impl SessionSnapshot {
    /// The snapshot of a session at `now`; `None` if it is not live, or its account may not be used.
    #[must_use]
    pub fn of(
        account: &AccountRecord,
        session: &SessionRecord,
        is_second_factor_enabled: bool,
        now: UnixMillis,
    ) -> Option<Self> {
        let time = account.clock.read(now);
        let is_live = session.state(time) == SessionState::Live && session.tenant == account.tenant;
        let is_usable = is_live && account.status_at(time).is_active();
        is_usable.then(|| Self {
            tenant: account.tenant.clone(),
            account: account.id,
            session: session.id,
            account_version: account.account_version,
            is_second_factor_enabled,
            created_at: session.created_at,
            expires_at: session.absolute_expires_at,
            written_at: now,
        })
    }

    /// Whether a reader at `now` may believe it of the token of `subject`: it is about that session of that account, as the
    /// account was when the token was issued, and was written at most `bound` ago, and not further in the future than
    /// [`CLOCK_SKEW`].
    #[must_use]
    pub fn is_about(&self, subject: &TokenSubject, now: UnixMillis, bound: Seconds) -> bool {
        self.names(subject)
            && self.account_version == subject.account_version
            && now < self.expires_at
            && now.millis_since(self.written_at) <= bound.as_millis()
            && self.written_at.millis_since(now) <= CLOCK_SKEW.as_millis()
    }

    /// Whether it is about this session of this account, whatever the account has become since.
    #[must_use]
    pub fn names(&self, subject: &TokenSubject) -> bool {
        self.tenant == subject.tenant && self.account == subject.account && self.session == subject.session
    }
}

/// The last copies that an owner has had made of its sessions because readers had old ones: asked again soon, it makes none,
/// since copies need time to arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRenewals {
    renewed: Vec<Renewal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Renewal {
    session: SessionId,
    account_version: u32,
    #[serde(with = "stored::millis")]
    at: UnixMillis,
}

impl SnapshotRenewals {
    /// With a copy of this snapshot, which somebody asks for; `None` if one was made less than a third of `bound` ago of an
    /// account that has the same version.
    #[must_use]
    pub fn with(mut self, snapshot: &SessionSnapshot, bound: Seconds) -> Option<Self> {
        let SessionSnapshot { session, account_version, written_at: at, .. } = *snapshot;
        let pause = bound.as_millis() / 3;
        self.renewed.retain(|last| at.millis_since(last.at) < pause);
        let is_recent = |last: &Renewal| last.session == session && last.account_version == account_version;
        // Opening a session copies it.
        if self.renewed.iter().any(is_recent) || at.millis_since(snapshot.created_at) < pause {
            return None;
        }
        self.renewed.retain(|last| last.session != session);
        self.renewed.push(Renewal { session, account_version, at });
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountStatus;
    use crate::session::RevokeReason;
    use crate::session::record::tests::{account, session};

    const BOUND: Seconds = Seconds::new(300);
    const NOW: UnixMillis = UnixMillis::new(2_000_000);

    fn snapshot() -> SessionSnapshot {
        SessionSnapshot::of(&account(), &session(), true, NOW).unwrap()
    }

    fn subject() -> TokenSubject {
        TokenSubject {
            account: account().id,
            session: session().id,
            tenant: account().tenant,
            account_version: account().account_version,
        }
    }

    #[test]
    fn it_says_what_is_stored_and_survives_storage() {
        let snapshot = snapshot();
        let (created_at, expires_at) = (session().created_at, session().absolute_expires_at);
        assert_eq!((snapshot.created_at, snapshot.expires_at), (created_at, expires_at));
        assert_eq!((snapshot.written_at, snapshot.is_second_factor_enabled), (NOW, true));
        let text = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(crate::json::record::read::<SessionSnapshot>(text.as_bytes()).unwrap(), snapshot);
    }

    #[test]
    fn there_is_none_of_a_session_that_nobody_may_use() {
        let of = |account: &AccountRecord, session: &SessionRecord, now| {
            SessionSnapshot::of(account, session, false, now).is_some()
        };
        assert!(of(&account(), &session(), NOW));
        assert!(!of(&account(), &session().revoked(NOW, RevokeReason::UserRevoke), NOW));
        assert!(!of(&account(), &session(), session().idle_expires_at));
        assert!(!of(&AccountRecord { tenant: "other".parse().unwrap(), ..account() }, &session(), NOW));
        for status in AccountStatus::ALL {
            let is_usable = of(&AccountRecord { status, ..account() }, &session(), NOW);
            assert_eq!(is_usable, status == AccountStatus::Active, "{status:?}");
        }
    }

    #[test]
    fn it_is_believed_of_its_own_token_alone() {
        let snapshot = snapshot();
        assert!(snapshot.is_about(&subject(), NOW, BOUND));
        let others = [
            TokenSubject { account: AccountId::from_bytes([9; 16]), ..subject() },
            TokenSubject { session: SessionId::from_bytes([9; 16]), ..subject() },
            TokenSubject { tenant: "other".parse().unwrap(), ..subject() },
        ];
        for other in &others {
            assert!(!snapshot.names(other) && !snapshot.is_about(other, NOW, BOUND), "{other:?}");
        }
        for account_version in [3, 5] {
            let other = TokenSubject { account_version, ..subject() };
            assert!(snapshot.names(&other) && !snapshot.is_about(&other, NOW, BOUND), "{account_version}");
        }
    }

    #[test]
    fn it_is_believed_up_to_the_bound_and_not_a_millisecond_longer() {
        let believed_at = |now: u64| snapshot().is_about(&subject(), UnixMillis::new(now), BOUND);
        assert!(believed_at(2_300_000) && !believed_at(2_300_001));
        assert!(believed_at(1_995_000) && !believed_at(1_994_999), "a writer's clock may be 5 s ahead");
        let ends = SessionSnapshot { expires_at: NOW.plus(Seconds::new(10)), ..snapshot() };
        assert!(ends.is_about(&subject(), UnixMillis::new(2_009_999), BOUND));
        assert!(!ends.is_about(&subject(), UnixMillis::new(2_010_000), BOUND));
    }

    #[test]
    fn an_owner_that_is_asked_often_renews_a_copy_seldom() {
        let at = |now: u64, last: u8, account_version| SessionSnapshot {
            session: SessionId::from_bytes([last; 16]),
            account_version,
            created_at: UnixMillis::new(0),
            written_at: UnixMillis::new(now),
            ..snapshot()
        };
        let mut renewals = SnapshotRenewals::default();
        let mut asked = |now, session, version| match renewals.clone().with(&at(now, session, version), BOUND)
        {
            Some(with) => {
                renewals = with;
                true
            }
            None => false,
        };
        let young = SessionSnapshot { created_at: NOW, ..snapshot() };
        assert_eq!(SnapshotRenewals::default().with(&young, BOUND), None, "opening it has copied it");
        assert!(asked(1_000_000, 1, 1));
        assert!(!asked(1_000_000, 1, 1) && !asked(1_099_999, 1, 1));
        assert!(asked(1_001_000, 2, 1), "another session");
        assert!(asked(1_002_000, 1, 2), "another version");
        assert!(!asked(1_101_999, 1, 2));
        assert!(asked(1_102_000, 1, 2));
        assert!(asked(9_000_000, 3, 1));
        let kept: Vec<_> = renewals.renewed.iter().map(|last| last.session).collect();
        assert_eq!(kept, [SessionId::from_bytes([3; 16])], "what is long ago is forgotten");
    }
}
