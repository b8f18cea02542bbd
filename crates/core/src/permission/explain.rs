//! Why an account may do something.

use super::{Holdings, PermissionName, PermissionRegistry, RegistryError, Source};
use alloc::vec::Vec;

/// Every source that gives an account one permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'a> {
    sources: Vec<Source<'a>>,
}

impl<'a> Explanation<'a> {
    /// Whether the account may do it: there is a source.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Root first, then roles, direct, groups. All of them have to go before the account may not do it any more.
    #[must_use]
    pub fn sources(&self) -> &[Source<'a>] {
        &self.sources
    }
}

/// Why an account may do something: every source that gives it the permission, or none.
///
/// Agrees with the mask that [`resolve`](super::resolve) makes of the same holdings.
///
/// # Errors
///
/// [`RegistryError::Unknown`] or [`RegistryError::Deleted`] for a permission that the registry does not have (any
/// more): to ask for it is a mistake, even where root would pass.
pub fn explain<'a>(
    registry: &PermissionRegistry,
    holdings: &Holdings<'a>,
    permission: &PermissionName,
) -> Result<Explanation<'a>, RegistryError> {
    match registry.slot(permission.as_str()) {
        None => return Err(RegistryError::Unknown(permission.clone())),
        Some(slot) if slot.deleted => return Err(RegistryError::Deleted(permission.clone())),
        Some(_) => {}
    }
    let named = holdings.sources().filter(|(_, permissions)| permissions.contains(permission));
    let root = holdings.has_root.then_some(Source::Root);
    Ok(Explanation { sources: root.into_iter().chain(named.map(|(source, _)| source)).collect() })
}
