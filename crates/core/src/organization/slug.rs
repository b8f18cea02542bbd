//! The names by which organizations are addressed.

use crate::identifier::{Username, is_reserved_name};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// The name of an organization in addresses and tokens: lower-cased, 1 to 63 of `a-z 0-9 -`, no hyphen at its ends.
///
/// One name space with usernames: whatever is one owner's name is nobody else's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationSlug(String);

/// Why a text is not a slug. Checked in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlugError {
    /// Empty, or more than 63 characters.
    BadLength,
    /// A character other than `a-z 0-9 -`.
    BadCharacter,
    /// A hyphen at one end.
    BadEdge,
    /// 32 hexadecimal digits: an id, and no name.
    LooksLikeId,
    /// A name by which people would take the organization for the service itself. For new names only.
    Reserved,
}

/// Besides the names that nobody may have as a username: what is shorter, and what paths are made of.
const RESERVED: &str = "api app me new org orgs organization organizations personal invites owners www";

/// What stands at the end of the names that a personal organization may get; 0 is nothing.
const NUMBERS: [u32; 4] = [0, 2, 3, 4];

impl fmt::Display for SlugError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadLength => "must have 1 to 63 characters",
            Self::BadCharacter => "must have letters from a to z, digits and - only",
            Self::BadEdge => "must begin and end with a letter or digit",
            Self::LooksLikeId => "must not have the form of an id",
            Self::Reserved => "is reserved",
        })
    }
}

impl core::error::Error for SlugError {}

impl OrganizationSlug {
    /// The most characters a slug may have.
    pub const MAX_CHARACTERS: usize = 63;

    /// Like [`FromStr`], for a name that an organization is about to get.
    ///
    /// # Errors
    ///
    /// The first rule of [`SlugError`] that is broken.
    pub fn choose(text: &str) -> Result<Self, SlugError> {
        let slug: Self = text.parse()?;
        let is_reserved = RESERVED.split(' ').any(|reserved| reserved == slug.0) || is_reserved_name(&slug.0);
        if is_reserved { Err(SlugError::Reserved) } else { Ok(slug) }
    }

    /// The slug.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same name as somebody's username would be; `None` if no username is like that.
    #[must_use]
    pub fn as_username(&self) -> Option<Username> {
        Username::parse(&self.0).ok()
    }

    /// The names for somebody's personal organization, the best first: the username with one `-` for every row of `_`,
    /// and that with a number. None is reserved, and none could be somebody else's username: `admin_` gets no `admin`.
    #[must_use]
    pub fn personal(username: &Username) -> Vec<Self> {
        let base = Self::of_username(username);
        let is_free = |slug: &Self| {
            Self::choose(&slug.0).is_ok() && slug.as_username().is_none_or(|other| other == *username)
        };
        NUMBERS.into_iter().map(|number| base.candidate(number)).filter(is_free).collect()
    }

    fn of_username(username: &Username) -> Self {
        let mut slug = String::with_capacity(username.as_str().len());
        for part in username.as_str().split('_').filter(|part| !part.is_empty()) {
            if !slug.is_empty() {
                slug.push('-');
            }
            slug.push_str(part);
        }
        Self(slug)
    }

    /// A username has at most 30 characters, so that there is room for the number.
    fn candidate(&self, number: u32) -> Self {
        if number == 0 { self.clone() } else { Self(format!("{}-{number}", self.0)) }
    }
}

