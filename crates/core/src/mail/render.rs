//! A mail from its template and its values.

use super::letter::Letter;
use super::template::{Template, fill};
use alloc::format;
use alloc::string::String;

/// The templates of one language.
#[derive(Clone, Copy, Debug)]
pub struct Pack {
    /// The language: a tag in lower case.
    pub language: &'static str,
    /// The line that says where to ask, with `{{support_address}}`.
    pub support: &'static str,
    /// How durations are written: a line with `{{minutes}}`, and one with `{{hours}}` for more than two hours.
    pub durations: (&'static str, &'static str),
    /// One template for each kind of mail.
    pub letters: &'static [(Letter, Template)],
    /// One text for each that goes by SMS.
    pub sms: &'static [(Letter, &'static str)],
}

/// Whose mails they are.
#[derive(Clone, Copy, Debug)]
pub struct Brand<'a> {
    /// The name of the service.
    pub name: &'a str,
    /// Its colour, as CSS writes it.
    pub color: &'a str,
    /// Its picture, shown instead of the name where pictures are shown.
    pub logo_url: Option<&'a str>,
    /// Where its users may ask.
    pub support_address: Option<&'a str>,
}

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line, without control characters.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as an HTML page.
    pub html: String,
}

impl Pack {
    /// Writes a mail: values go where their placeholders stand, escaped in HTML and as they are in text. Control
    /// characters in values become spaces everywhere, so that no value begins a line of its own. A value `minutes`
    /// gives the template a `duration` in words.
    ///
    /// `None` if the pack lacks the letter.
    #[must_use]
    pub fn render(
        &self,
        layout: &str,
        letter: Letter,
        values: &[(&str, &str)],
        brand: &Brand<'_>,
    ) -> Option<Rendered> {
        let (_, template) = self.letters.iter().find(|(known, _)| *known == letter)?;
        let mut known = alloc::vec![("brand_name", brand.name)];
        known.extend_from_slice(values);
        let duration = self.duration_of(values);
        known.extend(duration.as_deref().map(|duration| ("duration", duration)));
        let mut subject = String::new();
        fill(&mut subject, template.subject, &known, plain, put_text);
        Some(Rendered {
            text: self.text(template, &known, brand),
            html: self.html(layout, template, &known, brand, &subject),
            subject,
        })
    }

    /// What a value `minutes` is in words, if there is one.
    pub(super) fn duration_of(&self, values: &[(&str, &str)]) -> Option<String> {
        let (_, minutes) = values.iter().find(|(name, _)| *name == "minutes")?;
        Some(self.duration(minutes.parse().ok()?))
    }

    fn duration(&self, minutes: u32) -> String {
        const MOST_MINUTES: u32 = 120;
        let (template, name, count) = match minutes {
            ..=MOST_MINUTES => (self.durations.0, "minutes", minutes),
            _ => (self.durations.1, "hours", minutes.div_ceil(60)),
        };
        let mut duration = String::new();
        fill(&mut duration, template, &[(name, &format!("{count}"))], plain, put_text);
        duration
    }

    fn text(&self, template: &Template, values: &[(&str, &str)], brand: &Brand<'_>) -> String {
        let mut text = String::new();
        fill(&mut text, template.text, values, plain, put_text);
        text.push_str("\n\n-- \n");
        put_text(&mut text, "", brand.name);
        text.push('\n');
        if let Some(address) = brand.support_address {
            let values = [("brand_name", brand.name), ("support_address", address)];
            fill(&mut text, self.support, &values, plain, put_text);
            text.push('\n');
        }
        text
    }

