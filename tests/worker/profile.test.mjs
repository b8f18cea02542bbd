// What people say about themselves, and the address that they are about to have.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, claimsOf, client, cooled, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { until } from "./support/people.mjs";

const USE = "Your code to use this address";

describe("the profile", { concurrency: 4 }, () => {
  let server;
  let person;
  let directory;
  before(async () => {
    server = await startOpenServer();
    person = client(server);
    ({ DIRECTORY: directory } = await server.getEnv());
  });
  after(() => server?.stop());

  const somebody = async () => {
    const email = newAddress();
    const tokens = await person.account(email);
    // The directory's copy of the last login follows: it is waited for, so that nothing else changes meanwhile.
    await until("the login is copied", async () => (await person.me(tokens.access_token)).body.last_login_at !== null);
    return { email, bearer: tokens.access_token, id: claimsOf(tokens.access_token).sub, ...tokens };
  };
  const change = (bearer, body) => person.send("PATCH", `${AUTH}/me`, { bearer, body });

  test("keeps what was written, changes what is sent, removes what is null", async () => {
    const { bearer, email, id } = await somebody();
    const empty = (await person.me(bearer)).body;
    assert.ok(empty.last_login_at >= empty.created_at);
    assert.deepEqual(
      { ...empty, created_at: 0, last_login_at: 0 },
      {
        id, email, pending_email: null, phone: null, pending_phone: null, username: null, name: "Ada", biography: null, locale: null, is_verified: true, is_phone_verified: false,
        has_password: true, is_2fa_enabled: false, roles: ["user"], entitlements: [], created_at: 0, updated_at: null, last_login_at: 0,
      },
    );
    const written = { name: "Ada <b>Lovelace</b> & 'co'", biography: "First\nsecond <script>alert(1)</script>\t'; DROP TABLE users; --", locale: "en-GB" };
    const changed = await change(bearer, written);
    assert.equal(changed.status, 200, changed.text);
    assert.ok(changed.body.updated_at >= empty.created_at);
    assert.equal(changed.headers.get("content-type"), "application/json");
    assert.deepEqual(changed.body, { ...empty, ...written, updated_at: changed.body.updated_at });
    assert.deepEqual((await person.me(bearer)).body, changed.body);

    const removed = (await change(bearer, { biography: null })).body;
    assert.deepEqual([removed.biography, removed.locale, removed.name], [null, "en-GB", written.name]);
    assert.equal((await change(bearer, { locale: null })).body.locale, null);
  });

  test("refuses what breaks a rule, and then changes nothing", async () => {
    const { bearer } = await somebody();
    const before = (await person.me(bearer)).body;
    const bad = {
      name: [null, "", " ", "a\u0000b", "a\nb", "a\u202eb", "a".repeat(201), 1, {}],
      biography: ["", " \n", "a\u0000b", "a\u001b[2Jb", "a\u2066b", "a".repeat(2001), 1, []],
      locale: ["", "english_GB", "en-", "e", "x-klingon", "en-GB.UTF-8", "a".repeat(36), "en\u0000", 1, true],
    };
    for (const [field, values] of Object.entries(bad)) {
      for (const value of values) {
        const { errors } = refused(await change(bearer, { name: "Grace", biography: "I am", locale: "de", [field]: value }), 400, "invalid_request");
        assert.deepEqual(errors.map((error) => error.field), [field], JSON.stringify(value));
      }
    }
    assert.deepEqual((await person.me(bearer)).body, before);
    assert.equal((await change(bearer, { name: "ä".repeat(200), biography: "ä".repeat(2000), locale: "zh-Hant-TW" })).status, 200);
  });

  test("takes nothing that is not its own: no role, address, status, proof or id by way of a PATCH", async () => {
    const [me, other] = [await somebody(), await somebody()];
    const before = (await directory.prepare("SELECT * FROM users WHERE account_id = ?").bind(me.id).first());
    const assigned = { roles: ["admin"], email: other.email, status: "banned", is_verified: false, verified_at: 1, id: other.id, account_id: other.id, tenant: "x", password: PASSWORD, created_at: 0, __proto__x: 1, "name = 'x', roles": "y" };
    refused(await change(me.bearer, assigned), 400, "invalid_request");
    const { body, status } = await change(me.bearer, { ...assigned, name: "Grace" });
    assert.deepEqual([status, body.name, body.email, body.roles], [200, "Grace", me.email, ["user"]]);
    const row = await directory.prepare("SELECT * FROM users WHERE account_id = ?").bind(me.id).first();
    assert.deepEqual(row, { ...before, name: "Grace", updated_at: row.updated_at });
    assert.equal((await person.me(other.bearer)).body.name, "Ada");
  });

  test("is changed by a live session only", async () => {
    const me = await somebody();
    refused(await change(undefined, { name: "Thief" }), 401, "token_missing");
    refused(await change("nonsense", { name: "Thief" }), 401, "token_malformed");
    await person.post("logout", { refresh_token: me.refresh_token });
    refused(await change(me.bearer, { name: "Thief" }), 401, "session_revoked");
    const { access_token: bearer } = granted(await person.login(me.email, PASSWORD));
    assert.equal((await person.me(bearer)).body.name, "Ada");
  });

  test("a name in a mail is text", async () => {
    const email = newAddress();
    const name = "<img src=x onerror=alert(1)>";
    const { code } = await person.signUp(email, { name, password: PASSWORD });
    await person.signUp(email, { name, password: PASSWORD });
    granted(await person.verify({ email, otp: code, name }));
    const mail = await until("the link", async () => (await person.mails(email)).find(({ link }) => link), 60);
    assert.ok(mail.text.startsWith(`Hello ${name},\n`), mail.text);
    assert.ok(mail.html === undefined || !mail.html.includes("<img"), "markup of a stranger in a mail");
  });
});

