//! Sessions of pages: tokens in cookies that no script reads, and who may use them.
//!
//! All are `__Host-` (RFC 6265bis §4.1.3.2): browsers take them from this host alone, encrypted, for all paths, so that
//! no neighbour under the same domain puts one in their place. Browsers take `localhost` for encrypted.

use crate::route::exchange::Exchange;
use crate::route::tokens::Extras;
use crate::store::keyring::Keyring;
use crate::wire::answer::{Answer, json};
use crate::wire::problem::Problem;
use postern_core::codec::{base64url, cookie};
use postern_core::config::CookieMode;
use postern_core::cross_site::RequestSite;
use postern_core::grant::IssuedToken;
use postern_core::id::SessionId;
use postern_core::secret::Secret;
use serde::Serialize;
use worker::{Method, Response};

/// The access token.
const SESSION: &str = "__Host-postern_session";
/// The refresh token, as long as the session may idle.
const REFRESH: &str = "__Host-postern_refresh";
/// The token against forgery, the only one that scripts read.
const CSRF: &str = "__Host-postern_csrf";
/// Where a client repeats it.
const CSRF_HEADER: &str = "x-csrf-token";
/// By what a client asks for cookies; a page of another origin could not send it.
const WANTED_HEADER: &str = "x-postern-cookies";
/// What browsers take of one cookie, name and value together (RFC 6265bis §5.6).
const MOST_BYTES: usize = 4_096;

/// The session of a page.
#[derive(Clone, Copy)]
pub(crate) struct PageSession {
    pub(crate) session: SessionId,
    /// Whether its cookies outlive the browser where others' do not.
    pub(crate) remembered: bool,
}

/// Tokens that went into cookies.
#[derive(Serialize)]
struct InCookies<'a> {
    token_type: &'static str,
    expires_in: u32,
    csrf_token: &'a str,
    #[serde(flatten)]
    extras: Extras<'a>,
}

/// The access token of a page; none for requests that bring a token of their own.
pub(crate) fn session_token(exchange: &Exchange) -> Option<String> {
    sent(exchange, SESSION)
}

/// The refresh token of a page, likewise.
pub(crate) fn refresh_token(exchange: &Exchange) -> Option<String> {
    sent(exchange, REFRESH)
}

fn sent(exchange: &Exchange, name: &str) -> Option<String> {
    if !are_on(exchange) || exchange.header("authorization").is_some() {
        return None;
    }
    let header = exchange.header("cookie")?;
    cookie::value(&header, name).filter(|value| !value.is_empty()).map(Into::into)
}

fn are_on(exchange: &Exchange) -> bool {
    exchange.environment.config().cookies().mode != CookieMode::Off
}

/// Whether tokens of this exchange go into cookies.
pub(crate) fn are_wanted(exchange: &Exchange) -> bool {
    match exchange.environment.config().cookies().mode {
        CookieMode::Off => false,
        CookieMode::Beside => exchange.header(WANTED_HEADER).is_some(),
        CookieMode::Only => true,
    }
}

/// Refuses what a page of somebody else asks a browser to do with the cookies that it has, or to be signed in as. What
/// says nothing of its origin needs a header that such a page could not send, if it `opens_session`; otherwise it is asked
/// for the session's token where the session is known.
pub(crate) fn check_site(exchange: &Exchange, opens_session: bool) -> Result<(), Problem> {
    let uses = session_token(exchange).is_some() || refresh_token(exchange).is_some();
    let sets = opens_session && are_wanted(exchange);
    if is_safe(exchange) || !(uses || sets) {
        return Ok(());
    }
    let has_one_of_its_own =
        ["authorization", WANTED_HEADER, CSRF_HEADER].iter().any(|name| exchange.header(name).is_some());
    match site(exchange) {
        RequestSite::Own => Ok(()),
        RequestSite::Unsaid if !sets || has_one_of_its_own => Ok(()),
        RequestSite::Foreign | RequestSite::Unsaid => Err(Problem::cross_site_request()),
    }
}

