//! What was defined while the deployment ran: which name has which bit, and further roles and groups.

use super::{MaskWidth, PermissionName, PermissionRegistry, RegistryError};
use alloc::string::String;
use alloc::vec::Vec;

/// The registry as the directory has it, with the roles and groups that operators have defined.
///
/// The configuration's own names are in it; its roles and groups are not. It is one document, read as a whole, so that
/// a mask and the version beside it always come from the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Definitions {
    /// Raised by every change of anything in here. An older document never replaces a newer one.
    pub revision: u32,
    /// The width of every mask.
    pub width: MaskWidth,
    /// Every name ever allocated; the one at place n has the bit [`PermissionBit::nth`](super::PermissionBit::nth)`(n)`.
    pub permissions: Vec<PermissionName>,
    /// The places of those that were deleted.
    pub deleted: Vec<u16>,
    /// Roles that the configuration may not have.
    pub roles: Vec<DefinedSet>,
    /// Groups that the configuration may not have.
    pub groups: Vec<DefinedSet>,
}

/// A role or group as an operator has defined it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DefinedSet {
    /// Its name.
    pub name: String,
    /// The places of what it grants in [`Definitions::permissions`].
    pub permissions: Vec<u16>,
}

/// What has permissions under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// A role.
    Role,
    /// A group.
    Group,
}

impl SetKind {
    /// `role` or `group`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Group => "group",
        }
    }

    /// The most that there may be, those of the configuration included: 1,000 roles, 100 groups.
    #[must_use]
    pub const fn most(self) -> usize {
        match self {
            Self::Role => 1_000,
            Self::Group => 100,
        }
    }
}

impl Definitions {
    /// What roles and groups may grant together, each permission of each counted: the document is held by every
    /// instance of the service.
    pub const MOST_GRANTS: usize = 32_768;

    /// Nothing was allocated yet.
    #[must_use]
    pub const fn empty(width: MaskWidth) -> Self {
        Self {
            revision: 0,
            width,
            permissions: Vec::new(),
            deleted: Vec::new(),
            roles: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Whether what was read takes the place of the copy that a host has: not if others have put a newer one there while
    /// it was read. A copy that was there before gives way to whatever the directory says, an older revision included:
    /// then the directory was set back.
    ///
    /// Revisions: what was read, the copy now, and the copy when the reading began.
    #[must_use]
    pub fn replaces(read: u32, copy: Option<u32>, copy_before: Option<u32>) -> bool {
        copy == copy_before || copy.is_none_or(|copy| read >= copy)
    }

    /// Which name has which bit.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Duplicate`] or [`RegistryError::Full`] for a document that nothing of ours has written.
    pub fn registry(&self) -> Result<PermissionRegistry, RegistryError> {
        let registry = PermissionRegistry::from_declared(self.permissions.iter().cloned(), self.width)?;
        Ok(registry.with_tombstones(&self.deleted))
    }

    /// The roles or the groups.
    #[must_use]
    pub fn sets(&self, kind: SetKind) -> &[DefinedSet] {
        match kind {
            SetKind::Role => &self.roles,
            SetKind::Group => &self.groups,
        }
    }

    /// How much all roles and groups but this one grant together.
    #[cfg(feature = "config")]
    pub(crate) fn grants_besides(&self, kind: SetKind, name: &str) -> usize {
        let both = [SetKind::Role, SetKind::Group].into_iter();
        let sets = both.flat_map(|of| self.sets(of).iter().map(move |set| (of, set)));
        let others = sets.filter(|(of, set)| *of != kind || set.name != name);
        others.fold(0, |sum, (_, set)| sum.saturating_add(set.permissions.len()))
    }
}
