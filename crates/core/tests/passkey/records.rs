//! What an account keeps: one registration at a time, challenges that work once, and at most so many of each.

use crate::authenticator::{ATTESTED, CHALLENGE, Draft, HANDLE, Key, PRESENT, party};
use crate::{NOW, later, only, registered, registered_as, stored};
use postern_core::codec::base64url;
use postern_core::entropy::Random;
use postern_core::factor::ChallengeId;
use postern_core::id::{AccountId, OperationId, TenantId};
use postern_core::passkey::{
    Expected, MAX_PASSKEYS, Octets, PasskeyRecord, PasskeyRefusal, PasskeyUse, RegistrationOutcome, SignIn,
    SignInOutcome, begin_registration, finish_registration, second_factor_challenge, sign_in,
};
use postern_core::secret::Secret;
use postern_core::time::UnixMillis;

pub(crate) fn begun(record: &PasskeyRecord, registered_for: PasskeyUse) -> PasskeyRecord {
    begin_registration(record, Random::new(CHALLENGE), registered_for, false, NOW).unwrap()
}

pub(crate) fn finish(record: &PasskeyRecord, draft: &Draft) -> RegistrationOutcome {
    finish_at(record, draft, NOW)
}

fn finish_at(record: &PasskeyRecord, draft: &Draft, at: UnixMillis) -> RegistrationOutcome {
    let response = draft.to_registration();
    finish_registration(record, &party(), &response, "laptop".into(), vec!["internal".into()], false, at)
}

fn refused(outcome: RegistrationOutcome) -> (PasskeyRefusal, Option<PasskeyRecord>) {
    match outcome {
        RegistrationOutcome::Refused { reason, write } => (reason, write),
        RegistrationOutcome::Stored(_) => panic!("stored"),
    }
}

#[test]
fn a_registration_is_stored_whole() {
    let record = registered(&Key::p256());
    let passkey = only(&record);
    assert_eq!((passkey.name.as_str(), passkey.registered_for), ("laptop", PasskeyUse::SignIn));
    assert_eq!((passkey.created_at, passkey.last_used_at), (NOW, None));
    assert_eq!(passkey.transports, ["internal"]);
    assert_eq!((record.pending.is_none(), record.guards()), (true, false));
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<PasskeyRecord>(&text).unwrap(), record);
}

#[test]
fn a_factor_that_was_not_shown_ends_what_was_begun_before_it() {
    let draft = Draft::registration(&Key::p256());
    let response = draft.to_registration();
    let empty = PasskeyRecord::default();
    for (is_behind_factor, is_guarded, is_stored) in
        [(false, false, true), (false, true, false), (true, true, true), (true, false, true)]
    {
        let random = Random::new(CHALLENGE);
        let begun = begin_registration(&empty, random, PasskeyUse::SignIn, is_behind_factor, NOW).unwrap();
        let outcome =
            finish_registration(&begun, &party(), &response, "laptop".into(), Vec::new(), is_guarded, NOW);
        match outcome {
            RegistrationOutcome::Stored(_) => assert!(is_stored),
            RegistrationOutcome::Refused { reason, write } => {
                assert_eq!((reason, is_stored), (PasskeyRefusal::NotBegun, false));
                assert!(write.unwrap().pending.is_none());
            }
        }
    }
}

#[test]
fn a_challenge_registers_once_right_or_wrong() {
    let key = Key::p256();
    let first = begun(&PasskeyRecord::default(), PasskeyUse::SignIn);
    let draft = Draft::registration(&key);
    let after = stored(finish(&first, &draft));
    assert_eq!(refused(finish(&after, &draft)), (PasskeyRefusal::NotBegun, None));
    let mut wrong = Draft::registration(&key);
    wrong.origin = "https://evil.example".into();
    let (reason, write) = refused(finish(&first, &wrong));
    let write = write.unwrap();
    assert_eq!(
        (reason, write.pending.is_none(), write.passkeys.len()),
        (PasskeyRefusal::OriginNotAllowed, true, 0)
    );
    assert_eq!(refused(finish(&write, &draft)).0, PasskeyRefusal::NotBegun);
}

#[test]
fn a_registration_expires_and_another_replaces_it() {
    let draft = Draft::registration(&Key::p256());
    let first = begun(&PasskeyRecord::default(), PasskeyUse::SignIn);
    stored(finish_at(&first, &draft, UnixMillis::new(later(300).as_millis() - 1)));
    let (reason, write) = refused(finish_at(&first, &draft, later(300)));
    assert_eq!((reason, write.unwrap().pending), (PasskeyRefusal::NotBegun, None));
    let second = begin_registration(&first, Random::new([8; 32]), PasskeyUse::SignIn, false, NOW).unwrap();
    assert_eq!(refused(finish(&second, &draft)).0, PasskeyRefusal::ChallengeMismatch);
}

