//! `cookies`: sessions of pages, whose scripts see no token.

use super::section::Section;
use super::url::{Issuer, Origin};
use alloc::string::String;
use alloc::vec::Vec;

/// The most origins.
const MAX_ORIGINS: usize = 16;

/// Whether tokens are set as cookies. They are always `__Host-`, `Secure` and `HttpOnly`, but for the token against
/// forgery, which scripts have to read: there is nothing to set that would make them weaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieMode {
    /// `off`: neither set nor read.
    Off,
    /// `beside`: for requests that ask for them; tokens in the answer for all others.
    Beside,
    /// `only`: no answer has a token that a script could read.
    Only,
}

/// With which requests of other sites browsers send them (RFC 6265bis §5.6.7). There is no `None`: cookies that come
/// with every request of everybody leave forgery to the one check that is made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// `lax`: with links that lead here.
    Lax,
    /// `strict`: with none.
    Strict,
}

impl SameSite {
    /// The value of the attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
        }
    }
}

/// `cookies`: sessions of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CookieSettings {
    /// Whether there are any, default no.
    pub mode: CookieMode,
    /// With which requests of other sites browsers send them, default `lax`.
    pub same_site: SameSite,
    /// Whose pages may act for whoever is signed in, 1 to 16, default the issuer's origin.
    pub origins: Vec<Origin>,
}

impl CookieSettings {
    pub(super) fn read(mut section: Section<'_>, issuer: &Issuer) -> Self {
        let modes = [("off", CookieMode::Off), ("beside", CookieMode::Beside), ("only", CookieMode::Only)];
        let same_sites = [("lax", SameSite::Lax), ("strict", SameSite::Strict)];
        let (mode, same_site) = (
            section.choice("mode", CookieMode::Off, &modes),
            section.choice("same_site", SameSite::Lax, &same_sites),
        );
        let listed = section.list::<Origin>("origins");
        Self { mode, same_site, origins: origins_of(&mut section, listed, issuer) }
    }

    /// Whether pages of an origin may act for whoever is signed in.
    #[must_use]
    pub fn has_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|own| own.as_str() == origin)
    }

    /// Whether a page may that came unencrypted.
    pub(super) fn has_plain_origin(&self) -> bool {
        self.origins.iter().any(Origin::is_plain)
    }
}

/// The origins of a section, as they are listed; that of the issuer where none are.
pub(super) fn origins_of(
    section: &mut Section<'_>,
    listed: Option<Vec<(String, Origin)>>,
    issuer: &Issuer,
) -> Vec<Origin> {
    let Some(listed) = listed else { return Vec::from([issuer.origin()]) };
    let mut origins: Vec<Origin> = Vec::with_capacity(listed.len());
    for (path, origin) in listed {
        if origins.contains(&origin) {
            section.refuse_at(path, "is listed twice");
        } else {
            origins.push(origin);
        }
    }
    if origins.is_empty() || origins.len() > MAX_ORIGINS {
        section.refuse("origins", "must list 1 to 16 origins");
    }
    origins
}
