// Proof of possession (RFC 9449): a session is bound to a key of its client, and a copy of its tokens is worth nothing.
//
// The attacks are those of somebody who has read a token, a proof, or both, and does not have the key.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as oauth from "oauth4webapi";

import { AUTH, PASSWORD, claimsOf, client, granted, newAddress, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { codeOf, enrol, steady } from "./support/authenticator.mjs";
import { addressOf, b64, bound, holder, newKey, proofFor, proofSaying } from "./support/dpop.mjs";
import { SoftwarePasskey } from "./support/passkeys.mjs";
import { ISSUER, age, audited, storedSession } from "./support/people.mjs";
import { ROOT } from "./support/server.mjs";

const RACERS = 20;
const asker = { name: "asker", main: join(ROOT, "tests/worker/support/asker.mjs") };
/** How many of these answers there are, by status and code. */
const tally = (answers) => Object.fromEntries([...new Set(answers.map(nameOf))].sort().map((name) => [name, answers.filter((one) => nameOf(one) === name).length]));
const nameOf = ({ status, body }) => `${status} ${body.code ?? body.token_type ?? "ok"}`;

describe("where clients may have keys", () => {
  let server, owner, key, mine, thiefs, theirs;
  before(async () => {
    server = await startOpenServer({ vars: { organizations: { mode: "multi" }, second_factor: { trusted_device_seconds: 3600 } }, neighbours: [asker] });
    owner = client(server);
    [key, thiefs] = await Promise.all([newKey("ES256"), newKey("ES256")]);
    [mine, theirs] = [holder(owner, key), holder(owner, thiefs)];
  });
  after(() => server?.stop());

  /** Somebody with an account, and a session that is bound to the key. */
  async function person() {
    const email = newAddress();
    await owner.account(email);
    return session(email);
  }
  async function session(email) {
    const tokens = bound(await mine.login(email, PASSWORD), key);
    const { sub: account, sid } = claimsOf(tokens.access_token);
    return { email, account, session: sid, access: tokens.access_token, refresh: tokens.refresh_token };
  }
  /** Fails unless the session still works for whoever has the key. */
  async function goesOn(me) {
    assert.equal((await mine.me(me.access)).status, 200);
    return bound(await mine.refresh(me.refresh), key);
  }

  describe("a session is bound by", () => {
    let email;
    before(async () => {
      email = newAddress();
      await owner.account(email);
    });
    const ways = {
      "a password": () => mine.login(email, PASSWORD),
      "a code": async () => mine.post("verify-login", { email, otp: (await owner.mailed("request-otp", email, "Your code to sign in")).code }),
      "a link": async () => mine.post("verify-login-link", { token: tokenOf(await owner.mailed("request-login-link", email, "Your link to sign in")) }),
      "a sign-up": async () => {
        const stranger = newAddress();
        const { registration, code } = await owner.signUp(stranger, { password: PASSWORD });
        return mine.post("verify-signup", { email: stranger, otp: code, registration });
      },
      "a passkey": async () => {
        const passkey = new SoftwarePasskey();
        const { access_token: bearer } = granted(await owner.login(email, PASSWORD));
        const begun = await owner.post("passkeys/registration", { current_password: PASSWORD }, { bearer });
        assert.equal((await owner.post("passkeys", { name: "laptop", credential: passkey.create(begun.body) }, { bearer })).status, 201);
        return mine.post("passkeys/login", { credential: passkey.get((await owner.post("passkeys/authentication", {})).body) });
      },
    };
    for (const [way, signIn] of Object.entries(ways)) {
      test(way, async () => {
        const tokens = bound(await signIn(), key);
        const next = bound(await mine.refresh(tokens.refresh_token), key);
        refused(await owner.post("refresh", { refresh_token: next.refresh_token }), 401, "refresh_invalid");
        refused(await theirs.refresh(next.refresh_token), 401, "refresh_invalid");
        refused(await owner.me(next.access_token), 401, "token_bound");
        assert.equal((await mine.me(next.access_token)).status, 200);
      });
    }

    test("a key of every algorithm", async () => {
      for (const alg of ["ES256", "Ed25519", "RS256", "PS256"]) {
        const other = await newKey(alg);
        const it = holder(owner, other);
        const tokens = bound(await it.login(email, PASSWORD), other);
        bound(await it.refresh(tokens.refresh_token), other);
        assert.equal((await it.me(tokens.access_token)).status, 200, alg);
      }
    });

    test("nothing, without a proof", async () => {
      const tokens = granted(await owner.login(email, PASSWORD));
      assert.equal("cnf" in claimsOf(tokens.access_token), false);
      // A key that comes later binds nothing: whoever has copied the token would bring their own.
      const refreshed = granted(await theirs.refresh(tokens.refresh_token));
      refused(await theirs.me(refreshed.access_token), 401, "token_not_bound");
      assert.equal((await owner.me(refreshed.access_token)).status, 200);
      granted(await owner.post("refresh", { refresh_token: refreshed.refresh_token }));
    });
  });

  describe("a login is refused with", () => {
    const email = newAddress();
    before(() => owner.account(email));
    const proofs = {
      "no proof at all": [() => "proof", "dpop_proof_malformed"],
      "an empty proof": [() => "", "dpop_proof_malformed"],
      "two proofs": [async () => `${await proofFor(key, "login")}, ${await proofFor(key, "login")}`, "dpop_proof_malformed"],
      "an oversized proof": [() => proofSaying(key, "login", { claims: { x: "x".repeat(4096) } }), "dpop_proof_malformed"],
      "another type": [() => proofSaying(key, "login", { header: { typ: "JWT" } }), "dpop_type_mismatch"],
      "no algorithm": [() => proofSaying(key, "login", { header: { alg: "none" }, sign: () => "" }), "dpop_algorithm_not_allowed"],
      "a shared secret": [() => proofSaying(key, "login", { header: { alg: "HS256" }, sign: (input) => createHmac("sha256", JSON.stringify(key.jwk)).update(input).digest() }), "dpop_algorithm_not_allowed"],
      "a private key in it": [() => proofSaying(key, "login", { header: { jwk: key.privateJwk } }), "dpop_key_invalid"],
      "the key of somebody else": [() => proofSaying(key, "login", { header: { jwk: thiefs.jwk } }), "dpop_signature_invalid"],
      "the signature of somebody else": [() => proofSaying(key, "login", { signer: thiefs }), "dpop_signature_invalid"],
      "another method": [() => proofFor(key, "login", { method: "PUT" }), "dpop_method_mismatch"],
      "another route": [() => proofFor(key, "refresh"), "dpop_address_mismatch"],
      "another host": [() => proofSaying(key, "login", { claims: { htu: `https://evil.example${AUTH}/login` } }), "dpop_address_mismatch"],
      "the address of the connection": [() => proofSaying(key, "login", { claims: { htu: `${server.url}${AUTH}/login` } }), "dpop_address_mismatch"],
      "an old proof": [() => proofSaying(key, "login", { claims: { iat: Math.floor(Date.now() / 1000) - 90 } }), "dpop_proof_expired"],
      "a proof of tomorrow": [() => proofSaying(key, "login", { claims: { iat: Math.floor(Date.now() / 1000) + 90 } }), "dpop_proof_issued_in_future"],
    };
    for (const [what, [make, code]] of Object.entries(proofs)) {
      test(what, async () => {
        const answer = await mine.post("login", { email, password: PASSWORD }, { proof: await make() });
        refused(answer, 400, code);
        assert.equal(answer.headers.get("www-authenticate"), null);
      });
    }
    test("nothing that a query or another spelling of the address would change", async () => {
      const proof = await proofSaying(key, "login", { claims: { htu: `HTTP://LOCALHOST:8787${AUTH}/%6Cogin?a=b#c` } });
      bound(await mine.post("login", { email, password: PASSWORD }, { proof }), key);
    });
  });

  describe("a copied access token is refused", () => {
    let me, other;
    before(async () => {
      me = await person();
      other = await session(me.email);
    });
    const at = (make) => async () => make({ method: "GET", token: me.access });
    const attempts = {
      "without its proof": [at(() => undefined), "dpop_proof_missing", "invalid_dpop_proof"],
      "with the proof of another key": [at((it) => proofFor(thiefs, "me", it)), "dpop_key_mismatch", "invalid_token"],
      "with a proof in the name of its key": [at((it) => proofSaying(key, "me", { ...it, signer: thiefs })), "dpop_signature_invalid", "invalid_dpop_proof"],
      "with a proof for another method": [at((it) => proofFor(key, "me", { ...it, method: "PATCH" })), "dpop_method_mismatch", "invalid_dpop_proof"],
      "with a proof for another route": [at((it) => proofFor(key, "sessions", it)), "dpop_address_mismatch", "invalid_dpop_proof"],
      "with a proof for another token": [at((it) => proofFor(key, "me", { ...it, token: other.access })), "dpop_token_mismatch", "invalid_dpop_proof"],
      "with a proof for no token": [at((it) => proofFor(key, "me", { ...it, token: undefined })), "dpop_token_mismatch", "invalid_dpop_proof"],
      "with an old proof": [at((it) => proofSaying(key, "me", { ...it, claims: { iat: Math.floor(Date.now() / 1000) - 90 } })), "dpop_proof_expired", "invalid_dpop_proof"],
      "with a proof of tomorrow": [at((it) => proofSaying(key, "me", { ...it, claims: { iat: Math.floor(Date.now() / 1000) + 90 } })), "dpop_proof_issued_in_future", "invalid_dpop_proof"],
      "with a proof that is none": [at(() => "proof"), "dpop_proof_malformed", "invalid_dpop_proof"],
    };
    for (const [how, [make, code, error]] of Object.entries(attempts)) {
      test(how, async () => {
        const dpop = await make();
        const headers = { authorization: `DPoP ${me.access}`, ...(dpop === undefined ? {} : { dpop }) };
        const answer = await owner.send("GET", `${AUTH}/me`, { headers });
        refused(answer, 401, code);
        assert.match(answer.headers.get("www-authenticate"), new RegExp(`^DPoP error="${error}", algs="EdDSA Ed25519 ES256 .*"$`));
      });
    }

    test("as a bearer token, also with its proof", async () => {
      const dpop = await proofFor(key, "me", { method: "GET", token: me.access });
      for (const headers of [{}, { dpop }]) {
        const answer = await owner.send("GET", `${AUTH}/me`, { bearer: me.access, headers });
        refused(answer, 401, "token_bound");
        assert.match(answer.headers.get("www-authenticate"), /^DPoP error="invalid_token"/);
      }
    });

    test("at every route that takes one", async () => {
      const routes = [["GET", "sessions"], ["POST", "sessions/revoke-all"], ["DELETE", `sessions/${me.session}`], ["PATCH", "me"], ["POST", "change-password"], ["POST", "2fa/setup"], ["POST", "2fa/verify"], ["GET", "passkeys"], ["POST", "reauthenticate"], ["GET", "me/export"]];
      for (const [method, route] of routes) {
        const body = method === "GET" ? undefined : { current_password: PASSWORD, new_password: "another password", code: "123456", name: "Eve" };
        refused(await owner.send(method, `${AUTH}/${route}`, { bearer: me.access, body }), 401, "token_bound");
        refused(await theirs.send(method, route, { token: me.access, body }), 401, "dpop_key_mismatch");
      }
      await goesOn(me);
    });

    test("by a challenge of the scheme that it came by, whatever is wrong", async () => {
      const scheme = (answer) => answer.headers.get("www-authenticate");
      const she = await person();
      const malformed = await owner.send("GET", `${AUTH}/me`, { headers: { authorization: "DPoP nonsense" } });
      assert.match(scheme(malformed), /^DPoP error="invalid_token", algs="EdDSA /);
      const asBearer = await owner.send("GET", `${AUTH}/me`, { bearer: "nonsense" });
      assert.equal(scheme(asBearer), "Bearer");
      // A step-up challenge too (RFC 9470 §3), here for a token that has no second factor.
      const weak = await owner.post("validate", { token: she.access, dpop: { thumbprint: key.thumbprint }, max_age: 600, acr: "urn:postern:acr:2" });
      refused(weak, 401, "reauthentication_required");
      assert.match(scheme(weak), /^DPoP error="insufficient_user_authentication", max_age="600", acr_values="urn:postern:acr:2", algs="EdDSA /);
      await mine.post("logout", undefined, { token: she.access });
      const ended = await mine.me(she.access);
      refused(ended, 401, "session_revoked");
      assert.match(scheme(ended), /^DPoP error="invalid_token", algs=/);
      const forgotten = await owner.post("validate", { token: she.access, dpop: { thumbprint: key.thumbprint }, mode: "strict" });
      refused(forgotten, 401, "session_revoked");
      assert.match(scheme(forgotten), /^DPoP error="invalid_token", algs=/);
    });

    test("at logout, where it ends nothing", async () => {
      const she = await person();
      for (const headers of [{ authorization: `Bearer ${she.access}` }, { authorization: `DPoP ${she.access}` }, { authorization: `DPoP ${she.access}`, dpop: await proofFor(thiefs, "logout", { token: she.access }) }]) {
        assert.equal((await owner.send("POST", `${AUTH}/logout`, { headers })).status, 200);
        assert.equal((await mine.me(she.access)).status, 200);
      }
      assert.equal((await mine.post("logout", undefined, { token: she.access })).status, 200);
      refused(await mine.me(she.access), 401, "session_revoked");
    });
  });

  test("a copied refresh token is worth nothing, and ends nothing", async () => {
    const me = await person();
    refused(await owner.post("refresh", { refresh_token: me.refresh }), 401, "refresh_invalid");
    refused(await theirs.refresh(me.refresh), 401, "refresh_invalid");
    const old = await mine.post("refresh", { refresh_token: me.refresh });
    // Two generations later it would end the family of any other session.
    let next = bound(old, key);
    await age(server, me, 60);
    next = bound(await mine.refresh(next.refresh_token), key);
    for (const attempt of [() => owner.post("refresh", { refresh_token: me.refresh }), () => theirs.refresh(me.refresh)]) {
      refused(await attempt(), 401, "refresh_invalid");
    }
    bound(await mine.refresh(next.refresh_token), key);
    const trail = await audited(server, me, me.session);
    assert.deepEqual([...new Set(trail)], ["refresh_key_proof_failed", "session_opened"]);
  });

  test("however often it is tried, the audit trail says so once a minute for each session", async () => {
    const me = await person();
    const other = await session(me.email);
    for (let time = 0; time < 20; time += 1) refused(await theirs.refresh(me.refresh), 401, "refresh_invalid");
    refused(await owner.post("refresh", { refresh_token: other.refresh }), 401, "refresh_invalid");
    for (const { session: id } of [me, other]) {
      const trail = await audited(server, me, id);
      assert.deepEqual(trail.filter((line) => line === "refresh_key_proof_failed").length, 1, trail.join());
    }
    await goesOn(me);
  });

  test("whoever has the key may repeat a refresh whose answer was lost, however late", async () => {
    const me = await person();
    const first = bound(await mine.refresh(me.refresh), key);
    await age(server, me, 3600);
    const again = bound(await mine.refresh(me.refresh), key);
    assert.equal(again.refresh_token, first.refresh_token);
    // A token that is older than that is a reuse, by whoever has the key.
    await age(server, me, 3600);
    bound(await mine.refresh(again.refresh_token), key);
    refused(await mine.refresh(me.refresh), 401, "refresh_invalid");
    refused(await mine.me(first.access_token), 401, "session_revoked");
  });

  describe("a proof is used once", () => {
    let me;
    before(async () => {
      me = await person();
    });
    const uses = {
      "for a login": async () => {
        const proof = await proofFor(key, "login");
        return [() => mine.post("login", { email: me.email, password: PASSWORD }, { proof }), "200 DPoP", "400 dpop_proof_replayed"];
      },
      "for a refresh": async () => {
        const [{ refresh }, proof] = await Promise.all([session(me.email), proofFor(key, "refresh")]);
        return [() => mine.refresh(refresh, { proof }), "200 DPoP", "400 dpop_proof_replayed"];
      },
      "for a look": async () => {
        const proof = await proofFor(key, "me", { method: "GET", token: me.access });
        return [() => mine.me(me.access, { proof }), "200 ok", "401 dpop_proof_replayed"];
      },
      "for a change": async () => {
        const proof = await proofFor(key, "me", { method: "PATCH", token: me.access });
        return [() => mine.send("PATCH", "me", { body: { name: "Ada" }, token: me.access, proof }), "200 ok", "401 dpop_proof_replayed"];
      },
      "at validate": async () => {
        const url = "https://api.example.com/docs";
        const proof = await proofSaying(key, "", { method: "GET", token: me.access, claims: { htu: url } });
        return [() => owner.post("validate", { token: me.access, mode: "jwt_only", dpop: { proof, method: "GET", url } }), "200 ok", "401 dpop_proof_replayed"];
      },
    };
    for (const [what, prepare] of Object.entries(uses)) {
      test(`${what}, however many race`, async () => {
        const [send, success, replay] = await prepare();
        assert.deepEqual(tally(await Promise.all(Array.from({ length: RACERS }, send))), { [success]: 1, [replay]: RACERS - 1 });
        assert.equal(nameOf(await send()), replay);
      });
    }

    test("and a replay at refresh ends nothing", async () => {
      const she = await session(me.email);
      const proof = await proofFor(key, "refresh");
      const next = bound(await mine.refresh(she.refresh, { proof }), key);
      for (const token of [she.refresh, next.refresh_token]) refused(await mine.refresh(token, { proof }), 400, "dpop_proof_replayed");
      bound(await mine.refresh(next.refresh_token), key);
    });

    test("not by somebody else's id", async () => {
      const [jti, other] = ["the same", await newKey("Ed25519")];
      const it = holder(owner, other);
      bound(await mine.post("login", { email: me.email, password: PASSWORD }, { proof: await proofSaying(key, "login", { claims: { jti } }) }), key);
      bound(await it.post("login", { email: me.email, password: PASSWORD }, { proof: await proofSaying(other, "login", { claims: { jti } }) }), other);
    });

    test("and forgotten when nobody would accept it any more", async () => {
      const she = await person();
      const storage = await server.objectStorage("ACCOUNT", she.account);
      const remembered = async () => (await storage.exec("SELECT COUNT(*) AS count FROM proofs"))[0].count;
      for (let times = 0; times < 3; times += 1) assert.equal((await mine.me(she.access)).status, 200);
      assert.equal(await remembered(), 4);
      await storage.exec("UPDATE proofs SET expires_at = expires_at - 200000");
      assert.equal((await mine.me(she.access)).status, 200);
      assert.equal(await remembered(), 1);
    });
  });

  describe("validate", () => {
    const [url, method] = ["https://api.example.com/docs", "GET"];
    let me, unbound;
    before(async () => {
      me = await person();
      unbound = granted(await owner.login(me.email, PASSWORD)).access_token;
    });
    const proof = (more = {}) => proofSaying(more.key ?? key, "", { method, token: me.access, ...more, claims: { htu: url, ...more.claims } });
    const ask = (dpop, more = {}) => owner.post("validate", { token: me.access, ...(dpop === undefined ? {} : { dpop }), ...more });
    const asked = async (dpop) => {
      const question = { token: me.access, options: dpop === undefined ? {} : { dpop } };
      return (await (await server.neighbour("asker").fetch("http://asker/", { method: "POST", body: JSON.stringify(question) })).json()).returned;
    };

    test("never takes a bound token for a bearer token, in any mode", async () => {
      for (const mode of ["jwt_only", "hybrid", "strict", "inherit"]) refused(await ask(undefined, { mode }), 401, "token_bound");
      refused(await ask(null), 401, "token_bound");
      const { ok, code, status } = await asked(undefined);
      assert.deepEqual([ok, code, status], [false, "token_bound", 401]);
    });

    test("checks the proof that came with it", async () => {
      for (const mode of ["jwt_only", "hybrid", "strict"]) {
        const answer = await ask({ proof: await proof(), method, url: `${url}?page=2` }, { mode });
        assert.equal(answer.status, 200, answer.text);
        assert.deepEqual([answer.body.mode, answer.body.claims.cnf], [mode, { jkt: key.thumbprint }]);
      }
      const { ok, session_id } = await asked({ proof: await proof(), method, url });
      assert.deepEqual([ok, session_id], [true, me.session]);
    });

    test("or takes the word of whoever has checked it, about this key", async () => {
      assert.equal((await ask({ thumbprint: key.thumbprint })).status, 200);
      assert.equal((await asked({ thumbprint: key.thumbprint })).ok, true);
      for (const thumbprint of [thiefs.thumbprint, "", "x", `${key.thumbprint}=`]) refused(await ask({ thumbprint }), 401, "dpop_key_mismatch");
    });

    const wrong = {
      dpop_key_mismatch: () => proof({ key: thiefs }),
      dpop_signature_invalid: () => proof({ signer: thiefs }),
      dpop_method_mismatch: () => proof({ claims: { htm: "POST" } }),
      dpop_address_mismatch: () => proof({ claims: { htu: "https://other.example.com/docs" } }),
      dpop_token_mismatch: () => proof({ token: unbound }),
      dpop_proof_expired: () => proof({ claims: { iat: 1 } }),
      dpop_proof_malformed: () => "proof",
    };
    for (const [code, make] of Object.entries(wrong)) {
      test(`refuses ${code}`, async () => refused(await ask({ proof: await make(), method, url }), 401, code));
    }

    test("refuses a proof with a token that is not bound", async () => {
      for (const dpop of [{ proof: await proof({ token: unbound }), method, url }, { thumbprint: key.thumbprint }]) {
        refused(await ask(dpop, { token: unbound }), 401, "token_not_bound");
      }
    });

    test("refuses half a question", async () => {
      for (const dpop of ["proof", {}, { proof: "x" }, { proof: "x", method }, { proof: "x", method, url: "/docs" }, { proof: 1, method, url }, { thumbprint: 1 }]) {
        refused(await ask(dpop), 400, "invalid_request");
      }
    });

    test("knows of a session that has ended", async () => {
      const gone = await session(me.email);
      assert.equal((await mine.post("logout", { refresh_token: gone.refresh })).status, 200);
      const dpop = { proof: await proof({ token: gone.access }), method, url };
      refused(await ask(dpop, { token: gone.access, mode: "jwt_only" }), 401, "session_revoked");
    });
  });

  test("the binding is kept", async () => {
    const me = await person();
    const [shown] = (await mine.send("GET", "sessions", { token: me.access })).body.sessions.filter((one) => one.current);
    assert.equal(shown.bound_to_key, true);
    const again = await mine.post("reauthenticate", { current_password: PASSWORD }, { token: me.access });
    assert.equal(again.body.token_type, "DPoP", again.text);
    assert.deepEqual(claimsOf(again.body.access_token).cnf, { jkt: key.thumbprint });
    const changed = await mine.post("change-password", { current_password: PASSWORD, new_password: "a password of tomorrow" }, { token: again.body.access_token });
    assert.equal(changed.status, 200, changed.text);
    refused(await owner.post("refresh", { refresh_token: me.refresh }), 401, "refresh_invalid");
    const next = bound(await mine.refresh(me.refresh), key);
    assert.equal((await storedSession(server, me)).key_thumbprint, key.thumbprint);
    refused(await owner.me(next.access_token), 401, "token_bound");
    const made = await mine.post("organizations", { slug: `bound${me.session.slice(0, 12)}`, name: "Bound" }, { token: next.access_token });
    assert.equal(made.status, 201, made.text);
    const inside = bound(await mine.post("refresh", { refresh_token: next.refresh_token, organization: made.body.slug }), key);
    assert.equal(claimsOf(inside.access_token).org, made.body.slug);
    refused(await owner.post("validate", { token: inside.access_token }), 401, "token_bound");
  });

  test("a login that waits for its second factor keeps its key", async () => {
    const email = newAddress();
    const { secret } = await enrol(owner, await owner.account(email), PASSWORD);
    await steady();
    const challenge = async (it = mine) => {
      const { body, text } = await it.login(email, PASSWORD);
      assert.equal(body.mfa_required, true, text);
      return body.challenge;
    };
    const answer = { challenge: await challenge(), code: codeOf(secret) };
    refused(await owner.post("2fa/verify", answer), 400, "challenge_invalid");
    refused(await theirs.post("2fa/verify", answer), 400, "challenge_invalid");
    const tokens = bound(await mine.post("2fa/verify", { ...answer, trust_device: true }), key);
    bound(await mine.refresh(tokens.refresh_token), key);
    // A device that is trusted shows its key as any other.
    bound(await mine.post("login", { email, password: PASSWORD, device_token: tokens.device_token }), key);
    // The key may also come with the second factor alone.
    bound(await mine.post("2fa/verify", { challenge: await challenge(owner), code: codeOf(secret, 1) }), key);
  });
});

describe("where sessions may be in cookies", () => {
  let server, owner, mine, email;
  const wanted = { "x-postern-cookies": "1", origin: ISSUER };
  before(async () => {
    server = await startOpenServer({ vars: { cookies: { mode: "beside" } } });
    owner = client(server);
    mine = holder(owner, await newKey());
    email = newAddress();
    await owner.account(email);
  });
  after(() => server?.stop());

  test("none of them is bound to a key", async () => {
    refused(await mine.post("login", { email, password: PASSWORD }, { headers: wanted }), 400, "dpop_not_for_cookies");
    const page = await owner.post("login", { email, password: PASSWORD }, { headers: wanted });
    assert.equal(page.body.token_type, "Cookie", page.text);
    const cookie = page.headers.getSetCookie().map((line) => line.split(";")[0]).join("; ");
    refused(await mine.post("refresh", undefined, { headers: { cookie, origin: ISSUER } }), 400, "dpop_not_for_cookies");
    assert.equal((await owner.post("refresh", undefined, { headers: { cookie, origin: ISSUER } })).body.token_type, "Cookie");
  });

  test("and a bound token in a cookie is worth nothing", async () => {
    const { body } = await mine.login(email, PASSWORD);
    const cookie = `__Host-postern_session=${body.access_token}; __Host-postern_refresh=${body.refresh_token}`;
    refused(await owner.send("GET", `${AUTH}/me`, { headers: { cookie } }), 401, "token_bound");
    refused(await owner.post("refresh", undefined, { headers: { cookie, origin: ISSUER } }), 401, "refresh_invalid");
    refused(await mine.me(body.access_token, { headers: wanted }), 400, "dpop_not_for_cookies");
  });
});

describe("where every client has a key", () => {
  let server, owner, mine, key;
  before(async () => {
    server = await startOpenServer({ vars: { dpop: { mode: "required" } } });
    owner = client(server);
    key = await newKey("Ed25519");
    mine = holder(owner, key);
  });
  after(() => server?.stop());

  test("no session is opened without", async () => {
    const email = newAddress();
    const { registration, code } = await owner.signUp(email, { password: PASSWORD });
    const confirm = { email, otp: code, registration };
    refused(await owner.post("verify-signup", confirm), 400, "dpop_required");
    bound(await mine.post("verify-signup", confirm), key);
    for (const password of [PASSWORD, "not the password"]) refused(await owner.login(email, password), 400, "dpop_required");
    for (const [route, body] of [["verify-login", { email, otp: "123456" }], ["verify-login-link", { token: "x" }], ["passkeys/login", {}], ["2fa/verify", { challenge: "x", code: "123456" }]]) {
      refused(await owner.post(route, body), 400, "dpop_required");
    }
    bound(await mine.login(email, PASSWORD), key);
  });

  test("and whoever brings no token is asked for one of that kind", async () => {
    const scheme = (answer) => answer.headers.get("www-authenticate");
    for (const headers of [{}, { authorization: "" }, { authorization: "DPoP " }]) {
      const answer = await owner.send("GET", `${AUTH}/me`, { headers });
      refused(answer, 401, "token_missing");
      assert.match(scheme(answer), /^DPoP algs="EdDSA Ed25519 ES256 .*"$/);
    }
    const wrong = await owner.send("GET", `${AUTH}/me`, { bearer: "nonsense" });
    refused(wrong, 401, "token_malformed");
    assert.equal(scheme(wrong), "Bearer");
  });

  test("and none is looked for: no password is hashed, nothing is read or counted", async () => {
    const email = newAddress();
    const { registration, code } = await owner.signUp(email, { password: PASSWORD });
    bound(await mine.post("verify-signup", { email, otp: code, registration }), key);
    // With a header that looks as if there were a session, too.
    for (const headers of [{}, { authorization: "Bearer x" }, { authorization: `DPoP ${"x".repeat(40)}` }, { authorization: "" }]) {
      for (const [route, body] of [["login", { email, password: PASSWORD }], ["login", { email, password: "not the password" }], ["verify-login", { email, otp: "123456" }], ["verify-login-link", { token: "x" }], ["passkeys/login", {}]]) {
        const answer = await owner.post(route, body, { headers });
        refused(answer, 400, "dpop_required");
        assert.equal(answer.headers.get("x-postern-operations"), "objects=0 d1=0 kv=0", route);
      }
    }
    bound(await mine.login(email, PASSWORD), key);
  });

  test("not by a second factor either", async () => {
    const email = newAddress();
    const { registration, code } = await owner.signUp(email, { password: PASSWORD });
    const tokens = bound(await mine.post("verify-signup", { email, otp: code, registration }), key);
    await steady();
    const begun = await mine.post("2fa/setup", { current_password: PASSWORD }, { token: tokens.access_token });
    assert.equal(begun.status, 200, begun.text);
    const { secret } = begun.body;
    assert.equal((await mine.post("2fa/verify", { code: codeOf(secret, -1) }, { token: tokens.access_token })).status, 200);
    const { body } = await mine.login(email, PASSWORD);
    const answer = { challenge: body.challenge, code: codeOf(secret) };
    // A header that looks like a bearer's lets nobody past.
    refused(await owner.post("2fa/verify", answer, { headers: { authorization: "Bearer x" } }), 400, "challenge_invalid");
    bound(await mine.post("2fa/verify", answer), key);
  });

  test("and everybody can read that", async () => {
    const { features } = (await owner.send("GET", `${AUTH}/options`)).body;
    assert.deepEqual(features.filter((name) => name.startsWith("dpop")), ["dpop", "dpop_required"]);
  });
});

test("a sign-up that signs in at once is bound, too", async () => {
  const registration = { mode: "immediate", reveal_existing_accounts: true, require_verified_for_login: false, auto_login: true, usernames: "derived" };
  const server = await startOpenServer({ vars: { registration, dpop: { mode: "required" } } });
  try {
    const [owner, key] = [client(server), await newKey()];
    const mine = holder(owner, key);
    const body = { email: newAddress(), name: "Ada", password: PASSWORD };
    refused(await owner.post("signup", body), 400, "dpop_required");
    const tokens = bound(await mine.post("signup", body), key);
    bound(await mine.refresh(tokens.refresh_token), key);
    refused(await owner.me(tokens.access_token), 401, "token_bound");
  } finally {
    await server.stop();
  }
});

test("where keys are off, a proof is not read", async () => {
  const server = await startOpenServer({ vars: { dpop: { mode: "off" } } });
  try {
    const owner = client(server);
    const email = newAddress();
    await owner.account(email);
    const it = holder(owner, await newKey());
    const tokens = granted(await it.post("login", { email, password: PASSWORD }, { proof: "proof" }));
    assert.equal((await owner.me(tokens.access_token)).status, 200);
  } finally {
    await server.stop();
  }
});

describe("an account's memory of proofs", () => {
  let server, owner;
  before(async () => {
    server = await startOpenServer({ vars: { dpop: { proofs_per_account: 25, proofs_per_key: 10 } } });
    owner = client(server);
  });
  after(() => server?.stop());

  /** A client of that account, with a key of its own and a session; one proof is remembered, that of its login. */
  const clientOf = async (email) => {
    const key = await newKey();
    const mine = holder(owner, key);
    const { access_token: token, refresh_token: refresh } = bound(await mine.login(email, PASSWORD), key);
    const looks = async (times) => {
      for (let time = 0; time < times; time += 1) assert.equal((await mine.me(token)).status, 200);
    };
    return { key, mine, token, refresh, looks };
  };
  const somebody = async () => {
    const email = newAddress();
    await owner.account(email);
    return email;
  };
  const full = (answer, status, code) => {
    refused(answer, status, code);
    assert.equal(answer.headers.get("retry-after"), "5");
    assert.equal(answer.body.retry_after_seconds, 5);
  };

  test("has a share for each key: a client that fills its own shuts out nobody else", async () => {
    const email = await somebody();
    const [thief, victim] = [await clientOf(email), await clientOf(email)];
    await thief.looks(9);
    // Every door says so to this key: to look, to refresh, to log in. None of its refusals takes room.
    for (let time = 0; time < 3; time += 1) {
      full(await thief.mine.me(thief.token), 429, "dpop_key_replay_store_full");
      full(await thief.mine.refresh(thief.refresh), 429, "dpop_key_replay_store_full");
      full(await thief.mine.login(email, PASSWORD), 429, "dpop_key_replay_store_full");
    }
    const remembered = async () => {
      const storage = await server.objectStorage("ACCOUNT", claimsOf(victim.token).sub);
      return (await storage.exec("SELECT COUNT(*) AS count FROM proofs"))[0].count;
    };
    assert.equal(await remembered(), 11);
    await victim.looks(8);
    bound(await victim.mine.refresh(victim.refresh), victim.key);
    assert.equal(await remembered(), 20);
  });

  test("is bounded as a whole, forgets none to make room, and has room again in time", async () => {
    const email = await somebody();
    const clients = [await clientOf(email), await clientOf(email), await clientOf(email)];
    const [first, , last] = clients;
    const proof = await proofFor(first.key, "me", { method: "GET", token: first.token });
    assert.equal((await first.mine.me(first.token, { proof })).status, 200);
    for (const { looks } of clients) await looks(7);
    full(await last.mine.me(last.token), 503, "dpop_replay_store_full");
    refused(await first.mine.me(first.token, { proof }), 401, "dpop_proof_replayed");
    const storage = await server.objectStorage("ACCOUNT", claimsOf(first.token).sub);
    await storage.exec("UPDATE proofs SET expires_at = expires_at - 200000");
    for (const { looks } of clients) await looks(1);
  });
});

describe("where proofs need a nonce", () => {
  let server, owner, email;
  before(async () => {
    server = await startOpenServer({ vars: { dpop: { nonces: true } } });
    owner = client(server);
    email = newAddress();
    await owner.account(email);
  });
  after(() => server?.stop());

  test("a client asks for one, and every answer brings the next", async () => {
    const key = await newKey();
    const mine = holder(owner, key);
    const login = (proof) => mine.post("login", { email, password: PASSWORD }, { proof });
    const first = await login(await proofFor(key, "login"));
    refused(first, 400, "dpop_nonce_required");
    const nonce = first.headers.get("dpop-nonce");
    refused(await login(await proofFor(key, "login", { nonce: `${nonce}A` })), 400, "dpop_nonce_required");
    refused(await login(await proofFor(key, "login", { nonce: b64(Buffer.alloc(16)) })), 400, "dpop_nonce_required");
    const answer = await login(await proofFor(key, "login", { nonce }));
    const tokens = bound(answer, key);
    assert.match(answer.headers.get("dpop-nonce"), /^[\w-]{22}$/);
    const challenged = await mine.me(tokens.access_token);
    refused(challenged, 401, "dpop_nonce_required");
    assert.match(challenged.headers.get("www-authenticate"), /^DPoP error="use_dpop_nonce"/);
    const proof = await proofFor(key, "me", { method: "GET", token: tokens.access_token, nonce });
    assert.equal((await mine.me(tokens.access_token, { proof })).status, 200);
    assert.equal((await owner.login(email, PASSWORD)).headers.get("dpop-nonce"), null);
  });

  test("oauth4webapi finds its way", async () => {
    const keys = await oauth.generateKeyPair("ES256");
    const handle = oauth.DPoP({ client_id: "postern" }, keys);
    const through = (url, init) => fetch(new URL(new URL(url).pathname, server.url), init);
    const key = await newKey();
    const nonce = (await holder(owner, key).login(email, PASSWORD)).headers.get("dpop-nonce");
    const proof = await proofSaying({ alg: "ES256", jwk: await crypto.subtle.exportKey("jwk", keys.publicKey).then(({ kty, crv, x, y }) => ({ kty, crv, x, y })), privateKey: keys.privateKey }, "login", { claims: { nonce } });
    const { body, text } = await owner.send("POST", `${AUTH}/login`, { body: { email, password: PASSWORD }, headers: { dpop: proof } });
    assert.equal(body.token_type, "DPoP", text);
    const ask = () => oauth.protectedResourceRequest(body.access_token, "GET", new URL(addressOf("me")), undefined, undefined, { DPoP: handle, [oauth.customFetch]: through, [oauth.allowInsecureRequests]: true });
    await assert.rejects(ask(), (error) => oauth.isDPoPNonceError(error));
    const response = await ask();
    assert.equal(response.status, 200);
    assert.equal((await response.json()).email, email);
  });
});
