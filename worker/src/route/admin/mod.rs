//! The operator's endpoints. Each begins with [`operator::authorise`].

pub(crate) mod attempts;
pub(crate) mod authorization;
pub(crate) mod capabilities;
pub(crate) mod create_user;
pub(crate) mod credentials;
pub(crate) mod entitlements;
pub(crate) mod groups;
pub(crate) mod keys;
pub(crate) mod metrics;
mod operating_account;
pub(crate) mod operator;
pub(crate) mod permission_sets;
pub(crate) mod permissions;
pub(crate) mod second_factor;
pub(crate) mod status;
pub(crate) mod traces;
pub(crate) mod users;
