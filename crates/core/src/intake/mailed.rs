//! Secrets that are mailed to an address on request: codes to log in, links to reset a password.
//!
//! Anybody can ask for a mail to anybody. So nothing here says whether the address has an account, a new mail has to
//! wait for the last one, and asking for many codes brings hardly more guesses than asking for one: an address that
//! is guessed at gets longer codes ([`GuessLimit`]).

use super::digest::CodeBinding;
use super::one_time::{ConsumeOutcome, ConsumeRefusal, OneTimeSecret, UsePolicy, consume};
use super::sign_up::GuessBudget;
use crate::entropy::CodeLength;
use crate::id::OperationId;
use crate::password::{Pepper, Peppers};
use crate::time::{Seconds, UnixMillis};

/// How the secrets of one purpose are mailed and used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailedPolicy {
    /// How long one works.
    pub time_to_live: Seconds,
    /// How long after one was mailed the next may be, unless it was used. The next makes the last one worthless.
    pub resend_after: Seconds,
    /// How often one may be guessed at, and how long its use may be repeated.
    pub uses: UsePolicy,
    /// Wrong guesses at the short codes of an address; `None` for links, which nobody can guess.
    pub guesses: Option<GuessLimit>,
}

/// How many wrong guesses an address bears before its codes become long.
///
/// Long codes bear as many guesses each as short ones, so that nobody's guesses keep out the owner, and there are too
/// many of them for guessing. Of short codes that are on their way already, only the first guess is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GuessLimit {
    /// Wrong comparisons in a window.
    pub max_comparisons: u32,
    /// The window.
    pub window: Seconds,
}

impl GuessLimit {
    /// 10 in 30 days.
    pub const DEFAULT: Self = Self { max_comparisons: 10, window: Seconds::new(30 * 86_400) };

    /// How long the next code of an address has to be.
    #[must_use]
    pub fn code_length(&self, budget: Option<GuessBudget>, now: UnixMillis) -> CodeLength {
        if self.is_spent(GuessBudget::at(budget, now, self.window)) {
            CodeLength::Long
        } else {
            CodeLength::Short
        }
    }

    pub(super) const fn is_spent(&self, budget: GuessBudget) -> bool {
        budget.comparisons >= self.max_comparisons
    }

    /// How many wrong guesses a code of this length bears.
    pub(super) fn attempts(&self, budget: GuessBudget, is_long: bool, max_attempts: u32) -> u32 {
        if is_long || !self.is_spent(budget) { max_attempts } else { max_attempts.min(1) }
    }
}

/// A secret, and the operation that it was mailed for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MailedSecret {
    /// The request that mailed it.
    pub issued_by: OperationId,
    /// The secret.
    pub secret: OneTimeSecret,
    /// Whether it is a long code, or a link: further guesses at the address do not matter to it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub is_long: bool,
    /// Once it was used: the version of the account's credential that its change was to be made against.
    pub used_against: Option<u32>,
}

impl MailedSecret {
    /// Whether it was mailed before the credential was changed. One that was used made the change itself, or one
    /// before it, and can only repeat that.
    fn is_outdated(&self, changed_at: Option<UnixMillis>) -> bool {
        self.secret.used.is_none()
            && changed_at.is_some_and(|changed_at| self.secret.created_at <= changed_at)
    }
}

/// A secret that comes back.
#[derive(Clone, Copy, Debug)]
pub struct PresentedSecret<'a> {
    /// As typed, or as the link has it.
    pub secret: &'a [u8],
    /// The change that it is presented for, drawn by the caller.
    pub operation: OperationId,
    /// The version of the account's credential now; any number if there is no account.
    pub against: u32,
    /// When that credential was changed, if it ever was. What was mailed until then is for nothing: whoever had read
    /// the owner's mail before a change cannot undo it.
    pub changed_at: Option<UnixMillis>,
    /// Whether a right one is used up. If not, it can be presented again, when something else has been shown as well.
    pub uses_up: bool,
}

/// What a request for a mail comes to.
#[derive(Clone, Debug)]
#[must_use]
pub enum MailOutcome {
    /// Store this in place of what was there, and mail the secret.
    Issued {
        /// To be stored.
        write: MailedSecret,
    },
    /// The same request has been granted before: its mail is on the way, whatever secret was drawn this time.
    Repeated,
    /// The last mail is too recent. Nothing to store.
    TooSoon {
        /// Seconds to wait, 1 or more.
        retry_after_seconds: u64,
    },
}

