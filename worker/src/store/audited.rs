//! Changes that happen only together with their line of the audit trail.
//!
//! One batch: its first statement writes the line if the change may be made by what the directory has at that moment, and
//! every other happens only if the line is there. So of two requests that exclude each other one is carried out.

use crate::store::directory::{Directory, millis, unavailable};
use crate::store::statement::Statement;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::time::UnixMillis;
use worker::wasm_bindgen::JsValue;

/// The digits of an operation that come from the key of the order.
const SAME_KEY_DIGITS: usize = 16;

/// The rest of a batch happens only if this holds; its value is the operation.
macro_rules! if_done {
    () => {
        "EXISTS (SELECT 1 FROM audit_events WHERE event_id = ?)"
    };
}
pub(super) use if_done;

/// A line of the audit trail, under the operation that it is about.
pub(super) struct Line<'a> {
    pub(super) operation: OperationId,
    pub(super) tenant: &'a TenantId,
    /// Whom it is about.
    pub(super) account: Option<AccountId>,
    pub(super) event: &'a str,
    pub(super) detail: &'a str,
    pub(super) now: UnixMillis,
}

impl Directory {
    /// Writes the line and what follows if `condition` holds, whose values are `bound` from `?1` on. `false` if it did not
    /// hold; `true` also when this operation was carried out before.
    pub(super) async fn commit_if(
        &self,
        line: &Line<'_>,
        condition: &str,
        mut bound: Vec<JsValue>,
        then: Vec<Statement>,
    ) -> Result<bool, Problem> {
        let first = bound.len();
        let [a, b, c, d, e, f] = [1, 2, 3, 4, 5, 6].map(|place| first.saturating_add(place));
        bound.extend([
            line.operation.to_string().into(),
            millis(line.now),
            line.tenant.as_str().into(),
            line.account.map_or(JsValue::NULL, |account| account.to_string().into()),
            line.event.into(),
            line.detail.into(),
        ]);
        // A line that is there already is written once more, too, and refused: otherwise what follows would happen again.
        let written = self.prepare(
            &format!(
                "INSERT INTO audit_events (event_id, occurred_at, tenant, account_id, event, detail) \
                 SELECT ?{a}, ?{b}, ?{c}, ?{d}, ?{e}, ?{f} \
                 WHERE ({condition}) OR EXISTS (SELECT 1 FROM audit_events WHERE event_id = ?{a})"
            ),
            &bound,
        )?;
        let mut statements = vec![written];
        statements.extend(then);
        let outcome = self.transact(statements).await;
        // Also after an error: the same operation twice is refused by the line's primary key, as a whole.
        match (self.was_authorized(line.operation).await?, outcome) {
            (true, _) => Ok(true),
            (false, Ok(())) => Ok(false),
            (false, Err(error)) => Err(unavailable(error)),
        }
    }

    /// The same for an order whose operation begins with what its key comes to
    /// ([`Operator::order_of`](crate::route::admin::operator::Operator::order_of)).
    ///
    /// # Errors
    ///
    /// `idempotency_key_reused` if another order was carried out under that key.
    pub(super) async fn commit_order(
        &self,
        line: &Line<'_>,
        condition: &str,
        mut bound: Vec<JsValue>,
        then: Vec<Statement>,
    ) -> Result<bool, Problem> {
        let operation = line.operation.to_string();
        let beginning: String = operation.chars().take(SAME_KEY_DIGITS).collect();
        // Sorts after every digit.
        let others = [beginning.clone().into(), format!("{beginning}g").into(), operation.into()];
        let first = bound.len();
        let [from, to, own] = [1, 2, 3].map(|place| first.saturating_add(place));
        bound.extend(others.clone());
        let is_first = format!(
            "{condition} AND NOT EXISTS (SELECT 1 FROM audit_events WHERE event_id > ?{from} AND event_id < ?{to} \
             AND substr(event_id, 1, 32) <> ?{own})"
        );
        if self.commit_if(line, &is_first, bound, then).await? {
            return Ok(true);
        }
        let query = "SELECT event_id FROM audit_events WHERE event_id > ? AND event_id < ? \
                     AND substr(event_id, 1, 32) <> ? LIMIT 1";
        let other: Option<String> =
            self.prepare(query, &others)?.first(Some("event_id")).await.map_err(unavailable)?;
        if other.is_some() { Err(Problem::idempotency_key_reused()) } else { Ok(false) }
    }
}
