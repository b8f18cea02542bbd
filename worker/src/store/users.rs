//! The directory in D1, as administrators see it: users and what happened to them, page by page, and the copies of what
//! account objects know.
//!
//! Users and events are written as JSON by SQLite itself and passed on as they are: no member has to be known here.

use crate::store::directory::{Directory, SESSION_OPENED, last_login, millis, unavailable};
use crate::wire::problem::Problem;
use postern_core::account::AccountRecord;
use postern_core::codec::base64url;
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::identifier::{Identifier, IdentifierKind};
use postern_core::json;
use postern_core::time::UnixMillis;
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

/// The status that a user has at ?1: locks and bans with an end lift by themselves.
macro_rules! status {
    () => {
        "CASE WHEN u.status_until <= ?1 THEN u.status_returns_to ELSE u.status END"
    };
}
pub(super) use status;

/// A user at ?1. D1 takes at most 32 arguments in one call of a function.
macro_rules! user {
    () => {
        concat!(
            "json_set(json_object('id', u.account_id, 'email', u.email, 'phone', u.phone, 'username', u.username, 'name', u.name, \
             'is_verified', json(iif(EXISTS (SELECT 1 FROM identifiers v WHERE v.tenant = u.tenant \
             AND v.kind = iif(u.email IS NULL, 'phone', 'email') AND v.value = COALESCE(u.email, u.phone) \
             AND v.verified_at IS NOT NULL), 'true', 'false')), \
             'has_password', json(iif(c.password_hash IS NULL, 'false', 'true')), 'roles', json(u.roles), \
             'root', json(iif(u.has_root, 'true', 'false')), 'status', ",
            status!(),
            ", 'allowed', json(iif(",
            status!(),
            " = 'active', 'true', 'false')), 'status_change', json(iif(u.status_at IS NULL, NULL, json_object(\
             'status', u.status, 'at', u.status_at, 'until', u.status_until, 'by', u.status_by, 'reason', u.status_reason))), \
             'created_at', u.created_at, 'last_login_at', ",
            last_login!(),
            ", 'profile', json_object('biography', u.biography, \
             'locale', u.locale, 'updated_at', u.updated_at, 'pending_email', (SELECT e.email FROM email_changes e \
             WHERE e.account_id = u.account_id), 'pending_phone', (SELECT p.phone FROM phone_changes p \
             WHERE p.account_id = u.account_id), 'usernames', json((SELECT json_group_array(o.name) FROM owner_names o \
             WHERE o.owner_id = u.account_id))), \
             'identifiers', json((SELECT json_group_array(json_object('kind', i.kind, 'value', i.value, \
             'verified_at', i.verified_at, 'created_at', i.created_at)) FROM identifiers i \
             WHERE i.account_id = u.account_id))), '$.entitlements', json((SELECT json_group_array(DISTINCT e.name) \
             FROM entitlements e WHERE e.account_id = u.account_id AND e.revoked_at IS NULL \
             AND (e.expires_at IS NULL OR e.expires_at > ?1)))) AS document"
        )
    };
}

/// Events of the account ?1 in the tenant ?2 after the place ?3 and ?4, logins or all others; of ?5 only.
macro_rules! events {
    ($which:literal) => {
        concat!(
            "SELECT json_object('id', event_id, 'at', occurred_at, 'event', event, 'session_id', session_id, \
             'detail', detail) AS document, occurred_at AS at, event_id AS id FROM audit_events \
             WHERE account_id = ?1 AND tenant = ?2 AND (occurred_at, event_id) < (?3, ?4) \
             AND (?5 IS NULL OR event = ?5) AND event ",
            $which
        )
    };
}

