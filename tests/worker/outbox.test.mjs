// What follows a commit: mails and the audit trail by way of the outbox, the queue and its consumer, and the
// minute's upkeep. A mail service that is down delays mails and loses none; what is delivered twice is done once.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startServer } from "./support/server.mjs";

/** What hangs takes that long; a busy machine must answer within it. */
const MAIL_TIMEOUT_MS = 2_000;
const DAY_MS = 86_400_000;
const UNLIMITED = { count: 0, period_seconds: 60 };
const PASSWORD = "a password that nobody knows";

/** A mail service that can be told to fail. */
class MailService {
  /** `accept`, `refuse` with 503, or `hang` without an answer. */
  mode = "accept";
  /** Every request, refused ones included: `{ key, id, from, to, subject, text, accepted }`. */
  requests = [];
  #server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    const accepted = this.mode === "accept";
    this.requests.push({ key: request.headers["idempotency-key"], ...JSON.parse(text), accepted });
    if (this.mode !== "hang") response.writeHead(accepted ? 202 : 503).end();
  });

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${this.#server.address().port}/send`;
  }

  to(address) {
    return this.requests.filter((request) => request.to === address);
  }

  accepted(address) {
    return this.to(address).filter((request) => request.accepted);
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe("the outbox", () => {
  const mail = new MailService();
  let server;
  let directory;
  let queue;

  before(async () => {
    const url = await mail.start();
    server = await startServer({
      vars: {
        passwords: { memory_kib: 64, iterations: 1 },
        mail: { sender: "http", url, from: "auth@postern.test", timeout_ms: MAIL_TIMEOUT_MS },
        limits: { sign_up_per_source: UNLIMITED, verify_per_source: UNLIMITED, login_per_source: UNLIMITED },
      },
    });
    ({ DIRECTORY: directory, OUTBOX: queue } = await server.getEnv());
    // The first request of all draws the keys.
    await server.fetch("/.well-known/jwks.json");
  });
  after(async () => {
    await server?.stop();
    mail.stop();
  });

  const ask = (path, body) =>
    server.fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

  const signUp = async (email) => {
    const response = await ask("/api/v1/auth/signup", { email, name: "Somebody", password: PASSWORD });
    assert.equal(response.status, 202);
    return { operations: response.headers.get("x-postern-operations"), ...(await response.json()) };
  };

  const account = async (email) => {
    const { registration } = await signUp(email);
    const [{ text }] = await until("the mail", () => mail.accepted(email), ({ length }) => length > 0);
    const otp = /code is (\S+)\./.exec(text)[1];
    const response = await ask("/api/v1/auth/verify-signup", { email, otp, registration });
    assert.equal(response.status, 200);
    const tokens = await response.json();
    const { sub } = JSON.parse(Buffer.from(tokens.access_token.split(".")[1], "base64url"));
    return { id: sub, ...tokens };
  };

  const strict = async ({ access_token: token }) => {
    const response = await ask("/api/v1/auth/validate", { token, mode: "strict" });
    return { status: response.status, code: (await response.json()).code };
  };

  /** The outbox rows of all intake shards, as the parcels that go through the queue. */
  const parcels = async () => {
    const found = [];
    for (let shard = 0; shard < 16; shard += 1) {
      const storage = await server.objectStorage("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
      if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = 'outbox'")).length === 0) continue;
      for (const { id, record } of await storage.exec("SELECT id, record FROM outbox")) {
        const { created_at, message } = JSON.parse(record);
        found.push({ id, owner: { intake: shard }, created_at, message });
      }
    }
    return found;
  };

  /** The row of the mail to an address. */
  const rowOf = async (email) => (await parcels()).find(({ message }) => message.mail?.to.address === email);

  const audit = (id, event) => ({
    id,
    owner: { account: "00".repeat(16) },
    created_at: Date.now(),
    message: { audit: { occurred_at: Date.now(), tenant: "default", account: null, session: null, event, detail: null } },
  });

  const audited = async (event) =>
    (await directory.prepare("SELECT event_id FROM audit_events WHERE event = ?").bind(event).all()).results;

  /** Everything sent to the queue before has been consumed: the consumer takes its messages one by one. */
  const consumed = async (name) => {
    await queue.send(JSON.stringify(audit(`marker-${name}`, name)));
    await until(`the marker ${name}`, () => audited(name), ({ length }) => length === 1);
  };

  const delivered = async (id) =>
    (await directory.prepare("SELECT message_id FROM deliveries WHERE message_id = ?").bind(id).all()).results.length === 1;

  describe("while the mail service is up", () => {
    test("a mail is sent once, remembered, and its row leaves the outbox", async () => {
      const { registration } = await signUp("up@users.test");
      await until("the mail", () => mail.accepted("up@users.test"), ({ length }) => length > 0);
      await until("an empty outbox", parcels, ({ length }) => length === 0);
      const [request, ...more] = mail.to("up@users.test");
      assert.deepEqual(more, []);
      assert.equal(request.id, request.key);
      assert.notEqual(request.key, registration, "the registration is the client's alone");
      assert.equal(request.from, "auth@postern.test");
      assert.ok(await delivered(request.key));
    });
  });

  describe("while the mail service is down", () => {
    for (const mode of ["refuse", "hang"]) {
      test(`that ${mode}s, a sign-up is answered the same, and the mail comes with the service`, async () => {
        const [early, late] = [`early-${mode}@users.test`, `late-${mode}@users.test`];
        mail.mode = "accept";
        const usual = await signUp(early);
        const logsIn = async (device) => {
          const headers = { "content-type": "application/json", "user-agent": device };
          const response = await server.fetch("/api/v1/auth/login", { method: "POST", headers, body: JSON.stringify({ email: owner, password: PASSWORD }) });
          assert.equal(response.status, 200);
        };
        const owner = `owner-${mode}@users.test`;
        await account(owner);
        await until("an empty outbox", parcels, ({ length }) => length === 0);
        await logsIn(`a device of before, ${mode}`);
        const newDevice = () => mail.accepted(owner).filter(({ subject }) => subject === "A new sign-in to your account").length;
        await until("the mail of a new device", newDevice, Boolean);
        await until("an empty outbox", parcels, ({ length }) => length === 0);
        mail.mode = mode;
        const { operations } = await signUp(late);
        assert.equal(operations, usual.operations);
        // A login waits for no mail, also one that brings one about.
        await logsIn(`another device, ${mode}`);
        await until("two attempts", () => mail.to(late), ({ length }) => length >= 2);
        const { id } = await rowOf(late);
        assert.equal(await delivered(id), false);

        mail.mode = "accept";
        await until("the mail", () => mail.accepted(late), ({ length }) => length > 0);
        await until("the mail of the other device", newDevice, (count) => count >= 2, 60_000);
        await until("an empty outbox", parcels, ({ length }) => length === 0);
        await consumed(`after-${mode}`);
        assert.equal(mail.accepted(late).length, 1);
        assert.deepEqual(new Set(mail.to(late).map(({ key }) => key)), new Set([id]));
      });
    }

    test("codes and links that were asked for come with the service, and asking is answered the same", async () => {
      const email = "asking@users.test";
      mail.mode = "accept";
      await account(email);
      await until("an empty outbox", parcels, ({ length }) => length === 0);
      mail.mode = "refuse";
      const asked = mail.to(email).length;
      const ways = { "request-otp": "Your code to sign in", "request-login-link": "Your link to sign in", "request-password-reset": "Reset your password" };
      for (const way of Object.keys(ways)) assert.equal((await ask(`/api/v1/auth/${way}`, { email })).status, 202);
      await until("attempts at all", () => mail.to(email), ({ length }) => length >= asked + 3);
      mail.mode = "accept";
      const subjects = () => mail.accepted(email).map(({ subject }) => subject).filter((subject) => Object.values(ways).includes(subject));
      await until("the mails", subjects, ({ length }) => length >= 3);
      assert.deepEqual(subjects().sort(), Object.values(ways).sort());
    });

    test("for longer than the queue tries, the owner of the mail repeats it", async () => {
      const email = "patient@users.test";
      mail.mode = "refuse";
      await signUp(email);
      const { id } = await until("the row", () => rowOf(email), Boolean);
      const gaveUp = () => server.logs().some(({ message }) => message.includes(`message ${id} was refused too often`));
      await until("the dead letter", gaveUp, Boolean, 30_000);
      assert.equal(mail.accepted(email).length, 0);
      assert.equal((await rowOf(email)).id, id);
      const before = mail.to(email).length;

      mail.mode = "accept";
      await until("the mail", () => mail.accepted(email), ({ length }) => length > 0, 60_000);
      await until("an empty outbox", parcels, ({ length }) => length === 0);
      assert.equal(mail.accepted(email).length, 1);
      assert.ok(mail.to(email).length > before);
      assert.deepEqual(new Set(mail.to(email).map(({ key }) => key)), new Set([id]));
    });
  });

  describe("a message that comes again", () => {
    test("sends no second mail, and the same key if the first was forgotten", async () => {
      const email = "twice@users.test";
      mail.mode = "refuse";
      await signUp(email);
      const parcel = await until("the row", () => rowOf(email), Boolean);
      mail.mode = "accept";
      await until("the mail", () => mail.accepted(email), ({ length }) => length > 0);
      await until("an empty outbox", parcels, ({ length }) => length === 0);
      await consumed("first");
      assert.equal(mail.accepted(email).length, 1);

      for (let time = 0; time < 3; time += 1) await queue.send(JSON.stringify(parcel));
      await consumed("again");
      assert.equal(mail.accepted(email).length, 1, "a second mail was sent");

      // A crash between sending and remembering: the mail service knows the mail by its key.
      await directory.prepare("DELETE FROM deliveries WHERE message_id = ?").bind(parcel.id).run();
      await queue.send(JSON.stringify(parcel));
      await consumed("forgotten");
      assert.deepEqual(mail.accepted(email).map(({ key }) => key), [parcel.id, parcel.id]);
      assert.ok(await delivered(parcel.id));
    });

    test("writes no second line of the audit trail", async () => {
      const line = JSON.stringify(audit("audit-twice", "tested_twice"));
      for (let time = 0; time < 3; time += 1) await queue.send(line);
      await consumed("audit");
      assert.deepEqual(await audited("tested_twice"), [{ event_id: "audit-twice" }]);
    });

    test("that nobody can read holds nothing up", async () => {
      await queue.send("neither JSON nor a parcel");
      await queue.send(JSON.stringify({ id: "x" }));
      await consumed("unreadable");
      await signUp("behind@users.test");
      const [{ key }] = await until("the mail", () => mail.accepted("behind@users.test"), ({ length }) => length > 0);
      await until("the memory of it", () => delivered(key), Boolean);
    });
  });

  describe("the cron", () => {
    const openFence = (id, version, age) =>
      directory.batch([
        directory.prepare("UPDATE credentials SET version = ? WHERE account_id = ?").bind(version, id),
        directory.prepare("INSERT INTO pending_fences (account_id, credential_version, created_at, next_at, attempts) VALUES (?, ?, ?, ?, 0)").bind(id, version, Date.now() - age, Date.now() - age + 10_000),
      ]);
    const pending = async (id) =>
      (await directory.prepare("SELECT credential_version FROM pending_fences WHERE account_id = ?").bind(id).all()).results.length;

    test("finishes a fence that was left open: old sessions end, new ones begin", async () => {
      const [changed, other] = [await account("changed@users.test"), await account("other@users.test")];
      await openFence(changed.id, 2, 60_000);
      assert.deepEqual(await strict(changed), { status: 200, code: undefined });

      await server.scheduled();
      assert.equal(await pending(changed.id), 0);
      assert.deepEqual(await strict(changed), { status: 401, code: "session_revoked" });
      const refresh = await ask("/api/v1/auth/refresh", { refresh_token: changed.refresh_token });
      assert.equal(refresh.status, 401);
      assert.equal((await refresh.json()).code, "refresh_invalid");

      const login = await ask("/api/v1/auth/login", { email: "changed@users.test", password: PASSWORD });
      assert.equal(login.status, 200);
      assert.equal((await strict(await login.json())).status, 200);
      assert.equal((await strict(other)).status, 200);

    });

    test("does a fence once more without harm when only its removal was lost", async () => {
      const user = await account("repeated@users.test");
      await openFence(user.id, 2, 60_000);
      await server.scheduled();
      const login = await ask("/api/v1/auth/login", { email: "repeated@users.test", password: PASSWORD });
      const fresh = await login.json();
      await openFence(user.id, 2, 60_000);
      await server.scheduled();
      assert.equal(await pending(user.id), 0);
      assert.equal((await strict(fresh)).status, 200);
      assert.equal((await strict(user)).status, 401);
    });

    test("leaves a fence to its own request for ten seconds", async () => {
      const user = await account("recent@users.test");
      await openFence(user.id, 2, 0);
      await server.scheduled();
      assert.equal(await pending(user.id), 1);
      assert.equal((await strict(user)).status, 200);
      await directory.prepare("UPDATE pending_fences SET next_at = ? WHERE account_id = ?").bind(Date.now() - 1_000, user.id).run();
      await server.scheduled();
      assert.equal(await pending(user.id), 0);
      assert.equal((await strict(user)).status, 401);
    });

    test("closes the fence of an account that never opened a session", async () => {
      const id = "0123456789abcdef".repeat(2);
      await openFence(id, 2, 60_000);
      await server.scheduled();
      assert.equal(await pending(id), 0);
    });

    test("forgets deliveries after a week, and none before", async () => {
      const remember = (id, age) =>
        directory.prepare("INSERT INTO deliveries (message_id, delivered_at) VALUES (?, ?)").bind(id, Date.now() - age);
      await directory.batch([remember("old", 7 * DAY_MS + 1_000), remember("recent", 7 * DAY_MS - 60_000), remember("new", 0)]);
      await server.scheduled();
      assert.deepEqual([await delivered("old"), await delivered("recent"), await delivered("new")], [false, true, true]);
    });
  });
});

/** What `look` finds once it `suffices`. */
async function until(what, look, suffices, withinMs = 15_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (suffices(found)) return found;
    assert.ok(Date.now() < deadline, `${what} did not come: ${JSON.stringify(found)}`);
    await sleep(100);
  }
}
