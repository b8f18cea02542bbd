//! `POST /api/v1/auth/login {identifier | email | phone | username, password, device_token?, remember?}` → 200 with
//! tokens.
//!
//! Limiter, lockout, one directory read, one hash, in this order and for every identifier alike; one hash more if
//! that was wrong while a sign-up on it waits for its code, whether it has an account or not. The account object is
//! asked only after the password was right, and a failure waits for the slowest hash there may be.

use crate::outbox::message::FAILED;
use crate::route::exchange::Exchange;
use crate::route::mailed::new_operation;
use crate::route::turn::Turn;
use crate::route::turnstile::{self, Token};
use crate::route::{contact, password, tokens};
use crate::store::accounts::{Accounts, NewSession};
use crate::store::directory::Credential;
use crate::store::factors::DeviceToken;
use crate::store::intake::{Attempt, Intake};
use crate::store::keyring::Keyring;
use crate::store::limiter::{Limits, Taken};
use crate::wire::answer::Answer;
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::AccountStatus;
use postern_core::flow::login::LoginOutcome;
use postern_core::id::{AccountId, SessionId};
use postern_core::identifier::Identifier;
use postern_core::password::{PasswordHash, PasswordInput};
use postern_core::proof::FirstFactor;
use postern_core::secret::SecretText;
use postern_core::turnstile::TurnstileAction;
use std::rc::Rc;

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let identifier = contact::identifier(&mut body)?;
    let password = password::input("password", &body.secret("password")?)?;
    let device_token = body.optional_text("device_token")?.map(SecretText::new);
    let remember = remember(&mut body)?;
    let human = Token::read(exchange, &mut body)?;

    let turn = Turn::take()?;
    let environment = &exchange.environment;
    let keyring = exchange.keyring().await?;
    let source = exchange.source();
    let limits = environment.config().limits();
    let taken = Limits::new(environment, &keyring, &source)
        .per_key("login_per_source", limits.login_per_source)
        .per_pair("login_per_pair", limits.login_per_pair, identifier.value())
        .take_forgivably()
        .await?;
    let intake = Intake::of_identifier(environment, &keyring, &identifier);
    let (attempt, turn) = begin_attempt(exchange, &intake, &source, &human, turn).await?;
    let found = exchange.directory()?.credential(environment.config().tenant(), &identifier).await?;
    let stored = found.as_ref().map(|found| found.stored(environment));
    let authorization = found.as_ref().map(Credential::authorization).transpose()?.unwrap_or_default();
    let session = SessionId::from_bytes(exchange.ambient.random()?.into_bytes());
    let session_key = exchange.ambient.random()?;

    turn.come().await;
    let floor = password::FailureFloor::start(exchange);
    let (proof, needs_rehash) = match password::check(exchange, &keyring, &password, stored.as_ref()) {
        LoginOutcome::Proven { proof, needs_rehash } => (proof, needs_rehash),
        LoginOutcome::Refused(_) => {
            let problem = refusal(exchange, &keyring, &password, attempt.pending.as_ref());
            drop(turn);
            report_afterwards(exchange, keyring, identifier, FAILED, attempt.locks_on_failure)?;
            return Err(floor.hold(problem).await);
        }
        LoginOutcome::Unavailable(error) => {
            drop(turn);
            return Err(floor.hold(Problem::unavailable("password hash", error)).await);
        }
    };
    let (account, version) = (proof.account(), proof.credential_version());
    if needs_rehash {
        rehash_afterwards(exchange, &keyring, &password, account, version);
    }
    drop(turn);
    clear_afterwards(exchange, keyring.clone(), identifier, source, taken);

    let status = found.map_or(AccountStatus::Active, |found| found.status);
    let device = exchange.device();
    let trusted = device_token.and_then(|token| DeviceToken::secret_for(&keyring, &account, &token));
    let new = NewSession::of_known(session, session_key, authorization, status, device, remember, trusted);
    let login = Accounts::new(environment).open(FirstFactor::Password(proof), new, &keyring).await?;
    tokens::of_login(exchange, &keyring, login).await
}

/// Counts the attempt. After failures on the identifier, whether it has an account or not, and from wherever they came,
/// somebody has to be there: what comes without is not counted.
async fn begin_attempt(
    exchange: &Exchange,
    intake: &Intake<'_>,
    source: &str,
    human: &Token,
    turn: Turn,
) -> Result<(Attempt, Turn), Problem> {
    let Some(failures) = turnstile::login_failures(&exchange.environment) else {
        return Ok((intake.begin_attempt(source).await?, turn));
    };
    if let Some(attempt) = intake.begin_attempt_below(source, failures).await? {
        return Ok((attempt, turn));
    }
    // Nobody waits in the queue for passwords while somebody else is asked, or all its places would soon be theirs.
    drop(turn);
    human.check(exchange, TurnstileAction::Login).await?;
    let turn = Turn::take()?;
    Ok((intake.begin_attempt(source).await?, turn))
}

/// Whether the owner asks to be remembered; where the configuration has no such sessions, it makes no difference.
pub(crate) fn remember(body: &mut Body) -> Result<bool, Problem> {
    Ok(body.optional_flag("remember")?.unwrap_or(false))
}

/// Whoever knows the password of a sign-up that waits for its code is told so. The password of an account was not that,
/// if there is one: the answer and the work are the same with and without. The attempt still counts as failed: anybody
/// may have opened that sign-up.
fn refusal(
    exchange: &Exchange,
    keyring: &Keyring,
    password: &PasswordInput,
    pending: Option<&PasswordHash>,
) -> Problem {
    match pending {
        Some(hash) if password::matches(exchange, keyring, password, hash) => {
            Problem::account("verification_required")
        }
        _ => Problem::invalid_credentials(),
    }
}

/// Takes the failed attempts of this source on this identifier back, and what they have taken from the limit of both.
pub(crate) fn clear_afterwards(
    exchange: &Exchange,
    keyring: Rc<Keyring>,
    identifier: Identifier,
    source: String,
    taken: Taken,
) {
    let environment = exchange.environment.clone();
    exchange.afterwards(async move {
        Intake::of_identifier(&environment, &keyring, &identifier).clear_attempts(&source).await?;
        taken.forgive(&environment).await
    });
}

/// Has an incident written to the audit trail, whether or not there is such an account: only the consumer looks.
pub(crate) fn report_afterwards(
    exchange: &Exchange,
    keyring: Rc<Keyring>,
    identifier: Identifier,
    event: &'static str,
    locks: bool,
) -> Result<(), Problem> {
    let (environment, operation) = (exchange.environment.clone(), new_operation(exchange)?);
    let now = exchange.ambient.now();
    exchange.afterwards(async move {
        let intake = Intake::of_identifier(&environment, &keyring, &identifier);
        intake.report(&identifier, operation, now, event, locks).await
    });
    Ok(())
}

/// Replaces a hash of other parameters while the password is at hand. If it fails, the next login does it: the
/// password was right either way.
fn rehash_afterwards(
    exchange: &Exchange,
    keyring: &Keyring,
    password: &PasswordInput,
    account: AccountId,
    version: u32,
) {
    if let (Ok(hash), Ok(directory)) = (password::hashed(exchange, keyring, password), exchange.directory()) {
        exchange.afterwards(async move { directory.rehash(&account, version, hash.as_str()).await });
    }
}
