//! Registering a new credential (Web Authentication §7.1).

use super::authenticator_data::AuthenticatorData;
use super::client_data::{self, Ceremony};
use super::octets::Octets;
use super::refusal::PasskeyRefusal;
use super::{cbor, cose};
use crate::relying_party::RelyingParty;
use serde::{Deserialize, Serialize};

/// What a browser brings back from `navigator.credentials.create()`, as far as it is looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registration {
    /// The credential's id, as the browser says.
    pub id: Octets,
    /// `clientDataJSON`.
    pub client_data: Octets,
    /// `attestationObject`.
    pub attestation: Octets,
}

/// A credential whose registration was right.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// The credential's id: 1 to 1023 bytes.
    pub id: Octets,
    /// Its public key as the authenticator wrote it, which [`super::check_assertion`] reads again.
    pub public_key: Octets,
    /// The make of the authenticator, as it says; zeros if it does not.
    pub aaguid: [u8; 16],
    /// The signature counter.
    pub sign_count: u32,
    /// Whether the authenticator has verified its user.
    pub is_user_verified: bool,
    /// Whether it can be backed up.
    pub is_backup_eligible: bool,
    /// Whether it is.
    pub is_backed_up: bool,
}

/// Checks a registration against the challenge that it was asked for with. That the challenge is fresh, and the id
/// nobody's, is the caller's to know.
///
/// # Errors
///
/// The step of §7.1 that fails first.
pub fn check_registration(
    party: &RelyingParty,
    challenge: &[u8],
    requires_user_verification: bool,
    response: &Registration,
) -> Result<NewCredential, PasskeyRefusal> {
    client_data::check(response.client_data.as_bytes(), Ceremony::Create, challenge, party)?;
    let object = response.attestation.as_bytes();
    let data = cbor::authenticator_data(object).ok_or(PasskeyRefusal::AttestationMalformed)?;
    let data = AuthenticatorData::parse(data)?;
    data.check(&party.hash(), requires_user_verification)?;
    let attested = data.attested.as_ref().ok_or(PasskeyRefusal::AuthenticatorDataMalformed)?;
    cose::parse(attested.public_key).ok_or(PasskeyRefusal::KeyNotAllowed)?;
    if attested.id != response.id.as_bytes() {
        return Err(PasskeyRefusal::CredentialIdMalformed);
    }
    Ok(NewCredential {
        id: response.id.clone(),
        public_key: Octets::new(attested.public_key.into()),
        aaguid: *attested.aaguid,
        sign_count: data.sign_count,
        is_user_verified: data.is_user_verified(),
        is_backup_eligible: data.is_backup_eligible(),
        is_backed_up: data.is_backed_up(),
    })
}
