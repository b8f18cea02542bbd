// What an operator sets for somebody who cannot: passwords and addresses.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { audited, expectModes, get, logIn, mails, mailTo, PASSWORD, post, refresh, refused, signUp, storedSession, tokensOf, until } from "./support/people.mjs";
import { newNumber, spaced } from "./support/phones.mjs";
import { operatorOf, signUpAgain, startOperated } from "./support/operator.mjs";

const OTHER = "nine quiet herons wade";
const NOTICE = "Your password was changed by an administrator";
const PROOF = "Your code to confirm this address";

describe("the operator", () => {
  let server;
  let operator;
  let directory;
  before(async () => {
    server = await startOperated({}, { sms: { sender: "development_mailbox" } });
    operator = operatorOf(server);
    ({ DIRECTORY: directory } = await server.getEnv());
  });
  after(() => server?.stop());

  const done = async (person, verb, body, key) => {
    const answer = await operator.order(person, verb, body, key);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };

  test("sets a password: every session ends, the old one is refused, the owner is told", async () => {
    const person = await signUp(server);
    await done(person, "set-password", { password: OTHER });
    assert.equal((await storedSession(server, person)).revoked.reason, "admin_set_password");
    refused(await refresh(server, person.refresh), 401, "refresh_invalid");
    await expectModes(server, person.access, { strict: "session_revoked" });
    refused(await post(server, "login", person), 401, "invalid_credentials");
    await logIn(server, { ...person, password: OTHER });
    await mailTo(server, person.email, NOTICE);
    assert.ok((await audited(server, person)).includes("password_set"));
  });

  test("sets no password that the policy refuses, and changes nothing then", async () => {
    const person = await signUp(server);
    for (const body of [{ password: "short" }, { password: "password12" }, { password: person.email }, { password: 7 }, {}]) {
      refused(await operator.order(person, "set-password", body), 400, "invalid_request");
    }
    await expectModes(server, person.access, { strict: true });
    await logIn(server, person);
  });

  test("takes a password away: only mail opens the account then", async () => {
    const person = await signUp(server);
    await done(person, "set-password", { password: null });
    refused(await post(server, "login", person), 401, "invalid_credentials");
    assert.equal((await operator.show(person)).has_password, false);
    assert.equal((await post(server, "request-otp", { email: person.email })).status, 202);
    const { code } = await mailTo(server, person.email, "Your code to sign in");
    const answer = await post(server, "verify-login", { email: person.email, otp: code });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  });

  test("may repeat an order whose answer was lost, and reuses no key for another password", async () => {
    const person = await signUp(server);
    await done(person, "set-password", { password: OTHER }, "reset-7");
    const { account, session, access } = await logIn(server, { ...person, password: OTHER });
    await done(person, "set-password", { password: OTHER }, "reset-7");
    await expectModes(server, access, { strict: true });
    assert.equal((await storedSession(server, { account, session })).revoked, null);
    for (const password of [PASSWORD, null]) {
      refused(await operator.order(person, "set-password", { password }, "reset-7"), 409, "idempotency_key_reused");
    }
    await done(person, "set-password", { password: null }, "reset-8");
    await done(person, "set-password", { password: null }, "reset-8");
  });

  test("sets an address: it is not proven until its code comes back, and the old one is told and free", async () => {
    const person = await signUp(server);
    const email = `moved-${person.email}`;
    assert.deepEqual(await done(person, "set-email", { email }, "move-1"), { success: true, verification_sent: true });
    assert.deepEqual(await done(person, "set-email", { email }, "move-1"), { success: true, verification_sent: false });
    refused(await operator.order(person, "set-email", { email: "else@example.com" }, "move-1"), 409, "idempotency_key_reused");
    assert.equal((await storedSession(server, person)).revoked.reason, "email_change");
    refused(await post(server, "login", person), 401, "invalid_credentials");
    const back = await logIn(server, { ...person, email });
    const profile = async () => (await get(server, "me", { bearer: back.access })).body;
    assert.deepEqual([(await profile()).email, (await profile()).is_verified], [email, false]);
    await mailTo(server, person.email, "Your address was changed");
    const { code } = await mailTo(server, email, PROOF);
    assert.equal((await post(server, "verify-email", { email, otp: code })).status, 200);
    assert.equal((await profile()).is_verified, true);
    assert.ok((await audited(server, person)).includes("email_set"));
    const newcomer = await signUpAgain(server, person.email);
    assert.notEqual(newcomer.account, person.account);
  });

  test("gives nobody's address to another account", async () => {
    const [person, other] = [await signUp(server), await signUp(server)];
    refused(await operator.order(person, "set-email", { email: other.email }), 409, "account_exists");
    refused(await operator.order(person, "set-email", { email: person.email }), 400, "invalid_request");
    refused(await operator.order(person, "set-email", { email: "no address" }), 400, "invalid_request");
    for (const one of [person, other]) {
      await expectModes(server, one.access, { strict: true });
      await logIn(server, one);
    }
  });

  test("sets a number and takes it away: every session ends, and the owner is told", async () => {
    const [person, other] = [await signUp(server), await signUp(server)];
    const [phone, next] = [newNumber(), newNumber()];
    const numbers = async (who) => {
      const { phone: current, identifiers } = await operator.show(who);
      return [current, identifiers.filter(({ kind }) => kind === "phone").map(({ value, verified_at: at }) => [value, at !== null])];
    };
    assert.deepEqual(await done(person, "set-phone", { phone: spaced(phone) }, "phone-1"), { success: true, verification_sent: true });
    assert.deepEqual(await done(person, "set-phone", { phone }, "phone-1"), { success: true, verification_sent: false });
    refused(await operator.order(person, "set-phone", { phone: next }, "phone-1"), 409, "idempotency_key_reused");
    assert.deepEqual(await numbers(person), [phone, [[phone, false]]]);
    assert.equal((await storedSession(server, person)).revoked.reason, "phone_change");
    await mailTo(server, person.email, "Your phone number was changed");
    const { text, code } = await mailTo(server, phone);
    assert.ok(text.includes("to confirm this number"), text);
    assert.equal((await post(server, "verify-phone", { phone, otp: code })).status, 200);
    assert.deepEqual(await numbers(person), [phone, [[phone, true]]]);
    await done(person, "set-phone-verified", { verified: false });
    assert.deepEqual(await numbers(person), [phone, [[phone, false]]]);
    await done(person, "set-phone-verified", { verified: true });
    refused(await operator.order(other, "set-phone-verified", { verified: true }), 404, "not_found");

    refused(await operator.order(other, "set-phone", { phone }), 409, "account_exists");
    for (const body of [{}, { phone: 7 }, { phone: "0170 1" }, { phone: null }]) {
      refused(await operator.order(other, "set-phone", body), 400, "invalid_request");
    }
    await expectModes(server, other.access, { strict: true });
    tokensOf(await post(server, "login", { phone, password: PASSWORD }));
    await done(person, "set-phone", { phone: null }, "phone-2");
    await done(person, "set-phone", { phone: null }, "phone-2");
    assert.deepEqual(await numbers(person), [null, []]);
    refused(await post(server, "login", { phone, password: PASSWORD }), 401, "invalid_credentials");
    await mailTo(server, person.email, "Your phone number was removed");
    await done(other, "set-phone", { phone });
    const trail = await audited(server, person);
    for (const event of ["phone_set", "phone_verified_set", "phone_verified_cleared", "phone_removed"]) assert.ok(trail.some((line) => line.startsWith(event)), event);
  });

  test("takes no number from an account that has nothing else", async () => {
    const phone = newNumber();
    const { body } = await operator.ask("POST", "", { body: { phone, name: "Ada", password: PASSWORD } });
    const person = { account: body.id };
    refused(await operator.order(person, "set-phone", { phone: null }), 409, "last_way_in");
    const next = newNumber();
    await done(person, "set-phone", { phone: next });
    assert.ok((await mailTo(server, phone)).text.includes("another phone number"), "the old number is told");
    assert.equal((await post(server, "login", { phone: next, password: PASSWORD })).status, 200);
  });

  test("says whether an address is proven, with a line in the trail", async () => {
    const person = await signUp(server);
    const shown = async () => (await operator.show(person)).is_verified;
    const proven = (await operator.show(person)).identifiers[0].verified_at;
    await done(person, "set-email-verified", { verified: true });
    assert.equal((await operator.show(person)).identifiers[0].verified_at, proven, "it was proven before");
    await done(person, "set-email-verified", { verified: false });
    assert.equal(await shown(), false);
    await done(person, "set-email-verified", { verified: true });
    assert.equal(await shown(), true);
    refused(await operator.order(person, "set-email-verified", {}), 400, "invalid_request");
    await expectModes(server, person.access, { strict: true });
    const { results } = await directory.prepare("SELECT event FROM audit_events WHERE account_id = ? AND event LIKE 'email_%'").bind(person.account).all();
    assert.deepEqual(results.map(({ event }) => event).sort(), ["email_verified_cleared", "email_verified_set", "email_verified_set"]);
  });

  test("leaves a restriction where it is, whatever else is set", async () => {
    const person = await signUp(server);
    await done(person, "ban");
    await done(person, "set-email-verified", { verified: true });
    await done(person, "set-password", { password: OTHER });
    refused(await post(server, "login", { ...person, password: OTHER }), 403, "account_banned");
    await done(person, "unban");
    await logIn(server, { ...person, password: OTHER });
    assert.equal((await mails(server, person.email)).some(({ subject }) => subject === NOTICE), false, "a banned account gets no mail");
  });

  test("finishes a change whose fence is open before another", async () => {
    const person = await signUp(server);
    await directory.prepare("UPDATE credentials SET version = 2 WHERE account_id = ?").bind(person.account).run();
    await directory.prepare("INSERT INTO pending_fences (account_id, credential_version, created_at, next_at, attempts) VALUES (?, 2, 0, ?, 0)").bind(person.account, 2 ** 50).run();
    await done(person, "set-password", { password: OTHER });
    const open = () => directory.prepare("SELECT COUNT(*) AS open FROM pending_fences WHERE account_id = ?").bind(person.account).first();
    await until("no fence", async () => (await open()).open === 0);
    await logIn(server, { ...person, password: OTHER });
  });
});
