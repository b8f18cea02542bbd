//! Requests that the Worker makes.

use worker::web_sys::{self, RequestInit};
use worker::{Headers, Request, Result};

/// A `GET`.
pub(crate) fn get(url: &str, headers: &Headers) -> Result<Request> {
    let init = RequestInit::new();
    init.set_headers(headers.as_ref());
    Ok(web_sys::Request::new_with_str_and_init(url, &init)?.into())
}

/// A `POST` of JSON, with whatever else is in `headers`. Not by `worker::RequestInit`, whose conversion brings every
/// setting of Cloudflare's that a request could have: a fiftieth part of the module for none of them.
pub(crate) fn post(url: &str, headers: &Headers, json: &str) -> Result<Request> {
    headers.set("content-type", "application/json")?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(headers.as_ref());
    init.set_body(&json.into());
    Ok(web_sys::Request::new_with_str_and_init(url, &init)?.into())
}
