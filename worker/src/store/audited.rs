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
        let written = self.prepare(
            &format!(
                "INSERT INTO audit_events (event_id, occurred_at, tenant, account_id, event, detail) \
                 SELECT ?{a}, ?{b}, ?{c}, ?{d}, ?{e}, ?{f} WHERE {condition}"
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
}
