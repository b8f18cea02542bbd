// Guards of pages: who is sent where, and that nobody is sent elsewhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, createVerifier } from "postern";
import { createGuestGuard, createPageGuard, safeRedirect } from "postern/pages";
import { createIssuer, mask, NOW, optionsFor, snapshot } from "./support/tokens.mjs";

const SUBJECT = "00112233445566778899aabbccddeeff";
const ORIGIN = "https://app.example.com";
const SESSION = "__Host-postern_session";
const issuer = await createIssuer();
const permissions = snapshot(["docs:read", "docs:write"]);
const verifier = createVerifier(optionsFor(issuer, { permissions }));
const sign = (changes) => issuer.sign({ pr: permissions.version, pm: mask(64, [0]), ...changes });
const good = await sign();
const expired = await sign({ exp: NOW - 31 });

const NAVIGATION = { "sec-fetch-mode": "navigate", "sec-fetch-site": "none", accept: "text/html" };
/** The request of a page. Its cookies are as runtimes that read UTF-8 show them; `Request` itself takes no such text. */
function page(path = "/docs", { method = "GET", headers = {}, cookie } = {}) {
  const request = new Request(ORIGIN + path, { method, headers });
  const own = request.headers.get.bind(request.headers);
  if (cookie !== undefined) request.headers.get = (name) => (name === "cookie" ? cookie : own(name));
  return request;
}
const session = (token) => `theme=dark; ${SESSION}=${token}; __Host-postern_csrf=c`;
/** Subject, or status and where to, or code. */
const outcome = async ({ claims, response }) => {
  if (!response) return claims?.subject ?? "nobody";
  return `${response.status} ${response.headers.get("location") ?? (await response.json()).code}`;
};

test("a page is for who is signed in, by cookie or bearer token; others are sent to sign in", async () => {
  const guard = createPageGuard(verifier);
  const ask = async (...of) => outcome(await guard(page(...of)));
  const LOGIN = "303 /login?redirect=%2Fdocs%3Fa%3D1%26b";
  for (const [expected, path, request] of [
    [SUBJECT, "/docs", { cookie: session(good), headers: NAVIGATION }],
    [SUBJECT, "/docs", { cookie: session(good) }],
    [SUBJECT, "/docs", { headers: { authorization: `Bearer ${good}` } }],
    [LOGIN, "/docs?a=1&b", { headers: NAVIGATION }],
    [LOGIN, "/docs?a=1&b", { headers: { accept: "text/html,*/*" } }],
    [LOGIN, "/docs?a=1&b", { cookie: session(expired), headers: NAVIGATION }],
    [LOGIN, "/docs?a=1&b", { cookie: session("x"), headers: NAVIGATION }],
    // Two of one name: one of them is somebody else's.
    [LOGIN, "/docs?a=1&b", { cookie: `${session(good)}; ${SESSION}=${good}`, headers: NAVIGATION }],
    // What a neighbour under the domain may set, since its name has no prefix to browsers.
    ...["\u00a0", "\u2000", "\ufeff", "\v"].map((space) => [LOGIN, "/docs?a=1&b", { cookie: `x=y; ${space}${SESSION}=${good}`, headers: NAVIGATION }]),
    [SUBJECT, "/docs", { cookie: `x=y; \t ${SESSION}=${good} \t`, headers: NAVIGATION }],
    [LOGIN, "/docs?a=1&b", { cookie: `__host-postern_session=${good}; postern_session=${good}; x=${SESSION}=${good}`, headers: NAVIGATION }],
    // What is no page is told, not sent: scripts follow redirects without noticing.
    ["401 missing_token", "/docs", {}],
    ["401 missing_token", "/docs", { headers: { "sec-fetch-mode": "cors", accept: "text/html" } }],
    ["401 missing_token", "/docs", { method: "POST", headers: NAVIGATION }],
    ["401 token_expired", "/docs", { cookie: session(expired) }],
    // Credentials of its own go first, and are answered as an API answers.
    ["401 token_expired", "/docs", { cookie: session(good), headers: { ...NAVIGATION, authorization: `Bearer ${expired}` } }],
    ["401 missing_token", "/docs", { cookie: session(good), headers: { ...NAVIGATION, authorization: "Basic x" } }],
  ]) {
    assert.equal(await ask(path, request), expected, JSON.stringify(request));
  }
  const { response } = await guard(page("/docs", { headers: NAVIGATION }));
  assert.equal(response.headers.get("cache-control"), "no-store");
  const writers = createPageGuard(verifier, { requires: "docs:write", loginPath: "/enter" });
  assert.equal(await outcome(await writers(page("/docs", { cookie: session(good), headers: NAVIGATION }))), "403 permission_denied");
  assert.equal(await outcome(await writers(page("/docs", { headers: NAVIGATION }))), "303 /enter?redirect=%2Fdocs");
  const payers = createPageGuard(verifier, { entitlements: "export" });
  assert.equal(await outcome(await payers(page("/docs", { cookie: session(good), headers: NAVIGATION }))), "403 entitlement_required");
  assert.equal(await outcome(await payers(page("/docs", { cookie: session(await sign({ ent: ["export"] })), headers: NAVIGATION }))), SUBJECT);
  // The way back is a path, whatever was asked for.
  assert.equal(await outcome(await writers(page("//evil.example", { headers: NAVIGATION }))), "303 /enter?redirect=%2F");
  const open = createPageGuard(verifier, { optional: true });
  for (const cookie of [undefined, session(expired)]) assert.equal(await outcome(await open(page("/", { cookie, headers: NAVIGATION }))), "nobody");
  assert.equal(await outcome(await open(page("/", { cookie: session(good) }))), SUBJECT);
});

