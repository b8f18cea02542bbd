// Entitlements: an operator gives and takes them, tokens carry the names that count, and a change reaches tokens at once.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { AUTH, claimsOf, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { audited, sleep, tokensOf, until } from "./support/people.mjs";

const OPERATOR = randomBytes(32).toString("base64");
const NOBODY = "0123456789abcdef".repeat(2);

describe("entitlements", () => {
  let server;
  let person;
  before(async () => {
    const vars = { limits: { operator_per_source: { count: 0, period_seconds: 60 } } };
    server = await startOpenServer({ vars, secrets: { POSTERN_OPERATOR_TOKEN: OPERATOR } });
    person = client(server);
  });
  after(() => server?.stop());

  const path = (account) => `/api/v1/auth/admin/users/${account}/entitlements`;
  const ask = (method, route, body) => person.send(method, route, { body, bearer: OPERATOR });
  const list = (account) => ask("GET", path(account));
  const grant = (account, body) => ask("POST", path(account), body);
  const revoke = (account, body) => ask("POST", `${path(account)}/revoke`, body);
  const ok = ({ status, body, text }) => {
    assert.equal(status, 200, text);
    return body;
  };
  const somebody = async () => tokensOf({ status: 200, body: await person.account(newAddress()) });
  const refresh = async ({ refresh: token }) => granted(await person.post("refresh", { refresh_token: token }));
  const carried = ({ access_token: token }) => claimsOf(token).ent;
  /** A generation advances once per grace: the same session again, with what it is told now. */
  const seen = async (who) => carried(await refresh(who));

  test("are in no token until they are given, and in every one from then on", async () => {
    const who = await somebody();
    assert.equal(claimsOf(who.access).ent, undefined);
    assert.deepEqual(ok(await list(who.account)), { names: [], grants: [] });
    const given = ok(await grant(who.account, { name: "export", metadata: "invoice 7" }));
    assert.deepEqual(given.names, ["export"]);
    const [{ granted_at: at, ...rest }] = given.grants;
    assert.deepEqual(rest, { name: "export", source: "operator", metadata: "invoice 7" });
    assert.ok(Math.abs(Date.now() - at) < 60_000);

    refused(await person.validate(who.access, "strict"), 401, "token_stale");
    const fresh = await refresh(who);
    assert.deepEqual(carried(fresh), ["export"]);
    assert.equal((await person.validate(fresh.access_token, "strict")).status, 200);
    const { body: me } = await person.me(fresh.access_token);
    assert.deepEqual(me.entitlements, ["export"]);
    assert.equal(me.email.endsWith("@example.com"), true);
  });

  test("that are given before the first login are in its token", async () => {
    const email = newAddress();
    await person.account(email);
    const { DIRECTORY } = await server.getEnv();
    const { account_id: id } = await DIRECTORY.prepare("SELECT account_id FROM users WHERE email = ?").bind(email).first();
    // As if it had never been opened: an imported account.
    const storage = await server.objectStorage("ACCOUNT", id);
    for (const table of ["account", "sessions", "operations", "outbox"]) await storage.exec(`DELETE FROM ${table}`);
    ok(await grant(id, { name: "export" }));
    assert.deepEqual(carried(granted(await person.login(email, "seven swift otters juggle"))), ["export"]);
  });

  test("that are taken are gone at once: strictly, and at the next refresh", async () => {
    const who = await somebody();
    for (const source of ["shop", "support"]) ok(await grant(who.account, { name: "export", source }));
    ok(await grant(who.account, { name: "archive" }));
    const before = await refresh(who);
    assert.deepEqual(carried(before), ["archive", "export"]);

    assert.deepEqual(ok(await revoke(who.account, { name: "export", source: "shop" })).names, ["archive", "export"]);
    assert.equal((await person.validate(before.access_token, "strict")).status, 200, "another source gives it still");
    const left = ok(await revoke(who.account, { name: "export" }));
    assert.deepEqual(left.names, ["archive"]);
    assert.deepEqual(ok(await ask("GET", `/api/v1/auth/admin/users/${who.account}`)).entitlements, ["archive"]);
    assert.ok(left.grants.filter(({ name }) => name === "export").every(({ revoked_at: at }) => at > 0));
    refused(await person.validate(before.access_token, "strict"), 401, "token_stale");
    // The mark is on its way to the edge; the bound is that of the mode.
    const hybrid = () => person.validate(before.access_token, "hybrid");
    refused(await until("the mark at the edge", async () => ((answer) => answer.status === 401 && answer)(await hybrid()), 60), 401, "token_stale");
    assert.deepEqual(await seen(who), ["archive"]);
    assert.ok((await audited(server, who)).includes("entitlements_changed:archive"));
  });

  test("that have ended are in no token, whoever asks and however", async () => {
    const email = newAddress();
    const who = tokensOf({ status: 200, body: await person.account(email) });
    const end = Date.now() + 2_000;
    assert.deepEqual(ok(await grant(who.account, { name: "trial", expires_at: end })).names, ["trial"]);
    assert.deepEqual(await seen(who), ["trial"]);
    await sleep(end - Date.now() + 50);
    assert.equal(await seen(who), undefined);
    assert.equal(carried(granted(await person.login(email, "seven swift otters juggle"))), undefined);
    const { names, grants } = ok(await list(who.account));
    assert.deepEqual([names, grants.length], [[], 1]);
    ok(await grant(who.account, { name: "trial" }));
    assert.deepEqual(await seen(who), ["trial"]);
  });

  test("are given and taken once under a key, whatever was done since", async () => {
    const who = await somebody();
    const [mine, theirs] = [{ "idempotency-key": "order-1" }, { "idempotency-key": "order-2" }];
    const order = { name: "export", source: "shop", metadata: "invoice 9" };
    const send = (route, body, headers) => person.send("POST", route, { body, bearer: OPERATOR, headers });
    const lines = async () => (await audited(server, who)).filter((line) => /^entitlement_/.test(line));
    const answers = await Promise.all([1, 2, 3].map(() => send(path(who.account), order, mine)));
    for (const answer of answers) assert.deepEqual(ok(answer), ok(answers[0]));
    assert.deepEqual(await lines(), ["entitlement_granted:export of shop by operator"]);
    ok(await send(`${path(who.account)}/revoke`, { name: "export" }, theirs));
    assert.deepEqual(ok(await send(path(who.account), order, mine)).names, [], "it was given before it was taken");
    ok(await grant(who.account, { name: "export" }));
    assert.deepEqual(ok(await send(`${path(who.account)}/revoke`, { name: "export" }, theirs)).names, ["export"], "it was taken before it was given");
    assert.equal((await lines()).length, 3);
    for (const other of [{ ...order, metadata: "invoice 10" }, { ...order, source: "support" }, { ...order, expires_at: Date.now() + 60_000 }]) {
      refused(await send(path(who.account), other, mine), 409, "idempotency_key_reused");
    }
    refused(await send(`${path(who.account)}/revoke`, { name: "export" }, mine), 409, "idempotency_key_reused");
    const other = await somebody();
    assert.deepEqual(ok(await send(path(other.account), order, mine)).names, ["export"], "a key is about one account");
    assert.equal((await lines()).length, 3);
    // Nor where it could not be given any more: there are as many as may be.
    ok(await revoke(who.account, { name: "export" }));
    const { DIRECTORY } = await server.getEnv();
    const row = DIRECTORY.prepare("INSERT INTO entitlements (account_id, name, source, granted_at) VALUES (?, ?, 'test', 0)");
    await DIRECTORY.batch(Array.from({ length: 64 }, (_, index) => row.bind(who.account, `other${index}`)));
    const { names } = ok(await send(path(who.account), order, mine));
    assert.deepEqual([names.length, names.includes("export")], [64, false]);
    assert.equal((await lines()).length, 4);
  });

  test("are 64 at most at a time", async () => {
    const who = await somebody();
    const { DIRECTORY } = await server.getEnv();
    const row = DIRECTORY.prepare("INSERT INTO entitlements (account_id, name, source, granted_at) VALUES (?, ?, 'test', 0)");
    await DIRECTORY.batch(Array.from({ length: 64 }, (_, index) => row.bind(who.account, `n${index}`)));
    refused(await grant(who.account, { name: "one-more" }), 409, "too_many_entitlements");
    ok(await grant(who.account, { name: "n0", source: "test", metadata: "the same again" }));
    ok(await revoke(who.account, { name: "n1" }));
    assert.equal(ok(await grant(who.account, { name: "one-more" })).names.length, 64);
    assert.equal((await seen(who)).length, 64);
  });

  test("are finished by the cron when the account did not hear of them", async () => {
    const who = await somebody();
    const { DIRECTORY } = await server.getEnv();
    await DIRECTORY.batch([
      DIRECTORY.prepare("INSERT INTO entitlements (account_id, name, source, granted_at) VALUES (?, 'late', 'test', 0)").bind(who.account),
      DIRECTORY.prepare("INSERT INTO entitlement_lists VALUES (?, 1, 0, ?)").bind(who.account, Date.now() - 1),
    ]);
    assert.equal((await person.validate(who.access, "strict")).status, 200);
    await server.scheduled();
    refused(await person.validate(who.access, "strict"), 401, "token_stale");
    assert.deepEqual(await seen(who), ["late"]);
    const { confirmed } = await DIRECTORY.prepare("SELECT confirmed FROM entitlement_lists WHERE account_id = ?").bind(who.account).first();
    assert.equal(confirmed, 1);
  });

  test("are the operator's to give, to accounts that there are", async () => {
    const who = await somebody();
    for (const [method, route] of [["GET", path(who.account)], ["POST", path(who.account)], ["POST", `${path(who.account)}/revoke`]]) {
      const body = method === "GET" ? undefined : { name: "export" };
      refused(await person.send(method, route, { body }), 401, "operator_token_invalid");
      refused(await person.send(method, route, { body, bearer: who.access }), 401, "operator_token_invalid");
      const other = route.replace(who.account, NOBODY);
      refused(await ask(method, other, body), 404, "not_found");
      refused(await ask(method, route.replace(who.account, "nobody"), body), 404, "not_found");
    }
    assert.deepEqual(ok(await list(who.account)).grants, []);
  });

  test("have plain names and an end to come", async () => {
    const who = await somebody();
    for (const [body, field] of [
      [{}, "name"],
      [{ name: "" }, "name"],
      [{ name: "Export" }, "name"],
      [{ name: "a".repeat(65) }, "name"],
      [{ name: "a\"b" }, "name"],
      [{ name: 7 }, "name"],
      [{ name: "a", source: "the shop" }, "source"],
      [{ name: "a", expires_at: Date.now() - 1 }, "expires_at"],
      [{ name: "a", expires_at: 1.5 }, "expires_at"],
      [{ name: "a", expires_at: -1 }, "expires_at"],
      [{ name: "a", expires_at: "tomorrow" }, "expires_at"],
      [{ name: "a", metadata: "m".repeat(1_025) }, "metadata"],
      [{ name: "a", metadata: {} }, "metadata"],
    ]) {
      const { errors } = refused(await grant(who.account, body), 400, "invalid_request");
      assert.deepEqual(errors.map((error) => error.field), [field], JSON.stringify(body));
    }
    assert.deepEqual(ok(await list(who.account)).grants, []);
  });

  test("survive a rotation, a new login and each other", async () => {
    const who = await somebody();
    await Promise.all(["a", "b", "c", "d"].map((name) => grant(who.account, { name }).then(ok)));
    await until("all of them", async () => (await seen(who))?.length === 4);
    assert.deepEqual(await seen(who), ["a", "b", "c", "d"]);
  });
});