/// Trims white space at both ends, lower-cases ASCII letters, then checks the rules. Reserved names pass.
impl FromStr for OrganizationSlug {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, SlugError> {
        let slug = text.trim();
        if !(1..=Self::MAX_CHARACTERS).contains(&slug.chars().count()) {
            Err(SlugError::BadLength)
        } else if !slug.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            Err(SlugError::BadCharacter)
        } else if slug.starts_with('-') || slug.ends_with('-') {
            Err(SlugError::BadEdge)
        } else if slug.len() == 32 && slug.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Err(SlugError::LooksLikeId)
        } else {
            Ok(Self(slug.to_ascii_lowercase()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString as _;

    #[test]
    fn every_broken_rule_has_its_name() {
        let (longest, long, id) = ("a".repeat(63), "a".repeat(64), "0123456789abcdef".repeat(2));
        for (text, wrong) in [
            ("", SlugError::BadLength),
            ("  ", SlugError::BadLength),
            (&long, SlugError::BadLength),
            ("ac me", SlugError::BadCharacter),
            ("ac_me", SlugError::BadCharacter),
            ("acmé", SlugError::BadCharacter),
            ("a/b", SlugError::BadCharacter),
            ("a.b", SlugError::BadCharacter),
            ("-acme", SlugError::BadEdge),
            ("acme-", SlugError::BadEdge),
            (&id, SlugError::LooksLikeId),
            (&id.to_uppercase(), SlugError::LooksLikeId),
        ] {
            assert_eq!(text.parse::<OrganizationSlug>(), Err(wrong), "{text:?}");
        }
        for reserved in ["admin", "Postern", "personal", "me", "owner"] {
            assert_eq!(OrganizationSlug::choose(reserved), Err(SlugError::Reserved), "{reserved}");
            assert!(reserved.parse::<OrganizationSlug>().is_ok());
        }
        for text in ["a", "0", "acme", " Acme-2 ", "a--b", &longest] {
            let slug = OrganizationSlug::choose(text).unwrap();
            assert_eq!(slug.as_str(), text.trim().to_lowercase());
            assert_eq!(slug.as_str().parse(), Ok(slug));
        }
    }

    #[test]
    fn a_slug_that_could_be_a_username_says_so() {
        let named =
            |text: &str| text.parse::<OrganizationSlug>().unwrap().as_username().map(|name| name.to_string());
        assert_eq!(named("acme"), Some("acme".into()));
        for text in ["a-b-c", "abc", "1acme", &"a".repeat(31)] {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn nobody_gets_a_name_that_is_reserved_or_another_persons() {
        for (username, names) in [
            ("ada_l__x", ["ada-l-x", "ada-l-x-2", "ada-l-x-3", "ada-l-x-4"].as_slice()),
            ("adal", &["adal", "adal-2", "adal-3", "adal-4"]),
            ("adal_", &["adal-2", "adal-3", "adal-4"]),
            ("security_", &["security-2", "security-3", "security-4"]),
            ("postern__", &["postern-2", "postern-3", "postern-4"]),
            ("www_", &["www-2", "www-3", "www-4"]),
            ("me__", &["me-2", "me-3", "me-4"]),
            ("personal", &["personal-2", "personal-3", "personal-4"]),
            ("admin", &["admin-2", "admin-3", "admin-4"]),
        ] {
            let slugs = OrganizationSlug::personal(&Username::parse(username).unwrap());
            let slugs: Vec<&str> = slugs.iter().map(OrganizationSlug::as_str).collect();
            assert_eq!(slugs, names, "{username}");
        }
    }

    proptest! {
        #[test]
        fn every_username_makes_a_slug(name in "[a-z][a-z0-9_]{3,29}", number: u32) {
            let username = Username::parse(&name).unwrap();
            // 30 characters are no id.
            let numbered = OrganizationSlug::of_username(&username).candidate(number);
            prop_assert_eq!(numbered.as_str().parse(), Ok(numbered.clone()));
            let slugs = OrganizationSlug::personal(&username);
            prop_assert!(slugs.len() >= 3);
            for slug in slugs {
                prop_assert_eq!(OrganizationSlug::choose(slug.as_str()), Ok(slug.clone()));
                prop_assert!(!slug.as_str().contains("--"));
                prop_assert!(slug.as_username().is_none_or(|other| other == username), "{:?}", slug);
            }
        }
    }
}
