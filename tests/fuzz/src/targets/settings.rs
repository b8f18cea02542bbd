//! The configuration and its URLs.

use super::text;
use postern_core::config::{Config, Deployment, Environment, Issuer};

/// Any text is a configuration or a list of reasons.
pub(crate) fn config(data: &[u8]) {
    let Some(json) = text(data) else { return };
    match Config::from_json(json) {
        Ok(config) => {
            let deployment = Deployment { environment: Environment::Production, root_key_present: false };
            // No root key is always worth a word.
            assert!(!config.lint(deployment).is_empty());
        }
        Err(errors) => assert!(!errors.violations().is_empty(), "refused without a reason"),
    }
}

/// An issuer is written back as it was given: tokens compare it byte for byte.
pub(crate) fn url(data: &[u8]) {
    let Some(url) = text(data) else { return };
    if let Ok(issuer) = url.parse::<Issuer>() {
        assert_eq!(issuer.as_str(), url);
        assert!(url.starts_with("https://") || issuer.as_url().is_loopback());
    }
}
