//! Invitations: of accounts and of addresses, and what becomes of them.

use super::{Caller, manage, overtaken};
use crate::outbox::message::MailTemplate;
use crate::route::admin::users;
use crate::store::intake::{Intake, NewSecret};
use crate::store::organizations::{Authority, Change, Invite, Invitee};
use crate::wire::answer::{Answer, json, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use postern_core::id::{AccountId, InviteId, OrganizationId};
use postern_core::identifier::{EmailAddress, Identifier, Username};
use postern_core::intake::{CodeBinding, CodeDigest, CodePurpose, LinkToken};
use postern_core::organization::{InviteAction, InviteStatus, Refusal, Task, act_on_invite};
use postern_core::time::Seconds;
use serde::Serialize;

#[derive(Serialize)]
struct Created {
    id: InviteId,
    expires_at: u64,
}

#[derive(Serialize)]
struct Joined {
    organization: OrganizationId,
}

/// `{account_id}`, `{username}` or `{email}`, and `expires_in?` → 201. To an address a link is mailed, whoever has it.
pub(super) async fn create(caller: &Caller<'_>, segment: &str) -> Answer {
    let found = caller.organization(segment, Task::Manage).await?;
    let mut body = Body::read(&caller.exchange.request).await?;
    let (account, email) = (invited_account(caller, &mut body).await?, address(&mut body)?);
    let ttl = ttl(caller, &mut body)?;
    if let Some(account) = &account {
        caller.reach(account).await?;
    }
    caller.take_creation().await?;
    let id = InviteId::from_bytes(caller.exchange.ambient.random()?.into_bytes());
    let (invitee, mailed) = match (account, email) {
        (Some(account), None) => (Invitee::Account(account), None),
        (None, Some(email)) => {
            let secret = caller.exchange.ambient.random::<32>()?;
            let token = LinkToken::new(*id.as_bytes(), secret);
            let keyring = caller.exchange.keyring().await?;
            let pepper = keyring.peppers().current();
            let pepper = pepper.ok_or_else(|| Problem::internal("keyring", "there is no pepper"))?;
            let digest = digest(caller, pepper, &id, &token);
            let invitee = Invitee::Address { email: email.as_str().into(), digest, pepper_id: pepper.id() };
            (invitee, Some((email, token.to_text())))
        }
        _ => return Err(Problem::invalid_field("body", "must have one of account_id, username and email")),
    };
    let change = caller.change(found.id, "organization_invite_created", account, "invited")?;
    let expires_at = change.now.plus(ttl);
    if !caller.directory.invite(&change, &id, &invitee, caller.account(), expires_at).await? {
        caller.organization(segment, Task::Manage).await?;
        return Err(not_invited(caller, &change, account).await?);
    }
    if let Some((email, token)) = mailed {
        let (keyring, email) = (caller.exchange.keyring().await?, Identifier::Email(email));
        let intake = Intake::of_identifier(&caller.exchange.environment, &keyring, &email);
        let bound_to = id.to_string();
        let mailed = intake.mail_secret(NewSecret {
            purpose: CodePurpose::Invite,
            bound_to: &bound_to,
            secret: token.expose().into(),
            operation: change.operation,
            to: &email,
            // The name by which it is addressed: what else it is called, its owners have written.
            template: MailTemplate::OrganizationInvite {
                organization: found.slug,
                token: token.expose().into(),
                ttl_seconds: ttl.as_secs(),
            },
            language: caller.exchange.language(),
        });
        if let Err(problem) = mailed.await {
            // Nobody has been told of it: it is in nobody's way.
            let change = caller.change(
                found.id,
                "organization_invite_revoked",
                None,
                "revoked what was not mailed",
            )?;
            caller.directory.end_invite(&change, &id, InviteStatus::Revoked, None).await?;
            return Err(problem);
        }
    }
    json(201, &Created { id, expires_at: expires_at.as_millis() })
}

/// Why there is no invitation.
async fn not_invited(
    caller: &Caller<'_>,
    change: &Change<'_>,
    account: Option<AccountId>,
) -> Result<Problem, Problem> {
    if let Some(account) = account {
        if caller.directory.seat(&change.organization, &account).await?.is_member {
            return Ok(Problem::organization(Refusal::AlreadyMember));
        }
        if caller.directory.credential_of(change.tenant, &account).await?.is_none() {
            return Ok(Problem::invalid_field("account_id", "must be the id of an account"));
        }
    }
    let open = caller.directory.open_invites(&change.organization, change.now).await?;
    let is_full = open >= postern_core::organization::MOST_OPEN_INVITES;
    Ok(Problem::organization(if is_full { Refusal::TooManyInvites } else { Refusal::InvitePending }))
}

/// `?limit&cursor&status` → those of an organization.
pub(super) async fn list(caller: &Caller<'_>, segment: &str) -> Answer {
    let found = caller.organization(segment, Task::Manage).await?;
    page(caller, Ok(&found.id)).await
}

/// The same, of whoever asks.
pub(super) async fn list_own(caller: &Caller<'_>) -> Answer {
    page(caller, Err(own(caller)?)).await
}

async fn page(caller: &Caller<'_>, of: Result<&OrganizationId, &AccountId>) -> Answer {
    let mut query = Query::read(&caller.exchange.request)?;
    let status = query.text("status")?.map(|name| InviteStatus::from_name(&name).ok_or(()));
    let status = status.transpose().map_err(|()| {
        Problem::invalid_field("status", "must be pending, accepted, declined, revoked or expired")
    })?;
    let (after, limit) = (users::place(&mut query)?, query.limit()?);
    let (tenant, now) = (caller.exchange.environment.config().tenant(), caller.exchange.ambient.now());
    let more = limit.saturating_add(1);
    let found = caller.directory.invites(tenant, of, status, &after, more, now).await?;
    users::page("invites", found, limit)
}

/// Takes an invitation back.
pub(super) async fn revoke(caller: &Caller<'_>, segment: &str, id: &str) -> Answer {
    let found = caller.organization(segment, Task::Manage).await?;
    let id = invite_id(id)?;
    let invite = caller.invite(&id).await?;
    let is_theirs = invite.organization == found.id;
    let change = caller.change(found.id, "organization_invite_revoked", None, "revoked an invitation")?;
    if !caller.repeats(&change).await? {
        end(caller, &change, &id, &invite, is_theirs, InviteAction::Revoke).await?;
    }
    success()
}

/// Accepts or declines one's own invitation.
pub(super) async fn answer(caller: &Caller<'_>, id: &str, action: InviteAction) -> Answer {
    let id = invite_id(id)?;
    let invite = caller.invite(&id).await?;
    answered(caller, &id, &invite, invite.is_theirs(), action).await
}

/// `{token}`: accepts or declines what was mailed. The secret is enough, whatever address the account has.
pub(super) async fn answer_mailed(caller: &Caller<'_>, action: InviteAction) -> Answer {
    let mut body = Body::read(&caller.exchange.request).await?;
    let token = LinkToken::parse(&body.secret("token")?);
    let token = token.map_err(|_| Problem::organization(Refusal::InviteUnknown))?;
    let id = InviteId::from_bytes(*token.selector());
    let invite = caller.invite(&id).await?;
    let keyring = caller.exchange.keyring().await?;
    let is_right = invite.mailed().is_some_and(|(stored, pepper_id)| {
        let pepper = keyring.peppers().find(pepper_id);
        pepper.is_some_and(|pepper| digest(caller, pepper, &id, &token).ct_eq(stored))
    });
    answered(caller, &id, &invite, is_right, action).await
}

async fn answered(
    caller: &Caller<'_>,
    id: &InviteId,
    invite: &Invite,
    is_theirs: bool,
    action: InviteAction,
) -> Answer {
    let account = *own(caller)?;
    let (event, what) = match action {
        InviteAction::Accept => ("organization_invite_accepted", "accepted an invitation"),
        InviteAction::Decline | InviteAction::Revoke => {
            ("organization_invite_declined", "declined an invitation")
        }
    };
    let change = Change {
        authority: Authority::Lasting,
        ..caller.change(invite.organization, event, Some(account), what)?
    };
    end(caller, &change, id, invite, is_theirs, action).await?;
    json(200, &Joined { organization: invite.organization })
}

/// Ends an invitation. One that was not open any more, when it was to be stored, says so.
async fn end(
    caller: &Caller<'_>,
    change: &Change<'_>,
    id: &InviteId,
    invite: &Invite,
    is_theirs: bool,
    action: InviteAction,
) -> Result<(), Problem> {
    let becomes = act_on_invite(&invite.invited()?, is_theirs, action, change.now);
    let becomes = becomes.map_err(Problem::organization)?;
    let joins = if action == InviteAction::Accept { caller.account() } else { None };
    if caller.directory.end_invite(change, id, becomes, joins).await? {
        return Ok(());
    }
    let now = caller.invite(id).await?.invited()?;
    if let Err(refusal) = act_on_invite(&now, true, action, change.now) {
        return Err(Problem::organization(refusal));
    }
    match joins {
        Some(account) => Err(super::members::not_added(caller, change, account).await?),
        None => Err(overtaken(Ok(()))),
    }
}

impl Caller<'_> {
    async fn invite(&self, id: &InviteId) -> Result<Invite, Problem> {
        let tenant = self.exchange.environment.config().tenant();
        let found = self.directory.find_invite(tenant, id, self.account()).await?;
        found.ok_or_else(|| Problem::organization(Refusal::InviteUnknown))
    }
}

