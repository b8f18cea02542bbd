//! `POST /api/v1/auth/change-password {current_password?, new_password}` → 200.
//!
//! The session that asks goes on, all others end, and the owner is told by mail. An account without a password gets
//! its first one here, if its owner has signed in a moment ago.

use crate::route::exchange::Exchange;
use crate::route::presence::{Bearer, Proof};
use crate::route::{breach, password};
use crate::store::fence;
use crate::wire::answer::{Answer, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::id::OperationId;
use postern_core::password::PasswordInput;
use postern_core::session::CredentialChange;

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read(&exchange.request).await?;
    let proof = Proof::read(&mut body)?;
    let text = body.secret("new_password")?;
    let environment = &exchange.environment;
    let new = password::chosen(environment, "new_password", &text, (&bearer.credential).into())?;

    let operation = OperationId::from_bytes(exchange.ambient.random()?.into_bytes());
    let is_the_current_one = is_the_current_one(&bearer, proof.password.as_ref(), &new);
    let version = bearer.prove_owner(exchange, proof).await?;
    if is_the_current_one {
        return Err(Problem::invalid_field("new_password", "must not be the current password"));
    }
    breach::refuse_known(exchange, "new_password", &new).await?;
    let hash = password::hashed(exchange, bearer.keyring(), &new)?;
    let directory = exchange.directory()?;
    let (account, now) = (bearer.subject.account, exchange.ambient.now());
    let change = bearer.keeping(CredentialChange::PasswordChanged);
    if !directory.change_password(&account, version, Some(hash.as_str()), operation, &change, now).await? {
        // Another change came first; the password that was checked is not the current one any more.
        return Err(Problem::presence("current_password_wrong"));
    }
    fence::close(environment, &directory, &account, version.saturating_add(1), Some(change)).await?;
    success()
}

/// The presented password has just been found to be the account's, where it has one.
fn is_the_current_one(bearer: &Bearer, current: Option<&PasswordInput>, new: &PasswordInput) -> bool {
    bearer.credential.password_hash.is_some() && current.is_some_and(|current| current.ct_eq(new))
}
