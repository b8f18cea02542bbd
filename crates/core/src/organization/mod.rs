//! Organizations: names of their own, members, roles that they define themselves, invitations.
//!
//! Rules only. The host loads what a decision needs, asks, and commits under the same conditions once more, so that two
//! requests at one moment cannot both be right: no organization loses its last owner.

mod access;
mod invite;
mod membership;
mod role;
mod slug;

#[cfg(feature = "verify")]
pub use access::{HeldRole, effective_mask};
pub use invite::{InviteAction, InviteStatus, Invited, act_on_invite};
pub use membership::{
    RoleChange, Seat, Standing, Task, amend_roles, check_task, define_role, delete_role, remove,
};
pub use role::{OrganizationRole, OrganizationRoleError};
pub use slug::{OrganizationSlug, SlugError};

/// How many organizations one account may be a member of.
pub const MOST_MEMBERSHIPS: u32 = 200;
/// How many members one organization may have.
pub const MOST_MEMBERS: u32 = 10_000;
/// How many roles one organization may define, `owner` and `member` included.
pub const MOST_DEFINED_ROLES: u32 = 100;
/// How many roles one member may have in one organization.
pub const MOST_ROLES: usize = 50;
/// What the names of these have together at most, in bytes: a token carries them all.
pub const MOST_ROLE_BYTES: usize = 1_024;
/// How many names one organization may have had, the present one included: names are kept for good.
pub const MOST_SLUGS: u32 = 10;
/// How many invitations of one organization may be open at a time.
pub const MOST_OPEN_INVITES: u32 = 500;

/// Why an organization does not do what it is asked. One vague answer covers what outsiders may not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such organization, or none that whoever asks may know of.
    Unknown,
    /// Only owners may do that.
    OwnerRequired,
    /// The name is somebody's, or once was.
    SlugTaken,
    /// It has had [`MOST_SLUGS`] names.
    TooManySlugs,
    /// A personal organization keeps its name.
    PersonalLocked,
    /// The person whose organization it is stays its owner.
    PersonalOwner,
    /// The account is no member.
    NotMember,
    /// It has [`MOST_MEMBERS`] members.
    TooManyMembers,
    /// The account is in [`MOST_MEMBERSHIPS`] organizations.
    TooManyMemberships,
    /// Nobody else is owner.
    LastOwner,
    /// The role is not defined.
    RoleUndefined,
    /// `owner` and `member` are not deleted, and `owner` not redefined.
    RoleProtected,
    /// As many roles as may be, defined or held.
    TooManyRoles,
    /// There is no such invitation, or none that whoever asks may know of.
    InviteUnknown,
    /// The invitation was answered or revoked before.
    InviteNotPending,
    /// The invitation's time is over.
    InviteExpired,
    /// Whoever is invited is a member already, as far as whoever invites knows them.
    AlreadyMember,
    /// An invitation of the same person is open.
    InvitePending,
    /// [`MOST_OPEN_INVITES`] invitations are open.
    TooManyInvites,
    /// It was changed by somebody else again and again meanwhile.
    Conflict,
}
