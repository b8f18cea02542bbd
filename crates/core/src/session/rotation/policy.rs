//! What the rotation rule depends on, checked once.

use crate::session::binding::DeviceBinding;
use crate::session::record::AdvanceWindow;
use crate::time::{Seconds, UnixMillis};
use core::fmt;

/// How often one session may advance. Idempotent answers do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshLimit {
    advances: u32,
    window: Seconds,
}

impl RefreshLimit {
    /// `advances` (1 or more) in a `window` (1 second or more) that begins with its first advance.
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
        let end = seen.started_at.plus(self.window);
        if seen.count == 0 || time >= end {
            return Ok(AdvanceWindow { started_at: time, count: 1 });
        }
        if seen.count >= self.advances {
            return Err(Seconds::new(u32::try_from(time.seconds_until(end)).unwrap_or(u32::MAX)));
        }
        Ok(AdvanceWindow { count: seen.count.saturating_add(1), ..seen })
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
}
