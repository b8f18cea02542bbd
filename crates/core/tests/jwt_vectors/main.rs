//! Runs the token vectors of `tests/vectors/jwt`: an input and the verdict on it, the same for every verifier.
//!
//! The files stand alone and are checked in. `generate` holds what they were made from; after a change there, run
//! `POSTERN_WRITE_VECTORS=1 cargo test -p postern-core --test jwt_vectors`.
#![cfg(feature = "verify")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test that meets the unexpected must fail, and its inputs are its own"
)]

mod generate;

use postern_core::codec::base64url;
use postern_core::jwt::{
    AlgorithmName, Claim, KeySet, SignatureVerdict, TenantRule, VerificationPolicy, VerifyingKey, begin,
    verify,
};
use postern_core::time::{Seconds, UnixSeconds};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/jwt").join(name)
}

fn load(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

fn key_set(value: &Value) -> KeySet {
    let mut keys: Vec<VerifyingKey> = Vec::new();
    // A set without keys is no set, but shared secrets may stand alone.
    if value["jwks"]["keys"] != json!([]) {
        let published = KeySet::from_jwks(value["jwks"].to_string().as_bytes()).unwrap();
        keys.extend(published.iter().cloned());
    }
    for (member, default) in [("hmac_sha256", "HS256"), ("secrets", "")] {
        for secret in value[member].as_array().into_iter().flatten() {
            let name = AlgorithmName::from_text(secret["alg"].as_str().unwrap_or(default)).unwrap();
            let bytes = base64url::decode(secret["secret"].as_str().unwrap().as_bytes()).unwrap();
            let id = secret["kid"].as_str().unwrap().parse().unwrap();
            keys.push(VerifyingKey::hmac(id, name.algorithm(), &bytes).unwrap());
        }
    }
    KeySet::from_keys(keys).unwrap()
}

fn policy(value: &Value) -> VerificationPolicy {
    let texts = |name: &str| {
        value[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>()
    };
    let tenant = match value["tenant"].as_str() {
        Some(tenant) => TenantRule::Exactly(tenant.parse().unwrap()),
        None => TenantRule::Any,
    };
    let required: Vec<Claim> =
        texts("required_claims").into_iter().map(|name| Claim::from_name(name).unwrap()).collect();
    let policy = VerificationPolicy::new(value["issuer"].as_str().unwrap(), texts("audiences"), tenant)
        .and_then(|policy| {
            policy.with_leeway(Seconds::new(value["leeway"].as_u64().unwrap().try_into().unwrap()))
        })
        .and_then(|policy| policy.with_token_type(value["token_type"].as_str().unwrap()))
        .unwrap()
        .with_required_claims(&required);
    with_options(policy, value).unwrap()
}

/// The policy with the members that most vectors leave at their defaults.
fn with_options(
    mut policy: VerificationPolicy,
    value: &Value,
) -> Result<VerificationPolicy, postern_core::jwt::PolicyError> {
    let seconds = |name: &str| value[name].as_u64().map(|span| Seconds::new(span.try_into().unwrap()));
    if let Some(max_age) = seconds("max_age") {
        policy = policy.with_max_age(max_age)?;
    }
    if let Some(max_future) = seconds("max_future") {
        policy = policy.with_max_future(max_future)?;
    }
    match value["subject_claim"].as_str() {
        Some(name) => policy.with_subject_claim(name),
        None => Ok(policy),
    }
}

/// The verdict, and the claim it is about, if it is about one.
fn verdict(
    case: &Value,
    key_sets: &BTreeMap<&str, KeySet>,
    policies: &BTreeMap<&str, VerificationPolicy>,
) -> Value {
    let token = case["token"].as_str().unwrap();
    let keys = &key_sets[case["keys"].as_str().unwrap()];
    let policy = &policies[case["policy"].as_str().unwrap()];
    match verify(token, keys, policy, UnixSeconds::new(case["now"].as_u64().unwrap())) {
        Ok(_) => json!(["accepted", null]),
        Err(refusal) => json!([refusal.code(), refusal.claim().map(Claim::name)]),
    }
}

fn named<T>(members: &Value, read: impl Fn(&Value) -> T) -> BTreeMap<&str, T> {
    members.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), read(value))).collect()
}

