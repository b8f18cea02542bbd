// Accounts with a phone number: signing up, logging in and resetting the password by SMS, and every way it must not work.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, cooled, granted, newAddress, otherThan, refused } from "./support/accounts.mjs";
import { audited, settled, untilQuiet } from "./support/people.mjs";
import { newNumber, onIntakes, ownersOf, phoneClient, spaced, startPhoneServer } from "./support/phones.mjs";

const STOLEN = "the password of the attacker";
const NEW = "a password after the reset";
/** Lets the time pass that the next code of a sign-up has to wait for. */
const agedSignUps = (server) => onIntakes(server, "sign_ups", "UPDATE sign_ups SET record = json_set(record, '$.created_at', json_extract(record, '$.created_at') - 61000)");
const succeeded = (answer) => assert.deepEqual([answer.status, answer.body], [200, { success: true }], answer.text);

/** A server and a person at it. */
function world(vars = {}) {
  const of = {};
  before(async () => {
    of.server = await startPhoneServer({ vars });
    of.owner = phoneClient(of.server, "198.51.100.1");
    of.thief = phoneClient(of.server, "203.0.113.66");
  });
  after(() => of.server?.stop());
  of.code = async (route, phone) => (await of.owner.texted(route, phone)).code;
  of.verify = (phone, otp) => of.owner.post("verify-login", { phone, otp });
  of.refuses = async (route, body) => refused(await of.owner.post(route, body), 400, "code_invalid");
  of.cooled = () => cooled(of.server);
  return of;
}

