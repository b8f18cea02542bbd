import assert from "node:assert/strict";
import { once } from "node:events";
import { request as send } from "node:http";
import { test } from "node:test";
import { ConfigurationError, createVerifier, KeysError } from "postern";
import { createDpopChecker, createDpopNonces, MemoryReplayStore } from "postern/dpop";
import { authenticate, requires, requiresEntitlement } from "postern/express";
import { createAuthenticator, createGuard } from "postern/guard";
import { createProver, ORIGIN } from "./support/proofs.mjs";
import { FRAMEWORKS } from "./support/servers.mjs";
import { createKey, signWith } from "./support/third-party.mjs";
import { AUDIENCE, createIssuer, mask, NOW, optionsFor, snapshot } from "./support/tokens.mjs";

const SUBJECT = "00112233445566778899aabbccddeeff";
const issuer = await createIssuer();
const permissions = snapshot(["docs:read", "docs:write"]);
const now = () => NOW;
const verifier = createVerifier(optionsFor(issuer, { permissions }));
const sign = (changes) => issuer.sign({ pr: permissions.version, pm: mask(64, [0, 1]), ...changes });
const prover = await createProver();
const good = await sign();
const reader = await sign({ pm: mask(64, [0]), roles: ["viewer"] });
// Both; one of them; names that only look alike.
const payer = await sign({ ent: ["export", "seats:50"] });
const half = await sign({ ent: ["export", "seats:5"] });
const nearly = await sign({ ent: ["exports", "seats:500"], roles: ["export"], export: true });
const unentitled = await sign({ ent: [] });
// A text that contains the name is no list.
const listless = await sign({ ent: "export seats:50" });
const acting = await sign({ ent: ["export", "seats:50"], org: "ada" });
// Root may do everything, and has bought nothing.
const root = await sign({ pm: mask(64, [63]) });
const bound = await sign({ cnf: { jkt: prover.thumbprint } });
const [ONE, TWO] = ["urn:postern:acr:1", "urn:postern:acr:2"];
// The clock of a route is the machine's; whoever it is about was there a minute ago.
const authTime = Math.floor(Date.now() / 1_000) - 60;
const fresh = await sign({ auth_time: authTime, acr: ONE });
const strong = await sign({ auth_time: authTime, acr: TWO });
const expired = await sign({ exp: NOW - 31 });
// Its owner has given themselves every permission that organizations give, and a role of a fine name.
const ada = await sign({ org: "ada", roles: ["owner", "editor"] });
const eve = await sign({ org: "eve", roles: ["owner", "editor"] });

/** One request, headers as given: an array is sent as several. */
async function ask(url, { method = "GET", headers = {} } = {}) {
  const request = send(url, { method, headers }).end();
  const [response] = await once(request, "response");
  const text = (await response.setEncoding("utf8").toArray()).join("");
  return { status: response.statusCode, headers: response.headers, text };
}
const bearer = (token, scheme = "Bearer") => ({ authorization: `${scheme} ${token}` });
const proven = async (token, path, claims) => ({
  authorization: `DPoP ${token}`,
  dpop: await prover.prove(token, { htu: ORIGIN + path, ...claims }),
});

const REALM = 'Bearer realm="docs"';
const refusedToken = (code) => `${REALM}, error="invalid_token", error_description="${code}"`;
const TOO_WEAK = 'Bearer error="insufficient_user_authentication", error_description="reauthentication_required"';
const UNPAID = 'Bearer error="insufficient_scope", error_description="entitlement_required"';
const DENIED = 'Bearer error="insufficient_scope", error_description="permission_denied"';