#[test]
fn one_that_signs_in_has_a_verified_user_and_one_that_guards_need_not() {
    let mut draft = Draft::registration(&Key::ed25519());
    draft.flags = PRESENT | ATTESTED;
    let first = begun(&PasskeyRecord::default(), PasskeyUse::SignIn);
    assert_eq!(refused(finish(&first, &draft)).0, PasskeyRefusal::UserNotVerified);
    let record = registered_as(&draft, PasskeyUse::SecondFactor);
    assert!(record.guards() && !record.signs_in_without(&Octets::new(vec![1])));
}

#[test]
fn what_only_guards_goes_and_what_signs_in_stays() {
    let (alone, behind) = (Draft::registration(&Key::ed25519()), Draft::registration(&Key::p256()));
    let signs_in = registered_as(&alone, PasskeyUse::SignIn);
    let guards = registered_as(&behind, PasskeyUse::SecondFactor);
    let passkeys = [signs_in.passkeys.clone(), guards.passkeys].concat();
    let both = PasskeyRecord { passkeys, ..signs_in.clone() };
    let left = begun(&both, PasskeyUse::SecondFactor).without_second_factors(false);
    assert_eq!((both.guards(), left.guards()), (true, false));
    assert_eq!((&left.passkeys, left.pending), (&signs_in.passkeys, None));
    assert!(both.without_second_factors(true).passkeys.is_empty(), "where every one guards");
}

#[test]
fn there_are_twenty_and_none_twice() {
    let key = Key::ed25519();
    let mut record = PasskeyRecord::default();
    for number in 0..u8::try_from(MAX_PASSKEYS).unwrap() {
        let mut draft = Draft::registration(&key);
        (draft.id, draft.said_id) = (vec![number; 16], vec![number; 16]);
        let waiting = begun(&record, PasskeyUse::SignIn);
        record = stored(finish(&waiting, &draft));
        let again = begun(&waiting, PasskeyUse::SignIn);
        let again = PasskeyRecord { passkeys: record.passkeys[..usize::from(number) + 1].to_vec(), ..again };
        if usize::from(number) + 1 < MAX_PASSKEYS {
            assert_eq!(refused(finish(&again, &draft)).0, PasskeyRefusal::AlreadyRegistered);
        }
    }
    let more = begin_registration(&record, Random::new(CHALLENGE), PasskeyUse::SignIn, false, NOW);
    assert_eq!(more.err(), Some(PasskeyRefusal::TooMany));
    let waiting = PasskeyRecord {
        pending: begun(&PasskeyRecord::default(), PasskeyUse::SignIn).pending,
        ..record.clone()
    };
    let mut draft = Draft::registration(&key);
    (draft.id, draft.said_id) = (vec![99; 16], vec![99; 16]);
    assert_eq!(refused(finish(&waiting, &draft)).0, PasskeyRefusal::TooMany);

    let first = &record.passkeys[0].id;
    let renamed = record.renamed(first, "phone".into()).unwrap();
    assert_eq!((renamed.passkeys[0].name.as_str(), renamed.passkeys[1].name.as_str()), ("phone", "laptop"));
    let fewer = record.without(first).unwrap();
    assert!(fewer.passkeys.len() == MAX_PASSKEYS - 1 && fewer.find(first).is_none());
    assert!(fewer.without(first).is_none() && fewer.renamed(first, "x".into()).is_none());
    assert!(record.signs_in_without(first));
}

const OPERATION: OperationId = OperationId::from_bytes([3; 16]);

fn attempt(
    record: &PasskeyRecord,
    draft: &Draft,
    key: &Key,
    operation: OperationId,
    at: UnixMillis,
) -> SignInOutcome {
    let party = party();
    let challenge = base64url::decode(draft.challenge.as_bytes()).unwrap();
    // That it has to say who, and that its user has to be verified, is not the caller's to choose.
    let expected = Expected { party: &party, challenge: &challenge, user_handle: &HANDLE, alone: false };
    let assertion = draft.to_assertion(key);
    let attempt = SignIn {
        expected,
        challenge_expires_at: later(300),
        assertion: &assertion,
        operation,
        verdict: None,
    };
    sign_in(record, &attempt, at)
}

fn proven(outcome: SignInOutcome) -> PasskeyRecord {
    match outcome {
        SignInOutcome::Proven(record) => record,
        other => panic!("{other:?}"),
    }
}

