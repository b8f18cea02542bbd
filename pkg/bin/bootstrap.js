// `npx postern bootstrap`: the first administrator of a deployment, who has no password until they choose one by a mailed link.
import { parseArgs } from "node:util";

export const USAGE = `usage: postern bootstrap <issuer> --email <address> [--name <name>] [--role <role>]... [--root]

Creates the account of an administrator, who is mailed a link to set the first password, and gives it roles or root. What is so
already is left alone: it may be run again. The operator's token is read from the variable POSTERN_OPERATOR_TOKEN.

  --name <name>  what mails call them; "Administrator" otherwise
  --role <role>  a role of the configuration; may be repeated
  --root         everything, for as long as it is not taken away
`;

const TIMEOUT_MILLISECONDS = 10_000;
const REASON = "bootstrap";

/** @param {string[]} args */
export async function bootstrap(args) {
  const { issuer, email, name, roles, root } = read(args);
  const api = client(issuer, process.env.POSTERN_OPERATOR_TOKEN);
  const { id, isNew } = await account(api, { email, name, roles });
  const done = isNew ? ["created, and mailed a link to set the first password"] : [];
  const { roles: has, root: isRoot } = await api("GET", `/${id}/authorization`);
  const missing = roles.filter((role) => !has.includes(role));
  if (missing.length > 0) {
    await api("PATCH", `/${id}/authorization`, { add_roles: missing, reason: REASON });
    done.push(`has the role ${missing.join(", ")} now`);
  }
  if (root && !isRoot) {
    await api("POST", `/${id}/authorization/root`, { granted: true, reason: REASON });
    done.push("is root now");
  }
  console.log(`${email} (${id}): ${done.join("; ") || "nothing to be done"}`);
}

/** @param {string[]} args */
function read(args) {
  const text = /** @type {const} */ ({ type: "string" });
  const options = { email: text, name: text, role: { ...text, multiple: true }, root: { type: /** @type {const} */ ("boolean") } };
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [issuer, ...rest] = positionals;
  const { email, name = "Administrator", role: roles = [], root = false } = values;
  if (!issuer || rest.length > 0 || !email || (roles.length === 0 && !root)) throw new Error(`\n${USAGE}`);
  return { issuer, email, name, roles, root };
}

/**
 * Whoever the token is sent to can do everything: no plain HTTP, no redirects.
 *
 * @param {string} issuer
 * @param {string | undefined} token
 */
function client(issuer, token) {
  if (!URL.canParse(issuer)) throw new Error("the issuer must be an address");
  const base = new URL(issuer);
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(base.hostname);
  if (base.protocol !== "https:" && !(base.protocol === "http:" && isLocal)) {
    throw new Error("the issuer must be https, or http on localhost");
  }
  if (!token) throw new Error("POSTERN_OPERATOR_TOKEN is not set");
  return async (/** @type {string} */ method, /** @type {string} */ path, /** @type {object | undefined} */ body = undefined) => {
    const headers = { authorization: `Bearer ${token.trim()}`, "content-type": "application/json" };
    const init = { method, headers, body: body && JSON.stringify(body) };
    const response = await fetch(new URL(`/api/v1/auth/admin/users${path}`, base), { ...init, redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS) });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw new Refused(answer.code ?? `${base.origin} answers ${response.status}`, answer.errors);
  };
}

class Refused extends Error {
  /** @param {string} code @param {{ field: string, rule: string }[]} [errors] */
  constructor(code, errors = []) {
    super([code, ...errors.map(({ field, rule }) => `${field} ${rule}`)].join(": "));
    this.code = code;
  }
}

/**
 * The account of this address, which is made if there is none.
 *
 * @param {ReturnType<typeof client>} api
 * @param {{ email: string, name: string, roles: string[] }} administrator
 */
async function account(api, { email, name, roles }) {
  const found = await find(api, email);
  if (found) return { id: found.id, isNew: false };
  try {
    const { id } = await api("POST", "", { email, name, send_invitation: true, ...(roles.length > 0 && { roles }) });
    return { id, isNew: true };
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== "account_exists") throw error;
    // Somebody was quicker, or it is deleted.
    const other = await find(api, email);
    if (!other) throw new Error(`${email} is a deleted account's: restore or purge that first`);
    return { id: other.id, isNew: false };
  }
}

/**
 * An account that may be given everything. Whoever has only typed the address into a sign-up, with a password of their own, is
 * not its owner.
 *
 * @param {ReturnType<typeof client>} api
 * @param {string} email
 */
async function find(api, email) {
  const { users } = await api("GET", `?${new URLSearchParams({ email })}`);
  const [found] = users;
  if (!found) return undefined;
  if (found.status !== "active") throw new Error(`the account of ${email} is ${found.status}`);
  const isProven = found.identifiers.some((/** @type {any} */ one) => one.kind === "email" && one.verified_at !== null);
  if (!isProven && found.has_password) throw new Error(`nobody has proven yet to read mails to ${email}, and the account has a password`);
  return found;
}
