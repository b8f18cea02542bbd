//! The curves P-256 and P-384 (FIPS 186-5, SP 800-186 §3.2.1): whether a point lies on them, and nothing more.
//!
//! A key set must get the same verdict in every build, also in those that leave ECDSA to their host. The arithmetic
//! is the plainest there is: public numbers, once per key, a bit at a time.

/// A number in words of 32 bits, the highest first, that of either curve: one code for both is half of two.
type Number = [u32; WORDS];

const WORDS: usize = 12;

/// A curve y² = x³ − 3x + b over a prime field.
pub(super) struct Curve {
    /// How many bytes a coordinate has.
    bytes: usize,
    prime: Number,
    b: Number,
}

pub(super) const P256: Curve = Curve {
    bytes: 32,
    prime: [0, 0, 0, 0, 0xFFFF_FFFF, 0x0000_0001, 0, 0, 0, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF],
    b: [
        0,
        0,
        0,
        0,
        0x5AC6_35D8,
        0xAA3A_93E7,
        0xB3EB_BD55,
        0x7698_86BC,
        0x651D_06B0,
        0xCC53_B0F6,
        0x3BCE_3C3E,
        0x27D2_604B,
    ],
};

pub(super) const P384: Curve = Curve {
    bytes: 48,
    prime: [
        0xFFFF_FFFF,
        0xFFFF_FFFF,
        0xFFFF_FFFF,
        0xFFFF_FFFF,
        0xFFFF_FFFF,
        0xFFFF_FFFF,
        0xFFFF_FFFF,
        0xFFFF_FFFE,
        0xFFFF_FFFF,
        0x0000_0000,
        0x0000_0000,
        0xFFFF_FFFF,
    ],
    b: [
        0xB331_2FA7,
        0xE23E_E7E4,
        0x988E_056B,
        0xE3F8_2D19,
        0x181D_9C6E,
        0xFE81_4112,
        0x0314_088F,
        0x5013_875A,
        0xC656_398D,
        0x8A2E_D19D,
        0x2A85_C8ED,
        0xD3EC_2AEF,
    ],
};

impl Curve {
    /// Whether these big-endian coordinates, each of exactly as many bytes as the prime and below it, are a point of the
    /// curve. The point at infinity has none.
    pub(super) fn has(&self, x: &[u8], y: &[u8]) -> bool {
        let (Some(x), Some(y)) = (self.element(x), self.element(y)) else { return false };
        let three_x = self.sum(&self.sum(&x, &x), &x);
        let right = self.sum(&self.product(&self.product(&x, &x), &x), &self.b);
        self.sum(&self.product(&y, &y), &three_x) == right
    }

    fn element(&self, bytes: &[u8]) -> Option<Number> {
        let (words, []) = bytes.as_chunks::<4>() else { return None };
        let mut number = [0; WORDS];
        for (slot, word) in number.iter_mut().rev().zip(words.iter().rev()) {
            *slot = u32::from_be_bytes(*word);
        }
        (bytes.len() == self.bytes && number < self.prime).then_some(number)
    }

    /// The sum of two numbers below the prime.
    fn sum(&self, left: &Number, right: &Number) -> Number {
        let mut sum = [0; WORDS];
        let mut carry = false;
        for ((word, left), right) in sum.iter_mut().zip(left).zip(right).rev() {
            (*word, carry) = left.carrying_add(*right, carry);
        }
        if carry || sum >= self.prime {
            let mut borrow = false;
            for (word, prime) in sum.iter_mut().zip(self.prime).rev() {
                (*word, borrow) = word.borrowing_sub(prime, borrow);
            }
        }
        sum
    }

    /// The product of two numbers below the prime: for each bit from the highest, double and perhaps add.
    fn product(&self, left: &Number, right: &Number) -> Number {
        let mut product = [0; WORDS];
        for bit in right.iter().flat_map(|word| (0..u32::BITS).rev().map(move |bit| word >> bit & 1 == 1)) {
            product = self.sum(&product, &product);
            if bit {
                product = self.sum(&product, left);
            }
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap()
    }

    /// The base points of SP 800-186 §3.2.1.
    const G_256: [&str; 2] = [
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    ];
    const G_384: [&str; 2] = [
        "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
        "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    ];

    #[test]
    fn the_base_points_are_on_their_curves_and_no_neighbour_is() {
        let [x, y] = G_256.map(hex);
        assert!(P256.has(&x, &y));
        assert!(!P256.has(&y, &x));
        let [x, y] = G_384.map(hex);
        assert!(P384.has(&x, &y));
        for at in 0..48 {
            for bit in 0..8 {
                let mut near = y.clone();
                near[at] ^= 1 << bit;
                assert!(!P384.has(&x, &near), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn coordinates_are_reduced_and_of_full_length() {
        let [x, y] = G_256.map(hex);
        for (bad_x, bad_y) in [
            (&x[1..], &y[..]),
            (&[&[0], &x[..]].concat(), &y),
            (&[0; 32], &[0; 32]),
            (&[0xFF; 32], &y),
            (&[], &[]),
            (&[&[0; 16], &x[..]].concat(), &[&[0; 16], &y[..]].concat()),
        ] {
            assert!(!P256.has(bad_x, bad_y), "{bad_x:x?}");
        }
        // The prime itself, which stands for zero.
        assert!(!P256.has(&hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"), &y));
        assert!(!P384.has(&x, &y));
    }

    #[cfg(feature = "ecdsa")]
    proptest::proptest! {
        #[test]
        fn the_same_points_as_p256_and_p384(secret: [u8; 32], at in 0usize..64, flip: u8) {
            use p256::ecdsa::SigningKey;
            if let Ok(key) = SigningKey::from_slice(&secret) {
                let mut point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                point[at + 1] ^= flip;
                let theirs = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).is_ok();
                proptest::prop_assert_eq!(P256.has(&point[1..33], &point[33..]), theirs);
                proptest::prop_assert_eq!(theirs, flip == 0);
            }
            let mut long = [0; 48];
            long[16..].copy_from_slice(&secret);
            if let Ok(key) = p384::ecdsa::SigningKey::from_slice(&long) {
                let mut point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                point[at + 1] ^= flip;
                let theirs = p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).is_ok();
                proptest::prop_assert_eq!(P384.has(&point[1..49], &point[49..]), theirs);
            }
        }
    }
}
