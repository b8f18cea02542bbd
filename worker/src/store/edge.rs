//! KV at the edge: copies for reading. Every write of KV but the development mailbox's is in this file.

use crate::object::records;
use crate::operations::{self, Store};
use crate::store::keyring::Keyring;
use crate::store::kv::KvStore;
use postern_core::codec::base64url;
use postern_core::flow::validate::TokenSubject;
use postern_core::id::{AccountId, SessionId, TenantId};
use postern_core::json::record;
use postern_core::revocation::RevocationShard;
use postern_core::secret::Secret;
use postern_core::session::SessionSnapshot;
use postern_core::time::UnixMillis;
use worker::Result;

/// KV refuses a shorter life.
const SHORTEST_TTL_SECONDS: u64 = 60;
/// How long a colo may serve its copy of a shard without asking the store again; the least that KV allows.
const SHARD_CACHE_SECONDS: u32 = 30;
const SHARD_TTL_SECONDS: u64 = 86_400;
/// What operators have defined, whole.
const DEFINITIONS_KEY: &str = "v1/permissions";
/// The cron writes it anew if it is gone.
const DEFINITIONS_TTL_SECONDS: u64 = 30 * 86_400;

/// The shard as some copy of it stands here; readers judge its age by what is written in it.
pub(crate) async fn read_revocation_shard(edge: &KvStore, shard: u8) -> Result<Option<RevocationShard>> {
    operations::count(Store::EdgeRead);
    let text = edge.get(&shard_key(shard), Some(SHARD_CACHE_SECONDS)).await?;
    // A copy that does not parse is as good as none: the reader asks the account.
    Ok(text.and_then(|text| record::read(text.as_bytes()).ok()))
}

/// Replaces the shard. Called by its `RevocationObject` only.
pub(crate) async fn write_revocation_shard(edge: &KvStore, shard: u8, list: &RevocationShard) -> Result<()> {
    put(edge, &shard_key(shard), &records::write(list)?, SHARD_TTL_SECONDS).await
}

/// Replaces a session's snapshot. Called by the outbox of its `AccountObject` only.
pub(crate) async fn write_snapshot(
    edge: &KvStore,
    keyring: &Keyring,
    snapshot: &SessionSnapshot,
    now: UnixMillis,
) -> Result<()> {
    let ttl = now.seconds_until(snapshot.expires_at);
    let key = snapshot_key(&snapshot.account, &snapshot.session);
    let record = records::write(snapshot)?;
    let SessionSnapshot { tenant, account, session, .. } = snapshot;
    let tag = base64url::encode(snapshot_tag(keyring, (tenant, account, session), &record).expose());
    put(edge, &key, &format!("{tag}.{record}"), ttl).await
}

/// The snapshot of the session of a token, as some copy of it stands here. What was put in its place, by whoever can write
/// here and has no key of this deployment, or is another session's, is as good as none.
pub(crate) async fn read_snapshot(
    edge: &KvStore,
    keyring: &Keyring,
    subject: &TokenSubject,
) -> Result<Option<SessionSnapshot>> {
    operations::count(Store::EdgeRead);
    let text = edge.get(&snapshot_key(&subject.account, &subject.session), None).await?;
    let snapshot: Option<SessionSnapshot> = text.and_then(|text| {
        let (tag, record) = text.split_once('.')?;
        let tag = Secret::new(base64url::decode_array(tag.as_bytes()).ok()?);
        let about = (&subject.tenant, &subject.account, &subject.session);
        let is_ours = tag.ct_eq(&snapshot_tag(keyring, about, record));
        is_ours.then(|| record::read(record.as_bytes()).ok()).flatten()
    });
    Ok(snapshot.filter(|snapshot| snapshot.names(subject)))
}

/// What only this deployment can compute, for exactly this text about this session of this account.
fn snapshot_tag(
    keyring: &Keyring,
    (tenant, account, session): (&TenantId, &AccountId, &SessionId),
    record: &str,
) -> Secret<32> {
    let (tenant, account, session) = (tenant.as_str().as_bytes(), account.as_bytes(), session.as_bytes());
    Secret::new(keyring.digest(&[b"session snapshot", tenant, account, session, record.as_bytes()]))
}

/// Removes a session's snapshot. Called by the outbox of its `AccountObject` only.
pub(crate) async fn delete_snapshot(edge: &KvStore, account: &AccountId, session: &SessionId) -> Result<()> {
    operations::count(Store::EdgeWrite);
    edge.delete(&snapshot_key(account, session)).await
}

/// What operators have defined, as some copy of it stands here; the JSON of a `Definitions`.
pub(crate) async fn read_definitions(edge: &KvStore) -> Result<Option<String>> {
    operations::count(Store::EdgeRead);
    edge.get(DEFINITIONS_KEY, Some(SHARD_CACHE_SECONDS)).await
}

/// Replaces what operators have defined. Called by `store/definitions` only, with what the directory has.
pub(crate) async fn write_definitions(edge: &KvStore, document: &str) -> Result<()> {
    put(edge, DEFINITIONS_KEY, document, DEFINITIONS_TTL_SECONDS).await
}

async fn put(edge: &KvStore, key: &str, text: &str, ttl_seconds: u64) -> Result<()> {
    operations::count(Store::EdgeWrite);
    let ttl_seconds = u32::try_from(ttl_seconds.max(SHORTEST_TTL_SECONDS)).unwrap_or(u32::MAX);
    edge.put(key, text, ttl_seconds).await
}

fn shard_key(shard: u8) -> String {
    format!("v1/revocation/{shard:02}")
}

fn snapshot_key(account: &AccountId, session: &SessionId) -> String {
    format!("v1/session/{account}/{session}")
}
