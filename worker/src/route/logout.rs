//! `POST /api/v1/auth/logout {refresh_token?}`, with or without a bearer token → 200, whatever it came to.

use crate::route::authenticate::{bearer_text, verified};
use crate::route::exchange::Exchange;
use crate::route::refresh::presented;
use crate::store::accounts::Accounts;
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::session::RevokeReason;

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let mut body = Body::read_optional(&exchange.request).await?;
    let refresh_token = body.optional_text("refresh_token")?;
    let bearer = bearer_text(exchange);
    if refresh_token.is_none() && bearer.is_none() {
        return Err(Problem::invalid_field("refresh_token", "is required without a bearer token"));
    }
    let environment = &exchange.environment;
    let keyring = exchange.keyring().await?;
    let source = exchange.source();
    let limit = environment.config().limits().logout_per_source;
    Limits::new(environment, &keyring, &source).per_key("logout_per_source", limit).take().await?;

    let accounts = Accounts::new(environment);
    if let Some(token) = refresh_token.and_then(|text| presented(exchange, &keyring, &text)) {
        accounts.logout(&token).await?;
    }
    // A token that does not verify ends nothing and is answered the same.
    if let Some(token) = bearer
        && let Ok(caller) = verified(exchange, &token).await
    {
        let subject = caller.subject;
        accounts.revoke_one(&subject.account, subject.session, RevokeReason::Logout).await?;
    }
    success()
}
