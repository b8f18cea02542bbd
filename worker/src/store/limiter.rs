//! The Worker's side of limiter shards: one call per request, whatever number of limits it meets.

use crate::environment::Environment;
use crate::object::call::ask_once;
use crate::object::limiter::{SHARDS, Take, TakeAnswer, TakeCall, name};
use crate::store::keyring::{Keyring, row_name};
use crate::wire::problem::Problem;
use postern_core::config::RateLimit;

/// The limits that one request meets, all of one key: a source, or an account.
pub(crate) struct Limits<'a> {
    environment: &'a Environment,
    keyring: &'a Keyring,
    key: &'a str,
    takes: Vec<Take>,
}

impl<'a> Limits<'a> {
    pub(crate) const fn new(environment: &'a Environment, keyring: &'a Keyring, key: &'a str) -> Self {
        Self { environment, keyring, key, takes: Vec::new() }
    }

    /// A limit on the key alone.
    pub(crate) fn per_key(self, rule: &str, limit: Option<RateLimit>) -> Self {
        self.with(rule, limit, b"")
    }

    /// A limit on the key together with something it names.
    pub(crate) fn per_pair(self, rule: &str, limit: Option<RateLimit>, value: &str) -> Self {
        self.with(rule, limit, value.as_bytes())
    }

    fn with(mut self, rule: &str, limit: Option<RateLimit>, value: &[u8]) -> Self {
        if let Some(limit) = limit {
            let tenant = self.environment.config().tenant().as_str().as_bytes();
            let digest =
                self.keyring.digest(&[b"limit", rule.as_bytes(), tenant, self.key.as_bytes(), value]);
            let bucket = row_name(&digest);
            let (count, period_seconds) = (limit.count(), limit.period().as_secs());
            self.takes.push(Take { bucket, count, period_seconds });
        }
        self
    }

    /// Takes one from each, or refuses with the time to wait. A limiter that does not answer refuses too: it is
    /// strongly consistent, and what stands behind it must not be open to guessing.
    pub(crate) async fn take(self) -> Result<(), Problem> {
        if self.takes.is_empty() {
            return Ok(());
        }
        let [first, ..] = self.keyring.digest(&[b"limiter shard", self.key.as_bytes()]);
        let call = TakeCall { takes: self.takes };
        let answer: TakeAnswer = ask_once(&self.environment.limiters()?, &name(first % SHARDS), &call)
            .await
            .map_err(|error| Problem::unavailable("limiter", error))?;
        answer.retry_after_seconds.map_or(Ok(()), |seconds| Err(Problem::rate_limited(seconds)))
    }
}
