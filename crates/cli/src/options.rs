//! The command line.

use anyhow::{Result, bail};
use lexopt::prelude::{Long, Short, Value, ValueExt as _};
use postern_core::config::Severity;
use std::path::PathBuf;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one of `wrangler dev`.
    Local,
    /// The deployed one.
    Remote,
}

/// Everything that was said on the command line.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) command: Option<String>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) config: PathBuf,
    pub(crate) environment: Option<String>,
    pub(crate) persist_to: Option<PathBuf>,
    pub(crate) place: Place,
    pub(crate) dry_run: bool,
    pub(crate) firebase_hash_config: Option<PathBuf>,
    pub(crate) tenant: Option<String>,
    pub(crate) fail_on: Severity,
    pub(crate) root_key_set: bool,
}

impl Options {
    /// Reads the command line. What a command does not know is refused, so that a typing error never writes to the
    /// wrong database.
    pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Self> {
        let mut options = Self {
            command: None,
            file: None,
            config: "wrangler.toml".into(),
            environment: None,
            persist_to: None,
            place: Place::Local,
            dry_run: false,
            firebase_hash_config: None,
            tenant: None,
            fail_on: Severity::High,
            root_key_set: false,
        };
        let mut place = None;
        while let Some(argument) = parser.next()? {
            let command = options.command.as_deref().unwrap_or_default();
            let writes = matches!(command, "migrate" | "import");
            match argument {
                Value(word) if options.command.is_none() => options.command = Some(word.string()?),
                Value(path) if command == "import" && options.file.is_none() => {
                    options.file = Some(path.into());
                }
                Short('h') | Long("help") => options.command = None,
                Long("config") => options.config = parser.value()?.into(),
                Long("env") => options.environment = Some(parser.value()?.string()?),
                Long("persist-to") if writes => options.persist_to = Some(parser.value()?.into()),
                Long("local") if writes && place.is_none() => place = Some(Place::Local),
                Long("remote") if writes && place.is_none() => place = Some(Place::Remote),
                Long("tenant") if command == "import" => options.tenant = Some(parser.value()?.string()?),
                Long("dry-run") if command == "import" => options.dry_run = true,
                Long("firebase-hash-config") if command == "import" => {
                    options.firebase_hash_config = Some(parser.value()?.into());
                }
                Long("fail-on") if command == "lint" => {
                    options.fail_on = severity(&parser.value()?.string()?)?
                }
                Long("root-key-set") if command == "lint" => options.root_key_set = true,
                other => return Err(other.unexpected().into()),
            }
            if argument_asks_for_help(&options) {
                break;
            }
        }
        options.place = place.unwrap_or(Place::Local);
        if options.place == Place::Remote && options.persist_to.is_some() {
            bail!("--persist-to is for --local");
        }
        Ok(options)
    }
}

/// `--help` ends reading: nothing after it matters.
fn argument_asks_for_help(options: &Options) -> bool {
    options.command.is_none()
}

fn severity(word: &str) -> Result<Severity> {
    match word {
        "info" => Ok(Severity::Info),
        "warn" => Ok(Severity::Warn),
        "high" => Ok(Severity::High),
        _ => bail!("--fail-on must be info, warn or high"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(lexopt::Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn the_local_database_is_meant_unless_the_other_is_named() {
        let options = parse("import users.jsonl --dry-run").expect("valid");
        assert_eq!((options.place, options.dry_run), (Place::Local, true));
        assert_eq!(options.file, Some("users.jsonl".into()));
        assert_eq!(parse("migrate --remote --env staging").expect("valid").place, Place::Remote);
        assert_eq!(parse("lint --fail-on warn").expect("valid").fail_on, Severity::Warn);
    }

    #[test]
    fn what_a_command_does_not_know_is_refused() {
        for line in [
            "import a.jsonl b.jsonl",
            "import a.jsonl --local --remote",
            "import a.jsonl --remote --remote",
            "import a.jsonl --remote --persist-to state",
            "import a.jsonl --fail-on high",
            "import a.jsonl --dryrun",
            "migrate now",
            "migrate --dry-run",
            "lint --remote",
            "lint --fail-on all",
            "report --local",
            "lint --config",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
