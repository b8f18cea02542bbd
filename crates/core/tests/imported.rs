//! Password hashes of other systems: what those systems have made is read, checked and refused as the vectors say.
#![cfg(feature = "import")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::password::{
    AcceptedHashes, Arena, Argon2Params, FirebaseParams, ForeignHash, HashFormat, HashKind, HashKinds,
    ImportedHash, PasswordInput, Peppers, SignerKey, StoredHash, UnusableHash, VerifyError,
};
use postern_core::secret::SecretText;
use serde_json::Value;

const IMPORTED: &str = include_str!("../../../tests/vectors/password/imported.json");

fn file() -> Value {
    serde_json::from_str(IMPORTED).unwrap()
}

fn vectors(list: &str) -> Vec<Value> {
    file()[list].as_array().unwrap().clone()
}

fn input(text: &str) -> PasswordInput {
    PasswordInput::new(SecretText::new(text.into())).unwrap()
}

fn firebase(vector: &Value) -> Option<(FirebaseParams, SignerKey)> {
    let given = vector.get("firebase")?;
    let bytes = |name: &str| STANDARD.decode(given[name].as_str().unwrap()).unwrap();
    let number = |name: &str| u32::try_from(given[name].as_u64().unwrap()).unwrap();
    let (rounds, mem_cost) = (number("rounds"), number("mem_cost"));
    let params = FirebaseParams { rounds, mem_cost, salt_separator: bytes("salt_separator") };
    Some((params, SignerKey::from_slice(&bytes("signer_key")).unwrap()))
}

fn read(vector: &Value) -> Result<ForeignHash, String> {
    let format = vector.get("format").and_then(Value::as_str).map(|name| HashFormat::named(name).unwrap());
    let params = firebase(vector).map(|(params, _)| params);
    let salt = vector.get("salt").and_then(Value::as_str);
    let read = ForeignHash::read(vector["text"].as_str().unwrap(), format, salt, params.as_ref());
    read.map_err(|error| format!("{error:?}"))
}

/// Every kind, and the key of the vector's Firebase project.
fn everything(vector: &Value) -> AcceptedHashes {
    let kinds = HashKind::WORDS.iter().fold(HashKinds::NONE, |kinds, (_, kind)| kinds.with(*kind));
    AcceptedHashes { kinds, firebase_signer_key: firebase(vector).map(|(_, key)| key) }
}

fn cheap() -> Argon2Params {
    Argon2Params::new(8, 1, 1).unwrap()
}

#[test]
fn what_other_systems_have_hashed_is_rewritten_and_verified() {
    let mut arena = Arena::new();
    let mut verdict = |stored: &StoredHash, password: &str| {
        stored.verify(&input(password), cheap(), &Peppers::none(), &mut arena).map(|found| found.needs_rehash)
    };
    for vector in vectors("accept") {
        let name = vector["name"].as_str().unwrap();
        let foreign = read(&vector).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(foreign.as_str(), vector["stored"].as_str().unwrap(), "{name}");
        let again = ForeignHash::read(foreign.as_str(), None, None, None);
        if !foreign.as_str().starts_with("$firebase") {
            assert_eq!(again.as_ref(), Ok(&foreign), "{name}: a stored form is read as itself");
        }

        let stored = StoredHash::read(foreign.as_str(), &everything(&vector));
        assert_eq!(foreign.kind().is_some(), matches!(stored, StoredHash::Imported(_)), "{name}");
        let password = vector["password"].as_str().unwrap();
        let texts = |list: &str| vector.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        for right in texts("also").iter().map(|text| text.as_str().unwrap()).chain([password]) {
            assert_eq!(verdict(&stored, right), Ok(true), "{name}");
        }
        let mut changed = password.to_owned();
        changed.replace_range(..password.chars().next().unwrap().len_utf8(), "~");
        let made = [changed, format!("~{password}"), password.to_uppercase(), "x".into()];
        let made = made.iter().filter(|text| *text != password).map(String::as_str);
        for wrong in texts("wrong").iter().map(|text| text.as_str().unwrap()).chain(made) {
            assert_eq!(verdict(&stored, wrong), Err(VerifyError::Mismatch), "{name}");
        }
    }
}

