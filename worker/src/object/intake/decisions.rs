//! What each call on an intake shard comes to: records in, a decision of the core, records and mails out.

use super::{
    ATTEMPTS, BUDGETS, ClaimAnswer, ClaimSignUpCall, Claimed, IntakeCall, LimitAnswer, OpenSignUpCall, RATES,
    SHARD, SIGN_UPS, Selector,
};
use crate::environment::Environment;
use crate::object::limiter::drained_at;
use crate::object::records::{Expiring, Records};
use crate::outbox::message::{Mail, MailTemplate, Message, Recipient};
use crate::outbox::rows;
use crate::store::keyring::Keyring;
use postern_core::config;
use postern_core::id::OperationId;
use postern_core::intake::{
    ClaimOutcome, ClaimRequest, ClaimSelector, GuessBudget, GuessLimit, NewSignUp, OpenSignUpOutcome,
    PendingSignUp, SignUpAddress, SignUpWrites, claim_sign_up, finish_sign_up, open_sign_up,
};
use postern_core::password::Pepper;
use postern_core::secret::SecretText;
use postern_core::throttle::{
    Attempt, LockoutRecord, LockoutRecords, RateDecision, RateLimit, decide, decide_attempt,
};
use postern_core::time::UnixMillis;
use worker::{Error, Result, SqlStorage};

