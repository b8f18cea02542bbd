//! base32 without padding, upper case (RFC 4648 §6), as `otpauth:` URIs write secrets.

use super::NotCanonical;
use alloc::string::String;
use alloc::vec::Vec;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Encodes bytes, upper case, without padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5).saturating_mul(8));
    for group in bytes.chunks(5) {
        let bits = (0..5).fold(0u64, |bits, at| bits << 8 | u64::from(group.get(at).copied().unwrap_or(0)));
        let symbols = group.len().saturating_mul(8).div_ceil(5);
        for shift in [35u32, 30, 25, 20, 15, 10, 5, 0].into_iter().take(symbols) {
            let value = usize::try_from(bits.wrapping_shr(shift) & 31).unwrap_or_default();
            text.push(char::from(ALPHABET.get(value).copied().unwrap_or_default()));
        }
    }
    text
}

/// Decodes the one canonical text of some bytes.
///
/// # Errors
///
/// [`NotCanonical`] for any other text, lower case and padding included.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    let mut bytes = Vec::with_capacity(text.len().div_ceil(8).saturating_mul(5));
    for group in text.chunks(8) {
        // As many symbols as some number of bytes has.
        let length = match group.len() {
            2 => 1,
            4 => 2,
            5 => 3,
            7 => 4,
            8 => 5,
            _ => return Err(NotCanonical),
        };
        let mut bits = 0u64;
        for at in 0..8 {
            bits = bits << 5 | group.get(at).map_or(Ok(0), |symbol| value(*symbol))?;
        }
        let [_, _, _, five @ ..] = bits.to_be_bytes();
        let (kept, spare) = five.split_at_checked(length).ok_or(NotCanonical)?;
        // The bits beyond the last byte must be zero: one value, one text.
        if spare.iter().any(|byte| *byte != 0) {
            return Err(NotCanonical);
        }
        bytes.extend_from_slice(kept);
    }
    Ok(bytes)
}

fn value(symbol: u8) -> Result<u64, NotCanonical> {
    let place = ALPHABET.iter().position(|other| *other == symbol).ok_or(NotCanonical)?;
    u64::try_from(place).map_err(|_| NotCanonical)
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
        fn as_another_implementation_has_it(bytes: Vec<u8>, text in "[A-Z2-8]{0,20}") {
            use data_encoding::BASE32_NOPAD;
            prop_assert_eq!(encode(&bytes), BASE32_NOPAD.encode(&bytes));
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Ok(bytes));
            prop_assert_eq!(decode(text.as_bytes()).ok(), BASE32_NOPAD.decode(text.as_bytes()).ok());
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_text(text in "[A-Z2-7]{0,40}") {
            if let Ok(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
