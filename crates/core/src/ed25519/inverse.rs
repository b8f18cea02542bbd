//! Inversion modulo p = 2²⁵⁵ − 19 by the division steps of Bernstein and Yang ("Fast constant-time gcd computation
//! and modular inversion", 2019), in variable time: six times as fast as raising to the power p − 2.
//!
//! The numbers f and g start as p and the argument. A step halves g, after it has been made even by ±f and perhaps an
//! exchange of the two; at g = 0, f is ±1. Thirty steps depend on the lowest thirty bits alone, so they are gathered
//! in a matrix and then applied at once to f and g, and to d and e, which keep f = d·x and g = e·x modulo p.
//!
//! Bounds, for limbs of 30 bits in `i32` and products in `i64`:
//!
//! - the entries of a [`Matrix`] satisfy |u| + |v| ≤ 2³⁰ and |q| + |r| ≤ 2³⁰: each step at most doubles a row;
//! - all but the highest limb are in 0..2³⁰; the highest limb holds the sign. |f|, |g| ≤ p, and −2p < d, e < p, so
//!   that limb is within ±2¹⁶;
//! - a column's sum is therefore at most 2³⁰·2³⁰ for f and g; for d and e one multiple of p below 2³⁰ comes on top,
//!   |19·2³⁰| in the lowest column and 2¹⁵·2³⁰ in the highest; and the carry of the column before, at most 2³². All
//!   of it is below 2⁶².
//!
//! The tests run with overflow checks, at the extremes too. A wrong result could only refuse a signature: the caller
//! multiplies it with the argument.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "bounded as above; the conversions take the lowest bits on purpose"
)]

const LIMBS: usize = 9;
const LIMB_BITS: u32 = 30;
const LIMB: i32 = (1 << LIMB_BITS) - 1;

/// For operands of 255 bits, 738 steps always suffice (theorem 11.2 of the paper).
const MAX_ROUNDS: usize = 25;

/// The multiple of 2³⁰ that p misses: 19 · INVERSE_OF_19 = 1 modulo 2³⁰.
const INVERSE_OF_19: i32 = 0x286B_CA1B;

/// A signed number: limbs of 30 bits, the lowest first; the sign is in the highest.
type Limbs = [i32; LIMBS];

/// 2²⁵⁵ − 19, with a negative lowest limb.
const P: Limbs = [-19, 0, 0, 0, 0, 0, 0, 0, 1 << 15];

/// Thirty steps: f' = (u·f + v·g)/2³⁰ and g' = (q·f + r·g)/2³⁰.
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

/// 1/x modulo p for an x below p, both little-endian; `None` for zero.
pub(super) fn invert_vartime(x: &[u8; 32]) -> Option<[u8; 32]> {
    let (mut f, mut g) = (P, unpack(x));
    let (mut d, mut e) = ([0; LIMBS], [0; LIMBS]);
    *e.first_mut()? = 1;
    let mut delta = 1;
    for _ in 0..MAX_ROUNDS {
        let low = |limbs: &Limbs| limbs.first().map_or(0, |limb| *limb as u32);
        let steps = thirty_steps(&mut delta, low(&f), low(&g));
        (f, g) = apply(&steps, &f, &g);
        (d, e) = apply_modulo_p(&steps, &d, &e);
        if g == [0; LIMBS] {
            let is_minus_one = f.last().is_some_and(|high| *high < 0);
            return is_unit(&f).then(|| pack(&reduce(d, is_minus_one)));
        }
    }
    None
}

