//! What a mail service is told: one request for each of the services that are known.

use super::letter::Letter;
use super::render::Rendered;
use crate::config::{MailApi, MailService};
use crate::json;
use crate::secret::SecretText;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A mail ready to be sent.
pub struct OutgoingMail<'a> {
    /// The same for every try to send this mail.
    pub id: &'a str,
    /// Who sends it, as readers see it.
    pub brand_name: &'a str,
    /// The address that it goes to.
    pub to: &'a str,
    /// Of which kind it is.
    pub letter: Letter,
    /// The language that it is written in.
    pub language: &'a str,
    /// What it says.
    pub rendered: &'a Rendered,
    /// The values that its template was filled with, for services that have templates of their own.
    pub values: &'a [(&'a str, &'a str)],
}

/// A `POST` of JSON.
pub struct MailRequest {
    /// Where it goes.
    pub url: String,
    /// Headers besides the content type.
    pub headers: Vec<(&'static str, SecretText)>,
    /// The JSON.
    pub body: String,
}

/// What the answer of a mail service means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The service has the mail.
    Sent,
    /// It will never take this mail.
    Refused,
    /// It may take it later: it is busy, down, or not set up rightly yet.
    TryAgain,
}

/// What a status means. A wrong key, address of the service or sender (401, 403, 404) is a mistake of the deployment:
/// when it is mended, the mail can still be sent.
#[must_use]
pub const fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Sent,
        400 | 410 | 413 | 422 => Verdict::Refused,
        _ => Verdict::TryAgain,
    }
}

impl MailRequest {
    /// The request that asks a service to send a mail.
    #[must_use]
    pub fn new(service: &MailService, key: Option<&SecretText>, mail: &OutgoingMail<'_>) -> Self {
        let (path, body) = match service.api {
            MailApi::Http => ("", http(service, mail)),
            MailApi::Auth1 => ("/email/send", auth1(mail)),
            MailApi::ZeptoMail => ("/v1.1/email", zeptomail(service, mail)),
            MailApi::Resend => ("/emails", resend(service, mail)),
        };
        let scheme = if service.api == MailApi::ZeptoMail { "Zoho-enczapikey" } else { "Bearer" };
        let mut headers = Vec::new();
        if let Some(key) = key {
            headers.push(("authorization", SecretText::new(format!("{scheme} {}", key.expose()))));
        }
        if service.api != MailApi::ZeptoMail {
            headers.push(("idempotency-key", SecretText::new(mail.id.into())));
        }
        Self { url: format!("{}{path}", service.url.as_str()), headers, body }
    }
}

/// Postern's own form: the whole mail, and the values in it.
fn http(service: &MailService, mail: &OutgoingMail<'_>) -> String {
    Object::new()
        .text("id", mail.id)
        .text("from", service.from.as_ref().map_or("", |from| from.as_str()))
        .text("to", mail.to)
        .text("subject", &mail.rendered.subject)
        .text("text", &mail.rendered.text)
        .text("html", &mail.rendered.html)
        .text("template", mail.letter.name())
        .text("language", mail.language)
        .optional("code", mail.value("code"))
        .optional("link", mail.value("link"))
        .close()
}

/// The contract of auth1's mail service, which has templates of its own for codes.
fn auth1(mail: &OutgoingMail<'_>) -> String {
    let template = match mail.letter {
        Letter::SignUpCode => "signup_otp",
        Letter::LoginCode => "login_otp",
        letter if letter.required() == Some("code") => "generic_otp",
        letter => letter.name(),
    };
    let mut variables = Object::new();
    for (name, value) in mail.values {
        variables = variables.text(if *name == "code" { "otp" } else { name }, value);
    }
    let variables = variables
        .text("brand_name", mail.brand_name)
        .text("language", mail.language)
        .text("text", &mail.rendered.text)
        .text("html", &mail.rendered.html);
    Object::new()
        .text("to", mail.to)
        .text("subject", &mail.rendered.subject)
        .text("template", template)
        .raw("variables", &variables.close())
        .close()
}

/// Zoho ZeptoMail, version 1.1. It recognises no repetitions; the reference is for its reports.
fn zeptomail(service: &MailService, mail: &OutgoingMail<'_>) -> String {
    let address = |address: &str| Object::new().text("address", address);
    let from = service.from.as_ref().map_or("", |from| from.as_str());
    let to = Object::new().raw("email_address", &address(mail.to).close()).close();
    Object::new()
        .raw("from", &address(from).text("name", mail.brand_name).close())
        .raw("to", &format!("[{to}]"))
        .text("subject", &mail.rendered.subject)
        .text("textbody", &mail.rendered.text)
        .text("htmlbody", &mail.rendered.html)
        .text("client_reference", mail.id)
        .close()
}

/// Resend.
fn resend(service: &MailService, mail: &OutgoingMail<'_>) -> String {
    let from = service.from.as_ref().map_or("", |from| from.as_str());
    Object::new()
        .text("from", &mailbox(mail.brand_name, from))
        .raw("to", &format!("[{}]", quoted(mail.to)))
        .text("subject", &mail.rendered.subject)
        .text("text", &mail.rendered.text)
        .text("html", &mail.rendered.html)
        .close()
}

/// `"Name" <address>` (RFC 5322 §3.4), the name as a quoted string.
fn mailbox(name: &str, address: &str) -> String {
    let mut text = String::from("\"");
    for character in name.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(if character.is_control() { ' ' } else { character });
    }
    text.push_str("\" <");
    text.push_str(address);
    text.push('>');
    text
}

