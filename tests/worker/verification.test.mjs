// Proving an address by a link or by a UUID, resetting a password by a UUID, and mails that wait for each other.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, assertAlike, claimsOf, client, cooled, granted, newAddress, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { until } from "./support/people.mjs";

const LINK = "Confirm your address";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const succeeded = (answer) => assert.deepEqual([answer.status, answer.body], [200, { success: true }], answer.text);

async function start(vars) {
  const server = await startOpenServer({ vars });
  const owner = client(server);
  const { DIRECTORY: directory } = await server.getEnv();
  /** As an import would leave it. */
  const unproven = async () => {
    const email = newAddress();
    const tokens = await owner.account(email);
    await directory.prepare("UPDATE identifiers SET verified_at = NULL WHERE value = ?").bind(email).run();
    return { email, bearer: tokens.access_token, ...tokens };
  };
  const isVerified = async ({ bearer }) => (await owner.me(bearer)).body.is_verified;
  return { server, owner, directory, unproven, isVerified };
}

describe("an address proven by a link", () => {
  let it;
  before(async () => (it = await start({ verification: { by: "link" } })));
  after(() => it?.server.stop());
  const proves = (token) => it.owner.post("verify-email", { token });

  test("works for its own account, and repeats only itself", async () => {
    const [me, other] = [await it.unproven(), await it.unproven()];
    const mail = await it.owner.mailed("request-email-verification", me.email, LINK);
    assert.equal(new URL(mail.link).pathname, "/verify-email");
    assert.equal(mail.code, undefined);
    const token = tokenOf(mail);
    for (const bad of ["", "psl_", `${token}x`, `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`]) {
      refused(await proves(bad), 400, bad === "" ? "code_invalid" : "code_invalid");
    }
    // Neither another purpose nor another way to present it.
    refused(await it.owner.post("verify-login-link", { token }), 400, "code_invalid");
    refused(await it.owner.post("reset-password", { token, password: `${PASSWORD} 2` }), 400, "code_invalid");
    refused(await it.owner.post("verify-email", { email: me.email, otp: token.slice(0, 60) }), 400, "invalid_request");
    assert.equal(await it.isVerified(me), false);
    succeeded(await proves(token));
    succeeded(await proves(token));
    assert.deepEqual([await it.isVerified(me), await it.isVerified(other)], [true, false]);
  });

  test("is for nothing when it is replaced, or when the address was changed meanwhile", async () => {
    const me = await it.unproven();
    const first = tokenOf(await it.owner.mailed("request-email-verification", me.email, LINK));
    await cooled(it.server);
    const second = tokenOf(await it.owner.mailed("request-email-verification", me.email, LINK));
    refused(await proves(first), 400, "code_invalid");

    const to = newAddress("new");
    const asked = await it.owner.post("request-email-change", { email: to, current_password: PASSWORD }, { bearer: me.bearer });
    assert.equal(asked.status, 202, asked.text);
    const { code } = await until("the code", async () => (await it.owner.mails(to))[0], 60);
    succeeded(await it.owner.post("confirm-email-change", { email: to, otp: code }, { bearer: me.bearer }));
    await it.directory.prepare("UPDATE identifiers SET verified_at = NULL WHERE value = ?").bind(to).run();
    refused(await proves(second), 400, "code_invalid");
    const { access_token: bearer } = granted(await it.owner.post("refresh", { refresh_token: me.refresh_token }));
    assert.equal(await it.isVerified({ bearer }), false, "the new address was proven by a mail to the old one");

    // Whoever gets the old address next is not proven by it either.
    const next = client(it.server, "203.0.113.7");
    granted({ status: 200, ...(await next.account(me.email).then((body) => ({ body, text: "" }))) });
    refused(await proves(second), 400, "code_invalid");
  });

  test("is mailed only to who has an account with an unproven address, and the answer is the same for all", async () => {
    const [me, unknown, proven] = [await it.unproven(), newAddress(), newAddress()];
    await it.owner.account(proven);
    const asked = (email) => () => it.owner.post("request-email-verification", { email });
    assert.equal((await assertAlike(it.server, asked(me.email), asked(unknown))).status, 202);
    assert.equal((await asked(proven)()).status, 202);
    await until("the link", async () => (await it.owner.mails(me.email)).find(({ subject }) => subject === LINK), 60);
    assert.deepEqual(await it.owner.mails(unknown), []);
    assert.ok((await it.owner.mails(proven)).every(({ subject }) => subject !== LINK));
  });
});

describe("by a UUID", { concurrency: 4 }, () => {
  let it;
  before(async () => (it = await start({ verification: { by: "uuid" }, password_reset: { by: "uuid" } })));
  after(() => it?.server.stop());

  test("an address is proven", async () => {
    const me = await it.unproven();
    const { code, link } = await it.owner.mailed("request-email-verification", me.email, "Your code to confirm this address");
    assert.match(code, UUID);
    assert.equal(link, undefined);
    for (const otp of [code.slice(-6), code.toUpperCase(), "00000000-0000-4000-8000-000000000000"]) {
      refused(await it.owner.post("verify-email", { email: me.email, otp }), 400, "code_invalid");
    }
    succeeded(await it.owner.post("verify-email", { email: me.email, otp: code }));
    assert.equal(await it.isVerified(me), true);
  });

  test("a password is reset, and no number of wrong ones keeps the owner out", async () => {
    const me = await it.unproven();
    const { code } = await it.owner.mailed("request-password-reset", me.email, "Your code to reset the password");
    assert.match(code, UUID);
    const resets = (otp, password) => it.owner.post("reset-password", { email: me.email, otp, password });
    for (let guess = 0; guess < 12; guess += 1) refused(await resets(`${guess}`.padStart(6, "0"), `${PASSWORD} 2`), 400, "code_invalid");
    succeeded(await resets(code, `${PASSWORD} 2`));
    refused(await resets(code, `${PASSWORD} 3`), 400, "code_invalid");
    granted(await it.owner.login(me.email, `${PASSWORD} 2`));
    refused(await it.owner.validate(me.access_token, "strict"), 401, "session_revoked");
    assert.equal(await it.isVerified({ bearer: granted(await it.owner.login(me.email, `${PASSWORD} 2`)).access_token }), true);
  });
});

test("where mails wait for each other, none is sent while one may be used", async () => {
  const it = await start({ codes: { resend: "refuse_while_live", resend_after_seconds: 0, login_ttl_seconds: 300 } });
  try {
    const email = newAddress();
    await it.owner.account(email);
    const asked = (to) => () => it.owner.post("request-otp", { email: to });
    const { code } = await it.owner.mailed("request-otp", email, "Your code to sign in");
    const refusal = refused(await asked(email)(), 429, "rate_limited");
    assert.ok(refusal.retry_after_seconds > 240 && refusal.retry_after_seconds <= 300, `${refusal.retry_after_seconds}`);
    // The same for an address without an account.
    const unknown = newAddress();
    assert.equal((await asked(unknown)()).status, 202);
    refused(await asked(unknown)(), 429, "rate_limited");
    const tokens = granted(await it.owner.post("verify-login", { email, otp: code }));
    assert.ok(claimsOf(tokens.access_token).sub);
    assert.equal((await asked(email)()).status, 202, "what was used is not live");
  } finally {
    await it.server.stop();
  }
});
