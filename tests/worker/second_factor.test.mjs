// Second factors: an authenticator and backup codes, and the challenge that stands between a first factor and a session.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, client, granted, newAddress, otherThan, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { codeOf, enrol, secretBytes, steady } from "./support/authenticator.mjs";
import { claimsOf, settled, until } from "./support/people.mjs";
import { readQr } from "./support/qr.mjs";

describe("second factors", () => {
  let server;
  let owner;
  before(async () => {
    server = await startOpenServer({ vars: { sign_in: { codes: true, links: true } } });
    owner = client(server);
  });
  after(() => server?.stop());

  const verify = (body, options) => owner.post("2fa/verify", body, options);
  const begin = (me) => owner.post("2fa/setup", { current_password: PASSWORD }, { bearer: me.access_token });
  const person = async () => {
    const email = newAddress();
    const tokens = await owner.account(email);
    return { email, account: claimsOf(tokens.access_token).sub, ...tokens };
  };
  /** Somebody with an authenticator, confirmed by the code of the step before, and backup codes. */
  const enrolled = async () => {
    const me = await person();
    return { ...me, ...(await enrol(owner, me, PASSWORD)) };
  };
  const challenged = ({ status, body, text }) => {
    assert.equal(status, 200, text);
    assert.deepEqual(Object.keys(body).sort(), ["challenge", "expires_in", "methods", "mfa_required"], text);
    assert.deepEqual([body.mfa_required, body.methods, body.expires_in], [true, ["totp", "backup_code"], 180]);
    return body.challenge;
  };
  const challenge = async (me) => challenged(await owner.login(me.email, PASSWORD));
  const storageOf = ({ account }) => server.objectStorage("ACCOUNT", account);
  const storedFactors = async (me) => {
    const [row] = await (await storageOf(me)).exec("SELECT record FROM account WHERE key = 'factors'");
    return row?.record;
  };

  test("an authenticator is enrolled, asked for, and let in with", async () => {
    const me = await enrolled();
    assert.match(me.secret, /^[A-Z2-7]{32}$/);
    assert.ok(me.uri.startsWith("otpauth://totp/") && me.uri.includes(`secret=${me.secret}`), me.uri);
    assert.equal(me.codes.length, 10);
    assert.equal((await owner.meNow(me.access_token)).body.is_2fa_enabled, true);

    const tokens = granted(await verify({ challenge: await challenge(me), code: codeOf(me.secret) }));
    assert.deepEqual(claimsOf(tokens.access_token).amr, ["pwd", "otp", "mfa"]);
    // The code of the next step is within the skew, and new.
    granted(await verify({ challenge: await challenge(me), code: codeOf(me.secret, 1) }));
    // What was used, and what is older, lets nobody in.
    for (const steps of [1, 0]) {
      refused(await verify({ challenge: await challenge(me), code: codeOf(me.secret, steps) }), 400, "second_factor_invalid");
    }
  });

  test("an app reads the secret from the screen", async () => {
    for (const who of ["a", `a&b<'"+${"long".repeat(10)}`]) {
      const email = who === "a" ? newAddress() : newAddress(who.replaceAll(/[^\w+']/g, ""));
      const bearer = (await owner.account(email)).access_token;
      refused(await owner.post("2fa/setup", { current_password: PASSWORD, qr: "yes" }, { bearer }), 400, "invalid_request");
      const { status, body, text } = await owner.post("2fa/setup", { current_password: PASSWORD, qr: true }, { bearer });
      assert.equal(status, 200, text);
      assert.equal(readQr(body.qr), body.uri);
      assert.ok(body.qr.length < 16_384, `${body.qr.length} bytes`);
    }
  });

  test("every login is challenged, and none gets tokens", async () => {
    const me = await enrolled();
    await challenge(me);
    const { code } = await owner.mailed("request-otp", me.email, "Your code to sign in");
    const byCode = challenged(await owner.post("verify-login", { email: me.email, otp: code }));
    const link = tokenOf(await owner.mailed("request-login-link", me.email, "Your link to sign in"));
    const byLink = challenged(await owner.post("verify-login-link", { token: link }));
    const tokens = granted(await verify({ challenge: byCode, backup_code: me.codes[0] }));
    assert.deepEqual(claimsOf(tokens.access_token).amr, ["otp", "mfa"]);
    granted(await verify({ challenge: byLink, backup_code: me.codes[1] }));
    // A link works once: no way around the factor by using it again.
    refused(await owner.post("verify-login-link", { token: link }), 400, "code_invalid");
  });

  test("a sign-up that is repeated has shown no second factor", async () => {
    const email = newAddress();
    const { registration, code } = await owner.signUp(email, { password: PASSWORD });
    const signUp = () => owner.post("verify-signup", { email, otp: code, registration });
    const me = granted(await signUp());
    await steady();
    const { body } = await begin(me);
    // Until the authenticator is confirmed, whoever lost the answer gets it again.
    granted(await signUp());
    const confirmed = await verify({ code: codeOf(body.secret, -1) }, { bearer: me.access_token });
    const again = challenged(await signUp());
    granted(await verify({ challenge: again, backup_code: confirmed.body.backup_codes[0] }));
  });

  test("a reset logs nobody in, and does not go around the factor", async () => {
    const me = await enrolled();
    const waiting = await challenge(me);
    const token = tokenOf(await owner.mailed("request-password-reset", me.email, "Reset your password"));
    const reset = await owner.post("reset-password", { token, password: "a password of tomorrow", code: codeOf(me.secret) });
    assert.deepEqual([reset.status, reset.body], [200, { success: true }]);
    // A login with the old password is over, whatever it is answered with.
    refused(await verify({ challenge: waiting, backup_code: me.codes[0] }), 400, "challenge_invalid");
    challenged(await owner.login(me.email, "a password of tomorrow"));
  });

  test("what is not confirmed guards nothing", async () => {
    const me = await person();
    const { body } = await begin(me);
    refused(await verify({ code: otherThan(codeOf(body.secret)) }, { bearer: me.access_token }), 400, "second_factor_invalid");
    granted(await owner.login(me.email, PASSWORD));
    assert.equal((await owner.meNow(me.access_token)).body.is_2fa_enabled, false);
  });

  test("setting up asks for the owner, and confirming for a session", async () => {
    const me = await person();
    refused(await owner.post("2fa/setup", {}, { bearer: me.access_token }), 400, "invalid_request");
    refused(await owner.post("2fa/setup", { current_password: "not it at all" }, { bearer: me.access_token }), 403, "current_password_wrong");
    refused(await verify({ code: "000000" }), 401, "token_missing");
    refused(await verify({ code: "000000" }, { bearer: me.access_token }), 409, "no_pending_change");
    refused(await owner.post("2fa/disable", { current_password: PASSWORD, code: "000000" }, { bearer: me.access_token }), 409, "second_factor_conflict");
    const guarded = await enrolled();
    // Whoever has one shows it first; a second authenticator there is not even then.
    refused(await begin(guarded), 401, "reauthentication_required");
    refused(await owner.post("2fa/setup", { current_password: PASSWORD, backup_code: guarded.codes[0] }, { bearer: guarded.access_token }), 409, "second_factor_conflict");
  });

  test("the sixth wrong code waits, whatever the challenge", async () => {
    const me = await enrolled();
    const first = await challenge(me);
    const wrong = () => otherThan(codeOf(me.secret, 4));
    for (let guess = 0; guess < 5; guess += 1) refused(await verify({ challenge: first, code: wrong() }), 400, "second_factor_invalid");
    refused(await verify({ challenge: first, code: codeOf(me.secret) }), 400, "challenge_invalid");
    const paused = await verify({ challenge: await challenge(me), code: codeOf(me.secret) });
    refused(paused, 429, "rate_limited");
    assert.ok(Number(paused.headers.get("retry-after")) > 0);
    refused(await verify({ challenge: await challenge(me), backup_code: me.codes[0] }), 429, "rate_limited");
  });

  test("a challenge is its login's alone", async () => {
    const [me, other] = [await enrolled(), await enrolled()];
    const mine = await challenge(me);
    refused(await verify({ challenge: mine, backup_code: other.codes[0] }), 400, "second_factor_invalid");
    const elsewhere = { headers: { "user-agent": "another device" } };
    refused(await verify({ challenge: mine, backup_code: me.codes[0] }, elsewhere), 400, "challenge_invalid");
    const forged = mine.slice(0, -1) + (mine.endsWith("A") ? "E" : "A");
    for (const text of ["", "nonsense", forged, me.refresh_token]) {
      refused(await verify({ challenge: text, backup_code: me.codes[0] }), 400, "challenge_invalid");
    }
    granted(await verify({ challenge: mine, backup_code: me.codes[0] }));
    refused(await verify({ challenge: mine, backup_code: me.codes[1] }), 400, "challenge_invalid");
    for (const body of [{ challenge: mine }, { challenge: mine, code: "000000", backup_code: me.codes[2] }]) {
      refused(await verify(body), 400, "invalid_request");
    }
  });

  test("a challenge expires", async () => {
    const me = await enrolled();
    const mine = await challenge(me);
    const factors = JSON.parse(await storedFactors(me));
    for (const waiting of factors.challenges) waiting.expires_at -= 180_001;
    await (await storageOf(me)).exec("UPDATE account SET record = ? WHERE key = 'factors'", JSON.stringify(factors));
    refused(await verify({ challenge: mine, backup_code: me.codes[0] }), 400, "challenge_invalid");
    granted(await verify({ challenge: await challenge(me), backup_code: me.codes[0] }));
  });

  test("of fifty uses of one backup code at once, one lets in", { timeout: 60_000 }, async () => {
    const me = await enrolled();
    const challenges = [];
    for (let login = 0; login < 4; login += 1) challenges.push(await challenge(me));
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => verify({ challenge: challenges[index % 4], backup_code: me.codes[5] })));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const { status, body } of answers.filter(({ status }) => status !== 200)) {
      assert.ok(["second_factor_invalid", "challenge_invalid", "rate_limited"].includes(body.code), `${status} ${body.code}`);
    }
  });

  test("other backup codes take the place of the first", async () => {
    const me = await enrolled();
    const bearer = me.access_token;
    refused(await owner.post("2fa/backup-codes", { code: otherThan(codeOf(me.secret)) }, { bearer }), 400, "second_factor_invalid");
    const { status, body, text } = await owner.post("2fa/backup-codes", { code: codeOf(me.secret) }, { bearer });
    assert.equal(status, 200, text);
    assert.equal(new Set([...body.backup_codes, ...me.codes]).size, 20);
    const waiting = await challenge(me);
    refused(await verify({ challenge: waiting, backup_code: me.codes[0] }), 400, "second_factor_invalid");
    granted(await verify({ challenge: waiting, backup_code: body.backup_codes[0].toLowerCase().replace("-", " ") }));
  });

  test("disabling needs the owner and the factor, and ends the other sessions", async () => {
    const me = await enrolled();
    const bearer = me.access_token;
    const other = granted(await verify({ challenge: await challenge(me), backup_code: me.codes[0] }));
    const disable = (body) => owner.post("2fa/disable", body, { bearer });
    refused(await disable({ code: codeOf(me.secret) }), 400, "invalid_request");
    refused(await disable({ current_password: "not it at all", code: codeOf(me.secret) }), 403, "current_password_wrong");
    refused(await disable({ current_password: PASSWORD }), 400, "invalid_request");
    refused(await disable({ current_password: PASSWORD, code: otherThan(codeOf(me.secret)) }), 400, "second_factor_invalid");
    const done = await disable({ current_password: PASSWORD, code: codeOf(me.secret) });
    assert.deepEqual([done.status, done.body], [200, { success: true }], done.text);
    refused(await owner.validate(other.access_token, "strict"), 401, "session_revoked");
    assert.equal((await owner.post("refresh", { refresh_token: me.refresh_token })).status, 200);
    granted(await owner.login(me.email, PASSWORD));
  });

  test("the owner is told of every change, in their language, and never of a secret", async () => {
    const me = await person();
    const bearer = me.access_token;
    const { secret, codes } = await enrol(owner, me, PASSWORD);
    const told = async (subject) => {
      const found = await until(`${subject} for ${me.email}`, async () => (await owner.mails(me.email)).filter((mail) => mail.subject === subject)[0], 60);
      assert.deepEqual([found.code, found.link], [undefined, undefined]);
      for (const text of [found.text, found.html]) {
        assert.ok(!/\d{6}|[2-9A-Z]{5}-[2-9A-Z]{5}|otpauth/.test(text.replaceAll(/#[0-9a-f]{6}\b/gi, "")), text);
        for (const known of [secret, ...codes]) assert.ok(!text.includes(known));
      }
      return found.language;
    };
    assert.equal(await told("Your account asks for a second factor now"), "en");
    assert.equal((await owner.send("PATCH", `${AUTH}/me`, { body: { locale: "de" }, bearer })).status, 200);
    const replaced = await owner.post("2fa/backup-codes", { code: codeOf(secret) }, { bearer });
    assert.equal(replaced.status, 200, replaced.text);
    codes.push(...replaced.body.backup_codes);
    assert.equal(await told("Ihre Ersatzcodes wurden ersetzt"), "de");
    const disabled = await owner.post("2fa/disable", { current_password: PASSWORD, backup_code: codes[10] }, { bearer });
    assert.equal(disabled.status, 200, disabled.text);
    assert.equal(await told("Ein zweiter Faktor Ihres Kontos wurde entfernt"), "de");
    // Once each, and of nothing else: the sign-up's code is the fourth.
    await settled(server, me);
    assert.equal((await owner.mails(me.email)).length, 4);
  });

  test("what is refused is told to nobody", async () => {
    const me = await person();
    const bearer = me.access_token;
    const { body } = await begin(me);
    refused(await verify({ code: otherThan(codeOf(body.secret)) }, { bearer }), 400, "second_factor_invalid");
    refused(await owner.post("2fa/disable", { current_password: PASSWORD, code: codeOf(body.secret) }, { bearer }), 409, "second_factor_conflict");
    await settled(server, me);
    assert.equal((await owner.mails(me.email)).length, 1);
  });

  test("no secret lies in storage, in the export or in the audit trail", async () => {
    const me = await enrolled();
    const waiting = await challenge(me);
    const rows = await storedFactors(me);
    const { access_token: bearer } = (await owner.post("reauthenticate", { code: codeOf(me.secret) }, { bearer: me.access_token })).body;
    const shown = await owner.send("GET", `${AUTH}/me/export`, { bearer });
    assert.deepEqual(shown.body.second_factor, { enabled: true, backup_codes_left: 10 });
    const events = await until("the audit trail", async () => {
      const { body } = await owner.send("GET", `${AUTH}/me/export`, { bearer });
      return body.events.some(({ event }) => event === "second_factor_enabled") && JSON.stringify(body);
    });
    const bytes = secretBytes(me.secret);
    const secrets = [me.secret, bytes.toString("base64url"), bytes.toString("hex"), waiting, ...me.codes, ...me.codes.map((code) => code.replace("-", ""))];
    for (const text of [rows, shown.text, events]) for (const secret of secrets) assert.ok(!text.includes(secret), secret);
  });
});
