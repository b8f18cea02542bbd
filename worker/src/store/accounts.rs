//! The Worker's side of account objects.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::account::{
    AccountCall, AdmissionAnswer, AdmissionRefusal, CheckedDevice, Ended, FactorAttempts, FenceChange,
    Looked, NewChallenge, OpenCall, PurgeAnswer, RefreshCall, StatusAnswer,
};
use crate::object::call::{Unconfirmed, ask};
use crate::store::factors::{Challenge, Challenged};
use crate::store::keyring::Keyring;
use crate::wire::problem::Problem;
use crate::wire::rate_limits::CountedLimit;
use postern_core::account::{AccountRecord, AccountStatus, Actor, ObjectClock, StatusRefusal, StatusRequest};
use postern_core::codec::base64url;
use postern_core::dpop::ShownKey;
use postern_core::entitlement::EntitlementSnapshot;
use postern_core::entropy::Random;
use postern_core::flow::validate::TokenSubject;
use postern_core::grant::Grant;
use postern_core::id::{AccountId, OperationId, SessionId, TenantId, TokenId};
use postern_core::jwt::CustomClaims;
use postern_core::organization::Refusal;
use postern_core::permission::AuthorizationSnapshot;
use postern_core::proof::FirstFactor;
use postern_core::session::{
    DeviceFingerprint, DeviceHint, PresentedRefreshToken, RefreshTokenClaim, RevokeReason, SessionVerdict,
    SessionView, TokenParts,
};
use postern_core::time::UnixMillis;
use serde::de::DeserializeOwned;

pub(crate) struct Accounts<'a> {
    pub(super) environment: &'a Environment,
    pub(super) tenant: &'a TenantId,
}

/// A session that somebody may use: the token to compose and the grant to sign.
pub(crate) struct Admitted {
    pub(crate) token: TokenParts,
    pub(crate) grant: Grant,
    /// Drawn before the account was asked: after it nothing may fail.
    pub(crate) token_id: TokenId,
    /// Whether the session lasts longer, as its owner asked.
    pub(crate) remembered: bool,
}

/// What a login comes to.
pub(crate) enum Login {
    Admitted(Box<Admitted>),
    Challenged(Challenged),
}

/// What a session is opened with, besides the proof. Ids and keys are drawn before the first write.
pub(crate) struct NewSession {
    pub(crate) session: SessionId,
    pub(crate) session_key: Random<32>,
    /// As the directory has it; not resolved. The account object takes it unless it knows of a newer one.
    pub(crate) authorization: AuthorizationSnapshot,
    /// As the directory has it. For an account object that was never opened; any other knows better.
    pub(crate) status: AccountStatus,
    pub(crate) device: DeviceHint,
    /// The same request has created the account.
    pub(crate) created: bool,
    /// The language that the request would like best.
    pub(crate) language: Option<&'static str>,
    /// base64url of the secret of a trusted device.
    pub(crate) trusted: Option<String>,
    /// Whether its owner asks for it to last longer.
    pub(crate) remember: bool,
}

impl NewSession {
    /// One of an account that was there before, as the directory has it.
    pub(crate) const fn of_known(
        session: SessionId,
        session_key: Random<32>,
        authorization: AuthorizationSnapshot,
        status: AccountStatus,
        device: DeviceHint,
        remember: bool,
        trusted: Option<String>,
    ) -> Self {
        let (created, language) = (false, None);
        Self { session, session_key, authorization, status, device, created, language, remember, trusted }
    }
}

impl<'a> Accounts<'a> {
    pub(crate) fn new(environment: &'a Environment) -> Self {
        Self { environment, tenant: environment.config().tenant() }
    }

    /// What a device is recognised by in the sessions of an account.
    pub(crate) fn fingerprint(
        &self,
        account: &AccountId,
        device: &DeviceHint,
        keyring: &Keyring,
    ) -> DeviceFingerprint {
        let prefixes = self.environment.network_prefixes();
        DeviceFingerprint::of(device, account, &keyring.fingerprint_key(), prefixes)
    }

