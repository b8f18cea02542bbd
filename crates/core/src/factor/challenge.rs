//! Between the first factor and the session: a challenge that only the same client on the same device can answer, once.

use super::backup::BackupCodes;
use super::record::{EnrolmentOutcome, FactorMethod, FactorRecord, PresentedFactor, confirm_enrolment, used};
use super::sent::SentCode;
use super::totp::TotpSecret;
use crate::id::{AccountId, ClientId, OperationId, SessionId, TenantId};
use crate::intake::{CodeBinding, CodeDigest, CodePurpose};
use crate::password::{Pepper, Peppers};
use crate::secret::Secret;
use crate::session::{DeviceBinding, DeviceFingerprint, DeviceHint, DeviceVerdict, KeyThumbprint};
use crate::throttle::LockoutRecord;
use crate::time::{Seconds, UnixMillis};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Consecutive failures after which second factors of an account are not compared for a while, whatever the challenge:
/// otherwise whoever knows the password would start a new challenge after each five guesses.
const FAILURES_BEFORE_PAUSE: u32 = 5;
/// Ten minutes after the first five. Every five more double it, up to a day: at ten minutes each, a year would have time for a
/// quarter of a million guesses at a million codes, three of which are right.
const FIRST_PAUSE_SECONDS: u32 = 600;
const LONGEST_PAUSE_SECONDS: u32 = 86_400;
/// Without any attempt for so long, failures are forgotten.
const REMEMBERED: Seconds = Seconds::new(30 * 86_400);
/// Logins of one account that may wait for a second factor at the same time; the oldest goes when another comes.
const MOST_CHALLENGES: usize = 8;

/// Consecutive failures of an account's second factors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FactorGuard(Option<LockoutRecord>);

impl FactorGuard {
    /// Counts an attempt as failed, before it is compared: to be stored unless it succeeds.
    ///
    /// # Errors
    ///
    /// The seconds to wait, at least 1, after every five failures in a row.
    pub(super) fn count(self, now: UnixMillis) -> Result<Self, u64> {
        if let Some(until) = self.paused_until(now) {
            return Err(now.seconds_until(until).max(1));
        }
        let failures = self.failures(now);
        Ok(Self(Some(LockoutRecord { failures: failures.saturating_add(1), last_attempt_at: now })))
    }

    /// How many attempts in a row have failed, by what is remembered.
    #[must_use]
    pub fn failures(self, now: UnixMillis) -> u32 {
        self.known(now).map_or(0, |record| record.failures)
    }

    /// Until when no second factor is compared; `None` if the next one is.
    #[must_use]
    pub fn paused_until(self, now: UnixMillis) -> Option<UnixMillis> {
        let record = self.known(now)?;
        Some(record.last_attempt_at.plus(pause_after(record.failures))).filter(|until| now < *until)
    }

    fn known(self, now: UnixMillis) -> Option<LockoutRecord> {
        self.0.filter(|record| now < record.last_attempt_at.plus(REMEMBERED))
    }
}

/// How long nothing is compared after so many failures in a row.
fn pause_after(failures: u32) -> Seconds {
    let pauses = failures.checked_div(FAILURES_BEFORE_PAUSE).unwrap_or(0);
    if pauses == 0 || !failures.is_multiple_of(FAILURES_BEFORE_PAUSE) {
        return Seconds::new(0);
    }
    let factor = 2_u32.saturating_pow(pauses.saturating_sub(1));
    Seconds::new(FIRST_PAUSE_SECONDS.saturating_mul(factor).min(LONGEST_PAUSE_SECONDS))
}

/// How long a challenge waits and how many answers it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengePolicy {
    /// Default 3 minutes.
    pub time_to_live: Seconds,
    /// The same where a second factor is enrolled first, default 10 minutes.
    pub enrolment_time_to_live: Seconds,
    /// Wrong answers after which it is dead, default 5.
    pub max_attempts: u32,
    /// What is asked of the device that answers, default nothing beyond its user agent.
    pub binding: DeviceBinding,
}

