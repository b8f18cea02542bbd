import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setImmediate as settle } from "node:timers/promises";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as oauth from "oauth4webapi";
import { createDpopChecker } from "postern/dpop";
import { createGuard } from "postern/guard";
import { createIssuers, KeysError, TokenError } from "postern/issuers";
// The part that the package does not export: what a name stands for is told by the platform, here by the test.
import { Issuers } from "../dist/issuers/issuers.js";
import { MODERN_NODE } from "./support/project.mjs";
import { createKey, createKeyServer, signWith } from "./support/third-party.mjs";
import { AUDIENCE, NOW } from "./support/tokens.mjs";

const insecure = { [oauth.allowInsecureRequests]: true };
const refused = (promise, code, message) => assert.rejects(promise, (error) => error instanceof TokenError && error.code === code, message);
const without = (promise, code, message) => assert.rejects(promise, (error) => error instanceof KeysError && error.code === code, message);

/** Starts the provider, and returns its issuer. */
async function startProvider(t) {
  const script = fileURLToPath(new URL("support/oidc-server.mjs", import.meta.url));
  const child = spawn(MODERN_NODE, [script], { stdio: ["pipe", "pipe", "ignore"] });
  t.after(async () => {
    child.stdin.end();
    await once(child, "exit");
  });
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  return value;
}

/** Gets an access token from the provider as a client does (RFC 6749 §4.4, RFC 8707). */
async function getToken(issuer, alg, more = {}) {
  const response = await oauth.discoveryRequest(new URL(issuer), insecure);
  const server = await oauth.processDiscoveryResponse(new URL(issuer), response);
  const client = { client_id: "service" };
  const parameters = new URLSearchParams({ resource: `https://api.example/${alg}`, scope: "docs:read" });
  const options = { ...insecure, ...more };
  const grant = async () => {
    const answer = await oauth.clientCredentialsGrantRequest(server, client, oauth.ClientSecretBasic("a secret of the tests"), parameters, options);
    return oauth.processClientCredentialsResponse(server, client, answer);
  };
  // With proofs, the first answer may be the demand for a nonce.
  const { access_token: token } = await grant().catch((error) => (oauth.isDPoPNonceError(error) ? grant() : Promise.reject(error)));
  return token;
}

test("access tokens of a real OpenID provider are accepted, under every algorithm it has", async (t) => {
  const issuer = await startProvider(t);
  const accept = (entry) => createIssuers({ issuers: [{ issuer, audience: AUDIENCE, discover: true, ...entry }], allowLoopback: true });
  const issuers = accept();
  for (const alg of ["RS256", "PS256", "ES256", "Ed25519"]) {
    const token = await getToken(issuer, alg);
    const claims = await issuers.verifyAsync(token);
    assert.deepEqual([claims.issuer, claims.clientId, claims.scopes], [issuer, "service", ["docs:read"]], alg);
    await accept({ jwksUrl: `${issuer}/jwks`, discover: false, algorithms: [alg] }).verifyAsync(token);
    await refused(accept({ audience: "https://other.example" }).verifyAsync(token), "audience_mismatch");
    await refused(accept({ tokenType: "JWT" }).verifyAsync(token), "token_type_mismatch");
    await without(accept({ algorithms: "ES384" }).verifyAsync(token), "keys_invalid");
    const [header, payload, signature] = token.split(".");
    const forged = Buffer.from(JSON.stringify({ ...claims.payload, scope: "admin" })).toString("base64url");
    await refused(issuers.verifyAsync(`${header}.${forged}.${signature}`), "signature_invalid");
  }
  assert.throws(() => createIssuers({ issuers: [{ issuer, audience: AUDIENCE, discover: true }] }), { option: "issuer" });

  const keyPair = await oauth.generateKeyPair("ES256");
  const DPoP = oauth.DPoP({ client_id: "service" }, keyPair);
  const bound = await getToken(issuer, "ES256", { DPoP });
  const guard = createGuard(issuers, { dpop: createDpopChecker({ origin: "https://api.example" }), requireDpop: true, authorize: (claims) => claims.hasScope("docs:read") });
  let answer;
  const customFetch = async (url, init) => {
    answer = await guard(new Request(url, init));
    return answer.response ?? Response.json({}, { headers: answer.headers });
  };
  const url = new URL("https://api.example/docs?x=1");
  await oauth.protectedResourceRequest(bound, "GET", url, new Headers(), null, { DPoP, [oauth.customFetch]: customFetch });
  assert.equal(answer.claims.clientId, "service", "a bound token with its proof");
  await guard(new Request(url, { headers: { authorization: `Bearer ${bound}` } })).then(({ response }) => assert.equal(response.status, 401));
});

