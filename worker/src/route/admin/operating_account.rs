//! An account that gives an operator's orders: what it may order, about whom, and what is written down of it.

use crate::route::admin::operator::draw;
use crate::route::exchange::Exchange;
use crate::route::presence::Bearer;
use crate::route::sessions::limit_profile;
use crate::store::definitions;
use crate::store::directory::AuditRow;
use crate::wire::body;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, SessionId};
use postern_core::permission::{Authority, OperatorPermission, PermissionMask, PermissionRegistry};

/// The event of every grave order, in the history of whoever gives it and of whoever it is about.
const ORDER: &str = "operator_order";
/// So many characters of a path are written down: more than any has that leads somewhere.
const MOST_WRITTEN: usize = 200;

/// Made by [`OperatingAccount::of`] only.
pub(super) struct OperatingAccount {
    id: AccountId,
    session: SessionId,
    authority: Authority,
    /// What is written down of the order; nothing of one that reads.
    order: Option<String>,
}

impl OperatingAccount {
    /// The account that a request is from, if it may give the order, by what it was given now and whatever its token
    /// says. A token that acts in an organization is handed to the servers of that, which have no say here.
    pub(super) async fn of(exchange: &Exchange, needed: OperatorPermission) -> Result<Self, Problem> {
        // What is found out about the account must be true when the order is carried out, not when its first byte came.
        body::arrived(&exchange.request).await?;
        let bearer = Bearer::of(exchange).await?;
        let id = bearer.subject.account;
        limit_profile(exchange, &id).await?;
        if bearer.acts_in_organization() {
            return Err(Problem::acts_in_organization());
        }
        let environment = &exchange.environment;
        definitions::know_now(environment, exchange.ambient.now()).await?;
        let settings = environment.permissions()?;
        let mask = settings.mask_of(&bearer.credential.authorization()?);
        let of_deployment = environment.is_own_tenant();
        let authority = Authority::over(&settings.registry, mask, needed, of_deployment);
        let authority = authority.ok_or_else(|| Problem::operator_permission_missing(needed))?;
        let order = needed.is_grave().then(|| order(exchange));
        let account = Self { id, session: bearer.subject.session, authority, order };
        if account.order.is_some() {
            bearer.prove_recently(exchange).await?;
            account.write_down(exchange).await?;
        }
        Ok(account)
    }

    pub(super) const fn id(&self) -> &AccountId {
        &self.id
    }

    pub(super) fn includes(&self, registry: &PermissionRegistry, permission: OperatorPermission) -> bool {
        self.authority.includes(registry, permission)
    }

    pub(super) fn check_covers(&self, mask: &PermissionMask) -> Result<(), Problem> {
        if self.authority.covers(mask) { Ok(()) } else { Err(Problem::beyond_own_permissions()) }
    }

    /// Refuses orders about itself, whose owner has routes that ask for more, and about whoever may do as much. Nobody is
    /// whoever has no row: the order will say so.
    pub(super) async fn reach(&self, exchange: &Exchange, accounts: &[AccountId]) -> Result<(), Problem> {
        if accounts.contains(&self.id) {
            return Err(Problem::own_account());
        }
        let (tenant, settings) =
            (exchange.environment.config().tenant(), exchange.environment.permissions()?);
        for found in exchange.directory()?.credentials_of(tenant, accounts).await? {
            if !self.authority.reaches(&settings.mask_of(&found.authorization()?)) {
                return Err(Problem::beyond_own_permissions());
            }
        }
        self.write_down_for(exchange, accounts).await
    }

    /// Into its own history, also what is refused later.
    async fn write_down(&self, exchange: &Exchange) -> Result<(), Problem> {
        let row = AuditRow {
            occurred_at: exchange.ambient.now(),
            tenant: exchange.environment.config().tenant().as_str(),
            account: Some(self.id.to_string()),
            session: Some(self.session.to_string()),
            event: ORDER,
            detail: self.order.as_deref(),
        };
        exchange.directory()?.record_audit(&draw(exchange)?, &row).await
    }

    /// Into the histories of these accounts.
    pub(super) async fn write_down_for(
        &self,
        exchange: &Exchange,
        accounts: &[AccountId],
    ) -> Result<(), Problem> {
        let Some(order) = &self.order else { return Ok(()) };
        let row = AuditRow {
            occurred_at: exchange.ambient.now(),
            tenant: exchange.environment.config().tenant().as_str(),
            account: None,
            session: None,
            event: ORDER,
            detail: Some(&format!("by {}: {order}", self.id)),
        };
        exchange.directory()?.record_audit_of_each(accounts, &row).await
    }
}

/// `POST /users/0123…/ban`, cut off where it could not be a route's.
fn order(exchange: &Exchange) -> String {
    let path = exchange.request.path();
    let order = path.strip_prefix("/api/v1/auth/admin").unwrap_or(path);
    exchange
        .request
        .method()
        .to_string()
        .chars()
        .chain([' '])
        .chain(order.chars())
        .take(MOST_WRITTEN)
        .collect()
}
