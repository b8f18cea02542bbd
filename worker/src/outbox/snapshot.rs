//! The copy of a session at the edge, made from what the account has stored when it is written.

use crate::environment::Environment;
use crate::object::account::SESSIONS;
use crate::object::records::Records;
use crate::outbox::message::{Owner, SessionSnapshot};
use crate::store::edge;
use postern_core::id::SessionId;
use postern_core::session::{SessionRecord, SessionState};
use postern_core::time::UnixMillis;
use worker::{Env, Result, SqlStorage};

/// Writes the copy of a live session, and removes that of any other. Only accounts have sessions.
pub(crate) async fn deliver(
    sql: &SqlStorage,
    env: &Env,
    owner: &Owner,
    session: &SessionId,
    now: UnixMillis,
) -> Result<()> {
    let Owner::Account(account) = owner else { return Ok(()) };
    let edge = Environment::edge(env)?;
    let stored: Option<SessionRecord> = Records::new(sql, SESSIONS).get(&session.to_string())?;
    match stored.filter(|stored| stored.state(now) == SessionState::Live) {
        Some(live) => {
            let snapshot = SessionSnapshot {
                account: *account,
                session: live.id,
                created_at: live.created_at,
                expires_at: live.absolute_expires_at,
            };
            edge::write_snapshot(&edge, &snapshot, now).await
        }
        None => edge::delete_snapshot(&edge, account, session).await,
    }
}
