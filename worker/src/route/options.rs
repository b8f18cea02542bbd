//! `GET /api/v1/auth/options`: what a page or an adapter must know of this deployment before anybody signs in: whose
//! tokens to expect, how long they live, and which ways in there are. Public, like the keys.

use crate::route::exchange::Exchange;
use crate::route::keys::publish;
use crate::wire::answer::Answer;
use crate::wire::problem::Problem;
use postern_core::config::{Config, CookieMode, DpopMode, MailedForm};
use postern_core::json;
use serde::Serialize;

#[derive(Serialize)]
struct Options<'a> {
    issuer: &'a str,
    audience: Vec<&'a str>,
    client_id: &'a str,
    tenant: &'a str,
    registry_version: u32,
    access_token_ttl_seconds: u32,
    leeway_seconds: u32,
    session_idle_ttl_seconds: u32,
    session_absolute_ttl_seconds: u32,
    registration: &'static str,
    usernames: &'static str,
    password_min_length: u32,
    password_max_bytes: u32,
    features: Vec<&'static str>,
}

pub(crate) fn show(exchange: &Exchange) -> Answer {
    let config = exchange.environment.config();
    let (tokens, sessions, passwords) = (config.tokens(), config.sessions(), config.passwords());
    let options = Options {
        issuer: config.issuer().as_str(),
        audience: config.audience().iter().map(|audience| audience.as_str()).collect(),
        client_id: config.client_id().as_str(),
        tenant: config.tenant().as_str(),
        registry_version: exchange.environment.permissions()?.registry.version().as_u32(),
        access_token_ttl_seconds: tokens.access_ttl.as_secs(),
        leeway_seconds: tokens.leeway.as_secs(),
        session_idle_ttl_seconds: sessions.idle_ttl.as_secs(),
        session_absolute_ttl_seconds: sessions.absolute_ttl.as_secs(),
        registration: config.registration().mode.as_str(),
        usernames: config.registration().usernames.as_str(),
        password_min_length: passwords.min_length,
        password_max_bytes: passwords.max_bytes,
        features: features(config).collect(),
    };
    let document = json::write(&options).map_err(|error| Problem::internal("options", error))?;
    publish(exchange, "application/json", document)
}

/// The names of what people can use here.
pub(crate) fn features(config: &Config) -> impl Iterator<Item = &'static str> {
    let (sign_in, reset) = (config.sign_in(), config.password_reset());
    let has_passkeys = config.passkeys().party().is_some();
    [
        ("sign_in_codes", sign_in.codes),
        ("sign_in_links", sign_in.links),
        ("sign_in_creates_accounts", sign_in.creates_accounts),
        ("sign_in_passkeys", has_passkeys && config.passkeys().sign_in),
        ("passkeys", has_passkeys),
        ("sms", config.sms().is_enabled()),
        ("second_factor_required", config.second_factor().required_for_login),
        ("second_factor_email", config.second_factor().email),
        ("second_factor_sms", config.second_factor().sms && config.sms().is_enabled()),
        ("password_reset_by_link", reset.enabled && reset.by == MailedForm::Link),
        ("password_reset_by_code", reset.enabled && reset.by == MailedForm::Code),
        ("password_reset_by_uuid", reset.enabled && reset.by == MailedForm::Uuid),
        ("cookies", config.cookies().mode != CookieMode::Off),
        ("turnstile", config.turnstile().enabled),
        ("dpop", config.dpop().mode != DpopMode::Off),
        ("dpop_required", config.dpop().mode == DpopMode::Required),
        ("account_deletion", config.accounts().owner_may_delete),
    ]
    .into_iter()
    .filter_map(|(name, is_on)| is_on.then_some(name))
}
