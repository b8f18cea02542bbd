//! SMS: written from what the outbox says, sent by the configured sender. No log says a number or a code.

use crate::environment::Environment;
use crate::outbox::message::{Mail, MailTemplate, Parcel};
use crate::outbox::sender::Fate;
use crate::outbox::sms_text::{self, SmsText};
use crate::store::directory::Directory;
use crate::wire::outgoing;
use crate::wire::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::config::{SmsOrigin, SmsSender, TwilioAccount};
use postern_core::identifier::{Identifier, PhoneNumber};
use postern_core::intake::{CodePurpose, Told, told};
use postern_core::json;
use postern_core::mail::{Verdict, verdict};
use postern_core::time::UnixMillis;
use serde::Serialize;
use std::time::Duration;
use worker::{Headers, Response};

/// Owners of a number are told of others' attempts on it once in this time.
const NOTICE_EVERY_MILLIS: u64 = 86_400_000;

/// An SMS, and what is remembered once it is sent.
struct Draft {
    text: SmsText,
    /// The name of a notice that is sent once in a while only.
    once: Option<String>,
}

/// Writes and sends one SMS.
pub(crate) async fn send(
    environment: &Environment,
    directory: &Directory,
    parcel: &Parcel,
    message: &Mail,
    to: &PhoneNumber,
    now: UnixMillis,
) -> Result<Fate, Problem> {
    let draft = write(environment, directory, parcel, message, to, now).await?;
    let Some(Draft { text, once }) = draft else { return Ok(Fate::Sent) };
    let settings = environment.config().sms();
    match &settings.sender {
        // Switched off since this was asked for.
        SmsSender::None => return Ok(Fate::Sent),
        SmsSender::DevelopmentMailbox => keep(environment, parcel, to, text).await?,
        SmsSender::Twilio { url, account, from } => {
            let token = environment.twilio_token().unwrap_or_default();
            let headers = headers("application/x-www-form-urlencoded", parcel)?;
            let credentials = STANDARD.encode(format!("{}:{}", account.as_str(), token.as_str()));
            set(&headers, "authorization", &format!("Basic {credentials}"))?;
            let form = form(from, to, &text.text);
            post(&messages_of(url.as_str(), account), &headers, &form, &parcel.id, settings.timeout).await?;
        }
        SmsSender::Http { url, from } => {
            let headers = headers("application/json", parcel)?;
            let body = posted(&parcel.id, from.as_ref(), to, &text)?;
            post(url.as_str(), &headers, &body, &parcel.id, settings.timeout).await?;
        }
    }
    if let Some(notice) = once {
        directory.record_delivery(&notice, parcel.created_at).await?;
    }
    Ok(Fate::Sent)
}

/// The SMS, or `None` if nobody is to get one: whether a number has an account is looked up here, where no request can
/// measure it.
async fn write(
    environment: &Environment,
    directory: &Directory,
    parcel: &Parcel,
    message: &Mail,
    to: &PhoneNumber,
    now: UnixMillis,
) -> Result<Option<Draft>, Problem> {
    let config = environment.config();
    let owner = match &message.template {
        MailTemplate::SignUpCode { .. } | MailTemplate::SetPassword { .. } | MailTemplate::Code { .. } => {
            directory.owner(&message.tenant, &Identifier::Phone(to.clone()), now).await?
        }
        _ => None,
    };
    if owner.as_ref().is_some_and(|owner| owner.status.is_restricted()) {
        return Ok(None);
    }
    let (purpose, code, ttl_seconds) = match &message.template {
        MailTemplate::SignUpCode { code, ttl_seconds } => (CodePurpose::SignUp, code, *ttl_seconds),
        MailTemplate::Code { purpose, code, ttl_seconds } => (*purpose, code, *ttl_seconds),
        template => return Ok(sms_text::other(config, template).map(|text| Draft { text, once: None })),
    };
    let is_proven = owner.as_ref().map(|owner| owner.verified_at.is_some());
    let text = match told(purpose, is_proven, config.sign_in().creates_accounts) {
        Told::Code => {
            let text = sms_text::code(config, purpose, code, ttl_seconds);
            return Ok(Some(Draft { text, once: None }));
        }
        Told::Nothing => return Ok(None),
        Told::HasAccount => sms_text::account_exists(config),
        Told::Taken => sms_text::number_taken(config),
    };
    // Anybody can have these sent, so that their number is bounded by the day and not by who asks.
    let day = parcel.created_at.as_millis() / NOTICE_EVERY_MILLIS;
    let once = owner.map(|owner| format!("sms-notice/{}/{day}", owner.account_id));
    match &once {
        Some(notice) if directory.was_delivered(notice).await? => Ok(None),
        _ => Ok(Some(Draft { text, once })),
    }
}

