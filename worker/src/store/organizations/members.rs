//! Members of organizations and the roles that they have there.

use super::{Change, optional, texts};
use crate::store::audited::if_done;
use crate::store::directory::{Directory, millis, unavailable};
use crate::store::users::{Item, Place};
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OrganizationId, TenantId};
use postern_core::json;
use postern_core::organization::{
    MOST_MEMBERS, MOST_MEMBERSHIPS, MOST_ROLE_BYTES, MOST_ROLES, OrganizationRole, RoleChange, Seat,
};
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

/// Somebody else than `?2` is owner of `?1`. Who is deleted or shut out for long does not count: nobody could act for the
/// organization.
macro_rules! other_owner {
    () => {
        "EXISTS (SELECT 1 FROM organization_member_roles w JOIN users u ON u.account_id = w.account_id \
         WHERE w.organization_id = ?1 AND w.role = 'owner' AND w.account_id <> ?2 \
         AND u.status NOT IN ('deleted', 'banned', 'disabled'))"
    };
}

/// `?2` is a member of `?1`.
macro_rules! is_member {
    () => {
        "EXISTS (SELECT 1 FROM organization_members WHERE organization_id = ?1 AND account_id = ?2 \
         AND removed_at IS NULL)"
    };
}

pub(super) use is_member;

/// `?1` is not the personal organization of `?2`.
macro_rules! is_shared {
    () => {
        "NOT EXISTS (SELECT 1 FROM organizations WHERE organization_id = ?1 AND personal_of = ?2)"
    };
}

/// A member as others see it; `m` is the row of the membership, `u` the user's.
macro_rules! member {
    () => {
        "json_object('account_id', m.account_id, 'username', u.username, 'name', u.name, 'roles', \
         json((SELECT json_group_array(r.role) FROM organization_member_roles r \
         WHERE r.organization_id = m.organization_id AND r.account_id = m.account_id)), 'joined_at', m.joined_at) \
         AS document, m.joined_at AS at, m.account_id AS id FROM organization_members m \
         JOIN users u ON u.account_id = m.account_id \
         WHERE m.organization_id = ?1 AND m.removed_at IS NULL AND u.status <> 'deleted'"
    };
}

#[derive(Deserialize)]
struct SeatRow {
    is_member: u32,
    /// JSON array.
    roles: String,
    has_other_owner: u32,
    is_shared: u32,
}

#[derive(Deserialize)]
struct Counts {
    members: u32,
    memberships: u32,
}

impl Directory {
    /// What there is to know of an account in an organization.
    pub(crate) async fn seat(
        &self,
        organization: &OrganizationId,
        account: &AccountId,
    ) -> Result<Seat, Problem> {
        let query = concat!(
            "SELECT ",
            is_member!(),
            " AS is_member, (SELECT json_group_array(role) FROM organization_member_roles \
             WHERE organization_id = ?1 AND account_id = ?2) AS roles, ",
            other_owner!(),
            " AS has_other_owner, ",
            is_shared!(),
            " AS is_shared"
        );
        let values = [organization.to_string().into(), account.to_string().into()];
        let row: Option<SeatRow> = self.prepare(query, &values)?.first(None).await.map_err(unavailable)?;
        let row = row.ok_or_else(|| Problem::internal("organization", "no seat"))?;
        Ok(Seat {
            is_member: row.is_member != 0,
            roles: texts(&row.roles)?,
            has_other_owner: row.has_other_owner != 0,
            is_personal: row.is_shared == 0,
        })
    }

    /// Members after a place, latest first; or the one that is asked for.
    pub(crate) async fn organization_members(
        &self,
        organization: &OrganizationId,
        only: Option<&AccountId>,
        after: &Place,
        limit: u32,
    ) -> Result<Vec<Item>, Problem> {
        let query = concat!(
            "SELECT ",
            member!(),
            " AND (m.joined_at, m.account_id) < (?2, ?3) AND (?4 IS NULL OR m.account_id = ?4) \
             ORDER BY m.joined_at DESC, m.account_id DESC LIMIT ?5"
        );
        let [at, id] = after.values();
        let values = [organization.to_string().into(), at, id, optional(only), limit.into()];
        self.prepare(query, &values)?.all().await.map_err(unavailable)
    }

