//! The keys of this isolate: a copy of what the keyring object holds.
//!
//! A copy is renewed after a minute, and used for ten when the keyring cannot be reached; after that nothing is
//! signed or checked with it.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::call::ask;
use crate::object::keyring::{KeyMaterial, KeyPurpose, KeyringAnswer, KeyringCall, NAME};
use crate::wire::problem::Problem;
use hmac::{Hmac, KeyInit as _, Mac as _};
use postern_core::codec::base64url;
use postern_core::identifier::length_prefixed;
use postern_core::jwt::{KeySet, SigningKey};
use postern_core::password::{Pepper, Peppers};
use postern_core::secret::Secret;
use postern_core::session::EdgeKey;
use postern_core::time::{Seconds, UnixMillis};
use sha2::Sha256;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use zeroize::Zeroizing;

const RENEW_AFTER: Seconds = Seconds::new(60);
const USABLE_FOR: Seconds = Seconds::new(600);

/// All keys of the deployment, ready for use.
pub(crate) struct Keyring {
    signing: SigningKey,
    key_set: KeySet,
    edge: Vec<EdgeKey>,
    peppers: Peppers,
    sharding: Secret<32>,
}

/// While one request renews the copy, the others of this isolate go on with the old one.
const RENEWAL_TAKES_AT_MOST: Seconds = Seconds::new(5);

thread_local! {
    static COPY: RefCell<Option<(UnixMillis, Rc<Keyring>)>> = const { RefCell::new(None) };
    static RENEWED_SINCE: Cell<Option<UnixMillis>> = const { Cell::new(None) };
}

/// The keys, from this isolate's copy or from the keyring object.
pub(crate) async fn load(environment: &Environment, ambient: Ambient) -> Result<Rc<Keyring>, Problem> {
    let copy = COPY.with_borrow(Clone::clone);
    let age = |read_at: UnixMillis| ambient.now().millis_since(read_at);
    if let Some((read_at, keyring)) = &copy {
        let is_fresh = age(*read_at) < RENEW_AFTER.as_millis();
        let others_renew =
            RENEWED_SINCE.get().is_some_and(|since| age(since) < RENEWAL_TAKES_AT_MOST.as_millis());
        if is_fresh || (others_renew && age(*read_at) < USABLE_FOR.as_millis()) {
            return Ok(keyring.clone());
        }
        RENEWED_SINCE.set(Some(ambient.now()));
    }
    match (read(environment).await, copy) {
        (Ok(keyring), _) => {
            let keyring = Rc::new(keyring);
            COPY.set(Some((ambient.now(), keyring.clone())));
            Ok(keyring)
        }
        (Err(_), Some((read_at, keyring))) if age(read_at) < USABLE_FOR.as_millis() => Ok(keyring),
        (Err(problem), _) => Err(problem),
    }
}

async fn read(environment: &Environment) -> Result<Keyring, Problem> {
    let answer = ask(&environment.keyring()?, NAME, &KeyringCall::Read).await;
    match answer.map_err(|error| Problem::unavailable("keyring", error))? {
        KeyringAnswer::Keys(keys) => Keyring::from(&keys, environment),
        KeyringAnswer::RootKeyUnusable => {
            Err(Problem::misconfigured("POSTERN_ROOT_KEY does not open the stored keys, or is malformed"))
        }
    }
}

impl Keyring {
    fn from(keys: &[KeyMaterial], environment: &Environment) -> Result<Self, Problem> {
        let unusable = || Problem::internal("keyring", "a key is missing or malformed");
        let of = |purpose: KeyPurpose| {
            // Newest first: ids only grow.
            let mut found: Vec<_> = keys.iter().filter(|key| key.purpose == purpose).collect();
            found.sort_by_key(|key| std::cmp::Reverse(key.id));
            let decode = |key: &KeyMaterial| {
                Some((key.id, Secret::new(base64url::decode_array::<32>(key.material.as_bytes()).ok()?)))
            };
            found.into_iter().map(decode).collect::<Option<Vec<_>>>()
        };
        let signing =
            of(KeyPurpose::Signing).and_then(|keys| keys.into_iter().next()).ok_or_else(unusable)?.1;
        let signing = SigningKey::ed25519(&signing)
            .and_then(|key| key.with_algorithm_name(environment.algorithm_name()))
            .map_err(|error| Problem::internal("keyring", error))?;
        let key_set = KeySet::from_keys([signing.verifying_key().clone()])
            .map_err(|error| Problem::internal("keyring", error))?;
        let edge: Vec<_> = of(KeyPurpose::EdgeTag)
            .ok_or_else(unusable)?
            .into_iter()
            .map(|(id, key)| EdgeKey::new(id, key))
            .collect();
        let mut peppers = of(KeyPurpose::Pepper).ok_or_else(unusable)?.into_iter();
        let current = peppers.next().map(|(id, key)| Pepper::new(id, key));
        let peppers = Peppers::new(current, peppers.map(|(id, key)| Pepper::new(id, key)).collect());
        let sharding = of(KeyPurpose::Sharding).and_then(|keys| keys.into_iter().next_back());
        let sharding = sharding.ok_or_else(unusable)?.1;
        if edge.is_empty() || peppers.current().is_none() {
            return Err(unusable());
        }
        Ok(Self { signing, key_set, edge, peppers, sharding })
    }

    pub(crate) const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The keys that access tokens are checked with.
    pub(crate) const fn key_set(&self) -> &KeySet {
        &self.key_set
    }

    /// The edge key for new generations.
    pub(crate) fn edge_key(&self) -> Option<&EdgeKey> {
        self.edge.first()
    }

    /// The edge key that a token names.
    pub(crate) fn edge_key_of(&self, id: u32) -> Option<&EdgeKey> {
        self.edge.iter().find(|key| key.id() == id)
    }

    pub(crate) const fn peppers(&self) -> &Peppers {
        &self.peppers
    }

    /// A digest of `parts` that only this deployment can compute: it spreads keys over shards evenly, and names
    /// rows without storing the identifier itself.
    pub(crate) fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new((&*block(self.sharding.expose())).into());
        mac.update(b"postern/v1/sharding");
        mac.update(&length_prefixed(parts));
        mac.finalize().into_bytes().into()
    }
}

/// HMAC pads a short key with zeros to its block; doing it here leaves no length that could be refused.
fn block(key: &[u8; 32]) -> Zeroizing<[u8; 64]> {
    let mut block = Zeroizing::new([0u8; 64]);
    for (place, byte) in block.iter_mut().zip(key) {
        *place = *byte;
    }
    block
}
