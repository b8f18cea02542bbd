//! The JSON form of a registry, as it is published and stored.
//!
//! `{"version": 3, "width": 64, "permissions": [{"name": "docs:read", "bit": 0}, {…, "deleted": true}]}`
//!
//! The bits are written out so that a reader needs no rule about reserved bits; they are checked on reading.

use super::registry::{Declared, PermissionRegistry, RegistryError, RegistryVersion};
use super::{MaskWidth, PermissionBit, PermissionName};
use alloc::vec::Vec;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    version: RegistryVersion,
    width: MaskWidth,
    permissions: Vec<Entry>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: PermissionName,
    bit: u16,
    #[serde(default, skip_serializing_if = "is_false")]
    deleted: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl serde::Serialize for PermissionRegistry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry =
            |slot: &Declared| Entry { name: slot.name.clone(), bit: slot.bit.index(), deleted: slot.deleted };
        let permissions = self.declared().iter().map(entry).collect();
        Snapshot { version: self.version(), width: self.width(), permissions }.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for PermissionRegistry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let snapshot = Snapshot::deserialize(deserializer)?;
        restore(&snapshot).map_err(serde::de::Error::custom)
    }
}

fn restore(snapshot: &Snapshot) -> Result<PermissionRegistry, RegistryError> {
    let names = snapshot.permissions.iter().map(|entry| entry.name.clone());
    let mut registry = PermissionRegistry::from_declared(names, snapshot.width)?;
    for Entry { name, bit, deleted } in &snapshot.permissions {
        if registry.bit_of(name.as_str()).map(PermissionBit::index) != Some(*bit) {
            return Err(RegistryError::Moved(name.clone()));
        }
        if *deleted {
            registry = registry.delete(name)?;
        }
    }
    if registry.version() == snapshot.version { Ok(registry) } else { Err(RegistryError::VersionMismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snapshot_comes_back_and_tampering_is_refused() {
        let names = ["docs:read", "docs:write"].map(|name| name.parse().unwrap());
        let first = PermissionRegistry::from_declared(names, MaskWidth::Bits64).unwrap();
        let registry = first.delete(&first.declared()[0].name).unwrap();
        let json = serde_json::to_string(&registry).unwrap();
        let expected = concat!(
            r#"{"version":3,"width":64,"permissions":["#,
            r#"{"name":"docs:read","bit":0,"deleted":true},{"name":"docs:write","bit":1}]}"#
        );
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<PermissionRegistry>(&json).unwrap(), registry);
        for (from, to) in [
            (r#""version":3"#, r#""version":4"#),
            (r#""bit":1"#, r#""bit":2"#),
            (r#""width":64"#, r#""width":65"#),
            ("docs:write", "docs:read"),
            ("docs:write", "Docs:Write"),
            (r#","deleted":true"#, ""),
            (r#""bit":1"#, r#""bit":1,"note":"""#),
        ] {
            assert!(serde_json::from_str::<PermissionRegistry>(&json.replace(from, to)).is_err(), "{to}");
        }
    }
}
