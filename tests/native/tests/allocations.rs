//! Counts what verifying a token allocates: what the claims hold, and what is only on the way to them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that finds its vectors missing has failed"
)]

use allocation_counter::measure;
use postern_core::codec::base64url;
use postern_core::jwt::{KeySet, MAX_PAYLOAD_BYTES, TenantRule, TokenVerifier, VerificationPolicy, verify};
use postern_core::time::UnixSeconds;
use serde_json::Value;

struct Counted {
    /// Still alive in the claims that came back.
    held: i64,
    /// Gone by the time `verify` returned.
    passing: i64,
}

/// Verifies the vector of this name and counts. Panics if its verdict is another.
fn count(name: &str, is_accepted: bool) -> Counted {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/jwt/verify.json")).unwrap();
    let case = vectors["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
    let keys = KeySet::from_jwks(vectors["key_sets"]["a"]["jwks"].to_string().as_bytes()).unwrap();
    let policy =
        VerificationPolicy::new("https://auth.example", ["https://api.example"], TenantRule::Any).unwrap();
    let now = UnixSeconds::new(case["now"].as_u64().unwrap());
    let token = case["token"].as_str().unwrap();

    let mut outcome = None;
    let info = measure(|| outcome = Some(verify(token, &keys, &policy, now)));
    assert_eq!(outcome.unwrap().is_ok(), is_accepted, "{name}");
    let held = info.count_current;
    Counted { held, passing: i64::try_from(info.count_total).unwrap() - held }
}

#[test]
fn verifying_allocates_the_claims_and_little_else() {
    let plain = count("a plain access token", true);
    println!("accepted: {} held by the claims, {} on the way", plain.held, plain.passing);
    assert!(plain.passing <= 10, "{} allocations on the way", plain.passing);
}

#[test]
fn a_token_verifier_allocates_once_for_the_members() {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/jwt/verify.json")).unwrap();
    let case =
        vectors["cases"].as_array().unwrap().iter().find(|case| case["name"] == "a plain access token");
    let (token, now) = (case.unwrap()["token"].as_str().unwrap(), case.unwrap()["now"].as_u64().unwrap());
    let policy =
        VerificationPolicy::new("https://auth.example", ["https://api.example"], TenantRule::Any).unwrap();
    let mut verifier = TokenVerifier::new(policy);
    let jwks = vectors["key_sets"]["a"]["jwks"].to_string();
    verifier.replace_keys(KeySet::from_jwks(jwks.as_bytes()).unwrap());
    let mut room = [0; MAX_PAYLOAD_BYTES];
    let mut count = || {
        let info = measure(|| {
            assert!(verifier.verify(token, UnixSeconds::new(now), &mut room).is_ok());
        });
        (info.count_total, info.count_current)
    };
    let (_, kept) = count();
    assert_eq!(kept, 1, "the header, now familiar");
    assert_eq!(count(), (1, 0));
}

#[test]
fn a_text_that_is_no_token_costs_nothing() {
    let policy = VerificationPolicy::new("i", ["a"], TenantRule::Any).unwrap();
    let payload = base64url::encode(b"{}");
    let keys = KeySet::from_jwks(
        br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    )
    .unwrap();
    for text in [
        "",
        "x",
        "a.b",
        "a.b.c.d",
        &"a".repeat(9000),
        &format!("..{payload}"),
        &format!("{payload}.{payload}."),
    ] {
        let info = measure(|| drop(verify(text, &keys, &policy, UnixSeconds::new(0))));
        assert_eq!(info.count_total, 0, "{text:.20}");
    }
}
