//! `GET` and `POST …/admin/permissions`, `GET` and `DELETE …/admin/permissions/{name}`: which permission has which bit.

use crate::route::admin::operator;
use crate::route::exchange::Exchange;
use crate::store::definitions::{self, DefinitionChange, NewPermission, StoredPermission};
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use postern_core::account::StatusReason;
use postern_core::config::PermissionSettings;
use postern_core::permission::{Definitions, OperatorPermission, PermissionBit, PermissionName};
use serde::Serialize;

#[derive(Serialize)]
struct Listed {
    permissions: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<u16>,
    version: u32,
    width: u16,
    /// How many bits are left.
    free: usize,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    bit: u16,
    /// Whether the configuration declares it; then it is deleted only there.
    configured: bool,
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<u64>,
}

/// What a deletion has come to.
#[derive(Serialize)]
pub(super) struct Deleted {
    pub(super) success: bool,
    /// Whether some accounts do not know yet; they will.
    pub(super) pending: bool,
}

/// `?limit&cursor` → all that were ever allocated, in that order.
pub(crate) async fn list(exchange: &Exchange) -> Answer {
    operator::authorise(exchange, OperatorPermission::PermissionsRead).await?;
    let mut query = Query::read(&exchange.request)?;
    let from = query.text("cursor")?.map(|text| text.parse()).transpose();
    let from: Option<u16> =
        from.map_err(|_| Problem::invalid_field("cursor", "must be the next_cursor of a page"))?;
    let limit = query.limit()?;
    let mut permissions = rows(exchange, from.unwrap_or_default(), limit.saturating_add(1)).await?;
    let more = permissions.get(usize::try_from(limit).unwrap_or(usize::MAX)).map(|(slot, _)| *slot);
    permissions.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let settings = exchange.environment.permissions()?;
    let registry = &settings.registry;
    json(
        200,
        &Listed {
            permissions: permissions.into_iter().map(|(_, shown)| shown).collect(),
            next_cursor: more,
            version: registry.version().as_u32(),
            width: registry.width().bits(),
            free: registry.width().capacity().saturating_sub(registry.declared().len()),
        },
    )
}

/// → one of them.
pub(crate) async fn show(exchange: &Exchange, name: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::PermissionsRead).await?;
    definitions::know_now(&exchange.environment, exchange.ambient.now()).await?;
    shown(exchange, 200, name).await
}

/// `{name, description?}` → 201 with the permission, which has the next bit; 200 if there was one of that name.
pub(crate) async fn create(exchange: &Exchange) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::PermissionsManage).await?;
    let mut body = Body::read(&exchange.request).await?;
    let name: PermissionName =
        body.text("name")?.parse().map_err(|error| Problem::invalid_field("name", error))?;
    let description = description(&mut body)?;
    check_runtime(exchange)?;
    operator.check_may_define(&name)?;
    let (environment, now, directory) =
        (&exchange.environment, exchange.ambient.now(), exchange.directory()?);
    let operation = operator.operation_of(&[b"permission", name.as_str().as_bytes()]);
    let is_new = |definitions: &Definitions| {
        PermissionSettings::create_permission(definitions, &name)
            .map_err(|error| Problem::definition("name", error))
    };
    let definitions = definitions::renew_from_directory(environment, now).await?;
    if !is_new(&definitions)? {
        return shown(exchange, 200, name.as_str()).await;
    }
    let change = DefinitionChange {
        tenant: environment.config().tenant(),
        operation,
        event: "permission_created",
        detail: format!("{name} by {}", operator.name()),
        now,
    };
    let new = NewPermission { name: &name, description: description.as_ref().map(StatusReason::as_str) };
    let created = directory.create_permission(&change, &new).await?;
    // Whatever kept it from being created meanwhile says so now.
    if is_new(&definitions::publish(environment, now).await?)? {
        return Err(Problem::definition_conflict());
    }
    shown(exchange, if created { 201 } else { 200 }, name.as_str()).await
}

