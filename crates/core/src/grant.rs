//! The right to be issued access tokens. Signing takes a [`Grant`] and nothing else, and a [`Grant`] comes only
//! from an account's owner, who saw every proof and had the last word.

mod organization;
#[cfg(test)]
mod tests;
mod unsigned;

pub use organization::{OrganizationAccess, OrganizationAccessError};
pub use unsigned::UnsignedAccessToken;

use crate::account::AccountRecord;
use crate::authentication::AuthenticationClass;
use crate::id::{AccountId, ClientId, SessionId, TenantId, TokenId};
use crate::jwt::{
    AccessTokenClaims, Claim, CustomClaims, SignError, SigningKey, VerifyingKey, sign_access_token,
};
use crate::permission::PermissionMask;
use crate::session::{KeyThumbprint, SessionRecord};
use crate::time::{Seconds, UnixMillis, UnixSeconds};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What an account's owner admitted, as a message to the edge. Anyone can write one down; [`Grant::assertion`]
/// is where it is believed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Admission {
    /// Whose session.
    pub account: AccountId,
    /// In which tenant.
    pub tenant: TenantId,
    /// Which session.
    pub session: SessionId,
    /// Granted to which client.
    pub client_id: ClientId,
    /// The account version: tokens with a lower one are stale.
    pub account_version: u32,
    /// Names of the roles.
    pub roles: Vec<String>,
    /// The effective permission mask in base64url.
    pub permission_mask: String,
    /// The registry that the mask was built with.
    pub registry_version: u32,
    /// How the user was authenticated (RFC 8176).
    pub amr: Vec<String>,
    /// When the user was authenticated, in seconds since the epoch.
    pub auth_time: u64,
    /// The key that the session is bound to, if any (RFC 9449 §6).
    pub key_thumbprint: Option<KeyThumbprint>,
    /// Names of the entitlements that count now.
    #[serde(default)]
    pub entitlements: Vec<String>,
    /// Whether the session is one that lasts longer, as its owner asked: how long cookies are kept.
    #[serde(default)]
    pub remembered: bool,
}

impl Admission {
    /// What the owner of `account` says of its live `session` at a moment.
    #[must_use]
    pub fn of(account: &AccountRecord, session: &SessionRecord, now: UnixMillis) -> Self {
        Self {
            account: account.id,
            tenant: account.tenant.clone(),
            session: session.id,
            client_id: session.client_id.clone(),
            account_version: account.account_version,
            roles: account.authorization.roles.clone(),
            permission_mask: account.authorization.permission_mask.clone(),
            registry_version: account.authorization.registry_version,
            amr: session.amr.clone(),
            auth_time: session.auth_time.as_secs(),
            key_thumbprint: session.key_thumbprint,
            entitlements: account.entitlements.names_at(account.clock.read(now)),
            remembered: session.remembered,
        }
    }
}

/// The right to be issued one access token. It is consumed by signing.
///
/// It cannot be written down by hand:
///
/// ```compile_fail
/// let grant = postern_core::grant::Grant { admission: todo!() };
/// ```
#[derive(Debug)]
pub struct Grant {
    admission: Admission,
    organization: Option<OrganizationAccess>,
    entitlements: Vec<String>,
    custom: CustomClaims,
}

/// What every access token of a deployment has in common.
#[derive(Clone, Debug)]
pub struct TokenProfile {
    /// The issuer URL: the `iss` claim.
    pub issuer: String,
    /// For whom the tokens are: the `aud` claim.
    pub audience: Vec<String>,
    /// How long they live, 1 second or more.
    pub access_ttl: Seconds,
    /// The longest that one with a root mask lives, 1 second or more; never longer than the others.
    pub root_ttl: Seconds,
}

impl TokenProfile {
    /// The life of a root token unless configured otherwise, and the most that can be: 2 minutes.
    pub const MOST_ROOT_TTL: Seconds = Seconds::new(120);

    fn ttl_of(&self, mask: &PermissionMask) -> Seconds {
        if mask.is_root() { self.access_ttl.min(self.root_ttl) } else { self.access_ttl }
    }
}

/// A signed access token and what its client is told about it.
pub struct IssuedToken {
    /// The compact serialization (RFC 7515 §7.1).
    pub access_token: String,
    /// Seconds until it expires.
    pub expires_in: u32,
}

impl Grant {
    /// Re-asserts, at the edge, what the account's owner has answered.
    ///
    /// A proof cannot cross a process boundary. Call this in one place only: where the edge reads the answer of
    /// an account's owner.
    #[must_use]
    pub fn assertion(admission: Admission) -> Self {
        let entitlements = admission.entitlements.clone();
        Self { admission, organization: None, entitlements, custom: CustomClaims::default() }
    }

