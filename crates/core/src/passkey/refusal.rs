//! Why a ceremony is refused.

use core::fmt;

/// Why a registration or an assertion is refused, in check order; the numbers are of the steps in Web Authentication
/// Level 3 §7.1 (registration) and §7.2 (assertion). For the audit trail and tests: who signs in learns none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyRefusal {
    /// Nothing is being registered, or it took too long.
    NotBegun,
    /// The account has as many passkeys as it may.
    TooMany,
    /// The account has no passkey of this id (§7.2 step 6).
    Unknown,
    /// The user handle is another account's, or is missing where it must be (§7.2 step 6).
    UserHandleMismatch,
    /// The passkey was registered without verifying its user, and so lets nobody in by itself.
    SecondFactorOnly,
    /// The client data are no JSON of ours: not UTF-8, too long, a member twice, or one of another type (§7.1 steps 5
    /// and 6, §7.2 steps 8 and 9).
    ClientDataMalformed,
    /// The client data are of the other ceremony (§7.1 step 7, §7.2 step 10).
    TypeMismatch,
    /// Another challenge (§7.1 step 8, §7.2 step 11), an expired one, or one that was used.
    ChallengeMismatch,
    /// An origin that the configuration does not have (§7.1 step 9, §7.2 step 12).
    OriginNotAllowed,
    /// Made in a frame of another site (§7.1 steps 10 and 11, §7.2 steps 13 and 14).
    CrossOrigin,
    /// The attestation object is not one (§7.1 step 13).
    AttestationMalformed,
    /// The authenticator data are cut short, go on after their end, or are of the other ceremony.
    AuthenticatorDataMalformed,
    /// The authenticator meant another relying party (§7.1 step 14, §7.2 step 15).
    RelyingPartyMismatch,
    /// Nobody was there (§7.1 step 15, §7.2 step 16).
    UserNotPresent,
    /// The authenticator did not verify its user, where it had to (§7.1 step 16, §7.2 step 17).
    UserNotVerified,
    /// Backed up although it cannot be (§7.1 step 17, §7.2 step 18).
    BackupStateInconsistent,
    /// A key of another algorithm than those that were asked for, or one that proves nothing (§7.1 step 20).
    KeyNotAllowed,
    /// A credential id of more than 1023 bytes, of none, or another than the response says (§7.1 step 25).
    CredentialIdMalformed,
    /// The id is one of the account's already (§7.1 step 26).
    AlreadyRegistered,
    /// It can be backed up now and could not before, or the other way (§7.2 step 19).
    BackupEligibilityChanged,
    /// The signature is not of this key over this (§7.2 step 21), or not written as it must be.
    SignatureInvalid,
    /// The counter has not risen: a copy of the authenticator may be about (§7.2 step 22).
    CounterNotRaised,
}

impl PasskeyRefusal {
    /// The name for the audit trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotBegun => "not_begun",
            Self::TooMany => "too_many",
            Self::Unknown => "unknown",
            Self::UserHandleMismatch => "user_handle_mismatch",
            Self::SecondFactorOnly => "second_factor_only",
            Self::ClientDataMalformed => "client_data_malformed",
            Self::TypeMismatch => "type_mismatch",
            Self::ChallengeMismatch => "challenge_mismatch",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::CrossOrigin => "cross_origin",
            Self::AttestationMalformed => "attestation_malformed",
            Self::AuthenticatorDataMalformed => "authenticator_data_malformed",
            Self::RelyingPartyMismatch => "relying_party_mismatch",
            Self::UserNotPresent => "user_not_present",
            Self::UserNotVerified => "user_not_verified",
            Self::BackupStateInconsistent => "backup_state_inconsistent",
            Self::KeyNotAllowed => "key_not_allowed",
            Self::CredentialIdMalformed => "credential_id_malformed",
            Self::AlreadyRegistered => "already_registered",
            Self::BackupEligibilityChanged => "backup_eligibility_changed",
            Self::SignatureInvalid => "signature_invalid",
            Self::CounterNotRaised => "counter_not_raised",
        }
    }
}

impl fmt::Display for PasskeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for PasskeyRefusal {}
