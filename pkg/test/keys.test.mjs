import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setImmediate as settle } from "node:timers/promises";
import { test } from "node:test";
import { ConfigurationError, createVerifier, KeysError, TokenError } from "postern";
import { Engine } from "../dist/engine.js";
import { createVerifierFactory } from "../dist/verifier.js";
import { createVerifierFactory as createWebCryptoVerifierFactory } from "../dist/webcrypto/verifier.js";
import { AUDIENCE, createIssuer, ISSUER, NOW } from "./support/tokens.mjs";

const [old, next] = [await createIssuer("old"), await createIssuer("next")];
const URL_OF_KEYS = "https://auth.example/.well-known/jwks.json";

/** A verifier whose keys come from `answer`, with a clock to be set. */
function remote(answer, more = {}, create = createVerifier) {
  const clock = { now: NOW };
  const fetches = [];
  const fetch = async (url, init) => {
    fetches.push({ url, init });
    return answer(fetches.length);
  };
  const options = { issuer: ISSUER, audience: AUDIENCE, jwksUrl: URL_OF_KEYS, now: () => clock.now, fetch, ...more };
  return { verifier: create(options), clock, fetches };
}
/** The builds for Workers and kin, where a fetch belongs to the request that began it. */
const bytes = readFileSync(new URL("../dist/verifier.wasm", import.meta.url));
const isolates = [
  createVerifierFactory(new Engine(() => new WebAssembly.Module(bytes)), { allowHmac: false, shareFetch: false }),
  createWebCryptoVerifierFactory({ allowHmac: false, shareFetch: false }),
];
/** What becomes of a fetch whose request has been answered: nothing, for ever. */
const cutOff = () => new Promise(() => {});
const serve = (jwks) => () => Response.json(jwks);

test("before the keys are there, verify says so and fetches nothing", async () => {
  const { verifier, fetches } = remote(serve(old.jwks));
  const token = await old.sign();
  assert.throws(() => verifier.verify(token), (error) => error instanceof KeysError && error.code === "keys_not_loaded");
  assert.equal(fetches.length, 0);
  await verifier.ready();
  assert.equal(verifier.verify(token).clientId, "web");
  await verifier.ready();
  assert.equal(fetches.length, 1);
  assert.equal(fetches[0].url, URL_OF_KEYS);
  assert.equal(fetches[0].init.redirect, "manual");
});

test("callers at the same time share one fetch", async () => {
  const { verifier, fetches } = remote(serve(old.jwks));
  await Promise.all([verifier.ready(), verifier.ready(), verifier.refresh()]);
  assert.equal(fetches.length, 1);
});

test("an unknown key starts one fetch in the background, then none for 30 seconds", async () => {
  let jwks = old.jwks;
  const { verifier, clock, fetches } = remote(() => Response.json(jwks));
  await verifier.ready();
  const token = await next.sign();
  const refused = () => assert.throws(() => verifier.verify(token), { code: "key_not_found" });
  refused();
  assert.equal(fetches.length, 1, "the fetch of ready() counts");
  clock.now += 30;
  refused();
  refused();
  await settle();
  assert.equal(fetches.length, 2);
  jwks = { keys: [...old.jwks.keys, ...next.jwks.keys] };
  clock.now += 29;
  refused();
  await settle();
  assert.equal(fetches.length, 2);
  clock.now += 1;
  refused();
  await settle();
  assert.equal(fetches.length, 3);
  assert.equal(verifier.verify(token).clientId, "web");
  assert.equal(verifier.verify(await old.sign()).clientId, "web");
});

test("a fetch that fails in the background disturbs nobody", async () => {
  const { verifier, clock, fetches } = remote((n) => {
    if (n > 1) throw new TypeError("no network");
    return Response.json(old.jwks);
  });
  await verifier.ready();
  clock.now += 60;
  const token = await next.sign();
  assert.throws(() => verifier.verify(token), TokenError);
  await settle();
  assert.equal(fetches.length, 2);
  assert.equal(verifier.verify(await old.sign()).clientId, "web");
});