    /// The same grant, for a token that acts in one organization: it has that organization's roles and permissions
    /// and none of the global ones.
    #[must_use]
    pub fn in_organization(self, access: OrganizationAccess) -> Self {
        Self { organization: Some(access), ..self }
    }

    /// The same grant with the names of these entitlements, in place of the owner's.
    #[must_use]
    pub fn with_entitlements(self, entitlements: Vec<String>) -> Self {
        Self { entitlements, ..self }
    }

    /// The same grant with these custom claims.
    #[must_use]
    pub fn with_custom_claims(self, custom: CustomClaims) -> Self {
        Self { custom, ..self }
    }

    /// How its tokens are presented (RFC 6749 §7.1): `DPoP` where their session is bound to a key (RFC 9449 §5), else
    /// `Bearer`.
    #[must_use]
    pub const fn token_type(&self) -> &'static str {
        if self.admission.key_thumbprint.is_some() { "DPoP" } else { "Bearer" }
    }

    /// Signs the access token of this grant (RFC 9068). With a root mask it lives no longer than the profile's
    /// `root_ttl`, also when a host signs it: no other way leads to a token.
    ///
    /// # Errors
    ///
    /// The error of the signer: the profile has no audience or no lifetime, the admission's mask is no mask, or the
    /// token would be too large.
    pub fn sign(
        self,
        key: &SigningKey,
        profile: &TokenProfile,
        token_id: TokenId,
        now: UnixSeconds,
    ) -> Result<IssuedToken, SignError> {
        let claims = self.claims(profile, token_id, now)?;
        let access_token = sign_access_token(key, &claims)?;
        Ok(IssuedToken { access_token, expires_in: expires_in(&claims) })
    }

    /// Prepares the access token of this grant for a host that signs it with the private half of this key: an RSA key
    /// always, as core has no RSA signatures, and any other that lives outside.
    ///
    /// # Errors
    ///
    /// As for [`sign`](Self::sign).
    pub fn prepare(
        self,
        key: &VerifyingKey,
        profile: &TokenProfile,
        token_id: TokenId,
        now: UnixSeconds,
    ) -> Result<UnsignedAccessToken, SignError> {
        UnsignedAccessToken::new(key, &self.claims(profile, token_id, now)?)
    }

    fn claims(
        self,
        profile: &TokenProfile,
        token_id: TokenId,
        now: UnixSeconds,
    ) -> Result<AccessTokenClaims, SignError> {
        let admission = self.admission;
        let access = match self.organization {
            Some(access) => Access::in_organization(access),
            None => {
                Access::everywhere(admission.roles, &admission.permission_mask, admission.registry_version)?
            }
        };
        let ttl = profile.ttl_of(&access.permissions);
        Ok(AccessTokenClaims {
            issuer: profile.issuer.clone(),
            audiences: profile.audience.clone(),
            subject: admission.account,
            client_id: admission.client_id,
            issued_at: now,
            expires_at: now.plus(ttl),
            token_id,
            session_id: admission.session,
            tenant: admission.tenant,
            account_version: admission.account_version.into(),
            roles: access.roles,
            permission_mask: Some(access.permissions.to_text()),
            registry_version: Some(access.registry_version.into()),
            organization: access.organization,
            entitlements: self.entitlements,
            authentication_class: Some(AuthenticationClass::of(&admission.amr).as_str().into()),
            authentication_methods: admission.amr,
            authenticated_at: Some(UnixSeconds::new(admission.auth_time)),
            confirmation_thumbprint: admission.key_thumbprint.map(|thumbprint| thumbprint.to_string()),
            custom: self.custom,
        })
    }
}

/// What the token allows, and where.
struct Access {
    organization: Option<String>,
    roles: Vec<String>,
    permissions: PermissionMask,
    registry_version: u32,
}

impl Access {
    fn everywhere(roles: Vec<String>, mask: &str, registry_version: u32) -> Result<Self, SignError> {
        let permissions = PermissionMask::from_stored_text(mask)
            .map_err(|_| SignError::ClaimMalformed(Claim::PermissionMask))?;
        Ok(Self { organization: None, roles, permissions, registry_version })
    }

    fn in_organization(access: OrganizationAccess) -> Self {
        let OrganizationAccess { organization, roles, permissions, registry_version } = access;
        Self { organization: Some(organization), roles, permissions, registry_version }
    }
}

/// The life of these claims in seconds.
fn expires_in(claims: &AccessTokenClaims) -> u32 {
    let seconds = claims.expires_at.as_secs().saturating_sub(claims.issued_at.as_secs());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
