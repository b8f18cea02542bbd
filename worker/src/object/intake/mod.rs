//! `IntakeObject`: everything before an account is proven, in a fixed number of shards by identifier.
//!
//! Pending sign-ups, one-time links, and failed attempts with their lockout. One call limits, counts, compares
//! and claims in one transaction. Identifiers are stored as digests; an address or number stands in the outbox only,
//! until its message is acknowledged.

mod decisions;
mod secrets;
mod sign_ups;
mod sweep;

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::alarm;
use crate::object::call::{self, Callee, export_callee};
use crate::object::intake::decisions::Intake;
use crate::object::records::{self, Records};
use crate::object::transaction::commit;
use crate::outbox::message::{Incident, MailTemplate, Owner};
use crate::outbox::rows;
use crate::store::keyring;
use crate::wire::problem::Problem;
use crate::wire::rate_limits::CountedLimit;
use postern_core::id::{AccountId, OperationId, RegistrationId, TenantId};
use postern_core::identifier::IdentifierKind;
use postern_core::intake::CodePurpose;
use postern_core::password::PasswordHash;
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use worker::{DurableObject, Env, Error, Request, Response, Result, State, Storage, durable_object};

/// How many shards there are. Fixed for the life of a deployment.
pub(crate) const SHARDS: u8 = 16;

const SIGN_UPS: &str = "sign_ups";
const BUDGETS: &str = "budgets";
const ATTEMPTS: &str = "attempts";
const LINKS: &str = "links";
const RATES: &str = "rates";
const NAMES: &str = "names";
const EXPIRING: [&str; 6] = [SIGN_UPS, BUDGETS, ATTEMPTS, LINKS, RATES, NAMES];
/// What the shard knows of itself: which one it is, when it last forgot what has expired, and how many passwords were
/// right and wrong.
const SHARD: &str = "shard";

