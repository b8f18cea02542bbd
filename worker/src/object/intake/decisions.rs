//! What each call on an intake shard comes to: records in, a decision of the core, records and mails out.

use super::{
    ATTEMPTS, BUDGETS, ClaimAnswer, ClaimSignUpCall, Claimed, IntakeCall, IssueLinkCall, LINKS, LimitAnswer,
    LinkAnswer, OpenSignUpCall, RATES, SHARD, SIGN_UPS, Selector,
};
use crate::environment::Environment;
use crate::object::limiter::drained_at;
use crate::object::records::{Expiring, Records};
use crate::outbox::message::{Mail, MailTemplate, Message, Recipient};
use crate::outbox::rows;
use crate::store::keyring::Keyring;
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::intake::{
    ClaimOutcome, ClaimRequest, ClaimSelector, CodeBinding, CodePurpose, ConsumeOutcome, GuessBudget,
    NewSignUp, OneTimeSecret, OpenSignUpOutcome, PendingSignUp, SignUpAddress, SignUpWrites, UsePolicy,
    claim_sign_up, consume, finish_sign_up, open_sign_up,
};
use postern_core::password::Pepper;
use postern_core::secret::SecretText;
use postern_core::throttle::{
    Attempt, LockoutRecord, LockoutRecords, RateDecision, RateLimit, decide, decide_attempt,
};
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize};
use worker::{Error, Result, SqlStorage};

/// More attempts than the policy keeps open on one address, claimed ones included.
const MOST_SIGN_UPS: u16 = 64;
/// How long a set-password link works: a day, since it is often opened on another device later.
const LINK_TTL: Seconds = Seconds::new(86_400);

/// A link with the operation that it was mailed for.
#[derive(Serialize, Deserialize)]
struct StoredLink {
    issued_by: OperationId,
    secret: OneTimeSecret,
}

