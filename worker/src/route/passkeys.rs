//! Passkeys: `POST /api/v1/auth/passkeys/registration` and `POST /api/v1/auth/passkeys` register one,
//! `GET /api/v1/auth/passkeys` lists them, `PATCH` and `DELETE /api/v1/auth/passkeys/{id}` rename and remove one;
//! `POST /api/v1/auth/passkeys/authentication` and `POST /api/v1/auth/passkeys/login` sign in.

use crate::object::account::{PasskeyAnswer, PasskeyOrder, ShownFactor};
use crate::route::authenticate::bearer_in;
use crate::route::exchange::Exchange;
use crate::route::login::remember;
use crate::route::mailed::{limit_presented, new_operation};
use crate::route::presence::{Bearer, Proof};
use crate::route::second_factor::Enrolling;
use crate::route::sessions::limit_profile;
use crate::route::tokens;
use crate::store::accounts::{Accounts, NewSession};
use crate::store::directory::Credential;
use crate::store::factors::Challenge;
use crate::store::keyring::Keyring;
use crate::store::limiter::Limits;
use crate::store::passkeys::{Answerer, SignInChallenge, owner_of, user_handle};
use crate::wire::answer::{Answer, json, success};
use crate::wire::body::Body;
use crate::wire::passkey::{self, CreationOptions, NewPasskey, RequestOptions, Shown};
use crate::wire::problem::Problem;
use postern_core::flow::validate::{Mode, RouteMode};
use postern_core::id::{AccountId, OperationId, SessionId};
use postern_core::identifier::{DisplayName, Identifier};
use postern_core::passkey::{Octets, Passkey, PasskeyUse};
use postern_core::proof::FirstFactor;
use postern_core::relying_party::RelyingParty;
use serde::Serialize;

#[derive(Serialize)]
struct List<'a> {
    passkeys: Vec<Shown<'a>>,
}

/// `{purpose?, current_password?, code? | backup_code?}` of a bearer, or `{purpose?, challenge}` of a login that has to
/// enrol a second factor → the options for `navigator.credentials.create()`.
pub(crate) async fn begin(exchange: &Exchange) -> Answer {
    party(exchange)?;
    let body = Body::read_optional(&exchange.request).await?;
    if body.has("challenge") {
        return begin_for_login(exchange, body).await;
    }
    let Asked { bearer, mut body, shown } = Asked::by(exchange, Bearer::of(exchange).await?, body).await?;
    let registered_for = purpose(exchange, &mut body)?;
    let (keyring, account) = (bearer.keyring(), bearer.subject.account);
    let challenge = Octets::new(exchange.ambient.random::<32>()?.into_bytes().into());
    let order = PasskeyOrder::Begin { challenge: challenge.clone(), registered_for, shown };
    let existing = Accounts::new(&exchange.environment).listed(keyring, &account, order).await?;
    options_of(exchange, keyring, &bearer.credential, (&challenge, registered_for), &existing)
}

/// The passkey is kept when it answers the login's challenge: by `2fa/verify`.
async fn begin_for_login(exchange: &Exchange, mut body: Body) -> Answer {
    let login = body.secret("challenge")?;
    let registered_for = purpose(exchange, &mut body)?;
    let Enrolling { keyring, challenge: login, credential } = Enrolling::of(exchange, &login).await?;
    let challenge = Octets::new(exchange.ambient.random::<32>()?.into_bytes().into());
    let (accounts, new) = (Accounts::new(&exchange.environment), (challenge.clone(), registered_for));
    let existing = accounts.begin_passkey_for_login(&keyring, &login, exchange.device(), new).await?;
    options_of(exchange, &keyring, &credential, (&challenge, registered_for), &existing)
}

fn options_of(
    exchange: &Exchange,
    keyring: &Keyring,
    credential: &Credential,
    (challenge, registered_for): (&Octets, PasskeyUse),
    existing: &[Passkey],
) -> Answer {
    let (party, account, text) = (party(exchange)?, credential.account_id, challenge.to_text());
    let handle = user_handle(keyring, exchange.environment.config().tenant(), &account).to_text();
    let contact = credential.contact();
    let name = credential.name.as_str();
    let new = NewPasskey {
        relying_party: (party.id(), &exchange.environment.config().passkeys().relying_party_name),
        user_handle: &handle,
        names: (contact.as_ref().map_or(name, Identifier::value), name),
        challenge: &text,
        registered_for,
    };
    json(200, &CreationOptions::new(&new, existing))
}

/// `{name, credential}` → the passkey.
pub(crate) async fn finish(exchange: &Exchange) -> Answer {
    party(exchange)?;
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read(&exchange.request).await?;
    let name = name(&mut body)?;
    let (registration, transports) = passkey::registration(&mut body, "credential")?;
    limit_presented(exchange).await?;

    let account = bearer.subject.account;
    let claim = PasskeyClaim::take(exchange, &account, &registration.id, new_operation(exchange)?).await?;
    let order = PasskeyOrder::Finish { registration, name, transports };
    let accounts = Accounts::new(&exchange.environment);
    let outcome = accounts.change_passkey(bearer.keyring(), &account, order).await;
    match claim.settle(exchange, outcome).await? {
        PasskeyAnswer::Registered(passkey) => json(201, &Shown::of(&passkey)),
        _ => Err(Problem::internal("passkeys", "a registration was answered otherwise")),
    }
}

