//! Forgetting: what has expired leaves a shard every ten minutes.

use super::{EXPIRING, SHARD};
use crate::object::records::{Expiring, Records};
use postern_core::time::UnixMillis;
use worker::{Result, SqlStorage};

/// How often, at most: alarms also come for deliveries, many times a minute.
pub(super) const EVERY_MILLIS: i64 = 600_000;

const SWEPT_AT: &str = "swept_at";

/// Deletes what says nothing any more, if that is due. `true` if something is left to be looked at later.
pub(super) fn sweep(sql: &SqlStorage, now: UnixMillis) -> Result<bool> {
    let shard = Records::new(sql, SHARD);
    let swept_at: Option<UnixMillis> = shard.get(SWEPT_AT)?;
    let is_due = swept_at
        .is_none_or(|at| at > now || now.millis_since(at) >= u64::try_from(EVERY_MILLIS).unwrap_or(u64::MAX));
    if is_due {
        for table in EXPIRING {
            Expiring::new(sql, table).forget(now)?;
        }
        shard.put(SWEPT_AT, &now)?;
    }
    for table in EXPIRING {
        if !Expiring::new(sql, table).is_empty()? {
            return Ok(true);
        }
    }
    Ok(false)
}
