//! A public key, and the two ways to check a signature with it.

#[cfg(feature = "comb")]
use super::fixed::FixedKey;
#[cfg(feature = "comb")]
use alloc::boxed::Box;
#[cfg(feature = "comb")]
use core::sync::atomic::{AtomicU32, Ordering};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
#[cfg(feature = "comb")]
use once_cell::race::OnceBox;

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
    point: VerifyingKey,
    /// How many signatures it has checked and found good.
    #[cfg(feature = "comb")]
    uses: AtomicU32,
    #[cfg(feature = "comb")]
    tables: OnceBox<FixedKey>,
}

impl PublicKey {
    /// How many good signatures a key has checked before tables are made for it: making them costs about as much as
    /// checking nine signatures, and most keys of most processes never see that many.
    #[cfg(feature = "comb")]
    pub const USES_BEFORE_TABLES: u32 = 32;

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
        Ok(Self {
            point,
            #[cfg(feature = "comb")]
            uses: AtomicU32::new(0),
            #[cfg(feature = "comb")]
            tables: OnceBox::new(),
        })
    }

    /// The encoding of the point.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.point.to_bytes()
    }

    /// Whether this key made the signature over the message, in variable time.
    #[must_use]
    pub fn verifies_vartime(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        #[cfg(feature = "comb")]
        if let Some(tables) = self.tables.get() {
            return tables.verifies_vartime(message, signature);
        }
        // Not `verify_strict`, which besides refuses an R of small order: only the holder of the private key could
        // make such a signature, RFC 8032 accepts it, and both ways must agree.
        let good = self.point.verify(message, &Signature::from_bytes(signature)).is_ok();
        #[cfg(feature = "comb")]
        if good {
            self.uses.fetch_add(1, Ordering::Relaxed);
        }
        good
    }

    /// Whether the key has been used enough to be worth tables, and has none.
    #[cfg(feature = "comb")]
    #[must_use]
    pub fn wants_tables(&self) -> bool {
        !self.has_tables() && self.uses.load(Ordering::Relaxed) >= Self::USES_BEFORE_TABLES
    }

    /// Whether signatures are checked by tables.
    #[cfg(feature = "comb")]
    #[must_use]
    pub fn has_tables(&self) -> bool {
        self.tables.get().is_some()
    }

    /// Gives the key its tables, unless another thread was faster.
    #[cfg(feature = "comb")]
    pub(super) fn set_tables(&self, tables: FixedKey) {
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
