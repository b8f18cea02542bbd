//! From a text to a key that a request has proven to have.

use super::address::normal_address;
use super::refusal::ProofRefusal;
use super::replay::ShownKey;
use crate::codec::base64url;
use crate::id::OperationId;
use crate::json::{self, Value};
use crate::jwt::{AlgorithmName, SignatureVerdict, VerifyingKey, read_proof_key};
use crate::session::KeyThumbprint;
use crate::time::{Seconds, UnixSeconds};
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest as _, Sha256};

/// The longest proof that is looked at: one with an RSA key of 4,096 bits has about 2,500 bytes.
const MAX_PROOF_BYTES: usize = 4_096;
/// The longest `jti`.
const MAX_ID_BYTES: usize = 256;

/// A proof whose signature was not checked yet. Nothing in it but the key can be read.
#[must_use = "its signature was not checked yet"]
#[derive(Debug)]
pub struct Proof<'a> {
    key: VerifyingKey,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// A proof that was signed by the key in it. What it says is not judged yet.
///
/// ```compile_fail
/// let forged = postern_core::dpop::AuthenticProof { thumbprint: todo!(), claims: todo!() };
/// ```
#[must_use = "it may still be for another request"]
#[derive(Debug)]
pub struct AuthenticProof {
    thumbprint: KeyThumbprint,
    claims: Claims,
}

/// What a proof says (RFC 9449 §4.2).
#[derive(Debug)]
struct Claims {
    id: String,
    method: String,
    address: Option<String>,
    issued_at: UnixSeconds,
    token_hash: Option<String>,
    nonce: Option<String>,
}

/// How long after its issue a proof is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofWindow {
    /// How old it may be.
    pub max_age: Seconds,
    /// How far in the future it may have been issued, for clocks that differ.
    pub leeway: Seconds,
}

/// The request that a proof has to be of.
#[derive(Clone, Copy, Debug)]
pub struct ProofDemand<'a> {
    /// The key that it has to be of; `None` where any key may be shown.
    pub thumbprint: Option<&'a KeyThumbprint>,
    /// The method of the request.
    pub method: &'a str,
    /// The addresses that the request can have been sent to, as [`normal_address`] writes them.
    pub addresses: &'a [String],
    /// The access token that came with it, if one did.
    pub token: Option<&'a str>,
    /// The nonces that are accepted, where one is asked for (RFC 9449 §8).
    pub nonces: Option<&'a [String]>,
    /// When it may have been issued.
    pub window: ProofWindow,
    /// Drawn for the request.
    pub request: OperationId,
}

