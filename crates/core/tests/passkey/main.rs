//! Passkeys: what a browser brings back, each of its parts once wrong, and what the owner keeps of it.
#![cfg(feature = "issue")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod assertion;
mod authenticator;
mod records;
mod registration;
mod relying_party;

use postern_core::passkey::{Passkey, PasskeyRecord, PasskeyUse, RegistrationOutcome};
use postern_core::time::{Seconds, UnixMillis};

pub(crate) const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

pub(crate) fn later(seconds: u32) -> UnixMillis {
    NOW.plus(Seconds::new(seconds))
}

/// An account with one passkey that signs in, registered with this key.
pub(crate) fn registered(key: &authenticator::Key) -> PasskeyRecord {
    registered_as(&authenticator::Draft::registration(key), PasskeyUse::SignIn)
}

pub(crate) fn registered_as(draft: &authenticator::Draft, registered_for: PasskeyUse) -> PasskeyRecord {
    stored(records::finish(&records::begun(&PasskeyRecord::default(), registered_for), draft))
}

pub(crate) fn stored(outcome: RegistrationOutcome) -> PasskeyRecord {
    match outcome {
        RegistrationOutcome::Stored(record) => record,
        RegistrationOutcome::Refused { reason, .. } => panic!("{reason}"),
    }
}

pub(crate) fn only(record: &PasskeyRecord) -> &Passkey {
    let [passkey] = record.passkeys.as_slice() else { panic!("{} passkeys", record.passkeys.len()) };
    passkey
}
