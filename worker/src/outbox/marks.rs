//! Revocation marks on their way from an account's outbox to the revocation shard: many in one call, before the
//! account answers whoever ended a session, and first of all when an alarm has to repeat it.

use crate::environment::Environment;
use crate::object::call::{Unconfirmed, ask};
use crate::object::revocation::{self, RevocationCall};
use crate::object::sql::exec;
use crate::outbox::message::Message;
use postern_core::json::record;
use postern_core::revocation::{RevocationMark, shard_of};
use postern_core::time::{Seconds, UnixMillis};
use serde::Deserialize;
use worker::{Env, Error, Result, SqlStorage, SqlStorageValue, Storage};

/// Ids of rows with marks begin with this; `.` is the character after `-`.
const PREFIX: &str = "mark-";
const AFTER_PREFIX: &str = "mark.";
/// Marks in one call.
const MARKS_PER_CALL: i32 = 512;
/// The wait before an alarm tries again.
const RETRY_AFTER: Seconds = Seconds::new(5);

#[derive(Deserialize)]
struct Row {
    message: Message,
}

/// The id of a mark's row in the outbox.
pub(crate) fn row_id(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// Whether a mark waits, due or not.
pub(crate) fn wait(sql: &SqlStorage) -> Result<bool> {
    let query = "SELECT 1 FROM outbox WHERE id >= ? AND id < ? LIMIT 1";
    Ok(exec(sql, query, range())?.raw().next().transpose()?.is_some())
}

/// Delivers every mark of the outbox, due or not, and removes the rows of those that the shard has stored.
/// `false` if one is left; why is in the log.
pub(crate) async fn deliver_marks(storage: &Storage, env: &Env, now: UnixMillis) -> bool {
    match deliver(storage, env, now).await {
        Ok(()) => true,
        Err(error) => {
            worker::console_error!("revocation marks: {error}");
            false
        }
    }
}

/// Makes the marks that are left due again in a while.
pub(crate) fn defer(sql: &SqlStorage, now: UnixMillis) -> Result<()> {
    let next = i64::try_from(now.plus(RETRY_AFTER).as_millis()).unwrap_or(i64::MAX);
    let [from, to] = ends();
    let query = "UPDATE outbox SET next_at = ? WHERE id >= ? AND id < ?";
    exec(sql, query, vec![SqlStorageValue::Integer(next), from, to])?;
    Ok(())
}

async fn deliver(storage: &Storage, env: &Env, now: UnixMillis) -> std::result::Result<(), Unconfirmed> {
    let sql = storage.sql();
    let mut after = PREFIX.to_owned();
    loop {
        let page = page(&sql, &after)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after.clone_from(last);
        let mut shards: Vec<(u8, Vec<String>, Vec<RevocationMark>)> = Vec::new();
        for (id, record) in page {
            match record::read::<Row>(record.as_bytes()) {
                // It can hit no token any more.
                Ok(Row { message: Message::Mark(mark) }) if mark.until <= now => forget(&sql, &[id])?,
                Ok(Row { message: Message::Mark(mark) }) => {
                    let shard = shard_of(&mark.account);
                    match shards.iter_mut().find(|(other, ..)| *other == shard) {
                        Some((_, ids, marks)) => {
                            ids.push(id);
                            marks.push(mark);
                        }
                        None => shards.push((shard, vec![id], vec![mark])),
                    }
                }
                Ok(_) | Err(_) => worker::console_error!("outbox row {id} is not a mark"),
            }
        }
        for (shard, ids, marks) in shards {
            let call = RevocationCall::Mark { shard, marks };
            if !ask::<_, bool>(&Environment::revocations(env)?, &revocation::name(shard), None, &call).await?
            {
                return Err(Unconfirmed::because("the shard did not take them"));
            }
            forget(&sql, &ids)?;
        }
    }
}

fn page(sql: &SqlStorage, after: &str) -> Result<Vec<(String, String)>> {
    let query = "SELECT id, record FROM outbox WHERE id > ? AND id < ? ORDER BY id LIMIT ?";
    let bindings = vec![after.into(), AFTER_PREFIX.into(), MARKS_PER_CALL.into()];
    let cursor = exec(sql, query, bindings)?;
    let rows = cursor.raw().map(|row| {
        let mut columns = row?.into_iter();
        match (columns.next(), columns.next()) {
            (Some(SqlStorageValue::String(id)), Some(SqlStorageValue::String(record))) => Ok((id, record)),
            _ => Err(Error::RustError("an outbox row is not two texts".into())),
        }
    });
    rows.collect()
}

fn forget(sql: &SqlStorage, ids: &[String]) -> Result<()> {
    for id in ids {
        exec(sql, "DELETE FROM outbox WHERE id = ?", vec![id.as_str().into()])?;
    }
    Ok(())
}

fn range() -> Vec<SqlStorageValue> {
    ends().into()
}

fn ends() -> [SqlStorageValue; 2] {
    [PREFIX.into(), AFTER_PREFIX.into()]
}
