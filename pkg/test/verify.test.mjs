import assert from "node:assert/strict";
import { test } from "node:test";
import * as jose from "jose";
import { createVerifier, PosternError, TokenError } from "postern";
import { AUDIENCE, createIssuer, ISSUER, NOW, optionsFor, random } from "./support/tokens.mjs";

const issuer = await createIssuer();
const verifier = createVerifier(optionsFor(issuer));
const refusal = (token, of = verifier) => {
  try {
    of.verify(token);
  } catch (error) {
    assert.ok(error instanceof TokenError && error instanceof PosternError && error instanceof Error);
    assert.equal(error.name, "TokenError");
    return error.claim ? `${error.code} ${error.claim}` : error.code;
  }
  return "accepted";
};

test("a token made by jose is accepted, and every claim is readable", async () => {
  const token = await issuer.sign({ tid: undefined, org: "acme", ent: ["pro"], auth_time: NOW - 9, plan: { seats: 3 } });
  const claims = verifier.verify(token);
  assert.equal(claims.subject, "00112233445566778899aabbccddeeff");
  assert.equal(claims.sessionId, "ffeeddccbbaa99887766554433221100");
  assert.equal(claims.tokenId, "0123456789abcdef0123456789abcdef");
  assert.equal(claims.clientId, "web");
  assert.equal(claims.tenant, undefined);
  assert.equal(claims.issuer, ISSUER);
  assert.deepEqual(claims.audience, [AUDIENCE]);
  assert.equal(claims.issuedAt, NOW);
  assert.equal(claims.expiresAt, NOW + 300);
  assert.equal(claims.accountVersion, 7);
  assert.deepEqual(claims.roles, ["editor"]);
  assert.ok(claims.hasRole("editor") && !claims.hasRole("admin"));
  assert.equal(claims.organization, "acme");
  assert.deepEqual(claims.entitlements, ["pro"]);
  assert.ok(claims.hasEntitlement("pro") && !claims.hasEntitlement("p") && !claims.hasEntitlement("toString"));
  assert.deepEqual(claims.authenticationMethods, ["pwd", "otp"]);
  assert.equal(claims.authenticatedAt, NOW - 9);
  assert.deepEqual(claims.payload.plan, { seats: 3 });
  assert.deepEqual(JSON.parse(JSON.stringify(claims)), claims.payload);
});

test("both algorithm names of RFC 9864 are accepted", async () => {
  assert.equal(refusal(await issuer.sign({}, { alg: "Ed25519" })), "accepted");
  assert.equal(refusal(await issuer.sign({}, { alg: "EdDSA" })), "accepted");
});

test("text outside ASCII survives the boundary", async () => {
  const name = "Zoë 😀 \u0000 \ud7ff \uffff";
  assert.equal(verifier.verify(await issuer.sign({ name })).payload.name, name);
});

test("verification is synchronous and needs no network", async (t) => {
  const token = await issuer.sign();
  t.mock.method(globalThis, "fetch", () => assert.fail("network"));
  t.mock.method(globalThis, "setTimeout", () => assert.fail("timer"));
  const claims = createVerifier(optionsFor(issuer)).verify(token);
  assert.ok(!(claims instanceof Promise) && typeof claims.then === "undefined");
  assert.equal(fetch.mock.callCount(), 0);
});

test("every refusal has its code, and no error quotes the token", async () => {
  const other = await createIssuer();
  const good = await issuer.sign();
  const [header, payload, signature] = good.split(".");
  const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const cases = [
    ["", "token_malformed"],
    ["x", "token_malformed"],
    [`${good}.`, "token_malformed"],
    [`${header}.${payload}`, "token_malformed"],
    [`${header}.${payload}.`, "token_malformed"],
    [`${good}=`, "token_malformed"],
    [` ${good}`, "token_malformed"],
    ["é".repeat(8192), "token_too_large"],
    ["a".repeat(8193), "token_too_large"],
    [`${part("{}")}.${payload}.${signature}`, "header_malformed"],
    [`${part({ alg: "none", typ: "at+jwt" })}.${payload}.${signature}`, "algorithm_not_allowed"],
    [`${part({ alg: "EdDSA", typ: "at+jwt", crit: ["b64"] })}.${payload}.${signature}`, "critical_header_unsupported"],
    [await issuer.sign({}, { typ: "JWT" }), "token_type_mismatch"],
    [await issuer.sign({}, { typ: undefined }), "token_type_mismatch"],
    [await issuer.sign({}, { kid: "other" }), "key_not_found"],
    [await other.sign(), "signature_invalid"],
    [`${header}.${part({ iss: ISSUER })}.${signature}`, "signature_invalid"],
    [await issuer.sign({ iss: `${ISSUER}/` }), "issuer_mismatch"],
    [await issuer.sign({ aud: "https://other.example" }), "audience_mismatch"],
    [await issuer.sign({ exp: NOW - 30 }), "token_expired"],
    [await issuer.sign({ nbf: NOW + 60 }), "token_not_yet_valid"],
    [await issuer.sign({ iat: NOW + 60 }), "token_clock_skew"],
    [await issuer.sign({ iat: NOW + 900 }), "token_issued_in_future"],
    [await issuer.sign({ sub: undefined }), "claim_missing sub"],
    [await issuer.sign({ exp: undefined }), "claim_missing exp"],
    [await issuer.sign({ exp: "soon" }), "claim_malformed exp"],
    [await issuer.sign({ roles: "admin" }), "claim_malformed roles"],
    [await issuer.sign({ tid: "acme" }), "tenant_mismatch"],
    [undefined, "token_malformed"],
    [null, "token_malformed"],
    [new String(good), "token_malformed"],
  ];
  for (const [token, code] of cases) {
    assert.equal(refusal(token), code, String(token).slice(0, 200));
    try {
      verifier.verify(token);
    } catch (error) {
      const shown = `${error.message} ${error.stack} ${JSON.stringify(error)}`;
      for (const secret of String(token).split(".")) if (secret.length > 20) assert.ok(!shown.includes(secret));
    }
  }
});

