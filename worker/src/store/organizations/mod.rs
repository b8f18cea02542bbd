//! The directory in D1: organizations.
//!
//! Every change is one batch that begins with its line of the audit trail. The line is written only if the change may be
//! made by what the directory has at that moment, and the rest of the batch only if the line is there: of two requests
//! that exclude each other one is carried out.

mod access;
mod invites;
mod members;
mod roles;

pub(crate) use access::Acting;
pub(crate) use invites::{Invite, Invitee};

use crate::environment::Environment;
use crate::store::audited::{Line, if_done};
use crate::store::authorization::{self, Named};
use crate::store::directory::{Directory, millis, unavailable};
use crate::store::statement::Statement;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId, OrganizationId, TenantId};
use postern_core::json::record;
use postern_core::organization::{MOST_MEMBERSHIPS, MOST_SLUGS, OrganizationSlug, Standing};
use postern_core::time::UnixMillis;
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

/// How many accounts one change tells at once; the cron goes on with the rest.
const TOLD_AT_ONCE: u32 = 50;

/// What a path may call an organization.
pub(crate) enum Address {
    Id(OrganizationId),
    Name(OrganizationSlug),
}

/// An organization, and what one account is to it.
#[derive(Deserialize)]
pub(crate) struct Organization {
    #[serde(rename = "organization_id")]
    pub(crate) id: OrganizationId,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) personal_of: Option<AccountId>,
    pub(crate) created_at: u64,
    pub(crate) updated_at: Option<u64>,
    /// JSON array of its own names, those of before included. A personal one may go by a name of its person.
    names: String,
    is_member: u32,
    /// JSON array of the account's roles in it.
    roles: String,
}

impl Organization {
    pub(crate) fn names(&self) -> Result<Vec<String>, Problem> {
        texts(&self.names)
    }

    /// The roles of the account, if it is a member.
    pub(crate) fn roles(&self) -> Result<Option<Vec<String>>, Problem> {
        if self.is_member == 0 { Ok(None) } else { texts(&self.roles).map(Some) }
    }
}

/// On whose authority a change is made.
#[derive(Clone, Copy)]
pub(crate) enum Authority {
    /// Nobody's who could lose it meanwhile.
    Lasting,
    /// An owner's, who must still be one.
    Owner(AccountId),
}

/// A change, as the audit trail has it.
pub(crate) struct Change<'a> {
    pub(crate) organization: OrganizationId,
    pub(crate) tenant: &'a TenantId,
    pub(crate) authority: Authority,
    pub(crate) operation: OperationId,
    /// Whom it is about.
    pub(crate) account: Option<AccountId>,
    pub(crate) event: &'static str,
    pub(crate) detail: String,
    pub(crate) now: UnixMillis,
}

impl Change<'_> {
    pub(super) fn organization(&self) -> JsValue {
        self.organization.to_string().into()
    }

    pub(super) fn operation(&self) -> JsValue {
        self.operation.to_string().into()
    }
}

/// An organization about to be created.
pub(crate) struct NewOrganization<'a> {
    pub(crate) slug: &'a OrganizationSlug,
    pub(crate) name: &'a str,
    pub(crate) owner: Option<AccountId>,
    /// It is the owner's personal one, which may go by a name that the owner has.
    pub(crate) is_personal: bool,
}

impl Directory {
    /// The organization of this address, with what `account` is to it.
    pub(crate) async fn organization(
        &self,
        tenant: &TenantId,
        address: &Address,
        account: Option<&AccountId>,
    ) -> Result<Option<Organization>, Problem> {
        let (by, value) = by_address(address);
        let query = format!(
            "SELECT o.organization_id, o.slug, o.name, o.personal_of, o.created_at, o.updated_at, \
             (SELECT json_group_array(n.name) FROM owner_names n WHERE n.owner_id = o.organization_id) AS names, \
             EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = o.organization_id \
             AND m.account_id = ?3 AND m.removed_at IS NULL) AS is_member, \
             (SELECT json_group_array(r.role) FROM organization_member_roles r \
             WHERE r.organization_id = o.organization_id AND r.account_id = ?3) AS roles \
             FROM organizations o WHERE o.tenant = ?1 AND o.organization_id = {by}"
        );
        let values = [tenant.as_str().into(), value.into(), optional(account)];
        self.prepare(&query, &values)?.first(None).await.map_err(unavailable)
    }

    /// The id of the personal organization of an account.
    pub(crate) async fn personal_organization(
        &self,
        tenant: &TenantId,
        account: &AccountId,
    ) -> Result<Option<OrganizationId>, Problem> {
        let query = "SELECT organization_id FROM organizations WHERE tenant = ? AND personal_of = ?";
        let values = [tenant.as_str().into(), account.to_string().into()];
        self.prepare(query, &values)?.first(Some("organization_id")).await.map_err(unavailable)
    }

