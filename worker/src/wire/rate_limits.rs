//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): the limits that a request has met, as lists of
//! structured fields (RFC 9651).

use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use worker::{Headers, Result};

/// A limit that a request has met, and how it stands.
#[derive(Clone, Copy)]
pub(crate) struct MetLimit {
    /// The name of its setting, or of the rule that has none. ASCII without quotes.
    pub(crate) name: &'static str,
    /// How many are admitted in the window.
    pub(crate) quota: u32,
    pub(crate) window_seconds: u32,
    /// How many more would be admitted now.
    pub(crate) remaining: u32,
    /// Seconds until one would be admitted if none would now, else until all are free again.
    pub(crate) reset_seconds: u64,
    /// Whether it counts what others have asked as well, so that only whoever it refuses is told.
    pub(crate) is_shared: bool,
}

impl MetLimit {
    /// One that refuses, and is counted where the decision is made.
    pub(crate) const fn reached(
        name: &'static str,
        quota: u32,
        window_seconds: u32,
        retry_after_seconds: u64,
    ) -> Self {
        let reset_seconds = retry_after_seconds;
        Self { name, quota, window_seconds, remaining: 0, reset_seconds, is_shared: true }
    }
}

/// The limits that one event has met so far. Clones are one list.
#[derive(Clone, Default)]
pub(crate) struct MetLimits(Rc<RefCell<Vec<MetLimit>>>);

impl MetLimits {
    pub(crate) fn push(&self, limit: MetLimit) {
        self.0.borrow_mut().push(limit);
    }

    /// Says so in an answer of this status; nothing if there were none.
    pub(crate) fn write(&self, headers: &Headers, status: u16) -> Result<()> {
        let met = self.0.borrow();
        let met: Vec<_> = met.iter().filter(|limit| !limit.is_shared || status == 429).collect();
        if met.is_empty() {
            return Ok(());
        }
        let list = |item: fn(&MetLimit) -> String| {
            met.iter().map(|limit| item(limit)).collect::<Vec<_>>().join(", ")
        };
        let policies =
            list(|limit| format!("\"{}\";q={};w={}", limit.name, limit.quota, limit.window_seconds));
        headers.set("ratelimit-policy", &policies)?;
        let levels =
            list(|limit| format!("\"{}\";r={};t={}", limit.name, limit.remaining, limit.reset_seconds));
        headers.set("ratelimit", &levels)
    }
}

/// A limit that is counted where the decision is made, by the account or by the shard of an address.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CountedLimit {
    Lockout,
    /// The wait between two attempts of a source that has failed.
    Delay,
    SignUp,
    Code,
    Sms,
    /// The cool-down between two messages.
    Resend,
    Refresh,
    SecondFactor,
    /// The cool-down between two codes of a second factor that are sent.
    FactorResend,
    PasskeySignIn,
}

impl CountedLimit {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lockout => "lockout",
            Self::Delay => "attempt_delay",
            Self::SignUp => "sign_up_per_identifier",
            Self::Code => "code_per_identifier",
            Self::Sms => "sms_per_identifier",
            Self::Resend => "resend_after",
            Self::Refresh => "refresh_limit",
            Self::SecondFactor => "second_factor_pause",
            Self::FactorResend => "second_factor_resend",
            Self::PasskeySignIn => "passkey_sign_ins",
        }
    }
}
