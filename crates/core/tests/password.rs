//! Password hashes against another implementation, and every text that must not be taken for one.
#![cfg(all(feature = "password", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use postern_core::entropy::Random;
use postern_core::password::{
    Arena, Argon2Params, PasswordHash, PasswordInput, Pepper, Peppers, VerifyError, dummy_hash, hash, verify,
};
use postern_core::secret::{Secret, SecretText};
use serde_json::Value;

const PHC: &str = include_str!("../../../tests/vectors/password/phc.json");
const RFC_9106: &str = include_str!("../../../tests/vectors/password/rfc9106.json");

fn input(text: &str) -> PasswordInput {
    PasswordInput::new(SecretText::new(text.into())).unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_str().unwrap().as_bytes()).unwrap()
}

fn pepper(id: u32) -> Pepper {
    Pepper::new(id, Secret::new([id.to_le_bytes()[0]; 32]))
}

fn cheap() -> Argon2Params {
    Argon2Params::new(8, 1, 1).unwrap()
}

#[test]
fn the_primitive_computes_the_vector_of_rfc_9106() {
    let file: Value = serde_json::from_str(RFC_9106).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let number = |name: &str| u32::try_from(vector[name].as_u64().unwrap()).unwrap();
        let params = argon2::ParamsBuilder::new()
            .m_cost(number("memory_kib"))
            .t_cost(number("iterations"))
            .p_cost(number("parallelism"))
            .data(argon2::AssociatedData::new(&bytes(&vector["associated_data_hex"])).unwrap())
            .build()
            .unwrap();
        let secret = bytes(&vector["secret_hex"]);
        let (algorithm, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
        let argon2 = argon2::Argon2::new_with_secret(&secret, algorithm, version, params).unwrap();
        let mut tag = [0u8; 32];
        argon2
            .hash_password_into(&bytes(&vector["password_hex"]), &bytes(&vector["salt_hex"]), &mut tag)
            .unwrap();
        assert_eq!(tag.to_vec(), bytes(&vector["tag_hex"]));
    }
}

#[test]
fn hashes_of_another_implementation_are_verified_in_one_arena() {
    let file: Value = serde_json::from_str(PHC).unwrap();
    let mut arena = Arena::new();
    for vector in file["accept"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let text = vector["hash"].as_str().unwrap();
        let stored: PasswordHash = text.parse().unwrap();
        assert_eq!(stored.as_str(), text, "{name}");
        let peppers = match vector.get("pepper") {
            None => Peppers::none(),
            Some(pepper) => {
                let id = u32::try_from(pepper["id"].as_u64().unwrap()).unwrap();
                let key = Secret::from_slice(&bytes(&pepper["key_hex"])).unwrap();
                Peppers::new(Some(Pepper::new(id, key)), Vec::new())
            }
        };
        let password = vector["password"].as_str().unwrap();
        let wanted = stored.params();
        let matched = verify(&input(password), &stored, wanted, &peppers, &mut arena);
        assert!(matched.is_ok(), "{name}");
        let wrong = format!("{}!", password.get(1..).unwrap_or_default());
        let mismatch = verify(&input(&wrong), &stored, wanted, &peppers, &mut arena);
        assert_eq!(mismatch, Err(VerifyError::Mismatch), "{name}");
    }
    assert_eq!(arena.memory_kib(), 65_536);
}

#[test]
fn a_text_that_is_not_our_hash_is_refused_by_name() {
    let file: Value = serde_json::from_str(PHC).unwrap();
    for vector in file["reject"].as_array().unwrap() {
        let error = vector["hash"].as_str().unwrap().parse::<PasswordHash>().unwrap_err();
        assert_eq!(format!("{error:?}"), vector["error"].as_str().unwrap(), "{}", vector["name"]);
        assert!(serde_json::from_value::<PasswordHash>(vector["hash"].clone()).is_err());
    }
}

