// Set-password links: mailed once per account, good for one change, and safe to repeat for whoever lost the answer.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startServer } from "./support/server.mjs";

const UNLIMITED = { count: 0, period_seconds: 60 };
const [FIRST, SECOND] = ["the first fine password", "the second fine password"];

describe("a set-password link", () => {
  let server;
  let directory;

  before(async () => {
    server = await startServer({
      vars: {
        passwords: { memory_kib: 64, iterations: 1 },
        limits: {
          sign_up_per_source: UNLIMITED,
          sign_up_per_identifier: UNLIMITED,
          verify_per_source: UNLIMITED,
          login_per_source: UNLIMITED,
          login_per_pair: UNLIMITED,
        },
      },
    });
    ({ DIRECTORY: directory } = await server.getEnv());
  });
  after(() => server?.stop());

  const ask = async (path, body) => {
    const response = await server.fetch(`/api/v1/auth/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };

  const mails = async (to) => (await server.fetch(`/dev/mailbox?to=${encodeURIComponent(to)}`)).json();

  const until = async (what, look) => {
    for (let turn = 0; turn < 150; turn += 1) {
      const found = await look();
      if (found) return found;
      await sleep(100);
    }
    assert.fail(`${what} did not come`);
  };

  /** An account whose sign-up was contested, so that it has no password; with the token of its link. */
  const invited = async (email) => {
    for (const password of ["a password of a stranger", "another fine password"]) {
      assert.equal((await ask("signup", { email, name: "Somebody", password })).status, 202);
    }
    const codes = await until("two codes", async () => {
      const found = (await mails(email)).filter(({ code }) => code);
      return found.length === 2 && found;
    });
    const otp = codes[0].code;
    const verified = await ask("verify-signup", { email, otp });
    assert.equal(verified.status, 200);
    const { sub: account } = JSON.parse(Buffer.from(verified.body.access_token.split(".")[1], "base64url"));
    const links = () => mails(email).then((all) => all.filter(({ link }) => link));
    const [{ link }] = await until("the link", async () => {
      const found = await links();
      return found.length > 0 && found;
    });
    return { email, otp, account, links, token: link.split("#")[1], ...verified.body };
  };

  const credential = (account) =>
    directory.prepare("SELECT version, operation_id, password_hash FROM credentials WHERE account_id = ?").bind(account).first();
  const fences = async (account) =>
    (await directory.prepare("SELECT * FROM pending_fences WHERE account_id = ?").bind(account).all()).results.length;
  const logsIn = async (email, password) => (await ask("login", { email, password })).status;

  test("repeated answers the same, takes no other password, and the first one stands", async () => {
    const { email, account, token } = await invited("repeated@users.test");
    assert.equal((await ask("set-password", { token, password: FIRST })).status, 200);
    const set = await credential(account);
    assert.equal(set.version, 2);

    assert.deepEqual(await ask("set-password", { token, password: FIRST }), { status: 200, body: { success: true } });
    const { status, body } = await ask("set-password", { token, password: SECOND });
    assert.deepEqual([status, body.code], [400, "code_invalid"]);
    assert.deepEqual(await credential(account), set);
    assert.equal(await logsIn(email, FIRST), 200);
    assert.equal(await logsIn(email, SECOND), 401);
    assert.equal(await fences(account), 0);
  });

  test("that was used up by a try which never reached the directory goes on under the same operation", async () => {
    const { email, account, token } = await invited("continued@users.test");
    assert.equal((await ask("set-password", { token, password: FIRST })).status, 200);
    const { operation_id: operation } = await credential(account);
    assert.match(operation, /^[0-9a-f]{32}$/);
    await directory.prepare("UPDATE credentials SET password_hash = NULL, operation_id = NULL, version = 1 WHERE account_id = ?").bind(account).run();

    assert.equal((await ask("set-password", { token, password: SECOND })).status, 200);
    assert.equal((await credential(account)).operation_id, operation);
    assert.equal(await logsIn(email, SECOND), 200);
    assert.equal(await logsIn(email, FIRST), 401);
  });

  test("whose fence could not be closed says so, and a repetition closes it", async () => {
    const { email, account, token } = await invited("pending@users.test");
    await directory
      .prepare(`CREATE TRIGGER stuck BEFORE DELETE ON pending_fences WHEN OLD.account_id = '${account}' BEGIN SELECT RAISE(ABORT, 'stuck'); END`)
      .run();
    try {
      const { status, body } = await ask("set-password", { token, password: FIRST });
      assert.deepEqual([status, body.code], [503, "invalidation_pending"]);
      assert.equal(await fences(account), 1);
    } finally {
      await directory.prepare("DROP TRIGGER stuck").run();
    }
    assert.equal((await ask("set-password", { token, password: FIRST })).status, 200);
    assert.equal(await fences(account), 0);
    assert.equal((await credential(account)).version, 2);
    assert.equal(await logsIn(email, FIRST), 200);
  });

  test("works when the sign-up that mailed it was repeated before it was finished", async () => {
    const { email, otp, account, links, token } = await invited("interrupted@users.test");
    // As if the Worker had died after mailing the link.
    for (let shard = 0; shard < 16; shard += 1) {
      const storage = await server.objectStorage("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
      if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = 'sign_ups'")).length === 0) continue;
      await storage.exec(
        "UPDATE sign_ups SET record = json_set(record, '$.claim.done', json('false')) WHERE json_extract(record, '$.claim.account_id') = ?",
        account,
      );
    }
    assert.equal((await ask("verify-signup", { email, otp })).status, 200);
    await sleep(1_500);
    assert.equal((await links()).length, 1);
    assert.equal((await ask("set-password", { token, password: FIRST })).status, 200);
    assert.equal(await logsIn(email, FIRST), 200);
  });

  test("ends the sessions from before", async () => {
    const { access_token: access, token } = await invited("ending@users.test");
    const strict = () => ask("validate", { token: access, mode: "strict" });
    assert.equal((await strict()).status, 200);
    assert.equal((await ask("set-password", { token, password: FIRST })).status, 200);
    assert.equal((await strict()).status, 401);
  });

  test("is refused when altered, after its ten minutes, and for another tenant's account", async () => {
    const { account, token } = await invited("refused@users.test");
    const refused = async (presented) => {
      const { status, body } = await ask("set-password", { token: presented, password: FIRST });
      assert.deepEqual([status, body.code], [400, "code_invalid"]);
    };
    const altered = `${token.slice(0, -2)}${token.at(-2) === "A" ? "B" : "A"}${token.at(-1)}`;
    await refused(altered);
    await refused("psl_");
    await directory.prepare("UPDATE users SET tenant = 'other' WHERE account_id = ?").bind(account).run();
    await refused(token);
    await directory.prepare("UPDATE users SET tenant = 'default' WHERE account_id = ?").bind(account).run();
    assert.equal((await ask("set-password", { token, password: FIRST })).status, 200);
    for (let shard = 0; shard < 16; shard += 1) {
      const storage = await server.objectStorage("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
      if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = 'links'")).length === 0) continue;
      await storage.exec("UPDATE links SET record = json_set(record, '$.secret.used.used_at', CAST(? AS INTEGER)) WHERE key LIKE '%/set_password'", Date.now() - 600_001);
    }
    await refused(token);
  });
});
