//! What operators define while the deployment runs, joined with what the configuration says.
//!
//! The configuration's word stands: what it declares, only it deletes, and a role or group of its own is what it says,
//! whatever an operator has defined under that name before.

use super::permissions::PermissionSettings;
use crate::permission::{
    AuthorizationSnapshot, DefinedSet, Definitions, Holdings, MaskWidth, OperatorPermission, PermissionName,
    PermissionRegistry, PermissionTable, RegistryError, SetKind, SetName,
};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// What the configuration declares and the directory has not allocated yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undeclared<'a> {
    /// Names without a bit, in the order of their declaration, as many as there is room for.
    pub names: Vec<&'a PermissionName>,
    /// Names that are to be tombstones.
    pub deleted: Vec<&'a PermissionName>,
    /// The width, if it is to grow.
    pub width: Option<MaskWidth>,
}

impl Undeclared<'_> {
    /// Whether the directory has all of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.deleted.is_empty() && self.width.is_none()
    }
}

/// Why something is not defined, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinitionError {
    /// The configuration defines it: only it changes that.
    Configured,
    /// There are as many roles or groups as there may be.
    TooMany(SetKind),
    /// Roles and groups grant more together than [`Definitions::MOST_GRANTS`].
    TooManyGrants,
    /// More permissions than [`Holdings::MAX_PERMISSIONS`].
    TooManyPermissions,
    /// It begins like the permissions that Postern itself asks for, and is none of them.
    Reserved,
    /// The registry does not do it.
    Registry(RegistryError),
    /// No permission has such a name.
    Name(String),
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured => f.write_str("is in the configuration, and changed only there"),
            Self::TooMany(kind) => {
                write!(f, "there are at most {} {}s", kind.most(), kind.as_str())
            }
            Self::TooManyGrants => {
                write!(f, "roles and groups grant at most {} permissions together", Definitions::MOST_GRANTS)
            }
            Self::TooManyPermissions => write!(f, "must be at most {} in all", Holdings::MAX_PERMISSIONS),
            Self::Reserved => f.write_str("begins with postern:, and is no permission that Postern knows"),
            Self::Registry(error) => error.fmt(f),
            Self::Name(name) => write!(f, "must be names of permissions, and {name:?} is none"),
        }
    }
}

impl core::error::Error for DefinitionError {}

