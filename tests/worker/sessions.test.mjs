// What people do with their sessions: look at them, end one, end all, log out; and what the service does when
// they have too many.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import * as people from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const { audited, editSession, expectModes, get, logIn, post, refresh, refused, remove, storedAccount, storedSession, tokensOf, validate } = people;

const SESSION_MEMBERS = ["amr", "auth_time", "bound_to_key", "client_id", "created_at", "current", "device", "expires_at", "id", "last_device", "last_used_at", "state"];
const PERMISSIONS = { names: ["docs:read", "docs:write", "docs:delete"], roles: { user: ["docs:read", "docs:write"], admin: ["docs:delete"] }, default_role: "user" };

const listOf = async (server, person) => {
  const answer = await get(server, "sessions", { bearer: person.access });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual(Object.keys(answer.body), ["sessions"]);
  return answer.body.sessions;
};

describe("the sessions of an account", () => {
  let server, ada, bob;
  before(async () => {
    server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: 30 }, { permissions: PERMISSIONS, validation: { mode: "strict" } }) });
    [ada, bob] = await Promise.all([people.signUp(server, { email: "ada@example.com" }), people.signUp(server, { email: "bob@example.com" })]);
  });
  after(() => server?.stop());

  /** Fails unless everything of the account is as it was after `action`. */
  async function changesNothing(person, action) {
    const storage = await server.objectStorage("ACCOUNT", person.account);
    const snapshot = async () => {
      await people.settled(server, person);
      return [await storage.exec("SELECT * FROM sessions ORDER BY key"), await storage.exec("SELECT * FROM account"), await audited(server, person)];
    };
    const before = await snapshot();
    await action();
    assert.deepEqual(await snapshot(), before);
  }

  describe("listed", () => {
    test("the caller's is marked, all with their devices, newest use first, and with no secret", async () => {
      const phone = await logIn(server, ada, { headers: { "user-agent": "Phone/1", "cf-connecting-ip": "203.0.113.1" } });
      const desk = await logIn(server, ada, { headers: { "user-agent": "Desk/2", "cf-connecting-ip": "2001:db8::7" } });
      const moved = { headers: { "user-agent": "Phone/1", "cf-connecting-ip": "198.51.100.9" } };
      const next = tokensOf(await refresh(server, phone.refresh, moved));
      const sessions = await listOf(server, desk);
      for (const session of sessions) {
        assert.deepEqual(Object.keys(session).sort(), SESSION_MEMBERS);
        for (const device of [session.device, session.last_device]) assert.deepEqual(Object.keys(device).sort(), ["ip", "user_agent"]);
        assert.equal(session.current, session.id === desk.session);
        assert.equal(session.state, "live");
      }
      const text = JSON.stringify(sessions);
      for (const person of [ada, phone, desk, next]) {
        const { session_key } = await storedSession(server, person);
        for (const secret of [person.refresh, person.access, session_key, person.refresh.slice(20, 60)]) assert.ok(!text.includes(secret));
      }
      const [ofPhone, ofDesk] = [phone, desk].map(({ session }) => sessions.find(({ id }) => id === session));
      assert.deepEqual(ofPhone.device, { user_agent: "Phone/1", ip: "203.0.113.1" });
      assert.deepEqual(ofPhone.last_device, { user_agent: "Phone/1", ip: "198.51.100.9" });
      assert.deepEqual(ofDesk.device, { user_agent: "Desk/2", ip: "2001:db8::7" });
      assert.deepEqual(sessions.map(({ last_used_at }) => last_used_at), sessions.map(({ last_used_at }) => last_used_at).sort((a, b) => b - a));
      assert.deepEqual(ofDesk.amr, ["pwd"]);
    });

    test("only those that live", async () => {
      const [ended, expired] = [await logIn(server, ada), await logIn(server, ada)];
      await post(server, "logout", { refresh_token: ended.refresh });
      await editSession(server, expired, { idle_expires_at: Date.now() - 1 });
      const ids = (await listOf(server, ada)).map(({ id }) => id);
      assert.ok(ids.includes(ada.session));
      assert.ok(!ids.includes(ended.session) && !ids.includes(expired.session));
    });

    test("only one's own", async () => {
      assert.deepEqual((await listOf(server, bob)).map(({ id }) => id), [bob.session]);
    });

    test("to nobody without a good token", async () => {
      const gone = await logIn(server, ada);
      await post(server, "logout", {}, { bearer: gone.access });
      const [header, payload, signature] = ada.access.split(".");
      const unsigned = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
      for (const [options, code] of [
        [{}, "token_missing"],
        [{ bearer: "" }, "token_missing"],
        [{ headers: { authorization: `Basic ${ada.access}` } }, "token_missing"],
        [{ headers: { authorization: ada.access } }, "token_missing"],
        [{ bearer: ada.refresh }, undefined],
        [{ bearer: `${header}.${payload}.` }, undefined],
        [{ bearer: `${unsigned}.${payload}.` }, undefined],
        [{ bearer: `${unsigned}.${payload}.${signature}` }, undefined],
        [{ bearer: gone.access }, "session_revoked"],
      ]) {
        for (const answer of [await get(server, "sessions", options), await remove(server, `sessions/${ada.session}`, options), await post(server, "sessions/revoke-all", {}, options)]) {
          refused(answer, 401, code ?? answer.code);
          assert.match(answer.code, /^[a-z_]+$/);
          assert.equal(answer.headers.get("www-authenticate"), "Bearer");
        }
      }
      await expectModes(server, ada.access, { strict: true });
    });
  });

  describe("revoked one by one", () => {
    test("another of one's own ends, and the caller's goes on", async () => {
      const lost = await logIn(server, ada);
      const answer = await remove(server, `sessions/${lost.session}`, { bearer: ada.access });
      assert.deepEqual([answer.status, answer.body], [200, { revoked: 1 }]);
      assert.equal((await storedSession(server, lost)).revoked.reason, "user_revoke");
      await expectModes(server, lost.access, { strict: "session_revoked", jwt_only: true });
      await expectModes(server, ada.access, { strict: true, hybrid: true });
      refused(await refresh(server, lost.refresh), 401, "refresh_invalid");
    });

    test("twice is told as nothing more", async () => {
      const lost = await logIn(server, ada);
      await remove(server, `sessions/${lost.session}`, { bearer: ada.access });
      await changesNothing(ada, async () => {
        const again = await remove(server, `sessions/${lost.session}`, { bearer: ada.access });
        assert.deepEqual([again.status, again.body], [200, { revoked: 0 }]);
      });
    });

    test("the caller's own ends too", async () => {
      const person = await logIn(server, ada);
      assert.deepEqual((await remove(server, `sessions/${person.session}`, { bearer: person.access })).body, { revoked: 1 });
      refused(await get(server, "sessions", { bearer: person.access }), 401, "session_revoked");
    });

    test("another account's is not there, and nothing changes", async () => {
      await changesNothing(bob, async () => {
        refused(await remove(server, `sessions/${bob.session}`, { bearer: ada.access }), 404, "not_found");
      });
      await expectModes(server, bob.access, { strict: true });
    });

    test("neither is one that never was, nor what is no id", async () => {
      const { session } = ada;
      await changesNothing(ada, async () => {
        for (const id of [randomBytes(16).toString("hex"), "0".repeat(32), session.slice(1), `${session}0`, session.toUpperCase().replace(/^\d+$/, "X"), "x", "*", "%00", "..%2f", `${session}%20`, `${session}/x`, "", "'%20OR%201=1"]) {
          if (id === session) continue;
          const answer = await remove(server, `sessions/${id}`, { bearer: ada.access });
          refused(answer, 404, "not_found");
        }
      });
      await expectModes(server, ada.access, { strict: true });
    });

    test("only by DELETE", async () => {
      refused(await get(server, `sessions/${ada.session}`, { bearer: ada.access }), 405, "method_not_allowed");
      refused(await post(server, `sessions/${ada.session}`, {}, { bearer: ada.access }), 405, "method_not_allowed");
      await expectModes(server, ada.access, { strict: true });
    });
  });

  describe("revoked all at once", () => {
    test("the caller's too", async () => {
      const person = await people.signUp(server);
      const others = [await logIn(server, person), await logIn(server, person)];
      const version = (await storedAccount(server, person)).account_version;
      const answer = await post(server, "sessions/revoke-all", undefined, { bearer: person.access });
      assert.deepEqual([answer.status, answer.body], [200, { revoked: 3 }]);
      assert.equal((await storedAccount(server, person)).account_version, version + 1);
      for (const { access, refresh: token } of [person, ...others]) {
        await expectModes(server, access, { strict: "session_revoked", jwt_only: true });
        refused(await refresh(server, token), 401, "refresh_invalid");
      }
      // A new login works, and its tokens are of the new version.
      await expectModes(server, (await logIn(server, person)).access, { strict: true, hybrid: true });
      await expectModes(server, ada.access, { strict: true });
    });

    test("but the caller's, whose access token is stale until it refreshes", async () => {
      const person = await people.signUp(server);
      const other = await logIn(server, person);
      const answer = await post(server, "sessions/revoke-all", { keep_current: true }, { bearer: person.access });
      assert.deepEqual([answer.status, answer.body], [200, { revoked: 1 }]);
      await expectModes(server, other.access, { strict: "session_revoked" });
      await expectModes(server, person.access, { strict: "token_stale", jwt_only: true });
      refused(await get(server, "sessions", { bearer: person.access }), 401, "token_stale");
      const next = tokensOf(await refresh(server, person.refresh));
      assert.equal(next.session, person.session);
      await expectModes(server, next.access, { strict: true, hybrid: true, jwt_only: true });
      await expectModes(server, person.access, { strict: "token_stale" });
      assert.deepEqual((await listOf(server, { ...person, ...next })).map(({ id }) => id), [person.session]);
      assert.ok((await audited(server, person)).includes("sessions_revoked"));
    });

    test("keep_current: false keeps none, and anything else is refused with nothing changed", async () => {
      const person = await people.signUp(server);
      await changesNothing(person, async () => {
        for (const keep_current of ["true", 1, [], {}]) refused(await post(server, "sessions/revoke-all", { keep_current }, { bearer: person.access }), 400, "invalid_request");
        for (const body of ["[]", "{", "null", '{"keep_current":true,"keep_current":false}']) refused(await post(server, "sessions/revoke-all", body, { bearer: person.access }), 400, "invalid_request");
      });
      assert.deepEqual((await post(server, "sessions/revoke-all", { keep_current: false }, { bearer: person.access })).body, { revoked: 1 });
      await expectModes(server, person.access, { strict: "session_revoked" });
    });
  });

  describe("logged out", () => {
    const out = (options, body = {}) => post(server, "logout", body, options);
    const isDone = (answer) => assert.deepEqual([answer.status, answer.body], [200, { success: true }]);

    test("by refresh token, twice", async () => {
      const person = await logIn(server, ada);
      isDone(await out({}, { refresh_token: person.refresh }));
      await expectModes(server, person.access, { strict: "session_revoked", jwt_only: true });
      assert.deepEqual(await audited(server, person, person.session), ["session_opened", "session_revoked:logout"]);
      await changesNothing(person, async () => isDone(await out({}, { refresh_token: person.refresh })));
    });

    test("by bearer token, twice", async () => {
      const person = await logIn(server, ada);
      isDone(await out({ bearer: person.access }));
      await expectModes(server, person.access, { strict: "session_revoked" });
      refused(await refresh(server, person.refresh), 401, "refresh_invalid");
      await changesNothing(person, async () => isDone(await out({ bearer: person.access })));
    });

    test("by both, of two sessions", async () => {
      const [one, two] = [await logIn(server, ada), await logIn(server, ada)];
      isDone(await out({ bearer: one.access }, { refresh_token: two.refresh }));
      for (const { access } of [one, two]) await expectModes(server, access, { strict: "session_revoked" });
      await expectModes(server, ada.access, { strict: true });
    });

    test("with garbage is answered the same and ends nothing", async () => {
      await changesNothing(ada, async () => {
        for (const refresh_token of ["", "prt_", "garbage", ada.access, `${ada.refresh}x`, ada.refresh.toLowerCase(), "🗝".repeat(200)]) isDone(await out({}, { refresh_token }));
        for (const bearer of ["garbage", "a.b.c", ada.refresh, `${ada.access}x`, `${ada.access.slice(0, -2)}`]) isDone(await out({ bearer }));
      });
      await expectModes(server, ada.access, { strict: true });
    });

    test("with nothing at all, or no texts, is a mistake of the client", async () => {
      for (const body of [{}, undefined, { refresh_token: null }, { refresh_token: 7 }, "[]", "{"]) refused(await post(server, "logout", body), 400, "invalid_request");
    });
  });

  describe("permissions", () => {
    const ask = (permissions, mode = "strict") => validate(server, ada.access, mode, { permissions });

    test("a token's are named, in every mode", async () => {
      for (const mode of ["jwt_only", "hybrid", "strict"]) {
        for (const permissions of [[], ["docs:read"], ["docs:write", "docs:read"], ["docs:read", "docs:read"]]) {
          const answer = await ask(permissions, mode);
          assert.equal(answer.status, 200, JSON.stringify(answer.body));
          assert.deepEqual(Object.keys(answer.body).sort(), ["account_id", "active", "claims", "mode", "permissions", "roles", "session_id", "tenant"]);
          assert.deepEqual(answer.body.permissions.sort(), ["docs:read", "docs:write"]);
          assert.deepEqual([answer.body.active, answer.body.mode, answer.body.claims.sub], [true, mode, ada.account]);
          assert.deepEqual(answer.body.claims.roles, ["user"]);
        }
      }
    });

    test("one that is missing refuses, also among others", async () => {
      for (const permissions of [["docs:delete"], ["docs:read", "docs:delete"], ["docs:delete", "docs:read", "docs:write"]]) {
        for (const mode of ["jwt_only", "hybrid", "strict"]) refused(await ask(permissions, mode), 403, "permission_denied");
      }
    });

    test("one that nobody declared is a mistake of the caller", async () => {
      for (const permissions of [["docs:print"], ["docs:read", "docs:print"], ["docs"], [""], ["*"], ["DOCS:READ"], [" docs:read"], ["docs:read "]]) {
        refused(await ask(permissions), 400, "invalid_request");
      }
    });

    test("what is no list of texts is refused", async () => {
      for (const permissions of ["docs:read", { 0: "docs:read" }, [7], [null], [["docs:read"]], true]) refused(await ask(permissions), 400, "invalid_request");
      refused(await ask(Array.from({ length: 509 }, () => "docs:read")), 400, "invalid_request");
    });

    test("a bad token is refused before its permissions are looked at", async () => {
      const gone = await logIn(server, ada);
      await post(server, "logout", { refresh_token: gone.refresh });
      for (const permissions of [["docs:read"], ["docs:delete"]]) refused(await validate(server, gone.access, "strict", { permissions }), 401, "session_revoked");
      const answer = await validate(server, `${ada.access}x`, "jwt_only", { permissions: ["docs:delete"] });
      assert.equal(answer.status, 401);
    });

    test("a mode that does not exist is refused", async () => {
      for (const mode of ["lax", "", "STRICT", 7]) refused(await validate(server, ada.access, mode), 400, "invalid_request");
    });
  });
});