/** Path, headers, and what comes of it: a subject, or status, code and challenge. */
const CASES = [
  ["/private", bearer(good), SUBJECT],
  ["/private", bearer(good, "bearer"), SUBJECT],
  ["/private", bearer(good, "BEARER"), SUBJECT],
  ["/private", bearer(good, "bEaReR  "), SUBJECT],
  ["/open", bearer(good), SUBJECT],
  ["/open", {}, null],
  ["/open", { authorization: "Basic dXNlcjpwYXNzd29yZA==" }, null],
  ["/write", bearer(good), SUBJECT],
  ["/both", bearer(good), SUBJECT],
  ["/editors", bearer(good), SUBJECT],
  ["/recent", bearer(fresh), SUBJECT],
  ["/strong", bearer(strong), SUBJECT],
  ["/both-recent", bearer(fresh), SUBJECT],
  ["/both-recent", bearer(strong), SUBJECT],
  ["/behind", bearer(good), SUBJECT],
  ...["/paid", "/paid-write", "/behind-paid", "/teams/paid"].map((path) => [path, bearer(payer), SUBJECT]),
  ["/paid", bearer(half), SUBJECT],
  ["/teams/paid", bearer(acting), SUBJECT],
  ["/either", bearer(good), SUBJECT],
  ["/either", await proven(bound, "/either"), SUBJECT],
  ["/bound", await proven(bound, "/bound"), SUBJECT],
  ["/open-bound", await proven(bound, "/open-bound"), SUBJECT],
  ["/open-bound", {}, null],
  ["/teams/ada", bearer(ada), SUBJECT],
  ["/teams/renamed", bearer(ada), SUBJECT],
  ["/teams/any", bearer(ada), SUBJECT],
  ["/teams/any", bearer(good), SUBJECT],

  ["/private", {}, 401, "missing_token", REALM],
  ["/private", { authorization: "" }, 401, "missing_token", REALM],
  ["/private", { authorization: "Basic dXNlcjpwYXNzd29yZA==" }, 401, "missing_token", REALM],
  ["/private", { authorization: "Bearer" }, 401, "missing_token", REALM],
  ["/private", { authorization: "Bearer " }, 401, "missing_token", REALM],
  ["/open", { authorization: "bearer" }, 401, "missing_token", "Bearer"],
  ["/private", { authorization: `Bearer${good}` }, 401, "missing_token", REALM],
  ["/private", { authorization: good }, 401, "missing_token", REALM],
  ["/private", { authorization: `Token ${good}` }, 401, "missing_token", REALM],
  ["/private", { "x-authorization": `Bearer ${good}` }, 401, "missing_token", REALM],
  ["/private", { cookie: `token=${good}` }, 401, "missing_token", REALM],
  [`/private?access_token=${good}`, {}, 401, "missing_token", REALM],

  ["/private", { authorization: [`Bearer ${good}`, `Bearer ${good}`] }, 400, "credentials_malformed"],
  ["/private", { authorization: [`Bearer ${good}`, "Basic eDp5"] }, 400, "credentials_malformed"],
  ["/private", { authorization: ["Basic eDp5", `Bearer ${good}`] }, 400, "credentials_malformed"],
  ["/open", { authorization: ["Basic eDp5", `Bearer ${good}`] }, 400, "credentials_malformed"],
  ["/open", { authorization: `Basic eDp5, Bearer ${expired}` }, 400, "credentials_malformed"],
  ["/private", { authorization: `Bearer ${good}, Bearer ${good}` }, 400, "credentials_malformed"],
  ["/private", { authorization: `Bearer ${good} ${good}` }, 400, "credentials_malformed"],
  ["/private", { authorization: `Bearer "${good}"` }, 400, "credentials_malformed"],
  ["/private", { authorization: `Bearer token=${good}` }, 400, "credentials_malformed"],
  ["/open", { authorization: "Bearer ,," }, 400, "credentials_malformed"],

  ["/private", bearer(expired), 401, "token_expired", refusedToken("token_expired")],
  ["/private", bearer("a.b.c"), 401, "token_malformed", refusedToken("token_malformed")],
  ["/private", bearer("nonsense"), 401, "token_malformed", refusedToken("token_malformed")],
  ["/private", bearer("x".repeat(8193)), 401, "token_too_large", refusedToken("token_too_large")],
  ["/private", bearer(`${good.slice(0, -4)}AAAA`), 401, "signature_invalid", refusedToken("signature_invalid")],
  ["/private", bearer(await issuer.sign({}, { typ: "JWT" })), 401, "token_type_mismatch"],
  ["/private", bearer(await issuer.sign({}, { kid: "other" })), 401, "key_not_found"],
  ["/private", bearer(await issuer.sign({ aud: "https://other.example" })), 401, "audience_mismatch"],
  ["/private", bearer(await issuer.sign({ iss: "https://other.example" })), 401, "issuer_mismatch"],
  ["/private", bearer(await issuer.sign({ nbf: NOW + 60 })), 401, "token_not_yet_valid"],
  ["/private", bearer(await issuer.sign({ jti: undefined })), 401, "claim_missing"],
  ["/private", bearer(await (await createIssuer()).sign()), 401, "signature_invalid"],
  ["/open", bearer(expired), 401, "token_expired"],
  ["/open", bearer("nonsense"), 401, "token_malformed"],

  ["/recent", {}, 401, "missing_token", "Bearer"],
  ["/recent", bearer(expired), 401, "token_expired"],
  ["/recent", bearer(good), 401, "reauthentication_required", `${TOO_WEAK}, max_age="600"`],
  ["/recent", bearer(await sign({ auth_time: authTime - 660, acr: TWO })), 401, "reauthentication_required"],
  ["/strong", bearer(fresh), 401, "reauthentication_required", `${TOO_WEAK}, acr_values="${TWO}"`],
  ["/strong", bearer(good), 401, "reauthentication_required"],
  ["/strong", bearer(await sign({ acr: "2" })), 401, "reauthentication_required"],
  ["/strong", bearer(await sign({ acr: TWO, pm: mask(64, [0]) })), 403, "permission_denied"],
  ["/both-recent", bearer(await sign({ auth_time: authTime })), 401, "reauthentication_required", `${TOO_WEAK}, max_age="600", acr_values="${ONE}"`],
  ["/both-recent", bearer(await sign({ acr: TWO })), 401, "reauthentication_required"],

  ["/write", {}, 401, "missing_token", "Bearer"],
  ["/write", bearer(expired), 401, "token_expired"],
  ["/write", bearer(reader), 403, "permission_denied", `${DENIED}, scope="docs:write"`],
  ["/both", bearer(reader), 403, "permission_denied", `${DENIED}, scope="docs:read docs:write"`],
  ["/write", bearer(await issuer.sign()), 403, "permission_denied"],
  ["/editors", bearer(reader), 403, "permission_denied", DENIED],
  ["/careless", bearer(good), 403, "permission_denied", DENIED],
  ["/behind", {}, 401, "missing_token"],
  ...["/paid", "/paid-write", "/behind-paid"].flatMap((path) => [
    [path, {}, 401, "missing_token"],
    [path, bearer(expired), 401, "token_expired"],
    [path, bearer(good), 403, "entitlement_required", UNPAID],
    [path, bearer(nearly), 403, "entitlement_required", UNPAID],
    [path, bearer(unentitled), 403, "entitlement_required", UNPAID],
    [path, bearer(listless), 401, "claim_malformed"],
    [path, bearer(acting), 403, "permission_denied"],
    [path, bearer(root), 403, "entitlement_required"],
  ]),
  ["/paid-write", bearer(half), 403, "entitlement_required", UNPAID],
  ["/behind-paid", bearer(half), 403, "entitlement_required", UNPAID],
  ["/paid-write", bearer(await sign({ pm: mask(64, [0]), ent: ["export", "seats:50"] })), 403, "permission_denied"],
  ["/teams/paid", bearer(ada), 403, "entitlement_required"],
  ...["/private", "/open", "/write", "/editors", "/behind", "/either"].map((path) => [path, bearer(ada), 403, "permission_denied"]),
  ...["/teams/ada", "/teams/renamed", "/teams/none"].flatMap((path) => [eve, good].map((token) => [path, bearer(token), 403, "permission_denied"])),
  ["/teams/none", bearer(ada), 403, "permission_denied"],
  ["/teams/ada", bearer(await sign({ org: "ADA" })), 403, "permission_denied"],
  ["/teams/ada", bearer(await sign({ org: "ada", pm: mask(64, [0]) })), 403, "permission_denied"],
  ["/behind", bearer(reader), 403, "permission_denied"],
  ["/misspelt", bearer(good), 500, "permission_unknown"],

  ["/private", bearer(bound), 401, "token_bound"],
  ["/private", bearer(await sign({ cnf: { "x5t#S256": "AA" } })), 401, "token_bound"],
  ["/open", bearer(bound), 401, "token_bound"],
  ["/either", bearer(bound), 401, "token_bound"],
  ["/either", { ...(await proven(bound, "/either")), ...bearer(bound) }, 401, "token_bound"],
  ["/bound", bearer(bound), 401, "dpop_required"],
  ["/bound", bearer(good), 401, "dpop_required"],
  ["/bound", {}, 401, "missing_token"],
  ["/private", await proven(bound, "/private"), 401, "scheme_unsupported"],
  ["/open", await proven(bound, "/open"), 401, "scheme_unsupported"],
  ["/either", { authorization: `DPoP ${good}` }, 401, "token_not_bound"],
  ["/either", await proven(good, "/either"), 401, "token_not_bound"],
  ["/either", await proven(await sign({ cnf: { "x5t#S256": "AA" } }), "/either"), 401, "token_not_bound"],
  ["/either", { authorization: `DPoP ${bound}` }, 401, "dpop_proof_missing"],
  ["/either", { authorization: `DPoP ${bound}`, dpop: "" }, 401, "dpop_proof_missing"],
  ["/either", { authorization: "DPoP" }, 401, "missing_token"],
  ["/either", await proven(expired, "/either"), 401, "token_expired"],
  ["/either", { ...(await proven(bound, "/either")), dpop: "nonsense" }, 401, "dpop_proof_malformed"],
  ["/either", await proven(bound, "/bound"), 401, "dpop_address_mismatch"],
  ["/either", await proven(bound, "/either", { htm: "POST" }), 401, "dpop_method_mismatch"],
  ["/either", await proven(bound, "/either", { iat: NOW - 61 }), 401, "dpop_proof_expired"],
  ["/either", await proven(bound, "/either", { ath: "AA" }), 401, "dpop_token_mismatch"],
  ["/open-bound", await proven(bound, "/other"), 401, "dpop_address_mismatch"],
];
{
  const proof = await prover.prove(bound, { htu: `${ORIGIN}/either` });
  CASES.push(["/either", { authorization: `DPoP ${bound}`, dpop: [proof, proof] }, 401, "dpop_proof_malformed"]);
  const thief = await createProver();
  const stolen = await thief.prove(bound, { htu: `${ORIGIN}/either` });
  CASES.push(["/either", { authorization: `DPoP ${bound}`, dpop: stolen }, 401, "dpop_key_mismatch"]);
  const used = await proven(bound, "/either");
  CASES.push(["/either", used, SUBJECT], ["/either", used, 401, "dpop_proof_replayed"]);
}

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test(`${name}: every request gets the answer it deserves`, async (t) => {
    const server = await start(verifier, createDpopChecker({ origin: ORIGIN, now }));
    t.after(() => server.close());
    for (const [path, headers, expected, code, challenge] of CASES) {
      const label = `${path.slice(0, 20)} ${JSON.stringify(headers).slice(0, 90)} ${code}`;
      const answer = await ask(server.url + path, { headers });
      if (code === undefined) {
        assert.equal(answer.status, 200, `${label}: ${answer.text}`);
        assert.deepEqual(JSON.parse(answer.text), { subject: expected }, label);
        assert.equal(answer.headers["www-authenticate"], undefined, label);
        continue;
      }
      assert.equal(answer.status, expected, `${label}: ${answer.text}`);
      if (expected === 500) {
        assert.equal(answer.text, code, label);
        continue;
      }
      const { title, ...problem } = JSON.parse(answer.text);
      assert.deepEqual(problem, { type: `urn:postern:problem:${code}`, status: expected, code }, label);
      assert.ok(title.length > 0);
      assert.equal(answer.headers["content-type"], "application/problem+json", label);
      assert.equal(answer.headers["cache-control"], "no-store", label);
      assert.ok(answer.headers["www-authenticate"], label);
      if (challenge) assert.equal(answer.headers["www-authenticate"], challenge, label);
      for (const secret of [good, bound, expired]) assert.ok(!answer.text.includes(secret), label);
    }
  });

  test(`${name}: a nonce is demanded in the way of RFC 9449, and then accepted`, async (t) => {
    const nonces = createDpopNonces({ secret: new Uint8Array(32), now });
    const server = await start(verifier, createDpopChecker({ origin: ORIGIN, now, nonces }));
    t.after(() => server.close());
    const first = await ask(`${server.url}/bound`, { headers: await proven(bound, "/bound") });
    assert.equal(first.status, 401);
    assert.match(first.headers["www-authenticate"], /^DPoP error="use_dpop_nonce", error_description="dpop_nonce_required", algs="EdDSA .*"$/);
    const nonce = first.headers["dpop-nonce"];
    const second = await ask(`${server.url}/bound`, { headers: await proven(bound, "/bound", { nonce }) });
    assert.equal(second.status, 200, second.text);
    const post = { method: "POST", headers: await proven(bound, "/bound", { nonce, htm: "POST" }) };
    assert.equal((await ask(`${server.url}/bound`, post)).status, 200);
    const older = createDpopNonces({ secret: new Uint8Array(32), now: () => NOW - 120 });
    const third = await ask(`${server.url}/bound`, { headers: await proven(bound, "/bound", { nonce: await older.current() }) });
    assert.equal(third.status, 200, third.text);
    assert.equal(third.headers["dpop-nonce"], nonce, "the next one comes with the answer");
  });
}

