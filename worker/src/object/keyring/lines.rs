//! The lines of keys inside a transaction: decided by the core, stored here, and told to the audit trail.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::object::keyring::pair::HostPair;
use crate::object::keyring::stored::{Material, RootKey, StoredKey, draw};
use crate::object::keyring::{KEYS, KeyPurpose, KeyView, MOST_ROWS, OrderAnswer, edge_key_name};
use crate::object::records::Records;
use crate::outbox::message::{AuditEvent, Message};
use crate::outbox::rows;
use postern_core::codec::base64url;
use postern_core::jwt::SigningKey;
use postern_core::keyring::{
    Change, KeyKind, KeyRecord, KeyState, RevokeRefusal, RotateRefusal, plan, revoke, rotate,
};
use postern_core::secret::Secret;
use worker::{Error, Result, SqlStorage};
use zeroize::Zeroizing;

/// What an operator may order.
pub(super) enum Order {
    Rotate(KeyPurpose),
    /// A signing or edge-tag key, by its name.
    Revoke(String),
}

impl Order {
    /// What tells two orders apart.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Rotate(purpose) => format!("rotate {}", purpose.name()),
            Self::Revoke(kid) => format!("revoke {kid}"),
        }
    }
}

/// All keys, as the transaction sees them.
pub(super) struct Lines<'a> {
    sql: &'a SqlStorage,
    environment: &'a Environment,
    root_key: Option<&'a RootKey>,
    ambient: Ambient,
    keys: Vec<StoredKey>,
    /// What the host has made for this change.
    pairs: core::slice::Iter<'a, HostPair>,
    /// What it has yet to make.
    lacking: Option<KeyKind>,
}

impl<'a> Lines<'a> {
    pub(super) fn read(
        sql: &'a SqlStorage,
        environment: &'a Environment,
        root_key: Option<&'a RootKey>,
        pairs: &'a [HostPair],
        ambient: Ambient,
    ) -> Result<Self> {
        let keys = Records::new(sql, KEYS).first(MOST_ROWS)?;
        Ok(Self { sql, environment, root_key, ambient, keys, pairs: pairs.iter(), lacking: None })
    }

    /// The kind of key pair for want of which the change has failed.
    pub(super) const fn lacking(&self) -> Option<KeyKind> {
        self.lacking
    }

    /// Makes the first key of every purpose that has none, seals what lies in the clear, and names what has no name.
    pub(super) fn make_first(&mut self) -> Result<()> {
        for purpose in KeyPurpose::ALL {
            if self.line(purpose).is_empty() {
                self.settle_line(purpose)?;
            }
        }
        let table = Records::new(self.sql, KEYS);
        for key in self.keys.iter_mut().filter(|key| key.lacks_name() || key.needs_sealing(self.root_key)) {
            if let (true, Some(seed)) = (key.lacks_name(), key.open(self.root_key)) {
                key.kid = Some(name_of(&seed)?);
            }
            key.seal(self.root_key, self.ambient)?;
            table.put(&key.name(), key)?;
        }
        Ok(())
    }

    /// Does what is due. Whether anything was.
    pub(super) fn settle(&mut self) -> Result<bool> {
        let mut changed = false;
        for purpose in KeyPurpose::ALL {
            changed |= self.settle_line(purpose)?;
        }
        Ok(changed)
    }

    pub(super) fn carry_out(&mut self, order: &Order) -> Result<OrderAnswer> {
        match order {
            Order::Rotate(purpose) => self.rotate(*purpose),
            Order::Revoke(kid) => self.revoke(kid),
        }
    }

