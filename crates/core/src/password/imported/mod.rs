//! Password hashes that other systems have made, in the one form in which they are stored here.
//!
//! ```text
//! $argon2i$v=19$m=…,t=…,p=…$salt$hash       also argon2d, argon2id, and v=16
//! $2b$CC$……                                 also $2a$ and $2y$
//! $scrypt$ln=…,r=…,p=…$salt$hash
//! $firebase-scrypt$ln=…,r=…$salt$separator$hash
//! $pbkdf2-sha256$i=…$salt$hash              also pbkdf2-sha1 and pbkdf2-sha512
//! ```
//!
//! Salts and hashes are base64 without padding. What systems really export comes in more forms: feature `import`
//! rewrites it. A hash is checked, and then replaced by one of ours; none is ever made.

mod compute;
mod text;

use super::hash::{Arena, PasswordMatch, VerifyError};
use super::input::PasswordInput;
use super::params::Argon2Params;
use super::phc::{decimal, decode};
use crate::secret::Secret;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use core::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// bcrypt's own order of the 64 characters.
pub(super) const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// The signer key of a Firebase project, which every hash of the project depends on.
pub type SignerKey = Secret<64>;

/// Why a text is not an imported hash, in check order. The text is never quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportedHashError {
    /// Longer than [`ImportedHash::MAX_BYTES`].
    TooLong,
    /// None of the known forms.
    Format,
    /// A form that is known, with too few or too many parts.
    Structure,
    /// A version of the algorithm that nobody uses or everybody should have left: `$2x$`, Argon2 before 16.
    Version,
    /// Other parameters than the form has, in another order, or not in canonical decimal.
    ParameterSyntax,
    /// More, or less, work or memory than a login may cost.
    Cost,
    /// A salt that is not canonical base64, or not 4 to 64 bytes.
    Salt,
    /// A hash that is not canonical base64, or not as long as it must be.
    Hash,
    /// A hash of a Firebase project, and no signer key.
    SignerKeyMissing,
}

impl fmt::Display for ImportedHashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "is longer than 512 bytes",
            Self::Format => "is of no known format",
            Self::Structure => "does not have the parts of its format",
            Self::Version => "is of a version that is not taken",
            Self::ParameterSyntax => "does not have the parameters of its format",
            Self::Cost => "costs more or less than a login may",
            Self::Salt => "has a salt that is not base64 of 4 to 64 bytes",
            Self::Hash => "has a hash that is not base64 of the right length",
            Self::SignerKeyMissing => "needs the signer key of its Firebase project",
        })
    }
}

impl core::error::Error for ImportedHashError {}

/// The digest in PBKDF2's HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pbkdf2Digest {
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
}

/// How a hash is computed.
#[derive(Clone)]
pub(super) enum Scheme {
    Argon2 {
        algorithm: argon2::Algorithm,
        version: argon2::Version,
        params: Argon2Params,
    },
    Bcrypt {
        variant: u8,
        cost: u32,
    },
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
    },
    /// The salt ends with the project's salt separator, of `separator` bytes.
    Firebase {
        log_n: u8,
        r: u32,
        separator: usize,
        signer_key: Option<SignerKey>,
    },
    Pbkdf2 {
        digest: Pbkdf2Digest,
        iterations: u32,
    },
}

/// A hash that another system has made, parsed and within bounds: at most 64 MiB for Argon2 and 32 MiB for scrypt, and
/// no more than about two seconds of a Worker's time. `Debug` shows nothing, since a hash can be guessed against.
#[derive(Clone)]
pub struct ImportedHash {
    pub(super) scheme: Scheme,
    pub(super) salt: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

impl fmt::Debug for ImportedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImportedHash([redacted])")
    }
}

impl ImportedHash {
    /// The most bytes a stored text can have; longer ones are refused unread.
    pub const MAX_BYTES: usize = 512;
    /// The costs that are taken of bcrypt: 2⁴ to 2¹⁴ rounds.
    pub const BCRYPT_COSTS: core::ops::RangeInclusive<u32> = 4..=14;
    /// The most memory of scrypt, 32 MiB: 128 · r · N bytes.
    pub const MAX_SCRYPT_BYTES: u64 = 32 * 1024 * 1024;
    /// The most work of scrypt: r · N · p.
    pub const MAX_SCRYPT_WORK: u64 = 1 << 20;
    /// The most HMACs of PBKDF2: iterations, times the blocks of output.
    pub const MAX_PBKDF2_HMACS: u64 = 2_000_000;

    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// [`ImportedHashError`] names the first rule that the text breaks.
    pub fn read(text: &str, signer_key: Option<&SignerKey>) -> Result<Self, ImportedHashError> {
        let parsed = Self::parse(text, signer_key)?;
        match parsed.scheme {
            Scheme::Firebase { signer_key: None, .. } => Err(ImportedHashError::SignerKeyMissing),
            _ => Ok(parsed),
        }
    }

