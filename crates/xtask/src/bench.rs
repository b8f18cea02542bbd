//! `cargo xtask bench`: ours against theirs, as ratios. `docs/benchmarks.md` says what is compared and how.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::build::{Variant, build};
use crate::bundle::{self, FunctionNames};
use crate::process::{announce, cargo, run};
use crate::setup;
use crate::test::build_package;

/// Builds what is measured and measures it; `options` go to `tests/bench/bench.mjs`.
///
/// # Errors
/// When a build fails, a name is unknown, or a contender gives a wrong answer.
pub(crate) fn run_selected(options: &[&str]) -> Result<()> {
    setup::everything()?;
    build(Variant::Release)?;
    // With the mailbox: `enumeration` makes accounts as people do.
    build(Variant::Development)?;
    build_package()?;
    build_password_check()?;
    build_native_program()?;
    build_permission_resolution()?;
    build_bare_worker()?;
    announce("Measuring");
    run(setup::node_command()?.arg("tests/bench/bench.mjs").args(options))
}

/// What tokens are checked by natively; optimised as far as it goes, which takes a minute or two.
fn build_native_program() -> Result<()> {
    announce("Building the native token check");
    let target = "target/bench-native";
    let manifest = "tests/bench/native/Cargo.toml";
    run(&mut cargo(&format!(
        "build --quiet --release --locked --manifest-path {manifest} --target-dir {target}"
    )))?;
    fs::create_dir_all("build/bench")?;
    let program = Path::new(target).join("release/postern-bench-native");
    fs::copy(program, "build/bench/native").context("cannot copy the native token check")?;
    Ok(())
}

/// What resolves permissions natively.
fn build_permission_resolution() -> Result<()> {
    announce("Building the resolution of permissions");
    run(&mut cargo("build --quiet --release --locked --package postern-bench-permissions"))?;
    fs::copy("target/release/postern-bench-permissions", "build/bench/permissions")
        .context("cannot copy the resolution of permissions")?;
    Ok(())
}

/// A Worker in Rust that does nothing.
fn build_bare_worker() -> Result<()> {
    announce("Building the bare Worker");
    let mut compile = cargo("build --package postern-bench-bare --target wasm32-unknown-unknown --release");
    // As for the Worker itself.
    let module = bundle::compile(compile.env("WASM_BINDGEN_USE_JS_SYS", "1"), "postern_bench_bare")?;
    let folder = Path::new("build/bench/bare");
    bundle::bind(&module, folder, FunctionNames::Drop)?;
    fs::copy("tests/bench/bare/shim.js", folder.join("shim.js"))
        .context("cannot copy the bare Worker's shim")?;
    Ok(())
}

/// The password check of a login as a module of its own, in the profile of the deployed Worker.
fn build_password_check() -> Result<()> {
    announce("Building the password check");
    let module = bundle::compile(
        &mut cargo("build --package postern-bench-argon2 --target wasm32-unknown-unknown --release"),
        "postern_bench_argon2",
    )?;
    let folder = Path::new("build/bench");
    fs::create_dir_all(folder)?;
    fs::copy(module, folder.join("argon2.wasm")).context("cannot copy the password check")?;
    Ok(())
}
