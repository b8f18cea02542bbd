//! `mail`: who carries mails, what they look like, and where their links lead.

use super::section::{Section, Value};
use super::url::{Issuer, WebUrl};
use crate::identifier::{DisplayName, EmailAddress};
use crate::mail::LanguageTag;
use alloc::string::String;
use core::time::Duration;

/// Who carries mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailSender {
    /// `development_mailbox`: nothing leaves the machine; refused in production.
    DevelopmentMailbox,
    /// `http`, `auth1`, `zeptomail` or `resend`: a JSON request to a mail service.
    Service(MailService),
    /// `cloudflare`: the binding `MAIL` to Cloudflare's Email Service, from this address.
    Cloudflare {
        /// The sender's address.
        from: EmailAddress,
    },
}

/// How a mail service wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailApi {
    /// Postern's own form, for a service or Worker of the operator's.
    Http,
    /// auth1's contract: `POST /email/send {to, subject, template, variables}`.
    Auth1,
    /// Zoho ZeptoMail: `POST /v1.1/email`.
    ZeptoMail,
    /// Resend: `POST /emails`.
    Resend,
}

impl MailApi {
    /// Whether the service answers nobody without a key.
    #[must_use]
    pub const fn needs_key(self) -> bool {
        matches!(self, Self::ZeptoMail | Self::Resend)
    }

    /// Where the service is unless the configuration says otherwise.
    const fn default_url(self) -> Option<&'static str> {
        match self {
            Self::ZeptoMail => Some("https://api.zeptomail.com"),
            Self::Resend => Some("https://api.resend.com"),
            Self::Http | Self::Auth1 => None,
        }
    }
}

/// A mail service that is asked by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailService {
    /// How it is asked.
    pub api: MailApi,
    /// Where: the whole address for [`MailApi::Http`], what comes before the path for the others.
    pub url: WebUrl,
    /// The sender's address; `None` with [`MailApi::Auth1`] only, whose service knows it.
    pub from: Option<EmailAddress>,
    /// When to give up, 100 to 30,000 milliseconds, default 10,000, with `auth1` 30,000.
    pub timeout: Duration,
}

/// `mail`: how codes and links reach people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailSettings {
    /// Who carries it, default the development mailbox.
    pub sender: MailSender,
    /// The page that a link to set a password opens, default the issuer followed by `/set-password`. No
    /// query.
    pub set_password_url: WebUrl,
    /// The page that a link to reset the password opens, default the issuer followed by `/reset-password`. No
    /// query.
    pub reset_password_url: WebUrl,
    /// The page that a link to log in opens, default the issuer followed by `/login-link`. No query.
    pub login_link_url: WebUrl,
    /// The page that a link to prove an address opens, default the issuer followed by `/verify-email`. No query.
    pub verify_email_url: WebUrl,
    /// The page that an invitation to an organization opens, default the issuer followed by `/invite`. No query.
    pub invite_url: WebUrl,
    /// The language of mails to people of whom no better one is known, default `en`.
    pub language: LanguageTag,
    /// The name of the service in its mails, 1 to 64 characters, default the issuer's host.
    pub brand_name: String,
    /// Its colour, as `#rrggbb`.
    pub brand_color: String,
    /// Its picture.
    pub logo_url: Option<WebUrl>,
    /// Where its users may ask.
    pub support_address: Option<EmailAddress>,
    /// Whether new accounts get a welcome, default no.
    pub welcome: bool,
    /// Whether owners hear of a login from a device that they have not used lately, default yes.
    pub new_device: bool,
}

/// The words for [`MailSender`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    DevelopmentMailbox,
    Service(MailApi),
    Cloudflare,
}