/// → it is a tombstone, and nobody has it any more. Its bit is nobody else's, ever.
pub(crate) async fn delete(exchange: &Exchange, name: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::PermissionsManage).await?;
    let name: PermissionName = name.parse().map_err(|_| Problem::not_found())?;
    check_runtime(exchange)?;
    let (environment, now, directory) =
        (&exchange.environment, exchange.ambient.now(), exchange.directory()?);
    let definitions = definitions::renew_from_directory(environment, now).await?;
    let registry = &environment.permissions()?.registry;
    operator.check_may_define(&name)?;
    operator.check_covers(registry.mask_of([&name]).ok())?;
    let lives = environment.config().permissions().delete_permission(&definitions, &name);
    if lives.map_err(|error| Problem::definition("id", error))? {
        let change = DefinitionChange {
            tenant: environment.config().tenant(),
            operation: operator.operation_of(&[b"permission deleted", name.as_str().as_bytes()]),
            event: "permission_deleted",
            detail: format!("{name} by {}", operator.name()),
            now,
        };
        directory.delete_permission(&change, &name).await?;
        definitions::publish(environment, now).await?;
    }
    let holders = ("permission", name.as_str());
    let pending = definitions::spread(environment, &directory, holders, now).await?;
    json(200, &Deleted { success: true, pending })
}

/// Nothing is defined here where the configuration does not want it.
pub(super) fn check_runtime(exchange: &Exchange) -> Result<(), Problem> {
    let is_wanted = exchange.environment.config().permissions().runtime;
    if is_wanted { Ok(()) } else { Err(Problem::definitions_fixed()) }
}

pub(super) fn description(body: &mut Body) -> Result<Option<StatusReason>, Problem> {
    let description = body.optional_text("description")?.map(|text| text.parse()).transpose();
    description.map_err(|error| Problem::invalid_field("description", error))
}

async fn shown(exchange: &Exchange, status: u16, name: &str) -> Answer {
    let configured = exchange.environment.config().permissions();
    let found = if configured.runtime {
        exchange.directory()?.permission(name).await?.and_then(|stored| of_stored(configured, stored))
    } else {
        let place = configured.registry.place_of(name).map(usize::from);
        place.and_then(|place| declared(configured).nth(place))
    };
    let (_, shown) = found.ok_or_else(Problem::not_found)?;
    json(status, &shown)
}

/// Permissions from a place on, each with its place.
async fn rows(exchange: &Exchange, from: u16, limit: u32) -> Result<Vec<(u16, Shown)>, Problem> {
    let configured = exchange.environment.config().permissions();
    if configured.runtime {
        definitions::know_now(&exchange.environment, exchange.ambient.now()).await?;
        let stored = exchange.directory()?.permissions_from(from, limit).await?;
        return Ok(stored.into_iter().filter_map(|stored| of_stored(configured, stored)).collect());
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(declared(configured).skip(usize::from(from)).take(most).collect())
}

/// All that the configuration declares, where nothing else does.
fn declared(configured: &PermissionSettings) -> impl Iterator<Item = (u16, Shown)> {
    (0..).zip(configured.registry.declared()).map(|(slot, declared)| {
        let shown = Shown {
            name: declared.name.as_str().into(),
            bit: declared.bit.index(),
            configured: true,
            deleted: declared.deleted,
            description: None,
            created_at: None,
            deleted_at: None,
        };
        (slot, shown)
    })
}

fn of_stored(configured: &PermissionSettings, stored: StoredPermission) -> Option<(u16, Shown)> {
    let shown = Shown {
        bit: PermissionBit::nth(usize::from(stored.slot))?.index(),
        configured: configured.registry.bit_of(&stored.name).is_some(),
        deleted: stored.deleted_at.is_some(),
        name: stored.name,
        description: stored.description,
        created_at: Some(stored.created_at),
        deleted_at: stored.deleted_at,
    };
    Some((stored.slot, shown))
}
