//! Records as JSON: the counterpart of [`record`](super::record), for types that derive `serde::Serialize`.
//!
//! What serde derives for a type is compiled anew for every format it is written to. This format has one buffer, which
//! cannot fail, no numbers with fractions, and an error that says nothing, so that little is left to be compiled: of
//! the same types `serde_json` makes half as much code again.

use alloc::string::String;
use core::fmt::{self, Write as _};
use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// A value that is no record: a number with a fraction, bytes, a member whose name is no text, or one that its own type
/// refuses to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritable;

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value cannot be written as a record")
    }
}

impl core::error::Error for Unwritable {}

impl Error for Unwritable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Writes a value as JSON (RFC 8259) without white space, its members in the order of its type.
///
/// # Errors
///
/// [`Unwritable`], as it says.
pub fn write<T: Serialize + ?Sized>(value: &T) -> Result<String, Unwritable> {
    let mut text = String::new();
    value.serialize(Writer(&mut text))?;
    Ok(text)
}

struct Writer<'a>(&'a mut String);

/// An array or object that has been opened.
struct Open<'a> {
    text: &'a mut String,
    /// Whether a comma comes before the next.
    has_some: bool,
    /// What closes it.
    end: &'static str,
}

impl<'a> Writer<'a> {
    fn open(self, start: char, end: &'static str) -> Open<'a> {
        self.0.push(start);
        Open { text: self.0, has_some: false, end }
    }

    /// The variant of an enum that has contents: an object of one member.
    fn variant(self, name: &str) -> Self {
        self.0.push('{');
        quote(name, self.0);
        self.0.push(':');
        self
    }

    fn literal(self, text: &str) {
        self.0.push_str(text);
    }

    fn display(self, value: &dyn fmt::Display) -> Result<(), Unwritable> {
        write!(self.0, "{value}").map_err(|_| Unwritable)
    }
}

impl Open<'_> {
    fn next(&mut self) -> Writer<'_> {
        if self.has_some {
            self.text.push(',');
        }
        self.has_some = true;
        Writer(self.text)
    }

    fn member(&mut self, name: &str) -> Writer<'_> {
        let text = self.next().0;
        quote(name, text);
        text.push(':');
        Writer(text)
    }

    fn close(self) {
        self.text.push_str(self.end);
    }
}

/// A text in quotation marks (RFC 8259 §7).
fn quote(value: &str, text: &mut String) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\0'..='\u{1f}' => {
                text.push_str("\\u00");
                let digits = [u32::from(character) >> 4, u32::from(character) & 15];
                text.extend(digits.into_iter().filter_map(|digit| char::from_digit(digit, 16)));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

/// Passes the digits of a `Display` on as the characters of a text.
struct Quoted<'a>(&'a mut String);

impl fmt::Write for Quoted<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let start = self.0.len();
        quote(part, self.0);
        // Without the marks around the part: they belong around the whole.
        self.0.pop();
        self.0.remove(start);
        Ok(())
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<(), Unwritable> {
            self.display(&value)
        })*
    };
}

