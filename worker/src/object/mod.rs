//! Durable Objects: one single writer for everything that two requests could race for.
//!
//! Each object is the same three steps: parse a versioned call, run a pure decision of the core over the records
//! it loads, and commit what the decision returned in one transaction. No object keeps state in memory: objects
//! of one class may share an isolate, and the next call may meet another instance.

pub(crate) mod account;
pub(crate) mod alarm;
pub(crate) mod call;
#[cfg(feature = "development")]
pub(crate) mod development;
pub(crate) mod intake;
pub(crate) mod keyring;
pub(crate) mod limiter;
pub(crate) mod orders;
pub(crate) mod records;
pub(crate) mod revocation;
pub(crate) mod sealed;
pub(crate) mod seats;
pub(crate) mod sql;
pub(crate) mod transaction;
