//! `cargo xtask test`: every test there is, in one command.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use crate::build::{Variant, build};
use crate::process::{announce, cargo, run, run_and_keep};
use crate::setup;

const VERIFIER: &str = "postern-verifier";
const BARE: &str = "postern-bench-bare";

/// Where tests in JavaScript live; a file `NAME.test.mjs` in one of them is run.
const END_TO_END_FOLDERS: [&str; 4] = ["tests/worker", "tests/js", "tests/docs", "pkg/test"];

/// Files that run with nothing beside them: they kill servers and start them again at the same port, count who came
/// first, measure memory, or bound how long an answer may take.
const ALONE: [&str; 8] =
    ["busy", "kill", "limits", "memory", "panic", "refresh_race", "revocation_bound", "rotation"];

/// How many of the other files run at a time: they wait for alarms, periods and quiet most of their time.
const SIDE_BY_SIDE: u8 = 3;

/// Runs the selected tests and ends with the runners' own summaries.
///
/// # Errors
/// When a test fails, or there was nothing to run.
pub(crate) fn run_selected(selection: &[&str]) -> Result<()> {
    let (native, end_to_end, pattern) = match selection {
        [] => (true, true, ""),
        ["native"] => (true, false, ""),
        ["end-to-end"] => (false, true, ""),
        ["end-to-end", pattern] => (false, true, *pattern),
        _ => bail!("test takes native, or end-to-end and a part of a file name"),
    };
    let mut summary = Vec::new();
    if native {
        summary.extend(native_tests()?);
    }
    if end_to_end {
        setup::everything()?;
        build(Variant::Development)?;
        build(Variant::Release)?;
        build_package()?;
        announce("Building the operator's command");
        run(&mut cargo("build --quiet --package postern"))?;
        summary.extend(end_to_end_tests(pattern)?);
    }
    println!("\n==> Summary");
    for line in summary {
        println!("{line}");
    }
    Ok(())
}

fn native_tests() -> Result<Vec<String>> {
    announce("Native tests");
    let is_result = |line: &str| line.starts_with("test result:") && !line.contains(" 0 passed");
    // Not the Worker, which exists only as wasm, nor the probe and the benchmark's modules, which have no tests; the
    // verifier on its own, because the others turn on algorithms in core that it leaves to its host; xtask is compiled
    // already, in its own profile.
    let mut tests = cargo("test --quiet --workspace");
    for package in ["postern-worker", "postern-probe", "postern-bench-argon2", BARE, VERIFIER, "xtask"] {
        tests.args(["--exclude", package]);
    }
    let mut lines = run_and_keep(&mut tests, is_result)?;
    lines.extend(run_and_keep(&mut cargo(&format!("test --quiet --package {VERIFIER}")), is_result)?);
    lines.extend(run_and_keep(&mut cargo("test --quiet --package xtask --profile xtask"), is_result)?);
    ensure!(!lines.is_empty(), "no native test ran");
    Ok(lines)
}

/// Builds the npm package into `pkg/dist/`, the verifier's wasm included.
///
/// # Errors
/// When cargo or Node fails.
pub(crate) fn build_package() -> Result<()> {
    announce("Building the npm package");
    run(setup::node_command()?.arg("pkg/build.mjs"))
}

fn end_to_end_tests(pattern: &str) -> Result<Vec<String>> {
    announce("End-to-end tests");
    let files = test_files(pattern)?;
    ensure!(!files.is_empty(), "no test file is named like {pattern:?}");
    let (alone, side_by_side): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| runs_alone(file));
    // A failure of the first run does not hide those of the second.
    let (first, second) = (node_tests(&side_by_side, SIDE_BY_SIDE), node_tests(&alone, 1));
    Ok([first?, second?].concat())
}

/// Runs files of tests, so many at a time, and keeps the figures of node's reporter.
fn node_tests(files: &[PathBuf], at_a_time: u8) -> Result<Vec<String>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut tests = setup::node_command()?;
    if let Some(chromium) = setup::chromium()? {
        tests.env("CHROMIUM", chromium);
    }
    tests.args(["--test", "--test-reporter=spec", "--test-timeout=600000"]);
    tests.arg(format!("--test-concurrency={at_a_time}")).args(files);
    // Each figure starts with this sign: "ℹ tests 42".
    run_and_keep(&mut tests, |line| line.contains('\u{2139}'))
}

fn runs_alone(file: &Path) -> bool {
    let name = file.file_name().and_then(OsStr::to_str).and_then(|name| name.strip_suffix(".test.mjs"));
    name.is_some_and(|name| ALONE.contains(&name))
}

fn test_files(pattern: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in END_TO_END_FOLDERS.map(Path::new).into_iter().filter(|folder| folder.exists()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.to_string_lossy().into_owned();
            if name.ends_with(".test.mjs") && name.contains(pattern) {
                files.push(path);
            }
        }
    }
    files.sort();
    if pattern.is_empty() {
        // A file that was renamed would silently run beside others.
        let found = files.iter().filter(|file| runs_alone(file)).count();
        ensure!(found == ALONE.len(), "a file that must run alone is missing");
    }
    Ok(files)
}
