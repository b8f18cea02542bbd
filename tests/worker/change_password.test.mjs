// Changing a password while signed in: the owner is asked for, this session goes on, all others end.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { audited, claimsOf, storedSession, until } from "./support/people.mjs";

const NEW = "a better one than before";
const UNLIMITED = { count: 0, period_seconds: 60 };

describe("changing a password", () => {
  let server;
  let directory;
  let owner;
  let thief;
  before(async () => {
    server = await startOpenServer({ vars: { lockout: { per_source_failures: 3, per_identifier_failures: 100 } } });
    ({ DIRECTORY: directory } = await server.getEnv());
    owner = client(server, "198.51.100.1");
    thief = client(server, "203.0.113.66");
  });
  after(() => server?.stop());

  const change = (who, bearer, body) => who.post("change-password", body, { bearer });
  const changed = (answer) => assert.deepEqual([answer.status, answer.body], [200, { success: true }], answer.text);
  const person = async () => {
    const email = newAddress();
    const tokens = await owner.account(email);
    const { sub: account, sid: session } = claimsOf(tokens.access_token);
    return { email, account, session, ...tokens };
  };
  const credential = (account) => directory.prepare("SELECT version, password_hash FROM credentials WHERE account_id = ?").bind(account).first();
  const fences = async (account) =>
    (await directory.prepare("SELECT change FROM pending_fences WHERE account_id = ?").bind(account).all()).results;
  const refreshes = async (tokens) => (await owner.post("refresh", { refresh_token: tokens.refresh_token })).status;

  test("keeps this session, ends the others, and tells the owner", async () => {
    const me = await person();
    const stolen = granted(await thief.login(me.email, PASSWORD));
    changed(await change(owner, me.access_token, { current_password: PASSWORD, new_password: NEW }));

    refused(await owner.validate(stolen.access_token, "strict"), 401, "session_revoked");
    refused(await owner.validate(me.access_token, "strict"), 401, "token_stale");
    assert.equal(await refreshes(stolen), 401);
    assert.equal(await refreshes(me), 200);
    refused(await thief.login(me.email, PASSWORD), 401, "invalid_credentials");
    granted(await owner.login(me.email, NEW));
    assert.deepEqual(await fences(me.account), []);

    const notices = (await owner.untilMails(me.email, 2)).filter(({ subject }) => subject === "Your password was changed");
    assert.equal(notices.length, 1);
    assert.ok(!notices[0].text.includes(NEW));
    assert.ok((await audited(server, me)).includes("password_changed"));
  });

  test("is refused without the current password, and nothing has changed", async () => {
    const me = await person();
    const before = await credential(me.account);
    const attempts = [
      [{ new_password: NEW }, 400, "invalid_request", "current_password"],
      [{ current_password: null, new_password: NEW }, 400, "invalid_request", "current_password"],
      [{ current_password: "", new_password: NEW }, 400, "invalid_request", "current_password"],
      [{ current_password: PASSWORD }, 400, "invalid_request", "new_password"],
      [{ current_password: PASSWORD, new_password: "short" }, 400, "invalid_request", "new_password"],
      [{ current_password: PASSWORD, new_password: me.email }, 400, "invalid_request", "new_password"],
      [{ current_password: PASSWORD, new_password: PASSWORD }, 400, "invalid_request", "new_password"],
      [{ current_password: NEW, new_password: NEW }, 403, "current_password_wrong"],
      [{ current_password: `${PASSWORD} `, new_password: NEW }, 403, "current_password_wrong"],
    ];
    for (const [body, status, code, field] of attempts) {
      const problem = refused(await change(owner, me.access_token, body), status, code);
      if (field) assert.equal(problem.errors[0].field, field);
    }
    assert.deepEqual(await credential(me.account), before);
    assert.equal(await refreshes(me), 200);
  });

  test("is refused to whoever is not signed in now", async () => {
    const [me, other] = [await person(), await person()];
    const body = { current_password: PASSWORD, new_password: NEW };
    refused(await change(owner, undefined, body), 401, "token_missing");
    refused(await change(owner, "not a token", body), 401, "token_malformed");
    assert.equal((await owner.revokeSession(me.access_token, me.session)).status, 200);
    // At once, whatever the mode: a copy at the edge is not asked.
    refused(await change(owner, me.access_token, body), 401, "session_revoked");
    granted(await owner.login(me.email, PASSWORD));
    changed(await change(owner, other.access_token, body));
    granted(await owner.login(me.email, PASSWORD));
  });

  test("is no better place to guess a password than the login", async () => {
    const me = await person();
    const stolen = { bearer: granted(await thief.login(me.email, PASSWORD)).access_token };
    for (let guess = 0; guess < 3; guess += 1) {
      const answer = await thief.post("change-password", { current_password: `guess number ${guess}`, new_password: NEW }, stolen);
      refused(answer, 403, "current_password_wrong");
    }
    const locked = await thief.post("change-password", { current_password: PASSWORD, new_password: NEW }, stolen);
    refused(locked, 429, "rate_limited");
    assert.ok(Number(locked.headers.get("retry-after")) > 0);
    refused(await thief.login(me.email, PASSWORD), 429, "rate_limited");
    // The owner, elsewhere, is not locked out, and a success takes the count of this source back.
    for (let round = 0; round < 3; round += 1) {
      const bearer = granted(await owner.login(me.email, PASSWORD)).access_token;
      refused(await change(owner, bearer, { current_password: "mistyped", new_password: NEW }), 403, "current_password_wrong");
      refused(await change(owner, bearer, { current_password: PASSWORD, new_password: PASSWORD }), 400, "invalid_request");
    }
  });

  test("twice at the same moment happens once", async () => {
    const me = await person();
    const other = granted(await owner.login(me.email, PASSWORD));
    const news = ["the first of two at once", "the second of two at once"];
    const answers = await Promise.all(
      [me, other].map(({ access_token: bearer }, index) => change(owner, bearer, { current_password: PASSWORD, new_password: news[index] })),
    );
    const won = answers.findIndex(({ status }) => status === 200);
    assert.notEqual(won, -1);
    const lost = answers[1 - won];
    assert.ok(["403 current_password_wrong", "401 session_revoked", "401 token_stale"].includes(`${lost.status} ${lost.body.code}`), lost.text);
    assert.equal((await credential(me.account)).version, 2);
    granted(await owner.login(me.email, news[won]));
    refused(await owner.login(me.email, news[1 - won]), 401, "invalid_credentials");
  });

  test("whose fence stays open keeps this session when the cron closes it", async () => {
    const me = await person();
    const stolen = granted(await thief.login(me.email, PASSWORD));
    await directory
      .prepare(`CREATE TRIGGER stuck BEFORE DELETE ON pending_fences WHEN OLD.account_id = '${me.account}' BEGIN SELECT RAISE(ABORT, 'stuck'); END`)
      .run();
    try {
      refused(await change(owner, me.access_token, { current_password: PASSWORD, new_password: NEW }), 503, "invalidation_pending");
      const [{ change: about }] = await fences(me.account);
      assert.deepEqual(JSON.parse(about), { change: "password_changed", keep: me.session });
    } finally {
      await directory.prepare("DROP TRIGGER stuck").run();
    }
    await directory.prepare("UPDATE pending_fences SET next_at = 0 WHERE account_id = ?").bind(me.account).run();
    await server.scheduled();
    await until("the fence is closed", async () => (await fences(me.account)).length === 0);
    assert.equal(await refreshes(me), 200);
    assert.equal(await refreshes(stolen), 401);
    granted(await owner.login(me.email, NEW));
  });

  test("gives an account its first password only while its login is recent", async () => {
    const email = newAddress();
    const { registration, code } = await owner.signUp(email);
    const tokens = granted(await owner.verify({ email, otp: code, registration }));
    const { sub: account, sid: session } = claimsOf(tokens.access_token);
    assert.equal((await owner.me(tokens.access_token)).body.has_password, false);

    // The session of an hour ago, as a thief would find it: a refreshed token says when its owner signed in.
    const record = await storedSession(server, { account, session });
    const storage = await server.objectStorage("ACCOUNT", account);
    const put = (value) => storage.exec("UPDATE sessions SET record = ? WHERE key = ?", JSON.stringify(value), session);
    await put({ ...record, auth_time: record.auth_time - 3_600 });
    const old = granted(await owner.post("refresh", { refresh_token: tokens.refresh_token }));
    for (const current of [undefined, PASSWORD]) {
      refused(await change(owner, old.access_token, { current_password: current, new_password: NEW }), 401, "reauthentication_required");
    }
    assert.equal((await credential(account)).password_hash, null);

    changed(await change(owner, tokens.access_token, { new_password: NEW }));
    const bearer = granted(await owner.login(email, NEW)).access_token;
    assert.equal((await owner.me(bearer)).body.has_password, true);
  });

  test("meets the limits of the login", async () => {
    const limited = await startOpenServer({ vars: { limits: { login_per_pair: { count: 3, period_seconds: 600 }, login_per_source: UNLIMITED } } });
    try {
      const somebody = client(limited, "198.51.100.9");
      const email = newAddress();
      const { access_token: bearer } = await somebody.account(email);
      for (let turn = 0; turn < 3; turn += 1) {
        refused(await change(somebody, bearer, { current_password: "not the password", new_password: NEW }), 403, "current_password_wrong");
      }
      refused(await change(somebody, bearer, { current_password: PASSWORD, new_password: NEW }), 429, "rate_limited");
      granted(await client(limited, "198.51.100.10").login(email, PASSWORD));
    } finally {
      await limited.stop();
    }
  });
});
