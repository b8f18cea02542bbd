//! The directory in D1: identifiers, users, credentials.
//!
//! Every write that must hold together is one `batch`, which D1 runs as a transaction. Reads that a decision
//! rests on go to the primary.

use crate::environment::Environment;
use crate::object::account::FenceChange;
use crate::operations::{self, Store};
use crate::store::intake::FIRST_CREDENTIAL;
use crate::store::statement::Statement;
use crate::store::users::status;
use crate::wire::problem::Problem;
use postern_core::account::AccountStatus;
use postern_core::flow::login::StoredCredential;
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::identifier::{EmailAddress, Identifier, IdentifierKind, PhoneNumber, Username};
use postern_core::json;
use postern_core::json::record;
use postern_core::password::StoredHash;
use postern_core::permission::AuthorizationSnapshot;
use postern_core::time::{Seconds, UnixMillis};
use serde::Deserialize;
use worker::D1Database;
use worker::wasm_bindgen::JsValue;

/// The line of the audit trail that is a login too. Queries name it as it is: logins have an index of their own.
pub(crate) const SESSION_OPENED: &str = "session_opened";

/// When the user `u` was last signed in to: by the trail, or what it has forgotten.
macro_rules! last_login {
    () => {
        "COALESCE((SELECT l.occurred_at FROM audit_events l WHERE l.account_id = u.account_id \
         AND l.event = 'session_opened' ORDER BY l.occurred_at DESC LIMIT 1), u.last_login_at)"
    };
}
pub(super) use last_login;
/// A request closes its own fence within this; the cron takes over after.
const LEAVE_TO_REQUESTS: Seconds = Seconds::new(10);

/// The columns of a [`Credential`].
macro_rules! credential {
    () => {
        "c.account_id, c.password_hash, c.version, c.updated_at, c.operation_id, u.email, u.phone, u.username, u.name, u.roles, \
         u.permissions, u.has_root, u.authorization_version, u.memberships_version, u.status, \
         (SELECT json_group_array(g.group_name) FROM group_members g WHERE g.account_id = u.account_id) AS groups"
    };
}

/// The account of a new row of `identifiers`, or NULL, which no row may have, if the identifier is an account's in another
/// of the tenants of a list ([`Directory::as_one`]), unless that is NULL: the whole batch fails, in the same transaction in which it was looked up.
macro_rules! owner_unless_elsewhere {
    ($account:literal, in: $tenants:literal, but: $tenant:literal, $kind:literal, $value:literal) => {
        concat!(
            "iif(",
            $tenants,
            " IS NOT NULL AND EXISTS (SELECT 1 FROM identifiers e WHERE e.tenant IN (SELECT value FROM json_each(",
            $tenants,
            ")) AND e.tenant <> ",
            $tenant,
            " AND e.kind = ",
            $kind,
            " AND e.value = ",
            $value,
            "), NULL, ",
            $account,
            ")"
        )
    };
}
pub(super) use owner_unless_elsewhere;

/// What a login needs to know: one row, one round trip.
#[derive(Deserialize)]
pub(crate) struct Credential {
    pub(crate) account_id: AccountId,
    pub(crate) password_hash: Option<String>,
    #[serde(rename = "version")]
    pub(crate) credential_version: u32,
    /// When it got this version.
    updated_at: u64,
    /// The change that made it what it is; `None` since the account was created.
    pub(crate) operation_id: Option<OperationId>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) name: String,
    /// JSON array of role names.
    roles: String,
    /// JSON array of group names.
    groups: String,
    /// JSON array of the permissions that the account has by itself.
    permissions: String,
    has_root: u32,
    authorization_version: u32,
    memberships_version: u32,
    /// What an account object that was never opened starts from. Once it was, it alone knows.
    pub(crate) status: AccountStatus,
}

