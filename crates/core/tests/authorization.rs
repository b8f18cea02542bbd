//! What an account may do, against a model of plain sets; and masks that outlive changes of the registry.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]

use postern_core::permission::{
    Explanation, GroupName, Holdings, MaskWidth, NamedPermissions, PermissionMask, PermissionName,
    PermissionRegistry, RegistryError, ResolveError, RoleName, Source, explain, resolve,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Names that the random holdings are made of; the registry has some, has deleted some, and lacks the rest.
const NAMES: usize = 24;

fn permission(number: usize) -> PermissionName {
    format!("item{number}:use").parse().unwrap()
}

fn permissions(numbers: impl IntoIterator<Item = usize>) -> Vec<PermissionName> {
    numbers.into_iter().map(permission).collect()
}

fn registry(declared: usize, width: MaskWidth) -> PermissionRegistry {
    PermissionRegistry::from_declared(permissions(0..declared), width).unwrap()
}

fn role(text: &str) -> RoleName {
    text.parse().unwrap()
}

fn group(text: &str) -> GroupName {
    text.parse().unwrap()
}

fn a_set() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..NAMES, 0..8)
}

/// A named set for every list of numbers.
fn named<Name: core::str::FromStr<Err: core::fmt::Debug>>(
    sets: &[Vec<usize>],
) -> Vec<(Name, Vec<PermissionName>)> {
    let name = |place| format!("set{place}").parse().unwrap();
    sets.iter().enumerate().map(|(place, set)| (name(place), permissions(set.iter().copied()))).collect()
}

fn borrowed<Name>(sets: &[(Name, Vec<PermissionName>)]) -> Vec<NamedPermissions<'_, Name>> {
    sets.iter().map(|(name, permissions)| NamedPermissions { name, permissions }).collect()
}

proptest! {
    /// Union, deny by default; what the registry lacks is told and grants nothing; explanation and mask agree.
    #[test]
    fn the_mask_and_the_explanations_are_those_of_plain_sets(
        roles in prop::collection::vec(a_set(), 0..5),
        groups in prop::collection::vec(a_set(), 0..5),
        direct in a_set(),
        has_root: bool,
        declared in 0..NAMES,
        deleted in prop::collection::btree_set(0..NAMES, 0..6),
    ) {
        let mut registry = registry(declared, MaskWidth::Bits64);
        for number in deleted.iter().filter(|number| **number < declared) {
            registry = registry.delete(&permission(*number)).unwrap();
        }
        let lives = |number: &usize| *number < declared && !deleted.contains(number);
        let given: Vec<usize> = roles.iter().chain([&direct]).chain(&groups).flatten().copied().collect();
        let model: BTreeSet<usize> = given.iter().copied().filter(lives).collect();

        let (role_sets, group_sets) = (named::<RoleName>(&roles), named::<GroupName>(&groups));
        let (role_list, group_list) = (borrowed(&role_sets), borrowed(&group_sets));
        let direct_list = permissions(direct.iter().copied());
        let holdings = Holdings { roles: &role_list, direct: &direct_list, groups: &group_list, has_root };
        let resolved = resolve(&registry, &holdings).unwrap();

        prop_assert_eq!(resolved.mask.is_root(), has_root);
        let held: BTreeSet<_> = registry.names_of(resolved.mask.without_root()).cloned().collect();
        prop_assert_eq!(held, model.iter().copied().map(permission).collect());
        let skipped: Vec<_> = resolved.skipped.iter().map(|skipped| (skipped.permission.clone(), skipped.deleted)).collect();
        let expected: Vec<_> = given.iter().filter(|number| !lives(number))
            .map(|number| (permission(*number), *number < declared)).collect();
        prop_assert_eq!(skipped, expected);

        for number in 0..NAMES {
            let name = permission(number);
            let answer = explain(&registry, &holdings, &name);
            if !lives(&number) {
                let error = if number < declared { RegistryError::Deleted(name) } else { RegistryError::Unknown(name) };
                prop_assert_eq!(answer, Err(error));
                continue;
            }
            let answer = answer.unwrap();
            prop_assert_eq!(answer.is_allowed(), registry.allows(&resolved.mask, name.as_str()));
            let count = roles.iter().chain(&groups).chain([&direct]).filter(|set| set.contains(&number)).count();
            prop_assert_eq!(answer.sources().len(), count + usize::from(has_root));
        }
    }

    /// A mask that was issued before the registry changed says what it said, less what was deleted, and never more.
    #[test]
    fn a_mask_outlives_every_change_of_the_registry(
        held in prop::collection::btree_set(0usize..8, 0..8),
        changes in prop::collection::vec((0u8..3, 0usize..60), 0..40),
        has_root: bool,
    ) {
        let direct = permissions(held.iter().copied());
        let mut registry = registry(8, MaskWidth::Bits64);
        let issued = resolve(&registry, &Holdings { direct: &direct, has_root, ..Holdings::NOTHING }).unwrap().mask;
        let (text, version) = (issued.to_text(), registry.version());
        let mut bits: BTreeMap<PermissionName, _> =
            registry.declared().iter().map(|slot| (slot.name.clone(), slot.bit)).collect();
        let mut deleted = BTreeSet::new();
        for (kind, number) in changes {
            let next = match kind {
                0 => registry.declare([permission(number)]),
                1 => registry.delete(&permission(number)),
                _ => registry.widen(MaskWidth::ALL[number % 4]),
            };
            let Ok(next) = next else { continue };
            prop_assert_eq!(next.check_successor_of(&registry), Ok(()));
            prop_assert!(next.version() >= registry.version());
            prop_assert!(next.knows(version));
            registry = next;
            if kind == 1 {
                deleted.insert(number);
            }
            for slot in registry.declared() {
                prop_assert_eq!(*bits.entry(slot.name.clone()).or_insert(slot.bit), slot.bit);
            }
            let distinct: BTreeSet<_> = registry.declared().iter().map(|slot| slot.bit).collect();
            prop_assert_eq!(distinct.len(), registry.declared().len());
        }
        // A narrower mask is refused as it stands, never read as if it were wide.
        let read = registry.read_mask(&text);
        prop_assert_eq!(read.is_ok(), registry.width() == MaskWidth::Bits64);
        let widened = issued.widen(registry.width()).unwrap();
        prop_assert_eq!(widened.is_root(), has_root);
        for number in (0..60).filter(|number| registry.bit_of(permission(*number).as_str()).is_some()) {
            let expected = has_root || (held.contains(&number) && !deleted.contains(&number));
            prop_assert_eq!(registry.allows(&widened, permission(number).as_str()), expected);
        }
    }
}

