// Access tokens where code runs that is not warm, or not in Node: the npm verifier against `jose`, in workerd, and from the
// start of a process to its first token.

import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import { bundleForNode, bundleForWorkerd } from "./support/bundle.mjs";
import { AUDIENCE, ed25519Issuer, hmacIssuer, ISSUER, joseOptions, TOKENS, tokensOf } from "./support/issuers.mjs";
import { compare } from "./support/measure.mjs";
import { ROOT, startModules } from "./support/workerd.mjs";

const MODULE = join(ROOT, "pkg/dist/verifier.wasm");
const COMPARISONS = {
  "workerd-ed25519": { run: inWorkerd, issuer: ed25519Issuer },
  "workerd-hs256": { run: inWorkerd, issuer: hmacIssuer },
  "first-ed25519": { run: firstToken, issuer: ed25519Issuer },
  "first-hs256": { run: firstToken, issuer: hmacIssuer },
};

export const NAMES = Object.keys(COMPARISONS);

export async function run(name, { quick }) {
  const { run: measure, issuer: createIssuer } = COMPARISONS[name];
  return [await measure(name, await createIssuer(), quick === true)];
}

/** One Worker with both contenders. Its clock stands still while it computes, so requests are timed from outside. */
async function inWorkerd(name, issuer, quick) {
  const tokens = await tokensOf(issuer, quick ? 16 : TOKENS);
  const passes = quick ? 1 : issuer.passes * 8;
  const source = `
    import * as jose from "jose";
    import { createVerifier } from "./pkg/dist/entry/workerd.js";
    const tokens = ${JSON.stringify(tokens)};
    ${contenders(issuer)}
    let key;
    async function ours() {
      for (let pass = 0; pass < ${passes}; pass += 1) for (const token of tokens) verifier.verify(token);
    }
    async function theirs() {
      key ??= await importKey();
      for (let pass = 0; pass < ${passes}; pass += 1) for (const token of tokens) await jose.jwtVerify(token, key, options);
    }
    export default {
      async fetch(request) {
        await (request.url.endsWith("/ours") ? ours() : theirs());
        return new Response("ok");
      },
    };`;
  const server = await startModules({ "worker.js": await bundleForWorkerd(source), "verifier.wasm": readFileSync(MODULE) });
  const sample = (path) => async () => {
    const start = performance.now();
    const answer = await fetch(`http://127.0.0.1:${server.port}/${path}`);
    const text = await answer.text();
    if (text !== "ok") throw new Error(`workerd answered ${answer.status}: ${text}\n${server.output()}`);
    return ((performance.now() - start) * 1000) / (passes * tokens.length);
  };
  try {
    const comparison = {
      name,
      ours: { name: "postern verify, in workerd", sample: sample("ours") },
      theirs: { name: "jose jwtVerify, in workerd", sample: sample("theirs") },
    };
    return { ...(await compare(comparison, quick ? 2 : 15)), runtime: "workerd" };
  } finally {
    await server.stop();
  }
}

/** A process for every sample, which tells how long it took from loading the library to the claims of one token. */
async function firstToken(name, issuer, quick) {
  const [token] = await tokensOf(issuer, 1);
  const folder = mkdtempSync(join(tmpdir(), "postern-bench-"));
  // The package looks for its module in the folder above its own.
  mkdirSync(join(folder, "entry"));
  copyFileSync(MODULE, join(folder, "verifier.wasm"));
  const timed = async (side, imports, verify) => {
    const [library, program] = [`entry/${side}-library.mjs`, `entry/${side}.mjs`].map((file) => join(folder, file));
    writeFileSync(library, await bundleForNode(imports));
    writeFileSync(program, `
      const start = performance.now();
      const { jose, createVerifier } = await import(${JSON.stringify(library)});
      ${verify}
      console.log((performance.now() - start) * 1000, subject);`);
    return async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [program]);
      const [microseconds, subject] = stdout.trim().split(" ");
      if (subject !== "00112233445566778899aabbccddeeff") throw new Error(`the first token was not verified: ${stdout}`);
      return Number(microseconds);
    };
  };
  const { verifier, imported } = parts(issuer);
  try {
    const ours = await timed(
      "ours",
      'export { createVerifier } from "./pkg/dist/entry/node.js";',
      `${verifier}\nconst subject = verifier.verify(${JSON.stringify(token)}).subject;`,
    );
    const theirs = await timed(
      "theirs",
      'export * as jose from "jose";',
      `${imported}\nconst subject = (await jose.jwtVerify(${JSON.stringify(token)}, await importKey(), options)).payload.sub;`,
    );
    const comparison = {
      name,
      ours: { name: "postern, first token of a process", sample: ours },
      theirs: { name: "jose, first token of a process", sample: theirs },
    };
    return await compare(comparison, quick ? 1 : 15);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const contenders = (issuer) => Object.values(parts(issuer)).join("\n");

/** The program texts that make either contender ready. */
function parts({ algorithm, verifierOptions: { jwks, hmacSecret, hmacKeyId } }) {
  const secret = hmacSecret && `Uint8Array.from(${JSON.stringify([...hmacSecret])})`;
  const keys = jwks ? `jwks: ${JSON.stringify(jwks)}` : `hmacSecret: ${secret}, hmacKeyId: ${JSON.stringify(hmacKeyId)}`;
  const hmac = '{ name: "HMAC", hash: "SHA-256" }';
  const key = jwks
    ? `jose.importJWK(${JSON.stringify(jwks.keys[0])}, ${JSON.stringify(algorithm)})`
    : `crypto.subtle.importKey("raw", ${secret}, ${hmac}, false, ["verify"])`;
  return {
    verifier: `const verifier = createVerifier({ issuer: ${JSON.stringify(ISSUER)}, audience: ${JSON.stringify(AUDIENCE)}, ${keys} });`,
    imported: `const options = ${JSON.stringify(joseOptions(algorithm))};\nconst importKey = () => ${key};`,
  };
}
