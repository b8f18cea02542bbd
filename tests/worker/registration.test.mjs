// How accounts come about: after the proof of their address, at once, or not at all.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  PASSWORD, accountsOf, assertAlike, claimsOf, client, granted, newAddress, observed, otherThan, refused, startOpenServer, tokenOf,
} from "./support/accounts.mjs";
import { until, untilQuiet } from "./support/people.mjs";

const OTHER_PASSWORD = "a password of somebody else";
const CONFIRM = "Your code to confirm this address";
const TOKEN = Buffer.from("an operator's token, 32 bytes and more").toString("base64");
const succeeded = (answer) => assert.deepEqual([answer.status, answer.body], [200, { success: true }], answer.text);

/** Lets the time pass that another mail of a sign-up has to wait. */
async function cooledSignUp(server, registration) {
  const [key, created, resent] = [`%/${registration}`, "json_set(record, '$.created_at', 0)", "json_replace(record, '$.resent.at', 0)"];
  for (let shard = 0; shard < 16; shard += 1) {
    const storage = await server.objectStorage("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
    if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = 'sign_ups'")).length === 0) continue;
    for (const record of [created, resent]) await storage.exec(`UPDATE sign_ups SET record = ${record} WHERE key LIKE ?`, key);
  }
}

describe("after the proof", () => {
  let server;
  let person;
  before(async () => {
    server = await startOpenServer();
    person = client(server);
  });
  after(() => server?.stop());
  const resend = (email, registration) => person.post("resend-signup", { email, registration });

  test("another mail takes the place of the first, for whoever opened the sign-up", async () => {
    const email = newAddress();
    const { registration, code: first } = await person.signUp(email, { password: PASSWORD });
    refused(await resend(email, registration), 429, "rate_limited");
    await cooledSignUp(server, registration);
    const again = await resend(email, registration);
    assert.deepEqual([again.status, again.body], [202, { registration, expires_in: 600 }]);
    const second = (await person.untilMails(email, 2)).map(({ code }) => code).find((code) => code !== first);
    refused(await resend(email, registration), 429, "rate_limited");
    refused(await person.verify({ email, otp: first, registration }), 400, "code_invalid");
    granted(await person.verify({ email, otp: second, registration }));
    await cooledSignUp(server, registration);
    refused(await resend(email, registration), 400, "code_invalid");
    assert.equal((await person.mails(email)).length, 2);
  });

  test("nobody mails for a sign-up that is another address's, unknown, or malformed", async () => {
    const [email, other] = [newAddress(), newAddress()];
    const { registration } = await person.signUp(email, { password: PASSWORD });
    await person.signUp(other, { password: PASSWORD });
    await cooledSignUp(server, registration);
    refused(await resend(other, registration), 400, "code_invalid");
    refused(await resend(email, "0".repeat(32)), 400, "code_invalid");
    for (const bad of ["", "0", registration.toUpperCase() + "x", 7]) refused(await resend(email, bad), 400, "invalid_request");
    refused(await person.post("resend-signup", { registration }), 400, "invalid_request");
    assert.deepEqual([(await person.mails(email)).length, (await person.mails(other)).length], [1, 1]);
  });

  test("asking for another mail shows nobody who has an account", async () => {
    const [known, unknown] = [newAddress(), newAddress()];
    await person.account(known);
    const open = async (email) => (await person.post("signup", { email, name: "Ada", password: PASSWORD })).body.registration;
    const registrations = new Map([[known, await open(known)], [unknown, await open(unknown)]]);
    for (const registration of registrations.values()) await cooledSignUp(server, registration);
    const answers = [];
    for (const [email, registration] of registrations) {
      await untilQuiet(server);
      const { status, headers, body } = observed(await resend(email, registration));
      answers.push({ status, headers, expires_in: body.expires_in });
    }
    assert.deepEqual(answers[1], answers[0]);
    assert.equal(answers[0].status, 202);
    await until("the notices", async () => (await person.mails(known)).filter(({ subject }) => subject === "You already have an account").length === 2, 60);
  });

  test("a login with the password of a sign-up that waits says so, and only then", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email, { password: PASSWORD });
    refused(await person.login(email, PASSWORD), 403, "verification_required");
    refused(await person.login(email, OTHER_PASSWORD), 401, "invalid_credentials");
    granted(await person.verify({ email, otp: code, registration }));
    granted(await person.login(email, PASSWORD));
    refused(await person.login(email, OTHER_PASSWORD), 401, "invalid_credentials");
    const without = newAddress();
    await person.signUp(without);
    refused(await person.login(without, PASSWORD), 401, "invalid_credentials");
  });

  test("a stranger's sign-up on an address shows nobody whether it has an account, nor lets anybody in", async () => {
    const [known, unknown] = [newAddress(), newAddress()];
    await person.account(known, PASSWORD);
    for (const email of [known, unknown]) {
      assert.equal((await person.post("signup", { email, name: "Eve", password: OTHER_PASSWORD })).status, 202);
    }
    const tried = (email, password) => () => person.login(email, password);
    assert.equal((await assertAlike(server, tried(known, OTHER_PASSWORD), tried(unknown, OTHER_PASSWORD))).status, 403);
    const neither = `${PASSWORD} neither`;
    assert.equal((await assertAlike(server, tried(known, neither), tried(unknown, neither))).status, 401);
    granted(await person.login(known, PASSWORD));
  });

  test("two confirm the same sign-up at once: one account, and both are its owner", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email, { password: PASSWORD });
    const answers = await Promise.all(Array.from({ length: 4 }, () => person.verify({ email, otp: code, registration })));
    const subjects = answers.map((answer) => claimsOf(granted(answer).access_token).sub);
    assert.equal(new Set(subjects).size, 1);
    assert.equal((await accountsOf(server, email)).length, 1);
  });

  test("two sign-ups of one address confirmed at once: one account, with its password, and the loser has nothing", async () => {
    const email = newAddress();
    const mine = await person.signUp(email, { password: PASSWORD });
    const theirs = await person.signUp(email, { password: OTHER_PASSWORD });
    const answers = await Promise.all([mine, theirs].map(({ registration, code }) => person.verify({ email, otp: code, registration })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    assert.equal((await accountsOf(server, email)).length, 1);
    const [winner, loser] = answers[0].status === 200 ? [PASSWORD, OTHER_PASSWORD] : [OTHER_PASSWORD, PASSWORD];
    granted(await person.login(email, winner));
    refused(await person.login(email, loser), 401, "invalid_credentials");
  });
});

