//! The keys of this isolate: a copy of what the keyring object holds.
//!
//! A copy is renewed after a minute, and used for ten when the keyring cannot be reached; after that nothing is
//! signed or checked with it. So a revoked key is refused within a minute while the keyring answers.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::call::{Unconfirmed, ask};
use crate::object::keyring::{
    KeyMaterial, KeyPurpose, KeyView, KeyringCall, LoadAnswer, NAME, OrderAnswer, algorithm_of,
};
use crate::webcrypto::WebKey;
use crate::wire::problem::Problem;
use hmac::{Hmac, KeyInit as _, Mac as _};
use postern_core::codec::{base16, base64url};
use postern_core::ed25519::Workshop;
use postern_core::grant::{Grant, IssuedToken, TokenProfile};
use postern_core::id::{KeyId, TokenId};
use postern_core::identifier::length_prefixed;
use postern_core::jwt::{
    Algorithm, KeySet, PrivateKey, RememberedSignatures, SignatureVerdict, SigningKey, VerificationPolicy,
    VerifiedClaims, VerifyError, VerifyingKey, begin,
};
use postern_core::keyring::{ImportField, ImportTexts, Imported, ImportedSigner, KeyKind, KeyState, import};
use postern_core::password::{Pepper, Peppers};
use postern_core::secret::Secret;
use postern_core::session::{EdgeKey, FingerprintKey};
use postern_core::time::{Seconds, UnixMillis, UnixSeconds};
use serde::de::DeserializeOwned;
use sha2::Sha256;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use zeroize::Zeroizing;

const RENEW_AFTER: Seconds = Seconds::new(60);
/// How long a copy is used when the keyring cannot be reached.
pub(crate) const COPY_USABLE_FOR: Seconds = Seconds::new(600);
/// A token may name a key that is newer than the copy. Anybody may write any name, so a copy of this age is as
/// good as a new one.
const ASK_FOR_UNKNOWN_AFTER: Seconds = Seconds::new(5);

/// All keys of the deployment, ready for use.
pub(crate) struct Keyring {
    signer: Signer,
    key_set: KeySet,
    /// The keys of the set whose algorithms are left to the host.
    host_keys: Vec<(KeyId, WebKey)>,
    edge: Vec<EdgeKey>,
    peppers: Peppers,
    sharding: Secret<32>,
}

/// What signs access tokens.
enum Signer {
    Here(SigningKey),
    Host { public: VerifyingKey, private: WebKey },
}

/// While one request renews the copy, the others of this isolate go on with the old one.
const RENEWAL_TAKES_AT_MOST: Seconds = Seconds::new(5);

thread_local! {
    static COPY: RefCell<Option<(UnixMillis, Rc<Keyring>)>> = const { RefCell::new(None) };
    static RENEWED_SINCE: Cell<Option<UnixMillis>> = const { Cell::new(None) };
    /// How often the copy was forgotten: keys that were asked for before an order are not kept after it.
    static FORGOTTEN: Cell<u32> = const { Cell::new(0) };
    /// A service asks about the same token with each request of its owner.
    static REMEMBERED: RefCell<RememberedSignatures> = const { RefCell::new(RememberedSignatures::new()) };
    /// Where tables for the keys are made.
    static WORKSHOP: RefCell<Workshop> = const { RefCell::new(Workshop::new()) };
}

/// The keys, from this isolate's copy or from the keyring object.
pub(crate) async fn load(environment: &Environment, ambient: Ambient) -> Result<Rc<Keyring>, Problem> {
    let copy = COPY.with_borrow(Clone::clone);
    let age = |read_at: UnixMillis| ambient.now().millis_since(read_at);
    if let Some((read_at, keyring)) = &copy {
        let is_fresh = age(*read_at) < RENEW_AFTER.as_millis();
        let others_renew =
            RENEWED_SINCE.get().is_some_and(|since| age(since) < RENEWAL_TAKES_AT_MOST.as_millis());
        if is_fresh || (others_renew && age(*read_at) < COPY_USABLE_FOR.as_millis()) {
            return Ok(keyring.clone());
        }
        RENEWED_SINCE.set(Some(ambient.now()));
    }
    match (read_and_keep(environment, ambient).await, copy) {
        (Ok(keyring), _) => Ok(keyring),
        (Err(_), Some((read_at, keyring))) if age(read_at) < COPY_USABLE_FOR.as_millis() => Ok(keyring),
        (Err(problem), _) => Err(problem),
    }
}

