// Pages of a folder in a real browser, under a strict content security policy.
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";

export const CHROMIUM = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };

/** Where no browser is, `cargo xtask test` says so and leaves this out; in CI it insists on one. */
export const inBrowser = CHROMIUM || process.env.CI ? test : () => {};

/**
 * Serves a folder and starts a browser. Returns what opens a page and waits until its title is another than "waiting":
 * the title, and whatever has gone wrong. It waits 10 seconds unless told otherwise. Without `allowWasm`, the policy forbids
 * WebAssembly as well.
 */
export async function openBrowser(t, folder, { allowWasm = true } = {}) {
  const scripts = allowWasm ? "'self' 'wasm-unsafe-eval'" : "'self'";
  const server = createServer((request, response) => {
    const path = join(folder, new URL(request.url, "http://localhost").pathname);
    if (!existsSync(path) || !TYPES[extname(path)]) return response.writeHead(404).end();
    response.setHeader("content-type", TYPES[extname(path)]);
    response.setHeader("content-security-policy", `default-src 'none'; script-src ${scripts}`);
    response.end(readFileSync(path));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  t.after(() => browser.close());
  return async (page, timeout = 10_000) => {
    const tab = await browser.newPage();
    const problems = [];
    tab.on("pageerror", (error) => problems.push(String(error)));
    tab.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    await tab.goto(`http://127.0.0.1:${server.address().port}/${page}`);
    await tab.waitForFunction(() => document.title !== "waiting", undefined, { timeout }).catch(() => {});
    const title = await tab.title();
    await tab.close();
    return { title, problems: problems.join("\n") };
  };
}
