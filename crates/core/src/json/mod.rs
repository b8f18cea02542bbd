//! A strict, non-recursive JSON reader (RFC 8259) for JOSE headers, claims and key sets, and what reads and writes
//! records.
//!
//! [`parse`] checks the whole text once: UTF-8, syntax, depth, duplicate member names, surrogates, the range of
//! numbers. What it returns is walked without further errors, and nothing is copied or unescaped until asked for:
//!
//! ```
//! let value = postern_core::json::parse(br#"{"alg":"EdDSA","kid":"2026-1"}"#)?;
//! assert!(value.member("alg").and_then(|alg| alg.as_text()).is_some_and(|alg| alg == *"EdDSA"));
//! # Ok::<(), postern_core::json::JsonError>(())
//! ```
//!
//! Beyond what every JSON reader refuses, this one refuses what two readers could read differently: a member name
//! used twice in one object (RFC 8725 §2.4 and RFC 7515 §4 ask for it), half a surrogate pair, a number no double
//! holds; and what could exhaust a reader: more than [`MAX_DEPTH`] levels.

mod number;
#[cfg(feature = "serde")]
pub mod record;
mod scan;
mod text;
mod value;
#[cfg(feature = "serde")]
mod write;

#[cfg(feature = "verify")]
pub(crate) use scan::Member;
pub use scan::depth_within;
pub use text::{Chars, Text};
pub use value::{Elements, Kind, Members, Value};
#[cfg(feature = "serde")]
pub use write::{Unwritable, write};

/// How many arrays and objects may enclose a value: 16 levels.
pub const MAX_DEPTH: usize = 16;

/// The largest integer [`Value::as_integer`] returns, 2⁵³−1: the largest that JavaScript reads exactly
/// (RFC 7493 §2.2).
pub const MAX_INTEGER: u64 = 9_007_199_254_740_991;

/// The latest [`Value::as_numeric_date`], 9999-12-31T23:59:59Z: the last second that RFC 3339 can write.
pub const MAX_NUMERIC_DATE: u64 = 253_402_300_799;

/// Why a text is not acceptable JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// The bytes are not UTF-8 (RFC 8259 §8.1).
    NotUtf8,
    /// The text breaks the grammar: a missing or stray token, a control character in a string, an unknown
    /// escape, a number written otherwise than RFC 8259 §6 allows, or an early end.
    Syntax,
    /// A `\u` escape is half of a surrogate pair; it stands for no character.
    LoneSurrogate,
    /// A number of 10³⁰⁸ or more.
    NumberTooLarge,
    /// More than [`MAX_DEPTH`] levels.
    TooDeep,
    /// An object has two members of one name, however the names are escaped.
    DuplicateMember,
    /// Something other than white space follows the value.
    TrailingBytes,
}

impl core::fmt::Display for JsonError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "is not UTF-8",
            Self::Syntax => "is not JSON",
            Self::LoneSurrogate => "has half a surrogate pair",
            Self::NumberTooLarge => "has a number that is too large",
            Self::TooDeep => "is nested too deeply",
            Self::DuplicateMember => "has two members of one name",
            Self::TrailingBytes => "goes on after its end",
        })
    }
}

impl core::error::Error for JsonError {}

/// Reads one JSON value that fills the whole input; white space around it is allowed.
///
/// # Errors
///
/// The first [`JsonError`] met from the left.
pub fn parse(bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    let text = core::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    scan::check(text).map_err(|(error, _)| error)
}

/// The members of a JSON object that fills the whole text, in the order written; `None` for a value of another kind.
/// What [`parse`] and [`Value::members`] give, in one pass.
///
/// # Errors
///
/// As [`parse`].
#[cfg(feature = "verify")]
pub(crate) fn parse_members(text: &str) -> Result<Option<alloc::vec::Vec<Member<'_>>>, JsonError> {
    scan::members(text)
}

/// [`parse`] for texts that somebody edits: with the line and the column of the error, both counted from 1, the
/// column in bytes; that of the last byte if the text ends too early.
#[cfg(feature = "config")]
pub(crate) fn parse_edited(text: &str) -> Result<Value<'_>, (JsonError, usize, usize)> {
    scan::check(text).map_err(|(error, at)| {
        let before = text.as_bytes().get(..at).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n');
        let column = line.clone().next_back().map_or(0, <[u8]>::len);
        (error, line.count(), column.saturating_add(usize::from(at < text.len())))
    })
}

#[cfg(test)]
mod tests;
