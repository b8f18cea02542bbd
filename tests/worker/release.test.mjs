// The release build: no development surface, no start without a complete configuration, and mail that leaves.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, checked, client, granted, newAddress, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { startMailService } from "./support/mail_service.mjs";
import { until } from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const FROM = "no-reply@example.com";
const PATHS = ["/health", "/.well-known/jwks.json", `${AUTH}/public-key`, `${AUTH}/me`, `${AUTH}/sessions`, "/", "/dev/mailbox?to=a@example.com", "/nowhere"];

const codeOf = ({ letter }) => letter.code;

describe("a release", () => {
  let server;
  let person;
  let service;
  before(async () => {
    service = await startMailService();
    server = await startOpenServer({
      variant: "release",
      vars: { mail: { sender: "http", url: `${service.origin}/send?key=1`, from: FROM, timeout_ms: 2000 } },
    });
    person = client(server);
  });
  after(async () => {
    await server?.stop();
    service?.stop();
  });

  const signUp = async (email, password = PASSWORD) => {
    const answer = await person.post("signup", { email, name: "Ada", password });
    assert.equal(answer.status, 202, answer.text);
    return answer.body.registration;
  };

  test("has no development surface", async () => {
    const paths = ["/dev", "/dev/", "/dev/mailbox", "/dev/mailbox?to=a@example.com", "/dev/panic", "/dev/anything", "/%64ev/mailbox", "/dev/../dev/mailbox", "//dev/mailbox", "/DEV/mailbox"];
    for (const path of paths) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) {
        refused(await checked(await server.fetch(`${server.url}${path}`, { method })), 404, "not_found");
      }
    }
  });

  test("says nothing of its stores", async () => {
    const answers = [
      await person.send("GET", "/health"),
      await person.send("GET", "/nowhere"),
      await person.login(newAddress(), PASSWORD),
      await person.post("login", {}),
    ];
    for (const { headers } of answers) {
      assert.deepEqual([...headers.keys()].filter((name) => name.startsWith("x-")).sort(), ["x-content-type-options", "x-request-id"]);
    }
  });

  test("mails a code as JSON, with an idempotency key, and the path works", async () => {
    const email = newAddress();
    const registration = await signUp(email);
    const [mail] = await until("a mail", () => service.to(email).length > 0 && service.to(email));
    assert.deepEqual([mail.method, mail.url], ["POST", "/send?key=1"]);
    assert.equal(mail.headers["content-type"], "application/json");
    assert.ok(mail.headers["idempotency-key"].length >= 16);
    assert.notEqual(mail.headers["idempotency-key"], registration, "the mail service could confirm the address");
    const { id, from, to, subject, text, html, code, ...rest } = mail.letter;
    assert.deepEqual([id, from, to], [mail.headers["idempotency-key"], FROM, email]);
    assert.deepEqual(rest, { template: "sign_up_code", language: "en" });
    assert.ok(html.includes(code) && !html.includes("Ada"));
    assert.match(code, /^\d{6}$/);
    assert.ok(text.includes(code));
    assert.ok(subject.length > 0 && !text.includes("Ada"), "anybody may have typed that name");
    assert.ok(!JSON.stringify(mail).includes(registration), "the registration is in the mail");

    const tokens = granted(await person.verify({ email, otp: codeOf(mail), registration }));
    assert.equal((await person.me(tokens.access_token)).body.email, email);
    granted(await person.login(email, PASSWORD));
    granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
    assert.equal(service.to(email).length, 1);
  });

  test("mails no code to an address that has an account", async () => {
    const email = newAddress();
    const registration = await signUp(email);
    const [mail] = await until("a mail", () => service.to(email).length > 0 && service.to(email));
    granted(await person.verify({ email, otp: codeOf(mail), registration }));
    await signUp(email, "the password of somebody else");
    const [, notice] = await until("a notice", () => service.to(email).length > 1 && service.to(email));
    assert.deepEqual([notice.letter.code, notice.letter.link], [undefined, undefined]);
    assert.doesNotMatch(notice.letter.text, /\d{6}/);
    assert.equal(notice.letter.subject, "You already have an account");
  });

  test("mails a link to set a password, which works", async () => {
    const email = newAddress();
    await signUp(email, "the password of somebody else");
    await signUp(email);
    const [, mail] = await until("two mails", () => service.to(email).length > 1 && service.to(email));
    granted(await person.verify({ email, otp: codeOf(mail) }));
    const { letter } = await until("a link", () => service.to(email).find((mail) => mail.letter.link));
    assert.ok(letter.text.includes(letter.link));
    assert.equal(letter.code, undefined);
    const answer = await person.post("set-password", { token: tokenOf(letter), password: PASSWORD });
    assert.equal(answer.status, 200, answer.text);
    granted(await person.login(email, PASSWORD));
    // The news of it, too: what the service answers next is for the next test.
    await until("a notice", () => service.to(email).length > 3);
  });

  for (const failures of [[500], [503, 429], [302], [404], ["silence"]]) {
    test(`a mail service that answers ${failures.join(", then ")} gets the same mail again`, async () => {
      const email = newAddress();
      service.answers.push(...failures);
      const registration = await signUp(email);
      const mails = await until(
        "another try",
        () => service.to(email).length > failures.length && service.to(email),
        60,
      );
      assert.equal(new Set(mails.map((mail) => mail.headers["idempotency-key"])).size, 1);
      for (const mail of mails) assert.deepEqual(mail.letter, mails[0].letter);
      granted(await person.verify({ email, otp: codeOf(mails[0]), registration }));
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.equal(service.to(email).length, failures.length + 1, "it was accepted, and sent again");
    });
  }
});

const HTTP_MAIL = { sender: "http", url: "http://127.0.0.1:9/", from: FROM };
for (const [what, vars] of [
  ["without [vars.POSTERN]", null],
  ["with the development mailbox", {}],
  ["with a key that nobody knows", { mail: HTTP_MAIL, sesions: {} }],
  ["with a key that nobody knows, further down", { mail: HTTP_MAIL, limits: { login_per_sauce: { count: 1 } } }],
  ["without an issuer", { mail: HTTP_MAIL, issuer: undefined }],
  ["with an issuer that is no https URL", { mail: HTTP_MAIL, issuer: "http://auth.example.com" }],
  ["with a number out of its range", { mail: HTTP_MAIL, sessions: { refresh_grace_seconds: 61 } }],
  ["with a role of an unknown permission", { mail: HTTP_MAIL, permissions: { roles: { user: ["docs:burn"] } } }],
]) {
  test(`a release ${what} answers 503 everywhere and says no more`, async () => {
    const server = await startServer({ variant: "release", vars });
    try {
      for (const path of PATHS) {
        for (const method of ["GET", "POST"]) {
          const answer = await checked(await server.fetch(path, { method }));
          const { request_id: _, ...problem } = refused(answer, 503, "misconfigured");
          assert.deepEqual(problem, { type: "urn:postern:problem:misconfigured", title: "The service is not configured", status: 503, code: "misconfigured" });
        }
      }
      const login = await client(server).login("a@example.com", PASSWORD);
      refused(login, 503, "misconfigured");
    } finally {
      await server.stop();
    }
  });
}
