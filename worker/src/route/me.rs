//! `GET /api/v1/auth/me` → the account of the bearer.

use crate::route::authenticate::bearer;
use crate::route::exchange::Exchange;
use crate::route::sessions::limit_profile;
use crate::wire::answer::{Answer, json};
use crate::wire::problem::Problem;
use postern_core::id::AccountId;
use serde::Serialize;

#[derive(Serialize)]
struct Me<'a> {
    id: AccountId,
    email: Option<String>,
    name: String,
    is_verified: bool,
    has_password: bool,
    is_2fa_enabled: bool,
    roles: &'a [String],
    /// Milliseconds since the epoch.
    created_at: u64,
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let caller = bearer(exchange).await?;
    limit_profile(exchange, &caller.subject.account).await?;
    let tenant = exchange.environment.config().tenant().as_str();
    let profile = exchange.directory()?.profile(tenant, &caller.subject.account).await?;
    // A token outlives its account by its own life at most; there is nobody to show then.
    let profile = profile.ok_or_else(|| Problem::token("session_revoked"))?;
    let has_password = profile.has_password();
    let me = Me {
        id: caller.subject.account,
        email: profile.email,
        is_verified: profile.verified_at.is_some(),
        has_password,
        name: profile.name,
        is_2fa_enabled: false,
        roles: caller.claims.roles(),
        created_at: profile.created_at,
    };
    json(200, &me)
}
