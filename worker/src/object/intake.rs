//! `IntakeObject`: everything before an account is proven, in a fixed number of shards by identifier.
//!
//! Pending sign-ups, one-time links, and failed attempts with their lockout. One call limits, counts, compares
//! and claims in one transaction. Identifiers are stored as digests; an address stands in the outbox only, until
//! its mail is acknowledged.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::call;
use crate::object::records::{self, Records};
use crate::object::transaction::commit;
use crate::outbox::message::{Mail, MailTemplate, Message, Owner, Recipient};
use crate::outbox::rows;
use crate::store::keyring;
use postern_core::id::{AccountId, OperationId, RegistrationId, TenantId};
use postern_core::intake::{
    ClaimOutcome, ClaimRequest, ClaimSelector, CodeBinding, CodePurpose, ConsumeOutcome, GuessBudget,
    NewSignUp, OneTimeSecret, OpenSignUpOutcome, PendingSignUp, SignUpAddress, SignUpWrites, UsePolicy,
    claim_sign_up, consume, finish_sign_up, open_sign_up,
};
use postern_core::password::{PasswordHash, Peppers};
use postern_core::secret::SecretText;
use postern_core::throttle::{
    Attempt, LockoutRecord, LockoutRecords, RateDecision, RateLimit, TheoreticalArrival, decide,
    decide_attempt,
};
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use worker::{DurableObject, Env, Error, Request, Response, Result, SqlStorage, State, durable_object};

/// How many shards there are. Fixed for the life of a deployment.
pub(crate) const SHARDS: u8 = 16;

const SIGN_UPS: &str = "sign_ups";
const BUDGETS: &str = "budgets";
const ATTEMPTS: &str = "attempts";
const LINKS: &str = "links";
const RATES: &str = "rates";
const SHARD: &str = "shard";
const TABLES: [&str; 6] = [SIGN_UPS, BUDGETS, ATTEMPTS, LINKS, RATES, SHARD];
const SWEEP_EVERY_MILLIS: i64 = 600_000;
const SWEPT_AT_ONCE: u16 = 500;
/// More attempts than the policy keeps open on one address, claimed ones included.
const MOST_SIGN_UPS: u16 = 64;

/// What may be asked of an intake shard. `subject` is the hexadecimal digest of the identifier.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntakeCall {
    /// Open a sign-up attempt and mail its code. Answered with [`LimitAnswer`], the same for every address.
    OpenSignUp(Box<OpenSignUpCall>),
    /// A sign-up code came back. Answered with [`ClaimAnswer`].
    ClaimSignUp(Box<ClaimSignUpCall>),
    /// The account of a claim exists and its session is open. Answered with `true`.
    FinishSignUp { subject: String, operation: OperationId },
    /// Count an attempt on a password before it is compared. Answered with [`LimitAnswer`].
    BeginAttempt { subject: String, source: String },
    /// The attempt succeeded: forget its failures. Answered with `true`.
    ClearAttempts { subject: String, source: String },
    /// Mail a set-password link to an account's owner. Answered with `true`.
    IssueLink(IssueLinkCall),
    /// A link came back. Answered with [`LinkAnswer`].
    ConsumeLink { tenant: TenantId, account: AccountId, secret: String, operation: OperationId },
    /// Outbox rows whose delivery is confirmed. Answered with `true`.
    Acknowledge { ids: Vec<String> },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OpenSignUpCall {
    pub(crate) shard: u8,
    pub(crate) subject: String,
    pub(crate) tenant: TenantId,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) registration: RegistrationId,
    pub(crate) code: String,
    pub(crate) password: Option<PasswordHash>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ClaimSignUpCall {
    pub(crate) subject: String,
    pub(crate) tenant: TenantId,
    pub(crate) email: String,
    pub(crate) code: String,
    pub(crate) selector: Selector,
    pub(crate) account: AccountId,
    pub(crate) operation: OperationId,
}

/// Which attempt a code is for.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Selector {
    Registration(RegistrationId),
    Bare,
    Password(PasswordHash),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClaimAnswer {
    Claimed(Box<Claimed>),
    Refused,
}

/// What an account is created from.
#[derive(Serialize, Deserialize)]
pub(crate) struct Claimed {
    pub(crate) account: AccountId,
    pub(crate) operation: OperationId,
    pub(crate) name: Option<String>,
    pub(crate) password: Option<PasswordHash>,
    pub(crate) send_set_password_link: bool,
    pub(crate) done: bool,
}

