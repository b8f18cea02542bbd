//! What an account's owner keeps of second factors: enrolling an authenticator, and using what is enrolled.

use super::backup::{BackupCodes, BackupDigest};
use super::challenge::{FactorChallenge, FactorGuard};
use super::sent::{ContactFactor, PendingContact, SendingRate, StepUpCode};
use super::totp::{TotpParameters, TotpSecret, TotpVerdict, check_totp};
use super::trusted::TrustedDevice;
use crate::passkey::AssertedPasskey;
use crate::time::{Seconds, UnixMillis};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How long a new authenticator may take to show its first code.
const ENROLMENT_TTL: Seconds = Seconds::new(600);

/// A second factor, by its name in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorMethod {
    /// A code of an authenticator app.
    Totp,
    /// A backup code.
    BackupCode,
    /// A passkey.
    Passkey,
    /// A code by mail.
    Email,
    /// A code by SMS.
    Sms,
}

/// A confirmed authenticator. Its secret is sealed: only who has the pepper opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpFactor {
    /// The sealed secret, in the host's form.
    pub sealed_secret: String,
    /// The pepper from which the sealing key follows.
    pub pepper_id: u32,
    /// How its codes are made.
    pub parameters: TotpParameters,
    /// When its first code was shown.
    pub confirmed_at: UnixMillis,
    /// The newest step that was used.
    pub last_step: u64,
}

/// An authenticator that has not shown a code yet. It guards nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingTotp {
    /// As of [`TotpFactor::sealed_secret`].
    pub sealed_secret: String,
    /// As of [`TotpFactor::pepper_id`].
    pub pepper_id: u32,
    /// How its codes are made.
    pub parameters: TotpParameters,
    /// The first moment at which it is forgotten.
    pub expires_at: UnixMillis,
}

/// All second factors of one account, and the challenges that wait for one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FactorRecord {
    /// The authenticator in use. With one, every login is challenged.
    #[serde(default)]
    pub totp: Option<TotpFactor>,
    /// The authenticator about to be enrolled.
    #[serde(default)]
    pub pending: Option<PendingTotp>,
    /// The backup codes that are left.
    #[serde(default)]
    pub backup: Option<BackupCodes>,
    /// The address that codes are sent to.
    #[serde(default)]
    pub email: Option<ContactFactor>,
    /// The number that codes are sent to.
    #[serde(default)]
    pub sms: Option<ContactFactor>,
    /// The address or number about to be set up.
    #[serde(default)]
    pub pending_contact: Option<PendingContact>,
    /// The code that was sent within a session last.
    #[serde(default)]
    pub step_up: Option<StepUpCode>,
    /// Devices that are not asked for a while.
    #[serde(default)]
    pub trusted: Vec<TrustedDevice>,
    /// When a code was sent last.
    #[serde(default)]
    pub sent_at: Option<UnixMillis>,
    /// How many codes were sent lately.
    #[serde(default)]
    pub sending: SendingRate,
    /// Consecutive failures of any second factor.
    #[serde(default)]
    pub guard: FactorGuard,
    /// Logins between their first factor and their second.
    #[serde(default)]
    pub challenges: Vec<FactorChallenge>,
}

impl FactorMethod {
    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::BackupCode => "backup_code",
            Self::Passkey => "passkey",
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    /// What it says of the session in `amr`, besides that there was more than one factor (RFC 8176 §2): a one-time
    /// password (a backup code is one too), or a key that somebody was there to use. Whether hardware keeps the key
    /// nobody knows without attestation, so that it is neither `hwk` nor `swk`.
    #[must_use]
    pub const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Totp | Self::BackupCode | Self::Email => &["otp"],
            Self::Sms => &["sms"],
            Self::Passkey => &["pop", "user"],
        }
    }
}

impl FactorRecord {
    /// The factors that a challenge may be answered with; none if the account has no second factor.
    #[must_use]
    pub fn methods(&self) -> Vec<FactorMethod> {
        let mut methods = Vec::new();
        if self.totp.is_some() {
            methods.push(FactorMethod::Totp);
        }
        if self.backup.as_ref().is_some_and(|codes| !codes.left.is_empty()) {
            methods.push(FactorMethod::BackupCode);
        }
        methods
    }

