//! Every order on every status, with and without an end, before, at and after it.

use super::*;
use crate::session::record::tests::{account, session};
use crate::session::{Notice, RevokeReason, SessionRecord};
use std::vec::Vec;

const NOW: UnixMillis = UnixMillis::new(2_000_000);
const LATER: UnixMillis = UnixMillis::new(2_000_001);

fn by_operator(order: StatusOrder) -> StatusRequest {
    StatusRequest { order, by: Actor::Operator, reason: None }
}

fn cause(until: Option<UnixMillis>, returns_to: AccountStatus) -> Box<StatusCause> {
    let at = UnixMillis::new(1_500_000);
    Box::new(StatusCause { at, until, by: Actor::Operator, reason: None, returns_to, returns_with: None })
}

fn having(status: AccountStatus, until: Option<UnixMillis>) -> AccountRecord {
    let returns_to = AccountStatus::Active;
    AccountRecord { status, cause: Some(cause(until, returns_to)), ..account() }
}

fn changed(account: &AccountRecord, order: StatusOrder) -> AccountRecord {
    match change_status(account, &[], by_operator(order), NOW) {
        StatusOutcome::Changed { account, .. } => account,
        other => panic!("{other:?}"),
    }
}

/// What an order may come to, told a second time: by the table in `docs/http.md`.
#[derive(Debug, PartialEq)]
enum Expected {
    Becomes(AccountStatus),
    Stays,
    Refused,
}

fn expected(
    from: AccountStatus,
    timed: Option<UnixMillis>,
    to: AccountStatus,
    until: Option<UnixMillis>,
) -> Expected {
    use AccountStatus::{Active, Banned, Deleted, Disabled, Locked, PendingVerification, Purged};
    match (to, from) {
        (Locked, Active | PendingVerification) => Expected::Becomes(Locked),
        (Disabled, Active | PendingVerification | Locked) => Expected::Becomes(Disabled),
        (Banned, Active | PendingVerification | Locked | Disabled) => Expected::Becomes(Banned),
        (Deleted, Active | PendingVerification | Locked | Disabled | Banned) => Expected::Becomes(Deleted),
        (Locked, Locked) | (Banned, Banned) if timed != until => Expected::Becomes(to),
        (Locked, Locked) | (Banned, Banned) | (Disabled, Disabled) | (Deleted, Deleted) => Expected::Stays,
        (_, Purged) => Expected::Refused,
        _ => Expected::Refused,
    }
}

/// The status that an order sets, `None` for one that lifts.
fn target(order: StatusOrder) -> (AccountStatus, Option<UnixMillis>) {
    match order {
        StatusOrder::Lock { until } => (AccountStatus::Locked, until),
        StatusOrder::Ban { until } => (AccountStatus::Banned, until),
        StatusOrder::Disable => (AccountStatus::Disabled, None),
        StatusOrder::Delete => (AccountStatus::Deleted, None),
        StatusOrder::Lift(_) => panic!("it sets nothing"),
    }
}

