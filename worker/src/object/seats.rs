//! Who sits where: the seats of one shard of accounts, and the pool that their leases come from. Both are tables of a
//! `RevocationObject`, which is told of every session that ends; the rules are `postern_core::session`'s.

use crate::object::records::{self, Records, millis};
use crate::object::sql::exec;
use crate::object::transaction::commit;
use postern_core::id::{AccountId, SessionId, TenantId};
use postern_core::revocation::{RevocationMark, Revoked};
use postern_core::session::{SeatGrant, SeatLease, SeatPool, SeatRequest};
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use worker::{Error, Result, SqlStorage, SqlStorageValue, Storage};

/// The object of the pool: no shard of accounts has its name.
pub(crate) const POOL: &str = "v1/revocation/seats";
/// The table of the lease and its count, and of the pool.
const SEATING: &str = "seating";
const CREATE_SEATS: &str = "CREATE TABLE IF NOT EXISTS seats \
    (session TEXT PRIMARY KEY, tenant TEXT NOT NULL, account TEXT NOT NULL, look_at INTEGER NOT NULL) \
    WITHOUT ROWID; \
    CREATE INDEX IF NOT EXISTS seats_look_at ON seats (tenant, look_at); \
    CREATE INDEX IF NOT EXISTS seats_account ON seats (account)";
/// How many seats are looked at, when all are taken, whose sessions may have ended unused.
const LOOKED_AT: i32 = 8;

/// What may be asked about seats. All may be repeated.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SeatCall {
    /// Seat a session, perhaps with a lease that the pool has granted. Answered with [`SeatAnswer::Taken`] or `Full`.
    Take {
        session: SessionId,
        account: AccountId,
        idle_expires_at: UnixMillis,
        replaced: Vec<SessionId>,
        limit: u32,
        lease: Option<SeatLease>,
    },
    /// Give back what is not used. Answered with [`SeatAnswer::Left`].
    GiveBack { lease: SeatLease },
    /// These sessions were looked at: they live until then at least, or are over. Answered with [`SeatAnswer::Settled`].
    Settle { sessions: Vec<(SessionId, Option<UnixMillis>)> },
    /// Of the pool: a shard wants more. Answered with [`SeatAnswer::Granted`], `Count` or `Exhausted`.
    Grant { shard: u8, version: u32, limit: u32, returned: Option<Vec<(u8, SeatLease)>> },
}

/// What is said of seats.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SeatAnswer {
    Taken,
    Full {
        version: u32,
    },
    Left {
        lease: SeatLease,
        /// Whose sessions may have ended unused.
        doubtful: Vec<(SessionId, AccountId)>,
    },
    Settled,
    Granted(SeatLease),
    /// The leases of all shards, as the pool knows them.
    Count(Vec<SeatLease>),
    Exhausted,
}

/// What a shard knows.
#[derive(Default, Serialize, Deserialize)]
struct Seating {
    lease: SeatLease,
    taken: u32,
}

/// Carries a call out. Tenants have seats and pools of their own.
pub(crate) fn carry_out(
    storage: &Storage,
    tenant: &TenantId,
    call: SeatCall,
    now: UnixMillis,
) -> Result<SeatAnswer> {
    let (sql, key) = (storage.sql(), key_of(tenant.as_str()));
    commit(storage, || {
        exec(&sql, CREATE_SEATS, None)?;
        records::create(&sql, &[SEATING])?;
        let table = Records::new(&sql, SEATING);
        let mut seating: Seating = table.get(&key)?.unwrap_or_default();
        let answer = match call {
            SeatCall::Take { session, account, idle_expires_at, replaced, limit, lease } => {
                seating.lease = lease.map_or(seating.lease, |lease| seating.lease.adopt(lease));
                let mut seated_replaced = 0u32;
                for session in replaced {
                    seated_replaced = seated_replaced.saturating_add(is_seated(&sql, session)?.into());
                }
                if is_seated(&sql, session)? {
                    return Ok(SeatAnswer::Taken);
                }
                if seating.lease.seats_another(seating.taken, seated_replaced, limit) {
                    let query = "INSERT INTO seats (session, tenant, account, look_at) VALUES (?, ?, ?, ?)";
                    let (session, account) = (session.to_string(), account.to_string());
                    let row =
                        vec![session.into(), tenant.as_str().into(), account.into(), millis(idle_expires_at)];
                    exec(&sql, query, row)?;
                    seating.taken = seating.taken.saturating_add(1);
                    SeatAnswer::Taken
                } else {
                    SeatAnswer::Full { version: seating.lease.version }
                }
            }
            SeatCall::GiveBack { lease } => {
                seating.lease = seating.lease.adopt(lease).given_back(seating.taken);
                SeatAnswer::Left { lease: seating.lease, doubtful: doubtful(&sql, tenant, now)? }
            }
            SeatCall::Settle { sessions } => {
                for (session, lives_until) in sessions {
                    match lives_until {
                        Some(until) => {
                            let query = "UPDATE seats SET look_at = ? WHERE session = ?";
                            exec(&sql, query, vec![millis(until), session.to_string().into()])?;
                        }
                        None => leave(&sql, session)?,
                    }
                }
                return Ok(SeatAnswer::Settled);
            }
            SeatCall::Grant { shard, version, limit, returned } => {
                let request = SeatRequest { shard, version, limit, returned };
                return grant(&table, tenant, request, now);
            }
        };
        table.put(&key, &seating)?;
        Ok(answer)
    })
}

