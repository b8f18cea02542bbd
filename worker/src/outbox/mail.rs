//! Mails: written from what the outbox says, sent by the configured sender.

use crate::environment::Environment;
use crate::outbox::message::{Mail, MailTemplate, Parcel, Recipient};
use crate::store::directory::Directory;
use crate::wire::problem::Problem;
use postern_core::config::MailSender;
use postern_core::session::CredentialChange;
use serde::Serialize;
use worker::{AbortSignal, Fetch, Headers, Method, Request, RequestInit};

/// A mail ready to be sent.
struct Written {
    to: String,
    subject: &'static str,
    text: String,
    code: Option<String>,
    link: Option<String>,
}

/// Writes and sends one mail. An account without an address gets none.
pub(crate) async fn send(
    environment: &Environment,
    directory: &Directory,
    parcel: &Parcel,
    mail: &Mail,
) -> Result<(), Problem> {
    let to = match &mail.to {
        Recipient::Address(address) => Some(address.clone()),
        Recipient::Account(account) => {
            directory.profile(&mail.tenant, account).await?.and_then(|profile| profile.email)
        }
    };
    let Some(to) = to else { return Ok(()) };
    let written = write(environment, directory, mail, to).await?;
    match &environment.config().mail().sender {
        MailSender::Http { url, from, timeout } => {
            let timeout = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            post(url.as_str(), from.as_str(), &parcel.id, &written, timeout).await
        }
        MailSender::DevelopmentMailbox => keep(environment, parcel, written).await,
    }
}

async fn write(
    environment: &Environment,
    directory: &Directory,
    mail: &Mail,
    to: String,
) -> Result<Written, Problem> {
    let written = match &mail.template {
        MailTemplate::SignUpCode { .. } if directory.is_taken(&mail.tenant, &to).await? => Written {
            subject: "You already have an account",
            text: "Hello,\n\nsomebody, perhaps you, tried to sign up with this address, which has an account \
                   already. Sign in with it instead. If it was not you, there is nothing to do.\n"
                .into(),
            code: None,
            link: None,
            to,
        },
        MailTemplate::SignUpCode { code, ttl_seconds } => Written {
            subject: "Your sign-up code",
            text: format!(
                "Hello,\n\nyour code is {code}. It works for {} minutes.\n\nIf you did not sign up, ignore \
                 this mail and do not give the code to anybody.\n",
                ttl_seconds.div_ceil(60)
            ),
            code: Some(code.clone()),
            link: None,
            to,
        },
        MailTemplate::SetPassword { name, token, ttl_seconds } => {
            let link = format!("{}#{token}", environment.config().mail().set_password_url.as_str());
            Written {
                subject: "Set your password",
                text: format!(
                    "Hello {name},\n\nyour account has no password yet. Set one here: {link}\n\nThe link works once, \
                     for {} hours.\n",
                    ttl_seconds.div_ceil(3_600)
                ),
                code: None,
                link: Some(link),
                to,
            }
        }
        MailTemplate::CredentialChanged(CredentialChange::PasswordChanged) => Written {
            subject: "Your password was changed",
            text: "Hello,\n\nthe password of your account was changed, and other sessions were ended. If it was \
                   not you, choose a new password at once by way of \"forgotten password\".\n"
                .into(),
            code: None,
            link: None,
            to,
        },
        MailTemplate::SessionReuse => Written {
            subject: "We ended one of your sessions",
            text: "Hello,\n\na session of your account was used from two places at once, as happens when somebody \
                   copies it. We ended it to protect you. Sign in again, and if anything looks strange, end all \
                   your sessions and change your password.\n"
                .into(),
            code: None,
            link: None,
            to,
        },
    };
    Ok(written)
}

/// What the mail service is told.
#[derive(Serialize)]
struct Letter<'a> {
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
async fn post(url: &str, from: &str, id: &str, mail: &Written, timeout_ms: u32) -> Result<(), Problem> {
    let letter = Letter {
        id,
        from,
        to: &mail.to,
        subject: mail.subject,
        text: &mail.text,
        code: mail.code.as_deref(),
        link: mail.link.as_deref(),
    };
    let failed = |error: &dyn std::fmt::Display| Problem::unavailable("mail service", error);
    let body = serde_json::to_string(&letter).map_err(|error| failed(&error))?;
    let headers = Headers::new();
    headers.set("content-type", "application/json").map_err(|error| failed(&error))?;
    headers.set("idempotency-key", id).map_err(|error| failed(&error))?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_headers(headers).with_body(Some(body.into()));
    let request = Request::new_with_init(url, &init).map_err(|error| failed(&error))?;
    let signal: AbortSignal = AbortSignal::from(worker::web_sys::AbortSignal::timeout_with_u32(timeout_ms));
    let response = Fetch::Request(request).send_with_signal(&signal).await.map_err(|error| failed(&error))?;
    match response.status_code() {
        200..=299 => Ok(()),
        status => Err(failed(&format_args!("answered {status}"))),
    }
}

#[cfg(feature = "development")]
async fn keep(environment: &Environment, parcel: &Parcel, mail: Written) -> Result<(), Problem> {
    use crate::store::mailbox::{self, SentMail};
    let Written { to, subject, text, code, link } = mail;
    let created_at = parcel.created_at.as_millis();
    let mail = SentMail { to, subject: subject.into(), text, code, link, created_at };
    mailbox::keep(&environment.kv()?, &parcel.id, &mail)
        .await
        .map_err(|error| Problem::unavailable("mailbox", error))
}

/// A release build has refused this configuration when it was opened.
#[cfg(not(feature = "development"))]
async fn keep(_environment: &Environment, _parcel: &Parcel, _mail: Written) -> Result<(), Problem> {
    Err(Problem::misconfigured("there is no development mailbox in a release build"))
}
