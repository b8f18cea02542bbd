// What answers say of limits, that they say nothing of accounts, and what becomes of requests while nobody can say.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, client, newAddress, otherThan, refused, startOpenServer } from "./support/accounts.mjs";
import { codeOf, enrol } from "./support/authenticator.mjs";

const HOUR = 3_600;
const of = (count, period_seconds = HOUR) => ({ count, period_seconds });
const newSource = () => `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`;

/** A list of structured fields: name → parameters. */
function list(text) {
  const members = (text ?? "").split(", ").filter(Boolean).map((member) => {
    const [, name, parameters] = /^"([a-z0-9_]+)"((?:;[a-z]+=\d+)+)$/.exec(member) ?? assert.fail(`no member: ${member}`);
    return [name, Object.fromEntries(parameters.slice(1).split(";").map((pair) => [pair.split("=")[0], Number(pair.split("=")[1])]))];
  });
  assert.equal(new Set(members.map(([name]) => name)).size, members.length, text);
  return new Map(members);
}

/** What an answer says: name → { q, w, r, t }. */
function told({ headers, status, body }) {
  const [policies, levels] = [list(headers.get("ratelimit-policy")), list(headers.get("ratelimit"))];
  assert.deepEqual([...levels.keys()], [...policies.keys()]);
  const limits = Object.fromEntries([...policies].map(([name, policy]) => [name, { ...policy, ...levels.get(name) }]));
  for (const { q, r } of Object.values(limits)) assert.ok(r <= q);
  if (status === 429) {
    const wait = Number(headers.get("retry-after"));
    assert.ok(Number.isInteger(wait) && wait >= 1 && body.retry_after_seconds === wait, headers.get("retry-after"));
    assert.ok(Object.values(limits).some(({ r, t }) => r === 0 && t === wait), JSON.stringify(limits));
  }
  return limits;
}

/** The one limit that has refused. */
function refuser(answer) {
  refused(answer, 429, "rate_limited");
  const reached = Object.entries(told(answer)).filter(([, { r }]) => r === 0);
  assert.equal(reached.length, 1, JSON.stringify(reached));
  return reached[0][0];
}

