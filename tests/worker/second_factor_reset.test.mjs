// A password set by whoever reads the mail, where the account has a second factor: not without it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { PASSWORD, granted, newAddress, otherThan, refused, tokenOf, wrongLinkOf } from "./support/accounts.mjs";
import { codeOf, enrol } from "./support/authenticator.mjs";
import { audited, editAccount } from "./support/people.mjs";
import { NEW, OTHER, resetWorld, succeeded } from "./support/resets.mjs";

function world(by) {
  const of = resetWorld(by, { sign_in: { codes: true } });
  of.enrolled = async () => {
    const me = await of.person();
    return { ...me, ...(await enrol(of.owner, me, PASSWORD)) };
  };
  /** The challenge of a login, which proves that the password is the account's. */
  of.challenge = async ({ email }, password = PASSWORD) => {
    const { body, text } = await of.owner.login(email, password);
    assert.equal(body.mfa_required, true, text);
    return body.challenge;
  };
  of.factors = async ({ account }, sql, ...values) => (await of.server.objectStorage("ACCOUNT", account)).exec(sql, ...values);
  return of;
}

describe("a reset by link of an account with a second factor", () => {
  const it = world("link");

  test("is not for whoever has the mailbox alone", async () => {
    const me = await it.enrolled();
    const before = await it.credential(me);
    const { code: otp } = await it.owner.mailed("request-otp", me.email, "Your code to sign in");
    const token = tokenOf(await it.forgot(me));
    for (const password of [NEW, OTHER, NEW]) refused(await it.thief.post("reset-password", { token, password }), 403, "second_factor_required");
    refused(await it.thief.post("reset-password", { token, password: NEW, code: otherThan(codeOf(me.secret)) }), 400, "second_factor_invalid");
    // Nothing has changed: the password, the sessions, what was mailed, and the link itself.
    assert.deepEqual(await it.credential(me), before);
    await it.challenge(me);
    assert.equal((await it.owner.validate(me.access_token, "strict")).status, 200);
    assert.equal((await it.owner.post("verify-login", { email: me.email, otp })).body.mfa_required, true);
    succeeded(await it.reset({ token, password: NEW, code: codeOf(me.secret) }));
    refused(await it.owner.validate(me.access_token, "strict"), 401, "session_revoked");
    await it.challenge(me, NEW);
    refused(await it.owner.login(me.email, PASSWORD), 401, "invalid_credentials");
    const trail = await audited(it.server, me);
    assert.equal(trail.filter((event) => event === "second_factor_used_to_recover").length, 1, trail.join());
  });

  test("tells nobody of the factor who has not the right link", async () => {
    const [guarded, plain] = [await it.enrolled(), await it.person()];
    for (const me of [guarded, plain]) {
      await it.forgot(me);
      const token = wrongLinkOf(me);
      const answers = [];
      for (const factor of [{}, { code: codeOf(guarded.secret) }, { backup_code: guarded.codes[0] }]) answers.push(await it.reset({ token, password: NEW, ...factor }));
      for (const answer of answers) refused(answer, 400, "code_invalid");
    }
    // Nor was a factor used by it.
    granted(await it.owner.post("2fa/verify", { challenge: await it.challenge(guarded), code: codeOf(guarded.secret) }));
    granted(await it.owner.post("2fa/verify", { challenge: await it.challenge(guarded), backup_code: guarded.codes[0] }));
  });

  test("takes each factor once", async () => {
    const me = await it.enrolled();
    const token = tokenOf(await it.forgot(me));
    // Its step was used when the authenticator was confirmed.
    refused(await it.reset({ token, password: NEW, code: codeOf(me.secret, -1) }), 400, "second_factor_invalid");
    const used = codeOf(me.secret);
    succeeded(await it.reset({ token, password: NEW, code: used }));
    refused(await it.owner.post("2fa/verify", { challenge: await it.challenge(me, NEW), code: used }), 400, "second_factor_invalid");

    const next = tokenOf(await it.forgot(me));
    refused(await it.reset({ token: next, password: OTHER, code: used }), 400, "second_factor_invalid");
    succeeded(await it.reset({ token: next, password: OTHER, backup_code: me.codes[3] }));
    refused(await it.owner.post("2fa/verify", { challenge: await it.challenge(me, OTHER), backup_code: me.codes[3] }), 400, "second_factor_invalid");
    const last = tokenOf(await it.forgot(me));
    refused(await it.reset({ token: last, password: NEW, backup_code: me.codes[3] }), 400, "second_factor_invalid");
  });

  test("is answered again without a factor where it has happened, and sets no other password", async () => {
    const me = await it.enrolled();
    const token = tokenOf(await it.forgot(me));
    succeeded(await it.reset({ token, password: NEW, backup_code: me.codes[0] }));
    const set = await it.credential(me);
    succeeded(await it.reset({ token, password: NEW }));
    succeeded(await it.reset({ token, password: NEW, backup_code: me.codes[0] }));
    refused(await it.thief.post("reset-password", { token, password: OTHER }), 400, "code_invalid");
    assert.deepEqual(await it.credential(me), set);
  });

  test("that died between its two steps asks whoever goes on with it for a factor of their own", async () => {
    const me = await it.enrolled();
    const token = tokenOf(await it.forgot(me));
    const before = await it.credential(me);
    succeeded(await it.reset({ token, password: NEW, backup_code: me.codes[0] }));
    const { operation_id: operation } = await it.credential(me);
    // As if the Worker had died when the link was used up, before it reached the directory.
    const undo = "UPDATE credentials SET password_hash = ?, operation_id = NULL, version = ? WHERE account_id = ?";
    await it.directory.prepare(undo).bind(before.password_hash, before.version, me.account).run();
    refused(await it.thief.post("reset-password", { token, password: OTHER }), 403, "second_factor_required");
    for (const factor of [{ backup_code: me.codes[0] }, { code: otherThan(codeOf(me.secret)) }]) {
      refused(await it.thief.post("reset-password", { token, password: OTHER, ...factor }), 400, "second_factor_invalid");
    }
    assert.equal((await it.credential(me)).password_hash, before.password_hash);
    succeeded(await it.reset({ token, password: NEW, backup_code: me.codes[1] }));
    assert.equal((await it.credential(me)).operation_id, operation);
    await it.challenge(me, NEW);
  });

  test("bears five wrong factors in a row, and counts them with those of logins", async () => {
    const me = await it.enrolled();
    const token = tokenOf(await it.forgot(me));
    const before = await it.credential(me);
    const wrong = otherThan(codeOf(me.secret, 4));
    for (let guess = 0; guess < 3; guess += 1) refused(await it.thief.post("reset-password", { token, password: OTHER, code: wrong }), 400, "second_factor_invalid");
    const challenge = await it.challenge(me);
    for (let guess = 0; guess < 2; guess += 1) refused(await it.thief.post("2fa/verify", { challenge, code: wrong }), 400, "second_factor_invalid");
    for (const factor of [{ code: codeOf(me.secret) }, { backup_code: me.codes[0] }]) {
      const paused = await it.reset({ token, password: OTHER, ...factor });
      refused(paused, 429, "rate_limited");
      assert.ok(Number(paused.headers.get("retry-after")) > 500);
    }
    refused(await it.reset({ token, password: OTHER }), 403, "second_factor_required");
    assert.deepEqual(await it.credential(me), before);
    // When the pause is over the link still works.
    await it.factors(me, "UPDATE account SET record = json_set(record, '$.guard', NULL) WHERE key = 'factors'");
    succeeded(await it.reset({ token, password: NEW, backup_code: me.codes[0] }));
  });

  test("asked for by ten at once with one backup code happens once", { timeout: 60_000 }, async () => {
    const me = await it.enrolled();
    const token = tokenOf(await it.forgot(me));
    const passwords = Array.from({ length: 10 }, (_, index) => `${NEW} ${index}`);
    const answers = await Promise.all(passwords.map((password) => it.reset({ token, password, backup_code: me.codes[0] })));
    const won = answers.findIndex(({ status }) => status === 200);
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const { status, body } of answers.filter(({ status }) => status !== 200)) {
      assert.ok(["second_factor_invalid", "code_invalid", "rate_limited"].includes(body.code), `${status} ${body.code}`);
    }
    assert.equal((await it.credential(me)).version, 2);
    await it.challenge(me, passwords[won]);
  });

  test("of a restricted account does not happen, and says nothing of its factor", async () => {
    const me = await it.enrolled();
    const token = tokenOf(await it.forgot(me));
    await editAccount(it.server, me, { status: "banned" });
    for (const factor of [{}, { code: otherThan(codeOf(me.secret)) }, { backup_code: me.codes[0] }]) {
      refused(await it.reset({ token, password: NEW, ...factor }), 400, "code_invalid");
    }
    await editAccount(it.server, me, { status: "active" });
    succeeded(await it.reset({ token, password: NEW, backup_code: me.codes[0] }));
  });

  test("takes one factor and no nonsense", async () => {
    const me = await it.enrolled();
    const token = tokenOf(await it.forgot(me));
    for (const factor of [{ code: codeOf(me.secret), backup_code: me.codes[0] }, { code: 123456 }, { backup_code: [] }]) {
      refused(await it.reset({ token, password: NEW, ...factor }), 400, "invalid_request");
    }
    for (const factor of [{ code: "" }, { code: "12345" }, { code: me.codes[0] }, { backup_code: "ABCDE" }]) {
      refused(await it.reset({ token, password: NEW, ...factor }), 400, "second_factor_invalid");
    }
  });

  test("asks nothing of an account without one", async () => {
    const [me, begun] = [await it.person(), await it.person()];
    succeeded(await it.reset({ token: tokenOf(await it.forgot(me)), password: NEW, code: "000000" }));
    granted(await it.owner.login(me.email, NEW));
    // An authenticator that was not confirmed guards nothing.
    assert.equal((await it.owner.post("2fa/setup", { current_password: PASSWORD }, { bearer: begun.access_token })).status, 200);
    succeeded(await it.reset({ token: tokenOf(await it.forgot(begun)), password: NEW }));
    granted(await it.owner.login(begun.email, NEW));
  });
});

