//! Records: JSON that this code wrote itself, read back into types that derive `serde::Deserialize`.
//!
//! The strict reader checks the text; this module then walks it. What serde derives for a type is compiled anew for
//! every format it is read from, so this format asks for as little of it as it can: members are looked up by the
//! names that the type declares, one after the other, and errors carry no text of their own. That is a third of the
//! code that the same types cost with `serde_json`.

use super::value::{Elements, Kind, Members, Value};
use super::{JsonError, Text};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// Why a text is not the record it should be. It never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError {
    cause: Cause,
    /// The innermost member that the error lies in, if it lies in one.
    member: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Json(JsonError),
    /// Something is missing: the member of this index, or an element.
    Missing(usize),
    OtherKind,
    UnknownVariant,
    Refused,
}

impl RecordError {
    const fn of(cause: Cause) -> Self {
        Self { cause, member: None }
    }

    fn within(self, member: &'static str) -> Self {
        Self { member: self.member.or(Some(member)), ..self }
    }

    /// Names the member that is missing.
    fn among(self, fields: &'static [&'static str]) -> Self {
        match self.cause {
            Cause::Missing(index) => Self { member: self.member.or(fields.get(index).copied()), ..self },
            _ => self,
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(member) = self.member {
            write!(f, "member {member} ")?;
        }
        match self.cause {
            Cause::Json(error) => error.fmt(f),
            Cause::Missing(_) => f.write_str("is missing"),
            Cause::OtherKind => f.write_str("is of another kind than its type"),
            Cause::UnknownVariant => f.write_str("has a name that its type does not know"),
            Cause::Refused => f.write_str("has a value that its type refuses"),
        }
    }
}

impl core::error::Error for RecordError {}

/// serde's messages are dropped: with them, every type would bring its own text and the code that formats it.
impl Error for RecordError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::of(Cause::Refused)
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::of(Cause::OtherKind)
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::of(Cause::Refused)
    }

    fn invalid_length(length: usize, _: &dyn Expected) -> Self {
        Self::of(Cause::Missing(length))
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::of(Cause::UnknownVariant)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(Cause::Missing(0)).within(field)
    }
}

/// Reads a record that fills the whole text.
///
/// As `serde_json` reads it, but that duplicate members, and all else that [`parse`](super::parse) refuses, are
/// refused; that members a struct does not declare are ignored even when it asks to refuse them; and that numbers
/// are integers.
///
/// # Errors
///
/// When the text is not JSON, or a member is missing, of another kind, or refused by its type.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    T::deserialize(Reader(checked(bytes)?))
}

fn checked(bytes: &[u8]) -> Result<Value<'_>, RecordError> {
    super::parse(bytes).map_err(|error| RecordError::of(Cause::Json(error)))
}

const OTHER_KIND: RecordError = RecordError::of(Cause::OtherKind);

/// One value.
#[derive(Clone, Copy)]
struct Reader<'de>(Value<'de>);

