// The list of users: paging by keys, filters, search.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { claimsOf, logIn, refused, settled, signUp, until } from "./support/people.mjs";
import { operatorOf, startOperated } from "./support/operator.mjs";

const USERS = 1_000;
const id = (number) => number.toString(16).padStart(32, "0");

describe("the list of users", () => {
  let server;
  let operator;
  let directory;
  before(async () => {
    server = await startOperated();
    operator = operatorOf(server);
    ({ DIRECTORY: directory } = await server.getEnv());
  });
  after(() => server?.stop());

  /** Puts users into the directory, as nobody could sign up so many. */
  async function insert(users) {
    const statements = users.flatMap(({ account, tenant = "default", email, name = "Nobody", roles = [], createdAt, status = "active" }) => [
      directory.prepare("INSERT INTO users (account_id, tenant, email, name, status, roles, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)").bind(account, tenant, email, name, status, JSON.stringify(roles), createdAt),
      directory.prepare("INSERT INTO identifiers (tenant, kind, value, account_id, created_at) VALUES (?, 'email', ?, ?, ?)").bind(tenant, email, account, createdAt),
      directory.prepare("INSERT INTO credentials (account_id, password_hash, version, updated_at) VALUES (?, NULL, 1, ?)").bind(account, createdAt),
    ]);
    await directory.batch(statements);
  }

  /** The same for users 0 to USERS − 1, seven at each moment: the id decides then. */
  async function insertMany() {
    const numbers = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${USERS})`;
    await directory.batch([
      `INSERT INTO users (account_id, tenant, email, name, status, roles, created_at) ${numbers} SELECT printf('%032x', i), 'default', 'user' || i || '@pages.example', 'Nobody', 'active', '[]', 1000000 + i / 7 FROM n`,
      `INSERT INTO identifiers (tenant, kind, value, account_id, created_at) ${numbers} SELECT 'default', 'email', 'user' || i || '@pages.example', printf('%032x', i), 1000000 + i / 7 FROM n`,
      `INSERT INTO credentials (account_id, password_hash, version, updated_at) ${numbers} SELECT printf('%032x', i), NULL, 1, 0 FROM n`,
    ].map((query) => directory.prepare(query)));
  }

  const idsOf = ({ users }) => users.map((user) => user.id);

  test("is read through without gaps or repetitions while users come", async () => {
    await insertMany();
    const seen = [];
    let cursor;
    let pages = 0;
    do {
      const page = await operator.users({ limit: 96, search: "user", ...(cursor && { cursor }) });
      assert.ok(page.users.length <= 96);
      seen.push(...idsOf(page));
      cursor = page.next_cursor;
      pages += 1;
      // Later than all, earlier than all that is left, and at a moment that is being read.
      const late = { account: id(USERS * 2 + pages), email: `user-late${pages}@pages.example`, createdAt: 9_000_000 };
      const same = { account: id(USERS * 3 + pages), email: `user-same${pages}@pages.example`, createdAt: 1_000_070 };
      await insert([late, same]);
    } while (cursor);
    const old = seen.filter((account) => Number.parseInt(account, 16) < USERS);
    assert.equal(pages, 11);
    assert.equal(new Set(seen).size, seen.length, "somebody was shown twice");
    assert.equal(old.length, USERS, "somebody was left out");
    assert.deepEqual(old, Array.from({ length: USERS }, (_, number) => id(USERS - 1 - number)), "newest first");
  });

  test("says what is known of a user", async () => {
    const person = await signUp(server, { name: "Grace", email: "grace@shown.example" });
    const { users: [user], next_cursor: next } = await operator.users({ email: " Grace@SHOWN.example" });
    assert.equal(next, null);
    const { created_at: createdAt, identifiers: [identifier], last_login_at: _, profile, ...rest } = user;
    assert.deepEqual(rest, { id: person.account, email: "grace@shown.example", phone: null, username: null, name: "Grace", is_verified: true, has_password: true, roles: claimsOf(person.access).roles, root: false, status: "active", allowed: true, status_change: null, entitlements: [] });
    assert.deepEqual(profile, { biography: null, locale: null, updated_at: null, pending_email: null, pending_phone: null, usernames: [] });
    assert.deepEqual(identifier, { kind: "email", value: "grace@shown.example", verified_at: createdAt, created_at: createdAt });
    assert.deepEqual(Object.keys(await operator.show(person)), Object.keys(user));
  });

  test("shows the last login, some time after it", async () => {
    const person = await signUp(server);
    const first = await until("the first login", async () => (await operator.show(person)).last_login_at, 60);
    assert.ok(Date.now() - first < 60_000);
    await logIn(server, person);
    await settled(server, person);
    const later = await until("the second login", async () => {
      const { last_login_at: at } = await operator.show(person);
      return at > first && at;
    }, 60);
    const { body } = await operator.ask("GET", `/${person.account}/sign-ins`);
    assert.deepEqual(body.events.map(({ at, event }) => [at, event]), [[later, "session_opened"], [first, "session_opened"]]);
  });

  test("shows a last login that the trail has forgotten, and never an older one in its place", async () => {
    const [now, long] = [Date.now(), 396 * 86_400_000 + 60_000];
    const logins = {
      // account: what its row says, and its logins in the trail; then what is shown before and after the trail forgets, and what its row says then.
      [id(40_001)]: [null, [now - long - 5, now - long], now - long, now - long, now - long],
      [id(40_002)]: [null, [now - long, now - 1_000], now - 1_000, now - 1_000, null],
      [id(40_003)]: [now - long - 9, [], now - long - 9, now - long - 9, now - long - 9],
      // As a version left it that wrote each login into the row.
      [id(40_004)]: [now - 2_000, [now - long, now - 2_000], now - 2_000, now - 2_000, now - 2_000],
      [id(40_005)]: [null, [], null, null, null],
    };
    await insert(Object.keys(logins).map((account, number) => ({ account, email: `forgotten${number}@logins.example`, createdAt: 1_500_000 + number })));
    const line = (account, at, event, number) =>
      directory.prepare("INSERT INTO audit_events (event_id, occurred_at, tenant, account_id, event) VALUES (?, ?, 'default', ?, ?)").bind(`${account}-${event}-${number}`, at, account, event);
    for (const [account, [row, lines]] of Object.entries(logins)) {
      await directory.batch([
        directory.prepare("UPDATE users SET last_login_at = ? WHERE account_id = ?").bind(row, account),
        ...lines.map((at, number) => line(account, at, "session_opened", number)),
        line(account, now, "login_failed", 0),
        line(account, now - long, "login_failed", 1),
      ]);
    }
    const shown = async () => (await operator.users({ created_from: 1_500_000, created_before: 1_500_100 })).users.reverse().map((user) => user.last_login_at);
    const column = (place) => Object.values(logins).map((expected) => expected[place]);
    assert.deepEqual(await shown(), column(2));
    await server.scheduled();
    const { results } = await directory.prepare("SELECT count(*) AS n FROM audit_events WHERE occurred_at <= ?").bind(now - long).all();
    assert.equal(results[0].n, 0, "the trail has forgotten");
    assert.deepEqual(await shown(), column(3));
    const rows = (await directory.prepare("SELECT last_login_at FROM users WHERE created_at BETWEEN 1500000 AND 1500099 ORDER BY account_id").all()).results;
    assert.deepEqual(rows.map((row) => row.last_login_at), column(4), "a row is written only where nothing newer is known");
    const { body } = await operator.ask("GET", `/${id(40_002)}/history`);
    assert.deepEqual(body.events.map(({ at, event }) => [at, event]), [[now, "login_failed"], [now - 1_000, "session_opened"]]);
    const failed = await operator.ask("GET", `/${id(40_002)}/history?event=login_failed`);
    assert.deepEqual(failed.body.events.map(({ at }) => at), [now]);
    const opened = await operator.ask("GET", `/${id(40_002)}/history?event=session_opened`);
    assert.deepEqual(opened.body.events.map(({ at }) => at), [now - 1_000]);
  });

  test("is searched by the beginning of names and identifiers, whatever the letters mean to the database", async () => {
    const people = ["Anna%", "annabel", "ANNA_B", "Anna'; DROP TABLE users;--", "Joanna", 'Anna"x', "Änne"];
    await insert(people.map((name, number) => ({ account: id(50_000 + number), email: `s${number}_%'@search.example`, name, createdAt: 2_000_000 + number })));
    const found = async (search) => (await operator.users({ search, created_from: 2_000_000, created_before: 2_000_100 })).users.map(({ name }) => name).sort();
    assert.deepEqual(await found("anna"), ["ANNA_B", 'Anna"x', "Anna%", "Anna'; DROP TABLE users;--", "annabel"].sort());
    assert.deepEqual(await found("ANNA%"), ["Anna%"]);
    assert.deepEqual(await found("anna_"), ["ANNA_B"]);
    assert.deepEqual(await found("anna'"), ["Anna'; DROP TABLE users;--"]);
    assert.deepEqual(await found('anna"'), ['Anna"x']);
    for (const nobody of ["%", "_", "'", "%anna", "anna\\", "oanna"]) assert.deepEqual(await found(nobody), [], nobody);
    assert.deepEqual(await found("S3_%'@SEARCH"), [people[3]], "by the address");
    assert.deepEqual(await found("Änn"), ["Änne"]);
  });

  test("is filtered by status, role and time of creation", async () => {
    await insert([
      { account: id(60_001), email: "f1@filter.example", createdAt: 3_000_001, roles: ["editor", "member"] },
      { account: id(60_002), email: "f2@filter.example", createdAt: 3_000_002, roles: ["member"], status: "banned" },
      { account: id(60_003), email: "f3@filter.example", createdAt: 3_000_003, roles: [], status: "deleted" },
      { account: id(60_004), email: "f4@filter.example", createdAt: 3_000_004, roles: ["edit"], status: "purged" },
    ]);
    const numbers = async (query) => idsOf(await operator.users({ created_from: 3_000_000, created_before: 3_000_100, ...query })).map((account) => Number.parseInt(account, 16) - 60_000);
    assert.deepEqual(await numbers({}), [2, 1]);
    assert.deepEqual(await numbers({ status: "banned" }), [2]);
    assert.deepEqual(await numbers({ status: "active" }), [1]);
    assert.deepEqual(await numbers({ only_deleted: true }), [3]);
    assert.deepEqual(await numbers({ status: "deleted" }), [3]);
    assert.deepEqual(await numbers({ role: "editor" }), [1]);
    assert.deepEqual(await numbers({ role: "member" }), [2, 1]);
    assert.deepEqual(await numbers({ role: "edit" }), []);
    assert.deepEqual(await numbers({ created_from: 3_000_002 }), [2]);
    assert.deepEqual(await numbers({ created_before: 3_000_002 }), [1]);
    assert.deepEqual(await numbers({ role: "member", status: "active", search: "f1" }), [1]);
  });

  test("has nobody of another tenant", async () => {
    await insert([{ account: id(70_001), tenant: "other", email: "secret@tenant.example", name: "Secret", createdAt: 4_000_000 }]);
    for (const query of [{ search: "secret" }, { email: "secret@tenant.example" }, { created_from: 3_999_999, created_before: 4_000_001 }]) {
      assert.deepEqual((await operator.users(query)).users, []);
    }
    for (const path of ["", "/export"]) refused(await operator.ask("GET", `/${id(70_001)}${path}`), 404, "not_found");
  });

  test("refuses what it does not understand", async () => {
    for (const query of [
      "limit=0", "limit=201", "limit=x", "cursor=x", "cursor=AAAA", "status=gone", "status=purged", "only_deleted=yes",
      "status=active&only_deleted=true", "created_from=x", "created_from=-1", `created_before=${2 ** 53}`, "search=", `search=${"x".repeat(101)}`,
      "email=x", "email=a@b.example&phone=%2B14155552671", "email=nobody", "phone=nobody", "username=a@b.example", "search=%", "search=%zz", "search=%ff", "limit=1&limit=2", `search=${"x".repeat(5_000)}`,
    ]) {
      refused(await operator.ask("GET", `?${query}`), 400, "invalid_request");
    }
    assert.deepEqual((await operator.users({ email: "nobody@nowhere.example" })).users, []);
    assert.deepEqual((await operator.users({ phone: "+14155552671" })).users, []);
    assert.deepEqual((await operator.users({ username: "nobody" })).users, []);
  });
});
