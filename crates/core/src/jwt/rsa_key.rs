//! RSA public keys (RFC 8017, RFC 7518 §3.3 and §3.5): read in every build, used where the feature `rsa` is.

use super::{Algorithm, KeyError, Thumbprint};
use crate::codec::base64url;
use alloc::boxed::Box;
use alloc::string::String;

/// The fewest bits of a modulus (RFC 7518 §3.3).
const MIN_MODULUS_BITS: usize = 2048;

/// The most bits of a modulus: beyond, checking one signature would be a burden.
const MAX_MODULUS_BITS: usize = 8192;

/// A modulus of 2048 to 8192 bits and an odd exponent from 3 to 2³²−1.
#[derive(Clone)]
pub(super) struct RsaKey {
    modulus: Box<[u8]>,
    exponent: Box<[u8]>,
    #[cfg(feature = "rsa")]
    key: Scheme,
}

#[cfg(feature = "rsa")]
#[derive(Clone)]
enum Scheme {
    Pkcs1Sha256(Box<rsa::pkcs1v15::VerifyingKey<sha2::Sha256>>),
    Pkcs1Sha384(Box<rsa::pkcs1v15::VerifyingKey<sha2::Sha384>>),
    Pkcs1Sha512(Box<rsa::pkcs1v15::VerifyingKey<sha2::Sha512>>),
    PssSha256(Box<rsa::pss::VerifyingKey<sha2::Sha256>>),
}

impl RsaKey {
    /// Both numbers big-endian and without leading zeros (RFC 7518 §6.3.1).
    pub(super) fn new(algorithm: Algorithm, modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        if !algorithm.is_rsa() {
            return Err(KeyError::AlgorithmMismatch);
        }
        let bits = bit_length(modulus).ok_or(KeyError::BadModulus)?;
        if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits) || !is_odd(modulus) {
            return Err(KeyError::BadModulus);
        }
        // 1 would make every padded message its own signature; a great one only costs time.
        let exponent_bits = bit_length(exponent).ok_or(KeyError::BadExponent)?;
        if !(2..=32).contains(&exponent_bits) || !is_odd(exponent) {
            return Err(KeyError::BadExponent);
        }
        Ok(Self {
            modulus: modulus.into(),
            exponent: exponent.into(),
            #[cfg(feature = "rsa")]
            key: Scheme::new(algorithm, modulus, exponent)?,
        })
    }

    pub(super) fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of_rsa(&self.modulus, &self.exponent)
    }

    /// The members of its JWK that are its own (RFC 7518 §6.3.1).
    pub(super) fn jwk_members(&self) -> String {
        let (n, e) = (base64url::encode(&self.modulus), base64url::encode(&self.exponent));
        String::from_iter([r#""kty":"RSA","n":""#, &n, r#"","e":""#, &e, r#"""#])
    }

    #[cfg(feature = "pem")]
    pub(super) const fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    #[cfg(feature = "pem")]
    pub(super) const fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// How many bytes its signatures have.
    pub(super) const fn signature_bytes(&self) -> usize {
        self.modulus.len()
    }

    /// Whether this is a signature over the message, in the full length of the modulus (RFC 8017 §8.1.2, §8.2.2).
    #[cfg(feature = "rsa")]
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        use rsa::signature::Verifier as _;
        if signature.len() != self.signature_bytes() {
            return false;
        }
        let pkcs1 = || rsa::pkcs1v15::Signature::try_from(signature);
        match &self.key {
            Scheme::Pkcs1Sha256(key) => pkcs1().is_ok_and(|it| key.verify(message, &it).is_ok()),
            Scheme::Pkcs1Sha384(key) => pkcs1().is_ok_and(|it| key.verify(message, &it).is_ok()),
            Scheme::Pkcs1Sha512(key) => pkcs1().is_ok_and(|it| key.verify(message, &it).is_ok()),
            Scheme::PssSha256(key) => {
                rsa::pss::Signature::try_from(signature).is_ok_and(|it| key.verify(message, &it).is_ok())
            }
        }
    }
}

#[cfg(feature = "rsa")]
impl Scheme {
    fn new(algorithm: Algorithm, modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let number = rsa::BoxedUint::from_be_slice_vartime;
        let key =
            rsa::RsaPublicKey::new(number(modulus), number(exponent)).map_err(|_| KeyError::BadModulus)?;
        Ok(match algorithm {
            Algorithm::RsaPkcs1Sha384 => Self::Pkcs1Sha384(Box::new(rsa::pkcs1v15::VerifyingKey::new(key))),
            Algorithm::RsaPkcs1Sha512 => Self::Pkcs1Sha512(Box::new(rsa::pkcs1v15::VerifyingKey::new(key))),
            Algorithm::RsaPssSha256 => Self::PssSha256(Box::new(rsa::pss::VerifyingKey::new(key))),
            _ => Self::Pkcs1Sha256(Box::new(rsa::pkcs1v15::VerifyingKey::new(key))),
        })
    }
}

/// How many bits a big-endian number has; `None` if it is zero or begins with a zero byte.
fn bit_length(number: &[u8]) -> Option<usize> {
    let first = number.first().filter(|first| **first != 0)?;
    let unused = usize::try_from(first.leading_zeros()).ok()?;
    number.len().checked_mul(8)?.checked_sub(unused)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}