    fn html(
        &self,
        layout: &str,
        template: &Template,
        values: &[(&str, &str)],
        brand: &Brand<'_>,
        subject: &str,
    ) -> String {
        let mut body = String::new();
        match template.html {
            Some(html) => fill(&mut body, html, values, plain, put_html),
            None => {
                for paragraph in template.text.split("\n\n") {
                    body.push_str("<p>");
                    fill(&mut body, paragraph, values, escape_html, put_html);
                    body.push_str("</p>\n");
                }
            }
        }
        let mut support = String::new();
        if let Some(address) = brand.support_address {
            let values = [("brand_name", brand.name), ("support_address", address)];
            fill(&mut support, self.support, &values, escape_html, put_html);
        }
        let mut name = String::new();
        escape_html(&mut name, brand.name);
        let picture = brand.logo_url.map(|url| {
            let mut address = String::new();
            escape_html(&mut address, url);
            format!("<img src=\"{address}\" alt=\"{name}\" height=\"40\">")
        });
        let values = [
            ("language", self.language),
            ("subject", subject),
            ("brand_name", brand.name),
            ("brand_color", brand.color),
            ("brand", picture.as_deref().unwrap_or(&name)),
            ("body", &body),
            ("support", &support),
        ];
        let mut page = String::new();
        fill(&mut page, layout, &values, plain, put_layout);
        page
    }
}

pub(super) fn plain(out: &mut String, text: &str) {
    out.push_str(text);
}

/// A value in text: nothing in it ends the line.
pub(super) fn put_text(out: &mut String, _name: &str, value: &str) {
    out.extend(value.chars().map(one_line));
}

/// A value in HTML. Codes are shown large, and links can be followed.
fn put_html(out: &mut String, name: &str, value: &str) {
    match name {
        "code" => {
            out.push_str("<strong style=\"font-size:1.5em;letter-spacing:.1em\">");
            escape_html(out, value);
            out.push_str("</strong>");
        }
        "link" => {
            out.push_str("<a href=\"");
            escape_html(out, value);
            out.push_str("\" style=\"word-break:break-all\">");
            escape_html(out, value);
            out.push_str("</a>");
        }
        _ => escape_html(out, value),
    }
}

/// A value of the page: what was made here is HTML already.
fn put_layout(out: &mut String, name: &str, value: &str) {
    if matches!(name, "brand" | "body" | "support") { out.push_str(value) } else { escape_html(out, value) }
}

/// Writes text as HTML, also between quotes. Control characters become spaces.
pub fn escape_html(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(one_line(character)),
        }
    }
}