test("a change by cookie comes from an own page", async () => {
  const guard = createPageGuard(verifier, { origins: ["https://other.example.com"] });
  for (const [expected, headers] of [
    [SUBJECT, { "sec-fetch-site": "same-origin" }],
    [SUBJECT, { "sec-fetch-site": "none" }],
    [SUBJECT, { origin: ORIGIN }],
    [SUBJECT, { "sec-fetch-site": "same-site", origin: "https://other.example.com" }],
    ["403 cross_site_request", {}],
    ["403 cross_site_request", { "sec-fetch-site": "same-site", origin: "https://evil.example.com" }],
    ["403 cross_site_request", { "sec-fetch-site": "cross-site", origin: ORIGIN }],
    ["403 cross_site_request", { "sec-fetch-site": "cross-site" }],
    ["403 cross_site_request", { "sec-fetch-site": "Same-Origin" }],
    ["403 cross_site_request", { origin: "null" }],
    ["403 cross_site_request", { origin: `${ORIGIN}.evil.example` }],
    ["403 cross_site_request", { origin: "http://app.example.com" }],
  ]) {
    for (const method of ["POST", "DELETE"]) {
      assert.equal(await outcome(await guard(page("/docs", { method, cookie: session(good), headers }))), expected, JSON.stringify(headers));
    }
    assert.equal(await outcome(await guard(page("/docs", { cookie: session(good), headers }))), SUBJECT);
    assert.equal(await outcome(await guard(page("/docs", { method: "POST", headers: { ...headers, authorization: `Bearer ${good}` } }))), SUBJECT);
  }
});

