// Signing in with a passkey and nothing else.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, client, granted, observed, refused, startOpenServer } from "./support/accounts.mjs";
import { SoftwarePasskey, passkeyClient } from "./support/passkeys.mjs";
import { audited, editAccount } from "./support/people.mjs";

const ELSEWHERE = { headers: { "user-agent": "another device" } };

describe("signing in with a passkey", () => {
  let server;
  let owner, options, present, signIn, holder;
  before(async () => {
    server = await startOpenServer();
    ({ owner, options, present, signIn, holder } = passkeyClient(server));
  });
  after(() => server?.stop());

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
