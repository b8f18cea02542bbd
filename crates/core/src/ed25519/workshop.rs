//! Where tables are made, a slice at a time.

use super::PublicKey;
use super::point::Point;
use super::table::{SLICES, Table, TableBuilder};
use super::tables::Tables;
use alloc::sync::Arc;

/// What a call of [`Workshop::advance`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// There is nothing to do: no key in use is without tables.
    Idle,
    /// A slice was made, and there are more to make.
    Working,
    /// The last slice of a key's tables was made: the next signature is checked by them.
    Finished,
}

/// Makes tables for keys, in slices of less than the time that a signature takes without tables.
///
/// Nothing happens by itself: the host calls [`advance`](Self::advance) when it has time. All keys for which it works
/// share the table of the base point, 123 KB; each key's own is as large.
#[derive(Default)]
pub struct Workshop {
    base: Option<Arc<Table>>,
    work: Option<Work>,
}

struct Work {
    builder: TableBuilder,
    /// The key whose table is being made; none for the base point's.
    key: Option<Arc<PublicKey>>,
}

impl Workshop {
    /// How many slices a first key takes: half of them, once for all keys, for the base point.
    pub const MAX_SLICES: usize = 2 * SLICES;

    /// Nothing made yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { base: None, work: None }
    }

    /// Makes the next slice of the work in hand, or else of the tables for `next`.
    pub fn advance(&mut self, next: Option<&Arc<PublicKey>>) -> Progress {
        let Some(mut work) = self.work.take().or_else(|| Some(self.begin(next?))) else {
            return Progress::Idle;
        };
        let Some(table) = work.builder.advance() else {
            self.work = Some(work);
            return Progress::Working;
        };
        match (work.key, &self.base) {
            (Some(key), Some(base)) => {
                key.set_tables(Tables { base: base.clone(), negative: table });
                Progress::Finished
            }
            _ => {
                self.base = Some(Arc::new(table));
                Progress::Working
            }
        }
    }

    fn begin(&self, key: &Arc<PublicKey>) -> Work {
        let (point, key) = match self.base {
            None => (Point::BASE, None),
            Some(_) => (*key.negative(), Some(key.clone())),
        };
        Work { builder: TableBuilder::new(point), key }
    }
}
