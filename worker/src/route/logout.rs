//! `POST /api/v1/auth/logout {refresh_token?}`, with or without a bearer token, or by cookie → 200, whatever it came
//! to.

use crate::route::authenticate::{presented as presented_token, verified};
use crate::route::cookies;
use crate::route::exchange::Exchange;
use crate::route::possession::{self, Presented, Scheme};
use crate::route::refresh::presented;
use crate::store::accounts::Accounts;
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::dpop::ShownKey;
use postern_core::session::RevokeReason;

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let mut body = Body::read_optional(&exchange.request).await?;
    let refresh_token = body.optional_text("refresh_token")?;
    let bearer = presented_token(exchange);
    let is_page = refresh_token.is_none() && bearer.is_none();
    let refresh_cookie = cookies::refresh_token(exchange).filter(|_| is_page);
    let session_cookie = cookies::session_token(exchange).filter(|_| is_page);
    if is_page && refresh_cookie.is_none() && session_cookie.is_none() {
        return Err(Problem::invalid_field("refresh_token", "is required without a bearer token"));
    }
    let environment = &exchange.environment;
    let keyring = exchange.keyring().await?;
    let source = exchange.source();
    let limit = environment.config().limits().logout_per_source;
    Limits::new(environment, &keyring, &source).per_key("logout_per_source", limit).take().await?;

    let accounts = Accounts::new(environment);
    let refresh_token = refresh_token.or(refresh_cookie);
    if let Some(token) = refresh_token.and_then(|text| presented(exchange, &keyring, &text)) {
        if is_page {
            cookies::check_token(exchange, &keyring, &token.session())?;
        }
        accounts.logout(&token).await?;
    }
    // A token that does not verify, or comes without the key that it is bound to, ends nothing and is answered the same.
    let session_cookie = session_cookie.map(|token| Presented { scheme: Scheme::Bearer, token });
    if let Some(presented) = bearer.or(session_cookie)
        && let Ok(caller) = verified(exchange, &presented.token).await
        && is_shown(possession::of_token(exchange, &caller.claims, &presented).await)?
    {
        let subject = caller.subject;
        if is_page {
            cookies::check_token(exchange, &keyring, &subject.session)?;
        }
        accounts.revoke_one(&subject.account, subject.session, RevokeReason::Logout).await?;
    }
    cookies::cleared(exchange, success()?)
}

/// Whether the key was shown that the token is bound to. A nonce that is wanted is said: the client comes again with it.
fn is_shown(shown: Result<Option<ShownKey>, Problem>) -> Result<bool, Problem> {
    match shown {
        Err(problem) if problem.code() == "dpop_nonce_required" => Err(problem),
        shown => Ok(shown.is_ok()),
    }
}
