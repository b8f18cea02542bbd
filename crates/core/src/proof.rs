//! Proofs of who somebody is, carried as values instead of booleans.
//!
//! A proof is not `Clone` and is made in few places, each of which can be found by searching for `assertion`.
//! Opening a session takes one by value; there is no way to ask for a session without.

use crate::id::AccountId;
use alloc::string::String;
use alloc::vec::Vec;

/// The password of an account was presented and is right, as of one version of its credential.
#[derive(Debug)]
pub struct PasswordVerified {
    account: AccountId,
    credential_version: u32,
}

/// A code that was sent to an account's own address was presented.
#[derive(Debug)]
pub struct AddressProven {
    account: AccountId,
    credential_version: u32,
}

/// A passkey of an account has answered for a challenge of ours, its user verified.
#[derive(Debug)]
pub struct PasskeyVerified {
    account: AccountId,
    credential_version: u32,
}

/// What lets somebody in.
#[derive(Debug)]
pub enum FirstFactor {
    /// With a password.
    Password(PasswordVerified),
    /// With a code sent to an address.
    Address(AddressProven),
    /// With a passkey, which is two factors by itself: the key, and what its user is verified by.
    Passkey(PasskeyVerified),
}

impl PasswordVerified {
    #[cfg(feature = "password")]
    pub(crate) const fn assertion(account: AccountId, credential_version: u32) -> Self {
        Self { account, credential_version }
    }

    /// The password that an account was created with, in the hands of whoever has just chosen it.
    ///
    /// Call this in one place only: where the same request has created the account.
    #[must_use]
    pub const fn of_new_account(account: AccountId) -> Self {
        Self { account, credential_version: 1 }
    }

    /// Whose password it is.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// The version of the credential that was checked.
    #[must_use]
    pub const fn credential_version(&self) -> u32 {
        self.credential_version
    }
}

impl AddressProven {
    /// Re-asserts, at the edge, that the owner of pending sign-ups has accepted a code for this account.
    ///
    /// A proof cannot cross a process boundary. Call this in one place only: where the edge reads that answer.
    #[must_use]
    pub const fn assertion(account: AccountId, credential_version: u32) -> Self {
        Self { account, credential_version }
    }
}

impl PasskeyVerified {
    /// Re-asserts, at the edge, that the account's owner has accepted a passkey's answer.
    ///
    /// A proof cannot cross a process boundary. Call this in one place only: where the edge reads that answer.
    #[must_use]
    pub const fn assertion(account: AccountId, credential_version: u32) -> Self {
        Self { account, credential_version }
    }
}

impl FirstFactor {
    /// Who is proven.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        match self {
            Self::Password(PasswordVerified { account, .. })
            | Self::Address(AddressProven { account, .. })
            | Self::Passkey(PasskeyVerified { account, .. }) => *account,
        }
    }

    /// The version of the credentials that the proof was made against.
    #[must_use]
    pub const fn credential_version(&self) -> u32 {
        match self {
            Self::Password(PasswordVerified { credential_version, .. })
            | Self::Address(AddressProven { credential_version, .. })
            | Self::Passkey(PasskeyVerified { credential_version, .. }) => *credential_version,
        }
    }

    /// The authentication methods for the `amr` claim (RFC 8176 §2).
    #[must_use]
    pub fn methods(&self) -> Vec<String> {
        let methods: &[&str] = match self {
            Self::Password(_) => &["pwd"],
            Self::Address(_) => &["otp"],
            Self::Passkey(_) => &["pop", "user", "mfa"],
        };
        methods.iter().copied().map(String::from).collect()
    }

    /// Whether it is more than one factor already, so that no second is asked for.
    #[must_use]
    pub const fn is_multi_factor(&self) -> bool {
        matches!(self, Self::Passkey(_))
    }
}
