// Device binding: a session stays on the device that it was opened from, or its leaving is noticed.
//
// The attacks are those of somebody who has copied a token and uses it from elsewhere. Whatever they do, their token
// is worth nothing there, and its owner's session goes on.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, client, granted, newAddress, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { codeOf, steady } from "./support/authenticator.mjs";
import { audited, editSession, settled, storedSession } from "./support/people.mjs";
import { ROOT } from "./support/server.mjs";

const HOME = "198.51.100.1";
const AWAY = "203.0.113.9";
const AGENT = "Owner/1.0";
const THIEF = "Thief/6.6";
const ENFORCED = { enabled: true, enforce_network: true, enforce_user_agent: true, detect_network: true };
const asker = { name: "asker", main: join(ROOT, "tests/worker/support/asker.mjs") };

/** A request's headers from a network, with a user agent. The tests' own HTTP client would name one if we named none. */
const from = (address, agent = "") => ({ headers: { "cf-connecting-ip": address, "user-agent": agent } });
const home = from(HOME, AGENT);
const elsewhere = {
  "another network": from(AWAY, AGENT),
  "another user agent": from(HOME, THIEF),
  "another network and user agent": from(AWAY, THIEF),
  "no user agent": from(HOME),
  "a network that is none": from("nowhere", AGENT),
};

/** What both kinds of servers are asked. */
function asked(server) {
  const one = client(server, HOME);
  const person = async (email = newAddress()) => {
    const { registration, code } = await one.signUp(email, { password: PASSWORD });
    return mine(email, granted(await one.post("verify-signup", { email, otp: code, registration }, home)));
  };
  const mine = (email, tokens) => {
    const { sub: account, sid: session } = claimsOf(tokens.access_token);
    return { email, account, session, ...tokens };
  };
  const refresh = (token, where = home) => one.post("refresh", { refresh_token: token }, where);
  const validate = (token, more = {}, where = {}) => one.post("validate", { token, mode: "strict", ...more }, where);
  const events = async (me) => (await audited(server, me, me.session)).filter((line) => line.startsWith("device_"));
  /** Fails unless the session still works, in full and where it belongs. */
  const goesOn = async (me, token = me.refresh_token) => {
    const next = mine(me.email, granted(await refresh(token)));
    assert.equal(next.session, me.session);
    assert.equal((await validate(next.access_token, { client_ip: HOME, client_user_agent: AGENT })).status, 200);
    return next;
  };
  return { ...one, person, mine, refresh, validate, events, goesOn };
}

