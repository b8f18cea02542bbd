//! Finishing a credential change: the account object drops what the old credential opened.

use crate::environment::Environment;
use crate::object::account::FenceChange;
use crate::store::accounts::Accounts;
use crate::store::directory::Directory;
use crate::wire::problem::Problem;
use postern_core::id::AccountId;
use postern_core::session::RevokeReason;

/// Closes the fence that an earlier change has left open, and says whether there was one. Every change begins with
/// this: it would otherwise outlive what the earlier one ends, and its owner would be told of one of the two only.
///
/// # Errors
///
/// As [`close`].
pub(crate) async fn settle(
    environment: &Environment,
    directory: &Directory,
    account: &AccountId,
) -> Result<bool, Problem> {
    let Some(open) = directory.open_fence(account).await? else { return Ok(false) };
    close(environment, directory, account, open.credential_version, open.change()).await?;
    Ok(true)
}

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
    let reason =
        change.as_ref().map_or(RevokeReason::PasswordChange, |about| RevokeReason::of_change(about.change));
    Accounts::new(environment).fence(account, version, reason, change).await.map_err(|error| {
        worker::console_error!("fence of {account}: {error}");
        Problem::invalidation_pending()
    })?;
    // What failed has been logged where it was made.
    directory.close_fence(account, version).await.map_err(|_| Problem::invalidation_pending())
}