describe("a change of address that waits", { concurrency: 4 }, () => {
  let server;
  let owner;
  let directory;
  before(async () => {
    server = await startOpenServer();
    owner = client(server);
    ({ DIRECTORY: directory } = await server.getEnv());
  });
  after(() => server?.stop());

  const somebody = async () => {
    const email = newAddress();
    const tokens = await owner.account(email);
    return { email, bearer: tokens.access_token, ...tokens };
  };
  const asks = ({ bearer }, email) => owner.post("request-email-change", { email, current_password: PASSWORD }, { bearer });
  const resends = ({ bearer }) => owner.post("resend-email-change", undefined, { bearer });
  const confirms = ({ bearer }, email, otp) => owner.post("confirm-email-change", { email, otp }, { bearer });
  const pending = async ({ bearer }) => (await owner.me(bearer)).body.pending_email;
  const codes = async (email) => (await owner.mails(email)).filter(({ subject }) => subject === USE).map(({ code }) => code);
  const untilCodes = (email, count) => until(`${count} codes`, async () => {
    const found = await codes(email);
    return found.length >= count && found;
  }, 60);

  test("is seen by its owner for a day, mailed again on demand, and over when it is confirmed", async () => {
    const me = await somebody();
    refused(await resends(me), 409, "no_pending_change");
    const to = newAddress("new");
    const accepted = await asks(me, to);
    assert.deepEqual([accepted.status, accepted.body], [202, { success: true, expires_in: 86_400 }]);
    assert.equal(await pending(me), to);
    const [first] = await untilCodes(to, 1);
    refused(await resends(me), 429, "rate_limited");
    await cooled(server);
    assert.equal((await resends(me)).status, 202);
    const [second] = (await untilCodes(to, 2)).filter((code) => code !== first);
    refused(await confirms(me, to, first), 400, "code_invalid");
    assert.equal((await confirms(me, to, second)).status, 200);
    const { access_token: bearer } = granted(await owner.post("refresh", { refresh_token: me.refresh_token }));
    const { body } = await owner.me(bearer);
    assert.deepEqual([body.email, body.pending_email], [to, null]);
    refused(await resends({ bearer }), 409, "no_pending_change");
  });

  test("is for nothing after the password was changed, and when its time is over", async () => {
    const me = await somebody();
    const to = newAddress("new");
    assert.equal((await asks(me, to)).status, 202);
    const [otp] = await untilCodes(to, 1);
    const changed = await owner.post("change-password", { current_password: PASSWORD, new_password: `${PASSWORD} more` }, { bearer: me.bearer });
    assert.equal(changed.status, 200, changed.text);
    const { access_token: bearer } = granted(await owner.post("refresh", { refresh_token: me.refresh_token }));
    assert.equal(await pending({ bearer }), null);
    refused(await resends({ bearer }), 409, "no_pending_change");
    refused(await confirms({ bearer }, to, otp), 400, "code_invalid");

    const other = await somebody();
    assert.equal((await asks(other, newAddress("late"))).status, 202);
    await directory.prepare("UPDATE email_changes SET expires_at = 1 WHERE account_id = ?").bind(claimsOf(other.bearer).sub).run();
    assert.equal(await pending(other), null);
    refused(await resends(other), 409, "no_pending_change");
    await server.scheduled();
    assert.equal(await directory.prepare("SELECT 1 AS left FROM email_changes WHERE account_id = ?").bind(claimsOf(other.bearer).sub).first("left"), null);
  });

  test("needs its owner's session, and shows nobody that an address is taken", async () => {
    const [me, taken] = [await somebody(), await somebody()];
    refused(await resends({}), 401, "token_missing");
    assert.equal((await asks(me, taken.email)).status, 202);
    assert.equal(await pending(me), taken.email);
    await cooled(server);
    assert.equal((await resends(me)).status, 202);
    await until("two notices", async () => (await owner.mails(taken.email)).filter(({ subject }) => subject === "This address has an account").length === 2, 60);
    assert.deepEqual(await codes(taken.email), []);
  });
});

