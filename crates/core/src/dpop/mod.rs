//! Proof of possession (RFC 9449): a session that is bound to a key of its client, and tokens of which a copy is worth
//! nothing without that key.
//!
//! A proof is read by [`Proof::read`], its signature checked here or by the host ([`Proof::verified`]), and what it says
//! held against the request that it came with ([`AuthenticProof::judge`]). What comes out, a [`ShownKey`], is used once:
//! whoever owns the account's state remembers it ([`use_proof`]).

mod address;
mod proof;
mod refusal;
mod replay;

pub use address::normal_address;
pub use proof::{AuthenticProof, Proof, ProofDemand, ProofWindow};
pub use refusal::ProofRefusal;
pub use replay::{ProofRoom, ProofUse, ReplayRefusal, ShownKey, use_proof};
