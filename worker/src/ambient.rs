//! The only reader of the clock and the only source of randomness.
//!
//! Workers advance the clock on I/O only, so one reading per event is also the truth; every decision of one
//! event sees the same time.

use crate::wire::problem::Problem;
use postern_core::entropy::Random;
use postern_core::time::UnixMillis;

/// What one event (request, alarm, batch, cron tick) may know of the world.
#[derive(Clone, Copy)]
pub(crate) struct Ambient {
    now: UnixMillis,
}

impl Ambient {
    /// Reads the clock. Called once, at the door of each event.
    pub(crate) fn read() -> Self {
        Self { now: UnixMillis::new(worker::Date::now().as_millis()) }
    }

    /// The time of this event.
    pub(crate) const fn now(&self) -> UnixMillis {
        self.now
    }

    /// Draws `N` random bytes from the platform's generator (`crypto.getRandomValues`).
    pub(crate) fn random<const N: usize>(&self) -> Result<Random<N>, Problem> {
        let mut bytes = [0u8; N];
        getrandom::fill(&mut bytes).map_err(|error| Problem::internal("randomness", error))?;
        Ok(Random::new(bytes))
    }
}
