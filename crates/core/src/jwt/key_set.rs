//! Key sets (RFC 7517 §5), the only place that keys come from.

use super::{AlgorithmName, KeyError, VerifyingKey};
use crate::codec::base64url;
use crate::id::KeyId;
use crate::json::{self, Value};
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
    /// An Ed25519 key whose members have the wrong type or encoding, or are no key.
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

    /// Reads a published JWK set.
    ///
    /// Passed over, so that an issuer can publish them beside ours: keys of another `kty` or `crv`, keys that are not
    /// for signatures (`use`, `key_ops`), and keys published with their private part `d`, which are nobody's proof
    /// any more. A symmetric key (`oct`) is one of these: what is published is not secret. A key without `kid` is
    /// named by its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeySetError`]; a broken Ed25519 key, or one whose `alg` is another algorithm's, spoils the set.
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > Self::MAX_JWKS_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let set = json::parse(json).map_err(|_| KeySetError::Malformed)?;
        let entries = set.member("keys").and_then(Value::elements).ok_or(KeySetError::Malformed)?;
        if entries.clone().count() > Self::MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let keys: Result<Vec<_>, _> = entries.filter_map(|entry| read_key(entry).transpose()).collect();
        Self::from_keys(keys?)
    }

    /// A set of these keys.
    ///
    /// # Errors
    ///
    /// [`KeySetError::NoUsableKey`], [`KeySetError::TooManyKeys`], [`KeySetError::DuplicateKeyId`].
    pub fn from_keys(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
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

    /// The set as a JWK set for publication, sorted by key id, without the symmetric keys.
    #[must_use]
    pub fn public_jwks(&self) -> String {
        let mut keys: Vec<&VerifyingKey> = self.0.iter().collect();
        keys.sort_by_key(|key| key.id());
        let jwks: Vec<String> = keys.into_iter().filter_map(VerifyingKey::public_jwk).collect();
        alloc::format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
    }

    /// The key that a token means. Without an id only the only key can be meant; trying several would let a token
    /// choose.
    pub(super) fn select(&self, id: Option<&str>) -> Option<&VerifyingKey> {
        match (id, self.0.as_slice()) {
            (Some(id), _) => self.named(id),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    fn named(&self, id: &str) -> Option<&VerifyingKey> {
        self.0.iter().find(|key| key.id().as_str() == id)
    }
}

/// Reads a JWK; `None` if it is well-formed but not for us.
fn read_key(jwk: Value<'_>) -> Result<Option<VerifyingKey>, KeySetError> {
    if jwk.members().is_none() {
        return Err(KeySetError::Malformed);
    }
    let text = |name| match jwk.member(name) {
        None => Ok(None),
        Some(value) => value.as_text().map(Some).ok_or(KeySetError::Malformed),
    };
    let is = |name, wanted: &str| Ok(text(name)?.is_some_and(|text| text == *wanted));
    let is_for_signatures = text("use")?.is_none_or(|usage| usage == *"sig")
        && jwk.member("key_ops").is_none_or(|operations| allows_verifying(operations));
    if !is("kty", "OKP")? || !is("crv", "Ed25519")? || !is_for_signatures || jwk.member("d").is_some() {
        return Ok(None);
    }
    let id = match text("kid")? {
        None => None,
        Some(id) => Some(id.to_cow().parse::<KeyId>().map_err(|_| KeySetError::BadKey(KeyError::BadKeyId))?),
    };
    let public = text("x")?
        .and_then(|x| base64url::decode_array(x.to_cow().as_bytes()).ok())
        .ok_or(KeySetError::BadKey(KeyError::NotOnCurve))?;
    let key = VerifyingKey::ed25519(id, &public).map_err(KeySetError::BadKey)?;
    let key = match text("alg")? {
        None => key,
        Some(name) => AlgorithmName::from_text(&name.to_cow())
            .ok_or(KeyError::AlgorithmMismatch)
            .and_then(|name| key.with_algorithm_name(name))
            .map_err(KeySetError::BadKey)?,
    };
    Ok(Some(key))
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
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r"}"#.to_string(),
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"e"}"#.to_string(),
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

    #[test]
    fn a_broken_key_spoils_the_set() {
        let bad_key = KeySetError::BadKey;
        let zero = "A".repeat(43);
        for (jwk, error) in [
            (jwk(r#","alg":"HS256""#), bad_key(KeyError::AlgorithmMismatch)),
            (jwk(r#","alg":"ES256""#), bad_key(KeyError::AlgorithmMismatch)),
            (jwk(r#","alg":"none""#), bad_key(KeyError::AlgorithmMismatch)),
            (jwk(r#","kid":"""#), bad_key(KeyError::BadKeyId)),
            (jwk(r#","kid":"\u0000""#), bad_key(KeyError::BadKeyId)),
            (jwk(r#","kid":7"#), KeySetError::Malformed),
            (jwk(r#","use":true"#), KeySetError::Malformed),
            (r#"{"kty":"OKP","crv":"Ed25519"}"#.into(), bad_key(KeyError::NotOnCurve)),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}="}}"#), bad_key(KeyError::NotOnCurve)),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, &X[1..]), bad_key(KeyError::NotOnCurve)),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{zero}"}}"#), bad_key(KeyError::SmallOrder)),
            (r#"{"kty":["OKP"]}"#.into(), KeySetError::Malformed),
            ("7".into(), KeySetError::Malformed),
        ] {
            assert_eq!(load(core::slice::from_ref(&jwk)).err(), Some(error), "{jwk}");
        }
        assert_eq!(load(&[jwk(""), jwk("")]).err(), Some(KeySetError::DuplicateKeyId));
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
        assert_eq!(two.select(Some("b")).unwrap().id().as_str(), "b");
    }
}
