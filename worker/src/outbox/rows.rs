//! The outbox table of an object, and its delivery by alarm.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::call::ask;
use crate::object::revocation::{self, RevocationCall};
use crate::outbox::message::{Message, Owner, Parcel};
use crate::outbox::snapshot;
use postern_core::revocation::shard_of;
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize};
use worker::{Env, Error, Result, SqlStorage, SqlStorageValue, Storage};

/// The first wait for an acknowledgement; each further one is as long again.
const RETRY_AFTER: Seconds = Seconds::new(20);
/// The longest wait between two deliveries of one row.
const RETRY_AT_MOST: Seconds = Seconds::new(900);
/// A row that nobody acknowledged for this long is given up, with a line in the log.
const GIVE_UP_AFTER: Seconds = Seconds::new(3 * 86_400);
const ROWS_PER_ALARM: i32 = 64;

#[derive(Serialize, Deserialize)]
struct Row {
    created_at: UnixMillis,
    attempts: u32,
    message: Message,
}

/// Creates the table. Called before the first write of the object.
pub(crate) fn create(sql: &SqlStorage) -> Result<()> {
    let query = "CREATE TABLE IF NOT EXISTS outbox \
                 (id TEXT PRIMARY KEY, next_at INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID";
    sql.exec(query, None)?;
    Ok(())
}

/// Adds a row inside the owner's transaction. The same id twice is one row.
pub(crate) fn enqueue(sql: &SqlStorage, id: &str, message: Message, now: UnixMillis) -> Result<()> {
    let row = serde_json::to_string(&Row { created_at: now, attempts: 0, message })?;
    let query = "INSERT OR IGNORE INTO outbox (id, next_at, record) VALUES (?, ?, ?)";
    sql.exec(query, vec![id.into(), millis(now), row.into()])?;
    Ok(())
}

/// Whether something is due.
pub(crate) fn is_pending(sql: &SqlStorage, now: UnixMillis) -> Result<bool> {
    Ok(next_at(sql)?.is_some_and(|next| next <= now))
}

/// Removes rows whose delivery is confirmed.
pub(crate) fn acknowledge(sql: &SqlStorage, ids: &[String]) -> Result<()> {
    for id in ids {
        sql.exec("DELETE FROM outbox WHERE id = ?", vec![id.as_str().into()])?;
    }
    Ok(())
}

/// Sets the alarm so that what was just enqueued is delivered at once.
pub(crate) async fn wake(storage: &Storage) -> Result<()> {
    storage.set_alarm(0).await
}

/// The alarm: delivers what is due, and sets the next alarm for what remains.
pub(crate) async fn deliver_due(storage: &Storage, env: &Env, owner: &Owner, ambient: Ambient) -> Result<()> {
    let sql = storage.sql();
    let now = ambient.now();
    for (id, row) in due(&sql, now)? {
        if now.millis_since(row.created_at) > GIVE_UP_AFTER.as_millis() {
            worker::console_error!("outbox row {id} was never acknowledged and is given up");
            acknowledge(&sql, &[id])?;
            continue;
        }
        let by_queue = row.message.goes_by_queue();
        match deliver(&sql, env, owner, &id, &row, now).await {
            Ok(()) if !by_queue => acknowledge(&sql, &[id])?,
            outcome => {
                if let Err(error) = outcome {
                    worker::console_error!("outbox row {id}: {error}");
                }
                defer(&sql, &id, row, now)?;
            }
        }
    }
    if let Some(next) = next_at(&sql)? {
        storage.set_alarm(i64::try_from(next.millis_since(now)).unwrap_or(0)).await?;
    }
    Ok(())
}

async fn deliver(
    sql: &SqlStorage,
    env: &Env,
    owner: &Owner,
    id: &str,
    row: &Row,
    now: UnixMillis,
) -> Result<()> {
    match &row.message {
        Message::Mail(_) | Message::Audit(_) => {
            let parcel = Parcel {
                id: id.into(),
                owner: owner.clone(),
                created_at: row.created_at,
                message: row.message.clone(),
            };
            Environment::queue(env)?.send(serde_json::to_string(&parcel)?).await
        }
        Message::Mark(mark) => {
            let shard = shard_of(&mark.account);
            let call = RevocationCall::Mark { shard, marks: vec![*mark] };
            let marked: bool = ask(&Environment::revocations(env)?, &revocation::name(shard), &call)
                .await
                .map_err(|error| Error::RustError(error.to_string()))?;
            if marked { Ok(()) } else { Err(Error::RustError("a mark was not taken".into())) }
        }
        Message::Snapshot { session } => snapshot::deliver(sql, env, owner, session, now).await,
    }
}

fn due(sql: &SqlStorage, now: UnixMillis) -> Result<Vec<(String, Row)>> {
    let query = "SELECT id, record FROM outbox WHERE next_at <= ? ORDER BY next_at LIMIT ?";
    let rows = sql.exec(query, vec![millis(now), ROWS_PER_ALARM.into()])?.raw().map(|row| {
        let mut columns = row?.into_iter();
        match (columns.next(), columns.next()) {
            (Some(SqlStorageValue::String(id)), Some(SqlStorageValue::String(record))) => {
                Ok((id, serde_json::from_str(&record)?))
            }
            _ => Err(Error::RustError("an outbox row is not two texts".into())),
        }
    });
    rows.collect()
}

fn defer(sql: &SqlStorage, id: &str, mut row: Row, now: UnixMillis) -> Result<()> {
    row.attempts = row.attempts.saturating_add(1);
    let wait = RETRY_AFTER.as_secs().saturating_mul(row.attempts).min(RETRY_AT_MOST.as_secs());
    let query = "UPDATE outbox SET next_at = ?, record = ? WHERE id = ?";
    let next = millis(now.plus(Seconds::new(wait)));
    sql.exec(query, vec![next, serde_json::to_string(&row)?.into(), id.into()])?;
    Ok(())
}

fn next_at(sql: &SqlStorage) -> Result<Option<UnixMillis>> {
    let row = sql.exec("SELECT MIN(next_at) FROM outbox", None)?.raw().next().transpose()?;
    Ok(match row.and_then(|columns| columns.into_iter().next()) {
        Some(SqlStorageValue::Integer(next)) => Some(UnixMillis::new(u64::try_from(next).unwrap_or(0))),
        _ => None,
    })
}

fn millis(at: UnixMillis) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(at.as_millis()).unwrap_or(i64::MAX))
}
