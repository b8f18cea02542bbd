//! Keys as files: PEM (RFC 7468) around SPKI, PKCS#8, PKCS#1 and SEC1.

use super::der::{self, Elements};
use super::key::Material;
use super::{Algorithm, KeyError, VerifyingKey};
use crate::id::KeyId;
use crate::secret::Secret;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use zeroize::Zeroizing;

/// 1.3.101.112, RFC 8410 §3.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 1.2.840.113549.1.1.1, RFC 3279 §2.3.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1, RFC 5480 §2.1.1, and the curves of §2.1.1.1: 1.2.840.10045.3.1.7 and 1.3.132.0.34.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// Optional members of private keys, by their context-specific tags: of PKCS#8, and of SEC1.
const ATTRIBUTES: u8 = 0xa0;
const PUBLIC_BITS: u8 = 0x81;
const CURVE: u8 = 0xa0;
const PUBLIC_POINT: u8 = 0xa1;

/// Why a text is not a key. None of them quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemError {
    /// Not one PEM block, or not the DER that its label promises.
    Malformed,
    /// The label is not one that is read here: a certificate, a private key where a public one belongs, or the reverse.
    WrongLabel,
    /// The private key is encrypted.
    Encrypted,
    /// A key for something else: another curve, X25519, DSA, or RSA restricted to PSS.
    UnsupportedKey,
    /// An EC private key without its public half, which cannot be computed without the feature `ecdsa`.
    PublicKeyMissing,
    /// The public half in the file is not that of the private key.
    PublicKeyMismatch,
    /// The numbers are no key, or not one for the algorithm asked for.
    Key(KeyError),
}

impl PemError {
    /// The stable name of the reason, for logs and programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "pem_malformed",
            Self::WrongLabel => "pem_wrong_label",
            Self::Encrypted => "pem_encrypted",
            Self::UnsupportedKey => "key_unsupported",
            Self::PublicKeyMissing => "public_key_missing",
            Self::PublicKeyMismatch => "public_key_mismatch",
            Self::Key(_) => "key_unusable",
        }
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "is not a well-formed PEM file",
            Self::WrongLabel => "is a PEM file of something else",
            Self::Encrypted => "is encrypted",
            Self::UnsupportedKey => "is a key that no algorithm here uses",
            Self::PublicKeyMissing => "lacks its public half",
            Self::PublicKeyMismatch => "has the public half of another key",
            Self::Key(key) => return key.fmt(f),
        })
    }
}

impl core::error::Error for PemError {}

impl From<KeyError> for PemError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl VerifyingKey {
    /// The key as `PUBLIC KEY` (RFC 5280 §4.1.2.7, RFC 7468 §13), lines ending in `\n`; `None` for a symmetric key.
    #[must_use]
    pub fn to_pem(&self) -> Option<String> {
        let (identifier, bits) = match self.material() {
            Material::Hmac(_) => return None,
            Material::Ed25519(point) => {
                (identifier(ED25519, None)?, Zeroizing::new(point.to_bytes().to_vec()))
            }
            Material::Ecdsa(key) => {
                let curve = if self.algorithm() == Algorithm::EcdsaP384 { P384 } else { P256 };
                (identifier(EC, Some(curve))?, Zeroizing::new(key.to_sec1()))
            }
            Material::Rsa(key) => {
                let (n, e) = (der::unsigned(key.modulus())?, der::unsigned(key.exponent())?);
                (identifier(RSA, None)?, der::element(der::SEQUENCE, &[&n, &e])?)
            }
        };
        let bits = der::element(der::BIT_STRING, &[&[0], &bits])?;
        let text = STANDARD.encode(&*der::element(der::SEQUENCE, &[&identifier, &bits])?);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let mut rest = &*text;
        while !rest.is_empty() {
            let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
            pem.extend([line, "\n"]);
            rest = after;
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        Some(pem)
    }

    /// Reads a `PUBLIC KEY` (SPKI) or an `RSA PUBLIC KEY` (PKCS#1). An RSA key is for `RS256` unless an algorithm is
    /// given. Without an id, the key is named by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`PemError`]; [`KeyError::AlgorithmMismatch`] within it if the key is not for the algorithm given.
    pub fn from_pem(id: Option<KeyId>, algorithm: Option<Algorithm>, pem: &str) -> Result<Self, PemError> {
        let (label, document) = read(pem)?;
        match label {
            "PUBLIC KEY" => {
                let (identifier, bits) = key_info(&document).ok_or(PemError::Malformed)?;
                public_key(id, chosen(kind_of(identifier)?, algorithm)?, bits)
            }
            "RSA PUBLIC KEY" => public_key(id, chosen(Algorithm::RsaPkcs1Sha256, algorithm)?, &document),
            _ => Err(PemError::WrongLabel),
        }
    }
}

/// A private key from a file.
pub enum PrivateKey {
    /// The seed of an Ed25519 key, for [`SigningKey::ed25519`](super::SigningKey::ed25519).
    Ed25519(Secret<32>),
    /// A key that a host signs with.
    Host(HostKey),
}

/// A private key in the form that hosts import, with the public key that checks what they sign.
///
/// Zeroized on drop. `Debug` shows the public half alone.
#[derive(Clone)]
pub struct HostKey {
    public: VerifyingKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl HostKey {
    /// The key that checks its signatures.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// The private key as PKCS#8 in DER (RFC 5958), which is what WebCrypto imports.
    #[must_use]
    pub fn expose_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostKey({:?})", self.public)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519(_) => f.write_str("Ed25519([redacted])"),
            Self::Host(key) => key.fmt(f),
        }
    }
}

