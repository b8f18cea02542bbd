//! Points as entries of a table, and their addition to others.

use super::field::{Loose, Tight};
use super::point::{Completed, D, Point};

/// 1/2 modulo p.
const HALF: Tight = Tight::from_bytes(&[
    0xF7, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3F,
]);

/// A point (x, y) as table entry: ((y + x)/2, (y − x)/2, d·x·y).
///
/// With the halves, an addition needs no doubling of Z, and every sum in it is one of two tight elements. All three are
/// only ever multiplied.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    half_sum: Loose,
    half_difference: Loose,
    dxy: Loose,
}

/// Whether to add a table entry or its negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Point {
    /// self ± entry: three multiplications, and four more for the point itself.
    #[inline]
    pub(super) fn with(&self, sign: Sign, entry: &Entry) -> Completed {
        // To negate an entry is to exchange its first two coordinates and to change the third one's sign.
        let (first, second) = match sign {
            Sign::Plus => (&entry.half_difference, &entry.half_sum),
            Sign::Minus => (&entry.half_sum, &entry.half_difference),
        };
        let a = self.y.minus(&self.x).times(first);
        let b = self.y.plus(&self.x).times(second);
        let c = self.t.loose().times(&entry.dxy);
        let (e, h) = (b.minus(&a), b.plus(&a));
        let (f, g) = match sign {
            Sign::Plus => (self.z.minus(&c), self.z.plus(&c)),
            Sign::Minus => (self.z.plus(&c), self.z.minus(&c)),
        };
        Completed { e, f, g, h }
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
            half_sum: half_y.plus(&half_x).carried().loose(),
            half_difference: half_y.minus(&half_x).carried().loose(),
            dxy: x.times(&y).times(&D).loose(),
        }
    }
}

impl Entry {
    pub(super) const NEUTRAL: Self =
        Self { half_sum: HALF.loose(), half_difference: HALF.loose(), dxy: Loose::ZERO };
}
