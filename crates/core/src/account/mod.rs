//! What one account's owner keeps about it, apart from its sessions.
//!
//! Every account has a single writer. It alone knows whether the account may be used, which access tokens are
//! too old (the account version) and which proofs are too old (the credential version).

mod authorization;
mod status;
#[cfg(test)]
mod status_tests;

pub use authorization::{AuthorizationOutcome, change_authorization};
pub use status::{
    Actor, PurgeOutcome, StatusCause, StatusOrder, StatusOutcome, StatusReason, StatusReasonError,
    StatusRefusal, StatusRequest, change_status, purge,
};

use crate::entitlement::EntitlementSnapshot;
use crate::id::{AccountId, TenantId};
use crate::permission::AuthorizationSnapshot;
use crate::time::UnixMillis;
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// Whether an account may be used, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// May sign in and refresh.
    Active,
    /// Waits for the proof of its identifier.
    PendingVerification,
    /// Switched off by an administrator; can be switched on again.
    Disabled,
    /// Locked after an incident; can be unlocked.
    Locked,
    /// Banned for what its owner did; the ban can be lifted.
    Banned,
    /// Deleted, and kept for a while: it can be restored until it is purged.
    Deleted,
    /// A tombstone. Final: no other status follows, and nothing may be seeded over it.
    Purged,
}

impl AccountStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Active,
        Self::PendingVerification,
        Self::Disabled,
        Self::Locked,
        Self::Banned,
        Self::Deleted,
        Self::Purged,
    ];

    /// The status of this name, as it is stored: `active`, `pending_verification`, `disabled` and so on.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The name, as it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PendingVerification => "pending_verification",
            Self::Disabled => "disabled",
            Self::Locked => "locked",
            Self::Banned => "banned",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }

    /// Whether sessions may be opened and refreshed.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }

    /// Whether somebody has put the account out of use: it is locked, disabled, banned, deleted or purged. Nothing is
    /// mailed to it then, and no mail lets anybody change its password.
    #[must_use]
    pub const fn is_restricted(self) -> bool {
        !matches!(self, Self::Active | Self::PendingVerification)
    }

    /// The stable public code of the status; of a refusal, unless the account is active.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Active => "account_active",
            Self::PendingVerification => "account_unverified",
            Self::Disabled => "account_disabled",
            Self::Locked => "account_locked",
            Self::Banned => "account_banned",
            // Who asks need not know whether it could still be restored.
            Self::Deleted | Self::Purged => "account_deleted",
        }
    }
}

/// What the account's owner stores once per account.
///
/// It is written with every change of status, version or authorization, and its clock with every change at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// The account.
    pub id: AccountId,
    /// The tenant it belongs to. A record refuses to serve another.
    pub tenant: TenantId,
    /// Whether it may be used, as it was last set: [`AccountRecord::status_at`] says what holds at a moment.
    pub status: AccountStatus,
    /// When, until when, by whom and why the status was set; `None` since the account was created.
    #[serde(default)]
    pub cause: Option<Box<StatusCause>>,
    /// Access tokens with a lower `av` are stale. Only ever grows.
    pub account_version: u32,
    /// Proofs made against an older version of the credentials open no session (the fence). Only ever grows.
    pub credential_version: u32,
    /// The version of the newest change that a fence has brought here: only this one tells whether its owner has
    /// been told of it, since a login with newer credentials raises the one above as well. Only ever grows.
    #[serde(default)]
    pub fenced_version: u32,
    /// What the account was given, and what goes of it into its access tokens.
    pub authorization: Box<AuthorizationSnapshot>,
    /// What the account has been given besides, which goes there too.
    #[serde(default)]
    pub entitlements: Box<EntitlementSnapshot>,
    /// The latest time this account has acted at.
    pub clock: ObjectClock,
}

impl AccountRecord {
    /// Whether the account may be used at `time`: a lock or ban that has an end lifts by itself.
    #[must_use]
    pub fn status_at(&self, time: UnixMillis) -> AccountStatus {
        match self.cause.as_deref() {
            Some(cause) if cause.until.is_some_and(|until| until <= time) => cause.returns_to,
            _ => self.status,
        }
    }

    /// The record with its account version raised by one: access tokens issued before are stale.
    ///
    /// At 2³²−1 it stays: an account reaches that after 136 years of one change per second.
    #[must_use]
    pub fn with_next_version(mut self) -> Self {
        self.account_version = self.account_version.saturating_add(1);
        self
    }
}

/// A clock that never runs back, although the machine's may when its object moves: it keeps the latest time
/// that it has acted at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectClock {
    high_water_millis: u64,
}

impl ObjectClock {
    /// A clock that has acted at `high_water` last.
    #[must_use]
    pub const fn new(high_water: UnixMillis) -> Self {
        Self { high_water_millis: high_water.as_millis() }
    }

    /// The latest time it has acted at.
    #[must_use]
    pub const fn high_water(self) -> UnixMillis {
        UnixMillis::new(self.high_water_millis)
    }

    /// The time to decide with: `now`, or the high-water mark when the machine's clock is behind it.
    #[must_use]
    pub fn read(self, now: UnixMillis) -> UnixMillis {
        now.max(self.high_water())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_stable() {
        let codes = AccountStatus::ALL.map(AccountStatus::code);
        assert_eq!(
            codes,
            [
                "account_active",
                "account_unverified",
                "account_disabled",
                "account_locked",
                "account_banned",
                "account_deleted",
                "account_deleted"
            ]
        );
        for status in AccountStatus::ALL {
            assert_eq!(status.is_active(), status == AccountStatus::Active);
            let waits = status == AccountStatus::PendingVerification;
            assert_eq!(status.is_restricted(), !status.is_active() && !waits);
            assert_eq!(AccountStatus::from_name(status.name()), Some(status));
            assert_eq!(serde_json::to_string(&status).unwrap(), alloc::format!("\"{}\"", status.name()));
        }
        assert_eq!(AccountStatus::from_name("Active"), None);
    }

    #[test]
    fn a_clock_never_runs_back() {
        let clock = ObjectClock::new(UnixMillis::new(1000));
        assert_eq!(clock.read(UnixMillis::new(999)), UnixMillis::new(1000));
        assert_eq!(clock.read(UnixMillis::new(1001)), UnixMillis::new(1001));
        assert_eq!(ObjectClock::default().read(UnixMillis::new(0)), UnixMillis::new(0));
    }

    #[test]
    fn a_record_survives_storage() {
        let record = AccountRecord {
            id: AccountId::from_bytes([1; 16]),
            tenant: "acme".parse().unwrap(),
            status: AccountStatus::PendingVerification,
            cause: None,
            account_version: u32::MAX,
            credential_version: 3,
            fenced_version: 2,
            authorization: Box::new(AuthorizationSnapshot {
                roles: alloc::vec!["editor".into()],
                permission_mask: "AAAAAAAAAAM".into(),
                registry_version: 7,
                version: 3,
                ..AuthorizationSnapshot::default()
            }),
            entitlements: Box::default(),
            clock: ObjectClock::new(UnixMillis::new(5)),
        };
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains(r#""status":"pending_verification""#) && text.contains(r#""clock":5"#));
        assert_eq!(serde_json::from_str::<AccountRecord>(&text).unwrap(), record);
        assert_eq!(record.with_next_version().account_version, u32::MAX, "versions never wrap to older ones");
    }
}