impl Credential {
    /// What the account was given; not resolved.
    pub(crate) fn authorization(&self) -> Result<AuthorizationSnapshot, Problem> {
        let names = |text: &str| {
            record::read(text.as_bytes()).map_err(|error| Problem::internal("authorization", error))
        };
        Ok(AuthorizationSnapshot {
            groups: names(&self.groups)?,
            permissions: names(&self.permissions)?,
            has_root: self.has_root != 0,
            version: self.authorization_version,
            memberships: self.memberships_version,
            ..AuthorizationSnapshot::of_roles(names(&self.roles)?)
        })
    }

    /// When the password, address or number was changed, if it ever was: what was sent before is for nothing any more.
    pub(crate) const fn changed_at(&self) -> Option<UnixMillis> {
        if self.credential_version > FIRST_CREDENTIAL { Some(UnixMillis::new(self.updated_at)) } else { None }
    }

    /// Where the account's owner is told things: the address, or the phone number of an account without one.
    pub(crate) fn contact(&self) -> Option<Identifier> {
        contact(self.email.as_deref(), self.phone.as_deref())
    }

    /// What attempts on the password are counted by: the contact, or of an account that has none the username.
    pub(crate) fn counted_by(&self) -> Option<Identifier> {
        let username = || self.username.as_deref().and_then(|name| Username::parse(name).ok());
        self.contact().or_else(|| username().map(Identifier::Username))
    }

    /// What a password is checked against. A hash that is of no use says so in the log alone.
    pub(crate) fn stored(&self, environment: &Environment) -> StoredCredential {
        let read = |text| StoredHash::read(text, environment.accepted_hashes());
        let password = self.password_hash.as_deref().map(read);
        if let Some(StoredHash::Unusable(why)) = &password {
            worker::console_error!("password hash of {}: {}", self.account_id, why.as_str());
        }
        StoredCredential { account: self.account_id, password, version: self.credential_version }
    }
}

/// The address, or without one the phone number.
fn contact(email: Option<&str>, phone: Option<&str>) -> Option<Identifier> {
    match (email, phone) {
        (Some(email), _) => EmailAddress::parse(email).map(Identifier::Email).ok(),
        (None, Some(phone)) => PhoneNumber::parse(phone).map(Identifier::Phone).ok(),
        (None, None) => None,
    }
}

/// Whose an address or number is.
#[derive(Deserialize)]
pub(crate) struct Owner {
    pub(crate) account_id: AccountId,
    pub(crate) verified_at: Option<u64>,
    /// As the copy in the directory has it.
    pub(crate) status: AccountStatus,
    /// The language that its owner has chosen.
    pub(crate) locale: Option<String>,
}

/// Whoever a message goes to.
#[derive(Deserialize)]
pub(crate) struct Reader {
    email: Option<String>,
    phone: Option<String>,
    pub(crate) name: String,
    pub(crate) locale: Option<String>,
}

impl Reader {
    /// Nobody in particular, at this address or number.
    pub(crate) fn of(contact: &str) -> Self {
        let (email, phone) = match Identifier::parse(contact) {
            Ok(Identifier::Email(address)) => (Some(address.as_str().into()), None),
            Ok(Identifier::Phone(number)) => (None, Some(number.as_str().into())),
            Ok(Identifier::Username(_)) | Err(_) => (None, None),
        };
        Self { email, phone, name: String::new(), locale: None }
    }

    /// Where: the address, or without one the number.
    pub(crate) fn contact(&self) -> Option<Identifier> {
        contact(self.email.as_deref(), self.phone.as_deref())
    }
}

pub(crate) struct Directory {
    database: D1Database,
    /// A JSON array of the tenants among whom an identifier is one account's; `None` where each has its own.
    as_one: Option<String>,
}

impl Directory {
    /// `as_one` are the tenants among whom an identifier is one account's; none where each has its own.
    pub(crate) fn new(database: D1Database, as_one: &[&str]) -> Result<Self, Problem> {
        let as_one = (!as_one.is_empty()).then(|| json::write(as_one)).transpose();
        Ok(Self { database, as_one: as_one.map_err(|error| Problem::internal("tenants", error))? })
    }

