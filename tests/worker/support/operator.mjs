// The operator, as the end-to-end tests play them: a server with an operator's token, and the orders that it allows.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import { mails, PASSWORD, post, relaxed, request, tokensOf, until } from "./people.mjs";
import { startServer } from "./server.mjs";

export const OPERATOR_TOKEN = randomBytes(32).toString("base64");
export const USERS = "/api/v1/auth/admin/users";

/** A server whose operator may do anything at any pace. */
export function startOperated(sessions = {}, rest = {}) {
  const vars = relaxed(sessions, rest);
  vars.limits = { ...vars.limits, operator_per_source: { count: 0, period_seconds: 60 } };
  vars.codes = { resend_after_seconds: 0, ...vars.codes };
  return startServer({ vars, secrets: { POSTERN_OPERATOR_TOKEN: OPERATOR_TOKEN } });
}

/** Somebody signs up with an address that was another account's: its old mails are still there. */
export async function signUpAgain(server, email) {
  const codes = async () => (await mails(server, email)).filter(({ subject }) => subject === "Your sign-up code");
  const known = (await codes()).length;
  const accepted = await post(server, "signup", { email, name: "Ada", password: PASSWORD });
  assert.equal(accepted.status, 202, JSON.stringify(accepted.body));
  const { code } = await until("the new code", async () => (await codes()).length > known && (await codes())[0]);
  const { registration } = accepted.body;
  return { email, password: PASSWORD, ...tokensOf(await post(server, "verify-signup", { email, otp: code, registration })) };
}

/** The operator of a server, or somebody with another token. */
export function operatorOf(server, token = OPERATOR_TOKEN) {
  const ask = (method, path, { body, key, headers = {} } = {}) =>
    request(server, method, `${USERS}${path}`, { body, bearer: token, headers: key === undefined ? headers : { ...headers, "idempotency-key": key } });
  const users = async (query = {}) => {
    const answer = await ask("GET", `?${new URLSearchParams(query)}`);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };
  return {
    ask,
    users,
    /** POST `…/{id}/{verb}`. */
    order: ({ account }, verb, body, key) => ask("POST", `/${account}/${verb}`, { body, key }),
    show: async ({ account }) => {
      const answer = await ask("GET", `/${account}`);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      return answer.body;
    },
    allowed: async ({ account }) => (await ask("GET", `/${account}/allowed`)).body.allowed,
    /** The audit trail of an account once it has this event: `event` or `event:detail`, latest first. */
    history: ({ account }, event) =>
      until(`${event} in the history`, async () => {
        const { body } = await ask("GET", `/${account}/history`);
        const lines = body.events.map((line) => (line.detail === null ? line.event : `${line.event}:${line.detail}`));
        return lines.some((line) => line.startsWith(event)) && lines;
      }, 60),
  };
}
