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
    /// As many of its key are remembered as may be of one. Other keys are not concerned.
    KeyFull,
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
            Self::KeyFull => "dpop_key_replay_store_full",
            Self::MemoryFull => "dpop_replay_store_full",
        }
    }
}

/// What is left of the memory for another proof of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofRoom {
    /// There is room.
    Left,
    /// As many of this key are remembered as may be of one: one client cannot take the others' room.
    KeyFull,
    /// As many of all keys together are remembered as may be.
    Full,
}

/// Decides about the use of a proof: `known` is the request that it is remembered with, `room` what is left for one
/// that is not.
pub fn use_proof(shown: &ShownKey, known: Option<OperationId>, room: ProofRoom, now: UnixMillis) -> ProofUse {
    match (known, room) {
        (Some(request), _) if request == shown.request => ProofUse::Repeated,
        _ if shown.usable_until <= now => ProofUse::Refused(ReplayRefusal::Expired),
        (Some(_), _) => ProofUse::Refused(ReplayRefusal::Replayed),
        (None, ProofRoom::KeyFull) => ProofUse::Refused(ReplayRefusal::KeyFull),
        (None, ProofRoom::Full) => ProofUse::Refused(ReplayRefusal::MemoryFull),
        (None, ProofRoom::Left) => ProofUse::Remember,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString as _;
    use std::vec::Vec;

    fn shown(key: u8, id: u8, usable_until: u64, request: u8) -> ShownKey {
        ShownKey {
            thumbprint: KeyThumbprint::from_bytes([key; 32]),
            id: id.to_string(),
            usable_until: UnixMillis::new(usable_until),
            request: OperationId::from_bytes([request; 16]),
        }
    }

    #[test]
    fn each_reason_in_check_order() {
        use ProofRoom::{Full, KeyFull, Left};
        let (mine, other) = (OperationId::from_bytes([1; 16]), OperationId::from_bytes([2; 16]));
        let refused = ProofUse::Refused;
        for (known, room, now, expected) in [
            (None, Left, 99, ProofUse::Remember),
            (Some(mine), Left, 99, ProofUse::Repeated),
            (Some(mine), Full, 100, ProofUse::Repeated),
            (None, Left, 100, refused(ReplayRefusal::Expired)),
            (None, KeyFull, 100, refused(ReplayRefusal::Expired)),
            (Some(other), Full, 100, refused(ReplayRefusal::Expired)),
            (Some(other), Full, 99, refused(ReplayRefusal::Replayed)),
            (Some(other), KeyFull, 99, refused(ReplayRefusal::Replayed)),
            (Some(other), Left, 99, refused(ReplayRefusal::Replayed)),
            (None, KeyFull, 99, refused(ReplayRefusal::KeyFull)),
            (None, Full, 99, refused(ReplayRefusal::MemoryFull)),
        ] {
            let found = use_proof(&shown(7, 1, 100, 1), known, room, UnixMillis::new(now));
            assert_eq!(found, expected, "{known:?} {room:?} {now}");
        }
    }

    #[test]
    fn a_message_survives_the_wire() {
        let before = shown(7, 1, 100, 1);
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<ShownKey>(&text).unwrap(), before);
    }

    const MOST_OF_A_KEY: usize = 3;
    const MOST: usize = 7;

    proptest! {
        /// A memory that forgets what is over by its own clock, asked by anybody at any time, in any order.
        #[test]
        fn no_proof_is_used_by_two_requests_and_no_key_takes_the_room_of_others(
            uses in proptest::collection::vec((0u8..4, 0u8..6, 0u8..6, 0u64..5), 0..80),
        ) {
            let (mut memory, mut used, mut now) = (Vec::<ShownKey>::new(), Vec::<ShownKey>::new(), 0u64);
            for (key, id, request, passes) in uses {
                now += passes;
                // The same proof is usable until the same moment, whoever brings it.
                let shown = shown(key, id, 20 + u64::from(id) * 7, request);
                let same = |one: &&ShownKey| one.id == shown.id && one.thumbprint == shown.thumbprint;
                memory.retain(|one| one.usable_until > UnixMillis::new(now));
                let known = memory.iter().find(same).map(|one| one.request);
                let of_key = memory.iter().filter(|one| one.thumbprint == shown.thumbprint).count();
                let room = match (of_key >= MOST_OF_A_KEY, memory.len() >= MOST) {
                    (true, _) => ProofRoom::KeyFull,
                    (false, true) => ProofRoom::Full,
                    (false, false) => ProofRoom::Left,
                };
                match use_proof(&shown, known, room, UnixMillis::new(now)) {
                    ProofUse::Remember => {
                        prop_assert!(!used.iter().any(|one| same(&one)));
                        memory.push(shown.clone());
                        used.push(shown);
                    }
                    ProofUse::Repeated => prop_assert!(used.contains(&shown)),
                    ProofUse::Refused(ReplayRefusal::KeyFull) => prop_assert_eq!(of_key, MOST_OF_A_KEY),
                    ProofUse::Refused(ReplayRefusal::MemoryFull) => {
                        // One key alone never brings that about, nor two.
                        let mut keys: Vec<_> = memory.iter().map(|one| one.thumbprint.to_string()).collect();
                        keys.sort_unstable();
                        keys.dedup();
                        prop_assert!(keys.len() > 2 && memory.len() == MOST);
                    }
                    ProofUse::Refused(_) => {}
                }
                prop_assert!(memory.len() <= MOST);
                prop_assert!(memory.iter().filter(|one| one.thumbprint == KeyThumbprint::from_bytes([key; 32])).count() <= MOST_OF_A_KEY);
            }
        }
    }
}
