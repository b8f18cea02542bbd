//! What an account's owner keeps of passkeys, and registering them.

use super::assertion::{AssertedPasskey, Assertion, CheckedAssertion, Expected, check_assertion};
use super::octets::Octets;
use super::refusal::PasskeyRefusal;
use super::registration::{Registration, check_registration};
use crate::entropy::Random;
use crate::id::OperationId;
use crate::relying_party::RelyingParty;
use crate::time::{Seconds, UnixMillis};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The most passkeys of one account.
pub const MAX_PASSKEYS: usize = 20;
/// How long a registration may take.
pub const REGISTRATION_TTL: Seconds = Seconds::new(300);

/// What a passkey is registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasskeyUse {
    /// Signing in by itself: found without a name, its user verified.
    SignIn,
    /// Standing behind another way in, which is challenged from then on.
    SecondFactor,
}

/// One passkey: the credential record of Web Authentication §4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The credential's id.
    pub id: Octets,
    /// Its public key, as the authenticator wrote it.
    pub public_key: Octets,
    /// What its owner calls it.
    pub name: String,
    /// What it was registered for.
    pub registered_for: PasskeyUse,
    /// The make of the authenticator, as it says: 16 bytes, zeros if it does not.
    pub aaguid: Octets,
    /// The signature counter as it was seen last; 0 for an authenticator that has none.
    pub sign_count: u32,
    /// Whether its user was verified, when it was registered or since behind another factor.
    pub is_user_verified: bool,
    /// Whether it can be backed up, which never changes.
    pub is_backup_eligible: bool,
    /// Whether it was, when it was seen last.
    pub is_backed_up: bool,
    /// How browsers reach it, as they say.
    #[serde(default)]
    pub transports: Vec<String>,
    /// When it was registered.
    pub created_at: UnixMillis,
    /// When it was used last.
    #[serde(default)]
    pub last_used_at: Option<UnixMillis>,
}

/// A registration that waits for the authenticator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRegistration {
    /// 32 random bytes.
    pub challenge: Octets,
    /// What it is for.
    pub registered_for: PasskeyUse,
    /// The first moment at which it is forgotten.
    pub expires_at: UnixMillis,
    /// Whether the account had a second factor when it was begun, which was shown then.
    #[serde(default)]
    pub is_behind_factor: bool,
}

/// A challenge of a sign-in that was answered, kept until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentChallenge {
    /// The challenge.
    pub challenge: Octets,
    /// The operation that brought the answer, for an answer of ours that got lost.
    pub operation: OperationId,
    /// Whether the answer was right.
    pub was_right: bool,
    /// The moment from which on it is refused anyway.
    pub expires_at: UnixMillis,
}

/// All passkeys of one account, the registration that waits, and the challenges that are used up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyRecord {
    /// The passkeys, oldest first.
    #[serde(default)]
    pub passkeys: Vec<Passkey>,
    /// The passkey about to be registered.
    #[serde(default)]
    pub pending: Option<PendingRegistration>,
    /// Challenges that sign in nobody any more.
    #[serde(default)]
    pub spent: Vec<SpentChallenge>,
}

impl PasskeyRecord {
    /// The passkey of this id.
    #[must_use]
    pub fn find(&self, id: &Octets) -> Option<&Passkey> {
        self.passkeys.iter().find(|passkey| passkey.id == *id)
    }

    /// Whether other ways in are challenged.
    #[must_use]
    pub fn guards(&self) -> bool {
        self.passkeys.iter().any(|passkey| passkey.registered_for == PasskeyUse::SecondFactor)
    }

    /// Whether another passkey than this one signs in by itself.
    #[must_use]
    pub fn signs_in_without(&self, id: &Octets) -> bool {
        self.passkeys.iter().any(|passkey| passkey.id != *id && passkey.is_user_verified)
    }

    /// The record without a passkey; `None` if there is none of this id.
    #[must_use]
    pub fn without(&self, id: &Octets) -> Option<Self> {
        self.find(id)?;
        let passkeys = self.passkeys.iter().filter(|passkey| passkey.id != *id).cloned().collect();
        Some(Self { passkeys, ..self.clone() })
    }

    /// The record without those that only stand behind another way in, or without any where every one does, and without
    /// a registration that waits.
    #[must_use]
    pub fn without_second_factors(&self, is_any: bool) -> Self {
        let signs_in = |passkey: &&Passkey| !is_any && passkey.registered_for == PasskeyUse::SignIn;
        let passkeys = self.passkeys.iter().filter(signs_in).cloned().collect();
        Self { passkeys, pending: None, ..self.clone() }
    }

