//! The owner once more, within a session (RFC 9470):
//! `POST /api/v1/auth/reauthenticate {current_password?, code? | backup_code? | passkey?, method?}` → 200 with another access token, and
//! `POST /api/v1/auth/reauthenticate/passkey` → the options for `navigator.credentials.get()`.
//!
//! What is shown counts for the session: its refreshed tokens say so too. The refresh token stays as it is, and is not
//! answered: whoever has an access token alone must not come by it.

use crate::route::exchange::Exchange;
use crate::route::mailed::limit_presented;
use crate::route::passkeys::party;
use crate::route::presence::{Bearer, Proof};
use crate::route::second_factor::Factor;
use crate::route::tokens;
use crate::store::accounts::Accounts;
use crate::store::passkeys::{Answerer, SignInChallenge};
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::passkey::RequestOptions;
use crate::wire::problem::Problem;

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read(&exchange.request).await?;
    let Proof { password, factor } = Proof::read_with_passkey(&mut body)?;
    if password.is_none() && factor.is_none() {
        let rule = "must be sent, or code, backup_code or passkey";
        return Err(Problem::invalid_field("current_password", rule));
    }
    if password.is_none() && matches!(factor, Some(Factor::Sent(..))) {
        return Err(Problem::invalid_field("current_password", "is required with a code that was sent"));
    }
    match &factor {
        Some(factor) => factor.limit(exchange).await?,
        None => limit_presented(exchange).await?,
    }
    let version = match &password {
        Some(_) if bearer.credential.password_hash.is_none() => {
            return Err(Problem::presence("current_password_wrong"));
        }
        Some(password) => Some(bearer.prove_presence(exchange, Some(password)).await?),
        None => None,
    };
    let (keyring, subject) = (bearer.keyring(), &bearer.subject);
    let challenge = match &factor {
        Some(Factor::Passkey(assertion)) => {
            let ours = SignInChallenge::in_answer(keyring, Answerer::Holder(subject), assertion);
            Some(ours.ok_or_else(Problem::second_factor_invalid)?.for_step_up())
        }
        _ => None,
    };
    let presented = match factor {
        Some(factor) => Some(factor.presented(exchange, keyring, &subject.account).await?),
        None => None,
    };
    let accounts = Accounts::new(&exchange.environment);
    let granted = accounts.step_up(subject, version, presented, challenge).await?;
    tokens::renewed(exchange, keyring, granted, subject.session).await
}

pub(crate) async fn options(exchange: &Exchange) -> Answer {
    let party = party(exchange)?;
    let bearer = Bearer::of(exchange).await?;
    limit_presented(exchange).await?;
    let (keyring, subject) = (bearer.keyring(), &bearer.subject);
    let (now, random) = (exchange.ambient.now(), exchange.ambient.random()?);
    let challenge = SignInChallenge::new(keyring, Answerer::Holder(subject), now, random).to_text();
    let passkeys = Accounts::new(&exchange.environment).passkeys(keyring, &subject.account).await?;
    json(200, &RequestOptions::again(party.id(), &challenge, &passkeys))
}
