// Another address for an account, and proof of the one it has.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  PASSWORD, accountsOf, assertAlike, claimsOf, client, cooled, granted, newAddress, otherThan, refused, startOpenServer,
} from "./support/accounts.mjs";
import { audited, until } from "./support/people.mjs";

const USE = "Your code to use this address";
const succeeded = (answer) => assert.deepEqual([answer.status, answer.body], [200, { success: true }], answer.text);

describe("changing the address", () => {
  let server;
  let directory;
  let owner;
  before(async () => {
    server = await startOpenServer();
    ({ DIRECTORY: directory } = await server.getEnv());
    owner = client(server, "198.51.100.1");
  });
  after(() => server?.stop());

  const person = async () => {
    const email = newAddress();
    const tokens = await owner.account(email);
    return { email, bearer: tokens.access_token, account: claimsOf(tokens.access_token).sub, ...tokens };
  };
  const asks = ({ bearer }, email, current = PASSWORD) =>
    owner.post("request-email-change", { email, current_password: current }, { bearer });
  const confirms = ({ bearer }, email, otp) => owner.post("confirm-email-change", { email, otp }, { bearer });
  const refuses = async (who, email, otp) => refused(await confirms(who, email, otp), 400, "code_invalid");
  const mailTo = (email, subject) =>
    until(`${subject} to ${email}`, async () => (await owner.mails(email)).find((mail) => mail.subject === subject), 60);
  const codeFor = async (who, email) => {
    assert.equal((await asks(who, email)).status, 202);
    return (await mailTo(email, USE)).code;
  };

  /** The code of one more mail to an address that has some already. */
  const nextCode = async (who, email) => {
    const known = new Set((await owner.mails(email)).map(({ code }) => code));
    assert.equal((await asks(who, email)).status, 202);
    return until(`another code to ${email}`, async () =>
      (await owner.mails(email)).map(({ code }) => code).find((code) => code !== undefined && !known.has(code)), 60);
  };

  test("takes the code from the new one, keeps this session, ends the others, and tells the old one", async () => {
    const me = await person();
    const stolen = granted(await owner.login(me.email, PASSWORD));
    const to = newAddress("new");
    const otp = await codeFor(me, to);
    assert.equal((await owner.me(me.bearer)).body.email, me.email);
    granted(await owner.login(me.email, PASSWORD));

    succeeded(await confirms(me, to, otp));
    refused(await owner.validate(stolen.access_token, "strict"), 401, "session_revoked");
    const { access_token: bearer } = granted(await owner.post("refresh", { refresh_token: me.refresh_token }));
    const { body } = await owner.me(bearer);
    assert.deepEqual([body.email, body.is_verified], [to, true]);
    refused(await owner.login(me.email, PASSWORD), 401, "invalid_credentials");
    granted(await owner.login(to, PASSWORD));
    await mailTo(me.email, "Your address was changed");
    assert.ok((await audited(server, me)).includes("email_changed"));
    assert.ok((await owner.mails(to)).every(({ subject }) => subject === USE));

    // Whoever lost the answer asks again; the old address is free for somebody else.
    succeeded(await confirms({ bearer }, to, otp));
    assert.deepEqual((await accountsOf(server, to)).map(({ version }) => version), [2]);
    const somebody = await owner.account(me.email);
    assert.notEqual(claimsOf(somebody.access_token).sub, me.account);
  });

  test("asks for the owner, and for another address", async () => {
    const me = await person();
    const to = newAddress("new");
    refused(await asks(me, to, null), 400, "invalid_request");
    refused(await asks(me, to, "not the password"), 403, "current_password_wrong");
    refused(await asks(me, me.email.toUpperCase()), 400, "invalid_request");
    refused(await asks(me, "not an address"), 400, "invalid_request");
    refused(await asks({}, to), 401, "token_missing");
    refused(await confirms({}, to, "123456"), 401, "token_missing");
    assert.deepEqual(await owner.mails(to), []);
  });

  test("takes no other code: of another account, address or purpose, guessed, or replaced", async () => {
    const [me, other] = [await person(), await person()];
    const [to, elsewhere] = [newAddress("new"), newAddress("elsewhere")];
    const first = await codeFor(me, to);
    await refuses(other, to, first);
    await refuses(me, elsewhere, first);
    refused(await owner.post("verify-login", { email: to, otp: first }), 400, "code_invalid");
    refused(await owner.post("verify-email", { email: to, otp: first }), 400, "code_invalid");
    refused(await asks(me, to), 429, "rate_limited");

    await cooled(server);
    const second = await nextCode(me, to);
    await refuses(me, to, first);
    for (let guess = 0; guess < 4; guess += 1) await refuses(me, to, otherThan(second));
    await refuses(me, to, second);
    assert.equal((await owner.me(me.bearer)).body.email, me.email);
  });

  test("counts the guesses of all accounts at one address, and then mails codes that nobody guesses", async () => {
    const wanted = newAddress("wanted");
    for (const thief of [await person(), await person()]) {
      const code = await nextCode(thief, wanted);
      assert.match(code, /^\d{6}$/);
      for (let guess = 0; guess < 5; guess += 1) await refuses(thief, wanted, otherThan(code));
      await refuses(thief, wanted, code);
    }
    const owners = await person();
    const long = await nextCode(owners, wanted);
    assert.match(long, /^\d{10}$/);
    await refuses(owners, wanted, long.slice(-6));
    // Who is guessed at is not kept out: a long code bears the usual mistakes.
    for (let mistake = 0; mistake < 3; mistake += 1) await refuses(owners, wanted, otherThan(long));
    succeeded(await confirms(owners, wanted, long));
  });

  test("shows nobody that an address is taken, and leaves it to whom it belongs", async () => {
    const [me, other, taken] = [await person(), await person(), await person()];
    const free = newAddress("free");
    const asked = (who, email) => () => asks(who, email);
    assert.equal((await assertAlike(server, asked(me, taken.email), asked(other, free))).status, 202);
    await mailTo(taken.email, "This address has an account");
    assert.ok((await owner.mails(taken.email)).every(({ subject }) => subject !== USE));

    // Somebody signs up with the address while its code is on the way.
    const { code: otp } = await mailTo(free, USE);
    await owner.account(free);
    await refuses(other, free, otp);
    assert.equal((await owner.me(other.bearer)).body.email, other.email);
    const { version } = (await accountsOf(server, other.email))[0];
    assert.equal(version, 1, "the batch was undone as a whole");
    granted(await owner.login(other.email, PASSWORD));
  });

  test("confirmed twice at the same moment, or by two for one address, happens once", async () => {
    const [me, other] = [await person(), await person()];
    const to = newAddress("new");
    const mine = await codeFor(me, to);
    assert.equal((await asks(other, to)).status, 202);
    const theirs = await until("the other code", async () =>
      (await owner.mails(to)).map(({ code }) => code).find((code) => code !== mine), 60);
    const answers = await Promise.all([confirms(me, to, mine), confirms(other, to, theirs), confirms(me, to, mine)]);
    assert.ok(answers.some(({ status }) => status === 200));
    assert.equal((await accountsOf(server, to)).length, 1);
    const { results } = await directory.prepare("SELECT value FROM identifiers WHERE account_id IN (?, ?)").bind(me.account, other.account).all();
    assert.equal(results.length, 2, "each account has one address");
  });
});

