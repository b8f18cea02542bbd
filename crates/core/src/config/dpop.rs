//! The section `dpop`: sessions that are bound to a key of their client (RFC 9449).

use super::cookies::origins_of;
use super::section::Section;
use super::url::{Issuer, Origin};
use crate::time::Seconds;
use alloc::vec::Vec;

/// Whether sessions are bound to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpopMode {
    /// `off`: no session is opened with a key. Those that have one keep it.
    Off,
    /// `optional`: that of a client that sends a proof.
    Optional,
    /// `required`: every session that is opened.
    Required,
}

/// `dpop`: proof of possession.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DpopSettings {
    /// Whether sessions are bound to keys, default `optional`.
    pub mode: DpopMode,
    /// How old a proof may be, 1 second to 5 minutes, default 60 seconds.
    pub max_age: Seconds,
    /// How far in the future one may have been issued, 0 to 60 seconds, default 5.
    pub leeway: Seconds,
    /// Whether a proof has to have a nonce of ours (RFC 9449 §8), default no.
    pub nonces: bool,
    /// How many proofs of an account are remembered at once, 10 to 20,000, default 2,000.
    pub proofs_per_account: u32,
    /// How many of these may be of one key, 10 to `proofs_per_account`, default 500 or, if that is less, all of them.
    pub proofs_per_key: u32,
    /// The origins at which clients reach the routes, 1 to 16, default the issuer's.
    pub origins: Vec<Origin>,
}

impl DpopSettings {
    pub(super) fn read(mut section: Section<'_>, issuer: &Issuer) -> Self {
        let modes =
            [("off", DpopMode::Off), ("optional", DpopMode::Optional), ("required", DpopMode::Required)];
        let mode = section.choice("mode", DpopMode::Optional, &modes);
        let max_age = section.seconds("max_age_seconds", 60, 1..=300);
        let leeway = section.seconds("leeway_seconds", 5, 0..=60);
        let nonces = section.flag("nonces", false);
        let proofs_per_account = section.number("proofs_per_account", 2_000, 10..=20_000);
        let most = proofs_per_account;
        let proofs_per_key = section.number("proofs_per_key", most.min(500), 10..=most);
        let listed = section.list::<Origin>("origins");
        let origins = origins_of(&mut section, listed, issuer);
        Self { mode, max_age, leeway, nonces, proofs_per_account, proofs_per_key, origins }
    }
}
