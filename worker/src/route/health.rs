//! `GET /health`: whether this deployment can answer at all.

use crate::route::exchange::Exchange;
use crate::wire::answer::{Answer, json};
use serde::Serialize;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    service: &'static str,
    version: &'static str,
}

/// Configuration and keys are there: the keyring object has answered, now or within ten minutes.
pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    exchange.keyring().await?;
    json(200, &Health { status: "ok", service: "postern", version: env!("CARGO_PKG_VERSION") })
}
