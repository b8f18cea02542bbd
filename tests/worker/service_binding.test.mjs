// Another Worker asks about tokens through a service binding: `env.AUTH.validate(token, options)`. It gets what
// `POST /api/v1/auth/validate` answers, as a value, whatever happens.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import * as people from "./support/people.mjs";
import { ROOT, startServer } from "./support/server.mjs";

const { claimsOf, logIn, post, sleep } = people;
const EXAMPLE = join(ROOT, "docs/examples/service-binding/wrangler.toml");
/** Nothing may hang: well above what the calls need on a busy machine, well below what the runtime allows. */
const ENDS_WITHIN_MILLISECONDS = 10_000;
const asker = { name: "asker", main: join(ROOT, "tests/worker/support/asker.mjs") };

describe("through a service binding", () => {
  let server, ada, eve;
  before(async () => {
    server = await startServer({ vars: people.relaxed(), neighbours: [EXAMPLE, asker] });
    ada = await people.signUp(server);
    eve = await people.signUp(server);
    await post(server, "logout", { refresh_token: eve.refresh });
  });
  after(() => server?.stop());

  const asked = async (question, signal) => {
    const response = await server.neighbour("asker").fetch("http://asker/", { method: "POST", body: JSON.stringify(question), signal });
    const answer = await response.json();
    assert.deepEqual(Object.keys(answer), ["returned"], JSON.stringify(answer));
    return answer.returned;
  };
  const ask = (token, options) => asked({ token, options });

  test("a good token is an answer with its account, roles and permissions", async () => {
    const answer = await ask(ada.access, { mode: "strict", permissions: ["docs:write"] });
    assert.equal(answer.ok, true);
    assert.equal(answer.mode, "strict");
    assert.deepEqual([answer.account_id, answer.session_id, answer.tenant], [ada.account, ada.session, "default"]);
    assert.deepEqual(answer.roles, ["user"]);
    assert.deepEqual(answer.permissions, ["docs:read", "docs:write"]);
    assert.deepEqual(answer.claims, claimsOf(ada.access));
  });

  test("names of roles and permissions come only where they are wanted", async () => {
    const bare = await ask(ada.access, { include_roles: false, include_permissions: false });
    assert.deepEqual([bare.ok, "roles" in bare, "permissions" in bare], [true, false, false]);
    const refused = await ask(ada.access, { include_permissions: false, permissions: ["docs:delete"] });
    assert.equal(refused.code, "permission_denied");
  });

  describe("and over HTTP the answer is the same:", () => {
    const tampered = (token) => `${token.slice(0, -6)}${token.endsWith("AAAAAA") ? "BBBBBB" : "AAAAAA"}`;
    const outcomes = {
      "a good token": [200, undefined, () => [ada.access]],
      "inherited mode": [200, undefined, () => [ada.access, { mode: "inherit" }]],
      "every mode, jwt_only": [200, undefined, () => [ada.access, { mode: "jwt_only" }]],
      "every mode, hybrid": [200, undefined, () => [ada.access, { mode: "hybrid" }]],
      "every mode, strict": [200, undefined, () => [ada.access, { mode: "strict" }]],
      "one of several audiences": [200, undefined, () => [ada.access, { audience: ["https://else.example", people.ISSUER] }]],
      "its own audience": [200, undefined, () => [ada.access, { audience: people.ISSUER }]],
      "a revoked session, by its signature alone": [200, undefined, () => [eve.access, { mode: "jwt_only" }]],
      "a revoked session": [401, "session_revoked", () => [eve.access, { mode: "strict" }]],
      "another audience": [401, "audience_mismatch", () => [ada.access, { audience: "https://else.example" }]],
      "a refresh token": [401, "token_malformed", () => [ada.refresh]],
      "garbage": [401, "token_malformed", () => ["garbage"]],
      "an empty token": [401, "token_malformed", () => [""]],
      "three empty parts": [401, "token_malformed", () => [".."]],
      "a tampered signature": [401, "signature_invalid", () => [tampered(ada.access)]],
      "8193 bytes": [401, "token_too_large", () => ["x".repeat(8193)]],
      "more than a body may have": [413, "body_too_large", () => ["x".repeat(70_000)]],
      "a missing permission": [403, "permission_denied", () => [ada.access, { permissions: ["docs:read", "docs:delete"] }]],
      "a permission that nobody declared": [400, "invalid_request", () => [ada.access, { permissions: ["docs:reed"] }]],
      "a mode that there is not": [400, "invalid_request", () => [ada.access, { mode: "none" }]],
      "a flag that is none": [400, "invalid_request", () => [ada.access, { details: "yes" }]],
      "permissions that are no list": [400, "invalid_request", () => [ada.access, { permissions: "docs:read" }]],
      "seventeen audiences": [400, "invalid_request", () => [ada.access, { audience: Array(17).fill(people.ISSUER) }]],
      "a token that is no text": [400, "invalid_request", () => [7]],
      "a token that is null": [400, "invalid_request", () => [null]],
    };
    for (const [what, [status, code, question]] of Object.entries(outcomes)) {
      test(what, async () => {
        const [token, options] = question();
        const answer = await ask(token, options);
        const http = await post(server, "validate", { ...options, token });
        assert.deepEqual([http.status, http.code], [status, code], JSON.stringify(http.body));
        const { request_id: drawn, ...rest } = answer;
        const { request_id: other, ...body } = http.body;
        assert.deepEqual(rest, { ok: status === 200, ...body });
        if (status !== 200) assert.match(drawn, /^[0-9a-f]{32}$/);
        assert.equal(drawn === undefined, other === undefined);
      });
    }
  });

  test("an expired token is refused", async () => {
    const short = await startServer({ vars: people.relaxed({}, { tokens: { access_ttl_seconds: 1, leeway_seconds: 0 } }), neighbours: [asker] });
    try {
      const person = await people.signUp(short);
      await sleep(2_100);
      const question = JSON.stringify({ token: person.access });
      const response = await short.neighbour("asker").fetch("http://asker/", { method: "POST", body: question });
      const { returned } = await response.json();
      assert.deepEqual([returned.ok, returned.status, returned.code], [false, 401, "token_expired"]);
    } finally {
      await short.stop();
    }
  });

  test("a caller that sends what is neither token nor option gets a value, never an exception", async () => {
    const codes = {
      "undefined": "invalid_request",
      "a number": "invalid_request",
      "a function": "invalid_request",
      "a date": "token_malformed",
      "half a surrogate pair": "invalid_request",
      "options with a BigInt": "invalid_request",
      "options in a circle": "invalid_request",
      "options that are text": true,
      "options that are null": true,
      "a token among the options": "token_malformed",
      "a million characters": "body_too_large",
      "a million permissions": "body_too_large",
    };
    for (const [odd, code] of Object.entries(codes)) {
      const answer = await asked({ odd, token: ada.access });
      assert.deepEqual([odd, answer.ok || answer.code], [odd, code]);
    }
  });

  test("a panic ends calls with a value, and the next is answered", async () => {
    let cutShort = 0;
    for (let round = 0; round < 4; round += 1) {
      // With a read of KV: what only asks an object is answered before the panic comes.
      const question = { token: ada.access, options: { mode: "strict", details: true }, duringPanics: 30 };
      const answers = await asked(question, AbortSignal.timeout(ENDS_WITHIN_MILLISECONDS));
      assert.equal(answers.length, 30);
      for (const answer of answers) {
        assert.ok(answer.ok || ["internal", "strict_backend_unavailable", "unavailable"].includes(answer.code), JSON.stringify(answer));
        assert.ok(answer.ok || [500, 503].includes(answer.status));
        cutShort += answer.ok ? 0 : 1;
      }
      assert.equal((await ask(ada.access, { mode: "strict" })).ok, true);
    }
    assert.ok(cutShort > 0, "no call was cut short");
  });

  test("the example Worker reads with a token, and writes with one that may", async () => {
    const call = async (method, token) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await server.neighbour("documents").fetch("http://documents/", { method, headers });
      return [response.status, await response.json()];
    };
    const good = [200, { account: ada.account, may: ["docs:read", "docs:write"] }];
    assert.deepEqual(await call("GET", ada.access), good);
    assert.deepEqual(await call("PUT", ada.access), good);
    assert.deepEqual(await call("GET"), [401, { code: "token_malformed" }]);
    assert.deepEqual(await call("PUT", eve.access), [401, { code: "session_revoked" }]);
  });

  test("the entry point is not on the web", async () => {
    for (const path of ["/validate", "/AuthService", "/AuthService/validate"]) {
      assert.equal((await people.request(server, "POST", path, { body: { token: ada.access } })).code, "not_found");
    }
  });
});

test("whoever has been signed out ends nobody's session in return", async () => {
  const server = await startServer({ vars: people.relaxed() });
  try {
    const person = await people.signUp(server);
    const thief = await logIn(server, person);
    const warmed = await people.get(server, "sessions", { bearer: thief.access });
    assert.equal(warmed.status, 200);
    assert.equal((await people.remove(server, `sessions/${thief.session}`, { bearer: person.access })).status, 200);
    people.refused(await people.remove(server, `sessions/${person.session}`, { bearer: thief.access }), 401, "session_revoked");
    people.refused(await post(server, "sessions/revoke-all", {}, { bearer: thief.access }), 401, "session_revoked");
    await people.expectModes(server, person.access, { strict: true });
  } finally {
    await server.stop();
  }
});