/// Control characters and the separators of lines and paragraphs are spaces.
fn one_line(character: char) -> char {
    let breaks = character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    if breaks { ' ' } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: &str = "<html lang=\"{{language}}\"><title>{{subject}}</title><b style=\"color:{{brand_color}}\">{{brand}}\
                          </b>{{body}}<i>{{support}}</i></html>";
    const BRAND: Brand<'_> =
        Brand { name: "Keep & Co", color: "#123456", logo_url: None, support_address: None };

    const PACK: Pack = Pack {
        language: "en",
        support: "Ask {{support_address}}.",
        durations: ("{{minutes}} min", "{{hours}} h"),
        letters: &[
            (
                Letter::Welcome,
                Template {
                    subject: "Welcome, {{name}}",
                    text: "Hello {{name}},\n\nyou <are> in.",
                    html: None,
                },
            ),
            (
                Letter::LoginCode,
                Template {
                    subject: "Code",
                    text: "It is {{code}}.",
                    html: Some("<h1>{{code}}</h1><p>{{missing}}</p>"),
                },
            ),
            (Letter::LoginLink, Template { subject: "Link", text: "{{link}} for {{duration}}", html: None }),
        ],
        sms: &[],
    };

    fn welcome(name: &str) -> Rendered {
        PACK.render(LAYOUT, Letter::Welcome, &[("name", name)], &BRAND).unwrap()
    }

    #[test]
    fn text_has_values_as_they_are_and_html_has_them_escaped() {
        let mail = welcome("Ada \"<b>\" O'Hara");
        assert_eq!(mail.subject, "Welcome, Ada \"<b>\" O'Hara");
        assert_eq!(mail.text, "Hello Ada \"<b>\" O'Hara,\n\nyou <are> in.\n\n-- \nKeep & Co\n");
        assert_eq!(
            mail.html,
            "<html lang=\"en\"><title>Welcome, Ada &quot;&lt;b&gt;&quot; O&#39;Hara</title>\
             <b style=\"color:#123456\">Keep &amp; Co</b><p>Hello Ada &quot;&lt;b&gt;&quot; O&#39;Hara,</p>\n\
             <p>you &lt;are&gt; in.</p>\n<i></i></html>"
        );
    }

    #[test]
    fn a_name_is_never_an_element_a_placeholder_or_a_header() {
        for name in ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</title><script>"] {
            let html = welcome(name).html;
            assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        }
        for name in ["{{link}}", "{{body}}", "{{brand_name}}", "{{", "}}"] {
            let mail = welcome(name);
            assert_eq!(mail.subject, format!("Welcome, {name}"));
            assert!(mail.html.contains(&format!("<p>Hello {name},</p>")), "{}", mail.html);
        }
        for name in
            ["Ada\r\nBcc: eve@example.com", "Ada\nX", "Ada\rX", "Ada\u{0}X", "Ada\u{2028}X", "Ada\u{85}X"]
        {
            let mail = welcome(name);
            assert!(!mail.subject.chars().any(char::is_control), "{:?}", mail.subject);
            assert!(!mail.subject.contains('\u{2028}'));
            assert_eq!(mail.text.lines().count(), welcome("Ada").text.lines().count(), "{:?}", mail.text);
        }
    }

    #[test]
    fn html_of_its_own_takes_the_place_of_the_paragraphs() {
        let mail = PACK.render(LAYOUT, Letter::LoginCode, &[("code", "123456")], &BRAND).unwrap();
        assert!(mail.html.contains("<h1><strong style"), "{}", mail.html);
        assert!(mail.html.contains(">123456</strong></h1><p></p>"), "{}", mail.html);
        assert!(mail.text.starts_with("It is 123456."));
    }

    #[test]
    fn a_link_can_be_followed_and_does_not_leave_its_attribute() {
        let values = [("link", "https://a.example/x?a=1&b=\"><script>#t")];
        let mail = PACK.render(LAYOUT, Letter::LoginLink, &values, &BRAND).unwrap();
        assert!(
            mail.html.contains("<a href=\"https://a.example/x?a=1&amp;b=&quot;&gt;&lt;script&gt;#t\""),
            "{}",
            mail.html
        );
    }

    #[test]
    fn the_brand_is_shown_with_its_picture_and_where_to_ask() {
        let brand = Brand {
            logo_url: Some("https://a.example/logo.png?a&b"),
            support_address: Some("help@a.example"),
            ..BRAND
        };
        let mail = PACK.render(LAYOUT, Letter::Welcome, &[("name", "Ada")], &brand).unwrap();
        assert!(
            mail.html.contains(
                "<img src=\"https://a.example/logo.png?a&amp;b\" alt=\"Keep &amp; Co\" height=\"40\">"
            ),
            "{}",
            mail.html
        );
        assert!(mail.html.contains("<i>Ask help@a.example.</i>"));
        assert!(mail.text.ends_with("\n-- \nKeep & Co\nAsk help@a.example.\n"));
    }

    #[test]
    fn durations_are_in_words() {
        for (minutes, words) in
            [("1", "1 min"), ("120", "120 min"), ("121", "3 h"), ("1440", "24 h"), ("x", "")]
        {
            let values = [("link", "https://a.example"), ("minutes", minutes)];
            let mail = PACK.render(LAYOUT, Letter::LoginLink, &values, &BRAND).unwrap();
            assert!(mail.text.contains(&format!(" for {words}\n")), "{}", mail.text);
        }
    }

    #[test]
    fn a_letter_that_a_pack_lacks_is_not_written() {
        assert_eq!(PACK.render(LAYOUT, Letter::SessionEnded, &[], &BRAND), None);
    }
}