describe("capabilities", () => {
  test("are what the deployment can do, without its secrets, for the operator alone, and in part for everybody", async () => {
    const mail = { sender: "resend", from: "no-reply@example.com" };
    const secrets = { POSTERN_OPERATOR_TOKEN: OPERATOR, MAIL_API_KEY: "not-to-be-shown" };
    const server = await startOpenServer({ vars: { mail, sign_in: { links: false } }, secrets });
    try {
      const person = client(server);
      const route = "/api/v1/auth/admin/capabilities";
      refused(await person.send("GET", route), 401, "operator_token_invalid");
      const { status, body, text } = await person.send("GET", route, { bearer: OPERATOR });
      assert.equal(status, 200, text);
      const { version, ...rest } = body;
      assert.match(version, /^\d+\.\d+\.\d+/);
      assert.ok(rest.features.includes("sign_in_codes") && rest.features.includes("password_reset_by_link"));
      assert.ok(rest.features.includes("passkeys") && rest.features.includes("sign_in_passkeys"));
      assert.ok(!rest.features.includes("sign_in_links"));
      assert.deepEqual([rest.has_mail_sender, rest.has_sms_sender, rest.has_root_key, rest.is_development], [true, false, false, true]);
      assert.deepEqual(rest.languages, ["de", "en"]);
      assert.ok(!text.includes("not-to-be-shown") && !text.includes(OPERATOR) && !text.includes("example.com"));

      const options = await person.send("GET", `${AUTH}/options`);
      const { features, ...figures } = options.body;
      assert.deepEqual(figures, {
        issuer: "http://localhost:8787", audience: ["http://localhost:8787"], client_id: "postern", tenant: "default", registry_version: rest.registry_version,
        access_token_ttl_seconds: 300, leeway_seconds: 30, session_idle_ttl_seconds: 604_800, session_absolute_ttl_seconds: 2_592_000,
        registration: "verified_first", usernames: "off", password_min_length: 10, password_max_bytes: 1024,
      });
      assert.deepEqual(features.filter((name) => !rest.features.includes(name)), []);
      assert.ok(features.includes("sign_in_codes") && !features.includes("sign_in_links") && !features.includes("sms"));
      assert.ok(!features.includes("device_binding") && !features.includes("session_snapshots"), "what only the operator uses");
      assert.ok(!options.text.includes("not-to-be-shown") && !options.text.includes("resend"));
      assert.equal(options.headers.get("access-control-allow-origin"), "*");
      const again = await person.send("GET", `${AUTH}/options`, { headers: { "if-none-match": options.headers.get("etag") } });
      assert.deepEqual([again.status, again.text], [304, ""]);

      const health = await person.send("GET", "/health");
      assert.deepEqual(health.body, { status: "ok", service: "postern", version });
    } finally {
      await server.stop();
    }
  });
});
