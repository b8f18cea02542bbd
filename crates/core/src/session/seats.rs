//! Seats: how many sessions a tenant may have at once, kept without a counter that every login asks.
//!
//! Every session of a limited tenant takes a seat in the shard of its account, before it is opened. A shard seats as many as
//! its *lease* says; leases come from the tenant's one *pool*, a few seats at a time, so that nearly all logins ask their shard
//! alone. Where the pool is empty the shards give back what they do not use, and forget sessions that have ended; only then is a
//! login refused.
//!
//! # The bound
//!
//! There are never more seats taken than the limit, whatever becomes of messages: a lease grows in the pool before it grows in the
//! shard, and shrinks in the shard before it shrinks in the pool, so the pool's sum is never below what shards may seat. Messages
//! may be lost, repeated and late: a growth has a version, and a shrinkage holds for the version that it was made of.
//! A session that replaces others of its account sits on their place until they have ended, an instant later.

use crate::time::{Seconds, UnixMillis};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How long the pool refuses without counting again.
pub const SEATS_COUNTED_FOR: Seconds = Seconds::new(1);
/// The limit is divided into as many portions.
const PORTIONS: u32 = 128;

/// Whether a session that is to be opened has a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Nobody has been asked for one.
    Unasked,
    /// It has one, or needs none.
    Granted,
    /// All are taken.
    Refused,
}

/// How many a shard may seat, and of which limit that is a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatLease {
    /// The seats.
    pub seats: u32,
    /// How often the pool has added some.
    pub version: u32,
    /// The limit that it was granted under. Under another one it seats nobody.
    pub limit: u32,
}

impl SeatLease {
    /// The newer of two.
    #[must_use]
    pub const fn adopt(self, other: Self) -> Self {
        if other.version > self.version { other } else { self }
    }

    /// Whether one more can be seated beside those that `taken` counts, when `replaced` of them are about to end.
    #[must_use]
    pub const fn seats_another(self, taken: u32, replaced: u32, limit: u32) -> bool {
        self.limit == limit && taken.saturating_sub(replaced) < self.seats
    }

    /// What is left of it when the pool has back what is not used.
    #[must_use]
    pub fn given_back(self, taken: u32) -> Self {
        Self { seats: self.seats.min(taken), ..self }
    }
}

/// What the pool knows of the leases: never less than the shards have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatPool {
    /// By shard.
    leases: Vec<SeatLease>,
    /// When the shards were last counted for nothing, in milliseconds.
    #[serde(with = "super::stored::millis")]
    counted_at: UnixMillis,
}

/// A shard wants more.
#[derive(Clone, Debug)]
pub struct SeatRequest {
    /// The shard.
    pub shard: u8,
    /// The version of the lease that it has.
    pub version: u32,
    /// How many there may be at once.
    pub limit: u32,
    /// What shards have given back, if they were asked.
    pub returned: Option<Vec<(u8, SeatLease)>>,
}

/// What the pool says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum SeatGrant {
    /// The shard's lease. Store the pool, then tell.
    Granted(SeatPool, SeatLease),
    /// Nothing is left; shards may have some, if they are asked. Nothing to store.
    Count(Vec<SeatLease>),
    /// Nothing is left, and the shards were asked lately. Store the pool.
    Exhausted(SeatPool),
}

impl Default for SeatPool {
    fn default() -> Self {
        Self { leases: Vec::new(), counted_at: UnixMillis::new(0) }
    }
}

impl SeatPool {
    /// Decides what a shard gets.
    pub fn grant(mut self, request: SeatRequest, now: UnixMillis) -> SeatGrant {
        let is_counted = request.returned.is_some();
        for (shard, lease) in request.returned.into_iter().flatten() {
            if let Some(known) = self.leases.get_mut(usize::from(shard)) {
                // One of another version was shrunk before it grew: it has grown again since.
                if known.version == lease.version {
                    known.seats = known.seats.min(lease.seats);
                }
            }
        }
        let place = usize::from(request.shard);
        while self.leases.len() <= place {
            self.leases.push(SeatLease::default());
        }
        let known = self.leases.get(place).copied().unwrap_or_default();
        if known.version > request.version && known.limit == request.limit {
            // What was added before has not arrived.
            return SeatGrant::Granted(self, known);
        }
        let leased = self.leases.iter().fold(0u32, |sum, lease| sum.saturating_add(lease.seats));
        let portion = (request.limit / PORTIONS).max(1).min(request.limit.saturating_sub(leased));
        if portion > 0 {
            let lease = SeatLease {
                seats: known.seats.saturating_add(portion),
                version: known.version.saturating_add(1),
                limit: request.limit,
            };
            if let Some(known) = self.leases.get_mut(place) {
                *known = lease;
            }
            return SeatGrant::Granted(self, lease);
        }
        if is_counted {
            self.counted_at = now;
            SeatGrant::Exhausted(self)
        } else if now < self.counted_at.plus(SEATS_COUNTED_FOR) {
            SeatGrant::Exhausted(self)
        } else {
            SeatGrant::Count(self.leases)
        }
    }
}
