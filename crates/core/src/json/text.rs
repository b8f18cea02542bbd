//! Strings, unescaped only on demand.

use alloc::borrow::Cow;

/// A JSON string: what stands between its quotes, already checked, not yet unescaped.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// `raw` has been checked by the scanner.
    pub(super) const fn checked(raw: &'a str) -> Self {
        Self(raw)
    }

    /// The string as written, escapes and all, without its quotes.
    #[must_use]
    pub const fn raw(self) -> &'a str {
        self.0
    }

    /// The characters the string stands for.
    #[must_use]
    pub fn chars(self) -> Chars<'a> {
        Chars(self.0.chars())
    }

    /// The string itself: borrowed when it has no escape.
    #[must_use]
    pub fn to_cow(self) -> Cow<'a, str> {
        if self.has_escape() { Cow::Owned(self.chars().collect()) } else { Cow::Borrowed(self.0) }
    }

    fn has_escape(self) -> bool {
        self.0.as_bytes().contains(&b'\\')
    }

    /// FNV-1a of the characters the string stands for, the same for each way of escaping them.
    pub(super) fn hash(self) -> u32 {
        let step = |hash: u32, character: u32| (hash ^ character).wrapping_mul(0x0100_0193);
        let start = 0x811c_9dc5;
        // Of most names, every byte is a character.
        let plain = self.0.bytes().try_fold(start, |hash, byte| {
            (byte.is_ascii() && byte != b'\\').then(|| step(hash, byte.into()))
        });
        plain.unwrap_or_else(|| self.chars().fold(start, |hash, character| step(hash, character.into())))
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        if self.has_escape() { self.chars().eq(other.chars()) } else { self.0 == other }
    }
}

/// The characters a JSON string stands for.
#[derive(Clone, Debug)]
pub struct Chars<'a>(core::str::Chars<'a>);

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.0.next()? {
            '\\' => match self.0.next()? {
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'u' => self.code_point(),
                itself => Some(itself),
            },
            plain => Some(plain),
        }
    }
}

impl Chars<'_> {
    fn code_point(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if first & 0xFC00 != 0xD800 {
            return char::from_u32(first);
        }
        self.0.next().filter(|&backslash| backslash == '\\')?;
        self.0.next().filter(|&u| u == 'u')?;
        let second = self.four_digits()?;
        let offset = (first & 0x3FF).wrapping_shl(10) | (second & 0x3FF);
        char::from_u32(offset.wrapping_add(0x1_0000))
    }

    fn four_digits(&mut self) -> Option<u32> {
        let mut code = 0u32;
        for _ in 0..4 {
            code = code.wrapping_shl(4) | self.0.next()?.to_digit(16)?;
        }
        Some(code)
    }
}
