//! `POST /api/v1/auth/set-password {token, password}` → 200; with `code` or `backup_code` for an account that has a
//! second factor.
//!
//! The link of the mail works once, for an account that has no password; for ten minutes a client that lost the answer
//! can repeat the same request. The change is a batch in the directory that opens a fence, then the account object
//! drops what the old credential opened; until it has confirmed, the answer is 503 and the cron goes on.

use crate::object::account::FenceChange;
use crate::outbox::message::{MailTemplate, REPLAYED};
use crate::route::exchange::Exchange;
use crate::route::mailed::{Kind, Presented, limit_presented};
use crate::route::password::Whose;
use crate::route::recovery::Recovery;
use crate::route::second_factor::Factor;
use crate::route::turn::Turn;
use crate::route::{breach, login, password, verify_contact};
use crate::store::directory::Credential;
use crate::store::fence;
use crate::store::intake::{Intake, NewSecret};
use crate::store::keyring::Keyring;
use crate::wire::answer::{Answer, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::codec::base64url;
use postern_core::flow::login::LoginOutcome;
use postern_core::id::{AccountId, OperationId};
use postern_core::identifier::{Identifier, IdentifierKind};
use postern_core::intake::{CodePurpose, LinkToken};
use postern_core::password::{PasswordHash, PasswordInput};
use postern_core::session::CredentialChange;

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let text = body.secret("password")?;
    let presented = Presented::read(exchange, &mut body, Kind::Link)?;
    let factor = Factor::optional(&mut body)?;
    let password = password::chosen(&exchange.environment, "password", &text, Whose::default())?;
    let turn = Turn::take()?;
    limit_presented(exchange).await?;

    breach::refuse_known(exchange, "password", &password).await?;
    // Before anything is used up: it may fail.
    let keyring = exchange.keyring().await?;
    turn.come().await;
    let hash = password::hashed(exchange, &keyring, &password)?;
    drop(turn);
    let recovery = Recovery::proven(exchange, presented, CodePurpose::SetPassword, factor, &password).await?;
    let change = FenceChange { change: CredentialChange::PasswordChanged, keep: None, notify: None };
    replace(exchange, &recovery, &password, &hash, change).await
}

/// Sends the link to set the first password of an account.
pub(crate) async fn mail_link(
    exchange: &Exchange,
    keyring: &Keyring,
    account: AccountId,
    to: &Identifier,
    name: &str,
    operation: OperationId,
) -> Result<(), Problem> {
    let environment = &exchange.environment;
    let token = LinkToken::new(*account.as_bytes(), exchange.ambient.random()?);
    let purpose = CodePurpose::SetPassword;
    let link = NewSecret {
        purpose,
        bound_to: to.value(),
        secret: base64url::encode(token.secret().expose()),
        operation,
        to,
        template: MailTemplate::SetPassword {
            name: name.into(),
            token: token.to_text().expose().into(),
            ttl_seconds: environment
                .mailed_policy(purpose, to.kind() == IdentifierKind::Phone)
                .time_to_live
                .as_secs(),
        },
        language: exchange.language(),
    };
    Intake::of_identifier(environment, keyring, to).mail_secret(link).await
}

/// Gives an account the password that a code or link was used for. A repeated secret goes on with the change that it
/// was first used for, against the credential that it first met: it never starts another. It proves the address or
/// number as well: the account's owner is who reads it.
pub(crate) async fn replace(
    exchange: &Exchange,
    recovery: &Recovery,
    password: &PasswordInput,
    hash: &PasswordHash,
    change: FenceChange,
) -> Answer {
    put(exchange, recovery, password, hash, change).await?;
    if let Some(contact) = &recovery.contact {
        verify_contact::prove(exchange, &recovery.credential, contact).await?;
    }
    success()
}

async fn put(
    exchange: &Exchange,
    recovery: &Recovery,
    password: &PasswordInput,
    hash: &PasswordHash,
    change: FenceChange,
) -> Result<(), Problem> {
    let (environment, directory) = (&exchange.environment, exchange.directory()?);
    let Recovery { credential, used, .. } = recovery;
    let (account, operation, against) = (credential.account_id, used.operation(), used.against());
    if recovery.was_made() {
        // The first try went through; only its fence may still be open.
        if !is_the_one_that_was_set(exchange, password, credential).await? {
            return Err(replayed(exchange, recovery).await?);
        }
        return fence::settle(environment, &directory, &account).await.map(drop);
    }
    fence::settle(environment, &directory, &account).await?;
    let now = exchange.ambient.now();
    if !directory.change_password(&account, against, Some(hash.as_str()), operation, &change, now).await? {
        // Another change came first; what this was for is over.
        return Err(replayed(exchange, recovery).await?);
    }
    let version = against.saturating_add(1);
    fence::close(environment, &directory, &account, version, Some(change)).await
}

/// The refusal of a secret that has done what it was for, with a line of the audit trail.
async fn replayed(exchange: &Exchange, recovery: &Recovery) -> Result<Problem, Problem> {
    if let Some(contact) = recovery.contact.clone() {
        login::report_afterwards(exchange, exchange.keyring().await?, contact, REPLAYED, false)?;
    }
    Ok(Problem::code_invalid())
}

/// A secret that has set its password gives a lost answer again, and takes no other password.
async fn is_the_one_that_was_set(
    exchange: &Exchange,
    password: &PasswordInput,
    credential: &Credential,
) -> Result<bool, Problem> {
    let keyring = exchange.keyring().await?;
    match password::check(exchange, &keyring, password, Some(&credential.stored(&exchange.environment))) {
        LoginOutcome::Proven { .. } => Ok(true),
        LoginOutcome::Refused(_) => Ok(false),
        LoginOutcome::Unavailable(error) => Err(Problem::unavailable("password hash", error)),
    }
}
