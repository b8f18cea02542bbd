//! The rules for choosing a password (NIST SP 800-63B-4 §3.1.1.2; OWASP ASVS 5 §6.2).

use super::PasswordInput;
use super::common::COMMON_PASSWORDS;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

/// What a new password must fulfil. Existing passwords are never checked against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PasswordPolicy {
    /// The fewest Unicode code points, default 10.
    pub min_characters: u32,
    /// The most bytes of UTF-8, default and upper bound 1,024 ([`PasswordInput::MAX_BYTES`]).
    pub max_bytes: u32,
    /// Whether very common and trivially patterned passwords are refused, default yes.
    pub refuse_common: bool,
    /// Whether an upper-case letter is required, default no, as NIST advises against composition rules.
    pub require_upper: bool,
    /// Whether a lower-case letter is required, default no.
    pub require_lower: bool,
    /// Whether a digit is required, default no.
    pub require_digit: bool,
    /// Whether a character that is neither letter nor digit is required, default no.
    pub require_symbol: bool,
}

impl PasswordPolicy {
    /// The policy with an upper-case and a lower-case letter, a digit and a symbol required as well: what many older
    /// systems ask for.
    #[must_use]
    pub const fn mixed(self) -> Self {
        Self { require_upper: true, require_lower: true, require_digit: true, require_symbol: true, ..self }
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_characters: 10,
            max_bytes: 1024,
            refuse_common: true,
            require_upper: false,
            require_lower: false,
            require_digit: false,
            require_symbol: false,
        }
    }
}

/// What is known about the person, and therefore guessed first.
#[derive(Clone, Copy, Default)]
pub struct PasswordContext<'a> {
    /// The e-mail address; the whole of it and its local part are refused.
    pub email: Option<&'a str>,
    /// The display name; the whole of it, it without spaces, and each of its words are refused.
    pub name: Option<&'a str>,
    /// Other words, such as the name of the service, the user name, or the phone number.
    pub words: &'a [&'a str],
}

/// One rule a new password breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "rule", rename_all = "snake_case"))]
pub enum PasswordViolation {
    /// Fewer characters than this.
    TooShort {
        /// The fewest code points.
        min_characters: u32,
    },
    /// More bytes than this.
    TooLong {
        /// The most bytes.
        max_bytes: u32,
    },
    /// One of the passwords that everybody tries first, one character repeated, or a run such as `1234567890`.
    TooCommon,
    /// The e-mail address, its local part, the name, or another word of the context, in any case.
    SameAsContext,
    /// No upper-case letter.
    MissingUpper,
    /// No lower-case letter.
    MissingLower,
    /// No digit.
    MissingDigit,
    /// Only letters and digits.
    MissingSymbol,
    /// Known from breaches. [`PasswordPolicy::check`] never finds it: whoever can ask adds it.
    Breached,
}

impl PasswordViolation {
    /// The stable name of the rule, as answers carry it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::TooCommon => "too_common",
            Self::SameAsContext => "same_as_context",
            Self::MissingUpper => "missing_upper",
            Self::MissingLower => "missing_lower",
            Self::MissingDigit => "missing_digit",
            Self::MissingSymbol => "missing_symbol",
            Self::Breached => "breached",
        }
    }
}

impl fmt::Display for PasswordViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { min_characters } => write!(f, "needs at least {min_characters} characters"),
            Self::TooLong { max_bytes } => write!(f, "may have at most {max_bytes} bytes"),
            Self::TooCommon => f.write_str("is among the first passwords anybody tries"),
            Self::SameAsContext => f.write_str("must not be your e-mail address, your name or the service's"),
            Self::MissingUpper => f.write_str("needs an upper-case letter"),
            Self::MissingLower => f.write_str("needs a lower-case letter"),
            Self::MissingDigit => f.write_str("needs a digit"),
            Self::MissingSymbol => f.write_str("needs a character that is neither letter nor digit"),
            Self::Breached => f.write_str("is breached: it is in collections of stolen passwords"),
        }
    }
}

impl PasswordPolicy {
    /// Checks a new password, and names every rule it breaks, in the order of [`PasswordViolation`].
    ///
    /// # Errors
    ///
    /// The broken rules; never empty.
    pub fn check(
        &self,
        password: &PasswordInput,
        context: &PasswordContext<'_>,
    ) -> Result<(), Vec<PasswordViolation>> {
        let text = password.expose();
        let count = text.chars().count();
        let Self { min_characters, max_bytes, .. } = *self;
        let has = |class: fn(char) -> bool| text.chars().any(class);
        let broken: Vec<_> = [
            (
                u32::try_from(count).is_ok_and(|count| count < min_characters),
                PasswordViolation::TooShort { min_characters },
            ),
            (
                u32::try_from(text.len()).map_or(true, |length| length > max_bytes),
                PasswordViolation::TooLong { max_bytes },
            ),
            (self.refuse_common && is_common(text), PasswordViolation::TooCommon),
            (is_known(text, context), PasswordViolation::SameAsContext),
            (self.require_upper && !has(char::is_uppercase), PasswordViolation::MissingUpper),
            (self.require_lower && !has(char::is_lowercase), PasswordViolation::MissingLower),
            (self.require_digit && !has(char::is_numeric), PasswordViolation::MissingDigit),
            (
                self.require_symbol && !has(|character| !character.is_alphanumeric()),
                PasswordViolation::MissingSymbol,
            ),
        ]
        .into_iter()
        .filter_map(|(is_broken, rule)| is_broken.then_some(rule))
        .collect();
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }
}

