//! The registry while a deployment runs, against a model of plain sets: whatever is allocated, deleted, widened and
//! defined between, a mask never comes to mean something else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise"
)]

use postern_core::config::{Config, DefinitionError, PermissionSettings};
use postern_core::permission::{
    AuthorizationSnapshot, DefinedSet, Definitions, MaskWidth, PermissionMask, PermissionName,
    PermissionRegistry, RegistryError, SetKind,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The configuration declares the first four, and has deleted the last of them.
const CONFIGURED: usize = 4;
const NAMES: usize = 12;

fn permission(number: usize) -> String {
    format!("item{number}:use")
}

fn name(number: usize) -> PermissionName {
    permission(number).parse().unwrap()
}

fn settings(names: &str, width: u16) -> PermissionSettings {
    let text = format!(
        r#"{{"issuer":"https://auth.example","permissions":{{"names":[{names}],"deleted":["item3:use"],"width":{width},
        "roles":{{"base":["item0:use","item1:use"]}},"groups":{{"staff":["item2:use"]}},"runtime":true}}}}"#
    );
    Config::from_json(&text).unwrap().permissions().clone()
}

fn configured() -> PermissionSettings {
    settings(r#""item0:use","item1:use","item2:use","item3:use""#, 64)
}

/// What the directory does with what is lacking.
fn declare(settings: &PermissionSettings, definitions: &mut Definitions) {
    let lacking = settings.undeclared(definitions).unwrap();
    let names: Vec<PermissionName> = lacking.names.into_iter().cloned().collect();
    let deleted: Vec<PermissionName> = lacking.deleted.into_iter().cloned().collect();
    definitions.width = lacking.width.unwrap_or(definitions.width);
    definitions.permissions.extend(names);
    for name in deleted {
        definitions.deleted.push(place(definitions, &name));
    }
    assert!(settings.undeclared(definitions).unwrap().is_empty());
}

fn place(definitions: &Definitions, name: &PermissionName) -> u16 {
    definitions.permissions.iter().position(|known| known == name).unwrap() as u16
}

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Delete(usize),
    Widen(usize),
    Role(usize, Vec<usize>),
    Group(usize, Vec<usize>),
    EndRole(usize),
    /// A token is issued to somebody with these roles, this group and this permission.
    Issue(Vec<usize>, usize, usize),
}

fn a_step() -> impl Strategy<Value = Step> {
    let some = || prop::collection::vec(0..NAMES, 0..5);
    prop_oneof![
        (CONFIGURED..NAMES).prop_map(Step::Create),
        (0..NAMES).prop_map(Step::Delete),
        (0usize..4).prop_map(Step::Widen),
        (0usize..4, some()).prop_map(|(role, names)| Step::Role(role, names)),
        (0usize..4, some()).prop_map(|(group, names)| Step::Group(group, names)),
        (0usize..4).prop_map(Step::EndRole),
        (prop::collection::vec(0usize..4, 0..3), 0usize..4, 0..NAMES)
            .prop_map(|(roles, group, direct)| Step::Issue(roles, group, direct)),
    ]
}

/// What the model knows: plain sets of names.
#[derive(Default)]
struct Model {
    created: BTreeSet<usize>,
    deleted: BTreeSet<usize>,
    roles: BTreeMap<usize, BTreeSet<usize>>,
    groups: BTreeMap<usize, BTreeSet<usize>>,
}

impl Model {
    fn lives(&self, number: usize) -> bool {
        self.created.contains(&number) && !self.deleted.contains(&number)
    }

    fn held(&self, roles: &[usize], group: usize, direct: usize) -> BTreeSet<usize> {
        let sets = roles.iter().filter_map(|role| self.roles.get(role)).chain(self.groups.get(&group));
        let all = sets.flatten().copied().chain([direct, 0, 1]);
        all.filter(|number| self.lives(*number)).collect()
    }
}

fn set_of(definitions: &mut Definitions, kind: SetKind) -> &mut Vec<DefinedSet> {
    match kind {
        SetKind::Role => &mut definitions.roles,
        SetKind::Group => &mut definitions.groups,
    }
}

