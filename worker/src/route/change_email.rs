//! Another address for the account:
//! `POST /api/v1/auth/request-email-change {email, current_password?}`,
//! `POST /api/v1/auth/resend-email-change`,
//! `POST /api/v1/auth/confirm-email-change {email, otp}`.
//!
//! The code goes to the new address, and until it comes back nothing changes. Whether the new address belongs to
//! somebody is looked up by the consumer of the mail; the old address is told when the change is made.

use crate::route::exchange::Exchange;
use crate::route::mailed::{Kind, code, limit_presented, limit_requested, mail, new_operation};
use crate::route::presence::{Bearer, current_password};
use crate::route::sign_up::email;
use crate::store::address::AddressChange;
use crate::store::fence;
use crate::store::intake::{Intake, PresentedSecret};
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::identifier::EmailAddress;
use postern_core::intake::CodePurpose;
use postern_core::session::CredentialChange;
use serde::Serialize;

const PURPOSE: CodePurpose = CodePurpose::ChangeIdentifier;

#[derive(Serialize)]
struct EmailChanged {
    success: bool,
}

pub(crate) async fn request(exchange: &Exchange) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read(&exchange.request).await?;
    let to = email(&mut body)?;
    let current = current_password(&mut body)?;
    limit_requested(exchange).await?;
    bearer.prove_presence(exchange, current.as_ref()).await?;
    if bearer.credential.email.as_deref() == Some(to.as_str()) {
        return Err(Problem::invalid_field("email", "is the account's address already"));
    }
    mail_code(exchange, &bearer, &to).await
}

/// Another mail to the address that was asked for last. It needs no password again: who reads it was decided then.
pub(crate) async fn resend(exchange: &Exchange) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    limit_requested(exchange).await?;
    let tenant = exchange.environment.config().tenant().as_str();
    let profile = exchange.directory()?.profile(tenant, &bearer.subject.account).await?;
    let pending = profile.as_ref().and_then(|profile| profile.pending_email(exchange.ambient.now()));
    let to = pending.and_then(|email| EmailAddress::parse(email).ok());
    mail_code(exchange, &bearer, &to.ok_or_else(Problem::no_pending_change)?).await
}

async fn mail_code(exchange: &Exchange, bearer: &Bearer, to: &EmailAddress) -> Answer {
    let (environment, account) = (&exchange.environment, &bearer.subject.account);
    Intake::of_account(environment, bearer.keyring(), account).take_request(PURPOSE).await?;
    // First: a wish whose mail was not sent can be sent again, and a mail without its wish could not.
    let now = exchange.ambient.now();
    let until = now.plus(environment.mailed_policy(PURPOSE).time_to_live);
    exchange.directory()?.want_email(account, to, now, until).await?;
    mail(exchange, &intake_of(exchange, bearer, to), PURPOSE, Kind::Code, &bound_to(bearer, to), to).await
}

pub(crate) async fn confirm(exchange: &Exchange) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read(&exchange.request).await?;
    let (to, code) = (email(&mut body)?, code(&mut body)?);
    limit_presented(exchange).await?;
    let limit = exchange.environment.config().limits().verify_per_account;
    Limits::new(&exchange.environment, bearer.keyring(), &bearer.subject.account.to_string())
        .per_key("verify_per_account", limit)
        .take()
        .await?;

    let (account, found) = (bearer.subject.account, &bearer.credential);
    let presented = PresentedSecret {
        secret: code.expose(),
        operation: new_operation(exchange)?,
        against: found.credential_version,
        changed_at: found.changed_at(),
    };
    let used = intake_of(exchange, &bearer, &to)
        .present_secret(PURPOSE, &bound_to(&bearer, &to), presented, &exchange.source())
        .await?;
    let directory = exchange.directory()?;
    if found.operation_id == Some(used.operation()) {
        // The first try went through. Its fence, if that is still open, knows which address to tell: here it is
        // already the new one.
        fence::settle(&exchange.environment, &directory, &account).await?;
        return json(200, &EmailChanged { success: true });
    }
    let mut change = bearer.keeping(CredentialChange::EmailChanged);
    change.notify.clone_from(&found.email);
    let by = AddressChange::proven(&used);
    if !directory.change_email(found, &to, by, &change, exchange.ambient.now()).await? {
        // Somebody else has the address, or another change came first. To whoever asks, the code is not valid.
        return Err(Problem::code_invalid());
    }
    let version = used.against().saturating_add(1);
    fence::close(&exchange.environment, &directory, &account, version, Some(change)).await?;
    json(200, &EmailChanged { success: true })
}

/// The new address's, which counts mails and guesses whichever account asks: somebody with many accounts has no more
/// of either.
fn intake_of<'a>(exchange: &'a Exchange, bearer: &Bearer, to: &EmailAddress) -> Intake<'a> {
    Intake::of_email(&exchange.environment, bearer.keyring(), to)
}

fn bound_to(bearer: &Bearer, to: &EmailAddress) -> String {
    format!("{}/{}", bearer.subject.account, to.as_str())
}
