//! Requests that the Worker makes.

use std::time::Duration;
use worker::web_sys::{self, RequestInit};
use worker::{AbortSignal, Fetch, Headers, Request, Response, Result};

/// A `GET`.
pub(crate) fn get(url: &str, headers: &Headers) -> Result<Request> {
    let init = RequestInit::new();
    init.set_headers(headers.as_ref());
    Ok(web_sys::Request::new_with_str_and_init(url, &init)?.into())
}

/// A `POST` of JSON, with whatever else is in `headers`.
pub(crate) fn post(url: &str, headers: &Headers, json: &str) -> Result<Request> {
    headers.set("content-type", "application/json")?;
    request(url, headers, json)
}

/// Posts a body of the type that `headers` name, and waits for the answer no longer than `timeout`.
pub(crate) async fn send(url: &str, headers: &Headers, body: &str, timeout: Duration) -> Result<Response> {
    let timeout = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let signal = AbortSignal::from(web_sys::AbortSignal::timeout_with_u32(timeout));
    Fetch::Request(request(url, headers, body)?).send_with_signal(&signal).await
}

/// Not by `worker::RequestInit`, whose conversion brings every setting of Cloudflare's that a request could have: a
/// fiftieth part of the module for none of them.
fn request(url: &str, headers: &Headers, body: &str) -> Result<Request> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(headers.as_ref());
    init.set_body(&body.into());
    // What it says, and the keys in it, are for this address alone. A redirection is an answer like any other.
    init.set_redirect(web_sys::RequestRedirect::Manual);
    Ok(web_sys::Request::new_with_str_and_init(url, &init)?.into())
}
