//! Who may do what to an organization's members and roles.

use super::{MOST_DEFINED_ROLES, MOST_ROLE_BYTES, MOST_ROLES, OrganizationRole, Refusal};
use alloc::string::String;
use alloc::vec::Vec;

/// What whoever asks is to the organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Stranger,
    /// A member, and no owner.
    Member,
    /// A member with the role `owner`.
    Owner,
    /// The operator of the deployment.
    Operator,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// To see the organization, its members and roles.
    Read,
    /// To remove a member: oneself, or another.
    Remove {
        /// Whether it is whoever asks.
        oneself: bool,
    },
    /// To change anything else, or to see invitations.
    Manage,
    /// To make somebody a member who was not asked.
    Add,
}

impl Standing {
    /// What an account is by its membership, if it has one.
    #[must_use]
    pub fn of(roles: Option<&[String]>) -> Self {
        match roles {
            None => Self::Stranger,
            Some(roles) if roles.iter().any(|role| role == OrganizationRole::OWNER) => Self::Owner,
            Some(_) => Self::Member,
        }
    }
}

/// Whether that may be done. A stranger is told nothing, not even that there is an organization.
///
/// # Errors
///
/// [`Refusal::Unknown`] or [`Refusal::OwnerRequired`].
pub const fn check_task(standing: Standing, task: Task) -> Result<(), Refusal> {
    match (standing, task) {
        (Standing::Operator, _)
        | (Standing::Owner, Task::Read | Task::Remove { .. } | Task::Manage)
        | (Standing::Member, Task::Read | Task::Remove { oneself: true }) => Ok(()),
        (Standing::Member, _) => Err(Refusal::OwnerRequired),
        (Standing::Stranger, _) | (Standing::Owner, Task::Add) => Err(Refusal::Unknown),
    }
}

/// One account in one organization, as decisions need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Whether the account is a member.
    pub is_member: bool,
    /// Its roles there.
    pub roles: Vec<String>,
    /// Whether somebody else is owner, too.
    pub has_other_owner: bool,
    /// Whether the organization is the account's personal one.
    pub is_personal: bool,
}

impl Seat {
    fn is_owner(&self) -> bool {
        self.roles.iter().any(|role| role == OrganizationRole::OWNER)
    }

    /// Whether the account may stop being owner.
    fn check_owner_leaves(&self) -> Result<(), Refusal> {
        if self.is_personal {
            Err(Refusal::PersonalOwner)
        } else if self.has_other_owner {
            Ok(())
        } else {
            Err(Refusal::LastOwner)
        }
    }
}

/// Whether a member may be removed.
///
/// # Errors
///
/// [`Refusal::NotMember`], [`Refusal::PersonalOwner`], [`Refusal::LastOwner`].
pub fn remove(seat: &Seat) -> Result<(), Refusal> {
    if !seat.is_member {
        return Err(Refusal::NotMember);
    }
    if seat.is_owner() || seat.is_personal { seat.check_owner_leaves() } else { Ok(()) }
}

/// What a change of a member's roles comes to.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// Roles that are new.
    pub add: Vec<String>,
    /// Roles that go.
    pub remove: Vec<String>,
}