impl OutgoingMail<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// A JSON object while it is written, member by member.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".into())
    }

    fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, &quoted(value))
    }

    fn optional(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    fn raw(mut self, name: &str, json: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quoted(name));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn quoted(text: &str) -> String {
    // Text can always be written.
    json::write(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, MailSender};
    use alloc::string::ToString as _;
    use serde_json::{Value, json};

    fn service(mail: &Value) -> MailService {
        let config = json!({ "issuer": "https://a.example", "mail": mail }).to_string();
        match &Config::from_json(&config).unwrap().mail().sender {
            MailSender::Service(service) => service.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn asked(mail: &Value, letter: Letter, values: &[(&str, &str)], key: Option<&str>) -> MailRequest {
        let rendered =
            Rendered { subject: "Sub \"ject\"".into(), text: "te\nxt".into(), html: "<p>ü</p>".into() };
        let outgoing = OutgoingMail {
            id: "id-1",
            brand_name: "Keep \"\\ Co",
            to: "ada@example.com",
            letter,
            language: "en",
            rendered: &rendered,
            values,
        };
        MailRequest::new(&service(mail), key.map(|key| SecretText::new(key.into())).as_ref(), &outgoing)
    }

    fn sent(request: &MailRequest) -> (String, Vec<(&str, &str)>, Value) {
        let headers = request.headers.iter().map(|(name, value)| (*name, value.expose())).collect();
        (request.url.clone(), headers, serde_json::from_str(&request.body).unwrap())
    }

    #[test]
    fn posterns_own_form() {
        let mail = json!({ "sender": "http", "url": "https://m.example/send?x=1", "from": "no@a.example" });
        let request = asked(&mail, Letter::LoginCode, &[("code", "123456"), ("minutes", "5")], None);
        let body = json!({
            "id": "id-1", "from": "no@a.example", "to": "ada@example.com", "subject": "Sub \"ject\"",
            "text": "te\nxt", "html": "<p>ü</p>", "template": "login_code", "language": "en", "code": "123456",
        });
        let headers = alloc::vec![("idempotency-key", "id-1")];
        assert_eq!(sent(&request), ("https://m.example/send?x=1".into(), headers, body));
        let request = asked(&mail, Letter::LoginLink, &[("link", "https://x")], Some("k3y"));
        assert_eq!(sent(&request).1, [("authorization", "Bearer k3y"), ("idempotency-key", "id-1")]);
        assert_eq!(sent(&request).2["link"], "https://x");
    }

    #[test]
    fn auth1s_contract() {
        let mail = json!({ "sender": "auth1", "url": "https://m.example" });
        for (letter, template) in [
            (Letter::SignUpCode, "signup_otp"),
            (Letter::LoginCode, "login_otp"),
            (Letter::ResetPasswordCode, "generic_otp"),
            (Letter::ChangeAddressCode, "generic_otp"),
            (Letter::PasswordChanged, "password_changed"),
        ] {
            let (url, _, body) = sent(&asked(&mail, letter, &[("code", "123456"), ("minutes", "5")], None));
            assert_eq!(url, "https://m.example/email/send");
            assert_eq!(
                body,
                json!({
                    "to": "ada@example.com", "subject": "Sub \"ject\"", "template": template,
                    "variables": {
                        "otp": "123456", "minutes": "5", "brand_name": "Keep \"\\ Co", "language": "en",
                        "text": "te\nxt", "html": "<p>ü</p>",
                    },
                })
            );
        }
    }

    #[test]
    fn zeptomails_form() {
        let mail = json!({ "sender": "zeptomail", "from": "no@a.example" });
        let request = asked(&mail, Letter::PasswordChanged, &[], Some("k3y"));
        let (url, headers, body) = sent(&request);
        assert_eq!(url, "https://api.zeptomail.com/v1.1/email");
        assert_eq!(headers, [("authorization", "Zoho-enczapikey k3y")]);
        assert_eq!(
            body,
            json!({
                "from": { "address": "no@a.example", "name": "Keep \"\\ Co" },
                "to": [{ "email_address": { "address": "ada@example.com" } }],
                "subject": "Sub \"ject\"", "textbody": "te\nxt", "htmlbody": "<p>ü</p>",
                "client_reference": "id-1",
            })
        );
    }

    #[test]
    fn resends_form() {
        let mail = json!({ "sender": "resend", "from": "no@a.example" });
        let request = asked(&mail, Letter::PasswordChanged, &[], Some("k3y"));
        let (url, headers, body) = sent(&request);
        assert_eq!(url, "https://api.resend.com/emails");
        assert_eq!(headers, [("authorization", "Bearer k3y"), ("idempotency-key", "id-1")]);
        assert_eq!(
            body,
            json!({
                "from": "\"Keep \\\"\\\\ Co\" <no@a.example>", "to": ["ada@example.com"],
                "subject": "Sub \"ject\"", "text": "te\nxt", "html": "<p>ü</p>",
            })
        );
    }

    #[test]
    fn a_name_adds_no_second_address() {
        assert_eq!(mailbox("Eve\" <e@x.yz>, \"", "a@b.cd"), "\"Eve\\\" <e@x.yz>, \\\"\" <a@b.cd>");
        assert_eq!(mailbox("Eve\r\nBcc: e@x.yz", "a@b.cd"), "\"Eve  Bcc: e@x.yz\" <a@b.cd>");
    }

    #[test]
    fn only_what_can_never_succeed_is_given_up() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(verdict(status), Verdict::Sent, "{status}");
        }
        for status in [400, 410, 413, 422] {
            assert_eq!(verdict(status), Verdict::Refused, "{status}");
        }
        for status in [100, 301, 401, 402, 403, 404, 405, 408, 409, 425, 429, 451, 500, 502, 503, 504, 599] {
            assert_eq!(verdict(status), Verdict::TryAgain, "{status}");
        }
    }
}
