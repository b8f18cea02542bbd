//! The directory in D1: creating accounts.

use crate::store::authorization::AUTHORIZATION_CHANGED;
use crate::store::definitions::all_defined;
use crate::store::directory::{Directory, key_of, millis, owner_unless_elsewhere, unavailable};
use crate::store::statement::Statement;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::identifier::{Identifier, IdentifierKind, Username};
use postern_core::json;
use postern_core::time::UnixMillis;
use worker::wasm_bindgen::JsValue;

/// An account about to be created.
#[derive(Clone, Copy)]
pub(crate) struct NewAccount<'a> {
    pub(crate) account: AccountId,
    /// The beginning of its id, where that stands for the key of an order: no other account is created under it.
    pub(crate) order: Option<&'a str>,
    pub(crate) tenant: &'a TenantId,
    /// At most one of each kind.
    pub(crate) contacts: &'a [NewContact<'a>],
    pub(crate) username: Option<&'a Username>,
    pub(crate) name: &'a str,
    pub(crate) password_hash: Option<&'a str>,
    pub(crate) roles: &'a [String],
    /// Nobody signs in before the contact is proven.
    pub(crate) awaits_proof: bool,
    /// What an operator gives it, besides those roles.
    pub(crate) gift: Option<Gift<'a>>,
}

/// What an operator gives an account with its creation.
#[derive(Clone, Copy)]
pub(crate) struct Gift<'a> {
    pub(crate) groups: &'a [String],
    pub(crate) permissions: &'a [String],
    /// What of it, and of the roles, operators may delete meanwhile ([`given_besides`](super::definitions::given_besides)).
    pub(crate) besides: &'a str,
    /// Of the line of the audit trail that says so.
    pub(crate) operation: OperationId,
    pub(crate) detail: &'a str,
}

/// An address or number that an account is to have.
#[derive(Clone, Copy)]
pub(crate) struct NewContact<'a> {
    pub(crate) identifier: &'a Identifier,
    pub(crate) is_proven: bool,
}

/// Whose the names are after the attempt to create their account.
pub(crate) enum Creation {
    /// This account's, now or by an earlier try of the same creation.
    Ours,
    /// Another account was created under the same key.
    KeyReused,
    /// The address or number is another account's, perhaps of another tenant.
    Taken,
    /// The address or number would have been free, and the username is somebody's.
    UsernameTaken,
}

/// The values that all statements of one creation share.
struct Shared {
    account: JsValue,
    tenant: JsValue,
    at: JsValue,
}

impl Directory {
    /// Creates identifiers, user and credential together. The primary keys of the identifiers decide between rivals.
    pub(crate) async fn create(&self, new: &NewAccount<'_>, now: UnixMillis) -> Result<Creation, Problem> {
        let (account, tenant) = (new.account.to_string().into(), new.tenant.as_str().into());
        let shared = Shared { account, tenant, at: millis(now) };
        let Shared { account, tenant, at } = &shared;
        let mut statements = Vec::new();
        for NewContact { identifier, is_proven } in new.contacts {
            let proven_at = if *is_proven { at.clone() } else { JsValue::NULL };
            let kind = identifier.kind().as_str();
            statements.push(self.identifier(&shared, kind, identifier.value(), proven_at)?);
        }
        if let Some(username) = new.username {
            statements.push(self.prepare(
                "INSERT INTO owner_names (tenant, name, owner_kind, owner_id, created_at) VALUES (?, ?, 'account', ?, ?)",
                &[tenant.clone(), username.as_str().into(), account.clone(), at.clone()],
            )?);
            statements.push(self.identifier(&shared, "username", username.as_str(), JsValue::NULL)?);
        }
        let optional = |text: Option<&str>| text.map_or(JsValue::NULL, JsValue::from);
        let of_kind =
            |kind| new.contacts.iter().map(|new| new.identifier).find(|contact| contact.kind() == kind);
        let email = optional(of_kind(IdentifierKind::Email).map(Identifier::value));
        let phone = optional(of_kind(IdentifierKind::Phone).map(Identifier::value));
        let username = optional(new.username.map(Username::as_str));
        let status = if new.awaits_proof { "pending_verification" } else { "active" };
        let permissions = new.gift.map_or(&[][..], |gift| gift.permissions);
        let [beginning, end] = new.order.map_or([JsValue::NULL, JsValue::NULL], ids_with);
        // Roles are never NULL: where something is not defined any more, or the key is another account's, the whole batch
        // fails.
        statements.push(self.prepare(
            concat!(
                "INSERT INTO users (account_id, tenant, email, phone, username, name, status, roles, permissions, created_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, iif(",
                all_defined!("?"),
                " AND NOT EXISTS (SELECT 1 FROM users WHERE account_id > ? AND account_id < ?), ?, NULL), ?, ?)"
            ),
            &[
                account.clone(),
                tenant.clone(),
                email,
                phone,
                username,
                new.name.into(),
                status.into(),
                new.gift.map_or("[]", |gift| gift.besides).into(),
                beginning,
                end,
                written(new.roles)?,
                written(permissions)?,
                at.clone(),
            ],
        )?);
        if let Some(gift) = &new.gift {
            statements.extend(self.gift(&shared, gift)?);
        }
        statements.push(self.prepare(
            "INSERT INTO credentials (account_id, password_hash, version, updated_at) VALUES (?, ?, 1, ?)",
            &[account.clone(), optional(new.password_hash), at.clone()],
        )?);
        match self.transact(statements).await {
            Ok(()) => Ok(Creation::Ours),
            Err(error) => self.decided_by(new, &shared, error).await,
        }
    }

