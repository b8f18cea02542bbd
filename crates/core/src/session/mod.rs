//! Sessions: how they are opened, refreshed, listed, checked and ended.
//!
//! One session is one refresh-token family: one grant on one device. Its account's owner is the single writer
//! of its record. Every function here decides over loaded records and returns what is to be stored; nothing
//! is stored here.

mod binding;
mod device;
mod fence;
mod fingerprint;
mod known_devices;
mod notice;
mod open;
pub(crate) mod record;
mod refresh_token;
pub(crate) mod revoke;
mod rotation;
mod seats;
mod snapshot;
mod step_up;
pub(crate) mod stored;
mod tag;
mod validate;

pub use binding::{BindingRule, DeviceBinding, DeviceFinding, DeviceTrait, DeviceVerdict, DeviceWatch};
pub use device::DeviceHint;
pub use fence::{FenceOutcome, FenceRequest, FenceRevocation, fence};
pub use fingerprint::{DeviceFingerprint, FingerprintKey, NetworkPrefixes};
pub use known_devices::{Acquaintance, KnownDevices};
pub use notice::{CredentialChange, Notice, SessionAudit};
pub use open::{OpenOutcome, OpenPolicy, OpenPolicyError, OpenRefusal, OpenRequest, OverCap, SeatWish, open};
pub use record::{
    AdvanceWindow, Generation, KeyThumbprint, Revocation, RevokeReason, SessionRecord, SessionState,
    SessionView,
};
pub use refresh_token::{
    EdgeTagError, MalformedRefreshToken, PresentedRefreshToken, RefreshToken, RefreshTokenClaim, TokenParts,
    UncheckedRefreshToken, WrongEdgeKey,
};
pub use revoke::{LogoutOutcome, RevokeAllOutcome, RevokeOneOutcome, logout, revoke_all, revoke_one};
pub use rotation::{
    Presentation, RefreshLimit, RepeatRule, RevokeAll, RotationOutcome, RotationPolicy, RotationPolicyError,
    RotationRefusal, decide,
};
pub use seats::{SEATS_COUNTED_FOR, Seat, SeatGrant, SeatLease, SeatPool, SeatRequest};
pub use snapshot::{SessionSnapshot, SnapshotRenewals};
pub use step_up::{ShownAgain, StepUpOutcome, StepUpRefusal, step_up};
pub use tag::EdgeKey;
pub use validate::{Checked, SessionCheck, SessionVerdict, check};

#[cfg(test)]
pub(crate) use record::tests::account as test_account;
