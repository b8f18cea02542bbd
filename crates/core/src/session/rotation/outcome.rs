//! What a refresh can come to, with the writes that each answer requires.

use crate::account::{AccountStatus, ObjectClock};
use crate::session::notice::Notice;
use crate::session::record::{RevokeReason, SessionRecord};
use crate::session::refresh_token::TokenParts;
use crate::time::{Seconds, UnixMillis};
use alloc::vec::Vec;

/// What answers a refresh request, and all that must be stored before it does.
#[must_use]
#[derive(Clone, Debug)]
pub enum RotationOutcome {
    /// Row 8: a new generation. Store session and clock in one transaction, then answer the token.
    Advanced {
        /// The token of the new generation.
        token: TokenParts,
        /// The record to store.
        session: SessionRecord,
        /// The account's clock to store.
        clock: ObjectClock,
        /// What the outbox must carry: the device, if it is another.
        notices: Vec<Notice>,
    },
    /// Rows 9 to 11: the token that was answered before, byte for byte, with a new access token.
    Repeated {
        /// The token of the current generation.
        token: TokenParts,
        /// Which row.
        rule: RepeatRule,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// Refused; sessions stay as they are.
    Refused {
        /// Why.
        refusal: RotationRefusal,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// Row 5, the first time: refused, and the record is marked.
    Expired {
        /// Why.
        refusal: RotationRefusal,
        /// The record to store.
        session: SessionRecord,
        /// The account's clock to store.
        clock: ObjectClock,
    },
    /// Rows 7, 12 and 13: refused, and the family ends.
    FamilyRevoked {
        /// Why.
        refusal: RotationRefusal,
        /// The record to store.
        session: SessionRecord,
        /// The account's clock to store.
        clock: ObjectClock,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// Row 4: refused, and every session of the account ends.
    AllRevoked {
        /// Why: [`RotationRefusal::AccountNotActive`].
        refusal: RotationRefusal,
        /// What to do to every session of the account.
        revoke: RevokeAll,
        /// The account's clock to store.
        clock: ObjectClock,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
}

impl RotationOutcome {
    /// The token to answer, if any.
    #[must_use]
    pub const fn token(&self) -> Option<&TokenParts> {
        match self {
            Self::Advanced { token, .. } | Self::Repeated { token, .. } => Some(token),
            _ => None,
        }
    }

    /// Why the request is refused, if it is.
    #[must_use]
    pub const fn refusal(&self) -> Option<RotationRefusal> {
        match self {
            Self::Refused { refusal, .. }
            | Self::Expired { refusal, .. }
            | Self::FamilyRevoked { refusal, .. }
            | Self::AllRevoked { refusal, .. } => Some(*refusal),
            Self::Advanced { .. } | Self::Repeated { .. } => None,
        }
    }

    /// What the outbox must carry, in the order to write it.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        match self {
            Self::Advanced { notices, .. }
            | Self::Repeated { notices, .. }
            | Self::Refused { notices, .. }
            | Self::FamilyRevoked { notices, .. }
            | Self::AllRevoked { notices, .. } => notices,
            Self::Expired { .. } => &[],
        }
    }

    /// The row of the rotation rule that answered; 8 also when the refresh limit held it back.
    #[must_use]
    pub const fn row(&self) -> u8 {
        match self {
            Self::Advanced { .. } => 8,
            Self::Repeated { rule, .. } => rule.row(),
            Self::Refused { refusal, .. }
            | Self::Expired { refusal, .. }
            | Self::FamilyRevoked { refusal, .. }
            | Self::AllRevoked { refusal, .. } => refusal.row(),
        }
    }
}

/// Why the current token is answered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatRule {
    /// Row 9: the current token, still within the grace of its own beginning.
    Current,
    /// Row 10: the parent, within the grace.
    Parent,
    /// Row 11: the parent, after the grace, by the holder of the session's key.
    ParentWithKey,
}

impl RepeatRule {
    /// The row of the rotation rule.
    #[must_use]
    pub const fn row(self) -> u8 {
        match self {
            Self::Current => 9,
            Self::Parent => 10,
            Self::ParentWithKey => 11,
        }
    }
}

/// Why a refresh is refused, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationRefusal {
    /// Row 2: the account was never opened.
    AccountAbsent,
    /// Row 2: the account is a tombstone.
    AccountDeleted,
    /// Row 2: the session is not there, or is not the one that the token names.
    SessionAbsent,
    /// Row 2: the session or the account is another tenant's.
    OtherTenant,
    /// Row 2: the session is another client's.
    OtherClient,
    /// Row 2: the inner tag is wrong.
    InnerTagWrong,
    /// Row 3: the session was revoked before.
    Revoked,
    /// Row 4: the account may not be used.
    AccountNotActive(AccountStatus),
    /// Row 5: the session was not used for too long.
    IdleExpired,
    /// Row 5: the session has lasted too long.
    AbsoluteExpired,
    /// Row 6: the session is bound to a key that the request did not prove to have.
    KeyProofFailed,
    /// Row 6: the request comes from another device than the policy allows.
    DeviceRejected,
    /// Row 7: the token is of a generation that the record has not reached.
    StateRegressed,
    /// Row 13: the session has used up its generations.
    Exhausted,
    /// Row 8, held back: the session has advanced too often. Nothing has changed.
    RateLimited {
        /// After this time, at least one second, the same token will advance.
        retry_after: Seconds,
    },
    /// Row 12: a replaced token came back.
    Reused,
}