describe("a reset by code of an account with a second factor", () => {
  const it = world("code");

  test("has its code guessed no oftener, and uses up neither code nor factor before both are right", async () => {
    const me = await it.enrolled();
    const { code: otp } = await it.forgot(me);
    const asked = (body) => it.reset({ email: me.email, password: NEW, ...body });
    const factor = { backup_code: me.codes[0] };
    // A right code does not count as a guess.
    for (let time = 0; time < 6; time += 1) refused(await asked({ otp }), 403, "second_factor_required");
    for (let guess = 0; guess < 4; guess += 1) refused(await asked({ otp: otherThan(otp), ...factor }), 400, "code_invalid");
    succeeded(await asked({ otp, ...factor }));
    await it.challenge(me, NEW);
  });

  test("is dead after five wrong guesses, whatever comes with them", async () => {
    const me = await it.enrolled();
    const { code: otp } = await it.forgot(me);
    const asked = (body) => it.reset({ email: me.email, password: NEW, ...body });
    for (let guess = 0; guess < 5; guess += 1) refused(await asked({ otp: otherThan(otp), code: codeOf(me.secret) }), 400, "code_invalid");
    refused(await asked({ otp }), 400, "code_invalid");
    refused(await asked({ otp, code: codeOf(me.secret) }), 400, "code_invalid");
    granted(await it.owner.post("2fa/verify", { challenge: await it.challenge(me), code: codeOf(me.secret) }));
  });
});

describe("the link to a first password", () => {
  const it = world("link");

  test("asks for the factor of an account that has got one meanwhile", async () => {
    // An account whose sign-up was contested has no password.
    const email = newAddress();
    for (const password of [PASSWORD, OTHER]) assert.equal((await it.owner.post("signup", { email, name: "Ada", password })).status, 202);
    const [{ code }] = await it.owner.untilMails(email, 2);
    const tokens = granted(await it.owner.verify({ email, otp: code }));
    const mails = await it.owner.untilMails(email, 3);
    const token = tokenOf(mails.find(({ link }) => link !== undefined));
    const { secret } = await enrol(it.owner, tokens);
    const set = (body) => it.owner.post("set-password", { token, password: NEW, ...body });
    refused(await set({}), 403, "second_factor_required");
    refused(await set({ code: otherThan(codeOf(secret)) }), 400, "second_factor_invalid");
    assert.equal((await it.owner.me(tokens.access_token)).body.has_password, false);
    succeeded(await set({ code: codeOf(secret) }));
    succeeded(await set({}));
    await it.challenge({ email }, NEW);
    // It has a password by now: the link is for nothing, and asks for nothing.
    refused(await it.owner.post("set-password", { token, password: OTHER }), 400, "code_invalid");
  });
});
