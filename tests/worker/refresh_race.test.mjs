// Refreshes that meet each other: many at once, tabs that share a session, and answers that never arrive. Nobody
// is signed out by any of it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from "jose";

import * as people from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const { age, audited, expectModes, logIn, post, refresh, refused, sleep, storedSession, tokensOf, validate } = people;
const MANY = 200;

/** A generator of numbers from 0 to 1 that a failed run can be repeated with (mulberry32). */
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const times = (count, action) => Promise.all(Array.from({ length: count }, (_, index) => action(index)));

describe("many refreshes of one token at once", () => {
  let server, ada;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: 30 }) });
    ada = await people.signUp(server);
  });
  after(() => server?.stop());

  /** All access tokens are good, told by us and by a library that knows only our published keys. */
  async function allVerify(tokens) {
    const keys = createLocalJWKSet(await (await server.fetch("/.well-known/jwks.json")).json());
    const ids = new Set();
    for (const { access, account, session } of tokens) {
      const { payload, protectedHeader } = await jwtVerify(access, keys, { issuer: people.ISSUER, audience: people.ISSUER, typ: "at+jwt", algorithms: ["EdDSA"] });
      assert.deepEqual([payload.sub, payload.sid, protectedHeader.alg], [account, session, "EdDSA"]);
      ids.add(payload.jti);
    }
    assert.equal(ids.size, tokens.length, "every access token has an id of its own");
    for (const mode of ["jwt_only", "hybrid", "strict"]) {
      for (const answer of await Promise.all(tokens.map(({ access }) => validate(server, access, mode)))) assert.equal(answer.status, 200, mode);
    }
  }

  /** Everyone gets the same successor, which is good; nothing in the session says otherwise. */
  async function oneSuccessor(person, answers, generation) {
    const tokens = answers.map(tokensOf);
    assert.equal(new Set(tokens.map((token) => token.refresh)).size, 1, "one successor, the same bytes for everyone");
    assert.notEqual(tokens[0].refresh, person.refresh);
    for (const token of tokens) assert.deepEqual([token.account, token.session], [person.account, person.session]);
    const stored = await storedSession(server, person);
    assert.deepEqual([stored.generation, stored.revoked, stored.expired_at], [generation, null, null]);
    await allVerify(tokens);
    const trail = await audited(server, person, person.session);
    assert.deepEqual(trail.filter((event) => event !== "session_opened"), []);
    return { ...person, refresh: tokens[0].refresh };
  }

  test(`${MANY} at once have one successor, and so have ${MANY} of the next generation`, async () => {
    let person = await logIn(server, ada);
    person = await oneSuccessor(person, await times(MANY, () => refresh(server, person.refresh)), 1);
    await age(server, person, 31);
    person = await oneSuccessor(person, await times(MANY, () => refresh(server, person.refresh)), 2);
    // The last one to arrive still finds a live session.
    await age(server, person, 31);
    await expectModes(server, tokensOf(await refresh(server, person.refresh)).access, { strict: true });
  });

  test("parent and child at once are answered alike", async () => {
    const person = await logIn(server, ada);
    const child = tokensOf(await refresh(server, person.refresh));
    const answers = await times(60, (index) => refresh(server, index % 2 === 0 ? person.refresh : child.refresh));
    for (const answer of answers) assert.equal(tokensOf(answer).refresh, child.refresh);
    assert.equal((await storedSession(server, person)).generation, 1);
  });

  test("sessions do not mix", async () => {
    const sessions = await times(10, () => logIn(server, ada));
    const answers = await times(60, (index) => refresh(server, sessions[index % 10].refresh));
    answers.forEach((answer, index) => {
      const { session, refresh: successor } = tokensOf(answer);
      assert.equal(session, sessions[index % 10].session);
      assert.equal(successor, answers[index % 10].body.refresh_token);
    });
    assert.equal(new Set(answers.map((answer) => answer.body.refresh_token)).size, 10);
  });

  test("a logout among them wins for good", async () => {
    const person = await logIn(server, ada);
    const racing = times(50, (index) => (index === 25 ? post(server, "logout", { refresh_token: person.refresh }) : refresh(server, person.refresh)));
    const answers = await racing;
    assert.equal(answers[25].status, 200);
    for (const answer of answers) assert.ok([200, 401].includes(answer.status));
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    for (const answer of answers.filter(({ body }) => body.refresh_token)) {
      refused(await refresh(server, answer.body.refresh_token), 401, "refresh_invalid");
      await expectModes(server, answer.body.access_token, { strict: "session_revoked" });
    }
    assert.equal((await storedSession(server, person)).revoked.reason, "logout");
  });

  test("a reuse among them ends the family, whatever the order", async () => {
    const person = await logIn(server, ada);
    const second = tokensOf(await refresh(server, person.refresh));
    await age(server, person, 31);
    const third = tokensOf(await refresh(server, second.refresh));
    const answers = await times(30, (index) => refresh(server, index === 15 ? person.refresh : third.refresh));
    refused(answers[15], 401, "refresh_invalid");
    assert.equal((await storedSession(server, person)).revoked.reason, "refresh_reuse_detected");
    refused(await refresh(server, third.refresh), 401, "refresh_invalid");
    const trail = await audited(server, person, person.session);
    assert.equal(trail.filter((event) => event === "session_revoked:refresh_reuse_detected").length, 1);
  });

  test("a library that fetches our keys itself accepts the tokens, and no other issuer's or audience's", async () => {
    const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", server.url));
    const { access } = await logIn(server, ada);
    await jwtVerify(access, keys, { issuer: people.ISSUER, audience: people.ISSUER });
    await assert.rejects(jwtVerify(access, keys, { issuer: "https://other.example" }), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED" });
    await assert.rejects(jwtVerify(access, keys, { audience: "https://other.example" }), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED" });
    const [header, payload, signature] = access.split(".");
    const altered = (signature.startsWith("A") ? "B" : "A") + signature.slice(1);
    await assert.rejects(jwtVerify(`${header}.${payload}.${altered}`, keys), { code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" });
  });
});

describe("three tabs, slow and lost answers", () => {
  // The whole day with its half-minute grace is simulated natively; here the real runtime lives through the same
  // in short: a grace of 2 seconds, answers that are late by up to half a second, a quarter of them lost.
  const GRACE = 2;
  const LASTS_MILLISECONDS = 14_000;
  const FAMILIES = 6;
  let server, ada;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: GRACE }) });
    ada = await people.signUp(server);
  });
  after(() => server?.stop());

  /** One browser tab: it refreshes with what the browser has stored, again and again until the test is over. */
  async function tab(browser, random, end, seen) {
    while (Date.now() < end) {
      await sleep(random() * 900);
      for (;;) {
        const token = browser.refresh;
        // A lost answer: the request goes out, and the connection breaks at some moment.
        const signal = random() < 0.25 ? AbortSignal.timeout(Math.ceil(random() * 25)) : undefined;
        seen.requests += 1;
        const answer = await refresh(server, token, { signal }).catch((error) => {
          assert.equal(error.name, "TimeoutError");
        });
        if (answer === undefined) {
          seen.lost += 1;
          await sleep(random() * 150);
          continue;
        }
        assert.equal(answer.status, 200, `signed out after ${seen.requests} requests: ${JSON.stringify(answer.body)}`);
        const next = tokensOf(answer);
        assert.equal(next.session, browser.session);
        await sleep(random() * 500);
        // Whoever stored something newer meanwhile is not overwritten by this late answer.
        if (browser.refresh === token) browser.refresh = next.refresh;
        seen.tokens.add(next.refresh);
        break;
      }
    }
  }

  test("sign nobody out", async () => {
    const end = Date.now() + LASTS_MILLISECONDS;
    const seen = { requests: 0, lost: 0, tokens: new Set() };
    const browsers = await times(FAMILIES, () => logIn(server, ada));
    await Promise.all(browsers.flatMap((browser, family) => [1, 2, 3].map((number) => tab(browser, seeded(family * 10 + number), end, seen))));
    for (const browser of browsers) {
      const stored = await storedSession(server, browser);
      assert.deepEqual([stored.revoked, stored.expired_at], [null, null]);
      await expectModes(server, tokensOf(await refresh(server, browser.refresh)).access, { strict: true });
      const trail = await audited(server, browser, browser.session);
      assert.ok(!trail.includes("refresh_reuse_detected"));
    }
    // Something has happened: answers were lost, and tokens were replaced.
    assert.ok(seen.requests >= 150, `${seen.requests} requests`);
    assert.ok(seen.lost >= 20, `${seen.lost} lost answers`);
    assert.ok(seen.tokens.size >= FAMILIES * 3, `${seen.tokens.size} generations`);
  });

  test("a successor that was lost is handed out again", async () => {
    const person = await logIn(server, ada);
    const lost = await refresh(server, person.refresh);
    const again = await refresh(server, person.refresh);
    assert.equal(tokensOf(again).refresh, tokensOf(lost).refresh);
    await sleep(GRACE * 1000 + 100);
    tokensOf(await refresh(server, again.body.refresh_token));
  });
});