#[test]
fn every_order_over_every_status_at_every_moment() {
    let ends = [None, Some(UnixMillis::new(1_999_999)), Some(NOW), Some(LATER)];
    let future = [None, Some(LATER), Some(UnixMillis::new(u64::MAX))];
    let mut orders: Vec<StatusOrder> = AccountStatus::ALL.map(StatusOrder::Lift).into();
    orders.extend([StatusOrder::Disable, StatusOrder::Delete]);
    orders.extend(future.map(|until| StatusOrder::Lock { until }));
    orders.extend(future.map(|until| StatusOrder::Ban { until }));
    let mut seen = 0;
    for stored in AccountStatus::ALL {
        let timed = matches!(stored, AccountStatus::Locked | AccountStatus::Banned);
        for end in ends.iter().copied().filter(|end| timed || end.is_none()) {
            let before = having(stored, end);
            let lapsed = end.is_some_and(|end| end <= NOW);
            let from = if lapsed { AccountStatus::Active } else { stored };
            assert_eq!(before.status_at(NOW), from);
            for order in &orders {
                let wanted = match *order {
                    StatusOrder::Lift(status) if status == from => match from {
                        AccountStatus::Active => Expected::Stays,
                        AccountStatus::Purged => Expected::Refused,
                        _ => Expected::Becomes(AccountStatus::Active),
                    },
                    StatusOrder::Lift(_) => match from {
                        AccountStatus::Active | AccountStatus::PendingVerification => Expected::Stays,
                        _ => Expected::Refused,
                    },
                    order => {
                        let (to, until) = target(order);
                        expected(from, end.filter(|_| !lapsed), to, until)
                    }
                };
                check(&before, from, *order, &wanted);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, (5 + 2 * 4) * 15);
}

/// What holds of every outcome.
fn check(before: &AccountRecord, from: AccountStatus, order: StatusOrder, wanted: &Expected) {
    let sessions = [session(), session().revoked(UnixMillis::new(5), RevokeReason::Logout)];
    let outcome = change_status(before, &sessions, by_operator(order), NOW);
    let found = match &outcome {
        StatusOutcome::Changed { account, revoked, notices } => {
            assert_eq!(account.account_version, before.account_version + 1);
            assert_eq!((&account.id, &account.authorization), (&before.id, &before.authorization));
            assert_eq!(account.clock.high_water(), NOW);
            assert_eq!(revoked.len(), 1, "what had ended keeps its reason");
            let reason = revoked[0].revoked.map(|revocation| revocation.reason);
            let weight = match order {
                StatusOrder::Lift(_) => from,
                order => target(order).0,
            };
            assert_eq!(reason, Some(RevokeReason::of_status(weight)));
            assert_eq!(notices.len(), 2);
            assert!(matches!(notices[0], Notice::Revoked { session: None, .. }));
            assert!(matches!(notices[1], Notice::StatusChanged { by: Actor::Operator, at: NOW, .. }));
            let Some(cause) = account.cause.as_deref() else { panic!("{account:?}") };
            assert_eq!((cause.at, cause.by), (NOW, Actor::Operator));
            Expected::Becomes(account.status_at(NOW))
        }
        StatusOutcome::Unchanged => Expected::Stays,
        StatusOutcome::Refused(StatusRefusal::Conflict(status)) => {
            assert_eq!(*status, from);
            Expected::Refused
        }
        StatusOutcome::Refused(StatusRefusal::UntilPassed) => panic!("{order:?} lies ahead"),
    };
    assert_eq!(&found, wanted, "{order:?} of {from:?}: {outcome:?}");
    if let StatusOutcome::Changed { account, revoked, .. } = outcome {
        let again = change_status(&account, &revoked, by_operator(order), NOW);
        let is_done = matches!(again, StatusOutcome::Unchanged);
        assert!(is_done || matches!(order, StatusOrder::Lift(_)), "{order:?} twice: {again:?}");
    }
}

#[test]
fn an_end_must_lie_ahead_by_the_clock_of_the_account() {
    let ahead = AccountRecord { clock: ObjectClock::new(LATER), ..account() };
    for (account, until, good) in [(account(), NOW, false), (account(), LATER, true), (ahead, LATER, false)] {
        for order in [StatusOrder::Ban { until: Some(until) }, StatusOrder::Lock { until: Some(until) }] {
            let outcome = change_status(&account, &[], by_operator(order), NOW);
            let refused = matches!(outcome, StatusOutcome::Refused(StatusRefusal::UntilPassed));
            assert_eq!(refused, !good, "{outcome:?}");
        }
    }
}

#[test]
fn a_timed_status_ends_to_the_millisecond_and_stays_ended() {
    for status in [AccountStatus::Banned, AccountStatus::Locked] {
        let record = having(status, Some(LATER));
        assert_eq!(record.status_at(NOW), status);
        assert_eq!(record.status_at(LATER), AccountStatus::Active);
        assert_eq!(record.status_at(UnixMillis::new(u64::MAX)), AccountStatus::Active);
    }
}

#[test]
fn what_was_not_proven_before_a_ban_is_not_proven_after_it() {
    let pending = having(AccountStatus::PendingVerification, None);
    let banned = changed(&pending, StatusOrder::Ban { until: Some(LATER) });
    assert_eq!(banned.status_at(LATER), AccountStatus::PendingVerification);
    let lifted = changed(&banned, StatusOrder::Lift(AccountStatus::Banned));
    assert_eq!(lifted.status, AccountStatus::PendingVerification);
    // Neither is it by a detour over two weights.
    let locked = changed(&pending, StatusOrder::Lock { until: None });
    let disabled = changed(&locked, StatusOrder::Disable);
    let enabled = changed(&disabled, StatusOrder::Lift(AccountStatus::Disabled));
    assert_eq!(enabled.status, AccountStatus::PendingVerification);
    let proven = changed(&enabled, StatusOrder::Lift(AccountStatus::PendingVerification));
    assert_eq!(proven.status, AccountStatus::Active);
}

#[test]
fn a_proof_counts_below_a_ban_and_below_its_deletion_and_lifts_neither() {
    let prove = StatusOrder::Lift(AccountStatus::PendingVerification);
    let banned =
        changed(&having(AccountStatus::PendingVerification, None), StatusOrder::Ban { until: Some(LATER) });
    let deleted = changed(&banned, StatusOrder::Delete);
    for record in [&banned, &deleted] {
        let proven = changed(record, prove);
        assert_eq!(proven.status, record.status);
        let again = change_status(&proven, &[], by_operator(prove), NOW);
        assert!(matches!(again, StatusOutcome::Refused(StatusRefusal::Conflict(_))), "{again:?}");
    }
    assert_eq!(changed(&banned, prove).status_at(LATER), AccountStatus::Active);
    let restored = changed(&changed(&deleted, prove), StatusOrder::Lift(AccountStatus::Deleted));
    assert_eq!((restored.status, restored.status_at(LATER)), (AccountStatus::Banned, AccountStatus::Active));
}

#[test]
fn deleting_and_restoring_lifts_no_ban() {
    let reason: StatusReason = "spam".parse().unwrap();
    let ban = StatusRequest {
        order: StatusOrder::Ban { until: Some(LATER) },
        by: Actor::Operator,
        reason: Some(reason.clone()),
    };
    let StatusOutcome::Changed { account: banned, .. } = change_status(&account(), &[], ban, NOW) else {
        panic!("not banned")
    };
    let deleted = changed(&banned, StatusOrder::Delete);
    assert_eq!(deleted.status_at(UnixMillis::new(u64::MAX)), AccountStatus::Deleted, "it has no end");
    let restored = changed(&deleted, StatusOrder::Lift(AccountStatus::Deleted));
    let cause = restored.cause.clone().unwrap();
    assert_eq!(
        (restored.status, cause.until, cause.reason),
        (AccountStatus::Banned, Some(LATER), Some(reason))
    );
    // Unless it has ended by then.
    let lift = by_operator(StatusOrder::Lift(AccountStatus::Deleted));
    let StatusOutcome::Changed { account: late, .. } = change_status(&deleted, &[], lift, LATER) else {
        panic!("not restored")
    };
    assert_eq!((late.status, late.cause.unwrap().until), (AccountStatus::Active, None));
}

#[test]
fn a_record_from_before_causes_were_stored_is_lifted_to_active() {
    for status in
        [AccountStatus::Locked, AccountStatus::Disabled, AccountStatus::Banned, AccountStatus::Deleted]
    {
        let record = AccountRecord { status, cause: None, ..account() };
        assert_eq!(record.status_at(UnixMillis::new(u64::MAX)), status);
        assert_eq!(changed(&record, StatusOrder::Lift(status)).status, AccountStatus::Active);
        if status != AccountStatus::Deleted {
            let restored =
                changed(&changed(&record, StatusOrder::Delete), StatusOrder::Lift(AccountStatus::Deleted));
            assert_eq!(restored.status, status);
        }
    }
}

#[test]
fn only_what_was_deleted_long_enough_is_purged_and_it_stays_so() {
    let deleted = having(AccountStatus::Deleted, None);
    for status in AccountStatus::ALL {
        let outcome = purge(&having(status, None), Actor::Operator, None, NOW);
        match status {
            AccountStatus::Deleted => assert!(matches!(outcome, PurgeOutcome::Purged { .. })),
            AccountStatus::Purged => assert!(matches!(outcome, PurgeOutcome::AlreadyPurged)),
            _ => assert!(matches!(outcome, PurgeOutcome::Refused(found) if found == status)),
        }
    }
    for (before, due) in [(1_499_999, false), (1_500_000, false), (1_500_001, true)] {
        let outcome = purge(&deleted, Actor::System, Some(UnixMillis::new(before)), NOW);
        assert_eq!(matches!(outcome, PurgeOutcome::Purged { .. }), due, "{before}: {outcome:?}");
    }
    let outcome = purge(&deleted, Actor::Operator, None, NOW);
    let PurgeOutcome::Purged { account: tombstone, notices } = outcome else { panic!("{outcome:?}") };
    assert_eq!(tombstone.account_version, deleted.account_version + 1);
    assert_eq!(tombstone.credential_version, deleted.credential_version);
    assert!(tombstone.authorization.roles.is_empty() && tombstone.authorization.permission_mask.is_empty());
    assert!(matches!(notices[..], [Notice::StatusChanged { status: AccountStatus::Purged, .. }]));
    assert_eq!(tombstone.status_at(UnixMillis::new(u64::MAX)), AccountStatus::Purged);
}

#[test]
fn a_reason_is_a_short_line() {
    let long: std::string::String = "ä".repeat(StatusReason::MAX_CHARACTERS);
    for good in ["x", "spam, twice", &long] {
        assert_eq!(good.parse::<StatusReason>().unwrap().as_str(), good);
    }
    assert_eq!(" spam ".parse::<StatusReason>().unwrap().as_str(), "spam");
    let longer = std::format!("{long}x");
    for bad in ["", " ", "two\nlines", "bell\u{7}", &longer] {
        assert_eq!(bad.parse::<StatusReason>(), Err(StatusReasonError));
    }
    assert!(serde_json::from_str::<StatusReason>("\"\"").is_err());
}

#[test]
fn a_cause_survives_storage_and_a_record_without_one_is_read() {
    let banned = changed(&account(), StatusOrder::Ban { until: Some(LATER) });
    let deleted = changed(&banned, StatusOrder::Delete);
    let text = serde_json::to_string(&deleted).unwrap();
    assert_eq!(crate::json::record::read::<AccountRecord>(text.as_bytes()).unwrap(), deleted);
    let stored = serde_json::to_string(&account()).unwrap();
    let older = stored.replace("\"cause\":null,", "");
    assert_ne!(older, stored);
    assert_eq!(crate::json::record::read::<AccountRecord>(older.as_bytes()).unwrap(), account());
}

#[test]
fn sessions_of_a_change_end_for_its_reason() {
    let sessions: [SessionRecord; 1] = [session()];
    for (order, reason) in [
        (StatusOrder::Ban { until: None }, RevokeReason::Banned),
        (StatusOrder::Disable, RevokeReason::UserDisabled),
        (StatusOrder::Lock { until: None }, RevokeReason::UserDisabled),
        (StatusOrder::Delete, RevokeReason::SoftDeleted),
    ] {
        let outcome = change_status(&account(), &sessions, by_operator(order), NOW);
        let StatusOutcome::Changed { revoked, notices, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(revoked[0].revoked.map(|revocation| revocation.reason), Some(reason));
        assert_eq!(notices[0], Notice::Revoked { session: None, reason, at: NOW });
    }
}
