//! Cloudflare Worker: a placeholder that touches every binding.
#![allow(missing_docs, reason = "placeholder")]

use worker::{
    Context, D1Database, DurableObject, Env, MessageBatch, MessageExt as _, Request, Response, Result,
    ScheduleContext, ScheduledEvent, State, durable_object, event,
};

#[cfg(feature = "development")]
pub const DEVELOPMENT_MARKER: &str = "POSTERN-DEVELOPMENT-SURFACE";

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let path = request.path();
    match path.as_str() {
        "/health" => Response::ok("ok"),
        #[cfg(feature = "development")]
        "/dev" => Response::ok(DEVELOPMENT_MARKER),
        #[cfg(feature = "development")]
        "/dev/panic" => panic(),
        "/kv" => {
            let kv = env.kv("EDGE")?;
            let next =
                kv.get("n").text().await?.and_then(|n| n.parse::<u32>().ok()).unwrap_or(0).saturating_add(1);
            kv.put("n", next.to_string())?.execute().await?;
            Response::ok(next.to_string())
        }
        "/d1" => {
            let database: D1Database = env.d1("DIRECTORY")?;
            let row: Option<i32> = database
                .prepare("insert into placeholder default values returning id")
                .first(Some("id"))
                .await?;
            Response::ok(row.unwrap_or(0).to_string())
        }
        "/queue" => {
            env.queue("OUTBOX")?.send("hello").await?;
            Response::ok("queued")
        }
        _ => match path.strip_prefix("/object/") {
            Some(binding) => {
                env.durable_object(binding)?
                    .get_by_name("one")?
                    .fetch_with_str(&request.url()?.to_string())
                    .await
            }
            None => Response::error("not found", 404),
        },
    }
}

#[cfg(feature = "development")]
#[allow(clippy::panic, reason = "proves that the shim survives it")]
fn panic() -> Result<Response> {
    panic!("on purpose")
}

#[event(queue)]
async fn queue(batch: MessageBatch<String>, env: Env, _context: Context) -> Result<()> {
    for message in batch.messages()?.iter() {
        env.kv("EDGE")?.put("queued", message.body().as_str())?.execute().await?;
        message.ack();
    }
    Ok(())
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    if let Ok(kv) = env.kv("EDGE")
        && let Ok(put) = kv.put("cron", "ran")
    {
        let _ = put.execute().await;
    }
}

macro_rules! object {
    ($name:ident) => {
        #[durable_object]
        pub struct $name(State);

        impl DurableObject for $name {
            fn new(state: State, _env: Env) -> Self {
                Self(state)
            }

            async fn fetch(&self, request: Request) -> Result<Response> {
                #[cfg(feature = "development")]
                if request.url()?.query() == Some("panic") {
                    return panic();
                }
                if request.url()?.query() == Some("slow") {
                    worker::Delay::from(core::time::Duration::from_secs(20)).await;
                }
                let sql = self.0.storage().sql();
                sql.exec("create table if not exists t (n integer)", None)?;
                sql.exec("insert into t values (1)", None)?;
                let rows: Vec<serde_json::Value> =
                    sql.exec("select count(*) as n from t", None)?.to_array()?;
                Response::from_json(&rows)
            }

            async fn alarm(&self) -> Result<Response> {
                Response::ok("")
            }
        }
    };
}

object!(AccountObject);
object!(IntakeObject);
object!(KeyringObject);
object!(LimiterObject);
object!(RevocationObject);