describe("signing up with a number", () => {
  const it = world();

  test("makes an account without an address, which its number and password open", async () => {
    const phone = newNumber();
    const accepted = await it.owner.smsAfter(phone, () =>
      it.owner.post("signup", { phone: spaced(phone), name: "Ada Lovelace", password: PASSWORD }));
    const { registration, expires_in: expiresIn } = accepted.answer;
    assert.match(accepted.code, /^\d{6}$/);
    assert.ok(accepted.text.startsWith(`${accepted.code} is your code to sign up at localhost:8787, for 10 minutes.`), accepted.text);
    assert.ok(accepted.text.length <= 160, "one SMS");
    assert.ok(!accepted.text.includes("Ada"), "whoever typed the number chose the name");
    assert.ok(!accepted.text.includes(registration), "the registration is the client's alone");
    assert.equal(expiresIn, 600);
    refused(await it.owner.post("login", { phone, password: PASSWORD }), 403, "verification_required");

    const tokens = granted(await it.owner.verify({ phone: spaced(phone), otp: accepted.code, registration }));
    const { body } = await it.owner.me(tokens.access_token);
    assert.deepEqual(
      [body.email, body.phone, body.name, body.is_verified, body.is_phone_verified, body.has_password],
      [null, phone, "Ada Lovelace", true, true, true],
    );
    for (const who of [{ phone }, { phone: spaced(phone) }, { identifier: phone }]) {
      const again = granted(await it.owner.post("login", { ...who, password: PASSWORD }));
      assert.equal(claimsOf(again.access_token).sub, body.id);
    }
    // Changing the password counts guesses at the number, and tells by SMS.
    const change = (current) => it.owner.post("change-password", { current_password: current, new_password: NEW }, { bearer: tokens.access_token });
    refused(await change("not the password"), 403, "current_password_wrong");
    succeeded(await change(PASSWORD));
    await settled(it.server, { account: body.id });
    assert.ok((await it.owner.sms(phone))[0].text.includes("your password was changed"));
    granted(await it.owner.post("login", { phone, password: NEW }));
  });

  test("names what is wrong with a number, a code or a password", async () => {
    const phone = newNumber();
    const rule = async (body) => {
      const { errors: [{ field, rule: text }] } = refused(await it.owner.post("signup", { name: "Ada", ...body }), 400, "invalid_request");
      return `${field} ${text}`;
    };
    assert.equal(await rule({ phone: "0170 1234567" }), "phone must begin with + and the country code");
    assert.equal(await rule({ phone: "+49 170 12345x" }), "phone has a character other than digits, spaces, hyphens, dots and parentheses");
    assert.equal(await rule({ phone: "+49 (0)170 1234567" }), "phone must not have the (0) that is dialled within a country only");
    assert.equal(await rule({ phone: 491701234567 }), "phone must be a string");
    assert.equal(await rule({ phone, email: newAddress() }), "phone must not be sent together with email");
    assert.equal(await rule({}), "email is required");
    assert.equal(await rule({ phone, password: phone.slice(1) }), "password must not be your e-mail address, your name or the service's");
    refused(await it.owner.verify({ phone, otp: "1".repeat(65) }), 400, "invalid_request");
    assert.deepEqual(await it.owner.sms(phone), []);
  });

  test("lives beside other attempts; the first that comes back wins, and the others are for nothing", async () => {
    const phone = newNumber();
    const thiefs = await it.thief.signUpByPhone(phone, { password: STOLEN, name: "Mallory" });
    const mine = await it.owner.signUpByPhone(phone, { password: PASSWORD });
    // The thief's registration with a guess, and the owner's with the code of the thief's.
    refused(await it.thief.verify({ phone, otp: otherThan(thiefs.code), registration: thiefs.registration }), 400, "code_invalid");
    if (thiefs.code !== mine.code) await it.refuses("verify-signup", { phone, otp: thiefs.code, registration: mine.registration });
    granted(await it.owner.verify({ phone, otp: mine.code, registration: mine.registration }));
    await it.refuses("verify-signup", { phone, otp: thiefs.code, registration: thiefs.registration });
    granted(await it.owner.post("login", { phone, password: PASSWORD }));
    refused(await it.thief.post("login", { phone, password: STOLEN }), 401, "invalid_credentials");
    assert.equal((await ownersOf(it.server, phone)).length, 1);
  });

  test("two claims of one number at the same moment make one account", async () => {
    const phone = newNumber();
    const attempts = [await it.thief.signUpByPhone(phone), await it.owner.signUpByPhone(phone)];
    const answers = await Promise.all(attempts.map(({ code: otp, registration }) => it.owner.verify({ phone, otp, registration })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    assert.equal((await ownersOf(it.server, phone)).length, 1);
  });

  test("by number and code alone takes no password that somebody else chose, and texts a link to set one", async () => {
    const phone = newNumber();
    await it.thief.signUpByPhone(phone, { password: STOLEN });
    const { code: otp } = await it.owner.signUpByPhone(phone, { password: STOLEN });
    const { link } = await it.owner.smsAfter(phone, () => it.owner.verify({ phone, otp }), 200);
    refused(await it.thief.post("login", { phone, password: STOLEN }), 401, "invalid_credentials");
    const token = new URL(link).hash.slice(1);
    succeeded(await it.owner.post("set-password", { token, password: PASSWORD }));
    granted(await it.owner.post("login", { phone, password: PASSWORD }));
  });

  test("shows nobody who has an account, whose owner is told once a day", async () => {
    const [known, unknown] = [newNumber(), newNumber()];
    await it.owner.phoneAccount(known);
    const asked = (phone) => () => it.thief.post("signup", { phone, name: "Mallory", password: STOLEN }).then((answer) => {
      assert.match(answer.body.registration, /^[0-9a-f]{32}$/);
      return { ...answer, body: { ...answer.body, registration: "" } };
    });
    assert.equal((await it.owner.assertAlike(asked(known), asked(unknown))).status, 202);
    const notices = async () => (await it.owner.sms(known)).filter(({ text }) => text.includes("which has an account already"));
    assert.equal((await notices()).length, 1);
    await asked(known)();
    await it.owner.signUpByPhone(newNumber());
    await untilQuiet(it.server);
    assert.equal((await notices()).length, 1);
    assert.equal((await it.owner.sms(known)).filter(({ code }) => code !== undefined).length, 1, "only the owner's own code");
  });

  test("sends another code for a sign-up that waits, and the last one dies", async () => {
    const phone = newNumber();
    const first = await it.owner.signUpByPhone(phone, { password: PASSWORD });
    const again = () => it.owner.post("resend-signup", { phone, registration: first.registration });
    refused(await again(), 429, "rate_limited");
    refused(await it.owner.post("resend-signup", { phone: newNumber(), registration: first.registration }), 400, "code_invalid");
    await agedSignUps(it.server);
    const { code: otp } = await it.owner.smsAfter(phone, again);
    if (otp !== first.code) await it.refuses("verify-signup", { phone, otp: first.code, registration: first.registration });
    granted(await it.owner.verify({ phone, otp, registration: first.registration }));
  });

  test("is dead after five wrong guesses", async () => {
    const phone = newNumber();
    const { code: otp, registration } = await it.owner.signUpByPhone(phone, { password: PASSWORD });
    for (let guess = 0; guess < 5; guess += 1) await it.refuses("verify-signup", { phone, otp: otherThan(otp), registration });
    await it.refuses("verify-signup", { phone, otp, registration });
    assert.deepEqual(await ownersOf(it.server, phone), []);
  });
});

describe("a code by SMS", () => {
  const it = world();

  test("logs in once, beside the other sessions", async () => {
    const me = await it.owner.phoneAccount(newNumber());
    const otp = await it.code("request-otp", me.phone);
    const answers = await Promise.all([1, 2, 3].map(() => it.verify(spaced(me.phone), otp)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400, 400]);
    const { access_token: access } = granted(answers.find(({ status }) => status === 200));
    assert.deepEqual([claimsOf(access).sub, claimsOf(access).amr], [me.account, ["otp"]]);
    assert.equal((await it.owner.sessions(me.bearer)).body.sessions.length, 2);
    await it.refuses("verify-login", { phone: me.phone, otp });
  });

  test("is dead at the sixth guess, right or wrong", async () => {
    const { phone } = await it.owner.phoneAccount(newNumber());
    const otp = await it.code("request-otp", phone);
    for (let guess = 0; guess < 5; guess += 1) await it.refuses("verify-login", { phone, otp: otherThan(otp) });
    await it.refuses("verify-login", { phone, otp });
    await it.cooled();
    granted(await it.verify(phone, await it.code("request-otp", phone)));
  });

  test("dies with the next one, which has to wait", async () => {
    const { phone } = await it.owner.phoneAccount(newNumber());
    const first = await it.code("request-otp", phone);
    const again = refused(await it.owner.post("request-otp", { phone }), 429, "rate_limited");
    assert.ok(again.retry_after_seconds >= 50);
    await it.cooled();
    const second = await it.code("request-otp", phone);
    if (first !== second) await it.refuses("verify-login", { phone, otp: first });
    granted(await it.verify(phone, second));
  });

  test("works for no other number, address or purpose", async () => {
    const [me, other] = [await it.owner.phoneAccount(newNumber()), await it.owner.phoneAccount(newNumber())];
    const login = await it.code("request-otp", me.phone);
    const reset = await it.code("request-password-reset", me.phone);
    await it.code("request-otp", other.phone);
    await it.refuses("verify-login", { phone: other.phone, otp: login });
    await it.refuses("verify-login", { email: newAddress(), otp: login });
    await it.refuses("verify-signup", { phone: me.phone, otp: login });
    await it.refuses("verify-phone", { phone: me.phone, otp: login });
    if (login !== reset) {
      await it.refuses("reset-password", { phone: me.phone, otp: login, password: NEW });
      await it.refuses("verify-login", { phone: me.phone, otp: reset });
    }
    refused(await it.owner.post("confirm-phone-change", { phone: me.phone, otp: login }, { bearer: me.bearer }), 400, "code_invalid");
    granted(await it.verify(me.phone, login));
  });

  test("comes as a code only: there is no link by SMS", async () => {
    const { phone } = await it.owner.phoneAccount(newNumber());
    const problem = refused(await it.owner.post("request-login-link", { phone }), 400, "invalid_request");
    assert.equal(problem.errors[0].field, "email");
  });

  test("shows nobody who has an account, and creates none", async () => {
    const [known, unknown] = [(await it.owner.phoneAccount(newNumber())).phone, newNumber()];
    const asked = (phone) => () => it.owner.post("request-otp", { phone });
    const { status, body } = await it.owner.assertAlike(asked(known), asked(unknown));
    assert.deepEqual([status, body], [202, { success: true, expires_in: 300 }]);
    const [{ code }] = await it.owner.untilMails(known, 2);
    const tried = (phone) => () => it.verify(phone, otherThan(code));
    assert.equal((await it.owner.assertAlike(tried(known), tried(unknown))).status, 400);
    assert.deepEqual(await it.owner.sms(unknown), []);
    assert.deepEqual(await ownersOf(it.server, unknown), []);
  });
});

describe("a reset by SMS", () => {
  const it = world();

  test("takes a code, where mails have links; ends every session, and tells the owner", async () => {
    const me = await it.owner.phoneAccount(newNumber());
    const stolen = granted(await it.thief.post("login", { phone: me.phone, password: PASSWORD }));
    const { code: otp, answer } = await it.owner.texted("request-password-reset", me.phone);
    assert.deepEqual(answer, { success: true, expires_in: 600 });
    succeeded(await it.owner.post("reset-password", { phone: spaced(me.phone), otp, password: NEW }));
    refused(await it.owner.validate(stolen.access_token, "strict"), 401, "session_revoked");
    refused(await it.thief.post("login", { phone: me.phone, password: PASSWORD }), 401, "invalid_credentials");
    granted(await it.owner.post("login", { phone: me.phone, password: NEW }));
    assert.ok((await audited(it.server, me)).includes("password_reset"));
    assert.ok((await it.owner.sms(me.phone))[0].text.includes("your password was reset by an SMS"));

    // Whoever lost the answer repeats the same; nobody makes another password of it.
    succeeded(await it.owner.post("reset-password", { phone: me.phone, otp, password: NEW }));
    await it.refuses("reset-password", { phone: me.phone, otp, password: STOLEN });
  });

  test("is dead at the sixth guess, and voids the code that logs in", async () => {
    const [guessed, me] = [await it.owner.phoneAccount(newNumber()), await it.owner.phoneAccount(newNumber())];
    const wrong = await it.code("request-password-reset", guessed.phone);
    for (let guess = 0; guess < 5; guess += 1) await it.refuses("reset-password", { phone: guessed.phone, otp: otherThan(wrong), password: NEW });
    await it.refuses("reset-password", { phone: guessed.phone, otp: wrong, password: NEW });
    granted(await it.owner.post("login", { phone: guessed.phone, password: PASSWORD }));

    const login = await it.code("request-otp", me.phone);
    const otp = await it.code("request-password-reset", me.phone);
    succeeded(await it.owner.post("reset-password", { phone: me.phone, otp, password: NEW }));
    await it.refuses("verify-login", { phone: me.phone, otp: login });
  });

  test("used twice at the same moment succeeds once", async () => {
    const { phone } = await it.owner.phoneAccount(newNumber());
    const otp = await it.code("request-password-reset", phone);
    const answers = await Promise.all([NEW, STOLEN].map((password) => it.owner.post("reset-password", { phone, otp, password })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
  });

  test("shows nobody who has an account", async () => {
    const [known, unknown] = [(await it.owner.phoneAccount(newNumber())).phone, newNumber()];
    const asked = (phone) => () => it.owner.post("request-password-reset", { phone });
    assert.equal((await it.owner.assertAlike(asked(known), asked(unknown))).status, 202);
    const [{ code }] = await it.owner.untilMails(known, 2);
    const tried = (phone) => () => it.owner.post("reset-password", { phone, otp: otherThan(code), password: NEW });
    assert.equal((await it.owner.assertAlike(tried(known), tried(unknown))).status, 400);
    assert.deepEqual(await it.owner.sms(unknown), []);
  });
});

describe("a code for a number without an account", () => {
  const it = world({ sign_in: { creates_accounts: true } });

  test("creates one, where that is wanted", async () => {
    const phone = newNumber();
    const otp = await it.code("request-otp", phone);
    await it.refuses("verify-login", { phone, otp: otherThan(otp) });
    assert.deepEqual(await ownersOf(it.server, phone), []);
    const tokens = granted(await it.verify(phone, otp));
    const { body } = await it.owner.me(tokens.access_token);
    assert.deepEqual(
      [body.email, body.phone, body.name, body.is_verified, body.has_password],
      [null, phone, `…${phone.slice(-2)}`, true, false],
    );
  });
});

describe("an account at once, with a number", () => {
  const it = world({ registration: { mode: "immediate", reveal_existing_accounts: true, usernames: "derived" }, verification: { by: "link" } });

  test("waits for its proof by a code, and is called by the name and not by the number", async () => {
    const phone = newNumber();
    const created = await it.owner.post("signup", { phone, name: "Ada Lovelace", password: PASSWORD });
    assert.deepEqual([created.status, created.body?.status], [201, "pending_verification"], created.text);
    refused(await it.owner.post("login", { phone, password: PASSWORD }), 403, "account_unverified");
    refused(await it.thief.post("signup", { phone, name: "Mallory", password: STOLEN }), 409, "account_exists");
    const [{ code: otp }] = await it.owner.untilMails(phone, 1);
    await it.refuses("verify-phone", { phone, otp: otherThan(otp) });
    succeeded(await it.owner.post("verify-phone", { phone, otp }));
    const tokens = granted(await it.owner.post("login", { phone, password: PASSWORD }));
    const { body } = await it.owner.me(tokens.access_token);
    assert.deepEqual([body.email, body.phone, body.is_verified], [null, phone, true]);
    assert.match(body.username, /^ada_lovelace\d*$/);
    granted(await it.owner.post("login", { username: body.username, password: PASSWORD }));
  });
});

describe("SMS cost money, so that", () => {
  const limits = { sms_per_source: { count: 4, period_seconds: 3_600 }, sms_per_identifier: { count: 2, period_seconds: 3_600 } };
  const it = world({ limits, codes: { resend_after_seconds: 0 } });

  test("they are limited per number, whatever for and whoever asks, and per source", async () => {
    const phone = newNumber();
    const [one, two, three] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((address) => phoneClient(it.server, address));
    assert.equal((await one.post("signup", { phone, name: "Ada" })).status, 202);
    assert.equal((await two.post("request-otp", { phone })).status, 202);
    refused(await two.post("request-password-reset", { phone }), 429, "rate_limited");
    refused(await three.post("signup", { phone, name: "Ada" }), 429, "rate_limited");
    refused(await three.post("request-phone-verification", { phone }), 429, "rate_limited");
    // Mails are counted apart.
    assert.equal((await two.post("request-otp", { email: newAddress() })).status, 202);

    for (let asked = 0; asked < 3; asked += 1) assert.equal((await one.post("request-otp", { phone: newNumber() })).status, 202);
    refused(await one.post("request-otp", { phone: newNumber() }), 429, "rate_limited");
    refused(await one.post("signup", { phone: newNumber(), name: "Ada" }), 429, "rate_limited");
    assert.equal((await one.post("signup", { email: newAddress(), name: "Ada" })).status, 202);
  });
});
