//! Tables of records inside an object: a text key, a JSON record.
//!
//! One account has a handful of sessions and one intake shard a handful of attempts per address, so nothing is
//! gained by columns; and a record that only ever gains optional members needs no schema migration.
//!
//! What expires by itself lies in an [`Expiring`] table: one column more says until when, so that forgetting is
//! one statement over an index and never reads a record.

use crate::object::sql::exec;
use postern_core::json::{self, record};
use postern_core::time::UnixMillis;
use serde::{Serialize, de::DeserializeOwned};
use worker::{Error, Result, SqlStorage, SqlStorageValue};

/// A table of an object's own SQLite database.
pub(crate) struct Records<'a> {
    sql: &'a SqlStorage,
    table: &'static str,
}

impl<'a> Records<'a> {
    /// The table of that name, which must be one of the names given to [`create`].
    pub(crate) const fn new(sql: &'a SqlStorage, table: &'static str) -> Self {
        Self { sql, table }
    }

    /// The record under `key`.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let query = format!("SELECT record FROM {} WHERE key = ?", self.table);
        self.select(&query, vec![key.into()]).map(|records| records.into_iter().next())
    }

    /// All records whose key starts with `prefix`, in key order, at most `limit`.
    pub(crate) fn starting_with<T: DeserializeOwned>(&self, prefix: &str, limit: u16) -> Result<Vec<T>> {
        // Keys are ASCII, so the prefix followed by DEL is above every key that continues it.
        let query =
            format!("SELECT record FROM {} WHERE key >= ? AND key < ? ORDER BY key LIMIT ?", self.table);
        let end = format!("{prefix}\u{7f}");
        self.select(&query, vec![prefix.into(), end.into(), i32::from(limit).into()])
    }

    /// The first `limit` records in key order.
    pub(crate) fn first<T: DeserializeOwned>(&self, limit: u16) -> Result<Vec<T>> {
        let query = format!("SELECT record FROM {} ORDER BY key LIMIT ?", self.table);
        self.select(&query, vec![i32::from(limit).into()])
    }

    /// All records, in key order.
    pub(crate) fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.select(&format!("SELECT record FROM {} ORDER BY key", self.table), Vec::new())
    }

    /// The first `limit` keys in order.
    pub(crate) fn first_keys(&self, limit: u16) -> Result<Vec<String>> {
        let query = format!("SELECT key FROM {} ORDER BY key LIMIT ?", self.table);
        self.texts(&query, vec![i32::from(limit).into()])
    }

    /// Stores a record, replacing the one under its key.
    pub(crate) fn put<T: Serialize>(&self, key: &str, record: &T) -> Result<()> {
        let query = format!(
            "INSERT INTO {} (key, record) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET record = excluded.record",
            self.table
        );
        exec(self.sql, &query, vec![key.into(), write(record)?.into()])?;
        Ok(())
    }

    /// Stores a record only if its key is free.
    pub(crate) fn put_new<T: Serialize>(&self, key: &str, record: &T) -> Result<()> {
        let query = format!("INSERT OR IGNORE INTO {} (key, record) VALUES (?, ?)", self.table);
        exec(self.sql, &query, vec![key.into(), write(record)?.into()])?;
        Ok(())
    }

    /// Removes a record; nothing happens if there is none.
    pub(crate) fn delete(&self, key: &str) -> Result<()> {
        exec(self.sql, &format!("DELETE FROM {} WHERE key = ?", self.table), vec![key.into()])?;
        Ok(())
    }

    /// Removes all records.
    pub(crate) fn clear(&self) -> Result<()> {
        exec(self.sql, &format!("DELETE FROM {}", self.table), None)?;
        Ok(())
    }

    fn select<T: DeserializeOwned>(&self, query: &str, bindings: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        self.texts(query, bindings)?.iter().map(|record| read(record.as_bytes())).collect()
    }

    fn texts(&self, query: &str, bindings: Vec<SqlStorageValue>) -> Result<Vec<String>> {
        let cursor = exec(self.sql, query, bindings)?;
        let rows = cursor.raw().map(|row| match row?.into_iter().next() {
            Some(SqlStorageValue::String(text)) => Ok(text),
            _ => Err(Error::RustError("a stored value is not a text".into())),
        });
        rows.collect()
    }
}

/// A table of records that say nothing any more after a moment of their own.
pub(crate) struct Expiring<'a>(Records<'a>);

impl<'a> Expiring<'a> {
    /// The table of that name, which must be one of the names given to [`create_expiring`].
    pub(crate) const fn new(sql: &'a SqlStorage, table: &'static str) -> Self {
        Self(Records::new(sql, table))
    }

