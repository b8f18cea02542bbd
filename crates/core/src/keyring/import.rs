//! Keys that a deployment brings along, from texts bound to it.

use super::is_placeholder;
use crate::id::KeyId;
use crate::json::{self, Value};
use crate::jwt::{HostKey, KeySet, KeySetError, PemError, PrivateKey, SigningKey, VerifyingKey};
use alloc::vec::Vec;
use core::fmt;

/// How many public keys may be imported: with [`MOST_LIVE_KEYS`](super::MOST_LIVE_KEYS) and the signing key they still
/// fit in a [`KeySet`].
pub const MOST_IMPORTED_KEYS: usize = 24;

/// The texts, as they are bound.
#[derive(Clone, Copy, Default)]
pub struct ImportTexts<'a> {
    /// `ACTIVE_KEY_ID`: the `kid` of the private key. Without it the key is named by its thumbprint.
    pub active_key_id: Option<&'a str>,
    /// `ACTIVE_PRIVATE_KEY_PEM`: PKCS#8, PKCS#1 or SEC1.
    pub active_private_key_pem: Option<&'a str>,
    /// `PUBLIC_KEYS`: a JSON object of `kid` to PEM, or a JWK set (RFC 7517 §5).
    pub public_keys: Option<&'a str>,
}

/// Where a deployment says what it brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportField {
    /// `ACTIVE_KEY_ID`.
    ActiveKeyId,
    /// `ACTIVE_PRIVATE_KEY_PEM`.
    ActivePrivateKeyPem,
    /// `PUBLIC_KEYS`.
    PublicKeys,
}

impl ImportField {
    /// The name under which the text is bound.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ActiveKeyId => "ACTIVE_KEY_ID",
            Self::ActivePrivateKeyPem => "ACTIVE_PRIVATE_KEY_PEM",
            Self::PublicKeys => "PUBLIC_KEYS",
        }
    }
}

/// Why texts are not imported. None of them quotes a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// A `kid` without a private key that could have it.
    KeyMissing,
    /// Empty, too long, or with characters that a `kid` may not have.
    BadKeyId(ImportField),
    /// Not a key in PEM.
    Pem(ImportField, PemError),
    /// Neither a JSON object of `kid` to PEM nor a JWK set.
    Malformed,
    /// A JWK set that is none, or with a key that is none.
    KeySet(KeySetError),
    /// More than [`MOST_IMPORTED_KEYS`].
    TooManyKeys,
    /// A key that everybody has: from a standard's example, or nobody drew it.
    KnownKey(ImportField),
    /// Two different keys have the same `kid`.
    DuplicateKeyId,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyMissing => {
                f.write_str("ACTIVE_KEY_ID names a key, and ACTIVE_PRIVATE_KEY_PEM is missing")
            }
            Self::BadKeyId(field) => write!(f, "{} has an unusable key id", field.name()),
            Self::Pem(field, error) => write!(f, "{} {error}", field.name()),
            Self::Malformed => f.write_str("PUBLIC_KEYS is neither an object of key id to PEM nor a JWK set"),
            Self::KeySet(error) => write!(f, "PUBLIC_KEYS: {error}"),
            Self::TooManyKeys => write!(f, "PUBLIC_KEYS has more than {MOST_IMPORTED_KEYS} keys"),
            Self::KnownKey(field) => write!(f, "{} has a key that everybody has", field.name()),
            Self::DuplicateKeyId => f.write_str("two imported keys have the same id"),
        }
    }
}

impl core::error::Error for ImportError {}

/// A private key that signs.
pub enum ImportedSigner {
    /// By itself.
    Here(SigningKey),
    /// Through the host, under this name.
    Host {
        /// The key that checks its signatures, named as its tokens will name it.
        public: VerifyingKey,
        /// The private half.
        private: HostKey,
    },
}

/// What a deployment brings along.
#[derive(Default)]
pub struct Imported {
    /// What is signed now is signed with it, instead of with a key of the keyring's own.
    pub signer: Option<ImportedSigner>,
    /// Keys that also check tokens, and are published, with different ids. The signer's own public key is not among
    /// them.
    pub checking: Vec<VerifyingKey>,
}

impl ImportedSigner {
    /// The key that checks its signatures.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        match self {
            Self::Here(key) => key.verifying_key(),
            Self::Host { public, .. } => public,
        }
    }
}

