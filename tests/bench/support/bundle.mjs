// Programs of one file, minified, as Wrangler and its kin make them.

import { createRequire } from "node:module";
import { ROOT } from "./workerd.mjs";

/** The module of the npm package is loaded from beside the program. */
const wasmBeside = {
  name: "wasm",
  setup: (build) => build.onResolve({ filter: /\.wasm$/ }, () => ({ path: "./verifier.wasm", external: true })),
};

/** For workerd. */
export const bundleForWorkerd = (source) => bundle(source, { conditions: ["workerd", "worker", "browser"], plugins: [wasmBeside] });

/** For Node. */
export const bundleForNode = (source) => bundle(source, { platform: "node" });

async function bundle(source, options) {
  const { build } = createRequire(createRequire(import.meta.url).resolve("wrangler"))("esbuild");
  const stdin = { contents: source, resolveDir: ROOT };
  const { outputFiles } = await build({ stdin, bundle: true, minify: true, format: "esm", write: false, ...options });
  return outputFiles[0].text;
}
