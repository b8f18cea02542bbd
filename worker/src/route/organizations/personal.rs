//! Personal organizations: everybody has one in mode `multi`, named after their username, and stays its owner.

use super::{Caller, manage};
use crate::environment::Environment;
use crate::route::exchange::Event;
use crate::store::directory::Directory;
use crate::store::organizations::{Authority, Change, NewOrganization};
use crate::wire::answer::Answer;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId, OrganizationId};
use postern_core::identifier::Username;
use postern_core::organization::OrganizationSlug;
use postern_core::time::UnixMillis;

/// → the organization. 404 if there is none yet.
pub(super) async fn show(caller: &Caller<'_>) -> Answer {
    let found = existing(caller).await?;
    manage::show_own(caller, 200, found.ok_or_else(Problem::personal_organization_not_found)?).await
}

/// → 201 the organization, or 200 if there was one.
pub(super) async fn create(caller: &Caller<'_>) -> Answer {
    let environment = &caller.exchange.environment;
    if !environment.config().organizations().is_multi() {
        return Err(Problem::feature_disabled());
    }
    if let Some(id) = existing(caller).await? {
        return manage::show_own(caller, 200, id).await;
    }
    let account = *caller.account().ok_or_else(Problem::not_found)?;
    New::of(caller.exchange, account)?.make().await?;
    let made = existing(caller).await?;
    manage::show_own(caller, 201, made.ok_or_else(Problem::personal_organization_not_found)?).await
}

/// Makes that of a new account, after the answer that says that there is one. Its owner may ask for it, if that is lost.
pub(crate) fn create_afterwards(event: &Event, account: AccountId) -> Result<(), Problem> {
    if event.environment.config().organizations().is_multi() {
        let new = New::of(event, account)?;
        event.afterwards(async move { new.make().await });
    }
    Ok(())
}

/// A personal organization about to be made.
struct New {
    environment: Environment,
    directory: Directory,
    account: AccountId,
    id: OrganizationId,
    operation: OperationId,
    now: UnixMillis,
}

impl New {
    fn of(event: &Event, account: AccountId) -> Result<Self, Problem> {
        Ok(Self {
            environment: event.environment.clone(),
            directory: event.directory()?,
            account,
            id: OrganizationId::from_bytes(event.ambient.random()?.into_bytes()),
            operation: OperationId::from_bytes(event.ambient.random()?.into_bytes()),
            now: event.ambient.now(),
        })
    }

    /// Under the first of its names that is free. Somebody may be quicker: then it is there.
    async fn make(&self) -> Result<(), Problem> {
        let tenant = self.environment.config().tenant();
        let profile = self.directory.profile(tenant.as_str(), &self.account).await?;
        let profile = profile.ok_or_else(Problem::not_found)?;
        for slug in self.names(profile.username.as_deref()) {
            let change = Change {
                organization: self.id,
                tenant,
                authority: Authority::Lasting,
                operation: self.operation,
                account: Some(self.account),
                event: "organization_created",
                detail: format!("created personal {} in {} by {}", slug.as_str(), self.id, self.account),
                now: self.now,
            };
            let owner = Some(self.account);
            let new = NewOrganization { slug: &slug, name: &profile.name, owner, is_personal: true };
            if self.directory.create_organization(&change, &new).await? {
                break;
            }
        }
        Ok(())
    }

    /// Those of the username, and one that nobody else can have.
    fn names(&self, username: Option<&str>) -> impl Iterator<Item = OrganizationSlug> + use<> {
        let username = username.and_then(|name| Username::parse(name).ok());
        let named = username.map(|name| OrganizationSlug::personal(&name)).unwrap_or_default();
        named.into_iter().chain(format!("u-{}", self.account).parse())
    }
}

async fn existing(caller: &Caller<'_>) -> Result<Option<OrganizationId>, Problem> {
    let account = caller.account().ok_or_else(Problem::not_found)?;
    let tenant = caller.exchange.environment.config().tenant();
    caller.directory.personal_organization(tenant, account).await
}
