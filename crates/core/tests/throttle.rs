//! Rates and locks: the published sequences, and the bounds against slow but obvious models.
#![cfg(feature = "serde")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]

use postern_core::throttle::{
    Attempt, AutoLockout, LockScope, LockoutPolicy, LockoutRecord, LockoutRecords, ProgressiveDelay,
    RateDecision, RateLimit, decide, decide_attempt,
};
use postern_core::time::{Seconds, UnixMillis};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::HashMap;

const RATE: &str = include_str!("../../../tests/vectors/throttle/rate.json");
const LOCKOUT: &str = include_str!("../../../tests/vectors/throttle/lockout.json");

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn published_sequences_of_the_rate_limit() {
    let file: Value = serde_json::from_str(RATE).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let period = Seconds::new(number(&vector["period_seconds"]));
        let limit = RateLimit::new(number(&vector["count"]), period).unwrap();
        let mut stored = None;
        for step in vector["steps"].as_array().unwrap() {
            let now = UnixMillis::new(step["at_ms"].as_u64().unwrap());
            let mut told = match decide(stored, now, limit, number(&step["cost"])) {
                RateDecision::Admitted { arrival, remaining, reset_seconds } => {
                    stored = Some(arrival);
                    serde_json::json!({"admitted": true, "remaining": remaining, "reset_seconds": reset_seconds})
                }
                RateDecision::Limited { arrival, retry_after_seconds, remaining, reset_seconds } => {
                    stored = arrival.or(stored);
                    serde_json::json!({"admitted": false, "remaining": remaining, "reset_seconds": reset_seconds,
                        "retry_after_seconds": retry_after_seconds})
                }
            };
            told["at_ms"] = step["at_ms"].clone();
            told["cost"] = step["cost"].clone();
            assert_eq!(told, *step, "{}", vector["name"]);
        }
    }
}

