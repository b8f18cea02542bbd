//! What is stored about one session, and what may be shown of it.

use super::device::DeviceHint;
use super::fingerprint::DeviceFingerprint;
use super::notice::CredentialChange;
use super::refresh_token::TokenParts;
use super::stored;
use crate::account::AccountStatus;
use crate::codec::{NotCanonical, base64url};
use crate::id::{AccountId, ClientId, SessionId, TenantId};
use crate::secret::Secret;
use crate::time::{UnixMillis, UnixSeconds};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// One session: one refresh-token family, one grant on one device. Written only by its account's owner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The session.
    pub id: SessionId,
    /// The tenant it was opened in. The record refuses to serve another.
    pub tenant: TenantId,
    /// The client it was granted to. Its tokens work for no other (RFC 6749 §6).
    pub client_id: ClientId,
    /// When it was opened.
    #[serde(with = "stored::millis")]
    pub created_at: UnixMillis,
    /// When its generation last advanced, or it was opened.
    #[serde(with = "stored::millis")]
    pub last_used_at: UnixMillis,
    /// From this point on it is expired, unless it is used before.
    #[serde(with = "stored::millis")]
    pub idle_expires_at: UnixMillis,
    /// From this point on it is expired, however much it is used.
    #[serde(with = "stored::millis")]
    pub absolute_expires_at: UnixMillis,
    /// The current generation of its refresh token.
    pub generation: Generation,
    /// When the current generation began.
    #[serde(with = "stored::millis")]
    pub rotated_at: UnixMillis,
    /// The edge key of the current generation's token, so that it can be answered again byte for byte.
    pub edge_key_id: u32,
    /// The key of its inner tags: 32 random bytes, base64url in JSON.
    #[serde(with = "stored::secret")]
    pub session_key: Secret<32>,
    /// The version of the credentials that opened it.
    pub credential_version: u32,
    /// How its user was authenticated: the `amr` claim (RFC 8176).
    pub amr: Vec<String>,
    /// When its user was authenticated: the `auth_time` claim.
    #[serde(with = "stored::seconds")]
    pub auth_time: UnixSeconds,
    /// The key that its holder must prove to have (RFC 9449 §6), if it is bound to one.
    #[serde(default)]
    pub key_thumbprint: Option<KeyThumbprint>,
    /// What device it was opened from.
    #[serde(default)]
    pub device: DeviceHint,
    /// What device last advanced it.
    #[serde(default)]
    pub last_device: DeviceHint,
    /// What it recognises the device by that it was opened from. A record of before this was stored has none.
    #[serde(default)]
    pub fingerprint: DeviceFingerprint,
    /// The advances that the per-session limit has counted.
    pub advances: AdvanceWindow,
    /// Whether its owner asked for it to last longer than others, and it does.
    #[serde(default)]
    pub remembered: bool,
    /// When it was first found expired.
    #[serde(default, with = "stored::optional_millis")]
    pub expired_at: Option<UnixMillis>,
    /// When and why it was revoked. Final.
    #[serde(default)]
    pub revoked: Option<Revocation>,
}

impl SessionRecord {
    /// Whether it is live, expired or revoked at `time`.
    #[must_use]
    pub fn state(&self, time: UnixMillis) -> SessionState {
        if let Some(revocation) = self.revoked {
            SessionState::Revoked(revocation.reason)
        } else if self.expired_at.is_some()
            || time >= self.idle_expires_at
            || time >= self.absolute_expires_at
        {
            SessionState::Expired
        } else {
            SessionState::Live
        }
    }

    /// The record, revoked. An earlier revocation keeps its time and reason.
    #[must_use]
    pub fn revoked(mut self, at: UnixMillis, reason: RevokeReason) -> Self {
        self.revoked.get_or_insert(Revocation { at, reason });
        self
    }

    /// The token of the current generation, but for its edge tag. Always the same while the generation lasts.
    #[must_use]
    pub fn current_token(&self, account: AccountId) -> TokenParts {
        TokenParts::new(account, self.id, self.generation, self.edge_key_id, &self.session_key)
    }

