//! One secret that works once: a login code, a reset code, the secret of a set-password link.

use super::CODE_INVALID;
use super::digest::{CodeBinding, CodeDigest, CodePurpose};
use crate::id::OperationId;
use crate::password::{Pepper, Peppers};
use crate::time::{Seconds, UnixMillis};

/// How often and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsePolicy {
    /// Wrong guesses after which the secret is dead.
    pub max_attempts: u32,
    /// Seconds after its use in which the same secret gives the same answer again, for a client that lost the
    /// answer. Whoever saw the secret being used can ask as well, so the answer must not be worth more to them
    /// than the use was: with 0 a use is never repeated.
    pub repeatable_for: Seconds,
}

impl UsePolicy {
    /// For codes of six digits: 5 wrong guesses, never repeated.
    pub const CODE: Self = Self { max_attempts: 5, repeatable_for: Seconds::ZERO };
    /// For link secrets of 256 bits: no limit, since guessing is hopeless and a limit would let anybody who
    /// knows the selector kill the link; repeatable for 10 minutes.
    pub const LINK: Self = Self { max_attempts: u32::MAX, repeatable_for: Seconds::new(600) };
}

/// The use of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SecretUse {
    /// The change it was used for. A repetition gets the same, and whoever owns the change does it once.
    pub operation_id: OperationId,
    /// When.
    pub used_at: UnixMillis,
}

/// One stored secret. Tenant and subject are where it is stored; its digest is bound to them.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OneTimeSecret {
    /// What it may be used for.
    pub purpose: CodePurpose,
    /// The secret itself, digested.
    pub digest: CodeDigest,
    /// The pepper of the digest.
    pub pepper_id: u32,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The first moment at which it no longer works.
    pub expires_at: UnixMillis,
    /// Wrong guesses so far.
    pub attempts: u32,
    /// Its use, once it was used.
    pub used: Option<SecretUse>,
}

impl OneTimeSecret {
    /// A fresh record that works for `time_to_live`.
    #[must_use]
    pub fn new(
        pepper: &Pepper,
        binding: &CodeBinding<'_>,
        secret: &[u8],
        now: UnixMillis,
        time_to_live: Seconds,
    ) -> Self {
        Self {
            purpose: binding.purpose,
            digest: CodeDigest::compute(pepper, binding, secret),
            pepper_id: pepper.id(),
            created_at: now,
            expires_at: now.plus(time_to_live),
            attempts: 0,
            used: None,
        }
    }

    /// The first moment at which the record says nothing more and may be deleted.
    #[must_use]
    pub fn removable_at(&self, policy: &UsePolicy) -> UnixMillis {
        self.used.map_or(self.expires_at, |used| used.used_at.plus(policy.repeatable_for))
    }
}

/// Why a secret was not accepted, in check order. For the audit log: outside all are [`CODE_INVALID`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumeRefusal {
    /// Nothing is stored, or it is for another purpose.
    Unknown,
    /// Too many wrong guesses before this one.
    AttemptsExhausted,
    /// It is another secret, or its pepper is gone.
    Wrong,
    /// It is the secret, but it was used, and the time to repeat is over.
    AlreadyUsed,
    /// It is the secret, but too late.
    Expired,
}

impl ConsumeRefusal {
    /// The name for the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "code_unknown",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::Wrong => "code_wrong",
            Self::AlreadyUsed => "code_used",
            Self::Expired => "code_expired",
        }
    }

    /// The code for the answer: the same for all.
    #[must_use]
    pub const fn public_code(self) -> &'static str {
        CODE_INVALID
    }
}

/// What became of a presented secret.
#[derive(Clone, Debug)]
#[must_use]
pub enum ConsumeOutcome {
    /// It was right, and is used up.
    Consumed {
        /// To be stored before anything is done with it.
        write: OneTimeSecret,
    },
    /// It was right and has been used a moment ago, or by this very operation: continue that change, do not start another. What else the
    /// request carries, such as a new password, is not looked at.
    Repeated {
        /// The use to continue.
        used: SecretUse,
    },
    /// It was not accepted.
    Refused {
        /// Why.
        reason: ConsumeRefusal,
        /// To be stored if present: the guess is counted.
        write: Option<OneTimeSecret>,
    },
}

/// Compares a presented secret, counting the guess first, and uses it up.
///
/// A guess is counted before its comparison and only a right one takes its count back. Expiry and use are
/// looked at after the comparison, so that a guesser cannot tell a record's age from the audit trail of codes.
/// Several codes for one subject multiply the guesses: keep one record per purpose and subject, and a lock
/// ([`crate::throttle::lockout`]) in front.
pub fn consume(
    record: Option<&OneTimeSecret>,
    binding: &CodeBinding<'_>,
    presented: &[u8],
    operation_id: OperationId,
    peppers: &Peppers,
    now: UnixMillis,
    policy: &UsePolicy,
) -> ConsumeOutcome {
    let refused = |reason, write| ConsumeOutcome::Refused { reason, write };
    let Some(record) = record.filter(|record| record.purpose == binding.purpose) else {
        return refused(ConsumeRefusal::Unknown, None);
    };
    if record.attempts >= policy.max_attempts {
        return refused(ConsumeRefusal::AttemptsExhausted, None);
    }
    let counted = OneTimeSecret { attempts: record.attempts.saturating_add(1), ..record.clone() };
    let is_right = peppers
        .find(record.pepper_id)
        .is_some_and(|pepper| CodeDigest::compute(pepper, binding, presented).ct_eq(&record.digest));
    match record.used {
        _ if !is_right => refused(ConsumeRefusal::Wrong, Some(counted)),
        // The same operation again is the same request, whose answer was lost on the way to the Worker.
        Some(used) if used.operation_id == operation_id || now < used.used_at.plus(policy.repeatable_for) => {
            ConsumeOutcome::Repeated { used }
        }
        Some(_) => refused(ConsumeRefusal::AlreadyUsed, None),
        None if now >= record.expires_at => refused(ConsumeRefusal::Expired, None),
        None => {
            let used = Some(SecretUse { operation_id, used_at: now });
            ConsumeOutcome::Consumed { write: OneTimeSecret { used, ..record.clone() } }
        }
    }
}
