// Resetting a password by mail: for the owner of the address alone, once, and the end of everybody who was signed in.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  PASSWORD, assertAlike, client, cooled, granted, newAddress, onSecrets, otherThan, refused, startOpenServer, tokenOf,
} from "./support/accounts.mjs";
import { audited } from "./support/people.mjs";
import { NEW, OTHER, resetWorld, succeeded } from "./support/resets.mjs";

const RESET_DONE = "Your password was reset";

function world(by) {
  const of = resetWorld(by, { lockout: { per_source_failures: 3 } });
  of.refuses = async (body) => refused(await of.reset(body), 400, "code_invalid");
  of.links = (...sql) => onSecrets(of.server, ...sql);
  of.cooled = () => cooled(of.server);
  return of;
}

describe("a reset by link", () => {
  const it = world("link");

  test("sets the password, ends every session, and tells the owner", async () => {
    const me = await it.person();
    const stolen = granted(await it.thief.login(me.email, PASSWORD));
    const link = await it.forgot(me);
    assert.equal(link.code, undefined);
    assert.match(link.link, /^http:\/\/localhost:8787\/reset-password#psl_[\w-]{66}$/);
    // Asking for it has changed nothing.
    assert.equal((await it.owner.validate(stolen.access_token, "strict")).status, 200);

    succeeded(await it.reset({ token: tokenOf(link), password: NEW }));
    for (const { access_token: access, refresh_token: refresh } of [me, stolen]) {
      refused(await it.owner.validate(access, "strict"), 401, "session_revoked");
      refused(await it.thief.post("refresh", { refresh_token: refresh }), 401, "refresh_invalid");
    }
    refused(await it.thief.login(me.email, PASSWORD), 401, "invalid_credentials");
    granted(await it.owner.login(me.email, NEW));
    const told = (await it.owner.untilMails(me.email, 3)).filter(({ subject }) => subject === RESET_DONE);
    assert.equal(told.length, 1);
    assert.ok((await audited(it.server, me)).includes("password_reset"));
  });

  test("repeats only its own change, for ten minutes, and never another's", async () => {
    const me = await it.person();
    const token = tokenOf(await it.forgot(me));
    succeeded(await it.reset({ token, password: NEW }));
    const set = await it.credential(me);
    succeeded(await it.reset({ token, password: NEW }));
    await it.refuses({ token, password: OTHER });
    assert.deepEqual(await it.credential(me), set);
    assert.ok((await audited(it.server, me)).includes("password_reset_replay:email"));

    // The owner changes the password again; the link in the history of a browser must not take that back.
    const bearer = granted(await it.owner.login(me.email, NEW)).access_token;
    succeeded(await it.owner.post("change-password", { current_password: NEW, new_password: "the third password of all" }, { bearer }));
    const latest = await it.credential(me);
    for (const password of [NEW, OTHER, "the third password of all"]) await it.refuses({ token, password });
    assert.deepEqual(await it.credential(me), latest);
  });

  test("does not work after its ten minutes, nor when it was never used in time", async () => {
    const [used, unused] = [await it.person(), await it.person()];
    const tokens = [tokenOf(await it.forgot(used)), tokenOf(await it.forgot(unused))];
    succeeded(await it.reset({ token: tokens[0], password: NEW }));
    await it.links("UPDATE links SET record = json_set(record, '$.secret.used.used_at', CAST(? AS INTEGER)) WHERE json_extract(record, '$.secret.used') IS NOT NULL", Date.now() - 600_001);
    await it.refuses({ token: tokens[0], password: NEW });
    await it.links("UPDATE links SET record = json_set(record, '$.secret.expires_at', CAST(? AS INTEGER)) WHERE key LIKE '%/reset_password'", Date.now() - 1);
    await it.refuses({ token: tokens[1], password: NEW });
    granted(await it.owner.login(unused.email, PASSWORD));
  });

  test("that died between its two steps goes on, with whichever password comes", async () => {
    const me = await it.person();
    const token = tokenOf(await it.forgot(me));
    const before = await it.credential(me);
    succeeded(await it.reset({ token, password: NEW }));
    const { operation_id: operation } = await it.credential(me);
    // As if the Worker had died before it reached the directory.
    const undo = "UPDATE credentials SET password_hash = ?, operation_id = NULL, version = ? WHERE account_id = ?";
    await it.directory.prepare(undo).bind(before.password_hash, before.version, me.account).run();
    succeeded(await it.reset({ token, password: OTHER }));
    assert.equal((await it.credential(me)).operation_id, operation);
    granted(await it.owner.login(me.email, OTHER));
  });

  test("used twice at the same moment succeeds once", async () => {
    const me = await it.person();
    const token = tokenOf(await it.forgot(me));
    const passwords = [NEW, OTHER];
    const answers = await Promise.all(passwords.map((password) => it.reset({ token, password })));
    const won = answers.findIndex(({ status }) => status === 200);
    assert.notEqual(won, -1);
    refused(answers[1 - won], 400, "code_invalid");
    assert.equal((await it.credential(me)).version, 2);
    granted(await it.owner.login(me.email, passwords[won]));
  });

  test("works for nothing and nobody else", async () => {
    const [me, other] = [await it.person(), await it.person()];
    const token = tokenOf(await it.forgot(me));
    const bytes = Buffer.from(token.slice(4), "base64url");
    const forged = (change) => {
      const copy = Buffer.from(bytes);
      change(copy);
      return `psl_${copy.toString("base64url")}`;
    };
    const theirs = forged((copy) => Buffer.from(other.account, "hex").copy(copy, 1));
    const nobodys = forged((copy) => copy.fill(7, 1, 17));
    const altered = forged((copy) => (copy[48] ^= 1));
    for (const presented of [theirs, nobodys, altered, token.slice(0, -1), `${token}A`, "psl_", ""]) {
      await it.refuses({ token: presented, password: NEW });
    }
    refused(await it.owner.post("set-password", { token, password: NEW }), 400, "code_invalid");
    refused(await it.owner.post("verify-login-link", { token }), 400, "code_invalid");
    const login = await it.owner.mailed("request-login-link", me.email, "Your link to sign in");
    await it.refuses({ token: tokenOf(login), password: NEW });
    refused(await it.reset({ token, password: "short" }), 400, "invalid_request");
    refused(await it.reset({ email: me.email, otp: "123456", password: NEW }), 400, "invalid_request");
    succeeded(await it.reset({ token, password: NEW }));
    granted(await it.owner.login(other.email, PASSWORD));
  });

  test("dies when the next one is mailed, which has to wait", async () => {
    const me = await it.person();
    const first = tokenOf(await it.forgot(me));
    await it.cooled();
    const second = tokenOf(await it.forgot(me));
    for (const email of [me.email, newAddress()]) {
      if (email !== me.email) assert.equal((await it.owner.post("request-password-reset", { email })).status, 202);
      const again = await it.owner.post("request-password-reset", { email });
      refused(again, 429, "rate_limited");
      assert.ok(Number(again.headers.get("retry-after")) >= 50);
    }
    await it.refuses({ token: first, password: NEW });
    succeeded(await it.reset({ token: second, password: NEW }));
  });

  test("takes every other way in with it", async () => {
    const me = await it.person();
    const { code: otp } = await it.owner.mailed("request-otp", me.email, "Your code to sign in");
    const link = await it.owner.mailed("request-login-link", me.email, "Your link to sign in");
    succeeded(await it.reset({ token: tokenOf(await it.forgot(me)), password: NEW }));
    refused(await it.thief.post("verify-login", { email: me.email, otp }), 400, "code_invalid");
    refused(await it.thief.post("verify-login-link", { token: tokenOf(link) }), 400, "code_invalid");
  });

  test("lets its owner in again where guesses had locked the login", async () => {
    const me = await it.person();
    for (let guess = 0; guess < 3; guess += 1) refused(await it.owner.login(me.email, `guess ${guess}`), 401, "invalid_credentials");
    refused(await it.owner.login(me.email, PASSWORD), 429, "rate_limited");
    succeeded(await it.reset({ token: tokenOf(await it.forgot(me)), password: NEW }));
    granted(await it.owner.login(me.email, NEW));
  });

  test("shows nobody who has an account", async () => {
    const [known, unknown] = [await it.person(), { email: newAddress(), account: "0123456789abcdef".repeat(2) }];
    const asked = ({ email }) => () => it.owner.post("request-password-reset", { email });
    const { status, body } = await assertAlike(it.server, asked(known), asked(unknown));
    assert.deepEqual([status, body], [202, { success: true, expires_in: 900 }]);
    const token = ({ account }) => `psl_${Buffer.concat([Buffer.from([1]), Buffer.from(account, "hex"), Buffer.alloc(32, 9)]).toString("base64url")}`;
    const tried = (who) => () => it.reset({ token: token(who), password: NEW });
    assert.equal((await assertAlike(it.server, tried(known), tried(unknown))).status, 400);
    assert.deepEqual(await it.owner.mails(unknown.email), []);
  });

  test("is refused where it is switched off", async () => {
    const server = await startOpenServer({ vars: { password_reset: { enabled: false } } });
    try {
      const somebody = client(server);
      refused(await somebody.post("request-password-reset", { email: newAddress() }), 403, "feature_disabled");
      refused(await somebody.post("reset-password", { token: "psl_", password: NEW }), 403, "feature_disabled");
    } finally {
      await server.stop();
    }
  });
});

describe("a reset by code", () => {
  const it = world("code");

  test("sets the password and ends every session, with the code of its own address only", async () => {
    const [me, other] = [await it.person(), await it.person()];
    const stolen = granted(await it.thief.login(me.email, PASSWORD));
    const { code: otp, link } = await it.forgot(me);
    assert.match(otp, /^\d{6}$/);
    assert.equal(link, undefined);
    await it.forgot(other);
    await it.refuses({ email: other.email, otp, password: NEW });
    refused(await it.owner.post("verify-login", { email: me.email, otp }), 400, "code_invalid");
    succeeded(await it.reset({ email: me.email.toUpperCase(), otp, password: NEW }));
    refused(await it.owner.validate(stolen.access_token, "strict"), 401, "session_revoked");
    granted(await it.owner.login(me.email, NEW));
    granted(await it.owner.login(other.email, PASSWORD));
    succeeded(await it.reset({ email: me.email, otp, password: NEW }));
    await it.refuses({ email: me.email, otp, password: OTHER });
  });

  test("is dead after five wrong guesses, and with the next mail", async () => {
    const me = await it.person();
    const { code: otp } = await it.forgot(me);
    for (let guess = 0; guess < 5; guess += 1) await it.refuses({ email: me.email, otp: otherThan(otp), password: NEW });
    await it.refuses({ email: me.email, otp, password: NEW });
    await it.cooled();
    const { code: next } = await it.forgot(me);
    if (next !== otp) await it.refuses({ email: me.email, otp, password: NEW });
    const login = await it.owner.mailed("request-otp", me.email, "Your code to sign in");
    if (login.code !== next) await it.refuses({ email: me.email, otp: login.code, password: NEW });
    succeeded(await it.reset({ email: me.email, otp: next, password: NEW }));
  });

  test("used twice at the same moment succeeds once", async () => {
    const me = await it.person();
    const { code: otp } = await it.forgot(me);
    const answers = await Promise.all([NEW, OTHER].map((password) => it.reset({ email: me.email, otp, password })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    assert.equal((await it.credential(me)).version, 2);
  });

  test("shows nobody who has an account", async () => {
    const [known, unknown] = [await it.person(), { email: newAddress() }];
    const asked = ({ email }) => () => it.owner.post("request-password-reset", { email });
    assert.equal((await assertAlike(it.server, asked(known), asked(unknown))).status, 202);
    const [{ code }] = await it.owner.untilMails(known.email, 2);
    const tried = ({ email }) => () => it.reset({ email, otp: otherThan(code), password: NEW });
    assert.equal((await assertAlike(it.server, tried(known), tried(unknown))).status, 400);
    const never = [await it.person(), { email: newAddress() }];
    assert.equal((await assertAlike(it.server, ...never.map(tried))).status, 400);
    assert.deepEqual(await it.owner.mails(unknown.email), []);
  });
});
