// The shield: the platform's own rate limit in front of everything else, where a deployment binds one.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, client, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { untilQuiet } from "./support/people.mjs";

const LIMIT = 5;
const NOTHING = "objects=0 d1=0 kv=0";
const bound = (simple) => ({ ratelimits: [{ name: "SHIELD", namespace_id: "1001", simple }] });

/** Fails unless the answer is the shield's, which asks nobody else. */
function shielded(answer) {
  refused(answer, 429, "rate_limited");
  assert.equal(answer.headers.get("retry-after"), "60");
  assert.equal(answer.body.retry_after_seconds, 60);
  assert.equal(answer.headers.get("x-postern-operations"), NOTHING);
  assert.match(answer.headers.get("x-postern-calls"), /^(\w+=0 ?)+$/);
  assert.equal(answer.headers.get("ratelimit"), null);
}

/** Windows end with the minutes of the clock: a test that counts begins after a turn that is near. */
async function earlyInTheMinute() {
  const left = 60_000 - (Date.now() % 60_000);
  if (left < 30_000) await new Promise((resolve) => setTimeout(resolve, left + 100));
}

describe("a shield", () => {
  let server;
  before(async () => {
    server = await startOpenServer({ bindings: bound({ limit: LIMIT, period: 60 }) });
    await client(server).login(newAddress(), PASSWORD);
  });
  after(() => server?.stop());

  /** Takes all that a source may. */
  const exhausted = async (address) => {
    await earlyInTheMinute();
    const it = client(server, address);
    for (let asked = 0; asked < LIMIT; asked += 1) {
      const answer = await it.login(newAddress(), "not the password");
      refused(answer, 401, "invalid_credentials");
      assert.notEqual(answer.headers.get("x-postern-operations"), NOTHING);
    }
    // What follows the answers would be counted with the next.
    await untilQuiet(server);
    return it;
  };

  test("refuses what a source asks too often, before any object is asked, and nobody else", { timeout: 120_000 }, async () => {
    const it = await exhausted("203.0.113.1");
    for (const answer of await Promise.all(Array.from({ length: 12 }, () => it.login(newAddress(), PASSWORD)))) shielded(answer);
    for (const [method, path, body] of [["POST", "signup", {}], ["POST", "refresh", { refresh_token: "x" }], ["GET", "me"], ["GET", "nothing-here"], ["GET", "admin/users"]]) {
      shielded(await it.send(method, `${AUTH}/${path}`, { body, bearer: "x" }));
    }
    refused(await client(server, "203.0.113.2").login(newAddress(), PASSWORD), 401, "invalid_credentials");
  });

  test("counts a /64 as one source, and an IPv4 address in IPv6 as the same", { timeout: 240_000 }, async () => {
    await exhausted("2001:db8:1:2::1");
    shielded(await client(server, "2001:db8:1:2:ffff::7").login(newAddress(), PASSWORD));
    refused(await client(server, "2001:db8:1:3::1").login(newAddress(), PASSWORD), 401, "invalid_credentials");
    await exhausted("203.0.113.9");
    shielded(await client(server, "::ffff:203.0.113.9").login(newAddress(), PASSWORD));
  });

  test("does not stand before documents, nor before servers that ask about the tokens of many", { timeout: 120_000 }, async () => {
    const it = await exhausted("203.0.113.3");
    for (const path of ["/health", "/.well-known/jwks.json", `${AUTH}/public-key`, `${AUTH}/permissions`]) assert.equal((await server.fetch(path, { headers: { "cf-connecting-ip": "203.0.113.3" } })).status, 200, path);
    refused(await it.validate("x"), 401, "token_malformed");
    shielded(await it.login(newAddress(), PASSWORD));
  });

  test("replaces no exact limit", { timeout: 120_000 }, async () => {
    const wide = await startOpenServer({ bindings: bound({ limit: 100, period: 60 }), vars: { limits: { login_per_source: { count: 3, period_seconds: 600 } } } });
    try {
      const it = client(wide, "203.0.113.4");
      for (let asked = 0; asked < 3; asked += 1) refused(await it.login(newAddress(), PASSWORD), 401, "invalid_credentials");
      const answer = await it.login(newAddress(), PASSWORD);
      refused(answer, 429, "rate_limited");
      assert.match(answer.headers.get("ratelimit"), /"login_per_source";r=0/);
    } finally {
      await wide.stop();
    }
  });
});

test("a binding of that name that is no rate limit is said to be wrong", async () => {
  const server = await startOpenServer({ bindings: { kv_namespaces: [{ binding: "EDGE", id: "edge" }, { binding: "SHIELD", id: "shield" }] } });
  try {
    const answer = await client(server).login(newAddress(), PASSWORD);
    assert.deepEqual([answer.status, answer.body.code], [503, "misconfigured"]);
    assert.ok(server.logs().some(({ message }) => message.includes("the binding SHIELD must be a rate limit")));
  } finally {
    await server.stop();
  }
});
