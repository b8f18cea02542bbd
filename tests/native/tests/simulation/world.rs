//! Virtual time, an unkind network, tabs that refresh on a timer, and perhaps a thief. All of it follows from
//! one seed.

use crate::fixture::{OPENED_AT, Owner, Place, policy};
use postern_core::session::DeviceBinding;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub(crate) const SECOND: u64 = 1000;
pub(crate) const HOUR: u64 = 3600 * SECOND;

/// A client tries again after this time. An answer that comes later is kept all the same.
const TIMEOUT: u64 = 3 * SECOND;
/// How often it tries in one go: all within the default grace, which is what the grace is for. When every answer
/// of a window is lost, the token comes back too late, and no rule could tell its holder from a thief.
const ATTEMPTS: u32 = 9;
/// How long, in milliseconds, a slow answer is at most under way, and any other.
const SLOW: u64 = 10 * SECOND;
const FAST: u64 = SECOND / 2;

/// The row that answers whoever comes from another device than the session may be used on.
const DEVICE_REJECTED: u8 = 6;
const HOME: Place = Place { address: "198.51.100.7", user_agent: "Mozilla/5.0 (X11) Firefox/150.0" };
/// In the same network, with another address.
const NEXT_DOOR: Place = Place { address: "198.51.100.200", ..HOME };
const ELSEWHERE: Place = Place { address: "203.0.113.9", ..HOME };
/// The thief says of the browser what the owner's says, and cannot say so of the network.
const THIEF: Place = Place { address: "192.0.2.66", ..HOME };

/// What a world is like. Chances are per mille.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Climate {
    pub(crate) grace_seconds: u32,
    pub(crate) tabs: usize,
    /// Whether the tabs read and write one stored token. If not, each began with a copy, and all wake together,
    /// as their access tokens expire together.
    pub(crate) shared_storage: bool,
    /// Milliseconds between the refreshes of one tab, and how much later each may be.
    pub(crate) period: u64,
    pub(crate) jitter: u64,
    pub(crate) lost_requests: u64,
    pub(crate) lost_replies: u64,
    /// Replies that take up to ten seconds; the others take up to half a second.
    pub(crate) slow_replies: u64,
    pub(crate) crashes_before_commit: u64,
    pub(crate) crashes_after_commit: u64,
    /// How far, in milliseconds, the owner's clock may be off in either direction; drawn anew for each request.
    pub(crate) clock_skew: u64,
    /// What binds the session to its device.
    pub(crate) binding: DeviceBinding,
    /// Requests from another address of the same network, and from another network.
    pub(crate) moves: u64,
    pub(crate) roams: u64,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) refreshes: u64,
    pub(crate) advances: u64,
    pub(crate) retries: u64,
    /// When the first honest tab was refused, in milliseconds from the start.
    pub(crate) signed_out_at: Option<u64>,
    pub(crate) stolen_at: Option<u64>,
    /// When reuse was detected.
    pub(crate) detected_at: Option<u64>,
    /// Honest requests that were refused for their device. The session goes on.
    pub(crate) turned_away: u64,
    /// Tokens that a thief was given.
    pub(crate) tokens_of_thief: u64,
}

/// Runs a world for `duration` milliseconds; with `theft_before`, a thief copies the stored token at a random
/// time before that, uses the copy at once, and goes on with the honest cadence.
pub(crate) fn run(seed: u64, climate: Climate, duration: u64, theft_before: Option<u64>) -> Report {
    let mut world = World::new(seed, climate);
    if let Some(latest) = theft_before {
        let at = world.random.below(latest);
        world.schedule(at, Event::Theft);
    }
    while let Some(Reverse((at, _, event))) = world.events.pop() {
        if at > duration || world.report.detected_at.is_some() || world.report.signed_out_at.is_some() {
            break;
        }
        world.now = at;
        world.handle(event);
    }
    world.report
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Wake { tab: usize },
    Arrive { tab: usize, attempt: u64, token: String, from: Place },
    Answer { tab: usize, attempt: u64, presented: String, token: Option<String> },
    Timeout { tab: usize, attempt: u64 },
    Theft,
}

#[derive(Clone, Copy)]
struct Tab {
    storage: usize,
    honest: bool,
    /// The attempt under way.
    attempt: Option<u64>,
    tries: u32,
    next_wake: u64,
}

struct World {
    random: Random,
    climate: Climate,
    owner: Owner,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    scheduled: u64,
    storages: Vec<String>,
    tabs: Vec<Tab>,
    report: Report,
}

