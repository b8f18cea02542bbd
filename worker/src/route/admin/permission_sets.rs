//! `GET …/admin/roles`, and `GET`, `PUT` and `DELETE …/admin/roles/{name}` and `…/admin/groups/{name}`: what roles and
//! groups grant.

use crate::environment::Environment;
use crate::route::admin::operator::{self, Operator};
use crate::route::admin::permissions::{Deleted, check_runtime, description};
use crate::route::exchange::Exchange;
use crate::store::definitions::{self, DefinitionChange, SetChange, StoredSet};
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use postern_core::account::StatusReason;
use postern_core::config::PermissionSettings;
use postern_core::id::OperationId;
use postern_core::permission::{
    GroupName, Holdings, OperatorPermission, PermissionMask, PermissionName, PermissionSet, RoleName, SetKind,
};
use serde::Serialize;

/// How often a definition is made anew when another came between.
const TRIES: usize = 3;

#[derive(Serialize)]
struct Roles<'a> {
    roles: Vec<Listed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    permissions: Vec<&'a str>,
    /// Whether the configuration defines it; then it is changed only there.
    configured: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    set: Listed<'a>,
    #[serde(flatten)]
    stored: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<bool>,
}

#[derive(Serialize)]
struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    version: u32,
    created_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<u64>,
}

/// `?limit&cursor` → every role, by name.
pub(crate) async fn list(exchange: &Exchange) -> Answer {
    operator::authorise(exchange, OperatorPermission::PermissionsRead).await?;
    let mut query = Query::read(&exchange.request)?;
    let after = query.text("cursor")?.unwrap_or_default();
    let limit = usize::try_from(query.limit()?).unwrap_or(usize::MAX);
    definitions::know_now(&exchange.environment, exchange.ambient.now()).await?;
    let (settings, configured) = (exchange.environment.permissions()?, exchange.environment.configured());
    let later = settings.roles.iter().filter(|role| role.name().as_str() > after.as_str());
    let mut roles: Vec<Listed<'_>> = later
        .take(limit.saturating_add(1))
        .map(|role| Listed {
            name: role.name().as_str(),
            permissions: role.permissions().iter().map(PermissionName::as_str).collect(),
            configured: configured.has_set(SetKind::Role, role.name().as_str()),
        })
        .collect();
    let more = roles.len() > limit;
    roles.truncate(limit);
    let next_cursor = roles.last().map(|role| role.name).filter(|_| more);
    json(200, &Roles { roles, next_cursor })
}

/// → one role or group.
pub(crate) async fn show(exchange: &Exchange, kind: SetKind, name: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::PermissionsRead).await?;
    definitions::know_now(&exchange.environment, exchange.ambient.now()).await?;
    shown(exchange, kind, name, None).await
}

/// `{permissions, description?, version?}` → the role or group, which is that from now on.
pub(crate) async fn define(exchange: &Exchange, kind: SetKind, name: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::PermissionsManage).await?;
    let mut body = Body::read(&exchange.request).await?;
    check_name(kind, name)?;
    if !body.has("permissions") {
        return Err(Problem::invalid_field("permissions", "is required"));
    }
    let permissions = body.texts("permissions", Holdings::MAX_PERMISSIONS)?;
    let (description, version) = (description(&mut body)?, body.optional_count("version")?);
    check_runtime(exchange)?;
    let description = description.as_ref().map(StatusReason::as_str);
    let said = format!("defined {permissions:?} {description:?} {version:?}");
    let change = change(exchange, &operator, (kind, name), &said, "defined");
    let wanted = Wanted { kind, name, permissions: &permissions, description, version };
    carry_out(exchange, &operator, &wanted, &change).await?;
    let (environment, directory) = (&exchange.environment, exchange.directory()?);
    definitions::publish(environment, change.now).await?;
    let holders = (kind.as_str(), name);
    let pending = definitions::spread(environment, &directory, holders, change.now).await?;
    shown(exchange, kind, name, Some(pending)).await
}

/// Deletes a role or group, from all who have it.
pub(crate) async fn delete(exchange: &Exchange, kind: SetKind, name: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::PermissionsManage).await?;
    check_name(kind, name)?;
    check_runtime(exchange)?;
    let (environment, directory) = (&exchange.environment, exchange.directory()?);
    if environment.config().permissions().has_set(kind, name) {
        return Err(Problem::defined_in_configuration());
    }
    definitions::know_now(environment, exchange.ambient.now()).await?;
    let settings = environment.permissions()?;
    operator.check_covers(mask(&settings, kind, name))?;
    let change = change(exchange, &operator, (kind, name), "deleted", "deleted");
    if !directory.delete_set(&change, kind, name).await? && !directory.is_ending(kind, name).await? {
        return Err(Problem::not_found());
    }
    definitions::publish(environment, change.now).await?;
    let holders = (kind.as_str(), name);
    let pending = definitions::spread(environment, &directory, holders, change.now).await?;
    json(200, &Deleted { success: true, pending })
}

