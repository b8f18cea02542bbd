//! Locking after consecutive failures, by (identifier, source) and by identifier alone.
//!
//! *Counted before the comparison*: [`decide_attempt`] returns records in which this attempt already counts as
//! failed; they are stored first, and a success takes them back ([`LockoutRecords::after_success`]). So a
//! thousand guesses in flight at once are a thousand counted guesses.
//!
//! Two counters, because each alone is a weapon: a lock by identifier alone lets anybody lock anybody out, a
//! lock by source alone lets a network of sources guess forever. The pair's threshold is therefore the low one
//! and the identifier's the high one. A third, which is off by default, locks for everybody and counts over any time
//! ([`AutoLockout`]). Before the pair is locked it may be slowed down ([`ProgressiveDelay`]).
//! There is no counter by source alone here: a success could not clear it,
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
    /// The lock that outlasts these pauses; off by default.
    #[cfg_attr(feature = "serde", serde(default))]
    pub automatic: AutoLockout,
    /// The waits between attempts before a pair is locked; off by default.
    #[cfg_attr(feature = "serde", serde(default))]
    pub delay: ProgressiveDelay,
}

impl Default for LockoutPolicy {
    /// 5 per source, 50 per identifier, 15 minutes, no automatic lock and no delay.
    fn default() -> Self {
        Self {
            per_source_failures: 5,
            per_identifier_failures: 50,
            duration: Seconds::new(15 * 60),
            automatic: AutoLockout::OFF,
            delay: ProgressiveDelay::OFF,
        }
    }
}

impl LockoutPolicy {
    /// What one counter keeps to.
    const fn rule(&self, scope: LockScope) -> Rule {
        let failures = match scope {
            LockScope::Pair => self.per_source_failures,
            LockScope::Identifier => self.per_identifier_failures,
            LockScope::Automatic => {
                let AutoLockout { failures, duration } = self.automatic;
                let lock = if duration.as_secs() == 0 { UNTIL_LIFTED } else { duration };
                return Rule { failures, lock, memory: REMEMBERED };
            }
        };
        Rule { failures, lock: self.duration, memory: self.duration }
    }
}

/// Failures on one identifier, from anywhere and at any pace, that lock it for everybody.
///
/// Anybody can bring that about who knows the identifier. So whoever switches it on leaves its owner another way in:
/// this locks the comparison of passwords alone, and a password that is reset lifts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AutoLockout {
    /// Failures since the last success; 0 switches it off.
    pub failures: u32,
    /// Seconds that the lock lasts; 0: until it is lifted, a year at most.
    pub duration: Seconds,
}

impl AutoLockout {
    /// No such lock.
    pub const OFF: Self = Self { failures: 0, duration: Seconds::new(0) };
}

impl Default for AutoLockout {
    fn default() -> Self {
        Self::OFF
    }
}

/// How long one source waits between its attempts on one identifier: not at all at first, then twice as long each time.
///
/// Of the pair alone. A wait of the identifier would make its owner wait for whoever guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProgressiveDelay {
    /// Consecutive failures after which attempts have to wait; 0 switches it off.
    pub after_failures: u32,
    /// The wait after that many.
    pub first: Seconds,
    /// The longest wait. One above the duration of a lock is cut to that: then the failures are forgotten.
    pub most: Seconds,
}

impl ProgressiveDelay {
    /// No delay.
    pub const OFF: Self = Self { after_failures: 0, first: Seconds::new(0), most: Seconds::new(0) };

    /// The wait after so many failures.
    #[must_use]
    pub fn after(self, failures: u32) -> Seconds {
        if self.after_failures == 0 || failures < self.after_failures {
            return Seconds::ZERO;
        }
        let doublings = failures.saturating_sub(self.after_failures).min(31);
        let factor = 1u64.checked_shl(doublings).unwrap_or(u64::MAX);
        let wait = u64::from(self.first.as_secs()).saturating_mul(factor);
        Seconds::new(u32::try_from(wait).unwrap_or(u32::MAX).min(self.most.as_secs()))
    }
}

impl Default for ProgressiveDelay {
    fn default() -> Self {
        Self::OFF
    }
}

/// How long the failures before an automatic lock are remembered: 30 days.
const REMEMBERED: Seconds = Seconds::new(30 * 86_400);
/// How long a lock lasts that only somebody lifts: a year, after which it is forgotten with everything else.
const UNTIL_LIFTED: Seconds = Seconds::new(365 * 86_400);
/// What whoever meets such a lock is told to wait: a day.
const LIFTED_PERHAPS_IN: u64 = 86_400;

/// One counter: its threshold, how long its lock lasts, and how long failures below the threshold are remembered.
#[derive(Clone, Copy)]
struct Rule {
    failures: u32,
    lock: Seconds,
    memory: Seconds,
}

impl Rule {
    const fn locks(self, record: LockoutRecord) -> bool {
        self.failures > 0 && record.failures >= self.failures
    }

    /// How long after its last attempt the record means something.
    const fn kept_for(self, record: LockoutRecord) -> Seconds {
        if self.locks(record) { self.lock } else { self.memory }
    }

    /// The record as it stands now: forgotten when it is old, and never from the future.
    fn current(self, record: Option<LockoutRecord>, now: UnixMillis) -> Option<LockoutRecord> {
        let record = record?;
        let last_attempt_at = record.last_attempt_at.min(now);
        (now.millis_since(last_attempt_at) < self.kept_for(record).as_millis())
            .then_some(LockoutRecord { last_attempt_at, ..record })
    }

