//! What the other commands need, installed on first use: the wasm target, npm packages, a current Node, Chromium.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{announce, command, output_of, run};

/// Wrangler's lower bound is 22.0; from 22.12 `require` of ES modules works without a flag.
const OLDEST_NODE: (u32, u32) = (22, 12);
const WRANGLER: &str = "node_modules/wrangler/bin/wrangler.js";

/// Everything that `dev` and `test` need.
///
/// # Errors
/// When an installation fails; the message says what is missing.
pub(crate) fn everything() -> Result<()> {
    rust_target("wasm32-unknown-unknown")?;
    npm_packages()?;
    node()?;
    Ok(())
}

/// Adds a compilation target to the toolchain in use.
///
/// # Errors
/// When rustup fails. Without rustup the toolchain is taken to be complete.
pub(crate) fn rust_target(target: &str) -> Result<()> {
    // A `targets` entry in rust-toolchain.toml is not added to a toolchain that is already installed.
    let Some(installed) = output_of(&mut command("rustup", "target list --installed")) else {
        return Ok(());
    };
    if installed.lines().any(|line| line == target) {
        return Ok(());
    }
    announce(&format!("Installing the Rust target {target}"));
    run(command("rustup", "target add").arg(target))
}

/// Installs the npm packages of the lock file, unless they are there.
///
/// # Errors
/// When npm is missing or fails.
pub(crate) fn npm_packages() -> Result<()> {
    let installed = Path::new("node_modules/.package-lock.json");
    if installed.exists() && modified(installed)? >= modified(Path::new("package-lock.json"))? {
        return Ok(());
    }
    announce("Installing npm packages (about 800 MB, once)");
    run(&mut command("npm", "ci --ignore-scripts --loglevel=error"))
        .context("npm is needed: install Node 20 or later from https://nodejs.org")?;
    // npm keeps the time stamps of an unchanged tree; this one is what the comparison above reads.
    std::fs::File::options().append(true).open(installed)?.set_modified(std::time::SystemTime::now())?;
    Ok(())
}

fn modified(path: &Path) -> Result<std::time::SystemTime> {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .with_context(|| format!("cannot read {}", path.display()))
}

/// A Node that Wrangler accepts: the system's, or else the one from npm.
///
/// # Errors
/// When neither is new enough.
pub(crate) fn node() -> Result<PathBuf> {
    for candidate in ["node", "node_modules/.bin/node"] {
        let path =
            if candidate == "node" { PathBuf::from(candidate) } else { env::current_dir()?.join(candidate) };
        if output_of(&mut command(&path, "--version")).is_some_and(|version| is_new_enough(&version)) {
            return Ok(path);
        }
    }
    let (major, minor) = OLDEST_NODE;
    bail!(
        "Node {major}.{minor} or later is needed, and npm has none for this platform: install it from https://nodejs.org"
    )
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST_NODE,
        _ => false,
    }
}

/// A `node` command with everything its descendants need to be quiet, offline and of the same version.
///
/// # Errors
/// As [`node`].
pub(crate) fn node_command() -> Result<Command> {
    let node = node()?;
    let mut command = Command::new(&node);
    if let Some(folder) = node.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut path = OsString::from(folder);
        path.push(if cfg!(windows) { ";" } else { ":" });
        path.push(env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path);
    }
    command
        .env("WRANGLER_SEND_METRICS", "false")
        .env("WRANGLER_HIDE_BANNER", "true")
        // Otherwise every start asks Cloudflare for a sample of request properties.
        .env("CLOUDFLARE_CF_FETCH_ENABLED", "false");
    Ok(command)
}

/// Wrangler of the lock file.
///
/// # Errors
/// When no suitable Node is found.
pub(crate) fn wrangler(arguments: &str) -> Result<Command> {
    let mut command = node_command()?;
    command.arg(WRANGLER).args(arguments.split_ascii_whitespace());
    Ok(command)
}

/// The Chromium for the browser tests: installed by apt when that is possible. `None` only outside CI.
///
/// # Errors
/// In CI (`CI` is set) when there is none: a test that is skipped there would prove nothing.
pub(crate) fn chromium() -> Result<Option<PathBuf>> {
    if let Some(found) = find_chromium() {
        return Ok(Some(found));
    }
    if is_root() && output_of(&mut command("apt-get", "--version")).is_some() {
        announce("Installing Chromium for the browser tests (apt-get, about 160 MB)");
        let mut update = command("apt-get", "update -qq");
        let mut install = command("apt-get", "install -y -qq --no-install-recommends chromium");
        install.env("DEBIAN_FRONTEND", "noninteractive");
        if let Err(error) = run(&mut update).and_then(|()| run(&mut install)) {
            eprintln!("{error:#}");
        }
    }
    match find_chromium() {
        Some(found) => Ok(Some(found)),
        None if env::var_os("CI").is_some() => bail!("no Chromium: install one, or set CHROMIUM to its path"),
        None => {
            eprintln!(
                "No Chromium found: the browser tests are left out. Install one (`apt-get install chromium`), or set CHROMIUM to its path."
            );
            Ok(None)
        }
    }
}

fn find_chromium() -> Option<PathBuf> {
    if let Some(path) = env::var_os("CHROMIUM").map(PathBuf::from) {
        return path.exists().then_some(path);
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    folders.iter().flat_map(|folder| names.map(|name| folder.join(name))).find(|path| path.exists())
}

fn is_root() -> bool {
    output_of(&mut command("id", "-u")).is_some_and(|id| id == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_versions_by_number() {
        for version in ["v22.12.0", "v22.20.1", "v24.0.0", "v100.1.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["v20.20.2", "v22.9.0", "v22.11.9", "v9.99.0", "", "v22", "node"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
