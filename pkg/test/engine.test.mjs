import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Engine } from "../dist/engine.js";
import { createVerifierFactory } from "../dist/verifier.js";
import { createIssuer, optionsFor } from "./support/tokens.mjs";

const bytes = readFileSync(new URL("../dist/verifier.wasm", import.meta.url));
const issuer = await createIssuer();

test("the module imports nothing", () => {
  assert.deepEqual(WebAssembly.Module.imports(new WebAssembly.Module(bytes)), []);
});

test("after a trap the instance is discarded, and every verifier works again", async (t) => {
  const Instance = WebAssembly.Instance;
  let instances = 0;
  let trap = false;
  t.mock.method(WebAssembly, "Instance", function (module) {
    instances += 1;
    const { exports } = new Instance(module);
    const postern_verify = (...args) => {
      if (trap) throw new WebAssembly.RuntimeError("unreachable");
      return exports.postern_verify(...args);
    };
    return { exports: { ...exports, postern_verify } };
  });
  const createVerifier = createVerifierFactory(new Engine(() => new WebAssembly.Module(bytes)), { allowHmac: true });
  const [one, two] = [createVerifier(optionsFor(issuer)), createVerifier(optionsFor(issuer))];
  const token = await issuer.sign();
  one.verify(token);
  assert.equal(instances, 1);
  trap = true;
  assert.throws(() => one.verify(token), (error) => error.code === "internal" && !error.message.includes(token));
  trap = false;
  assert.equal(one.verify(token).clientId, "web");
  assert.equal(two.verify(token).clientId, "web");
  assert.equal(instances, 2);
});

test("memory that grows between two calls detaches no argument", async () => {
  const createVerifier = createVerifierFactory(new Engine(() => new WebAssembly.Module(bytes)), { allowHmac: true });
  const token = await issuer.sign();
  const verifiers = [];
  // Each holds a key set of 64 keys, so that the module has to ask for memory many times.
  const keys = await Promise.all(Array.from({ length: 64 }, async (_, i) => (await createIssuer(`k${i}`)).jwks.keys[0]));
  for (let i = 0; i < 200; i++) {
    verifiers.push(createVerifier(optionsFor(issuer, { jwks: { keys: [...keys.slice(1), ...issuer.jwks.keys] } })));
    assert.equal(verifiers[i >> 1].verify(token).clientId, "web");
  }
});
