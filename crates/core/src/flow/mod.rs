//! The flows: what a request comes to, given the records it is about.

#[cfg(feature = "password")]
pub mod login;
#[cfg(feature = "password")]
pub mod reauthenticate;
pub mod validate;
