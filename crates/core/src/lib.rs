//! The rules of Postern, without the world they run in.
//!
//! Tokens, sessions and their rotation, permission masks, password hashes, throttling and the login flows are
//! pure functions here: the caller reads the clock, draws the randomness, loads the records, and commits what
//! comes back.
//!
//! # What this crate does not do
//!
//! It reads no clock, draws no randomness, performs no I/O, holds no global state, spawns nothing, is not
//! asynchronous and knows neither JavaScript nor Cloudflare. A bare-metal build and a wasm module with an empty
//! import list prove it in every test run.
//!
//! # Features
//!
//! Features add modules and never change behaviour: `verify`, `comb`, `issue`, `password`, `mail`, `config`, all on by
//! default; `imported` and `import` for password hashes of other systems, `ecdsa`, `rsa` and `pem` for other keys.
#![no_std]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::string_slice)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "issue")]
pub mod account;
#[cfg(feature = "issue")]
pub mod authentication;
pub mod codec;
#[cfg(feature = "config")]
pub mod config;
pub mod cross_site;
#[cfg(feature = "issue")]
pub mod dpop;
#[cfg(feature = "verify")]
pub mod ed25519;
#[cfg(feature = "issue")]
pub mod entitlement;
pub mod entropy;
#[cfg(feature = "issue")]
pub mod factor;
#[cfg(feature = "issue")]
pub mod flow;
#[cfg(feature = "issue")]
pub mod grant;
pub mod id;
pub mod identifier;
#[cfg(feature = "issue")]
pub mod intake;
#[cfg(feature = "verify")]
pub mod json;
#[cfg(feature = "verify")]
pub mod jwt;
pub mod keyring;
#[cfg(feature = "mail")]
pub mod mail;
pub mod order;
pub mod organization;
#[cfg(feature = "issue")]
pub mod passkey;
#[cfg(any(feature = "password", feature = "config"))]
pub mod password;
#[cfg(feature = "verify")]
pub mod permission;
pub mod profile;
#[cfg(feature = "issue")]
pub mod proof;
#[cfg(any(feature = "config", feature = "issue"))]
pub mod relying_party;
#[cfg(feature = "verify")]
pub mod revocation;
pub mod secret;
#[cfg(feature = "issue")]
pub mod session;
pub mod throttle;
pub mod time;
#[cfg(any(feature = "config", feature = "issue"))]
pub mod turnstile;
