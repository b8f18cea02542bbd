//! Organizations: `/api/v1/auth/organizations…` for members, with a bearer token, and
//! `/api/v1/auth/admin/organizations…` for the operator. The same handlers serve both: who asks is a [`Caller`].

mod access;
mod invites;
mod manage;
mod members;
mod personal;
mod roles;

use crate::route::admin::operator;
use crate::route::authenticate::{bearer, bearer_in};
use crate::route::exchange::Exchange;
use crate::route::sessions::limit_profile;
use crate::store::directory::Directory;
use crate::store::limiter::Limits;
use crate::store::organizations::{self, Address, Authority, Change, Organization};
use crate::wire::answer::Answer;
use crate::wire::problem::Problem;
use postern_core::flow::validate::{Mode, RouteMode};
use postern_core::id::{AccountId, OperationId, OrganizationId};
use postern_core::organization::{InviteAction, Refusal, Standing, Task, check_task};
use postern_core::permission::OperatorPermission;
use std::pin::Pin;

pub(crate) use access::acting;
pub(crate) use manage::owner;
pub(crate) use personal::create_afterwards;

/// Through which routes somebody comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// A member's, with an access token.
    Own,
    /// The operator's.
    Operator,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    List,
    ListOfUser,
    Create,
    Show,
    Change,
    Members,
    AddMember,
    ShowMember,
    AmendMember,
    RemoveMember,
    Roles,
    DefineRole,
    DeleteRole,
    Invite,
    Invites,
    RevokeInvite,
    OwnInvites,
    AnswerInvite(InviteAction),
    AnswerMailed(InviteAction),
    Personal,
    CreatePersonal,
}

impl Call {
    /// Whether anything is changed: then a session that has ended is refused at once.
    const fn changes(self) -> bool {
        !matches!(
            self,
            Self::List
                | Self::ListOfUser
                | Self::Show
                | Self::Members
                | Self::ShowMember
                | Self::Roles
                | Self::Invites
                | Self::OwnInvites
                | Self::Personal
        )
    }

    /// Whether it makes the account a member of yet another organization, or declines to.
    const fn joins(self) -> bool {
        matches!(self, Self::Create | Self::CreatePersonal | Self::AnswerInvite(_) | Self::AnswerMailed(_))
    }
}

/// Serves one request. `segments` are the path's, an organization first.
pub(crate) async fn serve(exchange: &Exchange, door: Door, call: Call, segments: [&str; 2]) -> Answer {
    let caller = Caller::of(exchange, door, call.changes()).await?;
    let caller = &caller;
    // Such a token is handed to the servers of its organization, which have no say in other ones.
    if call.joins() && matches!(caller.who, Who::Account { acts_in: Some(_), .. }) {
        return Err(Problem::acts_in_organization());
    }
    let [first, second] = segments;
    let serving: Pin<Box<dyn Future<Output = Answer> + '_>> = match call {
        Call::List => Box::pin(manage::list(caller)),
        Call::ListOfUser => Box::pin(manage::list_of_user(caller, first)),
        Call::Create => Box::pin(manage::create(caller)),
        Call::Show => Box::pin(manage::show(caller, first)),
        Call::Change => Box::pin(manage::change(caller, first)),
        Call::Members => Box::pin(members::list(caller, first)),
        Call::AddMember => Box::pin(members::add(caller, first)),
        Call::ShowMember => Box::pin(members::show(caller, first, second)),
        Call::AmendMember => Box::pin(members::amend(caller, first, second)),
        Call::RemoveMember => Box::pin(members::remove(caller, first, second)),
        Call::Roles => Box::pin(roles::list(caller, first)),
        Call::DefineRole => Box::pin(roles::define(caller, first, second)),
        Call::DeleteRole => Box::pin(roles::delete(caller, first, second)),
        Call::Invite => Box::pin(invites::create(caller, first)),
        Call::Invites => Box::pin(invites::list(caller, first)),
        Call::RevokeInvite => Box::pin(invites::revoke(caller, first, second)),
        Call::OwnInvites => Box::pin(invites::list_own(caller)),
        Call::AnswerInvite(action) => Box::pin(invites::answer(caller, first, action)),
        Call::AnswerMailed(action) => Box::pin(invites::answer_mailed(caller, action)),
        Call::Personal => Box::pin(personal::show(caller)),
        Call::CreatePersonal => Box::pin(personal::create(caller)),
    };
    serving.await
}

/// Who asks, and what may be known of them.
struct Caller<'a> {
    exchange: &'a Exchange,
    directory: Directory,
    who: Who,
}

enum Who {
    /// An account, and the organization that its token acts in, if it acts in one.
    Account {
        id: AccountId,
        acts_in: Option<String>,
    },
    Operator(operator::Operator),
}

