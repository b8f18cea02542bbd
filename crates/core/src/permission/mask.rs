//! Masks: sets of permission bits in one fixed-size value, with one byte form and one text form.

use super::bit::{MaskWidth, PermissionBit};
use alloc::string::String;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;

/// Words of 64 bits in the widest mask.
const WORDS: usize = 8;
/// Bytes in the widest mask.
const MAX_BYTES: usize = WORDS * 8;
/// The top bit of a word: bits 63, 127, 191, …
const TOP: u64 = 1 << 63;
/// Bits 63, 127, 255 and 511: root at one width each, reserved at all others.
const RESERVED: [u64; WORDS] = [TOP, TOP, 0, TOP, 0, 0, 0, TOP];

/// Why bytes or text are not a mask, or two masks do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskError {
    /// Not exactly as long as the width demands.
    BadLength,
    /// Not the canonical base64url of any bytes.
    NotCanonical,
    /// One of the bits 63, 127 and 255 is set although it is not root at this width.
    ReservedBit,
    /// The bit lies beyond the width.
    BitBeyondWidth,
    /// The masks have different widths.
    WidthMismatch,
    /// The new width is narrower than the mask.
    Narrower,
}

impl fmt::Display for MaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadLength => "mask is not as long as the width demands",
            Self::NotCanonical => "mask is not canonical base64url",
            Self::ReservedBit => "mask has a reserved bit set",
            Self::BitBeyondWidth => "permission bit lies beyond the width of the mask",
            Self::WidthMismatch => "masks have different widths",
            Self::Narrower => "a mask is never made narrower",
        })
    }
}

impl core::error::Error for MaskError {}

/// A set of permissions, or root.
///
/// 64, 128, 256 or 512 bits in a fixed 64 bytes, `Copy`, no allocation. Byte form: `width / 8` bytes,
/// big-endian, so bit 0 is the lowest bit of the last byte and root the highest bit of the first. Text form:
/// base64url without padding. A mask never has a reserved bit set, whatever it was read from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PermissionMask {
    width: MaskWidth,
    /// Word 0 holds bits 0 to 63. Words beyond the width are zero.
    words: [u64; WORDS],
}

impl PermissionMask {
    /// The mask that grants nothing.
    #[must_use]
    pub const fn empty(width: MaskWidth) -> Self {
        Self { width, words: [0; WORDS] }
    }

    /// The mask that passes every check: only the top bit of the width is set.
    #[must_use]
    pub fn root(width: MaskWidth) -> Self {
        let mut mask = Self::empty(width);
        if let Some(word) = mask.words.get_mut(width.root_word()) {
            *word = TOP;
        }
        mask
    }

    /// Reads a mask from its byte form.
    ///
    /// # Errors
    ///
    /// [`MaskError::BadLength`] for anything but exactly `width / 8` bytes, [`MaskError::ReservedBit`] for a
    /// set bit that no registry could have allocated and that is not root at this width.
    pub fn from_bytes(bytes: &[u8], width: MaskWidth) -> Result<Self, MaskError> {
        if bytes.len() != width.bytes() {
            return Err(MaskError::BadLength);
        }
        let mut mask = Self::empty(width);
        let (chunks, _) = bytes.as_chunks::<8>();
        for (word, chunk) in mask.words.iter_mut().zip(chunks.iter().rev()) {
            *word = u64::from_be_bytes(*chunk);
        }
        if mask.has_reserved_bit() { Err(MaskError::ReservedBit) } else { Ok(mask) }
    }

    /// Reads a mask from its text form.
    ///
    /// # Errors
    ///
    /// [`MaskError::BadLength`] for any length but that of exactly `width / 8` bytes,
    /// [`MaskError::NotCanonical`] for padding, foreign characters or unused bits that are not zero, and
    /// [`MaskError::ReservedBit`] as for bytes.
    pub fn from_text(text: &str, width: MaskWidth) -> Result<Self, MaskError> {
        if text.len() != width.text_length() {
            return Err(MaskError::BadLength);
        }
        let mut buffer = [0u8; MAX_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).map_err(|_| MaskError::NotCanonical)?;
        Self::from_bytes(buffer.get(..length).unwrap_or_default(), width)
    }

    /// Reads a mask from its text form and takes the width from the length.
    ///
    /// For rows that one's own code wrote; a token's mask is read with the width of the registry instead.
    ///
    /// # Errors
    ///
    /// As [`PermissionMask::from_text`]; [`MaskError::BadLength`] when no width has this length.
    pub fn from_stored_text(text: &str) -> Result<Self, MaskError> {
        let width = MaskWidth::ALL.into_iter().find(|width| width.text_length() == text.len());
        Self::from_text(text, width.ok_or(MaskError::BadLength)?)
    }

