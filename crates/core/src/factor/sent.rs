//! Second factors that are sent: codes by mail and SMS. Weaker than the others, since whoever reads the mailbox or has the
//! number has them: so they stand behind a password alone, never behind a code that came the same way.
//!
//! A code goes to where it was set up to go, whatever becomes of the account's address: changing that moves no factor.

use super::backup::BackupCodes;
use super::challenge::{ChallengeId, FactorChallenge, find_waiting, replaced};
use super::record::{FactorMethod, FactorRecord};
use crate::id::{AccountId, ClientId, SessionId, TenantId};
use crate::identifier::length_prefixed;
use crate::intake::{CodeBinding, CodeDigest, CodePurpose};
use crate::password::{Pepper, Peppers};
use crate::session::DeviceHint;
use crate::throttle::{RateDecision, RateLimit, TheoreticalArrival, decide};
use crate::time::{Seconds, UnixMillis};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// How long a code works (NIST SP 800-63B-4 §3.1.3.2: at most ten minutes).
pub const SENT_CODE_TTL: Seconds = Seconds::new(600);
/// Between two codes of one account.
const RESEND_AFTER: Seconds = Seconds::new(60);
/// Codes of one login.
const MOST_SENT: u32 = 3;
/// Guesses at the code of one set-up; those at a login's are the challenge's.
const MOST_ATTEMPTS: u32 = 5;

/// A place that codes are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactFactor {
    /// The address or number.
    pub value: String,
    /// When a code that was sent there came back.
    pub confirmed_at: UnixMillis,
}

/// One that has not shown a code yet. It guards nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingContact {
    /// [`FactorMethod::Email`] or [`FactorMethod::Sms`].
    pub method: FactorMethod,
    /// The address or number.
    pub value: String,
    /// The code that was sent there.
    pub code: SentCode,
    /// Wrong guesses so far.
    pub attempts: u32,
}

/// A code on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SentCode {
    /// How it was sent.
    pub method: FactorMethod,
    /// What is stored of it.
    pub digest: CodeDigest,
    /// The pepper of the digest.
    pub pepper_id: u32,
    /// The first moment at which it is dead.
    pub expires_at: UnixMillis,
}

/// A code on its way to somebody who is signed in, and proves to be there once more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepUpCode {
    /// The session that asked.
    pub session: SessionId,
    /// The code.
    pub code: SentCode,
}

/// How many codes an account was sent lately, by mail and by SMS. It is kept when factors are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingRate {
    #[serde(default)]
    email: Option<TheoreticalArrival>,
    #[serde(default)]
    sms: Option<TheoreticalArrival>,
}

/// Why no code is sent, in check order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendRefusal {
    /// No such login waits, or it has been sent as many as it may.
    NoLogin,
    /// The account has no such factor, or the login may not be answered with it.
    NotEnrolled,
    /// The last one was a moment ago, or there were too many.
    TooSoon {
        /// At least 1.
        retry_after_seconds: u64,
    },
}

/// Whose code it is, with what it is digested under.
#[derive(Clone, Copy, Debug)]
pub struct CodeOwner<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The account.
    pub account: &'a AccountId,
    /// The pepper of now.
    pub pepper: &'a Pepper,
}

/// What a code is for, and nothing else: one login, or one place.
fn digest(
    pepper: &Pepper,
    tenant: &TenantId,
    account: &AccountId,
    about: [&[u8]; 2],
    code: &str,
) -> CodeDigest {
    let [kind, of] = about;
    let subject = length_prefixed(&[account.as_bytes(), kind, of]);
    let binding = CodeBinding { purpose: CodePurpose::SecondFactor, tenant, subject: &subject };
    CodeDigest::compute(pepper, &binding, code.as_bytes())
}

impl SentCode {
    fn new(
        owner: CodeOwner<'_>,
        method: FactorMethod,
        about: [&[u8]; 2],
        code: &str,
        now: UnixMillis,
    ) -> Self {
        let digest = digest(owner.pepper, owner.tenant, owner.account, about, code);
        Self { method, digest, pepper_id: owner.pepper.id(), expires_at: now.plus(SENT_CODE_TTL) }
    }

    fn is(
        &self,
        peppers: &Peppers,
        (tenant, account): (&TenantId, &AccountId),
        about: [&[u8]; 2],
        code: &str,
        now: UnixMillis,
    ) -> bool {
        let pepper = peppers.find(self.pepper_id).filter(|_| now < self.expires_at);
        pepper.is_some_and(|pepper| digest(pepper, tenant, account, about, code).ct_eq(&self.digest))
    }
}

