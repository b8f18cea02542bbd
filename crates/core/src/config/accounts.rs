//! The sections on how accounts come about, prove their addresses, are recovered, and go: `codes`, `sign_in`,
//! `password_reset`, `registration`, `verification`, `accounts`.

use super::section::Section;
use super::settings::{DAY, Preset, YEAR};
use crate::time::Seconds;

/// `codes`: one-time codes and links by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeSettings {
    /// Life of a code, 1 to 3,600 seconds, default 600.
    pub ttl: Seconds,
    /// Life of a code that logs in, 1 to 3,600 seconds, default 300.
    pub login_ttl: Seconds,
    /// Life of a link that logs in or resets a password, 1 second to 1 day, default 15 minutes.
    pub link_ttl: Seconds,
    /// How long after one mail the next of its kind may be asked for, 0 to 3,600 seconds, default 60.
    pub resend_after: Seconds,
    /// Whether no other mail of its kind is sent while a code or link may still be used, default no: then the next one
    /// makes it worthless.
    pub refuse_while_live: bool,
    /// How often a code may be tried, 1 to 5, default 5.
    pub max_attempts: u32,
    /// Whether a sign-up confirmed by address and code alone keeps the password that was chosen when it was opened,
    /// default yes; no with preset `high_security`. What that risks is written at `intake::claim_sign_up`.
    pub bare_claim_keeps_password: bool,
}

impl CodeSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let keeps = preset.pick((true, false, true));
        Self {
            ttl: section.seconds("ttl_seconds", 600, 1..=3_600),
            login_ttl: section.seconds("login_ttl_seconds", 300, 1..=3_600),
            link_ttl: section.seconds("link_ttl_seconds", 900, 1..=86_400),
            resend_after: section.seconds("resend_after_seconds", 60, 0..=3_600),
            refuse_while_live: section.choice(
                "resend",
                false,
                &[("replace", false), ("refuse_while_live", true)],
            ),
            max_attempts: section.number("max_attempts", 5, 1..=5),
            bare_claim_keeps_password: section.flag("bare_claim_keeps_password", keeps),
        }
    }
}

/// `sign_in`: ways in besides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignInSettings {
    /// Whether a mailed code logs in, default yes.
    pub codes: bool,
    /// Whether a mailed link logs in, default yes.
    pub links: bool,
    /// Whether a code sent to an address without an account creates one, default no.
    pub creates_accounts: bool,
}

impl SignInSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let settings = Self {
            codes: section.flag("codes", true),
            links: section.flag("links", true),
            creates_accounts: section.flag("creates_accounts", false),
        };
        if settings.creates_accounts && !settings.codes {
            section.refuse("creates_accounts", "has no effect unless sign_in.codes is true");
        }
        settings
    }
}

/// The form of a secret that is mailed as proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailedForm {
    /// `link`: a link with 256 random bits, which nobody can guess.
    Link,
    /// `code`: six digits to type, for clients that open no links.
    Code,
    /// `uuid`: a UUID of 122 random bits to copy, for clients that open no links and people who need not type.
    Uuid,
}

impl MailedForm {
    const WORDS: [(&'static str, Self); 3] =
        [("link", Self::Link), ("code", Self::Code), ("uuid", Self::Uuid)];
}

/// `password_reset`: choosing a new password without the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordResetSettings {
    /// Whether it is possible, default yes.
    pub enabled: bool,
    /// By what, default a link.
    pub by: MailedForm,
}

impl PasswordResetSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            enabled: section.flag("enabled", true),
            by: section.choice("by", MailedForm::Link, &MailedForm::WORDS),
        }
    }
}

/// How accounts come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationMode {
    /// `verified_first`: an account exists once its address is proven, and nothing of it before.
    VerifiedFirst,
    /// `immediate`: an account exists at once; its address may be proven later.
    Immediate,
    /// `closed`: nobody signs up; an operator creates accounts.
    Closed,
}

impl RegistrationMode {
    const ALL: [Self; 3] = [Self::VerifiedFirst, Self::Immediate, Self::Closed];

    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifiedFirst => "verified_first",
            Self::Immediate => "immediate",
            Self::Closed => "closed",
        }
    }
}

/// Whether accounts have usernames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsernameRule {
    /// `off`: none has.
    Off,
    /// `optional`: those have whose owner has chosen one.
    Optional,
    /// `derived`: all have; who chooses none gets one made of the address.
    Derived,
    /// `required`: all have, and a sign-up must choose one.
    Required,
}

impl UsernameRule {
    const ALL: [Self; 4] = [Self::Off, Self::Optional, Self::Derived, Self::Required];

    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Derived => "derived",
            Self::Required => "required",
        }
    }
}

/// `registration`: signing up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistrationSettings {
    /// The mode, default `verified_first`.
    pub mode: RegistrationMode,
    /// Usernames, default off.
    pub usernames: UsernameRule,
    /// Whether an immediate sign-up is answered with tokens, default no.
    pub auto_login: bool,
    /// Whether an account of an immediate sign-up waits for the proof of its address before anybody signs in, default
    /// yes.
    pub require_verified_for_login: bool,
    /// Whether a sign-up says that its address has an account, default no: then only the owner is told, by mail.
    pub reveal_existing_accounts: bool,
}

impl RegistrationSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let modes = RegistrationMode::ALL.map(|mode| (mode.as_str(), mode));
        let rules = UsernameRule::ALL.map(|rule| (rule.as_str(), rule));
        let settings = Self {
            mode: section.choice("mode", RegistrationMode::VerifiedFirst, &modes),
            usernames: section.choice("usernames", UsernameRule::Off, &rules),
            auto_login: section.flag("auto_login", false),
            require_verified_for_login: section.flag("require_verified_for_login", true),
            reveal_existing_accounts: section.flag("reveal_existing_accounts", false),
        };
        let immediate = settings.mode == RegistrationMode::Immediate;
        // Whoever signs up tries the password afterwards, and knows whether there was an account before: silence would
        // be a pretence.
        if immediate && !settings.reveal_existing_accounts {
            section.refuse("mode", "\"immediate\" needs registration.reveal_existing_accounts = true");
        }
        if settings.auto_login && (!immediate || settings.require_verified_for_login) {
            let rule = "needs registration.mode = \"immediate\" and require_verified_for_login = false";
            section.refuse("auto_login", rule);
        }
        settings
    }
}

/// `verification`: proving an address that an account has or is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerificationSettings {
    /// By what an account's own address is proven, default a code.
    pub by: MailedForm,
    /// Life of a code for another address, 1 second to 7 days, default 24 hours.
    pub email_change_ttl: Seconds,
}

impl VerificationSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            by: section.choice("by", MailedForm::Code, &MailedForm::WORDS),
            email_change_ttl: section.seconds("email_change_ttl_seconds", DAY, 1..=7 * DAY),
        }
    }
}

/// `accounts`: how accounts end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountSettings {
    /// How long a deleted account is kept before it is purged, 1 second to 1 year, default 30 days; `None`, which is 0,
    /// keeps it until an operator purges it.
    pub purge_after: Option<Seconds>,
    /// Whether owners may delete their accounts themselves, default yes.
    pub owner_may_delete: bool,
}

impl AccountSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let purge_after = section.seconds("purge_after_seconds", 30 * DAY, 0..=YEAR);
        Self {
            purge_after: (purge_after > Seconds::ZERO).then_some(purge_after),
            owner_may_delete: section.flag("owner_may_delete", true),
        }
    }
}