impl Default for ChallengePolicy {
    fn default() -> Self {
        Self {
            time_to_live: Seconds::new(180),
            enrolment_time_to_live: Seconds::new(600),
            max_attempts: 5,
            binding: DeviceBinding::default(),
        }
    }
}

/// What a login brought along, to be gone on with after the second factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FactorChallenge {
    /// The secret that its client has, digested.
    pub digest: CodeDigest,
    /// The pepper of the digest.
    pub pepper_id: u32,
    /// The session that is to be opened, which is also what the challenge is known by.
    pub session: SessionId,
    /// The client that logged in.
    pub client_id: ClientId,
    /// The device that logged in.
    pub device: DeviceHint,
    /// What that device is recognised by, and will be by the session.
    #[serde(default)]
    pub fingerprint: DeviceFingerprint,
    /// The key that the login has proven to have, and the session will be bound to.
    #[serde(default)]
    pub key_thumbprint: Option<KeyThumbprint>,
    /// How the first factor was given.
    pub amr: Vec<String>,
    /// Whether its owner asked for the session to last longer.
    #[serde(default)]
    pub remember: bool,
    /// The version of the credentials that it was checked against.
    pub credential_version: u32,
    /// The first moment at which it is dead.
    pub expires_at: UnixMillis,
    /// Wrong answers so far.
    pub attempts: u32,
    /// The operation that answered it rightly. Kept until it expires, for an answer that got lost.
    #[serde(default)]
    pub answered_by: Option<OperationId>,
    /// What it was answered with.
    #[serde(default)]
    pub answered_with: Option<FactorMethod>,
    /// The account had no second factor and has to have one: it is answered by enrolling it.
    #[serde(default)]
    pub enrols: bool,
    /// The code that was sent for it last.
    #[serde(default)]
    pub sent: Option<SentCode>,
    /// How many were.
    #[serde(default)]
    pub times_sent: u32,
}

impl FactorChallenge {
    /// How the owner has shown to be it once the challenge is answered, by RFC 8176: the first factor, the second, and
    /// that it was more than one.
    #[must_use]
    pub fn answered_amr(&self) -> Vec<String> {
        let mut amr = self.amr.clone();
        let second = self.answered_with.unwrap_or(FactorMethod::Totp).amr();
        for method in second.iter().copied().chain(["mfa"]) {
            if !amr.iter().any(|other| other == method) {
                amr.push(method.into());
            }
        }
        amr
    }
}

/// The secret of a challenge with what it is bound to.
#[derive(Clone, Copy, Debug)]
pub struct ChallengeId<'a> {
    /// The tenant that was logged in to.
    pub tenant: &'a TenantId,
    /// The account that the first factor proved.
    pub account: &'a AccountId,
    /// 32 random bytes, which only the client has.
    pub secret: &'a Secret<32>,
}

impl ChallengeId<'_> {
    /// What is stored of it.
    #[must_use]
    pub fn digest(&self, pepper: &Pepper) -> CodeDigest {
        let binding = CodeBinding {
            purpose: CodePurpose::SecondFactor,
            tenant: self.tenant,
            subject: self.account.as_bytes(),
        };
        CodeDigest::compute(pepper, &binding, self.secret.expose())
    }
}

impl FactorRecord {
    /// The record with one more challenge, without those that have expired, and without the oldest of too many. The
    /// same session again replaces its challenge: it is the same login asked for again.
    #[must_use]
    pub fn challenged(&self, challenge: FactorChallenge, now: UnixMillis) -> Self {
        let mut challenges = live_challenges(&self.challenges, now);
        challenges.retain(|other| other.session != challenge.session);
        let surplus = challenges.len().saturating_add(1).saturating_sub(MOST_CHALLENGES);
        challenges.drain(..surplus.min(challenges.len()));
        challenges.push(challenge);
        Self { challenges, ..self.clone() }
    }
}

/// The challenges that have not expired, oldest first.
#[must_use]
pub fn live_challenges(challenges: &[FactorChallenge], now: UnixMillis) -> Vec<FactorChallenge> {
    challenges.iter().filter(|challenge| now < challenge.expires_at).cloned().collect()
}

