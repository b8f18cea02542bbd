//! Password hashes as other systems export them, rewritten into the form in which they are stored here.
//!
//! Every format has one canonical text here, whatever its base64 looked like there, so that a login reads one form and
//! a repeated import finds what it wrote.

use super::imported::{ImportedHash, ImportedHashError, Pbkdf2Digest, Scheme, numbers};
use super::kind::HashKind;
use super::phc::{PasswordHash, decimal};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use core::fmt;

/// What a system calls its hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashFormat {
    /// `argon2`: a PHC string of Argon2id, Argon2i or Argon2d, with or without padding and version.
    Argon2,
    /// `bcrypt`: `$2a$`, `$2b$` or `$2y$`.
    Bcrypt,
    /// `scrypt`: `$scrypt$ln=…,r=…,p=…$salt$hash`.
    Scrypt,
    /// `firebase_scrypt`: base64, with the salt and the project's parameters beside it.
    FirebaseScrypt,
    /// `better_auth`: `salt:hash`, both in hexadecimal; scrypt with N = 16384, r = 16, p = 1.
    BetterAuth,
    /// `pbkdf2`: `$pbkdf2-sha256$i=…$salt$hash`, also as Passlib writes it.
    Pbkdf2,
    /// `django`: `pbkdf2_sha256$…`, `pbkdf2_sha1$…`, and Django's `argon2$…` and `bcrypt$…`.
    Django,
    /// `aspnet_identity`: base64 of version 2 or 3.
    AspnetIdentity,
}

impl HashFormat {
    /// Every format under its name.
    pub const WORDS: [(&'static str, Self); 8] = [
        ("argon2", Self::Argon2),
        ("bcrypt", Self::Bcrypt),
        ("scrypt", Self::Scrypt),
        ("firebase_scrypt", Self::FirebaseScrypt),
        ("better_auth", Self::BetterAuth),
        ("pbkdf2", Self::Pbkdf2),
        ("django", Self::Django),
        ("aspnet_identity", Self::AspnetIdentity),
    ];

    /// The format with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == name).map(|(_, format)| *format)
    }

    /// What a text says of itself. Firebase's and ASP.NET's say nothing, and have to be named.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        const PREFIXES: [(&str, HashFormat); 8] = [
            ("$argon2", HashFormat::Argon2),
            ("$2", HashFormat::Bcrypt),
            ("$scrypt$", HashFormat::Scrypt),
            ("$pbkdf2", HashFormat::Pbkdf2),
            ("pbkdf2_sha256$", HashFormat::Django),
            ("pbkdf2_sha1$", HashFormat::Django),
            ("argon2$", HashFormat::Django),
            ("bcrypt$", HashFormat::Django),
        ];
        let known = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, format)| *format);
        known.or_else(|| better_auth_parts(text).map(|_| Self::BetterAuth))
    }
}

/// The parameters of a Firebase project, as its console shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirebaseParams {
    /// `rounds`, 1 to 120: r of scrypt.
    pub rounds: u32,
    /// `mem_cost`, 1 to 14: the logarithm of N.
    pub mem_cost: u32,
    /// `base64_salt_separator`, decoded, at most 16 bytes.
    pub salt_separator: Vec<u8>,
}

/// Why a hash cannot be imported. The text is never quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// Nothing says which format it has.
    UnknownFormat,
    /// Firebase keeps the salt beside the hash, and it is missing or not base64.
    FirebaseSalt,
    /// The parameters of the Firebase project were not given.
    FirebaseParams,
    /// The hash itself.
    Hash(ImportedHashError),
}

impl From<ImportedHashError> for ImportError {
    fn from(error: ImportedHashError) -> Self {
        Self::Hash(error)
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownFormat => "is of no known format; hash_format may name it",
            Self::FirebaseSalt => "needs the base64 of its salt in password_salt",
            Self::FirebaseParams => "needs the parameters of its Firebase project",
            Self::Hash(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for ImportError {}

/// A hash of another system in its stored form. `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct ForeignHash {
    text: String,
    kind: Option<HashKind>,
}

impl fmt::Debug for ForeignHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignHash({:?}, [redacted])", self.kind)
    }
}

impl ForeignHash {
    /// Rewrites an exported hash; `format` where the text does not say it itself, salt and parameters for Firebase's.
    ///
    /// # Errors
    ///
    /// [`ImportError`]: the format is not known, something beside the hash is missing, or the hash breaks a rule.
    pub fn read(
        text: &str,
        format: Option<HashFormat>,
        salt: Option<&str>,
        firebase: Option<&FirebaseParams>,
    ) -> Result<Self, ImportError> {
        if text.len() > ImportedHash::MAX_BYTES {
            return Err(ImportedHashError::TooLong.into());
        }
        let format = format.or_else(|| HashFormat::of(text)).ok_or(ImportError::UnknownFormat)?;
        let stored = match format {
            HashFormat::Argon2 => argon2(text),
            HashFormat::Bcrypt => Ok(String::from(text)),
            HashFormat::Scrypt => prefixed(text, "$scrypt$").and_then(scrypt),
            HashFormat::FirebaseScrypt => return firebase_scrypt(text, salt, firebase),
            HashFormat::BetterAuth => better_auth(text),
            HashFormat::Pbkdf2 => pbkdf2(text),
            HashFormat::Django => django(text),
            HashFormat::AspnetIdentity => return aspnet_identity(text),
        };
        Self::checked(stored?)
    }