impl World {
    fn new(seed: u64, climate: Climate) -> Self {
        let (owner, token) = Owner::new(policy(climate.grace_seconds, 86_400, climate.binding), HOME);
        let storages = if climate.shared_storage { 1 } else { climate.tabs };
        let mut world = Self {
            random: Random(seed),
            climate,
            owner,
            now: 0,
            events: BinaryHeap::new(),
            scheduled: 0,
            storages: vec![token; storages],
            tabs: Vec::new(),
            report: Report::default(),
        };
        for tab in 0..climate.tabs {
            let storage = if climate.shared_storage { 0 } else { tab };
            let first =
                if climate.shared_storage { world.random.below(climate.period) } else { climate.period };
            world.tabs.push(Tab { storage, honest: true, attempt: None, tries: 0, next_wake: first });
            world.wake_later(tab);
        }
        world
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Wake { tab } => {
                // Tabs that share nothing keep together, as their tokens expire together; other timers are set
                // anew each time, and drift.
                let from = if self.climate.shared_storage { self.now } else { self.tabs[tab].next_wake };
                self.tabs[tab].next_wake = from + self.climate.period;
                self.wake_later(tab);
                if self.tabs[tab].attempt.is_none() {
                    self.tabs[tab].tries = 0;
                    self.send(tab);
                }
            }
            Event::Arrive { tab, attempt, token, from } => self.arrive(tab, attempt, token, from),
            Event::Answer { tab, attempt, presented, token } => self.answer(tab, attempt, &presented, token),
            Event::Timeout { tab, attempt } => {
                if self.tabs[tab].attempt == Some(attempt) {
                    self.tabs[tab].attempt = None;
                    if self.tabs[tab].tries < ATTEMPTS {
                        self.report.retries += 1;
                        self.send(tab);
                    }
                }
            }
            Event::Theft => {
                self.report.stolen_at = Some(self.now);
                self.storages.push(self.storages[0].clone());
                let storage = self.storages.len() - 1;
                self.tabs.push(Tab { storage, honest: false, attempt: None, tries: 0, next_wake: self.now });
                self.schedule(self.now, Event::Wake { tab: self.tabs.len() - 1 });
            }
        }
    }

    fn wake_later(&mut self, tab: usize) {
        let at = self.tabs[tab].next_wake + self.random.below(self.climate.jitter + 1);
        self.schedule(at, Event::Wake { tab });
    }

    fn send(&mut self, tab: usize) {
        let attempt = self.scheduled;
        self.tabs[tab].attempt = Some(attempt);
        self.tabs[tab].tries += 1;
        self.schedule(self.now + TIMEOUT, Event::Timeout { tab, attempt });
        if !self.random.happens(self.climate.lost_requests) {
            let at = self.now + self.random.below(FAST);
            let token = self.storages[self.tabs[tab].storage].clone();
            let from = self.place_of(tab);
            self.schedule(at, Event::Arrive { tab, attempt, token, from });
        }
    }

    /// Nothing is drawn where nobody moves: worlds of before go on as they did.
    fn place_of(&mut self, tab: usize) -> Place {
        if !self.tabs[tab].honest {
            THIEF
        } else if self.climate.roams > 0 && self.random.happens(self.climate.roams) {
            ELSEWHERE
        } else if self.climate.moves > 0 && self.random.happens(self.climate.moves) {
            NEXT_DOOR
        } else {
            HOME
        }
    }

    fn arrive(&mut self, tab: usize, attempt: u64, presented: String, from: Place) {
        let skew = self.climate.clock_skew;
        let clock = OPENED_AT + self.now + self.random.below(2 * skew + 1) - skew;
        let crash = self.random.happens(self.climate.crashes_before_commit);
        let Some(answer) = self.owner.refresh(&presented, from, clock, crash) else { return };
        self.report.refreshes += 1;
        match answer.row {
            8 => self.report.advances += 1,
            12 => self.report.detected_at = Some(self.now),
            DEVICE_REJECTED if self.tabs[tab].honest => {
                // Who is elsewhere waits for the next timer, and is home by then, or not.
                self.report.turned_away += 1;
                self.tabs[tab].attempt = None;
                return;
            }
            _ => {}
        }
        if !self.tabs[tab].honest && answer.token.is_some() {
            self.report.tokens_of_thief += 1;
        }
        let lost = self.climate.lost_replies + self.climate.crashes_after_commit;
        if self.random.happens(lost) {
            // A refusal that is lost is still a sign-out: the next attempt meets it again.
            return;
        }
        let slow = self.random.happens(self.climate.slow_replies);
        let at = self.now + self.random.below(if slow { SLOW } else { FAST });
        self.schedule(at, Event::Answer { tab, attempt, presented, token: answer.token });
    }

    fn answer(&mut self, tab: usize, attempt: u64, presented: &str, token: Option<String>) {
        let Tab { storage, honest, attempt: newest, .. } = self.tabs[tab];
        // A late answer does not end the round: the attempt after it may have advanced the generation, and only
        // that one's answer, or another retry, tells.
        if newest == Some(attempt) {
            self.tabs[tab].attempt = None;
        }
        // Another tab may have stored a newer token meanwhile.
        if self.storages[storage] != presented {
            return;
        }
        match token {
            Some(token) => self.storages[storage] = token,
            None if honest => self.report.signed_out_at = Some(self.now),
            None => {}
        }
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`; the bias of the remainder is far below what any figure shows.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}
