//! What browsers bring back of a new passkey.

use postern_core::codec::base64url;
use postern_core::passkey::{Octets, Registration, check_registration};
use postern_core::relying_party::RelyingParty;

const CHALLENGE: [u8; 32] = [5; 32];
const ID: [u8; 16] = [9; 16];

/// An attestation object that is accepted is whole: nothing can be cut off, and nothing follows.
pub(crate) fn attestation(data: &[u8]) {
    if is_accepted(data) {
        assert!(!is_accepted(&[data, &[0]].concat()), "something follows");
        assert!(!is_accepted(&data[..data.len() - 1]), "something can be cut off");
    }
}

fn is_accepted(attestation: &[u8]) -> bool {
    let party = RelyingParty::new("example.com", &["https://example.com"]).expect("a relying party");
    let challenge = base64url::encode(&CHALLENGE);
    let client_data =
        format!(r#"{{"type":"webauthn.create","challenge":"{challenge}","origin":"https://example.com"}}"#);
    let registration = Registration {
        id: Octets::new(ID.into()),
        client_data: Octets::new(client_data.into_bytes()),
        attestation: Octets::new(attestation.into()),
    };
    check_registration(&party, &CHALLENGE, true, &registration).is_ok_and(|new| {
        assert_eq!(new.id.as_bytes(), ID);
        assert!(new.is_user_verified && (new.is_backup_eligible || !new.is_backed_up));
        true
    })
}
