//! Calls between the Worker and its objects: versioned JSON over the object's `fetch`.

use crate::object::records;
use crate::operations;
use crate::wire::outgoing;
use postern_core::id::TenantId;
use postern_core::json::record::{self, RecordError};
use postern_core::json::{self, Unwritable};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;
use worker::{Headers, ObjectNamespace, Request, Response};

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
async fn send(namespace: &ObjectNamespace, name: &str, message: &str) -> Result<Vec<u8>, Unconfirmed> {
    operations::call(name);
    let request = outgoing::post("https://object/call", &Headers::new(), message)?;
    // A fresh stub per call: one that has failed stays failed.
    let mut response = namespace.get_by_name(name)?.fetch_with_request(request).await?;
    if response.status_code() != 200 {
        return Err(Unconfirmed(format!("object answered {}", response.status_code())));
    }
    Ok(response.bytes().await?)
}

fn decoded<A: DeserializeOwned>(answer: Result<Vec<u8>, Unconfirmed>) -> Result<A, Unconfirmed> {
    Ok(record::read(&answer?)?)
}

/// The object's side: the call in a request.
pub(crate) async fn receive<C: DeserializeOwned>(request: Request) -> worker::Result<C> {
    receive_for_tenant(request).await.map(|(_, call)| call)
}

/// The object's side: the call in a request, and the tenant by whose settings it is decided.
pub(crate) async fn receive_for_tenant<C: DeserializeOwned>(
    mut request: Request,
) -> worker::Result<(Option<TenantId>, C)> {
    let envelope: Envelope<C> = records::read(&request.bytes().await?)?;
    if envelope.version == VERSION {
        Ok((envelope.tenant, envelope.call))
    } else {
        Err(worker::Error::RustError(format!("call of version {}", envelope.version)))
    }
}

/// The object's side: the answer to a call.
pub(crate) fn answer<A: Serialize>(answer: &A) -> worker::Result<Response> {
    Response::from_bytes(records::write(answer)?.into_bytes())
}
