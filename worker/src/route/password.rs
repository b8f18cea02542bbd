//! Passwords as they come in: normalised once, checked against the policy, hashed with the isolate's arena.

use crate::environment::Environment;
use crate::route::exchange::Exchange;
use crate::store::keyring::Keyring;
use crate::timer;
use crate::wire::problem::Problem;
use postern_core::factor::{BackupCode, BackupDigest};
use postern_core::flow::login::{LoginOutcome, StoredCredential, decide};
use postern_core::flow::reauthenticate::{self, Presence, PresenceOutcome};
use postern_core::id::AccountId;
use postern_core::identifier::Identifier;
use postern_core::password::{
    Arena, Argon2Params, PasswordContext, PasswordHash, PasswordInput, Pepper, hash, verify,
};
use postern_core::secret::SecretText;
use std::cell::RefCell;
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::JsString;

thread_local! {
    /// Hashing is synchronous, so the requests of an isolate take turns and one arena serves them all.
    static ARENA: RefCell<Arena> = const { RefCell::new(Arena::new()) };
}

/// A password in Unicode normalisation form C, so that a keyboard that composes differently gets in too.
pub(crate) fn input(field: &'static str, text: &SecretText) -> Result<PasswordInput, Problem> {
    let normalized = String::from(JsString::from(text.expose()).normalize("NFC"));
    PasswordInput::new(SecretText::new(normalized)).map_err(|error| Problem::invalid_field(field, error))
}

/// A new password that keeps the policy.
pub(crate) fn chosen(
    environment: &Environment,
    field: &'static str,
    text: &SecretText,
    contact: Option<&Identifier>,
    name: Option<&str>,
) -> Result<PasswordInput, Problem> {
    let password = input(field, text)?;
    let (email, number) = match contact {
        Some(Identifier::Email(address)) => (Some(address.as_str()), ""),
        Some(Identifier::Phone(number)) => (None, number.as_str()),
        Some(Identifier::Username(_)) | None => (None, ""),
    };
    let words = ["postern", number, number.trim_start_matches('+')];
    let context = PasswordContext { email, name, words: &words };
    environment
        .password_policy()
        .check(&password, &context)
        .map_err(|broken| Problem::invalid_fields(field, &broken))?;
    Ok(password)
}

/// Hashes a new password.
pub(crate) fn hashed(
    exchange: &Exchange,
    keyring: &Keyring,
    password: &PasswordInput,
) -> Result<PasswordHash, Problem> {
    let salt = exchange.ambient.random()?;
    let params = exchange.environment.argon2();
    ARENA
        .with_borrow_mut(|arena| hash(password, salt, params, keyring.peppers(), arena))
        .map_err(|error| Problem::unavailable("password hash", error))
}

/// Whether it is the password of this hash, which is no account's yet.
pub(crate) fn matches(
    exchange: &Exchange,
    keyring: &Keyring,
    password: &PasswordInput,
    hash: &PasswordHash,
) -> bool {
    let params = exchange.environment.argon2();
    ARENA.with_borrow_mut(|arena| verify(password, hash, params, keyring.peppers(), arena)).is_ok()
}

/// The moment before which no failed login is answered.
///
/// Hashes of other systems take another time than ours. So a failure waits until the failure floor after the look-up has
/// passed, however long or short the hash took: no account, no password, a wrong one and any kind of hash look alike.
pub(crate) struct FailureFloor(Option<JsFuture>);

impl FailureFloor {
    /// Starts the timer: right before the hash, after everything that has to be waited for.
    pub(crate) fn start(exchange: &Exchange) -> Self {
        let floor = exchange.environment.config().passwords().failure_floor;
        Self((!floor.is_zero()).then(|| timer::start(floor)))
    }

    /// Holds a refusal back until then.
    pub(crate) async fn hold(self, problem: Problem) -> Problem {
        if let Some(passed) = self.0 {
            // A timer that fails has nothing to say.
            let _ = passed.await;
        }
        problem
    }
}

/// Checks a presented password: one hash, whatever is stored.
pub(crate) fn check(
    exchange: &Exchange,
    keyring: &Keyring,
    password: &PasswordInput,
    stored: Option<&StoredCredential>,
) -> LoginOutcome {
    let params = exchange.environment.argon2();
    ARENA.with_borrow_mut(|arena| decide(password, stored, params, keyring.peppers(), arena))
}

/// What is stored of a backup code. Always of the default cost: a digest does not say of which it was made.
pub(crate) fn backup_digest(
    exchange: &Exchange,
    code: &BackupCode,
    account: &AccountId,
    pepper: &Pepper,
) -> Result<BackupDigest, Problem> {
    let tenant = exchange.environment.config().tenant();
    ARENA
        .with_borrow_mut(|arena| code.digest(tenant, account, pepper, Argon2Params::DEFAULT, arena))
        .map_err(|error| Problem::unavailable("backup code", error))
}

/// Checks whether the owner of an account is there: at most one hash.
pub(crate) fn present(
    exchange: &Exchange,
    keyring: &Keyring,
    presence: Presence<'_>,
    stored: &StoredCredential,
) -> PresenceOutcome {
    let (params, now) = (exchange.environment.argon2(), exchange.ambient.now().to_seconds());
    let decide = reauthenticate::decide;
    ARENA.with_borrow_mut(|arena| decide(presence, stored, now, params, keyring.peppers(), arena))
}
