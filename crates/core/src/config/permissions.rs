//! `permissions`: the registry, the roles and the groups, and what an account may do by them.

use super::section::{Section, Value};
use crate::permission::{
    AuthorizationError, AuthorizationSnapshot, Explanation, GroupName, GroupTable, Holdings, MaskWidth,
    NamedPermissions, OperatorPermission, PermissionMask, PermissionName, PermissionRegistry,
    PermissionTable, RegistryError, RoleName, RoleTable, SetName, explain,
};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// `permissions`: the registry, the roles and the groups.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PermissionSettings {
    /// Names and their bits: `names` in the order of their first declaration, those in `deleted` as
    /// tombstones.
    pub registry: PermissionRegistry,
    /// Roles and what they may.
    pub roles: RoleTable,
    /// Groups and what their members may.
    pub groups: GroupTable,
    /// The role of every new account; `None` when new accounts have no role.
    pub default_role: Option<RoleName>,
    /// Whether operators define further permissions, roles and groups while the deployment runs, default no.
    pub runtime: bool,
    /// The revision of what they have defined, which this was joined with; 0 for the configuration alone.
    pub revision: u32,
}

/// Names that an account was given and that grant nothing by this configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ineffective<'a> {
    /// Roles that are not defined.
    pub roles: Vec<&'a str>,
    /// Groups that are not defined.
    pub groups: Vec<&'a str>,
    /// Permissions that the registry does not have, or has deleted.
    pub permissions: Vec<&'a str>,
}

impl PermissionSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let refusals = section.refusals();
        let registry = read_registry(&mut section);
        // Roles are resolved against a sound registry only: one mistake in a name is one message.
        let is_sound = section.refusals() == refusals;
        let roles = read_table(&mut section, "roles", &registry, is_sound);
        let groups = read_table(&mut section, "groups", &registry, is_sound);
        let default_role = section.parsed::<RoleName>("default_role").filter(|role| {
            let Some(found) = roles.get(role.as_str()) else {
                section.refuse("default_role", "must be one of permissions.roles");
                return false;
            };
            // Everybody who signs up has it.
            let operates = found.permissions().iter().any(OperatorPermission::is_named_like_one);
            if operates {
                section.refuse("default_role", "must grant no permission that begins with postern:");
            }
            !operates
        });
        let runtime = section.flag("runtime", false);
        Self { registry, roles, groups, default_role, runtime, revision: 0 }
    }

    /// What an account may do that was given this: its roles, its groups and its own permissions together, and root
    /// if it was granted as such. A name that is not defined (any more) grants nothing.
    #[must_use]
    pub fn mask_of(&self, given: &AuthorizationSnapshot) -> PermissionMask {
        let width = self.registry.width();
        let start = if given.has_root { PermissionMask::root(width) } else { PermissionMask::empty(width) };
        let roles = given.roles.iter().filter_map(|role| self.roles.get(role)).map(|set| set.mask());
        let groups = given.groups.iter().filter_map(|group| self.groups.get(group)).map(|set| set.mask());
        let bits = given.permissions.iter().filter_map(|name| self.registry.bit_of(name));
        // Tables are made with the registry and are as wide as it is; nothing is left out here.
        let sets = roles.chain(groups).fold(start, |mask, set| mask.union(set).unwrap_or(mask));
        bits.fold(sets, |mask, bit| mask.with(bit).unwrap_or(mask))
    }

    /// Whether a role has this name, letters of either case being one: who reads `roles` in a token could take one for
    /// the other.
    #[must_use]
    pub fn resembles_role(&self, name: &str) -> bool {
        self.roles.iter().any(|set| set.name().as_str().eq_ignore_ascii_case(name))
    }

    /// The snapshot with the mask that it comes to by this configuration.
    #[must_use]
    pub fn resolve(&self, given: AuthorizationSnapshot) -> AuthorizationSnapshot {
        let permission_mask = self.mask_of(&given).to_text();
        let registry_version = self.registry.version().as_u32();
        AuthorizationSnapshot { permission_mask, registry_version, definitions: self.revision, ..given }
    }

    /// Why an account that was given this may do something: every source of the permission, or none. `answer` makes of
    /// them what the caller keeps, since they borrow from lists that end with this call.
    ///
    /// # Errors
    ///
    /// As [`explain`].
    pub fn explain<Answer>(
        &self,
        given: &AuthorizationSnapshot,
        permission: &PermissionName,
        answer: impl FnOnce(&Explanation<'_>) -> Answer,
    ) -> Result<Answer, RegistryError> {
        let roles: Vec<NamedPermissions<'_, RoleName>> =
            given.roles.iter().filter_map(|role| Some(self.roles.get(role)?.named())).collect();
        let groups: Vec<NamedPermissions<'_, GroupName>> =
            given.groups.iter().filter_map(|group| Some(self.groups.get(group)?.named())).collect();
        let direct: Vec<PermissionName> =
            given.permissions.iter().filter_map(|name| name.parse().ok()).collect();
        let holdings = Holdings { roles: &roles, direct: &direct, groups: &groups, has_root: given.has_root };
        explain(&self.registry, &holdings, permission).map(|explanation| answer(&explanation))
    }

    /// Whether there are all of these to be given.
    ///
    /// # Errors
    ///
    /// The first name that there is not.
    pub fn check_known(&self, roles: &[String], permissions: &[String]) -> Result<(), AuthorizationError> {
        if let Some(role) = roles.iter().find(|role| self.roles.get(role).is_none()) {
            return Err(AuthorizationError::UnknownRole(role.clone()));
        }
        match permissions.iter().find(|name| self.registry.bit_of(name).is_none()) {
            None => Ok(()),
            Some(name) => Err(AuthorizationError::UnknownPermission(name.clone())),
        }
    }

    /// What of it grants nothing.
    #[must_use]
    pub fn ineffective<'a>(&self, given: &'a AuthorizationSnapshot) -> Ineffective<'a> {
        let lacking = |names: &'a [String], is_defined: &dyn Fn(&str) -> bool| {
            names.iter().map(String::as_str).filter(|name| !is_defined(name)).collect()
        };
        Ineffective {
            roles: lacking(&given.roles, &|name| self.roles.get(name).is_some()),
            groups: lacking(&given.groups, &|name| self.groups.get(name).is_some()),
            permissions: lacking(&given.permissions, &|name| self.registry.bit_of(name).is_some()),
        }
    }
}