    /// What may be shown of it, with its state at `time`; `current` is the session of whoever looks.
    #[must_use]
    pub fn view(&self, time: UnixMillis, current: Option<SessionId>) -> SessionView {
        SessionView {
            id: self.id,
            client_id: self.client_id.clone(),
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            expires_at: self.idle_expires_at.min(self.absolute_expires_at),
            amr: self.amr.clone(),
            auth_time: self.auth_time,
            device: self.device.clone(),
            last_device: self.last_device.clone(),
            bound_to_key: self.key_thumbprint.is_some(),
            state: self.state(time),
            current: current == Some(self.id),
        }
    }
}

/// A session as lists show it. It has no field that could hold a key, a tag or a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// The session.
    pub id: SessionId,
    /// The client it was granted to.
    pub client_id: ClientId,
    /// When it was opened, in milliseconds.
    #[serde(with = "stored::millis")]
    pub created_at: UnixMillis,
    /// When it was last used, in milliseconds.
    #[serde(with = "stored::millis")]
    pub last_used_at: UnixMillis,
    /// When it ends if it is not used again, in milliseconds.
    #[serde(with = "stored::millis")]
    pub expires_at: UnixMillis,
    /// How its user was authenticated.
    pub amr: Vec<String>,
    /// When its user was authenticated, in seconds.
    #[serde(with = "stored::seconds")]
    pub auth_time: UnixSeconds,
    /// What device it was opened from.
    pub device: DeviceHint,
    /// What device last advanced it.
    pub last_device: DeviceHint,
    /// Whether its holder must prove to have a key.
    pub bound_to_key: bool,
    /// Whether it can be used.
    pub state: SessionState,
    /// Whether it is the session of whoever looks.
    pub current: bool,
}

/// Whether a session can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It can.
    Live,
    /// It was not used for too long, or has lasted too long.
    Expired,
    /// It was ended before its time.
    Revoked(RevokeReason),
}

/// When and why a session was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When.
    #[serde(with = "stored::millis")]
    pub at: UnixMillis,
    /// Why.
    pub reason: RevokeReason,
}

/// Why a session was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// The caller gave no reason.
    Unknown,
    /// Its own refresh token logged it out.
    Logout,
    /// Its user ended this one.
    UserRevoke,
    /// Its user ended all.
    UserRevokeAll,
    /// An administrator ended this one.
    AdminRevoke,
    /// An administrator ended all of the account's.
    AdminRevokeAll,
    /// The user changed or reset the password, or changed a factor.
    PasswordChange,
    /// The address was changed.
    EmailChange,
    /// The user changed the phone number.
    PhoneChange,
    /// An administrator set the password.
    AdminSetPassword,
    /// The account may not be used: disabled, locked, or not verified yet.
    UserDisabled,
    /// The account was banned.
    Banned,
    /// The account was deleted.
    SoftDeleted,
    /// A newer session took its place under the session cap.
    Evicted,
    /// A refresh token came back after its successor was in use: someone else may have a copy (RFC 9700 §4.14.2).
    RefreshReuseDetected,
    /// A token came from a generation that its record has not reached: the record was set back.
    StateRegressed,
    /// Its generation reached the last number.
    Exhausted,
}

impl RevokeReason {
    /// Why the sessions of an account with this status end.
    #[must_use]
    pub const fn of_status(status: AccountStatus) -> Self {
        match status {
            AccountStatus::Banned => Self::Banned,
            AccountStatus::Deleted | AccountStatus::Purged => Self::SoftDeleted,
            AccountStatus::Active
            | AccountStatus::PendingVerification
            | AccountStatus::Disabled
            | AccountStatus::Locked => Self::UserDisabled,
        }
    }

    /// Why the sessions end that were opened before this change.
    #[must_use]
    pub const fn of_change(change: CredentialChange) -> Self {
        match change {
            CredentialChange::PasswordChanged | CredentialChange::PasswordReset => Self::PasswordChange,
            CredentialChange::PasswordSet => Self::AdminSetPassword,
            CredentialChange::EmailChanged | CredentialChange::EmailSet => Self::EmailChange,
            CredentialChange::PhoneChanged | CredentialChange::PhoneSet | CredentialChange::PhoneRemoved => {
                Self::PhoneChange
            }
        }
    }