impl PrivateKey {
    /// Reads a `PRIVATE KEY` (PKCS#8), an `RSA PRIVATE KEY` (PKCS#1) or an `EC PRIVATE KEY` (SEC1). An RSA key is for
    /// `RS256` unless an algorithm is given. Without an id, the key is named by its thumbprint.
    ///
    /// Whether the two halves of an RSA key belong together is for the host to say: it refuses to import another.
    ///
    /// # Errors
    ///
    /// [`PemError`]; [`KeyError::AlgorithmMismatch`] within it if the key is not for the algorithm given.
    pub fn from_pem(id: Option<KeyId>, algorithm: Option<Algorithm>, pem: &str) -> Result<Self, PemError> {
        let (label, document) = read(pem)?;
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(id, algorithm, document),
            "RSA PRIVATE KEY" => {
                let algorithm = chosen(Algorithm::RsaPkcs1Sha256, algorithm)?;
                host_key(id, algorithm, identifier(RSA, None), &document)
            }
            "EC PRIVATE KEY" => {
                let curve = EcKey::read(&document).ok_or(PemError::Malformed)?.curve;
                let identifier = identifier(EC, Some(curve.ok_or(PemError::UnsupportedKey)?));
                let kind = identifier.as_deref().and_then(|der| Elements::of_sequence(der));
                let algorithm = chosen(kind_of(kind.ok_or(PemError::Malformed)?)?, algorithm)?;
                host_key(id, algorithm, identifier, &document)
            }
            "ENCRYPTED PRIVATE KEY" => Err(PemError::Encrypted),
            _ => Err(PemError::WrongLabel),
        }
    }

    /// Reads a key as hosts export it: PKCS#8 in DER. Otherwise as [`PrivateKey::from_pem`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn from_pkcs8(
        id: Option<KeyId>,
        algorithm: Option<Algorithm>,
        der: Zeroizing<Vec<u8>>,
    ) -> Result<Self, PemError> {
        let info = Pkcs8::read(&der).ok_or(PemError::Malformed)?;
        let kind = kind_of(info.identifier)?;
        let algorithm = chosen(kind, algorithm)?;
        if kind == Algorithm::Ed25519 {
            return ed25519(info.key, info.public);
        }
        let public = public_half(id, algorithm, info.key)?;
        Ok(Self::Host(HostKey { public, pkcs8: der }))
    }
}

/// The one block of a file. Explanatory text may stand before it (RFC 7468 §2), nothing after it; a header inside it
/// tells of a key that OpenSSL has encrypted in its old way.
fn read(pem: &str) -> Result<(&str, Zeroizing<Vec<u8>>), PemError> {
    if pem.contains("Proc-Type:") {
        return Err(PemError::Encrypted);
    }
    block(pem).ok_or(PemError::Malformed)
}

fn block(pem: &str) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let body = rest.trim_end().strip_suffix(&*format!("\n-----END {label}-----"))?;
    // Allocated once: what a growing text leaves behind would not be wiped.
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    body.starts_with(['\r', '\n'])
        .then(|| body.split(['\r', '\n']).for_each(|line| base64.push_str(line)))?;
    Some((label, Zeroizing::new(STANDARD.decode(base64.as_bytes()).ok()?)))
}

