import assert from "node:assert/strict";
import { test } from "node:test";
import * as dpop from "dpop";
import * as jose from "jose";
import * as oauth from "oauth4webapi";
import { createDpopChecker, createDpopNonces, DpopError, MemoryReplayStore } from "postern/dpop";
import { createProver, hashOf, ORIGIN } from "./support/proofs.mjs";
import { NOW } from "./support/tokens.mjs";

const TOKEN = "an.access.token";
const URL_OF_REQUEST = `${ORIGIN}/private?page=2`;
const client = await createProver();
const request = { method: "GET", url: URL_OF_REQUEST, token: TOKEN, thumbprint: client.thumbprint };
const checkerAt = (clock, more = {}) => createDpopChecker({ origin: ORIGIN, now: () => clock.now, ...more });
const checker = (more) => checkerAt({ now: NOW }, more);
const refused = (promise, code, message) =>
  assert.rejects(promise, (error) => error instanceof DpopError && error.code === code, message);

test("proofs made by other libraries are accepted, under every algorithm", async () => {
  const now = () => Date.now() / 1000;
  for (const alg of ["ES256", "Ed25519", "RS256", "PS256"]) {
    const keyPair = await dpop.generateKeyPair(alg, { extractable: true });
    const proof = await dpop.generateProof(keyPair, URL_OF_REQUEST, "GET", undefined, TOKEN);
    const thumbprint = await dpop.calculateThumbprint(keyPair.publicKey);
    const judge = createDpopChecker({ origin: ORIGIN, now });
    const accepted = await judge.check({ ...request, proof, thumbprint });
    assert.equal(accepted.thumbprint, thumbprint, alg);
    await refused(judge.check({ ...request, proof, thumbprint }), "dpop_proof_replayed", alg);
  }
});

test("proofs under the remaining algorithms are accepted", async () => {
  for (const alg of ["ES384", "EdDSA", "RS384", "RS512"]) {
    const prover = await createProver(alg);
    const accepted = await checker().check({ ...request, proof: await prover.prove(TOKEN), thumbprint: prover.thumbprint });
    assert.equal(accepted.thumbprint, prover.thumbprint, alg);
  }
});

test("a request of oauth4webapi is accepted", async () => {
  const keyPair = await oauth.generateKeyPair("ES256");
  const handle = oauth.DPoP({ client_id: "web" }, keyPair);
  let sent;
  const options = { DPoP: handle, [oauth.customFetch]: async (url, init) => ((sent = { url, init }), Response.json({})) };
  await oauth.protectedResourceRequest(TOKEN, "POST", new URL(`${ORIGIN}/docs?x=1`), new Headers(), null, options);
  const headers = new Headers(sent.init.headers);
  assert.equal(headers.get("authorization"), `DPoP ${TOKEN}`);
  const { thumbprint } = await createDpopChecker({ origin: ORIGIN }).check({
    proof: headers.get("dpop"),
    method: sent.init.method,
    url: "/docs?x=1",
    token: TOKEN,
    thumbprint: await handle.calculateThumbprint(),
  });
  assert.equal(thumbprint, await handle.calculateThumbprint());
});

