// What a monitor reads: how many passwords were right and wrong, of nobody in particular.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, post, refused, remove, signUp, tokensOf, until } from "./support/people.mjs";
import { OPERATOR_TOKEN, operatorOf, startOperated } from "./support/operator.mjs";
import { startOpenServer } from "./support/accounts.mjs";
import { families } from "./support/exposition.mjs";

const ROUTE = "/api/v1/auth/admin/metrics";
const WRONG = "not the password";

describe("counters", () => {
  let server;
  before(async () => {
    server = await startOperated({}, { lockout: { per_source_failures: 3, per_identifier_failures: 100 }, registration: { usernames: "optional" } });
  });
  after(() => server?.stop());

  const scrape = (bearer, path = ROUTE, init = {}) => server.fetch(path, { ...init, headers: { ...(bearer && { authorization: `Bearer ${bearer}` }), ...init.headers } });
  const read = async () => {
    const response = await scrape(OPERATOR_TOKEN);
    assert.equal(response.status, 200);
    return response.text();
  };
  const counts = async () => {
    const { samples } = families(await read()).get("postern_password_attempts_total");
    return ["success", "failure"].map((result) => samples.find(({ labels }) => labels.result === result).value);
  };
  /** What has been counted by `act`, once it is `expected`; it stays so. */
  const counted = async (expected, act) => {
    const [success, failure] = await counts();
    await act();
    const since = async () => (await counts()).map((count, at) => count - [success, failure][at]);
    await until(`counts of ${expected}`, async () => (await since()).join() === expected.join());
  };

  test("of right and wrong passwords, of known and unknown people, at login and where the current one is asked for", async () => {
    const person = await signUp(server);
    const enter = (email, password) => post(server, "login", { email, password });
    await counted([1, 0], async () => tokensOf(await enter(person.email, PASSWORD)));
    await counted([0, 3], async () => {
      for (const email of [person.email, person.email, "nobody@example.com"]) refused(await enter(email, WRONG), 401, "invalid_credentials");
    });
    await counted([0, 1], async () => {
      refused(await post(server, "change-password", { current_password: WRONG, new_password: "nine quiet herons wade" }, { bearer: person.access }), 403, "current_password_wrong");
    });
    // Now the lock holds: nothing is compared, and nothing counted.
    await counted([0, 0], async () => refused(await enter(person.email, PASSWORD), 429, "rate_limited"));
    await counted([0, 0], async () => {
      refused(await post(server, "login", { email: "nobody" }), 400, "invalid_request");
      refused(await post(server, "login", { email: person.email, password: "" }), 400, "invalid_request");
    });
    const other = await signUp(server);
    await counted([1, 0], async () => assert.equal((await remove(server, "me", { body: { current_password: PASSWORD }, bearer: other.access })).status, 200));
  });

  test("survive their objects, and say nothing of anybody", async () => {
    const person = await signUp(server);
    await counted([1, 0], async () => tokensOf(await post(server, "login", { email: person.email, password: PASSWORD })));
    const before = await counts();
    for (let shard = 0; shard < 16; shard += 1) await server.evictObject("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
    assert.deepEqual(await counts(), before);
    const text = await read();
    // As many series as there are results, whatever is asked about: nobody who guesses makes one.
    const [[name, { type, samples }], ...others] = families(text);
    assert.deepEqual([name, type, others], ["postern_password_attempts_total", "counter", []]);
    assert.deepEqual(samples.map(({ labels }) => labels), [{ result: "success" }, { result: "failure" }]);
    for (const word of ["example.com", "default", person.account]) assert.ok(!text.includes(word), word);
  });

  test("are the operator's", async () => {
    const person = await signUp(server);
    for (const bearer of [undefined, person.access, `${OPERATOR_TOKEN}x`]) {
      const response = await scrape(bearer);
      assert.deepEqual([response.status, (await response.json()).code], [401, "operator_token_invalid"]);
    }
    for (const method of ["POST", "DELETE", "PUT"]) assert.equal((await scrape(OPERATOR_TOKEN, ROUTE, { method })).status, 405);
    const response = await scrape(OPERATOR_TOKEN);
    assert.deepEqual([response.headers.get("content-type"), response.headers.get("cache-control")], ["text/plain; version=0.0.4; charset=utf-8", "no-store"]);
    const alone = await startOpenServer({});
    try {
      assert.equal((await alone.fetch(ROUTE, { headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } })).status, 404);
    } finally {
      await alone.stop();
    }
  });

  test("and whoever has a username alone may be asked for the password as often as anybody", async () => {
    const operator = operatorOf(server);
    const username = "robot_seven";
    const made = await operator.ask("POST", "", { body: { username, name: "Robot", password: PASSWORD } });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const { access } = tokensOf(await post(server, "login", { username, password: PASSWORD }));
    const prove = (current_password) => post(server, "reauthenticate", { current_password }, { bearer: access });
    // Each success is taken back before the next is counted.
    for (let time = 0; time < 5; time += 1) await counted([1, 0], async () => assert.equal((await prove(PASSWORD)).status, 200));
    // A copied session is no better place to guess than the login is: they count together.
    await counted([0, 3], async () => {
      for (let guess = 0; guess < 3; guess += 1) refused(await prove(WRONG), 403, "current_password_wrong");
    });
    refused(await prove(PASSWORD), 429, "rate_limited");
    refused(await post(server, "login", { username, password: PASSWORD }), 429, "rate_limited");
    assert.ok((await operator.history({ account: made.body.id }, "login_failed")).includes("login_failed:username"));
  });
});
