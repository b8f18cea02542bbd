//! Statements in an object's own database. All of them are run here, so that development builds can count their rows.

use crate::operations;
use std::ops::Deref;
use worker::{Result, SqlCursor, SqlStorage, SqlStorageValue};

/// The rows of a statement. What it touches is counted when it is dropped: keep it until they are read.
pub(crate) struct Cursor(SqlCursor);

impl Deref for Cursor {
    type Target = SqlCursor;

    fn deref(&self) -> &SqlCursor {
        &self.0
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        operations::object_rows(self);
    }
}

/// Runs a statement, or several without values.
pub(crate) fn exec(
    sql: &SqlStorage,
    query: &str,
    values: impl Into<Option<Vec<SqlStorageValue>>>,
) -> Result<Cursor> {
    sql.exec(query, values).map(Cursor)
}
