//! The calls of an account: load, let the core decide, commit what it decided.

use super::commit::{Advanced, Change, RevokedAll, Welcome, vanished};
use super::factors::waiting;
use super::{
    Account, AccountCall, AdmissionAnswer, AdmissionRefusal, CheckedDevice, Done, Ended, FenceChange,
    OpenCall, RefreshCall,
};
use crate::object::records;
use crate::outbox::rows;
use postern_core::account::{AccountRecord, AuthorizationOutcome, ObjectClock, change_authorization};
use postern_core::entitlement::{EntitlementOutcome, EntitlementSnapshot, change_entitlements};
use postern_core::factor::{FactorRecord, TrustedDeviceId};
use postern_core::grant::Admission;
use postern_core::id::{AccountId, ClientId, OperationId, SessionId, TenantId};
use postern_core::order;
use postern_core::passkey::PasskeyRecord;
use postern_core::permission::AuthorizationSnapshot;
use postern_core::secret::Secret;
use postern_core::session::{
    self, Checked, DeviceBinding, DeviceFingerprint, DeviceHint, FenceOutcome, FenceRequest, FenceRevocation,
    LogoutOutcome, Notice, OpenOutcome, OpenRefusal, OpenRequest, Presentation, PresentedRefreshToken,
    RefreshTokenClaim, RevokeAllOutcome, RevokeOneOutcome, RevokeReason, RotationOutcome, RotationRefusal,
    Seat, SessionCheck, SessionRecord, SessionState, SessionVerdict, SessionView,
};
use postern_core::time::UnixMillis;
use worker::{Error, Result};

