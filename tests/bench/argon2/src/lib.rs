//! What a login does with a password, as one exported function: `cargo xtask bench` times it.
//!
//! It is the function that the Worker calls, compiled in the Worker's profile; the Worker's own module cannot be
//! timed from outside, because a login also talks to its stores.
#![allow(unsafe_code, reason = "the export needs `#[unsafe(no_mangle)]`; nothing else does")]

use postern_core::password::{self, Arena, Argon2Params, PasswordHash, PasswordInput, Peppers};
use postern_core::secret::SecretText;
use std::cell::RefCell;

const PASSWORD: &str = "seven swift otters juggle";
/// 19456 KiB, 2 passes, 1 lane. Computed with `hash-wasm`, an implementation that shares no line with ours.
const STORED: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBvaw$n286M/e/+s2GZqOiGuo9uK8zB5cz3pwXwa9QHMHv7A0";

thread_local! {
    static ARENA: RefCell<Arena> = const { RefCell::new(Arena::new()) };
}

/// Checks the password against its hash: 1 when it matches, 0 when anything went wrong.
#[unsafe(no_mangle)]
extern "C" fn postern_bench_login() -> u32 {
    let Ok(stored) = STORED.parse::<PasswordHash>() else { return 0 };
    let Ok(password) = PasswordInput::new(SecretText::new(PASSWORD.into())) else { return 0 };
    ARENA.with_borrow_mut(|arena| {
        password::verify(&password, &stored, Argon2Params::DEFAULT, &Peppers::none(), arena).map_or(0, |_| 1)
    })
}