    fn rotate(&mut self, purpose: KeyPurpose) -> Result<OrderAnswer> {
        // What is due comes first, so that a rotation that has just ended is not taken for one under way.
        self.settle_line(purpose)?;
        let policy = self.environment.key_policy(purpose);
        let started = match rotate(&self.line(purpose), policy, self.ambient.now()) {
            Ok(changes) => {
                self.store(purpose, &changes)?;
                true
            }
            Err(RotateRefusal::UnderWay(_)) => false,
            Err(RotateRefusal::TooManyKeys) => return Ok(OrderAnswer::TooManyKeys),
        };
        let next = self.view_of(purpose, |state| matches!(state, KeyState::Next { .. }))?;
        Ok(OrderAnswer::Rotating { started, next })
    }

    fn revoke(&mut self, kid: &str) -> Result<OrderAnswer> {
        let named = |key: &&StoredKey| match key.purpose {
            KeyPurpose::Signing => key.kid.as_deref() == Some(kid),
            KeyPurpose::EdgeTag => edge_key_name(key.record().id) == kid,
            // Without the one every password would be lost, without the other every row.
            KeyPurpose::Pepper | KeyPurpose::Sharding => false,
        };
        let Some((purpose, id)) = self.keys.iter().find(named).map(|key| (key.purpose, key.record().id))
        else {
            return Ok(OrderAnswer::Unknown);
        };
        let policy = self.environment.key_policy(purpose);
        let changes = match revoke(&self.line(purpose), id, policy, self.ambient.now()) {
            Ok(changes) => changes,
            Err(RevokeRefusal::Gone) => Vec::new(),
            Err(RevokeRefusal::Unknown) => return Ok(OrderAnswer::Unknown),
        };
        self.store(purpose, &changes)?;
        let gone = |key: &&StoredKey| {
            changes.iter().any(|change| {
                matches!(change, Change::Update(changed) if changed.id == key.record().id
                    && matches!(changed.state, KeyState::Removed { revoked: true, .. }))
            })
        };
        let of_line = self.keys.iter().filter(|key| key.purpose == purpose);
        let revoked = of_line.filter(gone).map(view).collect();
        Ok(OrderAnswer::Revoked { revoked, active: self.view_of(purpose, KeyState::is_active)? })
    }

    fn settle_line(&mut self, purpose: KeyPurpose) -> Result<bool> {
        let changes = plan(&self.line(purpose), self.environment.key_policy(purpose), self.ambient.now());
        self.store(purpose, &changes)?;
        Ok(!changes.is_empty())
    }

    fn line(&self, purpose: KeyPurpose) -> Vec<KeyRecord> {
        self.keys.iter().filter(|key| key.purpose == purpose).map(StoredKey::record).collect()
    }

    fn store(&mut self, purpose: KeyPurpose, changes: &[Change]) -> Result<()> {
        let is_first = self.line(purpose).is_empty();
        for change in changes {
            match change {
                Change::Create(record) => self.create(purpose, *record)?,
                Change::Update(record) => self.update(purpose, *record)?,
                Change::Forget(id) => self.forget(purpose, *id)?,
            }
            // That a deployment has keys at all is no news.
            if !is_first {
                self.audit(purpose, change)?;
            }
        }
        Ok(())
    }

    fn create(&mut self, purpose: KeyPurpose, record: KeyRecord) -> Result<()> {
        let (material, kid) = self.make(purpose, record.kind)?;
        let mut key = StoredKey::new(purpose, record, &material, kid, self.ambient.now());
        key.seal(self.root_key, self.ambient)?;
        Records::new(self.sql, KEYS).put_new(&key.name(), &key)?;
        self.keys.push(key);
        Ok(())
    }

