//! Key sets (RFC 7517 §5), the only place that keys come from.

use super::{Algorithm, AlgorithmName, KeyError, VerifyingKey};
use crate::codec::base64url;
#[cfg(feature = "comb")]
use crate::ed25519::{Progress, Workshop};
use crate::id::KeyId;
use crate::json::{self, Text, Value};
use crate::order;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Why keys are not a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// More than [`KeySet::MAX_JWKS_BYTES`].
    TooLarge,
    /// Not a JSON object with an array `keys` of objects, or a JSON that the reader refuses.
    Malformed,
    /// More than [`KeySet::MAX_KEYS`], unusable ones included.
    TooManyKeys,
    /// A key whose members have the wrong type or encoding, or are no key.
    BadKey(KeyError),
    /// Two keys have the same id: nobody could say which one a token means.
    DuplicateKeyId,
    /// None of the keys can check a signature here.
    NoUsableKey,
}

impl KeySetError {
    /// The stable name of the reason, for logs and programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "key_set_too_large",
            Self::Malformed => "key_set_malformed",
            Self::TooManyKeys => "key_set_too_many_keys",
            Self::BadKey(_) => "key_unusable",
            Self::DuplicateKeyId => "key_id_duplicate",
            Self::NoUsableKey => "key_set_empty",
        }
    }
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the key set is too large",
            Self::Malformed => "the key set is not a JWK set",
            Self::TooManyKeys => "the key set has too many keys",
            Self::BadKey(key) => return write!(f, "a key of the set {key}"),
            Self::DuplicateKeyId => "two keys of the set have the same id",
            Self::NoUsableKey => "the key set has no usable key",
        })
    }
}

impl core::error::Error for KeySetError {}

/// One to 64 keys with different ids.
#[derive(Clone, Debug)]
pub struct KeySet(Vec<VerifyingKey>);

impl KeySet {
    /// How many bytes a JWK set may have: 64 KiB.
    pub const MAX_JWKS_BYTES: usize = 65_536;

    /// How many keys a set may have.
    pub const MAX_KEYS: usize = 64;

    /// For how many keys of a set tables are made: a megabyte of them.
    #[cfg(feature = "comb")]
    pub const MAX_TABLES: usize = 8;

