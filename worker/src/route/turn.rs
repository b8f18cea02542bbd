//! Turns at hashing passwords.
//!
//! A hash keeps its isolate busy for tens of milliseconds. If fifty logins came to theirs at once, whatever else
//! arrives would wait for all of them. So one of them is due at a time, and the others wait on timers. The isolate serves
//! whoever has come first, so after every hash the next one steps back once: what has arrived during the hash is then
//! served before the next. How many may wait is bounded, as everything else is.

use crate::ambient::Ambient;
use crate::timer;
use crate::wire::problem::Problem;
use postern_core::time::UnixMillis;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Two seconds of hashes: who comes later would have given up before.
const MOST_WAITING: usize = 64;
const RETRY_AFTER_SECONDS: u64 = 2;
/// A request that was cut off does not say so: whoever has not been heard of for so long has no place any more.
const SILENT_MILLIS: u64 = 10_000;
/// For whoever is next: long enough for what has arrived to be served.
const STEP_BACK_MILLIS: u64 = 6;
/// Between two looks at the queue, for each that is ahead: less than a hash takes. If all looked after every hash, on a
/// slow machine nobody else would come between.
const LOOK_AGAIN_MILLIS: u64 = 20;
const LOOK_AGAIN_AT_MOST_MILLIS: u64 = 500;

struct Place {
    of: u64,
    /// Whether nothing but the turn is waited for.
    ready: bool,
    seen_at: UnixMillis,
}

thread_local! {
    /// Those who are on their way to a hash first, in the order in which they are ready.
    static PLACES: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
    static DRAWN: Cell<u64> = const { Cell::new(0) };
    /// How many turns have come.
    static COME: Cell<u64> = const { Cell::new(0) };
}

/// A place in the queue of this isolate; given back when it is dropped.
pub(crate) struct Turn {
    of: u64,
    /// How many turns had come when it was taken.
    come: u64,
}

impl Turn {
    /// Takes a place, before anything is counted or used up.
    ///
    /// # Errors
    ///
    /// `busy` if too many wait already.
    pub(crate) fn take() -> Result<Self, Problem> {
        let now = Ambient::read().now();
        let of = DRAWN.get().wrapping_add(1);
        PLACES.with_borrow_mut(|places| {
            places.retain(|place| now.millis_since(place.seen_at) < SILENT_MILLIS);
            if places.len() >= MOST_WAITING {
                return Err(Problem::busy(RETRY_AFTER_SECONDS));
            }
            DRAWN.set(of);
            places.push(Place { of, ready: false, seen_at: now });
            Ok(Self { of, come: COME.get() })
        })
    }

    /// Waits until nobody who was ready before is left. Whoever hashes then must not wait for anything else, and drop
    /// the turn when it is done.
    pub(crate) async fn come(&self) {
        self.leave();
        let mut come = self.come;
        loop {
            let ahead = self.ahead(Ambient::read().now());
            if ahead == 0 && come == COME.get() {
                break;
            }
            come = COME.get();
            let millis = ahead.saturating_mul(LOOK_AGAIN_MILLIS);
            let millis = millis.clamp(STEP_BACK_MILLIS, LOOK_AGAIN_AT_MOST_MILLIS);
            // A timer that fails is no reason to keep anybody from hashing.
            if timer::start(Duration::from_millis(millis)).await.is_err() {
                break;
            }
        }
        COME.set(COME.get().wrapping_add(1));
    }

    /// How many are ready and were so before. Being asked, this one is heard of.
    fn ahead(&self, now: UnixMillis) -> u64 {
        PLACES.with_borrow_mut(|places| {
            places.retain(|place| place.of == self.of || now.millis_since(place.seen_at) < SILENT_MILLIS);
            let mut ahead = 0_u64;
            for place in places.iter_mut().filter(|place| place.ready || place.of == self.of) {
                if place.of == self.of {
                    place.seen_at = now;
                    return ahead;
                }
                ahead = ahead.saturating_add(1);
            }
            places.push(Place { of: self.of, ready: true, seen_at: now });
            ahead
        })
    }

    fn leave(&self) {
        PLACES.with_borrow_mut(|places| places.retain(|place| place.of != self.of));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave();
    }
}
