//! Identities: parsed once at the door, a type of their own after.

use crate::codec::base16;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// Why a text is not the identity it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// Not exactly the canonical form: 32 lower-case hexadecimal digits for 128-bit ids.
    NotCanonical,
    /// Empty or longer than the type allows.
    BadLength,
    /// A character outside the allowed set.
    BadCharacter,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotCanonical => "must be 32 lower-case hexadecimal digits",
            Self::BadLength => "is empty or too long",
            Self::BadCharacter => "has a character that is not allowed",
        })
    }
}

impl core::error::Error for IdError {}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 128 random bits drawn by the caller; its text form is 32 lower-case hexadecimal digits.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// How many bytes the id has.
            pub const BYTES: usize = 16;

            /// The id made of these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes of the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0u8; 16];
                match base16ct::lower::decode(text, &mut bytes) {
                    Ok(decoded) if decoded.len() == Self::BYTES => Ok(Self(bytes)),
                    _ => Err(IdError::NotCanonical),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(base16::encode_id(&self.0, &mut [0; 32]))
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
                serializer.serialize_str(base16::encode_id(&self.0, &mut [0; 32]))
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

random_id! {
    /// One account: the `sub` of its tokens and the name of its account object.
    AccountId
}
random_id! {
    /// One session, which is one refresh-token family: one grant on one device. The `sid` of its tokens.
    SessionId
}
random_id! {
    /// One intended change. An owner that has seen it answers as before and changes nothing (idempotency).
    OperationId
}
random_id! {
    /// One sign-up attempt that waits for its code. Two attempts on one address have two of these.
    RegistrationId
}
random_id! {
    /// One issued access token: its `jti`.
    TokenId
}

random_id! {
    /// One organization. It stays when the organization's name changes.
    OrganizationId
}
random_id! {
    /// One invitation to an organization.
    InviteId
}

macro_rules! short_text {
    ($(#[$doc:meta])* $name:ident, $max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The most bytes the text may have.
            pub const MAX_BYTES: usize = $max;

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether a text could be one of these.
            pub(crate) fn check(text: &str) -> Result<(), IdError> {
                let allowed: fn(u8) -> bool = $allowed;
                if text.is_empty() || text.len() > $max {
                    Err(IdError::BadLength)
                } else if !text.bytes().all(allowed) {
                    Err(IdError::BadCharacter)
                } else {
                    Ok(())
                }
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::check(text).map(|()| Self(text.into()))
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

short_text! {
    /// One tenant: the outermost wall of isolation. 1 to 64 of `a-z A-Z 0-9 . _ -`.
    TenantId, 64, |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}
short_text! {
    /// One client application: the `client_id` of RFC 6749 §2.2. 1 to 128 of `a-z A-Z 0-9 . _ ~ -`.
    ClientId, 128, |byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte)
}
short_text! {
    /// One signing key: the `kid` of RFC 7515 §4.1.4, for our keys the RFC 7638 thumbprint. 1 to 128 of
    /// printable ASCII but `"` and `\`.
    KeyId, 128, |byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_128_bit_id_has_one_text_form() {
        let text = "00112233445566778899aabbccddeeff";
        let id: AccountId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        for bad in [
            "",
            "00112233445566778899AABBCCDDEEFF",
            "00112233445566778899aabbccddeef",
            "00112233445566778899aabbccddeeff0",
            "00112233445566778899aabbccddeeg0",
            " 0112233445566778899aabbccddeeff",
            "é112233445566778899aabbccddeeff",
        ] {
            assert_eq!(bad.parse::<AccountId>(), Err(IdError::NotCanonical), "{bad}");
        }
    }

    #[test]
    fn short_texts_refuse_what_could_be_read_as_structure() {
        assert!("acme-1.eu_west".parse::<TenantId>().is_ok());
        assert_eq!("".parse::<TenantId>(), Err(IdError::BadLength));
        assert_eq!("a".repeat(65).parse::<TenantId>(), Err(IdError::BadLength));
        for bad in ["a:b", "a/b", "a b", "a\0", "ä"] {
            assert_eq!(bad.parse::<TenantId>(), Err(IdError::BadCharacter), "{bad}");
        }
    }
}