impl StoredLink {
    fn store(&self, table: &Expiring<'_>, account: &AccountId) -> Result<()> {
        table.put(&account.to_string(), self, self.secret.removable_at(&UsePolicy::LINK))
    }
}

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
            IntakeCall::IssueLink(call) => serde_json::to_vec(&self.issue_link(call)?),
            IntakeCall::ConsumeLink { tenant, account, secret, operation } => {
                serde_json::to_vec(&self.consume_link(&tenant, &account, &secret, operation)?)
            }
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
        if !is_repeated && let Some(seconds) = self.wait_for_sign_up(&call.subject)? {
            return Ok(LimitAnswer { retry_after_seconds: Some(seconds) });
        }
        let address = SignUpAddress { tenant: &call.tenant, kind: "email", identifier: &call.email };
        let code = SecretText::new(call.code);
        let new = NewSignUp {
            registration_id: call.registration,
            code: &code,
            password: call.password,
            display_name: Some(call.name),
        };
        let pepper = self.pepper()?;
        let policy = self.environment.sign_up_policy();
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

    /// Takes one from the limit on sign-ups of this address; the seconds to wait if there is none left.
    fn wait_for_sign_up(&self, subject: &str) -> Result<Option<u64>> {
        let Some(limit) = self.environment.config().limits().sign_up_per_identifier else { return Ok(None) };
        let limit = RateLimit::new(limit.count(), limit.period());
        let limit = limit.map_err(|error| Error::RustError(error.to_string()))?;
        let table = Expiring::new(self.sql, RATES);
        match decide(table.get(subject)?, self.now, limit, 1) {
            RateDecision::Admitted { arrival, .. } => {
                table.put(subject, &arrival, drained_at(arrival))?;
                Ok(None)
            }
            RateDecision::Limited { arrival, retry_after_seconds, .. } => {
                if let Some(arrival) = arrival {
                    table.put(subject, &arrival, drained_at(arrival))?;
                }
                Ok(Some(retry_after_seconds))
            }
        }
    }

    fn claim_sign_up(&self, call: ClaimSignUpCall) -> Result<ClaimAnswer> {
        let existing = self.sign_ups(&call.subject)?;
        let budget: Option<GuessBudget> = Expiring::new(self.sql, BUDGETS).get(&call.subject)?;
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

    fn store_attempts(&self, subject: &str, source: &str, records: LockoutRecords) -> Result<bool> {
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

    fn issue_link(&self, call: IssueLinkCall) -> Result<bool> {
        let table = Expiring::new(self.sql, LINKS);
        let stored: Option<StoredLink> = table.get(&call.account.to_string())?;
        if stored.is_some_and(|stored| stored.issued_by == call.operation) {
            // The link of this operation is in the mail, whatever secret was drawn for a repetition.
            return Ok(true);
        }
        let binding = CodeBinding {
            purpose: CodePurpose::SetPassword,
            tenant: &call.tenant,
            subject: call.account.as_bytes(),
        };
        let secret = OneTimeSecret::new(self.pepper()?, &binding, call.secret.as_bytes(), self.now, LINK_TTL);
        // One link per account: a new one makes the earlier ones worthless.
        StoredLink { issued_by: call.operation, secret }.store(&table, &call.account)?;
        let ttl_seconds = LINK_TTL.as_secs();
        let template = MailTemplate::SetPassword { name: call.name, token: call.token, ttl_seconds };
        let mail = Mail { tenant: call.tenant.to_string(), to: Recipient::Address(call.email), template };
        let id = self.digest(&[b"link mail", call.operation.as_bytes()]);
        self.post(call.shard, &id, Message::Mail(mail))?;
        Ok(true)
    }

    fn consume_link(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        secret: &str,
        operation: OperationId,
    ) -> Result<LinkAnswer> {
        let table = Expiring::new(self.sql, LINKS);
        let Some(stored) = table.get::<StoredLink>(&account.to_string())? else {
            return Ok(LinkAnswer::Refused);
        };
        let binding = CodeBinding { purpose: CodePurpose::SetPassword, tenant, subject: account.as_bytes() };
        let (presented, peppers) = (secret.as_bytes(), self.keyring.peppers());
        let policy = UsePolicy::LINK;
        match consume(Some(&stored.secret), &binding, presented, operation, peppers, self.now, &policy) {
            ConsumeOutcome::Consumed { write } => {
                StoredLink { secret: write, ..stored }.store(&table, account)?;
                Ok(LinkAnswer::Consumed)
            }
            ConsumeOutcome::Repeated { used } => Ok(LinkAnswer::Repeated { operation: used.operation_id }),
            ConsumeOutcome::Refused { write, .. } => {
                if let Some(secret) = write {
                    StoredLink { secret, ..stored }.store(&table, account)?;
                }
                Ok(LinkAnswer::Refused)
            }
        }
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
            Some(budget) => {
                let over = budget.window_started_at.plus(policy.comparison_window);
                Expiring::new(self.sql, BUDGETS).put(subject, &budget, over)
            }
            None => Ok(()),
        }
    }

    /// Enqueues a message, and remembers which shard this is for the alarm, which is told nothing.
    fn post(&self, shard: u8, id: &str, message: Message) -> Result<()> {
        Records::new(self.sql, SHARD).put_new(SHARD, &shard)?;
        rows::enqueue(self.sql, id, message, self.now)
    }

    /// The key of one source's attempts on one identifier. Addresses of sources are not stored either.
    fn pair_key(&self, subject: &str, source: &str) -> String {
        format!("{subject}/{}", self.digest(&[b"attempt source", source.as_bytes()]))
    }

    /// 16 bytes of the keyed digest of `parts`, in hexadecimal digits.
    fn digest(&self, parts: &[&[u8]]) -> String {
        self.keyring.digest(parts).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    fn pepper(&self) -> Result<&Pepper> {
        self.keyring.peppers().current().ok_or_else(|| Error::RustError("there is no pepper".into()))
    }
}

fn identifier_key(subject: &str) -> String {
    format!("{subject}/")
}
