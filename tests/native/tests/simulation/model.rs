//! The rotation rule a second time, written from the table alone, and checked against `decide` over every
//! sequence of events to a stated depth.
//!
//! Sequences that lead to the same state have the same continuations, so each state is continued once; every
//! transition of every sequence is checked all the same.

use crate::fixture::{Caller, KEY, OPENED_AT, compose, opened, policy, presented};
use postern_core::account::{AccountRecord, AccountStatus, ObjectClock};
use postern_core::session::{
    DeviceBinding, Generation, PresentedRefreshToken, RevokeOneOutcome, RevokeReason, RotationOutcome,
    RotationPolicy, SessionRecord, TokenParts, decide, revoke_one,
};
use postern_core::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

/// How many events the longest sequences have.
const DEPTH: usize = 7;
const IDLE_SECONDS: u32 = 200;
/// Short enough that sequences reach it by steady use.
const ABSOLUTE_SECONDS: u32 = 450;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The machine's clock moves by so many milliseconds.
    Clock(i64),
    /// A token of this generation is presented, with or without proof of the session's key.
    Present(u32, bool),
    /// The user ends the session.
    Revoke,
    /// The account's status changes to active or back, with its sessions left as they are (as after a restore).
    Toggle,
}

/// The table's variables. It is also what must be equal in the records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Model {
    now: i64,
    high_water: i64,
    c: u32,
    rotated_at: i64,
    idle_expires_at: i64,
    absolute_expires_at: i64,
    active: bool,
    expired: bool,
    revoked: bool,
}

#[derive(Clone, Copy)]
struct Setting {
    g: i64,
    bound: bool,
    first: u32,
}

impl Model {
    /// The first matching row, and the state after it.
    fn present(&mut self, p: u32, proof: bool, Setting { g, bound, .. }: Setting) -> u8 {
        let c = self.c;
        let t = self.now.max(self.high_water);
        let age = t - self.rotated_at;
        let parent = c > 0 && p == c - 1;
        let row_8 = p == c && (c == 0 || g == 0 || age > g);
        let table = [
            (3, self.revoked),
            (4, !self.active),
            (5, self.expired || t >= self.idle_expires_at || t >= self.absolute_expires_at),
            (6, bound && !proof),
            (7, p > c),
            (13, c == u32::MAX && row_8),
            (8, row_8),
            (9, p == c && age <= g),
            (10, parent && g > 0 && age <= g),
            (11, parent && age > g && bound),
            (12, true),
        ];
        let row = table.into_iter().find(|(_, matches)| *matches).unwrap().0;
        match row {
            8 => {
                self.c = c + 1;
                self.rotated_at = t;
                self.idle_expires_at = (t + i64::from(IDLE_SECONDS) * 1000).min(self.absolute_expires_at);
                self.high_water = t;
            }
            5 if !self.expired => {
                self.expired = true;
                self.high_water = t;
            }
            4 | 7 | 12 | 13 => {
                self.revoked = true;
                self.high_water = t;
            }
            _ => {}
        }
        row
    }
}

/// A state of the real records, with the model's and with what an observer remembers of the way to it.
#[derive(Clone)]
struct State {
    account: AccountRecord,
    session: SessionRecord,
    model: Model,
    seen: Seen,
}

/// What an observer outside has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    /// When each generation was replaced.
    superseded_at: BTreeMap<u32, i64>,
    reuse: bool,
}

struct Checker {
    setting: Setting,
    policy: RotationPolicy,
    caller: Caller,
    presented: BTreeMap<u32, PresentedRefreshToken>,
    answered: BTreeMap<u32, String>,
    rows: BTreeSet<u8>,
    transitions: u64,
}