/// What is deleted of a purged account. The audit trail has its own end.
const OF_ACCOUNT: [&str; 24] = [
    // The name of the personal organization is free from now on: tokens that act in it are stale, and the cron says so.
    "UPDATE users SET authorization_version = authorization_version + 1, memberships_version = memberships_version + 1 \
     WHERE account_id IN (SELECT m.account_id FROM organizations o JOIN organization_members m \
     ON m.organization_id = o.organization_id WHERE o.personal_of = ?1 AND m.removed_at IS NULL)",
    "INSERT INTO pending_authorizations (account_id, version, next_at) \
     SELECT account_id, authorization_version, 0 FROM users \
     WHERE account_id IN (SELECT m.account_id FROM organizations o JOIN organization_members m \
     ON m.organization_id = o.organization_id WHERE o.personal_of = ?1 AND m.removed_at IS NULL) \
     ON CONFLICT (account_id) DO UPDATE SET version = excluded.version, next_at = excluded.next_at",
    // Whoever invites is or was a member.
    "UPDATE organization_invites SET invited_by = NULL WHERE invited_by = ?1 AND organization_id IN \
     (SELECT organization_id FROM organization_members WHERE account_id = ?1)",
    "DELETE FROM organization_invites WHERE account_id = ?1 \
     OR (tenant, email) IN (SELECT tenant, email FROM users WHERE account_id = ?1)",
    "DELETE FROM organization_invites WHERE organization_id IN (SELECT organization_id FROM organizations WHERE personal_of = ?1)",
    "DELETE FROM owner_names WHERE owner_kind = 'organization' \
     AND owner_id IN (SELECT organization_id FROM organizations WHERE personal_of = ?1)",
    "DELETE FROM organization_roles WHERE organization_id IN (SELECT organization_id FROM organizations WHERE personal_of = ?1)",
    "DELETE FROM organization_members WHERE organization_id IN (SELECT organization_id FROM organizations WHERE personal_of = ?1)",
    "DELETE FROM organization_member_roles WHERE organization_id IN (SELECT organization_id FROM organizations WHERE personal_of = ?1)",
    "DELETE FROM organizations WHERE personal_of = ?1",
    "DELETE FROM organization_members WHERE account_id = ?1",
    "DELETE FROM organization_member_roles WHERE account_id = ?1",
    "DELETE FROM identifiers WHERE account_id = ?1",
    "DELETE FROM owner_names WHERE owner_kind = 'account' AND owner_id = ?1",
    "DELETE FROM email_changes WHERE account_id = ?1",
    "DELETE FROM phone_changes WHERE account_id = ?1",
    "DELETE FROM pending_fences WHERE account_id = ?1",
    "DELETE FROM entitlements WHERE account_id = ?1",
    "DELETE FROM entitlement_lists WHERE account_id = ?1",
    "DELETE FROM passkeys WHERE account_id = ?1",
    "DELETE FROM group_members WHERE account_id = ?1",
    "DELETE FROM pending_authorizations WHERE account_id = ?1",
    "DELETE FROM credentials WHERE account_id = ?1",
    "DELETE FROM users WHERE account_id = ?1",
];
/// Accounts that the minute's work purges at most.
const PURGED_AT_ONCE: u32 = 50;

/// One line of a list: a JSON document, and the place that it has in the list.
#[derive(Deserialize)]
pub(crate) struct Item {
    pub(crate) document: String,
    at: u64,
    id: String,
}

/// A place in a list that is ordered by time, latest first, and then by id.
#[derive(Clone)]
pub(crate) struct Place {
    at: u64,
    id: String,
}

impl Place {
    /// Before everything.
    pub(crate) fn start() -> Self {
        // Exact as a double, and above every time; `g` is above every hexadecimal digit.
        Self { at: 1 << 53, id: "g".into() }
    }

    /// After this line.
    pub(crate) fn after(item: &Item) -> Self {
        Self { at: item.at, id: item.id.clone() }
    }

    /// As clients get it; they are to make nothing of it.
    pub(crate) fn to_text(&self) -> String {
        base64url::encode(&[&self.at.to_be_bytes(), self.id.as_bytes()].concat())
    }

    /// As clients bring it back. Whoever makes one up reads on from there.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = base64url::decode(text.as_bytes()).ok()?;
        let (at, id) = bytes.split_first_chunk::<8>()?;
        let id = String::from_utf8(id.to_vec()).ok()?;
        Some(Self { at: u64::from_be_bytes(*at).min(1 << 53), id })
    }

    pub(super) fn values(&self) -> [JsValue; 2] {
        [millis(UnixMillis::new(self.at)), self.id.as_str().into()]
    }
}

/// Which users are wanted. What is `None` excludes nobody.
#[derive(Default)]
pub(crate) struct UserFilter {
    /// The status now; all but deleted ones without it.
    pub(crate) status: Option<&'static str>,
    pub(crate) role: Option<String>,
    /// Created at or after this.
    pub(crate) created_from: Option<UnixMillis>,
    /// Created before this.
    pub(crate) created_before: Option<UnixMillis>,
    /// How the name or an identifier begins; ASCII letters of either case.
    pub(crate) search: Option<String>,
    /// Whose identifier this is.
    pub(crate) identifier: Option<Identifier>,
}

