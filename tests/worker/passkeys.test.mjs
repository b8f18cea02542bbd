// Passkeys are registered, listed, renamed and removed by the bearer.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, claimsOf, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { SoftwarePasskey, passkeyClient } from "./support/passkeys.mjs";
import { audited, until } from "./support/people.mjs";

const ALL_KINDS = ["ES256", "EdDSA", "RS256"];

describe("registering passkeys", () => {
  let server;
  let owner, person, begin, finish, list, remove, options, signIn, register, renewed, holder, stored, store, claimed;
  before(async () => {
    server = await startOpenServer();
    ({ owner, person, begin, finish, list, remove, options, signIn, register, renewed, holder, stored, store, claimed } = passkeyClient(server));
  });
  after(() => server?.stop());

  test("is asked for as browsers take it, and names nobody's address to the authenticator's maker", async () => {
    const me = await person();
    const { status, body } = await begin(me);
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body), ["rp", "user", "challenge", "pubKeyCredParams", "timeout", "excludeCredentials", "authenticatorSelection", "attestation"]);
    assert.deepEqual(body.rp, { id: "localhost", name: "localhost" });
    assert.deepEqual([body.user.name, body.user.displayName], [me.email, "Ada"]);
    assert.equal(Buffer.from(body.user.id, "base64url").length, 32);
    assert.equal(Buffer.from(body.challenge, "base64url").length, 32);
    assert.deepEqual(body.pubKeyCredParams, [-8, -7, -257].map((alg) => ({ type: "public-key", alg })));
    assert.deepEqual(body.authenticatorSelection, { residentKey: "required", requireResidentKey: true, userVerification: "required" });
    assert.deepEqual([body.timeout, body.excludeCredentials, body.attestation], [300_000, [], "none"]);
    const again = (await begin(me)).body;
    assert.equal(again.user.id, body.user.id);
    assert.notEqual(again.challenge, body.challenge);
    assert.notEqual((await begin(await person())).body.user.id, body.user.id);
  });

  for (const kind of ALL_KINDS) {
    test(`${kind}: is listed, renamed, signs in, and is removed`, async () => {
      const me = await holder({ kind });
      const { passkey } = me;
      const [shown, ...more] = await list(me);
      const { created_at: createdAt, last_used_at: lastUsedAt, ...rest } = shown;
      assert.deepEqual([more, lastUsedAt, Math.abs(Date.now() - createdAt) < 60_000], [[], null, true]);
      assert.deepEqual(rest, { id: passkey.text, name: "laptop", registered_for: "sign_in", aaguid: "07070707-0707-0707-0707-070707070707", can_sign_in: true, is_backup_eligible: false, is_backed_up: false, transports: ["internal"] });
      assert.equal(await claimed(passkey), me.account);
      const renamed = await owner.send("PATCH", `${AUTH}/passkeys/${passkey.text}`, { bearer: me.bearer, body: { name: " phone " } });
      assert.deepEqual([renamed.status, renamed.body], [200, { success: true }], renamed.text);
      assert.equal((await list(me))[0].name, "phone");
      const { excludeCredentials } = (await begin(me)).body;
      assert.deepEqual(excludeCredentials, [{ type: "public-key", id: passkey.text, transports: ["internal"] }]);

      const tokens = granted(await signIn(passkey));
      assert.deepEqual([claimsOf(tokens.access_token).sub, claimsOf(tokens.access_token).amr], [me.account, ["pop", "user", "mfa"]]);
      assert.ok((await list(me))[0].last_used_at >= createdAt);

      const removed = await remove(me, passkey);
      assert.deepEqual([removed.status, removed.body], [200, { success: true }], removed.text);
      // What was removed opens nothing any more, and the session that asked goes on.
      refused(await owner.validate(tokens.access_token, "strict"), 401, "session_revoked");
      const next = await renewed(me);
      assert.deepEqual([await list(next), await claimed(passkey)], [[], undefined]);
      refused(await signIn(passkey), 401, "invalid_credentials");
      const trail = await audited(server, me);
      for (const event of ["passkey_registered", "passkey_removed"]) assert.ok(trail.includes(`${event}:${passkey.text}`), trail);
      // The owner is told of both, and neither mail names the passkey.
      for (const subject of ["Your account has a new passkey", "A passkey was removed from your account"]) {
        const mail = await until(subject, async () => (await owner.mails(me.email)).find((found) => found.subject === subject), 60);
        assert.ok(!mail.text.includes(passkey.text) && mail.link === undefined, mail.text);
      }
      refused(await remove(next, passkey), 404, "not_found");
      // Its id is free again.
      await register(next, passkey);
    });
  }

  test("asks for the owner, and for a session", async () => {
    const me = await person();
    const bearer = me.bearer;
    refused(await owner.post("passkeys/registration", {}), 401, "token_missing");
    refused(await owner.post("passkeys/registration", {}, { bearer }), 400, "invalid_request");
    refused(await begin(me, { current_password: "not it at all" }), 403, "current_password_wrong");
    refused(await begin(me, { purpose: "everything" }), 400, "invalid_request");
    const passkey = new SoftwarePasskey();
    const made = passkey.create((await begin(me)).body);
    refused(await owner.post("passkeys", { name: "x", credential: made }), 401, "token_missing");
    refused(await owner.send("GET", `${AUTH}/passkeys`), 401, "token_missing");
    for (const body of [{}, { name: "", credential: made }, { name: "x" }, { name: "x", credential: "text" }, { name: "x", credential: { ...made, type: "password" } }, { name: "x", credential: { ...made, id: "not base64url!" } }, { name: "x", credential: { ...made, response: {} } }, { name: "x", credential: { ...made, response: { ...made.response, attestationObject: `${made.response.attestationObject}=` } } }]) {
      refused(await owner.post("passkeys", body, { bearer }), 400, "invalid_request");
    }
    await register(me, passkey);
    refused(await remove(me, passkey, {}), 400, "invalid_request");
    refused(await remove(me, passkey, { current_password: "not it at all" }), 403, "current_password_wrong");
    for (const id of ["AAAA", "not base64url!", "x".repeat(2000)]) refused(await remove(me, { text: encodeURIComponent(id) }), 404, "not_found");
    const other = await person();
    refused(await remove(other, passkey), 404, "not_found");
    refused(await owner.send("PATCH", `${AUTH}/passkeys/${passkey.text}`, { bearer: other.bearer, body: { name: "mine" } }), 404, "not_found");
  });

  test("what is wrong registers nothing, names the step, and uses the challenge up", async () => {
    const me = await person();
    const wrongs = {
      type_mismatch: { clientData: { type: "webauthn.get" } },
      challenge_mismatch: { clientData: { challenge: "AAAA" } },
      origin_not_allowed: { clientData: { origin: "https://evil.example" } },
      cross_origin: { clientData: { crossOrigin: true } },
      relying_party_mismatch: { relyingParty: "evil.example" },
      user_not_present: { flags: 4 | 64 },
      user_not_verified: { flags: 1 | 64 },
      authenticator_data_malformed: { trailing: Buffer.from([0]) },
      key_not_allowed: { key: new Map([[1, 2], [3, -7], [-1, 1], [-2, Buffer.alloc(32, 1)], [-3, Buffer.alloc(32, 1)]]) },
    };
    for (const [step, wrong] of Object.entries(wrongs)) {
      const passkey = new SoftwarePasskey();
      const { body } = await begin(me);
      const { errors } = refused(await finish(me, passkey.create(body, wrong)), 400, "passkey_invalid");
      assert.deepEqual(errors, [{ field: "credential", rule: step }]);
      assert.equal(await claimed(passkey), undefined);
      refused(await finish(me, passkey.create(body)), 409, "no_pending_change");
    }
    assert.deepEqual(await list(me), []);
  });

  test("a response registers once, and for nobody else", async () => {
    const [me, other] = [await person(), await person()];
    const passkey = new SoftwarePasskey();
    const made = passkey.create((await begin(me)).body);
    // Somebody else's registration waits, too.
    const theirs = (await begin(other)).body;
    refused(await finish(other, made), 400, "passkey_invalid");
    assert.equal((await finish(me, made)).status, 201);
    refused(await finish(me, made), 409, "passkey_exists");
    // The same passkey for another account, as an authenticator would make it that does not care.
    refused(await finish(other, passkey.create(theirs)), 409, "passkey_exists");
    const again = passkey.create((await begin(other)).body);
    refused(await finish(other, again), 409, "passkey_exists");
    assert.deepEqual([(await list(me)).length, await list(other), await claimed(passkey)], [1, [], me.account]);
    passkey.create((await begin(me)).body);
    assert.equal(claimsOf(granted(await signIn(passkey)).access_token).sub, me.account);
  });

  test("it expires after five minutes, and fifty answers at once make one passkey", { timeout: 60_000 }, async () => {
    const me = await person();
    const late = (await begin(me)).body;
    const record = await stored(me);
    assert.ok(record.pending.expires_at - Date.now() <= 300_000);
    record.pending.expires_at -= 300_001;
    await store(me, record);
    refused(await finish(me, new SoftwarePasskey().create(late)), 409, "no_pending_change");
    const { body } = await begin(me);
    const answers = await Promise.all(Array.from({ length: 50 }, () => finish(me, new SoftwarePasskey().create(body))));
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    assert.equal((await list(me)).length, 1);
    const { DIRECTORY } = await server.getEnv();
    const { count } = await DIRECTORY.prepare("SELECT COUNT(*) AS count FROM passkeys WHERE account_id = ?").bind(me.account).first();
    assert.equal(count, 1);
  });

  test("an account has twenty", { timeout: 60_000 }, async () => {
    const me = await holder();
    const record = await stored(me);
    const [first] = record.passkeys;
    const others = Array.from({ length: 18 }, (_, number) => ({ ...first, id: Buffer.alloc(16, number).toString("base64url") }));
    await store(me, { ...record, passkeys: [first, ...others] });
    await register(me);
    refused(await begin(me), 409, "too_many_passkeys");
  });

  test("the last way in stays", async () => {
    const closed = await startOpenServer({ vars: { sign_in: { codes: false, links: false } } });
    try {
      const one = client(closed);
      const tokens = await one.account(newAddress());
      const { DIRECTORY } = await closed.getEnv();
      await DIRECTORY.prepare("UPDATE credentials SET password_hash = NULL WHERE account_id = ?").bind(claimsOf(tokens.access_token).sub).run();
      let bearer = tokens.access_token;
      const passkeys = [new SoftwarePasskey(), new SoftwarePasskey()];
      for (const passkey of passkeys) {
        const credential = passkey.create((await one.post("passkeys/registration", {}, { bearer })).body);
        assert.equal((await one.post("passkeys", { name: "x", credential }, { bearer })).status, 201);
      }
      const removed = (passkey) => one.send("DELETE", `${AUTH}/passkeys/${passkey.text}`, { bearer });
      assert.equal((await removed(passkeys[0])).status, 200);
      bearer = granted(await one.post("refresh", { refresh_token: tokens.refresh_token })).access_token;
      refused(await removed(passkeys[1]), 409, "last_way_in");
      const made = (await one.post("passkeys/authentication", {})).body;
      granted(await one.post("passkeys/login", { credential: passkeys[1].get(made) }));
    } finally {
      await closed.stop();
    }
  });

  test("no key lies in the export or in answers, and the export lists passkeys", async () => {
    const me = await holder();
    const { passkeys } = await stored(me);
    const exported = await owner.send("GET", `${AUTH}/me/export`, { bearer: me.bearer });
    assert.deepEqual(exported.body.passkeys, await list(me));
    for (const text of [exported.text, JSON.stringify(await list(me))]) assert.ok(!text.includes(passkeys[0].public_key));
  });

  test("a deployment may have none, or none that sign in", async () => {
    for (const [settings, code] of [[{ enabled: false }, 403], [{ sign_in: false }, 200]]) {
      const some = await startOpenServer({ vars: { passkeys: settings } });
      try {
        const one = client(some);
        const { access_token: bearer } = await one.account(newAddress());
        refused(await one.post("passkeys/authentication", {}), 403, "feature_disabled");
        refused(await one.post("passkeys/login", { credential: new SoftwarePasskey().get(await options()) }), 403, "feature_disabled");
        const begun = await one.post("passkeys/registration", { current_password: PASSWORD }, { bearer });
        assert.equal(begun.status, code, begun.text);
        if (code === 200) assert.equal(begun.body.authenticatorSelection.residentKey, "discouraged");
        refused(await one.post("passkeys/registration", { current_password: PASSWORD, purpose: "sign_in" }, { bearer }), 403, "feature_disabled");
      } finally {
        await some.stop();
      }
    }
  });
});