/// The times at which requests at `gaps` milliseconds from each other are admitted.
fn admitted_at(limit: RateLimit, gaps: &[u64]) -> Vec<u64> {
    let mut stored = None;
    let mut now = 1_800_000_000_000;
    let mut admitted = Vec::new();
    for gap in gaps {
        now += gap;
        if let RateDecision::Admitted { arrival, .. } = decide(stored, UnixMillis::new(now), limit, 1) {
            stored = Some(arrival);
            admitted.push(now);
        }
    }
    admitted
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_span_sees_more_than_the_stated_bound(
        count in 1u32..20,
        period in 1u32..30,
        gaps in prop::collection::vec(prop_oneof![Just(0u64), 0u64..50, 0u64..3000, 0u64..40_000], 1..200),
    ) {
        let limit = RateLimit::new(count, Seconds::new(period)).unwrap();
        let log = admitted_at(limit, &gaps);
        for (first, from) in log.iter().enumerate() {
            for (last, until) in log.iter().enumerate().skip(first) {
                let width = (until - from) * 1000;
                let bound = u64::from(count) + width / limit.interval_micros();
                prop_assert!(u64::try_from(last - first + 1).unwrap() <= bound);
            }
            let period_ms = u64::from(period) * 1000;
            let within = log[first..].iter().take_while(|at| **at < from + period_ms).count();
            prop_assert!(within < 2 * usize::try_from(count).unwrap() || count == 1 && within == 1);
        }
    }

    #[test]
    fn an_idle_key_is_admitted_exactly_count_times_at_once(count in 1u32..2000, period in 1u32..100_000) {
        let limit = RateLimit::new(count, Seconds::new(period)).unwrap();
        let burst = vec![0; usize::try_from(count).unwrap() + 5];
        prop_assert_eq!(admitted_at(limit, &burst).len(), burst.len() - 5);
    }

    #[test]
    fn the_bound_is_reached_by_a_burst_and_patience(count in 1u32..20, period in 1u32..30) {
        let limit = RateLimit::new(count, Seconds::new(period)).unwrap();
        let interval_ms = limit.interval_micros().div_ceil(1000);
        let mut gaps = vec![0; usize::try_from(count).unwrap()];
        gaps.extend(std::iter::repeat_n(interval_ms, 50));
        prop_assert_eq!(admitted_at(limit, &gaps).len(), gaps.len());
    }

    #[test]
    fn decisions_are_those_of_a_leaky_bucket(
        count in 1u32..10,
        seconds in 1u32..10,
        steps in prop::collection::vec((0u64..5000, 0u32..4), 1..100),
    ) {
        // The period is a multiple of the count, so the bucket can be kept in whole numbers.
        let limit = RateLimit::new(count, Seconds::new(seconds * count)).unwrap();
        let (interval, capacity) = (u64::from(seconds) * 1000, u64::from(seconds * count) * 1000);
        let (mut level, mut now, mut stored) = (0u64, 1_000_000u64, None);
        for (gap, cost) in steps {
            now += gap;
            level = level.saturating_sub(gap);
            let fits = level + interval * u64::from(cost) <= capacity;
            match decide(stored, UnixMillis::new(now), limit, cost) {
                RateDecision::Admitted { arrival, remaining, reset_seconds } => {
                    prop_assert!(fits);
                    level += interval * u64::from(cost);
                    prop_assert_eq!(u64::from(remaining), (capacity - level) / interval);
                    prop_assert_eq!(reset_seconds, level.div_ceil(1000));
                    stored = Some(arrival);
                }
                RateDecision::Limited { arrival, retry_after_seconds, .. } => {
                    prop_assert!(!fits);
                    prop_assert_eq!(arrival, None);
                    let later = UnixMillis::new(now + retry_after_seconds * 1000);
                    let is_admitted = matches!(decide(stored, later, limit, cost), RateDecision::Admitted { .. });
                    prop_assert!(is_admitted || cost > count);
                }
            }
        }
    }

    #[test]
    fn any_clock_leaves_a_key_limited_for_one_bucket_at_most(
        count in 1u32..10,
        period in 1u32..100,
        times in prop::collection::vec(any::<u32>(), 1..30),
    ) {
        let limit = RateLimit::new(count, Seconds::new(period)).unwrap();
        let mut stored = None;
        for at in times {
            let now = UnixMillis::new(u64::from(at) * 1000);
            match decide(stored, now, limit, 1) {
                RateDecision::Admitted { arrival, .. } => stored = Some(arrival),
                RateDecision::Limited { arrival, retry_after_seconds, .. } => {
                    stored = arrival.or(stored);
                    prop_assert!(retry_after_seconds <= u64::from(period) + 1);
                    let later = UnixMillis::new(now.as_millis() + retry_after_seconds * 1000);
                    let is_admitted = matches!(decide(stored, later, limit, 1), RateDecision::Admitted { .. });
                    prop_assert!(is_admitted);
                }
            }
        }
    }
}

/// What a host stores about one identifier: its own record, and one per source.
#[derive(Default)]
struct LockoutStore {
    identifier: Option<LockoutRecord>,
    automatic: Option<LockoutRecord>,
    pairs: HashMap<String, LockoutRecord>,
}

impl LockoutStore {
    fn load(&self, source: &str) -> LockoutRecords {
        let pair = self.pairs.get(source).copied();
        LockoutRecords { pair, identifier: self.identifier, automatic: self.automatic }
    }

    fn save(&mut self, source: &str, records: LockoutRecords) {
        self.identifier = records.identifier;
        self.automatic = records.automatic;
        match records.pair {
            Some(pair) => self.pairs.insert(source.into(), pair),
            None => self.pairs.remove(source),
        };
    }
}

const fn name(scope: LockScope) -> &'static str {
    match scope {
        LockScope::Pair => "pair",
        LockScope::Identifier => "identifier",
        LockScope::Automatic => "automatic",
    }
}

