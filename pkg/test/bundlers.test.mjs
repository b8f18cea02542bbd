import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createApp, GREETING } from "./support/app.mjs";
import { inBrowser, openBrowser } from "./support/browser.mjs";
import { createProject, MODERN_NODE, TOOLS } from "./support/project.mjs";

const CONSUMER = readFileSync(new URL("support/consumer.mjs", import.meta.url), "utf8");
const BUNDLE = fileURLToPath(new URL("support/bundle.mjs", import.meta.url));
const BUNDLERS = ["esbuild", "rollup", "vite", "webpack"];
/** What a bundle can be for. Only one bundler has a word for "anywhere". */
const platformsOf = (bundler) => (bundler === "esbuild" ? ["browser", "node", "neutral"] : ["browser", "node"]);

/** A project with a program for each platform. */
const createAppProject = async (t) => {
  const browser = await createApp("hmacSecret");
  const node = await createApp("hmacSecret", "postern/inline");
  return createProject(t, { "consumer.mjs": CONSUMER, "browser.mjs": browser, "neutral.mjs": browser, "node.mjs": node });
};

for (const bundler of BUNDLERS) {
  test(`${bundler}: a bundle is one file that runs anywhere`, async (t) => {
    const { folder, run } = await createAppProject(t);
    for (const platform of platformsOf(bundler)) {
      run(MODERN_NODE, [BUNDLE, bundler, platform, `${platform}.mjs`, `out/${platform}/app.mjs`]);
      assert.deepEqual(readdirSync(join(folder, "out", platform)), ["app.mjs"]);
      // Elsewhere, so that nothing is found that lies beside the package.
      const source = readFileSync(join(folder, "out", platform, "app.mjs"), "utf8");
      mkdirSync(join(folder, "elsewhere", platform), { recursive: true });
      writeFileSync(join(folder, "elsewhere", platform, "app.mjs"), source);
      assert.equal(run(process.execPath, [`elsewhere/${platform}/app.mjs`]), `${GREETING}\n`, platform);
    }
    const inBrowsers = readFileSync(join(folder, "out/browser/app.mjs"), "utf8");
    assert.doesNotMatch(inBrowsers, /["']node:/);
  });

  test(`${bundler}: what does without the module leaves it out`, (t) => {
    const main = 'import { createIssuers } from "postern/issuers";\nimport { createGuard } from "postern/guard";\nglobalThis.parts = [createIssuers, createGuard];\n';
    const { folder, run } = createProject(t, { "main.mjs": main });
    run(MODERN_NODE, [BUNDLE, bundler, "browser", "main.mjs", "out/app.mjs"]);
    assert.doesNotMatch(readFileSync(join(folder, "out/app.mjs"), "utf8"), /AGFzbQ|WebAssembly/);
    // Without comments, which some bundlers keep.
    const size = run(join(TOOLS, ".bin", "esbuild"), ["out/app.mjs", "--minify"]).length;
    assert.ok(size > 5000 && size < 30_000, `${size} bytes`);
  });
}

inBrowser("the bundles of all bundlers run in a browser under a strict content security policy", async (t) => {
  const { folder, run } = await createAppProject(t);
  const open = await openBrowser(t, folder);
  for (const bundler of BUNDLERS) {
    run(MODERN_NODE, [BUNDLE, bundler, "browser", "browser.mjs", `out/${bundler}.mjs`]);
    writeFileSync(join(folder, `${bundler}.html`), `<!doctype html><title>waiting</title><script type="module" src="/out/${bundler}.mjs"></script>`);
    const { title, problems } = await open(`${bundler}.html`);
    assert.equal(title, GREETING, `${bundler}: ${problems}`);
  }
});
