//! Hashing and checking.

use super::PasswordInput;
use super::params::Argon2Params;
use super::pepper::{Pepper, Peppers};
use super::phc::PasswordHash;
use crate::entropy::Random;
use alloc::vec::Vec;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use core::fmt;
use hmac::Mac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The memory that hashing works in, kept by the caller from one hash to the next.
///
/// It grows to the largest hash and never shrinks: in WebAssembly memory is never given back anyway, and
/// allocating 19 MiB anew for every login would fragment it. Hashing is synchronous, so one arena per isolate
/// is enough. It is overwritten after every hash, because from its contents a guess could be checked at the
/// price of one BLAKE2b instead of a full pass.
#[derive(Default)]
pub struct Arena {
    blocks: Vec<Block>,
}

impl Arena {
    /// An arena without memory; the first hash allocates it.
    #[must_use]
    pub const fn new() -> Self {
        Self { blocks: Vec::new() }
    }

    /// How much memory it holds, in KiB.
    #[must_use]
    pub fn memory_kib(&self) -> usize {
        self.blocks.len()
    }

    /// Lets `compute` work in the memory of one hash, and overwrites it afterwards.
    pub(super) fn with_blocks(
        &mut self,
        params: Argon2Params,
        compute: impl FnOnce(&mut [Block]) -> argon2::Result<()>,
    ) -> Result<(), HashError> {
        let blocks = self.blocks(params)?;
        let result = compute(blocks);
        blocks.fill(Block::new());
        result.map_err(|_| HashError::Internal)
    }

    fn blocks(&mut self, params: Argon2Params) -> Result<&mut [Block], HashError> {
        let count = usize::try_from(params.memory_kib()).map_err(|_| HashError::OutOfMemory)?;
        let missing = count.saturating_sub(self.blocks.len());
        self.blocks.try_reserve_exact(missing).map_err(|_| HashError::OutOfMemory)?;
        if missing > 0 {
            self.blocks.resize(count, Block::new());
        }
        self.blocks.get_mut(..count).ok_or(HashError::OutOfMemory)
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} KiB)", self.memory_kib())
    }
}

/// Why no hash could be computed. Neither depends on the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// The memory could not be allocated.
    OutOfMemory,
    /// The hash function refused its input, which the types rule out.
    Internal,
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "not enough memory to hash a password",
            Self::Internal => "the password hash function refused its input",
        })
    }
}

impl core::error::Error for HashError {}

/// The password is the one that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PasswordMatch {
    /// The stored hash has other parameters, another pepper or other lengths than a new one would have: now,
    /// while the password is at hand, is the time to replace it.
    pub needs_rehash: bool,
}

