// The rotation table of refresh tokens, row by row, through HTTP.
//
// p is the generation of the presented token, c the current one of its session, G the grace. Where a row needs a
// state that no client can bring about, the test edits what the account's object has stored, or mints a token
// with the keys from the stores.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import * as people from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const { age, audited, editAccount, editSession, expectModes, logIn, mintRefreshToken, refresh, refused, sleep, storedAccount, storedSession, tokensOf } = people;
const GRACE = 30;
const NO_STORE_TOUCHED = "objects=0 d1=0 kv=0";
const LAST_GENERATION = 0xffff_ffff;
const occurrences = (list, value) => list.filter((item) => item === value).length;

describe("with a grace of 30 seconds", () => {
  let server, ada;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: GRACE }, { validation: { staleness_seconds: 2 } }) });
    ada = await people.signUp(server);
  });
  after(() => server?.stop());

  /** Presents a token and fails unless it is refused with no trace in session and account. */
  async function refusedWithoutTrace(person, token, subject = person) {
    const stored = [await storedSession(server, subject), await storedAccount(server, subject)];
    const trail = await audited(server, subject);
    refused(await refresh(server, token), 401, "refresh_invalid");
    assert.deepEqual([await storedSession(server, subject), await storedAccount(server, subject)], stored);
    assert.deepEqual(await audited(server, subject), trail);
  }

  /** A session at generation 2: the tokens of all generations so far, the last rotation just now. */
  async function thirdGeneration() {
    const first = await logIn(server, ada);
    const second = tokensOf(await refresh(server, first.refresh));
    await age(server, first, GRACE + 1);
    const third = tokensOf(await refresh(server, second.refresh));
    return { ...ada, ...third, tokens: [first.refresh, second.refresh, third.refresh] };
  }

  /** A token of any generation, made with the keys of edge and session. */
  async function minted(person, generation, more = {}) {
    const { session_key } = await storedSession(server, person);
    const sessionKey = Buffer.from(session_key, "base64url");
    return mintRefreshToken({ ...person, generation, sessionKey, edge: await people.edgeKey(server), ...more });
  }

  /** Whatever was tried, the session goes on. */
  async function livesOn(person) {
    const next = tokensOf(await refresh(server, person.refresh));
    assert.equal(next.session, person.session);
    await expectModes(server, next.access, { strict: true, hybrid: true, jwt_only: true });
  }

  describe("row 1: malformed, or edge tag wrong", () => {
    let victim;
    before(async () => {
      victim = await logIn(server, ada);
      await people.settled(server, victim);
    });

    /** Each is refused, no store is touched, and the session it names is as it was. */
    async function allRefusedAtTheEdge(tokens) {
      const stored = [await storedSession(server, victim), await storedAccount(server, victim)];
      for (const token of tokens) {
        let answer = await refresh(server, token);
        // Once a minute the isolate renews its keys, which is one call; not twice in a row.
        if (answer.headers.get("x-postern-operations") === "objects=1 d1=0 kv=0") answer = await refresh(server, token);
        refused(answer, 401, "refresh_invalid");
        assert.equal(answer.headers.get("x-postern-operations"), NO_STORE_TOUCHED);
      }
      assert.deepEqual([await storedSession(server, victim), await storedAccount(server, victim)], stored);
    }

    test("the test's own codec agrees with the service's", async () => {
      assert.equal(people.refreshTokenText(people.refreshTokenBytes(victim.refresh)), victim.refresh);
      assert.equal(await minted(victim, 0), victim.refresh);
    });

    test("cut short at every length", () => allRefusedAtTheEdge(Array.from(victim.refresh, (_, length) => victim.refresh.slice(0, length))));

    test("every character replaced", () =>
      allRefusedAtTheEdge(Array.from(victim.refresh, (character, place) => victim.refresh.slice(0, place) + (character === "A" ? "B" : "A") + victim.refresh.slice(place + 1))));

    test("lengthened, wrapped, in another case or alphabet", () =>
      allRefusedAtTheEdge([`${victim.refresh}A`, ` ${victim.refresh}`, `${victim.refresh}\n`, `${victim.refresh}=`, victim.refresh.toUpperCase(), victim.refresh.replace("prt_", "PRT_"), victim.refresh.replace("prt_", ""), victim.refresh.repeat(2), victim.access, "null", "🗝", "\u0000"]));

    for (const [field, [start, end]] of people.refreshTokenFields) {
      test(`every byte of its ${field} altered, the checksum made right again`, async () => {
        const tokens = [];
        for (let place = start; place < end; place += 1) {
          for (const bit of [0x01, 0x80]) {
            const bytes = people.refreshTokenBytes(victim.refresh);
            bytes[place] ^= bit;
            tokens.push(people.refreshTokenText(bytes));
          }
        }
        await allRefusedAtTheEdge(tokens);
      });
    }

    test("made with a guessed edge key, another key id or another issuer, the inner tag right", async () => {
      const edge = await people.edgeKey(server);
      await allRefusedAtTheEdge([
        await minted(victim, 0, { edge: { id: edge.id, key: randomBytes(32) } }),
        await minted(victim, 0, { edge: { id: edge.id, key: Buffer.alloc(32) } }),
        await minted(victim, 0, { edge: { id: edge.id + 1, key: edge.key } }),
        await minted(victim, 0, { issuer: "http://localhost:8788" }),
        await minted(victim, 1, { edge: { id: edge.id, key: randomBytes(32) } }),
      ]);
    });

    test("from another deployment, with its own and with our session", async () => {
      const other = await startServer({ vars: people.relaxed() });
      try {
        const stranger = await people.signUp(other);
        const foreignEdge = await people.edgeKey(other);
        await allRefusedAtTheEdge([stranger.refresh, await minted(victim, 0, { edge: foreignEdge })]);
        refused(await refresh(other, victim.refresh), 401, "refresh_invalid");
      } finally {
        await other.stop();
      }
    });

    test("not a text at all", async () => {
      for (const refresh_token of [undefined, null, 7, true, [victim.refresh], { token: victim.refresh }]) {
        refused(await people.post(server, "refresh", { refresh_token }), 400, "invalid_request");
      }
    });

    after(() => livesOn(victim));
  });

  describe("row 2: nothing that the token belongs to", () => {
    test("its session was never opened", async () => {
      const person = await logIn(server, ada);
      const edge = await people.edgeKey(server);
      const session = randomBytes(16).toString("hex");
      const token = mintRefreshToken({ account: person.account, session, generation: 0, sessionKey: randomBytes(32), edge });
      await refusedWithoutTrace(person, token);
      assert.equal(await storedSession(server, { account: person.account, session }), undefined);
    });

    test("its account was never opened, and asking opens none", async () => {
      const edge = await people.edgeKey(server);
      const account = randomBytes(16).toString("hex");
      const token = mintRefreshToken({ account, session: randomBytes(16).toString("hex"), generation: 0, sessionKey: randomBytes(32), edge });
      refused(await refresh(server, token), 401, "refresh_invalid");
      const storage = await server.objectStorage("ACCOUNT", account);
      assert.deepEqual(await storage.exec("SELECT name FROM sqlite_master WHERE name IN ('account', 'sessions', 'outbox')"), []);
    });

    test("another account's session", async () => {
      const [mine, other] = [await logIn(server, ada), await people.signUp(server)];
      const { session_key } = await storedSession(server, other);
      const token = mintRefreshToken({ account: mine.account, session: other.session, generation: 0, sessionKey: Buffer.from(session_key, "base64url"), edge: await people.edgeKey(server) });
      await refusedWithoutTrace(mine, token);
      await livesOn(other);
    });

    test("the inner tag wrong, the edge tag right", async () => {
      const person = await logIn(server, ada);
      for (const generation of [0, 1, 5]) await refusedWithoutTrace(person, await minted(person, generation, { sessionKey: randomBytes(32) }));
      await livesOn(person);
    });

    for (const [what, change] of [["tenant", { tenant: "other" }], ["client", { client_id: "other" }]]) {
      test(`another ${what} holds the session`, async () => {
        const person = await logIn(server, ada);
        await editSession(server, person, change);
        await refusedWithoutTrace(person, person.refresh);
      });
    }

    test("another tenant holds the account", async () => {
      const person = await people.signUp(server);
      await people.settled(server, person);
      await editAccount(server, person, { tenant: "other" });
      await refusedWithoutTrace(person, person.refresh);
    });

    test("the account is a tombstone", async () => {
      const person = await people.signUp(server);
      await people.settled(server, person);
      await editAccount(server, person, { status: "deleted" });
      await refusedWithoutTrace(person, person.refresh);
    });
  });

  test("row 3: revoked already, nobody hears of it again", async () => {
    const person = await thirdGeneration();
    assert.equal((await people.post(server, "logout", { refresh_token: person.refresh })).status, 200);
    for (const token of person.tokens) await refusedWithoutTrace(person, token);
    // Not even a token from the future makes more of it.
    await refusedWithoutTrace(person, await minted(person, 7));
  });

  for (const [status, code, reason] of [
    ["disabled", "account_disabled", "user_disabled"],
    ["locked", "account_locked", "user_disabled"],
    ["banned", "account_banned", "banned"],
    ["pending_verification", "account_unverified", "user_disabled"],
  ]) {
    test(`row 4: an account that is ${status} loses all sessions, once`, async () => {
      const person = await people.signUp(server);
      const second = await logIn(server, person);
      await people.settled(server, person);
      await editAccount(server, person, { status });
      refused(await refresh(server, person.refresh), 403, code);
      for (const session of [person, second]) assert.equal((await storedSession(server, session)).revoked.reason, reason);
      const trail = await audited(server, person);
      assert.equal(occurrences(trail, "refresh_account_refused"), 1);
      assert.equal(occurrences(trail, `session_revoked:${reason}`), 1);
      await refusedWithoutTrace(person, person.refresh);
      await refusedWithoutTrace(second, second.refresh);
      refused(await people.post(server, "login", person), 403, code);
      // What is revoked stays so when the account comes back.
      await editAccount(server, person, { status: "active" });
      refused(await refresh(server, second.refresh), 401, "refresh_invalid");
      await expectModes(server, second.access, { strict: "session_revoked" });
    });
  }

  for (const [expiry, code] of [["idle_expires_at", "session_expired"], ["absolute_expires_at", "session_expired"]]) {
    test(`row 5: ${expiry} has passed, the record says so and stays`, async () => {
      const person = await thirdGeneration();
      await editSession(server, person, { [expiry]: Date.now() - 1 });
      refused(await refresh(server, person.refresh), 401, "refresh_invalid");
      const stored = await storedSession(server, person);
      assert.ok(stored.expired_at > 0);
      assert.deepEqual([stored.generation, stored.revoked], [2, null]);
      await expectModes(server, person.access, { strict: code, jwt_only: true });
      // Not reuse, whatever is presented now, and not undone by a clock that runs back.
      await editSession(server, person, { [expiry]: Date.now() + 1_000_000 });
      for (const token of person.tokens) await refusedWithoutTrace(person, token);
    });
  }

  test("row 6: bound to a key, presented without its proof", async () => {
    const person = await thirdGeneration();
    await people.settled(server, person);
    await editSession(server, person, { key_thumbprint: randomBytes(32).toString("base64url") });
    const stored = await storedSession(server, person);
    for (const token of person.tokens) refused(await refresh(server, token), 401, "refresh_invalid");
    assert.deepEqual(await storedSession(server, person), stored);
    // Told once a minute for each session, however often it is tried.
    const trail = await audited(server, person, person.session);
    assert.equal(occurrences(trail, "refresh_key_proof_failed"), 1);
    assert.equal(occurrences(trail, "refresh_reuse_detected"), 0);
    await expectModes(server, person.access, { strict: true });
  });

  test("row 7: p > c ends the family, as a storage that was set back", async () => {
    const person = await thirdGeneration();
    const before = await storedSession(server, person);
    await editSession(server, person, { generation: 1 });
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    const stored = await storedSession(server, person);
    assert.deepEqual([stored.generation, stored.revoked.reason], [1, "state_regressed"]);
    assert.equal(stored.session_key, before.session_key);
    const trail = await audited(server, person, person.session);
    assert.equal(occurrences(trail, "session_revoked:state_regressed"), 1);
    assert.equal(occurrences(trail, "state_regressed:presented 2, stored 1"), 1);
    assert.equal(occurrences(trail, "refresh_reuse_detected"), 0);
    await expectModes(server, person.access, { strict: "session_revoked" });
    await refusedWithoutTrace(person, person.tokens[1]);
  });

  test("row 7: one ahead of a new session, and far ahead", async () => {
    for (const generation of [1, 2, LAST_GENERATION]) {
      const person = await logIn(server, ada);
      refused(await refresh(server, await minted(person, generation)), 401, "refresh_invalid");
      assert.equal((await storedSession(server, person)).revoked.reason, "state_regressed");
    }
  });

  test("row 8: p = c = 0 advances within the grace", async () => {
    const person = await logIn(server, ada);
    const next = tokensOf(await refresh(server, person.refresh));
    assert.notEqual(next.refresh, person.refresh);
    assert.equal(next.refresh, await minted(person, 1));
    assert.equal((await storedSession(server, person)).generation, 1);
  });

  test("row 8: p = c advances once the grace has passed", async () => {
    const person = await thirdGeneration();
    await age(server, person, GRACE + 1);
    const before = await storedSession(server, person);
    const next = tokensOf(await refresh(server, person.refresh));
    assert.equal(next.refresh, await minted(person, 3));
    const stored = await storedSession(server, person);
    assert.equal(stored.generation, 3);
    assert.ok(stored.rotated_at > before.rotated_at);
    assert.ok(stored.idle_expires_at > before.idle_expires_at);
    assert.equal(stored.absolute_expires_at, before.absolute_expires_at);
  });

  test("row 9: p = c within the grace is answered with itself", async () => {
    const person = await thirdGeneration();
    const stored = await storedSession(server, person);
    const access = new Set([person.access]);
    for (let time = 0; time < 3; time += 1) {
      const again = tokensOf(await refresh(server, person.refresh));
      assert.equal(again.refresh, person.refresh);
      access.add(again.access);
      await expectModes(server, again.access, { strict: true });
    }
    assert.equal(access.size, 4, "each answer has an access token of its own");
    assert.deepEqual(await storedSession(server, person), stored);
  });

  test("row 10: p = c − 1 within the grace is answered with the same bytes", async () => {
    const person = await thirdGeneration();
    const stored = await storedSession(server, person);
    const trail = await audited(server, person, person.session);
    for (let time = 0; time < 3; time += 1) assert.equal(tokensOf(await refresh(server, person.tokens[1])).refresh, person.refresh);
    assert.deepEqual(await storedSession(server, person), stored);
    assert.deepEqual(await audited(server, person, person.session), trail);
  });

  for (const [what, headers] of [["user agent", { "user-agent": "another" }], ["address", { "cf-connecting-ip": "203.0.113.7" }]]) {
    test(`row 10: from another ${what}, answered and audited`, async () => {
      const person = await thirdGeneration();
      const again = tokensOf(await refresh(server, person.tokens[1], { headers }));
      assert.equal(again.refresh, person.refresh);
      assert.equal(occurrences(await audited(server, person, person.session), "refresh_retried_elsewhere"), 1);
      await expectModes(server, person.access, { strict: true });
    });
  }

  test("row 11: a bound parent after the grace has to pass row 6 first, and its family lives", async () => {
    const person = await thirdGeneration();
    await age(server, person, GRACE + 1);
    await editSession(server, person, { key_thumbprint: randomBytes(32).toString("base64url") });
    refused(await refresh(server, person.tokens[1]), 401, "refresh_invalid");
    assert.equal((await storedSession(server, person)).revoked, null);
    await editSession(server, person, { key_thumbprint: null });
    await livesOn(person);
  });

  describe("row 12: reuse ends the family", () => {
    for (const [what, which, seconds] of [
      ["p = c − 1 after the grace", 1, GRACE + 1],
      ["p < c − 1 after the grace", 0, GRACE + 1],
      ["p < c − 1 within the grace", 0, 0],
    ]) {
      test(what, async () => {
        const person = await thirdGeneration();
        await age(server, person, seconds);
        refused(await refresh(server, person.tokens[which]), 401, "refresh_invalid");
        const stored = await storedSession(server, person);
        assert.deepEqual([stored.generation, stored.revoked.reason], [2, "refresh_reuse_detected"]);
        await expectModes(server, person.access, { strict: "session_revoked", jwt_only: true });
        for (const token of person.tokens) await refusedWithoutTrace(person, token);
      });
    }

    test("everybody learns of it within the bound, the owner by one mail, and no other session suffers", async () => {
      const thief = await people.signUp(server);
      const bystander = await logIn(server, thief);
      const second = tokensOf(await refresh(server, thief.refresh));
      await age(server, thief, GRACE + 1);
      refused(await refresh(server, thief.refresh), 401, "refresh_invalid");
      const refusedAt = Date.now();
      await expectModes(server, thief.access, { strict: "session_revoked" });
      await expectModes(server, second.access, { strict: "session_revoked" });
      await people.mailTo(server, thief.email, "We ended one of your sessions");
      await sleep(refusedAt + 2_000 - Date.now());
      await expectModes(server, second.access, { hybrid: "session_revoked", strict: "session_revoked" });
      for (const token of [thief.refresh, second.refresh, thief.refresh]) refused(await refresh(server, token), 401, "refresh_invalid");
      const trail = await audited(server, thief, thief.session);
      assert.equal(occurrences(trail, "session_revoked:refresh_reuse_detected"), 1);
      assert.equal(occurrences(trail, "refresh_reuse_detected"), 1);
      const sent = await people.mails(server, thief.email);
      assert.equal(sent.filter((mail) => mail.subject === "We ended one of your sessions").length, 1);
      assert.ok(sent.every((mail) => !mail.text.includes("prt_")));
      await livesOn(bystander);
    });
  });

  test("row 13: the last generation refuses to advance and ends", async () => {
    const person = await logIn(server, ada);
    await editSession(server, person, { generation: LAST_GENERATION });
    const last = await minted(person, LAST_GENERATION);
    // Within the grace nothing would advance, so nothing is exhausted.
    assert.equal(tokensOf(await refresh(server, last)).refresh, last);
    await age(server, person, GRACE + 1);
    refused(await refresh(server, last), 401, "refresh_invalid");
    const stored = await storedSession(server, person);
    assert.deepEqual([stored.generation, stored.revoked.reason], [LAST_GENERATION, "exhausted"]);
    assert.equal(occurrences(await audited(server, person, person.session), "refresh_exhausted"), 1);
    await expectModes(server, person.access, { strict: "session_revoked" });
  });

  test("row 13: the generation before the last advances to it", async () => {
    const person = await logIn(server, ada);
    await editSession(server, person, { generation: LAST_GENERATION - 1 });
    await age(server, person, GRACE + 1);
    const next = tokensOf(await refresh(server, await minted(person, LAST_GENERATION - 1)));
    assert.equal(next.refresh, await minted(person, LAST_GENERATION));
  });

  describe("row 14: logout", () => {
    for (const which of [0, 1, 2]) {
      test(`with the token of generation ${which} of 2 ends the session`, async () => {
        const person = await thirdGeneration();
        const answer = await people.post(server, "logout", { refresh_token: person.tokens[which] });
        assert.deepEqual([answer.status, answer.body], [200, { success: true }]);
        assert.equal((await storedSession(server, person)).revoked.reason, "logout");
        await expectModes(server, person.access, { strict: "session_revoked" });
      });
    }

    test("with a token that is not authentic is answered the same and ends nothing", async () => {
      const person = await thirdGeneration();
      const forged = [`${person.refresh}A`, await minted(person, 2, { sessionKey: randomBytes(32) }), await minted(person, 2, { edge: { id: 1, key: randomBytes(32) } }), "prt_", ""];
      for (const refresh_token of forged) {
        const answer = await people.post(server, "logout", { refresh_token });
        assert.deepEqual([answer.status, answer.body], [200, { success: true }]);
      }
      await livesOn(person);
    });
  });

  test("an object that lost its memory decides the same", async () => {
    const person = await thirdGeneration();
    await server.evictObject("ACCOUNT", person.account);
    assert.equal(tokensOf(await refresh(server, person.tokens[1])).refresh, person.refresh);
    await server.evictObject("ACCOUNT", person.account);
    refused(await refresh(server, person.tokens[0]), 401, "refresh_invalid");
    assert.equal((await storedSession(server, person)).revoked.reason, "refresh_reuse_detected");
  });

  test("a machine whose clock runs back does not open the grace again", async () => {
    const person = await thirdGeneration();
    const ahead = Date.now() + 3_600_000;
    await editSession(server, person, { rotated_at: ahead - (GRACE + 1) * 1000 });
    await editAccount(server, person, { clock: ahead });
    refused(await refresh(server, person.tokens[1]), 401, "refresh_invalid");
    assert.equal((await storedSession(server, person)).revoked.reason, "refresh_reuse_detected");
  });
});

