//! Passwords as they come in: normalised once, checked against the policy, hashed with the isolate's arena.

use crate::environment::Environment;
use crate::route::exchange::Exchange;
use crate::store::directory::Credential;
use crate::store::keyring::Keyring;
use crate::timer;
use crate::wire::problem::Problem;
use postern_core::factor::{BackupCode, BackupDigest};
use postern_core::flow::login::{LoginOutcome, StoredCredential, decide};
use postern_core::flow::reauthenticate::{self, Presence, PresenceOutcome};
use postern_core::id::AccountId;
use postern_core::identifier::{Identifier, Username};
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

/// Whose a password will be, as far as that is known: nobody takes a name of their own for one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Whose<'a> {
    email: Option<&'a str>,
    phone: Option<&'a str>,
    username: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Whose<'a> {
    pub(crate) fn known_by(self, identifier: &'a Identifier) -> Self {
        let value = Some(identifier.value());
        match identifier {
            Identifier::Email(_) => Self { email: value, ..self },
            Identifier::Phone(_) => Self { phone: value, ..self },
            Identifier::Username(_) => Self { username: value, ..self },
        }
    }

    pub(crate) fn with_username(self, username: Option<&'a Username>) -> Self {
        Self { username: username.map(Username::as_str), ..self }
    }

    pub(crate) const fn called(self, name: Option<&'a str>) -> Self {
        Self { name, ..self }
    }
}

impl<'a> From<&'a Credential> for Whose<'a> {
    fn from(found: &'a Credential) -> Self {
        let (email, phone, username) = (&found.email, &found.phone, &found.username);
        Self {
            email: email.as_deref(),
            phone: phone.as_deref(),
            username: username.as_deref(),
            name: Some(&found.name),
        }
    }
}

/// A new password that keeps the policy.
pub(crate) fn chosen(
    environment: &Environment,
    field: &'static str,
    text: &SecretText,
    whose: Whose<'_>,
) -> Result<PasswordInput, Problem> {
    let password = input(field, text)?;
    check_policy(environment, field, &password, whose)?;
    Ok(password)
}

/// The same of one that was read before it was known whose it will be.
pub(crate) fn check_policy(
    environment: &Environment,
    field: &'static str,
    password: &PasswordInput,
    whose: Whose<'_>,
) -> Result<(), Problem> {
    let Whose { email, phone, username, name } = whose;
    let number = phone.unwrap_or_default();
    let words = ["postern", number, number.trim_start_matches('+'), username.unwrap_or_default()];
    let context = PasswordContext { email, name, words: &words };
    let kept = environment.password_policy().check(password, &context);
    kept.map_err(|broken| Problem::invalid_fields(field, &broken))
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