/// Divides thirty times, skipping over runs of zero bits, and clearing up to six bits of g at once.
fn thirty_steps(delta: &mut i32, mut f: u32, mut g: u32) -> Matrix {
    let (mut u, mut v, mut q, mut r) = (1i32, 0i32, 0i32, 1i32);
    let mut left = LIMB_BITS;
    loop {
        // The bit at `left` ends the run where the steps end.
        let zeros = (g | 1 << left).trailing_zeros();
        g >>= zeros;
        (u, v) = (u << zeros, v << zeros);
        *delta += zeros as i32;
        left -= zeros;
        if left == 0 {
            return Matrix { u: u.into(), v: v.into(), q: q.into(), r: r.into() };
        }
        if *delta > 0 {
            *delta = -*delta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, -u);
            (v, r) = (r, -v);
        }
        // Until delta is positive again or the steps end, every step adds f or nothing: a multiple of f that is
        // known from the lowest bits. f·(2 − f²) is the inverse of an odd f modulo 64.
        let bits = left.min((1 - *delta) as u32).min(6);
        let minus_inverse = f.wrapping_mul(f.wrapping_mul(f).wrapping_sub(2));
        let multiple = g.wrapping_mul(minus_inverse) & ((1 << bits) - 1);
        g = g.wrapping_add(f.wrapping_mul(multiple));
        q += u * multiple as i32;
        r += v * multiple as i32;
    }
}

/// The new f and g. The division by 2³⁰ leaves no remainder.
fn apply(steps: &Matrix, f: &Limbs, g: &Limbs) -> (Limbs, Limbs) {
    let (mut new_f, mut new_g) = (Shifter::new(), Shifter::new());
    for (f, g) in f.iter().zip(g) {
        let (f, g) = (i64::from(*f), i64::from(*g));
        new_f.push(steps.u * f + steps.v * g);
        new_g.push(steps.q * f + steps.r * g);
    }
    (new_f.finish(), new_g.finish())
}

/// The new d and e. A multiple of p makes the division by 2³⁰ exact; where one of d and e is negative, p is added
/// to it first, so that both stay between −2p and p.
fn apply_modulo_p(steps: &Matrix, d: &Limbs, e: &Limbs) -> (Limbs, Limbs) {
    let negative = |limbs: &Limbs| limbs.last().map_or(0, |high| i64::from(*high >> 31));
    let low = |limbs: &Limbs| limbs.first().map_or(0, |limb| i64::from(*limb));
    let multiple = |of_d: i64, of_e: i64| {
        let wanted = (of_d & negative(d)) + (of_e & negative(e));
        let lowest = of_d * low(d) + of_e * low(e);
        // p is −19 modulo 2³⁰: adding m·p clears the lowest bits when 19·m is what stands there. What is added on top
        // of the above is not positive, so the result stays below p.
        let clearing = (wanted as i32).wrapping_sub((lowest as i32).wrapping_mul(INVERSE_OF_19)) & LIMB;
        wanted - i64::from(clearing)
    };
    let (of_p_in_d, of_p_in_e) = (multiple(steps.u, steps.v), multiple(steps.q, steps.r));
    let (mut new_d, mut new_e) = (Shifter::new(), Shifter::new());
    for ((d, e), p) in d.iter().zip(e).zip(&P) {
        let (d, e, p) = (i64::from(*d), i64::from(*e), i64::from(*p));
        new_d.push(steps.u * d + steps.v * e + of_p_in_d * p);
        new_e.push(steps.q * d + steps.r * e + of_p_in_e * p);
    }
    (new_d.finish(), new_e.finish())
}

/// Takes the columns of a number from the lowest on, and gives its limbs divided by 2³⁰.
struct Shifter {
    limbs: Limbs,
    carry: i64,
    taken: usize,
}

impl Shifter {
    const fn new() -> Self {
        Self { limbs: [0; LIMBS], carry: 0, taken: 0 }
    }

    #[inline]
    fn push(&mut self, column: i64) {
        self.carry += column;
        // The lowest limb is zero: it is what the division takes away.
        if let Some(slot) = self.taken.checked_sub(1).and_then(|place| self.limbs.get_mut(place)) {
            *slot = self.carry as i32 & LIMB;
        } else {
            debug_assert_eq!(self.carry as i32 & LIMB, 0);
        }
        self.carry >>= LIMB_BITS;
        self.taken += 1;
    }

    #[inline]
    fn finish(mut self) -> Limbs {
        debug_assert!(self.carry.abs() <= 1 << 17);
        if let Some(high) = self.limbs.last_mut() {
            *high = self.carry as i32;
        }
        self.limbs
    }
}

