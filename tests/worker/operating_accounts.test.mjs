// Accounts that give an operator's orders by Postern's own permissions: each does what its permission is for, nobody reaches
// further than they may go themselves, and every order says in the trail who gave it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { client, newAddress, startOpenServer } from "./support/accounts.mjs";
import { bound, holder, newKey, proofFor } from "./support/dpop.mjs";
import { claimsOf, editSession, logIn, PASSWORD, post, refresh, refused, relaxed, request, signUp, sleep, tokensOf } from "./support/people.mjs";
import { OPERATOR_TOKEN, operatorOf, startOperated } from "./support/operator.mjs";
import { ROOT, startServer } from "./support/server.mjs";
import { at, startTenanted } from "./support/tenants.mjs";

const ADMIN = "/api/v1/auth/admin";
const NOBODY = "0".repeat(32);

/** What each permission is for, as docs/http.md has it: method and path below `admin`. */
const ALLOWS = {
  "postern:users:read": [
    "GET users", "GET users/*", "GET users/*/allowed", "GET users/*/authorization", "GET users/*/attempts", "GET users/*/sessions",
    "GET users/*/sign-ins", "GET users/*/history", "GET users/*/entitlements",
  ],
  "postern:users:manage": [
    "POST users", "POST users/*/ban", "POST users/*/unban", "POST users/*/disable", "POST users/*/enable", "POST users/*/lock",
    "POST users/*/unlock", "POST users/*/set-password", "POST users/*/set-email", "POST users/*/set-phone",
    "POST users/*/set-email-verified", "POST users/*/set-phone-verified", "POST users/*/remove-second-factor", "POST users/*/revoke-sessions",
  ],
  "postern:users:delete": ["DELETE users/*", "POST users/*/restore", "POST users/*/purge"],
  "postern:users:export": ["GET users/*/export"],
  "postern:authorization:manage": ["PUT users/*/authorization", "PATCH users/*/authorization", "POST groups/*/members"],
  "postern:entitlements:manage": ["POST users/*/entitlements", "POST users/*/entitlements/revoke"],
  "postern:permissions:read": ["GET permissions", "GET permissions/*", "GET roles", "GET roles/*", "GET groups", "GET groups/*", "GET groups/*/members"],
  "postern:permissions:manage": ["POST permissions", "DELETE permissions/*", "PUT roles/*", "DELETE roles/*", "PUT groups/*", "DELETE groups/*"],
  "postern:organizations:read": [
    "GET organizations", "GET organizations/*", "GET organizations/*/members", "GET organizations/*/members/*", "GET organizations/*/roles",
    "GET organizations/*/invites", "GET users/*/organizations",
  ],
  "postern:organizations:manage": [
    "POST organizations", "PATCH organizations/*", "POST organizations/*/members", "PATCH organizations/*/members/*",
    "DELETE organizations/*/members/*", "PUT organizations/*/roles/*", "DELETE organizations/*/roles/*", "POST organizations/*/invites",
    "DELETE organizations/*/invites/*",
  ],
  "postern:keys:read": ["GET keys"],
  "postern:keys:manage": ["POST keys/rotate", "POST keys/*/revoke"],
  "postern:deployment:read": ["GET capabilities", "GET metrics"],
};
const ALL = Object.keys(ALLOWS);
const GRAVE = ALL.filter((name) => !name.endsWith(":read"));
/** Only by the secret. */
const NOBODYS = ["POST users/*/authorization/root"];

/** What is shared by all tenants. */
const OF_DEPLOYMENT = ["postern:permissions:manage", "postern:keys:read", "postern:keys:manage", "postern:deployment:read"];

const PERMISSIONS = {
  runtime: true,
  names: ["docs:read", "docs:write", "docs:delete", ...ALL],
  roles: { user: ["docs:read"], helpdesk: ["docs:read", "postern:users:read", "postern:users:manage"], everything: ["docs:read", "docs:write", ...ALL] },
  groups: { staff: ["docs:read"], bosses: ALL },
  default_role: "user",
};
const SECTIONS = { permissions: PERMISSIONS, organizations: { mode: "multi", permissions: ["docs:read"] }, registration: { usernames: "optional" } };

