//! Who somebody is and what they may: identifiers, masks, registries.

use super::text;
use postern_core::identifier::{EmailAddress, Identifier, Username, derive_username};
use postern_core::permission::{MaskWidth, PermissionMask, PermissionRegistry};

/// Normalising twice changes nothing.
pub(crate) fn email(data: &[u8]) {
    let Some(address) = text(data) else { return };
    if let Ok(parsed) = EmailAddress::parse(address) {
        let again = EmailAddress::parse(parsed.as_str()).expect("a normal form is an address");
        assert_eq!(again.as_str(), parsed.as_str());
        assert_eq!(parsed.as_str(), format!("{}@{}", parsed.local_part(), parsed.domain()));
    }
}

/// Whatever kind it is, a normal form is of the same kind and its own normal form; and every text makes a username.
pub(crate) fn identifier(data: &[u8]) {
    let Some(typed) = text(data) else { return };
    if let Ok(parsed) = Identifier::parse(typed) {
        assert_eq!(Identifier::parse(parsed.value()), Ok(parsed));
    }
    let derived = derive_username(typed);
    assert_eq!(Username::choose(derived.as_str()), Ok(derived));
}

/// A mask has one text, at one width only.
pub(crate) fn mask(data: &[u8]) {
    let Some(mask) = text(data) else { return };
    let widths = MaskWidth::ALL.iter().filter(|width| {
        PermissionMask::from_text(mask, **width).is_ok_and(|parsed| {
            assert_eq!(parsed.to_text(), mask);
            true
        })
    });
    assert!(widths.count() <= 1, "one text is a mask of two widths");
}

/// A snapshot that is accepted is written back with the same meaning.
pub(crate) fn registry(data: &[u8]) {
    let Ok(registry) = serde_json::from_slice::<PermissionRegistry>(data) else { return };
    let written = serde_json::to_vec(&registry).expect("a registry can be written");
    let again: PermissionRegistry = serde_json::from_slice(&written).expect("what is written can be read");
    assert_eq!(again, registry);
    assert!(registry.check_successor_of(&again).is_ok());
}
