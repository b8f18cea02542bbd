//! PHC strings of Argon2id: `$argon2id$v=19$m=…,t=…,p=…[,keyid=…]$salt$hash`.

use super::params::{Argon2Params, Argon2ParamsError};
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use core::fmt;
use core::str::FromStr;

/// Why a text is not a password hash of ours, in check order. The text is never quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordHashError {
    /// Longer than [`PasswordHash::MAX_BYTES`].
    TooLong,
    /// Not five parts, each after a `$`.
    Structure,
    /// Another algorithm than `argon2id`.
    Algorithm,
    /// Another version than 19 (0x13, RFC 9106).
    Version,
    /// Not exactly `m`, `t`, `p` and perhaps `keyid`, in this order, in canonical decimal.
    ParameterSyntax,
    /// Parameters outside the bounds.
    Parameters(Argon2ParamsError),
    /// A `keyid` that is not the canonical base64 of four bytes.
    KeyId,
    /// A salt that is not canonical base64, or not 8 to 48 bytes.
    Salt,
    /// A hash that is not canonical base64, or not 16 to 64 bytes.
    Hash,
}

impl fmt::Display for PasswordHashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the password hash is too long",
            Self::Structure => "is not $argon2id$v=19$m=…,t=…,p=…$salt$hash",
            Self::Algorithm => "is not an argon2id hash",
            Self::Version => "is not of Argon2 version 19",
            Self::ParameterSyntax => "must have the parameters m,t,p in this order",
            Self::Parameters(error) => return error.fmt(f),
            Self::KeyId => "has a keyid that is not the base64 of four bytes",
            Self::Salt => "has a salt that is not the base64 of 8 to 48 bytes",
            Self::Hash => "has a hash that is not the base64 of 16 to 64 bytes",
        })
    }
}

impl core::error::Error for PasswordHashError {}

/// One Argon2id hash as a PHC string in its one canonical form, parsed and within the bounds of
/// [`Argon2Params`].
///
/// The pepper, if one was used, is named by `keyid`: its id as four big-endian bytes in base64. Peppered means
/// that Argon2id was given HMAC-SHA-256(pepper, `"postern/v1/password"` ‖ NUL ‖ password) instead of the password.
/// `Debug` shows nothing, since a hash can be guessed against.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    params: Argon2Params,
    pepper_id: Option<u32>,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl PasswordHash {
    /// The most bytes a PHC string of ours can have; longer ones are refused unread.
    pub const MAX_BYTES: usize = 256;
    /// Bytes of salt in hashes made here (RFC 9106 §3.1).
    pub const SALT_BYTES: usize = 16;
    /// Bytes of output in hashes made here.
    pub const HASH_BYTES: usize = 32;

    #[cfg(feature = "password")]
    pub(super) fn assemble(
        params: Argon2Params,
        pepper_id: Option<u32>,
        salt: [u8; Self::SALT_BYTES],
        hash: [u8; Self::HASH_BYTES],
    ) -> Self {
        let text = phc_text(params, pepper_id, &salt, &hash);
        Self { text, params, pepper_id, salt: salt.into(), hash: hash.into() }
    }

    /// The PHC string, for the store. Never for a log or an answer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The cost it was made with.
    #[must_use]
    pub const fn params(&self) -> Argon2Params {
        self.params
    }

    /// The id of the pepper it was made with, `None` without one.
    #[must_use]
    pub const fn pepper_id(&self) -> Option<u32> {
        self.pepper_id
    }

    #[cfg(feature = "password")]
    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    #[cfg(feature = "password")]
    pub(super) fn hash_bytes(&self) -> &[u8] {
        &self.hash
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > Self::MAX_BYTES {
            return Err(PasswordHashError::TooLong);
        }
        let mut parts = text.split('$');
        let (Some(""), Some(algorithm), Some(version), Some(parameters), Some(salt), Some(hash), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return Err(PasswordHashError::Structure);
        };
        if algorithm != "argon2id" {
            return Err(PasswordHashError::Algorithm);
        }
        if version != "v=19" {
            return Err(PasswordHashError::Version);
        }
        let (params, pepper_id) = parse_parameters(parameters)?;
        let salt = decode(salt, 8, 48).ok_or(PasswordHashError::Salt)?;
        let hash = decode(hash, 16, 64).ok_or(PasswordHashError::Hash)?;
        Ok(Self { text: text.into(), params, pepper_id, salt, hash })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PasswordHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for PasswordHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "password")]
fn phc_text(params: Argon2Params, pepper_id: Option<u32>, salt: &[u8], hash: &[u8]) -> String {
    let (memory, iterations, lanes) = (params.memory_kib(), params.iterations(), params.parallelism());
    let key_id = pepper_id
        .map(|id| alloc::format!(",keyid={}", STANDARD_NO_PAD.encode(id.to_be_bytes())))
        .unwrap_or_default();
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    alloc::format!("$argon2id$v=19$m={memory},t={iterations},p={lanes}{key_id}${salt}${hash}")
}

fn parse_parameters(text: &str) -> Result<(Argon2Params, Option<u32>), PasswordHashError> {
    let mut parts = text.split(',');
    let mut number = |name: &str| {
        parts
            .next()
            .and_then(|part| decimal(part.strip_prefix(name)?))
            .ok_or(PasswordHashError::ParameterSyntax)
    };
    let (memory, iterations, lanes) = (number("m=")?, number("t=")?, number("p=")?);
    let key_id = parts.next();
    if parts.next().is_some() {
        return Err(PasswordHashError::ParameterSyntax);
    }
    let params = Argon2Params::new(memory, iterations, lanes).map_err(PasswordHashError::Parameters)?;
    let pepper_id = match key_id {
        None => None,
        Some(part) => {
            let text = part.strip_prefix("keyid=").ok_or(PasswordHashError::ParameterSyntax)?;
            let bytes = decode(text, 4, 4).ok_or(PasswordHashError::KeyId)?;
            let bytes: [u8; 4] = bytes.try_into().map_err(|_| PasswordHashError::KeyId)?;
            Some(u32::from_be_bytes(bytes))
        }
    };
    Ok((params, pepper_id))
}

/// A number in the one form the PHC specification allows: digits, no sign, no leading zero.
pub(super) fn decimal(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// Canonical base64 without padding, of that many bytes.
pub(super) fn decode(text: &str, min: usize, max: usize) -> Option<Vec<u8>> {
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    (min..=max).contains(&bytes.len()).then_some(bytes)
}
