//! base64url without padding (RFC 4648 §5; RFC 7515 §2), as JOSE writes it.

use super::NotCanonical;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes bytes, without padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes the one canonical text of some bytes.
///
/// # Errors
///
/// [`NotCanonical`] for any other text.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| NotCanonical)
}

/// Decodes exactly `N` bytes.
///
/// # Errors
///
/// [`NotCanonical`] for a text that is not the canonical encoding of `N` bytes.
pub fn decode_array<const N: usize>(text: &[u8]) -> Result<[u8; N], NotCanonical> {
    let mut bytes = [0u8; N];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(length) if length == N => Ok(bytes),
        _ => Err(NotCanonical),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_4648_section_10_and_the_url_alphabet() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foob", "Zm9vYg"), (b"\xfb\xff", "-_8")]
        {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Ok(bytes));
        }
    }

    #[test]
    fn a_second_text_for_the_same_bytes_is_refused() {
        for bad in ["Zg==", "Zh", "Zm9=", "Zm+v", "Zm/v", "Z g", "Zg\n", "A", "AAAAA", "\u{e9}"] {
            assert_eq!(decode(bad.as_bytes()), Err(NotCanonical), "{bad:?}");
        }
        assert_eq!(decode_array::<2>(b"Zg"), Err(NotCanonical));
        assert_eq!(decode_array::<1>(b"Zm8"), Err(NotCanonical));
        assert_eq!(decode_array::<1>(b"Zg"), Ok([b'f']));
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_text(text in "[A-Za-z0-9_-]{0,40}") {
            if let Ok(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