#[test]
fn every_sequence_agrees_with_the_table() {
    let mut rows = BTreeSet::new();
    let mut transitions = 0;
    for grace_seconds in [0, 30, 60] {
        for bound in [false, true] {
            for first in [0, u32::MAX - 2] {
                let setting = Setting { g: i64::from(grace_seconds) * 1000, bound, first };
                let checker =
                    Checker::run(setting, policy(grace_seconds, IDLE_SECONDS, DeviceBinding::default()));
                transitions += checker.transitions;
                rows.extend(checker.rows);
            }
        }
    }
    println!("{transitions} transitions to depth {DEPTH}");
    assert!(rows.iter().eq(&[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]), "{rows:?}");
    assert!(transitions > 100_000, "the check must not become vacuous: {transitions}");
}

impl Checker {
    fn run(setting: Setting, policy: RotationPolicy) -> Self {
        let mut checker = Self {
            setting,
            policy,
            caller: Caller::new(),
            presented: BTreeMap::new(),
            answered: BTreeMap::new(),
            rows: BTreeSet::new(),
            transitions: 0,
        };
        let mut layer = vec![checker.start()];
        let mut known = BTreeSet::new();
        for _ in 0..DEPTH {
            let mut next = Vec::new();
            for state in &layer {
                for event in checker.events(&state.model) {
                    checker.transitions += 1;
                    let after = checker.step(state, event);
                    if known.insert((after.model.clone(), after.seen.clone())) {
                        next.push(after);
                    }
                }
            }
            layer = next;
        }
        checker
    }

    fn start(&mut self) -> State {
        let key = self.setting.bound.then_some(KEY);
        let (account, session, _) = opened(IDLE_SECONDS, ABSOLUTE_SECONDS, key);
        let first = Generation::new(self.setting.first);
        let session =
            SessionRecord { generation: first, edge_key_id: edge_key_of(first.as_u32()), ..session };
        for generation in self.setting.first.saturating_sub(2)..=u32::MAX {
            let parts = TokenParts::new(
                account.id,
                session.id,
                Generation::new(generation),
                edge_key_of(generation),
                &session.session_key,
            );
            self.presented.insert(generation, presented(&compose(&parts)));
            if generation > self.setting.first && generation - self.setting.first > DEPTH as u32 {
                break;
            }
        }
        let now = OPENED_AT as i64;
        let model = Model {
            now,
            high_water: now,
            c: self.setting.first,
            rotated_at: now,
            idle_expires_at: now + i64::from(IDLE_SECONDS) * 1000,
            absolute_expires_at: now + i64::from(ABSOLUTE_SECONDS) * 1000,
            active: true,
            expired: false,
            revoked: false,
        };
        State { account, session, model, seen: Seen::default() }
    }

    fn events(&self, model: &Model) -> Vec<Event> {
        let g = self.setting.g;
        let mut events = vec![
            Event::Revoke,
            Event::Toggle,
            Event::Clock(0),
            Event::Clock(g),
            Event::Clock(g + 1),
            Event::Clock(-(g + 1)),
            Event::Clock(i64::from(IDLE_SECONDS) * 1000),
        ];
        for p in self.setting.first.saturating_sub(2)..=model.c.saturating_add(1) {
            events.push(Event::Present(p, true));
            if self.setting.bound {
                events.push(Event::Present(p, false));
            }
        }
        events
    }

    fn step(&mut self, before: &State, event: Event) -> State {
        let mut after = before.clone();
        match event {
            Event::Clock(by) => after.model.now += by,
            Event::Toggle => {
                after.model.active = !after.model.active;
                after.account.status =
                    if after.model.active { AccountStatus::Active } else { AccountStatus::Disabled };
            }
            Event::Revoke => {
                let now = UnixMillis::new(after.model.now as u64);
                let reason = RevokeReason::UserRevoke;
                match revoke_one(&after.account, Some(&after.session), reason, now) {
                    RevokeOneOutcome::Revoked { session, clock, .. } => {
                        after.session = session;
                        after.account.clock = clock;
                        after.model.high_water = after.model.high_water.max(after.model.now);
                    }
                    RevokeOneOutcome::AlreadyRevoked => assert!(before.model.revoked),
                    RevokeOneOutcome::NotFound => panic!("the session is there"),
                }
                after.model.revoked = true;
            }
            Event::Present(p, proof) => self.present(before, &mut after, p, proof),
        }
        assert_eq!(projected(&after), after.model, "{event:?} after {:?}", before.model);
        after
    }

