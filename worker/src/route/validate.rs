//! `POST /api/v1/auth/validate {token, mode?, permissions?, details?}` → 200 with what the token says.
//!
//! 401 for a token that is not good, with the reason as its code; 403 when a permission is missing.

use crate::route::authenticate::{authenticate, mode_or_configured};
use crate::route::exchange::Exchange;
use crate::store::edge;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::flow::validate::Mode;
use postern_core::jwt::VerifiedClaims;
use postern_core::permission::PermissionMask;
use serde::Serialize;
use serde_json::value::RawValue;

/// The most permissions that one call may ask for: as many as the widest mask has.
const MOST_PERMISSIONS: usize = 508;

#[derive(Serialize)]
struct Valid<'a> {
    active: bool,
    mode: &'static str,
    claims: &'a RawValue,
    permissions: Vec<String>,
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
    let mut body = Body::read(&exchange.request).await?;
    let token = body.text("token")?;
    let mode = body.optional_text("mode")?;
    let mode = mode_or_configured(&exchange.environment, mode.as_deref())?;
    let required = body.texts("permissions", MOST_PERMISSIONS)?;
    let details = body.optional_flag("details")?.unwrap_or(false);

    let caller = authenticate(exchange, &token, mode).await?;
    let permissions = permissions(exchange, &caller.claims, &required)?;
    let session = if details { session_details(exchange, &caller.subject).await } else { None };
    let claims = RawValue::from_string(caller.claims.payload().into());
    let claims = claims.map_err(|error| Problem::internal("claims", error))?;
    json(200, &Valid { active: true, mode: name_of(mode), claims: &claims, permissions, session })
}

/// The names of the token's permissions; refused if one of `required` is missing. A permission that nobody has
/// declared is missing from every mask, root included: it is a mistake of the caller.
fn permissions(
    exchange: &Exchange,
    claims: &VerifiedClaims,
    required: &[String],
) -> Result<Vec<String>, Problem> {
    let registry = &exchange.environment.config().permissions().registry;
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

async fn session_details(
    exchange: &Exchange,
    subject: &postern_core::flow::validate::TokenSubject,
) -> Option<SessionDetails> {
    let kv = exchange.environment.kv().ok()?;
    let snapshot = edge::read_snapshot(&kv, &subject.account, &subject.session).await.ok()??;
    Some(SessionDetails {
        created_at: snapshot.created_at.as_millis(),
        expires_at: snapshot.expires_at.as_millis(),
    })
}

const fn name_of(mode: Mode) -> &'static str {
    match mode {
        Mode::JwtOnly => "jwt_only",
        Mode::Hybrid => "hybrid",
        Mode::Strict => "strict",
    }
}
