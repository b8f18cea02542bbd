//! `GET …/admin/groups`, and `GET` and `POST …/admin/groups/{name}/members`: what groups there are and who is in them.

use crate::route::admin::operator;
use crate::route::exchange::Exchange;
use crate::store::authorization::{self, Membership, Named};
use crate::store::definitions;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use postern_core::id::AccountId;
use postern_core::permission::{
    AuthorizationSnapshot, GroupName, OperatorPermission, PermissionName, PermissionSet,
};
use serde::Serialize;

/// The most accounts of one change: each is told by a call of its own.
const MOST_ACCOUNTS: usize = 100;

#[derive(Serialize)]
struct Groups<'a> {
    groups: Vec<Group<'a>>,
}

#[derive(Serialize)]
struct Group<'a> {
    name: &'a str,
    permissions: Vec<&'a str>,
}

#[derive(Serialize)]
struct Members {
    members: Vec<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<AccountId>,
}

#[derive(Serialize)]
struct Changed {
    added: Vec<AccountId>,
    removed: Vec<AccountId>,
    /// Accounts that do not know yet; they will within the minute.
    pending: usize,
}

/// → every group, by name.
pub(crate) async fn list(exchange: &Exchange) -> Answer {
    operator::authorise(exchange, OperatorPermission::PermissionsRead).await?;
    definitions::know_now(&exchange.environment, exchange.ambient.now()).await?;
    let settings = exchange.environment.permissions()?;
    let table = &settings.groups;
    let groups = table.iter().map(|group| Group {
        name: group.name().as_str(),
        permissions: group.permissions().iter().map(PermissionName::as_str).collect(),
    });
    json(200, &Groups { groups: groups.collect() })
}

/// `?limit&cursor` → the accounts in it, by id. Also of a group that is not defined any more.
pub(crate) async fn members(exchange: &Exchange, name: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::PermissionsRead).await?;
    let group = group(name)?;
    let mut query = Query::read(&exchange.request)?;
    let after = query.text("cursor")?.map(|text| text.parse()).transpose();
    let after = after.map_err(|_| Problem::invalid_field("cursor", "must be the next_cursor of a page"))?;
    let limit = query.limit()?;
    let tenant = exchange.environment.config().tenant();
    let found =
        exchange.directory()?.members(tenant, &group, after.as_ref(), limit.saturating_add(1)).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > most;
    let members: Vec<AccountId> = found.into_iter().take(most).map(|found| found.account_id).collect();
    let next_cursor = members.last().copied().filter(|_| more);
    json(200, &Members { members, next_cursor })
}

/// `{add?, remove?}`, ids of accounts → who was added and removed. Who is not named in the answer was in it, or was not,
/// already, is nobody, or is in as many groups as may be.
pub(crate) async fn change(exchange: &Exchange, name: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::AuthorizationManage).await?;
    let (environment, group) = (&exchange.environment, group(name)?);
    let mut body = Body::read(&exchange.request).await?;
    let (add, remove) = (accounts(&mut body, "add")?, accounts(&mut body, "remove")?);
    if add.is_empty() && remove.is_empty() {
        return Err(Problem::invalid_field("add", "is required unless somebody is removed"));
    }
    if add.iter().any(|account| remove.contains(account)) {
        return Err(Problem::invalid_field("remove", "must have nobody who is in add"));
    }
    definitions::know_now(environment, exchange.ambient.now()).await?;
    let (directory, tenant) = (exchange.directory()?, environment.config().tenant());
    let about: [&[u8]; 3] = [b"members", tenant.as_str().as_bytes(), name.as_bytes()];
    let operation = operator.order_of(&about, &said(&add, &remove));
    // What was carried out is answered again, whatever may be done by now.
    if !directory.was_authorized(operation).await? {
        let granted = environment.permissions()?.groups.get(name).map(PermissionSet::mask);
        if !add.is_empty() && granted.is_none() {
            return Err(Problem::not_found());
        }
        operator.check_covers(granted)?;
        operator.reach(exchange, &[add.as_slice(), remove.as_slice()].concat()).await?;
    }
    let (before, mut after) = (AuthorizationSnapshot::default(), AuthorizationSnapshot::default());
    after.groups.extend((!add.is_empty()).then(|| name.to_owned()));
    let besides = &definitions::given_besides(environment, &before, &after)?;
    let by = operator.name();
    let membership = Membership { group: &group, add: &add, remove: &remove, besides, operation, by: &by };
    let changed = directory.change_members(tenant, &membership, exchange.ambient.now()).await?;
    let changed = changed.ok_or_else(Problem::not_found)?;
    let changed: Vec<AccountId> = changed.into_iter().map(|Named { account_id }| account_id).collect();
    let mut pending = 0_usize;
    for account in &changed {
        if authorization::publish(environment, &directory, account).await.is_err() {
            pending = pending.saturating_add(1);
        }
    }
    let (added, removed) = changed.into_iter().partition(|account| add.contains(account));
    json(200, &Changed { added, removed, pending })
}

/// What the order says, for its operation.
fn said<'a>(add: &'a [AccountId], remove: &'a [AccountId]) -> Vec<&'a [u8]> {
    let ids = |accounts: &'a [AccountId]| accounts.iter().map(|account| account.as_bytes().as_slice());
    ids(add).chain([b"remove".as_slice()]).chain(ids(remove)).collect()
}

fn group(name: &str) -> Result<GroupName, Problem> {
    name.parse().map_err(|_| Problem::not_found())
}

fn accounts(body: &mut Body, field: &'static str) -> Result<Vec<AccountId>, Problem> {
    let ids = body.texts(field, MOST_ACCOUNTS)?;
    let accounts: Result<Vec<AccountId>, _> = ids.iter().map(|id| id.parse()).collect();
    accounts.map_err(|_| Problem::invalid_field(field, "must be ids of accounts"))
}
