//! Key sets.

use super::*;

pub(crate) fn key_sets_file() -> Value {
    let a = jwk("a", &a());
    let with = |changes: Value| {
        let mut key = a.clone();
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    };
    let without = |member: &str| {
        let mut key = a.clone();
        key.as_object_mut().unwrap().remove(member);
        key
    };
    let of_hex =
        |hex: &str| with(json!({"x": encode(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap())}));
    let set = |keys: Vec<Value>| canonical(&json!({"keys": keys}));
    let mut cases = Vec::new();
    let mut add = |name: &str, jwks: String, verdict: Value| {
        cases.push(json!({"name": name, "jwks": jwks, "verdict": verdict}));
    };
    let good = json!({"accepted": ["a"]});
    let thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    let rfc_8037 =
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    add("one key", set(vec![a.clone()]), good.clone());
    add("the name of RFC 9864", set(vec![with(json!({"alg": "Ed25519"}))]), good.clone());
    add(
        "a key without id is named by its thumbprint",
        set(vec![rfc_8037]),
        json!({"accepted": [thumbprint]}),
    );
    add(
        "unknown members",
        canonical(&json!({"keys": [with(json!({"ext": true, "x5c": []}))], "more": 1})),
        good.clone(),
    );
    for (name, other) in [
        ("an RSA key for encryption", json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RSA-OAEP"})),
        ("an X25519 key", json!({"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "x"})),
        ("a shared secret", json!({"kty": "oct", "k": encode(SECRET), "kid": "o"})),
        ("a key for encryption", with(json!({"use": "enc", "kid": "e"}))),
        ("a key that may only sign", with(json!({"key_ops": ["sign"], "kid": "s"}))),
        ("a published private key", with(json!({"d": encode(&[1; 32]), "kid": "d"}))),
        ("a key without type", json!({"kid": "n"})),
    ] {
        add(&format!("{name} is passed over"), set(vec![other.clone(), a.clone()]), good.clone());
        add(&format!("{name} alone is no set"), set(vec![other]), json!("key_set_empty"));
    }
    for (name, key) in [
        ("alg of another kind", with(json!({"alg": "HS256"}))),
        ("alg none", with(json!({"alg": "none"}))),
        ("no x", without("x")),
        ("x of 31 bytes", with(json!({"x": encode(&[1; 31])}))),
        ("x of 33 bytes", with(json!({"x": encode(&[1; 33])}))),
        ("x padded", with(json!({"x": format!("{}=", a["x"].as_str().unwrap())}))),
        ("an empty kid", with(json!({"kid": ""}))),
        ("a kid with a line break", with(json!({"kid": "a\nb"}))),
        ("a kid of 129 letters", with(json!({"kid": "k".repeat(129)}))),
        ("a point of order 1", of_hex("0100000000000000000000000000000000000000000000000000000000000000")),
        ("a point of order 2", of_hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")),
        ("a point of order 4", of_hex("0000000000000000000000000000000000000000000000000000000000000000")),
        ("a point of order 8", of_hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")),
        (
            "the other point of order 8",
            of_hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        ),
        ("y not below the prime", of_hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")),
        ("no point on the curve", of_hex("0200000000000000000000000000000000000000000000000000000000000000")),
    ] {
        add(name, set(vec![key]), json!("key_unusable"));
    }
    add("one id twice", set(vec![a.clone(), a.clone()]), json!("key_id_duplicate"));
    add("no keys", set(vec![]), json!("key_set_empty"));
    let many = |count: usize| set((0..count).map(|n| with(json!({"kid": n.to_string()}))).collect());
    add("65 keys", many(65), json!("key_set_too_many_keys"));
    for (name, text) in [
        ("nothing", String::new()),
        ("a key instead of a set", canonical(&a)),
        ("keys is an object", canonical(&json!({"keys": {"a": a}}))),
        ("a key that is text", canonical(&json!({"keys": ["a"]}))),
        ("kid is a number", set(vec![with(json!({"kid": 1}))])),
        ("kty is an array", set(vec![with(json!({"kty": ["OKP"]}))])),
        ("a member twice", format!(r#"{{"keys":[{0}],"keys":[{0}]}}"#, canonical(&a))),
        ("something after the set", format!("{}x", set(vec![a.clone()]))),
    ] {
        add(name, text, json!("key_set_malformed"));
    }
    json!({
        "description": "Texts of JWK sets, and either the ids of the keys they bring or the code of the refusal.",
        "cases": cases,
    })
}
