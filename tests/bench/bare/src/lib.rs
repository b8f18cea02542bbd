//! A Worker in Rust that does nothing, asks an object for nothing, reads one key, or reads its request's body: what the
//! runtime and the crate `worker` cost before anybody has written a line.

mod object;

use worker::{Context, Env, Request, Response, Result, console_error, event};

#[event(fetch)]
async fn fetch(mut request: Request, env: Env, _context: Context) -> Result<Response> {
    match request.path().as_str() {
        "/object" => Response::ok(ask_object(&env).await?),
        "/echo" => echo(request.bytes().await?),
        "/echo/object" => {
            let body = request.bytes().await?;
            ask_object(&env).await?;
            echo(body)
        }
        "/kv" => {
            let found = env.kv("EDGE")?.get("bare").text().await;
            let found = found.inspect_err(|error| console_error!("{error}")).unwrap_or_default();
            Response::ok(found.unwrap_or_default())
        }
        _ => Response::ok("ok"),
    }
}

async fn ask_object(env: &Env) -> Result<String> {
    let stub = env.durable_object("BARE")?.get_by_name("bare")?;
    stub.fetch_with_str("https://object/").await?.text().await
}

/// The body again, with as many headers as an answer of ours has.
fn echo(body: Vec<u8>) -> Result<Response> {
    let response = Response::from_bytes(body)?;
    let headers = response.headers();
    headers.set("content-type", "application/json")?;
    headers.set("cache-control", "no-store")?;
    headers.set("x-content-type-options", "nosniff")?;
    headers.set("x-request-id", "00000000000000000000000000000000")?;
    Ok(response)
}
