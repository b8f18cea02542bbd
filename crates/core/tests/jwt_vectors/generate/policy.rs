//! What a policy may demand beyond the defaults, and other JWTs of the same key that are no access tokens.

use super::*;

pub(super) fn policies() -> Value {
    let with = |members: Value| {
        let mut policy = json!({
            "issuer": "https://auth.example", "audiences": ["https://api.example"], "tenant": "acme",
            "token_type": "at+jwt", "leeway": 30, "required_claims": ["sub", "iat", "jti", "client_id"],
        });
        policy.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        policy
    };
    json!({
        "at most 2 minutes old": with(json!({"max_age": 120})),
        "at most 2 minutes old, nothing required": with(json!({"max_age": 120, "required_claims": []})),
        "nothing required": with(json!({"required_claims": []})),
        "clocks within a minute": with(json!({"max_future": 60})),
        "any future is nonsense": with(json!({"max_future": 0})),
        "subject in uid": with(json!({"subject_claim": "uid"})),
        "subject in uid, not required": with(json!({"subject_claim": "uid", "required_claims": []})),
    })
}

pub(super) fn times_of_issue(cases: &mut Cases) {
    let issued =
        |offset: i64| claims(json!({"iat": NOW.checked_add_signed(offset).unwrap(), "exp": NOW + 90_000}));
    for (verdict, policy, offset) in [
        ("token_clock_skew", "default", 31),
        ("token_clock_skew", "default", 600),
        ("token_issued_in_future", "default", 601),
        ("token_issued_in_future", "default", 86_400),
        ("accepted", "clocks within a minute", 30),
        ("token_clock_skew", "clocks within a minute", 60),
        ("token_issued_in_future", "clocks within a minute", 61),
        ("accepted", "any future is nonsense", 30),
        ("token_issued_in_future", "any future is nonsense", 31),
        ("accepted", "default", -86_400),
        ("accepted", "at most 2 minutes old", -149),
        ("token_too_old", "at most 2 minutes old", -150),
        ("token_too_old", "at most 2 minutes old", -86_400),
        ("token_clock_skew", "at most 2 minutes old", 31),
    ] {
        let name = format!("issued at now {offset:+}, {policy}");
        cases.add_with(verdict, &name, sign(&a(), HEADER_A, issued(offset)), "a", policy);
    }
    let without = sign(&a(), HEADER_A, claims(json!({"iat": null})));
    for (verdict, policy) in [
        ("accepted", "nothing required"),
        ("claim_missing iat", "at most 2 minutes old"),
        ("claim_missing iat", "at most 2 minutes old, nothing required"),
    ] {
        cases.add_with(verdict, &format!("without iat, {policy}"), without.clone(), "a", policy);
    }
    let both = claims(json!({"iat": NOW - 999, "tid": "other"}));
    let both = sign(&a(), HEADER_A, both);
    cases.add_with("token_too_old", "age before tenant", both, "a", "at most 2 minutes old");
    let both = claims(json!({"iat": NOW - 999, "exp": NOW - 900}));
    let both = sign(&a(), HEADER_A, both);
    cases.add_with("token_expired", "expiry before age", both, "a", "at most 2 minutes old");
}

/// Every other JWT that the same key may sign: its type keeps it from being an access token.
pub(super) fn other_types(cases: &mut Cases) {
    for token_type in [
        "refresh+jwt",
        "rt+jwt",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "id+jwt",
        "JWS",
        "JOSE",
        "at-jwt",
        "at+jwt2",
        "at+JWT,JWT",
        "application/jwt",
        "application/at+jwt;charset=utf-8",
    ] {
        let header = canonical(&json!({"alg": "EdDSA", "kid": "a", "typ": token_type}));
        cases.header("token_type_mismatch", &format!("another JWT of the key, {token_type:?}"), header);
    }
    cases.add_with(
        "token_type_mismatch",
        "an access token where another JWT is wanted",
        valid_token(),
        "a",
        "plain JWT",
    );
}

pub(super) fn subjects(cases: &mut Cases) {
    let policy = "subject in uid";
    for (verdict, name, changes) in [
        ("accepted", "uid beside sub", json!({"uid": "7"})),
        ("accepted", "uid alone", json!({"uid": "7", "sub": null})),
        ("claim_missing sub", "sub alone, where uid is the subject", json!({})),
        ("claim_malformed sub", "uid is a number", json!({"uid": 7})),
        ("claim_malformed sub", "uid is empty", json!({"uid": ""})),
        ("claim_malformed sub", "uid is a list", json!({"uid": ["7"]})),
    ] {
        cases.add_with(verdict, name, sign(&a(), HEADER_A, claims(changes)), "a", policy);
    }
    let token = sign(&a(), HEADER_A, claims(json!({"uid": null, "sub": null})));
    cases.add_with(
        "accepted",
        "neither uid nor sub, none required",
        token,
        "a",
        "subject in uid, not required",
    );
}
