//! Who is an operator: whoever has the secret `POSTERN_OPERATOR_TOKEN`.

use crate::object::keyring::secret_bytes;
use crate::route::authenticate::bearer_text;
use crate::route::exchange::Exchange;
use crate::store::limiter::Limits;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId, OrganizationId};
use postern_core::identifier::length_prefixed;
use postern_core::keyring::is_placeholder;
use postern_core::secret::Secret;
use sha2::{Digest as _, Sha256};

/// Fewer bytes than this could be guessed.
const FEWEST_TOKEN_BYTES: usize = 32;

/// What an operator's request may rely on. Made by [`authorise`] only.
pub(crate) struct Operator {
    /// Under which the request is carried out once: the client's `Idempotency-Key`, or an id of our own.
    pub(super) operation: String,
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
}

/// Lets the operator in and nobody else.
///
/// Without the secret there is no operator and there are no routes for one: 404. A secret that anybody could guess is a
/// mistake of the deployment: 503. Requests of one source are counted before their token is looked at.
pub(crate) async fn authorise(exchange: &Exchange) -> Result<Operator, Problem> {
    let token = exchange.environment.operator_token().ok_or_else(Problem::not_found)?;
    let bytes = secret_bytes(&token).filter(|bytes| bytes.len() >= FEWEST_TOKEN_BYTES);
    if bytes.is_none_or(|bytes| is_placeholder(&bytes)) {
        let rule = "POSTERN_OPERATOR_TOKEN is not 32 random bytes or more in base64";
        return Err(Problem::misconfigured(rule));
    }
    let keyring = exchange.keyring().await?;
    let limit = exchange.environment.config().limits().operator_per_source;
    let source = exchange.source();
    Limits::new(&exchange.environment, &keyring, &source)
        .per_key("operator_per_source", limit)
        .take()
        .await?;
    let presented = bearer_text(exchange).ok_or_else(Problem::operator_token_invalid)?;
    // Digests have one length: how long the comparison takes says nothing of the secret.
    if !digest(&presented).ct_eq(&digest(token.trim())) {
        worker::console_warn!("operator: a wrong token from {source}");
        return Err(Problem::operator_token_invalid());
    }
    Ok(Operator { operation: operation(exchange)? })
}

fn digest(text: &str) -> Secret<32> {
    Secret::new(Sha256::digest(text.as_bytes()).into())
}

/// The client's key is one of its own making: 1 to 64 printable characters without blanks.
fn operation(exchange: &Exchange) -> Result<String, Problem> {
    match exchange.header("idempotency-key") {
        None => exchange.environment.draw_id().map_err(|error| Problem::internal("operator", error)),
        Some(key) if (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(format!("client/{key}"))
        }
        Some(_) => {
            Err(Problem::invalid_field("idempotency-key", "must be 1 to 64 printable ASCII characters"))
        }
    }
}
