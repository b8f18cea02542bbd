//! `LimiterObject`: sliding rate limits, exact across isolates.
//!
//! There is a fixed number of shards. An object per key would show by its latency whether a key was seen before.

use crate::ambient::Ambient;
use crate::object::alarm;
use crate::object::call::{self, Callee, export_callee};
use crate::object::records::{self, Expiring};
use crate::object::transaction::commit;
use postern_core::throttle::{RateDecision, RateLimit, TheoreticalArrival, decide};
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use worker::{DurableObject, Env, Error, Request, Response, Result, State, Storage, durable_object};

/// How many shards there are. Fixed for the life of a deployment.
pub(crate) const SHARDS: u8 = 16;

const BUCKETS: &str = "buckets";
const SWEEP_EVERY_MILLIS: i64 = 600_000;

/// Limits to be taken from together: all are checked, and taken from only if all admit.
#[derive(Serialize, Deserialize)]
pub(crate) struct TakeCall {
    pub(crate) takes: Vec<Take>,
    /// Buckets to be forgotten: what was taken from them was no guess.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) forgets: Vec<String>,
}

/// One bucket and its limit.
#[derive(Serialize, Deserialize)]
pub(crate) struct Take {
    /// A digest of rule, tenant and key; no identifier or address is stored.
    pub(crate) bucket: String,
    pub(crate) count: u32,
    pub(crate) period_seconds: u32,
}

/// Whether all limits admit, and if not, when they will.
#[derive(Serialize, Deserialize)]
pub(crate) struct TakeAnswer {
    pub(crate) retry_after_seconds: Option<u64>,
    /// How each bucket stands now, in the order of the question.
    #[serde(default)]
    pub(crate) levels: Vec<Level>,
}

/// How a bucket stands.
#[derive(Serialize, Deserialize)]
pub(crate) struct Level {
    /// How many more would be admitted now.
    pub(crate) remaining: u32,
    /// The seconds until one would be admitted if none would now, else until all are free again.
    pub(crate) reset_seconds: u64,
}

/// The name of the object of a shard.
pub(crate) fn name(shard: u8) -> String {
    format!("v1/limiter/{shard:02}")
}

/// The object. See the module's documentation.
#[durable_object(alarm)]
pub struct LimiterObject {
    state: State,
    /// Whether the table is known to be there: it is never dropped, and asking costs as much as what is taken.
    has_table: Cell<bool>,
}

impl DurableObject for LimiterObject {
    fn new(state: State, _env: Env) -> Self {
        Self { state, has_table: Cell::new(false) }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        call::over_fetch(self, request).await
    }

    /// Forgets buckets that have drained: they say nothing any more.
    async fn alarm(&self) -> Result<Response> {
        alarm::rings();
        let storage = self.state.storage();
        let sql = storage.sql();
        let table = Expiring::new(&sql, BUCKETS);
        table.forget(Ambient::read().now())?;
        if !table.is_empty()? {
            alarm::set(&storage, SWEEP_EVERY_MILLIS).await?;
        }
        Response::empty()
    }
}

export_callee!(LimiterObject);

impl Callee for LimiterObject {
    async fn answer(&self, message: &str) -> Result<String> {
        let now = Ambient::read().now();
        let call: TakeCall = call::receive(message)?;
        let storage = self.state.storage();
        let answer = self.take(&call, now)?;
        self.has_table.set(true);
        // What was taken is taken: a sweep that is not planned now is planned by the next call.
        if let Err(error) = plan_sweep(&storage).await {
            worker::console_error!("limiter: no sweep is planned: {error}");
        }
        records::write(&answer)
    }
}

impl LimiterObject {
    fn take(&self, TakeCall { takes, forgets }: &TakeCall, now: UnixMillis) -> Result<TakeAnswer> {
        let storage = self.state.storage();
        let sql = storage.sql();
        let table = Expiring::new(&sql, BUCKETS);
        commit(&storage, || {
            if !self.has_table.get() {
                records::create_expiring(&sql, &[BUCKETS])?;
            }
            for bucket in forgets {
                table.delete(bucket)?;
            }
            let mut asked = Vec::with_capacity(takes.len());
            let mut retry_after_seconds = None;
            for take in takes {
                let limit = RateLimit::new(take.count, Seconds::new(take.period_seconds))
                    .map_err(|error| Error::RustError(error.to_string()))?;
                let stored = table.get(&take.bucket)?;
                let decision = decide(stored, now, limit, 1);
                if let RateDecision::Limited { retry_after_seconds: wait, .. } = decision {
                    retry_after_seconds = retry_after_seconds.max(Some(wait));
                }
                asked.push((&take.bucket, limit, stored, decision));
            }
            let mut levels = Vec::with_capacity(asked.len());
            for (bucket, limit, stored, decision) in asked {
                let (write, level) = match decision {
                    // Another limit refuses: nothing is taken from this one.
                    RateDecision::Admitted { .. } if retry_after_seconds.is_some() => {
                        (None, level_of(decide(stored, now, limit, 0)))
                    }
                    RateDecision::Admitted { arrival, .. } => (Some(arrival), level_of(decision)),
                    RateDecision::Limited { arrival, .. } => (arrival, level_of(decision)),
                };
                if let Some(arrival) = write {
                    table.put(bucket, &arrival, drained_at(arrival))?;
                }
                levels.push(level);
            }
            Ok(TakeAnswer { retry_after_seconds, levels })
        })
    }
}

const fn level_of(decision: RateDecision) -> Level {
    match decision {
        RateDecision::Admitted { remaining, reset_seconds, .. } => Level { remaining, reset_seconds },
        RateDecision::Limited { remaining, retry_after_seconds, .. } => {
            Level { remaining, reset_seconds: retry_after_seconds }
        }
    }
}

async fn plan_sweep(storage: &Storage) -> Result<()> {
    if storage.get_alarm().await?.is_none() {
        alarm::set(storage, SWEEP_EVERY_MILLIS).await?;
    }
    Ok(())
}

/// The first moment at which a bucket says nothing more.
pub(crate) fn drained_at(arrival: TheoreticalArrival) -> UnixMillis {
    UnixMillis::new(arrival.as_micros().div_ceil(1_000))
}