fn read_registry(section: &mut Section<'_>) -> PermissionRegistry {
    let read_width = |value: &Value| MaskWidth::from_bits(value.as_u64()?);
    let width = section.mapped("width", MaskWidth::Bits64, read_width, "must be 64, 128, 256 or 512");
    let names = section.list::<PermissionName>("names").unwrap_or_default();
    let deleted = section.list::<PermissionName>("deleted").unwrap_or_default();
    for (path, name) in &names {
        // One that was deleted means nothing any more.
        if OperatorPermission::is_misnamed(name) && deleted.iter().all(|(_, deleted)| deleted != name) {
            section.refuse_at(path.clone(), "begins with postern:, and is no permission that Postern knows");
        }
    }
    let declared = PermissionRegistry::from_declared(names.into_iter().map(|(_, name)| name), width);
    let mut registry = declared.unwrap_or_else(|error| {
        section.refuse("names", error.to_string());
        PermissionRegistry::empty(width)
    });
    for (path, name) in deleted {
        match registry.delete(&name) {
            Ok(next) => registry = next,
            Err(error) => section.refuse_at(path, error.to_string()),
        }
    }
    registry
}

/// Roles or groups: an object of lists of permissions.
fn read_table<Name: SetName + FromStr<Err: fmt::Display>>(
    section: &mut Section<'_>,
    field: &'static str,
    registry: &PermissionRegistry,
    resolve: bool,
) -> PermissionTable<Name> {
    let mut sets: Vec<(Name, Vec<PermissionName>)> = Vec::new();
    for (path, key, value) in section.entries(field) {
        let names = section.parse_list::<PermissionName>(&path, value);
        let set = key.parse::<Name>().map_err(|error| section.refuse_at(path, error.to_string()));
        let mut granted = Vec::with_capacity(names.len());
        for (path, name) in names {
            match registry.mask_of([&name]) {
                Err(error) if resolve => section.refuse_at(path, error.to_string()),
                Err(_) => {}
                Ok(_) => granted.push(name),
            }
        }
        if let Ok(set) = set {
            sets.push((set, granted));
        }
    }
    PermissionTable::new(registry, sets).unwrap_or_else(|error| {
        section.refuse(field, error.to_string());
        PermissionTable::empty(registry.width())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::permission::Source;
    use proptest::prelude::*;
    use std::format;

    fn settings(groups: &str) -> PermissionSettings {
        let text = format!(
            r#"{{"issuer":"https://auth.example","audience":["https://api.example"],"client_id":"web","permissions":{{
            "names":["p:0","p:1","p:2","p:3","p:4","p:5"],"deleted":["p:5"],
            "roles":{{"r0":[],"r1":["p:0"],"r2":["p:0","p:1"]}},"groups":{groups},"default_role":"r1"}}}}"#
        );
        Config::from_json(&text).unwrap().permissions().clone()
    }

    fn sound() -> PermissionSettings {
        settings(r#"{"g0":[],"g1":["p:2"],"g2":["p:1","p:3"]}"#)
    }

    fn given(
        roles: &[usize],
        groups: &[usize],
        permissions: &[usize],
        has_root: bool,
    ) -> AuthorizationSnapshot {
        let named = |kind: &'static str, numbers: &[usize]| {
            numbers.iter().map(|number| format!("{kind}{number}")).collect::<Vec<_>>()
        };
        AuthorizationSnapshot {
            groups: named("g", groups),
            permissions: named("p:", permissions),
            has_root,
            ..AuthorizationSnapshot::of_roles(named("r", roles))
        }
    }

    #[test]
    fn a_name_resembles_a_role_in_letters_of_either_case() {
        let text =
            r#"{"issuer":"https://auth.example","permissions":{"roles":{"admin":[],"app_user-1":[]}}}"#;
        let config = Config::from_json(text).unwrap();
        for name in ["admin", "Admin", "ADMIN", "App_User-1"] {
            assert!(config.permissions().resembles_role(name), "{name}");
        }
        for name in ["", "admi", "admins", "admin ", "app_user_1", "owner", "member"] {
            assert!(!config.permissions().resembles_role(name), "{name}");
        }
    }

    proptest! {
        /// The mask that tokens carry and the explanation that operators get come from different code.
        #[test]
        fn masks_and_explanations_agree(
            roles in prop::collection::vec(0usize..4, 0..4),
            groups in prop::collection::vec(0usize..4, 0..4),
            direct in prop::collection::vec(0usize..7, 0..4),
            has_root: bool,
        ) {
            let settings = sound();
            let given = given(&roles, &groups, &direct, has_root);
            let mask = settings.mask_of(&given);
            prop_assert_eq!(mask.is_root(), has_root);
            for number in 0..5 {
                let name: PermissionName = format!("p:{number}").parse().unwrap();
                let allowed = settings.explain(&given, &name, |found| found.is_allowed()).unwrap();
                prop_assert_eq!(settings.registry.allows(&mask, name.as_str()), allowed, "{}", name);
                let model = has_root || direct.contains(&number)
                    || roles.iter().any(|role| *role < 3 && number < *role)
                    || groups.contains(&1) && number == 2
                    || groups.contains(&2) && [1, 3].contains(&number);
                prop_assert_eq!(allowed, model, "{}", name);
            }
        }
    }

    #[test]
    fn what_is_not_defined_grants_nothing_and_is_told() {
        let settings = sound();
        let lost = given(&[1, 9], &[1, 9], &[3, 5, 6], false);
        assert_eq!(
            settings.ineffective(&lost),
            Ineffective { roles: ["r9"].into(), groups: ["g9"].into(), permissions: ["p:5", "p:6"].into() }
        );
        let names: Vec<&str> =
            settings.registry.names_of(settings.mask_of(&lost)).map(PermissionName::as_str).collect();
        assert_eq!(names, ["p:0", "p:2", "p:3"]);
        let resolved = settings.resolve(lost.clone());
        assert_eq!(resolved.permission_mask, settings.mask_of(&lost).to_text());
        assert_eq!(resolved.registry_version, settings.registry.version().as_u32());
        assert_eq!((resolved.roles, resolved.groups), (lost.roles, lost.groups), "the names stay");
    }

    #[test]
    fn only_what_is_defined_is_given() {
        let settings = sound();
        let checked = |roles: &[usize], permissions: &[usize]| {
            let given = given(roles, &[], permissions, false);
            settings.check_known(&given.roles, &given.permissions)
        };
        assert_eq!(checked(&[0, 1, 2], &[0, 4]), Ok(()));
        assert_eq!(checked(&[1, 9], &[9]), Err(AuthorizationError::UnknownRole("r9".into())));
        for gone in [5, 6] {
            let name = format!("p:{gone}");
            assert_eq!(checked(&[1], &[0, gone]), Err(AuthorizationError::UnknownPermission(name)));
        }
    }

    #[test]
    fn an_explanation_names_every_source() {
        let settings = sound();
        let given = given(&[1, 2], &[2], &[1], true);
        let sources = |text: &str| {
            settings.explain(&given, &text.parse().unwrap(), |explanation| {
                explanation.sources().iter().map(Source::to_string).collect::<Vec<_>>()
            })
        };
        assert_eq!(sources("p:0").unwrap(), ["root", "role r1", "role r2"]);
        assert_eq!(sources("p:1").unwrap(), ["root", "role r2", "the account itself", "group g2"]);
        assert!(matches!(sources("p:5"), Err(RegistryError::Deleted(_))));
        assert!(matches!(sources("p:6"), Err(RegistryError::Unknown(_))));
    }

    #[test]
    fn groups_are_read_as_roles_are() {
        let settings = sound();
        assert_eq!(settings.default_role.unwrap().as_str(), "r1");
        assert_eq!(settings.groups.get("g2").unwrap().permissions().len(), 2);
        for (groups, wanted) in [
            (r#"{"g":["p:9"]}"#, "permissions.groups.g[0]"),
            (r#"{"g":["p:5"]}"#, "permissions.groups.g[0]"),
            (r#"{"G":["p:1"]}"#, "permissions.groups.G"),
            (r#"{"g":"p:1"}"#, "permissions.groups.g"),
            (r#"["g"]"#, "permissions.groups"),
        ] {
            let text = format!(
                r#"{{"issuer":"https://auth.example","audience":["https://api.example"],"client_id":"web",
                "permissions":{{"names":["p:0","p:1","p:5"],"deleted":["p:5"],"groups":{groups}}}}}"#
            );
            let error = Config::from_json(&text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{groups}: {error}");
        }
    }
}
