//! `KeyringObject`: the one writer of signing keys, edge-tag keys and peppers.
//!
//! The first call makes the first keys, by insert-or-ignore and then reading again, so that a deployment needs
//! no secret to be pasted and two first requests agree. With the secret `POSTERN_ROOT_KEY` bound, every key is
//! stored sealed under it (XChaCha20-Poly1305); keys that were stored before it was bound are sealed on the next
//! call. A sealed key that the root key does not open is an error, never a reason to make new ones.

use crate::ambient::Ambient;
use crate::object::call;
use crate::object::records::{self, Records};
use crate::object::transaction::commit;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use postern_core::codec::base64url;
use postern_core::secret::Secret;
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use worker::{DurableObject, Env, Error, Request, Response, Result, State, durable_object};
use zeroize::{Zeroize as _, Zeroizing};

/// The name of the only object of this class.
pub(crate) const NAME: &str = "v1/keyring";
/// The secret binding that holds the root key: 32 bytes in base64, as `openssl rand -base64 32` prints them.
pub(crate) const ROOT_KEY_BINDING: &str = "POSTERN_ROOT_KEY";

const KEYS: &str = "keys";
/// More keys than any rotation schedule keeps; a bound for the query, not a policy.
const MOST_KEYS: u16 = 256;

/// What may be asked of the keyring.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyringCall {
    /// All keys, the first ones made if there are none. Answered with a [`KeyringAnswer`].
    Read,
}

/// What a key is for. A key serves one purpose only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyPurpose {
    /// Ed25519 seed that signs access tokens.
    Signing,
    /// HMAC key of the edge tags of refresh tokens.
    EdgeTag,
    /// HMAC key over passwords, codes and links.
    Pepper,
    /// HMAC key that spreads identifiers over shards. Never rotated: shards would move.
    Sharding,
}

impl KeyPurpose {
    const ALL: [Self; 4] = [Self::Signing, Self::EdgeTag, Self::Pepper, Self::Sharding];

    const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::EdgeTag => "edge_tag",
            Self::Pepper => "pepper",
            Self::Sharding => "sharding",
        }
    }
}

/// One key as the Worker receives it: 32 bytes in base64url.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeyMaterial {
    pub(crate) purpose: KeyPurpose,
    pub(crate) id: u32,
    pub(crate) material: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum KeyringAnswer {
    Keys(Vec<KeyMaterial>),
    /// The stored keys are sealed under a root key that is not bound, or the bound one is malformed.
    RootKeyUnusable,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    purpose: KeyPurpose,
    id: u32,
    created_at: UnixMillis,
    /// base64url of the key, or of nonce ‖ ciphertext when sealed.
    material: String,
    sealed: bool,
}

/// The object. See the module's documentation.
#[durable_object]
pub struct KeyringObject {
    state: State,
    env: Env,
}

impl DurableObject for KeyringObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let KeyringCall::Read = call::receive(request).await?;
        call::answer(&self.read(Ambient::read())?)
    }
}

impl KeyringObject {
    fn read(&self, ambient: Ambient) -> Result<KeyringAnswer> {
        let Ok(root_key) = RootKey::bound(&self.env) else { return Ok(KeyringAnswer::RootKeyUnusable) };
        let storage = self.state.storage();
        let sql = storage.sql();
        let table = Records::new(&sql, KEYS);
        // Two first calls may both draw; which keys are the first is decided in the transaction.
        let stored: Vec<StoredKey> =
            if records::exist(&sql, KEYS)? { table.first(MOST_KEYS)? } else { Vec::new() };
        let mut first_keys = Vec::new();
        for purpose in KeyPurpose::ALL {
            if stored.iter().any(|key| key.purpose == purpose) {
                continue;
            }
            let key = Secret::new(draw::<32>(ambient)?);
            first_keys.push(StoredKey::store(purpose, 1, &key, root_key.as_ref(), ambient)?);
        }
        commit(&storage, || {
            records::create(&sql, &[KEYS])?;
            let stored: Vec<StoredKey> = table.first(MOST_KEYS)?;
            for key in &first_keys {
                // Only a purpose without any key gets its first: a retired first key is not made again.
                if !stored.iter().any(|other| other.purpose == key.purpose) {
                    table.put_new(&key.name(), key)?;
                }
            }
            let mut keys = Vec::new();
            for stored in table.first::<StoredKey>(MOST_KEYS)? {
                let Some(key) = stored.open(root_key.as_ref()) else {
                    return Ok(KeyringAnswer::RootKeyUnusable);
                };
                if !stored.sealed && root_key.is_some() {
                    let sealed =
                        StoredKey::store(stored.purpose, stored.id, &key, root_key.as_ref(), ambient)?;
                    table.put(&sealed.name(), &StoredKey { created_at: stored.created_at, ..sealed })?;
                }
                let material = base64url::encode(key.expose());
                keys.push(KeyMaterial { purpose: stored.purpose, id: stored.id, material });
            }
            Ok(KeyringAnswer::Keys(keys))
        })
    }
}