test("keys older than five minutes are renewed in the background, so that a withdrawn one goes", async () => {
  let jwks = { keys: [...old.jwks.keys, ...next.jwks.keys] };
  const { verifier, clock, fetches } = remote(() => Response.json(jwks));
  await verifier.ready();
  jwks = next.jwks;
  const token = await old.sign({ exp: NOW + 6000 });
  clock.now += 299;
  verifier.verify(token);
  assert.equal(fetches.length, 1);
  clock.now += 1;
  verifier.verify(token);
  await settle();
  assert.equal(fetches.length, 2);
  assert.throws(() => verifier.verify(token), { code: "key_not_found" });
});

test("what is not a key set is refused, and the keys in use stay", async () => {
  const bodies = [
    () => new Response("<html>"),
    () => Response.json({ keys: [] }),
    () => Response.json({ keys: [{ kty: "oct", k: "c2VjcmV0" }] }),
    () => Response.json({ keys: [{ ...old.jwks.keys[0], d: "AA" }] }),
    () => new Response("x".repeat(65_537)),
    () => new Response(null, { status: 200 }),
    () => Response.json(next.jwks, { status: 404 }),
    () => Response.redirect("https://elsewhere.example/", 302),
    () => {
      throw new TypeError("no network");
    },
  ];
  for (const body of bodies) {
    const { verifier } = remote((n) => (n === 1 ? Response.json(old.jwks) : body()));
    await verifier.ready();
    await assert.rejects(verifier.refresh(), (error) => error instanceof KeysError && /^keys_(unavailable|invalid)$/.test(error.code));
    assert.equal(verifier.verify(await old.sign()).clientId, "web", body.toString());
    const { verifier: empty } = remote(body);
    await assert.rejects(empty.ready(), KeysError);
    await assert.rejects(empty.ready(), KeysError, "and again");
  }
});

test("keys given at the start are used at once, and renewed once in the background by the first token", async () => {
  let jwks = next.jwks;
  const { verifier, clock, fetches } = remote(() => Response.json(jwks), { jwks: old.jwks });
  await verifier.ready();
  assert.equal(fetches.length, 0);
  const token = await old.sign();
  assert.equal(verifier.verify(token).clientId, "web");
  assert.equal(verifier.verify(token).clientId, "web");
  await settle();
  assert.equal(fetches.length, 1);
  assert.throws(() => verifier.verify(token), { code: "key_not_found" }, "the snapshot was older than the withdrawal");
  clock.now += 60;
  assert.equal(verifier.verify(await next.sign()).clientId, "web");
  await settle();
  assert.equal(fetches.length, 1);
});

test("keys that cannot be renewed stay in use for a bounded time, counted from the first attempt", async () => {
  let reachable = true;
  const { verifier, clock } = remote(
    () => {
      if (!reachable) throw new TypeError("no network");
      return Response.json(old.jwks);
    },
    { jwksMaxStaleSeconds: 3600 },
  );
  await verifier.ready();
  const token = await old.sign({ exp: NOW + 1_000_000 });
  // A week without a token is no failure.
  clock.now += 604_800;
  assert.equal(verifier.verify(token).clientId, "web");
  await settle();
  reachable = false;
  clock.now += 600;
  verifier.verify(token);
  await settle();
  clock.now += 3599;
  assert.equal(verifier.verify(token).clientId, "web");
  clock.now += 1;
  const isStale = (error) => error instanceof KeysError && error.code === "keys_stale";
  assert.throws(() => verifier.verify(token), isStale);
  await assert.rejects(verifier.verifyAsync(token), isStale);
  reachable = true;
  clock.now += 30;
  assert.equal((await verifier.verifyAsync(token)).clientId, "web", "it waits for the fetch");
  assert.equal(verifier.verify(token).clientId, "web");
});

test("verifyAsync needs no ready, and waits for one fetch when it does not know the key", async () => {
  let jwks = old.jwks;
  const { verifier, clock, fetches } = remote(() => Response.json(jwks));
  const [known, unknown] = [await old.sign(), await next.sign()];
  const both = await Promise.all([verifier.verifyAsync(known), verifier.verifyAsync(known)]);
  assert.deepEqual(both.map(({ clientId }) => clientId), ["web", "web"]);
  assert.equal(fetches.length, 1);
  await assert.rejects(verifier.verifyAsync(unknown), { code: "key_not_found" });
  assert.equal(fetches.length, 1, "the first fetch was a moment ago");
  clock.now += 30;
  jwks = next.jwks;
  assert.equal((await verifier.verifyAsync(unknown)).clientId, "web");
  assert.equal(fetches.length, 2);
  await assert.rejects(verifier.verifyAsync(known), { code: "key_not_found" });
  assert.equal(fetches.length, 2);
});

