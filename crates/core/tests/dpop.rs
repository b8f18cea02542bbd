//! Proofs of possession against `tests/vectors/dpop`, and what no proof may bring about.
#![cfg(feature = "issue")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a helper that panics fails the test that called it"
)]

use postern_core::codec::base64url;
use postern_core::dpop::{Proof, ProofDemand, ProofRefusal, ProofWindow, ShownKey, normal_address};
use postern_core::id::OperationId;
use postern_core::jwt::SignatureVerdict;
use postern_core::session::KeyThumbprint;
use postern_core::time::{Seconds, UnixMillis, UnixSeconds};
use proptest::prelude::*;
use serde_json::Value;

const REQUEST: OperationId = OperationId::from_bytes([9; 16]);
const WINDOW: ProofWindow = ProofWindow { max_age: Seconds::new(60), leeway: Seconds::new(5) };

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/dpop/proofs.json")).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn judged(case: &Value, host: Option<SignatureVerdict>) -> Result<ShownKey, ProofRefusal> {
    let text = |name: &str| case[name].as_str();
    let thumbprint: Option<KeyThumbprint> = text("thumbprint").map(|text| text.parse().unwrap());
    let addresses = [normal_address("https://other.example/").unwrap(), text("address").unwrap().into()];
    let nonces: Option<Vec<String>> = case["nonces"]
        .as_array()
        .map(|nonces| nonces.iter().map(|nonce| nonce.as_str().unwrap().into()).collect());
    let demand = ProofDemand {
        thumbprint: thumbprint.as_ref(),
        method: text("method").unwrap(),
        addresses: &addresses,
        token: text("token"),
        nonces: nonces.as_deref(),
        window: WINDOW,
        request: REQUEST,
    };
    let now = UnixSeconds::new(case["now"].as_u64().unwrap());
    Proof::read(text("proof").unwrap())?.verified(host)?.judge(&demand, now)
}

#[test]
fn every_vector_has_its_verdict() {
    let cases = vectors();
    assert!(cases.len() > 100);
    for case in &cases {
        let judged = judged(case, None);
        let verdict = judged.as_ref().map_or_else(|refusal| refusal.code(), |_| "accepted");
        assert_eq!(Value::from(verdict), case["verdict"], "{}", case["name"]);
        if let (Ok(shown), Some(expected)) = (&judged, case["shows"].as_str()) {
            assert_eq!(shown.thumbprint.to_string(), expected, "{}", case["name"]);
        }
    }
}

#[test]
fn each_refusal_has_a_vector() {
    let cases = vectors();
    for refusal in [
        ProofRefusal::Malformed,
        ProofRefusal::TypeMismatch,
        ProofRefusal::AlgorithmNotAllowed,
        ProofRefusal::KeyInvalid,
        ProofRefusal::SignatureInvalid,
        ProofRefusal::KeyMismatch,
        ProofRefusal::MethodMismatch,
        ProofRefusal::AddressMismatch,
        ProofRefusal::IssuedInFuture,
        ProofRefusal::Expired,
        ProofRefusal::TokenMismatch,
        ProofRefusal::NonceRequired,
    ] {
        assert!(cases.iter().any(|case| case["verdict"] == refusal.code()), "{refusal:?}");
    }
}

#[test]
fn a_hosts_word_can_only_refuse() {
    for case in vectors() {
        let (here, name) = (judged(&case, None), &case["name"]);
        // This build has every algorithm: a host that vouches for a forgery is not believed.
        assert_eq!(judged(&case, Some(SignatureVerdict::Valid)), here, "{name}");
        let refused = judged(&case, Some(SignatureVerdict::Invalid));
        assert!(refused.is_err(), "{name}");
        if here.is_ok() {
            assert_eq!(refused, Err(ProofRefusal::SignatureInvalid), "{name}");
        }
    }
}

#[test]
fn what_was_shown_is_remembered_for_as_long_as_it_would_be_accepted() {
    let case = vectors().into_iter().find(|case| case["verdict"] == "accepted").unwrap();
    let now = case["now"].as_u64().unwrap();
    let shown = judged(&case, None).unwrap();
    assert_eq!(shown.usable_until, UnixMillis::new((now + 60 + 5 + 1) * 1000));
    assert_eq!((shown.id.len(), shown.request), (43, REQUEST));
}

/// A proof with one `jti`, under two keys, is remembered as two: nobody uses up the ids of somebody else.
#[test]
fn an_id_is_remembered_with_its_key() {
    let accepted: Vec<_> = vectors().into_iter().filter(|case| case["verdict"] == "accepted").collect();
    let of_jose = |alg: &str| {
        let name = format!("{alg}, made by jose");
        judged(accepted.iter().find(|case| case["name"] == name.as_str()).unwrap(), None).unwrap()
    };
    let (one, other) = (of_jose("EdDSA"), of_jose("ES256"));
    assert!(one.thumbprint != other.thumbprint && one.id != other.id);
    assert_eq!(one, of_jose("EdDSA"));
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[a-zA-Z0-9_.=-]{0,200}", any in any::<String>()) {
        prop_assert!(Proof::read(&text).is_err());
        prop_assert!(Proof::read(&any).is_err());
    }

    #[test]
    fn no_header_breaks_the_reader(alg in any::<String>(), jwk in "\\{?[\"a-z:,0-9{}]{0,60}\\}?") {
        let header = format!(r#"{{"typ":"dpop+jwt","alg":{},"jwk":{jwk}}}"#, serde_json::to_string(&alg).unwrap());
        let proof = format!("{}.e30.AA", base64url::encode(header.as_bytes()));
        prop_assert!(Proof::read(&proof).is_err());
    }

    /// One character of an accepted proof exchanged, anywhere: it is refused.
    #[test]
    fn no_part_of_a_proof_can_be_exchanged(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.-]") {
        let accepted: Vec<_> = vectors().into_iter().filter(|case| case["verdict"] == "accepted").collect();
        let mut case = accepted[which.index(accepted.len())].clone();
        let proof = case["proof"].as_str().unwrap().to_owned();
        let at = at.index(proof.len());
        let changed = [&proof[..at], &with, &proof[at + 1..]].concat();
        prop_assume!(changed != proof);
        case["proof"] = changed.into();
        prop_assert!(judged(&case, None).is_err(), "{} at {at}", case["name"]);
    }
}
