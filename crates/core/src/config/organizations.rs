//! `organizations`: whether there are any besides the deployment itself, and what they may give.

use super::permissions::PermissionSettings;
use super::section::Section;
use super::settings::DAY;
use crate::organization::{HeldRole, effective_mask};
use crate::permission::{OperatorPermission, PermissionMask, PermissionName};
use crate::time::Seconds;
use alloc::vec::Vec;

/// How many organizations people act in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationMode {
    /// `single`: the deployment is one organization. Tokens act nowhere else.
    Single,
    /// `multi`: tokens may act in an organization, and everybody has a personal one.
    Multi,
}

/// `organizations`: their mode and what they may give.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrganizationSettings {
    /// `single`, the default, or `multi`.
    pub mode: OrganizationMode,
    /// Whether accounts create organizations themselves, in mode `multi`, default yes.
    pub users_may_create: bool,
    /// The permissions that an organization may give its members, out of `permissions.names`; none by default. Its
    /// owners have them all.
    pub permissions: Vec<PermissionName>,
    /// How long an invitation is open, 1 minute to 90 days, default 7 days.
    pub invite_ttl: Seconds,
}

impl OrganizationSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let modes = [("single", OrganizationMode::Single), ("multi", OrganizationMode::Multi)];
        let permissions = section.list::<PermissionName>("permissions").unwrap_or_default();
        for (path, name) in &permissions {
            if OperatorPermission::is_named_like_one(name) {
                section.refuse_at(path.clone(), "is for the whole deployment, and no organization's to give");
            }
        }
        Self {
            mode: section.choice("mode", OrganizationMode::Single, &modes),
            users_may_create: section.flag("users_may_create", true),
            permissions: permissions.into_iter().map(|(_, name)| name).collect(),
            invite_ttl: section.seconds("invite_ttl_seconds", 7 * DAY, 60..=90 * DAY),
        }
    }

    /// Whether tokens may act in an organization.
    #[must_use]
    pub fn is_multi(&self) -> bool {
        self.mode == OrganizationMode::Multi
    }

    /// What a member with these roles may do in an organization.
    #[must_use]
    pub fn mask_of<'a>(
        &self,
        known: &PermissionSettings,
        roles: impl IntoIterator<Item = HeldRole<'a>>,
    ) -> PermissionMask {
        effective_mask(&known.registry, &self.permissions, roles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigErrors};
    use std::format;
    use std::string::ToString as _;

    fn read(organizations: &str) -> Result<Config, ConfigErrors> {
        Config::from_json(&format!(
            r#"{{"issuer":"https://auth.example","permissions":{{"names":["p:0","p:1","p:2"],"deleted":["p:2"]}},
            "organizations":{organizations}}}"#
        ))
    }

    #[test]
    fn nothing_is_given_unless_it_is_said() {
        let config = read("{}").unwrap();
        let settings = config.organizations();
        assert!(!settings.is_multi() && settings.users_may_create && settings.permissions.is_empty());
        assert_eq!(settings.invite_ttl, Seconds::new(604_800));
        let owner = HeldRole { name: "owner", permissions: &["p:0".into()] };
        let mask = settings.mask_of(config.permissions(), [owner]);
        assert_eq!(mask, PermissionMask::empty(config.permissions().registry.width()));
    }

    #[test]
    fn what_they_may_give_is_in_the_registry() {
        let settings = read(r#"{"mode":"multi","permissions":["p:1"],"invite_ttl_seconds":60}"#).unwrap();
        assert!(settings.organizations().is_multi());
        for (text, path) in [
            (r#"{"permissions":["p:2"]}"#, "organizations.permissions[0]"),
            (r#"{"permissions":["p:0","p:9"]}"#, "organizations.permissions[1]"),
            (r#"{"mode":"many"}"#, "organizations.mode"),
            (r#"{"invite_ttl_seconds":59}"#, "organizations.invite_ttl_seconds"),
            (r#"{"members":1}"#, "organizations.members"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(path), "{text}: {error}");
        }
    }
}
