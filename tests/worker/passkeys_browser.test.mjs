// Passkeys in a real browser with a virtual authenticator: the page of docs/http.md registers one, signs out, and signs in
// with nothing but it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { chromium } from "playwright-core";

import { CHROMIUM, inBrowser } from "../../pkg/test/support/browser.mjs";
import { PASSWORD, claimsOf, client, newAddress, startOpenServer } from "./support/accounts.mjs";
import { ROOT } from "./support/server.mjs";

/** What the documents tell pages to do. */
const [SCRIPT] = readFileSync(join(ROOT, "docs/http.md"), "utf8").match(/(?<=<!-- passkeys -->\n```js\n)[\s\S]*?(?=```)/) ?? [];

describe("passkeys in a browser", () => {
  let pages;
  let server;
  let browser;
  let origin;
  before(async () => {
    if (!CHROMIUM && !process.env.CI) return;
    assert.ok(SCRIPT, "docs/http.md has no script for pages");
    // The page and the API under one origin, as a route of Cloudflare's puts them.
    pages = createServer(async (request, response) => {
      if (request.url === "/") return response.setHeader("content-type", "text/html").end("<!doctype html><title>passkeys</title>");
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const { method, headers } = request;
      const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => ["authorization", "content-type", "user-agent"].includes(name)));
      const answer = await server.fetch(request.url, { method, headers: kept, body: chunks.length > 0 ? Buffer.concat(chunks) : undefined });
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") }).end(await answer.text());
    }).listen(0, "127.0.0.1");
    await once(pages, "listening");
    origin = `http://localhost:${pages.address().port}`;
    server = await startOpenServer({ vars: { passkeys: { relying_party_id: "localhost", relying_party_name: "Postern", origins: [origin] } } });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });
  after(async () => {
    await browser?.close();
    pages?.close();
    await server?.stop();
  });

  /** A page with an authenticator of its own. */
  const opened = async (settings) => {
    const page = await (await browser.newContext()).newPage();
    const session = await page.context().newCDPSession(page);
    await session.send("WebAuthn.enable");
    const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
      options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true, ...settings },
    });
    await page.goto(`${origin}/`);
    await page.evaluate((script) => {
      const module = new Function(`${script}; return { call, registerPasskey, signInWithPasskey, answerWithPasskey };`);
      Object.assign(window, module());
    }, SCRIPT);
    const credentials = async () => (await session.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
    return { page, session, authenticatorId, credentials };
  };

  inBrowser("one is registered, and signs in without a name", async () => {
    const email = newAddress();
    const { access_token: bearer, refresh_token: refresh } = await client(server).account(email);
    const { page, credentials } = await opened();
    const made = await page.evaluate(([token, password]) => window.registerPasskey(token, "this browser", password), [bearer, PASSWORD]);
    assert.deepEqual([made.name, made.can_sign_in], ["this browser", true]);
    const [credential] = await credentials();
    assert.equal(credential.isResidentCredential, true);
    assert.equal(Buffer.from(credential.credentialId, "base64").toString("base64url"), made.id);
    // Signed out, the browser has nothing but the passkey.
    assert.deepEqual((await client(server).post("logout", { refresh_token: refresh })).body, { success: true });

    const tokens = await page.evaluate(() => window.signInWithPasskey());
    assert.deepEqual([claimsOf(tokens.access_token).sub, claimsOf(tokens.access_token).amr], [claimsOf(bearer).sub, ["pop", "user", "mfa"]]);
    // The counter of the virtual authenticator rises with each use.
    assert.ok((await page.evaluate(() => window.signInWithPasskey())).access_token);
    assert.ok((await credentials())[0].signCount >= 2);
    // The browser knows that it is registered already.
    const again = await page.evaluate(([token, password]) => window.registerPasskey(token, "again", password).then(() => "registered", (error) => error.name), [tokens.access_token, PASSWORD]);
    assert.equal(again, "InvalidStateError");
  });

  inBrowser("one stands behind the password", async () => {
    const email = newAddress();
    const one = client(server);
    const { access_token: bearer } = await one.account(email);
    const { page } = await opened();
    await page.evaluate(([token, password]) => window.registerPasskey(token, "key", password, "second_factor"), [bearer, PASSWORD]);
    const login = await page.evaluate(([name, password]) => window.call("login", { email: name, password }), [email, PASSWORD]);
    assert.deepEqual([login.mfa_required, login.methods], [true, ["passkey"]]);
    const tokens = await page.evaluate((challenge) => window.answerWithPasskey(challenge), login.challenge);
    assert.deepEqual(claimsOf(tokens.access_token).amr, ["pwd", "pop", "user", "mfa"]);
  });

  inBrowser("an authenticator that does not verify its user signs in nobody", async () => {
    const { page, session, authenticatorId } = await opened();
    const { access_token: bearer } = await client(server).account(newAddress());
    await page.evaluate(([token, password]) => window.registerPasskey(token, "x", password), [bearer, PASSWORD]);
    await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
    const outcome = await page.evaluate(() => window.signInWithPasskey().then(() => "in", (error) => error.name));
    assert.equal(outcome, "NotAllowedError");
  });
});
