//! What an account may do, from everything that it has been given: its roles, its own grants and its groups.
//!
//! [`resolve`] is run when something of that changes; a check afterwards is one bit test on the mask that it made.
//! [`explain`](super::explain) reads the same [`Holdings`], so that an answer to "why may this account do that?"
//! cannot differ from what the account may do.

use super::{GroupName, PermissionMask, PermissionName, PermissionRegistry, RoleName};
use alloc::vec::Vec;
use core::fmt;

/// The permissions that a role or a group stands for.
#[derive(Debug)]
pub struct NamedPermissions<'a, Name> {
    /// The role or the group.
    pub name: &'a Name,
    /// In any order; one that comes twice counts once.
    pub permissions: &'a [PermissionName],
}

/// Everything that has been given to one account, by name.
#[derive(Clone, Copy, Debug)]
pub struct Holdings<'a> {
    /// The roles of the account, at most [`Holdings::MAX_ROLES`].
    pub roles: &'a [NamedPermissions<'a, RoleName>],
    /// The permissions that it has by itself, at most [`Holdings::MAX_PERMISSIONS`].
    pub direct: &'a [PermissionName],
    /// The groups that it belongs to, at most [`Holdings::MAX_GROUPS`].
    pub groups: &'a [NamedPermissions<'a, GroupName>],
    /// Whether root was granted to the account itself. Nothing else makes root.
    pub has_root: bool,
}

/// Where a permission of an account comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// Root, which passes every check.
    Root,
    /// This role.
    Role(&'a RoleName),
    /// A grant to the account itself.
    Direct,
    /// This group.
    Group(&'a GroupName),
}

/// A permission that was given and grants nothing, because the registry does not have it (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped<'a> {
    /// Where it was found.
    pub source: Source<'a>,
    /// Its name.
    pub permission: &'a PermissionName,
    /// `true` if it was deleted, `false` if the registry never had it.
    pub deleted: bool,
}

/// What an account may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// As wide as the registry.
    pub mask: PermissionMask,
    /// What grants nothing, in the order of the sources: roles, direct, groups.
    pub skipped: Vec<Skipped<'a>>,
}

/// More was given to an account, or to one of its roles or groups, than may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError<'a> {
    /// More than [`Holdings::MAX_ROLES`] roles.
    TooManyRoles,
    /// More than [`Holdings::MAX_GROUPS`] groups.
    TooManyGroups,
    /// More than [`Holdings::MAX_PERMISSIONS`] permissions of this source.
    TooManyPermissions(Source<'a>),
}

impl fmt::Display for ResolveError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRoles => write!(f, "must have at most {} roles", Holdings::MAX_ROLES),
            Self::TooManyGroups => write!(f, "must be in at most {} groups", Holdings::MAX_GROUPS),
            Self::TooManyPermissions(source) => {
                write!(f, "{source} must have at most {} permissions", Holdings::MAX_PERMISSIONS)
            }
        }
    }
}

impl core::error::Error for ResolveError<'_> {}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::Direct => f.write_str("the account itself"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

impl<'a> Holdings<'a> {
    /// The most roles of an account.
    pub const MAX_ROLES: usize = 1_000;
    /// The most groups of an account.
    pub const MAX_GROUPS: usize = 100;
    /// The most permissions of one role, of one group, and of an account itself.
    pub const MAX_PERMISSIONS: usize = 512;

    /// The account that has been given nothing.
    pub const NOTHING: Self = Self { roles: &[], direct: &[], groups: &[], has_root: false };

    /// Every source that names its permissions: roles, direct, groups. Root names none.
    pub(super) fn sources(&self) -> impl Iterator<Item = (Source<'a>, &'a [PermissionName])> + use<'a> {
        let roles = self.roles.iter().map(|role| (Source::Role(role.name), role.permissions));
        let groups = self.groups.iter().map(|group| (Source::Group(group.name), group.permissions));
        roles.chain([(Source::Direct, self.direct)]).chain(groups)
    }

    fn check(&self) -> Result<(), ResolveError<'a>> {
        if self.roles.len() > Self::MAX_ROLES {
            return Err(ResolveError::TooManyRoles);
        }
        if self.groups.len() > Self::MAX_GROUPS {
            return Err(ResolveError::TooManyGroups);
        }
        match self.sources().find(|(_, permissions)| permissions.len() > Self::MAX_PERMISSIONS) {
            Some((source, _)) => Err(ResolveError::TooManyPermissions(source)),
            None => Ok(()),
        }
    }
}

/// What an account may do: roles ∪ direct ∪ groups, and nothing else. Root only if it was granted as such, whatever
/// the union has.
///
/// A permission that the registry does not have grants nothing, and neither does a deleted one: its bit is nobody
/// else's, and no other permission takes its place. Both are told in [`Resolved::skipped`].
///
/// # Errors
///
/// A [`ResolveError`] above a limit; what is above it is never left out in silence.
pub fn resolve<'a>(
    registry: &PermissionRegistry,
    holdings: &Holdings<'a>,
) -> Result<Resolved<'a>, ResolveError<'a>> {
    holdings.check()?;
    let width = registry.width();
    let start = if holdings.has_root { PermissionMask::root(width) } else { PermissionMask::empty(width) };
    let mut resolved = Resolved { mask: start, skipped: Vec::new() };
    for (source, permissions) in holdings.sources() {
        for permission in permissions {
            resolved.add(registry, source, permission);
        }
    }
    Ok(resolved)
}

impl<'a> Resolved<'a> {
    fn add(&mut self, registry: &PermissionRegistry, source: Source<'a>, permission: &'a PermissionName) {
        let slot = registry.slot(permission.as_str());
        let living = slot.filter(|slot| !slot.deleted);
        // A registry never has a bit beyond its own width, so only what does not live is left out.
        match living.and_then(|slot| self.mask.with(slot.bit).ok()) {
            Some(mask) => self.mask = mask,
            None => self.skipped.push(Skipped { source, permission, deleted: slot.is_some() }),
        }
    }
}