    /// The stable name, as it is stored.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Logout => "logout",
            Self::UserRevoke => "user_revoke",
            Self::UserRevokeAll => "user_revoke_all",
            Self::AdminRevoke => "admin_revoke",
            Self::AdminRevokeAll => "admin_revoke_all",
            Self::PasswordChange => "password_change",
            Self::EmailChange => "email_change",
            Self::PhoneChange => "phone_change",
            Self::AdminSetPassword => "admin_set_password",
            Self::UserDisabled => "user_disabled",
            Self::Banned => "banned",
            Self::SoftDeleted => "soft_deleted",
            Self::Evicted => "evicted",
            Self::RefreshReuseDetected => "refresh_reuse_detected",
            Self::StateRegressed => "state_regressed",
            Self::Exhausted => "exhausted",
        }
    }
}

/// How often a session's refresh token was replaced: 0 for the first token, then one more each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(u32);

impl Generation {
    /// The generation of a newly opened session.
    pub const FIRST: Self = Self(0);
    /// The last one: a session that would need another is revoked as exhausted.
    pub const MAX: Self = Self(u32::MAX);

    /// The generation with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The one after it; `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// The thumbprint of a client's key: SHA-256 as RFC 7638 has it, the `jkt` of RFC 9449 §6.1.
/// Its text form is base64url, 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyThumbprint([u8; 32]);

impl KeyThumbprint {
    /// The thumbprint made of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the thumbprint.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for KeyThumbprint {
    type Err = NotCanonical;

    fn from_str(text: &str) -> Result<Self, NotCanonical> {
        base64url::decode_array(text.as_bytes()).map(Self)
    }
}

impl fmt::Display for KeyThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for KeyThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyThumbprint({self})")
    }
}

impl Serialize for KeyThumbprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyThumbprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = alloc::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The advances of one session that still count for its refresh limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvanceWindow {
    /// When the oldest of them was, or would have been at the full rate.
    #[serde(with = "stored::millis")]
    pub started_at: UnixMillis,
    /// How many there are.
    pub count: u32,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::account::{AccountRecord, ObjectClock};
    use crate::permission::AuthorizationSnapshot;
    use alloc::boxed::Box;
    use std::format;
    use std::string::ToString;
    use std::vec;

    /// An active account that owns `session()`.
    pub(crate) fn account() -> AccountRecord {
        AccountRecord {
            id: AccountId::from_bytes([1; 16]),
            tenant: "acme".parse().unwrap(),
            status: AccountStatus::Active,
            cause: None,
            account_version: 4,
            credential_version: 1,
            fenced_version: 0,
            authorization: Box::new(AuthorizationSnapshot {
                roles: vec!["editor".into()],
                permission_mask: "AAAAAAAAAAM".into(),
                registry_version: 1,
                version: 1,
                ..AuthorizationSnapshot::default()
            }),
            entitlements: Default::default(),
            clock: ObjectClock::default(),
        }
    }

    /// A live session of generation 0, opened at 1,000,000 ms.
    pub(crate) fn session() -> SessionRecord {
        let opened_at = UnixMillis::new(1_000_000);
        SessionRecord {
            id: SessionId::from_bytes([2; 16]),
            tenant: "acme".parse().unwrap(),
            client_id: "web".parse().unwrap(),
            created_at: opened_at,
            last_used_at: opened_at,
            idle_expires_at: UnixMillis::new(1_000_000 + 3_600_000),
            absolute_expires_at: UnixMillis::new(1_000_000 + 86_400_000),
            generation: Generation::FIRST,
            rotated_at: opened_at,
            edge_key_id: 7,
            session_key: Secret::new([5; 32]),
            credential_version: 1,
            amr: vec!["pwd".into()],
            auth_time: opened_at.to_seconds(),
            key_thumbprint: None,
            device: DeviceHint::new(Some("Firefox"), Some("192.0.2.1")),
            last_device: DeviceHint::new(Some("Firefox"), Some("192.0.2.1")),
            fingerprint: DeviceFingerprint::of_bytes(Some(1), Some(2)),
            advances: AdvanceWindow { started_at: opened_at, count: 0 },
            remembered: false,
            expired_at: None,
            revoked: None,
        }
    }

