//! The registry: which name has which bit, append-only.

use super::{MaskError, MaskWidth, PermissionBit, PermissionMask, PermissionName};
use crate::order;
use alloc::vec::Vec;
use core::fmt;

/// The version of a registry: the `pr` claim. 0 to 511.
///
/// It is the number of changes ever made: names appended, plus names deleted, plus widenings counted from 64
/// bits. So it is a function of the registry's contents, it grows with every change, and two deployments that
/// declare the same list agree on it without talking to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct RegistryVersion(u32);

impl RegistryVersion {
    /// The version with this number.
    #[must_use]
    pub const fn new(version: u32) -> Self {
        Self(version)
    }

    /// The number of the version.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

/// Which name has which bit.
///
/// Frozen: a change makes a new registry. Names are only appended; a deleted name keeps its bit as a
/// tombstone, and neither the bit nor the name is ever used again. Look-ups are binary searches and allocate
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionRegistry {
    width: MaskWidth,
    /// In order of allocation: number n has [`PermissionBit::nth`]`(n)`.
    slots: Vec<Declared>,
    /// Indices into `slots`, sorted by name, deleted ones included.
    by_name: Vec<usize>,
}

/// One name that was declared at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The name.
    pub name: PermissionName,
    /// Its bit, for ever.
    pub bit: PermissionBit,
    /// Whether the name has been deleted: a tombstone that grants nothing.
    pub deleted: bool,
}