/// `SubjectPublicKeyInfo` (RFC 5280 §4.1): the members of its algorithm, and the bits.
fn key_info(der: &[u8]) -> Option<(Elements<'_>, &[u8])> {
    let mut members = Elements::of_sequence(der)?;
    let info = (members.sequence()?, members.bits()?);
    members.end()?;
    Some(info)
}

/// `AlgorithmIdentifier` of a kind of key: with its curve, with NULL for RSA, or with nothing.
fn identifier(kind: &[u8], curve: Option<&[u8]>) -> Option<Zeroizing<Vec<u8>>> {
    let kind_der = der::element(der::OBJECT_IDENTIFIER, &[kind])?;
    let parameters = match curve {
        Some(curve) => der::element(der::OBJECT_IDENTIFIER, &[curve])?,
        None if kind == RSA => der::element(der::NULL, &[])?,
        None => Zeroizing::default(),
    };
    der::element(der::SEQUENCE, &[&kind_der, &parameters])
}

/// `PrivateKeyInfo` or `OneAsymmetricKey` (RFC 5958 §2).
struct Pkcs8<'a> {
    identifier: Elements<'a>,
    key: &'a [u8],
    public: Option<&'a [u8]>,
}

impl<'a> Pkcs8<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut members = Elements::of_sequence(der)?;
        let version = members.unsigned()?;
        let (identifier, key) = (members.sequence()?, members.take(der::OCTET_STRING)?);
        members.optional(ATTRIBUTES)?;
        let public = members.optional(PUBLIC_BITS)?;
        members.end()?;
        let public = match (version, public) {
            ([0], None) => None,
            ([1], Some(bits)) => Some(der::whole_bytes(bits)?),
            _ => return None,
        };
        Some(Self { identifier, key, public })
    }
}

/// `ECPrivateKey` (RFC 5915 §3).
struct EcKey<'a> {
    #[cfg_attr(not(feature = "ecdsa"), expect(dead_code, reason = "the point cannot be computed"))]
    secret: &'a [u8],
    curve: Option<&'a [u8]>,
    point: Option<&'a [u8]>,
}

impl<'a> EcKey<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut members = Elements::of_sequence(der)?;
        (members.unsigned()? == [1]).then_some(())?;
        let secret = members.take(der::OCTET_STRING)?;
        let curve = members.optional(CURVE)?.map(|der| Elements::only(der, der::OBJECT_IDENTIFIER));
        let point = members.optional(PUBLIC_POINT)?.map(|der| Elements::only(der, der::BIT_STRING));
        members.end()?;
        let within = |inner: Option<Option<&'a [u8]>>| inner.map_or(Some(None), |inner| inner.map(Some));
        let point = within(point)?.map_or(Some(None), |bits| der::whole_bytes(bits).map(Some))?;
        Some(Self { secret, curve: within(curve)?, point })
    }
}

/// What a key of this kind is for unless told otherwise.
fn kind_of(mut identifier: Elements<'_>) -> Result<Algorithm, PemError> {
    let mut parts = || {
        let kind = identifier.take(der::OBJECT_IDENTIFIER)?;
        let curve = identifier.optional(der::OBJECT_IDENTIFIER)?;
        let nothing = identifier.optional(der::NULL)?.is_none_or(<[u8]>::is_empty);
        Some((kind, curve, nothing && identifier.end().is_some()))
    };
    match parts().ok_or(PemError::Malformed)? {
        (ED25519, None, true) => Ok(Algorithm::Ed25519),
        (EC, Some(P256), true) => Ok(Algorithm::EcdsaP256),
        (EC, Some(P384), true) => Ok(Algorithm::EcdsaP384),
        (RSA, None, true) => Ok(Algorithm::RsaPkcs1Sha256),
        _ => Err(PemError::UnsupportedKey),
    }
}

/// The algorithm asked for, if a key of this kind can have it.
fn chosen(kind: Algorithm, wanted: Option<Algorithm>) -> Result<Algorithm, PemError> {
    match wanted {
        None => Ok(kind),
        Some(wanted) if wanted == kind || (wanted.is_rsa() && kind.is_rsa()) => Ok(wanted),
        Some(_) => Err(KeyError::AlgorithmMismatch.into()),
    }
}