    /// The same, also for a hash that cannot be checked here for want of its key.
    pub(super) fn parse(text: &str, signer_key: Option<&SignerKey>) -> Result<Self, ImportedHashError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ImportedHashError::TooLong);
        }
        let Some((algorithm, rest)) = text.strip_prefix('$').and_then(|text| text.split_once('$')) else {
            return Err(ImportedHashError::Format);
        };
        match algorithm {
            "argon2id" => argon2_hash(argon2::Algorithm::Argon2id, rest),
            "argon2i" => argon2_hash(argon2::Algorithm::Argon2i, rest),
            "argon2d" => argon2_hash(argon2::Algorithm::Argon2d, rest),
            "2a" => bcrypt_hash(b'a', rest),
            "2b" => bcrypt_hash(b'b', rest),
            "2y" => bcrypt_hash(b'y', rest),
            "2" | "2x" => Err(ImportedHashError::Version),
            "scrypt" => scrypt_hash(rest),
            "firebase-scrypt" => firebase_hash(rest, signer_key),
            "pbkdf2-sha1" => pbkdf2_hash(Pbkdf2Digest::Sha1, rest),
            "pbkdf2-sha256" => pbkdf2_hash(Pbkdf2Digest::Sha256, rest),
            "pbkdf2-sha512" => pbkdf2_hash(Pbkdf2Digest::Sha512, rest),
            _ => Err(ImportedHashError::Format),
        }
    }

    /// Checks a password, in constant time once the hash is computed. A match is always to be replaced.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Mismatch`] for another password, [`VerifyError::Hash`] when the hash could not be computed.
    pub fn verify(&self, password: &PasswordInput, arena: &mut Arena) -> Result<PasswordMatch, VerifyError> {
        let mut buffer = Zeroizing::new([0u8; 64]);
        let hash_error = VerifyError::Hash(super::HashError::Internal);
        let output = buffer.get_mut(..self.hash.len()).ok_or(hash_error)?;
        let password = password.expose().as_bytes();
        compute::derive(&self.scheme, &self.salt, password, output, arena).map_err(VerifyError::Hash)?;
        if bool::from(output.ct_eq(&self.hash)) {
            Ok(PasswordMatch { needs_rehash: true })
        } else {
            Err(VerifyError::Mismatch)
        }
    }
}

/// Exactly `N` parts.
fn parts<const N: usize>(text: &str) -> Result<[&str; N], ImportedHashError> {
    let mut found = [""; N];
    let mut rest = text.split('$');
    for part in &mut found {
        *part = rest.next().ok_or(ImportedHashError::Structure)?;
    }
    if rest.next().is_some() { Err(ImportedHashError::Structure) } else { Ok(found) }
}

/// Exactly these parameters, in this order.
pub(super) fn numbers<const N: usize>(text: &str, names: [&str; N]) -> Result<[u32; N], ImportedHashError> {
    let mut found = [0; N];
    let mut rest = text.split(',');
    for (number, name) in found.iter_mut().zip(names) {
        let value = rest.next().and_then(|part| decimal(part.strip_prefix(name)?));
        *number = value.ok_or(ImportedHashError::ParameterSyntax)?;
    }
    if rest.next().is_some() { Err(ImportedHashError::ParameterSyntax) } else { Ok(found) }
}

fn assemble(scheme: Scheme, salt: &str, hash: &str) -> Result<ImportedHash, ImportedHashError> {
    let salt = decode(salt, 4, 64).ok_or(ImportedHashError::Salt)?;
    let hash = decode(hash, 16, 64).ok_or(ImportedHashError::Hash)?;
    ImportedHash { scheme, salt, hash }.bounded()
}

impl ImportedHash {
    /// Refuses what a login must not cost.
    pub(super) fn bounded(self) -> Result<Self, ImportedHashError> {
        let fits = match &self.scheme {
            // Checked when it was parsed.
            Scheme::Argon2 { .. } => true,
            Scheme::Bcrypt { cost, .. } => Self::BCRYPT_COSTS.contains(cost),
            Scheme::Scrypt { log_n, r, p } => scrypt_fits(*log_n, *r, *p),
            Scheme::Firebase { log_n, r, .. } => scrypt_fits(*log_n, *r, 1),
            Scheme::Pbkdf2 { digest, iterations } => {
                let blocks = self.hash.len().div_ceil(digest.bytes());
                let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
                let hmacs = u64::from(*iterations).saturating_mul(blocks);
                *iterations > 0 && hmacs <= Self::MAX_PBKDF2_HMACS
            }
        };
        if fits { Ok(self) } else { Err(ImportedHashError::Cost) }
    }
}