describe("with a grace of 1 second, in real time", () => {
  let server, ada;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: 1, idle_ttl_seconds: 4, absolute_ttl_seconds: 9 }, { tokens: { access_ttl_seconds: 3 } }) });
    ada = await people.signUp(server);
  });
  after(() => server?.stop());

  test("a token is replaced once a second at most, and its parent is good for one", async () => {
    const first = await logIn(server, ada);
    const together = await Promise.all(Array.from({ length: 5 }, () => refresh(server, first.refresh)));
    const second = tokensOf(together[0]);
    for (const answer of together) assert.equal(tokensOf(answer).refresh, second.refresh);
    await sleep(1_100);
    const third = tokensOf(await refresh(server, second.refresh));
    assert.notEqual(third.refresh, second.refresh);
    await sleep(1_100);
    refused(await refresh(server, second.refresh), 401, "refresh_invalid");
    refused(await refresh(server, third.refresh), 401, "refresh_invalid");
    assert.equal((await storedSession(server, first)).revoked.reason, "refresh_reuse_detected");
  });

  test("row 5: a session that rests for the idle lifetime has expired", async () => {
    const person = await logIn(server, ada);
    await sleep(4_100);
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    await expectModes(server, person.access, { strict: "session_expired" });
    assert.equal((await storedSession(server, person)).revoked, null);
  });

  test("row 5: a session that never rests ends at the absolute lifetime", async () => {
    let person = await logIn(server, ada);
    const { absolute_expires_at: end } = await storedSession(server, person);
    while (Date.now() < end - 1_500) {
      await sleep(1_100);
      person = { ...person, ...tokensOf(await refresh(server, person.refresh)) };
      assert.ok((await storedSession(server, person)).idle_expires_at <= end);
    }
    await sleep(end - Date.now() + 10);
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    assert.deepEqual((await storedSession(server, person)).absolute_expires_at, end);
  });
});

