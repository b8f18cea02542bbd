//! The Worker's side of passkeys.

use crate::object::account::{
    AccountCall, PasskeyAnswer, PasskeyCall, PasskeyOrder, PasskeyProblem, StepUpChallenge,
};
use crate::store::accounts::{Accounts, drawn, unavailable as account_unavailable};
use crate::store::directory::{Directory, millis, unavailable};
use crate::store::factors::Challenge;
use crate::store::keyring::Keyring;
use crate::wire::problem::Problem;
use crate::wire::rate_limits::CountedLimit;
use postern_core::codec::base64url;
use postern_core::entropy::Random;
use postern_core::factor::ChallengeId;
use postern_core::flow::validate::TokenSubject;
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::passkey::{
    Assertion, Octets, Passkey, PasskeyUse, SIGN_IN_CHALLENGE_TTL, challenge_of, second_factor_challenge,
};
use postern_core::proof::PasskeyVerified;
use postern_core::secret::Secret;
use postern_core::session::DeviceHint;
use postern_core::time::{UnixMillis, UnixSeconds};
use worker::wasm_bindgen::JsValue;

/// What an account's passkeys are registered with: its id, and 16 bytes by which we know our own, so that nobody reaches
/// an account with one that was made up. The same for the life of the account.
pub(crate) fn user_handle(keyring: &Keyring, tenant: &TenantId, account: &AccountId) -> Octets {
    let tag = keyring.digest(&[b"passkey user handle", tenant.as_str().as_bytes(), account.as_bytes()]);
    Octets::new([account.as_bytes().as_slice(), half(&tag)].concat())
}

/// Whose user handle it is, if it is one of ours.
pub(crate) fn owner_of(keyring: &Keyring, tenant: &TenantId, handle: &Octets) -> Option<AccountId> {
    let (account, _) = handle.as_bytes().split_first_chunk::<16>()?;
    let account = AccountId::from_bytes(*account);
    let ours: Secret<32> = Secret::from_slice(user_handle(keyring, tenant, &account).as_bytes())?;
    ours.ct_eq(&Secret::from_slice(handle.as_bytes())?).then_some(account)
}

fn half(tag: &[u8; 32]) -> &[u8; 16] {
    tag.first_chunk().unwrap_or(&[0; 16])
}

