// What the account tests share: a server that is not in the way, addresses nobody had before, and a client that
// checks what holds for every answer.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { PASSWORD, claimsOf, relaxed, until, untilQuiet } from "./people.mjs";
import { ROOT, overlaid, startServer } from "./server.mjs";

export { PASSWORD, claimsOf };
export const AUTH = "/api/v1/auth";

/** Cheap hashes and no limits: for tests whose subject is something else. */
export const OUT_OF_THE_WAY = relaxed({}, { lockout: { per_source_failures: 100, per_identifier_failures: 100 } });

/** Every limit that there is, counted as ever and never reached: for tests of what a request costs and shows. */
export const COUNTED_LIMITS = Object.fromEntries(
  [...readFileSync(join(ROOT, "crates/core/src/config/limits.rs"), "utf8").matchAll(/^ {4}(\w+): \(\d/gm)].map(([, name]) => [name, { count: 1_000_000, period_seconds: 60 }]),
);

/** `startServer` with `OUT_OF_THE_WAY` under the test's own `vars`. */
export function startOpenServer({ vars = {}, ...options } = {}) {
  return startServer({ ...options, vars: overlaid(OUT_OF_THE_WAY, vars) });
}

/** An address that no other test has. */
export const newAddress = (who = "person") => `${who}.${randomBytes(6).toString("hex")}@example.com`;

/** The token in a mailed link. */
export const tokenOf = (mail) => new URL(mail.link).hash.slice(1);

/** A token as links have it for this account, with a secret that nobody was mailed. */
export const wrongLinkOf = ({ account }) => `psl_${Buffer.concat([Buffer.from([1]), Buffer.from(account, "hex"), Buffer.alloc(32, 9)]).toString("base64url")}`;

/** A code that is certainly not this one. */
export const otherThan = (code) => String((Number(code) + 1) % 10 ** code.length).padStart(code.length, "0");

/**
 * What is true of every answer of this Worker, refusals included.
 *
 * @returns {Promise<{ status: number, headers: Headers, body: any, text: string }>}
 */
export async function checked(response) {
  const { status, headers } = response;
  const text = await response.text();
  const requestId = headers.get("x-request-id");
  assert.match(requestId ?? "", /^[0-9a-f]{32}$/, `x-request-id of ${status} ${text}`);
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.ok(headers.get("cache-control"), "no cache-control");
  // Nothing comes with 304, and with the answer to HEAD.
  const body = text !== "" && /json/.test(headers.get("content-type") ?? "") ? JSON.parse(text) : undefined;
  if (status >= 400) {
    assert.equal(headers.get("content-type"), "application/problem+json", text);
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(body.status, status);
    assert.equal(body.request_id, requestId);
    assert.match(body.code, /^[a-z0-9_]+$/);
    assert.equal(body.type, `urn:postern:problem:${body.code}`);
    assert.ok(body.title.length > 0);
    for (const error of body.errors ?? []) assert.deepEqual(Object.keys(error).sort(), ["field", "rule"]);
  }
  return { status, headers, body, text };
}

/** A client at a network address of its own. */
export function client(server, address = "198.51.100.1") {
  const send = async (method, path, { body, bearer, headers = {} } = {}) =>
    checked(
      await server.fetch(path, {
        method,
        body: body === undefined ? undefined : JSON.stringify(body),
        headers: {
          "cf-connecting-ip": address,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
          ...headers,
        },
      }),
    );
  const post = (name, body, options) => send("POST", `${AUTH}/${name}`, { body, ...options });
  const mails = async (to) => (await send("GET", `/dev/mailbox?to=${encodeURIComponent(to)}`)).body;

  /** The mails to an address, once there are as many; newest first. */
  const untilMails = (to, count) =>
    until(`${count} mails to ${to}`, async () => {
      const found = await mails(to);
      return found.length >= count && found;
    }, 60);

  /** Asks for a mail and waits for it: the newest of that subject that was not there before. */
  const mailed = async (route, email, subject) => {
    const seen = new Set((await mails(email)).map(keyOf));
    const { status, text } = await post(route, { email });
    assert.equal(status, 202, text);
    return until(`${subject} for ${email}`, async () =>
      (await mails(email)).find((mail) => mail.subject === subject && !seen.has(keyOf(mail))), 60);
  };

  /** Signs up and waits for the mail: `{ registration, code }`. */
  const signUp = async (email, { name = "Ada", password } = {}) => {
    const before = new Set((await mails(email)).map(keyOf));
    const { status, body, text } = await post("signup", { email, name, ...(password === undefined ? {} : { password }) });
    assert.equal(status, 202, text);
    const found = await untilMails(email, before.size + 1);
    const mail = found.find((candidate) => !before.has(keyOf(candidate)));
    return { registration: body.registration, code: mail.code, mail };
  };

  return {
    send,
    post,
    mails,
    untilMails,
    mailed,
    signUp,
    verify: (body) => post("verify-signup", body),
    login: (email, password) => post("login", { email, password }),
    validate: (token, mode) => post("validate", { token, mode }),
    me: (bearer) => send("GET", `${AUTH}/me`, { bearer }),
    /** The same by the account's own word, and not by a copy of what it was a moment ago. */
    meNow: (bearer) => send("GET", `${AUTH}/me`, { bearer, headers: { "cache-control": "no-cache" } }),
    sessions: (bearer) => send("GET", `${AUTH}/sessions`, { bearer }),
    revokeSession: (bearer, id) => send("DELETE", `${AUTH}/sessions/${id}`, { bearer }),

    /** An account with this password, by the ordinary way: its tokens. */
    account: async (email, password = PASSWORD, name = "Ada") => {
      const { registration, code } = await signUp(email, { name, password });
      return granted(await post("verify-signup", { email, otp: code, registration }));
    },
  };
}

const keyOf = (mail) => `${mail.created_at} ${mail.text}`;

/** Tokens, in exactly the shape that is promised. */
export function granted({ status, body, text }) {
  assert.equal(status, 200, text);
  assert.deepEqual(Object.keys(body).sort(), ["access_token", "expires_in", "refresh_token", "token_type"]);
  assert.match(body.access_token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  assert.match(body.refresh_token, /^prt_[\w-]+$/);
  assert.equal(body.token_type, "Bearer");
  assert.ok(Number.isInteger(body.expires_in) && body.expires_in > 0);
  return body;
}

/** A refusal with this status and code. */
export function refused({ status, body, text }, expectedStatus, code) {
  assert.equal(`${status} ${body?.code}`, `${expectedStatus} ${code}`, text);
  return body;
}

/** What an answer shows to whoever compares answers: all but the request's id and time. */
export function observed({ status, headers, body }) {
  const { request_id: requestId, ...rest } = body;
  return { status, body: rest, headers: Object.fromEntries([...headers].filter(([name]) => name !== "x-request-id" && name !== "date")) };
}

/**
 * Fails unless two requests are answered alike, the operations on stores included.
 *
 * @param {object} server where both are asked
 * @param {() => Promise<any>} one for an address that has an account
 * @param {() => Promise<any>} other for one that has none
 */
export async function assertAlike(server, one, other) {
  const answers = [];
  for (const ask of [one, other]) {
    await untilQuiet(server);
    answers.push(observed(await ask()));
  }
  assert.match(answers[0].headers["x-postern-operations"], /^objects=[1-9]\d* d1=\d+ kv=0$/);
  assert.deepEqual(answers[1], answers[0]);
  return answers[0];
}

/** Runs a statement on the mailed codes and links of every intake shard. */
export async function onSecrets(server, ...sql) {
  for (let shard = 0; shard < 16; shard += 1) {
    const storage = await server.objectStorage("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
    if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = 'links'")).length > 0) await storage.exec(...sql);
  }
}

/** Lets the time pass that the next mail has to wait for the last one. */
export const cooled = (server) => onSecrets(server, "UPDATE links SET record = json_set(record, '$.secret.created_at', 0)");

/** How many accounts, users and credentials an address has in the directory. */
export async function accountsOf(server, email) {
  const { DIRECTORY } = await server.getEnv();
  const query =
    "SELECT i.account_id, c.version, c.password_hash FROM identifiers i JOIN users u ON u.account_id = i.account_id " +
    "JOIN credentials c ON c.account_id = i.account_id WHERE u.email = ?";
  return (await DIRECTORY.prepare(query).bind(email).all()).results;
}
