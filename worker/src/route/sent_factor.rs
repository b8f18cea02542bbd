//! Second factors that are sent: `{method: "email" | "sms"}` of `2fa/setup` and `2fa/verify`, and
//! `POST /api/v1/auth/2fa/send {challenge, method}`, or `{method}` of a bearer → 202 with where the code went, masked.

use crate::object::account::SentOrder;
use crate::route::contact::check_enabled;
use crate::route::exchange::Exchange;
use crate::route::mailed::{limit_presented, limit_requested};
use crate::route::presence::{Bearer, Proof};
use crate::route::second_factor::new_codes;
use crate::store::accounts::Accounts;
use crate::store::factors::Challenge;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::codec::base64url;
use postern_core::entropy::{CodeLength, one_time_code};
use postern_core::factor::{FactorMethod, SENT_CODE_TTL};
use postern_core::identifier::{IdentifierKind, masked};
use serde::Serialize;

#[derive(Serialize)]
struct Sent<'a> {
    success: bool,
    sent_to: &'a str,
    expires_in: u32,
}

#[derive(Serialize)]
struct Confirmed<'a> {
    /// Of an account that had none.
    backup_codes: &'a [String],
}

/// How a code is to be sent, if the request says so.
pub(crate) fn method(body: &mut Body) -> Result<Option<FactorMethod>, Problem> {
    match body.optional_text("method")?.as_deref() {
        None | Some("totp") => Ok(None),
        Some("email") => Ok(Some(FactorMethod::Email)),
        Some("sms") => Ok(Some(FactorMethod::Sms)),
        Some(_) => Err(Problem::invalid_field("method", "must be totp, email or sms")),
    }
}

/// Sends a code to the account's own address or number.
pub(crate) async fn begin(
    exchange: &Exchange,
    bearer: &Bearer,
    proof: Proof,
    method: FactorMethod,
) -> Answer {
    let kind = offered(exchange, method)?;
    limit_requested(exchange, kind).await?;
    bearer.prove_presence(exchange, proof.password.as_ref()).await?;
    let (recently, presented) = bearer.presented_factor(exchange, proof.factor).await?;
    let credential = &bearer.credential;
    let to = if kind == IdentifierKind::Phone { &credential.phone } else { &credential.email };
    let to = to
        .clone()
        .ok_or_else(|| Problem::invalid_field("method", "is not one that the account is reached by"))?;
    let (code, language) = (drawn(exchange)?, exchange.language().map(Into::into));
    let order = SentOrder::Begin { method, to, code, language, recently, presented };
    let to = Accounts::new(&exchange.environment).send_factor(&bearer.subject.account, order).await?;
    sent(&to)
}

/// The code came back: it is a factor from now on.
pub(crate) async fn confirm(
    exchange: &Exchange,
    bearer: &Bearer,
    code: String,
    method: FactorMethod,
) -> Answer {
    offered(exchange, method)?;
    limit_presented(exchange).await?;
    let (account, accounts) = (&bearer.subject.account, Accounts::new(&exchange.environment));
    let order = |backup| SentOrder::Confirm { method, code: code.clone(), backup };
    if accounts.confirm_contact(account, order(None)).await? {
        return json(200, &Confirmed { backup_codes: &[] });
    }
    let (shown, backup) = new_codes(exchange, bearer.keyring(), account).await?;
    accounts.confirm_contact(account, order(Some(backup))).await?;
    json(200, &Confirmed { backup_codes: &shown })
}

/// Sends the code of a login that waits.
pub(crate) async fn send(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let method =
        method(&mut body)?.ok_or_else(|| Problem::invalid_field("method", "must be email or sms"))?;
    if !body.has("challenge") {
        return send_again(exchange, method).await;
    }
    let challenge = body.secret("challenge")?;
    limit_requested(exchange, offered(exchange, method)?).await?;
    let keyring = exchange.keyring().await?;
    let challenge = Challenge::parse(&keyring, &challenge).ok_or_else(Problem::challenge_invalid)?;
    let order = SentOrder::ForLogin {
        method,
        code: drawn(exchange)?,
        client_id: exchange.environment.config().client_id().clone(),
        device: exchange.device(),
        secret: base64url::encode(challenge.secret().expose()),
        language: exchange.language().map(Into::into),
    };
    let to = Accounts::new(&exchange.environment).send_factor(&challenge.account(), order).await?;
    sent(&to)
}

/// Sends the code of an owner who is to prove to be there once more.
async fn send_again(exchange: &Exchange, method: FactorMethod) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    limit_requested(exchange, offered(exchange, method)?).await?;
    let (code, language) = (drawn(exchange)?, exchange.language().map(Into::into));
    let order = SentOrder::ForSession { method, code, session: bearer.subject.session, language };
    let to = Accounts::new(&exchange.environment).send_factor(&bearer.subject.account, order).await?;
    sent(&to)
}

fn sent(to: &str) -> Answer {
    json(202, &Sent { success: true, sent_to: &masked(to), expires_in: SENT_CODE_TTL.as_secs() })
}

fn drawn(exchange: &Exchange) -> Result<String, Problem> {
    Ok(CodeLength::Short.of(one_time_code(exchange.ambient.random()?).expose()).into())
}

fn offered(exchange: &Exchange, method: FactorMethod) -> Result<IdentifierKind, Problem> {
    let settings = exchange.environment.config().second_factor();
    let (is_offered, kind) = match method {
        FactorMethod::Sms => (settings.sms, IdentifierKind::Phone),
        _ => (settings.email, IdentifierKind::Email),
    };
    check_enabled(&exchange.environment, kind)?;
    if is_offered { Ok(kind) } else { Err(Problem::feature_disabled()) }
}
