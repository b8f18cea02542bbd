//! The right to be issued access tokens. Signing takes a [`Grant`] and nothing else, and a [`Grant`] comes only
//! from an account's owner, who saw every proof and had the last word.

mod unsigned;

pub use unsigned::UnsignedAccessToken;

use crate::account::AccountRecord;
use crate::id::{AccountId, ClientId, SessionId, TenantId, TokenId};
use crate::jwt::{AccessTokenClaims, SignError, SigningKey, VerifyingKey, sign_access_token};
use crate::session::{KeyThumbprint, SessionRecord};
use crate::time::{Seconds, UnixSeconds};
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
}

impl Admission {
    /// What the owner of `account` says of its live `session`.
    #[must_use]
    pub fn of(account: &AccountRecord, session: &SessionRecord) -> Self {
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
    pub const fn assertion(admission: Admission) -> Self {
        Self { admission }
    }

    /// Signs the access token of this grant (RFC 9068).
    ///
    /// # Errors
    ///
    /// The error of the signer: the profile has no audience or no lifetime, or the token would be too large.
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
        Ok(AccessTokenClaims {
            issuer: profile.issuer.clone(),
            audiences: profile.audience.clone(),
            subject: admission.account,
            client_id: admission.client_id,
            issued_at: now,
            expires_at: now.plus(profile.access_ttl),
            token_id,
            session_id: admission.session,
            tenant: admission.tenant,
            account_version: admission.account_version.into(),
            roles: admission.roles,
            permission_mask: Some(admission.permission_mask),
            registry_version: Some(admission.registry_version.into()),
            organization: None,
            entitlements: Vec::new(),
            authentication_methods: admission.amr,
            authenticated_at: Some(UnixSeconds::new(admission.auth_time)),
            authentication_class: None,
            confirmation_thumbprint: admission.key_thumbprint.map(|thumbprint| thumbprint.to_string()),
            custom: serde_json::Map::new(),
        })
    }
}

/// The life of these claims in seconds.
fn expires_in(claims: &AccessTokenClaims) -> u32 {
    let seconds = claims.expires_at.as_secs().saturating_sub(claims.issued_at.as_secs());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
