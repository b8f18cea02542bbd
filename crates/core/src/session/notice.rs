//! What a change of sessions must tell others, stored with it in one transaction.

use super::binding::DeviceTrait;
use super::record::{Generation, RevokeReason};
use super::stored;
use crate::account::{AccountStatus, Actor, StatusReason};
use crate::id::{ClientId, SessionId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// What the owner's outbox must carry on, stored in the same transaction as the change it tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// A line of the audit log.
    Audit {
        /// What happened.
        event: SessionAudit,
        /// The session it happened to; `None` for all of the account's.
        session: Option<SessionId>,
        /// When.
        #[serde(with = "stored::millis")]
        at: UnixMillis,
    },
    /// Copies of the session, and marks for verifiers, must say that it is revoked.
    Revoked {
        /// The session; `None` for all of the account's.
        session: Option<SessionId>,
        /// Why.
        reason: RevokeReason,
        /// When.
        #[serde(with = "stored::millis")]
        at: UnixMillis,
    },
    /// A request came from another device than its session was opened from, and was let through: a line of the audit log.
    DeviceAnomaly {
        /// The session.
        session: SessionId,
        /// What was another.
        differs: DeviceTrait,
        /// When.
        #[serde(with = "stored::millis")]
        at: UnixMillis,
    },
    /// The same, refused.
    DeviceRejected {
        /// The session, which goes on.
        session: SessionId,
        /// What was another, or missing.
        differs: DeviceTrait,
        /// When.
        #[serde(with = "stored::millis")]
        at: UnixMillis,
    },
    /// Tell the account's user, once, that a copied refresh token was used.
    ReuseDetected {
        /// The session that was revoked.
        session: SessionId,
        /// The client it was granted to.
        client_id: ClientId,
        /// When.
        #[serde(with = "stored::millis")]
        at: UnixMillis,
    },
    /// The way into the account has changed: a line of the audit log, and a word to its owner.
    CredentialChanged {
        /// What was changed.
        change: CredentialChange,
        /// When.
        #[serde(with = "stored::millis")]
        at: UnixMillis,
    },
    /// The account's status is another one, or ends at another time: a line of the audit log, and news for copies.
    StatusChanged {
        /// The new status.
        status: AccountStatus,
        /// When it ends by itself, if it does.
        #[serde(default, with = "stored::optional_millis")]
        until: Option<UnixMillis>,
        /// Who wanted it.
        by: Actor,
        /// Why, in their words.
        #[serde(default)]
        reason: Option<StatusReason>,
        /// When it was set.
        #[serde(with = "stored::millis")]
        at: UnixMillis,
    },
    /// Wake the operator: the account's storage was set back.
    StateRegressed {
        /// The session that showed it.
        session: SessionId,
        /// The generation that was presented.
        presented: Generation,
        /// The generation that the record had.
        current: Generation,
        /// When.
        #[serde(with = "stored::millis")]
        at: UnixMillis,
    },
}

/// What a change of credentials was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialChange {
    /// The owner, signed in, chose another password, or a first one by a mailed link.
    PasswordChanged,
    /// Somebody who reads the owner's mail chose a new password without the old one.
    PasswordReset,
    /// The owner, signed in, proved another address.
    EmailChanged,
    /// An administrator set another password, or took the password away.
    PasswordSet,
    /// An administrator gave the account another address, which nobody has proven yet.
    EmailSet,
    /// The owner, signed in, proved another phone number.
    PhoneChanged,
    /// An administrator gave the account another phone number, which nobody has proven yet.
    PhoneSet,
    /// The owner, signed in, or an administrator has taken the phone number away.
    PhoneRemoved,
}

/// What the audit log says of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionAudit {
    /// A session was opened.
    SessionOpened,
    /// Its owner has proven to be there once more.
    SessionReauthenticated,
    /// A session was revoked; the accompanying notice says why.
    SessionRevoked,
    /// All sessions were revoked, but perhaps one.
    SessionsRevoked,
    /// A refresh was refused because the account is not active.
    RefreshAccountRefused,
    /// A refresh came without proof of the session's key.
    RefreshKeyProofFailed,
    /// A parent token was retried within its grace, from another user agent or address.
    RefreshRetriedElsewhere,
    /// A parent token was retried after its grace, by the holder of the session's key.
    RefreshRetriedWithKey,
    /// A replaced token came back.
    RefreshReuseDetected,
    /// A token came from a generation that its record has not reached.
    RefreshStateRegressed,
    /// A session's generations are used up.
    RefreshExhausted,
}
