//! Asserting (Web Authentication Level 3 §7.2): one row per step.

use crate::authenticator::{
    ATTESTED, BACKED_UP, CHALLENGE, Draft, ELIGIBLE, EXTENDED, HANDLE, Key, PRESENT, VERIFIED, der, integer,
    map, party, text,
};
use crate::{NOW, only, registered, registered_as};
use postern_core::codec::base64url;
use postern_core::jwt::SignatureVerdict;
use postern_core::passkey::{
    Assertion, Expected, Passkey, PasskeyRecord, PasskeyRefusal, PasskeyUse, check_assertion,
};

/// What makes a draft wrong.
type Change = fn(&mut Draft);

fn assert_with(passkey: &Passkey, draft: &Draft, key: &Key, alone: bool) -> Result<Passkey, PasskeyRefusal> {
    let party = party();
    let expected = Expected { party: &party, challenge: &CHALLENGE, user_handle: &HANDLE, alone };
    let checked = check_assertion(passkey, &expected, &draft.to_assertion(key), NOW)?;
    Ok(checked.verified(None)?.passkey().clone())
}

fn refusal(key: &Key, change: impl FnOnce(&mut Draft)) -> Option<PasskeyRefusal> {
    let mut draft = Draft::assertion(key);
    change(&mut draft);
    assert_with(only(&registered(key)), &draft, key, true).err()
}

#[test]
fn the_right_key_is_accepted_and_what_it_says_is_kept() {
    for key in Key::all() {
        let before = only(&registered(&key)).clone();
        let mut draft = Draft::assertion(&key);
        draft.count = 7;
        let after = assert_with(&before, &draft, &key, true).unwrap();
        assert_eq!(after, Passkey { sign_count: 7, last_used_at: Some(NOW), ..before });
    }
}

#[test]
fn another_key_is_not() {
    for (theirs, ours) in [(0, 1), (1, 2), (2, 0)] {
        let keys = Key::all();
        let passkey = registered(&keys[theirs]);
        let found = assert_with(only(&passkey), &Draft::assertion(&keys[ours]), &keys[ours], true);
        assert_eq!(found.err(), Some(PasskeyRefusal::SignatureInvalid));
    }
    let other = Key::P256(p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap());
    let found = assert_with(only(&registered(&Key::p256())), &Draft::assertion(&other), &other, true);
    assert_eq!(found.err(), Some(PasskeyRefusal::SignatureInvalid));
}

