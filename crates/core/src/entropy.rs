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

const CODES: u32 = 1_000_000;
/// The largest multiple of [`CODES`] below 2³²: a draw at or above it would make low codes likelier.
const UNBIASED_BELOW: u32 = u32::MAX - u32::MAX % CODES;

/// A uniformly distributed code of six decimal digits, leading zeros kept.
///
/// Rejection sampling over eight 32-bit draws: the chance that all eight are rejected, and the last is used in
/// spite of its bias, is below 10⁻²⁸.
#[must_use]
pub fn one_time_code(entropy: Random<32>) -> SecretText {
    let bytes = entropy.into_bytes();
    let (draws, _) = bytes.as_chunks::<4>();
    let mut code = 0;
    for draw in draws {
        let value = u32::from_le_bytes(*draw);
        code = value % CODES;
        if value < UNBIASED_BELOW {
            break;
        }
    }
    let mut digits = String::with_capacity(ONE_TIME_CODE_DIGITS);
    // A fixed width keeps the leading zeros; writing to a String cannot fail.
    let _ = write!(digits, "{code:0width$}", width = ONE_TIME_CODE_DIGITS);
    SecretText::new(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(first: u32, second: u32) -> SecretText {
        let mut bytes = [0u8; 32];
        bytes[..4].copy_from_slice(&first.to_le_bytes());
        bytes[4..8].copy_from_slice(&second.to_le_bytes());
        one_time_code(Random::new(bytes))
    }

    #[test]
    fn leading_zeros_are_kept() {
        assert_eq!(code(42, 0).expose(), "000042");
        assert_eq!(code(999_999, 0).expose(), "999999");
        assert_eq!(code(1_000_000, 0).expose(), "000000");
    }

    #[test]
    fn a_draw_that_would_favour_low_codes_is_thrown_away() {
        assert_eq!(code(UNBIASED_BELOW - 1, 7).expose(), "999999");
        assert_eq!(code(UNBIASED_BELOW, 7).expose(), "000007");
        assert_eq!(code(u32::MAX, 7).expose(), "000007");
    }
}
