//! base32 without padding, upper case (RFC 4648 §6), as `otpauth:` URIs write secrets.

use super::NotCanonical;
use alloc::string::String;
use alloc::vec::Vec;
use data_encoding::BASE32_NOPAD;

/// Encodes bytes, upper case, without padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes)
}

/// Decodes the one canonical text of some bytes.
///
/// # Errors
///
/// [`NotCanonical`] for any other text, lower case and padding included.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    BASE32_NOPAD.decode(text).map_err(|_| NotCanonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_4648_section_10() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "MY"), (b"fo", "MZXQ"), (b"foobar", "MZXW6YTBOI")] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Ok(bytes));
        }
    }

    #[test]
    fn a_second_text_for_the_same_bytes_is_refused() {
        for bad in ["my", "MY======", "MZ", "M", "M0", "M Y", "MY\n"] {
            assert_eq!(decode(bad.as_bytes()), Err(NotCanonical), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_text(text in "[A-Z2-7]{0,40}") {
            if let Ok(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
