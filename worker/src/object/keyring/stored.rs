//! A key as it is stored: its record, and its material in the clear or sealed under the root key.

use crate::ambient::Ambient;
use crate::object::keyring::KeyPurpose;
use crate::object::sealed;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hmac::{Hmac, Mac as _};
use postern_core::codec::base64url;
use postern_core::keyring::{KeyKind, KeyRecord, KeyState, is_placeholder};
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use worker::{Env, Error, Result};
use zeroize::{Zeroize as _, Zeroizing};

/// The secret binding that holds the root key: 32 bytes in base64, as `openssl rand -base64 32` prints them.
pub(crate) const ROOT_KEY_BINDING: &str = "POSTERN_ROOT_KEY";

/// The bytes of a key.
pub(super) type Material = Zeroizing<Vec<u8>>;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredKey {
    pub(super) purpose: KeyPurpose,
    id: u32,
    created_at: UnixMillis,
    /// base64url of the key, or of nonce ‖ ciphertext when sealed. Empty once the key is removed.
    material: String,
    sealed: bool,
    /// Absent in rows from before keys were rotated, as `state` is.
    #[serde(default)]
    kind: Option<KeyKind>,
    #[serde(default)]
    state: Option<KeyState>,
    /// The name of a signing key, by which it is known also when its material is gone.
    #[serde(default)]
    pub(super) kid: Option<String>,
}

impl StoredKey {
    /// A new key in the clear; [`Self::seal`] follows if there is a root key.
    pub(super) fn new(
        purpose: KeyPurpose,
        record: KeyRecord,
        material: &Material,
        kid: Option<String>,
        now: UnixMillis,
    ) -> Self {
        Self {
            purpose,
            id: record.id,
            created_at: now,
            material: base64url::encode(material),
            sealed: false,
            kind: Some(record.kind),
            state: Some(record.state),
            kid,
        }
    }

    /// Where it is in its life. A row without a state is the only key of its purpose.
    pub(super) fn record(&self) -> KeyRecord {
        KeyRecord {
            id: self.id,
            kind: self.kind.unwrap_or_else(|| self.purpose.first_kind()),
            state: self.state.unwrap_or(KeyState::Active { since: self.created_at }),
        }
    }

    /// The key under which the row is stored: rows of one purpose are in the order of their ids.
    pub(super) fn name(&self) -> String {
        format!("{}/{:010}", self.purpose.name(), self.id)
    }

    /// Moves on in its life. A removed key loses its material.
    pub(super) fn enter(&mut self, state: KeyState) {
        self.state = Some(state);
        if !state.is_live() {
            self.material.zeroize();
            self.sealed = false;
        }
    }

    /// The material of a live key; `None` if the root key does not open it.
    pub(super) fn open(&self, root_key: Option<&RootKey>) -> Option<Material> {
        let bytes = base64url::decode(self.material.as_bytes()).ok()?;
        if self.sealed { root_key?.open(self.purpose, self.id, &bytes) } else { Some(Zeroizing::new(bytes)) }
    }

    /// Whether the material lies in the clear although it need not.
    pub(super) fn needs_sealing(&self, root_key: Option<&RootKey>) -> bool {
        root_key.is_some() && !self.sealed && self.record().state.is_live()
    }

    /// Whether it is a signing key from before their names were stored.
    pub(super) fn lacks_name(&self) -> bool {
        self.purpose == KeyPurpose::Signing && self.kid.is_none() && self.record().state.is_live()
    }

    /// Seals what lies in the clear.
    pub(super) fn seal(&mut self, root_key: Option<&RootKey>, ambient: Ambient) -> Result<()> {
        if let (Some(root), true) = (root_key, self.needs_sealing(root_key)) {
            let unreadable = |_| Error::RustError("a stored key is not base64url".into());
            let material = Zeroizing::new(base64url::decode(self.material.as_bytes()).map_err(unreadable)?);
            self.material = base64url::encode(&root.seal(self.purpose, self.id, &material, ambient)?);
            self.sealed = true;
        }
        Ok(())
    }
}

/// The key that seals all others, derived from the bound secret.
pub(super) struct RootKey(XChaCha20Poly1305);

/// The bound root key is not 32 bytes of base64, or is a placeholder.
pub(super) struct MalformedRootKey;

impl RootKey {
    pub(super) fn bound(env: &Env) -> std::result::Result<Option<Self>, MalformedRootKey> {
        let Ok(text) = env.secret(ROOT_KEY_BINDING) else { return Ok(None) };
        Self::parse(&Zeroizing::new(text.to_string())).map(Some).ok_or(MalformedRootKey)
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = secret_bytes(text)?;
        if bytes.len() != 32 || is_placeholder(&bytes) {
            return None;
        }
        let mut derivation = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&bytes).ok()?;
        derivation.update(b"postern keyring root key v1");
        let mut derived = derivation.finalize().into_bytes();
        let cipher = XChaCha20Poly1305::new(&derived);
        derived.as_mut_slice().zeroize();
        Some(Self(cipher))
    }

    fn seal(&self, purpose: KeyPurpose, id: u32, key: &[u8], ambient: Ambient) -> Result<Vec<u8>> {
        let nonce = draw::<24>(ambient)?;
        let context = seal_context(purpose, id);
        sealed::seal(&self.0, nonce, context.as_bytes(), key)
            .ok_or_else(|| Error::RustError("a key could not be sealed".into()))
    }

    fn open(&self, purpose: KeyPurpose, id: u32, sealed: &[u8]) -> Option<Material> {
        sealed::open(&self.0, seal_context(purpose, id).as_bytes(), sealed)
    }
}

/// The bytes of a bound secret in base64 or base64url.
pub(crate) fn secret_bytes(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let bytes = STANDARD.decode(text.trim()).or_else(|_| base64url::decode(text.trim().as_bytes()));
    bytes.ok().map(Zeroizing::new)
}

/// Binds a sealed key to its place, so that no two can be exchanged.
fn seal_context(purpose: KeyPurpose, id: u32) -> String {
    format!("postern keyring v1 {} {id}", purpose.name())
}

pub(super) fn draw<const N: usize>(ambient: Ambient) -> Result<[u8; N]> {
    let random = ambient.random::<N>().map_err(|problem| Error::RustError(problem.code().into()))?;
    Ok(random.into_bytes())
}
