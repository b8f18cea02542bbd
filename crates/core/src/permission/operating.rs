//! Permissions that Postern itself asks for: what an account may do in an operator's place, and on whom.
//!
//! They are names like any other, and mean something only where the registry has them: a deployment that does not list
//! `postern:users:read` has no account that may read users, not even one with root. Two rules keep such an account from
//! becoming more than it was made: it acts only on accounts that may do less than it may itself, and gives only what it
//! has.

use super::{PermissionMask, PermissionName, PermissionRegistry};

/// What an operator's route asks of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperatorPermission {
    /// To see accounts, their sessions, what they were given, and what the audit trail has of them.
    UsersRead,
    /// To create accounts, and to change their status, sessions, credentials, factors, addresses and numbers.
    UsersManage,
    /// To delete accounts, restore and purge them.
    UsersDelete,
    /// To take all that is stored about one account.
    UsersExport,
    /// To give and take roles, permissions and the membership in groups.
    AuthorizationManage,
    /// To give and take entitlements.
    EntitlementsManage,
    /// To see what is defined, and who is in a group.
    PermissionsRead,
    /// To define permissions, roles and groups.
    PermissionsManage,
    /// To see every organization.
    OrganizationsRead,
    /// To change every organization.
    OrganizationsManage,
    /// To see the keys, without what is secret of them.
    KeysRead,
    /// To rotate and revoke keys.
    KeysManage,
    /// To see what the deployment can do, and its counters.
    DeploymentRead,
}

impl OperatorPermission {
    /// How the names of all of these begin. No other permission may be called like that.
    pub const PREFIX: &'static str = "postern:";

    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::UsersRead,
        Self::UsersManage,
        Self::UsersDelete,
        Self::UsersExport,
        Self::AuthorizationManage,
        Self::EntitlementsManage,
        Self::PermissionsRead,
        Self::PermissionsManage,
        Self::OrganizationsRead,
        Self::OrganizationsManage,
        Self::KeysRead,
        Self::KeysManage,
        Self::DeploymentRead,
    ];

    /// The name that the registry has to have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UsersRead => "postern:users:read",
            Self::UsersManage => "postern:users:manage",
            Self::UsersDelete => "postern:users:delete",
            Self::UsersExport => "postern:users:export",
            Self::AuthorizationManage => "postern:authorization:manage",
            Self::EntitlementsManage => "postern:entitlements:manage",
            Self::PermissionsRead => "postern:permissions:read",
            Self::PermissionsManage => "postern:permissions:manage",
            Self::OrganizationsRead => "postern:organizations:read",
            Self::OrganizationsManage => "postern:organizations:manage",
            Self::KeysRead => "postern:keys:read",
            Self::KeysManage => "postern:keys:manage",
            Self::DeploymentRead => "postern:deployment:read",
        }
    }

    /// Whether its orders are grave: they change something, or hand out all that is stored about somebody. Whoever gives
    /// one proves to be there, and it is written down who it was.
    #[must_use]
    pub const fn is_grave(self) -> bool {
        match self {
            Self::UsersManage
            | Self::UsersDelete
            | Self::UsersExport
            | Self::AuthorizationManage
            | Self::EntitlementsManage
            | Self::PermissionsManage
            | Self::OrganizationsManage
            | Self::KeysManage => true,
            Self::UsersRead
            | Self::PermissionsRead
            | Self::OrganizationsRead
            | Self::KeysRead
            | Self::DeploymentRead => false,
        }
    }

    /// Whether it is about what all tenants share, and so for accounts of the deployment's own tenant only.
    #[must_use]
    pub const fn is_of_deployment(self) -> bool {
        matches!(self, Self::PermissionsManage | Self::KeysRead | Self::KeysManage | Self::DeploymentRead)
    }

    /// Whether a name begins like these.
    #[must_use]
    pub fn is_named_like_one(name: &PermissionName) -> bool {
        name.as_str().starts_with(Self::PREFIX)
    }

    /// Whether a name begins like these, and is none of them: it would mean nothing, or something else one day.
    #[must_use]
    pub fn is_misnamed(name: &PermissionName) -> bool {
        Self::is_named_like_one(name) && !Self::ALL.iter().any(|known| known.name() == name.as_str())
    }

    /// Whether any account may do anything in an operator's place.
    #[must_use]
    pub fn are_any_in(registry: &PermissionRegistry) -> bool {
        Self::ALL.iter().any(|known| registry.bit_of(known.name()).is_some())
    }
}

/// What an account may do that gives orders in an operator's place. Made by [`Authority::over`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    mask: PermissionMask,
}

impl Authority {
    /// The authority of an account with this mask, if that allows the order; `None` if it does not. `of_deployment`: it is
    /// of the deployment's own tenant.
    #[must_use]
    pub fn over(
        registry: &PermissionRegistry,
        mask: PermissionMask,
        needed: OperatorPermission,
        of_deployment: bool,
    ) -> Option<Self> {
        let authority = Self { mask };
        let is_allowed = authority.includes(registry, needed);
        (is_allowed && (of_deployment || !needed.is_of_deployment())).then_some(authority)
    }

    /// Whether it gives orders by this permission, too.
    #[must_use]
    pub fn includes(&self, registry: &PermissionRegistry, permission: OperatorPermission) -> bool {
        // Not `allows`: root passes every check there, also of names that the registry does not have.
        registry.bit_of(permission.name()).is_some_and(|bit| self.mask.contains(bit))
    }

