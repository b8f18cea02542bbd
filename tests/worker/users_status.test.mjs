// Whether an account may be used: bans, locks and the like by the operator, seen from every door.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { audited, editAccount, expectModes, logIn, mails, mailTo, PASSWORD, post, refresh, refused, remove, settled, signUp, sleep, storedAccount, storedSession, tokensOf, until } from "./support/people.mjs";
import { operatorOf, startOperated } from "./support/operator.mjs";

const WRONG = "seven swift otters stumble";

describe("an account that waits for its proof", () => {
  let server;
  let operator;
  before(async () => {
    server = await startOperated({}, { registration: { mode: "immediate", reveal_existing_accounts: true } });
    operator = operatorOf(server);
  });
  after(() => server?.stop());

  const codes = async (email) => (await mails(server, email)).filter(({ code }) => code).map(({ code }) => code);
  let count = 0;
  async function waiting() {
    const email = `waiting${(count += 1)}@example.com`;
    const created = await post(server, "signup", { email, name: "Ada", password: PASSWORD });
    assert.deepEqual([created.status, created.body.status], [201, "pending_verification"], JSON.stringify(created.body));
    await until("the code", async () => (await codes(email)).length === 1);
    return { email, password: PASSWORD, account: created.body.id };
  }
  const proves = async (person, code) => post(server, "verify-email", { email: person.email, otp: code });
  const done = async (person, verb, body) => {
    const answer = await operator.order(person, verb, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };

  test("waits on when a ban is lifted, and is not proven while it is banned", async () => {
    const person = await waiting();
    refused(await post(server, "login", person), 403, "account_unverified");
    assert.equal((await operator.show(person)).status, "pending_verification");
    await done(person, "ban");
    const [code] = await codes(person.email);
    refused(await post(server, "login", person), 403, "account_banned");
    refused(await proves(person, code), 400, "code_invalid");
    assert.equal((await done(person, "unban")).status, "pending_verification");
    refused(await post(server, "login", person), 403, "account_unverified");
    assert.equal((await post(server, "request-email-verification", { email: person.email })).status, 202);
    const next = await until("another code", async () => (await codes(person.email)).find((one) => one !== code));
    assert.equal((await proves(person, next)).status, 200);
    await logIn(server, person);
    assert.deepEqual([(await operator.show(person)).status, await operator.allowed(person)], ["active", true]);
  });

  test("is proven by its first password, although a fence has opened it before", async () => {
    const person = await waiting();
    await done(person, "set-password", { password: null });
    refused(await post(server, "login", person), 401, "invalid_credentials");
    assert.equal((await post(server, "request-password-reset", { email: person.email })).status, 202);
    const { link } = await mailTo(server, person.email, "Reset your password");
    const answer = await post(server, "reset-password", { token: new URL(link).hash.slice(1), password: PASSWORD });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    await logIn(server, person);
  });

  test("waits no more when the operator says so, at once or below a ban", async () => {
    const [free, banned] = [await waiting(), await waiting()];
    await done(free, "set-email-verified", { verified: true });
    await logIn(server, free);
    await done(banned, "ban");
    await done(banned, "set-email-verified", { verified: true });
    refused(await post(server, "login", banned), 403, "account_banned");
    assert.equal((await done(banned, "unban")).status, "active");
    await logIn(server, banned);
  });
});

describe("an account", () => {
  let server;
  let operator;
  before(async () => {
    server = await startOperated();
    operator = operatorOf(server);
  });
  after(() => server?.stop());

  const changed = async (person, verb, body, key) => {
    const answer = await operator.order(person, verb, body, key);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };

  for (const [verb, back, status, code, reason] of [
    ["ban", "unban", "banned", "account_banned", "banned"],
    ["disable", "enable", "disabled", "account_disabled", "user_disabled"],
    ["lock", "unlock", "locked", "account_locked", "user_disabled"],
  ]) {
    test(`that is ${status} is refused at every door, and let in again when that is lifted`, async () => {
      const person = await signUp(server);
      const second = await logIn(server, person);
      assert.deepEqual(await changed(person, verb, { reason: "spam" }), { changed: true, status, until: null });
      for (const session of [person, second]) {
        await expectModes(server, session.access, { strict: code });
        refused(await refresh(server, session.refresh), 401, "refresh_invalid");
        assert.equal((await storedSession(server, session)).revoked.reason, reason);
      }
      // Only whoever knows the password learns why.
      refused(await post(server, "login", { email: person.email, password: WRONG }), 401, "invalid_credentials");
      refused(await post(server, "login", person), 403, code);
      assert.equal(await operator.allowed(person), false);
      const shown = await operator.show(person);
      assert.deepEqual([shown.status, shown.allowed, shown.status_change.by, shown.status_change.reason], [status, false, "operator", "spam"]);

      assert.deepEqual(await changed(person, back), { changed: true, status: "active", until: null });
      assert.equal((await operator.show(person)).allowed, true);
      assert.equal(await operator.allowed(person), true);
      // What has ended stays so.
      refused(await refresh(server, person.refresh), 401, "refresh_invalid");
      await expectModes(server, person.access, { strict: "session_revoked" });
      const again = await logIn(server, person);
      await expectModes(server, again.access, { strict: true, hybrid: true });
      const trail = await audited(server, person);
      assert.equal(trail.filter((line) => line === `session_revoked:${reason}`).length, 2, "once in each direction");
      assert.ok(trail.includes(`account_status_changed:${status} by operator: spam`), trail);
      assert.ok(trail.includes("account_status_changed:active by operator"), trail);
    });
  }

  test("that has the status already is not changed, and its sessions go on", async () => {
    const person = await signUp(server);
    const { account_version: version } = await storedAccount(server, person);
    for (const verb of ["unban", "enable", "unlock", "restore"]) {
      assert.deepEqual(await changed(person, verb), { changed: false, status: "active", until: null });
    }
    assert.equal((await storedAccount(server, person)).account_version, version);
    await expectModes(server, person.access, { strict: true });
    await changed(person, "ban");
    const banned = await storedAccount(server, person);
    assert.equal(banned.account_version, version + 1);
    assert.equal((await changed(person, "ban", { reason: "again" })).changed, false);
    assert.deepEqual((await storedAccount(server, person)).cause, banned.cause);
  });

  test("is not let in by a lighter order over a heavier one", async () => {
    const person = await signUp(server);
    await changed(person, "ban");
    for (const verb of ["disable", "lock", "enable", "unlock", "restore"]) {
      refused(await operator.order(person, verb), 409, "status_conflict");
    }
    refused(await operator.order(person, "purge"), 409, "status_conflict");
    refused(await post(server, "login", person), 403, "account_banned");
    // Deleted and restored, it is banned still.
    assert.equal((await operator.ask("DELETE", `/${person.account}`)).status, 200);
    refused(await operator.order(person, "unban"), 409, "status_conflict");
    assert.equal((await changed(person, "restore")).status, "banned");
    refused(await post(server, "login", person), 403, "account_banned");
  });

  test("that is banned for a while is let in again by itself, and lists say so", async () => {
    const person = await signUp(server);
    const end = Date.now() + 2_500;
    assert.deepEqual(await changed(person, "ban", { until: end }), { changed: true, status: "banned", until: end });
    refused(await post(server, "login", person), 403, "account_banned");
    assert.deepEqual((await operator.users({ email: person.email, status: "banned" })).users.map(({ id }) => id), [person.account]);
    await sleep(end - Date.now() + 50);
    const back = await logIn(server, person);
    await expectModes(server, back.access, { strict: true });
    assert.equal(await operator.allowed(person), true);
    assert.deepEqual((await operator.users({ email: person.email, status: "banned" })).users, []);
    assert.equal((await operator.users({ email: person.email, status: "active" })).users[0].allowed, true);
    // The end of the ban has revoked nothing: it can be refreshed.
    tokensOf(await refresh(server, back.refresh));
  });

  test("gets another end of its ban by another order, and none that has passed", async () => {
    const person = await signUp(server);
    for (const until of [Date.now() - 1, 0]) refused(await operator.order(person, "ban", { until }), 400, "invalid_request");
    for (const until of ["tomorrow", -1, 1.5, 2 ** 53]) refused(await operator.order(person, "lock", { until }), 400, "invalid_request");
    for (const reason of ["", "two\nlines", "x".repeat(201), 7]) refused(await operator.order(person, "ban", { reason }), 400, "invalid_request");
    await expectModes(server, person.access, { strict: true });
    const end = Date.now() + 3_600_000;
    await changed(person, "ban", { until: end });
    assert.deepEqual(await changed(person, "ban", { until: end + 1 }), { changed: true, status: "banned", until: end + 1 });
    assert.deepEqual(await changed(person, "ban"), { changed: true, status: "banned", until: null });
  });

  test("is changed once by one idempotency key, however late it is repeated", async () => {
    const person = await signUp(server);
    const ban = () => operator.order(person, "ban", { reason: "spam" }, "ticket-1");
    const answers = await Promise.all(Array.from({ length: 8 }, ban));
    for (const answer of answers) assert.deepEqual(answer.body, { changed: true, status: "banned", until: null });
    const { account_version: version } = await storedAccount(server, person);
    refused(await operator.order(person, "unban", undefined, "ticket-1"), 409, "idempotency_key_reused");
    refused(await operator.order(person, "ban", { reason: "other" }, "ticket-1"), 409, "idempotency_key_reused");
    await changed(person, "unban", undefined, "ticket-2");
    // The repetition is told what the order did then, and bans nobody now.
    assert.equal((await ban()).body.changed, true);
    tokensOf(await post(server, "login", person));
    assert.equal((await storedAccount(server, person)).account_version, version + 1);
    // An order that changed nothing changes nothing later either.
    await changed(person, "unban", undefined, "ticket-3");
    await changed(person, "ban");
    assert.equal((await changed(person, "unban", undefined, "ticket-3")).changed, false);
    refused(await post(server, "login", person), 403, "account_banned");
  });

  test("that is banned while it signs in has no session that works", async () => {
    const person = await signUp(server);
    const logins = Array.from({ length: 12 }, () => post(server, "login", person));
    const ban = operator.order(person, "ban");
    const answers = await Promise.all(logins);
    assert.equal((await ban).status, 200);
    for (const answer of answers) {
      if (answer.status === 200) {
        const { access, refresh: token } = tokensOf(answer);
        await expectModes(server, access, { strict: "account_banned" });
        refused(await refresh(server, token), 401, "refresh_invalid");
      } else {
        refused(answer, 403, "account_banned");
      }
    }
    const storage = await server.objectStorage("ACCOUNT", person.account);
    const rows = await storage.exec("SELECT record FROM sessions");
    for (const { record } of rows) assert.ok(JSON.parse(record).revoked, "a session is live");
  });

  test("whose copy in the directory could not be written gets it later, and never an older one", async () => {
    const person = await signUp(server);
    await settled(server, person);
    const { DIRECTORY } = await server.getEnv();
    const fields = "status, status_version";
    const copy = () => DIRECTORY.prepare(`SELECT ${fields} FROM users WHERE account_id = ?`).bind(person.account).first();
    await DIRECTORY.exec("CREATE TRIGGER no_status BEFORE UPDATE OF status ON users BEGIN SELECT RAISE(ABORT, 'out of order'); END");
    try {
      await changed(person, "ban");
      // The account itself is what counts.
      refused(await post(server, "login", person), 403, "account_banned");
      assert.equal((await copy()).status, "active");
      await server.evictObject("ACCOUNT", person.account);
    } finally {
      await DIRECTORY.exec("DROP TRIGGER no_status");
    }
    await until("the copy", async () => (await copy()).status === "banned", 60);
    const { status_version: version } = await copy();
    await DIRECTORY.prepare("UPDATE users SET status_version = ? WHERE account_id = ?").bind(version + 10, person.account).run();
    await changed(person, "unban");
    await settled(server, person);
    assert.deepEqual(await copy(), { status: "banned", status_version: version + 10 }, "an older status has replaced a newer");
  });

  test("is banned although readers at the edge cannot be told yet: the answer says so", async () => {
    const first = await signUp(server);
    // A mark of its own, so that its shard has a table.
    await changed(first, "lock");
    await changed(first, "unlock");
    const person = await logIn(server, first);
    await settled(server, person);
    const shard = await server.objectStorage("REVOCATION", `v1/revocation/${String(Number.parseInt(person.account.slice(0, 2), 16) % 16).padStart(2, "0")}`);
    await shard.exec("ALTER TABLE revocations RENAME TO whole; CREATE TABLE revocations (broken)");
    try {
      for (let time = 0; time < 2; time += 1) {
        refused(await operator.order(person, "ban", { reason: "spam" }, "pending-1"), 503, "invalidation_pending");
      }
      await expectModes(server, person.access, { strict: "account_banned" });
      refused(await post(server, "login", person), 403, "account_banned");
      assert.equal((await operator.show(person)).status, "banned");
    } finally {
      await shard.exec("DROP TABLE revocations; ALTER TABLE whole RENAME TO revocations");
    }
    assert.equal((await changed(person, "ban", { reason: "spam" }, "pending-1")).changed, true);
  });

  test("that was never opened can be banned, and is then not opened", async () => {
    const person = await signUp(server);
    await settled(server, person);
    const storage = await server.objectStorage("ACCOUNT", person.account);
    for (const table of ["account", "sessions"]) await storage.exec(`DELETE FROM ${table}`);
    assert.equal(await operator.allowed(person), true);
    await changed(person, "ban");
    refused(await post(server, "login", person), 403, "account_banned");
  });

  test("that is unlocked may be tried again: its failed logins are forgotten", async () => {
    const strict = await startOperated({}, { lockout: { per_source_failures: 3, per_identifier_failures: 3, duration_seconds: 3600 } });
    try {
      const person = await signUp(strict);
      for (let attempt = 0; attempt < 3; attempt += 1) {
        refused(await post(strict, "login", { email: person.email, password: WRONG }), 401, "invalid_credentials");
      }
      refused(await post(strict, "login", person), 429, "rate_limited");
      const { body } = await operatorOf(strict).order(person, "unlock");
      assert.deepEqual(body, { changed: false, status: "active", until: null });
      await logIn(strict, person);
    } finally {
      await strict.stop();
    }
  });

  test("that is restricted gets no mail and no new password by mail", async () => {
    for (const verb of ["ban", "disable", "lock"]) {
      const person = await signUp(server);
      assert.equal((await post(server, "request-password-reset", { email: person.email })).status, 202);
      const { link } = await until("the link", async () => (await mails(server, person.email)).find((mail) => mail.subject === "Reset your password"));
      await changed(person, verb);
      const token = new URL(link).hash.slice(1);
      refused(await post(server, "reset-password", { token, password: "nine quiet herons wade" }), 400, "code_invalid");
      const before = (await mails(server, person.email)).length;
      for (const route of ["request-password-reset", "request-otp", "request-login-link"]) {
        assert.equal((await post(server, route, { email: person.email })).status, 202);
      }
      assert.equal((await post(server, "signup", { email: person.email, name: "Eve" })).status, 202);
      // A mail to somebody else, asked for later, has arrived.
      const other = await signUp(server);
      assert.ok((await mails(server, other.email)).length > 0);
      await sleep(1_500);
      assert.equal((await mails(server, person.email)).length, before, verb);
      await changed(person, { ban: "unban", disable: "enable", lock: "unlock" }[verb]);
      await logIn(server, person);
    }
  });

  test("of another tenant is not there", async () => {
    const person = await signUp(server);
    await settled(server, person);
    const { DIRECTORY } = await server.getEnv();
    await DIRECTORY.prepare("UPDATE users SET tenant = 'other' WHERE account_id = ?").bind(person.account).run();
    for (const verb of ["ban", "lock", "restore", "set-email-verified", "set-password"]) {
      refused(await operator.order(person, verb, { verified: true, password: null }), 404, "not_found");
    }
    for (const path of ["", "/export"]) refused(await operator.ask("GET", `/${person.account}${path}`), 404, "not_found");
    assert.deepEqual((await operator.users({ email: person.email })).users, []);
    await DIRECTORY.prepare("UPDATE users SET tenant = 'default' WHERE account_id = ?").bind(person.account).run();
    await editAccount(server, person, { tenant: "other" });
    refused(await operator.order(person, "ban"), 404, "not_found");
  });

  test("is nobody's to change without the operator's token", async () => {
    const person = await signUp(server);
    const paths = [
      ["GET", ""], ["GET", `/${person.account}`], ["DELETE", `/${person.account}`],
      ...["allowed", "sessions", "sign-ins", "history", "export"].map((name) => ["GET", `/${person.account}/${name}`]),
      ...["ban", "unban", "disable", "enable", "lock", "unlock", "restore", "purge", "set-password", "set-email", "set-email-verified", "revoke-sessions"].map((name) => ["POST", `/${person.account}/${name}`]),
    ];
    for (const token of [undefined, "", person.access, "x".repeat(44)]) {
      for (const [method, path] of paths) {
        refused(await operatorOf(server, token ?? null).ask(method, path, method === "POST" ? { body: {} } : {}), 401, "operator_token_invalid");
      }
    }
    await expectModes(server, person.access, { strict: true });
    for (const id of ["x", "0".repeat(31), "A".repeat(32), "0".repeat(32)]) {
      refused(await operator.order({ account: id }, "ban"), 404, "not_found");
      assert.equal(await operator.allowed({ account: id }), false);
    }
    refused(await remove(server, "admin/users/x/y", {}), 404, "not_found");
  });
});
