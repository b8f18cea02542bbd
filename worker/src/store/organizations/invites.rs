//! Invitations to organizations.

use super::members::is_member;
use super::{Change, optional};
use crate::store::audited::if_done;
use crate::store::directory::{Directory, millis, unavailable};
use crate::store::statement::Statement;
use crate::store::users::{Item, Place};
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, InviteId, OrganizationId, TenantId};
use postern_core::intake::CodeDigest;
use postern_core::organization::{InviteStatus, Invited, MOST_MEMBERS, MOST_MEMBERSHIPS, MOST_OPEN_INVITES};
use postern_core::time::UnixMillis;
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

/// `?1` is the moment, `i` the row of the invitation.
macro_rules! status {
    () => {
        "iif(i.status = 'pending' AND i.expires_at <= ?1, 'expired', i.status)"
    };
}

/// The invitation `i` is one of the account `?2`: by its id, or by an address that it has proven.
macro_rules! is_theirs {
    () => {
        "(COALESCE(i.account_id = ?2, 0) OR EXISTS (SELECT 1 FROM identifiers e WHERE e.account_id = ?2 AND e.tenant = i.tenant \
         AND e.kind = 'email' AND e.value = i.email AND e.verified_at IS NOT NULL))"
    };
}

/// The same for a list, by the indexes of both.
const THEIRS: &str = "i.invite_id IN (SELECT invite_id FROM organization_invites WHERE account_id = ?2 \
                      UNION SELECT n.invite_id FROM identifiers e JOIN organization_invites n \
                      ON n.tenant = e.tenant AND n.email = e.value WHERE e.account_id = ?2 AND e.kind = 'email' \
                      AND e.verified_at IS NOT NULL)";

/// Whom an invitation is for.
pub(crate) enum Invitee {
    Account(AccountId),
    /// Whoever reads what is mailed there, and the digest of what is.
    Address {
        email: String,
        digest: CodeDigest,
        pepper_id: u32,
    },
}

/// An invitation as decisions need it.
#[derive(Deserialize)]
pub(crate) struct Invite {
    #[serde(rename = "organization_id")]
    pub(crate) organization: OrganizationId,
    status: String,
    expires_at: u64,
    is_theirs: u32,
    secret_digest: Option<CodeDigest>,
    pepper_id: Option<u32>,
}

impl Invite {
    pub(crate) fn invited(&self) -> Result<Invited, Problem> {
        let stored = InviteStatus::from_name(&self.status);
        let stored = stored.ok_or_else(|| Problem::internal("invitation", "unknown status"))?;
        Ok(Invited { stored, expires_at: UnixMillis::new(self.expires_at) })
    }

    /// Whether it is the account's by its id or address, without what was mailed.
    pub(crate) const fn is_theirs(&self) -> bool {
        self.is_theirs != 0
    }

    /// The digest of what was mailed, and the pepper that it was made with.
    pub(crate) fn mailed(&self) -> Option<(&CodeDigest, u32)> {
        self.secret_digest.as_ref().zip(self.pepper_id)
    }
}

impl Directory {
    /// Stores an invitation. `false` if one of the same is open, or as many as may be; an account must be no member and
    /// must be there.
    pub(crate) async fn invite(
        &self,
        change: &Change<'_>,
        id: &InviteId,
        invitee: &Invitee,
        invited_by: Option<&AccountId>,
        expires_at: UnixMillis,
    ) -> Result<bool, Problem> {
        let (account, email, digest, pepper) = match invitee {
            Invitee::Account(account) => {
                (JsValue::from(account.to_string()), JsValue::NULL, JsValue::NULL, JsValue::NULL)
            }
            Invitee::Address { email, digest, pepper_id } => {
                let digest = postern_core::codec::base64url::encode(digest.as_bytes());
                (JsValue::NULL, email.as_str().into(), digest.into(), JsValue::from(*pepper_id))
            }
        };
        let condition = concat!(
            "NOT EXISTS (SELECT 1 FROM organization_invites WHERE organization_id = ?1 AND status = 'pending' \
             AND expires_at > ?3 AND (account_id = ?2 OR email = ?4)) AND NOT ",
            is_member!(),
            " AND (?2 IS NULL OR EXISTS (SELECT 1 FROM users WHERE account_id = ?2 AND tenant = ?5 \
             AND status NOT IN ('deleted', 'purged'))) AND (SELECT COUNT(*) FROM organization_invites \
             WHERE organization_id = ?1 AND status = 'pending' AND expires_at > ?3) < ?6"
        );
        let tenant = JsValue::from(change.tenant.as_str());
        let values =
            [account.clone(), millis(change.now), email.clone(), tenant.clone(), MOST_OPEN_INVITES.into()];
        let insert = self.prepare(
            concat!(
                "INSERT INTO organization_invites (invite_id, organization_id, tenant, account_id, email, \
                 secret_digest, pepper_id, invited_by, status, created_at, expires_at) \
                 SELECT ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ? WHERE ",
                if_done!()
            ),
            &[
                id.to_string().into(),
                change.organization(),
                tenant,
                account,
                email,
                digest,
                pepper,
                optional(invited_by),
                millis(change.now),
                millis(expires_at),
                change.operation(),
            ],
        )?;
        self.change_if(change, condition, &values, vec![insert]).await
    }

