//! The Worker's side of second factors.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::account::{
    AccountCall, AdmissionAnswer, AnswerCall, FactorAnswer, FactorCall, FactorOrder, FactorRefusal,
    NewChallenge, Presented, SentOrder, StepUpCall, StepUpChallenge,
};
use crate::store::accounts::{Accounts, Admitted, admitted, believed, current_edge_key, drawn, unavailable};
use crate::store::keyring::Keyring;
use crate::wire::problem::Problem;
use crate::wire::rate_limits::CountedLimit;
use postern_core::account::StatusReason;
use postern_core::authentication::{AuthenticationClass, AuthenticationDemand};
use postern_core::codec::base64url;
use postern_core::entropy::Random;
use postern_core::factor::{BackupCodes, ChallengeId, FactorMethod, TrustedDeviceId};
use postern_core::flow::validate::TokenSubject;
use postern_core::grant::Grant;
use postern_core::id::{AccountId, OperationId, TenantId, TokenId};
use postern_core::intake::{CodeDigest, LinkToken};
use postern_core::secret::{Secret, SecretText};
use postern_core::session::DeviceHint;
use postern_core::time::UnixMillis;
use serde::Serialize;

/// A login that waits for a second factor.
pub(crate) struct Challenged {
    pub(crate) challenge: Challenge,
    pub(crate) methods: Vec<FactorMethod>,
    pub(crate) expires_in: u32,
    /// There is none, and one has to be enrolled.
    pub(crate) enrols: bool,
}

/// What an account has of second factors, but for passkeys.
#[derive(Default, Serialize)]
pub(crate) struct SecondFactor {
    pub(crate) enabled: bool,
    pub(crate) backup_codes_left: usize,
    /// Where codes are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    /// Where a code was sent that has not come back yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<PendingContact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) trusted_devices: Vec<TrustedUntil>,
}

/// An address or number that is about to be a factor.
#[derive(Serialize)]
pub(crate) struct PendingContact {
    method: FactorMethod,
    sent_to: String,
    expires_at: u64,
}

/// A device that is not asked for a factor until then.
#[derive(Serialize)]
pub(crate) struct TrustedUntil {
    expires_at: u64,
}

/// What an answer to a challenge comes to.
pub(crate) enum Answered {
    Admitted(Box<Admitted>),
    /// It was the first code of a new authenticator, and comes again with backup codes.
    BackupCodesWanted,
}

/// What a client answers with: whose account, 16 random bytes, and 16 bytes by which we know our own, so that nobody
/// reaches an account with one that was made up.
pub(crate) struct Challenge(LinkToken);

impl Challenge {
    const DOMAIN: &'static [u8] = b"second factor challenge";

    pub(crate) fn new(keyring: &Keyring, account: AccountId) -> Result<Self, Problem> {
        tagged(keyring, Self::DOMAIN, account).map(Self)
    }

    /// Reads one that may be ours.
    pub(crate) fn parse(keyring: &Keyring, text: &SecretText) -> Option<Self> {
        read_tagged(keyring, Self::DOMAIN, text).map(Self)
    }

    pub(crate) fn to_text(&self) -> SecretText {
        self.0.to_text()
    }

    /// What the account stores of it, and the pepper of that.
    pub(crate) fn digest(&self, keyring: &Keyring, tenant: &TenantId) -> Result<(u32, CodeDigest), Problem> {
        let pepper = keyring.peppers().current();
        let pepper = pepper.ok_or_else(|| Problem::internal("keyring", "there is no pepper"))?;
        let account = self.account();
        let id = ChallengeId { tenant, account: &account, secret: self.0.secret() };
        Ok((pepper.id(), id.digest(pepper)))
    }

    pub(crate) const fn secret(&self) -> &Secret<32> {
        self.0.secret()
    }

    pub(crate) fn account(&self) -> AccountId {
        AccountId::from_bytes(*self.0.selector())
    }
}

/// What a device keeps that need not show a second factor for a while: of the same make, so that a made-up one reaches no
/// account.
pub(crate) struct DeviceToken(LinkToken);

impl DeviceToken {
    const DOMAIN: &'static [u8] = b"trusted device";

    pub(crate) fn new(keyring: &Keyring, account: AccountId) -> Result<Self, Problem> {
        tagged(keyring, Self::DOMAIN, account).map(Self)
    }