    fn present(&mut self, before: &State, after: &mut State, p: u32, proof: bool) {
        let row = after.model.present(p, proof, self.setting);
        // A wrong key id wherever the rule must not use it.
        let next_edge_key_id = if row == 8 { edge_key_of(before.model.c + 1) } else { 99 };
        let outcome = decide(
            &self.caller.presents(&self.presented[&p], proof.then_some(&KEY)),
            Some(&before.account),
            Some(&before.session),
            UnixMillis::new(before.model.now as u64),
            &self.policy,
            next_edge_key_id,
        );
        self.rows.insert(row);
        assert_eq!(outcome.row(), row, "p = {p}, proof = {proof}, {:?}", before.model);
        self.check_invariants(before, after, &outcome, p);
        match outcome {
            RotationOutcome::Advanced { session, clock, .. }
            | RotationOutcome::Expired { session, clock, .. }
            | RotationOutcome::FamilyRevoked { session, clock, .. } => {
                after.session = session;
                after.account.clock = clock;
            }
            RotationOutcome::AllRevoked { revoke, clock, .. } => {
                after.session = revoke.apply(before.session.clone());
                after.account.clock = clock;
            }
            RotationOutcome::Repeated { .. } | RotationOutcome::Refused { .. } => {}
        }
    }

    /// What must hold whatever the table says.
    fn check_invariants(&mut self, before: &State, after: &mut State, outcome: &RotationOutcome, p: u32) {
        let Setting { g, .. } = self.setting;
        let (c, t) = (before.model.c, before.model.now.max(before.model.high_water));
        assert!(after.model.c >= c, "a generation never decreases");
        if let Some(parts) = outcome.token() {
            assert!(!before.model.revoked && !before.seen.reuse, "nothing of an ended family works");
            assert_eq!(parts.generation().as_u32(), after.model.c, "only the current generation is answered");
            let text = compose(parts);
            let first = self.answered.entry(after.model.c).or_insert_with(|| text.clone());
            assert_eq!(*first, text, "one generation has one token, byte for byte");
        }
        if let Some(superseded_at) = before.seen.superseded_at.get(&p)
            && g > 0
            && t - superseded_at <= g
        {
            assert_eq!(p + 1, c, "within the window of its own supersession a token is always the parent");
            assert_ne!(outcome.row(), 12, "and no reuse");
        }
        match outcome.row() {
            8 => {
                assert!(
                    c == 0 || t - before.model.rotated_at > g || g == 0,
                    "a generation advances at most once per window, the first excepted"
                );
                after.seen.superseded_at.insert(c, t);
            }
            12 => after.seen.reuse = true,
            _ => {}
        }
    }
}

fn edge_key_of(generation: u32) -> u32 {
    generation % 3
}

/// The real records in the variables of the table.
fn projected(state: &State) -> Model {
    let millis = |time: UnixMillis| time.as_millis() as i64;
    let SessionRecord { rotated_at, last_used_at, idle_expires_at, absolute_expires_at, .. } = state.session;
    let clock: ObjectClock = state.account.clock;
    assert_eq!(rotated_at, last_used_at);
    assert_eq!(state.session.edge_key_id, edge_key_of(state.session.generation.as_u32()));
    Model {
        now: state.model.now,
        high_water: millis(clock.high_water()),
        c: state.session.generation.as_u32(),
        rotated_at: millis(rotated_at),
        idle_expires_at: millis(idle_expires_at),
        absolute_expires_at: millis(absolute_expires_at),
        active: state.account.status == AccountStatus::Active,
        expired: state.session.expired_at.is_some(),
        revoked: state.session.revoked.is_some(),
    }
}