test("an error belongs to the scheme that was used, among all that are offered", async () => {
  const judge = createAuthenticator(verifier, { dpop: createDpopChecker({ origin: ORIGIN, now, algorithms: ["ES256", "EdDSA"] }), realm: "docs" });
  const challengeTo = async (headers) => {
    const header = (name) => (headers[name] === undefined ? [] : [headers[name]]);
    const { refusal } = await judge({ method: "GET", url: "/either", header });
    return refusal.headers["www-authenticate"];
  };
  assert.equal(await challengeTo({}), 'Bearer realm="docs", DPoP realm="docs", algs="ES256 EdDSA"');
  const expiredError = 'error="invalid_token", error_description="token_expired"';
  assert.equal(await challengeTo(bearer(expired)), `Bearer realm="docs", ${expiredError}, DPoP realm="docs", algs="ES256 EdDSA"`);
  assert.equal(await challengeTo({ authorization: `DPoP ${expired}` }), `Bearer realm="docs", DPoP realm="docs", ${expiredError}, algs="ES256 EdDSA"`);
  const wrong = await proven(bound, "/either", { htm: "POST" });
  assert.match(await challengeTo(wrong), /DPoP realm="docs", error="invalid_dpop_proof", error_description="dpop_method_mismatch"/);
  const thief = { ...wrong, dpop: await (await createProver()).prove(bound) };
  assert.match(await challengeTo(thief), /DPoP realm="docs", error="invalid_token", error_description="dpop_key_mismatch"/);
  assert.match(await challengeTo({ authorization: `DPoP ${bound}` }), /DPoP realm="docs", error="invalid_dpop_proof", error_description="dpop_proof_missing"/);
});

