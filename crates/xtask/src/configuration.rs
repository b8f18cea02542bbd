//! The configuration in `wrangler.toml`, checked before anything is built.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use postern_core::config::Config;
use toml::{Table, Value};

/// Checks `[vars.POSTERN]` of every environment in a `wrangler.toml`.
///
/// # Errors
/// When the file is no TOML, or a table is missing or wrong.
pub(crate) fn check(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    check_text(&text).with_context(|| path.display().to_string())
}

fn check_text(text: &str) -> Result<()> {
    let file: Table = text.parse().context("is no TOML")?;
    check_section("vars.POSTERN", &file)?;
    if let Some(environments) = file.get("env").and_then(Value::as_table) {
        for (name, environment) in environments {
            let environment = environment.as_table().with_context(|| format!("env.{name} is no table"))?;
            check_section(&format!("env.{name}.vars.POSTERN"), environment)?;
        }
    }
    Ok(())
}

fn check_section(name: &str, section: &Table) -> Result<()> {
    match section.get("vars").and_then(|vars| vars.get("POSTERN")) {
        // Wrangler inherits no variables: an environment without the table would start unconfigured.
        None => bail!("[{name}] is missing"),
        Some(configuration) => check_configuration(configuration).with_context(|| format!("[{name}]")),
    }
}

/// Checks one configuration table by the rules that the Worker starts with.
fn check_configuration(configuration: &Value) -> Result<()> {
    configuration.as_table().context("is no table")?;
    let json = serde_json::to_string(configuration).context("cannot be written as JSON")?;
    Config::from_json(&json).map_err(|errors| anyhow!("{errors}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_a_table_in_every_environment() {
        let text = "[vars.POSTERN]\nissuer = 'https://a.example'\n\
                    [env.staging.vars.POSTERN]\nissuer = 'https://b.example'";
        check_text(text).expect("valid");
    }

    #[test]
    fn refuses_what_has_no_configuration() {
        for (text, part) in [
            ("name = 'postern'", "[vars.POSTERN] is missing"),
            ("[vars]\nOTHER = 1", "[vars.POSTERN] is missing"),
            ("vars.POSTERN = 'text'", "is no table"),
            (
                "[vars.POSTERN]\nissuer = 'https://a.example'\n[env.staging]\nname = 'x'",
                "[env.staging.vars.POSTERN] is missing",
            ),
            ("[vars.POSTERN]\nissuer = 'https://a.example'\n[env]\nstaging = 1", "env.staging is no table"),
            ("not toml", "is no TOML"),
            ("[vars.POSTERN]\nissuer = 'https://a.example'\nisuer = 'typo'", "isuer: is not a field"),
            (
                "[vars.POSTERN]\nissuer = 'https://a.example'\ntokens.access_ttl_seconds = 901",
                "must be 1 to 900",
            ),
        ] {
            let error = format!("{:#}", check_text(text).expect_err(text));
            assert!(error.contains(part), "{error}");
        }
    }
}
