//! The signed comb of one fixed point P: a table of 1024 sums of ±2ⁱ·P, 123 KB, made in slices.
//!
//! The method is that of Lim and Lee ("More flexible exponentiation with precomputation", 1994) with 9 teeth 28 bits
//! apart, in 4 tables 7 bits apart. Bit i of a scalar is tooth t, table v, round r with i = 28·t + 7·v + r. A table
//! holds the sums of its nine points ±2^(28t + 7v)·P, those with a positive last one; the others are their
//! negatives. A scalar multiplication is then 7 rounds of a doubling and 4 additions.
//!
//! That makes 252 bits, and the group's order is a little more than 2²⁵². A scalar between the two has no digits here;
//! somebody would have to look for one, and the way without tables takes it.

#![allow(clippy::arithmetic_side_effects, reason = "small numbers: places in a table, distances of a shift")]

use super::entry::{Entry, Sign};
use super::point::Point;
use alloc::vec::Vec;

const TEETH: usize = 9;
const TABLES: usize = 4;
const ROUNDS: usize = 7;
/// From one tooth to the next.
const SPACING: usize = TABLES * ROUNDS;
/// The last tooth's sign is no part of the place.
const ENTRIES: usize = 1 << (TEETH - 1);
/// Points that one slice makes; a divisor of [`ENTRIES`].
const CHUNK: usize = 1 << CHUNK_TEETH;
const CHUNK_TEETH: usize = 5;
const CHUNKS: usize = TABLES * ENTRIES / CHUNK;

/// How many slices make a table.
pub(super) const SLICES: usize = TEETH + 1 + CHUNKS;

/// The finished table of a point.
pub(super) struct Table {
    /// [`ENTRIES`] for each of [`TABLES`]; bit t of a place says whether tooth t is positive.
    entries: Vec<Entry>,
    /// The point itself.
    one: Entry,
}

impl Table {
    /// The entries of each of the four tables.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries.chunks_exact(ENTRIES)
    }

    /// The point itself.
    pub(super) const fn one(&self) -> &Entry {
        &self.one
    }
}

/// A table in the making. Every slice takes less time than checking one signature without a table.
pub(super) struct TableBuilder {
    /// 2^(28t + 7v)·P by tooth and table, as far as they are made.
    powers: Vec<Point>,
    next: Point,
    one: Option<Entry>,
    entries: Vec<Entry>,
}

impl TableBuilder {
    pub(super) const fn new(point: Point) -> Self {
        Self { powers: Vec::new(), next: point, one: None, entries: Vec::new() }
    }

    /// Makes the next slice; the table once it is complete.
    pub(super) fn advance(&mut self) -> Option<Table> {
        if self.powers.len() < TEETH * TABLES {
            self.add_powers();
            return None;
        }
        let Some(one) = self.one else {
            self.one =
                self.powers.first().and_then(|point| Point::to_entries_vartime(&[*point])).map(|[one]| one);
            self.entries.reserve_exact(TABLES * ENTRIES);
            return None;
        };
        self.entries.extend(self.chunk().iter().flatten());
        (self.entries.len() == TABLES * ENTRIES)
            .then(|| Table { entries: core::mem::take(&mut self.entries), one })
    }

    /// The points of one tooth.
    fn add_powers(&mut self) {
        self.powers.reserve_exact(TEETH * TABLES);
        for _ in 0..TABLES {
            self.powers.push(self.next);
            for _ in 0..ROUNDS {
                self.next = self.next.double();
            }
        }
    }

    /// The next entries: all signs of the lower five teeth, for one choice of the others'.
    fn chunk(&self) -> Option<[Entry; CHUNK]> {
        let (table, place) = (self.entries.len() / ENTRIES, self.entries.len() % ENTRIES);
        let teeth = || self.powers.iter().skip(table).step_by(TABLES).enumerate();
        // The lowest place: the lower five are negative.
        let lowest = teeth().fold(Point::NEUTRAL, |sum, (tooth, point)| {
            let is_positive = tooth == TEETH - 1 || place >> tooth & 1 == 1;
            sum.plus(&if is_positive { *point } else { point.negated() }).to_point()
        });
        // Each tooth doubles the number of sums: the same ones with this tooth positive.
        let mut sums = [lowest; CHUNK];
        for (tooth, point) in teeth().take(CHUNK_TEETH) {
            let change = point.double();
            let (made, others) = sums.split_at_mut(1 << tooth);
            for (sum, with_negative) in others.iter_mut().zip(made) {
                *sum = with_negative.plus(&change).to_point();
            }
        }
        Point::to_entries_vartime(&sums)
    }
}