test("codes for another address are presented ten times in ten minutes at most", async () => {
  const server = await startOpenServer({ vars: { limits: { verify_per_account: { count: 2, period_seconds: 3600 } } } });
  try {
    const owner = client(server);
    const { access_token: bearer } = await owner.account(newAddress());
    const guess = () => owner.post("confirm-email-change", { email: newAddress(), otp: "123456" }, { bearer });
    refused(await guess(), 400, "code_invalid");
    refused(await guess(), 400, "code_invalid");
    refused(await guess(), 429, "rate_limited");
  } finally {
    await server.stop();
  }
});

test("tokens say of their subject what the deployment wants, as it is when they are issued", async () => {
  const server = await startOpenServer({ vars: { tokens: { profile_claims: ["email", "email_verified", "preferred_username", "locale"] } } });
  try {
    const owner = client(server);
    const email = newAddress();
    const first = await owner.account(email);
    const said = (token) => {
      const { email: address, email_verified: verified, preferred_username: username, locale, name } = claimsOf(token);
      return { address, verified, username, locale, name };
    };
    const nothing = { username: undefined, name: undefined };
    assert.deepEqual(said(first.access_token), { ...nothing, address: email, verified: true, locale: undefined });
    assert.equal((await owner.send("PATCH", `${AUTH}/me`, { bearer: first.access_token, body: { locale: "de", name: "sub" } })).status, 200);
    const { access_token: next } = granted(await owner.post("refresh", { refresh_token: first.refresh_token }));
    assert.deepEqual(said(next), { ...nothing, address: email, verified: true, locale: "de" });
    assert.equal(claimsOf(next).sub, claimsOf(first.access_token).sub);
    assert.equal((await owner.validate(next, "strict")).status, 200);
  } finally {
    await server.stop();
  }
});
