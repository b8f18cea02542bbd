//! `AccountObject`: one per account, the single writer of its status, versions and sessions.
//!
//! It alone admits: whatever was proven before, a session is opened and refreshed here or not at all. It is
//! contacted only after a first proof succeeded or an edge tag was found right.

mod commit;
mod decisions;
mod factors;
mod look;
mod passkeys;
mod proofs;
mod removal;
mod sent;
mod status;
mod step_up;
mod tables;

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::alarm;
use crate::object::call::{self, Callee, export_callee};
use crate::object::records::{self, Records};
use crate::outbox::message::Owner;
use crate::outbox::{marks, rows};
use crate::store::definitions;
use crate::store::keyring::{self, Keyring};
use crate::store::seats::Seats;
use crate::wire::problem::Problem;
use passkeys::HostVerdict;
use postern_core::account::{
    AccountRecord, AccountStatus, Actor, StatusReason, StatusRefusal, StatusRequest,
};
use postern_core::config::PermissionSettings;
use postern_core::dpop::{ReplayRefusal, ShownKey};
use postern_core::entitlement::EntitlementSnapshot;
use postern_core::factor::FactorMethod;
use postern_core::grant::Admission;
use postern_core::id::{ClientId, OperationId, SessionId, TenantId};
use postern_core::session::{
    CredentialChange, DeviceFingerprint, DeviceHint, RefreshTokenClaim, RevokeReason, Seat, SeatWish,
    TokenParts,
};
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use tables::Tables;
use worker::{DurableObject, Env, Error, Request, Response, Result, State, Storage, durable_object};

pub(crate) use factors::{
    AnswerCall, FactorAnswer, FactorCall, FactorOrder, FactorRefusal, NewChallenge, NewPasskey, Presented,
    cipher,
};

pub(crate) use look::{Looked, snapshot_of};

pub(crate) use sent::SentOrder;
pub(crate) use step_up::{StepUpCall, StepUpChallenge};

pub(crate) use passkeys::{PasskeyAnswer, PasskeyCall, PasskeyOrder, PasskeyProblem, ShownFactor};

/// The account itself. The outbox reads it too, as it does the sessions.
pub(crate) const ACCOUNT: &str = "account";
/// The sessions. The outbox reads them too, to say of one what is true when it says it.
pub(crate) const SESSIONS: &str = "sessions";
/// What was last done under an operation id, so that its repetition is answered and not done again.
const OPERATIONS: &str = "operations";
/// While a call delivers its marks itself, the alarm waits this long before it does.
const ALARM_BEHIND_CALL_MILLIS: i64 = 500;

