//! Points of edwards25519 (RFC 8032 §5.1) and their addition.
//!
//! The formulas are those of Hisil, Wong, Carter and Dawson ("Twisted Edwards curves revisited", 2008) for a = −1. As
//! d is no square, they are complete: right for every pair of points, equal ones and those of small order included.

use super::field::{Loose, Tight};

/// d = −121665/121666, the constant of the curve.
const D: Tight = Tight::from_bytes(&[
    0xA3, 0x78, 0x59, 0x13, 0xCA, 0x4D, 0xEB, 0x75, 0xAB, 0xD8, 0x41, 0x41, 0x4D, 0x0A, 0x70, 0x00, 0x98,
    0xE8, 0x79, 0x77, 0x79, 0x40, 0xC7, 0x8C, 0x73, 0xFE, 0x6F, 0x2B, 0xEE, 0x6C, 0x03, 0x52,
]);

/// A square root of −1.
const ROOT_OF_MINUS_1: Tight = Tight::from_bytes(&[
    0xB0, 0xA0, 0x0E, 0x4A, 0x27, 0x1B, 0xEE, 0xC4, 0x78, 0xE4, 0x2F, 0xAD, 0x06, 0x18, 0x43, 0x2F, 0xA7,
    0xD7, 0xFB, 0x3D, 0x99, 0x00, 0x4D, 0x2B, 0x0B, 0xDF, 0xC1, 0x4F, 0x80, 0x24, 0x83, 0x2B,
]);

/// 1/2 modulo p.
const HALF: Tight = Tight::from_bytes(&[
    0xF7, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3F,
]);

/// A point (X/Z, Y/Z) with T = X·Y/Z.
#[derive(Clone, Copy)]
pub(super) struct Point {
    x: Tight,
    y: Tight,
    z: Tight,
    t: Tight,
}

/// A point (x, y) as table entry: ((y + x)/2, (y − x)/2, d·x·y).
///
/// With the halves, an addition needs no doubling of Z, and every sum in it is one of two tight elements.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    half_sum: Tight,
    half_difference: Tight,
    dxy: Tight,
}

/// Whether to add a table entry or its negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

/// A sum that is not yet multiplied out: (E·F : G·H : F·G), with T = E·H.
struct Completed {
    e: Loose,
    f: Loose,
    g: Loose,
    h: Loose,
}

impl Completed {
    #[inline]
    const fn to_point(&self) -> Point {
        let Self { e, f, g, h } = self;
        Point { x: e.times(f), y: g.times(h), z: f.times(g), t: e.times(h) }
    }
}

impl Point {
    /// The neutral element.
    pub(super) const NEUTRAL: Self = Self { x: Tight::ZERO, y: Tight::ONE, z: Tight::ONE, t: Tight::ZERO };

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
        (x.is_odd() == is_odd).then(|| Self { x, y, z: Tight::ONE, t: x.times(&y) })
    }

    /// The encoding (RFC 8032 §5.1.2), in variable time.
    pub(super) fn compress_vartime(&self) -> Option<[u8; 32]> {
        let inverse = self.z.invert_vartime()?;
        let mut bytes = self.y.times(&inverse).to_bytes();
        let [.., high] = &mut bytes;
        *high |= u8::from(self.x.times(&inverse).is_odd()) << 7;
        Some(bytes)
    }

    pub(super) const fn negated(&self) -> Self {
        Self { x: self.x.negated(), y: self.y, z: self.z, t: self.t.negated() }
    }

    /// 2·self.
    pub(super) const fn double(&self) -> Self {
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
        Completed { e, f, g, h }.to_point()
    }

    /// self + other.
    pub(super) const fn plus(&self, other: &Self) -> Self {
        let a = self.y.minus(&self.x).times(&other.y.minus(&other.x));
        let b = self.y.plus(&self.x).times(&other.y.plus(&other.x));
        let c = self.t.times(&other.t).times(&D);
        let d = self.z.times(&other.z);
        let (c, d) = (c.plus(&c).carried(), d.plus(&d).carried());
        Completed { e: b.minus(&a), f: d.minus(&c), g: d.plus(&c), h: b.plus(&a) }.to_point()
    }

    /// self ± entry: seven multiplications.
    #[inline]
    pub(super) fn with(&self, sign: Sign, entry: &Entry) -> Self {
        // To negate an entry is to exchange its first two coordinates and to change the third one's sign.
        let (first, second) = match sign {
            Sign::Plus => (&entry.half_difference, &entry.half_sum),
            Sign::Minus => (&entry.half_sum, &entry.half_difference),
        };
        let a = self.y.minus(&self.x).times(&first.loose());
        let b = self.y.plus(&self.x).times(&second.loose());
        let c = self.t.times(&entry.dxy);
        let (e, h) = (b.minus(&a), b.plus(&a));
        let (f, g) = match sign {
            Sign::Plus => (self.z.minus(&c), self.z.plus(&c)),
            Sign::Minus => (self.z.plus(&c), self.z.minus(&c)),
        };
        Completed { e, f, g, h }.to_point()
    }

    /// Turns points into table entries, with one inversion for all; `None` only if a Z is zero, which no point has.
    pub(super) fn to_entries_vartime<const N: usize>(points: &[Self; N]) -> Option<[Entry; N]> {
        // Products of all Z before each point, then backwards: 1/Z = (product before) / (product up to here).
        let mut product = Tight::ONE;
        let before = points.each_ref().map(|point| {
            let next = product.times(&point.z);
            core::mem::replace(&mut product, next)
        });
        let mut inverse = product.invert_vartime()?;
        let mut entries = [Entry::NEUTRAL; N];
        for ((entry, point), before) in entries.iter_mut().zip(points).zip(&before).rev() {
            *entry = point.to_entry(&inverse.times(before));
            inverse = inverse.times(&point.z);
        }
        Some(entries)
    }

    const fn to_entry(self, inverse_of_z: &Tight) -> Entry {
        let (x, y) = (self.x.times(inverse_of_z), self.y.times(inverse_of_z));
        let (half_x, half_y) = (x.times(&HALF), y.times(&HALF));
        Entry {
            half_sum: half_y.plus(&half_x).carried(),
            half_difference: half_y.minus(&half_x).carried(),
            dxy: x.times(&y).times(&D),
        }
    }
}

impl Entry {
    pub(super) const NEUTRAL: Self = Self { half_sum: HALF, half_difference: HALF, dxy: Tight::ZERO };
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
