//! A public key, and how it checks a signature.

#[cfg(feature = "curve")]
use super::point::Point;
#[cfg(feature = "comb")]
use super::tables::Tables;
#[cfg(feature = "curve")]
use super::window;
#[cfg(feature = "comb")]
use alloc::boxed::Box;
#[cfg(feature = "comb")]
use core::sync::atomic::{AtomicU32, Ordering};
#[cfg(feature = "curve")]
use curve25519_dalek::Scalar;
#[cfg(not(feature = "curve"))]
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
#[cfg(feature = "comb")]
use once_cell::race::OnceBox;
#[cfg(feature = "curve")]
use sha2::{Digest as _, Sha512};

/// Why bytes are no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKeyError {
    /// Not the canonical encoding of a point on the curve (RFC 8032 §5.1.3).
    NotOnCurve,
    /// A point of small order: signatures under it can be made without a private key.
    SmallOrder,
}

/// An Ed25519 public key that has been decoded and is not of small order.
pub struct PublicKey {
    encoding: [u8; 32],
    #[cfg(not(feature = "curve"))]
    point: VerifyingKey,
    /// −A, for the public key A.
    #[cfg(feature = "curve")]
    negative: Point,
    /// How many signatures it has checked and found good.
    #[cfg(feature = "comb")]
    uses: AtomicU32,
    #[cfg(feature = "comb")]
    tables: OnceBox<Tables>,
}

#[cfg(not(feature = "curve"))]
impl PublicKey {
    /// Decodes a public key.
    ///
    /// # Errors
    ///
    /// [`PublicKeyError`], for bytes under which a signature would prove nothing.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, PublicKeyError> {
        if !is_canonical(bytes) {
            return Err(PublicKeyError::NotOnCurve);
        }
        let point = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError::NotOnCurve)?;
        if point.is_weak() {
            return Err(PublicKeyError::SmallOrder);
        }
        Ok(Self { encoding: *bytes, point })
    }

    /// Whether this key made the signature over the message, in variable time.
    #[must_use]
    pub fn verifies_vartime(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        // Not `verify_strict`, which besides refuses an R of small order: only the holder of the private key could
        // make such a signature, RFC 8032 accepts it, and all builds must agree.
        self.point.verify(message, &Signature::from_bytes(signature)).is_ok()
    }
}

#[cfg(feature = "curve")]
impl PublicKey {
    /// Decodes a public key.
    ///
    /// # Errors
    ///
    /// [`PublicKeyError`], for bytes under which a signature would prove nothing.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, PublicKeyError> {
        let point = Some(bytes).filter(|bytes| is_canonical(bytes));
        let point = point.and_then(Point::decompress_vartime).ok_or(PublicKeyError::NotOnCurve)?;
        if point.has_small_order() {
            return Err(PublicKeyError::SmallOrder);
        }
        Ok(Self {
            encoding: *bytes,
            negative: point.negated(),
            #[cfg(feature = "comb")]
            uses: AtomicU32::new(0),
            #[cfg(feature = "comb")]
            tables: OnceBox::new(),
        })
    }

    /// Whether this key made the signature over the message, in variable time: S < L, and R is the encoding of S·B − k·A
    /// (RFC 8032 §5.1.7, without the cofactor).
    #[must_use]
    pub fn verifies_vartime(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let Some((r, s)) = signature.split_first_chunk::<32>() else { return false };
        let Some(s) = s.first_chunk::<32>().filter(|s| is_below_order(s)) else { return false };
        let digest =
            Sha512::new().chain_update(r).chain_update(self.encoding).chain_update(message).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&digest.into()).to_bytes();
        let good = self.combine_vartime(s, &k).is_some_and(|actual| actual == *r);
        #[cfg(feature = "comb")]
        if good && !self.has_tables() {
            self.uses.fetch_add(1, Ordering::Relaxed);
        }
        good
    }

    /// The encoding of S·B − k·A.
    pub(super) fn combine_vartime(&self, s: &[u8; 32], k: &[u8; 32]) -> Option<[u8; 32]> {
        #[cfg(feature = "comb")]
        if let Some(sum) = self.tables.get().and_then(|tables| tables.combine_vartime(s, k)) {
            return sum.compress_vartime();
        }
        window::combine_vartime(s, k, &self.negative).compress_vartime()
    }
}

impl PublicKey {
    /// The encoding of the point.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.encoding
    }
}

#[cfg(feature = "comb")]
impl PublicKey {
    /// How many good signatures a key has checked before tables are made for it: making them costs about as much as
    /// checking eleven signatures, and most keys of most processes never see that many.
    pub const USES_BEFORE_TABLES: u32 = 32;

    /// Whether the key has been used enough to be worth tables, and has none.
    #[must_use]
    pub fn wants_tables(&self) -> bool {
        !self.has_tables() && self.uses.load(Ordering::Relaxed) >= Self::USES_BEFORE_TABLES
    }

    /// Whether signatures are checked by tables.
    #[must_use]
    pub fn has_tables(&self) -> bool {
        self.tables.get().is_some()
    }

    /// −A, to make tables of.
    pub(super) const fn negative(&self) -> &Point {
        &self.negative
    }

    /// Gives the key its tables, unless another thread was faster.
    pub(super) fn set_tables(&self, tables: Tables) {
        // Which of two equal tables is kept makes no difference.
        drop(self.tables.set(Box::new(tables)));
    }
}

/// Whether the y coordinate is below the field's prime 2²⁵⁵−19 (RFC 8032 §5.1.3). The one other freedom of the
/// encoding, a sign bit for x = 0, exists only for points of small order.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    *low < 0xED || *high & 0x7F != 0x7F || middle.iter().any(|byte| *byte != 0xFF)
}

/// L, the order of the base point, 2²⁵² + 27742317777372353535851937790883648493 (RFC 8032 §5.1), little-endian.
#[cfg(feature = "curve")]
const ORDER: [u8; 32] = [
    0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Whether a scalar, little-endian, is below L.
#[cfg(feature = "curve")]
fn is_below_order(scalar: &[u8; 32]) -> bool {
    scalar.iter().rev().lt(ORDER.iter().rev())
}

#[cfg(all(test, feature = "curve"))]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_first_scalar_that_is_refused() {
        let minus_one = (-Scalar::ONE).to_bytes();
        assert!(is_below_order(&[0; 32]) && is_below_order(&minus_one));
        let mut order = minus_one;
        order[0] += 1;
        assert_eq!(order, ORDER);
        assert!(!is_below_order(&order) && !is_below_order(&[0xFF; 32]));
        for place in 0..32 {
            let (mut above, mut below) = (order, order);
            above[place] = above[place].saturating_add(1);
            assert!(!is_below_order(&above));
            if let Some(less) = below[place].checked_sub(1) {
                below[place] = less;
                assert!(is_below_order(&below), "{place}");
            }
            for scalar in [above, below, order] {
                assert_eq!(
                    is_below_order(&scalar),
                    bool::from(Scalar::from_canonical_bytes(scalar).is_some())
                );
            }
        }
    }
}