test("a lone surrogate in a token is refused like any other foreign character", () => {
  assert.notEqual(refusal("\ud800.\udc00.\ud800"), "accepted");
});

test("a thousand damaged tokens are refused here and by jose", async () => {
  const parts = (await issuer.sign()).split(".").map((part) => Buffer.from(part, "base64url"));
  const below = random(1);
  for (let round = 0; round < 1000; round++) {
    const damaged = parts.map((part) => Buffer.from(part));
    const part = damaged[round % 3];
    part[below(part.length)] ^= 1 << below(8);
    const token = damaged.map((bytes) => bytes.toString("base64url")).join(".");
    assert.notEqual(refusal(token), "accepted", `round ${round}`);
    assert.equal(await issuer.joseAccepts(token), false, `round ${round}`);
  }
  assert.equal(refusal(parts.map((part) => part.toString("base64url")).join(".")), "accepted");
});

test("a second spelling of a signature is refused", async () => {
  const token = await issuer.sign();
  const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".indexOf(token.at(-1));
  const respelt = token.slice(0, -1) + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last ^ 1];
  assert.deepEqual(Buffer.from(respelt.split(".")[2], "base64url"), Buffer.from(token.split(".")[2], "base64url"));
  assert.equal(refusal(respelt), "token_malformed");
});

test("the clock and the leeway decide to the second", async () => {
  const token = await issuer.sign();
  const at = (now, leewaySeconds) => refusal(token, createVerifier(optionsFor(issuer, { now: () => now, leewaySeconds })));
  assert.equal(at(NOW + 299.9, 0), "accepted");
  assert.equal(at(NOW + 300, 0), "token_expired");
  assert.equal(at(NOW + 329.9), "accepted");
  assert.equal(at(NOW + 330), "token_expired");
  assert.equal(at(NOW + 419, 120), "accepted");
  assert.equal(at(NOW - 30), "accepted");
  assert.equal(at(NOW - 31), "token_clock_skew");
  assert.equal(at(NOW - 601), "token_issued_in_future");
  assert.equal(at(2 ** 32 + 5), "token_expired");
  const late = await issuer.sign({ iat: 2 ** 32 + 5, exp: 2 ** 32 + 305 });
  assert.equal(refusal(late, createVerifier(optionsFor(issuer, { now: () => 2 ** 32 + 6 }))), "accepted");
});

test("one of several audiences is enough, on either side", async () => {
  const two = createVerifier(optionsFor(issuer, { audience: ["https://a.example", "https://b.example"] }));
  assert.equal(refusal(await issuer.sign({ aud: "https://b.example" }), two), "accepted");
  assert.equal(refusal(await issuer.sign({ aud: ["https://x.example", "https://a.example"] }), two), "accepted");
  assert.equal(refusal(await issuer.sign({ aud: [] }), two), "audience_mismatch");
  assert.equal(refusal(await issuer.sign(), two), "audience_mismatch");
});

test("tenants are kept apart", async () => {
  const [acme, none] = [await issuer.sign({ tid: "acme" }), await issuer.sign()];
  const verdicts = (more) => [acme, none].map((token) => refusal(token, createVerifier(optionsFor(issuer, more))));
  assert.deepEqual(verdicts({ tenant: "acme" }), ["accepted", "tenant_mismatch"]);
  assert.deepEqual(verdicts({ tenant: "other" }), ["tenant_mismatch", "tenant_mismatch"]);
  assert.deepEqual(verdicts({ anyTenant: true }), ["accepted", "accepted"]);
  assert.deepEqual(verdicts({}), ["tenant_mismatch", "accepted"]);
  assert.equal(createVerifier(optionsFor(issuer, { anyTenant: true })).verify(acme).tenant, "acme");
});

