//! Usernames: which one an account gets, and
//! `GET /api/v1/auth/username-available?username=NAME` → 200 `{username, available}`.
//!
//! Names are there to be seen, so anybody may ask for one at a time, within a limit. Whose it is, nobody is told.

use crate::route::exchange::Exchange;
use crate::route::organizations;
use crate::store::creation::{Creation, NewAccount};
use crate::store::directory::Directory;
use crate::store::intake::Intake;
use crate::store::keyring::Keyring;
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::config::UsernameRule;
use postern_core::identifier::{Identifier, Username, derive_username};
use serde::Serialize;

/// How many numbered names are looked for, after the name itself.
const NUMBERED: u16 = 20;
/// How many with random digits come after them. One is practically free, whatever is taken.
const RANDOM: usize = 4;

#[derive(Serialize)]
struct Availability<'a> {
    username: &'a str,
    available: bool,
}

pub(crate) async fn available(exchange: &Exchange) -> Answer {
    if rule(exchange) == UsernameRule::Off {
        return Err(Problem::feature_disabled());
    }
    let asked = exchange.query("username");
    let asked = asked.ok_or_else(|| Problem::invalid_field("username", "is required in the query"))?;
    let username = chosen(&asked)?;
    let (keyring, source) = (exchange.keyring().await?, exchange.source());
    let limit = exchange.environment.config().limits().username_check_per_source;
    Limits::new(&exchange.environment, &keyring, &source)
        .per_key("username_check_per_source", limit)
        .take()
        .await?;
    let available = is_free(exchange, &keyring, &username, None).await?;
    json(200, &Availability { username: username.as_str(), available })
}

/// The member `username`, as it may be chosen.
pub(crate) fn optional(exchange: &Exchange, body: &mut Body) -> Result<Option<Username>, Problem> {
    match body.optional_text("username")? {
        Some(_) if rule(exchange) == UsernameRule::Off => {
            Err(Problem::invalid_field("username", "is not used here: registration.usernames is off"))
        }
        text => text.map(|text| chosen(&text)).transpose(),
    }
}

/// The same, for a sign-up.
pub(crate) fn at_sign_up(exchange: &Exchange, body: &mut Body) -> Result<Option<Username>, Problem> {
    match optional(exchange, body)? {
        None if rule(exchange) == UsernameRule::Required => {
            Err(Problem::invalid_field("username", "is required"))
        }
        username => Ok(username),
    }
}

fn chosen(text: &str) -> Result<Username, Problem> {
    Username::choose(text).map_err(|error| Problem::invalid_field("username", error))
}

/// Holds a name for the sign-ups of one address or number.
///
/// # Errors
///
/// `username_taken` if it is somebody's, or held for somebody else.
pub(crate) async fn hold(
    exchange: &Exchange,
    keyring: &Keyring,
    username: &Username,
    holder: &Intake<'_>,
) -> Result<(), Problem> {
    if is_free(exchange, keyring, username, Some(holder)).await? {
        Ok(())
    } else {
        Err(Problem::username_taken())
    }
}

async fn is_free(
    exchange: &Exchange,
    keyring: &Keyring,
    username: &Username,
    holder: Option<&Intake<'_>>,
) -> Result<bool, Problem> {
    let tenant = exchange.environment.config().tenant();
    let names = std::slice::from_ref(username);
    if !exchange.directory()?.taken_names(tenant, names).await?.is_empty() {
        return Ok(false);
    }
    Intake::of_username(&exchange.environment, keyring, username).hold_name(holder).await
}

/// Whether somebody who signs up holds this name.
pub(crate) async fn is_held(exchange: &Exchange, username: &Username) -> Result<bool, Problem> {
    let keyring = exchange.keyring().await?;
    let intake = Intake::of_username(&exchange.environment, &keyring, username);
    intake.hold_name(None).await.map(|is_free| !is_free)
}

/// What a name is made of: the address before its `@`, or the name that somebody gave. Nothing of a number, which is
/// nobody's business.
pub(crate) fn source<'a>(contact: &'a Identifier, name: &'a str) -> &'a str {
    match contact {
        Identifier::Email(address) => address.local_part(),
        Identifier::Phone(_) | Identifier::Username(_) => name,
    }
}

/// Creates an account, and its personal organization after the answer.
pub(crate) async fn create(
    exchange: &Exchange,
    directory: &Directory,
    new: NewAccount<'_>,
    source: &str,
) -> Result<Creation, Problem> {
    let outcome = created(exchange, directory, new, source).await?;
    if matches!(outcome, Creation::Ours) {
        organizations::create_afterwards(exchange, new.account)?;
    }
    Ok(outcome)
}

/// One that must have a username and was given none gets one made of `source`, and another if somebody else was
/// faster.
async fn created(
    exchange: &Exchange,
    directory: &Directory,
    new: NewAccount<'_>,
    source: &str,
) -> Result<Creation, Problem> {
    let now = exchange.ambient.now();
    let makes_one_up = matches!(rule(exchange), UsernameRule::Derived | UsernameRule::Required);
    if new.username.is_some() || !makes_one_up {
        return directory.create(&new, now).await;
    }
    let candidates = candidates(exchange, source)?;
    let taken = directory.taken_names(new.tenant, &candidates).await?;
    let free = candidates.iter().filter(|name| !taken.iter().any(|taken| taken == name.as_str()));
    let mut outcome = Creation::UsernameTaken;
    // The first is nearly always still free a moment later; the last ones are drawn.
    for username in free.clone().take(1).chain(free.skip(1).last()) {
        outcome = directory.create(&NewAccount { username: Some(username), ..new }, now).await?;
        if !matches!(outcome, Creation::UsernameTaken) {
            break;
        }
    }
    Ok(outcome)
}

fn candidates(exchange: &Exchange, source: &str) -> Result<Vec<Username>, Problem> {
    let base = derive_username(source);
    let mut candidates: Vec<Username> = (0..=NUMBERED).map(|number| base.candidate(number)).collect();
    for _ in 0..RANDOM {
        candidates.push(base.random_candidate(exchange.ambient.random()?));
    }
    Ok(candidates)
}

fn rule(exchange: &Exchange) -> UsernameRule {
    exchange.environment.config().registration().usernames
}