/// More attempts than the policy keeps open on one address, claimed ones included.
const MOST_SIGN_UPS: u16 = 64;
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
            IntakeCall::OpenSignUp(call) => serde_json::to_vec(&self.open_sign_up(*call)?),
            IntakeCall::ClaimSignUp(call) => serde_json::to_vec(&self.claim_sign_up(*call)?),
            IntakeCall::FinishSignUp { subject, operation } => {
                serde_json::to_vec(&self.finish_sign_up(&subject, operation)?)
            }
            IntakeCall::BeginAttempt { subject, source } => {
                serde_json::to_vec(&self.begin_attempt(&subject, &source)?)
            }
            IntakeCall::ClearAttempts { subject, source } => serde_json::to_vec(&self.store_attempts(
                &subject,
                &source,
                LockoutRecords::after_success(),
            )?),
            IntakeCall::MailSecret(call) => serde_json::to_vec(&self.mail_secret(*call)?),
            IntakeCall::TakeRequest { subject, purpose } => {
                serde_json::to_vec(&self.take_request(&subject, purpose)?)
            }
            IntakeCall::PresentSecret(call) => serde_json::to_vec(&self.present_secret(&call)?),
            IntakeCall::Acknowledge { ids } => {
                rows::acknowledge(self.sql, &ids)?;
                serde_json::to_vec(&true)
            }
        };
        Ok(answer?)
    }

    fn open_sign_up(&self, call: OpenSignUpCall) -> Result<LimitAnswer> {
        let existing = self.sign_ups(&call.subject)?;
        let is_repeated = existing.iter().any(|attempt| attempt.registration_id == call.registration);
        let limit = self.environment.config().limits().sign_up_per_identifier;
        if !is_repeated && let Some(seconds) = self.wait_for(&call.subject, limit)? {
            return Ok(LimitAnswer { retry_after_seconds: Some(seconds) });
        }
        let address = SignUpAddress { tenant: &call.tenant, kind: "email", identifier: &call.email };
        let policy = self.environment.sign_up_policy();
        let length = policy.guesses.code_length(self.budget(&call.subject)?, self.now);
        let code = SecretText::new(length.of(&call.code).into());
        let new = NewSignUp {
            registration_id: call.registration,
            code: &code,
            password: call.password,
            display_name: Some(call.name),
        };
        let pepper = self.pepper()?;
        if let OpenSignUpOutcome::Opened { writes, .. } =
            open_sign_up(&existing, &address, new, pepper, self.now, &policy)
        {
            self.store_sign_ups(&call.subject, writes)?;
            let template = MailTemplate::SignUpCode {
                code: code.expose().into(),
                ttl_seconds: policy.time_to_live.as_secs(),
            };
            let to = Recipient::Address(call.email);
            let mail = Message::Mail(Mail { tenant: call.tenant.to_string(), to, template });
            // The id goes to the mail service, which must not learn the registration.
            let id = self.digest(&[b"sign-up mail", call.registration.as_bytes()]);
            self.post(call.shard, &id, mail)?;
        }
        Ok(LimitAnswer { retry_after_seconds: None })
    }

    /// Takes one from a limit on this key; the seconds to wait if there is none left.
    pub(super) fn wait_for(&self, key: &str, limit: Option<config::RateLimit>) -> Result<Option<u64>> {
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

    fn claim_sign_up(&self, call: ClaimSignUpCall) -> Result<ClaimAnswer> {
        let existing = self.sign_ups(&call.subject)?;
        let budget = self.budget(&call.subject)?;
        let address = SignUpAddress { tenant: &call.tenant, kind: "email", identifier: &call.email };
        let code = SecretText::new(call.code);
        let selector = match call.selector {
            Selector::Registration(id) => ClaimSelector::ByRegistration(id),
            Selector::Bare => ClaimSelector::Bare,
            Selector::Password(password) => ClaimSelector::WithPassword { password, display_name: None },
        };
        let request =
            ClaimRequest { code: &code, selector, account_id: call.account, operation_id: call.operation };
        let policy = self.environment.sign_up_policy();
        let outcome =
            claim_sign_up(&existing, budget, &address, request, self.keyring.peppers(), self.now, &policy);
        let sign_up = match outcome {
            ClaimOutcome::Claimed { sign_up, writes } => {
                self.store_sign_ups(&call.subject, writes)?;
                sign_up
            }
            ClaimOutcome::Repeated { sign_up } => sign_up,
            ClaimOutcome::Refused { writes, .. } => {
                self.store_sign_ups(&call.subject, writes)?;
                return Ok(ClaimAnswer::Refused);
            }
        };
        Ok(ClaimAnswer::Claimed(Box::new(Claimed {
            account: sign_up.claim.account_id,
            operation: sign_up.claim.operation_id,
            name: sign_up.display_name,
            password: sign_up.password,
            send_set_password_link: sign_up.claim.send_set_password_link,
            done: sign_up.claim.done,
        })))
    }

    fn finish_sign_up(&self, subject: &str, operation: OperationId) -> Result<bool> {
        if let Some(finished) = finish_sign_up(&self.sign_ups(subject)?, operation) {
            let writes = SignUpWrites { put: vec![finished], ..SignUpWrites::default() };
            self.store_sign_ups(subject, writes)?;
        }
        Ok(true)
    }

    fn begin_attempt(&self, subject: &str, source: &str) -> Result<LimitAnswer> {
        let table = Expiring::new(self.sql, ATTEMPTS);
        let stored = LockoutRecords {
            pair: table.get(&self.pair_key(subject, source))?,
            identifier: table.get(&identifier_key(subject))?,
        };
        match decide_attempt(stored, self.now, &self.environment.lockout_policy()) {
            Attempt::Admitted { records, .. } => {
                self.store_attempts(subject, source, records)?;
                Ok(LimitAnswer { retry_after_seconds: None })
            }
            Attempt::Locked { retry_after_seconds, records, .. } => {
                if let Some(records) = records {
                    self.store_attempts(subject, source, records)?;
                }
                Ok(LimitAnswer { retry_after_seconds: Some(retry_after_seconds) })
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

    fn sign_ups(&self, subject: &str) -> Result<Vec<PendingSignUp>> {
        Expiring::new(self.sql, SIGN_UPS).starting_with(&format!("{subject}/"), MOST_SIGN_UPS)
    }

    fn store_sign_ups(&self, subject: &str, writes: SignUpWrites) -> Result<()> {
        let table = Expiring::new(self.sql, SIGN_UPS);
        let policy = self.environment.sign_up_policy();
        for attempt in &writes.put {
            let key = format!("{subject}/{}", attempt.registration_id);
            table.put(&key, attempt, attempt.removable_at(&policy))?;
        }
        for id in &writes.delete {
            table.delete(&format!("{subject}/{id}"))?;
        }
        match writes.budget {
            Some(budget) => self.store_budget(subject, &budget, policy.guesses),
            None => Ok(()),
        }
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
        self.keyring.digest(parts).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn pepper(&self) -> Result<&Pepper> {
        self.keyring.peppers().current().ok_or_else(|| Error::RustError("there is no pepper".into()))
    }
}

fn identifier_key(subject: &str) -> String {
    format!("{subject}/")
}
