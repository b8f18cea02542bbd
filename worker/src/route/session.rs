//! `GET /api/v1/auth/session` → who is there: the session of the bearer or of the page's cookie, without a call to an object
//! where the copies at the edge are from lately.

use crate::route::authenticate::{Authenticated, bearer, mode_within};
use crate::route::exchange::{Event, Exchange};
use crate::route::validate;
use crate::store::accounts::Accounts;
use crate::store::edge;
use crate::wire::answer::{Answer, json};
use crate::wire::problem::Problem;
use postern_core::flow::validate::{Mode, RouteMode, TokenSubject};
use postern_core::id::{AccountId, SessionId};
use postern_core::session::SessionSnapshot;
use serde::Serialize;

/// What whoever shows a session may know of it besides their token.
pub(crate) struct Standing {
    pub(crate) is_second_factor_enabled: bool,
    /// When the session was opened and when it ends, in milliseconds; `None` if it has ended.
    span: Option<(u64, u64)>,
}

#[derive(Serialize)]
struct Session<'a> {
    account_id: AccountId,
    session_id: SessionId,
    tenant: &'a str,
    roles: &'a [String],
    permissions: Vec<String>,
    entitlements: &'a [String],
    amr: &'a [String],
    /// Seconds since the epoch, as the claim has it.
    auth_time: Option<u64>,
    is_2fa_enabled: bool,
    /// Milliseconds since the epoch.
    created_at: Option<u64>,
    expires_at: Option<u64>,
}

pub(crate) async fn show(exchange: &Exchange) -> Answer {
    let caller = bearer(exchange).await?;
    let standing = standing(exchange, &caller.subject).await?;
    let Authenticated { claims, subject } = &caller;
    let (created_at, expires_at) = standing.span.unzip();
    validate::catch_up(exchange, claims, &[]).await;
    json(
        200,
        &Session {
            account_id: subject.account,
            session_id: subject.session,
            tenant: subject.tenant.as_str(),
            roles: claims.roles(),
            permissions: validate::permissions(exchange, claims, &[])?,
            entitlements: claims.entitlements(),
            amr: claims.authentication_methods(),
            auth_time: claims.authenticated_at().map(|at| at.as_secs()),
            is_2fa_enabled: standing.is_second_factor_enabled,
            created_at,
            expires_at,
        },
    )
}

/// What there is to say of the session of a token that was admitted: from the copy at the edge, or by the account's own word
/// where there is no copy to be believed, in strict mode, and for whoever wants nothing that is kept. The account may refuse
/// the token then.
pub(crate) async fn standing(exchange: &Exchange, subject: &TokenSubject) -> Result<Standing, Problem> {
    let mode = mode_within(&exchange.environment, RouteMode::Inherit);
    if mode != Mode::Strict
        && !wants_nothing_kept(exchange)
        && let Some(snapshot) = snapshot_about(exchange, subject).await
    {
        return Ok(Standing {
            is_second_factor_enabled: snapshot.is_second_factor_enabled,
            span: Some(span(&snapshot)),
        });
    }
    let looked = Accounts::new(&exchange.environment).look(subject).await.map_err(|error| {
        worker::console_error!("session: {error}");
        Problem::strict_backend_unavailable()
    })?;
    match looked.verdict.code() {
        // Such a token lives out its life, and whether it works must not depend on how old a copy is.
        Some(code) if mode != Mode::JwtOnly => Err(Problem::token(code)),
        _ => Ok(Standing {
            is_second_factor_enabled: looked.is_second_factor_enabled,
            span: looked.snapshot.as_ref().map(span),
        }),
    }
}

const fn span(snapshot: &SessionSnapshot) -> (u64, u64) {
    (snapshot.created_at.as_millis(), snapshot.expires_at.as_millis())
}

/// The copy of a session at the edge, if it is to be believed of the token: it is as old at most as what the token says.
async fn snapshot_about(event: &Event, subject: &TokenSubject) -> Option<SessionSnapshot> {
    let config = event.environment.config();
    let snapshot = snapshot(event, subject).await?;
    snapshot.is_about(subject, event.ambient.now(), config.tokens().access_ttl).then_some(snapshot)
}

/// The copy of a session at the edge, however old.
pub(crate) async fn snapshot(event: &Event, subject: &TokenSubject) -> Option<SessionSnapshot> {
    if !event.environment.config().sessions().snapshots {
        return None;
    }
    let (kv, keyring) = (event.environment.kv().ok()?, event.keyring().await.ok()?);
    match edge::read_snapshot(&kv, &keyring, subject).await {
        Ok(snapshot) => snapshot,
        Err(error) => {
            worker::console_error!("session snapshot: {error}");
            None
        }
    }
}

/// As browsers say it of a page that is loaded anew, and of `fetch` with `cache: "reload"` (RFC 9111 §5.2.1.4).
fn wants_nothing_kept(exchange: &Exchange) -> bool {
    let header = exchange.header("cache-control").unwrap_or_default();
    header.split(',').any(|directive| directive.trim().eq_ignore_ascii_case("no-cache"))
}
