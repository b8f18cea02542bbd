// A phone number for an account: the first, another, or proof of the one it has; and an address for an account that
// has only a number.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, cooled, granted, newAddress, otherThan, refused } from "./support/accounts.mjs";
import { enrol } from "./support/authenticator.mjs";
import { audited, settled, until, untilQuiet } from "./support/people.mjs";
import { newNumber, ownersOf, phoneClient, spaced, startPhoneServer } from "./support/phones.mjs";

const succeeded = (answer) => assert.deepEqual([answer.status, answer.body], [200, { success: true }], answer.text);

describe("changing the number", () => {
  let server;
  let owner;
  before(async () => {
    server = await startPhoneServer();
    owner = phoneClient(server, "198.51.100.1");
  });
  after(() => server?.stop());

  /** Somebody with an address and no number. */
  const person = async () => {
    const email = newAddress();
    const tokens = await owner.account(email);
    return { email, account: claimsOf(tokens.access_token).sub, bearer: tokens.access_token, ...tokens };
  };
  const asks = ({ bearer }, phone, current = PASSWORD) =>
    owner.post("request-phone-change", { phone, current_password: current }, { bearer });
  const confirms = ({ bearer }, phone, otp) => owner.post("confirm-phone-change", { phone, otp }, { bearer });
  const refuses = async (who, phone, otp) => refused(await confirms(who, phone, otp), 400, "code_invalid");
  const codeFor = async (who, phone) => (await owner.smsAfter(phone, () => asks(who, phone))).code;
  const mailTo = (email, subject) =>
    until(`${subject} to ${email}`, async () => (await owner.mails(email)).find((mail) => mail.subject === subject), 60);
  const refreshed = async (who) => {
    const tokens = granted(await owner.post("refresh", { refresh_token: who.refresh_token }));
    return { ...who, ...tokens, bearer: tokens.access_token };
  };
  /** The same person with this number besides. */
  const withPhone = async (who, phone) => {
    succeeded(await confirms(who, phone, await codeFor(who, phone)));
    return { ...(await refreshed(who)), phone };
  };

  test("is where an account without an address is told of its second factor, without a secret", async () => {
    const phone = newNumber();
    const me = await owner.phoneAccount(phone);
    const { secret, codes } = await enrol(owner, me, PASSWORD);
    const found = await until("the SMS", async () => (await owner.sms(phone)).find(({ text }) => text.includes("asks for a second factor")), 60);
    assert.ok(!/\d{6}/.test(found.text) && [secret, ...codes].every((known) => !found.text.includes(known)), found.text);
  });

  test("gives an account its first, keeps this session, ends the others, and tells the address", async () => {
    const me = await person();
    const stolen = granted(await owner.login(me.email, PASSWORD));
    const phone = newNumber();
    const { code: otp, text } = await owner.smsAfter(phone, () => asks(me, spaced(phone)));
    assert.ok(text.startsWith(`${otp} is your code to use this number`), text);
    assert.equal((await owner.me(me.bearer)).body.phone, null);
    refused(await owner.post("login", { phone, password: PASSWORD }), 401, "invalid_credentials");

    succeeded(await confirms(me, spaced(phone), otp));
    refused(await owner.validate(stolen.access_token, "strict"), 401, "session_revoked");
    const now = await refreshed(me);
    const { body } = await owner.me(now.bearer);
    assert.deepEqual([body.email, body.phone, body.is_verified, body.is_phone_verified], [me.email, phone, true, true]);
    for (const who of [{ phone }, { email: me.email }]) granted(await owner.post("login", { ...who, password: PASSWORD }));
    const { code } = await owner.texted("request-otp", phone);
    assert.equal(claimsOf(granted(await owner.post("verify-login", { phone, otp: code })).access_token).sub, me.account);
    await mailTo(me.email, "Your phone number was changed");
    const trail = await audited(server, me);
    assert.ok(trail.includes("phone_changed") && trail.includes("session_revoked:phone_change"), trail.join());

    // Whoever lost the answer asks again.
    succeeded(await confirms(now, phone, otp));
    assert.equal((await ownersOf(server, phone)).length, 1);
  });

  test("replaces the number, frees the old one, and voids what was sent to it", async () => {
    const me = await withPhone(await person(), newNumber());
    const { code: old } = await owner.texted("request-otp", me.phone);
    const to = newNumber();
    succeeded(await confirms(me, to, await codeFor(me, to)));
    refused(await owner.post("verify-login", { phone: me.phone, otp: old }), 400, "code_invalid");
    refused(await owner.post("login", { phone: me.phone, password: PASSWORD }), 401, "invalid_credentials");
    granted(await owner.post("login", { phone: to, password: PASSWORD }));
    assert.deepEqual(await ownersOf(server, me.phone), []);
    const somebody = await owner.phoneAccount(me.phone);
    assert.notEqual(somebody.account, me.account);
  });

  test("of an account without an address tells the old number, and so does its first address", async () => {
    const me = await owner.phoneAccount(newNumber());
    const to = newNumber();
    succeeded(await confirms(me, to, await codeFor(me, to)));
    await settled(server, me);
    assert.ok((await owner.sms(me.phone))[0].text.includes("another phone number now"));
    assert.ok((await owner.sms(to)).every(({ code }) => code !== undefined), "the new number got its code and no more");

    const now = await refreshed(me);
    const email = newAddress();
    assert.equal((await owner.post("request-email-change", { email, current_password: PASSWORD }, { bearer: now.bearer })).status, 202);
    const { code: otp } = await mailTo(email, "Your code to use this address");
    succeeded(await owner.post("confirm-email-change", { email, otp }, { bearer: now.bearer }));
    await settled(server, me);
    assert.ok((await owner.sms(to))[0].text.includes("another address now"));
    const { body } = await owner.me((await refreshed(now)).bearer);
    assert.deepEqual([body.email, body.phone, body.is_verified], [email, to, true]);
    granted(await owner.login(email, PASSWORD));
  });

  test("is undone by its owner, where there is an address: the number is free, and other sessions end", async () => {
    const [me, bare] = [await withPhone(await person(), newNumber()), await owner.phoneAccount(newNumber())];
    const removes = (bearer, body) => owner.send("DELETE", "/api/v1/auth/me/phone", { body, bearer });
    const elsewhere = granted(await owner.login(me.email, PASSWORD)).access_token;
    refused(await removes(me.bearer), 400, "invalid_request");
    refused(await removes(me.bearer, { current_password: "not the password" }), 403, "current_password_wrong");
    refused(await removes(undefined, { current_password: PASSWORD }), 401, "token_missing");
    refused(await removes(bare.bearer, { current_password: PASSWORD }), 409, "last_way_in");
    assert.equal((await ownersOf(server, me.phone)).length, 1);
    succeeded(await removes(me.bearer, { current_password: PASSWORD }));
    const now = await refreshed(me);
    assert.equal((await owner.me(now.bearer)).body.phone, null);
    refused(await owner.validate(elsewhere, "strict"), 401, "session_revoked");
    assert.deepEqual(await ownersOf(server, me.phone), []);
    await mailTo(me.email, "Your phone number was removed");
    succeeded(await removes(now.bearer, { current_password: PASSWORD }));
    granted(await owner.login(me.email, PASSWORD));
    await owner.phoneAccount(me.phone);
  });

  test("is seen while its code is on the way, which can be sent again to the same number only", async () => {
    const me = await person();
    const resend = (bearer = me.bearer) => owner.post("resend-phone-change", undefined, { bearer: bearer ?? undefined });
    refused(await resend(), 409, "no_pending_change");
    const to = newNumber();
    const first = await codeFor(me, to);
    const shown = async () => {
      const { body } = await owner.me(me.bearer);
      return [body.phone, body.pending_phone, body.pending_email];
    };
    assert.deepEqual(await shown(), [null, to, null]);
    refused(await resend(), 429, "rate_limited");
    refused(await resend(null), 401, "token_missing");
    await cooled(server);
    const { code: second } = await owner.smsAfter(to, () => resend());
    if (first !== second) await refuses(me, to, first);
    succeeded(await confirms(me, to, second));
    const now = await refreshed(me);
    const { body } = await owner.me(now.bearer);
    assert.deepEqual([body.phone, body.pending_phone], [to, null]);
    refused(await resend(now.bearer), 409, "no_pending_change");
  });

  test("asks for the owner, and for another number", async () => {
    const me = await withPhone(await person(), newNumber());
    const to = newNumber();
    refused(await asks(me, to, null), 400, "invalid_request");
    refused(await asks(me, to, "not the password"), 403, "current_password_wrong");
    refused(await asks(me, spaced(me.phone)), 400, "invalid_request");
    refused(await asks(me, "0170 1234567"), 400, "invalid_request");
    refused(await asks({}, to), 401, "token_missing");
    refused(await confirms({}, to, "123456"), 401, "token_missing");
    refused(await owner.post("request-phone-change", { email: newAddress(), current_password: PASSWORD }, { bearer: me.bearer }), 400, "invalid_request");
    assert.deepEqual(await owner.sms(to), []);
  });

  test("takes no other code: of another account, number or purpose, guessed six times, or replaced", async () => {
    const [me, other] = [await person(), await person()];
    const [to, elsewhere] = [newNumber(), newNumber()];
    const first = await codeFor(me, to);
    await refuses(other, to, first);
    await refuses(me, elsewhere, first);
    refused(await owner.post("confirm-email-change", { email: newAddress(), otp: first }, { bearer: me.bearer }), 400, "code_invalid");
    for (const route of ["verify-login", "verify-phone", "verify-signup"]) {
      refused(await owner.post(route, { phone: to, otp: first }), 400, "code_invalid");
    }
    refused(await asks(me, to), 429, "rate_limited");
    await cooled(server);
    const second = await codeFor(me, to);
    if (first !== second) await refuses(me, to, first);
    for (let guess = 0; guess < 5; guess += 1) await refuses(me, to, otherThan(second));
    await refuses(me, to, second);
    assert.equal((await owner.me(me.bearer)).body.phone, null);
  });

  test("two accounts that want one number at the same moment: one gets it, and the other keeps what it had", async () => {
    const [one, two] = [await person(), await withPhone(await person(), newNumber())];
    const wanted = newNumber();
    const codes = [await codeFor(one, wanted), await codeFor(two, wanted)];
    const answers = await Promise.all([confirms(one, wanted, codes[0]), confirms(two, wanted, codes[1])]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    const [{ account_id: winner }] = await ownersOf(server, wanted);
    assert.equal(winner, [one, two][answers.findIndex(({ status }) => status === 200)].account);
    if (winner === one.account) assert.equal((await ownersOf(server, two.phone)).length, 1, "the batch was undone as a whole");
    for (const { email } of [one, two]) granted(await owner.login(email, PASSWORD));
  });

  test("shows nobody that a number is taken, whose owner is told", async () => {
    const [me, other, taken] = [await person(), await person(), await owner.phoneAccount(newNumber())];
    const free = newNumber();
    const asked = (who, phone) => () => asks(who, phone);
    assert.equal((await owner.assertAlike(asked(me, taken.phone), asked(other, free))).status, 202);
    await untilQuiet(server);
    const toOwner = await owner.sms(taken.phone);
    assert.ok(toOwner[0].text.includes("tried to use this number for another account"), toOwner[0].text);
    assert.equal(toOwner.filter(({ code }) => code !== undefined).length, 1, "only the code of the sign-up");

    // Somebody signs up with the number while its code is on the way.
    const { code: otp } = (await owner.sms(free)).find(({ text }) => text.includes("to use this number"));
    await owner.phoneAccount(free);
    await refuses(other, free, otp);
    assert.equal((await owner.me(other.bearer)).body.phone, null);
  });

  describe("proof of a number that came without", () => {
    const unproven = async () => {
      const me = await owner.phoneAccount(newNumber());
      const { DIRECTORY } = await server.getEnv();
      await DIRECTORY.prepare("UPDATE identifiers SET verified_at = NULL WHERE value = ?").bind(me.phone).run();
      return me;
    };
    const isProven = async ({ bearer }) => {
      const { body } = await owner.me(bearer);
      assert.equal(body.is_verified, body.is_phone_verified, "there is no address that could be proven");
      return body.is_phone_verified;
    };
    const verifies = ({ phone }, otp) => owner.post("verify-phone", { phone, otp });

    test("is the code that was sent to it", async () => {
      const [me, other] = [await unproven(), await unproven()];
      assert.equal(await isProven(me), false);
      const { code: otp } = await owner.texted("request-phone-verification", me.phone);
      refused(await verifies(me, otherThan(otp)), 400, "code_invalid");
      refused(await verifies(other, otp), 400, "code_invalid");
      refused(await owner.post("verify-email", { email: newAddress(), otp }), 400, "code_invalid");
      assert.equal(await isProven(me), false);
      succeeded(await verifies(me, otp));
      assert.equal(await isProven(me), true);
      assert.equal(await isProven(other), false);
    });

    test("is asked for in vain by those who have it or have no account, and nobody can tell", async () => {
      const [me, proven, unknown] = [await unproven(), await owner.phoneAccount(newNumber()), newNumber()];
      const asked = (phone) => () => owner.post("request-phone-verification", { phone });
      assert.equal((await owner.assertAlike(asked(me.phone), asked(unknown))).status, 202);
      assert.equal((await asked(proven.phone)()).status, 202);
      await untilQuiet(server);
      assert.equal((await owner.sms(me.phone)).length, 2);
      assert.equal((await owner.sms(proven.phone)).length, 1);
      assert.deepEqual(await owner.sms(unknown), []);
    });
  });
});
