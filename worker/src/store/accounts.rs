//! The Worker's side of account objects.

use crate::environment::Environment;
use crate::object::account::{AccountCall, AdmissionAnswer, Ended, OpenCall, RefreshCall, Verdict};
use crate::object::call::{Unconfirmed, ask};
use crate::store::keyring::Keyring;
use crate::wire::problem::Problem;
use postern_core::account::{AccountRecord, AccountStatus, AuthorizationSnapshot, ObjectClock};
use postern_core::codec::base64url;
use postern_core::entropy::Random;
use postern_core::flow::validate::TokenSubject;
use postern_core::grant::Grant;
use postern_core::id::{AccountId, SessionId, TenantId};
use postern_core::proof::FirstFactor;
use postern_core::session::{DeviceHint, PresentedRefreshToken, RefreshTokenClaim, RevokeReason, TokenParts};
use serde::de::DeserializeOwned;

pub(crate) struct Accounts<'a> {
    environment: &'a Environment,
    tenant: &'a TenantId,
}

/// A session that somebody may use: the token to compose and the grant to sign.
pub(crate) struct Admitted {
    pub(crate) token: TokenParts,
    pub(crate) grant: Grant,
}

/// What a session is opened with, besides the proof. Ids and keys are drawn before the first write.
pub(crate) struct NewSession {
    pub(crate) session: SessionId,
    pub(crate) session_key: Random<32>,
    pub(crate) roles: Vec<String>,
    pub(crate) device: DeviceHint,
}

impl<'a> Accounts<'a> {
    pub(crate) fn new(environment: &'a Environment) -> Self {
        Self { environment, tenant: environment.config().tenant() }
    }

    /// Asks the account to open a session. Takes the proof: without one there is nothing to ask.
    pub(crate) async fn open(
        &self,
        proof: FirstFactor,
        new: NewSession,
        keyring: &Keyring,
    ) -> Result<Admitted, Problem> {
        let config = self.environment.config();
        let (permission_mask, registry_version) = self.environment.mask_of(&new.roles);
        let credential_version = proof.credential_version();
        let seed = AccountRecord {
            id: proof.account(),
            tenant: self.tenant.clone(),
            status: AccountStatus::Active,
            account_version: 1,
            credential_version,
            authorization: AuthorizationSnapshot {
                roles: new.roles,
                permission_mask,
                registry_version,
                authorization_version: credential_version,
            },
            clock: ObjectClock::default(),
        };
        let call = AccountCall::Open(Box::new(OpenCall {
            seed,
            session: new.session,
            session_key: base64url::encode(&new.session_key.into_bytes()),
            client_id: config.client_id().clone(),
            credential_version,
            edge_key_id: current_edge_key(keyring)?,
            amr: proof.methods(),
            device: new.device,
        }));
        let answer = self.ask(&proof.account(), &call).await.map_err(unavailable)?;
        admitted(answer, |code| match code {
            "invalid_credentials" => Problem::invalid_credentials(),
            "session_limit_exceeded" => Problem::account("session_limit_exceeded"),
            "session_creation_failed" => Problem::code_invalid(),
            code => Problem::account(account_code(code)),
        })
    }

    /// Asks the account to rotate a refresh token.
    pub(crate) async fn refresh(
        &self,
        token: &PresentedRefreshToken,
        device: DeviceHint,
        keyring: &Keyring,
    ) -> Result<Admitted, Problem> {
        let call = AccountCall::Refresh(RefreshCall {
            tenant: self.tenant.clone(),
            client_id: self.environment.config().client_id().clone(),
            token: claim(token),
            next_edge_key_id: current_edge_key(keyring)?,
            device,
        });
        let answer = self.ask(&token.account(), &call).await.map_err(unavailable)?;
        admitted(answer, |code| match code {
            "refresh_invalid" => Problem::refresh_invalid(),
            code => Problem::account(account_code(code)),
        })
    }