    /// The groups, and the line that says what was given.
    fn gift(
        &self,
        Shared { account, tenant, at }: &Shared,
        gift: &Gift<'_>,
    ) -> Result<[Statement; 2], Problem> {
        let groups = self.prepare(
            "INSERT INTO group_members (account_id, group_name, tenant, added_at) SELECT ?, value, ?, ? FROM json_each(?)",
            &[account.clone(), tenant.clone(), at.clone(), written(gift.groups)?],
        )?;
        let audit = self.prepare(
            "INSERT INTO audit_events (event_id, occurred_at, tenant, account_id, event, detail) VALUES (?, ?, ?, ?, ?, ?)",
            &[
                gift.operation.to_string().into(),
                at.clone(),
                tenant.clone(),
                account.clone(),
                AUTHORIZATION_CHANGED.into(),
                gift.detail.into(),
            ],
        )?;
        Ok([groups, audit])
    }

    /// The account whose id begins with these digits, if there is one.
    pub(crate) async fn with_beginning(&self, digits: &str) -> Result<Option<AccountId>, Problem> {
        let query = "SELECT account_id FROM users WHERE account_id > ? AND account_id < ? LIMIT 1";
        let statement = self.prepare(query, &ids_with(digits))?;
        statement.first(Some("account_id")).await.map_err(unavailable)
    }

    fn identifier(
        &self,
        Shared { account, tenant, at }: &Shared,
        kind: &str,
        value: &str,
        proven_at: JsValue,
    ) -> Result<Statement, Problem> {
        let query = concat!(
            "INSERT INTO identifiers (tenant, kind, value, account_id, verified_at, created_at) VALUES (?1, ?2, ?3, ",
            owner_unless_elsewhere!("?4", in: "?7", but: "?1", "?2", "?3"),
            ", ?5, ?6)"
        );
        let (kind, value) = (kind.into(), value.into());
        let values = [tenant.clone(), kind, value, account.clone(), proven_at, at.clone(), self.as_one()];
        self.prepare(query, &values)
    }

    /// The batch is gone as a whole. Whether that was a rival or an outage, the owners of the names tell.
    async fn decided_by(
        &self,
        new: &NewAccount<'_>,
        Shared { tenant, .. }: &Shared,
        error: worker::Error,
    ) -> Result<Creation, Problem> {
        if let Some(digits) = new.order
            && self.with_beginning(digits).await?.is_some_and(|owner| owner != new.account)
        {
            return Ok(Creation::KeyReused);
        }
        let ours = new.account.to_string();
        for contact in new.contacts {
            let query = "SELECT account_id FROM identifiers WHERE tenant = ? AND kind = ? AND value = ?";
            match self.owner_of(query, &key_of(new.tenant.as_str(), contact.identifier)).await? {
                Some(owner) if owner == ours => return Ok(Creation::Ours),
                Some(_) => return Ok(Creation::Taken),
                None => {}
            }
            let (kind, value) = (contact.identifier.kind(), contact.identifier.value());
            if self.is_elsewhere(new.tenant.as_str(), kind, value).await? {
                return Ok(Creation::Taken);
            }
        }
        if let Some(username) = new.username {
            let query = "SELECT owner_id AS account_id FROM owner_names WHERE tenant = ? AND name = ?";
            match self.owner_of(query, &[tenant.clone(), username.as_str().into()]).await? {
                Some(owner) if owner == ours => return Ok(Creation::Ours),
                Some(_) => return Ok(Creation::UsernameTaken),
                None => {}
            }
            if self.is_elsewhere(new.tenant.as_str(), IdentifierKind::Username, username.as_str()).await? {
                return Ok(Creation::UsernameTaken);
            }
        }
        if let Some(gift) = new.gift {
            let statement =
                self.prepare(concat!("SELECT ", all_defined!("?"), " AS defined"), &[gift.besides.into()])?;
            let is_defined: Option<u32> = statement.first(Some("defined")).await.map_err(unavailable)?;
            if is_defined == Some(0) {
                return Err(Problem::definition_conflict());
            }
        }
        Err(unavailable(error))
    }

    pub(super) async fn owner_of(&self, query: &str, values: &[JsValue]) -> Result<Option<String>, Problem> {
        self.prepare(query, values)?.first(Some("account_id")).await.map_err(unavailable)
    }
}

/// Between which two texts the ids are that begin with these digits.
fn ids_with(digits: &str) -> [JsValue; 2] {
    // Sorts after every digit.
    let end = format!("{digits}g");
    [digits.into(), end.into()]
}

fn written(names: &[String]) -> Result<JsValue, Problem> {
    Ok(json::write(names).map_err(|error| Problem::internal("names", error))?.into())
}