    /// Reads the JWK set of the issuer that this verifier belongs to.
    ///
    /// Read are Ed25519 keys, P-256 and P-384 keys for ECDSA and RSA keys. A key without `alg` is for the one algorithm
    /// of its curve; an RSA key without `alg` for `RS256`, the only one that RFC 7518 §3.1 recommends. A key without
    /// `kid` is named by its thumbprint.
    ///
    /// Passed over, so that an issuer can publish them beside ours: keys of another `kty` or `crv`, EC and RSA keys whose
    /// `alg` is not an [`AlgorithmName`], keys that are not for signatures (`use`, `key_ops`), and keys published with
    /// their private part `d`, which are nobody's proof any more. A symmetric key (`oct`) is one of these: what is
    /// published is not secret.
    ///
    /// # Errors
    ///
    /// [`KeySetError`]; a broken key, or one whose `alg` is the name of another kind of key, spoils the set: an issuer
    /// of ours does not publish such, so something is wrong that an operator must see.
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        let keys: Result<Vec<_>, _> = entries(json)?.filter_map(|jwk| read_key(jwk).transpose()).collect();
        Self::from_keys(keys?)
    }

    /// Reads the JWK set of somebody else: as [`from_jwks`](Self::from_jwks), but broken keys are passed over as well,
    /// and so are all keys that share their id with another. Their sets change without our doing, and one odd key
    /// must not lock out the users of the others.
    ///
    /// # Errors
    ///
    /// [`KeySetError::TooLarge`], [`KeySetError::Malformed`] and [`KeySetError::TooManyKeys`] for what is no JWK set,
    /// [`KeySetError::NoUsableKey`].
    pub fn from_third_party_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        let keys: Vec<VerifyingKey> = entries(json)?.filter_map(|jwk| read_key(jwk).ok()?).collect();
        let shares_its_id =
            |key: &VerifyingKey| keys.iter().filter(|other| other.id() == key.id()).nth(1).is_some();
        Self::from_keys(keys.iter().filter(|key| !shares_its_id(key)).cloned())
    }

    /// A set of these keys.
    ///
    /// # Errors
    ///
    /// [`KeySetError::NoUsableKey`], [`KeySetError::TooManyKeys`], [`KeySetError::DuplicateKeyId`].
    pub fn from_keys(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
        Self::from_list(keys.into_iter().take(Self::MAX_KEYS.saturating_add(1)).collect())
    }

    /// The same, compiled once for all ways to have keys.
    fn from_list(keys: Vec<VerifyingKey>) -> Result<Self, KeySetError> {
        let mut set = Self(Vec::new());
        for key in keys {
            if set.0.len() >= Self::MAX_KEYS {
                return Err(KeySetError::TooManyKeys);
            }
            if set.named(key.id().as_str()).is_some() {
                return Err(KeySetError::DuplicateKeyId);
            }
            set.0.push(key);
        }
        if set.0.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(set) }
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.iter()
    }

    /// Does one slice of the work on tables for the Ed25519 keys in use, to be called after a token was accepted. A
    /// slice takes less time than checking a signature without tables; without work to do the call costs nothing.
    ///
    /// A key is worked for once it has accepted [`PublicKey::USES_BEFORE_TABLES`] signatures, and at most
    /// [`MAX_TABLES`](Self::MAX_TABLES) keys of a set are.
    ///
    /// [`PublicKey::USES_BEFORE_TABLES`]: crate::ed25519::PublicKey::USES_BEFORE_TABLES
    #[cfg(feature = "comb")]
    pub fn prepare(&self, workshop: &mut Workshop) -> Progress {
        let keys = || self.0.iter().filter_map(VerifyingKey::public_key);
        let wanting = keys().find(|key| key.wants_tables());
        let has_room = || keys().filter(|key| key.has_tables()).count() < Self::MAX_TABLES;
        workshop.advance(wanting.filter(|_| has_room()))
    }

    /// Takes over what was computed for the keys of the set that this one replaces.
    #[cfg(feature = "comb")]
    pub fn inherit_tables(&mut self, replaced: &Self) {
        for key in &mut self.0 {
            for known in &replaced.0 {
                key.share_tables_of(known);
            }
        }
    }

    /// The set as a JWK set for publication, sorted by key id, without the symmetric keys.
    #[must_use]
    pub fn public_jwks(&self) -> String {
        let mut keys: Vec<&VerifyingKey> = self.0.iter().collect();
        order::sort_by_key(&mut keys, |key| key.id());
        let jwks: Vec<String> = keys.into_iter().filter_map(VerifyingKey::public_jwk).collect();
        alloc::format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
    }

    /// The key that a token means, with its place. Without an id only the only key can be meant; trying several would
    /// let a token choose.
    pub(super) fn select(&self, id: Option<&str>) -> Option<(usize, &VerifyingKey)> {
        match (id, self.0.as_slice()) {
            (Some(id), _) => self.named(id),
            (None, [only]) => Some((0, only)),
            (None, _) => None,
        }
    }

    /// The key at this place.
    pub(super) fn at(&self, place: usize) -> Option<&VerifyingKey> {
        self.0.get(place)
    }

    fn named(&self, id: &str) -> Option<(usize, &VerifyingKey)> {
        self.0.iter().enumerate().find(|(_, key)| key.id().as_str() == id)
    }
}