/// What a role or group is to be.
struct Wanted<'a> {
    kind: SetKind,
    name: &'a str,
    permissions: &'a [String],
    description: Option<&'a str>,
    /// The version that the change is made of.
    version: Option<u32>,
}

/// Stores it, decided of what is defined at that moment.
async fn carry_out(
    exchange: &Exchange,
    operator: &Operator,
    wanted: &Wanted<'_>,
    change: &DefinitionChange<'_>,
) -> Result<(), Problem> {
    let (environment, directory) = (&exchange.environment, exchange.directory()?);
    let &Wanted { kind, name, .. } = wanted;
    for _ in 0..TRIES {
        if directory.was_authorized(change.operation).await? {
            return Ok(());
        }
        let definitions = definitions::renew_from_directory(environment, change.now).await?;
        let configured = environment.config().permissions();
        let places = configured.define_set(&definitions, (kind, name), wanted.permissions);
        let places = places.map_err(|error| Problem::definition("permissions", error))?;
        check_covers(environment, operator, wanted)?;
        let stored = directory.set(kind, name).await?;
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        if wanted.version.is_some_and(|wanted| wanted != version) {
            return Err(Problem::definition_conflict());
        }
        let before = definitions.sets(kind).iter().find(|set| set.name == name);
        let described = stored.as_ref().and_then(|stored| stored.description.as_deref());
        if before.is_some_and(|set| set.permissions == places) && described == wanted.description {
            return Ok(());
        }
        let set = SetChange { kind, name, permissions: &places, description: wanted.description };
        if directory.define_set(change, &set, definitions.revision).await? {
            return Ok(());
        }
        if directory.is_ending(kind, name).await? {
            return Err(Problem::definition_ending());
        }
    }
    Err(Problem::definition_conflict())
}

/// Refuses an account what it does not have itself: to give it, and to take it from those who have it.
fn check_covers(environment: &Environment, operator: &Operator, wanted: &Wanted<'_>) -> Result<(), Problem> {
    let settings = environment.permissions()?;
    let names = wanted.permissions.iter().filter_map(|name| name.parse::<PermissionName>().ok());
    let after = names.filter_map(|name| settings.registry.mask_of([&name]).ok());
    operator.check_covers(mask(&settings, wanted.kind, wanted.name).into_iter().chain(after))
}

fn mask(settings: &PermissionSettings, kind: SetKind, name: &str) -> Option<PermissionMask> {
    match kind {
        SetKind::Role => settings.roles.get(name).map(PermissionSet::mask),
        SetKind::Group => settings.groups.get(name).map(PermissionSet::mask),
    }
}

fn change<'a>(
    exchange: &'a Exchange,
    operator: &Operator,
    (kind, name): (SetKind, &str),
    said: &str,
    done: &str,
) -> DefinitionChange<'a> {
    let operation: OperationId =
        operator.operation_of(&[kind.as_str().as_bytes(), name.as_bytes(), said.as_bytes()]);
    let event = match (kind, done) {
        (SetKind::Role, "defined") => "role_defined",
        (SetKind::Role, _) => "role_deleted",
        (SetKind::Group, "defined") => "group_defined",
        (SetKind::Group, _) => "group_deleted",
    };
    DefinitionChange {
        tenant: exchange.environment.config().tenant(),
        operation,
        event,
        detail: format!("{name} by {}", operator.name()),
        now: exchange.ambient.now(),
    }
}

async fn shown(exchange: &Exchange, kind: SetKind, name: &str, pending: Option<bool>) -> Answer {
    let settings = exchange.environment.permissions()?;
    let found = match kind {
        SetKind::Role => settings.roles.get(name).map(PermissionSet::permissions),
        SetKind::Group => settings.groups.get(name).map(PermissionSet::permissions),
    };
    let permissions = found.ok_or_else(Problem::not_found)?.iter().map(PermissionName::as_str).collect();
    let configured = exchange.environment.config().permissions().has_set(kind, name);
    let stored = if configured { None } else { exchange.directory()?.set(kind, name).await? };
    let details = |StoredSet { description, version, created_at, updated_at }| Details {
        description,
        version,
        created_at,
        updated_at,
    };
    let set = Listed { name, permissions, configured };
    json(200, &Shown { set, stored: stored.map(details), pending })
}

fn check_name(kind: SetKind, name: &str) -> Result<(), Problem> {
    let parsed = match kind {
        SetKind::Role => name.parse::<RoleName>().map(drop),
        SetKind::Group => name.parse::<GroupName>().map(drop),
    };
    parsed.map_err(|error| Problem::invalid_field("name", error))
}
