//! Points in time and spans of it. There is no `now()` in this crate.

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Sessions, limits and outboxes use milliseconds; tokens use [`UnixSeconds`], because RFC 7519 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct UnixMillis(u64);

/// Seconds since 1970-01-01T00:00:00Z: the `NumericDate` of RFC 7519 §2, whole seconds only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct UnixSeconds(u64);

/// A span of whole seconds, 0 to 2³²−1 (136 years).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Seconds(u32);

impl UnixMillis {
    /// The point `milliseconds` after the epoch.
    #[must_use]
    pub const fn new(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The second this point lies in, rounded down.
    #[must_use]
    pub const fn to_seconds(self) -> UnixSeconds {
        UnixSeconds(self.0 / 1000)
    }

    /// The point `span` later; the far end of time instead of overflow.
    #[must_use]
    pub const fn plus(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.as_millis()))
    }

    /// Milliseconds from `earlier` to here; 0 when `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds from here to `later`, rounded up; 0 when `later` has passed. The value of `Retry-After`.
    #[must_use]
    pub const fn seconds_until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0).div_ceil(1000)
    }
}

impl UnixSeconds {
    /// The point `seconds` after the epoch.
    #[must_use]
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The point `span` later; the far end of time instead of overflow.
    #[must_use]
    pub const fn plus(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.0 as u64))
    }

    /// The first millisecond of this second.
    #[must_use]
    pub const fn to_millis(self) -> UnixMillis {
        UnixMillis(self.0.saturating_mul(1000))
    }
}

impl Seconds {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `seconds`.
    #[must_use]
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    /// The span in seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// The span in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        (self.0 as u64).saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(UnixMillis::new(u64::MAX).plus(Seconds::new(1)).as_millis(), u64::MAX);
        assert_eq!(UnixSeconds::new(u64::MAX).plus(Seconds::new(1)).as_secs(), u64::MAX);
        assert_eq!(UnixMillis::new(5).millis_since(UnixMillis::new(9)), 0);
        assert_eq!(UnixSeconds::new(u64::MAX).to_millis().as_millis(), u64::MAX);
    }

    #[test]
    fn waiting_time_is_rounded_up_so_that_a_client_never_comes_too_early() {
        assert_eq!(UnixMillis::new(1000).seconds_until(UnixMillis::new(1001)), 1);
        assert_eq!(UnixMillis::new(1000).seconds_until(UnixMillis::new(3000)), 2);
        assert_eq!(UnixMillis::new(1000).seconds_until(UnixMillis::new(1000)), 0);
    }
}