    /// The organizations that an account is a member of, latest first, or without an account all.
    pub(crate) async fn organizations(
        &self,
        tenant: &TenantId,
        account: Option<&AccountId>,
        after: &Place,
        limit: u32,
    ) -> Result<Vec<Item>, Problem> {
        let [at, id] = after.values();
        let (tenant, limit) = (JsValue::from(tenant.as_str()), JsValue::from(limit));
        let statement = match account {
            Some(account) => self.prepare(
                "SELECT json_object('id', o.organization_id, 'slug', o.slug, 'name', o.name, \
                 'personal', json(iif(o.personal_of IS NULL, 'false', 'true')), 'roles', \
                 json((SELECT json_group_array(r.role) FROM organization_member_roles r \
                 WHERE r.organization_id = o.organization_id AND r.account_id = m.account_id)), \
                 'joined_at', m.joined_at) AS document, m.joined_at AS at, o.organization_id AS id \
                 FROM organization_members m JOIN organizations o ON o.organization_id = m.organization_id \
                 WHERE o.tenant = ?1 AND m.account_id = ?5 AND m.removed_at IS NULL \
                 AND (m.joined_at, o.organization_id) < (?2, ?3) \
                 ORDER BY m.joined_at DESC, o.organization_id DESC LIMIT ?4",
                &[tenant, at, id, limit, account.to_string().into()],
            )?,
            None => self.prepare(
                "SELECT json_object('id', o.organization_id, 'slug', o.slug, 'name', o.name, \
                 'personal', json(iif(o.personal_of IS NULL, 'false', 'true')), 'created_at', o.created_at) \
                 AS document, o.created_at AS at, o.organization_id AS id FROM organizations o \
                 WHERE o.tenant = ?1 AND (o.created_at, o.organization_id) < (?2, ?3) \
                 ORDER BY o.created_at DESC, o.organization_id DESC LIMIT ?4",
                &[tenant, at, id, limit],
            )?,
        };
        statement.all().await.map_err(unavailable)
    }

    /// Makes an account a member with the role `member`. `false` if it is one, is nobody, is in too many organizations,
    /// or the organization has too many members.
    pub(crate) async fn add_member(&self, change: &Change<'_>, account: &AccountId) -> Result<bool, Problem> {
        let condition = concat!(
            "NOT ",
            is_member!(),
            " AND EXISTS (SELECT 1 FROM users WHERE account_id = ?2 AND tenant = ?3 \
             AND status NOT IN ('deleted', 'purged')) \
             AND (SELECT COUNT(*) FROM organization_members WHERE account_id = ?2 AND removed_at IS NULL) < ?4 \
             AND (SELECT COUNT(*) FROM organization_members WHERE organization_id = ?1 AND removed_at IS NULL) < ?5"
        );
        let values = [
            account.to_string().into(),
            change.tenant.as_str().into(),
            MOST_MEMBERSHIPS.into(),
            MOST_MEMBERS.into(),
        ];
        self.change_if(change, condition, &values, self.joining(change, account)?).await
    }

    /// How many members an organization has, and in how many an account is one.
    pub(crate) async fn membership_counts(
        &self,
        organization: &OrganizationId,
        account: &AccountId,
    ) -> Result<(u32, u32), Problem> {
        let query = "SELECT (SELECT COUNT(*) FROM organization_members WHERE organization_id = ? AND removed_at IS NULL) \
                     AS members, (SELECT COUNT(*) FROM organization_members WHERE account_id = ? AND removed_at IS NULL) \
                     AS memberships";
        let values = [organization.to_string().into(), account.to_string().into()];
        let counts: Option<Counts> = self.prepare(query, &values)?.first(None).await.map_err(unavailable)?;
        Ok(counts.map_or((0, 0), |counts| (counts.members, counts.memberships)))
    }

    /// What makes an account a member.
    pub(super) fn joining(
        &self,
        change: &Change<'_>,
        account: &AccountId,
    ) -> Result<Vec<crate::store::statement::Statement>, Problem> {
        let (id, account) = (change.organization(), JsValue::from(account.to_string()));
        let member = self.prepare(
            concat!(
                "INSERT INTO organization_members (organization_id, account_id, joined_at) SELECT ?, ?, ? WHERE ",
                if_done!(),
                " ON CONFLICT (organization_id, account_id) DO UPDATE SET joined_at = excluded.joined_at, removed_at = NULL"
            ),
            &[id.clone(), account.clone(), millis(change.now), change.operation()],
        )?;
        let role = self.prepare(
            concat!(
                "INSERT OR IGNORE INTO organization_member_roles (organization_id, role, account_id) \
                 SELECT ?, 'member', ? WHERE ",
                if_done!()
            ),
            &[id, account.clone(), change.operation()],
        )?;
        // Who is invited twice and then removed does not come back by the other one.
        Ok(vec![member, role, self.revoke_invites(change, &account, false)?])
    }