fn reason(outcome: SignInOutcome) -> PasskeyRefusal {
    match outcome {
        SignInOutcome::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_challenge_signs_in_once() {
    let key = Key::p256();
    let record = registered(&key);
    let draft = Draft::assertion(&key);
    let after = proven(attempt(&record, &draft, &key, OPERATION, NOW));
    assert_eq!(only(&after).last_used_at, Some(NOW));
    // Our own question again is answered again; anybody else's is not.
    assert!(matches!(attempt(&after, &draft, &key, OPERATION, later(299)), SignInOutcome::Repeated));
    let other = OperationId::from_bytes([4; 16]);
    assert_eq!(reason(attempt(&after, &draft, &key, other, later(299))), PasskeyRefusal::ChallengeMismatch);
    for operation in [OPERATION, other] {
        let late = attempt(&after, &draft, &key, operation, later(300));
        assert_eq!(reason(late), PasskeyRefusal::ChallengeMismatch);
    }
    assert_eq!(
        reason(attempt(&record, &draft, &key, OPERATION, later(300))),
        PasskeyRefusal::ChallengeMismatch
    );
}

#[test]
fn signing_in_asks_for_all_that_an_assertion_can_say() {
    let key = Key::ed25519();
    let record = registered(&key);
    let mut draft = Draft::assertion(&key);
    draft.handle = None;
    assert_eq!(reason(attempt(&record, &draft, &key, OPERATION, NOW)), PasskeyRefusal::UserHandleMismatch);
    draft = Draft::assertion(&key);
    draft.flags = PRESENT;
    assert_eq!(reason(attempt(&record, &draft, &key, OPERATION, NOW)), PasskeyRefusal::UserNotVerified);
    draft = Draft::assertion(&key);
    draft.signature = Some(vec![0; 64]);
    let outcome = attempt(&record, &draft, &key, OPERATION, NOW);
    // Nothing is stored for whoever does not have the passkey.
    assert!(matches!(
        outcome,
        SignInOutcome::Refused { reason: PasskeyRefusal::SignatureInvalid, write: None }
    ));
    let nobody = attempt(&PasskeyRecord::default(), &Draft::assertion(&key), &key, OPERATION, NOW);
    assert!(matches!(nobody, SignInOutcome::Refused { reason: PasskeyRefusal::Unknown, write: None }));
}

#[test]
fn a_copy_is_told_of_once() {
    let key = Key::ed25519();
    let mut draft = Draft::assertion(&key);
    draft.count = 9;
    let record = proven(attempt(&registered(&key), &draft, &key, OPERATION, NOW));
    draft.challenge = base64url::encode(&[8; 32]);
    let SignInOutcome::Refused { reason: PasskeyRefusal::CounterNotRaised, write: Some(told) } =
        attempt(&record, &draft, &key, OPERATION, NOW)
    else {
        panic!("accepted")
    };
    assert_eq!((only(&told).sign_count, told.spent.len()), (9, 2));
    // Neither its own operation nor another gets more out of it.
    for operation in [OPERATION, OperationId::from_bytes([4; 16])] {
        let again = attempt(&told, &draft, &key, operation, NOW);
        assert!(matches!(
            again,
            SignInOutcome::Refused { reason: PasskeyRefusal::ChallengeMismatch, write: None }
        ));
    }
}

#[test]
fn what_is_remembered_has_a_bound_and_an_end() {
    let key = Key::ed25519();
    let mut record = registered(&key);
    let draft_of =
        |number: u8| Draft { challenge: base64url::encode(&[number; 32]), ..Draft::assertion(&key) };
    for number in 0..32 {
        record = proven(attempt(&record, &draft_of(number), &key, OPERATION, NOW));
    }
    let SignInOutcome::Limited { retry_after_seconds } =
        attempt(&record, &draft_of(32), &key, OPERATION, later(10))
    else {
        panic!("not limited")
    };
    assert_eq!(retry_after_seconds, 290);
    // Others learn nothing of it.
    let wrong = Draft { signature: Some(vec![0; 64]), ..draft_of(32) };
    assert_eq!(reason(attempt(&record, &wrong, &key, OPERATION, NOW)), PasskeyRefusal::SignatureInvalid);
    let party = party();
    let assertion = draft_of(32).to_assertion(&key);
    let expected = Expected { party: &party, challenge: &[32; 32], user_handle: &HANDLE, alone: true };
    let later_attempt = SignIn {
        expected,
        challenge_expires_at: later(600),
        assertion: &assertion,
        operation: OPERATION,
        verdict: None,
    };
    assert_eq!(proven(sign_in(&record, &later_attempt, later(300))).spent.len(), 1);
}

#[test]
fn the_challenge_behind_another_factor_is_bound_to_its_login() {
    let tenants: [TenantId; 2] = ["acme".parse().unwrap(), "acme2".parse().unwrap()];
    let accounts = [AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16])];
    let secrets = [Secret::new([1; 32]), Secret::new([2; 32])];
    let mut seen = Vec::new();
    for tenant in &tenants {
        for account in &accounts {
            for secret in &secrets {
                let id = ChallengeId { tenant, account, secret };
                assert_eq!(second_factor_challenge(&id), second_factor_challenge(&id));
                seen.push(second_factor_challenge(&id));
            }
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 8);
    assert!(!seen.iter().any(|challenge| secrets.iter().any(|secret| secret.expose() == challenge)));
}