test("claims of an organization have permissions only behind a route that was made for it", async () => {
  const run = async (token, ...chain) => {
    const request = { method: "GET", url: "/teams/ada", rawHeaders: ["Authorization", `Bearer ${token}`], headers: bearer(token) };
    const response = { setHeader() {}, end() {}, statusCode: 200 };
    for (const handler of chain) {
      const isThrough = await new Promise((next) => {
        response.end = () => next(false);
        handler(request, response, () => next(true));
      });
      if (!isThrough) break;
    }
    return response.statusCode;
  };
  const mayWrite = requires("docs:write");
  const verified = (request, _response, next) => next((request.claims = verifier.verify(request.headers.authorization.slice(7))));
  assert.equal(await run(ada, authenticate(verifier, { organization: () => "ada" }), mayWrite), 200);
  assert.equal(await run(ada, authenticate(verifier, { organization: true }), mayWrite), 200);
  assert.equal(await run(good, verified, mayWrite), 200);
  assert.equal(await run(ada, verified, mayWrite), 403, "claims that no guard has seen");
  const paid = requiresEntitlement("export");
  assert.equal(await run(acting, authenticate(verifier, { organization: true }), paid), 200);
  assert.equal(await run(payer, verified, paid), 200);
  assert.equal(await run(acting, verified, paid), 403, "claims that no guard has seen");
});

