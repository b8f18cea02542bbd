//! The development surface. It exists in development builds only; the release build refuses to contain it.

use crate::object::call::ask;
use crate::object::development::{Between, NAME, Remaining, TwoWrites};
use crate::object::revocation::RevocationCall;
use crate::operations;
use crate::route::exchange::Exchange;
use crate::wire::answer::{Answer, json, respond};
use crate::wire::body::Body;
use crate::wire::problem::Problem;

/// The build looks for this text in the wasm of a release, and fails if it is there.
pub(crate) const MARKER: &str = "POSTERN-DEVELOPMENT-SURFACE";

/// `GET /dev/operations` → what the last request has asked of the stores until it was answered, and until now.
pub(crate) fn operations() -> Answer {
    respond(200, "application/json", "no-store", operations::to_json().into_bytes())
}

/// `POST /dev/panic`: proves that a panic ends its request and no session.
#[allow(clippy::panic, reason = "panicking is what this route is for")]
pub(crate) fn panic() -> Answer {
    panic!("on purpose")
}

/// `POST /dev/two-writes {committed, between}` → what is left of two writes with something in between
/// (`nothing`, `error`, `exception`, `panic`), made by the commit of objects or just one after the other.
pub(crate) async fn two_writes(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let committed = body.optional_flag("committed")?.unwrap_or(true);
    let between = match body.text("between")?.as_str() {
        "nothing" => Between::Nothing,
        "error" => Between::Error,
        "exception" => Between::Exception,
        "panic" => Between::Panic,
        _ => return Err(Problem::invalid_field("between", "must be nothing, error, exception or panic")),
    };
    let call = RevocationCall::TwoWrites(TwoWrites { committed, between });
    let remaining: Remaining = ask(&exchange.environment.revocation_objects()?, NAME, None, &call)
        .await
        .map_err(|error| Problem::unavailable("two writes", error))?;
    json(200, &remaining)
}
