//! What a member may do in an organization.
#![cfg(feature = "verify")]

use super::OrganizationRole;
use crate::permission::{PermissionMask, PermissionName, PermissionRegistry};
use alloc::string::String;

/// A role that a member has, as it is defined now.
#[derive(Clone, Copy, Debug)]
pub struct HeldRole<'a> {
    /// Its name.
    pub name: &'a str,
    /// The names of its permissions.
    pub permissions: &'a [String],
}

/// What these roles come to: the union of their permissions, as far as organizations may give them. `owner` has all that
/// organizations may give. What is not (any more) in the registry, or not an organization's to give, grants nothing, so
/// that whoever rules an organization gains nothing by it outside. Never root.
#[must_use]
pub fn effective_mask<'a>(
    registry: &PermissionRegistry,
    grantable: &[PermissionName],
    roles: impl IntoIterator<Item = HeldRole<'a>>,
) -> PermissionMask {
    let mut mask = PermissionMask::empty(registry.width());
    let bit = |name: &PermissionName| registry.bit_of(name.as_str());
    for role in roles {
        let is_owner = role.name == OrganizationRole::OWNER;
        let holds =
            |name: &&PermissionName| is_owner || role.permissions.iter().any(|held| held == name.as_str());
        // A registry has no bit beyond its own width: nothing is left out here.
        mask = grantable
            .iter()
            .filter(holds)
            .filter_map(bit)
            .fold(mask, |mask, bit| mask.with(bit).unwrap_or(mask));
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::MaskWidth;
    use proptest::prelude::*;
    use std::format;
    use std::vec::Vec;

    proptest! {
        /// Against sets of names: roles may have whatever the owners wrote down.
        #[test]
        fn a_mask_is_what_roles_have_and_organizations_may_give(
            roles in prop::collection::vec(prop::collection::vec(0usize..8, 0..5), 0..4),
            grantable in prop::collection::vec(0usize..6, 0..6),
            is_owner: bool,
        ) {
            let names: Vec<PermissionName> = (0..6).map(|n| format!("p:{n}").parse().unwrap()).collect();
            let registry = PermissionRegistry::from_declared(names.clone(), MaskWidth::Bits64).unwrap();
            let registry = registry.delete(&names[5]).unwrap();
            let given: Vec<PermissionName> = grantable.iter().map(|n| names[*n].clone()).collect();
            let texts: Vec<Vec<String>> =
                roles.iter().map(|role| role.iter().map(|n| format!("p:{n}")).collect()).collect();
            let mut held: Vec<HeldRole<'_>> =
                texts.iter().map(|permissions| HeldRole { name: "Owner-like", permissions }).collect();
            if is_owner {
                held.push(HeldRole { name: "owner", permissions: &[] });
            }
            let mask = effective_mask(&registry, &given, held);
            prop_assert!(!mask.is_root());
            for n in 0..6 {
                let expected = n != 5 && grantable.contains(&n)
                    && (is_owner || roles.iter().any(|role| role.contains(&n)));
                prop_assert_eq!(registry.allows(&mask, &format!("p:{n}")), expected, "{}", n);
            }
        }
    }
}
