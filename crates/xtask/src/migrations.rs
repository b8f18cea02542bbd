//! D1 migrations of the local database.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::process::{announce, run_quietly};
use crate::setup;

const FOLDER: &str = "worker/migrations";
/// Beside the database, so that whoever deletes the one deletes the other.
const APPLIED: &str = ".wrangler/state/v3/d1/postern-applied-migrations";

/// Applies the migrations that the local database has not seen.
///
/// Asking Wrangler takes two seconds, so the names of what was applied last are kept beside the database.
///
/// # Errors
/// When a migration fails.
pub(crate) fn apply_pending() -> Result<()> {
    let wanted = names()?;
    if fs::read_to_string(APPLIED).is_ok_and(|applied| applied == wanted) {
        return Ok(());
    }
    announce("Applying D1 migrations to the local database");
    // CI=true: apply without asking.
    run_quietly(setup::wrangler("d1 migrations apply DIRECTORY --local")?.env("CI", "true"))?;
    if let Some(folder) = Path::new(APPLIED).parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(APPLIED, wanted)?;
    Ok(())
}

fn names() -> Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(FOLDER)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "sql") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.join("\n"))
}