    /// The record with another name for a passkey; `None` if there is none of this id.
    #[must_use]
    pub fn renamed(&self, id: &Octets, name: String) -> Option<Self> {
        let passkey = Passkey { name, ..self.find(id)?.clone() };
        Some(self.replaced(&passkey))
    }

    /// The record after a passkey was used.
    #[must_use]
    pub fn used(&self, asserted: &AssertedPasskey) -> Self {
        self.replaced(asserted.passkey())
    }

    /// Checks an assertion of whichever passkey it names, up to its signature.
    ///
    /// # Errors
    ///
    /// [`PasskeyRefusal::Unknown`], and those of [`check_assertion`].
    pub fn check(
        &self,
        expected: &Expected<'_>,
        response: &Assertion,
        now: UnixMillis,
    ) -> Result<CheckedAssertion, PasskeyRefusal> {
        let passkey = self.find(&response.id).ok_or(PasskeyRefusal::Unknown)?;
        check_assertion(passkey, expected, response, now)
    }

    fn replaced(&self, passkey: &Passkey) -> Self {
        let replace = |other: &Passkey| if other.id == passkey.id { passkey.clone() } else { other.clone() };
        Self { passkeys: self.passkeys.iter().map(replace).collect(), ..self.clone() }
    }
}

/// Begins to register a passkey; a second beginning replaces the first. `is_behind_factor`: the account has a second factor,
/// and it was shown.
///
/// # Errors
///
/// [`PasskeyRefusal::TooMany`].
pub fn begin_registration(
    record: &PasskeyRecord,
    challenge: Random<32>,
    registered_for: PasskeyUse,
    is_behind_factor: bool,
    now: UnixMillis,
) -> Result<PasskeyRecord, PasskeyRefusal> {
    if record.passkeys.len() >= MAX_PASSKEYS {
        return Err(PasskeyRefusal::TooMany);
    }
    let challenge = Octets::new(challenge.into_bytes().into());
    let expires_at = now.plus(REGISTRATION_TTL);
    let pending = Some(PendingRegistration { challenge, registered_for, expires_at, is_behind_factor });
    Ok(PasskeyRecord { pending, ..record.clone() })
}

/// What a registration came to. In every case its challenge is used up.
#[derive(Clone, Debug)]
#[must_use]
pub enum RegistrationOutcome {
    /// To be stored: the last of its passkeys is new.
    Stored(PasskeyRecord),
    /// Not so.
    Refused {
        /// Why.
        reason: PasskeyRefusal,
        /// To be stored if present: the registration does not wait any more.
        write: Option<PasskeyRecord>,
    },
}

/// Finishes the registration that waits, whose challenge works once, right or wrong. That no other account has the id
/// is the caller's to know, and whether the account has a second factor by now (`is_guarded`): one that nobody had to show when
/// the registration was begun ends it.
pub fn finish_registration(
    record: &PasskeyRecord,
    party: &RelyingParty,
    response: &Registration,
    name: String,
    transports: Vec<String>,
    is_guarded: bool,
    now: UnixMillis,
) -> RegistrationOutcome {
    let Some(pending) = record.pending.as_ref() else {
        return RegistrationOutcome::Refused { reason: PasskeyRefusal::NotBegun, write: None };
    };
    let used_up = PasskeyRecord { pending: None, ..record.clone() };
    let refused = |reason| RegistrationOutcome::Refused { reason, write: Some(used_up.clone()) };
    if now >= pending.expires_at || (is_guarded && !pending.is_behind_factor) {
        return refused(PasskeyRefusal::NotBegun);
    }
    if record.passkeys.len() >= MAX_PASSKEYS {
        return refused(PasskeyRefusal::TooMany);
    }
    let registered_for = pending.registered_for;
    let is_alone = registered_for == PasskeyUse::SignIn;
    let new = match check_registration(party, pending.challenge.as_bytes(), is_alone, response) {
        Ok(new) => new,
        Err(reason) => return refused(reason),
    };
    if record.find(&new.id).is_some() {
        return refused(PasskeyRefusal::AlreadyRegistered);
    }
    let mut passkeys = record.passkeys.clone();
    passkeys.push(Passkey {
        id: new.id,
        public_key: new.public_key,
        name,
        registered_for,
        aaguid: Octets::new(new.aaguid.into()),
        sign_count: new.sign_count,
        is_user_verified: new.is_user_verified,
        is_backup_eligible: new.is_backup_eligible,
        is_backed_up: new.is_backed_up,
        transports,
        created_at: now,
        last_used_at: None,
    });
    RegistrationOutcome::Stored(PasskeyRecord { passkeys, ..used_up })
}
