//! The token in a mailed link.

use crate::codec::base64url;
use crate::entropy::Random;
use crate::secret::{Secret, SecretText};
use alloc::format;
use core::fmt;

/// Why a text is not a link token. The text is never quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTokenError {
    /// It does not start with [`LinkToken::PREFIX`].
    Prefix,
    /// What follows is not the canonical base64url of 49 bytes.
    NotCanonical,
    /// Its first byte names another version.
    Version,
}

impl fmt::Display for LinkTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => "is not a link token",
            Self::NotCanonical => "is not canonically encoded",
            Self::Version => "is of another version",
        })
    }
}

impl core::error::Error for LinkTokenError {}

/// `psl_` + base64url(version u8 = 1 ‖ selector 16 ‖ secret 32): 70 characters.
///
/// The selector says where the record lies, usually an account id's bytes, and is no secret; the secret is 256
/// random bits and is stored only as a [`super::CodeDigest`]. Put it into the fragment of the URL, which no
/// server log and no `Referer` sees.
#[derive(Clone, Debug)]
pub struct LinkToken {
    selector: [u8; 16],
    secret: Secret<32>,
}

impl LinkToken {
    /// What every token starts with, so that scanners for leaked secrets find it.
    pub const PREFIX: &'static str = "psl_";
    const VERSION: u8 = 1;

    /// A new token for the record at `selector`.
    #[must_use]
    pub fn new(selector: [u8; 16], secret: Random<32>) -> Self {
        Self { selector, secret: Secret::new(secret.into_bytes()) }
    }

    /// Reads the token of a link.
    ///
    /// # Errors
    ///
    /// [`LinkTokenError`] for anything but the one canonical text of a token of this version.
    pub fn parse(text: &SecretText) -> Result<Self, LinkTokenError> {
        let body = text.expose().strip_prefix(Self::PREFIX).ok_or(LinkTokenError::Prefix)?;
        let bytes: [u8; 49] =
            base64url::decode_array(body.as_bytes()).map_err(|_| LinkTokenError::NotCanonical)?;
        let bytes = zeroize::Zeroizing::new(bytes);
        let (version, rest) = bytes.split_first().ok_or(LinkTokenError::NotCanonical)?;
        let (selector, secret) = rest.split_first_chunk::<16>().ok_or(LinkTokenError::NotCanonical)?;
        if *version != Self::VERSION {
            return Err(LinkTokenError::Version);
        }
        let secret = Secret::from_slice(secret).ok_or(LinkTokenError::NotCanonical)?;
        Ok(Self { selector: *selector, secret })
    }

    /// The text for the link.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        let parts: [&[u8]; 3] = [&[Self::VERSION], &self.selector, self.secret.expose()];
        let bytes = zeroize::Zeroizing::new(parts.concat());
        let body = zeroize::Zeroizing::new(base64url::encode(&bytes));
        SecretText::new(format!("{}{}", Self::PREFIX, *body))
    }

    /// Where the record lies.
    #[must_use]
    pub const fn selector(&self) -> &[u8; 16] {
        &self.selector
    }

    /// The secret, for the digest.
    #[must_use]
    pub const fn secret(&self) -> &Secret<32> {
        &self.secret
    }
}
