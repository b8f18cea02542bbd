//! `AccountObject`: one per account, the single writer of its status, versions and sessions.
//!
//! It alone admits: whatever was proven before, a session is opened and refreshed here or not at all. It is
//! contacted only after a first proof succeeded or an edge tag was found right.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::call;
use crate::object::records::{self, Records};
use crate::object::transaction::commit;
use crate::outbox::message::{AuditEvent, Mail, MailTemplate, Message, Owner, Recipient, SessionSnapshot};
use crate::outbox::rows;
use postern_core::account::{AccountRecord, AuthorizationSnapshot};
use postern_core::grant::Admission;
use postern_core::id::{ClientId, SessionId, TenantId};
use postern_core::revocation::{RevocationMark, Revoked};
use postern_core::secret::Secret;
use postern_core::session::{
    self, DeviceHint, FenceOutcome, FenceRequest, FenceRevocation, LogoutOutcome, Notice, OpenOutcome,
    OpenRefusal, OpenRequest, Presentation, PresentedRefreshToken, RefreshTokenClaim, RevokeAllOutcome,
    RevokeOneOutcome, RevokeReason, RotationOutcome, RotationRefusal, SessionAudit, SessionRecord,
    SessionState, TokenParts,
};
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize};
use worker::{DurableObject, Env, Error, Request, Response, Result, SqlStorage, State, durable_object};

const ACCOUNT: &str = "account";
const SESSIONS: &str = "sessions";
/// More than any configured cap; a bound for the query, not a policy.
const MOST_SESSIONS: u16 = 1_000;
/// How long an ended session is kept, so that its tokens are refused by name.
const KEEP_ENDED: Seconds = Seconds::new(86_400);

/// What may be asked of an account.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccountCall {
    /// Open a session after a first proof. Answered with [`AdmissionAnswer`].
    Open(Box<OpenCall>),
    /// Rotate a refresh token whose edge tag was right. Answered with [`AdmissionAnswer`].
    Refresh(RefreshCall),
    /// End the session of a refresh token whose edge tag was right. Answered with `true`.
    Logout { tenant: TenantId, client_id: ClientId, token: RefreshTokenClaim },
    /// End one session. Answered with [`Ended`].
    RevokeOne { tenant: TenantId, session: SessionId, reason: RevokeReason },
    /// End all sessions but perhaps one. Answered with [`Ended`].
    RevokeAll { tenant: TenantId, keep: Option<SessionId>, reason: RevokeReason },
    /// The live sessions. Answered with a list of JSON session views.
    List { tenant: TenantId, current: Option<SessionId> },
    /// Is an access token of this session and account version still good? Answered with [`Verdict`].
    Check { tenant: TenantId, session: SessionId, account_version: u32 },
    /// A credential change that D1 has committed. Answered with `true`.
    Fence { tenant: TenantId, version: u32, reason: RevokeReason, keep: Option<SessionId> },
    /// Outbox rows whose delivery is confirmed. Answered with `true`.
    Acknowledge { ids: Vec<String> },
}

/// A session to open, with what to seed the account from if it was never opened.
#[derive(Serialize, Deserialize)]
pub(crate) struct OpenCall {
    pub(crate) seed: AccountRecord,
    pub(crate) session: SessionId,
    pub(crate) session_key: String,
    pub(crate) client_id: ClientId,
    pub(crate) credential_version: u32,
    pub(crate) edge_key_id: u32,
    pub(crate) amr: Vec<String>,
    pub(crate) device: DeviceHint,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RefreshCall {
    pub(crate) tenant: TenantId,
    pub(crate) client_id: ClientId,
    pub(crate) token: RefreshTokenClaim,
    pub(crate) next_edge_key_id: u32,
    pub(crate) device: DeviceHint,
}

/// Whether somebody is let in.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AdmissionAnswer {
    Admitted {
        token: TokenParts,
        admission: Box<Admission>,
    },
    Limited {
        retry_after_seconds: u64,
    },
    /// Refused, with the public code.
    Refused {
        code: String,
    },
}

