//! Points of edwards25519 (RFC 8032 §5.1) and their addition.
//!
//! The formulas are those of Hisil, Wong, Carter and Dawson ("Twisted Edwards curves revisited", 2008) for a = −1. As
//! d is no square, they are complete: right for every pair of points, equal ones and those of small order included.

use super::field::{Loose, Tight};

/// d = −121665/121666, the constant of the curve.
pub(super) const D: Tight = Tight::from_bytes(&[
    0xA3, 0x78, 0x59, 0x13, 0xCA, 0x4D, 0xEB, 0x75, 0xAB, 0xD8, 0x41, 0x41, 0x4D, 0x0A, 0x70, 0x00, 0x98,
    0xE8, 0x79, 0x77, 0x79, 0x40, 0xC7, 0x8C, 0x73, 0xFE, 0x6F, 0x2B, 0xEE, 0x6C, 0x03, 0x52,
]);

/// A square root of −1.
const ROOT_OF_MINUS_1: Tight = Tight::from_bytes(&[
    0xB0, 0xA0, 0x0E, 0x4A, 0x27, 0x1B, 0xEE, 0xC4, 0x78, 0xE4, 0x2F, 0xAD, 0x06, 0x18, 0x43, 0x2F, 0xA7,
    0xD7, 0xFB, 0x3D, 0x99, 0x00, 0x4D, 0x2B, 0x0B, 0xDF, 0xC1, 0x4F, 0x80, 0x24, 0x83, 0x2B,
]);

/// A point (X/Z, Y/Z) with T = X·Y/Z.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) x: Tight,
    pub(super) y: Tight,
    pub(super) z: Tight,
    pub(super) t: Tight,
}

/// A point (X/Z, Y/Z), to be doubled or encoded: neither needs T.
pub(super) struct Projective {
    x: Tight,
    y: Tight,
    z: Tight,
}

/// A sum that is not yet multiplied out: (E·F : G·H : F·G), with T = E·H.
pub(super) struct Completed {
    pub(super) e: Loose,
    pub(super) f: Loose,
    pub(super) g: Loose,
    pub(super) h: Loose,
}

impl Completed {
    /// The neutral element.
    pub(super) const NEUTRAL: Self = Self { e: Loose::ZERO, f: Loose::ONE, g: Loose::ONE, h: Loose::ONE };

    /// For what is added to: four multiplications.
    #[inline]
    pub(super) const fn to_point(&self) -> Point {
        let Self { e, f, g, h } = self;
        Point { x: e.times(f), y: g.times(h), z: f.times(g), t: e.times(h) }
    }

    /// For what needs no T: three multiplications.
    #[inline]
    pub(super) const fn to_projective(&self) -> Projective {
        let Self { e, f, g, h } = self;
        Projective { x: e.times(f), y: g.times(h), z: f.times(g) }
    }
}

impl Projective {
    /// 2·self.
    pub(super) const fn double(&self) -> Completed {
        let xx = self.x.square();
        let yy = self.y.square();
        let zz = self.z.square();
        let sum = self.x.plus(&self.y).square();
        // With every factor negated in pairs, the differences are of tight elements:
        // E = (X + Y)² − X² − Y², G = Y² − X², F = 2Z² − G, H = X² + Y².
        let h = xx.plus(&yy);
        let g = yy.minus(&xx);
        let e = sum.minus(&h.carried());
        let f = zz.plus(&zz).carried().minus(&g.carried());
        Completed { e, f, g, h }
    }

    /// The encoding (RFC 8032 §5.1.2), in variable time.
    pub(super) fn compress_vartime(&self) -> Option<[u8; 32]> {
        let inverse = self.z.invert_vartime()?;
        let mut bytes = self.y.times(&inverse).to_bytes();
        let [.., high] = &mut bytes;
        *high |= u8::from(self.x.times(&inverse).is_odd()) << 7;
        Some(bytes)
    }
}

impl Point {
    /// The neutral element.
    #[cfg(feature = "comb")]
    pub(super) const NEUTRAL: Self = Self { x: Tight::ZERO, y: Tight::ONE, z: Tight::ONE, t: Tight::ZERO };