test("a proof with one thing wrong is refused, and says which", async () => {
  const other = await createProver();
  const rsa = await createProver("RS256");
  const cases = [
    ["dpop_type_mismatch", {}, { typ: undefined }],
    ["dpop_type_mismatch", {}, { typ: "JWT" }],
    ["dpop_type_mismatch", {}, { typ: "at+jwt" }],
    ["dpop_type_mismatch", {}, { typ: "application/dpop+jwt" }],
    ["dpop_key_invalid", {}, { jwk: undefined }],
    ["dpop_key_invalid", {}, { jwk: client.privateJwk }],
    ["dpop_key_invalid", {}, { jwk: { ...client.jwk, k: "AA" } }],
    ["dpop_key_invalid", {}, { jwk: { ...client.jwk, x: undefined } }],
    ["dpop_key_invalid", {}, { jwk: { ...client.jwk, x: `${client.jwk.x}=` } }],
    ["dpop_key_invalid", {}, { jwk: { ...client.jwk, crv: "P-384" } }],
    ["dpop_key_invalid", {}, { jwk: { ...client.jwk, x: other.jwk.x } }],
    ["dpop_key_invalid", {}, { jwk: rsa.jwk }],
    ["dpop_key_invalid", {}, { jwk: { kty: "oct", k: "c2VjcmV0" } }],
    ["dpop_key_invalid", {}, { jwk: "key" }],
    ["dpop_key_invalid", {}, { jwk: null }],
    ["dpop_signature_invalid", {}, { jwk: other.jwk }],
    ["dpop_method_mismatch", { htm: "POST" }],
    ["dpop_method_mismatch", { htm: "get" }],
    ["dpop_address_mismatch", { htu: `${ORIGIN}/other` }],
    ["dpop_address_mismatch", { htu: `${ORIGIN}/private/` }],
    ["dpop_address_mismatch", { htu: `${ORIGIN}/Private` }],
    ["dpop_address_mismatch", { htu: "https://evil.example/private" }],
    ["dpop_address_mismatch", { htu: "http://api.example/private" }],
    ["dpop_address_mismatch", { htu: "https://api.example:8443/private" }],
    ["dpop_address_mismatch", { htu: "https://user@api.example/private" }],
    ["dpop_address_mismatch", { htu: "/private" }],
    ["dpop_address_mismatch", { htu: `${ORIGIN}/%2Fprivate` }],
    ["dpop_proof_expired", { iat: NOW - 61 }],
    ["dpop_proof_expired", { iat: 0 }],
    ["dpop_proof_issued_in_future", { iat: NOW + 6 }],
    ["dpop_proof_issued_in_future", { iat: NOW * 1000 }],
    ["dpop_token_mismatch", { ath: undefined }],
    ["dpop_token_mismatch", { ath: hashOf("another token") }],
    ["dpop_proof_malformed", { jti: undefined }],
    ["dpop_proof_malformed", { jti: "" }],
    ["dpop_proof_malformed", { jti: 7 }],
    ["dpop_proof_malformed", { jti: "x".repeat(257) }],
    ["dpop_proof_malformed", { htm: undefined }],
    ["dpop_proof_malformed", { htu: undefined }],
    ["dpop_proof_malformed", { htu: [URL_OF_REQUEST] }],
    ["dpop_proof_malformed", { iat: undefined }],
    ["dpop_proof_malformed", { iat: String(NOW) }],
    ["dpop_proof_malformed", { ath: 7 }],
    ["dpop_proof_malformed", { nonce: 7 }],
    ["dpop_proof_malformed", { padding: "x".repeat(4096) }],
  ];
  for (const [code, claims, header] of cases) {
    const proof = await client.prove(TOKEN, claims, header);
    await refused(checker().check({ ...request, proof }), code, JSON.stringify([claims, header]));
  }
  const weak = new TextEncoder().encode("a shared secret that is long enough");
  const edwards = await createProver("EdDSA");
  const small = await edwards.prove(TOKEN, {}, { jwk: { ...edwards.jwk, x: `AQ${"A".repeat(41)}` } });
  await refused(checker().check({ ...request, proof: small }), "dpop_key_invalid", "a point of small order");
  const symmetric = await new jose.SignJWT({}).setProtectedHeader({ alg: "HS256", typ: "dpop+jwt", jwk: { kty: "oct", k: "AA" } }).sign(weak);
  await refused(checker().check({ ...request, proof: symmetric }), "dpop_algorithm_not_allowed");
  const shortRsa = await rsa.prove(TOKEN, {}, { jwk: { ...rsa.jwk, n: "AQAB".repeat(85) } });
  await refused(checker().check({ ...request, proof: shortRsa }), "dpop_key_invalid", "a modulus of 2,040 bits");
  const trivial = await rsa.prove(TOKEN, {}, { jwk: { ...rsa.jwk, e: "AQ" } });
  await refused(checker().check({ ...request, proof: trivial }), "dpop_key_invalid", "an exponent of 1");
});

test("a proof that was tampered with is refused", async () => {
  const good = await client.prove(TOKEN);
  const [header, payload, signature] = good.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  const forged = Buffer.from(JSON.stringify({ ...claims, jti: "another" })).toString("base64url");
  const none = Buffer.from(JSON.stringify({ alg: "none", typ: "dpop+jwt", jwk: client.jwk })).toString("base64url");
  const critical = Buffer.from(JSON.stringify({ alg: "ES256", typ: "dpop+jwt", jwk: client.jwk, crit: ["x"], x: 1 })).toString("base64url");
  const twice = Buffer.from(`{"jti":"another",${JSON.stringify(claims).slice(1)}`).toString("base64url");
  const signed = await new jose.CompactSign(Buffer.from(twice, "base64url"))
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: client.jwk })
    .sign(client.keyPair.privateKey);
  for (const [proof, code] of [
    [signed, "dpop_proof_malformed"],
    [`${header}.${forged}.${signature}`, "dpop_signature_invalid"],
    [`${none}.${payload}.${signature}`, "dpop_algorithm_not_allowed"],
    [`${none}.${payload}.`, "dpop_proof_malformed"],
    [`${critical}.${payload}.${signature}`, "dpop_proof_malformed"],
    [`${header}.${payload}`, "dpop_proof_malformed"],
    [`${good}.`, "dpop_proof_malformed"],
    [`${good}=`, "dpop_proof_malformed"],
    [` ${good}`, "dpop_proof_malformed"],
    [`${header}.${payload}.${signature.slice(0, -2)}`, "dpop_signature_invalid"],
    ["", "dpop_proof_malformed"],
    [TOKEN, "dpop_proof_malformed"],
    [undefined, "dpop_proof_malformed"],
  ]) {
    await refused(checker().check({ ...request, proof }), code, String(proof));
  }
  await checker().check({ ...request, proof: good });
});

