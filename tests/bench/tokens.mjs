// Access tokens: the npm verifier against `jose` and `fast-jwt`, all with every claim check that a resource server needs.

import { createVerifier as createFastJwtVerifier } from "fast-jwt";
import * as jose from "jose";
import { createVerifier } from "../../pkg/dist/entry/node.js";
import { AUDIENCE, changed, ed25519Issuer, hmacIssuer, ISSUER, joseOptions, LEEWAY_SECONDS, REQUIRED, sign, TOKENS, tokensOf } from "./support/issuers.mjs";
import { asReceived, asynchronous, compare, synchronous } from "./support/measure.mjs";

const IN_FLIGHT = 16;

/** What is verified, against whom, and with what memory. */
const COMPARISONS = {
  "verify-ed25519": { issuer: ed25519Issuer, against: joseSide },
  "verify-ed25519-in-flight": { issuer: ed25519Issuer, against: joseSide, inFlight: IN_FLIGHT },
  "verify-ed25519-fast-jwt": { issuer: ed25519Issuer, against: fastJwtSide },
  "verify-hs256": { issuer: hmacIssuer, against: joseSide },
  "verify-hs256-fast-jwt": { issuer: hmacIssuer, against: fastJwtSide },
  "cached-ed25519": { issuer: ed25519Issuer, against: fastJwtSide, cacheSize: 2 * TOKENS },
  "cached-hs256": { issuer: hmacIssuer, against: fastJwtSide, cacheSize: 2 * TOKENS },
};

/** How many names the registry has, the width of its masks, and how many of them each token holds. */
const REGISTRIES = { "permission-check": [40, 64, 20], "permission-check-widest": [508, 512, 200] };

/** The largest registry against one of eight names. */
const BY_SIZE = "permission-check-size";

export const NAMES = [...Object.keys(COMPARISONS), ...Object.keys(REGISTRIES), BY_SIZE];

export async function run(name, { quick }) {
  if (name in REGISTRIES) return [await permissionCheck(name, quick)];
  if (name === BY_SIZE) return [await permissionCheckBySize(quick)];
  const { issuer: createIssuer, against, inFlight = 1, cacheSize = 0 } = COMPARISONS[name];
  const issuer = await createIssuer();
  const tokens = await tokensOf(issuer, quick ? 16 : TOKENS);
  const settings = { issuer: ISSUER, audience: AUDIENCE, leewaySeconds: LEEWAY_SECONDS, cacheSize };
  const verifier = createVerifier({ ...settings, ...issuer.verifierOptions });
  const ours = (token) => verifier.verify(token);
  const theirs = against(issuer, { cacheSize, inFlight });
  await bothJudge(tokens[0], ours, theirs.verify);
  // A key gets its tables while it checks its first tokens; the comparison is about what comes after.
  for (let warm = 0; warm < TOKENS; warm += 1) ours(tokens[warm % tokens.length]);

  const passes = quick ? 1 : issuer.passes * (cacheSize > 0 ? 8 : 1);
  const comparison = {
    name,
    ours: synchronous(cacheSize > 0 ? "postern verify, cached" : "postern verify", tokens, passes, ours, asReceived),
    theirs: theirs.side(tokens, passes),
  };
  return [await compare(comparison, quick ? 2 : 15)];
}

function joseSide({ algorithm, key }, { inFlight }) {
  const options = joseOptions(algorithm);
  const verify = (token) => jose.jwtVerify(token, key, options);
  const label = inFlight === 1 ? "jose jwtVerify" : `jose jwtVerify, ${inFlight} in flight`;
  return { verify, side: (tokens, passes) => asynchronous(label, tokens, passes, verify, inFlight) };
}

function fastJwtSide({ algorithm, plainKey }, { cacheSize }) {
  const verify = createFastJwtVerifier({
    key: plainKey,
    algorithms: [algorithm],
    allowedIss: ISSUER,
    allowedAud: AUDIENCE,
    checkTyp: "at+jwt",
    requiredClaims: REQUIRED,
    clockTolerance: LEEWAY_SECONDS * 1000,
    cache: cacheSize > 0 ? cacheSize : false,
  });
  const label = cacheSize > 0 ? "fast-jwt, cached" : "fast-jwt";
  return { verify, side: (tokens, passes) => synchronous(label, tokens, passes, verify, asReceived) };
}

/**
 * `claims.can` against looking a name up in a list that the token carries, 256 tokens in turn. One operation is a check
 * of each: a single one would be lost in the calls of the measurement.
 */
async function permissionCheck(title, quick) {
  const { holders, name, passes } = await holdersOf(REGISTRIES[title], quick);
  const comparison = {
    name: title,
    ours: synchronous("256 × claims.can", [holders], passes, checkAll((claims) => claims.can(name))),
    theirs: synchronous("256 × payload.permissions.includes", [holders], passes, checkAll(({ payload }) => payload.permissions.includes(name))),
  };
  return compare(comparison, quick ? 2 : 15);
}

/** The same check where there is much to be told apart, and where there is little. */
async function permissionCheckBySize(quick) {
  const side = async (label, registry) => {
    const { holders, name, passes } = await holdersOf(registry, quick);
    return synchronous(label, [holders], passes, checkAll((claims) => claims.can(name)));
  };
  const ours = await side("256 × claims.can of 508", REGISTRIES["permission-check-widest"]);
  const theirs = await side("256 × claims.can of 8", [8, 64, 4]);
  return compare({ name: BY_SIZE, ours, theirs }, quick ? 2 : 15);
}

const checkAll = (check) => (all) => {
  let granted = 0;
  for (const claims of all) if (check(claims)) granted += 1;
  if (granted !== TOKENS) throw new Error("a permission got lost");
};

/** The claims of 256 tokens that hold the first `held` of `count` names, and the name that is asked for. */
async function holdersOf([count, width, held], quick) {
  const names = Array.from({ length: count }, (_, index) => `documents:action-${index}`);
  // Bits 63, 127 and 255 are nobody's.
  const bitOf = (index) => index + (index >= 63) + (index >= 126) + (index >= 253);
  const version = count + Math.log2(width / 64);
  const permissions = { version, width, permissions: names.map((name, index) => ({ name, bit: bitOf(index) })) };
  const issuer = await ed25519Issuer();
  const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, permissions, ...issuer.verifierOptions });
  const now = Math.floor(Date.now() / 1000);
  const holders = await Promise.all(
    Array.from({ length: TOKENS }, async (_, index) => {
      const mask = Buffer.alloc(width / 8);
      for (let bit = 0; bit <= bitOf(held - 1); bit += 1) if (![63, 127, 255].includes(bit)) mask[mask.length - 1 - (bit >> 3)] |= 1 << (bit & 7);
      const more = { pm: mask.toString("base64url"), pr: version, permissions: names.slice(0, held) };
      return verifier.verify(await sign(issuer, index, now, more));
    }),
  );
  const name = names[held / 2];
  if (holders.some((claims) => !claims.can(name) || claims.can(names[held]))) throw new Error("a mask is not what it should be");
  return { holders, name, passes: quick ? 10 : 4000 };
}

/** A contender that lets a changed token pass would be measured at nothing. */
async function bothJudge(token, ours, theirs) {
  for (const verify of [ours, theirs]) {
    await verify(token);
    const passed = await Promise.resolve(changed(token)).then(verify).then(() => true, () => false);
    if (passed) throw new Error("a contender accepts a changed signature");
  }
}
