//! Hexadecimal digits in lower case (RFC 4648 §8), as ids have them.

use alloc::string::String;

/// Encodes bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Encodes the bytes of an id, without allocating.
pub(crate) fn encode_id<'a>(bytes: &[u8; 16], digits: &'a mut [u8; 32]) -> &'a str {
    // Twice as many digits as bytes: they fit.
    base16ct::lower::encode_str(bytes, digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_lower_case_and_complete() {
        assert_eq!(encode(&[]), "");
        assert_eq!(encode(&[0, 0x0a, 0xff]), "000aff");
        assert_eq!(encode_id(&[0xab; 16], &mut [0; 32]), "ab".repeat(16));
    }
}