    /// The value of [`owner_unless_elsewhere!`]'s list.
    pub(super) fn as_one(&self) -> JsValue {
        self.as_one.as_deref().map_or(JsValue::NULL, JsValue::from)
    }

    /// Whether an identifier is an account's in another tenant, where they are one account's among all tenants.
    pub(crate) async fn is_elsewhere(
        &self,
        tenant: &str,
        kind: IdentifierKind,
        value: &str,
    ) -> Result<bool, Problem> {
        if self.as_one.is_none() {
            return Ok(false);
        }
        let query = "SELECT account_id FROM identifiers WHERE tenant IN (SELECT value FROM json_each(?)) \
                     AND tenant <> ? AND kind = ? AND value = ? LIMIT 1";
        let values = [self.as_one(), tenant.into(), kind.as_str().into(), value.into()];
        Ok(self.owner_of(query, &values).await?.is_some())
    }

    /// The account and credential behind an address, number or username.
    pub(crate) async fn credential(
        &self,
        tenant: &TenantId,
        identifier: &Identifier,
    ) -> Result<Option<Credential>, Problem> {
        let query = concat!(
            "SELECT ",
            credential!(),
            " FROM identifiers i JOIN credentials c ON c.account_id = i.account_id \
             JOIN users u ON u.account_id = i.account_id WHERE i.tenant = ? AND i.kind = ? AND i.value = ?"
        );
        let statement = self.prepare(query, &key_of(tenant.as_str(), identifier))?;
        statement.first(None).await.map_err(unavailable)
    }

    /// The credential of an account that has proven itself otherwise.
    pub(crate) async fn credential_of(
        &self,
        tenant: &TenantId,
        account: &AccountId,
    ) -> Result<Option<Credential>, Problem> {
        let query = concat!(
            "SELECT ",
            credential!(),
            " FROM credentials c JOIN users u ON u.account_id = c.account_id \
             WHERE c.account_id = ? AND u.tenant = ?"
        );
        let statement = self.prepare(query, &[account.to_string().into(), tenant.as_str().into()])?;
        statement.first(None).await.map_err(unavailable)
    }

    /// The credentials of several accounts, without those that are nobody's in the tenant.
    pub(crate) async fn credentials_of(
        &self,
        tenant: &TenantId,
        accounts: &[AccountId],
    ) -> Result<Vec<Credential>, Problem> {
        let query = concat!(
            "SELECT ",
            credential!(),
            " FROM credentials c JOIN users u ON u.account_id = c.account_id \
             WHERE c.account_id IN (SELECT value FROM json_each(?)) AND u.tenant = ?"
        );
        let ids: Vec<String> = accounts.iter().map(AccountId::to_string).collect();
        let ids = json::write(&ids).map_err(|error| Problem::internal("ids", error))?;
        self.prepare(query, &[ids.into(), tenant.as_str().into()])?.all().await.map_err(unavailable)
    }

    /// Whose an address or number is. For the consumer of messages only: no request may know.
    pub(crate) async fn owner(
        &self,
        tenant: &str,
        identifier: &Identifier,
        now: UnixMillis,
    ) -> Result<Option<Owner>, Problem> {
        self.owner_of_value(tenant, identifier.kind(), identifier.value(), now).await
    }

    /// The same, for an identifier as it is stored.
    pub(crate) async fn owner_of_value(
        &self,
        tenant: &str,
        kind: IdentifierKind,
        value: &str,
        now: UnixMillis,
    ) -> Result<Option<Owner>, Problem> {
        let query = concat!(
            "SELECT i.account_id, i.verified_at, u.locale, ",
            status!(),
            " AS status FROM identifiers i JOIN users u ON u.account_id = i.account_id \
             WHERE i.tenant = ?2 AND i.kind = ?3 AND i.value = ?4"
        );
        let values = [millis(now), tenant.into(), kind.as_str().into(), value.into()];
        self.prepare(query, &values)?.first(None).await.map_err(unavailable)
    }

