//! What people type to say who they are, normalised in one place.
//!
//! Every store, limiter and digest receives an identifier that went through here, so two spellings of one
//! address can never be two accounts in one place and one account in another.

use crate::id::TenantId;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use sha2::{Digest as _, Sha256};

/// A login identifier in its one normal form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identifier {
    /// An e-mail address.
    Email(EmailAddress),
}

/// Which kind of identifier: part of the primary key of every identifier row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum IdentifierKind {
    /// `email`
    Email,
}

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

/// A name for people to read: trimmed, 1 to 200 characters, no control characters.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// Why a text is not an identifier or a display name. Checked in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifierError {
    /// Nothing is left after trimming.
    Empty,
    /// An address has at most 254 bytes (RFC 5321 §4.5.3.1.3 without its angle brackets), a name 200
    /// characters.
    TooLong,
    /// A control character, white space inside, or a character that is invisible or reorders the text around
    /// it.
    InvisibleCharacter,
    /// Not exactly one `@`.
    NotOneAt,
    /// The part before the `@` is empty or longer than 64 bytes (RFC 5321 §4.5.3.1.1).
    LocalPartLength,
    /// The part before the `@` has one of `" ( ) , : ; < > [ \ ]`.
    LocalPartCharacter,
    /// The part before the `@` begins or ends with a dot, or has two in a row.
    LocalPartDots,
    /// The domain has no dot: it names no mail domain on the Internet.
    DomainWithoutDot,
    /// A label of the domain is empty or longer than 63 bytes (RFC 1035 §2.3.4).
    DomainLabelLength,
    /// A label has an ASCII character other than `a-z 0-9 -`, a full stop of another script, or a hyphen at
    /// its end.
    DomainLabelCharacter,
    /// The last label is all digits, so the domain is an IP address or nothing (RFC 3696 §2).
    DomainNumeric,
}

impl fmt::Display for IdentifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "must not be empty",
            Self::TooLong => "is too long",
            Self::InvisibleCharacter => "must not contain white space, control or invisible characters",
            Self::NotOneAt => "must contain exactly one @",
            Self::LocalPartLength => "must have 1 to 64 bytes before the @",
            Self::LocalPartCharacter => "has a character before the @ that is not allowed there",
            Self::LocalPartDots => "must not have a dot at an end of the part before the @, or two in a row",
            Self::DomainWithoutDot => "must have a domain with a dot",
            Self::DomainLabelLength => "must have 1 to 63 bytes between the dots of the domain",
            Self::DomainLabelCharacter => "has a character in the domain that is not allowed there",
            Self::DomainNumeric => "must have a domain name, not an IP address",
        })
    }
}

impl core::error::Error for IdentifierError {}

impl Identifier {
    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> IdentifierKind {
        match self {
            Self::Email(_) => IdentifierKind::Email,
        }
    }

    /// The normal form.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::Email(address) => address.as_str(),
        }
    }

    /// Tenant ‖ kind ‖ value, each with its length before it: the input of every digest and HMAC of an
    /// identifier.
    #[must_use]
    pub fn canonical_bytes(&self, tenant: &TenantId) -> Vec<u8> {
        length_prefixed(&self.parts(tenant))
    }

    /// The name of what belongs to this identifier of this tenant, such as its intake record.
    #[must_use]
    pub fn object_name(&self, class: &'static str, tenant: &TenantId) -> ObjectName {
        ObjectName::derive(class, &self.parts(tenant))
    }

    fn parts<'a>(&'a self, tenant: &'a TenantId) -> [&'a [u8]; 3] {
        [tenant.as_str().as_bytes(), self.kind().as_str().as_bytes(), self.value().as_bytes()]
    }
}

impl IdentifierKind {
    /// The name of the kind in digests, rows and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
        }
    }
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

impl DisplayName {
    /// The most characters a name may have.
    pub const MAX_CHARACTERS: usize = 200;

