//! Request bodies: counted while they are read, bounded in depth before they are parsed, and taken apart
//! member by member so that every refusal names its field.

use crate::wire::problem::Problem;
use postern_core::secret::SecretText;
use serde_json::{Map, Value};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use worker::{Request, js_sys};

/// The most bytes of body that any route reads.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// A JSON object sent by a client.
pub(crate) struct Body(Map<String, Value>);

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
            return Ok(Self(Map::new()));
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
        postern_core::json::parse(bytes).map_err(|error| Problem::invalid_field("body", error))?;
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(Problem::invalid_field("body", "must be a JSON object")),
            Err(_) => Err(Problem::invalid_field("body", "must be JSON (RFC 8259)")),
        }
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, Problem> {
        self.optional_text(field)?.ok_or_else(|| Problem::invalid_field(field, "is required"))
    }

    /// A text that may be missing or null.
    pub(crate) fn optional_text(&mut self, field: &'static str) -> Result<Option<String>, Problem> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::invalid_field(field, "must be a string")),
        }
    }

    /// A secret text that must be there.
    pub(crate) fn secret(&mut self, field: &'static str) -> Result<SecretText, Problem> {
        self.text(field).map(SecretText::new)
    }

    /// A truth value that may be missing.
    pub(crate) fn optional_flag(&mut self, field: &'static str) -> Result<Option<bool>, Problem> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Problem::invalid_field(field, "must be true or false")),
        }
    }

    /// A text, or a list of at most `most`; empty when missing.
    pub(crate) fn one_or_more_texts(
        &mut self,
        field: &'static str,
        most: usize,
    ) -> Result<Vec<String>, Problem> {
        if matches!(self.0.get(field), Some(Value::String(_))) {
            return self.text(field).map(|text| Vec::from([text]));
        }
        self.texts(field, most)
    }

    /// A list of at most `most` texts; empty when missing.
    pub(crate) fn texts(&mut self, field: &'static str, most: usize) -> Result<Vec<String>, Problem> {
        let items = match self.0.remove(field) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(Problem::invalid_field(field, "must be an array of strings")),
        };
        if items.len() > most {
            return Err(Problem::invalid_field(field, format_args!("must have at most {most} items")));
        }
        let texts = items.into_iter().map(|item| match item {
            Value::String(text) => Ok(text),
            _ => Err(Problem::invalid_field(field, "must be an array of strings")),
        });
        texts.collect()
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

/// Reads the body chunk by chunk and stops at the limit, whatever `Content-Length` says.
async fn read_bytes(request: &Request) -> Result<Vec<u8>, Problem> {
    let Some(stream) = request.inner().body() else { return Ok(Vec::new()) };
    let reader = stream.get_reader().unchecked_into::<worker::web_sys::ReadableStreamDefaultReader>();
    let unreadable = |_| Problem::invalid_field("body", "could not be read to its end");
    let mut bytes = Vec::new();
    loop {
        let step = JsFuture::from(reader.read()).await.map_err(unreadable)?;
        let done = js_sys::Reflect::get(&step, &"done".into()).map_err(unreadable)?;
        if done.is_truthy() {
            return Ok(bytes);
        }
        let chunk = js_sys::Reflect::get(&step, &"value".into()).map_err(unreadable)?;
        let chunk = js_sys::Uint8Array::new(&chunk);
        let length = usize::try_from(chunk.length()).unwrap_or(usize::MAX);
        if bytes.len().saturating_add(length) > MAX_BODY_BYTES {
            // Nobody waits for the rest: an unread stream is closed with the request.
            let _ = reader.cancel();
            return Err(Problem::body_too_large());
        }
        bytes.extend_from_slice(&chunk.to_vec());
    }
}
