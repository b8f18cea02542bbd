//! Passwords: Argon2id (RFC 9106) in PHC strings, with optional peppers, and the rules for choosing one.
//!
//! The sizes follow the OWASP Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane), the rules for choosing
//! NIST SP 800-63B-4 §3.1.1: length and a block list instead of composition, all printable characters allowed.

mod params;
mod pepper;
mod phc;

#[cfg(feature = "password")]
mod common;
#[cfg(feature = "password")]
mod hash;
#[cfg(feature = "password")]
mod input;
#[cfg(feature = "password")]
mod policy;

pub use params::{Argon2Params, Argon2ParamsError};
pub use pepper::{Pepper, Peppers};
pub use phc::{PasswordHash, PasswordHashError};

#[cfg(feature = "password")]
pub use hash::{Arena, HashError, PasswordMatch, VerifyError, dummy_hash, hash, verify};
#[cfg(feature = "password")]
pub use input::{PasswordInput, PasswordInputError};
#[cfg(feature = "password")]
pub use policy::{PasswordContext, PasswordPolicy, PasswordViolation};
