//! `cargo xtask build`: the Worker as `build/worker/{shim.js, index.js, index_bg.wasm}`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::bundle::FunctionNames;
use crate::process::{announce, cargo};
use crate::{bundle, configuration, migrations, setup};

/// A text that the feature `development` compiles in and nothing else does.
const DEVELOPMENT_MARKER: &[u8] = b"POSTERN-DEVELOPMENT-SURFACE";

/// The wasm module of the release build must stay as small as this, gzipped: it is what an isolate loads before its
/// first answer. Raise it knowingly, and say so in `ARCHITECTURE.md`, "Measured choices".
const MAX_RELEASE_GZIP_BYTES: usize = 856 * 1024;

/// Which Worker is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// With the development surface, compiled for a short rebuild.
    Development,
    /// What is deployed.
    Release,
}

impl Variant {
    /// The cargo profile and the folder below `build/`.
    ///
    /// Each variant has a profile of its own: cargo writes both to one file name otherwise, and may take the other
    /// variant's module for fresh.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Release => "release",
        }
    }

    fn chosen(options: &[&str]) -> Result<Self> {
        match options {
            ["--development"] => Ok(Self::Development),
            ["--release"] => Ok(Self::Release),
            // Only `wrangler dev` gets the development surface.
            [] if started_by_wrangler().is_some_and(|command| command == "dev") => Ok(Self::Development),
            [] => Ok(Self::Release),
            _ => bail!("build takes --development or --release"),
        }
    }
}

/// Builds the chosen variant and puts it where `wrangler.toml` expects the Worker.
///
/// # Errors
/// When the configuration is wrong or any step fails.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let variant = Variant::chosen(options)?;
    build(variant)?;
    copy_folder(&variant_folder(variant), Path::new("build/worker"))?;
    if started_by_wrangler().is_some_and(|command| command == "dev") {
        migrations::apply_pending()?;
    }
    Ok(())
}

/// Builds one variant into `build/<variant>/`.
///
/// # Errors
/// When the configuration is wrong, a step fails, or a release build contains the development surface or is larger
/// than its budget.
pub(crate) fn build(variant: Variant) -> Result<()> {
    configuration::check(Path::new("wrangler.toml"))?;
    setup::rust_target("wasm32-unknown-unknown")?;
    announce(&format!("Building the Worker ({})", variant.name()));
    let (features, names) = match variant {
        Variant::Development => ("--features development", FunctionNames::Keep),
        Variant::Release => ("", FunctionNames::Drop),
    };
    let mut compile = cargo(&format!(
        "build --package postern-worker --target wasm32-unknown-unknown --profile {} {features}",
        variant.name()
    ));
    if started_by_wrangler().is_some() {
        compile.arg("--quiet");
    }
    // The macros of wasm-bindgen read it and then use js-sys for futures, as the glue of the `worker` crate needs.
    compile.env("WASM_BINDGEN_USE_JS_SYS", "1");
    if variant == Variant::Release {
        compile.env("CARGO_ENCODED_RUSTFLAGS", release_flags()?.join("\u{1f}"));
    }
    let module = bundle::compile(&mut compile, "postern_worker")?;
    check_surface(variant, &module)?;
    let folder = variant_folder(variant);
    bundle::bind(&module, &folder, names)?;
    fs::copy("worker/shim.js", folder.join("shim.js")).context("cannot copy worker/shim.js")?;
    check_size(variant, &folder)
}

/// What the compiler is told for the deployed module beside its profile.
fn release_flags() -> Result<Vec<String>> {
    // Rounds of SHA-2 as a loop: a third of the code.
    let mut flags = vec!["--cfg".into(), "sha2_backend_soft=\"compact\"".into()];
    // Panics name files. Their paths on the building machine are nobody's business, and long.
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home =
        home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("there is no home folder")?;
    let mut folders = vec![(std::env::current_dir()?, "postern")];
    if let Ok(indexes) = fs::read_dir(home.join("registry/src")) {
        folders.push((home, "cargo"));
        for index in indexes {
            folders.push((index?.path(), "crates"));
        }
    }
    // Of several prefixes that fit, the last one counts.
    flags.extend(folders.iter().map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display())));
    Ok(flags)
}

/// The Wrangler command that this is the build step of: Wrangler sets the variable for its `[build]` command.
fn started_by_wrangler() -> Option<String> {
    std::env::var("WRANGLER_COMMAND").ok()
}

fn variant_folder(variant: Variant) -> PathBuf {
    Path::new("build").join(variant.name())
}

/// Both directions: a marker that never shows up would make the release check pass for nothing.
fn check_surface(variant: Variant, module: &Path) -> Result<()> {
    let bytes = fs::read(module)?;
    let present = bytes.windows(DEVELOPMENT_MARKER.len()).any(|window| window == DEVELOPMENT_MARKER);
    match variant {
        Variant::Development => ensure!(present, "the development build lacks its marker"),
        Variant::Release => ensure!(!present, "the release build contains the development surface"),
    }
    Ok(())
}

fn check_size(variant: Variant, folder: &Path) -> Result<()> {
    let module = fs::read(folder.join("index_bg.wasm"))?;
    let gzip_bytes = gzip_bytes(&module)?;
    eprintln!("    {} ({} bytes of wasm, {gzip_bytes} gzipped)", folder.display(), module.len());
    ensure!(
        variant == Variant::Development || gzip_bytes <= MAX_RELEASE_GZIP_BYTES,
        "the release module has {gzip_bytes} bytes gzipped, more than {MAX_RELEASE_GZIP_BYTES}"
    );
    Ok(())
}

fn gzip_bytes(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

/// Copies files that differ. Wrangler watches the target: an equal file must keep its time stamp.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
            continue;
        }
        let bytes = fs::read(entry.path())?;
        if fs::read(&target).is_ok_and(|old| old == bytes) {
            continue;
        }
        fs::write(&target, bytes).with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}