    /// Creates an organization with the roles `owner` and `member`, and its owner, if it has one. `false` if the name is
    /// taken, the owner is nobody or in too many, or has a personal organization already.
    pub(crate) async fn create_organization(
        &self,
        change: &Change<'_>,
        new: &NewOrganization<'_>,
    ) -> Result<bool, Problem> {
        let (id, tenant) = (change.organization(), JsValue::from(change.tenant.as_str()));
        let (slug, owner, at) =
            (JsValue::from(new.slug.as_str()), optional(new.owner.as_ref()), millis(change.now));
        let personal = if new.is_personal { owner.clone() } else { JsValue::NULL };
        let condition = "(NOT EXISTS (SELECT 1 FROM owner_names WHERE tenant = ?2 AND name = ?3) \
                         OR EXISTS (SELECT 1 FROM owner_names WHERE tenant = ?2 AND name = ?3 AND owner_id = ?5)) \
                         AND NOT EXISTS (SELECT 1 FROM organizations WHERE tenant = ?2 AND personal_of = ?5) \
                         AND (?4 IS NULL OR (EXISTS (SELECT 1 FROM users WHERE account_id = ?4 AND tenant = ?2 \
                         AND status NOT IN ('deleted', 'purged')) AND (SELECT COUNT(*) FROM organization_members \
                         WHERE account_id = ?4 AND removed_at IS NULL) < ?6))";
        let conditions =
            [tenant.clone(), slug.clone(), owner.clone(), personal.clone(), MOST_MEMBERSHIPS.into()];
        let done = change.operation();
        let name = self.claim_slug(change, new.slug)?;
        let organization = self.prepare(
            concat!(
                "INSERT INTO organizations (organization_id, tenant, slug, name, personal_of, created_at) \
                 SELECT ?, ?, ?, ?, ?, ? WHERE ",
                if_done!()
            ),
            &[id.clone(), tenant, slug, new.name.into(), personal, at.clone(), done.clone()],
        )?;
        let roles = self.prepare(
            concat!(
                "INSERT INTO organization_roles (organization_id, role, permissions, created_at) \
                 SELECT ?, value, '[]', ? FROM json_each('[\"owner\",\"member\"]') WHERE ",
                if_done!()
            ),
            &[id.clone(), at.clone(), done.clone()],
        )?;
        let member = self.prepare(
            concat!(
                "INSERT INTO organization_members (organization_id, account_id, joined_at) \
                 SELECT ?1, ?2, ?3 WHERE ?2 IS NOT NULL AND ",
                "EXISTS (SELECT 1 FROM audit_events WHERE event_id = ?4)"
            ),
            &[id.clone(), owner.clone(), at, done.clone()],
        )?;
        let held = self.prepare(
            "INSERT INTO organization_member_roles (organization_id, role, account_id) \
             SELECT ?1, value, ?2 FROM json_each('[\"owner\",\"member\"]') WHERE ?2 IS NOT NULL \
             AND EXISTS (SELECT 1 FROM audit_events WHERE event_id = ?3)",
            &[id, owner, done],
        )?;
        self.change_if(change, condition, &conditions, vec![name, organization, roles, member, held]).await
    }

    /// Changes name and slug; the last slug stays its own. `false` if the slug is somebody's, the organization has had
    /// too many, or is a personal one that would be renamed.
    pub(crate) async fn rename_organization(
        &self,
        change: &Change<'_>,
        slug: &OrganizationSlug,
        name: &str,
    ) -> Result<bool, Problem> {
        let (id, tenant) = (change.organization(), JsValue::from(change.tenant.as_str()));
        let claim = self.claim_slug(change, slug)?;
        let (slug, at, done) = (JsValue::from(slug.as_str()), millis(change.now), change.operation());
        let condition = "EXISTS (SELECT 1 FROM organizations WHERE organization_id = ?1 \
                         AND (slug = ?3 OR personal_of IS NULL)) \
                         AND (EXISTS (SELECT 1 FROM organizations WHERE organization_id = ?1 AND slug = ?3) \
                         OR EXISTS (SELECT 1 FROM owner_names WHERE tenant = ?2 AND name = ?3 AND owner_id = ?1) \
                         OR (NOT EXISTS (SELECT 1 FROM owner_names WHERE tenant = ?2 AND name = ?3) \
                         AND (SELECT COUNT(*) FROM owner_names WHERE owner_id = ?1) < ?4))";
        let conditions = [tenant, slug.clone(), MOST_SLUGS.into()];
        let update = self.prepare(
            concat!(
                "UPDATE organizations SET slug = ?, name = ?, updated_at = ? WHERE organization_id = ? AND ",
                if_done!()
            ),
            &[slug, name.into(), at, id, done],
        )?;
        self.change_if(change, condition, &conditions, vec![claim, update]).await
    }

