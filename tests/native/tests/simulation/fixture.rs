//! One account with one session, and its owner as the worker would run it: parse, decide, commit, answer.

use postern_core::account::{AccountRecord, AccountStatus, ObjectClock};
use postern_core::id::{AccountId, ClientId, SessionId, TenantId};
use postern_core::permission::AuthorizationSnapshot;
use postern_core::secret::Secret;
use postern_core::session::{
    DeviceBinding, DeviceFingerprint, DeviceHint, EdgeKey, FingerprintKey, KeyThumbprint, NetworkPrefixes,
    OpenOutcome, OpenPolicy, OpenRequest, OverCap, Presentation, PresentedRefreshToken, RefreshToken,
    RotationOutcome, RotationPolicy, Seat, SessionRecord, TokenParts, decide, open,
};
use postern_core::time::{Seconds, UnixMillis};
use std::collections::BTreeMap;

pub(crate) const ISSUER: &str = "https://auth.example";
pub(crate) const OPENED_AT: u64 = 1_700_000_000_000;
pub(crate) const KEY: KeyThumbprint = KeyThumbprint::from_bytes([3; 32]);

pub(crate) fn edge_key(id: u32) -> EdgeKey {
    EdgeKey::new(id, Secret::new([9; 32]))
}

pub(crate) fn compose(parts: &TokenParts) -> String {
    parts.compose(ISSUER, &edge_key(parts.edge_key_id())).unwrap().expose().to_owned()
}

pub(crate) fn presented(text: &str) -> PresentedRefreshToken {
    let token = RefreshToken::parse(text).unwrap();
    let key = edge_key(token.edge_key_id());
    token.check_edge_tag(ISSUER, &key).unwrap()
}

pub(crate) fn policy(grace_seconds: u32, idle_seconds: u32, device: DeviceBinding) -> RotationPolicy {
    let (grace, idle) = (Seconds::new(grace_seconds), Seconds::new(idle_seconds));
    RotationPolicy::new(grace, idle, None, device).unwrap()
}

/// Where a request comes from, and with which user agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) address: &'static str,
    pub(crate) user_agent: &'static str,
}

/// A newly opened session, its account, and its first token.
pub(crate) fn opened(
    idle_seconds: u32,
    absolute_seconds: u32,
    key_thumbprint: Option<KeyThumbprint>,
) -> (AccountRecord, SessionRecord, String) {
    let account = AccountRecord {
        id: AccountId::from_bytes([1; 16]),
        tenant: "acme".parse().unwrap(),
        status: AccountStatus::Active,
        cause: None,
        account_version: 1,
        credential_version: 1,
        fenced_version: 0,
        authorization: Box::new(AuthorizationSnapshot {
            roles: Vec::new(),
            permission_mask: String::new(),
            registry_version: 1,
            version: 1,
            ..AuthorizationSnapshot::default()
        }),
        entitlements: Box::default(),
        clock: ObjectClock::default(),
    };
    let request = OpenRequest {
        id: SessionId::from_bytes([2; 16]),
        session_key: Secret::new([5; 32]),
        tenant: "acme".parse().unwrap(),
        client_id: "web".parse().unwrap(),
        credential_version: 1,
        edge_key_id: 0,
        amr: Vec::new(),
        auth_time: UnixMillis::new(OPENED_AT).to_seconds(),
        key_thumbprint,
        device: DeviceHint::default(),
        fingerprint: DeviceFingerprint::default(),
        remember: false,
        seat: Seat::Granted,
    };
    let (idle, absolute) = (Seconds::new(idle_seconds), Seconds::new(absolute_seconds));
    let policy = OpenPolicy::new(idle, absolute, 0, OverCap::Evict, DeviceBinding::default()).unwrap();
    match open(&account, &[], request, UnixMillis::new(OPENED_AT), &policy) {
        OpenOutcome::Opened { token, session, account, .. } => (account, session, compose(&token)),
        other => panic!("{other:?}"),
    }
}

