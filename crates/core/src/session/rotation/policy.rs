//! What the rotation rule depends on, checked once.

use crate::session::binding::DeviceBinding;
use crate::session::record::AdvanceWindow;
use crate::time::{Seconds, UnixMillis};
use core::fmt;

/// How often one session may advance, as a sliding limit: the rule of [`crate::throttle`], with what a session keeps of it
/// anyway. Idempotent answers do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshLimit {
    advances: u32,
    window: Seconds,
}

impl RefreshLimit {
    /// `advances` (1 or more) in a `window` (1 second or more): so many at once, then one for each part of the window.
    ///
    /// # Errors
    ///
    /// [`RotationPolicyError::LimitZero`] when either is 0: no session could ever refresh.
    pub const fn new(advances: u32, window: Seconds) -> Result<Self, RotationPolicyError> {
        if advances == 0 || window.as_secs() == 0 {
            return Err(RotationPolicyError::LimitZero);
        }
        Ok(Self { advances, window })
    }

    /// The window with one more advance counted, or how long to wait.
    pub(super) fn count(self, seen: AdvanceWindow, time: UnixMillis) -> Result<AdvanceWindow, Seconds> {
        let interval = self.interval_millis();
        let passed = time.millis_since(seen.started_at).checked_div(interval).unwrap_or(0);
        // One advance counts no more for each interval that has passed; under a stricter limit than before, all of it do.
        let count = seen.count.min(self.advances).saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
        if count == 0 {
            return Ok(AdvanceWindow { started_at: time, count: 1 });
        }
        let started_at = seen.started_at.as_millis().saturating_add(passed.saturating_mul(interval));
        if count >= self.advances {
            let free = UnixMillis::new(started_at.saturating_add(interval));
            return Err(Seconds::new(u32::try_from(time.seconds_until(free)).unwrap_or(u32::MAX)));
        }
        Ok(AdvanceWindow { started_at: UnixMillis::new(started_at), count: count.saturating_add(1) })
    }

    /// Between two advances at the full rate, at least 1.
    fn interval_millis(self) -> u64 {
        self.window.as_millis().div_ceil(u64::from(self.advances.max(1)))
    }
}

/// What the rotation rule depends on, apart from the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    pub(super) grace: Seconds,
    pub(super) idle_ttl: Seconds,
    pub(super) limit: Option<RefreshLimit>,
    pub(super) device: DeviceBinding,
}

impl RotationPolicy {
    /// The grace window that most should use: 30 seconds.
    pub const DEFAULT_GRACE: Seconds = Seconds::new(30);
    /// The longest grace window: 60 seconds. A thief has that long to use a copied parent unseen.
    pub const MAX_GRACE: Seconds = Seconds::new(60);

    /// A policy of `grace` (0 to 60 seconds; 0 makes every retry a reuse), `idle_ttl` (longer than the grace),
    /// a limit on advances, if any, and what is asked of devices.
    ///
    /// # Errors
    ///
    /// [`RotationPolicyError::GraceTooLong`] above 60 seconds; [`RotationPolicyError::IdleNotAboveGrace`] when
    /// sessions would expire before their token could advance.
    pub const fn new(
        grace: Seconds,
        idle_ttl: Seconds,
        limit: Option<RefreshLimit>,
        device: DeviceBinding,
    ) -> Result<Self, RotationPolicyError> {
        if grace.as_secs() > Self::MAX_GRACE.as_secs() {
            return Err(RotationPolicyError::GraceTooLong);
        }
        if idle_ttl.as_secs() <= grace.as_secs() {
            return Err(RotationPolicyError::IdleNotAboveGrace);
        }
        Ok(Self { grace, idle_ttl, limit, device })
    }

    /// The grace window.
    #[must_use]
    pub const fn grace(&self) -> Seconds {
        self.grace
    }
}

/// Why a rotation policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationPolicyError {
    /// The grace window is above 60 seconds.
    GraceTooLong,
    /// The idle lifetime is not above the grace window.
    IdleNotAboveGrace,
    /// The refresh limit allows nothing, or has no window.
    LimitZero,
}

impl fmt::Display for RotationPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GraceTooLong => "the refresh grace is above 60 seconds",
            Self::IdleNotAboveGrace => "the idle lifetime of sessions is not above the refresh grace",
            Self::LimitZero => "the refresh limit must allow one advance in one second or more",
        })
    }
}

