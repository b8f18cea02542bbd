// Logging in with a mailed code or link: once, for the owner of the mailbox, and without telling who has an account.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  PASSWORD, accountsOf, assertAlike, claimsOf, client, cooled, granted, newAddress, otherThan, refused, startOpenServer, tokenOf,
} from "./support/accounts.mjs";

const [CODE, LINK] = ["Your code to sign in", "Your link to sign in"];

/** A server with people, and both ways in. */
function world(signIn = {}) {
  const of = {};
  before(async () => {
    of.server = await startOpenServer({ vars: { sign_in: signIn } });
    of.owner = client(of.server, "198.51.100.1");
  });
  after(() => of.server?.stop());
  of.person = async () => {
    const email = newAddress();
    const tokens = await of.owner.account(email);
    return { email, account: claimsOf(tokens.access_token).sub, ...tokens };
  };
  of.code = async (email) => (await of.owner.mailed("request-otp", email, CODE)).code;
  of.link = async (email) => tokenOf(await of.owner.mailed("request-login-link", email, LINK));
  of.verify = (email, otp) => of.owner.post("verify-login", { email, otp });
  of.verifyLink = (token) => of.owner.post("verify-login-link", { token });
  of.cooled = () => cooled(of.server);
  of.refuses = async (email, otp) => refused(await of.verify(email, otp), 400, "code_invalid");
  return of;
}

describe("a code", () => {
  const it = world();

  test("logs in once, beside the other sessions", async () => {
    const me = await it.person();
    const otp = await it.code(me.email);
    assert.match(otp, /^\d{6}$/);
    const tokens = granted(await it.verify(` ${me.email.toUpperCase()}`, otp));
    const claims = claimsOf(tokens.access_token);
    assert.deepEqual([claims.sub, claims.amr, claims.roles], [me.account, ["otp"], ["user"]]);
    assert.equal((await it.owner.sessions(me.access_token)).body.sessions.length, 2);
    await it.refuses(me.email, otp);
    granted(await it.owner.post("refresh", { refresh_token: tokens.refresh_token }));
    granted(await it.owner.login(me.email, PASSWORD));
  });

  test("is asked for as auth1's clients ask, and for no other purpose", async () => {
    const { email } = await it.person();
    const { status, body } = await it.owner.post("request-otp", { email, purpose: "login" });
    assert.deepEqual([status, body], [202, { success: true, expires_in: 300 }]);
    for (const purpose of ["signup", "reset", "", "LOGIN", 7]) {
      const problem = refused(await it.owner.post("request-otp", { email, purpose }), 400, "invalid_request");
      assert.equal(problem.errors[0].field, "purpose");
    }
    refused(await it.owner.post("request-otp", { purpose: "login" }), 400, "invalid_request");
    refused(await it.owner.post("verify-login", { email }), 400, "invalid_request");
    refused(await it.owner.post("verify-login", { email, otp: "1".repeat(65) }), 400, "invalid_request");
  });

  test("is dead after five wrong guesses; the next mail brings another", async () => {
    const { email } = await it.person();
    const otp = await it.code(email);
    for (let guess = 0; guess < 5; guess += 1) await it.refuses(email, otherThan(otp));
    await it.refuses(email, otp);
    await it.cooled();
    granted(await it.verify(email, await it.code(email)));
  });

  test("dies when the next one is mailed, which has to wait", async () => {
    const { email } = await it.person();
    const first = await it.code(email);
    await it.cooled();
    const second = await it.code(email);
    const again = await it.owner.post("request-otp", { email });
    refused(again, 429, "rate_limited");
    assert.ok(Number(again.headers.get("retry-after")) >= 50);
    if (first !== second) await it.refuses(email, first);
    granted(await it.verify(email, second));
    // Whoever used the last one needs not wait for the next.
    assert.equal((await it.owner.post("request-otp", { email })).status, 202);
  });

  test("works for nothing and nobody else", async () => {
    const [me, other] = [await it.person(), await it.person()];
    const otp = await it.code(me.email);
    await it.code(other.email);
    await it.refuses(other.email, otp);
    refused(await it.owner.verify({ email: me.email, otp }), 400, "code_invalid");
    for (const near of ["", ` ${otp}`, `${otp}0`, otp.slice(1), "０１２３４５"]) {
      assert.equal((await it.verify(me.email, near)).status, 400);
    }
    // A code to sign up does not log in.
    const pending = newAddress();
    const { code } = await it.owner.signUp(pending, { password: PASSWORD });
    await it.refuses(pending, code);
    await it.cooled();
    granted(await it.verify(other.email, await it.code(other.email)));
  });

  test("used twice at the same moment logs in once", async () => {
    const { email } = await it.person();
    const otp = await it.code(email);
    const answers = await Promise.all([1, 2, 3].map(() => it.verify(email, otp)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400, 400]);
  });

  test("guessed at by many at the same moment is compared five times", async () => {
    const { email } = await it.person();
    const otp = await it.code(email);
    await Promise.all(Array.from({ length: 12 }, () => it.refuses(email, otherThan(otp))));
    await it.refuses(email, otp);
  });

  test("of before a change of the password opens nothing any more", async () => {
    const me = await it.person();
    const otp = await it.code(me.email);
    const token = tokenOf(await it.owner.mailed("request-password-reset", me.email, "Reset your password"));
    assert.equal((await it.owner.post("reset-password", { token, password: "a password of tomorrow" })).status, 200);
    await it.refuses(me.email, otp);
  });

  test("shows nobody who has an account, and creates none", async () => {
    const [known, unknown] = [(await it.person()).email, newAddress()];
    const asked = (email) => () => it.owner.post("request-otp", { email });
    assert.equal((await assertAlike(it.server, asked(known), asked(unknown))).status, 202);
    const [{ code }] = await it.owner.untilMails(known, 2);
    const tried = (email) => () => it.verify(email, otherThan(code));
    assert.equal((await assertAlike(it.server, tried(known), tried(unknown))).status, 400);
    for (const email of [known, unknown]) {
      const again = await asked(email)();
      refused(again, 429, "rate_limited");
      assert.ok(Number(again.headers.get("retry-after")) > 0);
    }
    assert.deepEqual(await it.owner.mails(unknown), []);
    assert.deepEqual(await accountsOf(it.server, unknown), []);
  });
});

