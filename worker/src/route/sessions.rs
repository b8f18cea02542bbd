//! The bearer's own sessions:
//! `GET /api/v1/auth/sessions`, `DELETE /api/v1/auth/sessions/{id}`,
//! `POST /api/v1/auth/sessions/revoke-all {keep_current?}`.

use crate::route::authenticate::{bearer, bearer_in};
use crate::route::exchange::Exchange;
use crate::store::accounts::Accounts;
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::flow::validate::{Mode, RouteMode};
use postern_core::id::{AccountId, SessionId};
use postern_core::session::{RevokeReason, SessionView};
use serde::Serialize;

/// Whoever ends sessions must have one at that moment: a thief who has been signed out signs nobody out in return.
const ENDS_SESSIONS: RouteMode = RouteMode::Exactly(Mode::Strict);

#[derive(Serialize)]
pub(crate) struct Sessions {
    pub(crate) sessions: Vec<SessionView>,
}

#[derive(Serialize)]
pub(crate) struct Revoked {
    pub(crate) revoked: u32,
}

pub(crate) async fn list(exchange: &Exchange) -> Answer {
    let subject = bearer(exchange).await?.subject;
    limit_profile(exchange, &subject.account).await?;
    let accounts = Accounts::new(&exchange.environment);
    let sessions = accounts.list(&subject.account, Some(subject.session)).await?;
    json(200, &Sessions { sessions })
}

pub(crate) async fn revoke_one(exchange: &Exchange, id: &str) -> Answer {
    let subject = bearer_in(exchange, ENDS_SESSIONS).await?.subject;
    limit_profile(exchange, &subject.account).await?;
    // Whatever is not an id of the bearer's own session is simply not there.
    let session: SessionId = id.parse().map_err(|_| Problem::not_found())?;
    let accounts = Accounts::new(&exchange.environment);
    let ended = accounts.revoke_one(&subject.account, session, RevokeReason::UserRevoke).await?;
    if ended.found { json(200, &Revoked { revoked: ended.revoked }) } else { Err(Problem::not_found()) }
}

pub(crate) async fn revoke_all(exchange: &Exchange) -> Answer {
    let subject = bearer_in(exchange, ENDS_SESSIONS).await?.subject;
    limit_profile(exchange, &subject.account).await?;
    let mut body = Body::read_optional(&exchange.request).await?;
    let keep = body.optional_flag("keep_current")?.unwrap_or(false).then_some(subject.session);
    let accounts = Accounts::new(&exchange.environment);
    let ended = accounts.revoke_all(&subject.account, keep, RevokeReason::UserRevokeAll).await?;
    json(200, &Revoked { revoked: ended.revoked })
}

/// The limit on what a bearer does with the own profile and sessions.
pub(crate) async fn limit_profile(exchange: &Exchange, account: &AccountId) -> Result<(), Problem> {
    let environment = &exchange.environment;
    let keyring = exchange.keyring().await?;
    let limit = environment.config().limits().profile_per_account;
    Limits::new(environment, &keyring, &account.to_string())
        .per_key("profile_per_account", limit)
        .take()
        .await
}