/// Whether a limit on the identifier holds, and for how long.
#[derive(Serialize, Deserialize)]
pub(crate) struct LimitAnswer {
    pub(crate) retry_after_seconds: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IssueLinkCall {
    pub(crate) shard: u8,
    pub(crate) tenant: TenantId,
    pub(crate) account: AccountId,
    pub(crate) operation: OperationId,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) token: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LinkAnswer {
    /// Right, and used up.
    Consumed,
    /// Right, and used a moment ago by this operation.
    Repeated {
        operation: OperationId,
    },
    Refused,
}

/// The name of the object of a shard.
pub(crate) fn name(shard: u8) -> String {
    format!("v1/intake/{shard:02}")
}

/// The object. See the module's documentation.
#[durable_object]
pub struct IntakeObject {
    state: State,
    env: Env,
}

impl DurableObject for IntakeObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let ambient = Ambient::read();
        let call: IntakeCall = call::receive(request).await?;
        let refused = |problem: crate::wire::problem::Problem| Error::RustError(problem.code().into());
        let environment = Environment::open(&self.env).map_err(refused)?;
        let keyring = keyring::load(&environment, ambient).await.map_err(refused)?;
        let storage = self.state.storage();
        let sql = storage.sql();
        let intake =
            Intake { environment: &environment, sql: &sql, peppers: keyring.peppers(), now: ambient.now() };
        let answer = commit(&storage, || {
            records::create(&sql, &TABLES)?;
            rows::create(&sql)?;
            intake.answer(call)
        })?;
        if rows::is_pending(&sql, ambient.now())? {
            rows::wake(&storage).await?;
        } else if storage.get_alarm().await?.is_none() {
            storage.set_alarm(SWEEP_EVERY_MILLIS).await?;
        }
        Response::from_bytes(answer)
    }

    async fn alarm(&self) -> Result<Response> {
        let sql = self.state.storage().sql();
        let ambient = Ambient::read();
        let environment = Environment::open(&self.env);
        let environment = environment.map_err(|problem| Error::RustError(problem.code().into()))?;
        let left = sweep(&sql, &environment, ambient.now())?;
        let storage = self.state.storage();
        if let Some(shard) = Records::new(&sql, SHARD).get(SHARD)? {
            rows::deliver_due(&storage, &self.env, &Owner::Intake(shard), ambient).await?;
        }
        if left && storage.get_alarm().await?.is_none() {
            storage.set_alarm(SWEEP_EVERY_MILLIS).await?;
        }
        Response::empty()
    }
}

/// Deletes what says nothing any more. `true` if something is left to be looked at later.
fn sweep(sql: &SqlStorage, environment: &Environment, now: UnixMillis) -> Result<bool> {
    let sign_up = environment.sign_up_policy();
    let lockout = environment.lockout_policy();
    let swept = [
        forget(sql, SIGN_UPS, |record: &PendingSignUp| record.removable_at(&sign_up) <= now)?,
        forget(sql, BUDGETS, |record: &GuessBudget| {
            record.window_started_at.plus(sign_up.comparison_window) <= now
        })?,
        forget(sql, ATTEMPTS, |record: &LockoutRecord| record.removable_at(&lockout) <= now)?,
        forget(sql, LINKS, |record: &OneTimeSecret| record.removable_at(&UsePolicy::LINK) <= now)?,
        forget(sql, RATES, |arrival: &TheoreticalArrival| {
            arrival.as_micros() <= now.as_millis().saturating_mul(1000)
        })?,
    ];
    Ok(swept.contains(&true))
}

fn forget<T: DeserializeOwned>(
    sql: &SqlStorage,
    table: &'static str,
    is_over: impl Fn(&T) -> bool,
) -> Result<bool> {
    let table = Records::new(sql, table);
    let keys = table.first_keys(SWEPT_AT_ONCE)?;
    let mut kept = false;
    for key in keys {
        match table.get(&key)? {
            Some(record) if !is_over(&record) => kept = true,
            _ => table.delete(&key)?,
        }
    }
    Ok(kept)
}

/// A shard at one moment, inside its transaction.
struct Intake<'a> {
    environment: &'a Environment,
    sql: &'a SqlStorage,
    peppers: &'a Peppers,
    now: UnixMillis,
}

