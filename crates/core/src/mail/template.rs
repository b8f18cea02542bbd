//! Templates: texts with `{{placeholders}}`, checked when the Worker is built.

use super::letter::Letter;
use alloc::string::{String, ToString as _};
use core::fmt;

/// What one mail says, before its values are put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// The subject: one line.
    pub subject: &'static str,
    /// The text: paragraphs with an empty line between them.
    pub text: &'static str,
    /// The paragraphs as HTML; made from the text if there are none.
    pub html: Option<&'static str>,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// The first line is not `Subject: …` with an empty line after it, or the subject is empty.
    Subject,
    /// There is nothing after the subject.
    Empty,
    /// A character that no mail shows: a control character other than the end of a line.
    ControlCharacter,
    /// `{{` without `}}` after it on the same line.
    OpenPlaceholder,
    /// A placeholder that this template has no value for.
    UnknownPlaceholder(String),
    /// A placeholder without which this template is for nothing.
    MissingPlaceholder(&'static str),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("must begin with a line \"Subject: …\" and an empty line"),
            Self::Empty => f.write_str("says nothing"),
            Self::ControlCharacter => f.write_str("has a control character"),
            Self::OpenPlaceholder => f.write_str("has {{ without }} on the same line"),
            Self::UnknownPlaceholder(name) => write!(f, "has {{{{{name}}}}}, which it gets no value for"),
            Self::MissingPlaceholder(name) => write!(f, "lacks {{{{{name}}}}}"),
        }
    }
}

impl core::error::Error for TemplateError {}

impl Template {
    /// Reads the text file of a template, and the file beside it with its HTML if there is one.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], for the first rule that one of the files breaks.
    pub fn parse(
        letter: Letter,
        text: &'static str,
        html: Option<&'static str>,
    ) -> Result<Self, TemplateError> {
        let (subject, body) = text
            .strip_prefix("Subject: ")
            .and_then(|text| text.split_once("\n\n"))
            .filter(|(subject, _)| !subject.trim().is_empty() && !subject.contains('\n'))
            .ok_or(TemplateError::Subject)?;
        let (subject, body) = (subject.trim(), body.trim());
        for part in [Some(subject), Some(body), html].into_iter().flatten() {
            check(part, |name| letter.allows(name))?;
        }
        for part in [Some(body), html].into_iter().flatten() {
            require(part, letter.required())?;
        }
        Ok(Self { subject, text: body, html: html.map(str::trim) })
    }
}

/// Checks how a language writes a duration: a line with `{{minutes}}`, and one with `{{hours}}` for more than two hours.
///
/// # Errors
///
/// [`TemplateError`], if a line lacks its placeholder or has another, or if there are more or fewer than two.
pub fn parse_durations(text: &'static str) -> Result<(&'static str, &'static str), TemplateError> {
    let (minutes, hours) = text.trim().split_once('\n').ok_or(TemplateError::Empty)?;
    for (line, name) in [(minutes, "minutes"), (hours, "hours")] {
        check(line, |known| known == name)?;
        require(line, Some(name))?;
    }
    if hours.contains('\n') { Err(TemplateError::ControlCharacter) } else { Ok((minutes, hours)) }
}

/// Checks the page around the HTML of every mail.
///
/// # Errors
///
/// [`TemplateError`], if it has other placeholders than `language`, `subject`, `brand`, `brand_name`, `brand_color`,
/// `body` and `support`, or no `body`.
pub fn check_layout(html: &str) -> Result<(), TemplateError> {
    const NAMES: [&str; 7] = ["language", "subject", "brand", "brand_name", "brand_color", "body", "support"];
    check(html, |name| NAMES.contains(&name))?;
    require(html, Some("body"))
}

/// Checks the line that says where to ask.
///
/// # Errors
///
/// [`TemplateError`], if it has other placeholders than `brand_name` and `support_address`, or no address.
pub fn check_support(text: &str) -> Result<(), TemplateError> {
    check(text, |name| matches!(name, "brand_name" | "support_address"))?;
    require(text, Some("support_address"))
}

pub(super) fn check(text: &str, allows: impl Fn(&str) -> bool) -> Result<(), TemplateError> {
    if text.trim().is_empty() {
        return Err(TemplateError::Empty);
    }
    if text.chars().any(|character| character.is_control() && character != '\n') {
        return Err(TemplateError::ControlCharacter);
    }
    for after in text.split("{{").skip(1) {
        let name = after.split_once("}}").map(|(name, _)| name).filter(|name| !name.contains('\n'));
        let name = name.ok_or(TemplateError::OpenPlaceholder)?;
        if !allows(name) {
            return Err(TemplateError::UnknownPlaceholder(name.to_string()));
        }
    }
    Ok(())
}

