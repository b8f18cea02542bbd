// A million verifications leave nothing behind: neither in the module's memory nor on the heap.

import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// Taken before the package makes its instance: the package shows nobody its memory.
let memory;
const Instance = WebAssembly.Instance;
WebAssembly.Instance = class extends Instance {
  constructor(...parameters) {
    super(...parameters);
    memory = this.exports.memory;
  }
};
const { createVerifier } = await import("postern");

const VERIFICATIONS = 1_000_000;
const ROUNDS = 10;
const NOW = 1_800_000_000;
/**
 * The smallest thing that could be left behind by each verification is an object of 12 bytes, which would be more than
 * this; what engines keep for themselves, compiled code above all, is less.
 */
const KEPT_BYTES = 10 * VERIFICATIONS;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

const heapBytes = () => {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

test("a million verifications keep the memory flat, refused ones included", () => {
  const secret = randomBytes(32);
  const options = { issuer: "https://auth.example", audience: "a", now: () => NOW, hmacSecret: new Uint8Array(secret) };
  const verifier = createVerifier({ ...options, hmacKeyId: "k", cacheSize: 100 });
  const tokens = Array.from({ length: 1000 }, (_, number) => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: "https://auth.example", aud: "a", sub: "s", client_id: "c", jti: `${number}`, iat: NOW, exp: NOW + 300 };
    // Of each kind, every tenth is refused: for its signature, for its type, for its time.
    const payload = part(number % 10 === 1 ? { ...claims, exp: NOW - 300 } : { ...claims, pad: "x".repeat(number) });
    const text = `${part({ alg: "HS256", kid: "k", typ: number % 10 === 2 ? "JWT" : "at+jwt" })}.${payload}`;
    const signature = createHmac("sha256", secret).update(text).digest("base64url");
    return `${text}.${number % 10 === 3 ? signature.replace(/./, (first) => (first === "A" ? "B" : "A")) : signature}`;
  });

  let accepted = 0;
  const verifyEach = () => {
    for (const token of tokens) {
      try {
        verifier.verify(token);
        accepted += 1;
      } catch (error) {
        assert.ok(["token_expired", "token_type_mismatch", "signature_invalid"].includes(error.code), error);
      }
    }
  };
  const round = () => {
    for (let done = 0; done < VERIFICATIONS / ROUNDS; done += tokens.length) verifyEach();
  };

  round();
  const [pages, heap] = [memory.buffer.byteLength, heapBytes()];
  for (let number = 1; number < ROUNDS; number += 1) round();
  assert.equal(accepted, VERIFICATIONS * 0.7);
  assert.equal(memory.buffer.byteLength, pages, "the module's memory has grown");
  const grown = heapBytes() - heap;
  assert.ok(grown < KEPT_BYTES, `the heap has grown by ${grown} bytes`);
});
