//! Passwords as they come in: normalised once, checked against the policy, hashed with the isolate's arena.

use crate::environment::Environment;
use crate::route::exchange::Exchange;
use crate::store::keyring::Keyring;
use crate::wire::problem::Problem;
use postern_core::flow::login::{LoginOutcome, StoredCredential, decide};
use postern_core::flow::reauthenticate::{self, Presence, PresenceOutcome};
use postern_core::password::{Arena, PasswordContext, PasswordHash, PasswordInput, hash, verify};
use postern_core::secret::SecretText;
use std::cell::RefCell;
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
    email: Option<&str>,
    name: Option<&str>,
) -> Result<PasswordInput, Problem> {
    let password = input(field, text)?;
    let context = PasswordContext { email, name, words: &["postern"] };
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
