//! What people type to say who they are, normalised in one place.
//!
//! Every store, limiter and digest receives an identifier that went through here, so two spellings of one
//! address can never be two accounts in one place and one account in another.

mod display_name;
mod email;
mod phone;
mod username;

pub use display_name::DisplayName;
pub(crate) use display_name::breaks_text;
pub use email::EmailAddress;
pub use phone::{PhoneNumber, PhoneNumberError};
pub(crate) use username::is_reserved as is_reserved_name;
pub use username::{Username, UsernameError, derive_username};

use crate::id::TenantId;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use sha2::{Digest as _, Sha256};

/// A login identifier in its one normal form.
///
/// The kinds cannot be mistaken for one another: an e-mail address has an `@`, a phone number begins with `+`, a
/// username has neither.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identifier {
    /// An e-mail address.
    Email(EmailAddress),
    /// A phone number.
    Phone(PhoneNumber),
    /// A username.
    Username(Username),
}

/// Which kind of identifier: part of the primary key of every identifier row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum IdentifierKind {
    /// `email`
    Email,
    /// `phone`
    Phone,
    /// `username`
    Username,
}

/// An address or number as it may be shown to somebody who has not proven to own it: the first character and the domain, or the
/// last two digits.
#[must_use]
pub fn masked(contact: &str) -> String {
    let mut characters = contact.chars();
    match contact.rsplit_once('@') {
        Some((_, domain)) => {
            characters.next().map_or_else(String::new, |first| alloc::format!("{first}***@{domain}"))
        }
        None => {
            let last = contact.len().saturating_sub(2);
            alloc::format!("***{}", contact.get(last..).unwrap_or_default())
        }
    }
}

/// Why a text is not an e-mail address or a display name. Checked in this order.
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

/// Why a text is not the identifier that its shape says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnIdentifier {
    /// It has an `@`, and is no e-mail address.
    Email(IdentifierError),
    /// It begins with `+`, and is no phone number.
    Phone(PhoneNumberError),
    /// It has neither, and is no username.
    Username(UsernameError),
}

impl fmt::Display for NotAnIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(error) => error.fmt(f),
            Self::Phone(error) => error.fmt(f),
            Self::Username(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NotAnIdentifier {}

impl Identifier {
    /// Reads what somebody typed without saying what it is: with an `@` an e-mail address, with a leading `+` a phone
    /// number, else a username.
    ///
    /// # Errors
    ///
    /// [`NotAnIdentifier`], with the first rule that the text breaks for its kind.
    pub fn parse(text: &str) -> Result<Self, NotAnIdentifier> {
        if text.contains('@') {
            EmailAddress::parse(text).map(Self::Email).map_err(NotAnIdentifier::Email)
        } else if text.trim_start().starts_with('+') {
            PhoneNumber::parse(text).map(Self::Phone).map_err(NotAnIdentifier::Phone)
        } else {
            Username::parse(text).map(Self::Username).map_err(NotAnIdentifier::Username)
        }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> IdentifierKind {
        match self {
            Self::Email(_) => IdentifierKind::Email,
            Self::Phone(_) => IdentifierKind::Phone,
            Self::Username(_) => IdentifierKind::Username,
        }
    }

    /// The normal form.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::Email(address) => address.as_str(),
            Self::Phone(number) => number.as_str(),
            Self::Username(name) => name.as_str(),
        }
    }

    /// What an account is called whose owner gave no name: the address before its `@`, the end of the number, or the
    /// username.
    #[must_use]
    pub fn placeholder_name(&self) -> String {
        match self {
            Self::Email(address) => address.local_part().into(),
            Self::Phone(number) => alloc::format!("…{}", number.last_digits()),
            Self::Username(name) => name.as_str().into(),
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
            Self::Phone => "phone",
            Self::Username => "username",
        }
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

/// `FromStr`, `Display` and serde by way of `parse` and `as_str`.
macro_rules! parsed_text {
    ($name:ident, $error:ident) => {
        impl core::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
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
pub(crate) use parsed_text;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn the_shape_says_which_kind_it_is() {
        let kind = |text: &str| Identifier::parse(text).unwrap().kind();
        assert_eq!(kind(" Ada@Example.com "), IdentifierKind::Email);
        assert_eq!(kind("+ada@example.com"), IdentifierKind::Email);
        assert_eq!(kind("\t+49 170 1234567"), IdentifierKind::Phone);
        assert_eq!(kind("Ada_1815"), IdentifierKind::Username);
        let error = |text: &str| Identifier::parse(text).unwrap_err();
        assert_eq!(error("ada@"), NotAnIdentifier::Email(IdentifierError::DomainWithoutDot));
        assert_eq!(error("+49"), NotAnIdentifier::Phone(PhoneNumberError::TooShort));
        assert_eq!(error("01701234567"), NotAnIdentifier::Username(UsernameError::MustStartWithLetter));
        assert_eq!(error(""), NotAnIdentifier::Username(UsernameError::TooShort));
    }

    proptest! {
        /// So that no value of one kind can take the place of another's.
        #[test]
        fn a_normal_form_is_parsed_as_what_it_is(text in "[+ ]?[a-z0-9_@.+ -]{1,24}(@[a-z]{1,5}\\.[a-z]{2,4})?") {
            if let Ok(identifier) = Identifier::parse(&text) {
                prop_assert_eq!(Identifier::parse(identifier.value()), Ok(identifier));
            }
        }
    }
}
