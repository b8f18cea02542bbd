// Stand-ins for KV, D1 and Queues: they speak what workerd's bindings speak, and keep everything in one SQLite
// object. They are as fast as that is, and no statement about Cloudflare's stores.

import { DurableObject } from "cloudflare:workers";

const store = (env) => env.STORE.get(env.STORE.idFromName("store"));

/** `kvNamespace` talks HTTP: GET, PUT and DELETE of `/KEY?expiration_ttl=`. */
export const kv = {
  async fetch(request, env) {
    const url = new URL(request.url);
    const key = decodeURIComponent(url.pathname.slice(1));
    if (request.method === "GET") {
      const value = await store(env).kvGet(key);
      return value === null ? new Response(null, { status: 404 }) : new Response(value);
    }
    if (request.method === "PUT") {
      const ttl = url.searchParams.get("expiration_ttl");
      await store(env).kvPut(key, await request.text(), ttl === null ? null : Date.now() + Number(ttl) * 1000);
    } else {
      await store(env).kvDelete(key);
    }
    return new Response(null);
  },
};

/** The D1 binding posts one `{sql, params}` or an array of them, which is a transaction. */
export const d1 = {
  async fetch(request, env) {
    const queries = await request.json();
    const format = new URL(request.url).searchParams.get("resultsFormat");
    const answers = await store(env).query([queries].flat(), format);
    return Response.json(Array.isArray(queries) ? answers : answers[0]);
  },
};

const waiting = [];
let delivering;

/** A queue takes a message by POST, and hands batches of ten to the consumer. */
export const queue = {
  async fetch(request, env, context) {
    const format = request.headers.get("x-msg-fmt");
    if (format !== "json" && format !== "text") throw new Error(`queue format ${format}`);
    const body = format === "json" ? await request.json() : await request.text();
    waiting.push({ id: crypto.randomUUID(), timestamp: new Date(), body, attempts: 1 });
    delivering ??= deliver(env);
    context.waitUntil(delivering);
    return Response.json({ metadata: { metrics: { backlogCount: 0, backlogBytes: 0, oldestMessageTimestamp: 0 } } });
  },
};

async function deliver(env) {
  await scheduler.wait(20);
  const batch = waiting.splice(0, 10);
  // The next message may come while this batch is on its way: it starts a delivery of its own.
  delivering = waiting.length > 0 ? deliver(env) : undefined;
  const next = delivering;
  const answer = await env.MAIN.queue("postern-outbox", batch);
  if (answer.outcome !== "ok") console.error("queue:", JSON.stringify(answer));
  await next;
}

/** All rows of all stores. */
export class Store extends DurableObject {
  constructor(context, env) {
    super(context, env);
    this.sql = context.storage.sql;
    // An object that was idle for ten seconds is constructed again, on the tables that it has.
    if (this.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'kv'").toArray().length > 0) return;
    context.storage.transactionSync(() => {
      this.sql.exec("CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at INTEGER)");
      this.sql.exec(env.DIRECTORY_SCHEMA);
    });
  }

  kvGet(key) {
    const [row] = this.sql.exec("SELECT value, expires_at FROM kv WHERE key = ?", key).toArray();
    return row === undefined || (row.expires_at !== null && row.expires_at <= Date.now()) ? null : row.value;
  }

  kvPut(key, value, expiresAt) {
    this.sql.exec("INSERT OR REPLACE INTO kv VALUES (?, ?, ?)", key, value, expiresAt);
  }

  kvDelete(key) {
    this.sql.exec("DELETE FROM kv WHERE key = ?", key);
  }

  query(queries, format) {
    return this.ctx.storage.transactionSync(() => queries.map((query) => this.#run(query, format)));
  }

  #run({ sql, params = [] }, format) {
    const cursor = this.sql.exec(sql, ...params);
    const columns = cursor.columnNames;
    const rows = [...cursor.raw()];
    const [{ changes, last_row_id }] = this.sql.exec("SELECT changes() AS changes, last_insert_rowid() AS last_row_id").toArray();
    const meta = { duration: 0, changes, last_row_id, changed_db: changes > 0, size_after: 0, rows_read: cursor.rowsRead, rows_written: cursor.rowsWritten };
    const objects = () => rows.map((row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])));
    return { success: true, results: format === "ROWS_AND_COLUMNS" ? { columns, rows } : objects(), meta };
  }
}

export default kv;
