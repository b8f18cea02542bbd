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
//! | 6 | key proof or enforced device check fails | `refresh_invalid` | none, audit |
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

use super::record::{
    AdvanceWindow, DeviceBinding, DeviceHint, KeyThumbprint, Notice, RevokeReason, SessionAudit,
    SessionRecord,
};
use super::refresh_token::{PresentedRefreshToken, TokenParts};
use crate::account::{AccountRecord, AccountStatus, ObjectClock};
use crate::id::{ClientId, TenantId};
use crate::time::{Seconds, UnixMillis};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

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
}

/// What answers a refresh request, and all that must be stored before it does.
#[must_use]
#[derive(Clone, Debug)]
pub enum RotationOutcome {
    /// Row 8: a new generation. Store session and clock in one transaction, then answer the token.
    Advanced {
        /// The token of the new generation.
        token: TokenParts,
        /// The record to store.
        session: SessionRecord,
        /// The account's clock to store.
        clock: ObjectClock,
    },
    /// Rows 9 to 11: the token that was answered before, byte for byte, with a new access token.
    Repeated {
        /// The token of the current generation.
        token: TokenParts,
        /// Which row.
        rule: RepeatRule,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// Refused; sessions stay as they are.
    Refused {
        /// Why.
        refusal: RotationRefusal,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// Row 5, the first time: refused, and the record is marked.
    Expired {
        /// Why.
        refusal: RotationRefusal,
        /// The record to store.
        session: SessionRecord,
        /// The account's clock to store.
        clock: ObjectClock,
    },
    /// Rows 7, 12 and 13: refused, and the family ends.
    FamilyRevoked {
        /// Why.
        refusal: RotationRefusal,
        /// The record to store.
        session: SessionRecord,
        /// The account's clock to store.
        clock: ObjectClock,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// Row 4: refused, and every session of the account ends.
    AllRevoked {
        /// Why: [`RotationRefusal::AccountNotActive`].
        refusal: RotationRefusal,
        /// What to do to every session of the account.
        revoke: RevokeAll,
        /// The account's clock to store.
        clock: ObjectClock,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
}

impl RotationOutcome {
    /// The token to answer, if any.
    #[must_use]
    pub const fn token(&self) -> Option<&TokenParts> {
        match self {
            Self::Advanced { token, .. } | Self::Repeated { token, .. } => Some(token),
            _ => None,
        }
    }

    /// Why the request is refused, if it is.
    #[must_use]
    pub const fn refusal(&self) -> Option<RotationRefusal> {
        match self {
            Self::Refused { refusal, .. }
            | Self::Expired { refusal, .. }
            | Self::FamilyRevoked { refusal, .. }
            | Self::AllRevoked { refusal, .. } => Some(*refusal),
            Self::Advanced { .. } | Self::Repeated { .. } => None,
        }
    }

    /// What the outbox must carry, in the order to write it.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        match self {
            Self::Repeated { notices, .. }
            | Self::Refused { notices, .. }
            | Self::FamilyRevoked { notices, .. }
            | Self::AllRevoked { notices, .. } => notices,
            Self::Advanced { .. } | Self::Expired { .. } => &[],
        }
    }

    /// The row of the rotation rule that answered; 8 also when the refresh limit held it back.
    #[must_use]
    pub const fn row(&self) -> u8 {
        match self {
            Self::Advanced { .. } => 8,
            Self::Repeated { rule, .. } => rule.row(),
            Self::Refused { refusal, .. }
            | Self::Expired { refusal, .. }
            | Self::FamilyRevoked { refusal, .. }
            | Self::AllRevoked { refusal, .. } => refusal.row(),
        }
    }
}

/// Why the current token is answered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatRule {
    /// Row 9: the current token, still within the grace of its own beginning.
    Current,
    /// Row 10: the parent, within the grace.
    Parent,
    /// Row 11: the parent, after the grace, by the holder of the session's key.
    ParentWithKey,
}

impl RepeatRule {
    /// The row of the rotation rule.
    #[must_use]
    pub const fn row(self) -> u8 {
        match self {
            Self::Current => 9,
            Self::Parent => 10,
            Self::ParentWithKey => 11,
        }
    }
}

/// Why a refresh is refused, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationRefusal {
    /// Row 2: the account was never opened.
    AccountAbsent,
    /// Row 2: the account is a tombstone.
    AccountDeleted,
    /// Row 2: the session is not there, or is not the one that the token names.
    SessionAbsent,
    /// Row 2: the session or the account is another tenant's.
    OtherTenant,
    /// Row 2: the session is another client's.
    OtherClient,
    /// Row 2: the inner tag is wrong.
    InnerTagWrong,
    /// Row 3: the session was revoked before.
    Revoked,
    /// Row 4: the account may not be used.
    AccountNotActive(AccountStatus),
    /// Row 5: the session was not used for too long.
    IdleExpired,
    /// Row 5: the session has lasted too long.
    AbsoluteExpired,
    /// Row 6: the session is bound to a key that the request did not prove to have.
    KeyProofFailed,
    /// Row 6: the request comes from another device than the policy allows.
    DeviceRejected,
    /// Row 7: the token is of a generation that the record has not reached.
    StateRegressed,
    /// Row 13: the session has used up its generations.
    Exhausted,
    /// Row 8, held back: the session has advanced too often. Nothing has changed.
    RateLimited {
        /// After this time, at least one second, the same token will advance.
        retry_after: Seconds,
    },
    /// Row 12: a replaced token came back.
    Reused,
}

