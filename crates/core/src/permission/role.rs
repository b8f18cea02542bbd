//! Roles: masks with a name.

use super::{MaskWidth, PermissionMask, PermissionName, PermissionRegistry, RegistryError, RoleName};
use alloc::vec::Vec;
use core::fmt;

/// Every role and the mask it stands for, computed once.
///
/// A role never carries root: root is not a name, and it reaches an account through
/// [`Holdings::has_root`](super::Holdings::has_root) alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleTable {
    width: MaskWidth,
    /// By name.
    masks: Vec<(RoleName, PermissionMask)>,
}

/// Why a table of roles cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleError {
    /// More than [`RoleTable::MAX_ROLES`] roles.
    TooMany,
    /// The role is defined twice.
    Duplicate(RoleName),
    /// The role names a permission that the registry does not have, or has deleted.
    Permission(RoleName, RegistryError),
}

impl fmt::Display for RoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "must have at most {} roles", RoleTable::MAX_ROLES),
            Self::Duplicate(role) => write!(f, "role {role} is defined twice"),
            Self::Permission(role, error) => write!(f, "role {role}: {error}"),
        }
    }
}

impl core::error::Error for RoleError {}

impl RoleTable {
    /// The most roles a table may have.
    pub const MAX_ROLES: usize = 1_000;

    /// The table without roles.
    #[must_use]
    pub const fn empty(width: MaskWidth) -> Self {
        Self { width, masks: Vec::new() }
    }

    /// Computes the mask of every role.
    ///
    /// # Errors
    ///
    /// [`RoleError::TooMany`] above 1,000 roles, [`RoleError::Duplicate`] for a role that comes twice,
    /// [`RoleError::Permission`] for a permission that the registry does not have.
    pub fn new<'a, Names>(
        registry: &PermissionRegistry,
        roles: impl IntoIterator<Item = (RoleName, Names)>,
    ) -> Result<Self, RoleError>
    where
        Names: IntoIterator<Item = &'a PermissionName>,
    {
        let mut table = Self::empty(registry.width());
        for (role, names) in roles {
            let mask = match registry.mask_of(names) {
                Ok(mask) => mask,
                Err(error) => return Err(RoleError::Permission(role, error)),
            };
            let place = match table.place_of(role.as_str()) {
                Ok(_) => return Err(RoleError::Duplicate(role)),
                Err(place) => place,
            };
            if table.masks.len() >= Self::MAX_ROLES {
                return Err(RoleError::TooMany);
            }
            table.masks.insert(place, (role, mask));
        }
        Ok(table)
    }

    /// The mask of a role; `None` for a role that is not defined.
    #[must_use]
    pub fn mask_of(&self, role: &str) -> Option<PermissionMask> {
        self.masks.get(self.place_of(role).ok()?).map(|(_, mask)| *mask)
    }

    /// Where the role stands, or would.
    fn place_of(&self, role: &str) -> Result<usize, usize> {
        self.masks.binary_search_by(|(name, _)| name.as_str().cmp(role))
    }

    /// The width of every mask in the table.
    #[must_use]
    pub const fn width(&self) -> MaskWidth {
        self.width
    }

    /// How many roles there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.masks.len()
    }

    /// Whether no role is defined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.masks.is_empty()
    }

    /// The roles and their masks, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&RoleName, PermissionMask)> {
        self.masks.iter().map(|(role, mask)| (role, *mask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::vec::Vec;

    fn name(text: &str) -> PermissionName {
        text.parse().unwrap()
    }

    fn names(texts: &[&str]) -> Vec<PermissionName> {
        texts.iter().map(|text| name(text)).collect()
    }

    fn registry(texts: &[&str]) -> PermissionRegistry {
        PermissionRegistry::from_declared(names(texts), MaskWidth::Bits64).unwrap()
    }

    #[test]
    fn a_role_with_an_unknown_permission_is_refused() {
        let registry = registry(&["docs:read"]).delete(&name("docs:read")).unwrap();
        let role: RoleName = "reader".parse().unwrap();
        for (wanted, error) in [
            ("docs:read", RegistryError::Deleted(name("docs:read"))),
            ("docs:nope", RegistryError::Unknown(name("docs:nope"))),
        ] {
            let refused = RoleTable::new(&registry, [(role.clone(), &names(&[wanted]))]);
            assert_eq!(refused, Err(RoleError::Permission(role.clone(), error)));
        }
        let nothing = Vec::new();
        let twice = RoleTable::new(&registry, [(role.clone(), &nothing), (role.clone(), &nothing)]);
        assert_eq!(twice, Err(RoleError::Duplicate(role)));
        let many = |count: usize| {
            (0..count).map(|number| (format!("r{number}").parse::<RoleName>().unwrap(), &nothing))
        };
        assert_eq!(RoleTable::new(&registry, many(1_000)).unwrap().len(), 1_000);
        assert_eq!(RoleTable::new(&registry, many(1_001)), Err(RoleError::TooMany));
    }
}