pub(super) fn require(text: &str, name: Option<&'static str>) -> Result<(), TemplateError> {
    match name {
        Some(name) if !text.contains(&*alloc::format!("{{{{{name}}}}}")) => {
            Err(TemplateError::MissingPlaceholder(name))
        }
        _ => Ok(()),
    }
}

/// Puts `values` where their placeholders stand. `plain` writes what is the template's own, `put` a value with its
/// name. A placeholder without a value becomes nothing.
pub(super) fn fill(
    out: &mut String,
    template: &str,
    values: &[(&str, &str)],
    plain: fn(&mut String, &str),
    put: fn(&mut String, &str, &str),
) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        plain(out, before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            put(out, name, value);
        }
        rest = after;
    }
    plain(out, rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "Subject: Your code\n\nHello,\n\nit is {{code}}, from {{brand_name}}.\n";

    #[test]
    fn a_template_is_a_subject_and_paragraphs() {
        let template = Template::parse(Letter::LoginCode, CODE, None).unwrap();
        assert_eq!(template.subject, "Your code");
        assert_eq!(template.text, "Hello,\n\nit is {{code}}, from {{brand_name}}.");
        assert!(Template::parse(Letter::LoginCode, CODE, Some("<p>{{code}}</p>")).is_ok());
    }

    #[test]
    fn what_would_reach_nobody_is_refused() {
        let unknown = |name: &str| TemplateError::UnknownPlaceholder(name.into());
        for (text, error) in [
            ("", TemplateError::Subject),
            ("Hello {{code}}", TemplateError::Subject),
            ("Subject: \n\n{{code}}", TemplateError::Subject),
            ("Subject: a\nBcc: b@c.de\n\n{{code}}", TemplateError::Subject),
            ("Subject: a\r\n\r\n{{code}}", TemplateError::Subject),
            ("Subject: a\rBcc: b\n\n{{code}}", TemplateError::ControlCharacter),
            ("Subject: a\n\n{{code}}\u{0}", TemplateError::ControlCharacter),
            ("Subject: a\n\n", TemplateError::Empty),
            ("Subject: a\n\nno code", TemplateError::MissingPlaceholder("code")),
            ("Subject: {{code}}\n\nonly above", TemplateError::MissingPlaceholder("code")),
            ("Subject: a\n\n{{code", TemplateError::OpenPlaceholder),
            ("Subject: a\n\n{{co\nde}}", TemplateError::OpenPlaceholder),
            ("Subject: a\n\n{{code}} {{name}}", unknown("name")),
            ("Subject: {{link}}\n\n{{code}}", unknown("link")),
            ("Subject: a\n\n{{ code }}", unknown(" code ")),
            ("Subject: a\n\n{{#if code}}{{code}}{{/if}}", unknown("#if code")),
        ] {
            assert_eq!(Template::parse(Letter::LoginCode, text, None), Err(error), "{text:?}");
        }
        let html = |html| Template::parse(Letter::LoginCode, CODE, Some(html));
        assert_eq!(html("<p>no code</p>"), Err(TemplateError::MissingPlaceholder("code")));
        assert_eq!(html("<p>{{code}}{{password}}</p>"), Err(unknown("password")));
        assert_eq!(html(" "), Err(TemplateError::Empty));
    }

    #[test]
    fn the_page_needs_the_mail_and_the_line_an_address() {
        assert_eq!(check_layout("<html lang=\"{{language}}\">{{body}}</html>"), Ok(()));
        assert_eq!(check_layout("<html></html>"), Err(TemplateError::MissingPlaceholder("body")));
        assert_eq!(check_layout("{{body}}{{code}}"), Err(TemplateError::UnknownPlaceholder("code".into())));
        assert_eq!(check_support("Ask {{support_address}}."), Ok(()));
        assert_eq!(parse_durations("{{minutes}} min\n{{hours}} h\n"), Ok(("{{minutes}} min", "{{hours}} h")));
        assert_eq!(parse_durations("{{minutes}} min"), Err(TemplateError::Empty));
        assert_eq!(
            parse_durations("{{minutes}}\n{{days}}"),
            Err(TemplateError::UnknownPlaceholder("days".into()))
        );
        assert_eq!(parse_durations("soon\n{{hours}}"), Err(TemplateError::MissingPlaceholder("minutes")));
        assert_eq!(parse_durations("{{minutes}}\n{{hours}}\n!"), Err(TemplateError::ControlCharacter));
        assert_eq!(check_support("Ask us."), Err(TemplateError::MissingPlaceholder("support_address")));
        assert_eq!(
            check_support("{{support_address}} {{name}}"),
            Err(TemplateError::UnknownPlaceholder("name".into()))
        );
    }
}