impl Directory {
    /// Users after a place, newest first, at most `limit`.
    pub(crate) async fn users(
        &self,
        tenant: &TenantId,
        filter: &UserFilter,
        after: &Place,
        limit: u32,
        now: UnixMillis,
    ) -> Result<Vec<Item>, Problem> {
        let query = concat!(
            "SELECT ",
            user!(),
            ", u.created_at AS at, u.account_id AS id FROM users u JOIN credentials c ON c.account_id = u.account_id \
             WHERE u.tenant = ?2 AND (u.created_at, u.account_id) < (?3, ?4) AND u.status <> 'purged' \
             AND iif(?5 IS NULL, u.status <> 'deleted', ",
            status!(),
            " = ?5) AND (?6 IS NULL OR EXISTS (SELECT 1 FROM json_each(u.roles) r WHERE r.value = ?6)) \
             AND u.created_at >= ?7 AND u.created_at < ?8 \
             AND (?9 IS NULL OR substr(lower(u.name), 1, length(?9)) = lower(?9) OR EXISTS \
             (SELECT 1 FROM identifiers s WHERE s.account_id = u.account_id \
             AND substr(lower(s.value), 1, length(?9)) = lower(?9))) \
             AND (?10 IS NULL OR u.account_id = \
             (SELECT account_id FROM identifiers WHERE tenant = ?2 AND kind = ?10 AND value = ?11)) \
             ORDER BY u.created_at DESC, u.account_id DESC LIMIT ?12"
        );
        let [at, id] = after.values();
        let (kind, value) = match &filter.identifier {
            Some(identifier) => {
                (JsValue::from(identifier.kind().as_str()), JsValue::from(identifier.value()))
            }
            None => (JsValue::NULL, JsValue::NULL),
        };
        let values = [
            millis(now),
            tenant.as_str().into(),
            at,
            id,
            filter.status.map_or(JsValue::NULL, JsValue::from),
            optional(filter.role.as_deref()),
            millis(filter.created_from.unwrap_or(UnixMillis::new(0))),
            millis(filter.created_before.unwrap_or(UnixMillis::new(1 << 53))),
            optional(filter.search.as_deref()),
            kind,
            value,
            limit.into(),
        ];
        self.prepare(query, &values)?.all().await.map_err(unavailable)
    }

    /// The JSON document of one user.
    pub(crate) async fn user(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        now: UnixMillis,
    ) -> Result<Option<String>, Problem> {
        let query = concat!(
            "SELECT ",
            user!(),
            " FROM users u JOIN credentials c ON c.account_id = u.account_id \
             WHERE u.account_id = ?2 AND u.tenant = ?3 AND u.status <> 'purged'"
        );
        let values = [millis(now), account.to_string().into(), tenant.as_str().into()];
        self.prepare(query, &values)?.first(Some("document")).await.map_err(unavailable)
    }

    /// What the audit trail has of an account after a place, latest first, perhaps of one event only.
    pub(crate) async fn events(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        event: Option<&str>,
        after: &Place,
        limit: u32,
    ) -> Result<Vec<Item>, Problem> {
        // Logins and all others have an index each, which `event` has to be compared for as it stands there.
        let query = match event {
            None => concat!(events!("= 'session_opened'"), " UNION ALL ", events!("<> 'session_opened'")),
            Some(SESSION_OPENED) => events!("= 'session_opened'"),
            Some(_) => events!("<> 'session_opened'"),
        };
        let query = format!("{query} ORDER BY at DESC, id DESC LIMIT ?6");
        let [at, id] = after.values();
        let account = account.to_string().into();
        let values = [account, tenant.as_str().into(), at, id, optional(event), limit.into()];
        self.prepare(&query, &values)?.all().await.map_err(unavailable)
    }

