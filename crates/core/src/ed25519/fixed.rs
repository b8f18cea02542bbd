//! Checking signatures of one key by the tables of its point and of the base point.

use super::point::{Point, Sign};
use super::table::{Digits, Table, look_up};
use alloc::sync::Arc;
use curve25519_dalek::Scalar;
use sha2::{Digest as _, Sha512};

/// A public key A with its tables.
pub(super) struct FixedKey {
    pub(super) encoding: [u8; 32],
    /// Of the base point B; one for all keys.
    pub(super) base: Arc<Table>,
    /// Of −A.
    pub(super) negative: Table,
}

impl FixedKey {
    /// Whether the signature is A's over the message: S < L, and R is the encoding of S·B − k·A (RFC 8032 §5.1.7,
    /// without the cofactor). The time depends on all arguments.
    pub(super) fn verifies_vartime(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let Some((r, s)) = signature.split_first_chunk::<32>() else { return false };
        let Ok(s) = <[u8; 32]>::try_from(s) else { return false };
        if bool::from(Scalar::from_canonical_bytes(s).is_none()) {
            return false;
        }
        let digest =
            Sha512::new().chain_update(r).chain_update(self.encoding).chain_update(message).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&digest.into()).to_bytes();
        self.combine_vartime(&s, &k)
            .and_then(|point| point.compress_vartime())
            .is_some_and(|actual| actual == *r)
    }

    /// S·B + k·(−A).
    fn combine_vartime(&self, s: &[u8; 32], k: &[u8; 32]) -> Option<Point> {
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
