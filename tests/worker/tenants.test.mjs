// Tenants: who they are, what each has of its own, and that nothing leads from one to another.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { at, atHost, startTenanted } from "./support/tenants.mjs";
import { claimsOf, get, logIn, mailTo, mails, PASSWORD, post, refresh, refused, relaxed, request, settled, signUp, tokensOf, until } from "./support/people.mjs";
import { OPERATOR_TOKEN, operatorOf, startOperated } from "./support/operator.mjs";
import { ROOT, startServer } from "./support/server.mjs";

const AUTH = "/api/v1/auth";
const OTHER = "another sentence to get in";
const bearer = OPERATOR_TOKEN;

describe("tenants by header", () => {
  let server, acme, globex, own;
  before(async () => {
    server = await startTenanted({
      acme: { issuer: "http://localhost:8787/acme", client_id: "acme-web", mail: { brand_name: "Acme" }, sessions: { over_limit: "single", max_per_account: 1 }, limits: { login_per_source: { count: 3, period_seconds: 3_600 } } },
      globex: { registration: { mode: "closed" } },
    });
    [own, acme, globex] = ["default", "acme", "globex"].map((tenant) => at(server, tenant));
  });
  after(() => server?.stop());

  let accounts = 0;
  /** Somebody whom the operator makes an account for, signed in. */
  const somebody = async (tenant, { email = `tenant${(accounts += 1)}@example.com`, password = PASSWORD } = {}) => {
    const made = await request(tenant, "POST", `${AUTH}/admin/users`, { body: { email, name: "Ada", password }, bearer });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    // Another source than the limits of others count.
    return logIn(tenant, { email, password }, { headers: { "cf-connecting-ip": `192.0.2.${accounts}` } });
  };

  test("a request says for which it is, and nothing stands in for that", async () => {
    const unsaid = at(server);
    for (const [method, path] of [["POST", "login"], ["POST", "signup"], ["POST", "refresh"], ["POST", "validate"], ["GET", "me"], ["GET", "options"], ["GET", "admin/users"], ["GET", "nothing-here"]]) {
      const body = method === "POST" ? {} : undefined;
      refused(await request(unsaid, method, `${AUTH}/${path}`, { body }), 400, "tenant_required");
      for (const unknown of ["nobody", "ACME", "acme,globex", "../acme", "*", "x".repeat(5_000)]) {
        refused(await request(at(server, unknown), method, `${AUTH}/${path}`, { body }), 404, "tenant_unknown");
      }
      refused(await request(at(server, ""), method, `${AUTH}/${path}`, { body }), 404, "tenant_unknown");
    }
    for (const tenant of ["default", "acme", "globex"]) assert.equal((await get(at(server, tenant), "options")).body.tenant, tenant);
  });

  test("what is the deployment's is asked without one", async () => {
    for (const path of ["/health", "/.well-known/jwks.json", `${AUTH}/public-key`, `${AUTH}/permissions`]) {
      for (const tenant of [undefined, "acme", "nobody"]) assert.equal((await at(server, tenant).fetch(path)).status, 200, path);
    }
  });

  test("one address is another account in each, with its own password", async () => {
    const email = "ada@everywhere.example";
    const [here, there] = [await somebody(own, { email }), await somebody(globex, { email, password: OTHER })];
    assert.notEqual(here.account, there.account);
    refused(await post(globex, "login", { email, password: PASSWORD }), 401, "invalid_credentials");
    refused(await post(own, "login", { email, password: OTHER }), 401, "invalid_credentials");
    refused(await post(at(server, "acme"), "login", { email, password: OTHER }), 401, "invalid_credentials");
  });

  test("each has its own issuer, client, mails, caps, limits and registration", async () => {
    const person = await signUp(acme, { email: "first@acme.example" });
    const claims = claimsOf(person.access);
    assert.deepEqual([claims.tid, claims.iss, claims.client_id], ["acme", "http://localhost:8787/acme", "acme-web"]);
    const { subject, text } = await mailTo(server, person.email);
    assert.ok(`${subject}${text}`.includes("Acme"), text);
    assert.equal(claimsOf((await somebody(own)).access).iss, "http://localhost:8787");
    // One session at a time, in acme alone.
    const two = { "cf-connecting-ip": "192.0.2.200" };
    const second = await logIn(acme, person, { headers: two });
    refused(await get(acme, "me", { bearer: person.access }), 401, "session_revoked");
    assert.equal((await get(acme, "me", { bearer: second.access })).status, 200);
    const elsewhere = await somebody(own);
    await logIn(own, elsewhere);
    assert.equal((await post(own, "validate", { token: elsewhere.access, mode: "strict" })).status, 200);
    // Three logins from a source there; a hundred elsewhere.
    for (let login = 1; login < 3; login += 1) await logIn(acme, person, { headers: two });
    refused(await post(acme, "login", person, { headers: two }), 429, "rate_limited");
    await logIn(own, elsewhere, { headers: two });
    // Nobody signs up at globex.
    refused(await post(globex, "signup", { email: "new@globex.example", name: "Eve", password: PASSWORD }), 403, "account_creation_disabled");
    assert.equal((await post(own, "signup", { email: "new@own.example", name: "Eve", password: PASSWORD })).status, 202);
  });

  test("tokens of one are good at no other, and their family lives on", async () => {
    const people = { own: await somebody(own), acme: await somebody(acme), globex: await somebody(globex) };
    const tenants = { own, acme, globex };
    for (const [home, person] of Object.entries(people)) {
      for (const [name, tenant] of Object.entries(tenants).filter(([name]) => name !== home)) {
        const code = home === "acme" || name === "acme" ? "issuer_mismatch" : "tenant_mismatch";
        for (const mode of ["jwt_only", "hybrid", "strict"]) refused(await post(tenant, "validate", { token: person.access, mode }), 401, code);
        for (const path of ["me", "sessions", "organizations"]) refused(await get(tenant, path, { bearer: person.access }), 401, code);
        refused(await request(tenant, "PATCH", `${AUTH}/me`, { body: { name: "Mallory" }, bearer: person.access }), 401, code);
        refused(await post(tenant, "change-password", { current_password: PASSWORD, new_password: OTHER }, { bearer: person.access }), 401, code);
        refused(await refresh(tenant, person.refresh), 401, "refresh_invalid");
        // Logout tells nobody anything, and ends nothing.
        await post(tenant, "logout", { refresh_token: person.refresh });
      }
      const next = tokensOf(await refresh(tenants[home], person.refresh));
      assert.equal((await post(tenants[home], "validate", { token: next.access, mode: "strict" })).status, 200);
    }
  });

  test("a code or link of one is used at no other", async () => {
    const email = "reader@everywhere.example";
    await somebody(own, { email });
    await somebody(globex, { email });
    assert.equal((await post(own, "request-otp", { email })).status, 202);
    const { code } = await mailTo(server, email, "Your code to sign in");
    refused(await post(globex, "verify-login", { email, otp: code }), 400, "code_invalid");
    refused(await post(acme, "verify-login", { email, otp: code }), 400, "code_invalid");
    assert.equal(claimsOf(tokensOf(await post(own, "verify-login", { email, otp: code })).access).tid, "default");
    assert.equal((await post(own, "request-password-reset", { email })).status, 202);
    const { link } = await mailTo(server, email, "Reset your password");
    const token = new URL(link).hash.slice(1);
    refused(await post(globex, "reset-password", { token, password: OTHER }), 400, "code_invalid");
    await logIn(globex, { email, password: PASSWORD });
    assert.equal((await mails(server, email)).filter(({ subject }) => subject === "Your password was reset").length, 0);
  });

  test("what was started in one is finished in it by the minute's work", async () => {
    const person = await somebody(acme);
    await request(acme, "POST", `${AUTH}/admin/users/${person.account}/entitlements`, { body: { name: "pro" }, bearer });
    const { DIRECTORY: directory } = await server.getEnv();
    const lists = () => directory.prepare("SELECT confirmed < version AS waits FROM entitlement_lists WHERE account_id = ?").bind(person.account).first();
    await directory.prepare("UPDATE entitlement_lists SET confirmed = 0, next_at = 0 WHERE account_id = ?").bind(person.account).run();
    assert.equal((await lists()).waits, 1);
    await server.scheduled();
    await until("the list is told", async () => (await lists()).waits === 0);
    assert.deepEqual(claimsOf((await refresh(acme, person.refresh)).body.access_token).ent ?? (await get(acme, "me", { bearer: (await logIn(acme, person, { headers: { "cf-connecting-ip": "192.0.2.250" } })).access })).body.entitlements, ["pro"]);
  });
});

