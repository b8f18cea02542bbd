// Where every login asks for a second factor: an account without one gets no session before it has enrolled it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, granted, newAddress, otherThan, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { codeOf, steady } from "./support/authenticator.mjs";
import { OPERATOR_TOKEN, operatorOf } from "./support/operator.mjs";
import { SoftwarePasskey, passkeyClient } from "./support/passkeys.mjs";
import { audited, until } from "./support/people.mjs";

const NEW = "a password of tomorrow";
const ELSEWHERE = { headers: { "user-agent": "another device" } };

describe("where every login asks for a second factor", () => {
  let server;
  let owner, signIn, register;
  before(async () => {
    server = await startOpenServer({ secrets: { POSTERN_OPERATOR_TOKEN: OPERATOR_TOKEN }, vars: { second_factor: { required_for_login: true }, sign_in: { codes: true }, mail: { welcome: true } } });
    ({ owner, signIn, register } = passkeyClient(server));
  });
  after(() => server?.stop());

  const setUp = (challenge, more) => owner.post("2fa/setup", { challenge }, more);
  const verify = (body, more) => owner.post("2fa/verify", body, more);
  const enrolling = ({ status, body, text }) => {
    assert.equal(status, 200, text);
    assert.deepEqual(Object.keys(body).sort(), ["challenge", "enrolment_required", "expires_in", "methods", "mfa_required"], text);
    assert.deepEqual([body.mfa_required, body.methods, body.expires_in, body.enrolment_required], [true, [], 600, true]);
    return body.challenge;
  };
  const newcomer = async () => {
    const email = newAddress();
    const { registration, code } = await owner.signUp(email, { password: PASSWORD });
    return { email, challenge: enrolling(await owner.post("verify-signup", { email, otp: code, registration })) };
  };
  /** Somebody who has just enrolled, with the tokens of that login. */
  const enrolled = async () => {
    const me = await newcomer();
    await steady();
    const begun = await setUp(me.challenge);
    assert.equal(begun.status, 200, begun.text);
    const { status, body, text } = await verify({ challenge: me.challenge, code: codeOf(begun.body.secret, -1) });
    assert.equal(status, 200, text);
    const { backup_codes: codes, ...tokens } = body;
    granted({ status, body: tokens, text });
    return { ...me, ...tokens, codes, secret: begun.body.secret, bearer: tokens.access_token, account: claimsOf(tokens.access_token).sub };
  };

  test("an account without one enrols it, and is let in by its first code", async () => {
    const me = await enrolled();
    assert.equal(new Set(me.codes).size, 10);
    const { amr, acr } = claimsOf(me.access_token);
    assert.deepEqual([amr, acr], [["otp", "mfa"], "urn:postern:acr:2"]);
    assert.equal((await owner.meNow(me.bearer)).body.is_2fa_enabled, true);
    const trail = await audited(server, me);
    for (const event of ["second_factor_enabled", "session_opened"]) assert.equal(trail.filter((line) => line === event).length, 1, trail.join());
    // The owner is greeted once, and told of the factor.
    const mails = await until("the mails", async () => {
      const found = (await owner.mails(me.email)).map(({ subject }) => subject);
      return found.length >= 3 && found;
    }, 60);
    assert.ok(mails.includes("Your account asks for a second factor now"), mails.join());
    assert.equal(mails.length, 3);
    // From then on logins are as ever.
    const { body } = await owner.login(me.email, PASSWORD);
    assert.deepEqual([body.methods, body.enrolment_required], [["totp", "backup_code"], undefined]);
    granted(await verify({ challenge: body.challenge, backup_code: me.codes[0] }));
    refused(await verify({ challenge: me.challenge, code: codeOf(me.secret) }), 400, "challenge_invalid");
  });

  test("nothing is enrolled by whoever has not the login", async () => {
    const [me, other] = [await newcomer(), await newcomer()];
    refused(await owner.post("2fa/setup", {}), 401, "token_missing");
    const forged = me.challenge.slice(0, -1) + (me.challenge.endsWith("A") ? "E" : "A");
    for (const text of ["", "nonsense", forged]) refused(await setUp(text), 400, "challenge_invalid");
    refused(await setUp(me.challenge, ELSEWHERE), 400, "challenge_invalid");
    await steady();
    const [mine, theirs] = [(await setUp(me.challenge)).body.secret, (await setUp(other.challenge)).body.secret];
    refused(await verify({ challenge: me.challenge, code: codeOf(theirs) }), 400, "second_factor_invalid");
    refused(await verify({ challenge: me.challenge, backup_code: "AAAAA-AAAAA" }), 400, "second_factor_invalid");
    refused(await verify({ challenge: me.challenge, code: codeOf(mine) }, ELSEWHERE), 400, "challenge_invalid");
    refused(await verify({ challenge: me.challenge, code: otherThan(codeOf(mine)) }), 400, "second_factor_invalid");
    // Without the secret no code is right, and five wrong ones end it.
    const third = await newcomer();
    for (let guess = 0; guess < 5; guess += 1) refused(await verify({ challenge: third.challenge, code: "000000" }), 400, "second_factor_invalid");
    refused(await verify({ challenge: third.challenge, code: "000000" }), 400, "challenge_invalid");
  });

  test("of fifty first codes at once one lets in", { timeout: 60_000 }, async () => {
    const me = await newcomer();
    await steady();
    const { secret } = (await setUp(me.challenge)).body;
    const answers = await Promise.all(Array.from({ length: 50 }, () => verify({ challenge: me.challenge, code: codeOf(secret) })));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const { status, body } of answers.filter(({ status }) => status !== 200)) {
      assert.ok(["challenge_invalid", "busy"].includes(body.code), `${status} ${body.code}`);
    }
  });

  test("what has been enrolled meanwhile is not replaced: another login that waits has to begin again", async () => {
    const me = await newcomer();
    const second = enrolling(await owner.login(me.email, PASSWORD));
    await steady();
    const { secret } = (await setUp(me.challenge)).body;
    assert.equal((await verify({ challenge: me.challenge, code: codeOf(secret, -1) })).status, 200);
    refused(await setUp(second), 400, "challenge_invalid");
    refused(await verify({ challenge: second, code: codeOf(secret) }), 400, "challenge_invalid");
    const { body } = await owner.login(me.email, PASSWORD);
    granted(await verify({ challenge: body.challenge, code: codeOf(secret) }));
  });

  test("whoever knew the password enrols nothing once it is another", async () => {
    const me = await newcomer();
    const thief = enrolling(await owner.login(me.email, PASSWORD));
    await steady();
    const { secret } = (await setUp(thief)).body;
    const token = tokenOf(await owner.mailed("request-password-reset", me.email, "Reset your password"));
    const reset = await owner.post("reset-password", { token, password: NEW });
    assert.equal(reset.status, 200, reset.text);
    for (const challenge of [thief, me.challenge]) {
      refused(await verify({ challenge, code: codeOf(secret) }), 400, "challenge_invalid");
      refused(await setUp(challenge), 400, "challenge_invalid");
    }
    enrolling(await owner.login(me.email, NEW));
  });

  test("a login that is not let in enrols nothing", async () => {
    const me = await newcomer();
    await steady();
    const { secret } = (await setUp(me.challenge)).body;
    const account = Buffer.from(me.challenge.slice(4), "base64url").subarray(1, 17).toString("hex");
    const storage = await server.objectStorage("ACCOUNT", account);
    const [{ record }] = await storage.exec("SELECT record FROM account WHERE key = 'account'");
    const put = (changed) => storage.exec("UPDATE account SET record = ? WHERE key = 'account'", JSON.stringify({ ...JSON.parse(record), ...changed }));
    await put({ credential_version: JSON.parse(record).credential_version + 1 });
    refused(await verify({ challenge: me.challenge, code: codeOf(secret) }), 401, "invalid_credentials");
    const [{ factors }] = await storage.exec("SELECT record AS factors FROM account WHERE key = 'factors'");
    assert.deepEqual([JSON.parse(factors).totp, JSON.parse(factors).backup], [null, null]);
    await put({});
    assert.equal((await verify({ challenge: me.challenge, code: codeOf(secret) })).status, 200);
  });

  describe("a passkey is enrolled by the login itself", () => {
    const begin = (challenge, body = {}, more) => owner.post("passkeys/registration", { challenge, ...body }, more);
    const finish = (challenge, credential, more) => verify({ challenge, registration: { name: "laptop", credential } }, more);
    /** The options for a new passkey of a login that waits. */
    const begun = async (challenge, body) => {
      const answer = await begin(challenge, body);
      assert.equal(answer.status, 200, answer.text);
      return answer.body;
    };
    const accountOf = (challenge) => Buffer.from(challenge.slice(4), "base64url").subarray(1, 17).toString("hex");
    const passkeysOf = async (challenge) => {
      const storage = await server.objectStorage("ACCOUNT", accountOf(challenge));
      const [row] = await storage.exec("SELECT record FROM account WHERE key = 'passkeys'");
      return row === undefined ? [] : JSON.parse(row.record).passkeys;
    };
    const claimed = async ({ text }) => {
      const { DIRECTORY } = await server.getEnv();
      return (await DIRECTORY.prepare("SELECT COUNT(*) AS count FROM passkeys WHERE credential_id = ?").bind(text).first()).count;
    };

    test("which is let in by it, and guarded by it from then on", async () => {
      const me = await newcomer();
      const passkey = new SoftwarePasskey();
      const options = await begun(me.challenge);
      assert.deepEqual([options.user.name, options.authenticatorSelection.userVerification], [me.email, "required"]);
      assert.deepEqual(await passkeysOf(me.challenge), [], "nothing is kept before it has answered");
      const { status, body, text } = await finish(me.challenge, passkey.create(options));
      assert.equal(status, 200, text);
      const { backup_codes: codes, ...tokens } = body;
      granted({ status, body: tokens, text });
      assert.equal(new Set(codes).size, 10);
      const { amr, acr, sub: account } = claimsOf(tokens.access_token);
      assert.deepEqual([amr, acr], [["otp", "pop", "user", "mfa"], "urn:postern:acr:2"]);
      assert.equal((await owner.me(tokens.access_token)).body.is_2fa_enabled, true);
      const trail = await audited(server, { account });
      assert.deepEqual(trail.sort(), [`passkey_registered:${passkey.text}`, "session_opened"]);
      // The same again is nobody's.
      refused(await finish(me.challenge, passkey.create(options)), 400, "challenge_invalid");
      const next = (await owner.login(me.email, PASSWORD)).body;
      assert.deepEqual([next.methods, next.enrolment_required], [["backup_code", "passkey"], undefined]);
      const asked = (await owner.post("passkeys/authentication", { challenge: next.challenge })).body;
      granted(await verify({ challenge: next.challenge, passkey: passkey.get(asked) }));
      granted(await signIn(passkey));
      const other = (await owner.login(me.email, PASSWORD)).body;
      granted(await verify({ challenge: other.challenge, backup_code: codes[0] }));
    });

    test("also one that stands behind the password alone", async () => {
      const me = await newcomer();
      const passkey = new SoftwarePasskey({ verifies: false });
      const { status, body, text } = await finish(me.challenge, passkey.create(await begun(me.challenge, { purpose: "second_factor" })));
      assert.equal(status, 200, text);
      assert.equal(claimsOf(body.access_token).acr, "urn:postern:acr:2");
      refused(await signIn(passkey), 401, "invalid_credentials");
    });

    test("by nobody who has not the login, and not by what is wrong", async () => {
      const [me, other] = [await newcomer(), await newcomer()];
      refused(await owner.post("passkeys/registration", {}), 401, "token_missing");
      const forged = me.challenge.slice(0, -1) + (me.challenge.endsWith("A") ? "E" : "A");
      for (const text of ["", "nonsense", forged]) refused(await begin(text), 400, "challenge_invalid");
      refused(await begin(me.challenge, {}, ELSEWHERE), 400, "challenge_invalid");
      const passkey = new SoftwarePasskey();
      refused(await finish(me.challenge, passkey.create(await begun(other.challenge))), 400, "second_factor_invalid");
      const wrongs = [{ clientData: { challenge: "AAAA" } }, { clientData: { origin: "https://evil.example" } }, { relyingParty: "evil.example" }, { flags: 0 }, { flags: 65 }];
      for (const wrong of wrongs.slice(0, 3)) refused(await finish(me.challenge, passkey.create(await begun(me.challenge), wrong)), 400, "second_factor_invalid");
      refused(await finish(me.challenge, passkey.create(await begun(me.challenge)), ELSEWHERE), 400, "challenge_invalid");
      // A wrong answer uses the registration up, and five of them the login.
      const options = await begun(other.challenge);
      for (const wrong of wrongs.slice(3)) refused(await finish(other.challenge, passkey.create(options, wrong)), 400, "second_factor_invalid");
      refused(await finish(other.challenge, passkey.create(options)), 400, "second_factor_invalid");
      const third = await newcomer();
      for (let guess = 0; guess < 5; guess += 1) refused(await finish(third.challenge, passkey.create(options)), 400, "second_factor_invalid");
      refused(await finish(third.challenge, passkey.create(await begun(third.challenge))), 400, "challenge_invalid");
      for (const { challenge } of [me, other, third]) assert.deepEqual(await passkeysOf(challenge), []);
      assert.equal(await claimed(passkey), 0, "its id is free again");
      // And with none of that it works.
      assert.equal((await finish(me.challenge, passkey.create(await begun(me.challenge)))).status, 200);
      assert.equal(await claimed(passkey), 1);
    });

    test("no second one, nor over a factor that has come meanwhile", async () => {
      const me = await newcomer();
      const [first, second, thief] = [me.challenge, enrolling(await owner.login(me.email, PASSWORD)), enrolling(await owner.login(me.email, PASSWORD))];
      const options = await begun(thief);
      const passkey = new SoftwarePasskey();
      assert.equal((await finish(first, passkey.create(await begun(first)))).status, 200);
      refused(await begin(second), 400, "challenge_invalid");
      refused(await setUp(second), 400, "challenge_invalid");
      refused(await finish(thief, new SoftwarePasskey().create(options)), 400, "challenge_invalid");
      // An ordinary login that waits registers none.
      const { challenge } = (await owner.login(me.email, PASSWORD)).body;
      refused(await begin(challenge), 400, "challenge_invalid");
      refused(await finish(challenge, new SoftwarePasskey().create(options)), 400, "second_factor_invalid");
      assert.equal((await passkeysOf(first)).length, 1);
      // Nor does one whose id is somebody else's.
      const stranger = await newcomer();
      refused(await finish(stranger.challenge, passkey.create(await begun(stranger.challenge))), 409, "passkey_exists");
    });

    test("once, of fifty answers at the same time", { timeout: 60_000 }, async () => {
      const me = await newcomer();
      const passkey = new SoftwarePasskey();
      const credential = passkey.create(await begun(me.challenge));
      const answers = await Promise.all(Array.from({ length: 50 }, () => finish(me.challenge, credential)));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1, JSON.stringify(answers.map(({ status, body }) => body.code ?? status)));
      assert.equal((await passkeysOf(me.challenge)).length, 1);
      assert.equal(await claimed(passkey), 1);
    });

    test("not where the login is not let in", async () => {
      const me = await newcomer();
      const passkey = new SoftwarePasskey();
      const credential = passkey.create(await begun(me.challenge));
      const storage = await server.objectStorage("ACCOUNT", accountOf(me.challenge));
      const [{ record }] = await storage.exec("SELECT record FROM account WHERE key = 'account'");
      const put = (changed) => storage.exec("UPDATE account SET record = ? WHERE key = 'account'", JSON.stringify({ ...JSON.parse(record), ...changed }));
      await put({ credential_version: JSON.parse(record).credential_version + 1 });
      refused(await finish(me.challenge, credential), 401, "invalid_credentials");
      assert.deepEqual([await passkeysOf(me.challenge), await claimed(passkey)], [[], 0]);
      await put({});
      assert.equal((await finish(me.challenge, credential)).status, 200);
    });
  });

  test("a passkey is one", async () => {
    const me = await enrolled();
    const passkey = await register(me, new SoftwarePasskey());
    granted(await signIn(passkey));
    const disabled = await owner.post("2fa/disable", { current_password: PASSWORD, backup_code: me.codes[0] }, { bearer: me.bearer });
    assert.equal(disabled.status, 200, disabled.text);
    const { body } = await owner.login(me.email, PASSWORD);
    assert.deepEqual([body.methods, body.enrolment_required], [["passkey"], undefined]);
    refused(await setUp(body.challenge), 400, "challenge_invalid");
    const asked = (await owner.post("passkeys/authentication", { challenge: body.challenge })).body;
    const { access_token: bearer } = granted(await verify({ challenge: body.challenge, passkey: passkey.get(asked) }));
    // It gets backup codes, and an operator frees whoever has lost it.
    assert.equal((await owner.meNow(bearer)).body.is_2fa_enabled, true);
    assert.equal((await owner.post("2fa/backup-codes", {}, { bearer })).body.backup_codes.length, 10);
    const { status, body: removed } = await operatorOf(server).order(me, "remove-second-factor", { reason: "lost the key" });
    assert.deepEqual([status, removed], [200, { removed: true }]);
    refused(await signIn(passkey), 401, "invalid_credentials");
    enrolling(await owner.login(me.email, PASSWORD));
  });
});
