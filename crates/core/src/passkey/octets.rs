//! Bytes as the ceremonies and our records write them.

use crate::codec::base64url;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes whose text is base64url without padding (RFC 4648 §5), canonical: `Base64URLString` of Web Authentication.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Octets(Vec<u8>);

/// Why a text is not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OctetsError {
    /// It is not the canonical base64url of any bytes.
    NotCanonical,
    /// There are more than may be, or none.
    Length,
}

impl fmt::Display for OctetsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotCanonical => "must be base64url without padding",
            Self::Length => "is empty or too long",
        })
    }
}

impl core::error::Error for OctetsError {}

impl Octets {
    /// These bytes.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads 1 to `most` bytes.
    ///
    /// # Errors
    ///
    /// [`OctetsError`].
    pub fn parse(text: &str, most: usize) -> Result<Self, OctetsError> {
        // As many characters as so many bytes have; what is longer is not decoded.
        if text.is_empty() || text.len() > most.saturating_mul(4).div_ceil(3) {
            return Err(OctetsError::Length);
        }
        base64url::decode(text.as_bytes()).map(Self).map_err(|_| OctetsError::NotCanonical)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn to_text(&self) -> String {
        base64url::encode(&self.0)
    }
}

/// How many there are, and none of them: some are signatures.
impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Octets({})", self.0.len())
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        base64url::decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}
