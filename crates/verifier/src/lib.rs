//! The wasm module inside the npm package `postern`: [`postern_core::jwt::TokenVerifier`] behind a flat interface.
//!
//! JavaScript writes into one fixed buffer, makes one call, and reads the answer from the same buffer. No glue code
//! is generated, and the module imports nothing: it has no clock, no randomness and no network to reach.
//!
//! [`Verifiers`] is all of it, in safe Rust that runs natively as well; `abi` only gives it a C interface.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

#[cfg(target_arch = "wasm32")]
mod abi;
mod fields;
mod policy;
mod verifiers;

pub use verifiers::{BUFFER_BYTES, Handle, KEYS_CHANGED, PAYLOAD_AT, Verifiers};
