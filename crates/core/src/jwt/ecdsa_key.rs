//! ECDSA public keys (FIPS 186-5 §6, RFC 7518 §3.4): read in every build, used where the feature `ecdsa` is.

use super::curve::{P256, P384};
use super::{Algorithm, KeyError, Thumbprint};
use crate::codec::base64url;
use alloc::boxed::Box;
use alloc::string::String;

/// A point of P-256 or P-384.
#[derive(Clone)]
pub(super) struct EcdsaKey {
    curve: &'static str,
    x: Box<[u8]>,
    y: Box<[u8]>,
    #[cfg(feature = "ecdsa")]
    point: Point,
}

#[cfg(feature = "ecdsa")]
#[derive(Clone)]
enum Point {
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
}

impl EcdsaKey {
    /// The point with these coordinates, each in the full length of the curve's field.
    pub(super) fn new(algorithm: Algorithm, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let (curve, is_on_curve) = match algorithm {
            Algorithm::EcdsaP256 => ("P-256", P256.has(x, y)),
            Algorithm::EcdsaP384 => ("P-384", P384.has(x, y)),
            _ => return Err(KeyError::AlgorithmMismatch),
        };
        if !is_on_curve {
            return Err(KeyError::NotOnCurve);
        }
        Ok(Self {
            curve,
            x: x.into(),
            y: y.into(),
            #[cfg(feature = "ecdsa")]
            point: Point::new(algorithm, x, y)?,
        })
    }

    pub(super) fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of_ec(self.curve, &self.x, &self.y)
    }

    /// The members of its JWK that are its own (RFC 7518 §6.2.1).
    pub(super) fn jwk_members(&self) -> String {
        let (x, y) = (base64url::encode(&self.x), base64url::encode(&self.y));
        String::from_iter([r#""kty":"EC","crv":""#, self.curve, r#"","x":""#, &x, r#"","y":""#, &y, r#"""#])
    }

    /// The point as SEC1 writes it (§2.3.3), uncompressed.
    #[cfg(feature = "pem")]
    pub(super) fn to_sec1(&self) -> alloc::vec::Vec<u8> {
        [&[4], &*self.x, &*self.y].concat()
    }

    /// How many bytes its signatures have: two numbers in full length.
    pub(super) const fn signature_bytes(&self) -> usize {
        self.x.len().saturating_mul(2)
    }

    /// Whether this is r ‖ s, both in full length (RFC 7518 §3.4), of a signature over the message. Both halves of the
    /// range of s are good, as FIPS 186-5 has it.
    #[cfg(feature = "ecdsa")]
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        use p256::ecdsa::signature::Verifier as _;
        match &self.point {
            Point::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Point::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

#[cfg(feature = "ecdsa")]
impl Point {
    fn new(algorithm: Algorithm, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let uncompressed = [&[4], x, y].concat();
        match algorithm {
            Algorithm::EcdsaP384 => {
                p384::ecdsa::VerifyingKey::from_sec1_bytes(&uncompressed).map(|key| Self::P384(Box::new(key)))
            }
            _ => {
                p256::ecdsa::VerifyingKey::from_sec1_bytes(&uncompressed).map(|key| Self::P256(Box::new(key)))
            }
        }
        .map_err(|_| KeyError::NotOnCurve)
    }
}
