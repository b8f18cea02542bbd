//! What a token that acts in an organization says of the account.

use super::{Address, by_address};
use crate::environment::Environment;
use crate::store::directory::{Directory, unavailable};
use crate::wire::problem::Problem;
use postern_core::grant::OrganizationAccess;
use postern_core::id::{AccountId, TenantId};
use postern_core::json::record;
use postern_core::organization::HeldRole;
use serde::Deserialize;

/// A membership as it was read.
#[derive(Deserialize)]
struct Membership {
    slug: String,
    /// JSON array of roles with their permissions.
    roles: String,
    authorization_version: u32,
}

#[derive(Deserialize)]
struct StoredRole {
    name: String,
    permissions: Vec<String>,
}

/// The access that a membership gives, as the directory had it when the account's authorization was at a version.
pub(crate) struct Acting {
    pub(crate) access: OrganizationAccess,
    /// An account object that knows of a newer one must not let this be used.
    pub(crate) authorization_version: u32,
}

impl Directory {
    /// What an account may do in an organization; `None` if it is no member, or there is no such organization.
    pub(crate) async fn acting_in(
        &self,
        environment: &Environment,
        address: &Address,
        account: &AccountId,
    ) -> Result<Option<Acting>, Problem> {
        let found = self.membership(environment.config().tenant(), address, account).await?;
        let Some(Membership { slug, roles, authorization_version }) = found else { return Ok(None) };
        let failed = |error: &dyn std::fmt::Display| Problem::internal("organization", error);
        let roles: Vec<StoredRole> = record::read(roles.as_bytes()).map_err(|error| failed(&error))?;
        let held = roles.iter().map(|role| HeldRole { name: &role.name, permissions: &role.permissions });
        let permissions = environment.permissions()?;
        let mask = environment.config().organizations().mask_of(&permissions, held);
        let version = permissions.registry.version().as_u32();
        // Defined before the deployment had a role of that name, or `owner` and `member`.
        let is_own = |name: &String| !permissions.resembles_role(name);
        let names = roles.into_iter().map(|role| role.name).filter(is_own).collect();
        let access = OrganizationAccess::new(&slug, names, mask, version).map_err(|error| failed(&error))?;
        Ok(Some(Acting { access, authorization_version }))
    }

    async fn membership(
        &self,
        tenant: &TenantId,
        address: &Address,
        account: &AccountId,
    ) -> Result<Option<Membership>, Problem> {
        let (by, value) = by_address(address);
        let query = format!(
            "SELECT o.slug, u.authorization_version, (SELECT json_group_array(json_object('name', r.role, \
             'permissions', json(d.permissions))) FROM organization_member_roles r JOIN organization_roles d \
             ON d.organization_id = r.organization_id AND d.role = r.role \
             WHERE r.organization_id = o.organization_id AND r.account_id = m.account_id) AS roles \
             FROM organizations o JOIN organization_members m ON m.organization_id = o.organization_id \
             JOIN users u ON u.account_id = m.account_id WHERE o.tenant = ?1 AND o.organization_id = {by} \
             AND m.account_id = ?3 AND m.removed_at IS NULL"
        );
        let values = [tenant.as_str().into(), value.into(), account.to_string().into()];
        self.prepare(&query, &values)?.first(None).await.map_err(unavailable)
    }
}
