//! The sections of the configuration: what each holds and what its fields may be.

use super::limits::RateLimit;
use super::section::Section;
use crate::time::Seconds;
use core::num::NonZeroU32;

/// One year, the longest that anything may live.
pub(super) const YEAR: u32 = 31_536_000;
/// One day.
pub(super) const DAY: u32 = 86_400;

/// A named set of defaults. Values that are given win over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// `default`: hybrid validation, sessions of 30 days.
    Default,
    /// `high_security`: strict validation, sessions of 7 days that end after 1 idle day, tighter limits.
    HighSecurity,
    /// `high_throughput`: access tokens of 15 minutes, wider limits.
    HighThroughput,
}

impl Preset {
    pub(super) const WORDS: [(&'static str, Self); 3] = [
        ("default", Self::Default),
        ("high_security", Self::HighSecurity),
        ("high_throughput", Self::HighThroughput),
    ];

    /// The value for this preset out of (default, high security, high throughput).
    pub(super) const fn pick<T: Copy>(self, values: (T, T, T)) -> T {
        match self {
            Self::Default => values.0,
            Self::HighSecurity => values.1,
            Self::HighThroughput => values.2,
        }
    }
}

/// What happens when an account opens one session more than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionLimit {
    /// There is no limit (`max_per_account = 0`).
    Unlimited,
    /// The session that was used least recently ends.
    Evict(NonZeroU32),
    /// The new session is refused.
    Reject(NonZeroU32),
    /// All other sessions end: one at a time.
    Single,
}

#[derive(Clone, Copy)]
enum OverLimit {
    Evict,
    Reject,
    Single,
}

/// `sessions`: their life and their rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSettings {
    /// Life without a refresh, 1 second to 1 year, default 7 days.
    pub idle_ttl: Seconds,
    /// Life at all, 1 second to 1 year, default 30 days.
    pub absolute_ttl: Seconds,
    /// Life at all of a session whose owner asked to be remembered, up to 1 year; `None`, the default, when it is 0.
    pub remember_ttl: Option<Seconds>,
    /// Up to how much earlier a session ends, 0 seconds to 1 hour, default 30 seconds: those of one moment do not all end
    /// in one.
    pub ttl_jitter: Seconds,
    /// How long the previous refresh token is still answered, 0 to 60 seconds, default 30.
    pub refresh_grace: Seconds,
    /// How often one session may advance, default 20 a minute; `None` when the count is 0.
    pub refresh_limit: Option<RateLimit>,
    /// How many sessions an account may have, default 10, then the oldest goes.
    pub limit: SessionLimit,
    /// How many sessions the tenant may have at once, up to 10,000,000; `None`, the default, when it is 0.
    pub max_per_tenant: Option<NonZeroU32>,
    /// Whether sessions are copied to the edge for reading (cookie mode), default yes.
    pub snapshots: bool,
}

impl SessionSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let idle_ttl = preset.pick((604_800, 86_400, 1_209_600));
        let absolute_ttl = preset.pick((2_592_000, 604_800, 2_592_000));
        Self {
            idle_ttl: section.seconds("idle_ttl_seconds", idle_ttl, 1..=YEAR),
            absolute_ttl: section.seconds("absolute_ttl_seconds", absolute_ttl, 1..=YEAR),
            remember_ttl: Some(section.seconds("remember_ttl_seconds", 0, 0..=YEAR))
                .filter(|ttl| *ttl != Seconds::ZERO),
            ttl_jitter: section.seconds("ttl_jitter_seconds", 30, 0..=3_600),
            refresh_grace: section.seconds("refresh_grace_seconds", preset.pick((30, 10, 30)), 0..=60),
            refresh_limit: section.rate_limit("refresh_limit", preset.pick(((20, 60), (10, 120), (60, 60)))),
            limit: read_session_limit(&mut section),
            max_per_tenant: NonZeroU32::new(section.number("max_per_tenant", 0, 0..=10_000_000)),
            snapshots: section.flag("snapshots", true),
        }
    }
}

fn read_session_limit(section: &mut Section<'_>) -> SessionLimit {
    let words = [("evict", OverLimit::Evict), ("reject", OverLimit::Reject), ("single", OverLimit::Single)];
    let max_is_given = section.has("max_per_account");
    let max = section.number("max_per_account", 10, 0..=10_000);
    match (section.choice("over_limit", OverLimit::Evict, &words), NonZeroU32::new(max)) {
        (OverLimit::Single, _) => {
            if max_is_given && max != 1 {
                section.refuse("max_per_account", "must be 1, or absent, when over_limit is \"single\"");
            }
            SessionLimit::Single
        }
        (_, None) => SessionLimit::Unlimited,
        (OverLimit::Evict, Some(max)) => SessionLimit::Evict(max),
        (OverLimit::Reject, Some(max)) => SessionLimit::Reject(max),
    }
}