test("a fetch that fails leaves the refusal of verifyAsync as it is", async () => {
  const { verifier, clock } = remote((n) => {
    if (n > 1) throw new TypeError("no network");
    return Response.json(old.jwks);
  });
  await verifier.ready();
  clock.now += 30;
  await assert.rejects(verifier.verifyAsync(await next.sign()), { code: "key_not_found" });
  const { verifier: empty } = remote(() => new Response("<html>"));
  await assert.rejects(empty.verifyAsync(await old.sign()), { code: "keys_invalid" });
});

test("where requests must not wait for each other's fetches, each has its own", async () => {
  const [create] = isolates;
  let fetches = 0;
  const fetch = async () => {
    fetches += 1;
    return Response.json(old.jwks);
  };
  const verifier = create({ issuer: ISSUER, audience: AUDIENCE, jwksUrl: URL_OF_KEYS, now: () => NOW, fetch });
  await Promise.all([verifier.ready(), verifier.ready()]);
  assert.equal(fetches, 2);
});

test("a fetch that is cut off with its request counts as none, so that a withdrawn key ends within the bound", async () => {
  const [create] = isolates;
  const { verifier, clock, fetches } = remote((n) => (n === 1 ? Response.json(old.jwks) : cutOff()), {}, create);
  await verifier.ready();
  const token = await old.sign({ exp: NOW + 100_000 });
  clock.now += 300;
  for (let elapsed = 0; elapsed < 3600; elapsed += 30) {
    assert.equal(verifier.verify(token).clientId, "web", `after ${elapsed}`);
    clock.now += 30;
  }
  assert.equal(fetches.length, 121, "one attempt in 30 seconds");
  assert.throws(() => verifier.verify(token), { code: "keys_stale" });
});

test("keys given at the start go out of use as well when no fetch is ever answered", async () => {
  const [create] = isolates;
  const { verifier, clock } = remote(cutOff, { jwks: old.jwks }, create);
  const token = await old.sign({ exp: NOW + 100_000 });
  assert.equal(verifier.verify(token).clientId, "web");
  clock.now += 3600;
  assert.throws(() => verifier.verify(token), { code: "keys_stale" });
});

test("verifyAsync renews stale keys before it judges by them", async () => {
  for (const create of [createVerifier, ...isolates]) {
    let answer = () => Response.json(old.jwks);
    const { verifier, clock, fetches } = remote(() => answer(), {}, create);
    await verifier.ready();
    const token = await old.sign({ exp: NOW + 100_000 });
    clock.now += 299;
    assert.equal((await verifier.verifyAsync(token)).clientId, "web");
    assert.equal(fetches.length, 1);
    clock.now += 1;
    answer = () => {
      throw new TypeError("no network");
    };
    assert.equal((await verifier.verifyAsync(token)).clientId, "web", "a failure is not the token's");
    assert.equal((await verifier.verifyAsync(token)).clientId, "web");
    assert.equal(fetches.length, 2);
    clock.now += 30;
    answer = () => Response.json(next.jwks);
    await assert.rejects(verifier.verifyAsync(token), { code: "key_not_found" }, "the key has been withdrawn");
    assert.equal(fetches.length, 3);
  }
});

test("whoever begins a fetch waits for it, and others go on with the keys in use", async () => {
  for (const create of [createVerifier, ...isolates]) {
    let resolve;
    const promise = new Promise((settled) => (resolve = settled));
    const { verifier, clock, fetches } = remote((n) => (n === 1 ? Response.json(old.jwks) : promise), {}, create);
    await verifier.ready();
    const token = await old.sign({ exp: NOW + 100_000 });
    clock.now += 300;
    const first = verifier.verifyAsync(token);
    assert.equal((await verifier.verifyAsync(token)).clientId, "web");
    resolve(Response.json(next.jwks));
    await assert.rejects(first, { code: "key_not_found" });
    assert.equal(fetches.length, 2);
  }
});

