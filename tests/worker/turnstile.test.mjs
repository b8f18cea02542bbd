// Turnstile: doors that ask whether somebody is there, with a service of the test's own that knows which tokens are good.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";

import { PASSWORD, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { until, untilQuiet } from "./support/people.mjs";

const SECRET = "0x4AAAAAAA-secret-of-the-widget";
const HOST = "localhost";

/** A `siteverify` that takes each of its tokens once, and can be made to fail. */
async function siteverify() {
  const service = { asked: [], elsewhere: 0, fail: undefined };
  const tokens = new Map();
  let made = 0;
  /** A token as the widget of a page makes it. */
  service.token = (action, hostname = HOST) => {
    const token = `token-${(made += 1)}`;
    tokens.set(token, { action, hostname });
    return token;
  };
  const server = createServer(async (request, response) => {
    if (request.url.endsWith("?elsewhere")) service.elsewhere += 1;
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    service.asked.push({ method: request.method, type: request.headers["content-type"], ...JSON.parse(text) });
    if (service.fail !== undefined) return service.fail(response);
    const { secret, response: token } = JSON.parse(text);
    const says = (answer) => response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
    if (secret !== SECRET) return says({ success: false, "error-codes": ["invalid-input-secret"] });
    const good = tokens.get(token);
    if (good === undefined) return says({ success: false, "error-codes": [token.startsWith("token-") ? "timeout-or-duplicate" : "invalid-input-response"] });
    tokens.delete(token);
    return says({ success: true, "error-codes": [], challenge_ts: new Date().toISOString(), cdata: "", metadata: {}, ...good });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  service.url = `http://127.0.0.1:${server.address().port}/turnstile/v0/siteverify`;
  service.stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return service;
}

const world = (settings, more = {}) => {
  const it = {};
  before(async () => {
    it.service = await siteverify();
    const turnstile = { enabled: true, url: it.service.url, timeout_ms: 3_000, ...settings };
    it.server = await startOpenServer({ secrets: { TURNSTILE_SECRET_KEY: SECRET }, vars: { turnstile, sign_in: { codes: true, links: true }, codes: { resend_after_seconds: 0 }, ...more } });
    it.owner = client(it.server);
  });
  after(async () => {
    await it.server?.stop();
    await it.service?.stop();
  });
  return it;
};

describe("Turnstile", () => {
  const it = world({});
  const token = (action, hostname) => it.service.token(action, hostname);
  const signUp = (email, turnstile_token) => it.owner.post("signup", { email, name: "Ada", password: PASSWORD, turnstile_token });
  /** An account, made with tokens of its own. */
  const account = async () => {
    const email = newAddress();
    const { status, body, text } = await signUp(email, token("signup"));
    assert.equal(status, 202, text);
    const [{ code }] = await it.owner.untilMails(email, 1);
    granted(await it.owner.verify({ email, otp: code, registration: body.registration }));
    return email;
  };
  const login = (email, password, turnstile_token) => it.owner.post("login", { email, password, turnstile_token });

  test("is asked for at each door, with the action of the door and once", async () => {
    const email = await account();
    const doors = [
      ["signup", "signup", { email: newAddress(), name: "Ada", password: PASSWORD }],
      ["request-password-reset", "password_reset", { email }],
      ["request-otp", "code", { email }],
      ["request-login-link", "code", { email }],
      ["request-email-verification", "code", { email }],
    ];
    for (const [route, action, body] of doors) {
      const ask = (turnstile_token) => it.owner.post(route, { ...body, turnstile_token });
      const before = it.service.asked.length;
      for (const nothing of [undefined, null, ""]) refused(await ask(nothing), 403, "turnstile_required");
      refused(await ask(7), 400, "invalid_request");
      refused(await ask("x".repeat(2_049)), 400, "invalid_request");
      assert.equal(it.service.asked.length, before, "nothing is asked about what is no token");
      refused(await ask("made up"), 403, "turnstile_invalid");
      refused(await ask("x".repeat(2_048)), 403, "turnstile_invalid");
      const other = action === "signup" ? "login" : "signup";
      for (const wrong of [token(other), token(""), token(undefined), token(action, "evil.example"), token(action, null)]) refused(await ask(wrong), 403, "turnstile_invalid");
      const good = token(action);
      const answer = await ask(good);
      assert.equal(answer.status, 202, answer.text);
      refused(await ask(good), 403, "turnstile_invalid");
    }
    const [{ method, type, secret, remoteip, response }] = it.service.asked;
    assert.deepEqual([method, type, secret, remoteip], ["POST", "application/json", SECRET, "198.51.100.1"]);
    assert.match(response, /^token-/);
    assert.ok((await it.owner.send("GET", "/api/v1/auth/options")).body.features.includes("turnstile"));
  });

  test("one token lets one of many racing requests in", async () => {
    const good = token("signup");
    const answers = await Promise.all(Array.from({ length: 12 }, () => signUp(newAddress(), good)));
    assert.equal(answers.filter(({ status }) => status === 202).length, 1);
    for (const answer of answers.filter(({ status }) => status !== 202)) refused(answer, 403, "turnstile_invalid");
  });

  test("is asked for at a login after failures alone, from wherever they came, and no more after a success", async () => {
    const email = await account();
    granted(await login(email, PASSWORD));
    for (let guess = 0; guess < 3; guess += 1) refused(await client(it.server, `203.0.113.${guess}`).login(email, "not the password"), 401, "invalid_credentials");
    // Right or wrong, without a token nothing is compared, and nothing counted.
    for (let time = 0; time < 5; time += 1) {
      refused(await login(email, PASSWORD), 403, "turnstile_required");
      refused(await login(email, "not the password"), 403, "turnstile_required");
    }
    refused(await login(email, PASSWORD, "made up"), 403, "turnstile_invalid");
    refused(await login(email, PASSWORD, token("signup")), 403, "turnstile_invalid");
    refused(await login(email, "not the password", token("login")), 401, "invalid_credentials");
    granted(await login(email, PASSWORD, token("login")));
    // What the success takes back follows the answer.
    await until("no token is asked for", async () => (await login(email, PASSWORD)).status === 200);
    // A token that nobody asked for is not spent.
    const asked = it.service.asked.length;
    granted(await login(email, PASSWORD, "made up"));
    assert.equal(it.service.asked.length, asked);
  });

  test("tells nobody whether there is an account", async () => {
    const [known, unknown] = [await account(), newAddress()];
    const observed = async (ask) => {
      await untilQuiet(it.server);
      const { status, body, headers } = await ask();
      return [status, body?.code, headers.get("x-postern-operations"), headers.get("x-postern-calls")];
    };
    const seen = async (email) => {
      const answers = [];
      for (let guess = 0; guess < 3; guess += 1) refused(await login(email, "not the password"), 401, "invalid_credentials");
      answers.push(await observed(() => login(email, PASSWORD)));
      answers.push(await observed(() => login(email, "not the password", token("login"))));
      for (const route of ["request-password-reset", "request-otp"]) {
        answers.push(await observed(() => it.owner.post(route, { email })));
        answers.push(await observed(() => it.owner.post(route, { email, turnstile_token: "made up" })));
      }
      return answers;
    };
    assert.deepEqual(await seen(unknown), await seen(known));
  });

  test("without an answer, or with one that is none, nobody is let in", async () => {
    const failures = {
      "nothing, and holds the line": () => {},
      "a beginning, and holds the line": (response) => response.writeHead(200, { "content-type": "application/json" }).write(`{"success":true,"action":"signup",`),
      "another address": (response) => response.writeHead(307, { location: `${it.service.url}?elsewhere` }).end(),
      "the end of the line": (response) => response.destroy(),
      "an error": (response) => response.writeHead(500).end(JSON.stringify({ success: true, action: "signup", hostname: HOST })),
      "no JSON": (response) => response.end("<html>"),
      "half of it": (response) => response.end(`{"success":true,"action":"signup","hostname":"${HOST}"`),
      "a word for a truth": (response) => response.end(JSON.stringify({ success: "true", action: "signup", hostname: HOST })),
      "nothing at all": (response) => response.end(),
      "too much": (response) => response.end(JSON.stringify({ success: true, action: "signup", hostname: HOST, more: "x".repeat(20_000) })),
      "an error of its own": (response) => response.end(JSON.stringify({ success: false, "error-codes": ["internal-error"] })),
      "a wrong secret": (response) => response.end(JSON.stringify({ success: false, "error-codes": ["invalid-input-secret"] })),
    };
    for (const [name, fail] of Object.entries(failures)) {
      it.service.fail = fail;
      const answer = await signUp(newAddress(), token("signup"));
      assert.deepEqual([answer.status, answer.body.code], [503, "unavailable"], name);
    }
    it.service.fail = undefined;
    assert.equal(it.service.elsewhere, 0, "the secret goes nowhere else");
    assert.equal((await signUp(newAddress(), token("signup"))).status, 202);
    const logged = it.server.logs().map(({ message }) => message).join("\n");
    assert.ok(logged.includes("turnstile"), logged);
    assert.ok(!logged.includes(SECRET) && !/token-\d/.test(logged), logged);
  });
});

describe("Turnstile that may be down", () => {
  const it = world({ when_unavailable: "admit", login_after_failures: 0, sign_up: false, codes: false, hostnames: ["app.example", "www.app.example"] });
  const reset = (email, turnstile_token) => it.owner.post("request-password-reset", { email, turnstile_token });

  test("lets through what nobody can check, and nothing else; other doors ask for nothing", async () => {
    const email = newAddress();
    const tokens = await it.owner.account(email);
    assert.ok(tokens.access_token);
    assert.equal((await it.owner.post("request-otp", { email })).status, 202);
    // From the first login on, where that is configured.
    refused(await it.owner.login(email, PASSWORD), 403, "turnstile_required");
    const login = (token) => it.owner.post("login", { email, password: PASSWORD, turnstile_token: token });
    refused(await login(it.service.token("login", HOST)), 403, "turnstile_invalid");
    granted(await login(it.service.token("login", "www.app.example")));
    refused(await reset(email, it.service.token("password_reset", "evil.app.example")), 403, "turnstile_invalid");
    for (const fail of [(response) => response.destroy(), (response) => response.writeHead(503).end(), () => {}]) {
      it.service.fail = fail;
      refused(await reset(email), 403, "turnstile_required");
      assert.equal((await reset(email, "whatever")).status, 202);
      granted(await login("whatever"));
    }
    // What a token or a wrong secret brings about is no failure of the service: it lets nobody through.
    const says = (status, ...codes) => (response) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ success: false, "error-codes": codes }));
    for (const fail of [says(400, "bad-request"), says(200, "bad-request"), says(403), says(413), says(200, "invalid-input-secret")]) {
      it.service.fail = fail;
      refused(await reset(email, "whatever"), 503, "unavailable");
      refused(await login("whatever"), 503, "unavailable");
    }
    const asked = it.service.asked.length;
    for (const token of ["two words", "line\n", "\u0000", "é", "\u007f"]) refused(await reset(email, token), 403, "turnstile_invalid");
    assert.equal(it.service.asked.length, asked, "nothing is asked about what is no token");
    it.service.fail = undefined;
    refused(await reset(email, "whatever"), 403, "turnstile_invalid");
  });
});

test("without its secret nothing is served", async () => {
  const server = await startOpenServer({ vars: { turnstile: { enabled: true } } });
  try {
    const answer = await client(server).login(newAddress(), PASSWORD);
    assert.deepEqual([answer.status, answer.body.code], [503, "misconfigured"]);
  } finally {
    await server.stop();
  }
});

test("where it is off, a token is nobody's business", async () => {
  const server = await startOpenServer({});
  try {
    const owner = client(server);
    const email = newAddress();
    await owner.account(email);
    granted(await owner.post("login", { email, password: PASSWORD, turnstile_token: 7 }));
  } finally {
    await server.stop();
  }
});