/// What came of ending sessions.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) found: bool,
    pub(crate) revoked: u32,
}

/// A strict check: `None` if the token is good, its public code if not.
#[derive(Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) refusal: Option<String>,
}

/// The object. See the module's documentation.
#[durable_object]
pub struct AccountObject {
    state: State,
    env: Env,
}

impl DurableObject for AccountObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let now = Ambient::read().now();
        let call: AccountCall = call::receive(request).await?;
        // Everything that could fail for other reasons than the storage comes before the first read.
        let environment =
            Environment::open(&self.env).map_err(|problem| Error::RustError(problem.code().into()))?;
        let account = Account { state: &self.state, environment: &environment, now };
        let response = account.answer(call)?;
        if account.has_outbox()? {
            rows::wake(&self.state.storage()).await?;
        }
        Ok(response)
    }

    async fn alarm(&self) -> Result<Response> {
        let sql = self.state.storage().sql();
        let account: Option<AccountRecord> = Records::new(&sql, ACCOUNT).get(ACCOUNT)?;
        if let Some(account) = account {
            let owner = Owner::Account(account.id);
            rows::deliver_due(&self.state.storage(), &self.env, &owner, Ambient::read()).await?;
        }
        Response::empty()
    }
}

/// One account at one moment: what its calls are answered from.
struct Account<'a> {
    state: &'a State,
    environment: &'a Environment,
    now: UnixMillis,
}

