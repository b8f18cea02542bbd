// Sessions in cookies: no script reads a token, and no page of somebody else uses one.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, checked, claimsOf, client, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { codeOf, enrol } from "./support/authenticator.mjs";
import { storedSession } from "./support/people.mjs";

const OWN = "http://localhost:8787";
const NAMES = ["__Host-postern_session", "__Host-postern_refresh", "__Host-postern_csrf"];
const [SESSION, REFRESH, CSRF] = NAMES;
const WANTED = { "x-postern-cookies": "1" };
const OWN_PAGE = { "sec-fetch-site": "same-origin", origin: OWN };

/** What an answer sets: name → { value, attributes }. */
const setBy = ({ headers }) =>
  new Map(headers.getSetCookie().map((line) => {
    const [pair, ...attributes] = line.split("; ");
    const [name, value] = pair.split(/=(.*)/);
    return [name, { value, attributes }];
  }));

/** The `Cookie` header of a browser that got this answer. */
const cookieOf = (answer) => [...setBy(answer)].map(([name, { value }]) => `${name}=${value}`).join("; ");

describe("beside bearer tokens", () => {
  let server;
  let one;
  let email;
  before(async () => {
    server = await startOpenServer({ vars: { cookies: { mode: "beside" }, validation: { mode: "hybrid" } } });
    one = client(server);
    email = newAddress();
    await one.account(email);
  });
  after(() => server?.stop());

  const login = (headers = {}) => one.post("login", { email, password: PASSWORD }, { headers: { ...WANTED, ...headers } });
  /** A page that is signed in: its cookies, and the token that its scripts have. */
  const signedIn = async (headers) => {
    const answer = await login(headers);
    assert.equal(answer.status, 200, answer.text);
    return { cookie: cookieOf(answer), csrf: answer.body.csrf_token, set: setBy(answer) };
  };
  const ask = (method, path, headers, body) => one.send(method, `${AUTH}/${path}`, { headers, body });

  test("a login sets three cookies, and says no token that a script could use elsewhere", async () => {
    const answer = await login(OWN_PAGE);
    assert.deepEqual(Object.keys(answer.body).sort(), ["csrf_token", "expires_in", "token_type"]);
    assert.equal(answer.body.token_type, "Cookie");
    const set = setBy(answer);
    assert.deepEqual([...set.keys()], NAMES);
    const common = (age) => ["Path=/", `Max-Age=${age}`, "Secure"];
    assert.deepEqual(set.get(SESSION).attributes, [...common(300), "HttpOnly", "SameSite=Lax"]);
    assert.deepEqual(set.get(REFRESH).attributes, [...common(604_800), "HttpOnly", "SameSite=Lax"]);
    assert.deepEqual(set.get(CSRF).attributes, [...common(604_800), "SameSite=Lax"]);
    assert.equal(set.get(CSRF).value, answer.body.csrf_token);
    assert.match(set.get(REFRESH).value, /^prt_/);
    assert.ok(!answer.text.includes(set.get(SESSION).value) && !answer.text.includes("prt_"));
  });

  test("who does not ask for cookies gets tokens, and none", async () => {
    const answer = await one.login(email, PASSWORD);
    assert.match(answer.body.refresh_token, /^prt_/);
    assert.deepEqual(answer.headers.getSetCookie(), []);
  });

  test("the cookie reads and changes what a bearer token does, from an own page", async () => {
    const { cookie } = await signedIn();
    const me = await ask("GET", "me", { cookie });
    assert.equal(me.body.email, email);
    const changed = await ask("PATCH", "me", { cookie, ...OWN_PAGE }, { name: "Grace" });
    assert.deepEqual([changed.status, changed.body.name], [200, "Grace"]);
    // A token of its own goes first, even one that is none.
    refused(await ask("GET", "me", { cookie, authorization: "Bearer x" }), 401, "token_malformed");
    refused(await ask("GET", "me", { cookie, authorization: "Basic x" }), 401, "token_missing");
    // The operator's routes know no cookies.
    assert.equal((await ask("GET", "admin/users", { cookie })).status, 404);
  });

  test("a change is refused from everywhere else, whatever the browser says of it", async () => {
    const { cookie, csrf } = await signedIn();
    const tokens = { "x-csrf-token": csrf };
    const evil = "https://evil.example";
    for (const [title, headers, expected] of [
      ["own page", OWN_PAGE, 200],
      ["own page, metadata alone", { "sec-fetch-site": "same-origin" }, 200],
      ["own page, of an older browser", { origin: OWN }, 200],
      ["no page", { "sec-fetch-site": "none" }, 200],
      ["no browser, with the token", tokens, 200],
      ["no browser", {}, "csrf_token_invalid"],
      ["another site", { "sec-fetch-site": "cross-site", origin: evil }, "cross_site_request"],
      ["another site, metadata alone", { "sec-fetch-site": "cross-site" }, "cross_site_request"],
      ["another site, of an older browser", { origin: evil }, "cross_site_request"],
      ["another site with the token", { "sec-fetch-site": "cross-site", origin: evil, ...tokens }, "cross_site_request"],
      ["a neighbour under the same domain", { "sec-fetch-site": "same-site", origin: "http://evil.localhost:8787" }, "cross_site_request"],
      ["a neighbour at another port", { "sec-fetch-site": "same-site", origin: "http://localhost:8788" }, "cross_site_request"],
      ["a neighbour, metadata alone", { "sec-fetch-site": "same-site" }, "cross_site_request"],
      ["a page in a sandbox", { "sec-fetch-site": "cross-site", origin: "null" }, "cross_site_request"],
      ["a page in a sandbox, of an older browser", { origin: "null" }, "cross_site_request"],
      ["the same host, encrypted", { origin: "https://localhost:8787" }, "cross_site_request"],
      ["an own origin as a prefix", { origin: `${OWN}.evil.example` }, "cross_site_request"],
      ["two origins", { origin: `${OWN}, ${evil}` }, "cross_site_request"],
      ["a word that no browser says", { "sec-fetch-site": "Same-Origin" }, "cross_site_request"],
      ["two words", { "sec-fetch-site": "same-origin, cross-site" }, "cross_site_request"],
    ]) {
      const answer = await ask("PATCH", "me", { cookie, ...headers }, { name: title });
      if (expected === 200) assert.equal(answer.body.name, title, answer.text);
      else refused(answer, 403, expected);
    }
    // Nothing of the refused came through, and reading is not changing.
    assert.equal((await ask("GET", "me", { cookie, "sec-fetch-site": "cross-site", origin: evil })).body.name, "no browser, with the token");
    // Each route that changes something by cookie: none forgets to ask.
    for (const [method, path, body] of [
      ["POST", "refresh"], ["POST", "logout"], ["POST", "sessions/revoke-all"], ["DELETE", `sessions/${"0".repeat(32)}`], ["DELETE", "me", {}],
      ["POST", "change-password", {}], ["POST", "request-email-change", {}], ["POST", "2fa/setup"], ["POST", "2fa/disable", {}], ["POST", "reauthenticate", {}], ["POST", "passkeys/registration", {}],
    ]) {
      refused(await ask(method, path, { cookie, "sec-fetch-site": "cross-site", origin: evil }, body), 403, "cross_site_request");
      refused(await ask(method, path, { cookie }, body), 403, "csrf_token_invalid");
    }
    assert.equal((await ask("GET", "me", { cookie })).status, 200);
  });

  test("the token is that of the session, as cookie and as header", async () => {
    const [mine, other] = [await signedIn(), await signedIn()];
    assert.notEqual(mine.csrf, other.csrf);
    const with_ = (session, cookie, header) => {
      const text = [SESSION, REFRESH].map((name) => `${name}=${session.set.get(name).value}`).join("; ");
      return { cookie: cookie === undefined ? text : `${text}; ${CSRF}=${cookie}`, ...(header === undefined ? {} : { "x-csrf-token": header }) };
    };
    const flipped = (mine.csrf[0] === "A" ? "B" : "A") + mine.csrf.slice(1);
    for (const [cookie, header] of [
      [undefined, undefined], [mine.csrf, undefined], [undefined, mine.csrf], [mine.csrf, other.csrf], [other.csrf, mine.csrf],
      // A thief who has a session of their own, and can set cookies beside the victim's.
      [other.csrf, other.csrf], ["x", "x"], ["", ""], [flipped, flipped], [`${mine.csrf}=`, `${mine.csrf}=`], [mine.csrf.slice(1), mine.csrf.slice(1)],
    ]) {
      for (const [method, path, body] of [["PATCH", "me", { name: "x" }], ["POST", "refresh"], ["POST", "logout"]]) {
        refused(await ask(method, path, with_(mine, cookie, header), body), 403, "csrf_token_invalid");
      }
    }
    // Two of one name: the second may be somebody else's, and nothing says which.
    const twice = with_(mine, mine.csrf, mine.csrf);
    refused(await ask("PATCH", "me", { ...twice, cookie: `${twice.cookie}; ${CSRF}=${other.csrf}` }, { name: "x" }), 403, "csrf_token_invalid");
    refused(await ask("GET", "me", { cookie: `${twice.cookie}; ${SESSION}=${other.set.get(SESSION).value}` }), 401, "token_missing");
    assert.equal((await ask("PATCH", "me", twice, { name: "Ada" })).status, 200);
    // It says nothing by itself, and lives as long as the session: a refresh has the same.
    const refreshed = await ask("POST", "refresh", twice);
    assert.equal(refreshed.body.csrf_token, mine.csrf);
  });

  test("nothing that a neighbour under the domain can set is taken for a cookie of ours", async () => {
    const { set } = await signedIn();
    const [session, refresh] = [set.get(SESSION).value, set.get(REFRESH).value];
    // Browsers let nobody else set a name that begins with __Host-; without the prefix, or nearly so, they do.
    for (const name of ["postern_session", "__Secure-postern_session", "__host-postern_session", " __Host-postern_session2", "__Host-postern_session ;x"]) {
      refused(await ask("GET", "me", { cookie: `${name}=${session}` }), 401, "token_missing");
    }
    for (const name of ["postern_refresh", "__host-postern_refresh"]) {
      refused(await ask("POST", "refresh", { cookie: `${name}=${refresh}`, ...OWN_PAGE }), 400, "invalid_request");
    }
    // One kind of token is not taken for the other.
    refused(await ask("GET", "me", { cookie: `${SESSION}=${refresh}` }), 401, "token_malformed");
    refused(await ask("POST", "refresh", { cookie: `${REFRESH}=${session}`, ...OWN_PAGE }), 401, "refresh_invalid");
  });

  test("nobody is signed in by a page of somebody else", async () => {
    for (const headers of [
      { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site", origin: "https://evil.example" },
      { origin: "https://evil.example" },
      { origin: "null" },
    ]) {
      const answer = await login(headers);
      refused(answer, 403, "cross_site_request");
      assert.deepEqual(answer.headers.getSetCookie(), []);
    }
    // A page that cannot ask for cookies gets none, and cannot read the tokens in the answer.
    const body = new Blob([JSON.stringify({ email, password: PASSWORD })]);
    const answer = await checked(await server.fetch(`${AUTH}/login`, { method: "POST", body, headers: { "sec-fetch-site": "cross-site", origin: "https://evil.example" } }));
    assert.deepEqual([answer.status, answer.headers.getSetCookie()], [200, []]);
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
  });

  test("a refresh by cookie sets others, and never says a token, whatever is asked for", async () => {
    const { cookie, set } = await signedIn();
    const answer = await ask("POST", "refresh", { cookie, ...OWN_PAGE });
    assert.deepEqual(Object.keys(answer.body).sort(), ["csrf_token", "expires_in", "token_type"]);
    const renewed = setBy(answer);
    assert.notEqual(renewed.get(REFRESH).value, set.get(REFRESH).value);
    assert.equal(claimsOf(renewed.get(SESSION).value).sid, claimsOf(set.get(SESSION).value).sid);
    const emptied = await ask("POST", "refresh", { cookie: cookieOf(answer), ...OWN_PAGE }, { refresh_token: null });
    assert.equal(emptied.body.token_type, "Cookie");
    // A token that a client has of its own is answered as ever.
    const { body } = await one.login(email, PASSWORD);
    assert.match((await one.post("refresh", { refresh_token: body.refresh_token })).body.refresh_token, /^prt_/);
  });

  test("an owner who is proven once more gets another cookie, and no token", async () => {
    const { cookie, set } = await signedIn();
    const answer = await ask("POST", "reauthenticate", { cookie, ...OWN_PAGE }, { current_password: PASSWORD });
    assert.deepEqual(Object.keys(answer.body).sort(), ["csrf_token", "expires_in", "token_type"], answer.text);
    const renewed = setBy(answer);
    assert.deepEqual([...renewed.keys()], [SESSION]);
    assert.equal(claimsOf(renewed.get(SESSION).value).sid, claimsOf(set.get(SESSION).value).sid);
    assert.equal((await ask("GET", "me", { cookie: cookieOf(answer) })).body.email, email);
  });

  test("a logout ends the session and takes the cookies away, also when they are for nothing", async () => {
    const { cookie, set } = await signedIn();
    const answer = await ask("POST", "logout", { cookie, ...OWN_PAGE });
    assert.deepEqual(answer.body, { success: true });
    const gone = setBy(answer);
    assert.deepEqual([...gone.keys()], NAMES);
    for (const { value, attributes } of gone.values()) assert.deepEqual([value, attributes.slice(0, 3)], ["", ["Path=/", "Max-Age=0", "Secure"]]);
    refused(await ask("POST", "refresh", { cookie, ...OWN_PAGE }), 401, "refresh_invalid");
    refused(await one.validate(set.get(SESSION).value, "strict"), 401, "session_revoked");
    assert.equal(setBy(await ask("POST", "logout", { cookie, ...OWN_PAGE })).size, 3);
    // The session's cookie has gone with its minutes; the other ends it.
    const next = await signedIn();
    const left = `${REFRESH}=${next.set.get(REFRESH).value}`;
    assert.equal((await ask("POST", "logout", { cookie: left, ...OWN_PAGE })).status, 200);
    refused(await one.validate(next.set.get(SESSION).value, "strict"), 401, "session_revoked");
    refused(await ask("POST", "logout", {}), 400, "invalid_request");
    assert.deepEqual((await one.post("logout", { refresh_token: "x" })).headers.getSetCookie(), []);
  });

  test("every way in sets them: sign-up, a mailed code", async () => {
    const address = newAddress();
    const { registration, code } = await one.signUp(address, { password: PASSWORD });
    const joined = await one.post("verify-signup", { email: address, otp: code, registration }, { headers: { ...WANTED, ...OWN_PAGE } });
    assert.deepEqual([joined.body.token_type, setBy(joined).size], ["Cookie", 3]);
    const { code: otp } = await one.mailed("request-otp", address, "Your code to sign in");
    const entered = await one.post("verify-login", { email: address, otp }, { headers: { ...WANTED, ...OWN_PAGE } });
    assert.deepEqual([entered.body.token_type, setBy(entered).size], ["Cookie", 3]);
    assert.equal((await ask("GET", "me", { cookie: cookieOf(entered) })).body.email, address);
  });
});

test("cookies only, of a page that is elsewhere, sent with no link", async () => {
  const page = "https://app.example.com";
  const sessions = { remember_ttl_seconds: 7_776_000, ttl_jitter_seconds: 0 };
  const server = await startOpenServer({ vars: { sessions, cookies: { mode: "only", same_site: "strict", origins: [page] } } });
  try {
    const one = client(server);
    const email = newAddress();
    const { registration, code } = await one.signUp(email, { password: PASSWORD });
    const verify = (headers) => one.post("verify-signup", { email, otp: code, registration }, { headers });
    // Without a word of its origin, only with a header that no page of somebody else could send.
    refused(await verify({}), 403, "cross_site_request");
    // Not the issuer's any more: only what is listed.
    refused(await verify({ origin: OWN }), 403, "cross_site_request");
    const joined = await verify({ "sec-fetch-site": "same-site", origin: page });
    assert.equal(joined.body.token_type, "Cookie");
    assert.ok(joined.headers.getSetCookie().every((line) => line.endsWith("SameSite=Strict")));
    const login = await one.post("login", { email, password: PASSWORD }, { headers: WANTED });
    assert.equal(login.body.token_type, "Cookie");
    // Also a token that came in a body becomes a cookie.
    const refresh_token = setBy(login).get(REFRESH).value;
    assert.equal((await one.post("refresh", { refresh_token }, { headers: WANTED })).body.token_type, "Cookie");
    // But not that of somebody else, whom a neighbour would sign in here.
    for (const headers of [{}, { "sec-fetch-site": "same-site" }, { "sec-fetch-site": "same-site", origin: "https://evil.example.com" }, { origin: "null" }]) {
      const answer = await one.post("refresh", { refresh_token }, { headers });
      refused(answer, 403, "cross_site_request");
      assert.deepEqual(answer.headers.getSetCookie(), []);
    }

    // Who does not ask to be remembered is forgotten with the browser; who does, is after 90 days, also behind a second factor.
    const life = (answer) => setBy(answer).get(REFRESH).attributes.find((attribute) => attribute.startsWith("Max-Age"));
    const lasts = async (answer) => {
      const { sub: account, sid: session } = claimsOf(setBy(answer).get(SESSION).value);
      const stored = await storedSession(server, { account, session });
      return (stored.absolute_expires_at - stored.created_at) / 1_000;
    };
    const enter = (more) => one.post("login", { email, password: PASSWORD, ...more }, { headers: WANTED });
    refused(await enter({ remember: "yes" }), 400, "invalid_request");
    for (const more of [{}, { remember: false }, { remember: null }]) {
      const answer = await enter(more);
      assert.deepEqual([life(answer), await lasts(answer)], [undefined, 2_592_000]);
    }
    const kept = await enter({ remember: true });
    assert.deepEqual([life(kept), await lasts(kept)], ["Max-Age=604800", 7_776_000]);
    const again = await one.send("POST", `${AUTH}/refresh`, { headers: { cookie: cookieOf(kept), origin: page } });
    assert.equal(life(again), "Max-Age=604800");
    const { secret } = await enrol(one, { access_token: setBy(kept).get(SESSION).value }, PASSWORD);
    const { body: { challenge } } = await enter({ remember: true });
    const answered = await one.post("2fa/verify", { challenge, code: codeOf(secret) }, { headers: WANTED });
    assert.deepEqual([life(answered), await lasts(answered)], ["Max-Age=604800", 7_776_000]);
  } finally {
    await server.stop();
  }
});

test("without the setting nothing is set, and nothing read", async () => {
  const server = await startOpenServer();
  try {
    const one = client(server);
    const email = newAddress();
    const { access_token: bearer } = await one.account(email);
    const login = await one.post("login", { email, password: PASSWORD }, { headers: { ...WANTED, origin: "https://evil.example" } });
    assert.deepEqual([login.body.token_type, login.headers.getSetCookie()], ["Bearer", []]);
    refused(await one.send("GET", `${AUTH}/me`, { headers: { cookie: `${SESSION}=${bearer}` } }), 401, "token_missing");
    refused(await one.send("POST", `${AUTH}/refresh`, { headers: { cookie: `${REFRESH}=${login.body.refresh_token}` } }), 400, "invalid_request");
  } finally {
    await server.stop();
  }
});
