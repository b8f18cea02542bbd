//! `GET /dev/mailbox`: mails and SMS that were "sent" on a developer's machine; as JSON for tests, as pages for browsers.
//!
//! What a mail says is not ours to trust, even here: it is escaped, and its HTML is shown in a frame that can neither run
//! scripts nor reach this page.

use crate::route::development::MARKER;
use crate::route::exchange::Exchange;
use crate::store::mailbox::{self, SentMail};
use crate::wire::answer::{Answer, json, respond};
use crate::wire::problem::Problem;
use postern_core::mail::escape_html;
use worker::{Date, js_sys};

/// No scripts, no frames but the mail's own, no forms to elsewhere. Mails have their styles inline, and pictures anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src https: http:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:64em;margin:2em auto;padding:0 1em;color:#18181b}\
                     table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3em .6em;border-bottom:1px solid #ddd}\
                     iframe{width:100%;height:32em;border:1px solid #ddd}pre{white-space:pre-wrap;background:#f4f4f5;padding:1em}";

/// `?to=ADDRESS` → the mails to that address, newest first; in a browser those to everybody, or one as `?mail=NAME`.
pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let to = exchange.query("to").map(|to| to.trim().to_lowercase()).filter(|to| !to.is_empty());
    let to = to.map(|to| if is_number(&to) { format!("+{to}") } else { to });
    let edge = exchange.environment.mailbox()?;
    let unavailable = |error| Problem::unavailable(MARKER, error);
    if !exchange.header("accept").is_some_and(|accept| accept.contains("text/html")) {
        let to = to.ok_or_else(|| Problem::invalid_field("to", "is required in the query"))?;
        return json(200, &mailbox::read(&edge, &to).await.map_err(unavailable)?);
    }
    match exchange.query("mail") {
        Some(name) => {
            let mail = mailbox::find(&edge, &name).await.map_err(unavailable)?;
            page(&one(&mail.ok_or_else(Problem::not_found)?))
        }
        None => {
            let mut mails = mailbox::read_all(&edge).await.map_err(unavailable)?;
            mails.retain(|(_, mail)| to.as_ref().is_none_or(|to| mail.to == *to));
            page(&list(&mails, to.as_deref().unwrap_or_default()))
        }
    }
}

/// A `+` that was not escaped is a space in a query.
fn is_number(to: &str) -> bool {
    to.bytes().all(|byte| byte.is_ascii_digit())
}

fn list(mails: &[(String, SentMail)], to: &str) -> String {
    let mut rows = String::new();
    for (name, mail) in mails {
        let at = written(mail.created_at);
        let name = String::from(js_sys::encode_uri_component(name));
        let (to, subject, code) =
            (escaped(&mail.to), escaped(&mail.subject), escaped(mail.code.as_deref().unwrap_or_default()));
        let name = escaped(&name);
        rows.push_str(&format!(
            "<tr><td>{at}</td><td>{to}</td><td><a href=\"/dev/mailbox?mail={name}\">{subject}</a></td><td>{code}</td></tr>"
        ));
    }
    let to = escaped(to);
    format!(
        "<meta http-equiv=\"refresh\" content=\"5\"><title>Mailbox</title><h1>Mailbox</h1>\
         <form><label>To <input name=\"to\" type=\"search\" value=\"{to}\"></label> <button>Show</button></form>\
         <table><tr><th>When</th><th>To</th><th>Subject</th><th>Code</th></tr>{rows}</table>"
    )
}

fn one(mail: &SentMail) -> String {
    let (to, subject, text) = (escaped(&mail.to), escaped(&mail.subject), text_block(&mail.text));
    let (html, language, at) = (escaped(&mail.html), escaped(&mail.language), written(mail.created_at));
    let link = mail.link.as_deref().map(escaped).map_or_else(String::new, |link| {
        format!("<p><a href=\"{link}\" target=\"_blank\" rel=\"noopener noreferrer\">Open the link of this mail</a></p>")
    });
    format!(
        "<title>{subject}</title><p><a href=\"/dev/mailbox\">All mails</a></p><h1>{subject}</h1>\
         <p>To {to}, {at}, in {language}</p>{link}<h2>Text</h2><pre>{text}</pre>\
         <h2>HTML</h2><iframe sandbox title=\"HTML\" srcdoc=\"{html}\"></iframe>"
    )
}

fn page(content: &str) -> Answer {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <style>{STYLE}</style>{content}</html>"
    );
    let response = respond(200, "text/html; charset=utf-8", "no-store", html.into_bytes())?;
    let headers = response.headers();
    headers
        .set("content-security-policy", POLICY)
        .and_then(|()| headers.set("referrer-policy", "no-referrer"))
        .map_err(|error| Problem::internal("page", error))?;
    Ok(response)
}

fn escaped(text: &str) -> String {
    let mut html = String::new();
    escape_html(&mut html, text);
    html
}

fn text_block(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// A moment as people read it.
fn written(millis: u64) -> String {
    let date = Date::from(worker::DateInit::Millis(millis));
    String::from(js_sys::Date::from(date).to_iso_string())
}
