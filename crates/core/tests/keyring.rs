//! The life of keys, tried in every order of events to a stated depth, and at random beyond it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a model that panics fails the test that called it"
)]

use postern_core::keyring::{
    Change, KeyKind, KeyPolicy, KeyPolicyError, KeyRecord, KeyState, MOST_LIVE_KEYS, MOST_REMOVED_KEYS,
    RevokeRefusal, RotateRefusal, plan, revoke, rotate,
};
use postern_core::time::{Seconds, UnixMillis};
use proptest::prelude::*;

const LEAD: u64 = 2_000;
const ROTATE: u64 = 5_000;
const KEEP: u64 = 3_000;

fn policy(kind: KeyKind) -> KeyPolicy {
    let seconds = |millis: u64| Seconds::new(u32::try_from(millis / 1_000).unwrap());
    KeyPolicy::new(kind, seconds(LEAD), Some(seconds(ROTATE)), Some(seconds(KEEP))).unwrap()
}

fn at(millis: u64) -> UnixMillis {
    UnixMillis::new(millis)
}

fn key(id: u32, state: KeyState) -> KeyRecord {
    KeyRecord { id, kind: KeyKind::Ed25519, state }
}

fn active(id: u32, since: u64) -> KeyRecord {
    key(id, KeyState::Active { since: at(since) })
}

fn next(id: u32, published_at: u64) -> KeyRecord {
    key(id, KeyState::Next { published_at: at(published_at) })
}

fn retired(id: u32, since: u64) -> KeyRecord {
    key(id, KeyState::Retired { since: at(since) })
}

fn removed(id: u32, at_millis: u64) -> KeyRecord {
    key(id, KeyState::Removed { at: at(at_millis), revoked: false })
}