    /// The name is the organization's, if it is nobody's yet.
    fn claim_slug(&self, change: &Change<'_>, slug: &OrganizationSlug) -> Result<Statement, Problem> {
        self.prepare(
            concat!(
                "INSERT INTO owner_names (tenant, name, owner_kind, owner_id, created_at) \
                 SELECT ?, ?, 'organization', ?, ? WHERE ",
                if_done!(),
                " ON CONFLICT DO NOTHING"
            ),
            &[
                change.tenant.as_str().into(),
                slug.as_str().into(),
                change.organization(),
                millis(change.now),
                change.operation(),
            ],
        )
    }

    /// Carries out a batch if `condition` holds: `?1` in it is the organization, and `values` are from `?2` on. `false` if
    /// it did not hold, or whoever changes it is no owner any more; `true` also when this operation was carried out
    /// before.
    pub(super) async fn change_if(
        &self,
        change: &Change<'_>,
        condition: &str,
        values: &[JsValue],
        then: Vec<Statement>,
    ) -> Result<bool, Problem> {
        let (authorized, owner) = match &change.authority {
            Authority::Lasting => ("", None),
            Authority::Owner(account) => (
                " AND EXISTS (SELECT 1 FROM organization_member_roles WHERE organization_id = ?1 AND role = 'owner' \
                 AND account_id = ?{owner})",
                Some(JsValue::from(account.to_string())),
            ),
        };
        let mut bound = vec![change.organization()];
        bound.extend_from_slice(values);
        let authorized = authorized.replace("{owner}", &bound.len().saturating_add(1).to_string());
        bound.extend(owner);
        let line = Line {
            operation: change.operation,
            tenant: change.tenant,
            account: change.account,
            event: change.event,
            detail: &change.detail,
            now: change.now,
        };
        self.commit_if(&line, &format!("({condition}){authorized}"), bound, then).await
    }

    /// The tokens of these accounts are stale once their account objects know. `whom` is a query of ids whose values are
    /// from `?2` on.
    pub(super) fn make_stale(
        &self,
        change: &Change<'_>,
        whom: &str,
        values: &[JsValue],
    ) -> Result<[Statement; 2], Problem> {
        let operation = change.operation();
        let mut bound = vec![operation.clone()];
        bound.extend_from_slice(values);
        let update = self.prepare(
            &format!(
                "UPDATE users SET authorization_version = authorization_version + 1, \
                 memberships_version = memberships_version + 1, authorization_operation = ?1 \
                 WHERE account_id IN ({whom}) AND EXISTS (SELECT 1 FROM audit_events WHERE event_id = ?1)"
            ),
            &bound,
        )?;
        Ok([update, self.open_authorization(&operation, change.now)?])
    }
}

/// Tells the accounts whose tokens a change has made stale, and says how many do not know yet: the cron goes on with
/// them.
pub(crate) async fn tell(
    environment: &Environment,
    directory: &Directory,
    operation: OperationId,
) -> Result<u32, Problem> {
    let query = "SELECT p.account_id FROM pending_authorizations p JOIN users u ON u.account_id = p.account_id \
                 WHERE u.authorization_operation = ? LIMIT ?";
    let values = [operation.to_string().into(), TOLD_AT_ONCE.into()];
    let waiting: Vec<Named> = directory.prepare(query, &values)?.all().await.map_err(unavailable)?;
    for Named { account_id } in &waiting {
        // What failed has been logged where it was made.
        let _ = authorization::publish(environment, directory, account_id).await;
    }
    if waiting.is_empty() {
        return Ok(0);
    }
    let query = "SELECT COUNT(*) AS waiting FROM pending_authorizations p JOIN users u ON u.account_id = p.account_id \
                 WHERE u.authorization_operation = ?";
    let left = directory.prepare(query, &[operation.to_string().into()])?.first(Some("waiting")).await;
    Ok(left.map_err(unavailable)?.unwrap_or(0))
}

/// The id of the organization of an address: a query of which `?1` is the tenant, and `?2` the value. A person's name
/// leads to their personal organization.
fn by_address(address: &Address) -> (&'static str, String) {
    match address {
        Address::Id(id) => ("?2", id.to_string()),
        Address::Name(slug) => (
            "(SELECT iif(n.owner_kind = 'organization', n.owner_id, (SELECT p.organization_id \
             FROM organizations p WHERE p.tenant = n.tenant AND p.personal_of = n.owner_id)) \
             FROM owner_names n WHERE n.tenant = ?1 AND n.name = ?2)",
            slug.as_str().into(),
        ),
    }
}

/// What an account is to an organization, if it is not the operator who asks.
pub(crate) fn standing(organization: &Organization) -> Result<Standing, Problem> {
    Ok(Standing::of(organization.roles()?.as_deref()))
}

/// A JSON array of texts in a row.
pub(super) fn texts(json: &str) -> Result<Vec<String>, Problem> {
    record::read(json.as_bytes()).map_err(|error| Problem::internal("organization", error))
}

pub(super) fn optional(account: Option<&AccountId>) -> JsValue {
    account.map_or(JsValue::NULL, |account| account.to_string().into())
}