    /// Copies the status of an account, unless the copy is newer.
    pub(crate) async fn copy_status(&self, account: &AccountRecord) -> Result<(), Problem> {
        let query = "UPDATE users SET status = ?, status_version = ?, status_at = ?, status_until = ?, \
                     status_returns_to = ?, status_by = ?, status_reason = ? WHERE account_id = ? AND status_version < ?";
        let cause = account.cause.as_deref();
        let at = cause.map_or(JsValue::NULL, |cause| millis(cause.at));
        let until = cause.and_then(|cause| cause.until).map_or(JsValue::NULL, millis);
        let reason = cause.and_then(|cause| cause.reason.as_ref());
        let version = JsValue::from(account.account_version);
        let values = [
            account.status.name().into(),
            version.clone(),
            at,
            until,
            optional(cause.map(|cause| cause.returns_to.name())),
            optional(cause.map(|cause| cause.by.name())),
            optional(reason.map(|reason| reason.as_str())),
            account.id.to_string().into(),
            version,
        ];
        self.prepare(query, &values)?.run().await.map_err(unavailable)
    }

    /// The tenant of an account.
    pub(crate) async fn tenant_of(&self, account: &AccountId) -> Result<Option<String>, Problem> {
        let query = "SELECT tenant FROM users WHERE account_id = ?";
        let statement = self.prepare(query, &[account.to_string().into()])?;
        statement.first(Some("tenant")).await.map_err(unavailable)
    }

    /// Accounts of these tenants that were deleted before `cutoff`, as far as copies say.
    pub(crate) async fn deleted_before(
        &self,
        tenants: &[&str],
        cutoff: UnixMillis,
    ) -> Result<Vec<DeletedAccount>, Problem> {
        let query = "SELECT account_id FROM users WHERE status = 'deleted' AND status_at < ? \
                     AND tenant IN (SELECT value FROM json_each(?)) ORDER BY status_at LIMIT ?";
        let tenants = json::write(&tenants).map_err(|error| Problem::internal("tenants", error))?;
        let values = [millis(cutoff), tenants.into(), PURGED_AT_ONCE.into()];
        self.prepare(query, &values)?.all().await.map_err(unavailable)
    }

    /// Removes all that the directory has of an account, at once. Only after the account itself is purged.
    pub(crate) async fn purge(&self, account: &AccountId) -> Result<(), Problem> {
        let id = [JsValue::from(account.to_string())];
        let statements = OF_ACCOUNT.into_iter().map(|query| self.prepare(query, &id));
        self.batch(statements.collect::<Result<_, _>>()?).await
    }

    /// Takes the address or number of an account for proven or not, with a line of the audit trail. `false` if it has none.
    pub(crate) async fn set_verified(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        kind: IdentifierKind,
        verified: bool,
        operation: OperationId,
        now: UnixMillis,
    ) -> Result<bool, Problem> {
        // The column of `users` is called like the kind.
        let of_kind = |query: &str| query.replace("{kind}", kind.as_str());
        let (id, tenant): (JsValue, JsValue) = (account.to_string().into(), tenant.as_str().into());
        let update = self.prepare(
            &of_kind(
                "UPDATE identifiers SET verified_at = iif(?1, COALESCE(verified_at, ?2), NULL) WHERE kind = '{kind}' \
                 AND (tenant, value) IN (SELECT tenant, {kind} FROM users WHERE account_id = ?3 AND tenant = ?4)",
            ),
            &[u32::from(verified).into(), millis(now), id.clone(), tenant.clone()],
        )?;
        let event = of_kind(if verified { "{kind}_verified_set" } else { "{kind}_verified_cleared" });
        let audit = self.prepare(
            &of_kind(
                "INSERT OR IGNORE INTO audit_events (event_id, occurred_at, tenant, account_id, event, detail) \
                 SELECT ?1, ?2, tenant, account_id, ?3, 'by operator' FROM users WHERE account_id = ?4 AND tenant = ?5 \
                 AND {kind} IS NOT NULL",
            ),
            &[operation.to_string().into(), millis(now), event.into(), id.clone(), tenant.clone()],
        )?;
        self.batch(vec![update, audit]).await?;
        let query = of_kind("SELECT {kind} AS value FROM users WHERE account_id = ? AND tenant = ?");
        let value: Option<String> =
            self.prepare(&query, &[id, tenant])?.first(Some("value")).await.map_err(unavailable)?;
        Ok(value.is_some())
    }
}

/// An account that may have to be purged.
#[derive(Deserialize)]
pub(crate) struct DeletedAccount {
    pub(crate) account_id: AccountId,
}

fn optional(text: Option<&str>) -> JsValue {
    text.map_or(JsValue::NULL, JsValue::from)
}