/// Defines a set if the rules allow it, and says whether they did.
fn define(definitions: &mut Definitions, kind: SetKind, number: usize, names: &[usize]) -> bool {
    let set = format!("set{number}");
    let names: Vec<String> = names.iter().map(|number| permission(*number)).collect();
    let Ok(permissions) = configured().define_set(definitions, (kind, &set), &names) else { return false };
    let sets = set_of(definitions, kind);
    sets.retain(|known| known.name != set);
    sets.push(DefinedSet { name: set, permissions });
    true
}

fn given(roles: &[usize], group: usize, direct: usize) -> AuthorizationSnapshot {
    let roles = roles.iter().map(|role| format!("set{role}")).chain(["base".into()]).collect();
    AuthorizationSnapshot {
        groups: vec![format!("set{group}")],
        permissions: vec![permission(direct)],
        ..AuthorizationSnapshot::of_roles(roles)
    }
}

/// What a mask says by a registry, of every name that the test knows.
fn said(registry: &PermissionRegistry, mask: &PermissionMask) -> BTreeSet<usize> {
    (0..NAMES).filter(|number| registry.allows(mask, &permission(*number))).collect()
}

proptest! {
    /// Resolution is the union of plain sets at every moment; and a token that was issued at one moment says at every
    /// later one what it said, less what was deleted since, and never more. After a widening it is refused by its length.
    #[test]
    fn masks_keep_their_meaning_whatever_is_defined_between(steps in prop::collection::vec(a_step(), 0..60)) {
        let settings = configured();
        let mut definitions = Definitions::empty(MaskWidth::Bits64);
        declare(&settings, &mut definitions);
        prop_assert_eq!(definitions.registry().unwrap(), settings.registry.clone(), "the bits that it had without");
        let mut model = Model { created: (0..CONFIGURED).collect(), deleted: BTreeSet::from([3]), ..Model::default() };
        let mut issued: Vec<(String, BTreeSet<usize>)> = Vec::new();
        let mut version = definitions.registry().unwrap().version();
        for step in steps {
            let before = definitions.registry().unwrap();
            match step {
                Step::Create(number) => {
                    let decided = PermissionSettings::create_permission(&definitions, &name(number));
                    prop_assert_eq!(decided.is_err(), model.deleted.contains(&number));
                    if decided == Ok(true) {
                        prop_assert!(model.created.insert(number), "a name has one bit");
                        definitions.permissions.push(name(number));
                    }
                }
                Step::Delete(number) => {
                    let decided = settings.delete_permission(&definitions, &name(number));
                    prop_assert_eq!(decided == Ok(true), number >= CONFIGURED && model.lives(number));
                    if decided == Ok(true) {
                        model.deleted.insert(number);
                        let place = place(&definitions, &name(number));
                        definitions.deleted.push(place);
                    }
                }
                Step::Widen(to) => definitions.width = definitions.width.max(MaskWidth::ALL[to]),
                Step::Role(role, names) => {
                    let sound = names.iter().all(|number| model.lives(*number));
                    prop_assert_eq!(define(&mut definitions, SetKind::Role, role, &names), sound);
                    if sound {
                        model.roles.insert(role, names.into_iter().collect());
                    }
                }
                Step::Group(group, names) => {
                    let sound = names.iter().all(|number| model.lives(*number));
                    prop_assert_eq!(define(&mut definitions, SetKind::Group, group, &names), sound);
                    if sound {
                        model.groups.insert(group, names.into_iter().collect());
                    }
                }
                Step::EndRole(role) => {
                    definitions.roles.retain(|set| set.name != format!("set{role}"));
                    model.roles.remove(&role);
                }
                Step::Issue(roles, group, direct) => {
                    let now = settings.with_definitions(&definitions).unwrap();
                    let resolved = now.resolve(given(&roles, group, direct));
                    let held = model.held(&roles, group, direct);
                    let mask = now.registry.read_mask(&resolved.permission_mask).unwrap();
                    prop_assert_eq!(said(&now.registry, &mask), held.clone());
                    prop_assert_eq!(resolved.registry_version, now.registry.version().as_u32());
                    issued.push((resolved.permission_mask, held));
                }
            }
            let registry = definitions.registry().unwrap();
            prop_assert_eq!(registry.check_successor_of(&before), Ok(()));
            prop_assert!(registry.version() >= version && registry.knows(version));
            version = registry.version();
            for (text, held) in &issued {
                let Ok(mask) = registry.read_mask(text) else {
                    prop_assert!(text.len() < registry.width().text_length());
                    continue;
                };
                let still = held.iter().copied().filter(|number| model.lives(*number)).collect();
                prop_assert_eq!(said(&registry, &mask), still);
                // Whoever has not heard of the change reads what the mask said when it was issued, and no more.
                if let Ok(mask) = before.read_mask(text) {
                    prop_assert!(said(&before, &mask).is_subset(held));
                }
            }
        }
    }
}

