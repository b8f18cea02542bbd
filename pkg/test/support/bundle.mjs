// Bundles a program with one of the bundlers, as its documentation says: `bundle.mjs <bundler> <platform> <entry> <file>`
// in the folder of the project. Needs Node 22 or newer.
import { basename, dirname, resolve } from "node:path";

const [bundler, platform, entry, file] = process.argv.slice(2);
const folder = process.cwd();
const outfile = resolve(file);
const isNode = platform === "node";

const BUNDLERS = {
  async esbuild() {
    const { build } = await import("esbuild");
    await build({ entryPoints: [entry], outfile, platform, bundle: true, minify: true, format: "esm", logLevel: "error" });
  },
  async rollup() {
    const { rollup } = await import("rollup");
    const { nodeResolve } = await import("@rollup/plugin-node-resolve");
    const plugins = [nodeResolve(isNode ? { exportConditions: ["node"] } : { browser: true })];
    const bundle = await rollup({ input: entry, plugins, external: isNode ? /^node:/ : [] });
    await bundle.write({ file: outfile, format: "es" });
  },
  async vite() {
    const { build } = await import("vite");
    const output = { entryFileNames: basename(outfile), chunkFileNames: `${basename(outfile)}-[name].mjs` };
    const options = { outDir: dirname(outfile), emptyOutDir: false, ssr: isNode, rollupOptions: { input: entry, output } };
    await build({ root: folder, configFile: false, logLevel: "error", build: options, ssr: { noExternal: true } });
  },
  async webpack() {
    const { default: webpack } = await import("webpack");
    const output = { path: dirname(outfile), filename: basename(outfile), module: true, library: { type: "module" } };
    const target = isNode ? "node20" : "web";
    const options = { mode: "production", context: folder, entry: `./${entry}`, target, output, experiments: { outputModule: true } };
    const stats = await new Promise((done, failed) => webpack(options, (error, result) => (error ? failed(error) : done(result))));
    if (stats.hasErrors()) throw new Error(stats.toString());
  },
};

await BUNDLERS[bundler]();
