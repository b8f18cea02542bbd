//! Proof of possession (RFC 9449): the key that a login or a refresh shows, and that of whoever presents an access token.

use crate::route::cookies;
use crate::route::exchange::{Event, Exchange};
use crate::store::accounts::drawn;
use crate::store::keyring::Keyring;
use crate::webcrypto;
use crate::wire::problem::Problem;
use postern_core::codec::base64url;
use postern_core::config::{DpopMode, Origin};
use postern_core::dpop::{Proof, ProofDemand, ProofRefusal, ProofWindow, ShownKey, normal_address};
use postern_core::jwt::VerifiedClaims;
use postern_core::session::KeyThumbprint;

const HEADER: &str = "dpop";
/// How long a nonce is the current one. The one before is accepted, too.
const NONCE_PERIOD_SECONDS: u64 = 120;

/// How an access token was presented.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// By whoever has it (RFC 6750).
    Bearer,
    /// With a proof of the key that it is bound to.
    Dpop,
}

/// An access token, and how it was presented.
pub(crate) struct Presented {
    pub(crate) scheme: Scheme,
    pub(crate) token: String,
}

/// A proof, and the request that it has to be of.
pub(crate) struct Shown {
    pub(crate) proof: String,
    pub(crate) method: String,
    /// Normalized.
    pub(crate) addresses: Vec<String>,
}

impl Shown {
    /// The proof that came with a request to one of our own routes.
    fn of(exchange: &Exchange) -> Option<Self> {
        let (proof, path) = (exchange.header(HEADER)?, exchange.request.path());
        let origins = exchange.environment.config().dpop().origins.iter().map(Origin::as_str);
        let addresses = origins.filter_map(|origin| normal_address(&[origin, path].concat())).collect();
        let method = exchange.request.method();
        Some(Self { proof, method: AsRef::<str>::as_ref(method).into(), addresses })
    }

    /// Holds the proof against its request: the key that it shows. Nonces are asked for at our own routes alone: at others
    /// they are the business of whoever serves those.
    async fn checked(
        self,
        event: &Event,
        bound: Option<(&KeyThumbprint, &str)>,
        has_nonces: bool,
    ) -> Result<Result<ShownKey, ProofRefusal>, Problem> {
        let settings = event.environment.config().dpop();
        let request = event.environment.possession().request(drawn()?);
        let now = event.ambient.now().to_seconds();
        let nonces = if has_nonces && settings.nonces {
            let nonces = nonces(&*event.keyring().await?, now.as_secs());
            let [current, _] = &nonces;
            event.environment.possession().offer_nonce(current.clone());
            Some(nonces)
        } else {
            None
        };
        let proof = match Proof::read(&self.proof) {
            Ok(proof) => proof,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let host = if proof.needs_host() {
            Some(webcrypto::verdict(proof.key(), proof.message(), proof.signature()).await)
        } else {
            None
        };
        let demand = ProofDemand {
            thumbprint: bound.map(|(key, _)| key),
            method: &self.method,
            addresses: &self.addresses,
            token: bound.map(|(_, token)| token),
            nonces: nonces.as_ref().map(<[String; 2]>::as_slice),
            window: ProofWindow { max_age: settings.max_age, leeway: settings.leeway },
            request,
        };
        Ok(proof.verified(host).and_then(|proof| proof.judge(&demand, now)))
    }
}

/// The nonces of this period and the one before: any isolate of the deployment has the same, and nobody else.
fn nonces(keyring: &Keyring, now: u64) -> [String; 2] {
    let period = now / NONCE_PERIOD_SECONDS;
    [period, period.saturating_sub(1)].map(|period| {
        let digest = keyring.digest(&[b"dpop nonce", &period.to_be_bytes()]);
        base64url::encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]))
    })
}

/// Notes the key that a request shows which may be answered with a session: one that it `opens`, or one that is refreshed.
/// Where sessions need a key, a request without is refused before anything is looked at, unless it says that it has a
/// session already: then the account has the last word.
pub(crate) async fn note(exchange: &Exchange, opens: bool, has_session: bool) -> Result<(), Problem> {
    let mode = exchange.environment.config().dpop().mode;
    let Some(shown) = Shown::of(exchange) else {
        let is_demanded = opens && mode == DpopMode::Required && !has_session;
        return if is_demanded { Err(Problem::proof("dpop_required", false)) } else { Ok(()) };
    };
    if opens && mode == DpopMode::Off {
        return Ok(());
    }
    if cookies::are_wanted(exchange) {
        return Err(Problem::dpop_not_for_cookies());
    }
    let key = shown.checked(exchange, None, true).await?;
    exchange.environment.possession().note(key.map_err(|refusal| Problem::proof(refusal.code(), false))?);
    Ok(())
}

/// The key of a verified token of ours, if it is bound to one and was presented with its proof.
///
/// # Errors
///
/// `token_bound`, `token_not_bound`, `dpop_proof_missing`, and what is wrong with the proof.
pub(crate) async fn of_token(
    exchange: &Exchange,
    claims: &VerifiedClaims,
    presented: &Presented,
) -> Result<Option<ShownKey>, Problem> {
    let Some(key) = bound_key(claims, presented.scheme == Scheme::Dpop)? else { return Ok(None) };
    if cookies::are_wanted(exchange) {
        return Err(Problem::dpop_not_for_cookies());
    }
    let shown = Shown::of(exchange).ok_or_else(|| Problem::proof("dpop_proof_missing", true))?;
    let shown = shown.checked(exchange, Some((&key, presented.token.as_str())), true).await?;
    shown.map(Some).map_err(|refusal| Problem::proof(refusal.code(), true))
}

/// The same for a token that somebody else was presented with.
pub(crate) async fn elsewhere(
    event: &Event,
    claims: &VerifiedClaims,
    token: &str,
    shown: Option<Elsewhere>,
) -> Result<Option<ShownKey>, Problem> {
    let Some(key) = bound_key(claims, shown.is_some())? else { return Ok(None) };
    match shown {
        Some(Elsewhere::Proof(shown)) => {
            let shown = shown.checked(event, Some((&key, token)), false).await?;
            shown.map(Some).map_err(|refusal| Problem::proof(refusal.code(), true))
        }
        Some(Elsewhere::Checked(thumbprint)) if thumbprint == key.to_string() => Ok(None),
        _ => Err(Problem::proof(ProofRefusal::KeyMismatch.code(), true)),
    }
}

/// What whoever asks about a token says of the key that it came with.
pub(crate) enum Elsewhere {
    /// The proof, to be checked here.
    Proof(Shown),
    /// The thumbprint of the key of which they have checked a proof.
    Checked(String),
}

/// The key that a token is bound to. A bound token is nothing without its key, and a key nothing without a bound token.
fn bound_key(claims: &VerifiedClaims, with_key: bool) -> Result<Option<KeyThumbprint>, Problem> {
    match (claims.confirmation_thumbprint(), with_key) {
        (None, false) => Ok(None),
        (None, true) => Err(Problem::proof("token_not_bound", true)),
        (Some(_), false) => Err(Problem::proof("token_bound", true)),
        (Some(key), true) => key.parse().map(Some).map_err(|_| Problem::token("claim_malformed")),
    }
}