    fn counted(self, record: Option<LockoutRecord>, now: UnixMillis) -> Option<LockoutRecord> {
        let failures = record.map_or(0, |record| record.failures).saturating_add(1);
        (self.failures > 0).then_some(LockoutRecord { failures, last_attempt_at: now })
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
    /// The first moment at which the record of this counter says nothing more and may be deleted.
    #[must_use]
    pub const fn removable_at(self, policy: &LockoutPolicy, scope: LockScope) -> UnixMillis {
        self.last_attempt_at.plus(policy.rule(scope).kept_for(self))
    }
}

/// What is stored about one attempt's keys; `None` where nothing is stored, or nothing should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockoutRecords {
    /// Of this identifier and this source.
    pub pair: Option<LockoutRecord>,
    /// Of this identifier, whatever the source.
    pub identifier: Option<LockoutRecord>,
    /// The same, over any time.
    pub automatic: Option<LockoutRecord>,
}

impl LockoutRecords {
    /// What to store after a success: nothing for any key. Other sources' pairs keep their counts.
    #[must_use]
    pub const fn after_success() -> Self {
        Self { pair: None, identifier: None, automatic: None }
    }

    /// The records as they stand now: what is old is forgotten, and nothing is from the future.
    #[must_use]
    pub fn current(self, now: UnixMillis, policy: &LockoutPolicy) -> Self {
        self.map(|scope, record| policy.rule(scope).current(record, now))
    }

    /// How often this identifier had failed, from anywhere, before the attempt that these records count.
    #[must_use]
    pub const fn failures_before(&self) -> u32 {
        match self.identifier {
            Some(record) => record.failures.saturating_sub(1),
            None => 0,
        }
    }

    /// The lock that holds longest, and until when; the widest of those that end together.
    #[must_use]
    pub fn lock(self, now: UnixMillis, policy: &LockoutPolicy) -> Option<(LockScope, UnixMillis)> {
        let current = self.current(now, policy);
        let locked = |scope: LockScope| {
            let (rule, record) = (policy.rule(scope), current.of(scope)?);
            rule.locks(record).then(|| (scope, record.last_attempt_at.plus(rule.lock)))
        };
        LockScope::ALL.into_iter().rev().filter_map(locked).max_by_key(|(_, until)| *until)
    }

    /// The record of one counter.
    #[must_use]
    pub const fn of(&self, scope: LockScope) -> Option<LockoutRecord> {
        match scope {
            LockScope::Pair => self.pair,
            LockScope::Identifier => self.identifier,
            LockScope::Automatic => self.automatic,
        }
    }

    fn map(self, change: impl Fn(LockScope, Option<LockoutRecord>) -> Option<LockoutRecord>) -> Self {
        Self {
            pair: change(LockScope::Pair, self.pair),
            identifier: change(LockScope::Identifier, self.identifier),
            automatic: change(LockScope::Automatic, self.automatic),
        }
    }
}

/// Which lock holds. For the audit log: the caller outside is told the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockScope {
    /// This source on this identifier.
    Pair,
    /// The identifier, for every source.
    Identifier,
    /// The identifier, for every source, by [`AutoLockout`].
    Automatic,
}

impl LockScope {
    /// All of them, the widest first.
    pub const ALL: [Self; 3] = [Self::Automatic, Self::Identifier, Self::Pair];

    /// The stable name, as operators see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pair => "source",
            Self::Identifier => "identifier",
            Self::Automatic => "automatic",
        }
    }
}

/// Whether a secret may be compared now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Attempt {
    /// It may, once `records` are stored.
    Admitted {
        /// To be stored before the comparison, every key.
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
    /// It may not yet, and is not counted: this source has failed a moment ago.
    Delayed {
        /// Seconds until it may, at least 1.
        retry_after_seconds: u64,
        /// As of [`Attempt::Locked`].
        records: Option<LockoutRecords>,
    },
}

/// Counts one attempt as failed, or refuses it: as locked, or as too early.
///
/// A key with `n` as its threshold admits exactly `n` consecutive failures; the lock then lasts
/// `policy.duration` from the last of them, and ends with a clean count. Attempts during a lock are not counted
/// and do not prolong it, and an attempt that one key refuses is not counted by the others. Failures further
/// apart than `policy.duration` do not add up. So no `policy.duration` sees more than `n` failures, however the
/// guesser times them. The automatic lock has a duration of its own, and its failures add up for 30 days.
pub fn decide_attempt(stored: LockoutRecords, now: UnixMillis, policy: &LockoutPolicy) -> Attempt {
    let current = stored.current(now, policy);
    if let Some((scope, until)) = current.lock(now, policy) {
        let moved = LockScope::ALL
            .into_iter()
            .any(|scope| current.of(scope).is_some() && current.of(scope) != stored.of(scope));
        let is_lifted_only = scope == LockScope::Automatic && policy.automatic.duration.as_secs() == 0;
        let wait = now.seconds_until(until).max(1);
        return Attempt::Locked {
            retry_after_seconds: if is_lifted_only { wait.min(LIFTED_PERHAPS_IN) } else { wait },
            scope,
            records: moved.then_some(current),
        };
    }
    if let Some(pair) = current.pair {
        let next = pair.last_attempt_at.plus(policy.delay.after(pair.failures));
        if now < next {
            // As with a lock: the clock went backwards, and the wait counts from here.
            let records = (current.pair != stored.pair).then_some(current);
            return Attempt::Delayed { retry_after_seconds: now.seconds_until(next).max(1), records };
        }
    }
    let records = current.map(|scope, record| policy.rule(scope).counted(record, now));
    let locks_on_failure = LockScope::ALL
        .into_iter()
        .find(|scope| records.of(*scope).is_some_and(|record| policy.rule(*scope).locks(record)));
    Attempt::Admitted { records, locks_on_failure }
}
