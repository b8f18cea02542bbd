//! What an account was given, by name, and what its tokens say of it.

use alloc::string::String;
use alloc::vec::Vec;

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
    /// The most groups of an account.
    pub const MOST_GROUPS: usize = 100;
    /// The most permissions that an account has by itself.
    pub const MOST_PERMISSIONS: usize = 128;

    /// What a new account has: these roles and nothing else. Not resolved.
    #[must_use]
    pub fn of_roles(roles: Vec<String>) -> Self {
        Self { roles, ..Self::default() }
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

#[cfg(all(test, feature = "issue"))]
mod tests {
    use super::*;
    use alloc::vec;

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
            ["has_root", "groups", "memberships"].iter().all(|name| !written.contains(name)),
            "{written}"
        );
    }
}
