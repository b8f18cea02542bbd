//! `POST /api/v1/auth/validate {token, mode?, audience?, permissions?, include_roles?, include_permissions?, details?, max_age?, acr?,
//! client_ip?, client_user_agent?, dpop?}` → 200 with what the token says. Other Workers ask the same question by `env.AUTH.validate`.
//!
//! 401 for a token that is not good, or whose authentication is too old or too weak for the question, with the reason as its code; 403 when a permission is missing.

use crate::route::authenticate::{Authenticated, admitted, mode_within, verified};
use crate::route::exchange::{Event, Exchange};
use crate::route::possession::{self, Elsewhere, Shown};
use crate::route::session;
use crate::store::definitions;
use crate::wire::answer::{Answer, respond, with_member};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::authentication::{AuthenticationClass, AuthenticationDemand};
use postern_core::dpop::normal_address;
use postern_core::flow::validate::{RouteMode, TokenSubject};
use postern_core::id::{AccountId, SessionId};
use postern_core::json;
use postern_core::jwt::VerifiedClaims;
use postern_core::permission::PermissionMask;
use postern_core::session::DeviceHint;
use postern_core::time::Seconds;
use serde::Serialize;
use std::net::IpAddr;

/// The most permissions that one call may ask for: as many as the widest mask has.
const MOST_PERMISSIONS: usize = 508;
/// The most audiences that one call may name: as many as a deployment has.
const MOST_AUDIENCES: usize = 16;

/// What a caller wants to know about a token.
struct Question {
    token: String,
    mode: RouteMode,
    /// The token has to be for one of these, and not only for one of the deployment's; none asks nothing.
    audiences: Vec<String>,
    /// The token has to have all of these.
    permissions: Vec<String>,
    include_roles: bool,
    include_permissions: bool,
    details: bool,
    /// What the authentication behind the token has to be.
    demand: AuthenticationDemand,
    /// The device that presented the token to whoever asks, if they say. Where the question comes from says nothing
    /// about that: a service asks for its clients.
    client: Option<DeviceHint>,
    /// The key that the token came with.
    shown: Option<Elsewhere>,
}

impl Question {
    fn read(mut body: Body) -> Result<Self, Problem> {
        let mode = body.optional_text("mode")?;
        let mode = mode.map_or(Some(RouteMode::Inherit), |name| RouteMode::from_name(&name));
        Ok(Self {
            token: body.text("token")?,
            mode: mode.ok_or_else(|| {
                Problem::invalid_field("mode", "must be inherit, jwt_only, hybrid or strict")
            })?,
            audiences: body.one_or_more_texts("audience", MOST_AUDIENCES)?,
            permissions: body.texts("permissions", MOST_PERMISSIONS)?,
            include_roles: body.optional_flag("include_roles")?.unwrap_or(true),
            include_permissions: body.optional_flag("include_permissions")?.unwrap_or(true),
            details: body.optional_flag("details")?.unwrap_or(false),
            demand: demand(&mut body)?,
            client: client(&mut body)?,
            shown: shown(&mut body)?,
        })
    }
}

/// `{max_age?, acr?}`, as RFC 9470 §4 has them.
fn demand(body: &mut Body) -> Result<AuthenticationDemand, Problem> {
    let max_age = body.optional_count("max_age")?.map(Seconds::new);
    let Some(name) = body.optional_text("acr")? else {
        return Ok(AuthenticationDemand { max_age, class: None });
    };
    let class = AuthenticationClass::from_name(&name);
    let class = class
        .ok_or_else(|| Problem::invalid_field("acr", "must be urn:postern:acr:1 or urn:postern:acr:2"))?;
    Ok(AuthenticationDemand { max_age, class: Some(class) })
}

/// `{dpop: {proof, method, url} | {thumbprint}}`: a proof to be checked here, or the key of one that was checked.
fn shown(body: &mut Body) -> Result<Option<Elsewhere>, Problem> {
    if !body.has("dpop") {
        return Ok(None);
    }
    let mut shown = body.object("dpop")?;
    if let Some(thumbprint) = shown.optional_text("thumbprint")? {
        return Ok(Some(Elsewhere::Checked(thumbprint)));
    }
    let (proof, method, url) = (shown.text("proof")?, shown.text("method")?, shown.text("url")?);
    let address = normal_address(&url);
    let address = address.ok_or_else(|| Problem::invalid_field("url", "must be an http or https address"))?;
    Ok(Some(Elsewhere::Proof(Shown { proof, method, addresses: vec![address] })))
}

/// What the question says of the client. One of the two alone says that there was no other.
fn client(body: &mut Body) -> Result<Option<DeviceHint>, Problem> {
    let ip = body.optional_text("client_ip")?;
    let user_agent = body.optional_text("client_user_agent")?;
    if ip.as_ref().is_some_and(|ip| ip.parse::<IpAddr>().is_err()) {
        return Err(Problem::invalid_field("client_ip", "must be an IPv4 or IPv6 address"));
    }
    let said = ip.is_some() || user_agent.is_some();
    Ok(said.then(|| DeviceHint::new(user_agent.as_deref(), ip.as_deref())))
}

/// The answer about a token that is good: all but its claims, which are passed on as they are signed.
#[derive(Serialize)]
struct Valid {
    active: bool,
    mode: &'static str,
    account_id: AccountId,
    session_id: SessionId,
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionDetails>,
}

