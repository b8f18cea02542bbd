//! What goes over the network: parsing what comes in, shaping what goes out.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod outgoing;
pub(crate) mod passkey;
pub(crate) mod possession;
pub(crate) mod problem;
pub(crate) mod qr;
pub(crate) mod query;
pub(crate) mod rate_limits;
pub(crate) mod request;
