//! The query of a URL (`application/x-www-form-urlencoded`, URL Standard §5), taken apart member by member as bodies are.

use crate::wire::body::{LATEST_TIME, TIME_RULE};
use crate::wire::problem::Problem;
use crate::wire::request::Request;
use postern_core::time::UnixMillis;
use std::collections::BTreeMap;

/// The most bytes of a query that any route reads.
const MAX_QUERY_BYTES: usize = 4_096;

/// The members of a query, each once.
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn read(request: &Request) -> Result<Self, Problem> {
        let refused = |rule: &'static str| Problem::invalid_field("query", rule);
        let text = request.query();
        if text.len() > MAX_QUERY_BYTES {
            return Err(refused("must have at most 4096 bytes"));
        }
        let mut members = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(name).zip(decode(value));
            let (name, value) = decoded.ok_or_else(|| refused("must be percent-encoded UTF-8"))?;
            if members.insert(name, value).is_some() {
                return Err(refused("must not name a member twice"));
            }
        }
        Ok(Self(members))
    }

    /// A text that may be missing; one without a character is a mistake.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<Option<String>, Problem> {
        match self.0.remove(field) {
            Some(text) if text.is_empty() => Err(Problem::invalid_field(field, "must not be empty")),
            found => Ok(found),
        }
    }

    /// A truth value that is false when it is missing.
    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Problem> {
        match self.text(field)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid_field(field, "must be true or false")),
        }
    }

    /// A point in time, in milliseconds since 1970, that may be missing.
    pub(crate) fn time(&mut self, field: &'static str) -> Result<Option<UnixMillis>, Problem> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let millis = text.parse().ok().filter(|millis| *millis <= LATEST_TIME);
        millis
            .map(|millis| Some(UnixMillis::new(millis)))
            .ok_or_else(|| Problem::invalid_field(field, TIME_RULE))
    }

    /// How many lines of a list are wanted: 1 to 200, and 50 when nothing is said.
    pub(crate) fn limit(&mut self) -> Result<u32, Problem> {
        let Some(text) = self.text("limit")? else { return Ok(50) };
        let limit = text.parse().ok().filter(|limit| (1..=200).contains(limit));
        limit.ok_or_else(|| Problem::invalid_field("limit", "must be 1 to 200"))
    }
}

/// A `+` is a blank, `%` and two hexadecimal digits are a byte.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}
