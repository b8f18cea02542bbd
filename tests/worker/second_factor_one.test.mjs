// Second factors one by one: removing one and keeping the others, how often codes are sent, and what is not spent for nothing.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, claimsOf, granted, refused } from "./support/accounts.mjs";
import { codeOf, enrol } from "./support/authenticator.mjs";
import { SoftwarePasskey, passkeyClient } from "./support/passkeys.mjs";
import { audited } from "./support/people.mjs";
import { startPhoneServer } from "./support/phones.mjs";
import { sentFactorClient } from "./support/sent_factors.mjs";

const accountOf = ({ access_token }) => claimsOf(access_token).sub;

describe("one second factor of several", () => {
  let server;
  let owner, verify, setUp, codeAfter, enrolled, aMinuteLater, challenge, factors;
  before(async () => {
    server = await startPhoneServer({ vars: { second_factor: { sms: true, trusted_device_seconds: 3600 } } });
    ({ owner, verify, setUp, codeAfter, enrolled, aMinuteLater, challenge, factors } = sentFactorClient(server));
  });
  after(() => server?.stop());

  const disable = (me, body) => owner.post("2fa/disable", { current_password: PASSWORD, ...body }, { bearer: me.access_token });
  const done = ({ status, text }) => assert.equal(status, 200, text);
  /** The session that has changed something goes on, with tokens that say so. */
  const renewed = async (me) => ({ ...me, ...granted(await owner.post("refresh", { refresh_token: me.refresh_token })) });
  const methods = async (me) => {
    const { body } = await owner.post("login", { ...me.login, password: PASSWORD });
    return body.methods;
  };
  /** Somebody with codes by mail and an app, and tokens that have shown a factor. */
  const withBoth = async () => {
    const me = await enrolled("email");
    const strong = granted(await verify({ challenge: await challenge(me, ["backup_code", "email"]), backup_code: me.codes[0] }));
    const { secret, codes } = await enrol(owner, strong, PASSWORD);
    return { ...me, ...strong, secret, codes };
  };

  test("goes alone: the mailed one, and the app and its backup codes stay", async () => {
    let me = await withBoth();
    const other = granted(await verify({ challenge: await challenge(me, ["totp", "backup_code", "email"]), backup_code: me.codes[0] }));
    refused(await disable(me, { method: "sms", code: codeOf(me.secret) }), 409, "second_factor_conflict");
    refused(await disable(me, { method: "email", backup_code: "AAAAA-AAAAA" }), 400, "second_factor_invalid");
    refused(await disable(me, { method: "pigeon", code: codeOf(me.secret) }), 400, "invalid_request");
    refused(await disable({ access_token: "" }, { method: "email", code: codeOf(me.secret) }), 401, "token_missing");
    assert.deepEqual(await methods(me), ["totp", "backup_code", "email"]);
    done(await disable(me, { method: "email", code: codeOf(me.secret) }));
    assert.deepEqual(await methods(me), ["totp", "backup_code"]);
    // The code was used up by it, the session that asked goes on, and the others are over.
    me = await renewed(me);
    refused(await disable(me, { method: "totp", code: codeOf(me.secret) }), 400, "second_factor_invalid");
    assert.equal((await owner.me(me.access_token)).status, 200);
    refused(await owner.me(other.access_token), 401, "session_revoked");
    const { record } = await factors(me);
    assert.deepEqual([record.email, record.pending_contact, record.backup.left.length], [null, null, 9]);
    const trail = await audited(server, { account: accountOf(me) });
    assert.ok(trail.includes("second_factor_disabled:email"), trail.join());
    assert.ok((await owner.untilMails(me.to, 1)).some(({ subject }) => subject === "A second factor of your account was removed"));
  });

  test("goes alone: the app, and codes by mail stay", async () => {
    const me = await withBoth();
    done(await disable(me, { method: "totp", backup_code: me.codes[0] }));
    assert.deepEqual(await methods(me), ["backup_code", "email"]);
    refused(await disable(await renewed(me), { method: "totp", backup_code: me.codes[1] }), 409, "second_factor_conflict");
  });

  test("that is the last takes its backup codes along, and nothing is asked for any more", async () => {
    const me = await enrolled("sms");
    done(await disable(me, { method: "sms", backup_code: me.codes[0] }));
    granted(await owner.post("login", { ...me.login, password: PASSWORD }));
    assert.equal((await factors(me)).record.backup, null);
    refused(await disable(await renewed(me), { method: "sms", backup_code: me.codes[1] }), 409, "second_factor_conflict");
  });

  test("that leaves a passkey behind leaves it its backup codes", async () => {
    const me = await enrolled("email");
    await passkeyClient(server).register({ ...me, bearer: me.access_token }, new SoftwarePasskey({ verifies: false }), { purpose: "second_factor", backup_code: me.codes[0] });
    done(await disable(me, { method: "email", backup_code: me.codes[1] }));
    assert.deepEqual(await methods(me), ["backup_code", "passkey"]);
  });

  test("without a method all go", async () => {
    const me = await withBoth();
    done(await disable(me, { code: codeOf(me.secret) }));
    granted(await owner.post("login", { ...me.login, password: PASSWORD }));
  });

  test("another is set up with a factor that is spent only when a code is sent", async () => {
    const me = await enrolled("email");
    const { record, put } = await factors(me);
    await put({ ...record, sent_at: Date.now() });
    const [code] = me.codes;
    const proof = { current_password: PASSWORD, backup_code: code };
    refused(await setUp(me, "email", { current_password: PASSWORD, backup_code: "AAAAA-AAAAA" }), 429, "rate_limited");
    for (let time = 0; time < 2; time += 1) refused(await setUp(me, "email", proof), 429, "rate_limited");
    assert.equal((await factors(me)).record.backup.left.length, 10);
    await aMinuteLater(me);
    refused(await setUp(me, "email"), 401, "reauthentication_required");
    refused(await setUp(me, "email", { current_password: PASSWORD, backup_code: "AAAAA-AAAAA" }), 400, "second_factor_invalid");
    refused(await setUp(me, "email", { current_password: "not it at all", backup_code: code }), 403, "current_password_wrong");
    await codeAfter(me.to, () => setUp(me, "email", proof));
    assert.equal((await factors(me)).record.backup.left.length, 9);
    await aMinuteLater(me);
    refused(await setUp(me, "email", proof), 400, "second_factor_invalid");
  });

  test("an order to send that is repeated is answered with the same, and sends nothing more", async () => {
    const me = await enrolled("email");
    const { ACCOUNT } = await server.getEnv();
    const object = ACCOUNT.get(ACCOUNT.idFromName(accountOf(me)));
    const operation = randomBytes(16).toString("hex");
    const order = { sent: { for_session: { method: "email", code: "123456", session: claimsOf(me.access_token).sid, language: null } } };
    const body = JSON.stringify({ version: 1, call: { factor: { tenant: "default", operation, order } } });
    const ask = async () => (await object.fetch("https://object/call", { method: "POST", body })).json();
    const sent = (await owner.mails(me.to)).length;
    assert.deepEqual(await ask(), { sent: { to: me.to } });
    assert.deepEqual(await ask(), { sent: { to: me.to } });
    await owner.untilMails(me.to, sent + 1);
    assert.equal((await owner.mails(me.to)).length, sent + 1);
  });

  test("what is about to be one, and trusted devices, stand in the export", async () => {
    const me = await enrolled("email");
    const waiting = await challenge(me, ["backup_code", "email"]);
    const answer = await verify({ challenge: waiting, backup_code: me.codes[0], trust_device: true });
    assert.equal(answer.status, 200, answer.text);
    let bearer = answer.body.access_token;
    const exported = async () => (await owner.send("GET", `${AUTH}/me/export`, { bearer })).body.second_factor;
    const [{ expires_at: until, ...rest }] = (await exported()).trusted_devices;
    assert.deepEqual(rest, {});
    assert.ok(until > Date.now() && until <= Date.now() + 3_600_000);
    assert.equal((await exported()).pending, undefined);
    await codeAfter(me.to, () => setUp({ access_token: bearer }, "email"));
    const { expires_at, ...pending } = (await exported()).pending;
    assert.deepEqual(pending, { method: "email", sent_to: me.to });
    assert.ok(expires_at > Date.now());
    // No device is trusted that was before a factor was removed.
    done(await disable({ access_token: bearer }, { method: "email", backup_code: me.codes[1] }));
    bearer = (await renewed(answer.body)).access_token;
    assert.deepEqual(await exported(), { enabled: false, backup_codes_left: 0 });
  });
});

