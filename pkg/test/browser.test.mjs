import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { createProject } from "./support/project.mjs";
import { createTask } from "./support/task.mjs";

const CONSUMER = readFileSync(new URL("support/consumer.mjs", import.meta.url), "utf8");
const CHROMIUM = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };

const page = (task) => `<!doctype html><title>waiting</title>
<script type="application/json" id="task">${JSON.stringify(task)}</script>
<script type="module" src="/main.mjs"></script>`;
// Unbundled, so the browser entry by its path: a browser knows no export conditions.
const MAIN = `
  import * as postern from "/node_modules/postern/dist/entry/browser.js";
  import { check } from "/consumer.mjs";
  const task = JSON.parse(document.getElementById("task").textContent);
  const started = location.hash === "#init" ? postern.init() : undefined;
  await started;
  document.title = check(postern, task);
`;

// Where no browser is, `cargo xtask test` says so and leaves this out; in CI it insists on one.
const inBrowser = CHROMIUM || process.env.CI ? test : () => {};

inBrowser("the package verifies in a browser under a strict content security policy", async (t) => {
  const task = await createTask("hmacSecret");
  const { folder } = createProject(t, { "consumer.mjs": CONSUMER, "main.mjs": MAIN, "index.html": page(task) });
  const server = createServer((request, response) => {
    const path = join(folder, new URL(request.url, "http://localhost").pathname);
    if (!existsSync(path) || !TYPES[extname(path)]) return response.writeHead(404).end();
    response.setHeader("content-type", TYPES[extname(path)]);
    response.setHeader("content-security-policy", "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'");
    response.end(readFileSync(path));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  t.after(() => browser.close());
  for (const hash of ["", "#init"]) {
    const tab = await browser.newPage();
    const problems = [];
    tab.on("pageerror", (error) => problems.push(String(error)));
    tab.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    await tab.goto(`http://127.0.0.1:${server.address().port}/index.html${hash}`);
    await tab.waitForFunction(() => document.title !== "waiting", undefined, { timeout: 10_000 }).catch(() => {});
    assert.equal(await tab.title(), "ok", problems.join("\n"));
    await tab.close();
  }
});