/// What may be asked of an intake shard. `subject` is the hexadecimal digest of the identifier.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntakeCall {
    /// Open a sign-up attempt and send its code. Answered with [`LimitAnswer`], the same for every address.
    OpenSignUp(Box<OpenSignUpCall>),
    /// Mail the code of an attempt again. Answered with [`ResendAnswer`].
    ResendSignUp(Box<ResendSignUpCall>),
    /// Does somebody who signs up hold this name? Held by `holder` from now on if nobody else does. `subject` is the
    /// digest of the name. Answered with a truth value: whether it is free, or the holder's own.
    HoldName { subject: String, holder: Option<String> },
    /// A sign-up code came back. Answered with [`ClaimAnswer`].
    ClaimSignUp(Box<ClaimSignUpCall>),
    /// The account of a claim exists and its session is open. Answered with `true`.
    FinishSignUp { subject: String, operation: OperationId },
    /// Count an attempt on a password before it is compared. Answered with [`AttemptAnswer`].
    BeginAttempt {
        subject: String,
        source: String,
        /// Not if the identifier has as many failures already.
        #[serde(default)]
        below: Option<u32>,
    },
    /// The attempt succeeded: forget its failures. Answered with `true`.
    ClearAttempts { subject: String, source: String },
    /// Forget all failed attempts on an identifier, from wherever. Answered with `true`.
    ForgiveAttempts { subject: String },
    /// Have something written to the audit trail, if there is such an account. Answered with `true`.
    Report(Box<ReportCall>),
    /// How many passwords were right and wrong, of all identifiers of this shard. Answered with
    /// [`PasswordCounts`](postern_core::throttle::PasswordCounts).
    ShowCounts,
    /// The failed attempts on an identifier. Answered with [`FailedAttempts`].
    ShowAttempts { subject: String },
    /// Send a one-time code or link, whoever the address or number belongs to. Answered with [`LimitAnswer`], the same
    /// for every one.
    MailSecret(Box<MailSecretCall>),
    /// Count a mail or SMS that this subject asks for to be sent to another. Answered with [`LimitAnswer`].
    TakeRequest {
        subject: String,
        purpose: CodePurpose,
        #[serde(default)]
        by_sms: bool,
    },
    /// A code or link came back. Answered with [`SecretAnswer`].
    PresentSecret(Box<PresentSecretCall>),
    /// The same, but that a right one is not used up. Answered with [`SecretAnswer`].
    CompareSecret(Box<PresentSecretCall>),
    /// Outbox rows whose delivery is confirmed. Answered with `true`.
    Acknowledge { ids: Vec<String> },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OpenSignUpCall {
    pub(crate) shard: u8,
    pub(crate) subject: String,
    pub(crate) tenant: TenantId,
    pub(crate) kind: IdentifierKind,
    pub(crate) identifier: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) username: Option<String>,
    pub(crate) registration: RegistrationId,
    /// As long as it may become: the shard knows how much of it is mailed.
    pub(crate) code: String,
    pub(crate) password: Option<PasswordHash>,
    /// The language of the mail, if the request had a wish.
    #[serde(default)]
    pub(crate) language: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ResendSignUpCall {
    pub(crate) shard: u8,
    pub(crate) subject: String,
    pub(crate) tenant: TenantId,
    pub(crate) kind: IdentifierKind,
    pub(crate) identifier: String,
    pub(crate) registration: RegistrationId,
    pub(crate) operation: OperationId,
    /// As long as it may become.
    pub(crate) code: String,
    /// The language of the mail, if the request had a wish.
    #[serde(default)]
    pub(crate) language: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResendAnswer {
    /// Mailed, now or by an earlier try of the same request.
    Mailed,
    Limited {
        retry_after_seconds: u64,
        #[serde(default)]
        limit: Option<CountedLimit>,
    },
    /// Nothing of this registration waits for a code.
    Unknown,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ClaimSignUpCall {
    pub(crate) subject: String,
    pub(crate) tenant: TenantId,
    pub(crate) kind: IdentifierKind,
    pub(crate) identifier: String,
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
    #[serde(default)]
    pub(crate) username: Option<String>,
    pub(crate) password: Option<PasswordHash>,
    pub(crate) send_set_password_link: bool,
    pub(crate) done: bool,
}

/// Whether a limit on the identifier holds, and for how long.
#[derive(Serialize, Deserialize)]
pub(crate) struct LimitAnswer {
    pub(crate) retry_after_seconds: Option<u64>,
    /// Which limit that is.
    #[serde(default)]
    pub(crate) limit: Option<CountedLimit>,
}

impl LimitAnswer {
    /// There is no limit, or none that is reached.
    pub(crate) const ADMITTED: Self = Self { retry_after_seconds: None, limit: None };

    const fn limited(retry_after_seconds: u64, limit: CountedLimit) -> Self {
        Self { retry_after_seconds: Some(retry_after_seconds), limit: Some(limit) }
    }
}

/// Whether a password may be compared, and with which besides the account's.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct AttemptAnswer {
    pub(crate) retry_after_seconds: Option<u64>,
    /// Of the newest sign-up on the identifier that waits for its code.
    #[serde(default)]
    pub(crate) pending: Option<PasswordHash>,
    /// Whether the automatic lock holds from now on if this attempt fails.
    #[serde(default)]
    pub(crate) locks_on_failure: bool,
    /// Whether it is only too early.
    #[serde(default)]
    pub(crate) delayed: bool,
    /// Whether it was not counted for the failures of before.
    #[serde(default)]
    pub(crate) too_many: bool,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ReportCall {
    pub(crate) shard: u8,
    pub(crate) operation: OperationId,
    pub(crate) incident: Incident,
}

/// The failed attempts on one identifier, as operators see them.
#[derive(Serialize, Deserialize)]
pub(crate) struct FailedAttempts {
    /// Since the last success, from everywhere: as many as are remembered.
    pub(crate) failures: u32,
    pub(crate) last_attempt_at: Option<UnixMillis>,
    /// The lock that holds for everybody, if one does.
    pub(crate) locked_by: Option<String>,
    pub(crate) locked_until: Option<UnixMillis>,
    /// Sources with failures of their own, and how many of them are locked.
    pub(crate) sources: u32,
    pub(crate) locked_sources: u32,
}

/// Which secret: there is one per subject and purpose at a time, and one per account for an address that accounts want
/// to have.
#[derive(Serialize, Deserialize)]
pub(crate) struct SecretName {
    pub(crate) tenant: TenantId,
    pub(crate) subject: String,
    pub(crate) purpose: CodePurpose,
    /// What the digest is bound to besides: the account or the address in full.
    pub(crate) bound_to: String,
    /// Whether it goes to a phone: then it is a code, and counts as an SMS.
    #[serde(default)]
    pub(crate) by_sms: bool,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct MailSecretCall {
    pub(crate) shard: u8,
    pub(crate) name: SecretName,
    pub(crate) operation: OperationId,
    /// As long as it may become: the shard knows how much of a code is mailed.
    pub(crate) secret: String,
    pub(crate) to: String,
    pub(crate) template: MailTemplate,
    /// The language of the mail, if the request had a wish.
    #[serde(default)]
    pub(crate) language: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PresentSecretCall {
    pub(crate) name: SecretName,
    pub(crate) operation: OperationId,
    pub(crate) against: u32,
    /// When the credential was changed, if it ever was.
    #[serde(default)]
    pub(crate) changed_at_millis: Option<u64>,
    pub(crate) secret: String,
    pub(crate) source: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecretAnswer {
    /// Right, and used up by this operation, now or a moment ago.
    Used {
        operation: OperationId,
        against: u32,
    },
    /// Right, and not used up.
    Right,
    Refused,
}

/// The name of the object of a shard.
pub(crate) fn name(shard: u8) -> String {
    format!("v1/intake/{shard:02}")
}

/// The object. See the module's documentation.
#[durable_object(alarm)]
pub struct IntakeObject {
    state: State,
    env: Env,
    /// Whether the tables are known to be there: they are never dropped, and asking costs as much as a call's own rows.
    has_tables: Cell<bool>,
}

impl DurableObject for IntakeObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, has_tables: Cell::new(false) }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        call::over_fetch(self, request).await
    }

    async fn alarm(&self) -> Result<Response> {
        alarm::rings();
        let ambient = Ambient::read();
        let storage = self.state.storage();
        let sql = storage.sql();
        if let Some(shard) = Records::new(&sql, SHARD).get(SHARD)? {
            rows::deliver_due(&storage, &self.env, &Owner::Intake(shard), ambient).await?;
        }
        let left = sweep::sweep(&sql, ambient.now())?;
        if left && storage.get_alarm().await?.is_none() {
            alarm::set(&storage, sweep::EVERY_MILLIS).await?;
        }
        Response::empty()
    }
}

export_callee!(IntakeObject);

impl Callee for IntakeObject {
    async fn answer(&self, message: &str) -> Result<String> {
        let ambient = Ambient::read();
        let (tenant, call): (_, IntakeCall) = call::receive_for_tenant(message)?;
        let environment = Environment::open_for(&self.env, tenant.as_ref()).map_err(refused)?;
        let keyring = keyring::load(&environment, ambient).await.map_err(refused)?;
        let storage = self.state.storage();
        let sql = storage.sql();
        let intake = Intake { environment: &environment, sql: &sql, keyring: &keyring, now: ambient.now() };
        let answer = commit(&storage, || {
            if !self.has_tables.get() {
                records::create(&sql, &[SHARD])?;
                records::create_expiring(&sql, &EXPIRING)?;
                rows::create(&sql)?;
            }
            intake.answer(call)
        })?;
        self.has_tables.set(true);
        // What is committed is answered: an alarm that is not set now is set by the next call.
        if let Err(error) = wake(&storage, ambient.now()).await {
            worker::console_error!("intake: no alarm is set: {error}");
        }
        Ok(answer)
    }
}

async fn wake(storage: &Storage, now: UnixMillis) -> Result<()> {
    if rows::is_pending(&storage.sql(), now)? {
        rows::wake(storage).await?;
    } else if storage.get_alarm().await?.is_none() {
        alarm::set(storage, sweep::EVERY_MILLIS).await?;
    }
    Ok(())
}

fn refused(problem: Problem) -> Error {
    Error::RustError(problem.code().into())
}
