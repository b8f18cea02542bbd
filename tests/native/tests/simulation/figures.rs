//! The figures of the rotation rule: how many thieves it finds, how soon, and whom it signs out by mistake.
//!
//! Run with `--nocapture` to see them. Every failure names the seed that shows it again.

use crate::world::{Climate, HOUR, Report, SECOND, run};

/// Some of everything that goes wrong on a phone in a train.
const TABS: Climate = Climate {
    grace_seconds: 30,
    tabs: 3,
    shared_storage: true,
    period: 280 * SECOND,
    jitter: 2 * SECOND,
    lost_requests: 20,
    lost_replies: 20,
    slow_replies: 50,
    crashes_before_commit: 5,
    crashes_after_commit: 5,
    clock_skew: 500,
};

/// One tab that refreshes every five minutes, give or take, over a good network.
const ALONE: Climate = Climate {
    tabs: 1,
    period: 285 * SECOND,
    jitter: 30 * SECOND,
    lost_requests: 5,
    lost_replies: 5,
    slow_replies: 5,
    crashes_before_commit: 1,
    crashes_after_commit: 1,
    ..TABS
};

#[test]
fn three_tabs_are_never_signed_out_in_400_session_hours() {
    for shared_storage in [true, false] {
        let climate = Climate { shared_storage, ..TABS };
        let reports: Vec<Report> = (0..50).map(|seed| calm(seed, climate, 8 * HOUR)).collect();
        let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
        println!(
            "400 h of three tabs, shared storage {shared_storage}: {} refreshes, {} advances, {} retries, 0 sign-outs",
            sum(|report| report.refreshes),
            sum(|report| report.advances),
            sum(|report| report.retries),
        );
        assert!(sum(|report| report.retries) > 100, "the network must be unkind");
    }
}

#[test]
fn a_day_of_slow_and_lost_replies_signs_no_one_out() {
    for shared_storage in [true, false] {
        let climate = Climate { shared_storage, lost_replies: 100, slow_replies: 200, ..TABS };
        for seed in 100..110 {
            let report = calm(seed, climate, 24 * HOUR);
            assert!(report.retries > 50, "seed {seed}: {report:?}");
        }
    }
}

#[test]
fn without_grace_the_same_tabs_are_signed_out() {
    let climate = Climate { grace_seconds: 0, ..TABS };
    let signed_out = (0..50).filter(|seed| run(*seed, climate, 8 * HOUR, None).detected_at.is_some()).count();
    println!("400 h of three tabs without grace: {signed_out} of 50 sessions lost");
    assert!(signed_out > 25, "the simulation would not notice a false sign-out: {signed_out}");
}

#[test]
fn nearly_every_thief_is_found_and_soon() {
    let figures = [10, 30, 60].map(|grace_seconds| thieves(Climate { grace_seconds, ..ALONE }));
    for (grace, (found, median)) in [10, 30, 60].into_iter().zip(figures) {
        println!("G = {grace} s: {:.2} % of thieves found, median {median} s", found * 100.0);
    }
    let [(found_10, _), (found_30, median_30), (found_60, _)] = figures;
    assert!(found_30 >= 0.99, "{found_30}");
    assert!(median_30 < 240, "{median_30}");
    assert!(found_10 >= found_30 && found_30 >= found_60, "a longer grace hides more: {figures:?}");
}

#[test]
fn a_seed_gives_the_same_run_again() {
    assert_eq!(run(7, ALONE, HOUR, Some(HOUR / 2)), run(7, ALONE, HOUR, Some(HOUR / 2)));
    assert_ne!(run(7, ALONE, HOUR, None), run(8, ALONE, HOUR, None));
}

/// A run without a thief, in which no one may be signed out.
fn calm(seed: u64, climate: Climate, duration: u64) -> Report {
    let report = run(seed, climate, duration, None);
    assert!(
        report.signed_out_at.is_none() && report.detected_at.is_none(),
        "false sign-out with seed {seed}: {report:?} in {climate:?}"
    );
    report
}

/// The share of thieves found within two hours of the theft, and the median of the seconds it took.
fn thieves(climate: Climate) -> (f64, u64) {
    const THIEVES: u64 = 2000;
    let mut seconds: Vec<u64> = (0..THIEVES)
        .filter_map(|seed| {
            let report = run(seed, climate, 3 * HOUR, Some(HOUR));
            let took = report.detected_at?.checked_sub(report.stolen_at?)?;
            assert!(took > 0 || report.refreshes > 0, "seed {seed}: {report:?}");
            Some(took / SECOND)
        })
        .collect();
    seconds.sort_unstable();
    (seconds.len() as f64 / THIEVES as f64, seconds[seconds.len() / 2])
}
