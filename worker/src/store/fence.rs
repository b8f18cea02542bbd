//! Finishing a credential change: the account object drops what the old credential opened.

use crate::environment::Environment;
use crate::object::account::FenceChange;
use crate::store::accounts::Accounts;
use crate::store::directory::Directory;
use crate::wire::problem::Problem;
use postern_core::id::AccountId;
use postern_core::session::RevokeReason;

/// Tells the account object, and the directory that it knows.
///
/// # Errors
///
/// `invalidation_pending` if either did not confirm. The change is stored, its fence stays open, and the cron
/// goes on with it.
pub(crate) async fn close(
    environment: &Environment,
    directory: &Directory,
    account: &AccountId,
    version: u32,
    change: Option<FenceChange>,
) -> Result<(), Problem> {
    let reason = RevokeReason::PasswordChange;
    Accounts::new(environment).fence(account, version, reason, change).await.map_err(|error| {
        worker::console_error!("fence of {account}: {error}");
        Problem::invalidation_pending()
    })?;
    // What failed has been logged where it was made.
    directory.close_fence(account, version).await.map_err(|_| Problem::invalidation_pending())
}