    /// The secret of one that is ours, and of this account.
    pub(crate) fn secret_for(keyring: &Keyring, account: &AccountId, text: &SecretText) -> Option<String> {
        let token = read_tagged(keyring, Self::DOMAIN, text)?;
        let is_theirs = token.selector() == account.as_bytes();
        is_theirs.then(|| base64url::encode(token.secret().expose()))
    }

    pub(crate) fn to_text(&self) -> SecretText {
        self.0.to_text()
    }

    /// What the account stores of it.
    pub(crate) fn stored(&self, keyring: &Keyring, tenant: &TenantId) -> Result<NewChallenge, Problem> {
        let pepper = keyring.peppers().current();
        let pepper = pepper.ok_or_else(|| Problem::internal("keyring", "there is no pepper"))?;
        let account = AccountId::from_bytes(*self.0.selector());
        let id = TrustedDeviceId { tenant, account: &account, secret: self.0.secret() };
        Ok(NewChallenge { digest: id.digest(pepper), pepper_id: pepper.id() })
    }
}

fn tagged(keyring: &Keyring, domain: &[u8], account: AccountId) -> Result<LinkToken, Problem> {
    let secret = completed(keyring, domain, &account, &drawn()?);
    Ok(LinkToken::new(*account.as_bytes(), Random::new(secret)))
}

fn read_tagged(keyring: &Keyring, domain: &[u8], text: &SecretText) -> Option<LinkToken> {
    let token = LinkToken::parse(text).ok()?;
    let (random, _) = token.secret().expose().split_first_chunk::<16>()?;
    let account = AccountId::from_bytes(*token.selector());
    let ours = Secret::new(completed(keyring, domain, &account, random)).ct_eq(token.secret());
    ours.then_some(token)
}

fn completed(keyring: &Keyring, domain: &[u8], account: &AccountId, random: &[u8; 16]) -> [u8; 32] {
    let tag = keyring.digest(&[domain, account.as_bytes(), random]);
    let mut secret = tag;
    if let Some(head) = secret.first_chunk_mut::<16>() {
        *head = *random;
    }
    secret
}

