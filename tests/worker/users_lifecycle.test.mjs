// How accounts end: deleted by the operator or their owners, restored or purged, and what they leave.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { audited, editAccount, expectModes, get, logIn, mails, post, refresh, refused, remove, request, settled, signUp, sleep, storedAccount, storedSession, tokensOf, until } from "./support/people.mjs";
import { SoftwarePasskey } from "./support/passkeys.mjs";
import { operatorOf, signUpAgain, startOperated } from "./support/operator.mjs";

/** The tables of the directory that say whose a row is. */
async function tablesOfAccounts(directory) {
  const { results } = await directory.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all();
  const columns = results.map(({ name, sql }) => [name, /\b(account_id|owner_id)\b/.exec(sql)?.[1]]);
  return columns.filter(([name, column]) => column !== undefined && name !== "audit_events");
}

describe("a deleted account", () => {
  let server;
  let operator;
  let directory;
  before(async () => {
    server = await startOperated({}, { accounts: { purge_after_seconds: 3_600 } });
    operator = operatorOf(server);
    ({ DIRECTORY: directory } = await server.getEnv());
  });
  after(() => server?.stop());

  const erase = async (person, body) => {
    const answer = await operator.ask("DELETE", `/${person.account}`, body && { body });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };
  const purge = async (person) => assert.deepEqual((await operator.order(person, "purge")).body, { purged: true });

  test("is refused everywhere, comes back with its password, and its sessions do not", async () => {
    const person = await signUp(server);
    assert.deepEqual(await erase(person, { reason: "asked for" }), { changed: true, status: "deleted", until: null });
    assert.deepEqual(await erase(person), { changed: false, status: "deleted", until: null });
    assert.equal((await storedSession(server, person)).revoked.reason, "soft_deleted");
    await expectModes(server, person.access, { strict: "account_deleted" });
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    refused(await post(server, "login", person), 403, "account_deleted");
    refused(await post(server, "login", { ...person, password: "wrong horse battery" }), 401, "invalid_credentials");
    assert.deepEqual((await operator.users({ email: person.email })).users, []);
    assert.equal((await operator.users({ email: person.email, only_deleted: true })).users.length, 1);
    // Its address stays taken, and nobody is told so by mail.
    const count = (await mails(server, person.email)).length;
    assert.equal((await post(server, "signup", { email: person.email, name: "Eve" })).status, 202);
    await sleep(1_000);
    assert.equal((await mails(server, person.email)).length, count);

    assert.deepEqual((await operator.order(person, "restore")).body, { changed: true, status: "active", until: null });
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    await expectModes(server, person.access, { strict: "session_revoked" });
    const back = await logIn(server, person);
    assert.equal(back.account, person.account);
    const trail = await audited(server, person);
    assert.ok(trail.includes("account_status_changed:deleted by operator: asked for"), trail);
  });

  test("is purged only after it was deleted, and then nothing of it is left but a tombstone", async () => {
    const person = await signUp(server);
    const second = await logIn(server, person);
    assert.equal((await post(server, "2fa/setup", { current_password: person.password }, { bearer: person.access })).status, 200);
    const asked = await post(server, "passkeys/registration", { current_password: person.password }, { bearer: person.access });
    const credential = new SoftwarePasskey().create(asked.body);
    assert.equal((await post(server, "passkeys", { name: "laptop", credential }, { bearer: person.access })).status, 201);
    refused(await operator.order(person, "purge"), 409, "status_conflict");
    await expectModes(server, person.access, { strict: true });
    await erase(person);
    await Promise.all([purge(person), purge(person), purge(person)]);
    await purge(person);
    await settled(server, person);

    const tables = await tablesOfAccounts(directory);
    assert.ok(tables.length >= 6, tables);
    for (const [table, column] of tables) {
      const { left } = await directory.prepare(`SELECT COUNT(*) AS left FROM ${table} WHERE ${column} = ?`).bind(person.account).first();
      assert.equal(left, 0, `${table} still has a row of a purged account`);
    }
    const storage = await server.objectStorage("ACCOUNT", person.account);
    for (const table of ["sessions", "operations", "orders", "outbox"]) {
      assert.deepEqual(await storage.exec(`SELECT * FROM ${table}`), [], table);
    }
    assert.deepEqual(await storage.exec("SELECT key FROM account"), [{ key: "account" }]);
    const tombstone = await storedAccount(server, person);
    assert.deepEqual([tombstone.status, tombstone.authorization.roles], ["purged", []]);
    assert.ok(!JSON.stringify(tombstone).includes("example.com"));
    for (const path of ["", "/export"]) refused(await operator.ask("GET", `/${person.account}${path}`), 404, "not_found");
    for (const verb of ["restore", "ban", "set-password", "set-email"]) {
      refused(await operator.order(person, verb, { password: null, email: "x@example.com" }), 404, "not_found");
    }
    assert.equal(await operator.allowed(person), false);
    assert.ok((await audited(server, person)).includes("account_status_changed:purged by operator"));

    // The address is free, and what it opens is another account.
    await until("a new account", async () => (await post(server, "login", person)).status === 401);
    const again = await signUpAgain(server, person.email);
    assert.notEqual(again.account, person.account);
    for (const old of [person, second]) {
      refused(await refresh(server, old.refresh), 401, "refresh_invalid");
      await expectModes(server, old.access, { strict: "account_deleted" });
      assert.notEqual((await get(server, "me", { bearer: old.access })).status, 200);
    }
    await expectModes(server, again.access, { strict: true });
    tokensOf(await refresh(server, again.refresh));
  });

  test("is never seeded over, whatever proof was on its way", async () => {
    const person = await signUp(server);
    await settled(server, person);
    const rows = {};
    for (const table of ["users", "identifiers", "credentials"]) {
      rows[table] = await directory.prepare(`SELECT * FROM ${table} WHERE account_id = ?`).bind(person.account).first();
    }
    await erase(person);
    await purge(person);
    await settled(server, person);
    // The directory, as somebody read it a moment before.
    for (const [table, row] of Object.entries(rows)) {
      const names = Object.keys(row);
      await directory.prepare(`INSERT INTO ${table} (${names}) VALUES (${names.map(() => "?")})`).bind(...Object.values(row)).run();
    }
    refused(await post(server, "login", person), 403, "account_deleted");
    refused(await operator.order(person, "restore"), 404, "not_found");
    await purge(person);
    refused(await post(server, "login", person), 401, "invalid_credentials");
  });

  test("is purged by the minute's work when its time has come, and not before", async () => {
    const [early, late, restored] = [await signUp(server), await signUp(server), await signUp(server)];
    for (const person of [early, late, restored]) await erase(person);
    const hour = 3_600_000;
    const back = async (person, millis) => {
      const { cause } = await storedAccount(server, person);
      await editAccount(server, person, { cause: { ...cause, at: cause.at - millis } });
      await directory.prepare("UPDATE users SET status_at = status_at - ? WHERE account_id = ?").bind(millis, person.account).run();
    };
    for (const person of [early, late, restored]) await settled(server, person);
    await back(early, hour - 60_000);
    await back(late, hour);
    await back(restored, hour);
    // Restored, and the copy in the directory does not know yet.
    const { cause } = await storedAccount(server, restored);
    await operator.order(restored, "restore");
    await settled(server, restored);
    await directory.prepare("UPDATE users SET status = 'deleted', status_at = ?, status_version = 0 WHERE account_id = ?").bind(cause.at, restored.account).run();
    await sleep(10);
    await server.scheduled();
    assert.equal((await storedAccount(server, late)).status, "purged");
    assert.equal((await storedAccount(server, early)).status, "deleted");
    refused(await post(server, "login", early), 403, "account_deleted");
    refused(await post(server, "login", late), 401, "invalid_credentials");
    await logIn(server, restored);
    await until("the copy", async () => (await operator.show(restored)).status === "active", 60);
    await server.scheduled();
    await logIn(server, restored);
  });

  test("whose purge was cut off before the directory knew is finished by its outbox", async () => {
    const person = await signUp(server);
    await erase(person);
    await settled(server, person);
    await directory.exec("CREATE TRIGGER no_purge BEFORE DELETE ON users BEGIN SELECT RAISE(ABORT, 'out of order'); END");
    try {
      refused(await operator.order(person, "purge"), 503, "unavailable");
      assert.equal((await storedAccount(server, person)).status, "purged");
      const { left } = await directory.prepare("SELECT COUNT(*) AS left FROM identifiers WHERE account_id = ?").bind(person.account).first();
      assert.equal(left, 1, "half of it is gone");
      await server.evictObject("ACCOUNT", person.account);
    } finally {
      await directory.exec("DROP TRIGGER no_purge");
    }
    await settled(server, person);
    const { left } = await directory.prepare("SELECT COUNT(*) AS left FROM identifiers WHERE account_id = ?").bind(person.account).first();
    assert.equal(left, 0);
  });

  test("by its owner, who shows to be it", async () => {
    const person = await signUp(server);
    const second = await logIn(server, person);
    const erased = (body, bearer = person.access) => remove(server, "me", { bearer, body });
    refused(await erased(undefined), 400, "invalid_request");
    refused(await erased({ current_password: "seven swift otters stumble" }), 403, "current_password_wrong");
    refused(await erased({ current_password: person.password }, ""), 401, "token_missing");
    await expectModes(server, person.access, { strict: true });
    assert.deepEqual((await erased({ current_password: person.password })).body, { success: true });
    for (const session of [person, second]) {
      await expectModes(server, session.access, { strict: "account_deleted" });
      refused(await refresh(server, session.refresh), 401, "refresh_invalid");
    }
    refused(await erased({ current_password: person.password }), 401, "account_deleted");
    refused(await post(server, "login", person), 403, "account_deleted");
    assert.ok((await audited(server, person)).includes("account_status_changed:deleted by owner"));
    assert.equal((await operator.order(person, "restore")).body.status, "active");
    await logIn(server, person);
  });
});

