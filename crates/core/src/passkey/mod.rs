//! Passkeys: public-key credentials of Web Authentication Level 3 (<https://www.w3.org/TR/webauthn-3/>), as the first
//! factor or as the second.
//!
//! The two ceremonies of the relying party, "Registering a New Credential" (§7.1) and "Verifying an Authentication
//! Assertion" (§7.2), and what an account's owner keeps of them. A refusal has a name for each step of the two lists.
//! Attestation is asked for as `none` and never believed: statements are passed over, and so nobody is told which make
//! of authenticator somebody has.
//!
//! Signatures by Ed25519 are checked here. Those by ECDSA and RSA are left to the host where the build does not have
//! them: [`CheckedAssertion`] says over what, by which key.

mod assertion;
mod authenticator_data;
mod cbor;
mod client_data;
mod cose;
mod octets;
mod record;
mod refusal;
mod registration;
mod sign_in;

pub use assertion::{AssertedPasskey, Assertion, CheckedAssertion, Expected, check_assertion};
pub use client_data::challenge_of;
pub use cose::ALGORITHMS;
pub use octets::{Octets, OctetsError};
pub use record::{
    MAX_PASSKEYS, Passkey, PasskeyRecord, PasskeyUse, PendingRegistration, REGISTRATION_TTL,
    RegistrationOutcome, SpentChallenge, begin_registration, finish_registration,
};
pub use refusal::PasskeyRefusal;
pub use registration::{NewCredential, Registration, check_registration};
pub use sign_in::{
    SIGN_IN_CHALLENGE_TTL, SignIn, SignInOutcome, second_factor_challenge, sign_in, sign_in_again,
};