    /// Asks the account to open a session. Takes the proof: without one there is nothing to ask.
    pub(crate) async fn open(
        &self,
        proof: FirstFactor,
        new: NewSession,
        keyring: &Keyring,
    ) -> Result<Login, Problem> {
        let token_id = TokenId::from_bytes(drawn()?);
        let challenge = Challenge::new(keyring, proof.account())?;
        let about = self.profile_claims(&proof.account()).await?;
        let credential_version = proof.credential_version();
        let seed = self.seed(proof.account(), credential_version, (new.authorization, new.status));
        let (pepper_id, digest) = challenge.digest(keyring, self.tenant)?;
        let call = AccountCall::Open(Box::new(OpenCall {
            seed,
            session: new.session,
            session_key: base64url::encode(&new.session_key.into_bytes()),
            client_id: self.environment.config().client_id().clone(),
            credential_version,
            edge_key_id: current_edge_key(keyring)?,
            amr: proof.methods(),
            fingerprint: self.fingerprint(&proof.account(), &new.device, keyring),
            device: new.device,
            created: new.created,
            language: new.language.map(Into::into),
            challenge: Some(NewChallenge { digest, pepper_id }),
            trusted: new.trusted,
            remember: new.remember,
            is_multi_factor: proof.is_multi_factor(),
            shown: self.environment.possession().key().cloned(),
        }));
        match self.ask(&proof.account(), &call).await.map_err(unavailable)? {
            AdmissionAnswer::ChallengeRequired { methods, expires_in, enrols } => {
                Ok(Login::Challenged(Challenged { challenge, methods, expires_in, enrols }))
            }
            answer => {
                let limits = (self.environment, CountedLimit::SecondFactor);
                Ok(Login::Admitted(Box::new(admitted(limits, answer, token_id, about)?)))
            }
        }
    }

    /// Asks the account to rotate a refresh token. `known` is the version of what the account was given that the rest of
    /// the answer rests on; `None` if the account knows of a newer one: nothing was done.
    pub(crate) async fn refresh(
        &self,
        token: &PresentedRefreshToken,
        device: DeviceHint,
        keyring: &Keyring,
        known: Option<u32>,
    ) -> Result<Option<Admitted>, Problem> {
        let token_id = TokenId::from_bytes(drawn()?);
        let about = self.profile_claims(&token.account()).await?;
        let call = AccountCall::Refresh(RefreshCall {
            operation: OperationId::from_bytes(drawn()?),
            tenant: self.tenant.clone(),
            client_id: self.environment.config().client_id().clone(),
            token: claim(token),
            next_edge_key_id: current_edge_key(keyring)?,
            authorization_version: known,
            fingerprint: self.fingerprint(&token.account(), &device, keyring),
            device,
            shown: self.environment.possession().key().cloned(),
        });
        let answer = self.ask(&token.account(), &call).await.map_err(unavailable)?;
        if matches!(answer, AdmissionAnswer::Refused(AdmissionRefusal::AuthorizationOutdated)) {
            return Ok(None);
        }
        admitted((self.environment, CountedLimit::Refresh), answer, token_id, about).map(Some)
    }

    /// What the next access token of an account says about its owner. Read before the account is asked: after it
    /// nothing may fail.
    pub(super) async fn profile_claims(&self, account: &AccountId) -> Result<CustomClaims, Problem> {
        let wanted = &self.environment.config().tokens().profile_claims;
        if wanted.is_empty() {
            return Ok(CustomClaims::default());
        }
        let directory = self.environment.directory()?;
        let profile = directory.profile(self.tenant.as_str(), account).await?;
        profile.map_or_else(|| Ok(CustomClaims::default()), |profile| profile.claims(wanted))
    }

    pub(crate) async fn logout(&self, token: &PresentedRefreshToken) -> Result<(), Problem> {
        let call = AccountCall::Logout {
            tenant: self.tenant.clone(),
            client_id: self.environment.config().client_id().clone(),
            token: claim(token),
        };
        enforced(self.ask(&token.account(), &call).await)?;
        Ok(())
    }

    pub(crate) async fn revoke_one(
        &self,
        account: &AccountId,
        session: SessionId,
        reason: RevokeReason,
    ) -> Result<Ended, Problem> {
        let call = AccountCall::RevokeOne { tenant: self.tenant.clone(), session, reason };
        enforced(self.ask(account, &call).await)
    }

    pub(crate) async fn revoke_all(
        &self,
        account: &AccountId,
        keep: Option<SessionId>,
        reason: RevokeReason,
    ) -> Result<Ended, Problem> {
        self.revoke_all_by(account, OperationId::from_bytes(drawn()?), keep, reason).await
    }

    /// The same, under an id that the caller may bring again.
    pub(crate) async fn revoke_all_by(
        &self,
        account: &AccountId,
        operation: OperationId,
        keep: Option<SessionId>,
        reason: RevokeReason,
    ) -> Result<Ended, Problem> {
        let call = AccountCall::RevokeAll { tenant: self.tenant.clone(), operation, keep, reason };
        enforced(self.ask(account, &call).await)
    }

