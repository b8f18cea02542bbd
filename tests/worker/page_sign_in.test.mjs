// Forms of an application that serves its pages itself: in, out, and who it is, by the npm package and a real Postern.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { createPageGuard, createPageSignIn } from "../../pkg/dist/pages/index.js";
import { createVerifier } from "../../pkg/dist/entry/node.js";
import { AUTH, PASSWORD, client, newAddress, startOpenServer } from "./support/accounts.mjs";
import { until } from "./support/people.mjs";
import { codeOf, enrol } from "./support/authenticator.mjs";

const APP = "https://app.example.com";
const OWN_PAGE = { "sec-fetch-site": "same-origin", origin: APP };

describe("a form of an own page", () => {
  let server;
  let one;
  let email;
  let account;
  let pages;
  let asked = [];
  before(async () => {
    server = await startOpenServer({ vars: { cookies: { mode: "beside", origins: [APP] } } });
    one = client(server);
    email = newAddress();
    await one.account(email);
    const send = async (request) => {
      asked.push(request);
      const { pathname } = new URL(request.url);
      return server.fetch(pathname, { method: request.method, headers: request.headers, body: request.body ? await request.text() : undefined });
    };
    pages = createPageSignIn({ send, origins: ["https://www.example.com"] });
    account = (await one.login(email, PASSWORD)).body;
  });
  after(() => server?.stop());

  const form = (headers = OWN_PAGE, method = "POST") => new Request(`${APP}/login`, { method, headers });
  /** The `Cookie` header of a browser that got these headers. */
  const cookieOf = (headers) => headers.getSetCookie().map((line) => line.split(";")[0]).filter((pair) => !pair.endsWith("=")).join("; ");
  const signedIn = async () => {
    const { headers, problem } = await pages.attempt(form(), { email, password: PASSWORD });
    assert.equal(problem, undefined);
    return cookieOf(headers);
  };

  test("signs in with cookies that the page guard and Postern take, and out again", async () => {
    const cookie = await signedIn();
    assert.equal(cookie.split("; ").length, 3);
    const jwks = await (await server.fetch("/.well-known/jwks.json")).json();
    const guard = createPageGuard(createVerifier({ issuer: "http://localhost:8787", audience: "http://localhost:8787", tenant: "default", jwks }));
    const { claims, response } = await guard(new Request(APP, { headers: { cookie } }));
    assert.equal(response, undefined, await response?.text());
    const { user } = await pages.user(new Request(APP, { headers: { cookie } }));
    assert.deepEqual([user.email, user.id], [email, claims.subject]);

    const { headers } = await pages.logout(form({ ...OWN_PAGE, cookie }));
    assert.equal(headers.getSetCookie().length, 3);
    assert.equal(cookieOf(headers), "", "taken away");
    // Readers at the edge learn it within a second.
    await until("worth nothing to who kept them", async () => (await pages.user(new Request(APP, { headers: { cookie } }))).user === undefined);
    assert.equal((await one.send("POST", `${AUTH}/refresh`, { headers: { cookie, ...OWN_PAGE } })).status, 401);
  });

  test("says why it was not right, and sets nothing", async () => {
    const attempt = (credentials) => pages.attempt(form(), credentials);
    assert.deepEqual(await attempt({ email, password: "not the password" }), { problem: { status: 401, code: "invalid_credentials" } });
    assert.deepEqual(await attempt({ email: newAddress(), password: PASSWORD }), { problem: { status: 401, code: "invalid_credentials" } });
    const { problem } = await attempt({ email });
    assert.deepEqual([problem.status, problem.code, problem.errors[0].field], [400, "invalid_request", "password"]);
    for (const credentials of [null, undefined, "x", ["x"]]) await assert.rejects(attempt(credentials), { option: "credentials" });
  });

  test("is taken from nowhere else, by whatever method", async () => {
    const cookie = await signedIn();
    asked = [];
    for (const headers of [{}, { "sec-fetch-site": "cross-site", origin: APP }, { "sec-fetch-site": "same-site", origin: "https://evil.example.com" }, { origin: "null" }, { origin: `${APP}.evil.example` }, { authorization: "Bearer x", origin: "https://evil.example.com" }]) {
      for (const method of ["POST", "GET"]) {
        for (const answer of [await pages.attempt(form(headers, method), { email, password: PASSWORD }), await pages.answer(form(headers, method), { challenge: "x", code: "000000" }), await pages.logout(form({ ...headers, cookie }, method))]) {
          assert.deepEqual(answer, { problem: { status: 403, code: "cross_site_request" } }, JSON.stringify(headers));
        }
      }
    }
    assert.deepEqual(asked, []);
    assert.equal((await pages.user(new Request(APP, { headers: { cookie } }))).user.email, email);
    for (const headers of [{ origin: APP }, { "sec-fetch-site": "none" }, { "sec-fetch-site": "same-site", origin: "https://www.example.com" }]) {
      assert.equal((await pages.attempt(form(headers), { email, password: PASSWORD })).problem, undefined);
    }
  });

  test("gives Postern the visitor's device, and no session that was there before", async () => {
    const cookie = await signedIn();
    asked = [];
    await pages.attempt(form({ ...OWN_PAGE, cookie, "user-agent": "browser", "cf-connecting-ip": "198.51.100.7", "x-forwarded-for": "203.0.113.9" }), { email, password: PASSWORD });
    const [{ headers }] = asked;
    assert.deepEqual([...headers.keys()].sort(), ["cf-connecting-ip", "content-type", "user-agent", "x-postern-cookies"]);
  });

  test("logs out of nothing, and knows nobody without a cookie", async () => {
    asked = [];
    const { headers } = await pages.logout(form());
    assert.deepEqual([headers.getSetCookie(), await pages.user(new Request(APP)), asked], [[], {}, []]);
    const cookie = await signedIn();
    const forged = cookie.replace(/(__Host-postern_csrf=)[^;]+/, "$1AAAAAAAAAAAAAAAAAAAAAA");
    const { problem } = await pages.logout(form({ ...OWN_PAGE, cookie: forged }));
    assert.deepEqual(problem, { status: 403, code: "csrf_token_invalid" });
  });

  test("is put off by a second factor, and goes on with it", async () => {
    const guarded = newAddress();
    await one.account(guarded);
    const { body } = await one.login(guarded, PASSWORD);
    const { secret } = await enrol(one, body, PASSWORD);
    const { challenge, headers } = await pages.attempt(form(), { email: guarded, password: PASSWORD });
    assert.equal(headers, undefined);
    assert.ok(challenge.methods.includes("totp") && challenge.expiresInSeconds > 0);
    const wrong = await pages.answer(form(), { challenge: challenge.challenge, code: "000000" });
    assert.equal(wrong.problem.code, "second_factor_invalid");
    const right = await pages.answer(form(), { challenge: challenge.challenge, code: codeOf(secret) });
    assert.equal((await pages.user(new Request(APP, { headers: { cookie: cookieOf(right.headers) } }))).user.email, guarded);
  });

  test("passes on what is said only once, and that a factor has to be set up", async () => {
    const answering = (body) => createPageSignIn({ send: async () => Response.json(body, { headers: { "set-cookie": "__Host-session=x; Secure" } }) });
    const { headers, ...once } = await answering({ backup_codes: ["a-b", "c-d"], device_token: "d" }).answer(form(), { challenge: "x", code: "1" });
    assert.deepEqual(once, { backupCodes: ["a-b", "c-d"], deviceToken: "d" });
    assert.equal(headers.getSetCookie().length, 1);
    const put = await answering({ mfa_required: true, challenge: "x", expires_in: 180, enrolment_required: true }).attempt(form(), {});
    assert.deepEqual(put, { challenge: { challenge: "x", methods: [], expiresInSeconds: 180, enrolmentRequired: true } });
    assert.deepEqual(Object.keys(await answering({}).attempt(form(), {})), ["headers"]);
  });

  test("needs a Postern that sets cookies, and says so if it has none", async () => {
    const withTokens = createPageSignIn({ send: async () => Response.json(account) });
    await assert.rejects(withTokens.attempt(form(), { email, password: PASSWORD }), { option: "send" });
    const down = createPageSignIn({ send: async () => new Response("<h1>502</h1>", { status: 502 }) });
    assert.deepEqual(await down.attempt(form(), { email, password: PASSWORD }), { problem: { status: 502, code: "unavailable" } });
    for (const [options, option] of [[{}, "send"], [{ send: "x" }, "send"], [{ send() {}, origins: "x" }, "origins"], [{ send() {}, origin: [] }, "origin"], [{ send() {}, origins: new Array(1) }, "origins"]]) {
      assert.throws(() => createPageSignIn(options), { option });
    }
  });
});
