//! `GET`, `PUT` and `PATCH …/admin/users/{id}/authorization`, and `POST …/authorization/root`: what an account was given,
//! what it may do by that, and why.

use crate::environment::Environment;
use crate::route::admin::operator::{self, Operator};
use crate::route::admin::users;
use crate::route::exchange::Exchange;
use crate::store::authorization::{self, AUTHORIZATION_CHANGED, NewAuthorization};
use crate::store::definitions;
use crate::store::directory::Directory;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use postern_core::account::StatusReason;
use postern_core::config::PermissionSettings;
use postern_core::id::AccountId;
use postern_core::permission::{
    AuthorizationError, AuthorizationSnapshot, Explanation, OperatorPermission, PermissionName, Source,
    amended,
};
use serde::Serialize;

/// How often a change is made anew when another came between.
const TRIES: usize = 3;

/// An account's authorization as operators see it.
#[derive(Serialize)]
struct Shown<'a> {
    version: u32,
    roles: &'a [String],
    groups: &'a [String],
    permissions: &'a [String],
    root: bool,
    /// What all of that comes to.
    effective: Vec<&'a str>,
    registry_version: u32,
    /// What of it is not defined.
    ineffective: Ineffective<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explained<'a>>,
}

#[derive(Serialize)]
struct Ineffective<'a> {
    roles: Vec<&'a str>,
    groups: Vec<&'a str>,
    permissions: Vec<&'a str>,
}

#[derive(Serialize)]
struct Explained<'a> {
    permission: &'a str,
    allowed: bool,
    sources: Vec<ShownSource>,
}

#[derive(Serialize)]
struct ShownSource {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// `?explain=PERMISSION` → what the account was given, and with it why it may do that, or that it may not.
pub(crate) async fn show(exchange: &Exchange, id: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::UsersRead).await?;
    let account = users::account(id)?;
    let permission = Query::read(&exchange.request)?.text("explain")?.map(|text| text.parse()).transpose();
    let permission: Option<PermissionName> =
        permission.map_err(|error| Problem::invalid_field("explain", error))?;
    let given = given(exchange, &exchange.directory()?, &account).await?;
    shown(&exchange.environment, &given, permission.as_ref())
}

/// `{roles, permissions, version?, reason?}` → the same as [`show`]. Groups and root stay as they are.
pub(crate) async fn replace(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::AuthorizationManage).await?;
    let account = users::account(id)?;
    let mut body = Body::read(&exchange.request).await?;
    for field in ["roles", "permissions"] {
        if !body.has(field) {
            return Err(Problem::invalid_field(field, "is required"));
        }
    }
    let (roles, permissions) = (roles(&mut body, "roles")?, permissions(&mut body, "permissions")?);
    let version = body.optional_count("version")?;
    let said = format!("authorization {roles:?} {permissions:?} {version:?}");
    let order = Order { said, event: AUTHORIZATION_CHANGED, reason: reason(&mut body)? };
    let edit = |settings: &PermissionSettings, given: &AuthorizationSnapshot| {
        if version.is_some_and(|version| version != given.version) {
            return Err(Problem::authorization_conflict());
        }
        settings.check_known(&roles, &permissions).map_err(refused)?;
        Ok(AuthorizationSnapshot { roles: roles.clone(), permissions: permissions.clone(), ..given.clone() })
    };
    change(exchange, &operator, &account, &order, &edit).await
}

