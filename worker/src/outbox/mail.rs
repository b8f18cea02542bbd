//! Mails: written from what the outbox says, sent by the configured sender.

use crate::environment::Environment;
use crate::outbox::letter::{self, Letter};
use crate::outbox::message::{Mail, MailTemplate, Parcel, Recipient};
use crate::store::directory::Directory;
use crate::wire::outgoing;
use crate::wire::problem::Problem;
use postern_core::config::MailSender;
use postern_core::intake::CodePurpose;
use postern_core::json;
use postern_core::time::UnixMillis;
use serde::Serialize;
use worker::{AbortSignal, Fetch, Headers};

/// Writes and sends one mail. An account without an address gets none, and neither does one that is restricted.
pub(crate) async fn send(
    environment: &Environment,
    directory: &Directory,
    parcel: &Parcel,
    mail: &Mail,
    now: UnixMillis,
) -> Result<(), Problem> {
    let to = match &mail.to {
        Recipient::Address(address) => Some(address.clone()),
        Recipient::Account(account) => directory.mail_address(&mail.tenant, account, now).await?,
    };
    let Some(to) = to else { return Ok(()) };
    let Some(letter) = write(environment, directory, mail, &to, now).await? else { return Ok(()) };
    match &environment.config().mail().sender {
        MailSender::Http { url, from, timeout } => {
            let timeout = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            post(url.as_str(), from.as_str(), &parcel.id, &to, &letter, timeout).await
        }
        MailSender::DevelopmentMailbox => keep(environment, parcel, to, letter).await,
    }
}

/// The letter, or `None` if nobody is to get one: whether an address has an account is looked up here, where no
/// request can measure it.
async fn write(
    environment: &Environment,
    directory: &Directory,
    mail: &Mail,
    to: &str,
    now: UnixMillis,
) -> Result<Option<Letter>, Problem> {
    let config = environment.config();
    let owner = match &mail.template {
        MailTemplate::SignUpCode { .. }
        | MailTemplate::SetPassword { .. }
        | MailTemplate::Code { .. }
        | MailTemplate::Link { .. } => directory.owner(&mail.tenant, to, now).await?,
        _ => None,
    };
    if owner.as_ref().is_some_and(|owner| owner.status.is_restricted()) {
        return Ok(None);
    }
    Ok(match &mail.template {
        MailTemplate::SignUpCode { .. } if owner.is_some() => Some(letter::account_exists()),
        MailTemplate::SignUpCode { code, ttl_seconds } => {
            Some(letter::code(CodePurpose::SignUp, code, *ttl_seconds))
        }
        MailTemplate::SetPassword { name, token, ttl_seconds } => {
            let link = format!("{}#{token}", config.mail().set_password_url.as_str());
            Some(letter::set_password(name, link, *ttl_seconds))
        }
        MailTemplate::Code { purpose: CodePurpose::ChangeIdentifier, .. } if owner.is_some() => {
            Some(letter::address_taken())
        }
        MailTemplate::Code { purpose, code, ttl_seconds } => {
            let is_open = match (purpose, &owner) {
                (CodePurpose::ChangeIdentifier, _) => true,
                (CodePurpose::Login, None) => config.sign_in().creates_accounts,
                (CodePurpose::VerifyIdentifier, Some(owner)) => owner.verified_at.is_none(),
                (_, owner) => owner.is_some(),
            };
            is_open.then(|| letter::code(*purpose, code, *ttl_seconds))
        }
        MailTemplate::Link { purpose: CodePurpose::VerifyIdentifier, .. }
            if owner.as_ref().is_some_and(|owner| owner.verified_at.is_some()) =>
        {
            None
        }
        MailTemplate::Link { purpose, secret, ttl_seconds } => match owner {
            Some(owner) => letter::link(config.mail(), *purpose, owner.account_id, secret, *ttl_seconds),
            None => None,
        },
        MailTemplate::SessionReuse => Some(letter::session_reuse()),
        MailTemplate::CredentialChanged(change) => Some(letter::credential_changed(*change)),
    })
}

/// What the mail service is told.
#[derive(Serialize)]
struct Posted<'a> {
    id: &'a str,
    from: &'a str,
    to: &'a str,
    subject: &'a str,
    text: &'a str,
    /// The code or link in the text, for services that fill templates of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
}

/// Hands the mail to an HTTP mail service; any answer but 2xx within the timeout is tried again by the queue.
async fn post(
    url: &str,
    from: &str,
    id: &str,
    to: &str,
    letter: &Letter,
    timeout_ms: u32,
) -> Result<(), Problem> {
    let posted = Posted {
        id,
        from,
        to,
        subject: letter.subject,
        text: &letter.text,
        code: letter.code.as_deref(),
        link: letter.link.as_deref(),
    };
    let failed = |error: &dyn std::fmt::Display| Problem::unavailable("mail service", error);
    let body = json::write(&posted).map_err(|error| failed(&error))?;
    let headers = Headers::new();
    headers.set("idempotency-key", id).map_err(|error| failed(&error))?;
    let request = outgoing::post(url, &headers, &body).map_err(|error| failed(&error))?;
    let signal: AbortSignal = AbortSignal::from(worker::web_sys::AbortSignal::timeout_with_u32(timeout_ms));
    let response = Fetch::Request(request).send_with_signal(&signal).await.map_err(|error| failed(&error))?;
    match response.status_code() {
        200..=299 => Ok(()),
        status => Err(failed(&format_args!("answered {status}"))),
    }
}

#[cfg(feature = "development")]
async fn keep(environment: &Environment, parcel: &Parcel, to: String, mail: Letter) -> Result<(), Problem> {
    use crate::store::mailbox::{self, SentMail};
    let Letter { subject, text, code, link } = mail;
    let created_at = parcel.created_at.as_millis();
    let mail = SentMail { to, subject: subject.into(), text, code, link, created_at };
    mailbox::keep(&environment.mailbox()?, &parcel.id, &mail)
        .await
        .map_err(|error| Problem::unavailable("mailbox", error))
}

/// A release build has refused this configuration when it was opened.
#[cfg(not(feature = "development"))]
async fn keep(
    _environment: &Environment,
    _parcel: &Parcel,
    _to: String,
    _mail: Letter,
) -> Result<(), Problem> {
    Err(Problem::misconfigured("there is no development mailbox in a release build"))
}
