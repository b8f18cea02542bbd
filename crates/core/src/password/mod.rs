//! Passwords: Argon2id (RFC 9106) in PHC strings, with optional peppers, and the rules for choosing one.
//!
//! The sizes follow the OWASP Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane), the rules for choosing
//! NIST SP 800-63B-4 §3.1.1: length and a block list instead of composition, all printable characters allowed.
//!
//! Outside of a Worker, in a command that seeds a database for example, nothing else is needed:
//!
#![cfg_attr(feature = "password", doc = "```")]
#![cfg_attr(not(feature = "password"), doc = "```ignore")]
//! use postern_core::entropy::Random;
//! use postern_core::password::{Arena, Argon2Params, PasswordContext, PasswordInput, PasswordPolicy};
//! use postern_core::password::{Peppers, hash, verify};
//! use postern_core::secret::SecretText;
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let password = PasswordInput::new(SecretText::new("seven swift otters juggle".into()))?;
//! assert!(PasswordPolicy::default().check(&password, &PasswordContext::default()).is_ok());
//! let (params, peppers, mut arena) = (Argon2Params::NATIVE, Peppers::none(), Arena::new());
//! let salt = Random::new([7; 16]); // 16 bytes of the system's randomness
//! let stored = hash(&password, salt, params, &peppers, &mut arena)?;
//! assert!(stored.as_str().starts_with("$argon2id$v=19$m=65536,t=3,p=4$"));
//! assert!(!verify(&password, &stored, params, &peppers, &mut arena)?.needs_rehash);
//! # Ok(())
//! # }
//! ```
//!
//! Hashes that other systems have made are checked with feature `imported` and brought into the form in which they are
//! stored with feature `import`.

mod kind;

#[cfg(feature = "breach")]
mod breach;
#[cfg(feature = "password")]
mod common;
#[cfg(feature = "password")]
mod hash;
#[cfg(feature = "import")]
mod import;
#[cfg(feature = "imported")]
mod imported;
#[cfg(feature = "password")]
mod input;
#[cfg(feature = "password")]
mod params;
#[cfg(feature = "password")]
mod pepper;
#[cfg(feature = "password")]
mod phc;
#[cfg(feature = "password")]
mod policy;
#[cfg(feature = "password")]
mod stored;

#[cfg(feature = "breach")]
pub use breach::BreachQuery;
#[cfg(feature = "issue")]
pub(crate) use hash::derive_key;
#[cfg(feature = "password")]
pub use hash::{Arena, HashError, PasswordMatch, VerifyError, dummy_hash, hash, verify};
#[cfg(feature = "import")]
pub use import::{FirebaseParams, ForeignHash, HashFormat, ImportError};
#[cfg(feature = "imported")]
pub use imported::{ImportedHash, ImportedHashError, Pbkdf2Digest, SignerKey};
#[cfg(feature = "password")]
pub use input::{PasswordInput, PasswordInputError};
pub use kind::{HashKind, HashKinds, UnknownHashKind};
#[cfg(feature = "password")]
pub use params::{Argon2Params, Argon2ParamsError};
#[cfg(feature = "password")]
pub use pepper::{Pepper, Peppers};
#[cfg(feature = "password")]
pub use phc::{PasswordHash, PasswordHashError};
#[cfg(feature = "password")]
pub use policy::{PasswordContext, PasswordPolicy, PasswordViolation};
#[cfg(feature = "password")]
pub use stored::{AcceptedHashes, StoredHash, UnusableHash};
