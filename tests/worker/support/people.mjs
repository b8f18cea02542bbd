// People who use the service, as the end-to-end tests play them: they sign up, log in, refresh, and read their
// mail. Also a look behind the scenes: what the objects have stored, and tokens made by hand.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { crc32 } from "node:zlib";

export const PASSWORD = "seven swift otters juggle";
export const ISSUER = "http://localhost:8787";
const API = "/api/v1/auth";
const UNLIMITED = { count: 0, period_seconds: 60 };

/**
 * Configuration under which only the subject of a test can refuse it: cheap hashes, no limits.
 *
 * @param {object} [sessions] members of the section `sessions`
 * @param {object} [rest] other sections, replacing those given here
 */
export function relaxed(sessions = {}, rest = {}) {
  const limits = ["sign_up_per_source", "sign_up_per_identifier", "verify_per_source", "verify_per_account", "code_per_source", "code_per_identifier", "sms_per_source", "sms_per_identifier", "login_per_source", "login_per_pair", "refresh_per_source", "logout_per_source", "profile_per_account", "organization_per_account", "reset_per_source", "totp_per_source", "backup_code_per_source"];
  return {
    passwords: { memory_kib: 64, iterations: 1 },
    // Attempts count as failed until they have succeeded, so many logins at once look like guessing.
    lockout: { per_source_failures: 100, per_identifier_failures: 100 },
    limits: Object.fromEntries(limits.map((name) => [name, UNLIMITED])),
    sessions: { max_per_account: 0, refresh_limit: UNLIMITED, ...sessions },
    // People here change their devices as it suits the test, and mails are counted.
    mail: { new_device: false },
    // What is put into KV is to be seen at once.
    validation: { shard_copy_seconds: 0 },
    ...rest,
  };
}

/** Waits; not at all for a moment that has passed. */
export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, Math.max(milliseconds, 0)));

/** Asks again until `probe` returns something; fails with `what` when it never does. */
export async function until(what, probe, seconds = 15) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await probe();
    if (found) return found;
    assert.ok(Date.now() < deadline, `did not happen within ${seconds} s: ${what}`);
    await sleep(50);
  }
}

/** What follows an answer follows it at once; only a shard of marks waits, so that a key is written once a second. */
const QUIET_MILLISECONDS = 1_100;

/**
 * Waits until the Worker asks nothing more of its stores: operations are counted per isolate, so those that an
 * earlier request has left behind would be counted with the next.
 *
 * @returns {Promise<{ answer: object, total: object }>} what the last request has asked, until its answer and since
 */
export async function untilQuiet(server, milliseconds = QUIET_MILLISECONDS) {
  const operations = async () => (await server.fetch("/dev/operations")).json();
  let last = await operations();
  for (let quietSince = Date.now(); Date.now() - quietSince < milliseconds; await sleep(50)) {
    const now = await operations();
    if (JSON.stringify(now) !== JSON.stringify(last)) quietSince = Date.now();
    last = now;
  }
  return last;
}

/**
 * One request to the API.
 *
 * @returns {Promise<{ status: number, headers: Headers, body: any, code?: string }>} `code` of a problem
 */