describe("too many sessions", () => {
  const CAP = 3;

  test("the least recently used gives way", async () => {
    const server = await startServer({ vars: people.relaxed({ max_per_account: CAP }) });
    try {
      const first = await people.signUp(server);
      const second = await logIn(server, first);
      const third = await logIn(server, first);
      // The first is used again, so the second is the oldest now.
      const used = tokensOf(await refresh(server, first.refresh));
      const fourth = await logIn(server, first);
      assert.deepEqual((await listOf(server, fourth)).map(({ id }) => id).sort(), [first, third, fourth].map(({ session }) => session).sort());
      assert.equal((await storedSession(server, second)).revoked.reason, "evicted");
      await expectModes(server, second.access, { strict: "session_revoked", jwt_only: true });
      refused(await refresh(server, second.refresh), 401, "refresh_invalid");
      for (const { access } of [used, third, fourth]) await expectModes(server, access, { strict: true });
      assert.deepEqual(await audited(server, first, second.session), ["session_opened", "session_revoked:evicted"]);
      // A session that has ended takes no place.
      await post(server, "logout", { refresh_token: third.refresh });
      await logIn(server, first);
      await expectModes(server, used.access, { strict: true });
      for (let login = 0; login < CAP * 2; login += 1) assert.equal((await listOf(server, await logIn(server, first))).length, CAP);
    } finally {
      await server.stop();
    }
  });

  test("many logins at once keep the cap", async () => {
    const server = await startServer({ vars: people.relaxed({ max_per_account: CAP }) });
    try {
      const person = await people.signUp(server);
      // No more than 64 wait for a hash at a time: the others ask again.
      const enter = async () => {
        for (;;) {
          const answer = await post(server, "login", { email: person.email, password: person.password });
          if (answer.code !== "busy") return tokensOf(answer);
        }
      };
      const sessions = await Promise.all(Array.from({ length: 100 }, enter));
      const verdicts = await Promise.all(sessions.map(({ access }) => validate(server, access, "strict")));
      assert.equal(verdicts.filter(({ status }) => status === 200).length, CAP);
    } finally {
      await server.stop();
    }
  });

  test("or the new one is refused, where that is configured", async () => {
    const server = await startServer({ vars: people.relaxed({ max_per_account: 2, over_limit: "reject" }) });
    try {
      const first = await people.signUp(server);
      const second = await logIn(server, first);
      refused(await post(server, "login", first), 403, "session_limit_exceeded");
      for (const { access } of [first, second]) await expectModes(server, access, { strict: true });
      await post(server, "logout", { refresh_token: second.refresh });
      await logIn(server, first);
    } finally {
      await server.stop();
    }
  });

  test("or all others end, where one is allowed", async () => {
    const server = await startServer({ vars: { ...people.relaxed(), sessions: { over_limit: "single" } } });
    try {
      const first = await people.signUp(server);
      const second = await logIn(server, first);
      await expectModes(server, first.access, { strict: "session_revoked" });
      await expectModes(server, second.access, { strict: true });
    } finally {
      await server.stop();
    }
  });
});
