//! New passwords that are known from breaches: refused, if the deployment asks and the service answers.
//!
//! Asked before anything is hashed, and for every address alike. Without an answer the password is taken: a service
//! that fails must not keep people from changing a password. That is logged, and recorded once a minute.

use crate::environment::Environment;
use crate::route::exchange::Exchange;
use crate::store::directory::AuditRow;
use crate::wire::body::read_up_to;
use crate::wire::outgoing;
use crate::wire::problem::Problem;
use postern_core::config::BreachCheck;
use postern_core::password::{BreachQuery, PasswordInput, PasswordViolation};
use postern_core::time::UnixMillis;
use std::cell::Cell;
use std::time::Duration;
use worker::{AbortSignal, Error, Fetch, Headers, ResponseBody, Result};

/// About a thousand lines come, of some 40 bytes.
const MOST_ANSWER_BYTES: usize = 512 * 1024;
const MILLIS_BETWEEN_RECORDS: u64 = 60_000;

/// Refuses a new password that is known from breaches.
pub(crate) async fn refuse_known(
    exchange: &Exchange,
    field: &'static str,
    password: &PasswordInput,
) -> std::result::Result<(), Problem> {
    let BreachCheck::Range { url, timeout } = &exchange.environment.config().passwords().breach_check else {
        return Ok(());
    };
    let query = BreachQuery::about(password);
    match ask(url.as_str(), query.prefix(), *timeout).await {
        Ok(answer) if query.is_known_by(&answer) => {
            Err(Problem::invalid_fields(field, &[PasswordViolation::Breached]))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            worker::console_error!("breach check: a password was taken unchecked: {error}");
            record_afterwards(exchange);
            Ok(())
        }
    }
}

/// What is known under a prefix.
async fn ask(url: &str, prefix: &str, timeout: Duration) -> Result<String> {
    let headers = Headers::new();
    // Without padding, the length of the answer tells whoever watches the line which prefix was asked for.
    headers.set("add-padding", "true")?;
    let request = outgoing::get(&format!("{url}/{prefix}"), &headers)?;
    let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let signal = AbortSignal::from(worker::web_sys::AbortSignal::timeout_with_u32(millis));
    let response = Fetch::Request(request).send_with_signal(&signal).await?;
    let status = response.status_code();
    if status != 200 {
        return Err(Error::RustError(format!("answered {status}")));
    }
    let bytes = match response.body() {
        ResponseBody::Stream(stream) => read_up_to(stream.clone(), MOST_ANSWER_BYTES).await?,
        ResponseBody::Body(bytes) => Some(bytes.clone()),
        ResponseBody::Empty => Some(Vec::new()),
    };
    let bytes = bytes.ok_or_else(|| Error::RustError("answered with too many bytes".into()))?;
    String::from_utf8(bytes).map_err(|_| Error::RustError("answered with no text".into()))
}

thread_local! {
    /// When this isolate last recorded that the service fails.
    static LAST_RECORD: Cell<UnixMillis> = const { Cell::new(UnixMillis::new(0)) };
}

/// One line of the audit trail a minute, however many passwords come.
fn record_afterwards(exchange: &Exchange) {
    let now = exchange.ambient.now();
    if now.millis_since(LAST_RECORD.get()) < MILLIS_BETWEEN_RECORDS {
        return;
    }
    LAST_RECORD.set(now);
    let (environment, Ok(directory)) = (exchange.environment.clone(), exchange.directory()) else { return };
    exchange.afterwards(async move {
        let id = Environment::draw_id(&environment).map_err(|error| Problem::internal("id", error))?;
        let row = AuditRow {
            occurred_at: now,
            tenant: environment.config().tenant().as_str(),
            account: None,
            session: None,
            event: "breach_check_unavailable",
            detail: None,
        };
        directory.record_audit(&id, &row).await
    });
}