/// The keys as they are now, for a token whose key the copy does not have; `None` if the copy is hardly older.
pub(crate) async fn load_newer(
    environment: &Environment,
    ambient: Ambient,
) -> Result<Option<Rc<Keyring>>, Problem> {
    let read_at = COPY.with_borrow(|copy| copy.as_ref().map(|(read_at, _)| *read_at));
    let is_new = |read_at| ambient.now().millis_since(read_at) < ASK_FOR_UNKNOWN_AFTER.as_millis();
    if read_at.is_some_and(is_new) {
        return Ok(None);
    }
    read_and_keep(environment, ambient).await.map(Some)
}

async fn read_and_keep(environment: &Environment, ambient: Ambient) -> Result<Rc<Keyring>, Problem> {
    let forgotten = FORGOTTEN.get();
    let mut keyring = read(environment).await?;
    COPY.with_borrow(|copy| {
        if let Some((_, replaced)) = copy {
            keyring.key_set.inherit_tables(&replaced.key_set);
        }
    });
    let keyring = Rc::new(keyring);
    if FORGOTTEN.get() == forgotten {
        COPY.set(Some((ambient.now(), keyring.clone())));
    }
    Ok(keyring)
}

fn forget() {
    FORGOTTEN.set(FORGOTTEN.get().wrapping_add(1));
    COPY.set(None);
}

/// Does what is due by now with the keys: the minute's work.
pub(crate) async fn settle(environment: &Environment) -> Result<(), Problem> {
    let changed: bool = tell(environment, &KeyringCall::Settle).await?;
    if changed {
        forget();
    }
    Ok(())
}

/// All keys, as an operator sees them.
pub(crate) async fn list(environment: &Environment) -> Result<Vec<KeyView>, Problem> {
    tell(environment, &KeyringCall::List).await
}

/// Begins to rotate the keys of a purpose. The same operation again is answered again.
pub(crate) async fn rotate(
    environment: &Environment,
    operation: String,
    purpose: KeyPurpose,
) -> Result<OrderAnswer, Problem> {
    order(environment, &KeyringCall::Rotate { operation, purpose }).await
}

/// Takes a signing or edge-tag key away. The same operation again is answered again.
pub(crate) async fn revoke(
    environment: &Environment,
    operation: String,
    kid: String,
) -> Result<OrderAnswer, Problem> {
    order(environment, &KeyringCall::Revoke { operation, kid }).await
}

/// Confirms the delivery of outbox rows.
pub(crate) async fn acknowledge(environment: &Environment, ids: Vec<String>) -> Result<(), Unconfirmed> {
    let keyring = environment.keyring().map_err(|problem| Unconfirmed::because(problem.code()))?;
    ask::<_, bool>(&keyring, NAME, None, &KeyringCall::Acknowledge { ids }).await.map(drop)
}

async fn order(environment: &Environment, call: &KeyringCall) -> Result<OrderAnswer, Problem> {
    let answer = tell(environment, call).await;
    // Also when it is not known what became of it: this isolate sees at once what there is.
    forget();
    answer
}

async fn tell<A: DeserializeOwned>(environment: &Environment, call: &KeyringCall) -> Result<A, Problem> {
    let answer = ask(&environment.keyring()?, NAME, None, call).await;
    answer.map_err(|error| Problem::unavailable("keyring", error))
}

async fn read(environment: &Environment) -> Result<Keyring, Problem> {
    match tell(environment, &KeyringCall::Load).await? {
        LoadAnswer::Keys(keys) => Keyring::from(&keys, environment).await,
        LoadAnswer::RootKeyUnusable => {
            Err(Problem::misconfigured("POSTERN_ROOT_KEY does not open the stored keys, or is malformed"))
        }
    }
}