describe("a session that is bound to network and user agent", () => {
  let server, owner;
  before(async () => {
    server = await startOpenServer({ vars: { device_binding: ENFORCED, sign_in: { codes: true, links: true } }, neighbours: [asker] });
    owner = asked(server);
  });
  after(() => server?.stop());

  describe("a copied refresh token is refused from", () => {
    for (const [where, options] of Object.entries(elsewhere)) {
      test(`${where}, and the owner's session goes on`, async () => {
        const me = await owner.person();
        const before = await storedSession(server, me);
        refused(await owner.refresh(me.refresh_token, options), 401, "device_binding_rejected");
        assert.deepEqual(await storedSession(server, me), before, "nothing has changed");
        await owner.goesOn(me);
      });
    }

    test("another network after it was replaced, and does not end the family", async () => {
      const me = await owner.person();
      const second = await owner.goesOn(me);
      const record = await storedSession(server, me);
      await editSession(server, me, { rotated_at: record.rotated_at - 60_000 });
      refused(await owner.refresh(me.refresh_token, elsewhere["another network"]), 401, "device_binding_rejected");
      await owner.goesOn(me, second.refresh_token);
      // At home it is a reuse like any other.
      await editSession(server, me, { rotated_at: record.rotated_at - 60_000 });
      refused(await owner.refresh(me.refresh_token), 401, "refresh_invalid");
    });
  });

  test("what is refused is told once a minute, however often it is tried", async () => {
    const me = await owner.person();
    for (let times = 0; times < 5; times += 1) {
      refused(await owner.refresh(me.refresh_token, elsewhere["another network"]), 401, "device_binding_rejected");
    }
    refused(await owner.validate(me.access_token, { client_ip: AWAY, client_user_agent: AGENT }), 401, "device_binding_rejected");
    assert.deepEqual(await owner.events(me), ["device_binding_rejected:network"]);
    refused(await owner.refresh(me.refresh_token, elsewhere["another network and user agent"]), 401, "device_binding_rejected");
    assert.deepEqual(await owner.events(me), ["device_binding_rejected:network", "device_binding_rejected:user_agent"]);
    // The next minute.
    const storage = await server.objectStorage("ACCOUNT", me.account);
    const [{ record }] = await storage.exec("SELECT record FROM operations WHERE key = 'device_watch'");
    const watch = JSON.parse(record);
    for (const told of watch.told) told.at -= 60_000;
    await storage.exec("UPDATE operations SET record = ? WHERE key = 'device_watch'", JSON.stringify(watch));
    refused(await owner.refresh(me.refresh_token, elsewhere["another network"]), 401, "device_binding_rejected");
    assert.deepEqual(await owner.events(me), ["device_binding_rejected:network", "device_binding_rejected:network", "device_binding_rejected:user_agent"]);
  });

  describe("a copied access token at strict validation", () => {
    let me;
    before(async () => {
      me = await owner.person();
    });
    const clients = {
      "is good where it belongs": [200, { client_ip: HOME, client_user_agent: AGENT }],
      "is refused from another network": [401, { client_ip: AWAY, client_user_agent: AGENT }],
      "is refused with another user agent": [401, { client_ip: HOME, client_user_agent: THIEF }],
      "is refused without a user agent": [401, { client_ip: HOME }],
      "is refused with an empty user agent": [401, { client_ip: HOME, client_user_agent: "" }],
      "is refused without a network": [401, { client_user_agent: AGENT }],
      "is refused when nothing is said of its client": [401, {}],
      "is refused when what is said is null": [401, { client_ip: null, client_user_agent: null }],
    };
    for (const [what, [status, said]] of Object.entries(clients)) {
      test(what, async () => {
        // The service that asks is at the owner's own address, and has the owner's user agent: that is its own.
        const answer = await owner.validate(me.access_token, said, home);
        if (status === 200) assert.equal(answer.status, 200, answer.text);
        else refused(answer, 401, "device_binding_rejected");
        const asking = { method: "POST", body: JSON.stringify({ token: me.access_token, options: { mode: "strict", ...said } }), ...home };
        const { returned } = await (await server.neighbour("asker").fetch("http://asker/", asking)).json();
        assert.deepEqual([returned.ok, returned.status], [status === 200, status === 200 ? undefined : 401]);
        assert.equal(returned.code, status === 200 ? undefined : "device_binding_rejected");
      });
    }

    test("is not compared in the other modes", async () => {
      for (const mode of ["hybrid", "jwt_only"]) {
        assert.equal((await owner.validate(me.access_token, { mode, client_ip: AWAY, client_user_agent: THIEF })).status, 200, mode);
      }
    });

    test("with a client that cannot be", async () => {
      for (const client_ip of ["", "localhost", "198.51.100", "198.51.100.1/32", " 198.51.100.1", "2001:db8::1%eth0", "1".repeat(70_000), 7, ["198.51.100.1"]]) {
        const answer = await owner.validate(me.access_token, { client_ip, client_user_agent: AGENT });
        refused(answer, client_ip.length === 70_000 ? 413 : 400, client_ip.length === 70_000 ? "body_too_large" : "invalid_request");
        if (answer.status === 400) assert.equal(answer.body.errors[0].field, "client_ip");
      }
      refused(await owner.validate(me.access_token, { client_ip: HOME, client_user_agent: 7 }), 400, "invalid_request");
    });

    test("by another spelling of the same network", async () => {
      const mapped = `::ffff:${HOME}`;
      assert.equal((await owner.validate(me.access_token, { client_ip: mapped, client_user_agent: AGENT })).status, 200);
    });

    test("ends nothing", () => owner.goesOn(me));
  });

  test("the bearer's own routes compare with whoever sends the request", async () => {
    const me = await owner.person();
    const end = (where) => owner.send("DELETE", `/api/v1/auth/sessions/${me.session}`, { bearer: me.access_token, ...where });
    for (const where of Object.values(elsewhere)) refused(await end(where), 401, "device_binding_rejected");
    await owner.goesOn(me);
    assert.deepEqual((await end(home)).body, { revoked: 1 });
  });

  test("whoever has the token may log out, wherever they are", async () => {
    const me = await owner.person();
    assert.equal((await owner.post("logout", { refresh_token: me.refresh_token }, elsewhere["another network and user agent"])).status, 200);
    refused(await owner.refresh(me.refresh_token), 401, "refresh_invalid");
  });

  test("a session of before fingerprints were stored is refused, and goes on when nothing is enforced", async () => {
    const me = await owner.person();
    const record = await storedSession(server, me);
    await editSession(server, me, { fingerprint: undefined });
    refused(await owner.validate(me.access_token, { client_ip: HOME, client_user_agent: AGENT }), 401, "device_binding_rejected");
    refused(await owner.refresh(me.refresh_token), 401, "device_binding_rejected");
    await editSession(server, me, { fingerprint: record.fingerprint });
    await owner.goesOn(me);
  });

  describe("every way to a session records the device, and asks for it:", () => {
    const recorded = async (tokens) => {
      const { sub: account, sid: session } = claimsOf(tokens.access_token);
      const record = await storedSession(server, { account, session });
      for (const digest of [record.fingerprint.network, record.fingerprint.user_agent]) assert.match(digest, /^[\w-]{22}$/);
      return record.fingerprint;
    };
    /** Fails unless `ask` is refused without a user agent or network, and opens a session with both afterwards. */
    const opened = async (ask) => {
      for (const where of [from(HOME), from("nowhere", AGENT)]) refused(await ask(where), 403, "device_hint_missing");
      return recorded(granted(await ask(home)));
    };

    test("the code of a sign-up", async () => {
      const email = newAddress();
      const { registration, code } = await owner.signUp(email, { password: PASSWORD });
      await opened((where) => owner.post("verify-signup", { email, otp: code, registration }, where));
    });

    test("the password", async () => {
      const { email } = await owner.person();
      await opened((where) => owner.post("login", { email, password: PASSWORD }, where));
    });

    test("a wrong password learns nothing of it", async () => {
      const { email } = await owner.person();
      for (const address of [email, newAddress()]) {
        const attempt = { email: address, password: "not it at all" };
        refused(await owner.post("login", attempt, from(HOME)), 403, "device_hint_missing");
        refused(await owner.post("login", attempt, home), 401, "invalid_credentials");
      }
    });

    test("a mailed code, which is not used up", async () => {
      const { email } = await owner.person();
      const { code } = await owner.mailed("request-otp", email, "Your code to sign in");
      await opened((where) => owner.post("verify-login", { email, otp: code }, where));
    });

    test("a mailed link, which is not used up", async () => {
      const { email } = await owner.person();
      const token = tokenOf(await owner.mailed("request-login-link", email, "Your link to sign in"));
      await opened((where) => owner.post("verify-login-link", { token }, where));
    });

    test("the end of a challenge, which another device cannot answer or use up", async () => {
      const me = await owner.person();
      await steady();
      const { body: setUp, text } = await owner.post("2fa/setup", { current_password: PASSWORD }, { bearer: me.access_token, ...home });
      assert.ok(setUp.secret, text);
      const confirmed = await owner.post("2fa/verify", { code: codeOf(setUp.secret, -1) }, { bearer: me.access_token, ...home });
      assert.equal(confirmed.status, 200, confirmed.text);
      const { body } = await owner.post("login", { email: me.email, password: PASSWORD }, home);
      const answer = (where) => owner.post("2fa/verify", { challenge: body.challenge, backup_code: confirmed.body.backup_codes[0] }, where);
      for (let times = 0; times < 6; times += 1) refused(await answer(elsewhere["another network"]), 401, "device_binding_rejected");
      const fingerprint = await opened(answer);
      assert.deepEqual(fingerprint, (await storedSession(server, me)).fingerprint, "of one account, on one device");
      await settled(server, me);
      const trail = await audited(server, me);
      assert.deepEqual(trail.filter((line) => line.startsWith("device_")), ["device_binding_rejected:network"]);
    });

    test("of two accounts on one device the fingerprints have nothing in common", async () => {
      const [one, other] = [await owner.person(), await owner.person()];
      const [first, second] = [await storedSession(server, one), await storedSession(server, other)];
      assert.notEqual(first.fingerprint.network, second.fingerprint.network);
      assert.notEqual(first.fingerprint.user_agent, second.fingerprint.user_agent);
    });

    test("and no list of sessions shows it", async () => {
      const me = await owner.person();
      const { fingerprint } = await storedSession(server, me);
      const lists = [await owner.sessions(me.access_token), await owner.send("GET", "/api/v1/auth/me/export", { bearer: me.access_token, ...home })];
      for (const { status, text } of lists) {
        assert.equal(status, 200, text);
        for (const digest of Object.values(fingerprint)) assert.ok(!text.includes(digest), text);
      }
    });
  });
});

