//! Creating, showing and renaming organizations, and whose a name is.

use super::{Caller, Who, overtaken};
use crate::route::admin::users;
use crate::route::authenticate::bearer;
use crate::route::exchange::Exchange;
use crate::route::sessions::limit_profile;
use crate::route::username;
use crate::store::organizations::{Address, Change, NewOrganization, Organization};
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use postern_core::id::{AccountId, OrganizationId};
use postern_core::identifier::DisplayName;
use postern_core::organization::{OrganizationSlug, Refusal, Task};
use serde::Serialize;

/// An organization as its members see it.
#[derive(Serialize)]
struct Shown {
    id: OrganizationId,
    slug: String,
    name: String,
    /// The names that it had before; they lead to it still.
    aliases: Vec<String>,
    personal: bool,
    /// Those of whoever asks; the operator has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    /// Milliseconds since the epoch.
    created_at: u64,
    updated_at: Option<u64>,
}

fn shown(status: u16, found: Organization) -> Answer {
    let roles = found.roles()?;
    let mut aliases = found.names()?;
    aliases.retain(|name| *name != found.slug);
    let Organization { id, slug, name, personal_of, created_at, updated_at, .. } = found;
    let personal = personal_of.is_some();
    json(status, &Shown { id, slug, name, aliases, personal, roles, created_at, updated_at })
}

/// `?limit&cursor` → the organizations of whoever asks; for the operator all.
pub(super) async fn list(caller: &Caller<'_>) -> Answer {
    page(caller, caller.account()).await
}

/// The same, of one account, for the operator.
pub(super) async fn list_of_user(caller: &Caller<'_>, account: &str) -> Answer {
    page(caller, Some(&users::account(account)?)).await
}

async fn page(caller: &Caller<'_>, account: Option<&AccountId>) -> Answer {
    let mut query = Query::read(&caller.exchange.request)?;
    let (after, limit) = (users::place(&mut query)?, query.limit()?);
    let tenant = caller.exchange.environment.config().tenant();
    let found = caller.directory.organizations(tenant, account, &after, limit.saturating_add(1)).await?;
    users::page("organizations", found, limit)
}

pub(super) async fn show(caller: &Caller<'_>, segment: &str) -> Answer {
    shown(200, caller.organization(segment, Task::Read).await?)
}

/// `{slug, name?}` → 201. The operator says whose it is, or nobody's: `{…, owner?}`.
pub(super) async fn create(caller: &Caller<'_>) -> Answer {
    let settings = caller.exchange.environment.config().organizations();
    let owner = caller.account().copied();
    if owner.is_some() && !(settings.is_multi() && settings.users_may_create) {
        return Err(Problem::feature_disabled());
    }
    let mut body = Body::read(&caller.exchange.request).await?;
    let slug = chosen(&body.text("slug")?)?;
    let name = name(&mut body)?.unwrap_or_else(|| slug.as_str().into());
    let owner = match owner {
        Some(owner) => Some(owner),
        None => account(&mut body, "owner")?,
    };
    if let Some(owner) = &owner {
        caller.reach(owner).await?;
    }
    caller.take_creation().await?;
    let drawn = caller.exchange.ambient.random()?.into_bytes();
    let id = match &caller.who {
        Who::Account { .. } => OrganizationId::from_bytes(drawn),
        // The same key creates the same one.
        Who::Operator(operator) => OrganizationId::from_bytes(
            *operator.operation_of(&[b"organization", slug.as_str().as_bytes()]).as_bytes(),
        ),
    };
    let what = format!("created {slug}", slug = slug.as_str());
    // Nobody is owner of it yet.
    let change = Change {
        authority: crate::store::organizations::Authority::Lasting,
        ..caller.change(id, "organization_created", owner, &what)?
    };
    if !caller.repeats(&change).await? {
        check_not_held(caller.exchange, &slug).await?;
        let new = NewOrganization { slug: &slug, name: &name, owner, is_personal: false };
        if !caller.directory.create_organization(&change, &new).await? {
            return Err(not_created(caller, &slug, owner).await?);
        }
    }
    shown(201, created(caller, id).await?)
}

async fn created(caller: &Caller<'_>, id: OrganizationId) -> Result<Organization, Problem> {
    let tenant = caller.exchange.environment.config().tenant();
    let found = caller.directory.organization(tenant, &Address::Id(id), caller.account()).await?;
    found.ok_or_else(|| Problem::organization(Refusal::Conflict))
}

/// An organization of whoever asks.
pub(super) async fn show_own(caller: &Caller<'_>, status: u16, id: OrganizationId) -> Answer {
    shown(status, created(caller, id).await?)
}