describe("proving an address", () => {
  let server;
  let directory;
  let owner;
  before(async () => {
    server = await startOpenServer();
    ({ DIRECTORY: directory } = await server.getEnv());
    owner = client(server, "198.51.100.1");
  });
  after(() => server?.stop());

  const SUBJECT = "Your code to confirm this address";
  /** As an import would leave it. */
  const unproven = async () => {
    const email = newAddress();
    const { access_token: bearer } = await owner.account(email);
    await directory.prepare("UPDATE identifiers SET verified_at = NULL WHERE value = ?").bind(email).run();
    return { email, bearer };
  };
  const isVerified = async ({ bearer }) => (await owner.me(bearer)).body.is_verified;
  const confirms = (email, otp) => owner.post("verify-email", { email, otp });

  test("takes the mailed code, and the same one again", async () => {
    const [me, other] = [await unproven(), await unproven()];
    const { code: otp } = await owner.mailed("request-email-verification", me.email, SUBJECT);
    refused(await confirms(me.email, otherThan(otp)), 400, "code_invalid");
    refused(await confirms(other.email, otp), 400, "code_invalid");
    refused(await owner.post("verify-login", { email: me.email, otp }), 400, "code_invalid");
    assert.equal(await isVerified(me), false);
    succeeded(await confirms(me.email, otp));
    succeeded(await confirms(me.email, otp));
    assert.deepEqual([await isVerified(me), await isVerified(other)], [true, false]);
  });

  test("is over after five guesses", async () => {
    const me = await unproven();
    const { code: otp } = await owner.mailed("request-email-verification", me.email, SUBJECT);
    for (let guess = 0; guess < 5; guess += 1) refused(await confirms(me.email, otherThan(otp)), 400, "code_invalid");
    refused(await confirms(me.email, otp), 400, "code_invalid");
    assert.equal(await isVerified(me), false);
  });

  test("shows nobody who has an account or has proven it, and mails only who has not", async () => {
    const [me, proven, unknown] = [await unproven(), newAddress(), newAddress()];
    await owner.account(proven);
    const asked = (email) => () => owner.post("request-email-verification", { email });
    assert.equal((await assertAlike(server, asked(me.email), asked(unknown))).status, 202);
    assert.equal((await asked(proven)()).status, 202);
    const { code } = await until("the code", async () => (await owner.mails(me.email)).find(({ subject }) => subject === SUBJECT), 60);
    const tried = (email) => () => confirms(email, otherThan(code));
    assert.equal((await assertAlike(server, tried(me.email), tried(unknown))).status, 400);
    assert.deepEqual(await owner.mails(unknown), []);
    assert.ok((await owner.mails(proven)).every(({ subject }) => subject !== SUBJECT));
  });
});
