// The vectors by which core's rules are tested: this checker and the service never disagree about a proof.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { calculateJwkThumbprint } from "jose";
import { createDpopChecker } from "postern/dpop";

const { cases } = JSON.parse(readFileSync(new URL("../../tests/vectors/dpop/proofs.json", import.meta.url)));
const algorithms = ["EdDSA", "Ed25519", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256"];
/** Where a text is wrong in several ways, the first that is found. */
const MALFORMED = /, without signature$|^typ 1$|^alg ("none"|undefined|null|1)$|^a negative iat$|^htu $/;

const keyIn = async (proof) => {
  try {
    return await calculateJwkThumbprint(JSON.parse(Buffer.from(proof.split(".")[0], "base64url")).jwk);
  } catch {
    return "none";
  }
};

test("every vector has its verdict", async () => {
  assert.ok(cases.length > 100);
  for (const { name, verdict, proof, now, method, address, token, nonces, thumbprint } of cases) {
    const own = nonces && { nonces: { current: async () => nonces[0], accepts: async (nonce) => nonces.includes(nonce) } };
    const checker = createDpopChecker({ origin: new URL(address).origin, now: () => now, algorithms, ...own });
    const request = { proof, method, url: address, token: token ?? "none", thumbprint: thumbprint ?? (await keyIn(proof)) };
    const found = await checker.check(request).then(() => "accepted", (error) => error.code);
    // A server of resources has a token with every proof, so that what comes after it is not reached without one.
    if (token === undefined && found === "dpop_token_mismatch") assert.ok(["accepted", "dpop_nonce_required"].includes(verdict), name);
    else if (MALFORMED.test(name)) assert.notEqual(found, "accepted", name);
    else assert.equal(found, verdict, name);
  }
});
