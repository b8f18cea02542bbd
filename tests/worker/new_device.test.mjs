// A login from a device that the account has not used lately: its owner hears of it, and of no other.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, client, granted, newAddress, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { codeOf, steady } from "./support/authenticator.mjs";
import { audited, settled, until } from "./support/people.mjs";
import { newNumber } from "./support/phones.mjs";

const SUBJECT = "A new sign-in to your account";
const from = (address, agent) => ({ headers: { "cf-connecting-ip": address, "user-agent": agent } });
const HOME = from("198.51.100.1", "Owner/1.0");
const AWAY = from("203.0.113.9", "Owner/1.0");
const THIEF = from("203.0.113.66", "<b>Call 0800 7383773</b>");

function asked(server) {
  const one = client(server);
  const login = (email, where, password = PASSWORD) => one.post("login", { email, password }, where);
  const person = async (where = HOME) => {
    const email = newAddress();
    const { registration, code } = await one.signUp(email, { password: PASSWORD });
    const tokens = granted(await one.post("verify-signup", { email, otp: code, registration }, where));
    return { email, account: claimsOf(tokens.access_token).sub, ...tokens };
  };
  /** What an account was told of new devices, once all is delivered: mails, and lines of the audit trail. */
  const told = async ({ email, account }) => {
    await settled(server, { account });
    const trail = await audited(server, { account });
    const mails = email === undefined ? [] : await one.mails(email);
    return { mails: mails.filter(({ subject }) => subject === SUBJECT), events: trail.filter((line) => line === "new_device").length };
  };
  const heard = async (me, times) => {
    const { mails, events } = await told(me);
    assert.deepEqual([mails.length, events], [times, times]);
    return mails;
  };
  return { ...one, login, person, told, heard };
}

describe("the owner of an account hears of a login", () => {
  let server, owner;
  before(async () => {
    server = await startOpenServer({ vars: { mail: { new_device: true }, sign_in: { codes: true, links: true }, sms: { sender: "development_mailbox" } } });
    owner = asked(server);
  });
  after(() => server?.stop());

  test("from another network or with another user agent, once each, and not from home", async () => {
    const me = await owner.person();
    granted(await owner.login(me.email, HOME));
    await owner.heard(me, 0);
    granted(await owner.login(me.email, AWAY));
    await owner.heard(me, 1);
    granted(await owner.login(me.email, AWAY));
    granted(await owner.login(me.email, HOME));
    await owner.heard(me, 1);
    granted(await owner.login(me.email, from("198.51.100.1", "Owner/2.0")));
    await owner.heard(me, 2);
  });

  test("in words of ours: nothing of what the client sent is in the mail", async () => {
    const me = await owner.person();
    granted(await owner.login(me.email, THIEF));
    const [mail] = await owner.heard(me, 1);
    for (const part of ["0800", "Call", "203.0.113", "{{"]) assert.ok(!(mail.text + mail.html).includes(part), mail.text);
  });

  test("by a mailed code or link", async () => {
    const me = await owner.person();
    const { code } = await owner.mailed("request-otp", me.email, "Your code to sign in");
    granted(await owner.post("verify-login", { email: me.email, otp: code }, AWAY));
    await owner.heard(me, 1);
    const token = tokenOf(await owner.mailed("request-login-link", me.email, "Your link to sign in"));
    granted(await owner.post("verify-login-link", { token }, THIEF));
    await owner.heard(me, 2);
  });

  test("only when it has succeeded: not of a wrong password, and of a second factor's challenge when it is answered", async () => {
    const me = await owner.person();
    refused(await owner.login(me.email, AWAY, "not it at all"), 401, "invalid_credentials");
    await steady();
    const bearer = { bearer: me.access_token };
    const { body: setUp } = await owner.post("2fa/setup", { current_password: PASSWORD }, bearer);
    const confirmed = await owner.post("2fa/verify", { code: codeOf(setUp.secret, -1) }, bearer);
    assert.equal(confirmed.status, 200, confirmed.text);
    const { body } = await owner.login(me.email, AWAY);
    await owner.heard(me, 0);
    granted(await owner.post("2fa/verify", { challenge: body.challenge, backup_code: confirmed.body.backup_codes[0] }, AWAY));
    await owner.heard(me, 1);
  });

  test("and of a sign-up that is repeated from elsewhere, nothing", async () => {
    const email = newAddress();
    const { registration, code } = await owner.signUp(email, { password: PASSWORD });
    const verify = (where) => owner.post("verify-signup", { email, otp: code, registration }, where);
    const tokens = granted(await verify(HOME));
    granted(await verify(AWAY));
    await owner.heard({ email, account: claimsOf(tokens.access_token).sub }, 0);
  });

  test("not by SMS: an account without an address has the audit trail alone", async () => {
    const phone = newNumber();
    const accepted = await owner.post("signup", { phone, name: "Ada", password: PASSWORD });
    assert.equal(accepted.status, 202, accepted.text);
    const sms = () => owner.mails(phone);
    const [{ code }] = await until("the SMS", async () => (await sms()).length > 0 && sms());
    const { registration } = accepted.body;
    const tokens = granted(await owner.post("verify-signup", { phone, otp: code, registration }, HOME));
    granted(await owner.post("login", { phone, password: PASSWORD }, AWAY));
    assert.equal((await owner.told({ account: claimsOf(tokens.access_token).sub })).events, 1);
    assert.equal((await sms()).length, 1);
  });

  test("sixteen devices are remembered, without their addresses", async () => {
    const me = await owner.person();
    for (let device = 0; device < 18; device += 1) granted(await owner.login(me.email, from(`203.0.113.${device}`, "Owner/1.0")));
    const storage = await server.objectStorage("ACCOUNT", me.account);
    const [{ record }] = await storage.exec("SELECT record FROM operations WHERE key = 'known_devices'");
    const { seen } = JSON.parse(record);
    assert.equal(seen.length, 16);
    for (const device of seen) assert.deepEqual(Object.values(device).map((digest) => digest.length), [22, 22]);
    assert.ok(!record.includes("203.0") && !record.includes("Owner"), record);
  });
});

describe("no mail goes", () => {
  const immediate = { mode: "immediate", auto_login: true, require_verified_for_login: false, reveal_existing_accounts: true };
  const started = async (vars, run) => {
    const server = await startOpenServer({ vars });
    try {
      await run(asked(server));
    } finally {
      await server.stop();
    }
  };

  test("to an address that nobody has proven", () =>
    started({ mail: { new_device: true }, registration: immediate }, async (owner) => {
      const email = newAddress();
      const tokens = granted(await owner.post("signup", { email, name: "Ada", password: PASSWORD }, HOME));
      granted(await owner.login(email, AWAY));
      const { mails, events } = await owner.told({ email, account: claimsOf(tokens.access_token).sub });
      assert.deepEqual([mails.length, events], [0, 1]);
    }));

  test("with mail.new_device = false, and the audit trail knows", () =>
    started({ mail: { new_device: false } }, async (owner) => {
      const me = await owner.person();
      granted(await owner.login(me.email, AWAY));
      const { mails, events } = await owner.told(me);
      assert.deepEqual([mails.length, events], [0, 1]);
    }));
});