    /// Trims and checks a name. Nothing else is changed; joiners that scripts and emoji need are kept.
    ///
    /// # Errors
    ///
    /// [`IdentifierError::Empty`], [`IdentifierError::TooLong`] above 200 characters, and
    /// [`IdentifierError::InvisibleCharacter`] for control characters, line and paragraph separators and the
    /// marks that reverse the text which follows them.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let name = text.trim();
        if name.is_empty() {
            Err(IdentifierError::Empty)
        } else if name.chars().nth(Self::MAX_CHARACTERS).is_some() {
            Err(IdentifierError::TooLong)
        } else if name.chars().any(breaks_text) {
            Err(IdentifierError::InvisibleCharacter)
        } else {
            Ok(Self(name.into()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an object or key: `v1/` + class + `/` + 64 hexadecimal digits of a SHA-256.
///
/// The digest runs over the parts, each with its length before it, so `("a", "bc")` and `("ab", "c")` differ.
/// The name shows its class and nothing of its parts. A digest is not a secret: what must not be guessable
/// from the outside is keyed with a pepper instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// The name of the thing of this class that these parts identify: its tenant, its kind, its value.
    #[must_use]
    pub fn derive(class: &'static str, parts: &[&[u8]]) -> Self {
        let digest = Sha256::digest(length_prefixed(parts));
        Self(alloc::format!("v1/{class}/{}", base16ct::lower::encode_string(&digest)))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parts in order, each after its length in bytes as four big-endian bytes: no two lists of parts share
/// bytes.
#[must_use]
pub fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        // A part of 4 GiB cannot exist in the 32-bit hosts this runs in, nor pass any parser before.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
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

/// Characters that end a line, steer a terminal, or reverse the text which follows them.
fn breaks_text(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

macro_rules! parsed_text {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = IdentifierError;

            fn from_str(text: &str) -> Result<Self, IdentifierError> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <alloc::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

parsed_text!(EmailAddress);
parsed_text!(DisplayName);

/// Shows the domain only: logs are no place for personal data.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress([redacted]@{})", self.domain())
    }
}

/// Shows nothing: logs are no place for personal data.
impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName([redacted])")
    }
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

    #[test]
    fn parts_cannot_run_into_one_another() {
        assert_eq!(length_prefixed(&[b"ab", b""]), b"\0\0\0\x02ab\0\0\0\0");
        let tenant = |text: &str| text.parse::<TenantId>().unwrap();
        let identifier = Identifier::Email(EmailAddress::parse("a@b.cd").unwrap());
        let bytes = identifier.canonical_bytes(&tenant("acme"));
        assert_eq!(bytes, b"\0\0\0\x04acme\0\0\0\x05email\0\0\0\x06a@b.cd");
        assert_ne!(identifier.object_name("x", &tenant("a")), identifier.object_name("x", &tenant("b")));
        assert_ne!(identifier.object_name("x", &tenant("a")), identifier.object_name("y", &tenant("a")));
        assert_ne!(ObjectName::derive("x", &[b"a", b"bc"]), ObjectName::derive("x", &[b"ab", b"c"]));
        assert_ne!(ObjectName::derive("x", &[b"a"]), ObjectName::derive("x", &[b"a", b""]));
    }

    #[test]
    fn display_names_keep_everything_but_what_breaks_text() {
        for good in ["Ada", "  Ada  ", "Łukasz Żółć", "👩‍👩‍👧", "می‌خواهم", "O'Brien, \"Jr\" <x>"]
        {
            assert_eq!(DisplayName::parse(good).unwrap().as_str(), good.trim(), "{good}");
        }
        assert!(DisplayName::parse(&"ä".repeat(200)).is_ok());
        assert_eq!(DisplayName::parse(&"a".repeat(201)), Err(IdentifierError::TooLong));
        for empty in ["", " ", "\u{3000}\t"] {
            assert_eq!(DisplayName::parse(empty), Err(IdentifierError::Empty));
        }
        for bad in ["a\0b", "a\nb", "a\u{1b}[2Jb", "a\u{202e}b", "a\u{2066}b", "a\u{2028}b", "a\u{85}b"] {
            assert_eq!(DisplayName::parse(bad), Err(IdentifierError::InvisibleCharacter), "{bad:?}");
        }
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
            let _ = DisplayName::parse(&text);
        }
    }
}