impl Intake<'_> {
    fn answer(&self, call: IntakeCall) -> Result<Vec<u8>> {
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
            display_name: Some(call.name.clone()),
        };
        let pepper = self.peppers.current().ok_or_else(|| Error::RustError("there is no pepper".into()))?;
        let policy = self.environment.sign_up_policy();
        if let OpenSignUpOutcome::Opened { writes, .. } =
            open_sign_up(&existing, &address, new, pepper, self.now, &policy)
        {
            self.store_sign_ups(&call.subject, writes)?;
            let template = MailTemplate::SignUpCode {
                name: call.name,
                code: code.expose().into(),
                ttl_seconds: policy.time_to_live.as_secs(),
            };
            let to = Recipient::Address(call.email);
            let mail = Message::Mail(Mail { tenant: call.tenant.to_string(), to, template });
            self.post(call.shard, &mail_id(call.registration), mail)?;
        }
        Ok(LimitAnswer { retry_after_seconds: None })
    }

    /// Takes one from the limit on sign-ups of this address; the seconds to wait if there is none left.
    fn wait_for_sign_up(&self, subject: &str) -> Result<Option<u64>> {
        let Some(limit) = self.environment.config().limits().sign_up_per_identifier else { return Ok(None) };
        let limit = RateLimit::new(limit.count(), limit.period());
        let limit = limit.map_err(|error| Error::RustError(error.to_string()))?;
        let table = Records::new(self.sql, RATES);
        match decide(table.get(subject)?, self.now, limit, 1) {
            RateDecision::Admitted { arrival, .. } => {
                table.put(subject, &arrival)?;
                Ok(None)
            }
            RateDecision::Limited { arrival, retry_after_seconds, .. } => {
                if let Some(arrival) = arrival {
                    table.put(subject, &arrival)?;
                }
                Ok(Some(retry_after_seconds))
            }
        }
    }

    fn claim_sign_up(&self, call: ClaimSignUpCall) -> Result<ClaimAnswer> {
        let existing = self.sign_ups(&call.subject)?;
        let budget: Option<GuessBudget> = Records::new(self.sql, BUDGETS).get(&call.subject)?;
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
        let outcome = claim_sign_up(&existing, budget, &address, request, self.peppers, self.now, &policy);
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
        let table = Records::new(self.sql, ATTEMPTS);
        let stored = LockoutRecords {
            pair: table.get(&pair_key(subject, source))?,
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
        let table = Records::new(self.sql, ATTEMPTS);
        let store = |key: &str, record: Option<LockoutRecord>| match record {
            Some(record) => table.put(key, &record),
            None => table.delete(key),
        };
        store(&pair_key(subject, source), records.pair)?;
        store(&identifier_key(subject), records.identifier)?;
        Ok(true)
    }

    fn issue_link(&self, call: IssueLinkCall) -> Result<bool> {
        let table = Records::new(self.sql, LINKS);
        let key = call.account.to_string();
        // A claim that is repeated asks again, with another secret: the one that was mailed is the first.
        if table.get::<OneTimeSecret>(&key)?.is_some() {
            return Ok(true);
        }
        let subject = call.account;
        let binding = CodeBinding {
            purpose: CodePurpose::SetPassword,
            tenant: &call.tenant,
            subject: subject.as_bytes(),
        };
        let pepper = self.peppers.current().ok_or_else(|| Error::RustError("there is no pepper".into()))?;
        let ttl = LINK_TTL;
        let link = OneTimeSecret::new(pepper, &binding, call.secret.as_bytes(), self.now, ttl);
        table.put(&key, &link)?;
        let template =
            MailTemplate::SetPassword { name: call.name, token: call.token, ttl_seconds: ttl.as_secs() };
        let mail = Mail { tenant: call.tenant.to_string(), to: Recipient::Address(call.email), template };
        self.post(call.shard, &format!("link-{}", call.operation), Message::Mail(mail))?;
        Ok(true)
    }

    fn consume_link(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        secret: &str,
        operation: OperationId,
    ) -> Result<LinkAnswer> {
        let table = Records::new(self.sql, LINKS);
        let key = account.to_string();
        let stored: Option<OneTimeSecret> = table.get(&key)?;
        let binding = CodeBinding { purpose: CodePurpose::SetPassword, tenant, subject: account.as_bytes() };
        let presented = secret.as_bytes();
        let policy = UsePolicy::LINK;
        match consume(stored.as_ref(), &binding, presented, operation, self.peppers, self.now, &policy) {
            ConsumeOutcome::Consumed { write } => {
                table.put(&key, &write)?;
                Ok(LinkAnswer::Consumed)
            }
            ConsumeOutcome::Repeated { used } => Ok(LinkAnswer::Repeated { operation: used.operation_id }),
            ConsumeOutcome::Refused { write, .. } => {
                if let Some(write) = write {
                    table.put(&key, &write)?;
                }
                Ok(LinkAnswer::Refused)
            }
        }
    }

    fn sign_ups(&self, subject: &str) -> Result<Vec<PendingSignUp>> {
        Records::new(self.sql, SIGN_UPS).starting_with(&format!("{subject}/"), MOST_SIGN_UPS)
    }

    fn store_sign_ups(&self, subject: &str, writes: SignUpWrites) -> Result<()> {
        let table = Records::new(self.sql, SIGN_UPS);
        for attempt in &writes.put {
            table.put(&format!("{subject}/{}", attempt.registration_id), attempt)?;
        }
        for id in &writes.delete {
            table.delete(&format!("{subject}/{id}"))?;
        }
        match writes.budget {
            Some(budget) => Records::new(self.sql, BUDGETS).put(subject, &budget),
            None => Ok(()),
        }
    }

    /// Enqueues a message, and remembers which shard this is for the alarm, which is told nothing.
    fn post(&self, shard: u8, id: &str, message: Message) -> Result<()> {
        Records::new(self.sql, SHARD).put_new(SHARD, &shard)?;
        rows::enqueue(self.sql, id, message, self.now)
    }
}

/// How long a set-password link works: a day, since it is often opened on another device later.
const LINK_TTL: Seconds = Seconds::new(86_400);

/// The id of the mail of a sign-up. It goes to the mail service and perhaps into a header of the mail, where the
/// registration must not be: only the client that opened the attempt may know it.
fn mail_id(registration: RegistrationId) -> String {
    let digest =
        Sha256::new_with_prefix(b"postern sign-up mail v1").chain_update(registration.as_bytes()).finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn pair_key(subject: &str, source: &str) -> String {
    format!("{subject}/{source}")
}

fn identifier_key(subject: &str) -> String {
    format!("{subject}/")
}