impl RotationRefusal {
    /// The stable public code: the account's status, `rate_limited`, or `refresh_invalid` for all else.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AccountNotActive(status) => status.code(),
            Self::RateLimited { .. } => "rate_limited",
            _ => "refresh_invalid",
        }
    }

    /// The stable name of the exact reason, for the audit log and metrics. Not for the client.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::AccountAbsent => "account_absent",
            Self::AccountDeleted => "account_deleted",
            Self::SessionAbsent => "session_absent",
            Self::OtherTenant => "other_tenant",
            Self::OtherClient => "other_client",
            Self::InnerTagWrong => "inner_tag_wrong",
            Self::Revoked => "session_revoked",
            Self::AccountNotActive(_) => "account_not_active",
            Self::IdleExpired => "idle_expired",
            Self::AbsoluteExpired => "absolute_expired",
            Self::KeyProofFailed => "key_proof_failed",
            Self::DeviceRejected => "device_rejected",
            Self::StateRegressed => "state_regressed",
            Self::Exhausted => "exhausted",
            Self::RateLimited { .. } => "rate_limited",
            Self::Reused => "refresh_reuse",
        }
    }

    /// The row of the rotation rule.
    #[must_use]
    pub const fn row(self) -> u8 {
        match self {
            Self::AccountAbsent
            | Self::AccountDeleted
            | Self::SessionAbsent
            | Self::OtherTenant
            | Self::OtherClient
            | Self::InnerTagWrong => 2,
            Self::Revoked => 3,
            Self::AccountNotActive(_) => 4,
            Self::IdleExpired | Self::AbsoluteExpired => 5,
            Self::KeyProofFailed | Self::DeviceRejected => 6,
            Self::StateRegressed => 7,
            Self::RateLimited { .. } => 8,
            Self::Reused => 12,
            Self::Exhausted => 13,
        }
    }
}

/// The order to revoke every session of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokeAll {
    /// The time to write.
    pub at: UnixMillis,
    /// The reason to write.
    pub reason: RevokeReason,
}

impl RevokeAll {
    /// What to store of each session; revoked ones stay as they are.
    #[must_use]
    pub fn apply(&self, session: SessionRecord) -> SessionRecord {
        session.revoked(self.at, self.reason)
    }
}

/// How often one session may advance. Idempotent answers do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshLimit {
    advances: u32,
    window: Seconds,
}

impl RefreshLimit {
    /// `advances` (1 or more) in a `window` (1 second or more) that begins with its first advance.
    ///
    /// # Errors
    ///
    /// [`RotationPolicyError::LimitZero`] when either is 0: no session could ever refresh.
    pub const fn new(advances: u32, window: Seconds) -> Result<Self, RotationPolicyError> {
        if advances == 0 || window.as_secs() == 0 {
            return Err(RotationPolicyError::LimitZero);
        }
        Ok(Self { advances, window })
    }

    /// The window with one more advance counted, or how long to wait.
    fn count(self, seen: AdvanceWindow, time: UnixMillis) -> Result<AdvanceWindow, Seconds> {
        let end = seen.started_at.plus(self.window);
        if seen.count == 0 || time >= end {
            return Ok(AdvanceWindow { started_at: time, count: 1 });
        }
        if seen.count >= self.advances {
            return Err(Seconds::new(u32::try_from(time.seconds_until(end)).unwrap_or(u32::MAX)));
        }
        Ok(AdvanceWindow { count: seen.count.saturating_add(1), ..seen })
    }
}

/// What the rotation rule depends on, apart from the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    grace: Seconds,
    idle_ttl: Seconds,
    limit: Option<RefreshLimit>,
    device: DeviceBinding,
}

