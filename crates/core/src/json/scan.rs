//! The one pass that checks a text. It keeps its place in a stack of its own, so no input can exhaust the machine's.

use super::number::Decimal;
use super::text::Text;
#[cfg(feature = "verify")]
use super::value::Kind;
use super::value::Value;
use super::{JsonError, MAX_DEPTH};
use alloc::vec::Vec;

/// Whether no more than `max_depth` arrays and objects enclose anything in this text, JSON or not.
///
/// A pass without allocation over untrusted bytes, to be made before a recursive reader such as `serde_json` sees
/// them. Brackets inside strings do not count. It checks nothing else.
#[must_use]
pub fn depth_within(bytes: &[u8], max_depth: usize) -> bool {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                if depth > max_depth {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Checks the whole text and returns its value, or the error with the number of bytes in front of it.
pub(super) fn check(text: &str) -> Result<Value<'_>, (JsonError, usize)> {
    let mut scanner = Scanner::of(text);
    scanner.whole().map_err(|error| (error, scanner.at))
}

/// Checks the whole text and returns the members of its object, which were met on the way; `None` for another value.
#[cfg(feature = "verify")]
pub(super) fn members(text: &str) -> Result<Option<Vec<Member<'_>>>, JsonError> {
    let mut scanner = Scanner::of(text);
    let value = scanner.whole()?;
    Ok((value.kind() == Kind::Object).then_some(scanner.names))
}

/// A member of an object.
pub(crate) struct Member<'a> {
    pub(crate) name: Text<'a>,
    /// Of a member of the outermost object, once it is complete.
    #[cfg_attr(not(feature = "verify"), expect(dead_code, reason = "read by `verify` alone"))]
    pub(crate) value: Value<'a>,
    depth: usize,
    /// Of the unescaped name, so that most different names differ without a comparison.
    hash: u32,
}

/// How many of the bytes stand for themselves in a string: up to a quote, a backslash or a control character.
fn plain_length(bytes: &[u8]) -> usize {
    /// The byte in each place of a word.
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let (words, rest) = bytes.as_chunks::<8>();
    let mut length = 0usize;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // Subtracting borrows into the highest bit of the first byte that is less, and perhaps of bytes after it. None
        // with that bit set counts: those of other characters than ASCII.
        let (quote, backslash) = (word ^ all(b'"'), word ^ all(b'\\'));
        let borrowed = word.wrapping_sub(all(b' ')) & !word
            | quote.wrapping_sub(all(1)) & !quote
            | backslash.wrapping_sub(all(1)) & !backslash;
        let found = borrowed & all(0x80);
        if found != 0 {
            let before = usize::try_from(found.trailing_zeros() / u8::BITS).unwrap_or_default();
            return length.saturating_add(before);
        }
        length = length.saturating_add(8);
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    length.saturating_add(rest.iter().position(is_special).unwrap_or(rest.len()))
}

/// As many members as most objects have.
const USUAL_MEMBERS: usize = 16;

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Where the value of the latest member of the outermost object begins.
    member_at: usize,
    /// How many containers are open.
    depth: usize,
    /// One bit per open container, the innermost lowest: 1 for an object, 0 for an array.
    objects: u32,
    /// The members of all open objects, the innermost object's last; those of the outermost one stay.
    names: Vec<Member<'a>>,
    /// A bit for each hash of a name so far, by its lowest six bits: a new one has no namesake.
    hashes: u64,
}

impl<'a> Scanner<'a> {
    fn of(text: &'a str) -> Self {
        let names = Vec::with_capacity(USUAL_MEMBERS);
        Self { text, at: 0, member_at: 0, depth: 0, objects: 0, names, hashes: 0 }
    }

