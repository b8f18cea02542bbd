//! The section `sms`: how codes and notices reach phones.

use super::section::Section;
use super::url::WebUrl;
use crate::identifier::PhoneNumber;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// Where Twilio answers.
const TWILIO: &str = "https://api.twilio.com";

/// Who carries SMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmsSender {
    /// `none`: nobody, and phone numbers can only be looked at.
    None,
    /// `development_mailbox`: nothing leaves the machine; refused in production.
    DevelopmentMailbox,
    /// `twilio`: Twilio's Messages API.
    Twilio {
        /// Where it answers.
        url: WebUrl,
        /// The account.
        account: TwilioAccount,
        /// The sender, or the service that chooses one.
        from: SmsOrigin,
    },
    /// `http`: a JSON request to an SMS service.
    Http {
        /// Where the request goes.
        url: WebUrl,
        /// The sender, where the service wants one.
        from: Option<SmsOrigin>,
    },
}

/// `sms`: how codes and notices reach phones.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SmsSettings {
    /// Who carries them, default nobody.
    pub sender: SmsSender,
    /// When to give up and try again later, 100 to 30,000 milliseconds, default 10,000.
    pub timeout: Duration,
    /// How the numbers begin that anything is sent to, such as `+49`; all of them when it is empty, the default.
    pub prefixes: Vec<NumberPrefix>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    None,
    DevelopmentMailbox,
    Twilio,
    Http,
}

impl SmsSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let words = [
            ("none", Carrier::None),
            ("development_mailbox", Carrier::DevelopmentMailbox),
            ("twilio", Carrier::Twilio),
            ("http", Carrier::Http),
        ];
        let carrier = section.choice("sender", Carrier::None, &words);
        check_fields(&mut section, carrier);
        let url = section.parsed::<WebUrl>("url").or_else(|| TWILIO.parse().ok());
        let account = section.parsed::<TwilioAccount>("account_sid");
        let from = section.parsed::<SmsOrigin>("from");
        let timeout = Duration::from_millis(section.number("timeout_ms", 10_000, 100..=30_000).into());
        let prefixes = section.list::<NumberPrefix>("prefixes").unwrap_or_default();
        let sender = match (carrier, url, account, from) {
            (Carrier::DevelopmentMailbox, ..) => SmsSender::DevelopmentMailbox,
            (Carrier::Twilio, Some(url), Some(account), Some(from)) => {
                SmsSender::Twilio { url, account, from }
            }
            (Carrier::Http, Some(url), _, from) => SmsSender::Http { url, from },
            _ => SmsSender::None,
        };
        Self { sender, timeout, prefixes: prefixes.into_iter().map(|(_, prefix)| prefix).collect() }
    }

    /// Whether there is anybody who carries them.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.sender != SmsSender::None
    }

    /// Whether anything is sent to this number.
    #[must_use]
    pub fn serves(&self, number: &PhoneNumber) -> bool {
        let begins = |prefix: &NumberPrefix| number.as_str().starts_with(prefix.as_str());
        self.prefixes.is_empty() || self.prefixes.iter().any(begins)
    }
}

/// Every sender has fields that it needs and fields that say nothing to it.
fn check_fields(section: &mut Section<'_>, carrier: Carrier) {
    let needed: (&[&str], &str) = match carrier {
        Carrier::Twilio => (&["account_sid", "from"], "is required when sms.sender is \"twilio\""),
        Carrier::Http => (&["url"], "is required when sms.sender is \"http\""),
        Carrier::None | Carrier::DevelopmentMailbox => (&[], ""),
    };
    for field in needed.0 {
        if !section.has(field) {
            section.refuse(field, needed.1);
        }
    }
    let useless: (&[&str], &str) = match carrier {
        Carrier::Twilio => (&[], ""),
        Carrier::Http => (&["account_sid"], "has no effect unless sms.sender is \"twilio\""),
        Carrier::None | Carrier::DevelopmentMailbox => {
            (&["url", "account_sid"], "has no effect unless sms.sender is \"twilio\" or \"http\"")
        }
    };
    for field in useless.0 {
        if section.has(field) {
            section.refuse(field, useless.1);
        }
    }
}