impl Account<'_> {
    pub(super) fn carry_out(&self, call: AccountCall) -> Result<Done> {
        let done = match call {
            AccountCall::Open(open) => opening(self.open(*open)?)?,
            AccountCall::Answer(answer) => opening(self.answer(*answer)?)?,
            AccountCall::StepUp(shown) => Done::Written(records::write(&self.step_up(&shown)?)?),
            AccountCall::Factor(factor) => Done::Factor(self.factor(*factor)?),
            AccountCall::Passkey(passkey) => Done::Passkey(self.passkey(*passkey)?),
            AccountCall::Refresh(refresh) => Done::Written(records::write(&self.refresh(refresh)?)?),
            AccountCall::Logout { tenant, client_id, token } => {
                Done::Ended(self.logout(&tenant, &client_id, token)?)
            }
            AccountCall::RevokeOne { tenant, session, reason } => {
                Done::Ended(self.revoke_one(&tenant, session, reason)?)
            }
            AccountCall::RevokeAll { tenant, operation, keep, reason } => {
                Done::Ended(self.revoke_all(&tenant, operation, keep, reason)?)
            }
            AccountCall::Fence { seed, reason, change } => Done::Ended(self.fence(*seed, reason, change)?),
            AccountCall::List { tenant, current, ended } => {
                Done::Read(records::write(&self.list(&tenant, current, ended)?)?)
            }
            AccountCall::SetStatus { seed, operation, request } => {
                Done::Status(self.set_status(*seed, &operation, request)?)
            }
            AccountCall::RemoveFactors { seed, operation, reason } => {
                Done::Factor(self.remove_factors(*seed, &operation, &reason)?)
            }
            AccountCall::Status { tenant } => Done::Read(records::write(&self.status(&tenant)?)?),
            AccountCall::FactorAttempts { tenant } => {
                Done::Read(records::write(&self.factor_attempts(&tenant)?)?)
            }
            AccountCall::Purge { tenant, by, deleted_before } => {
                Done::Written(records::write(&self.purge(&tenant, by, deleted_before)?)?)
            }
            AccountCall::Entitle { seed, entitlements } => Done::Ended(self.entitle(*seed, entitlements)?),
            AccountCall::Authorize { seed } => Done::Ended(self.authorize(*seed)?),
            AccountCall::Check { tenant, session, account_version, device, shown } => {
                let (verdict, told) = self.check(&tenant, session, account_version, &device)?;
                let refused = match (verdict, &shown) {
                    (SessionVerdict::Live, Some(shown)) => self.refuse_proof(Some(shown))?,
                    _ => None,
                };
                let verdict = refused.map_or(verdict, SessionVerdict::ProofRefused);
                let answer = records::write(&verdict)?;
                if told { Done::Written(answer) } else { Done::Read(answer) }
            }
            AccountCall::Look { tenant, session, account_version } => {
                self.look(&tenant, session, account_version)?
            }
            AccountCall::Acknowledge { ids } => {
                if self.was_opened()? {
                    rows::acknowledge(&self.sql(), &ids)?;
                }
                Done::Read(records::write(&true)?)
            }
        };
        Ok(done)
    }

    /// Whose session a call opens.
    pub(super) fn account_of(&self, call: &AccountCall) -> Result<Option<AccountId>> {
        match call {
            AccountCall::Open(open) => Ok(Some(open.seed.id)),
            _ => Ok(self.load()?.map(|account| account.id)),
        }
    }

    fn open(&self, call: OpenCall) -> Result<AdmissionAnswer> {
        let stored = self.load()?;
        let welcome = call.created && stored.is_none() && self.environment.config().mail().welcome;
        let factors = if stored.is_some() { self.factors()? } else { None };
        let passkeys = if stored.is_some() { self.passkeys()? } else { PasskeyRecord::default() };
        let is_demanded = self.environment.config().second_factor().required_for_login;
        let has_factor = self.is_guarded(&factors.clone().unwrap_or_default(), &passkeys);
        let is_trusted = has_factor && self.is_trusted(&call, factors.as_ref())?;
        let is_guarded = (has_factor || is_demanded) && !call.is_multi_factor && !is_trusted;
        let guarded = is_guarded.then(|| factors.unwrap_or_default());
        let guarded = guarded
            .map(|record| waiting(&call, !has_factor, self.now).map(|new| (record, new)))
            .transpose()?;
        // Never opened: the directory knows what it starts from. A tombstone is a record like any other.
        let mut account = stored.map_or_else(|| call.seed.clone(), |account| self.with_resolved(account));
        let mut sessions = self.sessions()?;
        let repeated = sessions.iter().find(|session| session.id == call.session);
        let session_key = match repeated {
            // A repeated claim draws a new key each time; the one of the first try is the one that counts.
            Some(session) => session.session_key.clone(),
            None => secret_of(&call.session_key)?,
        };
        account = account.with_authorization(self.resolved(*call.seed.authorization));
        // A login that is put off opens nothing yet.
        let seat = if guarded.is_some() { Seat::Granted } else { self.seat };
        let shown = call.shown;
        let request = OpenRequest {
            id: call.session,
            session_key,
            tenant: call.seed.tenant,
            client_id: call.client_id,
            credential_version: call.credential_version,
            edge_key_id: call.edge_key_id,
            amr: call.amr,
            auth_time: self.now.to_seconds(),
            key_thumbprint: shown.as_ref().map(|shown| shown.thumbprint),
            device: call.device,
            fingerprint: call.fingerprint,
            remember: call.remember,
            seat,
        };
        let outcome = session::open(&account, &sessions, request, self.now, &self.environment.open_policy());
        if !matches!(outcome, OpenOutcome::Refused(_))
            && let Some(refusal) = self.refuse_proof(shown.as_ref())?
        {
            return Ok(AdmissionAnswer::Refused(AdmissionRefusal::ProofRefused(refusal)));
        }
        let welcome = welcome.then_some(Welcome { language: call.language });
        match (outcome, guarded) {
            (OpenOutcome::Refused(refusal), _) => Ok(AdmissionAnswer::Refused(refusal_of_open(refusal))),
            (OpenOutcome::SeatWanted(wish), _) => Ok(AdmissionAnswer::SeatWanted(wish)),
            (OpenOutcome::Opened { account, .. }, Some((record, new))) => {
                self.challenge(account, &record, new, welcome)
            }
            // Whoever repeats a login has shown a first factor, and no more.
            (OpenOutcome::AlreadyOpen { .. }, Some((record, new))) => {
                self.challenge(account, &record, new, None)
            }
            (OpenOutcome::Opened { token, session, evicted, account, notices }, None) => {
                let admission = Admission::of(&account, &session, self.now);
                let opened = Some(session);
                self.commit(Change { put: evicted, notices, opened, welcome, ..Change::of(account) })?;
                Ok(AdmissionAnswer::Admitted { token, admission: Box::new(admission) })
            }
            (OpenOutcome::AlreadyOpen { token }, None) => {
                sessions.retain(|session| session.id == call.session);
                let session = sessions.first().ok_or_else(|| Error::RustError("session vanished".into()))?;
                let admission = Box::new(Admission::of(&account, session, self.now));
                Ok(AdmissionAnswer::Admitted { token, admission })
            }
        }
    }

    /// Whether a login comes from a device that the account trusts, behind a password.
    fn is_trusted(&self, call: &OpenCall, factors: Option<&FactorRecord>) -> Result<bool> {
        let (Some(record), Some(secret)) = (factors, &call.trusted) else { return Ok(false) };
        let is_offered = self.environment.config().second_factor().trusted_device.as_secs() > 0;
        if !is_offered || !call.amr.iter().any(|method| method == "pwd") {
            return Ok(false);
        }
        let secret = secret_of(secret)?;
        let (tenant, account) = (&call.seed.tenant, &call.seed.id);
        let id = TrustedDeviceId { tenant, account, secret: &secret };
        let binding = self.environment.device_binding();
        Ok(record.trusts(id, &call.fingerprint, binding, self.peppers()?, self.now))
    }

    /// The factors with nothing that was begun or trusted before.
    pub(super) fn settled(&self) -> Result<Option<FactorRecord>> {
        Ok(self.factors()?.map(FactorRecord::settled))
    }

    fn refresh(&self, call: RefreshCall) -> Result<AdmissionAnswer> {
        let (account, session) = self.load_with(call.token.session)?;
        let is_newer = |known| account.as_ref().is_some_and(|account| account.authorization.version > known);
        if call.authorization_version.is_some_and(is_newer) {
            return Ok(AdmissionAnswer::Refused(AdmissionRefusal::AuthorizationOutdated));
        }
        if let Some(answer) = self.repeated_refresh(&call, account.as_ref(), session.as_ref())? {
            return Ok(answer);
        }
        let operation = call.operation;
        let token = PresentedRefreshToken::assertion(call.token);
        let policy = self.environment.rotation_policy();
        let decide = |key_proof| {
            let presentation = Presentation {
                token: &token,
                tenant: &call.tenant,
                client_id: &call.client_id,
                key_proof,
                device: &call.device,
                fingerprint: &call.fingerprint,
            };
            let (account, edge_key) = (account.as_ref(), call.next_edge_key_id);
            session::decide(&presentation, account, session.as_ref(), self.now, &policy, edge_key)
        };
        let mut outcome = decide(call.shown.as_ref().map(|shown| &shown.thumbprint));
        let is_bound = session.as_ref().is_some_and(|session| session.key_thumbprint.is_some());
        let has_passed = !matches!(
            outcome,
            RotationOutcome::Refused { .. }
                | RotationOutcome::Expired { .. }
                | RotationOutcome::AllRevoked { .. }
        );
        let mut replayed = None;
        if is_bound && has_passed {
            replayed = self.refuse_proof(call.shown.as_ref())?;
            if replayed.is_some() {
                // What was used before proves nothing.
                outcome = decide(None);
            }
        }
        let refused = |refusal: RotationRefusal| {
            let refusal = match replayed.filter(|_| refusal == RotationRefusal::KeyProofFailed) {
                Some(replayed) => AdmissionRefusal::ProofRefused(replayed),
                None => refusal_of_rotation(refusal),
            };
            AdmissionAnswer::Refused(refusal)
        };
        match outcome {
            RotationOutcome::Advanced { token, session, clock, notices } => {
                let account = self.with_clock(account, clock)?;
                let admission = self.admission(&account, &session);
                let advanced = Some(Advanced { session, operation });
                self.commit(Change { advanced, notices, ..Change::of(account) })?;
                Ok(AdmissionAnswer::Admitted { token, admission })
            }
            RotationOutcome::Repeated { token, notices, .. } => {
                let (Some(account), Some(session)) = (account, session) else { return Err(vanished()) };
                let admission = self.admission(&account, &session);
                self.tell(notices)?;
                Ok(AdmissionAnswer::Admitted { token, admission })
            }
            RotationOutcome::Refused { refusal: RotationRefusal::RateLimited { retry_after }, .. } => {
                Ok(AdmissionAnswer::Limited { retry_after_seconds: retry_after.as_secs().into() })
            }
            RotationOutcome::Refused { refusal, notices } => {
                self.tell(notices)?;
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
                let factors = self.settled()?;
                self.commit(Change { put, notices, factors, ..Change::of(account) })?;
                Ok(refused(refusal))
            }
        }
    }

    /// The answer to a refresh that was carried out under the same operation id: whoever asks is the Worker that
    /// lost the first answer, not a second holder of the token.
    fn repeated_refresh(
        &self,
        call: &RefreshCall,
        account: Option<&AccountRecord>,
        session: Option<&SessionRecord>,
    ) -> Result<Option<AdmissionAnswer>> {
        let (Some(account), Some(session)) = (account, session) else { return Ok(None) };
        let is_parent = call.token.generation.next() == Some(session.generation);
        let live = session.state(account.clock.read(self.now)) == SessionState::Live;
        let is_active = account.status_at(account.clock.read(self.now)).is_active();
        let usable = live && is_active && account.tenant == call.tenant;
        if !(is_parent && usable && self.last_refresh(session.id)? == Some(call.operation)) {
            return Ok(None);
        }
        let token = session.current_token(account.id);
        Ok(Some(AdmissionAnswer::Admitted { token, admission: self.admission(account, session) }))
    }

    fn logout(&self, tenant: &TenantId, client_id: &ClientId, token: RefreshTokenClaim) -> Result<Ended> {
        let (account, session) = self.load_with(token.session)?;
        let token = PresentedRefreshToken::assertion(token);
        // Whoever has the token may end its session, wherever they are.
        let (device, fingerprint) = (&DeviceHint::default(), &DeviceFingerprint::default());
        let presentation =
            Presentation { token: &token, tenant, client_id, key_proof: None, device, fingerprint };
        match session::logout(&presentation, account.as_ref(), session.as_ref(), self.now) {
            LogoutOutcome::Revoked { session, clock, notices } => {
                let account = self.with_clock(account, clock)?;
                self.commit(Change { put: vec![session], notices, ..Change::of(account) })?;
                Ok(Ended::now(1))
            }
            LogoutOutcome::Nothing => Ok(Ended::NOTHING),
        }
    }

    fn revoke_one(&self, tenant: &TenantId, session: SessionId, reason: RevokeReason) -> Result<Ended> {
        let (account, stored) = self.load_with(session)?;
        let account = account.filter(|account| account.tenant == *tenant);
        let Some(account) = account else { return Ok(Ended::NOTHING) };
        match session::revoke_one(&account, stored.as_ref(), reason, self.now) {
            RevokeOneOutcome::Revoked { session, clock, notices } => {
                let account = AccountRecord { clock, ..account };
                self.commit(Change { put: vec![session], notices, ..Change::of(account) })?;
                Ok(Ended::now(1))
            }
            RevokeOneOutcome::AlreadyRevoked => Ok(Ended::BEFORE),
            RevokeOneOutcome::NotFound => Ok(Ended::NOTHING),
        }
    }

    fn revoke_all(
        &self,
        tenant: &TenantId,
        operation: OperationId,
        keep: Option<SessionId>,
        reason: RevokeReason,
    ) -> Result<Ended> {
        let Some(account) = self.load_in(tenant)? else { return Ok(Ended::NOTHING) };
        if let Some(before) = self.last_revoke_all()?.filter(|before| before.operation == operation) {
            return Ok(Ended::now(before.revoked));
        }
        let factors = self.settled()?;
        let RevokeAllOutcome { account, revoked, notices } =
            session::revoke_all(&account, &self.sessions()?, reason, keep, self.now);
        let live = revoked.iter().filter(|session| !has_expired(session, self.now)).count();
        let live = u32::try_from(live).unwrap_or(u32::MAX);
        let revoked_all = Some(RevokedAll { operation, revoked: live });
        self.commit(Change { put: revoked, notices, revoked_all, factors, ..Change::of(account) })?;
        Ok(Ended::now(live))
    }

    fn list(&self, tenant: &TenantId, current: Option<SessionId>, ended: bool) -> Result<Vec<SessionView>> {
        let Some(account) = self.load_in(tenant)? else { return Ok(Vec::new()) };
        let time = account.clock.read(self.now);
        let mut live: Vec<SessionRecord> = self.sessions()?;
        live.retain(|session| ended || session.state(time) == SessionState::Live);
        order::sort_by_key(&mut live, |session| core::cmp::Reverse(session.last_used_at));
        Ok(live.iter().map(|session| session.view(time, current)).collect())
    }

    pub(super) fn check(
        &self,
        tenant: &TenantId,
        session: SessionId,
        account_version: u32,
        device: &CheckedDevice,
    ) -> Result<(SessionVerdict, bool)> {
        let (account, session) = self.load_with(session)?;
        let bound = self.environment.device_binding();
        let (binding, device) = match device {
            CheckedDevice::Ignored => (DeviceBinding::default(), None),
            CheckedDevice::Unknown => (bound, None),
            CheckedDevice::Known(device) => (bound, Some(&**device)),
        };
        let asked = SessionCheck { tenant, account_version, device, binding };
        let Checked { verdict, notices } =
            session::check(account.as_ref(), session.as_ref(), &asked, self.now);
        Ok((verdict, self.tell(notices)?))
    }

    fn fence(&self, seed: AccountRecord, reason: RevokeReason, about: Option<FenceChange>) -> Result<Ended> {
        let (change, keep, notify) =
            about.map_or((None, None, None), |about| (Some(about.change), about.keep, about.notify));
        let version = seed.credential_version;
        let authorization = self.resolved(*seed.authorization.clone());
        let Some(account) = self.load()? else {
            // Never opened, so there is nothing to end. Stored all the same: a proof of the old credential may be
            // on its way, and would seed the account with the old version.
            let told = |change| Notice::CredentialChanged { change, at: self.now };
            let notices = change.map(told).into_iter().collect();
            let account =
                AccountRecord { fenced_version: version, authorization: Box::new(authorization), ..seed };
            self.commit(Change { notices, notify, ..Change::of(account) })?;
            return Ok(Ended::now(0));
        };
        if account.tenant != seed.tenant {
            return Ok(Ended::NOTHING);
        }
        let revoke = Some(FenceRevocation { reason, keep });
        let request = FenceRequest { version, authorization, revoke, change };
        match session::fence(&account, &self.sessions()?, request, self.now) {
            FenceOutcome::Applied { account, revoked, notices } => {
                let ended = Ended::now(u32::try_from(revoked.len()).unwrap_or(u32::MAX));
                let factors = self.settled()?;
                self.commit(Change { put: revoked, notices, notify, factors, ..Change::of(account) })?;
                Ok(ended)
            }
            FenceOutcome::AlreadyApplied | FenceOutcome::Purged => Ok(Ended::BEFORE),
        }
    }

    fn entitle(&self, seed: AccountRecord, entitlements: EntitlementSnapshot) -> Result<Ended> {
        // Never opened: it begins with what the directory knows, and with this.
        let account = self.load()?.unwrap_or_else(|| seed.clone());
        if account.tenant != seed.tenant {
            return Ok(Ended::NOTHING);
        }
        match change_entitlements(&account, entitlements, self.now) {
            EntitlementOutcome::Applied(account) => {
                self.commit(Change::of(account))?;
                Ok(Ended::now(0))
            }
            EntitlementOutcome::AlreadyApplied | EntitlementOutcome::Purged => Ok(Ended::BEFORE),
        }
    }

    fn authorize(&self, seed: AccountRecord) -> Result<Ended> {
        let account = self.load()?.map(|account| self.with_resolved(account));
        if account.as_ref().is_some_and(|account| account.tenant != seed.tenant) {
            return Ok(Ended::NOTHING);
        }
        match change_authorization(account.as_ref(), self.with_resolved(seed), self.now) {
            AuthorizationOutcome::Applied(account) => {
                self.commit(Change::of(account))?;
                Ok(Ended::now(0))
            }
            AuthorizationOutcome::AlreadyApplied | AuthorizationOutcome::Purged => Ok(Ended::BEFORE),
        }
    }

    fn admission(&self, account: &AccountRecord, session: &SessionRecord) -> Box<Admission> {
        Box::new(Admission::of(&self.with_resolved(account.clone()), session, self.now))
    }

    /// The snapshot with the mask that it comes to by what is defined in this deployment.
    pub(super) fn resolved(&self, snapshot: AuthorizationSnapshot) -> AuthorizationSnapshot {
        self.permissions.resolve(snapshot)
    }

    /// The account with the mask that it has by what is defined in this deployment.
    pub(super) fn with_resolved(&self, account: AccountRecord) -> AccountRecord {
        AccountRecord { authorization: Box::new(self.resolved(*account.authorization)), ..account }
    }

    fn with_clock(&self, account: Option<AccountRecord>, clock: ObjectClock) -> Result<AccountRecord> {
        account.map(|account| AccountRecord { clock, ..account }).ok_or_else(vanished)
    }
}

