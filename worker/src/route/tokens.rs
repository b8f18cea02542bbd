//! The token pair that sign-up, login and refresh answer with.

use crate::route::cookies::{self, PageSession};
use crate::route::exchange::Exchange;
use crate::store::accounts::{Admitted, Login};
use crate::store::factors::Challenged;
use crate::store::keyring::Keyring;
use crate::wire::answer::{Answer, json};
use crate::wire::problem::Problem;
use postern_core::factor::FactorMethod;
use postern_core::grant::Grant;
use postern_core::id::{SessionId, TokenId};
use serde::Serialize;

/// RFC 6749 §5.1.
#[derive(Serialize)]
struct TokenPair<'a> {
    access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    token_type: &'static str,
    expires_in: u32,
    #[serde(flatten)]
    extras: Extras<'a>,
}

/// What comes along with tokens once.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Extras<'a> {
    /// Of an authenticator that the login has enrolled.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) backup_codes: &'a [String],
    /// Of a device that is not to be asked again for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_token: Option<&'a str>,
}

/// A first factor was right, and a second is asked for.
#[derive(Serialize)]
struct SecondFactorAsked<'a> {
    mfa_required: bool,
    methods: &'a [FactorMethod],
    challenge: &'a str,
    expires_in: u32,
    /// There is none, and one has to be enrolled.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    enrolment_required: bool,
}

/// Answers a login: with tokens, or with the challenge that stands before them.
pub(crate) async fn of_login(exchange: &Exchange, keyring: &Keyring, login: Login) -> Answer {
    match login {
        Login::Admitted(admitted) => answer(exchange, keyring, *admitted, Extras::default()).await,
        Login::Challenged(Challenged { challenge, methods, expires_in, enrols: enrolment_required }) => {
            let challenge = challenge.to_text();
            let (methods, challenge) = (methods.as_slice(), challenge.expose());
            let mfa_required = true;
            json(200, &SecondFactorAsked { mfa_required, methods, challenge, expires_in, enrolment_required })
        }
    }
}

/// Completes and signs what an account has admitted, for a client that reads its tokens, or for a page that has cookies.
/// Called after the commit: nothing here reads, and only a host that signs is waited for.
pub(crate) async fn answer(
    exchange: &Exchange,
    keyring: &Keyring,
    admitted: Admitted,
    extras: Extras<'_>,
) -> Answer {
    answer_to(exchange, keyring, admitted, extras, cookies::are_wanted(exchange)).await
}

/// The same, where what the request brought decides whether the tokens go into cookies.
pub(crate) async fn answer_to(
    exchange: &Exchange,
    keyring: &Keyring,
    admitted: Admitted,
    extras: Extras<'_>,
    in_cookies: bool,
) -> Answer {
    let profile = exchange.environment.token_profile();
    let edge_key = keyring
        .edge_key_of(admitted.token.edge_key_id())
        .ok_or_else(|| Problem::internal("keyring", "an edge key is gone before its sessions"))?;
    let refresh_token = admitted
        .token
        .compose(&profile.issuer, edge_key)
        .map_err(|error| Problem::internal("refresh token", error))?;
    let page = PageSession { session: admitted.token.session(), remembered: admitted.remembered };
    let (page, refresh_token) = (in_cookies.then_some(page), Some(refresh_token.expose()));
    signed(exchange, keyring, (admitted.grant, admitted.token_id), page, refresh_token, extras).await
}

/// Signs another access token of a session that goes on with the refresh token that it has. A session in cookies stays
/// there.
pub(crate) async fn renewed(
    exchange: &Exchange,
    keyring: &Keyring,
    granted: (Grant, TokenId),
    session: SessionId,
) -> Answer {
    let in_cookies = cookies::are_wanted(exchange) || cookies::session_token(exchange).is_some();
    // Its refresh token knows whether it is remembered; this one cookie need not outlive the browser.
    let page = PageSession { session, remembered: false };
    signed(exchange, keyring, granted, in_cookies.then_some(page), None, Extras::default()).await
}

/// Says the tokens, or sets them as the cookies of a `page` of this session.
async fn signed(
    exchange: &Exchange,
    keyring: &Keyring,
    (grant, token_id): (Grant, TokenId),
    page: Option<PageSession>,
    refresh_token: Option<&str>,
    extras: Extras<'_>,
) -> Answer {
    let now = exchange.ambient.now().to_seconds();
    let token_type = grant.token_type();
    let issued = keyring.sign(grant, exchange.environment.token_profile(), token_id, now).await?;
    if let Some(page) = page {
        return cookies::answer(exchange, keyring, page, &issued, refresh_token, extras);
    }
    let (access_token, expires_in) = (issued.access_token, issued.expires_in);
    json(200, &TokenPair { access_token, refresh_token, token_type, expires_in, extras })
}
