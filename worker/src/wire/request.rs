//! A request as it has come, with what every route asks of it read once.
//!
//! In place of the crate's own type, which besides takes over what the platform says of the connection (`cf`) for every
//! request: nobody here reads that, and it takes a thirtieth of the time of a token check.

use std::convert::Infallible;
use std::error::Error;
use worker::wasm_bindgen::JsValue;
use worker::{FromRequest, Headers, Method, web_sys};

/// An HTTP request. Its body has not been read.
pub(crate) struct Request {
    method: Method,
    url: String,
    headers: Headers,
    inner: web_sys::Request,
}

impl FromRequest for Request {
    fn from_raw(inner: web_sys::Request) -> Result<Self, impl Into<Box<dyn Error>>> {
        Ok::<_, Infallible>(Self::of(inner))
    }
}

impl Request {
    fn of(inner: web_sys::Request) -> Self {
        let (method, headers) = (inner.method().into(), Headers(inner.headers()));
        Self { method, url: inner.url(), headers, inner }
    }

    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// As the runtime writes it (URL Standard): absolute, its host in ASCII, no fragment.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From the first slash behind the host to the query; `/` at least.
    pub(crate) fn path(&self) -> &str {
        let (resource, _) = self.split();
        let behind_scheme = resource.find("://").map_or(0, |place| place.saturating_add(3));
        let path = resource.get(behind_scheme..).and_then(|rest| rest.get(rest.find('/')?..));
        path.unwrap_or("/")
    }

    /// What stands behind the question mark; nothing where there is none.
    pub(crate) fn query(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (&str, &str) {
        let resource = self.url.split_once('#').map_or(&*self.url, |(resource, _)| resource);
        resource.split_once('?').unwrap_or((resource, ""))
    }

    pub(crate) const fn inner(&self) -> &web_sys::Request {
        &self.inner
    }

    /// The same request, whose body can be read besides.
    pub(crate) fn copy(&self) -> Result<Self, JsValue> {
        self.inner.clone().map(Self::of)
    }
}
