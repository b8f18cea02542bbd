//! Who carries a mail: a mail service by HTTP, Cloudflare's Email Service by a binding, or the development mailbox.

use crate::environment::Environment;
use crate::outbox::message::Parcel;
use crate::wire::outgoing;
use crate::wire::problem::Problem;
use postern_core::config::{MailSender, MailService};
use postern_core::mail::{Letter, MailRequest, OutgoingMail, Rendered, Verdict, verdict};
use postern_core::secret::SecretText;
use std::fmt::Display;
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::{Array, Function, Object, Promise, Reflect};
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::{AbortSignal, Fetch, Headers};

/// The secret that a mail service knows the Worker by.
pub(crate) const KEY_BINDING: &str = "MAIL_API_KEY";
/// The binding to Cloudflare's Email Service.
pub(crate) const CLOUDFLARE_BINDING: &str = "MAIL";

/// What became of a mail.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    /// It is with whoever carries it; or there is nobody to send it to.
    Sent,
    /// It will never be taken, says this status.
    Refused(u16),
}

/// A mail on its way out.
pub(super) struct Envelope<'a> {
    pub(super) parcel: &'a Parcel,
    pub(super) to: &'a str,
    pub(super) letter: Letter,
    pub(super) values: &'a [(&'a str, &'a str)],
    pub(super) language: &'a str,
    pub(super) rendered: Rendered,
}

/// Hands the mail over. An error means that it may be taken later: the queue tries again, with the same id.
pub(super) async fn carry(environment: &Environment, envelope: Envelope<'_>) -> Result<Fate, Problem> {
    match &environment.config().mail().sender {
        MailSender::Service(service) => post(environment, service, &envelope).await,
        MailSender::Cloudflare { from } => by_binding(environment, from.as_str(), &envelope).await,
        MailSender::DevelopmentMailbox => keep(environment, envelope).await,
    }
}

/// Asks a mail service by HTTP.
async fn post(
    environment: &Environment,
    service: &MailService,
    envelope: &Envelope<'_>,
) -> Result<Fate, Problem> {
    let mail = OutgoingMail {
        id: &envelope.parcel.id,
        brand_name: &environment.config().mail().brand_name,
        to: envelope.to,
        letter: envelope.letter,
        language: envelope.language,
        rendered: &envelope.rendered,
        values: envelope.values,
    };
    let key = environment.bound_text(KEY_BINDING).map(|key| SecretText::new(key.trim().into()));
    let asked = MailRequest::new(service, key.as_ref(), &mail);
    let headers = Headers::new();
    for (name, value) in &asked.headers {
        headers.set(name, value.expose()).map_err(|error| failed(&error))?;
    }
    let request = outgoing::post(&asked.url, &headers, &asked.body).map_err(|error| failed(&error))?;
    let timeout = u32::try_from(service.timeout.as_millis()).unwrap_or(u32::MAX);
    let signal: AbortSignal = AbortSignal::from(worker::web_sys::AbortSignal::timeout_with_u32(timeout));
    let response = Fetch::Request(request).send_with_signal(&signal).await.map_err(|error| failed(&error))?;
    match verdict(response.status_code()) {
        Verdict::Sent => Ok(Fate::Sent),
        Verdict::Refused => Ok(Fate::Refused(response.status_code())),
        Verdict::TryAgain => Err(failed(&format_args!("answered {}", response.status_code()))),
    }
}

/// Asks Cloudflare's Email Service, which composes the message (RFC 5322) itself: no text of ours becomes a header line.
async fn by_binding(environment: &Environment, from: &str, envelope: &Envelope<'_>) -> Result<Fate, Problem> {
    let sender = object(&[("email", from), ("name", &environment.config().mail().brand_name)]);
    let rendered = &envelope.rendered;
    let message = object(&[
        ("to", envelope.to),
        ("subject", &rendered.subject),
        ("text", &rendered.text),
        ("html", &rendered.html),
    ]);
    let sent = async {
        Reflect::set(&message, &"from".into(), &sender)?;
        let binding = environment.bound(CLOUDFLARE_BINDING);
        // The local runtime binds a stub, whose methods can be called and are no instances of `Function`.
        let send: Function = Reflect::get(&binding, &"send".into())?.unchecked_into();
        let sent = Reflect::apply(&send, &binding, &Array::of1(&message))?;
        JsFuture::from(Promise::resolve(&sent)).await
    };
    match sent.await {
        Ok(_) => Ok(Fate::Sent),
        // Its messages may quote the address; its codes do not.
        Err(error) => {
            let member = |name: &str| Reflect::get(&error, &name.into()).ok()?.as_string();
            Err(failed(&member("code").or_else(|| member("name")).unwrap_or_default()))
        }
    }
}

fn object(members: &[(&str, &str)]) -> Object {
    let object = Object::new();
    for (name, value) in members {
        // A fresh object takes every member.
        let _ = Reflect::set(&object, &JsValue::from(*name), &JsValue::from(*value));
    }
    object
}

fn failed(error: &dyn Display) -> Problem {
    Problem::unavailable("mail service", error)
}

#[cfg(feature = "development")]
async fn keep(environment: &Environment, envelope: Envelope<'_>) -> Result<Fate, Problem> {
    use crate::store::mailbox::{self, SentMail};
    let Rendered { subject, text, html } = envelope.rendered;
    let value = |wanted| {
        envelope.values.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
    };
    let mail = SentMail {
        to: envelope.to.into(),
        channel: "mail".into(),
        subject,
        text,
        html,
        language: envelope.language.into(),
        code: value("code"),
        link: value("link"),
        created_at: envelope.parcel.created_at.as_millis(),
    };
    mailbox::keep(&environment.mailbox()?, &envelope.parcel.id, &mail)
        .await
        .map_err(|error| Problem::unavailable("mailbox", error))?;
    Ok(Fate::Sent)
}

/// A release build has refused this configuration when it was opened.
#[cfg(not(feature = "development"))]
async fn keep(_environment: &Environment, _envelope: Envelope<'_>) -> Result<Fate, Problem> {
    Err(Problem::misconfigured("there is no development mailbox in a release build"))
}
