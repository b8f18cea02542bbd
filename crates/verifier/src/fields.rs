//! Several texts or byte strings in one buffer: each has its length in front, four bytes, little-endian.

/// The fields of a buffer, in order. It ends at the first field that the buffer does not hold in full.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field as text; empty when there is none, or when it is not UTF-8.
    pub(crate) fn next_text(&mut self) -> &'a str {
        self.next().and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (field, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_order_and_end_with_the_buffer() {
        let bytes = b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0\xff";
        let mut fields = Fields::of(bytes);
        assert_eq!(fields.next_text(), "ab");
        assert_eq!(fields.next(), Some(&b""[..]));
        assert_eq!(fields.clone().next_text(), "");
        assert_eq!(fields.next(), Some(&b"\xff"[..]));
        assert_eq!(fields.next(), None);
    }

    #[test]
    fn a_length_beyond_the_buffer_ends_the_fields() {
        for bytes in [&b""[..], b"\x01", b"\x01\0\0\0", b"\xff\xff\xff\xffab", b"\x03\0\0\0ab"] {
            assert_eq!(Fields::of(bytes).next(), None, "{bytes:?}");
        }
    }
}