/// Reads what a deployment brings along; nothing if it brings nothing.
///
/// # Errors
///
/// [`ImportError`], the first in the order of the fields. Half of what was brought is never used.
pub fn import(texts: &ImportTexts<'_>) -> Result<Imported, ImportError> {
    let signer = match (texts.active_key_id, texts.active_private_key_pem) {
        (None, None) => None,
        (Some(_), None) => return Err(ImportError::KeyMissing),
        (id, Some(pem)) => Some(read_signer(id, pem)?),
    };
    let mut checking: Vec<VerifyingKey> = Vec::new();
    for key in texts.public_keys.map_or(Ok(Vec::new()), read_public_keys)? {
        let own = signer.as_ref().map(ImportedSigner::verifying_key);
        let namesake = checking.iter().chain(own).find(|other| other.id() == key.id());
        match namesake {
            None => checking.push(key),
            Some(same) if same.public_jwk() == key.public_jwk() => {}
            Some(_) => return Err(ImportError::DuplicateKeyId),
        }
    }
    Ok(Imported { signer, checking })
}

fn read_signer(id: Option<&str>, pem: &str) -> Result<ImportedSigner, ImportError> {
    let field = ImportField::ActivePrivateKeyPem;
    let refused = |error| ImportError::Pem(field, error);
    let id = id.map(|id| id.parse::<KeyId>().map_err(|_| ImportError::BadKeyId(ImportField::ActiveKeyId)));
    let id = id.transpose()?;
    match PrivateKey::from_pem(None, None, pem).map_err(refused)? {
        PrivateKey::Ed25519(seed) => {
            let key = SigningKey::ed25519(&seed).map_err(|error| refused(PemError::Key(error)))?;
            if is_placeholder(seed.expose()) || is_example(key.verifying_key()) {
                return Err(ImportError::KnownKey(field));
            }
            Ok(ImportedSigner::Here(match id {
                None => key,
                Some(id) => key.with_key_id(id),
            }))
        }
        PrivateKey::Host(private) => {
            let public = private.verifying_key().clone();
            if is_example(&public) {
                return Err(ImportError::KnownKey(field));
            }
            let public = match id {
                None => public,
                Some(id) => public.with_key_id(id),
            };
            Ok(ImportedSigner::Host { public, private })
        }
    }
}

fn read_public_keys(text: &str) -> Result<Vec<VerifyingKey>, ImportError> {
    let document = json::parse(text.as_bytes()).map_err(|_| ImportError::Malformed)?;
    let keys = match document.member("keys").and_then(Value::elements) {
        Some(entries) if entries.clone().count() > MOST_IMPORTED_KEYS => {
            return Err(ImportError::TooManyKeys);
        }
        Some(_) => {
            let set = KeySet::from_jwks(text.as_bytes()).map_err(ImportError::KeySet)?;
            set.iter().cloned().collect()
        }
        None => read_pems(document)?,
    };
    if keys.iter().any(is_example) {
        return Err(ImportError::KnownKey(ImportField::PublicKeys));
    }
    Ok(keys)
}

/// A JSON object of key id to PEM.
fn read_pems(document: Value<'_>) -> Result<Vec<VerifyingKey>, ImportError> {
    let members = document.members().ok_or(ImportError::Malformed)?;
    if members.clone().count() > MOST_IMPORTED_KEYS {
        return Err(ImportError::TooManyKeys);
    }
    let read = |(name, value): (json::Text<'_>, Value<'_>)| {
        let field = ImportField::PublicKeys;
        let id = name.to_cow().parse::<KeyId>().map_err(|_| ImportError::BadKeyId(field))?;
        let pem = value.as_text().ok_or(ImportError::Malformed)?;
        VerifyingKey::from_pem(Some(id), None, &pem.to_cow()).map_err(|error| ImportError::Pem(field, error))
    };
    members.map(read).collect()
}

/// How the public numbers of the examples' keys begin, as a JWK writes them. Their private halves are printed in RFC
/// 8032 §7.1 (three keys), RFC 8410 §10.3, RFC 7515 A.2 and A.3, and RFC 7517 A.2 (two keys).
const EXAMPLE_NUMBERS: [&str; 8] = [
    "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
    "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU",
    "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE",
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp",
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86z",
];

