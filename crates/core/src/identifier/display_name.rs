//! Names for people to read.

use super::{IdentifierError, parsed_text};
use alloc::string::String;
use core::fmt;

/// A name for people to read: trimmed, 1 to 200 characters, no control characters.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// The most characters a name may have.
    pub const MAX_CHARACTERS: usize = 200;

    /// Trims and checks a name. Nothing else is changed; joiners that scripts and emoji need are kept.
    ///
    /// # Errors
    ///
    /// [`IdentifierError::Empty`], [`IdentifierError::TooLong`] above 200 characters, and
    /// [`IdentifierError::InvisibleCharacter`] for control characters, line and paragraph separators and the
    /// marks that reverse the text which follows them.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let name = text.trim();
        if name.is_empty() {
            Err(IdentifierError::Empty)
        } else if name.chars().nth(Self::MAX_CHARACTERS).is_some() {
            Err(IdentifierError::TooLong)
        } else if name.chars().any(breaks_text) {
            Err(IdentifierError::InvisibleCharacter)
        } else {
            Ok(Self(name.into()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

parsed_text!(DisplayName, IdentifierError);

/// Shows nothing: logs are no place for personal data.
impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName([redacted])")
    }
}

/// Characters that end a line, steer a terminal, or reverse the text which follows them.
pub(crate) fn breaks_text(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn display_names_keep_everything_but_what_breaks_text() {
        for good in ["Ada", "  Ada  ", "Łukasz Żółć", "👩‍👩‍👧", "می‌خواهم", "O'Brien, \"Jr\" <x>"]
        {
            assert_eq!(DisplayName::parse(good).unwrap().as_str(), good.trim(), "{good}");
        }
        assert!(DisplayName::parse(&"ä".repeat(200)).is_ok());
        assert_eq!(DisplayName::parse(&"a".repeat(201)), Err(IdentifierError::TooLong));
        for empty in ["", " ", "\u{3000}\t"] {
            assert_eq!(DisplayName::parse(empty), Err(IdentifierError::Empty));
        }
        for bad in ["a\0b", "a\nb", "a\u{1b}[2Jb", "a\u{202e}b", "a\u{2066}b", "a\u{2028}b", "a\u{85}b"] {
            assert_eq!(DisplayName::parse(bad), Err(IdentifierError::InvisibleCharacter), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in any::<String>()) {
            let _ = DisplayName::parse(&text);
        }
    }
}
