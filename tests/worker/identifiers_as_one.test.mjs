// Where `tenants.duplicate_identifiers` is false: an address, number or username is one account's among all tenants.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { OPERATOR_TOKEN as bearer, USERS, operatorOf } from "./support/operator.mjs";
import { claimsOf, logIn, mails, mailTo, PASSWORD, post, refused, request, settled, signUp, tokensOf, until, validate } from "./support/people.mjs";
import { at, startTenanted } from "./support/tenants.mjs";

const ME = "/api/v1/auth/me";
const TAKEN = "This address has an account";

describe("an identifier is one account's among all tenants:", () => {
  let server, own, acme, globex;
  before(async () => {
    server = await startTenanted(
      { globex: { registration: { mode: "immediate", reveal_existing_accounts: true } } },
      {
        duplicate_identifiers: false,
        sign_in: { creates_accounts: true },
      },
    );
    [own, acme, globex] = ["default", "acme", "globex"].map((tenant) => at(server, tenant));
  });
  after(() => server?.stop());

  let accounts = 0;
  const newEmail = () => `one${(accounts += 1)}@everywhere.example`;
  const create = (tenant, body) => request(tenant, "POST", USERS, { body: { name: "Ada", password: PASSWORD, ...body }, bearer });
  const created = async (tenant, body) => {
    const { status, body: { id } } = await create(tenant, body);
    assert.equal(status, 201);
    return { account: id, ...body };
  };
  const subjects = async (email) => (await mails(server, email)).map(({ subject }) => subject);

  test("of many who create an account with it at once, in all of them, one succeeds", async () => {
    const email = newEmail();
    const answers = await Promise.all(Array.from({ length: 21 }, (_, index) => create([own, acme, globex][index % 3], { email })));
    const winners = answers.filter(({ status }) => status === 201);
    assert.equal(winners.length, 1, JSON.stringify(answers.map(({ status, code }) => [status, code])));
    for (const loser of answers.filter(({ status }) => status !== 201)) refused(loser, 409, "account_exists");
    // Nothing of the losers is left, not even what comes before the identifier.
    const { DIRECTORY: directory } = await server.getEnv();
    for (const table of ["users", "identifiers"]) {
      const column = table === "users" ? "email" : "value";
      assert.equal((await directory.prepare(`SELECT COUNT(*) AS rows FROM ${table} WHERE ${column} = ?`).bind(email).first()).rows, 1, table);
    }
  });

  test("who signs up with another tenant's address gets no code, and its owner a word", async () => {
    const { email } = await created(own, { email: newEmail() });
    const accepted = await post(acme, "signup", { email, name: "Eve", password: PASSWORD });
    const ofNobody = await post(acme, "signup", { email: newEmail(), name: "Eve", password: PASSWORD });
    assert.deepEqual([accepted.status, Object.keys(accepted.body)], [ofNobody.status, Object.keys(ofNobody.body)]);
    await mailTo(server, email, TAKEN);
    assert.deepEqual((await mails(server, email)).filter(({ code }) => code !== undefined), []);
  });

  test("of two who prove it in two tenants, the first gets it", async () => {
    const email = newEmail();
    const pending = [];
    for (const tenant of [acme, own]) {
      const known = (await mails(server, email)).length;
      const { body: { registration } } = await post(tenant, "signup", { email, name: "Ada", password: PASSWORD });
      const [{ code }] = await until("a code", async () => (({ length }) => length > known)(await mails(server, email)) && mails(server, email));
      pending.push({ tenant, registration, otp: code });
    }
    const answers = await Promise.all(pending.map(({ tenant, ...proof }) => post(tenant, "verify-signup", { email, ...proof })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    // No hint at what there is elsewhere.
    refused(answers.find(({ status }) => status === 400), 400, "code_invalid");
  });

  test("where sign-up says so, it says so of other tenants' too", async () => {
    const { email } = await created(own, { email: newEmail() });
    refused(await post(globex, "signup", { email, name: "Eve", password: PASSWORD }), 409, "account_exists");
  });

  test("a login by code creates no second account", async () => {
    const { email } = await created(own, { email: newEmail() });
    assert.equal((await post(acme, "request-otp", { email })).status, 202);
    await mailTo(server, email, TAKEN);
    const stranger = newEmail();
    assert.equal((await post(acme, "request-otp", { email: stranger })).status, 202);
    const { code } = await mailTo(server, stranger);
    // Before the code comes back, somebody else's account has it.
    await created(globex, { email: stranger });
    const late = await post(acme, "verify-login", { email: stranger, otp: code });
    assert.ok(late.status >= 400, JSON.stringify(late.body));
    // Whose it is logs in as ever.
    assert.equal((await post(own, "request-otp", { email })).status, 202);
    const mine = await mailTo(server, email, "Your code to sign in");
    assert.equal(claimsOf(tokensOf(await post(own, "verify-login", { email, otp: mine.code })).access).tid, "default");
  });

  test("nobody changes to it, by a code or the operator's word, and a refusal changes nothing", async () => {
    const { email } = await created(own, { email: newEmail(), phone: "+4915112340001" });
    const person = await signUp(acme, { email: newEmail() });
    const asked = await post(acme, "request-email-change", { email, current_password: PASSWORD }, { bearer: person.access });
    assert.equal(asked.status, 202, JSON.stringify(asked.body));
    await mailTo(server, email, TAKEN);
    assert.deepEqual((await mails(server, email)).filter(({ code }) => code !== undefined), []);
    const operator = operatorOf(acme);
    refused(await operator.order(person, "set-email", { email }), 409, "account_exists");
    refused(await operator.order(person, "set-phone", { phone: "+4915112340001" }), 409, "account_exists");
    assert.equal((await validate(acme, person.access, "strict")).status, 200);
    assert.equal((await operator.show(person)).email, person.email);
    await logIn(acme, person);
  });

  test("a code for the change that came before somebody else's account is refused at the end", async () => {
    const person = await signUp(acme, { email: newEmail() });
    const to = newEmail();
    assert.equal((await post(acme, "request-email-change", { email: to, current_password: PASSWORD }, { bearer: person.access })).status, 202);
    const { code } = await mailTo(server, to);
    await created(own, { email: to });
    const late = await post(acme, "confirm-email-change", { email: to, otp: code }, { bearer: person.access });
    assert.ok(late.status >= 400 && late.status < 500, JSON.stringify(late.body));
    await logIn(acme, person);
    await logIn(own, { email: to, password: PASSWORD });
  });

  test("usernames, too: at the check, at creation, and when one is changed", async () => {
    const email = newEmail();
    await created(own, { email, username: "the_only_one" });
    const person = await signUp(acme, { email: newEmail() });
    const free = async (tenant, name) => (await request(tenant, "GET", `/api/v1/auth/username-available?username=${name}`)).body.available;
    assert.deepEqual([await free(acme, "the_only_one"), await free(acme, "another_one")], [false, true]);
    refused(await create(globex, { email: newEmail(), username: "the_only_one" }), 409, "username_taken");
    const change = (username) => request(acme, "PATCH", ME, { body: { username }, bearer: person.access });
    assert.equal((await change("another_one")).status, 200);
    refused(await change("the_only_one"), 409, "username_taken");
    // It has the last one still, in its own name and to sign in with.
    assert.equal((await request(acme, "GET", ME, { bearer: person.access })).body.username, "another_one");
    tokensOf(await post(acme, "login", { username: "another_one", password: PASSWORD }));
    // A name that was left is nobody's to sign in with, so another tenant may have it.
    assert.equal((await change("third_name")).status, 200);
    await created(globex, { email: newEmail(), username: "another_one" });
    refused(await change("another_one"), 409, "username_taken");
    assert.equal((await change("third_name")).status, 200);
    tokensOf(await post(acme, "login", { username: "third_name", password: PASSWORD }));
  });

  test("what an account gives up is free in every tenant", async () => {
    const person = await signUp(acme, { email: newEmail() });
    const later = newEmail();
    assert.equal((await operatorOf(acme).order(person, "set-email", { email: later })).status, 200);
    await created(own, { email: person.email });
    await settled(server, person);
    const operator = operatorOf(acme);
    assert.equal((await operator.ask("DELETE", `/${person.account}`, { body: {} })).status, 200);
    assert.equal((await operator.order(person, "purge")).status, 200);
    await created(globex, { email: later });
    assert.ok(!(await subjects(later)).includes(TAKEN));
  });
});

test("where it is not said, tenants share nothing", async (t) => {
  const server = await startTenanted();
  t.after(() => server.stop());
  const ids = [];
  for (const tenant of ["default", "acme", "globex"]) {
    const made = await request(at(server, tenant), "POST", USERS, { body: { email: "all@everywhere.example", username: "all_of_us", name: "Ada", password: PASSWORD }, bearer });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    ids.push(made.body.id);
  }
  assert.equal(new Set(ids).size, 3);
});