    pub(crate) async fn list(
        &self,
        account: &AccountId,
        current: Option<SessionId>,
    ) -> Result<Vec<SessionView>, Problem> {
        let call = AccountCall::List { tenant: self.tenant.clone(), current, ended: false };
        self.ask(account, &call).await.map_err(unavailable)
    }

    /// All sessions that are still remembered, ended ones included.
    pub(crate) async fn list_all(&self, account: &AccountId) -> Result<Vec<SessionView>, Problem> {
        let call = AccountCall::List { tenant: self.tenant.clone(), current: None, ended: true };
        self.ask(account, &call).await.map_err(unavailable)
    }

    /// Changes whether an account may be used, and the copy in the directory. The same operation again is answered
    /// again. Says whether anything was changed, and what the account is now.
    ///
    /// # Errors
    ///
    /// `not_found`, `status_conflict`, `idempotency_key_reused`, `invalid_request` for an end that has passed;
    /// `invalidation_pending` if it is stored and readers at the edge may not know yet.
    pub(crate) async fn set_status(
        &self,
        account: &AccountId,
        operation: String,
        request: StatusRequest,
    ) -> Result<(bool, AccountRecord), Problem> {
        let directory = self.environment.directory()?;
        let credential = directory.credential_of(self.tenant, account).await?;
        let credential = credential.ok_or_else(Problem::not_found)?;
        let start = (credential.authorization()?, credential.status);
        let seed = Box::new(self.seed(*account, credential.credential_version, start));
        let call = AccountCall::SetStatus { seed, operation, request };
        match self.ask(account, &call).await.map_err(unavailable)? {
            StatusAnswer::Set { changed, account, pending } => {
                // Lists show it at once if this succeeds, and soon if it does not: the account's outbox repeats it.
                let _ = directory.copy_status(&account).await;
                if pending { Err(Problem::invalidation_pending()) } else { Ok((changed, *account)) }
            }
            StatusAnswer::Refused(StatusRefusal::Conflict(AccountStatus::Purged)) | StatusAnswer::Unknown => {
                Err(Problem::not_found())
            }
            StatusAnswer::Refused(StatusRefusal::Conflict(_)) => Err(Problem::status_conflict()),
            StatusAnswer::Refused(StatusRefusal::UntilPassed) => {
                Err(Problem::invalid_field("until", "must lie in the future"))
            }
            StatusAnswer::OperationReused => Err(Problem::idempotency_key_reused()),
        }
    }

    /// The status of an account now, by its own word; `None` if it was never opened.
    pub(crate) async fn status(&self, account: &AccountId) -> Result<Option<AccountStatus>, Problem> {
        self.ask(account, &AccountCall::Status { tenant: self.tenant.clone() }).await.map_err(unavailable)
    }

    /// The failed attempts at the second factors of an account, by its own word.
    pub(crate) async fn factor_attempts(&self, account: &AccountId) -> Result<FactorAttempts, Problem> {
        let call = AccountCall::FactorAttempts { tenant: self.tenant.clone() };
        self.ask(account, &call).await.map_err(unavailable)
    }

    /// Purges a deleted account: the account itself first, then what the directory has of it. May be repeated.
    ///
    /// # Errors
    ///
    /// `not_found`; `status_conflict` if it is not deleted, or not before `deleted_before`.
    pub(crate) async fn purge(
        &self,
        account: &AccountId,
        by: Actor,
        deleted_before: Option<UnixMillis>,
    ) -> Result<(), Problem> {
        let directory = self.environment.directory()?;
        let call = AccountCall::Purge { tenant: self.tenant.clone(), by, deleted_before };
        match self.ask(account, &call).await.map_err(unavailable)? {
            PurgeAnswer::Purged => directory.purge(account).await,
            PurgeAnswer::Refused => Err(Problem::status_conflict()),
            // Nobody has deleted what was never opened.
            PurgeAnswer::Unknown => match directory.credential_of(self.tenant, account).await? {
                Some(_) => Err(Problem::status_conflict()),
                None => Err(Problem::not_found()),
            },
        }
    }

