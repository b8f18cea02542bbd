//! Registering (Web Authentication Level 3 §7.1): one row per step.

use crate::authenticator::{
    ATTESTED, BACKED_UP, CHALLENGE, Draft, ELIGIBLE, EXTENDED, Key, PRESENT, VERIFIED, bytes, head, integer,
    map, octets, party, text,
};
use postern_core::codec::base64url;
use postern_core::passkey::{NewCredential, PasskeyRefusal, check_registration};

/// What makes a draft wrong.
type Change = dyn Fn(&mut Draft);
/// The same, without anything of its own.
type PlainChange = fn(&mut Draft);

fn check(draft: &Draft) -> Result<NewCredential, PasskeyRefusal> {
    check_registration(&party(), &CHALLENGE, true, &draft.to_registration())
}

fn refusal(change: impl FnOnce(&mut Draft)) -> Option<PasskeyRefusal> {
    let mut draft = Draft::registration(&Key::p256());
    change(&mut draft);
    check(&draft).err()
}

#[test]
fn a_key_of_each_algorithm_is_taken() {
    for key in Key::all() {
        let new = check(&Draft::registration(&key)).unwrap();
        assert_eq!((new.id.as_bytes(), new.aaguid, new.sign_count), (&[9; 16][..], [7; 16], 0));
        assert_eq!(new.public_key.as_bytes(), key.cose());
        assert!(new.is_user_verified && !new.is_backup_eligible && !new.is_backed_up);
    }
}

#[test]
fn what_an_authenticator_may_say_is_taken() {
    let accepted: [PlainChange; 8] = [
        |draft| draft.origin = "https://example.com:8443".into(),
        |draft| draft.more = r#","crossOrigin":false,"other_keys_can_be_added_here":{"a":[1]}"#.into(),
        |draft| draft.flags |= ELIGIBLE | BACKED_UP,
        |draft| draft.count = u32::MAX,
        |draft| (draft.format, draft.statement) = ("packed", map(&[(text("sig"), bytes(b"unchecked"))])),
        |draft| {
            draft.flags |= EXTENDED;
            draft.extensions = map(&[(text("credProtect"), integer(2))]);
        },
        |draft| (draft.id, draft.said_id) = (vec![1], vec![1]),
        |draft| (draft.id, draft.said_id) = (vec![1; 1023], vec![1; 1023]),
    ];
    for (row, change) in accepted.into_iter().enumerate() {
        assert_eq!(refusal(change), None, "row {row}");
    }
}

