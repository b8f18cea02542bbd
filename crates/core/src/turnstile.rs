//! Turnstile: whether a page was used by somebody, asked of Cloudflare by the token that its widget has made.
//!
//! A token is good for one question and five minutes, which the service sees to; what the service cannot know, for which
//! of our doors and on whose page it was made, is compared here.

use crate::json::record;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The most bytes of a token, says the service.
pub const MAX_TOKEN_BYTES: usize = 2_048;
/// The most bytes of an answer that are read.
pub const MAX_ANSWER_BYTES: usize = 16_384;

/// Which door a token was made for: the action that the page's widget is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnstileAction {
    /// `signup`.
    SignUp,
    /// `login`.
    Login,
    /// `password_reset`.
    PasswordReset,
    /// `code`.
    Code,
}

impl TurnstileAction {
    /// The action's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignUp => "signup",
            Self::Login => "login",
            Self::PasswordReset => "password_reset",
            Self::Code => "code",
        }
    }
}

/// The host of a page: a name or address in lower case, without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageHost(String);

/// The text is not the host of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHostError;

impl fmt::Display for PageHostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a host name in lower case, without a port")
    }
}

impl core::error::Error for PageHostError {}

impl FromStr for PageHost {
    type Err = PageHostError;

    fn from_str(text: &str) -> Result<Self, PageHostError> {
        let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let labels = text.split('.').all(|label| !label.is_empty() && label.bytes().all(is_good));
        if labels && text.len() <= 253 { Ok(Self(text.into())) } else { Err(PageHostError) }
    }
}

/// What the service is asked.
#[derive(Serialize)]
pub struct TurnstileQuestion<'a> {
    /// The secret of the widget.
    pub secret: &'a str,
    /// The token.
    pub response: &'a str,
    /// Where the request comes from, as Cloudflare says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remoteip: Option<&'a str>,
}

