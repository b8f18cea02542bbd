//! Checks access tokens natively, by `postern-core` and by `jsonwebtoken`, as `tests/bench/native.mjs` asks for it.
//!
//! The first line of standard input is a [`Setup`]. Every further line is `CONTENDER PASSES`, answered with the
//! microseconds that one token has taken, or `CONTENDER check TOKEN`, answered with `accepted` or `refused`.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use postern_core::ed25519::Workshop;
use postern_core::jwt::{KeySet, MAX_PAYLOAD_BYTES, TenantRule, TokenVerifier, VerificationPolicy};
use postern_core::time::UnixSeconds;
use serde::Deserialize;
use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What is checked, and against what.
#[derive(Deserialize)]
struct Setup {
    /// A JWK set with one Ed25519 key.
    jwks: serde_json::Value,
    /// The same key as PEM.
    pem: String,
    issuer: String,
    audience: String,
    leeway_seconds: u64,
    tokens: Vec<String>,
}

/// The claims that a resource server needs; both sides read all of them.
#[derive(Deserialize)]
#[allow(dead_code, reason = "read, which is what is measured")]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    jti: String,
    sid: String,
    iat: u64,
    exp: u64,
    av: u64,
    roles: Vec<String>,
    amr: Vec<String>,
}

trait Contender {
    fn accepts(&mut self, token: &str) -> bool;
}

struct Ours {
    verifier: TokenVerifier,
    room: Box<[u8; MAX_PAYLOAD_BYTES]>,
}

impl Ours {
    fn new(setup: &Setup) -> Result<Self, Box<dyn Error>> {
        let policy = VerificationPolicy::new(&setup.issuer, [&setup.audience], TenantRule::Any)?;
        let mut verifier = TokenVerifier::new(policy);
        verifier.replace_keys(KeySet::from_jwks(setup.jwks.to_string().as_bytes())?);
        let mut ours = Self { verifier, room: Box::new([0; MAX_PAYLOAD_BYTES]) };
        // A key gets its tables while it checks its first tokens, as in the npm package.
        let mut workshop = Workshop::new();
        for token in setup.tokens.iter().cycle().take(4_096) {
            if !ours.accepts(token) {
                return Err("postern-core refuses a token".into());
            }
            if let Some(keys) = ours.verifier.keys() {
                let _ = keys.prepare(&mut workshop);
            }
        }
        Ok(ours)
    }
}

impl Contender for Ours {
    fn accepts(&mut self, token: &str) -> bool {
        match self.verifier.verify(token, now(), &mut self.room) {
            Ok(payload) => serde_json::from_str::<Claims>(payload).is_ok(),
            Err(_) => false,
        }
    }
}

struct Theirs {
    key: DecodingKey,
    validation: Validation,
}

impl Theirs {
    fn new(setup: &Setup) -> Result<Self, Box<dyn Error>> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = setup.leeway_seconds;
        validation.validate_nbf = true;
        validation.set_issuer(&[&setup.issuer]);
        validation.set_audience(&[&setup.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Ok(Self { key: DecodingKey::from_ed_pem(setup.pem.as_bytes())?, validation })
    }
}

impl Contender for Theirs {
    fn accepts(&mut self, token: &str) -> bool {
        decode::<Claims>(token, &self.key, &self.validation)
            .is_ok_and(|token| token.header.typ.as_deref() == Some("at+jwt"))
    }
}

fn now() -> UnixSeconds {
    UnixSeconds::new(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines = io::stdin().lock().lines();
    let setup: Setup = serde_json::from_str(&lines.next().ok_or("no setup")??)?;
    let (mut ours, mut theirs) = (Ours::new(&setup)?, Theirs::new(&setup)?);
    for line in lines {
        let line = line?;
        let (name, command) = line.split_once(' ').ok_or("a command has two words at least")?;
        let contender: &mut dyn Contender = match name {
            "postern" => &mut ours,
            "jsonwebtoken" => &mut theirs,
            _ => return Err("no such contender".into()),
        };
        let answer = match command.strip_prefix("check ") {
            Some(token) => if contender.accepts(token) { "accepted" } else { "refused" }.to_owned(),
            None => microseconds(contender, &setup.tokens, command.parse()?)
                .ok_or("a token is refused")?
                .to_string(),
        };
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}

/// What one token takes; nothing if one is refused.
fn microseconds(contender: &mut dyn Contender, tokens: &[String], passes: u32) -> Option<f64> {
    let start = Instant::now();
    for token in (0..passes).flat_map(|_| tokens) {
        if !contender.accepts(token) {
            return None;
        }
    }
    Some(start.elapsed().as_secs_f64() * 1e6 / (f64::from(passes) * tokens.len() as f64))
}