impl<'a> Proof<'a> {
    /// Takes a proof apart: its form, type, algorithm and key.
    ///
    /// # Errors
    ///
    /// [`ProofRefusal`], up to [`KeyInvalid`](ProofRefusal::KeyInvalid).
    pub fn read(text: &'a str) -> Result<Self, ProofRefusal> {
        let malformed = ProofRefusal::Malformed;
        if text.len() > MAX_PROOF_BYTES {
            return Err(malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(malformed)?;
        let decoded = |part: &str| base64url::decode(part.as_bytes()).map_err(|_| malformed);
        let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
        let header = json::parse(&header).map_err(|_| malformed)?;
        if header.members().is_none() || header.member("crit").is_some() {
            return Err(malformed);
        }
        if text_of(header, "typ").as_deref() != Some("dpop+jwt") {
            return Err(ProofRefusal::TypeMismatch);
        }
        let name = text_of(header, "alg").and_then(|name| AlgorithmName::from_text(&name));
        let name = name.filter(|name| !name.algorithm().is_symmetric());
        let name = name.ok_or(ProofRefusal::AlgorithmNotAllowed)?;
        let key = header.member("jwk").and_then(|jwk| read_proof_key(jwk, name));
        Ok(Self { key: key.ok_or(ProofRefusal::KeyInvalid)?, signed, payload, signature })
    }

    /// The key in it, which must have signed it.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// What must have been signed.
    #[must_use]
    pub const fn message(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The signature, decoded; of any length. ECDSA's is r ‖ s (RFC 7518 §3.4), as WebCrypto takes it.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether a host has to say whether [`Self::key`] has signed.
    #[must_use]
    pub const fn needs_host(&self) -> bool {
        !self.key.algorithm().is_built_in()
    }

    /// Checks the signature, and reads what it is over. For an algorithm that this build has, the host's word can only
    /// refuse; for any other it is all there is, and without one the signature is not right.
    ///
    /// # Errors
    ///
    /// [`ProofRefusal::SignatureInvalid`]; [`ProofRefusal::Malformed`] without the claims of a proof.
    pub fn verified(self, host: Option<SignatureVerdict>) -> Result<AuthenticProof, ProofRefusal> {
        let here = self.key.check(self.message(), &self.signature);
        let is_right = match (here, host) {
            (_, Some(SignatureVerdict::Invalid)) | (Err(_), None) => false,
            (Ok(here), _) => here,
            (Err(_), Some(SignatureVerdict::Valid)) => true,
        };
        // The key was read without a name, so that it has that of its thumbprint.
        let thumbprint = self.key.id().as_str().parse().ok().filter(|_| is_right);
        let thumbprint = thumbprint.ok_or(ProofRefusal::SignatureInvalid)?;
        let claims = json::parse(&self.payload).ok().and_then(Claims::read).ok_or(ProofRefusal::Malformed)?;
        Ok(AuthenticProof { thumbprint, claims })
    }
}

impl Claims {
    fn read(payload: Value<'_>) -> Option<Self> {
        let optional = |name: &str| match payload.member(name) {
            None => Some(None),
            Some(_) => text_of(payload, name).filter(|text| !text.is_empty()).map(Some),
        };
        let id = text_of(payload, "jti").filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()))?;
        Some(Self {
            id,
            method: text_of(payload, "htm")?,
            address: normal_address(&text_of(payload, "htu")?),
            issued_at: payload.member("iat")?.as_numeric_date()?,
            token_hash: optional("ath")?,
            nonce: optional("nonce")?,
        })
    }
}

fn text_of(object: Value<'_>, name: &str) -> Option<String> {
    Some(object.member(name)?.as_text()?.to_cow().into_owned())
}

impl AuthenticProof {
    /// Holds the proof against the request that it came with.
    ///
    /// Whether it was used before is not looked at here: that is for whoever remembers, and last, so that only a proof
    /// that is right in everything else is remembered.
    ///
    /// # Errors
    ///
    /// [`ProofRefusal`], from [`KeyMismatch`](ProofRefusal::KeyMismatch) on.
    pub fn judge(self, demand: &ProofDemand<'_>, now: UnixSeconds) -> Result<ShownKey, ProofRefusal> {
        let Self { thumbprint, claims } = self;
        if demand.thumbprint.is_some_and(|wanted| *wanted != thumbprint) {
            return Err(ProofRefusal::KeyMismatch);
        }
        if claims.method != demand.method {
            return Err(ProofRefusal::MethodMismatch);
        }
        if !claims.address.is_some_and(|address| demand.addresses.contains(&address)) {
            return Err(ProofRefusal::AddressMismatch);
        }
        let ProofWindow { max_age, leeway } = demand.window;
        if claims.issued_at > now.plus(leeway) {
            return Err(ProofRefusal::IssuedInFuture);
        }
        if claims.issued_at.plus(max_age) < now {
            return Err(ProofRefusal::Expired);
        }
        if let Some(token) = demand.token {
            let hash = base64url::encode(&Sha256::digest(token.as_bytes()));
            if claims.token_hash.is_none_or(|said| said != hash) {
                return Err(ProofRefusal::TokenMismatch);
            }
        }
        if let Some(nonces) = demand.nonces
            && !claims.nonce.is_some_and(|nonce| nonces.contains(&nonce))
        {
            return Err(ProofRefusal::NonceRequired);
        }
        // By key, so that nobody uses up the ids of somebody else; digested, so that all have one length.
        let id = Sha256::new().chain_update(thumbprint.as_bytes()).chain_update(claims.id.as_bytes());
        // The last second in which it is accepted is over, by the clock that is furthest behind.
        let last = claims.issued_at.plus(max_age).plus(leeway);
        Ok(ShownKey {
            thumbprint,
            id: base64url::encode(&id.finalize()),
            usable_until: last.plus(Seconds::new(1)).to_millis(),
            request: demand.request,
        })
    }
}
