// Passwords known from breaches: refused wherever one is chosen, asked for by five characters of a digest, and taken
// when the service fails. Also the composition that a deployment may ask for.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";

import { PASSWORD, client, granted, newAddress, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { until } from "./support/people.mjs";

const BREACHED = "everybody has stolen this";
const PADDING = "only padding has this one";
const sha1 = (password) => createHash("sha1").update(password.normalize("NFC")).digest("hex").toUpperCase();

/** A service that knows some passwords, and can be made to fail. */
async function rangeService() {
  const service = { asked: [], fail: undefined };
  const known = [[BREACHED, 12], [PADDING, 0], ["stolen é, composed", 3]];
  const server = createServer((request, response) => {
    service.asked.push({ method: request.method, url: request.url, padding: request.headers["add-padding"] });
    if (service.fail !== undefined) return service.fail(request, response);
    const prefix = request.url.slice("/range/".length);
    const lines = known.map(([password, count]) => [sha1(password), count]).filter(([digest]) => digest.startsWith(prefix));
    return response.end([`${"0".repeat(35)}:4`, ...lines.map(([digest, count]) => `${digest.slice(5)}:${count}`)].join("\r\n"));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  service.url = `http://127.0.0.1:${server.address().port}/range`;
  service.stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return service;
}

describe("a password from a breach", () => {
  let service;
  let server;
  let person;
  before(async () => {
    service = await rangeService();
    const passwords = { breach_check: "range", breach_url: service.url, breach_timeout_ms: 500, composition: "none" };
    server = await startOpenServer({ vars: { passwords } });
    person = client(server);
  });
  after(async () => {
    await server?.stop();
    await service?.stop();
  });

  const says = (answer, field) => {
    const { errors } = refused(answer, 400, "invalid_request");
    assert.deepEqual(errors, [{ field, rule: "is breached: it is in collections of stolen passwords" }]);
  };

  test("is refused at sign-up, with and without an account, and the service learns five characters", async () => {
    const taken = newAddress();
    await person.account(taken);
    service.asked = [];
    for (const email of [newAddress(), taken]) says(await person.post("signup", { email, name: "Ada", password: BREACHED }), "password");
    const asked = { method: "GET", url: `/range/${sha1(BREACHED).slice(0, 5)}`, padding: "true" };
    assert.deepEqual(service.asked, [asked, asked]);
    says(await person.post("signup", { email: newAddress(), name: "Ada", password: "stolen e\u0301, composed" }), "password");
    assert.deepEqual(await person.mails(taken).then((mails) => mails.length), 1);
  });

  test("is refused when a sign-up is confirmed with it", async () => {
    const email = newAddress();
    const { code } = await person.signUp(email);
    says(await person.verify({ email, otp: code, password: BREACHED }), "password");
    granted(await person.verify({ email, otp: code, password: PASSWORD }));
  });

  test("is refused at a change, a reset and a first password, and nothing is used up", async () => {
    const email = newAddress();
    const { access_token: bearer } = await person.account(email);
    says(await person.post("change-password", { current_password: PASSWORD, new_password: BREACHED }, { bearer }), "new_password");
    const token = tokenOf(await person.mailed("request-password-reset", email, "Reset your password"));
    says(await person.post("reset-password", { token, password: BREACHED }), "password");
    granted(await person.login(email, PASSWORD));
    assert.equal((await person.post("reset-password", { token, password: "a password that nobody stole" })).status, 200);

    // A sign-up that two have opened keeps no password: its owner gets a link to choose one.
    const without = newAddress();
    await person.signUp(without, { password: "somebody's first password" });
    const { code } = await person.signUp(without, { password: "somebody's second password" });
    granted(await person.verify({ email: without, otp: code }));
    const mail = await until("the link", async () => (await person.mails(without)).find(({ link }) => link !== undefined));
    says(await person.post("set-password", { token: tokenOf(mail), password: BREACHED }), "password");
    assert.equal((await person.post("set-password", { token: tokenOf(mail), password: PASSWORD })).status, 200);
  });

  test("is not one that only padding has, nor asked about at login", async () => {
    const email = newAddress();
    await person.account(email, PADDING);
    service.asked = [];
    granted(await person.login(email, PADDING));
    refused(await person.login(email, BREACHED), 401, "invalid_credentials");
    assert.deepEqual(service.asked, []);
  });

  test("breaks a rule after all others: what the policy refuses is not asked about", async () => {
    service.asked = [];
    refused(await person.post("signup", { email: newAddress(), name: "Ada", password: "short" }), 400, "invalid_request");
    assert.deepEqual(service.asked, []);
  });

  test("is taken while the service fails, in whatever way, and that is recorded", async () => {
    const { DIRECTORY } = await server.getEnv();
    const failures = [
      (_, response) => response.writeHead(503).end("later"),
      (_, response) => response.writeHead(404).end(`${sha1(BREACHED).slice(5)}:9`),
      (request) => request.socket.destroy(),
      () => {},
      (_, response) => response.write(`${sha1(BREACHED).slice(5, 20)}`),
      (_, response) => response.end(Buffer.alloc(600 * 1024, "0")),
      (_, response) => response.end(Buffer.from([0xff, 0xfe])),
    ];
    try {
      for (const fail of failures) {
        service.fail = fail;
        assert.equal((await person.post("signup", { email: newAddress(), name: "Ada", password: BREACHED })).status, 202, String(fail));
      }
    } finally {
      service.fail = undefined;
    }
    const lines = server.logs().filter(({ message }) => message.includes("breach check: a password was taken unchecked"));
    assert.equal(lines.length, failures.length);
    assert.ok(lines.every(({ message }) => !message.includes(sha1(BREACHED).slice(5))));
    const count = () => DIRECTORY.prepare("SELECT count(*) AS n FROM audit_events WHERE event = 'breach_check_unavailable'").first("n");
    await until("the outage is in the audit trail", async () => (await count()) > 0);
    // Once a minute is enough.
    assert.equal(await count(), 1);
    says(await person.post("signup", { email: newAddress(), name: "Ada", password: BREACHED }), "password");
  });
});

describe("a mixed composition", () => {
  let server;
  before(async () => (server = await startOpenServer({ vars: { passwords: { composition: "mixed" } } })));
  after(() => server?.stop());

  test("asks for an upper-case and a lower-case letter, a digit and a symbol", async () => {
    const person = client(server);
    const cases = [
      ["seven swift otters", ["needs an upper-case letter", "needs a digit"]],
      ["SevenSwiftOtters7", ["needs a character that is neither letter nor digit"]],
      ["SEVEN SWIFT OTTERS 7", ["needs a lower-case letter"]],
      ["Seven swift otters", ["needs a digit"]],
    ];
    for (const [password, rules] of cases) {
      const { errors } = refused(await person.post("signup", { email: newAddress(), name: "Ada", password }), 400, "invalid_request");
      assert.deepEqual(errors.map(({ rule }) => rule), rules, password);
    }
    await person.account(newAddress(), "Seven swift otters juggle 7");
  });
});