    pub(crate) async fn logout(&self, token: &PresentedRefreshToken) -> Result<(), Problem> {
        let call = AccountCall::Logout {
            tenant: self.tenant.clone(),
            client_id: self.environment.config().client_id().clone(),
            token: claim(token),
        };
        self.ask::<bool>(&token.account(), &call).await.map_err(unavailable)?;
        Ok(())
    }

    pub(crate) async fn revoke_one(
        &self,
        account: &AccountId,
        session: SessionId,
        reason: RevokeReason,
    ) -> Result<Ended, Problem> {
        let call = AccountCall::RevokeOne { tenant: self.tenant.clone(), session, reason };
        self.ask(account, &call).await.map_err(unavailable)
    }

    pub(crate) async fn revoke_all(
        &self,
        account: &AccountId,
        keep: Option<SessionId>,
        reason: RevokeReason,
    ) -> Result<Ended, Problem> {
        let call = AccountCall::RevokeAll { tenant: self.tenant.clone(), keep, reason };
        self.ask(account, &call).await.map_err(unavailable)
    }

    pub(crate) async fn list(
        &self,
        account: &AccountId,
        current: Option<SessionId>,
    ) -> Result<Vec<serde_json::Value>, Problem> {
        let call = AccountCall::List { tenant: self.tenant.clone(), current };
        self.ask(account, &call).await.map_err(unavailable)
    }

    /// The strict check. `Ok(None)` if the token is good, its public code if not.
    pub(crate) async fn check(&self, subject: &TokenSubject) -> Result<Option<String>, Unconfirmed> {
        let call = AccountCall::Check {
            tenant: subject.tenant.clone(),
            session: subject.session,
            account_version: subject.account_version,
        };
        let verdict: Verdict = self.ask(&subject.account, &call).await?;
        Ok(verdict.refusal)
    }

    /// Tells the account of a credential change that D1 has committed.
    pub(crate) async fn fence(
        &self,
        account: &AccountId,
        version: u32,
        reason: RevokeReason,
    ) -> Result<(), Unconfirmed> {
        let call = AccountCall::Fence { tenant: self.tenant.clone(), version, reason, keep: None };
        self.ask::<bool>(account, &call).await.map(|_| ())
    }

    pub(crate) async fn acknowledge(&self, account: &AccountId, ids: Vec<String>) -> Result<(), Unconfirmed> {
        self.ask::<bool>(account, &AccountCall::Acknowledge { ids }).await.map(|_| ())
    }

    async fn ask<A: DeserializeOwned>(&self, account: &AccountId, call: &AccountCall) -> Result<A, Unconfirmed> {
        let namespace =
            self.environment.accounts().map_err(|problem| Unconfirmed::because(problem.code()))?;
        ask(&namespace, &account.to_string(), call).await
    }
}

/// The one place where the answer of an account object is believed.
fn admitted(answer: AdmissionAnswer, refusal: impl Fn(&str) -> Problem) -> Result<Admitted, Problem> {
    match answer {
        AdmissionAnswer::Admitted { token, admission } => {
            Ok(Admitted { token, grant: Grant::assertion(*admission) })
        }
        AdmissionAnswer::Limited { retry_after_seconds } => Err(Problem::rate_limited(retry_after_seconds)),
        AdmissionAnswer::Refused { code } => Err(refusal(&code)),
    }
}

/// Codes cross the object's boundary as text; outside they are one of a closed list.
fn account_code(code: &str) -> &'static str {
    AccountStatus::ALL
        .map(AccountStatus::code)
        .into_iter()
        .chain(["session_limit_exceeded", "device_hint_missing"])
        .find(|known| *known == code)
        .unwrap_or("account_unavailable")
}

fn current_edge_key(keyring: &Keyring) -> Result<u32, Problem> {
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

fn unavailable(error: Unconfirmed) -> Problem {
    Problem::unavailable("account", error)
}
