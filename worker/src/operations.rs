//! What a request asks of the stores: for the page of costs, and for tests that say "reads no storage".
//!
//! Counted in development builds only, per isolate: requests that run at the same time count together, and so does
//! what objects, alarms and the queue's consumer do meanwhile.

use crate::object::sql::Cursor;
use worker::D1Result;
use worker::wasm_bindgen::JsValue;

/// What can be counted.
#[derive(Clone, Copy)]
pub(crate) enum Store {
    /// An alarm that is set.
    AlarmSet,
    /// An alarm that rings.
    Alarm,
    /// A statement in D1, alone or in a batch.
    Directory,
    /// A batch in D1: one transaction.
    DirectoryBatch,
    /// A read of KV.
    EdgeRead,
    /// A write or removal in KV.
    EdgeWrite,
    /// A message sent to the queue.
    Queue,
}

pub(crate) use counting::{batch_rows, call, count, directory_rows, object_rows};
#[cfg(feature = "development")]
pub(crate) use counting::{begin, calls, summary, to_json};

#[cfg(feature = "development")]
mod counting {
    use super::{Cursor, D1Result, JsValue, Store};
    use std::cell::Cell;
    use worker::js_sys::Reflect;

    /// In the order of the counts.
    const NAMES: [&str; 16] = [
        "account",
        "intake",
        "keyring",
        "limiter",
        "revocation",
        "alarms_set",
        "alarms",
        "object_rows_read",
        "object_rows_written",
        "d1_statements",
        "d1_batches",
        "d1_rows_read",
        "d1_rows_written",
        "kv_reads",
        "kv_writes",
        "queue_messages",
    ];
    /// How many of them are calls to objects, by class.
    const CLASSES: usize = 5;

    /// Doubles, as JavaScript counts.
    type Counts = [f64; NAMES.len()];

    thread_local! {
        static COUNTS: Cell<Counts> = const { Cell::new([0.0; NAMES.len()]) };
        /// What it was when the last request was answered.
        static ANSWERED: Cell<Counts> = const { Cell::new([0.0; NAMES.len()]) };
    }

    /// Begins to count for a request.
    pub(crate) fn begin() {
        COUNTS.set([0.0; NAMES.len()]);
    }

    /// Counts one operation.
    pub(crate) fn count(store: Store) {
        let name = match store {
            Store::AlarmSet => "alarms_set",
            Store::Alarm => "alarms",
            Store::Directory => "d1_statements",
            Store::DirectoryBatch => "d1_batches",
            Store::EdgeRead => "kv_reads",
            Store::EdgeWrite => "kv_writes",
            Store::Queue => "queue_messages",
        };
        add(name, 1.0);
    }

    /// Counts a call to the object of this name. Only accounts are called by their bare id.
    pub(crate) fn call(object: &str) {
        add(object.split('/').nth(1).unwrap_or("account"), 1.0);
    }

    /// Counts the rows of D1 that a statement has touched, by the `meta` of its result.
    pub(crate) fn directory_rows(result: &JsValue) {
        let number = |name: &str| {
            let meta = Reflect::get(result, &"meta".into()).ok()?;
            Reflect::get(&meta, &name.into()).ok()?.as_f64()
        };
        add("d1_rows_read", number("rows_read").unwrap_or(f64::NAN));
        add("d1_rows_written", number("rows_written").unwrap_or(f64::NAN));
    }

    /// The same of the statements of a batch.
    pub(crate) fn batch_rows(results: &[D1Result]) {
        for result in results {
            let meta = result.meta().ok().flatten();
            add("d1_rows_read", number(meta.as_ref().and_then(|meta| meta.rows_read)));
            add("d1_rows_written", number(meta.and_then(|meta| meta.rows_written)));
        }
    }

    /// Counts the rows that a statement has touched in an object's own database.
    pub(crate) fn object_rows(cursor: &Cursor) {
        add("object_rows_read", number(Some(cursor.rows_read())));
        add("object_rows_written", number(Some(cursor.rows_written())));
    }

    /// What is not known is not zero.
    fn number(rows: Option<usize>) -> f64 {
        rows.and_then(|rows| u32::try_from(rows).ok()).map_or(f64::NAN, f64::from)
    }

    /// What was counted until the answer, as the value of the debug header.
    pub(crate) fn summary() -> String {
        let counts = COUNTS.get();
        ANSWERED.set(counts);
        let sum = |names: &[&str]| -> f64 {
            NAMES.iter().zip(counts).filter(|(name, _)| names.contains(name)).map(|(_, count)| count).sum()
        };
        let objects: f64 = counts.iter().take(CLASSES).sum();
        format!("objects={objects} d1={} kv={}", sum(&["d1_statements"]), sum(&["kv_reads", "kv_writes"]))
    }

    /// The same by the kind of what was asked, but for the keyring, whose copy comes once a minute whoever asks, and for
    /// rows, which are read when there is somebody: what must not depend on who is asked about.
    pub(crate) fn calls() -> String {
        const ALIKE: [&str; 7] =
            ["account", "intake", "limiter", "revocation", "d1_statements", "d1_batches", "kv_reads"];
        let counted = NAMES.iter().zip(COUNTS.get()).filter(|(name, _)| ALIKE.contains(name));
        let members: Vec<_> = counted.map(|(name, count)| format!("{name}={count}")).collect();
        members.join(" ")
    }

    /// Everything that was counted, until the answer to the last request and until now.
    pub(crate) fn to_json() -> String {
        let members = |counts: Counts| -> String {
            let members: Vec<_> =
                NAMES.iter().zip(counts).map(|(name, count)| format!("\"{name}\":{count}")).collect();
            members.join(",")
        };
        format!("{{\"answer\":{{{}}},\"total\":{{{}}}}}", members(ANSWERED.get()), members(COUNTS.get()))
    }

    fn add(name: &str, amount: f64) {
        let mut counts = COUNTS.get();
        if let Some((_, count)) = NAMES.iter().zip(&mut counts).find(|(known, _)| **known == name) {
            *count += amount;
        }
        COUNTS.set(counts);
    }
}

/// A release build does not count.
#[cfg(not(feature = "development"))]
mod counting {
    use super::{Cursor, D1Result, JsValue, Store};

    pub(crate) const fn count(_store: Store) {}
    pub(crate) const fn call(_object: &str) {}
    pub(crate) const fn directory_rows(_result: &JsValue) {}
    pub(crate) const fn batch_rows(_results: &[D1Result]) {}
    pub(crate) const fn object_rows(_cursor: &Cursor) {}
}
