// Usernames: chosen, made up, contested, looked up, changed, and never given to anybody else.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, accountsOf, claimsOf, client, granted, newAddress, observed, refused, startOpenServer } from "./support/accounts.mjs";
import { untilQuiet } from "./support/people.mjs";

const newName = (base = "ada") => `${base}_${randomBytes(5).toString("hex")}`;

/** What the tests ask of a server whose `registration.usernames` is one of the words. */
async function startWith(usernames, more = {}) {
  const { limits = {}, ...vars } = more;
  const off = { count: 0 };
  const server = await startOpenServer({ vars: { registration: { usernames }, limits: { username_check_per_source: off, username_change_per_account: off, ...limits }, ...vars } });
  const person = client(server);
  const signUp = (email, more = {}) => person.post("signup", { email, name: "Ada", password: PASSWORD, ...more });
  const codeTo = async (email, count = 1) => (await person.untilMails(email, count))[0].code;
  /** An account by the ordinary way: its tokens, address and id. */
  const account = async (more = {}, email = newAddress()) => {
    const { body, status, text } = await signUp(email, more);
    assert.equal(status, 202, text);
    const tokens = granted(await person.verify({ email, otp: await codeTo(email), registration: body.registration }));
    return { email, bearer: tokens.access_token, id: claimsOf(tokens.access_token).sub };
  };
  const change = (bearer, body) => person.send("PATCH", `${AUTH}/me`, { bearer, body });
  const available = (username, who = person) => who.send("GET", `${AUTH}/username-available?username=${encodeURIComponent(username)}`);
  const { DIRECTORY: directory } = await server.getEnv();
  return { server, person, signUp, codeTo, account, change, available, directory };
}