describe("a link", () => {
  const it = world({ codes: false });

  test("logs in once", async () => {
    const me = await it.person();
    const token = await it.link(me.email);
    const answers = await Promise.all([1, 2, 3].map(() => it.verifyLink(token)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400, 400]);
    const { access_token: access } = granted(answers.find(({ status }) => status === 200));
    assert.equal(claimsOf(access).sub, me.account);
    refused(await it.verifyLink(token), 400, "code_invalid");
  });

  test("is not worth less for guesses at it, and nothing to whoever alters it", async () => {
    const [me, other] = [await it.person(), await it.person()];
    const token = await it.link(me.email);
    const bytes = Buffer.from(token.slice(4), "base64url");
    for (let place = 0; place < bytes.length; place += 6) {
      const altered = Buffer.from(bytes);
      altered[place] ^= 1;
      refused(await it.verifyLink(`psl_${altered.toString("base64url")}`), 400, "code_invalid");
    }
    Buffer.from(other.account, "hex").copy(bytes, 1);
    refused(await it.verifyLink(`psl_${bytes.toString("base64url")}`), 400, "code_invalid");
    refused(await it.owner.post("reset-password", { token, password: "a password of tomorrow" }), 400, "code_invalid");
    refused(await it.owner.post("set-password", { token, password: "a password of tomorrow" }), 400, "code_invalid");
    granted(await it.verifyLink(token));
  });

  test("shows nobody who has an account", async () => {
    const [known, unknown] = [await it.person(), { email: newAddress(), account: "0123456789abcdef".repeat(2) }];
    const asked = ({ email }) => () => it.owner.post("request-login-link", { email });
    const { body } = await assertAlike(it.server, asked(known), asked(unknown));
    assert.deepEqual(body, { success: true, expires_in: 900 });
    const token = ({ account }) => `psl_${Buffer.concat([Buffer.from([1]), Buffer.from(account, "hex"), Buffer.alloc(32, 9)]).toString("base64url")}`;
    const tried = (who) => () => it.verifyLink(token(who));
    assert.equal((await assertAlike(it.server, tried(known), tried(unknown))).status, 400);
    assert.deepEqual(await it.owner.mails(unknown.email), []);
  });

  test("and a code are switched off apart", async () => {
    const email = newAddress();
    refused(await it.owner.post("request-otp", { email }), 403, "feature_disabled");
    refused(await it.verify(email, "123456"), 403, "feature_disabled");
  });
});