pub(crate) async fn list(exchange: &Exchange) -> Answer {
    let subject = bearer_in(exchange, RouteMode::Exactly(Mode::Strict)).await?.subject;
    limit_profile(exchange, &subject.account).await?;
    party(exchange)?;
    let keyring = exchange.keyring().await?;
    let passkeys = Accounts::new(&exchange.environment).passkeys(&keyring, &subject.account).await?;
    json(200, &List { passkeys: passkeys.iter().map(Shown::of).collect() })
}

/// `{name}`.
pub(crate) async fn rename(exchange: &Exchange, id: &str) -> Answer {
    let subject = bearer_in(exchange, RouteMode::Exactly(Mode::Strict)).await?.subject;
    limit_profile(exchange, &subject.account).await?;
    let id = passkey::id(id).ok_or_else(Problem::not_found)?;
    let name = name(&mut Body::read(&exchange.request).await?)?;
    let keyring = exchange.keyring().await?;
    let order = PasskeyOrder::Rename { id, name };
    Accounts::new(&exchange.environment).change_passkey(&keyring, &subject.account, order).await?;
    success()
}

/// `{current_password?, code? | backup_code?}`: not this one any more. All sessions end but the one that asks.
pub(crate) async fn remove(exchange: &Exchange, id: &str) -> Answer {
    let Asked { bearer, shown, .. } = Asked::of(exchange).await?;
    let id = passkey::id(id).ok_or_else(Problem::not_found)?;
    let account = bearer.subject.account;
    let sign_in = exchange.environment.config().sign_in();
    let has_mail = bearer.credential.contact().is_some() && (sign_in.codes || sign_in.links);
    let has_other_way_in = bearer.credential.password_hash.is_some() || has_mail;
    let order =
        PasskeyOrder::Remove { id: id.clone(), shown, keep: bearer.subject.session, has_other_way_in };
    let removed =
        Accounts::new(&exchange.environment).change_passkey(bearer.keyring(), &account, order).await;
    if removed.is_ok() || removed.as_ref().is_err_and(|problem| problem.code() == "invalidation_pending") {
        exchange.directory()?.forget_passkey(&account, &id).await?;
    }
    removed?;
    success()
}

/// `{}` → the options for `navigator.credentials.get()`, whoever asks; `{challenge}` → those for a login that waits for
/// its second factor.
pub(crate) async fn options(exchange: &Exchange) -> Answer {
    let party = party(exchange)?;
    let (keyring, tenant) = (exchange.keyring().await?, exchange.environment.config().tenant());
    let mut body = Body::read_optional(&exchange.request).await?;
    if !body.has("challenge") {
        check_sign_in(exchange)?;
        let (now, random) = (exchange.ambient.now(), exchange.ambient.random()?);
        let challenge = SignInChallenge::new(&keyring, Answerer::Anybody(tenant), now, random).to_text();
        return json(200, &RequestOptions::alone(party.id(), &challenge));
    }
    let challenge = body.secret("challenge")?;
    limit_presented(exchange).await?;
    let challenge = Challenge::parse(&keyring, &challenge).ok_or_else(Problem::challenge_invalid)?;
    let accounts = Accounts::new(&exchange.environment);
    let passkeys = accounts.passkeys_for_login(&keyring, &challenge, exchange.device()).await?;
    json(200, &RequestOptions::behind(party.id(), &challenge.for_passkey(tenant), &passkeys))
}

/// `{credential}` → tokens. Every refusal before the account's own is the same.
pub(crate) async fn login(exchange: &Exchange) -> Answer {
    party(exchange)?;
    check_sign_in(exchange)?;
    let mut body = Body::read(&exchange.request).await?;
    let assertion = passkey::assertion(&mut body, "credential")?;
    let remember = remember(&mut body)?;

    let (environment, keyring) = (&exchange.environment, exchange.keyring().await?);
    let (tenant, limits) = (environment.config().tenant(), environment.config().limits());
    Limits::new(environment, &keyring, &exchange.source())
        .per_key("login_per_source", limits.login_per_source)
        .per_pair("login_per_pair", limits.login_per_pair, &assertion.id.to_text())
        .take()
        .await?;
    let refused = Problem::invalid_credentials;
    let challenge = SignInChallenge::in_answer(&keyring, Answerer::Anybody(tenant), &assertion);
    let challenge = challenge.ok_or_else(refused)?;
    let handle = assertion.user_handle.as_ref().ok_or_else(refused)?;
    let account = owner_of(&keyring, tenant, handle).ok_or_else(refused)?;
    let session_key = exchange.ambient.random()?;
    let operation = new_operation(exchange)?;
    let found = exchange.directory()?.credential_of(tenant, &account).await?.ok_or_else(refused)?;
    let (authorization, status) = (found.authorization()?, found.status);
    let version = found.credential_version;

    let accounts = Accounts::new(environment);
    let proof =
        accounts.verify_passkey(&keyring, &account, version, operation, &challenge, assertion).await?;
    let session = SessionId::from_bytes(*operation.as_bytes());
    let device = exchange.device();
    let new = NewSession::of_known(session, session_key, authorization, status, device, remember, None);
    let login = accounts.open(FirstFactor::Passkey(proof), new, &keyring).await?;
    tokens::of_login(exchange, &keyring, login).await
}