    /// The stored form. Never for a log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind that the configuration must accept for it; `None` for an Argon2id hash as they are made here.
    #[must_use]
    pub const fn kind(&self) -> Option<HashKind> {
        self.kind
    }

    /// What the form says of its cost: the text up to the salt, such as `$2b$12$`.
    #[must_use]
    pub fn cost(&self) -> &str {
        let dollars_before = if self.text.starts_with("$argon2") { 3 } else { 2 };
        match self.text.match_indices('$').nth(dollars_before) {
            Some((at, _)) => self.text.get(..at).unwrap_or_default(),
            None => "",
        }
    }

    fn checked(text: String) -> Result<Self, ImportError> {
        if text.parse::<PasswordHash>().is_ok_and(|own| own.pepper_id().is_none()) {
            return Ok(Self { text, kind: None });
        }
        Ok(Self::of(&ImportedHash::parse(&text, None)?))
    }

    fn of(hash: &ImportedHash) -> Self {
        let text = hash.to_text();
        Self { kind: HashKind::of(&text), text }
    }
}

/// base64 as it comes, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    if text.ends_with('=') { STANDARD.decode(text).ok() } else { STANDARD_NO_PAD.decode(text).ok() }
}

/// The same without padding.
fn rewritten(text: &str) -> Option<String> {
    base64(text).map(|bytes| STANDARD_NO_PAD.encode(bytes))
}

fn prefixed<'a>(text: &'a str, prefix: &str) -> Result<&'a str, ImportedHashError> {
    text.strip_prefix(prefix).ok_or(ImportedHashError::Format)
}

fn salt_and_hash(text: &str) -> Result<(String, String), ImportedHashError> {
    let (salt, hash) = text.split_once('$').ok_or(ImportedHashError::Structure)?;
    let salt = rewritten(salt).ok_or(ImportedHashError::Salt)?;
    Ok((salt, rewritten(hash).ok_or(ImportedHashError::Hash)?))
}

fn argon2(text: &str) -> Result<String, ImportedHashError> {
    let rest = prefixed(text, "$argon2")?;
    let (variant, rest) = rest.split_once('$').ok_or(ImportedHashError::Structure)?;
    // Without a version it is the first one.
    let (version, rest) = match rest.split_once('$') {
        Some((version, after)) if version.starts_with("v=") => (version, after),
        _ => ("v=16", rest),
    };
    let (parameters, rest) = rest.split_once('$').ok_or(ImportedHashError::Structure)?;
    let (salt, hash) = salt_and_hash(rest)?;
    Ok(format!("$argon2{variant}${version}${parameters}${salt}${hash}"))
}

fn scrypt(rest: &str) -> Result<String, ImportedHashError> {
    let (parameters, rest) = rest.split_once('$').ok_or(ImportedHashError::Structure)?;
    let (salt, hash) = salt_and_hash(rest)?;
    Ok(format!("$scrypt${parameters}${salt}${hash}"))
}

fn firebase_scrypt(
    text: &str,
    salt: Option<&str>,
    params: Option<&FirebaseParams>,
) -> Result<ForeignHash, ImportError> {
    let params = params.ok_or(ImportError::FirebaseParams)?;
    // Its command line exports one alphabet, its libraries the other.
    let either = |text: &str| {
        base64(text)
            .or_else(|| URL_SAFE.decode(text).ok())
            .or_else(|| URL_SAFE_NO_PAD.decode(text).ok())
            .map(|bytes| STANDARD_NO_PAD.encode(bytes))
    };
    let salt = salt.and_then(either).ok_or(ImportError::FirebaseSalt)?;
    let hash = either(text).ok_or(ImportedHashError::Hash)?;
    let separator = STANDARD_NO_PAD.encode(&params.salt_separator);
    let (log_n, r) = (params.mem_cost, params.rounds);
    ForeignHash::checked(format!("$firebase-scrypt$ln={log_n},r={r}${salt}${separator}${hash}"))
}

/// Better Auth takes the salt's hexadecimal text itself for the salt.
fn better_auth(text: &str) -> Result<String, ImportedHashError> {
    let (salt, hash) = better_auth_parts(text).ok_or(ImportedHashError::Structure)?;
    let salt = STANDARD_NO_PAD.encode(salt);
    let hash = base16ct::lower::decode_vec(hash).map_err(|_| ImportedHashError::Hash)?;
    Ok(format!("$scrypt$ln=14,r=16,p=1${salt}${}", STANDARD_NO_PAD.encode(hash)))
}

