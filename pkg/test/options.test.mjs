import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, createVerifier, init, PosternError } from "postern";
import * as inline from "postern/inline";
import * as webcrypto from "postern/webcrypto";
import { createVerifierFactory as createWebCryptoVerifierFactory } from "../dist/webcrypto/verifier.js";
import { createIssuer, optionsFor } from "./support/tokens.mjs";

const issuer = await createIssuer();
const good = optionsFor(issuer);

test("a wrong option is named", () => {
  const [key] = issuer.jwks.keys;
  const cases = [
    [undefined, "options"],
    [null, "options"],
    [{ ...good, issuer: undefined }, "issuer"],
    [{ ...good, issuer: "" }, "issuer"],
    [{ ...good, issuer: 7 }, "issuer"],
    [{ ...good, audience: undefined }, "audience"],
    [{ ...good, audience: [] }, "audience"],
    [{ ...good, audience: ["a", ""] }, "audience"],
    [{ ...good, jwks: undefined }, "jwks"],
    [{ ...good, jwks: "{}" }, "jwks"],
    [{ ...good, jwks: "not json" }, "jwks"],
    [{ ...good, jwks: key }, "jwks"],
    [{ ...good, jwks: { keys: [] } }, "jwks"],
    [{ ...good, jwks: { keys: [{ ...key, x: `${key.x}A` }] } }, "jwks"],
    [{ ...good, jwks: { keys: [{ ...key, d: "AAAA" }] } }, "jwks"],
    [{ ...good, jwks: { keys: [{ kty: "oct", k: "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0" }] } }, "jwks"],
    [{ ...good, jwks: { keys: [key, key] } }, "jwks"],
    [{ ...good, jwks: "x".repeat(70_000) }, "jwks"],
    [{ ...good, leewaySeconds: 121 }, "leewaySeconds"],
    [{ ...good, leewaySeconds: -1 }, "leewaySeconds"],
    [{ ...good, leewaySeconds: 1.5 }, "leewaySeconds"],
    [{ ...good, leewaySeconds: "30" }, "leewaySeconds"],
    [{ ...good, tenant: "" }, "tenant"],
    [{ ...good, tenant: "a/b" }, "tenant"],
    [{ ...good, tenant: "acme", anyTenant: true }, "tenant"],
    [{ ...good, anyTenant: "yes" }, "anyTenant"],
    [{ ...good, tokenType: "" }, "tokenType"],
    [{ ...good, requiredClaims: "sub" }, "requiredClaims"],
    [{ ...good, requiredClaims: ["email"] }, "requiredClaims"],
    ...[0, -1, 1.5, "60", 31_536_001, null].map((span) => [{ ...good, maxTokenAgeSeconds: span }, "maxTokenAgeSeconds"]),
    ...[-1, 0.5, "60", 86_401, null].map((span) => [{ ...good, maxFutureIssueSeconds: span }, "maxFutureIssueSeconds"]),
    ...["", 7, null, "iss", "jti", "roles"].map((name) => [{ ...good, subjectClaim: name }, "subjectClaim"]),
    [{ ...good, now: 5 }, "now"],
    [{ ...good, fetch: true }, "fetch"],
    [{ ...good, cacheSize: -1 }, "cacheSize"],
    [{ ...good, cacheSize: true }, "cacheSize"],
    [{ ...good, jwksMaxAgeSeconds: -1 }, "jwksMaxAgeSeconds"],
    [{ ...good, jwksMaxStaleSeconds: 604_801 }, "jwksMaxStaleSeconds"],
    [{ ...good, waitUntil: Promise.resolve() }, "waitUntil"],
    [{ ...good, hmacSecret: new Uint8Array(32), hmacKeyId: key.kid }, "jwks"],
    [{ ...good, hmacAlgorithm: "none" }, "hmacAlgorithm"],
    [{ ...good, hmacAlgorithm: "EdDSA" }, "hmacAlgorithm"],
    [{ ...good, jwks: undefined, hmacSecret: new Uint8Array(47), hmacAlgorithm: "HS384" }, "hmacSecret"],
    [{ ...good, jwks: undefined, hmacSecret: new Uint8Array(63), hmacAlgorithm: "HS512" }, "hmacSecret"],
    [{ ...good, jwks: undefined, hmacSecret: new Uint8Array(31) }, "hmacSecret"],
    [{ ...good, jwks: undefined, hmacSecret: "x".repeat(32) }, "hmacSecret"],
    [{ ...good, jwks: undefined, hmacSecret: new Uint8Array(32), hmacKeyId: "a b" }, "hmacKeyId"],
    [{ ...good, audiance: "typo" }, "audiance"],
    [{ ...good, algorithms: ["none"] }, "algorithms"],
  ];
  const creators = [createVerifier, createWebCryptoVerifierFactory({ allowHmac: true, shareFetch: true })];
  for (const [options, option] of cases) {
    for (const create of creators) {
      assert.throws(
        () => create(options),
        (error) => error instanceof ConfigurationError && error instanceof PosternError && error.option === option &&
          error.code === "configuration_invalid" && error.message.startsWith(`${option}: `),
        `${option}: ${JSON.stringify(options)?.slice(0, 100)}`,
      );
    }
  }
  assert.throws(() => webcrypto.createVerifier({ ...good, cacheSize: 5 }), (error) => error.option === "cacheSize");
});

test("a clock that tells no time stops the verifier instead of accepting everything", async () => {
  const token = await issuer.sign();
  for (const now of [() => NaN, () => Infinity, () => -1, () => undefined, () => "now", () => 1e20]) {
    const verifier = createVerifier({ ...good, now });
    assert.throws(() => verifier.verify(token), (error) => error.option === "now", now.toString());
  }
});

test("keys may come as text, and a later change to the options changes nothing", async () => {
  const options = { ...good, jwks: JSON.stringify(issuer.jwks), audience: [good.audience] };
  const verifier = createVerifier(options);
  options.audience.push("https://other.example");
  options.issuer = "https://other.example";
  assert.equal(verifier.verify(await issuer.sign()).clientId, "web");
  const other = await issuer.sign({ aud: "https://other.example" });
  assert.throws(() => verifier.verify(other), { code: "audience_mismatch" });
});

test("a verifier without an address has nothing to refresh", async () => {
  const verifier = createVerifier(good);
  await verifier.ready();
  await assert.rejects(verifier.refresh(), (error) => error.option === "jwksUrl");
});

test("the inlined build is the same, but never takes a shared secret", async () => {
  const token = await issuer.sign();
  assert.equal(inline.createVerifier(good).verify(token).clientId, "web");
  await inline.init();
  await init();
  assert.equal(inline.createVerifier(good).verify(token).clientId, "web");
  const options = { ...good, jwks: undefined, hmacSecret: new Uint8Array(32) };
  for (const { createVerifier } of [inline, webcrypto]) {
    assert.throws(() => createVerifier(options), (error) => error.option === "hmacSecret");
  }
  assert.throws(() => inline.createVerifier(good).verify(""), (error) => error instanceof inline.TokenError);
});