    /// Removes a member. `false` if the account is none, is the last owner, or is the person whose organization it is.
    pub(crate) async fn remove_member(
        &self,
        change: &Change<'_>,
        account: &AccountId,
    ) -> Result<bool, Problem> {
        let condition = concat!(
            is_member!(),
            " AND ",
            is_shared!(),
            " AND (NOT EXISTS (SELECT 1 FROM organization_member_roles WHERE organization_id = ?1 \
             AND account_id = ?2 AND role = 'owner') OR ",
            other_owner!(),
            ")"
        );
        let (id, account) = (change.organization(), JsValue::from(account.to_string()));
        let [stale, open] = self.make_stale(change, "?2", std::slice::from_ref(&account))?;
        let roles = self.prepare(
            concat!(
                "DELETE FROM organization_member_roles WHERE organization_id = ? AND account_id = ? AND ",
                if_done!()
            ),
            &[id.clone(), account.clone(), change.operation()],
        )?;
        let member = self.prepare(
            concat!(
                "UPDATE organization_members SET removed_at = ? WHERE organization_id = ? AND account_id = ? AND ",
                if_done!()
            ),
            &[millis(change.now), id, account.clone(), change.operation()],
        )?;
        let invites = self.revoke_invites(change, &account, true)?;
        self.change_if(change, condition, &[account], vec![stale, open, roles, member, invites]).await
    }

    /// Gives a member roles and takes others. `false` if a rule of
    /// [`amend_roles`](postern_core::organization::amend_roles) does not hold any more.
    pub(crate) async fn amend_member(
        &self,
        change: &Change<'_>,
        account: &AccountId,
        roles: &RoleChange,
    ) -> Result<bool, Problem> {
        let written =
            |names: &[String]| json::write(names).map_err(|error| Problem::internal("roles", error));
        let (add, remove) = (JsValue::from(written(&roles.add)?), JsValue::from(written(&roles.remove)?));
        let condition = concat!(
            is_member!(),
            " AND (SELECT COUNT(*) FROM organization_roles WHERE organization_id = ?1 \
             AND role IN (SELECT value FROM json_each(?3))) = json_array_length(?3) \
             AND ('owner' NOT IN (SELECT value FROM json_each(?4)) OR (",
            is_shared!(),
            " AND ",
            other_owner!(),
            ")) AND (SELECT COUNT(*) <= ?5 AND COALESCE(SUM(length(role)), 0) <= ?6 FROM \
             (SELECT role FROM organization_member_roles WHERE organization_id = ?1 AND account_id = ?2 \
             AND role NOT IN (SELECT value FROM json_each(?4)) UNION SELECT value FROM json_each(?3)))"
        );
        let most = |number: usize| JsValue::from(u32::try_from(number).unwrap_or(u32::MAX));
        let (id, account) = (change.organization(), JsValue::from(account.to_string()));
        let values = [account.clone(), add.clone(), remove.clone(), most(MOST_ROLES), most(MOST_ROLE_BYTES)];
        let [stale, open] = self.make_stale(change, "?2", std::slice::from_ref(&account))?;
        let taken = self.prepare(
            concat!(
                "DELETE FROM organization_member_roles WHERE organization_id = ? AND account_id = ? \
                 AND role IN (SELECT value FROM json_each(?)) AND ",
                if_done!()
            ),
            &[id.clone(), account.clone(), remove, change.operation()],
        )?;
        let given = self.prepare(
            concat!(
                "INSERT OR IGNORE INTO organization_member_roles (organization_id, role, account_id) \
                 SELECT ?, value, ? FROM json_each(?) WHERE ",
                if_done!()
            ),
            &[id, account.clone(), add, change.operation()],
        )?;
        let mut then = vec![stale, open, taken, given];
        if roles.remove.iter().any(|role| role == OrganizationRole::OWNER) {
            then.push(self.revoke_invites(change, &account, true)?);
        }
        self.change_if(change, condition, &values, then).await
    }
}
