import assert from "node:assert/strict";
import { setImmediate as settle } from "node:timers/promises";
import { test } from "node:test";
import * as jose from "jose";
import { createIssuers, IssuerClaims, KeysError, TokenError } from "postern/issuers";
import { createKey, signWith } from "./support/third-party.mjs";
import { AUDIENCE, NOW } from "./support/tokens.mjs";

const ISSUER = "https://login.example";
const KEYS = "https://login.example/.well-known/jwks.json";
const rsa = await createKey("RS256");
const [next, other] = [await createKey("RS256", "next"), await createKey("RS256", "other")];
const sign = (changes, header, key = rsa) => signWith(key, ISSUER, changes, header);

/** Issuers with one entry, whose documents come from `answer`, and a clock to be set. */
function remote(answer, entry = {}, more = {}) {
  const clock = { now: NOW };
  const fetches = [];
  const fetch = async (url, init) => {
    fetches.push(url);
    return answer(fetches.length, url, init);
  };
  const one = { issuer: ISSUER, audience: AUDIENCE, ...entry };
  return { issuers: createIssuers({ issuers: [one], now: () => clock.now, fetch, ...more }), clock, fetches };
}
const serve = (...keys) => () => Response.json({ keys: keys.map(({ jwk }) => jwk) });
const refused = (promise, code, message) => assert.rejects(promise, (error) => error instanceof TokenError && error.code === code, message);
const without = (promise, code, message) => assert.rejects(promise, (error) => error instanceof KeysError && error.code === code, message);

test("tokens of every algorithm are accepted, with what they say", async () => {
  for (const alg of ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]) {
    const key = await createKey(alg);
    const { issuers } = remote(serve(key));
    const claims = await issuers.verifyAsync(await sign({ azp: "web" }, {}, key));
    assert.ok(claims instanceof IssuerClaims);
    const { issuer, subject, audience, clientId, expiresAt, issuedAt, scopes } = claims;
    assert.deepEqual({ issuer, subject, audience, clientId, expiresAt, issuedAt, scopes }, {
      issuer: ISSUER, subject: "auth0|42", audience: [AUDIENCE], clientId: "web", expiresAt: NOW + 300, issuedAt: NOW, scopes: ["docs:read", "mail"],
    }, alg);
    assert.ok(claims.hasScope("mail") && !claims.hasScope("docs"));
  }
});

test("a key that names no algorithm has the usual one of its type", async () => {
  for (const alg of ["RS256", "ES256", "ES384", "EdDSA"]) {
    const key = await createKey(alg);
    const { issuers } = remote(() => Response.json({ keys: [{ ...key.jwk, alg: undefined }] }));
    await issuers.verifyAsync(await sign({}, {}, key));
  }
});

test("claims that Postern gives a meaning of its own mean what the third party says", async () => {
  const { issuers } = remote(serve(rsa));
  const claims = await issuers.verifyAsync(await sign({ roles: "admin", tid: 7, pm: {}, av: "x", org: null, scope: undefined, scp: ["a", 7] }));
  assert.equal(claims.payload.roles, "admin");
  assert.deepEqual(claims.scopes, ["a"]);
});

test("several issuers stand side by side, and none can speak for another", async () => {
  const second = "https://accounts.example/realms/one";
  const fetch = async (url) => serve(url.startsWith(ISSUER) ? rsa : other)();
  const issuers = createIssuers({
    issuers: [{ issuer: ISSUER, audience: AUDIENCE }, { issuer: second, audience: ["x", AUDIENCE] }],
    now: () => NOW,
    fetch,
  });
  assert.equal((await issuers.verifyAsync(await sign())).issuer, ISSUER);
  assert.equal((await issuers.verifyAsync(await sign({ iss: second }, {}, other))).issuer, second);
  await refused(issuers.verifyAsync(await sign({ iss: second })), "key_not_found", "a key of the first");
  await refused(issuers.verifyAsync(await sign({ iss: second }, { kid: other.kid })), "signature_invalid");
  for (const iss of [`${ISSUER}/`, "https://evil.example", "", undefined, 7, [ISSUER], "__proto__", "constructor"]) {
    await refused(issuers.verifyAsync(await sign({ iss })), "issuer_unknown", String(iss));
  }
});

