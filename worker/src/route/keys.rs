//! `GET /.well-known/jwks.json`, `GET /api/v1/auth/public-key` and `GET /api/v1/auth/permissions`: what verifiers
//! need. Public, cacheable, and readable by pages of any origin.

use crate::route::exchange::Exchange;
use crate::wire::answer::{Answer, respond, with_member};
use crate::wire::problem::Problem;
use postern_core::codec::base64url;
use postern_core::json;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use worker::Method;

/// A verifier may keep what it has read for five minutes: the time within which a revoked key is refused by those
/// that fetch keys.
const MOST_MAX_AGE_SECONDS: u32 = 300;

/// The key that signs now, in the two forms that are asked for.
#[derive(Serialize)]
struct PublicKey {
    public_key: String,
    /// `OKP`, `EC` or `RSA`.
    key_type: String,
}

/// RFC 7517 §5. Every key that is or will be in use, or whose tokens may still live.
pub(crate) async fn jwks(exchange: &Exchange) -> Answer {
    let keyring = exchange.keyring().await?;
    publish(exchange, "application/jwk-set+json", keyring.key_set().public_jwks())
}

/// The permission registry that the masks in tokens are made with, as the npm package takes it.
pub(crate) fn permissions(exchange: &Exchange) -> Answer {
    let settings = exchange.environment.permissions()?;
    let document = json::write(&settings.registry).map_err(|error| Problem::internal("registry", error))?;
    publish(exchange, "application/json", document)
}

/// The signing key alone, as PEM (RFC 7468 §13) and as a JWK.
pub(crate) async fn public_key(exchange: &Exchange) -> Answer {
    let keyring = exchange.keyring().await?;
    let key = keyring.signing();
    // A symmetric key has nothing to be published.
    let (Some(public_key), Some(jwk)) = (key.to_pem(), key.public_jwk()) else {
        return Err(Problem::not_found());
    };
    let members = json::parse(jwk.as_bytes()).map_err(|error| Problem::internal("public key", error))?;
    let key_type = members.member("kty").and_then(|kty| kty.as_text()).map(|kty| kty.to_cow().into_owned());
    let document = json::write(&PublicKey { public_key, key_type: key_type.unwrap_or_default() });
    let document = document.map_err(|error| Problem::internal("public key", error))?;
    publish(exchange, "application/json", with_member(document, "jwk", &jwk))
}

/// A document with its strong validator (RFC 9110 §8.8.3), or the news that it has not changed.
pub(crate) fn publish(exchange: &Exchange, content_type: &str, document: String) -> Answer {
    let [tag @ .., _, _, _, _, _, _, _, _] = <[u8; 32]>::from(Sha256::digest(document.as_bytes()));
    let tag = format!("\"{}\"", base64url::encode(&tag));
    let known = exchange.header("if-none-match").is_some_and(|tags| names(&tags, &tag));
    let status = if known { 304 } else { 200 };
    let has_body = !known && *exchange.request.method() != Method::Head;
    let bytes = if has_body { document.into_bytes() } else { Vec::new() };
    // Whoever has just read the keys knows the next one well before it is used.
    let publish_before = exchange.environment.config().keys().publish_before.as_secs();
    let max_age = MOST_MAX_AGE_SECONDS.min(publish_before / 2);
    let cache_control = format!("public, max-age={max_age}, stale-if-error={}", max_age.saturating_mul(12));
    let response = respond(status, content_type, &cache_control, bytes)?;
    let headers = response.headers();
    let set = |name, value| headers.set(name, value).map_err(|error| Problem::internal("answer", error));
    set("etag", &tag)?;
    set("access-control-allow-origin", "*")?;
    set("access-control-expose-headers", "etag")?;
    Ok(response)
}

/// Whether an `If-None-Match` names a tag, by weak comparison (RFC 9110 §13.1.2).
fn names(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