test("a proof is for one key, one method and one address", async () => {
  const thief = await createProver();
  await refused(checker().check({ ...request, proof: await thief.prove(TOKEN) }), "dpop_key_mismatch");
  const good = await client.prove(TOKEN);
  await refused(checker().check({ ...request, proof: good, method: "DELETE" }), "dpop_method_mismatch");
  await refused(checker().check({ ...request, proof: good, url: "/elsewhere" }), "dpop_address_mismatch");
  await refused(checker().check({ ...request, proof: good, token: "another.access.token" }), "dpop_token_mismatch");
  await refused(checker({ algorithms: "EdDSA" }).check({ ...request, proof: good }), "dpop_algorithm_not_allowed");
});

test("the host that a request names is not believed", async () => {
  // Whoever has seen a proof for another server sends it here, and writes that server's name into `Host`.
  const proof = await client.prove(TOKEN, { htu: "https://other.example/private" });
  await refused(checker().check({ ...request, proof, url: "https://other.example/private" }), "dpop_address_mismatch");
  const good = await client.prove(TOKEN);
  await checker().check({ ...request, proof: good, url: "http://10.0.0.7:8080/private" });
});

test("addresses are equal however they are written", async () => {
  const judge = checker({ origin: [ORIGIN, "https://docs.example:8443"] });
  for (const [htu, url] of [
    ["HTTPS://API.example:443/a", "/a"],
    [`${ORIGIN}/a?x=1#top`, "/a?y=2"],
    [ORIGIN, "/"],
    [`${ORIGIN}/a/./b/../c`, "/a/c"],
    [`${ORIGIN}/%7Euser/%e4`, "/~user/%E4"],
    ["https://docs.example:8443/a", "/a"],
    [`${ORIGIN}//host/a`, "//host/a"],
  ]) {
    const proof = await client.prove(TOKEN, { htu, jti: htu.padEnd(256, "x") });
    assert.equal((await judge.check({ ...request, proof, url })).thumbprint, client.thumbprint, htu);
  }
});

test("a proof is good once, for as long as it could be used again", async () => {
  const clock = { now: NOW };
  const judge = checkerAt(clock);
  const proof = await client.prove(TOKEN, { iat: NOW + 5 });
  await judge.check({ ...request, proof });
  for (const now of [NOW, NOW + 1, NOW + 64, NOW + 65]) {
    clock.now = now;
    await refused(judge.check({ ...request, proof }), "dpop_proof_replayed", String(now - NOW));
  }
  clock.now = NOW + 66;
  await refused(judge.check({ ...request, proof }), "dpop_proof_expired");
});

test("of a proof that is sent many times at once, one is accepted", async () => {
  const judge = checker();
  const proof = await client.prove(TOKEN);
  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => judge.check({ ...request, proof })));
  assert.equal(answers.filter(({ status }) => status === "fulfilled").length, 1);
});

test("nobody uses up the ids of another client, and a refused proof uses up none", async () => {
  const judge = checker();
  const other = await createProver();
  await judge.check({ ...request, thumbprint: other.thumbprint, proof: await other.prove(TOKEN, { jti: "same" }) });
  await refused(judge.check({ ...request, proof: await client.prove(TOKEN, { jti: "same", htm: "POST" }) }), "dpop_method_mismatch");
  await judge.check({ ...request, proof: await client.prove(TOKEN, { jti: "same" }) });
});

test("a full store refuses new proofs rather than forget old ones, until those have expired", async () => {
  const clock = { now: NOW };
  const judge = checkerAt(clock, { replayStore: new MemoryReplayStore({ capacity: 2 }) });
  const first = await client.prove(TOKEN);
  await judge.check({ ...request, proof: first });
  await judge.check({ ...request, proof: await client.prove(TOKEN) });
  await refused(judge.check({ ...request, proof: await client.prove(TOKEN) }), "dpop_replay_store_full");
  await refused(judge.check({ ...request, proof: first }), "dpop_proof_replayed");
  clock.now += 66;
  await judge.check({ ...request, proof: await client.prove(TOKEN, { iat: clock.now }) });
});

