//! The templates that were compiled in: `worker/templates`, as `worker/build.rs` has checked them.

use postern_core::config::MailSettings;
use postern_core::mail::{Brand, Letter, Pack, Rendered, Template, preferred_language};

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The languages that mails can be written in.
pub(crate) fn languages() -> impl Iterator<Item = &'static str> + Clone {
    PACKS.iter().map(|pack| pack.language)
}

/// The language that a request would like best, if there is one: the only thing of its header that is kept.
pub(crate) fn preferred(accept_language: &str) -> Option<&'static str> {
    preferred_language(accept_language, languages())
}

/// Writes a letter in the first of `wanted` that there are templates of, or else in the language of the configuration.
pub(super) fn render(
    settings: &MailSettings,
    wanted: &[Option<String>],
    letter: Letter,
    values: &[(&str, &str)],
) -> Option<(&'static str, Rendered)> {
    let wanted = wanted.iter().flatten().map(String::as_str).chain([settings.language.as_str()]);
    let pack = wanted
        .filter_map(preferred)
        .find_map(|language| PACKS.iter().find(|pack| pack.language == language))?;
    let brand = Brand {
        name: &settings.brand_name,
        color: &settings.brand_color,
        logo_url: settings.logo_url.as_ref().map(|url| url.as_str()),
        support_address: settings.support_address.as_ref().map(|address| address.as_str()),
    };
    Some((pack.language, pack.render(LAYOUT, letter, values, &brand)?))
}
