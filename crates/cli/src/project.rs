//! The deployment's own description: the configuration inside the Wrangler file.

use crate::options::Options;
use anyhow::{Context as _, Result, anyhow};
use postern_core::config::Config;
use serde_json::Value;
use std::fs;

/// The configuration of the environment that the command line names.
pub(crate) fn configuration(options: &Options) -> Result<Config> {
    let path = options.config.display();
    let text = fs::read_to_string(&options.config).with_context(|| format!("cannot read {path}"))?;
    let is_json = options.config.extension().is_some_and(|extension| extension == "json");
    let file = if is_json { json(&text) } else { toml(&text) }.with_context(|| path.to_string())?;
    read(&file, options.environment.as_deref()).with_context(|| path.to_string())
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).context("is not JSON")
}

fn toml(text: &str) -> Result<Value> {
    let table: toml::Table = text.parse().context("is not TOML")?;
    serde_json::to_value(table).context("cannot be written as JSON")
}

fn read(file: &Value, environment: Option<&str>) -> Result<Config> {
    let (name, section) = match environment {
        None => ("vars.POSTERN".to_owned(), Some(file)),
        Some(name) => {
            let section = file.get("env").and_then(|environments| environments.get(name));
            (format!("env.{name}.vars.POSTERN"), section)
        }
    };
    let table = section.and_then(|section| section.get("vars")?.get("POSTERN"));
    let table = table.with_context(|| format!("[{name}] is missing"))?;
    // A variable may also be the text of the table.
    let text = table.as_str().map_or_else(|| table.to_string(), str::to_owned);
    Config::from_json(&text).map_err(|errors| anyhow!("{errors}")).with_context(|| format!("[{name}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[vars.POSTERN]\nissuer = 'https://a.example'\n[env.staging.vars.POSTERN]\nissuer = 'https://b.example'";

    #[test]
    fn an_environment_has_a_table_of_its_own() {
        let file = toml(FILE).expect("TOML");
        assert_eq!(read(&file, None).expect("valid").issuer().as_str(), "https://a.example");
        assert_eq!(read(&file, Some("staging")).expect("valid").issuer().as_str(), "https://b.example");
        assert!(read(&file, Some("production")).is_err());
        let text = json(r#"{"vars": {"POSTERN": "{\"issuer\": \"https://c.example\"}"}}"#).expect("JSON");
        assert_eq!(read(&text, None).expect("valid").issuer().as_str(), "https://c.example");
    }

    #[test]
    fn a_broken_rule_is_named() {
        let file = toml("[vars.POSTERN]\nissuer = 'https://a.example'\nsurprise = 1").expect("TOML");
        let error = format!("{:#}", read(&file, None).expect_err("refused"));
        assert!(error.contains("[vars.POSTERN]") && error.contains("surprise: is not a field"), "{error}");
    }
}