#[test]
fn every_step_has_its_refusal() {
    use PasskeyRefusal::*;
    let refused: [(PasskeyRefusal, Change); 30] = [
        (Unknown, |draft| draft.said_id = vec![8; 16]),
        (UserHandleMismatch, |draft| draft.handle = None),
        (UserHandleMismatch, |draft| draft.handle = Some(vec![5; 32])),
        (UserHandleMismatch, |draft| draft.handle = Some(HANDLE[..16].into())),
        (ClientDataMalformed, |draft| draft.client_data = Some(b"{}".to_vec())),
        (ClientDataMalformed, |draft| draft.more = r#","type":"webauthn.get""#.into()),
        (ClientDataMalformed, |draft| draft.more = format!(r#","pad":"{}""#, "x".repeat(4096))),
        (ClientDataMalformed, |draft| draft.more = r#","crossOrigin":null"#.into()),
        (TypeMismatch, |draft| draft.kind = "webauthn.create"),
        (TypeMismatch, |draft| draft.kind = "WebAuthn.get"),
        (ChallengeMismatch, |draft| draft.challenge = base64url::encode(&[4; 32])),
        (ChallengeMismatch, |draft| draft.challenge = base64url::encode(&[5; 33])),
        (OriginNotAllowed, |draft| draft.origin = "https://evil.example".into()),
        (OriginNotAllowed, |draft| draft.origin = "null".into()),
        (OriginNotAllowed, |draft| draft.origin = "https://APP.example.com".into()),
        (CrossOrigin, |draft| draft.more = r#","crossOrigin":true"#.into()),
        (CrossOrigin, |draft| draft.more = r#","topOrigin":"https://evil.example""#.into()),
        (RelyingPartyMismatch, |draft| draft.party = "evil.example"),
        (UserNotPresent, |draft| draft.flags &= !PRESENT),
        (UserNotVerified, |draft| draft.flags &= !VERIFIED),
        (BackupStateInconsistent, |draft| draft.flags |= BACKED_UP),
        (BackupEligibilityChanged, |draft| draft.flags |= ELIGIBLE),
        (AuthenticatorDataMalformed, |draft| draft.flags |= ATTESTED),
        (AuthenticatorDataMalformed, |draft| draft.flags |= EXTENDED),
        (AuthenticatorDataMalformed, |draft| draft.trailing = vec![0xa0]),
        (SignatureInvalid, |draft| draft.signature = Some(Vec::new())),
        (SignatureInvalid, |draft| draft.signature = Some(vec![0; 64])),
        (SignatureInvalid, |draft| draft.signature = Some(vec![0; 256])),
        (SignatureInvalid, |draft| draft.signature = Some(der(&[1; 64]))),
        (SignatureInvalid, |draft| draft.signature = Some([1; 70].to_vec())),
    ];
    for key in Key::all() {
        for (row, (reason, change)) in refused.into_iter().enumerate() {
            assert_eq!(refusal(&key, change), Some(reason), "row {row}");
        }
        let extended = refusal(&key, |draft| {
            draft.flags |= EXTENDED;
            draft.extensions = map(&[(text("appid"), integer(1))]);
        });
        assert_eq!(extended, None);
    }
}

#[test]
fn a_signature_is_over_every_byte() {
    for key in Key::all() {
        let passkey = registered(&key);
        let party = party();
        let expected = Expected { party: &party, challenge: &CHALLENGE, user_handle: &HANDLE, alone: true };
        let right = Draft::assertion(&key).to_assertion(&key);
        let verified = |response: &Assertion| {
            let checked = check_assertion(only(&passkey), &expected, response, NOW)?;
            checked.verified(None).map(|_| ())
        };
        assert_eq!(verified(&right), Ok(()));
        let flip = |bytes: &[u8], at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            postern_core::passkey::Octets::new(bytes)
        };
        for at in 0..right.authenticator_data.as_bytes().len() {
            let mut wrong = right.clone();
            wrong.authenticator_data = flip(right.authenticator_data.as_bytes(), at);
            assert!(verified(&wrong).is_err(), "byte {at} of the authenticator data");
        }
        for at in 0..right.client_data.as_bytes().len() {
            let mut wrong = right.clone();
            wrong.client_data = flip(right.client_data.as_bytes(), at);
            assert!(verified(&wrong).is_err(), "byte {at} of the client data");
        }
        for at in 0..right.signature.as_bytes().len() {
            let mut wrong = right.clone();
            wrong.signature = flip(right.signature.as_bytes(), at);
            assert_eq!(verified(&wrong), Err(PasskeyRefusal::SignatureInvalid), "byte {at} of the signature");
        }
        // White space outside of strings changes nothing that is read, and yet is signed.
        let mut spaced = right.clone();
        let client_data = [b" ", right.client_data.as_bytes()].concat();
        spaced.client_data = postern_core::passkey::Octets::new(client_data);
        assert_eq!(verified(&spaced), Err(PasskeyRefusal::SignatureInvalid));
    }
}

#[test]
fn ecdsa_has_one_spelling() {
    let key = Key::p256();
    let right = Draft::assertion(&key).to_assertion(&key).signature.as_bytes().to_vec();
    let fixed = {
        let Key::P256(key) = &key else { panic!("another key") };
        let draft = Draft::assertion(&Key::p256());
        let hash = <sha2::Sha256 as sha2::Digest>::digest(draft.client_data());
        let message = [draft.authenticator_data(), hash.to_vec()].concat();
        let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(key, &message);
        signature.to_bytes().to_vec()
    };
    assert_eq!(der(&fixed), right);
    let long_form = [&[0x30, 0x81], &right[1..]].concat();
    let first = usize::from(right[3]);
    let zero_in_front = {
        let mut zero = right.clone();
        (zero[1], zero[3]) = (right[1] + 1, right[3] + 1);
        zero.insert(4, 0);
        zero
    };
    let third_number = {
        let mut third = [&right[..], &[2, 1, 1]].concat();
        third[1] += 3;
        third
    };
    let one_number = {
        let mut one = right[..4 + first].to_vec();
        one[1] = right[3] + 2;
        one
    };
    let too_long = {
        let number = [&[2, 33, 1][..], &[0; 32]].concat();
        [&[0x30, 70], &number[..], &number].concat()
    };
    let negative = [&[0x30, 6, 2, 1, 0x80, 2, 1, 1][..]].concat();
    let zero = [0x30, 6, 2, 1, 0, 2, 1, 0].to_vec();
    let trailing = [&right[..], &[0]].concat();
    let cut = right[..right.len() - 1].to_vec();
    for (row, signature) in
        [fixed, long_form, zero_in_front, third_number, one_number, too_long, negative, zero, trailing, cut]
            .into_iter()
            .enumerate()
    {
        let found = refusal(&key, |draft| draft.signature = Some(signature));
        assert_eq!(found, Some(PasskeyRefusal::SignatureInvalid), "row {row}");
    }
}

#[test]
fn a_counter_rises_or_is_not_there() {
    let key = Key::ed25519();
    let passkey = only(&registered(&key)).clone();
    for (before, now, is_right) in [
        (0, 0, true),
        (0, 1, true),
        (0, u32::MAX, true),
        (1, 2, true),
        (7, 9, true),
        (7, 7, false),
        (7, 6, false),
        (7, 0, false),
        (u32::MAX, u32::MAX, false),
        (u32::MAX, 0, false),
    ] {
        let passkey = Passkey { sign_count: before, ..passkey.clone() };
        let mut draft = Draft::assertion(&key);
        draft.count = now;
        let found = assert_with(&passkey, &draft, &key, true);
        let expected = if is_right { Ok(now) } else { Err(PasskeyRefusal::CounterNotRaised) };
        assert_eq!(found.map(|passkey| passkey.sign_count), expected, "{before} to {now}");
        // A wrong signature tells nothing of the counter.
        draft.signature = Some(vec![0; 64]);
        assert_eq!(assert_with(&passkey, &draft, &key, true).err(), Some(PasskeyRefusal::SignatureInvalid));
    }
}

#[test]
fn behind_another_factor_less_is_asked_for() {
    let key = Key::p256();
    let mut registration = Draft::registration(&key);
    registration.flags = PRESENT | ATTESTED;
    let record = registered_as(&registration, PasskeyUse::SecondFactor);
    let passkey = only(&record);
    assert!(!passkey.is_user_verified);
    let mut draft = Draft::assertion(&key);
    // By itself it lets nobody in, whatever the authenticator says now.
    assert_eq!(assert_with(passkey, &draft, &key, true).err(), Some(PasskeyRefusal::SecondFactorOnly));
    (draft.flags, draft.handle) = (PRESENT, None);
    assert!(!assert_with(passkey, &draft, &key, false).unwrap().is_user_verified);
    draft.handle = Some(vec![1; 32]);
    assert_eq!(assert_with(passkey, &draft, &key, false).err(), Some(PasskeyRefusal::UserHandleMismatch));
    draft.handle = None;
    draft.flags = VERIFIED;
    assert_eq!(assert_with(passkey, &draft, &key, false).err(), Some(PasskeyRefusal::UserNotPresent));
    // A verified user behind another factor is one from then on.
    draft.flags = PRESENT | VERIFIED;
    let after = assert_with(passkey, &draft, &key, false).unwrap();
    assert!(after.is_user_verified);
    draft.handle = Some(HANDLE.into());
    assert!(assert_with(&after, &draft, &key, true).is_ok());
}

#[test]
fn a_host_can_refuse_what_is_right_and_not_accept_what_is_wrong() {
    let party = party();
    let expected = Expected { party: &party, challenge: &CHALLENGE, user_handle: &HANDLE, alone: true };
    let key = Key::ed25519();
    let record = registered(&key);
    let mut draft = Draft::assertion(&key);
    let checked =
        |draft: &Draft| check_assertion(only(&record), &expected, &draft.to_assertion(&key), NOW).unwrap();
    assert!(!checked(&draft).needs_host());
    assert!(checked(&draft).verified(Some(SignatureVerdict::Valid)).is_ok());
    let refused = checked(&draft).verified(Some(SignatureVerdict::Invalid)).err();
    assert_eq!(refused, Some(PasskeyRefusal::SignatureInvalid));
    draft.signature = Some(vec![0; 64]);
    let refused = checked(&draft).verified(Some(SignatureVerdict::Valid)).err();
    assert_eq!(refused, Some(PasskeyRefusal::SignatureInvalid));
}

#[test]
fn a_record_is_asked_for_the_passkey_that_is_named() {
    let key = Key::ed25519();
    let party = party();
    let expected = Expected { party: &party, challenge: &CHALLENGE, user_handle: &HANDLE, alone: true };
    let response = Draft::assertion(&key).to_assertion(&key);
    assert!(registered(&key).check(&expected, &response, NOW).is_ok());
    let nobody = PasskeyRecord::default().check(&expected, &response, NOW);
    assert_eq!(nobody.err(), Some(PasskeyRefusal::Unknown));
}