test("a stranger's sign-up does not forgive the guesses at the account's password", async () => {
  const server = await startOpenServer({ vars: { lockout: { per_source_failures: 3, per_identifier_failures: 100 } } });
  try {
    const [owner, thief] = [client(server, "198.51.100.1"), client(server, "203.0.113.66")];
    const email = newAddress();
    await owner.account(email, PASSWORD);
    await thief.post("signup", { email, name: "Eve", password: OTHER_PASSWORD });
    refused(await thief.login(email, "one wrong password"), 401, "invalid_credentials");
    refused(await thief.login(email, OTHER_PASSWORD), 403, "verification_required");
    refused(await thief.login(email, "another wrong one"), 401, "invalid_credentials");
    refused(await thief.login(email, OTHER_PASSWORD), 429, "rate_limited");
    granted(await owner.login(email, PASSWORD));
  } finally {
    await server.stop();
  }
});

test("closed: nobody signs up, and who has an account signs in", async () => {
  const server = await startOpenServer({ vars: { registration: { mode: "closed" } }, secrets: { POSTERN_OPERATOR_TOKEN: TOKEN } });
  try {
    const person = client(server);
    const email = newAddress();
    refused(await person.post("signup", { email, name: "Ada", password: PASSWORD }), 403, "account_creation_disabled");
    refused(await person.verify({ email, otp: "123456", registration: "0".repeat(32) }), 403, "account_creation_disabled");
    refused(await person.post("resend-signup", { email, registration: "0".repeat(32) }), 403, "account_creation_disabled");
    assert.equal((await person.post("admin/users", { email, name: "Ada", password: PASSWORD }, { bearer: TOKEN })).status, 201);
    granted(await person.login(email, PASSWORD));
    assert.deepEqual(await person.mails(email), []);
  } finally {
    await server.stop();
  }
});

test("a deployment that says who has an account says it to whoever signs up", async () => {
  const server = await startOpenServer({ vars: { registration: { reveal_existing_accounts: true } } });
  try {
    const person = client(server);
    const email = newAddress();
    await person.account(email);
    refused(await person.post("signup", { email, name: "Ada", password: PASSWORD }), 409, "account_exists");
    assert.equal((await person.post("signup", { email: newAddress(), name: "Ada", password: PASSWORD })).status, 202);
    assert.ok((await person.mails(email)).every(({ subject }) => subject !== "You already have an account"));
  } finally {
    await server.stop();
  }
});

