import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createVerifier } from "postern";
import { Engine } from "../dist/engine.js";
import { createVerifierFactory } from "../dist/verifier.js";
import { createIssuer, ISSUER, AUDIENCE, NOW, optionsFor, snapshot } from "./support/tokens.mjs";

const issuer = await createIssuer();
const bytes = readFileSync(new URL("../dist/verifier.wasm", import.meta.url));

/** A verifier with a clock to be set and a count of the tokens that reach the module. */
function counted(more = {}) {
  const engine = new Engine(() => new WebAssembly.Module(bytes));
  const verify = engine.verify.bind(engine);
  const state = { now: NOW + 1, calls: 0 };
  engine.verify = (...args) => {
    state.calls += 1;
    return verify(...args);
  };
  const create = createVerifierFactory(engine, { allowHmac: true });
  state.verifier = create(optionsFor(issuer, { cacheSize: 3, now: () => state.now, ...more }));
  return state;
}

test("a token that comes again is not verified again", async () => {
  const state = counted();
  const token = await issuer.sign();
  const [first, second] = [state.verifier.verify(token), state.verifier.verify(`${token}`)];
  assert.equal(state.calls, 1);
  assert.deepEqual(second.payload, first.payload);
  const without = counted({ cacheSize: undefined });
  without.verifier.verify(token);
  without.verifier.verify(token);
  assert.equal(without.calls, 2);
});

test("what one caller does to claims, another does not see", async () => {
  const { verifier } = counted();
  const token = await issuer.sign();
  verifier.verify(token).roles.push("admin");
  verifier.verify(token).payload.sub = "somebody else";
  assert.deepEqual(verifier.verify(token).roles, ["editor"]);
  assert.notEqual(verifier.verify(token).subject, "somebody else");
});

test("the verdict is the same with and without, whenever it is asked for", async () => {
  const token = await issuer.sign({ nbf: NOW + 50 });
  const plain = counted({ cacheSize: 0 });
  const cached = counted();
  const verdict = (state, now) => {
    state.now = now;
    try {
      return state.verifier.verify(token).subject;
    } catch (error) {
      return error.code;
    }
  };
  // Forwards, backwards and forwards again.
  const times = [-40, 0, 19, 20, 49, 51, 299, 300, 329, 330, 1000, 329, 299, 19, -40, 60, 330, 60];
  for (const offset of times) assert.equal(verdict(cached, NOW + offset), verdict(plain, NOW + offset), `at ${offset}`);
  assert.ok(cached.calls < plain.calls);
});

test("a refused token is never remembered", async () => {
  const state = counted({ permissions: snapshot(["docs:read"]) });
  const bad = await issuer.sign({ pm: "AA" });
  const forged = `${(await issuer.sign()).slice(0, -10)}AAAAAAAAAA`;
  for (const token of [bad, bad, forged, forged]) assert.throws(() => state.verifier.verify(token));
  assert.equal(state.calls, 4);
});

test("it holds as many as it was told to, and drops the oldest", async () => {
  const state = counted();
  const tokens = await Promise.all([1, 2, 3, 4].map((n) => issuer.sign({ jti: `t${n}` })));
  for (const token of tokens) state.verifier.verify(token);
  for (const token of tokens.slice(1)) state.verifier.verify(token);
  assert.equal(state.calls, 4);
  state.verifier.verify(tokens[0]);
  assert.equal(state.calls, 5);
});

test("new keys forget every token, so that a withdrawn key ends at once", async () => {
  const next = await createIssuer("next");
  let jwks = issuer.jwks;
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUrl: "https://auth.example/jwks",
    cacheSize: 10,
    fetch: async () => Response.json(jwks),
    now: () => NOW + 1,
  });
  await verifier.ready();
  const token = await issuer.sign();
  verifier.verify(token);
  jwks = next.jwks;
  await verifier.refresh();
  assert.throws(() => verifier.verify(token), { code: "key_not_found" });
});
