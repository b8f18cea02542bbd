//! The life of keys: made known, used, kept for checking, gone.
//!
//! A *line* is the keys of one purpose, of which one is used at a time. [`plan`] says what has to change by now;
//! [`rotate`] and [`revoke`] say what an operator's order changes. All three are pure and come to the same however
//! often they are asked, so whoever owns the keys asks them every minute and stores what they answer, in one
//! transaction.
//!
//! ```text
//!            lead                 rotate_after               keep_for
//! Next ───────────────▶ Active ───────────────▶ Retired ───────────────▶ Removed ──▶ forgotten
//!   known, not used        used and checked        checked only             its material is gone
//! ```
//!
//! Time only goes forward: what a line has seen counts as the present if a clock says something earlier.

#[cfg(all(feature = "issue", feature = "pem"))]
mod import;
mod line;
mod weak;

#[cfg(all(feature = "issue", feature = "pem"))]
pub use import::{
    ImportError, ImportField, ImportTexts, Imported, ImportedSigner, MOST_IMPORTED_KEYS, import,
};
pub use weak::is_placeholder;

use crate::time::{Seconds, UnixMillis};
use alloc::vec::Vec;
use core::fmt;
use line::Line;

/// How many keys of one line may have material. A schedule that would exceed it waits for the oldest to go.
pub const MOST_LIVE_KEYS: usize = 32;

/// How many removed keys a line remembers, newest first.
pub const MOST_REMOVED_KEYS: usize = 16;

/// What has to be drawn to make a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum KeyKind {
    /// 32 random bytes: a key for HMAC.
    Secret,
    /// The seed of an Ed25519 key (RFC 8032 §5.1.5): 32 random bytes.
    Ed25519,
    /// A key pair on P-256, for `ES256` (RFC 7518 §3.4).
    P256,
    /// An RSA key pair of 2048 bits, for `RS256` (RFC 7518 §3.3).
    Rsa,
}

/// Where in its life a key is. Times are those of the line's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum KeyState {
    /// Known to everybody who checks, used by nobody yet.
    Next {
        /// Since when it can be known.
        published_at: UnixMillis,
    },
    /// What is made now is made with it.
    Active {
        /// Since when it is used.
        since: UnixMillis,
    },
    /// What was made with it is still checked with it.
    Retired {
        /// Since when it is not used any more.
        since: UnixMillis,
    },
    /// Its material is gone. Only the id remains, so that it is never given again.
    Removed {
        /// When it went.
        at: UnixMillis,
        /// Whether an operator took it away before its time.
        revoked: bool,
    },
}

impl KeyState {
    /// Whether the key has material and checks what was made with it.
    #[must_use]
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Removed { .. })
    }

    /// Whether it is the key in use.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active { .. })
    }

    /// `next`, `active`, `retired` or `removed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next { .. } => "next",
            Self::Active { .. } => "active",
            Self::Retired { .. } => "retired",
            Self::Removed { .. } => "removed",
        }
    }

    /// Since when the key is in this state.
    #[must_use]
    pub const fn since(self) -> UnixMillis {
        match self {
            Self::Next { published_at } => published_at,
            Self::Active { since } | Self::Retired { since } => since,
            Self::Removed { at, .. } => at,
        }
    }
}

/// One key of a line, without its material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KeyRecord {
    /// Its place in the line: later keys have higher ones. From 1, never given twice.
    pub id: u32,
    /// What it is made of.
    pub kind: KeyKind,
    /// Where in its life it is.
    pub state: KeyState,
}

/// How the keys of one line live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    kind: KeyKind,
    lead: Seconds,
    rotate_after: Option<Seconds>,
    keep_for: Option<Seconds>,
}

/// A policy under which keys would not be known before they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPolicyError {
    /// The lead is 0.
    NoLead,
    /// A key would be replaced before its successor can be known.
    RotatesWithinLead,
}

impl fmt::Display for KeyPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLead => "a key must be known before it is used",
            Self::RotatesWithinLead => "a key must be used for longer than its successor is known before",
        })
    }
}

impl core::error::Error for KeyPolicyError {}

impl KeyPolicy {
    /// Keys of this kind, known `lead` before they are used, replaced after `rotate_after` (`None`: by order only),
    /// checked with for `keep_for` after they were last used (`None`: for ever).
    ///
    /// # Errors
    ///
    /// [`KeyPolicyError`], as its variants say.
    pub fn new(
        kind: KeyKind,
        lead: Seconds,
        rotate_after: Option<Seconds>,
        keep_for: Option<Seconds>,
    ) -> Result<Self, KeyPolicyError> {
        if lead == Seconds::ZERO {
            return Err(KeyPolicyError::NoLead);
        }
        if rotate_after.is_some_and(|after| after <= lead) {
            return Err(KeyPolicyError::RotatesWithinLead);
        }
        Ok(Self { kind, lead, rotate_after, keep_for })
    }
}

/// One change of a line. They are stored together or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// Make a key of this kind and store it under this id.
    Create(KeyRecord),
    /// Store the state. [`KeyState::Removed`] also takes the material away.
    Update(KeyRecord),
    /// Drop what is left of a removed key.
    Forget(u32),
}

/// What has to change by now, in this order; empty when nothing has to.
///
/// The first key of a line is active at once. A key that is due to be replaced, or that is of another kind than the
/// policy's, gets a successor, which takes over when everybody had the lead's time to learn of it. Missed hours are not
/// made up for: after a pause the successor is known for as long as ever before it is used.
pub fn plan(line: &[KeyRecord], policy: &KeyPolicy, now: UnixMillis) -> Vec<Change> {
    Line::at(line, now).settled(policy)
}

/// Why a rotation is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotateRefusal {
    /// One is under way: this key takes over next.
    UnderWay(u32),
    /// The line has [`MOST_LIVE_KEYS`] keys with material.
    TooManyKeys,
}

/// Begins a rotation: makes the next key known. It takes over after the lead, by [`plan`].
///
/// # Errors
///
/// [`RotateRefusal`]: of two orders one is carried out.
pub fn rotate(line: &[KeyRecord], policy: &KeyPolicy, now: UnixMillis) -> Result<Vec<Change>, RotateRefusal> {
    let mut line = Line::at(line, now);
    if let Some(next) = line.next() {
        return Err(RotateRefusal::UnderWay(next.id));
    }
    if line.is_full() {
        return Err(RotateRefusal::TooManyKeys);
    }
    line.publish(policy.kind);
    Ok(line.settled(policy))
}

/// Why a key is not revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeRefusal {
    /// The line has no key of that id.
    Unknown,
    /// It is gone already.
    Gone,
}

/// Takes a key away now, whatever still depends on it.
///
/// If it is the active one, a new key is active at once, although nobody could learn of it before; and the next key
/// goes as well: it has signed nothing yet, and whoever got at the one may have got at the other.
///
/// # Errors
///
/// [`RevokeRefusal`].
pub fn revoke(
    line: &[KeyRecord],
    id: u32,
    policy: &KeyPolicy,
    now: UnixMillis,
) -> Result<Vec<Change>, RevokeRefusal> {
    let key = line.iter().find(|key| key.id == id).ok_or(RevokeRefusal::Unknown)?;
    if !key.state.is_live() {
        return Err(RevokeRefusal::Gone);
    }
    let mut line = Line::at(line, now);
    line.remove(id, true);
    if key.state.is_active() {
        while let Some(next) = line.next() {
            line.remove(next.id, true);
        }
    }
    Ok(line.settled(policy))
}
