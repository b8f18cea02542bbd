//! Values of a checked text, each a slice of it. Walking them finds no errors any more.

use super::number::Decimal;
use super::text::Text;
use super::{MAX_INTEGER, MAX_NUMERIC_DATE};
use crate::time::UnixSeconds;
use alloc::string::String;
use alloc::vec::Vec;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A value of a JSON text that [`parse`](super::parse) has accepted.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// `raw` is one value, checked by the scanner, without white space around it.
    pub(super) const fn checked(raw: &'a str) -> Self {
        Self(raw)
    }

    /// The value as it is written.
    #[must_use]
    pub const fn raw(self) -> &'a str {
        self.0
    }

    /// What the value is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The truth value; `None` for any other kind.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The string; `None` for any other kind.
    #[must_use]
    pub fn as_text(self) -> Option<Text<'a>> {
        self.after(b'"').and_then(|rest| rest.get(..rest.len().checked_sub(1)?)).map(Text::checked)
    }

    /// An integer from 0 to [`MAX_INTEGER`], written without fraction and exponent; `None` for everything else.
    #[must_use]
    pub fn as_integer(self) -> Option<u64> {
        let number = self.0.bytes().try_fold(0u64, |number, byte| {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
            number.checked_mul(10)?.checked_add(digit.into())
        });
        number.filter(|number| *number <= MAX_INTEGER && !self.0.is_empty())
    }

    /// A `NumericDate` (RFC 7519 §2) from 0 to [`MAX_NUMERIC_DATE`], a fraction of a second rounded down; `None`
    /// for everything else, negative numbers included.
    #[must_use]
    pub fn as_numeric_date(self) -> Option<UnixSeconds> {
        // Nearly all are written in the one way that needs no decimals.
        let seconds = match self.as_integer() {
            Some(seconds) => Some(seconds).filter(|seconds| *seconds <= MAX_NUMERIC_DATE),
            None => self.decimal()?.floor(MAX_NUMERIC_DATE),
        };
        seconds.map(UnixSeconds::new)
    }

    /// The strings of an array of nothing but strings; `None` for everything else.
    #[must_use]
    pub fn as_text_array(self) -> Option<Vec<String>> {
        self.elements()?.map(|element| Some(element.as_text()?.to_cow().into_owned())).collect()
    }

    /// The elements of an array; `None` for any other kind.
    #[must_use]
    pub fn elements(self) -> Option<Elements<'a>> {
        self.after(b'[').map(Elements)
    }

    /// The members of an object in the order written; `None` for any other kind.
    #[must_use]
    pub fn members(self) -> Option<Members<'a>> {
        self.after(b'{').map(Members)
    }

    /// The member of this name; `None` if there is none, or the value is not an object.
    #[must_use]
    pub fn member(self, name: &str) -> Option<Self> {
        self.members()?.find(|(text, _)| *text == *name).map(|(_, value)| value)
    }

    /// What follows the first byte, if it is this one.
    fn after(self, first: u8) -> Option<&'a str> {
        if self.0.as_bytes().first() == Some(&first) { self.0.get(1..) } else { None }
    }

    fn decimal(self) -> Option<Decimal<'a>> {
        (self.kind() == Kind::Number).then(|| Decimal::of(self.0))
    }
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub struct Elements<'a>(&'a str);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        take_value(&mut self.0)
    }
}

/// The members of an object: names with their values.
#[derive(Clone, Debug)]
pub struct Members<'a>(&'a str);

impl<'a> Iterator for Members<'a> {
    type Item = (Text<'a>, Value<'a>);

    fn next(&mut self) -> Option<(Text<'a>, Value<'a>)> {
        let name = take_value(&mut self.0)?.as_text()?;
        Some((name, take_value(&mut self.0)?))
    }
}

/// Takes the next value off the inside of a container; `None` at its end.
fn take_value<'a>(rest: &mut &'a str) -> Option<Value<'a>> {
    // The text is checked, so separators stand exactly where they must and carry no information.
    let is_separator = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':');
    let inside = rest.get(rest.bytes().take_while(is_separator).count()..)?;
    let (raw, after) = inside.split_at_checked(length_of_value(inside.as_bytes()))?;
    *rest = after;
    if raw.is_empty() { None } else { Some(Value(raw)) }
}

/// The length of the value that the bytes begin with; 0 at the end of a container.
fn length_of_value(bytes: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    let mut in_word = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => {
                in_string = !in_string;
                if !in_string && depth == 0 {
                    return at.saturating_add(1);
                }
            }
            _ if in_string => {}
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at.saturating_add(1);
                }
            }
            b',' | b' ' | b'\t' | b'\n' | b'\r' if in_word && depth == 0 => return at,
            _ => in_word = true,
        }
    }
    bytes.len()
}
