//! Access tokens, of bearers and in cookies: verified, and checked against revocation by the mode that a route asks for.

use crate::environment::Environment;
use crate::object::account::CheckedDevice;
use crate::object::call::ask;
use crate::object::revocation::{RevocationCall, name};
use crate::route::cookies;
use crate::route::exchange::{Event, Exchange};
use crate::route::possession::{self, Presented, Scheme};
use crate::store::accounts::Accounts;
use crate::store::{keyring, shards};
use crate::wire::problem::Problem;
use postern_core::config::{DpopMode, ValidationMode};
use postern_core::dpop::ShownKey;
use postern_core::flow::validate::{Mode, Next, RouteMode, TokenSubject, by_shard};
use postern_core::jwt::{VerifiedClaims, VerifyError};
use postern_core::revocation::{SHARDS, shard_of};
use postern_core::session::{DeviceBinding, DeviceHint, SessionVerdict};
use postern_core::time::UnixMillis;
use std::cell::Cell;

/// As often as the writer can write.
const MILLIS_BETWEEN_HEARTBEATS: u64 = 1_000;

/// A token that passed: what it says and whom it is about.
pub(crate) struct Authenticated {
    pub(crate) claims: VerifiedClaims,
    pub(crate) subject: TokenSubject,
}

/// Whoever presents the token of the `Authorization` header, or the owner of the cookie, in the configured mode.
pub(crate) async fn bearer(exchange: &Exchange) -> Result<Authenticated, Problem> {
    bearer_in(exchange, RouteMode::Inherit).await
}

/// The same, in the mode of the route.
pub(crate) async fn bearer_in(exchange: &Exchange, mode: RouteMode) -> Result<Authenticated, Problem> {
    let by_cookie = cookies::session_token(exchange);
    let is_page = by_cookie.is_some();
    let by_cookie = by_cookie.map(|token| Presented { scheme: Scheme::Bearer, token });
    let presented =
        by_cookie.or_else(|| presented(exchange)).ok_or_else(|| Problem::token("token_missing"))?;
    let authenticated = verified(exchange, &presented.token).await?;
    if is_page {
        cookies::check_token(exchange, &*exchange.keyring().await?, &authenticated.subject.session)?;
    }
    let shown = possession::of_token(exchange, &authenticated.claims, &presented).await?;
    let mode = mode_within(&exchange.environment, mode);
    admitted(exchange, authenticated, mode, Some(exchange.device()), shown).await
}

/// The token of an `Authorization` header, by one of the two schemes; these in any case (RFC 9110 §11.1).
pub(crate) fn presented(exchange: &Exchange) -> Option<Presented> {
    let header = exchange.header("authorization")?;
    let (scheme, token) = header.split_once(' ')?;
    let schemes = [("bearer", Scheme::Bearer), ("dpop", Scheme::Dpop)];
    let (_, scheme) = schemes.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name))?;
    Some(Presented { scheme, token: token.trim().into() }).filter(|presented| !presented.token.is_empty())
}