test("an entitlement is named as it can be called, and asked of who can have one", async () => {
  for (const entitlements of ["", [], "Export", "-x", "a b", "export,", "é", "x".repeat(65), [""], ["export", "Export"], 1, null, {}, [undefined], new Array(1)]) {
    const isNamed = (error) => error instanceof ConfigurationError && error.option === "entitlements";
    assert.throws(() => createGuard(verifier, { entitlements }), isNamed, JSON.stringify(entitlements));
    assert.throws(() => requiresEntitlement(...[entitlements].flat()), isNamed, JSON.stringify(entitlements));
  }
  assert.throws(() => requiresEntitlement(), (error) => error.option === "entitlements");
  for (const name of ["export", "x".repeat(64), "0", "seats:50", "a_b-c.d"]) createGuard(verifier, { entitlements: name });
  assert.throws(() => createGuard(verifier, { entitlements: "export", optional: true }), (error) => error.option === "optional");
  const foreign = createGuard({ verify: () => ({ payload: { ent: ["export"] } }) }, { entitlements: "export" });
  await assert.rejects(foreign(new Request(ORIGIN, { headers: bearer(good) })), (error) => error.option === "entitlements");
});

test("where keys or memory are missing, the answer is 503, and the client may try again", async () => {
  const down = createVerifier({ ...optionsFor(issuer), jwks: undefined, jwksUrl: "https://auth.example/jwks", fetch: async () => Response.error() });
  const keys = await createGuard(down)(new Request(`${ORIGIN}/x`, { headers: bearer(good) }));
  assert.equal(keys.response.status, 503);
  assert.equal(keys.response.headers.get("retry-after"), "5");
  assert.equal(keys.response.headers.get("www-authenticate"), null);
  assert.equal((await keys.response.json()).code, "keys_unavailable");
  const dpop = createDpopChecker({ origin: ORIGIN, now, replayStore: new MemoryReplayStore({ capacity: 1 }) });
  const guard = createGuard(verifier, { dpop });
  const once = await guard(new Request(`${ORIGIN}/x`, { headers: await proven(bound, "/x") }));
  assert.equal(once.claims.subject, SUBJECT);
  const full = await guard(new Request(`${ORIGIN}/x`, { headers: await proven(bound, "/x") }));
  assert.deepEqual([full.response.status, (await full.response.json()).code], [503, "dpop_replay_store_full"]);
});

