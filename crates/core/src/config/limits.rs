//! Rate limits: how often what may be done, by whom.

use super::Preset;
use super::section::Section;
use crate::time::Seconds;
use core::num::NonZeroU32;

/// At most `count` in `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    count: NonZeroU32,
    period: Seconds,
    when_unavailable: FailMode,
}

/// What becomes of a request when nobody can say whether a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailMode {
    /// `refuse`: it is refused, since what stands behind the limit must not be open to guessing.
    Refuse,
    /// `admit`: it is let through, uncounted.
    Admit,
}

impl RateLimit {
    /// The limit; `None`, which means unlimited, for a count of 0.
    #[must_use]
    pub fn new(count: u32, period: Seconds) -> Option<Self> {
        NonZeroU32::new(count).map(|count| Self { count, period, when_unavailable: FailMode::Refuse })
    }

    /// The same with another fail mode.
    #[must_use]
    pub const fn when_unavailable(self, when_unavailable: FailMode) -> Self {
        Self { when_unavailable, ..self }
    }

    /// What becomes of a request when the limiter does not answer; `refuse` if nothing is said.
    #[must_use]
    pub const fn fail_mode(self) -> FailMode {
        self.when_unavailable
    }

    /// How many are allowed in a period: 1 to 1,000,000.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count.get()
    }

    /// The period: 1 second to 1 day.
    #[must_use]
    pub const fn period(self) -> Seconds {
        self.period
    }
}

/// The fail mode of a limit whose line says none, or that one.
macro_rules! fail_mode {
    () => {
        FailMode::Refuse
    };
    ($mode:ident) => {
        FailMode::$mode
    };
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $default:expr, $high_security:expr, $high_throughput:expr $(, $mode:ident)?;)*) => {
        /// Every limit; `None` where the configuration says `count = 0`, which switches the limit off.
        ///
        /// *Source* is the network a request comes from, *identifier* the address it names, *pair* both
        /// together, *account* who has proven to be one. The comment of each field states its default; one that is let
        /// through uncounted while nobody can say is marked `Admit` below.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Limits {
            $($(#[$doc])* pub $name: Option<RateLimit>,)*
        }

        impl Limits {
            pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
                Self {
                    $($name: section.limit(stringify!($name), match preset {
                        Preset::Default => $default,
                        Preset::HighSecurity => $high_security,
                        Preset::HighThroughput => $high_throughput,
                    }, fail_mode!($($mode)?)),)*
                }
            }

            /// Every limit with its field name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<RateLimit>)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

limits! {
    /// Sign-ups: 10 an hour.
    sign_up_per_source: (10, 3_600), (5, 3_600), (60, 3_600);
    /// Sign-ups: 5 in 15 minutes.
    sign_up_per_identifier: (5, 900), (5, 900), (5, 900);
    /// Codes and links presented: 30 in 10 minutes.
    verify_per_source: (30, 600), (15, 600), (120, 600);
    /// Codes presented for another address: 10 in 10 minutes.
    verify_per_account: (10, 600), (10, 600), (10, 600);
    /// Codes of authenticator apps and answers of passkeys presented: 30 in 10 minutes.
    totp_per_source: (30, 600), (15, 600), (120, 600);
    /// Backup codes presented: 10 in 10 minutes. Each takes a hash.
    backup_code_per_source: (10, 600), (5, 600), (30, 600);
    /// Usernames looked up: 30 a minute.
    username_check_per_source: (30, 60), (10, 60), (60, 60), Admit;
    /// Changes of the username: 12 an hour.
    username_change_per_account: (12, 3_600), (3, 3_600), (12, 3_600);
    /// Codes and links by mail asked for, to log in or to prove an address: 10 in 10 minutes.
    code_per_source: (10, 600), (5, 600), (60, 600);
    /// Resets of a password asked for by mail: 6 in 10 minutes.
    reset_per_source: (6, 600), (3, 600), (30, 600);
    /// Codes and links by mail asked for, of each kind: 6 an hour.
    code_per_identifier: (6, 3_600), (6, 3_600), (6, 3_600);
    /// SMS asked for: 10 an hour. Each costs money.
    sms_per_source: (10, 3_600), (5, 3_600), (60, 3_600);
    /// SMS asked for, of all kinds together: 10 a day.
    sms_per_identifier: (10, 86_400), (6, 86_400), (10, 86_400);
    /// Passwords presented, right or wrong: 60 in 10 minutes.
    login_per_source: (60, 600), (20, 600), (240, 600);
    /// Passwords presented, right or wrong: 5 in 15 minutes. The pair, so that one source cannot lock others
    /// out.
    login_per_pair: (5, 900), (3, 900), (5, 900);
    /// Refreshes of all sessions: 120 a minute. Each session has a limit of its own in `sessions`.
    refresh_per_source: (120, 60), (60, 60), (600, 60);
    /// Logouts: 60 in 10 minutes.
    logout_per_source: (60, 600), (60, 600), (240, 600), Admit;
    /// Reading the own profile, listing and ending the own sessions: 120 a minute.
    profile_per_account: (120, 60), (120, 60), (600, 60), Admit;
    /// Creating organizations and inviting to them: 60 an hour.
    organization_per_account: (60, 3_600), (20, 3_600), (60, 3_600);
    /// Requests to the operator's routes, with a right token or a wrong one: 30 a minute.
    operator_per_source: (30, 60), (10, 60), (30, 60);
}