/// From the copy at the edge, so possibly a minute old, and absent if no copy has arrived yet.
#[derive(Serialize)]
struct SessionDetails {
    created_at: u64,
    expires_at: u64,
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let body = Body::read(&exchange.request).await?;
    let caller_is_client = exchange.environment.config().device_binding().caller_is_client;
    let document = document(exchange, body, caller_is_client.then(|| exchange.device())).await?;
    respond(200, "application/json", "no-store", document.into_bytes())
}

/// Answers a question that another Worker asks, as the text of the body that the route takes.
pub(crate) async fn answer(event: Event, question: &str) -> Result<String, Problem> {
    let mut body = Body::from_text(question)?;
    let tenant = body.optional_text("tenant")?;
    let event = event.for_tenant(tenant.as_deref())?;
    document(&event, body, None).await
}

/// The one way from a question to its answer, a JSON document, whoever asks. `caller` is who asks, where that is the
/// client of whom nothing else is said.
async fn document(event: &Event, body: Body, caller: Option<DeviceHint>) -> Result<String, Problem> {
    let mut question = Question::read(body)?;
    let client = question.client.take().or(caller);
    let bearer = verified(event, &question.token).await?;
    let is_bound = bearer.claims.confirmation_thumbprint().is_some();
    let document = document_about(event, question, bearer, client).await;
    // Whoever asks may pass the challenge on to the client that the token is of.
    document.map_err(|problem| if is_bound { problem.for_bound_token() } else { problem })
}

/// The same, once the token is known to be one of ours.
async fn document_about(
    event: &Event,
    question: Question,
    bearer: Authenticated,
    client: Option<DeviceHint>,
) -> Result<String, Problem> {
    let mode = mode_within(&event.environment, question.mode);
    check_audience(&bearer.claims, &question.audiences)?;
    let shown = possession::elsewhere(event, &bearer.claims, &question.token, question.shown).await?;
    let bearer = admitted(event, bearer, mode, client, shown).await?;
    check_authentication(event, &bearer.claims, question.demand)?;
    catch_up(event, &bearer.claims, &question.permissions).await;
    let permissions = permissions(event, &bearer.claims, &question.permissions)?;
    let session = if question.details { session_details(event, &bearer.subject).await } else { None };
    let Authenticated { claims, subject } = bearer;
    let valid = Valid {
        active: true,
        mode: mode.name(),
        account_id: subject.account,
        session_id: subject.session,
        tenant: subject.tenant.as_str().into(),
        roles: question.include_roles.then(|| claims.roles().into()),
        permissions: question.include_permissions.then_some(permissions),
        session,
    };
    let text = json::write(&valid).map_err(|error| Problem::internal("answer", error))?;
    Ok(with_member(text, "claims", claims.payload()))
}

fn check_authentication(
    event: &Event,
    claims: &VerifiedClaims,
    demand: AuthenticationDemand,
) -> Result<(), Problem> {
    let (methods, at) = (claims.authentication_methods(), claims.authenticated_at());
    if demand.is_met(methods, at, event.ambient.now().to_seconds()) {
        Ok(())
    } else {
        Err(Problem::reauthentication(demand))
    }
}

/// A service that says who it is gets no token that was issued to be used elsewhere.
fn check_audience(claims: &VerifiedClaims, wanted: &[String]) -> Result<(), Problem> {
    let is_wanted = |audience: &String| wanted.contains(audience);
    if wanted.is_empty() || claims.audiences().iter().any(is_wanted) {
        Ok(())
    } else {
        Err(Problem::token("audience_mismatch"))
    }
}

/// Learns what was defined since this isolate last asked, if the token or the question knows more of it. Where that fails,
/// the answer is by what is known.
pub(crate) async fn catch_up(event: &Event, claims: &VerifiedClaims, required: &[String]) {
    let Ok(settings) = event.environment.permissions() else { return };
    let registry = &settings.registry;
    let is_newer =
        claims.registry_version().is_some_and(|version| version > registry.version().as_u32().into());
    if !is_newer && required.iter().all(|name| registry.place_of(name).is_some()) {
        return;
    }
    if let Err(problem) = definitions::catch_up(&event.environment, event.ambient.now()).await {
        worker::console_error!("definitions: {}", problem.code());
    }
}

/// The names of the token's permissions; refused if one of `required` is missing. A permission that nobody has
/// declared is missing from every mask, root included: it is a mistake of the caller.
pub(crate) fn permissions(
    event: &Event,
    claims: &VerifiedClaims,
    required: &[String],
) -> Result<Vec<String>, Problem> {
    let settings = event.environment.permissions()?;
    let registry = &settings.registry;
    if let Some(unknown) = required.iter().find(|name| registry.bit_of(name).is_none()) {
        let rule = format_args!("names a permission that is not declared: {unknown:?}").to_string();
        return Err(Problem::invalid_field("permissions", rule));
    }
    let Some(text) = claims.permission_mask() else {
        return if required.is_empty() { Ok(Vec::new()) } else { Err(Problem::permission_denied()) };
    };
    let mask: PermissionMask = registry.read_mask(text).map_err(|_| Problem::token("token_stale"))?;
    if required.iter().all(|name| registry.allows(&mask, name)) {
        Ok(registry.names_of(mask).map(|name| name.as_str().into()).collect())
    } else {
        Err(Problem::permission_denied())
    }
}

async fn session_details(event: &Event, subject: &TokenSubject) -> Option<SessionDetails> {
    let snapshot = session::snapshot(event, subject).await?;
    Some(SessionDetails {
        created_at: snapshot.created_at.as_millis(),
        expires_at: snapshot.expires_at.as_millis(),
    })
}
