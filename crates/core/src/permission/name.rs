//! Names of permissions, roles and groups: one spelling each.

use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

/// Why a text is not the name of a permission, a role or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Empty, or longer than 64 bytes.
    BadLength,
    /// A permission has 2 to 4 parts between colons, a role or a group exactly one.
    BadParts,
    /// A part is empty.
    EmptyPart,
    /// A character other than `a-z 0-9 _ -`.
    BadCharacter,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadLength => "must have 1 to 64 bytes",
            Self::BadParts => {
                "must have 2 to 4 parts between colons (a permission) or just one (a role or group)"
            }
            Self::EmptyPart => "must not have an empty part",
            Self::BadCharacter => "must be made of a-z, 0-9, _ and - only",
        })
    }
}

impl core::error::Error for NameError {}

macro_rules! canonical_name {
    ($(#[$doc:meta])* $name:ident, $parts:pat) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The most bytes the name may have.
            pub const MAX_BYTES: usize = 64;

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if text.is_empty() || text.len() > Self::MAX_BYTES {
                    return Err(NameError::BadLength);
                }
                let mut parts = 0u8;
                for part in text.split(':') {
                    check_part(part)?;
                    // At most 65 parts fit into 64 bytes.
                    parts = parts.saturating_add(1);
                }
                if matches!(parts, $parts) { Ok(Self(text.into())) } else { Err(NameError::BadParts) }
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <alloc::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

canonical_name! {
    /// The canonical name of a permission: `resource:action`, such as `docs:write` or `billing:invoice:void`.
    ///
    /// 2 to 4 parts between colons, each of one or more of `a-z 0-9 _ -`, 64 bytes in all. There are no
    /// wildcards and no second spelling: upper case is refused, not folded.
    PermissionName, 2..=4
}
canonical_name! {
    /// The name of a role, such as `editor`: 1 to 64 of `a-z 0-9 _ -`.
    RoleName, 1
}
canonical_name! {
    /// The name of a group of accounts, such as `support`: 1 to 64 of `a-z 0-9 _ -`.
    GroupName, 1
}

fn check_part(part: &str) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if part.is_empty() {
        Err(NameError::EmptyPart)
    } else if part.bytes().all(allowed) {
        Ok(())
    } else {
        Err(NameError::BadCharacter)
    }
}
