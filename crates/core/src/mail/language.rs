//! Languages of mails: tags, and which of them a browser would like best.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// A language tag (RFC 5646) in lower case: 2 to 35 bytes, parts of 1 to 8 letters or digits between hyphens, the
/// first of 2 or 3 letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageTag(String);

/// A text is not such a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanguageError;

impl fmt::Display for LanguageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a language tag such as en or pt-br, in lower case")
    }
}

impl core::error::Error for LanguageError {}

impl LanguageTag {
    /// The most bytes that a tag may have (RFC 5646 §4.4.1).
    pub const MAX_BYTES: usize = 35;

    /// `en`.
    #[must_use]
    pub fn english() -> Self {
        Self("en".into())
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LanguageTag {
    type Err = LanguageError;

    fn from_str(text: &str) -> Result<Self, LanguageError> {
        let is_part = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let first = text.split('-').next().unwrap_or_default();
        let is_tag = text.len() <= Self::MAX_BYTES
            && matches!(first.len(), 2 | 3)
            && first.bytes().all(|byte| byte.is_ascii_alphabetic())
            && text.split('-').all(is_part)
            && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        if is_tag { Ok(Self(text.into())) } else { Err(LanguageError) }
    }
}

/// More than any browser sends; what follows is not read.
const MOST_RANGES: usize = 16;

/// The language that an `Accept-Language` header (RFC 9110 §12.5.4) asks for most, out of those that there are.
///
/// A range fits a language that begins with it, and one that it begins with: `de-at` fits `de`. Among equals the first
/// wins. `None` if none fits; a range that cannot be read is passed over.
pub fn preferred_language<'a>(
    header: &str,
    available: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let mut best: Option<(u32, &'a str)> = None;
    for range in header.split(',').take(MOST_RANGES) {
        let (tag, weight) =
            range.split_once(';').map_or((range, Some(1_000)), |(tag, q)| (tag, weight_of(q)));
        let Some(weight) = weight.filter(|weight| *weight > 0) else { continue };
        let fitting = available.clone().find(|language| fits(tag.trim(), language));
        if let Some(language) = fitting
            && best.is_none_or(|(most, _)| weight > most)
        {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

fn fits(range: &str, language: &str) -> bool {
    let begins = |long: &str, short: &str| {
        !short.is_empty()
            && long.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short))
            && matches!(long.as_bytes().get(short.len()), None | Some(b'-'))
    };
    begins(range, language) || begins(language, range)
}

/// The weight in thousandths: `q=0.8` is 800.
fn weight_of(parameter: &str) -> Option<u32> {
    let value = parameter.trim().strip_prefix("q=")?;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded = decimals.bytes().chain([b'0'; 3]).take(3);
    let thousandths = padded.fold(0_u32, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0')))
    });
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_short_and_in_lower_case() {
        for good in ["en", "de", "pt-br", "zh-hans-cn", "nds", "sr-latn-rs"] {
            assert_eq!(good.parse::<LanguageTag>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "e",
            "engl",
            "EN",
            "en-",
            "-en",
            "en--us",
            "en_us",
            "e1",
            "en-toolongpart",
            "../en",
            "en\r\n",
            "ä",
        ] {
            assert_eq!(bad.parse::<LanguageTag>(), Err(LanguageError), "{bad:?}");
        }
        assert_eq!("aa-bbbbbbbb-cccccccc-dddddddd-eeeeeeee".parse::<LanguageTag>(), Err(LanguageError));
    }

    #[test]
    fn the_heaviest_range_that_fits_wins() {
        for (header, expected) in [
            ("de", Some("de")),
            ("de-AT", Some("de")),
            ("DE", Some("de")),
            ("pt", Some("pt-br")),
            ("fr, de;q=0.5", Some("de")),
            ("de;q=0.5, en;q=0.8", Some("en")),
            ("en;q=0.8, de;q=0.8", Some("en")),
            ("de;q=0.999, en", Some("en")),
            ("de;q=0, en;q=0.001", Some("en")),
            ("de; q=1.000", Some("de")),
            ("de;q=2, en;q=0.1", Some("en")),
            ("de;q=1.5", None),
            ("de;q=0.1234", None),
            ("de;q=x", None),
            ("de;level=1", None),
            ("den", None),
            ("d", None),
            ("fr", None),
            ("*", None),
            ("", None),
            (",,;;q=,", None),
        ] {
            let available = ["en", "de", "pt-br"];
            assert_eq!(preferred_language(header, available.into_iter()), expected, "{header}");
        }
    }

    #[test]
    fn a_header_is_not_read_without_end() {
        let header = "fr,".repeat(MOST_RANGES) + "de";
        assert_eq!(preferred_language(&header, ["de"].into_iter()), None);
    }
}
