//! Verifying an authentication assertion (Web Authentication §7.2).

use super::authenticator_data::AuthenticatorData;
use super::client_data::{self, Ceremony};
use super::cose;
use super::octets::Octets;
use super::record::Passkey;
use super::refusal::PasskeyRefusal;
use crate::jwt::{Algorithm, SignatureVerdict, VerifyingKey};
use crate::relying_party::RelyingParty;
use crate::time::UnixMillis;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a browser brings back from `navigator.credentials.get()`, as far as it is looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assertion {
    /// The credential's id.
    pub id: Octets,
    /// `clientDataJSON`.
    pub client_data: Octets,
    /// `authenticatorData`.
    pub authenticator_data: Octets,
    /// `signature`; of ECDSA in DER (§6.5.5).
    pub signature: Octets,
    /// `userHandle`: whose the authenticator believes to be.
    #[serde(default)]
    pub user_handle: Option<Octets>,
}

/// What an assertion has to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The relying party.
    pub party: &'a RelyingParty,
    /// The challenge that it was asked for with.
    pub challenge: &'a [u8],
    /// The user handle that the account's passkeys were registered with.
    pub user_handle: &'a [u8],
    /// Whether it lets somebody in by itself: then it has to say who, and its user has to be verified, now and when it
    /// was registered.
    pub alone: bool,
}

/// An assertion that is right in all but its signature and counter, over which [`CheckedAssertion::verified`] decides.
#[must_use = "its signature was not checked yet"]
#[derive(Debug)]
pub struct CheckedAssertion {
    key: VerifyingKey,
    message: Vec<u8>,
    signature: Vec<u8>,
    counter: Counter,
    passkey: Passkey,
}

#[derive(Debug)]
struct Counter {
    before: u32,
    now: u32,
}

/// A passkey that was just used, as it has to be stored from now on. Made by [`CheckedAssertion::verified`] alone.
#[derive(Debug)]
pub struct AssertedPasskey(Passkey);

impl AssertedPasskey {
    /// The passkey.
    #[must_use]
    pub const fn passkey(&self) -> &Passkey {
        &self.0
    }
}

/// Checks an assertion of a passkey up to its signature.
///
/// # Errors
///
/// The step of §7.2 that fails first.
pub fn check_assertion(
    passkey: &Passkey,
    expected: &Expected<'_>,
    response: &Assertion,
    now: UnixMillis,
) -> Result<CheckedAssertion, PasskeyRefusal> {
    if passkey.id != response.id {
        return Err(PasskeyRefusal::Unknown);
    }
    match &response.user_handle {
        Some(handle) if handle.as_bytes() != expected.user_handle => {
            return Err(PasskeyRefusal::UserHandleMismatch);
        }
        None if expected.alone => return Err(PasskeyRefusal::UserHandleMismatch),
        _ => {}
    }
    // What was registered without a verified user was registered by whoever held it (§4, "uvInitialized").
    if expected.alone && !passkey.is_user_verified {
        return Err(PasskeyRefusal::SecondFactorOnly);
    }
    let client_data = response.client_data.as_bytes();
    client_data::check(client_data, Ceremony::Get, expected.challenge, expected.party)?;
    let bytes = response.authenticator_data.as_bytes();
    let data = AuthenticatorData::parse(bytes)?;
    if data.attested.is_some() {
        return Err(PasskeyRefusal::AuthenticatorDataMalformed);
    }
    data.check(&expected.party.hash(), expected.alone)?;
    if data.is_backup_eligible() != passkey.is_backup_eligible {
        return Err(PasskeyRefusal::BackupEligibilityChanged);
    }
    let key = cose::parse(passkey.public_key.as_bytes()).ok_or(PasskeyRefusal::KeyNotAllowed)?;
    let signature = as_jws(&key, response.signature.as_bytes()).ok_or(PasskeyRefusal::SignatureInvalid)?;
    let signature = signature.into_owned();
    Ok(CheckedAssertion {
        key,
        message: [bytes, &Sha256::digest(client_data)].concat(),
        signature,
        counter: Counter { before: passkey.sign_count, now: data.sign_count },
        passkey: Passkey {
            sign_count: data.sign_count,
            is_user_verified: passkey.is_user_verified || data.is_user_verified(),
            is_backed_up: data.is_backed_up(),
            last_used_at: Some(now),
            ..passkey.clone()
        },
    })
}

impl CheckedAssertion {
    /// The key that must have made the signature.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// What must have been signed.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The signature as JWS and WebCrypto write it: of ECDSA r ‖ s, both in full length.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether a host has to say whether [`Self::key`] has signed.
    #[must_use]
    pub const fn needs_host(&self) -> bool {
        !self.key.algorithm().is_built_in()
    }

    /// Checks the signature, and then the counter. For an algorithm that this build has, the host's word can only refuse;
    /// for any other it is all there is, and without one the signature is not right.
    ///
    /// # Errors
    ///
    /// [`PasskeyRefusal::SignatureInvalid`], [`PasskeyRefusal::CounterNotRaised`].
    pub fn verified(self, host: Option<SignatureVerdict>) -> Result<AssertedPasskey, PasskeyRefusal> {
        let here = self.key.check(&self.message, &self.signature);
        let is_right = match (here, host) {
            (_, Some(SignatureVerdict::Invalid)) | (Err(_), None) => false,
            (Ok(here), _) => here,
            (Err(_), Some(SignatureVerdict::Valid)) => true,
        };
        if !is_right {
            return Err(PasskeyRefusal::SignatureInvalid);
        }
        let Counter { before, now } = self.counter;
        // An authenticator without a counter says 0 for ever.
        if (before, now) != (0, 0) && now <= before {
            return Err(PasskeyRefusal::CounterNotRaised);
        }
        Ok(AssertedPasskey(self.passkey))
    }
}

/// A signature as JWS writes it. ECDSA's comes as a DER sequence of two positive integers (RFC 3279 §2.2.3), in its one
/// spelling.
fn as_jws<'a>(key: &VerifyingKey, signature: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    if key.algorithm() != Algorithm::EcdsaP256 {
        return (signature.len() == key.signature_bytes()).then_some(Cow::Borrowed(signature));
    }
    let numbers = crate::jwt::two_numbers(signature)?;
    let mut fixed = Vec::with_capacity(64);
    for number in numbers {
        let zeros = 32_usize.checked_sub(number.len())?;
        fixed.extend(core::iter::repeat_n(0, zeros));
        fixed.extend_from_slice(number);
    }
    Some(Cow::Owned(fixed))
}
