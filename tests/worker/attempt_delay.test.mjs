// Failures make the next attempt of their source later: `lockout.delay_after_failures`.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, logIn, post, refused, relaxed, signUp, tokensOf, until } from "./support/people.mjs";
import { onIntakes } from "./support/phones.mjs";
import { startServer } from "./support/server.mjs";

const FREE = 3;
const [FIRST, MOST] = [100, 350];
const [HOME, GUESSER] = ["198.51.100.1", "203.0.113.1"];
const from = (source) => ({ headers: { "cf-connecting-ip": source } });

describe("a delay between attempts", () => {
  let server;
  before(async () => {
    const delay = { delay_after_failures: FREE, delay_first_seconds: FIRST, delay_most_seconds: MOST };
    server = await startServer({ vars: relaxed({}, { lockout: { per_source_failures: 7, per_identifier_failures: 100, ...delay } }) });
  });
  after(() => server?.stop());

  const guess = (email, source = GUESSER, password = "not the password") => post(server, "login", { email, password }, from(source));
  /** Lets time pass for all failed attempts. */
  const aged = (seconds) =>
    onIntakes(server, "attempts", "UPDATE attempts SET record = json_set(record, '$.last_attempt_at', json_extract(record, '$.last_attempt_at') - CAST(? AS INTEGER))", seconds * 1000);
  const failing = async (email, times, source) => {
    for (let time = 0; time < times; time += 1) refused(await guess(email, source), 401, "invalid_credentials");
  };
  /** What is refused for now, and for how long at most. */
  const waits = async (answer, seconds) => {
    refused(answer, 429, "rate_limited");
    const wait = Number(answer.headers.get("retry-after"));
    assert.ok(wait > seconds - 60 && wait <= seconds, `${wait} of ${seconds}`);
    assert.equal(answer.body.retry_after_seconds, wait);
    assert.equal(answer.headers.get("ratelimit-policy"), `"attempt_delay";q=1;w=${MOST}`);
    assert.equal(answer.headers.get("ratelimit"), `"attempt_delay";r=0;t=${wait}`);
  };

  test("doubles with each failure up to a bound, and ends in the lock", async () => {
    const { email } = await signUp(server);
    await failing(email, FREE);
    for (const seconds of [FIRST, 2 * FIRST, MOST, MOST]) {
      // What comes too early is neither compared nor counted, and does not prolong it.
      for (let time = 0; time < 3; time += 1) await waits(await guess(email), seconds);
      await waits(await guess(email, GUESSER, PASSWORD), seconds);
      await aged(seconds);
      await failing(email, 1);
    }
    const locked = await guess(email);
    refused(locked, 429, "rate_limited");
    assert.match(locked.headers.get("ratelimit-policy"), /^"lockout";q=7;/);
  });

  test("is the guesser's: the owner elsewhere is let in, and takes nothing of it away", async () => {
    const person = await signUp(server);
    await failing(person.email, FREE);
    await waits(await guess(person.email), FIRST);
    tokensOf(await guess(person.email, HOME, PASSWORD));
    await waits(await guess(person.email), FIRST);
    await waits(await guess(person.email, GUESSER, PASSWORD), FIRST);
  });

  test("ends with a success of its own source", async () => {
    const person = await signUp(server);
    await failing(person.email, FREE);
    await aged(FIRST);
    tokensOf(await guess(person.email, GUESSER, PASSWORD));
    // What the success takes back follows the answer.
    await until("failures are forgotten", async () => (await guess(person.email)).status === 401);
    await failing(person.email, FREE - 1);
    await waits(await guess(person.email), FIRST);
  });

  test("lets no more through that come at once", async () => {
    const { email } = await signUp(server);
    const answers = await Promise.all(Array.from({ length: 40 }, () => guess(email)));
    const count = (status) => answers.filter((answer) => answer.status === status).length;
    assert.deepEqual([count(401), count(429) + count(503)], [FREE, 40 - FREE]);
  });

  test("is the same where there is no account", async () => {
    const email = `nobody-${Date.now()}@example.com`;
    await failing(email, FREE);
    await waits(await guess(email), FIRST);
    await waits(await guess(email, GUESSER, PASSWORD), FIRST);
  });

  test("counts the guesses of a copied session", async () => {
    const person = await signUp(server);
    const change = (current_password) => post(server, "change-password", { current_password, new_password: "nine quiet herons wade" }, { bearer: person.access, ...from(GUESSER) });
    for (let time = 0; time < FREE; time += 1) refused(await change("not the password"), 403, "current_password_wrong");
    await waits(await change(PASSWORD), FIRST);
    await waits(await guess(person.email), FIRST);
    await logIn(server, person, from(HOME));
  });
});
