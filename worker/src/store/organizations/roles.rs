//! The roles that organizations define.

use super::{Change, texts};
use crate::store::audited::if_done;
use crate::store::directory::{Directory, millis, unavailable};
use crate::wire::problem::Problem;
use postern_core::id::OrganizationId;
use postern_core::json;
use postern_core::organization::{MOST_DEFINED_ROLES, OrganizationRole};
use serde::Deserialize;

/// A role as it is stored.
#[derive(Deserialize)]
pub(crate) struct DefinedRole {
    pub(crate) role: String,
    /// JSON array.
    permissions: String,
}

impl DefinedRole {
    pub(crate) fn permissions(&self) -> Result<Vec<String>, Problem> {
        texts(&self.permissions)
    }
}

/// Whoever has the role `?3` in the organization `?2`.
const HOLDERS: &str =
    "SELECT account_id FROM organization_member_roles WHERE organization_id = ?2 AND role = ?3";

impl Directory {
    /// All of an organization, by name.
    pub(crate) async fn defined_roles(
        &self,
        organization: &OrganizationId,
    ) -> Result<Vec<DefinedRole>, Problem> {
        let query =
            "SELECT role, permissions FROM organization_roles WHERE organization_id = ? ORDER BY role";
        self.prepare(query, &[organization.to_string().into()])?.all().await.map_err(unavailable)
    }

    /// Defines a role, or what it may do anew. `false` if there are as many as may be.
    pub(crate) async fn define_role(
        &self,
        change: &Change<'_>,
        role: &OrganizationRole,
        permissions: &[String],
    ) -> Result<bool, Problem> {
        let condition = "EXISTS (SELECT 1 FROM organization_roles WHERE organization_id = ?1 AND role = ?2) \
                         OR (SELECT COUNT(*) FROM organization_roles WHERE organization_id = ?1) < ?3";
        let permissions =
            json::write(permissions).map_err(|error| Problem::internal("permissions", error))?;
        let (id, name) = (change.organization(), role.as_str());
        let [stale, open] = self.make_stale(change, HOLDERS, &[id.clone(), name.into()])?;
        let define = self.prepare(
            concat!(
                "INSERT INTO organization_roles (organization_id, role, permissions, created_at) \
                 SELECT ?, ?, ?, ? WHERE ",
                if_done!(),
                " ON CONFLICT (organization_id, role) DO UPDATE SET permissions = excluded.permissions"
            ),
            &[id, name.into(), permissions.into(), millis(change.now), change.operation()],
        )?;
        let values = [name.into(), MOST_DEFINED_ROLES.into()];
        self.change_if(change, condition, &values, vec![stale, open, define]).await
    }

    /// Deletes a role, from all who have it. `false` if there is none.
    pub(crate) async fn delete_role(
        &self,
        change: &Change<'_>,
        role: &OrganizationRole,
    ) -> Result<bool, Problem> {
        let condition = "EXISTS (SELECT 1 FROM organization_roles WHERE organization_id = ?1 AND role = ?2)";
        let (id, name) = (change.organization(), role.as_str());
        let [stale, open] = self.make_stale(change, HOLDERS, &[id.clone(), name.into()])?;
        let mut then = vec![stale, open];
        for query in [
            concat!(
                "DELETE FROM organization_member_roles WHERE organization_id = ? AND role = ? AND ",
                if_done!()
            ),
            concat!("DELETE FROM organization_roles WHERE organization_id = ? AND role = ? AND ", if_done!()),
        ] {
            then.push(self.prepare(query, &[id.clone(), name.into(), change.operation()])?);
        }
        self.change_if(change, condition, &[name.into()], then).await
    }
}
