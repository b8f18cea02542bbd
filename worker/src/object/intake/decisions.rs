//! What each call on an intake shard comes to: records in, a decision of the core, records and mails out.

use super::{ATTEMPTS, AttemptAnswer, BUDGETS, FailedAttempts, IntakeCall, LimitAnswer, RATES, SHARD};
use crate::environment::Environment;
use crate::object::limiter::drained_at;
use crate::object::records;
use crate::object::records::{Expiring, Records};
use crate::outbox::message::{FAILED, Message};
use crate::outbox::rows;
use crate::store::keyring::{Keyring, row_name};
use crate::wire::rate_limits::CountedLimit;
use postern_core::config;
use postern_core::intake::{GuessBudget, GuessLimit, pending_password};
use postern_core::password::Pepper;
use postern_core::throttle::{
    Attempt, LockScope, LockoutRecord, LockoutRecords, PasswordCounts, RateDecision, RateLimit, decide,
    decide_attempt,
};
use postern_core::time::UnixMillis;
use worker::{Error, Result, SqlStorage};

/// The most sources that are looked at when somebody asks for the failed attempts on an identifier.
const MOST_SOURCES: u16 = 1_000;

/// What the shard knows of passwords.
const COUNTS: &str = "password_counts";

/// A shard at one moment, inside its transaction.
pub(super) struct Intake<'a> {
    pub(super) environment: &'a Environment,
    pub(super) sql: &'a SqlStorage,
    pub(super) keyring: &'a Keyring,
    pub(super) now: UnixMillis,
}

