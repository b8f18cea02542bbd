//! The Worker's side of limiter shards: one call per request, whatever number of limits it meets.

use crate::environment::Environment;
use crate::object::call::ask_once;
use crate::object::limiter::{SHARDS, Take, TakeAnswer, TakeCall, name};
use crate::store::keyring::{Keyring, row_name};
use crate::wire::problem::Problem;
use crate::wire::rate_limits::MetLimit;
use postern_core::config::{FailMode, RateLimit};

/// The limits that one request meets, all of one key: a source, or an account.
pub(crate) struct Limits<'a> {
    environment: &'a Environment,
    keyring: &'a Keyring,
    key: &'a str,
    limits: Vec<(&'static str, RateLimit)>,
    takes: Vec<Take>,
}

impl<'a> Limits<'a> {
    pub(crate) const fn new(environment: &'a Environment, keyring: &'a Keyring, key: &'a str) -> Self {
        Self { environment, keyring, key, limits: Vec::new(), takes: Vec::new() }
    }

    /// A limit on the key alone. `rule` is the name of its setting.
    pub(crate) fn per_key(self, rule: &'static str, limit: Option<RateLimit>) -> Self {
        self.with(rule, limit, b"")
    }

    /// A limit on the key together with something it names.
    pub(crate) fn per_pair(self, rule: &'static str, limit: Option<RateLimit>, value: &str) -> Self {
        self.with(rule, limit, value.as_bytes())
    }

    fn with(mut self, rule: &'static str, limit: Option<RateLimit>, value: &[u8]) -> Self {
        if let Some(limit) = limit {
            let tenant = self.environment.config().tenant().as_str().as_bytes();
            let digest =
                self.keyring.digest(&[b"limit", rule.as_bytes(), tenant, self.key.as_bytes(), value]);
            let bucket = row_name(&digest);
            let (count, period_seconds) = (limit.count(), limit.period().as_secs());
            self.takes.push(Take { bucket, count, period_seconds });
            self.limits.push((rule, limit));
        }
        self
    }

    /// Takes one from each, or refuses with the time to wait. How they stand is told in the answer either way: they count
    /// what this source or account has asked, whoever that was about.
    ///
    /// A limiter that does not answer refuses too, unless the settings of all limits let such requests through.
    pub(crate) async fn take(self) -> Result<(), Problem> {
        if self.takes.is_empty() {
            return Ok(());
        }
        let [first, ..] = self.keyring.digest(&[b"limiter shard", self.key.as_bytes()]);
        let call = TakeCall { takes: self.takes };
        let answer =
            ask_once::<_, TakeAnswer>(&self.environment.limiters()?, &name(first % SHARDS), &call).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if self.limits.iter().all(|(_, limit)| limit.fail_mode() == FailMode::Admit) => {
                worker::console_error!("limiter: not counted: {error}");
                return Ok(());
            }
            Err(error) => return Err(Problem::unavailable("limiter", error)),
        };
        for ((name, limit), level) in self.limits.into_iter().zip(answer.levels) {
            let (quota, window_seconds) = (limit.count(), limit.period().as_secs());
            let (remaining, reset_seconds) = (level.remaining, level.reset_seconds);
            let met = MetLimit { name, quota, window_seconds, remaining, reset_seconds, is_shared: false };
            self.environment.met_limits().push(met);
        }
        answer.retry_after_seconds.map_or(Ok(()), |seconds| Err(Problem::rate_limited(seconds)))
    }
}
