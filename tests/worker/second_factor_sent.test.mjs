// Second factors that are sent: codes by mail and SMS.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, claimsOf, granted, newAddress, otherThan, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { codeOf, enrol } from "./support/authenticator.mjs";
import { phoneClient, startPhoneServer } from "./support/phones.mjs";
import { SoftwarePasskey, passkeyClient } from "./support/passkeys.mjs";
import { sentFactorClient } from "./support/sent_factors.mjs";

const ELSEWHERE = { headers: { "user-agent": "another device" } };
const SUBJECT = "Your code to confirm that it is you";

describe("second factors that are sent", () => {
  let server;
  let owner, verify, send, setUp, codeAfter, kinds, factors, aMinuteLater, enrolled, challenge;
  before(async () => {
    server = await startPhoneServer({ vars: { second_factor: { sms: true }, sign_in: { codes: true } } });
    ({ owner, verify, send, setUp, codeAfter, kinds, factors, aMinuteLater, enrolled, challenge } = sentFactorClient(server));
  });
  after(() => server?.stop());

  for (const method of ["email", "sms"]) {
    test(`${method}: is proven, sent for one login, and lets in once`, async () => {
      const me = await enrolled(method);
      assert.equal((await owner.meNow(me.access_token)).body.is_2fa_enabled, true);
      const [first, second] = [await challenge(me, ["backup_code", method]), await challenge(me, ["backup_code", method])];
      refused(await verify({ challenge: first, method, code: "000000" }), 400, "second_factor_invalid");
      const { code, answer, subject } = await codeAfter(me.to, () => send(first, method));
      assert.deepEqual([answer.sent_to, answer.expires_in, subject], [me.shown, 600, method === "email" ? SUBJECT : ""]);
      // One a minute for the account, whichever login asks.
      for (const waiting of [first, second]) {
        const soon = await send(waiting, method);
        refused(soon, 429, "rate_limited");
        assert.ok(Number(soon.headers.get("retry-after")) <= 60);
      }
      // It is that login's, by that method, on that device.
      refused(await verify({ challenge: second, method, code }), 400, "second_factor_invalid");
      refused(await verify({ challenge: first, method: method === "email" ? "sms" : "email", code }), 400, "second_factor_invalid");
      refused(await verify({ challenge: first, code }), 400, "second_factor_invalid");
      refused(await verify({ challenge: first, method, code }, ELSEWHERE), 400, "challenge_invalid");
      refused(await send(first, method, ELSEWHERE), 400, "challenge_invalid");
      const answers = await Promise.all(Array.from({ length: 50 }, () => verify({ challenge: first, method, code })));
      const right = answers.filter(({ status }) => status === 200);
      assert.equal(right.length, 1);
      assert.deepEqual(claimsOf(granted(right[0]).access_token).amr, ["pwd", me.said, "mfa"]);
      for (const answer of answers.filter(({ status }) => status !== 200)) refused(answer, 400, "challenge_invalid");
      // A newer code ends the older.
      await aMinuteLater(me);
      const { code: old } = await codeAfter(me.to, () => send(second, method));
      await aMinuteLater(me);
      const { code: fresh } = await codeAfter(me.to, () => send(second, method));
      if (old !== fresh) refused(await verify({ challenge: second, method, code: old }), 400, "second_factor_invalid");
      granted(await verify({ challenge: second, method, code: fresh }));
    });
  }

  test("five guesses end a login, and pause the factors", async () => {
    const me = await enrolled("email");
    const waiting = await challenge(me, ["backup_code", "email"]);
    const { code } = await codeAfter(me.to, () => send(waiting, "email"));
    for (let guess = 0; guess < 5; guess += 1) refused(await verify({ challenge: waiting, method: "email", code: otherThan(code) }), 400, "second_factor_invalid");
    refused(await verify({ challenge: waiting, method: "email", code }), 400, "challenge_invalid");
    refused(await verify({ challenge: await challenge(me, ["backup_code", "email"]), backup_code: me.codes[0] }), 429, "rate_limited");
  });

  test("is set up by its owner, for where the account is reached, by the code alone", async () => {
    const [me, other] = [await kinds.email(), await kinds.email()];
    const bearer = me.access_token;
    refused(await owner.post("2fa/setup", { method: "email" }, { bearer }), 400, "invalid_request");
    refused(await setUp(me, "email", { current_password: "not it at all" }), 403, "current_password_wrong");
    refused(await setUp(me, "sms"), 400, "invalid_request");
    refused(await setUp(me, "pigeon"), 400, "invalid_request");
    refused(await verify({ method: "email", code: "000000" }, { bearer }), 409, "no_pending_change");
    const { code } = await codeAfter(me.to, () => setUp(me, "email"));
    refused(await setUp(me, "email"), 429, "rate_limited");
    await codeAfter(other.to, () => setUp(other, "email"));
    refused(await verify({ method: "email", code: otherThan(code) }, { bearer }), 400, "second_factor_invalid");
    refused(await verify({ method: "email", code }, { bearer: other.access_token }), 400, "second_factor_invalid");
    refused(await verify({ method: "sms", code }, { bearer }), 409, "no_pending_change");
    // Until then nothing is asked for.
    granted(await owner.login(me.to, PASSWORD));
    assert.equal((await verify({ method: "email", code }, { bearer })).status, 200);
    refused(await verify({ method: "email", code }, { bearer }), 409, "no_pending_change");
    await challenge(me, ["backup_code", "email"]);
  });

  test("does not stand behind a code that came the same way, nor beside an app's", async () => {
    const me = await enrolled("email");
    const { code: otp } = await owner.mailed("request-otp", me.to, "Your code to sign in");
    const { body } = await owner.post("verify-login", { email: me.to, otp });
    assert.deepEqual(body.methods, ["backup_code"]);
    refused(await send(body.challenge, "email"), 409, "second_factor_conflict");
    granted(await verify({ challenge: body.challenge, backup_code: me.codes[0] }));
    // A session that has shown it may add an app, and keeps its backup codes no longer.
    const waiting = await challenge(me, ["backup_code", "email"]);
    const { code } = await codeAfter(me.to, () => send(waiting, "email"));
    const strong = granted(await verify({ challenge: waiting, method: "email", code }));
    const { secret } = await enrol(owner, strong, PASSWORD);
    const both = await challenge(me, ["totp", "backup_code", "email"]);
    granted(await verify({ challenge: both, code: codeOf(secret) }));
    const { body: exported } = await owner.send("GET", `${AUTH}/me/export`, { bearer: strong.access_token });
    assert.deepEqual(exported.second_factor, { enabled: true, backup_codes_left: 10, email: me.to });
  });

  test("proves within a session that its owner is there, behind the password", async () => {
    const [me, other] = [await enrolled("email"), await enrolled("email")];
    const again = (bearer, body) => owner.post("reauthenticate", { method: "email", ...body }, { bearer });
    const ask = (method = "email") => owner.post("2fa/send", { method }, { bearer: me.access_token });
    refused(await owner.post("2fa/send", { method: "email" }), 401, "token_missing");
    refused(await ask("sms"), 409, "second_factor_conflict");
    const { code, answer } = await codeAfter(me.to, ask);
    assert.equal(answer.sent_to, me.shown);
    refused(await ask(), 429, "rate_limited");
    refused(await again(me.access_token, { code }), 400, "invalid_request");
    refused(await again(me.access_token, { code, current_password: "not it at all" }), 403, "current_password_wrong");
    refused(await again(other.access_token, { code, current_password: PASSWORD }), 400, "second_factor_invalid");
    refused(await again(me.access_token, { code: otherThan(code), current_password: PASSWORD }), 400, "second_factor_invalid");
    // It answers no login, and no other session.
    const waiting = await challenge(me, ["backup_code", "email"]);
    refused(await verify({ challenge: waiting, method: "email", code }), 400, "second_factor_invalid");
    const second = granted(await verify({ challenge: waiting, backup_code: me.codes[0] }));
    refused(await again(second.access_token, { code, current_password: PASSWORD }), 400, "second_factor_invalid");
    const answers = await Promise.all(Array.from({ length: 4 }, () => again(me.access_token, { code, current_password: PASSWORD })));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    const { body } = answers.find(({ status }) => status === 200);
    assert.deepEqual(claimsOf(body.access_token).amr, ["otp", "pwd", "mfa"]);
    assert.equal((await owner.send("GET", `${AUTH}/me/export`, { bearer: body.access_token })).status, 200);
  });

  test("goes where it was proven, and no code lies in storage", async () => {
    const me = await enrolled("email");
    const waiting = await challenge(me, ["backup_code", "email"]);
    const { code } = await codeAfter(me.to, () => send(waiting, "email"));
    const { record } = await factors(me);
    assert.ok(!JSON.stringify(record).includes(`"${code}"`));
    const strong = granted(await verify({ challenge: waiting, method: "email", code }));
    // Another address of the account moves no factor: whoever changes the one has not the other.
    const to = newAddress();
    const { status, text } = await owner.post("request-email-change", { email: to, current_password: PASSWORD }, { bearer: strong.access_token });
    assert.equal(status, 202, text);
    const [{ code: otp }] = await owner.untilMails(to, 1);
    assert.equal((await owner.post("confirm-email-change", { email: to, otp }, { bearer: strong.access_token })).status, 200);
    const moved = { ...me, login: { email: to } };
    await aMinuteLater(me);
    const next = await challenge(moved, ["backup_code", "email"]);
    const again = await codeAfter(me.to, () => send(next, "email"));
    assert.equal(again.answer.sent_to, me.shown);
    granted(await verify({ challenge: next, method: "email", code: again.code }));
  });

  test("a reset asks for nothing that is sent, and the next login does", async () => {
    const me = await enrolled("sms");
    const { code: otp } = await owner.texted("request-password-reset", me.to);
    const reset = await owner.post("reset-password", { phone: me.to, otp, password: "a password of tomorrow" });
    assert.equal(reset.status, 200, reset.text);
    const { body } = await owner.post("login", { phone: me.to, password: "a password of tomorrow" });
    assert.deepEqual(body.methods, ["backup_code", "sms"]);
  });

  test("a mailbox alone does not open an account that has a passkey beside it", async () => {
    const me = await enrolled("email");
    await passkeyClient(server).register({ ...me, bearer: me.access_token }, new SoftwarePasskey({ verifies: false }), { purpose: "second_factor", backup_code: me.codes[0] });
    const { code: otp, link } = await owner.mailed("request-password-reset", me.to, "Reset your password");
    const proof = link === undefined ? { email: me.to, otp } : { token: tokenOf({ link }) };
    const reset = (more) => owner.post("reset-password", { ...proof, password: "a password of tomorrow", ...more });
    refused(await reset(), 403, "second_factor_required");
    const { status, text } = await reset({ backup_code: me.codes[1] });
    assert.equal(status, 200, text);
  });
});

describe("where nothing is sent", () => {
  test("neither is offered, and SMS are not unless it is said", async () => {
    const server = await startOpenServer({ vars: { second_factor: { email: false } } });
    try {
      const owner = phoneClient(server);
      const { access_token: bearer } = await owner.account(newAddress());
      for (const method of ["email", "sms"]) {
        refused(await owner.post("2fa/setup", { method, current_password: PASSWORD }, { bearer }), 403, "feature_disabled");
        refused(await owner.post("2fa/verify", { method, code: "000000" }, { bearer }), 403, "feature_disabled");
        refused(await owner.post("2fa/send", { challenge: "nonsense", method }), 403, "feature_disabled");
      }
    } finally {
      await server.stop();
    }
  });
});