/// Who asks: the tenant and client of [`opened`].
pub(crate) struct Caller {
    tenant: TenantId,
    client_id: ClientId,
    device: DeviceHint,
    fingerprint: DeviceFingerprint,
}

impl Caller {
    pub(crate) fn new() -> Self {
        Self {
            tenant: "acme".parse().unwrap(),
            client_id: "web".parse().unwrap(),
            device: DeviceHint::default(),
            fingerprint: DeviceFingerprint::default(),
        }
    }

    /// The same from a place, in a deployment that compares the first 24 bits of addresses.
    pub(crate) fn at(Place { address, user_agent }: Place) -> Self {
        let device = DeviceHint::new(Some(user_agent), Some(address));
        let prefixes = NetworkPrefixes { ipv4_bits: 24, ..NetworkPrefixes::default() };
        let key = FingerprintKey::new(Secret::new([8; 32]));
        let fingerprint = DeviceFingerprint::of(&device, &AccountId::from_bytes([1; 16]), &key, prefixes);
        Self { device, fingerprint, ..Self::new() }
    }

    pub(crate) fn presents<'a>(
        &'a self,
        token: &'a PresentedRefreshToken,
        key_proof: Option<&'a KeyThumbprint>,
    ) -> Presentation<'a> {
        Presentation {
            token,
            tenant: &self.tenant,
            client_id: &self.client_id,
            key_proof,
            device: &self.device,
            fingerprint: &self.fingerprint,
        }
    }
}

/// What the owner answers, and the row that did.
pub(crate) struct Answer {
    pub(crate) row: u8,
    /// `None` is `refresh_invalid`.
    pub(crate) token: Option<String>,
}

/// The account's owner. It checks of itself that no two tokens of one generation differ, and that generations
/// only grow.
pub(crate) struct Owner {
    account: AccountRecord,
    session: SessionRecord,
    policy: RotationPolicy,
    answered: BTreeMap<u32, String>,
}

impl Owner {
    pub(crate) fn new(policy: RotationPolicy, opened_from: Place) -> (Self, String) {
        let week = 7 * 86_400;
        let (account, session, token) = opened(week, 4 * week, None);
        let session = SessionRecord { fingerprint: Caller::at(opened_from).fingerprint, ..session };
        (Self { account, session, policy, answered: BTreeMap::new() }, token)
    }

    /// Answers a refresh from a place at `now`; with `crash_before_commit` nothing of it happens.
    pub(crate) fn refresh(
        &mut self,
        text: &str,
        from: Place,
        now: u64,
        crash_before_commit: bool,
    ) -> Option<Answer> {
        let (token, caller) = (presented(text), Caller::at(from));
        let presentation = caller.presents(&token, None);
        let next_edge_key_id = self.session.generation.as_u32() % 3;
        let outcome = decide(
            &presentation,
            Some(&self.account),
            Some(&self.session),
            UnixMillis::new(now),
            &self.policy,
            next_edge_key_id,
        );
        if crash_before_commit {
            return None;
        }
        let row = outcome.row();
        let token = outcome.token().map(compose);
        match outcome {
            RotationOutcome::Advanced { session, clock, .. }
            | RotationOutcome::Expired { session, clock, .. }
            | RotationOutcome::FamilyRevoked { session, clock, .. } => {
                assert!(session.generation >= self.session.generation, "generations only grow");
                self.session = session;
                self.account.clock = clock;
            }
            RotationOutcome::AllRevoked { revoke, .. } => {
                self.session = revoke.apply(self.session.clone());
            }
            RotationOutcome::Repeated { .. } | RotationOutcome::Refused { .. } => {}
        }
        if let Some(token) = &token {
            let first =
                self.answered.entry(self.session.generation.as_u32()).or_insert_with(|| token.clone());
            assert_eq!(first, token, "one generation has one token");
        }
        Some(Answer { row, token })
    }
}
