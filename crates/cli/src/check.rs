//! What the configuration comes to, and what is unwise in it.

use crate::Outcome;
use crate::options::Options;
use crate::project;
use anyhow::Result;
use postern_core::config::{
    BreachCheck, Config, Deployment, Environment, MailSender, MailedForm, SessionLimit, ValidationMode,
};
use postern_core::password::HashKind;
use serde_json::{Value, json};

/// Prints every finding of the lint; refuses from the severity on that the command line names.
pub(crate) fn lint(options: &Options) -> Result<Outcome> {
    let deployment =
        Deployment { environment: Environment::Production, root_key_present: options.root_key_set };
    let findings = project::configuration(options)?.lint(deployment);
    for finding in &findings {
        println!("{} {}: {}", finding.severity.as_str(), finding.code, finding.message);
    }
    let refused = findings.iter().any(|finding| finding.severity >= options.fail_on);
    Ok(if refused { Outcome::Refused } else { Outcome::Fine })
}

/// Prints what protects the deployment.
pub(crate) fn report(options: &Options) -> Result<Outcome> {
    let report = describe(&project::configuration(options)?);
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(Outcome::Fine)
}

/// Prints the registry that the configuration alone comes to.
pub(crate) fn permissions(options: &Options) -> Result<Outcome> {
    println!("{}", registry(&project::configuration(options)?)?);
    Ok(Outcome::Fine)
}

/// As `GET /api/v1/auth/permissions` has it.
fn registry(config: &Config) -> Result<String> {
    Ok(serde_json::to_string(&config.permissions().registry)?)
}

fn describe(config: &Config) -> Value {
    let (tokens, sessions, passwords) = (config.tokens(), config.sessions(), config.passwords());
    let imported = HashKind::WORDS.iter().filter(|(_, kind)| passwords.imported.contains(*kind));
    let limits = config.limits();
    json!({
        "issuer": config.issuer().as_str(),
        "tenant": config.tenant().as_str(),
        "signing_algorithm": tokens.algorithm_name.as_str(),
        "access_ttl_seconds": tokens.access_ttl.as_secs(),
        "refresh_idle_ttl_seconds": sessions.idle_ttl.as_secs(),
        "session_ttl_seconds": sessions.absolute_ttl.as_secs(),
        "validation_mode": match config.validation().mode {
            ValidationMode::JwtOnly => "jwt_only",
            ValidationMode::Hybrid => "hybrid",
            ValidationMode::Strict => "strict",
        },
        "argon2": {
            "memory_kib": passwords.memory_kib,
            "iterations": passwords.iterations,
            "parallelism": passwords.parallelism,
        },
        "imported_hashes": imported.map(|(word, _)| *word).collect::<Vec<_>>(),
        "failure_floor_ms": u64::try_from(passwords.failure_floor.as_millis()).unwrap_or(u64::MAX),
        "breach_check": passwords.breach_check != BreachCheck::Off,
        "refresh_rotation": true,
        "refresh_reuse_detection": true,
        "session_cap": sessions.limit != SessionLimit::Unlimited,
        "lockout_failures_per_source": config.lockout().per_source_failures,
        "limits_switched_off":
            limits.iter().filter(|(_, limit)| limit.is_none()).map(|(name, _)| name).collect::<Vec<_>>(),
        "password_reset": config.password_reset().enabled.then(|| match config.password_reset().by {
            MailedForm::Link => "link",
            MailedForm::Code => "code",
            MailedForm::Uuid => "uuid",
        }),
        "login_by_mailed_code": config.sign_in().codes,
        "login_by_mailed_link": config.sign_in().links,
        "sends_mail": config.mail().sender != MailSender::DevelopmentMailbox,
        "keys_rotate_after_seconds": config.keys().rotate_after.map(|after| after.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_the_configuration_means() {
        let text = r#"{"issuer": "https://a.example", "preset": "high_security",
            "passwords": {"imported": ["bcrypt"]}, "limits": {"login_per_pair": {"count": 0}}}"#;
        let report = describe(&Config::from_json(text).expect("valid"));
        assert_eq!(report["validation_mode"], "strict");
        assert_eq!(report["imported_hashes"], json!(["bcrypt"]));
        assert_eq!(report["failure_floor_ms"], 500);
        assert_eq!(report["limits_switched_off"], json!(["login_per_pair"]));
        assert_eq!(report["password_reset"], "link");
        assert_eq!(report["sends_mail"], false);
    }

    #[test]
    fn the_registry_is_what_an_issuer_would_publish() {
        let text = r#"{"issuer": "https://a.example", "permissions":
            {"names": ["docs:read", "docs:write"], "deleted": ["docs:read"], "width": 128}}"#;
        let registry = registry(&Config::from_json(text).expect("valid")).expect("written");
        let expected = r#"{"version":4,"width":128,"permissions":[{"name":"docs:read","bit":0,"deleted":true},{"name":"docs:write","bit":1}]}"#;
        assert_eq!(registry, expected);
    }
}
