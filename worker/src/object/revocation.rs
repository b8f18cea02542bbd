//! `RevocationObject`: one per shard of accounts, the one writer of that shard's list of revocation marks in KV.
//!
//! The list in KV says when it was written; readers trust it for the staleness bound and no longer
//! (`postern_core::revocation`). While there are readers they ask for a heartbeat, and the object writes the list
//! again; without readers nothing is written.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::alarm;
use crate::object::call::{self, Callee, export_callee};
#[cfg(feature = "development")]
use crate::object::development::{self, TwoWrites};
use crate::object::records::{self, Records, millis};
use crate::object::seats::{self, SeatCall};
use crate::object::sql::{Cursor, exec};
use crate::object::transaction::commit;
use crate::store::edge;
use postern_core::revocation::{RevocationMark, RevocationShard, Revoked};
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use worker::{
    DurableObject, Env, Error, Request, Response, Result, SqlStorage, SqlStorageValue, State, durable_object,
};

/// The marks that can still matter, each with the time when it can be forgotten.
const CREATE_MARKS: &str = "CREATE TABLE IF NOT EXISTS revocations \
    (key TEXT PRIMARY KEY, until INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID";
const CREATE_INDEX: &str = "CREATE INDEX IF NOT EXISTS revocations_until ON revocations (until)";
const WRITTEN: &str = "written";
/// Marks of one shard within one token life. Above it the list would be slow to read at the edge.
const MOST_MARKS: i64 = 4096;
/// The wait after a list that could not be written because it was too long.
const MILLIS_WHEN_FULL: i64 = 5_000;
/// KV accepts one write per key and second.
const MILLIS_BETWEEN_WRITES: u64 = 1_000;

/// What may be asked of a shard.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RevocationCall {
    /// Take these marks over. Answered with `true` once they are stored; the list in KV follows.
    Mark { shard: u8, marks: Vec<RevocationMark> },
    /// Somebody reads this shard: write it again if it is not fresh. Answered with `true`.
    Heartbeat { shard: u8 },
    /// About the seats of this shard's sessions, or of the pool. Answered with a `SeatAnswer`.
    Seat(SeatCall),
    /// Nothing about revocation. Answered with what is left of the writes.
    #[cfg(feature = "development")]
    TwoWrites(TwoWrites),
}

#[derive(Serialize, Deserialize)]
struct Written {
    shard: u8,
    /// When the list was last made, whether or not KV took it.
    at: UnixMillis,
}

/// The name of the object of a shard.
pub(crate) fn name(shard: u8) -> String {
    format!("v1/revocation/{shard:02}")
}

/// The object. See the module's documentation.
#[durable_object(alarm)]
pub struct RevocationObject {
    state: State,
    env: Env,
}

impl DurableObject for RevocationObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        call::over_fetch(self, request).await
    }

    async fn alarm(&self) -> Result<Response> {
        alarm::rings();
        if let Some(written) = self.last_written()? {
            self.publish(written.shard, Ambient::read().now()).await?;
        }
        Response::empty()
    }
}

export_callee!(RevocationObject);

impl Callee for RevocationObject {
    async fn answer(&self, message: &str) -> Result<String> {
        let now = Ambient::read().now();
        let (tenant, call): (_, RevocationCall) = call::receive_for_tenant(message)?;
        match call {
            RevocationCall::Mark { shard, ref marks } => {
                self.store(marks)?;
                // Stored is enough: no list that is made from now on lacks them, and every list made before stops
                // being trusted within the bound. Whatever else fails is not the caller's concern.
                if let Err(error) = self.publish_soon(shard, now).await {
                    worker::console_error!("revocation shard {shard}: {error}");
                }
            }
            RevocationCall::Heartbeat { shard } => self.heartbeat(shard, now).await?,
            RevocationCall::Seat(call) => {
                let tenant = tenant.ok_or_else(|| Error::RustError("seats are a tenant's".into()))?;
                return records::write(&seats::carry_out(&self.state.storage(), &tenant, call, now)?);
            }
            #[cfg(feature = "development")]
            RevocationCall::TwoWrites(call) => {
                return records::write(&development::make(&self.state.storage(), call)?);
            }
        }
        records::write(&true)
    }
}

impl RevocationObject {
    fn store(&self, marks: &[RevocationMark]) -> Result<()> {
        let storage = self.state.storage();
        let sql = storage.sql();
        commit(&storage, || {
            create(&sql)?;
            marks.iter().try_for_each(|mark| put(&sql, mark))?;
            seats::free(&sql, marks)
        })
    }

    /// Writes the list again, unless it is younger than readers ask for.
    async fn heartbeat(&self, shard: u8, now: UnixMillis) -> Result<()> {
        let environment =
            Environment::open(&self.env).map_err(|problem| Error::RustError(problem.code().into()))?;
        let staleness = environment.config().validation().staleness;
        let is_young = |last: Written| now.millis_since(last.at) < staleness.as_millis() / 3;
        if self.last_written()?.is_some_and(is_young) {
            return Ok(());
        }
        self.publish_soon(shard, now).await
    }

