//! The seats of a tenant, with messages that are lost, late and repeated.
#![cfg(feature = "issue")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]

use postern_core::session::{SEATS_COUNTED_FOR, SeatGrant, SeatLease, SeatPool, SeatRequest};
use postern_core::time::UnixMillis;
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis::new(1_000_000);

/// A shard: its lease, and how many sit there.
#[derive(Clone, Copy, Default)]
struct Shard {
    lease: SeatLease,
    taken: u32,
}

impl Shard {
    fn take(&mut self, limit: u32) -> bool {
        let seated = self.lease.seats_another(self.taken, 0, limit);
        self.taken += u32::from(seated);
        seated
    }
}

struct Tenant {
    pool: SeatPool,
    shards: Vec<Shard>,
    /// Messages to shards and to the pool that may still arrive, any number of times.
    grants: Vec<(usize, SeatLease)>,
    returns: Vec<(u8, SeatLease)>,
}

impl Tenant {
    fn new(shards: usize) -> Self {
        let shards = vec![Shard::default(); shards];
        Self { pool: SeatPool::default(), shards, grants: Vec::new(), returns: Vec::new() }
    }

    fn taken(&self) -> u32 {
        self.shards.iter().map(|shard| shard.taken).sum()
    }

    fn ask(&mut self, shard: usize, limit: u32, returned: Option<Vec<(u8, SeatLease)>>) -> SeatGrant {
        let version = self.shards[shard].lease.version;
        let request = SeatRequest { shard: u8::try_from(shard).unwrap(), version, limit, returned };
        let answer = self.pool.clone().grant(request, NOW);
        if let SeatGrant::Granted(pool, _) | SeatGrant::Exhausted(pool) = &answer {
            self.pool = pool.clone();
        }
        answer
    }

    fn give_back(&mut self, shard: usize, known: SeatLease) -> (u8, SeatLease) {
        let it = &mut self.shards[shard];
        it.lease = it.lease.adopt(known).given_back(it.taken);
        (u8::try_from(shard).unwrap(), it.lease)
    }

    /// One login where every message arrives.
    fn log_in(&mut self, shard: usize, limit: u32) -> bool {
        for _ in 0..3 {
            if self.shards[shard].take(limit) {
                return true;
            }
            let lease = match self.ask(shard, limit, None) {
                SeatGrant::Granted(_, lease) => lease,
                SeatGrant::Exhausted(_) => return false,
                SeatGrant::Count(leases) => {
                    let returned =
                        leases.into_iter().enumerate().map(|(at, known)| self.give_back(at, known));
                    let returned = returned.collect();
                    match self.ask(shard, limit, Some(returned)) {
                        SeatGrant::Granted(_, lease) => lease,
                        SeatGrant::Count(_) | SeatGrant::Exhausted(_) => return false,
                    }
                }
            };
            self.shards[shard].lease = self.shards[shard].lease.adopt(lease);
        }
        self.shards[shard].take(limit)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Take(usize),
    Leave(usize),
    /// The shard asks the pool; the answer is on its way.
    Ask(usize),
    /// A grant on its way arrives, perhaps for the second time.
    Arrive(usize),
    /// The shard is asked to give back, knowing what the pool knows or nothing; its answer is on its way.
    GiveBack(usize, bool),
    /// Answers on their way reach the pool, perhaps for the second time, with a question of a shard.
    Return(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4usize).prop_map(Step::Take),
        (0..4usize).prop_map(Step::Leave),
        (0..4usize).prop_map(Step::Ask),
        (0..64usize).prop_map(Step::Arrive),
        ((0..4usize), any::<bool>()).prop_map(|(shard, knows)| Step::GiveBack(shard, knows)),
        ((0..4usize), (0..64usize)).prop_map(|(shard, at)| Step::Return(shard, at)),
    ]
}

fn carry_out(tenant: &mut Tenant, step: Step, limit: u32, known: &mut [SeatLease; 4]) {
    match step {
        Step::Take(shard) => {
            tenant.shards[shard].take(limit);
        }
        Step::Leave(shard) => tenant.shards[shard].taken = tenant.shards[shard].taken.saturating_sub(1),
        Step::Ask(shard) => {
            if let SeatGrant::Granted(_, lease) = tenant.ask(shard, limit, None) {
                known[shard] = lease;
                tenant.grants.push((shard, lease));
            }
        }
        Step::Arrive(at) => {
            if let Some((shard, lease)) = tenant.grants.get(at % tenant.grants.len().max(1)).copied() {
                tenant.shards[shard].lease = tenant.shards[shard].lease.adopt(lease);
            }
        }
        Step::GiveBack(shard, knows) => {
            let lease = if knows { known[shard] } else { SeatLease::default() };
            let returned = tenant.give_back(shard, lease);
            tenant.returns.push(returned);
        }
        Step::Return(shard, at) => {
            let late = tenant.returns.get(at % tenant.returns.len().max(1)).copied();
            if let SeatGrant::Granted(_, lease) = tenant.ask(shard, limit, Some(late.into_iter().collect())) {
                known[shard] = lease;
                tenant.grants.push((shard, lease));
            }
        }
    }
}

