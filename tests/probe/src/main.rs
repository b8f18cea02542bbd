//! Calls into every part of core, so that the compiler keeps all of it.
//!
//! `cargo xtask ci` compiles this to wasm and refuses a module that imports anything: no clock, no randomness, no
//! I/O can hide in core or in what it depends on. Every input passes through [`black_box`], and so does every result.

use std::hint::black_box;

use postern_core::codec::{base32, base64url};
use postern_core::id::{AccountId, SessionId};

fn main() {
    codecs();
    identities();
}

fn codecs() {
    let bytes: [u8; 40] = black_box([7; 40]);
    let _ = black_box(base64url::decode(black_box(base64url::encode(&bytes).as_bytes())));
    let _ = black_box(base32::decode(black_box(base32::encode(&bytes).as_bytes())));
}

fn identities() {
    let _ = black_box(black_box("00000000000000000000000000000000").parse::<AccountId>());
    let _ = black_box(SessionId::from_bytes(black_box([1; 16])).to_string());
}