    /// Whether there is anything that is typed: backup codes may stand behind passkeys as well.
    #[must_use]
    pub const fn has_codes(&self) -> bool {
        self.totp.is_some() || self.backup.is_some()
    }

    /// Whether a password may be set by whoever reads the mail or SMS, with a factor only: where there is an authenticator,
    /// or another factor beside one that may be sent to the same place. Whatever is sent comes with backup codes.
    #[must_use]
    pub const fn asks_to_recover(&self, has_passkey: bool) -> bool {
        let is_sent = self.email.is_some() || self.sms.is_some();
        let has_both = self.email.is_some() && self.sms.is_some();
        self.totp.is_some() || has_both || (is_sent && has_passkey)
    }

    /// Whether the last of the failures by which attempts pause now came since the record was `before`: its owner is told
    /// once for each pause.
    #[must_use]
    pub fn pauses_since(&self, before: &Self, now: UnixMillis) -> bool {
        self.guard != before.guard && self.guard.paused_until(now).is_some()
    }

    /// The record with failures forgotten: the next attempt is compared.
    #[must_use]
    pub fn forgiven(self) -> Self {
        Self { guard: FactorGuard::default(), ..self }
    }

    /// The record with no factor and nothing that waits for one. What counts attempts and messages goes on.
    #[must_use]
    pub fn without_factors(&self) -> Self {
        let Self { guard, sending, sent_at, .. } = *self;
        Self { guard, sending, sent_at, ..Self::default() }
    }

    /// The record without one factor, and with nothing that was begun or trusted before; `None` if it has no such factor.
    /// Backup codes stand in for others, and passkeys are kept elsewhere: neither is removed like this.
    #[must_use]
    pub fn without(&self, method: FactorMethod) -> Option<Self> {
        let mut left = self.clone();
        let was_there = match method {
            FactorMethod::Totp => left.totp.take().is_some(),
            FactorMethod::Email => left.email.take().is_some(),
            FactorMethod::Sms => left.sms.take().is_some(),
            FactorMethod::BackupCode | FactorMethod::Passkey => false,
        };
        was_there.then(|| Self { pending: None, pending_contact: None, ..left.settled() })
    }

    /// Whether logins are challenged, whatever passkeys there are.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.totp.is_some() || self.email.is_some() || self.sms.is_some()
    }
}

/// Whether an enrolment goes on.
#[derive(Clone, Debug)]
#[must_use]
pub enum EnrolmentOutcome {
    /// To be stored.
    Stored(FactorRecord),
    /// Not so.
    Refused {
        /// Why.
        reason: EnrolmentRefusal,
        /// To be stored all the same, if present: an attempt was counted.
        write: Option<FactorRecord>,
    },
}

/// Why an enrolment is refused, in check order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrolmentRefusal {
    /// There is an authenticator; it has to go first.
    AlreadyEnrolled,
    /// Nothing is being enrolled, or it has expired.
    NotBegun,
    /// Too many wrong codes: wait so many seconds.
    Paused {
        /// At least 1.
        retry_after_seconds: u64,
    },
    /// It is another code.
    CodeWrong,
}

/// Begins to enrol an authenticator; a second beginning replaces the first. Nothing is guarded by it yet.
pub fn begin_enrolment(
    record: &FactorRecord,
    sealed_secret: String,
    pepper_id: u32,
    parameters: TotpParameters,
    now: UnixMillis,
) -> EnrolmentOutcome {
    if record.totp.is_some() {
        return EnrolmentOutcome::Refused { reason: EnrolmentRefusal::AlreadyEnrolled, write: None };
    }
    let expires_at = now.plus(ENROLMENT_TTL);
    let pending = Some(PendingTotp { sealed_secret, pepper_id, parameters, expires_at });
    EnrolmentOutcome::Stored(FactorRecord { pending, ..record.clone() })
}