test("a token with one thing wrong is refused, and says which", async () => {
  const { issuers } = remote(serve(rsa), {}, { leewaySeconds: 60 });
  for (const [code, claims, header] of [
    ["token_type_mismatch", {}, { typ: undefined }],
    ["token_type_mismatch", {}, { typ: "JWT" }],
    ["token_type_mismatch", {}, { typ: "dpop+jwt" }],
    ["missing_kid", {}, { kid: undefined }],
    ["key_not_found", {}, { kid: "unknown" }],
    ["key_not_found", {}, { kid: "" }],
    ["header_malformed", {}, { kid: 7 }],
    ["header_malformed", {}, { typ: 7 }],
    ["critical_header_unsupported", {}, { crit: ["b64"], b64: true }],
    ["audience_mismatch", { aud: "https://other.example" }],
    ["audience_mismatch", { aud: [] }],
    ["claim_malformed", { aud: 7 }],
    ["claim_malformed", { aud: [AUDIENCE, 7] }],
    ["claim_missing", { aud: undefined }],
    ["claim_missing", { exp: undefined }],
    ["claim_missing", { sub: undefined }],
    ["claim_missing", { iat: undefined }],
    ["claim_malformed", { sub: "" }],
    ["claim_malformed", { sub: 7 }],
    ["claim_malformed", { exp: String(NOW + 300) }],
    ["claim_malformed", { exp: -1 }],
    ["claim_malformed", { nbf: {} }],
    ["claim_malformed", { iat: null }],
    ["token_expired", { exp: NOW - 60 }],
    ["token_expired", { exp: 0 }],
    ["token_not_yet_valid", { nbf: NOW + 61 }],
    ["token_clock_skew", { iat: NOW + 61 }],
    ["token_issued_in_future", { iat: NOW + 601 }],
  ]) {
    await refused(issuers.verifyAsync(await sign(claims, header)), code, JSON.stringify([claims, header]));
  }
  for (const claim of ["aud", "exp", "sub", "iat"]) {
    await assert.rejects(issuers.verifyAsync(await sign({ [claim]: undefined })), { code: "claim_missing", claim });
  }
  await assert.rejects(issuers.verifyAsync(await sign({ nbf: "now" })), { code: "claim_malformed", claim: "nbf" });
  for (const claims of [{ exp: NOW - 59 }, { nbf: NOW + 60 }, { iat: NOW + 60 }, { aud: ["x", AUDIENCE] }]) {
    await issuers.verifyAsync(await sign(claims));
  }
});

test("a type that only looks like one that is wanted is none", async () => {
  const { issuers } = remote(serve(rsa), { tokenType: "kb+jwt" });
  await issuers.verifyAsync(await sign({}, { typ: "application/KB+JWT" }));
  // The sign of Kelvin, which is a small k in lower case.
  await refused(issuers.verifyAsync(await sign({}, { typ: "\u212ab+jwt" })), "token_type_mismatch");
});

test("an issuer may name its users in another claim, and then in no other", async () => {
  const { issuers } = remote(serve(rsa), { subjectClaim: "uid" });
  assert.equal((await issuers.verifyAsync(await sign({ sub: "eve", uid: "ada" }))).subject, "ada");
  await refused(issuers.verifyAsync(await sign({ sub: "eve" })), "claim_missing", "sub alone");
  await refused(issuers.verifyAsync(await sign({ sub: "eve", uid: 7 })), "claim_malformed", "uid is a number");
  const { issuers: lax } = remote(serve(rsa), { subjectClaim: "constructor", requiredClaims: [] });
  assert.equal((await lax.verifyAsync(await sign())).subject, undefined);
});

