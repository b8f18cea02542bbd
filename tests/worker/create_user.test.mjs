// Accounts that an operator creates.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, accountsOf, claimsOf, client, granted, newAddress, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { until } from "./support/people.mjs";
import { newNumber, spaced } from "./support/phones.mjs";

const TOKEN = Buffer.from("an operator's token, 32 bytes and more").toString("base64");

describe("an operator creates accounts", { concurrency: 4 }, () => {
  let server;
  let operator;
  let directory;
  before(async () => {
    server = await startOpenServer({ vars: { registration: { usernames: "optional" }, sms: { sender: "development_mailbox" }, limits: { operator_per_source: { count: 0 } } }, secrets: { POSTERN_OPERATOR_TOKEN: TOKEN } });
    operator = client(server);
    ({ DIRECTORY: directory } = await server.getEnv());
  });
  after(() => server?.stop());
  const create = (body, { bearer = TOKEN, key } = {}) =>
    operator.post("admin/users", body, { bearer, headers: key === undefined ? {} : { "idempotency-key": key } });
  const newName = () => `op_${Math.random().toString(36).slice(2, 12)}`;

  test("with a password: its owner signs in, and nothing is mailed", async () => {
    const [email, username] = [newAddress(), newName()];
    const { status, body, text } = await create({ email: email.toUpperCase(), username, name: "Ada", roles: ["admin"], password: PASSWORD });
    assert.equal(status, 201, text);
    assert.deepEqual(body, { id: body.id, email, phone: null, username, name: "Ada", roles: ["admin"] });
    const { access_token: token } = granted(await operator.login(email, PASSWORD));
    const claims = claimsOf(token);
    assert.deepEqual([claims.sub, claims.roles], [body.id, ["admin"]]);
    const me = (await operator.me(token)).body;
    assert.deepEqual([me.is_verified, me.username], [false, username], "the operator proves nobody's address");
    assert.deepEqual(await operator.mails(email), []);
    refused(await create({ email, name: "Ada" }), 409, "account_exists");
    refused(await create({ email: newAddress(), username, name: "Ada" }), 409, "username_taken");
  });

  test("with an invitation: the link sets the first password and proves the address", async () => {
    const email = newAddress();
    assert.equal((await create({ email, name: "Ada", send_invitation: true })).status, 201);
    refused(await operator.login(email, PASSWORD), 401, "invalid_credentials");
    const mail = await until("the invitation", async () => (await operator.mails(email))[0], 60);
    const set = await operator.post("set-password", { token: tokenOf(mail), password: PASSWORD });
    assert.equal(set.status, 200, set.text);
    const { access_token: token } = granted(await operator.login(email, PASSWORD));
    const { body } = await operator.me(token);
    assert.deepEqual([body.is_verified, body.roles], [true, ["user"]]);
  });

  test("the same order again is the same account, and another order under its key is refused", async () => {
    const [email, key] = [newAddress(), `import-${Math.random()}`];
    const order = { email, name: "Ada", send_invitation: true };
    const answers = await Promise.all([create(order, { key }), create(order, { key })]);
    assert.deepEqual(answers[0].body, answers[1].body, answers.map(({ text }) => text).join());
    assert.deepEqual((await create(order, { key })).body, answers[0].body);
    refused(await create({ ...order, email: newAddress() }, { key }), 409, "idempotency_key_reused");
    for (const other of [{ name: "Eve" }, { roles: ["admin"] }, { username: newName() }, { send_invitation: false }]) {
      refused(await create({ ...order, ...other }, { key }), 409, "idempotency_key_reused");
    }
    // What has become of the account makes no other order of it.
    await directory.prepare("UPDATE users SET name = 'Grace', roles = '[]' WHERE account_id = ?").bind(answers[0].body.id).run();
    assert.equal((await create(order, { key })).status, 201);
    assert.equal((await accountsOf(server, email)).length, 1);
    await until("the invitation", async () => (await operator.mails(email)).length >= 1, 60);
    assert.equal((await operator.mails(email)).length, 1, "one order, one mail");
  });

  test("with a number, beside an address or in its place", async () => {
    const [email, phone, alone] = [newAddress(), newNumber(), newNumber()];
    const both = await create({ email, phone: spaced(phone), name: "Ada", password: PASSWORD });
    assert.deepEqual([both.status, both.body.email, both.body.phone], [201, email, phone], both.text);
    for (const identifier of [email, phone]) {
      const { access_token: token } = granted(await operator.post("login", { identifier, password: PASSWORD }));
      const me = (await operator.me(token)).body;
      assert.deepEqual([me.id, me.is_verified, me.is_phone_verified], [both.body.id, false, false]);
    }
    refused(await create({ email: newAddress(), phone, name: "Eve" }), 409, "account_exists");
    refused(await create({ phone: newNumber(), email, name: "Eve" }), 409, "account_exists");
    assert.deepEqual([await operator.mails(email), await operator.mails(phone)], [[], []]);

    const key = `by-number-${phone}`;
    const order = { phone: alone, name: "Ada", send_invitation: true };
    assert.equal((await create(order, { key })).status, 201);
    refused(await create({ ...order, phone: newNumber() }, { key }), 409, "idempotency_key_reused");
    const sms = await until("the invitation", async () => (await operator.mails(alone))[0], 60);
    assert.equal(sms.channel, "sms");
    const token = new URL(sms.link).hash.slice(1);
    assert.equal((await operator.post("set-password", { token, password: PASSWORD })).status, 200);
    const { access_token: bearer } = granted(await operator.post("login", { phone: alone, password: PASSWORD }));
    assert.equal((await operator.me(bearer)).body.is_phone_verified, true);
  });

  test("by username alone", async () => {
    const username = newName();
    const { body, status } = await create({ username, name: "Robot", password: PASSWORD });
    assert.deepEqual([status, body.email, body.username], [201, null, username]);
    const rows = await directory.prepare("SELECT kind, value FROM identifiers WHERE account_id = ?").bind(body.id).all();
    assert.deepEqual(rows.results, [{ kind: "username", value: username }]);
  });

  test("refuses what breaks a rule, and anybody without the token", async () => {
    const email = newAddress();
    const bad = [
      [{ name: "Ada" }, "email"], [{ email: "x", name: "Ada" }, "email"], [{ email }, "name"], [{ email, name: "" }, "name"],
      [{ email, name: "Ada", password: "short" }, "password"], [{ email, name: "Ada", roles: ["root"] }, "roles"],
      [{ email, name: "Ada", roles: "admin" }, "roles"], [{ email, name: "Ada", username: "admin" }, "username"],
      [{ email, name: "Ada", password: PASSWORD, send_invitation: true }, "send_invitation"],
      [{ username: newName(), name: "Ada", send_invitation: true }, "send_invitation"],
      [{ phone: "0170 1234567", name: "Ada" }, "phone"], [{ phone: 7, name: "Ada" }, "phone"],
      [{ phone: newNumber(), name: "Ada", password: PASSWORD, send_invitation: true }, "send_invitation"],
    ];
    for (const [body, field] of bad) {
      const { errors } = refused(await create(body), 400, "invalid_request");
      assert.equal(errors[0].field, field, JSON.stringify(body));
    }
    refused(await create({ email, name: "Ada" }, { bearer: "wrong" }), 401, "operator_token_invalid");
    const { access_token: person } = await operator.account(newAddress());
    refused(await create({ email, name: "Ada" }, { bearer: person }), 401, "operator_token_invalid");
    assert.deepEqual(await accountsOf(server, email), []);
  });
});

test("without an operator there is no such route", async () => {
  const server = await startOpenServer();
  try {
    refused(await client(server).post("admin/users", { email: newAddress(), name: "Ada" }, { bearer: TOKEN }), 404, "not_found");
  } finally {
    await server.stop();
  }
});
