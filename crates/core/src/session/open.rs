//! Opening a session, which alone admits: after every proof, the account's owner has the last word.

use super::binding::DeviceBinding;
use super::device::DeviceHint;
use super::fingerprint::DeviceFingerprint;
use super::notice::{Notice, SessionAudit};
use super::record::{AdvanceWindow, Generation, KeyThumbprint, RevokeReason, SessionRecord, SessionState};
use super::refresh_token::TokenParts;
use super::seats::Seat;
use crate::account::{AccountRecord, AccountStatus, ObjectClock};
use crate::id::{ClientId, SessionId, TenantId};
use crate::order;
use crate::secret::Secret;
use crate::time::{Seconds, UnixMillis, UnixSeconds};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A session to open. Its id and key are drawn before the first write, so that the request can be repeated.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// The id of the new session.
    pub id: SessionId,
    /// The key of its inner tags: 32 random bytes.
    pub session_key: Secret<32>,
    /// The tenant that the user signed in to.
    pub tenant: TenantId,
    /// The client that the session is granted to.
    pub client_id: ClientId,
    /// The version of the credentials that the proofs were made against.
    pub credential_version: u32,
    /// The edge key for the first token.
    pub edge_key_id: u32,
    /// How the user was authenticated.
    pub amr: Vec<String>,
    /// When the user was authenticated.
    pub auth_time: UnixSeconds,
    /// The key that the session is to be bound to.
    pub key_thumbprint: Option<KeyThumbprint>,
    /// What device the request comes from.
    pub device: DeviceHint,
    /// What the session will recognise that device by.
    pub fingerprint: DeviceFingerprint,
    /// Whether its owner asks for it to last longer, where the policy has that.
    pub remember: bool,
    /// Whether it has a place among the tenant's sessions.
    pub seat: Seat,
}

/// A place that a session needs among its tenant's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatWish {
    /// The session.
    pub session: SessionId,
    /// When it ends if it is not used: from then on it is worth asking whether it still lives.
    pub idle_expires_at: UnixMillis,
    /// The sessions that give way to it.
    pub replaced: Vec<SessionId>,
}

/// What answers the request to open a session, and all that must be stored before it does.
#[must_use]
#[allow(clippy::large_enum_variant, reason = "an outcome lives for one commit; a box would only allocate")]
#[derive(Clone, Debug)]
pub enum OpenOutcome {
    /// Opened. Store everything in one transaction, then answer the token.
    Opened {
        /// The first token.
        token: TokenParts,
        /// The new record.
        session: SessionRecord,
        /// Sessions that gave way, to be stored as revoked.
        evicted: Vec<SessionRecord>,
        /// The account with its clock, and with the version of the credentials if that was newer.
        account: AccountRecord,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// The same request was granted before: the same answer, nothing to store.
    AlreadyOpen {
        /// The first token, as before.
        token: TokenParts,
    },
    /// It would be opened, and needs a place: ask for one, then decide again. Nothing to store.
    SeatWanted(SeatWish),
    /// Refused; nothing has changed.
    Refused(OpenRefusal),
}

/// Why no session is opened, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRefusal {
    /// The account is another tenant's.
    OtherTenant,
    /// The account may not be used.
    AccountNotActive(AccountStatus),
    /// The credentials have changed since they were proven.
    CredentialStale,
    /// The session id was used for something else, or its token has advanced since.
    SessionIdUsed,
    /// The policy binds sessions to something that the request does not say of its device.
    DeviceHintMissing,
    /// The policy binds every session to a key, and the request has shown none.
    KeyMissing,
    /// The account has as many sessions as it may have.
    SessionLimitExceeded,
    /// The tenant has as many sessions as it may have.
    TenantSessionLimitExceeded,
}