impl<'a> Caller<'a> {
    async fn of(exchange: &'a Exchange, door: Door, changes: bool) -> Result<Self, Problem> {
        let who = match door {
            Door::Operator => {
                let (read, manage) =
                    (OperatorPermission::OrganizationsRead, OperatorPermission::OrganizationsManage);
                let needed = if changes { manage } else { read };
                let operator = operator::authorise(exchange, needed).await?;
                if changes {
                    // It could make anybody an owner, who has it all.
                    let settings = exchange.environment.permissions()?;
                    let given = exchange.environment.config().organizations().permissions.iter();
                    operator.check_covers(given.filter_map(|name| settings.registry.mask_of([name]).ok()))?;
                }
                Who::Operator(operator)
            }
            Door::Own => {
                let found = if changes {
                    bearer_in(exchange, RouteMode::Exactly(Mode::Strict)).await?
                } else {
                    bearer(exchange).await?
                };
                limit_profile(exchange, &found.subject.account).await?;
                let acts_in = found.claims.organization().map(Into::into);
                Who::Account { id: found.subject.account, acts_in }
            }
        };
        Ok(Self { exchange, directory: exchange.directory()?, who })
    }

    /// The account that asks; none is the operator.
    const fn account(&self) -> Option<&AccountId> {
        match &self.who {
            Who::Account { id, .. } => Some(id),
            Who::Operator(_) => None,
        }
    }

    /// The organization that a path names, if whoever asks may do that to it. A token that acts in an organization does
    /// nothing to others.
    async fn organization(&self, segment: &str, task: Task) -> Result<Organization, Problem> {
        let address = address(segment)?;
        let tenant = self.exchange.environment.config().tenant();
        let found = self.directory.organization(tenant, &address, self.account()).await?;
        let found = found.ok_or_else(|| Problem::organization(Refusal::Unknown))?;
        let standing = match &self.who {
            Who::Operator(_) => Standing::Operator,
            Who::Account { acts_in: Some(other), .. }
                if *other != found.slug && !found.names()?.contains(other) =>
            {
                Standing::Stranger
            }
            Who::Account { .. } => organizations::standing(&found)?,
        };
        check_task(standing, task).map_err(Problem::organization)?;
        Ok(found)
    }

    /// A change that whoever asks wants made, under an id that an operator may bring again.
    fn change(
        &self,
        organization: OrganizationId,
        event: &'static str,
        about: Option<AccountId>,
        what: &str,
    ) -> Result<Change<'_>, Problem> {
        let said = format!("{event} {what} {}", about.map(|about| about.to_string()).unwrap_or_default());
        let (authority, operation, by) = match &self.who {
            Who::Account { id, .. } => {
                let drawn = self.exchange.ambient.random()?.into_bytes();
                (Authority::Owner(*id), OperationId::from_bytes(drawn), id.to_string())
            }
            Who::Operator(operator) => {
                (Authority::Lasting, operator.operation_in(&organization, &said), operator.name())
            }
        };
        Ok(Change {
            organization,
            tenant: self.exchange.environment.config().tenant(),
            authority,
            operation,
            account: about,
            event,
            detail: format!("{what} in {organization} by {by}"),
            now: self.exchange.ambient.now(),
        })
    }

    /// Whether the operator's request was carried out before.
    async fn repeats(&self, change: &Change<'_>) -> Result<bool, Problem> {
        match self.who {
            Who::Account { .. } => Ok(false),
            Who::Operator(_) => self.directory.was_authorized(change.operation).await,
        }
    }

    /// Before a change about an account: how far an operator reaches is not for its owners to say.
    async fn reach(&self, account: &AccountId) -> Result<(), Problem> {
        match &self.who {
            Who::Account { .. } => Ok(()),
            Who::Operator(operator) => operator.reach(self.exchange, &[*account]).await,
        }
    }

    /// Tells the accounts whose tokens a change has made stale.
    ///
    /// # Errors
    ///
    /// `invalidation_pending` if one does not know yet.
    async fn tell(&self, change: &Change<'_>) -> Result<(), Problem> {
        match organizations::tell(&self.exchange.environment, &self.directory, change.operation).await? {
            0 => Ok(()),
            _ => Err(Problem::invalidation_pending()),
        }
    }

    /// The limit on what accounts create, and on whom they invite.
    async fn take_creation(&self) -> Result<(), Problem> {
        let account = match &self.who {
            Who::Account { id, .. } => Some(id),
            Who::Operator(operator) => operator.account(),
        };
        let Some(account) = account else { return Ok(()) };
        let environment = &self.exchange.environment;
        let keyring = self.exchange.keyring().await?;
        let limit = environment.config().limits().organization_per_account;
        Limits::new(environment, &keyring, &account.to_string())
            .per_key("organization_per_account", limit)
            .take()
            .await
    }
}

/// What a path calls an organization: its id, or a name that it has or had.
fn address(segment: &str) -> Result<Address, Problem> {
    match (segment.parse(), segment.parse()) {
        (Ok(id), _) => Ok(Address::Id(id)),
        (_, Ok(slug)) => Ok(Address::Name(slug)),
        _ => Err(Problem::organization(Refusal::Unknown)),
    }
}

/// Somebody was quicker: what they did is the reason, and without one it was done and undone.
fn overtaken(reason: Result<(), Refusal>) -> Problem {
    Problem::organization(reason.err().unwrap_or(Refusal::Conflict))
}
