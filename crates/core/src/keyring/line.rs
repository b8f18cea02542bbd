//! A line while it is being changed: every step is recorded and applied, so that the next step sees it.

use super::{Change, KeyKind, KeyPolicy, KeyRecord, KeyState, MOST_LIVE_KEYS, MOST_REMOVED_KEYS};
use crate::order;
use crate::time::UnixMillis;
use alloc::vec::Vec;

pub(super) struct Line {
    keys: Vec<KeyRecord>,
    now: UnixMillis,
    changes: Vec<Change>,
}

impl Line {
    /// The line as it is stored, at the present or at the latest moment that it has seen.
    pub(super) fn at(keys: &[KeyRecord], now: UnixMillis) -> Self {
        let seen = keys.iter().map(|key| key.state.since()).max().unwrap_or(now);
        Self { keys: keys.to_vec(), now: now.max(seen), changes: Vec::new() }
    }

    /// Everything that is due.
    pub(super) fn settled(mut self, policy: &KeyPolicy) -> Vec<Change> {
        self.leave_one_next();
        self.activate(policy);
        self.publish_when_due(policy);
        self.remove_expired(policy);
        self.forget_oldest();
        self.changes
    }

    /// The key that takes over next.
    pub(super) fn next(&self) -> Option<KeyRecord> {
        self.latest(|state| matches!(state, KeyState::Next { .. }))
    }

    /// Whether the line has as many keys as it may have.
    pub(super) fn is_full(&self) -> bool {
        self.keys.iter().filter(|key| key.state.is_live()).count() >= MOST_LIVE_KEYS
    }

    /// Makes a new key known.
    pub(super) fn publish(&mut self, kind: KeyKind) {
        self.create(kind, KeyState::Next { published_at: self.now });
    }

    /// Takes a key's material away.
    pub(super) fn remove(&mut self, id: u32, revoked: bool) {
        self.set(id, KeyState::Removed { at: self.now, revoked });
    }

    fn active(&self) -> Option<KeyRecord> {
        self.latest(KeyState::is_active)
    }

    fn latest(&self, wanted: impl Fn(KeyState) -> bool) -> Option<KeyRecord> {
        self.keys.iter().filter(|key| wanted(key.state)).max_by_key(|key| key.id).copied()
    }

    /// The later of two wins, whatever brought them about.
    fn leave_one_next(&mut self) {
        let Some(latest) = self.next() else { return };
        for key in self.keys.clone() {
            if matches!(key.state, KeyState::Next { .. }) && key.id != latest.id {
                self.remove(key.id, false);
            }
        }
    }

    /// Lets the next key take over when its time has come, or when there is none to wait for.
    fn activate(&mut self, policy: &KeyPolicy) {
        let active = self.active();
        let known = |next: KeyRecord| self.now >= next.state.since().plus(policy.lead);
        let successor =
            self.next().filter(|next| active.is_none() || (next.kind == policy.kind && known(*next)));
        match (successor, active) {
            (Some(next), _) => self.set(next.id, KeyState::Active { since: self.now }),
            (None, None) => self.create(policy.kind, KeyState::Active { since: self.now }),
            (None, Some(_)) => {}
        }
        let Some(latest) = self.active() else { return };
        for key in self.keys.clone() {
            if key.state.is_active() && key.id != latest.id {
                self.set(key.id, KeyState::Retired { since: self.now });
            }
        }
    }

    /// Makes a successor known so that it can take over in time, or because another kind is wanted.
    fn publish_when_due(&mut self, policy: &KeyPolicy) {
        if let Some(next) = self.next().filter(|next| next.kind != policy.kind) {
            self.remove(next.id, false);
        }
        let Some(active) = self.active() else { return };
        let is_due = policy.rotate_after.is_some_and(|after| {
            let successor_known_at = self.now.plus(policy.lead);
            successor_known_at >= active.state.since().plus(after)
        });
        if (is_due || active.kind != policy.kind) && self.next().is_none() && !self.is_full() {
            self.publish(policy.kind);
        }
    }

    fn remove_expired(&mut self, policy: &KeyPolicy) {
        let Some(keep_for) = policy.keep_for else { return };
        for key in self.keys.clone() {
            if let KeyState::Retired { since } = key.state
                && self.now >= since.plus(keep_for)
            {
                self.remove(key.id, false);
            }
        }
    }

    fn forget_oldest(&mut self) {
        let mut removed: Vec<u32> =
            self.keys.iter().filter(|key| !key.state.is_live()).map(|key| key.id).collect();
        order::sort_by_key(&mut removed, |id| core::cmp::Reverse(*id));
        for id in removed.into_iter().skip(MOST_REMOVED_KEYS) {
            self.keys.retain(|key| key.id != id);
            self.changes.push(Change::Forget(id));
        }
    }

    fn create(&mut self, kind: KeyKind, state: KeyState) {
        // The highest id is never forgotten, so no id is given twice. A line of 2³² keys is beyond any life.
        let highest = self.keys.iter().map(|key| key.id).max().unwrap_or(0);
        let key = KeyRecord { id: highest.saturating_add(1), kind, state };
        self.keys.push(key);
        self.changes.push(Change::Create(key));
    }

    fn set(&mut self, id: u32, state: KeyState) {
        if let Some(key) = self.keys.iter_mut().find(|key| key.id == id) {
            key.state = state;
            self.changes.push(Change::Update(*key));
        }
    }
}