describe("codes of second factors", () => {
  let server;
  let owner, verify, send, setUp, codeAfter, enrolled, aMinuteLater, challenge;
  const SECOND = { count: 2, period_seconds: 3600 };
  before(async () => {
    const limits = { code_per_identifier: SECOND, sms_per_identifier: SECOND };
    server = await startPhoneServer({ vars: { second_factor: { sms: true }, limits } });
    ({ owner, verify, send, setUp, codeAfter, enrolled, aMinuteLater, challenge } = sentFactorClient(server));
  });
  after(() => server?.stop());

  for (const method of ["email", "sms"]) {
    test(`by ${method} are sent to an account as often as any other, whatever asks for them`, async () => {
      // The first was that of its set-up.
      const me = await enrolled(method);
      const waiting = await challenge(me, ["backup_code", method]);
      await codeAfter(me.to, () => send(waiting, method));
      await aMinuteLater(me);
      const full = await send(waiting, method);
      refused(full, 429, "rate_limited");
      const wait = Number(full.headers.get("retry-after"));
      assert.ok(wait > 60 && wait <= 1_800, String(wait));
      // Nor for another login, a session, or a set-up; and what was shown for it is not spent.
      refused(await send(await challenge(me, ["backup_code", method]), method), 429, "rate_limited");
      const asks = { method, current_password: PASSWORD, backup_code: me.codes[0] };
      refused(await owner.post("2fa/send", { method }, { bearer: me.access_token }), 429, "rate_limited");
      refused(await setUp(me, method, asks), 429, "rate_limited");
      const strong = granted(await verify({ challenge: waiting, backup_code: me.codes[0] }));
      // To remove the factor and to set it up again does not begin anew.
      const removed = await owner.post("2fa/disable", { current_password: PASSWORD, backup_code: me.codes[1], method }, { bearer: strong.access_token });
      assert.equal(removed.status, 200, removed.text);
      const after = granted(await owner.post("refresh", { refresh_token: strong.refresh_token }));
      refused(await setUp(after, method), 429, "rate_limited");
    });
  }
});

describe("codes for one login", () => {
  test("are three at most", async () => {
    const server = await startPhoneServer({ vars: { second_factor: { sms: true } } });
    try {
      const { enrolled, challenge, codeAfter, send, aMinuteLater, verify } = sentFactorClient(server);
      const me = await enrolled("email");
      const waiting = await challenge(me, ["backup_code", "email"]);
      let last;
      for (let time = 0; time < 3; time += 1) {
        last = (await codeAfter(me.to, () => send(waiting, "email"))).code;
        await aMinuteLater(me);
      }
      refused(await send(waiting, "email"), 400, "challenge_invalid");
      granted(await verify({ challenge: waiting, method: "email", code: last }));
    } finally {
      await server.stop();
    }
  });
});
