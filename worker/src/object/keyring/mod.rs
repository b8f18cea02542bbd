//! `KeyringObject`: the one writer of signing keys, edge-tag keys and peppers.
//!
//! The first call makes the first keys, in one transaction, so that a deployment needs no secret to be pasted and
//! two first requests agree. Key pairs of RSA and P-256 are made by the host, which cannot be waited for inside a
//! transaction: it is tried again with the pair that it lacked. Later changes are decided by `postern_core::keyring`, once a minute and by an operator's
//! order; reading changes nothing. With the secret `POSTERN_ROOT_KEY` bound, every key is stored sealed under it
//! (XChaCha20-Poly1305); keys that were stored before it was bound are sealed on the next call. A sealed key that the
//! root key does not open is an error, never a reason to make new ones.

mod lines;
mod pair;
mod stored;

pub(crate) use pair::algorithm_of;
pub(crate) use stored::{ROOT_KEY_BINDING, secret_bytes};

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::alarm;
use crate::object::call::{self, Callee, export_callee};
use crate::object::orders::{self, Known, ORDERS};
use crate::object::records::{self, Records};
use crate::object::transaction::commit;
use crate::outbox::message::Owner;
use crate::outbox::rows;
use lines::{Lines, Order};
use pair::HostPair;
use postern_core::codec::base64url;
use postern_core::keyring::{KeyKind, KeyState};
use serde::{Deserialize, Serialize};
use stored::{RootKey, StoredKey};
use worker::{DurableObject, Env, Error, Request, Response, Result, State, durable_object};

/// The name of the only object of this class.
pub(crate) const NAME: &str = "v1/keyring";

const KEYS: &str = "keys";
/// More rows than the four lines can have; a bound for the query, not a policy.
const MOST_ROWS: u16 = 256;

/// What may be asked of the keyring.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyringCall {
    /// The keys that have material, the first ones made if there are none. Answered with a [`LoadAnswer`].
    Load,
    /// Do what is due by now. Answered with `true` if anything was.
    Settle,
    /// All keys, without material. Answered with a list of [`KeyView`].
    List,
    /// Begin to rotate the keys of a purpose. Answered with an [`OrderAnswer`].
    Rotate { operation: String, purpose: KeyPurpose },
    /// Take a signing or edge-tag key away at once, by its `kid` or [`edge_key_name`]. Answered with an
    /// [`OrderAnswer`].
    Revoke { operation: String, kid: String },
    /// Outbox rows whose delivery is confirmed. Answered with `true`.
    Acknowledge { ids: Vec<String> },
}

/// What a key is for. A key serves one purpose only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyPurpose {
    /// Signs access tokens.
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

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::EdgeTag => "edge_tag",
            Self::Pepper => "pepper",
            Self::Sharding => "sharding",
        }
    }

    /// The purpose of this name, if its keys may be rotated by order.
    pub(crate) fn rotatable(name: &str) -> Option<Self> {
        [Self::Signing, Self::EdgeTag, Self::Pepper].into_iter().find(|purpose| purpose.name() == name)
    }

    /// The kind of its keys before kinds were stored.
    const fn first_kind(self) -> KeyKind {
        match self {
            Self::Signing => KeyKind::Ed25519,
            Self::EdgeTag | Self::Pepper | Self::Sharding => KeyKind::Secret,
        }
    }
}

/// One key as the Worker receives it.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeyMaterial {
    pub(crate) purpose: KeyPurpose,
    pub(crate) id: u32,
    pub(crate) kind: KeyKind,
    pub(crate) state: KeyState,
    /// base64url: 32 bytes, or PKCS#8.
    pub(crate) material: String,
    /// The name of a signing key.
    #[serde(default)]
    pub(crate) kid: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum LoadAnswer {
    Keys(Vec<KeyMaterial>),
    /// The stored keys are sealed under a root key that is not bound, or the bound one is malformed.
    RootKeyUnusable,
}

/// How an operator names an edge-tag key, which tells nobody its name.
pub(crate) fn edge_key_name(id: u32) -> String {
    format!("edge_tag.{id}")
}

/// One key as an operator sees it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyView {
    pub(crate) purpose: KeyPurpose,
    pub(crate) id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<String>,
    pub(crate) kind: KeyKind,
    /// `next`, `active`, `retired`, `removed` or `revoked`.
    pub(crate) state: String,
    /// Since when, in milliseconds.
    pub(crate) since: u64,
}

/// What came of an order.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderAnswer {
    /// The next key of the purpose, and whether this order has brought it about.
    Rotating { started: bool, next: KeyView },
    /// The keys that are gone by this order (none if the named one was gone before), and the one in use.
    Revoked { revoked: Vec<KeyView>, active: KeyView },
    /// There is no such key.
    Unknown,
    /// There are as many keys as may be.
    TooManyKeys,
    /// The operation's id came with another order before.
    OperationReused,
}

/// The object. See the module's documentation.
#[durable_object(alarm)]
pub struct KeyringObject {
    state: State,
    env: Env,
}

impl DurableObject for KeyringObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        call::over_fetch(self, request).await
    }

    async fn alarm(&self) -> Result<Response> {
        alarm::rings();
        rows::deliver_due(&self.state.storage(), &self.env, &Owner::Keyring, Ambient::read()).await?;
        Response::empty()
    }
}

export_callee!(KeyringObject);