/// The row of a tenant's seating in a shard.
fn key_of(tenant: &str) -> String {
    format!("shard/{tenant}")
}

fn grant(
    table: &Records<'_>,
    tenant: &TenantId,
    request: SeatRequest,
    now: UnixMillis,
) -> Result<SeatAnswer> {
    let key = format!("pool/{tenant}");
    let pool: SeatPool = table.get(&key)?.unwrap_or_default();
    Ok(match pool.grant(request, now) {
        SeatGrant::Granted(pool, lease) => {
            table.put(&key, &pool)?;
            SeatAnswer::Granted(lease)
        }
        SeatGrant::Count(leases) => SeatAnswer::Count(leases),
        SeatGrant::Exhausted(pool) => {
            table.put(&key, &pool)?;
            SeatAnswer::Exhausted
        }
    })
}

/// Frees the seats of sessions that marks end, in the transaction that stores the marks.
pub(crate) fn free(sql: &SqlStorage, marks: &[RevocationMark]) -> Result<()> {
    // A tenant that never was limited has no seats, and gets no tables.
    if !records::exist(sql, SEATING)? {
        return Ok(());
    }
    for mark in marks {
        match mark.revoked {
            Revoked::Session(session) => leave(sql, session)?,
            // It may stand for sessions that are not named: their account is asked when seats are wanted.
            Revoked::OlderThan(_) => {
                let query = "UPDATE seats SET look_at = 0 WHERE account = ?";
                exec(sql, query, vec![mark.account.to_string().into()])?;
            }
        }
    }
    Ok(())
}

/// Frees the seat of a session, whichever tenant's it is; nothing happens if it has none.
fn leave(sql: &SqlStorage, session: SessionId) -> Result<()> {
    let session = session.to_string();
    let query = "DELETE FROM seats WHERE session = ? RETURNING tenant";
    let cursor = exec(sql, query, vec![session.into()])?;
    let Some(row) = cursor.raw().next().transpose()? else { return Ok(()) };
    drop(cursor);
    let Some(SqlStorageValue::String(tenant)) = row.into_iter().next() else {
        return Err(Error::RustError("a stored seat is no tenant's".into()));
    };
    let (table, key) = (Records::new(sql, SEATING), key_of(&tenant));
    let seating: Seating = table.get(&key)?.unwrap_or_default();
    table.put(&key, &Seating { taken: seating.taken.saturating_sub(1), ..seating })
}

fn is_seated(sql: &SqlStorage, session: SessionId) -> Result<bool> {
    let query = "SELECT 1 FROM seats WHERE session = ?";
    Ok(exec(sql, query, vec![session.to_string().into()])?.raw().next().transpose()?.is_some())
}

fn doubtful(sql: &SqlStorage, tenant: &TenantId, now: UnixMillis) -> Result<Vec<(SessionId, AccountId)>> {
    let query =
        "SELECT session, account FROM seats WHERE tenant = ? AND look_at <= ? ORDER BY look_at LIMIT ?";
    let cursor = exec(sql, query, vec![tenant.as_str().into(), millis(now), LOOKED_AT.into()])?;
    let rows = cursor.raw().map(|row| {
        let mut columns = row?.into_iter();
        let unreadable = || Error::RustError("a stored seat is not two ids".into());
        match (columns.next(), columns.next()) {
            (Some(SqlStorageValue::String(session)), Some(SqlStorageValue::String(account))) => {
                let session: SessionId = session.parse().map_err(|_| unreadable())?;
                let account: AccountId = account.parse().map_err(|_| unreadable())?;
                Ok((session, account))
            }
            _ => Err(unreadable()),
        }
    });
    rows.collect()
}
