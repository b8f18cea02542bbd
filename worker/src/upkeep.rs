//! The minute's work: credential changes that an account object has not confirmed, accounts to be purged, keys whose
//! time has come, and rows that have expired.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::store::accounts::Accounts;
use crate::store::authorization::{self, Named};
use crate::store::directory::{Directory, PendingFence};
use crate::store::entitlements::{self, OpenList};
use crate::store::{definitions, fence, keyring};
use crate::wire::problem::Problem;
use postern_core::account::Actor;
use postern_core::id::AccountId;
use postern_core::time::{Seconds, UnixMillis};

/// The first wait after a fence that could not be closed; doubled by each further one.
const RETRY_AFTER: Seconds = Seconds::new(60);
const RETRY_AT_MOST: Seconds = Seconds::new(3_600);
/// Longer than the outbox repeats any mail: the longest is worth sending for three days.
const KEEP_DELIVERIES: Seconds = Seconds::new(7 * 86_400);
/// A year, and a month to look back at it.
const KEEP_AUDIT: Seconds = Seconds::new(396 * 86_400);

/// Does all of it, each step whatever became of the others. What fails is logged and tried again later.
pub(crate) async fn run(environment: &Environment, ambient: Ambient) -> Result<(), Problem> {
    let directory = environment.directory()?;
    let now = ambient.now();
    let steps = [
        ("fences", close_fences(environment, &directory, now).await),
        ("deleted accounts", purge_deleted(environment, &directory, now).await),
        ("definitions", spread_definitions(environment, &directory, now).await),
        ("entitlements", tell_entitlements(environment, &directory, now).await),
        ("authorizations", tell_authorizations(environment, &directory, now).await),
        ("keys", keyring::settle(environment).await),
        ("deliveries", directory.forget_deliveries(before(now, KEEP_DELIVERIES)).await),
        ("changes of address or number", directory.forget_contact_changes(now).await),
        ("audit trail", directory.forget_audit(before(now, KEEP_AUDIT)).await),
    ];
    for (step, outcome) in steps {
        if let Err(problem) = outcome {
            worker::console_error!("upkeep of {step}: {}", problem.code());
        }
    }
    Ok(())
}

async fn close_fences(
    environment: &Environment,
    directory: &Directory,
    now: UnixMillis,
) -> Result<(), Problem> {
    for open in directory.open_fences(now).await? {
        let closed = close_fence(environment, directory, &open).await;
        if let Err(problem) = closed {
            worker::console_error!("fence of {} stays open: {}", open.account_id, problem.code());
            directory.postpone_fence(&open.account_id, next_try(&open, now)).await?;
        }
    }
    Ok(())
}

async fn close_fence(
    environment: &Environment,
    directory: &Directory,
    open: &PendingFence,
) -> Result<(), Problem> {
    let environment = &of_account(environment, directory, &open.account_id).await?;
    fence::close(environment, directory, &open.account_id, open.credential_version, open.change()).await
}

/// The deployment as the tenant of an account has it.
async fn of_account(
    environment: &Environment,
    directory: &Directory,
    account: &AccountId,
) -> Result<Environment, Problem> {
    if !environment.has_tenants() {
        return Ok(environment.clone());
    }
    let tenant = directory.tenant_of(account).await?.ok_or_else(Problem::not_found)?;
    environment.of_tenant(&tenant)
}

/// Changes of entitlements that their account objects have not confirmed.
async fn tell_entitlements(
    environment: &Environment,
    directory: &Directory,
    now: UnixMillis,
) -> Result<(), Problem> {
    for OpenList { account_id } in directory.open_entitlement_lists(now).await? {
        let told = match of_account(environment, directory, &account_id).await {
            Ok(environment) => entitlements::publish(&environment, directory, &account_id, now).await,
            Err(problem) => Err(problem),
        };
        if told.is_err() {
            directory.postpone_entitlement_list(&account_id, now).await?;
        }
    }
    Ok(())
}

/// What operators have defined: its copy for readers, and those who do not know of a change yet.
async fn spread_definitions(
    environment: &Environment,
    directory: &Directory,
    now: UnixMillis,
) -> Result<(), Problem> {
    if !environment.config().permissions().runtime {
        return Ok(());
    }
    definitions::publish(environment, now).await?;
    definitions::spread_on(environment, directory, now).await
}

/// Changes of what accounts were given that their objects have not confirmed.
async fn tell_authorizations(
    environment: &Environment,
    directory: &Directory,
    now: UnixMillis,
) -> Result<(), Problem> {
    for Named { account_id } in directory.open_authorizations(now).await? {
        let told = match of_account(environment, directory, &account_id).await {
            Ok(environment) => authorization::publish(&environment, directory, &account_id).await,
            Err(problem) => Err(problem),
        };
        if told.is_err() {
            directory.postpone_authorization(&account_id, now).await?;
        }
    }
    Ok(())
}

/// Purges what was deleted long enough ago, some at a time. One that cannot be purged keeps no other from it.
async fn purge_deleted(
    environment: &Environment,
    directory: &Directory,
    now: UnixMillis,
) -> Result<(), Problem> {
    let Some(age) = environment.config().accounts().purge_after else { return Ok(()) };
    let cutoff = before(now, age);
    for deleted in directory.deleted_before(&environment.tenants(), cutoff).await? {
        let account = deleted.account_id;
        let purged = match of_account(environment, directory, &account).await {
            Ok(environment) => {
                Accounts::new(&environment).purge(&account, Actor::System, Some(cutoff)).await.map(drop)
            }
            Err(problem) => Err(problem),
        };
        if let Err(problem) = purged {
            worker::console_error!("account {account} is not purged: {}", problem.code());
        }
    }
    Ok(())
}

/// Later and later, so that fences that cannot be closed do not keep others from being tried.
fn next_try(fence: &PendingFence, now: UnixMillis) -> UnixMillis {
    let doubled = 2_u32.saturating_pow(fence.attempts);
    let wait = RETRY_AFTER.as_secs().saturating_mul(doubled).min(RETRY_AT_MOST.as_secs());
    now.plus(Seconds::new(wait))
}

fn before(now: UnixMillis, age: Seconds) -> UnixMillis {
    UnixMillis::new(now.as_millis().saturating_sub(age.as_millis()))
}
