// What a change of credentials leaves behind when its request is cut off after the directory has it: whatever comes
// next, the sessions end that have to, and the owner is told of everything once.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, client, granted, newAddress, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { audited, until } from "./support/people.mjs";

const [NEW, OTHER] = ["a better one than before", "quite another password"];
const [PASSWORD_CHANGED, PASSWORD_RESET, EMAIL_CHANGED] = ["Your password was changed", "Your password was reset", "Your address was changed"];
const [RESET_LINK, USE_ADDRESS, LOGIN_CODE, LOGIN_LINK] =
  ["Reset your password", "Your code to use this address", "Your code to sign in", "Your link to sign in"];
const succeeded = (answer) => assert.deepEqual([answer.status, answer.body], [200, { success: true }], answer.text);

describe("a change whose fence is open", () => {
  let server;
  let directory;
  let owner;
  let thief;
  before(async () => {
    server = await startOpenServer({ vars: { sign_in: { codes: true, links: true } } });
    ({ DIRECTORY: directory } = await server.getEnv());
    owner = client(server, "198.51.100.1");
    thief = client(server, "203.0.113.66");
  });
  after(() => server?.stop());

  const person = async () => {
    const email = newAddress();
    const tokens = await owner.account(email);
    const { sub: account, sid: session } = claimsOf(tokens.access_token);
    return { email, account, session, ...tokens };
  };
  const changePassword = (who, bearer, current, next) =>
    who.post("change-password", { current_password: current, new_password: next }, { bearer });
  const confirmEmail = (who, bearer, email, otp) => who.post("confirm-email-change", { email, otp }, { bearer });
  const refreshed = async ({ refresh_token: token }) => granted(await owner.post("refresh", { refresh_token: token }));
  const pending = async ({ account }) =>
    (await directory.prepare("SELECT change FROM pending_fences WHERE account_id = ?").bind(account).all()).results.length;
  const version = async ({ account }) =>
    (await directory.prepare("SELECT version FROM credentials WHERE account_id = ?").bind(account).first()).version;

  /** A request that is cut off between the directory and the account object. */
  const cutOff = async (me, request) => {
    const storage = await server.objectStorage("ACCOUNT", me.account);
    await storage.exec("CREATE TRIGGER cut_off BEFORE UPDATE ON account BEGIN SELECT RAISE(ABORT, 'cut off'); END");
    try {
      refused(await request(), 503, "invalidation_pending");
    } finally {
      await storage.exec("DROP TRIGGER cut_off");
    }
    assert.equal(await pending(me), 1);
  };
  const cron = async (me) => {
    await directory.prepare("UPDATE pending_fences SET next_at = 0 WHERE account_id = ?").bind(me.account).run();
    await server.scheduled();
    await until("the fence is closed", async () => (await pending(me)) === 0);
  };
  const told = async (email, subject) => {
    const found = await until(`${subject} to ${email}`, async () => {
      const mails = (await owner.mails(email)).filter((mail) => mail.subject === subject);
      return mails.length > 0 && mails;
    }, 60);
    return found.length;
  };
  const auditedOnce = async (me, ...events) => {
    const trail = await audited(server, me);
    for (const event of events) assert.equal(trail.filter((line) => line === event).length, 1, `${event} in ${trail}`);
  };
  /** A code for another address, asked for by this session. */
  const codeFor = async (bearer, to) => {
    const { status, text } = await owner.post("request-email-change", { email: to, current_password: PASSWORD }, { bearer });
    assert.equal(status, 202, text);
    return (await until("the code", async () => (await owner.mails(to)).find(({ subject }) => subject === USE_ADDRESS), 60)).code;
  };

  test("is told to the owner although a thief logs in with the new password first", async () => {
    const me = await person();
    const stolen = granted(await thief.login(me.email, PASSWORD));
    await cutOff(me, () => changePassword(thief, stolen.access_token, PASSWORD, NEW));
    granted(await thief.login(me.email, NEW));
    await cron(me);
    assert.equal(await told(me.email, PASSWORD_CHANGED), 1);
    await auditedOnce(me, "password_changed");
    assert.equal((await owner.post("refresh", { refresh_token: me.refresh_token })).status, 401);
  });

  test("is told to the owner once, however often it is closed", async () => {
    const me = await person();
    const link = await owner.mailed("request-password-reset", me.email, RESET_LINK);
    const reset = () => owner.post("reset-password", { token: tokenOf(link), password: NEW });
    await cutOff(me, reset);
    granted(await owner.login(me.email, NEW));
    // Whoever lost the answer asks again, and that closes it.
    succeeded(await reset());
    assert.equal(await pending(me), 0);
    succeeded(await reset());
    await cron(me);
    assert.equal(await told(me.email, PASSWORD_RESET), 1);
    await auditedOnce(me, "password_reset");
  });

  test("of an address tells the old one, also when it is asked for again", async () => {
    const me = await person();
    const to = newAddress("new");
    const otp = await codeFor(me.access_token, to);
    await cutOff(me, () => confirmEmail(owner, me.access_token, to, otp));
    // The first repetition closes the fence, which makes its own token stale.
    refused(await confirmEmail(owner, me.access_token, to, otp), 401, "token_stale");
    const { access_token: bearer } = await refreshed(me);
    succeeded(await confirmEmail(owner, bearer, to, otp));
    assert.equal(await told(me.email, EMAIL_CHANGED), 1);
    assert.ok((await owner.mails(to)).every(({ subject }) => subject !== EMAIL_CHANGED));
    await auditedOnce(me, "email_changed");
  });

  test("is finished before the next one, and both are told", async () => {
    const me = await person();
    const to = newAddress("new");
    const otp = await codeFor(me.access_token, to);
    await cutOff(me, () => confirmEmail(owner, me.access_token, to, otp));
    refused(await changePassword(owner, me.access_token, PASSWORD, NEW), 401, "token_stale");
    assert.equal(await pending(me), 0);
    const { access_token: bearer } = await refreshed(me);
    succeeded(await changePassword(owner, bearer, PASSWORD, NEW));
    assert.deepEqual([await told(me.email, EMAIL_CHANGED), await told(to, PASSWORD_CHANGED)], [1, 1]);
    await auditedOnce(me, "email_changed", "password_changed");
  });

  test("is not overtaken while it cannot be finished", async () => {
    const me = await person();
    await cutOff(me, async () => {
      refused(await changePassword(owner, me.access_token, PASSWORD, NEW), 503, "invalidation_pending");
      const link = await owner.mailed("request-password-reset", me.email, RESET_LINK);
      return owner.post("reset-password", { token: tokenOf(link), password: OTHER });
    });
    assert.equal(await version(me), 2);
    granted(await owner.login(me.email, NEW));
  });

  test("by a reset ends a thief's session before it can confirm an address", async () => {
    const me = await person();
    const stolen = granted(await thief.login(me.email, PASSWORD));
    const to = newAddress("thief");
    const otp = await codeFor(stolen.access_token, to);
    const link = await owner.mailed("request-password-reset", me.email, RESET_LINK);
    await cutOff(me, () => owner.post("reset-password", { token: tokenOf(link), password: NEW }));
    assert.equal((await owner.validate(stolen.access_token, "strict")).status, 200, "the tab was closed");

    refused(await confirmEmail(thief, stolen.access_token, to, otp), 401, "session_revoked");
    assert.equal((await thief.post("refresh", { refresh_token: stolen.refresh_token })).status, 401);
    assert.equal(await told(me.email, PASSWORD_RESET), 1);
    granted(await owner.login(me.email, NEW));
    refused(await owner.login(to, NEW), 401, "invalid_credentials");
  });

  test("leaves nothing of worth that was mailed before it", async () => {
    const me = await person();
    const to = newAddress("new");
    const otp = await codeFor(me.access_token, to);
    const link = await owner.mailed("request-password-reset", me.email, RESET_LINK);
    const { code } = await owner.mailed("request-otp", me.email, LOGIN_CODE);
    const login = await owner.mailed("request-login-link", me.email, LOGIN_LINK);
    await cutOff(me, () => changePassword(owner, me.access_token, PASSWORD, NEW));

    refused(await thief.post("reset-password", { token: tokenOf(link), password: OTHER }), 400, "code_invalid");
    refused(await thief.post("verify-login", { email: me.email, otp: code }), 400, "code_invalid");
    refused(await thief.post("verify-login-link", { token: tokenOf(login) }), 400, "code_invalid");
    await cron(me);
    const { access_token: bearer } = await refreshed(me);
    refused(await confirmEmail(owner, bearer, to, otp), 400, "code_invalid");
    assert.equal(await version(me), 2);
    granted(await owner.login(me.email, NEW));
  });
});
