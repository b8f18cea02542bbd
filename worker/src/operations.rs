//! How many stores a request touches, for the cost table and for tests that say "reads no storage".
//!
//! Counted in development builds only, per isolate: requests that run at the same time count together.

#[cfg(feature = "development")]
use std::cell::Cell;

/// A store that a request can touch.
#[derive(Clone, Copy)]
pub(crate) enum Store {
    /// A call to a Durable Object.
    Object,
    /// A statement or batch in D1.
    Directory,
    /// A read or write of KV.
    Edge,
}

#[cfg(feature = "development")]
thread_local! {
    static COUNTS: Cell<[u32; 3]> = const { Cell::new([0; 3]) };
}

/// Counts one operation.
#[cfg(feature = "development")]
pub(crate) fn count(store: Store) {
    let [objects, directory, edge] = COUNTS.get();
    COUNTS.set(match store {
        Store::Object => [objects.saturating_add(1), directory, edge],
        Store::Directory => [objects, directory.saturating_add(1), edge],
        Store::Edge => [objects, directory, edge.saturating_add(1)],
    });
}

/// A release build does not count.
#[cfg(not(feature = "development"))]
pub(crate) const fn count(_store: Store) {}

/// Begins to count for a request.
#[cfg(feature = "development")]
pub(crate) fn begin() {
    COUNTS.set([0; 3]);
}

/// What was counted since, as the value of the debug header.
#[cfg(feature = "development")]
pub(crate) fn summary() -> String {
    let [objects, directory, edge] = COUNTS.get();
    format!("objects={objects} d1={directory} kv={edge}")
}
