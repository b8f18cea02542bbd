//! Public keys as authenticators write them: `COSE_Key` (RFC 9052 §7, RFC 9053 §7.1, RFC 8230 §4).

use crate::jwt::{Algorithm, VerifyingKey};
use minicbor::data::Type;
use minicbor::decode::Decoder;

const EDDSA: i64 = -8;
const ES256: i64 = -7;
const RS256: i64 = -257;
/// The algorithms that keys may have, by their COSE numbers, the one that we like best first.
pub const ALGORITHMS: [i64; 3] = [EDDSA, ES256, RS256];

const KEY_TYPE_OKP: i64 = 1;
const KEY_TYPE_EC2: i64 = 2;
const KEY_TYPE_RSA: i64 = 3;
const CURVE_P256: i64 = 1;
const CURVE_ED25519: i64 = 6;
/// 4096 bits: no authenticator has more, and checking one signature must stay cheap.
const MAX_MODULUS_BYTES: usize = 512;

/// The parameters that a key of ours may have. −1 is the curve, or of RSA the modulus.
#[derive(Default)]
struct Parameters<'a> {
    key_type: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    modulus: Option<&'a [u8]>,
    /// −2: x, or the exponent.
    second: Option<&'a [u8]>,
    /// −3: y.
    third: Option<&'a [u8]>,
}

/// Reads the key that these bytes are: its own algorithm, the parameters of that and no other (Web Authentication §6.5.1),
/// each once. `None` for every other key, and for one that proves nothing: a point that is not on its curve or of small
/// order, a modulus of less than 2048 bits or more than 4096; or if anything follows.
pub(super) fn parse(bytes: &[u8]) -> Option<VerifyingKey> {
    let mut decoder = Decoder::new(bytes);
    let mut found = Parameters::default();
    for _ in 0..decoder.map().ok()?.filter(|members| (4..=5).contains(members))? {
        match decoder.i64().ok()? {
            1 if found.key_type.is_none() => found.key_type = Some(decoder.i64().ok()?),
            3 if found.algorithm.is_none() => found.algorithm = Some(decoder.i64().ok()?),
            -1 if found.curve.is_none() && found.modulus.is_none() => {
                if decoder.datatype().ok()? == Type::Bytes {
                    found.modulus = Some(decoder.bytes().ok()?);
                } else {
                    found.curve = Some(decoder.i64().ok()?);
                }
            }
            -2 if found.second.is_none() => found.second = Some(decoder.bytes().ok()?),
            -3 if found.third.is_none() => found.third = Some(decoder.bytes().ok()?),
            _ => return None,
        }
    }
    if decoder.position() != bytes.len() {
        return None;
    }
    let Parameters { key_type, algorithm, curve, modulus, second, third } = found;
    match (key_type?, algorithm?, curve, modulus, second?, third) {
        (KEY_TYPE_OKP, EDDSA, Some(CURVE_ED25519), None, x, None) => {
            VerifyingKey::ed25519(None, x.try_into().ok()?).ok()
        }
        (KEY_TYPE_EC2, ES256, Some(CURVE_P256), None, x, Some(y)) => {
            VerifyingKey::ecdsa(None, Algorithm::EcdsaP256, x, y).ok()
        }
        (KEY_TYPE_RSA, RS256, None, Some(modulus), exponent, None) if modulus.len() <= MAX_MODULUS_BYTES => {
            VerifyingKey::rsa(None, Algorithm::RsaPkcs1Sha256, modulus, exponent).ok()
        }
        _ => None,
    }
}