describe("a session whose device is only watched", () => {
  let server, owner;
  before(async () => {
    server = await startOpenServer({
      vars: {
        device_binding: { enabled: true, detect_network: true, detect_user_agent: true, ipv4_prefix_bits: 24, caller_is_client: true },
        registration: { mode: "immediate", auto_login: true, require_verified_for_login: false, reveal_existing_accounts: true },
      },
    });
    owner = asked(server);
  });
  after(() => server?.stop());

  const signedUp = async (where = home) => {
    const email = newAddress();
    return owner.mine(email, granted(await owner.post("signup", { email, name: "Ada", password: PASSWORD }, where)));
  };

  test("an immediate sign-up records it", async () => {
    const me = await signedUp();
    const { fingerprint } = await storedSession(server, me);
    for (const digest of [fingerprint.network, fingerprint.user_agent]) assert.match(digest, /^[\w-]{22}$/);
  });

  test("goes on elsewhere, and each difference is told once a minute", async () => {
    const me = await signedUp();
    const next = granted(await owner.refresh(me.refresh_token, elsewhere["another network and user agent"]));
    assert.equal((await owner.validate(next.access_token, { client_ip: AWAY })).status, 200);
    granted(await owner.refresh(next.refresh_token, elsewhere["another network"]));
    assert.deepEqual(await owner.events(me), ["device_anomaly_detected:network", "device_anomaly_detected:user_agent"]);
  });

  test("notices a user agent that is left out", async () => {
    const me = await signedUp();
    granted(await owner.refresh(me.refresh_token, elsewhere["no user agent"]));
    assert.deepEqual(await owner.events(me), ["device_anomaly_detected:user_agent"]);
  });

  test("notices at strict validation what is said of the client, or else who asks", async () => {
    const [told, seen] = [await signedUp(), await signedUp()];
    assert.equal((await owner.validate(told.access_token, { client_ip: AWAY, client_user_agent: AGENT }, home)).status, 200);
    assert.deepEqual(await owner.events(told), ["device_anomaly_detected:network"]);
    assert.equal((await owner.validate(seen.access_token, {}, from(HOME, THIEF))).status, 200);
    assert.deepEqual(await owner.events(seen), ["device_anomaly_detected:user_agent"]);
  });

  test("has nothing to tell of another address in the same network, or of a login without a user agent", async () => {
    const me = await signedUp();
    granted(await owner.refresh(me.refresh_token, from("198.51.100.77", AGENT)));
    assert.deepEqual(await owner.events(me), []);
    const bare = await signedUp(from(HOME));
    granted(await owner.refresh(bare.refresh_token));
    assert.deepEqual(await owner.events(bare), []);
  });
});

describe("without device binding", () => {
  let server, owner;
  before(async () => {
    server = await startOpenServer();
    owner = asked(server);
  });
  after(() => server?.stop());

  test("sessions record their device, go anywhere, and nothing is told", async () => {
    const me = await owner.person();
    assert.match((await storedSession(server, me)).fingerprint.network, /^[\w-]{22}$/);
    const next = granted(await owner.refresh(me.refresh_token, elsewhere["another network and user agent"]));
    assert.equal((await owner.validate(next.access_token, { client_ip: AWAY, client_user_agent: THIEF })).status, 200);
    assert.equal((await owner.validate(next.access_token)).status, 200);
    assert.deepEqual(await owner.events(me), []);
  });
});
