import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { createProject } from "./support/project.mjs";
import { startWorker, WRANGLER } from "./support/workerd.mjs";

const VECTORS = new URL("../../tests/vectors/", import.meta.url);
const read = (name) => readFileSync(new URL(name, VECTORS), "utf8");
const RUNNER = readFileSync(new URL("support/signatures.mjs", import.meta.url), "utf8");
const SIGNATURES = ["rfc.json", ...readdirSync(new URL("signature/wycheproof", VECTORS)).map((name) => `wycheproof/${name}`)];
// All that a runtime needs, as a module of its own.
const DATA = `export const tokens = ${read("jwt/algorithms.json")};
export const signatures = { ${SIGNATURES.map((name) => `${JSON.stringify(name)}: ${read(`signature/${name}`)}`).join(",\n")} };`;
const CHECK = `
  import { judgeSignatures, judgeTokens } from "./signatures.mjs";
  import { signatures, tokens } from "./data.mjs";
  export async function check(entries) {
    const report = {};
    for (const [name, entry] of Object.entries(entries)) {
      report["verifyAsync of " + name] = await judgeTokens(entry, tokens, (it, token) => it.verifyAsync(token), false);
      if (name === "postern") report.verify = await judgeTokens(entry, tokens, (it, token) => it.verify(token), true);
    }
    for (const [name, { groups }] of Object.entries(signatures)) report[name] = await judgeSignatures(groups);
    return report;
  }
`;
const FILES = { "signatures.mjs": RUNNER, "data.mjs": DATA, "check.mjs": CHECK };

function judge(report) {
  assert.equal(Object.keys(report).length, 3 + SIGNATURES.length);
  for (const [name, { accepted, valid, refused, invalid, wrong }] of Object.entries(report)) {
    assert.deepEqual(wrong, [], name);
    assert.ok((accepted ?? valid) > 0 && (refused ?? invalid) > 10, name);
  }
}

test("tokens and signatures of every algorithm get their verdicts in workerd", async (t) => {
  const { folder } = createProject(t, {
    ...FILES,
    "worker.mjs": `
      import * as postern from "postern";
      import * as webcrypto from "postern/webcrypto";
      import { check } from "./check.mjs";
      export default { fetch: async () => Response.json(await check({ postern, "postern/webcrypto": webcrypto })) };`,
    "wrangler.json": WRANGLER,
  });
  const [report] = await startWorker(t, folder)("/");
  judge(JSON.parse(report));
});

const CHROMIUM = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };
// Where no browser is, `cargo xtask test` says so and leaves this out; in CI it insists on one.
const inBrowser = CHROMIUM || process.env.CI ? test : () => {};

inBrowser("tokens and signatures of every algorithm get their verdicts in Chromium", async (t) => {
  const { folder } = createProject(t, {
    ...FILES,
    "index.html": '<!doctype html><script type="module" src="/main.mjs"></script>',
    "main.mjs": `
      import * as postern from "/node_modules/postern/dist/entry/browser.js";
      import * as webcrypto from "/node_modules/postern/dist/entry/webcrypto.js";
      import { check } from "/check.mjs";
      await postern.init?.();
      globalThis.report = await check({ postern, "postern/webcrypto": webcrypto });`,
  });
  const server = createServer((request, response) => {
    const path = join(folder, new URL(request.url, "http://localhost").pathname);
    if (!existsSync(path) || !TYPES[extname(path)]) return response.writeHead(404).end();
    response.setHeader("content-type", TYPES[extname(path)]);
    response.end(readFileSync(path));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  t.after(() => browser.close());
  const tab = await browser.newPage();
  const problems = [];
  tab.on("pageerror", (error) => problems.push(String(error)));
  await tab.goto(`http://127.0.0.1:${server.address().port}/index.html`);
  await tab.waitForFunction(() => globalThis.report, undefined, { timeout: 60_000 }).catch(() => {});
  assert.deepEqual(problems, []);
  judge(await tab.evaluate(() => globalThis.report));
});