    /// The base point B (RFC 8032 §5.1): y = 4/5, and x even.
    pub(super) const BASE: Self = Self::affine(
        Tight::from_bytes(&[
            0x1A, 0xD5, 0x25, 0x8F, 0x60, 0x2D, 0x56, 0xC9, 0xB2, 0xA7, 0x25, 0x95, 0x60, 0xC7, 0x2C, 0x69,
            0x5C, 0xDC, 0xD6, 0xFD, 0x31, 0xE2, 0xA4, 0xC0, 0xFE, 0x53, 0x6E, 0xCD, 0xD3, 0x36, 0x69, 0x21,
        ]),
        Tight::from_bytes(&[
            0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
            0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
        ]),
    );

    const fn affine(x: Tight, y: Tight) -> Self {
        Self { x, y, z: Tight::ONE, t: x.times(&y) }
    }

    /// Whether eight times the point is the neutral element, in variable time.
    pub(super) fn has_small_order(&self) -> bool {
        let Self { x, y, z, .. } = self.double().double().double();
        x.equals(Tight::ZERO) && y.equals(z)
    }

    /// The point of this encoding (RFC 8032 §5.1.3), in variable time; `None` if there is none.
    pub(super) fn decompress_vartime(bytes: &[u8; 32]) -> Option<Self> {
        let y = Tight::from_bytes(bytes);
        let [.., high] = bytes;
        let square = y.square();
        let numerator = square.minus(&Tight::ONE);
        let denominator = square.times(&D).plus(&Tight::ONE);
        let x = root_of_ratio(numerator.carried(), denominator.carried())?;
        let is_odd = *high >> 7 == 1;
        let x = if x.is_odd() == is_odd { x } else { x.negated() };
        // Zero has no odd negative.
        (x.is_odd() == is_odd).then(|| Self::affine(x, y))
    }

    const fn projective(&self) -> Projective {
        Projective { x: self.x, y: self.y, z: self.z }
    }

    pub(super) const fn negated(&self) -> Self {
        Self { x: self.x.negated(), y: self.y, z: self.z, t: self.t.negated() }
    }

    /// 2·self.
    pub(super) const fn double(&self) -> Self {
        self.projective().double().to_point()
    }

    /// self + other.
    pub(super) const fn plus(&self, other: &Self) -> Completed {
        let a = self.y.minus(&self.x).times(&other.y.minus(&other.x));
        let b = self.y.plus(&self.x).times(&other.y.plus(&other.x));
        let c = self.t.times(&other.t).times(&D);
        let d = self.z.times(&other.z);
        let (c, d) = (c.plus(&c).carried(), d.plus(&d).carried());
        Completed { e: b.minus(&a), f: d.minus(&c), g: d.plus(&c), h: b.plus(&a) }
    }
}

/// √(numerator/denominator), as RFC 8032 §5.1.3 computes it; `None` if that is no square.
fn root_of_ratio(numerator: Tight, denominator: Tight) -> Option<Tight> {
    let cube = denominator.square().times(&denominator);
    let seventh = cube.square().times(&denominator);
    let root = numerator.times(&cube).times(&numerator.times(&seventh).power_252_3());
    let check = root.square().times(&denominator);
    if check.equals(numerator) {
        Some(root)
    } else {
        let other = root.times(&ROOT_OF_MINUS_1);
        other.square().times(&denominator).equals(numerator).then_some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED;

    #[test]
    fn the_base_point_is_that_of_the_standard() {
        let encoding = ED25519_BASEPOINT_COMPRESSED.to_bytes();
        assert_eq!(Point::BASE.projective().compress_vartime(), Some(encoding));
        let decoded = Point::decompress_vartime(&encoding).unwrap();
        for (one, other) in
            [(decoded.x, Point::BASE.x), (decoded.y, Point::BASE.y), (decoded.t, Point::BASE.t)]
        {
            assert!(one.equals(other));
        }
        assert!(!Point::BASE.has_small_order() && Point::NEUTRAL.has_small_order());
    }
}
