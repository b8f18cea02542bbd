//! A new password without the old one, for whoever reads the mail of the address:
//! `POST /api/v1/auth/request-password-reset {email}`,
//! `POST /api/v1/auth/reset-password {token, password}` or `{email, otp, password}`.
//!
//! Every session ends, and every code and link that would log in. What was used repeats its own change for ten
//! minutes, and no other.

use crate::object::account::FenceChange;
use crate::route::exchange::Exchange;
use crate::route::mailed::{self, Kind, Presented, limit_presented};
use crate::route::turn::Turn;
use crate::route::{breach, password, set_password};
use crate::wire::answer::Answer;
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::intake::CodePurpose;
use postern_core::session::CredentialChange;

pub(crate) async fn request(exchange: &Exchange) -> Answer {
    let kind = enabled_kind(exchange)?;
    let mut body = Body::read(&exchange.request).await?;
    mailed::request(exchange, &mut body, CodePurpose::ResetPassword, kind).await
}

pub(crate) async fn confirm(exchange: &Exchange) -> Answer {
    let kind = enabled_kind(exchange)?;
    let mut body = Body::read(&exchange.request).await?;
    let text = body.secret("password")?;
    let presented = Presented::read(&mut body, kind)?;
    let email = match &presented {
        Presented::Code { email, .. } => Some(email.as_str()),
        Presented::Link(_) => None,
    };
    let password = password::chosen(&exchange.environment, "password", &text, email, None)?;
    let turn = Turn::take()?;
    limit_presented(exchange).await?;

    breach::refuse_known(exchange, "password", &password).await?;
    // Before anything is used up: it may fail.
    let keyring = exchange.keyring().await?;
    turn.come().await;
    let hash = password::hashed(exchange, &keyring, &password)?;
    drop(turn);
    let (used, email, credential) = presented.used(exchange, CodePurpose::ResetPassword).await?;
    let credential = credential.ok_or_else(Problem::code_invalid)?;
    let change = FenceChange { change: CredentialChange::PasswordReset, keep: None, notify: None };
    let answer = set_password::replace(exchange, &credential, &password, &hash, &used, change).await?;
    set_password::prove(exchange, &credential, email.as_ref()).await?;
    Ok(answer)
}

/// How a reset is proven, where it is possible.
fn enabled_kind(exchange: &Exchange) -> Result<Kind, Problem> {
    let reset = exchange.environment.config().password_reset();
    if reset.enabled { Ok(Kind::of(reset.by)) } else { Err(Problem::feature_disabled()) }
}