fn opening(answer: AdmissionAnswer) -> Result<Done> {
    Ok(match answer {
        AdmissionAnswer::SeatWanted(wish) => Done::Seat(wish),
        answer => Done::Written(records::write(&answer)?),
    })
}

fn has_expired(session: &SessionRecord, now: UnixMillis) -> bool {
    session.expired_at.is_some() || now >= session.idle_expires_at || now >= session.absolute_expires_at
}

/// Another tenant's account is a wrong credential.
pub(super) const fn refusal_of_open(refusal: OpenRefusal) -> AdmissionRefusal {
    match refusal {
        OpenRefusal::OtherTenant | OpenRefusal::CredentialStale => AdmissionRefusal::CredentialStale,
        OpenRefusal::AccountNotActive(status) => AdmissionRefusal::AccountNotActive(status),
        OpenRefusal::SessionIdUsed => AdmissionRefusal::SessionIdUsed,
        OpenRefusal::DeviceHintMissing => AdmissionRefusal::DeviceHintMissing,
        OpenRefusal::KeyMissing => AdmissionRefusal::KeyMissing,
        OpenRefusal::SessionLimitExceeded => AdmissionRefusal::SessionLimitExceeded,
        OpenRefusal::TenantSessionLimitExceeded => AdmissionRefusal::TenantSessionLimitExceeded,
    }
}

const fn refusal_of_rotation(refusal: RotationRefusal) -> AdmissionRefusal {
    match refusal {
        RotationRefusal::AccountNotActive(status) => AdmissionRefusal::AccountNotActive(status),
        RotationRefusal::DeviceRejected => AdmissionRefusal::DeviceRejected,
        _ => AdmissionRefusal::RefreshInvalid,
    }
}

pub(super) fn secret_of(text: &str) -> Result<Secret<32>> {
    let bytes = postern_core::codec::base64url::decode_array(text.as_bytes());
    bytes.map(Secret::new).map_err(|_| Error::RustError("the session key is malformed".into()))
}
