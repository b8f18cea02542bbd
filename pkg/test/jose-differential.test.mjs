// A hundred thousand tokens, good and broken, to the package and to jose. Every disagreement is one of those written
// down here with its reason, and each of them must occur: a reason that nothing needs any more is removed.

import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { test } from "node:test";
import * as jose from "jose";
import { createVerifier } from "postern";
import { createVerifier as createWebCryptoVerifier } from "postern/webcrypto";

import { randomFrom, tokenMaker } from "./support/mutate.mjs";

const TOKENS = 100_000;
const SEED = 20_261_121;
const ISSUER = "https://auth.example";
const AUDIENCE = "https://api.example";
const NOW = 1_800_000_000;
const REQUIRED = ["exp", "sub", "iat", "jti", "client_id"];

/** What the package refuses and jose accepts. */
const STRICTER = {
  header_malformed: "members used twice, and more than 16 levels: two readers could differ (RFC 7515 §4, RFC 8725 §2.4)",
  payload_malformed: "the same, and texts that are not UTF-8, which jose replaces",
  token_malformed: "base64url with bits that no byte has, or with white space: one token has one text",
  token_too_large: "more than 8 KiB",
  claim_malformed: "a registered claim of another type than its specification says",
  token_issued_in_future: "jose looks at iat only when it is given a largest age",
  token_clock_skew: "the same",
  token_expired: "a fraction of a second is dropped, so that a token never lives longer than a whole-second clock says",
  key_not_found: "no key id, and several keys: jose takes the only one that fits the algorithm, we let no token choose",
  tenant_mismatch: "nobody said that tokens of tenants are welcome",
};
/** What jose refuses and the package accepts. */
const LAXER = {
  nbf_fraction: "a fraction of a second is dropped: the token counts from the start of its second",
};

/** Keys of these algorithms, to sign with and as they are published; the key id is the algorithm's name. */
function keysOf(algorithms) {
  const [signing, keys] = [{}, []];
  for (const [alg, [type, options]] of Object.entries(algorithms)) {
    const { publicKey, privateKey } = generateKeyPairSync(type, options);
    signing[alg] = { kid: alg, key: privateKey.export({ type: "pkcs8", format: "pem" }) };
    keys.push({ ...publicKey.export({ format: "jwk" }), kid: alg, alg, use: "sig" });
  }
  return { signing, keys };
}

const refusalOf = async (verify, token) => {
  try {
    await verify(token);
    return undefined;
  } catch (error) {
    return error.code ?? assert.fail(error);
  }
};

async function compare({ verify, joseKey, make, count, algorithms }) {
  const random = randomFrom(SEED);
  const options = {
    issuer: ISSUER,
    audience: AUDIENCE,
    typ: "at+jwt",
    algorithms,
    clockTolerance: 30,
    currentDate: new Date(NOW * 1000),
    requiredClaims: REQUIRED,
  };
  const seen = { accepted: 0, refused: 0 };
  const reasons = new Map();
  for (let number = 0; number < count; number += 1) {
    const token = make(random);
    const ours = await refusalOf(verify, token);
    const theirs = await jose.jwtVerify(token, joseKey, options).then(() => undefined, (error) => error.code ?? error.name);
    if ((ours === undefined) === (theirs === undefined)) {
      seen[ours === undefined ? "accepted" : "refused"] += 1;
      continue;
    }
    const reason = ours ?? laxReason(token);
    const known = ours === undefined ? LAXER : STRICTER;
    assert.ok(reason in known, `token ${number} of seed ${SEED}: ours ${ours ?? "accepted"}, jose ${theirs ?? "accepted"}\n${token}`);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return { seen, reasons };
}

/** Names the one way in which the package may be laxer, having looked at the token. */
function laxReason(token) {
  const { nbf } = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  return nbf > NOW + 30 && Math.floor(nbf) <= NOW + 30 ? "nbf_fraction" : "unexplained";
}

const everyReason = new Set();

const settings = { issuer: ISSUER, audience: AUDIENCE, now: () => NOW };

test("Ed25519: the package and jose agree, or the reason is written down", async () => {
  const { signing, keys } = keysOf({ EdDSA: ["ed25519"], other: ["ed25519"] });
  delete signing.other;
  const jwks = { keys: keys.map((key) => ({ ...key, alg: "EdDSA" })) };
  const verifier = createVerifier({ ...settings, jwks });
  const { seen, reasons } = await compare({
    verify: (token) => verifier.verify(token),
    // jose takes a name of RFC 9864 and the older one for two algorithms; a key without a name is for both.
    joseKey: jose.createLocalJWKSet({ keys: keys.map(({ alg, ...key }) => key) }),
    make: tokenMaker({ issuer: ISSUER, audience: AUDIENCE, now: NOW, keys: signing }),
    count: TOKENS / 2,
    algorithms: ["EdDSA", "Ed25519"],
  });
  assert.ok(seen.accepted > TOKENS / 10 && seen.refused > TOKENS / 10, JSON.stringify(seen));
  for (const reason of reasons.keys()) everyReason.add(reason);
});

for (const [build, create] of Object.entries({ wasm: createVerifier, webcrypto: createWebCryptoVerifier })) {
  test(`RSA and ECDSA, ${build}: the package and jose agree, or the reason is written down`, async () => {
    const rsa = ["rsa", { modulusLength: 2048 }];
    const ec = (namedCurve) => ["ec", { namedCurve }];
    const { signing, keys } = keysOf({ RS256: rsa, PS256: rsa, RS512: rsa, ES256: ec("P-256"), ES384: ec("P-384") });
    const verifier = create({ ...settings, jwks: { keys } });
    const count = TOKENS / 20;
    const { seen, reasons } = await compare({
      verify: (token) => verifier.verifyAsync(token),
      joseKey: jose.createLocalJWKSet({ keys }),
      make: tokenMaker({ issuer: ISSUER, audience: AUDIENCE, now: NOW, keys: signing }),
      count,
      algorithms: Object.keys(signing),
    });
    assert.ok(seen.accepted > count / 5 && seen.refused > count / 5, JSON.stringify(seen));
    for (const reason of reasons.keys()) everyReason.add(reason);
  });
}

test("HS256: the package and jose agree, or the reason is written down", async () => {
  const secret = randomBytes(32);
  const verifier = createVerifier({ ...settings, hmacSecret: new Uint8Array(secret), hmacKeyId: "hs" });
  const { seen, reasons } = await compare({
    verify: (token) => verifier.verify(token),
    // jose does not look at the key id when it is given a key, so it is given a function.
    joseKey: async ({ kid }) => (kid === undefined || kid === "hs" ? secret : assert.fail("no such key")),
    make: tokenMaker({ issuer: ISSUER, audience: AUDIENCE, now: NOW, keys: { HS256: { kid: "hs", key: secret } } }),
    count: TOKENS / 2,
    algorithms: ["HS256"],
  });
  assert.ok(seen.accepted > TOKENS / 10 && seen.refused > TOKENS / 10, JSON.stringify(seen));
  for (const reason of reasons.keys()) everyReason.add(reason);
});

test("every reason that is written down occurs", () => {
  assert.deepEqual([...everyReason].sort(), [...Object.keys(STRICTER), ...Object.keys(LAXER)].sort());
});
