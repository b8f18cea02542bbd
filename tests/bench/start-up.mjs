// From the start of workerd to its first answer: the release build against Workers of plain JavaScript.

import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { performance } from "node:perf_hooks";
import { bundleForWorkerd } from "./support/bundle.mjs";
import { compare } from "./support/measure.mjs";
import { startBareWorker, startModule, startRelease } from "./support/workerd.mjs";

const CONFIGURATION = {
  issuer: "https://auth.example.com",
  permissions: { names: ["docs:read", "docs:write"], roles: { user: ["docs:read", "docs:write"] }, default_role: "user" },
  mail: { sender: "http", url: "https://mail.example.com/send", from: "no-reply@example.com" },
};

export const NAMES = ["start-up-bare", "start-up-jose"];

export async function run(name, { quick }) {
  const theirs = name === "start-up-jose" ? await joseWorker() : { name: 'bare worker, "ok"', start: startBareWorker };
  const comparison = {
    name,
    ours: { name: "postern, release, /health", sample: () => firstAnswer(() => startRelease(CONFIGURATION), "/health") },
    theirs: { name: theirs.name, sample: () => firstAnswer(theirs.start, "/") },
  };
  return [{ ...(await compare(comparison, quick ? 1 : 15)), runtime: "workerd" }];
}

/** Microseconds from before the process existed until its first answer was read. */
async function firstAnswer(start, path) {
  const server = await start();
  try {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`);
    const text = await answer.text();
    const microseconds = (performance.now() - server.startedAt) * 1000;
    if (answer.status !== 200) throw new Error(`the first answer was ${answer.status}: ${text}\n${server.output()}`);
    return microseconds;
  } finally {
    await server.stop();
  }
}

/** A Worker that answers after it has checked a token with `jose`, bundled as Wrangler bundles it. */
async function joseWorker() {
  const { privateKey, publicKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const token = await new SignJWT({ sub: "ada" }).setProtectedHeader({ alg: "EdDSA" }).setExpirationTime("1h").sign(privateKey);
  const source = `
    import { importJWK, jwtVerify } from "jose";
    const key = importJWK(${JSON.stringify(await exportJWK(publicKey))}, "EdDSA");
    export default {
      fetch: async () => new Response((await jwtVerify(${JSON.stringify(token)}, await key)).payload.sub),
    };`;
  const bundled = await bundleForWorkerd(source);
  return { name: "a token checked with jose", start: () => startModule(bundled) };
}
