//! Values made of randomness that the caller drew, each of its own type.
//!
//! Nothing here draws anything: a flow receives its bytes, used or not, so the same inputs always give the
//! same outcome.

use crate::secret::SecretText;
use alloc::string::String;
use core::fmt::Write as _;

/// Bytes fresh from a cryptographically secure generator, to be used for one purpose, once.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Random<const N: usize>([u8; N]);

impl<const N: usize> Random<N> {
    /// How many bytes there are.
    pub const BYTES: usize = N;

    /// Wraps bytes that the caller has just drawn.
    #[must_use]
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The bytes, consuming them: one draw serves one purpose.
    #[must_use]
    pub fn into_bytes(self) -> [u8; N] {
        self.0
    }
}

impl<const N: usize> core::fmt::Debug for Random<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How many digits a one-time code has: 20 bits, the floor of OWASP ASVS 5 §6.5.4, is 6.1 digits; the attempt
/// limit of every code makes up for the difference.
pub const ONE_TIME_CODE_DIGITS: usize = 6;
/// How many digits a code has for an address that is being guessed at: 33 bits.
pub const LONG_CODE_DIGITS: usize = 10;

const CODES: u64 = 10_000_000_000;
/// The largest multiple of [`CODES`] below 2⁶⁴: a draw at or above it would make low codes likelier.
const UNBIASED_BELOW: u64 = u64::MAX - u64::MAX % CODES;

/// How long a one-time code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeLength {
    /// [`ONE_TIME_CODE_DIGITS`].
    Short,
    /// [`LONG_CODE_DIGITS`].
    Long,
}

impl CodeLength {
    /// The code of this length in what [`one_time_code`] has drawn: its end, as evenly distributed as the whole.
    #[must_use]
    pub fn of(self, drawn: &str) -> &str {
        let digits = match self {
            Self::Short => ONE_TIME_CODE_DIGITS,
            Self::Long => LONG_CODE_DIGITS,
        };
        drawn.get(drawn.len().saturating_sub(digits)..).unwrap_or(drawn)
    }

    /// The length of this code.
    #[must_use]
    pub const fn is_of(code: &[u8]) -> Self {
        if code.len() < LONG_CODE_DIGITS { Self::Short } else { Self::Long }
    }
}

/// A uniformly distributed code of [`LONG_CODE_DIGITS`] decimal digits, leading zeros kept. Whoever mails it decides
/// by the guesses at the address how much of it: [`CodeLength::of`].
///
/// Rejection sampling over four 64-bit draws: the chance that all four are rejected, and the last is used in
/// spite of its bias, is below 10⁻³⁶.
#[must_use]
pub fn one_time_code(entropy: Random<32>) -> SecretText {
    let bytes = entropy.into_bytes();
    let (draws, _) = bytes.as_chunks::<8>();
    let mut code = 0;
    for draw in draws {
        let value = u64::from_le_bytes(*draw);
        code = value % CODES;
        if value < UNBIASED_BELOW {
            break;
        }
    }
    let mut digits = String::with_capacity(LONG_CODE_DIGITS);
    // A fixed width keeps the leading zeros; writing to a String cannot fail.
    let _ = write!(digits, "{code:0width$}", width = LONG_CODE_DIGITS);
    SecretText::new(digits)
}

/// A random UUID (RFC 9562 §5.4) in its lower-case form: a one-time code of 122 random bits.
#[must_use]
pub fn uuid(entropy: Random<16>) -> String {
    let mut bytes = entropy.into_bytes();
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(first: u64, second: u64) -> SecretText {
        let mut bytes = [0u8; 32];
        bytes[..8].copy_from_slice(&first.to_le_bytes());
        bytes[8..16].copy_from_slice(&second.to_le_bytes());
        one_time_code(Random::new(bytes))
    }

    #[test]
    fn leading_zeros_are_kept() {
        assert_eq!(code(42, 0).expose(), "0000000042");
        assert_eq!(code(9_999_999_999, 0).expose(), "9999999999");
        assert_eq!(code(10_000_000_000, 0).expose(), "0000000000");
    }

    #[test]
    fn a_uuid_is_random_but_for_its_version_and_variant() {
        assert_eq!(uuid(Random::new([0; 16])), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(Random::new([0xff; 16])), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let counted = core::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(uuid(Random::new(counted)), "00010203-0405-4607-8809-0a0b0c0d0e0f");
        assert_eq!(CodeLength::is_of(uuid(Random::new([0; 16])).as_bytes()), CodeLength::Long);
    }

    #[test]
    fn a_short_code_is_the_end_of_the_long_one() {
        assert_eq!(CodeLength::Short.of("1234000042"), "000042");
        assert_eq!(CodeLength::Long.of("1234000042"), "1234000042");
        assert_eq!(CodeLength::Short.of("42"), "42");
        for (code, length) in [("000042", CodeLength::Short), ("1234000042", CodeLength::Long)] {
            assert_eq!(CodeLength::is_of(code.as_bytes()), length);
        }
    }

    #[test]
    fn a_draw_that_would_favour_low_codes_is_thrown_away() {
        assert_eq!(code(UNBIASED_BELOW - 1, 7).expose(), "9999999999");
        assert_eq!(code(UNBIASED_BELOW, 7).expose(), "0000000007");
        assert_eq!(code(u64::MAX, 7).expose(), "0000000007");
    }
}
