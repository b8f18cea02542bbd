//! `GET /api/v1/auth/me` → the account of the bearer, and
//! `PATCH /api/v1/auth/me {name?, biography?, locale?, username?}` → the same, changed.

use crate::route::authenticate::{Authenticated, bearer, bearer_in};
use crate::route::exchange::Exchange;
use crate::route::session;
use crate::route::sessions::limit_profile;
use crate::route::username;
use crate::store::limiter::Limits;
use crate::store::names::Renamed;
use crate::store::profile::ProfileChange;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::flow::validate::{Mode, RouteMode};
use postern_core::id::AccountId;
use postern_core::identifier::{DisplayName, IdentifierKind, Username};
use postern_core::profile::{Biography, Locale};
use serde::Serialize;

#[derive(Serialize)]
struct Me<'a> {
    id: AccountId,
    email: Option<&'a str>,
    pending_email: Option<&'a str>,
    phone: Option<&'a str>,
    pending_phone: Option<&'a str>,
    username: Option<&'a str>,
    name: &'a str,
    biography: Option<&'a str>,
    locale: Option<&'a str>,
    is_verified: bool,
    is_phone_verified: bool,
    has_password: bool,
    is_2fa_enabled: bool,
    roles: &'a [String],
    entitlements: &'a [String],
    /// Milliseconds since the epoch.
    created_at: u64,
    updated_at: Option<u64>,
    last_login_at: Option<u64>,
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let caller = bearer(exchange).await?;
    limit_profile(exchange, &caller.subject.account).await?;
    show(exchange, &caller).await
}

/// Changes what is there and leaves what is not; null removes. What else a body has is nobody's to change here.
pub(crate) async fn change(exchange: &Exchange) -> Answer {
    // A session that was ended changes nothing any more.
    let caller = bearer_in(exchange, RouteMode::Exactly(Mode::Strict)).await?;
    let account = &caller.subject.account;
    limit_profile(exchange, account).await?;
    let mut body = Body::read(&exchange.request).await?;
    let username = username::optional(exchange, &mut body)?;
    let change = read(&mut body)?;
    if change.is_empty() && username.is_none() {
        return Err(Problem::invalid_field("body", "must have name, biography, locale or username"));
    }
    // The only one that others can be in the way of, and so the first.
    if let Some(username) = username {
        rename(exchange, account, &username).await?;
    }
    if !change.is_empty() {
        let tenant = exchange.environment.config().tenant();
        exchange.directory()?.change_profile(tenant, account, change, exchange.ambient.now()).await?;
    }
    show(exchange, &caller).await
}

fn read(body: &mut Body) -> Result<ProfileChange, Problem> {
    let name = match body.replacement("name")? {
        None => None,
        Some(None) => return Err(Problem::invalid_field("name", "must not be null")),
        Some(Some(text)) => {
            let name = DisplayName::parse(&text);
            Some(name.map_err(|error| Problem::invalid_field("name", error))?.as_str().into())
        }
    };
    let biography = body.replacement("biography")?.map(|text| {
        let parsed = text.map(|text| Biography::parse(&text).map(|text| text.as_str().to_owned()));
        parsed.transpose().map_err(|error| Problem::invalid_field("biography", error))
    });
    let locale = body.replacement("locale")?.map(|text| {
        let parsed = text.map(|text| Locale::parse(&text).map(|text| text.as_str().to_owned()));
        parsed.transpose().map_err(|error| Problem::invalid_field("locale", error))
    });
    Ok(ProfileChange { name, biography: biography.transpose()?, locale: locale.transpose()? })
}

async fn rename(exchange: &Exchange, account: &AccountId, username: &Username) -> Result<(), Problem> {
    let environment = &exchange.environment;
    let keyring = exchange.keyring().await?;
    Limits::new(environment, &keyring, &account.to_string())
        .per_key("username_change_per_account", environment.config().limits().username_change_per_account)
        .take()
        .await?;
    let tenant = environment.config().tenant();
    match exchange.directory()?.rename(tenant, account, username, exchange.ambient.now()).await? {
        Renamed::Done => Ok(()),
        Renamed::Taken => Err(Problem::username_taken()),
        Renamed::TooMany => Err(Problem::too_many_usernames()),
    }
}

async fn show(exchange: &Exchange, caller: &Authenticated) -> Answer {
    let tenant = exchange.environment.config().tenant().as_str();
    let profile = exchange.directory()?.profile(tenant, &caller.subject.account).await?;
    // A token outlives its account by its own life at most; there is nobody to show then.
    let profile = profile.ok_or_else(|| Problem::token("session_revoked"))?;
    let is_2fa_enabled = session::standing(exchange, &caller.subject).await?.is_second_factor_enabled;
    let (now, is_phone_verified) = (exchange.ambient.now(), profile.phone_verified_at.is_some());
    let me = Me {
        id: caller.subject.account,
        email: profile.email.as_deref(),
        pending_email: profile.pending(IdentifierKind::Email, now),
        phone: profile.phone.as_deref(),
        pending_phone: profile.pending(IdentifierKind::Phone, now),
        username: profile.username.as_deref(),
        name: &profile.name,
        biography: profile.biography.as_deref(),
        locale: profile.locale.as_deref(),
        is_verified: if profile.email.is_some() { profile.verified_at.is_some() } else { is_phone_verified },
        is_phone_verified,
        has_password: profile.has_password(),
        is_2fa_enabled,
        roles: caller.claims.roles(),
        entitlements: caller.claims.entitlements(),
        created_at: profile.created_at,
        updated_at: profile.updated_at,
        last_login_at: profile.last_login_at,
    };
    json(200, &me)
}