describe("usernames that may be chosen", () => {
  let it;
  before(async () => (it = await startWith("optional")));
  after(() => it?.server.stop());
  const usernameOf = async (bearer) => (await it.person.me(bearer)).body.username;

  test("one is chosen at sign-up, in any case, and seen in me", async () => {
    const name = newName();
    const mine = await it.account({ username: ` ${name.toUpperCase()} ` });
    assert.equal(await usernameOf(mine.bearer), name);
    assert.deepEqual((await it.available(name)).body, { username: name, available: false });
    const none = await it.account();
    assert.equal(await usernameOf(none.bearer), null);
  });

  test("one that breaks a rule is refused, and the rule named", async () => {
    for (const bad of ["ab", "a".repeat(31), "1abcd", "ada@home", "+ada1", "ada-l", "ada l", "adä_l", "аdmin", "admin", "root", "support", "ada\u0000b", "a\u202edab"]) {
      const { errors } = refused(await it.signUp(newAddress(), { username: bad }), 400, "invalid_request");
      assert.deepEqual(errors.map(({ field }) => field), ["username"], bad);
      refused(await it.available(bad), 400, "invalid_request");
    }
    for (const bad of [1, true, {}, ["ada_l"]]) refused(await it.signUp(newAddress(), { username: bad }), 400, "invalid_request");
    for (const query of ["", "?", "?name=ada_l", "?username", "?username=", "?username=%", "?username=%ff%fe", "?xusername=ada_l"]) {
      refused(await it.person.send("GET", `${AUTH}/username-available${query}`), 400, "invalid_request");
    }
    assert.equal((await it.person.send("GET", `${AUTH}/username-available?a=b&username=%41da_%6C0&c`)).body.username, "ada_l0");
  });

  test("of two sign-ups for one name the second is refused while the first waits, and the address may ask again", async () => {
    const [name, email] = [newName(), newAddress()];
    assert.equal((await it.signUp(email, { username: name })).status, 202);
    refused(await it.signUp(newAddress(), { username: name }), 409, "username_taken");
    assert.equal((await it.available(name)).body.available, false);
    assert.equal((await it.signUp(email, { username: name })).status, 202);
  });

  test("of two who confirm one name at once, one has it, and the other chooses another with the same code", async () => {
    const name = newName();
    const people = [];
    for (let n = 0; n < 2; n += 1) {
      const email = newAddress();
      const { body } = await it.signUp(email);
      people.push({ email, otp: await it.codeTo(email), registration: body.registration });
    }
    const answers = await Promise.all(people.map((who) => it.person.verify({ ...who, username: name })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409], answers.map(({ text }) => text).join());
    const loser = people[answers.findIndex(({ status }) => status === 409)];
    refused(answers.find(({ status }) => status === 409), 409, "username_taken");
    assert.deepEqual(await accountsOf(it.server, loser.email), [], "the loser has half an account");
    refused(await it.person.login(loser.email, PASSWORD), 401, "invalid_credentials");

    const second = newName();
    const tokens = granted(await it.person.verify({ ...loser, username: second }));
    assert.equal(await usernameOf(tokens.access_token), second);
    const { results } = await it.directory.prepare("SELECT owner_id FROM owner_names WHERE name IN (?, ?)").bind(name, second).all();
    assert.equal(new Set(results.map((row) => row.owner_id)).size, 2);
  });

  test("a confirmed sign-up loses its name to whoever was faster, not its address", async () => {
    const [name, email] = [newName(), newAddress()];
    const { body } = await it.signUp(email, { username: name });
    const otp = await it.codeTo(email);
    // Not held for anybody who is signed in: they take it at once.
    const fast = await it.account();
    assert.equal((await it.change(fast.bearer, { username: name })).status, 200);
    refused(await it.person.verify({ email, otp, registration: body.registration }), 409, "username_taken");
    const other = newName();
    const tokens = granted(await it.person.verify({ email, otp, registration: body.registration, username: other }));
    assert.equal(await usernameOf(tokens.access_token), other);
  });

  test("a changed name stays its owner's, who may return to it, and is nobody else's ever", async () => {
    const [first, second] = [newName(), newName()];
    const mine = await it.account({ username: first });
    const { body, text } = await it.change(mine.bearer, { username: second.toUpperCase() });
    assert.equal(body.username, second, text);
    assert.ok(body.updated_at >= body.created_at);
    const { results } = await it.directory.prepare("SELECT value FROM identifiers WHERE account_id = ? AND kind = 'username'").bind(mine.id).all();
    assert.deepEqual(results.map((row) => row.value), [second], "one name identifies");

    const thief = await it.account();
    refused(await it.change(thief.bearer, { username: first }), 409, "username_taken");
    refused(await it.signUp(newAddress(), { username: first }), 409, "username_taken");
    assert.equal((await it.available(first)).body.available, false);
    assert.equal(await usernameOf(thief.bearer), null);
    assert.equal((await it.change(mine.bearer, { username: first })).body.username, first);
    assert.equal((await it.change(mine.bearer, { username: first })).body.username, first);
  });

  test("nobody collects names: an account keeps ten", async () => {
    const mine = await it.account({ username: newName() });
    for (let n = 1; n < 10; n += 1) assert.equal((await it.change(mine.bearer, { username: newName("kept") })).status, 200);
    const last = await usernameOf(mine.bearer);
    refused(await it.change(mine.bearer, { username: newName("kept") }), 409, "too_many_usernames");
    assert.equal(await usernameOf(mine.bearer), last);
  });

  test("two take one name at once: one gets it", async () => {
    const [name, people] = [newName(), [await it.account(), await it.account()]];
    const answers = await Promise.all(people.map(({ bearer }) => it.change(bearer, { username: name })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
  });

  test("a name says nothing of addresses: with a taken name, known and unknown ones are refused alike", async () => {
    const taken = newName();
    const mine = await it.account({ username: taken });
    const [free, other] = [newAddress(), newName()];
    const asked = (email, username) => () => it.signUp(email, { username });
    const refusals = [];
    for (const email of [mine.email, free]) {
      await untilQuiet(it.server);
      refusals.push(observed(await asked(email, taken)()));
    }
    assert.deepEqual(refusals[1], refusals[0]);
    assert.equal(refusals[0].status, 409);
    const answers = [await asked(mine.email, other)(), await asked(free, newName())()];
    assert.deepEqual(answers.map(({ status, body }) => [status, Object.keys(body).sort()]), Array(2).fill([202, ["expires_in", "registration"]]));
  });
});

describe("usernames that everybody has", () => {
  test("made of the address, numbered when they are taken, and anew for each", async () => {
    const it = await startWith("derived");
    try {
      const base = `grace${randomBytes(3).toString("hex")}`;
      const names = [];
      for (const domain of ["a.example", "b.example", "c.example"]) {
        const { bearer } = await it.account({}, `${base}@${domain}`);
        names.push((await it.person.me(bearer)).body.username);
      }
      assert.deepEqual(names, [base, `${base}1`, `${base}2`]);
      const at = Date.now();
      // All numbered ones are somebody's: digits nobody counts.
      await it.directory.batch(Array.from({ length: 20 }, (_, n) =>
        it.directory.prepare("INSERT OR IGNORE INTO owner_names VALUES ('default', ?, 'account', 'x', ?)").bind(`${base}${n + 1}`, at)));
      const { bearer } = await it.account({}, `${base}@d.example`);
      assert.match((await it.person.me(bearer)).body.username, new RegExp(`^${base}\\d{8}$`));
      const chosen = await it.account({ username: newName() });
      assert.match((await it.person.me(chosen.bearer)).body.username, /^ada_/);

      // Two who would get the same one at the same moment both get one.
      const twin = `twin${randomBytes(3).toString("hex")}`;
      const twins = [];
      for (const domain of ["a.example", "b.example"]) {
        const email = `${twin}@${domain}`;
        const { body } = await it.signUp(email);
        twins.push({ email, otp: await it.codeTo(email), registration: body.registration });
      }
      const tokens = (await Promise.all(twins.map((who) => it.person.verify(who)))).map(granted);
      const both = await Promise.all(tokens.map(async ({ access_token: token }) => (await it.person.me(token)).body.username));
      assert.equal(new Set(both).size, 2, both.join());
    } finally {
      await it.server.stop();
    }
  });

  test("required: a sign-up without is refused, and one whose names are not trusted gets one made up", async () => {
    const it = await startWith("required");
    try {
      const { errors } = refused(await it.signUp(newAddress()), 400, "invalid_request");
      assert.deepEqual(errors, [{ field: "username", rule: "is required" }]);
      const email = newAddress("contested");
      const [first, second] = [newName(), newName()];
      await it.signUp(email, { username: first });
      await it.codeTo(email);
      await it.signUp(email, { username: second });
      const otp = await it.codeTo(email, 2);
      const tokens = granted(await it.person.verify({ email, otp }));
      const { username } = (await it.person.me(tokens.access_token)).body;
      assert.ok(username.startsWith("contested_") && ![first, second].includes(username), username);
    } finally {
      await it.server.stop();
    }
  });
});

test("without usernames none is taken, and nobody asks for one", async () => {
  const it = await startWith("off");
  try {
    refused(await it.signUp(newAddress(), { username: newName() }), 400, "invalid_request");
    const { bearer } = await it.account();
    refused(await it.change(bearer, { username: newName() }), 400, "invalid_request");
    refused(await it.available(newName()), 403, "feature_disabled");
  } finally {
    await it.server.stop();
  }
});

test("looking names up and changing them is limited", async () => {
  const it = await startWith("optional", {
    limits: { username_check_per_source: { count: 3, period_seconds: 3600 }, username_change_per_account: { count: 2, period_seconds: 3600 } },
  });
  try {
    for (let n = 0; n < 3; n += 1) assert.equal((await it.available(newName())).status, 200);
    const limited = await it.available(newName());
    refused(limited, 429, "rate_limited");
    assert.ok(Number(limited.headers.get("retry-after")) > 0);
    assert.equal((await it.available(newName(), client(it.server, "203.0.113.9"))).status, 200, "somebody else's limit");

    const { bearer } = await it.account();
    for (let n = 0; n < 2; n += 1) assert.equal((await it.change(bearer, { username: newName() })).status, 200);
    refused(await it.change(bearer, { username: newName() }), 429, "rate_limited");
    assert.equal((await it.change(bearer, { name: "Grace" })).status, 200, "other changes are not the name's");
  } finally {
    await it.server.stop();
  }
});
