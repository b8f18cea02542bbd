//! `GET …/admin/metrics`: what a monitor reads, in the text format of Prometheus.

use crate::route::admin::operator;
use crate::route::exchange::Exchange;
use crate::store::intake;
use crate::wire::answer::{Answer, respond};
use postern_core::permission::OperatorPermission;

pub(crate) async fn show(exchange: &Exchange) -> Answer {
    operator::authorise(exchange, OperatorPermission::DeploymentRead).await?;
    let counts = intake::password_counts(&exchange.environment).await?;
    respond(200, "text/plain; version=0.0.4; charset=utf-8", "no-store", counts.exposition().into_bytes())
}
