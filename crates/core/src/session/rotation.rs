//! The rotation rule: what a presented refresh token is answered with.
//!
//! *A generation advances at most once per grace window (the first rotation excepted), so a token presented
//! within the window of its own supersession is always the parent.* Two tabs, a lost reply and a retry get the
//! same bytes; a copy that comes back later ends the family (RFC 9700 §4.14.2).
//!
//! p = presented generation, c = current, t = max(clock, high-water mark), age = t − the last rotation,
//! G = grace. The first matching row answers:
//!
//! | # | condition | answer | state |
//! |---|---|---|---|
//! | 1 | malformed, or edge tag wrong | `refresh_invalid` | none; no storage read |
//! | 2 | row absent, tombstone, other tenant or client, inner tag wrong | `refresh_invalid` | none |
//! | 3 | session already revoked | `refresh_invalid` | none, no new notice |
//! | 4 | account not active | its status code | revoke all once |
//! | 5 | idle or absolute expiry passed | `refresh_invalid` | mark expired |
//! | 6 | key proof fails, or an enforced trait of the device is another or missing | `refresh_invalid`, `device_binding_rejected` | none, audit |
//! | 7 | p > c | `refresh_invalid` | revoke `state_regressed`, alert |
//! | 8 | p = c and (c = 0 or G = 0 or age > G) | token c+1 | advance |
//! | 9 | p = c, age ≤ G | token c | none |
//! | 10 | p = c−1, G > 0, age ≤ G | token c | none; audit if the device differs |
//! | 11 | p = c−1, age > G, session bound to a key | token c | none, audit |
//! | 12 | p = c−1 otherwise, or p < c−1 | `refresh_invalid` | revoke, audit, notify once |
//! | 13 | c at its maximum and row 8 would apply | `refresh_invalid` | revoke `exhausted` |
//!
//! Row 1 is the type [`PresentedRefreshToken`], which nothing else can make; row 14 is
//! [`logout`](super::logout). The refresh limit counts advances: it stands before row 8, and rows 9 to 11 never
//! meet it.

mod outcome;
mod policy;

pub use outcome::{RepeatRule, RevokeAll, RotationOutcome, RotationRefusal};
pub use policy::{RefreshLimit, RotationPolicy, RotationPolicyError};

use super::binding::DeviceVerdict;
use super::device::DeviceHint;
use super::fingerprint::DeviceFingerprint;
use super::notice::{Notice, SessionAudit};
use super::record::{Generation, KeyThumbprint, RevokeReason, SessionRecord};
use super::refresh_token::PresentedRefreshToken;
use crate::account::{AccountRecord, AccountStatus, ObjectClock};
use crate::id::{ClientId, TenantId};
use crate::time::{Seconds, UnixMillis};
use alloc::vec;
use alloc::vec::Vec;

/// A refresh request, once its edge tag was found right.
#[derive(Clone, Copy, Debug)]
pub struct Presentation<'a> {
    /// The token.
    pub token: &'a PresentedRefreshToken,
    /// The tenant that the request was made to.
    pub tenant: &'a TenantId,
    /// The client that made it.
    pub client_id: &'a ClientId,
    /// The key that the request proved to have, if it came with a proof (RFC 9449).
    pub key_proof: Option<&'a KeyThumbprint>,
    /// What device it came from.
    pub device: &'a DeviceHint,
    /// What that device is recognised by.
    pub fingerprint: &'a DeviceFingerprint,
}

/// Decides a refresh by the rotation rule.
///
/// `account` and `session` are what the owner has stored, `None` where it has nothing; `now` is the machine's
/// clock; `next_edge_key_id` names the edge key for a new generation, which must be at hand before this is
/// called: after the commit nothing may fail.
pub fn decide(
    presentation: &Presentation<'_>,
    account: Option<&AccountRecord>,
    session: Option<&SessionRecord>,
    now: UnixMillis,
    policy: &RotationPolicy,
    next_edge_key_id: u32,
) -> RotationOutcome {
    let (account, session) = match recognise(presentation, account, session) {
        Ok(recognised) => recognised,
        Err(refusal) => return refused(refusal),
    };
    // The record's own mark as well: a host may store the account's clock later than the session.
    let time = account.clock.read(now).max(session.rotated_at);
    let device = policy.device.judge(&session.fingerprint, Some(presentation.fingerprint));
    let clock = ObjectClock::new(time);
    let family = Family { presentation, account, session, policy, device, time, clock };

    if session.revoked.is_some() {
        return refused(RotationRefusal::Revoked);
    }
    let status = account.status_at(time);
    if !status.is_active() {
        return family.revoke_all(status);
    }
    if let Some(refusal) = family.expiry() {
        return family.expire(refusal);
    }
    if let Some((refusal, notices)) = family.failed_check() {
        return RotationOutcome::Refused { refusal, notices };
    }
    family.rotate(next_edge_key_id)
}

