// Logging in: one answer for every way to be wrong, and passwords as people type them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { untilQuiet } from "./support/people.mjs";

describe("logging in", () => {
  let server;
  let person;
  before(async () => {
    server = await startOpenServer();
    person = client(server);
  });
  after(() => server?.stop());

  test("says the same to a wrong password, an account without one and an address without account", async () => {
    const [withPassword, without, unknown] = [newAddress(), newAddress(), newAddress()];
    await person.account(withPassword);
    const { registration, code } = await person.signUp(without);
    granted(await person.verify({ email: without, otp: code, registration }));
    const seen = [];
    for (const [index, email] of [unknown, without, withPassword].entries()) {
      // Counters are per isolate: what mails and reports still have to do would be counted with this request.
      await untilQuiet(server);
      const answer = await client(server, `192.0.2.${index + 1}`).login(email, "not the password");
      const { request_id: requestId, ...body } = answer.body;
      assert.ok(requestId);
      seen.push({
        status: answer.status,
        body,
        length: answer.text.length,
        headers: Object.fromEntries([...answer.headers].filter(([name]) => name !== "x-request-id" && name !== "date")),
      });
    }
    const [stranger, passwordless, wrong] = seen;
    assert.equal(stranger.status, 401);
    assert.deepEqual(stranger.body, {
      type: "urn:postern:problem:invalid_credentials",
      title: "The credentials are not valid",
      status: 401,
      code: "invalid_credentials",
    });
    assert.match(stranger.headers["x-postern-operations"], /^objects=[1-9] d1=1 kv=0$/);
    assert.deepEqual(passwordless, stranger);
    assert.deepEqual(wrong, stranger);
  });

  test("takes an address however it is written, and a password only as it is", async () => {
    const email = newAddress();
    await person.account(email);
    for (const spelling of [email, email.toUpperCase(), `  ${email}\n`]) granted(await person.login(spelling, PASSWORD));
    const wrong = [PASSWORD.toUpperCase(), ` ${PASSWORD}`, `${PASSWORD} `, PASSWORD.slice(0, -1), `${PASSWORD}\n`, `${PASSWORD}\u200b`, "x"];
    for (const password of wrong) refused(await person.login(email, password), 401, "invalid_credentials");
    const near = [email.replace("@", "+tag@"), email.replace(".", ""), `${email}.example`, email.replace("example.com", "example.org")];
    for (const address of near) refused(await person.login(address, PASSWORD), 401, "invalid_credentials");
  });

  test("knows a password whichever way a keyboard composes it", async () => {
    const [composed, decomposed] = ["caf\u00e9 au lait \u00fcber alles", "cafe\u0301 au lait u\u0308ber alles"];
    assert.notEqual(composed, decomposed);
    for (const [chosen, typed] of [[composed, decomposed], [decomposed, composed]]) {
      const email = newAddress();
      await person.account(email, chosen);
      granted(await person.login(email, typed));
      granted(await person.login(email, chosen));
      refused(await person.login(email, "cafe au lait uber alles"), 401, "invalid_credentials");
    }
  });

  test("knows compatibility characters apart", async () => {
    const email = newAddress();
    await person.account(email, "the \ufb01rst of its kind");
    refused(await person.login(email, "the first of its kind"), 401, "invalid_credentials");
  });

  test("counts the bytes of the composed form, 1,024 at most", async () => {
    const email = newAddress();
    const longest = `${"e\u0301".repeat(510)}abcd`;
    await person.account(email, longest);
    granted(await person.login(email, longest.normalize("NFC")));
    for (const password of [`${longest}a`, "x".repeat(1025), "\u{1f511}".repeat(257)]) {
      for (const answer of [await person.login(email, password), await person.post("signup", { email, name: "Ada", password })]) {
        assert.equal(refused(answer, 400, "invalid_request").errors[0].field, "password");
      }
    }
  });

  test("takes no password that some implementation would cut short", async () => {
    const email = newAddress();
    await person.account(email);
    for (const password of [`${PASSWORD}\u0000`, `\u0000${PASSWORD}`, `${PASSWORD}\u0000more`, "", "\u0000"]) {
      assert.equal(refused(await person.login(email, password), 400, "invalid_request").errors[0].field, "password");
    }
  });

  test("a new password that breaks the policy is told every rule it breaks", async () => {
    const email = `maximilian.${newAddress()}`;
    const [local] = email.split("@");
    const cases = [
      ["tooshort1", [/at least 10 characters/]],
      ["x", [/at least 10 characters/]],
      ["password123", [/first passwords/]],
      ["PassWord123", [/first passwords/]],
      ["1234567890", [/first passwords/]],
      ["qqqqqqqqqqqq", [/first passwords/]],
      ["aaaaaaaa", [/at least 10 characters/, /first passwords/]],
      [email, [/your e-mail address/]],
      [email.toUpperCase(), [/your e-mail address/]],
      [local, [/your e-mail address/]],
      ["Ada Lovelace", [/your name/]],
      ["adalovelace", [/your name/]],
      ["postern", [/at least 10 characters/, /the service's/]],
    ];
    for (const [password, rules] of cases) {
      const problem = refused(await person.post("signup", { email, name: "Ada Lovelace", password }), 400, "invalid_request");
      assert.deepEqual(problem.errors.map((error) => error.field), rules.map(() => "password"), password);
      for (const [index, rule] of rules.entries()) assert.match(problem.errors[index].rule, rule);
    }
    assert.deepEqual(await person.mails(email), []);
  });
});
