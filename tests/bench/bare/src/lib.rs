//! A Worker in Rust that does nothing, asks an object for nothing, or reads one key: what the runtime and the crate `worker`
//! cost before anybody has written a line.

use worker::{
    Context, DurableObject, Env, Request, Response, Result, State, console_error, durable_object, event,
};

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    match request.path().as_str() {
        "/object" => {
            let stub = env.durable_object("BARE")?.get_by_name("bare")?;
            let answer = stub.fetch_with_str("https://object/").await?.text().await?;
            Response::ok(answer)
        }
        "/kv" => {
            let found = env.kv("EDGE")?.get("bare").text().await;
            let found = found.inspect_err(|error| console_error!("{error}")).unwrap_or_default();
            Response::ok(found.unwrap_or_default())
        }
        _ => Response::ok("ok"),
    }
}

/// An object that reads one row.
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