impl Keyring {
    async fn from(keys: &[KeyMaterial], environment: &Environment) -> Result<Self, Problem> {
        let unusable = || Problem::internal("keyring", "a key is missing or malformed");
        let of = |purpose: KeyPurpose, wanted: fn(KeyState) -> bool| {
            let found = keys.iter().filter(move |key| key.purpose == purpose && wanted(key.state));
            let decode = |key: &KeyMaterial| {
                Some((key.id, Secret::new(base64url::decode_array::<32>(key.material.as_bytes()).ok()?)))
            };
            found.map(decode).collect::<Option<Vec<_>>>().ok_or_else(unusable)
        };
        let active = |purpose| of(purpose, KeyState::is_active)?.into_iter().next().ok_or_else(unusable);
        let other = |purpose| of(purpose, |state| !state.is_active());

        let signing = keys.iter().filter(|key| key.purpose == KeyPurpose::Signing);
        let mut checking = Vec::new();
        let mut signer = None;
        for stored in signing {
            let key = signing_key(stored).ok_or_else(unusable)?;
            let key = named_as_configured(key, environment)?;
            checking.push(key.verifying_key().clone());
            if stored.state.is_active() {
                signer = Some(key);
            }
        }
        let imported = imported(environment)?;
        checking.extend(imported.checking);
        if let Some(key) = imported.signer {
            let key = named_as_configured(key, environment)?;
            checking.push(key.verifying_key().clone());
            signer = Some(key);
        }
        let signer = Signer::of(signer.ok_or_else(unusable)?).await?;
        let key_set = KeySet::from_keys(checking).map_err(|error| {
            Problem::misconfigured(format_args!("PUBLIC_KEYS, with the keyring: {error}"))
        })?;
        let host_keys = host_keys(&key_set).await?;
        let edge: Vec<_> = core::iter::once(active(KeyPurpose::EdgeTag)?)
            .chain(other(KeyPurpose::EdgeTag)?)
            .map(|(id, key)| EdgeKey::new(id, key))
            .collect();
        let (id, pepper) = active(KeyPurpose::Pepper)?;
        let others = other(KeyPurpose::Pepper)?.into_iter().map(|(id, key)| Pepper::new(id, key));
        let peppers = Peppers::new(Some(Pepper::new(id, pepper)), others.collect());
        let sharding = active(KeyPurpose::Sharding)?.1;
        Ok(Self { signer, key_set, host_keys, edge, peppers, sharding })
    }

    /// The key that checks what is signed now.
    pub(crate) const fn signing(&self) -> &VerifyingKey {
        match &self.signer {
            Signer::Here(key) => key.verifying_key(),
            Signer::Host { public, .. } => public,
        }
    }

    /// Signs the access token of a grant.
    ///
    /// Called after the account has committed. Here nothing can fail but computing; the host could refuse, which it
    /// never does with a key that it has imported. Then the client has an error, asks again, and gets the same
    /// refresh token with a new access token.
    pub(crate) async fn sign(
        &self,
        grant: Grant,
        profile: &TokenProfile,
        token_id: TokenId,
        now: UnixSeconds,
    ) -> Result<IssuedToken, Problem> {
        let unsignable = |error| Problem::internal("access token", error);
        match &self.signer {
            Signer::Here(key) => grant.sign(key, profile, token_id, now).map_err(unsignable),
            Signer::Host { public, private } => {
                let unsigned = grant.prepare(public, profile, token_id, now).map_err(unsignable)?;
                let signature = private.sign(unsigned.signing_input()).await;
                let signature = signature.map_err(|error| Problem::internal("access token", error))?;
                unsigned.with_signature(&signature).map_err(unsignable)
            }
        }
    }

