//! The directory in D1: roles and groups that operators define.

use super::{DefinitionChange, written};
use crate::store::audited::if_done;
use crate::store::directory::{Directory, millis, unavailable};
use crate::store::statement::Statement;
use crate::wire::problem::Problem;
use postern_core::permission::SetKind;
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

/// A role or group as it is stored, but for what it grants.
#[derive(Deserialize)]
pub(crate) struct StoredSet {
    pub(crate) description: Option<String>,
    pub(crate) version: u32,
    pub(crate) created_at: u64,
    pub(crate) updated_at: Option<u64>,
}

/// A role or group to be defined, or to be defined anew.
pub(crate) struct SetChange<'a> {
    pub(crate) kind: SetKind,
    pub(crate) name: &'a str,
    /// The places of what it grants.
    pub(crate) permissions: &'a [u16],
    pub(crate) description: Option<&'a str>,
}

impl Directory {
    /// Defines a role or group, or what it grants anew. `false` if anything was defined since `revision`, of which it was
    /// decided, or accounts are still to lose one of that name.
    pub(crate) async fn define_set(
        &self,
        change: &DefinitionChange<'_>,
        set: &SetChange<'_>,
        revision: u32,
    ) -> Result<bool, Problem> {
        let (kind, name) = (set.kind.as_str(), set.name);
        let store = self.prepare(
            concat!(
                "INSERT INTO permission_sets (kind, name, permissions, description, version, created_at) \
                 SELECT ?, ?, ?, ?, 1, ? WHERE ",
                if_done!(),
                " ON CONFLICT (kind, name) DO UPDATE SET permissions = excluded.permissions, \
                 description = excluded.description, version = version + 1, updated_at = excluded.created_at"
            ),
            &[
                kind.into(),
                name.into(),
                written(&set.permissions)?.into(),
                set.description.map_or(JsValue::NULL, JsValue::from),
                millis(change.now),
                change.operation.to_string().into(),
            ],
        )?;
        let then = vec![store, self.raise_revision(change)?, self.begin_spread(change, (kind, name), false)?];
        let condition = "EXISTS (SELECT 1 FROM permission_registry WHERE revision = ?1) \
                         AND NOT EXISTS (SELECT 1 FROM permission_spreads WHERE kind = ?2 AND name = ?3 AND removal = 1)";
        self.commit_if(&change.line(), condition, vec![revision.into(), kind.into(), name.into()], then).await
    }

    /// Deletes a role or group. `false` if there is none.
    pub(crate) async fn delete_set(
        &self,
        change: &DefinitionChange<'_>,
        kind: SetKind,
        name: &str,
    ) -> Result<bool, Problem> {
        let kind = kind.as_str();
        let delete = self.prepare(
            concat!("DELETE FROM permission_sets WHERE kind = ? AND name = ? AND ", if_done!()),
            &[kind.into(), name.into(), change.operation.to_string().into()],
        )?;
        let then = vec![delete, self.raise_revision(change)?, self.begin_spread(change, (kind, name), true)?];
        let condition = "EXISTS (SELECT 1 FROM permission_sets WHERE kind = ?1 AND name = ?2)";
        self.commit_if(&change.line(), condition, vec![kind.into(), name.into()], then).await
    }

    /// One role or group that an operator has defined.
    pub(crate) async fn set(&self, kind: SetKind, name: &str) -> Result<Option<StoredSet>, Problem> {
        let query = "SELECT description, version, created_at, updated_at FROM permission_sets \
                     WHERE kind = ? AND name = ?";
        let values = [kind.as_str().into(), name.into()];
        self.prepare(query, &values)?.first(None).await.map_err(unavailable)
    }

    /// Whether accounts are still to lose a role or group of that name, which was deleted.
    pub(crate) async fn is_ending(&self, kind: SetKind, name: &str) -> Result<bool, Problem> {
        let query = "SELECT name FROM permission_spreads WHERE kind = ? AND name = ? AND removal = 1";
        let statement = self.prepare(query, &[kind.as_str().into(), name.into()])?;
        let found: Option<String> = statement.first(Some("name")).await.map_err(unavailable)?;
        Ok(found.is_some())
    }

    /// What is defined has changed.
    pub(super) fn raise_revision(&self, change: &DefinitionChange<'_>) -> Result<Statement, Problem> {
        let query = concat!("UPDATE permission_registry SET revision = revision + 1 WHERE ", if_done!());
        self.prepare(query, &[change.operation.to_string().into()])
    }
}
