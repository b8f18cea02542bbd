//! Texts of SMS: the letters that reach a phone number too, in one line each.

use super::letter::Letter;
use super::render::{Pack, plain, put_text};
use super::template::{TemplateError, check, fill, require};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

/// Why the texts of a language cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmsError {
    /// A line that is not `NAME: TEXT`, or whose name is no SMS's.
    Unknown(String),
    /// Two lines of this name.
    Twice(&'static str),
    /// No line of this name.
    Missing(&'static str),
    /// The text of this name cannot be used.
    Text(&'static str, TemplateError),
}

impl fmt::Display for SmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(line) => write!(f, "{line:?} is not NAME: TEXT of an SMS"),
            Self::Twice(name) => write!(f, "{name} is there twice"),
            Self::Missing(name) => write!(f, "lacks {name}"),
            Self::Text(name, error) => write!(f, "{name} {error}"),
        }
    }
}

impl core::error::Error for SmsError {}

/// Reads the texts of a language: a line `NAME: TEXT` for each letter that reaches a phone number, named as its mail.
/// Empty lines are passed over. A text may have `{{service}}`, which is the issuer without its scheme, and but for a
/// name the placeholders of the mail.
///
/// # Errors
///
/// [`SmsError`], for the first line that breaks a rule, or the first that is missing.
pub fn parse_sms(text: &'static str) -> Result<Vec<(Letter, &'static str)>, SmsError> {
    let mut texts: Vec<(Letter, &'static str)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let unknown = || SmsError::Unknown(line.to_string());
        let (name, text) = line.split_once(':').ok_or_else(unknown)?;
        let letter = by_sms().find(|letter| letter.name() == name).ok_or_else(unknown)?;
        let text = text.trim();
        check(text, |placeholder| allows(letter, placeholder))
            .and_then(|()| require(text, letter.required()))
            .map_err(|error| SmsError::Text(letter.name(), error))?;
        if texts.iter().any(|(known, _)| *known == letter) {
            return Err(SmsError::Twice(letter.name()));
        }
        texts.push((letter, text));
    }
    match by_sms().find(|letter| texts.iter().all(|(known, _)| known != letter)) {
        Some(missing) => Err(SmsError::Missing(missing.name())),
        None => Ok(texts),
    }
}

fn by_sms() -> impl Iterator<Item = Letter> {
    Letter::ALL.into_iter().filter(|letter| letter.goes_by_sms())
}

fn allows(letter: Letter, placeholder: &str) -> bool {
    placeholder == "service" || placeholder != "name" && letter.allows(placeholder)
}

impl Pack {
    /// Writes an SMS as [`Pack::render`] writes the text of a mail: one line, whatever is in the values. `None` if the
    /// letter does not go by SMS.
    #[must_use]
    pub fn render_sms(&self, letter: Letter, values: &[(&str, &str)]) -> Option<String> {
        let (_, text) = self.sms.iter().find(|(known, _)| *known == letter)?;
        let duration = self.duration_of(values);
        let mut known = values.to_vec();
        known.extend(duration.as_deref().map(|duration| ("duration", duration)));
        let mut sms = String::new();
        fill(&mut sms, text, &known, plain, put_text);
        Some(sms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// Texts of which each is as short as it may be.
    fn shortest() -> Vec<String> {
        let text = |letter: Letter| match letter.required() {
            Some(placeholder) => format!("{}: {{{{{placeholder}}}}}", letter.name()),
            None => format!("{}: x", letter.name()),
        };
        by_sms().map(text).collect()
    }

    fn parsed(lines: &[String]) -> Result<Vec<(Letter, &'static str)>, SmsError> {
        parse_sms(lines.join("\n").leak())
    }

    /// The shortest texts, with another line for one letter.
    fn with(letter: Letter, line: &str) -> Result<Vec<(Letter, &'static str)>, SmsError> {
        let begins = format!("{}:", letter.name());
        let lines: Vec<String> = shortest()
            .into_iter()
            .map(|known| if known.starts_with(&begins) { line.into() } else { known })
            .collect();
        parsed(&lines)
    }

    #[test]
    fn every_letter_that_reaches_a_number_has_one_line() {
        let texts = parsed(&shortest()).unwrap();
        assert!(texts.iter().map(|(letter, _)| *letter).eq(by_sms()));
        for (index, letter) in by_sms().enumerate() {
            let mut lines = shortest();
            lines.remove(index);
            assert_eq!(parsed(&lines), Err(SmsError::Missing(letter.name())));
            let mut lines = shortest();
            lines.push(lines[index].clone());
            assert_eq!(parsed(&lines), Err(SmsError::Twice(letter.name())));
        }
    }

    #[test]
    fn a_text_that_would_be_for_nothing_is_refused() {
        let code = Letter::LoginCode;
        let refused = |error| Err(SmsError::Text(code.name(), error));
        let unknown = |name: &str| refused(TemplateError::UnknownPlaceholder(name.into()));
        for (line, expected) in [
            ("login_code: your code", refused(TemplateError::MissingPlaceholder("code"))),
            ("login_code:", refused(TemplateError::Empty)),
            ("login_code: {{code", refused(TemplateError::OpenPlaceholder)),
            ("login_code: {{code}} \u{7}", refused(TemplateError::ControlCharacter)),
            ("login_code: {{code}} {{link}}", unknown("link")),
            ("login_code: {{code}} {{password}}", unknown("password")),
            ("login_code: {{code}} {{name}}", unknown("name")),
        ] {
            assert_eq!(with(code, line), expected, "{line:?}");
        }
        for line in ["login_code {{code}}", "login_link: {{link}}", "welcome: x", "Login_code: {{code}}"] {
            assert_eq!(with(code, line), Err(SmsError::Unknown(line.into())), "{line:?}");
        }
        let name = "set_password_link: {{name}} {{link}}";
        let error = TemplateError::UnknownPlaceholder("name".into());
        assert_eq!(with(Letter::SetPasswordLink, name), Err(SmsError::Text("set_password_link", error)));
    }

    #[test]
    fn values_stand_where_they_belong_on_one_line() {
        let texts = with(Letter::LoginCode, "login_code: {{code}} for {{service}}, {{duration}}").unwrap();
        let pack = Pack {
            language: "en",
            support: "",
            durations: ("{{minutes}} min", "{{hours}} h"),
            letters: &[],
            sms: texts.leak(),
        };
        let said = |code, minutes| {
            pack.render_sms(
                Letter::LoginCode,
                &[("code", code), ("service", "a.example"), ("minutes", minutes)],
            )
        };
        assert_eq!(said("123456", "10").as_deref(), Some("123456 for a.example, 10 min"));
        assert_eq!(said("1\n{{service}}", "180").as_deref(), Some("1 {{service}} for a.example, 3 h"));
        assert_eq!(pack.render_sms(Letter::Welcome, &[]), None);
    }
}
