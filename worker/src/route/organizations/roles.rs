//! The roles that an organization defines.

use super::{Caller, overtaken};
use crate::store::organizations;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::order;
use postern_core::organization::{OrganizationRole, Refusal, Task, define_role, delete_role};
use postern_core::permission::PermissionName;
use serde::Serialize;

/// As many as a registry may have.
const MOST_PERMISSIONS: usize = 512;

#[derive(Serialize)]
struct Roles<'a> {
    roles: Vec<Role>,
    /// The permissions that roles may have.
    permissions: Vec<&'a str>,
}

#[derive(Serialize)]
struct Role {
    name: String,
    permissions: Vec<String>,
    /// Cannot be deleted.
    protected: bool,
}

#[derive(Serialize)]
struct Changed {
    success: bool,
    /// Accounts that do not know yet; they will soon.
    pending: u32,
}

/// → all roles, and what roles may have.
pub(super) async fn list(caller: &Caller<'_>, segment: &str) -> Answer {
    let found = caller.organization(segment, Task::Read).await?;
    let settings = caller.exchange.environment.config().organizations();
    let grantable: Vec<&str> = settings.permissions.iter().map(PermissionName::as_str).collect();
    let mut roles = Vec::new();
    for defined in caller.directory.defined_roles(&found.id).await? {
        let is_owner = defined.role == OrganizationRole::OWNER;
        let permissions = if is_owner {
            grantable.iter().map(ToString::to_string).collect()
        } else {
            defined.permissions()?
        };
        let protected = is_owner || defined.role == OrganizationRole::MEMBER;
        roles.push(Role { name: defined.role, permissions, protected });
    }
    json(200, &Roles { roles, permissions: grantable })
}

/// `{permissions}` → defines the role, or what it may do anew. Tokens of those who have it are stale.
pub(super) async fn define(caller: &Caller<'_>, segment: &str, name: &str) -> Answer {
    let found = caller.organization(segment, Task::Manage).await?;
    let role: OrganizationRole = name.parse().map_err(|error| Problem::invalid_field("role", error))?;
    let settings = caller.exchange.environment.permissions()?;
    if role.is_deletable() && settings.resembles_role(name) {
        return Err(Problem::invalid_field("role", "must not be the name of a role in permissions.roles"));
    }
    let mut body = Body::read(&caller.exchange.request).await?;
    if !body.has("permissions") {
        return Err(Problem::invalid_field("permissions", "is required"));
    }
    let permissions = permissions(caller, body.texts("permissions", MOST_PERMISSIONS)?)?;
    let what = format!("role {name} {}", permissions.join(" "));
    let change = caller.change(found.id, "organization_role_defined", caller.account().copied(), &what)?;
    if !caller.repeats(&change).await? {
        let defined = caller.directory.defined_roles(&found.id).await?;
        let others = defined.iter().filter(|defined| defined.role != name).count();
        define_role(&role, u32::try_from(others).unwrap_or(u32::MAX)).map_err(Problem::organization)?;
        if let Some(same) = defined.iter().find(|defined| defined.role == name)
            && same.permissions()? == permissions
        {
            return json(200, &Changed { success: true, pending: 0 });
        }
        if !caller.directory.define_role(&change, &role, &permissions).await? {
            caller.organization(segment, Task::Manage).await?;
            return Err(overtaken(Err(Refusal::TooManyRoles)));
        }
    }
    told(caller, &change).await
}

/// Deletes a role, from all who have it.
pub(super) async fn delete(caller: &Caller<'_>, segment: &str, name: &str) -> Answer {
    let found = caller.organization(segment, Task::Manage).await?;
    let undefined = || Problem::organization(Refusal::RoleUndefined);
    let role: OrganizationRole = name.parse().map_err(|_| undefined())?;
    delete_role(&role).map_err(Problem::organization)?;
    let what = format!("role {name}");
    let change = caller.change(found.id, "organization_role_deleted", caller.account().copied(), &what)?;
    if !caller.repeats(&change).await? && !caller.directory.delete_role(&change, &role).await? {
        caller.organization(segment, Task::Manage).await?;
        return Err(undefined());
    }
    told(caller, &change).await
}

async fn told(caller: &Caller<'_>, change: &organizations::Change<'_>) -> Answer {
    let environment = &caller.exchange.environment;
    let pending = organizations::tell(environment, &caller.directory, change.operation).await?;
    json(200, &Changed { success: true, pending })
}

/// The names, each once, if organizations may give them all.
fn permissions(caller: &Caller<'_>, mut names: Vec<String>) -> Result<Vec<String>, Problem> {
    let settings = caller.exchange.environment.config().organizations();
    if let Some(name) =
        names.iter().find(|name| settings.permissions.iter().all(|known| known.as_str() != **name))
    {
        let rule = format_args!("must be names of organizations.permissions, and {name:?} is none");
        return Err(Problem::invalid_field("permissions", rule));
    }
    order::sort_by_key(&mut names, Clone::clone);
    names.dedup();
    Ok(names)
}
