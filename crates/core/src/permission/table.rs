//! Roles and groups: permissions under a name, and the mask that they come to.

use super::{
    GroupName, MaskWidth, NamedPermissions, PermissionMask, PermissionName, PermissionRegistry,
    RegistryError, RoleName,
};
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;

/// What may have permissions under its name: a [`RoleName`] or a [`GroupName`].
pub trait SetName: Ord + Borrow<str> + fmt::Display + sealed::Sealed {
    /// What it names, for messages: `role` or `group`.
    const KIND: &'static str;
}

impl SetName for RoleName {
    const KIND: &'static str = "role";
}

impl SetName for GroupName {
    const KIND: &'static str = "group";
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::RoleName {}
    impl Sealed for super::GroupName {}
}

/// Every role.
pub type RoleTable = PermissionTable<RoleName>;
/// Every group.
pub type GroupTable = PermissionTable<GroupName>;

/// Every role, or every group, with its permissions and the mask that they come to, computed once.
///
/// None of them carries root: root is not a name, and it reaches an account through
/// [`Holdings::has_root`](super::Holdings::has_root) alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionTable<Name> {
    width: MaskWidth,
    /// By name.
    sets: Vec<PermissionSet<Name>>,
}

/// The permissions under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionSet<Name> {
    name: Name,
    permissions: Vec<PermissionName>,
    mask: PermissionMask,
}

impl<Name> PermissionSet<Name> {
    /// The name of the role or group.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// What it has, as it was given.
    #[must_use]
    pub fn permissions(&self) -> &[PermissionName] {
        &self.permissions
    }

    /// What that comes to.
    #[must_use]
    pub const fn mask(&self) -> PermissionMask {
        self.mask
    }

    /// The same, for [`explain`](super::explain).
    #[must_use]
    pub fn named(&self) -> NamedPermissions<'_, Name> {
        NamedPermissions { name: &self.name, permissions: &self.permissions }
    }
}

/// Why a table cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError<Name> {
    /// More than [`PermissionTable::MAX_SETS`] names.
    TooMany,
    /// The name is defined twice.
    Duplicate(Name),
    /// It has a permission that the registry does not have, or has deleted.
    Permission(Name, RegistryError),
}

impl<Name: SetName> fmt::Display for TableError<Name> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => {
                write!(f, "must have at most {} {}s", PermissionTable::<Name>::MAX_SETS, Name::KIND)
            }
            Self::Duplicate(name) => write!(f, "{} {name} is defined twice", Name::KIND),
            Self::Permission(name, error) => write!(f, "{} {name}: {error}", Name::KIND),
        }
    }
}

impl<Name: SetName + fmt::Debug> core::error::Error for TableError<Name> {}

impl<Name> PermissionTable<Name> {
    /// The most names that a table may have.
    pub const MAX_SETS: usize = 1_000;

    /// The table that defines nothing.
    #[must_use]
    pub const fn empty(width: MaskWidth) -> Self {
        Self { width, sets: Vec::new() }
    }

    /// The width of every mask in the table.
    #[must_use]
    pub const fn width(&self) -> MaskWidth {
        self.width
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether nothing is defined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// All of it, by name.
    pub fn iter(&self) -> impl Iterator<Item = &PermissionSet<Name>> {
        self.sets.iter()
    }
}

impl<Name: SetName> PermissionTable<Name> {
    /// Computes the mask of every name.
    ///
    /// # Errors
    ///
    /// [`TableError::TooMany`] above 1,000 names, [`TableError::Duplicate`] for one that comes twice,
    /// [`TableError::Permission`] for a permission that the registry does not have.
    pub fn new(
        registry: &PermissionRegistry,
        sets: impl IntoIterator<Item = (Name, Vec<PermissionName>)>,
    ) -> Result<Self, TableError<Name>> {
        let mut table = Self::empty(registry.width());
        for (name, permissions) in sets {
            let mask = match registry.mask_of(&permissions) {
                Ok(mask) => mask,
                Err(error) => return Err(TableError::Permission(name, error)),
            };
            let place = match table.place_of(name.borrow()) {
                Ok(_) => return Err(TableError::Duplicate(name)),
                Err(place) => place,
            };
            if table.sets.len() >= Self::MAX_SETS {
                return Err(TableError::TooMany);
            }
            table.sets.insert(place, PermissionSet { name, permissions, mask });
        }
        Ok(table)
    }

    /// The table of what can be defined: a name that comes again is as it was defined first, a permission that does not
    /// live is left out, and so is what exceeds [`PermissionTable::MAX_SETS`].
    #[cfg(feature = "config")]
    pub(crate) fn of_living(
        registry: &PermissionRegistry,
        sets: impl IntoIterator<Item = (Name, Vec<PermissionName>)>,
    ) -> Self {
        let mut table = Self::empty(registry.width());
        for (name, mut permissions) in sets {
            permissions.retain(|permission| registry.bit_of(permission.as_str()).is_some());
            let (Ok(mask), Err(place)) = (registry.mask_of(&permissions), table.place_of(name.borrow()))
            else {
                continue;
            };
            if table.sets.len() < Self::MAX_SETS {
                table.sets.insert(place, PermissionSet { name, permissions, mask });
            }
        }
        table
    }

    /// The role or group of this name; `None` if it is not defined.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&PermissionSet<Name>> {
        self.sets.get(self.place_of(name).ok()?)
    }

    /// Where the name stands, or would.
    fn place_of(&self, name: &str) -> Result<usize, usize> {
        self.sets.binary_search_by(|set| set.name.borrow().cmp(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString as _;
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
            let refused = RoleTable::new(&registry, [(role.clone(), names(&[wanted]))]);
            assert_eq!(refused, Err(TableError::Permission(role.clone(), error)));
        }
        let twice = RoleTable::new(&registry, [(role.clone(), Vec::new()), (role.clone(), Vec::new())]);
        assert_eq!(twice, Err(TableError::Duplicate(role)));
        let many = |count: usize| {
            (0..count).map(|number| (format!("r{number}").parse::<RoleName>().unwrap(), Vec::new()))
        };
        assert_eq!(RoleTable::new(&registry, many(1_000)).unwrap().len(), 1_000);
        assert_eq!(RoleTable::new(&registry, many(1_001)), Err(TableError::TooMany));
    }
    #[test]
    fn messages_say_what_is_named() {
        let group: GroupName = "support".parse().unwrap();
        assert_eq!(TableError::Duplicate(group).to_string(), "group support is defined twice");
        let error = TableError::Permission(
            "editor".parse::<RoleName>().unwrap(),
            RegistryError::Unknown(name("a:b")),
        );
        assert!(error.to_string().starts_with("role editor: "), "{error}");
        assert_eq!(TableError::<GroupName>::TooMany.to_string(), "must have at most 1000 groups");
    }

    #[test]
    fn a_set_is_found_by_its_whole_name() {
        let registry = registry(&["docs:read", "docs:write"]);
        let sets = ["b", "a", "ab"].map(|text| (text.parse::<RoleName>().unwrap(), names(&["docs:write"])));
        let table = RoleTable::new(&registry, sets).unwrap();
        let order: Vec<&str> = table.iter().map(|set| set.name().as_str()).collect();
        assert_eq!(order, ["a", "ab", "b"]);
        let set = table.get("ab").unwrap();
        assert_eq!(
            (set.permissions(), set.mask()),
            (&*names(&["docs:write"]), registry.mask_of(set.permissions()).unwrap())
        );
        for absent in ["", "A", "abc", "c"] {
            assert_eq!(table.get(absent), None, "{absent:?}");
        }
    }
}
