//! The signed comb of one fixed point P: a table of 512 sums of ±2ⁱ·P, 61 KB, made in slices.
//!
//! The method is that of Lim and Lee ("More flexible exponentiation with precomputation", 1994) with 8 teeth 32 bits
//! apart, in 4 tables 8 bits apart. Bit i of a scalar is tooth t, table v, round r with i = 32·t + 8·v + r. A table
//! holds the sums of its eight points ±2^(32t + 8v)·P, those with a positive last one; the others are their
//! negatives. A scalar multiplication is then 8 rounds of a doubling and 4 additions.

#![allow(clippy::arithmetic_side_effects, reason = "small numbers: places in a table, distances of a shift")]

use super::entry::{Entry, Sign};
use super::point::Point;
use alloc::vec::Vec;

const TEETH: usize = 8;
const TABLES: usize = 4;
const ROUNDS: usize = 8;
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
    /// 2^(32t + 8v)·P by tooth and table, as far as they are made.
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
            sum.plus(&if is_positive { *point } else { point.negated() })
        });
        // Each tooth doubles the number of sums: the same ones with this tooth positive.
        let mut sums = [lowest; CHUNK];
        for (tooth, point) in teeth().take(CHUNK_TEETH) {
            let change = point.double();
            let (made, others) = sums.split_at_mut(1 << tooth);
            for (sum, with_negative) in others.iter_mut().zip(made) {
                *sum = with_negative.plus(&change);
            }
        }
        Point::to_entries_vartime(&sums)
    }
}

/// The places of a scalar in the table of a point.
pub(super) struct Digits {
    /// By round, the first to be added being the last: table by table, the column of eight teeth.
    rounds: [[u8; TABLES]; ROUNDS],
    /// Whether the scalar is even. Signed digits make odd numbers only, so one has been added to it.
    pub(super) is_even: bool,
}

impl Digits {
    /// Of a scalar below 2²⁵³, little-endian. The number itself counts, not its residue modulo the group's order:
    /// they differ for a point with a part of small order.
    ///
    /// With digits ±1 for i in 0..256, Σ dᵢ·2ⁱ = 2·X − (2²⁵⁶ − 1), where X has the bits of the positive digits. For an
    /// odd k, X is (k − 1)/2 + 2²⁵⁵: k moved down by one bit, and the highest bit set.
    pub(super) fn of(scalar: &[u8; 32]) -> Self {
        let mut moved = [0; 32];
        for ((byte, low), high) in moved.iter_mut().zip(scalar).zip(scalar.iter().skip(1).chain(&[1])) {
            *byte = low >> 1 | high << 7;
        }
        let mut rounds = [[0; TABLES]; ROUNDS];
        for table in 0..TABLES {
            // Of each tooth's 32 bits those of this table, turned from teeth of rounds to rounds of teeth.
            let mut teeth = [0; TEETH];
            for (tooth, byte) in teeth.iter_mut().zip(moved.iter().skip(table).step_by(TABLES)) {
                *tooth = *byte;
            }
            for (round, column) in rounds.iter_mut().zip(transpose(teeth)) {
                if let Some(place) = round.get_mut(table) {
                    *place = column;
                }
            }
        }
        let [low, ..] = scalar;
        Self { rounds, is_even: low & 1 == 0 }
    }

    /// The columns of each round, in the order in which they are to be added.
    pub(super) fn rounds(&self) -> impl Iterator<Item = &[u8; TABLES]> {
        self.rounds.iter().rev()
    }
}

/// The entry of a column in a part of a table, and whether to add or to subtract it.
#[inline]
pub(super) fn look_up(part: &[Entry], column: u8) -> Option<(Sign, &Entry)> {
    // Without the last tooth, the entry is the negative of the one with all signs exchanged.
    let (sign, place) =
        if column >> 7 == 1 { (Sign::Plus, column & 0x7F) } else { (Sign::Minus, !column & 0x7F) };
    Some((sign, part.get(usize::from(place))?))
}

/// Turns eight rows of eight bits into eight columns.
fn transpose(rows: [u8; 8]) -> [u8; 8] {
    let mut bits = u64::from_le_bytes(rows);
    for (distance, mask) in
        [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)]
    {
        let exchanged = (bits ^ bits >> distance) & mask;
        bits ^= exchanged ^ exchanged << distance;
    }
    bits.to_le_bytes()
}