    /// The strict check, with what the device is recognised by that the token is used on, where that is asked for, and the
    /// key that was shown of a token that is bound to one.
    pub(crate) async fn check(
        &self,
        subject: &TokenSubject,
        device: CheckedDevice,
        shown: Option<ShownKey>,
    ) -> Result<SessionVerdict, Unconfirmed> {
        let call = AccountCall::Check {
            tenant: subject.tenant.clone(),
            session: subject.session,
            account_version: subject.account_version,
            device,
            shown: shown.map(Box::new),
        };
        self.ask(&subject.account, &call).await
    }

    /// What there is to show of a session, by the account's own word, with the check without a device.
    pub(crate) async fn look(&self, subject: &TokenSubject) -> Result<Looked, Unconfirmed> {
        let (tenant, session) = (subject.tenant.clone(), subject.session);
        let call = AccountCall::Look { tenant, session, account_version: subject.account_version };
        self.ask(&subject.account, &call).await
    }

    /// Tells the account of a credential change that D1 has committed, with what D1 says that it was given.
    pub(crate) async fn fence(
        &self,
        account: &AccountId,
        version: u32,
        reason: RevokeReason,
        change: Option<FenceChange>,
    ) -> Result<(), Unconfirmed> {
        // Nothing was changed if it is gone, and nobody can prove to have it.
        let Some(seed) = self.stored_seed(account).await? else { return Ok(()) };
        let seed = Box::new(AccountRecord { credential_version: version, ..*seed });
        self.confirm(account, &AccountCall::Fence { seed, reason, change }).await
    }

    /// Tells the account what it has now.
    pub(crate) async fn entitle(
        &self,
        account: &AccountId,
        entitlements: EntitlementSnapshot,
    ) -> Result<(), Unconfirmed> {
        // Whoever is gone has nothing.
        let Some(seed) = self.stored_seed(account).await? else { return Ok(()) };
        self.confirm(account, &AccountCall::Entitle { seed, entitlements }).await
    }

    /// Tells the account what D1 says that it was given: the version that it knows then.
    pub(crate) async fn authorize(&self, account: &AccountId) -> Result<Option<u32>, Unconfirmed> {
        let Some(seed) = self.stored_seed(account).await? else { return Ok(None) };
        let version = seed.authorization.version;
        self.confirm(account, &AccountCall::Authorize { seed }).await?;
        Ok(Some(version))
    }

    /// What an account starts from by what D1 has; `None` if it is gone.
    async fn stored_seed(&self, account: &AccountId) -> Result<Option<Box<AccountRecord>>, Unconfirmed> {
        let because = |problem: Problem| Unconfirmed::because(problem.code());
        let directory = self.environment.directory().map_err(because)?;
        let credential = directory.credential_of(self.tenant, account).await.map_err(because)?;
        let Some(credential) = credential else {
            // Another tenant's is not gone: whoever asks for it as this one's has to be told.
            return match directory.tenant_of(account).await.map_err(because)? {
                Some(tenant) if tenant != self.tenant.as_str() => {
                    Err(Unconfirmed::because("the account is another tenant's"))
                }
                _ => Ok(None),
            };
        };
        let start = (credential.authorization().map_err(because)?, credential.status);
        Ok(Some(Box::new(self.seed(*account, credential.credential_version, start))))
    }

    /// Asks for something that is confirmed when readers at the edge are certain to know in time.
    async fn confirm(&self, account: &AccountId, call: &AccountCall) -> Result<(), Unconfirmed> {
        let ended: Ended = self.ask(account, call).await?;
        if ended.pending { Err(Unconfirmed::because("marks are pending")) } else { Ok(()) }
    }

    pub(crate) async fn acknowledge(&self, account: &AccountId, ids: Vec<String>) -> Result<(), Unconfirmed> {
        self.ask::<bool>(account, &AccountCall::Acknowledge { ids }).await.map(|_| ())
    }

    /// What an account that was never opened starts from.
    pub(super) fn seed(
        &self,
        id: AccountId,
        credential_version: u32,
        (authorization, status): (AuthorizationSnapshot, AccountStatus),
    ) -> AccountRecord {
        AccountRecord {
            id,
            tenant: self.tenant.clone(),
            status,
            cause: None,
            account_version: 1,
            credential_version,
            fenced_version: 0,
            authorization: Box::new(match self.environment.permissions() {
                Ok(permissions) => permissions.resolve(authorization),
                // The account object resolves it, whatever it finds here.
                Err(_) => authorization,
            }),
            entitlements: Box::default(),
            clock: ObjectClock::default(),
        }
    }

