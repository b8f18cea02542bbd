//! Effects that follow a commit: written in the owner's transaction, delivered afterwards, repeated until
//! acknowledged.
//!
//! A row leaves an outbox only when its delivery is confirmed: by the store itself for copies in KV and
//! revocation marks, by the queue's consumer for mail and audit. A crash at any point repeats a delivery and
//! loses none; consumers recognise repetitions by the row's id.

pub(crate) mod consumer;
pub(crate) mod letter;
pub(crate) mod mail;
pub(crate) mod marks;
pub(crate) mod message;
pub(crate) mod rows;
pub(crate) mod sender;
pub(crate) mod sms;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod templates;
