import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ConfigurationError, createVerifier, TokenError } from "postern";

const read = (name) => JSON.parse(readFileSync(new URL(`../../tests/vectors/jwt/${name}`, import.meta.url)));

test("every token vector gets its verdict", () => {
  const { cases, key_sets, policies } = read("verify.json");
  assert.ok(cases.length > 50);
  for (const { name, token, now, policy, keys, verdict, claim } of cases) {
    const verifier = createVerifier(optionsOf(policies[policy], key_sets[keys], now));
    assert.equal(verdictOf(() => verifier.verify(token)), claim ? `${verdict} ${claim}` : verdict, name);
  }
});

test("every key set vector gets its verdict", () => {
  const { cases } = read("key_sets.json");
  assert.ok(cases.length > 10);
  for (const { name, jwks, verdict } of cases) {
    const create = () => createVerifier({ issuer: "i", audience: "a", jwks });
    if (typeof verdict === "object") create();
    else assert.throws(create, (error) => error instanceof ConfigurationError && error.message.endsWith(`: ${verdict}`), name);
  }
});

function optionsOf(policy, { jwks, hmac_sha256 }, now) {
  assert.ok(hmac_sha256.length <= 1, "a verifier has at most one secret");
  const [hmac] = hmac_sha256;
  return {
    issuer: policy.issuer,
    audience: policy.audiences,
    leewaySeconds: policy.leeway,
    requiredClaims: policy.required_claims,
    tokenType: policy.token_type,
    ...(policy.tenant === null ? { anyTenant: true } : { tenant: policy.tenant }),
    ...(jwks.keys.length > 0 ? { jwks } : {}),
    ...(hmac ? { hmacKeyId: hmac.kid, hmacSecret: new Uint8Array(Buffer.from(hmac.secret, "base64url")) } : {}),
    now: () => now,
  };
}

function verdictOf(verify) {
  try {
    verify();
    return "accepted";
  } catch (error) {
    assert.ok(error instanceof TokenError, String(error));
    return error.claim ? `${error.code} ${error.claim}` : error.code;
  }
}
