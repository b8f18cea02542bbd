//! Ed25519 public keys (RFC 8032) that check many signatures.
//!
//! Without the feature `curve` they are checked by `ed25519-dalek`; with it by what is here, which is smaller and, compiled
//! to wasm, faster: no constant time is paid for. With the feature `comb`, a key that has checked
//! [`PublicKey::USES_BEFORE_TABLES`] signatures can be given tables of its point and of the base point, made in slices by
//! a [`Workshop`]; from then on a signature costs 56 additions from the tables and 6 doublings, a quarter of
//! the time. All ways accept exactly the same signatures: S is below the group's order, and R is, byte for byte, the
//! encoding of S·B − k·A (RFC 8032 §5.1.7, the equation without the cofactor).
//!
//! **Everything here takes variable time**, which is fine for public keys, signatures and what was signed, and for
//! nothing else. Functions whose time depends on their arguments say so: `…_vartime`. Nothing here signs.
//!
//! What carries the correctness: field arithmetic is `fiat-crypto`'s, formally verified, and the bounds it needs are
//! kept by types (`field.rs`); the one routine beside it, the inversion, is checked by a multiplication every time it
//! is used; addition formulas are complete (`point.rs`); scalars and hash are those of `curve25519-dalek` and `sha2`.
//! Both ways, `ed25519-dalek` and a formally verified implementation are compared on random, damaged and contrived signatures (`tests.rs`,
//! `tests/native`).

#[cfg(feature = "comb")]
mod entry;
#[cfg(feature = "curve")]
mod field;
#[cfg(feature = "curve")]
mod inverse;
mod key;
#[cfg(feature = "curve")]
mod point;
#[cfg(feature = "comb")]
mod table;
#[cfg(feature = "comb")]
mod tables;
#[cfg(feature = "comb")]
#[cfg(test)]
mod tests;
#[cfg(feature = "curve")]
mod window;
#[cfg(feature = "comb")]
mod workshop;

pub use key::{PublicKey, PublicKeyError};
#[cfg(feature = "comb")]
pub use workshop::{Progress, Workshop};
