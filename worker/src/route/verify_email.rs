//! Proving an address that an account has, for accounts that came without proof:
//! `POST /api/v1/auth/request-email-verification {email}`, `POST /api/v1/auth/verify-email {email, otp}`.

use crate::route::exchange::Exchange;
use crate::route::mailed::{self, Kind, Presented, limit_presented};
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::intake::CodePurpose;
use serde::Serialize;

#[derive(Serialize)]
struct Verified {
    success: bool,
}

pub(crate) async fn request(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    mailed::request(exchange, &mut body, CodePurpose::VerifyIdentifier, Kind::Code).await
}

pub(crate) async fn confirm(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let presented = Presented::read(&mut body, Kind::Code)?;
    limit_presented(exchange).await?;
    let (_, email, credential) = presented.used(exchange, CodePurpose::VerifyIdentifier).await?;
    let (Some(email), Some(credential)) = (email, credential) else { return Err(Problem::code_invalid()) };
    let now = exchange.ambient.now();
    let tenant = exchange.environment.config().tenant();
    exchange.directory()?.verify(tenant, &email, &credential.account_id, now).await?;
    json(200, &Verified { success: true })
}