/// Why there is no organization of this name.
async fn not_created(
    caller: &Caller<'_>,
    slug: &OrganizationSlug,
    owner: Option<AccountId>,
) -> Result<Problem, Problem> {
    let tenant = caller.exchange.environment.config().tenant();
    if caller.directory.name_owner(tenant, slug.as_str()).await?.is_some() {
        return Ok(Problem::organization(Refusal::SlugTaken));
    }
    match owner {
        Some(owner) if caller.directory.credential_of(tenant, &owner).await?.is_none() => {
            Ok(Problem::invalid_field("owner", "must be the id of an account"))
        }
        Some(_) => Ok(Problem::organization(Refusal::TooManyMemberships)),
        None => Ok(Problem::organization(Refusal::Conflict)),
    }
}

/// `{slug?, name?}` → the organization. The slug of before stays its own.
pub(super) async fn change(caller: &Caller<'_>, segment: &str) -> Answer {
    let found = caller.organization(segment, Task::Manage).await?;
    let mut body = Body::read(&caller.exchange.request).await?;
    let slug = body.optional_text("slug")?.map(|text| chosen(&text)).transpose()?;
    let name = name(&mut body)?;
    if slug.is_none() && name.is_none() {
        return Err(Problem::invalid_field("body", "must have slug or name"));
    }
    // A name that it has is none to choose: it may be one that was reserved since.
    let current: OrganizationSlug =
        found.slug.parse().map_err(|error| Problem::internal("organization", error))?;
    let slug = slug.unwrap_or_else(|| current.clone());
    let name = name.unwrap_or_else(|| found.name.clone());
    let what = format!("{} renamed {}", current.as_str(), slug.as_str());
    let change = caller.change(found.id, "organization_renamed", caller.account().copied(), &what)?;
    if !caller.repeats(&change).await? {
        let is_own = slug == current || found.names()?.iter().any(|own| own == slug.as_str());
        if found.personal_of.is_some() && slug != current {
            return Err(Problem::organization(Refusal::PersonalLocked));
        }
        if !is_own {
            check_not_held(caller.exchange, &slug).await?;
        }
        if !caller.directory.rename_organization(&change, &slug, &name).await? {
            caller.organization(segment, Task::Manage).await?;
            let owner = caller.directory.name_owner(change.tenant, slug.as_str()).await?;
            return Err(overtaken(Err(match owner {
                Some(_) => Refusal::SlugTaken,
                None => Refusal::TooManySlugs,
            })));
        }
    }
    shown(200, created(caller, found.id).await?)
}

#[derive(Serialize)]
struct Owner<'a> {
    kind: &'static str,
    id: String,
    /// The name that it has now.
    slug: &'a str,
}

/// `GET /api/v1/auth/owners/{name}`, for whoever is signed in → who goes by a name, or once did: a person or an
/// organization.
pub(crate) async fn owner(exchange: &Exchange, name: &str) -> Answer {
    let caller = bearer(exchange).await?;
    limit_profile(exchange, &caller.subject.account).await?;
    let tenant = exchange.environment.config().tenant();
    let found = exchange.directory()?.name_owner(tenant, &name.to_ascii_lowercase()).await?;
    let found = found.filter(|found| found.slug.is_some()).ok_or_else(Problem::not_found)?;
    let slug = found.slug.as_deref().unwrap_or_default();
    let kind = if found.is_account() { "account" } else { "organization" };
    json(200, &Owner { kind, id: found.owner_id, slug })
}

/// A name that a sign-up holds is somebody's already.
async fn check_not_held(exchange: &Exchange, slug: &OrganizationSlug) -> Result<(), Problem> {
    let Some(username) = slug.as_username() else { return Ok(()) };
    if username::is_held(exchange, &username).await? {
        return Err(Problem::organization(Refusal::SlugTaken));
    }
    Ok(())
}

fn chosen(text: &str) -> Result<OrganizationSlug, Problem> {
    OrganizationSlug::choose(text).map_err(|error| Problem::invalid_field("slug", error))
}

fn name(body: &mut Body) -> Result<Option<String>, Problem> {
    let name = body.optional_text("name")?.map(|text| DisplayName::parse(&text)).transpose();
    let name = name.map_err(|error| Problem::invalid_field("name", error))?;
    Ok(name.map(|name| name.as_str().into()))
}

/// The id of an account in a body, if there is one.
pub(super) fn account(body: &mut Body, field: &'static str) -> Result<Option<AccountId>, Problem> {
    let id = body.optional_text(field)?.map(|id| id.parse()).transpose();
    id.map_err(|_| Problem::invalid_field(field, "must be the id of an account"))
}
