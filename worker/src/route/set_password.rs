//! `POST /api/v1/auth/set-password {token, password}` → 200.
//!
//! The link of the mail works once. The change is a batch in the directory that opens a fence, then the account
//! object drops what the old credential opened; until it has confirmed, the answer is 503 and the cron goes on.

use crate::environment::Environment;
use crate::object::intake::LinkAnswer;
use crate::route::exchange::Exchange;
use crate::route::password;
use crate::store::accounts::Accounts;
use crate::store::directory::Directory;
use crate::store::intake::Intake;
use crate::store::keyring::Keyring;
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::flow::login::{LoginOutcome, StoredCredential};
use postern_core::id::{AccountId, OperationId};
use postern_core::intake::LinkToken;
use postern_core::password::{PasswordHash, PasswordInput};
use postern_core::session::RevokeReason;
use serde::Serialize;

#[derive(Serialize)]
struct PasswordSet {
    success: bool,
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let token = body.secret("token")?;
    let text = body.secret("password")?;
    let environment = &exchange.environment;
    let password = password::chosen(environment, "password", &text, None, None)?;
    let token = LinkToken::parse(&token).map_err(|_| Problem::code_invalid())?;

    let keyring = exchange.keyring().await?;
    let source = exchange.source();
    let limit = environment.config().limits().verify_per_source;
    Limits::new(environment, &keyring, &source).per_key("verify_per_source", limit).take().await?;

    let account = AccountId::from_bytes(*token.selector());
    let operation = OperationId::from_bytes(exchange.ambient.random()?.into_bytes());
    let hash = password::hashed(exchange, &keyring, &password)?;
    let directory = exchange.directory()?;
    let intake = Intake::of_account(environment, &keyring, &account);
    let consumed = intake.consume_link(account, &token, operation).await?;
    if let LinkAnswer::Refused = consumed {
        return Err(Problem::code_invalid());
    }
    let credential = directory.credential_of(&account).await?.ok_or_else(Problem::code_invalid)?;
    let version = credential.credential_version;
    if let (LinkAnswer::Repeated { .. }, Some(hash)) = (&consumed, credential.password_hash) {
        let stored = hash.parse::<PasswordHash>().map_err(|error| Problem::internal("credential", error))?;
        let stored = StoredCredential { account, password: Some(stored), version };
        is_the_one_that_was_set(exchange, &keyring, &password, &stored)?;
        close_fence(environment, &directory, &account, version).await?;
        return json(200, &PasswordSet { success: true });
    }
    let now = exchange.ambient.now();
    if !directory.change_password(&account, version, hash.as_str(), now).await? {
        // Another change came first; what this link was for is over.
        return Err(Problem::code_invalid());
    }
    close_fence(environment, &directory, &account, version.saturating_add(1)).await?;
    json(200, &PasswordSet { success: true })
}

/// A link that has set its password gives a lost answer again, and takes no other password.
fn is_the_one_that_was_set(
    exchange: &Exchange,
    keyring: &Keyring,
    password: &PasswordInput,
    stored: &StoredCredential,
) -> Result<(), Problem> {
    match password::check(exchange, keyring, password, Some(stored)) {
        LoginOutcome::Proven { .. } => Ok(()),
        LoginOutcome::Refused(_) => Err(Problem::code_invalid()),
        LoginOutcome::Unavailable(error) => Err(Problem::unavailable("password hash", error)),
    }
}

/// Tells the account object, and the directory that it knows. Also the cron's way to finish what was left open.
pub(crate) async fn close_fence(
    environment: &Environment,
    directory: &Directory,
    account: &AccountId,
    version: u32,
) -> Result<(), Problem> {
    Accounts::new(environment).fence(account, version, RevokeReason::PasswordChange).await.map_err(
        |error| {
            worker::console_error!("fence of {account}: {error}");
            Problem::invalidation_pending()
        },
    )?;
    directory.close_fence(account, version).await
}
