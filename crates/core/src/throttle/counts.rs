//! How often passwords were right and wrong, all in all.

use alloc::format;
use alloc::string::String;

/// Passwords that were compared since the deployment began, wherever one is asked for.
///
/// Two numbers, and nobody's: no identifier, no source. An answer that was lost is given again, and may count twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct PasswordCounts {
    /// The right ones, whatever was asked for after them.
    pub succeeded: u64,
    /// The wrong ones, and those of accounts that there are not.
    pub failed: u64,
}

impl PasswordCounts {
    /// With one right password more.
    #[must_use]
    pub const fn plus_success(self) -> Self {
        Self { succeeded: self.succeeded.saturating_add(1), ..self }
    }

    /// With one wrong password more.
    #[must_use]
    pub const fn plus_failure(self) -> Self {
        Self { failed: self.failed.saturating_add(1), ..self }
    }

    /// With what was counted elsewhere.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            succeeded: self.succeeded.saturating_add(other.succeeded),
            failed: self.failed.saturating_add(other.failed),
        }
    }

    /// For a monitor: the text exposition format of Prometheus, version 0.0.4.
    ///
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    #[must_use]
    pub fn exposition(&self) -> String {
        let Self { succeeded, failed } = self;
        format!(
            "# HELP postern_password_attempts_total Passwords that were compared.\n\
             # TYPE postern_password_attempts_total counter\n\
             postern_password_attempts_total{{result=\"success\"}} {succeeded}\n\
             postern_password_attempts_total{{result=\"failure\"}} {failed}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stop_at_their_end_instead_of_beginning_again() {
        let most = PasswordCounts { succeeded: u64::MAX, failed: u64::MAX };
        assert_eq!(most.plus_success().plus_failure().plus(most), most);
        let few = PasswordCounts::default().plus_success().plus_success().plus_failure();
        assert_eq!(few, PasswordCounts { succeeded: 2, failed: 1 });
        assert_eq!(few.plus(few), PasswordCounts { succeeded: 4, failed: 2 });
    }

    #[test]
    fn a_monitor_reads_one_counter_with_two_results() {
        let text = PasswordCounts { succeeded: 12, failed: 3 }.exposition();
        assert_eq!(
            text.lines().collect::<alloc::vec::Vec<_>>(),
            [
                "# HELP postern_password_attempts_total Passwords that were compared.",
                "# TYPE postern_password_attempts_total counter",
                "postern_password_attempts_total{result=\"success\"} 12",
                "postern_password_attempts_total{result=\"failure\"} 3",
            ]
        );
        assert!(text.ends_with('\n'));
    }
}
