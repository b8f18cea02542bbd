// How soon a revocation is known, in each mode of validation, and what happens when the copies at the edge are
// missing, old or broken.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import * as people from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const { expectModes, logIn, post, refresh, refused, sleep, storedSession, tokensOf, until, validate } = people;
const STALENESS_SECONDS = 2;
const BOUND_MILLISECONDS = STALENESS_SECONDS * 1000;
/** Client and service read the same clock, the service a moment later. */
const CLOCK_MILLISECONDS = 20;

describe("a revoked session", () => {
  let server, ada, edge;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: 30 }, { validation: { staleness_seconds: STALENESS_SECONDS } }) });
    ada = await people.signUp(server);
    edge = (await server.getEnv()).EDGE;
  });
  after(() => server?.stop());

  const shardKey = ({ account }) => `v1/revocation/${String(parseInt(account.slice(0, 2), 16) % 16).padStart(2, "0")}`;
  const snapshotKey = ({ account, session }) => `v1/session/${account}/${session}`;
  const logOut = async (person) => assert.equal((await post(server, "logout", { refresh_token: person.refresh })).status, 200);
  const operations = (answer) => answer.headers.get("x-postern-operations");

  /** A shard written a moment ago in which the person's session is not marked. */
  const freshShard = (person) =>
    until("a fresh revocation shard", async () => {
      await validate(server, person.access, "hybrid");
      const shard = JSON.parse((await edge.get(shardKey(person))) ?? "null");
      return shard !== null && Date.now() - shard.written_at < 500 ? shard : undefined;
    });

  const mentions = (shard, person) => shard.marks.some((mark) => JSON.stringify(mark).includes(person.session));

  /** Asks in hybrid mode until refused. No question asked after the bound may be answered with yes. */
  async function refusedByTheBound(person, code, end, beforeEach = async () => {}) {
    for (;;) {
      await beforeEach();
      const askedAt = Date.now();
      const answer = await validate(server, person.access, "hybrid");
      if (answer.status !== 200) {
        refused(answer, 401, code);
        break;
      }
      assert.ok(askedAt <= end + CLOCK_MILLISECONDS, `accepted ${askedAt - end} ms after the bound`);
      await sleep(40);
    }
    await sleep(end - Date.now());
    for (let time = 0; time < 5; time += 1) {
      await beforeEach();
      refused(await validate(server, person.access, "hybrid"), 401, code);
    }
  }

  const endings = {
    "logged out by its refresh token": (person) => logOut(person),
    "logged out by its access token": (person) => post(server, "logout", {}, { bearer: person.access }),
    "revoked by its owner": (person) => people.remove(server, `sessions/${person.session}`, { bearer: person.access }),
    "reused": async (person) => {
      await refresh(server, person.refresh);
      await people.age(server, person, 31);
      refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    },
  };
  for (const [how, end] of Object.entries(endings)) {
    test(`${how} is refused by strict at once, by hybrid within the bound, by jwt_only when it expires`, async () => {
      const person = await logIn(server, ada);
      await expectModes(server, person.access, { strict: true, hybrid: true, jwt_only: true });
      await freshShard(person);
      await end(person);
      const endedAt = Date.now();
      await expectModes(server, person.access, { strict: "session_revoked" });
      await refusedByTheBound(person, "session_revoked", endedAt + BOUND_MILLISECONDS);
      await expectModes(server, person.access, { strict: "session_revoked", jwt_only: true });
      await expectModes(server, ada.access, { strict: true, hybrid: true, jwt_only: true });
    });
  }

  test("revoke-all is known within the bound: gone are all, stale is the kept one until it refreshes", async () => {
    const kept = await people.signUp(server);
    const gone = await logIn(server, kept);
    await freshShard(kept);
    assert.deepEqual((await post(server, "sessions/revoke-all", { keep_current: true }, { bearer: kept.access })).body, { revoked: 1 });
    const end = Date.now() + BOUND_MILLISECONDS;
    await expectModes(server, gone.access, { strict: "session_revoked" });
    await expectModes(server, kept.access, { strict: "token_stale" });
    // The shard may know the account's version before it knows the session.
    await sleep(end - Date.now());
    const answer = await validate(server, gone.access, "hybrid");
    assert.equal(answer.status, 401);
    assert.ok(["session_revoked", "token_stale"].includes(answer.code));
    await refusedByTheBound(kept, "token_stale", end);
    const next = tokensOf(await refresh(server, kept.refresh));
    await expectModes(server, next.access, { strict: true, hybrid: true, jwt_only: true });
    refused(await refresh(server, gone.refresh), 401, "refresh_invalid");
  });

  test("is marked in the shard of its account, until no token of it can be alive", async () => {
    const person = await logIn(server, ada);
    await logOut(person);
    const shard = await until("the mark", async () => {
      const shard = JSON.parse((await edge.get(shardKey(person))) ?? "null");
      return shard !== null && mentions(shard, person) ? shard : undefined;
    });
    const { exp } = people.claimsOf(person.access);
    for (const mark of shard.marks) {
      assert.deepEqual(Object.keys(mark).sort(), ["account", "revoked", "until"]);
      if (JSON.stringify(mark).includes(person.session)) assert.ok(mark.until >= exp * 1000);
    }
  });

  describe("with a copy of the shard that is", () => {
    test("frozen: refused at the end of the bound, by asking the account", async () => {
      const person = await logIn(server, ada);
      const frozen = await freshShard(person);
      assert.ok(!mentions(frozen, person));
      await logOut(person);
      const freeze = () => edge.put(shardKey(person), JSON.stringify(frozen));
      await refusedByTheBound(person, "session_revoked", frozen.written_at + BOUND_MILLISECONDS, freeze);
      // Whoever is not revoked is served all the same.
      await freeze();
      assert.equal((await validate(server, ada.access, "hybrid")).status, 200);
    });

    const copies = {
      "missing": () => undefined,
      "an hour old": () => ({ written_at: Date.now() - 3_600_000, marks: [] }),
      "older than the bound": () => ({ written_at: Date.now() - BOUND_MILLISECONDS - 1, marks: [] }),
      "of the future": () => ({ written_at: Date.now() + 3_600_000, marks: [] }),
      "no JSON": () => "}{",
      "empty": () => "",
      "without its members": () => ({}),
      "of another shape": () => ({ written_at: Date.now(), marks: [{ account: "x" }] }),
      "a list": () => [],
      "without a time": () => ({ written_at: null, marks: [] }),
      "of a negative time": () => ({ written_at: -1, marks: [] }),
    };
    for (const [what, make] of Object.entries(copies)) {
      test(`${what}: the account is asked`, async () => {
        const [gone, live] = [await logIn(server, ada), await logIn(server, ada)];
        await logOut(gone);
        await people.settled(server, ada);
        for (const [person, status] of [[gone, 401], [live, 200]]) {
          // A heartbeat that is still under way may replace the copy; the verdict is right all the same.
          await until("the account was asked", async () => {
            const copy = make();
            if (copy === undefined) await edge.delete(shardKey(person));
            else await edge.put(shardKey(person), typeof copy === "string" ? copy : JSON.stringify(copy));
            const answer = await validate(server, person.access, "hybrid");
            assert.deepEqual([answer.status, answer.code], [status, status === 200 ? undefined : "session_revoked"]);
            return /^objects=[1-9]/.test(operations(answer));
          });
        }
      });
    }

    test("fresh: no object is asked", async () => {
      const person = await logIn(server, ada);
      await people.settled(server, ada);
      await until("an answer from the edge alone", async () => {
        await freshShard(person);
        const answer = await validate(server, person.access, "hybrid");
        assert.equal(answer.status, 200);
        return operations(answer) === "objects=0 d1=0 kv=1";
      });
      const answer = await validate(server, person.access, "jwt_only");
      assert.equal(operations(answer), "objects=0 d1=0 kv=0");
    });

    test("old, and marks the session: refused without asking", async () => {
      const person = await logIn(server, ada);
      const mark = { account: person.account, revoked: { session: person.session }, until: Date.now() + 300_000 };
      await people.settled(server, ada);
      await edge.put(shardKey(person), JSON.stringify({ written_at: Date.now() - 3_600_000, marks: [mark] }));
      const answer = await validate(server, person.access, "hybrid");
      refused(answer, 401, "session_revoked");
    });
  });

  test("readers keep the shard fresh, by one write a second at most", async () => {
    const person = await logIn(server, ada);
    const written = new Set();
    const end = Date.now() + 3_500;
    while (Date.now() < end) {
      await Promise.all(Array.from({ length: 10 }, () => validate(server, person.access, "hybrid")));
      const shard = JSON.parse((await edge.get(shardKey(person))) ?? "null");
      if (shard) written.add(shard.written_at);
    }
    const times = [...written].sort((a, b) => a - b);
    assert.ok(times.length >= 2, "the heartbeat goes on");
    for (let index = 1; index < times.length; index += 1) assert.ok(times[index] - times[index - 1] >= 900, `${times[index] - times[index - 1]} ms between writes`);
  });

  test("whose account cannot be read is denied by strict, and by hybrid where it has to ask", async () => {
    const person = await people.signUp(server);
    await people.settled(server, person);
    const storage = await server.objectStorage("ACCOUNT", person.account);
    const [{ record }] = await storage.exec("SELECT record FROM account");
    for (const broken of ["", "{}", record.slice(0, -1)]) {
      await storage.exec("UPDATE account SET record = ?", broken);
      refused(await validate(server, person.access, "strict"), 503, "strict_backend_unavailable");
      await edge.delete(shardKey(person));
      refused(await validate(server, person.access, "hybrid"), 503, "strict_backend_unavailable");
      await expectModes(server, person.access, { jwt_only: true });
      refused(await refresh(server, person.refresh), 503, "unavailable");
    }
    await storage.exec("UPDATE account SET record = ?", record);
    await expectModes(server, person.access, { strict: true, hybrid: true });
    tokensOf(await refresh(server, person.refresh));
  });

  test("that never was, or of an account that never was, is not found by strict", async () => {
    const person = await people.signUp(server);
    await people.settled(server, person);
    const storage = await server.objectStorage("ACCOUNT", person.account);
    await storage.exec("DELETE FROM sessions");
    await expectModes(server, person.access, { strict: "session_not_found" });
    await storage.exec("DELETE FROM account");
    await expectModes(server, person.access, { strict: "session_not_found", jwt_only: true });
  });

  test("of an account that is not active is refused by strict, for its reason", async () => {
    const person = await people.signUp(server);
    for (const [status, code] of [["disabled", "account_disabled"], ["banned", "account_banned"], ["locked", "account_locked"], ["pending_verification", "account_unverified"], ["deleted", "account_deleted"]]) {
      await people.editAccount(server, person, { status });
      await expectModes(server, person.access, { strict: code });
    }
    await people.editAccount(server, person, { status: "active" });
    await expectModes(server, person.access, { strict: true });
  });

  test("takes its snapshot at the edge with it", async () => {
    const person = await logIn(server, ada);
    const details = async () => (await validate(server, person.access, "jwt_only", { details: true })).body;
    const { session: shown } = await until("the snapshot", async () => {
      const body = await details();
      return body.session && body;
    });
    const stored = await storedSession(server, person);
    assert.deepEqual(shown, { created_at: stored.created_at, expires_at: stored.absolute_expires_at });
    const snapshot = await edge.get(snapshotKey(person));
    for (const secret of [stored.session_key, person.refresh, person.access]) assert.ok(!snapshot.includes(secret));
    assert.equal((await validate(server, person.access, "jwt_only")).body.session, undefined);
    await logOut(person);
    await until("no snapshot", async () => (await details()).session === undefined);
    assert.equal(await edge.get(snapshotKey(person)), null);
    // Nothing brings it back, and it never admitted anybody.
    await edge.put(snapshotKey(person), snapshot);
    await expectModes(server, person.access, { strict: "session_revoked" });
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
  });

  test("all of an account take their snapshots with them", async () => {
    const person = await people.signUp(server);
    const others = [await logIn(server, person), await logIn(server, person)];
    for (const session of [person, ...others]) await until("the snapshot", () => edge.get(snapshotKey(session)));
    await post(server, "sessions/revoke-all", {}, { bearer: person.access });
    for (const session of [person, ...others]) await until("no snapshot", async () => (await edge.get(snapshotKey(session))) === null);
  });
});

test("without snapshots nothing about sessions is copied to the edge", async () => {
  const server = await startServer({ vars: people.relaxed({ snapshots: false }) });
  try {
    const person = await people.signUp(server);
    await people.settled(server, person);
    const { EDGE } = await server.getEnv();
    assert.deepEqual((await EDGE.list({ prefix: "v1/session/" })).keys, []);
    const answer = await validate(server, person.access, "strict", { details: true });
    assert.deepEqual([answer.status, answer.body.session], [200, undefined]);
  } finally {
    await server.stop();
  }
});
