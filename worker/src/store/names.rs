//! The directory in D1: the names that people are known by.
//!
//! Each name has one owner for good. Who takes another keeps the last one, under which nobody else will be found.

use crate::store::directory::{Directory, millis, owner_unless_elsewhere, unavailable};
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, TenantId};
use postern_core::identifier::{IdentifierKind, Username};
use postern_core::json;
use postern_core::time::UnixMillis;
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

/// How many names one account may have had, the present one included: names are kept for good, and must not be collected.
const MOST_NAMES: u32 = 10;

/// What became of the wish for another name.
pub(crate) enum Renamed {
    /// The account has it.
    Done,
    /// It is somebody else's, perhaps in another tenant.
    Taken,
    /// The account has had [`MOST_NAMES`] already; it may return to one of them.
    TooMany,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

/// Whose a name is.
#[derive(Deserialize)]
pub(crate) struct NameOwner {
    owner_kind: String,
    pub(crate) owner_id: String,
    /// The name that the owner has now; none if it is an account that is deleted.
    pub(crate) slug: Option<String>,
}

impl NameOwner {
    pub(crate) fn is_account(&self) -> bool {
        self.owner_kind == "account"
    }
}

impl Directory {
    /// Who goes by a name, or once did.
    pub(crate) async fn name_owner(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<NameOwner>, Problem> {
        let query = "SELECT n.owner_kind, n.owner_id, iif(n.owner_kind = 'organization', \
                     (SELECT o.slug FROM organizations o WHERE o.organization_id = n.owner_id), \
                     (SELECT u.username FROM users u WHERE u.account_id = n.owner_id \
                     AND u.status NOT IN ('deleted', 'purged'))) AS slug \
                     FROM owner_names n WHERE n.tenant = ? AND n.name = ?";
        self.prepare(query, &[tenant.as_str().into(), name.into()])?.first(None).await.map_err(unavailable)
    }

    /// Which of these names have an owner, or are usernames where names are one account's among tenants. One read, however many they are.
    pub(crate) async fn taken_names(
        &self,
        tenant: &TenantId,
        names: &[Username],
    ) -> Result<Vec<String>, Problem> {
        let names: Vec<&str> = names.iter().map(Username::as_str).collect();
        let names = json::write(&names).map_err(|error| Problem::internal("names", error))?;
        let query = "SELECT name FROM owner_names WHERE tenant = ?1 AND name IN (SELECT value FROM json_each(?2)) \
                     UNION SELECT value AS name FROM identifiers \
                     WHERE tenant IN (SELECT value FROM json_each(?3)) AND kind = 'username' \
                     AND value IN (SELECT value FROM json_each(?2))";
        let statement = self.prepare(query, &[tenant.as_str().into(), names.into(), self.as_one()])?;
        let taken: Vec<Name> = statement.all().await.map_err(unavailable)?;
        Ok(taken.into_iter().map(|row| row.name).collect())
    }

    /// Gives an account another username in one batch; the last one stays its own.
    pub(crate) async fn rename(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        username: &Username,
        now: UnixMillis,
    ) -> Result<Renamed, Problem> {
        let of = tenant.as_str();
        let (id, tenant): (JsValue, JsValue) = (account.to_string().into(), of.into());
        let (name, at) = (JsValue::from(username.as_str()), millis(now));
        let claim = self.prepare(
            "INSERT INTO owner_names (tenant, name, owner_kind, owner_id, created_at) \
             SELECT tenant, ?, 'account', account_id, ? FROM users WHERE account_id = ? AND tenant = ? \
             AND (SELECT COUNT(*) FROM owner_names WHERE owner_id = account_id) < ? ON CONFLICT DO NOTHING",
            &[name.clone(), at.clone(), id.clone(), tenant.clone(), MOST_NAMES.into()],
        )?;
        // The rest of the batch happens only if the name is the account's now.
        let ours = "(SELECT 1 FROM owner_names WHERE tenant = ? AND name = ? AND owner_id = ?)";
        let owned = [tenant.clone(), name.clone(), id.clone()];
        let with_owned = |values: &[JsValue]| [values, owned.as_slice()].concat();
        let old = self.prepare(
            &format!(
                "DELETE FROM identifiers WHERE tenant = ? AND kind = 'username' \
                 AND value = (SELECT username FROM users WHERE account_id = ?) AND EXISTS {ours}"
            ),
            &with_owned(&[tenant.clone(), id.clone()]),
        )?;
        let user = self.prepare(
            &format!("UPDATE users SET username = ?, updated_at = ? WHERE account_id = ? AND EXISTS {ours}"),
            &with_owned(&[name.clone(), at.clone(), id.clone()]),
        )?;
        let new = self.prepare(
            &format!(
                "INSERT INTO identifiers (tenant, kind, value, account_id, verified_at, created_at) \
                 SELECT ?1, 'username', ?2, {}, NULL, ?4 WHERE EXISTS \
                 (SELECT 1 FROM owner_names WHERE tenant = ?1 AND name = ?2 AND owner_id = ?3) ON CONFLICT DO NOTHING",
                owner_unless_elsewhere!("?3", in: "?5", but: "?1", "'username'", "?2")
            ),
            &[tenant.clone(), name.clone(), id.clone(), at, self.as_one()],
        )?;
        if let Err(problem) = self.batch(vec![claim, old, user, new]).await {
            // The batch is gone as a whole. Whether that was a name of another tenant or an outage, the owners tell.
            let is_elsewhere = self.is_elsewhere(of, IdentifierKind::Username, username.as_str()).await?;
            return if is_elsewhere { Ok(Renamed::Taken) } else { Err(problem) };
        }
        // Read back instead of counting changes: a batch repeated after a lost answer changes nothing twice.
        let query = "SELECT owner_id AS account_id FROM owner_names WHERE tenant = ? AND name = ?";
        Ok(match self.owner_of(query, &[tenant, name]).await? {
            Some(owner) if owner == account.to_string() => Renamed::Done,
            Some(_) => Renamed::Taken,
            None => Renamed::TooMany,
        })
    }
}
