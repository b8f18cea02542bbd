//! The copy of an account's status in the directory, made from what the account has stored when it is written.

use crate::environment::Environment;
use crate::object::account::ACCOUNT;
use crate::object::records::Records;
use crate::outbox::message::Owner;
use crate::store::directory::Directory;
use postern_core::account::{AccountRecord, AccountStatus};
use worker::{Env, Error, Result, SqlStorage};

/// Writes the copy; of a purged account, removes whatever the directory has. Only accounts have a status.
pub(crate) async fn deliver(sql: &SqlStorage, env: &Env, owner: &Owner) -> Result<()> {
    let Owner::Account(id) = owner else { return Ok(()) };
    let stored: Option<AccountRecord> = Records::new(sql, ACCOUNT).get(ACCOUNT)?;
    let Some(account) = stored else { return Ok(()) };
    let database = Environment::database(env)?;
    let directory =
        Directory::new(database, &[]).map_err(|problem| Error::RustError(problem.code().into()))?;
    let written = match account.status {
        AccountStatus::Purged => directory.purge(id).await,
        _ => directory.copy_status(&account).await,
    };
    written.map_err(|problem| Error::RustError(problem.code().into()))
}