/// Whether a key is one of the standards' examples.
fn is_example(key: &VerifyingKey) -> bool {
    key.public_jwk().is_some_and(|jwk| EXAMPLE_NUMBERS.iter().any(|number| jwk.contains(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;
    use std::format;
    use std::string::{String, ToString as _};

    fn pems() -> Json {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jwt/pem.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn pem(file: &Json, name: &str) -> String {
        let case = file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name);
        case.unwrap_or_else(|| panic!("{name}"))["pem"].as_str().unwrap().into()
    }

    fn refusal(texts: &ImportTexts<'_>) -> String {
        import(texts).err().unwrap().to_string()
    }

    fn private(pem: &str) -> ImportTexts<'_> {
        ImportTexts { active_private_key_pem: Some(pem), ..ImportTexts::default() }
    }

    fn public(text: &str) -> ImportTexts<'_> {
        ImportTexts { public_keys: Some(text), ..ImportTexts::default() }
    }

    /// A file of OpenSSL's for an Ed25519 seed.
    fn ed25519_pem(seed: [u8; 32]) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let der =
            [data_encoding::HEXLOWER.decode(b"302e020100300506032b657004220420").unwrap(), seed.to_vec()];
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.concat()))
    }

    #[test]
    fn nothing_is_imported_from_nothing() {
        let imported = import(&ImportTexts::default()).unwrap();
        assert!(imported.signer.is_none() && imported.checking.is_empty());
    }

    #[test]
    fn a_private_key_signs_under_the_name_it_is_given() {
        use sha2::{Digest as _, Sha256};
        let pem = ed25519_pem(Sha256::digest(b"a seed").into());
        let texts = ImportTexts { active_key_id: Some("2026-11"), ..private(&pem) };
        let signer = import(&texts).unwrap().signer.unwrap();
        assert_eq!(signer.verifying_key().id().as_str(), "2026-11");
        assert!(matches!(signer, ImportedSigner::Here(_)));
        let unnamed = import(&private(&pem)).unwrap().signer.unwrap();
        assert_eq!(unnamed.verifying_key().id().as_str().len(), 43);
    }

    #[test]
    fn keys_of_examples_and_placeholders_are_refused() {
        let example = data_encoding::HEXLOWER
            .decode(b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
            .unwrap();
        for seed in [example.try_into().unwrap(), [0; 32], [7; 32], core::array::from_fn(|n| n as u8)] {
            let text = refusal(&private(&ed25519_pem(seed)));
            assert_eq!(text, "ACTIVE_PRIVATE_KEY_PEM has a key that everybody has");
        }
        for number in EXAMPLE_NUMBERS.iter().take(4) {
            let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{number}","kid":"mine"}}]}}"#);
            assert_eq!(refusal(&public(&set)), "PUBLIC_KEYS has a key that everybody has");
        }
    }

    #[test]
    fn public_keys_come_as_pem_by_name_or_as_a_key_set() {
        let file = pems();
        let by_name = serde_json::json!({"rsa": pem(&file, "RSA, SPKI"), "p-256": pem(&file, "P-256, SPKI")});
        let imported = import(&public(&by_name.to_string())).unwrap();
        let names: Vec<_> = imported.checking.iter().map(|key| key.id().as_str()).collect();
        assert_eq!(names, ["p-256", "rsa"]);
        let jwks = KeySet::from_keys(imported.checking).unwrap().public_jwks();
        assert_eq!(import(&public(&jwks)).unwrap().checking.len(), 2);
    }

    #[test]
    fn what_is_half_or_ambiguous_is_refused_whole() {
        let file = pems();
        let rsa = pem(&file, "RSA, SPKI");
        let alone = ImportTexts { active_key_id: Some("a"), ..ImportTexts::default() };
        assert_eq!(import(&alone).err(), Some(ImportError::KeyMissing));
        let pem_of_seed = ed25519_pem([9; 32]);
        let unnamed = ImportTexts { active_key_id: Some(""), ..private(&pem_of_seed) };
        assert_eq!(import(&unnamed).err(), Some(ImportError::BadKeyId(ImportField::ActiveKeyId)));
        let label = PemError::WrongLabel;
        let swapped = ImportError::Pem(ImportField::ActivePrivateKeyPem, label);
        assert_eq!(import(&private(&rsa)).err(), Some(swapped));
        let secret = serde_json::json!({"a": pem_of_seed}).to_string();
        assert_eq!(import(&public(&secret)).err(), Some(ImportError::Pem(ImportField::PublicKeys, label)));
        for text in ["", "[]", "7", "{", r#"{"a":7}"#, r#"{"a":"x","a":"x"}"#] {
            let error = import(&public(text)).err().unwrap();
            assert!(matches!(error, ImportError::Malformed), "{text}: {error}");
        }
        let many: serde_json::Map<_, _> = (0..25).map(|n| (n.to_string(), rsa.clone().into())).collect();
        let many = Json::Object(many).to_string();
        assert_eq!(import(&public(&many)).err(), Some(ImportError::TooManyKeys));
        let blank = serde_json::json!({"": rsa}).to_string();
        assert_eq!(import(&public(&blank)).err(), Some(ImportError::BadKeyId(ImportField::PublicKeys)));
    }

    #[test]
    fn refusals_quote_nothing() {
        for texts in [private("s3cret"), public("s3cret"), public(r#"{"a":"s3cret"}"#)] {
            assert!(!refusal(&texts).contains("s3cret"));
        }
    }
}
