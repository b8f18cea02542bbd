//! Sliding rate limits by the generic cell rate algorithm (GCRA; ITU-T I.371), one number per key.
//!
//! A limit of `count` per `period` is an *interval* T = ⌈period / count⌉ (whole microseconds) and a burst of
//! `count`. An idle key is admitted exactly `count` times at once, then once per T.
//!
//! # The bound
//!
//! A span of length W, both ends included, sees at most `count + ⌊W / T⌋` admissions of cost 1, wherever it
//! starts, and an adversary can reach that number. So an instant sees at most `count`, and any `period` without
//! its last moment at most `2 · count − 1`. A fixed window admits `2 · count` in an instant, at its boundary.
//! Over long times the rate is `count` per `count · T`, which is the period rounded up by less than `count` µs.

use crate::time::{Seconds, UnixMillis};

/// Why a rate limit makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimitError {
    /// A count of 0 would admit nothing. A limit that should not apply is left out.
    ZeroCount,
    /// A count above [`RateLimit::MAX_COUNT`].
    CountTooLarge,
    /// A period of 0 seconds.
    ZeroPeriod,
}

impl core::fmt::Display for RateLimitError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ZeroCount => "the count of a rate limit must be at least 1",
            Self::CountTooLarge => "the count of a rate limit must be at most 1000000",
            Self::ZeroPeriod => "the period of a rate limit must be at least 1 second",
        })
    }
}

impl core::error::Error for RateLimitError {}

/// `count` admissions per `period`: 1 to 1,000,000 in 1 to 2³²−1 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    count: u32,
    period: Seconds,
}

impl RateLimit {
    /// The largest count: below it the interval is at least one microsecond, the unit of
    /// [`TheoreticalArrival`], for every period.
    pub const MAX_COUNT: u32 = 1_000_000;

    /// `count` admissions per `period`.
    ///
    /// # Errors
    ///
    /// A count of 0 or above [`Self::MAX_COUNT`], or a period of 0.
    pub const fn new(count: u32, period: Seconds) -> Result<Self, RateLimitError> {
        if count == 0 {
            Err(RateLimitError::ZeroCount)
        } else if count > Self::MAX_COUNT {
            Err(RateLimitError::CountTooLarge)
        } else if period.as_secs() == 0 {
            Err(RateLimitError::ZeroPeriod)
        } else {
            Ok(Self { count, period })
        }
    }

    /// How many are admitted at once after a pause.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The span `count` refers to.
    #[must_use]
    pub const fn period(self) -> Seconds {
        self.period
    }

    /// T of the module documentation: microseconds between two admissions at the full rate.
    #[must_use]
    pub const fn interval_micros(self) -> u64 {
        (self.period.as_millis().saturating_mul(1000)).div_ceil(self.count as u64)
    }

    /// Microseconds that a full bucket takes to drain: `count · T`.
    const fn capacity_micros(self) -> u64 {
        self.interval_micros().saturating_mul(self.count as u64)
    }
}

/// When the next admission would come if all came exactly at the rate: the whole memory of a key.
///
/// Microseconds since 1970, so that 40,000 per minute is kept exactly; below 2⁵³ until the year 2255. Once it
/// has passed, the record says nothing more and may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct TheoreticalArrival(u64);

impl TheoreticalArrival {
    /// As read from storage.
    #[must_use]
    pub const fn from_micros(microseconds: u64) -> Self {
        Self(microseconds)
    }

    /// As written to storage.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }
}

/// Whether this one may pass. Seconds are rounded up, so that nobody who waits as told comes too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum RateDecision {
    /// It may pass.
    Admitted {
        /// To be stored for the key.
        arrival: TheoreticalArrival,
        /// How many more of cost 1 would be admitted now.
        remaining: u32,
        /// Seconds until `count` would be admitted at once again.
        reset_seconds: u64,
    },
    /// It may not; nothing is taken, so a refused caller never pushes its own end further away.
    Limited {
        /// To be stored if present: the clock went backwards, and the key now counts from here, so that it is free
        /// again.
        arrival: Option<TheoreticalArrival>,
        /// Seconds after which one of this cost would be admitted, at least 1: the value of `Retry-After`. For a
        /// cost above the count, which is never admitted, the seconds in which the bucket empties.
        retry_after_seconds: u64,
        /// How many of cost 1 would be admitted now: not 0 when only the cost was too high.
        remaining: u32,
        /// Seconds until `count` would be admitted at once again.
        reset_seconds: u64,
    },
}

