//! Entitlements: the grants that are stored, and the list that an account object is told of.
//!
//! [`list_of`] is the seam for other sources: what a shop or a licence server says is merged there, and [`publish`]
//! is called whenever it has changed. Everything behind it (tokens, `me`, the fence, the cron) stays as it is.

use crate::environment::Environment;
use crate::store::accounts::Accounts;
use crate::store::directory::{Directory, millis, unavailable};
use crate::wire::problem::Problem;
use postern_core::entitlement::{EntitlementName, EntitlementSnapshot};
use postern_core::id::{AccountId, TenantId};
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
    /// it may.
    pub(crate) async fn grant_entitlement(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        new: &NewGrant<'_>,
        now: UnixMillis,
    ) -> Result<bool, Problem> {
        let (id, name, source) = (JsValue::from(account.to_string()), new.name.as_str(), new.source.as_str());
        let most = u32::try_from(EntitlementSnapshot::MOST).unwrap_or(u32::MAX);
        let grant = self.prepare(
            "INSERT INTO entitlements (account_id, name, source, granted_at, expires_at, metadata) \
             SELECT u.account_id, ?, ?, ?, ?, ? FROM users u WHERE u.account_id = ? AND u.tenant = ? AND \
             (SELECT COUNT(*) FROM entitlements e WHERE e.account_id = u.account_id AND e.revoked_at IS NULL \
             AND (e.expires_at IS NULL OR e.expires_at > ?) AND NOT (e.name = ? AND e.source = ?)) < ? \
             ON CONFLICT (account_id, name, source) DO UPDATE SET granted_at = excluded.granted_at, \
             expires_at = excluded.expires_at, revoked_at = NULL, metadata = excluded.metadata",
            &[
                name.into(),
                source.into(),
                millis(now),
                new.expires_at.map_or(JsValue::NULL, millis),
                new.metadata.map_or(JsValue::NULL, JsValue::from),
                id.clone(),
                tenant.as_str().into(),
                millis(now),
                name.into(),
                source.into(),
                most.into(),
            ],
        )?;
        self.batch(vec![grant, self.raise_list(tenant, account, now)?]).await?;
        let query = "SELECT granted_at FROM entitlements WHERE account_id = ? AND name = ? AND source = ? \
                     AND revoked_at IS NULL AND granted_at >= ?";
        let statement = self.prepare(query, &[id, name.into(), source.into(), millis(now)])?;
        let stored: Option<u64> = statement.first(Some("granted_at")).await.map_err(unavailable)?;
        Ok(stored.is_some())
    }

    /// Ends the grants of a name, of one source or of all.
    pub(crate) async fn revoke_entitlement(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        name: &EntitlementName,
        source: Option<&EntitlementName>,
        now: UnixMillis,
    ) -> Result<(), Problem> {
        let source = source.map_or(JsValue::NULL, |source| source.as_str().into());
        let revoke = self.prepare(
            "UPDATE entitlements SET revoked_at = ? WHERE account_id = ? AND name = ? AND source = COALESCE(?, source) \
             AND revoked_at IS NULL",
            &[millis(now), account.to_string().into(), name.as_str().into(), source],
        )?;
        self.batch(vec![revoke, self.raise_list(tenant, account, now)?]).await
    }

    fn raise_list(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        now: UnixMillis,
    ) -> Result<crate::store::statement::Statement, Problem> {
        self.prepare(
            "INSERT INTO entitlement_lists (account_id, version, confirmed, next_at) \
             SELECT account_id, 1, 0, ? FROM users WHERE account_id = ? AND tenant = ? \
             ON CONFLICT (account_id) DO UPDATE SET version = version + 1, next_at = excluded.next_at",
            &[millis(now.plus(LEAVE_TO_REQUESTS)), account.to_string().into(), tenant.as_str().into()],
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
