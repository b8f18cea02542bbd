//! Permissions: canonical names, the bits a registry gives them, and masks of those bits.
//!
//! A name such as `docs:write` is what people write down; a [`PermissionRegistry`] gives every name one bit,
//! for ever; a [`PermissionMask`] is the set of bits an account holds and travels in the `pm` claim of its
//! tokens beside the registry version `pr`. A check is one bit test: no I/O and no allocation.
//!
//! Two rules make masks safe to keep for as long as a token or a database row lives. A bit never changes its
//! meaning: names are appended, a deleted name leaves a tombstone. And bits 63, 127, 255 and 511 are never
//! given to a name at any width, because the top bit of each width is *root*, which passes every check.

mod authorization;
mod bit;
mod definitions;
mod explain;
mod mask;
mod name;
mod operating;
mod registry;
mod resolve;
#[cfg(feature = "serde")]
mod snapshot;
mod table;

pub use authorization::{AuthorizationError, AuthorizationSnapshot, amended};
pub use bit::{MaskWidth, PermissionBit};
pub use definitions::{DefinedSet, Definitions, SetKind};
pub use explain::{Explanation, explain};
pub use mask::{MaskBits, MaskError, PermissionMask};
pub use name::{GroupName, NameError, PermissionName, RoleName};
pub use operating::{Authority, OperatorPermission};
pub use registry::{Declared, PermissionRegistry, RegistryError, RegistryVersion};
pub use resolve::{Holdings, NamedPermissions, ResolveError, Resolved, Skipped, Source, resolve};
pub use table::{GroupTable, PermissionSet, PermissionTable, RoleTable, SetName, TableError};