/// What became of an answer.
#[derive(Clone, Debug)]
#[must_use]
#[allow(clippy::large_enum_variant, reason = "an outcome lives for one commit; a box would only allocate")]
pub enum ChallengeOutcome {
    /// Right, and used up. Store the record together with the session that the challenge asks for.
    Passed {
        /// The record.
        write: FactorRecord,
        /// The login to go on with.
        challenge: FactorChallenge,
        /// What it was answered with.
        method: FactorMethod,
    },
    /// This operation has answered it before: answer from the session that it opened.
    Repeated {
        /// The login.
        challenge: FactorChallenge,
    },
    /// Not so.
    Refused {
        /// Why.
        reason: ChallengeRefusal,
        /// To be stored if present: the attempt is counted.
        write: Option<FactorRecord>,
    },
}

/// Why an answer is refused, in check order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeRefusal {
    /// No such challenge, of this client, device and key: unknown, expired, or already answered.
    Unknown,
    /// It comes from another device than the policy allows. Nothing is counted: whoever has copied a challenge must not
    /// be able to use up its owner's attempts from elsewhere.
    DeviceRejected {
        /// The session that waits.
        session: SessionId,
        /// What is another, or missing.
        device: DeviceVerdict,
    },
    /// Too many wrong answers before.
    AttemptsExhausted,
    /// Too many failures of the account's second factors: wait.
    Paused {
        /// At least 1.
        retry_after_seconds: u64,
    },
    /// It is none of the account's second factors of this moment.
    FactorWrong,
}

impl ChallengeRefusal {
    /// The stable public code: whether to type again, to wait, or to log in again.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown | Self::AttemptsExhausted => "challenge_invalid",
            Self::DeviceRejected { .. } => "device_binding_rejected",
            Self::Paused { .. } => "rate_limited",
            Self::FactorWrong => "second_factor_invalid",
        }
    }
}

/// Who answers a challenge, and with what.
#[derive(Clone, Copy, Debug)]
pub struct ChallengeAnswer<'a> {
    /// The challenge.
    pub id: ChallengeId<'a>,
    /// The client that asks.
    pub client_id: &'a ClientId,
    /// The device that asks: with another user agent than that of the login it is another device.
    pub device: &'a DeviceHint,
    /// What that device is recognised by.
    pub fingerprint: &'a DeviceFingerprint,
    /// The key that the answer has proven to have. Where the login has shown one, it has to be that one.
    pub key: Option<&'a KeyThumbprint>,
    /// The second factor.
    pub factor: PresentedFactor<'a>,
    /// The secret of [`FactorRecord::pending`], opened, and the backup codes that its enrolment brings, for a challenge that
    /// is answered by enrolling an authenticator.
    pub enrolment: Option<(&'a TotpSecret, &'a BackupCodes)>,
    /// Drawn for this answer.
    pub operation: OperationId,
}