    /// Whether it acts on somebody who may do this: only if that is less than it may do itself, so that equals give no
    /// orders under each other's names.
    #[must_use]
    pub fn reaches(&self, mask: &PermissionMask) -> bool {
        self.covers(mask) && self.mask != *mask
    }

    /// Whether it gives this to others: only if it may do all of it itself.
    #[must_use]
    pub fn covers(&self, mask: &PermissionMask) -> bool {
        self.mask.contains_all(mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::{MaskWidth, PermissionBit};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    fn name(text: &str) -> PermissionName {
        text.parse().unwrap()
    }

    fn registry() -> PermissionRegistry {
        let names = OperatorPermission::ALL.map(|permission| name(permission.name()));
        PermissionRegistry::from_declared(names, MaskWidth::Bits64).unwrap()
    }

    fn mask_of(registry: &PermissionRegistry, permissions: &[OperatorPermission]) -> PermissionMask {
        let names: Vec<PermissionName> = permissions.iter().map(|known| name(known.name())).collect();
        registry.mask_of(&names).unwrap()
    }

    #[test]
    fn every_name_is_one_and_begins_like_all() {
        let names: BTreeSet<_> = OperatorPermission::ALL.map(OperatorPermission::name).into();
        assert_eq!(names.len(), OperatorPermission::ALL.len());
        for known in OperatorPermission::ALL {
            assert!(known.name().starts_with(OperatorPermission::PREFIX));
            assert!(!OperatorPermission::is_misnamed(&name(known.name())));
            assert_eq!(known.is_grave(), !known.name().ends_with(":read"));
        }
        for other in ["postern:users", "postern:users:write", "postern:users:read:all", "postern:anything"] {
            assert!(OperatorPermission::is_misnamed(&name(other)), "{other}");
        }
        for other in ["docs:read", "posterns:users:read", "my-postern:users:read", "users:postern:read"] {
            assert!(!OperatorPermission::is_misnamed(&name(other)), "{other}");
        }
    }

    #[test]
    fn each_allows_its_own_orders_and_no_other() {
        let registry = registry();
        for held in OperatorPermission::ALL {
            let mask = mask_of(&registry, &[held]);
            let authority = Authority { mask };
            for needed in OperatorPermission::ALL {
                assert_eq!(authority.includes(&registry, needed), held == needed, "{held:?} and {needed:?}");
                let allowed =
                    |of_deployment| Authority::over(&registry, mask, needed, of_deployment).is_some();
                assert_eq!(allowed(true), held == needed, "{held:?} for {needed:?}");
                assert_eq!(
                    allowed(false),
                    held == needed && !needed.is_of_deployment(),
                    "{held:?} for {needed:?}"
                );
            }
        }
    }

    #[test]
    fn root_is_allowed_what_the_registry_has_and_nothing_else() {
        let root = PermissionMask::root(MaskWidth::Bits64);
        for needed in OperatorPermission::ALL {
            assert!(Authority::over(&registry(), root, needed, true).is_some());
            let without = registry().delete(&name(needed.name())).unwrap();
            assert!(Authority::over(&without, root, needed, true).is_none(), "{needed:?}");
            let empty = PermissionRegistry::empty(MaskWidth::Bits64);
            assert!(Authority::over(&empty, root, needed, true).is_none());
        }
        assert!(!OperatorPermission::are_any_in(&PermissionRegistry::empty(MaskWidth::Bits64)));
        assert!(OperatorPermission::are_any_in(&registry()));
    }

    #[test]
    fn nobody_below_root_reaches_root() {
        let (registry, root) = (registry(), PermissionMask::root(MaskWidth::Bits64));
        let all = mask_of(&registry, &OperatorPermission::ALL);
        let authority = Authority::over(&registry, all, OperatorPermission::UsersManage, true).unwrap();
        assert!(authority.covers(&all) && !authority.covers(&root));
        let of_root = Authority::over(&registry, root, OperatorPermission::UsersManage, true).unwrap();
        assert!(of_root.covers(&root) && of_root.covers(&all));
    }

    proptest! {
        /// Within reach is exactly who has nothing besides: against sets of bits.
        #[test]
        fn what_is_within_reach_is_a_subset(
            own in prop::collection::btree_set(0u16..60, 0..20),
            other in prop::collection::btree_set(0u16..60, 0..20),
        ) {
            let registry = registry();
            let bits = |bits: &BTreeSet<u16>| {
                let empty = PermissionMask::empty(MaskWidth::Bits64);
                bits.iter().fold(empty, |mask, bit| mask.with(PermissionBit::new(*bit).unwrap()).unwrap())
            };
            let needed = OperatorPermission::UsersManage;
            let own: BTreeSet<u16> = own.into_iter().chain([registry.place_of(needed.name()).unwrap()]).collect();
            let authority = Authority::over(&registry, bits(&own), needed, true).unwrap();
            prop_assert_eq!(authority.covers(&bits(&other)), other.is_subset(&own));
            prop_assert_eq!(authority.reaches(&bits(&other)), other.is_subset(&own) && other != own);
            prop_assert!(!authority.reaches(&bits(&own)) && authority.covers(&bits(&own)));
        }
    }
}