    /// A new key, and its name if it signs.
    fn make(&mut self, purpose: KeyPurpose, kind: KeyKind) -> Result<(Material, Option<String>)> {
        if matches!(kind, KeyKind::P256 | KeyKind::Rsa) {
            let Some(pair) = self.pairs.find(|pair| pair.kind == kind) else {
                self.lacking = Some(kind);
                return Err(Error::RustError("the host has yet to make a key".into()));
            };
            return Ok((pair.material.clone(), Some(pair.kid.clone())));
        }
        let material: Material = Zeroizing::new(draw::<32>(self.ambient)?.to_vec());
        let kid = match (purpose, kind) {
            (KeyPurpose::Signing, KeyKind::Ed25519) => Some(name_of(&material)?),
            // By chance: a name that follows from the secret would give guesses something to be checked with.
            (KeyPurpose::Signing, _) => Some(base64url::encode(&draw::<16>(self.ambient)?)),
            (KeyPurpose::EdgeTag | KeyPurpose::Pepper | KeyPurpose::Sharding, _) => None,
        };
        Ok((material, kid))
    }

    fn update(&mut self, purpose: KeyPurpose, record: KeyRecord) -> Result<()> {
        let table = Records::new(self.sql, KEYS);
        let is_it = |key: &&mut StoredKey| key.purpose == purpose && key.record().id == record.id;
        if let Some(key) = self.keys.iter_mut().find(is_it) {
            key.enter(record.state);
            table.put(&key.name(), key)?;
        }
        Ok(())
    }

    fn forget(&mut self, purpose: KeyPurpose, id: u32) -> Result<()> {
        let table = Records::new(self.sql, KEYS);
        let is_it = |key: &StoredKey| key.purpose == purpose && key.record().id == id;
        if let Some(key) = self.keys.iter().find(|key| is_it(key)) {
            table.delete(&key.name())?;
        }
        self.keys.retain(|key| !is_it(key));
        Ok(())
    }

    /// One line of the audit trail, in the same transaction.
    fn audit(&self, purpose: KeyPurpose, change: &Change) -> Result<()> {
        let (Change::Create(record) | Change::Update(record)) = change else { return Ok(()) };
        let event = match record.state {
            KeyState::Next { .. } => "key_published",
            KeyState::Active { .. } => "key_activated",
            KeyState::Retired { .. } => "key_retired",
            KeyState::Removed { revoked: false, .. } => "key_removed",
            KeyState::Removed { revoked: true, .. } => "key_revoked",
        };
        let is_it = |key: &&StoredKey| key.purpose == purpose && key.record().id == record.id;
        let kid = self.keys.iter().find(is_it).and_then(|key| key.kid.clone());
        let name = kid.unwrap_or_else(|| record.id.to_string());
        let message = Message::Audit(AuditEvent {
            occurred_at: self.ambient.now(),
            tenant: self.environment.config().tenant().as_str().into(),
            account: None,
            session: None,
            event: event.into(),
            detail: Some(format!("{} {name}", purpose.name())),
        });
        rows::enqueue(self.sql, &self.environment.draw_id()?, message, self.ambient.now())
    }

    fn view_of(&self, purpose: KeyPurpose, wanted: impl Fn(KeyState) -> bool) -> Result<KeyView> {
        let of_line = self.keys.iter().filter(|key| key.purpose == purpose);
        let found = of_line.filter(|key| wanted(key.record().state)).max_by_key(|key| key.record().id);
        found.map(view).ok_or_else(|| Error::RustError("a line has no such key".into()))
    }
}

/// A key without what is secret about it.
pub(super) fn view(key: &StoredKey) -> KeyView {
    let KeyRecord { id, kind, state } = key.record();
    let name = match state {
        KeyState::Removed { revoked: true, .. } => "revoked",
        other => other.name(),
    };
    KeyView {
        purpose: key.purpose,
        id,
        kid: key.kid.clone(),
        kind,
        state: name.into(),
        since: state.since().as_millis(),
    }
}

/// The `kid` of an Ed25519 key: its thumbprint.
fn name_of(seed: &[u8]) -> Result<String> {
    let unusable = || Error::RustError("a signing key is not a seed".into());
    let seed = Secret::<32>::from_slice(seed).ok_or_else(unusable)?;
    let key = SigningKey::ed25519(&seed).map_err(|_| unusable())?;
    Ok(key.key_id().to_string())
}
