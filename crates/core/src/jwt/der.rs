//! As much of DER (ITU-T X.690) as keys need: elements of known tags, one after the other. Strict, as signatures over
//! keys would demand: one spelling for every length and number, and nothing left over.

#![cfg_attr(not(feature = "pem"), allow(dead_code, reason = "signatures need less than keys"))]

use alloc::vec::Vec;
use zeroize::Zeroizing;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// The elements that are still to be read.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The members of the one sequence that `der` is.
    pub(super) fn of_sequence(der: &'a [u8]) -> Option<Self> {
        let mut whole = Self(der);
        let members = whole.sequence()?;
        whole.end()?;
        Some(members)
    }

    /// The contents of the one element of `tag` that `der` is.
    pub(super) fn only(der: &'a [u8], tag: u8) -> Option<&'a [u8]> {
        let mut whole = Self(der);
        let contents = whole.take(tag)?;
        whole.end()?;
        Some(contents)
    }

    /// The contents of the next element, which has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (*found == tag).then_some(contents)
    }

    /// The contents of the next element if it has this tag, or else nothing: `Some(None)`.
    pub(super) fn optional(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        if self.0.first() == Some(&tag) { self.take(tag).map(Some) } else { Some(None) }
    }

    /// The members of the next element, a sequence.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// The next element, an integer that is not negative, without leading zeros.
    pub(super) fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.take(INTEGER)? {
            zero @ [0] => Some(zero),
            // A zero in front only where the number would be negative without it.
            [0, number @ ..] => matches!(number, [0x80..=0xff, ..]).then_some(number),
            number => matches!(number, [..=0x7f, ..]).then_some(number),
        }
    }

    /// The next element, a string of whole bytes as bits.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        whole_bytes(self.take(BIT_STRING)?)
    }

    /// There is nothing left.
    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The members of a sequence of two numbers that are not negative: a signature by ECDSA (RFC 3279 §2.2.3). Without
/// leading zeros, and nothing follows.
#[cfg(feature = "issue")]
pub(crate) fn two_numbers(der: &[u8]) -> Option<[&[u8]; 2]> {
    let mut members = Elements::of_sequence(der)?;
    let numbers = [members.unsigned()?, members.unsigned()?];
    members.end()?;
    Some(numbers)
}

/// The bytes of a bit string that has no unused bits.
pub(super) fn whole_bytes(bits: &[u8]) -> Option<&[u8]> {
    bits.strip_prefix(&[0])
}

/// A length in its shortest form, and what follows it. Nothing that is read here has 64 KiB.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ ..=0x7f, rest @ ..] => Some((usize::from(*short), rest)),
        [0x81, one @ 0x80..=0xff, rest @ ..] => Some((usize::from(*one), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => {
            Some((usize::from(u16::from_be_bytes([*high, *low])), rest))
        }
        _ => None,
    }
}

/// An element with these contents; `None` from 64 KiB. Allocated once, and wiped on drop: it may hold a secret.
pub(super) fn element(tag: u8, contents: &[&[u8]]) -> Option<Zeroizing<Vec<u8>>> {
    let total = contents.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
    let [high, low] = u16::try_from(total).ok()?.to_be_bytes();
    let mut bytes = Zeroizing::new(Vec::with_capacity(total.saturating_add(4)));
    match (high, low) {
        (0, ..=0x7f) => bytes.extend_from_slice(&[tag, low]),
        (0, _) => bytes.extend_from_slice(&[tag, 0x81, low]),
        _ => bytes.extend_from_slice(&[tag, 0x82, high, low]),
    }
    contents.iter().for_each(|part| bytes.extend_from_slice(part));
    Some(bytes)
}

/// An integer in its shortest form, of a number without leading zeros.
pub(super) fn unsigned(number: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let sign: &[u8] = if matches!(number, [] | [0x80..=0xff, ..]) { &[0] } else { &[] };
    element(INTEGER, &[sign, number])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_spelling() {
        for length in [0, 1, 127, 128, 255, 256, 65_535] {
            let contents = std::vec![7; length];
            let der = element(OCTET_STRING, &[&contents]).unwrap();
            assert_eq!(Elements::only(&der, OCTET_STRING), Some(&contents[..]), "{length}");
            assert_eq!(Elements::only(&der, BIT_STRING), None);
            assert_eq!(Elements::only(&der[..der.len() - 1], OCTET_STRING), None);
            assert_eq!(Elements::only(&[&der[..], &[0]].concat(), OCTET_STRING), None);
        }
        assert!(element(OCTET_STRING, &[&[0; 65_536]]).is_none());
        let longer: [&[u8]; 6] = [
            &[4, 0x81, 1, 7],
            &[4, 0x82, 0, 1, 7],
            &[4, 0x80, 7, 0, 0],
            &[4, 0x83, 0, 0, 1, 7],
            &[4],
            &[4, 0x81],
        ];
        for der in longer {
            assert_eq!(Elements::only(der, OCTET_STRING), None, "{der:?}");
        }
    }

    #[test]
    fn numbers_have_one_spelling() {
        let read = |contents: &[u8]| {
            let der = element(INTEGER, &[contents]).unwrap();
            Elements(&der).unsigned().map(<[u8]>::to_vec)
        };
        for good in [&[0][..], &[1], &[127], &[127, 255]] {
            assert_eq!(read(good).unwrap(), good);
        }
        assert_eq!(read(&[0, 128]).unwrap(), [128]);
        for bad in [&[][..], &[128], &[255, 0], &[0, 0], &[0, 127], &[0, 0, 128]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        for number in [&[1][..], &[128], &[127, 0], &[200, 1, 2]] {
            assert_eq!(Elements(&unsigned(number).unwrap()).unsigned(), Some(number));
        }
    }

    #[test]
    fn bits_are_whole_bytes() {
        assert_eq!(whole_bytes(&[0, 1, 2]), Some(&[1, 2][..]));
        assert_eq!(whole_bytes(&[1, 2]), None);
        assert_eq!(whole_bytes(&[]), None);
    }
}