describe("answers say of limits", () => {
  let server;
  before(async () => {
    server = await startOpenServer({
      vars: {
        registration: { usernames: "optional" },
        lockout: { per_source_failures: 4, per_identifier_failures: 50 },
        sessions: { refresh_limit: of(2) },
        codes: { resend_after_seconds: 0 },
        limits: {
          login_per_source: of(50), login_per_pair: of(6), code_per_identifier: of(2), reset_per_source: of(2), code_per_source: of(40), totp_per_source: of(9),
          backup_code_per_source: of(1), username_check_per_source: of(3, HOUR), profile_per_account: of(5), sign_up_per_identifier: of(3), refresh_per_source: of(90),
        },
      },
    });
  });
  after(() => server?.stop());
  const from = (source = newSource()) => client(server, source);

  test("what is left of the source's and the pair's, whoever was asked about", async () => {
    const [known, unknown] = [newAddress(), newAddress()];
    await from().account(known);
    const seen = [];
    for (const email of [known, unknown]) {
      const guesser = from();
      const answer = await guesser.login(email, "not the password");
      refused(answer, 401, "invalid_credentials");
      seen.push([answer.headers.get("ratelimit-policy"), answer.headers.get("ratelimit")]);
    }
    assert.deepEqual(seen[0], ['"login_per_source";q=50;w=3600, "login_per_pair";q=6;w=3600', '"login_per_source";r=49;t=72, "login_per_pair";r=5;t=600']);
    assert.deepEqual(seen[1], seen[0]);
    // Answers that met none say nothing.
    for (const path of ["/health", "/.well-known/jwks.json"]) assert.deepEqual(told(await from().send("GET", path)), {});
  });

  test("a refusal names its limit, and takes nothing from the others", async () => {
    const email = newAddress();
    await from().account(email);
    const person = from();
    // The lockout refuses the last two, which count all the same.
    for (let login = 0; login < 6; login += 1) assert.equal(told(await person.login(email, "x")).login_per_pair.r, 5 - login);
    for (let again = 0; again < 3; again += 1) {
      const answer = await person.login(email, PASSWORD);
      assert.equal(refuser(answer), "login_per_pair");
      assert.equal(told(answer).login_per_source.r, 44);
    }
    assert.equal(told(await person.login(newAddress(), "x")).login_per_source.r, 43);
  });

  test("the lockout, a session's refreshes and the profile have names of their own", async () => {
    const email = newAddress();
    const { refresh_token, access_token: bearer } = await from().account(email);
    const guesser = from();
    for (let failure = 0; failure < 4; failure += 1) refused(await guesser.login(email, "x"), 401, "invalid_credentials");
    const locked = await guesser.login(email, PASSWORD);
    assert.equal(refuser(locked), "lockout");
    assert.deepEqual([told(locked).lockout.q, told(locked).lockout.w], [4, 900]);

    let token = refresh_token;
    const owner = from();
    for (let refresh = 0; refresh < 2; refresh += 1) {
      token = (await owner.post("refresh", { refresh_token: token })).body.refresh_token;
      await ageSessions(server, bearer);
    }
    assert.equal(refuser(await owner.post("refresh", { refresh_token: token })), "refresh_limit");

    for (let asked = 0; asked < 5; asked += 1) assert.equal(told(await owner.me(bearer)).profile_per_account.r, 4 - asked);
    assert.equal(refuser(await owner.sessions(bearer)), "profile_per_account");
  });

  test("what others have asked about somebody is told to nobody but whoever it refuses", async () => {
    const email = newAddress();
    for (let asked = 0; asked < 2; asked += 1) {
      const answer = await from().post("request-otp", { email });
      assert.deepEqual([answer.status, Object.keys(told(answer))], [202, ["code_per_source"]]);
    }
    const answer = await from().post("request-otp", { email });
    assert.equal(refuser(answer), "code_per_identifier");
    assert.equal(told(answer).code_per_source.r, 39);
    const address = newAddress();
    for (let asked = 0; asked < 3; asked += 1) assert.equal((await from().post("signup", { email: address, name: "Ada" })).status, 202);
    assert.equal(refuser(await from().post("signup", { email: address, name: "Ada" })), "sign_up_per_identifier");
  });

  test("resets have a limit of their own, beside that of other mails", async () => {
    const person = from();
    for (let asked = 0; asked < 2; asked += 1) assert.equal((await person.post("request-password-reset", { email: newAddress() })).status, 202);
    assert.equal(refuser(await person.post("request-password-reset", { email: newAddress() })), "reset_per_source");
    assert.equal((await person.post("request-otp", { email: newAddress() })).status, 202);
  });

  test("codes of an authenticator and backup codes have limits of their own, and a pause", async () => {
    const email = newAddress();
    const owner = from();
    const { secret, codes } = await enrol(owner, await owner.account(email), PASSWORD);
    const challenge = async () => (await from().login(email, PASSWORD)).body.challenge;
    const first = await challenge();
    const backup = await owner.post("2fa/verify", { challenge: first, backup_code: codes[0] });
    assert.deepEqual([backup.status, told(backup).backup_code_per_source.r], [200, 0]);
    assert.equal(refuser(await owner.post("2fa/verify", { challenge: await challenge(), backup_code: codes[1] })), "backup_code_per_source");
    // The authenticator's are not touched by that, but for the one that confirmed it.
    const guesser = from();
    const waiting = await challenge();
    for (let guess = 0; guess < 5; guess += 1) {
      const answer = await guesser.post("2fa/verify", { challenge: waiting, code: otherThan(codeOf(secret, 5)) });
      assert.deepEqual([answer.status, told(answer).totp_per_source.r], [400, 8 - guess]);
    }
    const paused = await guesser.post("2fa/verify", { challenge: await challenge(), code: codeOf(secret) });
    assert.equal(refuser(paused), "second_factor_pause");
    assert.deepEqual([told(paused).second_factor_pause.q, told(paused).second_factor_pause.w], [5, 600]);
    for (let guess = 0; guess < 3; guess += 1) await guesser.post("2fa/verify", { challenge: waiting, code: "000000" });
    assert.equal(refuser(await guesser.post("2fa/verify", { challenge: waiting, code: "000000" })), "totp_per_source");
  });

  test("a burst at the turn of a window is no two bursts", async () => {
    const source = newSource();
    const ask = () => client(server, source).send("GET", `${AUTH}/username-available?username=somebody`);
    const burst = async () => (await Promise.all(Array.from({ length: 6 }, ask))).filter(({ status }) => status === 200).length;
    const before = await levels(server);
    assert.equal(await burst(), 3);
    const bucket = (await levels(server)).find(({ key }) => !before.some((other) => other.key === key));
    /** Lets time pass for this bucket. */
    const pass = (seconds) => bucket.storage.exec("UPDATE buckets SET record = CAST(CAST(record AS INTEGER) - CAST(? AS INTEGER) AS TEXT) WHERE key = ?", seconds * 1_000_000, bucket.key);
    // An hour's three were taken at its end; the next hour begins a second later.
    await pass(1);
    assert.equal(await burst(), 0);
    // One comes back with each third of an hour, however many ask.
    await pass(HOUR / 3);
    assert.equal(await burst(), 1);
    await pass(HOUR / 3 - 60);
    assert.equal(await burst(), 0);
    await pass(HOUR);
    assert.equal(await burst(), 3);
  });
});

