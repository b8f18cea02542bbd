//! Successful answers.

use crate::wire::problem::Problem;
use postern_core::json::write;
use serde::Serialize;
use worker::Response;

/// What a route returns: an answer, or a refusal that becomes problem+json.
pub(crate) type Answer = Result<Response, Problem>;

/// A JSON answer that no cache may keep: everything that holds or describes a session.
pub(crate) fn json<T: Serialize>(status: u16, body: &T) -> Answer {
    let text = write(body).map_err(|error| Problem::internal("answer", error))?;
    respond(status, "application/json", "no-store", text.into_bytes())
}

#[derive(Serialize)]
struct Success {
    success: bool,
}

/// The answer to what was done and has nothing to show.
pub(crate) fn success() -> Answer {
    json(200, &Success { success: true })
}

/// Any answer with its content type and caching rule.
pub(crate) fn respond(status: u16, content_type: &str, cache_control: &str, bytes: Vec<u8>) -> Answer {
    let response = Response::from_bytes(bytes).and_then(|response| {
        let response = response.with_status(status);
        response.headers().set("content-type", content_type)?;
        response.headers().set("cache-control", cache_control)?;
        Ok(response)
    });
    response.map_err(|error| Problem::internal("answer", error))
}

/// A JSON object with one member more, the last: `json`, as it is written.
pub(crate) fn with_member(mut object: String, name: &str, json: &str) -> String {
    object.pop();
    format!("{object},\"{name}\":{json}}}")
}
