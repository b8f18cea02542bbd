//! Passwords, throttling, sign-up and sessions.

use postern_core::account::{AccountRecord, AccountStatus, ObjectClock};
use postern_core::entropy::Random;
use postern_core::flow::login::{self, StoredCredential};
use postern_core::id::{AccountId, OperationId, RegistrationId, SessionId};
use postern_core::intake::{
    ClaimRequest, ClaimSelector, NewSignUp, OpenSignUpOutcome, SignUpAddress, SignUpPolicy, claim_sign_up,
    open_sign_up,
};
use postern_core::password::{Arena, Argon2Params, PasswordInput, Pepper, Peppers, StoredHash, hash};
use postern_core::permission::AuthorizationSnapshot;
use postern_core::secret::{Secret, SecretText};
use postern_core::session::{
    self, DeviceBinding, DeviceFingerprint, DeviceHint, EdgeKey, OpenOutcome, OpenPolicy, OpenRequest,
    OverCap, Presentation, RefreshToken, RotationPolicy, Seat,
};
use postern_core::throttle::{self, LockoutPolicy, LockoutRecords, RateLimit};
use postern_core::time::{Seconds, UnixMillis};
use std::error::Error;
use std::hint::black_box;

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);

fn peppers() -> Peppers {
    Peppers::new(Some(Pepper::new(1, Secret::new(black_box([5; 32])))), Vec::new())
}

pub(crate) fn passwords() {
    let _ = black_box(try_passwords());
}

fn try_passwords() -> Result<bool, Box<dyn Error>> {
    let params = Argon2Params::new(64, 1, 1)?;
    let password = PasswordInput::new(SecretText::new(black_box("correct horse").into()))?;
    let mut arena = Arena::new();
    let stored = hash(&password, Random::new(black_box([8; 16])), params, &peppers(), &mut arena)?;
    let stored = StoredHash::Own(stored);
    let stored = StoredCredential { account: ACCOUNT, password: Some(stored), version: 1 };
    let outcome = login::decide(&password, Some(&stored), params, &peppers(), &mut arena);
    Ok(matches!(outcome, login::LoginOutcome::Proven { .. }))
}

pub(crate) fn throttling() {
    if let Ok(limit) = RateLimit::new(black_box(5), Seconds::new(60)) {
        let _ = black_box(throttle::decide(None, NOW, limit, 1));
    }
    let policy = LockoutPolicy::default();
    let _ = black_box(throttle::decide_attempt(LockoutRecords::default(), NOW, &policy));
}

pub(crate) fn sign_up() {
    let _ = black_box(try_sign_up());
}

fn try_sign_up() -> Result<(), Box<dyn Error>> {
    let (tenant, peppers, policy) = ("default".parse()?, peppers(), SignUpPolicy::default());
    let address = SignUpAddress { tenant: &tenant, kind: "email", identifier: "ann@example.com" };
    let code = SecretText::new(black_box("123456").into());
    let registration_id = RegistrationId::from_bytes([3; 16]);
    let new = NewSignUp { registration_id, code: &code, password: None, display_name: None, username: None };
    let pepper = peppers.current().ok_or("no pepper")?;
    let OpenSignUpOutcome::Opened { writes, .. } = open_sign_up(&[], &address, new, pepper, NOW, &policy)
    else {
        return Err("not opened".into());
    };
    let request = ClaimRequest {
        code: &code,
        selector: ClaimSelector::Bare,
        account_id: ACCOUNT,
        operation_id: OperationId::from_bytes([6; 16]),
    };
    let _ = black_box(claim_sign_up(&writes.put, None, &address, request, &peppers, NOW, &policy));
    Ok(())
}

pub(crate) fn sessions() {
    let _ = black_box(try_sessions());
}

fn try_sessions() -> Result<(), Box<dyn Error>> {
    let account = AccountRecord {
        id: ACCOUNT,
        tenant: "default".parse()?,
        status: AccountStatus::Active,
        cause: None,
        account_version: 1,
        credential_version: 1,
        fenced_version: 0,
        authorization: Box::new(AuthorizationSnapshot {
            roles: Vec::new(),
            permission_mask: "AAAAAAAAAAA".into(),
            registry_version: 0,
            version: 1,
            ..AuthorizationSnapshot::default()
        }),
        entitlements: Box::default(),
        clock: ObjectClock::default(),
    };
    let request = OpenRequest {
        id: SessionId::from_bytes([2; 16]),
        session_key: Secret::new(black_box([7; 32])),
        tenant: "default".parse()?,
        client_id: "web".parse()?,
        credential_version: 1,
        edge_key_id: 1,
        amr: vec!["pwd".into()],
        auth_time: NOW.to_seconds(),
        key_thumbprint: None,
        device: DeviceHint::default(),
        fingerprint: DeviceFingerprint::default(),
        remember: false,
        seat: Seat::Granted,
    };
    let (idle, binding) = (Seconds::new(3_600), DeviceBinding::default());
    let policy = OpenPolicy::new(idle, idle, 10, OverCap::Evict, binding)?;
    let OpenOutcome::Opened { token, session, account, .. } =
        session::open(&account, &[], request, NOW, &policy)
    else {
        return Err("not opened".into());
    };
    let edge_key = EdgeKey::new(1, Secret::new(black_box([4; 32])));
    let text = token.compose("https://auth.example.com", &edge_key)?;
    let token = RefreshToken::parse(text.expose())?.check_edge_tag("https://auth.example.com", &edge_key)?;
    let presentation = Presentation {
        token: &token,
        tenant: &account.tenant,
        client_id: &session.client_id,
        key_proof: None,
        device: &DeviceHint::default(),
        fingerprint: &DeviceFingerprint::default(),
    };
    let rotation = RotationPolicy::new(Seconds::new(30), idle, None, binding)?;
    let _ = black_box(session::decide(&presentation, Some(&account), Some(&session), NOW, &rotation, 1));
    Ok(())
}
