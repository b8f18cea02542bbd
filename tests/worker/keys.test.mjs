// The life of keys, on the built Worker: rotation with overlap, emergency revocation, the operator's routes, and the
// published key set. The clock cannot be moved, so the stored times are.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { calculateJwkThumbprint, createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";

import { AUTH, checked, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { ISSUER, until } from "./support/people.mjs";

const JWKS = "/.well-known/jwks.json";
const ADMIN = `${AUTH}/admin/keys`;
const TOKEN = randomBytes(32).toString("base64");
const DAY_MS = 86_400_000;

const withOperator = (vars = {}) =>
  startOpenServer({
    vars: { limits: { operator_per_source: { count: 0, period_seconds: 60 } }, ...vars },
    secrets: { POSTERN_OPERATOR_TOKEN: TOKEN },
  });

/** The operator, and a look at what is published. */
function operatorOf(server, token = TOKEN) {
  const { send } = client(server, "203.0.113.9");
  const order = (path, body, key) =>
    send("POST", `${ADMIN}/${path}`, { body, bearer: token, headers: key === undefined ? {} : { "idempotency-key": key } });
  return {
    keys: async (purpose = "signing") => {
      const { status, body, text } = await send("GET", ADMIN, { bearer: token });
      assert.equal(status, 200, text);
      return body.keys.filter((key) => key.purpose === purpose);
    },
    rotate: (purpose, key) => order("rotate", purpose === undefined ? undefined : { purpose }, key),
    revoke: (kid, key) => order(`${kid}/revoke`, undefined, key),
    published: async () => (await send("GET", JWKS)).body.keys,
  };
}

const kidOf = (token) => decodeProtectedHeader(token).kid;

/** What a verifier that has only the published keys says of a token. */
async function isGoodForJose(token, keys) {
  const options = { issuer: ISSUER, audience: ISSUER, typ: "at+jwt" };
  return jwtVerify(token, createLocalJWKSet({ keys }), options).then(
    () => true,
    () => false,
  );
}

/** Changes the stored row of a key. */
async function editKey(server, { purpose, id }, change) {
  const storage = await server.objectStorage("KEYRING", "v1/keyring");
  const key = `${purpose}/${String(id).padStart(10, "0")}`;
  const [{ record }] = await storage.exec("SELECT record FROM keys WHERE key = ?", key);
  await storage.exec("UPDATE keys SET record = ? WHERE key = ?", JSON.stringify(change(JSON.parse(record))), key);
}

/** Lets time pass for all keys of a purpose, and then the minute's work be done. */
async function letPass(server, operator, purpose, millis) {
  for (const key of await operator.keys(purpose)) {
    await editKey(server, key, (row) => {
      const [[name, times]] = Object.entries(row.state);
      const earlier = Object.entries(times).map(([member, value]) => [member, typeof value === "number" ? value - millis : value]);
      return { ...row, state: { [name]: Object.fromEntries(earlier) } };
    });
  }
  await server.scheduled();
}

const stateOf = (keys, kid) => keys.find((key) => key.kid === kid)?.state;

describe("a rotation", () => {
  let server;
  let operator;
  let person;
  before(async () => {
    server = await withOperator();
    operator = operatorOf(server);
    person = client(server);
  });
  after(() => server?.stop());

  test("publishes the next key a day before it signs, and lets the old one verify as long as its tokens live", async () => {
    const first = await person.account(newAddress());
    const [{ kid: old }] = await operator.keys();
    assert.equal(kidOf(first.access_token), old);

    const { status, body, text } = await operator.rotate();
    assert.equal(status, 200, text);
    assert.equal(body.started, true);
    const next = body.next.kid;
    const published = await operator.published();
    assert.deepEqual(published.map(({ kid }) => kid), [old, next].sort());
    for (const key of published) assert.equal(key.kid, await calculateJwkThumbprint(key));

    // Nothing before its time.
    await letPass(server, operator, "signing", DAY_MS - 60_000);
    let tokens = granted(await person.post("refresh", { refresh_token: first.refresh_token }));
    assert.equal(kidOf(tokens.access_token), old);

    await letPass(server, operator, "signing", 61_000);
    tokens = granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
    assert.equal(kidOf(tokens.access_token), next);
    for (const mode of ["jwt_only", "strict"]) {
      assert.equal((await person.validate(first.access_token, mode)).status, 200);
      assert.equal((await person.validate(tokens.access_token, mode)).status, 200);
    }
    // A verifier that read the keys before the rotation, and one that reads them now.
    for (const keys of [published, await operator.published()]) {
      for (const { access_token: token } of [first, tokens]) assert.equal(await isGoodForJose(token, keys), true);
    }

    // The longest life of a token, 1080 s with leeway and clocks, and the 600 s for which an isolate may sign on.
    await letPass(server, operator, "signing", 1_670_000);
    assert.equal((await operator.published()).length, 2);
    await letPass(server, operator, "signing", 11_000);
    assert.deepEqual((await operator.published()).map(({ kid }) => kid), [next]);
    const refusal = await person.validate(first.access_token, "jwt_only");
    refused(refusal, 401, "key_not_found");
    assert.equal(await isGoodForJose(first.access_token, await operator.published()), false);
    assert.equal((await person.validate(tokens.access_token, "strict")).status, 200);

    const storage = await server.objectStorage("KEYRING", "v1/keyring");
    const rows = (await storage.exec("SELECT record FROM keys WHERE key LIKE 'signing/%'")).map((row) => JSON.parse(row.record));
    assert.equal(rows.find((row) => row.kid === old).material, "", "the material of a removed key is still there");
    assert.equal(stateOf(await operator.keys(), old), "removed");
  });

  test("comes by itself when the key is old enough, and costs nobody a session", async () => {
    const tokens = await person.account(newAddress());
    const [{ kid: old }] = (await operator.keys()).filter(({ state }) => state === "active");
    await letPass(server, operator, "signing", 88 * DAY_MS);
    assert.equal((await operator.published()).length, 1);
    await letPass(server, operator, "signing", DAY_MS + 1_000);
    const keys = await operator.keys();
    const next = keys.find(({ state }) => state === "next").kid;
    assert.equal(stateOf(keys, old), "active");
    await letPass(server, operator, "signing", DAY_MS);
    const rotated = await operator.keys();
    assert.deepEqual([stateOf(rotated, old), stateOf(rotated, next)], ["retired", "active"]);
    const fresh = granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
    assert.equal(kidOf(fresh.access_token), next);
  });

  test("is one, however many are ordered at once", async () => {
    await letPass(server, operator, "signing", 2_000_000);
    const answers = await Promise.all(Array.from({ length: 12 }, () => operator.rotate()));
    for (const { status, text } of answers) assert.equal(status, 200, text);
    assert.equal(answers.filter(({ body }) => body.started).length, 1);
    assert.equal(new Set(answers.map(({ body }) => body.next.kid)).size, 1);
    assert.equal((await operator.keys()).filter(({ state }) => state === "next").length, 1);
    // The minute's work over and over changes nothing.
    const before = await operator.keys();
    await Promise.all(Array.from({ length: 5 }, () => server.scheduled()));
    assert.deepEqual(await operator.keys(), before);
  });

  test("of edge-tag keys leaves every refresh token good", async () => {
    const tokens = await person.account(newAddress());
    assert.equal((await operator.rotate("edge_tag")).body.started, true);
    await letPass(server, operator, "edge_tag", 661_000);
    const states = (await operator.keys("edge_tag")).map(({ state }) => state);
    assert.deepEqual(states, ["active", "retired"]);
    const edgeKeyOf = ({ refresh_token: token }) => Buffer.from(token.slice(4, -6), "base64url").readUInt32BE(1);
    assert.equal(edgeKeyOf(tokens), 1);
    const fresh = granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
    assert.equal(edgeKeyOf(fresh), 2);
    // A lost answer is answered again with the same bytes, under the same key.
    const again = granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
    assert.equal(again.refresh_token, fresh.refresh_token);
    granted(await person.post("refresh", { refresh_token: fresh.refresh_token }));
    // It is kept for as long as any session may last.
    await letPass(server, operator, "edge_tag", 364 * DAY_MS);
    assert.ok((await operator.keys("edge_tag")).some(({ id, state }) => id === 1 && state === "retired"));
  });

  test("of peppers leaves every password good and drops none", async () => {
    const email = newAddress();
    await person.account(email);
    assert.equal((await operator.rotate("pepper")).body.started, true);
    await letPass(server, operator, "pepper", 661_000);
    await letPass(server, operator, "pepper", 4_000 * DAY_MS);
    assert.deepEqual((await operator.keys("pepper")).map(({ state }) => state), ["active", "retired"]);
    const { DIRECTORY } = await server.getEnv();
    const hash = async () => {
      const query = "SELECT password_hash FROM credentials c JOIN users u ON u.account_id = c.account_id WHERE u.email = ?";
      return (await DIRECTORY.prepare(query).bind(email).first()).password_hash;
    };
    const before = await hash();
    granted(await person.login(email, "seven swift otters juggle"));
    await until("a hash under the new pepper", async () => (await hash()) !== before);
    granted(await person.login(email, "seven swift otters juggle"));
    refused(await person.login(email, "seven swift otters stumble"), 401, "invalid_credentials");
  });

  test("of the sharding key is not to be had", async () => {
    for (const purpose of ["sharding", "", "Signing", 7]) {
      refused(await operator.rotate(purpose), 400, "invalid_request");
    }
    assert.equal((await operator.keys("sharding")).length, 1);
  });

  test("is in the audit trail", async () => {
    const { DIRECTORY } = await server.getEnv();
    const events = async () => {
      const { results } = await DIRECTORY.prepare("SELECT event, detail FROM audit_events WHERE event LIKE 'key_%'").all();
      return results.map(({ event, detail }) => `${event}:${detail}`);
    };
    const [active] = (await operator.keys()).filter(({ state }) => state === "active");
    await until("the line", async () => (await events()).includes(`key_activated:signing ${active.kid}`), 60);
    await until("the line", async () => (await events()).includes("key_retired:edge_tag 1"), 60);
    const storage = await server.objectStorage("KEYRING", "v1/keyring");
    await until("an empty outbox", async () => (await storage.exec("SELECT id FROM outbox")).length === 0, 60);
  });
});

describe("an emergency", () => {
  let server;
  let operator;
  let person;
  before(async () => {
    server = await withOperator();
    operator = operatorOf(server);
    person = client(server);
  });
  after(() => server?.stop());

  test("takes a signing key away at once: its tokens are refused, sessions live on with a new one", async () => {
    const tokens = await person.account(newAddress());
    const stolen = kidOf(tokens.access_token);
    const next = (await operator.rotate()).body.next.kid;
    const { status, body, text } = await operator.revoke(stolen);
    assert.equal(status, 200, text);
    // What lay beside it may be stolen too.
    assert.deepEqual(body.revoked.map(({ kid }) => kid).sort(), [stolen, next].sort());
    assert.equal(body.active.state, "active");

    const published = await operator.published();
    assert.deepEqual(published.map(({ kid }) => kid), [body.active.kid]);
    for (const mode of ["jwt_only", "hybrid", "strict"]) {
      refused(await person.validate(tokens.access_token, mode), 401, "key_not_found");
    }
    refused(await person.me(tokens.access_token), 401, "key_not_found");
    assert.equal(await isGoodForJose(tokens.access_token, published), false);

    const fresh = granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
    assert.equal(kidOf(fresh.access_token), body.active.kid);
    assert.equal((await person.me(fresh.access_token)).status, 200);
    assert.equal(await isGoodForJose(fresh.access_token, published), true);

    const storage = await server.objectStorage("KEYRING", "v1/keyring");
    for (const { record } of await storage.exec("SELECT record FROM keys WHERE key LIKE 'signing/%'")) {
      const row = JSON.parse(record);
      assert.equal(row.material === "", [stolen, next].includes(row.kid), row.kid);
    }
    // Never back again, whatever the clock says.
    await letPass(server, operator, "signing", 80 * DAY_MS);
    assert.equal(stateOf(await operator.keys(), stolen), "revoked");
    assert.ok(!(await operator.published()).some(({ kid }) => kid === stolen));
  });

  test("is answered again without harm, by the same operation or another", async () => {
    const [active] = (await operator.keys()).filter(({ state }) => state === "active");
    const key = randomBytes(16).toString("hex");
    const answers = [];
    for (let n = 0; n < 3; n += 1) answers.push(await operator.revoke(active.kid, key));
    for (const answer of answers) assert.deepEqual(answer.body, answers[0].body);
    const again = await operator.revoke(active.kid);
    assert.deepEqual(again.body, { revoked: [], active: answers[0].body.active });
    assert.equal((await operator.published()).length, 1);
    refused(await operator.rotate("signing", key), 409, "idempotency_key_reused");
    refused(await operator.revoke(active.kid, "k".repeat(65)), 400, "invalid_request");
  });

  test("at many hands at once makes one new key", async () => {
    const [active] = (await operator.keys()).filter(({ state }) => state === "active");
    const answers = await Promise.all(Array.from({ length: 10 }, () => operator.revoke(active.kid)));
    assert.equal(new Set(answers.map(({ body }) => body.active.kid)).size, 1);
    assert.equal(answers.filter(({ body }) => body.revoked.length > 0).length, 1);
  });

  test("does not happen to a key that is not there", async () => {
    const before = await operator.published();
    for (const kid of ["unknown", "1", "A".repeat(43), "%2e%2e", "0000000001"]) {
      refused(await operator.revoke(kid), 404, "not_found");
    }
    // Keys of other purposes have no name that could be given.
    for (const purpose of ["edge_tag", "pepper", "sharding"]) {
      for (const key of await operator.keys(purpose)) assert.equal(key.kid, undefined);
    }
    assert.deepEqual(await operator.published(), before);
  });

  test("leaves a bounded trace, and ids that are never given again", async () => {
    const [{ id: highest }] = await operator.keys();
    for (let n = 0; n < 20; n += 1) {
      const [active] = (await operator.keys()).filter(({ state }) => state === "active");
      assert.equal((await operator.revoke(active.kid)).status, 200);
    }
    const keys = await operator.keys();
    assert.equal(keys.filter(({ state }) => state === "revoked").length, 16);
    assert.ok(keys[0].id >= highest + 20);
  });
});

describe("the published keys", () => {
  let server;
  let person;
  before(async () => {
    server = await startOpenServer();
    person = client(server);
  });
  after(() => server?.stop());

  for (const path of [JWKS, `${AUTH}/public-key`, `${AUTH}/permissions`]) {
    test(`${path} has a validator, a life, and readers of any origin`, async () => {
      const { status, headers, body } = await person.send("GET", path);
      assert.equal(status, 200);
      const etag = headers.get("etag");
      assert.match(etag, /^"[\w-]{32}"$/);
      assert.equal(headers.get("cache-control"), "public, max-age=300, stale-if-error=3600");
      assert.equal(headers.get("access-control-allow-origin"), "*");
      assert.ok(!headers.has("access-control-allow-credentials"));

      for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
        const unchanged = await person.send("GET", path, { headers: { "if-none-match": tags } });
        assert.deepEqual([unchanged.status, unchanged.text], [304, ""], tags);
        assert.equal(unchanged.headers.get("etag"), etag);
        assert.equal(unchanged.headers.get("cache-control"), headers.get("cache-control"));
      }
      for (const tags of ['"other"', etag.slice(1, -1), etag.slice(0, -2)]) {
        const changed = await person.send("GET", path, { headers: { "if-none-match": tags } });
        assert.deepEqual([changed.status, changed.body], [200, body], tags);
      }
      const head = await checked(await server.fetch(path, { method: "HEAD" }));
      assert.deepEqual([head.status, head.text, head.headers.get("etag")], [200, "", etag]);
    });
  }

  test("have another validator after a rotation", async () => {
    const other = await withOperator();
    try {
      const { send } = client(other);
      const etag = (await send("GET", JWKS)).headers.get("etag");
      await operatorOf(other).rotate();
      const { status, body } = await send("GET", JWKS, { headers: { "if-none-match": etag } });
      assert.equal(status, 200);
      assert.equal(body.keys.length, 2);
    } finally {
      await other.stop();
    }
  });

  test("are not cached for longer than the next key is known before it signs", async () => {
    const other = await startOpenServer({ vars: { keys: { publish_before_seconds: 60 } } });
    try {
      const { headers } = await client(other).send("GET", JWKS);
      assert.equal(headers.get("cache-control"), "public, max-age=30, stale-if-error=360");
    } finally {
      await other.stop();
    }
  });
});

