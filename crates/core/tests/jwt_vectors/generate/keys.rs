//! Which key, which algorithm, and the signature itself.

use super::*;
use sha2::Sha512;

pub(super) fn key_and_algorithm(cases: &mut Cases) {
    let unknown = "key_not_found";
    for kid in ["c", "", "A", "a ", "../a", "a' OR '1'='1", "a\\u0000"] {
        cases.header(unknown, &format!("kid {kid:?}"), HEADER_A.replace(r#""a""#, &format!(r#""{kid}""#)));
    }
    let without = r#"{"alg":"EdDSA","typ":"at+jwt"}"#;
    cases.add_with(unknown, "no kid and two keys", sign(&a(), without, valid()), "a and b", "default");
    cases.add_with(
        unknown,
        "the kid of a key outside the set",
        sign(&b(), HEADER_A.replace(r#""a""#, r#""b""#), valid()),
        "a",
        "default",
    );
    let bad = "algorithm_not_allowed";
    for alg in [
        "none", "None", "NONE", "nOnE", "", "eddsa", "EdDSA ", "ED25519", "Ed448", "HS256", "HS384", "HS512",
        "RS256", "PS256", "ES256", "ES256K",
    ] {
        cases.header(bad, &format!("alg {alg:?} over an Ed25519 signature"), HEADER_A.replace("EdDSA", alg));
    }
    let none =
        format!("{}.{}.", encode(HEADER_A.replace("EdDSA", "none").as_bytes()), encode(valid().as_bytes()));
    cases.add("token_malformed", "alg none without a signature", none.clone());
    cases.add(bad, "alg none with one byte as signature", format!("{none}AA"));
    let forged = HEADER_A.replace("EdDSA", "HS256");
    cases.add(
        bad,
        "HS256 with the public key as secret",
        sign_hmac(a().verifying_key().as_bytes(), &forged, &valid()),
    );
    cases.add(
        bad,
        "HS256 with the text of the public key as secret",
        sign_hmac(x(&a()).as_bytes(), &forged, &valid()),
    );
    cases.add_with(
        bad,
        "HS256 with the public key as secret, beside a real secret",
        sign_hmac(a().verifying_key().as_bytes(), &forged, &valid()),
        "a and h",
        "default",
    );
    let eddsa = HEADER_H.replace("HS256", "EdDSA");
    cases.add_with(
        bad,
        "EdDSA under the id of a shared secret",
        sign(&a(), eddsa, valid()),
        "a and h",
        "default",
    );
    for alg in ["none", "HS384", "HS512", "hs256"] {
        cases.add_with(
            bad,
            &format!("alg {alg:?} over an HS256 signature"),
            sign_hmac(SECRET, &HEADER_H.replace("HS256", alg), &valid()),
            "h",
            "default",
        );
    }
}

pub(super) fn signature(cases: &mut Cases) {
    let bad = "signature_invalid";
    let token = valid_token();
    let (signed, tail) = token.rsplit_once('.').unwrap();
    let real = a().sign(signed.as_bytes()).to_bytes();
    cases.add(bad, "signed by a stranger", sign(&attacker(), HEADER_A, valid()));
    cases.add_with(
        bad,
        "signed by another key of the set",
        sign(&b(), HEADER_A, valid()),
        "a and b",
        "default",
    );
    cases.add_with(
        bad,
        "the id of another key of the set",
        sign(&a(), HEADER_A.replace(r#""a""#, r#""b""#), valid()),
        "a and b",
        "default",
    );
    let own_key =
        canonical(&json!({"alg": "EdDSA", "kid": "a", "typ": "at+jwt", "jwk": jwk("a", &attacker())}));
    cases.add(bad, "signed by the key in the header", sign(&attacker(), own_key, valid()));
    let own_url =
        canonical(&json!({"alg": "EdDSA", "kid": "a", "typ": "at+jwt", "jku": "https://evil.example/jwks"}));
    cases.add(bad, "signed by the key that the header points to", sign(&attacker(), own_url, valid()));
    let other = claims(json!({"sub": "ffffffffffffffffffffffffffffffff"}));
    cases.add(
        bad,
        "another payload",
        format!("{}.{}.{tail}", encode(HEADER_A.as_bytes()), encode(other.as_bytes())),
    );
    cases.add(
        bad,
        "another header",
        format!(
            "{}.{}.{tail}",
            encode(HEADER_A.replace("EdDSA", "Ed25519").as_bytes()),
            encode(valid().as_bytes())
        ),
    );
    cases.add(
        bad,
        "a signature over the payload alone",
        join(signed, &a().sign(valid().as_bytes()).to_bytes()),
    );
    cases.add(bad, "63 bytes of the signature", join(signed, &real[..63]));
    cases.add(bad, "the signature and one byte more", join(signed, &[&real[..], &[0]].concat()));
    cases.add(bad, "the signature twice", join(signed, &[real, real].concat()));
    cases.add(bad, "64 zero bytes", join(signed, &[0; 64]));
    cases.add(bad, "one byte", join(signed, &[0]));
    cases.add(bad, "S plus the group order (malleated)", join(signed, &plus_order(&real)));
    let neutral = [&[1u8][..], &[0; 63]].concat();
    cases.add(bad, "R of small order and S zero", join(signed, &neutral));
    cases.add(
        bad,
        "a signature in DER",
        join(signed, &[&[0x30, 0x44, 0x02, 0x20][..], &real[..32], &[0x02, 0x20], &real[32..]].concat()),
    );
    let signed = format!("{}.{}", encode(HEADER_H.as_bytes()), encode(valid().as_bytes()));
    let mac = hmac_sha256(SECRET, signed.as_bytes());
    let sha512 =
        Hmac::<Sha512>::new_from_slice(SECRET).unwrap().chain_update(&signed).finalize().into_bytes();
    let mut flipped = mac.clone();
    flipped[31] ^= 1;
    for (name, signature) in [
        ("half a MAC", &mac[..16]),
        ("a MAC and one byte more", &[&mac[..], &[0]].concat()),
        ("a MAC of 32 zero bytes", &[0; 32]),
        ("a MAC with one bit flipped", &flipped),
        ("a MAC with an empty key", &hmac_sha256(b"", signed.as_bytes())),
        ("a MAC of SHA-512", &sha512),
        ("a MAC of SHA-512, cut to 32 bytes", &sha512[..32]),
        ("a MAC with another key", &hmac_sha256(&[7; 32], signed.as_bytes())),
    ] {
        cases.add_with(bad, name, join(&signed, signature), "h", "default");
    }
}

/// The same signature with S + L for S: without the range check of RFC 8032 §5.1.7 it would verify.
fn plus_order(signature: &[u8; 64]) -> [u8; 64] {
    const ORDER: [u8; 32] = [
        0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleated = *signature;
    let mut carry = 0u16;
    for (byte, order) in malleated[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = (sum & 0xFF) as u8;
        carry = sum >> 8;
    }
    malleated
}