impl Account<'_> {
    fn answer(&self, call: AccountCall) -> Result<Response> {
        match call {
            AccountCall::Open(open) => call::answer(&self.open(*open)?),
            AccountCall::Refresh(refresh) => call::answer(&self.refresh(refresh)?),
            AccountCall::Logout { tenant, client_id, token } => {
                self.logout(&tenant, &client_id, token)?;
                call::answer(&true)
            }
            AccountCall::RevokeOne { tenant, session, reason } => {
                call::answer(&self.revoke_one(&tenant, session, reason)?)
            }
            AccountCall::RevokeAll { tenant, keep, reason } => {
                call::answer(&self.revoke_all(&tenant, keep, reason)?)
            }
            AccountCall::List { tenant, current } => call::answer(&self.list(&tenant, current)?),
            AccountCall::Check { tenant, session, account_version } => {
                call::answer(&self.check(&tenant, session, account_version)?)
            }
            AccountCall::Fence { tenant, version, reason, keep } => {
                self.fence(&tenant, version, reason, keep)?;
                call::answer(&true)
            }
            AccountCall::Acknowledge { ids } => {
                if self.was_opened()? {
                    rows::acknowledge(&self.sql(), &ids)?;
                }
                call::answer(&true)
            }
        }
    }

    fn open(&self, call: OpenCall) -> Result<AdmissionAnswer> {
        let stored = self.load()?;
        // Never opened: the directory knows what it starts from. A tombstone is a record like any other.
        let mut account = stored.unwrap_or_else(|| call.seed.clone());
        let mut sessions = self.sessions()?;
        let repeated = sessions.iter().find(|session| session.id == call.session);
        let session_key = match repeated {
            // A repeated claim draws a new key each time; the one of the first try is the one that counts.
            Some(session) => session.session_key.clone(),
            None => secret_of(&call.session_key)?,
        };
        account.authorization = self.resolved(call.seed.authorization);
        let request = OpenRequest {
            id: call.session,
            session_key,
            tenant: call.seed.tenant,
            client_id: call.client_id,
            credential_version: call.credential_version,
            edge_key_id: call.edge_key_id,
            amr: call.amr,
            auth_time: self.now.to_seconds(),
            key_thumbprint: None,
            device: call.device,
        };
        match session::open(&account, &sessions, request, self.now, &self.environment.open_policy()) {
            OpenOutcome::Opened { token, session, evicted, account, notices } => {
                let admission = Admission::of(&account, &session);
                self.commit(Change { account: Some(account), put: evicted, notices, opened: Some(session) })?;
                Ok(AdmissionAnswer::Admitted { token, admission: Box::new(admission) })
            }
            OpenOutcome::AlreadyOpen { token } => {
                sessions.retain(|session| session.id == call.session);
                let session = sessions.first().ok_or_else(|| Error::RustError("session vanished".into()))?;
                let admission = Box::new(Admission::of(&account, session));
                Ok(AdmissionAnswer::Admitted { token, admission })
            }
            OpenOutcome::Refused(refusal) => {
                Ok(AdmissionAnswer::Refused { code: open_refusal(refusal).into() })
            }
        }
    }

    fn refresh(&self, call: RefreshCall) -> Result<AdmissionAnswer> {
        let account = self.load()?;
        let session = self.session(call.token.session)?;
        let token = PresentedRefreshToken::assertion(call.token);
        let presentation = Presentation {
            token: &token,
            tenant: &call.tenant,
            client_id: &call.client_id,
            key_proof: None,
            device: &call.device,
        };
        let policy = self.environment.rotation_policy();
        let edge_key = call.next_edge_key_id;
        let outcome =
            session::decide(&presentation, account.as_ref(), session.as_ref(), self.now, &policy, edge_key);
        let refused = |refusal: RotationRefusal| AdmissionAnswer::Refused { code: refusal.code().into() };
        match outcome {
            RotationOutcome::Advanced { token, session, clock } => {
                let account = self.with_clock(account, clock)?;
                let admission = self.admission(&account, &session);
                self.commit(Change { put: vec![session], ..Change::of(account) })?;
                Ok(AdmissionAnswer::Admitted { token, admission })
            }
            RotationOutcome::Repeated { token, notices, .. } => {
                let (Some(account), Some(session)) = (account, session) else { return Err(vanished()) };
                let admission = self.admission(&account, &session);
                if !notices.is_empty() {
                    self.commit(Change { notices, ..Change::default() })?;
                }
                Ok(AdmissionAnswer::Admitted { token, admission })
            }
            RotationOutcome::Refused { refusal: RotationRefusal::RateLimited { retry_after }, .. } => {
                Ok(AdmissionAnswer::Limited { retry_after_seconds: retry_after.as_secs().into() })
            }
            RotationOutcome::Refused { refusal, notices } => {
                if !notices.is_empty() {
                    self.commit(Change { notices, ..Change::default() })?;
                }
                Ok(refused(refusal))
            }
            RotationOutcome::Expired { refusal, session, clock } => {
                let account = self.with_clock(account, clock)?;
                self.commit(Change { put: vec![session], ..Change::of(account) })?;
                Ok(refused(refusal))
            }
            RotationOutcome::FamilyRevoked { refusal, session, clock, notices } => {
                let account = self.with_clock(account, clock)?;
                self.commit(Change { put: vec![session], notices, ..Change::of(account) })?;
                Ok(refused(refusal))
            }
            RotationOutcome::AllRevoked { refusal, revoke, clock, notices } => {
                let account = self.with_clock(account, clock)?;
                let put = self.sessions()?.into_iter().map(|session| revoke.apply(session)).collect();
                self.commit(Change { put, notices, ..Change::of(account) })?;
                Ok(refused(refusal))
            }
        }
    }

    fn logout(&self, tenant: &TenantId, client_id: &ClientId, token: RefreshTokenClaim) -> Result<()> {
        let account = self.load()?;
        let session = self.session(token.session)?;
        let token = PresentedRefreshToken::assertion(token);
        let device = DeviceHint::default();
        let presentation =
            Presentation { token: &token, tenant, client_id, key_proof: None, device: &device };
        match session::logout(&presentation, account.as_ref(), session.as_ref(), self.now) {
            LogoutOutcome::Revoked { session, clock, notices } => {
                let account = self.with_clock(account, clock)?;
                self.commit(Change { put: vec![session], notices, ..Change::of(account) })
            }
            LogoutOutcome::Nothing => Ok(()),
        }
    }

    fn revoke_one(&self, tenant: &TenantId, session: SessionId, reason: RevokeReason) -> Result<Ended> {
        let Some(account) = self.load_in(tenant)? else { return Ok(Ended { found: false, revoked: 0 }) };
        let stored = self.session(session)?;
        match session::revoke_one(&account, stored.as_ref(), reason, self.now) {
            RevokeOneOutcome::Revoked { session, clock, notices } => {
                let account = AccountRecord { clock, ..account };
                self.commit(Change { put: vec![session], notices, ..Change::of(account) })?;
                Ok(Ended { found: true, revoked: 1 })
            }
            RevokeOneOutcome::AlreadyRevoked => Ok(Ended { found: true, revoked: 0 }),
            RevokeOneOutcome::NotFound => Ok(Ended { found: false, revoked: 0 }),
        }
    }

    fn revoke_all(&self, tenant: &TenantId, keep: Option<SessionId>, reason: RevokeReason) -> Result<Ended> {
        let Some(account) = self.load_in(tenant)? else { return Ok(Ended { found: false, revoked: 0 }) };
        let RevokeAllOutcome { account, revoked, notices } =
            session::revoke_all(&account, &self.sessions()?, reason, keep, self.now);
        let live = revoked.iter().filter(|session| !has_expired(session, self.now)).count();
        self.commit(Change { put: revoked, notices, ..Change::of(account) })?;
        Ok(Ended { found: true, revoked: u32::try_from(live).unwrap_or(u32::MAX) })
    }

    fn list(&self, tenant: &TenantId, current: Option<SessionId>) -> Result<Vec<serde_json::Value>> {
        let Some(account) = self.load_in(tenant)? else { return Ok(Vec::new()) };
        let time = account.clock.read(self.now);
        let mut live: Vec<SessionRecord> = self.sessions()?;
        live.retain(|session| session.state(time) == SessionState::Live);
        live.sort_by_key(|session| core::cmp::Reverse(session.last_used_at));
        live.iter().map(|session| Ok(serde_json::to_value(session.view(time, current))?)).collect()
    }

    fn check(&self, tenant: &TenantId, session: SessionId, account_version: u32) -> Result<Verdict> {
        let account = self.load()?;
        let session = self.session(session)?;
        let verdict = session::check(account.as_ref(), session.as_ref(), tenant, account_version, self.now);
        Ok(Verdict { refusal: verdict.code().map(Into::into) })
    }

    fn fence(
        &self,
        tenant: &TenantId,
        version: u32,
        reason: RevokeReason,
        keep: Option<SessionId>,
    ) -> Result<()> {
        // An account that was never opened has no sessions, and is seeded with the new version when it is.
        let Some(account) = self.load_in(tenant)? else { return Ok(()) };
        let authorization = self.resolved(account.authorization.clone());
        let revoke = Some(FenceRevocation { reason, keep });
        let request = FenceRequest { version, authorization, revoke };
        match session::fence(&account, &self.sessions()?, request, self.now) {
            FenceOutcome::Applied { account, revoked, notices } => {
                self.commit(Change { put: revoked, notices, ..Change::of(account) })
            }
            FenceOutcome::AlreadyApplied | FenceOutcome::Deleted => Ok(()),
        }
    }
}

