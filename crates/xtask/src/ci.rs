//! `cargo xtask ci`: what must hold besides the tests.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::process::{announce, cargo, output_of, run};
use crate::{bundle, configuration, setup};

/// The crates that are shipped as wasm; the first exists in no other form.
const WORKER: &str = "postern-worker";
const VERIFIER: &str = "postern-verifier";
const BARE: &str = "postern-bench-bare";
const BARE_METAL: &str = "thumbv7em-none-eabi";
const CARGO_DENY: &str = "0.20";

type Check = fn() -> Result<()>;

/// Formatting, lints, licences, bare metal, and an empty import list.
///
/// # Errors
/// When a check fails, after all have run: one failure shall not hide the next.
pub(crate) fn run_all() -> Result<()> {
    setup::rust_target("wasm32-unknown-unknown")?;
    setup::rust_target(BARE_METAL)?;
    let checks: [(&str, Check); 6] = [
        ("configuration", || configuration::check("wrangler.toml".as_ref())),
        ("formatting", || run(&mut cargo("fmt --all --check"))),
        ("lints", lints),
        ("licences and sources of dependencies", dependencies),
        ("core on bare metal", core_on_bare_metal),
        ("imports of core as wasm", core_imports_nothing),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        announce(&format!("Checking {name}"));
        if let Err(error) = check() {
            eprintln!("error: {error:#}");
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    announce("All checks passed");
    Ok(())
}

fn lints() -> Result<()> {
    let mut native = cargo("clippy --quiet --workspace --all-targets");
    run(native.args(["--exclude", WORKER, "--exclude", BARE, "--", "-D", "warnings"]))?;

    for features in ["", "--features postern-worker/development"] {
        wasm_lints(&format!("--package {WORKER} {features}"))?;
    }
    wasm_lints(&format!("--package {BARE}"))?;
    // On its own: without std, features that the Worker turns on in shared dependencies do not fit.
    wasm_lints(&format!("--package {VERIFIER}"))
}

fn wasm_lints(selection: &str) -> Result<()> {
    let mut clippy = cargo(&format!("clippy --quiet --target wasm32-unknown-unknown {selection}"));
    run(clippy.env("WASM_BINDGEN_USE_JS_SYS", "1").args(["--", "-D", "warnings"]))
}

/// Licences, bans and sources; the advisory check needs a download from GitHub and has a step of its own in CI.
fn dependencies() -> Result<()> {
    if output_of(&mut cargo("deny --version")).is_none() {
        announce("Installing cargo-deny (a minute or two, once)");
        run(&mut cargo(&format!("install cargo-deny --locked --quiet --debug --version ^{CARGO_DENY}")))?;
    }
    run(&mut cargo("deny --log-level error check licenses bans sources"))
}

/// No standard library exists for this target: whatever needs one does not compile.
fn core_on_bare_metal() -> Result<()> {
    let mut feature_sets = vec![String::new()];
    feature_sets.extend(core_features()?.into_iter().map(|feature| format!("--features {feature}")));
    feature_sets.push("--all-features".to_owned());
    for features in feature_sets {
        eprintln!("    {}", if features.is_empty() { "no features" } else { &features });
        run(&mut cargo(&format!(
            "build --quiet --package postern-core --target {BARE_METAL} --no-default-features {features}"
        )))?;
    }
    Ok(())
}

fn core_features() -> Result<Vec<String>> {
    let manifest: toml::Table = fs::read_to_string("crates/core/Cargo.toml")?.parse()?;
    let features =
        manifest.get("features").and_then(toml::Value::as_table).context("core has no features")?;
    Ok(features.keys().filter(|name| *name != "default").cloned().collect())
}

/// The probe calls into core and is compiled to wasm: a clock, randomness or any I/O would be an import.
fn core_imports_nothing() -> Result<()> {
    let mut build = cargo("build --quiet --package postern-probe --target wasm32-unknown-unknown --release");
    let module = bundle::compile(&mut build, "postern_probe")?;
    let module = walrus::Module::from_file(&module)?;
    let imports: Vec<String> =
        module.imports.iter().map(|import| format!("{}.{}", import.module, import.name)).collect();
    ensure!(imports.is_empty(), "core reaches outside: {}", imports.join(", "));
    let functions = module.funcs.iter().count();
    ensure!(functions > 10, "the probe was optimised away: only {functions} functions are left");
    eprintln!("    none, in {functions} functions");
    Ok(())
}
