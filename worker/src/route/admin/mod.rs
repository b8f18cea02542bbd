//! The operator's endpoints. Each begins with [`operator::authorise`].

pub(crate) mod create_user;
pub(crate) mod keys;
mod operator;
