//! Changing an account's status: who may set what over what, what lifts it again, and what follows.
//!
//! Locked, disabled, banned and deleted are ranked in this order. A status is set over weaker ones only, so that
//! nobody lifts a ban by disabling and enabling the account. Each is lifted under its own name, and then the account is
//! what it was before. Locks and bans may have an end; from then on they do not hold, without anything being stored:
//! [`AccountRecord::status_at`].

use super::{AccountRecord, AccountStatus, ObjectClock};
use crate::permission::AuthorizationSnapshot;
use crate::session::record::{RevokeReason, SessionRecord};
use crate::session::revoke::end_all;
use crate::session::{Notice, stored};
use crate::time::UnixMillis;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// When, until when, by whom and why an account's status was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCause {
    /// When it was set.
    #[serde(with = "stored::millis")]
    pub at: UnixMillis,
    /// From this point on it does not hold any more; `None` if it is lifted by order only.
    #[serde(default, with = "stored::optional_millis")]
    pub until: Option<UnixMillis>,
    /// Who wanted it.
    pub by: Actor,
    /// Why, in their words.
    #[serde(default)]
    pub reason: Option<StatusReason>,
    /// The status when this one is lifted or has ended.
    pub returns_to: AccountStatus,
    /// The cause of that status.
    #[serde(default)]
    pub returns_with: Option<Box<Self>>,
}

/// Who wants a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Whoever has the operator's token.
    Operator,
    /// The account's owner.
    Owner,
    /// The service itself, when the time for something has come.
    System,
}

impl Actor {
    /// The stable name, as it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Owner => "owner",
            Self::System => "system",
        }
    }
}

/// Why a status was set, in the words of whoever set it: 1 to [`StatusReason::MAX_CHARACTERS`] characters without
/// control characters, and no blanks around them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct StatusReason(String);

impl StatusReason {
    /// The most characters of a reason.
    pub const MAX_CHARACTERS: usize = 200;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StatusReason {
    type Err = StatusReasonError;

    fn from_str(text: &str) -> Result<Self, StatusReasonError> {
        let text = text.trim();
        let characters = text.chars().count();
        if characters == 0 || characters > Self::MAX_CHARACTERS || text.chars().any(char::is_control) {
            return Err(StatusReasonError);
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for StatusReason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A reason that is empty, too long, or has control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusReasonError;

impl fmt::Display for StatusReasonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must have 1 to 200 characters, none of them a control character")
    }
}

impl core::error::Error for StatusReasonError {}

/// What is to become of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusOrder {
    /// Lock it, perhaps until some point.
    Lock {
        /// When the lock ends by itself.
        until: Option<UnixMillis>,
    },
    /// Switch it off.
    Disable,
    /// Ban it, perhaps until some point.
    Ban {
        /// When the ban ends by itself.
        until: Option<UnixMillis>,
    },
    /// Delete it, so that it can be restored.
    Delete,
    /// Lift this status: an account that has it gets the one before. Unlocks, enables, unbans, restores, and takes an
    /// identifier for proven, also below whatever else weighs on the account.
    Lift(AccountStatus),
}

impl StatusOrder {
    /// Whether failed attempts are forgotten with it: whoever is unlocked or enabled may try again.
    #[must_use]
    pub const fn forgives(self) -> bool {
        matches!(self, Self::Lift(AccountStatus::Locked | AccountStatus::Disabled))
    }
}

/// An order, by somebody, for some reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRequest {
    /// What is to become of the status.
    pub order: StatusOrder,
    /// Who wants it.
    pub by: Actor,
    /// Why, in their words.
    #[serde(default)]
    pub reason: Option<StatusReason>,
}

/// What a change of status came to.
#[must_use]
#[derive(Clone, Debug)]
pub enum StatusOutcome {
    /// Changed: every session ends, every access token is stale. Store all of this in one transaction.
    Changed {
        /// The account with its new status, its next version and its clock.
        account: AccountRecord,
        /// The records to store.
        revoked: Vec<SessionRecord>,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// It is so already; nothing to store.
    Unchanged,
    /// Refused; nothing to store.
    Refused(StatusRefusal),
}

/// Why a status is not changed, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusRefusal {
    /// The account has this status, over which the order does not go.
    Conflict(AccountStatus),
    /// The status would have ended before it began.
    UntilPassed,
}

/// Changes the account's status. Same status, same end: nothing changes.
pub fn change_status(
    account: &AccountRecord,
    sessions: &[SessionRecord],
    request: StatusRequest,
    now: UnixMillis,
) -> StatusOutcome {
    let at = account.clock.read(now);
    let new = match request.order {
        StatusOrder::Lift(lifted) => lift(account, lifted, &request, at),
        StatusOrder::Lock { until } => set(account, AccountStatus::Locked, until, &request, at),
        StatusOrder::Disable => set(account, AccountStatus::Disabled, None, &request, at),
        StatusOrder::Ban { until } => set(account, AccountStatus::Banned, until, &request, at),
        StatusOrder::Delete => set(account, AccountStatus::Deleted, None, &request, at),
    };
    let (status, cause, reason) = match new {
        Ok(new) => new,
        Err(Some(refusal)) => return StatusOutcome::Refused(refusal),
        Err(None) => return StatusOutcome::Unchanged,
    };
    let until = cause.until;
    let account =
        AccountRecord { status, cause: Some(cause), clock: ObjectClock::new(at), ..account.clone() };
    StatusOutcome::Changed {
        account: account.with_next_version(),
        revoked: end_all(sessions, reason, at, |_| true),
        notices: vec![
            Notice::Revoked { session: None, reason, at },
            Notice::StatusChanged { status, until, by: request.by, reason: request.reason, at },
        ],
    }
}

