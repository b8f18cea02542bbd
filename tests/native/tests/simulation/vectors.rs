//! Runs `tests/vectors/rotation/*.json`.

use postern_core::account::AccountRecord;
use postern_core::codec::base64url;
use postern_core::id::{ClientId, TenantId};
use postern_core::secret::Secret;
use postern_core::session::{
    BindingRule, DeviceBinding, DeviceFingerprint, DeviceHint, EdgeKey, KeyThumbprint, LogoutOutcome, Notice,
    Presentation, PresentedRefreshToken, RefreshLimit, RefreshToken, RotationOutcome, RotationPolicy,
    RotationRefusal, SessionRecord, TokenParts, decide, logout,
};
use postern_core::time::{Seconds, UnixMillis};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const TOKENS: &str = include_str!("../../../vectors/rotation/token.json");
const RULE: &str = include_str!("../../../vectors/rotation/rule.json");
const LOGOUT: &str = include_str!("../../../vectors/rotation/logout.json");

#[derive(Deserialize)]
struct File<Case> {
    base: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct TokenCase {
    name: String,
    token: String,
    #[serde(flatten)]
    expect: Value,
}

#[derive(Deserialize)]
struct RuleCase {
    name: String,
    token: String,
    now: u64,
    #[serde(default)]
    policy: Value,
    request: Value,
    account: Value,
    session: Value,
    expect: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    tenant: TenantId,
    client_id: ClientId,
    key_proof: Option<KeyThumbprint>,
    device: DeviceHint,
    fingerprint: DeviceFingerprint,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    grace_seconds: u32,
    idle_ttl_seconds: u32,
    limit: Option<Limit>,
    network: Rule,
    user_agent: Rule,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    enforce: bool,
    detect: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    advances: u32,
    window_seconds: u32,
}

#[test]
fn tokens() {
    let file: File<TokenCase> = serde_json::from_str(TOKENS).unwrap();
    for case in file.cases {
        let given = match RefreshToken::parse(&case.token) {
            Err(_) => json!({ "verdict": "malformed" }),
            Ok(token) => match edge_key(&file.base, token.edge_key_id()) {
                None => json!({ "verdict": "unknown_edge_key", "edge_key_id": token.edge_key_id() }),
                Some(key) => match token.check_edge_tag(issuer(&file.base), &key) {
                    Err(_) => json!({ "verdict": "edge_tag_wrong" }),
                    Ok(token) => json!({
                        "verdict": "checked",
                        "account": token.account(),
                        "session": token.session(),
                        "generation": token.generation(),
                        "edge_key_id": token.edge_key_id(),
                    }),
                },
            },
        };
        assert_eq!(given, case.expect, "{}", case.name);
    }
}

#[test]
fn rule() {
    let file: File<RuleCase> = serde_json::from_str(RULE).unwrap();
    let mut rows_seen = [0; 14];
    for case in &file.cases {
        let inputs = Inputs::read(&file.base, case);
        let next_edge_key_id = file.base["next_edge_key_id"].as_u64().unwrap() as u32;
        let policy: Policy = read(merged(&file.base["policy"], &case.policy).unwrap());
        let limit = policy
            .limit
            .map(|limit| RefreshLimit::new(limit.advances, Seconds::new(limit.window_seconds)).unwrap());
        let rule = |Rule { enforce, detect }| BindingRule { enforce, detect };
        let device = DeviceBinding { network: rule(policy.network), user_agent: rule(policy.user_agent) };
        let (grace, idle) = (Seconds::new(policy.grace_seconds), Seconds::new(policy.idle_ttl_seconds));
        let policy = RotationPolicy::new(grace, idle, limit, device).unwrap();

        let outcome = decide(
            &inputs.presentation(),
            inputs.account.as_ref(),
            inputs.session.as_ref(),
            UnixMillis::new(case.now),
            &policy,
            next_edge_key_id,
        );
        let mut expect = case.expect.clone();
        expect["stored"] = stored_in_full(&file.base, case);
        assert_eq!(answer(&file.base, &outcome), expect, "{}", case.name);
        rows_seen[usize::from(outcome.row())] += 1;
    }
    assert!(rows_seen[2..=13].iter().all(|seen| *seen > 0), "every row has a case: {rows_seen:?}");
}

#[test]
fn logouts() {
    let file: File<RuleCase> = serde_json::from_str(LOGOUT).unwrap();
    for case in &file.cases {
        let inputs = Inputs::read(&file.base, case);
        let (account, session) = (inputs.account.as_ref(), inputs.session.as_ref());
        let given = match logout(&inputs.presentation(), account, session, UnixMillis::new(case.now)) {
            LogoutOutcome::Revoked { session, clock, notices } => {
                json!({ "stored": session, "clock": clock, "notices": notices })
            }
            LogoutOutcome::Nothing => {
                json!({ "stored": null, "clock": null, "notices": Vec::<Notice>::new() })
            }
        };
        let mut expect = case.expect.clone();
        expect["stored"] = stored_in_full(&file.base, case);
        assert_eq!(given, expect, "{}", case.name);
    }
}

struct Inputs {
    token: PresentedRefreshToken,
    request: Request,
    account: Option<AccountRecord>,
    session: Option<SessionRecord>,
}

impl Inputs {
    fn read(base: &Value, case: &RuleCase) -> Self {
        let token = RefreshToken::parse(&case.token).unwrap();
        let key = edge_key(base, token.edge_key_id()).unwrap();
        Self {
            token: token.check_edge_tag(issuer(base), &key).unwrap(),
            request: read(merged(&base["request"], &case.request).unwrap()),
            account: merged(&base["account"], &case.account).map(read),
            session: merged(&base["session"], &case.session).map(read),
        }
    }