/// Stores what was decided, as the owner of the keys does.
fn store(line: &mut Vec<KeyRecord>, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Create(key) => {
                assert!(line.iter().all(|other| other.id < key.id), "an id is given twice or out of order");
                line.push(*key);
            }
            Change::Update(key) => {
                let stored = line.iter_mut().find(|other| other.id == key.id).expect("it is stored");
                assert_eq!(stored.kind, key.kind);
                *stored = *key;
            }
            Change::Forget(id) => {
                let stored = line.iter().find(|other| other.id == *id).expect("it is stored");
                assert!(!stored.state.is_live(), "a key with material is forgotten");
                line.retain(|other| other.id != *id);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Wait(u64),
    ClockGoesBack(u64),
    Rotate,
    RevokeActive,
    RevokeNext,
    RevokeOldestRetired,
    Want(KeyKind),
}

const EVENTS: [Event; 9] = [
    Event::Wait(1_000),
    Event::Wait(2_000),
    Event::Wait(30_000),
    Event::ClockGoesBack(10_000),
    Event::Rotate,
    Event::RevokeActive,
    Event::RevokeNext,
    Event::RevokeOldestRetired,
    Event::Want(KeyKind::P256),
];

/// A line, the clock that its owner reads, and the highest id so far.
#[derive(Clone)]
struct World {
    line: Vec<KeyRecord>,
    kind: KeyKind,
    clock: u64,
    highest_id: u32,
}

impl World {
    fn new() -> Self {
        let mut world = Self { line: Vec::new(), kind: KeyKind::Ed25519, clock: 100_000, highest_id: 0 };
        world.tick(false);
        world
    }

    fn find(&self, wanted: impl Fn(KeyState) -> bool) -> Option<KeyRecord> {
        self.line.iter().find(|key| wanted(key.state)).copied()
    }

    fn happen(&mut self, event: Event) {
        let policy = policy(self.kind);
        let now = at(self.clock);
        match event {
            Event::Wait(millis) => self.clock += millis,
            Event::ClockGoesBack(millis) => {
                self.clock -= millis;
                assert_eq!(plan(&self.line, &policy, at(self.clock)), plan(&self.line, &policy, at(0)));
                let mut later = self.clone();
                later.tick(false);
                assert_eq!(later.line, self.line, "an earlier clock changed something");
            }
            Event::Rotate => {
                let before = self.find(|state| matches!(state, KeyState::Next { .. }));
                match rotate(&self.line, &policy, now) {
                    Ok(changes) => {
                        assert!(before.is_none());
                        store(&mut self.line, &changes);
                    }
                    Err(RotateRefusal::UnderWay(id)) => assert_eq!(before.map(|key| key.id), Some(id)),
                    Err(RotateRefusal::TooManyKeys) => panic!("so few keys are too many"),
                }
            }
            Event::RevokeActive => {
                let old = self.find(KeyState::is_active).unwrap();
                self.revoke(old.id);
                let new = self.find(KeyState::is_active).unwrap();
                assert!(new.id > old.id, "the next key took over after a theft");
                self.tick(true);
                return;
            }
            Event::RevokeNext => {
                if let Some(next) = self.find(|state| matches!(state, KeyState::Next { .. })) {
                    self.revoke(next.id);
                }
            }
            Event::RevokeOldestRetired => {
                if let Some(old) = self.find(|state| matches!(state, KeyState::Retired { .. })) {
                    self.revoke(old.id);
                }
            }
            Event::Want(kind) => self.kind = kind,
        }
        self.tick(false);
    }

    fn revoke(&mut self, id: u32) {
        let policy = policy(self.kind);
        let changes = revoke(&self.line, id, &policy, at(self.clock)).unwrap();
        store(&mut self.line, &changes);
        let gone = self.line.iter().find(|key| key.id == id);
        assert!(gone.is_none_or(|key| matches!(key.state, KeyState::Removed { revoked: true, .. })));
        assert!(matches!(
            revoke(&self.line, id, &policy, at(self.clock)),
            Err(RevokeRefusal::Gone | RevokeRefusal::Unknown)
        ));
    }

    /// The owner's minute, and what must hold after every one.
    fn tick(&mut self, in_an_emergency: bool) {
        let policy = policy(self.kind);
        let before = self.line.clone();
        store(&mut self.line, &plan(&before, &policy, at(self.clock)));
        assert_eq!(plan(&self.line, &policy, at(self.clock)), [], "twice is more than once");

        let count = |wanted: fn(KeyState) -> bool| self.line.iter().filter(|key| wanted(key.state)).count();
        assert_eq!(count(KeyState::is_active), 1, "{:?}", self.line);
        assert!(count(|state| matches!(state, KeyState::Next { .. })) <= 1, "{:?}", self.line);
        assert!(count(KeyState::is_live) <= MOST_LIVE_KEYS);
        assert!(count(|state| !state.is_live()) <= MOST_REMOVED_KEYS);

        let present =
            before.iter().map(|key| key.state.since().as_millis()).chain([self.clock]).max().unwrap();
        for key in &self.line {
            let old = before.iter().find(|old| old.id == key.id).map(|old| old.state);
            self.check_step(old, key.state, present, before.is_empty() || in_an_emergency);
        }
        for old in before.iter().filter(|old| old.state.is_live()) {
            assert!(self.line.iter().any(|key| key.id == old.id), "a live key vanished");
        }
        let highest = self.line.iter().map(|key| key.id).max().unwrap();
        assert!(highest >= self.highest_id, "the highest id was forgotten");
        self.highest_id = highest;
    }

    fn check_step(&self, old: Option<KeyState>, new: KeyState, present: u64, may_start_active: bool) {
        use KeyState::{Active, Next, Removed, Retired};
        match (old, new) {
            (None, Next { published_at }) => assert_eq!(published_at.as_millis(), present),
            (None, Active { .. }) => assert!(may_start_active, "a key was used before anybody knew it"),
            (Some(Next { published_at }), Active { .. }) => {
                assert!(present - published_at.as_millis() >= LEAD, "a key was used too early");
            }
            (Some(Active { .. }), Retired { since }) => assert_eq!(since.as_millis(), present),
            (Some(Retired { since }), Removed { .. }) => {
                assert!(present - since.as_millis() >= KEEP, "a key went while tokens of it lived");
            }
            // A successor of a kind that is not wanted any more.
            (Some(Next { .. }), Removed { revoked, .. }) => assert!(!revoked),
            (Some(old), new) => assert_eq!(old, new, "a step that no key may take"),
            (None, new) => panic!("a key began as {new:?}"),
        }
    }
}

#[test]
fn every_order_of_six_events_keeps_the_rules() {
    fn explore(world: &World, depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        EVENTS
            .into_iter()
            .map(|event| {
                let mut world = world.clone();
                world.happen(event);
                explore(&world, depth - 1)
            })
            .sum()
    }
    assert_eq!(explore(&World::new(), 6), 531_441);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_long_life_keeps_the_rules(events in prop::collection::vec((0..EVENTS.len(), 0u64..20_000), 0..300)) {
        let mut world = World::new();
        for (event, wait) in events {
            world.happen(EVENTS[event]);
            world.happen(Event::Wait(wait));
            if wait % 7 == 0 {
                world.happen(Event::Want(KeyKind::Ed25519));
            }
        }
    }
}

#[test]
fn a_scheduled_rotation_takes_over_exactly_when_it_is_due() {
    let policy = policy(KeyKind::Ed25519);
    let line = [active(1, 10_000)];
    assert_eq!(plan(&line, &policy, at(12_999)), []);
    assert_eq!(plan(&line, &policy, at(13_000)), [Change::Create(next(2, 13_000))]);
    let line = [active(1, 10_000), next(2, 13_000)];
    assert_eq!(plan(&line, &policy, at(14_999)), []);
    let takeover = [Change::Update(active(2, 15_000)), Change::Update(retired(1, 15_000))];
    assert_eq!(plan(&line, &policy, at(15_000)), takeover);
    let line = [retired(1, 15_000), active(2, 15_000)];
    assert_eq!(plan(&line, &policy, at(17_999)), []);
    let line = [retired(1, 15_000), active(2, 17_000)];
    assert_eq!(plan(&line, &policy, at(18_000)), [Change::Update(removed(1, 18_000))]);
}

#[test]
fn hours_without_upkeep_are_not_made_up_for() {
    let policy = policy(KeyKind::Ed25519);
    assert_eq!(plan(&[active(1, 10_000)], &policy, at(9_000_000)), [Change::Create(next(2, 9_000_000))]);
}

#[test]
fn without_a_schedule_only_an_order_rotates() {
    let policy = KeyPolicy::new(KeyKind::Ed25519, Seconds::new(2), None, None).unwrap();
    let line = [active(1, 0)];
    assert_eq!(plan(&line, &policy, at(u64::MAX)), []);
    assert_eq!(rotate(&line, &policy, at(7)), Ok(vec![Change::Create(next(2, 7))]));
    let line = [active(1, 0), next(2, 7)];
    assert_eq!(rotate(&line, &policy, at(8)), Err(RotateRefusal::UnderWay(2)));
    let line = [retired(1, 2_007), active(2, 2_007)];
    assert_eq!(plan(&line, &policy, at(u64::MAX)), [], "what is kept for ever went");
}

#[test]
fn another_kind_is_known_as_long_as_any_before_it_is_used() {
    let policy = policy(KeyKind::P256);
    let of_p256 = |state| KeyRecord { id: 2, kind: KeyKind::P256, state };
    let published = KeyState::Next { published_at: at(1) };
    assert_eq!(plan(&[active(1, 0)], &policy, at(1)), [Change::Create(of_p256(published))]);
    let line = [active(1, 0), of_p256(published)];
    assert_eq!(plan(&line, &policy, at(2_000)), []);
    let taken_over = Change::Update(of_p256(KeyState::Active { since: at(2_001) }));
    assert_eq!(plan(&line, &policy, at(2_001)), [taken_over, Change::Update(retired(1, 2_001))]);
    // The successor that was made for the kind of yesterday never takes over.
    let line = [active(1, 0), next(2, 0)];
    let changes = plan(&line, &policy, at(5_000));
    let third = KeyRecord { id: 3, kind: KeyKind::P256, state: KeyState::Next { published_at: at(5_000) } };
    assert_eq!(changes, [Change::Update(removed(2, 5_000)), Change::Create(third)]);
}

#[test]
fn a_stolen_key_and_its_successor_go_and_a_fresh_one_is_used_at_once() {
    let policy = policy(KeyKind::Ed25519);
    let line = [retired(1, 900), active(2, 900), next(3, 1_000)];
    let revoked = |id| Change::Update(key(id, KeyState::Removed { at: at(1_500), revoked: true }));
    let changes = revoke(&line, 2, &policy, at(1_500)).unwrap();
    assert_eq!(changes, [revoked(2), revoked(3), Change::Create(active(4, 1_500))]);
    assert_eq!(revoke(&line, 3, &policy, at(1_500)).unwrap(), [revoked(3)]);
    assert_eq!(revoke(&line, 1, &policy, at(1_500)).unwrap(), [revoked(1)]);
    assert_eq!(revoke(&line, 9, &policy, at(1_500)), Err(RevokeRefusal::Unknown));
    assert_eq!(revoke(&[removed(1, 5), active(2, 5)], 1, &policy, at(6)), Err(RevokeRefusal::Gone));
}

#[test]
fn there_are_never_more_keys_than_may_be() {
    let policy = KeyPolicy::new(KeyKind::Secret, Seconds::new(1), Some(Seconds::new(2)), None).unwrap();
    let mut line = Vec::new();
    for second in 0..500 {
        let changes = plan(&line, &policy, at(second * 1_000));
        store(&mut line, &changes);
    }
    assert_eq!(line.len(), MOST_LIVE_KEYS);
    assert_eq!(rotate(&line, &policy, at(500_000)), Err(RotateRefusal::TooManyKeys));
    // A theft is answered also then.
    let used = line.iter().find(|key| key.state.is_active()).unwrap().id;
    assert!(revoke(&line, used, &policy, at(500_000)).is_ok());
}

#[test]
fn rows_that_should_not_be_are_brought_in_order() {
    let policy = policy(KeyKind::Ed25519);
    assert_eq!(plan(&[active(1, 9), active(2, 9)], &policy, at(9)), [Change::Update(retired(1, 9))]);
    assert_eq!(plan(&[retired(1, 9), next(2, 9)], &policy, at(9)), [Change::Update(active(2, 9))]);
    let two = [active(1, 9), next(2, 9), next(3, 9)];
    assert_eq!(plan(&two, &policy, at(9)), [Change::Update(removed(2, 9))]);
    let many: Vec<_> = (1..=20).map(|id| removed(id, 9)).chain([active(21, 9)]).collect();
    assert_eq!(plan(&many, &policy, at(9)), [4, 3, 2, 1].map(Change::Forget));
}

#[test]
fn a_policy_that_uses_unknown_keys_is_refused() {
    let make = |lead, rotate: Option<u32>| {
        KeyPolicy::new(KeyKind::Secret, Seconds::new(lead), rotate.map(Seconds::new), None)
    };
    assert_eq!(make(0, None), Err(KeyPolicyError::NoLead));
    assert_eq!(make(5, Some(5)), Err(KeyPolicyError::RotatesWithinLead));
    assert!(make(5, Some(6)).is_ok());
}