/// Why a registry cannot be made or does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryError {
    /// The name comes twice.
    Duplicate(PermissionName),
    /// The name was deleted; it never comes back. Choose another.
    Deleted(PermissionName),
    /// The registry has no such name.
    Unknown(PermissionName),
    /// The names do not fit into the width.
    Full {
        /// The width that is too narrow.
        width: MaskWidth,
        /// How many names there would be, deleted ones included.
        needed: usize,
        /// The narrowest width that would do; `None` when not even 512 bits would.
        fits: Option<MaskWidth>,
    },
    /// A registry is never made narrower.
    Narrower,
    /// The name does not have the bit that the order of declaration gives it, or a name is missing.
    Moved(PermissionName),
    /// The version is not the one that the contents have.
    VersionMismatch,
    /// The mask cannot be read.
    Mask(MaskError),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(name) => write!(f, "permission {name} is declared twice"),
            Self::Deleted(name) => write!(f, "permission {name} was deleted and its name never comes back"),
            Self::Unknown(name) => write!(f, "permission {name} is not declared"),
            Self::Full { width, needed, fits } => {
                let (bits, room) = (width.bits(), width.capacity());
                write!(f, "{needed} permissions do not fit into width {bits}, which has room for {room}: ")?;
                match fits {
                    Some(fits) => write!(f, "use width {}", fits.bits()),
                    None => f.write_str("no width has room for more than 508"),
                }
            }
            Self::Narrower => f.write_str("a registry is never made narrower"),
            Self::Moved(name) => {
                write!(f, "permission {name} does not keep its bit: only append, and delete by marking")
            }
            Self::VersionMismatch => f.write_str("registry version does not follow from its contents"),
            Self::Mask(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RegistryError {}

impl From<MaskError> for RegistryError {
    fn from(error: MaskError) -> Self {
        Self::Mask(error)
    }
}

impl PermissionRegistry {
    /// The registry without names.
    #[must_use]
    pub const fn empty(width: MaskWidth) -> Self {
        Self { width, slots: Vec::new(), by_name: Vec::new() }
    }

    /// The registry of names in the order in which they were first declared.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Duplicate`] for a name that comes twice, [`RegistryError::Full`] when the width is
    /// too narrow.
    pub fn from_declared(
        names: impl IntoIterator<Item = PermissionName>,
        width: MaskWidth,
    ) -> Result<Self, RegistryError> {
        Self::empty(width).append(names.into_iter().collect())
    }

    /// The registry that also has every name of `next`.
    ///
    /// Names already here keep their bits, in whatever order they are listed; new ones are appended in the
    /// order given; names that `next` does not list stay. To delete one is a decision of its own:
    /// [`PermissionRegistry::delete`].
    ///
    /// # Errors
    ///
    /// [`RegistryError::Duplicate`] for a name that `next` lists twice, [`RegistryError::Deleted`] for a name
    /// that was deleted before, [`RegistryError::Full`] when the width is too narrow.
    pub fn declare(&self, next: impl IntoIterator<Item = PermissionName>) -> Result<Self, RegistryError> {
        let next: Vec<_> = next.into_iter().collect();
        refuse_duplicates(&next)?;
        let mut new = Vec::new();
        for name in next {
            match self.slot(name.as_str()) {
                None => new.push(name),
                Some(slot) if slot.deleted => return Err(RegistryError::Deleted(name)),
                Some(_) => {}
            }
        }
        self.clone().append(new)
    }

    /// The registry in which `name` is a tombstone: it grants nothing, and its bit is never given away again.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unknown`] for a name that was never declared, [`RegistryError::Deleted`] for one
    /// deleted before.
    pub fn delete(&self, name: &PermissionName) -> Result<Self, RegistryError> {
        let mut next = self.clone();
        match next.slots.iter_mut().find(|slot| slot.name == *name) {
            None => Err(RegistryError::Unknown(name.clone())),
            Some(slot) if slot.deleted => Err(RegistryError::Deleted(name.clone())),
            Some(slot) => {
                slot.deleted = true;
                Ok(next)
            }
        }
    }

    /// The registry in which the names at these places of [`PermissionRegistry::declared`] are tombstones as well.
    pub(super) fn with_tombstones(mut self, places: &[u16]) -> Self {
        for place in places {
            if let Some(slot) = self.slots.get_mut(usize::from(*place)) {
                slot.deleted = true;
            }
        }
        self
    }

    /// The same names in a wider registry. Stored masks are to be rewritten with [`PermissionMask::widen`].
    ///
    /// # Errors
    ///
    /// [`RegistryError::Narrower`] when `to` has fewer bits.
    pub fn widen(&self, to: MaskWidth) -> Result<Self, RegistryError> {
        if to < self.width { Err(RegistryError::Narrower) } else { Ok(Self { width: to, ..self.clone() }) }
    }

    /// Checks that this registry could have grown out of `previous`: every bit keeps its name, nothing
    /// deleted comes back, the width does not shrink.
    ///
    /// A deployment checks a newly configured registry against the published one, so that an edit which
    /// shifts bits is refused before any token is read with the wrong meaning.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Narrower`], [`RegistryError::Moved`] for the first name that lost its bit, or
    /// [`RegistryError::Deleted`] for a tombstone that lives again.
    pub fn check_successor_of(&self, previous: &Self) -> Result<(), RegistryError> {
        if self.width < previous.width {
            return Err(RegistryError::Narrower);
        }
        for (index, before) in previous.slots.iter().enumerate() {
            match self.slots.get(index) {
                Some(now) if now.name != before.name => {
                    return Err(RegistryError::Moved(before.name.clone()));
                }
                None => return Err(RegistryError::Moved(before.name.clone())),
                Some(now) if before.deleted && !now.deleted => {
                    return Err(RegistryError::Deleted(before.name.clone()));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The version: how many changes led here.
    #[must_use]
    pub fn version(&self) -> RegistryVersion {
        let deleted = self.slots.iter().filter(|slot| slot.deleted).count();
        let widenings = match self.width {
            MaskWidth::Bits64 => 0usize,
            MaskWidth::Bits128 => 1,
            MaskWidth::Bits256 => 2,
            MaskWidth::Bits512 => 3,
        };
        let changes = self.slots.len().saturating_add(deleted).saturating_add(widenings);
        RegistryVersion(u32::try_from(changes).unwrap_or(u32::MAX))
    }

    /// Whether every name that a mask issued under `version` may stand for is known here: it is this version or
    /// an older one.
    #[must_use]
    pub fn knows(&self, version: RegistryVersion) -> bool {
        version <= self.version()
    }

    /// Reads the mask of a token from its `pm` claim, whatever the version in its `pr`.
    ///
    /// No bit ever changes its meaning, so every name known here is read right from older and from newer masks;
    /// what a newer mask holds besides has no name here, and a check for such a name asks for an unknown
    /// permission. After a widening, masks of the other width are refused by their length; the client refreshes.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Mask`] when the text is not a mask of exactly this width.
    pub fn read_mask(&self, text: &str) -> Result<PermissionMask, RegistryError> {
        Ok(PermissionMask::from_text(text, self.width)?)
    }

    /// The width of every mask made with this registry.
    #[must_use]
    pub const fn width(&self) -> MaskWidth {
        self.width
    }

    /// The bit of a living name; `None` for a text that is not one. Nobody but root passes a check of `None`.
    #[must_use]
    pub fn bit_of(&self, name: &str) -> Option<PermissionBit> {
        self.slot(name).filter(|slot| !slot.deleted).map(|slot| slot.bit)
    }

    /// The living name that has this bit.
    #[must_use]
    pub fn name_of(&self, bit: PermissionBit) -> Option<&PermissionName> {
        self.slots.get(bit.ordinal()).filter(|slot| !slot.deleted).map(|slot| &slot.name)
    }

    /// The mask of these names.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unknown`] or [`RegistryError::Deleted`] for the first name without a living bit.
    pub fn mask_of<'a>(
        &self,
        names: impl IntoIterator<Item = &'a PermissionName>,
    ) -> Result<PermissionMask, RegistryError> {
        let mut mask = PermissionMask::empty(self.width);
        for name in names {
            match self.slot(name.as_str()) {
                None => return Err(RegistryError::Unknown(name.clone())),
                Some(slot) if slot.deleted => return Err(RegistryError::Deleted(name.clone())),
                Some(slot) => mask = mask.with(slot.bit)?,
            }
        }
        Ok(mask)
    }

    /// The living names that the mask grants, lowest bit first; all of them for a root mask.
    ///
    /// Bits without a living name are left out.
    pub fn names_of(&self, mask: PermissionMask) -> impl Iterator<Item = &PermissionName> {
        self.slots.iter().filter(move |slot| !slot.deleted && mask.contains(slot.bit)).map(|slot| &slot.name)
    }

    /// Whether `mask` grants the permission of this name. Root passes for every name, declared or not.
    #[must_use]
    pub fn allows(&self, mask: &PermissionMask, name: &str) -> bool {
        mask.is_root() || self.bit_of(name).is_some_and(|bit| mask.contains(bit))
    }

    /// Whether `mask` grants every one of these permissions. What demands nothing is granted to everybody.
    #[must_use]
    pub fn allows_all(&self, mask: &PermissionMask, names: &[&str]) -> bool {
        names.iter().all(|name| self.allows(mask, name))
    }

    /// Whether `mask` grants at least one of these permissions. Of none nobody has one, not even root.
    #[must_use]
    pub fn allows_any(&self, mask: &PermissionMask, names: &[&str]) -> bool {
        names.iter().any(|name| self.allows(mask, name))
    }

    /// Every name ever declared, in order, tombstones included.
    #[must_use]
    pub fn declared(&self) -> &[Declared] {
        &self.slots
    }

    fn append(mut self, names: Vec<PermissionName>) -> Result<Self, RegistryError> {
        let needed = self.slots.len().saturating_add(names.len());
        if needed > self.width.capacity() {
            return Err(RegistryError::Full {
                width: self.width,
                needed,
                fits: MaskWidth::for_names(needed),
            });
        }
        refuse_duplicates(&names)?;
        for name in names {
            if let Some(bit) = PermissionBit::nth(self.slots.len()) {
                self.slots.push(Declared { name, bit, deleted: false });
            }
        }
        let names = sorted(self.slots.iter().map(|slot| slot.name.as_str()));
        self.by_name = names.into_iter().map(|(_, index)| index).collect();
        Ok(self)
    }

    /// The place of a name in [`PermissionRegistry::declared`], deleted or not.
    #[must_use]
    pub fn place_of(&self, name: &str) -> Option<u16> {
        self.slot(name).and_then(|slot| u16::try_from(slot.bit.ordinal()).ok())
    }

    pub(super) fn slot(&self, name: &str) -> Option<&Declared> {
        let name_at = |index: &usize| self.slots.get(*index).map(|slot| slot.name.as_str());
        let found = self.by_name.binary_search_by(|index| name_at(index).cmp(&Some(name))).ok()?;
        self.slots.get(*self.by_name.get(found)?)
    }
}

fn refuse_duplicates(names: &[PermissionName]) -> Result<(), RegistryError> {
    let sorted = sorted(names.iter().map(PermissionName::as_str));
    let mut neighbours = sorted.iter().zip(sorted.iter().skip(1));
    match neighbours.find(|((left, _), (right, _))| left == right) {
        Some(((_, index), _)) => {
            names.get(*index).map_or(Ok(()), |name| Err(RegistryError::Duplicate(name.clone())))
        }
        None => Ok(()),
    }
}

/// Names in order, each with its place in the list it came from.
fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut sorted: Vec<_> = names.zip(0..).collect();
    order::sort_by_key(&mut sorted, |entry| *entry);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    fn name(text: &str) -> PermissionName {
        text.parse().unwrap()
    }

    fn names(texts: &[&str]) -> Vec<PermissionName> {
        texts.iter().map(|text| name(text)).collect()
    }

    fn numbered(count: usize) -> Vec<PermissionName> {
        (0..count).map(|number| name(&format!("item{number}:read"))).collect()
    }

    fn registry(texts: &[&str]) -> PermissionRegistry {
        PermissionRegistry::from_declared(names(texts), MaskWidth::Bits64).unwrap()
    }

    #[test]
    fn declaring_only_appends() {
        let first = registry(&["docs:read", "docs:write"]);
        let next = first.declare(names(&["users:read", "docs:write", "a:b"])).unwrap();
        let bits: Vec<_> =
            next.declared().iter().map(|slot| (slot.name.as_str(), slot.bit.index())).collect();
        assert_eq!(bits, [("docs:read", 0), ("docs:write", 1), ("users:read", 2), ("a:b", 3)]);
        assert_eq!((first.version().as_u32(), next.version().as_u32()), (2, 4));
        assert_eq!(next.check_successor_of(&first), Ok(()));
        assert_eq!(next.declare(names(&["a:b", "docs:read"])), Ok(next.clone()));
    }

    #[test]
    fn a_deleted_name_leaves_a_tombstone_for_ever() {
        let first = registry(&["docs:read", "docs:write", "docs:share"]);
        let deleted = first.delete(&name("docs:write")).unwrap();
        assert_eq!(deleted.bit_of("docs:write"), None);
        assert_eq!(deleted.name_of(PermissionBit::new(1).unwrap()), None);
        assert_eq!(deleted.bit_of("docs:share").map(PermissionBit::index), Some(2));
        assert_eq!(deleted.version().as_u32(), 4);
        let again = Err(RegistryError::Deleted(name("docs:write")));
        assert_eq!(deleted.declare(names(&["docs:write"])), again);
        assert_eq!(deleted.delete(&name("docs:write")), again);
        assert_eq!(deleted.mask_of(&names(&["docs:write"])), Err(RegistryError::Deleted(name("docs:write"))));
        assert_eq!(
            deleted.declare(names(&["x:y"])).unwrap().bit_of("x:y").map(PermissionBit::index),
            Some(3)
        );
        assert_eq!(first.delete(&name("x:y")), Err(RegistryError::Unknown(name("x:y"))));
    }

    #[test]
    fn overflow_is_refused_and_says_which_width_would_do() {
        for (width, fits) in [
            (MaskWidth::Bits64, Some(MaskWidth::Bits128)),
            (MaskWidth::Bits128, Some(MaskWidth::Bits256)),
            (MaskWidth::Bits256, Some(MaskWidth::Bits512)),
            (MaskWidth::Bits512, None),
        ] {
            let full = PermissionRegistry::from_declared(numbered(width.capacity()), width).unwrap();
            let last = full.declared().last().unwrap().bit.index();
            assert_eq!(last, width.bits() - 2);
            let error = full.declare(names(&["one:more"])).unwrap_err();
            assert_eq!(error, RegistryError::Full { width, needed: width.capacity() + 1, fits });
            let advice = fits.map_or("508".into(), |fits| format!("use width {}", fits.bits()));
            assert!(error.to_string().contains(&advice), "{error}");
            if let Some(fits) = fits {
                assert!(full.widen(fits).unwrap().declare(names(&["one:more"])).is_ok());
                assert_eq!(full.widen(fits).unwrap().widen(width), Err(RegistryError::Narrower));
            }
        }
    }

    #[test]
    fn names_never_get_a_reserved_bit() {
        let full = PermissionRegistry::from_declared(numbered(508), MaskWidth::Bits512).unwrap();
        assert!(full.declared().iter().all(|slot| ![63, 127, 255, 511].contains(&slot.bit.index())));
        for slot in full.declared() {
            assert_eq!(full.name_of(slot.bit), Some(&slot.name));
            assert_eq!(full.bit_of(slot.name.as_str()), Some(slot.bit));
        }
    }

    #[test]
    fn an_edit_that_shifts_bits_is_no_successor() {
        let before = registry(&["a:a", "b:b", "c:c"]);
        for shifted in [&["b:b", "c:c"][..], &["a:a", "c:c", "b:b"], &["x:x", "a:a", "b:b", "c:c"], &["a:a"]]
        {
            let error = registry(shifted).check_successor_of(&before).unwrap_err();
            assert!(matches!(error, RegistryError::Moved(_)), "{shifted:?}");
        }
        let deleted = before.delete(&name("b:b")).unwrap();
        assert_eq!(deleted.check_successor_of(&before), Ok(()));
        assert_eq!(before.check_successor_of(&deleted), Err(RegistryError::Deleted(name("b:b"))));
        let wide = before.widen(MaskWidth::Bits128).unwrap();
        assert_eq!(wide.check_successor_of(&before), Ok(()));
        assert_eq!(before.check_successor_of(&wide), Err(RegistryError::Narrower));
    }

    #[test]
    fn a_mask_keeps_its_meaning_for_older_and_newer_registries() {
        let old = registry(&["docs:read"]);
        let new = old.declare(names(&["docs:write"])).unwrap();
        assert!(new.knows(old.version()) && !old.knows(new.version()));
        let issued_before = old.mask_of(&names(&["docs:read"])).unwrap().to_text();
        let read = new.read_mask(&issued_before).unwrap();
        assert!(new.allows(&read, "docs:read") && !new.allows(&read, "docs:write"));
        let issued_after = new.mask_of(&names(&["docs:write"])).unwrap().to_text();
        let read = old.read_mask(&issued_after).unwrap();
        assert!(!old.allows(&read, "docs:read") && !old.allows(&read, "docs:write"));
        let wide = new.widen(MaskWidth::Bits128).unwrap();
        assert_eq!(wide.read_mask(&issued_before), Err(RegistryError::Mask(MaskError::BadLength)));
    }

    #[test]
    fn checks_by_name_deny_by_default() {
        let registry = registry(&["docs:read", "docs:write"]);
        let mask = registry.mask_of(&names(&["docs:read"])).unwrap();
        assert!(registry.allows(&mask, "docs:read"));
        for denied in ["docs:write", "docs:delete", "", "docs", "DOCS:READ", "docs:*", "docs:read "] {
            assert!(!registry.allows(&mask, denied), "{denied}");
        }
        let root = PermissionMask::root(MaskWidth::Bits64);
        assert!(registry.allows(&root, "docs:delete"));
        assert_eq!(registry.names_of(root).count(), 2);
        assert_eq!(registry.names_of(mask).map(PermissionName::as_str).collect::<Vec<_>>(), ["docs:read"]);
    }

    proptest! {
        #[test]
        fn whatever_happens_bits_keep_their_names(
            steps in prop::collection::vec(
                (prop::bool::weighted(0.3), prop::collection::vec(0u8..40, 1..6)),
                1..20,
            ),
        ) {
            let mut registry = PermissionRegistry::empty(MaskWidth::Bits64);
            for (delete, numbers) in steps {
                let listed: Vec<_> = numbers.iter().map(|number| name(&format!("p{number}:use"))).collect();
                let changed = if delete { registry.delete(&listed[0]) } else { registry.declare(listed) };
                if let Ok(next) = changed {
                    prop_assert_eq!(next.check_successor_of(&registry), Ok(()));
                    prop_assert!(next == registry || next.version() > registry.version());
                    registry = next;
                }
            }
        }
    }
}
