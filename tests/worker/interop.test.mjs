// What others make of our tokens, and where our keys lie: `jose` reads our JWKS and agrees on every token, and
// keys are sealed under the root key as soon as there is one.

import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";

import { SignJWT, UnsecuredJWT, base64url, calculateJwkThumbprint, createLocalJWKSet, decodeProtectedHeader, exportJWK, generateKeyPair, jwtVerify } from "jose";

import { createVerifier } from "../../pkg/dist/entry/node.js";
import { OUT_OF_THE_WAY, PASSWORD, client, claimsOf, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { startPersistentServer } from "./support/server.mjs";

const ISSUER = "http://localhost:8787";
const AUDIENCE = "https://api.example.com";
const JWKS = "/.well-known/jwks.json";
const MUTANTS = 500;

describe("access tokens", () => {
  let server;
  let person;
  let tokens;
  let jwks;
  let keySet;
  const expected = { issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt", algorithms: ["EdDSA"] };
  before(async () => {
    server = await startOpenServer({
      vars: {
        issuer: ISSUER,
        audience: [AUDIENCE, "https://other.example.com"],
        permissions: {
          names: ["docs:read", "docs:write", "docs:delete"],
          roles: { user: ["docs:read", "docs:write"] },
          default_role: "user",
        },
      },
    });
    person = client(server);
    const email = newAddress();
    tokens = [await person.account(email), granted(await person.login(email, PASSWORD))].map((pair) => pair.access_token);
    jwks = (await person.send("GET", JWKS)).body;
    keySet = createLocalJWKSet(jwks);
  });
  after(() => server?.stop());

  const isGoodForUs = async (token) => {
    const answer = await person.validate(token, "jwt_only");
    if (answer.status !== 200) assert.equal(answer.status, 401, answer.text);
    return answer.status === 200;
  };
  const isGoodForJose = (token) => jwtVerify(token, keySet, expected).then(() => true, () => false);

  test("the key set holds public keys, under their RFC 7638 thumbprints, and may be cached", async () => {
    const answer = await person.send("GET", JWKS);
    assert.equal(answer.headers.get("content-type"), "application/jwk-set+json");
    assert.match(answer.headers.get("cache-control"), /^public, max-age=\d+/);
    assert.ok(jwks.keys.length >= 1);
    for (const key of jwks.keys) {
      assert.deepEqual([key.kty, key.crv, key.use], ["OKP", "Ed25519", "sig"]);
      assert.ok(!("d" in key) && !("k" in key));
      assert.equal(key.kid, await calculateJwkThumbprint(key));
    }
    const { body } = await person.send("GET", "/api/v1/auth/public-key");
    assert.equal(body.key_type, "OKP");
    assert.deepEqual(body.jwk, jwks.keys[0]);
    assert.deepEqual(createPublicKey(body.public_key).export({ format: "jwk" }).x, jwks.keys[0].x);
    assert.match(body.public_key, /^-----BEGIN PUBLIC KEY-----\n/);
  });

  test("the npm package verifies them at once, without the network, and knows what they permit", async () => {
    const { body: permissions } = await person.send("GET", "/api/v1/auth/permissions");
    assert.deepEqual(permissions, {
      version: 3,
      width: 64,
      permissions: [
        { name: "docs:read", bit: 0 },
        { name: "docs:write", bit: 1 },
        { name: "docs:delete", bit: 2 },
      ],
    });
    const fetch = () => assert.fail("verifying asks nobody");
    const options = { issuer: ISSUER, audience: AUDIENCE, jwks, tenant: "default", permissions, fetch };
    const verifier = createVerifier(options);
    for (const token of tokens) {
      const claims = verifier.verify(token);
      assert.equal(claims.subject, claimsOf(token).sub);
      assert.deepEqual(claims.permissions(), ["docs:read", "docs:write"]);
      assert.ok(claims.can("docs:write") && !claims.can("docs:delete"));
      assert.throws(() => claims.can("docs:destroy"), { code: "permission_unknown" });
      const [header, payload, signature] = token.split(".");
      const altered = `${header}.${payload}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
      assert.throws(() => verifier.verify(altered), { code: "signature_invalid" });
    }
    const rejects = [
      [{ issuer: "https://other.example.com" }, "issuer_mismatch"],
      [{ audience: "https://elsewhere.example.com" }, "audience_mismatch"],
      [{ tenant: "acme" }, "tenant_mismatch"],
      [{ now: () => Date.now() / 1000 + 400 }, "token_expired"],
      [{ permissions: { ...permissions, width: 128, version: permissions.version + 1 } }, "claim_malformed"],
    ];
    for (const [change, code] of rejects) {
      assert.throws(() => createVerifier({ ...options, ...change }).verify(tokens[0]), { code }, code);
    }
  });

  test("jose verifies them with issuer, audience and type", async () => {
    for (const token of tokens) {
      const { payload, protectedHeader } = await jwtVerify(token, keySet, expected);
      assert.deepEqual(protectedHeader, { alg: "EdDSA", typ: "at+jwt", kid: jwks.keys[0].kid });
      for (const name of ["iss", "aud", "sub", "client_id", "iat", "exp", "jti", "sid", "tid", "av", "pm", "pr"]) assert.ok(name in payload, name);
      assert.equal(payload.exp - payload.iat, 300);
      assert.deepEqual(payload.aud, [AUDIENCE, "https://other.example.com"]);
      assert.deepEqual(payload.roles, ["user"]);
      assert.deepEqual(payload, claimsOf(token));
      const { body } = await person.validate(token, "jwt_only");
      assert.deepEqual([body.active, body.mode, body.permissions], [true, "jwt_only", ["docs:read", "docs:write"]]);
      assert.deepEqual(body.claims, payload);
    }
    await assert.rejects(jwtVerify(tokens[0], keySet, { ...expected, issuer: "https://other.example" }));
    await assert.rejects(jwtVerify(tokens[0], keySet, { ...expected, audience: "https://third.example.com" }));
    await assert.rejects(jwtVerify(tokens[0], keySet, { ...expected, typ: "JWT" }));
  });

  test(`${MUTANTS} mutated tokens are refused by both`, async () => {
    for (const token of tokens) assert.deepEqual([await isGoodForUs(token), await isGoodForJose(token)], [true, true]);
    const mutants = new Set();
    const [one, two] = tokens.map((token) => token.split("."));
    // Every mixture of the parts of two good tokens; their headers are the same.
    for (const header of [one[0], two[0], one[1]]) {
      for (const payload of [one[1], two[1], one[0]]) {
        for (const signature of [one[2], two[2], one[0], ""]) mutants.add(`${header}.${payload}.${signature}`);
      }
    }
    for (const token of tokens) mutants.delete(token);
    // Cut anywhere, and prolonged.
    for (let cut = 0; cut < 100; cut += 1) mutants.add(tokens[0].slice(0, Math.floor((cut * tokens[0].length) / 100)));
    for (const tail of [".", "..", ".x", `.${one[2]}`, "A", "AAAA", "=", "%00", "\u0000", " x"]) mutants.add(`${tokens[0]}${tail}`);
    for (const head of [".", "x", "Bearer "]) mutants.add(`${head}${tokens[0]}`);
    // One bit of what is encoded, anywhere.
    for (let seed = 0; mutants.size < MUTANTS; seed += 1) {
      const parts = [...one];
      const bytes = Buffer.from(parts[seed % 3], "base64url");
      const bit = (seed * 7919) % (bytes.length * 8);
      bytes[bit >> 3] ^= 1 << (bit & 7);
      parts[seed % 3] = bytes.toString("base64url");
      mutants.add(parts.join("."));
    }
    assert.equal(mutants.size, MUTANTS);
    const all = [...mutants];
    for (let start = 0; start < all.length; start += 25) {
      const verdicts = await Promise.all(all.slice(start, start + 25).map(async (mutant) => [mutant, mutant === "" ? false : await isGoodForUs(mutant), await isGoodForJose(mutant)]));
      for (const [mutant, us, jose] of verdicts) assert.deepEqual([us, jose], [false, false], mutant);
    }
    for (const token of tokens) assert.ok(await isGoodForUs(token));
  });

  test("there is one spelling of a token", async () => {
    const [header, payload, signature] = tokens[0].split(".");
    // 64 bytes leave four bits of the last character unused: fifteen more spellings of one signature.
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet.indexOf(signature.at(-1));
    assert.equal(last % 16, 0);
    for (let unused = 1; unused < 16; unused += 1) {
      assert.equal(await isGoodForUs(`${header}.${payload}.${signature.slice(0, -1)}${alphabet[last + unused]}`), false);
    }
    for (const spelling of [`${signature}==`, `${signature}=`, signature.replace(/.$/, "\n$&"), ` ${signature}`, `${signature}\n`]) {
      assert.equal(await isGoodForUs(`${header}.${payload}.${spelling}`), false);
    }
  });

  test("tokens that others made are refused, whatever they claim", async () => {
    const claims = claimsOf(tokens[0]);
    const header = decodeProtectedHeader(tokens[0]);
    const { privateKey, publicKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
    const jwk = await exportJWK(publicKey);
    const sign = (over) => new SignJWT(claims).setProtectedHeader({ ...header, ...over }).sign(privateKey);
    const publicBytes = Buffer.from(jwks.keys[0].x, "base64url");
    const hmac = (key) => new SignJWT(claims).setProtectedHeader({ ...header, alg: "HS256" }).sign(key);
    const [, payload, signature] = tokens[0].split(".");
    const headed = (over) => `${base64url.encode(JSON.stringify({ ...header, ...over }))}.${payload}.${signature}`;
    const forged = [
      await sign({}),
      await sign({ jwk }),
      await sign({ jku: `${server.url}${JWKS}` }),
      await sign({ kid: "other", jwk }),
      await sign({ alg: "EdDSA", x5u: "https://evil.example" }),
      await hmac(publicBytes),
      await hmac(Buffer.from(JSON.stringify(jwks.keys[0]))),
      await hmac(new Uint8Array(32)),
      new UnsecuredJWT(claims).encode(),
      `${base64url.encode('{"alg":"none","typ":"at+jwt"}')}.${payload}.`,
      ...[{ alg: "none" }, { alg: "None" }, { alg: "HS256" }, { alg: "ES256" }, { alg: "Ed448" }, { alg: undefined }, { typ: "JWT" }, { typ: undefined }, { kid: undefined }, { kid: "" }, { crit: ["exp"] }, { crit: [] }, { b64: false, crit: ["b64"] }, { jwk }].map(headed),
      `${".".repeat(8000)}`,
      "a".repeat(8193),
    ];
    for (const token of forged) {
      const answer = await person.validate(token, "jwt_only");
      assert.equal(answer.status, 401, `${token.slice(0, 200)}: ${answer.text}`);
      assert.equal(await isGoodForJose(token), false);
      assert.equal((await person.me(token.replace(/\s/g, ""))).status, 401);
    }
  });
});

describe("the root key", () => {
  test("seals every key from the first one on", async () => {
    const server = await startOpenServer({ secrets: { POSTERN_ROOT_KEY: newRootKey() } });
    try {
      const person = client(server);
      await person.account(newAddress());
      const storage = await server.objectStorage("KEYRING", "v1/keyring");
      const rows = (await storage.exec("SELECT * FROM keys")).map((row) => JSON.parse(row.record));
      assert.deepEqual(rows.map((row) => row.purpose).sort(), ["edge_tag", "pepper", "sharding", "signing"]);
      for (const row of rows) {
        assert.equal(row.sealed, true);
        // Nonce, key and tag.
        assert.equal(Buffer.from(row.material, "base64url").length, 24 + 32 + 16);
      }
      const { keys } = (await person.send("GET", JWKS)).body;
      const windows = rows.flatMap((row) => {
        const bytes = Buffer.from(row.material, "base64url");
        return Array.from({ length: bytes.length - 31 }, (_, start) => bytes.subarray(start, start + 32));
      });
      for (const window of windows) assert.notEqual(publicKeyOf(window), keys[0].x);
    } finally {
      await server.stop();
    }
  });

  for (const [what, text] of [["too short", Buffer.alloc(31, 7).toString("base64")], ["one byte repeated", Buffer.alloc(32).toString("base64")], ["no base64", "correct horse battery staple, thirty-two"]]) {
    test(`is refused when it is ${what}`, async () => {
      const server = await startOpenServer({ secrets: { POSTERN_ROOT_KEY: text } });
      try {
        for (const path of ["/health", JWKS]) refused(await client(server).send("GET", path), 503, "misconfigured");
        const answer = await client(server).post("signup", { email: newAddress(), name: "Ada", password: PASSWORD });
        refused(answer, 503, "misconfigured");
      } finally {
        await server.stop();
      }
    });
  }

  test("seals what was there before it, opens it again, and nothing else does", async () => {
    const rootKey = newRootKey();
    const email = newAddress();
    let server = await startPersistentServer({ vars: OUT_OF_THE_WAY });
    const { persistTo } = server;
    const restart = async (secrets) => {
      await server.kill();
      server = await startPersistentServer({ vars: OUT_OF_THE_WAY, persistTo, secrets });
      return client(server);
    };
    try {
      let person = client(server);
      const first = await person.account(email);
      const { body: jwks } = await person.send("GET", JWKS);
      await server.kill();
      const plain = storedKeys(persistTo);
      assert.equal(plain.length, 4);
      assert.ok(plain.every((row) => row.sealed === false && Buffer.from(row.material, "base64url").length === 32));
      const signing = plain.find((row) => row.purpose === "signing");
      assert.equal(publicKeyOf(Buffer.from(signing.material, "base64url")), jwks.keys[0].x);

      person = await restart({ POSTERN_ROOT_KEY: rootKey });
      assert.deepEqual((await person.send("GET", JWKS)).body, jwks);
      granted(await person.login(email, PASSWORD));
      await server.kill();
      const sealed = storedKeys(persistTo);
      assert.equal(sealed.length, 4);
      for (const row of sealed) {
        assert.equal(row.sealed, true);
        for (const { material } of plain) assert.ok(!Buffer.from(row.material, "base64url").includes(Buffer.from(material, "base64url")));
      }

      for (const secrets of [{ POSTERN_ROOT_KEY: newRootKey() }, {}]) {
        person = await restart(secrets);
        for (const path of ["/health", JWKS]) refused(await person.send("GET", path), 503, "misconfigured");
        refused(await person.login(email, PASSWORD), 503, "misconfigured");
        refused(await person.post("refresh", { refresh_token: first.refresh_token }), 503, "misconfigured");
        await server.kill();
        assert.deepEqual(storedKeys(persistTo), sealed);
      }

      person = await restart({ POSTERN_ROOT_KEY: rootKey });
      assert.deepEqual((await person.send("GET", JWKS)).body, jwks);
      assert.equal((await person.validate(first.access_token, "strict")).status, 200);
      granted(await person.post("refresh", { refresh_token: first.refresh_token }));
      granted(await person.login(email, PASSWORD));
      await server.kill();
      assert.deepEqual(storedKeys(persistTo), sealed);
    } finally {
      await server.kill();
      rmSync(persistTo, { recursive: true, force: true });
    }
  });
});

const newRootKey = () => randomBytes(32).toString("base64");

/** The public half of an Ed25519 seed, as a JWK writes it. */
function publicKeyOf(seed) {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = createPrivateKey({ key: Buffer.concat([prefix, seed]), format: "der", type: "pkcs8" });
  return createPublicKey(key).export({ format: "jwk" }).x;
}

/** The rows of the keyring on disk, of a server that is not running. */
function storedKeys(persistTo) {
  const folder = readdirSync(persistTo, { recursive: true }).find((path) => path.endsWith("KeyringObject"));
  const rows = readdirSync(join(persistTo, folder))
    .filter((name) => name.endsWith(".sqlite") && !name.startsWith("metadata"))
    .flatMap((name) => {
      const database = new DatabaseSync(join(persistTo, folder, name));
      try {
        return database.prepare("SELECT record FROM keys ORDER BY key").all();
      } finally {
        database.close();
      }
    });
  return rows.map((row) => JSON.parse(row.record));
}