impl Callee for KeyringObject {
    async fn answer(&self, message: &str) -> Result<String> {
        let ambient = Ambient::read();
        match call::receive(message)? {
            KeyringCall::Load => records::write(&self.load(ambient).await?),
            KeyringCall::Settle => records::write(&self.settle(ambient).await?),
            KeyringCall::List => {
                self.load(ambient).await?;
                let views: Vec<KeyView> = self.stored()?.iter().map(lines::view).collect();
                records::write(&views)
            }
            KeyringCall::Rotate { operation, purpose } => {
                records::write(&self.order(&operation, &Order::Rotate(purpose), ambient).await?)
            }
            KeyringCall::Revoke { operation, kid } => {
                records::write(&self.order(&operation, &Order::Revoke(kid), ambient).await?)
            }
            KeyringCall::Acknowledge { ids } => {
                rows::acknowledge(&self.state.storage().sql(), &ids)?;
                records::write(&true)
            }
        }
    }
}

impl KeyringObject {
    /// The keys. Something is written only if a purpose has none yet, or one lies in the clear that need not.
    async fn load(&self, ambient: Ambient) -> Result<LoadAnswer> {
        let Ok(root_key) = RootKey::bound(&self.env) else { return Ok(LoadAnswer::RootKeyUnusable) };
        let mut stored = self.stored()?;
        let is_new = KeyPurpose::ALL.iter().any(|purpose| !stored.iter().any(|key| key.purpose == *purpose));
        let needs_care = |key: &StoredKey| key.lacks_name() || key.needs_sealing(root_key.as_ref());
        if is_new || stored.iter().any(needs_care) {
            // Nothing is made beside keys that cannot be opened.
            if live(&stored, root_key.as_ref()).is_none() {
                return Ok(LoadAnswer::RootKeyUnusable);
            }
            self.change(root_key.as_ref(), ambient, |lines| lines.make_first()).await?;
            stored = self.stored()?;
        }
        Ok(live(&stored, root_key.as_ref()).map_or(LoadAnswer::RootKeyUnusable, LoadAnswer::Keys))
    }

    async fn settle(&self, ambient: Ambient) -> Result<bool> {
        let root_key = self.usable_root_key()?;
        self.change(root_key.as_ref(), ambient, |lines| lines.settle()).await
    }

    /// Carries an order out, or answers it again.
    async fn order(&self, operation: &str, order: &Order, ambient: Ambient) -> Result<OrderAnswer> {
        let root_key = self.usable_root_key()?;
        let told = order.to_text();
        self.change(root_key.as_ref(), ambient, |lines| {
            let sql = self.state.storage().sql();
            match orders::look_up(&sql, operation, &told, ambient.now())? {
                Known::Answered(answer) => Ok(answer),
                Known::Reused => Ok(OrderAnswer::OperationReused),
                Known::New => {
                    let answer = lines.carry_out(order)?;
                    orders::remember(&sql, operation, &told, &answer, ambient.now())?;
                    Ok(answer)
                }
            }
        })
        .await
    }

    /// The one way in which keys change: all in one transaction, then the alarm for what waits in the outbox.
    async fn change<T>(
        &self,
        root_key: Option<&RootKey>,
        ambient: Ambient,
        decide: impl Fn(&mut Lines<'_>) -> Result<T>,
    ) -> Result<T> {
        /// More than any change makes.
        const MOST_PAIRS: usize = 4;
        let environment =
            Environment::open(&self.env).map_err(|problem| Error::RustError(problem.code().into()))?;
        let storage = self.state.storage();
        let sql = storage.sql();
        let mut pairs: Vec<HostPair> = Vec::new();
        let outcome = loop {
            let mut lacking = None;
            let outcome = commit(&storage, || {
                records::create(&sql, &[KEYS])?;
                records::create_expiring(&sql, &[ORDERS])?;
                rows::create(&sql)?;
                let mut lines = Lines::read(&sql, &environment, root_key, &pairs, ambient)?;
                let outcome = decide(&mut lines);
                lacking = lines.lacking();
                outcome
            });
            match lacking {
                // Others may have made the key meanwhile: all is read and decided again.
                Some(kind) if outcome.is_err() && pairs.len() < MOST_PAIRS => {
                    pairs.push(HostPair::generate(kind).await?);
                }
                _ => break outcome?,
            }
        };
        // What is committed is answered: an alarm that is not set now is set by the next change.
        if let Err(error) = rows::wake(&storage).await {
            worker::console_error!("keyring: no alarm is set: {error}");
        }
        Ok(outcome)
    }

    fn stored(&self) -> Result<Vec<StoredKey>> {
        let sql = self.state.storage().sql();
        if records::exist(&sql, KEYS)? { Records::new(&sql, KEYS).first(MOST_ROWS) } else { Ok(Vec::new()) }
    }

    /// The root key, if there is one, provided that it opens what is stored.
    fn usable_root_key(&self) -> Result<Option<RootKey>> {
        let unusable = || Error::RustError("the root key does not open the stored keys".into());
        let root_key = RootKey::bound(&self.env).map_err(|_| unusable())?;
        live(&self.stored()?, root_key.as_ref()).map(|_| root_key).ok_or_else(unusable)
    }
}

/// Every key with material, opened; `None` if one cannot be.
fn live(stored: &[StoredKey], root_key: Option<&RootKey>) -> Option<Vec<KeyMaterial>> {
    let live = stored.iter().filter(|key| key.record().state.is_live());
    live.map(|key| {
        let record = key.record();
        let material = base64url::encode(&key.open(root_key)?);
        Some(KeyMaterial {
            purpose: key.purpose,
            id: record.id,
            kind: record.kind,
            state: record.state,
            material,
            kid: key.kid.clone(),
        })
    })
    .collect()
}