impl Pbkdf2Digest {
    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

fn scrypt_fits(log_n: u8, r: u32, p: u32) -> bool {
    let Some(n) = 1u64.checked_shl(log_n.into()) else { return false };
    let blocks = u64::from(r).saturating_mul(n);
    (1..=24).contains(&log_n)
        && r > 0
        && p > 0
        && blocks.saturating_mul(128) <= ImportedHash::MAX_SCRYPT_BYTES
        && blocks.saturating_mul(p.into()) <= ImportedHash::MAX_SCRYPT_WORK
}

fn argon2_hash(algorithm: argon2::Algorithm, text: &str) -> Result<ImportedHash, ImportedHashError> {
    let [version, parameters, salt, hash] = parts(text)?;
    let version = match version {
        "v=19" => argon2::Version::V0x13,
        "v=16" => argon2::Version::V0x10,
        _ => return Err(ImportedHashError::Version),
    };
    let [memory, iterations, lanes] = numbers(parameters, ["m=", "t=", "p="])?;
    let params = Argon2Params::new(memory, iterations, lanes).map_err(|_| ImportedHashError::Cost)?;
    let found = assemble(Scheme::Argon2 { algorithm, version, params }, salt, hash)?;
    // RFC 9106 §3.1: a salt of 8 bytes at least.
    if found.salt.len() < 8 { Err(ImportedHashError::Salt) } else { Ok(found) }
}

/// Two digits of cost, 22 characters of salt and 31 of hash.
fn bcrypt_hash(variant: u8, text: &str) -> Result<ImportedHash, ImportedHashError> {
    let [cost, both] = parts(text)?;
    let cost = match cost.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            let digit = |byte: u8| u32::from(byte.wrapping_sub(b'0'));
            digit(*tens).wrapping_mul(10).wrapping_add(digit(*ones))
        }
        _ => return Err(ImportedHashError::ParameterSyntax),
    };
    let (Some(salt), Some(hash), 53) = (both.get(..22), both.get(22..), both.len()) else {
        return Err(ImportedHashError::Structure);
    };
    let salt = BCRYPT_BASE64.decode(salt).map_err(|_| ImportedHashError::Salt)?;
    let hash = BCRYPT_BASE64.decode(hash).map_err(|_| ImportedHashError::Hash)?;
    ImportedHash { scheme: Scheme::Bcrypt { variant, cost }, salt, hash }.bounded()
}

fn scrypt_hash(text: &str) -> Result<ImportedHash, ImportedHashError> {
    let [parameters, salt, hash] = parts(text)?;
    let [log_n, r, p] = numbers(parameters, ["ln=", "r=", "p="])?;
    assemble(Scheme::Scrypt { log_n: small(log_n)?, r, p }, salt, hash)
}

fn firebase_hash(text: &str, signer_key: Option<&SignerKey>) -> Result<ImportedHash, ImportedHashError> {
    let [parameters, salt, separator, hash] = parts(text)?;
    let [log_n, r] = numbers(parameters, ["ln=", "r="])?;
    let scheme = |separator| {
        Ok(Scheme::Firebase { log_n: small(log_n)?, r, separator, signer_key: signer_key.cloned() })
    };
    let separator = decode(separator, 0, 16).ok_or(ImportedHashError::Salt)?;
    let mut found = assemble(scheme(separator.len())?, salt, hash)?;
    found.salt.extend_from_slice(&separator);
    // As long as the key that it is an encryption of.
    if found.hash.len() == SignerKey::BYTES { Ok(found) } else { Err(ImportedHashError::Hash) }
}

fn pbkdf2_hash(digest: Pbkdf2Digest, text: &str) -> Result<ImportedHash, ImportedHashError> {
    let [parameters, salt, hash] = parts(text)?;
    let [iterations] = numbers(parameters, ["i="])?;
    assemble(Scheme::Pbkdf2 { digest, iterations }, salt, hash)
}

fn small(log_n: u32) -> Result<u8, ImportedHashError> {
    u8::try_from(log_n).map_err(|_| ImportedHashError::Cost)
}