/// A public key as in the bits of an SPKI.
fn public_key(id: Option<KeyId>, algorithm: Algorithm, bits: &[u8]) -> Result<VerifyingKey, PemError> {
    let not_on_curve = PemError::Key(KeyError::NotOnCurve);
    let key = match algorithm {
        Algorithm::Ed25519 => VerifyingKey::ed25519(id, bits.try_into().map_err(|_| not_on_curve)?),
        Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => {
            let coordinates = bits.strip_prefix(&[4]).ok_or(not_on_curve)?;
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            VerifyingKey::ecdsa(id, algorithm, x, y)
        }
        _ => {
            let (n, e) = rsa_numbers(bits).ok_or(PemError::Malformed)?;
            VerifyingKey::rsa(id, algorithm, n, e)
        }
    };
    key.map_err(PemError::Key)
}

/// `RSAPublicKey` (RFC 8017 A.1.1): modulus and exponent.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut members = Elements::of_sequence(der)?;
    let numbers = (members.unsigned()?, members.unsigned()?);
    members.end()?;
    Some(numbers)
}

/// The same of an `RSAPrivateKey` of two primes (RFC 8017 A.1.2).
fn rsa_numbers_of_private(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const OTHER_NUMBERS: usize = 6;
    let mut members = Elements::of_sequence(der)?;
    (members.unsigned()? == [0]).then_some(())?;
    let numbers = (members.unsigned()?, members.unsigned()?);
    for _ in 0..OTHER_NUMBERS {
        members.unsigned()?;
    }
    members.end()?;
    Some(numbers)
}

/// The public key of a private one, PKCS#1 or SEC1.
fn public_half(id: Option<KeyId>, algorithm: Algorithm, key: &[u8]) -> Result<VerifyingKey, PemError> {
    if algorithm.is_rsa() {
        let (n, e) = rsa_numbers_of_private(key).ok_or(PemError::Malformed)?;
        return VerifyingKey::rsa(id, algorithm, n, e).map_err(PemError::Key);
    }
    let key = EcKey::read(key).ok_or(PemError::Malformed)?;
    let point = match (compute_point(algorithm, &key)?, key.point) {
        (Some(computed), Some(stated)) if computed != stated => return Err(PemError::PublicKeyMismatch),
        (Some(computed), _) => computed,
        (None, stated) => stated.ok_or(PemError::PublicKeyMissing)?.to_vec(),
    };
    public_key(id, algorithm, &point)
}

/// The point of an EC private key, if this build can compute it.
#[cfg(feature = "ecdsa")]
fn compute_point(algorithm: Algorithm, key: &EcKey<'_>) -> Result<Option<Vec<u8>>, PemError> {
    let point = match algorithm {
        Algorithm::EcdsaP384 => p384::ecdsa::SigningKey::from_slice(key.secret)
            .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
        _ => p256::ecdsa::SigningKey::from_slice(key.secret)
            .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
    };
    point.map(Some).map_err(|_| PemError::Malformed)
}

#[cfg(not(feature = "ecdsa"))]
#[expect(clippy::unnecessary_wraps, reason = "the other build can fail")]
const fn compute_point(_: Algorithm, _: &EcKey<'_>) -> Result<Option<Vec<u8>>, PemError> {
    Ok(None)
}

/// A seed: an octet string in an octet string (RFC 8410 §7).
fn ed25519(key: &[u8], stated: Option<&[u8]>) -> Result<PrivateKey, PemError> {
    let seed = Elements::only(key, der::OCTET_STRING).and_then(|seed| seed.try_into().ok());
    let seed = Secret::new(seed.ok_or(PemError::Malformed)?);
    let computed = ed25519_dalek::SigningKey::from_bytes(seed.expose()).verifying_key();
    if stated.is_some_and(|stated| stated != computed.as_bytes()) {
        return Err(PemError::PublicKeyMismatch);
    }
    Ok(PrivateKey::Ed25519(seed))
}

