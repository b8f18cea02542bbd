import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createVerifier } from "postern";
import { Registry } from "../dist/permissions.js";
import { createVerifierFactory } from "../dist/webcrypto/verifier.js";
import { checkKeySets, checkTokens } from "./support/vectors.mjs";

const read = (name) => JSON.parse(readFileSync(new URL(`../../tests/vectors/${name}`, import.meta.url)));
// The published build takes no shared secret; what is beneath it can, and the vectors have some.
const createSlowVerifier = createVerifierFactory({ allowHmac: true, shareFetch: true });

test("every token vector gets its verdict, with and without WebAssembly, at once and later", async () => {
  for (const name of ["verify", "algorithms"]) {
    const vectors = read(`jwt/${name}.json`);
    assert.ok(vectors.cases.length > 50);
    assert.deepEqual(await checkTokens(vectors, createVerifier, "verify"), []);
    assert.deepEqual(await checkTokens(vectors, createVerifier, "verifyAsync"), []);
    assert.deepEqual(await checkTokens(vectors, createSlowVerifier, "verifyAsync"), []);
  }
});

test("every key set vector gets its verdict, with and without WebAssembly", async () => {
  const vectors = read("jwt/key_sets.json");
  assert.ok(vectors.cases.length > 10);
  assert.deepEqual(await checkKeySets(vectors, createVerifier), []);
  assert.deepEqual(await checkKeySets(vectors, createSlowVerifier), []);
});

test("every mask vector gets its verdict", () => {
  const { accepted, rejected } = read("permission/masks.json");
  const registryOf = (width) => new Registry({ width, version: [64, 128, 256, 512].indexOf(width), permissions: [] });
  for (const { width, bits, root, text } of accepted) {
    const registry = registryOf(width);
    const words = registry.readMask(text);
    const actual = Array.from({ length: width - 1 }, (_, bit) => bit).filter((bit) => (words[bit >>> 5] >>> (bit & 31)) & 1);
    assert.deepEqual([actual, registry.isRoot(words)], [bits, root], text);
  }
  assert.ok(rejected.length > 10);
  for (const { name, width, text } of rejected) {
    assert.throws(() => registryOf(width).readMask(text), { code: "claim_malformed", claim: "pm" }, name);
  }
});

test("every registry vector is read as it was meant", () => {
  const { names, registries } = read("permission/registry.json");
  for (const { name, error } of names) {
    const read = () => new Registry({ width: 64, version: 1, permissions: [{ name, bit: 0 }] });
    if (error) assert.throws(read, { code: "configuration_invalid" }, name);
    else assert.equal(read().bitOf(name), 0);
  }
  for (const { name, width, names, deleted, version, bits, error } of registries.filter(({ bits }) => bits)) {
    assert.equal(error, undefined);
    const all = Array.isArray(names)
      ? names
      : Object.entries(names).flatMap(([item, n]) => Array.from({ length: n }, (_, i) => `${item}${i}:use`));
    let bit = 0;
    const permissions = all.map((name) => {
      if ([63, 127, 255, 511].includes(bit)) bit += 1;
      return { name, bit: bit++, deleted: deleted.includes(name) };
    });
    const registry = new Registry({ width, version, permissions });
    for (const [living, expected] of Object.entries(bits)) assert.equal(registry.bitOf(living), expected, name);
  }
});