test("a shared store decides, and one that fails accepts nothing", async () => {
  const seen = new Map();
  const replayStore = { claim: async (id, expiresAt) => !seen.has(id) && Boolean(seen.set(id, expiresAt)) };
  const [one, two] = [checker({ replayStore }), checker({ replayStore })];
  const proof = await client.prove(TOKEN);
  await one.check({ ...request, proof });
  await refused(two.check({ ...request, proof }), "dpop_proof_replayed");
  assert.deepEqual([...seen].map(([id, until]) => [id.length, until]), [[43, NOW + 65]]);
  for (const claim of [() => undefined, () => 1, () => "OK", async () => null]) {
    await refused(checker({ replayStore: { claim } }).check({ ...request, proof }), "dpop_proof_replayed");
  }
  const failing = checker({ replayStore: { claim: async () => Promise.reject(new Error("no connection")) } });
  await assert.rejects(failing.check({ ...request, proof }), /no connection/);
});

test("a nonce is demanded, accepted for its period and the next, and replaced", async () => {
  const clock = { now: NOW };
  const now = () => clock.now;
  const secret = new Uint8Array(32).fill(7);
  const nonces = createDpopNonces({ secret, now, periodSeconds: 60 });
  const judge = checkerAt(clock, { nonces });
  const prove = async (nonce) => judge.check({ ...request, proof: await client.prove(TOKEN, { nonce, iat: clock.now }) });
  const challenge = await prove(undefined).catch((error) => error);
  assert.equal(challenge.code, "dpop_nonce_required");
  assert.equal((await prove(challenge.nonce)).nextNonce, undefined);
  const elsewhere = createDpopNonces({ secret, now, periodSeconds: 60 });
  assert.equal(await elsewhere.accepts(challenge.nonce), true);
  clock.now += 60;
  const { nextNonce } = await prove(challenge.nonce);
  assert.equal((await prove(nextNonce)).nextNonce, undefined);
  clock.now += 60;
  await refused(prove(challenge.nonce), "dpop_nonce_required", "two periods old");
  const others = createDpopNonces({ secret: new Uint8Array(32).fill(8), now, periodSeconds: 60 });
  const current = await nonces.current();
  const flipped = `${current.slice(0, -1)}${current.endsWith("A") ? "B" : "A"}`;
  clock.now -= 60;
  for (const bad of [await others.current(), flipped, "", "nonce", current.slice(1), `${current}AAAA`, current]) {
    await refused(prove(bad || "x"), "dpop_nonce_required", bad);
  }
});

test("options that would accept too much are refused", () => {
  const option = (name) => (error) => error.code === "configuration_invalid" && error.option === name;
  for (const [options, name] of [
    [{}, "origin"],
    [{ origin: "" }, "origin"],
    [{ origin: "api.example" }, "origin"],
    [{ origin: `${ORIGIN}/` }, "origin"],
    [{ origin: `${ORIGIN}/api` }, "origin"],
    [{ origin: "*" }, "origin"],
    [{ origin: [] }, "origin"],
    [{ origin: ORIGIN, algorithms: ["HS256"] }, "algorithms"],
    [{ origin: ORIGIN, algorithms: ["none"] }, "algorithms"],
    [{ origin: ORIGIN, algorithms: ["ES256", "HS256"] }, "algorithms"],
    [{ origin: ORIGIN, algorithms: [] }, "algorithms"],
    [{ origin: ORIGIN, maxAgeSeconds: 61 }, "maxAgeSeconds"],
    [{ origin: ORIGIN, maxAgeSeconds: 0 }, "maxAgeSeconds"],
    [{ origin: ORIGIN, leewaySeconds: 31 }, "leewaySeconds"],
    [{ origin: ORIGIN, replayStore: new Set() }, "replayStore"],
    [{ origin: ORIGIN, nonces: {} }, "nonces"],
    [{ origin: ORIGIN, nonces: { current: () => "x" } }, "nonces"],
    [{ origin: ORIGIN, nonces: { accepts: () => true } }, "nonces"],
    [{ origin: ORIGIN, now: 7 }, "now"],
    [{ origin: ORIGIN, ignoreReplay: true }, "ignoreReplay"],
    [undefined, "options"],
  ]) {
    assert.throws(() => createDpopChecker(options), option(name), JSON.stringify(options));
  }
  assert.throws(() => new MemoryReplayStore({ capacity: 0 }), option("capacity"));
  assert.throws(() => createDpopNonces({ secret: new Uint8Array(31) }), option("secret"));
  assert.throws(() => createDpopNonces({ secret: "x".repeat(32) }), option("secret"));
});