test("an algorithm belongs to a key, and a token cannot choose another", async () => {
  const { jwk, publicKey } = rsa;
  const { issuers } = remote(serve(rsa));
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: "x", iat: NOW, exp: NOW + 300 };
  const pem = new TextEncoder().encode(await jose.exportSPKI(publicKey));
  const hmac = await new jose.SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: jwk.kid, typ: "at+jwt" }).sign(pem);
  await refused(issuers.verifyAsync(hmac), "algorithm_not_allowed", "signed with the public key as a secret");
  const [, payload, signature] = (await sign()).split(".");
  const head = (header) => Buffer.from(JSON.stringify({ kid: jwk.kid, typ: "at+jwt", ...header })).toString("base64url");
  for (const alg of ["none", "None", "rs256", "RS384", "PS256", "ES256", "HS256", "", "toString"]) {
    await refused(issuers.verifyAsync(`${head({ alg })}.${payload}.${signature}`), "algorithm_not_allowed", alg);
  }
  await refused(issuers.verifyAsync(`${head({})}.${payload}.${signature}`), "header_malformed");
  await refused(issuers.verifyAsync(`${head({ alg: "none" })}.${payload}.`), "token_malformed");
  for (const trick of [{ jwk: other.jwk }, { jku: "https://evil.example/jwks" }, { x5u: "https://evil.example/x" }]) {
    const forged = await signWith({ ...other, kid: jwk.kid }, ISSUER, {}, trick);
    await refused(issuers.verifyAsync(forged), "signature_invalid", JSON.stringify(trick));
  }
  const unnamed = { ...jwk, alg: undefined };
  const pss = await jose.importJWK(rsa.privateJwk, "PS256");
  const { issuers: lax } = remote(() => Response.json({ keys: [unnamed] }));
  await lax.verifyAsync(await sign());
  await refused(lax.verifyAsync(await signWith({ alg: "PS256", kid: jwk.kid, privateKey: pss }, ISSUER)), "algorithm_not_allowed");
  const { issuers: strict } = remote(serve(rsa), { algorithms: "ES256" });
  await without(strict.verifyAsync(await sign()), "keys_invalid", "no key is left");
});

test("what is not a token is refused before anything is fetched", async () => {
  const { issuers, fetches } = remote(serve(rsa));
  const good = await sign();
  const [header, payload, signature] = good.split(".");
  const raw = (text) => Buffer.from(text).toString("base64url");
  for (const [token, code] of [
    ["", "token_malformed"],
    [undefined, "token_malformed"],
    ["a.b", "token_malformed"],
    [`${good}.x`, "token_malformed"],
    [`${header}=.${payload}.${signature}`, "token_malformed"],
    [`${header}.${payload}.${signature}\n`, "token_malformed"],
    [`${header}.${payload}.`, "token_malformed"],
    [`${raw("[]")}.${payload}.${signature}`, "header_malformed"],
    [`${raw("\ufeff{\"alg\":\"RS256\"}")}.${payload}.${signature}`, "header_malformed"],
    [`${raw('{"alg":"none","alg":"RS256","kid":"key-RS256","typ":"at+jwt"}')}.${payload}.${signature}`, "header_malformed"],
    [`${raw('{"alg":"RS256","\\u0061lg":"RS256","kid":"key-RS256","typ":"at+jwt"}')}.${payload}.${signature}`, "header_malformed"],
    [`${header}.${raw(`{"iss":"${ISSUER}","iss":"https://evil.example"}`)}.${signature}`, "payload_malformed"],
    [`${header}.${raw("[]")}.${signature}`, "payload_malformed"],
    [`${header}.${raw("{")}.${signature}`, "payload_malformed"],
    [`${header}.${Buffer.from([0x22, 0xff, 0x22]).toString("base64url")}.${signature}`, "payload_malformed"],
    ["x".repeat(8192), "token_malformed"],
    ["x".repeat(8193), "token_too_large"],
  ]) {
    await refused(issuers.verifyAsync(token), code, String(token).slice(0, 60));
  }
  assert.equal(fetches.length, 0);
  await refused(issuers.verifyAsync(`${header}.${payload}.${signature.slice(0, -4)}AAAA`), "signature_invalid");
});

