//! Tokens that act in one organization.

use super::address;
use crate::route::exchange::Exchange;
use crate::store::organizations::Acting;
use crate::wire::problem::Problem;
use postern_core::id::AccountId;

/// What an account may do in the organization of this id or name. Whoever is no member is not told whether there is one.
pub(crate) async fn acting(exchange: &Exchange, account: &AccountId, name: &str) -> Result<Acting, Problem> {
    let environment = &exchange.environment;
    if !environment.config().organizations().is_multi() {
        return Err(Problem::feature_disabled());
    }
    let address = address(name).map_err(|_| Problem::not_organization_member())?;
    let found = exchange.directory()?.acting_in(environment, &address, account).await?;
    found.ok_or_else(Problem::not_organization_member)
}