    fn last_written(&self) -> Result<Option<Written>> {
        let sql = self.state.storage().sql();
        if records::exist(&sql, WRITTEN)? { Records::new(&sql, WRITTEN).get("last") } else { Ok(None) }
    }

    /// Writes the list now, or sets the alarm for the moment when KV takes it.
    async fn publish_soon(&self, shard: u8, now: UnixMillis) -> Result<()> {
        let storage = self.state.storage();
        let since = self.last_written()?.map_or(u64::MAX, |last| now.millis_since(last.at));
        if since >= MILLIS_BETWEEN_WRITES {
            return self.publish(shard, now).await;
        }
        // The alarm alone knows that something waits, so a crash here loses nothing but a heartbeat.
        let wait = i64::try_from(MILLIS_BETWEEN_WRITES.saturating_sub(since)).unwrap_or(1_000);
        alarm::set(&storage, wait).await
    }

    async fn publish(&self, shard: u8, now: UnixMillis) -> Result<()> {
        let storage = self.state.storage();
        let sql = storage.sql();
        let list = commit(&storage, || {
            create(&sql)?;
            let marks = live_marks(&sql, now)?;
            Records::new(&sql, WRITTEN).put("last", &Written { shard, at: now })?;
            Ok(marks.map(|marks| RevocationShard { written_at: now, marks }))
        })?;
        let Some(list) = list else {
            // Readers stop trusting the copy they have within the bound, and ask the accounts themselves.
            worker::console_error!("revocation shard {shard} holds more than {MOST_MARKS} marks");
            return alarm::set(&storage, MILLIS_WHEN_FULL).await;
        };
        let edge = Environment::edge(&self.env)?;
        if let Err(error) = edge::write_revocation_shard(&edge, shard, &list).await {
            worker::console_error!("revocation shard {shard}: {error}");
            alarm::set(&storage, 1_000).await?;
        }
        Ok(())
    }
}

fn is_covered(stored: Option<RevocationMark>, mark: &RevocationMark) -> bool {
    match (stored.map(|stored| (stored.revoked, stored.until)), mark.revoked) {
        (Some((Revoked::OlderThan(stored), until)), Revoked::OlderThan(new)) => {
            stored > new || (stored == new && until >= mark.until)
        }
        (Some((Revoked::Session(_), until)), Revoked::Session(_)) => until >= mark.until,
        _ => false,
    }
}

fn create(sql: &SqlStorage) -> Result<()> {
    exec(sql, CREATE_MARKS, None)?;
    exec(sql, CREATE_INDEX, None)?;
    records::create(sql, &[WRITTEN])
}

fn put(sql: &SqlStorage, mark: &RevocationMark) -> Result<()> {
    let key = match mark.revoked {
        Revoked::Session(session) => format!("{}/session/{session}", mark.account),
        // One row per account is enough: a higher version covers every lower one.
        Revoked::OlderThan(_) => format!("{}/version", mark.account),
    };
    let stored = exec(sql, "SELECT record FROM revocations WHERE key = ?", vec![key.as_str().into()])?;
    let stored = marks_of(&stored)?.pop();
    if is_covered(stored, mark) {
        return Ok(());
    }
    let query = "INSERT INTO revocations (key, until, record) VALUES (?, ?, ?) \
                 ON CONFLICT (key) DO UPDATE SET until = excluded.until, record = excluded.record";
    let record = records::write(mark)?;
    exec(sql, query, vec![key.into(), millis(mark.until), record.into()])?;
    Ok(())
}

/// The marks that still matter, or `None` if they are too many for one list. Those that do not are deleted first:
/// a list is whole or is not made at all.
fn live_marks(sql: &SqlStorage, now: UnixMillis) -> Result<Option<Vec<RevocationMark>>> {
    exec(sql, "DELETE FROM revocations WHERE until <= ?", vec![millis(now)])?;
    let count = exec(sql, "SELECT COUNT(*) FROM revocations", None)?.raw().next().transpose()?;
    match count.and_then(|columns| columns.into_iter().next()) {
        Some(SqlStorageValue::Integer(count)) if count <= MOST_MARKS => {
            marks_of(&exec(sql, "SELECT record FROM revocations", None)?).map(Some)
        }
        Some(SqlStorageValue::Integer(_)) => Ok(None),
        _ => Err(Error::RustError("rows could not be counted".into())),
    }
}

fn marks_of(rows: &Cursor) -> Result<Vec<RevocationMark>> {
    let marks = rows.raw().map(|row| match row?.into_iter().next() {
        Some(SqlStorageValue::String(record)) => records::read(record.as_bytes()),
        _ => Err(Error::RustError("a stored mark is not a text".into())),
    });
    marks.collect()
}