describe("with a grace of 0", () => {
  let server, ada;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: 0 }) });
    ada = await people.signUp(server);
  });
  after(() => server?.stop());

  test("row 8: every refresh advances", async () => {
    let person = await logIn(server, ada);
    const seen = new Set([person.refresh]);
    for (let generation = 1; generation <= 5; generation += 1) {
      person = { ...person, ...tokensOf(await refresh(server, person.refresh)) };
      seen.add(person.refresh);
      assert.equal((await storedSession(server, person)).generation, generation);
    }
    assert.equal(seen.size, 6);
  });

  test("row 12: every retry is reuse", async () => {
    const person = await logIn(server, ada);
    const next = tokensOf(await refresh(server, person.refresh));
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    refused(await refresh(server, next.refresh), 401, "refresh_invalid");
    assert.equal((await storedSession(server, person)).revoked.reason, "refresh_reuse_detected");
    await expectModes(server, next.access, { strict: "session_revoked" });
  });

  test("row 12: of two at once, one is answered and the family ends", async () => {
    const person = await logIn(server, ada);
    const answers = await Promise.all([refresh(server, person.refresh), refresh(server, person.refresh)]);
    assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 401]);
    assert.equal((await storedSession(server, person)).revoked.reason, "refresh_reuse_detected");
  });
});