    /// The record under `key`, whether it has expired or not.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.0.get(key)
    }

    /// All records whose key starts with `prefix`, in key order, at most `limit`.
    pub(crate) fn starting_with<T: DeserializeOwned>(&self, prefix: &str, limit: u16) -> Result<Vec<T>> {
        self.0.starting_with(prefix, limit)
    }

    /// Stores a record until `expires_at`, replacing the one under its key.
    pub(crate) fn put<T: Serialize>(&self, key: &str, record: &T, expires_at: UnixMillis) -> Result<()> {
        let query = format!(
            "INSERT INTO {} (key, record, expires_at) VALUES (?, ?, ?) ON CONFLICT (key) \
             DO UPDATE SET record = excluded.record, expires_at = excluded.expires_at",
            self.0.table
        );
        let record = write(record)?;
        exec(self.0.sql, &query, vec![key.into(), record.into(), millis(expires_at)])?;
        Ok(())
    }

    /// Removes a record; nothing happens if there is none.
    pub(crate) fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key)
    }

    /// Removes all records whose key starts with `prefix`, which is ASCII.
    pub(crate) fn delete_starting_with(&self, prefix: &str) -> Result<()> {
        let query = format!("DELETE FROM {} WHERE key >= ? AND key < ?", self.0.table);
        exec(self.0.sql, &query, vec![prefix.into(), format!("{prefix}\u{7f}").into()])?;
        Ok(())
    }

    /// Removes every record whose time is over.
    pub(crate) fn forget(&self, now: UnixMillis) -> Result<()> {
        let query = format!("DELETE FROM {} WHERE expires_at <= ?", self.0.table);
        exec(self.0.sql, &query, vec![millis(now)])?;
        Ok(())
    }

    /// Whether there are at least so many records.
    pub(crate) fn holds(&self, count: u32) -> Result<bool> {
        let query = format!("SELECT key FROM {} LIMIT 1 OFFSET ?", self.0.table);
        let before = SqlStorageValue::Integer(i64::from(count.saturating_sub(1)));
        Ok(!self.0.texts(&query, vec![before])?.is_empty())
    }

    /// Whether there are at least so many records whose key starts with `prefix`, which is ASCII.
    pub(crate) fn holds_starting_with(&self, prefix: &str, count: u32) -> Result<bool> {
        let query = format!("SELECT key FROM {} WHERE key >= ? AND key < ? LIMIT 1 OFFSET ?", self.0.table);
        let before = SqlStorageValue::Integer(i64::from(count.saturating_sub(1)));
        let end = format!("{prefix}\u{7f}");
        Ok(!self.0.texts(&query, vec![prefix.into(), end.into(), before])?.is_empty())
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        Ok(self.0.first_keys(1)?.is_empty())
    }
}

/// Two records, each by its table and key, by one statement.
pub(crate) fn get_both<A: DeserializeOwned, B: DeserializeOwned>(
    sql: &SqlStorage,
    (first_table, first_key): (&'static str, &str),
    (second_table, second_key): (&'static str, &str),
) -> Result<(Option<A>, Option<B>)> {
    let query = format!(
        "SELECT (SELECT record FROM {first_table} WHERE key = ?), (SELECT record FROM {second_table} WHERE key = ?)"
    );
    let cursor = exec(sql, &query, vec![first_key.into(), second_key.into()])?;
    let mut row = cursor.raw().next().transpose()?.unwrap_or_default().into_iter();
    let (first, second) = (text_of(row.next())?, text_of(row.next())?);
    let first = first.map(|record| read(record.as_bytes())).transpose()?;
    Ok((first, second.map(|record| read(record.as_bytes())).transpose()?))
}

/// What a column holds that has texts alone; `None` where no row is.
fn text_of(value: Option<SqlStorageValue>) -> Result<Option<String>> {
    match value {
        Some(SqlStorageValue::String(text)) => Ok(Some(text)),
        Some(SqlStorageValue::Null) | None => Ok(None),
        Some(_) => Err(Error::RustError("a stored value is not a text".into())),
    }
}

/// A record as it was written.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    record::read(text).map_err(|error| Error::RustError(error.to_string()))
}

/// A record as it is stored and sent.
pub(crate) fn write<T: Serialize>(record: &T) -> Result<String> {
    json::write(record).map_err(|error| Error::RustError(error.to_string()))
}

/// A time as SQLite stores it.
pub(crate) fn millis(at: UnixMillis) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(at.as_millis()).unwrap_or(i64::MAX))
}

/// Creates the tables that are missing. Called before the first write, never before a read.
pub(crate) fn create(sql: &SqlStorage, tables: &[&str]) -> Result<()> {
    for table in tables {
        let query = format!(
            "CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID"
        );
        exec(sql, &query, None)?;
    }
    Ok(())
}

/// Creates the expiring tables that are missing, each with the index by which it forgets.
pub(crate) fn create_expiring(sql: &SqlStorage, tables: &[&str]) -> Result<()> {
    for table in tables {
        let query = format!(
            "CREATE TABLE IF NOT EXISTS {table} \
             (key TEXT PRIMARY KEY, record TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID; \
             CREATE INDEX IF NOT EXISTS {table}_by_expiry ON {table} (expires_at)"
        );
        exec(sql, &query, None)?;
    }
    Ok(())
}

/// Whether the object was ever written to. An object that was not has no tables, and reading must not make any.
pub(crate) fn exist(sql: &SqlStorage, table: &str) -> Result<bool> {
    let query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?";
    Ok(exec(sql, query, vec![table.into()])?.raw().next().transpose()?.is_some())
}