impl MailSettings {
    pub(super) fn read(mut section: Section<'_>, issuer: &Issuer) -> Self {
        let sender = read_sender(&mut section);
        let set_password = section.parsed::<WebUrl>("set_password_url");
        let reset_password = section.parsed::<WebUrl>("reset_password_url");
        let login_link = section.parsed::<WebUrl>("login_link_url");
        let verify_email = section.parsed::<WebUrl>("verify_email_url");
        let invite = section.parsed::<WebUrl>("invite_url");
        let mut page = |name: &'static str, url: Option<WebUrl>, default: &'static str| {
            if url.as_ref().is_some_and(|url| url.as_str().contains('?')) {
                section.refuse(name, "must not have a query");
            }
            url.unwrap_or_else(|| issuer.join(default))
        };
        let set_password_url = page("set_password_url", set_password, "/set-password");
        let reset_password_url = page("reset_password_url", reset_password, "/reset-password");
        let login_link_url = page("login_link_url", login_link, "/login-link");
        let verify_email_url = page("verify_email_url", verify_email, "/verify-email");
        let invite_url = page("invite_url", invite, "/invite");
        Self {
            sender,
            set_password_url,
            reset_password_url,
            login_link_url,
            verify_email_url,
            invite_url,
            language: section.parsed_or("language", "en").unwrap_or_else(LanguageTag::english),
            brand_name: read_brand_name(&mut section, issuer),
            brand_color: read_brand_color(&mut section),
            logo_url: section.parsed("logo_url"),
            support_address: section.parsed("support_address"),
            welcome: section.flag("welcome", false),
            new_device: section.flag("new_device", true),
        }
    }
}

fn read_sender(section: &mut Section<'_>) -> MailSender {
    const WORDS: [(&str, Sender); 6] = [
        ("development_mailbox", Sender::DevelopmentMailbox),
        ("http", Sender::Service(MailApi::Http)),
        ("auth1", Sender::Service(MailApi::Auth1)),
        ("zeptomail", Sender::Service(MailApi::ZeptoMail)),
        ("resend", Sender::Service(MailApi::Resend)),
        ("cloudflare", Sender::Cloudflare),
    ];
    let sender = section.choice("sender", Sender::DevelopmentMailbox, &WORDS);
    let api = if let Sender::Service(api) = sender { Some(api) } else { None };
    let needs_url = api.is_some_and(|api| api.default_url().is_none());
    let needs_from = !matches!(sender, Sender::DevelopmentMailbox | Sender::Service(MailApi::Auth1));
    for (field, needed) in [("url", needs_url), ("from", needs_from)] {
        if needed && !section.has(field) {
            section.refuse(field, "is required with this mail.sender");
        }
    }
    if api.is_none() && section.has("url") {
        section.refuse("url", "has no effect with this mail.sender");
    }
    let url = section.parsed::<WebUrl>("url");
    if api.is_some_and(|api| api != MailApi::Http)
        && url.as_ref().is_some_and(|url| url.as_str().contains('?') || url.as_str().ends_with('/'))
    {
        section.refuse("url", "must have no query and no slash at the end: the path of the service follows");
    }
    let from = section.parsed::<EmailAddress>("from");
    let timeout = if api == Some(MailApi::Auth1) { 30_000 } else { 10_000 };
    let timeout = Duration::from_millis(section.number("timeout_ms", timeout, 100..=30_000).into());
    let url = url.or_else(|| api?.default_url()?.parse().ok());
    // What is missing here was refused above, so that the stand-in never leaves the reader.
    match (api, url, from) {
        (Some(api), Some(url), from) => MailSender::Service(MailService { api, url, from, timeout }),
        (None, _, Some(from)) if sender == Sender::Cloudflare => MailSender::Cloudflare { from },
        _ => MailSender::DevelopmentMailbox,
    }
}

fn read_brand_name(section: &mut Section<'_>, issuer: &Issuer) -> String {
    const MOST_CHARACTERS: usize = 64;
    let name = section.parsed::<DisplayName>("brand_name");
    if name.as_ref().is_some_and(|name| name.as_str().chars().count() > MOST_CHARACTERS) {
        section.refuse("brand_name", "must have at most 64 characters");
    }
    let host = || issuer.as_str().split('/').nth(2).unwrap_or_default().into();
    name.map_or_else(host, |name| name.as_str().into())
}

fn read_brand_color(section: &mut Section<'_>) -> String {
    let read = |value: &Value| {
        let color = value.as_str()?;
        let digits = color.strip_prefix('#')?;
        let is_color = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_color.then(|| color.into())
    };
    section.mapped("brand_color", "#1f4e79".into(), read, "must be a colour such as #1f4e79")
}
