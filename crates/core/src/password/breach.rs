//! Whether a password is known from breaches, asked so that the answerer does not learn which password it is about:
//! the first 20 bits of its SHA-1 go out, all suffixes known under them come back (the range query of Pwned Passwords).

use super::PasswordInput;
use alloc::string::String;
use base16ct::HexDisplay;
use core::fmt;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

/// One question about one password.
pub struct BreachQuery {
    /// The SHA-1 in upper-case hexadecimal.
    digest: Zeroizing<String>,
}

impl fmt::Debug for BreachQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BreachQuery([redacted])")
    }
}

impl BreachQuery {
    /// How many characters of the digest go out.
    pub const PREFIX_CHARACTERS: usize = 5;

    /// The question about a password.
    #[must_use]
    pub fn about(password: &PasswordInput) -> Self {
        let digest = Zeroizing::new(<[u8; 20]>::from(Sha1::digest(password.expose().as_bytes())));
        Self { digest: Zeroizing::new(alloc::format!("{:X}", HexDisplay(digest.as_slice()))) }
    }

    /// What is asked: five characters that a millionth of all passwords share.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.digest.get(..Self::PREFIX_CHARACTERS).unwrap_or_default()
    }

    /// Whether an answer knows the password: lines of `suffix:count`, in either case. A count of zero is padding, which
    /// hides from the network how many lines there are.
    #[must_use]
    pub fn is_known_by(&self, answer: &str) -> bool {
        let suffix = self.digest.get(Self::PREFIX_CHARACTERS..).unwrap_or_default();
        answer.lines().filter_map(|line| line.trim_end().split_once(':')).any(|(known, count)| {
            known.eq_ignore_ascii_case(suffix) && count.bytes().any(|digit| matches!(digit, b'1'..=b'9'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;

    /// The SHA-1 of `password` is 5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8 (FIPS 180-4).
    fn query() -> BreachQuery {
        BreachQuery::about(&PasswordInput::new(SecretText::new("password".into())).unwrap())
    }

    #[test]
    fn twenty_bits_go_out() {
        assert_eq!(query().prefix(), "5BAA6");
        assert_eq!(std::format!("{:?}", query()), "BreachQuery([redacted])");
    }

    #[test]
    fn a_suffix_with_a_count_is_known() {
        const SUFFIX: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";
        let other = "0018A45C4D1DEF81644B54AB7F969B88D65:7";
        for known in [
            std::format!("{SUFFIX}:1"),
            std::format!("{other}\r\n{SUFFIX}:52256179\r\n{other}"),
            std::format!("{}:10\n", SUFFIX.to_lowercase()),
        ] {
            assert!(query().is_known_by(&known), "{known}");
        }
        for unknown in [
            "",
            other,
            SUFFIX,
            &std::format!("{SUFFIX}:0"),
            &std::format!("{SUFFIX}:"),
            &std::format!("{SUFFIX}0:3"),
            &std::format!(" {SUFFIX}:3"),
            &std::format!("5BAA6{SUFFIX}:3"),
            &std::format!("{other}:{SUFFIX}:3"),
            "<html>503: try again</html>",
        ] {
            assert!(!query().is_known_by(unknown), "{unknown}");
        }
    }
}
