//! `GET …/admin/users`, `GET …/admin/users/{id}` and `GET …/admin/users/{id}/allowed`: who there is.
//!
//! Lists and users are copies in the directory, which follow the accounts within seconds; `allowed` is the account's own
//! word.

use crate::route::admin::operator;
use crate::route::exchange::Exchange;
use crate::store::accounts::Accounts;
use crate::store::users::{Item, Place, UserFilter};
use crate::wire::answer::{Answer, json, respond};
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use postern_core::account::AccountStatus;
use postern_core::id::AccountId;
use postern_core::identifier::{Identifier, IdentifierKind};
use postern_core::permission::OperatorPermission;
use serde::Serialize;

/// The longest text that is searched for.
const MOST_SEARCHED_CHARACTERS: usize = 100;

#[derive(Serialize)]
struct Allowed {
    allowed: bool,
}

/// `?limit&cursor&status&only_deleted&role&created_from&created_before&search&email&phone&username`
pub(crate) async fn list(exchange: &Exchange) -> Answer {
    operator::authorise(exchange, OperatorPermission::UsersRead).await?;
    let mut query = Query::read(&exchange.request)?;
    let (after, limit) = (place(&mut query)?, query.limit()?);
    let filter = filter(&mut query)?;
    let tenant = exchange.environment.config().tenant();
    let now = exchange.ambient.now();
    let users = exchange.directory()?.users(tenant, &filter, &after, limit.saturating_add(1), now).await?;
    page("users", users, limit)
}

pub(crate) async fn show(exchange: &Exchange, id: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::UsersRead).await?;
    let user = document(exchange, &account(id)?).await?;
    respond(200, "application/json", "no-store", user.into_bytes())
}

/// Whether an account may be used now: not if it is restricted, and not if nobody has it.
pub(crate) async fn allowed(exchange: &Exchange, id: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::UsersRead).await?;
    let allowed = match id.parse() {
        Err(_) => false,
        Ok(account) => match Accounts::new(&exchange.environment).status(&account).await? {
            Some(status) => status.is_active(),
            None => {
                let tenant = exchange.environment.config().tenant();
                exchange.directory()?.credential_of(tenant, &account).await?.is_some()
            }
        },
    };
    json(200, &Allowed { allowed })
}

/// The JSON document of an account.
pub(crate) async fn document(exchange: &Exchange, account: &AccountId) -> Result<String, Problem> {
    let tenant = exchange.environment.config().tenant();
    let user = exchange.directory()?.user(tenant, account, exchange.ambient.now()).await?;
    user.ok_or_else(Problem::not_found)
}

/// The account in a path. What is no id is nobody's.
pub(crate) fn account(id: &str) -> Result<AccountId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// Where a list goes on.
pub(crate) fn place(query: &mut Query) -> Result<Place, Problem> {
    let Some(cursor) = query.text("cursor")? else { return Ok(Place::start()) };
    Place::parse(&cursor).ok_or_else(|| Problem::invalid_field("cursor", "is not one of ours"))
}

/// A page of a list of which one line more was read than is shown.
pub(crate) fn page(name: &str, mut items: Vec<Item>, limit: u32) -> Answer {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = if items.len() > limit {
        items.truncate(limit);
        items.last().map(|last| Place::after(last).to_text())
    } else {
        None
    };
    let next = next.map_or_else(|| "null".into(), |next| format!("\"{next}\""));
    let text = format!("{{\"{name}\":{},\"next_cursor\":{next}}}", array(&items));
    respond(200, "application/json", "no-store", text.into_bytes())
}

/// The documents of a list as a JSON array.
pub(crate) fn array(items: &[Item]) -> String {
    let mut text = String::from("[");
    for item in items {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&item.document);
    }
    text.push(']');
    text
}

fn filter(query: &mut Query) -> Result<UserFilter, Problem> {
    let only_deleted = query.flag("only_deleted")?.then_some(AccountStatus::Deleted);
    let status = match query.text("status")? {
        None => only_deleted,
        Some(name) => {
            let wanted = AccountStatus::from_name(&name).filter(|status| *status != AccountStatus::Purged);
            let wanted = wanted.ok_or_else(|| {
                let rule = "must be active, pending_verification, disabled, locked, banned or deleted";
                Problem::invalid_field("status", rule)
            })?;
            if only_deleted.is_some_and(|deleted| deleted != wanted) {
                return Err(Problem::invalid_field("status", "contradicts only_deleted"));
            }
            Some(wanted)
        }
    };
    let search = query.text("search")?;
    if search.as_ref().is_some_and(|search| search.chars().count() > MOST_SEARCHED_CHARACTERS) {
        return Err(Problem::invalid_field("search", "must have at most 100 characters"));
    }
    Ok(UserFilter {
        status: status.map(AccountStatus::name),
        role: query.text("role")?,
        created_from: query.time("created_from")?,
        created_before: query.time("created_before")?,
        search,
        identifier: identifier(query)?,
    })
}

/// One identifier, of the kind that its member says.
fn identifier(query: &mut Query) -> Result<Option<Identifier>, Problem> {
    let mut found = None;
    for kind in [IdentifierKind::Email, IdentifierKind::Phone, IdentifierKind::Username] {
        let field = kind.as_str();
        let Some(text) = query.text(field)? else { continue };
        if found.is_some() {
            return Err(Problem::invalid_field(field, "is one identifier too many"));
        }
        let parsed = Identifier::parse(&text).map_err(|error| Problem::invalid_field(field, error))?;
        if parsed.kind() != kind {
            return Err(Problem::invalid_field(field, "is of another kind"));
        }
        found = Some(parsed);
    }
    Ok(found)
}
