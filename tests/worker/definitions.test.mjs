// What operators define while the deployment runs: permissions with a bit each, roles, groups; who has them hears of
// changes, and no token ever comes to mean something else.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { PASSWORD, claimsOf, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { audited, sleep, storedAccount, tokensOf, until, validate } from "./support/people.mjs";

const OPERATOR = randomBytes(32).toString("base64");
const PERMISSIONS = {
  runtime: true,
  names: ["docs:read", "docs:write", "docs:delete", "docs:print"],
  deleted: ["docs:print"],
  roles: { user: ["docs:read"] },
  groups: { staff: ["docs:write"] },
  default_role: "user",
};
const ADMIN = "/api/v1/auth/admin";

/** A server whose operator defines things, and what the operator and people do there. */
async function start(permissions = PERMISSIONS) {
  const vars = { limits: { operator_per_source: { count: 0, period_seconds: 60 } }, permissions };
  const server = await startOpenServer({ vars, secrets: { POSTERN_OPERATOR_TOKEN: OPERATOR } });
  const person = client(server);
  const ask = (method, path, body, headers) => person.send(method, `${ADMIN}${path}`, { body, bearer: OPERATOR, headers });
  const ok = ({ status, body, text }) => {
    assert.ok(status === 200 || status === 201, text);
    return body;
  };
  const it = {
    server, person, ask, ok,
    create: (name, description) => ask("POST", "/permissions", { name, description }),
    drop: (name) => ask("DELETE", `/permissions/${name}`),
    define: (kind, name, permissions, rest = {}) => ask("PUT", `/${kind}/${name}`, { permissions, ...rest }),
    undefine: (kind, name) => ask("DELETE", `/${kind}/${name}`),
    registry: async () => ok(await person.send("GET", "/api/v1/auth/permissions")),
    somebody: async () => tokensOf({ status: 200, body: await person.account(newAddress()) }),
    grant: async (who, change) => ok(await ask("PATCH", `/users/${who.account}/authorization`, change)),
    shown: async (who) => ok(await ask("GET", `/users/${who.account}/authorization`)),
    refresh: async (who) => {
      const next = granted(await person.post("refresh", { refresh_token: who.refresh }));
      return { ...who, access: next.access_token, refresh: next.refresh_token };
    },
    may: async (token, ...names) => (await validate(server, token, "jwt_only", { permissions: names })).status === 200,
    stale: async (who) => refused(await person.validate(who.access, "strict"), 401, "token_stale"),
    directory: async () => (await server.getEnv()).DIRECTORY,
    rows: async (query, ...values) => (await (await it.directory()).prepare(query).bind(...values).all()).results,
  };
  return it;
}

