// That the bound on revocations holds by construction: whoever is told that sessions have ended can rely on it, a
// list of marks is whole or is not published, no session is overlooked, and what is done twice by a lost answer is
// done once.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import * as people from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const { expectModes, get, logIn, post, refresh, refused, remove, signUp, sleep, storedAccount, storedSession, tokensOf, until, validate } = people;
/** More than any deployment's access token can still live, with the leeway of verifiers. */
const LONGEST_TOKEN_MILLISECONDS = (900 + 120) * 1000;
const MOST_MARKS = 4096;

const shardOf = ({ account }) => String(parseInt(account.slice(0, 2), 16) % 16).padStart(2, "0");
const shardKey = (person) => `v1/revocation/${shardOf(person)}`;
const snapshotKey = ({ account, session }) => `v1/session/${account}/${session}`;

describe("the bound on revocations", () => {
  let server, edge;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: 0 }) });
    edge = (await server.getEnv()).EDGE;
  });
  after(() => server?.stop());

  const revocations = (person) => server.objectStorage("REVOCATION", `v1/revocation/${shardOf(person)}`);
  const accountStorage = (person) => server.objectStorage("ACCOUNT", person.account);

  /** Somebody whose shard has been written to, so that its tables are there. */
  async function somebody() {
    const person = await signUp(server);
    const storage = await revocations(person);
    await until("the shard", async () => {
      await edge.delete(shardKey(person));
      await validate(server, person.access, "hybrid");
      return (await storage.exec("SELECT name FROM sqlite_master WHERE name = 'revocations'")).length === 1;
    });
    return person;
  }

  const marksOf = async (person) => {
    const rows = await (await revocations(person)).exec("SELECT record FROM revocations");
    return rows.map(({ record }) => JSON.parse(record)).filter(({ account }) => account === person.account);
  };

  /** The shard of a person fails to store marks while `action` runs. */
  async function withBrokenShard(person, action) {
    const storage = await revocations(person);
    // In one step, or an alarm between the two makes a table of its own.
    await storage.exec("ALTER TABLE revocations RENAME TO whole; CREATE TABLE revocations (broken)");
    try {
      await action();
    } finally {
      await storage.exec("DROP TABLE revocations; ALTER TABLE whole RENAME TO revocations");
    }
  }

  const endings = {
    "logout with the refresh token": (person) => post(server, "logout", { refresh_token: person.refresh }),
    "logout with the access token": (person) => post(server, "logout", {}, { bearer: person.access }),
    "revoking a session": (person, other) => remove(server, `sessions/${person.session}`, { bearer: other.access }),
    "revoking all sessions": (person, other) => post(server, "sessions/revoke-all", { keep_current: true }, { bearer: other.access }),
  };
  for (const [how, end] of Object.entries(endings)) {
    test(`${how}: the answer comes when the shard has the mark, and is 503 as long as it has not`, async () => {
      const other = await somebody();
      const [first, second] = [await logIn(server, other), await logIn(server, other)];
      const answer = await end(first, other);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      const marks = await marksOf(first);
      const mark = marks.find(({ revoked }) => revoked.session === first.session);
      assert.ok(mark, JSON.stringify(marks));
      assert.ok(mark.until >= Date.now() + LONGEST_TOKEN_MILLISECONDS, "whatever the life of tokens was configured to be");

      let caller = other;
      await withBrokenShard(second, async () => {
        for (let time = 0; time < 2; time += 1) {
          // After revoke-all, the caller's own access token is stale, also when the answer was 503.
          caller = { ...caller, ...tokensOf(await refresh(server, caller.refresh)) };
          refused(await end(second, caller), 503, "invalidation_pending");
        }
        await expectModes(server, second.access, { strict: "session_revoked" });
      });
      // Nobody asks again: the alarm goes on.
      await until("the mark", async () => (await marksOf(second)).some(({ revoked }) => revoked.session === second.session));
    });
  }

  test("a reuse is refused as ever when the shard does not answer, and marked later", async () => {
    const person = await somebody();
    tokensOf(await refresh(server, person.refresh));
    await withBrokenShard(person, async () => refused(await refresh(server, person.refresh), 401, "refresh_invalid"));
    await until("the mark", async () => (await marksOf(person)).some(({ revoked }) => revoked.session === person.session));
  });

  test("all sessions that end at once are marked at once, and the version too", async () => {
    const person = await somebody();
    for (let session = 0; session < 5; session += 1) await logIn(server, person);
    const answer = await post(server, "sessions/revoke-all", {}, { bearer: person.access });
    assert.deepEqual(answer.body, { revoked: 6 });
    assert.equal((await marksOf(person)).length, 7, "six sessions and the version");
  });

  describe("a list of marks", () => {
    /** Fills a person's shard with foreign marks only, the first `expired` of which are over. */
    async function fill(person, count, expired) {
      const storage = await revocations(person);
      await storage.exec("DELETE FROM revocations");
      const mark = (until) => JSON.stringify({ account: "0".repeat(32), revoked: { session: "1".repeat(32) }, until });
      const query =
        "INSERT INTO revocations (key, until, record) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) " +
        "SELECT printf('%06d/%s', i, ?), ?, ? FROM n";
      const [past, future] = [Date.now() - 1, Date.now() + 3_600_000];
      if (expired > 0) await storage.exec(query, expired, "0 expired", past, mark(past));
      await storage.exec(query, count - expired, "1 live", future, mark(future));
      return storage;
    }

    const published = async (person) => JSON.parse((await edge.get(shardKey(person))) ?? "null");

    /** Takes the copy at the edge away. What the shard was about to write may come after that, and is taken away, too. */
    const withoutCopy = (person) =>
      until("no copy at the edge", async () => {
        await edge.delete(shardKey(person));
        await sleep(1_100);
        return (await published(person)) === null;
      });

    test("that is too long is not published, not even in part", async () => {
      const person = await somebody();
      const storage = await fill(person, MOST_MARKS + 1, 1);
      await withoutCopy(person);
      // The person's own mark is one too many. Its row comes last, or not.
      assert.equal((await post(server, "logout", { refresh_token: person.refresh })).status, 200);
      for (let time = 0; time < 4; time += 1) {
        await expectModes(server, person.access, { hybrid: "session_revoked" });
        assert.equal(await published(person), null);
        await sleep(600);
      }
      await storage.exec("DELETE FROM revocations WHERE key LIKE '000001/1 live'");
      const list = await until("the list", () => published(person));
      assert.equal(list.marks.length, MOST_MARKS);
      assert.ok(list.marks.some(({ revoked }) => revoked.session === person.session));
      await storage.exec("DELETE FROM revocations");
    });

    test("counts only what can still matter", async () => {
      const person = await somebody();
      const storage = await fill(person, MOST_MARKS + 500, 501);
      await withoutCopy(person);
      assert.equal((await post(server, "logout", { refresh_token: person.refresh })).status, 200);
      const list = await until("the list", () => published(person));
      assert.equal(list.marks.length, MOST_MARKS);
      assert.ok(list.marks.some(({ revoked }) => revoked.session === person.session));
      await storage.exec("DELETE FROM revocations");
    });

    test("is not written again while it is young, whatever old copies readers have", async () => {
      const person = await somebody();
      // Readers have it written, and again once a third of the bound has passed.
      const fresh = async () => {
        await validate(server, person.access, "hybrid");
        const list = await published(person);
        return list !== null && Date.now() - list.written_at < 5_000 && list;
      };
      const { written_at: written } = await until("a young list", fresh, 40);
      const old = JSON.stringify({ written_at: Date.now() - 45_000, marks: [] });
      await edge.put(shardKey(person), old);
      for (let time = 0; time < 8; time += 1) {
        assert.equal((await validate(server, person.access, "hybrid")).status, 200);
        await sleep(300);
      }
      assert.equal(await edge.get(shardKey(person)), old, "written again");
      assert.ok(Date.now() - written < 20_000, "the list is young");
    });
  });

  describe("an account with very many sessions", () => {
    /** Copies the person's session under new ids; their keys sort before and after the original's. */
    async function multiply(person, count, change = {}) {
      const storage = await accountStorage(person);
      const record = JSON.stringify({ ...(await storedSession(server, person)), ...change });
      await storage.exec(
        "INSERT INTO sessions (key, record) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?), " +
          "ids (id) AS MATERIALIZED (SELECT lower(hex(randomblob(16))) FROM n) SELECT id, json_set(?, '$.id', id) FROM ids",
        count,
        record,
      );
      return storage;
    }

    test("lists and ends every one of them", async () => {
      const person = await somebody();
      const storage = await multiply(person, 1_200);
      const listed = await get(server, "sessions", { bearer: person.access });
      assert.equal(listed.body.sessions.length, 1_201);
      assert.deepEqual((await post(server, "sessions/revoke-all", {}, { bearer: person.access })).body, { revoked: 1_201 });
      const [{ live }] = await storage.exec("SELECT COUNT(*) AS live FROM sessions WHERE json_extract(record, '$.revoked') IS NULL");
      assert.equal(live, 0);
      // The version covers them all, so the shard is not filled with what nobody needs.
      assert.equal((await marksOf(person)).length, 1);
      await expectModes(server, person.access, { strict: "session_revoked" });
    });

    test("forgets the oldest of those that have ended, and no other", async () => {
      const person = await somebody();
      const ended = Date.now() - 60_000;
      const storage = await multiply(person, 260, { revoked: { at: ended, reason: "logout" } });
      await multiply(person, 20, { revoked: { at: ended - 60_000, reason: "user_revoke" } });
      const next = await logIn(server, person);
      const rows = await storage.exec("SELECT key, record FROM sessions");
      const records = rows.map(({ record }) => JSON.parse(record));
      assert.equal(records.filter(({ revoked }) => revoked).length, 200);
      assert.equal(records.filter(({ revoked }) => revoked?.reason === "user_revoke").length, 0);
      assert.deepEqual(records.filter(({ revoked }) => !revoked).map(({ id }) => id).sort(), [person.session, next.session].sort());
    });
  });

  test("a copy of an ended session does not come back, in whatever order its messages are delivered", async () => {
    const person = await somebody();
    await until("the copy", () => edge.get(snapshotKey(person)));
    await post(server, "logout", { refresh_token: person.refresh });
    await until("no copy", async () => (await edge.get(snapshotKey(person))) === null);
    const storage = await accountStorage(person);
    const late = JSON.stringify({ created_at: Date.now(), attempts: 1, message: { snapshot: { session: person.session } } });
    await storage.exec("INSERT INTO outbox (id, next_at, record) VALUES ('late', 0, ?)", late);
    await logIn(server, person);
    await until("the message", async () => (await storage.exec("SELECT id FROM outbox WHERE id = 'late'")).length === 0);
    assert.equal(await edge.get(snapshotKey(person)), null);
  });

  test("a change of credentials is remembered by an account that was never opened", async () => {
    const email = `fenced.${randomBytes(6).toString("hex")}@example.com`;
    // A code of a contested address, typed without a word of which sign-up: an account without a password.
    for (const password of ["one password of two", "another one of two"]) await post(server, "signup", { email, name: "Ada", password });
    const [{ code }] = await until("both codes", async () => {
      const found = await people.mails(server, email);
      return found.length === 2 ? found : undefined;
    });
    const person = tokensOf(await post(server, "verify-signup", { email, otp: code }));
    const { link } = await people.mailTo(server, email, "Set your password");
    await people.settled(server, person);
    // As after a crash between the directory and the account.
    const storage = await accountStorage(person);
    for (const table of ["account", "sessions"]) await storage.exec(`DELETE FROM ${table}`);
    const password = people.PASSWORD;
    assert.equal((await post(server, "set-password", { token: new URL(link).hash.slice(1), password })).status, 200);
    assert.equal((await storedAccount(server, person)).credential_version, 2);
    // The proof of before must not seed the account with the version of before.
    refused(await post(server, "verify-signup", { email, otp: code }), 401, "invalid_credentials");
    await logIn(server, { email, password });
  });

  describe("a call whose answer was lost", () => {
    const id = () => randomBytes(16).toString("hex");
    const operations = async () => (await server.getEnv()).ACCOUNT;

    async function ask(person, call) {
      const namespace = await operations();
      const body = JSON.stringify({ version: 1, call });
      const object = namespace.get(namespace.idFromName(person.account));
      const response = await object.fetch("https://object/call", { method: "POST", body });
      assert.equal(response.status, 200, await response.clone().text());
      return response.json();
    }

    const refreshCall = (person, operation) => {
      const bytes = people.refreshTokenBytes(person.refresh);
      const token = {
        account: person.account,
        session: person.session,
        generation: bytes.readUInt32BE(37),
        edge_key_id: bytes.readUInt32BE(1),
        inner_tag: bytes.subarray(41, 57).toString("base64url"),
      };
      return { refresh: { tenant: "default", client_id: "default", token, operation, next_edge_key_id: token.edge_key_id, device: {} } };
    };

    test("refresh: the same operation gets the same token without grace, another one is a reuse", async () => {
      const person = await somebody();
      const { client_id: client, tenant } = await storedSession(server, person);
      const call = (operation) => {
        const made = refreshCall(person, operation);
        return { refresh: { ...made.refresh, client_id: client, tenant } };
      };
      const operation = id();
      const first = await ask(person, call(operation));
      assert.ok(first.admitted, JSON.stringify(first));
      assert.deepEqual((await ask(person, call(operation))).admitted.token, first.admitted.token);
      assert.equal((await storedSession(server, person)).generation, 1);
      assert.deepEqual(await ask(person, call(id())), { refused: "refresh_invalid" });
      assert.equal((await storedSession(server, person)).revoked.reason, "refresh_reuse_detected");
      // The operation does not open what was closed since.
      assert.deepEqual(await ask(person, call(operation)), { refused: "refresh_invalid" });
    });

    test("revoke-all: the same operation raises the version once and answers as before", async () => {
      const person = await somebody();
      const { tenant } = await storedSession(server, person);
      const call = { revoke_all: { tenant, operation: id(), keep: null, reason: "user_revoke_all" } };
      const answers = [await ask(person, call), await ask(person, call)];
      assert.deepEqual(answers, Array(2).fill({ found: true, revoked: 1, pending: false }));
      assert.equal((await storedAccount(server, person)).account_version, 2);
    });
  });
});
