//! S·B − k·A by tables of the base point B and of −A.

use super::entry::Sign;
use super::point::Point;
use super::table::{Digits, Table, look_up};
use alloc::sync::Arc;

/// The tables of a public key A.
pub(super) struct Tables {
    /// Of the base point B; one for all keys.
    pub(super) base: Arc<Table>,
    /// Of −A.
    pub(super) negative: Table,
}

impl Tables {
    /// S·B + k·(−A), in variable time.
    pub(super) fn combine_vartime(&self, s: &[u8; 32], k: &[u8; 32]) -> Option<Point> {
        let (s, k) = (Digits::of(s), Digits::of(k));
        let mut sum = Point::NEUTRAL;
        for (round, (of_base, of_key)) in s.rounds().zip(k.rounds()).enumerate() {
            if round > 0 {
                sum = sum.double();
            }
            let parts = self.base.parts().zip(self.negative.parts());
            for ((base, negative), (of_base, of_key)) in parts.zip(of_base.iter().zip(of_key)) {
                let (sign, entry) = look_up(base, *of_base)?;
                sum = sum.with(sign, entry);
                let (sign, entry) = look_up(negative, *of_key)?;
                sum = sum.with(sign, entry);
            }
        }
        for (digits, table) in [(&s, &*self.base), (&k, &self.negative)] {
            if digits.is_even {
                sum = sum.with(Sign::Minus, table.one());
            }
        }
        Some(sum)
    }
}
