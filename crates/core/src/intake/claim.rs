//! The code came back: whose account, and with which password.

use super::CODE_INVALID;
use super::sign_up::{GuessBudget, PendingSignUp, SignUpAddress, SignUpClaim, SignUpPolicy, SignUpWrites};
use crate::id::{AccountId, OperationId, RegistrationId};
use crate::password::{PasswordHash, Peppers};
use crate::secret::SecretText;
use crate::time::UnixMillis;
use alloc::string::String;
use alloc::vec::Vec;

/// Which attempt a code is for, as far as the client knows.
#[derive(Clone, Debug)]
pub enum ClaimSelector {
    /// The attempt this client opened. Its password and name become the account's.
    ByRegistration(RegistrationId),
    /// Address and code only. The password and name of the attempt become the account's only if no other attempt
    /// was ever beside it and the policy allows it; otherwise the account is created without.
    Bare,
    /// Address and code, and a password presented together with them. It becomes the account's; what the attempt
    /// had is dropped.
    WithPassword {
        /// The password presented now, hashed.
        password: PasswordHash,
        /// A display name presented now.
        display_name: Option<String>,
    },
}

/// A claim as it comes in. The ids are drawn by the caller and used only if the claim is a first one.
#[derive(Clone, Debug)]
pub struct ClaimRequest<'a> {
    /// The code as typed.
    pub code: &'a SecretText,
    /// For which attempt.
    pub selector: ClaimSelector,
    /// The account to create.
    pub account_id: AccountId,
    /// The change that creates it.
    pub operation_id: OperationId,
}

/// What the account is created from.
#[derive(Clone, Debug)]
pub struct ClaimedSignUp {
    /// Ids, and what has to be done.
    pub claim: SignUpClaim,
    /// The account's password, `None` without one and after the claim is done.
    pub password: Option<PasswordHash>,
    /// The account's display name, likewise.
    pub display_name: Option<String>,
    /// The account's username, likewise.
    pub username: Option<String>,
}

/// Why no claim was made, in check order. For the audit log: outside all are [`CODE_INVALID`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// No such attempt, or (the last check) the code is none of theirs, or its pepper is gone.
    CodeInvalid,
    /// Every attempt it could be for has expired.
    CodeExpired,
    /// Every other attempt it could be for is dead after too many wrong guesses, or the address is.
    AttemptsExhausted,
}

impl ClaimRefusal {
    /// The name for the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeInvalid => "code_invalid",
            Self::CodeExpired => "code_expired",
            Self::AttemptsExhausted => "attempts_exhausted",
        }
    }

    /// The code for the answer: the same for all.
    #[must_use]
    pub const fn public_code(self) -> &'static str {
        CODE_INVALID
    }
}

/// What became of a presented code.
#[derive(Clone, Debug)]
#[must_use]
pub enum ClaimOutcome {
    /// The address is proven: store, then create the account.
    Claimed {
        /// What the account is created from.
        sign_up: ClaimedSignUp,
        /// To be stored first. All other attempts on the address are deleted.
        writes: SignUpWrites,
    },
    /// The same code again: continue the same claim, with the same ids. Nothing to store.
    Repeated {
        /// What the account is, or was, created from.
        sign_up: ClaimedSignUp,
    },
    /// No claim.
    Refused {
        /// Why.
        reason: ClaimRefusal,
        /// To be stored: wrong guesses are counted.
        writes: SignUpWrites,
    },
}

/// Compares a presented code with the attempts it could be for, counting the guess first, and claims the address.
///
/// # Whose password
///
/// Every code is mailed to the owner of the address, also those of attempts that somebody else opened. So a code
/// proves who is typing, and never who chose the password of the attempt it belongs to. The account gets a
/// password only if the person typing chose it:
///
/// - [`ClaimSelector::ByRegistration`]: the id was given only to the client that opened the attempt, and the code
///   must be this attempt's. An attacker has the id without the code, the owner another attempt's code.
/// - [`ClaimSelector::WithPassword`]: the password comes in the same request as the code.
/// - [`ClaimSelector::Bare`]: nothing says who chose the password. It is dropped, and a set-password link mailed,
///   unless this attempt was the only one on the address during all its life, dead ones included.
///
/// The exception of the last rule is what a client that sends only address and code needs, and it has a price:
/// if the *only* sign-up on an address is somebody else's, and its owner, who has signed up nowhere, or longer
/// than `time_to_live` before, types the code of an unexpected mail into a bare form, then the account has the
/// stranger's password. Nothing in such a request could tell. The mail should say so ("if you did not sign up,
/// ignore this"), a notice with a set-password link after a bare claim limits the damage, and
/// [`SignUpPolicy::bare_claim_keeps_password`] off removes the exception.
///
/// # Guesses
///
/// A wrong guess counts against every attempt it is compared with: the one named by the id, else all. After
/// `max_attempts` an attempt is dead, and a right code does not revive it. Besides, the address has a budget of
/// `guesses` per window, because every attempt opened brings its own guesses. When it is spent, new codes are long
/// and bear `max_attempts` guesses as before; of short ones that are on their way, only a first guess by
/// registration id is still compared. In one window at most `max_comparisons` − 1 + `max_open` short codes are
/// compared in vain: with the defaults a chance of 1 in 58,000 to guess one of six digits.
///
/// # Repeating
///
/// A claim answers the same code with the same ids for `claim_repeatable_for`, done or not, so that a crash or
/// a lost answer leaves nobody with half an account. What a repeated request brings along is ignored.
pub fn claim_sign_up(
    existing: &[PendingSignUp],
    budget: Option<GuessBudget>,
    address: &SignUpAddress<'_>,
    request: ClaimRequest<'_>,
    peppers: &Peppers,
    now: UnixMillis,
    policy: &SignUpPolicy,
) -> ClaimOutcome {
    let stored = budget;
    let budget = GuessBudget::at(budget, now, policy.guesses.window);
    let candidates = match candidates(existing, &request.selector, budget, now, policy) {
        Ok(candidates) => candidates,
        Err(reason) => {
            // A window that began in the future of a clock that fell back begins now, and ends.
            let is_spent = reason == ClaimRefusal::AttemptsExhausted;
            let budget = if is_spent { budget.unless_stored(stored) } else { None };
            return ClaimOutcome::Refused {
                reason,
                writes: SignUpWrites { budget, ..SignUpWrites::default() },
            };
        }
    };
    // Every candidate is compared, also after a match, so that time does not say which one it was.
    let matches: Vec<_> = candidates
        .iter()
        .filter(|attempt| is_code_of(attempt, address, request.code, peppers))
        .copied()
        .collect();
    let claimed = matches.iter().find_map(|attempt| Some((*attempt, attempt.claim?)));
    match (claimed, matches.first()) {
        (Some((attempt, claim)), _) => ClaimOutcome::Repeated { sign_up: claimed_sign_up(attempt, claim) },
        (None, Some(attempt)) => claim(existing, attempt, request, now, policy),
        (None, None) => {
            let writes = count_wrong_guess(&candidates, budget);
            ClaimOutcome::Refused { reason: ClaimRefusal::CodeInvalid, writes }
        }
    }
}