test("type and required claims can be chosen", async () => {
  const plain = await issuer.sign({ client_id: undefined, jti: undefined, sid: undefined }, { typ: "JWT" });
  const choose = (requiredClaims) => createVerifier(optionsFor(issuer, { tokenType: "JWT", requiredClaims }));
  assert.equal(refusal(plain, choose()), "claim_missing jti");
  assert.equal(refusal(plain, choose([])), "accepted");
  assert.equal(refusal(plain, choose(["sub", "sid"])), "claim_missing sid");
});

test("a greatest age and a nearest nonsense can be chosen", async () => {
  const token = await issuer.sign({ exp: NOW + 90_000 });
  const at = (now, more) => refusal(token, createVerifier(optionsFor(issuer, { now: () => now, ...more })));
  assert.equal(at(NOW + 89, { maxTokenAgeSeconds: 60 }), "accepted");
  assert.equal(at(NOW + 90, { maxTokenAgeSeconds: 60 }), "token_too_old");
  assert.equal(at(NOW - 31, { maxFutureIssueSeconds: 30 }), "token_issued_in_future");
  assert.equal(at(NOW - 3600, { maxFutureIssueSeconds: 3600 }), "token_clock_skew");
  const ageless = await issuer.sign({ iat: undefined });
  const chosen = { requiredClaims: [], maxTokenAgeSeconds: 60 };
  assert.equal(refusal(ageless, createVerifier(optionsFor(issuer, chosen))), "claim_missing iat");
});

test("the subject can come from another claim, and then from no other", async () => {
  const verifier = createVerifier(optionsFor(issuer, { subjectClaim: "uid" }));
  const claims = verifier.verify(await issuer.sign({ sub: "eve", uid: "ada" }));
  assert.equal(claims.subject, "ada");
  assert.equal(refusal(await issuer.sign({ sub: "eve" }), verifier), "claim_missing sub");
  assert.equal(refusal(await issuer.sign({ uid: 7 }), verifier), "claim_malformed sub");
  for (const subjectClaim of ["__proto__", "constructor", "toString"]) {
    const lax = createVerifier(optionsFor(issuer, { subjectClaim, requiredClaims: [] }));
    assert.equal(lax.verify(await issuer.sign()).subject, undefined);
  }
});

test("custom claims are those that Postern does not register", async () => {
  const claims = createVerifier(optionsFor(issuer)).verify(await issuer.sign({ plan: "pro", nested: { iss: 1 }, org: "o" }));
  assert.deepEqual(claims.custom, { plan: "pro", nested: { iss: 1 } });
  assert.deepEqual(createVerifier(optionsFor(issuer)).verify(await issuer.sign()).custom, {});
});

test("many verifiers live side by side, and keep their keys", async () => {
  const issuers = await Promise.all(Array.from({ length: 40 }, () => createIssuer("same")));
  const verifiers = issuers.map((one) => createVerifier(optionsFor(one)));
  const tokens = await Promise.all(issuers.map((one) => one.sign()));
  for (const [i, one] of verifiers.entries()) {
    assert.equal(refusal(tokens[i], one), "accepted");
    assert.equal(refusal(tokens[(i + 1) % 40], one), "signature_invalid");
  }
});

test("HS256 works on a server when it is configured, and only then", async () => {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const sign = (key, header = {}) =>
    new jose.SignJWT({ client_id: "web", jti: "j" })
      .setProtectedHeader({ alg: "HS256", typ: "at+jwt", ...header })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject("s")
      .setIssuedAt(NOW)
      .setExpirationTime(NOW + 300)
      .sign(key);
  const options = { issuer: ISSUER, audience: AUDIENCE, now: () => NOW, hmacSecret: secret };
  const hmac = createVerifier(options);
  assert.equal(refusal(await sign(secret), hmac), "accepted");
  assert.equal(refusal(await sign(secret, { kid: "hs256" }), hmac), "accepted");
  assert.equal(refusal(await sign(secret, { kid: "k" }), hmac), "key_not_found");
  assert.equal(refusal(await sign(secret, { kid: "k" }), createVerifier({ ...options, hmacKeyId: "k" })), "accepted");
  assert.equal(refusal(await sign(crypto.getRandomValues(new Uint8Array(32))), hmac), "signature_invalid");
  assert.equal(refusal(await issuer.sign({}, { kid: "hs256" }), hmac), "algorithm_not_allowed");
  // The classic confusion: the public key as the secret of an HMAC.
  const x = Buffer.from(issuer.jwks.keys[0].x, "base64url");
  assert.equal(refusal(await sign(x, { kid: issuer.jwks.keys[0].kid })), "algorithm_not_allowed");
});
