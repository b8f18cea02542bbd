//! The wasm verifier.