/** People who operate on a server, and what they ask. */
function operators(server) {
  const secret = operatorOf(server);
  const grant = async ({ account }, body) => {
    const answer = await secret.ask("PATCH", `/${account}/authorization`, { body });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  };
  const somebody = async (body) => {
    const person = await signUp(server);
    if (body === undefined) return person;
    await grant(person, body);
    return { ...person, ...(await logIn(server, person)) };
  };
  return {
    secret,
    grant,
    somebody,
    operator: (...permissions) => somebody({ add_permissions: permissions }),
    ask: ({ access }, order, body, headers) => {
      const [method, path] = order.split(" ");
      return request(server, method, `${ADMIN}/${path}`, { body, bearer: access, headers });
    },
    /** The same, whatever the answer is made of. */
    asked: async ({ access }, order, body) => {
      const [method, path] = order.split(" ");
      const headers = { authorization: `Bearer ${access}`, ...(body === undefined ? {} : { "content-type": "application/json" }) };
      const answer = await server.fetch(`${ADMIN}/${path}`, { method, headers, body: body && JSON.stringify(body) });
      return { status: answer.status, text: await answer.text() };
    },
    root: async (person) => {
      assert.equal((await secret.ask("POST", `/${person.account}/authorization/root`, { body: { granted: true, reason: "a test" } })).status, 200);
      return { ...person, ...(await logIn(server, person)) };
    },
  };
}

/** An order about nobody and nothing. */
const aboutNobody = (order) => order.replace(/users\/\*|organizations\/\*|members\/\*|invites\/\*/g, (part) => part.replace("*", NOBODY)).replaceAll("*", "nothing");

const bodyOf = (order) => (/^(GET|DELETE)/.test(order) ? undefined : {});

