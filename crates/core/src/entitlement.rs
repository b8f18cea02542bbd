//! Entitlements: names of what somebody has bought or been given, such as `export` or `seats:50`, that tokens carry.
//!
//! Postern checks no entitlement itself; it says in every token which an account has. They come from whoever sells
//! or gives them. A change makes the account's tokens stale, so that the next refresh says what is true.

use crate::account::{AccountRecord, AccountStatus, ObjectClock};
use crate::order;
use crate::time::UnixMillis;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The name of an entitlement: 1 to 64 of `a-z 0-9 _ - . :`, the first a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntitlementName(String);

/// A text is not such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntitlementNameError;

impl fmt::Display for EntitlementNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be 1 to 64 of a-z 0-9 _ - . : and begin with a letter or digit")
    }
}

impl core::error::Error for EntitlementNameError {}

impl EntitlementName {
    /// The most bytes that a name may have.
    pub const MAX_BYTES: usize = 64;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntitlementName {
    type Err = EntitlementNameError;

    fn from_str(text: &str) -> Result<Self, EntitlementNameError> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = text.len() <= Self::MAX_BYTES
            && text.bytes().next().is_some_and(is_plain)
            && text.bytes().all(|byte| is_plain(byte) || b"_-.:".contains(&byte));
        if is_name { Ok(Self(text.into())) } else { Err(EntitlementNameError) }
    }
}

/// One entitlement that an account has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldEntitlement {
    /// Its name.
    pub name: String,
    /// The first moment at which the account does not have it any more; `None`: it does not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
}

/// All entitlements of an account, as they were at one version of its list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntitlementSnapshot {
    /// Raised by every change of the list. An older snapshot never replaces a newer one.
    pub version: u32,
    /// What is on it, in any order; the same name may come from several sources.
    pub held: Vec<HeldEntitlement>,
}

impl EntitlementSnapshot {
    /// The most entitlements that an account has at a time. What a token carries stays below its size cap.
    pub const MOST: usize = 64;

    /// The names that count at a moment, sorted, each once, [`MOST`](Self::MOST) at most.
    #[must_use]
    pub fn names_at(&self, now: UnixMillis) -> Vec<String> {
        let counts = |held: &&HeldEntitlement| held.expires_at.is_none_or(|end| end > now);
        let mut names: Vec<String> = self.held.iter().filter(counts).map(|held| held.name.clone()).collect();
        order::sort_by_key(&mut names, Clone::clone);
        names.dedup();
        names.truncate(Self::MOST);
        names
    }
}

/// What a new list of entitlements comes to.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntitlementOutcome {
    /// Store this account. If other names count now, every access token of before is stale.
    Applied(AccountRecord),
    /// The account has this list, or a newer one; nothing to store.
    AlreadyApplied,
    /// The account is gone for good; nothing to store.
    Purged,
}

/// Gives an account a new list of entitlements. Lists may be repeated and may overtake each other: the newest stays.
pub fn change_entitlements(
    account: &AccountRecord,
    snapshot: EntitlementSnapshot,
    now: UnixMillis,
) -> EntitlementOutcome {
    if account.status == AccountStatus::Purged {
        return EntitlementOutcome::Purged;
    }
    if snapshot.version <= account.entitlements.version {
        return EntitlementOutcome::AlreadyApplied;
    }
    let at = account.clock.read(now);
    let differ = account.entitlements.names_at(at) != snapshot.names_at(at);
    let account =
        AccountRecord { entitlements: Box::new(snapshot), clock: ObjectClock::new(at), ..account.clone() };
    EntitlementOutcome::Applied(if differ { account.with_next_version() } else { account })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::test_account as account;
    use alloc::format;
    use alloc::vec;

    const NOW: UnixMillis = UnixMillis::new(2_000_000);

    fn snapshot(version: u32, held: &[(&str, Option<u64>)]) -> EntitlementSnapshot {
        let held = held.iter().map(|(name, end)| HeldEntitlement {
            name: (*name).into(),
            expires_at: end.map(UnixMillis::new),
        });
        EntitlementSnapshot { version, held: held.collect() }
    }

    fn applied(outcome: EntitlementOutcome) -> AccountRecord {
        match outcome {
            EntitlementOutcome::Applied(account) => account,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "0", "export", "seats:50", "plan.pro", "a_b-c"] {
            assert_eq!(good.parse::<EntitlementName>().unwrap().as_str(), good);
        }
        assert!("a".repeat(64).parse::<EntitlementName>().is_ok());
        for bad in ["", "A", "_a", ":a", "-", "a b", "a\n", "ä", "a/b", "a\"", "{a}"] {
            assert_eq!(bad.parse::<EntitlementName>(), Err(EntitlementNameError), "{bad:?}");
        }
        assert!("a".repeat(65).parse::<EntitlementName>().is_err());
    }

    #[test]
    fn an_entitlement_counts_until_the_moment_it_ends() {
        let snapshot = snapshot(1, &[("b", Some(100)), ("a", None), ("b", Some(50)), ("c", Some(0))]);
        assert_eq!(snapshot.names_at(UnixMillis::new(0)), ["a", "b"]);
        assert_eq!(snapshot.names_at(UnixMillis::new(99)), ["a", "b"], "the longest of its sources counts");
        assert_eq!(snapshot.names_at(UnixMillis::new(100)), ["a"]);
    }

    #[test]
    fn a_token_never_carries_more_than_fit() {
        let names: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
        let held: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
        assert_eq!(snapshot(1, &held).names_at(NOW).len(), EntitlementSnapshot::MOST);
    }

    #[test]
    fn tokens_are_stale_when_other_names_count() {
        let before = account();
        let given = applied(change_entitlements(&before, snapshot(1, &[("a", None)]), NOW));
        assert_eq!(given.account_version, before.account_version + 1);
        let longer = applied(change_entitlements(&given, snapshot(2, &[("a", Some(9_000_000))]), NOW));
        assert_eq!(longer.account_version, given.account_version, "the same name still counts");
        let over = applied(change_entitlements(&longer, snapshot(3, &[("a", Some(1))]), NOW));
        assert_eq!(over.account_version, longer.account_version + 1);
        let taken = applied(change_entitlements(&given, snapshot(4, &[]), NOW));
        assert_eq!(taken.account_version, given.account_version + 1);
        assert_eq!(taken.entitlements.held, vec![]);
    }

    #[test]
    fn lists_may_be_repeated_and_overtaken() {
        let taken = applied(change_entitlements(&account(), snapshot(3, &[]), NOW));
        for version in [0, 1, 2, 3] {
            let late = change_entitlements(&taken, snapshot(version, &[("a", None)]), NOW);
            assert_eq!(late, EntitlementOutcome::AlreadyApplied);
        }
    }

    #[test]
    fn time_that_runs_back_revives_nothing() {
        let mut late = account();
        late.clock = ObjectClock::new(NOW);
        let before = UnixMillis::new(1);
        let list = snapshot(1, &[("a", Some(1_000_000))]);
        let applied = applied(change_entitlements(&late, list, before));
        assert_eq!(applied.account_version, late.account_version, "it has ended by the account's own clock");
    }

    #[test]
    fn a_tombstone_gets_nothing() {
        let gone = AccountRecord { status: AccountStatus::Purged, ..account() };
        let outcome = change_entitlements(&gone, snapshot(9, &[("a", None)]), NOW);
        assert_eq!(outcome, EntitlementOutcome::Purged);
    }
}
