//! Who is an operator: whoever has the secret `POSTERN_OPERATOR_TOKEN`, and accounts that may do what Postern itself asks
//! for ([`OperatorPermission`]).

use crate::object::keyring::secret_bytes;
use crate::route::admin::operating_account::OperatingAccount;
use crate::route::authenticate::{bearer_text, presented};
use crate::route::cookies;
use crate::route::exchange::Exchange;
use crate::store::limiter::Limits;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId, OrganizationId};
use postern_core::identifier::length_prefixed;
use postern_core::keyring::is_placeholder;
use postern_core::permission::{OperatorPermission, PermissionMask, PermissionName, PermissionRegistry};
use postern_core::secret::Secret;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Fewer bytes than this could be guessed.
const FEWEST_TOKEN_BYTES: usize = 32;

/// What an operator's request may rely on. Made by [`authorise`] and [`authorise_by_secret`] only.
pub(crate) struct Operator {
    /// Under which the request is carried out once: the client's `Idempotency-Key`, or an id of our own.
    pub(super) operation: String,
    /// Who gives the order; nobody in particular with the secret.
    account: Option<OperatingAccount>,
}

impl Operator {
    /// The same as the id of one change of one account. The client's key with another order is another id.
    pub(super) fn operation_on(&self, account: &AccountId, order: &str) -> OperationId {
        self.operation_of(&[order.as_bytes(), account.as_bytes()])
    }

    /// The same for one change of one organization.
    pub(crate) fn operation_in(&self, organization: &OrganizationId, order: &str) -> OperationId {
        self.operation_of(&[order.as_bytes(), organization.as_bytes()])
    }

    /// The same for whatever an order is about.
    pub(crate) fn operation_of(&self, order: &[&[u8]]) -> OperationId {
        let mut parts: Vec<&[u8]> = vec![b"operator"];
        parts.extend_from_slice(order);
        parts.push(self.operation.as_bytes());
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            <[u8; 32]>::from(Sha256::digest(length_prefixed(&parts)));
        OperationId::from_bytes(id)
    }

    /// The same for an order under whose key no other is to be carried out: the first half of the id comes from the key and
    /// what the order is about, the second from what it says.
    pub(crate) fn order_of(&self, about: &[&[u8]], said: &[&[u8]]) -> OperationId {
        let mut id = *self.operation_of(about).as_bytes();
        let by_order = self.operation_of(&[about, said].concat());
        id.iter_mut().skip(8).zip(by_order.as_bytes()).for_each(|(to, from)| *to = *from);
        OperationId::from_bytes(id)
    }

    /// The account that gives the order.
    pub(crate) fn account(&self) -> Option<&AccountId> {
        self.account.as_ref().map(OperatingAccount::id)
    }

    /// What an operator is called where it is written down who did something.
    pub(crate) fn name(&self) -> String {
        match &self.account {
            Some(account) => format!("operator {}", account.id()),
            None => "operator".into(),
        }
    }

    /// Before an order about these accounts: an account gives none about itself, and none about accounts that may do as
    /// much. Who gives it is written into their histories.
    pub(crate) async fn reach(&self, exchange: &Exchange, accounts: &[AccountId]) -> Result<(), Problem> {
        match &self.account {
            Some(account) => account.reach(exchange, accounts).await,
            None => Ok(()),
        }
    }

    /// Before an account is made, which nobody could reach yet: who gives the order is written into its history.
    pub(super) async fn write_down_for_new(
        &self,
        exchange: &Exchange,
        new: AccountId,
    ) -> Result<(), Problem> {
        match &self.account {
            Some(account) => account.write_down_for(exchange, &[new]).await,
            None => Ok(()),
        }
    }