/// What may be asked of an account.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccountCall {
    /// Open a session after a first proof. Answered with [`AdmissionAnswer`].
    Open(Box<OpenCall>),
    /// Answer the challenge that a login was put off with. Answered with [`AdmissionAnswer`].
    Answer(Box<AnswerCall>),
    /// Prove within a session to be its owner once more. Answered with [`AdmissionAnswer`].
    StepUp(Box<StepUpCall>),
    /// Show or change second factors. Answered with [`FactorAnswer`].
    Factor(Box<FactorCall>),
    /// Show, change or use passkeys. Answered with [`PasskeyAnswer`].
    Passkey(Box<PasskeyCall>),
    /// Rotate a refresh token whose edge tag was right. Answered with [`AdmissionAnswer`].
    Refresh(RefreshCall),
    /// End the session of a refresh token whose edge tag was right. Answered with [`Ended`].
    Logout { tenant: TenantId, client_id: ClientId, token: RefreshTokenClaim },
    /// End one session. Answered with [`Ended`].
    RevokeOne { tenant: TenantId, session: SessionId, reason: RevokeReason },
    /// End all sessions but perhaps one. Answered with [`Ended`].
    RevokeAll { tenant: TenantId, operation: OperationId, keep: Option<SessionId>, reason: RevokeReason },
    /// The live sessions, or all that are still remembered. Answered with a list of JSON session views.
    List {
        tenant: TenantId,
        current: Option<SessionId>,
        #[serde(default)]
        ended: bool,
    },
    /// Is an access token of this session and account version still good? Answered with a `SessionVerdict`.
    Check {
        tenant: TenantId,
        session: SessionId,
        account_version: u32,
        #[serde(default)]
        device: CheckedDevice,
        /// The key that the token is bound to, as the request has shown it.
        #[serde(default)]
        shown: Option<Box<ShownKey>>,
    },
    /// What is there to show of this session, and is an access token of it and of this account version still good?
    /// Answered with [`Looked`].
    Look { tenant: TenantId, session: SessionId, account_version: u32 },
    /// A credential change that D1 has committed; the seed, what the account starts from if it was never opened,
    /// has its new version. Answered with [`Ended`].
    Fence {
        seed: Box<AccountRecord>,
        reason: RevokeReason,
        #[serde(default)]
        change: Option<FenceChange>,
    },
    /// Change the status; the seed is what the account starts from if it was never opened. Answered with a
    /// [`StatusAnswer`].
    SetStatus { seed: Box<AccountRecord>, operation: String, request: StatusRequest },
    /// Remove all second factors by order of an operator; the seed is what the account starts from if it was never
    /// opened. Answered with a [`FactorAnswer`].
    RemoveFactors { seed: Box<AccountRecord>, operation: String, reason: StatusReason },
    /// What status does it have now? Answered with one, or `null` if the account was never opened.
    Status { tenant: TenantId },
    /// How often have second factors been wrong in a row? Answered with [`FactorAttempts`].
    FactorAttempts { tenant: TenantId },
    /// Forget all of a deleted account but that it was there. Answered with a [`PurgeAnswer`].
    Purge { tenant: TenantId, by: Actor, deleted_before: Option<UnixMillis> },
    /// The account has other entitlements; the seed is what it starts from if it was never opened. Answered with
    /// [`Ended`].
    Entitle { seed: Box<AccountRecord>, entitlements: EntitlementSnapshot },
    /// The account was given something else; the seed has it, and is what the account starts from if it was never
    /// opened. Answered with [`Ended`].
    Authorize { seed: Box<AccountRecord> },
    /// Outbox rows whose delivery is confirmed. Answered with `true`.
    Acknowledge { ids: Vec<String> },
}

impl AccountCall {
    /// Whether it comes to what the account may do.
    const fn resolves(&self) -> bool {
        matches!(
            self,
            Self::Open(_)
                | Self::Answer(_)
                | Self::StepUp(_)
                | Self::Passkey(_)
                | Self::Refresh(_)
                | Self::Fence { .. }
                | Self::Entitle { .. }
                | Self::Authorize { .. }
        )
    }

    /// The revision of the definitions that whoever calls has resolved the seed by.
    fn definitions(&self) -> u32 {
        match self {
            Self::Open(call) => call.seed.authorization.definitions,
            Self::Fence { seed, .. } | Self::Entitle { seed, .. } | Self::Authorize { seed } => {
                seed.authorization.definitions
            }
            _ => 0,
        }
    }
}

/// What a check asks of the device that a token is used on.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckedDevice {
    /// Nothing.
    #[default]
    Ignored,
    /// That it is the session's, and nobody said which it is.
    Unknown,
    /// That it is the session's.
    Known(Box<DeviceFingerprint>),
}

/// What a fence is about, besides the version.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FenceChange {
    /// What the owner is told of.
    pub(crate) change: CredentialChange,
    /// The session that made the change and goes on.
    pub(crate) keep: Option<SessionId>,
    /// The address to tell, when it is not the account's any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) notify: Option<String>,
}

/// A session to open, with what to seed the account from if it was never opened.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OpenCall {
    pub(crate) seed: AccountRecord,
    pub(crate) session: SessionId,
    pub(crate) session_key: String,
    pub(crate) client_id: ClientId,
    pub(crate) credential_version: u32,
    pub(crate) edge_key_id: u32,
    pub(crate) amr: Vec<String>,
    pub(crate) device: DeviceHint,
    #[serde(default)]
    pub(crate) fingerprint: DeviceFingerprint,
    /// The request that opens it has created the account.
    #[serde(default)]
    pub(crate) created: bool,
    /// The language that the request would like best.
    #[serde(default)]
    pub(crate) language: Option<String>,
    /// For an account that has a second factor.
    #[serde(default)]
    pub(crate) challenge: Option<NewChallenge>,
    /// base64url of a trusted device's secret.
    #[serde(default)]
    pub(crate) trusted: Option<String>,
    /// The owner asks for the session to last longer.
    #[serde(default)]
    pub(crate) remember: bool,
    /// The proof was more than one factor already: nothing is challenged.
    #[serde(default)]
    pub(crate) is_multi_factor: bool,
    /// The key that the session is to be bound to.
    #[serde(default)]
    pub(crate) shown: Option<ShownKey>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RefreshCall {
    pub(crate) tenant: TenantId,
    pub(crate) client_id: ClientId,
    pub(crate) token: RefreshTokenClaim,
    /// Drawn for this request. The same one again is the same request: answered, and not counted as a reuse.
    pub(crate) operation: OperationId,
    pub(crate) next_edge_key_id: u32,
    pub(crate) device: DeviceHint,
    #[serde(default)]
    pub(crate) fingerprint: DeviceFingerprint,
    /// The version of what the account was given that the Worker has read for the token.
    #[serde(default)]
    pub(crate) authorization_version: Option<u32>,
    /// The key that the request has shown.
    #[serde(default)]
    pub(crate) shown: Option<ShownKey>,
}