/// Why a password was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// It is another password.
    Mismatch,
    /// The stored hash needs a pepper that was not given: a configuration fault, not a wrong password.
    UnknownPepper {
        /// The pepper's id.
        id: u32,
    },
    /// The hash could not be computed.
    Hash(HashError),
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch => f.write_str("the password does not match"),
            Self::UnknownPepper { id } => write!(f, "the pepper {id} of a stored hash is not configured"),
            Self::Hash(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for VerifyError {}

/// Hashes a password with a fresh salt, under the current pepper if there is one.
///
/// # Errors
///
/// [`HashError::OutOfMemory`] if the arena cannot grow to the memory of `params`.
pub fn hash(
    password: &PasswordInput,
    salt: Random<{ PasswordHash::SALT_BYTES }>,
    params: Argon2Params,
    peppers: &Peppers,
    arena: &mut Arena,
) -> Result<PasswordHash, HashError> {
    let salt = salt.into_bytes();
    let mut output = [0u8; PasswordHash::HASH_BYTES];
    let pepper = peppers.current();
    let keyed = pepper.map(|pepper| (pepper, PEPPER_DOMAIN));
    compute(password.expose().as_bytes(), keyed, params, &salt, &mut output, arena)?;
    Ok(PasswordHash::assemble(params, pepper.map(Pepper::id), salt, output))
}

/// Checks a password, in constant time once the hash is computed. `wanted` and the current pepper are what a
/// new hash would have; they only decide `needs_rehash`.
///
/// # Errors
///
/// [`VerifyError::Mismatch`] for another password, the other variants when nothing can be said.
pub fn verify(
    password: &PasswordInput,
    stored: &PasswordHash,
    wanted: Argon2Params,
    peppers: &Peppers,
    arena: &mut Arena,
) -> Result<PasswordMatch, VerifyError> {
    let pepper = match stored.pepper_id() {
        None => None,
        Some(id) => Some(peppers.find(id).ok_or(VerifyError::UnknownPepper { id })?),
    };
    let expected = stored.hash_bytes();
    let mut buffer = Zeroizing::new([0u8; 64]);
    let output = buffer.get_mut(..expected.len()).ok_or(VerifyError::Hash(HashError::Internal))?;
    let keyed = pepper.map(|pepper| (pepper, PEPPER_DOMAIN));
    compute(password.expose().as_bytes(), keyed, stored.params(), stored.salt(), output, arena)
        .map_err(VerifyError::Hash)?;
    if !bool::from(output.ct_eq(expected)) {
        return Err(VerifyError::Mismatch);
    }
    let needs_rehash = stored.params() != wanted
        || stored.pepper_id() != peppers.current().map(Pepper::id)
        || stored.salt().len() != PasswordHash::SALT_BYTES
        || expected.len() != PasswordHash::HASH_BYTES;
    Ok(PasswordMatch { needs_rehash })
}

/// A hash that no known password has, to be checked in place of a missing one, so that an unknown account
/// costs what a known one does.
///
/// It was never computed: its output is all zeros. A match must still not count, since no account is behind it.
#[must_use]
pub fn dummy_hash(params: Argon2Params, peppers: &Peppers) -> PasswordHash {
    let pepper_id = peppers.current().map(Pepper::id);
    PasswordHash::assemble(params, pepper_id, *b"no account here.", [0; PasswordHash::HASH_BYTES])
}

/// 32 bytes of Argon2id of a peppered secret, under a salt that follows from the pepper and `about`: for secrets that are
/// random but short, of which many are compared with one hash.
///
/// # Errors
///
/// [`HashError::OutOfMemory`] if the arena cannot grow to the memory of `params`.
#[cfg(feature = "issue")]
pub(crate) fn derive_key(
    secret: &[u8],
    about: &[u8],
    pepper: &Pepper,
    params: Argon2Params,
    arena: &mut Arena,
) -> Result<[u8; 32], HashError> {
    let mut mac = pepper.start("postern/v1/salt");
    mac.update(about);
    let salt: [u8; 32] = mac.finalize().into_bytes().into();
    let mut output = [0; 32];
    compute(secret, Some((pepper, "postern/v1/short secret")), params, &salt, &mut output, arena)?;
    Ok(output)
}

const PEPPER_DOMAIN: &str = "postern/v1/password";

fn compute(
    secret: &[u8],
    pepper: Option<(&Pepper, &str)>,
    params: Argon2Params,
    salt: &[u8],
    output: &mut [u8],
    arena: &mut Arena,
) -> Result<(), HashError> {
    let (memory, iterations, lanes) = (params.memory_kib(), params.iterations(), params.parallelism());
    let primitive =
        Params::new(memory, iterations, lanes, Some(output.len())).map_err(|_| HashError::Internal)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, primitive);
    arena.with_blocks(params, |blocks| match pepper {
        None => argon2.hash_password_into_with_memory(secret, salt, output, blocks),
        Some((pepper, domain)) => {
            let mut mac = pepper.start(domain);
            mac.update(secret);
            let keyed = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
            argon2.hash_password_into_with_memory(keyed.as_slice(), salt, output, blocks)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;

    #[test]
    fn the_arena_is_kept_and_holds_nothing_between_hashes() {
        let password = PasswordInput::new(SecretText::new("correct horse".into())).unwrap();
        let mut arena = Arena::new();
        let make = |memory, arena: &mut Arena| {
            let params = Argon2Params::new(memory, 1, 1).unwrap();
            hash(&password, Random::new([1; 16]), params, &Peppers::none(), arena).unwrap()
        };
        let first = make(64, &mut arena);
        let _ = make(16, &mut arena);
        assert_eq!(arena.memory_kib(), 64);
        assert!(arena.blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
        assert_eq!(make(64, &mut arena), first);
    }
}
