//! Entitlements: the grants that are stored, and the list that an account object is told of.
//!
//! [`list_of`] is the seam for other sources: what a shop or a licence server says is merged there, and [`publish`]
//! is called whenever it has changed. Everything behind it (tokens, `me`, the fence, the cron) stays as it is.

use crate::environment::Environment;
use crate::store::accounts::Accounts;
use crate::store::audited::{Line, if_done};
use crate::store::directory::{Directory, millis, unavailable};
use crate::store::statement::Statement;
use crate::wire::problem::Problem;
use postern_core::entitlement::{EntitlementName, EntitlementSnapshot};
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::json::record;
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize};
use worker::wasm_bindgen::JsValue;

/// A request publishes its own change within this; the cron takes over after.
const LEAVE_TO_REQUESTS: Seconds = Seconds::new(10);
/// The wait of the cron after it tried in vain.
const RETRY_AFTER: Seconds = Seconds::new(60);
/// The most grants that are shown, ended ones included.
const MOST_SHOWN: u32 = 500;

/// A grant as it is stored and shown.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredGrant {
    pub(crate) name: String,
    pub(crate) source: String,
    granted_at: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    revoked_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    metadata: Option<String>,
}

impl StoredGrant {
    /// Whether it counts at a moment.
    pub(crate) fn counts_at(&self, now: UnixMillis) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| UnixMillis::new(end) > now)
    }
}

/// A grant about to be stored.
pub(crate) struct NewGrant<'a> {
    pub(crate) name: &'a EntitlementName,
    pub(crate) source: &'a EntitlementName,
    pub(crate) expires_at: Option<UnixMillis>,
    pub(crate) metadata: Option<&'a str>,
}

/// One change of what an account has been given.
pub(crate) struct EntitlementChange<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) account: AccountId,
    pub(crate) operation: OperationId,
    /// What whoever gives the order is called.
    pub(crate) by: String,
    pub(crate) now: UnixMillis,
}

impl EntitlementChange<'_> {
    fn line<'a>(&'a self, event: &'a str, detail: &'a str) -> Line<'a> {
        let &Self { tenant, account, operation, now, .. } = self;
        Line { operation, tenant, account: Some(account), event, detail, now }
    }
}

/// A list that its account object has not confirmed.
#[derive(Deserialize)]
pub(crate) struct OpenList {
    pub(crate) account_id: AccountId,
}

/// A list as one query reads it.
#[derive(Deserialize)]
struct Row {
    version: u32,
    /// JSON array of held entitlements.
    held: String,
}

impl Directory {
    /// All grants of an account, by name and source.
    pub(crate) async fn entitlements(&self, account: &AccountId) -> Result<Vec<StoredGrant>, Problem> {
        let query = "SELECT name, source, granted_at, expires_at, revoked_at, metadata FROM entitlements \
                     WHERE account_id = ? ORDER BY name, source LIMIT ?";
        let statement = self.prepare(query, &[account.to_string().into(), MOST_SHOWN.into()])?;
        statement.all().await.map_err(unavailable)
    }

    /// Stores a grant, in place of an earlier one of the same name and source. `false` if the account has as many as
    /// it may. The same order again changes nothing.
    pub(crate) async fn grant_entitlement(
        &self,
        change: &EntitlementChange<'_>,
        new: &NewGrant<'_>,
    ) -> Result<bool, Problem> {
        let (name, source) = (JsValue::from(new.name.as_str()), JsValue::from(new.source.as_str()));
        let most = u32::try_from(EntitlementSnapshot::MOST).unwrap_or(u32::MAX);
        let (id, now) = (JsValue::from(change.account.to_string()), millis(change.now));
        let grant = self.prepare(
            concat!(
                "INSERT INTO entitlements (account_id, name, source, granted_at, expires_at, metadata) \
                 SELECT ?, ?, ?, ?, ?, ? WHERE ",
                if_done!(),
                " ON CONFLICT (account_id, name, source) DO UPDATE SET granted_at = excluded.granted_at, \
                 expires_at = excluded.expires_at, revoked_at = NULL, metadata = excluded.metadata"
            ),
            &[
                id.clone(),
                name.clone(),
                source.clone(),
                now.clone(),
                new.expires_at.map_or(JsValue::NULL, millis),
                new.metadata.map_or(JsValue::NULL, JsValue::from),
                change.operation.to_string().into(),
            ],
        )?;
        let until = new.expires_at.map(|end| format!(" until {}", end.as_millis())).unwrap_or_default();
        let given = format!("{} of {}{until}", new.name.as_str(), new.source.as_str());
        let detail = format!("{given} by {}", change.by);
        let condition = "EXISTS (SELECT 1 FROM users WHERE account_id = ?1 AND tenant = ?2) AND \
                         (SELECT COUNT(*) FROM entitlements e WHERE e.account_id = ?1 AND e.revoked_at IS NULL \
                         AND (e.expires_at IS NULL OR e.expires_at > ?3) AND NOT (e.name = ?4 AND e.source = ?5)) < ?6";
        let bound = vec![id, change.tenant.as_str().into(), now, name, source, most.into()];
        let then = vec![grant, self.raise_list(change)?];
        self.commit_order(&change.line("entitlement_granted", &detail), condition, bound, then).await
    }