proptest! {
    #[test]
    fn never_more_are_seated_than_the_limit_whatever_becomes_of_messages(
        limit in 1..300u32,
        steps in prop::collection::vec(step(), 0..400),
    ) {
        let (mut tenant, mut known) = (Tenant::new(4), [SeatLease::default(); 4]);
        for step in steps {
            carry_out(&mut tenant, step, limit, &mut known);
            prop_assert!(tenant.taken() <= limit);
        }
    }

    #[test]
    fn whatever_was_lost_before_nobody_is_refused_while_there_is_room(
        limit in 1..300u32,
        steps in prop::collection::vec(step(), 0..200),
        shards in prop::collection::vec(0..4usize, 1..400),
    ) {
        let (mut tenant, mut known) = (Tenant::new(4), [SeatLease::default(); 4]);
        for step in steps {
            carry_out(&mut tenant, step, limit, &mut known);
        }
        for shard in shards {
            // Time passes, so that the pool counts again.
            let counted = serde_json::to_value(&tenant.pool).unwrap();
            let mut uncounted = counted;
            uncounted["counted_at"] = 0.into();
            tenant.pool = serde_json::from_value(uncounted).unwrap();
            let room = tenant.taken() < limit;
            prop_assert_eq!(tenant.log_in(shard, limit), room);
        }
    }
}

#[test]
fn a_lowered_limit_holds_for_leases_of_before() {
    let mut tenant = Tenant::new(4);
    assert!((0..8).all(|at| tenant.log_in(at % 4, 1_000)), "there is room");
    // Each shard has seats left of its portion of a thousand, and none of ten.
    assert!(tenant.shards.iter().all(|shard| shard.lease.seats > shard.taken));
    let admitted = (0..40).filter(|at| tenant.log_in(at % 4, 10)).count();
    assert_eq!((admitted, tenant.taken()), (2, 10));
}

#[test]
fn a_raised_limit_is_used_at_once() {
    let mut tenant = Tenant::new(4);
    assert_eq!((0..40).filter(|at| tenant.log_in(at % 4, 10)).count(), 10);
    assert_eq!((0..40).filter(|at| tenant.log_in(at % 4, 12)).count(), 2);
}

#[test]
fn a_session_that_replaces_others_sits_on_their_place() {
    let full = SeatLease { seats: 2, version: 1, limit: 10 };
    assert!(!full.seats_another(2, 0, 10));
    assert!(full.seats_another(2, 1, 10));
    // Nobody sits on the place of somebody who is not there.
    assert!(!SeatLease { seats: 0, ..full }.seats_another(0, 3, 10));
    assert!(!full.seats_another(1, 0, 9), "a lease of another limit seats nobody");
}

#[test]
fn shards_are_counted_once_a_second() {
    let request = |returned| SeatRequest { shard: 0, version: 1, limit: 1, returned };
    let SeatGrant::Granted(pool, lease) = SeatPool::default().grant(request(None), NOW) else {
        panic!("room")
    };
    assert_eq!(lease, SeatLease { seats: 1, version: 1, limit: 1 });
    let other = |returned| SeatRequest { shard: 1, version: 0, ..request(returned) };
    assert_eq!(pool.clone().grant(other(None), NOW), SeatGrant::Count(vec![lease, SeatLease::default()]));
    let SeatGrant::Exhausted(counted) = pool.grant(other(Some(vec![(0, lease)])), NOW) else {
        panic!("room")
    };
    let later = UnixMillis::new(NOW.as_millis() + 999);
    assert!(matches!(counted.clone().grant(other(None), later), SeatGrant::Exhausted(_)));
    let again = counted.clone().grant(other(None), NOW.plus(SEATS_COUNTED_FOR));
    assert!(matches!(again, SeatGrant::Count(_)));
    // What a shard gives back is taken whenever it comes; what no shard is, is passed over.
    let returned = vec![(200, SeatLease::default()), (0, SeatLease { seats: 0, ..lease })];
    assert!(matches!(counted.grant(other(Some(returned)), NOW), SeatGrant::Granted(..)));
}