fn refused(refusal: RotationRefusal) -> RotationOutcome {
    RotationOutcome::Refused { refusal, notices: Vec::new() }
}

/// Row 2: both records are there, and are the ones that the token, tenant and client are about.
pub(super) fn recognise<'a>(
    presentation: &Presentation<'_>,
    account: Option<&'a AccountRecord>,
    session: Option<&'a SessionRecord>,
) -> Result<(&'a AccountRecord, &'a SessionRecord), RotationRefusal> {
    let token = presentation.token;
    let account =
        account.filter(|account| account.id == token.account()).ok_or(RotationRefusal::AccountAbsent)?;
    if matches!(account.status, AccountStatus::Deleted | AccountStatus::Purged) {
        return Err(RotationRefusal::AccountDeleted);
    }
    let session =
        session.filter(|session| session.id == token.session()).ok_or(RotationRefusal::SessionAbsent)?;
    if account.tenant != *presentation.tenant || session.tenant != *presentation.tenant {
        return Err(RotationRefusal::OtherTenant);
    }
    if session.client_id != *presentation.client_id {
        return Err(RotationRefusal::OtherClient);
    }
    if !token.has_inner_tag_of(&session.session_key) {
        return Err(RotationRefusal::InnerTagWrong);
    }
    Ok((account, session))
}

/// A recognised family and the time to decide with.
struct Family<'a> {
    presentation: &'a Presentation<'a>,
    account: &'a AccountRecord,
    session: &'a SessionRecord,
    policy: &'a RotationPolicy,
    device: DeviceVerdict,
    time: UnixMillis,
    clock: ObjectClock,
}