test("a session whose minutes are over is renewed, once for each request", async () => {
  const asked = [];
  let answer = () => new Response("{}", { headers: [["set-cookie", `${SESSION}=${good}; Path=/; Secure; HttpOnly`], ["set-cookie", "__Host-postern_refresh=prt_2; Path=/"]] });
  const renew = async (request) => {
    asked.push([request.method, request.url, request.headers.get("cookie"), request.headers.get("x-csrf-token"), request.headers.get("user-agent")]);
    return answer();
  };
  const guard = createPageGuard(verifier, { renew });
  const refreshable = "__Host-postern_refresh=prt_1; __Host-postern_csrf=c";
  const headers = { ...NAVIGATION, "user-agent": "browser" };
  const first = await guard(page("/docs?a", { cookie: refreshable, headers }));
  assert.equal(await outcome(first), SUBJECT);
  assert.equal(first.headers.getSetCookie().length, 2);
  assert.deepEqual(asked, [["POST", `${ORIGIN}/api/v1/auth/refresh`, refreshable, "c", "browser"]]);
  assert.equal(await outcome(await guard(page("/docs", { cookie: `${refreshable}; ${SESSION}=${expired}`, headers }))), SUBJECT);
  const strict = createPageGuard(verifier, { renew, maxAuthAgeSeconds: 60 });
  assert.equal(await outcome(await strict(page("/docs", { cookie: `${refreshable}; ${session(good)}`, headers }))), "401 reauthentication_required");
  assert.equal(asked.length, 2, "another token would be as old");
  const open = createPageGuard(verifier, { renew, optional: true });
  assert.equal(await outcome(await open(page("/", { cookie: refreshable }))), SUBJECT);
  // Nothing to renew by, nothing to renew, or nobody of ours who asks.
  const before = asked.length;
  assert.equal(await outcome(await guard(page("/docs", { cookie: session(good), headers }))), SUBJECT);
  assert.equal(await outcome(await guard(page("/docs", { cookie: session(expired), headers }))), "303 /login?redirect=%2Fdocs");
  assert.equal(await outcome(await guard(page("/docs", { cookie: refreshable, headers: { authorization: `Bearer ${expired}` } }))), "401 token_expired");
  assert.equal(await outcome(await guard(page("/docs", { method: "POST", cookie: refreshable, headers: { origin: "https://evil.example" } }))), "401 missing_token");
  assert.equal(asked.length, before);
  // Postern says no, or says nothing of use.
  for (const refusal of [() => new Response("{}", { status: 401 }), () => new Response("{}"), () => new Response(null, { headers: { "set-cookie": `${SESSION}=${expired}` } })]) {
    answer = refusal;
    assert.equal(await outcome(await guard(page("/docs", { cookie: refreshable, headers }))), "303 /login?redirect=%2Fdocs");
  }
});

test("a page for guests sends everybody else on, within this origin", async () => {
  const guard = createGuestGuard(verifier, { homePath: "/docs" });
  const ask = async (path, request) => outcome(await guard(page(path, { headers: NAVIGATION, ...request })));
  const cookie = session(good);
  const acting = session(await sign({ org: "ada" }));
  assert.equal(await outcome(await createPageGuard(verifier)(page("/docs", { cookie: acting, headers: NAVIGATION }))), "403 permission_denied");
  for (const [expected, path, request] of [
    ["303 /docs", "/login", { cookie: acting }],
    ["nobody", "/login", {}],
    ["nobody", "/login?redirect=/x", { cookie: session(expired) }],
    ["303 /docs", "/login", { cookie }],
    ["303 /x?y=1#z", `/login?redirect=${encodeURIComponent("/x?y=1#z")}`, { cookie }],
    ["303 /docs", "/login?redirect=https://evil.example", { cookie }],
    ["303 /docs", "/login?redirect=//evil.example", { cookie }],
    ["303 /docs", "/login?redirect=%2F%09%2Fevil.example", { cookie }],
    ["303 /docs", "/login?redirect=/login?redirect=/login", { cookie }],
    ["403 guest_only", "/login", { cookie, headers: {} }],
    ["403 guest_only", "/login", { cookie, method: "POST" }],
  ]) {
    assert.equal(await ask(path, request), expected, path);
  }
});