    fn presentation(&self) -> Presentation<'_> {
        Presentation {
            token: &self.token,
            tenant: &self.request.tenant,
            client_id: &self.request.client_id,
            key_proof: self.request.key_proof.as_ref(),
            device: &self.request.device,
            fingerprint: &self.request.fingerprint,
        }
    }
}

/// The outcome in the words of the vectors.
fn answer(base: &Value, outcome: &RotationOutcome) -> Value {
    let (stored, clock, revoke_all) = match outcome {
        RotationOutcome::Advanced { session, clock, .. }
        | RotationOutcome::Expired { session, clock, .. }
        | RotationOutcome::FamilyRevoked { session, clock, .. } => (Some(session), Some(clock), None),
        RotationOutcome::AllRevoked { revoke, clock, .. } => {
            assert_eq!(revoke.at, clock.high_water());
            (None, Some(clock), Some(revoke.reason))
        }
        RotationOutcome::Repeated { .. } | RotationOutcome::Refused { .. } => (None, None, None),
    };
    let retry_after = match outcome.refusal() {
        Some(RotationRefusal::RateLimited { retry_after }) => Some(retry_after),
        _ => None,
    };
    json!({
        "row": outcome.row(),
        "code": outcome.refusal().map(RotationRefusal::code),
        "reason": outcome.refusal().map(RotationRefusal::reason),
        "retry_after": retry_after,
        "token": outcome.token().map(|parts| composed(base, parts)),
        "stored": stored,
        "clock": clock,
        "revoke_all": revoke_all,
        "notices": outcome.notices(),
    })
}

fn composed(base: &Value, parts: &TokenParts) -> String {
    let key = edge_key(base, parts.edge_key_id()).unwrap();
    parts.compose(issuer(base), &key).unwrap().expose().to_owned()
}

/// The whole record that a case expects to be stored.
fn stored_in_full(base: &Value, case: &RuleCase) -> Value {
    match &case.expect["stored"] {
        Value::Null => Value::Null,
        changes => merged(&merged(&base["session"], &case.session).unwrap(), changes).unwrap(),
    }
}

fn issuer(base: &Value) -> &str {
    base["issuer"].as_str().unwrap()
}

fn edge_key(base: &Value, id: u32) -> Option<EdgeKey> {
    let keys = base["edge_keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["id"] == id)?;
    let bytes = base64url::decode_array(key["key"].as_str().unwrap().as_bytes()).unwrap();
    Some(EdgeKey::new(id, Secret::new(bytes)))
}

/// `base` with the members of `changes`; `None` when the changes are `null`.
fn merged(base: &Value, changes: &Value) -> Option<Value> {
    let mut merged = base.clone();
    for (name, value) in changes.as_object()? {
        merged[name] = value.clone();
    }
    Some(merged)
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}
