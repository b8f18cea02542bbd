// Limits: how many are let through exactly, for whom, and when it ends.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { PASSWORD, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";

const HOUR = 3600;
const LOCK_SECONDS = 2;
const COUNTS = {
  sign_up_per_source: 7,
  sign_up_per_identifier: 3,
  verify_per_source: 9,
  login_per_source: 20,
  login_per_pair: 8,
  refresh_per_source: 6,
  logout_per_source: 5,
  profile_per_account: 11,
};

/** A network address that no other test comes from. */
const newSource = () => `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`;

describe("limits", () => {
  let server;
  before(async () => {
    server = await startOpenServer({
      vars: {
        lockout: { per_source_failures: 4, per_identifier_failures: 10, duration_seconds: LOCK_SECONDS },
        limits: Object.fromEntries(Object.entries(COUNTS).map(([name, count]) => [name, { count, period_seconds: HOUR }])),
      },
    });
  });
  after(() => server?.stop());

  const from = (source = newSource()) => client(server, source);
  const wrong = (person, email) => person.login(email, "not the password");

  /** Fails unless exactly `count` of `answers` were let through; the others are told when to come again. */
  function admitted(answers, count, longest) {
    const limited = answers.filter((answer) => answer.status === 429);
    assert.equal(answers.length - limited.length, count, answers.map((answer) => answer.status).join());
    for (const answer of limited) tellsWhen(answer, longest);
  }

  function tellsWhen(answer, longest) {
    const problem = refused(answer, 429, "rate_limited");
    const seconds = Number(answer.headers.get("retry-after"));
    assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= longest, `retry-after ${seconds}`);
    assert.equal(problem.retry_after_seconds, seconds);
  }

  const times = (count, action) => Promise.all(Array.from({ length: count }, (_, index) => action(index)));

  test("after four failures a source is locked out of an address, and nobody else is", async () => {
    const email = newAddress();
    await from().account(email);
    const guesser = from();
    for (let failure = 0; failure < 4; failure += 1) refused(await wrong(guesser, email), 401, "invalid_credentials");
    const lockedAt = Date.now();
    tellsWhen(await guesser.login(email, PASSWORD), LOCK_SECONDS);
    granted(await from().login(email, PASSWORD));
    tellsWhen(await guesser.login(email, PASSWORD), LOCK_SECONDS);
    // The same source may try another address.
    refused(await wrong(guesser, newAddress()), 401, "invalid_credentials");

    await new Promise((resolve) => setTimeout(resolve, LOCK_SECONDS * 1000 + 100 - (Date.now() - lockedAt)));
    granted(await guesser.login(email, PASSWORD));
  });

  test("a lock is no answer to whether there is an account", async () => {
    const [known, unknown] = [newAddress(), newAddress()];
    await from().account(known);
    const seen = [];
    for (const email of [known, unknown]) {
      const guesser = from();
      for (let failure = 0; failure < 4; failure += 1) refused(await wrong(guesser, email), 401, "invalid_credentials");
      const { status, body } = await wrong(guesser, email);
      seen.push({ status, code: body.code });
    }
    assert.deepEqual(seen[0], { status: 429, code: "rate_limited" });
    assert.deepEqual(seen[1], seen[0]);
  });

  test("a success forgets the failures before it", async () => {
    const email = newAddress();
    await from().account(email);
    const forgetful = from();
    for (let failure = 0; failure < 3; failure += 1) refused(await wrong(forgetful, email), 401, "invalid_credentials");
    granted(await forgetful.login(email, PASSWORD));
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (let failure = 0; failure < 3; failure += 1) refused(await wrong(forgetful, email), 401, "invalid_credentials");
    granted(await forgetful.login(email, PASSWORD));
  });

  test("ten failures from anywhere lock an address for everybody, for a while", async () => {
    const email = newAddress();
    await from().account(email);
    const answers = await times(14, () => wrong(from(), email));
    admitted(answers, 10, LOCK_SECONDS);
    tellsWhen(await from().login(email, PASSWORD), LOCK_SECONDS);
    await new Promise((resolve) => setTimeout(resolve, LOCK_SECONDS * 1000 + 100));
    granted(await from().login(email, PASSWORD));
  });

  test("guesses at once are counted before they are compared", async () => {
    const email = newAddress();
    const guesser = from();
    admitted(await times(8, () => wrong(guesser, email)), 4, LOCK_SECONDS);
  });

  test("logins of a source to an address: eight, those included that a lock has refused; a right one gives them back", async () => {
    const email = newAddress();
    await from().account(email);
    const person = from();
    for (let login = 0; login < COUNTS.login_per_pair + 2; login += 1) {
      granted(await person.login(email, PASSWORD));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const guesser = from();
    for (let login = 0; login < COUNTS.login_per_pair; login += 1) await wrong(guesser, email);
    const answer = await guesser.login(email, PASSWORD);
    tellsWhen(answer, HOUR);
    assert.ok(Number(answer.headers.get("retry-after")) > LOCK_SECONDS, "it is the limit, and not the lock");
    granted(await from().login(email, PASSWORD));
  });

  test("logins of a source: twenty, whatever the addresses, also at once", async () => {
    const person = from();
    admitted(await times(30, () => wrong(person, newAddress())), COUNTS.login_per_source, HOUR);
    tellsWhen(await wrong(person, newAddress()), HOUR);
    refused(await wrong(from(), newAddress()), 401, "invalid_credentials");
  });

  test("a source of IPv6 is a network, not an address", async () => {
    const network = `2001:db8:${randomInt(65536).toString(16)}:1`;
    const answers = await times(30, (index) => wrong(from(`${network}::${(index + 1).toString(16)}`), newAddress()));
    admitted(answers, COUNTS.login_per_source, HOUR);
    refused(await wrong(from(`${network.slice(0, -1)}2::1`), newAddress()), 401, "invalid_credentials");
  });

  test("sign-ups of a source, and of an address", async () => {
    const person = from();
    const signUp = (by, email) => by.post("signup", { email, name: "Ada", password: PASSWORD });
    admitted(await times(12, () => signUp(person, newAddress())), COUNTS.sign_up_per_source, HOUR);
    const email = newAddress();
    admitted(await times(6, () => signUp(from(), email)), COUNTS.sign_up_per_identifier, HOUR);
    assert.equal((await signUp(from(), newAddress())).status, 202);
  });

  test("sign-ups of an address: the limit is the same when there is an account", async () => {
    const email = newAddress();
    await from().account(email);
    const signUp = () => from().post("signup", { email, name: "Ada", password: PASSWORD });
    admitted(await times(5, signUp), COUNTS.sign_up_per_identifier - 1, HOUR);
  });

  test("codes and links of a source", async () => {
    const person = from();
    const codes = await times(8, () => person.verify({ email: newAddress(), otp: "123456" }));
    admitted(codes, 8, HOUR);
    const link = `psl_${Buffer.concat([Buffer.from([1]), Buffer.alloc(48, 7)]).toString("base64url")}`;
    const links = await times(6, () => person.post("set-password", { token: link, password: PASSWORD }));
    admitted(links, COUNTS.verify_per_source - 8, HOUR);
  });

  test("refreshes of a source, with tokens of ours only", async () => {
    const person = from();
    const { refresh_token: refreshToken } = await person.account(newAddress());
    for (const garbage of ["x", "prt_AAAA", `${refreshToken.slice(0, -1)}~`]) {
      refused(await person.post("refresh", { refresh_token: garbage }), 401, "refresh_invalid");
    }
    const answers = await times(10, () => person.post("refresh", { refresh_token: refreshToken }));
    admitted(answers, COUNTS.refresh_per_source, HOUR);
  });

  test("logouts of a source", async () => {
    const person = from();
    admitted(await times(9, () => person.post("logout", { refresh_token: "x" })), COUNTS.logout_per_source, HOUR);
  });

  test("reads of an account's own profile and sessions, from wherever", async () => {
    const { access_token: accessToken } = await from().account(newAddress());
    const { access_token: other } = await from().account(newAddress());
    const answers = await times(16, (index) => (index % 2 ? from().me(accessToken) : from().sessions(accessToken)));
    admitted(answers, COUNTS.profile_per_account, HOUR);
    assert.equal((await from().me(other)).status, 200);
  });

  test("ending an account's own sessions counts as well, and what is refused ends nothing", async () => {
    const { access_token: accessToken } = await from().account(newAddress());
    const unknown = "0".repeat(32);
    const answers = await times(16, () => from().revokeSession(accessToken, unknown));
    admitted(answers, COUNTS.profile_per_account, HOUR);
    assert.equal((await from().post("sessions/revoke-all", {}, { bearer: accessToken })).status, 429);
    const { status } = await from().post("validate", { token: accessToken, mode: "strict" });
    assert.equal(status, 200);
  });
});
