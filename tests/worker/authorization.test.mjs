// Authorization: an operator gives roles, permissions, groups and root, tokens carry what that comes to, and a change
// reaches them at once.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { claimsOf, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { audited, storedAccount, tokensOf, validate } from "./support/people.mjs";

const OPERATOR = randomBytes(32).toString("base64");
const NOBODY = "0123456789abcdef".repeat(2);
const PASSWORD = "seven swift otters juggle";
const PERMISSIONS = {
  names: ["docs:read", "docs:write", "docs:delete", "bills:pay", "docs:print"],
  deleted: ["docs:print"],
  roles: { user: ["docs:read"], editor: ["docs:read", "docs:write"], auditor: [] },
  groups: { support: ["docs:delete"], finance: ["bills:pay"] },
  default_role: "user",
};

describe("authorization", () => {
  let server;
  let person;
  before(async () => {
    const vars = { limits: { operator_per_source: { count: 0, period_seconds: 60 } }, permissions: PERMISSIONS };
    server = await startOpenServer({ vars, secrets: { POSTERN_OPERATOR_TOKEN: OPERATOR } });
    person = client(server);
  });
  after(() => server?.stop());

  const path = (account) => `/api/v1/auth/admin/users/${account}/authorization`;
  const members = (group) => `/api/v1/auth/admin/groups/${group}/members`;
  const ask = (method, route, body, headers) => person.send(method, route, { body, bearer: OPERATOR, headers });
  const show = (account, explain) => ask("GET", path(account) + (explain ? `?explain=${explain}` : ""));
  const replace = (account, body, headers) => ask("PUT", path(account), body, headers);
  const amend = (account, body, headers) => ask("PATCH", path(account), body, headers);
  const root = (account, body, headers) => ask("POST", `${path(account)}/root`, body, headers);
  const join = (group, ...add) => ask("POST", members(group), { add });
  const leave = (group, ...remove) => ask("POST", members(group), { remove });
  const ok = ({ status, body, text }) => {
    assert.equal(status, 200, text);
    return body;
  };
  const somebody = async () => tokensOf({ status: 200, body: await person.account(newAddress()) });
  const refresh = async ({ refresh: token }) => granted(await person.post("refresh", { refresh_token: token }));
  const may = async (token, ...permissions) => (await validate(server, token, "strict", { permissions })).status === 200;
  const row = async (query, ...values) => (await server.getEnv()).DIRECTORY.prepare(query).bind(...values).first();

  describe("roles and permissions", () => {
    test("are in no token until they are given, and in every one from then on", async () => {
      const who = await somebody();
      assert.deepEqual(ok(await show(who.account)), {
        version: 0, roles: ["user"], groups: [], permissions: [], root: false, effective: ["docs:read"],
        registry_version: claimsOf(who.access).pr, ineffective: { roles: [], groups: [], permissions: [] },
      });
      assert.ok(!(await may(who.access, "docs:write")) && (await may(who.access, "docs:read")));

      const given = ok(await amend(who.account, { add_roles: ["editor"], add_permissions: ["bills:pay"] }));
      assert.deepEqual([given.version, given.roles, given.permissions], [1, ["user", "editor"], ["bills:pay"]]);
      assert.deepEqual(given.effective, ["docs:read", "docs:write", "bills:pay"]);
      refused(await person.validate(who.access, "strict"), 401, "token_stale");
      const fresh = await refresh(who);
      assert.deepEqual(claimsOf(fresh.access_token).roles, ["user", "editor"]);
      assert.ok(await may(fresh.access_token, "docs:write", "bills:pay", "docs:read"));
      assert.ok(!(await may(fresh.access_token, "docs:delete")));

      const taken = ok(await replace(who.account, { roles: ["auditor"], permissions: [] }));
      assert.deepEqual([taken.roles, taken.effective], [["auditor"], []], "also the role of every new account");
      refused(await person.validate(fresh.access_token, "strict"), 401, "token_stale");
      assert.ok(!(await may((await refresh(who)).access_token, "docs:read")));
      assert.ok((await audited(server, who)).includes("authorization_changed:role +auditor, role -user, role -editor, permission -bills:pay by operator"));
    });

    test("that a token says already leave it as it is", async () => {
      const who = await somebody();
      assert.equal(ok(await amend(who.account, { add_permissions: ["docs:read"] })).version, 1);
      assert.equal((await person.validate(who.access, "strict")).status, 200);
      // The permission stays when the role goes.
      ok(await replace(who.account, { roles: [], permissions: ["docs:read"] }));
      refused(await person.validate(who.access, "strict"), 401, "token_stale");
      assert.ok(await may((await refresh(who)).access_token, "docs:read"));
    });

    test("that are given before the first login are in its token", async () => {
      const email = newAddress();
      await person.account(email);
      const { account_id: id } = await row("SELECT account_id FROM users WHERE email = ?", email);
      // As if it had never been opened: an imported account.
      const storage = await server.objectStorage("ACCOUNT", id);
      for (const table of ["account", "sessions", "operations", "outbox"]) await storage.exec(`DELETE FROM ${table}`);
      ok(await amend(id, { add_permissions: ["docs:write"] }));
      const { access_token: token } = granted(await person.login(email, PASSWORD));
      assert.ok(await may(token, "docs:read", "docs:write"));
    });

    test("are those of the database at every login, whether or not the account was told", async () => {
      const email = newAddress();
      const who = tokensOf({ status: 200, body: await person.account(email) });
      const { DIRECTORY } = await server.getEnv();
      await DIRECTORY.prepare("UPDATE users SET roles = '[\"editor\"]', authorization_version = 1 WHERE account_id = ?").bind(who.account).run();
      assert.equal((await person.validate(who.access, "strict")).status, 200);
      const { access_token: token } = granted(await person.login(email, PASSWORD));
      assert.deepEqual(claimsOf(token).roles, ["editor"]);
      refused(await person.validate(who.access, "strict"), 401, "token_stale");
      // What was read before a change that the account knows of takes nothing back.
      await DIRECTORY.prepare("UPDATE users SET roles = '[\"user\"]', authorization_version = 0 WHERE account_id = ?").bind(who.account).run();
      assert.deepEqual(claimsOf(granted(await person.login(email, PASSWORD)).access_token).roles, ["editor"]);
      assert.equal((await person.validate(token, "strict")).status, 200);
    });

    test("are finished by the cron when the account did not hear of them", async () => {
      const who = await somebody();
      const { DIRECTORY } = await server.getEnv();
      await DIRECTORY.batch([
        DIRECTORY.prepare("UPDATE users SET roles = '[\"editor\"]', authorization_version = 1 WHERE account_id = ?").bind(who.account),
        DIRECTORY.prepare("INSERT INTO pending_authorizations VALUES (?, 1, ?)").bind(who.account, Date.now() - 1),
      ]);
      await server.scheduled();
      refused(await person.validate(who.access, "strict"), 401, "token_stale");
      assert.deepEqual(claimsOf((await refresh(who)).access_token).roles, ["editor"]);
      assert.equal(await row("SELECT version FROM pending_authorizations WHERE account_id = ?", who.account), null);
    });

    test("leave nothing to be told behind", async () => {
      const who = await somebody();
      ok(await amend(who.account, { add_roles: ["editor"] }));
      assert.equal(await row("SELECT version FROM pending_authorizations WHERE account_id = ?", who.account), null);
      const { authorization } = await storedAccount(server, who);
      assert.deepEqual([authorization.version, authorization.roles], [1, ["user", "editor"]]);
    });

    test("that the configuration has lost grant nothing, and are told", async () => {
      const who = await somebody();
      const { DIRECTORY } = await server.getEnv();
      await DIRECTORY.prepare("UPDATE users SET roles = '[\"user\",\"gone\"]', permissions = '[\"docs:print\",\"never:was\"]' WHERE account_id = ?").bind(who.account).run();
      const { effective, ineffective } = ok(await show(who.account));
      assert.deepEqual([effective, ineffective], [["docs:read"], { roles: ["gone"], groups: [], permissions: ["docs:print", "never:was"] }]);
      assert.deepEqual(ok(await amend(who.account, { remove_roles: ["gone"], remove_permissions: ["docs:print", "never:was"] })).ineffective, { roles: [], groups: [], permissions: [] });
    });
  });

  describe("changes", () => {
    test("that race are all made, or refused", async () => {
      const who = await somebody();
      const wanted = ["docs:write", "docs:delete", "bills:pay"];
      const add = async (name) => {
        for (let tries = 0; tries < 20; tries += 1) {
          const answer = await amend(who.account, { add_permissions: [name] });
          if (answer.status === 200) return;
          refused(answer, 409, "authorization_conflict");
        }
        assert.fail(`${name} was refused for ever`);
      };
      await Promise.all(wanted.map(add));
      const { permissions, version } = ok(await show(who.account));
      assert.deepEqual([permissions.toSorted(), version], [wanted.toSorted(), 3]);
    });

    test("of a version are made of no other", async () => {
      const who = await somebody();
      const body = (role) => ({ roles: [role], permissions: [], version: 0 });
      const answers = await Promise.all(["editor", "auditor", "editor", "auditor"].map((role, index) => replace(who.account, { ...body(role), permissions: PERMISSIONS.names.slice(index, index + 1) })));
      assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409, 409, 409]);
      refused(await replace(who.account, body("user")), 409, "authorization_conflict");
      ok(await replace(who.account, { ...body("user"), version: 1 }));
    });

    test("that come again with the same key change nothing twice", async () => {
      const who = await somebody();
      const headers = { "idempotency-key": "ticket-17" };
      assert.equal(ok(await amend(who.account, { add_roles: ["editor"] }, headers)).version, 1);
      ok(await amend(who.account, { remove_roles: ["editor"] }));
      assert.deepEqual(ok(await amend(who.account, { add_roles: ["editor"] }, headers)).roles, ["user"], "it was made before");
      assert.deepEqual(ok(await amend(who.account, { add_roles: ["auditor"] }, headers)).roles, ["user", "auditor"], "another change");
      const other = await somebody();
      assert.deepEqual(ok(await amend(other.account, { add_roles: ["editor"] }, headers)).roles, ["user", "editor"], "another account");
    });

    test("that change nothing are no version", async () => {
      const who = await somebody();
      for (const change of [{}, { add_roles: ["user"] }, { remove_roles: ["editor", "nobody-has-it"] }, { remove_permissions: ["docs:read"] }]) {
        assert.equal(ok(await amend(who.account, change)).version, 0, JSON.stringify(change));
      }
      assert.equal(ok(await replace(who.account, { roles: ["user", "user"], permissions: [] })).version, 0);
      assert.ok(!(await audited(server, who)).some((event) => event.startsWith("authorization_changed")));
    });
  });

  describe("groups", () => {
    test("give their members what the configuration says, at once, and take it back", async () => {
      const [one, two, three] = await Promise.all([somebody(), somebody(), somebody()]);
      const { groups } = ok(await ask("GET", "/api/v1/auth/admin/groups"));
      assert.deepEqual(groups, [{ name: "finance", permissions: ["bills:pay"] }, { name: "support", permissions: ["docs:delete"] }]);

      const joined = ok(await join("support", one.account, two.account, NOBODY));
      assert.deepEqual(joined, { added: [one.account, two.account].toSorted(), removed: [], pending: 0 });
      for (const who of [one, two]) {
        refused(await person.validate(who.access, "strict"), 401, "token_stale");
        assert.ok(await may((await refresh(who)).access_token, "docs:delete", "docs:read"));
      }
      assert.ok(await may(three.access, "docs:read") && !(await may(three.access, "docs:delete")));
      assert.ok((await audited(server, one)).includes("authorization_changed:group +support by operator"));

      const moved = ok(await ask("POST", members("support"), { add: [two.account, three.account], remove: [one.account] }));
      assert.deepEqual(moved, { added: [three.account], removed: [one.account], pending: 0 });
      assert.ok(!(await may((await refresh(one)).access_token, "docs:delete")));
      assert.deepEqual(ok(await leave("support", one.account)).removed, [], "it was not in it any more");
      assert.ok((await audited(server, one)).includes("authorization_changed:group -support by operator"));
    });

    test("are listed page by page", async () => {
      const all = (await Promise.all(Array.from({ length: 5 }, somebody))).map(({ account }) => account).toSorted();
      ok(await join("finance", ...all));
      const found = [];
      let cursor = "";
      for (let pages = 0; pages < 9 && cursor !== undefined; pages += 1) {
        const page = ok(await ask("GET", `${members("finance")}?limit=2${cursor && `&cursor=${cursor}`}`));
        assert.ok(page.members.length <= 2);
        found.push(...page.members);
        cursor = page.next_cursor;
      }
      assert.deepEqual(found.filter((id) => all.includes(id)), all);
      assert.equal(new Set(found).size, found.length);
    });

    test("are joined and left once under a key, whatever was done since", async () => {
      const [one, two] = [await somebody(), await somebody()];
      const send = (body, key) => person.send("POST", members("finance"), { body, bearer: OPERATOR, headers: { "idempotency-key": key } });
      const lines = async (who) => (await audited(server, who)).filter((line) => /finance/.test(line));
      const order = { add: [one.account, two.account] };
      const first = await Promise.all([1, 2, 3].map(() => send(order, "team-1")));
      for (const answer of first) assert.deepEqual(ok(answer), { added: [one.account, two.account].toSorted(), removed: [], pending: 0 });
      assert.deepEqual(await lines(one), ["authorization_changed:group +finance by operator"]);
      assert.deepEqual(ok(await send({ remove: [one.account] }, "team-2")).removed, [one.account]);
      assert.deepEqual(ok(await send(order, "team-1")), ok(first[0]), "the same answer");
      assert.deepEqual(ok(await show(one.account)).groups, [], "they joined before they left");
      ok(await join("finance", one.account));
      assert.deepEqual(ok(await send({ remove: [one.account] }, "team-2")).removed, [one.account]);
      assert.deepEqual(ok(await show(one.account)).groups, ["finance"]);
      assert.equal((await lines(one)).length, 3);
      const { lines: orders } = await row("SELECT COUNT(*) AS lines FROM audit_events WHERE event = 'group_members_changed' AND event_id NOT LIKE '%-%'");
      assert.ok(orders >= 3);
      for (const other of [{ add: [one.account] }, { remove: order.add }, { ...order, remove: [NOBODY] }]) {
        refused(await send(other, "team-1"), 409, "idempotency_key_reused");
      }
      ok(await leave("finance", one.account, two.account));
    });

    test("are 100 at most, and a lost one can be left", async () => {
      const who = await somebody();
      const { DIRECTORY } = await server.getEnv();
      const insert = DIRECTORY.prepare("INSERT INTO group_members VALUES (?, ?, 'default', 0)");
      await DIRECTORY.batch(Array.from({ length: 100 }, (_, index) => insert.bind(who.account, `lost${index}`)));
      assert.deepEqual(ok(await join("support", who.account)).added, []);
      assert.deepEqual(ok(await ask("GET", members("lost7"))).members, [who.account]);
      assert.deepEqual(ok(await leave("lost7", who.account)).removed, [who.account]);
      assert.deepEqual(ok(await join("support", who.account)).added, [who.account]);
      const { groups, ineffective, effective } = ok(await show(who.account));
      assert.deepEqual([groups.length, ineffective.groups.length, effective], [100, 99, ["docs:read", "docs:delete"]]);
    });

    test("refuse what is none, and whoever is no account", async () => {
      const who = await somebody();
      for (const [group, body, field] of [
        ["support", {}, "add"],
        ["support", { add: [] }, "add"],
        ["support", { add: "everybody" }, "add"],
        ["support", { add: ["somebody"] }, "add"],
        ["support", { add: [7] }, "add"],
        ["support", { add: Array(101).fill(NOBODY) }, "add"],
        ["support", { remove: [`${who.account}0`] }, "remove"],
        ["support", { add: [who.account], remove: [who.account] }, "remove"],
      ]) {
        const { errors } = refused(await ask("POST", members(group), body), 400, "invalid_request");
        assert.deepEqual(errors.map((error) => error.field), [field], JSON.stringify(body));
      }
      for (const group of ["nobodys", "Support", "a:b"]) refused(await join(group, who.account), 404, "not_found");
      for (const group of ["Support", "a:b"]) refused(await ask("GET", members(group)), 404, "not_found");
      refused(await ask("GET", `${members("support")}?cursor=zz`), 400, "invalid_request");
      assert.deepEqual(ok(await show(who.account)).groups, []);
    });
  });

  describe("root", () => {
    test("passes every check, in tokens of two minutes, until it is taken", async () => {
      const who = await somebody();
      assert.ok(!(await may(who.access, "bills:pay")));
      const given = ok(await root(who.account, { granted: true, reason: "on call this week" }));
      assert.deepEqual([given.root, given.effective], [true, ["docs:read", "docs:write", "docs:delete", "bills:pay"]]);
      refused(await person.validate(who.access, "strict"), 401, "token_stale");
      const { access_token: token } = await refresh(who);
      assert.ok(await may(token, "bills:pay", "docs:delete"));
      const { exp, iat } = claimsOf(token);
      assert.ok(exp - iat <= 120 && exp > iat, "a root token is short-lived");
      const ordinary = claimsOf(who.access);
      assert.ok(ordinary.exp - ordinary.iat > 120);

      // Nothing else takes it.
      ok(await replace(who.account, { roles: [], permissions: [] }));
      assert.equal(ok(await show(who.account)).root, true);
      ok(await root(who.account, { granted: false, reason: "the week is over" }));
      refused(await person.validate(token, "strict"), 401, "token_stale");
      assert.ok(!(await may((await refresh(who)).access_token, "docs:read")));
      const events = await audited(server, who);
      for (const event of ["root_granted:root by operator: on call this week", "root_revoked:root by operator: the week is over"]) {
        assert.ok(events.includes(event), `${event} in ${events}`);
      }
    });

    test("is given by nothing else", async () => {
      const who = await somebody();
      for (const [change, field] of [
        [{ add_roles: ["root"] }, "roles"],
        [{ add_permissions: ["root"] }, "permissions"],
        [{ add_permissions: ["*"] }, "permissions"],
        [{ add_permissions: ["docs:*"] }, "permissions"],
      ]) {
        const { errors } = refused(await amend(who.account, change), 400, "invalid_request");
        assert.deepEqual(errors.map((error) => error.field), [field]);
      }
      ok(await replace(who.account, { roles: ["user", "editor"], permissions: ["docs:write"], root: true, has_root: true }));
      ok(await join("support", who.account));
      assert.equal(ok(await show(who.account)).root, false);
    });

    test("wants to be meant, and a reason", async () => {
      const who = await somebody();
      for (const [body, field] of [
        [{ reason: "because" }, "granted"],
        [{ granted: "true", reason: "because" }, "granted"],
        [{ granted: true }, "reason"],
        [{ granted: true, reason: " " }, "reason"],
        [{ granted: true, reason: "r".repeat(201) }, "reason"],
        [{ granted: true, reason: "two\nlines" }, "reason"],
      ]) {
        const { errors } = refused(await root(who.account, body), 400, "invalid_request");
        assert.deepEqual(errors.map((error) => error.field), [field], JSON.stringify(body));
      }
      assert.equal(ok(await show(who.account)).version, 0);
    });
  });

  describe("explanations", () => {
    test("name every source of a permission, or that there is none", async () => {
      const who = await somebody();
      const why = async (permission) => ok(await show(who.account, permission)).explanation;
      assert.deepEqual(await why("docs:delete"), { permission: "docs:delete", allowed: false, sources: [] });
      ok(await amend(who.account, { add_roles: ["editor"], add_permissions: ["docs:write"] }));
      ok(await join("support", who.account));
      assert.deepEqual(await why("docs:read"), { permission: "docs:read", allowed: true, sources: [{ kind: "role", name: "user" }, { kind: "role", name: "editor" }] });
      assert.deepEqual((await why("docs:write")).sources, [{ kind: "role", name: "editor" }, { kind: "direct" }]);
      assert.deepEqual((await why("docs:delete")).sources, [{ kind: "group", name: "support" }]);
      ok(await root(who.account, { granted: true, reason: "to explain it" }));
      assert.deepEqual((await why("bills:pay")).sources, [{ kind: "root" }]);
    });

    test("of what is no permission are a mistake of the caller", async () => {
      const who = await somebody();
      for (const permission of ["docs", "docs:print", "never:was", "DOCS:READ", "*"]) {
        refused(await show(who.account, permission), 400, "invalid_request");
      }
    });
  });

  describe("mistakes", () => {
    test("are named with their field", async () => {
      const who = await somebody();
      const many = (count, name = "docs:read") => Array.from({ length: count }, () => name);
      for (const [method, body, field] of [
        ["PUT", { permissions: [] }, "roles"],
        ["PUT", { roles: [] }, "permissions"],
        ["PUT", { roles: "user", permissions: [] }, "roles"],
        ["PUT", { roles: ["User"], permissions: [] }, "roles"],
        ["PUT", { roles: ["user", "gone"], permissions: [] }, "roles"],
        ["PUT", { roles: [], permissions: ["docs:print"] }, "permissions"],
        ["PUT", { roles: [], permissions: [7] }, "permissions"],
        ["PUT", { roles: [], permissions: many(129) }, "permissions"],
        ["PUT", { roles: many(65, "user"), permissions: [] }, "roles"],
        ["PUT", { roles: [], permissions: [], version: -1 }, "version"],
        ["PUT", { roles: [], permissions: [], version: "0" }, "version"],
        ["PUT", { roles: [], permissions: [], version: 4_294_967_296 }, "version"],
        ["PUT", { roles: [], permissions: [], reason: "" }, "reason"],
        ["PATCH", { add_roles: ["gone"] }, "roles"],
        ["PATCH", { add_permissions: ["never:was"] }, "permissions"],
        ["PATCH", { remove_roles: "user" }, "remove_roles"],
      ]) {
        const { errors } = refused(await ask(method, path(who.account), body), 400, "invalid_request");
        assert.deepEqual(errors.map((error) => error.field), [field], JSON.stringify(body));
      }
      assert.equal(ok(await show(who.account)).version, 0);
    });

    test("of who asks, and about whom, are refused alike by every route", async () => {
      const who = await somebody();
      for (const [method, route, body] of [
        ["GET", path(who.account)],
        ["PUT", path(who.account), { roles: ["editor"], permissions: [] }],
        ["PATCH", path(who.account), { add_roles: ["editor"] }],
        ["POST", `${path(who.account)}/root`, { granted: true, reason: "because" }],
      ]) {
        refused(await person.send(method, route, { body }), 401, "operator_token_invalid");
        refused(await person.send(method, route, { body, bearer: who.access }), 401, "operator_token_invalid");
        refused(await ask(method, route.replace(who.account, NOBODY), body), 404, "not_found");
        refused(await ask(method, route.replace(who.account, "nobody"), body), 404, "not_found");
      }
      for (const [method, route, body] of [["GET", "/api/v1/auth/admin/groups"], ["GET", members("support")], ["POST", members("support"), { add: [who.account] }]]) {
        refused(await person.send(method, route, { body }), 401, "operator_token_invalid");
        refused(await person.send(method, route, { body, bearer: who.access }), 401, "operator_token_invalid");
      }
      assert.equal(ok(await show(who.account)).version, 0);
    });
  });
});
