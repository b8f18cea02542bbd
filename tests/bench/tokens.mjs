// Access tokens: the npm verifier against `jose`, both with every claim check that a resource server needs.

import * as jose from "jose";
import { createVerifier } from "../../pkg/dist/entry/node.js";
import { asynchronous, compare, synchronous } from "./support/measure.mjs";

const ISSUER = "https://auth.example";
const AUDIENCE = "https://api.example";
/** Different ones, so that no table look-up hits the same cache lines every time. */
const TOKENS = 256;
const IN_FLIGHT = 16;

export const NAMES = ["verify-ed25519", "verify-ed25519-in-flight", "verify-hs256", "permission-check"];

export async function run(name, { quick }) {
  if (name === "permission-check") return [await permissionCheck(quick)];
  const issuer = await (name === "verify-hs256" ? hmacIssuer() : ed25519Issuer());
  const now = Math.floor(Date.now() / 1000);
  const tokens = await Promise.all(Array.from({ length: quick ? 16 : TOKENS }, (_, index) => sign(issuer, index, now)));
  // Neither side remembers tokens: `cacheSize` is 0 unless asked for.
  const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, leewaySeconds: 30, ...issuer.verifierOptions });
  const options = {
    issuer: ISSUER,
    audience: AUDIENCE,
    typ: "at+jwt",
    algorithms: [issuer.algorithm],
    requiredClaims: ["sub", "iat", "jti", "client_id"],
    clockTolerance: 30,
  };
  const ours = (token) => verifier.verify(token);
  const theirs = (token) => jose.jwtVerify(token, issuer.key, options);
  await bothJudge(tokens[0], ours, theirs);

  const passes = quick ? 1 : issuer.passes;
  const inFlight = name.endsWith("in-flight") ? IN_FLIGHT : 1;
  const label = inFlight === 1 ? "jose jwtVerify" : `jose jwtVerify, ${inFlight} in flight`;
  const comparison = {
    name,
    ours: synchronous("postern verify", tokens, passes, ours),
    theirs: asynchronous(label, tokens, passes, theirs, inFlight),
  };
  return [await compare(comparison, quick ? 2 : 15)];
}

/**
 * `claims.can` against looking a name up in a list that the token carries, 256 tokens in turn. One operation is a check
 * of each: a single one would be lost in the calls of the measurement.
 */
async function permissionCheck(quick) {
  const names = Array.from({ length: 40 }, (_, index) => `documents:action-${index}`);
  const permissions = { version: names.length, width: 64, permissions: names.map((name, bit) => ({ name, bit })) };
  const issuer = await ed25519Issuer();
  const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, permissions, ...issuer.verifierOptions });
  const now = Math.floor(Date.now() / 1000);
  const holders = await Promise.all(
    Array.from({ length: TOKENS }, async (_, index) => {
      const mask = Buffer.alloc(8);
      mask.writeBigUInt64BE((1n << 20n) - 1n);
      const more = { pm: mask.toString("base64url"), pr: names.length, permissions: names.slice(0, 20) };
      return verifier.verify(await sign(issuer, index, now, more));
    }),
  );
  const name = names[10];
  if (holders.some((claims) => !claims.can(name) || claims.can(names[20]))) throw new Error("a mask is not what it should be");
  const checkAll = (check) => (all) => {
    let granted = 0;
    for (const claims of all) if (check(claims)) granted += 1;
    if (granted !== TOKENS) throw new Error("a permission got lost");
  };
  const passes = quick ? 10 : 4000;
  const comparison = {
    name: "permission-check",
    ours: synchronous("256 × claims.can", [holders], passes, checkAll((claims) => claims.can(name))),
    theirs: synchronous("256 × payload.permissions.includes", [holders], passes, checkAll(({ payload }) => payload.permissions.includes(name))),
  };
  return compare(comparison, quick ? 2 : 15);
}

async function ed25519Issuer() {
  const { publicKey, privateKey } = await jose.generateKeyPair("EdDSA", { extractable: true });
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: "1", alg: "EdDSA", use: "sig" };
  return { algorithm: "EdDSA", signingKey: privateKey, key: publicKey, verifierOptions: { jwks: { keys: [jwk] } }, passes: 2 };
}

async function hmacIssuer() {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  // Imported once: `jose` would import plain bytes again for every token.
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  return { algorithm: "HS256", signingKey: key, key, verifierOptions: { hmacSecret: secret, hmacKeyId: "1" }, passes: 16 };
}

function sign({ algorithm, signingKey }, index, now, more = {}) {
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: "00112233445566778899aabbccddeeff",
    client_id: "web",
    jti: index.toString(16).padStart(32, "0"),
    sid: "ffeeddccbbaa99887766554433221100",
    iat: now,
    exp: now + 3600,
    av: 7,
    roles: ["editor"],
    amr: ["pwd"],
    ...more,
  };
  return new jose.SignJWT(claims).setProtectedHeader({ alg: algorithm, kid: "1", typ: "at+jwt" }).sign(signingKey);
}

/** A contender that lets a changed token pass would be measured at nothing. */
async function bothJudge(token, ours, theirs) {
  const [header, payload, signature] = token.split(".");
  const other = signature.startsWith("A") ? "B" : "A";
  const changed = [header, payload, other + signature.slice(1)].join(".");
  for (const verify of [ours, theirs]) {
    await verify(token);
    const passed = await Promise.resolve(changed).then(verify).then(() => true, () => false);
    if (passed) throw new Error("a contender accepts a changed signature");
  }
}