test("a server that misbehaves disturbs neither the keys in use nor the network", async (t) => {
  const [key, next] = [await createKey("ES256", "first"), await createKey("ES256", "next")];
  const server = await createKeyServer(t);
  const elsewhere = await createKeyServer(t);
  elsewhere.serve(key, next);
  const json = (response, body, status = 200) => response.writeHead(status).end(JSON.stringify(body));
  const BEHAVIOURS = {
    "never answers": () => {},
    "stops in the middle": (_, response) => response.write('{"keys":['),
    "sends without end": (_, response) => {
      const more = () => response.destroyed || response.write("x".repeat(16_384), more);
      more();
    },
    "announces little and sends much": (_, response) => response.end(`{"keys":[],"x":"${"x".repeat(70_000)}"}`),
    "redirects to another server": (_, response) => response.writeHead(302, { location: `${elsewhere.url}/jwks` }).end(),
    "redirects for ever": (request, response) => response.writeHead(307, { location: request.url }).end(),
    "answers HTML": (_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>Keys</title>"),
    "answers in UTF-16": (_, response) => response.end(Buffer.from(JSON.stringify({ keys: [next.jwk] }), "utf16le")),
    "answers 404 with keys": (_, response) => json(response, { keys: [next.jwk] }, 404),
    "answers 204": (_, response) => response.writeHead(204).end(),
    "has no keys": (_, response) => json(response, { keys: [] }),
    "publishes its private key": (_, response) => json(response, { keys: [next.privateJwk] }),
    "hangs up": (request) => request.socket.destroy(),
    "speaks no HTTP": (request) => request.socket.end("keys\r\n\r\n"),
  };
  for (const [behaviour, handler] of Object.entries(BEHAVIOURS)) {
    const clock = { now: NOW };
    const one = { issuer: server.url, audience: AUDIENCE };
    const issuers = createIssuers({ issuers: [one], allowLoopback: true, timeoutSeconds: 1, now: () => clock.now });
    server.serve(key);
    await issuers.verifyAsync(await signWith(key, server.url));
    const asked = server.count();
    server.answer(handler);
    clock.now += 30;
    await refused(issuers.verifyAsync(await signWith(next, server.url)), "key_not_found", behaviour);
    assert.equal(server.count(), asked + 1, behaviour);
    await issuers.verifyAsync(await signWith(key, server.url));
    const fresh = createIssuers({ issuers: [one], allowLoopback: true, timeoutSeconds: 1, now: () => clock.now });
    await assert.rejects(fresh.verifyAsync(await signWith(key, server.url)), KeysError, behaviour);
  }
  assert.equal(elsewhere.count("/jwks"), 0, "no redirect was followed");
});

test("a flood of unknown keys, and many requests at once, reach the issuer as one fetch each", async (t) => {
  const [key, next] = [await createKey("ES256", "first"), await createKey("ES256", "next")];
  const server = await createKeyServer(t);
  server.serve(key);
  const clock = { now: NOW };
  const issuers = createIssuers({ issuers: [{ issuer: server.url, audience: AUDIENCE }], allowLoopback: true, now: () => clock.now });
  const token = await signWith(key, server.url);
  await Promise.all(Array.from({ length: 50 }, () => issuers.verifyAsync(token)));
  assert.equal(server.count(), 1);
  const flood = await Promise.all(Array.from({ length: 200 }, (_, n) => signWith(next, server.url, {}, { kid: `unknown-${n}` })));
  clock.now += 30;
  await Promise.all(flood.map((unknown) => refused(issuers.verifyAsync(unknown), "key_not_found")));
  assert.equal(server.count(), 2);
  clock.now += 29;
  for (const unknown of flood) await refused(issuers.verifyAsync(unknown), "key_not_found");
  assert.equal(server.count(), 2);
  // The keys are rotated: those who come while they are being fetched wait for the same fetch.
  server.serve(next);
  clock.now += 1;
  const rotated = await signWith(next, server.url);
  await Promise.all(Array.from({ length: 20 }, () => issuers.verifyAsync(rotated)));
  assert.equal(server.count(), 3);
  await refused(issuers.verifyAsync(token), "key_not_found", "the key that was withdrawn");
});

test("a server that comes and goes is asked in the background, and work goes on", async (t) => {
  const key = await createKey("ES256", "first");
  const server = await createKeyServer(t);
  const clock = { now: NOW };
  const pending = [];
  const issuers = createIssuers({
    issuers: [{ issuer: server.url, audience: AUDIENCE, cacheTtlSeconds: 60, maxStaleSeconds: 600 }],
    allowLoopback: true,
    now: () => clock.now,
    waitUntil: (work) => pending.push(work),
  });
  server.serve(key);
  const token = await signWith(key, server.url, { exp: NOW + 10_000 });
  await issuers.verifyAsync(token);
  for (let round = 0; round < 12; round++) {
    if (round % 2) server.serve(key);
    else server.answer((request) => request.socket.destroy());
    clock.now += 60;
    await issuers.verifyAsync(token);
    await Promise.all(pending.splice(0));
  }
  assert.equal(server.count(), 13, "one fetch in each round, and each of them in the background");
});

test("a name that stands for a private address is not connected to", async (t) => {
  const key = await createKey("ES256");
  const server = await createKeyServer(t);
  server.serve(key);
  const port = new URL(server.url).port;
  const issuer = "https://login.example";
  for (const [addresses, code] of [
    [["127.0.0.1"], "keys_unavailable"],
    [["1.1.1.1", "10.0.0.1"], "keys_unavailable"],
    [["2606:4700::1111", "::1"], "keys_unavailable"],
    [["::ffff:127.0.0.1"], "keys_unavailable"],
    [["169.254.169.254"], "keys_unavailable"],
    [["fe80::1%eth0"], "keys_unavailable"],
  ]) {
    const options = { issuers: [{ issuer, audience: AUDIENCE, jwksUrl: `https://login.example:${port}/jwks` }], now: () => NOW };
    const issuers = new Issuers(options, { share: true, lookUp: async () => addresses });
    const failure = await issuers.verifyAsync(await signWith(key, issuer)).catch((error) => error);
    assert.equal(failure.code, code, String(addresses));
    assert.match(failure.cause.message, /private network/, String(addresses));
  }
  const forever = new Issuers(
    { issuers: [{ issuer, audience: AUDIENCE }], timeoutSeconds: 1, now: () => NOW },
    { share: true, lookUp: () => new Promise(() => {}) },
  );
  const wait = setInterval(() => {}, 1000);
  await without(forever.verifyAsync(await signWith(key, issuer)), "keys_unavailable", "a name server that never answers");
  clearInterval(wait);
  const local = { issuers: [{ issuer: server.url, audience: AUDIENCE, jwksUrl: `http://localhost:${port}/jwks` }], allowLoopback: true, now: () => NOW };
  await new Issuers(local, { share: true, lookUp: async () => ["127.0.0.1"] }).verifyAsync(await signWith(key, server.url));
});

test("where requests cannot share a fetch, an answer that was overtaken does not bring a withdrawn key back", async (t) => {
  const [key, next] = [await createKey("ES256", "first"), await createKey("ES256", "next")];
  const server = await createKeyServer(t);
  const waiting = [];
  server.answer((_, response) => waiting.push(response));
  const options = { issuers: [{ issuer: server.url, audience: AUDIENCE }], allowLoopback: true, now: () => NOW };
  const issuers = new Issuers(options, { share: false });
  const [withdrawn, current] = [await signWith(key, server.url), await signWith(next, server.url)];
  const earlier = issuers.verifyAsync(withdrawn).catch(({ code }) => code);
  while (waiting.length < 1) await settle();
  const later = issuers.verifyAsync(current);
  while (waiting.length < 2) await settle();
  waiting[1].end(JSON.stringify({ keys: [next.jwk] }));
  await later;
  waiting[0].end(JSON.stringify({ keys: [key.jwk] }));
  assert.equal(await earlier, "key_not_found");
  await issuers.verifyAsync(current);
});

test("where requests cannot share a fetch, a few may fetch at the same time, and no more", async (t) => {
  const key = await createKey("ES256");
  const server = await createKeyServer(t);
  const waiting = [];
  server.answer((_, response) => waiting.push(response));
  const clock = { now: NOW };
  const issuers = new Issuers(
    { issuers: [{ issuer: server.url, audience: AUDIENCE }], allowLoopback: true, now: () => clock.now },
    { share: false },
  );
  const token = await signWith(key, server.url);
  const answers = Promise.allSettled(Array.from({ length: 20 }, () => issuers.verifyAsync(token)));
  while (waiting.length < 8) await settle();
  for (const response of waiting) response.end(JSON.stringify({ keys: [key.jwk] }));
  const settled = await answers;
  assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 8);
  assert.ok(settled.every(({ status, reason }) => status === "fulfilled" || reason.code === "keys_unavailable"));
  assert.equal(server.count(), 8);
  await issuers.verifyAsync(token);
});