    /// The byte form, written to the front of `buffer`.
    #[must_use]
    pub fn write_bytes<'a>(&self, buffer: &'a mut [u8; MAX_BYTES]) -> &'a [u8] {
        let (chunks, _) = buffer.as_chunks_mut::<8>();
        let words = self.words.iter().take(self.width.words()).rev();
        for (chunk, word) in chunks.iter_mut().zip(words) {
            *chunk = word.to_be_bytes();
        }
        buffer.get(..self.width.bytes()).unwrap_or_default()
    }

    /// The text form.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.write_bytes(&mut [0; MAX_BYTES]))
    }

    /// The width.
    #[must_use]
    pub const fn width(&self) -> MaskWidth {
        self.width
    }

    /// Whether this mask passes every check.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.words.get(self.width.root_word()).is_some_and(|word| word & TOP != 0)
    }

    /// Whether the mask grants nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether the mask grants this permission: its bit is set, or the mask is root.
    #[must_use]
    pub fn contains(&self, bit: PermissionBit) -> bool {
        self.is_root() || self.has_bit(bit)
    }

    /// Whether the mask grants everything `required` names. Root grants all; only root satisfies a required
    /// root.
    ///
    /// A required mask of another width is never satisfied, except by root.
    #[must_use]
    pub fn contains_all(&self, required: &Self) -> bool {
        let covered = |(held, wanted): (&u64, &u64)| wanted & !held == 0;
        self.is_root()
            || (self.width == required.width && self.words.iter().zip(&required.words).all(covered))
    }

    /// Whether the mask grants at least one of the permissions `required` names.
    ///
    /// An empty required mask, or one of another width, is satisfied by root only.
    #[must_use]
    pub fn contains_any(&self, required: &Self) -> bool {
        let shared = |(held, wanted): (&u64, &u64)| wanted & held != 0;
        self.is_root() || (self.width == required.width && self.words.iter().zip(&required.words).any(shared))
    }

    /// This mask and one more permission.
    ///
    /// # Errors
    ///
    /// [`MaskError::BitBeyondWidth`] when the width has no such bit.
    pub fn with(mut self, bit: PermissionBit) -> Result<Self, MaskError> {
        if bit.index() >= self.width.bits() {
            return Err(MaskError::BitBeyondWidth);
        }
        if let Some(word) = self.words.get_mut(bit.word()) {
            *word |= bit.flag();
        }
        Ok(self)
    }

    /// This mask without one permission. A root mask stays root, and so still passes the check.
    #[must_use]
    pub fn without(mut self, bit: PermissionBit) -> Self {
        if let Some(word) = self.words.get_mut(bit.word()) {
            *word &= !bit.flag();
        }
        self
    }

    /// This mask without root; the named permissions stay.
    #[must_use]
    pub fn without_root(mut self) -> Self {
        if let Some(word) = self.words.get_mut(self.width.root_word()) {
            *word &= !TOP;
        }
        self
    }

    /// Everything that either mask grants.
    ///
    /// # Errors
    ///
    /// [`MaskError::WidthMismatch`] unless both have one width; [`PermissionMask::widen`] the narrower first.
    pub fn union(self, other: Self) -> Result<Self, MaskError> {
        self.combine(other, |left, right| left | right)
    }

    /// The bits that both masks have. Root counts as the one bit it is.
    ///
    /// # Errors
    ///
    /// [`MaskError::WidthMismatch`] unless both have one width.
    pub fn intersection(self, other: Self) -> Result<Self, MaskError> {
        self.combine(other, |left, right| left & right)
    }

    /// The bits of this mask that the other does not have. Root counts as the one bit it is.
    ///
    /// # Errors
    ///
    /// [`MaskError::WidthMismatch`] unless both have one width.
    pub fn difference(self, other: Self) -> Result<Self, MaskError> {
        self.combine(other, |left, right| left & !right)
    }

    /// The same permissions in a mask at least as wide. Root moves to the top bit of the new width.
    ///
    /// # Errors
    ///
    /// [`MaskError::Narrower`] when `to` has fewer bits than the mask.
    pub fn widen(self, to: MaskWidth) -> Result<Self, MaskError> {
        if to < self.width {
            return Err(MaskError::Narrower);
        }
        let named = Self { width: to, words: self.without_root().words };
        if self.is_root() { named.union(Self::root(to)) } else { Ok(named) }
    }

    /// The named permissions in the mask, lowest bit first. Root is not among them.
    #[must_use]
    pub const fn bits(&self) -> MaskBits {
        MaskBits { mask: *self, next: 0 }
    }

    fn has_bit(&self, bit: PermissionBit) -> bool {
        self.words.get(bit.word()).is_some_and(|word| word & bit.flag() != 0)
    }

    fn has_reserved_bit(&self) -> bool {
        self.without_root().words.iter().zip(RESERVED).any(|(word, reserved)| word & reserved != 0)
    }

    fn combine(mut self, other: Self, operation: fn(u64, u64) -> u64) -> Result<Self, MaskError> {
        if self.width != other.width {
            return Err(MaskError::WidthMismatch);
        }
        for (left, right) in self.words.iter_mut().zip(other.words) {
            *left = operation(*left, right);
        }
        Ok(self)
    }
}

