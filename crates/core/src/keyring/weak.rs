//! Keys that are known to everybody.

/// SHA-256 would hide what these are, so they stand here as they are printed: private keys and secrets of the
/// standards' examples, as raw bytes.
const EXAMPLES: [[u8; 32]; 5] = [
    // RFC 8032 §7.1, TEST 1 (also RFC 8037 A.1), TEST 2, TEST 3.
    *b"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60",
    *b"\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb",
    *b"\xc5\xaa\x8d\xf4\x3f\x9f\x83\x7b\xed\xb7\x44\x2f\x31\xdc\xb7\xb1\x66\xd3\x85\x35\x07\x6f\x09\x4b\x85\xce\x3a\x2e\x0b\x44\x58\xf7",
    // RFC 7515 A.3 (P-256), the private scalar.
    *b"\x8e\x9b\x10\x9e\x71\x90\x98\xbf\x98\x04\x87\xdf\x1f\x5d\x77\xe9\xcb\x29\x60\x6e\xbe\xd2\x26\x3b\x5f\x57\xc2\x13\xdf\x84\xf4\xb2",
    // RFC 7515 A.1, the first half of the secret for HS256.
    *b"\x03\x23\x35\x4b\x2b\x0f\xa5\xbc\x83\x7e\x06\x65\x77\x7b\xa6\x8f\x5a\xb3\x28\xe6\xf0\x54\xc9\x28\xa9\x0f\x84\xb2\xd2\x50\x2e\xbf",
];

/// What people write where a secret should be.
const PLACEHOLDERS: [&str; 8] =
    ["change", "example", "placeholder", "password", "replace", "secret", "your-", "insert"];

/// Fewer different bytes than this among 32 or more do not come from a random generator: for 32 random bytes
/// the chance is below 10⁻²⁰.
const FEWEST_DIFFERENT_BYTES: usize = 12;

/// Whether bytes that should be a random secret certainly are not: one value repeated, a run, few different values,
/// readable words of somebody who meant to change them, or the key of a standard's example.
///
/// It cannot tell that bytes *are* random. In variable time: what it refuses is no secret.
#[must_use]
pub fn is_placeholder(bytes: &[u8]) -> bool {
    has_few_values(bytes) || is_run(bytes) || has_words(bytes) || is_example(bytes)
}

fn has_few_values(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    seen.into_iter().filter(|seen| *seen).count() < FEWEST_DIFFERENT_BYTES
}

/// Whether each byte differs from the one before by the same step.
fn is_run(bytes: &[u8]) -> bool {
    let mut steps = bytes.windows(2).map(|pair| match pair {
        [a, b] => b.wrapping_sub(*a),
        _ => 0,
    });
    steps.next().is_none_or(|first| steps.all(|step| step == first))
}

fn has_words(bytes: &[u8]) -> bool {
    let contains =
        |word: &str| bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    PLACEHOLDERS.iter().any(|word| contains(word))
}

fn is_example(bytes: &[u8]) -> bool {
    EXAMPLES.iter().any(|example| bytes.windows(example.len()).any(|part| part == example))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::base64url;
    use std::vec::Vec;

    #[test]
    fn what_nobody_drew_is_refused() {
        let run: Vec<u8> = (0..32).collect();
        let backwards: Vec<u8> = (0..64).rev().map(|n| n * 3).collect();
        let pairs: Vec<u8> = [0xAB, 0xCD].repeat(16);
        let bad: [&[u8]; 9] = [
            b"",
            &[0; 32],
            &[0xFF; 64],
            &run,
            &backwards,
            &pairs,
            b"please-CHANGE-me-0123456789abcdef",
            b"your-256-bit-key-goes-in-here!!!",
            b"abcdefghijabcdefghijabcdefghijab",
        ];
        for bytes in bad {
            assert!(is_placeholder(bytes), "{bytes:x?}");
        }
    }

    #[test]
    fn the_examples_of_the_standards_are_refused() {
        for text in [
            "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        ] {
            assert!(is_placeholder(&base64url::decode(text.as_bytes()).unwrap()), "{text}");
        }
        for hex in [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        ] {
            let hex = hex.replace(' ', "");
            let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes());
            assert!(bytes.is_ok_and(|bytes| is_placeholder(&bytes)), "{hex}");
        }
    }

    #[test]
    fn what_somebody_drew_is_not() {
        for seed in 0u64..2_000 {
            use sha2::{Digest as _, Sha256};
            assert!(!is_placeholder(&Sha256::digest(seed.to_be_bytes())), "{seed}");
        }
    }
}
