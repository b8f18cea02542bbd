//! Members: who they are, which roles they have, and how they leave.

use super::{Caller, manage, overtaken};
use crate::route::admin::users;
use crate::store::organizations::{Authority, Change, Organization};
use crate::store::users::Place;
use crate::wire::answer::{Answer, respond, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use postern_core::id::AccountId;
use postern_core::organization::{self, OrganizationRole, Refusal, RoleChange, Seat, Task, amend_roles};

/// The most roles in one member of a request.
const MOST_AT_ONCE: usize = 50;

/// `?limit&cursor` → members, latest first.
pub(super) async fn list(caller: &Caller<'_>, segment: &str) -> Answer {
    let found = caller.organization(segment, Task::Read).await?;
    let mut query = Query::read(&caller.exchange.request)?;
    let (after, limit) = (users::place(&mut query)?, query.limit()?);
    let more = limit.saturating_add(1);
    let members = caller.directory.organization_members(&found.id, None, &after, more).await?;
    users::page("members", members, limit)
}

pub(super) async fn show(caller: &Caller<'_>, segment: &str, account: &str) -> Answer {
    let found = caller.organization(segment, Task::Read).await?;
    shown(caller, &found, &member(account)?).await
}

async fn shown(caller: &Caller<'_>, found: &Organization, account: &AccountId) -> Answer {
    let only = Some(account);
    let members = caller.directory.organization_members(&found.id, only, &Place::start(), 1).await?;
    let member = members.into_iter().next().ok_or_else(|| Problem::organization(Refusal::NotMember))?;
    respond(200, "application/json", "no-store", member.document.into_bytes())
}

/// `{account_id}` → the member. The operator's alone: others are invited.
pub(super) async fn add(caller: &Caller<'_>, segment: &str) -> Answer {
    let found = caller.organization(segment, Task::Add).await?;
    let mut body = Body::read(&caller.exchange.request).await?;
    let account = manage::account(&mut body, "account_id")?
        .ok_or_else(|| Problem::invalid_field("account_id", "is required"))?;
    caller.reach(&account).await?;
    let change = caller.change(found.id, "organization_member_added", Some(account), "added")?;
    if !caller.repeats(&change).await? && !caller.directory.add_member(&change, &account).await? {
        // To add a member is no mistake.
        if !caller.directory.seat(&found.id, &account).await?.is_member {
            return Err(not_added(caller, &change, &account).await?);
        }
    }
    shown(caller, &found, &account).await
}

/// Why an account has not become a member.
pub(super) async fn not_added(
    caller: &Caller<'_>,
    change: &Change<'_>,
    account: &AccountId,
) -> Result<Problem, Problem> {
    let (members, memberships) = caller.directory.membership_counts(&change.organization, account).await?;
    Ok(if caller.directory.credential_of(change.tenant, account).await?.is_none() {
        Problem::invalid_field("account_id", "must be the id of an account")
    } else if memberships >= organization::MOST_MEMBERSHIPS {
        Problem::organization(Refusal::TooManyMemberships)
    } else if members >= organization::MOST_MEMBERS {
        Problem::organization(Refusal::TooManyMembers)
    } else {
        Problem::organization(Refusal::Conflict)
    })
}

/// Ends a membership: another's by an owner, or one's own. The tokens of the account are stale from then on.
pub(super) async fn remove(caller: &Caller<'_>, segment: &str, account: &str) -> Answer {
    let account = member(account)?;
    let oneself = caller.account() == Some(&account);
    let task = Task::Remove { oneself };
    let found = caller.organization(segment, task).await?;
    caller.reach(&account).await?;
    let change = caller.change(found.id, "organization_member_removed", Some(account), "removed")?;
    // Whoever leaves needs nobody's leave.
    let change = if oneself { Change { authority: Authority::Lasting, ..change } } else { change };
    if !caller.repeats(&change).await? {
        let check = |seat: &Seat| organization::remove(seat);
        check(&caller.directory.seat(&found.id, &account).await?).map_err(Problem::organization)?;
        if !caller.directory.remove_member(&change, &account).await? {
            caller.organization(segment, task).await?;
            return Err(overtaken(check(&caller.directory.seat(&found.id, &account).await?)));
        }
    }
    caller.tell(&change).await?;
    success()
}

/// `{add_roles?, remove_roles?}` → the member.
pub(super) async fn amend(caller: &Caller<'_>, segment: &str, account: &str) -> Answer {
    let account = member(account)?;
    let found = caller.organization(segment, Task::Manage).await?;
    caller.reach(&account).await?;
    let mut body = Body::read(&caller.exchange.request).await?;
    let (add, remove) = (roles(&mut body, "add_roles")?, roles(&mut body, "remove_roles")?);
    if add.is_empty() && remove.is_empty() {
        return Err(Problem::invalid_field("add_roles", "is required unless roles are removed"));
    }
    let what = |sign: char, roles: &[OrganizationRole]| {
        roles.iter().map(|role| format!(" {sign}{}", role.as_str())).collect::<String>()
    };
    let what = format!("roles{}{}", what('+', &add), what('-', &remove));
    let change = caller.change(found.id, "organization_roles_changed", Some(account), &what)?;
    if !caller.repeats(&change).await? {
        let wanted = decided(caller, &found, &account, &add, &remove).await?;
        if wanted.as_ref().is_ok_and(RoleChange::is_empty) {
            return shown(caller, &found, &account).await;
        }
        let wanted = wanted.map_err(Problem::organization)?;
        if !caller.directory.amend_member(&change, &account, &wanted).await? {
            caller.organization(segment, Task::Manage).await?;
            return Err(overtaken(decided(caller, &found, &account, &add, &remove).await?.map(|_| ())));
        }
    }
    caller.tell(&change).await?;
    shown(caller, &found, &account).await
}

async fn decided(
    caller: &Caller<'_>,
    found: &Organization,
    account: &AccountId,
    add: &[OrganizationRole],
    remove: &[OrganizationRole],
) -> Result<Result<RoleChange, Refusal>, Problem> {
    let seat = caller.directory.seat(&found.id, account).await?;
    let defined = caller.directory.defined_roles(&found.id).await?;
    let defined: Vec<String> = defined.into_iter().map(|defined| defined.role).collect();
    Ok(amend_roles(&seat, &defined, add, remove))
}

fn roles(body: &mut Body, field: &'static str) -> Result<Vec<OrganizationRole>, Problem> {
    let names = body.texts(field, MOST_AT_ONCE)?;
    let roles: Result<Vec<OrganizationRole>, _> = names.iter().map(|name| name.parse()).collect();
    roles.map_err(|error| Problem::invalid_field(field, error))
}

/// Whoever is no account is no member.
fn member(id: &str) -> Result<AccountId, Problem> {
    id.parse().map_err(|_| Problem::organization(Refusal::NotMember))
}
