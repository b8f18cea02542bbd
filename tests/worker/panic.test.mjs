// A panic takes down the instance that it happens in, and nothing else: whatever is in flight ends at once, a
// retry succeeds, and nobody is signed out.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import * as people from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const { age, audited, expectModes, logIn, post, refresh, sleep, storedSession, tokensOf } = people;
const ROUNDS = 6;
const REFRESHES = 50;
/** Nothing may hang: well above what a request needs on a busy machine, well below what the runtime allows. */
const ENDS_WITHIN_MILLISECONDS = 5_000;

/** An answer, or a refusal that a client may repeat. Fails when nothing comes at all. */
async function ended(request) {
  const answer = await request(AbortSignal.timeout(ENDS_WITHIN_MILLISECONDS));
  assert.ok([200, 500, 503].includes(answer.status), JSON.stringify(answer.body));
  const type = answer.status === 200 ? "application/json" : "application/problem+json";
  assert.equal(answer.headers.get("content-type"), type);
  assert.equal(answer.body.code, { 500: "internal", 503: "unavailable" }[answer.status]);
  return answer;
}

describe("a panic", () => {
  let server, ada;
  let cutShort = 0;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: 30 }) });
    ada = await people.signUp(server);
  });
  after(() => server?.stop());

  const panic = (signal) => people.request(server, "POST", "/dev/panic", { signal });

  test("alone is an internal error, and the next request is served", async () => {
    const answer = await ended(panic);
    assert.deepEqual([answer.status, answer.code], [500, "internal"]);
    assert.ok(!JSON.stringify(answer.body).includes("on purpose"));
    assert.equal((await server.fetch("/health")).status, 200);
    await expectModes(server, ada.access, { strict: true, hybrid: true, jwt_only: true });
  });

  for (let round = 1; round <= ROUNDS; round += 1) {
    test(`during ${REFRESHES} refreshes signs nobody out (${round} of ${ROUNDS})`, async () => {
      const sessions = await Promise.all(Array.from({ length: 5 }, () => logIn(server, ada)));
      const before = await Promise.all(sessions.map((session) => storedSession(server, session)));
      const refreshes = Array.from({ length: REFRESHES }, (_, index) => ended((signal) => refresh(server, sessions[index % 5].refresh, { signal })));
      // At another moment in each round: before, between and after the commits.
      await sleep(round * 3);
      const panics = [ended(panic)];
      if (round % 2 === 0) panics.push(sleep(round * 4).then(() => ended(panic)));
      for (const answer of await Promise.all(panics)) assert.equal(answer.status, 500);
      const answers = await Promise.all(refreshes);
      cutShort += answers.filter(({ status }) => status !== 200).length;

      const retries = await Promise.all(Array.from({ length: REFRESHES }, (_, index) => ended((signal) => refresh(server, sessions[index % 5].refresh, { signal }))));
      retries.forEach((answer, index) => {
        const person = sessions[index % 5];
        const { refresh: successor, session } = tokensOf(answer);
        assert.equal(session, person.session);
        assert.equal(successor, retries[index % 5].body.refresh_token);
        if (answers[index].status === 200) assert.equal(successor, answers[index].body.refresh_token);
      });
      for (const [index, person] of sessions.entries()) {
        const stored = await storedSession(server, person);
        // One advance, whole: nothing was lost, doubled or torn.
        assert.deepEqual([stored.generation, stored.revoked, stored.expired_at], [1, null, null]);
        assert.equal(stored.session_key, before[index].session_key);
        await expectModes(server, retries[index].body.access_token, { strict: true, hybrid: true, jwt_only: true });
        await age(server, person, 31);
        assert.equal(tokensOf(await refresh(server, retries[index].body.refresh_token)).session, person.session);
      }
    });
  }

  test("did cut some of those refreshes short", () => {
    assert.ok(cutShort > 0);
    console.log(`    ${cutShort} of ${ROUNDS * REFRESHES} refreshes were cut short`);
  });

  test("during logins opens whole sessions or none, and a retry succeeds", async () => {
    const known = new Set((await people.get(server, "sessions", { bearer: ada.access })).body.sessions.map(({ id }) => id));
    const logins = Array.from({ length: 20 }, () => ended((signal) => post(server, "login", ada, { signal })));
    await sleep(5);
    await ended(panic);
    const answers = await Promise.all(logins);
    for (const answer of answers.filter(({ status }) => status === 200)) await expectModes(server, tokensOf(answer).access, { strict: true });
    tokensOf(await post(server, "login", ada));
    const { sessions } = (await people.get(server, "sessions", { bearer: ada.access })).body;
    const opened = sessions.filter(({ id }) => !known.has(id)).map(({ id }) => id);
    for (const answer of answers.filter(({ status }) => status === 200)) assert.ok(opened.includes(tokensOf(answer).session));
    assert.ok(opened.length <= 21);
  });

  test("during revocations leaves each session revoked or live, and revoked for good once answered", async () => {
    const sessions = await Promise.all(Array.from({ length: 10 }, () => logIn(server, ada)));
    const logouts = sessions.map((person) => ended((signal) => post(server, "logout", { refresh_token: person.refresh }, { signal })));
    await sleep(4);
    await ended(panic);
    const answers = await Promise.all(logouts);
    for (const [index, person] of sessions.entries()) {
      if (answers[index].status === 200) await expectModes(server, person.access, { strict: "session_revoked" });
      assert.equal((await post(server, "logout", { refresh_token: person.refresh })).status, 200);
      await expectModes(server, person.access, { strict: "session_revoked" });
      assert.deepEqual(await audited(server, person, person.session).then((trail) => trail.filter((event) => event === "session_revoked:logout")), ["session_revoked:logout"]);
    }
  });

  test("loses nothing that was promised: the outbox is delivered", async () => {
    const thief = await logIn(server, ada);
    const second = tokensOf(await refresh(server, thief.refresh));
    await age(server, thief, 31);
    assert.equal((await refresh(server, thief.refresh)).status, 401);
    for (let time = 0; time < 3; time += 1) await ended(panic);
    await people.mailTo(server, ada.email, "We ended one of your sessions");
    assert.ok((await audited(server, thief, thief.session)).includes("refresh_reuse_detected"));
    await expectModes(server, second.access, { strict: "session_revoked" });
    const mails = (await people.mails(server, ada.email)).filter(({ subject }) => subject === "We ended one of your sessions");
    assert.equal(mails.length, 1);
  });
});