impl StoredKey {
    fn store(
        purpose: KeyPurpose,
        id: u32,
        key: &Secret<32>,
        root_key: Option<&RootKey>,
        ambient: Ambient,
    ) -> Result<Self> {
        let (material, sealed) = match root_key {
            None => (base64url::encode(key.expose()), false),
            Some(root) => (base64url::encode(&root.seal(purpose, id, key, draw::<24>(ambient)?)?), true),
        };
        Ok(Self { purpose, id, created_at: ambient.now(), material, sealed })
    }

    fn name(&self) -> String {
        format!("{}/{:010}", self.purpose.name(), self.id)
    }

    fn open(&self, root_key: Option<&RootKey>) -> Option<Secret<32>> {
        let bytes = base64url::decode(self.material.as_bytes()).ok()?;
        if self.sealed { root_key?.open(self.purpose, self.id, &bytes) } else { Secret::from_slice(&bytes) }
    }
}

/// The key that seals all others, derived from the bound secret.
struct RootKey(XChaCha20Poly1305);

/// The bound root key is not 32 bytes of base64, or is a placeholder.
struct MalformedRootKey;

impl RootKey {
    fn bound(env: &Env) -> std::result::Result<Option<Self>, MalformedRootKey> {
        let Ok(text) = env.secret(ROOT_KEY_BINDING) else { return Ok(None) };
        Self::parse(&Zeroizing::new(text.to_string())).map(Some).ok_or(MalformedRootKey)
    }

    fn parse(text: &str) -> Option<Self> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let bytes = STANDARD.decode(text.trim()).or_else(|_| base64url::decode(text.trim().as_bytes()));
        let bytes = Zeroizing::new(bytes.ok()?);
        let first = bytes.first()?;
        // One byte repeated is a placeholder, not a key.
        if bytes.len() != 32 || bytes.iter().all(|byte| byte == first) {
            return None;
        }
        let mut derivation = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&bytes).ok()?;
        derivation.update(b"postern keyring root key v1");
        let mut derived = derivation.finalize().into_bytes();
        let cipher = XChaCha20Poly1305::new(&derived);
        derived.as_mut_slice().zeroize();
        Some(Self(cipher))
    }

    fn seal(&self, purpose: KeyPurpose, id: u32, key: &Secret<32>, nonce: [u8; 24]) -> Result<Vec<u8>> {
        let context = seal_context(purpose, id);
        let payload = Payload { msg: key.expose(), aad: context.as_bytes() };
        let ciphertext = self.0.encrypt(&XNonce::from(nonce), payload);
        let ciphertext = ciphertext.map_err(|_| Error::RustError("a key could not be sealed".into()))?;
        Ok([nonce.as_slice(), &ciphertext].concat())
    }

    fn open(&self, purpose: KeyPurpose, id: u32, sealed: &[u8]) -> Option<Secret<32>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<24>()?;
        let context = seal_context(purpose, id);
        let payload = Payload { msg: ciphertext, aad: context.as_bytes() };
        Secret::from_slice(&self.0.decrypt(&XNonce::from(*nonce), payload).ok()?)
    }
}

/// Binds a sealed key to its place, so that no two can be exchanged.
fn seal_context(purpose: KeyPurpose, id: u32) -> String {
    format!("postern keyring v1 {} {id}", purpose.name())
}

fn draw<const N: usize>(ambient: Ambient) -> Result<[u8; N]> {
    let random = ambient.random::<N>().map_err(|problem| Error::RustError(problem.code().into()))?;
    Ok(random.into_bytes())
}