describe("accounts that operate", () => {
  let server;
  let it;
  before(async () => {
    server = await startOperated({}, SECTIONS);
    it = operators(server);
  });
  after(() => server?.stop());

  test("every route of the operator's is some permission's, or the secret's alone", () => {
    const table = readFileSync(join(ROOT, "worker/src/route/table.rs"), "utf8");
    const routes = [...table.matchAll(/\(\s*Method::(\w+),\s*"\/api\/v1\/auth\/admin\/([^"]+)"/g)].map(([, method, path]) => `${method.toUpperCase()} ${path}`);
    assert.deepEqual(routes.sort(), [...Object.values(ALLOWS).flat(), ...NOBODYS].sort());
  });

  test("whoever has none gives no order, and hears which permission it would take", async () => {
    const person = await signUp(server);
    for (const [needed, orders] of Object.entries(ALLOWS)) {
      for (const order of orders) {
        const answer = await it.ask(person, aboutNobody(order), bodyOf(order));
        assert.deepEqual([answer.status, answer.code], [403, "operator_permission_missing"], order);
        assert.deepEqual(answer.body.errors, [{ field: "authorization", rule: `must be that of an account with ${needed}` }], order);
      }
    }
    for (const order of NOBODYS) refused(await it.ask(person, aboutNobody(order), {}), 401, "operator_token_invalid");
  });

  test("whoever has one gives its orders, and none of another's", async () => {
    for (const held of ALL) {
      const person = await it.operator(held);
      for (const order of ALLOWS[held]) {
        const answer = await it.asked(person, aboutNobody(order), bodyOf(order));
        assert.ok([200, 201, 400, 404, 409].includes(answer.status), `${held}: ${order}: ${answer.status} ${answer.text}`);
      }
      for (const other of ALL.filter((name) => name !== held)) {
        const [order] = ALLOWS[other];
        const answer = await it.ask(person, aboutNobody(order), bodyOf(order));
        assert.deepEqual([answer.status, answer.code], [403, "operator_permission_missing"], `${held}: ${order}`);
      }
    }
  });

  test("roles and groups give it, too, and it ends with them at once", async () => {
    const byRole = await it.somebody({ add_roles: ["helpdesk"] });
    assert.equal((await it.ask(byRole, "GET users")).status, 200);
    await it.grant(byRole, { remove_roles: ["helpdesk"] });
    refused(await it.ask(byRole, "GET users"), 401, "token_stale");
    const next = { ...byRole, ...tokensOf(await refresh(server, byRole.refresh)) };
    refused(await it.ask(next, "GET users"), 403, "operator_permission_missing");

    const byGroup = await signUp(server);
    const members = await request(server, "POST", `${ADMIN}/groups/bosses/members`, { body: { add: [byGroup.account] }, bearer: OPERATOR_TOKEN });
    assert.deepEqual(members.body.added, [byGroup.account]);
    assert.equal((await it.ask(await logIn(server, byGroup), "GET keys")).status, 200);
  });

  test("whoever is nobody's operator learns no more than from a wrong secret", async () => {
    const person = await signUp(server);
    refused(await it.ask(person, "GET users"), 403, "operator_permission_missing");
    refused(await request(server, "GET", `${ADMIN}/users`), 401, "operator_token_invalid");
    refused(await request(server, "GET", `${ADMIN}/users`, { bearer: "no.such.token" }), 401, "token_malformed");
    const [head, payload, signature] = person.access.split(".");
    const forged = Buffer.from(JSON.stringify({ ...claimsOf(person.access), pm: "f_________8" })).toString("base64url");
    refused(await request(server, "GET", `${ADMIN}/users`, { bearer: [head, forged, signature].join(".") }), 401, "signature_invalid");
    refused(await request(server, "GET", `${ADMIN}/users`, { bearer: [head, payload, signature.replace(/^./, (first) => (first === "A" ? "B" : "A"))].join(".") }), 401, "signature_invalid");
  });

  test("who is banned, deleted or signed out operates no more, in the same moment", async () => {
    for (const [end, code] of [
      [(person) => it.secret.order(person, "ban"), "account_banned"],
      [(person) => it.secret.ask("DELETE", `/${person.account}`), "account_deleted"],
      [(person) => it.secret.order(person, "revoke-sessions"), "session_revoked"],
      [(person) => post(server, "logout", { refresh_token: person.refresh }), "session_revoked"],
    ]) {
      const person = await it.operator("postern:users:read");
      assert.equal((await it.ask(person, "GET users")).status, 200);
      assert.equal((await end(person)).status, 200);
      const answer = await it.ask(person, "GET users");
      assert.equal(answer.status, 401, JSON.stringify(answer.body));
      assert.ok([code, "token_stale"].includes(answer.code), answer.code);
    }
  });

  test("what is grave asks for a proof of a moment ago, and what reads does not", async () => {
    const person = await it.operator(...ALL);
    await editSession(server, person, { auth_time: claimsOf(person.access).auth_time - 3_600 });
    const old = { ...person, ...tokensOf(await refresh(server, person.refresh)) };
    for (const [permission, orders] of Object.entries(ALLOWS)) {
      const answer = await it.ask(old, aboutNobody(orders[0]), bodyOf(orders[0]));
      if (GRAVE.includes(permission)) refused(answer, 401, "reauthentication_required");
      else assert.ok(answer.status === 200, `${orders[0]}: ${JSON.stringify(answer.body)}`);
    }
    const again = await post(server, "reauthenticate", { current_password: PASSWORD }, { bearer: old.access });
    assert.equal(again.status, 200, JSON.stringify(again.body));
    assert.equal((await it.ask({ access: again.body.access_token }, `POST users/${(await signUp(server)).account}/ban`)).status, 200);
  });

  describe("within what they may do themselves", () => {
    let helpdesk;
    let victim;
    let rooted;
    before(async () => {
      helpdesk = await it.operator("docs:read", "postern:users:read", "postern:users:manage", "postern:users:delete", "postern:users:export", "postern:authorization:manage", "postern:entitlements:manage", "postern:permissions:manage");
      victim = await it.somebody({ add_permissions: ["docs:write"] });
      rooted = await it.root(await signUp(server));
    });

    test("nobody takes over, ends or changes an account that may do more", async () => {
      for (const [name, person] of Object.entries({ victim, rooted })) {
        const before = JSON.stringify(await it.secret.show(person));
        for (const [order, body] of [
          ["POST users/*/set-password", { password: "the attacker's own" }],
          ["POST users/*/set-email", { email: "attacker@example.com" }],
          ["POST users/*/set-phone", { phone: "+14155550199" }],
          ["POST users/*/set-email-verified", { verified: false }],
          ["POST users/*/set-phone-verified", { verified: true }],
          ["POST users/*/remove-second-factor", { reason: "lost" }],
          ["POST users/*/revoke-sessions", {}],
          ...["ban", "unban", "disable", "enable", "lock", "unlock", "restore", "purge"].map((verb) => [`POST users/*/${verb}`, {}]),
          ["DELETE users/*", undefined],
          ["PUT users/*/authorization", { roles: [], permissions: [] }],
          ["PATCH users/*/authorization", { remove_permissions: ["docs:write"] }],
          ["GET users/*/export", undefined],
          ["POST users/*/entitlements", { name: "gold" }],
          ["POST users/*/entitlements/revoke", { name: "gold" }],
        ]) {
          const answer = await it.ask(helpdesk, order.replace("*", person.account), body);
          assert.deepEqual([answer.status, answer.code], [403, "beyond_own_permissions"], `${name}: ${order}: ${JSON.stringify(answer.body)}`);
        }
        const grouped = await it.ask(helpdesk, "POST groups/staff/members", { add: [person.account] });
        refused(grouped, 403, "beyond_own_permissions");
        assert.equal(JSON.stringify(await it.secret.show(person)), before);
        assert.equal((await post(server, "validate", { token: person.access, mode: "strict" })).status, 200);
      }
    });

    test("nobody gives what they do not have, to others or to themselves", async () => {
      const other = await signUp(server);
      {
        const { account } = other;
        for (const body of [{ add_permissions: ["docs:write"] }, { add_permissions: ["postern:keys:manage"] }, { add_roles: ["everything"] }]) {
          refused(await it.ask(helpdesk, `PATCH users/${account}/authorization`, body), 403, "beyond_own_permissions");
        }
        refused(await it.ask(helpdesk, "POST groups/bosses/members", { add: [account] }), 403, "beyond_own_permissions");
        // What is not defined could come to be anything.
        const unknown = await it.ask(helpdesk, `PATCH users/${account}/authorization`, { add_roles: ["owner-to-be"] });
        refused(unknown, 400, "invalid_request");
        refused(await it.ask(helpdesk, `POST users/${account}/authorization/root`, { granted: true, reason: "why not" }), 401, "operator_token_invalid");
      }
      refused(await it.ask(helpdesk, "POST users", { email: "made@example.com", name: "Eve", roles: ["everything"] }), 403, "beyond_own_permissions");
      // A second account with what its maker has would outlive the first one's end.
      const maker = await it.operator("docs:read", "postern:users:manage");
      for (const gift of [{ permissions: ["postern:users:manage"] }, { groups: ["staff"] }, { roles: ["user", "helpdesk"] }]) {
        refused(await it.ask(maker, "POST users", { email: "made@example.com", name: "Eve", ...gift }), 403, "operator_permission_missing");
      }
      assert.deepEqual((await it.secret.users({ email: "made@example.com" })).users, []);
      for (const kind of ["roles", "groups"]) {
        refused(await it.ask(helpdesk, `PUT ${kind}/mine`, { permissions: ["docs:write"] }), 403, "beyond_own_permissions");
        assert.equal((await request(server, "PUT", `${ADMIN}/${kind}/theirs`, { body: { permissions: ["docs:write"] }, bearer: OPERATOR_TOKEN })).status, 200);
        // Whoever has it would lose what the operator may not take.
        refused(await it.ask(helpdesk, `PUT ${kind}/theirs`, { permissions: ["docs:read"] }), 403, "beyond_own_permissions");
        refused(await it.ask(helpdesk, `DELETE ${kind}/theirs`), 403, "beyond_own_permissions");
      }
      const { body } = await it.secret.ask("GET", `/${other.account}/authorization`);
      assert.deepEqual([body.roles, body.permissions, body.groups], [["user"], [], []]);
    });

    test("and what they have they give", async () => {
      const other = await signUp(server);
      const given = await it.ask(helpdesk, `PATCH users/${other.account}/authorization`, { add_permissions: ["postern:users:read"], add_roles: ["user"] });
      assert.deepEqual([given.status, given.body.permissions], [200, ["postern:users:read"]], JSON.stringify(given.body));
      assert.equal((await it.ask(helpdesk, "PUT roles/readers", { permissions: ["docs:read"] })).status, 200);
      assert.equal((await it.ask(helpdesk, "POST users", { email: "reader@example.com", name: "Ada", roles: ["user", "readers"] })).status, 201);
      assert.equal((await it.ask(helpdesk, `POST users/${other.account}/set-password`, { password: "another fine password" })).status, 200);
      assert.equal((await post(server, "login", { email: other.email, password: "another fine password" })).status, 200);
    });

    test("nobody gives orders about themselves: a session that was copied must not keep the account", async () => {
      const before = JSON.stringify(await it.secret.show(helpdesk));
      for (const [order, body] of [
        ["POST users/*/set-password", { password: "the thief's own" }],
        ["POST users/*/set-email", { email: "thief@example.com" }],
        ["POST users/*/remove-second-factor", { reason: "lost" }],
        ["POST users/*/revoke-sessions", {}],
        ["POST users/*/lock", {}],
        ["DELETE users/*", undefined],
        ["GET users/*/export", undefined],
        // What comes by a group would stay when the group is left.
        ["PATCH users/*/authorization", { add_permissions: ["docs:read"] }],
        ["POST users/*/entitlements", { name: "gold" }],
      ]) {
        const answer = await it.ask(helpdesk, order.replace("*", helpdesk.account), body);
        assert.deepEqual([answer.status, answer.code], [403, "own_account"], order);
      }
      refused(await it.ask(helpdesk, "POST groups/staff/members", { add: [helpdesk.account] }), 403, "own_account");
      assert.equal(JSON.stringify(await it.secret.show(helpdesk)), before);
    });

    test("equals give no orders about each other, and so none in each other's names", async () => {
      const [one, other] = [await it.operator("postern:users:manage"), await it.operator("postern:users:manage")];
      refused(await it.ask(one, `POST users/${other.account}/set-password`, { password: "the colleague's own" }), 403, "beyond_own_permissions");
      const more = await it.operator("postern:users:manage", "postern:users:read");
      assert.equal((await it.ask(more, `POST users/${other.account}/lock`)).status, 200);
    });

    test("nobody makes permissions of Postern's own, or ends them", async () => {
      const definer = await it.root(await signUp(server));
      refused(await it.ask(helpdesk, "POST permissions", { name: "postern:users:read" }), 403, "beyond_own_permissions");
      refused(await it.ask(definer, "DELETE permissions/postern:keys:manage"), 403, "beyond_own_permissions");
      assert.equal((await it.ask(helpdesk, "POST permissions", { name: "bills:pay" })).status, 201);
      const misnamed = await request(server, "POST", `${ADMIN}/permissions`, { body: { name: "postern:bills:pay" }, bearer: OPERATOR_TOKEN });
      refused(misnamed, 400, "invalid_request");
    });

    test("nobody rules in organizations over what they may not do themselves", async () => {
      const ofOrganizations = await it.operator("postern:organizations:manage", "postern:organizations:read");
      const [lesser, plain] = [await it.operator("postern:organizations:manage"), await signUp(server)];
      const { body: organization } = await request(server, "POST", `${ADMIN}/organizations`, { body: { slug: "customer", owner: victim.account }, bearer: OPERATOR_TOKEN });
      const path = `organizations/${organization.id}`;
      const everything = async () => JSON.stringify((await it.ask(ofOrganizations, `GET ${path}/members`)).body);
      const before = await everything();
      for (const [order, body] of [
        [`POST ${path}/members`, { account_id: rooted.account }],
        [`PATCH ${path}/members/${victim.account}`, { remove_roles: ["owner"] }],
        [`DELETE ${path}/members/${victim.account}`, undefined],
        [`POST ${path}/invites`, { account_id: rooted.account }],
        ["POST organizations", { slug: "another", owner: rooted.account }],
      ]) {
        refused(await it.ask(ofOrganizations, order, body), 403, "beyond_own_permissions");
      }
      refused(await it.ask(ofOrganizations, `POST ${path}/members`, { account_id: ofOrganizations.account }), 403, "own_account");
      assert.equal(await everything(), before);
      assert.equal((await it.ask(ofOrganizations, `POST ${path}/members`, { account_id: plain.account })).status, 200);
      // Who has not all that organizations may give makes nobody their owner.
      await it.grant(lesser, { remove_roles: ["user"] });
      const bare = { ...lesser, ...(await logIn(server, lesser)) };
      refused(await it.ask(bare, "POST organizations", { slug: "anothers" }), 403, "beyond_own_permissions");
      const { body } = await it.secret.ask("GET", `/${plain.account}/history`);
      assert.ok(body.events.some(({ event, detail }) => event === "organization_member_added" && detail.endsWith(`by operator ${ofOrganizations.account}`)));
    });

    test("root reaches no root: that is the secret's", async () => {
      const second = await it.root(await signUp(server));
      refused(await it.ask(rooted, `POST users/${second.account}/ban`), 403, "beyond_own_permissions");
      assert.equal((await it.ask(rooted, `POST users/${helpdesk.account}/lock`)).status, 200);
      assert.equal((await it.ask(rooted, `POST users/${helpdesk.account}/unlock`)).status, 200);
      const person = await signUp(server);
      refused(await it.ask(rooted, `POST users/${person.account}/authorization/root`, { granted: true, reason: "x" }), 401, "operator_token_invalid");
    });
  });

  describe("in the trail", () => {
    const lines = async ({ account }) => {
      const { body } = await it.secret.ask("GET", `/${account}/history?event=operator_order`);
      return body.events.map(({ detail }) => detail);
    };

    test("every order is in both histories, with who gave it, and reading is in none", async () => {
      const [person, about] = [await it.operator("postern:users:read", "postern:users:manage", "postern:users:export"), await signUp(server)];
      assert.equal((await it.ask(person, "GET users")).status, 200);
      assert.equal((await it.ask(person, `GET users/${about.account}/history`)).status, 200);
      assert.deepEqual([await lines(person), await lines(about)], [[], []]);
      assert.equal((await it.ask(person, `POST users/${about.account}/ban`, { reason: "spam" })).status, 200);
      assert.equal((await it.ask(person, `GET users/${about.account}/export`)).status, 200);
      const said = [`GET /users/${about.account}/export`, `POST /users/${about.account}/ban`];
      assert.deepEqual(await lines(person), said);
      assert.deepEqual(await lines(about), said.map((order) => `by ${person.account}: ${order}`));
      // Where nobody's id is in the path, too, and in the events of what was done.
      const giver = await it.operator("docs:read", "postern:authorization:manage", "postern:users:manage");
      assert.deepEqual((await it.ask(giver, "POST groups/staff/members", { add: [about.account] })).body.added, [about.account]);
      assert.deepEqual((await lines(about))[0], `by ${giver.account}: POST /groups/staff/members`);
      const { body: made } = await it.ask(giver, "POST users", { username: `made${giver.account.slice(0, 8)}`, name: "Ada" });
      assert.deepEqual(await lines({ account: made.id }), [`by ${giver.account}: POST /users`]);
      const { body: history } = await it.secret.ask("GET", `/${about.account}/history?event=authorization_changed`);
      assert.equal(history.events[0].detail, `group +staff by operator ${giver.account}`);
      assert.equal((await it.secret.order(about, "revoke-sessions", {})).status, 200);
      const long = await it.ask(await it.operator("postern:permissions:manage"), `PUT roles/${"r".repeat(4_000)}`, { permissions: [] });
      refused(long, 400, "invalid_request");
      // Those that come with the secret are the account's own events, as ever.
      assert.equal((await it.secret.order(about, "unban")).status, 200);
      assert.equal((await lines(about)).length, 3);
    });

    test("an order that cannot be written down is not carried out", async () => {
      const [person, about] = [await it.operator("postern:users:manage"), await signUp(server)];
      const { DIRECTORY: directory } = await server.getEnv();
      await directory.prepare("CREATE TRIGGER no_orders BEFORE INSERT ON audit_events WHEN NEW.event = 'operator_order' BEGIN SELECT RAISE(ABORT, 'no'); END").run();
      try {
        const answer = await it.ask(person, `POST users/${about.account}/ban`);
        assert.equal(answer.status, 503, JSON.stringify(answer.body));
      } finally {
        await directory.prepare("DROP TRIGGER no_orders").run();
      }
      assert.equal(await it.secret.allowed(about), true);
      assert.deepEqual(await lines(person), []);
    });
  });

  test("an account that somebody creates under the same key between the look and the deed is the only one", async () => {
    const [person, key] = [await it.operator("postern:users:manage"), `race-${Math.random()}`];
    const { DIRECTORY: directory } = await server.getEnv();
    await directory
      .prepare(
        `CREATE TRIGGER rival AFTER INSERT ON audit_events WHEN NEW.detail = 'by ${person.account}: POST /users' BEGIN ` +
          "INSERT INTO users (account_id, tenant, name, status, roles, created_at) " +
          "VALUES (substr(NEW.account_id, 1, 16) || 'ffffffffffffffff', NEW.tenant, 'rival', 'active', '[]', NEW.occurred_at); END",
      )
      .run();
    const username = `late_${Math.random().toString(36).slice(2, 12)}`;
    try {
      refused(await it.ask(person, "POST users", { username, name: "Ada" }, { "idempotency-key": key }), 409, "idempotency_key_reused");
    } finally {
      await directory.prepare("DROP TRIGGER rival").run();
    }
    const { results } = await directory.prepare("SELECT name FROM users WHERE name = 'rival' OR username = ?").bind(username).all();
    assert.deepEqual(results, [{ name: "rival" }]);
    await directory.prepare("DELETE FROM users WHERE name = 'rival'").run();
  });

  /** An order whose body comes in two parts; between them something else is done. */
  const interrupted = async (person, path, body, meanwhile) => {
    const text = JSON.stringify(body);
    const sent = httpRequest(new URL(`${ADMIN}/${path}`, server.url), {
      method: "POST",
      headers: { authorization: `Bearer ${person.access}`, "content-type": "application/json", "content-length": Buffer.byteLength(text) },
    });
    const answered = once(sent, "response");
    sent.write(text.slice(0, 5));
    await sleep(300);
    await meanwhile();
    sent.end(text.slice(5));
    const [response] = await answered;
    return { status: response.statusCode, code: JSON.parse(Buffer.concat(await response.toArray()).toString()).code };
  };

  test("what is checked is true when an order is carried out, however slowly its body comes", async () => {
    const person = await it.operator("docs:read", "docs:write", "postern:users:manage");
    const about = await signUp(server);
    const password = { password: "the attacker's own" };
    const promoted = await interrupted(person, `users/${about.account}/set-password`, password, () => it.root(about));
    assert.deepEqual(promoted, { status: 403, code: "beyond_own_permissions" });
    const other = await signUp(server);
    const banned = await interrupted(person, `users/${other.account}/set-password`, password, () => it.secret.order(person, "ban"));
    assert.equal(banned.status, 401, banned.code);
    assert.equal((await post(server, "login", { email: other.email, password: PASSWORD })).status, 200);
    assert.equal((await interrupted(await it.operator("docs:read", "docs:write", "postern:users:manage"), `users/${other.account}/set-password`, password, () => {})).status, 200);
  });

  test("one operator's idempotency key is no other's", async () => {
    const [one, other] = [await it.operator("postern:users:manage"), await it.operator("postern:users:manage")];
    const made = (person, key) => it.ask(person, "POST users", { username: `key${key}${person.account.slice(0, 6)}`, name: "Ada" }, { "idempotency-key": key });
    const first = await made(one, "x1");
    assert.equal(first.status, 201, JSON.stringify(first.body));
    const repeated = await made(one, "x1");
    assert.deepEqual([repeated.status, repeated.body], [201, first.body]);
    const another = await made(other, "x1");
    assert.equal(another.status, 201, JSON.stringify(another.body));
    assert.notEqual(another.body.id, first.body.id);

    const about = await signUp(server);
    const order = (person, verb, key) => it.ask(person, `POST users/${about.account}/${verb}`, {}, { "idempotency-key": key });
    const longest = "k".repeat(64);
    assert.deepEqual((await order(one, "ban", longest)).body.changed, true);
    assert.deepEqual((await order(other, "unban", longest)).body.changed, true);
    // Repeated, it bans nobody a second time.
    assert.equal((await order(one, "ban", longest)).status, 200);
    assert.equal(await it.secret.allowed(about), true);
    assert.equal((await it.ask(one, "POST keys/rotate", {})).status, 403);
    const rotating = await it.operator("postern:keys:manage");
    for (const _ of [1, 2]) assert.equal((await it.ask(rotating, "POST keys/rotate", { purpose: "edge_tag" }, { "idempotency-key": longest })).status, 200);
  });

  test("a token for an organization's servers gives no orders to this one", async () => {
    const person = await it.operator("postern:users:read", "postern:organizations:manage");
    const made = await request(server, "POST", "/api/v1/auth/organizations", { body: { slug: "org-of-operator" }, bearer: person.access });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const { access: token } = tokensOf(await post(server, "refresh", { refresh_token: person.refresh, organization: made.body.id }));
    assert.equal(claimsOf(token).org, made.body.slug);
    refused(await request(server, "GET", `${ADMIN}/users`, { bearer: token }), 403, "acts_in_organization");
  });
});

describe("where nothing of it is declared", () => {
  let server;
  let it;
  before(async () => {
    server = await startOperated({}, { permissions: { names: ["docs:read", "docs:write", "docs:delete"] } });
    it = operators(server);
  });
  after(() => server?.stop());

  test("not even root operates", async () => {
    const person = await it.root(await signUp(server));
    for (const order of ["GET users", "GET keys", "GET capabilities", "POST users"]) refused(await it.ask(person, order, bodyOf(order)), 401, "operator_token_invalid");
  });
});

describe("without the operator's secret", () => {
  test("accounts operate all the same, and nobody else has routes there", async () => {
    const limits = { ...relaxed().limits, operator_per_source: { count: 0, period_seconds: 60 } };
    const server = await startServer({ vars: relaxed({}, { ...SECTIONS, limits }) });
    try {
      const person = await signUp(server);
      const { DIRECTORY: directory } = await server.getEnv();
      await directory.prepare("UPDATE users SET roles = ? WHERE account_id = ?").bind(JSON.stringify(["everything"]), person.account).run();
      const ask = (token, path = "users") => request(server, "GET", `${ADMIN}/${path}`, { bearer: token });
      assert.equal((await ask(person.access)).status, 200, JSON.stringify((await ask(person.access)).body));
      refused(await ask((await signUp(server)).access), 403, "operator_permission_missing");
      refused(await ask(undefined), 404, "not_found");
      refused(await ask("wrong"), 404, "not_found");
    } finally {
      await server.stop();
    }
  });
});

describe("in cookies", () => {
  test("an operator's page gives orders, and no other site does", async () => {
    const origin = "http://localhost:8787";
    const server = await startOperated({}, { ...SECTIONS, cookies: { mode: "beside" } });
    try {
      const it = operators(server);
      const person = await it.operator("postern:users:read", "postern:users:manage");
      const about = await signUp(server);
      const login = await server.fetch("/api/v1/auth/login", {
        method: "POST",
        headers: { "content-type": "application/json", origin, "sec-fetch-site": "same-origin", "x-postern-cookies": "1" },
        body: JSON.stringify({ email: person.email, password: PASSWORD }),
      });
      assert.equal(login.status, 200);
      const cookie = login.headers.getSetCookie().map((set) => set.split(";")[0]).join("; ");
      assert.match(cookie, /__Host-/);
      const ask = (method, path, headers) => request(server, method, `${ADMIN}/${path}`, { headers: { cookie, ...headers } });
      assert.equal((await ask("GET", "users", {})).status, 200);
      for (const headers of [{ origin: "https://evil.example", "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, { origin: "null" }]) {
        refused(await ask("POST", `users/${about.account}/ban`, headers), 403, "cross_site_request");
      }
      refused(await ask("POST", `users/${about.account}/ban`, {}), 403, "csrf_token_invalid");
      assert.equal(await it.secret.allowed(about), true);
      // The secret goes first where both come.
      assert.equal((await ask("GET", "keys", { authorization: `Bearer ${OPERATOR_TOKEN}` })).status, 200);
      refused(await ask("GET", "keys", {}), 403, "operator_permission_missing");
      assert.equal((await ask("POST", `users/${about.account}/ban`, { origin, "sec-fetch-site": "same-origin" })).status, 200);
      assert.equal(await it.secret.allowed(about), false);
    } finally {
      await server.stop();
    }
  });
});

describe("bound to a key", () => {
  test("a copied token of an operator gives no orders", async () => {
    const server = await startOpenServer({ vars: { ...SECTIONS, limits: { operator_per_source: { count: 0, period_seconds: 60 } } }, secrets: { POSTERN_OPERATOR_TOKEN: OPERATOR_TOKEN } });
    try {
      const [owner, key, email] = [client(server), await newKey(), newAddress()];
      const { sub: account } = claimsOf((await owner.account(email)).access_token);
      await operators(server).grant({ account }, { add_permissions: ["postern:users:read"] });
      const mine = holder(owner, key);
      const { access_token: token } = bound(await mine.login(email, PASSWORD), key);
      assert.equal((await mine.send("GET", "admin/users", { token })).status, 200);
      refused(await request(server, "GET", `${ADMIN}/users`, { bearer: token }), 401, "token_bound");
      const thief = holder(owner, await newKey());
      assert.equal((await thief.send("GET", "admin/users", { token })).status, 401);
      const proof = await proofFor(key, "admin/users", { method: "GET", token });
      assert.equal((await mine.send("GET", "admin/users", { token, proof })).status, 200);
      assert.equal((await mine.send("GET", "admin/users", { token, proof })).status, 401);
    } finally {
      await server.stop();
    }
  });
});

describe("counted", () => {
  test("by account, whatever the limit on the secret is", async () => {
    const limits = { ...relaxed().limits, operator_per_source: { count: 1, period_seconds: 3_600 }, profile_per_account: { count: 4, period_seconds: 3_600 } };
    const server = await startServer({ vars: relaxed({}, { ...SECTIONS, limits }), secrets: { POSTERN_OPERATOR_TOKEN: OPERATOR_TOKEN } });
    try {
      const people = [await signUp(server), await signUp(server)];
      const { DIRECTORY: directory } = await server.getEnv();
      await directory.prepare("UPDATE users SET roles = ?").bind(JSON.stringify(["everything"])).run();
      const ask = ({ access }) => request(server, "GET", `${ADMIN}/users`, { bearer: access });
      for (const person of people) {
        for (const _ of [1, 2, 3, 4]) assert.equal((await ask(person)).status, 200);
        const limited = await ask(person);
        refused(limited, 429, "rate_limited");
        assert.ok(Number(limited.headers.get("retry-after")) > 0);
      }
    } finally {
      await server.stop();
    }
  });
});

describe("among tenants", () => {
  test("an account operates on its own tenant, and only that of the deployment on what all share", async () => {
    const server = await startTenanted({}, SECTIONS);
    try {
      const [own, acme] = ["default", "acme"].map((tenant) => at(server, tenant));
      const people = { own: await operators(own).operator(...ALL), acme: await operators(acme).operator(...ALL) };
      const about = { own: await signUp(own), acme: await signUp(acme) };
      const ask = (where, person, order, body) => operators(where).ask(person, order, body);
      for (const permission of OF_DEPLOYMENT) {
        const order = ALLOWS[permission][0];
        const body = bodyOf(order);
        refused(await ask(acme, people.acme, order, body), 403, "operator_permission_missing");
        assert.notEqual((await ask(own, people.own, order, body)).code, "operator_permission_missing", order);
      }
      assert.equal((await ask(acme, people.acme, `POST users/${about.acme.account}/ban`, {})).status, 200);
      // Somebody else's account is nobody's, whoever asks.
      refused(await ask(acme, people.acme, `POST users/${about.own.account}/set-password`, { password: "the attacker's own" }), 404, "not_found");
      refused(await ask(acme, people.acme, `POST users/${about.own.account}/ban`, {}), 404, "not_found");
      assert.equal((await ask(own, people.own, `GET users/${about.acme.account}`)).status, 404);
      // A token of one tenant is none in another.
      refused(await ask(own, people.acme, "GET users"), 401, "tenant_mismatch");
      assert.equal((await ask(acme, people.acme, "GET users")).body.users.every(({ id }) => id !== about.own.account), true);
      assert.equal(await operators(own).secret.allowed(about.own), true);
    } finally {
      await server.stop();
    }
  });
});
