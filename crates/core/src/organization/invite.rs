//! Invitations: open until somebody answers, revokes or forgets them.

use super::Refusal;
use crate::time::UnixMillis;

/// What has become of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteStatus {
    /// Nothing yet.
    Pending,
    /// Whoever was invited is a member.
    Accepted,
    /// Whoever was invited does not want to be.
    Declined,
    /// An owner took it back.
    Revoked,
    /// Its time was over before anything happened. Never stored: whoever reads it knows the time.
    Expired,
}

/// What may be done to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteAction {
    /// By whoever is invited.
    Accept,
    /// By whoever is invited.
    Decline,
    /// By an owner or the operator.
    Revoke,
}

/// An invitation as it is stored, as decisions need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invited {
    /// Never [`InviteStatus::Expired`].
    pub stored: InviteStatus,
    /// The first moment at which it is over.
    pub expires_at: UnixMillis,
}

impl InviteStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Accepted, Self::Declined, Self::Revoked, Self::Expired];

    /// The name of the status: `pending`, `accepted`, `declined`, `revoked` or `expired`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl Invited {
    /// The status at a moment.
    #[must_use]
    pub fn at(&self, now: UnixMillis) -> InviteStatus {
        match self.stored {
            InviteStatus::Pending if now >= self.expires_at => InviteStatus::Expired,
            stored => stored,
        }
    }
}

/// What an invitation becomes. `is_theirs` says whether it is one that whoever acts may act on: the invited account for
/// an answer, an owner for a revocation.
///
/// # Errors
///
/// [`Refusal::InviteUnknown`] for whoever it is none of the business of, then [`Refusal::InviteNotPending`], then
/// [`Refusal::InviteExpired`].
pub fn act_on_invite(
    invite: &Invited,
    is_theirs: bool,
    action: InviteAction,
    now: UnixMillis,
) -> Result<InviteStatus, Refusal> {
    if !is_theirs {
        return Err(Refusal::InviteUnknown);
    }
    match invite.at(now) {
        InviteStatus::Pending => Ok(match action {
            InviteAction::Accept => InviteStatus::Accepted,
            InviteAction::Decline => InviteStatus::Declined,
            InviteAction::Revoke => InviteStatus::Revoked,
        }),
        InviteStatus::Expired => Err(Refusal::InviteExpired),
        InviteStatus::Accepted | InviteStatus::Declined | InviteStatus::Revoked => {
            Err(Refusal::InviteNotPending)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_answered_once_and_in_time() {
        use InviteAction::{Accept, Decline, Revoke};
        use InviteStatus::{Accepted, Declined, Pending, Revoked};
        let end = UnixMillis::new(1_000);
        for (before, action, after) in
            [(999, Accept, Accepted), (0, Decline, Declined), (999, Revoke, Revoked)]
        {
            let invite = Invited { stored: Pending, expires_at: end };
            let at = |millis| act_on_invite(&invite, true, action, UnixMillis::new(millis));
            assert_eq!(at(before), Ok(after));
            assert_eq!(at(1_000), Err(Refusal::InviteExpired));
            assert_eq!(at(5_000), Err(Refusal::InviteExpired));
            assert_eq!(
                act_on_invite(&invite, false, action, end),
                Err(Refusal::InviteUnknown),
                "first of all"
            );
            for stored in [Accepted, Declined, Revoked] {
                let invite = Invited { stored, expires_at: end };
                for millis in [0, 5_000] {
                    let again = act_on_invite(&invite, true, action, UnixMillis::new(millis));
                    assert_eq!(again, Err(Refusal::InviteNotPending), "{stored:?}");
                    assert_eq!(invite.at(UnixMillis::new(millis)), stored, "what happened does not expire");
                }
            }
        }
    }

    #[test]
    fn names_are_exact() {
        for status in InviteStatus::ALL {
            assert_eq!(InviteStatus::from_name(status.name()), Some(status));
        }
        assert!(["", "Pending", "all"].iter().all(|name| InviteStatus::from_name(name).is_none()));
    }
}
