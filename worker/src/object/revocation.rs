//! `RevocationObject`: one per shard of accounts, the one writer of that shard's list of revocation marks in KV.
//!
//! The list in KV says when it was written; readers trust it for the staleness bound and no longer
//! (`postern_core::revocation`). While there are readers they ask for a heartbeat, and the object writes the list
//! again; without readers nothing is written.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::call;
#[cfg(feature = "development")]
use crate::object::development::{self, TwoWrites};
use crate::object::records::{self, Records};
use crate::object::transaction::commit;
use crate::store::edge;
use postern_core::revocation::{RevocationMark, RevocationShard, Revoked};
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use worker::{DurableObject, Env, Request, Response, Result, SqlStorage, State, durable_object};

const MARKS: &str = "marks";
const WRITTEN: &str = "written";
/// Marks of one shard within one token life. Above it the list would be slow to read at the edge.
const MOST_MARKS: u16 = 4096;
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
    /// Nothing about revocation. Answered with what is left of the writes.
    #[cfg(feature = "development")]
    TwoWrites(TwoWrites),
}

#[derive(Serialize, Deserialize)]
struct Written {
    shard: u8,
    at: UnixMillis,
}

/// The name of the object of a shard.
pub(crate) fn name(shard: u8) -> String {
    format!("v1/revocation/{shard:02}")
}

/// The object. See the module's documentation.
#[durable_object]
pub struct RevocationObject {
    state: State,
    env: Env,
}

impl DurableObject for RevocationObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let ambient = Ambient::read();
        let call: RevocationCall = call::receive(request).await?;
        let shard = match call {
            RevocationCall::Mark { shard, ref marks } => {
                self.store(marks)?;
                shard
            }
            RevocationCall::Heartbeat { shard } => shard,
            #[cfg(feature = "development")]
            RevocationCall::TwoWrites(call) => {
                return call::answer(&development::make(&self.state.storage(), call)?);
            }
        };
        self.publish_soon(shard, ambient.now()).await?;
        call::answer(&true)
    }

    async fn alarm(&self) -> Result<Response> {
        let sql = self.state.storage().sql();
        let written: Option<Written> = Records::new(&sql, WRITTEN).get("last")?;
        if let Some(written) = written {
            self.publish(written.shard, Ambient::read().now()).await?;
        }
        Response::empty()
    }
}

impl RevocationObject {
    fn store(&self, marks: &[RevocationMark]) -> Result<()> {
        let storage = self.state.storage();
        let sql = storage.sql();
        commit(&storage, || {
            records::create(&sql, &[MARKS, WRITTEN])?;
            let table = Records::new(&sql, MARKS);
            for mark in marks {
                let key = match mark.revoked {
                    Revoked::Session(session) => format!("{}/session/{session}", mark.account),
                    // One row per account is enough: a higher version covers every lower one.
                    Revoked::OlderThan(_) => format!("{}/version", mark.account),
                };
                if !is_covered(table.get(&key)?, mark) {
                    table.put(&key, mark)?;
                }
            }
            Ok(())
        })
    }

    /// Writes the list now, or sets the alarm for the moment when KV takes it.
    async fn publish_soon(&self, shard: u8, now: UnixMillis) -> Result<()> {
        let storage = self.state.storage();
        let sql = storage.sql();
        records::create(&sql, &[MARKS, WRITTEN])?;
        let last: Option<Written> = Records::new(&sql, WRITTEN).get("last")?;
        let since = last.map_or(u64::MAX, |last| now.millis_since(last.at));
        if since >= MILLIS_BETWEEN_WRITES {
            return self.publish(shard, now).await;
        }
        // The alarm alone knows that something waits, so a crash here loses nothing but a heartbeat.
        let wait = i64::try_from(MILLIS_BETWEEN_WRITES.saturating_sub(since)).unwrap_or(1_000);
        storage.set_alarm(wait).await
    }

    async fn publish(&self, shard: u8, now: UnixMillis) -> Result<()> {
        let storage = self.state.storage();
        let sql = storage.sql();
        let list = commit(&storage, || {
            records::create(&sql, &[MARKS, WRITTEN])?;
            let marks = live_marks(&sql, now)?;
            Records::new(&sql, WRITTEN).put("last", &Written { shard, at: now })?;
            Ok(marks.map(|marks| RevocationShard { written_at: now, marks }))
        })?;
        let Some(list) = list else {
            // Readers stop trusting the copy they have within the bound, and ask the accounts themselves.
            worker::console_error!("revocation shard {shard} holds more than {MOST_MARKS} marks");
            return storage.set_alarm(1_000).await;
        };
        let edge = Environment::edge(&self.env)?;
        if let Err(error) = edge::write_revocation_shard(&edge, shard, &list).await {
            worker::console_error!("revocation shard {shard}: {error}");
            storage.set_alarm(1_000).await?;
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

/// The marks that still matter, or `None` if they are too many for one list; the others are deleted on the way.
fn live_marks(sql: &SqlStorage, now: UnixMillis) -> Result<Option<Vec<RevocationMark>>> {
    let table = Records::new(sql, MARKS);
    let keys = table.first_keys(MOST_MARKS.saturating_add(1))?;
    let mut live = Vec::with_capacity(keys.len());
    for key in keys {
        match table.get::<RevocationMark>(&key)? {
            Some(mark) if mark.until > now => live.push(mark),
            _ => table.delete(&key)?,
        }
    }
    Ok(Some(live).filter(|live| live.len() <= usize::from(MOST_MARKS)))
}
