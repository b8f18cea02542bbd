//! Text encodings of bytes. Each value has exactly one accepted text; everything else is refused. The exception is
//! [`form`]: browsers write it.

pub mod base16;
pub mod base32;
pub mod base64url;
pub mod cookie;
pub mod form;

/// The text is not the canonical encoding of any bytes: a character outside the alphabet, padding, white
/// space, an impossible length, or unused bits that are not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCanonical;

impl core::fmt::Display for NotCanonical {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("is not canonically encoded")
    }
}

impl core::error::Error for NotCanonical {}
