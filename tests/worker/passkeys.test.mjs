// Passkeys: registered, listed and removed by the bearer, signing in by themselves, and as the second factor.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, claimsOf, client, granted, newAddress, observed, refused, startOpenServer } from "./support/accounts.mjs";
import { codeOf, steady } from "./support/authenticator.mjs";
import { SoftwarePasskey } from "./support/passkeys.mjs";
import { audited, editAccount, sleep, until } from "./support/people.mjs";

const ALL_KINDS = ["ES256", "EdDSA", "RS256"];
const ELSEWHERE = { headers: { "user-agent": "another device" } };

describe("passkeys", () => {
  let server;
  let owner;
  before(async () => {
    server = await startOpenServer();
    owner = client(server);
  });
  after(() => server?.stop());

  const person = async () => {
    const email = newAddress();
    const tokens = await owner.account(email);
    return { email, account: claimsOf(tokens.access_token).sub, bearer: tokens.access_token, ...tokens };
  };
  const begin = (me, body = {}) => owner.post("passkeys/registration", { current_password: PASSWORD, ...body }, { bearer: me.bearer });
  const finish = (me, credential, name = "laptop") => owner.post("passkeys", { name, credential }, { bearer: me.bearer });
  const list = async (me) => (await owner.send("GET", `${AUTH}/passkeys`, { bearer: me.bearer })).body.passkeys;
  const remove = (me, passkey, body = { current_password: PASSWORD }) => owner.send("DELETE", `${AUTH}/passkeys/${passkey.text}`, { bearer: me.bearer, body });
  const options = async () => (await owner.post("passkeys/authentication", {})).body;
  const present = (credential, more) => owner.post("passkeys/login", { credential }, more);
  const signIn = async (passkey, wrong) => present(passkey.get(await options(), wrong));
  const verify = (body, more) => owner.post("2fa/verify", body, more);
  const register = async (me, passkey = new SoftwarePasskey(), body = {}) => {
    const begun = await begin(me, body);
    assert.equal(begun.status, 200, begun.text);
    const done = await finish(me, passkey.create(begun.body));
    assert.equal(done.status, 201, done.text);
    return passkey;
  };
  /** The same session with a new access token: what ends others makes the last one stale. */
  const renewed = async (me) => {
    const tokens = granted(await owner.post("refresh", { refresh_token: me.refresh_token }));
    return { ...me, ...tokens, bearer: tokens.access_token };
  };
  /** Somebody with a passkey. */
  const holder = async (settings) => {
    const me = await person();
    return { ...me, passkey: await register(me, new SoftwarePasskey(settings)) };
  };
  const challenged = ({ status, body, text }, methods) => {
    assert.equal(status, 200, text);
    assert.deepEqual([body.mfa_required, body.methods, body.expires_in], [true, methods, 180], text);
    return body.challenge;
  };
  const storageOf = ({ account }) => server.objectStorage("ACCOUNT", account);
  const stored = async (me) => {
    const [row] = await (await storageOf(me)).exec("SELECT record FROM account WHERE key = 'passkeys'");
    return row && JSON.parse(row.record);
  };
  const store = async (me, record) => (await storageOf(me)).exec("UPDATE account SET record = ? WHERE key = 'passkeys'", JSON.stringify(record));
  const claimed = async (passkey) => {
    const { DIRECTORY } = await server.getEnv();
    return (await DIRECTORY.prepare("SELECT account_id FROM passkeys WHERE credential_id = ?").bind(passkey.text).first())?.account_id;
  };

  describe("registering", () => {
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
  });

  describe("signing in", () => {
    test("is asked for without a name, and nothing is stored", async () => {
      const first = await owner.post("passkeys/authentication", {});
      assert.deepEqual(Object.keys(first.body), ["challenge", "timeout", "rpId", "userVerification"]);
      assert.deepEqual([first.body.rpId, first.body.userVerification, first.body.timeout], ["localhost", "required", 300_000]);
      assert.notEqual((await options()).challenge, first.body.challenge);
      const operations = first.headers.get("x-postern-calls");
      for (const kind of ["account", "intake", "limiter", "d1_statements", "kv_writes"]) assert.ok(!operations.includes(`${kind}=`) || operations.includes(`${kind}=0`), operations);
    });

    test("what is wrong is refused alike, whoever it is about", async () => {
      const [me, other] = [await holder(), await holder({ kind: "EdDSA" })];
      const stranger = Object.assign(new SoftwarePasskey(), { handle: me.passkey.handle });
      const unknown = Object.assign(new SoftwarePasskey(), { handle: Buffer.alloc(32, 1).toString("base64url") });
      const stolen = Object.assign(new SoftwarePasskey(), { handle: me.passkey.handle, id: me.passkey.id });
      const forged = { clientData: { challenge: Buffer.alloc(41, 1).toString("base64url") } };
      const attempts = {
        "an unknown passkey of an account": await signIn(stranger),
        "an account that is none": await signIn(unknown),
        "a known id and another key": await signIn(stolen),
        "another account's handle": await signIn(me.passkey, { response: { userHandle: other.passkey.handle } }),
        "no handle": await signIn(me.passkey, { response: { userHandle: undefined } }),
        "a challenge of nobody's": await signIn(me.passkey, forged),
        "another origin": await signIn(me.passkey, { clientData: { origin: "https://evil.example" } }),
        "another port": await signIn(me.passkey, { clientData: { origin: "http://localhost:8788" } }),
        "a frame": await signIn(me.passkey, { clientData: { crossOrigin: true, topOrigin: "https://evil.example" } }),
        "another ceremony": await signIn(me.passkey, { clientData: { type: "webauthn.create" } }),
        "another relying party": await signIn(me.passkey, { relyingParty: "evil.example" }),
        "nobody present": await signIn(me.passkey, { flags: 4 }),
        "nobody verified": await signIn(me.passkey, { flags: 1 }),
        "backed up all of a sudden": await signIn(me.passkey, { flags: 1 | 4 | 8 | 16 }),
        "no signature": await signIn(me.passkey, { signature: Buffer.alloc(70) }),
        "a signature of r and s": await signIn(me.passkey, { signature: Buffer.alloc(64, 1) }),
        "another Ed25519 signature": await signIn(other.passkey, { signature: Buffer.alloc(64, 1) }),
      };
      const [reference] = Object.values(attempts).map(observed);
      const shownOf = ({ headers, ...rest }) => ({ ...rest, headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith("x-postern-"))) });
      for (const [kind, attempt] of Object.entries(attempts)) {
        refused(attempt, 401, "invalid_credentials");
        assert.deepEqual(shownOf(observed(attempt)), shownOf(reference), kind);
      }
      for (const credential of [undefined, {}, { ...me.passkey.get(await options()), id: "" }]) refused(await owner.post("passkeys/login", { credential }), 400, "invalid_request");
      granted(await signIn(me.passkey));
    });

    test("an assertion works once, for its own account and challenge", async () => {
      const [me, other] = [await holder(), await holder()];
      const asked = await options();
      const made = me.passkey.get(asked);
      const tokens = granted(await present(made));
      assert.equal(claimsOf(tokens.access_token).sub, me.account);
      refused(await present(made), 401, "invalid_credentials");
      refused(await present(made, ELSEWHERE), 401, "invalid_credentials");
      // The same challenge again, newly signed.
      refused(await present(me.passkey.get(asked)), 401, "invalid_credentials");
      // The challenge is nobody's in particular: another account may answer it once.
      assert.equal(claimsOf(granted(await present(other.passkey.get(asked))).access_token).sub, other.account);
      // A's answer under B's name.
      const mixed = me.passkey.get(await options());
      refused(await present({ ...mixed, response: { ...mixed.response, userHandle: other.passkey.handle } }), 401, "invalid_credentials");
      refused(await present({ ...mixed, id: other.passkey.text }), 401, "invalid_credentials");
      granted(await present(mixed));
    });

    test("a challenge expires", async () => {
      const me = await holder();
      const asked = await options();
      const bytes = Buffer.from(asked.challenge, "base64url");
      const end = Number(bytes.readBigUInt64BE(1));
      assert.ok(end > Date.now() / 1000 && end <= Date.now() / 1000 + 301, String(end));
      // Its end is part of what is tagged.
      bytes.writeBigUInt64BE(BigInt(end + 1), 1);
      refused(await present(me.passkey.get({ ...asked, challenge: bytes.toString("base64url") })), 401, "invalid_credentials");
      granted(await present(me.passkey.get(asked)));
    });

    test("of fifty uses of one assertion at once, one lets in", { timeout: 60_000 }, async () => {
      for (const kind of ["ES256", "EdDSA"]) {
        const me = await holder({ kind });
        const made = me.passkey.get(await options());
        const before = (await owner.sessions(me.bearer)).body.sessions.length;
        const answers = await Promise.all(Array.from({ length: 50 }, () => present(made)));
        assert.equal(answers.filter(({ status }) => status === 200).length, 1);
        for (const answer of answers.filter(({ status }) => status !== 200)) refused(answer, 401, "invalid_credentials");
        assert.equal((await owner.sessions(me.bearer)).body.sessions.length, before + 1);
      }
    });

    test("a copy of the authenticator is refused, and told of", async () => {
      const me = await holder({ counts: true });
      const copy = me.passkey.copied();
      granted(await signIn(me.passkey));
      granted(await signIn(me.passkey));
      refused(await signIn(copy), 401, "invalid_credentials");
      granted(await signIn(me.passkey));
      const trail = await audited(server, me);
      assert.equal(trail.filter((line) => line === `passkey_cloned:${me.passkey.text}`).length, 1, trail);
    });

    test("the account's status is asked, after the passkey", async () => {
      for (const [status, code] of [["banned", "account_banned"], ["disabled", "account_disabled"], ["deleted", "account_deleted"], ["pending_verification", "account_unverified"]]) {
        const me = await holder();
        await editAccount(server, me, { status });
        refused(await signIn(me.passkey), 403, code);
        refused(await signIn(me.passkey, { signature: Buffer.alloc(70) }), 401, "invalid_credentials");
      }
    });

    test("a changed password keeps passkeys, and a purged account has none", async () => {
      const me = await holder();
      const changed = await owner.post("change-password", { current_password: PASSWORD, new_password: "a password of tomorrow" }, { bearer: me.bearer });
      assert.equal(changed.status, 200, changed.text);
      granted(await signIn(me.passkey));
      await editAccount(server, me, { status: "purged" });
      refused(await signIn(me.passkey), 403, "account_deleted");
    });

    test("it is limited as passwords are", async () => {
      const strict = await startOpenServer({ vars: { limits: { login_per_pair: { count: 2, period_seconds: 600 }, login_per_source: { count: 3, period_seconds: 600 } } } });
      try {
        const one = client(strict);
        const attempt = async (passkey) => one.post("passkeys/login", { credential: passkey.get((await one.post("passkeys/authentication", {})).body) });
        const strangers = [1, 2, 3].map((number) => Object.assign(new SoftwarePasskey(), { handle: Buffer.alloc(32, number).toString("base64url") }));
        for (const passkey of [strangers[0], strangers[0]]) refused(await attempt(passkey), 401, "invalid_credentials");
        refused(await attempt(strangers[0]), 429, "rate_limited");
        refused(await attempt(strangers[1]), 401, "invalid_credentials");
        refused(await attempt(strangers[2]), 429, "rate_limited");
      } finally {
        await strict.stop();
      }
    });
  });

  describe("as the second factor", () => {
    const guarded = async (settings) => {
      const me = await person();
      return { ...me, passkey: await register(me, new SoftwarePasskey({ verifies: false, ...settings }), { purpose: "second_factor" }) };
    };
    const askedFor = (challenge, more) => owner.post("passkeys/authentication", { challenge }, more);
    const waiting = async (me, methods = ["passkey"]) => challenged(await owner.login(me.email, PASSWORD), methods);

    for (const kind of ALL_KINDS) {
      test(`${kind}: stands behind the password, once`, async () => {
        const me = await guarded({ kind });
        assert.equal((await owner.me(me.bearer)).body.is_2fa_enabled, true);
        const challenge = await waiting(me);
        const asked = await askedFor(challenge);
        assert.equal(asked.status, 200, asked.text);
        assert.deepEqual(asked.body.allowCredentials, [{ type: "public-key", id: me.passkey.text, transports: ["internal"] }]);
        assert.equal(asked.body.userVerification, "discouraged");
        const made = me.passkey.get(asked.body, { response: { userHandle: null } });
        const tokens = granted(await verify({ challenge, passkey: made }));
        assert.deepEqual(claimsOf(tokens.access_token).amr, ["pwd", "pop", "user", "mfa"]);
        refused(await verify({ challenge, passkey: made }), 400, "challenge_invalid");
        refused(await verify({ challenge: await waiting(me), passkey: made }), 400, "second_factor_invalid");
        refused(await askedFor(challenge), 400, "challenge_invalid");
        // By itself it lets nobody in, even if it verifies its user now.
        refused(await signIn(Object.assign(me.passkey.copied(), { verifies: true })), 401, "invalid_credentials");
      });
    }

    test("a passkey that signs in challenges nobody, and answers where something else does", async () => {
      const me = await holder();
      granted(await owner.login(me.email, PASSWORD));
      await steady();
      const { secret } = (await owner.post("2fa/setup", { current_password: PASSWORD }, { bearer: me.bearer })).body;
      assert.equal((await verify({ code: codeOf(secret, -1) }, { bearer: me.bearer })).status, 200);
      const challenge = await waiting(me, ["totp", "backup_code", "passkey"]);
      granted(await verify({ challenge, passkey: me.passkey.get((await askedFor(challenge)).body) }));
      // It is two factors by itself.
      assert.deepEqual(claimsOf(granted(await signIn(me.passkey)).access_token).amr, ["pop", "user", "mfa"]);
    });

    test("a challenge is its login's alone", async () => {
      const [me, other] = [await guarded(), await guarded()];
      const [mine, theirs] = [await waiting(me), await waiting(other)];
      const [asked, askedOther] = [(await askedFor(mine)).body, (await askedFor(theirs)).body];
      assert.notEqual(asked.challenge, askedOther.challenge);
      // Nobody learns of passkeys with a challenge that is made up, or from elsewhere.
      refused(await askedFor(`${mine.slice(0, -1)}${mine.endsWith("A") ? "E" : "A"}`), 400, "challenge_invalid");
      refused(await askedFor(mine, ELSEWHERE), 400, "challenge_invalid");
      const wrongs = [
        other.passkey.get(asked),
        me.passkey.get(askedOther),
        me.passkey.get(await options()),
        { ...me.passkey.get(asked), id: other.passkey.text },
      ];
      for (const passkey of wrongs) refused(await verify({ challenge: mine, passkey }), 400, "second_factor_invalid");
      const right = me.passkey.get(asked);
      refused(await verify({ challenge: mine, passkey: right }, ELSEWHERE), 400, "challenge_invalid");
      refused(await verify({ challenge: theirs, passkey: right }), 400, "second_factor_invalid");
      refused(await verify({ challenge: mine, passkey: right, code: "000000" }), 400, "invalid_request");
      granted(await verify({ challenge: mine, passkey: right }));
      // What is for the second factor signs in nobody by itself.
      const next = (await askedFor(await waiting(me))).body;
      refused(await present(Object.assign(me.passkey, { verifies: true }).get(next)), 401, "invalid_credentials");
    });

    test("the sixth wrong answer waits, and a copy is told of", async () => {
      const me = await guarded({ counts: true });
      const copy = me.passkey.copied();
      const first = await waiting(me);
      granted(await verify({ challenge: first, passkey: me.passkey.get((await askedFor(first)).body) }));
      const challenge = await waiting(me);
      const asked = (await askedFor(challenge)).body;
      refused(await verify({ challenge, passkey: copy.get(asked) }), 400, "second_factor_invalid");
      for (let guess = 0; guess < 4; guess += 1) refused(await verify({ challenge, passkey: me.passkey.get(asked, { signature: Buffer.alloc(70) }) }), 400, "second_factor_invalid");
      refused(await verify({ challenge, passkey: me.passkey.get(asked) }), 400, "challenge_invalid");
      const another = await waiting(me);
      refused(await verify({ challenge: another, passkey: me.passkey.get((await askedFor(another)).body) }), 429, "rate_limited");
      assert.ok((await audited(server, me)).some((line) => line.startsWith("passkey_cloned")));
    });

    test("of fifty answers of one passkey at once, one lets in", { timeout: 60_000 }, async () => {
      const me = await guarded();
      const challenge = await waiting(me);
      const passkey = me.passkey.get((await askedFor(challenge)).body);
      const answers = await Promise.all(Array.from({ length: 50 }, () => verify({ challenge, passkey })));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      for (const answer of answers.filter(({ status }) => status !== 200)) refused(answer, 400, "challenge_invalid");
    });

    test("who has a second factor shows it before passkeys change", async () => {
      const me = await person();
      await steady();
      const { secret } = (await owner.post("2fa/setup", { current_password: PASSWORD }, { bearer: me.bearer })).body;
      const { backup_codes: codes } = (await verify({ code: codeOf(secret, -1) }, { bearer: me.bearer })).body;
      refused(await begin(me), 400, "invalid_request");
      refused(await begin(me, { code: "000000" }), 400, "second_factor_invalid");
      const passkey = await register(me, new SoftwarePasskey(), { backup_code: codes[0] });
      refused(await begin(me, { backup_code: codes[0] }), 400, "second_factor_invalid");
      refused(await remove(me, passkey), 400, "invalid_request");
      // A session that was opened with both a moment ago has shown it.
      const tokens = granted(await signIn(passkey));
      const both = { ...me, bearer: tokens.access_token };
      assert.equal((await begin(both)).status, 200);
      assert.equal((await remove(both, passkey)).status, 200);
      granted(await verify({ challenge: await waiting(me, ["totp", "backup_code"]), backup_code: codes[1] }));
    });
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
