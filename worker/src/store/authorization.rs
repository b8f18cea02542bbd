//! What accounts were given, by name: roles, permissions, groups and root. The directory has it, every change raises its
//! version, and [`publish`] tells the account object.

use crate::environment::Environment;
use crate::store::accounts::Accounts;
use crate::store::audited;
use crate::store::definitions::all_defined;
use crate::store::directory::{Directory, millis, unavailable};
use crate::store::statement::Statement;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::json;
use postern_core::permission::AuthorizationSnapshot;
use postern_core::permission::GroupName;
use postern_core::time::{Seconds, UnixMillis};
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

/// A request publishes its own change within this; the cron takes over after.
const LEAVE_TO_REQUESTS: Seconds = Seconds::new(10);
/// The wait of the cron after it tried in vain.
const RETRY_AFTER: Seconds = Seconds::new(60);
/// The event of every change of roles, permissions and groups.
pub(crate) const AUTHORIZATION_CHANGED: &str = "authorization_changed";

/// A change of one account's roles, permissions or root.
pub(crate) struct NewAuthorization<'a> {
    /// What it has after it. Groups are no part of the change.
    pub(crate) after: &'a AuthorizationSnapshot,
    /// The version that the change was made of. Of another it is not made.
    pub(crate) version: u32,
    /// What of it operators may delete meanwhile ([`given_besides`](super::definitions::given_besides)): if they did, it
    /// is not made.
    pub(crate) besides: &'a str,
    pub(crate) operation: OperationId,
    /// What the audit trail says of it.
    pub(crate) event: &'a str,
    pub(crate) detail: &'a str,
}

/// Who is to be added to a group, and who is to be taken out of it.
pub(crate) struct Membership<'a> {
    pub(crate) group: &'a GroupName,
    pub(crate) add: &'a [AccountId],
    pub(crate) remove: &'a [AccountId],
    /// The group, if somebody is to be added and operators have defined it
    /// ([`given_besides`](super::definitions::given_besides)).
    pub(crate) besides: &'a str,
    pub(crate) operation: OperationId,
    /// What whoever gives the order is called.
    pub(crate) by: &'a str,
}

/// An account that a query names.
#[derive(Deserialize)]
pub(crate) struct Named {
    pub(crate) account_id: AccountId,
}

impl Directory {
    /// Whether a change was made under this operation before.
    pub(crate) async fn was_authorized(&self, operation: OperationId) -> Result<bool, Problem> {
        let query = "SELECT event_id FROM audit_events WHERE event_id = ?";
        let statement = self.prepare(query, &[operation.to_string().into()])?;
        let found: Option<String> = statement.first(Some("event_id")).await.map_err(unavailable)?;
        Ok(found.is_some())
    }

    /// Stores what an account was given. `false` if it is not at the version that the change was made of, or something of
    /// it is not defined any more.
    pub(crate) async fn authorize(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        new: &NewAuthorization<'_>,
        now: UnixMillis,
    ) -> Result<bool, Problem> {
        let written =
            |names: &[String]| json::write(names).map_err(|error| Problem::internal("names", error));
        let (id, operation) = (JsValue::from(account.to_string()), JsValue::from(new.operation.to_string()));
        let update = self.prepare(
            concat!(
                "UPDATE users SET roles = ?, permissions = ?, has_root = ?, authorization_version = ?, \
                 authorization_operation = ? WHERE account_id = ? AND tenant = ? AND authorization_version = ? AND ",
                all_defined!("?")
            ),
            &[
                written(&new.after.roles)?.into(),
                written(&new.after.permissions)?.into(),
                u32::from(new.after.has_root).into(),
                new.version.saturating_add(1).into(),
                operation.clone(),
                id.clone(),
                tenant.as_str().into(),
                new.version.into(),
                new.besides.into(),
            ],
        )?;
        // The operation stands in the row only if the change was made.
        let audit = self.prepare(
            "INSERT OR IGNORE INTO audit_events (event_id, occurred_at, tenant, account_id, event, detail) \
             SELECT ?1, ?2, tenant, account_id, ?3, ?4 FROM users WHERE account_id = ?5 AND authorization_operation = ?1",
            &[operation.clone(), millis(now), new.event.into(), new.detail.into(), id],
        )?;
        self.batch(vec![update, self.open_authorization(&operation, now)?, audit]).await?;
        self.was_authorized(new.operation).await
    }

