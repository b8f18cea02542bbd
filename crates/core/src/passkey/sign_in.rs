//! Signing in with a passkey alone, and the challenges of both factors.
//!
//! Whoever asks for a challenge to sign in with has said nothing yet, so nothing is stored for it: it carries its own
//! end and a tag of the host's. The account that its answer is about remembers it from then on.

use super::assertion::{Assertion, Expected};
use super::octets::Octets;
use super::record::{PasskeyRecord, SpentChallenge};
use super::refusal::PasskeyRefusal;
use crate::factor::ChallengeId;
use crate::id::OperationId;
use crate::jwt::SignatureVerdict;
use crate::time::{Seconds, UnixMillis};
use alloc::vec::Vec;
use sha2::{Digest as _, Sha256};

/// How long a challenge to sign in with may wait for its answer.
pub const SIGN_IN_CHALLENGE_TTL: Seconds = Seconds::new(300);
/// Right answers within that time, of one account: more wait until the first expires.
const MOST_SPENT: usize = 32;

/// An attempt to sign in with a passkey alone.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// What the assertion has to be.
    pub expected: Expected<'a>,
    /// The first moment at which the challenge is dead.
    pub challenge_expires_at: UnixMillis,
    /// What the browser brought back.
    pub assertion: &'a Assertion,
    /// Drawn for this attempt.
    pub operation: OperationId,
    /// What the host says of the signature, if it was asked.
    pub verdict: Option<SignatureVerdict>,
}

/// What an attempt came to.
#[derive(Debug)]
#[must_use]
pub enum SignInOutcome {
    /// It is the owner. To be stored.
    Proven(PasskeyRecord),
    /// This operation has proven it before.
    Repeated,
    /// Too many others did within the last minutes: wait so many seconds.
    Limited {
        /// At least 1.
        retry_after_seconds: u64,
    },
    /// Not so.
    Refused {
        /// Why.
        reason: PasskeyRefusal,
        /// To be stored if present: the challenge is used up.
        write: Option<PasskeyRecord>,
    },
}

/// Decides on an attempt to sign in with a passkey alone: [`Expected::alone`] is taken for true.
pub fn sign_in(record: &PasskeyRecord, attempt: &SignIn<'_>, now: UnixMillis) -> SignInOutcome {
    let expected = Expected { alone: true, ..attempt.expected };
    sign_in_again(record, &SignIn { expected, ..*attempt }, now)
}

/// Decides on an answer within a session, where a passkey may stand behind another factor. A challenge works once; what
/// is wrong uses it up only where it tells of a copy, so that nobody fills the record without the passkey.
pub fn sign_in_again(record: &PasskeyRecord, attempt: &SignIn<'_>, now: UnixMillis) -> SignInOutcome {
    let refused = |reason| SignInOutcome::Refused { reason, write: None };
    if now >= attempt.challenge_expires_at {
        return refused(PasskeyRefusal::ChallengeMismatch);
    }
    let mut spent: Vec<SpentChallenge> =
        record.spent.iter().filter(|spent| now < spent.expires_at).cloned().collect();
    let before = spent.iter().find(|spent| spent.challenge.as_bytes() == attempt.expected.challenge);
    match before {
        Some(before) if before.operation == attempt.operation && before.was_right => {
            return SignInOutcome::Repeated;
        }
        Some(_) => return refused(PasskeyRefusal::ChallengeMismatch),
        None => {}
    }
    let checked = match record.check(&attempt.expected, attempt.assertion, now) {
        Ok(checked) => checked.verified(attempt.verdict),
        Err(reason) => return refused(reason),
    };
    // Only who has the passkey comes here or further.
    if let (Ok(_) | Err(PasskeyRefusal::CounterNotRaised), MOST_SPENT..) = (&checked, spent.len()) {
        let first = spent.iter().map(|spent| spent.expires_at).min().unwrap_or(now);
        return SignInOutcome::Limited { retry_after_seconds: now.seconds_until(first).max(1) };
    }
    spent.push(SpentChallenge {
        challenge: Octets::new(attempt.expected.challenge.into()),
        operation: attempt.operation,
        was_right: checked.is_ok(),
        expires_at: attempt.challenge_expires_at,
    });
    match checked {
        Ok(asserted) => SignInOutcome::Proven(PasskeyRecord { spent, ..record.used(&asserted) }),
        Err(reason @ PasskeyRefusal::CounterNotRaised) => {
            SignInOutcome::Refused { reason, write: Some(PasskeyRecord { spent, ..record.clone() }) }
        }
        Err(reason) => refused(reason),
    }
}

/// The challenge that a passkey answers as the second factor of a login. It follows from the login's own, which works
/// once and for one client and device, so nothing more is stored.
#[must_use]
pub fn second_factor_challenge(id: &ChallengeId<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"postern/v1/passkey as second factor\0");
    let tenant = id.tenant.as_str().as_bytes();
    hash.update(u64::try_from(tenant.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(tenant);
    hash.update(id.account.as_bytes());
    hash.update(id.secret.expose());
    hash.finalize().into()
}