impl Accounts<'_> {
    /// Asks the account to open the session that a challenge has put off.
    pub(crate) async fn answer(
        &self,
        challenge: &Challenge,
        presented: Presented,
        (backup, trust): (Option<BackupCodes>, Option<&DeviceToken>),
        device: DeviceHint,
        keyring: &Keyring,
    ) -> Result<Answered, Problem> {
        let account = challenge.account();
        let token_id = TokenId::from_bytes(drawn()?);
        let session_key = Ambient::read().random::<32>()?;
        let about = self.profile_claims(&account).await?;
        let call = AccountCall::Answer(Box::new(AnswerCall {
            tenant: self.tenant.clone(),
            client_id: self.environment.config().client_id().clone(),
            fingerprint: self.fingerprint(&account, &device, keyring),
            device,
            secret: base64url::encode(challenge.0.secret().expose()),
            presented,
            trust: trust.map(|token| token.stored(keyring, self.tenant)).transpose()?,
            backup,
            operation: OperationId::from_bytes(drawn()?),
            session_key: base64url::encode(&session_key.into_bytes()),
            edge_key_id: current_edge_key(keyring)?,
            shown: self.environment.possession().key().cloned(),
        }));
        match self.ask(&account, &call).await.map_err(unavailable)? {
            AdmissionAnswer::BackupCodesWanted => Ok(Answered::BackupCodesWanted),
            answer => {
                let limits = (self.environment, CountedLimit::SecondFactor);
                admitted(limits, answer, token_id, about).map(Box::new).map(Answered::Admitted)
            }
        }
    }

    /// What the account has of second factors, but for passkeys.
    pub(crate) async fn second_factor(&self, account: &AccountId) -> Result<SecondFactor, Problem> {
        match self.factor(account, FactorOrder::Show).await? {
            FactorAnswer::Shown { enabled, backup_codes_left, pending, trusted, email, phone } => {
                let pending = pending.map(|(method, sent_to, until)| PendingContact {
                    method,
                    sent_to,
                    expires_at: until.as_millis(),
                });
                let until = |until: UnixMillis| TrustedUntil { expires_at: until.as_millis() };
                let trusted_devices = trusted.into_iter().map(until).collect();
                Ok(SecondFactor { enabled, backup_codes_left, email, phone, pending, trusted_devices })
            }
            _ => Ok(SecondFactor::default()),
        }
    }

    /// Sends a code: where it goes.
    ///
    /// # Errors
    ///
    /// `rate_limited`, `challenge_invalid`, `second_factor_conflict`.
    pub(crate) async fn send_factor(&self, account: &AccountId, order: SentOrder) -> Result<String, Problem> {
        match self.factor(account, FactorOrder::Sent(order)).await? {
            FactorAnswer::Sent { to } => Ok(to),
            FactorAnswer::Limited { retry_after_seconds } => {
                Err(self.environment.refused_by(CountedLimit::FactorResend, retry_after_seconds))
            }
            FactorAnswer::Refused(FactorRefusal::Missing) => Err(self.second_factor_demanded()),
            other => {
                changed(self.environment, other).and(Err(Problem::internal("account", "no code was sent")))
            }
        }
    }

    /// Has a place confirmed that codes are sent to. `false` if it is right and comes again with backup codes.
    ///
    /// # Errors
    ///
    /// `no_pending_change`, `second_factor_invalid`, `rate_limited`.
    pub(crate) async fn confirm_contact(
        &self,
        account: &AccountId,
        order: SentOrder,
    ) -> Result<bool, Problem> {
        match self.factor(account, FactorOrder::Sent(order)).await? {
            FactorAnswer::BackupCodesWanted => Ok(false),
            other => changed(self.environment, other).map(|()| true),
        }
    }

    /// Changes the second factors of an account.
    ///
    /// # Errors
    ///
    /// `second_factor_conflict`, `no_pending_change`, `second_factor_invalid`, `rate_limited`; `invalidation_pending` if it
    /// is stored and readers at the edge may not know yet.
    pub(crate) async fn change_factor(&self, account: &AccountId, order: FactorOrder) -> Result<(), Problem> {
        changed(self.environment, self.factor(account, order).await?)
    }

    /// The same for backup codes, which a session may have shown its factor for.
    ///
    /// # Errors
    ///
    /// Those of [`Self::change_factor`], and `reauthentication_required`.
    pub(crate) async fn change_backup_codes(
        &self,
        account: &AccountId,
        order: FactorOrder,
    ) -> Result<(), Problem> {
        match self.factor(account, order).await? {
            FactorAnswer::Refused(FactorRefusal::Missing) => Err(self.second_factor_demanded()),
            other => changed(self.environment, other),
        }
    }

    /// Uses the second factor of an account whose password is about to be set by whoever reads its mail. Nothing is
    /// asked for if it has none.
    ///
    /// # Errors
    ///
    /// `second_factor_required`, `second_factor_invalid`, `rate_limited`; `code_invalid` if mail may let nobody into
    /// the account.
    pub(crate) async fn recover(
        &self,
        account: &AccountId,
        presented: Option<Presented>,
    ) -> Result<(), Problem> {
        match self.factor(account, FactorOrder::Recover { presented }).await? {
            FactorAnswer::Refused(FactorRefusal::NotEnrolled) => Ok(()),
            other => changed(self.environment, other),
        }
    }

    /// Removes all second factors of an account by order of an operator. The same operation again is answered again.
    /// Says whether there were any.
    ///
    /// # Errors
    ///
    /// `not_found`, `idempotency_key_reused`; `invalidation_pending` if it is stored and readers at the edge may not
    /// know yet.
    pub(crate) async fn remove_factors(
        &self,
        keyring: &Keyring,
        account: &AccountId,
        operation: String,
        reason: StatusReason,
    ) -> Result<bool, Problem> {
        let directory = self.environment.directory()?;
        let credential = directory.credential_of(self.tenant, account).await?;
        let credential = credential.ok_or_else(Problem::not_found)?;
        let start = (credential.authorization()?, credential.status);
        let seed = Box::new(self.seed(*account, credential.credential_version, start));
        let before = self.passkeys(keyring, account).await?;
        let call = AccountCall::RemoveFactors { seed, operation, reason };
        let removed = match self.ask(account, &call).await.map_err(unavailable)? {
            FactorAnswer::Refused(FactorRefusal::NotEnrolled) => Ok(false),
            other => changed(self.environment, other).map(|()| true),
        };
        if !before.is_empty() {
            // A claim that stays is the same account's to use: nothing depends on this.
            let left = self.passkeys(keyring, account).await?;
            for gone in before.iter().filter(|passkey| left.iter().all(|other| other.id != passkey.id)) {
                directory.forget_passkey(account, &gone.id).await?;
            }
        }
        removed
    }

    /// Uses the second factor of an account before something sensitive. Nothing is asked for if it has none.
    ///
    /// # Errors
    ///
    /// `reauthentication_required` if none was presented; `second_factor_invalid`, `rate_limited`.
    pub(crate) async fn prove_factor(
        &self,
        account: &AccountId,
        presented: Option<Presented>,
    ) -> Result<(), Problem> {
        match self.factor(account, FactorOrder::Prove { presented }).await? {
            FactorAnswer::Refused(FactorRefusal::NotEnrolled) => Ok(()),
            FactorAnswer::Refused(FactorRefusal::Missing) => Err(self.second_factor_demanded()),
            other => changed(self.environment, other),
        }
    }

    /// The refusal of a session that has shown no second factor lately.
    pub(super) fn second_factor_demanded(&self) -> Problem {
        let max_age = Some(self.environment.config().second_factor().recent);
        let class = Some(AuthenticationClass::MultiFactor);
        Problem::reauthentication(AuthenticationDemand { max_age, class })
    }

    /// Has a session authenticated again, by its owner's password, a factor, or both: what its next access token may
    /// say.
    ///
    /// # Errors
    ///
    /// `second_factor_required`, `second_factor_invalid`, `second_factor_conflict`, `rate_limited`, `session_revoked`.
    pub(crate) async fn step_up(
        &self,
        subject: &TokenSubject,
        password: Option<u32>,
        presented: Option<Presented>,
        challenge: Option<StepUpChallenge>,
    ) -> Result<(Grant, TokenId), Problem> {
        let token_id = TokenId::from_bytes(drawn()?);
        let about = self.profile_claims(&subject.account).await?;
        let call = AccountCall::StepUp(Box::new(StepUpCall {
            tenant: self.tenant.clone(),
            session: subject.session,
            operation: OperationId::from_bytes(drawn()?),
            password,
            presented,
            challenge,
        }));
        let answer = self.ask(&subject.account, &call).await.map_err(unavailable)?;
        let limits = (self.environment, CountedLimit::SecondFactor);
        believed(limits, answer, about).map(|(_, grant)| (grant, token_id))
    }

    async fn factor(&self, account: &AccountId, order: FactorOrder) -> Result<FactorAnswer, Problem> {
        let operation = OperationId::from_bytes(drawn()?);
        let call =
            AccountCall::Factor(Box::new(FactorCall { tenant: self.tenant.clone(), operation, order }));
        self.ask(account, &call).await.map_err(unavailable)
    }
}

fn changed(environment: &Environment, answer: FactorAnswer) -> Result<(), Problem> {
    match answer {
        FactorAnswer::Done { pending: true } => Err(Problem::invalidation_pending()),
        FactorAnswer::Done { .. }
        | FactorAnswer::Shown { .. }
        | FactorAnswer::Sent { .. }
        | FactorAnswer::BackupCodesWanted => Ok(()),
        FactorAnswer::Limited { retry_after_seconds } => {
            Err(environment.refused_by(CountedLimit::SecondFactor, retry_after_seconds))
        }
        FactorAnswer::Refused(refusal) => Err(match refusal {
            FactorRefusal::AlreadyEnrolled | FactorRefusal::NotEnrolled => Problem::second_factor_conflict(),
            FactorRefusal::NotBegun => Problem::no_pending_change(),
            FactorRefusal::Wrong => Problem::second_factor_invalid(),
            FactorRefusal::Missing => Problem::second_factor_required(),
            FactorRefusal::NoLogin => Problem::challenge_invalid(),
            FactorRefusal::Restricted => Problem::code_invalid(),
            FactorRefusal::OperationReused => Problem::idempotency_key_reused(),
            FactorRefusal::Unknown => Problem::not_found(),
        }),
    }
}
