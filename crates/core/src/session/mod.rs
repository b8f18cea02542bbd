//! Sessions: how they are opened, refreshed, listed, checked and ended.
//!
//! One session is one refresh-token family: one grant on one device. Its account's owner is the single writer
//! of its record. Every function here decides over loaded records and returns what is to be stored; nothing
//! is stored here.

mod fence;
mod open;
mod record;
mod refresh_token;
mod revoke;
mod rotation;
mod stored;
mod validate;

pub use fence::{FenceOutcome, FenceRequest, FenceRevocation, StatusOutcome, change_status, fence};
pub use open::{OpenOutcome, OpenPolicy, OpenPolicyError, OpenRefusal, OpenRequest, OverCap, open};
pub use record::{
    AdvanceWindow, DeviceBinding, DeviceHint, Generation, KeyThumbprint, Notice, Revocation, RevokeReason,
    SessionAudit, SessionRecord, SessionState, SessionView,
};
pub use refresh_token::{
    EdgeKey, EdgeTagError, MalformedRefreshToken, PresentedRefreshToken, RefreshToken, RefreshTokenClaim,
    TokenParts, UncheckedRefreshToken, WrongEdgeKey,
};
pub use revoke::{LogoutOutcome, RevokeAllOutcome, RevokeOneOutcome, logout, revoke_all, revoke_one};
pub use rotation::{
    Presentation, RefreshLimit, RepeatRule, RevokeAll, RotationOutcome, RotationPolicy, RotationPolicyError,
    RotationRefusal, decide,
};
pub use validate::{SessionVerdict, check};
