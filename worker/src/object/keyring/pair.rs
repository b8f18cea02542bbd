//! Key pairs that the host makes, before the transaction that stores them.

use crate::object::keyring::stored::Material;
use crate::webcrypto;
use postern_core::jwt::{Algorithm, PrivateKey};
use postern_core::keyring::KeyKind;
use worker::{Error, Result};

/// A new private key of RSA or P-256.
pub(super) struct HostPair {
    pub(super) kind: KeyKind,
    /// Its thumbprint.
    pub(super) kid: String,
    /// PKCS#8 in DER.
    pub(super) material: Material,
}

impl HostPair {
    pub(super) async fn generate(kind: KeyKind) -> Result<Self> {
        let failed = |error: String| Error::RustError(format!("a key could not be made: {error}"));
        let algorithm = algorithm_of(kind).ok_or_else(|| failed("it is not the host's".into()))?;
        let material = webcrypto::generate(algorithm).await.map_err(|error| failed(error.to_string()))?;
        let key = PrivateKey::from_pkcs8(None, Some(algorithm), material.clone());
        match key.map_err(|error| failed(error.to_string()))? {
            PrivateKey::Host(key) => Ok(Self { kind, kid: key.verifying_key().id().to_string(), material }),
            PrivateKey::Ed25519(_) => Err(failed("it is of another kind".into())),
        }
    }
}

/// The algorithm of a key pair that the host computes with.
pub(crate) const fn algorithm_of(kind: KeyKind) -> Option<Algorithm> {
    match kind {
        KeyKind::P256 => Some(Algorithm::EcdsaP256),
        KeyKind::Rsa => Some(Algorithm::RsaPkcs1Sha256),
        KeyKind::Ed25519 | KeyKind::Secret => None,
    }
}