/** Lets the grace of a refresh pass, after which the next one advances. */
async function ageSessions(server, bearer) {
  const { sub } = JSON.parse(Buffer.from(bearer.split(".")[1], "base64url").toString());
  const storage = await server.objectStorage("ACCOUNT", sub);
  await storage.exec("UPDATE sessions SET record = json_set(record, '$.rotated_at', json_extract(record, '$.rotated_at') - 60000)");
}

/** All buckets of all limiter shards. */
async function levels(server) {
  const found = [];
  for (let shard = 0; shard < 16; shard += 1) {
    const storage = await server.objectStorage("LIMITER", `v1/limiter/${String(shard).padStart(2, "0")}`);
    if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = 'buckets'")).length === 0) continue;
    for (const { key } of await storage.exec("SELECT key FROM buckets")) found.push({ key, storage });
  }
  return found;
}

test("while the limiter does not answer, what guards secrets refuses, and the rest goes on", async () => {
  const classes = { ACCOUNT: "AccountObject", INTAKE: "IntakeObject", KEYRING: "KeyringObject", REVOCATION: "RevocationObject" };
  // Another object in its place, which does not know its questions.
  const bindings = Object.entries({ ...classes, LIMITER: "RevocationObject" }).map(([name, class_name]) => ({ name, class_name }));
  const admit = { ...of(1_000), when_unavailable: "admit" };
  const names = ["code_per_source", "reset_per_source", "refresh_per_source", "username_check_per_source", "logout_per_source", "profile_per_account", "totp_per_source", "backup_code_per_source", "login_per_pair"];
  const server = await startOpenServer({
    bindings: { durable_objects: { bindings } },
    vars: {
      registration: { usernames: "optional" },
      limits: { ...Object.fromEntries(names.map((name) => [name, of(1_000)])), sign_up_per_source: admit, verify_per_source: admit, login_per_source: admit },
    },
  });
  try {
    const one = client(server);
    const email = newAddress();
    // Two that are set to let requests through.
    const { access_token: bearer, refresh_token } = await one.account(email);
    for (const [route, body] of [
      // One of its two limits refuses.
      ["login", { email, password: PASSWORD }],
      ["refresh", { refresh_token }],
      ["request-otp", { email }],
      ["request-password-reset", { email }],
      ["2fa/verify", { challenge: "x", code: "000000" }],
      ["2fa/verify", { challenge: "x", backup_code: "aaaaa-aaaaa" }],
    ]) {
      const answer = await one.post(route, body);
      refused(answer, 503, "unavailable");
      assert.deepEqual(told(answer), {});
    }
    const name = await one.send("GET", `${AUTH}/username-available?username=somebody`);
    assert.deepEqual([name.status, told(name)], [200, {}]);
    assert.equal((await one.me(bearer)).status, 200);
    assert.deepEqual((await one.post("logout", { refresh_token })).body, { success: true });
    refused(await one.validate(bearer, "strict"), 401, "session_revoked");
  } finally {
    await server.stop();
  }
});