describe("a code for an address without an account", () => {
  const it = world({ creates_accounts: true, links: false });

  test("creates one without a password, where that is wanted", async () => {
    const email = newAddress("grace");
    const otp = await it.code(email);
    assert.deepEqual(await accountsOf(it.server, email), []);
    await it.refuses(email, otherThan(otp));
    assert.deepEqual(await accountsOf(it.server, email), []);
    const tokens = granted(await it.verify(email, otp));
    const { body } = await it.owner.me(tokens.access_token);
    assert.deepEqual([body.email, body.name, body.is_verified, body.has_password], [email, email.split("@")[0], true, false]);
    assert.deepEqual(body.roles, ["user"]);
    await it.refuses(email, otp);
    const again = granted(await it.verify(email, await it.code(email)));
    assert.equal(claimsOf(again.access_token).sub, claimsOf(tokens.access_token).sub);
    assert.equal((await accountsOf(it.server, email)).length, 1);
  });

  test("creates one account when a sign-up is confirmed at the same moment", async () => {
    const email = newAddress();
    const { registration, code } = await it.owner.signUp(email, { password: PASSWORD });
    const otp = await it.code(email);
    const answers = await Promise.all([it.verify(email, otp), it.owner.verify({ email, otp: code, registration })]);
    granted(answers[0]);
    assert.ok([200, 400].includes(answers[1].status));
    assert.equal((await accountsOf(it.server, email)).length, 1);
  });

  test("shows nobody who has one", async () => {
    const [known, unknown] = [(await it.person()).email, newAddress()];
    const asked = (email) => () => it.owner.post("request-otp", { email });
    assert.equal((await assertAlike(it.server, asked(known), asked(unknown))).status, 202);
    refused(await it.owner.post("request-login-link", { email: known }), 403, "feature_disabled");
  });
});

describe("asking for codes and links", () => {
  let server;
  before(async () => {
    const limits = { code_per_identifier: { count: 2, period_seconds: 600 }, code_per_source: { count: 4, period_seconds: 600 } };
    server = await startOpenServer({ vars: { limits, codes: { resend_after_seconds: 0 } } });
  });
  after(() => server?.stop());

  test("is limited per address and kind, and per source", async () => {
    const email = newAddress();
    const [one, two] = [client(server, "192.0.2.1"), client(server, "192.0.2.2")];
    for (const who of [one, two]) assert.equal((await who.post("request-otp", { email })).status, 202);
    refused(await one.post("request-otp", { email }), 429, "rate_limited");
    assert.equal((await one.post("request-login-link", { email })).status, 202);
    assert.equal((await one.post("request-login-link", { email: newAddress() })).status, 202);
    refused(await one.post("request-otp", { email: newAddress() }), 429, "rate_limited");
    assert.equal((await two.post("request-otp", { email: newAddress() })).status, 202);
  });
});