    /// Verifies an access token, with the host where an algorithm is left to it.
    pub(crate) async fn verify(
        &self,
        token: &str,
        policy: &VerificationPolicy,
        now: UnixSeconds,
    ) -> Result<VerifiedClaims, VerifyError> {
        let candidate = begin(token, &self.key_set, policy)?;
        let host_key = self.host_keys.iter().find(|(id, _)| id == candidate.key().id());
        let Some((_, host_key)) = host_key else {
            let token = REMEMBERED.with_borrow_mut(|remembered| remembered.check(candidate))?;
            let claims = token.finish(now)?;
            // Token after token is for the same few keys: each does a slice of the work on their tables.
            let _ = WORKSHOP.with_borrow_mut(|workshop| self.key_set.prepare(workshop));
            return Ok(claims);
        };
        let verdict = match host_key.verifies(candidate.signing_input(), candidate.signature()).await {
            Ok(true) => SignatureVerdict::Valid,
            Ok(false) | Err(_) => SignatureVerdict::Invalid,
        };
        candidate.checked_by_host(verdict)?.finish(now)
    }

    /// The keys that access tokens are checked with.
    pub(crate) const fn key_set(&self) -> &KeySet {
        &self.key_set
    }

    /// The edge key for new generations: the first.
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

    /// The key of the fingerprints of devices. It is never another: the sharding key, which it follows from, is not
    /// replaced.
    pub(crate) fn fingerprint_key(&self) -> FingerprintKey {
        FingerprintKey::new(Secret::new(self.digest(&[b"device fingerprint key"])))
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

/// The first half of a digest in hexadecimal digits: enough to name a row by.
pub(crate) fn row_name(digest: &[u8; 32]) -> String {
    let mut digits = base16::encode(digest);
    digits.truncate(32);
    digits
}

/// What the deployment brings along; refused as a whole if any of it is unusable.
fn imported(environment: &Environment) -> Result<Imported, Problem> {
    let text = |field: ImportField| environment.bound_text(field.name());
    let id = text(ImportField::ActiveKeyId);
    let pem = text(ImportField::ActivePrivateKeyPem);
    let public = text(ImportField::PublicKeys);
    let texts = ImportTexts {
        active_key_id: id.as_ref().map(|text| text.trim()),
        active_private_key_pem: pem.as_ref().map(|text| text.as_str()),
        public_keys: public.as_ref().map(|text| text.as_str()),
    };
    import(&texts).map_err(Problem::misconfigured)
}

async fn host_keys(key_set: &KeySet) -> Result<Vec<(KeyId, WebKey)>, Problem> {
    let mut host_keys = Vec::new();
    for key in key_set.iter().filter(|key| !key.algorithm().is_built_in()) {
        let imported = WebKey::to_verify(key).await.map_err(Problem::misconfigured)?;
        host_keys.push((key.id().clone(), imported));
    }
    Ok(host_keys)
}

/// A signing key of the keyring's own, ready for use.
fn signing_key(key: &KeyMaterial) -> Option<ImportedSigner> {
    let material = Zeroizing::new(base64url::decode(key.material.as_bytes()).ok()?);
    let id = || key.kid.as_deref()?.parse().ok();
    let here = match key.kind {
        KeyKind::Ed25519 => SigningKey::ed25519(&Secret::from_slice(&material)?),
        KeyKind::Secret => SigningKey::hmac_sha256(id()?, &material),
        KeyKind::P256 | KeyKind::Rsa => {
            let private = PrivateKey::from_pkcs8(id(), algorithm_of(key.kind), material).ok()?;
            let PrivateKey::Host(private) = private else { return None };
            return Some(ImportedSigner::Host { public: private.verifying_key().clone(), private });
        }
    };
    here.ok().map(ImportedSigner::Here)
}

/// Ed25519 has two names, of which the configuration has chosen one.
fn named_as_configured(key: ImportedSigner, environment: &Environment) -> Result<ImportedSigner, Problem> {
    match key {
        ImportedSigner::Here(key) if key.algorithm() == Algorithm::Ed25519 => {
            let named = key.with_algorithm_name(environment.algorithm_name());
            named.map(ImportedSigner::Here).map_err(|error| Problem::internal("keyring", error))
        }
        other => Ok(other),
    }
}

impl Signer {
    async fn of(key: ImportedSigner) -> Result<Self, Problem> {
        match key {
            ImportedSigner::Here(key) => Ok(Self::Here(key)),
            ImportedSigner::Host { public, private } => {
                let private = WebKey::to_sign(&private).await;
                Ok(Self::Host { public, private: private.map_err(Problem::misconfigured)? })
            }
        }
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
