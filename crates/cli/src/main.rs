//! `postern`: what an operator does from a terminal. Run it where `wrangler.toml` is.
//!
//! It reaches the database through Wrangler alone, with the operator's own login, and only to apply migrations and to
//! import accounts.

mod check;
mod import;
mod options;
mod project;
mod wrangler;

use anyhow::{Result, bail};
use options::Options;
use std::process::ExitCode;

const USAGE: &str = "\
postern migrate [--local | --remote]
    applies the migrations of the database
postern import FILE.jsonl [--local | --remote] [--dry-run] [--tenant ID] [--firebase-hash-config FILE.json]
    creates the accounts of a file, one JSON object a line; ends with 2 if some addresses belong to others
postern lint [--fail-on info | warn | high] [--root-key-set]
    names settings that are allowed and unwise
postern report
    shows what the configuration comes to, as JSON
postern permissions
    shows the permission registry of the configuration, as `npx postern permissions` takes it

    --config FILE      wrangler.toml or wrangler.json, default wrangler.toml
    --env NAME         the Wrangler environment
    --persist-to DIR   where the local database is, with --local";

/// What a command came to.
enum Outcome {
    /// Everything is as it should be.
    Fine,
    /// It was done; something needs the operator's eye.
    Attention,
    /// It was not done, and the operator has read why.
    Refused,
}

fn main() -> ExitCode {
    match run() {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Attention) => ExitCode::from(2),
        Ok(Outcome::Refused) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("postern: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Outcome> {
    let options = Options::parse(lexopt::Parser::from_env())?;
    match options.command.as_deref() {
        Some("migrate") => wrangler::migrate(&options),
        Some("import") => import::run(&options),
        Some("lint") => check::lint(&options),
        Some("report") => check::report(&options),
        Some("permissions") => check::permissions(&options),
        Some(other) => bail!("there is no command {other:?}\n{USAGE}"),
        None => {
            println!("{USAGE}");
            Ok(Outcome::Fine)
        }
    }
}
