//! `GET …/admin/users/{id}/attempts`: the failed attempts on the identifiers and the second factors of an account, and what is
//! locked by them.

use crate::object::account::FactorAttempts;
use crate::route::admin::{operator, users};
use crate::route::exchange::Exchange;
use crate::store::accounts::Accounts;
use crate::store::directory::Directory;
use crate::store::intake::Intake;
use crate::store::keyring::Keyring;
use crate::wire::answer::{Answer, json};
use crate::wire::problem::Problem;
use postern_core::id::AccountId;
use postern_core::identifier::Identifier;
use postern_core::permission::OperatorPermission;
use postern_core::time::UnixMillis;
use serde::Serialize;

#[derive(Serialize)]
struct Shown {
    attempts: Vec<OfIdentifier>,
    second_factor: FactorAttempts,
}

#[derive(Serialize)]
struct OfIdentifier {
    kind: &'static str,
    value: String,
    failures: u32,
    last_attempt_at: Option<UnixMillis>,
    /// `identifier` or `automatic`.
    locked_by: Option<String>,
    locked_until: Option<UnixMillis>,
    sources: u32,
    locked_sources: u32,
}

pub(crate) async fn show(exchange: &Exchange, id: &str) -> Answer {
    operator::authorise(exchange, OperatorPermission::UsersRead).await?;
    let account = users::account(id)?;
    let (environment, keyring) = (&exchange.environment, exchange.keyring().await?);
    let identifiers = identifiers(exchange, &exchange.directory()?, &account).await?;
    let mut attempts = Vec::new();
    for identifier in identifiers.ok_or_else(Problem::not_found)? {
        let found = Intake::of_identifier(environment, &keyring, &identifier).attempts().await?;
        attempts.push(OfIdentifier {
            kind: identifier.kind().as_str(),
            value: identifier.value().into(),
            failures: found.failures,
            last_attempt_at: found.last_attempt_at,
            locked_by: found.locked_by,
            locked_until: found.locked_until,
            sources: found.sources,
            locked_sources: found.locked_sources,
        });
    }
    let second_factor = Accounts::new(environment).factor_attempts(&account).await?;
    json(200, &Shown { attempts, second_factor })
}

/// Failed attempts on everything that the account is known by are forgotten.
pub(crate) async fn forgive(
    exchange: &Exchange,
    keyring: &Keyring,
    account: &AccountId,
) -> Result<(), Problem> {
    let environment = &exchange.environment;
    for identifier in identifiers(exchange, &exchange.directory()?, account).await?.unwrap_or_default() {
        Intake::of_identifier(environment, keyring, &identifier).forgive_attempts().await?;
    }
    Intake::of_account(environment, keyring, account).forgive_attempts().await
}

/// What the account signs in by; `None` if there is no such account.
async fn identifiers(
    exchange: &Exchange,
    directory: &Directory,
    account: &AccountId,
) -> Result<Option<Vec<Identifier>>, Problem> {
    let tenant = exchange.environment.config().tenant().as_str();
    let profile = directory.profile(tenant, account).await?;
    Ok(profile.map(|profile| {
        let values = [profile.email, profile.phone, profile.username].into_iter().flatten();
        values.filter_map(|value| Identifier::parse(&value).ok()).collect()
    }))
}