#[test]
fn what_was_hashed_verifies_and_survives_storage() {
    let peppers = Peppers::new(Some(pepper(9)), Vec::new());
    let mut arena = Arena::new();
    let made = hash(&input("correct horse"), Random::new([7; 16]), cheap(), &peppers, &mut arena).unwrap();
    let json = serde_json::to_string(&made).unwrap();
    let stored: PasswordHash = serde_json::from_str(&json).unwrap();
    assert_eq!(stored, made);
    assert_eq!((stored.params(), stored.pepper_id()), (cheap(), Some(9)));
    let matched = verify(&input("correct horse"), &stored, cheap(), &peppers, &mut arena).unwrap();
    assert!(!matched.needs_rehash);
    for wrong in ["correct hors", "Correct horse", "correct horse "] {
        let outcome = verify(&input(wrong), &stored, cheap(), &peppers, &mut arena);
        assert_eq!(outcome, Err(VerifyError::Mismatch), "{wrong}");
    }
}

#[test]
fn a_hash_of_the_native_profile_is_checked_at_the_edge_and_replaced_and_the_other_way_round() {
    let mut arena = Arena::new();
    let password = input("correct horse");
    let none = Peppers::none();
    for (made, wanted) in
        [(Argon2Params::NATIVE, Argon2Params::EDGE), (Argon2Params::EDGE, Argon2Params::NATIVE)]
    {
        let stored = hash(&password, Random::new([7; 16]), made, &none, &mut arena).unwrap();
        let read: PasswordHash = stored.as_str().parse().unwrap();
        let replaced = verify(&password, &read, wanted, &none, &mut arena).unwrap();
        let kept = verify(&password, &read, made, &none, &mut arena).unwrap();
        assert!(replaced.needs_rehash && !kept.needs_rehash, "{made:?}");
        let mismatch = verify(&input("correct hors"), &read, wanted, &none, &mut arena);
        assert_eq!(mismatch, Err(VerifyError::Mismatch));
    }
}

#[test]
fn a_hash_of_other_parameters_or_another_pepper_is_to_be_replaced() {
    let mut arena = Arena::new();
    let password = input("correct horse");
    let old = Peppers::new(Some(pepper(1)), Vec::new());
    let made = hash(&password, Random::new([7; 16]), cheap(), &old, &mut arena).unwrap();
    let plain = hash(&password, Random::new([7; 16]), cheap(), &Peppers::none(), &mut arena).unwrap();
    let rotated = Peppers::new(Some(pepper(2)), vec![pepper(1)]);
    let dropped = Peppers::new(None, vec![pepper(1)]);
    let costlier = Argon2Params::new(8, 2, 1).unwrap();
    let none = Peppers::none();
    let same_id_other_key = Peppers::new(Some(Pepper::new(1, Secret::new([0xee; 32]))), Vec::new());
    let mut needs = |stored, wanted, peppers| {
        verify(&password, stored, wanted, peppers, &mut arena).map(|matched| matched.needs_rehash)
    };
    assert_eq!(needs(&made, cheap(), &old), Ok(false));
    assert_eq!(needs(&made, costlier, &old), Ok(true));
    assert_eq!(needs(&made, cheap(), &rotated), Ok(true));
    assert_eq!(needs(&made, cheap(), &dropped), Ok(true));
    assert_eq!(needs(&plain, cheap(), &none), Ok(false));
    assert_eq!(needs(&plain, cheap(), &old), Ok(true));
    assert_eq!(needs(&made, cheap(), &none), Err(VerifyError::UnknownPepper { id: 1 }));
    assert_eq!(needs(&made, cheap(), &same_id_other_key), Err(VerifyError::Mismatch));
}

#[test]
fn the_dummy_hash_costs_what_a_real_one_does_and_never_matches() {
    let peppers = Peppers::new(Some(pepper(3)), Vec::new());
    let dummy = dummy_hash(cheap(), &peppers);
    assert_eq!(dummy.as_str().parse::<PasswordHash>().as_ref(), Ok(&dummy));
    assert_eq!((dummy.params(), dummy.pepper_id()), (cheap(), Some(3)));
    let mut arena = Arena::new();
    let outcome = verify(&input("anything"), &dummy, cheap(), &peppers, &mut arena);
    assert_eq!(outcome, Err(VerifyError::Mismatch));
}

#[test]
fn debug_shows_no_hash() {
    let text = format!("{:?} {:?}", dummy_hash(cheap(), &Peppers::none()), pepper(77));
    assert!(!text.contains('$') && !text.contains("[77"), "{text}");
}