test("keys are fetched at the first request that needs them", async () => {
  let fetches = 0;
  const fetch = async () => Response.json((fetches++, issuer.jwks));
  const remote = createVerifier({ ...optionsFor(issuer), jwks: undefined, jwksUrl: "https://auth.example/jwks", fetch });
  const syncOnly = { verify: (token) => remote.verify(token), ready: () => remote.ready() };
  const guard = createGuard(syncOnly);
  for (let count = 0; count < 2; count++) {
    const { claims } = await guard(new Request(ORIGIN, { headers: bearer(good) }));
    assert.equal(claims.subject, SUBJECT);
  }
  assert.equal(fetches, 1);
});

test("keys that are missing for good are no mistake of the program", async () => {
  const fails = (code, ready) => createGuard({ verify: () => { throw new KeysError(code, "no keys"); }, ready });
  for (const guard of [fails("keys_not_loaded"), fails("keys_not_loaded", async () => {}), fails("keys_stale", async () => assert.fail("not asked"))]) {
    const { response } = await guard(new Request(ORIGIN, { headers: bearer(good) }));
    assert.equal(response.status, 503);
  }
});

test("keys of every algorithm are judged, and a revoked session is refused", async () => {
  for (const alg of ["RS256", "ES256"]) {
    const key = await createKey(alg);
    const other = createVerifier({ issuer: "https://other.example", audience: AUDIENCE, jwks: { keys: [key.jwk] }, now, requiredClaims: [] });
    const token = await signWith(key, "https://other.example", { sid: "s1" });
    const guard = createGuard(other);
    assert.equal((await guard(new Request(ORIGIN, { headers: bearer(token) }))).claims.sessionId, "s1", alg);
    other.revoke({ sessionId: "s1" });
    const { response } = await guard(new Request(ORIGIN, { headers: bearer(token) }));
    assert.deepEqual([response.status, (await response.json()).code], [401, "token_revoked"], alg);
  }
});