impl Intake<'_> {
    pub(super) fn answer(&self, call: IntakeCall) -> Result<String> {
        match call {
            IntakeCall::OpenSignUp(call) => records::write(&self.open_sign_up(*call)?),
            IntakeCall::ResendSignUp(call) => records::write(&self.resend_sign_up(*call)?),
            IntakeCall::HoldName { subject, holder } => {
                records::write(&self.hold_name(&subject, holder.as_ref())?)
            }
            IntakeCall::ClaimSignUp(call) => records::write(&self.claim_sign_up(*call)?),
            IntakeCall::FinishSignUp { subject, operation } => {
                records::write(&self.finish_sign_up(&subject, operation)?)
            }
            IntakeCall::BeginAttempt { subject, source, below } => {
                records::write(&self.begin_attempt(&subject, &source, below)?)
            }
            IntakeCall::ClearAttempts { subject, source } => {
                self.count(PasswordCounts::plus_success)?;
                records::write(&self.store_attempts(&subject, &source, LockoutRecords::after_success())?)
            }
            IntakeCall::ForgiveAttempts { subject } => {
                self.forgive_attempts(&subject)?;
                records::write(&true)
            }
            IntakeCall::Report(call) => {
                if call.incident.event == FAILED {
                    self.count(PasswordCounts::plus_failure)?;
                }
                let id = call.operation.to_string();
                self.post(call.shard, &id, Message::Incident(call.incident))?;
                records::write(&true)
            }
            IntakeCall::ShowCounts => records::write(&self.counts()?),
            IntakeCall::ShowAttempts { subject } => records::write(&self.show_attempts(&subject)?),
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
        }
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

    fn counts(&self) -> Result<PasswordCounts> {
        Ok(Records::new(self.sql, SHARD).get(COUNTS)?.unwrap_or_default())
    }

    fn count(&self, one_more: fn(PasswordCounts) -> PasswordCounts) -> Result<()> {
        Records::new(self.sql, SHARD).put(COUNTS, &one_more(self.counts()?))
    }

    fn begin_attempt(&self, subject: &str, source: &str, below: Option<u32>) -> Result<AttemptAnswer> {
        let table = Expiring::new(self.sql, ATTEMPTS);
        let stored = LockoutRecords {
            pair: table.get(&self.pair_key(subject, source))?,
            identifier: table.get(&identifier_key(subject))?,
            automatic: table.get(&automatic_key(subject))?,
        };
        let policy = self.environment.lockout_policy();
        let (retry_after_seconds, records, delayed) = match decide_attempt(stored, self.now, &policy) {
            Attempt::Admitted { records, .. }
                if below.is_some_and(|below| records.failures_before() >= below) =>
            {
                return Ok(AttemptAnswer { too_many: true, ..AttemptAnswer::default() });
            }
            Attempt::Admitted { records, locks_on_failure } => {
                self.store_attempts(subject, source, records)?;
                let sign_ups = self.sign_ups(subject)?;
                let pending = pending_password(&sign_ups, self.now, &self.environment.sign_up_policy());
                let locks_on_failure = locks_on_failure == Some(LockScope::Automatic);
                let pending = pending.cloned();
                return Ok(AttemptAnswer { pending, locks_on_failure, ..AttemptAnswer::default() });
            }
            Attempt::Locked { retry_after_seconds, records, .. } => (retry_after_seconds, records, false),
            Attempt::Delayed { retry_after_seconds, records } => (retry_after_seconds, records, true),
        };
        if let Some(records) = records {
            self.store_attempts(subject, source, records)?;
        }
        let retry_after_seconds = Some(retry_after_seconds);
        Ok(AttemptAnswer { retry_after_seconds, delayed, ..AttemptAnswer::default() })
    }

    pub(super) fn store_attempts(
        &self,
        subject: &str,
        source: &str,
        records: LockoutRecords,
    ) -> Result<bool> {
        let table = Expiring::new(self.sql, ATTEMPTS);
        let policy = self.environment.lockout_policy();
        for scope in LockScope::ALL {
            let key = match scope {
                LockScope::Pair => self.pair_key(subject, source),
                LockScope::Identifier => identifier_key(subject),
                LockScope::Automatic => automatic_key(subject),
            };
            match records.of(scope) {
                Some(record) => table.put(&key, &record, record.removable_at(&policy, scope))?,
                None => table.delete(&key)?,
            }
        }
        Ok(true)
    }

    /// Forgets the failed attempts of every source on an identifier.
    pub(super) fn forgive_attempts(&self, subject: &str) -> Result<()> {
        let table = Expiring::new(self.sql, ATTEMPTS);
        table.delete_starting_with(&identifier_key(subject))?;
        table.delete(&automatic_key(subject))
    }

    fn show_attempts(&self, subject: &str) -> Result<FailedAttempts> {
        let (table, policy) = (Expiring::new(self.sql, ATTEMPTS), self.environment.lockout_policy());
        let identifier: Option<LockoutRecord> = table.get(&identifier_key(subject))?;
        // The record of the identifier itself is the first of them.
        let sources: Vec<LockoutRecord> = table.starting_with(&identifier_key(subject), MOST_SOURCES)?;
        let sources: Vec<LockoutRecords> = sources
            .into_iter()
            .skip(usize::from(identifier.is_some()))
            .map(|pair| LockoutRecords { pair: Some(pair), ..LockoutRecords::default() })
            .map(|records| records.current(self.now, &policy))
            .filter(|records| records.pair.is_some())
            .collect();
        let automatic = table.get(&automatic_key(subject))?;
        let records = LockoutRecords { pair: None, identifier, automatic }.current(self.now, &policy);
        let known = || [records.identifier, records.automatic].into_iter().flatten();
        let lock = records.lock(self.now, &policy);
        let locked_sources = sources.iter().filter(|source| source.lock(self.now, &policy).is_some());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(FailedAttempts {
            failures: known().map(|record| record.failures).max().unwrap_or(0),
            last_attempt_at: known().map(|record| record.last_attempt_at).max(),
            locked_by: lock.map(|(scope, _)| scope.name().into()),
            locked_until: lock.map(|(_, until)| until),
            locked_sources: count(locked_sources.count()),
            sources: count(sources.len()),
        })
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

/// Not among the keys that begin as the identifier's do: those are of its sources.
fn automatic_key(subject: &str) -> String {
    format!("{subject}+")
}
