//! Proving an address that an account has, for accounts that came without proof:
//! `POST /api/v1/auth/request-email-verification {email}`, `POST /api/v1/auth/verify-email {email, otp}` or, by link,
//! `{token}`.
//!
//! An account that waits for this proof may be used from then on.

use crate::route::exchange::Exchange;
use crate::route::mailed::{self, Kind, Presented, limit_presented, new_operation};
use crate::store::accounts::Accounts;
use crate::store::directory::Credential;
use crate::store::intake::Intake;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::{AccountStatus, Actor, StatusOrder, StatusRequest};
use postern_core::identifier::EmailAddress;
use postern_core::intake::CodePurpose;
use serde::Serialize;

const PURPOSE: CodePurpose = CodePurpose::VerifyIdentifier;

#[derive(Serialize)]
struct Verified {
    success: bool,
}

pub(crate) async fn request(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    mailed::request(exchange, &mut body, PURPOSE, kind(exchange)).await
}

/// Mails the proof to the address of an account that was just created.
pub(crate) async fn mail(exchange: &Exchange, intake: &Intake<'_>, email: &EmailAddress) -> Answer {
    mailed::mail(exchange, intake, PURPOSE, kind(exchange), email.as_str(), email).await
}

pub(crate) async fn confirm(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let presented = Presented::read(&mut body, kind(exchange))?;
    limit_presented(exchange).await?;
    let (_, email, credential) = presented.used(exchange, PURPOSE).await?;
    let (Some(email), Some(credential)) = (email, credential) else { return Err(Problem::code_invalid()) };
    prove(exchange, &credential, &email).await?;
    json(200, &Verified { success: true })
}

/// Whoever asks has shown to read the mail of this account's address.
pub(crate) async fn prove(
    exchange: &Exchange,
    credential: &Credential,
    email: &EmailAddress,
) -> Result<(), Problem> {
    let (environment, account) = (&exchange.environment, &credential.account_id);
    let accounts = Accounts::new(environment);
    let status = accounts.status(account).await?;
    if status.is_some_and(AccountStatus::is_restricted) {
        return Err(Problem::code_invalid());
    }
    let (now, tenant) = (exchange.ambient.now(), environment.config().tenant());
    exchange.directory()?.verify(tenant, email, account, now).await?;
    if status != Some(AccountStatus::PendingVerification) {
        // Never opened: it starts from what the directory says now. Or nobody waits for this.
        return Ok(());
    }
    let order = StatusOrder::Lift(AccountStatus::PendingVerification);
    let request = StatusRequest { order, by: Actor::Owner, reason: None };
    let operation = new_operation(exchange)?.to_string();
    accounts.set_status(account, operation, request).await.map(drop)
}

fn kind(exchange: &Exchange) -> Kind {
    Kind::of(exchange.environment.config().verification().by)
}