impl RotationRefusal {
    /// The stable public code: the account's status, `rate_limited`, `device_binding_rejected`, which only an authentic
    /// token meets, or `refresh_invalid` for all else.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AccountNotActive(status) => status.code(),
            Self::RateLimited { .. } => "rate_limited",
            Self::DeviceRejected => "device_binding_rejected",
            _ => "refresh_invalid",
        }
    }

    /// The stable name of the exact reason, for the audit log and metrics. Not for the client.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::AccountAbsent => "account_absent",
            Self::AccountDeleted => "account_deleted",
            Self::SessionAbsent => "session_absent",
            Self::OtherTenant => "other_tenant",
            Self::OtherClient => "other_client",
            Self::InnerTagWrong => "inner_tag_wrong",
            Self::Revoked => "session_revoked",
            Self::AccountNotActive(_) => "account_not_active",
            Self::IdleExpired => "idle_expired",
            Self::AbsoluteExpired => "absolute_expired",
            Self::KeyProofFailed => "key_proof_failed",
            Self::DeviceRejected => "device_rejected",
            Self::StateRegressed => "state_regressed",
            Self::Exhausted => "exhausted",
            Self::RateLimited { .. } => "rate_limited",
            Self::Reused => "refresh_reuse",
        }
    }

    /// The row of the rotation rule.
    #[must_use]
    pub const fn row(self) -> u8 {
        match self {
            Self::AccountAbsent
            | Self::AccountDeleted
            | Self::SessionAbsent
            | Self::OtherTenant
            | Self::OtherClient
            | Self::InnerTagWrong => 2,
            Self::Revoked => 3,
            Self::AccountNotActive(_) => 4,
            Self::IdleExpired | Self::AbsoluteExpired => 5,
            Self::KeyProofFailed | Self::DeviceRejected => 6,
            Self::StateRegressed => 7,
            Self::RateLimited { .. } => 8,
            Self::Reused => 12,
            Self::Exhausted => 13,
        }
    }
}

/// The order to revoke every session of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokeAll {
    /// The time to write.
    pub at: UnixMillis,
    /// The reason to write.
    pub reason: RevokeReason,
}

impl RevokeAll {
    /// What to store of each session; revoked ones stay as they are.
    #[must_use]
    pub fn apply(&self, session: SessionRecord) -> SessionRecord {
        session.revoked(self.at, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_vague_code_goes_out_for_all_that_a_guesser_could_learn_from() {
        let wait = RotationRefusal::RateLimited { retry_after: Seconds::new(1) };
        let locked = RotationRefusal::AccountNotActive(AccountStatus::Locked);
        assert_eq!((wait.code(), locked.code()), ("rate_limited", "account_locked"));
        assert_eq!(RotationRefusal::DeviceRejected.code(), "device_binding_rejected");
        for refusal in [
            RotationRefusal::AccountAbsent,
            RotationRefusal::AccountDeleted,
            RotationRefusal::SessionAbsent,
            RotationRefusal::OtherTenant,
            RotationRefusal::OtherClient,
            RotationRefusal::InnerTagWrong,
            RotationRefusal::Revoked,
            RotationRefusal::IdleExpired,
            RotationRefusal::AbsoluteExpired,
            RotationRefusal::KeyProofFailed,
            RotationRefusal::StateRegressed,
            RotationRefusal::Exhausted,
            RotationRefusal::Reused,
        ] {
            assert_eq!(refusal.code(), "refresh_invalid", "{refusal:?}");
        }
    }
}