#[test]
fn the_document_comes_back() {
    let mut definitions = Definitions::empty(MaskWidth::Bits128);
    definitions.permissions = vec![name(0), name(1)];
    definitions.deleted = vec![1];
    definitions.revision = 7;
    definitions.roles = vec![DefinedSet { name: "reader".into(), permissions: vec![0] }];
    let text = postern_core::json::write(&definitions).unwrap();
    assert_eq!(
        text,
        r#"{"revision":7,"width":128,"permissions":["item0:use","item1:use"],"deleted":[1],"roles":[{"name":"reader","permissions":[0]}],"groups":[]}"#
    );
    assert_eq!(postern_core::json::record::read::<Definitions>(text.as_bytes()).unwrap(), definitions);
    definitions.permissions.push(name(0));
    assert_eq!(definitions.registry(), Err(RegistryError::Duplicate(name(0))));
}

#[test]
fn names_of_the_configuration_come_first_and_later_ones_behind_what_operators_added() {
    let mut definitions = Definitions::empty(MaskWidth::Bits64);
    declare(&configured(), &mut definitions);
    definitions.permissions.push(name(9));
    let longer = settings(r#""item5:use","item3:use","item0:use","item1:use","item2:use""#, 128);
    declare(&longer, &mut definitions);
    let order: Vec<&str> = definitions.permissions.iter().map(PermissionName::as_str).collect();
    assert_eq!(order, ["item0:use", "item1:use", "item2:use", "item3:use", "item9:use", "item5:use"]);
    assert_eq!((definitions.width, &*definitions.deleted), (MaskWidth::Bits128, &[3][..]));
    // A deployment of before goes on beside it, and takes nothing back.
    assert!(configured().undeclared(&definitions).unwrap().is_empty());
    assert_eq!(configured().with_definitions(&definitions).unwrap().registry.width(), MaskWidth::Bits128);
}

#[test]
fn the_last_bit_is_given_once() {
    let mut definitions = Definitions::empty(MaskWidth::Bits64);
    declare(&configured(), &mut definitions);
    definitions.permissions.extend((0..59).map(|number| format!("more:{number}").parse().unwrap()));
    let full = RegistryError::Full { width: MaskWidth::Bits64, needed: 64, fits: Some(MaskWidth::Bits128) };
    let refused = DefinitionError::Registry(full);
    assert_eq!(PermissionSettings::create_permission(&definitions, &name(9)), Err(refused.clone()));
    assert!(refused.to_string().ends_with("use width 128"), "{refused}");
    // A deleted name gives its bit to nobody.
    definitions.deleted.push(10);
    assert_eq!(PermissionSettings::create_permission(&definitions, &name(9)), Err(refused));
    assert_eq!(PermissionSettings::create_permission(&definitions, &definitions.permissions[9]), Ok(false));
    // Nor does the configuration get one; it lacks nothing that there is room for.
    let longer = settings(r#""item0:use","item1:use","item2:use","item3:use","item5:use""#, 64);
    assert!(longer.undeclared(&definitions).unwrap().is_empty());
    assert_eq!(longer.with_definitions(&definitions).unwrap().registry.bit_of("item5:use"), None);
}

#[test]
fn what_the_configuration_has_is_changed_only_there() {
    let mut definitions = Definitions::empty(MaskWidth::Bits64);
    let settings = configured();
    declare(&settings, &mut definitions);
    assert_eq!(settings.delete_permission(&definitions, &name(0)), Err(DefinitionError::Configured));
    assert_eq!(settings.delete_permission(&definitions, &name(3)), Ok(false), "it is a tombstone");
    let unknown = RegistryError::Unknown(name(8));
    assert_eq!(
        settings.delete_permission(&definitions, &name(8)),
        Err(DefinitionError::Registry(unknown.clone()))
    );
    for (kind, set) in [(SetKind::Role, "base"), (SetKind::Group, "staff")] {
        assert_eq!(settings.define_set(&definitions, (kind, set), &[]), Err(DefinitionError::Configured));
    }
    for (names, error) in [
        (vec![permission(8)], DefinitionError::Registry(unknown)),
        (vec![permission(0), permission(3)], DefinitionError::Registry(RegistryError::Deleted(name(3)))),
        (vec!["Item:use".into()], DefinitionError::Name("Item:use".into())),
        (vec![permission(0); 513], DefinitionError::TooManyPermissions),
    ] {
        assert_eq!(settings.define_set(&definitions, (SetKind::Role, "new"), &names), Err(error));
    }
    let twice = [permission(2), permission(0), permission(2)];
    assert_eq!(settings.define_set(&definitions, (SetKind::Group, "base"), &twice), Ok(vec![0, 2]));
    // It comes to define a name that an operator has defined: then it is what the configuration says.
    definitions.roles.push(DefinedSet { name: "base".into(), permissions: vec![2] });
    let joined = settings.with_definitions(&definitions).unwrap();
    assert_eq!(joined.roles.get("base").unwrap().permissions(), &[name(0), name(1)]);
}

#[test]
fn there_are_no_more_roles_groups_and_grants_than_may_be() {
    let settings = configured();
    let mut definitions = Definitions::empty(MaskWidth::Bits512);
    declare(&settings, &mut definitions);
    let many = |count: usize, grants: u16| {
        let set =
            move |number| DefinedSet { name: format!("many{number}"), permissions: (0..grants).collect() };
        (0..count).map(set).collect::<Vec<_>>()
    };
    for kind in [SetKind::Role, SetKind::Group] {
        let tried = |definitions: &Definitions, set: &str| {
            settings.define_set(definitions, (kind, set), &[permission(0)])
        };
        *set_of(&mut definitions, kind) = many(kind.most() - 2, 0);
        assert_eq!(tried(&definitions, "last"), Ok(vec![0]));
        *set_of(&mut definitions, kind) = many(kind.most() - 1, 0);
        assert_eq!(tried(&definitions, "last"), Err(DefinitionError::TooMany(kind)));
        assert_eq!(tried(&definitions, "many7"), Ok(vec![0]), "it is there");
        set_of(&mut definitions, kind).clear();
    }
    definitions.roles = many(64, 512);
    let one = |kind, set| settings.define_set(&definitions, (kind, set), &[permission(0)]);
    assert_eq!(one(SetKind::Group, "many7"), Err(DefinitionError::TooManyGrants));
    assert_eq!(one(SetKind::Role, "many7"), Ok(vec![0]), "it grants less than before");
}

#[test]
fn what_cannot_be_read_grants_nothing() {
    let settings = configured();
    let mut definitions = Definitions::empty(MaskWidth::Bits64);
    let before = settings.with_definitions(&definitions).unwrap();
    assert!(before.roles.get("base").unwrap().permissions().is_empty(), "nothing is allocated yet");
    declare(&settings, &mut definitions);
    definitions.roles = vec![
        DefinedSet { name: "Not a role".into(), permissions: vec![0] },
        DefinedSet { name: "odd".into(), permissions: vec![0, 3, 77, 65_535] },
        DefinedSet { name: "odd".into(), permissions: vec![1] },
    ];
    let joined = settings.with_definitions(&definitions).unwrap();
    assert_eq!(joined.roles.len(), 2);
    assert_eq!(joined.roles.get("odd").unwrap().permissions(), &[name(0)]);
    assert_eq!(joined.revision, definitions.revision);
}

/// 508 permissions, 1,000 roles and 100 groups: however much is defined, an account is resolved from the masks of what it
/// holds, and those were computed when the document was joined.
#[test]
fn the_largest_registry_is_joined_and_resolved() {
    let settings = configured();
    let mut definitions = Definitions::empty(MaskWidth::Bits512);
    declare(&settings, &mut definitions);
    let more = (definitions.permissions.len()..508).map(|number| format!("more:{number}").parse().unwrap());
    definitions.permissions.extend(more);
    let grants =
        |set: usize| (0..29).map(move |step| ((set * 31 + step * 17) % 508) as u16).collect::<Vec<_>>();
    let sets = |kind: SetKind| {
        let set = move |set| DefinedSet { name: format!("set{set}"), permissions: grants(set) };
        (0..kind.most() - 1).map(set).collect::<Vec<_>>()
    };
    (definitions.roles, definitions.groups) = (sets(SetKind::Role), sets(SetKind::Group));
    let text = postern_core::json::write(&definitions).unwrap();
    let read: Definitions = postern_core::json::record::read(text.as_bytes()).unwrap();
    let joined = settings.with_definitions(&read).unwrap();
    assert_eq!((joined.roles.len(), joined.groups.len()), (1_000, 100));
    let (held_roles, held_groups): (Vec<usize>, Vec<usize>) =
        ((0..64).map(|role| role * 15).collect(), (0..99).collect());
    let given = AuthorizationSnapshot {
        groups: held_groups.iter().map(|group| format!("set{group}")).collect(),
        ..AuthorizationSnapshot::of_roles(held_roles.iter().map(|role| format!("set{role}")).collect())
    };
    let mask = joined.mask_of(&given);
    // Item 3 is a tombstone.
    let model: BTreeSet<u16> = held_roles
        .iter()
        .chain(&held_groups)
        .flat_map(|set| grants(*set))
        .filter(|place| *place != 3)
        .collect();
    let names: BTreeSet<u16> =
        joined.registry.names_of(mask).map(|name| joined.registry.place_of(name.as_str()).unwrap()).collect();
    assert_eq!(names, model);
}

#[test]
fn what_is_given_besides_is_new_and_not_the_configurations() {
    let settings = configured();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let given = |roles: &[&str], groups: &[&str], permissions: &[&str]| AuthorizationSnapshot {
        groups: names(groups),
        permissions: names(permissions),
        ..AuthorizationSnapshot::of_roles(names(roles))
    };
    let before = given(&["kept", "staff"], &["kept"], &["item9:use"]);
    let after = given(
        &["staff", "base", "kept", "clerk"],
        &["staff", "base", "kept"],
        &["item9:use", "item0:use", "item3:use", "item8:use"],
    );
    let besides = settings.given_besides(&before, &after);
    assert_eq!(besides, [["role", "clerk"], ["group", "base"], ["permission", "item8:use"]]);
    assert!(settings.given_besides(&after, &before).is_empty(), "what is taken is not asked for");
}

#[test]
fn a_copy_never_gives_way_to_what_was_read_before_it() {
    for (read, copy, copy_before, replaces) in [
        (5, None, None, true),
        (5, Some(4), Some(4), true),
        (5, Some(5), Some(4), true),
        (5, Some(6), Some(4), false),
        (5, Some(6), None, false),
        (6, Some(5), Some(4), true),
        // The directory was set back.
        (3, Some(6), Some(6), true),
    ] {
        assert_eq!(
            Definitions::replaces(read, copy, copy_before),
            replaces,
            "{read} {copy:?} {copy_before:?}"
        );
    }
}