describe("the operator", () => {
  const paths = [["GET", ADMIN], ["POST", `${ADMIN}/rotate`], ["POST", `${ADMIN}/kid/revoke`]];

  test("is not there without a token", async () => {
    const server = await startOpenServer();
    try {
      for (const [method, path] of paths) {
        refused(await client(server).send(method, path, { bearer: TOKEN }), 404, "not_found");
      }
    } finally {
      await server.stop();
    }
  });

  test("is whoever has the whole token, and nobody else", async () => {
    const server = await withOperator();
    try {
      const { send } = client(server);
      const account = await client(server).account(newAddress());
      const before = await operatorOf(server).keys();
      const wrong = [undefined, "x", TOKEN.slice(0, -1), TOKEN.slice(1), `${TOKEN}A`, TOKEN.toLowerCase(), randomBytes(32).toString("base64"), Buffer.from(TOKEN, "base64").toString("base64url"), account.access_token, account.refresh_token, "null", "undefined"];
      for (const [method, path] of paths) {
        for (const bearer of wrong) {
          const answer = await send(method, path, { bearer });
          refused(answer, 401, "operator_token_invalid");
          assert.equal(answer.headers.get("www-authenticate"), "Bearer");
        }
        for (const authorization of ["", "Bearer", "Bearer ", TOKEN, `Basic ${TOKEN}`, `Bearer: ${TOKEN}`, `Bearer\t${TOKEN}`]) {
          refused(await send(method, path, { headers: { authorization } }), 401, "operator_token_invalid");
        }
      }
      assert.deepEqual(await operatorOf(server).keys(), before);
      assert.ok(!JSON.stringify(server.logs()).includes(TOKEN));
    } finally {
      await server.stop();
    }
  });

  const weak = {
    empty: "",
    short: randomBytes(31).toString("base64"),
    zeros: Buffer.alloc(32).toString("base64"),
    "a run": Buffer.from(Array.from({ length: 48 }, (_, n) => n)).toString("base64"),
    words: Buffer.from("please-change-me-before-production!!").toString("base64"),
    "no base64": "correct horse battery staple, thirty-two",
  };
  test("is refused with a token that could be guessed", async () => {
    for (const [what, token] of Object.entries(weak)) {
      const server = await startOpenServer({ secrets: { POSTERN_OPERATOR_TOKEN: token } });
      try {
        for (const bearer of [token, TOKEN]) {
          refused(await client(server).send("GET", ADMIN, { bearer: bearer || undefined }), 503, "misconfigured");
        }
        assert.equal((await client(server).send("GET", JWKS)).status, 200, what);
      } finally {
        await server.stop();
      }
    }
  });

  test("is limited by source before the token is looked at", async () => {
    const server = await startOpenServer({
      vars: { limits: { operator_per_source: { count: 3, period_seconds: 600 } } },
      secrets: { POSTERN_OPERATOR_TOKEN: TOKEN },
    });
    try {
      const { send } = client(server, "203.0.113.77");
      for (let n = 0; n < 3; n += 1) refused(await send("GET", ADMIN, { bearer: "guess" }), 401, "operator_token_invalid");
      refused(await send("GET", ADMIN, { bearer: TOKEN }), 429, "rate_limited");
      assert.equal((await client(server, "203.0.113.78").send("GET", ADMIN, { bearer: TOKEN })).status, 200);
    } finally {
      await server.stop();
    }
  });
});