impl FactorChallenge {
    /// Whether it may be answered with what is sent: only behind a password. Whoever came in by a code that was sent
    /// would show the same thing twice.
    #[must_use]
    pub fn takes_sent_codes(&self) -> bool {
        self.amr.iter().any(|method| method == "pwd")
    }

    /// Whether it is the code that was sent for this login.
    pub(super) fn is_sent_code(
        &self,
        id: ChallengeId<'_>,
        method: FactorMethod,
        code: &str,
        peppers: &Peppers,
        now: UnixMillis,
    ) -> bool {
        let about: [&[u8]; 2] = [b"login", self.session.as_bytes()];
        let sent = self.sent.as_ref().filter(|sent| sent.method == method && self.takes_sent_codes());
        sent.is_some_and(|sent| sent.is(peppers, (id.tenant, id.account), about, code, now))
    }
}

impl FactorRecord {
    /// Where codes of this method go.
    #[must_use]
    pub const fn contact(&self, method: FactorMethod) -> Option<&ContactFactor> {
        match method {
            FactorMethod::Email => self.email.as_ref(),
            FactorMethod::Sms => self.sms.as_ref(),
            FactorMethod::Totp | FactorMethod::BackupCode | FactorMethod::Passkey => None,
        }
    }

    fn with_contact(self, method: FactorMethod, contact: ContactFactor) -> Self {
        match method {
            FactorMethod::Sms => Self { sms: Some(contact), ..self },
            _ => Self { email: Some(contact), ..self },
        }
    }

    /// The record of a code about to be sent, which is taken from this limit.
    ///
    /// # Errors
    ///
    /// [`SendRefusal::TooSoon`].
    pub fn rated(
        mut self,
        method: FactorMethod,
        limit: Option<RateLimit>,
        now: UnixMillis,
    ) -> Result<Self, SendRefusal> {
        let Some(limit) = limit else { return Ok(self) };
        let rate = match method {
            FactorMethod::Sms => &mut self.sending.sms,
            _ => &mut self.sending.email,
        };
        match decide(*rate, now, limit, 1) {
            RateDecision::Admitted { arrival, .. } => {
                *rate = Some(arrival);
                Ok(self)
            }
            RateDecision::Limited { retry_after_seconds, .. } => {
                Err(SendRefusal::TooSoon { retry_after_seconds })
            }
        }
    }

    /// # Errors
    ///
    /// [`SendRefusal::TooSoon`].
    fn check_pause(&self, now: UnixMillis) -> Result<(), SendRefusal> {
        let Some(last) = self.sent_at.filter(|last| *last <= now) else { return Ok(()) };
        let again_at = last.plus(RESEND_AFTER);
        if now < again_at {
            return Err(SendRefusal::TooSoon { retry_after_seconds: now.seconds_until(again_at).max(1) });
        }
        Ok(())
    }
}

/// Begins to set a place up, to which the code is to be sent. A second beginning replaces the first.
///
/// # Errors
///
/// [`SendRefusal::TooSoon`].
pub fn begin_contact(
    record: &FactorRecord,
    owner: CodeOwner<'_>,
    method: FactorMethod,
    value: String,
    code: &str,
    now: UnixMillis,
) -> Result<FactorRecord, SendRefusal> {
    record.check_pause(now)?;
    let code = SentCode::new(owner, method, [b"contact", value.as_bytes()], code, now);
    let pending = PendingContact { method, value, code, attempts: 0 };
    Ok(FactorRecord { pending_contact: Some(pending), sent_at: Some(now), ..record.clone() })
}

/// What the code of a set-up comes to.
#[derive(Clone, Debug)]
#[must_use]
#[allow(clippy::large_enum_variant, reason = "an outcome lives for one commit; a box would only allocate")]
pub enum ContactOutcome {
    /// Right. To be stored.
    Confirmed(FactorRecord),
    /// Right, and nothing to store: the account has no backup codes, and gets some with it.
    BackupCodesWanted,
    /// Nothing waits for it.
    NotBegun,
    /// Wrong. To be stored: it is counted.
    Wrong(FactorRecord),
    /// Too many wrong factors: wait so many seconds.
    Paused {
        /// At least 1.
        retry_after_seconds: u64,
    },
}

