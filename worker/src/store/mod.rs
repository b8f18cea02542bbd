//! The Worker's side of every store: loading before a decision, committing after it.

pub(crate) mod accounts;
mod audited;
pub(crate) mod authorization;
pub(crate) mod contact;
pub(crate) mod creation;
pub(crate) mod definitions;
pub(crate) mod directory;
pub(crate) mod edge;
pub(crate) mod entitlements;
pub(crate) mod factors;
pub(crate) mod fence;
pub(crate) mod intake;
pub(crate) mod keyring;
pub(crate) mod kv;
pub(crate) mod limiter;
#[cfg(feature = "development")]
pub(crate) mod mailbox;
pub(crate) mod names;
pub(crate) mod organizations;
pub(crate) mod passkeys;
pub(crate) mod profile;
pub(crate) mod seats;
pub(crate) mod shards;
pub(crate) mod shield;
mod statement;
pub(crate) mod users;