/// The places of a scalar in the table of a point.
pub(super) struct Digits {
    /// By round, the first to be added being the last: table by table, the column of nine teeth.
    rounds: [[u16; TABLES]; ROUNDS],
    /// Whether the scalar is even. Signed digits make odd numbers only, so one has been added to it.
    pub(super) is_even: bool,
}

impl Digits {
    /// Of a scalar below 2²⁵², little-endian; `None` of a greater one. The number itself counts, not its residue modulo
    /// the group's order: they differ for a point with a part of small order.
    ///
    /// With digits ±1 for i in 0..252, Σ dᵢ·2ⁱ = 2·X − (2²⁵² − 1), where X has the bits of the positive digits. For an
    /// odd k, X is (k − 1)/2 + 2²⁵¹: k moved down by one bit, and the highest of the 252 bits set.
    pub(super) fn of(scalar: &[u8; 32]) -> Option<Self> {
        let [low, .., high] = scalar;
        let is_even = low & 1 == 0;
        if *high >= 0x10 {
            return None;
        }
        let mut moved = *scalar;
        let [.., high] = &mut moved;
        *high |= 0x10;
        let teeth: [u64; TEETH] = core::array::from_fn(|tooth| bits_from(&moved, tooth * SPACING + 1));
        let rounds = core::array::from_fn(|round| {
            core::array::from_fn(|table| {
                let place = table * ROUNDS + round;
                teeth.iter().rev().fold(0, |column, tooth| column << 1 | u16::from(tooth >> place & 1 == 1))
            })
        });
        Some(Self { rounds, is_even })
    }

    /// The columns of each round, in the order in which they are to be added.
    pub(super) fn rounds(&self) -> impl Iterator<Item = &[u16; TABLES]> {
        self.rounds.iter().rev()
    }
}

/// The bits of a number from this one on: as many as a tooth has, or more.
fn bits_from(number: &[u8; 32], first: usize) -> u64 {
    let bytes = number.iter().skip(first / 8).take(8);
    bytes.rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte)) >> (first % 8)
}

/// The entry of a column in a part of a table, and whether to add or to subtract it.
#[inline]
pub(super) fn look_up(part: &[Entry], column: u16) -> Option<(Sign, &Entry)> {
    // Without the last tooth, the entry is the negative of the one with all signs exchanged.
    const LAST: u16 = 1 << (TEETH - 1);
    let (sign, place) = if column & LAST != 0 { (Sign::Plus, column) } else { (Sign::Minus, !column) };
    Some((sign, part.get(usize::from(place & (LAST - 1)))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Σ dᵢ·2ⁱ by Horner's rule, one less if the scalar is even: as 17 limbs of 16 bits.
    fn value_of(digits: &Digits) -> [i64; 17] {
        let mut sum = [0i64; 17];
        for bit in (0..TEETH * SPACING).rev() {
            let (tooth, table, round) = (bit / SPACING, bit % SPACING / ROUNDS, bit % ROUNDS);
            let is_positive = digits.rounds[round][table] >> tooth & 1 == 1;
            add(&mut sum, 2, if is_positive { 1 } else { -1 });
        }
        add(&mut sum, 1, -i64::from(digits.is_even));
        sum
    }

    fn add(sum: &mut [i64; 17], factor: i64, mut carry: i64) {
        for limb in sum {
            let value = *limb * factor + carry;
            *limb = value & 0xFFFF;
            carry = value >> 16;
        }
    }

    fn check(scalar: &[u8; 32]) {
        let Some(digits) = Digits::of(scalar) else {
            assert!(scalar[31] >= 0x10);
            return;
        };
        assert!(scalar[31] < 0x10);
        let sum = value_of(&digits);
        for (limb, bytes) in sum.iter().zip(scalar.chunks(2)) {
            assert_eq!(*limb, i64::from(u16::from_le_bytes(bytes.try_into().unwrap())));
        }
        assert_eq!(sum[16], 0);
    }

    #[test]
    fn digits_at_the_edges() {
        check(&[0; 32]);
        for bit in 0..256 {
            let mut scalar = [0; 32];
            scalar[bit / 8] |= 1 << (bit % 8);
            check(&scalar);
            for byte in scalar.iter_mut().take(bit / 8) {
                *byte = 0xFF;
            }
            check(&scalar);
        }
        let mut highest = [0xFF; 32];
        highest[31] = 0x0F;
        check(&highest);
        assert!(Digits::of(&highest).is_some());
    }

    proptest! {
        #[test]
        fn digits_are_the_scalar(mut scalar: [u8; 32]) {
            check(&scalar);
            scalar[31] &= 0x0F;
            check(&scalar);
        }
    }
}