/// Whether somebody is let in.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AdmissionAnswer {
    Admitted {
        token: TokenParts,
        admission: Box<Admission>,
    },
    /// The session has been authenticated again: its next access tokens say so.
    Renewed {
        admission: Box<Admission>,
    },
    /// The first factor was right, and the second is waited for.
    ChallengeRequired {
        methods: Vec<FactorMethod>,
        expires_in: u32,
        /// There is none, and one has to be enrolled.
        #[serde(default)]
        enrols: bool,
    },
    /// The first code of a new authenticator was right, and nothing is stored: it comes again with backup codes.
    BackupCodesWanted,
    Limited {
        retry_after_seconds: u64,
    },
    Refused(AdmissionRefusal),
    /// The session needs a place among its tenant's. Never leaves the object.
    #[serde(skip)]
    SeatWanted(SeatWish),
}

/// Why somebody is not let in, as far as the outside may know.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AdmissionRefusal {
    /// The proof was made against credentials that are not the account's any more.
    CredentialStale,
    /// The session id was used for something else.
    SessionIdUsed,
    SessionLimitExceeded,
    TenantSessionLimitExceeded,
    DeviceHintMissing,
    /// The session is bound to another device.
    DeviceRejected,
    /// Every session has to be bound to a key, and none was shown.
    KeyMissing,
    /// The proof of a key may not be used.
    ProofRefused(ReplayRefusal),
    RefreshInvalid,
    /// What the Worker has read of the account is not what it was given last.
    AuthorizationOutdated,
    /// Unknown, expired, answered before, or of another device.
    ChallengeInvalid,
    SecondFactorInvalid,
    /// The account has a second factor, and none was presented.
    FactorMissing,
    /// The account has no factor of the kind that was presented.
    NotEnrolled,
    SessionEnded,
    AccountNotActive(AccountStatus),
}

/// What came of ending sessions.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) found: bool,
    pub(crate) revoked: u32,
    /// It is stored, but the revocation shard has not confirmed the marks: readers at the edge may not know yet.
    /// The alarm goes on, and asking again tries again.
    pub(crate) pending: bool,
}

impl Ended {
    const NOTHING: Self = Self { found: false, revoked: 0, pending: false };
    const BEFORE: Self = Self { found: true, ..Self::NOTHING };

    const fn now(revoked: u32) -> Self {
        Self { revoked, ..Self::BEFORE }
    }
}

/// What came of a change of status.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusAnswer {
    /// The account has the status that was wanted, now or before; with all that copies of it need.
    Set { changed: bool, account: Box<AccountRecord>, pending: bool },
    /// Nothing was changed.
    Refused(StatusRefusal),
    /// The operation's id came with another order before.
    OperationReused,
    /// The account is another tenant's.
    Unknown,
}

/// The failed attempts at second factors.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct FactorAttempts {
    /// In a row.
    pub(crate) failures: u32,
    /// Until when none is compared.
    pub(crate) paused_until: Option<UnixMillis>,
}

/// What came of purging an account.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PurgeAnswer {
    /// It is gone, now or before.
    Purged,
    /// It is not deleted, or not for long enough.
    Refused,
    /// It was never opened, or is another tenant's.
    Unknown,
}

/// The object. See the module's documentation.
#[durable_object(alarm)]
pub struct AccountObject {
    state: State,
    env: Env,
    tables: Tables,
}

