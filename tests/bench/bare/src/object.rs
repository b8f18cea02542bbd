//! An object that reads one row.

use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

/// The object.
#[durable_object(fetch)]
pub struct Bare {
    state: State,
}

impl DurableObject for Bare {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        let sql = self.state.storage().sql();
        let rows = sql.exec("SELECT name FROM sqlite_master LIMIT 1", None)?;
        Response::ok(rows.raw().count().to_string())
    }
}
