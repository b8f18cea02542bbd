//! The development surface. It exists in development builds only; the release build refuses to contain it.

use crate::route::exchange::Exchange;
use crate::store::mailbox;
use crate::wire::answer::{Answer, json};
use crate::wire::problem::Problem;

/// The build looks for this text in the wasm of a release, and fails if it is there.
pub(crate) const MARKER: &str = "POSTERN-DEVELOPMENT-SURFACE";

/// `GET /dev/mailbox?to=ADDRESS` → the mails to that address, newest first.
pub(crate) async fn mailbox(exchange: &Exchange) -> Answer {
    let url = exchange.request.url().map_err(|error| Problem::internal("url", error))?;
    let to = url.query_pairs().find(|(name, _)| name == "to").map(|(_, value)| value.trim().to_lowercase());
    let to = to.ok_or_else(|| Problem::invalid_field("to", "is required in the query"))?;
    let mails = mailbox::read(&exchange.environment.kv()?, &to).await;
    let mails = mails.map_err(|error| Problem::unavailable(MARKER, error))?;
    json(200, &mails)
}

/// `POST /dev/panic`: proves that a panic ends its request and no session.
#[allow(clippy::panic, reason = "panicking is what this route is for")]
pub(crate) fn panic() -> Answer {
    panic!("on purpose")
}
