//! Who is an operator: whoever has the secret `POSTERN_OPERATOR_TOKEN`, and accounts that may do what Postern itself asks
//! for ([`OperatorPermission`]).

use crate::object::keyring::secret_bytes;
use crate::route::authenticate::{bearer_text, presented};
use crate::route::cookies;
use crate::route::exchange::Exchange;
use crate::route::presence::Bearer;
use crate::store::definitions;
use crate::store::directory::{AuditRow, Directory};
use crate::store::limiter::Limits;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId, OrganizationId};
use postern_core::identifier::length_prefixed;
use postern_core::keyring::is_placeholder;
use postern_core::permission::{Authority, OperatorPermission, PermissionMask};
use postern_core::secret::Secret;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Fewer bytes than this could be guessed.
const FEWEST_TOKEN_BYTES: usize = 32;
/// The event of every order that an account gives, in its own history and in that of the account that it is about.
const ORDER: &str = "operator_order";

/// What an operator's request may rely on. Made by [`authorise`] and [`authorise_by_secret`] only.
pub(crate) struct Operator {
    /// Under which the request is carried out once: the client's `Idempotency-Key`, or an id of our own.
    pub(super) operation: String,
    /// How far the orders of an account go; those that come with the secret have no end.
    authority: Option<Authority>,
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

    /// Refuses what goes beyond the operator's own permissions: to act on somebody who may do this, or to give it.
    pub(super) fn check_covers(&self, mask: &PermissionMask) -> Result<(), Problem> {
        match &self.authority {
            Some(authority) if !authority.covers(mask) => Err(Problem::beyond_own_permissions()),
            _ => Ok(()),
        }
    }

    /// The same for the masks of names, looked up only if they matter.
    pub(super) fn check_covers_all(
        &self,
        masks: impl IntoIterator<Item = PermissionMask>,
    ) -> Result<(), Problem> {
        match self.authority {
            Some(_) => masks.into_iter().try_for_each(|mask| self.check_covers(&mask)),
            None => Ok(()),
        }
    }

    /// The same for the account that an order is about. Nobody is whoever has no row: the order will say so.
    pub(super) async fn check_reaches(
        &self,
        exchange: &Exchange,
        accounts: &[AccountId],
    ) -> Result<(), Problem> {
        if self.authority.is_none() {
            return Ok(());
        }
        let (tenant, settings) =
            (exchange.environment.config().tenant(), exchange.environment.permissions()?);
        let found = exchange.directory()?.credentials_of(tenant, accounts).await?;
        found.iter().try_for_each(|found| self.check_covers(&settings.mask_of(&found.authorization()?)))
    }
}

/// Lets the operator in, or an account that has the permission, and nobody else.
///
/// Without the secret and without such a permission there is no operator and there are no routes for one: 404. A secret
/// that anybody could guess is a mistake of the deployment: 503. Requests of one source are counted before their token is
/// looked at. An account is asked like its owner before what is sensitive, and every order of its own is written down
/// before it is carried out.
pub(crate) async fn authorise(
    exchange: &Exchange,
    permission: OperatorPermission,
) -> Result<Operator, Problem> {
    let secret = secret(exchange)?;
    // A token of the other kind never has a dot.
    let by_account = cookies::session_token(exchange).is_some()
        || presented(exchange).is_some_and(|presented| presented.token.contains('.'));
    if by_account && are_accounts_operators(exchange).await? {
        limit(exchange).await?;
        return authorise_account(exchange, permission).await;
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
    Ok(Operator { operation: operation(exchange)?, authority: None })
}

async fn limit(exchange: &Exchange) -> Result<(), Problem> {
    let keyring = exchange.keyring().await?;
    let limit = exchange.environment.config().limits().operator_per_source;
    Limits::new(&exchange.environment, &keyring, &exchange.source())
        .per_key("operator_per_source", limit)
        .take()
        .await
}

async fn are_accounts_operators(exchange: &Exchange) -> Result<bool, Problem> {
    definitions::know_now(&exchange.environment, exchange.ambient.now()).await?;
    Ok(OperatorPermission::are_any_in(&exchange.environment.permissions()?.registry))
}

/// By what the account was given now, whatever its token says. One that acts in an organization is handed to the servers
/// of that, which have no say here.
async fn authorise_account(exchange: &Exchange, needed: OperatorPermission) -> Result<Operator, Problem> {
    let bearer = Bearer::of(exchange).await?;
    if bearer.acts_in_organization() {
        return Err(Problem::acts_in_organization());
    }
    let (environment, settings) = (&exchange.environment, exchange.environment.permissions()?);
    let mask = settings.mask_of(&bearer.credential.authorization()?);
    let of_deployment = environment.is_own_tenant();
    let authority = Authority::over(&settings.registry, mask, needed, of_deployment);
    let authority = authority.ok_or_else(|| Problem::operator_permission_missing(needed))?;
    let account = bearer.subject.account;
    if needed.is_grave() {
        bearer.prove_recently(exchange).await?;
        record(exchange, &exchange.directory()?, &bearer).await?;
    }
    // What one account has ordered under a key is no other's order.
    let operation = format!("{account}/{}", operation(exchange)?);
    Ok(Operator { operation, authority: Some(authority) })
}

/// Who ordered what, for both: whoever gives the order, and whoever it is about.
async fn record(exchange: &Exchange, directory: &Directory, bearer: &Bearer) -> Result<(), Problem> {
    let (account, request) = (bearer.subject.account, &exchange.request);
    let (method, path) = (request.method().to_string(), request.path());
    let order = path.strip_prefix("/api/v1/auth/admin").unwrap_or(&path);
    let about = order.strip_prefix("/users/").and_then(|rest| rest.split('/').next()?.parse().ok());
    let line = |account: AccountId, detail| AuditRow {
        occurred_at: exchange.ambient.now(),
        tenant: exchange.environment.config().tenant().as_str(),
        account: Some(account.to_string()),
        session: None,
        event: ORDER,
        detail,
    };
    let detail = format!("{method} {order}");
    let own = AuditRow { session: Some(bearer.subject.session.to_string()), ..line(account, Some(&detail)) };
    directory.record_audit(&draw(exchange)?, &own).await?;
    let Some(about) = about.filter(|about| *about != account) else { return Ok(()) };
    let by = format!("by {account}: {detail}");
    directory.record_audit(&draw(exchange)?, &line(about, Some(&by))).await
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

fn draw(exchange: &Exchange) -> Result<String, Problem> {
    exchange.environment.draw_id().map_err(|error| Problem::internal("operator", error))
}
