// Devices that need not show a second factor again for a while.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, granted, newAddress, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { codeOf, enrol } from "./support/authenticator.mjs";
import { SoftwarePasskey, passkeyClient } from "./support/passkeys.mjs";
import { operatorOf, startOperated } from "./support/operator.mjs";

const ELSEWHERE = { headers: { "user-agent": "another device", "cf-connecting-ip": "203.0.113.9" } };
const NEW = "a password of tomorrow";

describe("a trusted device", () => {
  let server;
  let owner, operator, register, remove;
  before(async () => {
    server = await startOperated({}, { second_factor: { trusted_device_seconds: 3600 }, sign_in: { codes: true } });
    ({ owner, register, remove } = passkeyClient(server));
    operator = operatorOf(server);
  });
  after(() => server?.stop());

  const login = (me, device_token, password = PASSWORD, more) => owner.post("login", { email: me.email, password, device_token }, more);
  const challenged = async (asked) => {
    const { status, body, text } = await asked;
    assert.deepEqual([status, body.mfa_required], [200, true], text);
    return body.challenge;
  };
  const verify = (body, more) => owner.post("2fa/verify", body, more);
  /** Somebody with an authenticator, and a device that they trust. */
  const trusting = async () => {
    const email = newAddress();
    const me = { email, ...(await owner.account(email)) };
    const factor = await enrol(owner, me, PASSWORD);
    const { status, body, text } = await verify({ challenge: await challenged(login(me)), code: codeOf(factor.secret), trust_device: true });
    assert.equal(status, 200, text);
    const { device_token: device, ...tokens } = body;
    granted({ status, body: tokens, text });
    return { ...me, ...factor, ...tokens, device, bearer: tokens.access_token, account: claimsOf(tokens.access_token).sub };
  };

  test("is let in with a password, has shown one factor, and says so", async () => {
    const me = await trusting();
    for (let time = 0; time < 2; time += 1) {
      const tokens = granted(await login(me, me.device));
      const { amr, acr } = claimsOf(tokens.access_token);
      assert.deepEqual([amr, acr], [["pwd"], "urn:postern:acr:1"]);
      // What is sensitive asks all the same.
      refused(await owner.post("change-password", { current_password: PASSWORD, new_password: NEW }, { bearer: tokens.access_token }), 401, "reauthentication_required");
    }
    await challenged(login(me));
    refused(await login(me, me.device, "not it at all"), 401, "invalid_credentials");
    // It stands behind a password alone.
    const { code: otp } = await owner.mailed("request-otp", me.email, "Your code to sign in");
    await challenged(owner.post("verify-login", { email: me.email, otp, device_token: me.device }));
    const storage = await server.objectStorage("ACCOUNT", me.account);
    const [{ record }] = await storage.exec("SELECT record FROM account WHERE key = 'factors'");
    const secret = Buffer.from(me.device.slice(4), "base64url").subarray(17);
    for (const text of [me.device, secret.toString("base64url"), secret.toString("hex")]) assert.ok(!record.includes(text));
  });

  test("is its account's alone, and nothing that was made up is one", async () => {
    const [me, other] = [await trusting(), await trusting()];
    const { challenge } = (await login(me)).body;
    const forged = me.device.slice(0, -1) + (me.device.endsWith("A") ? "E" : "A");
    const bytes = Buffer.from(me.device.slice(4), "base64url");
    Buffer.from(other.account, "hex").copy(bytes, 1);
    const moved = `psl_${bytes.toString("base64url")}`;
    for (const token of [other.device, forged, moved, challenge, me.refresh_token, "", "nonsense"]) await challenged(login(me, token));
    await challenged(login(other, moved));
    refused(await verify({ challenge: me.device, code: codeOf(me.secret, 1) }), 400, "challenge_invalid");
    refused(await login(me, 7), 400, "invalid_request");
    refused(await verify({ challenge, backup_code: me.codes[0], trust_device: "yes" }), 400, "invalid_request");
    // A wrong factor makes no device trusted.
    const wrong = await verify({ challenge, code: "000000", trust_device: true });
    refused(wrong, 400, "second_factor_invalid");
    assert.equal(wrong.body.device_token, undefined);
    // Without device binding it is the secret that counts.
    granted(await login(me, me.device, PASSWORD, ELSEWHERE));
  });

  const lifted = async (me, ...orders) => {
    for (const verb of orders) {
      const { status, body } = await operator.order(me, verb, { reason: "a try" });
      assert.equal(status, 200, JSON.stringify(body));
    }
  };
  const endings = {
    "its time": async (me) => {
      const storage = await server.objectStorage("ACCOUNT", me.account);
      const [{ record }] = await storage.exec("SELECT record FROM account WHERE key = 'factors'");
      const factors = JSON.parse(record);
      for (const device of factors.trusted) device.expires_at -= 3_600_000;
      await storage.exec("UPDATE account SET record = ? WHERE key = 'factors'", JSON.stringify(factors));
    },
    "another password": async (me) => {
      const { status, text } = await owner.post("change-password", { current_password: PASSWORD, new_password: NEW }, { bearer: me.bearer });
      assert.equal(status, 200, text);
      return NEW;
    },
    "a reset": async (me) => {
      const token = tokenOf(await owner.mailed("request-password-reset", me.email, "Reset your password"));
      const { status, text } = await owner.post("reset-password", { token, password: NEW, backup_code: me.codes[0] });
      assert.equal(status, 200, text);
      return NEW;
    },
    "other backup codes": async (me) => assert.equal((await owner.post("2fa/backup-codes", {}, { bearer: me.bearer })).status, 200),
    "a passkey that is removed": async (me) => {
      const passkey = await register(me, new SoftwarePasskey({ verifies: false }), { purpose: "second_factor" });
      assert.equal((await remove(me, passkey)).status, 200);
    },
    "a passkey that is registered": (me) => register(me, new SoftwarePasskey({ verifies: false }), { purpose: "second_factor" }),
    "a lock, though it is lifted": (me) => lifted(me, "lock", "unlock"),
    "a ban, though it is lifted": (me) => lifted(me, "ban", "unban"),
    "being disabled, though it is enabled again": (me) => lifted(me, "disable", "enable"),
    "the end of all sessions": async (me) => assert.equal((await owner.post("sessions/revoke-all", {}, { bearer: me.bearer })).status, 200),
    "the operator": async (me) => assert.equal((await operator.order(me, "revoke-sessions", {})).status, 200),
    "another authenticator": async (me) => {
      assert.equal((await owner.post("2fa/disable", { current_password: PASSWORD, backup_code: me.codes[0] }, { bearer: me.bearer })).status, 200);
      const { access_token } = granted(await login(me));
      await enrol(owner, { access_token }, PASSWORD);
    },
  };
  for (const [what, end] of Object.entries(endings)) {
    test(`is trusted no longer after ${what}`, async () => {
      const me = await trusting();
      granted(await login(me, me.device));
      const password = [await end(me)].find((it) => it === NEW) ?? PASSWORD;
      await challenged(login(me, me.device, password));
    });
  }

  test("is nothing where it is not offered", async () => {
    const plain = await startOpenServer();
    try {
      const { owner: one } = passkeyClient(plain);
      const email = newAddress();
      const me = { email, ...(await one.account(email)) };
      const { codes } = await enrol(one, me, PASSWORD);
      const { challenge } = (await one.login(email, PASSWORD)).body;
      refused(await one.post("2fa/verify", { challenge, backup_code: codes[0], trust_device: true }), 403, "feature_disabled");
      granted(await one.post("2fa/verify", { challenge, backup_code: codes[0], trust_device: false }));
    } finally {
      await plain.stop();
    }
  });
});