impl OpenRefusal {
    /// The stable public code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AccountNotActive(status) => status.code(),
            Self::DeviceHintMissing => "device_hint_missing",
            Self::KeyMissing => "dpop_required",
            Self::SessionLimitExceeded => "session_limit_exceeded",
            Self::TenantSessionLimitExceeded => "tenant_session_limit_exceeded",
            Self::OtherTenant | Self::CredentialStale => "invalid_credentials",
            Self::SessionIdUsed => "session_creation_failed",
        }
    }
}

/// What gives way when an account has as many sessions as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverCap {
    /// The sessions that were not used for the longest time.
    Evict,
    /// The new one: it is refused.
    Reject,
    /// Always all others, whatever the cap: one session at a time.
    Single,
}

/// How long sessions last and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPolicy {
    idle_ttl: Seconds,
    absolute_ttl: Seconds,
    remember_ttl: Option<Seconds>,
    jitter: Seconds,
    max_sessions: u32,
    over_cap: OverCap,
    device: DeviceBinding,
    needs_key: bool,
}

impl OpenPolicy {
    /// Sessions that end after `idle_ttl` without use (1 second or more), and after `absolute_ttl` in any case
    /// (not less); at most `max_sessions` per account (0 for any number).
    ///
    /// # Errors
    ///
    /// [`OpenPolicyError::IdleZero`] when sessions would be born expired; [`OpenPolicyError::IdleAboveAbsolute`]
    /// when the idle lifetime could never end a session.
    pub const fn new(
        idle_ttl: Seconds,
        absolute_ttl: Seconds,
        max_sessions: u32,
        over_cap: OverCap,
        device: DeviceBinding,
    ) -> Result<Self, OpenPolicyError> {
        if idle_ttl.as_secs() == 0 {
            return Err(OpenPolicyError::IdleZero);
        }
        if idle_ttl.as_secs() > absolute_ttl.as_secs() {
            return Err(OpenPolicyError::IdleAboveAbsolute);
        }
        let (remember_ttl, jitter, needs_key) = (None, Seconds::ZERO, false);
        Ok(Self { idle_ttl, absolute_ttl, remember_ttl, jitter, max_sessions, over_cap, device, needs_key })
    }

    /// The same, but that sessions end after `ttl` in any case whose owners ask to be remembered.
    #[must_use]
    pub const fn with_remember(self, ttl: Option<Seconds>) -> Self {
        Self { remember_ttl: ttl, ..self }
    }

    /// The same, but that sessions end up to `jitter` earlier, and never by more than a twentieth of their life.
    #[must_use]
    pub const fn with_jitter(self, jitter: Seconds) -> Self {
        Self { jitter, ..self }
    }

    /// The same, but that every session has to be bound to a key (RFC 9449).
    #[must_use]
    pub const fn with_keys_required(self, needs_key: bool) -> Self {
        Self { needs_key, ..self }
    }

    /// How long a session may last, and whether it is remembered. By how much it ends earlier follows from its id, which is
    /// random: a repeated request has the same end.
    fn lifetime(&self, id: &SessionId, remember: bool) -> (Seconds, bool) {
        let remembered = self.remember_ttl.filter(|_| remember);
        let full = remembered.unwrap_or(self.absolute_ttl).as_secs();
        let [a, b, c, d, ..] = *id.as_bytes();
        let most = self.jitter.as_secs().min(full / 20);
        let earlier = u32::from_be_bytes([a, b, c, d]).checked_rem(most.saturating_add(1)).unwrap_or(0);
        (Seconds::new(full.saturating_sub(earlier)), remembered.is_some())
    }
}

/// Why an opening policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenPolicyError {
    /// The idle lifetime is 0.
    IdleZero,
    /// The idle lifetime is above the absolute one.
    IdleAboveAbsolute,
}

impl fmt::Display for OpenPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdleZero => "the idle lifetime of sessions is 0",
            Self::IdleAboveAbsolute => "the idle lifetime of sessions is above the absolute one",
        })
    }
}

impl core::error::Error for OpenPolicyError {}

