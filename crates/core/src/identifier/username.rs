//! Usernames, and making one up for somebody who did not choose any.

use super::parsed_text;
use crate::entropy::Random;
use alloc::string::{String, ToString as _};
use core::fmt;

/// A username: lower-cased, 4 to 30 of `a-z 0-9 _`, a letter first.
///
/// ASCII only, so that two names that look alike are the same name. It has no `@` and no `+`, so it cannot be mistaken
/// for another kind of [`Identifier`](super::Identifier).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

/// Why a text is not a username. Checked in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsernameError {
    /// Fewer than 4 characters after trimming.
    TooShort,
    /// More than 30 characters.
    TooLong,
    /// An `@`, by which e-mail addresses are recognised.
    CannotContainAt,
    /// A `+` in front, by which phone numbers are recognised.
    CannotStartWithPlus,
    /// The first character is no letter of `a-z`.
    MustStartWithLetter,
    /// A character other than `a-z 0-9 _`.
    InvalidCharacters,
    /// A name by which people would take its owner for the service itself. For new names only.
    Reserved,
}

/// Names that speak for the service, or that addresses and paths are made of. Shorter ones, such as `api`, `www` and
/// `me`, are no usernames in any case.
const RESERVED: &str = "abuse account accounts admin administrator anonymous auth billing everyone guest help \
                        hostmaster info login logout mail moderator nobody noreply null official operator owner \
                        postern postmaster privacy register root security settings signup staff status superuser \
                        support sysadmin system undefined user username webmaster";

/// Whether nobody may choose this name.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.split(' ').any(|reserved| reserved == name)
}

impl UsernameError {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort => "username_too_short",
            Self::TooLong => "username_too_long",
            Self::CannotContainAt => "username_cannot_contain_at",
            Self::CannotStartWithPlus => "username_cannot_start_with_plus",
            Self::MustStartWithLetter => "username_must_start_with_letter",
            Self::InvalidCharacters => "username_invalid_characters",
            Self::Reserved => "username_reserved",
        }
    }
}

impl fmt::Display for UsernameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "must have at least 4 characters",
            Self::TooLong => "must have at most 30 characters",
            Self::CannotContainAt => "must not contain @",
            Self::CannotStartWithPlus => "must not begin with +",
            Self::MustStartWithLetter => "must begin with a letter from a to z",
            Self::InvalidCharacters => "must have letters from a to z, digits and _ only",
            Self::Reserved => "is reserved",
        })
    }
}

impl core::error::Error for UsernameError {}

impl Username {
    /// The fewest characters a username may have.
    pub const MIN_CHARACTERS: usize = 4;
    /// The most characters a username may have.
    pub const MAX_CHARACTERS: usize = 30;

    /// Normalises and checks a username as somebody typed it: one that exists already, or may.
    ///
    /// Trims Unicode white space at both ends, lower-cases ASCII letters, then checks the rules of [`Username`]. The
    /// result, parsed again, is itself. Reserved names pass: whoever has one from before it was reserved goes on
    /// signing in with it.
    ///
    /// # Errors
    ///
    /// The first rule of [`UsernameError`] that is broken, but never [`UsernameError::Reserved`].
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let name = text.trim();
        if name.chars().nth(Self::MIN_CHARACTERS.saturating_sub(1)).is_none() {
            Err(UsernameError::TooShort)
        } else if name.chars().nth(Self::MAX_CHARACTERS).is_some() {
            Err(UsernameError::TooLong)
        } else if name.contains('@') {
            Err(UsernameError::CannotContainAt)
        } else if name.starts_with('+') {
            Err(UsernameError::CannotStartWithPlus)
        } else if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            Err(UsernameError::MustStartWithLetter)
        } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            Err(UsernameError::InvalidCharacters)
        } else {
            Ok(Self(name.to_ascii_lowercase()))
        }
    }

    /// Like [`Username::parse`], for a name that an account is about to get.
    ///
    /// # Errors
    ///
    /// The first rule of [`UsernameError`] that is broken.
    pub fn choose(text: &str) -> Result<Self, UsernameError> {
        let name = Self::parse(text)?;
        if is_reserved(name.as_str()) { Err(UsernameError::Reserved) } else { Ok(name) }
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The candidate of this number for somebody who wants this name: 0 is the name itself, others have the number at
    /// the end. A long name is cut to make room.
    #[must_use]
    pub fn candidate(&self, number: u16) -> Self {
        if number == 0 { self.clone() } else { self.with_end(&number.to_string()) }
    }

    /// A candidate with eight random digits at the end, for a name of which many are taken.
    #[must_use]
    pub fn random_candidate(&self, entropy: Random<8>) -> Self {
        // The remainder prefers low numbers by one in 10¹¹: this is no secret.
        let number = u64::from_be_bytes(entropy.into_bytes()) % 100_000_000;
        self.with_end(&alloc::format!("{number:08}"))
    }

    fn with_end(&self, digits: &str) -> Self {
        let mut name: String =
            self.0.chars().take(Self::MAX_CHARACTERS.saturating_sub(digits.len())).collect();
        name.push_str(digits);
        Self(name)
    }
}

