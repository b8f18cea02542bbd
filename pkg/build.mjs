// Builds dist/: compiles the wasm module with cargo, copies the sources, inlines the module as base64.
//
// There are two modules with one interface and the same verdicts. `verifier.wasm`, for servers, makes tables for the
// Ed25519 keys that check many tokens. The inlined one, for pages, is smaller and has no tables.
//
// `node build.mjs` does everything; `node build.mjs --no-cargo` takes the modules that are in the target folder.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const workspace = dirname(here);
const dist = join(here, "dist");
const target = resolve(workspace, process.env.CARGO_TARGET_DIR ?? "target");

/** Each module must stay as small as this, gzipped. */
// Every server engine has had vector instructions since 2021 (Node 16.4), not every browser that is still in use.
const VECTORS = ["-Ctarget-feature=+simd128"];
const SERVER = { profile: "verifier", options: [], flags: VECTORS, maxGzipBytes: 56_800 };
// The rolled loops of SHA-2 are a third of the size of the unrolled ones, and take half as long again.
const COMPACT = ["--cfg", 'sha2_backend_soft="compact"'];
const PAGE = { profile: "verifier-small", options: ["--no-default-features"], flags: COMPACT, maxGzipBytes: 42_400 };

const [server, page] = [SERVER, PAGE].map((variant) => {
  if (!process.argv.includes("--no-cargo")) compile(variant);
  const wasm = readFileSync(join(target, "wasm32-unknown-unknown", variant.profile, "postern_verifier.wasm"));
  checkModule(wasm);
  checkSize(wasm, variant);
  return wasm;
});
assemble();

function compile({ profile, options, flags: more }) {
  const args = ["build", "--package", "postern-verifier", "--profile", profile, ...options];
  args.push("--target", "wasm32-unknown-unknown");
  const flags = [...more];
  // Panic locations would carry the paths of the building machine into the package, and make every build differ.
  const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  const sysroot = execFileSync("rustc", ["--print", "sysroot"], { cwd: workspace, encoding: "utf8" }).trim();
  for (const [path, name] of [[cargoHome, "cargo"], [sysroot, "rust"], [workspace, "postern"]]) {
    flags.push(`--remap-path-prefix=${path}=${name}`);
  }
  const env = { ...process.env, CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f") };
  execFileSync("cargo", args, { cwd: workspace, env, stdio: "inherit" });
}

/** The promise of the package: what verifies tokens can reach nothing. */
function checkModule(bytes) {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
  if (imports.length > 0) throw new Error(`the module imports ${JSON.stringify(imports)}`);
  for (const path of [homedir(), workspace]) {
    if (bytes.includes(path)) throw new Error(`the module quotes ${path}`);
  }
}

function assemble() {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  cpSync(join(here, "src"), dist, { recursive: true });
  writeFileSync(join(dist, "verifier.wasm"), server);
  const text = `// The module for pages.\nexport const WASM_BASE64 =\n  "${page.toString("base64")}";\n`;
  writeFileSync(join(dist, "wasm-base64.js"), text);
  for (const license of ["LICENSE-MIT", "LICENSE-APACHE"]) cpSync(join(workspace, license), join(here, license));
}

function checkSize(bytes, { profile, maxGzipBytes }) {
  const gzip = gzipSync(bytes, { level: 9 }).length;
  console.error(`${profile}: ${bytes.length} bytes, ${gzip} gzipped`);
  if (gzip > maxGzipBytes) throw new Error(`${profile} has more than ${maxGzipBytes} bytes gzipped`);
}