describe("the refresh limit of a session", () => {
  let server, ada;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: GRACE, refresh_limit: { count: 3, period_seconds: 600 } }) });
    ada = await people.signUp(server);
  });
  after(() => server?.stop());

  test("counts advances, not repeated answers; refuses with the time to wait, and ends nothing", async () => {
    let person = await logIn(server, ada);
    const other = await logIn(server, ada);
    let parent;
    for (let advance = 0; advance < 3; advance += 1) {
      parent = person.refresh;
      await age(server, person, GRACE + 1);
      person = { ...person, ...tokensOf(await refresh(server, person.refresh)) };
      for (const token of [parent, person.refresh, parent, person.refresh]) assert.equal(tokensOf(await refresh(server, token)).refresh, person.refresh);
    }
    await age(server, person, GRACE + 1);
    const stored = await storedSession(server, person);
    for (let time = 0; time < 3; time += 1) {
      const answer = await refresh(server, person.refresh);
      refused(answer, 429, "rate_limited");
      const wait = Number(answer.headers.get("retry-after"));
      assert.ok(Number.isInteger(wait) && wait > 0 && wait <= 600, `Retry-After: ${wait}`);
      assert.equal(answer.body.retry_after_seconds, wait);
    }
    assert.deepEqual(await storedSession(server, person), stored);
    await expectModes(server, person.access, { strict: true });
    // The other session has a limit of its own; this one goes on when the window has passed.
    tokensOf(await refresh(server, other.refresh));
    await editSession(server, person, { advances: { ...stored.advances, started_at: stored.advances.started_at - 600_000 } });
    assert.notEqual(tokensOf(await refresh(server, person.refresh)).refresh, person.refresh);
  });

  test("does not shield reuse", async () => {
    const person = await logIn(server, ada);
    let current = person;
    for (let advance = 0; advance < 3; advance += 1) {
      await age(server, person, GRACE + 1);
      current = tokensOf(await refresh(server, current.refresh));
    }
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    assert.equal((await storedSession(server, person)).revoked.reason, "refresh_reuse_detected");
  });
});
