//! SMS: written from what the outbox says, sent by the configured sender. No log says a number or a code.

use crate::environment::Environment;
use crate::outbox::letter::{self, Draft};
use crate::outbox::message::{Mail, NOTICE_EVERY_MILLIS, Parcel};
use crate::outbox::sender::Fate;
use crate::outbox::templates;
use crate::store::directory::{Directory, Reader};
use crate::wire::outgoing;
use crate::wire::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::config::{Config, SmsOrigin, SmsSender, TwilioAccount};
use postern_core::identifier::{Identifier, PhoneNumber};
use postern_core::json;
use postern_core::mail::{Letter, Verdict, verdict};
use postern_core::time::UnixMillis;
use serde::Serialize;
use std::time::Duration;
use worker::{Headers, Response};

/// An SMS without its number.
struct Written {
    text: String,
    language: &'static str,
    code: Option<String>,
    link: Option<String>,
}

/// Writes and sends one SMS.
pub(crate) async fn send(
    environment: &Environment,
    directory: &Directory,
    parcel: &Parcel,
    message: &Mail,
    Reader { name, locale, .. }: Reader,
    to: &PhoneNumber,
    now: UnixMillis,
) -> Result<Fate, Problem> {
    let contact = Identifier::Phone(to.clone());
    let Some(draft) = letter::draft(environment, directory, message, &contact, name, now).await? else {
        return Ok(Fate::Sent);
    };
    let once = once_a_day(&draft, parcel);
    if let Some(notice) = &once
        && directory.was_delivered(notice).await?
    {
        return Ok(Fate::Sent);
    }
    let wanted = [locale.or_else(|| draft.locale.clone()), message.language.clone()];
    let Some(sms) = write(environment.config(), draft, &wanted)? else { return Ok(Fate::Sent) };
    let settings = environment.config().sms();
    match &settings.sender {
        // Switched off since this was asked for.
        SmsSender::None => return Ok(Fate::Sent),
        SmsSender::DevelopmentMailbox => keep(environment, parcel, to, sms).await?,
        SmsSender::Twilio { url, account, from } => {
            let token = environment.twilio_token().unwrap_or_default();
            let headers = headers("application/x-www-form-urlencoded", parcel)?;
            let credentials = STANDARD.encode(format!("{}:{}", account.as_str(), token.as_str()));
            set(&headers, "authorization", &format!("Basic {credentials}"))?;
            let form = form(from, to, &sms.text);
            post(&messages_of(url.as_str(), account), &headers, &form, &parcel.id, settings.timeout).await?;
        }
        SmsSender::Http { url, from } => {
            let headers = headers("application/json", parcel)?;
            let body = posted(&parcel.id, from.as_ref(), to, &sms)?;
            post(url.as_str(), &headers, &body, &parcel.id, settings.timeout).await?;
        }
    }
    if let Some(notice) = once {
        directory.record_delivery(&notice, parcel.created_at).await?;
    }
    Ok(Fate::Sent)
}

/// The name under which it is remembered that an owner was told of others' attempts on the number. Anybody can have
/// these sent, so that their number is bounded by the day and not by who asks.
fn once_a_day(draft: &Draft, parcel: &Parcel) -> Option<String> {
    let day = parcel.created_at.as_millis() / NOTICE_EVERY_MILLIS;
    let owner =
        draft.owner.filter(|_| matches!(draft.letter, Letter::AccountExists | Letter::AddressTaken))?;
    Some(format!("sms-notice/{owner}/{day}"))
}

/// Writes it in the first of `wanted` that there are texts in; `None` if this goes by mail only.
fn write(config: &Config, draft: Draft, wanted: &[Option<String>]) -> Result<Option<Written>, Problem> {
    let pack = templates::pack(config.mail(), wanted)?;
    let mut values: Vec<_> = draft.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    values.push(("service", service(config)));
    let value =
        |wanted| values.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
    Ok(pack.render_sms(draft.letter, &values).map(|text| Written {
        text,
        language: pack.language,
        code: value("code"),
        link: value("link"),
    }))
}

/// How the service is called: its issuer, without what every one begins with.
fn service(config: &Config) -> &str {
    let issuer = config.issuer().as_str();
    issuer.split_once("://").map_or(issuer, |(_, rest)| rest)
}

/// What an SMS service is told.
#[derive(Serialize)]
struct Posted<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    to: &'a str,
    text: &'a str,
    language: &'a str,
    /// The code or link in the text, for services that fill templates of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
}

fn posted(id: &str, from: Option<&SmsOrigin>, to: &PhoneNumber, sms: &Written) -> Result<String, Problem> {
    let posted = Posted {
        id,
        from: from.map(SmsOrigin::as_str),
        to: to.as_str(),
        text: &sms.text,
        language: sms.language,
        code: sms.code.as_deref(),
        link: sms.link.as_deref(),
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
    sms: Written,
) -> Result<(), Problem> {
    use crate::store::mailbox::{self, SentMail};
    let Written { text, language, code, link } = sms;
    let (channel, created_at) = ("sms".into(), parcel.created_at.as_millis());
    let (to, nothing) = (to.as_str().into(), String::new);
    let (subject, html, language) = (nothing(), nothing(), language.into());
    let sent = SentMail { to, channel, subject, text, html, language, code, link, created_at };
    mailbox::keep(&environment.mailbox()?, &parcel.id, &sent)
        .await
        .map_err(|error| Problem::unavailable("mailbox", error))
}

/// A release build has refused this configuration when it was opened.
#[cfg(not(feature = "development"))]
async fn keep(_: &Environment, _: &Parcel, _: &PhoneNumber, _: Written) -> Result<(), Problem> {
    Err(Problem::misconfigured("sms.sender"))
}
