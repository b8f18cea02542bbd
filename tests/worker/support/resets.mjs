// What the tests of password resets share: a server whose resets are proven in one way, and people who use them.

import assert from "node:assert/strict";
import { after, before } from "node:test";

import { claimsOf, client, newAddress, startOpenServer } from "./accounts.mjs";
import { overlaid } from "./server.mjs";

export const [NEW, OTHER] = ["a password after the reset", "quite another password"];
const SUBJECTS = { link: "Reset your password", code: "Your code to reset the password" };
export const succeeded = (answer) => assert.deepEqual([answer.status, answer.body], [200, { success: true }], answer.text);

/** Everything about one server whose resets are proven by `by`. */
export function resetWorld(by, vars = {}) {
  const of = {};
  before(async () => {
    of.server = await startOpenServer({ vars: overlaid({ password_reset: { by } }, vars) });
    ({ DIRECTORY: of.directory } = await of.server.getEnv());
    of.owner = client(of.server, "198.51.100.1");
    of.thief = client(of.server, "203.0.113.66");
  });
  after(() => of.server?.stop());
  of.person = async () => {
    const email = newAddress();
    const tokens = await of.owner.account(email);
    return { email, account: claimsOf(tokens.access_token).sub, ...tokens };
  };
  of.credential = ({ account }) =>
    of.directory.prepare("SELECT version, password_hash, operation_id FROM credentials WHERE account_id = ?").bind(account).first();
  of.forgot = ({ email }) => of.owner.mailed("request-password-reset", email, SUBJECTS[by]);
  of.reset = (body) => of.owner.post("reset-password", body);
  return of;
}
