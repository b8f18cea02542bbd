//! What an account was given, by name, and what its tokens say of it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What the account was given and what it may do by that: a snapshot of what the database holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AuthorizationSnapshot {
    /// Names of the roles, as the `roles` claim has them; the first is the primary one.
    pub roles: Vec<String>,
    /// Names of the groups that the account is in. No token carries them.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub groups: Vec<String>,
    /// Names of the permissions that it has by itself.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub permissions: Vec<String>,
    /// Whether root was granted to it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_false"))]
    pub has_root: bool,
    /// Raised by every change of what it was given. An older snapshot never replaces a newer one.
    #[cfg_attr(feature = "serde", serde(default))]
    pub version: u32,
    /// Raised when the account's roles in an organization change, or it leaves one: what its tokens say of that is no
    /// longer true.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_zero"))]
    pub memberships: u32,
    /// The effective permission mask, as the `pm` claim has it: base64url, big-endian, of the registry's width. Empty
    /// until it is resolved.
    pub permission_mask: String,
    /// The permission registry that the mask was built with: the `pr` claim.
    pub registry_version: u32,
    /// The revision of the definitions that the mask was built with; 0 for the configuration alone. With an older one it
    /// must not be built anew.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_zero"))]
    pub definitions: u32,
}

#[cfg(feature = "serde")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(feature = "serde")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl AuthorizationSnapshot {
    /// The most roles of an account. What a token carries stays below its size cap.
    pub const MOST_ROLES: usize = 64;
    /// What the names of the roles have together at most, in bytes: tokens carry them all.
    pub const MOST_ROLE_BYTES: usize = 1_024;
    /// The most groups of an account.
    pub const MOST_GROUPS: usize = 100;
    /// The most permissions that an account has by itself.
    pub const MOST_PERMISSIONS: usize = 128;

    /// What a new account has: these roles and nothing else. Not resolved.
    #[must_use]
    pub fn of_roles(roles: Vec<String>) -> Self {
        Self { roles, ..Self::default() }
    }

    /// Whether an account may be given as much.
    ///
    /// # Errors
    ///
    /// The first limit that the roles or permissions exceed.
    pub fn check_size(&self) -> Result<(), AuthorizationError> {
        if self.roles.len() > Self::MOST_ROLES {
            return Err(AuthorizationError::TooManyRoles);
        }
        if self.roles.iter().map(String::len).sum::<usize>() > Self::MOST_ROLE_BYTES {
            return Err(AuthorizationError::LongRoles);
        }
        if self.permissions.len() > Self::MOST_PERMISSIONS {
            return Err(AuthorizationError::TooManyPermissions);
        }
        Ok(())
    }

    /// Whether tokens say the same with either.
    #[must_use]
    pub fn reads_as(&self, other: &Self) -> bool {
        self.roles == other.roles
            && self.permission_mask == other.permission_mask
            && self.registry_version == other.registry_version
            && self.memberships == other.memberships
    }
}

/// Why an account cannot be given something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationError {
    /// More roles than [`AuthorizationSnapshot::MOST_ROLES`].
    TooManyRoles,
    /// Names of roles with more bytes than [`AuthorizationSnapshot::MOST_ROLE_BYTES`].
    LongRoles,
    /// More permissions than [`AuthorizationSnapshot::MOST_PERMISSIONS`].
    TooManyPermissions,
    /// The configuration has no role of this name.
    UnknownRole(String),
    /// The registry has no permission of this name.
    UnknownPermission(String),
}

impl AuthorizationError {
    /// What it is about: `roles` or `permissions`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::TooManyRoles | Self::LongRoles | Self::UnknownRole(_) => "roles",
            Self::TooManyPermissions | Self::UnknownPermission(_) => "permissions",
        }
    }
}

impl fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ROLES: usize = AuthorizationSnapshot::MOST_ROLES;
        const BYTES: usize = AuthorizationSnapshot::MOST_ROLE_BYTES;
        const PERMISSIONS: usize = AuthorizationSnapshot::MOST_PERMISSIONS;
        match self {
            Self::TooManyRoles => write!(f, "must be at most {ROLES} in all"),
            Self::LongRoles => write!(f, "must have at most {BYTES} bytes together"),
            Self::TooManyPermissions => write!(f, "must be at most {PERMISSIONS} in all"),
            Self::UnknownRole(name) => write!(f, "must be names of permissions.roles, and {name:?} is none"),
            Self::UnknownPermission(name) => {
                write!(f, "must be names of permissions.names, and {name:?} is none")
            }
        }
    }
}

impl core::error::Error for AuthorizationError {}

/// Names without those of `remove`, followed by those of `add` that are not there yet; each once, in the same order.
#[must_use]
pub fn amended(names: &[String], add: &[String], remove: &[String]) -> Vec<String> {
    let mut amended: Vec<String> = Vec::with_capacity(names.len().saturating_add(add.len()));
    for name in names.iter().filter(|name| !remove.contains(name)).chain(add) {
        if !amended.contains(name) {
            amended.push(name.clone());
        }
    }
    amended
}

#[cfg(all(test, feature = "issue"))]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn an_account_is_given_no_more_than_tokens_can_say() {
        let named = |count: usize, bytes: usize| vec!["r".repeat(bytes); count];
        let size = |roles, permissions| {
            AuthorizationSnapshot { permissions, ..AuthorizationSnapshot::of_roles(roles) }.check_size()
        };
        assert_eq!(size(named(64, 16), named(128, 64)), Ok(()));
        assert_eq!(size(named(65, 1), vec![]), Err(AuthorizationError::TooManyRoles));
        assert_eq!(size(named(41, 25), vec![]), Err(AuthorizationError::LongRoles));
        assert_eq!(size(named(1, 1_025), named(129, 1)), Err(AuthorizationError::LongRoles));
        assert_eq!(size(vec![], named(129, 1)), Err(AuthorizationError::TooManyPermissions));
    }

    #[test]
    fn names_are_amended_in_order_and_once_each() {
        let names = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        for (before, add, remove, after) in [
            ("abc", "", "", "abc"),
            ("abc", "ad", "b", "acd"),
            ("", "aba", "", "ab"),
            ("a", "a", "a", "a"),
            ("ab", "", "xy", "ab"),
            ("aab", "c", "", "abc"),
        ] {
            assert_eq!(amended(&names(before), &names(add), &names(remove)), names(after), "{before} {add}");
        }
    }

    #[test]
    fn a_record_of_before_is_read() {
        let text =
            r#"{"roles":["reader"],"permission_mask":"AQ","registry_version":1,"authorization_version":7}"#;
        let read: AuthorizationSnapshot = crate::json::record::read(text.as_bytes()).unwrap();
        let expected = AuthorizationSnapshot {
            permission_mask: "AQ".into(),
            registry_version: 1,
            ..AuthorizationSnapshot::of_roles(vec!["reader".into()])
        };
        assert_eq!(read, expected);
        let written = crate::json::write(&read).unwrap();
        assert!(
            ["has_root", "groups", "memberships", "definitions"].iter().all(|name| !written.contains(name)),
            "{written}"
        );
    }
}
