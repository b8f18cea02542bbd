//! What an authentic token says.

use super::shape::next_letter;
use super::*;

pub(super) fn payload(cases: &mut Cases) {
    let bad = "payload_malformed";
    let head = encode(HEADER_A.as_bytes());
    let padded = encode(format!("{} ", valid()).as_bytes());
    let spaces = (0..3).map(|n| format!("{}{}", valid(), " ".repeat(n)));
    let loose = spaces.map(|text| encode(text.as_bytes())).find(|text| text.len() % 4 == 3).unwrap();
    let loose = format!("{}{}", &loose[..loose.len() - 1], next_letter(&loose));
    for (name, part) in [
        ("a signed payload in padded base64url", format!("{padded}=")),
        ("a signed payload with white space", format!("{} {}", &padded[..4], &padded[4..])),
        ("a signed payload with unused bits set", loose),
        ("a signed payload that is not encoded", valid().replace('.', ":")),
    ] {
        cases.add(bad, name, sign_parts(&a(), &head, &part));
    }
    for (name, payload) in [
        ("a payload that is no JSON", "hello".to_string()),
        ("a payload that is an array", format!("[{}]", valid())),
        ("a payload that is text", json!(valid()).to_string()),
        ("a payload that is null", "null".into()),
        ("a payload with something after it", format!("{}{{}}", valid())),
        ("a payload after a byte order mark", format!("\u{feff}{}", valid())),
        ("iss twice", claims_and(r#""iss":"https://auth.example""#)),
        ("exp twice, once escaped", claims_and(r#""\u0065xp":9999999999"#)),
        ("a custom claim twice", claims_and(r#""z":1,"z":1"#)),
        ("a name twice inside a custom claim", claims_and(r#""z":[{"y":1,"y":1}]"#)),
        ("half a surrogate pair in the payload", claims_and(r#""z":"\udc00""#)),
        ("a control character in text", claims_and("\"z\":\"\u{1}\"")),
        ("a number with a leading zero", claims_and(r#""z":01"#)),
        ("a number that no double holds", claims_and(r#""z":1e400"#)),
        ("NaN", claims_and(r#""z":NaN"#)),
        ("a payload nested 17 deep", claims_and(&format!(r#""z":{}{}"#, "[".repeat(16), "]".repeat(16)))),
    ] {
        cases.payload(bad, name, payload);
    }
    cases.payload(bad, "a payload that is no UTF-8", [valid().as_bytes(), b"\xff"].concat());
}

pub(super) fn claim_types(cases: &mut Cases) {
    for (claim, value) in [
        ("exp", json!((NOW + 240).to_string())),
        ("exp", json!(true)),
        ("exp", json!([NOW + 240])),
        ("exp", json!(-1)),
        ("exp", json!(1e18)),
        ("exp", json!(253_402_300_800_u64)),
        ("nbf", json!("0")),
        ("nbf", json!(-1)),
        ("iat", json!("2023-11-14T22:13:20Z")),
        ("iat", json!({})),
        ("iss", json!(["https://auth.example"])),
        ("iss", json!("")),
        ("aud", json!(7)),
        ("aud", json!({"https://api.example": true})),
        ("aud", json!(["https://api.example", 7])),
        ("aud", json!([["https://api.example"]])),
        ("aud", json!("")),
        ("sub", json!(7)),
        ("sub", json!("")),
        ("sub", json!({"id": 7})),
        ("jti", json!(7)),
        ("client_id", json!(["web"])),
        ("sid", json!(true)),
        ("tid", json!(1)),
        ("tid", json!(["acme"])),
        ("tid", json!("acme/../other")),
        ("av", json!("1")),
        ("av", json!(1.5)),
        ("av", json!(-1)),
        ("av", json!(9_007_199_254_740_992_u64)),
        ("pr", json!("3")),
        ("pm", json!(255)),
        ("pm", json!(["AA"])),
        ("roles", json!("admin")),
        ("roles", json!(["admin", 7])),
        ("roles", json!({"admin": true})),
        ("ent", json!("export")),
        ("amr", json!("pwd")),
        ("acr", json!(2)),
        ("org", json!(7)),
        ("auth_time", json!("1")),
        ("cnf", json!("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")),
        ("cnf", json!({"jkt": 7})),
        ("cnf", json!({"jkt": "short"})),
    ] {
        cases.claims(
            &format!("claim_malformed {claim}"),
            &format!("{claim} is {value}"),
            json!({claim: value}),
        );
    }
    for claim in ["exp", "aud", "iss", "sub", "tid", "roles", "nbf"] {
        let payload = claims(json!({claim: "replace"})).replace("\"replace\"", "null");
        cases.payload(&format!("claim_malformed {claim}"), &format!("{claim} is null"), payload);
    }
}

pub(super) fn claim_values(cases: &mut Cases) {
    for claim in ["iss", "aud", "exp", "sub", "iat", "jti", "client_id"] {
        cases.claims(&format!("claim_missing {claim}"), &format!("{claim} is missing"), json!({claim: null}));
    }
    cases.payload("claim_missing iss", "no claims at all", "{}");
    cases.add_with(
        "claim_missing auth_time",
        "a claim that the policy requires is missing",
        valid_token(),
        "a",
        "session required",
    );
    for issuer in [
        "https://evil.example",
        "https://auth.example/",
        "https://AUTH.example",
        "https://auth.example.evil.example",
        "https://auth.exampl",
        "auth.example",
    ] {
        cases.claims("issuer_mismatch", &format!("iss {issuer:?}"), json!({"iss": issuer}));
    }
    for audience in [
        json!("https://else.example"),
        json!("https://api.example/"),
        json!("https://API.example"),
        json!("https://api.example/v1"),
        json!("https://api.exampl"),
        json!("https://api.example https://second.example"),
        json!([]),
        json!(["https://else.example", "https://api.example "]),
        json!([""]),
        json!("*"),
    ] {
        cases.claims("audience_mismatch", &format!("aud {audience}"), json!({"aud": audience}));
    }
    for (name, exp) in [
        ("expired at the end of the leeway", NOW - 30),
        ("expired long ago", NOW - 86_400),
        ("expired in 1970", 0),
    ] {
        cases.claims("token_expired", name, json!({"exp": exp}));
    }
    cases.payload(
        "token_expired",
        "a fraction does not prolong the leeway",
        claims(json!({"exp": 77})).replace("77,", &format!("{}.999,", NOW - 30)),
    );
    cases.add_with(
        "token_expired",
        "expired now, without leeway",
        sign(&a(), HEADER_A, claims(json!({"exp": NOW}))),
        "a",
        "no leeway",
    );
    cases.claims("token_not_yet_valid", "not before, one second beyond the leeway", json!({"nbf": NOW + 31}));
    cases.claims(
        "token_not_yet_valid",
        "not before tomorrow",
        json!({"nbf": NOW + 86_400, "exp": NOW + 90_000}),
    );
    cases.add_with(
        "token_clock_skew",
        "issued in a second, without leeway",
        sign(&a(), HEADER_A, claims(json!({"iat": NOW + 1}))),
        "a",
        "no leeway",
    );
    for tenant in ["other", "ACME", "acme2", "acm"] {
        cases.claims("tenant_mismatch", &format!("tid {tenant:?}"), json!({"tid": tenant}));
    }
    cases.claims("tenant_mismatch", "no tid", json!({"tid": null}));
}

pub(super) fn precedence(cases: &mut Cases) {
    let everything = json!({"iss": "https://evil.example", "aud": "x", "exp": 1, "nbf": NOW + 999, "iat": NOW + 999, "tid": "other"});
    cases.claims("issuer_mismatch", "issuer before audience, expiry and tenant", everything.clone());
    cases.claims(
        "audience_mismatch",
        "audience before expiry",
        json!({"aud": "x", "exp": 1, "tid": "other"}),
    );
    cases.claims("token_expired", "expiry before tenant", json!({"exp": 1, "tid": "other"}));
    cases.claims(
        "claim_missing jti",
        "a missing claim before a wrong one",
        json!({"iss": "https://evil.example", "jti": null}),
    );
    cases.claims(
        "claim_malformed org",
        "a malformed claim before a wrong one",
        json!({"iss": "https://evil.example", "org": 7}),
    );
    cases.add(
        "signature_invalid",
        "the signature before the claims",
        sign(&attacker(), HEADER_A, claims(everything)),
    );
    cases.add(
        "signature_invalid",
        "the signature before the payload is read",
        sign(&attacker(), HEADER_A, "not JSON"),
    );
    cases.add(
        "token_type_mismatch",
        "the type before the key",
        sign(&a(), r#"{"alg":"none","kid":"c","typ":"JWT"}"#, valid()),
    );
    cases.add(
        "key_not_found",
        "the key before the algorithm",
        sign(&a(), r#"{"alg":"none","kid":"c","typ":"at+jwt"}"#, valid()),
    );
}
