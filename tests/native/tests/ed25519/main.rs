//! The two ways of core to check an Ed25519 signature, with and without tables, against each other, against
//! `ed25519-dalek` and against the formally verified code of HACL*, on good signatures, damaged ones, and ones contrived at the edges: points of small and of mixed order, encodings that are
//! not canonical, S of L and more.
//!
//! 6,000 cases by default. For a million: `POSTERN_CASES=1000000 cargo test --release -p postern-tests --test ed25519`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot make its cases has failed"
)]

mod cases;

use cases::{Case, Kind, Random, Signer};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use postern_core::ed25519::{Progress, PublicKey, Workshop};
use std::collections::BTreeMap;
use std::sync::Arc;

const KEYS: usize = 16;
const DEFAULT_CASES: usize = 6_000;

/// One key, four times.
struct Checkers {
    generic: PublicKey,
    with_tables: Arc<PublicKey>,
    public: [u8; 32],
    dalek: VerifyingKey,
}

impl Checkers {
    fn of(signer: &Signer, workshop: &mut Workshop) -> Self {
        let public = signer.public();
        let with_tables = Arc::new(PublicKey::from_bytes(&public).unwrap());
        while workshop.advance(Some(&with_tables)) != Progress::Finished {}
        Self {
            generic: PublicKey::from_bytes(&public).unwrap(),
            with_tables,
            public,
            dalek: VerifyingKey::from_bytes(&public).unwrap(),
        }
    }

    /// The one verdict.
    fn check(&self, case: &Case) -> bool {
        let Case { message, signature, .. } = case;
        let verdict = self.generic.verifies_vartime(message, signature);
        assert_eq!(self.with_tables.verifies_vartime(message, signature), verdict, "with tables: {case:?}");
        let third = libcrux_ed25519::verify(message, &self.public, signature).is_ok();
        assert_eq!(third, verdict, "HACL*: {case:?}");
        let fourth = self.dalek.verify(message, &Signature::from_bytes(signature)).is_ok();
        assert_eq!(fourth, verdict, "ed25519-dalek: {case:?}");
        verdict
    }
}

#[test]
fn four_implementations_agree_on_every_signature() {
    let count = std::env::var("POSTERN_CASES").map_or(DEFAULT_CASES, |count| count.parse().unwrap());
    let mut random = Random::new(b"postern ed25519 differential");
    let mut workshop = Workshop::new();
    let keys: Vec<_> = (0..KEYS)
        .map(|index| {
            // Every other key has a part of small order.
            let signer = Signer::new(&mut random, if index % 2 == 0 { 0 } else { index / 2 });
            let checkers = Checkers::of(&signer, &mut workshop);
            (signer, checkers)
        })
        .collect();
    let mut verdicts: BTreeMap<Kind, [usize; 2]> = BTreeMap::new();
    for index in 0..count {
        let (signer, checkers) = &keys[random.below(KEYS)];
        let kind = Kind::ALL[index % Kind::ALL.len()];
        let case = signer.case(kind, &mut random);
        let accepted = checkers.check(&case);
        if let Some(expected) = case.expected {
            assert_eq!(accepted, expected, "{case:?}");
        }
        verdicts.entry(kind).or_default()[usize::from(accepted)] += 1;
    }
    println!("{count} cases; refused and accepted: {verdicts:?}");
    // The contrived ones are worth something only if some of them pass.
    for kind in [Kind::Good, Kind::SmallOrderR, Kind::MixedOrderR] {
        assert!(verdicts[&kind][1] > 0, "no {kind:?} was accepted");
    }
    assert!(Kind::ALL.iter().all(|kind| *kind == Kind::Good || verdicts[kind][0] > 0));
}
