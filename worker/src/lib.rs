//! Postern as a Cloudflare Worker.
//!
//! This crate is the only one that knows Cloudflare. It loads, asks the core to decide, and commits; it holds no
//! rules of its own. `ARCHITECTURE.md` says where state lives and in which order it is written.

mod ambient;
mod environment;
mod object;
mod operations;
mod outbox;
mod route;
mod store;
mod timer;
mod upkeep;
mod webcrypto;
mod wire;

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::route::exchange::{Event, Exchange};
use crate::wire::request::Request;
use postern_core::codec::base16;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Context, Env, MessageBatch, Response, Result, ScheduleContext, ScheduledEvent, event};

/// One HTTP request.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let ambient = Ambient::read();
    // Looking at mails and counts is no part of what is counted.
    #[cfg(feature = "development")]
    let counted = !request.path().starts_with("/dev/");
    #[cfg(feature = "development")]
    if counted {
        operations::begin();
    }
    let request_id = draw_request_id(ambient);
    let response = serve(request, &env, context, ambient, &request_id).await?;
    let headers = response.headers();
    headers.set("x-request-id", &request_id)?;
    headers.set("x-content-type-options", "nosniff")?;
    #[cfg(feature = "development")]
    if counted {
        headers.set("x-postern-operations", &operations::summary())?;
        headers.set("x-postern-calls", &operations::calls())?;
    }
    if headers.get("cache-control")?.is_none() {
        headers.set("cache-control", "no-store")?;
    }
    Ok(response)
}

async fn serve(
    request: Request,
    env: &Env,
    context: Context,
    ambient: Ambient,
    request_id: &str,
) -> Result<Response> {
    let environment = Environment::open(env).and_then(|environment| {
        let is_for_all = route::table::is_for_all_tenants(request.path());
        if is_for_all { Ok(environment) } else { environment.of_request(&request) }
    });
    let environment = match environment {
        Ok(environment) => environment,
        Err(problem) => return problem.into_response(request_id),
    };
    let (met_limits, possession) = (environment.met_limits().clone(), environment.possession().clone());
    let exchange = Exchange::new(request, Event::new(environment, ambient, context));
    let answer = admitted(&exchange).await;
    let response = answer.or_else(|problem| {
        let problem = route::authenticate::challenged(&exchange, problem);
        problem.into_response(request_id)
    })?;
    met_limits.write(response.headers(), response.status_code())?;
    possession.write(response.headers())?;
    Ok(response)
}

/// Serves a request, if the platform's own rate limit lets it through.
async fn admitted(exchange: &Exchange) -> wire::answer::Answer {
    if route::table::is_shielded(exchange.request.path()) {
        store::shield::admit(&exchange.environment, &exchange.source()).await?;
    }
    know_definitions(&exchange.environment, exchange.ambient).await;
    route::table::serve(exchange).await
}

/// Renews what this isolate knows of what operators have defined. Where that fails, what needs it says so.
async fn know_definitions(environment: &Environment, ambient: Ambient) {
    if let Err(problem) = store::definitions::know(environment, ambient.now(), 0).await {
        worker::console_error!("definitions: {}", problem.code());
    }
}

fn draw_request_id(ambient: Ambient) -> String {
    match ambient.random::<16>() {
        Ok(random) => base16::encode(&random.into_bytes()),
        Err(_) => String::new(),
    }
}

/// One call of `AuthService.validate` by another Worker: a question and its answer, both as the JSON text that the
/// bodies of `POST /api/v1/auth/validate` would have. A refusal is a problem document, too.
#[wasm_bindgen(
    wasm_bindgen = worker::wasm_bindgen,
    wasm_bindgen_futures = worker::wasm_bindgen_futures,
    js_sys = worker::js_sys
)]
pub async fn validate(question: String, env: Env, context: worker::worker_sys::Context) -> String {
    let ambient = Ambient::read();
    let answered = match Environment::open(&env) {
        Ok(environment) => {
            know_definitions(&environment, ambient).await;
            let event = Event::new(environment, ambient, Context::new(context));
            route::validate::answer(event, &question).await
        }
        Err(problem) => Err(problem),
    };
    answered.unwrap_or_else(|problem| problem.document(&draw_request_id(ambient)))
}

/// One batch of outbox messages, or of dead letters.
#[event(queue)]
async fn queue(batch: MessageBatch<JsValue>, env: Env, _context: Context) -> Result<()> {
    // An error returned here would become a panic, which ends every other request of the isolate.
    let consumed = match Environment::open(&env) {
        Ok(environment) => outbox::consumer::consume(&environment, &batch, Ambient::read()).await,
        Err(problem) => Err(worker::Error::RustError(problem.code().into())),
    };
    if let Err(error) = consumed {
        worker::console_error!("queue: {error}");
        batch.retry_all();
    }
    Ok(())
}

/// Once a minute: finishes what was left open, and forgets what has expired.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let finished = match Environment::open(&env) {
        Ok(environment) => upkeep::run(&environment, Ambient::read()).await,
        Err(problem) => Err(problem),
    };
    if let Err(problem) = finished {
        worker::console_error!("upkeep: {}", problem.code());
    }
}