fn entries(json: &[u8]) -> Result<impl Iterator<Item = Value<'_>>, KeySetError> {
    if json.len() > KeySet::MAX_JWKS_BYTES {
        return Err(KeySetError::TooLarge);
    }
    let set = json::parse(json).map_err(|_| KeySetError::Malformed)?;
    let entries = set.member("keys").and_then(Value::elements).ok_or(KeySetError::Malformed)?;
    if entries.clone().count() > KeySet::MAX_KEYS { Err(KeySetError::TooManyKeys) } else { Ok(entries) }
}

/// Reads a JWK; `None` if it is well-formed but not for us.
fn read_key(jwk: Value<'_>) -> Result<Option<VerifyingKey>, KeySetError> {
    if jwk.members().is_none() {
        return Err(KeySetError::Malformed);
    }
    let jwk = Jwk(jwk);
    let is_for_signatures = jwk.text("use")?.is_none_or(|usage| usage == *"sig")
        && jwk.0.member("key_ops").is_none_or(allows_verifying);
    let Some(algorithm) = jwk.algorithm()?.filter(|_| is_for_signatures && jwk.0.member("d").is_none())
    else {
        return Ok(None);
    };
    let name = match jwk.text("alg")?.map(|name| AlgorithmName::from_text(&name.to_cow())) {
        None => algorithm.default_name(),
        Some(Some(name)) => name,
        Some(None) if algorithm == Algorithm::Ed25519 => {
            return Err(KeySetError::BadKey(KeyError::AlgorithmMismatch));
        }
        Some(None) => return Ok(None),
    };
    // Which RSA algorithm is `alg`'s to say; the others are one with their curve.
    let algorithm =
        if algorithm.is_rsa() && name.algorithm().is_rsa() { name.algorithm() } else { algorithm };
    let id = match jwk.text("kid")? {
        None => None,
        Some(id) => Some(id.to_cow().parse::<KeyId>().map_err(|_| KeySetError::BadKey(KeyError::BadKeyId))?),
    };
    let key = jwk.key(id, algorithm).and_then(|key| key.with_algorithm_name(name));
    key.map(Some).map_err(KeySetError::BadKey)
}

/// The key in the header of a proof of possession (RFC 9449 §4.2): public, and for the algorithm of this name. It is named
/// by its thumbprint, whatever it calls itself.
#[cfg(feature = "issue")]
pub(crate) fn read_proof_key(jwk: Value<'_>, name: AlgorithmName) -> Option<VerifyingKey> {
    /// What only the owner of a key has, or whoever shares it (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
    const PRIVATE: [&str; 8] = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];
    if PRIVATE.iter().any(|member| jwk.member(member).is_some()) {
        return None;
    }
    let (jwk, algorithm) = (Jwk(jwk), name.algorithm());
    let kind = jwk.algorithm().ok()??;
    let said = jwk.text("alg").ok()?;
    let is_said = |said: &Text<'_>| AlgorithmName::from_text(&said.to_cow()).map(AlgorithmName::algorithm);
    if said.is_some_and(|said| is_said(&said) != Some(algorithm)) {
        return None;
    }
    let fits = kind == algorithm || (kind.is_rsa() && algorithm.is_rsa());
    if fits { jwk.key(None, algorithm).ok() } else { None }
}

/// An object of a JWK set.
struct Jwk<'a>(Value<'a>);