impl core::error::Error for RotationPolicyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throttle::{RateDecision, RateLimit, decide};
    use proptest::prelude::*;

    #[test]
    fn a_policy_that_hides_thieves_or_ends_sessions_unused_is_refused() {
        let policy = |grace, idle| {
            RotationPolicy::new(Seconds::new(grace), Seconds::new(idle), None, DeviceBinding::default())
        };
        assert_eq!(policy(61, 3600), Err(RotationPolicyError::GraceTooLong));
        assert_eq!(policy(30, 30), Err(RotationPolicyError::IdleNotAboveGrace));
        assert_eq!(policy(0, 0), Err(RotationPolicyError::IdleNotAboveGrace));
        assert_eq!(policy(60, 61).map(|policy| policy.grace()), Ok(RotationPolicy::MAX_GRACE));
        assert!(policy(0, 1).is_ok());
    }

    #[test]
    fn a_limit_that_allows_nothing_is_refused() {
        let limit = |advances, window| RefreshLimit::new(advances, Seconds::new(window)).map(|_| ());
        assert_eq!(limit(0, 60), Err(RotationPolicyError::LimitZero));
        assert_eq!(limit(20, 0), Err(RotationPolicyError::LimitZero));
        assert_eq!(limit(1, 1), Ok(()));
    }

    /// What a session keeps comes to the rule of the other limits, wherever its intervals are whole milliseconds.
    fn agrees_with_the_throttle(advances: u32, window: u32, passes: &[u64]) {
        let limit = RefreshLimit::new(advances, Seconds::new(window)).unwrap();
        let other = RateLimit::new(advances, Seconds::new(window)).unwrap();
        let mut time = UnixMillis::new(1_700_000_000_000);
        let (mut seen, mut stored) = (AdvanceWindow { started_at: time, count: 0 }, None);
        for pass in passes {
            time = UnixMillis::new(time.as_millis() + pass);
            match (limit.count(seen, time), decide(stored, time, other, 1)) {
                (Ok(window), RateDecision::Admitted { arrival, .. }) => {
                    assert!((1..=advances).contains(&window.count));
                    (seen, stored) = (window, Some(arrival));
                }
                (Err(wait), RateDecision::Limited { retry_after_seconds, .. }) => {
                    assert_eq!(u64::from(wait.as_secs()), retry_after_seconds);
                }
                (here, there) => panic!("{advances} in {window}: {here:?}, {there:?}"),
            }
        }
    }

    #[test]
    fn the_turn_of_a_window_lets_nobody_have_twice_as_many() {
        // Three at the end of a minute, and three more a second later, as a window would admit.
        let limit = RefreshLimit::new(3, Seconds::new(60)).unwrap();
        let at = |seconds: u64| UnixMillis::new(seconds * 1_000);
        let mut seen = AdvanceWindow { started_at: at(0), count: 0 };
        for second in [0, 59, 59] {
            seen = limit.count(seen, at(second)).unwrap();
        }
        seen = limit.count(seen, at(60)).unwrap();
        assert_eq!(limit.count(seen, at(61)), Err(Seconds::new(18)));
        agrees_with_the_throttle(3, 60, &[0, 59_000, 0, 1_000, 1_000, 18_000, 0]);
    }

    proptest! {
        #[test]
        fn a_session_slides_as_every_other_limit(
            (advances, window) in prop::sample::select(&[(1, 1), (1, 60), (3, 60), (20, 60), (10, 120), (60, 60), (4, 1)][..]),
            passes in proptest::collection::vec(prop_oneof![0u64..3, 0u64..5_000, 0u64..130_000], 0..80),
        ) {
            agrees_with_the_throttle(advances, window, &passes);
        }

        /// Whatever an earlier version or another limit has left, whoever waits as told is admitted.
        #[test]
        fn waiting_helps(count in any::<u32>(), since in 0u64..100_000, advances in 1u32..2_000, window in 1u32..600) {
            let limit = RefreshLimit::new(advances, Seconds::new(window)).unwrap();
            let time = UnixMillis::new(1_700_000_000_000);
            let seen = AdvanceWindow { started_at: UnixMillis::new(time.as_millis() - since), count };
            if let Err(wait) = limit.count(seen, time) {
                prop_assert!(wait.as_secs() >= 1 && wait.as_secs() <= window.max(1));
                prop_assert!(limit.count(seen, time.plus(wait)).is_ok());
            }
        }
    }
}