describe("defined at run time", () => {
  let it;
  before(async () => {
    it = await start();
  });
  after(() => it?.server.stop());

  test("permissions of the configuration have the bits that they had without", async () => {
    const { permissions, width, version } = await it.registry();
    assert.deepEqual(permissions.slice(0, 4), [{ name: "docs:read", bit: 0 }, { name: "docs:write", bit: 1 }, { name: "docs:delete", bit: 2 }, { name: "docs:print", bit: 3, deleted: true }]);
    assert.equal(width, 64);
    assert.ok(version >= 5);
    const shown = it.ok(await it.ask("GET", "/permissions/docs:read"));
    assert.equal(typeof shown.created_at, "number");
    assert.deepEqual({ ...shown, created_at: 0 }, { name: "docs:read", bit: 0, configured: true, deleted: false, created_at: 0 });
  });

  test("a permission gets the next bit, is granted, and is in tokens", async () => {
    const who = await it.somebody();
    const created = await it.create("bills:pay", "pays bills");
    assert.equal(created.status, 201, created.text);
    const { bit, description, configured } = created.body;
    assert.deepEqual([description, configured], ["pays bills", false]);
    assert.equal((await it.registry()).permissions.find(({ name }) => name === "bills:pay").bit, bit);
    const again = await it.create("bills:pay", "pays other bills");
    assert.deepEqual([again.status, again.body.bit, again.body.description], [200, bit, "pays bills"]);

    const before = claimsOf(who.access);
    assert.ok(!(await it.may(who.access, "bills:pay")) && (await it.may(who.access, "docs:read")), "a token of before has not gained it");
    await it.grant(who, { add_permissions: ["bills:pay"] });
    await it.stale(who);
    const fresh = await it.refresh(who);
    assert.ok(await it.may(fresh.access, "bills:pay", "docs:read"));
    assert.ok(claimsOf(fresh.access).pr > before.pr);
    const { authorization } = await storedAccount(it.server, who);
    assert.ok(authorization.definitions > 0, "it is known by what it was resolved");
    const [{ event, detail }] = await it.rows("SELECT event, detail FROM audit_events WHERE event = 'permission_created' AND detail LIKE 'bills:pay%'");
    assert.deepEqual([event, detail], ["permission_created", "bills:pay by operator"]);
  });

  test("one that is created twenty times at once has one bit", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => it.create("race:won")));
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [...Array(19).fill(200), 201]);
    assert.equal(new Set(answers.map(({ body }) => body.bit)).size, 1);
    const different = await Promise.all(Array.from({ length: 10 }, (_, number) => it.create(`race:lane${number}`)));
    assert.ok(different.every(({ status }) => status === 201));
    assert.equal(new Set(different.map(({ body }) => body.bit)).size, 10);
  });

  test("a deleted one leaves accounts and roles, and its name and bit never come back", async () => {
    const [direct, byRole, other] = [await it.somebody(), await it.somebody(), await it.somebody()];
    const { bit } = it.ok(await it.create("old:thing"));
    it.ok(await it.define("roles", "keeper", ["old:thing", "docs:write"]));
    await it.grant(direct, { add_permissions: ["old:thing"] });
    await it.grant(byRole, { add_roles: ["keeper"] });
    const [issued, holder] = [await it.refresh(direct), await it.refresh(byRole)];
    assert.ok((await it.may(issued.access, "old:thing")) && (await it.may(holder.access, "old:thing", "docs:write")));

    assert.deepEqual(it.ok(await it.drop("old:thing")), { success: true, pending: false });
    assert.deepEqual(it.ok(await it.drop("old:thing")), { success: true, pending: false }, "twice is once");
    for (const token of [issued.access, holder.access]) {
      const answer = await validate(it.server, token, "jwt_only", { permissions: ["old:thing"] });
      assert.deepEqual([answer.status, answer.body.code], [400, "invalid_request"], "nobody has it, whatever the mask says");
    }
    await it.stale(issued);
    const { permissions, ineffective } = await it.shown(direct);
    assert.deepEqual([permissions, ineffective.permissions], [[], []]);
    assert.ok((await audited(it.server, direct)).includes("authorization_changed:permission -old:thing: it was deleted"));
    assert.deepEqual(it.ok(await it.ask("GET", "/roles/keeper")).permissions, ["docs:write"]);
    assert.equal((await it.person.validate(other.access, "strict")).status, 200);

    const refusal = await it.create("old:thing");
    refused(refusal, 409, "permission_deleted");
    const next = it.ok(await it.create("new:thing"));
    assert.notEqual(next.bit, bit);
    assert.ok(!(await it.may(issued.access, "new:thing")) && !(await it.may(holder.access, "new:thing")), "no token has gained it");
    const shown = it.ok(await it.ask("GET", "/permissions/old:thing"));
    assert.deepEqual([shown.deleted, shown.bit], [true, bit]);
  });

  test("a role grants what it is defined to grant, and whoever has it hears of it", async () => {
    const [who, other] = [await it.somebody(), await it.somebody()];
    refused(await it.ask("PATCH", `/users/${who.account}/authorization`, { add_roles: ["clerk"] }), 400, "invalid_request");
    const defined = it.ok(await it.define("roles", "clerk", ["docs:write", "docs:read", "docs:write"], { description: "at the desk" }));
    assert.deepEqual([defined.permissions, defined.description, defined.version, defined.configured, defined.pending], [["docs:read", "docs:write"], "at the desk", 1, false, false]);
    await it.grant(who, { add_roles: ["clerk"] });
    const first = await it.refresh(who);
    assert.deepEqual(claimsOf(first.access).roles, ["user", "clerk"]);
    assert.ok(await it.may(first.access, "docs:write"));

    it.ok(await it.create("desk:open"));
    const wider = it.ok(await it.define("roles", "clerk", ["docs:read", "desk:open"]));
    assert.deepEqual([wider.version, wider.pending, wider.description], [2, false, undefined]);
    await it.stale(first);
    const second = await it.refresh(first);
    assert.ok((await it.may(second.access, "desk:open")) && !(await it.may(second.access, "docs:write")));
    assert.ok(!(await it.may(first.access, "desk:open")) && (await it.may(first.access, "docs:write")), "a token says what it said");
    assert.equal(it.ok(await it.define("roles", "clerk", ["desk:open", "docs:read"])).version, 2, "the same is no change");
    assert.equal((await it.person.validate(second.access, "strict")).status, 200);
    assert.equal((await it.person.validate(other.access, "strict")).status, 200, "others go on");

    refused(await it.define("roles", "clerk", [], { version: 1 }), 409, "definition_conflict");
    const raced = await Promise.all([["docs:read"], ["docs:write"], [], ["desk:open"]].map((names) => it.define("roles", "clerk", names, { version: 2 })));
    assert.deepEqual(raced.map(({ status }) => status).toSorted(), [200, 409, 409, 409]);

    assert.deepEqual(it.ok(await it.undefine("roles", "clerk")), { success: true, pending: false });
    refused(await it.undefine("roles", "clerk"), 404, "not_found");
    await it.stale(second);
    const last = await it.refresh(second);
    assert.deepEqual(claimsOf(last.access).roles, ["user"]);
    assert.deepEqual((await it.shown(who)).roles, ["user"]);
    it.ok(await it.define("roles", "clerk", ["docs:write"]));
    assert.ok(!(await it.may((await it.refresh(last)).access, "docs:write")), "a new role of that name is nobody's");
  });

  test("a group grants what it is defined to grant, to its members", async () => {
    const who = await it.somebody();
    refused(await it.ask("POST", "/groups/desk/members", { add: [who.account] }), 404, "not_found");
    it.ok(await it.define("groups", "desk", ["docs:write"]));
    assert.deepEqual(it.ok(await it.ask("POST", "/groups/desk/members", { add: [who.account] })).added, [who.account]);
    const first = await it.refresh(who);
    assert.ok(await it.may(first.access, "docs:write"));
    it.ok(await it.define("groups", "desk", []));
    await it.stale(first);
    const second = await it.refresh(first);
    assert.ok(!(await it.may(second.access, "docs:write")));
    const { groups } = it.ok(await it.ask("GET", "/groups"));
    assert.deepEqual(groups.map(({ name }) => name), ["desk", "staff"]);
    it.ok(await it.undefine("groups", "desk"));
    assert.deepEqual((await it.shown(who)).groups, []);
    assert.deepEqual(await it.rows("SELECT account_id FROM group_members WHERE group_name = 'desk'"), []);
  });

  test("what the configuration has is changed only there", async () => {
    for (const answer of [await it.drop("docs:read"), await it.define("roles", "user", []), await it.undefine("roles", "user"), await it.define("groups", "staff", []), await it.undefine("groups", "staff")]) {
      refused(answer, 409, "defined_in_configuration");
    }
    assert.deepEqual(it.ok(await it.drop("docs:print")), { success: true, pending: false }, "it is a tombstone already");
    const { configured, permissions } = it.ok(await it.ask("GET", "/roles/user"));
    assert.deepEqual([configured, permissions], [true, ["docs:read"]]);
  });

  test("what is no name, or is not there, is refused", async () => {
    for (const name of ["docs", "Docs:read", "docs:", "a:b:c:d:e", "x".repeat(64) + ":y", ""]) refused(await it.create(name), 400, "invalid_request");
    refused(await it.create("some:thing", "x".repeat(201)), 400, "invalid_request");
    refused(await it.ask("POST", "/permissions", {}), 400, "invalid_request");
    refused(await it.drop("never:was"), 404, "not_found");
    refused(await it.drop("no-name"), 404, "not_found");
    refused(await it.ask("GET", "/permissions/never:was"), 404, "not_found");
    for (const names of [["never:was"], ["docs:print"], ["docs"], "docs:read", undefined, [1], Array(513).fill("docs:read")]) {
      refused(await it.define("roles", "odd", names), 400, "invalid_request");
    }
    refused(await it.define("roles", "Odd", []), 400, "invalid_request");
    refused(await it.ask("GET", "/roles/odd"), 404, "not_found");
    refused(await it.undefine("groups", "odd"), 404, "not_found");
    for (const [method, path] of [["GET", "/permissions"], ["POST", "/permissions"], ["DELETE", "/permissions/docs:read"], ["GET", "/roles"], ["PUT", "/roles/odd"], ["DELETE", "/groups/odd"]]) {
      const body = method === "POST" || method === "PUT" ? {} : undefined;
      refused(await it.person.send(method, `${ADMIN}${path}`, { body, bearer: "x".repeat(44) }), 401, "operator_token_invalid");
    }
  });

  test("the same order again is carried out once", async () => {
    const headers = { "idempotency-key": "ticket-17" };
    const put = (permissions) => it.ask("PUT", "/roles/once", { permissions }, headers);
    assert.equal(it.ok(await put(["docs:read"])).version, 1);
    it.ok(await it.define("roles", "once", []));
    assert.deepEqual(it.ok(await put(["docs:read"])).permissions, [], "it was made before");
    assert.deepEqual(it.ok(await put(["docs:write"])).permissions, ["docs:write"], "another order");
  });

  test("all of it is listed page by page", async () => {
    const pages = async (path, member, of) => {
      const found = [];
      for (let cursor = ""; cursor !== undefined; ) {
        const page = it.ok(await it.ask("GET", `${path}?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`));
        assert.ok(page[member].length <= 2 && page[member].length > 0);
        found.push(...page[member].map(of));
        cursor = page.next_cursor;
      }
      return found;
    };
    const { permissions } = await it.registry();
    assert.deepEqual(await pages("/permissions", "permissions", ({ bit }) => bit), permissions.map(({ bit }) => bit));
    const roles = await pages("/roles", "roles", ({ name }) => name);
    assert.ok(roles.includes("user") && roles.length > 2);
    assert.deepEqual(roles, roles.toSorted());
    for (const query of ["?limit=0", "?cursor=x", "?limit=201"]) refused(await it.ask("GET", `/permissions${query}`), 400, "invalid_request");
    const { free, width, version } = it.ok(await it.ask("GET", "/permissions"));
    assert.deepEqual([free, width], [63 - permissions.length, 64]);
    assert.equal(version, (await it.registry()).version);
  });

  test("what was defined elsewhere arrives with the minute, and copies that are gone or wrong are replaced", async () => {
    const who = await it.somebody();
    it.ok(await it.define("roles", "remote", ["docs:read"]));
    await it.grant(who, { add_roles: ["remote"] });
    const first = await it.refresh(who);
    const { EDGE } = await it.server.getEnv();
    const published = async () => JSON.parse((await EDGE.get("v1/permissions")) ?? "null");
    const { revision } = await published();
    const [{ slot }] = await it.rows("SELECT slot FROM permissions WHERE name = 'docs:write'");
    const DIRECTORY = await it.directory();
    // As another instance would have done it.
    await DIRECTORY.batch([
      DIRECTORY.prepare("UPDATE permission_registry SET revision = revision + 1"),
      DIRECTORY.prepare("UPDATE permission_sets SET permissions = ?, version = version + 1 WHERE name = 'remote'").bind(JSON.stringify([slot])),
      DIRECTORY.prepare("INSERT INTO permission_spreads SELECT 'role', 'remote', 0, revision, '' FROM permission_registry"),
    ]);
    assert.equal((await it.person.validate(first.access, "strict")).status, 200);
    await it.server.scheduled();
    await it.stale(first);
    const second = await it.refresh(first);
    assert.ok(await it.may(second.access, "docs:write"));
    assert.deepEqual(await it.rows("SELECT name FROM permission_spreads"), []);
    assert.equal((await published()).revision, revision + 1);
    for (const wrong of ["not JSON", JSON.stringify({ ...(await published()), revision: 1 }), undefined]) {
      await (wrong === undefined ? EDGE.delete("v1/permissions") : EDGE.put("v1/permissions", wrong));
      await it.server.scheduled();
      await until("the copy in KV", async () => (await published())?.revision === revision + 1);
    }
  });

  test("an account has roles, groups and permissions from its creation on, all of them or it is not created", async () => {
    it.ok(await it.define("roles", "starter", ["docs:write"]));
    it.ok(await it.define("groups", "starters", ["docs:delete"]));
    it.ok(await it.create("start:here"));
    const [email, headers] = [newAddress(), { "idempotency-key": `start-${Math.random()}` }];
    const order = { email, name: "Ada", password: "seven swift otters juggle", roles: ["user", "starter"], groups: ["starters", "staff", "starters"], permissions: ["start:here"] };
    const answers = await Promise.all([1, 2, 3].map(() => it.ask("POST", "/users", order, headers)));
    const { id, roles, groups, permissions } = it.ok(answers[0]);
    for (const answer of answers) assert.deepEqual(it.ok(answer), answers[0].body);
    assert.deepEqual([roles, groups, permissions], [["user", "starter"], ["starters", "staff"], ["start:here"]]);
    const shown = await it.shown({ account: id });
    assert.deepEqual([shown.roles, shown.groups.toSorted(), shown.permissions], [roles, ["staff", "starters"], permissions]);
    const { access } = tokensOf(await it.person.login(email, order.password));
    assert.ok(await it.may(access, "docs:read", "docs:write", "docs:delete", "start:here"));
    assert.deepEqual(await it.rows("SELECT event, detail FROM audit_events WHERE account_id = ? AND event = 'authorization_changed'", id), [
      { event: "authorization_changed", detail: "role +user, role +starter, group +starters, group +staff, permission +start:here by operator" },
    ]);
    for (const other of [{ groups: ["starters"] }, { groups: undefined }, { permissions: [] }]) {
      refused(await it.ask("POST", "/users", { ...order, ...other }, headers), 409, "idempotency_key_reused");
    }
    for (const [field, other] of [["groups", { groups: ["nobodys"] }], ["permissions", { permissions: ["no:thing"] }], ["roles", { roles: ["nobodys"] }], ["groups", { groups: "staff" }]]) {
      const { errors } = refused(await it.ask("POST", "/users", { name: "Eve", email: newAddress(), ...other }), 400, "invalid_request");
      assert.equal(errors[0].field, field);
    }
    const plain = it.ok(await it.ask("POST", "/users", { name: "Eve", email: newAddress() }));
    assert.deepEqual(Object.keys(plain).toSorted(), ["email", "id", "name", "phone", "roles", "username"]);
    assert.deepEqual(await it.rows("SELECT event FROM audit_events WHERE account_id = ?", plain.id), []);
  });

  describe("what the copy at the edge is behind with", () => {
    /** As another instance would have done it, whose copy has not arrived at the edge. */
    async function elsewhere(...statements) {
      const DIRECTORY = await it.directory();
      const raise = "UPDATE permission_registry SET revision = revision + 1";
      await DIRECTORY.batch([raise, ...statements].map((query) => DIRECTORY.prepare(query)));
    }
    const grants = (name, permission) =>
      `UPDATE permission_sets SET version = version + 1, permissions = (SELECT json_array(slot) FROM permissions WHERE name = '${permission}') WHERE name = '${name}'`;
    const holder = async (role) => {
      it.ok(await it.define("roles", role, ["docs:read"]));
      const email = newAddress();
      const who = tokensOf({ status: 200, body: await it.person.account(email) });
      await it.grant(who, { add_roles: [role] });
      return { ...who, enter: async () => tokensOf(await it.person.login(email, PASSWORD)) };
    };

    test("an instance that has just begun does not learn from it", async () => {
      const who = await holder("cold");
      const old = await who.enter();
      const { EDGE } = await it.server.getEnv();
      const copy = await EDGE.get("v1/permissions");
      await elsewhere(grants("cold", "docs:delete"));
      await it.server.fetch("/dev/panic", { method: "POST", signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
      const fresh = await who.enter();
      assert.equal(await EDGE.get("v1/permissions"), copy, "it is behind still");
      assert.ok(await it.may(fresh.access, "docs:delete"));
      assert.ok(!(await it.may(old.access, "docs:delete")), "a token says what it said");
    });

    test("is known within seconds to an instance that is asked for it", async () => {
      const who = await it.somebody();
      await elsewhere("INSERT INTO permissions (slot, name, created_at) SELECT MAX(slot) + 1, 'far:away', 0 FROM permissions");
      const asked = () => validate(it.server, who.access, "jwt_only", { permissions: ["far:away"] });
      refused(await until("the permission", async () => ((answer) => answer.body.code !== "invalid_request" && answer)(await asked()), 8), 403, "permission_denied");
    });

    test("is in tokens a minute and five seconds later", async () => {
      const who = await holder("warm");
      await who.enter();
      const begun = Date.now();
      await elsewhere(grants("warm", "docs:delete"));
      assert.ok(!(await it.may((await who.enter()).access, "docs:delete")), "this instance has asked a moment ago");
      await until("the new meaning", async () => {
        await sleep(1_000);
        return it.may((await who.enter()).access, "docs:delete");
      }, 70);
      assert.ok(Date.now() - begun <= 66_000, `${Date.now() - begun} ms`);
    });
  });

  test("whoever still loses a deleted role keeps its name from being used", async () => {
    it.ok(await it.define("roles", "leaving", ["docs:write"]));
    const DIRECTORY = await it.directory();
    await DIRECTORY.prepare("INSERT INTO permission_spreads VALUES ('role', 'leaving', 1, 0, '')").run();
    refused(await it.define("roles", "leaving", []), 409, "definition_ending");
    await it.server.scheduled();
    it.ok(await it.define("roles", "leaving", []));
  });

  describe("given while it is deleted", () => {
    let people;
    let outcomes;
    before(async () => {
      people = await Promise.all(Array.from({ length: 6 }, () => it.somebody()));
    });
    /** In each round everybody is given all three, one after the other, while `drop` deletes them. */
    async function race(prefix, rounds, drop) {
      outcomes = { given: 0, refused: 0 };
      for (let round = 0; round < rounds; round += 1) {
        const names = { role: `${prefix}${round}`, group: `${prefix}${round}`, permission: `${prefix}:use${round}` };
        const define = async () => {
          it.ok(await it.define("roles", names.role, ["docs:write"]));
          it.ok(await it.define("groups", names.group, ["docs:write"]));
        };
        await define();
        it.ok(await it.create(names.permission));
        const dropped = sleep(5 * (round % 8)).then(() => drop(names));
        const created = (index) => {
          const gift = { roles: [names.role], groups: [names.group], permissions: [names.permission] };
          return it.ask("POST", "/users", { email: newAddress(), name: "New", ...gift, roles: index % 2 === 0 ? gift.roles : ["user"] });
        };
        const grants = people.flatMap(({ account }, index) => {
          const change = index % 2 === 0 ? { add_roles: [names.role] } : { add_permissions: [names.permission] };
          const patched = sleep(6 * index).then(() => it.ask("PATCH", `/users/${account}/authorization`, change));
          return [patched, sleep(6 * index).then(() => created(index)), sleep(6 * index).then(() => it.ask("POST", `/groups/${names.group}/members`, { add: [account] }))];
        });
        for (const { status, body, text } of await Promise.all(grants)) {
          const isGiven = status === 200 || status === 201;
          outcomes[isGiven ? "given" : "refused"] += 1;
          assert.ok(isGiven || ["invalid_request", "not_found", "authorization_conflict", "definition_conflict"].includes(body.code), text);
        }
        await dropped;
        const held = await it.rows(
          "SELECT account_id FROM users WHERE EXISTS (SELECT 1 FROM json_each(roles) WHERE value = ?1) " +
            "OR EXISTS (SELECT 1 FROM json_each(permissions) WHERE value = ?2) UNION SELECT account_id FROM group_members WHERE group_name = ?3",
          names.role, names.permission, names.group,
        );
        assert.deepEqual(held, [], `round ${round}`);
        await define();
      }
      assert.ok(outcomes.given > 0 && outcomes.refused > 0, JSON.stringify(outcomes));
      for (const who of people) {
        const { roles, groups, permissions, effective } = await it.shown(who);
        assert.deepEqual([roles, groups, permissions, effective], [["user"], [], [], ["docs:read"]], "the names are nobody's");
      }
    }

    test("it is taken again, or refused", () =>
      race("brief", 8, async ({ role, group, permission }) => {
        const answers = [it.undefine("roles", role), it.undefine("groups", group), it.drop(permission)];
        for (const answer of await Promise.all(answers)) it.ok(answer);
      }));

    test("also by an instance that is done with it before the grant is written", async () => {
      const DIRECTORY = await it.directory();
      const run = (query, ...values) => DIRECTORY.prepare(query).bind(...values);
      const stripped = (column) =>
        `UPDATE users SET authorization_version = authorization_version + 1, ${column} = (SELECT json_group_array(value) FROM json_each(users.${column}) WHERE value <> ?1) ` +
        `WHERE EXISTS (SELECT 1 FROM json_each(users.${column}) WHERE value = ?1)`;
      await race("gone", 16, ({ role, group, permission }) =>
        DIRECTORY.batch([
          run("DELETE FROM permission_sets WHERE name IN (?, ?)", role, group),
          run("UPDATE permissions SET deleted_at = 1 WHERE name = ?", permission),
          run("UPDATE permission_registry SET revision = revision + 1"),
          run(stripped("roles"), role),
          run(stripped("permissions"), permission),
          run("DELETE FROM group_members WHERE group_name = ?", group),
        ]));
    });
  });

  test("two names at the last bit get it once, and the other is told of a wider mask", async () => {
    const DIRECTORY = await it.directory();
    const [{ used }] = await it.rows("SELECT COUNT(*) AS used FROM permissions");
    const fill = Array.from({ length: 62 - used }, (_, number) => DIRECTORY.prepare("INSERT INTO permissions (slot, name, created_at) VALUES (?, ?, 0)").bind(used + number, `fill:n${number}`));
    await DIRECTORY.batch([...fill, DIRECTORY.prepare("UPDATE permission_registry SET revision = revision + 1")]);
    const answers = await Promise.all(["last:one", "last:other"].map((name) => it.create(name)));
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409]);
    const [won, lost] = answers.toSorted((one, other) => one.status - other.status);
    assert.equal(won.body.bit, 62);
    assert.equal(lost.body.code, "registry_full");
    assert.match(lost.body.errors[0].rule, /use width 128$/);
    refused(await it.create("one:more"), 409, "registry_full");
    it.ok(await it.drop(won.body.name));
    refused(await it.create("one:more"), 409, "registry_full");
  });
});

