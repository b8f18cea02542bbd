//! S·B − k·A by tables of the base point B and of −A.

use super::entry::Sign;
use super::point::{Completed, Projective};
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
    /// S·B + k·(−A), in variable time; `None` if a scalar is 2²⁵² or more, which is all but impossible for those of a
    /// signature that somebody has made.
    pub(super) fn combine_vartime(&self, s: &[u8; 32], k: &[u8; 32]) -> Option<Projective> {
        let (s, k) = (Digits::of(s)?, Digits::of(k)?);
        let mut sum = Completed::NEUTRAL;
        for (round, (of_base, of_key)) in s.rounds().zip(k.rounds()).enumerate() {
            if round > 0 {
                sum = sum.to_projective().double();
            }
            let parts = self.base.parts().zip(self.negative.parts());
            for ((base, negative), (of_base, of_key)) in parts.zip(of_base.iter().zip(of_key)) {
                let (sign, entry) = look_up(base, *of_base)?;
                sum = sum.to_point().with(sign, entry);
                let (sign, entry) = look_up(negative, *of_key)?;
                sum = sum.to_point().with(sign, entry);
            }
        }
        for (digits, table) in [(&s, &*self.base), (&k, &self.negative)] {
            if digits.is_even {
                sum = sum.to_point().with(Sign::Minus, table.one());
            }
        }
        Some(sum.to_projective())
    }
}
