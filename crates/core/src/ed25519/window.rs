//! S·B + k·P for a point without tables: signed windows of five bits (NAF), for the base point B and P side by side.
//!
//! Two hundred and fifty doublings and about ninety additions; with tables it is a sixth of that. The time depends on
//! all arguments.

#![allow(clippy::arithmetic_side_effects, reason = "small numbers: places in a scalar, digits below 32")]

use super::point::{Completed, Point, Projective};

/// Bits of a window. Its digits are odd, and at most 15 in size.
const WINDOW_BITS: usize = 5;
/// How many odd multiples a digit can mean, but for its sign.
const MULTIPLES: usize = 1 << (WINDOW_BITS - 2);
const SCALAR_BITS: usize = 256;

/// S·B + k·P, for scalars below 2²⁵⁵, little-endian.
pub(super) fn combine_vartime(s: &[u8; 32], k: &[u8; 32], point: &Point) -> Projective {
    let (of_base, of_point) = (odd_multiples(&Point::BASE), odd_multiples(point));
    let mut sum = Completed::NEUTRAL;
    for (of_s, of_k) in digits(s).into_iter().zip(digits(k)).rev() {
        sum = sum.to_projective().double();
        for (digit, multiples) in [(of_s, &of_base), (of_k, &of_point)] {
            let Some(multiple) = multiples.get(usize::from(digit.unsigned_abs() >> 1)) else { continue };
            match digit {
                0 => {}
                1.. => sum = sum.to_point().plus(multiple),
                ..0 => sum = sum.to_point().plus(&multiple.negated()),
            }
        }
    }
    sum.to_projective()
}

/// P, 3·P, 5·P and so on.
fn odd_multiples(point: &Point) -> [Point; MULTIPLES] {
    let twice = point.double();
    let mut multiple = *point;
    [(); MULTIPLES].map(|()| {
        let next = multiple.plus(&twice).to_point();
        core::mem::replace(&mut multiple, next)
    })
}

/// Σ dᵢ·2ⁱ: zeros, and odd numbers from −15 to 15 with four zeros after each.
///
/// A window that is 16 or more is taken as what it lacks to 32, and one is carried to the bit after it. From the bits of
/// a number below 2²⁵⁵ nothing is carried beyond the last digit: the highest window is then less than 16.
fn digits(scalar: &[u8; 32]) -> [i8; SCALAR_BITS] {
    let mut digits = [0; SCALAR_BITS];
    let mut carry = 0;
    let mut place = 0;
    while let Some(digit) = digits.get_mut(place) {
        let window = carry + bits_at(scalar, place);
        if window & 1 == 0 {
            // With a carry, the bit here is one, and one is carried on.
            place += 1;
            continue;
        }
        carry = window >> (WINDOW_BITS - 1);
        *digit = window.cast_signed() - (carry << WINDOW_BITS).cast_signed();
        place += WINDOW_BITS;
    }
    digits
}

/// The bits of a window that begins here.
fn bits_at(scalar: &[u8; 32], place: usize) -> u8 {
    let byte = |at: usize| scalar.get(at).copied().unwrap_or(0);
    let both = u16::from_le_bytes([byte(place / 8), byte(place / 8 + 1)]);
    let [low, _] = (both >> (place % 8)).to_le_bytes();
    low & ((1 << WINDOW_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The digits give the number again, and are what they should be.
    fn check(scalar: &[u8; 32]) {
        let digits = digits(scalar);
        // The sum by Horner's rule, as 17 limbs of 16 bits with a sign.
        let mut sum = [0i64; 17];
        for digit in digits.iter().rev() {
            let mut carry = i64::from(*digit);
            for limb in &mut sum {
                let value = *limb * 2 + carry;
                *limb = value & 0xFFFF;
                carry = value >> 16;
            }
            assert!(carry == 0 || carry == -1, "{carry}");
        }
        for (limb, bytes) in sum.iter().zip(scalar.chunks(2)) {
            assert_eq!(*limb, i64::from(u16::from_le_bytes(bytes.try_into().unwrap())));
        }
        assert_eq!(sum[16], 0);
        for (place, digit) in digits.iter().enumerate().filter(|(_, digit)| **digit != 0) {
            assert!(digit % 2 != 0 && digit.abs() < 16, "{digit}");
            assert!(digits[place + 1..].iter().take(4).all(|next| *next == 0));
        }
    }

    #[test]
    fn digits_at_the_edges() {
        let mut highest = [0xFF; 32];
        highest[31] = 0x7F;
        check(&[0; 32]);
        check(&highest);
        for bit in 0..255 {
            let mut scalar = [0; 32];
            scalar[bit / 8] |= 1 << (bit % 8);
            check(&scalar);
            for byte in scalar.iter_mut().take(bit / 8) {
                *byte = 0xFF;
            }
            check(&scalar);
        }
    }

    proptest! {
        #[test]
        fn digits_are_the_scalar(mut scalar: [u8; 32]) {
            scalar[31] &= 0x7F;
            check(&scalar);
        }
    }
}
