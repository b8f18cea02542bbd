//! `GET …/admin/keys`, `POST …/admin/keys/rotate` and `POST …/admin/keys/{kid}/revoke`: the operator's view of the
//! keyring and their orders to it.

use crate::object::keyring::{KeyPurpose, KeyView, OrderAnswer};
use crate::route::admin::operator;
use crate::route::exchange::Exchange;
use crate::store::keyring;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::order;
use postern_core::permission::OperatorPermission;
use serde::Serialize;

#[derive(Serialize)]
struct Keys {
    keys: Vec<KeyView>,
}

#[derive(Serialize)]
struct Rotating {
    /// False if one was under way.
    started: bool,
    next: KeyView,
}

#[derive(Serialize)]
struct Revoked {
    revoked: Vec<KeyView>,
    active: KeyView,
}

/// All keys, the latest of each purpose first, removed ones included.
pub(crate) async fn list(exchange: &Exchange) -> Answer {
    operator::authorise(exchange, OperatorPermission::KeysRead).await?;
    let mut keys = keyring::list(&exchange.environment).await?;
    order::sort_by_key(&mut keys, |key| (key.purpose.name(), std::cmp::Reverse(key.id)));
    json(200, &Keys { keys })
}

/// `{purpose?}` → the next key, which takes over when it was known for long enough.
pub(crate) async fn rotate(exchange: &Exchange) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::KeysManage).await?;
    let mut body = Body::read_optional(&exchange.request).await?;
    let purpose = body.optional_text("purpose")?;
    let purpose = KeyPurpose::rotatable(purpose.as_deref().unwrap_or("signing"))
        .ok_or_else(|| Problem::invalid_field("purpose", "must be signing, edge_tag or pepper"))?;
    match keyring::rotate(&exchange.environment, operator.operation, purpose).await? {
        OrderAnswer::Rotating { started, next } => json(200, &Rotating { started, next }),
        other => Err(refusal(&other)),
    }
}

/// Takes a signing or edge-tag key away at once. If it was in use, a new one is, also at once.
pub(crate) async fn revoke(exchange: &Exchange, kid: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::KeysManage).await?;
    match keyring::revoke(&exchange.environment, operator.operation, kid.into()).await? {
        OrderAnswer::Revoked { revoked, active } => json(200, &Revoked { revoked, active }),
        other => Err(refusal(&other)),
    }
}

fn refusal(answer: &OrderAnswer) -> Problem {
    match answer {
        OrderAnswer::Unknown => Problem::not_found(),
        OrderAnswer::TooManyKeys => Problem::too_many_keys(),
        OrderAnswer::OperationReused => Problem::idempotency_key_reused(),
        OrderAnswer::Rotating { .. } | OrderAnswer::Revoked { .. } => {
            Problem::internal("keyring", "the answer is to another order")
        }
    }
}
