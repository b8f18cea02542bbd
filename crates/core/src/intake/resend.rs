//! Mailing the code of a sign-up once more.

use super::CODE_INVALID;
use super::sign_up::{PendingSignUp, Resent, SignUpAddress, SignUpPolicy, SignUpWrites};
use crate::entropy::CodeLength;
use crate::id::{OperationId, RegistrationId};
use crate::password::Pepper;
use crate::secret::SecretText;
use crate::time::UnixMillis;

/// What a request for another mail of a sign-up comes to.
#[derive(Clone, Debug)]
#[must_use]
pub enum ResendOutcome {
    /// Store this, then mail the new code. The last one is worthless, and the attempt waits as long as a new one.
    Resent {
        /// To be stored.
        writes: SignUpWrites,
    },
    /// The same request has been granted before. Nothing to store, nothing to mail again.
    Repeated,
    /// The last mail is too recent. Nothing to store.
    TooSoon {
        /// Seconds to wait, 1 or more.
        retry_after_seconds: u64,
    },
    /// No attempt of this id waits for its code.
    Unknown,
}

impl ResendOutcome {
    /// The code for the answer to [`ResendOutcome::Unknown`]. It says nothing of the address: attempts are opened on
    /// any.
    pub const UNKNOWN_CODE: &'static str = CODE_INVALID;
}

/// Gives an attempt another code in place of the one that was mailed. Its wrong guesses start anew; those at the
/// address do not.
pub fn resend_sign_up(
    existing: &[PendingSignUp],
    address: &SignUpAddress<'_>,
    (registration, code): (RegistrationId, &SecretText),
    operation_id: OperationId,
    pepper: &Pepper,
    now: UnixMillis,
    policy: &SignUpPolicy,
) -> ResendOutcome {
    let is_meant = |attempt: &&PendingSignUp| {
        attempt.registration_id == registration && attempt.claim.is_none() && attempt.is_live(now, policy)
    };
    let Some(attempt) = existing.iter().find(is_meant) else { return ResendOutcome::Unknown };
    if attempt.resent.is_some_and(|resent| resent.operation_id == operation_id) {
        return ResendOutcome::Repeated;
    }
    let mailed_at = attempt.resent.map_or(attempt.created_at, |resent| resent.at);
    let again_at = mailed_at.plus(policy.resend_after);
    // A mail from the future is of a clock that fell back: it must not keep others waiting.
    if mailed_at <= now && now < again_at {
        let retry_after_seconds = again_at.millis_since(now).div_ceil(1_000).max(1);
        return ResendOutcome::TooSoon { retry_after_seconds };
    }
    let resent = PendingSignUp {
        code: address.code_digest(registration, code, pepper),
        pepper_id: pepper.id(),
        is_long: CodeLength::is_of(code.expose().as_bytes()) == CodeLength::Long,
        attempts: 0,
        expires_at: now.plus(policy.time_to_live),
        resent: Some(Resent { operation_id, at: now }),
        ..attempt.clone()
    };
    ResendOutcome::Resent { writes: SignUpWrites { put: [resent].into(), ..SignUpWrites::default() } }
}
