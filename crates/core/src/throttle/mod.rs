//! How often something may be tried: a rate per key ([`rate`]) and a lock after consecutive failures
//! ([`lockout`]).
//!
//! Both are decided before the expensive or secret-bearing work, and both return what has to be stored; the
//! caller stores it in the same transaction that loaded the record. The records are small and have no history,
//! so the time of one decision does not depend on how often a key was used.

pub mod counts;
pub mod lockout;
pub mod rate;

pub use counts::PasswordCounts;
pub use lockout::{
    Attempt, AutoLockout, LockScope, LockoutPolicy, LockoutRecord, LockoutRecords, ProgressiveDelay,
    decide_attempt,
};
pub use rate::{RateDecision, RateLimit, RateLimitError, TheoreticalArrival, decide};
