//! What people say about themselves: kept as they wrote it, and shown to others as text.
//!
//! Nothing here is markup. A `<` stays a `<`: whoever shows a text escapes it for the place where it is shown.

use crate::identifier::breaks_text;
use alloc::string::String;
use core::fmt;

/// A few words of somebody about themselves: 1 to 2,000 characters, with line breaks.
#[derive(Clone, PartialEq, Eq)]
pub struct Biography(String);

/// Why a text is no biography. Checked in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BiographyError {
    /// Nothing is left after trimming.
    Empty,
    /// More than [`Biography::MAX_CHARACTERS`].
    TooLong,
    /// A control character other than a line break or a tab, or one that reverses the text which follows it.
    InvisibleCharacter,
}

impl fmt::Display for BiographyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "must not be empty; null removes it",
            Self::TooLong => "must have at most 2000 characters",
            Self::InvisibleCharacter => "must not contain control characters but line breaks and tabs",
        })
    }
}

impl core::error::Error for BiographyError {}

impl Biography {
    /// The most characters: 2,000.
    pub const MAX_CHARACTERS: usize = 2_000;

    /// Trims and checks a text. Nothing else is changed.
    ///
    /// # Errors
    ///
    /// The first rule of [`BiographyError`] that is broken.
    pub fn parse(text: &str) -> Result<Self, BiographyError> {
        let text = text.trim();
        if text.is_empty() {
            Err(BiographyError::Empty)
        } else if text.chars().nth(Self::MAX_CHARACTERS).is_some() {
            Err(BiographyError::TooLong)
        } else if text.chars().any(|c| !matches!(c, '\n' | '\r' | '\t') && breaks_text(c)) {
            Err(BiographyError::InvisibleCharacter)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows nothing: logs are no place for personal data.
impl fmt::Debug for Biography {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Biography([redacted])")
    }
}

/// The language and region that somebody wants to be written to in: a language tag of the shape of BCP 47 (RFC 5646
/// §2.1), such as `de`, `pt-BR` or `zh-Hant-TW`.
///
/// The shape is checked, and not whether anybody speaks it. The case is kept as it was written; tags mean the same in
/// any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locale(String);

/// A text is no language tag: its shape is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocaleError;

impl fmt::Display for LocaleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a language tag such as de or pt-BR, of at most 35 characters")
    }
}

impl core::error::Error for LocaleError {}

impl Locale {
    /// The longest tag that anybody must be able to keep (RFC 5646 §4.4.1): 35 bytes.
    pub const MAX_BYTES: usize = 35;

    /// Checks a tag: a language of 2 to 8 letters, then parts of 1 to 8 letters and digits, with hyphens between. A part
    /// of one character begins an extension and is never the last.
    ///
    /// # Errors
    ///
    /// [`LocaleError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, LocaleError> {
        let mut parts = text.split('-');
        let language = parts.next().unwrap_or_default();
        let is_language =
            (2..=8).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_part = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let ends_well = text.rsplit('-').next().is_some_and(|last| last.len() > 1);
        if text.len() <= Self::MAX_BYTES && is_language && ends_well && parts.all(is_part) {
            Ok(Self(text.into()))
        } else {
            Err(LocaleError)
        }
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_biography_keeps_what_was_written() {
        for good in ["Mathematician.", "Two\nlines\tand a tab", "<script>alert(1)</script>", "👩‍👩‍👧", "می‌خواهم"]
        {
            assert_eq!(Biography::parse(&format!(" {good}\r\n")).unwrap().as_str(), good);
        }
        assert!(Biography::parse(&"ä".repeat(2_000)).is_ok());
        assert_eq!(Biography::parse(&"a".repeat(2_001)), Err(BiographyError::TooLong));
        for empty in ["", " ", "\n\u{3000}"] {
            assert_eq!(Biography::parse(empty), Err(BiographyError::Empty));
        }
        for bad in ["a\0b", "a\u{1b}[2Jb", "a\u{202e}b", "a\u{2066}b", "a\u{2028}b", "a\u{85}b", "a\u{7f}b"] {
            assert_eq!(Biography::parse(bad), Err(BiographyError::InvisibleCharacter), "{bad:?}");
        }
    }

    #[test]
    fn a_locale_has_the_shape_of_a_language_tag() {
        for good in
            ["de", "pt-BR", "zh-Hant-TW", "sl-rozaj-biske", "de-CH-1901", "en-a-bbb-x-a1", "es-419", "cmn"]
        {
            assert_eq!(Locale::parse(good).map(|locale| locale.as_str().into()), Ok(String::from(good)));
        }
        let too_long = format!("en-{}", ["abcdefgh"; 4].join("-"));
        assert_eq!(too_long.len(), 38);
        for bad in [
            "",
            "d",
            "d1",
            "-",
            "de-",
            "-de",
            "de--CH",
            "de_CH",
            "de-CH.UTF-8",
            "de CH",
            " de",
            "de\n",
            "dé",
            "de-a",
            "abcdefghi",
            "de-abcdefghi",
            "x-private",
            "C",
            "1901",
            "de\0",
            &too_long,
        ] {
            assert_eq!(Locale::parse(bad), Err(LocaleError), "{bad:?}");
        }
    }

    #[test]
    fn nothing_is_seen_of_a_biography_in_a_log() {
        assert_eq!(format!("{:?}", Biography::parse("I am").unwrap()), "Biography([redacted])");
    }
}
