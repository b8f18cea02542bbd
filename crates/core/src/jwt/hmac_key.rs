//! Shared secrets (RFC 2104, RFC 7518 §3.2).

use super::{Algorithm, KeyError};
use alloc::boxed::Box;
#[cfg(feature = "issue")]
use alloc::vec::Vec;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha384, Sha512};

/// A secret, kept as the states of its hash after the two padded blocks of the key: a message then costs two blocks
/// less, and the secret itself is nowhere any more. Zeroized on drop.
#[derive(Clone)]
pub(super) enum HmacKey {
    Sha256(Box<Hmac<Sha256>>),
    Sha384(Box<Hmac<Sha384>>),
    Sha512(Box<Hmac<Sha512>>),
}

impl HmacKey {
    /// A secret with at least as many bytes as its hash gives: 32, 48 or 64.
    pub(super) fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let shortest = match algorithm {
            Algorithm::HmacSha256 => 32,
            Algorithm::HmacSha384 => 48,
            Algorithm::HmacSha512 => 64,
            _ => return Err(KeyError::AlgorithmMismatch),
        };
        if secret.len() < shortest {
            return Err(KeyError::TooShort);
        }
        match algorithm {
            Algorithm::HmacSha384 => Hmac::new_from_slice(secret).map(Box::new).map(Self::Sha384),
            Algorithm::HmacSha512 => Hmac::new_from_slice(secret).map(Box::new).map(Self::Sha512),
            _ => Hmac::new_from_slice(secret).map(Box::new).map(Self::Sha256),
        }
        .map_err(|_| KeyError::TooShort)
    }

    /// Whether this is the whole MAC of the message. Compares in constant time.
    pub(super) fn verifies(&self, message: &[u8], mac: &[u8]) -> bool {
        match self {
            Self::Sha256(state) => (**state).clone().chain_update(message).verify_slice(mac),
            Self::Sha384(state) => (**state).clone().chain_update(message).verify_slice(mac),
            Self::Sha512(state) => (**state).clone().chain_update(message).verify_slice(mac),
        }
        .is_ok()
    }

    /// The MAC of the message.
    #[cfg(feature = "issue")]
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256(state) => (**state).clone().chain_update(message).finalize().into_bytes().to_vec(),
            Self::Sha384(state) => (**state).clone().chain_update(message).finalize().into_bytes().to_vec(),
            Self::Sha512(state) => (**state).clone().chain_update(message).finalize().into_bytes().to_vec(),
        }
    }
}