describe("at once, and used when the address is proven", { concurrency: 4 }, () => {
  let server;
  let person;
  let directory;
  before(async () => {
    server = await startOpenServer({ vars: { registration: { mode: "immediate", reveal_existing_accounts: true } } });
    person = client(server);
    ({ DIRECTORY: directory } = await server.getEnv());
  });
  after(() => server?.stop());

  const signUp = (email, more = {}) => person.post("signup", { email, name: "Ada", password: PASSWORD, ...more });
  const codeTo = (email) => until("the code", async () => (await person.mails(email)).find(({ subject }) => subject === CONFIRM)?.code, 60);
  const proves = (email, otp) => person.post("verify-email", { email, otp });

  test("the account exists, and waits", async () => {
    const email = newAddress();
    const created = await signUp(email);
    assert.equal(created.status, 201, created.text);
    assert.deepEqual(Object.keys(created.body).sort(), ["id", "status"]);
    assert.equal(created.body.status, "pending_verification");
    assert.equal((await accountsOf(server, email)).length, 1);
    refused(await signUp(email), 409, "account_exists");

    // Only the right password learns why; nothing is opened.
    refused(await person.login(email, OTHER_PASSWORD), 401, "invalid_credentials");
    refused(await person.login(email, PASSWORD), 403, "account_unverified");
    const { code: login } = await person.mailed("request-otp", email, "Your code to sign in");
    refused(await person.post("verify-login", { email, otp: login }), 403, "account_unverified");

    const otp = await codeTo(email);
    refused(await proves(email, otherThan(otp)), 400, "code_invalid");
    succeeded(await proves(email, otp));
    succeeded(await proves(email, otp));
    const tokens = granted(await person.login(email, PASSWORD));
    assert.equal(claimsOf(tokens.access_token).sub, created.body.id);
    const { body } = await person.me(tokens.access_token);
    assert.deepEqual([body.is_verified, body.name], [true, "Ada"]);
    granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
    assert.equal((await person.validate(tokens.access_token, "strict")).status, 200);
    assert.equal(await directory.prepare("SELECT status FROM users WHERE account_id = ?").bind(body.id).first("status"), "active");
  });

  test("two sign up with one address at once: one account", async () => {
    const email = newAddress();
    const answers = await Promise.all([PASSWORD, OTHER_PASSWORD].map((password) => signUp(email, { password })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409]);
    refused(answers.find(({ status }) => status === 409), 409, "account_exists");
    assert.equal((await accountsOf(server, email)).length, 1);
  });

  test("needs a password, and mails nothing for what it refuses", async () => {
    const email = newAddress();
    const { errors } = refused(await signUp(email, { password: undefined }), 400, "invalid_request");
    assert.deepEqual(errors, [{ field: "password", rule: "is required" }]);
    refused(await signUp(email, { password: "short" }), 400, "invalid_request");
    assert.deepEqual([await accountsOf(server, email), await person.mails(email)], [[], []]);
  });

  test("who owns the address takes it back from whoever signed up with it", async () => {
    const email = newAddress();
    assert.equal((await signUp(email, { password: OTHER_PASSWORD, name: "Eve" })).status, 201);
    const { link } = await person.mailed("request-password-reset", email, "Reset your password");
    succeeded(await person.post("reset-password", { token: tokenOf({ link }), password: PASSWORD }));
    granted(await person.login(email, PASSWORD));
    refused(await person.login(email, OTHER_PASSWORD), 401, "invalid_credentials");
  });
});

describe("at once, and used at once", () => {
  let server;
  let person;
  before(async () => {
    server = await startOpenServer({
      vars: { registration: { mode: "immediate", reveal_existing_accounts: true, require_verified_for_login: false, auto_login: true, usernames: "derived" } },
    });
    person = client(server);
  });
  after(() => server?.stop());

  test("the sign-up answers with tokens, and the address is proven later", async () => {
    const email = newAddress("instant");
    const tokens = granted(await person.post("signup", { email, name: "Ada", password: PASSWORD }));
    const claims = claimsOf(tokens.access_token);
    assert.deepEqual([claims.amr, claims.roles], [["pwd"], ["user"]]);
    const { body } = await person.me(tokens.access_token);
    assert.equal(body.is_verified, false);
    assert.match(body.username, /^instant_/);
    granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
    granted(await person.login(email, PASSWORD));
    const { code } = await until("the code", async () => (await person.mails(email)).find(({ subject }) => subject === CONFIRM), 60);
    succeeded(await person.post("verify-email", { email, otp: code }));
    const { access_token: later } = granted(await person.login(email, PASSWORD));
    assert.equal((await person.me(later)).body.is_verified, true);
    refused(await person.post("signup", { email, name: "Eve", password: OTHER_PASSWORD }), 409, "account_exists");
    refused(await person.login(email, OTHER_PASSWORD), 401, "invalid_credentials");
  });
});

test("sign-ups at once are limited by source and by address, and each limit can be switched off", async () => {
  const registration = { mode: "immediate", reveal_existing_accounts: true };
  const server = await startOpenServer({ vars: { registration, limits: { sign_up_per_identifier: { count: 2, period_seconds: 3600 } } } });
  try {
    const email = newAddress();
    const signUp = (who, to) => who.post("signup", { email: to, name: "Ada", password: PASSWORD });
    const [one, other] = [client(server, "198.51.100.1"), client(server, "203.0.113.1")];
    assert.equal((await signUp(one, email)).status, 201);
    // Who has an account is told before anything is counted.
    for (let n = 0; n < 3; n += 1) refused(await signUp(other, email), 409, "account_exists");
    for (let n = 0; n < 5; n += 1) assert.equal((await signUp(one, newAddress())).status, 201);
  } finally {
    await server.stop();
  }
});
