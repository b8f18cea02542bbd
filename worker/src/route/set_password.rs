//! `POST /api/v1/auth/set-password {token, password}` → 200.
//!
//! The link of the mail works once; for ten minutes a client that lost the answer can repeat the same request. The
//! change is a batch in the directory that opens a fence, then the account object drops what the old credential
//! opened; until it has confirmed, the answer is 503 and the cron goes on.

use crate::object::account::FenceChange;
use crate::object::intake::LinkAnswer;
use crate::route::exchange::Exchange;
use crate::route::password;
use crate::store::directory::Credential;
use crate::store::fence;
use crate::store::intake::Intake;
use crate::store::keyring::Keyring;
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::flow::login::LoginOutcome;
use postern_core::id::{AccountId, OperationId};
use postern_core::intake::LinkToken;
use postern_core::password::PasswordInput;
use postern_core::session::CredentialChange;
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
    // A repeated link goes on with the change that it was first used for, and never starts another.
    let operation = match intake.consume_link(account, &token, operation).await? {
        LinkAnswer::Consumed => operation,
        LinkAnswer::Repeated { operation } => operation,
        LinkAnswer::Refused => return Err(Problem::code_invalid()),
    };
    let credential = directory.credential_of(environment.config().tenant(), &account).await?;
    let credential = credential.ok_or_else(Problem::code_invalid)?;
    let mut version = credential.credential_version;
    let change = FenceChange { change: CredentialChange::PasswordChanged, keep: None };
    if credential.operation_id == Some(operation) {
        // The first try went through; only its fence may still be open.
        is_the_one_that_was_set(exchange, &keyring, &password, &credential)?;
    } else {
        let now = exchange.ambient.now();
        if !directory.change_password(&account, version, hash.as_str(), operation, &change, now).await? {
            // Another change came first; what this link was for is over.
            return Err(Problem::code_invalid());
        }
        version = version.saturating_add(1);
    }
    fence::close(environment, &directory, &account, version, Some(change)).await?;
    json(200, &PasswordSet { success: true })
}

/// A link that has set its password gives a lost answer again, and takes no other password.
fn is_the_one_that_was_set(
    exchange: &Exchange,
    keyring: &Keyring,
    password: &PasswordInput,
    credential: &Credential,
) -> Result<(), Problem> {
    match password::check(exchange, keyring, password, Some(&credential.stored()?)) {
        LoginOutcome::Proven { .. } => Ok(()),
        LoginOutcome::Refused(_) => Err(Problem::code_invalid()),
        LoginOutcome::Unavailable(error) => Err(Problem::unavailable("password hash", error)),
    }
}
