//! Revocation marks: how a verifier at the edge learns, within a stated bound, that a token it holds is no
//! longer good, without asking the account.
//!
//! Accounts are spread over a fixed number of shards. A [`RevocationShard`] lists the marks of its accounts that
//! can still matter (a mark lives as long as the longest-lived token it can hit) and says when it was written.
//! A reader trusts a shard for a fixed time after that and no longer: then it asks the account itself. So the
//! bound holds by construction, however long a copy of the shard stays in some cache.

use crate::id::{AccountId, SessionId};
use crate::time::{Seconds, UnixMillis};
use alloc::vec::Vec;

/// How many shards there are. Fixed for the life of a deployment: readers and writers must agree.
pub const SHARDS: u8 = 16;

/// How far the clock of a shard's writer may be ahead of a reader's. A shard from further in the future is not
/// trusted: its time says nothing about its age.
pub const CLOCK_SKEW: Seconds = Seconds::new(5);

/// The shard of an account, below [`SHARDS`]. Account ids are random, so their first byte spreads evenly.
#[must_use]
pub fn shard_of(account: &AccountId) -> u8 {
    let [first, ..] = account.as_bytes();
    first % SHARDS
}

/// What a mark takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Revoked {
    /// Every token of one session.
    Session(SessionId),
    /// Every token of the account with an account version (`av`) below this one.
    OlderThan(u32),
}

/// One revocation, kept until no token that it hits can still be unexpired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RevocationMark {
    /// Whose tokens.
    pub account: AccountId,
    /// Which of them.
    pub revoked: Revoked,
    /// When the mark may be forgotten, in milliseconds since the epoch.
    pub until: UnixMillis,
}

/// The marks of all accounts of one shard, as of `written_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RevocationShard {
    /// When this state was true, by the clock of the shard's single writer.
    pub written_at: UnixMillis,
    /// The marks, in no particular order.
    pub marks: Vec<RevocationMark>,
}

/// What an edge reader concludes about a token whose signature and claims are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Judgement {
    /// Not revoked, as of at most the staleness bound ago.
    Clear,
    /// The account has moved on since the token was issued: the client refreshes.
    TokenStale,
    /// The token's session has ended.
    SessionRevoked,
    /// The shard is missing or too old to be trusted: the account itself must be asked.
    AskAccount,
}

/// Judges a token of `account`, `session` and `account_version` by the shard that the reader has.
///
/// `staleness` is the bound: a shard written longer ago is not trusted, nor is one from further in the future
/// than [`CLOCK_SKEW`]. A mark that is in the shard counts whatever the shard's age, because marks are never taken back.
pub fn judge(
    shard: Option<&RevocationShard>,
    account: &AccountId,
    session: &SessionId,
    account_version: u32,
    now: UnixMillis,
    staleness: Seconds,
) -> Judgement {
    let Some(shard) = shard else { return Judgement::AskAccount };
    let mut judgement = Judgement::Clear;
    for mark in shard.marks.iter().filter(|mark| mark.account == *account) {
        match mark.revoked {
            Revoked::Session(revoked) if revoked == *session => return Judgement::SessionRevoked,
            Revoked::OlderThan(version) if account_version < version => judgement = Judgement::TokenStale,
            Revoked::Session(_) | Revoked::OlderThan(_) => {}
        }
    }
    if judgement == Judgement::Clear && !shard.is_fresh(now, staleness) {
        return Judgement::AskAccount;
    }
    judgement
}

impl RevocationShard {
    /// Whether the shard was written at most `staleness` ago, and not further in the future than [`CLOCK_SKEW`].
    #[must_use]
    pub fn is_fresh(&self, now: UnixMillis, staleness: Seconds) -> bool {
        now.millis_since(self.written_at) <= staleness.as_millis()
            && self.written_at.millis_since(now) <= CLOCK_SKEW.as_millis()
    }