/// What an SMS service is told.
#[derive(Serialize)]
struct Posted<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    to: &'a str,
    text: &'a str,
    /// The code or link in the text, for services that fill templates of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
}

fn posted(id: &str, from: Option<&SmsOrigin>, to: &PhoneNumber, text: &SmsText) -> Result<String, Problem> {
    let posted = Posted {
        id,
        from: from.map(SmsOrigin::as_str),
        to: to.as_str(),
        text: &text.text,
        code: text.code.as_deref(),
        link: text.link.as_deref(),
    };
    json::write(&posted).map_err(|error| unavailable(&error))
}

fn messages_of(base: &str, account: &TwilioAccount) -> String {
    format!("{}/2010-04-01/Accounts/{}/Messages.json", base.trim_end_matches('/'), account.as_str())
}

/// What Twilio's Messages API takes.
fn form(from: &SmsOrigin, to: &PhoneNumber, text: &str) -> String {
    let (origin, from) = match from {
        SmsOrigin::Sender(sender) => ("From", sender),
        SmsOrigin::MessagingService(service) => ("MessagingServiceSid", service),
    };
    let mut form = String::from("To=");
    escape(&mut form, to.as_str());
    form.push('&');
    form.push_str(origin);
    form.push('=');
    escape(&mut form, from);
    form.push_str("&Body=");
    escape(&mut form, text);
    form
}

/// Everything but letters and digits as `%XX`, which every reader of forms takes.
fn escape(form: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            form.push(char::from(byte));
        } else {
            form.push('%');
            for digit in [byte >> 4, byte & 15] {
                form.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
}

/// Hands an SMS over. What the service will never take, such as a number that is none, is given up; any other answer but
/// 2xx within the timeout is tried again by the queue.
async fn post(url: &str, headers: &Headers, body: &str, id: &str, timeout: Duration) -> Result<(), Problem> {
    let response = outgoing::send(url, headers, body, timeout).await.map_err(|error| unavailable(&error))?;
    let status = response.status_code();
    match verdict(status) {
        Verdict::Sent => Ok(()),
        Verdict::Refused => {
            let reason = reason(response).await;
            worker::console_error!("SMS {id} is refused for good: {status}, code {reason}");
            Ok(())
        }
        Verdict::TryAgain => Err(unavailable(&format_args!("answered {status}"))),
    }
}

/// The number under which a refusal is documented; its text would name the phone.
async fn reason(mut response: Response) -> String {
    let text = response.text().await.unwrap_or_default();
    let code = json::parse(text.as_bytes()).ok().and_then(|answer| {
        let mut members = answer.members()?;
        members.find(|(name, _)| name.to_cow() == "code").map(|(_, value)| value.raw().to_owned())
    });
    code.filter(|code| code.bytes().all(|byte| byte.is_ascii_digit())).unwrap_or_else(|| "unknown".into())
}

fn headers(content_type: &str, parcel: &Parcel) -> Result<Headers, Problem> {
    let headers = Headers::new();
    set(&headers, "content-type", content_type)?;
    set(&headers, "idempotency-key", &parcel.id)?;
    Ok(headers)
}

fn set(headers: &Headers, name: &str, value: &str) -> Result<(), Problem> {
    headers.set(name, value).map_err(|error| unavailable(&error))
}

fn unavailable(error: &dyn std::fmt::Display) -> Problem {
    Problem::unavailable("SMS service", error)
}

#[cfg(feature = "development")]
async fn keep(
    environment: &Environment,
    parcel: &Parcel,
    to: &PhoneNumber,
    sms: SmsText,
) -> Result<(), Problem> {
    use crate::store::mailbox::{self, SentMail};
    let SmsText { text, code, link } = sms;
    let (channel, created_at) = ("sms".into(), parcel.created_at.as_millis());
    let (to, nothing) = (to.as_str().into(), String::new);
    let (subject, html, language) = (nothing(), nothing(), "en".into());
    let sent = SentMail { to, channel, subject, text, html, language, code, link, created_at };
    mailbox::keep(&environment.mailbox()?, &parcel.id, &sent)
        .await
        .map_err(|error| Problem::unavailable("mailbox", error))
}

/// A release build has refused this configuration when it was opened.
#[cfg(not(feature = "development"))]
async fn keep(_: &Environment, _: &Parcel, _: &PhoneNumber, _: SmsText) -> Result<(), Problem> {
    Err(Problem::misconfigured("sms.sender"))
}