/// Who may answer a challenge.
#[derive(Clone, Copy)]
pub(crate) enum Answerer<'a> {
    /// Whoever wants to sign in.
    Anybody(&'a TenantId),
    /// Who is signed in already, within that session.
    Holder(&'a TokenSubject),
}

/// A challenge for a passkey alone: version 1, its end in seconds, 16 random bytes, and a tag over them and who may answer,
/// so that nothing is stored until it is answered.
pub(crate) struct SignInChallenge {
    bytes: [u8; 41],
    expires_at: UnixSeconds,
}

impl SignInChallenge {
    const VERSION: u8 = 1;

    pub(crate) fn new(keyring: &Keyring, who: Answerer<'_>, now: UnixMillis, random: Random<16>) -> Self {
        Self::sealed(keyring, who, now.plus(SIGN_IN_CHALLENGE_TTL).to_seconds(), &random.into_bytes())
    }

    /// The one in client data, if it is ours and for this one.
    pub(crate) fn in_answer(keyring: &Keyring, who: Answerer<'_>, assertion: &Assertion) -> Option<Self> {
        let bytes: [u8; 41] = challenge_of(assertion.client_data.as_bytes())?.try_into().ok()?;
        let (_, rest) = bytes.split_first()?;
        let (end, rest) = rest.split_first_chunk::<8>()?;
        let (random, _) = rest.split_first_chunk::<16>()?;
        let ours = Self::sealed(keyring, who, UnixSeconds::new(u64::from_be_bytes(*end)), random);
        Secret::new(ours.bytes).ct_eq(&Secret::new(bytes)).then_some(ours)
    }

    fn sealed(keyring: &Keyring, who: Answerer<'_>, expires_at: UnixSeconds, random: &[u8; 16]) -> Self {
        let head = [&[Self::VERSION], &expires_at.as_secs().to_be_bytes()[..], random].concat();
        let tag = match who {
            Answerer::Anybody(tenant) => {
                keyring.digest(&[b"passkey sign-in challenge", tenant.as_str().as_bytes(), &head])
            }
            Answerer::Holder(TokenSubject { tenant, account, session, .. }) => {
                let (account, session) = (account.as_bytes(), session.as_bytes());
                let tenant = tenant.as_str().as_bytes();
                keyring.digest(&[b"passkey step-up challenge", tenant, account, session, &head])
            }
        };
        let mut bytes = [0; 41];
        for (slot, byte) in bytes.iter_mut().zip(head.iter().chain(half(&tag))) {
            *slot = *byte;
        }
        Self { bytes, expires_at }
    }

    pub(crate) fn to_text(&self) -> String {
        base64url::encode(&self.bytes)
    }

    /// What the account is asked to compare within a session.
    pub(crate) fn for_step_up(&self) -> StepUpChallenge {
        let (bytes, expires_at) = (Octets::new(self.bytes.into()), self.expires_at.to_millis());
        StepUpChallenge { bytes, expires_at }
    }
}

impl Challenge {
    /// What a passkey answers in place of this login's code.
    pub(crate) fn for_passkey(&self, tenant: &TenantId) -> String {
        let account = self.account();
        base64url::encode(&second_factor_challenge(&ChallengeId {
            tenant,
            account: &account,
            secret: self.secret(),
        }))
    }
}

impl Accounts<'_> {
    /// The passkeys of an account, oldest first.
    pub(crate) async fn passkeys(
        &self,
        keyring: &Keyring,
        account: &AccountId,
    ) -> Result<Vec<Passkey>, Problem> {
        self.listed(keyring, account, PasskeyOrder::List).await
    }

    /// The passkeys that may answer a login which waits for its second factor.
    ///
    /// # Errors
    ///
    /// `challenge_invalid`.
    pub(crate) async fn passkeys_for_login(
        &self,
        keyring: &Keyring,
        challenge: &Challenge,
        device: DeviceHint,
    ) -> Result<Vec<Passkey>, Problem> {
        let secret = base64url::encode(challenge.secret().expose());
        let client_id = self.environment.config().client_id().clone();
        self.of_login(keyring, challenge, PasskeyOrder::ForLogin { client_id, device, secret }).await
    }

    /// Begins to register a passkey for a login that has to enrol a second factor: the passkeys that there are.
    ///
    /// # Errors
    ///
    /// `challenge_invalid`.
    pub(crate) async fn begin_passkey_for_login(
        &self,
        keyring: &Keyring,
        login: &Challenge,
        device: DeviceHint,
        (challenge, registered_for): (Octets, PasskeyUse),
    ) -> Result<Vec<Passkey>, Problem> {
        let secret = base64url::encode(login.secret().expose());
        let client_id = self.environment.config().client_id().clone();
        let order = PasskeyOrder::BeginForLogin { challenge, registered_for, client_id, device, secret };
        self.of_login(keyring, login, order).await
    }

    async fn of_login(
        &self,
        keyring: &Keyring,
        login: &Challenge,
        order: PasskeyOrder,
    ) -> Result<Vec<Passkey>, Problem> {
        let listed = self.listed(keyring, &login.account(), order).await;
        listed.map_err(
            |problem| if problem.code() == "not_found" { Problem::challenge_invalid() } else { problem },
        )
    }

    /// Carries an order out that is answered with passkeys.
    ///
    /// # Errors
    ///
    /// Those of [`Self::change_passkey`].
    pub(crate) async fn listed(
        &self,
        keyring: &Keyring,
        account: &AccountId,
        order: PasskeyOrder,
    ) -> Result<Vec<Passkey>, Problem> {
        match self.change_passkey(keyring, account, order).await? {
            PasskeyAnswer::Passkeys(passkeys) => Ok(passkeys),
            _ => Ok(Vec::new()),
        }
    }

    /// Asks the account about its passkeys, or changes them.
    ///
    /// # Errors
    ///
    /// `not_found`, `no_pending_change`, `too_many_passkeys`, `passkey_exists`, `last_way_in`, `passkey_invalid`,
    /// `second_factor_invalid`, `rate_limited`, `reauthentication_required` if a second factor is missing; `invalidation_pending` if it
    /// is stored and readers at the edge may not know yet.
    pub(crate) async fn change_passkey(
        &self,
        keyring: &Keyring,
        account: &AccountId,
        order: PasskeyOrder,
    ) -> Result<PasskeyAnswer, Problem> {
        match self.asked(keyring, account, OperationId::from_bytes(drawn()?), order).await? {
            PasskeyAnswer::Done { pending: true } => Err(Problem::invalidation_pending()),
            PasskeyAnswer::Limited { retry_after_seconds } => {
                Err(self.environment.refused_by(CountedLimit::SecondFactor, retry_after_seconds))
            }
            PasskeyAnswer::Refused(problem) => Err(match problem {
                PasskeyProblem::FactorMissing => self.second_factor_demanded(),
                PasskeyProblem::FactorWrong => Problem::second_factor_invalid(),
                PasskeyProblem::NotFound => Problem::not_found(),
                PasskeyProblem::NotBegun => Problem::no_pending_change(),
                PasskeyProblem::TooMany => Problem::too_many_passkeys(),
                PasskeyProblem::AlreadyRegistered => Problem::passkey_exists(),
                PasskeyProblem::LastWayIn => Problem::last_way_in(),
                PasskeyProblem::Ceremony(step) => Problem::passkey_invalid(&step),
            }),
            answer => Ok(answer),
        }
    }

    /// Asks the account whether a passkey's answer is right, of which all that can be said without it was.
    ///
    /// # Errors
    ///
    /// `invalid_credentials` for every reason; `rate_limited` to whoever has the passkey.
    pub(crate) async fn verify_passkey(
        &self,
        keyring: &Keyring,
        account: &AccountId,
        credential_version: u32,
        operation: OperationId,
        challenge: &SignInChallenge,
        assertion: Assertion,
    ) -> Result<PasskeyVerified, Problem> {
        let order = PasskeyOrder::SignIn {
            challenge: Octets::new(challenge.bytes.into()),
            challenge_expires_at: challenge.expires_at.to_millis(),
            assertion,
        };
        match self.asked(keyring, account, operation, order).await? {
            PasskeyAnswer::Proven => Ok(PasskeyVerified::assertion(*account, credential_version)),
            PasskeyAnswer::Limited { retry_after_seconds } => {
                Err(self.environment.refused_by(CountedLimit::PasskeySignIn, retry_after_seconds))
            }
            _ => Err(Problem::invalid_credentials()),
        }
    }

    async fn asked(
        &self,
        keyring: &Keyring,
        account: &AccountId,
        operation: OperationId,
        order: PasskeyOrder,
    ) -> Result<PasskeyAnswer, Problem> {
        let user_handle = user_handle(keyring, self.tenant, account);
        let call = PasskeyCall { tenant: self.tenant.clone(), operation, user_handle, order };
        self.ask(account, &AccountCall::Passkey(Box::new(call))).await.map_err(account_unavailable)
    }
}

