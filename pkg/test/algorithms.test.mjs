import assert from "node:assert/strict";
import { test } from "node:test";
import * as jose from "jose";
import { createVerifier, KeysError, TokenError } from "postern";
import { createDpopChecker } from "postern/dpop";
import { createIssuers } from "postern/issuers";
import * as webcrypto from "postern/webcrypto";
import { createProver, ORIGIN } from "./support/proofs.mjs";
import { createKey, signWith } from "./support/third-party.mjs";
import { AUDIENCE, createIssuer, NOW, optionsFor } from "./support/tokens.mjs";

const HOST = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"];
const issuers = new Map(await Promise.all(["EdDSA", ...HOST].map(async (alg) => [alg, await createIssuer(alg, alg)])));
const all = { keys: [...issuers.values()].flatMap(({ jwks }) => jwks.keys) };
const builds = [createVerifier, webcrypto.createVerifier];
const verdict = (verifier, token) => verifier.verifyAsync(token).then(() => "accepted", (error) => {
  assert.ok(error instanceof TokenError, String(error));
  return error.claim ? `${error.code} ${error.claim}` : error.code;
});

test("verifyAsync verifies every algorithm, by the same rules", async () => {
  for (const create of builds) {
    const verifier = create(optionsFor(issuers.get("EdDSA"), { jwks: all }));
    for (const [alg, issuer] of issuers) {
      const token = await issuer.sign();
      assert.equal(await issuer.joseAccepts(token), true, alg);
      assert.equal((await verifier.verifyAsync(token)).clientId, "web", alg);
      assert.equal(await verdict(verifier, await issuer.sign({ exp: NOW - 60 })), "token_expired", alg);
      assert.equal(await verdict(verifier, await issuer.sign({ roles: 7 })), "claim_malformed roles", alg);
      assert.equal(await verdict(verifier, await issuer.sign({ tid: "acme" })), "tenant_mismatch", alg);
      assert.equal(await verdict(verifier, await issuer.sign({}, { typ: "JWT" })), "token_type_mismatch", alg);
      assert.equal(await verdict(verifier, await (await createIssuer(alg, alg)).sign()), "signature_invalid", alg);
      const [head, payload, signature] = token.split(".");
      const bytes = Buffer.from(signature, "base64url");
      const flipped = Buffer.from(bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte)));
      for (const damaged of [Buffer.alloc(1), bytes.subarray(1), Buffer.concat([bytes, Buffer.alloc(1)]), Buffer.alloc(bytes.length), flipped]) {
        const forged = `${head}.${payload}.${damaged.toString("base64url")}`;
        assert.equal(await verdict(verifier, forged), "signature_invalid", alg);
      }
    }
  }
});

test("verify says what to do about a token whose key WebCrypto has to check, and nothing about the token", async () => {
  const verifier = createVerifier(optionsFor(issuers.get("EdDSA"), { jwks: all }));
  for (const alg of HOST) {
    const token = await issuers.get(alg).sign();
    for (const one of [token, `${token.slice(0, -8)}AAAAAAAA`]) {
      assert.throws(() => verifier.verify(one), (error) => {
        assert.ok(error instanceof KeysError && error.code === "algorithm_needs_async", String(error));
        return /verifyAsync/.test(error.message);
      });
    }
  }
  assert.equal(verifier.verify(await issuers.get("EdDSA").sign()).clientId, "web");
});

test("a token cannot choose another algorithm for a key", async () => {
  for (const create of builds) {
    const verifier = create(optionsFor(issuers.get("EdDSA"), { jwks: all }));
    for (const [alg, { jwks }] of issuers) {
      for (const other of ["none", "HS256", "EdDSA", "ES512", ...HOST].filter((name) => name !== alg)) {
        const token = `${b64({ alg: other, kid: alg, typ: "at+jwt" })}.${b64({})}.AA`;
        assert.equal(await verdict(verifier, token), "algorithm_not_allowed", `${other} for ${alg}`);
      }
      // The classic confusion: the public key as the secret of an HMAC.
      const secret = new TextEncoder().encode(JSON.stringify(jwks.keys[0]));
      const forged = await new jose.SignJWT({}).setProtectedHeader({ alg: "HS256", kid: alg, typ: "at+jwt" }).sign(secret);
      assert.equal(await verdict(verifier, forged), "algorithm_not_allowed");
    }
  }
});

test("one RSA key has one algorithm: that of its `alg`, or RS256", async () => {
  const issuer = issuers.get("RS256");
  const [jwk] = issuer.jwks.keys;
  const key = await jose.importJWK(await jose.exportJWK(issuer.privateKey), "PS256");
  const sign = (alg) => new jose.SignJWT({}).setProtectedHeader({ alg, kid: "RS256", typ: "at+jwt" }).sign(key);
  for (const create of builds) {
    const unnamed = create(optionsFor(issuer, { jwks: { keys: [{ ...jwk, alg: undefined }] } }));
    assert.equal(await verdict(unnamed, await issuer.sign()), "accepted");
    assert.equal(await verdict(unnamed, await sign("PS256")), "algorithm_not_allowed");
    const pss = create(optionsFor(issuer, { jwks: { keys: [{ ...jwk, alg: "PS256" }] } }));
    assert.equal(await verdict(pss, await issuer.sign()), "algorithm_not_allowed");
  }
});