test("work in the background is given to waitUntil", async () => {
  const [create] = isolates;
  let jwks = old.jwks;
  const pending = [];
  const { verifier, clock } = remote(() => Response.json(jwks), { waitUntil: (work) => pending.push(work) }, create);
  await verifier.ready();
  jwks = next.jwks;
  clock.now += 300;
  const token = await old.sign({ exp: NOW + 100_000 });
  assert.equal(verifier.verify(token).clientId, "web");
  assert.equal(verifier.verify(token).clientId, "web");
  assert.equal(pending.length, 1);
  await Promise.all(pending);
  assert.throws(() => verifier.verify(token), { code: "key_not_found" });
  clock.now += 30;
  assert.throws(() => verifier.verify(token), { code: "key_not_found" });
  assert.equal(pending.length, 2);
});

test("an answer that was overtaken does not bring a withdrawn key back", async () => {
  const token = await old.sign();
  for (const create of isolates) {
    const answers = [];
    const { verifier, clock } = remote((n) => (n === 1 ? Response.json(old.jwks) : new Promise((resolve) => answers.push(resolve))), {}, create);
    await verifier.ready();
    const [earlier, later] = [verifier.refresh(), verifier.refresh()];
    const [answerEarlier, answerLater] = answers;
    answerLater(Response.json(next.jwks));
    await later;
    answerEarlier(Response.json(old.jwks));
    await earlier;
    await assert.rejects(verifier.verifyAsync(token), { code: "key_not_found" });
    // What fails late says nothing about the keys that came meanwhile.
    const [failing, good] = [verifier.refresh(), verifier.refresh()];
    answers[3](Response.json(next.jwks));
    await good;
    answers[2](Response.json({}, { status: 500 }));
    await assert.rejects(failing, { code: "keys_unavailable" });
    clock.now += 299;
    assert.equal((await verifier.verifyAsync(await next.sign())).clientId, "web");
    assert.equal(answers.length, 4);
  }
});

test("nor does one that takes longer to be read", async (t) => {
  const [, create] = isolates;
  // Without a `kid`, the key is named by its thumbprint, for which WebCrypto is waited for.
  const unnamed = { keys: [{ ...old.jwks.keys[0], kid: undefined }] };
  const { verifier } = remote((n) => Response.json([next.jwks, unnamed, next.jwks][n - 1]), {}, create);
  await verifier.ready();
  let resolve;
  const promise = new Promise((settled) => (resolve = settled));
  const digest = t.mock.method(crypto.subtle, "digest", async () => {
    await promise;
    return new ArrayBuffer(32);
  });
  const earlier = verifier.refresh();
  while (digest.mock.callCount() === 0) await settle();
  await verifier.refresh();
  resolve();
  await earlier;
  assert.equal((await verifier.verifyAsync(await next.sign())).clientId, "web");
});

test("an address that could be tampered with is refused", () => {
  for (const jwksUrl of ["http://auth.example/jwks", "file:///jwks", "/jwks", "", 7, "https://user:pw@auth.example/", "data:,{}"]) {
    assert.throws(
      () => createVerifier({ issuer: ISSUER, audience: AUDIENCE, jwksUrl }),
      (error) => error instanceof ConfigurationError && error.option === "jwksUrl",
      String(jwksUrl),
    );
  }
});

test("keys come over real HTTP, and a redirect is not followed", async (t) => {
  const server = createServer((request, response) => {
    if (request.url === "/moved") response.writeHead(302, { location: "/jwks" }).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(old.jwks));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const base = `http://127.0.0.1:${server.address().port}`;
  const at = (path) => createVerifier({ issuer: ISSUER, audience: AUDIENCE, jwksUrl: base + path, now: () => NOW });
  const verifier = at("/jwks");
  await verifier.ready();
  assert.equal(verifier.verify(await old.sign()).clientId, "web");
  await assert.rejects(at("/moved").ready(), { code: "keys_unavailable" });
  server.closeAllConnections();
});