/// Confirms the authenticator by its first code, which is used up; `secret` is that of [`FactorRecord::pending`], opened.
/// The backup codes were digested before.
pub fn confirm_enrolment(
    record: &FactorRecord,
    secret: Option<&TotpSecret>,
    code: &str,
    backup: BackupCodes,
    now: UnixMillis,
) -> EnrolmentOutcome {
    if record.totp.is_some() {
        return EnrolmentOutcome::Refused { reason: EnrolmentRefusal::AlreadyEnrolled, write: None };
    }
    let pending = record.pending.as_ref().filter(|pending| now < pending.expires_at);
    let (Some(pending), Some(secret)) = (pending, secret) else {
        return EnrolmentOutcome::Refused { reason: EnrolmentRefusal::NotBegun, write: None };
    };
    let guard = match record.guard.count(now) {
        Ok(guard) => guard,
        Err(retry_after_seconds) => {
            let reason = EnrolmentRefusal::Paused { retry_after_seconds };
            return EnrolmentOutcome::Refused { reason, write: None };
        }
    };
    match check_totp(secret, pending.parameters, code, now.to_seconds(), None) {
        TotpVerdict::Accepted { step } => EnrolmentOutcome::Stored(FactorRecord {
            totp: Some(TotpFactor {
                sealed_secret: pending.sealed_secret.clone(),
                pepper_id: pending.pepper_id,
                parameters: pending.parameters,
                confirmed_at: now,
                last_step: step,
            }),
            pending: None,
            backup: Some(backup),
            guard: FactorGuard::default(),
            ..record.clone().settled()
        }),
        TotpVerdict::Replayed | TotpVerdict::Wrong => EnrolmentOutcome::Refused {
            reason: EnrolmentRefusal::CodeWrong,
            write: Some(FactorRecord { guard, ..record.clone() }),
        },
    }
}

/// A second factor as it was presented.
#[derive(Clone, Copy, Debug)]
pub enum PresentedFactor<'a> {
    /// What was typed from the authenticator.
    Totp(&'a str),
    /// A backup code, digested under each pepper that there is.
    BackupCode(&'a [(u32, BackupDigest)]),
    /// A passkey that has answered for the challenge; `None` for an answer that was not right. Its record is the caller's
    /// to store.
    Passkey(Option<&'a AssertedPasskey>),
    /// A code that was sent for the login, by this method.
    Sent(FactorMethod, &'a str),
    /// A passkey that has been registered for a login which has to enrol a factor, and the backup codes that this brings;
    /// `None` for a registration that was not right. Its record is the caller's to store.
    NewPasskey(Option<&'a BackupCodes>),
}

/// The record after a right factor, in which it is used up; `None` if it is none. Counting is the caller's.
pub(super) fn used(
    record: &FactorRecord,
    secret: Option<&TotpSecret>,
    presented: PresentedFactor<'_>,
    now: UnixMillis,
) -> Option<(FactorRecord, FactorMethod)> {
    match presented {
        PresentedFactor::Totp(code) => {
            let totp = record.totp.as_ref()?;
            match check_totp(secret?, totp.parameters, code, now.to_seconds(), Some(totp.last_step)) {
                TotpVerdict::Accepted { step } => {
                    let totp = Some(TotpFactor { last_step: step, ..totp.clone() });
                    Some((FactorRecord { totp, ..record.clone() }, FactorMethod::Totp))
                }
                TotpVerdict::Replayed | TotpVerdict::Wrong => None,
            }
        }
        // It is the challenge that knows it.
        PresentedFactor::Sent(..) | PresentedFactor::NewPasskey(_) => None,
        PresentedFactor::Passkey(asserted) => asserted.map(|_| (record.clone(), FactorMethod::Passkey)),
        PresentedFactor::BackupCode(digests) => {
            let codes = record.backup.as_ref()?;
            let (_, presented) = digests.iter().find(|(pepper, _)| *pepper == codes.pepper_id)?;
            let backup = Some(codes.without(presented)?);
            Some((FactorRecord { backup, ..record.clone() }, FactorMethod::BackupCode))
        }
    }
}

/// Uses a second factor within a session: for disabling it, for new backup codes, for what is sensitive. Counted
/// before it is compared; a right one clears the count.
///
/// # Errors
///
/// The seconds to wait while attempts are paused, with nothing to store.
pub fn use_factor(
    record: &FactorRecord,
    secret: Option<&TotpSecret>,
    presented: PresentedFactor<'_>,
    now: UnixMillis,
) -> Result<(FactorRecord, Option<FactorMethod>), u64> {
    let guard = record.guard.count(now)?;
    Ok(match used(record, secret, presented, now) {
        Some((record, method)) => (FactorRecord { guard: FactorGuard::default(), ..record }, Some(method)),
        None => (FactorRecord { guard, ..record.clone() }, None),
    })
}