/// `{add_roles?, remove_roles?, add_permissions?, remove_permissions?, reason?}` → the same as [`show`]. To add what is
/// there and to remove what is not is no mistake.
pub(crate) async fn amend(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::AuthorizationManage).await?;
    let account = users::account(id)?;
    let mut body = Body::read(&exchange.request).await?;
    let (add_roles, remove_roles) = (roles(&mut body, "add_roles")?, roles(&mut body, "remove_roles")?);
    let add_permissions = permissions(&mut body, "add_permissions")?;
    let remove_permissions = permissions(&mut body, "remove_permissions")?;
    let said = format!("amend {add_roles:?} {remove_roles:?} {add_permissions:?} {remove_permissions:?}");
    let order = Order { said, event: AUTHORIZATION_CHANGED, reason: reason(&mut body)? };
    let edit = |settings: &PermissionSettings, given: &AuthorizationSnapshot| {
        settings.check_known(&add_roles, &add_permissions).map_err(refused)?;
        Ok(AuthorizationSnapshot {
            roles: amended(&given.roles, &add_roles, &remove_roles),
            permissions: amended(&given.permissions, &add_permissions, &remove_permissions),
            ..given.clone()
        })
    };
    change(exchange, &operator, &account, &order, &edit).await
}

/// `{granted, reason}` → the same as [`show`]. Nothing else gives or takes root.
pub(crate) async fn root(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise_by_secret(exchange).await?;
    let account = users::account(id)?;
    let mut body = Body::read(&exchange.request).await?;
    let granted = body.optional_flag("granted")?;
    let has_root = granted.ok_or_else(|| Problem::invalid_field("granted", "is required"))?;
    let reason = reason(&mut body)?;
    if reason.is_none() {
        return Err(Problem::invalid_field("reason", "is required"));
    }
    let event = if has_root { "root_granted" } else { "root_revoked" };
    let order = Order { said: event.into(), event, reason };
    let edit = |_: &PermissionSettings, given: &AuthorizationSnapshot| {
        Ok(AuthorizationSnapshot { has_root, ..given.clone() })
    };
    change(exchange, &operator, &account, &order, &edit).await
}

/// What a request wants done, beside the change itself.
struct Order {
    /// What it comes to: with the client's key and the account it is the operation.
    said: String,
    event: &'static str,
    reason: Option<StatusReason>,
}

type Edit<'a> =
    &'a dyn Fn(&PermissionSettings, &AuthorizationSnapshot) -> Result<AuthorizationSnapshot, Problem>;

/// Makes the change of what the account has now, and tells the account. A request that comes again with the client's key
/// changes nothing twice, whatever was changed since.
async fn change(
    exchange: &Exchange,
    operator: &Operator,
    account: &AccountId,
    order: &Order,
    edit: Edit<'_>,
) -> Answer {
    let (environment, directory) = (&exchange.environment, exchange.directory()?);
    let operation = operator.operation_on(account, &order.said);
    // What was carried out is answered again, whatever may be done by now.
    if !directory.was_authorized(operation).await? {
        operator.reach(exchange, &[*account]).await?;
    }
    for _ in 0..TRIES {
        definitions::know_now(environment, exchange.ambient.now()).await?;
        let before = given(exchange, &directory, account).await?;
        if directory.was_authorized(operation).await? {
            return told(environment, &directory, account, &before).await;
        }
        let settings = environment.permissions()?;
        let after = edit(&settings, &before)?;
        after.check_size().map_err(refused)?;
        operator.check_covers([&before, &after].map(|given| settings.mask_of(given)))?;
        if after == before {
            return told(environment, &directory, account, &before).await;
        }
        let detail = detail(&before, &after, &operator.name(), order.reason.as_ref());
        let new = NewAuthorization {
            after: &after,
            version: before.version,
            besides: &definitions::given_besides(environment, &before, &after)?,
            operation,
            event: order.event,
            detail: &detail,
        };
        let tenant = environment.config().tenant();
        if directory.authorize(tenant, account, &new, exchange.ambient.now()).await? {
            let after = given(exchange, &directory, account).await?;
            return told(environment, &directory, account, &after).await;
        }
    }
    Err(Problem::authorization_conflict())
}

async fn told(
    environment: &Environment,
    directory: &Directory,
    account: &AccountId,
    given: &AuthorizationSnapshot,
) -> Answer {
    authorization::publish(environment, directory, account).await?;
    shown(environment, given, None)
}