impl<'a> Jwk<'a> {
    fn text(&self, name: &str) -> Result<Option<Text<'a>>, KeySetError> {
        match self.0.member(name) {
            None => Ok(None),
            Some(value) => value.as_text().map(Some).ok_or(KeySetError::Malformed),
        }
    }

    /// What its kind of key is for, unless `alg` says otherwise; `None` for a kind that is not for us.
    fn algorithm(&self) -> Result<Option<Algorithm>, KeySetError> {
        let Some(kind) = self.text("kty")? else { return Ok(None) };
        let curve = self.text("crv")?;
        let curve = curve.as_ref().map(|curve| curve.to_cow());
        Ok(match (&*kind.to_cow(), curve.as_deref()) {
            ("OKP", Some("Ed25519")) => Some(Algorithm::Ed25519),
            ("EC", Some("P-256")) => Some(Algorithm::EcdsaP256),
            ("EC", Some("P-384")) => Some(Algorithm::EcdsaP384),
            ("RSA", _) => Some(Algorithm::RsaPkcs1Sha256),
            _ => None,
        })
    }

    fn key(&self, id: Option<KeyId>, algorithm: Algorithm) -> Result<VerifyingKey, KeyError> {
        match algorithm {
            Algorithm::Ed25519 => {
                let x = self.bytes("x").and_then(|x| x.try_into().ok()).ok_or(KeyError::NotOnCurve)?;
                VerifyingKey::ed25519(id, &x)
            }
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => {
                let point = self.bytes("x").zip(self.bytes("y"));
                let (x, y) = point.ok_or(KeyError::NotOnCurve)?;
                VerifyingKey::ecdsa(id, algorithm, &x, &y)
            }
            _ => {
                let n = self.bytes("n").ok_or(KeyError::BadModulus)?;
                let e = self.bytes("e").ok_or(KeyError::BadExponent)?;
                VerifyingKey::rsa(id, algorithm, &n, &e)
            }
        }
    }

    /// A member in canonical base64url.
    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        base64url::decode(self.0.member(name)?.as_text()?.to_cow().as_bytes()).ok()
    }
}

