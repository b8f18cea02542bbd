//! The outbox table of an object, and its delivery by alarm.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::alarm;
use crate::object::records::{self, millis};
use crate::object::sql::exec;
use crate::operations::{self, Store};
use crate::outbox::message::{Message, Owner, Parcel};
use crate::outbox::{snapshot, status};
use postern_core::json::record;
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize};
use worker::{Env, Error, Result, SqlStorage, SqlStorageValue, Storage};

/// The first wait after a delivery that failed. Doubled by each further one, as the other.
const RETRY_FAILED_AFTER: Seconds = Seconds::new(20);
/// The first wait for the acknowledgement of what the queue has taken: the queue tries again by itself, and
/// what is sent once more while it is behind makes it fall back further.
const RESEND_AFTER: Seconds = Seconds::new(30);
/// The longest wait between two deliveries of one row.
const RETRY_AT_MOST: Seconds = Seconds::new(900);
const ROWS_PER_ALARM: i32 = 64;

#[derive(Serialize, Deserialize)]
struct Row {
    created_at: UnixMillis,
    /// Deliveries so far, whatever came of them.
    attempts: u32,
    message: Message,
}

/// Creates the table. Called before the first write of the object.
pub(crate) fn create(sql: &SqlStorage) -> Result<()> {
    let query = "CREATE TABLE IF NOT EXISTS outbox \
                 (id TEXT PRIMARY KEY, next_at INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID; \
                 CREATE INDEX IF NOT EXISTS outbox_by_time ON outbox (next_at)";
    exec(sql, query, None)?;
    Ok(())
}

/// Adds a row inside the owner's transaction. The same id twice is one row.
pub(crate) fn enqueue(sql: &SqlStorage, id: &str, message: Message, now: UnixMillis) -> Result<()> {
    let row = records::write(&Row { created_at: now, attempts: 0, message })?;
    let query = "INSERT OR IGNORE INTO outbox (id, next_at, record) VALUES (?, ?, ?)";
    exec(sql, query, vec![id.into(), millis(now), row.into()])?;
    Ok(())
}

/// Whether something is due.
pub(crate) fn is_pending(sql: &SqlStorage, now: UnixMillis) -> Result<bool> {
    Ok(next_at(sql)?.is_some_and(|next| next <= now))
}

/// Whether nothing is left to be delivered.
pub(crate) fn is_empty(sql: &SqlStorage) -> Result<bool> {
    Ok(next_at(sql)?.is_none())
}

/// Removes rows whose delivery is confirmed.
pub(crate) fn acknowledge(sql: &SqlStorage, ids: &[String]) -> Result<()> {
    for id in ids {
        exec(sql, "DELETE FROM outbox WHERE id = ?", vec![id.as_str().into()])?;
    }
    Ok(())
}

/// Sets the alarm so that what was just enqueued is delivered at once.
pub(crate) async fn wake(storage: &Storage) -> Result<()> {
    alarm::set(storage, 0).await
}

/// The alarm: delivers what is due, and sets the next alarm for what remains.
///
/// Each row fails on its own: one that cannot be read or delivered waits, and the next one is taken.
pub(crate) async fn deliver_due(storage: &Storage, env: &Env, owner: &Owner, ambient: Ambient) -> Result<()> {
    let sql = storage.sql();
    let now = ambient.now();
    for (id, record) in due(&sql, now)? {
        let row: Row = match record::read(record.as_bytes()) {
            Ok(row) => row,
            Err(error) => {
                // Perhaps of a later version that was rolled back: kept for it.
                worker::console_error!("outbox row {id} is unreadable: {error}");
                move_to(&sql, &id, now.plus(RETRY_AT_MOST))?;
                continue;
            }
        };
        if row.message.expires_at(row.created_at).is_some_and(|over| over <= now) {
            worker::console_error!("outbox row {id} was never acknowledged and is worthless now: given up");
            acknowledge(&sql, &[id])?;
            continue;
        }
        let by_queue = row.message.goes_by_queue();
        match deliver(&sql, env, owner, &id, &row, ambient).await {
            Ok(()) if !by_queue => acknowledge(&sql, &[id])?,
            Ok(()) => defer(&sql, &id, row, RESEND_AFTER, now)?,
            Err(error) => {
                worker::console_error!("outbox row {id}: {error}");
                defer(&sql, &id, row, RETRY_FAILED_AFTER, now)?;
            }
        }
    }
    if let Some(next) = next_at(&sql)? {
        alarm::set(storage, i64::try_from(next.millis_since(now)).unwrap_or(0)).await?;
    }
    Ok(())
}

async fn deliver(
    sql: &SqlStorage,
    env: &Env,
    owner: &Owner,
    id: &str,
    row: &Row,
    ambient: Ambient,
) -> Result<()> {
    match &row.message {
        Message::Mail(_) | Message::Audit(_) | Message::Incident(_) => {
            let parcel = Parcel {
                id: id.into(),
                owner: owner.clone(),
                created_at: row.created_at,
                message: row.message.clone(),
            };
            operations::count(Store::Queue);
            Environment::queue(env)?.send(records::write(&parcel)?).await
        }
        // They go together and before everything else: `outbox::marks`.
        Message::Mark(_) => Err(Error::RustError("a mark was left to the rows".into())),
        Message::Status => status::deliver(sql, env, owner).await,
        Message::Snapshot { session } => snapshot::deliver(sql, env, owner, session, ambient).await,
    }
}

fn due(sql: &SqlStorage, now: UnixMillis) -> Result<Vec<(String, String)>> {
    let query = "SELECT id, record FROM outbox WHERE next_at <= ? ORDER BY next_at LIMIT ?";
    let mut found = Vec::new();
    let cursor = exec(sql, query, vec![millis(now), ROWS_PER_ALARM.into()])?;
    for row in cursor.raw() {
        let mut columns = row?.into_iter();
        if let (Some(SqlStorageValue::String(id)), Some(SqlStorageValue::String(record))) =
            (columns.next(), columns.next())
        {
            found.push((id, record));
        }
    }
    Ok(found)
}

fn defer(sql: &SqlStorage, id: &str, mut row: Row, first: Seconds, now: UnixMillis) -> Result<()> {
    let doubled = 2_u32.saturating_pow(row.attempts);
    let wait = first.as_secs().saturating_mul(doubled).min(RETRY_AT_MOST.as_secs());
    row.attempts = row.attempts.saturating_add(1);
    let query = "UPDATE outbox SET record = ? WHERE id = ?";
    exec(sql, query, vec![records::write(&row)?.into(), id.into()])?;
    move_to(sql, id, now.plus(Seconds::new(wait)))
}

fn move_to(sql: &SqlStorage, id: &str, next: UnixMillis) -> Result<()> {
    exec(sql, "UPDATE outbox SET next_at = ? WHERE id = ?", vec![millis(next), id.into()])?;
    Ok(())
}

fn next_at(sql: &SqlStorage) -> Result<Option<UnixMillis>> {
    let row = exec(sql, "SELECT MIN(next_at) FROM outbox", None)?.raw().next().transpose()?;
    Ok(match row.and_then(|columns| columns.into_iter().next()) {
        Some(SqlStorageValue::Integer(next)) => Some(UnixMillis::new(u64::try_from(next).unwrap_or(0))),
        _ => None,
    })
}
