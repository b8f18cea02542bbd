// Logging in by address, number or username: the same answers, work, limits and lockout for all three.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, granted, newAddress, refused } from "./support/accounts.mjs";
import { newNumber, phoneClient, startPhoneServer } from "./support/phones.mjs";

const newName = () => `ada_${randomBytes(6).toString("hex")}`;

describe("a login by any identifier", () => {
  let server;
  let person;
  before(async () => {
    server = await startPhoneServer({ vars: { lockout: { per_source_failures: 3 } } });
    person = phoneClient(server);
  });
  after(() => server?.stop());

  /** An account with an address, a number and a username. */
  const somebody = async () => {
    const [email, phone, username] = [newAddress(), newNumber(), newName()];
    const { sub: account } = claimsOf((await person.account(email)).access_token);
    const { DIRECTORY } = await server.getEnv();
    const insert = DIRECTORY.prepare("INSERT INTO identifiers (tenant, kind, value, account_id, verified_at, created_at) VALUES ('default', ?, ?, ?, 1, 1)");
    await DIRECTORY.batch([insert.bind("phone", phone, account), insert.bind("username", username, account)]);
    return { account, email, phone, username };
  };
  const login = (who, password = PASSWORD, from = person) => from.post("login", { ...who, password });

  test("is the same account, whichever is typed", async () => {
    const { account, email, phone, username } = await somebody();
    const ways = [
      { email }, { phone }, { username }, { identifier: email }, { identifier: phone }, { identifier: username },
      { username: username.toUpperCase() }, { identifier: ` ${username}\n` }, { identifier: email.toUpperCase() },
      { email, phone: null, username: null, identifier: null },
    ];
    for (const who of ways) assert.equal(claimsOf(granted(await login(who)).access_token).sub, account, JSON.stringify(who));
  });

  test("takes exactly one, of its own kind", async () => {
    const { email, phone, username } = await somebody();
    const rule = async (who) => {
      const { errors: [{ field, rule: text }] } = refused(await login(who), 400, "invalid_request");
      return `${field} ${text}`;
    };
    assert.equal(await rule({}), "email is required");
    assert.equal(await rule({ email, username }), "username must not be sent together with another identifier");
    assert.equal(await rule({ identifier: email, email }), "email must not be sent together with another identifier");
    assert.equal(await rule({ email, phone }), "phone must not be sent together with another identifier");
    assert.equal(await rule({ username: "ada@b.cd" }), "username must not contain @");
    assert.equal(await rule({ username: phone }), "username must not begin with +");
    assert.equal(await rule({ email: username }), "email must contain exactly one @");
    assert.equal(await rule({ phone: username }), "phone must begin with + and the country code");
    assert.equal(await rule({ identifier: "0170 1234567" }), "identifier must begin with a letter from a to z");
    assert.equal(await rule({ identifier: "+49" }), "identifier must have at least 7 digits");
    assert.equal(await rule({ identifier: ["a"] }), "identifier must be a string");
  });

  test("says the same to a wrong password and an unknown identifier, of every kind", async () => {
    const { email, phone, username } = await somebody();
    const kinds = [[{ email }, { email: newAddress() }], [{ phone }, { phone: newNumber() }], [{ username }, { username: newName() }]];
    for (const [index, [known, unknown]] of kinds.entries()) {
      const from = phoneClient(server, `192.0.2.${index + 1}`);
      const tried = (who) => () => login(who, "not the password", from);
      assert.equal((await person.assertAlike(tried(known), tried(unknown))).status, 401);
    }
  });

  test("is locked by guesses, known or not, however the identifier is written", async () => {
    const { phone, username } = await somebody();
    for (const [who, again] of [[{ phone }, { identifier: phone }], [{ username }, { identifier: username.toUpperCase() }], [{ username: newName() }]]) {
      for (let guess = 0; guess < 3; guess += 1) refused(await login(who, `guess ${guess}`), 401, "invalid_credentials");
      refused(await login(again ?? who), 429, "rate_limited");
    }
  });
});
