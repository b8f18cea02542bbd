//! Two writes with something in between: the evidence for [`commit`], in development builds only.

use crate::object::records::{self, Records};
use crate::object::sql::exec;
use crate::object::transaction::commit;
use serde::{Deserialize, Serialize};
use worker::{Error, Result, Storage};

/// The object that is asked. Nothing else has this name.
pub(crate) const NAME: &str = "development/two-writes";

const TABLE: &str = "two_writes";

/// Two writes to make, and how.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct TwoWrites {
    /// Whether they are made by [`commit`], or just one after the other.
    pub(crate) committed: bool,
    pub(crate) between: Between,
}

/// What happens between the two writes.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Between {
    Nothing,
    /// Our own code returns an error.
    Error,
    /// The second statement breaks a constraint, so that the runtime throws.
    Exception,
    /// Our own code panics.
    Panic,
}

/// What came of it: the error if there was one, and the writes that are there.
#[derive(Serialize, Deserialize)]
pub(crate) struct Remaining {
    refusal: Option<String>,
    writes: Vec<String>,
}

/// Makes the two writes in a table that was empty before.
#[allow(clippy::panic, reason = "a panic between two writes is one of the cases")]
pub(crate) fn make(storage: &Storage, call: TwoWrites) -> Result<Remaining> {
    let sql = storage.sql();
    let table = Records::new(&sql, TABLE);
    records::create(&sql, &[TABLE])?;
    for key in table.first_keys(2)? {
        table.delete(&key)?;
    }
    let change = || {
        table.put("first", &true)?;
        match call.between {
            Between::Nothing => {}
            Between::Error => return Err(Error::RustError("on purpose".into())),
            Between::Exception => {
                exec(&sql, &format!("INSERT INTO {TABLE} (key, record) VALUES ('second', NULL)"), None)?;
            }
            Between::Panic => panic!("on purpose"),
        }
        table.put("second", &true)
    };
    let outcome = if call.committed { commit(storage, change) } else { change() };
    let refusal = outcome.err().map(|error| error.to_string());
    Ok(Remaining { refusal, writes: table.first_keys(2)? })
}