fn allows_verifying(operations: Value<'_>) -> bool {
    operations
        .elements()
        .is_some_and(|mut all| all.any(|operation| operation.as_text().is_some_and(|text| text == *"verify")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString as _;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const OTHER_X: &str = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";

    /// The point of RFC 7515 A.3.1 and the modulus of RFC 7638 §3.1.
    const EC_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const EC_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    const N: &str = concat!(
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiF",
        "V4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9",
        "c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1",
        "jF44-csFCur-kEgU8awapJzKnqDKgw",
    );

    fn jwk(rest: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"{rest}}}"#)
    }

    fn load(keys: &[String]) -> Result<KeySet, KeySetError> {
        KeySet::from_jwks(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
    }

    #[test]
    fn what_is_published_can_be_read_again() {
        let other = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{OTHER_X}","kid":"a","alg":"Ed25519"}}"#);
        let set = load(&[jwk(r#","kid":"b","use":"sig","key_ops":["verify"]"#), other]).unwrap();
        let published = set.public_jwks();
        assert_eq!(
            published,
            format!(
                r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{OTHER_X}","kid":"a","alg":"Ed25519","use":"sig"}},{{"kty":"OKP","crv":"Ed25519","x":"{X}","kid":"b","alg":"EdDSA","use":"sig"}}]}}"#
            )
        );
        assert_eq!(KeySet::from_jwks(published.as_bytes()).unwrap().public_jwks(), published);
    }

    #[test]
    fn a_key_without_id_is_named_by_its_thumbprint() {
        let set = load(&[jwk("")]).unwrap();
        assert!(set.select(Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")).is_some());
    }

    #[test]
    fn keys_for_something_else_are_passed_over() {
        let others = [
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r","use":"enc"}"#.to_string(),
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r","alg":"RSA-OAEP"}"#.to_string(),
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r","d":"AQ"}"#.to_string(),
            r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA","kid":"e"}"#.to_string(),
            r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA","kid":"e"}"#.to_string(),
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","alg":"ECDH-ES"}"#.to_string(),
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0i"}"#
                .to_string(),
            r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#.to_string(),
            r#"{"kty":"OKP"}"#.to_string(),
            r#"{"kid":"no type"}"#.to_string(),
            jwk(r#","kid":"enc","use":"enc""#),
            jwk(r#","kid":"ops","key_ops":["sign"]"#),
            jwk(r#","kid":"private","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#),
        ];
        for other in &others {
            assert_eq!(load(core::slice::from_ref(other)).err(), Some(KeySetError::NoUsableKey), "{other}");
            let set = load(&[other.clone(), jwk(r#","kid":"good""#)]).unwrap();
            assert_eq!(set.iter().count(), 1, "{other}");
        }
    }

    /// JWKs that are broken, and what is wrong with each.
    fn broken() -> Vec<(String, KeySetError)> {
        let bad_key = KeySetError::BadKey;
        let zero = "A".repeat(43);
        let ec = |crv: &str, x: &str, y: &str| format!(r#"{{"kty":"EC","crv":"{crv}","x":"{x}","y":"{y}"}}"#);
        let rsa = |n: &str, rest: &str| format!(r#"{{"kty":"RSA","n":"{n}"{rest}}}"#);
        let (even, short) = (format!("{}g", &N[..N.len() - 1]), &N[4..]);
        let (e, not_on_curve) = (r#","e":"AQAB""#, bad_key(KeyError::NotOnCurve));
        let (bad_modulus, bad_exponent) = (bad_key(KeyError::BadModulus), bad_key(KeyError::BadExponent));
        let mismatch = bad_key(KeyError::AlgorithmMismatch);
        std::vec![
            (jwk(r#","alg":"HS256""#), mismatch),
            (jwk(r#","alg":"ES256""#), mismatch),
            (jwk(r#","alg":"none""#), mismatch),
            (jwk(r#","kid":"""#), bad_key(KeyError::BadKeyId)),
            (jwk(r#","kid":"\u0000""#), bad_key(KeyError::BadKeyId)),
            (jwk(r#","kid":7"#), KeySetError::Malformed),
            (jwk(r#","use":true"#), KeySetError::Malformed),
            (r#"{"kty":"OKP","crv":"Ed25519"}"#.into(), not_on_curve),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}="}}"#), not_on_curve),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, &X[1..]), not_on_curve),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{zero}"}}"#), bad_key(KeyError::SmallOrder)),
            (r#"{"kty":["OKP"]}"#.into(), KeySetError::Malformed),
            ("7".into(), KeySetError::Malformed),
            (r#"{"kty":"EC","crv":"P-256"}"#.into(), not_on_curve),
            (ec("P-256", EC_X, EC_X), not_on_curve),
            (ec("P-256", &zero, &zero), not_on_curve),
            (ec("P-256", "", ""), not_on_curve),
            (ec("P-256", EC_X, &format!("AA{EC_Y}")), not_on_curve),
            (ec("P-384", EC_X, EC_Y), not_on_curve),
            (ec("P-256", EC_X, EC_Y).replace("}", r#","alg":"ES384"}"#), mismatch),
            (ec("P-256", EC_X, EC_Y).replace("}", r#","alg":"RS256"}"#), mismatch),
            (rsa(N, ""), bad_exponent),
            (rsa(N, r#","e":"AQ""#), bad_exponent),
            (rsa(N, r#","e":"Ag""#), bad_exponent),
            (rsa(N, r#","e":"AAEAAQ""#), bad_exponent),
            (rsa(N, r#","e":"AQAAAAE""#), bad_exponent),
            (rsa(N, r#","e":"""#), bad_exponent),
            (rsa("", e), bad_modulus),
            (rsa("AQAB", e), bad_modulus),
            (rsa(&even, e), bad_modulus),
            (rsa(short, e), bad_modulus),
            (rsa(&format!("AAAA{N}"), e), bad_modulus),
            (rsa(N, &format!(r#"{e},"alg":"HS256""#)), mismatch),
            (rsa(N, &format!(r#"{e},"alg":"ES256""#)), mismatch),
            (rsa(N, &format!(r#"{e},"alg":"EdDSA""#)), mismatch),
        ]
    }

    #[test]
    fn a_broken_key_spoils_the_set() {
        for (jwk, error) in broken() {
            assert_eq!(load(core::slice::from_ref(&jwk)).err(), Some(error), "{jwk}");
        }
        assert_eq!(load(&[jwk(""), jwk("")]).err(), Some(KeySetError::DuplicateKeyId));
    }

    #[test]
    fn a_broken_key_of_somebody_else_is_passed_over() {
        let load = |keys: &[String]| {
            KeySet::from_third_party_jwks(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
        };
        for (broken, _) in broken() {
            let set = load(&[broken.clone(), jwk(r#","kid":"good""#)]).unwrap();
            assert_eq!(set.iter().map(|key| key.id().as_str()).collect::<Vec<_>>(), ["good"], "{broken}");
            assert_eq!(load(&[broken]).err(), Some(KeySetError::NoUsableKey));
        }
        let twice = [jwk(r#","kid":"twice""#), jwk(r#","kid":"once""#), jwk(r#","kid":"twice""#)];
        let set = load(&twice).unwrap();
        assert_eq!(set.iter().map(|key| key.id().as_str()).collect::<Vec<_>>(), ["once"]);
        assert_eq!(KeySet::from_third_party_jwks(b"[]").err(), Some(KeySetError::Malformed));
    }

    #[test]
    fn a_key_has_the_algorithm_of_its_alg_or_else_of_its_kind() {
        let ec = |rest: &str| format!(r#"{{"kty":"EC","crv":"P-256","x":"{EC_X}","y":"{EC_Y}"{rest}}}"#);
        let rsa = |rest: &str| format!(r#"{{"kty":"RSA","n":"{N}","e":"AQAB"{rest}}}"#);
        for (jwk, algorithm) in [
            (ec(""), Algorithm::EcdsaP256),
            (ec(r#","alg":"ES256""#), Algorithm::EcdsaP256),
            (rsa(""), Algorithm::RsaPkcs1Sha256),
            (rsa(r#","alg":"RS256""#), Algorithm::RsaPkcs1Sha256),
            (rsa(r#","alg":"RS384""#), Algorithm::RsaPkcs1Sha384),
            (rsa(r#","alg":"RS512""#), Algorithm::RsaPkcs1Sha512),
            (rsa(r#","alg":"PS256""#), Algorithm::RsaPssSha256),
        ] {
            let set = load(core::slice::from_ref(&jwk)).unwrap();
            assert_eq!(set.iter().map(VerifyingKey::algorithm).collect::<Vec<_>>(), [algorithm], "{jwk}");
            let published = set.public_jwks();
            assert_eq!(KeySet::from_jwks(published.as_bytes()).unwrap().public_jwks(), published);
        }
        // RFC 7638 §3.1.
        assert!(
            load(&[rsa("")]).unwrap().select(Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")).is_some()
        );
    }

    #[test]
    fn what_is_not_a_key_set_is_refused() {
        for bad in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, r#"{"keys":[]}x"#] {
            assert_eq!(KeySet::from_jwks(bad.as_bytes()).err(), Some(KeySetError::Malformed), "{bad}");
        }
        assert_eq!(load(&[]).err(), Some(KeySetError::NoUsableKey));
        let many: Vec<String> = (0..65).map(|n| jwk(&format!(r#","kid":"{n}""#))).collect();
        assert_eq!(load(&many).err(), Some(KeySetError::TooManyKeys));
        assert_eq!(load(&many[..64]).unwrap().iter().count(), 64);
        let padded = format!(r#"{{"keys":[{}]{}}}"#, jwk(""), " ".repeat(KeySet::MAX_JWKS_BYTES));
        assert_eq!(KeySet::from_jwks(padded.as_bytes()).err(), Some(KeySetError::TooLarge));
    }

    #[test]
    fn without_an_id_only_the_only_key_can_be_meant() {
        let one = load(&[jwk(r#","kid":"a""#)]).unwrap();
        assert!(one.select(None).is_some());
        assert!(one.select(Some("b")).is_none());
        let two = load(&[jwk(r#","kid":"a""#), jwk(r#","kid":"b""#)]).unwrap();
        assert!(two.select(None).is_none());
        assert_eq!(two.select(Some("b")).unwrap().1.id().as_str(), "b");
    }
}
