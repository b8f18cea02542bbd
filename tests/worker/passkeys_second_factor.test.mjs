// Passkeys as the second factor.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, claimsOf, granted, refused, startOpenServer } from "./support/accounts.mjs";
import { codeOf, steady } from "./support/authenticator.mjs";
import { SoftwarePasskey, passkeyClient } from "./support/passkeys.mjs";
import { audited } from "./support/people.mjs";

const ALL_KINDS = ["ES256", "EdDSA", "RS256"];
const ELSEWHERE = { headers: { "user-agent": "another device" } };

describe("passkeys as the second factor", () => {
  let server;
  let owner, person, begin, remove, options, present, signIn, verify, register, holder, challenged, renewed;
  before(async () => {
    server = await startOpenServer();
    ({ owner, person, begin, remove, options, present, signIn, verify, register, holder, challenged, renewed } = passkeyClient(server));
  });
  after(() => server?.stop());

  const guarded = async (settings) => {
    const me = await person();
    return { ...me, passkey: await register(me, new SoftwarePasskey({ verifies: false, ...settings }), { purpose: "second_factor" }) };
  };
  const askedFor = (challenge, more) => owner.post("passkeys/authentication", { challenge }, more);
  const waiting = async (me, methods = ["passkey"]) => challenged(await owner.login(me.email, PASSWORD), methods);

  for (const kind of ALL_KINDS) {
    test(`${kind}: stands behind the password, once`, async () => {
      const me = await guarded({ kind });
      assert.equal((await owner.meNow(me.bearer)).body.is_2fa_enabled, true);
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

  test("what was begun before there was a factor is finished by nobody who has not shown it", async () => {
    const me = await person();
    const thief = new SoftwarePasskey();
    const made = thief.create((await begin(me)).body);
    await steady();
    const { secret } = (await owner.post("2fa/setup", { current_password: PASSWORD }, { bearer: me.bearer })).body;
    assert.equal((await verify({ code: codeOf(secret, -1) }, { bearer: me.bearer })).status, 200);
    const copied = await renewed(me);
    const answer = await owner.post("passkeys", { name: "thief", credential: made }, { bearer: copied.bearer });
    refused(answer, 409, "no_pending_change");
    refused(await signIn(thief), 401, "invalid_credentials");
    // With the factor it is begun anew, and that is finished.
    const begun = await begin(copied, { code: codeOf(secret) });
    assert.equal(begun.status, 200, begun.text);
    const own = new SoftwarePasskey();
    assert.equal((await owner.post("passkeys", { name: "own", credential: own.create(begun.body) }, { bearer: copied.bearer })).status, 201);
  });

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

  test("has backup codes behind it, for a session that has shown it, and no longer than it is there", async () => {
    const me = await guarded();
    const codesOf = (body, bearer = me.bearer) => owner.post("2fa/backup-codes", body, { bearer });
    refused(await codesOf({}), 401, "reauthentication_required");
    refused(await codesOf({ code: "000000" }), 409, "second_factor_conflict");
    refused(await codesOf({}, (await person()).bearer), 409, "second_factor_conflict");
    const options = (await owner.post("reauthenticate/passkey", undefined, { bearer: me.bearer })).body;
    const bearer = (await owner.post("reauthenticate", { passkey: me.passkey.get(options) }, { bearer: me.bearer })).body.access_token;
    const { status, body, text } = await codesOf({}, bearer);
    assert.equal(status, 200, text);
    assert.equal(body.backup_codes.length, 10);
    const challenge = await waiting(me, ["backup_code", "passkey"]);
    refused(await verify({ challenge, code: "000000" }), 400, "second_factor_invalid");
    granted(await verify({ challenge, backup_code: body.backup_codes[0] }));
    refused(await verify({ challenge: await waiting(me, ["backup_code", "passkey"]), backup_code: body.backup_codes[0] }), 400, "second_factor_invalid");
    // A code is not what removes the factor, and without the factor it is none.
    refused(await owner.post("2fa/disable", { current_password: PASSWORD, backup_code: body.backup_codes[1] }, { bearer }), 409, "second_factor_conflict");
    assert.equal((await remove(me, me.passkey, { current_password: PASSWORD, backup_code: body.backup_codes[2] })).status, 200);
    const tokens = granted(await owner.login(me.email, PASSWORD));
    const { second_factor: left } = (await owner.send("GET", `${AUTH}/me/export`, { bearer: tokens.access_token })).body;
    assert.deepEqual(left, { enabled: false, backup_codes_left: 0 });
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
    refused(await begin(me), 401, "reauthentication_required");
    refused(await begin(me, { code: "000000" }), 400, "second_factor_invalid");
    const passkey = await register(me, new SoftwarePasskey(), { backup_code: codes[0] });
    refused(await begin(me, { backup_code: codes[0] }), 400, "second_factor_invalid");
    refused(await remove(me, passkey), 401, "reauthentication_required");
    // A session that was opened with both a moment ago has shown it.
    const tokens = granted(await signIn(passkey));
    const both = { ...me, bearer: tokens.access_token };
    assert.equal((await begin(both)).status, 200);
    assert.equal((await remove(both, passkey)).status, 200);
    granted(await verify({ challenge: await waiting(me, ["totp", "backup_code"]), backup_code: codes[1] }));
  });
});
