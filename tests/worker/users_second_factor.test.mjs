// The operator removes the second factor of somebody who has lost it, and of nobody else.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { client, otherThan } from "./support/accounts.mjs";
import { codeOf, enrol } from "./support/authenticator.mjs";
import { operatorOf, startOperated } from "./support/operator.mjs";
import { SoftwarePasskey } from "./support/passkeys.mjs";
import { PASSWORD, expectModes, logIn, mailTo, mails, post, refresh, refused, settled, signUp, storedSession, tokensOf } from "./support/people.mjs";

const NOTICE = "Your second factor was removed by an administrator";
const WARNING = "Your second factor was tried too often";
const LOST = { reason: "lost the phone" };

describe("the operator", () => {
  let server;
  let operator;
  let owner;
  before(async () => {
    server = await startOperated();
    operator = operatorOf(server);
    owner = client(server);
  });
  after(() => server?.stop());

  const enrolled = async () => {
    const person = await signUp(server);
    return { ...person, ...(await enrol(owner, { access_token: person.access }, PASSWORD)) };
  };
  const remove = (person, body = LOST, key) => operator.order(person, "remove-second-factor", body, key);
  const removed = async (person, expected, ...order) => {
    const { status, body } = await remove(person, ...order);
    assert.deepEqual([status, body], [200, { removed: expected }], JSON.stringify(body));
  };
  const challenge = async (person) => {
    const { body } = await post(server, "login", person);
    assert.equal(body.mfa_required, true, JSON.stringify(body));
    return body.challenge;
  };
  const answer = (waiting, factor) => post(server, "2fa/verify", { challenge: waiting, ...factor });
  const factors = async ({ account }) => {
    const [row] = await (await server.objectStorage("ACCOUNT", account)).exec("SELECT record FROM account WHERE key = 'factors'");
    return JSON.parse(row.record);
  };

  test("removes it: every session ends, logins ask for nothing more, the owner and the trail are told", async () => {
    const person = await enrolled();
    const other = tokensOf(await answer(await challenge(person), { backup_code: person.codes[0] }));
    const waiting = await challenge(person);
    await removed(person, true);
    for (const { account, session, access, refresh: token } of [person, other]) {
      assert.equal((await storedSession(server, { account, session })).revoked.reason, "admin_revoke_all");
      refused(await refresh(server, token), 401, "refresh_invalid");
      await expectModes(server, access, { strict: "session_revoked" });
    }
    // A login that waited for the factor is for nothing: it was shown half, and the other half is gone.
    for (const factor of [{ code: codeOf(person.secret) }, { backup_code: person.codes[1] }]) {
      refused(await answer(waiting, factor), 400, "challenge_invalid");
    }
    const { totp, pending, backup, challenges } = await factors(person);
    assert.deepEqual([totp, pending, backup, challenges], [null, null, null, []]);
    const { access } = await logIn(server, person);
    assert.equal((await owner.meNow(access)).body.is_2fa_enabled, false);

    const mail = await mailTo(server, person.email, NOTICE);
    for (const secret of [person.secret, ...person.codes, LOST.reason]) assert.ok(!mail.text.includes(secret) && !mail.html.includes(secret));
    const lines = await operator.history(person, "second_factor_removed");
    assert.ok(lines.includes("second_factor_removed:by operator: lost the phone"), lines.join());
    assert.ok(lines.includes("session_revoked:admin_revoke_all"), lines.join());
  });

  test("leaves what was enrolled since, however late an order is repeated", async () => {
    const person = await enrolled();
    await removed(person, true, LOST, "ticket-1");
    const again = await logIn(server, person);
    const { secret } = await enrol(owner, { access_token: again.access }, PASSWORD);
    const waiting = await challenge(person);
    await removed(person, true, LOST, "ticket-1");
    await expectModes(server, again.access, { strict: true });
    tokensOf(await answer(waiting, { code: codeOf(secret) }));
    await challenge(person);
    await settled(server, person);
    assert.equal((await mails(server, person.email)).filter(({ subject }) => subject === NOTICE).length, 1);
    // An order of its own does remove it.
    await removed(person, true, LOST, "ticket-2");
    await logIn(server, person);
  });

  test("changes nothing where there is none, and nothing by repeating that later", async () => {
    const person = await signUp(server);
    await removed(person, false, LOST, "ticket-1");
    await expectModes(server, person.access, { strict: true });
    await enrol(owner, { access_token: person.access }, PASSWORD);
    await removed(person, false, LOST, "ticket-1");
    await challenge(person);
    await expectModes(server, person.access, { strict: true });
  });

  test("does so before the account was ever opened, too", async () => {
    const email = "never.opened@example.com";
    const created = await operator.ask("POST", "", { body: { email, name: "Ada", password: PASSWORD } });
    assert.equal(created.status, 201, JSON.stringify(created.body));
    const person = { email, password: PASSWORD, account: created.body.id };
    await removed(person, false, LOST, "ticket-1");
    const { access } = await logIn(server, person);
    await enrol(owner, { access_token: access }, PASSWORD);
    await removed(person, false, LOST, "ticket-1");
    await challenge(person);
  });

  test("removes a passkey that stood behind the password, and none that signs in", async () => {
    const person = await signUp(server);
    const bearer = person.access;
    const register = async (passkey, body) => {
      const begun = await owner.post("passkeys/registration", { current_password: PASSWORD, ...body }, { bearer });
      assert.equal(begun.status, 200, begun.text);
      const done = await owner.post("passkeys", { name: "key", credential: passkey.create(begun.body) }, { bearer });
      assert.equal(done.status, 201, done.text);
      return passkey;
    };
    const signing = await register(new SoftwarePasskey());
    await removed(person, false);
    const guarding = await register(new SoftwarePasskey({ verifies: false }), { purpose: "second_factor" });
    const waiting = await challenge(person);
    const options = async (body) => (await owner.post("passkeys/authentication", body)).body;
    const answered = guarding.get(await options({ challenge: waiting }));
    const { DIRECTORY } = await server.getEnv();
    const claims = async () => (await DIRECTORY.prepare("SELECT credential_id FROM passkeys WHERE account_id = ?").bind(person.account).all()).results.map((row) => row.credential_id);
    assert.equal((await claims()).length, 2);
    await removed(person, true);
    // Its id is free again.
    assert.deepEqual(await claims(), [signing.text]);
    refused(await answer(waiting, { passkey: answered }), 400, "challenge_invalid");
    await logIn(server, person);
    const signedIn = await owner.post("passkeys/login", { credential: signing.get(await options({})) });
    assert.equal(signedIn.status, 200, signedIn.text);
  });

  /** Five wrong codes at a login; the next answer is not looked at. */
  const pausing = async (person) => {
    const waiting = await challenge(person);
    for (let guess = 0; guess < 5; guess += 1) refused(await answer(waiting, { code: otherThan(codeOf(person.secret, 4)) }), 400, "second_factor_invalid");
    refused(await answer(await challenge(person), { backup_code: person.codes[0] }), 429, "rate_limited");
  };
  const failures = async (person) => {
    const shown = await operator.ask("GET", `/${person.account}/attempts`);
    assert.equal(shown.status, 200, JSON.stringify(shown.body));
    return shown.body.second_factor;
  };
  const warnings = async (person) => (await mails(server, person.email)).filter(({ subject }) => subject === WARNING);

  test("unlocks them: wrong codes are forgotten, and the pause with them", async () => {
    const person = await enrolled();
    assert.deepEqual(await failures(person), { failures: 0, paused_until: null });
    await pausing(person);
    const { failures: count, paused_until: until } = await failures(person);
    assert.equal(count, 5);
    assert.ok(until > Date.now() + 590_000 && until <= Date.now() + 600_000, `${until - Date.now()}`);
    for (const verb of ["ban", "unban"]) assert.equal((await operator.order(person, verb, { reason: "spam" })).status, 200);
    refused(await answer(await challenge(person), { backup_code: person.codes[0] }), 429, "rate_limited");
    assert.equal((await operator.order(person, "unlock", { reason: "on the phone" })).status, 200);
    tokensOf(await answer(await challenge(person), { backup_code: person.codes[0] }));
    assert.deepEqual(await failures(person), { failures: 0, paused_until: null });
    // Wrong ones are counted anew.
    await pausing({ ...person, codes: person.codes.slice(1) });
    assert.equal((await operator.order(person, "enable", {})).status, 200);
    tokensOf(await answer(await challenge(person), { backup_code: person.codes[1] }));
  });

  test("and the owner is told of each pause once, and not of single mistakes", async () => {
    const person = await enrolled();
    const waiting = await challenge(person);
    refused(await answer(waiting, { code: otherThan(codeOf(person.secret, 4)) }), 400, "second_factor_invalid");
    tokensOf(await answer(waiting, { backup_code: person.codes[1] }));
    await settled(server, person);
    assert.deepEqual(await warnings(person), []);
    await pausing(person);
    const mail = await mailTo(server, person.email, WARNING);
    for (const secret of [person.secret, ...person.codes]) assert.ok(!mail.text.includes(secret) && !mail.html.includes(secret));
    // What is refused by the pause is no news.
    for (let time = 0; time < 3; time += 1) refused(await answer(await challenge(person), { backup_code: person.codes[0] }), 429, "rate_limited");
    await settled(server, person);
    assert.equal((await warnings(person)).length, 1);
    assert.deepEqual((await operator.history(person, "second_factor_paused")).filter((line) => line.startsWith("second_factor_paused")), ["second_factor_paused"]);
    assert.equal((await operator.order(person, "unlock", {})).status, 200);
    await pausing(person);
    await settled(server, person);
    assert.equal((await warnings(person)).length, 2);
  });

  test("lifts the pause after wrong codes with it", async () => {
    const person = await enrolled();
    const waiting = await challenge(person);
    for (let guess = 0; guess < 5; guess += 1) refused(await answer(waiting, { backup_code: "AAAAA-AAAAA" }), 400, "second_factor_invalid");
    await removed(person, true);
    const { access } = await logIn(server, person);
    await enrol(owner, { access_token: access }, PASSWORD);
  });

  test("has to say why, and a key is for one order", async () => {
    const person = await enrolled();
    for (const body of [{}, { reason: null }, { reason: "" }, { reason: "  " }, { reason: "x".repeat(201) }, { reason: "a\nb" }, { reason: 7 }, undefined]) {
      refused(await remove(person, body === undefined ? "" : body), 400, "invalid_request");
    }
    assert.equal((await operator.order(person, "ban", { reason: "spam" }, "ticket-1")).status, 200);
    refused(await remove(person, LOST, "ticket-1"), 409, "idempotency_key_reused");
    assert.equal((await operator.order(person, "unban", {}, "ticket-2")).status, 200);
    await challenge(person);
    await removed(person, true, LOST, "ticket-3");
    refused(await remove(person, { reason: "something else" }, "ticket-3"), 409, "idempotency_key_reused");
    refused(await operator.order(person, "ban", { reason: "spam" }, "ticket-3"), 409, "idempotency_key_reused");
    await logIn(server, person);
  });

  test("is the operator, and the account is one that there is", async () => {
    const person = await enrolled();
    const stranger = operatorOf(server, Buffer.alloc(32, 7).toString("base64"));
    refused(await stranger.order(person, "remove-second-factor", LOST), 401, "operator_token_invalid");
    refused(await operatorOf(server, person.access).order(person, "remove-second-factor", LOST), 401, "operator_token_invalid");
    for (const account of ["0123456789abcdef".repeat(2), "nonsense"]) refused(await remove({ account }), 404, "not_found");
    await challenge(person);
    for (const verb of ["delete", "purge"]) {
      const gone = verb === "delete" ? await operator.ask("DELETE", `/${person.account}`, { body: {} }) : await operator.order(person, verb, {});
      assert.equal(gone.status, 200, JSON.stringify(gone.body));
    }
    refused(await remove(person), 404, "not_found");
  });
});
