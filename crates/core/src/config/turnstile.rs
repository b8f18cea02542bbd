//! `turnstile`: where a page has to show that somebody uses it.

use super::limits::FailMode;
use super::section::Section;
use super::url::{Issuer, WebUrl};
use crate::turnstile::PageHost;
use alloc::vec::Vec;
use core::time::Duration;

/// `turnstile`: Cloudflare's Turnstile, and which doors ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnstileSettings {
    /// Whether anything asks for it, default no.
    pub enabled: bool,
    /// Whether sign-ups do, default yes.
    pub sign_up: bool,
    /// After how many failures on an address, number or username its logins do, 0 to 100, default 3; 0: always.
    pub login_after_failures: u32,
    /// Whether logins do at all, default yes.
    pub login: bool,
    /// Whether resets do when they are asked for, default yes.
    pub password_reset: bool,
    /// Whether codes and links do when they are asked for, default yes.
    pub codes: bool,
    /// The hosts of the pages, 1 to 16, default the issuer's.
    pub hostnames: Vec<PageHost>,
    /// Where tokens are checked.
    pub url: Option<WebUrl>,
    /// When to go on without an answer, 100 to 10,000 milliseconds, default 2,000.
    pub timeout: Duration,
    /// What becomes of a request when nobody can say, default refused.
    pub when_unavailable: FailMode,
}

impl TurnstileSettings {
    pub(super) fn read(mut section: Section<'_>, issuer: &Issuer) -> Self {
        let modes = [("refuse", FailMode::Refuse), ("admit", FailMode::Admit)];
        let listed = section.list::<PageHost>("hostnames");
        if listed.as_ref().is_some_and(|hosts| hosts.is_empty() || hosts.len() > 16) {
            section.refuse("hostnames", "must list 1 to 16 hosts");
        }
        let own = || issuer.host().parse().into_iter().collect();
        let hostnames = listed.map_or_else(own, |hosts| hosts.into_iter().map(|(_, host)| host).collect());
        let timeout = section.number("timeout_ms", 2_000, 100..=10_000);
        let url = "https://challenges.cloudflare.com/turnstile/v0/siteverify";
        Self {
            enabled: section.flag("enabled", false),
            sign_up: section.flag("sign_up", true),
            login: section.flag("login", true),
            login_after_failures: section.number("login_after_failures", 3, 0..=100),
            password_reset: section.flag("password_reset", true),
            codes: section.flag("codes", true),
            hostnames,
            url: section.parsed_or::<WebUrl>("url", url),
            timeout: Duration::from_millis(timeout.into()),
            when_unavailable: section.choice("when_unavailable", FailMode::Refuse, &modes),
        }
    }
}
