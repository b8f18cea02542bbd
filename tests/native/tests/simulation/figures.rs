//! The figures of the rotation rule: how many thieves it finds, how soon, and whom it signs out by mistake.
//!
//! Run with `--nocapture` to see them. Every failure names the seed that shows it again.

use crate::world::{Climate, HOUR, Report, SECOND, run};
use postern_core::session::{BindingRule, DeviceBinding};

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
    binding: DeviceBinding {
        network: BindingRule { enforce: false, detect: false },
        user_agent: BindingRule { enforce: false, detect: false },
    },
    moves: 0,
    roams: 0,
};

/// Whoever comes from another network is refused.
const BOUND: DeviceBinding =
    DeviceBinding { network: BindingRule { enforce: true, detect: false }, ..TABS.binding };

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
fn a_thief_in_another_network_is_given_nothing_and_costs_nobody_the_session() {
    for seed in 0..2000 {
        let climate = Climate { binding: BOUND, moves: 300, ..ALONE };
        let report = run(seed, climate, 3 * HOUR, Some(HOUR));
        assert_eq!(report.tokens_of_thief, 0, "seed {seed}: {report:?}");
        assert_eq!(
            (report.turned_away, report.signed_out_at, report.detected_at),
            (0, None, None),
            "seed {seed}: {report:?}"
        );
        assert!(report.stolen_at.is_none() || report.advances > 10, "seed {seed}: {report:?}");
    }
    let unbound: u64 = (0..200).map(|seed| run(seed, ALONE, 3 * HOUR, Some(HOUR)).tokens_of_thief).sum();
    assert!(unbound > 100, "the simulation would not notice: {unbound}");
}

#[test]
fn who_roams_is_turned_away_and_comes_home_to_the_same_session() {
    // Who loses an answer and leaves the network before it was asked for again comes back too late, and so does a tab with a
    // copy of its own that was turned away while the others went on.
    let network = Climate { lost_replies: 0, slow_replies: 0, crashes_after_commit: 0, ..TABS };
    let climate = Climate { binding: BOUND, roams: 200, ..network };
    let reports: Vec<Report> = (200..250).map(|seed| calm(seed, climate, 8 * HOUR)).collect();
    let turned_away: u64 = reports.iter().map(|report| report.turned_away).sum();
    println!("400 h of three tabs that roam, bound to a network: {turned_away} refusals, 0 sign-outs");
    assert!(turned_away > 1000, "{turned_away}");
}

#[test]
fn what_is_only_noticed_refuses_nobody() {
    let noticed = BindingRule { enforce: false, detect: true };
    let binding = DeviceBinding { network: noticed, user_agent: noticed };
    for seed in 300..330 {
        let report = calm(seed, Climate { binding, roams: 300, moves: 300, ..TABS }, 8 * HOUR);
        assert_eq!(report.turned_away, 0, "seed {seed}: {report:?}");
    }
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
