//! The first five minutes with Postern, as commands to copy.

/// What `cargo xtask dev` prints once the server answers at `url`.
pub(crate) fn text(url: &str) -> String {
    format!(
        "\
Postern answers at {url}

  curl {url}/health

Rebuilds on every change. Ctrl-C stops it."
    )
}