/// Whether f is 1 or −1, the greatest common divisor of p and anything else but zero.
fn is_unit(f: &Limbs) -> bool {
    const ONE: Limbs = [1, 0, 0, 0, 0, 0, 0, 0, 0];
    const MINUS_ONE: Limbs = [LIMB, LIMB, LIMB, LIMB, LIMB, LIMB, LIMB, LIMB, -1];
    *f == ONE || *f == MINUS_ONE
}

/// ±d modulo p, for a d between −2p and p.
fn reduce(d: Limbs, negate: bool) -> Limbs {
    let near = plus_p_if_negative(d);
    plus_p_if_negative(if negate { normalise(near.map(|limb| -limb)) } else { near })
}

fn plus_p_if_negative(mut limbs: Limbs) -> Limbs {
    if limbs.last().is_some_and(|high| *high < 0) {
        for (limb, p) in limbs.iter_mut().zip(P) {
            *limb += p;
        }
    }
    normalise(limbs)
}

/// Moves what exceeds 30 bits up, so that only the highest limb is negative.
fn normalise(mut limbs: Limbs) -> Limbs {
    let mut carry = 0;
    if let Some((high, others)) = limbs.split_last_mut() {
        for limb in others {
            let sum = *limb + carry;
            *limb = sum & LIMB;
            carry = sum >> LIMB_BITS;
        }
        *high += carry;
    }
    limbs
}

fn unpack(bytes: &[u8; 32]) -> Limbs {
    let mut limbs = [0; LIMBS];
    let mut places = limbs.iter_mut();
    let (mut held, mut bits) = (0u64, 0);
    for byte in bytes {
        held |= u64::from(*byte) << bits;
        bits += 8;
        if bits >= LIMB_BITS {
            if let Some(place) = places.next() {
                *place = held as i32 & LIMB;
            }
            held >>= LIMB_BITS;
            bits -= LIMB_BITS;
        }
    }
    if let Some(place) = places.next() {
        *place = held as i32;
    }
    limbs
}

/// The bytes of a number between 0 and p.
fn pack(limbs: &Limbs) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut limbs = limbs.iter();
    let (mut held, mut bits) = (0u64, 0);
    for byte in &mut bytes {
        if bits < 8 {
            held |= limbs.next().map_or(0, |limb| (*limb as u64) << bits);
            bits += LIMB_BITS;
        }
        *byte = held as u8;
        held >>= 8;
        bits -= 8;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::field::Tight;
    use super::*;
    use proptest::prelude::*;

    /// x to the power p − 2.
    fn by_fermat(x: Tight) -> Tight {
        // p − 2 = 8·(2²⁵² − 3) + 3
        let eighth = x.power_252_3();
        eighth.square().square().square().times(&x.square()).times(&x)
    }

    fn check(bytes: &[u8; 32]) {
        let x = Tight::from_bytes(bytes);
        let inverse = invert_vartime(&x.to_bytes());
        if x.equals(Tight::ZERO) {
            assert_eq!(inverse, None);
        } else {
            assert_eq!(Tight::from_bytes(&inverse.unwrap()).to_bytes(), by_fermat(x).to_bytes(), "{bytes:?}");
        }
    }

    #[test]
    fn the_constant_is_the_inverse_of_19() {
        assert_eq!(INVERSE_OF_19.wrapping_mul(19) & LIMB, 1);
    }

    #[test]
    fn the_extremes() {
        for small in 0..=64 {
            let mut low = [0; 32];
            low[0] = small;
            check(&low);
            // p − 19 and its neighbours, around p and up to 2²⁵⁵ − 1.
            let mut high = [0xFF; 32];
            high[0] = 0xFF - small;
            high[31] = 0x7F;
            check(&high);
        }
        for bit in 0..255 {
            let mut power = [0; 32];
            power[bit / 8] = 1 << (bit % 8);
            check(&power);
            let mut below = [0; 32];
            for place in 0..bit {
                below[place / 8] |= 1 << (place % 8);
            }
            check(&below);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn agrees_with_fermat(bytes: [u8; 32]) {
            check(&bytes);
        }

        #[test]
        fn sparse_numbers_too(places in proptest::collection::vec((0usize..32, any::<u8>()), 0..4)) {
            let mut bytes = [0; 32];
            for (place, byte) in places {
                bytes[place] = byte;
            }
            check(&bytes);
        }
    }
}
