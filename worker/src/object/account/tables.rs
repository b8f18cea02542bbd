//! Which tables of an account are known to be there, so that no call has to ask: asking costs as much as reading a record.

use super::{ACCOUNT, OPERATIONS, SESSIONS};
use crate::object::records;
use crate::outbox::rows;
use std::cell::Cell;
use worker::{Result, SqlStorage};

/// What one instance of an object has found out. Tables are dropped with everything else or not at all.
#[derive(Default)]
pub(super) struct Tables {
    /// The account was opened: it has a record, and sessions.
    are_opened: Cell<bool>,
    /// A commit of this instance has made whatever was missing.
    are_whole: Cell<bool>,
}

impl Tables {
    /// Whether the account was ever opened. One that was not has no tables, and reading must not make any.
    pub(super) fn are_opened(&self, sql: &SqlStorage) -> Result<bool> {
        if !self.are_opened.get() {
            self.are_opened.set(records::exist(sql, ACCOUNT)?);
        }
        Ok(self.are_opened.get())
    }

    /// Whether what was done is written down anywhere.
    pub(super) fn have_operations(&self, sql: &SqlStorage) -> Result<bool> {
        Ok(self.are_whole.get() || records::exist(sql, OPERATIONS)?)
    }

    /// Makes those that are missing, within a transaction.
    pub(super) fn create(&self, sql: &SqlStorage) -> Result<()> {
        if self.are_whole.get() {
            return Ok(());
        }
        records::create(sql, &[ACCOUNT, SESSIONS, OPERATIONS])?;
        rows::create(sql)
    }

    /// The transaction is committed.
    pub(super) fn are_created(&self) {
        self.are_opened.set(true);
        self.are_whole.set(true);
    }

    /// Everything was dropped.
    pub(super) fn are_gone(&self) {
        self.are_opened.set(false);
        self.are_whole.set(false);
    }
}
