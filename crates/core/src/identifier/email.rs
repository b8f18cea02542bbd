//! E-mail addresses.

use super::display_name::breaks_text;
use super::{IdentifierError, parsed_text};
use alloc::string::String;
use core::fmt;

/// An e-mail address: trimmed, lower-cased, 254 bytes at most.
///
/// The local part is a dot-atom (RFC 5322 §3.2.3, RFC 6532 §3.2) of at most 64 bytes; the domain has at least
/// two labels of at most 63 bytes. Letters beyond ASCII are allowed in both and kept as they are but for
/// their case: there is no IDNA mapping, no Unicode composition and no folding of dots or `+tags`, because
/// only the mail provider knows which of its addresses are one mailbox. Quoted local parts, comments and
/// address literals are refused. Mail always goes to this form, never to what was typed, so a letter whose
/// lower case is an ASCII letter (`K`, KELVIN SIGN) cannot redirect it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress {
    text: String,
    /// The byte index of the one `@`.
    at: usize,
}

impl EmailAddress {
    /// The most bytes an address may have.
    pub const MAX_BYTES: usize = 254;

    /// Normalises and checks an address as somebody typed it.
    ///
    /// Trims Unicode white space at both ends, lower-cases, then checks the rules of [`EmailAddress`]. The
    /// result, parsed again, is itself.
    ///
    /// # Errors
    ///
    /// The first rule of [`IdentifierError`] that is broken.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let trimmed = text.trim();
        // Before lower-casing, so that an enormous text costs nothing; and after, because it can lengthen
        // one.
        check_length(trimmed)?;
        let text = trimmed.to_lowercase();
        check_length(&text)?;
        if text.chars().any(is_invisible) {
            return Err(IdentifierError::InvisibleCharacter);
        }
        let (local, domain) = text.split_once('@').ok_or(IdentifierError::NotOneAt)?;
        if domain.contains('@') {
            return Err(IdentifierError::NotOneAt);
        }
        check_local_part(local)?;
        check_domain(domain)?;
        let at = local.len();
        Ok(Self { text, at })
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.get(self.at.saturating_add(1)..).unwrap_or_default()
    }
}

parsed_text!(EmailAddress, IdentifierError);

/// Shows the domain only: logs are no place for personal data.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress([redacted]@{})", self.domain())
    }
}

const fn check_length(text: &str) -> Result<(), IdentifierError> {
    match text.len() {
        0 => Err(IdentifierError::Empty),
        1..=EmailAddress::MAX_BYTES => Ok(()),
        _ => Err(IdentifierError::TooLong),
    }
}

fn check_local_part(local: &str) -> Result<(), IdentifierError> {
    if local.is_empty() || local.len() > 64 {
        Err(IdentifierError::LocalPartLength)
    } else if local.contains(['"', '(', ')', ',', ':', ';', '<', '>', '[', '\\', ']']) {
        Err(IdentifierError::LocalPartCharacter)
    } else if local.split('.').any(str::is_empty) {
        Err(IdentifierError::LocalPartDots)
    } else {
        Ok(())
    }
}

fn check_domain(domain: &str) -> Result<(), IdentifierError> {
    let Some((_, last)) = domain.rsplit_once('.') else {
        return Err(IdentifierError::DomainWithoutDot);
    };
    domain.split('.').try_for_each(check_label)?;
    if last.bytes().all(|byte| byte.is_ascii_digit()) { Err(IdentifierError::DomainNumeric) } else { Ok(()) }
}

fn check_label(label: &str) -> Result<(), IdentifierError> {
    // The last three are read as dots by IDNA (RFC 3490 §3.1), which would give one domain two spellings.
    let allowed = |character: char| match character {
        'a'..='z' | '0'..='9' | '-' => true,
        '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => false,
        _ => !character.is_ascii(),
    };
    if label.is_empty() || label.len() > 63 {
        Err(IdentifierError::DomainLabelLength)
    } else if label.starts_with('-') || label.ends_with('-') || !label.chars().all(allowed) {
        Err(IdentifierError::DomainLabelCharacter)
    } else {
        Ok(())
    }
}

/// Characters that nobody sees in an address, so that two addresses would look alike.
fn is_invisible(character: char) -> bool {
    breaks_text(character)
        || character.is_whitespace()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_knows_its_parts() {
        let address = EmailAddress::parse(" Ada.Lovelace+x@Mail.Example.COM\n").unwrap();
        assert_eq!(address.as_str(), "ada.lovelace+x@mail.example.com");
        assert_eq!((address.local_part(), address.domain()), ("ada.lovelace+x", "mail.example.com"));
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own_normal_form(text in "\\PC{1,20}@\\PC{1,10}\\.\\PC{1,10}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert!(address.as_str().len() <= EmailAddress::MAX_BYTES);
                prop_assert_eq!(EmailAddress::parse(address.as_str()), Ok(address));
            }
        }

        #[test]
        fn plain_addresses_are_accepted_in_any_case(
            text in "[A-Za-z0-9_+-]{1,20}(\\.[a-z0-9]{1,9})?@[A-Za-z0-9]{1,20}\\.[A-Za-z]{2,9}"
        ) {
            let (address, expected) = (EmailAddress::parse(&text), text.to_ascii_lowercase());
            prop_assert_eq!(address.as_ref().map(EmailAddress::as_str), Ok(expected.as_str()));
        }

        #[test]
        fn nothing_makes_it_panic(text in any::<String>()) {
            let _ = EmailAddress::parse(&text);
        }
    }
}