    /// Whoever messages to an account go to; none if it is restricted, or is gone.
    pub(crate) async fn reader(
        &self,
        tenant: &str,
        account: &AccountId,
        now: UnixMillis,
    ) -> Result<Option<Reader>, Problem> {
        let query = concat!(
            "SELECT email, phone, name, locale FROM users u WHERE account_id = ?2 AND tenant = ?3 AND ",
            status!(),
            " IN ('active', 'pending_verification')"
        );
        let statement = self.prepare(query, &[millis(now), account.to_string().into(), tenant.into()])?;
        statement.first(None).await.map_err(unavailable)
    }

    /// Replaces or removes the password and opens a fence that the account object must confirm, in one batch.
    ///
    /// `false` if the credential was no longer at `version`, or the fence of another change is open.
    pub(crate) async fn change_password(
        &self,
        account: &AccountId,
        version: u32,
        password_hash: Option<&str>,
        operation: OperationId,
        change: &FenceChange,
        now: UnixMillis,
    ) -> Result<bool, Problem> {
        let (id, next) = (JsValue::from(account.to_string()), JsValue::from(version.saturating_add(1)));
        let (by, hash) = (operation.to_string().into(), password_hash.map_or(JsValue::NULL, JsValue::from));
        let update = self.prepare(
            "UPDATE credentials SET password_hash = ?, version = ?, operation_id = ?, updated_at = ? \
             WHERE account_id = ? AND version = ? AND account_id NOT IN (SELECT account_id FROM pending_fences)",
            &[hash, next.clone(), by, millis(now), id.clone(), version.into()],
        )?;
        let fence = self.fence(account, version, operation, change, now)?;
        self.batch(vec![update, fence]).await?;
        // Read back instead of counting changes: a batch repeated after a lost answer changes nothing twice.
        let query = "SELECT operation_id || COALESCE(password_hash, '') AS made FROM credentials \
                     WHERE account_id = ? AND version = ?";
        let stored: Option<String> =
            self.prepare(query, &[id, next])?.first(Some("made")).await.map_err(unavailable)?;
        Ok(stored.is_some_and(|made| made == operation.to_string() + password_hash.unwrap_or_default()))
    }

    /// Opens a fence for a change that this operation makes of the credential at `version`, in the same batch. There
    /// is one at a time, so that none is forgotten: the change comes about only if no other is open.
    pub(super) fn fence(
        &self,
        account: &AccountId,
        version: u32,
        operation: OperationId,
        change: &FenceChange,
        now: UnixMillis,
    ) -> Result<Statement, Problem> {
        let about = json::write(change).map_err(|error| Problem::internal("fence", error))?;
        self.prepare(
            "INSERT INTO pending_fences (account_id, credential_version, created_at, next_at, attempts, change) \
             SELECT account_id, version, ?, ?, 0, ? FROM credentials \
             WHERE account_id = ? AND version = ? AND operation_id = ? \
             ON CONFLICT (account_id) DO NOTHING",
            &[
                millis(now),
                millis(now.plus(LEAVE_TO_REQUESTS)),
                about.into(),
                account.to_string().into(),
                version.saturating_add(1).into(),
                operation.to_string().into(),
            ],
        )
    }

    /// The account object has confirmed this version: nothing is pending any more.
    pub(crate) async fn close_fence(&self, account: &AccountId, version: u32) -> Result<(), Problem> {
        let query = "DELETE FROM pending_fences WHERE account_id = ? AND credential_version <= ?";
        let statement = self.prepare(query, &[account.to_string().into(), version.into()])?;
        statement.run().await.map_err(unavailable)?;
        Ok(())
    }

    /// The fence of an account that is open, if there is one.
    pub(crate) async fn open_fence(&self, account: &AccountId) -> Result<Option<PendingFence>, Problem> {
        let query = "SELECT account_id, credential_version, attempts, change FROM pending_fences WHERE account_id = ?";
        let statement = self.prepare(query, &[account.to_string().into()])?;
        statement.first(None).await.map_err(unavailable)
    }

