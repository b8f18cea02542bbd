//! The directory in D1: permissions, and who gets the next bit.

use super::DefinitionChange;
use crate::store::audited::if_done;
use crate::store::directory::{Directory, millis, unavailable};
use crate::wire::problem::Problem;
use postern_core::permission::PermissionName;
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

/// A permission as it is stored.
#[derive(Deserialize)]
pub(crate) struct StoredPermission {
    /// Its place among all that were ever allocated.
    pub(crate) slot: u16,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: u64,
    pub(crate) deleted_at: Option<u64>,
}

/// A permission to be allocated.
pub(crate) struct NewPermission<'a> {
    pub(crate) name: &'a PermissionName,
    pub(crate) description: Option<&'a str>,
}

impl Directory {
    /// Allocates the next bit for a name. `false` if the name has, or had, one, or there is no room. D1 runs one batch after
    /// the other, so that no bit is given twice; that places are unique would refuse it besides.
    pub(crate) async fn create_permission(
        &self,
        change: &DefinitionChange<'_>,
        new: &NewPermission<'_>,
    ) -> Result<bool, Problem> {
        let done = change.operation.to_string();
        let insert = self.prepare(
            concat!(
                "INSERT INTO permissions (slot, name, description, created_at) \
                 SELECT (SELECT COALESCE(MAX(slot) + 1, 0) FROM permissions), ?, ?, ? WHERE ",
                if_done!()
            ),
            &[
                new.name.as_str().into(),
                new.description.map_or(JsValue::NULL, JsValue::from),
                millis(change.now),
                done.as_str().into(),
            ],
        )?;
        let condition = "NOT EXISTS (SELECT 1 FROM permissions WHERE name = ?1) AND (SELECT COUNT(*) FROM permissions) \
                         < (SELECT capacity FROM permission_registry)";
        let then = vec![insert, self.raise_revision(change)?];
        self.commit_if(&change.line(), condition, vec![new.name.as_str().into()], then).await
    }

    /// Makes a permission a tombstone, and takes it out of roles and groups. `false` if it is one, or there is none.
    pub(crate) async fn delete_permission(
        &self,
        change: &DefinitionChange<'_>,
        name: &PermissionName,
    ) -> Result<bool, Problem> {
        let (done, name) = (change.operation.to_string(), name.as_str());
        let delete = self.prepare(
            concat!("UPDATE permissions SET deleted_at = ? WHERE name = ? AND ", if_done!()),
            &[millis(change.now), name.into(), done.as_str().into()],
        )?;
        let strip = self.prepare(
            "UPDATE permission_sets SET version = version + 1, updated_at = ?1, permissions = \
             (SELECT json_group_array(value) FROM json_each(permission_sets.permissions) \
             WHERE value <> (SELECT slot FROM permissions WHERE name = ?2)) \
             WHERE EXISTS (SELECT 1 FROM audit_events WHERE event_id = ?3) \
             AND EXISTS (SELECT 1 FROM json_each(permission_sets.permissions) \
             WHERE value = (SELECT slot FROM permissions WHERE name = ?2))",
            &[millis(change.now), name.into(), done.as_str().into()],
        )?;
        let raise = self.raise_revision(change)?;
        let then = vec![delete, strip, raise, self.begin_spread(change, ("permission", name), true)?];
        let condition = "EXISTS (SELECT 1 FROM permissions WHERE name = ?1 AND deleted_at IS NULL)";
        self.commit_if(&change.line(), condition, vec![name.into()], then).await
    }

    /// Permissions from a place on, in the order of their allocation.
    pub(crate) async fn permissions_from(
        &self,
        slot: u16,
        limit: u32,
    ) -> Result<Vec<StoredPermission>, Problem> {
        let query = "SELECT slot, name, description, created_at, deleted_at FROM permissions \
                     WHERE slot >= ? ORDER BY slot LIMIT ?";
        self.prepare(query, &[slot.into(), limit.into()])?.all().await.map_err(unavailable)
    }

    /// One permission, also a tombstone.
    pub(crate) async fn permission(&self, name: &str) -> Result<Option<StoredPermission>, Problem> {
        let query = "SELECT slot, name, description, created_at, deleted_at FROM permissions WHERE name = ?";
        self.prepare(query, &[name.into()])?.first(None).await.map_err(unavailable)
    }
}
