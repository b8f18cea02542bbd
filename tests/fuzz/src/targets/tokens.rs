//! Access tokens and key sets.
//!
//! Random bytes never carry a right signature, so two targets sign their input themselves and fuzz what stands behind
//! the signature.

use super::text;
use hmac::{Hmac, KeyInit as _, Mac as _};
use postern_core::codec::base64url;
use postern_core::jwt::{
    KeySet, TenantRule, VerificationPolicy, VerifiedClaims, VerifyError, VerifyingKey, verify,
};
use postern_core::time::UnixSeconds;
use serde_json::Value;
use sha2::Sha256;

const SECRET: &[u8] = b"a secret that this fuzzer has only";
const ISSUER: &str = "https://auth.example";
const AUDIENCE: &str = "https://api.example";
const NOW: u64 = 1_800_000_000;
/// The default of the policy.
const LEEWAY_SECONDS: u64 = 30;

/// A text that nobody signed is never accepted.
pub(crate) fn unsigned(data: &[u8]) {
    let Some(token) = text(data) else { return };
    assert!(check(token).is_err(), "accepted without a signature");
}

/// The input is a payload under a right signature: what is accepted satisfies the policy as serde_json reads it.
pub(crate) fn signed_claims(data: &[u8]) {
    if let Ok(claims) = check(&sign(br#"{"typ":"at+jwt","alg":"HS256","kid":"k"}"#, data)) {
        let read: Value = serde_json::from_slice(data).expect("only JSON is accepted");
        assert_eq!(claims.payload().as_bytes(), data);
        assert_eq!(read["iss"], ISSUER);
        let is_ours = |audience: &Value| audience == AUDIENCE;
        assert!(is_ours(&read["aud"]) || read["aud"].as_array().is_some_and(|all| all.iter().any(is_ours)));
        let seconds = |name: &str| read.get(name).map(|value| value.as_f64().expect("a number"));
        let (now, leeway) = (NOW as f64, LEEWAY_SECONDS as f64);
        assert!(seconds("exp").expect("exp is required").floor() + leeway > now, "expired");
        assert!(seconds("nbf").is_none_or(|from| from.floor() <= now + leeway), "not yet valid");
        assert!(read.get("sub").is_none_or(Value::is_string));
        assert_eq!(claims.subject(), read["sub"].as_str());
    }
}

/// The input is a header under a right signature: what is accepted names this key, its algorithm and the type.
pub(crate) fn signed_header(data: &[u8]) {
    let payload = format!(
        r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{},"iat":{NOW},"sub":"s","client_id":"c","jti":"j"}}"#,
        NOW + 300
    );
    let token = sign(data, payload.as_bytes());
    if check(&token).is_ok() {
        let read: Value = serde_json::from_slice(data).expect("only JSON is accepted");
        assert_eq!(read["alg"], "HS256");
        assert!(read.get("kid").is_none_or(|id| id == "k"));
        assert!(read.get("crit").is_none(), "no extension is understood");
        let media_type = read["typ"].as_str().expect("typ is required").to_ascii_lowercase();
        assert!(matches!(media_type.as_str(), "at+jwt" | "application/at+jwt"));
    }
}

/// What is read can be published and read again, and is the same set.
pub(crate) fn key_set(data: &[u8]) {
    let Ok(keys) = KeySet::from_jwks(data) else { return };
    let published = keys.public_jwks();
    let again = KeySet::from_jwks(published.as_bytes()).expect("what we publish, we read");
    assert_eq!(again.public_jwks(), published);
    assert_eq!(again.iter().count(), keys.iter().count());
    assert!(!published.contains("\"d\""), "a private key was published");
}

fn check(token: &str) -> Result<VerifiedClaims, VerifyError> {
    let key = VerifyingKey::hmac_sha256("k".parse().expect("a key id"), SECRET).expect("a key");
    let keys = KeySet::from_keys([key]).expect("a set");
    let policy = VerificationPolicy::new(ISSUER, [AUDIENCE], TenantRule::Any).expect("a policy");
    verify(token, &keys, &policy, UnixSeconds::new(NOW))
}

fn sign(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("any length is a key").chain_update(&signed);
    format!("{signed}.{}", base64url::encode(&mac.finalize().into_bytes()))
}
