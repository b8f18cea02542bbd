//! From a crate to a wasm module with its JavaScript glue, without any tool but cargo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use wasm_bindgen_cli_support::Bindgen;

/// Runs a `cargo build` and returns the `.wasm` that the library or program `target` became.
///
/// # Errors
/// When cargo fails or built no such module.
pub(crate) fn compile(build: &mut Command, target: &str) -> Result<PathBuf> {
    let output = build
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "the build of {target} failed");
    // Cargo names the file: a target folder set by the environment or a configuration needs no guess.
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message.get("reason").is_some_and(|reason| reason == "compiler-artifact")
                && message
                    .pointer("/target/name")
                    .and_then(Value::as_str)
                    .map(|name| name.replace('-', "_"))
                    .as_deref()
                    == Some(target)
        })
        .filter_map(|message| message.get("filenames")?.as_array().cloned())
        .flatten()
        .filter_map(|name| Some(PathBuf::from(name.as_str()?)))
        .find(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .with_context(|| format!("cargo built no wasm module for {target}"))
}

/// Whether stack traces name functions, at the price of a quarter more bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FunctionNames {
    Keep,
    Drop,
}

/// Writes `index.js` and `index_bg.wasm` for `module` into `folder`.
///
/// # Errors
/// When wasm-bindgen refuses the module or the folder cannot be written.
pub(crate) fn bind(module: &Path, folder: &Path, names: FunctionNames) -> Result<()> {
    fs::create_dir_all(folder)?;
    Bindgen::new()
        .input_path(module)
        .module(true)?
        .typescript(false)
        .remove_name_section(names == FunctionNames::Drop)
        .remove_producers_section(true)
        .out_name("index")
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(folder)
        .context("wasm-bindgen failed")?;
    // Wrangler's bundler does not know source-phase imports yet, and gives a plain import of wasm the same meaning.
    let glue = folder.join("index.js");
    let text = fs::read_to_string(&glue)?.replace("import source ", "import ");
    fs::write(&glue, text)?;
    Ok(())
}
