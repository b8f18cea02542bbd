//! Logging in by mail or SMS:
//! `POST /api/v1/auth/request-otp {email | phone, purpose?}`, `POST /api/v1/auth/verify-login {email | phone, otp}`,
//! `POST /api/v1/auth/request-login-link {email}`, `POST /api/v1/auth/verify-login-link {token}`.
//!
//! A code may create the account of an address or number that has none, if the configuration says so; a link never
//! does, and goes by mail only.

use crate::route::contact::{contact, email};
use crate::route::exchange::Exchange;
use crate::route::login::remember;
use crate::route::mailed::{self, Kind, Presented, limit_presented};
use crate::route::turnstile::Token;
use crate::route::verify_sign_up::default_roles;
use crate::route::{tokens, username};
use crate::store::accounts::{Accounts, NewSession};
use crate::store::creation::{NewAccount, NewContact};
use crate::store::directory::Credential;
use crate::store::intake::UsedSecret;
use crate::wire::answer::Answer;
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::AccountStatus;
use postern_core::id::{AccountId, SessionId};
use postern_core::identifier::Identifier;
use postern_core::intake::CodePurpose;
use postern_core::permission::AuthorizationSnapshot;
use postern_core::proof::FirstFactor;

/// Who is proven, and what an account object that was never opened starts from.
type Proven = (FirstFactor, AuthorizationSnapshot, AccountStatus);

pub(crate) async fn request(exchange: &Exchange, kind: Kind) -> Answer {
    check_enabled(exchange, kind)?;
    let mut body = Body::read(&exchange.request).await?;
    if body.optional_text("purpose")?.is_some_and(|purpose| purpose != "login") {
        return Err(Problem::invalid_field("purpose", "must be login"));
    }
    let to = match kind {
        Kind::Code | Kind::Uuid => contact(&exchange.environment, &mut body)?,
        Kind::Link => Identifier::Email(email(&mut body)?),
    };
    let human = Token::read(exchange, &mut body)?;
    mailed::request(exchange, &to, purpose_of(kind), kind, human).await
}

pub(crate) async fn verify(exchange: &Exchange, kind: Kind) -> Answer {
    check_enabled(exchange, kind)?;
    let mut body = Body::read(&exchange.request).await?;
    let presented = Presented::read(exchange, &mut body, kind)?;
    let remember = remember(&mut body)?;
    limit_presented(exchange).await?;

    let account = AccountId::from_bytes(exchange.ambient.random()?.into_bytes());
    let session_key = exchange.ambient.random()?;
    let (used, contact, credential) = presented.used(exchange, purpose_of(kind)).await?;
    let session = SessionId::from_bytes(*used.operation().as_bytes());
    let created = credential.is_none();
    let (proof, authorization, status) = match (credential, contact) {
        (Some(credential), _) => proven(used, &credential)?,
        (None, Some(contact)) => create(exchange, used, account, &contact).await?,
        (None, None) => return Err(Problem::code_invalid()),
    };
    let (device, language) = (exchange.device(), exchange.language());
    let new = NewSession {
        session,
        session_key,
        authorization,
        status,
        device,
        created,
        language,
        remember,
        trusted: None,
    };
    let keyring = exchange.keyring().await?;
    let login = Accounts::new(&exchange.environment).open(proof, new, &keyring).await?;
    tokens::of_login(exchange, &keyring, login).await
}

fn proven(used: UsedSecret, found: &Credential) -> Result<Proven, Problem> {
    let proof = used.proof(found.account_id, found.credential_version);
    Ok((FirstFactor::Address(proof), found.authorization()?, found.status))
}

/// An account without a password for an address or number that has none, if that is wanted.
async fn create(
    exchange: &Exchange,
    used: UsedSecret,
    account: AccountId,
    contact: &Identifier,
) -> Result<Proven, Problem> {
    if !exchange.environment.config().sign_in().creates_accounts {
        return Err(Problem::code_invalid());
    }
    let tenant = exchange.environment.config().tenant();
    let roles = default_roles(exchange);
    let new = NewAccount {
        account,
        order: None,
        tenant,
        contacts: &[NewContact { identifier: contact, is_proven: true }],
        username: None,
        name: &contact.placeholder_name(),
        password_hash: None,
        roles: &roles,
        awaits_proof: false,
        gift: None,
    };
    let directory = exchange.directory()?;
    // Whoever was faster owns the address or number as much as this message does: the account is theirs.
    let _ = username::create(exchange, &directory, new, username::source(contact, "")).await?;
    let created = directory.credential(tenant, contact).await?.ok_or_else(Problem::code_invalid)?;
    proven(used, &created)
}

const fn purpose_of(kind: Kind) -> CodePurpose {
    match kind {
        Kind::Code | Kind::Uuid => CodePurpose::Login,
        Kind::Link => CodePurpose::LoginLink,
    }
}

fn check_enabled(exchange: &Exchange, kind: Kind) -> Result<(), Problem> {
    let sign_in = exchange.environment.config().sign_in();
    let enabled = match kind {
        Kind::Code | Kind::Uuid => sign_in.codes,
        Kind::Link => sign_in.links,
    };
    if enabled { Ok(()) } else { Err(Problem::feature_disabled()) }
}
