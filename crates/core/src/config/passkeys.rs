//! `passkeys`: who asks for them, and from which pages.

use super::section::Section;
use super::url::Issuer;
use crate::identifier::DisplayName;
use crate::relying_party::{RelyingParty, RelyingPartyError};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// `passkeys`: credentials of Web Authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasskeySettings {
    /// Whether accounts may have any, default yes where there is a relying party.
    pub enabled: bool,
    /// Whether a passkey signs in by itself, default yes; otherwise they stand behind other ways in alone.
    pub sign_in: bool,
    /// The id, default the issuer's host, and the origins, default the issuer's. `None` if the issuer's host is an
    /// address, which has no passkeys, and nothing else is given.
    pub relying_party: Option<RelyingParty>,
    /// What browsers call it, 1 to 200 characters, default its id.
    pub relying_party_name: String,
}

impl PasskeySettings {
    pub(super) fn read(mut section: Section<'_>, issuer: &Issuer) -> Self {
        let is_given = section.has("relying_party_id") || section.has("origins");
        let relying_party = read_party(&mut section, issuer, is_given);
        let enabled = section.flag("enabled", relying_party.is_some());
        if enabled && relying_party.is_none() && !is_given {
            section.refuse("relying_party_id", "is required: the issuer's host is an address");
        }
        let name = section.parsed::<DisplayName>("relying_party_name");
        let relying_party_name = name
            .map(|name| name.as_str().into())
            .or_else(|| relying_party.as_ref().map(|party| party.id().into()))
            .unwrap_or_default();
        Self { enabled, sign_in: section.flag("sign_in", true), relying_party, relying_party_name }
    }

    /// The relying party, if there may be passkeys.
    #[must_use]
    pub fn party(&self) -> Option<&RelyingParty> {
        self.relying_party.as_ref().filter(|_| self.enabled)
    }

    /// Whether a page on the reader's own machine may use passkeys.
    pub(super) fn has_loopback(&self) -> bool {
        let mut origins = self.relying_party.iter().flat_map(RelyingParty::origins);
        origins.any(|origin| origin.starts_with("http://"))
    }
}

fn read_party(section: &mut Section<'_>, issuer: &Issuer, is_given: bool) -> Option<RelyingParty> {
    let id = section.parsed::<String>("relying_party_id");
    let listed = section.list::<String>("origins");
    let id = id.unwrap_or_else(|| issuer.host().into());
    let mut origins = Vec::new();
    let mut is_sound = true;
    match listed {
        None => origins.push(issuer.origin().as_str().into()),
        Some(listed) => {
            for (path, given) in listed {
                if let Err(error) = RelyingParty::check_origin(&id, &given) {
                    is_sound = false;
                    section.refuse_at(path, error.to_string());
                }
                origins.push(given);
            }
        }
    }
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    match RelyingParty::new(&id, &origins) {
        Ok(party) => Some(party),
        // What was derived from the issuer is nobody's mistake.
        Err(_) if !is_given || !is_sound => None,
        Err(error @ RelyingPartyError::Id) => {
            section.refuse("relying_party_id", error.to_string());
            None
        }
        Err(error) => {
            section.refuse("origins", error.to_string());
            None
        }
    }
}