fn is_common(text: &str) -> bool {
    let folded = Zeroizing::new(text.to_lowercase());
    COMMON_PASSWORDS.binary_search(&folded.as_str()).is_ok() || is_run(&folded)
}

/// One character repeated, or each the next or previous of the one before (`abcdef…`, `987654…`, with 0 after 9).
fn is_run(text: &str) -> bool {
    let step = |from: char, to: char| match (from, to) {
        ('9', '0') => 1,
        ('0', '9') => -1,
        _ => i64::from(u32::from(to)).saturating_sub(i64::from(u32::from(from))),
    };
    let mut steps = text.chars().zip(text.chars().skip(1)).map(|(from, to)| step(from, to));
    match steps.next() {
        Some(first @ -1..=1) => steps.all(|next| next == first),
        _ => false,
    }
}

fn is_known(text: &str, context: &PasswordContext<'_>) -> bool {
    let folded = Zeroizing::new(text.to_lowercase());
    let same = |word: &str| !word.is_empty() && word.to_lowercase() == *folded;
    let email = context.email.unwrap_or_default();
    let local_part = email.split_once('@').map_or(email, |(local, _)| local);
    let name = context.name.unwrap_or_default();
    let joined: String = name.split_whitespace().collect();
    [email, local_part, name, &joined].into_iter().any(same)
        || name.split_whitespace().any(same)
        || context.words.iter().copied().any(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;

    fn broken(policy: &PasswordPolicy, text: &str, context: &PasswordContext<'_>) -> Vec<&'static str> {
        let password = PasswordInput::new(SecretText::new(text.into())).unwrap();
        match policy.check(&password, context) {
            Ok(()) => Vec::new(),
            Err(rules) => rules.into_iter().map(PasswordViolation::code).collect(),
        }
    }

    #[test]
    fn the_block_list_is_sorted_folded_and_worth_its_bytes() {
        assert!(COMMON_PASSWORDS.is_sorted());
        for password in COMMON_PASSWORDS {
            assert_eq!(password.to_lowercase(), *password);
            assert!(password.len() >= 8, "{password}");
            assert!(!is_run(password), "{password} is refused as a run");
        }
    }

    #[test]
    fn every_rule_refuses_and_is_named() {
        let strict = PasswordPolicy { max_bytes: 20, ..PasswordPolicy::default() }.mixed();
        let context = PasswordContext {
            email: Some("Maximilian.Muster@example.com"),
            name: Some("Maximiliane Mustermann"),
            words: &["acme-service"],
        };
        let default = PasswordPolicy::default();
        let cases: &[(&PasswordPolicy, &str, &[&str])] = &[
            (&default, "short", &["too_short"]),
            (&default, "ééééééééé", &["too_short", "too_common"]),
            (&default, "PassWord123", &["too_common"]),
            (&default, "zzzzzzzzzzzz", &["too_common"]),
            (&default, "1234567890123", &["too_common"]),
            (&default, "0987654321", &["too_common"]),
            (&default, "abcdefghijkl", &["too_common"]),
            (&default, "maximilian.muster", &["same_as_context"]),
            (&default, "maximilian.muster@EXAMPLE.com", &["same_as_context"]),
            (&default, "MaximilianeMustermann", &["same_as_context"]),
            (&default, "maximiliane", &["same_as_context"]),
            (&default, "Acme-Service", &["same_as_context"]),
            (&strict, "lower-case-only-1", &["missing_upper"]),
            (&strict, "UPPER-CASE-ONLY-1", &["missing_lower"]),
            (&strict, "No-Digits-Here", &["missing_digit"]),
            (&strict, "NoSymbolsHere1", &["missing_symbol"]),
            (&strict, "Far-Too-Long-For-20-Bytes", &["too_long"]),
        ];
        for (policy, text, expected) in cases {
            assert_eq!(broken(policy, text, &context), *expected, "{text}");
        }
    }

    #[test]
    fn good_passwords_of_any_script_pass() {
        let context = PasswordContext { email: Some("a@b"), name: Some(""), words: &[""] };
        for text in ["correct horse battery", "пароль-и-ещё-что-то", "密码密码密码密码密码x", "          a"]
        {
            assert!(broken(&PasswordPolicy::default(), text, &context).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_block_list_can_be_switched_off() {
        let policy = PasswordPolicy { refuse_common: false, ..PasswordPolicy::default() };
        assert!(broken(&policy, "password123", &PasswordContext::default()).is_empty());
    }
}