/// What one decision wants stored, all of it or nothing.
#[derive(Default)]
struct Change {
    account: Option<AccountRecord>,
    put: Vec<SessionRecord>,
    opened: Option<SessionRecord>,
    notices: Vec<Notice>,
}

impl Change {
    fn of(account: AccountRecord) -> Self {
        Self { account: Some(account), ..Self::default() }
    }
}

impl Account<'_> {
    fn commit(&self, change: Change) -> Result<()> {
        let storage = self.state.storage();
        let sql = storage.sql();
        let accounts = Records::new(&sql, ACCOUNT);
        let sessions = Records::new(&sql, SESSIONS);
        let before = self.load()?;
        let Some(account) = change.account.as_ref().or(before.as_ref()) else { return Err(vanished()) };
        let messages = self.messages(account, before.as_ref(), &change)?;
        let ended = self.long_ended(change.opened.is_some())?;
        commit(&storage, || {
            records::create(&sql, &[ACCOUNT, SESSIONS])?;
            rows::create(&sql)?;
            accounts.put(ACCOUNT, account)?;
            for session in change.put.iter().chain(&change.opened) {
                sessions.put(&session.id.to_string(), session)?;
            }
            for session in ended {
                sessions.delete(&session.to_string())?;
            }
            for (id, message) in messages {
                rows::enqueue(&sql, &id, message, self.now)?;
            }
            Ok(())
        })
    }

    /// The outbox rows that a change brings about.
    fn messages(
        &self,
        account: &AccountRecord,
        before: Option<&AccountRecord>,
        change: &Change,
    ) -> Result<Vec<(String, Message)>> {
        let mut messages = Vec::new();
        let until = self.now.plus(self.environment.longest_access_token());
        let snapshots = self.environment.config().sessions().snapshots;
        let mark = |revoked| Message::Mark(RevocationMark { account: account.id, revoked, until });
        if before.is_some_and(|before| before.account_version < account.account_version) {
            messages.push(mark(Revoked::OlderThan(account.account_version)));
        }
        for session in &change.put {
            if session.revoked.is_some() {
                messages.push(mark(Revoked::Session(session.id)));
                if snapshots {
                    messages.push(Message::DeleteSnapshot { account: account.id, session: session.id });
                }
            }
        }
        if let Some(session) = change.opened.as_ref().filter(|_| snapshots) {
            messages.push(Message::PutSnapshot(snapshot(account, session)));
        }
        for notice in &change.notices {
            messages.extend(self.notice(account, notice));
        }
        messages.into_iter().map(|message| Ok((self.environment.draw_id()?, message))).collect()
    }

    /// Audit lines and mails. Marks and snapshots follow from the records themselves.
    fn notice(&self, account: &AccountRecord, notice: &Notice) -> Vec<Message> {
        let audit = |session: Option<SessionId>, at: UnixMillis, event: String, detail: Option<String>| {
            let tenant = account.tenant.to_string();
            Message::Audit(AuditEvent {
                occurred_at: at,
                tenant,
                account: Some(account.id),
                session,
                event,
                detail,
            })
        };
        match notice {
            // The notice of the revocation itself is a line already, and has the reason.
            Notice::Audit { event: SessionAudit::SessionRevoked, .. } => Vec::new(),
            Notice::Audit { event, session, at } => vec![audit(*session, *at, name_of(event), None)],
            Notice::Revoked { session, reason, at } => {
                vec![audit(*session, *at, "session_revoked".into(), Some(reason.code().into()))]
            }
            // Its line in the audit trail is a notice of its own.
            Notice::ReuseDetected { .. } => vec![Message::Mail(Mail {
                tenant: account.tenant.to_string(),
                to: Recipient::Account(account.id),
                template: MailTemplate::SessionReuse,
            })],
            Notice::StateRegressed { session, presented, current, at } => {
                worker::console_error!("account {}: presented {presented:?}, stored {current:?}", account.id);
                let detail = format!("presented {}, stored {}", presented.as_u32(), current.as_u32());
                vec![audit(Some(*session), *at, "state_regressed".into(), Some(detail))]
            }
        }
    }

    /// Sessions that ended so long ago that nobody needs to be told why; looked for when one is opened.
    fn long_ended(&self, look: bool) -> Result<Vec<SessionId>> {
        if !look {
            return Ok(Vec::new());
        }
        let is_forgotten = |session: &SessionRecord| {
            let ended = session.revoked.map(|revocation| revocation.at).unwrap_or_else(|| {
                session.expired_at.unwrap_or(session.idle_expires_at.min(session.absolute_expires_at))
            });
            ended.plus(KEEP_ENDED) < self.now
        };
        Ok(self.sessions()?.into_iter().filter(is_forgotten).map(|session| session.id).collect())
    }

    fn admission(&self, account: &AccountRecord, session: &SessionRecord) -> Box<Admission> {
        let authorization = self.resolved(account.authorization.clone());
        Box::new(Admission::of(&AccountRecord { authorization, ..account.clone() }, session))
    }

    /// The snapshot with the mask that the roles have by the registry of this deployment.
    fn resolved(&self, snapshot: AuthorizationSnapshot) -> AuthorizationSnapshot {
        let (permission_mask, registry_version) = self.environment.mask_of(&snapshot.roles);
        AuthorizationSnapshot { permission_mask, registry_version, ..snapshot }
    }

    fn with_clock(
        &self,
        account: Option<AccountRecord>,
        clock: postern_core::account::ObjectClock,
    ) -> Result<AccountRecord> {
        account.map(|account| AccountRecord { clock, ..account }).ok_or_else(vanished)
    }

    fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }

    fn was_opened(&self) -> Result<bool> {
        records::exist(&self.sql(), ACCOUNT)
    }

    fn has_outbox(&self) -> Result<bool> {
        if self.was_opened()? { rows::is_pending(&self.sql(), self.now) } else { Ok(false) }
    }

    fn load(&self) -> Result<Option<AccountRecord>> {
        if self.was_opened()? { Records::new(&self.sql(), ACCOUNT).get(ACCOUNT) } else { Ok(None) }
    }

    fn load_in(&self, tenant: &TenantId) -> Result<Option<AccountRecord>> {
        Ok(self.load()?.filter(|account| account.tenant == *tenant))
    }

    fn session(&self, session: SessionId) -> Result<Option<SessionRecord>> {
        if !self.was_opened()? {
            return Ok(None);
        }
        Records::new(&self.sql(), SESSIONS).get(&session.to_string())
    }

    fn sessions(&self) -> Result<Vec<SessionRecord>> {
        if !self.was_opened()? {
            return Ok(Vec::new());
        }
        Records::new(&self.sql(), SESSIONS).first(MOST_SESSIONS)
    }
}

fn snapshot(account: &AccountRecord, session: &SessionRecord) -> SessionSnapshot {
    SessionSnapshot {
        account: account.id,
        session: session.id,
        account_version: account.account_version,
        created_at: session.created_at,
        expires_at: session.absolute_expires_at,
        roles: account.authorization.roles.clone(),
    }
}

fn has_expired(session: &SessionRecord, now: UnixMillis) -> bool {
    session.expired_at.is_some() || now >= session.idle_expires_at || now >= session.absolute_expires_at
}

/// A credential that changed while it was being checked, or another tenant's account, is a wrong credential.
fn open_refusal(refusal: OpenRefusal) -> &'static str {
    refusal.code()
}

fn secret_of(text: &str) -> Result<Secret<32>> {
    let bytes = postern_core::codec::base64url::decode_array(text.as_bytes());
    bytes.map(Secret::new).map_err(|_| Error::RustError("the session key is malformed".into()))
}

/// The name under which an event is serialized.
fn name_of(event: &SessionAudit) -> String {
    let name = serde_json::to_value(event).ok();
    name.and_then(|name| name.as_str().map(Into::into)).unwrap_or_default()
}

fn vanished() -> Error {
    Error::RustError("a decision named a record that is not there".into())
}
