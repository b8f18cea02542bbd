// Stand-ins for KV, D1 and Queues: they speak what workerd's bindings speak. They are as fast as they are, and no
// statement about Cloudflare's stores.

import { DurableObject } from "cloudflare:workers";

const entries = new Map();

/** `kvNamespace` talks HTTP: GET, PUT and DELETE of `/KEY`. In memory, as the copy that a colo's cache holds. */
export const kv = {
  async fetch(request) {
    const key = new URL(request.url).pathname;
    if (request.method === "GET") return entries.has(key) ? new Response(entries.get(key)) : new Response(null, { status: 404 });
    if (request.method === "PUT") entries.set(key, await request.text());
    else entries.delete(key);
    return new Response(null);
  },
};

/** The D1 binding posts one `{sql, params}` or an array of them, which is a transaction. */
export const d1 = {
  async fetch(request, env) {
    const queries = await request.json();
    const format = new URL(request.url).searchParams.get("resultsFormat");
    const answers = await env.STORE.get(env.STORE.idFromName("directory")).query([queries].flat(), format);
    return Response.json(Array.isArray(queries) ? answers : answers[0]);
  },
};

const waiting = [];
let isDelivering = false;

/** A queue takes a message by POST, and hands batches of ten to the consumer. */
export const queue = {
  async fetch(request, env, context) {
    const format = request.headers.get("x-msg-fmt");
    if (format !== "json" && format !== "text") throw new Error(`queue format ${format}`);
    const body = format === "json" ? await request.json() : await request.text();
    waiting.push({ id: crypto.randomUUID(), timestamp: new Date(), body, attempts: 1 });
    // Whoever finds nobody delivering does it: a promise of one request is not waited for by another.
    if (!isDelivering) context.waitUntil(deliver(env));
    return Response.json({ metadata: { metrics: { backlogCount: 0, backlogBytes: 0, oldestMessageTimestamp: 0 } } });
  },
};

async function deliver(env) {
  isDelivering = true;
  try {
    do {
      await scheduler.wait(20);
      const answer = await env.MAIN.queue("postern-outbox", waiting.splice(0, 10));
      if (answer.outcome !== "ok") console.error("queue:", JSON.stringify(answer));
    } while (waiting.length > 0);
  } finally {
    isDelivering = false;
  }
}

/** More than a statement of any flow reads, however many accounts there are. */
const MOST_ROWS = 40;
const NUMBERED = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)";
const ID = "lower(printf('%032x', n * 2654435761))";
const ADDRESS = "'user' || n || '@example.org'";
/** As many accounts as the value says, unless it is zero. */
const POPULATION = [
  `${NUMBERED} INSERT INTO users (account_id, tenant, email, name, status, roles, created_at) SELECT ${ID}, 'default', ${ADDRESS}, 'User', 'active', '["user"]', 1700000000000 FROM numbers WHERE n <= ?1`,
  `${NUMBERED} INSERT INTO credentials (account_id, password_hash, version, updated_at) SELECT ${ID}, '$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBvaw$n286M/e/+s2GZqOiGuo9uK8zB5cz3pwXwa9QHMHv7A0', 1, 1700000000000 FROM numbers WHERE n <= ?1`,
  `${NUMBERED} INSERT INTO identifiers (tenant, kind, value, account_id, verified_at, created_at) SELECT 'default', 'email', ${ADDRESS}, ${ID}, 1700000000000, 1700000000000 FROM numbers WHERE n <= ?1`,
];

/** The database behind D1. */
export class Store extends DurableObject {
  constructor(context, env) {
    super(context, env);
    this.sql = context.storage.sql;
    // An object that was idle for ten seconds is constructed again, on the tables that it has.
    if (this.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'identifiers'").toArray().length > 0) return;
    context.storage.transactionSync(() => {
      this.sql.exec(env.DIRECTORY_SCHEMA);
      for (const statement of POPULATION) this.sql.exec(statement, Number(env.DIRECTORY_USERS));
    });
  }

  query(queries, format) {
    return this.ctx.storage.transactionSync(() => queries.map((query) => this.#run(query, format)));
  }

  #run({ sql, params = [] }, format) {
    const cursor = this.sql.exec(sql, ...params);
    const columns = cursor.columnNames;
    const rows = [...cursor.raw()];
    // What ends a run: see docs/benchmarks.md.
    if (cursor.rowsRead > MOST_ROWS) console.error(`${cursor.rowsRead} rows read by ${sql}`);
    const [{ changes, last_row_id }] = this.sql.exec("SELECT changes() AS changes, last_insert_rowid() AS last_row_id").toArray();
    const meta = { duration: 0, changes, last_row_id, changed_db: changes > 0, size_after: 0, rows_read: cursor.rowsRead, rows_written: cursor.rowsWritten };
    const objects = () => rows.map((row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])));
    return { success: true, results: format === "ROWS_AND_COLUMNS" ? { columns, rows } : objects(), meta };
  }
}

export default kv;
