// People with accounts, for a release build that cannot be told them: they sign up, and their mail comes here.

import { once } from "node:events";
import { createServer } from "node:http";

export const AUTH = "/api/v1/auth";
// Counted as ever, which is part of the cost, and never reached.
const RAISED = { count: 1_000_000, period_seconds: 60 };
const LIMITS = ["sign_up_per_source", "sign_up_per_identifier", "verify_per_source", "login_per_source", "login_per_pair", "refresh_per_source", "logout_per_source", "profile_per_account"];

/** The defaults, but for limits, which would end a load test at once, and the longest access tokens, which outlive it. */
export const configuration = (mailUrl) => ({
  issuer: "https://auth.example.com",
  permissions: { names: ["docs:read", "docs:write"], roles: { user: ["docs:read", "docs:write"] }, default_role: "user" },
  mail: { sender: "http", url: mailUrl, from: "no-reply@example.com" },
  tokens: { access_ttl_seconds: 900 },
  sessions: { refresh_limit: RAISED },
  limits: Object.fromEntries(LIMITS.map((name) => [name, RAISED])),
});

/** Signs up the person of a lane; their tokens, address and password. */
export async function account(load, mail, lane) {
  const email = `person${lane}@example.com`;
  const password = "seven swift otters juggle";
  const accepted = await load.post(`${AUTH}/signup`, JSON.stringify({ email, name: "Ada", password }), { lane, status: 202 });
  const otp = await mail.codeTo(email);
  const { registration } = JSON.parse(accepted);
  const tokens = JSON.parse(await load.post(`${AUTH}/verify-signup`, JSON.stringify({ email, otp, registration }), { lane }));
  return { email, password, access: tokens.access_token, refresh: tokens.refresh_token };
}

/** Takes what the release build mails, as a mail service would. */
export async function mailReceiver() {
  const codes = new Map();
  const server = createServer(async (request, response) => {
    const letter = JSON.parse(Buffer.concat(await request.toArray()).toString());
    codes.set(letter.to, /\b\d{6}\b/.exec(letter.text)?.[0]);
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}/send`,
    codeTo: async (address) => {
      for (let attempt = 0; attempt < 1000; attempt += 1) {
        if (codes.has(address)) return codes.get(address);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error("the code was not mailed");
    },
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
