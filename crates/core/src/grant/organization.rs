//! What a member may do in one organization: roles and a mask that take the place of the global ones.

use crate::permission::PermissionMask;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

/// The access that a membership gives, for a token that acts in that organization and nowhere else.
///
/// Whether somebody is a member is known to the owner of memberships; ask it before this is made. Never root: an
/// organization rules itself and not the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationAccess {
    pub(super) organization: String,
    pub(super) roles: Vec<String>,
    pub(super) permissions: PermissionMask,
    pub(super) registry_version: u32,
}

/// Why an access to an organization cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationAccessError {
    /// The name is not the canonical one: 1 to 64 of `a-z 0-9 -`, with a letter or digit at both ends.
    BadName,
    /// The mask is root.
    Root,
}

impl fmt::Display for OrganizationAccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadName => "an organization's name is 1 to 64 of a-z 0-9 -, with no hyphen at the ends",
            Self::Root => "an organization cannot grant root",
        })
    }
}

impl core::error::Error for OrganizationAccessError {}

impl OrganizationAccess {
    /// The access of a member to the organization of this canonical name (its slug): the names of the roles held
    /// there, and the mask that the organization's bundle and those roles come to, under that registry version.
    ///
    /// # Errors
    ///
    /// [`OrganizationAccessError`].
    pub fn new(
        organization: &str,
        roles: Vec<String>,
        permissions: PermissionMask,
        registry_version: u32,
    ) -> Result<Self, OrganizationAccessError> {
        if !is_canonical(organization) {
            return Err(OrganizationAccessError::BadName);
        }
        if permissions.is_root() {
            return Err(OrganizationAccessError::Root);
        }
        Ok(Self { organization: organization.to_string(), roles, permissions, registry_version })
    }
}

fn is_canonical(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::MaskWidth;

    #[test]
    fn names_are_canonical_and_masks_never_root() {
        let empty = PermissionMask::empty(MaskWidth::Bits64);
        let longest = "o".repeat(64);
        let too_long = "o".repeat(65);
        for name in ["", "Acme", "ac me", "-acme", "acme-", "acm\u{e9}", "a/b", "a_b", "a.b", &too_long] {
            let refused = OrganizationAccess::new(name, Vec::new(), empty, 1);
            assert_eq!(refused.err(), Some(OrganizationAccessError::BadName), "{name:?}");
        }
        for name in ["a", "acme", "acme-2", "0", &longest] {
            assert!(OrganizationAccess::new(name, Vec::new(), empty, 1).is_ok(), "{name:?}");
        }
        for width in MaskWidth::ALL {
            let refused = OrganizationAccess::new("acme", Vec::new(), PermissionMask::root(width), 1);
            assert_eq!(refused.err(), Some(OrganizationAccessError::Root), "{width:?}");
        }
    }
}
