// Access tokens signed with each algorithm that the keyring makes keys for, checked by `jose`; changes of the algorithm
// while sessions refresh; and tokens forged by confusing one algorithm with another.

import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { calculateJwkThumbprint, createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";

import { AUTH, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { ISSUER, relaxed, until } from "./support/people.mjs";
import { startPersistentServer } from "./support/server.mjs";

const JWKS = "/.well-known/jwks.json";
const ADMIN = `${AUTH}/admin/keys`;
const OPERATOR = randomBytes(32).toString("base64");
const ROOT_KEY = randomBytes(32).toString("base64");
const MODES = ["jwt_only", "hybrid", "strict"];

const start = (algorithm, { keys, secrets } = {}) =>
  startOpenServer({
    vars: { tokens: algorithm === undefined ? {} : { algorithm }, ...(keys === undefined ? {} : { keys }) },
    secrets: { POSTERN_OPERATOR_TOKEN: OPERATOR, ...secrets },
  });

const headerOf = (token) => decodeProtectedHeader(token);
const published = async (person) => (await person.send("GET", JWKS)).body.keys;
const stored = async (server) => {
  const storage = await server.objectStorage("KEYRING", "v1/keyring");
  return (await storage.exec("SELECT record FROM keys WHERE key LIKE 'signing/%'")).map(({ record }) => JSON.parse(record));
};
const checkedByJose = (token, keys) =>
  jwtVerify(token, createLocalJWKSet({ keys }), { issuer: ISSUER, audience: ISSUER, typ: "at+jwt" });

/** A token of the claims of another, with this header, signed by HMAC under these bytes. */
function forged(token, header, secret) {
  const encoded = Buffer.from(JSON.stringify(header)).toString("base64url");
  const input = `${encoded}.${token.split(".")[1]}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

describe("a key of the keyring's own", () => {
  for (const [alg, kty] of [["ES256", "EC"], ["RS256", "RSA"]]) {
    test(`signs ${alg}, stored sealed, and jose can check it`, async () => {
      const server = await start(alg, { secrets: { POSTERN_ROOT_KEY: ROOT_KEY } });
      try {
        const person = client(server);
        // Two first requests agree on the key.
        const [keys, again] = await Promise.all([published(person), published(person)]);
        assert.deepEqual(keys, again);
        assert.equal(keys.length, 1);
        assert.deepEqual([keys[0].kty, keys[0].alg, keys[0].use], [kty, alg, "sig"]);
        assert.equal(keys[0].kid, await calculateJwkThumbprint(keys[0]));
        assert.ok(!("d" in keys[0]));

        const tokens = await person.account(newAddress());
        const { protectedHeader } = await checkedByJose(tokens.access_token, keys);
        assert.deepEqual(protectedHeader, { alg, typ: "at+jwt", kid: keys[0].kid });
        for (const mode of MODES) assert.equal((await person.validate(tokens.access_token, mode)).status, 200);
        const fresh = granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
        await checkedByJose(fresh.access_token, keys);
        const { body } = await person.send("GET", `${AUTH}/public-key`);
        assert.equal(body.key_type, kty);
        assert.equal(body.jwk.kid, keys[0].kid);

        const rows = await stored(server);
        assert.equal(rows.length, 1);
        assert.equal(rows[0].sealed, true);
        // PKCS#8 in the clear begins with a sequence of a known length.
        assert.notEqual(Buffer.from(rows[0].material, "base64url")[0], 0x30);
      } finally {
        await server.stop();
      }
    });

    test(`of ${alg} is exchanged at once when it was stolen`, async () => {
      const server = await start(alg);
      try {
        const person = client(server);
        const tokens = await person.account(newAddress());
        const { kid } = headerOf(tokens.access_token);
        const revoked = await person.send("POST", `${ADMIN}/${kid}/revoke`, { bearer: OPERATOR });
        assert.equal(revoked.status, 200, revoked.text);
        assert.deepEqual(revoked.body.revoked.map((key) => key.kid), [kid]);
        refused(await person.validate(tokens.access_token, "jwt_only"), 401, "key_not_found");
        const fresh = granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
        assert.deepEqual([headerOf(fresh.access_token).alg, headerOf(fresh.access_token).kid], [alg, revoked.body.active.kid]);
        await checkedByJose(fresh.access_token, await published(person));
        const [row] = (await stored(server)).filter((one) => one.kid === kid);
        assert.equal(row.material, "");
      } finally {
        await server.stop();
      }
    });
  }

  test("of HS256 is published nowhere, and checked by validate", async () => {
    const server = await start("HS256");
    try {
      const person = client(server);
      const tokens = await person.account(newAddress());
      const { alg, kid } = headerOf(tokens.access_token);
      assert.equal(alg, "HS256");
      assert.deepEqual(await published(person), []);
      refused(await person.send("GET", `${AUTH}/public-key`), 404, "not_found");
      for (const mode of MODES) assert.equal((await person.validate(tokens.access_token, mode)).status, 200);
      const [row] = await stored(server);
      const secret = Buffer.from(row.material, "base64url");
      assert.equal(secret.length, 32);
      await jwtVerify(tokens.access_token, secret, { issuer: ISSUER, typ: "at+jwt" });

      // The operator sees its name, which says nothing of it.
      const { body } = await person.send("GET", ADMIN, { bearer: OPERATOR });
      const view = body.keys.find((key) => key.purpose === "signing");
      assert.deepEqual([view.kid, view.kind, view.state], [kid, "secret", "active"]);
      assert.notEqual(kid, await calculateJwkThumbprint({ kty: "oct", k: secret.toString("base64url") }));

      // Nobody else's secret, and no weaker algorithm.
      for (const guess of [randomBytes(32), Buffer.alloc(32), Buffer.alloc(0), Buffer.from(kid)]) {
        refused(await person.validate(forged(tokens.access_token, { alg: "HS256", typ: "at+jwt", kid }, guess), "jwt_only"), 401, "signature_invalid");
      }
      const none = `${Buffer.from(JSON.stringify({ alg: "none", typ: "at+jwt", kid })).toString("base64url")}.${tokens.access_token.split(".")[1]}.`;
      assert.equal((await person.validate(none, "jwt_only")).status, 401);
    } finally {
      await server.stop();
    }
  });
});

describe("another algorithm in the configuration", () => {
  test("begins a rotation, there and back, and ends no session and no token", async () => {
    let persistTo;
    let server;
    let person;
    const keys = { publish_before_seconds: 1, rotate_after_seconds: 0 };
    const restart = async (algorithm) => {
      await server?.kill();
      server = await startPersistentServer({ persistTo, vars: relaxed({}, { keys, tokens: { algorithm } }) });
      persistTo = server.persistTo;
      person = client(server);
    };
    try {
      await restart("EdDSA");
      const seen = [];
      let tokens = await person.account(newAddress());
      const refresh = async () => {
        tokens = granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
        return headerOf(tokens.access_token).alg;
      };
      assert.equal(headerOf(tokens.access_token).alg, "EdDSA");
      seen.push(tokens.access_token);
      for (const [alg, before] of [["ES256", "EdDSA"], ["RS256", "ES256"], ["HS256", "RS256"], ["EdDSA", "HS256"]]) {
        await restart(alg);
        // Nothing is signed with a key that nobody could learn of.
        assert.equal(await refresh(), before);
        await until(`${alg} signs`, async () => {
          await server.scheduled();
          return (await refresh()) === alg;
        });
        seen.push(tokens.access_token);
        assert.equal(new Set(seen.map((token) => headerOf(token).kid)).size, seen.length);
        for (const token of seen) {
          for (const mode of MODES) assert.equal((await person.validate(token, mode)).status, 200, `${headerOf(token).alg} beside ${alg}`);
        }
        const known = await published(person);
        for (const token of seen.filter((one) => headerOf(one).alg !== "HS256")) await checkedByJose(token, known);
      }
    } finally {
      await server?.stop();
      if (persistTo !== undefined) rmSync(persistTo, { recursive: true, force: true });
    }
  });
});

describe("a public key", () => {
  for (const alg of ["RS256", "ES256", undefined]) {
    test(`of ${alg ?? "EdDSA"} is no secret to sign HS256 with`, async () => {
      const server = await start(alg);
      try {
        const person = client(server);
        const tokens = await person.account(newAddress());
        const { kid } = headerOf(tokens.access_token);
        const { body } = await person.send("GET", `${AUTH}/public-key`);
        const der = Buffer.from(body.public_key.split("\n").slice(1, -2).join(""), "base64");
        const secrets = [body.public_key, body.public_key.trim(), der, JSON.stringify(body.jwk), body.jwk.n ?? body.jwk.x];
        for (const secret of secrets) {
          for (const header of [{ alg: "HS256", typ: "at+jwt", kid }, { alg: "HS256", typ: "at+jwt" }]) {
            for (const mode of MODES) {
              refused(await person.validate(forged(tokens.access_token, header, secret), mode), 401, "algorithm_not_allowed");
            }
          }
        }
        assert.equal((await person.validate(tokens.access_token, "strict")).status, 200);
      } finally {
        await server.stop();
      }
    });
  }
});

describe("an edge-tag key", () => {
  let server;
  let person;
  before(async () => {
    server = await start();
    person = client(server);
  });
  after(() => server?.stop());

  const revoke = (name, headers = {}) => person.send("POST", `${ADMIN}/${name}/revoke`, { bearer: OPERATOR, headers });

  test("is taken away by an operator, and with it the refresh tokens that it tagged", async () => {
    const before = await person.account(newAddress());
    const operation = { "idempotency-key": randomBytes(16).toString("hex") };
    const { status, body, text } = await revoke("edge_tag.1", operation);
    assert.equal(status, 200, text);
    assert.deepEqual(body.revoked.map(({ purpose, id, state }) => [purpose, id, state]), [["edge_tag", 1, "revoked"]]);
    assert.deepEqual([body.active.purpose, body.active.id, body.active.state], ["edge_tag", 2, "active"]);
    refused(await person.post("refresh", { refresh_token: before.refresh_token }), 401, "refresh_invalid");
    // The access token is another key's matter, and new sessions are tagged with the new key.
    assert.equal((await person.validate(before.access_token, "strict")).status, 200);
    const later = await person.account(newAddress());
    granted(await person.post("refresh", { refresh_token: later.refresh_token }));
    assert.deepEqual((await revoke("edge_tag.1", operation)).body, body);
    assert.deepEqual((await revoke("edge_tag.1")).body.revoked, []);
  });

  test("is known by no other name; peppers and the sharding key cannot be taken away", async () => {
    for (const name of ["edge_tag.99", "edge_tag.02", "edge_tag.+2", "edge_tag", "pepper.1", "sharding.1", "2"]) {
      refused(await revoke(name), 404, "not_found");
    }
    refused(await person.send("POST", `${ADMIN}/edge_tag.2/revoke`, { bearer: randomBytes(32).toString("base64") }), 401, "operator_token_invalid");
    const tokens = await person.account(newAddress());
    granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
  });
});
