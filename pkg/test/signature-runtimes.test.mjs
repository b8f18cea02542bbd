import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { inBrowser, openBrowser } from "./support/browser.mjs";
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

inBrowser("tokens and signatures of every algorithm get their verdicts in Chromium", async (t) => {
  const { folder } = createProject(t, {
    ...FILES,
    "index.html": '<!doctype html><title>waiting</title><script type="module" src="/main.mjs"></script>',
    "main.mjs": `
      import * as postern from "/node_modules/postern/dist/entry/browser.js";
      import * as webcrypto from "/node_modules/postern/dist/entry/webcrypto.js";
      import { check } from "/check.mjs";
      await postern.init();
      document.title = JSON.stringify(await check({ postern, "postern/webcrypto": webcrypto }));`,
  });
  const { title, problems } = await (await openBrowser(t, folder))("index.html", 60_000);
  assert.notEqual(title, "waiting", problems);
  judge(JSON.parse(title));
});