/// Decides whether a session is opened, given the account and all of its sessions.
pub fn open(
    account: &AccountRecord,
    sessions: &[SessionRecord],
    request: OpenRequest,
    now: UnixMillis,
    policy: &OpenPolicy,
) -> OpenOutcome {
    let time = account.clock.read(now);
    if let Some(refusal) = refusal(account, &request, time) {
        return OpenOutcome::Refused(refusal);
    }
    if let Some(existing) = sessions.iter().find(|session| session.id == request.id) {
        return repeat(account, existing, &request, time);
    }
    if !policy.device.can_bind(&request.fingerprint) {
        return OpenOutcome::Refused(OpenRefusal::DeviceHintMissing);
    }
    if policy.needs_key && request.key_thumbprint.is_none() {
        return OpenOutcome::Refused(OpenRefusal::KeyMissing);
    }
    let Ok(evicted) = make_room(sessions, time, policy) else {
        return OpenOutcome::Refused(OpenRefusal::SessionLimitExceeded);
    };
    match request.seat {
        Seat::Granted => {}
        Seat::Refused => return OpenOutcome::Refused(OpenRefusal::TenantSessionLimitExceeded),
        Seat::Unasked => {
            return OpenOutcome::SeatWanted(SeatWish {
                session: request.id,
                idle_expires_at: time.plus(policy.idle_ttl),
                replaced: evicted.iter().map(|session| session.id).collect(),
            });
        }
    }

    let mut account = account.clone();
    account.clock = ObjectClock::new(time);
    // The database may be ahead while its fence is on its way; older proofs must not be admitted after newer.
    account.credential_version = account.credential_version.max(request.credential_version);
    let session = record(request, time, policy);
    let opened = Notice::Audit { event: SessionAudit::SessionOpened, session: Some(session.id), at: time };
    let notices = core::iter::once(opened)
        .chain(evicted.iter().map(|gone| Notice::Revoked {
            session: Some(gone.id),
            reason: RevokeReason::Evicted,
            at: time,
        }))
        .collect();
    OpenOutcome::Opened { token: session.current_token(account.id), session, evicted, account, notices }
}

fn refusal(account: &AccountRecord, request: &OpenRequest, time: UnixMillis) -> Option<OpenRefusal> {
    let status = account.status_at(time);
    if account.tenant != request.tenant {
        Some(OpenRefusal::OtherTenant)
    } else if !status.is_active() {
        Some(OpenRefusal::AccountNotActive(status))
    } else if request.credential_version < account.credential_version {
        Some(OpenRefusal::CredentialStale)
    } else {
        None
    }
}

/// The answer to a request whose session is there: the same as before, while the first token is the current.
fn repeat(
    account: &AccountRecord,
    existing: &SessionRecord,
    request: &OpenRequest,
    time: UnixMillis,
) -> OpenOutcome {
    let same = existing.session_key.ct_eq(&request.session_key)
        && existing.client_id == request.client_id
        && existing.key_thumbprint == request.key_thumbprint
        && existing.generation == Generation::FIRST
        && existing.state(time) == SessionState::Live;
    if same {
        OpenOutcome::AlreadyOpen { token: existing.current_token(account.id) }
    } else {
        OpenOutcome::Refused(OpenRefusal::SessionIdUsed)
    }
}

struct Full;

/// The live sessions that must give way to one more, as they are to be stored.
fn make_room(
    sessions: &[SessionRecord],
    time: UnixMillis,
    policy: &OpenPolicy,
) -> Result<Vec<SessionRecord>, Full> {
    let mut live: Vec<&SessionRecord> =
        sessions.iter().filter(|session| session.state(time) == SessionState::Live).collect();
    let cap = usize::try_from(policy.max_sessions).unwrap_or(usize::MAX);
    let too_many = match policy.over_cap {
        OverCap::Single => live.len(),
        _ if cap == 0 => 0,
        // One place is for the new session.
        _ => live.len().saturating_sub(cap.saturating_sub(1)),
    };
    if too_many > 0 && policy.over_cap == OverCap::Reject {
        return Err(Full);
    }
    order::sort_by_key(&mut live, |session| (session.last_used_at, session.created_at, session.id));
    let evict = |session: &SessionRecord| session.clone().revoked(time, RevokeReason::Evicted);
    Ok(live.into_iter().take(too_many).map(evict).collect())
}

