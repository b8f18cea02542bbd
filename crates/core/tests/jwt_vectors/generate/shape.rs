//! The text of a token and its header.

use super::*;

pub(super) fn accepted(cases: &mut Cases) {
    let ok = "accepted";
    cases.add(ok, "a plain access token", valid_token());
    cases.header(ok, "the algorithm name of RFC 9864", HEADER_A.replace("EdDSA", "Ed25519"));
    cases.header(ok, "no kid and only one key", r#"{"alg":"EdDSA","typ":"at+jwt"}"#);
    cases.header(
        ok,
        "typ with application/ in another case",
        HEADER_A.replace("at+jwt", "Application/AT+JWT"),
    );
    cases.header(
        ok,
        "an escaped header name and white space",
        "{ \"\\u0061lg\" : \"EdDSA\",\n\"kid\":\"\\u0061\",\"typ\":\"at+jwt\" }",
    );
    cases.header(
        ok,
        "key references in the header are ignored",
        canonical(&json!({"alg": "EdDSA", "kid": "a", "typ": "at+jwt", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x", "x5c": ["AA"], "x5t": "AA", "jwk": jwk("a", &attacker())})),
    );
    cases.claims(
        ok,
        "one of several audiences",
        json!({"aud": ["https://else.example", "https://second.example"]}),
    );
    cases.claims(ok, "expired within the leeway", json!({"exp": NOW - 29}));
    cases.claims(ok, "not before, at the end of the leeway", json!({"nbf": NOW + 30}));
    cases.claims(ok, "issued in the future, at the end of the leeway", json!({"iat": NOW + 30}));
    cases.payload(
        ok,
        "dates with fractions and exponents",
        claims(json!({"exp": NOW as f64 + 0.5})).replace(&(NOW - 60).to_string(), "1.69999994e9"),
    );
    cases.claims(
        ok,
        "every registered claim",
        json!({"nbf": NOW, "pr": 3, "pm": "AAAAAAAAAAE", "roles": ["admin", "née"], "org": "o", "ent": ["export"], "auth_time": NOW - 100, "acr": "2", "amr": ["pwd", "otp"], "cnf": {"jkt": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "other": 1}}),
    );
    cases.payload(
        ok,
        "custom claims nested 16 deep",
        claims_and(&format!(r#""deep":{}{}"#, "[".repeat(15), "]".repeat(15))),
    );
    cases.payload(ok, "white space in the payload", valid().replace(",\"", " ,\r\n\t\""));
    cases.add(ok, "exactly 8192 bytes", of_size(8192));
    cases.add_with(
        ok,
        "the second of two keys",
        sign(&b(), HEADER_A.replace(r#""a""#, r#""b""#), valid()),
        "a and b",
        "default",
    );
    cases.add_with(ok, "HS256", sign_hmac(SECRET, HEADER_H, &valid()), "h", "default");
    cases.add_with(ok, "HS256 beside Ed25519", sign_hmac(SECRET, HEADER_H, &valid()), "a and h", "default");
    cases.add_with(
        ok,
        "no tenant where any is accepted",
        sign(&a(), HEADER_A, claims(json!({"tid": null}))),
        "a",
        "any tenant",
    );
    cases.add_with(
        ok,
        "a configured type and no required claims",
        sign(
            &a(),
            r#"{"alg":"EdDSA","typ":"jwt"}"#,
            r#"{"iss":"https://auth.example","aud":"https://api.example","exp":1700000001}"#,
        ),
        "a",
        "plain JWT",
    );
}

/// A valid token padded to a size.
fn of_size(bytes: usize) -> String {
    let token = |filler: usize| sign(&a(), HEADER_A, claims(json!({"filler": "f".repeat(filler)})));
    // Three more letters make four more characters; white space in the header makes up for the rest.
    let filler = (0..).map(|n| n * 3).find(|n| token(*n).len() + 4 > bytes).unwrap();
    (0..8)
        .flat_map(|spaces| (0..4).map(move |more| (spaces, more)))
        .map(|(spaces, more)| {
            let header = format!("{HEADER_A}{}", " ".repeat(spaces));
            sign(&a(), header, claims(json!({"filler": "f".repeat(filler.saturating_sub(more))})))
        })
        .find(|token| token.len() == bytes)
        .unwrap()
}

pub(super) fn shape(cases: &mut Cases) {
    let bad = "token_malformed";
    let token = valid_token();
    let [head, body, tail]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    cases.add("token_too_large", "8193 bytes", of_size(8193));
    cases.add("token_too_large", "8193 dots", ".".repeat(8193));
    for (name, text) in [
        ("empty", String::new()),
        ("one dot", ".".into()),
        ("two dots", "..".into()),
        ("three dots", "...".into()),
        ("one part", head.into()),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{token}.{tail}")),
        ("five parts, as in JWE", format!("{token}.{tail}.{tail}")),
        ("a dot at the end", format!("{token}.")),
        ("a dot at the start", format!(".{token}")),
        ("two dots in a row", format!("{head}..{body}.{tail}")),
        ("an empty header", format!(".{body}.{tail}")),
        ("an empty payload, detached", format!("{head}..{tail}")),
        ("an empty signature", format!("{head}.{body}.")),
        ("white space before", format!(" {token}")),
        ("white space after", format!("{token} ")),
        ("a line break after", format!("{token}\n")),
        ("white space in the header", format!("{} {}.{body}.{tail}", &head[..4], &head[4..])),
        ("the scheme before", format!("Bearer {token}")),
        ("a padded header", format!("{head}=.{body}.{tail}")),
        ("a padded signature", format!("{token}==")),
        ("a percent sign", token.replacen('.', "%2E", 1)),
        ("a zero byte", format!("{token}\0")),
        ("a letter that is no ASCII", format!("é{token}")),
        ("another kind of dot", token.replace('.', "\u{3002}")),
        (
            "the JSON serialization",
            format!(r#"{{"protected":"{head}","payload":"{body}","signature":"{tail}"}}"#),
        ),
        ("the signature in the alphabet of base64", format!("{head}.{body}.{}+", &tail[1..])),
        ("unused bits set in the signature", format!("{}{}", &token[..token.len() - 1], next_letter(&token))),
        (
            "unused bits set in the header",
            sign_parts(&a(), &encode(br#"{"alg":"EdDSA"}  "#).replace("ICA", "ICB"), body),
        ),
    ] {
        cases.add(bad, name, text);
    }
    cases.add(
        "signature_invalid",
        "white space in the payload part",
        format!("{head}.{} {}.{tail}", &body[..4], &body[4..]),
    );
    cases.add("signature_invalid", "a padded payload", format!("{head}.{body}=.{tail}"));
}

/// The letter after the last one in the base64url alphabet: it decodes to the same bytes where bits are unused.
pub(super) fn next_letter(text: &str) -> char {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = ALPHABET.find(text.chars().last().unwrap()).unwrap();
    ALPHABET.chars().nth(at + 1).unwrap()
}

pub(super) fn header(cases: &mut Cases) {
    let bad = "header_malformed";
    for (name, header) in [
        ("a header that is no JSON", "alg=EdDSA"),
        ("a header that is an array", r#"["alg","EdDSA"]"#),
        ("a header that is null", "null"),
        ("a header with something after it", r#"{"alg":"EdDSA","kid":"a","typ":"at+jwt"}{}"#),
        ("a header with a comma too many", r#"{"alg":"EdDSA","kid":"a","typ":"at+jwt",}"#),
        ("a header with a comment", r#"{"alg":"EdDSA",/**/"kid":"a","typ":"at+jwt"}"#),
        ("a header after a byte order mark", "\u{feff}{\"alg\":\"EdDSA\",\"kid\":\"a\",\"typ\":\"at+jwt\"}"),
        ("alg twice", r#"{"alg":"none","alg":"EdDSA","kid":"a","typ":"at+jwt"}"#),
        ("alg twice, once escaped", r#"{"alg":"EdDSA","\u0061lg":"none","kid":"a","typ":"at+jwt"}"#),
        ("kid twice", r#"{"alg":"EdDSA","kid":"b","kid":"a","typ":"at+jwt"}"#),
        ("an unknown member twice, nested", r#"{"alg":"EdDSA","kid":"a","typ":"at+jwt","z":{"y":1,"y":2}}"#),
        ("no alg", r#"{"kid":"a","typ":"at+jwt"}"#),
        ("alg is null", r#"{"alg":null,"kid":"a","typ":"at+jwt"}"#),
        ("alg is a number", r#"{"alg":0,"kid":"a","typ":"at+jwt"}"#),
        ("alg is an array", r#"{"alg":["EdDSA"],"kid":"a","typ":"at+jwt"}"#),
        ("kid is a number", r#"{"alg":"EdDSA","kid":1,"typ":"at+jwt"}"#),
        ("kid is null", r#"{"alg":"EdDSA","kid":null,"typ":"at+jwt"}"#),
        ("typ is an array", r#"{"alg":"EdDSA","kid":"a","typ":["at+jwt"]}"#),
        ("half a surrogate pair in the header", r#"{"alg":"EdDSA","kid":"a","typ":"at+jwt","z":"\ud800"}"#),
    ] {
        cases.header(bad, name, header);
    }
    let deep =
        format!(r#"{{"alg":"EdDSA","kid":"a","typ":"at+jwt","z":{}{}}}"#, "[".repeat(16), "]".repeat(16));
    cases.header(bad, "a header nested 17 deep", deep);
    cases.header(
        bad,
        "a header that is no UTF-8",
        b"{\"alg\":\"EdDSA\",\"kid\":\"a\",\"typ\":\"at+jwt\xff\"}",
    );
    let critical = "critical_header_unsupported";
    for (name, list) in [
        ("crit with an unknown extension", r#"["exp"]"#),
        ("crit with a list that is empty", "[]"),
        ("crit that is null", "null"),
        ("crit that is text", r#""exp""#),
    ] {
        cases.header(
            critical,
            name,
            format!(r#"{{"alg":"EdDSA","kid":"a","typ":"at+jwt","crit":{list},"exp":1}}"#),
        );
    }
    cases.header(
        critical,
        "an unencoded payload (RFC 7797)",
        r#"{"alg":"EdDSA","kid":"a","typ":"at+jwt","crit":["b64"],"b64":false}"#,
    );
    cases.header("token_type_mismatch", "no typ", r#"{"alg":"EdDSA","kid":"a"}"#);
    for typ in [
        "JWT",
        "",
        "jwt",
        "at+jwt ",
        "at jwt",
        "dpop+jwt",
        "text/at+jwt",
        "application/",
        "application/jwt",
        "at+jwt;v=1",
        "id_token",
    ] {
        cases.header("token_type_mismatch", &format!("typ {typ:?}"), HEADER_A.replace("at+jwt", typ));
    }
}
