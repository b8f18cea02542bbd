//! `POST /api/v1/auth/refresh {refresh_token, organization?}` → 200 with tokens, of which the access token acts in the
//! organization, if one is named; without the token, by cookie, with cookies.
//!
//! A token whose edge tag is wrong costs no storage read and harms no session. Everything that can fail comes
//! before the account commits; after it there is only computing.

use crate::route::cookies;
use crate::route::exchange::Exchange;
use crate::route::organizations::acting;
use crate::route::tokens::{self, Extras};
use crate::store::accounts::Accounts;
use crate::store::keyring::Keyring;
use crate::store::limiter::Limits;
use crate::wire::answer::Answer;
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::organization::Refusal;
use postern_core::secret::SecretText;
use postern_core::session::{PresentedRefreshToken, RefreshToken};

/// How often a membership is read anew because it was changed meanwhile.
const TRIES: usize = 3;

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let mut body = Body::read_optional(&exchange.request).await?;
    let by_cookie = if body.has("refresh_token") { None } else { cookies::refresh_token(exchange) };
    if by_cookie.is_some() && exchange.environment.possession().key().is_some() {
        return Err(Problem::dpop_not_for_cookies());
    }
    // What was in a cookie never comes back where a script could read it.
    let in_cookies = by_cookie.is_some() || cookies::are_wanted(exchange);
    let text =
        by_cookie.clone().map_or_else(|| body.secret("refresh_token"), |text| Ok(SecretText::new(text)))?;
    let organization = body.optional_text("organization")?.filter(|name| !name.is_empty());
    let environment = &exchange.environment;
    let keyring = exchange.keyring().await?;
    let token = presented(exchange, &keyring, text.expose()).ok_or_else(Problem::refresh_invalid)?;
    if by_cookie.is_some() {
        cookies::check_token(exchange, &keyring, &token.session())?;
    }

    let source = exchange.source();
    let limits = environment.config().limits();
    Limits::new(environment, &keyring, &source)
        .per_key("refresh_per_source", limits.refresh_per_source)
        .take()
        .await?;
    for _ in 0..TRIES {
        // What the membership gives is read first: once the account has committed, nothing may fail.
        let acting = match &organization {
            Some(name) => Some(acting(exchange, &token.account(), name).await?),
            None => None,
        };
        let known = acting.as_ref().map(|acting| acting.authorization_version);
        let refreshed =
            Accounts::new(environment).refresh(&token, exchange.device(), &keyring, known).await?;
        let Some(mut admitted) = refreshed else { continue };
        if let Some(acting) = acting {
            admitted.grant = admitted.grant.in_organization(acting.access);
        }
        return tokens::answer_to(exchange, &keyring, admitted, Extras::default(), in_cookies).await;
    }
    Err(Problem::organization(Refusal::Conflict))
}

/// The token, if it is one of ours by its edge tag.
pub(crate) fn presented(exchange: &Exchange, keyring: &Keyring, text: &str) -> Option<PresentedRefreshToken> {
    let unchecked = RefreshToken::parse(text).ok()?;
    let key = keyring.edge_key_of(unchecked.edge_key_id())?;
    unchecked.check_edge_tag(exchange.environment.config().issuer().as_str(), key).ok()
}
