//! `GET /.well-known/jwks.json`, `GET /api/v1/auth/public-key` and `GET /api/v1/auth/permissions`: what verifiers
//! need.

use crate::route::exchange::Exchange;
use crate::wire::answer::{Answer, respond};
use crate::wire::problem::Problem;

/// A verifier may keep the keys for five minutes, and use old ones for an hour when it cannot reach us.
const CACHE_CONTROL: &str = "public, max-age=300, stale-if-error=3600";

/// RFC 7517 §5.
pub(crate) async fn jwks(exchange: &Exchange) -> Answer {
    let keyring = exchange.keyring().await?;
    let document = keyring.key_set().public_jwks();
    respond(200, "application/jwk-set+json", CACHE_CONTROL, document.into_bytes())
}

/// The permission registry that the masks in tokens are made with, as the npm package takes it.
pub(crate) fn permissions(exchange: &Exchange) -> Answer {
    let registry = &exchange.environment.config().permissions().registry;
    let document = serde_json::to_vec(registry).map_err(|error| Problem::internal("registry", error))?;
    respond(200, "application/json", CACHE_CONTROL, document)
}

/// The signing key alone, as a JWK.
pub(crate) async fn public_key(exchange: &Exchange) -> Answer {
    let keyring = exchange.keyring().await?;
    let jwk = keyring.signing().public_jwk();
    let jwk = jwk.ok_or_else(|| Problem::internal("public key", "the signing key is symmetric"))?;
    let document = format!(r#"{{"key_type":"OKP","public_key":{jwk}}}"#);
    respond(200, "application/json", CACHE_CONTROL, document.into_bytes())
}
