//! Orders of operators, each carried out once: what was answered is remembered for a day under the id that came with
//! the order, and answered again.

use crate::object::records::Expiring;
use postern_core::time::{Seconds, UnixMillis};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use worker::{Result, SqlStorage};

/// The table, to be created as an expiring one before the first order.
pub(crate) const ORDERS: &str = "orders";

const REMEMBER_FOR: Seconds = Seconds::new(86_400);

/// What is known of an order's id.
pub(crate) enum Known<A> {
    /// Nothing: carry the order out.
    New,
    /// It was carried out, and answered with this.
    Answered(A),
    /// It came with another order.
    Reused,
}

/// Looks an order up; `told` says what it is about.
pub(crate) fn look_up<A: DeserializeOwned>(
    sql: &SqlStorage,
    operation: &str,
    told: &str,
    now: UnixMillis,
) -> Result<Known<A>> {
    let orders = Expiring::new(sql, ORDERS);
    orders.forget(now)?;
    // Another order has an answer of another shape: what it was about is read first.
    match orders.get::<(String, IgnoredAny)>(operation)? {
        None => return Ok(Known::New),
        Some((before, _)) if before != told => return Ok(Known::Reused),
        Some(_) => {}
    }
    let stored: Option<(String, A)> = orders.get(operation)?;
    Ok(stored.map_or(Known::New, |(_, answer)| Known::Answered(answer)))
}

/// Remembers what an order was answered with, in the transaction that carries it out.
pub(crate) fn remember<A: Serialize>(
    sql: &SqlStorage,
    operation: &str,
    told: &str,
    answer: &A,
    now: UnixMillis,
) -> Result<()> {
    Expiring::new(sql, ORDERS).put(operation, &(told, answer), now.plus(REMEMBER_FOR))
}
