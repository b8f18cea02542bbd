//! Reading a JSON object field by field: every field is taken out and checked, what remains is unknown.

use super::{ConfigErrors, FailMode, RateLimit, Violation};
use crate::json::{self, JsonError};
use crate::time::Seconds;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

/// A value of the configuration. Settings know whole numbers only, so that any other number is as wrong as `null` is,
/// and becomes it.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Flag(bool),
    Number(i64),
    Text(String),
    Array(Vec<Value>),
    Object(Fields),
}

/// The members of an object, none twice, in the order written.
pub(super) type Fields = Vec<(String, Value)>;

impl Value {
    /// A copy of a value, as deep as [`json::MAX_DEPTH`] at most.
    fn of(value: json::Value<'_>) -> Self {
        match value.kind() {
            json::Kind::Null => Self::Null,
            json::Kind::Bool => Self::Flag(value.as_bool() == Some(true)),
            json::Kind::Number => value.raw().parse().map_or(Self::Null, Self::Number),
            json::Kind::Text => {
                value.as_text().map_or(Self::Null, |text| Self::Text(text.to_cow().into_owned()))
            }
            json::Kind::Array => Self::Array(value.elements().into_iter().flatten().map(Self::of).collect()),
            json::Kind::Object => {
                let members = value.members().into_iter().flatten();
                Self::Object(
                    members.map(|(name, value)| (name.to_cow().into_owned(), Self::of(value))).collect(),
                )
            }
        }
    }

    pub(super) const fn as_bool(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { None }
    }

    pub(super) const fn as_i64(&self) -> Option<i64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub(super) fn as_u64(&self) -> Option<u64> {
        self.as_i64()?.try_into().ok()
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// One object of the configuration while it is read.
///
/// Broken rules are collected, and reading goes on with the default. When the section is dropped, fields that
/// nobody asked for are reported, so a reader cannot forget to refuse them.
pub(super) struct Section<'a> {
    path: String,
    fields: Fields,
    known: Vec<&'static str>,
    errors: &'a mut Vec<Violation>,
}

impl<'a> Section<'a> {
    /// The outermost object.
    pub(super) const fn root(fields: Fields, errors: &'a mut Vec<Violation>) -> Self {
        Self::at(String::new(), fields, errors)
    }

    /// An object that stands at a path.
    pub(super) const fn at(path: String, fields: Fields, errors: &'a mut Vec<Violation>) -> Self {
        Self { path, fields, known: Vec::new(), errors }
    }

    /// The object under `name`; an empty one when it is absent.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_> {
        let fields = self.object(name);
        Section { path: self.path_of(name), fields, known: Vec::new(), errors: self.errors }
    }

    /// The entries of the object under `name`, with the path of each, for keys that the user chooses.
    pub(super) fn entries(&mut self, name: &'static str) -> Vec<(String, String, Value)> {
        let path = self.path_of(name);
        let fields = self.object(name).into_iter();
        fields.map(|(key, value)| (format!("{path}.{key}"), key, value)).collect()
    }

    /// Whether the field is given, whatever its value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// A whole number within the range.
    pub(super) fn number(&mut self, name: &'static str, default: u32, range: RangeInclusive<u32>) -> u32 {
        self.number_up_to(name, default, range, "")
    }

    /// The same, with a word on why there is no more, for whoever wants more.
    pub(super) fn number_up_to(
        &mut self,
        name: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
        why: &str,
    ) -> u32 {
        let Some(value) = self.take(name) else { return default };
        let (low, high) = (range.start(), range.end());
        match value.as_i64() {
            Some(number) if number >= i64::from(*low) && number <= i64::from(*high) => {
                u32::try_from(number).unwrap_or(default)
            }
            Some(number) => {
                let why = if number > i64::from(*high) { why } else { "" };
                self.refuse(name, format!("must be {low} to {high}, is {number}{why}"));
                default
            }
            None => {
                self.refuse(name, format!("must be a whole number from {low} to {high}"));
                default
            }
        }
    }

    /// A span of seconds within the range.
    pub(super) fn seconds(
        &mut self,
        name: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Seconds {
        Seconds::new(self.number(name, default, range))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        self.mapped(name, default, Value::as_bool, "must be true or false")
    }

    /// One of the listed words.
    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, default: T, words: &[(&str, T)]) -> T {
        let Some(value) = self.take(name) else { return default };
        match words.iter().find(|(word, _)| value.as_str() == Some(word)) {
            Some((_, chosen)) => *chosen,
            None => {
                let quoted: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                self.refuse(name, format!("must be one of {}", quoted.join(", ")));
                default
            }
        }
    }

