import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createVerifier, TokenError } from "postern";
import { Engine } from "../dist/engine.js";
import { TokenCache } from "../dist/token-cache.js";
import { createVerifierFactory } from "../dist/verifier.js";
import { createIssuer, ISSUER, AUDIENCE, NOW, optionsFor, snapshot } from "./support/tokens.mjs";

const issuer = await createIssuer();
const HEAP = fileURLToPath(new URL("support/heap.mjs", import.meta.url));
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
  const token = await issuer.sign({ plan: { seats: [3] } });
  for (const claims of [verifier.verify(token), verifier.verify(token), await verifier.verifyAsync(token)]) {
    assert.throws(() => claims.roles.push("admin"), TypeError);
    assert.throws(() => claims.payload.plan.seats.push(4), TypeError);
    assert.throws(() => (claims.payload.sub = "somebody else"), TypeError);
    assert.throws(() => (claims.payload = {}), TypeError);
    assert.throws(() => Object.assign(claims, { isRoot: true }), TypeError);
    assert.deepEqual(claims.payload.plan, { seats: [3] });
  }
});

test("a token with the signature of another is another token", async () => {
  const state = counted();
  const [one, other] = [await issuer.sign(), await issuer.sign({ roles: ["admin"] })];
  state.verifier.verify(one);
  const [head, payload] = other.split(".");
  const [, ownPayload, signature] = one.split(".");
  for (const forged of [`${head}.${payload}.${signature}`, `${head}.${ownPayload}x.${signature}`, `.${one}`, `${one}.`]) {
    assert.throws(() => state.verifier.verify(forged), TokenError, forged);
  }
  assert.equal(state.calls, 5);
});

test("a token that differs in any one character is another token", async () => {
  const secret = new Uint8Array(32).fill(7);
  const hmac = createHmac("sha256", secret);
  const token = await issuer.sign();
  const [, payload] = token.split(".");
  const signed = `${Buffer.from('{"alg":"HS256","kid":"h","typ":"at+jwt"}').toString("base64url")}.${payload}`;
  const symmetric = `${signed}.${hmac.update(signed).digest("base64url")}`;
  const state = counted({ hmacSecret: secret, hmacKeyId: "h" });
  for (const known of [token, symmetric]) {
    state.verifier.verify(known);
    const { calls } = state;
    state.verifier.verify(`${known}`);
    assert.equal(state.calls, calls);
    for (let at = 0; at < known.length; at++) {
      for (const character of [known[at] === "A" ? "B" : "A", ".", "\u0141"]) {
        if (known[at] === character) continue;
        const other = known.slice(0, at) + character + known.slice(at + 1);
        assert.throws(() => state.verifier.verify(other), TokenError, other);
      }
      assert.throws(() => state.verifier.verify(known.slice(0, at)), TokenError);
    }
    assert.throws(() => state.verifier.verify(`${known}A`), TokenError);
  }
});

test("of a long signature everything is hidden, of a short one the half that makes it one", () => {
  const claims = { expiresAt: NOW + 60 };
  for (const [length, hidden] of [[43, 43], [86, 43], [64, 64], [128, 128], [342, 342], [20, 20]]) {
    const digested = [];
    const cache = new TokenCache(3, (text) => (digested.push(text), new Uint32Array(8)));
    const signature = Array.from({ length }, (_, at) => "abcdefghijk"[at % 11]).join("");
    const token = `${"h".repeat(60)}.${"p".repeat(200)}.${signature}`;
    cache.add(token, claims, NOW);
    assert.equal(cache.get(`${token}`, NOW), claims);
    assert.deepEqual(digested, [signature.slice(-hidden), signature.slice(-hidden)], `${length}`);
    // Whatever is not digested is compared.
    for (const other of [`x${token.slice(1)}`, token.replace("pp.", "pq."), `h${token}`, token.slice(1)]) {
      assert.equal(cache.get(other, NOW), undefined, `${length}`);
    }
  }
});

test("a digest that has been lost is no digest", async () => {
  const [one, other] = [await issuer.sign(), await (await createIssuer()).sign()];
  const signed = (token) => token.slice(0, token.lastIndexOf("."));
  const claims = createVerifier(optionsFor(issuer)).verify(one);
  const cache = new TokenCache(3, () => new Uint32Array(0));
  cache.add(one, claims, NOW);
  assert.equal(cache.get(`${signed(one)}.${other.split(".")[2]}`, NOW), undefined);
});

test("no part of it is a credential: of a signature only a digest is kept", () => {
  // In a process of its own, whose heap knows no token but through the verifier.
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--expose-gc", HEAP], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), { remembered: 50, payloads: true, signatures: 0 });
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

test("a token that is remembered grows too old like any other", async () => {
  const token = await issuer.sign({ exp: NOW + 100_000 });
  const [plain, cached] = [0, 3].map((cacheSize) => counted({ cacheSize, maxTokenAgeSeconds: 60, leewaySeconds: 10 }));
  for (const offset of [0, 59, 60, 69]) {
    for (const state of [plain, cached]) {
      state.now = NOW + offset;
      assert.equal(state.verifier.verify(token).clientId, "web", `at ${offset}`);
    }
  }
  assert.ok(cached.calls < plain.calls);
  for (const offset of [70, 71, 3600]) {
    for (const state of [plain, cached]) {
      state.now = NOW + offset;
      assert.throws(() => state.verifier.verify(token), { code: "token_too_old" }, `at ${offset}`);
      await assert.rejects(state.verifier.verifyAsync(token), { code: "token_too_old" }, `at ${offset}`);
    }
  }
});

test("a refused token is never remembered", async () => {
  const state = counted({ permissions: snapshot(["docs:read"]) });
  const bad = await issuer.sign({ pm: "AA" });
  const forged = `${(await issuer.sign()).slice(0, -10)}AAAAAAAAAA`;
  for (const token of [bad, bad, forged, forged]) assert.throws(() => state.verifier.verify(token));
  assert.equal(state.calls, 4);
});

test("what the old keys were still judging when the new ones came is not remembered", async (t) => {
  const state = counted({ jwksUrl: "https://auth.example/jwks", fetch: async () => Response.json(issuer.jwks) });
  const token = await issuer.sign();
  const pending = state.verifier.verifyAsync(token);
  await Promise.all([pending, state.verifier.refresh()]);
  state.verifier.verify(token);
  const calls = state.calls;
  state.verifier.verify(token);
  assert.equal(state.calls, calls);
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
