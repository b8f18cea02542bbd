//! `GET …/admin/users/{id}/entitlements`, `POST` there, and `POST …/entitlements/revoke`: what an account has been given.

use crate::route::admin::operator::{self, Operator};
use crate::route::exchange::Exchange;
use crate::store::directory::Directory;
use crate::store::entitlements::{self, EntitlementChange, NewGrant, StoredGrant};
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::entitlement::EntitlementName;
use postern_core::id::AccountId;
use postern_core::permission::OperatorPermission;
use postern_core::time::UnixMillis;
use serde::Serialize;

/// The source of grants that name none.
const DEFAULT_SOURCE: &str = "operator";
const MOST_METADATA_BYTES: usize = 1_024;

#[derive(Serialize)]
struct Entitlements {
    /// What counts now.
    names: Vec<String>,
    grants: Vec<StoredGrant>,
}

/// → what counts, and every grant that there is or was.
pub(crate) async fn list(exchange: &Exchange, id: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::UsersRead).await?;
    let (directory, account) = account(exchange, id).await?;
    shown(&directory, &account, exchange.ambient.now()).await
}

/// `{name, source?, expires_at?, metadata?}` → the same as [`list`]. Giving it again replaces it.
pub(crate) async fn grant(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::EntitlementsManage).await?;
    let now = exchange.ambient.now();
    let mut body = Body::read(&exchange.request).await?;
    let (name, source) = (name(&body.text("name")?, "name")?, body.optional_text("source")?);
    let source = name_of_source(source.as_deref().unwrap_or(DEFAULT_SOURCE))?;
    let expires_at = body.optional_time("expires_at")?;
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Problem::invalid_field("expires_at", "must not have passed"));
    }
    let metadata = body.optional_text("metadata")?;
    if metadata.as_ref().is_some_and(|metadata| metadata.len() > MOST_METADATA_BYTES) {
        return Err(Problem::invalid_field("metadata", "must have at most 1024 bytes"));
    }
    let (directory, account) = account(exchange, id).await?;
    operator.reach(exchange, &[account]).await?;
    let new = NewGrant { name: &name, source: &source, expires_at, metadata: metadata.as_deref() };
    let end = expires_at.map_or(0, UnixMillis::as_millis).to_be_bytes();
    let metadata = metadata.as_deref().unwrap_or_default().as_bytes();
    let said: [&[u8]; 5] = [b"grant", name.as_str().as_bytes(), source.as_str().as_bytes(), &end, metadata];
    if !directory.grant_entitlement(&change(exchange, &operator, account, &said), &new).await? {
        return Err(Problem::too_many_entitlements());
    }
    entitlements::publish(&exchange.environment, &directory, &account, now).await?;
    shown(&directory, &account, now).await
}

/// `{name, source?}` → the same. Without a source, those of all sources end.
pub(crate) async fn revoke(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::EntitlementsManage).await?;
    let now = exchange.ambient.now();
    let mut body = Body::read(&exchange.request).await?;
    let (name, source) = (name(&body.text("name")?, "name")?, body.optional_text("source")?);
    let source = source.as_deref().map(name_of_source).transpose()?;
    let (directory, account) = account(exchange, id).await?;
    operator.reach(exchange, &[account]).await?;
    let of_source = source.as_ref().map_or("", EntitlementName::as_str).as_bytes();
    let said: [&[u8]; 3] = [b"revoke", name.as_str().as_bytes(), of_source];
    let change = change(exchange, &operator, account, &said);
    directory.revoke_entitlement(&change, &name, source.as_ref()).await?;
    entitlements::publish(&exchange.environment, &directory, &account, now).await?;
    shown(&directory, &account, now).await
}

fn change<'a>(
    exchange: &'a Exchange,
    operator: &Operator,
    account: AccountId,
    said: &[&[u8]],
) -> EntitlementChange<'a> {
    EntitlementChange {
        tenant: exchange.environment.config().tenant(),
        account,
        operation: operator.order_of(&[b"entitlement", account.as_bytes()], said),
        by: operator.name(),
        now: exchange.ambient.now(),
    }
}

async fn shown(directory: &Directory, account: &AccountId, now: UnixMillis) -> Answer {
    let grants = directory.entitlements(account).await?;
    let mut names: Vec<String> =
        grants.iter().filter(|grant| grant.counts_at(now)).map(|grant| grant.name.clone()).collect();
    names.dedup();
    json(200, &Entitlements { names, grants })
}

/// The account of this id in this tenant.
async fn account(exchange: &Exchange, id: &str) -> Result<(Directory, AccountId), Problem> {
    let account: AccountId = id.parse().map_err(|_| Problem::not_found())?;
    let directory = exchange.directory()?;
    let tenant = exchange.environment.config().tenant();
    directory.credential_of(tenant, &account).await?.ok_or_else(Problem::not_found)?;
    Ok((directory, account))
}

fn name(text: &str, field: &'static str) -> Result<EntitlementName, Problem> {
    text.parse().map_err(|error| Problem::invalid_field(field, error))
}

fn name_of_source(text: &str) -> Result<EntitlementName, Problem> {
    name(text, "source")
}
