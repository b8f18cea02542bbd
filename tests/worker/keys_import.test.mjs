// Keys that a deployment brings along: they sign and check, through the host where they are RSA or ECDSA keys, and are
// refused whole when any of them is unusable.

import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";

import { SignJWT, createLocalJWKSet, decodeProtectedHeader, importPKCS8, jwtVerify } from "jose";

import { AUTH, claimsOf, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { ISSUER } from "./support/people.mjs";

const JWKS = "/.well-known/jwks.json";

const generate = {
  EdDSA: () => generateKeyPairSync("ed25519"),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
  RS256: (modulusLength = 2048) => generateKeyPairSync("rsa", { modulusLength }),
};
const privatePem = ({ privateKey }, type = "pkcs8") => privateKey.export({ type, format: "pem" });
const publicPem = ({ publicKey }) => publicKey.export({ type: "spki", format: "pem" });

const verifiedByJose = async (token, keys) =>
  (await jwtVerify(token, createLocalJWKSet({ keys }), { issuer: ISSUER, audience: ISSUER, typ: "at+jwt" })).protectedHeader;

/** The claims of a token, signed again with another key. */
async function resigned(token, pair, alg, kid) {
  const key = await importPKCS8(privatePem(pair), alg);
  return new SignJWT(claimsOf(token)).setProtectedHeader({ alg, typ: "at+jwt", kid }).sign(key);
}

async function withServer(secrets, use) {
  const server = await startOpenServer({ secrets });
  try {
    await use(server, client(server));
  } finally {
    await server.stop();
  }
}

describe("an imported private key", () => {
  for (const [alg, type, keyType] of [["EdDSA", "pkcs8", "OKP"], ["ES256", "pkcs8", "EC"], ["ES256", "sec1", "EC"], ["RS256", "pkcs8", "RSA"], ["RS256", "pkcs1", "RSA"]]) {
    test(`signs ${alg} from ${type}, and everybody can check it`, async () => {
      const pair = generate[alg]();
      await withServer({ ACTIVE_KEY_ID: "mine-1", ACTIVE_PRIVATE_KEY_PEM: privatePem(pair, type) }, async (server, person) => {
        const tokens = await person.account(newAddress());
        const { body: jwks } = await person.send("GET", JWKS);
        assert.ok(jwks.keys.every((key) => !("d" in key) && key.use === "sig"));
        assert.deepEqual(await verifiedByJose(tokens.access_token, jwks.keys), { alg, typ: "at+jwt", kid: "mine-1" });
        for (const mode of ["jwt_only", "hybrid", "strict"]) assert.equal((await person.validate(tokens.access_token, mode)).status, 200);
        const fresh = granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
        assert.equal(decodeProtectedHeader(fresh.access_token).kid, "mine-1");
        assert.equal((await person.me(fresh.access_token)).status, 200);

        const { body: published } = await person.send("GET", `${AUTH}/public-key`);
        assert.equal(published.key_type, keyType);
        assert.equal(published.public_key, publicPem(pair));
        assert.deepEqual(published.jwk, jwks.keys.find(({ kid }) => kid === "mine-1"));
        const members = createPublicKey(published.public_key).export({ format: "jwk" });
        for (const [name, value] of Object.entries(members)) assert.equal(published.jwk[name], value);

        // Another key under the same name, a flipped bit, and a signature cut short.
        const [header, payload, signature] = tokens.access_token.split(".");
        const bytes = Buffer.from(signature, "base64url");
        bytes[10] ^= 1;
        const forged = [
          await resigned(tokens.access_token, generate[alg](), alg, "mine-1"),
          [header, payload, bytes.toString("base64url")].join("."),
          [header, payload, bytes.subarray(0, -1).toString("base64url")].join("."),
          [header, payload, Buffer.alloc(bytes.length).toString("base64url")].join("."),
        ];
        for (const token of forged) refused(await person.validate(token, "jwt_only"), 401, "signature_invalid");
      });
    });
  }

  test("gives way to the keyring's own keys without signing anybody out", async () => {
    // The keyring's key is published all along, and checks whatever it has signed.
    await withServer({ ACTIVE_PRIVATE_KEY_PEM: privatePem(generate.ES256()) }, async (server, person) => {
      const { body } = await person.send("GET", JWKS);
      assert.deepEqual(body.keys.map(({ alg }) => alg).sort(), ["ES256", "EdDSA"]);
      const { access_token: token } = await person.account(newAddress());
      assert.equal(decodeProtectedHeader(token).kid, body.keys.find(({ alg }) => alg === "ES256").kid);
    });
  });
});

test("imported public keys check tokens and are published, as PEM or as a key set", async () => {
  const pairs = Object.fromEntries(Object.keys(generate).map((alg) => [alg, generate[alg]()]));
  const byName = Object.fromEntries(Object.entries(pairs).map(([alg, pair]) => [`old-${alg}`, publicPem(pair)]));
  const set = { keys: Object.entries(pairs).map(([alg, { publicKey }]) => ({ ...publicKey.export({ format: "jwk" }), kid: `old-${alg}`, alg })) };
  for (const document of [byName, set]) {
    await withServer({ PUBLIC_KEYS: JSON.stringify(document) }, async (server, person) => {
      const { body } = await person.send("GET", JWKS);
      assert.equal(body.keys.length, 5);
      const { access_token: own } = await person.account(newAddress());
      assert.equal((await verifiedByJose(own, body.keys)).alg, "EdDSA");
      for (const [alg, pair] of Object.entries(pairs)) {
        const token = await resigned(own, pair, alg, `old-${alg}`);
        assert.equal((await verifiedByJose(token, body.keys)).alg, alg);
        assert.equal((await person.validate(token, "strict")).status, 200, alg);
        // Under the name of another key the same signature is worth nothing.
        const names = Object.keys(pairs).filter((other) => other !== alg);
        for (const other of names) {
          const answer = await person.validate(await resigned(own, pair, alg, `old-${other}`), "jwt_only");
          refused(answer, 401, "algorithm_not_allowed");
        }
        refused(await person.validate(await resigned(own, pair, alg, "old"), "jwt_only"), 401, "key_not_found");
      }
    });
  }
});

describe("refused whole is", () => {
  const rfc8037 = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  const example = `-----BEGIN PRIVATE KEY-----\n${Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.from("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "base64url")]).toString("base64")}\n-----END PRIVATE KEY-----\n`;
  const good = privatePem(generate.EdDSA());
  const cases = {
    "a name without a key": { ACTIVE_KEY_ID: "a" },
    "a name that is none": { ACTIVE_KEY_ID: "a b", ACTIVE_PRIVATE_KEY_PEM: good },
    "a placeholder": { ACTIVE_PRIVATE_KEY_PEM: "change me" },
    "a public key where a private one belongs": { ACTIVE_PRIVATE_KEY_PEM: publicPem(generate.EdDSA()) },
    "the key of an RFC": { ACTIVE_PRIVATE_KEY_PEM: example },
    "the public key of an RFC": { PUBLIC_KEYS: JSON.stringify({ keys: [{ ...rfc8037, kid: "mine" }] }) },
    "an RSA key of 1024 bits": { ACTIVE_PRIVATE_KEY_PEM: privatePem(generate.RS256(1024)) },
    "a public RSA key of 1024 bits": { PUBLIC_KEYS: JSON.stringify({ a: publicPem(generate.RS256(1024)) }) },
    "a private key among public ones": { PUBLIC_KEYS: JSON.stringify({ a: good }) },
    "no JSON": { PUBLIC_KEYS: "{" },
    "two keys of one name": { ACTIVE_KEY_ID: "a", ACTIVE_PRIVATE_KEY_PEM: good, PUBLIC_KEYS: JSON.stringify({ a: publicPem(generate.EdDSA()) }) },
  };
  for (const [what, secrets] of Object.entries(cases)) {
    test(what, () =>
      withServer(secrets, async (server, person) => {
        for (const path of ["/health", JWKS, `${AUTH}/public-key`]) refused(await person.send("GET", path), 503, "misconfigured");
        refused(await person.login(newAddress(), "a password of nobody"), 503, "misconfigured");
        const logged = JSON.stringify(server.logs());
        for (const text of Object.values(secrets)) assert.ok(text.length < 8 || !logged.includes(text.split("\n")[1] ?? text), "the log has the key");
      }));
  }
});