    pub(super) async fn ask<A: DeserializeOwned>(
        &self,
        account: &AccountId,
        call: &AccountCall,
    ) -> Result<A, Unconfirmed> {
        let namespace =
            self.environment.accounts().map_err(|problem| Unconfirmed::because(problem.code()))?;
        ask(&namespace, &account.to_string(), Some(self.tenant), call).await
    }
}

/// A session that is opened or refreshed.
pub(super) fn admitted(
    limits: (&Environment, CountedLimit),
    answer: AdmissionAnswer,
    token_id: TokenId,
    about: CustomClaims,
) -> Result<Admitted, Problem> {
    let remembered = matches!(&answer, AdmissionAnswer::Admitted { admission, .. } if admission.remembered);
    match believed(limits, answer, about)? {
        (Some(token), grant) => Ok(Admitted { token, grant, token_id, remembered }),
        (None, _) => Err(Problem::internal("account", "a session came without a token")),
    }
}

/// The one place where the answer of an account object is believed. With the limit that it counts.
pub(super) fn believed(
    (environment, limit): (&Environment, CountedLimit),
    answer: AdmissionAnswer,
    about: CustomClaims,
) -> Result<(Option<TokenParts>, Grant), Problem> {
    let believe = |admission: Box<_>| Grant::assertion(*admission).with_custom_claims(about);
    match answer {
        AdmissionAnswer::Admitted { token, admission } => Ok((Some(token), believe(admission))),
        AdmissionAnswer::Renewed { admission } => Ok((None, believe(admission))),
        // Only a login is put off, and only an answer comes again.
        AdmissionAnswer::ChallengeRequired { .. }
        | AdmissionAnswer::BackupCodesWanted
        | AdmissionAnswer::SeatWanted(_) => Err(Problem::challenge_invalid()),
        AdmissionAnswer::Limited { retry_after_seconds } => {
            Err(environment.refused_by(limit, retry_after_seconds))
        }
        AdmissionAnswer::Refused(refusal) => Err(match refusal {
            AdmissionRefusal::CredentialStale => Problem::invalid_credentials(),
            AdmissionRefusal::SessionIdUsed => Problem::code_invalid(),
            AdmissionRefusal::SessionLimitExceeded => Problem::account("session_limit_exceeded"),
            AdmissionRefusal::TenantSessionLimitExceeded => Problem::account("tenant_session_limit_exceeded"),
            AdmissionRefusal::DeviceHintMissing => Problem::account("device_hint_missing"),
            AdmissionRefusal::DeviceRejected => Problem::device_binding_rejected(),
            AdmissionRefusal::KeyMissing => Problem::proof("dpop_required", false),
            AdmissionRefusal::ProofRefused(refusal) => Problem::replayed(refusal, false),
            AdmissionRefusal::ChallengeInvalid => Problem::challenge_invalid(),
            AdmissionRefusal::SecondFactorInvalid => Problem::second_factor_invalid(),
            AdmissionRefusal::FactorMissing => Problem::second_factor_required(),
            AdmissionRefusal::NotEnrolled => Problem::second_factor_conflict(),
            AdmissionRefusal::SessionEnded => Problem::token("session_revoked"),
            AdmissionRefusal::RefreshInvalid => Problem::refresh_invalid(),
            AdmissionRefusal::AuthorizationOutdated => Problem::organization(Refusal::Conflict),
            AdmissionRefusal::AccountNotActive(status) => Problem::account(status.code()),
        }),
    }
}

/// What ended, if readers at the edge are certain to know of it within the bound.
fn enforced(answer: Result<Ended, Unconfirmed>) -> Result<Ended, Problem> {
    let ended = answer.map_err(unavailable)?;
    if ended.pending { Err(Problem::invalidation_pending()) } else { Ok(ended) }
}

pub(crate) fn drawn() -> Result<[u8; 16], Problem> {
    Ok(Ambient::read().random()?.into_bytes())
}

pub(super) fn current_edge_key(keyring: &Keyring) -> Result<u32, Problem> {
    keyring.edge_key().map(|key| key.id()).ok_or_else(|| Problem::internal("keyring", "there is no edge key"))
}

fn claim(token: &PresentedRefreshToken) -> RefreshTokenClaim {
    RefreshTokenClaim {
        account: token.account(),
        session: token.session(),
        generation: token.generation(),
        edge_key_id: token.edge_key_id(),
        inner_tag: token.inner_tag().clone(),
    }
}

pub(super) fn unavailable(error: Unconfirmed) -> Problem {
    Problem::unavailable("account", error)
}
