//! The directory in D1: changing and proving the address or phone number of an account.

use crate::object::account::FenceChange;
use crate::store::directory::{Credential, Directory, millis, owner_unless_elsewhere, unavailable};
use crate::store::intake::UsedSecret;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::identifier::{Identifier, IdentifierKind};
use postern_core::time::UnixMillis;
use worker::wasm_bindgen::JsValue;

/// What changes an address or number.
#[derive(Clone, Copy)]
pub(crate) struct ContactChange {
    pub(crate) operation: OperationId,
    /// The version of the credential that the change is made against.
    pub(crate) against: u32,
    /// Whether somebody who reads what is sent to the new one has shown it.
    pub(crate) is_proven: bool,
}

impl ContactChange {
    /// By a code that came back from the new one.
    pub(crate) const fn proven(used: &UsedSecret) -> Self {
        Self { operation: used.operation(), against: used.against(), is_proven: true }
    }
}

/// What an account is to have in place of its address or number.
#[derive(Clone, Copy)]
pub(crate) enum Replacement<'a> {
    /// This address or number.
    With(&'a Identifier),
    /// None any more.
    Nothing(IdentifierKind),
}

impl Replacement<'_> {
    const fn kind(&self) -> IdentifierKind {
        match self {
            Self::With(contact) => contact.kind(),
            Self::Nothing(kind) => *kind,
        }
    }

    fn value(&self) -> Option<&str> {
        match self {
            Self::With(contact) => Some(contact.value()),
            Self::Nothing(_) => None,
        }
    }
}

impl Directory {
    /// Gives an account another address or number in place of the one of its kind, if it has one, or takes that away, and
    /// opens a fence, in one batch.
    ///
    /// `false` if the credential was no longer what the change is made against, the address or number is somebody's, or the
    /// fence of another change is open.
    pub(crate) async fn change_contact(
        &self,
        found: &Credential,
        to: Replacement<'_>,
        by: ContactChange,
        change: &FenceChange,
        now: UnixMillis,
    ) -> Result<bool, Problem> {
        let ContactChange { operation, against, is_proven } = by;
        let account = found.account_id;
        let (id, by): (JsValue, JsValue) = (account.to_string().into(), operation.to_string().into());
        let (kind, at) = (JsValue::from(to.kind().as_str()), millis(now));
        let value = to.value().map_or(JsValue::NULL, JsValue::from);
        // The column of `users` is called like the kind, and so is the table of wishes.
        let of_kind = |query: &str| query.replace("{kind}", to.kind().as_str());
        let proven_at = if is_proven { at.clone() } else { JsValue::NULL };
        // The rest of the batch finds the operation only if this statement put it there.
        let version = self.prepare(
            "UPDATE credentials SET version = ?, operation_id = ?, updated_at = ? \
             WHERE account_id = ? AND version = ? AND account_id NOT IN (SELECT account_id FROM pending_fences)",
            &[against.saturating_add(1).into(), by.clone(), at.clone(), id.clone(), against.into()],
        )?;
        let old = self.prepare(
            &of_kind(
                "DELETE FROM identifiers WHERE kind = '{kind}' AND (tenant, value) IN \
                 (SELECT u.tenant, u.{kind} FROM users u JOIN credentials c ON c.account_id = u.account_id \
                 WHERE u.account_id = ? AND c.operation_id = ?)",
            ),
            &[id.clone(), by.clone()],
        )?;
        let new = concat!(
            "INSERT INTO identifiers (tenant, kind, value, account_id, verified_at, created_at) SELECT u.tenant, ?1, ?2, ",
            owner_unless_elsewhere!("u.account_id", in: "?7", but: "u.tenant", "?1", "?2"),
            ", ?3, ?4 FROM users u JOIN credentials c ON c.account_id = u.account_id \
             WHERE ?2 IS NOT NULL AND u.account_id = ?5 AND c.operation_id = ?6"
        );
        let new = self.prepare(
            new,
            &[kind.clone(), value.clone(), proven_at, at, id.clone(), by.clone(), self.as_one()],
        )?;
        let user = self.prepare(
            &of_kind(
                "UPDATE users SET {kind} = ? WHERE account_id = ? AND EXISTS \
                 (SELECT 1 FROM credentials c WHERE c.account_id = users.account_id AND c.operation_id = ?)",
            ),
            &[value.clone(), id.clone(), by.clone()],
        )?;
        let wish = self.prepare(
            &of_kind(
                "DELETE FROM {kind}_changes WHERE account_id = ? AND EXISTS \
                 (SELECT 1 FROM credentials c WHERE c.account_id = {kind}_changes.account_id AND c.operation_id = ?)",
            ),
            &[id.clone(), by.clone()],
        )?;
        let fence = self.fence(&account, against, operation, change, now)?;
        let changed = self.batch(vec![version, old, new, user, wish, fence]).await;
        // Read back instead of counting changes: a batch repeated after a lost answer changes nothing twice.
        let query = of_kind(
            "SELECT COALESCE(u.{kind}, '') AS stored FROM users u JOIN credentials c ON c.account_id = u.account_id \
             WHERE u.account_id = ? AND c.operation_id = ?",
        );
        let statement = self.prepare(&query, &[id.clone(), by])?;
        let stored: Option<String> = statement.first(Some("stored")).await.map_err(unavailable)?;
        if stored.is_some_and(|stored| stored == to.value().unwrap_or_default()) {
            return Ok(true);
        }
        // The batch is gone as a whole. Whether that was a rival or an outage, the owner tells.
        let Err(problem) = changed else { return Ok(false) };
        let query = "SELECT i.account_id FROM users u JOIN identifiers i ON i.tenant = u.tenant \
                     WHERE u.account_id = ?1 AND i.kind = ?2 AND i.value = ?3 \
                     UNION ALL SELECT account_id FROM identifiers \
                     WHERE tenant IN (SELECT value FROM json_each(?4)) AND kind = ?2 AND value = ?3 LIMIT 1";
        let owner = self.owner_of(query, &[id, kind, value, self.as_one()]).await?;
        if owner.is_some() { Ok(false) } else { Err(problem) }
    }

    /// Somebody who reads what is sent to an account's address or number has shown it.
    pub(crate) async fn verify(
        &self,
        tenant: &TenantId,
        contact: &Identifier,
        account: &AccountId,
        now: UnixMillis,
    ) -> Result<(), Problem> {
        let id = JsValue::from(account.to_string());
        let proven = self.prepare(
            "UPDATE identifiers SET verified_at = ? WHERE tenant = ? AND kind = ? AND value = ? \
             AND account_id = ? AND verified_at IS NULL",
            &[
                millis(now),
                tenant.as_str().into(),
                contact.kind().as_str().into(),
                contact.value().into(),
                id.clone(),
            ],
        )?;
        let active = self.prepare(
            "UPDATE users SET status = 'active' WHERE account_id = ? AND status = 'pending_verification' \
             AND ? IN (email, phone)",
            &[id, contact.value().into()],
        )?;
        self.batch(vec![proven, active]).await
    }
}