test("a redirect stays here", () => {
  for (const [target, written] of [["/"], ["/docs"], ["/docs/a%20b?c=d&e=%2f#f"], ["/docs/../x", "/x"], ["/100%25"], ["/%E2%82%AC"], ["/a//b"], ["/@evil.example"], ["/evil.example"], ["/:80"], ["/a?//evil.example"], ["/a#\u{2f}/"]]) {
    assert.equal(safeRedirect(target, "/home"), written ?? target);
  }
  const refused = [
    undefined, null, 0, {}, ["/docs"], "", " ", "docs", "./docs", "../docs", "?a", "#a", " /docs", "/docs ", "\n/docs",
    "//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example", "/a\\b", "/\\/evil.example",
    "https://evil.example", "HTTPS:evil.example", "https:/evil.example", "http:evil.example", "javascript:alert(1)", "data:text/html,x", "mailto:a@b.c", "//user@evil.example",
    "/\t/evil.example", "/\n/evil.example", "/\r\n/evil.example", "\t//evil.example", "/\0", "/docs\r\nset-cookie: a=b", "/\u007f", "/docs\u0085",
    "/.//evil.example", "/..//evil.example", "/a/..//evil.example", "/%2e//evil.example", "/.%2e//evil.example", "/./\\evil.example",
    "/.%2f/evil.example", "/a/..%2f/evil.example", "/%09/evil.example", "/%0a/evil.example", "/%252f/evil.example", "/.%252f%25252fevil.example", "/%2525252525252f/evil.example",
    "/%2f/evil.example", "/%2F%2Fevil.example", "/%5cevil.example", "/%5C%5Cevil.example", "/./%2fevil.example",
    "/\u{ff0f}evil.example", "/\u{2044}evil.example", "/\u{200b}/evil.example", "/dócs", `/${"a".repeat(2048)}`,
  ];
  for (const target of refused) assert.equal(safeRedirect(target, "/home"), "/home", JSON.stringify(target));
  assert.equal(safeRedirect("//evil.example"), "/");
});

test("whatever a browser makes of a path that is let through, it is here", () => {
  // Every text of up to five of the characters that URLs turn on.
  const characters = ["/", "\\", ".", "%2f", "%5c", "%2e", "@", ":", "?", "#", "\t", " ", "a"];
  let texts = [""];
  let let_through = 0;
  for (let length = 0; length < 5; length += 1) {
    texts = texts.flatMap((text) => characters.map((character) => text + character));
    for (const text of texts) {
      const target = safeRedirect(text, null);
      if (target === null) continue;
      let_through += 1;
      for (const base of [`${ORIGIN}/login`, "http://localhost:8080/a/b"]) assert.equal(new URL(target, base).origin, new URL(base).origin, text);
      assert.ok(!decodeURIComponent(target.replace(/%(?![0-9a-f]{2})/gi, "%25")).startsWith("//"), text);
    }
  }
  assert.ok(let_through > 1_000, String(let_through));
});

test("options that are wrong are named", () => {
  for (const [options, name] of [
    [{ loginPath: "https://evil.example" }, "loginPath"], [{ loginPath: "//evil.example" }, "loginPath"], [{ loginPath: "/login?a" }, "loginPath"], [{ loginPath: 1 }, "loginPath"],
    [{ origins: "https://a.b" }, "origins"], [{ origins: ["https://a.b/"] }, "origins"], [{ origins: ["null"] }, "origins"], [{ origins: ["*"] }, "origins"],
    [{ renew: "yes" }, "renew"], [{ cookie: "x" }, "cookie"], [{ optional: true, requires: "docs:read" }, "optional"],
  ]) {
    assert.throws(() => createPageGuard(verifier, options), (error) => error instanceof ConfigurationError && error.message.includes(name), name);
  }
  assert.throws(() => createGuestGuard(verifier, { homePath: "//evil.example" }), ConfigurationError);
  assert.throws(() => createGuestGuard(undefined), ConfigurationError);
});