    #[test]
    fn a_record_survives_storage_and_its_secret_is_base64url() {
        let mut record = session();
        record.key_thumbprint = Some(KeyThumbprint::from_bytes([8; 32]));
        record.expired_at = Some(UnixMillis::new(9));
        let record = record.revoked(UnixMillis::new(5), RevokeReason::UserRevoke);
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains(&format!(r#""session_key":"{}""#, base64url::encode(&[5; 32]))), "{text}");
        let again: SessionRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
        assert!(again.session_key.ct_eq(&record.session_key));
        let before_fingerprints = text.replace(
            r#""fingerprint":{"network":"AQEBAQEBAQEBAQEBAQEBAQ","user_agent":"AgICAgICAgICAgICAgICAg"},"#,
            "",
        );
        assert_ne!(before_fingerprints, text);
        assert!(serde_json::from_str::<SessionRecord>(&before_fingerprints).is_ok());
        let short_key = text.replace(&base64url::encode(&[5; 32]), &base64url::encode(&[5; 31]));
        assert!(serde_json::from_str::<SessionRecord>(&short_key).is_err());
    }

    #[test]
    fn neither_debug_nor_a_view_shows_the_key() {
        let record = session();
        assert!(format!("{record:?}").contains("session_key: [redacted]"));
        let view = serde_json::to_string(&record.view(UnixMillis::new(1_000_001), Some(record.id))).unwrap();
        for leak in ["key\":\"", "fingerprint", "AQEBAQ", "generation", "tag", &base64url::encode(&[5; 32])] {
            assert!(!view.contains(leak), "{leak} in {view}");
        }
        assert!(view.contains(r#""current":true"#) && view.contains(r#""state":"live""#), "{view}");
        assert!(!record.view(UnixMillis::new(0), None).current);
    }

    #[test]
    fn a_session_is_expired_from_the_first_millisecond_of_its_expiry() {
        let record = session();
        assert_eq!(record.state(UnixMillis::new(4_599_999)), SessionState::Live);
        assert_eq!(record.state(UnixMillis::new(4_600_000)), SessionState::Expired);
        let long_idle = SessionRecord { idle_expires_at: UnixMillis::new(u64::MAX), ..session() };
        assert_eq!(long_idle.state(UnixMillis::new(87_399_999)), SessionState::Live);
        assert_eq!(long_idle.state(UnixMillis::new(87_400_000)), SessionState::Expired);
        let marked = SessionRecord { expired_at: Some(UnixMillis::new(1)), ..session() };
        assert_eq!(marked.state(UnixMillis::new(1_000_000)), SessionState::Expired);
    }

    #[test]
    fn the_first_revocation_stands() {
        let record = session()
            .revoked(UnixMillis::new(5), RevokeReason::Logout)
            .revoked(UnixMillis::new(6), RevokeReason::Banned);
        assert_eq!(record.revoked, Some(Revocation { at: UnixMillis::new(5), reason: RevokeReason::Logout }));
        assert_eq!(record.state(UnixMillis::new(u64::MAX)), SessionState::Revoked(RevokeReason::Logout));
    }

    #[test]
    fn reasons_are_stored_by_their_code() {
        for reason in [
            RevokeReason::Unknown,
            RevokeReason::Logout,
            RevokeReason::UserRevoke,
            RevokeReason::UserRevokeAll,
            RevokeReason::AdminRevoke,
            RevokeReason::AdminRevokeAll,
            RevokeReason::PasswordChange,
            RevokeReason::EmailChange,
            RevokeReason::AdminSetPassword,
            RevokeReason::UserDisabled,
            RevokeReason::Banned,
            RevokeReason::SoftDeleted,
            RevokeReason::Evicted,
            RevokeReason::RefreshReuseDetected,
            RevokeReason::StateRegressed,
            RevokeReason::Exhausted,
        ] {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{}\"", reason.code()));
        }
    }

    #[test]
    fn a_thumbprint_has_one_text_form() {
        let thumbprint = KeyThumbprint::from_bytes([8; 32]);
        assert_eq!(thumbprint.to_string().parse(), Ok(thumbprint));
        assert_eq!("AAAA".parse::<KeyThumbprint>(), Err(NotCanonical));
        assert_eq!(format!("{thumbprint}=").parse::<KeyThumbprint>(), Err(NotCanonical));
    }

    #[test]
    fn generations_end() {
        assert_eq!(Generation::FIRST.next(), Some(Generation::new(1)));
        assert_eq!(Generation::MAX.next(), None);
    }
}