impl From<RegistryError> for DefinitionError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl PermissionSettings {
    /// What the directory has to allocate before these settings are all in force. Names that there is no room for are
    /// left out: they grant nothing until the width grows.
    ///
    /// # Errors
    ///
    /// As [`Definitions::registry`].
    pub fn undeclared(&self, definitions: &Definitions) -> Result<Undeclared<'_>, RegistryError> {
        let allocated = definitions.registry()?;
        let width = self.registry.width().max(allocated.width());
        let room = width.capacity().saturating_sub(allocated.declared().len());
        let known = |name: &PermissionName| allocated.place_of(name.as_str()).is_some();
        let declared = || self.registry.declared().iter();
        let names = declared().map(|slot| &slot.name).filter(|name| !known(name)).take(room);
        let lives = |name: &PermissionName| allocated.bit_of(name.as_str()).is_some();
        let names: Vec<&PermissionName> = names.collect();
        let deleted = declared().filter(|slot| slot.deleted).map(|slot| &slot.name);
        let deleted = deleted.filter(|name| lives(name) || names.contains(name)).collect();
        Ok(Undeclared { names, deleted, width: (width > allocated.width()).then_some(width) })
    }

    /// These settings with what was defined besides, and with the bits that the directory has allocated. A name that has
    /// none yet grants nothing.
    ///
    /// # Errors
    ///
    /// As [`Definitions::registry`].
    pub fn with_definitions(&self, definitions: &Definitions) -> Result<Self, RegistryError> {
        let registry = definitions.registry()?;
        Ok(Self {
            roles: joined(&registry, &self.roles, &definitions.roles),
            groups: joined(&registry, &self.groups, &definitions.groups),
            default_role: self.default_role.clone(),
            runtime: self.runtime,
            revision: definitions.revision,
            registry,
        })
    }

    /// Decides about a new permission: `true` if it is to be allocated, `false` if it is there.
    ///
    /// # Errors
    ///
    /// [`DefinitionError::Registry`] for a name that was deleted, or for which there is no room;
    /// [`DefinitionError::Reserved`].
    pub fn create_permission(
        definitions: &Definitions,
        name: &PermissionName,
    ) -> Result<bool, DefinitionError> {
        if OperatorPermission::is_misnamed(name) {
            return Err(DefinitionError::Reserved);
        }
        let before = definitions.registry()?;
        let after = before.declare([name.clone()])?;
        Ok(after.declared().len() > before.declared().len())
    }

    /// Decides about the end of a permission: `true` if it is to become a tombstone, `false` if it is one.
    ///
    /// # Errors
    ///
    /// [`DefinitionError::Configured`]; [`DefinitionError::Registry`] if there never was one of that name.
    pub fn delete_permission(
        &self,
        definitions: &Definitions,
        name: &PermissionName,
    ) -> Result<bool, DefinitionError> {
        if self.registry.bit_of(name.as_str()).is_some() {
            return Err(DefinitionError::Configured);
        }
        match definitions.registry()?.delete(name) {
            Ok(_) => Ok(true),
            Err(RegistryError::Deleted(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the configuration defines the role or group.
    #[must_use]
    pub fn has_set(&self, kind: SetKind, name: &str) -> bool {
        match kind {
            SetKind::Role => self.roles.get(name).is_some(),
            SetKind::Group => self.groups.get(name).is_some(),
        }
    }

    /// What an account has after a change that it did not have before, and that is not the configuration's: kind and name of
    /// each. Operators may delete it at any moment, so whoever writes the change asks in the same transaction whether it
    /// is still there.
    #[must_use]
    pub fn given_besides<'a>(
        &self,
        before: &AuthorizationSnapshot,
        after: &'a AuthorizationSnapshot,
    ) -> Vec<[&'a str; 2]> {
        let new = |before: &[String], after: &'a [String]| {
            let new = after.iter().filter(|name| !before.contains(name));
            new.map(String::as_str).collect::<Vec<&'a str>>()
        };
        let (roles, groups) = (new(&before.roles, &after.roles), new(&before.groups, &after.groups));
        let of_set = |kind: SetKind, names: Vec<&'a str>| {
            names
                .into_iter()
                .filter(move |name| !self.has_set(kind, name))
                .map(move |name| [kind.as_str(), name])
        };
        let permissions = new(&before.permissions, &after.permissions).into_iter();
        let permissions = permissions.filter(|name| self.registry.place_of(name).is_none());
        let sets = of_set(SetKind::Role, roles).chain(of_set(SetKind::Group, groups));
        sets.chain(permissions.map(|name| ["permission", name])).collect()
    }

    /// Decides about a role or group, new or changed: the places of what it is to grant, each once and in order.
    ///
    /// # Errors
    ///
    /// The first [`DefinitionError`] in their order.
    pub fn define_set(
        &self,
        definitions: &Definitions,
        (kind, name): (SetKind, &str),
        permissions: &[String],
    ) -> Result<Vec<u16>, DefinitionError> {
        if self.has_set(kind, name) {
            return Err(DefinitionError::Configured);
        }
        let others = definitions.sets(kind).iter().filter(|set| set.name != name).count();
        let configured = match kind {
            SetKind::Role => self.roles.len(),
            SetKind::Group => self.groups.len(),
        };
        if others.saturating_add(configured) >= kind.most() {
            return Err(DefinitionError::TooMany(kind));
        }
        if permissions.len() > Holdings::MAX_PERMISSIONS {
            return Err(DefinitionError::TooManyPermissions);
        }
        let registry = definitions.registry()?;
        let mut granted = [false; Holdings::MAX_PERMISSIONS];
        for text in permissions {
            let name: PermissionName = text.parse().map_err(|_| DefinitionError::Name(text.clone()))?;
            registry.mask_of([&name])?;
            let place = registry.place_of(text).map(usize::from);
            if let Some(granted) = place.and_then(|place| granted.get_mut(place)) {
                *granted = true;
            }
        }
        let places: Vec<u16> = (0..).zip(granted).filter(|(_, granted)| *granted).map(|(at, _)| at).collect();
        if definitions.grants_besides(kind, name).saturating_add(places.len()) > Definitions::MOST_GRANTS {
            return Err(DefinitionError::TooManyGrants);
        }
        Ok(places)
    }
}

/// What the configuration has, with those bits; then what was defined besides.
fn joined<Name: SetName + Clone + FromStr>(
    registry: &PermissionRegistry,
    configured: &PermissionTable<Name>,
    defined: &[DefinedSet],
) -> PermissionTable<Name> {
    let named = |place: &u16| registry.declared().get(usize::from(*place)).map(|slot| slot.name.clone());
    let configured = configured.iter().map(|set| (set.name().clone(), set.permissions().to_vec()));
    let defined = defined.iter().filter_map(|set| {
        Some((set.name.parse().ok()?, set.permissions.iter().filter_map(named).collect::<Vec<_>>()))
    });
    PermissionTable::of_living(registry, configured.chain(defined))
}
