// Access tokens against a native library, in Rust: the npm verifier in Node, and `postern-core` compiled natively, each
// against `jsonwebtoken` on the cryptography of AWS-LC.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { createVerifier } from "../../pkg/dist/entry/node.js";
import { AUDIENCE, changed, ed25519Issuer, ISSUER, LEEWAY_SECONDS, TOKENS, tokensOf } from "./support/issuers.mjs";
import { asReceived, compare, synchronous } from "./support/measure.mjs";
import { Program } from "./support/program.mjs";
import { ROOT } from "./support/workerd.mjs";

const PROGRAM = join(ROOT, "build/bench/native");

export const NAMES = ["native-ed25519", "native-core-ed25519"];

export async function run(name, { quick }) {
  if (!existsSync(PROGRAM)) return [{ name, skipped: "build/bench/native is missing: cargo xtask bench builds it" }];
  const issuer = await ed25519Issuer();
  const tokens = await tokensOf(issuer, quick ? 16 : TOKENS);
  const [jwk] = issuer.verifierOptions.jwks.keys;
  const native = new Program(PROGRAM);
  native.tell(JSON.stringify({ jwks: { keys: [jwk] }, pem: issuer.plainKey, issuer: ISSUER, audience: AUDIENCE, leeway_seconds: LEEWAY_SECONDS, tokens }));
  try {
    for (const contender of ["postern", "jsonwebtoken"]) {
      if ((await native.ask(`${contender} check ${tokens[0]}`)) !== "accepted") throw new Error(`${contender} refuses a token`);
      if ((await native.ask(`${contender} check ${changed(tokens[0])}`)) !== "refused") throw new Error(`${contender} accepts a changed signature`);
    }
    const passes = quick ? 1 : issuer.passes;
    const side = (contender) => async () => Number(await native.ask(`${contender} ${passes}`));
    const ours = name.startsWith("native-core") ? { name: "postern-core, native", sample: side("postern") } : inNode(issuer, tokens, passes);
    return [await compare({ name, ours, theirs: { name: "jsonwebtoken, native", sample: side("jsonwebtoken") } }, quick ? 2 : 15)];
  } finally {
    await native.end();
  }
}

function inNode(issuer, tokens, passes) {
  const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, leewaySeconds: LEEWAY_SECONDS, cacheSize: 0, ...issuer.verifierOptions });
  // A key gets its tables while it checks its first tokens; the comparison is about what comes after.
  for (let warm = 0; warm < TOKENS; warm += 1) verifier.verify(tokens[warm % tokens.length]);
  return synchronous("postern verify, in Node", tokens, passes, (token) => verifier.verify(token), asReceived);
}