    /// Adds accounts to a group and takes others out of it, all of it or nothing. Whoever is in it, or is not, already,
    /// or is nobody of the tenant, or is in as many groups as may be, is passed over: the rest is answered, the same however
    /// often the order comes. `None` if somebody is to be added and the group is gone.
    pub(crate) async fn change_members(
        &self,
        tenant: &TenantId,
        membership: &Membership<'_>,
        now: UnixMillis,
    ) -> Result<Option<Vec<Named>>, Problem> {
        let &Membership { group, add, remove, besides, operation, by } = membership;
        let done = JsValue::from(operation.to_string());
        let (add, remove) = (ids(add)?, ids(remove)?);
        let most = u32::try_from(AuthorizationSnapshot::MOST_GROUPS).unwrap_or(u32::MAX);
        let name = JsValue::from(group.as_str());
        let mark = self.prepare(
            "UPDATE users SET authorization_version = authorization_version + 1, authorization_operation = ?1 \
             WHERE tenant = ?2 AND status <> 'purged' AND EXISTS (SELECT 1 FROM audit_events WHERE event_id = ?1) \
             AND account_id IN (SELECT value FROM json_each(?3) UNION SELECT value FROM json_each(?4)) \
             AND (account_id IN (SELECT value FROM json_each(?3)) AND NOT EXISTS (SELECT 1 FROM group_members m WHERE m.account_id = users.account_id AND m.group_name = ?5) \
             AND (SELECT COUNT(*) FROM group_members m WHERE m.account_id = users.account_id) < ?6 \
             OR account_id IN (SELECT value FROM json_each(?4)) \
             AND EXISTS (SELECT 1 FROM group_members m WHERE m.account_id = users.account_id AND m.group_name = ?5))",
            &[done.clone(), tenant.as_str().into(), add.clone(), remove.clone(), name.clone(), most.into()],
        )?;
        // What an account's line is called says which order it is of.
        let audit = self.prepare(
            "INSERT INTO audit_events (event_id, occurred_at, tenant, account_id, event, detail) \
             SELECT ?5 || '-' || account_id, ?1, tenant, account_id, ?2, \
             iif(account_id IN (SELECT value FROM json_each(?3)), 'group +', 'group -') || ?4 || ' by ' || ?6 \
             FROM users WHERE authorization_operation = ?5",
            &[millis(now), AUTHORIZATION_CHANGED.into(), add.clone(), name.clone(), done.clone(), by.into()],
        )?;
        let insert = self.prepare(
            "INSERT OR IGNORE INTO group_members (account_id, group_name, tenant, added_at) \
             SELECT account_id, ?1, tenant, ?2 FROM users \
             WHERE authorization_operation = ?3 AND account_id IN (SELECT value FROM json_each(?4))",
            &[name.clone(), millis(now), done.clone(), add],
        )?;
        let delete = self.prepare(
            "DELETE FROM group_members WHERE group_name = ?1 AND account_id IN (SELECT account_id FROM users \
             WHERE authorization_operation = ?2 AND account_id IN (SELECT value FROM json_each(?3)))",
            &[name, done.clone(), remove],
        )?;
        let then = vec![mark, audit, insert, delete, self.open_authorization(&done, now)?];
        let (event, detail) = ("group_members_changed", format!("{group} by {by}"));
        let line = audited::Line { operation, tenant, account: None, event, detail: &detail, now };
        if !self.commit_order(&line, all_defined!("?1"), vec![besides.into()], then).await? {
            return Ok(None);
        }
        let query = "SELECT account_id FROM audit_events WHERE event_id > ?1 || '-' AND event_id < ?1 || '.' \
                     ORDER BY event_id";
        self.prepare(query, &[done])?.all().await.map(Some).map_err(unavailable)
    }

    /// The accounts of a group after one of them, by id.
    pub(crate) async fn members(
        &self,
        tenant: &TenantId,
        group: &GroupName,
        after: Option<&AccountId>,
        limit: u32,
    ) -> Result<Vec<Named>, Problem> {
        let query = "SELECT account_id FROM group_members WHERE tenant = ? AND group_name = ? AND account_id > ? \
                     ORDER BY account_id LIMIT ?";
        let after = after.map(AccountId::to_string).unwrap_or_default();
        let values = [tenant.as_str().into(), group.as_str().into(), after.into(), limit.into()];
        self.prepare(query, &values)?.all().await.map_err(unavailable)
    }

    /// Every account that this operation has changed waits to be told.
    pub(super) fn open_authorization(
        &self,
        operation: &JsValue,
        now: UnixMillis,
    ) -> Result<Statement, Problem> {
        self.prepare(
            "INSERT INTO pending_authorizations (account_id, version, next_at) \
             SELECT account_id, authorization_version, ? FROM users WHERE authorization_operation = ? \
             ON CONFLICT (account_id) DO UPDATE SET version = excluded.version, next_at = excluded.next_at",
            &[millis(now.plus(LEAVE_TO_REQUESTS)), operation.clone()],
        )
    }

    /// Accounts whose time has come to be told again.
    pub(crate) async fn open_authorizations(&self, now: UnixMillis) -> Result<Vec<Named>, Problem> {
        let query =
            "SELECT account_id FROM pending_authorizations WHERE next_at <= ? ORDER BY next_at LIMIT 100";
        self.prepare(query, &[millis(now)])?.all().await.map_err(unavailable)
    }

    /// An account could not be told: others come first.
    pub(crate) async fn postpone_authorization(
        &self,
        account: &AccountId,
        now: UnixMillis,
    ) -> Result<(), Problem> {
        let query = "UPDATE pending_authorizations SET next_at = ? WHERE account_id = ?";
        let values = [millis(now.plus(RETRY_AFTER)), account.to_string().into()];
        self.prepare(query, &values)?.run().await.map_err(unavailable)
    }
}

/// Tells the account object what the account was given, and the directory that it knows. Nothing is to be told of an
/// account that is gone.
///
/// # Errors
///
/// `invalidation_pending` if either did not confirm: the change is stored, and the cron goes on with it.
pub(crate) async fn publish(
    environment: &Environment,
    directory: &Directory,
    account: &AccountId,
) -> Result<(), Problem> {
    let told = Accounts::new(environment).authorize(account).await.map_err(|error| {
        worker::console_error!("authorization of {account}: {error}");
        Problem::invalidation_pending()
    })?;
    let query = "DELETE FROM pending_authorizations WHERE account_id = ? AND version <= ?";
    let values = [account.to_string().into(), told.unwrap_or(u32::MAX).into()];
    let pending = |_| Problem::invalidation_pending();
    directory.prepare(query, &values)?.run().await.map_err(unavailable).map_err(pending)
}

fn ids(accounts: &[AccountId]) -> Result<JsValue, Problem> {
    let ids: Vec<String> = accounts.iter().map(AccountId::to_string).collect();
    Ok(json::write(&ids).map_err(|error| Problem::internal("ids", error))?.into())
}
