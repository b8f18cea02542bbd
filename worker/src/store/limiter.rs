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
    /// The bucket of the pair, if that is the last of them.
    pair: Option<String>,
}

/// What was taken.
pub(crate) struct Taken {
    shard: u8,
    /// The bucket of the pair, if there was something in it before.
    pair: Option<String>,
}

impl Taken {
    /// Gives back what the pair has taken, now and before: it was no guess. What the key has taken stays taken, or whoever
    /// guesses would give it back by an account of their own.
    pub(crate) async fn forgive(self, environment: &Environment) -> Result<(), Problem> {
        let Some(pair) = self.pair else { return Ok(()) };
        let call = TakeCall { takes: Vec::new(), forgets: vec![pair] };
        let asked = ask_once::<_, TakeAnswer>(&environment.limiters()?, &name(self.shard), None, &call).await;
        asked.map(drop).map_err(|error| Problem::unavailable("limiter", error))
    }
}

impl<'a> Limits<'a> {
    pub(crate) const fn new(environment: &'a Environment, keyring: &'a Keyring, key: &'a str) -> Self {
        Self { environment, keyring, key, limits: Vec::new(), takes: Vec::new(), pair: None }
    }

    /// A limit on the key alone. `rule` is the name of its setting.
    pub(crate) fn per_key(self, rule: &'static str, limit: Option<RateLimit>) -> Self {
        self.with(rule, limit, b"")
    }

    /// A limit on the key together with something it names.
    pub(crate) fn per_pair(self, rule: &'static str, limit: Option<RateLimit>, value: &str) -> Self {
        let with = self.with(rule, limit, value.as_bytes());
        let pair = limit.and_then(|_| with.takes.last()).map(|take| take.bucket.clone());
        Self { pair, ..with }
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
        self.take_forgivably().await.map(drop)
    }

    /// The same, for a guess that may turn out to be none.
    pub(crate) async fn take_forgivably(self) -> Result<Taken, Problem> {
        let [first, ..] = self.keyring.digest(&[b"limiter shard", self.key.as_bytes()]);
        let shard = first % SHARDS;
        let nothing = Taken { shard, pair: None };
        if self.takes.is_empty() {
            return Ok(nothing);
        }
        let call = TakeCall { takes: self.takes, forgets: Vec::new() };
        let answer =
            ask_once::<_, TakeAnswer>(&self.environment.limiters()?, &name(shard), None, &call).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if self.limits.iter().all(|(_, limit)| limit.fail_mode() == FailMode::Admit) => {
                worker::console_error!("limiter: not counted: {error}");
                return Ok(nothing);
            }
            Err(error) => return Err(Problem::unavailable("limiter", error)),
        };
        let last = self.limits.last().zip(answer.levels.last());
        let is_repeated =
            last.is_some_and(|((_, limit), level)| level.remaining.saturating_add(1) < limit.count());
        for ((name, limit), level) in self.limits.into_iter().zip(answer.levels) {
            let (quota, window_seconds) = (limit.count(), limit.period().as_secs());
            let (remaining, reset_seconds) = (level.remaining, level.reset_seconds);
            let met = MetLimit { name, quota, window_seconds, remaining, reset_seconds, is_shared: false };
            self.environment.met_limits().push(met);
        }
        match answer.retry_after_seconds {
            None => Ok(Taken { shard, pair: self.pair.filter(|_| is_repeated) }),
            Some(seconds) => Err(Problem::rate_limited(seconds)),
        }
    }
}
