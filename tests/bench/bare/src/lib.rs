//! A Worker in Rust that does nothing, asks an object for nothing, or reads one key: what the runtime and the crate `worker`
//! cost before anybody has written a line.

mod object;

use worker::{Context, Env, Request, Response, Result, console_error, event};

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
