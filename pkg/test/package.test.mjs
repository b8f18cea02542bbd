import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { createProject, MODERN_NODE, PACKAGE, run, TOOLS } from "./support/project.mjs";
import { createTask } from "./support/task.mjs";
import { createIssuer, mask, snapshot } from "./support/tokens.mjs";

const CONSUMER = readFileSync(new URL("support/consumer.mjs", import.meta.url), "utf8");
const program = (task, from = "postern") => `
  import * as postern from ${JSON.stringify(from)};
  import { check } from "./consumer.mjs";
  console.log(check(postern, ${JSON.stringify(task)}));
`;

test("the packed package installs and verifies, in the oldest and the newest Node", async (t) => {
  const project = createProject(t, { "consumer.mjs": CONSUMER, "main.mjs": program(await createTask("accepted")) });
  for (const node of new Set([process.execPath, MODERN_NODE])) assert.equal(project.run(node, ["main.mjs"]), "ok\n", node);
});

test("the package contains what it needs and nothing else", (t) => {
  const { contents } = createProject(t);
  const expected = [/^package\.json$/, /^README\.md$/, /^LICENSE-(MIT|APACHE)$/, /^dist\/[a-z0-9-]+\.(js|d\.ts|wasm)$/, /^dist\/[a-z]+\/[a-z0-9-]+\.(js|d\.ts)$/];
  for (const file of contents) assert.ok(expected.some((pattern) => pattern.test(file)), file);
  for (const file of ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "dist/index.d.ts", "dist/verifier.wasm"]) {
    assert.ok(contents.includes(file), file);
  }
});

test("a bundle of the default export is one file that runs anywhere", async (t) => {
  const task = await createTask("hmacSecret");
  const project = createProject(t, { "consumer.mjs": CONSUMER, "main.mjs": program(task) });
  const esbuild = join(TOOLS, ".bin", "esbuild");
  for (const [name, options] of [
    ["browser.mjs", ["--platform=browser"]],
    ["neutral.mjs", ["--platform=neutral", "--minify"]],
  ]) {
    project.run(esbuild, ["main.mjs", "--bundle", "--format=esm", `--outfile=elsewhere/${name}`, "--log-level=error", ...options]);
    assert.equal(project.run(process.execPath, [`elsewhere/${name}`]), "ok\n", name);
  }
  const inline = program(task, "postern/inline");
  run(process.execPath, ["-e", `require("fs").writeFileSync("inline.mjs", ${JSON.stringify(inline)})`], project.folder);
  project.run(esbuild, ["inline.mjs", "--bundle", "--platform=node", "--format=esm", "--outfile=elsewhere/node.mjs", "--log-level=error"]);
  assert.equal(project.run(process.execPath, ["elsewhere/node.mjs"]), "ok\n");
});

test("a module that imports the package and uses nothing of it bundles to nothing", (t) => {
  const project = createProject(t, { "main.mjs": 'import { createVerifier } from "postern";\n' });
  const out = project.run(join(TOOLS, ".bin", "esbuild"), ["main.mjs", "--bundle", "--format=esm", "--platform=browser"]);
  assert.ok(out.length < 200, out);
});

test("the manifest is in order", () => {
  run(MODERN_NODE, [join(TOOLS, "publint", "src", "cli.js"), "--strict"], PACKAGE);
});

test("the types hold", () => {
  for (const project of ["test/types/tsconfig.json", "test/types/sources.json"]) {
    run(MODERN_NODE, [join(TOOLS, "typescript", "bin", "tsc"), "-p", project], PACKAGE);
  }
});

test("the example of the README runs", async (t) => {
  const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
  const [, example] = readme.match(/```js\n([\s\S]*?)```/);
  const issuer = await createIssuer();
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "https://auth.example.com", aud: "https://api.example.com", tid: "default", iat: now, exp: now + 300, pm: mask(64, [0]) };
  const world = `
    globalThis.fetch = async (url) => {
      if (url !== "https://auth.example.com/.well-known/jwks.json") throw new Error(url);
      return Response.json(${JSON.stringify(issuer.jwks)});
    };
    globalThis.permissions = ${JSON.stringify(snapshot(["docs:write"]))};
    globalThis.token = ${JSON.stringify(await issuer.sign(claims))};
  `;
  const project = createProject(t, { "world.mjs": world, "main.mjs": `import "./world.mjs";\n${example}\nconsole.log(claims.subject);` });
  assert.equal(project.run(process.execPath, ["main.mjs"]), "00112233445566778899aabbccddeeff\n");
});