describe("nothing leads from one tenant to another:", () => {
  let server, own, globex, victim, thief, friend;
  const it = {};
  before(async () => {
    server = await startTenanted();
    [own, globex] = ["default", "globex"].map((tenant) => at(server, tenant));
    victim = await signUp(own, { email: "victim@example.com" });
    thief = await signUp(globex, { email: "thief@example.com" });
    friend = await signUp(globex, { email: "friend@example.com" });
    const created = await request(own, "POST", `${AUTH}/organizations`, { body: { slug: "victims" }, bearer: victim.access });
    assert.equal(created.status, 201, JSON.stringify(created.body));
    it.organization = created.body;
    const invited = await request(own, "POST", `${AUTH}/organizations/${it.organization.id}/invites`, { body: { email: "friend@example.com" }, bearer: victim.access });
    assert.equal(invited.status, 201, JSON.stringify(invited.body));
    it.invite = invited.body;
    // Copies of the logins follow.
    for (const person of [victim, thief, friend]) await settled(server, person);
  });
  after(() => server?.stop());

  /** Everything in the directory but what every request leaves. */
  const everything = async () => {
    const { DIRECTORY: directory } = await server.getEnv();
    const { results: tables } = await directory.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' AND name NOT IN ('d1_migrations', 'deliveries', 'audit_events')").all();
    const rows = {};
    for (const { name } of tables) rows[name] = (await directory.prepare(`SELECT * FROM ${name}`).all()).results;
    return rows;
  };

  /** A body that the route would take, by the end of its path. */
  const BODIES = {
    authorization: { PUT: { roles: ["user"], permissions: [] }, PATCH: { add_roles: ["user"] } },
    "authorization/root": { POST: { granted: true, reason: "theft" } },
    entitlements: { POST: { name: "pro" } },
    "entitlements/revoke": { POST: { name: "pro" } },
    ban: { POST: { reason: "theft" } },
    "set-password": { POST: { password: OTHER } },
    "set-email": { POST: { email: "thief2@example.com" } },
    "set-phone": { POST: { phone: "+4915112345678" } },
    "set-email-verified": { POST: { verified: true } },
    "set-phone-verified": { POST: { verified: true } },
    members: { POST: undefined },
    invites: { POST: { email: "thief@example.com" } },
  };

  /** Every route that names something in its path, from the table itself. */
  const routes = () => {
    const table = readFileSync(join(ROOT, "worker/src/route/table.rs"), "utf8");
    return [...table.matchAll(/\(\s*Method::(\w+),\s*"(\/api\/v1\/auth\/[^"]*\*[^"]*)"/g)].map(([, method, path]) => [method.toUpperCase(), path]);
  };
  /** What is named in a path, and is the victim's or nobody's. */
  const named = (path, isNobody) => {
    const [account, organization, session, invite, name] = isNobody ? ["a", "b", "c", "d"].map((digit) => digit.repeat(32)).concat("nobody") : [victim.account, it.organization.id, victim.session, it.invite.id, "victims"];
    const ids = { users: account, organizations: organization, sessions: session, passkeys: "A".repeat(22), owners: name, "organization-invites": invite, members: account, roles: "spies", invites: invite };
    const segments = path.split("/");
    return segments.map((segment, place) => (segment === "*" ? (ids[segments[place - 1]] ?? segment) : segment)).join("/");
  };
  /** Of an account that nobody knows these answer that there is nothing: its trail outlives it. */
  const EMPTY = { allowed: { allowed: false }, sessions: { sessions: [] }, "sign-ins": { events: [], next_cursor: null }, history: { events: [], next_cursor: null }, "revoke-sessions": { revoked: 0 }, organizations: { organizations: [], next_cursor: null } };

  test("no route takes another tenant's ids, and none changes anything", async () => {
    const all = routes();
    assert.ok(all.length > 60, String(all.length));
    const before = await everything();
    const walked = [];
    for (const [method, pattern] of all) {
      // Keys and the registry are the deployment's, for all tenants.
      if (/\/admin\/(keys|permissions|roles|groups)\//.test(pattern)) continue;
      const last = pattern.slice(pattern.indexOf("*") + 2);
      const body = BODIES[last]?.[method] ?? bodyOf(method, pattern);
      const ask = (isNobody) => request(globex, method, named(pattern, isNobody), { body, bearer: pattern.includes("/admin/") ? bearer : thief.access });
      const [answer, ofNobody] = [await ask(false), await ask(true)];
      const empty = pattern.includes("/users/") && EMPTY[last];
      assert.deepEqual([method, pattern, answer.status], [method, pattern, empty ? 200 : 404], JSON.stringify(answer.body));
      if (empty) assert.deepEqual(answer.body, empty, pattern);
      const told = ({ body: { request_id: _, ...rest } }) => rest;
      assert.deepEqual(told(answer), told(ofNobody), `${method} ${pattern}`);
      walked.push(pattern);
    }
    assert.deepEqual(await everything(), before);
    assert.ok(walked.length > 55, String(walked.length));
    // The victim has noticed nothing.
    assert.equal((await post(own, "validate", { token: victim.access, mode: "strict" })).status, 200);
    tokensOf(await refresh(own, victim.refresh));
    await logIn(own, victim);
  });

  const bodyOf = (method, pattern) => {
    if (method === "DELETE") return pattern.includes("/passkeys/") ? { current_password: PASSWORD } : undefined;
    if (method === "GET") return undefined;
    if (method === "PUT") return { permissions: ["docs:read"] };
    if (pattern.includes("/members")) return method === "POST" ? { account_id: thief.account } : { add_roles: ["owner"] };
    if (pattern.includes("passkeys")) return { name: "mine" };
    return { name: "theft", reason: "theft" };
  };

  test("members of a group are listed and changed within their tenant", async () => {
    const change = await request(globex, "POST", `${AUTH}/admin/groups/staff/members`, { body: { add: [victim.account, thief.account] }, bearer });
    assert.ok([200, 404].includes(change.status), JSON.stringify(change.body));
    const listed = await request(own, "GET", `${AUTH}/admin/groups/staff/members`, { bearer });
    assert.deepEqual(listed.body.members, []);
    const shown = await request(own, "GET", `${AUTH}/admin/users/${victim.account}/authorization`, { bearer });
    assert.deepEqual(shown.body.groups, []);
  });

  test("lists and searches of one show nobody of another", async () => {
    for (const query of ["", "?search=victim", "?email=victim@example.com", "?status=active"]) {
      const { body, status } = await request(globex, "GET", `${AUTH}/admin/users${query}`, { bearer });
      if (status === 200) assert.ok(body.users.every(({ id }) => [thief.account, friend.account].includes(id)), query);
    }
    assert.deepEqual((await operatorOf(own).users()).users.map(({ id }) => id), [victim.account]);
    const { body } = await request(globex, "GET", `${AUTH}/organizations`, { bearer: friend.access });
    assert.ok(body.organizations.every(({ slug }) => slug !== "victims"), JSON.stringify(body));
    // The slug of one is free in another.
    assert.equal((await request(globex, "POST", `${AUTH}/organizations`, { body: { slug: "victims" }, bearer: friend.access })).status, 201);
    assert.equal((await get(own, "owners/victims", { bearer: victim.access })).body.id, it.organization.id);
  });

  test("an invitation by mail is accepted in its tenant only", async () => {
    const { link } = await mailTo(server, friend.email, "You are invited to an organization");
    refused(await post(globex, "organization-invites/accept", { token: new URL(link).hash.slice(1) }, { bearer: friend.access }), 404, "not_found");
  });

  test("every row belongs to one tenant: it names it, or something that does", async () => {
    const { DIRECTORY: directory } = await server.getEnv();
    const columns = async (table) => (await directory.prepare(`SELECT name FROM pragma_table_info('${table}')`).all()).results.map(({ name }) => name);
    const walls = { tenant: [], account_id: [], organization_id: [] };
    const OF_ALL_TABLES = ["permissions", "permission_registry", "permission_sets", "permission_spreads"];
    for (const table of Object.keys(await everything())) {
      if (OF_ALL_TABLES.includes(table)) continue;
      const names = await columns(table);
      const wall = Object.keys(walls).find((name) => names.includes(name));
      assert.ok(wall, `${table} has no column by which its rows belong to a tenant`);
      walls[wall].push(table);
      if (wall !== "tenant") continue;
      // Whoever is named in a row is of the row's tenant.
      if (names.includes("account_id") && table !== "users") {
        const { strays } = await directory.prepare(`SELECT COUNT(*) AS strays FROM ${table} t JOIN users u ON u.account_id = t.account_id WHERE u.tenant <> t.tenant`).first();
        assert.equal(strays, 0, table);
      }
    }
    assert.ok(walls.tenant.includes("users") && walls.tenant.includes("organizations"), "the walls themselves");
    const { strays } = await directory.prepare("SELECT COUNT(*) AS strays FROM organization_members m JOIN organizations o USING (organization_id) JOIN users u ON u.account_id = m.account_id WHERE o.tenant <> u.tenant").first();
    assert.equal(strays, 0);
    // What objects are called, where not by an id that nobody else has, has the tenant in it.
    const digests = readdirSync(join(ROOT, "worker/src/store")).filter((file) => file.endsWith(".rs"))
      .flatMap((file) => [...readFileSync(join(ROOT, "worker/src/store", file), "utf8").matchAll(/digest\(&\[b"([^"]+)"([^\]]*)\]/g)].map(([, kind, rest]) => [file, kind, rest]));
    const OF_ALL = ["limiter shard", "device fingerprint key"];
    for (const [file, kind, rest] of digests.filter(([, kind]) => !OF_ALL.includes(kind))) assert.match(rest, /tenant|account/, `${file}: ${kind}`);
    assert.ok(digests.length > 0);
  });
});

describe("what is counted and defined where there are several tenants:", () => {
  let server, acme, globex;
  before(async () => {
    const permissions = { runtime: true, names: ["docs:read", "docs:write", "docs:delete"], roles: { user: ["docs:read"] }, groups: { staff: ["docs:delete"] }, default_role: "user" };
    server = await startTenanted({ acme: { sessions: { max_per_tenant: 3 } } }, { permissions });
    [acme, globex] = ["acme", "globex"].map((tenant) => at(server, tenant));
  });
  after(() => server?.stop());

  const ask = async (tenant, method, path, body, wanted = 200) => {
    const answer = await request(tenant, method, `${AUTH}/admin/${path}`, { body, bearer });
    assert.equal(answer.status, wanted, JSON.stringify(answer.body));
    return answer.body;
  };
  const given = (tenant, { account }) => ask(tenant, "GET", `users/${account}/authorization`);
  const mask = async (tenant, person) => (await given(tenant, person)).effective;
  /** Somebody with an account of the operator's making, signed in. */
  const somebody = async (tenant, email) => {
    await ask(tenant, "POST", "users", { email, name: "Ada", password: PASSWORD }, 201);
    return logIn(tenant, { email, password: PASSWORD });
  };
  const stale = async (tenant, { access }) => {
    const { DIRECTORY } = await server.getEnv();
    // The minute's work leaves changes of the last seconds to those who made them.
    await DIRECTORY.prepare("UPDATE pending_authorizations SET next_at = 0").run();
    await server.scheduled();
    refused(await post(tenant, "validate", { token: access, mode: "strict" }), 401, "token_stale");
  };

  test("what operators define is every tenant's, who has it is one's own, and changes reach the holders of all", async () => {
    const email = "both@everywhere.example";
    let [here, there] = [await somebody(acme, email), await somebody(globex, email)];
    await ask(acme, "POST", "permissions", { name: "desk:open" }, 201);
    await ask(globex, "PUT", "roles/clerk", { permissions: ["desk:open"] });
    await ask(acme, "PUT", "groups/desk", { permissions: ["docs:write"] });
    assert.deepEqual((await ask(acme, "GET", "roles/clerk")).permissions, ["desk:open"]);
    await ask(acme, "PATCH", `users/${here.account}/authorization`, { add_roles: ["clerk"] });
    await ask(acme, "PATCH", `users/${there.account}/authorization`, { add_roles: ["clerk"] }, 404);
    const { added } = await ask(globex, "POST", "groups/desk/members", { add: [here.account, there.account] });
    assert.deepEqual(added, [there.account], "nobody of another tenant");
    assert.deepEqual((await ask(acme, "GET", "groups/desk/members")).members, []);
    assert.deepEqual([await mask(acme, here), await mask(globex, there)], [["docs:read", "desk:open"], ["docs:read", "docs:write"]]);
    await ask(globex, "PATCH", `users/${there.account}/authorization`, { add_roles: ["clerk"] });

    const enter = async () => [await logIn(acme, here), await logIn(globex, there)];
    [here, there] = await enter();
    assert.equal((await ask(globex, "PUT", "roles/clerk", { permissions: ["docs:delete"] })).pending, true, "by the minute's work");
    await stale(acme, here);
    refused(await post(globex, "validate", { token: there.access, mode: "strict" }), 401, "token_stale");
    assert.deepEqual([await mask(acme, here), await mask(globex, there)], [["docs:read", "docs:delete"], ["docs:read", "docs:write", "docs:delete"]]);

    [here, there] = await enter();
    await ask(acme, "DELETE", "roles/clerk");
    await ask(acme, "DELETE", "groups/desk");
    await stale(globex, there);
    refused(await post(acme, "validate", { token: here.access, mode: "strict" }), 401, "token_stale");
    for (const [tenant, person] of [[acme, here], [globex, there]]) {
      const { roles, groups } = await given(tenant, person);
      assert.deepEqual([roles, groups], [["user"], []]);
      const { events } = await ask(tenant, "GET", `users/${person.account}/history?event=authorization_changed`);
      assert.ok(events.some(({ detail }) => detail === "role -clerk: it was deleted"), JSON.stringify(events));
    }
    const lost = await given(globex, there);
    assert.deepEqual(lost.ineffective, { roles: [], groups: [], permissions: [] });
    for (const [tenant, person] of [[acme, here], [globex, there]]) tokensOf(await refresh(tenant, person.refresh));
  });

  test("sessions fill up one tenant and no other", async () => {
    const { DIRECTORY } = await server.getEnv();
    const { results } = await DIRECTORY.prepare("SELECT account_id FROM users WHERE tenant = 'acme'").all();
    for (const { account_id: account } of results) await ask(acme, "POST", `users/${account}/revoke-sessions`, {});
    const people = [];
    for (const number of [1, 2, 3, 4]) {
      await ask(acme, "POST", "users", { email: `seat${number}@acme.example`, name: "Ada", password: PASSWORD }, 201);
      people.push({ email: `seat${number}@acme.example`, password: PASSWORD });
    }
    const enter = (person) => post(acme, "login", person);
    for (const person of people.slice(0, 3)) await until("a place", async () => (await enter(person)).status === 200);
    refused(await enter(people[3]), 403, "tenant_session_limit_exceeded");
    for (const number of [1, 2, 3, 4, 5]) await somebody(globex, `seat${number}@globex.example`);
    refused(await enter(people[3]), 403, "tenant_session_limit_exceeded");
  });

  test("an organization of one is full, and that of the same name in another is not", async () => {
    const { DIRECTORY } = await server.getEnv();
    const made = {};
    for (const [name, tenant] of [["acme", acme], ["globex", globex]]) {
      const owner = await ask(tenant, "POST", "users", { email: `owner@${name}.example`, name: "Ada" }, 201);
      const member = await ask(tenant, "POST", "users", { email: `member@${name}.example`, name: "Ada" }, 201);
      const { id } = await ask(tenant, "POST", "organizations", { slug: "crowd", owner: owner.id }, 201);
      made[name] = { tenant, id, member: member.id };
    }
    assert.notEqual(made.acme.id, made.globex.id);
    await DIRECTORY.prepare("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO organization_members (organization_id, account_id, joined_at) SELECT ?, printf('%032x', i), 0 FROM n").bind(made.acme.id).run();
    const join = ({ tenant, id }, account) => request(tenant, "POST", `${AUTH}/admin/organizations/${id}/members`, { body: { account_id: account }, bearer });
    const full = await join(made.acme, made.acme.member);
    refused(full, 409, "too_many_members");
    assert.ok((await join(made.globex, made.globex.member)).status < 300);
    refused(await join({ ...made.globex, tenant: acme }, made.acme.member), 404, "not_found");
    assert.ok((await join(made.globex, made.acme.member)).status >= 400, "nobody of another tenant joins");
  });
});

describe("tenants by host", () => {
  let server;
  before(async () => {
    const of = { acme: { issuer: "https://auth.acme.example", hostnames: ["auth.acme.example", "acme.example"] } };
    server = await startOperated({}, { tenants: { resolved_by: "hostname", of } });
  });
  after(() => server?.stop());

  test("the host of a request says for which it is", async () => {
    const ask = (host) => request(atHost(server, host), "GET", `${AUTH}/options`);
    for (const host of ["auth.acme.example", "acme.example", "AUTH.ACME.EXAMPLE", "acme.example:8787"]) {
      assert.equal((await ask(host)).body.tenant, "acme", host);
    }
    assert.equal((await ask("localhost:8787")).body.tenant, "default");
    for (const host of ["other.example", "auth.acme.example.evil.example", "xauth.acme.example", "127.0.0.1", "acme.example."]) {
      refused(await ask(host), 404, "tenant_unknown");
    }
    // A header has no say.
    const { body } = await request(atHost(server, "localhost:8787"), "GET", `${AUTH}/options`, { headers: { "x-tenant-id": "acme" } });
    assert.equal(body.tenant, "default");
  });
});

describe("tenants through a service binding", () => {
  let server, acme, own;
  before(async () => {
    const asker = { name: "asker", main: join(ROOT, "tests/worker/support/asker.mjs") };
    server = await startServer({ vars: relaxed({}, { tenants: { of: { acme: {} } } }), neighbours: [asker] });
    own = await signUp(at(server, "default"), { email: "own@example.com" });
    acme = await signUp(at(server, "acme"), { email: "acme@example.com" });
  });
  after(() => server?.stop());

  const ask = async (token, options) => {
    const response = await server.neighbour("asker").fetch("http://asker/", { method: "POST", body: JSON.stringify({ token, options }) });
    return (await response.json()).returned;
  };

  test("a caller says whose token it has to be", async () => {
    for (const mode of ["jwt_only", "hybrid", "strict"]) {
      const answer = await ask(acme.access, { tenant: "acme", mode });
      assert.deepEqual([answer.ok, answer.tenant, answer.account_id], [true, "acme", acme.account]);
      assert.equal((await ask(own.access, { tenant: "default", mode })).ok, true);
      assert.equal((await ask(own.access, { tenant: "acme", mode })).code, "tenant_mismatch");
      assert.equal((await ask(acme.access, { tenant: "default", mode })).code, "tenant_mismatch");
    }
    assert.equal((await ask(acme.access, {})).code, "tenant_required");
    assert.equal((await ask(acme.access)).code, "tenant_required");
    for (const tenant of ["", "Acme", "nobody"]) assert.equal((await ask(acme.access, { tenant })).code, "tenant_unknown", tenant);
    for (const tenant of [5, null, ["acme"]]) assert.ok(["invalid_request", "tenant_required"].includes((await ask(acme.access, { tenant })).code), String(tenant));
  });
});