impl fmt::Debug for PermissionMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PermissionMask({}, {})", self.width.bits(), self.to_text())
    }
}

/// The named permissions of a mask, lowest bit first: see [`PermissionMask::bits`].
#[derive(Clone, Debug)]
pub struct MaskBits {
    mask: PermissionMask,
    next: u16,
}

impl Iterator for MaskBits {
    type Item = PermissionBit;

    fn next(&mut self) -> Option<PermissionBit> {
        while self.next < self.mask.width.bits() {
            let candidate = PermissionBit::new(self.next);
            self.next = self.next.saturating_add(1);
            if let Some(bit) = candidate.filter(|bit| self.mask.has_bit(*bit)) {
                return Some(bit);
            }
        }
        None
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PermissionMask {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

/// Takes the width from the length, as [`PermissionMask::from_stored_text`] does.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for PermissionMask {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        Self::from_stored_text(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    /// The naive model: a set of bits, where the top bit of the width means everything.
    #[derive(Clone, Debug, PartialEq)]
    struct Model {
        width: MaskWidth,
        bits: BTreeSet<u16>,
    }

    impl Model {
        fn root_bit(&self) -> u16 {
            self.width.bits() - 1
        }

        fn is_root(&self) -> bool {
            self.bits.contains(&self.root_bit())
        }

        fn mask(&self) -> PermissionMask {
            let start = if self.is_root() {
                PermissionMask::root(self.width)
            } else {
                PermissionMask::empty(self.width)
            };
            self.bits
                .iter()
                .filter_map(|bit| PermissionBit::new(*bit))
                .fold(start, |mask, bit| mask.with(bit).unwrap())
        }

        /// The bytes by definition: bit b is worth 2^b, most significant byte first.
        fn bytes(&self) -> Vec<u8> {
            let mut bytes = std::vec![0u8; self.width.bytes()];
            for bit in &self.bits {
                let from_end = usize::from(bit / 8);
                let position = bytes.len() - 1 - from_end;
                bytes[position] |= 1 << (bit % 8);
            }
            bytes
        }
    }

    fn width() -> impl Strategy<Value = MaskWidth> {
        prop::sample::select(MaskWidth::ALL.to_vec())
    }

    fn model(width: MaskWidth) -> impl Strategy<Value = Model> {
        let named = prop::collection::btree_set(0..width.bits() - 1, 0..40);
        (named, prop::bool::weighted(0.1)).prop_map(move |(mut bits, root)| {
            bits.retain(|bit| PermissionBit::new(*bit).is_some());
            if root {
                bits.insert(width.bits() - 1);
            }
            Model { width, bits }
        })
    }

    fn models() -> impl Strategy<Value = (Model, Model)> {
        width().prop_flat_map(|width| (model(width), model(width)))
    }

    proptest! {
        #[test]
        fn algebra_agrees_with_a_set_of_numbers((left, right) in models()) {
            let (a, b) = (left.mask(), right.mask());
            let of = |bits: BTreeSet<u16>| Model { width: left.width, bits }.mask();
            prop_assert_eq!(a.union(b).unwrap(), of(&left.bits | &right.bits));
            prop_assert_eq!(a.intersection(b).unwrap(), of(&left.bits & &right.bits));
            prop_assert_eq!(a.difference(b).unwrap(), of(&left.bits - &right.bits));
            prop_assert_eq!(a.is_empty(), left.bits.is_empty());
            prop_assert_eq!(a.is_root(), left.is_root());
            prop_assert_eq!(a.contains_all(&b), left.is_root() || right.bits.is_subset(&left.bits));
            prop_assert_eq!(a.contains_any(&b), left.is_root() || !right.bits.is_disjoint(&left.bits));
            let named: Vec<u16> = left.bits.iter().copied().filter(|bit| *bit != left.root_bit()).collect();
            prop_assert_eq!(a.bits().map(PermissionBit::index).collect::<Vec<_>>(), named);
        }

        #[test]
        fn a_check_agrees_with_membership(
            (model, number) in width().prop_flat_map(|width| (model(width), 0..width.bits()))
        ) {
            let mask = model.mask();
            if let Some(bit) = PermissionBit::new(number) {
                prop_assert_eq!(mask.contains(bit), model.is_root() || model.bits.contains(&number));
                prop_assert!(mask.with(bit).unwrap().contains(bit));
                prop_assert_eq!(mask.without(bit).contains(bit), model.is_root());
            }
        }

        #[test]
        fn bytes_and_text_come_back((model, _) in models()) {
            let mask = model.mask();
            let mut buffer = [0xff; 64];
            prop_assert_eq!(mask.write_bytes(&mut buffer), model.bytes());
            prop_assert_eq!(PermissionMask::from_bytes(&model.bytes(), model.width), Ok(mask));
            prop_assert_eq!(mask.to_text().len(), model.width.text_length());
            prop_assert_eq!(PermissionMask::from_text(&mask.to_text(), model.width), Ok(mask));
            prop_assert_eq!(PermissionMask::from_stored_text(&mask.to_text()), Ok(mask));
        }

        #[test]
        fn any_text_that_is_read_is_written_again(text in "[A-Za-z0-9_-]{0,90}", width in width()) {
            if let Ok(mask) = PermissionMask::from_text(&text, width) {
                prop_assert_eq!(mask.to_text(), text);
            }
        }

        #[test]
        fn widening_keeps_every_answer((model, _) in models(), to in width()) {
            let mask = model.mask();
            match mask.widen(to) {
                Err(error) => prop_assert!(error == MaskError::Narrower && to < model.width),
                Ok(wide) => {
                    prop_assert_eq!(wide.width(), to);
                    prop_assert_eq!(wide.is_root(), mask.is_root());
                    prop_assert!(wide.bits().eq(mask.bits()));
                    prop_assert_eq!(PermissionMask::from_text(&wide.to_text(), to), Ok(wide));
                }
            }
        }
    }

    #[test]
    fn a_narrow_root_mask_is_not_root_and_not_even_a_mask_when_read_wide() {
        for narrow in MaskWidth::ALL {
            for wide in MaskWidth::ALL.into_iter().filter(|wide| *wide > narrow) {
                let mut bytes = std::vec![0u8; wide.bytes() - narrow.bytes()];
                bytes.extend_from_slice(PermissionMask::root(narrow).write_bytes(&mut [0; 64]));
                assert_eq!(PermissionMask::from_bytes(&bytes, wide), Err(MaskError::ReservedBit));
            }
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn json_is_the_text_form() {
        let root = PermissionMask::root(MaskWidth::Bits64);
        assert_eq!(serde_json::to_string(&root).unwrap(), r#""gAAAAAAAAAA""#);
        assert_eq!(serde_json::from_str::<PermissionMask>(r#""gAAAAAAAAAA""#).unwrap(), root);
        for bad in ["null", "0", r#""""#, r#""gAAAAAAAAA""#, r#""gAAAAAAAAAB""#, r#""gAAAAAAAAAA=""#] {
            assert!(serde_json::from_str::<PermissionMask>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_other_length_is_refused() {
        for width in MaskWidth::ALL {
            for length in (0..130).filter(|length| *length != width.bytes()) {
                let bytes = std::vec![0u8; length];
                assert_eq!(PermissionMask::from_bytes(&bytes, width), Err(MaskError::BadLength));
                let text = URL_SAFE_NO_PAD.encode(&bytes);
                assert_eq!(PermissionMask::from_text(&text, width), Err(MaskError::BadLength));
            }
        }
    }

    #[test]
    fn masks_of_two_widths_do_not_mix() {
        let narrow = PermissionMask::empty(MaskWidth::Bits64);
        let wide = PermissionMask::empty(MaskWidth::Bits128);
        assert_eq!(narrow.union(wide), Err(MaskError::WidthMismatch));
        assert_eq!(narrow.intersection(wide), Err(MaskError::WidthMismatch));
        assert_eq!(narrow.difference(wide), Err(MaskError::WidthMismatch));
        assert!(!wide.contains_all(&narrow));
        assert!(PermissionMask::root(MaskWidth::Bits128).contains_all(&narrow));
        assert_eq!(narrow.with(PermissionBit::new(64).unwrap()), Err(MaskError::BitBeyondWidth));
    }
}