/// The attempts this code is compared with, at least one.
fn candidates<'a>(
    existing: &'a [PendingSignUp],
    selector: &ClaimSelector,
    budget: GuessBudget,
    now: UnixMillis,
    policy: &SignUpPolicy,
) -> Result<Vec<&'a PendingSignUp>, ClaimRefusal> {
    let is_meant = |attempt: &&PendingSignUp| match selector {
        ClaimSelector::ByRegistration(id) => attempt.registration_id == *id,
        ClaimSelector::Bare | ClaimSelector::WithPassword { .. } => true,
    };
    let mut candidates: Vec<_> = existing.iter().filter(is_meant).collect();
    if candidates.is_empty() {
        return Err(ClaimRefusal::CodeInvalid);
    }
    candidates.retain(|attempt| attempt.is_live(now, policy));
    if candidates.is_empty() {
        return Err(ClaimRefusal::CodeExpired);
    }
    let is_named = matches!(selector, ClaimSelector::ByRegistration(_));
    candidates.retain(|attempt| {
        let is_comparable = is_named || attempt.is_long || !policy.guesses.is_spent(budget);
        is_comparable
            && attempt.attempts < policy.guesses.attempts(budget, attempt.is_long, policy.max_attempts)
    });
    if candidates.is_empty() { Err(ClaimRefusal::AttemptsExhausted) } else { Ok(candidates) }
}

fn is_code_of(
    attempt: &PendingSignUp,
    address: &SignUpAddress<'_>,
    code: &SecretText,
    peppers: &Peppers,
) -> bool {
    peppers
        .find(attempt.pepper_id)
        .is_some_and(|pepper| address.code_digest(attempt.registration_id, code, pepper).ct_eq(&attempt.code))
}

fn count_wrong_guess(compared: &[&PendingSignUp], budget: GuessBudget) -> SignUpWrites {
    let count = u32::try_from(compared.len()).unwrap_or(u32::MAX);
    let put = compared
        .iter()
        .map(|attempt| PendingSignUp { attempts: attempt.attempts.saturating_add(1), ..(*attempt).clone() })
        .collect();
    let budget = GuessBudget { comparisons: budget.comparisons.saturating_add(count), ..budget };
    SignUpWrites { put, delete: Vec::new(), budget: Some(budget) }
}

fn claim(
    existing: &[PendingSignUp],
    attempt: &PendingSignUp,
    request: ClaimRequest<'_>,
    now: UnixMillis,
    policy: &SignUpPolicy,
) -> ClaimOutcome {
    let others = existing.iter().filter(|other| other.registration_id != attempt.registration_id);
    let is_alone = !attempt.contested && !others.clone().any(|other| other.is_live(now, policy));
    let of_attempt = || (attempt.password.clone(), attempt.display_name.clone(), attempt.username.clone());
    let (password, display_name, username) = match request.selector {
        ClaimSelector::ByRegistration(_) => of_attempt(),
        ClaimSelector::WithPassword { password, display_name } => (Some(password), display_name, None),
        ClaimSelector::Bare if is_alone && policy.bare_claim_keeps_password => of_attempt(),
        ClaimSelector::Bare => (None, None, None),
    };
    let claim = SignUpClaim {
        account_id: request.account_id,
        operation_id: request.operation_id,
        claimed_at: now,
        with_password: password.is_some(),
        send_set_password_link: password.is_none() && attempt.password.is_some(),
        done: false,
    };
    let claimed = PendingSignUp { password, display_name, username, claim: Some(claim), ..attempt.clone() };
    ClaimOutcome::Claimed {
        sign_up: claimed_sign_up(&claimed, claim),
        writes: SignUpWrites {
            delete: others.map(|other| other.registration_id).collect(),
            put: [claimed].into(),
            budget: None,
        },
    }
}

fn claimed_sign_up(attempt: &PendingSignUp, claim: SignUpClaim) -> ClaimedSignUp {
    ClaimedSignUp {
        claim,
        password: attempt.password.clone(),
        display_name: attempt.display_name.clone(),
        username: attempt.username.clone(),
    }
}