/// Decides whether a secret is mailed. `secret` is drawn by the caller, a code as long as [`GuessLimit::code_length`]
/// says.
pub fn mail_secret(
    existing: Option<&MailedSecret>,
    binding: &CodeBinding<'_>,
    secret: &[u8],
    operation: OperationId,
    pepper: &Pepper,
    now: UnixMillis,
    policy: &MailedPolicy,
) -> MailOutcome {
    if let Some(existing) = existing {
        if existing.issued_by == operation {
            return MailOutcome::Repeated;
        }
        let again_at = existing.secret.created_at.plus(policy.resend_after);
        // One from the future is of a clock that fell back: it must not keep others waiting.
        let is_recent = existing.secret.created_at <= now && now < again_at;
        if is_recent && existing.secret.used.is_none() {
            let retry_after_seconds = again_at.millis_since(now).div_ceil(1_000).max(1);
            return MailOutcome::TooSoon { retry_after_seconds };
        }
    }
    let is_long = CodeLength::is_of(secret) == CodeLength::Long;
    let secret = OneTimeSecret::new(pepper, binding, secret, now, policy.time_to_live);
    MailOutcome::Issued { write: MailedSecret { issued_by: operation, secret, is_long, used_against: None } }
}

/// What became of a secret that came back.
#[derive(Clone, Debug)]
#[must_use]
pub enum PresentOutcome {
    /// It was right, and is used up.
    Used {
        /// To be stored before anything is done with it.
        write: MailedSecret,
    },
    /// It is right, and was not to be used up: nothing to store. A right guess does not count.
    Right,
    /// It was right, and this operation used it a moment ago: go on with that one.
    Repeated {
        /// The operation to go on with.
        operation: OperationId,
        /// The version of the credential that the change is made against, then as now: if there has been another
        /// change since, the repetition finds a newer one and comes to nothing.
        against: u32,
    },
    /// It is not accepted.
    Refused {
        /// Why.
        reason: ConsumeRefusal,
        /// To be stored if present: the guess is counted.
        write: Option<MailedSecret>,
        /// The address's budget, to be stored if present.
        budget: Option<GuessBudget>,
    },
}

/// Compares a presented secret, counting the guess first, and uses it up if it is to be: [`consume`], under the budget
/// of the address. When that is spent, only the first guess at a short code is still compared ([`GuessLimit`]).
pub fn present_secret(
    existing: Option<&MailedSecret>,
    budget: Option<GuessBudget>,
    binding: &CodeBinding<'_>,
    presented: PresentedSecret<'_>,
    peppers: &Peppers,
    now: UnixMillis,
    policy: &MailedPolicy,
) -> PresentOutcome {
    if existing.is_some_and(|existing| existing.is_outdated(presented.changed_at)) {
        return PresentOutcome::Refused { reason: ConsumeRefusal::Expired, write: None, budget: None };
    }
    let stored_budget = budget;
    let budget = policy.guesses.map(|limit| GuessBudget::at(budget, now, limit.window));
    let is_long = existing.is_some_and(|existing| existing.is_long);
    let max_attempts = policy.guesses.zip(budget).map_or(policy.uses.max_attempts, |(limit, budget)| {
        limit.attempts(budget, is_long, policy.uses.max_attempts)
    });
    let uses = UsePolicy { max_attempts, ..policy.uses };
    let secret = existing.map(|existing| &existing.secret);
    let outcome = consume(secret, binding, presented.secret, presented.operation, peppers, now, &uses);
    let stored = |secret: OneTimeSecret| existing.map(|existing| MailedSecret { secret, ..existing.clone() });
    match outcome {
        ConsumeOutcome::Consumed { .. } if !presented.uses_up => PresentOutcome::Right,
        ConsumeOutcome::Consumed { write } => match stored(write) {
            Some(write) => {
                let used_against = Some(presented.against);
                PresentOutcome::Used { write: MailedSecret { used_against, ..write } }
            }
            None => PresentOutcome::Refused { reason: ConsumeRefusal::Unknown, write: None, budget: None },
        },
        ConsumeOutcome::Repeated { used } => PresentOutcome::Repeated {
            operation: used.operation_id,
            against: existing.and_then(|existing| existing.used_against).unwrap_or(presented.against),
        },
        ConsumeOutcome::Refused { reason, write } => {
            let budget = budget.and_then(|budget| match reason {
                ConsumeRefusal::Wrong => {
                    Some(GuessBudget { comparisons: budget.comparisons.saturating_add(1), ..budget })
                }
                // A window that began in the future of a clock that fell back begins now, and ends.
                ConsumeRefusal::AttemptsExhausted => budget.unless_stored(stored_budget),
                _ => None,
            });
            PresentOutcome::Refused { reason, write: write.and_then(stored), budget }
        }
    }
}
