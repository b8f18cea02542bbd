//! base64url without padding (RFC 4648 §5; RFC 7515 §2), as JOSE writes it.

//!
//! Written out here, because verifiers decode three of these for every token, into memory that they already have.

use super::NotCanonical;
use alloc::string::String;
use alloc::vec::Vec;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What stands for no value: a bit that no value has is set.
const NONE: u8 = 0xFF;

/// The value of each character.
const VALUES: [u8; 256] = values();

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "computed by the compiler, which would refuse to go on"
)]
const fn values() -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
}

/// Encodes bytes, without padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let mut three = [0; 3];
        for (slot, byte) in three.iter_mut().zip(group) {
            *slot = *byte;
        }
        let [a, b, c] = three;
        let bits = u32::from_be_bytes([0, a, b, c]);
        // One character more than there are bytes.
        for shift in [18u32, 12, 6, 0].into_iter().take(group.len().saturating_add(1)) {
            let value = usize::try_from(bits.wrapping_shr(shift) & 0x3F).unwrap_or_default();
            text.push(char::from(ALPHABET.get(value).copied().unwrap_or_default()));
        }
    }
    text
}

/// Decodes the one canonical text of some bytes.
///
/// # Errors
///
/// [`NotCanonical`] for any other text.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    let mut bytes = alloc::vec![0; text.len().div_ceil(4).saturating_mul(3)];
    let length = decode_into(text, &mut bytes)?.len();
    bytes.truncate(length);
    Ok(bytes)
}

/// Decodes exactly `N` bytes.
///
/// # Errors
///
/// [`NotCanonical`] for a text that is not the canonical encoding of `N` bytes.
pub fn decode_array<const N: usize>(text: &[u8]) -> Result<[u8; N], NotCanonical> {
    let mut bytes = [0u8; N];
    match decode_into(text, &mut bytes)?.len() {
        length if length == N => Ok(bytes),
        _ => Err(NotCanonical),
    }
}

/// Decodes to the front of a buffer, and returns the bytes there.
///
/// # Errors
///
/// [`NotCanonical`] for a text that is not the canonical encoding of bytes that the buffer has room for.
pub(crate) fn decode_into<'a>(text: &[u8], buffer: &'a mut [u8]) -> Result<&'a mut [u8], NotCanonical> {
    let (groups, last) = text.as_chunks::<4>();
    let length = groups.len().saturating_mul(3).saturating_add(last.len().saturating_sub(1));
    let bytes = buffer.get_mut(..length).ok_or(NotCanonical)?;
    let (slots, rest) = bytes.as_chunks_mut::<3>();
    let mut seen = 0;
    for (slot, group) in slots.iter_mut().zip(groups) {
        *slot = three_bytes(*group, &mut seen);
    }
    match last {
        [] => {}
        // Six bits are no byte.
        [_] => return Err(NotCanonical),
        [a, b, others @ ..] => {
            let group = [*a, *b, others.first().copied().unwrap_or(b'A'), b'A'];
            let decoded = three_bytes(group, &mut seen);
            let (kept, spare) = decoded.split_at_checked(rest.len()).ok_or(NotCanonical)?;
            // Not `copy_from_slice`, whose panic would bring the formatting of `core` into small modules.
            for (slot, byte) in rest.iter_mut().zip(kept) {
                *slot = *byte;
            }
            // The bits beyond the last byte must be zero: one value, one text.
            if spare.iter().any(|byte| *byte != 0) {
                return Err(NotCanonical);
            }
        }
    }
    if seen & !0x3F == 0 { Ok(bytes) } else { Err(NotCanonical) }
}

/// The bytes of four characters, whose values are gathered in `seen`.
#[inline]
fn three_bytes(group: [u8; 4], seen: &mut u8) -> [u8; 3] {
    let mut bits = 0u32;
    for character in group {
        let value = VALUES.get(usize::from(character)).copied().unwrap_or(NONE);
        *seen |= value;
        bits = bits.wrapping_shl(6) | u32::from(value);
    }
    let [_, a, b, c] = bits.to_be_bytes();
    [a, b, c]
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

    #[test]
    fn a_buffer_without_room_is_refused() {
        let mut buffer = [0; 3];
        assert_eq!(decode_into(b"Zm9v", &mut buffer).as_deref(), Ok(&b"foo"[..]));
        assert_eq!(decode_into(b"Zg", &mut buffer).as_deref(), Ok(&b"f"[..]));
        assert_eq!(decode_into(b"Zm9vYg", &mut buffer), Err(NotCanonical));
        assert_eq!(decode_into(b"", &mut []).as_deref(), Ok(&[][..]));
    }

    /// Another implementation, to agree with.
    fn other() -> impl base64::Engine {
        base64::engine::general_purpose::URL_SAFE_NO_PAD
    }

    #[test]
    fn agrees_with_another_implementation_on_every_short_text() {
        for a in 0..=255 {
            for b in 0..=255 {
                for text in
                    [&[a][..], &[a, b], &[b'Z', a, b], &[a, b'0', b'_', b], &[b'Z', b'm', a, b, b'x', b'0']]
                {
                    assert_eq!(decode(text).ok(), base64::Engine::decode(&other(), text).ok(), "{text:?}");
                }
                assert_eq!(encode(&[a, b]), base64::Engine::encode(&other(), [a, b]));
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_another_implementation(bytes: Vec<u8>, text in "[A-Za-z0-9_-]{0,90}", at: usize, by: u8) {
            prop_assert_eq!(encode(&bytes), base64::Engine::encode(&other(), &bytes));
            let mut text = text.into_bytes();
            prop_assert_eq!(decode(&text).ok(), base64::Engine::decode(&other(), &text).ok());
            if !text.is_empty() {
                let at = at % text.len();
                text[at] ^= by;
                prop_assert_eq!(decode(&text).ok(), base64::Engine::decode(&other(), &text).ok());
            }
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_text(text in "[A-Za-z0-9_-]{0,40}") {
            if let Ok(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
