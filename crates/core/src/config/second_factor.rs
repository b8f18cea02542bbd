//! `second_factor`: when one is asked for.

use super::section::Section;
use crate::time::Seconds;

/// `second_factor`: what accounts may have besides a first factor, and when it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecondFactorSettings {
    /// Whether every login asks for one, so that an account without enrols it first, default no.
    pub required_for_login: bool,
    /// Whether codes by mail may be one, default yes.
    pub email: bool,
    /// Whether codes by SMS may be one, default no.
    pub sms: bool,
    /// How long a device on which one was shown need not show it again after a password, 0 to 90 days, default never.
    pub trusted_device: Seconds,
    /// Whether an account that has one shows it before what is sensitive, default yes.
    pub required_for_sensitive: bool,
    /// How long the proof of an owner counts, 60 seconds to 1 hour, default 10 minutes.
    pub recent: Seconds,
}

impl SecondFactorSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            required_for_login: section.flag("required_for_login", false),
            email: section.flag("email", true),
            sms: section.flag("sms", false),
            trusted_device: section.seconds("trusted_device_seconds", 0, 0..=7_776_000),
            required_for_sensitive: section.flag("required_for_sensitive", true),
            recent: section.seconds("recent_seconds", 600, 60..=3_600),
        }
    }
}