export async function request(server, method, path, { body, bearer, headers = {}, signal } = {}) {
  const init = { method, headers: { ...headers }, signal };
  if (bearer !== undefined) init.headers.authorization = `Bearer ${bearer}`;
  if (body !== undefined) {
    init.headers["content-type"] = "application/json";
    init.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  const response = await server.fetch(path, init);
  const text = await response.text();
  const parsed = text === "" ? undefined : JSON.parse(text);
  return { status: response.status, headers: response.headers, body: parsed, code: parsed?.code };
}

/** POST of a JSON body to `/api/v1/auth/…`. */
export const post = (server, route, body, options = {}) => request(server, "POST", `${API}/${route}`, { body, ...options });
export const get = (server, route, options = {}) => request(server, "GET", `${API}/${route}`, options);
export const remove = (server, route, options = {}) => request(server, "DELETE", `${API}/${route}`, options);

/** Fails unless the answer is a problem document of this status and code. */
export function refused(answer, status, code) {
  assert.deepEqual([answer.status, answer.code], [status, code], JSON.stringify(answer.body));
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  assert.equal(answer.body.status, status);
}

/** The claims of an access token, unverified. */
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

/** The tokens of a successful answer, with the account and session they are about. */
export function tokensOf(answer) {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual(Object.keys(answer.body).sort(), ["access_token", "expires_in", "refresh_token", "token_type"]);
  const { access_token: access, refresh_token: refresh } = answer.body;
  const { sub: account, sid: session } = claimsOf(access);
  return { access, refresh, account, session };
}

/** All mails to an address, newest first. */
export async function mails(server, address) {
  const answer = await request(server, "GET", `/dev/mailbox?to=${encodeURIComponent(address)}`);
  assert.equal(answer.status, 200);
  return answer.body;
}

/** The newest mail to an address, perhaps with that subject; waits until there is one. */
export const mailTo = (server, address, subject) =>
  until(`mail to ${address}`, async () => {
    const found = await mails(server, address);
    return found.find((mail) => subject === undefined || mail.subject === subject);
  });

let people = 0;

/** Somebody with an account and a first session. */
export async function signUp(server, { email = `person${(people += 1)}@example.com`, name = "Ada", password = PASSWORD, headers } = {}) {
  const accepted = await post(server, "signup", { email, name, password }, { headers });
  assert.equal(accepted.status, 202, JSON.stringify(accepted.body));
  const { registration } = accepted.body;
  const { code } = await mailTo(server, email);
  const verified = await post(server, "verify-signup", { email, otp: code, registration }, { headers });
  return { email, password, ...tokensOf(verified) };
}

/** Another session of the same person. */
export async function logIn(server, { email, password }, options = {}) {
  return { email, password, ...tokensOf(await post(server, "login", { email, password }, options)) };
}

export const refresh = (server, token, options) => post(server, "refresh", { refresh_token: token }, options);

/** Asks whether an access token is good. */
export const validate = (server, token, mode, more = {}) => post(server, "validate", { token, mode, ...more });

/** Fails unless the modes answer as expected: `true` for good, otherwise the code of the refusal. */
export async function expectModes(server, token, expected) {
  for (const [mode, verdict] of Object.entries(expected)) {
    const answer = await validate(server, token, mode);
    if (verdict === true) assert.equal(answer.status, 200, `${mode}: ${JSON.stringify(answer.body)}`);
    else refused(answer, 401, verdict);
  }
}

/** The stored record of a session, or `undefined`. */
export async function storedSession(server, { account, session }) {
  const storage = await server.objectStorage("ACCOUNT", account);
  const [row] = await storage.exec("SELECT record FROM sessions WHERE key = ?", session);
  return row && JSON.parse(row.record);
}

export async function storedAccount(server, { account }) {
  const storage = await server.objectStorage("ACCOUNT", account);
  const [row] = await storage.exec("SELECT record FROM account WHERE key = 'account'");
  return JSON.parse(row.record);
}

/** Changes the stored record of a session behind the object's back. */
export async function editSession(server, person, change) {
  const record = { ...(await storedSession(server, person)), ...change };
  const storage = await server.objectStorage("ACCOUNT", person.account);
  await storage.exec("UPDATE sessions SET record = ? WHERE key = ?", JSON.stringify(record), person.session);
}

export async function editAccount(server, person, change) {
  const record = { ...(await storedAccount(server, person)), ...change };
  const storage = await server.objectStorage("ACCOUNT", person.account);
  await storage.exec("UPDATE account SET record = ? WHERE key = 'account'", JSON.stringify(record));
}

/** Lets time pass for a session: its last rotation was that much earlier. */
export async function age(server, person, seconds) {
  const { rotated_at } = await storedSession(server, person);
  await editSession(server, person, { rotated_at: rotated_at - seconds * 1000 });
}

/** Waits until the account's outbox has nothing left to deliver. */
export const settled = (server, { account }) =>
  until("the outbox is empty", async () => {
    const storage = await server.objectStorage("ACCOUNT", account);
    const [{ left }] = await storage.exec("SELECT COUNT(*) AS left FROM outbox");
    return left === 0;
  }, 60);

/** The audit trail of an account once it is complete: `event` or `event:detail`, sorted, perhaps of one session. */
export async function audited(server, person, session) {
  await settled(server, person);
  const { DIRECTORY } = await server.getEnv();
  const { results } = await DIRECTORY.prepare("SELECT event, detail, session_id FROM audit_events WHERE account_id = ?").bind(person.account).all();
  return results
    .filter((row) => session === undefined || row.session_id === session)
    .map((row) => (row.detail === null ? row.event : `${row.event}:${row.detail}`))
    .sort();
}

/** The current edge key of a deployment, from the keyring's own storage. */
export async function edgeKey(server) {
  const storage = await server.objectStorage("KEYRING", "v1/keyring");
  const rows = await storage.exec("SELECT record FROM keys");
  const keys = rows.map((row) => JSON.parse(row.record)).filter((key) => key.purpose === "edge_tag");
  const { id, material } = keys.sort((a, b) => b.id - a.id)[0];
  return { id, key: Buffer.from(material, "base64url") };
}

const FIELDS = { version: [0, 1], edgeKeyId: [1, 5], account: [5, 21], session: [21, 37], generation: [37, 41], innerTag: [41, 57], edgeTag: [57, 73] };

/** Where each field of a refresh token is in its bytes. */
export const refreshTokenFields = Object.entries(FIELDS);

/** The bytes of a refresh token. */
export const refreshTokenBytes = (token) => Buffer.from(token.slice(4, -6), "base64url");

/** A refresh token of these bytes, with the checksum that belongs to them. */
export function refreshTokenText(bytes) {
  const summed = `prt_${Buffer.from(bytes).toString("base64url")}`;
  let rest = crc32(summed);
  let digits = "";
  for (let place = 0; place < 6; place += 1) {
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return summed + digits;
}

/** A refresh token made with the keys themselves, as only somebody could who has read every store. */
export function mintRefreshToken({ account, session, generation, sessionKey, edge, issuer = ISSUER }) {
  const number = (value, bytes) => Buffer.from(value.toString(16).padStart(bytes * 2, "0"), "hex");
  const tag = (key, ...parts) => createHmac("sha256", key).update(Buffer.concat(parts)).digest().subarray(0, 16);
  const [accountBytes, sessionBytes] = [account, session].map((id) => Buffer.from(id, "hex"));
  const inner = tag(sessionKey, Buffer.from("postern refresh token inner tag v1"), accountBytes, sessionBytes, number(generation, 4));
  const covered = Buffer.concat([number(1, 1), number(edge.id, 4), accountBytes, sessionBytes, number(generation, 4), inner]);
  const outer = tag(edge.key, Buffer.from("postern refresh token edge tag v1"), number(issuer.length, 8), Buffer.from(issuer), covered);
  return refreshTokenText(Buffer.concat([covered, outer]));
}