fn better_auth_parts(text: &str) -> Option<(&str, &str)> {
    let (salt, hash) = text.split_once(':')?;
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (salt.len() == 32 && hash.len() == 128 && is_hex(salt) && is_hex(hash)).then_some((salt, hash))
}

fn pbkdf2(text: &str) -> Result<String, ImportedHashError> {
    let rest = prefixed(text, "$pbkdf2")?;
    let (digest, rest) = rest.split_once('$').ok_or(ImportedHashError::Structure)?;
    // Passlib's `$pbkdf2$` is the one with SHA-1.
    let digest = if digest.is_empty() { "-sha1" } else { digest };
    let (parameters, rest) = rest.split_once('$').ok_or(ImportedHashError::Structure)?;
    // Passlib writes a dot for the plus.
    let plain = rest.replace('.', "+");
    let (salt, hash) = salt_and_hash(&plain)?;
    let iterations = if let Some(iterations) = decimal(parameters) {
        iterations
    } else if let Ok([iterations]) = numbers(parameters, ["i="]) {
        iterations
    } else {
        let [iterations, length] = numbers(parameters, ["i=", "l="])?;
        let bytes = base64(&hash).map(|hash| hash.len());
        if bytes != usize::try_from(length).ok() {
            return Err(ImportedHashError::Hash);
        }
        iterations
    };
    Ok(format!("$pbkdf2{digest}$i={iterations}${salt}${hash}"))
}

/// Django takes the salt's characters for the salt.
fn django(text: &str) -> Result<String, ImportedHashError> {
    let (algorithm, rest) = text.split_once('$').ok_or(ImportedHashError::Structure)?;
    let digest = match algorithm {
        "argon2" => return argon2(&format!("${rest}")),
        "bcrypt" => return Ok(rest.into()),
        "pbkdf2_sha256" => "sha256",
        "pbkdf2_sha1" => "sha1",
        _ => return Err(ImportedHashError::Format),
    };
    let mut parts = rest.split('$');
    let (Some(iterations), Some(salt), Some(hash), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(ImportedHashError::Structure);
    };
    let iterations = decimal(iterations).ok_or(ImportedHashError::ParameterSyntax)?;
    let hash = rewritten(hash).ok_or(ImportedHashError::Hash)?;
    Ok(format!("$pbkdf2-{digest}$i={iterations}${}${hash}", STANDARD_NO_PAD.encode(salt)))
}

/// Version 2: a zero, 16 bytes of salt, 32 of hash. Version 3: a one, then digest, iterations and length of the salt as
/// four bytes each, salt, hash.
fn aspnet_identity(text: &str) -> Result<ForeignHash, ImportError> {
    let bytes = base64(text).ok_or(ImportedHashError::Hash)?;
    let (scheme, salt, hash) = match bytes.split_first() {
        Some((0, rest)) if rest.len() == 48 => {
            let (salt, hash) = rest.split_at_checked(16).unwrap_or_default();
            (Scheme::Pbkdf2 { digest: Pbkdf2Digest::Sha1, iterations: 1_000 }, salt, hash)
        }
        Some((1, rest)) => aspnet_version_3(rest).ok_or(ImportedHashError::Structure)?,
        Some((0, _)) | None => return Err(ImportedHashError::Structure.into()),
        Some(_) => return Err(ImportedHashError::Version.into()),
    };
    if !(4..=64).contains(&salt.len()) {
        return Err(ImportedHashError::Salt.into());
    }
    if !(16..=64).contains(&hash.len()) {
        return Err(ImportedHashError::Hash.into());
    }
    let hash = ImportedHash { scheme, salt: salt.into(), hash: hash.into() }.bounded()?;
    Ok(ForeignHash::of(&hash))
}

fn aspnet_version_3(bytes: &[u8]) -> Option<(Scheme, &[u8], &[u8])> {
    let (digest, rest) = bytes.split_first_chunk()?;
    let (iterations, rest) = rest.split_first_chunk()?;
    let (salt_bytes, rest) = rest.split_first_chunk()?;
    let digest = match u32::from_be_bytes(*digest) {
        0 => Pbkdf2Digest::Sha1,
        1 => Pbkdf2Digest::Sha256,
        2 => Pbkdf2Digest::Sha512,
        _ => return None,
    };
    let salt_bytes = usize::try_from(u32::from_be_bytes(*salt_bytes)).ok()?;
    let (salt, hash) = rest.split_at_checked(salt_bytes)?;
    Some((Scheme::Pbkdf2 { digest, iterations: u32::from_be_bytes(*iterations) }, salt, hash))
}