#[test]
fn every_permission_there_can_be_is_not_root() {
    for width in MaskWidth::ALL {
        let registry = registry(width.capacity(), width);
        let all = permissions(0..width.capacity());
        let (role, group) = (role("all"), group("all"));
        let roles = [NamedPermissions { name: &role, permissions: &all }];
        let groups = [NamedPermissions { name: &group, permissions: &all }];
        let holdings = Holdings { roles: &roles, direct: &all, groups: &groups, has_root: false };
        let mask = resolve(&registry, &holdings).unwrap().mask;
        assert_eq!(mask.bits().count(), width.capacity());
        assert!(!mask.is_root(), "{width:?}");
        // Nor after the bit that was root's has become an ordinary place in a wider mask.
        for wider in MaskWidth::ALL.into_iter().filter(|wider| *wider > width) {
            assert!(!mask.widen(wider).unwrap().is_root(), "{width:?} to {wider:?}");
        }
        let root = resolve(&registry, &Holdings { has_root: true, ..Holdings::NOTHING }).unwrap().mask;
        assert_eq!(root, PermissionMask::root(width));
        assert!(registry.allows(&root, "item0:use"));
        // What a check demands by mask never demands root, however much it names.
        assert!(mask.contains_all(&mask) && mask.contains_any(&mask));
        assert!(!mask.contains_all(&root) && !mask.contains_any(&root));
    }
}

#[test]
fn an_explanation_names_every_source_and_the_way_to_take_it_away() {
    let registry = registry(3, MaskWidth::Bits64);
    let (editor, reader, support) = (role("editor"), role("reader"), group("support"));
    let (both, second, first) = (permissions([0, 1]), permissions([1]), permissions([0]));
    let roles = [
        NamedPermissions { name: &editor, permissions: &both },
        NamedPermissions { name: &reader, permissions: &second },
    ];
    let groups = [NamedPermissions { name: &support, permissions: &first }];
    let holdings = Holdings { roles: &roles, direct: &first, groups: &groups, has_root: true };
    let why = |holdings: &Holdings<'_>, number| -> Vec<String> {
        let answer = explain(&registry, holdings, &permission(number)).unwrap();
        answer.sources().iter().map(ToString::to_string).collect()
    };
    assert_eq!(why(&holdings, 0), ["root", "role editor", "the account itself", "group support"]);
    assert_eq!(why(&holdings, 1), ["root", "role editor", "role reader"]);
    assert_eq!(why(&holdings, 2), ["root"]);
    let without = Holdings { has_root: false, direct: &[], roles: &roles[1..], ..holdings };
    assert_eq!(why(&without, 0), ["group support"]);
    let nothing: Result<Explanation<'_>, _> = explain(&registry, &without, &permission(2));
    assert!(!nothing.unwrap().is_allowed());
    assert!(!explain(&registry, &Holdings::NOTHING, &permission(0)).unwrap().is_allowed());
}

