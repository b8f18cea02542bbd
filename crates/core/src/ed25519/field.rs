//! Arithmetic modulo p = 2²⁵⁵ − 19, by the formally verified code of `fiat-crypto`, in ten limbs of 26 and 25 bits.
//!
//! Why no operation here can overflow: limbs of a [`Tight`] element are at most 2²⁶ and 2²⁵ in turn, those of a
//! [`Loose`] one at most three times that. `fiat-crypto` proves, for all inputs within these bounds,
//!
//! | operation | operands | result |
//! |---|---|---|
//! | `+`, `−` | tight | loose |
//! | `·`, square, carry | loose | tight |
//! | from bytes | any 255 bits | tight |
//!
//! and the two types leave no other way to combine them: a sum must be multiplied or carried before it is
//! added to again. The
//! bounds are therefore checked by the compiler, and once more by a test.

use super::inverse;
use fiat_crypto::curve25519_32 as fiat;

/// An element that may be added and subtracted.
#[derive(Clone, Copy)]
pub(super) struct Tight(fiat::fiat_25519_tight_field_element);

/// A sum, a difference or a product, to be multiplied.
#[derive(Clone, Copy)]
pub(super) struct Loose(fiat::fiat_25519_loose_field_element);

impl Tight {
    pub(super) const ZERO: Self = Self::small(0);
    pub(super) const ONE: Self = Self::small(1);

    const fn small(value: u32) -> Self {
        Self(fiat::fiat_25519_tight_field_element([value, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
    }

    /// Reads 32 bytes, little-endian; the highest bit is ignored. A number of p or more is reduced.
    pub(super) const fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut low = *bytes;
        let [.., high] = &mut low;
        *high &= 0x7F;
        let mut element = Self::ZERO;
        fiat::fiat_25519_from_bytes(&mut element.0, &low);
        element
    }

    /// The one encoding below p, little-endian.
    pub(super) const fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        fiat::fiat_25519_to_bytes(&mut bytes, &self.0);
        bytes
    }

    #[inline]
    pub(super) const fn loose(&self) -> Loose {
        let Self(fiat::fiat_25519_tight_field_element(limbs)) = self;
        Loose(fiat::fiat_25519_loose_field_element(*limbs))
    }

    #[inline]
    pub(super) const fn plus(&self, other: &Self) -> Loose {
        let mut sum = Loose::ZERO;
        fiat::fiat_25519_add(&mut sum.0, &self.0, &other.0);
        sum
    }

    #[inline]
    pub(super) const fn minus(&self, other: &Self) -> Loose {
        let mut difference = Loose::ZERO;
        fiat::fiat_25519_sub(&mut difference.0, &self.0, &other.0);
        difference
    }

    #[inline]
    pub(super) const fn times(&self, other: &Self) -> Self {
        self.loose().times(&other.loose())
    }

    #[inline]
    pub(super) const fn square(&self) -> Self {
        self.loose().square()
    }

    pub(super) const fn negated(&self) -> Self {
        Self::ZERO.minus(self).carried()
    }

    /// Whether the canonical encoding is odd: the sign bit of RFC 8032 §5.1.2.
    pub(super) const fn is_odd(self) -> bool {
        let [low, ..] = self.to_bytes();
        low & 1 == 1
    }

    pub(super) fn equals(self, other: Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }

    /// 1/self in variable time; `None` for zero.
    ///
    /// The result is checked by a multiplication, so that nothing depends on the inversion's correctness.
    pub(super) fn invert_vartime(self) -> Option<Self> {
        let inverse = Self::from_bytes(&inverse::invert_vartime(&self.to_bytes())?);
        self.times(&inverse).equals(Self::ONE).then_some(inverse)
    }

    /// self to the power of (p − 5)/8 = 2²⁵² − 3, whose bits are ones but for the second lowest.
    pub(super) fn power_252_3(self) -> Self {
        let mut power = self;
        for _ in 0..249 {
            power = power.square().times(&self);
        }
        power.square().square().times(&self)
    }
}

impl Loose {
    pub(super) const ZERO: Self = Tight::ZERO.loose();
    pub(super) const ONE: Self = Tight::ONE.loose();

    /// The same element, to be added to again.
    #[inline]
    pub(super) const fn carried(&self) -> Tight {
        let mut element = Tight::ZERO;
        fiat::fiat_25519_carry(&mut element.0, &self.0);
        element
    }

    #[inline]
    pub(super) const fn times(&self, other: &Self) -> Tight {
        let mut product = Tight::ZERO;
        fiat::fiat_25519_carry_mul(&mut product.0, &self.0, &other.0);
        product
    }

    #[inline]
    pub(super) const fn square(&self) -> Tight {
        let mut product = Tight::ZERO;
        fiat::fiat_25519_carry_square(&mut product.0, &self.0);
        product
    }
}