/// A username made of what is known of somebody: the part of an e-mail address before its `@`, or a display name.
///
/// Letters and digits of ASCII stay, lower-cased; `. - _` and white space between them become one `_`; a `+` and what
/// comes after it is dropped, and so is everything else. A name that would begin with a digit gets a `u` in front, one
/// that is too short or reserved `user_`; what is too long is cut. [`Username::choose`] accepts every result.
#[must_use]
pub fn derive_username(source: &str) -> Username {
    let untagged = source.split('+').next().unwrap_or_default();
    let mut name = String::new();
    let mut is_apart = false;
    for character in untagged.chars() {
        if !character.is_ascii_alphanumeric() {
            is_apart |= matches!(character, '.' | '-' | '_') || character.is_whitespace();
            continue;
        }
        if name.len() >= Username::MAX_CHARACTERS {
            break;
        }
        if name.is_empty() && character.is_ascii_digit() {
            name.push('u');
        } else if is_apart && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
        is_apart = false;
    }
    name.truncate(Username::MAX_CHARACTERS);
    if Username::choose(&name).is_err() {
        name.insert_str(0, "user_");
    }
    Username(name)
}

parsed_text!(Username, UsernameError);

/// Shows nothing: logs are no place for personal data.
impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Username([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Username {
        Username::parse(text).unwrap()
    }

    #[test]
    fn a_name_that_became_reserved_still_signs_in() {
        for reserved in RESERVED.split(' ') {
            assert_eq!(name(reserved).as_str(), reserved);
            assert_eq!(Username::choose(&reserved.to_uppercase()), Err(UsernameError::Reserved));
        }
    }

    #[test]
    fn candidates_are_numbered_then_random_and_never_too_long() {
        let ada = name("ada_l");
        assert_eq!(
            [0, 1, 999].map(|number| ada.candidate(number).to_string()),
            ["ada_l", "ada_l1", "ada_l999"]
        );
        let drawn = |byte| Random::new([byte; 8]);
        assert_eq!(ada.random_candidate(drawn(0)).as_str(), "ada_l00000000");
        assert_eq!(ada.random_candidate(drawn(0xff)).as_str(), "ada_l09551615");
        let long = name(&"a".repeat(30));
        assert_eq!(long.candidate(10).as_str(), alloc::format!("{}10", "a".repeat(28)));
        assert_eq!(long.random_candidate(drawn(0)).as_str(), alloc::format!("{}00000000", "a".repeat(22)));
    }

    #[test]
    fn nothing_is_seen_of_a_name_in_a_log() {
        assert_eq!(alloc::format!("{:?}", name("ada_l")), "Username([redacted])");
    }

    proptest! {
        #[test]
        fn whatever_is_known_makes_a_username_that_may_be_chosen(source in any::<String>(), digits: [u8; 8], number: u16) {
            let base = derive_username(&source);
            for made in [base.clone(), base.candidate(number), base.random_candidate(Random::new(digits))] {
                prop_assert_eq!(Username::choose(made.as_str()), Ok(made));
            }
        }

        #[test]
        fn the_case_and_the_space_around_do_not_matter(text in "[A-Za-z][A-Za-z0-9_]{3,29}") {
            let name = Username::parse(&alloc::format!(" {text}\u{3000}")).unwrap();
            let expected = text.to_ascii_lowercase();
            prop_assert_eq!(name.as_str(), expected.as_str());
            prop_assert_eq!(Username::parse(name.as_str()), Ok(name));
        }

        #[test]
        fn what_is_accepted_has_the_form(text in "[ +]?[a-zA-Z0-9_@+.äK-]{0,34}") {
            if let Ok(name) = Username::parse(&text) {
                let name = name.as_str();
                prop_assert!((4..=30).contains(&name.len()) && name.starts_with(|first: char| first.is_ascii_lowercase()));
                prop_assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')));
            }
        }
    }
}
