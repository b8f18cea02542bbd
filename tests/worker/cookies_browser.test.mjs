// Cookies in a real browser: the page of docs/http.md signs in, goes on, and signs out, and its scripts see no token. A page of
// another origin that the browser sends the same cookies for gets nothing done.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { chromium } from "playwright-core";

import { CHROMIUM, inBrowser } from "../../pkg/test/support/browser.mjs";
import { AUTH, PASSWORD, client, newAddress, startOpenServer } from "./support/accounts.mjs";
import { ROOT } from "./support/server.mjs";

/** What the documents tell pages to do. */
const [SCRIPT] = readFileSync(join(ROOT, "docs/http.md"), "utf8").match(/(?<=<!-- cookies -->\n```js\n)[\s\S]*?(?=```)/) ?? [];

describe("cookies in a browser", () => {
  let pages;
  let elsewhere;
  let server;
  let browser;
  let origin;
  const asked = [];
  before(async () => {
    if (!CHROMIUM && !process.env.CI) return;
    assert.ok(SCRIPT, "docs/http.md has no script for pages");
    const page = (response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>cookies</title>");
    // The page and the API under one origin, as a route of Cloudflare's puts them.
    pages = createServer(async (request, response) => {
      if (!request.url.startsWith(AUTH)) return page(response);
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const { connection, host, "accept-encoding": encoding, ...headers } = request.headers;
      const answer = await server.fetch(request.url, { method: request.method, headers, body: chunks.length > 0 ? Buffer.concat(chunks) : undefined });
      asked.push([request.method, request.url.slice(AUTH.length + 1), answer.status, request.headers]);
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type"), "set-cookie": answer.headers.getSetCookie() });
      response.end(await answer.text());
    }).listen(0, "127.0.0.1");
    elsewhere = createServer((_, response) => page(response)).listen(0, "127.0.0.1");
    await Promise.all([once(pages, "listening"), once(elsewhere, "listening")]);
    origin = `http://localhost:${pages.address().port}`;
    server = await startOpenServer({ vars: { cookies: { mode: "beside", origins: [origin] } } });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });
  after(async () => {
    await browser?.close();
    pages?.close();
    elsewhere?.close();
    await server?.stop();
  });

  /** A page with the script of the documents, in a browser without cookies. */
  const opened = async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${origin}/`);
    await page.evaluate((script) => Object.assign(window, new Function(`${script}; return { ask };`)()), SCRIPT);
    const ask = (...question) =>
      page.evaluate(async (question) => {
        const answer = await window.ask(...question);
        return { status: answer.status, body: await answer.json() };
      }, question);
    return { page, ask };
  };
  const lastAsked = () => asked.at(-1);

  inBrowser("a page signs in, goes on when its minutes are over, and signs out", async () => {
    const email = newAddress();
    await client(server).account(email);
    const { page, ask } = await opened();
    const login = await ask("POST", "login", { email, password: PASSWORD });
    assert.equal(login.body.token_type, "Cookie");
    // Scripts see the token against forgery and no other.
    const seen = await page.evaluate(() => document.cookie);
    assert.equal(seen, `__Host-postern_csrf=${login.body.csrf_token}`);
    const kept = await page.context().cookies();
    assert.deepEqual(kept.map(({ name, httpOnly, secure, sameSite }) => [name, httpOnly, secure, sameSite]).sort(), [
      ["__Host-postern_csrf", false, true, "Lax"], ["__Host-postern_refresh", true, true, "Lax"], ["__Host-postern_session", true, true, "Lax"],
    ]);
    assert.equal((await ask("GET", "me")).body.email, email);
    assert.equal((await ask("PATCH", "me", { name: "Grace" })).body.name, "Grace");
    assert.equal(lastAsked()[3]["sec-fetch-site"], "same-origin");

    await page.context().clearCookies({ name: "__Host-postern_session" });
    assert.equal((await ask("GET", "me")).body.email, email);
    assert.deepEqual(asked.slice(-3).map(([method, path, status]) => `${method} ${path} ${status}`), ["GET me 401", "POST refresh 200", "GET me 200"]);

    assert.deepEqual((await ask("POST", "logout")).body, { success: true });
    assert.deepEqual(await page.context().cookies(), []);
    assert.equal((await ask("GET", "me")).status, 401);
  });

  inBrowser("a page of another origin sends the same cookies, and is refused", async () => {
    const email = newAddress();
    await client(server).account(email);
    const { page, ask } = await opened();
    await ask("POST", "login", { email, password: PASSWORD });
    /** What pages can send anywhere without asking first: no type, or the types of forms. */
    const attack = (from, path, body) =>
      from.evaluate(([url, body]) => fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body: new Blob([body]) }).then(() => "sent", () => "failed"), [`${origin}${AUTH}/${path}`, body]);

    // Another port is the same site: cookies come along, SameSite or not.
    const other = await page.context().newPage();
    await other.goto(`http://localhost:${elsewhere.address().port}/`);
    for (const [path, body] of [["sessions/revoke-all", "{}"], ["logout", ""], ["refresh", ""], ["change-password", "{}"]]) {
      assert.equal(await attack(other, path, body), "sent");
      const [, route, status, headers] = lastAsked();
      assert.deepEqual([route, status, headers["sec-fetch-site"]], [path, 403, "same-site"]);
      assert.match(headers.cookie, /__Host-postern_session=/);
    }
    // It can neither ask for cookies of somebody else's account, nor send what only own pages may.
    await other.evaluate(([url, body]) => fetch(url, { method: "POST", credentials: "include", body, headers: { "x-postern-cookies": "1" } }).catch(() => {}), [`${origin}${AUTH}/login`, JSON.stringify({ email, password: PASSWORD })]);
    assert.deepEqual(lastAsked().slice(0, 3), ["OPTIONS", "login", 405]);
    // Nor set one in place of ours.
    await other.evaluate(() => { document.cookie = "__Host-postern_session=x; Path=/; Secure; Domain=localhost"; document.cookie = "=__Host-postern_session=x"; });
    assert.equal((await ask("GET", "me")).body.email, email);

    // To a page of another site the browser does not lend them at all.
    await other.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
    assert.equal(await attack(other, "sessions/revoke-all", "{}"), "sent");
    const [, route, status, headers] = lastAsked();
    assert.deepEqual([route, status, headers["sec-fetch-site"], headers.cookie], ["sessions/revoke-all", 401, "cross-site", undefined]);
    assert.equal((await ask("GET", "me")).body.email, email);
  });
});