#[test]
fn published_sequences_of_the_lockout() {
    let file: Value = serde_json::from_str(LOCKOUT).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let policy: LockoutPolicy = serde_json::from_value(vector["policy"].clone()).unwrap();
        let mut store = LockoutStore::default();
        for (index, step) in vector["steps"].as_array().unwrap().iter().enumerate() {
            let source = step["source"].as_str().unwrap();
            let now = UnixMillis::new(step["at_ms"].as_u64().unwrap());
            let step_name = format!("{} step {index}", vector["name"]);
            match decide_attempt(store.load(source), now, &policy) {
                Attempt::Admitted { records, locks_on_failure } => {
                    assert_eq!(step["expect"], "admitted", "{step_name}");
                    assert_eq!(locks_on_failure.map(name), step["locks"].as_str(), "{step_name}");
                    store.save(source, records);
                    if step["succeeds"] == true {
                        store.save(source, LockoutRecords::after_success());
                    }
                }
                Attempt::Locked { retry_after_seconds, scope, records } => {
                    assert_eq!(step["expect"], "locked", "{step_name}");
                    assert_eq!(name(scope), step["scope"], "{step_name}");
                    assert_eq!(retry_after_seconds, step["retry_after_seconds"], "{step_name}");
                    if let Some(records) = records {
                        store.save(source, records);
                    }
                }
                Attempt::Delayed { retry_after_seconds, records } => {
                    assert_eq!(step["expect"], "delayed", "{step_name}");
                    assert_eq!(retry_after_seconds, step["retry_after_seconds"], "{step_name}");
                    if let Some(records) = records {
                        store.save(source, records);
                    }
                }
            }
        }
    }
}

#[test]
fn attempts_in_flight_at_once_are_all_counted() {
    let policy = LockoutPolicy { per_source_failures: 3, ..LockoutPolicy::default() };
    let mut store = LockoutStore::default();
    let admitted = (0..100).filter(|_| match decide_attempt(store.load("a"), UnixMillis::new(0), &policy) {
        Attempt::Admitted { records, .. } => {
            store.save("a", records);
            true
        }
        Attempt::Locked { .. } | Attempt::Delayed { .. } => false,
    });
    assert_eq!(admitted.count(), 3);
}

/// The owner of a locked identifier is let in by whoever lifts the lock, and by nothing else before its end.
#[test]
fn an_automatic_lock_outlasts_pauses_and_ends_by_itself_or_when_it_is_lifted() {
    let policy = |duration| LockoutPolicy {
        per_source_failures: 3,
        automatic: AutoLockout { failures: 5, duration: Seconds::new(duration) },
        ..LockoutPolicy::default()
    };
    for (duration, told, ends) in [(1_800, 1_800, 1_800), (0, 86_400, 365 * 86_400)] {
        let policy = policy(duration);
        let mut store = LockoutStore::default();
        let mut now = UnixMillis::new(0);
        let fails =
            |store: &mut LockoutStore, now: UnixMillis| match decide_attempt(store.load("a"), now, &policy) {
                Attempt::Admitted { records, locks_on_failure } => {
                    store.save("a", records);
                    Ok(locks_on_failure)
                }
                Attempt::Locked { scope, retry_after_seconds, .. } => Err((scope, retry_after_seconds)),
                Attempt::Delayed { .. } => panic!("delayed"),
            };
        // Slower than any pause, so that neither of the other counters ever locks.
        for failure in 1..=5 {
            let expected = (failure == 5).then_some(LockScope::Automatic);
            assert_eq!(fails(&mut store, now), Ok(expected), "failure {failure}");
            now = now.plus(Seconds::new(86_400));
        }
        let locked_at = UnixMillis::new(4 * 86_400_000);
        let at = |seconds| locked_at.plus(Seconds::new(seconds));
        assert_eq!(fails(&mut store, at(0)), Err((LockScope::Automatic, told)));
        assert!(fails(&mut store, at(ends - 1)).is_err());
        let mut lifted = LockoutStore::default();
        lifted.save("a", LockoutRecords::after_success());
        assert_eq!(fails(&mut lifted, at(1)), Ok(None), "the lock was lifted");
        assert_eq!(fails(&mut store, at(ends)), Ok(None), "the lock has ended, with a clean count");
    }
}