/// A key of an older format, put into PKCS#8.
fn host_key(
    id: Option<KeyId>,
    algorithm: Algorithm,
    identifier: Option<Zeroizing<Vec<u8>>>,
    key: &[u8],
) -> Result<PrivateKey, PemError> {
    let public = public_half(id, algorithm, key)?;
    let pkcs8 = || {
        let (version, key) = (der::unsigned(&[0])?, der::element(der::OCTET_STRING, &[key])?);
        der::element(der::SEQUENCE, &[&version, &identifier?, &key])
    };
    Ok(PrivateKey::Host(HostKey { public, pkcs8: pkcs8().ok_or(PemError::Malformed)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::{AlgorithmName, Thumbprint};
    use serde_json::{Value, json};

    fn encoded(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    fn vectors() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jwt/pem.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn verdict(key: Result<VerifyingKey, PemError>) -> Value {
        match key {
            Ok(key) => {
                json!({"accepted": {"thumbprint": key.id().as_str(), "algorithm": key.algorithm_name().as_str()}})
            }
            Err(error) => json!(error.code()),
        }
    }

    fn read_private(algorithm: Option<Algorithm>, pem: &str) -> Result<VerifyingKey, PemError> {
        match PrivateKey::from_pem(None, algorithm, pem)? {
            PrivateKey::Host(key) => {
                // What the host is given is the same key.
                let again = encoded("PRIVATE KEY", key.expose_pkcs8());
                let again = PrivateKey::from_pem(None, algorithm, &again).unwrap();
                assert_eq!(format!("{again:?}"), format!("{key:?}"));
                Ok(key.verifying_key().clone())
            }
            PrivateKey::Ed25519(seed) => {
                let public = ed25519_dalek::SigningKey::from_bytes(seed.expose()).verifying_key();
                assert_eq!(format!("{:?}", PrivateKey::Ed25519(seed)), "Ed25519([redacted])");
                Ok(VerifyingKey::ed25519(None, public.as_bytes())?)
            }
        }
    }

    #[test]
    fn every_file_gets_its_verdict() {
        let file = vectors();
        let cases = file["cases"].as_array().unwrap();
        let mut accepted = 0;
        for case in cases {
            let pem = case["pem"].as_str().unwrap();
            let algorithm =
                case["algorithm"].as_str().map(|name| AlgorithmName::from_text(name).unwrap().algorithm());
            let actual = match case["reads"].as_str().unwrap() {
                "public" => verdict(VerifyingKey::from_pem(None, algorithm, pem)),
                _ => verdict(read_private(algorithm, pem)),
            };
            let expected = if cfg!(feature = "ecdsa") { None } else { case.get("without_ecdsa") };
            assert_eq!(&actual, expected.unwrap_or(&case["verdict"]), "{}", case["name"]);
            accepted += usize::from(case["verdict"].is_object());
        }
        assert!(accepted >= 15 && cases.len() > 2 * accepted, "{accepted} of {}", cases.len());
    }

    #[test]
    fn what_is_written_is_what_openssl_writes() {
        let file = vectors();
        let mut written = 0;
        for name in ["Ed25519, SPKI", "RSA, SPKI", "P-256, SPKI", "P-384, SPKI"] {
            let case = file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
            let pem = case["pem"].as_str().unwrap();
            assert_eq!(VerifyingKey::from_pem(None, None, pem).unwrap().to_pem().unwrap(), pem, "{name}");
            written += 1;
        }
        assert_eq!(written, 4);
        let secret = VerifyingKey::hmac_sha256("k".parse().unwrap(), &[1; 32]).unwrap();
        assert_eq!(secret.to_pem(), None);
    }

    #[test]
    fn rfc_8410_section_10() {
        let public = concat!(
            "-----BEGIN PUBLIC KEY-----\n",
            "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n",
            "-----END PUBLIC KEY-----\n",
        );
        let private = concat!(
            "-----BEGIN PRIVATE KEY-----\n",
            "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n",
            "-----END PRIVATE KEY-----\n",
        );
        let key = VerifyingKey::from_pem(None, None, public).unwrap();
        assert_eq!(key.id(), read_private(None, private).unwrap().id());
        assert_eq!(key.id().as_str().len(), Thumbprint::of_ed25519(&[0; 32]).as_str().len());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes: std::vec::Vec<u8>, private: bool) {
            let label = if private { "PRIVATE KEY" } else { "PUBLIC KEY" };
            let pem = encoded(label, &bytes);
            proptest::prop_assert!(VerifyingKey::from_pem(None, None, &pem).is_err());
            proptest::prop_assert!(PrivateKey::from_pem(None, None, &pem).is_err());
        }
    }
}