fn record(request: OpenRequest, time: UnixMillis, policy: &OpenPolicy) -> SessionRecord {
    let (lifetime, remembered) = policy.lifetime(&request.id, request.remember);
    SessionRecord {
        id: request.id,
        tenant: request.tenant,
        client_id: request.client_id,
        created_at: time,
        last_used_at: time,
        idle_expires_at: time.plus(policy.idle_ttl),
        absolute_expires_at: time.plus(lifetime),
        generation: Generation::FIRST,
        rotated_at: time,
        edge_key_id: request.edge_key_id,
        session_key: request.session_key,
        credential_version: request.credential_version,
        amr: request.amr,
        auth_time: request.auth_time,
        key_thumbprint: request.key_thumbprint,
        last_device: request.device.clone(),
        device: request.device,
        fingerprint: request.fingerprint,
        advances: AdvanceWindow { started_at: time, count: 0 },
        remembered,
        expired_at: None,
        revoked: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::binding::BindingRule;
    use crate::session::record::tests::{account, session};
    use std::vec;

    const NOW: UnixMillis = UnixMillis::new(2_000_000);

    fn policy(max_sessions: u32, over_cap: OverCap) -> OpenPolicy {
        let ttl = (Seconds::new(3600), Seconds::new(86_400));
        OpenPolicy::new(ttl.0, ttl.1, max_sessions, over_cap, DeviceBinding::default()).unwrap()
    }

    fn request(id: u8) -> OpenRequest {
        OpenRequest {
            id: SessionId::from_bytes([id; 16]),
            session_key: Secret::new([id; 32]),
            tenant: "acme".parse().unwrap(),
            client_id: "web".parse().unwrap(),
            credential_version: 1,
            edge_key_id: 7,
            amr: vec!["pwd".into()],
            auth_time: NOW.to_seconds(),
            key_thumbprint: None,
            device: DeviceHint::default(),
            fingerprint: DeviceFingerprint::default(),
            remember: false,
            seat: Seat::Granted,
        }
    }

    fn existing(id: u8, last_used_at: u64) -> SessionRecord {
        SessionRecord {
            id: SessionId::from_bytes([id; 16]),
            last_used_at: UnixMillis::new(last_used_at),
            ..session()
        }
    }

    fn refused(outcome: OpenOutcome) -> OpenRefusal {
        match outcome {
            OpenOutcome::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    fn evicted(outcome: OpenOutcome) -> Vec<u8> {
        match outcome {
            OpenOutcome::Opened { evicted, notices, .. } => {
                assert_eq!(notices.len(), evicted.len() + 1);
                evicted
                    .iter()
                    .map(|session| {
                        assert_eq!(session.state(NOW), SessionState::Revoked(RevokeReason::Evicted));
                        session.id.as_bytes()[0]
                    })
                    .collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_session_begins_at_generation_0_with_both_lifetimes() {
        let outcome = open(&account(), &[], request(9), NOW, &policy(0, OverCap::Evict));
        let OpenOutcome::Opened { token, session, account, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!((token.generation(), token.edge_key_id()), (Generation::FIRST, 7));
        assert_eq!(session.idle_expires_at, NOW.plus(Seconds::new(3600)));
        assert_eq!(session.absolute_expires_at, NOW.plus(Seconds::new(86_400)));
        assert_eq!((session.rotated_at, account.clock.high_water()), (NOW, NOW));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_open_sessions_in_the_past() {
        let account = AccountRecord { clock: ObjectClock::new(NOW), ..account() };
        let outcome = open(&account, &[], request(9), UnixMillis::new(5), &policy(0, OverCap::Evict));
        let OpenOutcome::Opened { session, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(session.created_at, NOW);
    }

    #[test]
    fn the_account_has_the_last_word() {
        let open =
            |account: &AccountRecord, request| open(account, &[], request, NOW, &policy(0, OverCap::Evict));
        let other = OpenRequest { tenant: "other".parse().unwrap(), ..request(9) };
        assert_eq!(refused(open(&account(), other)), OpenRefusal::OtherTenant);
        for status in AccountStatus::ALL {
            if status != AccountStatus::Active {
                let refusal = refused(open(&AccountRecord { status, ..account() }, request(9)));
                assert_eq!(refusal, OpenRefusal::AccountNotActive(status));
                assert_eq!(refusal.code(), status.code());
            }
        }
        let fenced = AccountRecord { credential_version: 2, ..account() };
        assert_eq!(refused(open(&fenced, request(9))), OpenRefusal::CredentialStale);
    }

    #[test]
    fn a_session_is_bound_to_the_key_that_was_shown_and_repeated_for_it_alone() {
        let (mine, thief) = (KeyThumbprint::from_bytes([1; 32]), KeyThumbprint::from_bytes([2; 32]));
        let shown = |key_thumbprint| OpenRequest { key_thumbprint, ..request(9) };
        let free = policy(0, OverCap::Evict);
        let required = free.with_keys_required(true);
        let refusal = refused(open(&account(), &[], shown(None), NOW, &required));
        assert_eq!((refusal, refusal.code()), (OpenRefusal::KeyMissing, "dpop_required"));
        for (policy, key) in [(&free, None), (&free, Some(mine)), (&required, Some(mine))] {
            let outcome = open(&account(), &[], shown(key), NOW, policy);
            let OpenOutcome::Opened { session, account, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(session.key_thumbprint, key);
            for other in [None, Some(mine), Some(thief)] {
                let again = open(&account, core::slice::from_ref(&session), shown(other), NOW, policy);
                if other == key {
                    assert!(matches!(again, OpenOutcome::AlreadyOpen { .. }));
                } else {
                    assert_eq!(refused(again), OpenRefusal::SessionIdUsed, "{other:?}");
                }
            }
        }
    }

    #[test]
    fn a_newer_credential_raises_the_fence() {
        let newer = OpenRequest { credential_version: 5, ..request(9) };
        let outcome = open(&account(), &[], newer, NOW, &policy(0, OverCap::Evict));
        let OpenOutcome::Opened { account, session, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!((account.credential_version, session.credential_version), (5, 5));
        let stale = open(&account, &[], request(8), NOW, &policy(0, OverCap::Evict));
        assert_eq!(refused(stale), OpenRefusal::CredentialStale);
    }

    #[test]
    fn a_repeated_request_gets_the_same_answer_and_opens_nothing() {
        let policy = policy(1, OverCap::Reject);
        let outcome = open(&account(), &[], request(9), NOW, &policy);
        let OpenOutcome::Opened { token, session, account, .. } = outcome else { panic!("{outcome:?}") };
        let later = NOW.plus(Seconds::new(60));
        let again = open(&account, core::slice::from_ref(&session), request(9), later, &policy);
        let OpenOutcome::AlreadyOpen { token: same } = again else { panic!("{again:?}") };
        assert_eq!(serde_json::to_string(&same).unwrap(), serde_json::to_string(&token).unwrap());

        let other_key = OpenRequest { session_key: Secret::new([1; 32]), ..request(9) };
        let other_client = OpenRequest { client_id: "app".parse().unwrap(), ..request(9) };
        let advanced = SessionRecord { generation: Generation::new(1), ..session.clone() };
        let revoked = session.clone().revoked(NOW, RevokeReason::Logout);
        for (stored, request) in [
            (session.clone(), other_key),
            (session.clone(), other_client),
            (advanced, request(9)),
            (revoked, request(9)),
        ] {
            assert_eq!(
                refused(open(&account, &[stored], request, later, &policy)),
                OpenRefusal::SessionIdUsed
            );
        }
        let expired = open(&account, &[session], request(9), NOW.plus(Seconds::new(3600)), &policy);
        assert_eq!(refused(expired), OpenRefusal::SessionIdUsed);
    }

    #[test]
    fn over_the_cap_the_least_recently_used_give_way() {
        let sessions = [existing(1, 300), existing(2, 100), existing(3, 200)];
        let open = |max, rule| open(&account(), &sessions, request(9), NOW, &policy(max, rule));
        assert_eq!(evicted(open(0, OverCap::Evict)), [0u8; 0]);
        assert_eq!(evicted(open(4, OverCap::Evict)), [0u8; 0]);
        assert_eq!(evicted(open(3, OverCap::Evict)), [2]);
        assert_eq!(evicted(open(1, OverCap::Evict)), [2, 3, 1]);
        assert_eq!(evicted(open(0, OverCap::Single)), [2, 3, 1]);
        assert_eq!(evicted(open(9, OverCap::Single)), [2, 3, 1]);
        assert_eq!(evicted(open(4, OverCap::Reject)), [0u8; 0]);
        assert_eq!(evicted(open(0, OverCap::Reject)), [0u8; 0]);
        assert_eq!(refused(open(3, OverCap::Reject)), OpenRefusal::SessionLimitExceeded);
    }

    #[test]
    fn ended_sessions_take_no_place() {
        let ended = [
            existing(1, 100).revoked(NOW, RevokeReason::Logout),
            SessionRecord { idle_expires_at: NOW, ..existing(2, 100) },
        ];
        assert_eq!(evicted(open(&account(), &ended, request(9), NOW, &policy(1, OverCap::Reject))), [0u8; 0]);
        assert_eq!(evicted(open(&account(), &ended, request(9), NOW, &policy(0, OverCap::Single))), [0u8; 0]);
    }

    #[test]
    fn a_place_is_asked_for_last_and_opens_nothing_by_itself() {
        let sessions = [existing(1, 300), existing(2, 100)];
        let open = |seat, max, rule| {
            open(&account(), &sessions, OpenRequest { seat, ..request(9) }, NOW, &policy(max, rule))
        };
        let OpenOutcome::SeatWanted(wish) = open(Seat::Unasked, 2, OverCap::Evict) else { panic!("no wish") };
        assert_eq!(wish.session, SessionId::from_bytes([9; 16]));
        assert_eq!(wish.replaced, [SessionId::from_bytes([2; 16])]);
        assert_eq!(wish.idle_expires_at, NOW.plus(Seconds::new(3600)));
        assert_eq!(evicted(open(Seat::Granted, 2, OverCap::Evict)), [2]);
        let full = refused(open(Seat::Refused, 2, OverCap::Evict));
        assert_eq!(
            (full, full.code()),
            (OpenRefusal::TenantSessionLimitExceeded, "tenant_session_limit_exceeded")
        );
        // Whoever may not open a session anyway takes nobody's place.
        let own = refused(open(Seat::Unasked, 2, OverCap::Reject));
        assert_eq!(own, OpenRefusal::SessionLimitExceeded);
        // And what is open already needs none.
        let OpenOutcome::Opened { session, .. } = open(Seat::Granted, 0, OverCap::Evict) else {
            panic!("refused");
        };
        let again = OpenRequest { seat: Seat::Refused, ..request(9) };
        let again = super::open(&account(), &[session], again, NOW, &policy(1, OverCap::Evict));
        assert!(matches!(again, OpenOutcome::AlreadyOpen { .. }), "{again:?}");
    }

    #[test]
    fn what_must_be_bound_must_be_there() {
        let rule = BindingRule { enforce: true, detect: true };
        let device = DeviceBinding { user_agent: rule, ..DeviceBinding::default() };
        let ttl = Seconds::new(60);
        let policy = OpenPolicy::new(ttl, ttl, 0, OverCap::Evict, device).unwrap();
        let from = |network, agent| {
            let fingerprint = DeviceFingerprint::of_bytes(network, agent);
            open(&account(), &[], OpenRequest { fingerprint, ..request(9) }, NOW, &policy)
        };
        assert_eq!(refused(from(Some(1), None)), OpenRefusal::DeviceHintMissing);
        let OpenOutcome::Opened { session, .. } = from(None, Some(1)) else { panic!("it was there") };
        let fingerprint = serde_json::to_string(&session.fingerprint).unwrap();
        assert_eq!(fingerprint, r#"{"network":null,"user_agent":"AQEBAQEBAQEBAQEBAQEBAQ"}"#);
    }

    #[test]
    fn a_policy_under_which_no_session_lives_is_refused() {
        let policy = |idle, absolute| {
            let device = DeviceBinding::default();
            OpenPolicy::new(Seconds::new(idle), Seconds::new(absolute), 0, OverCap::Evict, device).map(|_| ())
        };
        assert_eq!(policy(0, 10), Err(OpenPolicyError::IdleZero));
        assert_eq!(policy(11, 10), Err(OpenPolicyError::IdleAboveAbsolute));
        assert_eq!(policy(10, 10), Ok(()));
    }

    #[test]
    fn a_session_is_remembered_only_if_somebody_asks_and_the_policy_has_it() {
        let opened = |policy: &OpenPolicy, remember| {
            let request = OpenRequest { remember, ..request(9) };
            let OpenOutcome::Opened { session, .. } = open(&account(), &[], request, NOW, policy) else {
                panic!("refused");
            };
            let lasts = session.absolute_expires_at.millis_since(session.created_at) / 1_000;
            (session.remembered, lasts, session.idle_expires_at.millis_since(NOW) / 1_000)
        };
        let without = policy(0, OverCap::Evict);
        let with = without.with_remember(Some(Seconds::new(604_800)));
        assert_eq!(opened(&without, false), (false, 86_400, 3_600));
        assert_eq!(opened(&without, true), (false, 86_400, 3_600));
        assert_eq!(opened(&with, false), (false, 86_400, 3_600));
        assert_eq!(opened(&with, true), (true, 604_800, 3_600));
    }

    #[test]
    fn sessions_of_one_moment_end_in_different_ones_and_none_too_late() {
        let policy = policy(0, OverCap::Evict).with_jitter(Seconds::new(30));
        let life = |policy: &OpenPolicy, first: u32| {
            let mut id = [7; 16];
            for (place, byte) in id.iter_mut().zip(first.to_be_bytes()) {
                *place = byte;
            }
            policy.lifetime(&SessionId::from_bytes(id), false).0.as_secs()
        };
        let lives: alloc::collections::BTreeSet<u32> = (0..1_000).map(|first| life(&policy, first)).collect();
        assert_eq!((lives.len(), lives.first(), lives.last()), (31, Some(&86_370), Some(&86_400)));
        assert_eq!(life(&policy, 5), life(&policy, 5));
        assert!((86_370..=86_400).contains(&life(&policy, u32::MAX)));
        // A short life is hardly shortened, and one of seconds not at all.
        let short = |seconds| {
            let ttl = Seconds::new(seconds);
            let policy = OpenPolicy::new(ttl, ttl, 0, OverCap::Evict, DeviceBinding::default()).unwrap();
            (0..1_000).map(|first| life(&policy.with_jitter(Seconds::new(3_600)), first)).min().unwrap()
        };
        assert_eq!((short(1), short(19), short(20), short(200)), (1, 19, 19, 190));
    }
}