/// Compares an answer with the account's second factors, counting it first, and uses the challenge up.
///
/// `secret` is that of [`FactorRecord::totp`], opened. A right answer clears the count of failures.
pub fn answer_challenge(
    record: &FactorRecord,
    answer: &ChallengeAnswer<'_>,
    secret: Option<&TotpSecret>,
    peppers: &Peppers,
    now: UnixMillis,
    policy: ChallengePolicy,
) -> ChallengeOutcome {
    let refused = |reason, write| ChallengeOutcome::Refused { reason, write };
    let Some(challenge) = find(record, answer.id, answer.client_id, answer.device, peppers, now) else {
        return refused(ChallengeRefusal::Unknown, None);
    };
    // Whoever has copied a challenge must neither take its key away nor put another in its place.
    if challenge.key_thumbprint.as_ref().is_some_and(|shown| answer.key != Some(shown)) {
        return refused(ChallengeRefusal::Unknown, None);
    }
    match challenge.answered_by {
        Some(operation) if operation == answer.operation => {
            return ChallengeOutcome::Repeated { challenge: challenge.clone() };
        }
        Some(_) => return refused(ChallengeRefusal::Unknown, None),
        None => {}
    }
    let device = policy.binding.judge(&challenge.fingerprint, Some(answer.fingerprint));
    if device.is_rejected() {
        return refused(ChallengeRefusal::DeviceRejected { session: challenge.session, device }, None);
    }
    if challenge.attempts >= policy.max_attempts {
        return refused(ChallengeRefusal::AttemptsExhausted, None);
    }
    let guard = match record.guard.count(now) {
        Ok(guard) => guard,
        Err(retry_after_seconds) => return refused(ChallengeRefusal::Paused { retry_after_seconds }, None),
    };
    let right = if challenge.enrols && !record.is_required() {
        enrolled(record, answer, now)
    } else if let PresentedFactor::Sent(method, code) = answer.factor {
        let is_right = challenge.is_sent_code(answer.id, method, code, peppers, now);
        is_right.then(|| (record.clone(), method))
    } else {
        used(record, secret, answer.factor, now)
    };
    match right {
        Some((record, method)) => {
            let (answered_by, answered_with) = (Some(answer.operation), Some(method));
            let answered = FactorChallenge { answered_by, answered_with, ..challenge.clone() };
            let write = replaced(&FactorRecord { guard: FactorGuard::default(), ..record }, &answered);
            ChallengeOutcome::Passed { write, challenge: answered, method }
        }
        None => {
            let counted =
                FactorChallenge { attempts: challenge.attempts.saturating_add(1), ..challenge.clone() };
            let write = replaced(&FactorRecord { guard, ..record.clone() }, &counted);
            refused(ChallengeRefusal::FactorWrong, Some(write))
        }
    }
}

/// The record after the first code of a new authenticator, and with it; or after the registration of a passkey, which ends
/// whatever else was begun.
fn enrolled(
    record: &FactorRecord,
    answer: &ChallengeAnswer<'_>,
    now: UnixMillis,
) -> Option<(FactorRecord, FactorMethod)> {
    if let PresentedFactor::NewPasskey(backup) = answer.factor {
        let enrolled =
            FactorRecord { pending: None, backup: Some(backup?.clone()), ..record.clone().settled() };
        return Some((enrolled, FactorMethod::Passkey));
    }
    let (secret, backup) = answer.enrolment?;
    let PresentedFactor::Totp(code) = answer.factor else { return None };
    match confirm_enrolment(record, Some(secret), code, backup.clone(), now) {
        EnrolmentOutcome::Stored(enrolled) => Some((enrolled, FactorMethod::Totp)),
        EnrolmentOutcome::Refused { .. } => None,
    }
}

/// The login of this client and device that waits for its second factor under this challenge: for saying what it may
/// be answered with.
#[must_use]
pub fn find_waiting<'a>(
    record: &'a FactorRecord,
    id: ChallengeId<'_>,
    client_id: &ClientId,
    device: &DeviceHint,
    peppers: &Peppers,
    now: UnixMillis,
) -> Option<&'a FactorChallenge> {
    find(record, id, client_id, device, peppers, now).filter(|found| found.answered_by.is_none())
}

fn find<'a>(
    record: &'a FactorRecord,
    id: ChallengeId<'_>,
    client_id: &ClientId,
    device: &DeviceHint,
    peppers: &Peppers,
    now: UnixMillis,
) -> Option<&'a FactorChallenge> {
    record
        .challenges
        .iter()
        .filter(|challenge| now < challenge.expires_at)
        .filter(|challenge| challenge.client_id == *client_id)
        .filter(|challenge| challenge.device.user_agent == device.user_agent)
        .find(|challenge| {
            peppers.find(challenge.pepper_id).is_some_and(|pepper| id.digest(pepper).ct_eq(&challenge.digest))
        })
}

pub(super) fn replaced(record: &FactorRecord, challenge: &FactorChallenge) -> FactorRecord {
    let mut challenges = record.challenges.clone();
    challenges.retain(|other| other.session != challenge.session);
    challenges.push(challenge.clone());
    FactorRecord { challenges, ..record.clone() }
}
