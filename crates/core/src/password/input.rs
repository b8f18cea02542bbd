//! A password as typed, on its way to the hash.

use crate::secret::SecretText;
use core::fmt;
use subtle::ConstantTimeEq as _;

/// Why a text cannot be a password at all, old or new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordInputError {
    /// No character.
    Empty,
    /// More than [`PasswordInput::MAX_BYTES`].
    TooLong,
    /// A NUL character, at which some implementations would stop reading.
    Nul,
}

impl fmt::Display for PasswordInputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the password is empty",
            Self::TooLong => "the password is longer than 1024 bytes",
            Self::Nul => "the password contains a NUL character",
        })
    }
}

impl core::error::Error for PasswordInputError {}

/// A password that may be hashed or checked: 1 to 1,024 bytes of UTF-8 without NUL. Nothing is trimmed.
///
/// The caller has normalised it to NFC (NIST SP 800-63B-4 §3.1.1.2; in JavaScript `String.prototype.normalize`):
/// keyboards differ in how they compose `é`, and this crate carries no Unicode tables. Every caller must do the
/// same, at sign-up and at login alike, or such passwords fail on another device.
#[derive(Clone, Debug)]
pub struct PasswordInput(SecretText);

impl PasswordInput {
    /// The most bytes, so that hashing the input itself stays cheap.
    pub const MAX_BYTES: usize = 1024;

    /// Takes an NFC-normalised text.
    ///
    /// # Errors
    ///
    /// [`PasswordInputError`]: the text is empty, too long or contains NUL. None of them depends on a policy that
    /// could change between sign-up and login.
    pub fn new(normalized: SecretText) -> Result<Self, PasswordInputError> {
        let text = normalized.expose();
        if text.is_empty() {
            Err(PasswordInputError::Empty)
        } else if text.len() > Self::MAX_BYTES {
            Err(PasswordInputError::TooLong)
        } else if text.contains('\0') {
            Err(PasswordInputError::Nul)
        } else {
            Ok(Self(normalized))
        }
    }

    /// Whether both are the same text, in time that depends on their lengths only.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.expose().as_bytes().ct_eq(other.0.expose().as_bytes()).into()
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn only_what_can_never_be_hashed_is_refused() {
        let refused = |text: &str| PasswordInput::new(SecretText::new(String::from(text))).err();
        assert_eq!(refused(""), Some(PasswordInputError::Empty));
        assert_eq!(refused("a\0b"), Some(PasswordInputError::Nul));
        assert_eq!(refused(&"a".repeat(1025)), Some(PasswordInputError::TooLong));
        assert_eq!(refused(&"é".repeat(513)), Some(PasswordInputError::TooLong));
        for fine in ["a", " ", "\n", "пароль", &"a".repeat(1024)] {
            assert_eq!(refused(fine), None);
        }
    }
}