/// The owner has been asked for, and what the request and the session show of a second factor is at hand.
struct Asked {
    bearer: Bearer,
    /// What else the request says.
    body: Body,
    shown: ShownFactor,
}

impl Asked {
    async fn of(exchange: &Exchange) -> Result<Self, Problem> {
        let bearer = Bearer::of(exchange).await?;
        let body = Body::read_optional(&exchange.request).await?;
        Self::by(exchange, bearer, body).await
    }

    async fn by(exchange: &Exchange, bearer: Bearer, mut body: Body) -> Result<Self, Problem> {
        let Proof { password, factor } = Proof::read(&mut body)?;
        limit_presented(exchange).await?;
        bearer.prove_presence(exchange, password.as_ref()).await?;
        let presented = match factor {
            Some(factor) => {
                Some(factor.presented(exchange, bearer.keyring(), &bearer.subject.account).await?)
            }
            None => None,
        };
        let shown = ShownFactor { recently: bearer.has_shown_second_factor(exchange), presented };
        Ok(Self { bearer, body, shown })
    }
}

/// The id of a passkey about to be registered, claimed for its account.
pub(crate) struct PasskeyClaim {
    account: AccountId,
    id: Octets,
    operation: OperationId,
}

impl PasskeyClaim {
    /// # Errors
    ///
    /// `passkey_exists` if it is another account's.
    pub(crate) async fn take(
        exchange: &Exchange,
        account: &AccountId,
        id: &Octets,
        operation: OperationId,
    ) -> Result<Self, Problem> {
        let (directory, tenant) = (exchange.directory()?, exchange.environment.config().tenant());
        if directory.claim_passkey(tenant, account, id, operation, exchange.ambient.now()).await? {
            Ok(Self { account: *account, id: id.clone(), operation })
        } else {
            Err(Problem::passkey_exists())
        }
    }

    /// Gives it back if nothing came of it for certain: an account that did not answer may have it.
    pub(crate) async fn settle<T>(
        self,
        exchange: &Exchange,
        outcome: Result<T, Problem>,
    ) -> Result<T, Problem> {
        match &outcome {
            // The same answer may have come twice, and the other of the two have given back what both relied on.
            Ok(_) => {
                if let Err(problem) = Self::take(exchange, &self.account, &self.id, self.operation).await {
                    worker::console_error!("claim of a passkey: {}", problem.code());
                }
            }
            Err(problem) if matches!(problem.code(), "passkey_exists" | "unavailable") => {}
            Err(_) => {
                let keyring = exchange.keyring().await?;
                let kept = Accounts::new(&exchange.environment).passkeys(&keyring, &self.account).await?;
                if kept.iter().all(|kept| kept.id != self.id) {
                    exchange.directory()?.unclaim_passkey(&self.id, self.operation).await?;
                }
            }
        }
        outcome
    }
}

fn purpose(exchange: &Exchange, body: &mut Body) -> Result<PasskeyUse, Problem> {
    let may_sign_in = exchange.environment.config().passkeys().sign_in;
    match body.optional_text("purpose")?.as_deref() {
        None if may_sign_in => Ok(PasskeyUse::SignIn),
        Some("sign_in") if may_sign_in => Ok(PasskeyUse::SignIn),
        None | Some("second_factor") => Ok(PasskeyUse::SecondFactor),
        Some("sign_in") => Err(Problem::feature_disabled()),
        Some(_) => Err(Problem::invalid_field("purpose", "must be sign_in or second_factor")),
    }
}

pub(crate) fn name(body: &mut Body) -> Result<String, Problem> {
    let name = DisplayName::parse(&body.text("name")?);
    Ok(name.map_err(|error| Problem::invalid_field("name", error))?.as_str().into())
}

pub(crate) fn party(exchange: &Exchange) -> Result<&RelyingParty, Problem> {
    exchange.environment.config().passkeys().party().ok_or_else(Problem::feature_disabled)
}

fn check_sign_in(exchange: &Exchange) -> Result<(), Problem> {
    if exchange.environment.config().passkeys().sign_in { Ok(()) } else { Err(Problem::feature_disabled()) }
}