    /// A value that `read` makes of the JSON; the rule says what it must be.
    pub(super) fn mapped<T>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Value) -> Option<T>,
        rule: &str,
    ) -> T {
        let Some(value) = self.take(name) else { return default };
        read(&value).unwrap_or_else(|| {
            self.refuse(name, rule);
            default
        })
    }

    /// A text of a type that checks itself; `None` when it is absent or refused.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, name: &'static str) -> Option<T> {
        let value = self.take(name)?;
        self.parse(&self.path_of(name), &value)
    }

    /// A text of a type that checks itself; when it is absent or refused, the default, itself such a text.
    pub(super) fn parsed_or<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &'static str,
        default: &'static str,
    ) -> Option<T> {
        self.parsed(name).or_else(|| default.parse().ok())
    }

    /// A list of texts of a type that checks itself, each with its path; `None` when it is absent.
    pub(super) fn list<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &'static str,
    ) -> Option<Vec<(String, T)>> {
        let value = self.take(name)?;
        Some(self.parse_list(&self.path_of(name), value))
    }

    /// `{count, period_seconds}`; a count of 0 switches the limit off.
    pub(super) fn rate_limit(&mut self, name: &'static str, default: (u32, u32)) -> Option<RateLimit> {
        let mut limit = self.section(name);
        let count = limit.number("count", default.0, 0..=1_000_000);
        let period = limit.seconds("period_seconds", default.1, 1..=86_400);
        RateLimit::new(count, period)
    }

    /// The same with `when_unavailable`, for a limit that somebody else has to be asked about.
    pub(super) fn limit(
        &mut self,
        name: &'static str,
        (count, period): (u32, u32),
        mode: FailMode,
    ) -> Option<RateLimit> {
        let mut limit = self.section(name);
        let count = limit.number("count", count, 0..=1_000_000);
        let period = limit.seconds("period_seconds", period, 1..=86_400);
        let words = [("refuse", FailMode::Refuse), ("admit", FailMode::Admit)];
        let mode = limit.choice("when_unavailable", mode, &words);
        RateLimit::new(count, period).map(|limit| limit.when_unavailable(mode))
    }

    /// A list at a path that [`Section::entries`] gave.
    pub(super) fn parse_list<T: FromStr<Err: fmt::Display>>(
        &mut self,
        path: &str,
        value: Value,
    ) -> Vec<(String, T)> {
        let Value::Array(items) = value else {
            self.refuse_at(path.into(), "must be a list of strings");
            return Vec::new();
        };
        let mut parsed = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            if let Some(value) = self.parse(&path, &item) {
                parsed.push((path, value));
            }
        }
        parsed
    }

    /// A text at a path that [`Section::entries`] gave.
    fn parse<T: FromStr<Err: fmt::Display>>(&mut self, path: &str, value: &Value) -> Option<T> {
        let Some(text) = value.as_str() else {
            self.refuse_at(path.into(), "must be a string");
            return None;
        };
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse_at(path.into(), error.to_string());
                None
            }
        }
    }

    /// Reports a broken rule of this section's field.
    pub(super) fn refuse(&mut self, name: &str, rule: impl Into<String>) {
        self.refuse_at(self.path_of(name), rule);
    }

    /// Reports a broken rule at a path.
    pub(super) fn refuse_at(&mut self, path: String, rule: impl Into<String>) {
        self.errors.push(Violation { path, rule: rule.into() });
    }

    /// How many rules have been broken so far, in this section or before it.
    pub(super) const fn refusals(&self) -> usize {
        self.errors.len()
    }

    fn object(&mut self, name: &'static str) -> Fields {
        match self.take(name) {
            None => Vec::new(),
            Some(Value::Object(fields)) => fields,
            Some(_) => {
                self.refuse(name, "must be a table");
                Vec::new()
            }
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        let place = self.fields.iter().position(|(field, _)| field == name)?;
        Some(self.fields.remove(place).1)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for name in core::mem::take(&mut self.fields).into_iter().map(|(name, _)| name) {
            let rule = format!("is not a field; known here: {}", self.known.join(", "));
            self.refuse(&name, rule);
        }
    }
}

/// The object that a JSON text holds.
pub(super) fn parse_object(text: &str) -> Result<Fields, ConfigErrors> {
    let refuse = |rule: String| ConfigErrors::from(Violation { path: String::new(), rule });
    // The strict reader, which is there for tokens anyway: serde_json's own would be compiled for this alone.
    match json::parse_edited(text).map(Value::of) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(refuse("must be a table".into())),
        Err((error, line, column)) => {
            let error = if error == JsonError::TrailingBytes { JsonError::Syntax } else { error };
            Err(refuse(format!("{error}, at line {line} column {column}")))
        }
    }
}