/// How much is asked before an access token is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidationMode {
    /// `jwt_only`: signature and claims; a revocation shows when the token expires.
    JwtOnly,
    /// `hybrid`: also the revocation shard at the edge; a revocation shows within `staleness`.
    Hybrid,
    /// `strict`: the account object itself; a revocation shows at once.
    Strict,
}

/// `validation`: the default for routes that do not override it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidationSettings {
    /// The mode, default `hybrid`.
    pub mode: ValidationMode,
    /// How old a revocation shard may be in hybrid mode, 1 to 60 seconds, default 60.
    pub staleness: Seconds,
    /// How long an isolate uses a shard that it has read before it reads it again, 0 to 59 seconds and less than
    /// `staleness`; default a twelfth of that, 5.
    pub shard_copy: Seconds,
}

impl ValidationSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let words = [
            ("hybrid", ValidationMode::Hybrid),
            ("jwt_only", ValidationMode::JwtOnly),
            ("strict", ValidationMode::Strict),
        ];
        let default = preset.pick((ValidationMode::Hybrid, ValidationMode::Strict, ValidationMode::Hybrid));
        let mode = section.choice("mode", default, &words);
        if preset == Preset::HighSecurity && mode == ValidationMode::JwtOnly {
            section.refuse("mode", "must not be \"jwt_only\" with preset \"high_security\"");
        }
        let staleness = section.seconds("staleness_seconds", 60, 1..=60);
        let shard_copy = section.seconds("shard_copy_seconds", staleness.as_secs() / 12, 0..=59);
        if shard_copy >= staleness {
            section.refuse("shard_copy_seconds", "must be less than staleness_seconds");
        }
        Self { mode, staleness, shard_copy }
    }
}

/// `lockout`: failed proofs in a row, and the pause that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockoutSettings {
    /// Failures of one source against one identifier, 1 to 100, default 10.
    pub per_source_failures: u32,
    /// Failures against one identifier from everywhere, 1 to 100 (NIST SP 800-63B-4 §3.2.2), default 100.
    pub per_identifier_failures: u32,
    /// The pause, 1 second to 1 day, default 15 minutes.
    pub duration: Seconds,
    /// Failures of one source after which its next attempt has to wait, 0 to 99, default 0: never.
    pub delay_after_failures: u32,
    /// The first wait, 1 second to 1 hour, default 1 second; each further failure doubles it.
    pub delay_first: Seconds,
    /// The longest wait, up to the pause, default 1 minute.
    pub delay_most: Seconds,
}

impl LockoutSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let settings = Self {
            per_source_failures: section.number("per_source_failures", preset.pick((10, 5, 10)), 1..=100),
            per_identifier_failures: section.number("per_identifier_failures", 100, 1..=100),
            duration: section.seconds("duration_seconds", preset.pick((900, 1_800, 900)), 1..=86_400),
            delay_after_failures: section.number("delay_after_failures", preset.pick((0, 3, 0)), 0..=99),
            delay_first: section.seconds("delay_first_seconds", 1, 1..=3_600),
            delay_most: section.seconds("delay_most_seconds", 60, 1..=86_400),
        };
        if settings.delay_after_failures > 0 {
            if settings.delay_after_failures >= settings.per_source_failures {
                section.refuse("delay_after_failures", "must be less than lockout.per_source_failures");
            }
            if settings.delay_first > settings.delay_most {
                section.refuse("delay_first_seconds", "must not be more than lockout.delay_most_seconds");
            }
            if settings.delay_most > settings.duration {
                section.refuse("delay_most_seconds", "must not be more than lockout.duration_seconds");
            }
        }
        if settings.per_source_failures > settings.per_identifier_failures {
            section.refuse("per_source_failures", "must not be more than lockout.per_identifier_failures");
        }
        settings
    }
}

/// `auto_lockout`: failed proofs over any time, and the lock of the password that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoLockoutSettings {
    /// Whether there is such a lock, default false.
    pub enabled: bool,
    /// Failures against one identifier since its last success, from everywhere, 1 to 100, default 10.
    pub failures: u32,
    /// How long the lock lasts, 0 or 1 second to 30 days, default 30 minutes; 0: until it is lifted.
    pub duration: Seconds,
}

impl AutoLockoutSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            enabled: section.flag("enabled", false),
            failures: section.number("failures", 10, 1..=100),
            duration: section.seconds("duration_seconds", 1_800, 0..=2_592_000),
        }
    }
}