#[test]
fn a_right_password_is_nothing_to_a_deployment_that_does_not_accept_the_kind() {
    let nothing = AcceptedHashes::default();
    for vector in vectors("accept") {
        let foreign = read(&vector).unwrap();
        let Some(kind) = foreign.kind() else { continue };
        let others = HashKind::WORDS.iter().filter(|(_, other)| *other != kind);
        let others = others.fold(HashKinds::NONE, |kinds, (_, other)| kinds.with(*other));
        for accepted in [nothing.clone(), AcceptedHashes { kinds: others, ..everything(&vector) }] {
            let stored = StoredHash::read(foreign.as_str(), &accepted);
            let StoredHash::Unusable(why) = &stored else { panic!("{}", vector["name"]) };
            assert_eq!(*why, UnusableHash::NotAccepted(kind));
            assert!(why.as_str().starts_with(kind.as_str()));
            let mut arena = Arena::new();
            let password = input(vector["password"].as_str().unwrap());
            let verdict = stored.verify(&password, cheap(), &Peppers::none(), &mut arena);
            assert_eq!(verdict, Err(VerifyError::Mismatch));
            assert_eq!(arena.memory_kib(), 8, "a dummy was computed instead");
        }
    }
}

#[test]
fn a_firebase_hash_needs_the_key_of_its_own_project() {
    let vector = vectors("accept").into_iter().find(|vector| vector.get("firebase").is_some()).unwrap();
    let (stored, password) =
        (vector["stored"].as_str().unwrap(), input(vector["password"].as_str().unwrap()));
    let without = AcceptedHashes { firebase_signer_key: None, ..everything(&vector) };
    let read = StoredHash::read(stored, &without);
    assert!(matches!(read, StoredHash::Unusable(UnusableHash::SignerKeyMissing)));
    let other = AcceptedHashes { firebase_signer_key: Some(SignerKey::new([7; 64])), ..without };
    let verdict =
        StoredHash::read(stored, &other).verify(&password, cheap(), &Peppers::none(), &mut Arena::new());
    assert_eq!(verdict, Err(VerifyError::Mismatch));
}

#[test]
fn what_is_no_stored_form_is_refused_by_name() {
    for vector in vectors("reject_stored") {
        let text = vector["text"].as_str().unwrap();
        let error = ImportedHash::read(text, Some(&SignerKey::new([1; 64]))).unwrap_err();
        assert_eq!(format!("{error:?}"), vector["error"].as_str().unwrap(), "{}", vector["name"]);
        let stored = StoredHash::read(text, &everything(&vector));
        assert!(matches!(stored, StoredHash::Unusable(UnusableHash::Unreadable)), "{}", vector["name"]);
    }
}

#[test]
fn what_cannot_be_imported_is_refused_by_name() {
    for vector in vectors("reject_exported") {
        let error = read(&vector).expect_err(vector["name"].as_str().unwrap());
        assert_eq!(error, vector["error"].as_str().unwrap(), "{}", vector["name"]);
    }
}

#[test]
fn a_hash_of_ours_needs_no_kind_and_one_with_a_pepper_is_not_imported() {
    let text =
        "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$gxUySwf0hq8HTUep0TdmjB/DBKFZzJrNa6XPOt999Xc";
    let ours = ForeignHash::read(text, None, None, None).unwrap();
    assert_eq!((ours.kind(), ours.as_str(), ours.cost()), (None, text, "$argon2id$v=19$m=8,t=1,p=1"));
    assert!(matches!(StoredHash::read(text, &AcceptedHashes::default()), StoredHash::Own(_)));
}

#[test]
fn nothing_shows_a_hash() {
    for vector in vectors("accept") {
        let foreign = read(&vector).unwrap();
        let stored = StoredHash::read(foreign.as_str(), &everything(&vector));
        for shown in [format!("{foreign:?}"), format!("{stored:?}"), foreign.cost().to_owned()] {
            let secret = foreign.as_str().rsplit('$').next().unwrap();
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