macro_rules! refused {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Result<(), Unwritable> {
            Err(Unwritable)
        })*
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Open<'a>;
    type SerializeTuple = Open<'a>;
    type SerializeTupleStruct = Open<'a>;
    type SerializeTupleVariant = Open<'a>;
    type SerializeMap = Open<'a>;
    type SerializeStruct = Open<'a>;
    type SerializeStructVariant = Open<'a>;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }
    refused! { serialize_f32: f32, serialize_f64: f64, serialize_bytes: &[u8] }

    fn serialize_bool(self, value: bool) -> Result<(), Unwritable> {
        self.literal(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Unwritable> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Unwritable> {
        quote(value, self.0);
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        self.0.push('"');
        write!(Quoted(self.0), "{value}").map_err(|_| Unwritable)?;
        self.0.push('"');
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unwritable> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unwritable> {
        self.literal("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unwritable> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &str, _: u32, name: &'static str) -> Result<(), Unwritable> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &str, value: &T) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        let Self(text) = self.variant(name);
        value.serialize(Writer(text))?;
        text.push('}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'a>, Unwritable> {
        Ok(self.open('[', "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'a>, Unwritable> {
        Ok(self.open('[', "]"))
    }

    fn serialize_tuple_struct(self, _: &str, _: usize) -> Result<Open<'a>, Unwritable> {
        Ok(self.open('[', "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Open<'a>, Unwritable> {
        Ok(self.variant(name).open('[', "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'a>, Unwritable> {
        Ok(self.open('{', "}"))
    }

    fn serialize_struct(self, _: &str, _: usize) -> Result<Open<'a>, Unwritable> {
        Ok(self.open('{', "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Open<'a>, Unwritable> {
        Ok(self.variant(name).open('{', "}}"))
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident),*) => {
        $(impl $trait for Open<'_> {
            type Ok = ();
            type Error = Unwritable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
                value.serialize(self.next())
            }

            fn end(self) -> Result<(), Unwritable> {
                self.close();
                Ok(())
            }
        })*
    };
}

macro_rules! members {
    ($($trait:ident),*) => {
        $(impl $trait for Open<'_> {
            type Ok = ();
            type Error = Unwritable;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Unwritable> {
                value.serialize(self.member(name))
            }

            fn end(self) -> Result<(), Unwritable> {
                self.close();
                Ok(())
            }
        })*
    };
}

elements! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
}
members! { SerializeStruct, SerializeStructVariant }

impl SerializeMap for Open<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        let text = self.next().0;
        let start = text.len();
        key.serialize(Writer(text))?;
        let is_text = text.as_bytes().get(start) == Some(&b'"');
        text.push(':');
        if is_text { Ok(()) } else { Err(Unwritable) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        value.serialize(Writer(self.text))
    }

    fn end(self) -> Result<(), Unwritable> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::string::ToString as _;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[derive(Debug, Serialize)]
    struct Unit;

    #[derive(Debug, Serialize)]
    struct Newtype(i64);

    #[derive(Debug, Serialize)]
    struct Pair(u8, Option<bool>);

    /// Writes itself in two parts, as ids do.
    #[derive(Debug)]
    struct Shown(String);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)?;
            f.write_str("|\"")?;
            f.write_char('\\')
        }
    }

    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    #[derive(Debug, Serialize)]
    enum Variant {
        Unit,
        Newtype(String),
        Tuple(u32, i8),
        Struct { a: char, b: () },
    }

    #[derive(Debug, Serialize)]
    struct Everything {
        unit: Unit,
        newtype: Newtype,
        pair: Pair,
        shown: Shown,
        variants: Vec<Variant>,
        numbers: (i8, i16, i32, i64, u8, u16, u32, u64),
        map: BTreeMap<String, Vec<u16>>,
        #[serde(flatten)]
        more: BTreeMap<String, Option<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<u8>,
    }

    prop_compose! {
        fn everything()(
            text in ".*", strings in prop::collection::vec(any::<String>(), 0..4), signed: i64, unsigned: u64,
            flag: Option<bool>, character: char,
        ) -> Everything {
            let [low, ..] = signed.to_le_bytes();
            Everything {
                unit: Unit,
                newtype: Newtype(signed),
                pair: Pair(low, flag),
                shown: Shown(text.clone()),
                variants: Vec::from([
                    Variant::Unit,
                    Variant::Newtype(text),
                    Variant::Tuple(u32::MAX, i8::MIN),
                    Variant::Struct { a: character, b: () },
                ]),
                numbers: (-1, i16::MIN, i32::MIN, signed, low, u16::MAX, 7, unsigned),
                map: strings.iter().map(|name| (name.clone(), Vec::from([u16::from(low)]))).collect(),
                more: strings.into_iter().map(|name| (name.clone() + "!", Some(name))).collect(),
                skipped: None,
            }
        }
    }

    proptest! {
        #[test]
        fn writes_what_serde_json_writes(value in everything()) {
            prop_assert_eq!(write(&value).unwrap(), serde_json::to_string(&value).unwrap());
        }
    }

    #[test]
    fn every_control_character_is_escaped() {
        let text: String =
            (0..=0x80u8).map(char::from).chain(['\u{2028}', '\u{10ffff}', '\u{e000}']).collect();
        assert_eq!(write(&text).unwrap(), serde_json::to_string(&text).unwrap());
        assert_eq!(write(&Shown(text.clone())).unwrap(), serde_json::to_string(&Shown(text)).unwrap());
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert_eq!(write(&0.5f64), Err(Unwritable));
        assert_eq!(write(&[1.0f32]), Err(Unwritable));
        assert_eq!(write(&BTreeMap::from([(1, 2)])), Err(Unwritable));
        assert_eq!(write(&u128::MAX), Err(Unwritable));
        assert_eq!(Unwritable.to_string(), "a value cannot be written as a record");
    }
}