test("token types: `JWT` includes tokens without any, and stays apart from `at+jwt`", async () => {
  const { issuers } = remote(serve(rsa), { tokenType: "JWT" });
  for (const typ of ["JWT", "jwt", "application/jwt", undefined]) await issuers.verifyAsync(await sign({}, { typ }));
  await refused(issuers.verifyAsync(await sign()), "token_type_mismatch");
  const { issuers: both } = remote(serve(rsa), { tokenType: ["at+jwt", "logout+jwt"], requiredClaims: [] });
  for (const typ of ["at+jwt", "application/AT+JWT", "logout+jwt"]) await both.verifyAsync(await sign({ sub: undefined }, { typ }));
  await refused(both.verifyAsync(await sign({}, { typ: undefined })), "token_type_mismatch");
});

test("keys that cannot be used are passed over", async () => {
  const bad = [
    { ...other.privateJwk, kid: "private" },
    { ...other.jwk, kid: "encryption", use: "enc" },
    { ...other.jwk, kid: "operations", key_ops: ["encrypt"] },
    { ...other.jwk, kid: "short", n: "AQAB" },
    { ...other.jwk, kid: "trivial", e: "AQ" },
    { ...other.jwk, kid: "huge", n: `v${"_".repeat(700)}` },
    { ...other.jwk, kid: 7 },
    { ...other.jwk, kid: "padded", n: `${other.jwk.n}==` },
    { kty: "oct", k: "c2VjcmV0", kid: "shared", alg: "HS256" },
    { kty: "EC", crv: "P-256", x: "AQAB", y: "AQAB", kid: "curve", alg: "ES256" },
    { kty: "EC", crv: "secp256k1", x: "AQAB", y: "AQAB", kid: "koblitz" },
    { kty: "OKP", crv: "X25519", x: "AQAB", kid: "exchange" },
    { kty: "OKP", crv: "Ed25519", x: `AQ${"A".repeat(41)}`, kid: "small order" },
    { kty: "OKP", crv: "Ed25519", x: `7${"_".repeat(40)}38`, kid: "not canonical" },
    { kty: "new" },
    null,
    7,
    "key",
  ];
  const { issuers } = remote(() => Response.json({ keys: [...bad, rsa.jwk] }));
  await issuers.verifyAsync(await sign());
  for (const { kid } of bad.filter((jwk) => typeof jwk?.kid === "string")) {
    await refused(issuers.verifyAsync(await sign({}, { kid })), "key_not_found", kid);
  }
  const { issuers: none } = remote(() => Response.json({ keys: bad }));
  await without(none.verifyAsync(await sign()), "keys_invalid");
  const { issuers: flood } = remote(() => Response.json({ keys: new Array(65).fill({ kty: "new" }) }));
  await without(flood.verifyAsync(await sign()), "keys_invalid");
});

test("keys that share an id are told apart by their algorithms, and the largest key set is read", async () => {
  const [one, two] = [await createKey("RS256", "shared"), await createKey("ES256", "shared")];
  const body = JSON.stringify({ keys: [one.jwk, two.jwk, ...new Array(62).fill({ kty: "new" })] });
  const { issuers } = remote(() => new Response(body.padEnd(65_536)));
  for (const key of [one, two]) await issuers.verifyAsync(await sign({}, {}, key));
  await refused(issuers.verifyAsync(await sign({}, {}, await createKey("ES384", "shared"))), "algorithm_not_allowed");
});

