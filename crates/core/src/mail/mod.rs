//! Mails and SMS: which there are, how their templates are filled, and how mail services are told of them.
//!
//! Templates have placeholders and nothing else: no conditions, no loops, no code. A value is put where its placeholder
//! stands and is never read again, so nothing in it can be a placeholder, an element or a header.

mod language;
mod letter;
mod render;
#[cfg(feature = "config")]
mod request;
mod sms;
mod template;

pub use language::{LanguageError, LanguageTag, preferred_language};
pub use letter::Letter;
pub use render::{Brand, Pack, Rendered, escape_html};
#[cfg(feature = "config")]
pub use request::{MailRequest, OutgoingMail, Verdict, verdict};
pub use sms::{SmsError, parse_sms};
pub use template::{Template, TemplateError, check_layout, check_support, parse_durations};
