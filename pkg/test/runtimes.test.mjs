// The vectors of tokens and key sets in the runtimes whose WebCrypto differs from Node's.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inBrowser, openBrowser } from "./support/browser.mjs";
import { createProject } from "./support/project.mjs";
import { startWorker, WRANGLER } from "./support/workerd.mjs";

const text = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const FILES = {
  "vectors.mjs": text("support/vectors.mjs"),
  "data.mjs": ["verify", "key_sets"]
    .map((name) => `export const ${name} = ${text(`../../tests/vectors/jwt/${name}.json`)};`)
    .join("\n"),
  // What is beneath the published build, which takes no shared secret: the vectors have some.
  "slow.mjs": `
    import { createVerifierFactory } from "./node_modules/postern/dist/webcrypto/verifier.js";
    import { checkKeySets, checkTokens } from "./vectors.mjs";
    import { key_sets, verify } from "./data.mjs";
    const create = createVerifierFactory({ allowHmac: true, shareFetch: false });
    export const slow = async () => [
      ...(await checkTokens(verify, create, "verifyAsync")),
      ...(await checkKeySets(key_sets, create)),
    ];
  `,
};

/** The same for the build with WebAssembly, whose loader differs by runtime. */
const fast = (load) => `
  ${load}
  import { checkKeySets, checkTokens } from "./vectors.mjs";
  import { key_sets, verify } from "./data.mjs";
  export const fast = async () => [
    ...(await checkTokens(verify, create, "verify")),
    ...(await checkTokens(verify, create, "verifyAsync")),
    ...(await checkKeySets(key_sets, create)),
  ];
`;

test("every vector gets its verdict in workerd, with and without WebAssembly", async (t) => {
  const { folder } = createProject(t, {
    ...FILES,
    "fast.mjs": fast('import { createVerifier as create } from "postern";'),
    "worker.mjs": `
      import { createVerifier } from "postern/webcrypto";
      import { fast } from "./fast.mjs";
      import { slow } from "./slow.mjs";
      // What is published can be made at the top of a module.
      const verifier = createVerifier({ issuer: "i", audience: "a", jwks: { keys: [{ kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] } });
      const refusal = () => verifier.verifyAsync("x").catch(({ code }) => code);
      const checks = { "/fast": fast, "/slow": slow, "/published": refusal };
      export default { fetch: async (request) => Response.json(await checks[new URL(request.url).pathname]()) };
    `,
    "wrangler.json": WRANGLER,
  });
  const ask = startWorker(t, folder);
  assert.deepEqual(await ask("/published", "/published"), ['"token_malformed"', '"token_malformed"']);
  assert.deepEqual(await ask("/slow"), ["[]"]);
  assert.deepEqual(await ask("/fast"), ["[]"]);
});

inBrowser("every vector gets its verdict in a browser, with and without WebAssembly", async (t) => {
  const page = (name) => `<!doctype html><title>waiting</title><script type="module" src="/${name}-page.mjs"></script>`;
  const program = (name) => `
    import { ${name} } from "./${name}.mjs";
    document.title = await ${name}().then((wrong) => wrong.join("\\n") || "ok", String);
  `;
  const load = `
    import { Engine } from "./node_modules/postern/dist/engine.js";
    import { compile } from "./node_modules/postern/dist/inlined.js";
    import { createVerifierFactory } from "./node_modules/postern/dist/verifier.js";
    const create = createVerifierFactory(new Engine(compile), { allowHmac: true });
  `;
  const { folder } = createProject(t, {
    ...FILES,
    "fast.mjs": fast(load),
    "fast-page.mjs": program("fast"),
    "slow-page.mjs": program("slow"),
    "fast.html": page("fast"),
    "slow.html": page("slow"),
  });
  for (const [name, allowWasm] of [["fast", true], ["slow", false]]) {
    const { title, problems } = await (await openBrowser(t, folder, { allowWasm }))(`${name}.html`, 60_000);
    assert.equal(title, "ok", problems);
  }
});
