//! The first five minutes with Postern, as commands to copy: those of the README, which a test runs.

use std::fs;

const README_URL: &str = "http://localhost:8787";

/// What `cargo xtask dev` prints once the server answers at `url`.
pub(crate) fn text(url: &str) -> String {
    let readme = fs::read_to_string("README.md").unwrap_or_default();
    let commands = match commands(&readme) {
        Some(commands) => commands.replace(README_URL, url),
        None => format!("curl {url}/health"),
    };
    format!(
        "\
Postern answers at {url}

To try it, paste this into another shell:

{commands}

Rebuilds on every change. Ctrl-C stops it."
    )
}

/// The commands of the README's session.
fn commands(readme: &str) -> Option<&str> {
    let (_, rest) = readme.split_once("<!-- session -->\n```sh\n")?;
    rest.split_once("\n```").map(|(commands, _)| commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_a_session_at_the_url_that_is_replaced() {
        let commands = commands(include_str!("../../../README.md")).expect("a session");
        assert_eq!(commands.matches(README_URL).count(), 1);
        assert!(commands.contains("/dev/mailbox") && !commands.contains("```"));
    }

    #[test]
    fn a_text_without_a_session_has_no_commands() {
        for readme in ["", "# Postern\n```sh\ncargo xtask dev\n```", "<!-- session -->\n```sh\nnever closed"]
        {
            assert_eq!(commands(readme), None);
        }
    }
}
