//! What the vector files are made from. Verdicts are stated by hand, never taken from the verifier.

mod claims;
mod key_sets;
mod keys;
mod policy;
mod shape;

pub(crate) use key_sets::key_sets_file;

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use postern_core::codec::base64url::encode;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;

const NOW: u64 = 1_700_000_000;
const SECRET: &[u8; 32] = b"postern-vectors-hs256-key-32byte";

/// Header members after which a valid token continues.
const HEADER_A: &str = r#"{"alg":"EdDSA","kid":"a","typ":"at+jwt"}"#;
const HEADER_H: &str = r#"{"alg":"HS256","kid":"h","typ":"at+jwt"}"#;

fn a() -> SigningKey {
    SigningKey::from_bytes(&[0xA1; 32])
}
fn b() -> SigningKey {
    SigningKey::from_bytes(&[0xB2; 32])
}
fn attacker() -> SigningKey {
    SigningKey::from_bytes(&[0xEE; 32])
}

fn x(key: &SigningKey) -> String {
    encode(key.verifying_key().as_bytes())
}

fn jwk(kid: &str, key: &SigningKey) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": x(key), "kid": kid, "alg": "EdDSA", "use": "sig"})
}

fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(message).finalize().into_bytes().to_vec()
}

fn join(signed: &str, signature: &[u8]) -> String {
    format!("{signed}.{}", encode(signature))
}

/// Signs two parts that are already encoded, as Ed25519 and whatever they say.
fn sign_parts(key: &SigningKey, header: &str, payload: &str) -> String {
    let signed = format!("{header}.{payload}");
    let signature = key.sign(signed.as_bytes()).to_bytes();
    join(&signed, &signature)
}

fn sign(key: &SigningKey, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    sign_parts(key, &encode(header.as_ref()), &encode(payload.as_ref()))
}

fn sign_hmac(secret: &[u8], header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    join(&signed, &hmac_sha256(secret, signed.as_bytes()))
}

/// JSON with sorted members, whatever map type `serde_json` is built with.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            let members: Vec<String> = sorted
                .into_iter()
                .map(|(name, value)| format!("{}:{}", json!(name), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        leaf => leaf.to_string(),
    }
}

/// Valid claims with some changed; `null` here takes a claim away.
fn claims(changes: Value) -> String {
    let mut claims = json!({
        "iss": "https://auth.example", "aud": "https://api.example", "sub": "00112233445566778899aabbccddeeff",
        "client_id": "web", "iat": NOW - 60, "exp": NOW + 240, "jti": "0102030405060708090a0b0c0d0e0f10",
        "sid": "ffeeddccbbaa99887766554433221100", "tid": "acme", "av": 1,
    });
    let members: &mut Map<_, _> = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    canonical(&claims)
}

fn valid() -> String {
    claims(json!({}))
}

fn valid_token() -> String {
    sign(&a(), HEADER_A, valid())
}

/// Valid claims whose text goes on, inside the object, with this.
fn claims_and(rest: &str) -> String {
    let claims = valid();
    format!("{},{rest}}}", claims.strip_suffix('}').unwrap())
}

struct Cases(Vec<Value>);

impl Cases {
    fn add(&mut self, verdict: &str, name: &str, token: String) {
        self.add_with(verdict, name, token, "a", "default");
    }

    fn add_with(&mut self, verdict: &str, name: &str, token: String, keys: &str, policy: &str) {
        let mut case = json!({"name": name, "keys": keys, "policy": policy, "now": NOW, "token": token});
        let (verdict, claim) = verdict.split_once(' ').map_or((verdict, None), |(v, claim)| (v, Some(claim)));
        case["verdict"] = json!(verdict);
        if let Some(claim) = claim {
            case["claim"] = json!(claim);
        }
        self.0.push(case);
    }

    /// A token of key `a` that is valid but for its header.
    fn header(&mut self, verdict: &str, name: &str, header: impl AsRef<[u8]>) {
        self.add(verdict, name, sign(&a(), header, valid()));
    }

    /// A token of key `a` that is valid but for its payload.
    fn payload(&mut self, verdict: &str, name: &str, payload: impl AsRef<[u8]>) {
        self.add(verdict, name, sign(&a(), HEADER_A, payload));
    }

    /// A token of key `a` that is valid but for these claims.
    fn claims(&mut self, verdict: &str, name: &str, changes: Value) {
        self.payload(verdict, name, claims(changes));
    }
}

pub(crate) fn verify_file() -> Value {
    let mut cases = Cases(Vec::new());
    shape::accepted(&mut cases);
    shape::shape(&mut cases);
    shape::header(&mut cases);
    keys::key_and_algorithm(&mut cases);
    keys::signature(&mut cases);
    claims::payload(&mut cases);
    claims::claim_types(&mut cases);
    claims::claim_values(&mut cases);
    claims::precedence(&mut cases);
    policy::times_of_issue(&mut cases);
    policy::other_types(&mut cases);
    policy::subjects(&mut cases);
    let secrets = json!([{"kid": "h", "secret": encode(SECRET)}]);
    let policy = |tenant: Option<&str>, token_type: &str, leeway: u64, required: Value| {
        json!({
            "issuer": "https://auth.example", "audiences": ["https://api.example", "https://second.example"],
            "tenant": tenant, "token_type": token_type, "leeway": leeway, "required_claims": required,
        })
    };
    let rfc_9068 = json!(["sub", "iat", "jti", "client_id"]);
    let mut file = json!({
        "description": "Tokens and the verdict on each: \"accepted\", or the code of the first reason for refusal, with the claim it is about. A policy whose tenant is null accepts all tenants; one without max_age, max_future or subject_claim has the default.",
        "key_sets": {
            "a": {"jwks": {"keys": [jwk("a", &a())]}, "hmac_sha256": []},
            "a and b": {"jwks": {"keys": [jwk("a", &a()), jwk("b", &b())]}, "hmac_sha256": []},
            "h": {"jwks": {"keys": []}, "hmac_sha256": secrets},
            "a and h": {"jwks": {"keys": [jwk("a", &a())]}, "hmac_sha256": secrets},
        },
        "policies": {
            "default": policy(Some("acme"), "at+jwt", 30, rfc_9068.clone()),
            "any tenant": policy(None, "at+jwt", 30, rfc_9068.clone()),
            "no leeway": policy(Some("acme"), "at+jwt", 0, rfc_9068),
            "plain JWT": policy(None, "JWT", 30, json!([])),
            "session required": policy(Some("acme"), "at+jwt", 30, json!(["sid", "auth_time"])),
        },
        "cases": cases.0,
    });
    let more = policy::policies();
    file["policies"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    file
}
