// What nobody waits for: sweeps of the objects, repetitions of the outbox, and the minute's work in the directory.
// Whatever is broken is left behind; it never holds up the rest.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startServer } from "./support/server.mjs";

const DAY_MS = 86_400_000;
const UNLIMITED = { count: 0, period_seconds: 60 };
const PASSWORD = "a password that nobody knows";
const EXPIRING = ["sign_ups", "budgets", "attempts", "links", "rates"];

const limits = Object.fromEntries(
  ["sign_up_per_source", "sign_up_per_identifier", "verify_per_source", "login_per_source", "login_per_pair"].map((name) => [name, UNLIMITED]),
);

describe("upkeep", () => {
  let server;
  let directory;
  let edge;
  let queue;

  before(async () => {
    server = await startServer({ vars: { passwords: { memory_kib: 64, iterations: 1 }, limits } });
    ({ DIRECTORY: directory, EDGE: edge, OUTBOX: queue } = await server.getEnv());
    await server.fetch("/.well-known/jwks.json");
  });
  after(() => server?.stop());

  const ask = (path, body, headers = {}) =>
    server.fetch(`/api/v1/auth/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  const signUp = async (email, name = "Somebody") => {
    const response = await ask("signup", { email, name, password: PASSWORD });
    assert.equal(response.status, 202);
    return response.json();
  };
  const mails = async (to) => (await server.fetch(`/dev/mailbox?to=${encodeURIComponent(to)}`)).json();

  const until = async (what, look, withinMs = 15_000) => {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const found = await look();
      if (found) return found;
      assert.ok(Date.now() < deadline, `${what} did not come`);
      await sleep(100);
    }
  };

  /** All intake shards that were ever used. */
  const shards = async () => {
    const found = [];
    for (let shard = 0; shard < 16; shard += 1) {
      const storage = await server.objectStorage("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
      if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = 'sign_ups'")).length > 0) found.push(storage);
    }
    return found;
  };
  /** The shard of an address that has signed up, once it has nothing left to do. */
  const shardOf = async (email) => {
    const { registration } = await signUp(email);
    for (const storage of await shards()) {
      const found = await storage.exec("SELECT key FROM sign_ups WHERE key LIKE ?", `%/${registration}`);
      if (found.length === 0) continue;
      await until("an empty outbox", async () => (await storage.exec("SELECT id FROM outbox")).length === 0);
      return storage;
    }
    return assert.fail("no shard took the sign-up");
  };

  const audited = async (id) =>
    (await directory.prepare("SELECT event_id FROM audit_events WHERE event_id = ?").bind(id).all()).results.length === 1;
  const auditOf = (event) => ({ audit: { occurred_at: Date.now(), tenant: "default", account: null, session: null, event, detail: null } });

  describe("an intake shard", () => {
    test("delivers past an outbox row that nobody can read, and keeps that row", async () => {
      const email = "unreadable@users.test";
      const storage = await shardOf(email);
      await storage.exec("INSERT INTO outbox (id, next_at, record) VALUES ('broken', 0, 'not a record')");
      const sent = (await mails(email)).length;
      await signUp(email);
      await until("the mail", async () => (await mails(email)).length > sent);
      const [{ next_at: next }] = await storage.exec("SELECT next_at FROM outbox WHERE id = 'broken'");
      assert.ok(next > Date.now() + 600_000, "it is not tried all the time");
      await storage.exec("DELETE FROM outbox WHERE id = 'broken'");
    });

    test("gives up a mail whose code no longer works, and never a line of the audit trail", async () => {
      const email = "late@users.test";
      const storage = await shardOf(email);
      const insert = (id, age, message) =>
        storage.exec(
          "INSERT INTO outbox (id, next_at, record) VALUES (?, 0, ?)",
          id,
          JSON.stringify({ created_at: Date.now() - age, attempts: 3, message }),
        );
      const mail = (to) => ({ mail: { tenant: "default", to: { address: to }, template: { sign_up_code: { code: "123456", ttl_seconds: 900 } } } });
      await insert("too-late", 901_000, mail("too-late@users.test"));
      await insert("in-time", 800_000, mail("in-time@users.test"));
      await insert("old-audit", 30 * DAY_MS, auditOf("thirty_days_old"));
      await signUp(email);
      await until("the mail in time", async () => (await mails("in-time@users.test")).length === 1);
      await until("the line", () => audited("old-audit"));
      await until("an empty outbox", async () => (await storage.exec("SELECT id FROM outbox")).length === 0);
      assert.deepEqual(await mails("too-late@users.test"), []);
    });

    test("forgets what has expired and nothing else, whether it can be read or not, every ten minutes", async () => {
      const email = "swept@users.test";
      const storage = await shardOf(email);
      const fill = async () => {
        for (const table of EXPIRING) {
          await storage.exec(
            `INSERT INTO ${table} (key, record, expires_at) VALUES ('~/over', 'not a record', ?), ('~/valid', '{}', ?)`,
            Date.now() - 1,
            Date.now() + DAY_MS,
          );
        }
      };
      const left = async () => {
        const found = [];
        for (const table of EXPIRING) {
          found.push((await storage.exec(`SELECT key FROM ${table} WHERE key >= '~' ORDER BY key`)).map(({ key }) => key));
        }
        return found;
      };
      const alarm = async () => {
        const sent = (await mails(email)).length;
        await signUp(email);
        await until("the mail", async () => (await mails(email)).length > sent);
        await until("an empty outbox", async () => (await storage.exec("SELECT id FROM outbox")).length === 0);
      };
      await fill();
      await alarm();
      assert.deepEqual(await left(), EXPIRING.map(() => ["~/over", "~/valid"]), "it was swept a moment ago");
      await storage.exec("UPDATE shard SET record = ? WHERE key = 'swept_at'", String(Date.now() - 600_001));
      await alarm();
      assert.deepEqual(await left(), EXPIRING.map(() => ["~/valid"]));
    });

    test("sweeps through an index", async () => {
      const [storage] = await shards();
      for (const table of EXPIRING) {
        const plan = await storage.exec(`EXPLAIN QUERY PLAN DELETE FROM ${table} WHERE expires_at <= 0`);
        assert.match(plan.map(({ detail }) => detail).join(), new RegExp(`USING (COVERING )?INDEX ${table}_by_expiry`));
      }
    });

    test("stores no address of a source", async () => {
      const response = await ask("login", { email: "nobody@users.test", password: PASSWORD }, { "cf-connecting-ip": "198.51.100.77" });
      assert.equal(response.status, 401);
      let attempts = 0;
      for (const storage of await shards()) {
        for (const { key } of await storage.exec("SELECT key FROM attempts WHERE key < '~'")) {
          attempts += 1;
          assert.match(key, /^[0-9a-f]{32}\/([0-9a-f]{32})?$/);
        }
      }
      assert.ok(attempts >= 2);
    });

    test("tells the mail service neither the registration nor the name that a stranger chose", async () => {
      const email = "discreet@users.test";
      const { registration } = await signUp(email, "Buy at evil dot example");
      const [{ text }] = await until("the mail", async () => {
        const found = await mails(email);
        return found.length > 0 && found;
      });
      assert.doesNotMatch(text, /evil/);
      const { keys } = await edge.list({ prefix: `development/mailbox/${email}/` });
      assert.equal(keys.length, 1);
      assert.ok(!keys[0].name.includes(registration), keys[0].name);
    });

    test("leaves the first half minute to the queue", async () => {
      // A message that the consumer cannot acknowledge stays, with the time of its next delivery.
      const email = "waiting@users.test";
      const storage = await shardOf(email);
      await storage.exec(
        "CREATE TRIGGER kept BEFORE DELETE ON outbox WHEN OLD.id = 'waiting' BEGIN SELECT RAISE(IGNORE); END",
      );
      const record = JSON.stringify({ created_at: Date.now(), attempts: 0, message: auditOf("waiting") });
      await storage.exec("INSERT INTO outbox (id, next_at, record) VALUES ('waiting', 0, ?)", record);
      const started = Date.now();
      await signUp(email);
      await until("the line", () => audited("waiting"));
      const [{ next_at: first }] = await storage.exec("SELECT next_at FROM outbox WHERE id = 'waiting'");
      assert.ok(first >= started + 30_000, `${first - started} ms`);
      await storage.exec("UPDATE outbox SET next_at = 0 WHERE id = 'waiting'");
      await signUp(email);
      const second = await until("the second", async () => {
        const [{ next_at: next }] = await storage.exec("SELECT next_at FROM outbox WHERE id = 'waiting'");
        return next > 0 && next;
      });
      assert.ok(second >= started + 60_000, `${second - started} ms`);
      await storage.exec("DROP TRIGGER kept");
      await storage.exec("DELETE FROM outbox WHERE id = 'waiting'");
    });
  });

  test("a message that is no text holds up nothing of its batch", async () => {
    const parcel = { id: "beside", owner: { account: "00".repeat(16) }, created_at: Date.now(), message: auditOf("beside") };
    await queue.sendBatch([{ body: { no: "text" } }, { body: 5 }, { body: JSON.stringify(parcel) }]);
    await until("the line", () => audited("beside"));
  });

  describe("the cron", () => {
    const openFence = (id, next) =>
      directory
        .prepare("INSERT INTO pending_fences (account_id, credential_version, created_at, next_at, attempts) VALUES (?, 2, 0, ?, 0)")
        .bind(id, next);
    const nextOf = async (id) =>
      (await directory.prepare("SELECT next_at, attempts FROM pending_fences WHERE account_id = ?").bind(id).first()) ?? undefined;
    const remember = (id, age) =>
      directory.prepare("INSERT INTO deliveries (message_id, delivered_at) VALUES (?, ?)").bind(id, Date.now() - age);
    const delivered = async (id) =>
      (await directory.prepare("SELECT message_id FROM deliveries WHERE message_id = ?").bind(id).all()).results.length === 1;

    test("tries a fence that cannot be closed later and later, and the others meanwhile", async () => {
      const stuck = Array.from({ length: 100 }, (_, number) => `ff${number.toString(16).padStart(30, "0")}`);
      const other = "0a".repeat(16);
      await directory.batch([...stuck.map((id) => openFence(id, 0)), openFence(other, 1)]);
      await directory
        .prepare("CREATE TRIGGER stuck BEFORE DELETE ON pending_fences WHEN OLD.account_id LIKE 'ff%' BEGIN SELECT RAISE(ABORT, 'stuck'); END")
        .run();
      const started = Date.now();
      await server.scheduled();
      for (const id of [stuck[0], stuck[99]]) {
        const { next_at: next, attempts } = await nextOf(id);
        assert.equal(attempts, 1);
        assert.ok(next >= started + 60_000);
      }
      await server.scheduled();
      assert.equal(await nextOf(other), undefined);
      await directory.prepare("UPDATE pending_fences SET next_at = 0 WHERE account_id = ?").bind(stuck[0]).run();
      await server.scheduled();
      const { next_at: next, attempts } = await nextOf(stuck[0]);
      assert.equal(attempts, 2);
      assert.ok(next >= started + 120_000);
      await directory.prepare("DROP TRIGGER stuck").run();
      await directory.prepare("DELETE FROM pending_fences").run();
    });

    test("forgets deliveries although fences cannot be read", async () => {
      await directory.batch([remember("old", 7 * DAY_MS + 1_000), remember("recent", 7 * DAY_MS - 60_000)]);
      await directory.prepare("ALTER TABLE pending_fences RENAME TO hidden").run();
      try {
        await server.scheduled();
      } finally {
        await directory.prepare("ALTER TABLE hidden RENAME TO pending_fences").run();
      }
      assert.deepEqual([await delivered("old"), await delivered("recent")], [false, true]);
    });

    test("forgets the audit trail after 396 days, and nothing before", async () => {
      const line = (id, age) =>
        directory
          .prepare("INSERT INTO audit_events (event_id, occurred_at, tenant, event) VALUES (?, ?, 'default', 'tested')")
          .bind(id, Date.now() - age);
      await directory.batch([line("ancient", 396 * DAY_MS + 1_000), line("kept", 396 * DAY_MS - 60_000)]);
      await server.scheduled();
      assert.deepEqual([await audited("ancient"), await audited("kept")], [false, true]);
    });

    test("finds everything by an index", async () => {
      const queries = {
        pending_fences_by_next: "SELECT account_id FROM pending_fences WHERE next_at <= 0 ORDER BY next_at",
        deliveries_by_time: "SELECT message_id FROM deliveries WHERE delivered_at < 0 ORDER BY delivered_at",
        audit_events_by_time: "SELECT event_id FROM audit_events WHERE occurred_at < 0 ORDER BY occurred_at, event_id",
        audit_events_of_logins: "SELECT occurred_at FROM audit_events WHERE account_id = '' AND event = 'session_opened' ORDER BY occurred_at DESC LIMIT 1",
      };
      for (const [index, query] of Object.entries(queries)) {
        const { results } = await directory.prepare(`EXPLAIN QUERY PLAN ${query}`).all();
        assert.match(results.map(({ detail }) => detail).join(), new RegExp(`INDEX ${index}`));
      }
      // A history is the logins and all others, merged as they are read and not sorted.
      const part = (which) => `SELECT occurred_at AS at, event_id AS id FROM audit_events WHERE account_id = '' AND (occurred_at, event_id) < (9, 'g') AND event ${which} 'session_opened'`;
      const { results } = await directory.prepare(`EXPLAIN QUERY PLAN ${part("=")} UNION ALL ${part("<>")} ORDER BY at DESC, id DESC LIMIT 9`).all();
      const plan = results.map(({ detail }) => detail).join();
      for (const step of ["MERGE (UNION ALL)", "INDEX audit_events_of_logins", "INDEX audit_events_of_others"]) assert.ok(plan.includes(step), plan);
      assert.ok(!plan.includes("TEMP B-TREE"), plan);
    });
  });
});