/// Compares the code of a set-up, counting it first.
pub fn confirm_contact(
    record: &FactorRecord,
    (tenant, account): (&TenantId, &AccountId),
    method: FactorMethod,
    code: &str,
    backup: Option<BackupCodes>,
    peppers: &Peppers,
    now: UnixMillis,
) -> ContactOutcome {
    let pending = record.pending_contact.as_ref().filter(|pending| {
        pending.method == method && now < pending.code.expires_at && pending.attempts < MOST_ATTEMPTS
    });
    let Some(pending) = pending else { return ContactOutcome::NotBegun };
    let guard = match record.guard.count(now) {
        Ok(guard) => guard,
        Err(retry_after_seconds) => return ContactOutcome::Paused { retry_after_seconds },
    };
    let about: [&[u8]; 2] = [b"contact", pending.value.as_bytes()];
    if !pending.code.is(peppers, (tenant, account), about, code, now) {
        let attempts = pending.attempts.saturating_add(1);
        let pending_contact = Some(PendingContact { attempts, ..pending.clone() });
        return ContactOutcome::Wrong(FactorRecord { guard, pending_contact, ..record.clone() });
    }
    let Some(backup) = record.backup.clone().or(backup) else { return ContactOutcome::BackupCodesWanted };
    let contact = ContactFactor { value: pending.value.clone(), confirmed_at: now };
    let confirmed = FactorRecord {
        guard: Default::default(),
        pending_contact: None,
        backup: Some(backup),
        ..record.clone().settled()
    };
    ContactOutcome::Confirmed(confirmed.with_contact(method, contact))
}

/// Sends a code for a login that waits: the record to store, and where the code goes.
///
/// # Errors
///
/// [`SendRefusal`].
pub fn send_code(
    record: &FactorRecord,
    id: ChallengeId<'_>,
    (client_id, device): (&ClientId, &DeviceHint),
    (method, code): (FactorMethod, &str),
    (peppers, pepper): (&Peppers, &Pepper),
    now: UnixMillis,
) -> Result<(FactorRecord, String), SendRefusal> {
    let challenge = find_waiting(record, id, client_id, device, peppers, now).ok_or(SendRefusal::NoLogin)?;
    if challenge.times_sent >= MOST_SENT {
        return Err(SendRefusal::NoLogin);
    }
    let contact = record.contact(method).filter(|_| challenge.takes_sent_codes());
    let to = contact.ok_or(SendRefusal::NotEnrolled)?.value.clone();
    record.check_pause(now)?;
    let owner = CodeOwner { tenant: id.tenant, account: id.account, pepper };
    let sent = SentCode::new(owner, method, [b"login", challenge.session.as_bytes()], code, now);
    let sent = FactorChallenge {
        expires_at: challenge.expires_at.max(sent.expires_at),
        times_sent: challenge.times_sent.saturating_add(1),
        sent: Some(sent),
        ..challenge.clone()
    };
    Ok((FactorRecord { sent_at: Some(now), ..replaced(record, &sent) }, to))
}

/// Sends a code within a session: the record to store, and where the code goes. A newer one ends the older, whichever
/// session asked.
///
/// # Errors
///
/// [`SendRefusal::NotEnrolled`], [`SendRefusal::TooSoon`].
pub fn send_step_up_code(
    record: &FactorRecord,
    owner: CodeOwner<'_>,
    session: SessionId,
    (method, code): (FactorMethod, &str),
    now: UnixMillis,
) -> Result<(FactorRecord, String), SendRefusal> {
    let to = record.contact(method).ok_or(SendRefusal::NotEnrolled)?.value.clone();
    record.check_pause(now)?;
    let code = SentCode::new(owner, method, [b"session", session.as_bytes()], code, now);
    let step_up = Some(StepUpCode { session, code });
    Ok((FactorRecord { step_up, sent_at: Some(now), ..record.clone() }, to))
}

/// Uses a code that was sent within a session, counted before it is compared; a right one is used up and clears the count.
/// Its caller has seen the password: [`FactorChallenge::takes_sent_codes`].
///
/// # Errors
///
/// The seconds to wait while attempts are paused, with nothing to store.
pub fn use_step_up_code(
    record: &FactorRecord,
    (tenant, account): (&TenantId, &AccountId),
    session: SessionId,
    (method, code): (FactorMethod, &str),
    peppers: &Peppers,
    now: UnixMillis,
) -> Result<(FactorRecord, bool), u64> {
    let guard = record.guard.count(now)?;
    let about: [&[u8]; 2] = [b"session", session.as_bytes()];
    let sent = record.step_up.as_ref().filter(|sent| sent.session == session && sent.code.method == method);
    if sent.is_some_and(|sent| sent.code.is(peppers, (tenant, account), about, code, now)) {
        return Ok((FactorRecord { guard: Default::default(), step_up: None, ..record.clone() }, true));
    }
    Ok((FactorRecord { guard, ..record.clone() }, false))
}
