//! The templates that were compiled in: `worker/templates`, as `worker/build.rs` has checked them.

use crate::wire::problem::Problem;
use postern_core::config::MailSettings;
use postern_core::mail::{Brand, Letter, Pack, Template, preferred_language};

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The languages that mails can be written in.
pub(crate) fn languages() -> impl Iterator<Item = &'static str> + Clone {
    PACKS.iter().map(|pack| pack.language)
}

/// The language that a request would like best, if there is one: the only thing of its header that is kept.
pub(crate) fn preferred(accept_language: &str) -> Option<&'static str> {
    preferred_language(accept_language, languages())
}

/// The templates of the first of `wanted` that there are any of, or else those of the configuration's language.
///
/// # Errors
///
/// `misconfigured` if there are none of that either.
pub(super) fn pack(settings: &MailSettings, wanted: &[Option<String>]) -> Result<&'static Pack, Problem> {
    let wanted = wanted.iter().flatten().map(String::as_str).chain([settings.language.as_str()]);
    wanted
        .filter_map(preferred)
        .find_map(|language| PACKS.iter().find(|pack| pack.language == language))
        .ok_or_else(|| Problem::misconfigured("there are no templates in mail.language"))
}

/// Whose mails they are.
pub(super) fn brand(settings: &MailSettings) -> Brand<'_> {
    Brand {
        name: &settings.brand_name,
        color: &settings.brand_color,
        logo_url: settings.logo_url.as_ref().map(|url| url.as_str()),
        support_address: settings.support_address.as_ref().map(|address| address.as_str()),
    }
}