impl RoleChange {
    /// Whether everything stays as it is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// Gives a member roles and takes others. To give what is held and to take what is not is no mistake; to give what is not
/// defined is one.
///
/// # Errors
///
/// [`Refusal::NotMember`], [`Refusal::RoleUndefined`], [`Refusal::PersonalOwner`], [`Refusal::LastOwner`],
/// [`Refusal::TooManyRoles`].
pub fn amend_roles(
    seat: &Seat,
    defined: &[String],
    add: &[OrganizationRole],
    remove: &[OrganizationRole],
) -> Result<RoleChange, Refusal> {
    if !seat.is_member {
        return Err(Refusal::NotMember);
    }
    let is_in = |names: &[String], role: &OrganizationRole| names.iter().any(|name| name == role.as_str());
    if add.iter().chain(remove).any(|role| !is_in(defined, role)) {
        return Err(Refusal::RoleUndefined);
    }
    let mut change = RoleChange { add: Vec::new(), remove: Vec::new() };
    for role in remove.iter().filter(|role| is_in(&seat.roles, role) && !add.contains(role)) {
        if !is_in(&change.remove, role) {
            change.remove.push(role.as_str().into());
        }
    }
    for role in add.iter().filter(|role| !is_in(&seat.roles, role)) {
        if !is_in(&change.add, role) {
            change.add.push(role.as_str().into());
        }
    }
    if change.remove.iter().any(|role| role == OrganizationRole::OWNER) {
        seat.check_owner_leaves()?;
    }
    let kept = seat.roles.iter().filter(|role| !change.remove.contains(role));
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for role in kept.chain(&change.add) {
        count = count.saturating_add(1);
        bytes = bytes.saturating_add(role.len());
    }
    let is_more = !change.add.is_empty();
    if is_more && (count > MOST_ROLES || bytes > MOST_ROLE_BYTES) {
        return Err(Refusal::TooManyRoles);
    }
    Ok(change)
}

/// Whether a role may be defined, or defined anew, where so many others are.
///
/// # Errors
///
/// [`Refusal::RoleProtected`], [`Refusal::TooManyRoles`].
pub fn define_role(role: &OrganizationRole, others: u32) -> Result<(), Refusal> {
    if role.as_str() == OrganizationRole::OWNER {
        Err(Refusal::RoleProtected)
    } else if others >= MOST_DEFINED_ROLES {
        Err(Refusal::TooManyRoles)
    } else {
        Ok(())
    }
}

/// Whether a role may be deleted.
///
/// # Errors
///
/// [`Refusal::RoleProtected`].
pub fn delete_role(role: &OrganizationRole) -> Result<(), Refusal> {
    if role.is_deletable() { Ok(()) } else { Err(Refusal::RoleProtected) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString;

    fn role(name: &str) -> OrganizationRole {
        name.parse().unwrap()
    }

    fn roles(names: &[&str]) -> Vec<OrganizationRole> {
        names.iter().map(|name| role(name)).collect()
    }

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn seat(names: &[&str]) -> Seat {
        Seat { is_member: true, roles: texts(names), has_other_owner: false, is_personal: false }
    }

    #[test]
    fn who_may_do_what_is_a_table() {
        use Standing::{Member, Operator, Owner, Stranger};
        let tasks = [
            Task::Read,
            Task::Remove { oneself: true },
            Task::Remove { oneself: false },
            Task::Manage,
            Task::Add,
        ];
        let (ok, hidden, refused) = (Ok(()), Err(Refusal::Unknown), Err(Refusal::OwnerRequired));
        for (standing, expected) in [
            (Stranger, [hidden; 5]),
            (Member, [ok, ok, refused, refused, refused]),
            (Owner, [ok, ok, ok, ok, hidden]),
            (Operator, [ok; 5]),
        ] {
            assert_eq!(tasks.map(|task| check_task(standing, task)), expected, "{standing:?}");
        }
        assert_eq!(Standing::of(None), Stranger);
        assert_eq!(Standing::of(Some(&[])), Member);
        assert_eq!(Standing::of(Some(&texts(&["Owner", "owners"]))), Member);
        assert_eq!(Standing::of(Some(&texts(&["member", "owner"]))), Owner);
    }

    #[test]
    fn the_last_owner_stays_and_a_personal_one_always() {
        for is_member in [false, true] {
            for is_owner in [false, true] {
                for has_other_owner in [false, true] {
                    for is_personal in [false, true] {
                        let roles = texts(if is_owner { &["member", "owner"] } else { &["member"] });
                        let seat = Seat { is_member, roles, has_other_owner, is_personal };
                        let leaves = match (is_member, is_owner, has_other_owner, is_personal) {
                            (false, ..) => Err(Refusal::NotMember),
                            (_, _, _, true) => Err(Refusal::PersonalOwner),
                            (_, true, false, _) => Err(Refusal::LastOwner),
                            _ => Ok(()),
                        };
                        assert_eq!(remove(&seat), leaves, "{seat:?}");
                        let defined = texts(&["owner", "member"]);
                        let demoted = amend_roles(&seat, &defined, &[], &roles_of_owner());
                        if is_member && !is_owner {
                            assert!(demoted.unwrap().is_empty(), "{seat:?}");
                        } else {
                            assert_eq!(demoted.map(|_| ()), leaves, "{seat:?}");
                        }
                    }
                }
            }
        }
    }

    fn roles_of_owner() -> Vec<OrganizationRole> {
        roles(&["owner"])
    }

    #[test]
    fn roles_are_given_and_taken_once() {
        let defined = texts(&["owner", "member", "editor", "auditor"]);
        let held = seat(&["member", "editor"]);
        let change =
            |add: &[&str], remove: &[&str]| amend_roles(&held, &defined, &roles(add), &roles(remove));
        let of = |add: &[&str], remove: &[&str]| Ok(RoleChange { add: texts(add), remove: texts(remove) });
        assert_eq!(
            change(&["auditor", "auditor", "member"], &["editor", "editor", "owner"]),
            of(&["auditor"], &["editor"])
        );
        assert!(change(&["member"], &["auditor"]).unwrap().is_empty());
        assert_eq!(change(&["editor"], &["editor"]), of(&[], &[]), "given after it is taken");
        assert_eq!(change(&["nothing"], &[]), Err(Refusal::RoleUndefined));
        assert_eq!(change(&[], &["nothing"]), Err(Refusal::RoleUndefined));
        let stranger = Seat { is_member: false, ..seat(&[]) };
        assert_eq!(amend_roles(&stranger, &defined, &roles(&["editor"]), &[]), Err(Refusal::NotMember));
    }

    #[test]
    fn there_are_at_most_fifty_roles_and_a_thousand_bytes() {
        let many: Vec<String> = (0..51).map(|number| format!("r{number}")).collect();
        let wanted: Vec<OrganizationRole> = many.iter().map(|name| name.parse().unwrap()).collect();
        let (first, last) = wanted.split_at(50);
        assert_eq!(amend_roles(&seat(&[]), &many, first, &[]).unwrap().add.len(), 50);
        assert_eq!(amend_roles(&seat(&[]), &many, &wanted, &[]), Err(Refusal::TooManyRoles));
        let full = Seat { roles: many.iter().take(50).cloned().collect(), ..seat(&[]) };
        assert_eq!(amend_roles(&full, &many, last, &[]), Err(Refusal::TooManyRoles));
        assert!(amend_roles(&full, &many, last, &wanted[..1]).is_ok(), "one goes for another");
        let long: Vec<String> = (10..27).map(|number| format!("{number}{}", "r".repeat(62))).collect();
        let wanted: Vec<OrganizationRole> = long.iter().map(|name| name.parse().unwrap()).collect();
        assert!(amend_roles(&seat(&[]), &long, &wanted[..16], &[]).is_ok());
        assert_eq!(amend_roles(&seat(&[]), &long, &wanted, &[]), Err(Refusal::TooManyRoles));
    }

    #[test]
    fn what_is_seeded_stays() {
        assert_eq!(define_role(&role("owner"), 0), Err(Refusal::RoleProtected));
        assert_eq!(define_role(&role("member"), 99), Ok(()));
        assert_eq!(define_role(&role("editor"), 100), Err(Refusal::TooManyRoles));
        assert_eq!(delete_role(&role("member")), Err(Refusal::RoleProtected));
        assert_eq!(delete_role(&role("owner")), Err(Refusal::RoleProtected));
        assert_eq!(delete_role(&role("editor")), Ok(()));
    }
}