fn digest(
    caller: &Caller<'_>,
    pepper: &postern_core::password::Pepper,
    id: &InviteId,
    token: &LinkToken,
) -> CodeDigest {
    let tenant = caller.exchange.environment.config().tenant();
    let binding = CodeBinding { purpose: CodePurpose::Invite, tenant, subject: id.as_bytes() };
    CodeDigest::compute(pepper, &binding, token.secret().expose())
}

/// Whoever asks, with an access token.
fn own<'a>(caller: &'a Caller<'_>) -> Result<&'a AccountId, Problem> {
    caller.account().ok_or_else(Problem::not_found)
}

fn invite_id(id: &str) -> Result<InviteId, Problem> {
    id.parse().map_err(|_| Problem::organization(Refusal::InviteUnknown))
}

fn address(body: &mut Body) -> Result<Option<EmailAddress>, Problem> {
    let email = body.optional_text("email")?.map(|text| EmailAddress::parse(&text)).transpose();
    email.map_err(|error| Problem::invalid_field("email", error))
}

/// The account that an id or a username in a body stands for. Usernames are there to be seen.
async fn invited_account(caller: &Caller<'_>, body: &mut Body) -> Result<Option<AccountId>, Problem> {
    let by_id = manage::account(body, "account_id")?;
    let Some(text) = body.optional_text("username")? else { return Ok(by_id) };
    if by_id.is_some() {
        return Err(Problem::invalid_field("username", "must not stand beside account_id"));
    }
    let username = Username::parse(&text).map_err(|error| Problem::invalid_field("username", error))?;
    let tenant = caller.exchange.environment.config().tenant();
    let owner = caller.directory.name_owner(tenant, username.as_str()).await?;
    let owner = owner.filter(|owner| owner.is_account() && owner.slug.is_some());
    let account = owner.and_then(|owner| owner.owner_id.parse().ok());
    account.map(Some).ok_or_else(|| Problem::invalid_field("username", "must be somebody's"))
}

/// How long the invitation is open: as the request says, within what an operator may set.
fn ttl(caller: &Caller<'_>, body: &mut Body) -> Result<Seconds, Problem> {
    let default = caller.exchange.environment.config().organizations().invite_ttl;
    match body.optional_count("expires_in")? {
        None => Ok(default),
        Some(seconds) if (1..=90 * 86_400).contains(&seconds) => Ok(Seconds::new(seconds)),
        Some(_) => Err(Problem::invalid_field("expires_in", "must be 1 to 7776000 seconds")),
    }
}