describe("an account that its owner may not delete", () => {
  test("stays", async () => {
    const server = await startOperated({}, { accounts: { owner_may_delete: false } });
    try {
      const person = await signUp(server);
      refused(await remove(server, "me", { bearer: person.access, body: { current_password: person.password } }), 403, "feature_disabled");
      await expectModes(server, person.access, { strict: true });
    } finally {
      await server.stop();
    }
  });
});

describe("an export", () => {
  let server;
  let operator;
  before(async () => {
    server = await startOperated();
    operator = operatorOf(server);
  });
  after(() => server?.stop());

  test("has all that is stored about an account, and nothing that opens it", async () => {
    const person = await signUp(server, { email: "export@example.com", name: 'Ada "the" Countess', headers: { "user-agent": "Kite/1.0" } });
    const ended = await logIn(server, person);
    assert.equal((await post(server, "logout", { refresh_token: ended.refresh })).status, 200);
    await operator.history(person, "session_revoked");
    assert.equal((await operator.ask("POST", `/${person.account}/entitlements`, { body: { name: "reports" } })).status, 200);
    // What somebody may do has changed, and with it their tokens.
    person.access = tokensOf(await refresh(server, person.refresh)).access;
    const own = await get(server, "me/export", { bearer: person.access });
    const theirs = await operator.ask("GET", `/${person.account}/export`);
    for (const { status, body } of [own, theirs]) {
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual(Object.keys(body), ["exported_at", "tenant", "account", "sessions", "second_factor", "passkeys", "groups", "permissions", "organizations", "entitlements", "events", "events_truncated"]);
      assert.equal(body.account.id, person.account);
      assert.equal(body.account.name, 'Ada "the" Countess');
      assert.deepEqual(body.account.identifiers.map(({ kind, value }) => [kind, value]), [["email", person.email]]);
      assert.deepEqual(body.sessions.map(({ id, state }) => [id, state]).sort(), [[person.session, "live"], [ended.session, { revoked: "logout" }]].sort());
      assert.equal(body.sessions.find(({ id }) => id === person.session).device.user_agent, "Kite/1.0");
      assert.ok(body.events.some(({ event, detail }) => event === "session_revoked" && detail === "logout"));
      assert.equal(body.events_truncated, false);
      assert.deepEqual(body.entitlements.map(({ name }) => name), ["reports"]);
      const text = JSON.stringify(body);
      const { session_key: key } = await storedSession(server, person);
      const { DIRECTORY } = await server.getEnv();
      const { password_hash: hash } = await DIRECTORY.prepare("SELECT password_hash FROM credentials WHERE account_id = ?").bind(person.account).first();
      for (const secret of [key, hash, "$argon2", "password_hash", "session_key", "prt_", person.refresh, person.access]) {
        assert.ok(!text.includes(secret), secret);
      }
    }
    refused(await request(server, "GET", "/api/v1/auth/me/export"), 401, "token_missing");
    await operator.order(person, "ban");
    refused(await get(server, "me/export", { bearer: person.access }), 401, "account_banned");
    assert.equal((await operator.ask("GET", `/${person.account}/export`)).status, 200);
  });

  test("and a history are read page by page, and are the account's own", async () => {
    const person = await signUp(server);
    const other = await signUp(server);
    for (let round = 0; round < 4; round += 1) await logIn(server, person);
    await settled(server, person);
    await settled(server, other);
    const seen = [];
    let cursor;
    do {
      const { body } = await operator.ask("GET", `/${person.account}/sign-ins?limit=2${cursor ? `&cursor=${cursor}` : ""}`);
      assert.ok(body.events.length <= 2);
      seen.push(...body.events);
      cursor = body.next_cursor;
    } while (cursor);
    assert.equal(seen.length, 5);
    assert.equal(new Set(seen.map(({ id }) => id)).size, 5);
    assert.deepEqual(seen.map(({ at }) => at), seen.map(({ at }) => at).sort((one, late) => late - one));
    const { body } = await operator.ask("GET", `/${person.account}/history?event=session_revoked`);
    assert.deepEqual(body.events, []);
    const { body: sessions } = await operator.ask("GET", `/${person.account}/sessions`);
    assert.equal(sessions.sessions.length, 5);
    assert.ok(sessions.sessions.every(({ current }) => current === false));
  });

  test("sessions are ended by the operator, one or all", async () => {
    const person = await signUp(server);
    const second = await logIn(server, person);
    const third = await logIn(server, person);
    const end = (body, key) => operator.order(person, "revoke-sessions", body, key);
    assert.deepEqual((await end({ session_id: second.session })).body, { revoked: 1 });
    assert.deepEqual((await end({ session_id: second.session })).body, { revoked: 0 });
    assert.equal((await storedSession(server, second)).revoked.reason, "admin_revoke");
    await expectModes(server, person.access, { strict: true });
    refused(await end({ session_id: "0".repeat(32) }), 404, "not_found");
    refused(await end({ session_id: "x" }), 400, "invalid_request");
    assert.deepEqual((await end(undefined, "all-1")).body, { revoked: 2 });
    assert.deepEqual((await end(undefined, "all-1")).body, { revoked: 2 });
    for (const session of [person, third]) {
      assert.equal((await storedSession(server, session)).revoked.reason, "admin_revoke_all");
      refused(await refresh(server, session.refresh), 401, "refresh_invalid");
    }
    await logIn(server, person);
  });
});
