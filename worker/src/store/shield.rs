//! The shield: a rate limit of the platform in front of everything else, if the deployment binds one.
//!
//! It costs no call of ours, and so keeps a flood away from the limiter shards. It counts per location of Cloudflare's and
//! by and by, so that it replaces none of the exact limits.

use crate::environment::{Environment, SHIELD_BINDING};
use crate::object::keyring::ROOT_KEY_BINDING;
use crate::store::keyring::row_name;
use crate::store::kv::call;
use crate::wire::problem::Problem;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use worker::Result;
use worker::js_sys::{Array, Object, Reflect};

/// The longest period that the platform has: who waits for as long is let through. Which one a binding has, it does not say.
const RETRY_AFTER_SECONDS: u64 = 60;

/// Counts a request of this source, before anything else is asked.
///
/// A shield that does not answer lets everything through: the exact limits stand behind it.
///
/// # Errors
///
/// `rate_limited`.
pub(crate) async fn admit(environment: &Environment, source: &str) -> std::result::Result<(), Problem> {
    match admits(environment, source).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::rate_limited(RETRY_AFTER_SECONDS)),
        Err(error) => {
            worker::console_error!("shield: not counted: {error}");
            Ok(())
        }
    }
}

async fn admits(environment: &Environment, source: &str) -> Result<bool> {
    let binding = environment.bound(SHIELD_BINDING);
    if binding.is_undefined() {
        return Ok(true);
    }
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key(environment, source).into())?;
    let outcome = call(&binding, "limit", &Array::of1(&options)).await?;
    let success = Reflect::get(&outcome, &"success".into())?.as_bool();
    success.ok_or_else(|| worker::Error::RustError("its answer is none".into()))
}

/// What the platform counts by: a digest, as of the other limits. By the root key and not the keyring, which may have to be
/// asked for first.
fn key(environment: &Environment, source: &str) -> String {
    let root = environment.bound_text(ROOT_KEY_BINDING);
    let root = root.as_ref().map_or("", |root| root.trim());
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(root.as_bytes()) else { return source.into() };
    mac.update(b"postern/v1/shield");
    mac.update(source.as_bytes());
    row_name(&mac.finalize().into_bytes().into())
}
