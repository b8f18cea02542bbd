//! `POST …/admin/users/{id}/remove-second-factor {reason}`: for somebody who has lost authenticator and backup codes.

use crate::route::admin::{operator, users};
use crate::route::exchange::Exchange;
use crate::store::accounts::Accounts;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::permission::OperatorPermission;
use serde::Serialize;

#[derive(Serialize)]
struct Removed {
    removed: bool,
}

/// Neither authenticator nor backup codes any more. Whoever asked for it may be somebody else than the owner: why it
/// was done has to be said, every session ends, and the owner is told.
pub(crate) async fn remove(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::UsersManage).await?;
    let account = users::account(id)?;
    operator.reach(exchange, &[account]).await?;
    let mut body = Body::read(&exchange.request).await?;
    let reason = body.text("reason")?.parse().map_err(|error| Problem::invalid_field("reason", error))?;
    let accounts = Accounts::new(&exchange.environment);
    let keyring = exchange.keyring().await?;
    let removed = accounts.remove_factors(&keyring, &account, operator.operation, reason).await?;
    json(200, &Removed { removed })
}
