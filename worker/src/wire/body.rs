//! Request bodies: counted while they are read, bounded in depth before they are parsed, and taken apart
//! member by member so that every refusal names its field.

use crate::wire::problem::Problem;
use crate::wire::request::Request;
use postern_core::json::{self, Kind, Value};
use postern_core::secret::SecretText;
use postern_core::time::UnixMillis;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::{Reflect, Uint8Array};
use worker::web_sys::{ReadableStream, ReadableStreamDefaultReader};

/// The most bytes of body that any route reads.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// So much of a body that is too large is still read, and dropped: many clients send all before they read an answer, and
/// would find a closed connection instead of one.
const MOST_DROPPED_BYTES: usize = 1024 * 1024;

/// The latest time that a client may name, in milliseconds since 1970: exact as a double everywhere.
pub(crate) const LATEST_TIME: u64 = (1 << 53) - 1;
pub(crate) const TIME_RULE: &str = "must be a time in milliseconds since 1970";

/// A JSON object sent by a client: its members that no route has taken yet.
pub(crate) struct Body(Vec<(String, Member)>);

/// A member, as far as any route reads it.
enum Member {
    Null,
    Flag(bool),
    /// A whole number from 0 to 2⁵³−1, exact as a double everywhere.
    Number(u64),
    Text(String),
    /// `None` for an element that is no text.
    List(Vec<Option<String>>),
    /// As deep as [`json::MAX_DEPTH`] at most.
    Object(Body),
    Other,
}

impl Member {
    fn of(value: Value<'_>) -> Self {
        match value.kind() {
            Kind::Null => Self::Null,
            Kind::Bool => value.as_bool().map_or(Self::Other, Self::Flag),
            Kind::Text => text_of(value).map_or(Self::Other, Self::Text),
            Kind::Array => Self::List(value.elements().into_iter().flatten().map(text_of).collect()),
            Kind::Number => value.as_integer().map_or(Self::Other, Self::Number),
            Kind::Object => Self::Object(Body::of(value)),
        }
    }
}

fn text_of(value: Value<'_>) -> Option<String> {
    value.as_text().map(|text| text.to_cow().into_owned())
}

impl Body {
    /// Reads and parses the body of a request.
    pub(crate) async fn read(request: &Request) -> Result<Self, Problem> {
        check_media_type(request)?;
        Self::parse(&read_bytes(request).await?)
    }

    /// Like [`Body::read`], for routes whose body may be missing altogether.
    pub(crate) async fn read_optional(request: &Request) -> Result<Self, Problem> {
        let bytes = read_bytes(request).await?;
        if bytes.is_empty() {
            return Ok(Self(Vec::new()));
        }
        check_media_type(request)?;
        Self::parse(&bytes)
    }

    /// Parses the text that another Worker sends in place of a body, under the same rules.
    pub(crate) fn from_text(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_BODY_BYTES {
            return Err(Problem::body_too_large());
        }
        Self::parse(text.as_bytes())
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() {
            return Err(Problem::invalid_field("body", "must not be empty"));
        }
        // The strict reader knows no recursion and names what is wrong: depth, duplicate members, surrogates.
        let value = json::parse(bytes).map_err(|error| Problem::invalid_field("body", error))?;
        if value.kind() != Kind::Object {
            return Err(Problem::invalid_field("body", "must be a JSON object"));
        }
        Ok(Self::of(value))
    }

    /// The members of an object.
    fn of(value: Value<'_>) -> Self {
        let members = value.members().into_iter().flatten();
        Self(members.map(|(name, value)| (name.to_cow().into_owned(), Member::of(value))).collect())
    }

