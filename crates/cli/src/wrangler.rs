//! Wrangler, which has the login and knows where the databases are.

use crate::Outcome;
use crate::options::{Options, Place};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The binding of the database, by which Wrangler finds it.
const DATABASE: &str = "DIRECTORY";

/// Applies the migrations that the database has not seen.
pub(crate) fn migrate(options: &Options) -> Result<Outcome> {
    let mut command = d1(options, &["migrations", "apply", DATABASE]);
    let status = command.status().context("cannot run npx wrangler")?;
    Ok(if status.success() { Outcome::Fine } else { Outcome::Refused })
}

/// Runs the statements of a file.
pub(crate) fn execute(options: &Options, statements: &Path) -> Result<()> {
    let mut command = d1(options, &["execute", DATABASE, "--yes"]);
    command.arg("--file").arg(statements);
    output(command)?;
    Ok(())
}

/// The rows of one query.
pub(crate) fn query(options: &Options, query: &str) -> Result<Vec<Value>> {
    let mut command = d1(options, &["execute", DATABASE, "--yes", "--json"]);
    command.arg("--command").arg(query);
    let text = output(command)?;
    // Notices may come before the answer.
    let answer = text.find('[').and_then(|at| text.get(at..)).unwrap_or_default();
    let answers: Vec<Value> = serde_json::from_str(answer).context("wrangler gave no JSON")?;
    let rows = answers.into_iter().filter_map(|answer| answer.get("results")?.as_array().cloned());
    Ok(rows.flatten().collect())
}

fn d1(options: &Options, arguments: &[&str]) -> Command {
    let npx = if cfg!(windows) { "npx.cmd" } else { "npx" };
    let mut command = Command::new(npx);
    command.args(["wrangler", "d1"]).args(arguments);
    command.arg(match options.place {
        Place::Local => "--local",
        Place::Remote => "--remote",
    });
    let mut option = |name: &str, value: Option<&OsStr>| {
        if let Some(value) = value {
            command.arg(name).arg(value);
        }
    };
    option("--config", Some(options.config.as_os_str()));
    option("--env", options.environment.as_deref().map(OsStr::new));
    option("--persist-to", options.persist_to.as_deref().map(Path::as_os_str));
    // Asked nothing, and told no news.
    command.env("CI", "true").env("WRANGLER_HIDE_BANNER", "true");
    command
}

fn output(mut command: Command) -> Result<String> {
    let output = command.output().context("cannot run npx wrangler")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        bail!("wrangler ended with {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    }
    Ok(text(&output.stdout))
}

/// A file of statements that only its owner can read, and that goes when it is dropped: there are hashes in it.
pub(crate) struct StatementFile {
    path: PathBuf,
    file: File,
}

impl StatementFile {
    pub(crate) fn create(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("postern-{}-{name}.sql", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, file })
    }

    pub(crate) fn append(&mut self, statement: &str) -> Result<()> {
        self.file.write_all(statement.as_bytes()).context("cannot write statements")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StatementFile {
    fn drop(&mut self) {
        // If it cannot be removed it is still its owner's alone.
        let _ = fs::remove_file(&self.path);
    }
}
