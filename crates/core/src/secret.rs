//! Secrets that cannot be printed, compared in variable time, or left behind in memory.

use alloc::string::String;
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` secret bytes: zeroized on drop, `[redacted]` in `Debug`, comparable in constant time only.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// How many bytes the secret has.
    pub const BYTES: usize = N;

    /// Takes ownership of the bytes.
    #[must_use]
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Copies a slice of exactly `N` bytes; `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes themselves, for the primitive that needs them. Never for a log, an error or a comparison.
    #[must_use]
    pub const fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Whether both secrets are equal, in time that does not depend on their contents.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Secret text of any length, such as a password on its way to the hash.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretText(String);

impl SecretText {
    /// Takes ownership of the text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the primitive that needs it. Never for a log, an error or a comparison.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new([7u8; 32])), "[redacted]");
        assert_eq!(format!("{:?}", SecretText::new("hunter2".into())), "[redacted]");
    }

    #[test]
    fn comparison_sees_every_bit() {
        let secret = Secret::new([0u8; 16]);
        assert!(secret.ct_eq(&Secret::new([0u8; 16])));
        for bit in 0..128usize {
            let mut other = [0u8; 16];
            other[bit / 8] = 1 << (bit % 8);
            assert!(!secret.ct_eq(&Secret::new(other)), "bit {bit}");
        }
    }

    #[test]
    fn a_slice_of_another_length_is_refused() {
        assert!(Secret::<16>::from_slice(&[0; 15]).is_none());
        assert!(Secret::<16>::from_slice(&[0; 17]).is_none());
        assert!(Secret::<16>::from_slice(&[0; 16]).is_some());
    }
}
