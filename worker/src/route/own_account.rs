//! The owner's own account as a whole: `DELETE /api/v1/auth/me {current_password?}` and `GET /api/v1/auth/me/export`.

use crate::route::admin::traces;
use crate::route::authenticate::bearer_in;
use crate::route::exchange::Exchange;
use crate::route::presence::{Bearer, current_password};
use crate::route::sessions::limit_profile;
use crate::store::accounts::Accounts;
use crate::wire::answer::{Answer, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::{Actor, StatusOrder, StatusRequest};
use postern_core::flow::validate::{Mode, RouteMode};

/// Deletes the account and ends its sessions, this one included. An operator can restore it until it is purged.
pub(crate) async fn delete(exchange: &Exchange) -> Answer {
    if !exchange.environment.config().accounts().owner_may_delete {
        return Err(Problem::feature_disabled());
    }
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read_optional(&exchange.request).await?;
    let current = current_password(&mut body)?;
    bearer.prove_presence(exchange, current.as_ref()).await?;
    let operation = exchange.environment.draw_id().map_err(|error| Problem::internal("operation", error))?;
    let request = StatusRequest { order: StatusOrder::Delete, by: Actor::Owner, reason: None };
    let accounts = Accounts::new(&exchange.environment);
    accounts.set_status(&bearer.subject.account, operation, request).await?;
    success()
}

/// All that is stored about the account. For whoever holds a live session, as the profile is.
pub(crate) async fn export(exchange: &Exchange) -> Answer {
    let subject = bearer_in(exchange, RouteMode::Exactly(Mode::Strict)).await?.subject;
    limit_profile(exchange, &subject.account).await?;
    traces::exported(exchange, &subject.account).await
}