/// Refuses a change by cookie that says nothing of its origin, unless it has the token of this very session: once as
/// cookie, once as header.
pub(crate) fn check_token(
    exchange: &Exchange,
    keyring: &Keyring,
    session: &SessionId,
) -> Result<(), Problem> {
    if is_safe(exchange) || site(exchange) == RequestSite::Own {
        return Ok(());
    }
    let expected = csrf_token(keyring, session);
    let is_it = |text: &str| {
        let presented = base64url::decode_array::<16>(text.as_bytes());
        presented.is_ok_and(|presented| Secret::new(presented).ct_eq(&expected))
    };
    let cookie = sent(exchange, CSRF).is_some_and(|text| is_it(&text));
    let header = exchange.header(CSRF_HEADER).is_some_and(|text| is_it(&text));
    if cookie && header { Ok(()) } else { Err(Problem::csrf_token_invalid()) }
}

/// Methods that change nothing (RFC 9110 §9.2.1).
fn is_safe(exchange: &Exchange) -> bool {
    matches!(exchange.request.method(), Method::Get | Method::Head)
}

fn site(exchange: &Exchange) -> RequestSite {
    let (fetch_site, origin) = (exchange.header("sec-fetch-site"), exchange.header("origin"));
    let cookies = exchange.environment.config().cookies();
    RequestSite::of(fetch_site.as_deref(), origin.as_deref(), |origin| cookies.has_origin(origin))
}

/// What only this deployment can compute, for this session alone.
fn csrf_token(keyring: &Keyring, session: &SessionId) -> Secret<16> {
    let mut token = [0; 16];
    let digest = keyring.digest(&[b"csrf token", session.as_bytes()]);
    for (place, byte) in token.iter_mut().zip(digest) {
        *place = byte;
    }
    Secret::new(token)
}

/// The answer that brings a session's tokens as cookies, and none of them where a script could read it.
pub(crate) fn answer(
    exchange: &Exchange,
    keyring: &Keyring,
    page: PageSession,
    issued: &IssuedToken,
    refresh_token: Option<&str>,
    extras: Extras<'_>,
) -> Answer {
    if issued.access_token.len().saturating_add(SESSION.len()) > MOST_BYTES {
        return Err(Problem::internal("cookies", "the access token is larger than browsers take"));
    }
    let csrf = base64url::encode(csrf_token(keyring, &page.session).expose());
    let sessions = exchange.environment.config().sessions();
    // Where owners can ask to be remembered, the cookies of those who did not go with the browser.
    let is_kept = page.remembered || sessions.remember_ttl.is_none();
    let idle = is_kept.then_some(sessions.idle_ttl.as_secs());
    let life = is_kept.then_some(issued.expires_in);
    let (token_type, expires_in, csrf_token) = ("Cookie", issued.expires_in, csrf.as_str());
    let response = json(200, &InCookies { token_type, expires_in, csrf_token, extras })?;
    set(exchange, &response, SESSION, &issued.access_token, life)?;
    if let Some(token) = refresh_token {
        set(exchange, &response, REFRESH, token, idle)?;
        set(exchange, &response, CSRF, &csrf, idle)?;
    }
    Ok(response)
}

/// Takes the cookies away from whoever gets this answer, if they may have any.
pub(crate) fn cleared(exchange: &Exchange, response: Response) -> Answer {
    if are_on(exchange) && exchange.header("cookie").is_some_and(|header| header.contains("__Host-postern_"))
    {
        for name in [SESSION, REFRESH, CSRF] {
            set(exchange, &response, name, "", Some(0))?;
        }
    }
    Ok(response)
}

/// Without an age, a cookie goes when the browser is closed.
fn set(
    exchange: &Exchange,
    response: &Response,
    name: &str,
    value: &str,
    max_age: Option<u32>,
) -> Result<(), Problem> {
    let same_site = exchange.environment.config().cookies().same_site.as_str();
    let http_only = if name == CSRF { "" } else { "; HttpOnly" };
    let max_age = max_age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    let text = format!("{name}={value}; Path=/{max_age}; Secure{http_only}; SameSite={same_site}");
    let set = response.headers().append("set-cookie", &text);
    set.map_err(|error| Problem::internal("cookies", error))
}