    /// Refuses what takes another permission besides the one that the order is given by.
    pub(super) fn check_also(
        &self,
        registry: &PermissionRegistry,
        permission: OperatorPermission,
    ) -> Result<(), Problem> {
        match &self.account {
            Some(account) if !account.includes(registry, permission) => {
                Err(Problem::operator_permission_missing(permission))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to give, take or define what an account does not have itself: masks that are looked up only if they
    /// matter.
    pub(crate) fn check_covers(
        &self,
        masks: impl IntoIterator<Item = PermissionMask>,
    ) -> Result<(), Problem> {
        match &self.account {
            Some(account) => masks.into_iter().try_for_each(|mask| account.check_covers(&mask)),
            None => Ok(()),
        }
    }

    /// Refuses an account that permissions of Postern's own come to be or go: it would make others operators, or end them.
    pub(super) fn check_may_define(&self, name: &PermissionName) -> Result<(), Problem> {
        if self.account.is_some() && OperatorPermission::is_named_like_one(name) {
            return Err(Problem::beyond_own_permissions());
        }
        Ok(())
    }
}

/// Lets the operator in, or an account that has the permission, and nobody else.
///
/// Without the secret and without such a permission there is no operator and there are no routes for one: 404. A secret
/// that anybody could guess is a mistake of the deployment: 503. Requests with a secret are counted by source before it is
/// looked at, those of an account as whatever else it does. Before what is grave it proves like an owner to be there, and
/// every such order is written down before it is carried out.
pub(crate) async fn authorise(
    exchange: &Exchange,
    permission: OperatorPermission,
) -> Result<Operator, Problem> {
    let secret = secret(exchange)?;
    // A token of the other kind never has a dot.
    let by_account = cookies::session_token(exchange).is_some()
        || presented(exchange).is_some_and(|presented| presented.token.contains('.'));
    if by_account && OperatorPermission::are_any_in(&exchange.environment.permissions()?.registry) {
        let account = OperatingAccount::of(exchange, permission).await?;
        // What one account has ordered under a key is no other's order.
        let operation = format!("{}/{}", account.id(), operation(exchange)?);
        return Ok(Operator { operation, account: Some(account) });
    }
    compare(exchange, secret.as_ref()).await
}

/// The same for what no permission allows.
pub(crate) async fn authorise_by_secret(exchange: &Exchange) -> Result<Operator, Problem> {
    compare(exchange, secret(exchange)?.as_ref()).await
}

fn secret(exchange: &Exchange) -> Result<Option<Zeroizing<String>>, Problem> {
    let Some(token) = exchange.environment.operator_token() else { return Ok(None) };
    let bytes = secret_bytes(&token).filter(|bytes| bytes.len() >= FEWEST_TOKEN_BYTES);
    if bytes.is_none_or(|bytes| is_placeholder(&bytes)) {
        let rule = "POSTERN_OPERATOR_TOKEN is not 32 random bytes or more in base64";
        return Err(Problem::misconfigured(rule));
    }
    Ok(Some(token))
}

async fn compare(exchange: &Exchange, secret: Option<&Zeroizing<String>>) -> Result<Operator, Problem> {
    let secret = secret.ok_or_else(Problem::not_found)?;
    limit(exchange).await?;
    let presented = bearer_text(exchange).ok_or_else(Problem::operator_token_invalid)?;
    // Digests have one length: how long the comparison takes says nothing of the secret.
    if !digest(&presented).ct_eq(&digest(secret.trim())) {
        worker::console_warn!("operator: a wrong token from {}", exchange.source());
        return Err(Problem::operator_token_invalid());
    }
    Ok(Operator { operation: operation(exchange)?, account: None })
}

async fn limit(exchange: &Exchange) -> Result<(), Problem> {
    let keyring = exchange.keyring().await?;
    let limit = exchange.environment.config().limits().operator_per_source;
    Limits::new(&exchange.environment, &keyring, &exchange.source())
        .per_key("operator_per_source", limit)
        .take()
        .await
}

fn digest(text: &str) -> Secret<32> {
    Secret::new(Sha256::digest(text.as_bytes()).into())
}

/// The client's key is one of its own making: 1 to 64 printable characters without blanks.
fn operation(exchange: &Exchange) -> Result<String, Problem> {
    match exchange.header("idempotency-key") {
        None => draw(exchange),
        Some(key) if (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(format!("client/{key}"))
        }
        Some(_) => {
            Err(Problem::invalid_field("idempotency-key", "must be 1 to 64 printable ASCII characters"))
        }
    }
}

pub(super) fn draw(exchange: &Exchange) -> Result<String, Problem> {
    exchange.environment.draw_id().map_err(|error| Problem::internal("operator", error))
}