async fn given(
    exchange: &Exchange,
    directory: &Directory,
    account: &AccountId,
) -> Result<AuthorizationSnapshot, Problem> {
    let tenant = exchange.environment.config().tenant();
    directory.credential_of(tenant, account).await?.ok_or_else(Problem::not_found)?.authorization()
}

fn shown(
    environment: &Environment,
    given: &AuthorizationSnapshot,
    permission: Option<&PermissionName>,
) -> Answer {
    let settings = environment.permissions()?;
    let lost = settings.ineffective(given);
    let explanation = permission.map(|permission| explained(&settings, given, permission)).transpose()?;
    json(
        200,
        &Shown {
            version: given.version,
            roles: &given.roles,
            groups: &given.groups,
            permissions: &given.permissions,
            root: given.has_root,
            effective: settings
                .registry
                .names_of(settings.mask_of(given))
                .map(PermissionName::as_str)
                .collect(),
            registry_version: settings.registry.version().as_u32(),
            ineffective: Ineffective {
                roles: lost.roles,
                groups: lost.groups,
                permissions: lost.permissions,
            },
            explanation,
        },
    )
}

fn explained<'a>(
    settings: &PermissionSettings,
    given: &AuthorizationSnapshot,
    permission: &'a PermissionName,
) -> Result<Explained<'a>, Problem> {
    let sources = |explanation: &Explanation<'_>| explanation.sources().iter().map(source).collect();
    let sources: Vec<ShownSource> = settings
        .explain(given, permission, sources)
        .map_err(|error| Problem::invalid_field("explain", error))?;
    Ok(Explained { permission: permission.as_str(), allowed: !sources.is_empty(), sources })
}

fn source(source: &Source<'_>) -> ShownSource {
    let (kind, name) = match source {
        Source::Root => ("root", None),
        Source::Direct => ("direct", None),
        Source::Role(name) => ("role", Some(name.to_string())),
        Source::Group(name) => ("group", Some(name.to_string())),
    };
    ShownSource { kind, name }
}

fn roles(body: &mut Body, field: &'static str) -> Result<Vec<String>, Problem> {
    Ok(once_each(body.texts(field, AuthorizationSnapshot::MOST_ROLES)?))
}

fn permissions(body: &mut Body, field: &'static str) -> Result<Vec<String>, Problem> {
    Ok(once_each(body.texts(field, AuthorizationSnapshot::MOST_PERMISSIONS)?))
}

/// In the same order.
fn once_each(names: Vec<String>) -> Vec<String> {
    amended(&[], &names, &[])
}

/// An account cannot be given this.
pub(super) fn refused(error: AuthorizationError) -> Problem {
    Problem::invalid_field(error.field(), error)
}

fn reason(body: &mut Body) -> Result<Option<StatusReason>, Problem> {
    let reason = body.optional_text("reason")?.map(|reason| reason.parse()).transpose();
    reason.map_err(|error| Problem::invalid_field("reason", error))
}

/// What is different, for the audit trail: `role +editor, permission -docs:read by operator: left the team`.
pub(super) fn detail(
    before: &AuthorizationSnapshot,
    after: &AuthorizationSnapshot,
    by: &str,
    reason: Option<&StatusReason>,
) -> String {
    let mut changes = Vec::new();
    let kinds = [
        ("role", &before.roles, &after.roles),
        ("group", &before.groups, &after.groups),
        ("permission", &before.permissions, &after.permissions),
    ];
    for (kind, before, after) in kinds {
        let given = after.iter().filter(|name| !before.contains(name));
        let taken = before.iter().filter(|name| !after.contains(name));
        changes.extend(given.map(|name| format!("{kind} +{name}")));
        changes.extend(taken.map(|name| format!("{kind} -{name}")));
    }
    let mut detail = changes.join(", ");
    if detail.is_empty() {
        detail.push_str(if before.has_root == after.has_root { "order of roles" } else { "root" });
    }
    detail = detail + " by " + by;
    if let Some(reason) = reason {
        detail = detail + ": " + reason.as_str();
    }
    detail
}
