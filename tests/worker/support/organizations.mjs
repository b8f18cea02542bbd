// Organizations, as the end-to-end tests use them: people with usernames, and what they ask of an organization.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import { PASSWORD, post, request, tokensOf } from "./people.mjs";
import { OPERATOR_TOKEN, startOperated } from "./operator.mjs";

const AUTH = "/api/v1/auth";

/** Of the registry, only the first two may be given by organizations. */
export const PERMISSIONS = {
  permissions: { names: ["docs:read", "docs:write", "docs:delete", "bills:pay"], roles: { user: ["bills:pay"] }, default_role: "user" },
};

/** A server with organizations, and people who act in them. */
export async function startOrganized(organizations = {}, rest = {}) {
  const settings = { mode: "multi", permissions: ["docs:read", "docs:write"], ...organizations };
  const server = await startOperated({}, { ...PERMISSIONS, registration: { usernames: "optional" }, organizations: settings, ...rest });
  const { DIRECTORY: directory } = await server.getEnv();

  /** What somebody asks of `…/organizations…`; the operator without anybody. */
  const ask = (person, method, path, body, headers) =>
    person === undefined
      ? request(server, method, `${AUTH}/admin/organizations${path}`, { body, bearer: OPERATOR_TOKEN, headers })
      : request(server, method, `${AUTH}/organizations${path}`, { body, bearer: person.access, headers });
  const ok = (answer, status = 200) => {
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };
  const newName = (base = "ada") => `${base}${randomBytes(5).toString("hex")}`;

  /** Somebody whom the operator has made an account for, signed in. */
  const somebody = async ({ username = newName(), email } = {}) => {
    const made = await request(server, "POST", `${AUTH}/admin/users`, { body: { username, name: "Ada", password: PASSWORD, email }, bearer: OPERATOR_TOKEN });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    return { username, email, ...tokensOf(await post(server, "login", { username, password: PASSWORD })) };
  };

  /** The next access token of somebody whose last one is stale. */
  const renew = async (person) => {
    Object.assign(person, tokensOf(await post(server, "login", { username: person.username, password: PASSWORD })));
  };

  const create = async (owner, slug = newName("org-")) => ok(await ask(owner, "POST", "", { slug }), 201);
  const add = async (organization, person, ...roles) => {
    ok(await ask(undefined, "POST", `/${organization.id}/members`, { account_id: person.account }));
    if (roles.length > 0) ok(await ask(undefined, "PATCH", `/${organization.id}/members/${person.account}`, { add_roles: roles }));
  };
  /** The accounts of the owners, as the directory has them. */
  const ownersOf = async ({ id }) => {
    const { results } = await directory.prepare("SELECT account_id FROM organization_member_roles WHERE organization_id = ? AND role = 'owner'").bind(id).all();
    return results.map(({ account_id: account }) => account);
  };
  /** Everything that is stored about organizations, to see that nothing has changed. */
  const everything = async () => {
    const tables = ["organizations", "organization_roles", "organization_members", "organization_member_roles", "owner_names"];
    const rows = await Promise.all(tables.map((table) => directory.prepare(`SELECT * FROM ${table}`).all()));
    return JSON.stringify(rows.map(({ results }) => results));
  };
  return { server, directory, ask, ok, newName, somebody, renew, create, add, ownersOf, everything };
}
