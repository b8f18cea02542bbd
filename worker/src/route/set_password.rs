//! `POST /api/v1/auth/set-password {token, password}` → 200.
//!
//! The link of the mail works once, for an account that has no password; for ten minutes a client that lost the answer
//! can repeat the same request. The change is a batch in the directory that opens a fence, then the account object
//! drops what the old credential opened; until it has confirmed, the answer is 503 and the cron goes on.

use crate::object::account::FenceChange;
use crate::route::exchange::Exchange;
use crate::route::mailed::limit_presented;
use crate::route::password;
use crate::store::directory::Credential;
use crate::store::fence;
use crate::store::intake::{Intake, PresentedSecret, UsedSecret};
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::codec::base64url;
use postern_core::flow::login::LoginOutcome;
use postern_core::id::{AccountId, OperationId};
use postern_core::intake::{CodePurpose, LinkToken};
use postern_core::password::{PasswordHash, PasswordInput};
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
    limit_presented(exchange).await?;

    let keyring = exchange.keyring().await?;
    let account = AccountId::from_bytes(*token.selector());
    let operation = OperationId::from_bytes(exchange.ambient.random()?.into_bytes());
    let hash = password::hashed(exchange, &keyring, &password)?;
    let intake = Intake::of_account(environment, &keyring, &account);
    let secret = base64url::encode(token.secret().expose());
    let (purpose, bound_to) = (CodePurpose::SetPassword, account.to_string());
    let credential = exchange.directory()?.credential_of(environment.config().tenant(), &account).await?;
    let against = credential.as_ref().map_or(0, |credential| credential.credential_version);
    let presented = PresentedSecret { secret: &secret, operation, against };
    let used = intake.present_secret(purpose, &bound_to, presented, &exchange.source()).await?;
    let credential = credential.ok_or_else(Problem::code_invalid)?;
    if credential.password_hash.is_some() && credential.operation_id != Some(used.operation()) {
        // It has got a password otherwise, perhaps because somebody else had read this mail.
        return Err(Problem::code_invalid());
    }
    let change = FenceChange { change: CredentialChange::PasswordChanged, keep: None };
    replace(exchange, &credential, &password, &hash, &used, change).await
}

/// Gives an account the password that a mailed secret was used for. A repeated secret goes on with the change that it
/// was first used for, against the credential that it first met: it never starts another.
pub(crate) async fn replace(
    exchange: &Exchange,
    credential: &Credential,
    password: &PasswordInput,
    hash: &PasswordHash,
    used: &UsedSecret,
    change: FenceChange,
) -> Answer {
    let directory = exchange.directory()?;
    let (account, operation, against) = (credential.account_id, used.operation(), used.against());
    if credential.operation_id == Some(operation) {
        // The first try went through; only its fence may still be open.
        is_the_one_that_was_set(exchange, password, credential).await?;
    } else {
        let now = exchange.ambient.now();
        if !directory.change_password(&account, against, hash.as_str(), operation, &change, now).await? {
            // Another change came first; what this was for is over.
            return Err(Problem::code_invalid());
        }
    }
    let version = against.saturating_add(1);
    fence::close(&exchange.environment, &directory, &account, version, Some(change)).await?;
    json(200, &PasswordSet { success: true })
}

/// A secret that has set its password gives a lost answer again, and takes no other password.
async fn is_the_one_that_was_set(
    exchange: &Exchange,
    password: &PasswordInput,
    credential: &Credential,
) -> Result<(), Problem> {
    let keyring = exchange.keyring().await?;
    match password::check(exchange, &keyring, password, Some(&credential.stored()?)) {
        LoginOutcome::Proven { .. } => Ok(()),
        LoginOutcome::Refused(_) => Err(Problem::code_invalid()),
        LoginOutcome::Unavailable(error) => Err(Problem::unavailable("password hash", error)),
    }
}