#[test]
fn a_deleted_permission_is_nobody_elses() {
    let first = registry(2, MaskWidth::Bits64);
    let direct = permissions([0, 1]);
    let holdings = Holdings { direct: &direct, ..Holdings::NOTHING };
    let old = resolve(&first, &holdings).unwrap().mask;
    let later = first.delete(&permission(1)).unwrap().declare([permission(9)]).unwrap();
    let now = resolve(&later, &holdings).unwrap();
    assert_eq!(later.names_of(now.mask).collect::<Vec<_>>(), [&permission(0)]);
    let skipped = now.skipped[0];
    assert_eq!((skipped.source, skipped.permission, skipped.deleted), (Source::Direct, &direct[1], true));
    // The newcomer has another bit than the one that the old mask still carries.
    assert!(!later.allows(&old, "item9:use") && !later.allows(&old, "item1:use"));
}

#[test]
fn all_and_any_of_some_permissions() {
    let registry = registry(4, MaskWidth::Bits64).delete(&permission(3)).unwrap();
    let direct = permissions([0, 1]);
    let holdings = Holdings { direct: &direct, ..Holdings::NOTHING };
    let mask = resolve(&registry, &holdings).unwrap().mask;
    let root = PermissionMask::root(MaskWidth::Bits64);
    for (names, all, any) in [
        (&["item0:use", "item1:use"][..], true, true),
        (&["item0:use", "item2:use"], false, true),
        (&["item1:use", "item3:use"], false, true),
        (&["item1:use", "no:such"], false, true),
        (&["item2:use", "item3:use", "no:such", "item1:*", "ITEM1:use"], false, false),
        (&[], true, false),
    ] {
        assert_eq!(
            (registry.allows_all(&mask, names), registry.allows_any(&mask, names)),
            (all, any),
            "{names:?}"
        );
        assert!(registry.allows_all(&root, names));
        assert_eq!(registry.allows_any(&root, names), !names.is_empty(), "{names:?}");
    }
}

#[test]
fn limits_are_errors_that_name_what_is_too_much() {
    let registry = registry(1, MaskWidth::Bits64);
    let (held, one, many) = (permissions([0]), permissions(0..512), permissions(0..513));
    let (a_role, a_group) = (role("editor"), group("support"));
    let roles = |count, permissions| -> Vec<_> {
        (0..count).map(|_| NamedPermissions { name: &a_role, permissions }).collect()
    };
    let groups = |count, permissions| -> Vec<_> {
        (0..count).map(|_| NamedPermissions { name: &a_group, permissions }).collect()
    };
    let with = |roles: &[_], direct, groups: &[_]| {
        resolve(&registry, &Holdings { roles, direct, groups, has_root: false })
            .map(|resolved| resolved.mask)
            .map_err(|error| error.to_string())
    };
    let mask = registry.mask_of(&held).unwrap();
    assert_eq!(with(&roles(1_000, &held), &one, &groups(100, &held)), Ok(mask));
    for (answer, message) in [
        (with(&roles(1_001, &held), &[], &[]), "must have at most 1000 roles"),
        (with(&[], &[], &groups(101, &held)), "must be in at most 100 groups"),
        (with(&[], &many, &[]), "the account itself must have at most 512 permissions"),
        (with(&roles(1, &many), &[], &[]), "role editor must have at most 512 permissions"),
        (with(&[], &[], &groups(1, &many)), "group support must have at most 512 permissions"),
    ] {
        assert_eq!(answer, Err(message.into()));
    }
    let typed = resolve(&registry, &Holdings { direct: &many, ..Holdings::NOTHING });
    assert_eq!(typed, Err(ResolveError::TooManyPermissions(Source::Direct)));
}

#[test]
fn names_of_groups_have_one_spelling() {
    assert!("g".repeat(64).parse::<GroupName>().is_ok());
    for refused in ["", "Support", "a:b", "a b", "söder", &"g".repeat(65)] {
        assert!(refused.parse::<GroupName>().is_err(), "{refused}");
    }
}