impl DurableObject for AccountObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, tables: Tables::default() }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        call::over_fetch(self, request).await
    }

    async fn alarm(&self) -> Result<Response> {
        alarm::rings();
        let storage = self.state.storage();
        let ambient = Ambient::read();
        let account: Option<AccountRecord> = Records::new(&storage.sql(), ACCOUNT).get(ACCOUNT)?;
        if let Some(account) = account {
            // Marks before all else, and whatever becomes of the rest.
            if !marks::deliver_marks(&storage, &self.env, ambient.now()).await {
                marks::defer(&storage.sql(), ambient.now())?;
            }
            let owner = Owner::Account(account.id);
            rows::deliver_due(&storage, &self.env, &owner, ambient).await?;
            if account.status == AccountStatus::Purged && rows::is_empty(&storage.sql())? {
                self.forget_tombstone(&storage, &account, ambient.now()).await?;
            }
        }
        Response::empty()
    }
}

export_callee!(AccountObject);

impl Callee for AccountObject {
    async fn answer(&self, message: &str) -> Result<String> {
        let now = Ambient::read().now();
        let (tenant, call): (_, AccountCall) = call::receive_for_tenant(message)?;
        // Everything that could fail for other reasons than the storage comes before the first read.
        let environment = Environment::open_for(&self.env, tenant.as_ref())
            .map_err(|problem| Error::RustError(problem.code().into()))?;
        let keyring = match &call {
            AccountCall::Factor(call) if !call.order.opens_secrets() => None,
            AccountCall::Open(call) if call.trusted.is_none() => None,
            AccountCall::Open(_)
            | AccountCall::Answer(_)
            | AccountCall::StepUp(_)
            | AccountCall::Factor(_)
            | AccountCall::Passkey(_) => {
                let keyring = keyring::load(&environment, Ambient::read()).await;
                Some(keyring.map_err(|problem| Error::RustError(problem.code().into()))?)
            }
            _ => None,
        };
        let limit = environment.config().sessions().max_per_tenant;
        let seat = if limit.is_some() { Seat::Unasked } else { Seat::Granted };
        let permissions = self.permissions(&environment, &call, now).await?;
        let account = Account {
            state: &self.state,
            tables: &self.tables,
            environment: &environment,
            keyring,
            permissions,
            now,
            seat,
            verdict: None,
        };
        let verdict = account.ask_host(&call).await?;
        let account = Account { verdict, ..account };
        let done = match limit {
            Some(limit) => self.seated(account, call, limit.get()).await?,
            None => account.carry_out(call)?,
        };
        match done {
            Done::Seat(_) => Err(Error::RustError("a place was wanted twice".into())),
            Done::Read(answer) => Ok(answer),
            Done::Written(answer) => {
                self.follow_up(now).await;
                Ok(answer)
            }
            Done::Ended(ended) => {
                let pending = !self.follow_up(now).await;
                records::write(&Ended { pending, ..ended })
            }
            Done::Factor(mut answer) => {
                let marks_wait = !self.follow_up(now).await;
                if let FactorAnswer::Done { pending } = &mut answer {
                    *pending = marks_wait;
                }
                records::write(&answer)
            }
            Done::Passkey(mut answer) => {
                let marks_wait = !self.follow_up(now).await;
                if let PasskeyAnswer::Done { pending } = &mut answer {
                    *pending = marks_wait;
                }
                records::write(&answer)
            }
            Done::Status(mut answer) => {
                let marks_wait = !self.follow_up(now).await;
                if let StatusAnswer::Set { pending, .. } = &mut answer {
                    *pending = marks_wait;
                }
                records::write(&answer)
            }
        }
    }
}

impl AccountObject {
    /// Carries a call out, for a tenant that may not have more than so many sessions at once: decides, asks for a place if a
    /// session would be opened, and decides anew, since others may have been here meanwhile.
    async fn seated(&self, account: Account<'_>, call: AccountCall, limit: u32) -> Result<Done> {
        let again = match &call {
            AccountCall::Open(call) => AccountCall::Open(call.clone()),
            AccountCall::Answer(call) => AccountCall::Answer(call.clone()),
            _ => return account.carry_out(call),
        };
        let wish = match account.carry_out(call)? {
            Done::Seat(wish) => wish,
            done => return Ok(done),
        };
        let (environment, shards) = (account.environment, Environment::revocations(&self.env)?);
        let seats = Seats { environment, shards, tenant: environment.config().tenant(), limit };
        let Some(id) = account.account_of(&again)? else { return account.carry_out(again) };
        let failed = |error: call::Unconfirmed| Error::RustError(error.to_string());
        let seat = seats.take(id, &wish).await.map_err(failed)?;
        let account = Account { seat, ..account };
        let done = account.carry_out(again);
        if seat == Seat::Granted && account.session(wish.session)?.is_none() {
            // What is not given back is counted as taken until the session would have ended unused.
            let _ = seats.leave(id, wish.session).await;
        }
        done
    }

