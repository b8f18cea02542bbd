// The automatic lock of a password, and what is known of failed logins: it locks passwords and nobody out.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { audited, expectModes, get, logIn, mails, mailTo, post, PASSWORD, refresh, refused, settled, signUp, tokensOf, until, untilQuiet } from "./support/people.mjs";
import { onIntakes } from "./support/phones.mjs";
import { operatorOf, signUpAgain, startOperated } from "./support/operator.mjs";

const FAILURES = 4;
const LOCK_SECONDS = 1_800;
const NOTICE = "Your password was tried too often";
const OTHER = "nine quiet herons wade";
const [VICTIM, ...STRANGERS] = ["198.51.100.1", "203.0.113.1", "203.0.113.2"];
const from = (source) => ({ headers: { "cf-connecting-ip": source } });

describe("an automatic lock", () => {
  let server;
  let operator;
  before(async () => {
    const auto = { enabled: true, failures: FAILURES, duration_seconds: LOCK_SECONDS };
    server = await startOperated({}, { auto_lockout: auto, codes: { resend_after_seconds: 0 } });
    operator = operatorOf(server);
  });
  after(() => server?.stop());

  const enters = (email, password = PASSWORD, source = VICTIM) => post(server, "login", { email, password }, from(source));
  /** As many failures as lock it, from several networks. */
  const locks = async (email) => {
    for (let failure = 0; failure < FAILURES; failure += 1) {
      refused(await enters(email, "not the password", STRANGERS[failure % STRANGERS.length]), 401, "invalid_credentials");
    }
    const answer = await enters(email);
    refused(answer, 429, "rate_limited");
    return answer;
  };
  /** Lets time pass for all failed attempts. */
  const aged = (seconds) =>
    onIntakes(server, "attempts", "UPDATE attempts SET record = json_set(record, '$.last_attempt_at', json_extract(record, '$.last_attempt_at') - CAST(? AS INTEGER))", seconds * 1000);
  const attempts = async (person) => {
    const answer = await operator.ask("GET", `/${person.account}/attempts`);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body.attempts;
  };
  const failed = async (person, event) => (await audited(server, person)).filter((line) => line.startsWith(event));

  test("locks the password for everybody, leaves sessions and status alone, and ends by itself", async () => {
    const person = await signUp(server);
    const answer = await locks(person.email);
    const wait = Number(answer.headers.get("retry-after"));
    assert.ok(wait >= 1 && wait <= LOCK_SECONDS, `retry-after ${wait}`);

    const { access, refresh: refreshToken } = tokensOf(await refresh(server, person.refresh));
    await expectModes(server, access, { strict: true });
    assert.equal((await operator.show(person)).status, "active");
    const [shown, ...more] = await attempts(person);
    assert.deepEqual(more, []);
    const { last_attempt_at: last, locked_until: until_, ...rest } = shown;
    assert.deepEqual(rest, { kind: "email", value: person.email, failures: FAILURES, locked_by: "automatic", sources: STRANGERS.length, locked_sources: 0 });
    assert.equal(until_, last + LOCK_SECONDS * 1000);

    await aged(LOCK_SECONDS - 60);
    refused(await enters(person.email), 429, "rate_limited");
    await aged(60);
    tokensOf(await enters(person.email));
    tokensOf(await refresh(server, refreshToken));
    await until("no failures", async () => (await attempts(person))[0].failures === 0);
  });

  test("is told to the owner and to the trail, and nobody is told who has no account", async () => {
    const [person, stranger] = [await signUp(server), `nobody-${Date.now()}@example.com`];
    await locks(person.email);
    await locks(stranger);
    const mail = await mailTo(server, person.email, NOTICE);
    assert.ok(!mail.text.includes(STRANGERS[0]) && mail.code === undefined && mail.link === undefined, mail.text);
    assert.deepEqual(await failed(person, "login_failed"), Array(FAILURES).fill("login_failed:email"));
    assert.deepEqual(await failed(person, "password_locked"), ["password_locked:email"]);
    await settled(server, person);
    assert.deepEqual(await mails(server, stranger), []);
    const { DIRECTORY } = await server.getEnv();
    const { results } = await DIRECTORY.prepare("SELECT account_id FROM audit_events WHERE event = 'login_failed' AND account_id IS NULL").all();
    assert.deepEqual(results, []);
    const again = await mails(server, person.email);
    assert.equal(again.filter(({ subject }) => subject === NOTICE).length, 1);
  });

  test("answers for an address without an account as for one with, until it signs up", async () => {
    const [person, email] = [await signUp(server), `newcomer-${Date.now()}@example.com`];
    const observed = ({ status, body, headers }) => [status, body.code, body.retry_after_seconds, headers.get("x-postern-operations"), headers.get("x-postern-calls")];
    const locked = async (address) => {
      await locks(address);
      await untilQuiet(server);
      return observed(await enters(address));
    };
    const [known, unknown] = [await locked(person.email), await locked(email)];
    assert.deepEqual(unknown.toSpliced(2, 1), known.toSpliced(2, 1));
    const newcomer = await signUpAgain(server, email);
    await logIn(server, newcomer, from(VICTIM));
  });

  test("is lifted by a code, by a reset, and by the operator, each at once", async () => {
    const person = await signUp(server);
    const lifts = {
      code: async () => {
        assert.equal((await post(server, "request-otp", { email: person.email })).status, 202);
        const { code } = await mailTo(server, person.email, "Your code to sign in");
        tokensOf(await post(server, "verify-login", { email: person.email, otp: code }, from(VICTIM)));
        return PASSWORD;
      },
      operator: async () => {
        assert.equal((await operator.order(person, "unlock")).status, 200);
        return PASSWORD;
      },
      reset: async () => {
        assert.equal((await post(server, "request-password-reset", { email: person.email })).status, 202);
        const { link } = await mailTo(server, person.email, "Reset your password");
        const body = { token: new URL(link).hash.slice(1), password: OTHER };
        assert.equal((await post(server, "reset-password", body, from(VICTIM))).status, 200);
        return OTHER;
      },
    };
    for (const [name, lift] of Object.entries(lifts)) {
      await locks(person.email);
      const password = await lift();
      assert.equal((await enters(person.email, password)).status, 200, name);
      await until("no failures", async () => (await attempts(person))[0].failures === 0);
    }
  });

  test("counts guesses of a copied session as well, and they are in the trail", async () => {
    const person = await signUp(server);
    const guess = () => post(server, "change-password", { current_password: "not the password", new_password: OTHER }, { bearer: person.access });
    for (let failure = 0; failure < FAILURES; failure += 1) refused(await guess(), 403, "current_password_wrong");
    refused(await guess(), 429, "rate_limited");
    refused(await enters(person.email), 429, "rate_limited");
    await mailTo(server, person.email, NOTICE);
    assert.equal((await failed(person, "login_failed")).length, FAILURES);
  });

  test("shows nothing of failures to anybody but the operator, and none of nobody's", async () => {
    const person = await signUp(server);
    refused(await operatorOf(server, person.access).ask("GET", `/${person.account}/attempts`), 401, "operator_token_invalid");
    refused(await operator.ask("GET", `/${"0".repeat(32)}/attempts`), 404, "not_found");
    assert.deepEqual((await get(server, "me", { bearer: person.access })).status, 200);
    assert.deepEqual(await attempts(person), [{ kind: "email", value: person.email, failures: 0, last_attempt_at: null, locked_by: null, locked_until: null, sources: 0, locked_sources: 0 }]);
  });
});
