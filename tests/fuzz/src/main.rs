//! The libFuzzer binary. `POSTERN_FUZZ_TARGET` names the target; `cargo xtask fuzz` sets it.
#![no_main]

mod targets;

use std::sync::LazyLock;

static TARGET: LazyLock<targets::Check> = LazyLock::new(|| {
    let wanted = std::env::var("POSTERN_FUZZ_TARGET").unwrap_or_default();
    let found = targets::ALL.iter().find(|(name, _)| *name == wanted);
    found.unwrap_or_else(|| panic!("POSTERN_FUZZ_TARGET must be one of {:?}", targets::names())).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