test("keys are imported once per key set, and again for the next", async (t) => {
  const issuer = issuers.get("ES256");
  const next = await createIssuer("ES256", "ES256");
  const importKey = t.mock.method(crypto.subtle, "importKey");
  const importsOf = async (call) => {
    const before = importKey.mock.callCount();
    await call();
    return importKey.mock.callCount() - before;
  };
  for (const create of builds) {
    let jwks = issuer.jwks;
    const fetch = async () => Response.json(jwks);
    const verifier = create({ ...optionsFor(issuer), jwks: undefined, jwksUrl: "https://auth.example/jwks", fetch });
    await verifier.ready();
    const [token, other] = [await issuer.sign(), await next.sign()];
    assert.equal(await importsOf(() => verifier.verifyAsync(token)), 1);
    assert.equal(await importsOf(() => verifier.verifyAsync(token)), 0);
    jwks = next.jwks;
    await verifier.refresh();
    assert.equal(await importsOf(() => verifier.verifyAsync(other)), 1);
    assert.equal(await verdict(verifier, token), "signature_invalid");
  }
});

test("a key that is withdrawn while WebCrypto is busy with it accepts nothing", async (t) => {
  const issuer = issuers.get("RS256");
  const next = await createIssuer("RS256", "RS256");
  const { verify } = crypto.subtle;
  for (const create of builds) {
    let jwks = issuer.jwks;
    const fetch = async () => Response.json(jwks);
    const verifier = create({ ...optionsFor(issuer), jwks: undefined, jwksUrl: "https://auth.example/jwks", fetch });
    await verifier.ready();
    const [token, newer] = [await issuer.sign(), await next.sign()];
    let change = () => verifier.refresh();
    const mock = t.mock.method(crypto.subtle, "verify", async function (...args) {
      await change?.();
      change = undefined;
      return verify.apply(this, args);
    });
    jwks = next.jwks;
    assert.equal(await verdict(verifier, token), "signature_invalid");
    assert.equal(mock.mock.callCount(), 2, "judged by either key");
    jwks = issuer.jwks;
    change = () => verifier.refresh();
    assert.equal(await verdict(verifier, token), "accepted", "the key has come back while the other was judging");
    jwks = { keys: [{ ...next.jwks.keys[0], kid: "another" }] };
    change = () => verifier.refresh();
    assert.equal(await verdict(verifier, newer), "key_not_found");
    mock.mock.restore();
  }
});

test("a host that rejects a signature has found that it is invalid", async (t) => {
  t.mock.method(crypto.subtle, "verify", async () => {
    throw new DOMException("signature of a wrong length", "OperationError");
  });
  for (const create of builds) {
    for (const alg of HOST) {
      const issuer = issuers.get(alg);
      assert.equal(await verdict(create(optionsFor(issuer)), await issuer.sign()), "signature_invalid", alg);
    }
  }
  const key = await createKey("RS256");
  const third = createIssuers({
    issuers: [{ issuer: "https://login.example", audience: AUDIENCE }],
    fetch: async () => Response.json({ keys: [key.jwk] }),
    now: () => NOW,
  });
  assert.equal(await verdict(third, await signWith(key, "https://login.example")), "signature_invalid");
  const prover = await createProver();
  const token = await issuers.get("EdDSA").sign();
  const proof = { proof: await prover.prove(token), method: "GET", url: ORIGIN, token, thumbprint: prover.thumbprint };
  await assert.rejects(createDpopChecker({ origin: ORIGIN, now: () => NOW }).check(proof), { code: "dpop_signature_invalid" });
});

test("WebCrypto that fails is a fault of the keys, not of the token", async (t) => {
  t.mock.method(crypto.subtle, "importKey", async () => {
    throw new DOMException("unsupported", "NotSupportedError");
  });
  const issuer = issuers.get("ES384");
  const token = await issuer.sign();
  for (const create of builds) {
    const refused = create(optionsFor(issuer)).verifyAsync(token);
    await assert.rejects(refused, (error) => error instanceof KeysError && error.code === "keys_invalid" && Boolean(error.cause));
  }
});

test("HS384 and HS512 are verified with secrets of their length", async () => {
  for (const [alg, bytes] of [["HS256", 32], ["HS384", 48], ["HS512", 64]]) {
    const secret = crypto.getRandomValues(new Uint8Array(bytes));
    const issuer = await createIssuer();
    const options = { ...optionsFor(issuer), jwks: undefined, hmacSecret: secret, hmacAlgorithm: alg };
    const sign = (name, key) =>
      new jose.SignJWT({ iss: options.issuer, aud: options.audience, sub: "s", iat: NOW, exp: NOW + 300, jti: "j", client_id: "c" })
        .setProtectedHeader({ alg: name, kid: "hs256", typ: "at+jwt" })
        .sign(key);
    const verifier = createVerifier(options);
    assert.equal(verifier.verify(await sign(alg, secret)).subject, "s");
    assert.equal(await verdict(verifier, await sign(alg, secret)), "accepted");
    assert.equal(await verdict(verifier, await sign(alg, crypto.getRandomValues(new Uint8Array(64)))), "signature_invalid");
    const other = alg === "HS256" ? "HS384" : "HS256";
    const long = crypto.getRandomValues(new Uint8Array(64));
    assert.equal(await verdict(verifier, await sign(other, long)), "algorithm_not_allowed");
  }
});

const b64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
