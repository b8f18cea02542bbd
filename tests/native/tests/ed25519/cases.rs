//! Signatures at and beyond the edges of what RFC 8032 accepts.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest as _, Sha512};

/// The order of the base point, little-endian.
const L: [u8; 32] = [
    0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// How a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// As RFC 8032 says. With a key of mixed order, it passes where k·A happens to have no part of small order.
    Good,
    /// One bit of the signature is another.
    ChangedSignature,
    /// Another message.
    ChangedMessage,
    /// S + L instead of S: the same residue.
    LargeS,
    /// S is L − 1, L or L + 1, 0, 1, or all bits.
    EdgeS,
    /// R is of small order, and S = k·a.
    SmallOrderR,
    /// R has a part of small order, so that the equation holds at least with the cofactor.
    MixedOrderR,
    /// R is an encoding of a point of small order that is not canonical, and S = k·a.
    NotCanonicalR,
    /// Any 64 bytes, S reduced.
    Garbage,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Good,
        Self::ChangedSignature,
        Self::ChangedMessage,
        Self::LargeS,
        Self::EdgeS,
        Self::SmallOrderR,
        Self::MixedOrderR,
        Self::NotCanonicalR,
        Self::Garbage,
    ];
}

#[derive(Debug)]
#[expect(dead_code, reason = "the kind is shown when implementations differ")]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) message: Vec<u8>,
    pub(crate) signature: [u8; 64],
    /// The verdict, where the making of the signature tells it.
    pub(crate) expected: Option<bool>,
}

/// A private scalar a and the public point a·B + T.
pub(crate) struct Signer {
    scalar: Scalar,
    point: EdwardsPoint,
    is_pure: bool,
}

impl Signer {
    pub(crate) fn new(random: &mut Random, torsion: usize) -> Self {
        let scalar = random.scalar();
        let point = ED25519_BASEPOINT_POINT * scalar + EIGHT_TORSION[torsion];
        Self { scalar, point, is_pure: torsion == 0 }
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.point.compress().to_bytes()
    }

    pub(crate) fn case(&self, kind: Kind, random: &mut Random) -> Case {
        let length = random.below(200);
        let mut message = random.bytes(length);
        let nonce = random.scalar();
        let r = ED25519_BASEPOINT_POINT * nonce;
        let torsion = EIGHT_TORSION[random.below(8)];
        let mut signature = match kind {
            Kind::SmallOrderR => self.sign(torsion.compress().to_bytes(), Scalar::ZERO, &message),
            Kind::MixedOrderR => self.sign((r + torsion).compress().to_bytes(), nonce, &message),
            Kind::NotCanonicalR => self.sign(not_canonical(random.below(6)), Scalar::ZERO, &message),
            _ => self.sign(r.compress().to_bytes(), nonce, &message),
        };
        let expected = match kind {
            Kind::Good => self.is_pure.then_some(true),
            Kind::SmallOrderR | Kind::MixedOrderR => self.is_pure.then_some(torsion == EIGHT_TORSION[0]),
            _ => Some(false),
        };
        match kind {
            Kind::ChangedSignature => signature[random.below(64)] ^= 1 << random.below(8),
            Kind::ChangedMessage => message.push(0),
            Kind::LargeS => add_l(&mut signature),
            Kind::EdgeS => signature[32..].copy_from_slice(&edge(random.below(6))),
            Kind::Garbage => {
                signature[..32].copy_from_slice(&random.bytes(32));
                signature[32..].copy_from_slice(&random.scalar().to_bytes());
            }
            Kind::Good | Kind::SmallOrderR | Kind::MixedOrderR | Kind::NotCanonicalR => {}
        }
        Case { kind, message, signature, expected }
    }

    fn sign(&self, r: [u8; 32], nonce: Scalar, message: &[u8]) -> [u8; 64] {
        let digest =
            Sha512::new().chain_update(r).chain_update(self.public()).chain_update(message).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&digest.into());
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&(nonce + k * self.scalar).to_bytes());
        signature
    }
}

/// Encodings of (0, 1) and (0, −1) with y of p or more or with the sign of a zero, and of a y of p, which is 0.
fn not_canonical(which: usize) -> [u8; 32] {
    let ones = |low, high| {
        let mut bytes = [0xFF; 32];
        (bytes[0], bytes[31]) = (low, high);
        bytes
    };
    let mut negative_zero = [0; 32];
    (negative_zero[0], negative_zero[31]) = (1, 0x80);
    [ones(0xEE, 0x7F), ones(0xEE, 0xFF), negative_zero, ones(0xEC, 0xFF), ones(0xED, 0x7F), ones(0xED, 0xFF)]
        [which]
}

fn edge(which: usize) -> [u8; 32] {
    let near_l = |change: i8| {
        let mut bytes = L;
        bytes[0] = bytes[0].wrapping_add_signed(change);
        bytes
    };
    [near_l(-1), near_l(0), near_l(1), Scalar::ZERO.to_bytes(), Scalar::ONE.to_bytes(), [0xFF; 32]][which]
}

fn add_l(signature: &mut [u8; 64]) {
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

/// Random bytes that are the same in every run: SHA-512 of a seed and a counter.
pub(crate) struct Random {
    seed: Vec<u8>,
    counter: u64,
}

impl Random {
    pub(crate) fn new(seed: &[u8]) -> Self {
        Self { seed: seed.to_vec(), counter: 0 }
    }

    fn block(&mut self) -> [u8; 64] {
        self.counter += 1;
        Sha512::new().chain_update(&self.seed).chain_update(self.counter.to_le_bytes()).finalize().into()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            bytes.extend(self.block());
        }
        bytes.truncate(length);
        bytes
    }

    fn scalar(&mut self) -> Scalar {
        Scalar::from_bytes_mod_order_wide(&self.block())
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let [low, high, ..] = self.block();
        usize::from(u16::from_le_bytes([low, high])) % bound
    }
}