#[test]
fn client_data_are_refused() {
    use PasskeyRefusal::*;
    let json = |text: &str| Some(text.as_bytes().to_vec());
    let refused: [(PasskeyRefusal, Box<Change>); 24] = [
        (ClientDataMalformed, Box::new(move |draft| draft.client_data = json(""))),
        (ClientDataMalformed, Box::new(move |draft| draft.client_data = json("null"))),
        (ClientDataMalformed, Box::new(move |draft| draft.client_data = json("{}"))),
        (
            ClientDataMalformed,
            Box::new(|draft| draft.client_data = Some([b"\xef\xbb\xbf", &*draft.client_data()].concat())),
        ),
        (
            ClientDataMalformed,
            Box::new(|draft| draft.client_data = Some([&*draft.client_data(), b"x"].concat())),
        ),
        (ClientDataMalformed, Box::new(|draft| draft.client_data = Some(vec![0xff]))),
        (ClientDataMalformed, Box::new(|draft| draft.more = format!(r#","pad":"{}""#, "x".repeat(4096)))),
        (ClientDataMalformed, Box::new(|draft| draft.more = r#","origin":"https://app.example.com""#.into())),
        (ClientDataMalformed, Box::new(|draft| draft.more = r#","crossOrigin":"false""#.into())),
        (ClientDataMalformed, Box::new(|draft| draft.challenge = "not base64url!".into())),
        (ClientDataMalformed, Box::new(|draft| draft.challenge = base64url::encode(&CHALLENGE) + "=")),
        (TypeMismatch, Box::new(|draft| draft.kind = "webauthn.get")),
        (TypeMismatch, Box::new(|draft| draft.kind = "payment.get")),
        (ChallengeMismatch, Box::new(|draft| draft.challenge = base64url::encode(&[4; 32]))),
        (ChallengeMismatch, Box::new(|draft| draft.challenge = base64url::encode(&CHALLENGE[..31]))),
        (ChallengeMismatch, Box::new(|draft| draft.challenge = String::new())),
        (OriginNotAllowed, Box::new(|draft| draft.origin = "https://evil.example".into())),
        (OriginNotAllowed, Box::new(|draft| draft.origin = "https://example.com".into())),
        (OriginNotAllowed, Box::new(|draft| draft.origin = "http://app.example.com".into())),
        (OriginNotAllowed, Box::new(|draft| draft.origin = "https://app.example.com:444".into())),
        (OriginNotAllowed, Box::new(|draft| draft.origin = "https://app.example.com/".into())),
        (OriginNotAllowed, Box::new(|draft| draft.origin = "https://app.example.com.evil.example".into())),
        (CrossOrigin, Box::new(|draft| draft.more = r#","crossOrigin":true"#.into())),
        (
            CrossOrigin,
            Box::new(|draft| {
                draft.more = r#","crossOrigin":false,"topOrigin":"https://app.example.com""#.into()
            }),
        ),
    ];
    for (row, (reason, change)) in refused.into_iter().enumerate() {
        assert_eq!(refusal(change), Some(reason), "row {row}");
    }
}

#[test]
fn attestation_objects_are_refused() {
    let draft = Draft::registration(&Key::p256());
    let data = || bytes(&draft.authenticator_data());
    let (format, statement) = (|| (text("fmt"), text("none")), || (text("attStmt"), vec![0xa0]));
    let whole = map(&[format(), statement(), (text("authData"), data())]);
    let objects = [
        Vec::new(),
        vec![0xa0],
        whole[..whole.len() - 1].to_vec(),
        [&whole[..], &[0]].concat(),
        map(&[format(), statement()]),
        map(&[format(), statement(), (text("authData"), data()), (text("more"), integer(1))]),
        map(&[format(), format(), (text("authData"), data())]),
        map(&[format(), statement(), statement()]),
        map(&[format(), statement(), (text("authData"), text("no bytes"))]),
        map(&[(text("fmt"), integer(1)), statement(), (text("authData"), data())]),
        map(&[format(), (text("attStmt"), integer(0)), (text("authData"), data())]),
        // `none` says nothing.
        map(&[format(), (text("attStmt"), map(&[(text("sig"), bytes(b""))])), (text("authData"), data())]),
        map(&[format(), statement(), (integer(3), data())]),
        // An indefinite length, and one of 2⁶⁴−1.
        [&[0xbf], &whole[1..], &[0xff]].concat(),
        [&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &whole[1..]].concat(),
        vec![0x81, 0xa0],
    ];
    for (row, object) in objects.into_iter().enumerate() {
        let found = refusal(|draft| draft.object = Some(object));
        assert_eq!(found, Some(PasskeyRefusal::AttestationMalformed), "row {row}");
    }
}

#[test]
fn authenticator_data_are_refused() {
    use PasskeyRefusal::*;
    let refused: [(PasskeyRefusal, PlainChange); 16] = [
        (RelyingPartyMismatch, |draft| draft.party = "app.example.com"),
        (RelyingPartyMismatch, |draft| draft.party = "evil.example"),
        (UserNotPresent, |draft| draft.flags &= !PRESENT),
        (UserNotVerified, |draft| draft.flags &= !VERIFIED),
        (BackupStateInconsistent, |draft| draft.flags |= BACKED_UP),
        (AuthenticatorDataMalformed, |draft| draft.flags &= !ATTESTED),
        (AuthenticatorDataMalformed, |draft| draft.flags |= EXTENDED),
        (AuthenticatorDataMalformed, |draft| draft.trailing = vec![0]),
        (AuthenticatorDataMalformed, |draft| draft.extensions = vec![0xa0]),
        (AuthenticatorDataMalformed, |draft| {
            draft.flags |= EXTENDED;
            draft.extensions = vec![0x80];
        }),
        (AuthenticatorDataMalformed, |draft| {
            draft.flags |= EXTENDED;
            draft.extensions = vec![0xa0, 0xa0];
        }),
        (AuthenticatorDataMalformed, |draft| draft.id_length = Some(1000)),
        (CredentialIdMalformed, |draft| draft.id = Vec::new()),
        (CredentialIdMalformed, |draft| (draft.id, draft.said_id) = (vec![1; 1024], vec![1; 1024])),
        (CredentialIdMalformed, |draft| draft.said_id = vec![8; 16]),
        (CredentialIdMalformed, |draft| draft.said_id.push(9)),
    ];
    for (row, (reason, change)) in refused.into_iter().enumerate() {
        assert_eq!(refusal(change), Some(reason), "row {row}");
    }
    // Cut anywhere, it is not whole.
    let whole = Draft::registration(&Key::p256()).authenticator_data();
    for length in 0..whole.len() {
        let object = map(&[
            (text("fmt"), text("none")),
            (text("attStmt"), vec![0xa0]),
            (text("authData"), bytes(&whole[..length])),
        ]);
        assert_eq!(
            refusal(|draft| draft.object = Some(object)),
            Some(AuthenticatorDataMalformed),
            "{length} bytes"
        );
    }
}

#[test]
fn a_user_is_verified_where_that_is_asked_for_alone() {
    let mut draft = Draft::registration(&Key::ed25519());
    draft.flags &= !VERIFIED;
    let new = check_registration(&party(), &CHALLENGE, false, &draft.to_registration()).unwrap();
    assert!(!new.is_user_verified);
}

/// A key's members with one of them replaced.
fn with(key: &Key, label: i64, value: Vec<u8>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut members = key.members();
    let member = members.iter_mut().find(|(name, _)| *name == integer(label)).unwrap();
    member.1 = value;
    members
}

#[test]
fn keys_are_refused() {
    let (p256, ed25519, rsa) = (Key::p256(), Key::ed25519(), Key::rsa());
    let with_more = |key: &Key, label, value| [key.members(), vec![(integer(label), value)]].concat();
    let without = |key: &Key, label: i64| {
        key.members().into_iter().filter(|(name, _)| *name != integer(label)).collect::<Vec<_>>()
    };
    let modulus = |length: usize| [&[0xff], &vec![1; length - 1][..]].concat();
    let keys = [
        // Algorithms that were not asked for, or that are another key's.
        with(&p256, 3, integer(-35)),
        with(&p256, 3, integer(-8)),
        with(&p256, 3, integer(-65535)),
        with(&ed25519, 3, integer(-7)),
        with(&rsa, 3, integer(-37)),
        with(&p256, 1, integer(1)),
        with(&ed25519, 1, integer(2)),
        with(&p256, -1, integer(2)),
        with(&p256, -1, integer(8)),
        with(&ed25519, -1, integer(7)),
        with(&rsa, -1, integer(1)),
        // Points that are not on the curve, compressed, or cut short.
        with(&p256, -2, bytes(&[1; 32])),
        with(&p256, -2, bytes(&[1; 31])),
        with(&p256, -2, bytes(&[0; 32])),
        with(&p256, -3, vec![0xf5]),
        with(&p256, -3, bytes(&[0xff; 32])),
        with(&ed25519, -2, bytes(&[0; 32])),
        with(&ed25519, -2, bytes(&[0xff; 32])),
        with(&ed25519, -2, bytes(&[9; 33])),
        // RSA that is too small, too large, even, or signs everything.
        with(&rsa, -1, bytes(&modulus(128))),
        with(&rsa, -1, bytes(&modulus(255))),
        with(&rsa, -1, bytes(&modulus(513))),
        with(&rsa, -1, bytes(&[&[0], &modulus(256)[..]].concat())),
        with(&rsa, -2, bytes(&[1])),
        with(&rsa, -2, bytes(&[2])),
        with(&rsa, -2, bytes(&[])),
        // A member too few, too many, or twice; one of another type.
        without(&p256, 1),
        without(&p256, 3),
        without(&p256, -1),
        without(&p256, -3),
        without(&ed25519, -2),
        with_more(&ed25519, -3, bytes(&[1; 32])),
        with_more(&p256, 2, bytes(b"kid")),
        with_more(&ed25519, 4, head(4, 0)),
        with_more(&ed25519, -2, bytes(&[9; 32])),
        with_more(&rsa, -1, integer(1)),
        with(&p256, 1, text("EC2")),
        with(&p256, -2, text("x")),
    ];
    for (row, members) in keys.into_iter().enumerate() {
        let found = refusal(|draft| draft.cose = map(&members));
        assert_eq!(found, Some(PasskeyRefusal::KeyNotAllowed), "row {row}");
    }
    let found = refusal(|draft| draft.cose = bytes(b"no map"));
    assert_eq!(found, Some(PasskeyRefusal::AuthenticatorDataMalformed));
}

#[test]
fn a_modulus_of_4096_bits_is_the_largest() {
    let members = with(&Key::rsa(), -1, bytes(&[&[0xff], &[1; 511][..]].concat()));
    assert_eq!(refusal(|draft| draft.cose = map(&members)), None);
}

#[test]
fn no_flipped_bit_of_the_relying_party_the_flags_or_the_length_passes() {
    let draft = Draft::registration(&Key::p256());
    let whole = draft.authenticator_data();
    for at in (0..33).chain(53..55) {
        for bit in 0..8 {
            // Reserved bits, and what may be either.
            if at == 32 && [1, 3, 5].contains(&bit) {
                continue;
            }
            let mut data = whole.clone();
            data[at] ^= 1 << bit;
            let object = map(&[
                (text("fmt"), text("none")),
                (text("attStmt"), vec![0xa0]),
                (text("authData"), bytes(&data)),
            ]);
            assert!(refusal(|draft| draft.object = Some(object)).is_some(), "bit {bit} of byte {at}");
        }
    }
    assert_eq!(octets(&whole).to_text().len(), whole.len().div_ceil(3) * 4 - (3 - whole.len() % 3) % 3);
}
