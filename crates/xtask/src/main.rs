//! `cargo xtask`: everything that is done with this repository, as commands that need only Rust, Node and npm.

mod bench;
mod build;
mod bundle;
mod ci;
mod configuration;
mod dev;
mod fuzz;
mod migrations;
mod process;
mod session;
mod setup;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  dev [--port PORT]                       run Postern on http://localhost:8787, rebuilt on every change
  build [--development | --release]       build the Worker into build/worker/
  test [native | end-to-end] [PATTERN]    run every test, or one half of them, or the test files named like PATTERN
  bench [--quick] [NAME...]               measure ours against theirs: docs/benchmarks.md
  fuzz [TARGET | all] [SECONDS]           look for inputs that break a reader, and keep what reaches new code
  ci                                      format, lints, licences, bare metal and the empty import list
  setup                                   install what the other commands need; they call it themselves
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    let root = repository_root()?;
    std::env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
    match arguments {
        ["dev", options @ ..] => dev::run(options),
        ["build", options @ ..] => build::run(options),
        ["test", selection @ ..] => test::run_selected(selection),
        ["bench", options @ ..] => bench::run_selected(options),
        ["fuzz", options @ ..] => fuzz::run_selected(options),
        ["ci"] => ci::run_all(),
        ["setup"] => setup::everything(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("unknown command\n\n{HELP}"),
    }
}

/// Every command runs in the repository's root, wherever it was called from.
fn repository_root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).context("xtask has no workspace around it")
}