test("names of the configuration stand behind what is allocated already, and a wider mask is begun once", async () => {
  const it = await start({ ...PERMISSIONS, width: 128 });
  try {
    const DIRECTORY = await it.directory();
    await DIRECTORY.prepare("INSERT INTO permissions (slot, name, created_at) VALUES (0, 'first:here', 1)").run();
    const seen = await Promise.all(Array.from({ length: 8 }, () => it.registry()));
    for (const registry of seen) assert.deepEqual(registry, seen[0]);
    assert.deepEqual(seen[0].permissions, [{ name: "first:here", bit: 0 }, { name: "docs:read", bit: 1 }, { name: "docs:write", bit: 2 }, { name: "docs:delete", bit: 3 }, { name: "docs:print", bit: 4, deleted: true }]);
    assert.deepEqual([seen[0].width, seen[0].version], [128, 7]);
    const who = await it.somebody();
    assert.ok((await it.may(who.access, "docs:read")) && !(await it.may(who.access, "first:here")));
  } finally {
    await it.server.stop();
  }
});

test("where the configuration defines everything, it is shown, and nothing is written", async () => {
  const it = await start({ ...PERMISSIONS, runtime: false });
  try {
    for (const answer of [await it.create("a:b"), await it.drop("docs:read"), await it.define("roles", "new", []), await it.undefine("roles", "user"), await it.define("groups", "new", []), await it.undefine("groups", "staff")]) {
      refused(answer, 409, "definitions_fixed");
    }
    const { permissions, free } = it.ok(await it.ask("GET", "/permissions"));
    assert.deepEqual(permissions.map(({ name, bit, deleted }) => [name, bit, deleted]), [["docs:read", 0, false], ["docs:write", 1, false], ["docs:delete", 2, false], ["docs:print", 3, true]]);
    assert.equal(free, 59);
    assert.deepEqual(it.ok(await it.ask("GET", "/permissions/docs:write")), { name: "docs:write", bit: 1, configured: true, deleted: false });
    assert.deepEqual(it.ok(await it.ask("GET", "/roles")), { roles: [{ name: "admin", permissions: ["docs:read", "docs:write", "docs:delete"], configured: true }, { name: "user", permissions: ["docs:read"], configured: true }] });
    assert.deepEqual(it.ok(await it.ask("GET", "/groups/staff")), { name: "staff", permissions: ["docs:write"], configured: true });
    const who = await it.somebody();
    assert.ok(await it.may((await it.refresh(who)).access, "docs:read"));
    assert.deepEqual(await it.rows("SELECT revision FROM permission_registry"), [{ revision: 0 }]);
    assert.deepEqual(await it.rows("SELECT name FROM permissions"), []);
    assert.equal(await (await it.server.getEnv()).EDGE.get("v1/permissions"), null);
    assert.equal("definitions" in (await storedAccount(it.server, who)).authorization, false);
  } finally {
    await it.server.stop();
  }
});
