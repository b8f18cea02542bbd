//! The owner's own account as a whole: `DELETE /api/v1/auth/me {current_password?}` and `GET /api/v1/auth/me/export`.

use crate::route::admin::traces;
use crate::route::exchange::Exchange;
use crate::route::presence::{Bearer, Proof};
use crate::route::sessions::limit_profile;
use crate::store::accounts::Accounts;
use crate::wire::answer::{Answer, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::{Actor, StatusOrder, StatusRequest};

/// Deletes the account and ends its sessions, this one included. An operator can restore it until it is purged.
pub(crate) async fn delete(exchange: &Exchange) -> Answer {
    if !exchange.environment.config().accounts().owner_may_delete {
        return Err(Problem::feature_disabled());
    }
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read_optional(&exchange.request).await?;
    bearer.prove_owner(exchange, Proof::read(&mut body)?).await?;
    let operation = exchange.environment.draw_id().map_err(|error| Problem::internal("operation", error))?;
    let request = StatusRequest { order: StatusOrder::Delete, by: Actor::Owner, reason: None };
    let accounts = Accounts::new(&exchange.environment);
    accounts.set_status(&bearer.subject.account, operation, request).await?;
    success()
}

/// All that is stored about the account, for an owner who was there a moment ago.
pub(crate) async fn export(exchange: &Exchange) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    let account = &bearer.subject.account;
    limit_profile(exchange, account).await?;
    bearer.prove_recently(exchange).await?;
    traces::exported(exchange, account).await
}
