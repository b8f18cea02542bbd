//! What each call on an intake shard comes to: records in, a decision of the core, records and mails out.

use super::{ATTEMPTS, AttemptAnswer, BUDGETS, IntakeCall, LimitAnswer, RATES, SHARD};
use crate::environment::Environment;
use crate::object::limiter::drained_at;
use crate::object::records;
use crate::object::records::{Expiring, Records};
use crate::outbox::message::Message;
use crate::outbox::rows;
use crate::store::keyring::{Keyring, row_name};
use crate::wire::rate_limits::CountedLimit;
use postern_core::config;
use postern_core::intake::{GuessBudget, GuessLimit, pending_password};
use postern_core::password::Pepper;
use postern_core::throttle::{
    Attempt, LockoutRecord, LockoutRecords, RateDecision, RateLimit, decide, decide_attempt,
};
use postern_core::time::UnixMillis;
use worker::{Error, Result, SqlStorage};

/// A shard at one moment, inside its transaction.
pub(super) struct Intake<'a> {
    pub(super) environment: &'a Environment,
    pub(super) sql: &'a SqlStorage,
    pub(super) keyring: &'a Keyring,
    pub(super) now: UnixMillis,
}

impl Intake<'_> {
    pub(super) fn answer(&self, call: IntakeCall) -> Result<Vec<u8>> {
        let answer = match call {
            IntakeCall::OpenSignUp(call) => records::write(&self.open_sign_up(*call)?),
            IntakeCall::ResendSignUp(call) => records::write(&self.resend_sign_up(*call)?),
            IntakeCall::HoldName { subject, holder } => {
                records::write(&self.hold_name(&subject, holder.as_ref())?)
            }
            IntakeCall::ClaimSignUp(call) => records::write(&self.claim_sign_up(*call)?),
            IntakeCall::FinishSignUp { subject, operation } => {
                records::write(&self.finish_sign_up(&subject, operation)?)
            }
            IntakeCall::BeginAttempt { subject, source } => {
                records::write(&self.begin_attempt(&subject, &source)?)
            }
            IntakeCall::ClearAttempts { subject, source } => {
                records::write(&self.store_attempts(&subject, &source, LockoutRecords::after_success())?)
            }
            IntakeCall::ForgiveAttempts { subject } => {
                Expiring::new(self.sql, ATTEMPTS).delete_starting_with(&identifier_key(&subject))?;
                records::write(&true)
            }
            IntakeCall::MailSecret(call) => records::write(&self.mail_secret(*call)?),
            IntakeCall::TakeRequest { subject, purpose, by_sms } => {
                records::write(&self.take_request(&subject, purpose, by_sms)?)
            }
            IntakeCall::PresentSecret(call) => records::write(&self.present_secret(&call, true)?),
            IntakeCall::CompareSecret(call) => records::write(&self.present_secret(&call, false)?),
            IntakeCall::Acknowledge { ids } => {
                rows::acknowledge(self.sql, &ids)?;
                records::write(&true)
            }
        };
        answer.map(String::into_bytes)
    }

    /// Takes one from a limit on this key; the seconds to wait if there is none left.
    fn wait_for(&self, key: &str, limit: Option<config::RateLimit>) -> Result<Option<u64>> {
        let Some(limit) = limit else { return Ok(None) };
        let limit = RateLimit::new(limit.count(), limit.period());
        let limit = limit.map_err(|error| Error::RustError(error.to_string()))?;
        let table = Expiring::new(self.sql, RATES);
        let (arrival, wait) = match decide(table.get(key)?, self.now, limit, 1) {
            RateDecision::Admitted { arrival, .. } => (Some(arrival), None),
            RateDecision::Limited { arrival, retry_after_seconds, .. } => {
                (arrival, Some(retry_after_seconds))
            }
        };
        if let Some(arrival) = arrival {
            table.put(key, &arrival, drained_at(arrival))?;
        }
        Ok(wait)
    }

    /// Takes one message to, or asked for by, this subject from the limit of its kind.
    pub(super) fn take_message(&self, key: &str, subject: &str, limit: CountedLimit) -> Result<LimitAnswer> {
        let limits = self.environment.config().limits();
        let wait = match limit {
            CountedLimit::Sms => self.wait_for(&format!("{subject}/sms"), limits.sms_per_identifier)?,
            CountedLimit::SignUp => self.wait_for(key, limits.sign_up_per_identifier)?,
            _ => self.wait_for(key, limits.code_per_identifier)?,
        };
        Ok(wait.map_or(LimitAnswer::ADMITTED, |seconds| LimitAnswer::limited(seconds, limit)))
    }

    fn begin_attempt(&self, subject: &str, source: &str) -> Result<AttemptAnswer> {
        let table = Expiring::new(self.sql, ATTEMPTS);
        let stored = LockoutRecords {
            pair: table.get(&self.pair_key(subject, source))?,
            identifier: table.get(&identifier_key(subject))?,
        };
        match decide_attempt(stored, self.now, &self.environment.lockout_policy()) {
            Attempt::Admitted { records, .. } => {
                self.store_attempts(subject, source, records)?;
                let sign_ups = self.sign_ups(subject)?;
                let pending = pending_password(&sign_ups, self.now, &self.environment.sign_up_policy());
                Ok(AttemptAnswer { retry_after_seconds: None, pending: pending.cloned() })
            }
            Attempt::Locked { retry_after_seconds, records, .. } => {
                if let Some(records) = records {
                    self.store_attempts(subject, source, records)?;
                }
                Ok(AttemptAnswer { retry_after_seconds: Some(retry_after_seconds), pending: None })
            }
        }
    }

    pub(super) fn store_attempts(
        &self,
        subject: &str,
        source: &str,
        records: LockoutRecords,
    ) -> Result<bool> {
        let table = Expiring::new(self.sql, ATTEMPTS);
        let policy = self.environment.lockout_policy();
        let store = |key: &str, record: Option<LockoutRecord>| match record {
            Some(record) => table.put(key, &record, record.removable_at(&policy)),
            None => table.delete(key),
        };
        store(&self.pair_key(subject, source), records.pair)?;
        store(&identifier_key(subject), records.identifier)?;
        Ok(true)
    }

    /// The wrong guesses at all codes of an address, those of sign-ups and those that are mailed on request.
    pub(super) fn budget(&self, subject: &str) -> Result<Option<GuessBudget>> {
        Expiring::new(self.sql, BUDGETS).get(subject)
    }

    pub(super) fn store_budget(&self, subject: &str, budget: &GuessBudget, limit: GuessLimit) -> Result<()> {
        let over = budget.window_started_at.plus(limit.window);
        Expiring::new(self.sql, BUDGETS).put(subject, budget, over)
    }

    /// Enqueues a message, and remembers which shard this is for the alarm, which is told nothing.
    pub(super) fn post(&self, shard: u8, id: &str, message: Message) -> Result<()> {
        Records::new(self.sql, SHARD).put_new(SHARD, &shard)?;
        rows::enqueue(self.sql, id, message, self.now)
    }

    /// The key of one source's attempts on one identifier. Addresses of sources are not stored either.
    fn pair_key(&self, subject: &str, source: &str) -> String {
        format!("{subject}/{}", self.digest(&[b"attempt source", source.as_bytes()]))
    }

    /// 16 bytes of the keyed digest of `parts`, in hexadecimal digits.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> String {
        row_name(&self.keyring.digest(parts))
    }

    pub(super) fn pepper(&self) -> Result<&Pepper> {
        self.keyring.peppers().current().ok_or_else(|| Error::RustError("there is no pepper".into()))
    }
}

fn identifier_key(subject: &str) -> String {
    format!("{subject}/")
}
