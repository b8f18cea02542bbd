//! What is fuzzed: every reader of text that comes from outside, each with the properties that hold for any input.
//!
//! A target panics when a property fails. Used twice: under libFuzzer, and on the stored corpus in every test run.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    missing_docs,
    reason = "a panic is how a property reports that it failed"
)]

mod identities;
mod json;
mod passkeys;
mod secrets;
mod settings;
mod tokens;

/// Feeds one input to a reader and checks what must hold of the answer.
pub(crate) type Check = fn(&[u8]);

/// Every target under the name of its corpus folder.
pub(crate) const ALL: &[(&str, Check)] = &[
    ("attestation", passkeys::attestation),
    ("base64url", secrets::base64url),
    ("config", settings::config),
    ("email", identities::email),
    ("identifier", identities::identifier),
    ("imported_hash", secrets::imported_hash),
    ("json", json::agrees_with_serde),
    ("key_set", tokens::key_set),
    ("link_token", secrets::link_token),
    ("mask", identities::mask),
    ("password_hash", secrets::password_hash),
    ("refresh_token", secrets::refresh_token),
    ("registry", identities::registry),
    ("token", tokens::unsigned),
    ("token_claims", tokens::signed_claims),
    ("token_header", tokens::signed_header),
    ("url", settings::url),
];

/// The names of all targets.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|(name, _)| *name).collect()
}

/// The input as text; inputs that are none are not for readers of `&str`.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
