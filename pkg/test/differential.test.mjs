import assert from "node:assert/strict";
import { test } from "node:test";
import { createVerifier, PosternError } from "postern";
import { createVerifierFactory } from "../dist/webcrypto/verifier.js";
import { mutant } from "./support/mutants.mjs";
import { AUDIENCE, createIssuer, ISSUER, NOW, random } from "./support/tokens.mjs";

const TOKENS = 20_000;
const SECRET = new Uint8Array(32).fill(7);
const PAYLOAD = {
  iss: ISSUER, aud: [AUDIENCE, "https://other.example"], sub: "s", client_id: "web", jti: "j", iat: NOW, exp: NOW + 300, tid: "acme", av: 7, roles: ["editor"],
};

test(`the builds with and without WebAssembly agree on ${TOKENS} mutated tokens, to the code`, async () => {
  const issuers = await Promise.all([["a", "EdDSA"], ["b", "ES256"], ["c", "RS256"], ["h", "HS256"]].map(signer));
  const jwks = { keys: issuers.flatMap(({ jwk }) => (jwk ? [jwk] : [])) };
  const options = { issuer: ISSUER, audience: AUDIENCE, jwks, hmacSecret: SECRET, hmacKeyId: "h", now: () => NOW + 1 };
  const policies = [{ tenant: "acme" }, { anyTenant: true, leewaySeconds: 0 }, {}, { tenant: "acme", tokenType: "JWT", requiredClaims: [] }];
  policies.push({ tenant: "acme", maxTokenAgeSeconds: 60, maxFutureIssueSeconds: 0 }, { tenant: "acme", subjectClaim: "sub2", requiredClaims: [] });
  const pairs = policies.map((policy) => [
    createVerifier({ ...options, ...policy }),
    createVerifierFactory({ allowHmac: true, shareFetch: true })({ ...options, ...policy }),
  ]);
  const below = random(8725);
  const seen = new Map();
  for (let round = 0; round < TOKENS; round++) {
    const token = await mutant(below, issuers);
    const [fast, slow] = pairs[below(3) === 0 ? below(pairs.length) : 0];
    const [expected, actual] = await Promise.all([verdict(fast, token), verdict(slow, token)]);
    assert.equal(actual, expected, `round ${round}: ${JSON.stringify(token)}`);
    const [code] = expected.split(" ");
    seen.set(code, (seen.get(code) ?? 0) + 1);
  }
  // A generator that no longer reaches a rule tests nothing of it.
  for (const code of [
    "accepted", "token_too_large", "token_malformed", "header_malformed", "critical_header_unsupported", "token_type_mismatch", "key_not_found",
    "algorithm_not_allowed", "signature_invalid", "payload_malformed", "claim_malformed", "claim_missing", "issuer_mismatch", "audience_mismatch",
    "token_expired", "token_not_yet_valid", "token_clock_skew", "tenant_mismatch",
  ]) {
    assert.ok((seen.get(code) ?? 0) >= 5, `${code}: ${seen.get(code)}`);
  }
});

/** Signs what no library would sign: any text. */
async function signer([kid, alg]) {
  const { jwks, privateKey } = await createIssuer(kid, alg === "HS256" ? "EdDSA" : alg);
  const header = { alg, kid, typ: "at+jwt" };
  const parameters = { EdDSA: "Ed25519", ES256: { name: "ECDSA", hash: "SHA-256" }, RS256: "RSASSA-PKCS1-v1_5", HS256: "HMAC" }[alg];
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = alg === "HS256" ? await crypto.subtle.importKey("raw", SECRET, hmac, false, ["sign"]) : privateKey;
  const sign = async (text) => new Uint8Array(await crypto.subtle.sign(parameters, key, new TextEncoder().encode(text)));
  return { header, payload: PAYLOAD, jwk: alg === "HS256" ? undefined : jwks.keys[0], sign };
}

async function verdict(verifier, token) {
  try {
    const claims = await verifier.verifyAsync(token);
    return `accepted ${JSON.stringify(claims)}`;
  } catch (error) {
    assert.ok(error instanceof PosternError, error);
    return error.claim ? `${error.code} ${error.claim}` : error.code;
  }
}