    /// Fences whose time has come to be tried again; the cron finishes them.
    pub(crate) async fn open_fences(&self, now: UnixMillis) -> Result<Vec<PendingFence>, Problem> {
        let query = "SELECT account_id, credential_version, attempts, change FROM pending_fences \
                     WHERE next_at <= ? ORDER BY next_at LIMIT 100";
        self.prepare(query, &[millis(now)])?.all().await.map_err(unavailable)
    }

    /// A fence could not be closed: it is tried again at `next_at`, and the others before.
    pub(crate) async fn postpone_fence(
        &self,
        account: &AccountId,
        next_at: UnixMillis,
    ) -> Result<(), Problem> {
        let query = "UPDATE pending_fences SET next_at = ?, attempts = attempts + 1 WHERE account_id = ?";
        let statement = self.prepare(query, &[millis(next_at), account.to_string().into()])?;
        statement.run().await.map_err(unavailable)?;
        Ok(())
    }

    /// Stores a hash of the same password with other parameters, unless the credential has changed meanwhile.
    pub(crate) async fn rehash(&self, account: &AccountId, version: u32, hash: &str) -> Result<(), Problem> {
        let query = "UPDATE credentials SET password_hash = ? WHERE account_id = ? AND version = ?";
        let statement = self.prepare(query, &[hash.into(), account.to_string().into(), version.into()])?;
        statement.run().await.map_err(unavailable)?;
        Ok(())
    }

    /// Whether a message was delivered before.
    pub(crate) async fn was_delivered(&self, message_id: &str) -> Result<bool, Problem> {
        let query = "SELECT message_id FROM deliveries WHERE message_id = ?";
        let statement = self.prepare(query, &[message_id.into()])?;
        let found: Option<String> = statement.first(Some("message_id")).await.map_err(unavailable)?;
        Ok(found.is_some())
    }

    pub(crate) async fn record_delivery(&self, message_id: &str, now: UnixMillis) -> Result<(), Problem> {
        let query = "INSERT OR IGNORE INTO deliveries (message_id, delivered_at) VALUES (?, ?)";
        self.prepare(query, &[message_id.into(), millis(now)])?.run().await.map_err(unavailable)?;
        Ok(())
    }

    /// Forgets deliveries that can no longer be repeated, some at a time.
    pub(crate) async fn forget_deliveries(&self, before: UnixMillis) -> Result<(), Problem> {
        let query = "DELETE FROM deliveries WHERE message_id IN \
                     (SELECT message_id FROM deliveries WHERE delivered_at < ? ORDER BY delivered_at LIMIT 5000)";
        self.prepare(query, &[millis(before)])?.run().await.map_err(unavailable)?;
        Ok(())
    }

    /// Forgets the oldest lines of the audit trail, some at a time. A last login stays with its user.
    pub(crate) async fn forget_audit(&self, before: UnixMillis) -> Result<(), Problem> {
        macro_rules! oldest {
            () => {
                "(SELECT event_id FROM audit_events WHERE occurred_at < ? ORDER BY occurred_at, event_id LIMIT 1000)"
            };
        }
        let keep = concat!(
            "UPDATE users SET last_login_at = forgotten.at FROM (SELECT account_id, MAX(occurred_at) AS at \
             FROM audit_events WHERE event = 'session_opened' AND event_id IN ",
            oldest!(),
            " GROUP BY account_id) AS forgotten WHERE users.account_id = forgotten.account_id \
             AND (users.last_login_at IS NULL OR users.last_login_at < forgotten.at) \
             AND NOT EXISTS (SELECT 1 FROM audit_events newer WHERE newer.event = 'session_opened' \
             AND newer.account_id = forgotten.account_id AND newer.occurred_at > forgotten.at)"
        );
        let forget = concat!("DELETE FROM audit_events WHERE event_id IN ", oldest!());
        let before = [millis(before)];
        self.batch(vec![self.prepare(keep, &before)?, self.prepare(forget, &before)?]).await
    }