    fn whole(&mut self) -> Result<Value<'a>, JsonError> {
        self.skip_white_space();
        let start = self.at;
        self.value()?;
        let raw = self.text.get(start..self.at).ok_or(JsonError::Syntax)?;
        self.skip_white_space();
        match self.peek() {
            None => Ok(Value::checked(raw)),
            Some(_) => Err(JsonError::TrailingBytes),
        }
    }

    /// Checks one value with everything inside it.
    fn value(&mut self) -> Result<(), JsonError> {
        loop {
            self.skip_white_space();
            let complete = match self.peek() {
                Some(b'{') => self.open(true)?,
                Some(b'[') => self.open(false)?,
                Some(b'"') => self.string().map(|_| true)?,
                Some(b'-' | b'0'..=b'9') => self.number().map(|()| true)?,
                Some(b't') => self.word("true").map(|()| true)?,
                Some(b'f') => self.word("false").map(|()| true)?,
                Some(b'n') => self.word("null").map(|()| true)?,
                _ => return Err(JsonError::Syntax),
            };
            if complete && !self.next_in_container()? {
                return Ok(());
            }
        }
    }

    /// Enters a container. True if it is empty, and thereby complete; otherwise the next thing is its first value.
    fn open(&mut self, object: bool) -> Result<bool, JsonError> {
        if self.depth >= MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.bump();
        self.depth = self.depth.saturating_add(1);
        self.objects = self.objects.wrapping_shl(1) | u32::from(object);
        self.skip_white_space();
        if self.peek() == Some(if object { b'}' } else { b']' }) {
            self.close();
            return Ok(true);
        }
        if object {
            self.name()?;
        }
        Ok(false)
    }

    fn close(&mut self) {
        self.bump();
        let closed = self.depth;
        while self.names.pop_if(|name| name.depth == closed && closed > 1).is_some() {}
        self.depth = closed.saturating_sub(1);
        self.objects = self.objects.wrapping_shr(1);
    }

    /// After a complete value: true if another value must follow, false if the outermost value is complete.
    fn next_in_container(&mut self) -> Result<bool, JsonError> {
        while self.depth > 0 {
            let object = self.objects & 1 == 1;
            if self.depth == 1 && object {
                self.complete_member();
            }
            self.skip_white_space();
            match (self.peek(), object) {
                (Some(b','), true) => {
                    self.bump();
                    self.skip_white_space();
                    return self.name().map(|()| true);
                }
                (Some(b','), false) => {
                    self.bump();
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                _ => return Err(JsonError::Syntax),
            }
        }
        Ok(false)
    }

    /// A member name with its colon.
    fn name(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(JsonError::Syntax);
        }
        let name = self.string()?;
        let member = Member { name, value: Value::checked(""), depth: self.depth, hash: name.hash() };
        let bit = 1u64.wrapping_shl(member.hash);
        if self.hashes & bit != 0 {
            let mut siblings = self.names.iter().rev().take_while(|other| other.depth == member.depth);
            if siblings.any(|other| other.hash == member.hash && other.name == member.name) {
                return Err(JsonError::DuplicateMember);
            }
        }
        self.hashes |= bit;
        self.names.push(member);
        self.skip_white_space();
        self.expect(b':')?;
        if self.depth == 1 {
            self.skip_white_space();
            self.member_at = self.at;
        }
        Ok(())
    }

    /// Of the outermost object: a value of the latest member ends here.
    fn complete_member(&mut self) {
        if let (Some(member), Some(raw)) = (self.names.last_mut(), self.text.get(self.member_at..self.at)) {
            member.value = Value::checked(raw);
        }
    }

    fn string(&mut self) -> Result<Text<'a>, JsonError> {
        self.bump();
        let start = self.at;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            self.at = self.at.saturating_add(plain_length(rest));
            match self.peek() {
                Some(b'"') => {
                    let raw = self.text.get(start..self.at).ok_or(JsonError::Syntax)?;
                    self.bump();
                    return Ok(Text::checked(raw));
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.bump();
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.bump();
                Ok(())
            }
            Some(b'u') => match self.hexadecimal()? {
                0xDC00..=0xDFFF => Err(JsonError::LoneSurrogate),
                0xD800..=0xDBFF => self.low_surrogate(),
                _ => Ok(()),
            },
            _ => Err(JsonError::Syntax),
        }
    }

    fn low_surrogate(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'\\') {
            return Err(JsonError::LoneSurrogate);
        }
        self.bump();
        if self.peek() != Some(b'u') {
            return Err(JsonError::LoneSurrogate);
        }
        match self.hexadecimal()? {
            0xDC00..=0xDFFF => Ok(()),
            _ => Err(JsonError::LoneSurrogate),
        }
    }

    /// The `u` of an escape and its four digits.
    fn hexadecimal(&mut self) -> Result<u32, JsonError> {
        self.bump();
        let mut code = 0u32;
        for _ in 0..4 {
            let digit =
                self.peek().and_then(|byte| char::from(byte).to_digit(16)).ok_or(JsonError::Syntax)?;
            code = code.wrapping_shl(4) | digit;
            self.bump();
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.bump();
        }
        match self.peek() {
            Some(b'0') => self.bump(),
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.bump();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.bump();
            if let Some(b'+' | b'-') = self.peek() {
                self.bump();
            }
            self.digits()?;
        }
        let raw = self.text.get(start..self.at).ok_or(JsonError::Syntax)?;
        if Decimal::is_too_large(raw) { Err(JsonError::NumberTooLarge) } else { Ok(()) }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.bump();
        }
        if self.at == start { Err(JsonError::Syntax) } else { Ok(()) }
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        word.bytes().try_for_each(|byte| self.expect(byte))
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(JsonError::Syntax);
        }
        self.bump();
        Ok(())
    }

    fn skip_white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.bump();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::plain_length;
    use std::vec::Vec;

    #[test]
    fn plain_bytes_are_counted_up_to_the_first_that_is_not() {
        for length in 0..40 {
            for filler in [b' ', b'!', b'#', b'[', b']', 0x7F, 0x80, 0xA2, 0xDC, 0xFF] {
                let mut bytes: Vec<u8> = std::iter::repeat_n(filler, length).collect();
                assert_eq!(plain_length(&bytes), length);
                for at in (0..length).rev() {
                    for byte in 0..=0xFF {
                        bytes[at] = byte;
                        let is_plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
                        assert_eq!(
                            plain_length(&bytes),
                            if is_plain { at + 1 } else { at },
                            "{byte} at {at}"
                        );
                    }
                    // Whatever follows, the first one counts.
                    bytes[at] = b'"';
                }
                if length > 0 {
                    assert_eq!(plain_length(&bytes), 0);
                }
            }
        }
    }
}
