//! Proving an address or number that an account has, for accounts that came without proof:
//! `POST /api/v1/auth/request-email-verification {email}`, `POST /api/v1/auth/verify-email {email, otp}` or, by link,
//! `{token}`; `POST /api/v1/auth/request-phone-verification {phone}`, `POST /api/v1/auth/verify-phone {phone, otp}`.
//!
//! An account that waits for this proof may be used from then on.

use crate::route::contact::of_kind;
use crate::route::exchange::Exchange;
use crate::route::mailed::{self, Kind, Presented, code, limit_presented, new_operation};
use crate::route::turnstile::Token;
use crate::store::accounts::Accounts;
use crate::store::directory::Credential;
use crate::store::intake::Intake;
use crate::wire::answer::{Answer, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::{AccountStatus, Actor, StatusOrder, StatusRequest};
use postern_core::identifier::{Identifier, IdentifierKind};
use postern_core::intake::CodePurpose;

const PURPOSE: CodePurpose = CodePurpose::VerifyIdentifier;

pub(crate) async fn request(exchange: &Exchange, of: IdentifierKind) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let to = of_kind(&exchange.environment, &mut body, of)?;
    let human = Token::read(exchange, &mut body)?;
    mailed::request(exchange, &to, PURPOSE, kind(exchange, of), human).await
}

/// Sends for the proof of the address or number of an account that was just created.
pub(crate) async fn mail(exchange: &Exchange, intake: &Intake<'_>, to: &Identifier) -> Answer {
    mailed::mail(exchange, intake, PURPOSE, kind(exchange, to.kind()), to.value(), to).await
}

pub(crate) async fn confirm(exchange: &Exchange, of: IdentifierKind) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let presented = match kind(exchange, of) {
        Kind::Link => Presented::read(exchange, &mut body, Kind::Link)?,
        Kind::Code | Kind::Uuid => {
            let contact = of_kind(&exchange.environment, &mut body, of)?;
            Presented::Code { contact, code: code(&mut body)? }
        }
    };
    limit_presented(exchange).await?;
    let (_, contact, credential) = presented.used(exchange, PURPOSE).await?;
    let (Some(contact), Some(credential)) = (contact, credential) else {
        return Err(Problem::code_invalid());
    };
    prove(exchange, &credential, &contact).await?;
    success()
}

/// Whoever asks has shown to read what is sent to this account's address or number.
pub(crate) async fn prove(
    exchange: &Exchange,
    credential: &Credential,
    contact: &Identifier,
) -> Result<(), Problem> {
    let (environment, account) = (&exchange.environment, &credential.account_id);
    let accounts = Accounts::new(environment);
    let status = accounts.status(account).await?;
    if status.is_some_and(AccountStatus::is_restricted) {
        return Err(Problem::code_invalid());
    }
    let (now, tenant) = (exchange.ambient.now(), environment.config().tenant());
    exchange.directory()?.verify(tenant, contact, account, now).await?;
    if status != Some(AccountStatus::PendingVerification) {
        // Never opened: it starts from what the directory says now. Or nobody waits for this.
        return Ok(());
    }
    let order = StatusOrder::Lift(AccountStatus::PendingVerification);
    let request = StatusRequest { order, by: Actor::Owner, reason: None };
    let operation = new_operation(exchange)?.to_string();
    accounts.set_status(account, operation, request).await.map(drop)
}

/// A phone gets codes, whatever is mailed.
fn kind(exchange: &Exchange, of: IdentifierKind) -> Kind {
    match of {
        IdentifierKind::Phone => Kind::Code,
        IdentifierKind::Email | IdentifierKind::Username => {
            Kind::of(exchange.environment.config().verification().by)
        }
    }
}