/// How much a status weighs: a heavier one is not replaced by a lighter one.
const fn rank(status: AccountStatus) -> u8 {
    match status {
        AccountStatus::Active => 0,
        AccountStatus::PendingVerification => 1,
        AccountStatus::Locked => 2,
        AccountStatus::Disabled => 3,
        AccountStatus::Banned => 4,
        AccountStatus::Deleted => 5,
        AccountStatus::Purged => 6,
    }
}

type NewStatus = (AccountStatus, Box<StatusCause>, RevokeReason);

fn set(
    account: &AccountRecord,
    to: AccountStatus,
    until: Option<UnixMillis>,
    request: &StatusRequest,
    at: UnixMillis,
) -> Result<NewStatus, Option<StatusRefusal>> {
    let from = account.status_at(at);
    if rank(from) > rank(to) {
        return Err(Some(StatusRefusal::Conflict(from)));
    }
    if until.is_some_and(|until| until <= at) {
        return Err(Some(StatusRefusal::UntilPassed));
    }
    let before = account.cause.as_deref();
    if from == to && before.and_then(|cause| cause.until) == until {
        return Err(None);
    }
    let weighed = from.is_restricted();
    let (returns_to, returns_with) = match before {
        // A deleted account is restored with whatever weighed on it.
        Some(cause) if weighed && to == AccountStatus::Deleted => (from, Some(Box::new(cause.clone()))),
        None if weighed && to == AccountStatus::Deleted => (from, None),
        // Of two other weights the heavier one stands for both.
        Some(cause) if weighed => (cause.returns_to, cause.returns_with.clone()),
        None if weighed => (AccountStatus::Active, None),
        _ => (from, None),
    };
    let (by, reason) = (request.by, request.reason.clone());
    let cause = StatusCause { at, until, by, reason, returns_to, returns_with };
    Ok((to, Box::new(cause), RevokeReason::of_status(to)))
}

fn lift(
    account: &AccountRecord,
    lifted: AccountStatus,
    request: &StatusRequest,
    at: UnixMillis,
) -> Result<NewStatus, Option<StatusRefusal>> {
    let from = account.status_at(at);
    if lifted == AccountStatus::PendingVerification
        && from.is_restricted()
        && let Some(cause) = account.cause.as_deref().and_then(proven_beneath)
    {
        return Ok((from, Box::new(cause), RevokeReason::of_status(from)));
    }
    if lifted != from || matches!(from, AccountStatus::Active | AccountStatus::Purged) {
        // What does not weigh on the account need not be lifted.
        return Err(from.is_restricted().then_some(StatusRefusal::Conflict(from)));
    }
    let (to, with) = account.cause.as_ref().map_or((AccountStatus::Active, None), |cause| {
        match cause.returns_with.as_ref() {
            // It has ended meanwhile.
            Some(before) if before.until.is_some_and(|until| until <= at) => (before.returns_to, None),
            before => (cause.returns_to, before.cloned()),
        }
    });
    let anew = || {
        let (by, reason) = (request.by, request.reason.clone());
        let returns_to = AccountStatus::Active;
        Box::new(StatusCause { at, until: None, by, reason, returns_to, returns_with: None })
    };
    Ok((to, with.unwrap_or_else(anew), RevokeReason::of_status(from)))
}

/// The same cause over an identifier that counts as proven; `None` if it did before.
fn proven_beneath(cause: &StatusCause) -> Option<StatusCause> {
    let mut cause = cause.clone();
    let below = match cause.returns_with.as_deref_mut() {
        Some(below) if cause.returns_to != AccountStatus::PendingVerification => &mut below.returns_to,
        _ => &mut cause.returns_to,
    };
    if *below != AccountStatus::PendingVerification {
        return None;
    }
    *below = AccountStatus::Active;
    Some(cause)
}

/// What purging an account came to.
#[must_use]
#[allow(clippy::large_enum_variant, reason = "an outcome lives for one commit; a box would only allocate")]
#[derive(Clone, Debug)]
pub enum PurgeOutcome {
    /// The tombstone is all that is left. Store it and forget all else, sessions included, in one transaction.
    Purged {
        /// The tombstone.
        account: AccountRecord,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// It was purged before; nothing to store.
    AlreadyPurged,
    /// It has this status, not deleted for long enough; nothing to store.
    Refused(AccountStatus),
}

/// Purges a deleted account for good; with `deleted_before` only one that was deleted before that point. What is left
/// is a tombstone that refuses whatever still comes: tokens, proofs on their way, and seeds.
pub fn purge(
    account: &AccountRecord,
    by: Actor,
    deleted_before: Option<UnixMillis>,
    now: UnixMillis,
) -> PurgeOutcome {
    if account.status == AccountStatus::Purged {
        return PurgeOutcome::AlreadyPurged;
    }
    let at = account.clock.read(now);
    let deleted_at = account.cause.as_ref().map_or(UnixMillis::new(0), |cause| cause.at);
    let is_due = deleted_before.is_none_or(|before| deleted_at < before);
    if account.status != AccountStatus::Deleted || !is_due {
        return PurgeOutcome::Refused(account.status_at(at));
    }
    let status = AccountStatus::Purged;
    let cause = StatusCause { at, until: None, by, reason: None, returns_to: status, returns_with: None };
    let tombstone = AccountRecord {
        status,
        cause: Some(Box::new(cause)),
        authorization: Box::new(AuthorizationSnapshot {
            version: account.authorization.version,
            ..AuthorizationSnapshot::default()
        }),
        entitlements: Box::default(),
        clock: ObjectClock::new(at),
        id: account.id,
        tenant: account.tenant.clone(),
        ..*account
    };
    PurgeOutcome::Purged {
        account: tombstone.with_next_version(),
        notices: vec![Notice::StatusChanged { status, until: None, by, reason: None, at }],
    }
}