    /// How many invitations of an organization are open.
    pub(crate) async fn open_invites(
        &self,
        organization: &OrganizationId,
        now: UnixMillis,
    ) -> Result<u32, Problem> {
        let query = "SELECT COUNT(*) AS open FROM organization_invites WHERE organization_id = ? AND status = 'pending' \
                     AND expires_at > ?";
        let values = [organization.to_string().into(), millis(now)];
        let open: Option<u32> =
            self.prepare(query, &values)?.first(Some("open")).await.map_err(unavailable)?;
        Ok(open.unwrap_or(0))
    }

    /// An invitation, and whether it is one of the account.
    pub(crate) async fn find_invite(
        &self,
        tenant: &TenantId,
        id: &InviteId,
        account: Option<&AccountId>,
    ) -> Result<Option<Invite>, Problem> {
        let query = concat!(
            "SELECT i.organization_id, i.status, i.expires_at, i.secret_digest, i.pepper_id, ",
            is_theirs!(),
            " AS is_theirs FROM organization_invites i WHERE i.invite_id = ?1 AND i.tenant = ?3"
        );
        let values = [id.to_string().into(), optional(account), tenant.as_str().into()];
        self.prepare(query, &values)?.first(None).await.map_err(unavailable)
    }

    /// Ends an open invitation in time. With an account that accepts it, it becomes a member, unless it is one. `false` if
    /// it is not open any more, or the account is in too many organizations, or the organization has too many members.
    pub(crate) async fn end_invite(
        &self,
        change: &Change<'_>,
        id: &InviteId,
        becomes: InviteStatus,
        joins: Option<&AccountId>,
    ) -> Result<bool, Problem> {
        let condition = "EXISTS (SELECT 1 FROM organization_invites WHERE invite_id = ?3 AND organization_id = ?1 \
                         AND status = 'pending' AND expires_at > ?4) AND (?2 IS NULL \
                         OR EXISTS (SELECT 1 FROM organization_members WHERE organization_id = ?1 AND account_id = ?2 \
                         AND removed_at IS NULL) \
                         OR (EXISTS (SELECT 1 FROM users WHERE account_id = ?2 AND status NOT IN ('deleted', 'purged')) \
                         AND (SELECT COUNT(*) FROM organization_members WHERE account_id = ?2 AND removed_at IS NULL) < ?5 \
                         AND (SELECT COUNT(*) FROM organization_members WHERE organization_id = ?1 \
                         AND removed_at IS NULL) < ?6))";
        let values = [
            optional(joins),
            id.to_string().into(),
            millis(change.now),
            MOST_MEMBERSHIPS.into(),
            MOST_MEMBERS.into(),
        ];
        let mut then = vec![self.prepare(
            concat!(
                "UPDATE organization_invites SET status = ?, acted_at = ?, secret_digest = NULL WHERE invite_id = ? AND ",
                if_done!()
            ),
            &[becomes.name().into(), millis(change.now), id.to_string().into(), change.operation()],
        )?];
        if let Some(account) = joins {
            then.extend(self.joining(change, account)?);
        }
        self.change_if(change, condition, &values, then).await
    }

    /// Ends the open invitations of an organization that are for an account, by its id or by an address, and perhaps
    /// those that it made: nobody comes back, or brings others, by what was said before.
    pub(super) fn revoke_invites(
        &self,
        change: &Change<'_>,
        account: &JsValue,
        with_made: bool,
    ) -> Result<Statement, Problem> {
        self.prepare(
            "UPDATE organization_invites SET status = 'revoked', acted_at = ?3, secret_digest = NULL \
             WHERE organization_id = ?1 AND status = 'pending' AND expires_at > ?3 \
             AND (account_id = ?2 OR (?5 AND invited_by = ?2) OR (tenant, email) IN \
             (SELECT tenant, value FROM identifiers WHERE account_id = ?2 AND kind = 'email')) \
             AND EXISTS (SELECT 1 FROM audit_events WHERE event_id = ?4)",
            &[
                change.organization(),
                account.clone(),
                millis(change.now),
                change.operation(),
                u32::from(with_made).into(),
            ],
        )
    }

    /// The invitations of an organization, or of an account, after a place, latest first, perhaps of one status only.
    pub(crate) async fn invites(
        &self,
        tenant: &TenantId,
        of: Result<&OrganizationId, &AccountId>,
        status: Option<InviteStatus>,
        after: &Place,
        limit: u32,
        now: UnixMillis,
    ) -> Result<Vec<Item>, Problem> {
        let (whose, id) = match of {
            Ok(organization) => ("i.organization_id = ?2", organization.to_string()),
            Err(account) => (THEIRS, account.to_string()),
        };
        let query = format!(
            concat!(
                "SELECT json_object('id', i.invite_id, 'organization', json_object('id', o.organization_id, 'slug', o.slug, \
                 'name', o.name), 'account_id', i.account_id, 'email', i.email, 'invited_by', i.invited_by, 'status', ",
                status!(),
                ", 'created_at', i.created_at, 'expires_at', i.expires_at, 'acted_at', i.acted_at) AS document, \
                 i.created_at AS at, i.invite_id AS id FROM organization_invites i \
                 JOIN organizations o ON o.organization_id = i.organization_id \
                 WHERE i.tenant = ?3 AND (i.created_at, i.invite_id) < (?4, ?5) AND {} \
                 AND (?6 IS NULL OR ",
                status!(),
                " = ?6) ORDER BY i.created_at DESC, i.invite_id DESC LIMIT ?7"
            ),
            whose
        );
        let [at, place] = after.values();
        let values = [
            millis(now),
            id.into(),
            tenant.as_str().into(),
            at,
            place,
            status.map_or(JsValue::NULL, |status| status.name().into()),
            limit.into(),
        ];
        self.prepare(&query, &values)?.all().await.map_err(unavailable)
    }
}
