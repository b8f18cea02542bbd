//! Widths of masks, and the bits that may carry a name.

/// How many bits the masks of a deployment have. Widths only ever grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaskWidth {
    /// 64 bits, 63 of them for names.
    Bits64,
    /// 128 bits, 126 of them for names.
    Bits128,
    /// 256 bits, 253 of them for names.
    Bits256,
    /// 512 bits, 508 of them for names.
    Bits512,
}

impl MaskWidth {
    /// Every width, narrowest first.
    pub const ALL: [Self; 4] = [Self::Bits64, Self::Bits128, Self::Bits256, Self::Bits512];

    /// The width of 64, 128, 256 or 512 bits; `None` for any other number.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            64 => Some(Self::Bits64),
            128 => Some(Self::Bits128),
            256 => Some(Self::Bits256),
            512 => Some(Self::Bits512),
            _ => None,
        }
    }

    /// The narrowest width that has room for this many names; `None` above 508.
    #[must_use]
    pub fn for_names(count: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|width| width.capacity() >= count)
    }

    /// Bits in a mask: 64, 128, 256 or 512.
    #[must_use]
    pub const fn bits(self) -> u16 {
        match self {
            Self::Bits64 => 64,
            Self::Bits128 => 128,
            Self::Bits256 => 256,
            Self::Bits512 => 512,
        }
    }

    /// Bytes in a mask: 8, 16, 32 or 64.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bits64 => 8,
            Self::Bits128 => 16,
            Self::Bits256 => 32,
            Self::Bits512 => 64,
        }
    }

    /// Characters in the text of a mask: 11, 22, 43 or 86.
    #[must_use]
    pub const fn text_length(self) -> usize {
        match self {
            Self::Bits64 => 11,
            Self::Bits128 => 22,
            Self::Bits256 => 43,
            Self::Bits512 => 86,
        }
    }

    /// How many names fit, living and deleted together: 63, 126, 253 or 508.
    #[must_use]
    pub const fn capacity(self) -> usize {
        match self {
            Self::Bits64 => 63,
            Self::Bits128 => 126,
            Self::Bits256 => 253,
            Self::Bits512 => 508,
        }
    }

    pub(super) const fn words(self) -> usize {
        match self {
            Self::Bits64 => 1,
            Self::Bits128 => 2,
            Self::Bits256 => 4,
            Self::Bits512 => 8,
        }
    }

    /// The index of the word whose top bit is root.
    pub(super) const fn root_word(self) -> usize {
        match self {
            Self::Bits64 => 0,
            Self::Bits128 => 1,
            Self::Bits256 => 3,
            Self::Bits512 => 7,
        }
    }
}

/// One bit that may carry a name: 0 to 510 without 63, 127 and 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionBit(u16);

impl PermissionBit {
    /// The bit with this number; `None` for 63, 127, 255, 511 and everything above.
    #[must_use]
    pub const fn new(bit: u16) -> Option<Self> {
        match bit {
            63 | 127 | 255 | 511.. => None,
            _ => Some(Self(bit)),
        }
    }

    /// The bit of the name that was allocated as number `index`, counted from 0; `None` from 508 on.
    ///
    /// Names take the bits upwards and step over the reserved ones.
    #[must_use]
    pub const fn nth(index: usize) -> Option<Self> {
        // Each arm adds the reserved bits below the range, so none of these can overflow.
        let bit = match index {
            0..63 => index,
            63..126 => index.wrapping_add(1),
            126..253 => index.wrapping_add(2),
            253..508 => index.wrapping_add(3),
            _ => return None,
        };
        #[expect(clippy::cast_possible_truncation, reason = "the match leaves at most 510")]
        Some(Self(bit as u16))
    }

    /// The number of the bit; bit 0 is the lowest bit of the last byte.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0
    }

    /// The allocation number of this bit: the inverse of [`PermissionBit::nth`].
    pub(super) const fn ordinal(self) -> usize {
        let skipped = match self.0 {
            0..63 => 0,
            63..127 => 1,
            127..255 => 2,
            _ => 3,
        };
        self.0.saturating_sub(skipped) as usize
    }

    pub(super) const fn word(self) -> usize {
        (self.0 / 64) as usize
    }

    pub(super) const fn flag(self) -> u64 {
        1 << (self.0 % 64)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for MaskWidth {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.bits())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for MaskWidth {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bits = <u64 as serde::Deserialize>::deserialize(deserializer)?;
        Self::from_bits(bits)
            .ok_or_else(|| serde::de::Error::custom("mask width must be 64, 128, 256 or 512"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn reserved_bits_are_never_names() {
        let named: Vec<u16> = (0..600).filter_map(PermissionBit::nth).map(PermissionBit::index).collect();
        let expected: Vec<u16> = (0..511).filter(|bit| ![63, 127, 255].contains(bit)).collect();
        assert_eq!(named, expected);
        for (index, bit) in named.iter().enumerate() {
            assert_eq!(PermissionBit::new(*bit).map(PermissionBit::ordinal), Some(index));
        }
        for bit in [63, 127, 255, 511, 512, u16::MAX] {
            assert_eq!(PermissionBit::new(bit), None, "{bit}");
        }
        for width in MaskWidth::ALL {
            let below_root = named.iter().filter(|bit| **bit < width.bits() - 1).count();
            assert_eq!(below_root, width.capacity());
            assert_eq!(MaskWidth::for_names(width.capacity()), Some(width));
        }
        assert_eq!(MaskWidth::for_names(509), None);
    }
}
