// Very many hashes at once: they take turns, others are served between them, and there is a longest queue.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";

/** As many as may wait in one isolate: worker/src/route/turn.rs. */
const MOST_WAITING = 64;

describe("many logins at once", () => {
  let server;
  let owner;
  before(async () => {
    // Each hash takes longer than a request needs to arrive.
    server = await startOpenServer({ vars: { passwords: { memory_kib: 19_456, iterations: 2 } } });
    owner = client(server);
  });
  after(() => server?.stop());

  const from = (index) => client(server, `10.2.${index >> 8}.${index & 255}`);
  const guesses = (count) => Array.from({ length: count }, (_, index) => from(index).login(newAddress(), "not the password"));

  /** Rows about failed attempts, of all shards. */
  async function counted() {
    let rows = 0;
    for (let shard = 0; shard < 16; shard += 1) {
      const storage = await server.objectStorage("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
      if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = 'attempts'")).length === 0) continue;
      rows += (await storage.exec("SELECT COUNT(*) AS rows FROM attempts"))[0].rows;
    }
    return rows;
  }

  test("leave time to check tokens between them", async () => {
    const { access_token: access } = await owner.account(newAddress());
    assert.equal((await owner.validate(access, "jwt_only")).status, 200);
    const answered = [];
    const storm = guesses(60).map((guess) => guess.then((answer) => answered.push(answer.status)));
    // Whoever asks when the first of them has its answer would otherwise be answered after the last one.
    await Promise.race(storm);
    assert.equal((await owner.validate(access, "jwt_only")).status, 200);
    assert.ok(answered.length < 30, `after ${answered.length} of 60`);
    await Promise.all(storm);
    assert.deepEqual(new Set(answered), new Set([401]));
  });

  test("are refused beyond the longest queue, and nothing is counted of these", async () => {
    const email = newAddress();
    await owner.account(email);
    const none = await counted();
    await Promise.all(guesses(1));
    const [before, perGuess] = [await counted(), (await counted()) - none];
    assert.ok(perGuess > 0);
    const answers = await Promise.all(guesses(2 * MOST_WAITING));
    const busy = answers.filter(({ status }) => status === 503);
    assert.ok(busy.length > 0);
    for (const answer of busy) {
      const problem = refused(answer, 503, "busy");
      assert.equal(Number(answer.headers.get("retry-after")), problem.retry_after_seconds);
    }
    for (const answer of answers) if (answer.status !== 503) refused(answer, 401, "invalid_credentials");
    assert.ok(answers.length - busy.length >= MOST_WAITING);
    assert.equal(await counted() - before, perGuess * (answers.length - busy.length));
    // Everybody has given the place back.
    granted(await owner.login(email, PASSWORD));
    for (const answer of await Promise.all(guesses(MOST_WAITING - 4))) refused(answer, 401, "invalid_credentials");
  });

  test("that go away leave no place taken", async () => {
    const abandoned = Array.from({ length: 50 }, async (_, index) => {
      const signal = AbortSignal.timeout(30 + index);
      const body = JSON.stringify({ email: newAddress(), password: "not the password" });
      await server.fetch("/api/v1/auth/login", { method: "POST", body, signal, headers: { "content-type": "application/json" } }).catch(() => {});
    });
    await Promise.all(abandoned);
    for (const answer of await Promise.all(guesses(10))) refused(answer, 401, "invalid_credentials");
  });
});