    pub(crate) async fn record_audit(&self, event_id: &str, event: &AuditRow<'_>) -> Result<(), Problem> {
        let query = "INSERT OR IGNORE INTO audit_events \
                     (event_id, occurred_at, tenant, account_id, session_id, event, detail) \
                     VALUES (?, ?, ?, ?, ?, ?, ?)";
        let optional = |text: &Option<String>| text.as_deref().map_or(JsValue::NULL, JsValue::from);
        let values = [
            event_id.into(),
            millis(event.occurred_at),
            event.tenant.into(),
            optional(&event.account),
            optional(&event.session),
            event.event.into(),
            event.detail.map_or(JsValue::NULL, JsValue::from),
        ];
        self.prepare(query, &values)?.run().await.map_err(unavailable)
    }

    /// The same line for each of these accounts.
    pub(crate) async fn record_audit_of_each(
        &self,
        accounts: &[AccountId],
        event: &AuditRow<'_>,
    ) -> Result<(), Problem> {
        let query = "INSERT INTO audit_events (event_id, occurred_at, tenant, account_id, event, detail) \
                     SELECT lower(hex(randomblob(16))), ?, ?, value, ?, ? FROM json_each(?)";
        let ids: Vec<String> = accounts.iter().map(AccountId::to_string).collect();
        let ids = json::write(&ids).map_err(|error| Problem::internal("ids", error))?;
        let detail = event.detail.map_or(JsValue::NULL, JsValue::from);
        let values = [millis(event.occurred_at), event.tenant.into(), event.event.into(), detail, ids.into()];
        self.prepare(query, &values)?.run().await.map_err(unavailable)
    }

    /// Runs statements as one transaction.
    pub(super) async fn batch(&self, statements: Vec<Statement>) -> Result<(), Problem> {
        self.transact(statements).await.map_err(unavailable)
    }

    pub(super) async fn transact(&self, statements: Vec<Statement>) -> worker::Result<()> {
        operations::count(Store::DirectoryBatch);
        let statements = statements.into_iter().map(Statement::into_prepared).collect();
        operations::batch_rows(&self.database.batch(statements).await?);
        Ok(())
    }

    pub(super) fn prepare(&self, query: &str, values: &[JsValue]) -> Result<Statement, Problem> {
        operations::count(Store::Directory);
        self.database.prepare(query).bind(values).map(Statement::new).map_err(unavailable)
    }
}

/// A credential change that its account object has not confirmed.
#[derive(Deserialize)]
pub(crate) struct PendingFence {
    pub(crate) account_id: AccountId,
    pub(crate) credential_version: u32,
    /// How often the cron has tried in vain.
    pub(crate) attempts: u32,
    /// JSON, or NULL.
    change: Option<String>,
}

impl PendingFence {
    /// What it is about. What cannot be read keeps nothing and tells nobody: then every session ends.
    pub(crate) fn change(&self) -> Option<FenceChange> {
        self.change.as_deref().and_then(|change| record::read(change.as_bytes()).ok())
    }
}

/// One line of the audit trail as it is stored.
pub(crate) struct AuditRow<'a> {
    pub(crate) occurred_at: UnixMillis,
    pub(crate) tenant: &'a str,
    pub(crate) account: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) event: &'a str,
    pub(crate) detail: Option<&'a str>,
}

/// The primary key of an identifier's row.
pub(super) fn key_of(tenant: &str, identifier: &Identifier) -> [JsValue; 3] {
    [tenant.into(), identifier.kind().as_str().into(), identifier.value().into()]
}

pub(super) fn unavailable(error: worker::Error) -> Problem {
    Problem::unavailable("directory", error)
}

/// D1 takes numbers as doubles: exact up to 2⁵³, which is the year 287396 in milliseconds.
pub(super) fn millis(at: UnixMillis) -> JsValue {
    let millis = at.as_millis();
    let high = u32::try_from(millis >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(millis & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    // Not fused, which WebAssembly cannot do: both steps are exact.
    JsValue::from_f64(f64::from(high) * 4_294_967_296.0 + f64::from(low))
}
