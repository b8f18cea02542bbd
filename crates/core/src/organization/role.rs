//! The roles that an organization defines.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// The name of a role of one organization: 1 to 64 of `A-Z a-z 0-9 _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationRole(String);

/// Why a text is not the name of a role. Checked in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationRoleError {
    /// Empty, or more than 64 bytes.
    BadLength,
    /// A character other than `A-Z a-z 0-9 _ : -`.
    BadCharacter,
    /// `owner` or `member` in other letters: people would take it for these.
    Confusing,
}

impl fmt::Display for OrganizationRoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadLength => "must have 1 to 64 bytes",
            Self::BadCharacter => "must be made of A-Z, a-z, 0-9, _, : and - only",
            Self::Confusing => "must not be owner or member in capitals",
        })
    }
}

impl core::error::Error for OrganizationRoleError {}

impl OrganizationRole {
    /// Who rules the organization. Seeded, never deleted, never redefined.
    pub const OWNER: &'static str = "owner";
    /// Who belongs to it. Seeded, never deleted; what it may do is the owners' word.
    pub const MEMBER: &'static str = "member";
    /// The most bytes the name may have.
    pub const MAX_BYTES: usize = 64;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it may be deleted.
    #[must_use]
    pub fn is_deletable(&self) -> bool {
        self.0 != Self::OWNER && self.0 != Self::MEMBER
    }
}

impl FromStr for OrganizationRole {
    type Err = OrganizationRoleError;

    fn from_str(text: &str) -> Result<Self, OrganizationRoleError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
        let confuses = |known: &str| text != known && text.eq_ignore_ascii_case(known);
        if !(1..=Self::MAX_BYTES).contains(&text.len()) {
            Err(OrganizationRoleError::BadLength)
        } else if !text.bytes().all(is_allowed) {
            Err(OrganizationRoleError::BadCharacter)
        } else if confuses(Self::OWNER) || confuses(Self::MEMBER) {
            Err(OrganizationRoleError::Confusing)
        } else {
            Ok(Self(text.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_they_are_written() {
        let (longest, long) = ("r".repeat(64), "r".repeat(65));
        for text in ["owner", "member", "r", "Billing:Read-2", "a_b", &longest] {
            assert_eq!(text.parse::<OrganizationRole>().unwrap().as_str(), text);
        }
        for (text, wrong) in [
            ("", OrganizationRoleError::BadLength),
            (&long, OrganizationRoleError::BadLength),
            ("a b", OrganizationRoleError::BadCharacter),
            ("a/b", OrganizationRoleError::BadCharacter),
            ("é", OrganizationRoleError::BadCharacter),
            ("Owner", OrganizationRoleError::Confusing),
            ("MEMBER", OrganizationRoleError::Confusing),
        ] {
            assert_eq!(text.parse::<OrganizationRole>(), Err(wrong), "{text:?}");
        }
        let deletable = |text: &str| text.parse::<OrganizationRole>().unwrap().is_deletable();
        assert!(deletable("editor") && deletable("owners") && !deletable("owner") && !deletable("member"));
    }
}