    /// By what this call resolves the account's permissions: what is not older than what they were resolved by before,
    /// here or where the call comes from.
    async fn permissions(
        &self,
        environment: &Environment,
        call: &AccountCall,
        now: UnixMillis,
    ) -> Result<Rc<PermissionSettings>> {
        let because = |problem: Problem| Error::RustError(problem.code().into());
        if !environment.config().permissions().runtime || !call.resolves() {
            return Ok(environment.configured());
        }
        let sql = self.state.storage().sql();
        let stored: Option<AccountRecord> =
            if self.tables.are_opened(&sql)? { Records::new(&sql, ACCOUNT).get(ACCOUNT)? } else { None };
        let revision = stored.map_or(0, |account| account.authorization.definitions).max(call.definitions());
        definitions::know(environment, now, revision).await.map_err(because)?;
        environment.permissions().map_err(because)
    }

    /// What follows a commit: the alarm for what waits in the outbox, and the marks at once, so that whoever is
    /// told that a session has ended can rely on it everywhere. `false` if a mark is not confirmed.
    ///
    /// Nothing here fails the call: it has been carried out.
    async fn follow_up(&self, now: UnixMillis) -> bool {
        let storage = self.state.storage();
        let sql = storage.sql();
        let waiting = self.tables.are_opened(&sql).and_then(|opened| {
            if opened { Ok((rows::is_pending(&sql, now)?, marks::wait(&sql)?)) } else { Ok((false, false)) }
        });
        let (rows_wait, marks_wait) = waiting.unwrap_or_else(|error| {
            worker::console_error!("outbox: {error}");
            (true, true)
        });
        if rows_wait || marks_wait {
            // Before anything is waited for, so that it is stored together with the commit.
            let delay = if marks_wait { ALARM_BEHIND_CALL_MILLIS } else { 0 };
            if let Err(error) = alarm::set(&storage, delay).await {
                worker::console_error!("outbox alarm: {error}");
            }
        }
        !marks_wait || marks::deliver_marks(&storage, &self.env, now).await
    }

    /// A tombstone has nothing to refuse any more when the longest session of its account would have ended.
    async fn forget_tombstone(
        &self,
        storage: &Storage,
        account: &AccountRecord,
        now: UnixMillis,
    ) -> Result<()> {
        let purged_at = account.cause.as_ref().map_or(now, |cause| cause.at);
        let over = purged_at.plus(Environment::LONGEST_SESSION);
        if over <= now {
            self.tables.are_gone();
            return storage.delete_all().await;
        }
        alarm::set(storage, i64::try_from(over.millis_since(now)).unwrap_or(i64::MAX)).await
    }
}

/// What a call has come to.
enum Done {
    /// Answered; nothing was stored that anybody waits for.
    Read(String),
    /// Nothing was stored: a place is wanted first.
    Seat(SeatWish),
    /// Stored, and answered whether or not readers at the edge know.
    Written(String),
    /// Stored, and answered when readers at the edge are certain to know in time.
    Ended(Ended),
    /// The same, for a change of status.
    Status(StatusAnswer),
    /// The same, for a change of second factors.
    Factor(FactorAnswer),
    /// The same, for passkeys.
    Passkey(PasskeyAnswer),
}

/// One account at one moment: what its calls are answered from.
struct Account<'a> {
    state: &'a State,
    tables: &'a Tables,
    environment: &'a Environment,
    /// For the calls that need it.
    keyring: Option<Rc<Keyring>>,
    /// For the calls that resolve what the account may do.
    permissions: Rc<PermissionSettings>,
    now: UnixMillis,
    /// Whether the session that a call opens has a place.
    seat: Seat,
    /// Of a signature that the call brings.
    verdict: Option<HostVerdict>,
}
