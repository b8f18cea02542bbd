//! What has become of the second factors and passkeys of an account: what its owner and the audit trail are told.

use serde::{Deserialize, Serialize};

/// A change of second factors or passkeys. It says which, and nothing of a secret or code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorChange {
    /// The owner has confirmed an authenticator.
    Enabled,
    /// The owner has other backup codes; those of before are for nothing.
    BackupCodesReplaced,
    /// The owner has removed them all, with one of them.
    Disabled,
    /// An operator has removed them all, without any.
    Removed,
    /// The owner has registered a passkey.
    PasskeyRegistered,
    /// The owner has removed a passkey.
    PasskeyRemoved,
    /// Somebody has presented wrong ones, and none is compared for a while.
    Paused,
}

impl FactorChange {
    /// All changes.
    pub const ALL: [Self; 7] = [
        Self::Enabled,
        Self::BackupCodesReplaced,
        Self::Disabled,
        Self::Removed,
        Self::PasskeyRegistered,
        Self::PasskeyRemoved,
        Self::Paused,
    ];

    /// The event in the audit trail.
    #[must_use]
    pub const fn event(self) -> &'static str {
        match self {
            Self::Enabled => "second_factor_enabled",
            Self::BackupCodesReplaced => "backup_codes_replaced",
            Self::Disabled => "second_factor_disabled",
            Self::Removed => "second_factor_removed",
            Self::PasskeyRegistered => "passkey_registered",
            Self::PasskeyRemoved => "passkey_removed",
            Self::Paused => "second_factor_paused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_differ() {
        for (index, change) in FactorChange::ALL.into_iter().enumerate() {
            assert!(FactorChange::ALL.iter().skip(index + 1).all(|other| other.event() != change.event()));
        }
    }
}