impl<'de> Reader<'de> {
    fn text(self) -> Result<Cow<'de, str>, RecordError> {
        self.0.as_text().map(Text::to_cow).ok_or(OTHER_KIND)
    }

    fn integer(self) -> Result<u64, RecordError> {
        // A sign is none of JSON's, or means a negative number.
        self.0.raw().parse().map_err(|_| OTHER_KIND)
    }

    fn signed(self) -> Result<i64, RecordError> {
        self.0.raw().parse().map_err(|_| OTHER_KIND)
    }

    fn elements(self) -> Result<List<'de>, RecordError> {
        self.0.elements().map(List).ok_or(OTHER_KIND)
    }

    fn members(self) -> Result<Entries<'de>, RecordError> {
        Ok(Entries { members: self.0.members().ok_or(OTHER_KIND)?, value: None })
    }

    fn fields(self, names: &'static [&'static str]) -> Result<Fields<'de>, RecordError> {
        Ok(Fields { members: self.0.members().ok_or(OTHER_KIND)?.collect(), names: names.iter() })
    }

    /// `"name"` or `{"name": content}`.
    fn variant(self) -> Result<Variant<'de>, RecordError> {
        if let Some(name) = self.0.as_text() {
            return Ok(Variant { name: name.to_cow(), content: Content(None) });
        }
        let mut members = self.0.members().ok_or(OTHER_KIND)?;
        match (members.next(), members.next()) {
            (Some((name, value)), None) => Ok(Variant { name: name.to_cow(), content: Content(Some(value)) }),
            _ => Err(OTHER_KIND),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = RecordError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        match self.0.kind() {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool => self.deserialize_bool(visitor),
            Kind::Number if self.0.raw().starts_with('-') => visitor.visit_i64(self.signed()?),
            Kind::Number => visitor.visit_u64(self.integer()?),
            Kind::Text => visitor.visit_str(&self.text()?),
            Kind::Array => visitor.visit_seq(self.elements()?),
            Kind::Object => visitor.visit_map(self.members()?),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_bool(self.0.as_bool().ok_or(OTHER_KIND)?)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_u64(self.integer()?)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_u64(self.integer()?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_u64(self.integer()?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_u64(self.integer()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_str(&self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_str(&self.text()?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_str(&self.text()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_seq(self.elements()?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, RecordError> {
        let elements = self.elements()?;
        if elements.0.clone().count() == length { visitor.visit_seq(elements) } else { Err(OTHER_KIND) }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_map(self.members()?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        visitor.visit_seq(self.fields(fields)?).map_err(|error| error.among(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        visitor.visit_enum(self.variant()?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct }
}

/// The members of an object in the order in which a type declares them.
struct Fields<'de> {
    members: Vec<(Text<'de>, Value<'de>)>,
    names: core::slice::Iter<'static, &'static str>,
}

impl<'de> Fields<'de> {
    fn next(&mut self) -> Option<(&'static str, Option<Reader<'de>>)> {
        let name = *self.names.next()?;
        let member = self.members.iter().find(|(text, _)| *text == *name);
        Some((name, member.map(|(_, value)| Reader(*value))))
    }
}

impl<'de> SeqAccess<'de> for Fields<'de> {
    type Error = RecordError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, RecordError> {
        match self.next() {
            Some((name, Some(value))) => {
                seed.deserialize(value).map(Some).map_err(|error| error.within(name))
            }
            // An option is `None` then; for all else the type has a default, or refuses the early end.
            Some((_, None)) => Ok(seed.deserialize(Missing).ok()),
            None => Ok(None),
        }
    }
}

/// A member that is not there.
struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = RecordError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, RecordError> {
        Err(RecordError::of(Cause::Missing(0)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The elements of an array.
struct List<'de>(Elements<'de>);

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = RecordError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, RecordError> {
        self.0.next().map(|value| seed.deserialize(Reader(value))).transpose()
    }
}

/// The members of an object in the order written.
struct Entries<'de> {
    members: Members<'de>,
    /// That of the name that was asked for last.
    value: Option<Value<'de>>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = RecordError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, RecordError> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(StrDeserializer::new(&name.to_cow())).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, RecordError> {
        seed.deserialize(Reader(self.value.take().ok_or(OTHER_KIND)?))
    }
}

/// A variant's name with what it holds.
struct Variant<'de> {
    name: Cow<'de, str>,
    content: Content<'de>,
}

struct Content<'de>(Option<Value<'de>>);

impl<'de> Content<'de> {
    fn reader(self) -> Result<Reader<'de>, RecordError> {
        self.0.map(Reader).ok_or(OTHER_KIND)
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = RecordError;
    type Variant = Content<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'de>), RecordError> {
        Ok((seed.deserialize(StrDeserializer::new(&self.name))?, self.content))
    }
}

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = RecordError;

    fn unit_variant(self) -> Result<(), RecordError> {
        if self.0.is_none() { Ok(()) } else { Err(OTHER_KIND) }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, RecordError> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, RecordError> {
        self.reader()?.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        self.reader()?.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString as _};
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        name: String,
        count: u32,
        at: u64,
        #[serde(default)]
        flags: Vec<bool>,
        #[serde(default)]
        note: Option<String>,
        other: Option<u8>,
        pair: (u16, String),
        state: State,
        tagged: Tagged,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum State {
        AtRest,
        Wrapped(Option<u32>),
        Two(u8, u8),
        Moving { speed: u64, to: Option<String> },
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Tagged {
        Nothing,
        Depth { levels: i32 },
    }

    const WHOLE: &str = r#"{"name":"a\u0041\"","count":1,"at":18446744073709551615,"flags":[true],"note":"n","other":3,
        "pair":[7,"x"],"state":{"moving":{"speed":2,"to":null}},"tagged":{"kind":"depth","levels":-4}}"#;

    fn states() -> impl Strategy<Value = State> {
        prop_oneof![
            Just(State::AtRest),
            any::<Option<u32>>().prop_map(State::Wrapped),
            any::<(u8, u8)>().prop_map(|(first, second)| State::Two(first, second)),
            (any::<u64>(), any::<Option<String>>()).prop_map(|(speed, to)| State::Moving { speed, to }),
        ]
    }

    fn records() -> impl Strategy<Value = Record> {
        let tagged =
            prop_oneof![Just(Tagged::Nothing), any::<i32>().prop_map(|levels| Tagged::Depth { levels })];
        let first =
            (any::<String>(), any::<u32>(), any::<u64>(), any::<Vec<bool>>(), any::<Option<String>>());
        (first, any::<Option<u8>>(), any::<(u16, String)>(), states(), tagged).prop_map(
            |((name, count, at, flags, note), other, pair, state, tagged)| Record {
                name,
                count,
                at,
                flags,
                note,
                other,
                pair,
                state,
                tagged,
            },
        )
    }

    proptest! {
        #[test]
        fn what_serde_json_wrote_is_read_as_serde_json_reads_it(record in records()) {
            let text = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(read::<Record>(text.as_bytes()).unwrap(), record);
        }

        #[test]
        fn a_damaged_record_is_refused_where_serde_json_refuses_it(
            record in records(),
            at in any::<prop::sample::Index>(),
            byte in 0x20u8..0x7f,
        ) {
            let mut text = serde_json::to_vec(&record).unwrap();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(ours) = read::<Record>(&text) {
                prop_assert_eq!(ours, serde_json::from_slice::<Record>(&text).unwrap());
            }
        }
    }

    #[test]
    fn missing_members_are_none_or_the_default() {
        let bare = r#"{"name":"","count":0,"at":0,"pair":[0,""],"state":"at_rest","tagged":{"kind":"nothing"},"more":1}"#;
        let record: Record = read(bare.as_bytes()).unwrap();
        assert_eq!((record.flags, record.note, record.other), (Vec::new(), None, None));
        assert_eq!(record.state, State::AtRest);
    }

    #[test]
    fn values_of_any_kind_are_kept() {
        let text = r#"{"a":[1,-2,true,null,"x",{"b":[]}]}"#;
        assert_eq!(read::<serde_json::Value>(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn every_error_names_its_member() {
        for (from, to, message) in [
            (r#""count":1,"#, "", "member count is missing"),
            (r#""count":1"#, r#""count":"1""#, "member count is of another kind than its type"),
            (r#""count":1"#, r#""count":4294967296"#, "member count has a value that its type refuses"),
            (r#""count":1"#, r#""count":-1"#, "member count is of another kind than its type"),
            (r#""count":1"#, r#""count":1.0"#, "member count is of another kind than its type"),
            (r#""count":1"#, r#""count":null"#, "member count is of another kind than its type"),
            (r#""count":1"#, r#""count":1,"count":1"#, "has two members of one name"),
            (
                r#""at":18446744073709551615"#,
                r#""at":18446744073709551616"#,
                "member at is of another kind than its type",
            ),
            (r#"[7,"x"]"#, r#"[7,"x",1]"#, "member pair is of another kind than its type"),
            (r#"[7,"x"]"#, "[7]", "member pair is of another kind than its type"),
            (r#"[true]"#, r#"[1]"#, "member flags is of another kind than its type"),
            (r#""speed":2"#, r#""speed":{}"#, "member speed is of another kind than its type"),
            (r#""speed":2,"#, "", "member speed is missing"),
            ("moving", "flying", "member state has a name that its type does not know"),
            (
                r#"{"moving":{"speed":2,"to":null}}"#,
                r#""moving""#,
                "member state is of another kind than its type",
            ),
            (
                r#"{"moving":{"speed":2,"to":null}}"#,
                r#"{"at_rest":1}"#,
                "member state is of another kind than its type",
            ),
            (r#"{"moving":{"speed":2,"to":null}}"#, "{}", "member state is of another kind than its type"),
            (
                r#"{"moving":{"speed":2,"to":null}}"#,
                r#"{"at_rest":1,"two":1}"#,
                "member state is of another kind than its type",
            ),
            (r#""levels":-4"#, r#""levels":-4.5"#, "member tagged is of another kind than its type"),
        ] {
            let text = WHOLE.replace(from, to);
            assert_ne!(text, WHOLE, "{from}");
            assert_eq!(read::<Record>(text.as_bytes()).unwrap_err().to_string(), message, "{to}");
        }
        assert_eq!(read::<Record>(b"[]").unwrap_err().to_string(), "is of another kind than its type");
        assert_eq!(read::<Record>(b"{").unwrap_err().to_string(), "is not JSON");
        let record: Record = read(WHOLE.as_bytes()).unwrap();
        assert_eq!((record.name.as_str(), record.at), ("aA\"", u64::MAX));
    }
}