    fn member(&self, field: &str) -> Option<&Member> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, member)| member)
    }

    fn take(&mut self, field: &str) -> Option<Member> {
        let place = self.0.iter().position(|(name, _)| name == field)?;
        Some(self.0.swap_remove(place).1)
    }

    /// Whether a member is there, and not null.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.member(field).is_some_and(|member| !matches!(member, Member::Null))
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, Problem> {
        self.optional_text(field)?.ok_or_else(|| Problem::invalid_field(field, "is required"))
    }

    /// A text that may be missing or null.
    pub(crate) fn optional_text(&mut self, field: &'static str) -> Result<Option<String>, Problem> {
        match self.take(field) {
            None | Some(Member::Null) => Ok(None),
            Some(Member::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::invalid_field(field, "must be a string")),
        }
    }

    /// An object that must be there.
    pub(crate) fn object(&mut self, field: &'static str) -> Result<Self, Problem> {
        match self.take(field) {
            None | Some(Member::Null) => Err(Problem::invalid_field(field, "is required")),
            Some(Member::Object(members)) => Ok(members),
            Some(_) => Err(Problem::invalid_field(field, "must be an object")),
        }
    }

    /// A text to store in place of another: `None` if it is missing, `Some(None)` for null.
    pub(crate) fn replacement(&mut self, field: &'static str) -> Result<Option<Option<String>>, Problem> {
        if self.member(field).is_some() { self.optional_text(field).map(Some) } else { Ok(None) }
    }

    /// A secret text that must be there.
    pub(crate) fn secret(&mut self, field: &'static str) -> Result<SecretText, Problem> {
        self.text(field).map(SecretText::new)
    }

    /// A secret text that must be there and may be null.
    pub(crate) fn nullable_secret(&mut self, field: &'static str) -> Result<Option<SecretText>, Problem> {
        if self.member(field).is_none() {
            return Err(Problem::invalid_field(field, "is required; null for none"));
        }
        Ok(self.optional_text(field)?.map(SecretText::new))
    }

    /// A point in time, in milliseconds since 1970, that may be missing.
    pub(crate) fn optional_time(&mut self, field: &'static str) -> Result<Option<UnixMillis>, Problem> {
        match self.take(field) {
            None | Some(Member::Null) => Ok(None),
            Some(Member::Number(millis)) if millis <= LATEST_TIME => Ok(Some(UnixMillis::new(millis))),
            Some(_) => Err(Problem::invalid_field(field, TIME_RULE)),
        }
    }

    /// A whole number from 0 to 2³²−1 that may be missing.
    pub(crate) fn optional_count(&mut self, field: &'static str) -> Result<Option<u32>, Problem> {
        let count = match self.take(field) {
            None | Some(Member::Null) => return Ok(None),
            Some(Member::Number(number)) => u32::try_from(number).ok(),
            Some(_) => None,
        };
        let rule = "must be a whole number from 0 to 4294967295";
        count.map(Some).ok_or_else(|| Problem::invalid_field(field, rule))
    }

    /// A truth value that may be missing.
    pub(crate) fn optional_flag(&mut self, field: &'static str) -> Result<Option<bool>, Problem> {
        match self.take(field) {
            None | Some(Member::Null) => Ok(None),
            Some(Member::Flag(flag)) => Ok(Some(flag)),
            Some(_) => Err(Problem::invalid_field(field, "must be true or false")),
        }
    }

    /// A text, or a list of at most `most`; empty when missing.
    pub(crate) fn one_or_more_texts(
        &mut self,
        field: &'static str,
        most: usize,
    ) -> Result<Vec<String>, Problem> {
        if matches!(self.member(field), Some(Member::Text(_))) {
            return self.text(field).map(|text| Vec::from([text]));
        }
        self.texts(field, most)
    }

    /// A list of at most `most` texts; empty when missing.
    pub(crate) fn texts(&mut self, field: &'static str, most: usize) -> Result<Vec<String>, Problem> {
        let items = match self.take(field) {
            None | Some(Member::Null) => return Ok(Vec::new()),
            Some(Member::List(items)) => items,
            Some(_) => return Err(Problem::invalid_field(field, "must be an array of strings")),
        };
        if items.len() > most {
            return Err(Problem::invalid_field(field, format_args!("must have at most {most} items")));
        }
        let texts: Option<Vec<String>> = items.into_iter().collect();
        texts.ok_or_else(|| Problem::invalid_field(field, "must be an array of strings"))
    }
}

/// Clients that name no type send JSON, too.
fn check_media_type(request: &Request) -> Result<(), Problem> {
    let content_type = request.headers().get("content-type").ok().flatten().unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.is_empty() || media_type.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::unsupported_media_type())
    }
}

/// Waits until all of the body is there, and leaves it to be read.
pub(crate) async fn arrived(request: &Request) -> Result<(), Problem> {
    if request.inner().body().is_none() {
        return Ok(());
    }
    let copy = request.copy().map_err(unreadable)?;
    read_bytes(&copy).await.map(drop)
}

/// Reads the body. One that says beforehand that it is small comes in one piece, since HTTP lets none be longer than it
/// says; any other comes chunk by chunk, and only up to the limit.
async fn read_bytes(request: &Request) -> Result<Vec<u8>, Problem> {
    let length = request.headers().get("content-length").ok().flatten();
    if length.and_then(|text| text.parse().ok()).is_some_and(|length: usize| length <= MAX_BODY_BYTES) {
        let whole = request.inner().array_buffer().map_err(unreadable)?;
        let bytes = Uint8Array::new(&JsFuture::from(whole).await.map_err(unreadable)?).to_vec();
        return if bytes.len() > MAX_BODY_BYTES { Err(Problem::body_too_large()) } else { Ok(bytes) };
    }
    let Some(stream) = request.inner().body() else { return Ok(Vec::new()) };
    match read_up_to(stream, MAX_BODY_BYTES).await {
        Ok(bytes) => bytes.ok_or_else(Problem::body_too_large),
        Err(error) => Err(unreadable(error)),
    }
}

/// Reads a body chunk by chunk and keeps no more than the limit, whatever `Content-Length` says: `None` for more than
/// `most` bytes.
pub(crate) async fn read_up_to(stream: ReadableStream, most: usize) -> Result<Option<Vec<u8>>, JsValue> {
    let reader = stream.get_reader().unchecked_into::<ReadableStreamDefaultReader>();
    let (mut bytes, mut read) = (Vec::new(), 0_usize);
    loop {
        let step = JsFuture::from(reader.read()).await?;
        if Reflect::get(&step, &"done".into())?.is_truthy() {
            return Ok((read <= most).then_some(bytes));
        }
        let chunk = Uint8Array::new(&Reflect::get(&step, &"value".into())?);
        read = read.saturating_add(usize::try_from(chunk.length()).unwrap_or(usize::MAX));
        if read <= most {
            bytes.extend_from_slice(&chunk.to_vec());
        } else if read > most.saturating_add(MOST_DROPPED_BYTES) {
            // Nobody waits for the rest: an unread stream is closed with the request.
            let _ = reader.cancel();
            return Ok(None);
        }
    }
}

fn unreadable(_: JsValue) -> Problem {
    Problem::invalid_field("body", "could not be read to its end")
}