    /// Whether a reader should ask the writer to write again: a third of the trusted time has passed.
    #[must_use]
    pub fn wants_heartbeat(&self, now: UnixMillis, staleness: Seconds) -> bool {
        now.millis_since(self.written_at) > staleness.as_millis() / 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const BOUND: Seconds = Seconds::new(60);
    const WRITTEN: UnixMillis = UnixMillis::new(1_000_000);
    const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
    const SESSION: SessionId = SessionId::from_bytes([2; 16]);

    fn shard(revoked: &[Revoked]) -> RevocationShard {
        let until = WRITTEN.plus(Seconds::new(300));
        let marks = revoked.iter().map(|&revoked| RevocationMark { account: ACCOUNT, revoked, until });
        RevocationShard { written_at: WRITTEN, marks: marks.collect() }
    }

    fn judged(shard: &RevocationShard, version: u32, age_millis: u64) -> Judgement {
        let now = UnixMillis::new(WRITTEN.as_millis() + age_millis);
        judge(Some(shard), &ACCOUNT, &SESSION, version, now, BOUND)
    }

    #[test]
    fn a_shard_is_trusted_up_to_the_bound_and_not_a_millisecond_longer() {
        assert_eq!(judged(&shard(&[]), 1, 0), Judgement::Clear);
        assert_eq!(judged(&shard(&[]), 1, 60_000), Judgement::Clear);
        assert_eq!(judged(&shard(&[]), 1, 60_001), Judgement::AskAccount);
        assert_eq!(judge(None, &ACCOUNT, &SESSION, 1, WRITTEN, BOUND), Judgement::AskAccount);
    }

    #[test]
    fn a_shard_from_the_future_is_trusted_within_the_skew_of_clocks_only() {
        let early = |millis| UnixMillis::new(WRITTEN.as_millis() - millis);
        let judged = |now| judge(Some(&shard(&[])), &ACCOUNT, &SESSION, 1, now, BOUND);
        assert_eq!(judged(early(5_000)), Judgement::Clear);
        assert_eq!(judged(early(5_001)), Judgement::AskAccount);
        assert_eq!(judged(early(60_000)), Judgement::AskAccount);
    }

    #[test]
    fn a_mark_counts_whatever_the_age_of_the_shard() {
        let revoked = shard(&[Revoked::Session(SESSION)]);
        assert_eq!(judged(&revoked, 1, 0), Judgement::SessionRevoked);
        assert_eq!(judged(&revoked, 1, 600_000), Judgement::SessionRevoked);
        let older = shard(&[Revoked::OlderThan(5)]);
        assert_eq!(judged(&older, 4, 600_000), Judgement::TokenStale);
    }

    #[test]
    fn only_tokens_below_the_version_are_stale() {
        let older = shard(&[Revoked::OlderThan(5)]);
        assert_eq!(judged(&older, 4, 0), Judgement::TokenStale);
        assert_eq!(judged(&older, 5, 0), Judgement::Clear);
    }

    #[test]
    fn an_ended_session_outweighs_a_stale_token() {
        let both = shard(&[Revoked::OlderThan(5), Revoked::Session(SESSION)]);
        assert_eq!(judged(&both, 1, 0), Judgement::SessionRevoked);
    }

    #[test]
    fn marks_of_other_accounts_and_sessions_do_not_count() {
        let other_session = shard(&[Revoked::Session(SessionId::from_bytes([9; 16]))]);
        assert_eq!(judged(&other_session, 1, 0), Judgement::Clear);
        let mut other_account = shard(&[Revoked::Session(SESSION), Revoked::OlderThan(9)]);
        other_account.marks.iter_mut().for_each(|mark| mark.account = AccountId::from_bytes([8; 16]));
        assert_eq!(judged(&other_account, 1, 0), Judgement::Clear);
    }

    #[test]
    fn a_heartbeat_is_wanted_well_before_the_bound() {
        let shard = RevocationShard { written_at: WRITTEN, marks: vec![] };
        assert!(!shard.wants_heartbeat(WRITTEN.plus(Seconds::new(20)), BOUND));
        assert!(shard.wants_heartbeat(WRITTEN.plus(Seconds::new(21)), BOUND));
    }

    #[test]
    fn every_account_has_a_shard_below_the_limit() {
        assert!((0..=255u8).all(|first| shard_of(&AccountId::from_bytes([first; 16])) < SHARDS));
    }
}
