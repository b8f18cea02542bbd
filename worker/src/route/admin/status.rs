//! `POST …/admin/users/{id}/ban`, `unban`, `disable`, `enable`, `lock`, `unlock`, `restore` and `purge`, and
//! `DELETE …/admin/users/{id}`: whether an account may be used.

use crate::route::admin::{attempts, operator, users};
use crate::route::exchange::Exchange;
use crate::store::accounts::Accounts;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::{AccountStatus, Actor, StatusOrder, StatusRequest};
use postern_core::permission::OperatorPermission;
use postern_core::time::UnixMillis;
use serde::Serialize;

/// What an operator does to an account.
#[derive(Clone, Copy)]
pub(crate) enum Verb {
    Ban,
    Unban,
    Disable,
    Enable,
    Lock,
    Unlock,
    Delete,
    Restore,
}

impl Verb {
    const fn permission(self) -> OperatorPermission {
        match self {
            Self::Delete | Self::Restore => OperatorPermission::UsersDelete,
            _ => OperatorPermission::UsersManage,
        }
    }

    const fn order(self, until: Option<UnixMillis>) -> StatusOrder {
        match self {
            Self::Ban => StatusOrder::Ban { until },
            Self::Lock => StatusOrder::Lock { until },
            Self::Disable => StatusOrder::Disable,
            Self::Delete => StatusOrder::Delete,
            Self::Unban => StatusOrder::Lift(AccountStatus::Banned),
            Self::Enable => StatusOrder::Lift(AccountStatus::Disabled),
            Self::Unlock => StatusOrder::Lift(AccountStatus::Locked),
            Self::Restore => StatusOrder::Lift(AccountStatus::Deleted),
        }
    }
}

#[derive(Serialize)]
struct Changed {
    changed: bool,
    status: AccountStatus,
    until: Option<UnixMillis>,
}

#[derive(Serialize)]
struct Purged {
    purged: bool,
}

/// `{reason?, until?}` → what the account is now. `until` is for bans and locks.
pub(crate) async fn change(exchange: &Exchange, id: &str, verb: Verb) -> Answer {
    let operator = operator::authorise(exchange, verb.permission()).await?;
    let account = users::account(id)?;
    operator.reach(exchange, &[account]).await?;
    let mut body = Body::read_optional(&exchange.request).await?;
    let reason = body.optional_text("reason")?.map(|reason| reason.parse()).transpose();
    let reason = reason.map_err(|error| Problem::invalid_field("reason", error))?;
    let until = match verb {
        Verb::Ban | Verb::Lock => body.optional_time("until")?,
        _ => None,
    };
    let order = verb.order(until);
    let request = StatusRequest { order, by: Actor::Operator, reason };
    let accounts = Accounts::new(&exchange.environment);
    let (changed, now) = accounts.set_status(&account, operator.operation, request).await?;
    if order.forgives() {
        attempts::forgive(exchange, &*exchange.keyring().await?, &account).await?;
    }
    let status = now.status_at(exchange.ambient.now());
    let until = now.cause.and_then(|cause| cause.until).filter(|_| status == now.status);
    json(200, &Changed { changed, status, until })
}

/// Deletes for good what was deleted before.
pub(crate) async fn purge(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::UsersDelete).await?;
    let account = users::account(id)?;
    operator.reach(exchange, &[account]).await?;
    Accounts::new(&exchange.environment).purge(&account, Actor::Operator, None).await?;
    json(200, &Purged { purged: true })
}
