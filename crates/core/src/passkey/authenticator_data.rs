//! What an authenticator says, and signs (Web Authentication §6.1).

use super::cbor;
use super::refusal::PasskeyRefusal;
use minicbor::decode::Decoder;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;
/// The most that a credential id may have (§7.1 step 25).
pub(super) const MAX_CREDENTIAL_ID_BYTES: usize = 1023;

/// The parts of authenticator data.
pub(super) struct AuthenticatorData<'a> {
    pub(super) relying_party_hash: &'a [u8; 32],
    flags: u8,
    pub(super) sign_count: u32,
    pub(super) attested: Option<Attested<'a>>,
}

/// A new credential.
pub(super) struct Attested<'a> {
    pub(super) aaguid: &'a [u8; 16],
    pub(super) id: &'a [u8],
    /// The key as it is written, a map of whatever.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Takes them apart. Extensions are passed over: none is asked for that says anything.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, PasskeyRefusal> {
        let malformed = PasskeyRefusal::AuthenticatorDataMalformed;
        let (relying_party_hash, rest) = bytes.split_first_chunk::<32>().ok_or(malformed)?;
        let (flags, rest) = rest.split_first().ok_or(malformed)?;
        let (sign_count, mut rest) = rest.split_first_chunk::<4>().ok_or(malformed)?;
        let mut attested = None;
        if flags & ATTESTED != 0 {
            let (credential, after) = Attested::read(rest)?;
            attested = Some(credential);
            rest = after;
        }
        if flags & EXTENDED != 0 {
            let mut decoder = Decoder::new(rest);
            cbor::skip_map(&mut decoder).ok_or(malformed)?;
            rest = rest.get(decoder.position()..).ok_or(malformed)?;
        }
        if !rest.is_empty() {
            return Err(malformed);
        }
        let sign_count = u32::from_be_bytes(*sign_count);
        Ok(Self { relying_party_hash, flags: *flags, sign_count, attested })
    }

    pub(super) const fn is_user_present(&self) -> bool {
        self.flags & USER_PRESENT != 0
    }

    pub(super) const fn is_user_verified(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }

    pub(super) const fn is_backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }

    pub(super) const fn is_backed_up(&self) -> bool {
        self.flags & BACKED_UP != 0
    }

    /// What both ceremonies check of them: the relying party, and what the flags say.
    pub(super) fn check(
        &self,
        relying_party_hash: &[u8; 32],
        requires_user_verification: bool,
    ) -> Result<(), PasskeyRefusal> {
        if self.relying_party_hash != relying_party_hash {
            Err(PasskeyRefusal::RelyingPartyMismatch)
        } else if !self.is_user_present() {
            Err(PasskeyRefusal::UserNotPresent)
        } else if requires_user_verification && !self.is_user_verified() {
            Err(PasskeyRefusal::UserNotVerified)
        } else if self.is_backed_up() && !self.is_backup_eligible() {
            Err(PasskeyRefusal::BackupStateInconsistent)
        } else {
            Ok(())
        }
    }
}

impl<'a> Attested<'a> {
    /// Reads the credential that the bytes begin with, and gives what follows it.
    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), PasskeyRefusal> {
        let malformed = PasskeyRefusal::AuthenticatorDataMalformed;
        let (aaguid, rest) = bytes.split_first_chunk::<16>().ok_or(malformed)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 || length > MAX_CREDENTIAL_ID_BYTES {
            return Err(PasskeyRefusal::CredentialIdMalformed);
        }
        let (id, rest) = rest.split_at_checked(length).ok_or(malformed)?;
        let mut decoder = Decoder::new(rest);
        cbor::skip_map(&mut decoder).ok_or(malformed)?;
        let (public_key, after) = rest.split_at_checked(decoder.position()).ok_or(malformed)?;
        Ok((Self { aaguid, id, public_key }, after))
    }
}