test("fresh keys are used as they are, stale ones while they are renewed, old ones not at all", async () => {
  let down = false;
  let current = [rsa];
  const { issuers, clock, fetches } = remote((n) => (down ? Response.error() : serve(...current)()), { cacheTtlSeconds: 300, maxStaleSeconds: 3600 });
  const token = await sign({ exp: NOW + 100_000 });
  await issuers.verifyAsync(token);
  clock.now += 299;
  await issuers.verifyAsync(token);
  assert.equal(fetches.length, 1);
  down = true;
  clock.now += 1;
  await issuers.verifyAsync(token);
  await settle();
  assert.equal(fetches.length, 2, "renewed in the background");
  clock.now += 29;
  await issuers.verifyAsync(token);
  assert.equal(fetches.length, 2, "and after a failure not for 30 seconds");
  clock.now = NOW + 300 + 3599;
  await issuers.verifyAsync(token);
  await settle();
  clock.now += 6;
  await without(issuers.verifyAsync(token), "keys_unavailable");
  down = false;
  current = [next];
  clock.now += 5;
  await refused(issuers.verifyAsync(token), "key_not_found", "the withdrawn key is gone");
  await issuers.verifyAsync(await sign({ exp: NOW + 100_000 }, {}, next));
});

test("a failing issuer is asked again after five seconds, not by every token", async () => {
  const { issuers, clock, fetches } = remote(() => Response.error());
  const token = await sign();
  for (let count = 0; count < 20; count++) await without(issuers.verifyAsync(token), "keys_unavailable");
  assert.equal(fetches.length, 1);
  clock.now += 5;
  await without(issuers.verifyAsync(token), "keys_unavailable");
  assert.equal(fetches.length, 2);
});

test("a new key is found at once, and unknown ones make at most one fetch in 30 seconds", async () => {
  let keys = [rsa];
  const { issuers, clock, fetches } = remote(() => serve(...keys)());
  await issuers.verifyAsync(await sign());
  clock.now += 30;
  keys = [rsa, next];
  await issuers.verifyAsync(await sign({}, {}, next));
  assert.equal(fetches.length, 2);
  for (let count = 0; count < 100; count++) await refused(issuers.verifyAsync(await sign({}, { kid: `random-${count}` })), "key_not_found");
  assert.equal(fetches.length, 2);
  clock.now += 30;
  await Promise.all(Array.from({ length: 20 }, async (_, n) => refused(issuers.verifyAsync(await sign({}, { kid: `again-${n}` })), "key_not_found")));
  assert.equal(fetches.length, 3);
});

test("the old keys stay when new ones cannot be had", async () => {
  const answers = [
    () => Response.error(),
    () => new Response("<html>", { headers: { "content-type": "text/html" } }),
    () => Response.json({ keys: [] }),
    () => Response.json({ keys: "none" }),
    () => Response.json([]),
    () => Response.json(null),
    () => Response.json({ keys: [rsa.jwk] }, { status: 500 }),
    () => Response.redirect("https://evil.example/", 302),
    () => new Response(`{"keys":[],"padding":"${"x".repeat(65_536)}"}`),
    () => new Response(null),
    () => Promise.reject(new TypeError("no network")),
  ];
  for (const answer of answers) {
    const { issuers, clock, fetches } = remote((n) => (n === 1 ? serve(rsa)() : answer()));
    await issuers.verifyAsync(await sign());
    clock.now += 30;
    await refused(issuers.verifyAsync(await sign({}, {}, next)), "key_not_found", answer.toString());
    assert.equal(fetches.length, 2);
    await issuers.verifyAsync(await sign());
    const { issuers: empty } = remote(answer);
    await assert.rejects(empty.verifyAsync(await sign()), KeysError);
    await empty.ready();
  }
});

