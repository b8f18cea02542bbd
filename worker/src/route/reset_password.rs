//! A new password without the old one, for whoever reads what is sent to the address or number:
//! `POST /api/v1/auth/request-password-reset {email | phone}`,
//! `POST /api/v1/auth/reset-password {token, password}` or `{email | phone, otp, password}`, with `code` or
//! `backup_code` for an account that has a second factor.
//!
//! Every session ends, and every code and link that would log in. What was used repeats its own change for ten
//! minutes, and no other.

use crate::object::account::FenceChange;
use crate::route::contact::contact;
use crate::route::exchange::Exchange;
use crate::route::mailed::{self, Kind, Presented, limit_presented};
use crate::route::password::Whose;
use crate::route::recovery::Recovery;
use crate::route::second_factor::Factor;
use crate::route::turn::Turn;
use crate::route::turnstile::Token;
use crate::route::{breach, password, set_password};
use crate::wire::answer::Answer;
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::intake::CodePurpose;
use postern_core::session::CredentialChange;

pub(crate) async fn request(exchange: &Exchange) -> Answer {
    let by_mail = enabled_kind(exchange)?;
    let mut body = Body::read(&exchange.request).await?;
    let kind = kind_for(&body, by_mail);
    let to = contact(&exchange.environment, &mut body)?;
    let human = Token::read(exchange, &mut body)?;
    mailed::request(exchange, &to, CodePurpose::ResetPassword, kind, human).await
}

pub(crate) async fn confirm(exchange: &Exchange) -> Answer {
    let by_mail = enabled_kind(exchange)?;
    let mut body = Body::read(&exchange.request).await?;
    let text = body.secret("password")?;
    let kind = kind_for(&body, by_mail);
    let presented = Presented::read(exchange, &mut body, kind)?;
    let factor = Factor::optional(&mut body)?;
    let whose = match &presented {
        Presented::Code { contact, .. } => Whose::default().known_by(contact),
        Presented::Link(_) => Whose::default(),
    };
    let password = password::chosen(&exchange.environment, "password", &text, whose)?;
    let turn = Turn::take()?;
    limit_presented(exchange).await?;

    breach::refuse_known(exchange, "password", &password).await?;
    // Before anything is used up: it may fail.
    let keyring = exchange.keyring().await?;
    turn.come().await;
    let hash = password::hashed(exchange, &keyring, &password)?;
    drop(turn);
    let recovery =
        Recovery::proven(exchange, presented, CodePurpose::ResetPassword, factor, &password).await?;
    let change = FenceChange { change: CredentialChange::PasswordReset, keep: None, notify: None };
    set_password::replace(exchange, &recovery, &password, &hash, change).await
}

/// A phone gets codes, whatever is mailed.
fn kind_for(body: &Body, by_mail: Kind) -> Kind {
    if body.has("phone") { Kind::Code } else { by_mail }
}

/// How a reset is proven by mail, where it is possible.
fn enabled_kind(exchange: &Exchange) -> Result<Kind, Problem> {
    let reset = exchange.environment.config().password_reset();
    if reset.enabled { Ok(Kind::of(reset.by)) } else { Err(Problem::feature_disabled()) }
}