impl RotationPolicy {
    /// The grace window that most should use: 30 seconds.
    pub const DEFAULT_GRACE: Seconds = Seconds::new(30);
    /// The longest grace window: 60 seconds. A thief has that long to use a copied parent unseen.
    pub const MAX_GRACE: Seconds = Seconds::new(60);

    /// A policy of `grace` (0 to 60 seconds; 0 makes every retry a reuse), `idle_ttl` (longer than the grace),
    /// a limit on advances, if any, and the device hints that must not change.
    ///
    /// # Errors
    ///
    /// [`RotationPolicyError::GraceTooLong`] above 60 seconds; [`RotationPolicyError::IdleNotAboveGrace`] when
    /// sessions would expire before their token could advance.
    pub const fn new(
        grace: Seconds,
        idle_ttl: Seconds,
        limit: Option<RefreshLimit>,
        device: DeviceBinding,
    ) -> Result<Self, RotationPolicyError> {
        if grace.as_secs() > Self::MAX_GRACE.as_secs() {
            return Err(RotationPolicyError::GraceTooLong);
        }
        if idle_ttl.as_secs() <= grace.as_secs() {
            return Err(RotationPolicyError::IdleNotAboveGrace);
        }
        Ok(Self { grace, idle_ttl, limit, device })
    }

    /// The grace window.
    #[must_use]
    pub const fn grace(&self) -> Seconds {
        self.grace
    }
}

/// Why a rotation policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationPolicyError {
    /// The grace window is above 60 seconds.
    GraceTooLong,
    /// The idle lifetime is not above the grace window.
    IdleNotAboveGrace,
    /// The refresh limit allows nothing, or has no window.
    LimitZero,
}

impl fmt::Display for RotationPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GraceTooLong => "the refresh grace is above 60 seconds",
            Self::IdleNotAboveGrace => "the idle lifetime of sessions is not above the refresh grace",
            Self::LimitZero => "the refresh limit must allow one advance in one second or more",
        })
    }
}

impl core::error::Error for RotationPolicyError {}

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
    let family = Family { presentation, account, session, policy, time, clock: ObjectClock::new(time) };

    if session.revoked.is_some() {
        return refused(RotationRefusal::Revoked);
    }
    if !account.status.is_active() {
        return family.revoke_all();
    }
    if let Some(refusal) = family.expiry() {
        return family.expire(refusal);
    }
    if let Some((refusal, event)) = family.failed_check() {
        return RotationOutcome::Refused { refusal, notices: vec![family.audit(event)] };
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
    if account.status == AccountStatus::Deleted {
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
        let first = current == super::record::Generation::FIRST;

        if presented > current {
            return self.regressed();
        }
        if presented == current {
            return if first || grace == Seconds::ZERO || !within_grace {
                self.advance(next_edge_key_id)
            } else {
                self.repeat(RepeatRule::Current, Vec::new())
            };
        }
        if presented.next() == Some(current) {
            if grace > Seconds::ZERO && within_grace {
                return self.repeat(RepeatRule::Parent, self.elsewhere());
            }
            if !within_grace && self.session.key_thumbprint.is_some() {
                let notices = vec![self.audit(SessionAudit::RefreshRetriedWithKey)];
                return self.repeat(RepeatRule::ParentWithKey, notices);
            }
        }
        self.reused()
    }

    fn revoke_all(&self) -> RotationOutcome {
        let status = self.account.status;
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

    fn failed_check(&self) -> Option<(RotationRefusal, SessionAudit)> {
        let bound = self.session.key_thumbprint.as_ref();
        if bound.is_some() && bound != self.presentation.key_proof {
            return Some((RotationRefusal::KeyProofFailed, SessionAudit::RefreshKeyProofFailed));
        }
        if !self.policy.device.allows(&self.session.device, self.presentation.device) {
            return Some((RotationRefusal::DeviceRejected, SessionAudit::RefreshDeviceRejected));
        }
        None
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
        }
    }

    fn repeat(&self, rule: RepeatRule, notices: Vec<Notice>) -> RotationOutcome {
        RotationOutcome::Repeated { token: self.session.current_token(self.account.id), rule, notices }
    }

    /// An audit line when the parent is retried by another device than the one that replaced it.
    fn elsewhere(&self) -> Vec<Notice> {
        if *self.presentation.device == self.session.last_device {
            Vec::new()
        } else {
            vec![self.audit(SessionAudit::RefreshRetriedElsewhere)]
        }
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
        let session = self.session.clone().revoked(self.time, reason);
        RotationOutcome::FamilyRevoked { refusal, session, clock: self.clock, notices }
    }

    fn audit(&self, event: SessionAudit) -> Notice {
        Notice::Audit { event, session: Some(self.session.id), at: self.time }
    }
}