#[test]
fn failures_below_an_automatic_lock_are_forgotten_after_thirty_days_or_a_success() {
    let policy = LockoutPolicy {
        automatic: AutoLockout { failures: 2, duration: Seconds::new(60) },
        ..LockoutPolicy::default()
    };
    const MONTH: u64 = 30 * 86_400_000;
    for (pause, locks) in [(MONTH - 1, Some(LockScope::Automatic)), (MONTH, None)] {
        let mut records = LockoutRecords::default();
        for (at, expected) in [(0, None), (pause, locks)] {
            let Attempt::Admitted { records: next, locks_on_failure } =
                decide_attempt(records, UnixMillis::new(at), &policy)
            else {
                panic!("locked at {at}");
            };
            assert_eq!(locks_on_failure, expected, "{pause} at {at}");
            records = next;
        }
    }
    assert_eq!(LockoutRecords::after_success(), LockoutRecords::default());
}

#[test]
fn records_survive_storage() {
    let record = LockoutRecord { failures: 2, last_attempt_at: UnixMillis::new(1_800_000_000_123) };
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(json, r#"{"failures":2,"last_attempt_at":1800000000123}"#);
    assert_eq!(serde_json::from_str::<LockoutRecord>(&json).unwrap(), record);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_locked_key_opens_when_told_and_a_guesser_gets_no_more_than_the_threshold_per_duration(
        threshold in 1u32..6,
        duration in 1u32..60,
        times in prop::collection::vec(0u32..400, 1..120),
        sorted in any::<bool>(),
    ) {
        let policy = LockoutPolicy {
            per_source_failures: 0,
            per_identifier_failures: threshold,
            duration: Seconds::new(duration),
            automatic: AutoLockout::OFF,
            delay: ProgressiveDelay::OFF,
        };
        let mut times = times;
        if sorted {
            times.sort_unstable();
        }
        let mut records = LockoutRecords::default();
        let mut admitted: Vec<u64> = Vec::new();
        for second in times {
            let now = UnixMillis::new(u64::from(second) * 1000);
            match decide_attempt(records, now, &policy) {
                Attempt::Admitted { records: write, .. } => {
                    records = write;
                    admitted.push(now.as_millis());
                }
                Attempt::Locked { retry_after_seconds, records: write, .. }
                | Attempt::Delayed { retry_after_seconds, records: write } => {
                    records = write.unwrap_or(records);
                    prop_assert!((1..=u64::from(duration)).contains(&retry_after_seconds));
                    let later = UnixMillis::new(now.as_millis() + retry_after_seconds * 1000);
                    let opens = matches!(decide_attempt(records, later, &policy), Attempt::Admitted { .. });
                    prop_assert!(opens);
                }
            }
        }
        if sorted {
            // Among n + 1 in a row there is a pause of the duration, so no duration sees more than n.
            let n = usize::try_from(threshold).unwrap();
            for run in admitted.windows(n + 1) {
                let widest = run.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
                prop_assert!(widest >= u64::from(duration) * 1000);
            }
        }
    }
}

/// Seconds at which attempts of one source are admitted that comes again every second and always fails.
fn compared_at(policy: &LockoutPolicy, seconds: u64) -> Vec<u64> {
    let mut store = LockoutStore::default();
    let mut compared = Vec::new();
    for second in 0..seconds {
        let now = UnixMillis::new(second * 1_000);
        if let Attempt::Admitted { records, .. } = decide_attempt(store.load("a"), now, policy) {
            store.save("a", records);
            compared.push(second);
        }
    }
    compared
}

fn delayed(after_failures: u32, first: u32, most: u32) -> LockoutPolicy {
    let (first, most) = (Seconds::new(first), Seconds::new(most));
    LockoutPolicy {
        per_source_failures: 12,
        per_identifier_failures: 100,
        delay: ProgressiveDelay { after_failures, first, most },
        ..LockoutPolicy::default()
    }
}

#[test]
fn each_failure_makes_the_next_attempt_of_its_source_later_up_to_a_bound() {
    assert_eq!(compared_at(&delayed(3, 2, 16), 100), [0, 1, 2, 4, 8, 16, 32, 48, 64, 80, 96]);
    assert_eq!(compared_at(&delayed(0, 2, 16), 13), (0..12).collect::<Vec<_>>());
    assert_eq!(compared_at(&delayed(1, 1, 1), 5), [0, 1, 2, 3, 4]);
    // However many there are, the wait has an end.
    let delay = ProgressiveDelay { after_failures: 1, first: Seconds::new(3), most: Seconds::new(900) };
    assert_eq!(delay.after(0), Seconds::ZERO);
    assert_eq!(
        (delay.after(1), delay.after(2), delay.after(u32::MAX)),
        (Seconds::new(3), Seconds::new(6), Seconds::new(900))
    );
}

#[test]
fn a_delay_is_no_lock_for_others_and_a_success_ends_it() {
    let policy = delayed(2, 60, 600);
    let mut store = LockoutStore::default();
    let at = |seconds: u64| UnixMillis::new(seconds * 1_000);
    let mut attempt = |source: &str, second| {
        let decision = decide_attempt(store.load(source), at(second), &policy);
        if let Attempt::Admitted { records, .. } = decision {
            store.save(source, records);
        }
        decision
    };
    for second in 0..2 {
        assert!(matches!(attempt("guesser", second), Attempt::Admitted { .. }));
    }
    // Attempts while it lasts are not counted, and do not prolong it.
    for second in 2..61 {
        let wait = 61 - second;
        assert_eq!(attempt("guesser", second), Attempt::Delayed { retry_after_seconds: wait, records: None });
    }
    assert!(matches!(attempt("owner", 2), Attempt::Admitted { .. }), "it is the guesser's alone");
    assert!(matches!(attempt("guesser", 61), Attempt::Admitted { .. }));
    assert!(matches!(attempt("guesser", 120), Attempt::Delayed { retry_after_seconds: 61, .. }));
    let mut cleared = LockoutStore::default();
    cleared.save("guesser", LockoutRecords::after_success());
    assert!(matches!(decide_attempt(cleared.load("guesser"), at(120), &policy), Attempt::Admitted { .. }));
}

#[test]
fn a_delay_ends_though_the_clock_was_set_back() {
    let policy = delayed(1, 60, 60);
    let mut store = LockoutStore::default();
    let Attempt::Admitted { records, .. } =
        decide_attempt(store.load("a"), UnixMillis::new(9_000_000), &policy)
    else {
        panic!("the first is admitted");
    };
    store.save("a", records);
    let Attempt::Delayed { retry_after_seconds: 60, records: Some(records) } =
        decide_attempt(store.load("a"), UnixMillis::new(1_000), &policy)
    else {
        panic!("it counts from the clock of now");
    };
    store.save("a", records);
    assert!(matches!(
        decide_attempt(store.load("a"), UnixMillis::new(61_000), &policy),
        Attempt::Admitted { .. }
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_waits_as_told_is_admitted_and_nobody_before(
        after_failures in 1u32..6,
        first in 1u32..100,
        most in 100u32..900,
        gaps in prop::collection::vec(0u64..200_000, 1..60),
    ) {
        let policy = delayed(after_failures, first, most);
        let (mut records, mut now) = (LockoutRecords::default(), 0);
        for gap in gaps {
            now += gap;
            match decide_attempt(records, UnixMillis::new(now), &policy) {
                Attempt::Admitted { records: next, .. } => records = next,
                Attempt::Delayed { retry_after_seconds, .. } => {
                    let then = UnixMillis::new(now + retry_after_seconds * 1_000);
                    let opens = matches!(decide_attempt(records, then, &policy), Attempt::Admitted { .. });
                    prop_assert!(opens);
                    let early = UnixMillis::new(now + (retry_after_seconds - 1) * 1_000);
                    let opens = matches!(decide_attempt(records, early, &policy), Attempt::Admitted { .. });
                    prop_assert!(!opens);
                }
                Attempt::Locked { .. } => {}
            }
        }
    }
}