/// Decides one admission of `cost` (usually 1; 0 asks without taking).
///
/// `stored` is what was last returned for the key, `None` if unknown. A clock that went backwards refuses no longer
/// than one full bucket: what lies further ahead cannot have been stored at this time, and is cut off there.
pub fn decide(
    stored: Option<TheoreticalArrival>,
    now: UnixMillis,
    limit: RateLimit,
    cost: u32,
) -> RateDecision {
    let now_micros = now.as_millis().saturating_mul(1000);
    let capacity = limit.capacity_micros();
    let ahead = stored.map_or(0, |arrival| arrival.0.saturating_sub(now_micros));
    let owed = ahead.min(capacity);
    let owed_after = owed.saturating_add(limit.interval_micros().saturating_mul(u64::from(cost)));
    if owed_after <= capacity {
        RateDecision::Admitted {
            arrival: TheoreticalArrival(now_micros.saturating_add(owed_after)),
            remaining: remaining(limit, owed_after),
            reset_seconds: seconds(owed_after),
        }
    } else {
        let wait = if cost > limit.count { owed } else { owed_after.saturating_sub(capacity) };
        RateDecision::Limited {
            arrival: (ahead > capacity).then_some(TheoreticalArrival(now_micros.saturating_add(capacity))),
            retry_after_seconds: seconds(wait).max(1),
            remaining: remaining(limit, owed),
            reset_seconds: seconds(owed),
        }
    }
}

fn remaining(limit: RateLimit, owed: u64) -> u32 {
    let free = limit.capacity_micros().saturating_sub(owed);
    let count = free.checked_div(limit.interval_micros()).unwrap_or(0);
    u32::try_from(count).unwrap_or(limit.count)
}

const fn seconds(micros: u64) -> u64 {
    micros.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(count: u32, seconds: u32) -> RateLimit {
        RateLimit::new(count, Seconds::new(seconds)).unwrap()
    }

    #[test]
    fn senseless_limits_are_refused() {
        let minute = Seconds::new(60);
        assert_eq!(RateLimit::new(0, minute), Err(RateLimitError::ZeroCount));
        assert_eq!(RateLimit::new(1_000_001, minute), Err(RateLimitError::CountTooLarge));
        assert_eq!(RateLimit::new(1, Seconds::ZERO), Err(RateLimitError::ZeroPeriod));
        assert!(RateLimit::new(1_000_000, Seconds::new(1)).is_ok());
    }

    #[test]
    fn a_cost_above_the_count_is_never_admitted() {
        let now = UnixMillis::new(1_000_000);
        let decision = decide(None, now, limit(5, 60), 6);
        assert_eq!(
            decision,
            RateDecision::Limited { arrival: None, retry_after_seconds: 1, remaining: 5, reset_seconds: 0 }
        );
    }

    #[test]
    fn a_cost_of_zero_takes_nothing() {
        let now = UnixMillis::new(1_000_000);
        let RateDecision::Admitted { arrival, remaining: 5, reset_seconds: 0 } =
            decide(None, now, limit(5, 60), 0)
        else {
            panic!("refused");
        };
        assert_eq!(arrival.as_micros(), 1_000_000_000);
    }

    #[test]
    fn the_far_end_of_time_does_not_overflow() {
        for now in [0, u64::MAX / 1000, u64::MAX] {
            for stored in [None, Some(TheoreticalArrival(0)), Some(TheoreticalArrival(u64::MAX))] {
                let widest = RateLimit::new(1, Seconds::new(u32::MAX)).unwrap();
                let _ = decide(stored, UnixMillis::new(now), widest, u32::MAX);
                let _ = decide(stored, UnixMillis::new(now), limit(1_000_000, 1), 1);
            }
        }
    }
}
