//! Locking after consecutive failures, by (identifier, source) and by identifier alone.
//!
//! *Counted before the comparison*: [`decide_attempt`] returns records in which this attempt already counts as
//! failed; they are stored first, and a success takes them back ([`LockoutRecords::after_success`]). So a
//! thousand guesses in flight at once are a thousand counted guesses.
//!
//! Two counters, because each alone is a weapon: a lock by identifier alone lets anybody lock anybody out, a
//! lock by source alone lets a network of sources guess forever. The pair's threshold is therefore the low one
//! and the identifier's the high one. There is no counter by source alone here: a success could not clear it,
//! or an attacker would clear it with an account of their own. That is what rate limits are for.

use crate::time::{Seconds, UnixMillis};

/// When to lock, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LockoutPolicy {
    /// Consecutive failures of one source on one identifier that lock this pair; 0 switches the counter off.
    pub per_source_failures: u32,
    /// Consecutive failures on one identifier, from anywhere, that lock it for everybody; 0 switches the
    /// counter off.
    pub per_identifier_failures: u32,
    /// Seconds a lock lasts, and seconds without an attempt after which failures are forgotten. A lock of 0
    /// seconds never holds.
    pub duration: Seconds,
}

impl Default for LockoutPolicy {
    /// 5 per source, 50 per identifier, 15 minutes.
    fn default() -> Self {
        Self { per_source_failures: 5, per_identifier_failures: 50, duration: Seconds::new(15 * 60) }
    }
}

/// The consecutive failures of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LockoutRecord {
    /// Attempts since the last success, the undecided one included.
    pub failures: u32,
    /// When the last of them was admitted. Attempts during a lock do not move it.
    pub last_attempt_at: UnixMillis,
}

impl LockoutRecord {
    /// The first moment at which the record says nothing more and may be deleted.
    #[must_use]
    pub const fn removable_at(self, policy: &LockoutPolicy) -> UnixMillis {
        self.last_attempt_at.plus(policy.duration)
    }
}

/// What is stored about one attempt's two keys; `None` where nothing is stored, or nothing should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockoutRecords {
    /// Of this identifier and this source.
    pub pair: Option<LockoutRecord>,
    /// Of this identifier, whatever the source.
    pub identifier: Option<LockoutRecord>,
}

impl LockoutRecords {
    /// What to store after a success: nothing for either key. Other sources' pairs keep their counts.
    #[must_use]
    pub const fn after_success() -> Self {
        Self { pair: None, identifier: None }
    }
}

/// Which lock holds. For the audit log: the caller outside is told the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockScope {
    /// This source on this identifier.
    Pair,
    /// The identifier, for every source.
    Identifier,
}

/// Whether a secret may be compared now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Attempt {
    /// It may, once `records` are stored.
    Admitted {
        /// To be stored before the comparison, both keys.
        records: LockoutRecords,
        /// Which lock this attempt sets if it fails, for the audit log and the notice.
        locks_on_failure: Option<LockScope>,
    },
    /// It may not.
    Locked {
        /// Seconds until the lock ends, at least 1: the value of `Retry-After`.
        retry_after_seconds: u64,
        /// Which lock.
        scope: LockScope,
        /// To be stored if present: the clock went backwards, and the lock now counts from here, so that it ends.
        records: Option<LockoutRecords>,
    },
}

/// Counts one attempt as failed, or refuses it.
///
/// A key with `n` as its threshold admits exactly `n` consecutive failures; the lock then lasts
/// `policy.duration` from the last of them, and ends with a clean count. Attempts during a lock are not counted
/// and do not prolong it, and an attempt that one key refuses is not counted by the other. Failures further
/// apart than `policy.duration` do not add up. So no `policy.duration` sees more than `n` failures, however the
/// guesser times them.
pub fn decide_attempt(stored: LockoutRecords, now: UnixMillis, policy: &LockoutPolicy) -> Attempt {
    let pair = current(stored.pair, now, policy);
    let identifier = current(stored.identifier, now, policy);
    let keys = [
        (LockScope::Pair, pair, policy.per_source_failures),
        (LockScope::Identifier, identifier, policy.per_identifier_failures),
    ];
    let longest = keys
        .iter()
        .filter_map(|(scope, record, threshold)| {
            Some((locked_until((*record)?, *threshold, policy)?, *scope))
        })
        .max_by_key(|(until, _)| *until);
    if let Some((until, scope)) = longest {
        let records = LockoutRecords { pair, identifier };
        let moved = pair.is_some_and(|record| Some(record) != stored.pair)
            || identifier.is_some_and(|record| Some(record) != stored.identifier);
        return Attempt::Locked {
            retry_after_seconds: now.seconds_until(until).max(1),
            scope,
            records: moved.then_some(records),
        };
    }
    let [(_, pair, per_source), (_, identifier, per_identifier)] = keys;
    let records = LockoutRecords {
        pair: counted(pair, per_source, now),
        identifier: counted(identifier, per_identifier, now),
    };
    let locks_on_failure = [
        (LockScope::Identifier, records.identifier, per_identifier),
        (LockScope::Pair, records.pair, per_source),
    ]
    .into_iter()
    .find(|(_, record, threshold)| record.is_some_and(|record| record.failures >= *threshold))
    .map(|(scope, _, _)| scope);
    Attempt::Admitted { records, locks_on_failure }
}

/// The record as it stands now: forgotten when it is old, and never from the future.
fn current(record: Option<LockoutRecord>, now: UnixMillis, policy: &LockoutPolicy) -> Option<LockoutRecord> {
    let record = record?;
    let last_attempt_at = record.last_attempt_at.min(now);
    (now.millis_since(last_attempt_at) < policy.duration.as_millis())
        .then_some(LockoutRecord { last_attempt_at, ..record })
}

fn locked_until(record: LockoutRecord, threshold: u32, policy: &LockoutPolicy) -> Option<UnixMillis> {
    (threshold > 0 && record.failures >= threshold).then(|| record.removable_at(policy))
}

fn counted(record: Option<LockoutRecord>, threshold: u32, now: UnixMillis) -> Option<LockoutRecord> {
    let failures = record.map_or(0, |record| record.failures).saturating_add(1);
    (threshold > 0).then_some(LockoutRecord { failures, last_attempt_at: now })
}
