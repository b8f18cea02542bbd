//! Passkeys: both ceremonies, and what an account keeps.

use postern_core::entropy::Random;
use postern_core::id::OperationId;
use postern_core::passkey::{
    Assertion, Expected, Octets, PasskeyRecord, PasskeyUse, Registration, SignIn, begin_registration,
    finish_registration, sign_in,
};
use postern_core::relying_party::RelyingParty;
use postern_core::time::UnixMillis;
use std::hint::black_box;

pub(crate) fn register_and_sign_in() {
    let Ok(party) = RelyingParty::new(black_box("example.com"), &["https://example.com"]) else { return };
    let (now, octets) = (black_box(UnixMillis::new(1)), || black_box(Octets::new(vec![7; 40])));
    let challenge = Random::new(black_box([7; 32]));
    let Ok(record) = begin_registration(&PasskeyRecord::default(), challenge, PasskeyUse::SignIn, false, now)
    else {
        return;
    };
    let registration = Registration { id: octets(), client_data: octets(), attestation: octets() };
    let _ =
        black_box(finish_registration(&record, &party, &registration, String::new(), Vec::new(), false, now));
    let assertion = Assertion {
        id: octets(),
        client_data: octets(),
        authenticator_data: octets(),
        signature: octets(),
        user_handle: Some(octets()),
    };
    let expected = Expected { party: &party, challenge: &[7; 32], user_handle: &[7; 32], alone: true };
    let operation = OperationId::from_bytes(black_box([3; 16]));
    let attempt =
        SignIn { expected, challenge_expires_at: now, assertion: &assertion, operation, verdict: None };
    let _ = black_box(sign_in(&record, &attempt, now));
}