/// Why a text is not what the section `sms` takes in this place: the rule in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmsSettingError(&'static str);

impl fmt::Display for SmsSettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for SmsSettingError {}

/// The name of an account at Twilio: `AC` and 32 hexadecimal digits. Not a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwilioAccount(String);

/// Who an SMS comes from: a phone number, a word of 1 to 11 letters, digits and spaces, or a Messaging Service of
/// Twilio's, which chooses one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmsOrigin {
    /// A number or word.
    Sender(String),
    /// `MG` and 32 hexadecimal digits.
    MessagingService(String),
}

/// How phone numbers begin: `+` and 1 to 7 digits of which the first is not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPrefix(String);

impl TwilioAccount {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SmsOrigin {
    /// The number, word or service.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sender(text) | Self::MessagingService(text) => text,
        }
    }
}

impl NumberPrefix {
    /// The prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TwilioAccount {
    type Err = SmsSettingError;

    fn from_str(text: &str) -> Result<Self, SmsSettingError> {
        if is_sid(text, "AC") {
            Ok(Self(text.into()))
        } else {
            Err(SmsSettingError("must be AC and 32 hexadecimal digits"))
        }
    }
}

impl FromStr for SmsOrigin {
    type Err = SmsSettingError;

    fn from_str(text: &str) -> Result<Self, SmsSettingError> {
        if is_sid(text, "MG") {
            return Ok(Self::MessagingService(text.into()));
        }
        if let Ok(number) = PhoneNumber::parse(text) {
            return Ok(Self::Sender(number.as_str().into()));
        }
        let is_word = (1..=11).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
            && text.bytes().any(|byte| byte.is_ascii_alphabetic());
        if is_word {
            Ok(Self::Sender(text.into()))
        } else {
            Err(SmsSettingError(
                "must be a phone number, 1 to 11 letters, digits and spaces, or MG and 32 hexadecimal digits",
            ))
        }
    }
}

impl FromStr for NumberPrefix {
    type Err = SmsSettingError;

    fn from_str(text: &str) -> Result<Self, SmsSettingError> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let is_prefix = (1..=7).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if is_prefix {
            Ok(Self(text.into()))
        } else {
            Err(SmsSettingError("must be + and 1 to 7 digits, of which the first is not 0"))
        }
    }
}

fn is_sid(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind)
        .is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_sms_may_come_from() {
        let origin = |text: &str| text.parse::<SmsOrigin>();
        assert_eq!(origin("+1 (202) 555-0123"), Ok(SmsOrigin::Sender("+12025550123".into())));
        assert_eq!(origin("My Shop 24"), Ok(SmsOrigin::Sender("My Shop 24".into())));
        let service = "MG0123456789abcdef0123456789abcdef";
        assert_eq!(origin(service), Ok(SmsOrigin::MessagingService(service.into())));
        for bad in ["", "123", "Twelve chars", "Ä", "My-Shop", "+1", "a\nb"] {
            assert!(origin(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn prefixes_are_the_beginnings_of_numbers() {
        for good in ["+1", "+49", "+4915123"] {
            assert_eq!(good.parse::<NumberPrefix>().unwrap().as_str(), good);
        }
        for bad in ["", "+", "49", "+0", "+49151234", "+4a", "+ 49", "0049"] {
            assert!(bad.parse::<NumberPrefix>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_number_is_served_by_any_of_the_prefixes_or_by_none_of_them() {
        let number = PhoneNumber::parse("+491701234567").unwrap();
        let serves = |prefixes: &[&str]| {
            let prefixes = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
            SmsSettings { sender: SmsSender::None, timeout: Duration::ZERO, prefixes }.serves(&number)
        };
        assert!(serves(&[]) && serves(&["+49"]) && serves(&["+1", "+4917"]));
        assert!(!serves(&["+1"]) && !serves(&["+4916", "+48"]));
    }
}