/// A refusal of this request, whose challenge names the scheme by which the token came, or has to come.
pub(crate) fn challenged(exchange: &Exchange, problem: Problem) -> Problem {
    let is_required = exchange.environment.config().dpop().mode == DpopMode::Required;
    match presented(exchange) {
        Some(Presented { scheme: Scheme::Dpop, .. }) => problem.for_bound_token(),
        None if is_required => problem.where_all_are_bound(),
        _ => problem,
    }
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer_text(exchange: &Exchange) -> Option<String> {
    let presented = presented(exchange).filter(|presented| presented.scheme == Scheme::Bearer);
    presented.map(|presented| presented.token)
}

/// Signature and claims only.
pub(crate) async fn verified(event: &Event, token: &str) -> Result<Authenticated, Problem> {
    let keyring = event.keyring().await?;
    let policy = event.environment.verification_policy();
    let now = event.ambient.now().to_seconds();
    let mut verdict = keyring.verify(token, policy, now).await;
    if matches!(verdict, Err(VerifyError::KeyNotFound)) {
        // After an emergency the new key is in use at once, and this isolate may not have it yet.
        if let Some(newer) = keyring::load_newer(&event.environment, event.ambient).await? {
            verdict = newer.verify(token, policy, now).await;
        }
    }
    let claims = verdict.map_err(|error| Problem::token(error.code()))?;
    let subject = TokenSubject::of(&claims).map_err(|_| Problem::token("claim_malformed"))?;
    Ok(Authenticated { claims, subject })
}

/// Asks about a verified token what `mode` has to be asked. `device` is the one that the token is used on, as far as
/// whoever asks has said; strict mode compares it with the session's. With a key that was `shown` the account is asked in
/// any mode: it remembers which proofs were used.
pub(crate) async fn admitted(
    event: &Event,
    authenticated: Authenticated,
    mode: Mode,
    device: Option<DeviceHint>,
    shown: Option<ShownKey>,
) -> Result<Authenticated, Problem> {
    let next = match mode {
        _ if shown.is_some() => Next::AskAccount,
        Mode::JwtOnly => Next::Accept,
        Mode::Hybrid => hybrid(event, &authenticated.subject).await,
        Mode::Strict => Next::AskAccount,
    };
    match next {
        Next::Accept => Ok(authenticated),
        Next::Refuse(code) => Err(Problem::token(code)),
        Next::AskAccount => {
            let device = compared(event, &authenticated.subject, mode, device.as_ref()).await?;
            strict(event, authenticated, device, shown).await
        }
    }
}

/// What the account is asked about the device. Nothing where hybrid mode only asks because the edge could not answer:
/// whether a token works must not depend on how old a copy is.
async fn compared(
    event: &Event,
    subject: &TokenSubject,
    mode: Mode,
    device: Option<&DeviceHint>,
) -> Result<CheckedDevice, Problem> {
    if mode != Mode::Strict || event.environment.device_binding() == DeviceBinding::default() {
        return Ok(CheckedDevice::Ignored);
    }
    let Some(device) = device else { return Ok(CheckedDevice::Unknown) };
    let keyring = event.keyring().await?;
    let fingerprint = Accounts::new(&event.environment).fingerprint(&subject.account, device, &keyring);
    Ok(CheckedDevice::Known(Box::new(fingerprint)))
}

/// One read of KV, or a copy of some seconds ago; the account itself only if the shard there is missing or too old.
async fn hybrid(event: &Event, subject: &TokenSubject) -> Next {
    let shard_number = shard_of(&subject.account);
    let now = event.ambient.now();
    let shard = shards::read(&event.environment, shard_number, now).await;
    let staleness = event.environment.config().validation().staleness;
    if shard.as_ref().is_none_or(|shard| shard.wants_heartbeat(now, staleness)) {
        heartbeat_afterwards(event, shard_number, now);
    }
    by_shard(subject, shard.as_deref(), now, staleness)
}

async fn strict(
    event: &Event,
    authenticated: Authenticated,
    device: CheckedDevice,
    shown: Option<ShownKey>,
) -> Result<Authenticated, Problem> {
    match Accounts::new(&event.environment).check(&authenticated.subject, device, shown).await {
        Ok(SessionVerdict::DeviceRejected) => Err(Problem::device_binding_rejected()),
        Ok(SessionVerdict::ProofRefused(refusal)) => Err(Problem::replayed(refusal, true)),
        Ok(verdict) => verdict.code().map_or(Ok(authenticated), |code| Err(Problem::token(code))),
        Err(error) => {
            worker::console_error!("strict validation: {error}");
            Err(Problem::strict_backend_unavailable())
        }
    }
}

thread_local! {
    /// When this isolate last asked each shard for a heartbeat.
    static LAST_HEARTBEATS: Cell<[UnixMillis; SHARDS as usize]> =
        const { Cell::new([UnixMillis::new(0); SHARDS as usize]) };
}

/// Asks the shard's writer to write again: once a second at most, however many readers find it old.
fn heartbeat_afterwards(event: &Event, shard: u8, now: UnixMillis) {
    let mut last = LAST_HEARTBEATS.get();
    match last.get_mut(usize::from(shard)) {
        Some(last) if now.millis_since(*last) >= MILLIS_BETWEEN_HEARTBEATS => *last = now,
        _ => return,
    }
    LAST_HEARTBEATS.set(last);
    let environment = event.environment.clone();
    event.afterwards(async move {
        let call = RevocationCall::Heartbeat { shard };
        ask::<_, bool>(&environment.revocation_objects()?, &name(shard), None, &call)
            .await
            .map(|_| ())
            .map_err(|error| Problem::unavailable("revocation", error))
    });
}

/// The mode of a route in this deployment.
pub(crate) fn mode_within(environment: &Environment, route: RouteMode) -> Mode {
    route.within(match environment.config().validation().mode {
        ValidationMode::JwtOnly => Mode::JwtOnly,
        ValidationMode::Hybrid => Mode::Hybrid,
        ValidationMode::Strict => Mode::Strict,
    })
}
