//! A proof is used once.
//!
//! What was used is remembered until nobody would accept it any more. When that is, is decided by the clock of whoever
//! remembers: a proof whose time is over by that clock is refused there, so that what was forgotten cannot come back
//! through somebody whose clock is behind.

use crate::id::OperationId;
use crate::session::KeyThumbprint;
use crate::session::stored;
use crate::time::UnixMillis;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// A key that a request has proven to have, as a message to the owner of the account. Made by
/// [`AuthenticProof::judge`](super::AuthenticProof::judge).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownKey {
    /// The key.
    pub thumbprint: KeyThumbprint,
    /// What the proof is remembered by: a digest of its `jti` and the key, 43 characters.
    pub id: String,
    /// The first moment at which nobody accepts it any more.
    #[serde(with = "stored::millis")]
    pub usable_until: UnixMillis,
    /// Drawn for the request that it came with: the calls of one request are one use.
    pub request: OperationId,
}

/// What is to be done about the use of a proof.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofUse {
    /// It is the first: remember it.
    Remember,
    /// The same request asks again.
    Repeated,
    /// It may not be used.
    Refused(ReplayRefusal),
}

/// Why a proof may not be used, in check order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayRefusal {
    /// Its time is over.
    Expired,
    /// Another request has used it.
    Replayed,
    /// As many are remembered as may be. None is forgotten to make room: it could come back.
    MemoryFull,
}

impl ReplayRefusal {
    /// The stable public code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "dpop_proof_expired",
            Self::Replayed => "dpop_proof_replayed",
            Self::MemoryFull => "dpop_replay_store_full",
        }
    }
}

/// Decides about the use of a proof: `known` is the request that it is remembered with, `is_full` whether as many are
/// remembered as may be.
pub fn use_proof(shown: &ShownKey, known: Option<OperationId>, is_full: bool, now: UnixMillis) -> ProofUse {
    match known {
        Some(request) if request == shown.request => ProofUse::Repeated,
        _ if shown.usable_until <= now => ProofUse::Refused(ReplayRefusal::Expired),
        Some(_) => ProofUse::Refused(ReplayRefusal::Replayed),
        None if is_full => ProofUse::Refused(ReplayRefusal::MemoryFull),
        None => ProofUse::Remember,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString as _;
    use std::vec::Vec;

    fn shown(id: u8, usable_until: u64, request: u8) -> ShownKey {
        ShownKey {
            thumbprint: KeyThumbprint::from_bytes([7; 32]),
            id: id.to_string(),
            usable_until: UnixMillis::new(usable_until),
            request: OperationId::from_bytes([request; 16]),
        }
    }

    #[test]
    fn each_reason_in_check_order() {
        let (mine, other) = (OperationId::from_bytes([1; 16]), OperationId::from_bytes([2; 16]));
        let refused = ProofUse::Refused;
        for (known, is_full, now, expected) in [
            (None, false, 99, ProofUse::Remember),
            (Some(mine), false, 99, ProofUse::Repeated),
            (Some(mine), true, 100, ProofUse::Repeated),
            (None, false, 100, refused(ReplayRefusal::Expired)),
            (Some(other), true, 100, refused(ReplayRefusal::Expired)),
            (Some(other), true, 99, refused(ReplayRefusal::Replayed)),
            (Some(other), false, 99, refused(ReplayRefusal::Replayed)),
            (None, true, 99, refused(ReplayRefusal::MemoryFull)),
        ] {
            let found = use_proof(&shown(1, 100, 1), known, is_full, UnixMillis::new(now));
            assert_eq!(found, expected, "{known:?} {is_full} {now}");
        }
    }

    #[test]
    fn a_message_survives_the_wire() {
        let before = shown(1, 100, 1);
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<ShownKey>(&text).unwrap(), before);
    }

    proptest! {
        /// A memory that forgets what is over by its own clock, asked by anybody at any time, in any order.
        #[test]
        fn no_proof_is_used_by_two_requests(uses in proptest::collection::vec((0u8..4, 0u64..40, 0u8..6, 0u64..5), 0..60)) {
            let (mut memory, mut used, mut now) = (Vec::<ShownKey>::new(), Vec::<ShownKey>::new(), 0u64);
            for (id, _, request, passes) in uses {
                now += passes;
                // The same proof is usable until the same moment, whoever brings it.
                let shown = shown(id, 20 + u64::from(id) * 7, request);
                memory.retain(|one| one.usable_until > UnixMillis::new(now));
                let known = memory.iter().find(|one| one.id == shown.id).map(|one| one.request);
                let is_full = memory.len() >= 3;
                match use_proof(&shown, known, is_full, UnixMillis::new(now)) {
                    ProofUse::Remember => {
                        prop_assert!(used.iter().all(|one| one.id != shown.id));
                        memory.push(shown.clone());
                        used.push(shown);
                    }
                    ProofUse::Repeated => prop_assert!(used.contains(&shown)),
                    ProofUse::Refused(_) => {}
                }
                prop_assert!(memory.len() <= 3);
            }
        }
    }
}
