//! Access tokens: JSON Web Tokens in the profile of RFC 9068, verified and signed without I/O.
//!
//! The algorithm belongs to the key and is never chosen by a token (RFC 8725 §3.1): a header can only agree with it
//! or be refused. Claims are not read before the signature has been checked, and [`VerifiedClaims`] comes from
//! [`verify`] alone, or from its two halves: [`begin`], and what follows on a [`Candidate`]. For hosts that read the
//! payload themselves, [`TokenVerifier`] gives the same verdicts without building claims.
//!
//! ```
//! use postern_core::jwt::{KeySet, TenantRule, VerificationPolicy, VerifyError, verify};
//! use postern_core::time::UnixSeconds;
//!
//! let keys = KeySet::from_jwks(br#"{"keys":[{"kty":"OKP","crv":"Ed25519",
//!     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#)?;
//! let policy = VerificationPolicy::new("https://auth.example", ["https://api.example"], TenantRule::Any)?;
//! let refusal = verify("not a token", &keys, &policy, UnixSeconds::new(1_700_000_000)).unwrap_err();
//! assert_eq!(refusal.code(), "token_malformed");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Standards: RFC 7515 (JWS), 7517 (JWK), 7518 (HMAC, ECDSA, RSA), 7519 (JWT), 7638 (thumbprint), 7800 (`cnf`), 8037 (Ed25519
//! in JOSE), 8725 (best practices), 9068 (access tokens), 9864 (the algorithm name `Ed25519`).

mod algorithm;
mod candidate;
mod claim;
mod claims;
mod curve;
#[cfg(feature = "issue")]
mod custom;
#[cfg(any(feature = "issue", feature = "pem"))]
mod der;
mod ecdsa_key;
mod error;
mod facts;
mod header;
mod hmac_key;
mod key;
mod key_set;
#[cfg(feature = "pem")]
mod pem;
mod policy;
mod remembered;
mod rsa_key;
#[cfg(feature = "issue")]
mod sign;
#[cfg(feature = "issue")]
mod signing_key;
mod thumbprint;
mod token_verifier;
mod verify;

pub use algorithm::{Algorithm, AlgorithmName};
pub use candidate::{AuthenticToken, Candidate, SignatureVerdict, unverified_issuer};
pub use claim::Claim;
pub use claims::VerifiedClaims;
#[cfg(feature = "issue")]
pub use custom::{CustomClaimError, CustomClaims};
#[cfg(feature = "issue")]
pub(crate) use der::two_numbers;
pub use error::VerifyError;
pub use key::{KeyError, VerifyingKey};
#[cfg(feature = "issue")]
pub(crate) use key_set::read_proof_key;
pub use key_set::{KeySet, KeySetError};
#[cfg(feature = "pem")]
pub use pem::{HostKey, PemError, PrivateKey};
pub use policy::{PolicyError, TenantRule, VerificationPolicy};
pub use remembered::RememberedSignatures;
#[cfg(feature = "issue")]
pub use sign::{AccessTokenClaims, SignError};
#[cfg(feature = "issue")]
pub(crate) use sign::{join, sign_access_token, signing_input};
#[cfg(feature = "issue")]
pub use signing_key::SigningKey;
pub use thumbprint::Thumbprint;
pub use token_verifier::{MAX_PAYLOAD_BYTES, TokenVerifier};
pub use verify::{MAX_TOKEN_BYTES, begin, verify};

#[cfg(test)]
mod signature_vectors;
