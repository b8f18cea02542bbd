//! Roles: masks with a name, and the union that decides what an account may do.

use super::{
    MaskError, MaskWidth, PermissionMask, PermissionName, PermissionRegistry, RegistryError, RoleName,
};
use alloc::vec::Vec;
use core::fmt;

/// Every role and the mask it stands for, computed once.
///
/// A role never carries root: root is not a name, and it reaches an account through [`Grants::direct`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleTable {
    width: MaskWidth,
    /// By name.
    masks: Vec<(RoleName, PermissionMask)>,
}

/// Everything that has been granted to one account, as masks of one width.
#[derive(Clone, Copy, Debug)]
pub struct Grants<'a> {
    /// The roles of the account.
    pub roles: &'a [RoleName],
    /// What was granted to the account itself; the only place that root can come from.
    pub direct: PermissionMask,
    /// The masks of the groups that the account belongs to.
    pub groups: &'a [PermissionMask],
    /// The masks of its organizations' bundles.
    pub bundles: &'a [PermissionMask],
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

    /// What the account may do: roles ∪ direct ∪ groups ∪ bundles, and nothing else.
    ///
    /// A role that is not, or no longer, defined grants nothing. Root in a group or a bundle is dropped: only
    /// a direct grant, which is bootstrapped or audited, makes root.
    ///
    /// # Errors
    ///
    /// [`MaskError::WidthMismatch`] when a mask has another width than the table.
    pub fn effective(&self, grants: &Grants<'_>) -> Result<PermissionMask, MaskError> {
        let roles = grants.roles.iter().filter_map(|role| self.mask_of(role.as_str()));
        let shared = grants.groups.iter().chain(grants.bundles).map(|mask| mask.without_root());
        roles
            .chain(shared)
            .chain([grants.direct])
            .try_fold(PermissionMask::empty(self.width), PermissionMask::union)
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
    fn roles_are_unions_and_root_comes_only_by_direct_grant() {
        let registry = registry(&["docs:read", "docs:write", "users:read", "plan:pro"]);
        let role = |text: &str| text.parse::<RoleName>().unwrap();
        let mask = |texts: &[&str]| registry.mask_of(&names(texts)).unwrap();
        let reader = names(&["docs:read"]);
        let editor = names(&["docs:read", "docs:write"]);
        let table =
            RoleTable::new(&registry, [(role("reader"), &reader), (role("editor"), &editor)]).unwrap();
        let (empty, root) =
            (PermissionMask::empty(MaskWidth::Bits64), PermissionMask::root(MaskWidth::Bits64));
        let roles = [role("reader"), role("no-such-role")];
        let all = Grants {
            roles: &roles,
            direct: mask(&["docs:write"]),
            groups: &[mask(&["users:read"]), root],
            bundles: &[mask(&["plan:pro"]), root],
        };
        let everything = mask(&["docs:read", "docs:write", "users:read", "plan:pro"]);
        assert_eq!(table.effective(&all), Ok(everything));
        assert!(!table.effective(&all).unwrap().is_root());
        assert!(table.effective(&Grants { direct: root, ..all }).unwrap().is_root());
        let nothing = Grants { roles: &roles[1..], direct: empty, groups: &[], bundles: &[] };
        assert_eq!(table.effective(&nothing), Ok(empty));
        let other_width = PermissionMask::empty(MaskWidth::Bits128);
        let mixed = Grants { direct: other_width, ..nothing };
        assert_eq!(table.effective(&mixed), Err(MaskError::WidthMismatch));
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