/// Runs a file of tokens; how many cases it has, and how many are accepted.
fn run(name: &str) -> (usize, usize) {
    let file = load(name);
    let (key_sets, policies) = (named(&file["key_sets"], key_set), named(&file["policies"], policy));
    let cases = file["cases"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for case in cases {
        assert!(names.insert(case["name"].as_str().unwrap()), "{} twice", case["name"]);
        let expected = json!([case["verdict"], case.get("claim")]);
        assert_eq!(verdict(case, &key_sets, &policies), expected, "{}", case["name"]);
        // A host's word can refuse every token, and let none in that is not good: all algorithms are built in here.
        let by_host = |verdict| {
            let (keys, policy) = (case["keys"].as_str().unwrap(), case["policy"].as_str().unwrap());
            let token = case["token"].as_str().unwrap();
            let candidate = begin(token, &key_sets[keys], &policies[policy])?.into_owned();
            candidate.checked_by_host(verdict)?.finish(UnixSeconds::new(case["now"].as_u64().unwrap()))
        };
        assert!(by_host(SignatureVerdict::Invalid).is_err(), "{}", case["name"]);
        let code = by_host(SignatureVerdict::Valid).map_or_else(|refusal| refusal.code(), |_| "accepted");
        assert_eq!(code, case["verdict"], "{}", case["name"]);
    }
    (cases.len(), cases.iter().filter(|case| case["verdict"] == "accepted").count())
}

#[test]
fn every_token_gets_its_verdict() {
    let (cases, accepted) = run("verify.json");
    assert!(cases >= 60 && cases > 4 * accepted, "{accepted} of {cases} cases are accepted");
}

#[test]
fn every_algorithm_takes_its_own_signatures_alone() {
    let (cases, accepted) = run("algorithms.json");
    assert!(accepted >= 30 && cases > 10 * accepted, "{accepted} of {cases} cases are accepted");
}

#[test]
fn every_reason_for_refusal_has_a_case() {
    let file = load("verify.json");
    let seen: BTreeSet<&str> =
        file["cases"].as_array().unwrap().iter().map(|case| case["verdict"].as_str().unwrap()).collect();
    let known = BTreeSet::from([
        "accepted",
        "token_too_large",
        "token_malformed",
        "header_malformed",
        "critical_header_unsupported",
        "token_type_mismatch",
        "key_not_found",
        "algorithm_not_allowed",
        "signature_invalid",
        "payload_malformed",
        "claim_malformed",
        "claim_missing",
        "issuer_mismatch",
        "audience_mismatch",
        "token_expired",
        "token_not_yet_valid",
        "token_issued_in_future",
        "token_clock_skew",
        "token_too_old",
        "tenant_mismatch",
    ]);
    assert_eq!(seen, known);
}

#[test]
fn every_key_set_gets_its_verdict() {
    let file = load("key_sets.json");
    for case in file["cases"].as_array().unwrap() {
        let verdict = match KeySet::from_jwks(case["jwks"].as_str().unwrap().as_bytes()) {
            Ok(set) => json!({"accepted": set.iter().map(|key| key.id().as_str()).collect::<Vec<_>>()}),
            Err(refusal) => json!(refusal.code()),
        };
        assert_eq!(verdict, case["verdict"], "{}", case["name"]);
    }
}

#[test]
fn the_files_are_what_the_generator_writes() {
    for (name, value) in
        [("verify.json", generate::verify_file()), ("key_sets.json", generate::key_sets_file())]
    {
        if std::env::var_os("POSTERN_WRITE_VECTORS").is_some() {
            std::fs::write(path(name), format!("{value:#}\n")).unwrap();
        }
        assert!(load(name) == value, "{name} differs from what the generator makes");
    }
}
