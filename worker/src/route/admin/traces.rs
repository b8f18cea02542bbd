//! What an account leaves behind, for operators: `GET …/admin/users/{id}/sessions`, `sign-ins`, `history` and `export`, and
//! `POST …/admin/users/{id}/revoke-sessions`.

use crate::route::admin::{operator, users};
use crate::route::exchange::Exchange;
use crate::route::sessions::{Revoked, Sessions};
use crate::store::accounts::Accounts;
use crate::store::directory::SESSION_OPENED;
use crate::store::users::Place;
use crate::wire::answer::{Answer, json, respond};
use crate::wire::body::Body;
use crate::wire::passkey::Shown;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use postern_core::id::{AccountId, SessionId};
use postern_core::json::{Unwritable, write};
use postern_core::organization::MOST_MEMBERSHIPS;
use postern_core::permission::OperatorPermission;
use postern_core::session::RevokeReason;

/// The most events in one export: the Worker holds them all at once.
const MOST_EXPORTED_EVENTS: u32 = 5_000;

/// The live sessions.
pub(crate) async fn sessions(exchange: &Exchange, id: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::UsersRead).await?;
    let sessions = Accounts::new(&exchange.environment).list(&users::account(id)?, None).await?;
    json(200, &Sessions { sessions })
}

/// `{session_id?}`: ends this session, or all.
pub(crate) async fn revoke_sessions(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::UsersManage).await?;
    let account = users::account(id)?;
    operator.reach(exchange, &[account]).await?;
    let mut body = Body::read_optional(&exchange.request).await?;
    let session = body.optional_text("session_id")?.map(|id| id.parse::<SessionId>()).transpose();
    let session = session.map_err(|error| Problem::invalid_field("session_id", error))?;
    let accounts = Accounts::new(&exchange.environment);
    let ended = match session {
        Some(session) => accounts.revoke_one(&account, session, RevokeReason::AdminRevoke).await?,
        None => {
            let operation = operator.operation_on(&account, "revoke-sessions");
            accounts.revoke_all_by(&account, operation, None, RevokeReason::AdminRevokeAll).await?
        }
    };
    if session.is_some() && !ended.found {
        return Err(Problem::not_found());
    }
    json(200, &Revoked { revoked: ended.revoked })
}

/// `?limit&cursor`: when the account was signed in to.
pub(crate) async fn sign_ins(exchange: &Exchange, id: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::UsersRead).await?;
    events(exchange, id, Some(SESSION_OPENED.into()), &mut Query::read(&exchange.request)?).await
}

/// `?limit&cursor&event`: what the audit trail has of the account.
pub(crate) async fn history(exchange: &Exchange, id: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::UsersRead).await?;
    let mut query = Query::read(&exchange.request)?;
    let event = query.text("event")?;
    events(exchange, id, event, &mut query).await
}

async fn events(exchange: &Exchange, id: &str, event: Option<String>, query: &mut Query) -> Answer {
    let (account, after, limit) = (users::account(id)?, users::place(query)?, query.limit()?);
    let tenant = exchange.environment.config().tenant();
    let directory = exchange.directory()?;
    let more = limit.saturating_add(1);
    let found = directory.events(tenant, &account, event.as_deref(), &after, more).await?;
    users::page("events", found, limit)
}

pub(crate) async fn export(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::UsersExport).await?;
    let account = users::account(id)?;
    operator.reach(exchange, &[account]).await?;
    exported(exchange, &account).await
}

/// All that is stored about an account, but for what proves its owner: no hashes, keys, tags or codes.
pub(crate) async fn exported(exchange: &Exchange, account: &AccountId) -> Answer {
    let user = users::document(exchange, account).await?;
    let accounts = Accounts::new(&exchange.environment);
    let sessions = accounts.list_all(account).await?;
    let second_factor = accounts.second_factor(account).await?;
    let passkeys = accounts.passkeys(&*exchange.keyring().await?, account).await?;
    let passkeys: Vec<Shown<'_>> = passkeys.iter().map(Shown::of).collect();
    let (directory, tenant) = (exchange.directory()?, exchange.environment.config().tenant());
    let grants = directory.entitlements(account).await?;
    let given =
        directory.credential_of(tenant, account).await?.ok_or_else(Problem::not_found)?.authorization()?;
    let written = |list: Result<String, Unwritable>| list.map_err(|error| Problem::internal("export", error));
    let (sessions, grants) = (written(write(&sessions))?, written(write(&grants))?);
    let (passkeys, second_factor) = (written(write(&passkeys))?, written(write(&second_factor))?);
    let organizations =
        directory.organizations(tenant, Some(account), &Place::start(), MOST_MEMBERSHIPS).await?;
    let (groups, permissions) = (written(write(&given.groups))?, written(write(&given.permissions))?);
    let more = MOST_EXPORTED_EVENTS.saturating_add(1);
    let mut events = directory.events(tenant, account, None, &Place::start(), more).await?;
    let most = usize::try_from(MOST_EXPORTED_EVENTS).unwrap_or(usize::MAX);
    let truncated = events.len() > most;
    events.truncate(most);
    let exported_at = exchange.ambient.now().as_millis();
    let text = format!(
        "{{\"exported_at\":{exported_at},\"tenant\":\"{tenant}\",\"account\":{user},\"sessions\":{sessions},\
         \"second_factor\":{second_factor},\"passkeys\":{passkeys},\"groups\":{groups},\"permissions\":{permissions},\"organizations\":{},\"entitlements\":{grants},\
         \"events\":{},\"events_truncated\":{truncated}}}",
        users::array(&organizations),
        users::array(&events)
    );
    respond(200, "application/json", "no-store", text.into_bytes())
}