    /// Ends the grants of a name, of one source or of all. The same order again ends nothing that was given since.
    pub(crate) async fn revoke_entitlement(
        &self,
        change: &EntitlementChange<'_>,
        name: &EntitlementName,
        source: Option<&EntitlementName>,
    ) -> Result<(), Problem> {
        let id = JsValue::from(change.account.to_string());
        let of_source = source.map_or(JsValue::NULL, |source| source.as_str().into());
        let revoke = self.prepare(
            concat!(
                "UPDATE entitlements SET revoked_at = ? WHERE account_id = ? AND name = ? AND source = COALESCE(?, source) \
                 AND revoked_at IS NULL AND ",
                if_done!()
            ),
            &[
                millis(change.now),
                id.clone(),
                name.as_str().into(),
                of_source,
                change.operation.to_string().into(),
            ],
        )?;
        let source = source.map_or("every source", EntitlementName::as_str);
        let detail = format!("{} of {source} by {}", name.as_str(), change.by);
        let condition = "EXISTS (SELECT 1 FROM users WHERE account_id = ?1 AND tenant = ?2)";
        let then = vec![revoke, self.raise_list(change)?];
        let line = change.line("entitlement_revoked", &detail);
        self.commit_order(&line, condition, vec![id, change.tenant.as_str().into()], then).await.map(drop)
    }

    fn raise_list(&self, change: &EntitlementChange<'_>) -> Result<Statement, Problem> {
        self.prepare(
            concat!(
                "INSERT INTO entitlement_lists (account_id, version, confirmed, next_at) \
                 SELECT ?, 1, 0, ? WHERE ",
                if_done!(),
                " ON CONFLICT (account_id) DO UPDATE SET version = version + 1, next_at = excluded.next_at"
            ),
            &[
                change.account.to_string().into(),
                millis(change.now.plus(LEAVE_TO_REQUESTS)),
                change.operation.to_string().into(),
            ],
        )
    }

    /// Lists whose time has come to be told again.
    pub(crate) async fn open_entitlement_lists(&self, now: UnixMillis) -> Result<Vec<OpenList>, Problem> {
        let query = "SELECT account_id FROM entitlement_lists WHERE confirmed < version AND next_at <= ? \
                     ORDER BY next_at LIMIT 100";
        self.prepare(query, &[millis(now)])?.all().await.map_err(unavailable)
    }

    /// A list could not be told: others come first.
    pub(crate) async fn postpone_entitlement_list(
        &self,
        account: &AccountId,
        now: UnixMillis,
    ) -> Result<(), Problem> {
        let query = "UPDATE entitlement_lists SET next_at = ? WHERE account_id = ?";
        let values = [millis(now.plus(RETRY_AFTER)), account.to_string().into()];
        self.prepare(query, &values)?.run().await.map_err(unavailable)
    }
}

/// What an account has at a moment, with the version of that: one query, so that both belong together.
async fn list_of(
    directory: &Directory,
    account: &AccountId,
    now: UnixMillis,
) -> Result<Option<EntitlementSnapshot>, Problem> {
    let query = "SELECT l.version, (SELECT json_group_array(json_object('name', e.name, 'expires_at', e.expires_at)) \
                 FROM entitlements e WHERE e.account_id = l.account_id AND e.revoked_at IS NULL \
                 AND (e.expires_at IS NULL OR e.expires_at > ?)) AS held \
                 FROM entitlement_lists l WHERE l.account_id = ?";
    let statement = directory.prepare(query, &[millis(now), account.to_string().into()])?;
    let Some(Row { version, held }) = statement.first(None).await.map_err(unavailable)? else {
        return Ok(None);
    };
    let held = record::read(held.as_bytes()).map_err(|error| Problem::internal("entitlements", error))?;
    Ok(Some(EntitlementSnapshot { version, held }))
}

/// Tells the account object what the account has now, and the directory that it knows.
///
/// # Errors
///
/// `invalidation_pending` if either did not confirm: the change is stored, and the cron goes on with it.
pub(crate) async fn publish(
    environment: &Environment,
    directory: &Directory,
    account: &AccountId,
    now: UnixMillis,
) -> Result<(), Problem> {
    let pending = |_| Problem::invalidation_pending();
    let Some(list) = list_of(directory, account, now).await.map_err(pending)? else { return Ok(()) };
    let version = list.version;
    Accounts::new(environment).entitle(account, list).await.map_err(|error| {
        worker::console_error!("entitlements of {account}: {error}");
        Problem::invalidation_pending()
    })?;
    let query = "UPDATE entitlement_lists SET confirmed = MAX(confirmed, ?) WHERE account_id = ?";
    let statement = directory.prepare(query, &[version.into(), account.to_string().into()])?;
    statement.run().await.map_err(|error| pending(unavailable(error)))
}