/// What its answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum TurnstileVerdict {
    /// Somebody was there, at this door.
    Passed,
    /// The token is none, was used, is too old, or was made for another door or page.
    Failed,
    /// The service does not say, for this reason.
    Unavailable(&'static str),
    /// It refuses the question itself, for this reason. A token can bring that about, and so can a wrong secret: nobody is to be
    /// let through for it, whatever becomes of requests while the service is down.
    Rejected(&'static str),
}

/// Whether a text can be a token: what the service would stumble over is not asked about.
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TOKEN_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

/// Judges an answer of the service. What it says of its own or our mistakes is said of nobody's token.
pub fn judge(status: u16, body: &[u8], action: TurnstileAction, hosts: &[PageHost]) -> TurnstileVerdict {
    // Too many questions, or too slow ones, are no mistake of theirs.
    if (400..500).contains(&status) && !matches!(status, 408 | 429) {
        return TurnstileVerdict::Rejected("it refuses the question");
    }
    if status != 200 {
        return TurnstileVerdict::Unavailable("it answered with an error");
    }
    let Ok(answer) = record::read::<Answer>(body) else {
        return TurnstileVerdict::Unavailable("its answer is none");
    };
    if !answer.success {
        let has = |wanted: &[&str]| answer.error_codes.iter().any(|code| wanted.contains(&code.as_str()));
        if has(&["missing-input-secret", "invalid-input-secret"]) {
            return TurnstileVerdict::Rejected("the secret is wrong");
        }
        if has(&["bad-request"]) {
            return TurnstileVerdict::Rejected("it refuses the question");
        }
        if answer.error_codes.is_empty() || has(&["internal-error"]) {
            return TurnstileVerdict::Unavailable("it has failed");
        }
        return TurnstileVerdict::Failed;
    }
    let is_action = answer.action.as_deref() == Some(action.name());
    let is_host = hosts.iter().any(|host| Some(host.0.as_str()) == answer.hostname.as_deref());
    if is_action && is_host { TurnstileVerdict::Passed } else { TurnstileVerdict::Failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(body: &str) -> TurnstileVerdict {
        let hosts = ["a.example".parse().unwrap(), "b.example".parse().unwrap()];
        judge(200, body.as_bytes(), TurnstileAction::Login, &hosts)
    }

    #[test]
    fn somebody_was_there_only_at_this_door_and_on_these_pages() {
        for host in ["a.example", "b.example"] {
            let good = std::format!(
                r#"{{"success":true,"challenge_ts":"2026-01-01T00:00:00Z","hostname":"{host}","error-codes":[],
                "action":"login","cdata":"","metadata":{{"ephemeral_id":"x:1","more":[1.5,null,{{}}]}}}}"#
            );
            assert_eq!(judged(&good), TurnstileVerdict::Passed);
        }
        for other in [
            r#"{"success":true,"hostname":"a.example","action":"signup"}"#,
            r#"{"success":true,"hostname":"a.example","action":""}"#,
            r#"{"success":true,"hostname":"a.example"}"#,
            r#"{"success":true,"hostname":"a.example","action":null}"#,
            r#"{"success":true,"hostname":"evil.example","action":"login"}"#,
            r#"{"success":true,"hostname":"a.example.evil.example","action":"login"}"#,
            r#"{"success":true,"hostname":"A.EXAMPLE","action":"login"}"#,
            r#"{"success":true,"hostname":"","action":"login"}"#,
            r#"{"success":true,"action":"login"}"#,
            r#"{"success":false,"error-codes":["timeout-or-duplicate"],"hostname":"a.example","action":"login"}"#,
            r#"{"success":false,"error-codes":["invalid-input-response"]}"#,
            r#"{"success":false,"error-codes":["something-new"]}"#,
        ] {
            assert_eq!(judged(other), TurnstileVerdict::Failed, "{other}");
        }
    }

    #[test]
    fn what_is_no_answer_says_nothing_of_a_token() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "<html>",
            r#"{"success":"true","hostname":"a.example","action":"login"}"#,
            r#"{"success":1,"hostname":"a.example","action":"login"}"#,
            r#"{"success":true,"success":true,"hostname":"a.example","action":"login"}"#,
            r#"{"success":true,"hostname":"a.example","action":"login""#,
            r#"{"success":true,"hostname":["a.example"],"action":"login"}"#,
            r#"{"success":false}"#,
            r#"{"success":false,"error-codes":["internal-error"]}"#,
        ] {
            assert!(matches!(judged(body), TurnstileVerdict::Unavailable(_)), "{body}");
        }
        let good = br#"{"success":true,"hostname":"a.example","action":"login"}"#;
        let hosts = ["a.example".parse().unwrap()];
        for status in [199, 201, 204, 301, 307, 408, 429, 500, 503] {
            let verdict = judge(status, good, TurnstileAction::Login, &hosts);
            assert!(matches!(verdict, TurnstileVerdict::Unavailable(_)), "{status}");
        }
        for status in [400, 401, 403, 404, 413, 422] {
            let verdict = judge(status, good, TurnstileAction::Login, &hosts);
            assert!(matches!(verdict, TurnstileVerdict::Rejected(_)), "{status}");
        }
        assert_eq!(judge(200, good, TurnstileAction::Login, &[]), TurnstileVerdict::Failed);
    }

    #[test]
    fn a_question_that_is_refused_is_nobodys_way_in() {
        for code in ["bad-request", "invalid-input-secret", "missing-input-secret"] {
            for others in ["", r#""timeout-or-duplicate","#, r#""internal-error","#] {
                let body = std::format!(r#"{{"success":false,"error-codes":[{others}"{code}"]}}"#);
                assert!(matches!(judged(&body), TurnstileVerdict::Rejected(_)), "{body}");
            }
        }
        for good in ["XXXX.DUMMY.TOKEN.XXXX", "0.a-_b", &"x".repeat(MAX_TOKEN_BYTES)] {
            assert!(is_token(good), "{good}");
        }
        for wrong in ["", " ", "a b", "a\n", "\0", "é", "\u{7f}", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
            assert!(!is_token(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn hosts_are_names_in_lower_case() {
        for host in ["localhost", "a.example", "127.0.0.1", "xn--a-b.example"] {
            assert!(host.parse::<PageHost>().is_ok(), "{host}");
        }
        for wrong in
            ["", ".", "a.", "A.example", "a.example:8787", "https://a.example", "a_b.example", "*.example"]
        {
            assert_eq!(wrong.parse::<PageHost>(), Err(PageHostError), "{wrong}");
        }
        assert!(std::format!("{}a", "a.".repeat(127)).parse::<PageHost>().is_err());
    }
}
