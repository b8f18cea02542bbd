//! The directory in D1: what `me` shows and changes.

use crate::store::directory::{Directory, last_login, millis, unavailable};
use crate::wire::problem::Problem;
use postern_core::config::ProfileClaim;
use postern_core::id::{AccountId, TenantId};
use postern_core::identifier::{Identifier, IdentifierKind};
use postern_core::json;
use postern_core::jwt::CustomClaims;
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use worker::wasm_bindgen::JsValue;

/// What `me` shows.
#[derive(Deserialize)]
pub(crate) struct Profile {
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) name: String,
    pub(crate) biography: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) created_at: u64,
    pub(crate) updated_at: Option<u64>,
    /// A copy: it follows the account within seconds.
    pub(crate) last_login_at: Option<u64>,
    /// When the address was proven.
    pub(crate) verified_at: Option<u64>,
    /// When the number was proven.
    pub(crate) phone_verified_at: Option<u64>,
    /// 1 with a password, 0 without.
    has_password: u8,
    /// The address that the account is to have, unless another change has made its code worthless.
    pending_email: Option<String>,
    pending_until: Option<u64>,
    /// The same for a number.
    pending_phone: Option<String>,
    pending_phone_until: Option<u64>,
}

/// The claims of an access token under the names of OpenID Connect Core §5.1.
#[derive(Serialize)]
struct ProfileClaims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
}

impl Profile {
    pub(crate) const fn has_password(&self) -> bool {
        self.has_password != 0
    }

    /// The claims of an access token that are wanted, as far as there is something to say.
    pub(crate) fn claims(&self, wanted: &[ProfileClaim]) -> Result<CustomClaims, Problem> {
        let wants = |claim| wanted.contains(&claim);
        let claims = ProfileClaims {
            email: self.email.as_deref().filter(|_| wants(ProfileClaim::Email)),
            email_verified: wants(ProfileClaim::EmailVerified).then_some(self.verified_at.is_some()),
            preferred_username: self.username.as_deref().filter(|_| wants(ProfileClaim::PreferredUsername)),
            name: Some(&*self.name).filter(|_| wants(ProfileClaim::Name)),
            locale: self.locale.as_deref().filter(|_| wants(ProfileClaim::Locale)),
        };
        let failed = |error: &dyn std::fmt::Display| Problem::internal("profile claims", error);
        let text = json::write(&claims).map_err(|error| failed(&error))?;
        CustomClaims::from_json(&text).map_err(|error| failed(&error))
    }

    /// The address or number that the account will have once its code comes back.
    pub(crate) fn pending(&self, kind: IdentifierKind, now: UnixMillis) -> Option<&str> {
        let (pending, until) = match kind {
            IdentifierKind::Phone => (&self.pending_phone, self.pending_phone_until),
            IdentifierKind::Email | IdentifierKind::Username => (&self.pending_email, self.pending_until),
        };
        pending.as_deref().filter(|_| until.is_some_and(|until| now.as_millis() < until))
    }
}

/// What its owner changes of a profile. `Some(None)` removes.
#[derive(Default)]
pub(crate) struct ProfileChange {
    pub(crate) name: Option<String>,
    pub(crate) biography: Option<Option<String>>,
    pub(crate) locale: Option<Option<String>>,
}

impl ProfileChange {
    pub(crate) const fn is_empty(&self) -> bool {
        self.name.is_none() && self.biography.is_none() && self.locale.is_none()
    }
}

impl Directory {
    pub(crate) async fn profile(
        &self,
        tenant: &str,
        account: &AccountId,
    ) -> Result<Option<Profile>, Problem> {
        let query = concat!(
            "SELECT u.email, u.phone, u.username, u.name, u.biography, u.locale, u.created_at, u.updated_at, ",
            last_login!(),
            " AS last_login_at, i.verified_at, \
                     p.verified_at AS phone_verified_at, c.password_hash IS NOT NULL AS has_password, \
                     e.email AS pending_email, e.expires_at AS pending_until, \
                     f.phone AS pending_phone, f.expires_at AS pending_phone_until \
                     FROM users u JOIN credentials c ON c.account_id = u.account_id \
                     LEFT JOIN identifiers i ON i.tenant = u.tenant AND i.kind = 'email' AND i.value = u.email \
                     LEFT JOIN identifiers p ON p.tenant = u.tenant AND p.kind = 'phone' AND p.value = u.phone \
                     LEFT JOIN phone_changes f ON f.account_id = u.account_id \
                     AND (c.operation_id IS NULL OR f.requested_at > c.updated_at) \
                     LEFT JOIN email_changes e ON e.account_id = u.account_id \
                     AND (c.operation_id IS NULL OR e.requested_at > c.updated_at) \
                     WHERE u.account_id = ? AND u.tenant = ?"
        );
        let statement = self.prepare(query, &[account.to_string().into(), tenant.into()])?;
        statement.first(None).await.map_err(unavailable)
    }

    pub(crate) async fn change_profile(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        change: ProfileChange,
        now: UnixMillis,
    ) -> Result<(), Problem> {
        let mut query = String::from("UPDATE users SET updated_at = ?");
        let mut values = vec![millis(now)];
        for (column, value) in [
            (", name = ?", change.name.map(Some)),
            (", biography = ?", change.biography),
            (", locale = ?", change.locale),
        ] {
            if let Some(value) = value {
                query.push_str(column);
                values.push(value.map_or(JsValue::NULL, JsValue::from));
            }
        }
        query.push_str(" WHERE account_id = ? AND tenant = ?");
        values.extend([account.to_string().into(), tenant.as_str().into()]);
        self.prepare(&query, &values)?.run().await.map_err(unavailable)
    }

    /// Remembers the address or number that an account wants to have, until it has it or the time is over.
    pub(crate) async fn want_contact(
        &self,
        account: &AccountId,
        to: &Identifier,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<(), Problem> {
        let query = "INSERT OR REPLACE INTO {kind}_changes (account_id, {kind}, requested_at, expires_at) VALUES (?, ?, ?, ?)";
        let query = query.replace("{kind}", to.kind().as_str());
        let values = [account.to_string().into(), to.value().into(), millis(now), millis(until)];
        self.prepare(&query, &values)?.run().await.map_err(unavailable)
    }

    /// Forgets addresses and numbers that nobody has confirmed in time.
    pub(crate) async fn forget_contact_changes(&self, now: UnixMillis) -> Result<(), Problem> {
        let emails = self.prepare("DELETE FROM email_changes WHERE expires_at <= ?", &[millis(now)])?;
        let phones = self.prepare("DELETE FROM phone_changes WHERE expires_at <= ?", &[millis(now)])?;
        self.batch(vec![emails, phones]).await
    }
}
