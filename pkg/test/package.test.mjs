import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readFileSync, symlinkSync } from "node:fs";
import { gzipSync } from "node:zlib";
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
  const expected = [/^package\.json$/, /^bin\/(postern|bootstrap)\.js$/, /^README\.md$/, /^LICENSE-(MIT|APACHE)$/, /^dist\/[a-z0-9-]+\.(js|d\.ts|wasm)$/, /^dist\/[a-z]+\/[a-z0-9-]+\.(js|d\.ts)$/];
  for (const file of contents) assert.ok(expected.some((pattern) => pattern.test(file)), file);
  for (const file of ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "dist/index.d.ts", "dist/verifier.wasm"]) {
    assert.ok(contents.includes(file), file);
  }
});

test("a module that imports the package and uses nothing of it bundles to nothing", (t) => {
  const project = createProject(t, { "main.mjs": 'import { createVerifier } from "postern";\n' });
  const out = project.run(join(TOOLS, ".bin", "esbuild"), ["main.mjs", "--bundle", "--format=esm", "--platform=browser"]);
  assert.ok(out.length < 200, out);
});

test("the build without WebAssembly stays small, and has none in it", (t) => {
  const project = createProject(t, { "main.mjs": 'export { createVerifier } from "postern/webcrypto";' });
  const bundle = project.run(join(TOOLS, ".bin", "esbuild"), ["main.mjs", "--bundle", "--minify", "--format=esm", "--platform=browser"]);
  assert.ok(!/WebAssembly|wasm/.test(bundle));
  const size = gzipSync(bundle, { level: 9 }).length;
  assert.ok(size <= 10_752, `${size} bytes gzipped`);
});

test("the manifest is in order, and every entry has the types that it says", (t) => {
  run(MODERN_NODE, [join(TOOLS, "publint", "src", "cli.js"), "--strict"], PACKAGE);
  const { tarball } = createProject(t);
  const attw = join(TOOLS, "@arethetypeswrong", "cli", "dist", "index.js");
  // The module itself has no types: each bundler and runtime imports it as something else.
  run(MODERN_NODE, [attw, tarball, "--profile", "esm-only", "--exclude-entrypoints", "verifier.wasm"], PACKAGE);
});

test("the types hold", () => {
  for (const project of ["test/types/tsconfig.json", "test/types/adapters.json", "test/types/sources.json"]) {
    run(MODERN_NODE, [join(TOOLS, "typescript", "bin", "tsc"), "-p", project], PACKAGE);
  }
});

test("every code and every option is in the README", () => {
  const read = (path) => readFileSync(join(PACKAGE, path), "utf8");
  const readme = read("README.md");
  const unions = [...read("src/index.d.ts").matchAll(/ErrorCode =([^;]+);/g), ...read("src/dpop/index.d.ts").matchAll(/ErrorCode =([^;]+);/g)];
  const codes = unions.flatMap(([, union]) => [...union.matchAll(/"(\w+)"/g)].map(([, code]) => code));
  const refusals = [...read("src/adapters/refusal.js").matchAll(/^ {4}(\w+): \{ status/gm)].map(([, code]) => code);
  const files = ["src/adapters/types.d.ts", "src/dpop/index.d.ts", "src/issuers/index.d.ts", "src/pages/index.d.ts"];
  const options = files.flatMap((file) => [...read(file).matchAll(/interface \w*Options\b[^{]*\{\n([\s\S]*?)\n\}/g)].flatMap(([, body]) => [...body.matchAll(/^ {2}(\w+)\??: /gm)].map(([, name]) => name)));
  assert.ok(codes.length > 30 && refusals.length > 7 && options.length > 25, `${codes.length} ${refusals.length} ${options.length}`);
  for (const name of [...codes, ...refusals, ...options]) assert.ok(readme.includes(`\`${name}\``) || readme.includes(`\`${name}(`), name);
});

test("the examples of the README run, one after the other", async (t) => {
  const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
  const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, example]) => example);
  assert.equal(examples.length, 5);
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
    globalThis.acting = ${JSON.stringify(await issuer.sign({ ...claims, org: "ada" }))};
    globalThis.createDocument = globalThis.listDocuments = globalThis.handler = (c) => c.text("reached");
  `;
  const requests = `
    const headers = { authorization: "Bearer " + token };
    const answers = await Promise.all([
      app.request("/me", { headers }), app.request("/me"), app.request("/docs", { method: "POST", headers }),
      app.request("/docs", { method: "POST" }), app.request("/docs"), app.request("/private", { headers }), app.request("/partners", { headers }),
      ...["ada", "eve"].map((slug) => app.request("/teams/" + slug + "/docs", { method: "POST", headers: { authorization: "Bearer " + acting } })),
      app.request("/teams/ada/docs", { method: "POST", headers }), app.request("/me", { headers: { authorization: "Bearer " + acting } }),
    ]);
    console.log(claims.subject, ...answers.map(({ status }) => status));
  `;
  const main = ['import "./world.mjs";', ...examples, requests].join("\n");
  const project = createProject(t, { "world.mjs": world, "main.mjs": main });
  symlinkSync(join(TOOLS, "hono"), join(project.folder, "node_modules", "hono"));
  assert.equal(project.run(process.execPath, ["main.mjs"]), "00112233445566778899aabbccddeeff 200 401 200 401 200 401 401 200 403 403 403\n");
});