test("a verifier that answers later is waited for, and its mistakes are the program's", async () => {
  const later = createGuard({ verifyAsync: async (token) => verifier.verify(token) });
  assert.equal((await later(new Request(ORIGIN, { headers: bearer(good) }))).claims.subject, SUBJECT);
  assert.equal((await later(new Request(ORIGIN, { headers: bearer(expired) }))).response.status, 401);
  const broken = createGuard({ verifyAsync: async () => Promise.reject(new TypeError("a bug")) });
  await assert.rejects(broken(new Request(ORIGIN, { headers: bearer(good) })), /a bug/);
  const foreign = createGuard({ verifyAsync: async () => ({ payload: {} }) }, { requires: "docs:write" });
  await assert.rejects(foreign(new Request(ORIGIN, { headers: bearer(good) })), { option: "requires" });
});

test("options that are not understood are refused", () => {
  const dpop = createDpopChecker({ origin: ORIGIN });
  for (const [options, option] of [
    [{ optional: "yes" }, "optional"],
    [{ optional: true, requires: "docs:write" }, "optional"],
    [{ optional: true, requires: ["docs:write"] }, "optional"],
    [{ optional: true, authorize: () => true }, "optional"],
    [{ optional: true, maxAuthAgeSeconds: 60 }, "optional"],
    [{ optional: true, acr: TWO }, "optional"],
    [{ maxAuthAgeSeconds: -1 }, "maxAuthAgeSeconds"],
    [{ maxAuthAgeSeconds: 1.5 }, "maxAuthAgeSeconds"],
    [{ maxAuthAgeSeconds: "60" }, "maxAuthAgeSeconds"],
    [{ acr: "2" }, "acr"],
    [{ acr: [TWO] }, "acr"],
    [{ require: ["docs:write"] }, "require"],
    [{ requires: [] }, "requires"],
    [{ requires: [""] }, "requires"],
    [{ authorize: true }, "authorize"],
    [{ organization: "ada" }, "organization"],
    [{ organization: null }, "organization"],
    [{ optional: true, organization: () => "ada" }, "optional"],
    [{ dpop: true }, "dpop"],
    [{ requireDpop: true }, "requireDpop"],
    [{ dpop, requireDpop: 1 }, "requireDpop"],
    [{ realm: 'a"b' }, "realm"],
    [{ realm: "a\nb" }, "realm"],
    [null, "options"],
  ]) {
    assert.throws(() => createGuard(verifier, options), { code: "configuration_invalid", option }, JSON.stringify(options));
  }
  for (const wrong of [undefined, {}, "verifier", { verify: "yes" }]) assert.throws(() => createGuard(wrong), { option: "verifier" });
});