test("pinned keys stand in for keys that cannot be had, and for no others", async () => {
  const pinnedKeys = { keys: [rsa.jwk] };
  const pem = [{ pem: await jose.exportSPKI(rsa.publicKey), alg: "RS256" }];
  for (const pinned of [pinnedKeys, pem]) {
    const { issuers, clock } = remote((n) => (n === 1 ? Response.error() : serve(next)()), { pinnedKeys: pinned });
    assert.equal((await issuers.verifyAsync(await sign())).subject, "auth0|42");
    await refused(issuers.verifyAsync(await signWith({ ...other, kid: rsa.kid }, ISSUER)), "signature_invalid");
    clock.now += 5;
    await refused(issuers.verifyAsync(await sign()), "key_not_found", "the published keys do not have it");
    await issuers.verifyAsync(await sign({}, {}, next));
    await issuers.verifyAsync(await sign({}, { kid: undefined }));
    await refused(issuers.verifyAsync(await sign({}, { kid: undefined }, other)), "signature_invalid");
  }
  const { issuers: two } = remote(() => Response.error(), { pinnedKeys: { keys: [rsa.jwk, other.jwk] } });
  await two.verifyAsync(await sign({}, {}, other));
  await refused(two.verifyAsync(await sign({}, { kid: undefined })), "missing_kid", "which of two?");
  await without(two.verifyAsync(await sign({}, {}, next)), "keys_unavailable");
  for (const wrong of [{ keys: [] }, { keys: [rsa.privateJwk] }, [{ pem: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", alg: "RS256" }], [{ pem: pem[0].pem, alg: "HS256" }], [{}], "pem", 7]) {
    const { issuers } = remote(() => Response.error(), { pinnedKeys: wrong });
    await assert.rejects(issuers.ready(), { code: "configuration_invalid", option: "pinnedKeys" }, JSON.stringify(wrong));
  }
});

test("discovery is believed only where it names the issuer itself, and a public address", async () => {
  const discovered = (document) => remote((_, url) => (url === `${ISSUER}/.well-known/openid-configuration` ? Response.json(document) : serve(rsa)()), { discover: true });
  const good = discovered({ issuer: ISSUER, jwks_uri: "https://keys.example/jwks" });
  await good.issuers.verifyAsync(await sign());
  assert.deepEqual(good.fetches, [`${ISSUER}/.well-known/openid-configuration`, "https://keys.example/jwks"]);
  for (const document of [
    { issuer: `${ISSUER}/`, jwks_uri: "https://keys.example/jwks" },
    { issuer: "https://evil.example", jwks_uri: "https://keys.example/jwks" },
    { jwks_uri: "https://keys.example/jwks" },
    { issuer: ISSUER },
    { issuer: ISSUER, jwks_uri: "http://keys.example/jwks" },
    { issuer: ISSUER, jwks_uri: "https://169.254.169.254/latest/meta-data" },
    { issuer: ISSUER, jwks_uri: "https://[::ffff:10.0.0.1]/jwks" },
    { issuer: ISSUER, jwks_uri: "https://localhost/jwks" },
    { issuer: ISSUER, jwks_uri: "https://user:pw@keys.example/jwks" },
    { issuer: ISSUER, jwks_uri: "file:///etc/passwd" },
    { issuer: ISSUER, jwks_uri: { toString: "x" } },
  ]) {
    const { issuers, fetches } = discovered(document);
    await without(issuers.verifyAsync(await sign()), "keys_invalid", JSON.stringify(document));
    assert.equal(fetches.length, 1, "nothing was asked for keys");
  }
});

test("options that would accept too much are refused", () => {
  const one = { issuer: ISSUER, audience: AUDIENCE };
  for (const [options, option] of [
    [undefined, "options"],
    [{}, "issuers"],
    [{ issuers: [] }, "issuers"],
    [{ issuers: [one, one] }, "issuers"],
    [{ issuers: [7] }, "issuers"],
    [{ issuers: [{ audience: "a" }] }, "issuer"],
    [{ issuers: [{ issuer: [ISSUER], audience: "a" }] }, "issuer"],
    [{ issuers: [{ issuer: "login.example", audience: "a" }] }, "issuer"],
    [{ issuers: [{ issuer: "http://login.example", audience: "a" }] }, "issuer"],
    [{ issuers: [{ issuer: ISSUER }] }, "audience"],
    [{ issuers: [{ issuer: ISSUER, audience: [] }] }, "audience"],
    [{ issuers: [{ issuer: ISSUER, audience: [""] }] }, "audience"],
    [{ issuers: [{ ...one, algorithms: ["HS256"] }] }, "algorithms"],
    [{ issuers: [{ ...one, algorithms: ["none"] }] }, "algorithms"],
    [{ issuers: [{ ...one, algorithms: [] }] }, "algorithms"],
    [{ issuers: [{ ...one, tokenType: "" }] }, "tokenType"],
    [{ issuers: [{ ...one, requiredClaims: "sub" }] }, "requiredClaims"],
    [{ issuers: [{ ...one, subjectClaim: "" }] }, "subjectClaim"],
    [{ issuers: [{ ...one, subjectClaim: 7 }] }, "subjectClaim"],
    [{ issuers: [{ ...one, cacheTtlSeconds: 86_401 }] }, "cacheTtlSeconds"],
    [{ issuers: [{ ...one, maxStaleSeconds: -1 }] }, "maxStaleSeconds"],
    [{ issuers: [{ ...one, discover: 1 }] }, "discover"],
    [{ issuers: [{ ...one, discover: true, jwksUrl: KEYS }] }, "jwksUrl"],
    [{ issuers: [{ ...one, jwks: {} }] }, "jwks"],
    [{ issuers: [one], leewaySeconds: 121 }, "leewaySeconds"],
    [{ issuers: [one], timeoutSeconds: 6 }, "timeoutSeconds"],
    [{ issuers: [one], timeoutSeconds: 0 }, "timeoutSeconds"],
    [{ issuers: [one], allowLoopback: "yes" }, "allowLoopback"],
    [{ issuers: [one], fetch: "fetch" }, "fetch"],
    [{ issuers: [one], skew: 60 }, "skew"],
  ]) {
    assert.throws(() => createIssuers(options), { code: "configuration_invalid", option }, JSON.stringify(options));
  }
});

test("keys are never fetched from this machine or its network, however its address is written", () => {
  const at = (jwksUrl, more = {}) => createIssuers({ issuers: [{ issuer: ISSUER, audience: AUDIENCE, jwksUrl }], ...more });
  for (const host of [
    "localhost", "LOCALHOST", "a.localhost", "localhost.", "printer.local", "metadata.google.internal", "intranet", "keys",
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.0.0.1.", "0.0.0.0", "0",
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "0xa9fea9fe", "100.64.0.1",
    "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "255.255.255.255",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[::1.1.1.1]",
    "[64:ff9b::10.0.0.1]", "[64:ff9b:1::1]", "[64:1::101:101]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[fe80::1]", "[fc00::1]", "[fd12:3456::1]",
    "[ff02::1]", "[2001:db8::1]", "[2001::1]", "[3fff::1]", "[4000::1]", "[100::1]",
  ]) {
    assert.throws(() => at(`https://${host}/jwks`), { option: "jwksUrl" }, host);
    const issuer = `https://${host}`;
    assert.throws(() => createIssuers({ issuers: [{ issuer, audience: AUDIENCE }] }), { option: "issuer" }, host);
  }
  for (const url of ["http://keys.example/", "ftp://keys.example/", "data:application/json,{}", "https://user@keys.example/", "//keys.example", "https://", 7, {}]) {
    assert.throws(() => at(url), { option: "jwksUrl" }, String(url));
  }
  for (const host of ["keys.example", "1.1.1.1", "172.32.0.1", "172.15.0.1", "9.255.255.255", "11.0.0.0", "100.128.0.1", "[2606:4700::1111]", "[2606:4700::ffff:a00:1]", "[2a00::1]", "[2001:200::1]", "[2606:4700:1:2:3:4:5:6]", "[::ffff:1.1.1.1]", "[64:ff9b::1.1.1.1]", "[2002:101:101::1]", "local.example"]) {
    at(`https://${host}/jwks`);
  }
  for (const url of ["http://127.0.0.1:8080/jwks", "http://localhost/jwks", "https://[::1]/jwks"]) {
    at(url, { allowLoopback: true });
    assert.throws(() => at(url), { option: "jwksUrl" }, url);
  }
  for (const url of ["http://10.0.0.1/", "https://10.0.0.1/", "http://keys.example/", "http://127.evil.example/"]) {
    assert.throws(() => at(url, { allowLoopback: true }), { option: "jwksUrl" }, url);
  }
});
