//! The copy of a session at the edge, made from what the account has stored when it is written.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::account::snapshot_of;
use crate::outbox::message::Owner;
use crate::store::{edge, keyring};
use crate::wire::problem::Problem;
use postern_core::id::SessionId;
use worker::{Env, Error, Result, SqlStorage};

/// Writes the copy of a live session, and removes that of any other. Only accounts have sessions.
pub(crate) async fn deliver(
    sql: &SqlStorage,
    env: &Env,
    owner: &Owner,
    session: &SessionId,
    ambient: Ambient,
) -> Result<()> {
    let Owner::Account(account) = owner else { return Ok(()) };
    let because = |problem: Problem| Error::RustError(problem.code().into());
    let edge = Environment::edge(env)?;
    if snapshot_of(sql, env, session, ambient.now())?.is_none() {
        return edge::delete_snapshot(&edge, account, session).await;
    }
    // The keys first: what is copied is what is stored now, without a wait in between.
    let environment = Environment::open(env).map_err(because)?;
    let keyring = keyring::load(&environment, ambient).await.map_err(because)?;
    match snapshot_of(sql, env, session, ambient.now())? {
        Some(snapshot) => edge::write_snapshot(&edge, &keyring, &snapshot, ambient.now()).await,
        None => edge::delete_snapshot(&edge, account, session).await,
    }
}
