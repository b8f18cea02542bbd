//! Another address or phone number for the account, or its first of that kind:
//! `POST /api/v1/auth/request-email-change {email, current_password?}`,
//! `POST /api/v1/auth/resend-email-change`,
//! `POST /api/v1/auth/confirm-email-change {email, otp}`, and the same for `phone`; and no phone number any more:
//! `DELETE /api/v1/auth/me/phone {current_password?, code? | backup_code?}`.
//!
//! The code goes to the new one, and until it comes back nothing changes. Whether the new one belongs to somebody is
//! looked up by the consumer of the message; where the account was reached before is told when the change is made.

use crate::route::contact::{check_enabled, of_kind};
use crate::route::exchange::Exchange;
use crate::route::mailed::{Kind, code, limit_presented, limit_requested, mail, new_operation};
use crate::route::presence::{Bearer, Proof};
use crate::store::contact::{ContactChange, Replacement};
use crate::store::fence;
use crate::store::intake::{Intake, PresentedSecret};
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::identifier::{Identifier, IdentifierKind};
use postern_core::intake::CodePurpose;
use postern_core::session::CredentialChange;

const PURPOSE: CodePurpose = CodePurpose::ChangeIdentifier;

pub(crate) async fn request(exchange: &Exchange, kind: IdentifierKind) -> Answer {
    let environment = &exchange.environment;
    check_enabled(environment, kind)?;
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read(&exchange.request).await?;
    let to = of_kind(environment, &mut body, kind)?;
    let proof = Proof::read(&mut body)?;
    limit_requested(exchange, kind).await?;
    bearer.prove_owner(exchange, proof).await?;
    let (present, field) = match kind {
        IdentifierKind::Phone => (&bearer.credential.phone, "phone"),
        IdentifierKind::Email | IdentifierKind::Username => (&bearer.credential.email, "email"),
    };
    if present.as_deref() == Some(to.value()) {
        return Err(Problem::invalid_field(field, "is the account's already"));
    }
    mail_code(exchange, &bearer, &to).await
}

/// Another message to the address or number that was asked for last. It needs no password again: who reads it was
/// decided then.
pub(crate) async fn resend(exchange: &Exchange, kind: IdentifierKind) -> Answer {
    check_enabled(&exchange.environment, kind)?;
    let bearer = Bearer::of(exchange).await?;
    limit_requested(exchange, kind).await?;
    let tenant = exchange.environment.config().tenant().as_str();
    let profile = exchange.directory()?.profile(tenant, &bearer.subject.account).await?;
    let pending = profile.as_ref().and_then(|profile| profile.pending(kind, exchange.ambient.now()));
    let to = pending.and_then(|value| Identifier::parse(value).ok());
    mail_code(exchange, &bearer, &to.ok_or_else(Problem::no_pending_change)?).await
}

async fn mail_code(exchange: &Exchange, bearer: &Bearer, to: &Identifier) -> Answer {
    let (environment, account) = (&exchange.environment, &bearer.subject.account);
    Intake::of_account(environment, bearer.keyring(), account).take_request(PURPOSE, to.kind()).await?;
    // First: a wish whose code was not sent can be sent again, and a code without its wish could not.
    let now = exchange.ambient.now();
    let by_sms = to.kind() == IdentifierKind::Phone;
    let until = now.plus(environment.mailed_policy(PURPOSE, by_sms).time_to_live);
    exchange.directory()?.want_contact(account, to, now, until).await?;
    mail(exchange, &intake_of(exchange, bearer, to), PURPOSE, Kind::Code, &bound_to(bearer, to), to).await
}

pub(crate) async fn confirm(exchange: &Exchange, kind: IdentifierKind) -> Answer {
    check_enabled(&exchange.environment, kind)?;
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read(&exchange.request).await?;
    let (to, code) = (of_kind(&exchange.environment, &mut body, kind)?, code(&mut body)?);
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
        .present_secret(PURPOSE, &bound_to(&bearer, &to), kind, presented, &exchange.source())
        .await?;
    let directory = exchange.directory()?;
    if found.operation_id == Some(used.operation()) {
        // The first try went through. Its fence, if that is still open, knows whom to tell: here it is already the
        // new one.
        fence::settle(&exchange.environment, &directory, &account).await?;
        return success();
    }
    let mut change = bearer.keeping(match kind {
        IdentifierKind::Phone => CredentialChange::PhoneChanged,
        IdentifierKind::Email | IdentifierKind::Username => CredentialChange::EmailChanged,
    });
    change.notify = found.contact().map(|contact| contact.value().into());
    let by = ContactChange::proven(&used);
    if !directory.change_contact(found, Replacement::With(&to), by, &change, exchange.ambient.now()).await? {
        // Somebody else has it, or another change came first. To whoever asks, the code is not valid.
        return Err(Problem::code_invalid());
    }
    let version = used.against().saturating_add(1);
    fence::close(&exchange.environment, &directory, &account, version, Some(change)).await?;
    success()
}

/// The account has no phone number any more, and is reached at its address. All sessions end but the one that asks.
pub(crate) async fn remove_phone(exchange: &Exchange) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read_optional(&exchange.request).await?;
    let against = bearer.prove_owner(exchange, Proof::read(&mut body)?).await?;
    let (account, found) = (bearer.subject.account, &bearer.credential);
    if found.phone.is_none() {
        return success();
    }
    if found.email.is_none() {
        return Err(Problem::last_way_in());
    }
    let change = bearer.keeping(CredentialChange::PhoneRemoved);
    let by = ContactChange { operation: new_operation(exchange)?, against, is_proven: false };
    let (directory, none) = (exchange.directory()?, Replacement::Nothing(IdentifierKind::Phone));
    if !directory.change_contact(found, none, by, &change, exchange.ambient.now()).await? {
        // Another change came first; the password that was checked is not the current one any more.
        return Err(Problem::presence("current_password_wrong"));
    }
    fence::close(&exchange.environment, &directory, &account, against.saturating_add(1), Some(change))
        .await?;
    success()
}

/// The new one's, which counts messages and guesses whichever account asks: somebody with many accounts has no more of
/// either.
fn intake_of<'a>(exchange: &'a Exchange, bearer: &Bearer, to: &Identifier) -> Intake<'a> {
    Intake::of_identifier(&exchange.environment, bearer.keyring(), to)
}

fn bound_to(bearer: &Bearer, to: &Identifier) -> String {
    format!("{}/{}", bearer.subject.account, to.value())
}
