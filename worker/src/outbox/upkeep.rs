//! The minute's work: credential changes that an account object has not confirmed, and rows that have expired.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::route::set_password::close_fence;
use crate::store::directory::Directory;
use crate::wire::problem::Problem;
use postern_core::time::UnixMillis;

/// A request closes its own fence within this; the cron takes over after.
const LEAVE_TO_REQUESTS_MILLIS: u64 = 10_000;
/// Longer than any outbox repeats a message.
const KEEP_DELIVERIES_MILLIS: u64 = 7 * 86_400_000;

/// Does all of it. What fails is tried again in a minute.
pub(crate) async fn run(environment: &Environment, ambient: Ambient) -> Result<(), Problem> {
    let directory = Directory::new(environment.directory()?);
    for fence in directory.open_fences(before(ambient, LEAVE_TO_REQUESTS_MILLIS)).await? {
        let closed = close_fence(environment, &directory, &fence.account_id, fence.credential_version).await;
        if let Err(problem) = closed {
            worker::console_error!("fence of {} stays open: {}", fence.account_id, problem.code());
        }
    }
    directory.forget_deliveries(before(ambient, KEEP_DELIVERIES_MILLIS)).await
}

fn before(ambient: Ambient, millis: u64) -> UnixMillis {
    UnixMillis::new(ambient.now().as_millis().saturating_sub(millis))
}
