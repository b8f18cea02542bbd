//! Which password hashes of other systems there are.

use core::fmt;
use core::str::FromStr;

/// A family of password hashes that other systems store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashKind {
    /// Argon2i, Argon2d, and Argon2id in a version or size that is not ours.
    Argon2,
    /// bcrypt.
    Bcrypt,
    /// scrypt (RFC 7914), also Firebase's variant of it.
    Scrypt,
    /// PBKDF2 (RFC 8018) with HMAC-SHA-1, -256 or -512.
    Pbkdf2,
}

impl HashKind {
    /// Every kind under the name that the configuration has for it.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("argon2", Self::Argon2),
        ("bcrypt", Self::Bcrypt),
        ("scrypt", Self::Scrypt),
        ("pbkdf2", Self::Pbkdf2),
    ];

    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Argon2 => "argon2",
            Self::Bcrypt => "bcrypt",
            Self::Scrypt => "scrypt",
            Self::Pbkdf2 => "pbkdf2",
        }
    }

    /// What a stored text claims to be, by its first characters; `None` for nothing that is known here.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        const PREFIXES: [(&str, HashKind); 5] = [
            ("$argon2", HashKind::Argon2),
            ("$2", HashKind::Bcrypt),
            ("$scrypt$", HashKind::Scrypt),
            ("$firebase-scrypt$", HashKind::Scrypt),
            ("$pbkdf2-", HashKind::Pbkdf2),
        ];
        PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, kind)| *kind)
    }
}

/// A name that no kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownHashKind;

impl fmt::Display for UnknownHashKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"must be one of "argon2", "bcrypt", "scrypt", "pbkdf2""#)
    }
}

impl core::error::Error for UnknownHashKind {}

impl FromStr for HashKind {
    type Err = UnknownHashKind;

    fn from_str(text: &str) -> Result<Self, UnknownHashKind> {
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, kind)| *kind).ok_or(UnknownHashKind)
    }
}

/// A set of kinds. None of them by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashKinds(u8);

impl HashKinds {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, kind: HashKind) -> Self {
        Self(self.0 | Self::bit(kind))
    }

    /// Whether the kind is in it.
    #[must_use]
    pub const fn contains(self, kind: HashKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// Whether there is none in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn bit(kind: HashKind) -> u8 {
        match kind {
            HashKind::Argon2 => 1,
            HashKind::Bcrypt => 2,
            HashKind::Scrypt => 4,
            HashKind::Pbkdf2 => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn a_set_has_what_was_put_in() {
        for (word, kind) in HashKind::WORDS {
            assert_eq!((kind.as_str(), word.parse()), (word, Ok(kind)));
            let one = HashKinds::NONE.with(kind);
            for (_, other) in HashKind::WORDS {
                assert_eq!(one.contains(other), kind == other);
            }
            assert!(HashKinds::NONE.is_empty() && !one.is_empty());
        }
        for unknown in ["", "Bcrypt", "bcrypt ", "md5", "argon2id"] {
            let error = unknown.parse::<HashKind>().unwrap_err().to_string();
            assert!(HashKind::WORDS.iter().all(|(word, _)| error.contains(word)), "{error}");
        }
    }
}
