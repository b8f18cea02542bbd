//! Calls between the Worker and its objects: versioned JSON, one text each way, over the runtime's own calls (Workers RPC).
//! A request and a response for each, with headers and streams that say nothing, would take about twice as long.

use crate::object::records;
use crate::operations;
use postern_core::id::TenantId;
use postern_core::json::record::{self, RecordError};
use postern_core::json::{self, Unwritable};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{ObjectNamespace, Request, Response};

/// Raised whenever a call or its answer changes its meaning. During a deployment old and new code talk to each
/// other; a call of another version is refused before anything is done, and the caller reports "unknown".
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<C> {
    version: u32,
    /// Whose settings the object decides by; absent where there is nothing that tenants have of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    call: C,
}

/// A call that was not answered. Whether it was carried out is unknown.
#[derive(Debug)]
pub(crate) struct Unconfirmed(String);

impl Unconfirmed {
    /// A call that could not even be made.
    pub(crate) fn because(reason: &str) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Unconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<worker::Error> for Unconfirmed {
    fn from(error: worker::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<RecordError> for Unconfirmed {
    fn from(error: RecordError) -> Self {
        Self(error.to_string())
    }
}

impl From<Unwritable> for Unconfirmed {
    fn from(error: Unwritable) -> Self {
        Self(error.to_string())
    }
}

/// Asks the object called `name`, and once more with the same bytes if the first call fails. Only for calls that
/// may be repeated: those that carry an id drawn by the caller, so that a call that was carried out already is
/// only answered again, and those that come to the same however often they are made.
pub(crate) async fn ask<C: Serialize, A: DeserializeOwned>(
    namespace: &ObjectNamespace,
    name: &str,
    tenant: Option<&TenantId>,
    call: &C,
) -> Result<A, Unconfirmed> {
    let message = json::write(&Envelope { version: VERSION, tenant: tenant.cloned(), call })?;
    match decoded(send(namespace, name, &message).await) {
        Ok(answer) => Ok(answer),
        Err(_) => decoded(send(namespace, name, &message).await),
    }
}

/// Asks the object called `name` once. For calls that count: a call that was carried out without being answered
/// would count twice.
pub(crate) async fn ask_once<C: Serialize, A: DeserializeOwned>(
    namespace: &ObjectNamespace,
    name: &str,
    tenant: Option<&TenantId>,
    call: &C,
) -> Result<A, Unconfirmed> {
    let message = json::write(&Envelope { version: VERSION, tenant: tenant.cloned(), call })?;
    decoded(send(namespace, name, &message).await)
}

/// Not generic, like all that need not be: what is here would be compiled once more for every kind of answer.
async fn send(namespace: &ObjectNamespace, name: &str, message: &str) -> Result<String, Unconfirmed> {
    operations::call(name);
    // A fresh stub per call: one that has failed stays failed.
    let stub: CalleeStub = namespace.get_by_name(name)?.into_rpc();
    let answer = stub.answer(message).await.map_err(worker::Error::from)?;
    answer.as_string().ok_or_else(|| Unconfirmed("the object answered with no text".into()))
}

#[wasm_bindgen(
    wasm_bindgen = worker::wasm_bindgen,
    wasm_bindgen_futures = worker::wasm_bindgen_futures,
    js_sys = worker::js_sys
)]
extern "C" {
    /// What the Worker holds of an object.
    type CalleeStub;

    #[wasm_bindgen(method, catch)]
    async fn answer(this: &CalleeStub, message: &str) -> Result<JsValue, JsValue>;
}

fn decoded<A: DeserializeOwned>(answer: Result<String, Unconfirmed>) -> Result<A, Unconfirmed> {
    Ok(record::read(answer?.as_bytes())?)
}

/// An object that is asked.
pub(crate) trait Callee {
    /// Carries out the call in a message. The answer is JSON, too.
    async fn answer(&self, message: &str) -> worker::Result<String>;
}

/// Exports the method by which `worker/shim.js` asks an object.
// The formatter moves the lines of the attribute a little further each time.
#[rustfmt::skip]
macro_rules! export_callee {
    ($object:ident) => {
        #[::worker::wasm_bindgen::prelude::wasm_bindgen(
            wasm_bindgen = ::worker::wasm_bindgen,
            wasm_bindgen_futures = ::worker::wasm_bindgen_futures,
            js_sys = ::worker::js_sys
        )]
        impl $object {
            /// Carries out the call in a message.
            pub async fn answer(&self, message: String) -> Result<String, ::worker::wasm_bindgen::JsValue> {
                $crate::object::call::Callee::answer(self, &message).await.map_err(Into::into)
            }
        }
    };
}
pub(crate) use export_callee;

/// The same as `fetch`, which every object has to have: the message is the body.
pub(crate) async fn over_fetch(callee: &impl Callee, mut request: Request) -> worker::Result<Response> {
    let message = request.text().await?;
    Response::from_bytes(callee.answer(&message).await?.into_bytes())
}

/// The object's side: the call in a message.
pub(crate) fn receive<C: DeserializeOwned>(message: &str) -> worker::Result<C> {
    receive_for_tenant(message).map(|(_, call)| call)
}

/// The object's side: the call in a message, and the tenant by whose settings it is decided.
pub(crate) fn receive_for_tenant<C: DeserializeOwned>(
    message: &str,
) -> worker::Result<(Option<TenantId>, C)> {
    let envelope: Envelope<C> = records::read(message.as_bytes())?;
    if envelope.version == VERSION {
        Ok((envelope.tenant, envelope.call))
    } else {
        Err(worker::Error::RustError(format!("call of version {}", envelope.version)))
    }
}
