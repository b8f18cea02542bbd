//! `cargo xtask fuzz`: libFuzzer on the readers of text from outside, with the stable compiler.
//!
//! Core has no `unsafe`, so no sanitizer is needed, and coverage counters alone work without a nightly toolchain.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::process::{announce, cargo, command, run};

const MANIFEST: &str = "tests/fuzz/Cargo.toml";
const CORPUS: &str = "tests/fuzz/corpus";
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Fuzzes one target, or all in turn, for some seconds each, and keeps the smallest corpus of equal coverage.
///
/// # Errors
/// When a property fails: libFuzzer has printed where the input lies.
pub(crate) fn run_selected(selection: &[&str]) -> Result<()> {
    let targets = targets()?;
    let (chosen, seconds) = match selection {
        [] => (targets, "60"),
        [target] => (vec![(*target).to_owned()], "60"),
        ["all", seconds] => (targets, *seconds),
        [target, seconds] => (vec![(*target).to_owned()], *seconds),
        _ => bail!("fuzz takes a target and a number of seconds"),
    };
    ensure!(seconds.parse::<u32>().is_ok(), "{seconds} is not a number of seconds");
    let binary = build()?;
    for target in chosen {
        fuzz(&binary, &target, seconds)?;
    }
    Ok(())
}

/// Every target has a corpus file of its name: an input per line, in base64.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(CORPUS).with_context(|| format!("no {CORPUS}"))? {
        names.extend(file?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn build() -> Result<PathBuf> {
    announce("Building the fuzz targets");
    // With a target named, build scripts and macros are compiled without the counters.
    let host = host()?;
    let mut build = cargo("build --release --quiet");
    build.args(["--manifest-path", MANIFEST, "--target", &host, "--target-dir", "target/fuzz"]);
    run(build.env("RUSTFLAGS", COVERAGE).env_remove("CARGO_TARGET_DIR"))?;
    Ok(PathBuf::from("target/fuzz").join(host).join("release/postern-fuzz"))
}

fn host() -> Result<String> {
    let version = crate::process::output_of(&mut command("rustc", "-vV")).context("rustc does not answer")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

fn fuzz(binary: &Path, target: &str, seconds: &str) -> Result<()> {
    announce(&format!("Fuzzing {target} for {seconds} s"));
    let stored = Path::new(CORPUS).join(target).with_extension("txt");
    ensure!(stored.is_file(), "no target {target}: {}", targets()?.join(", "));
    let work = Path::new("target/fuzz");
    let (known, found, kept) = (work.join("known"), work.join("found").join(target), work.join("kept"));
    unpack(&stored, &known)?;
    fs::create_dir_all(&found)?;
    empty(&kept)?;
    let fuzzer = || {
        let mut fuzzer = command(binary, "-verbosity=0");
        fuzzer.env("POSTERN_FUZZ_TARGET", target);
        fuzzer
    };
    let artifacts = format!("-artifact_prefix={}/{target}-", work.display());
    let time = format!("-max_total_time={seconds}");
    let limits = ["-max_len=4096", "-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1"];
    run(fuzzer().args(limits).args([artifacts, time]).args([&found, &known]))?;
    // Only inputs that reach something new are kept, however often they pass it; small ones first.
    run(fuzzer().args(["-merge=1", "-use_counters=0"]).args([&kept, &known, &found]))?;
    let count = pack(&kept, &stored)?;
    announce(&format!("{target}: {count} inputs in {}", stored.display()));
    Ok(())
}

fn unpack(stored: &Path, folder: &Path) -> Result<()> {
    empty(folder)?;
    for (number, line) in fs::read_to_string(stored)?.lines().enumerate() {
        let input = STANDARD.decode(line).with_context(|| format!("{}: not base64", stored.display()))?;
        fs::write(folder.join(number.to_string()), input)?;
    }
    Ok(())
}

fn pack(folder: &Path, stored: &Path) -> Result<usize> {
    let mut lines = Vec::new();
    for input in fs::read_dir(folder)? {
        lines.push(STANDARD.encode(fs::read(input?.path())?));
    }
    lines.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    fs::write(stored, lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    Ok(lines.len())
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(())
}