impl Directory {
    /// Makes a passkey's id an account's. `false` if it is another's.
    pub(crate) async fn claim_passkey(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        id: &Octets,
        operation: OperationId,
        now: UnixMillis,
    ) -> Result<bool, Problem> {
        let (id, owner) = (JsValue::from(id.to_text()), account.to_string());
        let query = "INSERT OR IGNORE INTO passkeys (credential_id, tenant, account_id, operation_id, created_at) \
                     VALUES (?, ?, ?, ?, ?)";
        let values = [
            id.clone(),
            tenant.as_str().into(),
            owner.as_str().into(),
            operation.to_string().into(),
            millis(now),
        ];
        self.prepare(query, &values)?.run().await.map_err(unavailable)?;
        let query = "SELECT account_id FROM passkeys WHERE credential_id = ?";
        let found: Option<String> =
            self.prepare(query, &[id])?.first(Some("account_id")).await.map_err(unavailable)?;
        Ok(found.is_some_and(|found| found == owner))
    }

    /// Gives an id back that an operation has claimed, and nothing came of it.
    pub(crate) async fn unclaim_passkey(&self, id: &Octets, operation: OperationId) -> Result<(), Problem> {
        let query = "DELETE FROM passkeys WHERE credential_id = ? AND operation_id = ?";
        let values = [id.to_text().into(), operation.to_string().into()];
        self.prepare(query, &values)?.run().await.map_err(unavailable)
    }

    /// Gives the id of a passkey back that its account has removed.
    pub(crate) async fn forget_passkey(&self, account: &AccountId, id: &Octets) -> Result<(), Problem> {
        let query = "DELETE FROM passkeys WHERE credential_id = ? AND account_id = ?";
        let values = [id.to_text().into(), account.to_string().into()];
        self.prepare(query, &values)?.run().await.map_err(unavailable)
    }
}