impl Family<'_> {
    /// Rows 7 to 13.
    fn rotate(&self, next_edge_key_id: u32) -> RotationOutcome {
        let presented = self.presentation.token.generation();
        let current = self.session.generation;
        let grace = self.policy.grace;
        let within_grace = self.time.millis_since(self.session.rotated_at) <= grace.as_millis();
        let first = current == Generation::FIRST;

        if presented > current {
            return self.regressed();
        }
        if presented == current {
            return if first || grace == Seconds::ZERO || !within_grace {
                self.advance(next_edge_key_id)
            } else {
                self.repeat(RepeatRule::Current, None)
            };
        }
        if presented.next() == Some(current) {
            if grace > Seconds::ZERO && within_grace {
                return self.repeat(RepeatRule::Parent, self.elsewhere());
            }
            if !within_grace && self.session.key_thumbprint.is_some() {
                return self.repeat(RepeatRule::ParentWithKey, Some(SessionAudit::RefreshRetriedWithKey));
            }
        }
        self.reused()
    }

    fn revoke_all(&self, status: AccountStatus) -> RotationOutcome {
        let reason = RevokeReason::of_status(status);
        RotationOutcome::AllRevoked {
            refusal: RotationRefusal::AccountNotActive(status),
            revoke: RevokeAll { at: self.time, reason },
            clock: self.clock,
            notices: vec![
                Notice::Revoked { session: None, reason, at: self.time },
                self.audit(SessionAudit::RefreshAccountRefused),
            ],
        }
    }

    fn expiry(&self) -> Option<RotationRefusal> {
        if self.time >= self.session.absolute_expires_at {
            Some(RotationRefusal::AbsoluteExpired)
        } else if self.time >= self.session.idle_expires_at || self.session.expired_at.is_some() {
            Some(RotationRefusal::IdleExpired)
        } else {
            None
        }
    }

    fn expire(&self, refusal: RotationRefusal) -> RotationOutcome {
        if self.session.expired_at.is_some() {
            return refused(refusal);
        }
        let session = SessionRecord { expired_at: Some(self.time), ..self.session.clone() };
        RotationOutcome::Expired { refusal, session, clock: self.clock }
    }

    /// Row 6. It comes before a reuse is looked for, so that a copied token cannot end its owner's session from
    /// elsewhere.
    fn failed_check(&self) -> Option<(RotationRefusal, Vec<Notice>)> {
        let bound = self.session.key_thumbprint.as_ref();
        if bound.is_some() && bound != self.presentation.key_proof {
            let notice = self.audit(SessionAudit::RefreshKeyProofFailed);
            return Some((RotationRefusal::KeyProofFailed, vec![notice]));
        }
        self.device.is_rejected().then(|| (RotationRefusal::DeviceRejected, self.seen()))
    }

    /// What is told of the device that the request comes from.
    fn seen(&self) -> Vec<Notice> {
        self.device.notices(self.session.id, self.time)
    }

    fn regressed(&self) -> RotationOutcome {
        let alert = Notice::StateRegressed {
            session: self.session.id,
            presented: self.presentation.token.generation(),
            current: self.session.generation,
            at: self.time,
        };
        self.end(
            RotationRefusal::StateRegressed,
            RevokeReason::StateRegressed,
            SessionAudit::RefreshStateRegressed,
            Some(alert),
        )
    }

    /// Rows 8 and 13, and the refresh limit.
    fn advance(&self, next_edge_key_id: u32) -> RotationOutcome {
        let Some(generation) = self.session.generation.next() else {
            let reason = RevokeReason::Exhausted;
            return self.end(RotationRefusal::Exhausted, reason, SessionAudit::RefreshExhausted, None);
        };
        let advances = match self.policy.limit.map(|limit| limit.count(self.session.advances, self.time)) {
            None => self.session.advances,
            Some(Ok(advances)) => advances,
            Some(Err(retry_after)) => return refused(RotationRefusal::RateLimited { retry_after }),
        };
        let session = SessionRecord {
            generation,
            rotated_at: self.time,
            last_used_at: self.time,
            idle_expires_at: self.time.plus(self.policy.idle_ttl).min(self.session.absolute_expires_at),
            edge_key_id: next_edge_key_id,
            last_device: self.presentation.device.clone(),
            advances,
            ..self.session.clone()
        };
        RotationOutcome::Advanced {
            token: session.current_token(self.account.id),
            session,
            clock: self.clock,
            notices: self.seen(),
        }
    }

    fn repeat(&self, rule: RepeatRule, event: Option<SessionAudit>) -> RotationOutcome {
        let mut notices = self.seen();
        notices.extend(event.map(|event| self.audit(event)));
        RotationOutcome::Repeated { token: self.session.current_token(self.account.id), rule, notices }
    }

    /// An audit line when the parent is retried by another device than the one that replaced it.
    fn elsewhere(&self) -> Option<SessionAudit> {
        let elsewhere = *self.presentation.device != self.session.last_device;
        elsewhere.then_some(SessionAudit::RefreshRetriedElsewhere)
    }

    fn reused(&self) -> RotationOutcome {
        let notice = Notice::ReuseDetected {
            session: self.session.id,
            client_id: self.session.client_id.clone(),
            at: self.time,
        };
        self.end(
            RotationRefusal::Reused,
            RevokeReason::RefreshReuseDetected,
            SessionAudit::RefreshReuseDetected,
            Some(notice),
        )
    }

    fn end(
        &self,
        refusal: RotationRefusal,
        reason: RevokeReason,
        event: SessionAudit,
        notice: Option<Notice>,
    ) -> RotationOutcome {
        let mut notices = vec![
            Notice::Revoked { session: Some(self.session.id), reason, at: self.time },
            self.audit(event),
        ];
        notices.extend(notice);
        notices.extend(self.seen());
        let session = self.session.clone().revoked(self.time, reason);
        RotationOutcome::FamilyRevoked { refusal, session, clock: self.clock, notices }
    }

    fn audit(&self, event: SessionAudit) -> Notice {
        Notice::Audit { event, session: Some(self.session.id), at: self.time }
    }
}
